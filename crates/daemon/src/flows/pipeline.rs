//! From the plugins' settings to rows, schemas, and one set of aggregators for each worker.

use super::worker::{Bound, Limits, PluginSlot, Selection as Selected};
use aggregate::aggregator::Span;
use aggregate::time_bin::{Roundoff, Width};
use aggregate::{Aggregator, Bins};
use enrich::{Enricher, Stage};
use flow::custom::Custom;
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::row::{FieldSet, Layout};
use flow::schema::{Options, Schema, Selection};
use foldhash::fast::RandomState;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Time bins as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) width: Width,
    pub(crate) roundoff: Roundoff,
    /// Seconds.
    pub(crate) offset: u32,
}

/// How flows are spread over time bins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// Maximum number of bins of one flow.
    pub(crate) max_bins: usize,
    /// How far from its reference time a flow may start.
    pub(crate) times: Limits,
}

/// What one plugin aggregates, and how far its tables may grow.
#[derive(Clone, Debug)]
pub(crate) struct Aggregation {
    pub(crate) selection: Selection,
    pub(crate) options: Options,
    pub(crate) history: Option<History>,
    /// `nfacctd_pro_rating`.
    pub(crate) spread: Option<Spread>,
    /// Times are shown, and bins aligned, in UTC.
    pub(crate) utc: bool,
    pub(crate) bound: Bound,
}

/// Adds the fields that a decoder needs to compute others. The second argument: whether any plugin uses time bins.
pub(crate) type Require = fn(&mut FieldSet, bool);

/// The compiled settings of a daemon.
pub(crate) struct Pipeline {
    needs: Needs,
    require: Require,
    pub(crate) schemas: Vec<Arc<Schema>>,
    plugins: Vec<Aggregation>,
    tees: Vec<TeePlan>,
    enrichment: Arc<enrich::Compiled>,
    /// One for all tables, so that they can be merged.
    pub(crate) hash: RandomState,
    started: i64,
}

/// What the receivers of a tee plugin want.
#[derive(Clone, Debug, Default)]
pub(crate) struct TeePlan {
    /// The pools, if they are others than those that the sockets were opened for.
    pub(crate) pools: Option<Arc<tee::pool::Pools>>,
    /// Whether pools use tags.
    pub(crate) use_tags: bool,
    pub(crate) selection: Selected,
}

/// The parts of one worker.
pub(crate) struct Parts {
    pub(crate) enricher: Enricher,
    pub(crate) output: Output,
    /// In the order of the plugins.
    pub(crate) aggregators: Vec<(Aggregator, Option<Stage>, Bound)>,
    /// The stages of the tee plugins.
    pub(crate) tees: Vec<Option<Stage>>,
}

impl Pipeline {
    /// `started`: seconds since 1970, from which bins are aligned.
    pub(crate) fn new(
        plugins: Vec<Aggregation>,
        customs: Vec<Custom>,
        tees: Vec<TeePlan>,
        files: &enrich::Loaded,
        started: i64,
        require: Require,
    ) -> Self {
        Self::compile(plugins, customs.into(), tees, files, RandomState::default(), started, require)
    }

    /// The same with what the operator's files say now. Its tables can be merged with those of before.
    pub(crate) fn reloaded(&self, tees: Vec<TeePlan>, files: &enrich::Loaded) -> Self {
        let customs = Arc::clone(&self.needs.customs);
        Self::compile(self.plugins.clone(), customs, tees, files, self.hash.clone(), self.started, self.require)
    }

    fn compile(
        plugins: Vec<Aggregation>,
        customs: Arc<[Custom]>,
        mut tees: Vec<TeePlan>,
        files: &enrich::Loaded,
        hash: RandomState,
        started: i64,
        require: Require,
    ) -> Self {
        let mut fields = FieldSet::default();
        let mut bin_times = false;
        for plugin in &plugins {
            plugin.selection.require(&plugin.options, &mut fields);
            bin_times |= plugin.options.bins;
            if plugin.spread.is_some() {
                fields.insert(Field::TimeStart);
                fields.insert(Field::TimeEnd);
            }
        }
        for (number, tee) in (plugins.len()..).zip(&mut tees) {
            let by_tag = tee.use_tags || files.filters(number);
            tee.selection = Selected { by_tag, by_record: by_tag && files.tells_records_apart(number) };
            if by_tag {
                fields.insert(Field::Tag);
            }
        }
        // Aggregated fields are adjacent, so that they are copied at once, whatever maps and files need besides.
        let aggregated = fields;
        files.require(&mut fields);
        require(&mut fields, bin_times);
        let sizes: Vec<usize> = customs.iter().map(|custom| custom.semantics.kind().size()).collect();
        let layout = Arc::new(Layout::with_first(&aggregated, &fields, &sizes));
        let schema =
            |plugin: &Aggregation| Arc::new(Schema::new(&plugin.selection, &customs, &layout, &plugin.options));
        Self {
            schemas: plugins.iter().map(schema).collect(),
            enrichment: Arc::new(files.compile(&layout)),
            needs: Needs { layout, customs, bin_times },
            require,
            plugins,
            tees,
            hash,
            started,
        }
    }

    /// The contents of rows.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The tee plugins.
    pub(crate) fn tees(&self) -> &[TeePlan] {
        &self.tees
    }

    /// The enrichment of rows.
    pub(crate) fn enrichment(&self) -> &Arc<enrich::Compiled> {
        &self.enrichment
    }

    /// Switches the plugin's slot to this pipeline.
    pub(crate) fn change(&self, plugin: usize, slot: &mut PluginSlot, stage: Option<Stage>) {
        if let (Some(schema), Some(settings)) = (self.schemas.get(plugin), self.plugins.get(plugin)) {
            slot.change(Arc::clone(schema), self.span(settings), stage);
        }
    }

    fn span(&self, plugin: &Aggregation) -> Option<Span> {
        let layout = &self.needs.layout;
        let Spread { max_bins, times } = plugin.spread?;
        let (start, end) = layout.offset(Field::TimeStart).zip(layout.offset(Field::TimeEnd))?;
        Some(Span { start, end, max_bins, back: times.back, ahead: times.ahead })
    }

    /// Creates the parts of one worker.
    pub(crate) fn worker(&self) -> Parts {
        let (enricher, stages) = Enricher::new(&self.enrichment);
        let mut stages = stages.into_iter();
        let plugins = self.plugins.iter().zip(&self.schemas).zip(&mut stages);
        let aggregators = plugins.map(|((plugin, schema), stage)| {
            let bins = plugin.history.map(|history| {
                let zone = if plugin.utc { TimeZone::UTC } else { TimeZone::system() };
                Bins::new(history.width, history.roundoff, history.offset, self.started, zone)
            });
            let aggregator = Aggregator::new(Arc::clone(schema), bins, self.span(plugin), self.hash.clone());
            (aggregator, stage, plugin.bound)
        });
        let aggregators = aggregators.collect();
        Parts { aggregators, tees: stages.collect(), enricher, output: Output::new(&self.needs.layout) }
    }
}
