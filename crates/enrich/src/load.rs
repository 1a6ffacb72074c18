//! Loads the files that the configuration names into one snapshot for all workers.
//!
//! [`Loaded::read`] reads all files and collects errors. [`Loaded::compile`] compiles them for one layout of rows,
//! which the caller builds from the fields that [`Loaded::require`] adds.

use crate::read::{Reader, RouteFiles, Size};
use crate::spec::{PluginSpec, Spec};
use crate::stage;
use crate::step::{CompiledStep, Step, Target};
use crate::steps::{COMMON, CommonStep, PLUGIN};
use config::Diagnostics;
use flow::row::{FieldSet, Layout};
use maps::load::Context;
use maps::matcher::PacketSource;
use maps::usage::Usage;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The contents of all files, as an ordered list of steps.
#[derive(Debug)]
pub struct Loaded {
    /// Before the live tables.
    early: Vec<Box<dyn Step>>,
    live: Vec<Box<dyn Step>>,
    /// After the live tables.
    late: Vec<Box<dyn Step>>,
    plugins: Vec<Plugin>,
    packets: PacketSource,
    links: Arc<[i32]>,
    sizes: Vec<Size>,
    routes: RouteFiles,
}

#[derive(Debug)]
struct Plugin {
    sampling: Option<NonZeroU32>,
    steps: Vec<Box<dyn Step>>,
}

impl Loaded {
    /// Reads all files that the configuration names. A file that cannot be read is a fatal error, an invalid line is not.
    pub fn read(spec: &Spec, context: &Context, problems: &mut Diagnostics) -> Self {
        let mut reader = Reader::new(spec, context, problems);
        // Errors in these maps are reported first, as in earlier releases.
        if let Some(path) = &spec.core.tags {
            reader.tags(path);
        }
        let (mut early, mut late, mut is_late) = (Vec::new(), Vec::new(), false);
        for step in COMMON {
            match step {
                CommonStep::Snapshot(read) => {
                    let steps = if is_late { &mut late } else { &mut early };
                    steps.extend(read(&spec.core, &mut reader));
                }
                CommonStep::Live => is_late = true,
            }
        }
        let routes = reader.routes(&spec.core.routes);
        let mut plugin = |spec: &PluginSpec| Plugin {
            sampling: spec.sampling,
            steps: PLUGIN.iter().filter_map(|read| read(spec, &mut reader)).collect(),
        };
        let plugins = spec.plugins.iter().map(&mut plugin).collect();
        let links =
            if context.links.is_empty() { [filter::ETHERNET].into() } else { context.links.as_slice().into() };
        let sizes = reader.into_sizes();
        Self { early, live: Vec::new(), late, plugins, packets: context.packets(), links, sizes, routes }
    }

    /// Adds a step over a live table ([`crate::live`]), after those that were added before. After a reload, the step over the same
    /// table must be added again.
    pub fn add_live(&mut self, step: impl Step + 'static) {
        self.live.push(Box::new(step));
    }

    /// The maps for a step that looks up routes.
    pub fn routes(&self) -> &RouteFiles {
        &self.routes
    }

    /// The files that were read, each once, with their number of entries.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// The steps for all rows, in order.
    fn common(&self) -> impl DoubleEndedIterator<Item = &dyn Step> {
        self.early.iter().chain(&self.live).chain(&self.late).map(Box::as_ref)
    }

    /// Whether tags and filters of this plugin tell records of one datagram apart.
    pub fn tells_records_apart(&self, plugin: usize) -> bool {
        let own = self.plugins.get(plugin);
        let steps = own.iter().flat_map(|plugin| &plugin.steps).map(Box::as_ref);
        own.is_some_and(|plugin| plugin.sampling.is_some())
            || self.common().chain(steps).any(|step| step.tells_records_apart())
    }

    /// Whether rows of this plugin are filtered.
    pub fn filters(&self, plugin: usize) -> bool {
        let filters =
            |plugin: &Plugin| plugin.sampling.is_some() || plugin.steps.iter().any(|step| step.filters());
        self.plugins.get(plugin).is_some_and(filters)
    }

    /// Warns about rules that can never match.
    pub fn review(&self, problems: &mut Diagnostics) {
        let of_plugins = self.plugins.iter().flat_map(|plugin| &plugin.steps).map(Box::as_ref);
        self.common().chain(of_plugins).for_each(|step| step.review(problems));
    }

    /// Adds the fields that the steps read and write. `fields` has those that plugins aggregate.
    pub fn require(&self, fields: &mut FieldSet) {
        // In reverse: a step requires the sources of fields that later ones need.
        for plugin in &self.plugins {
            plugin.steps.iter().rev().for_each(|step| step.require(fields));
        }
        self.common().rev().for_each(|step| step.require(fields));
    }

    /// Compiles all steps for rows of `layout`.
    pub fn compile(&self, layout: &Layout) -> Compiled {
        let target = Target { layout, packets: self.packets };
        let plugin = |plugin: &Plugin| {
            let steps = plugin.steps.iter().filter_map(|step| step.compile(&target)).collect();
            let stage = stage::Compiled { sampling: plugin.sampling, steps };
            (!stage.is_no_op()).then_some(stage)
        };
        Compiled {
            common: self.common().filter_map(|step| step.compile(&target)).collect(),
            plugins: self.plugins.iter().map(plugin).collect(),
            layout: layout.clone(),
            links: Arc::clone(&self.links),
        }
    }
}

/// What workers run: an immutable snapshot that they share.
#[derive(Debug)]
pub struct Compiled {
    common: Vec<Arc<dyn CompiledStep>>,
    plugins: Vec<Option<stage::Compiled>>,
    layout: Layout,
    links: Arc<[i32]>,
}

impl Compiled {
    /// Which rules have matched since the files were read: those of the core's maps, then of each plugin with a map, by its number.
    pub fn usages(&self) -> impl Iterator<Item = (Option<usize>, &Usage)> {
        let common = self.common.iter().filter_map(|step| Some((None, step.usage()?)));
        let plugins = self.plugins.iter().enumerate().flat_map(|(number, plugin)| {
            let steps = plugin.iter().flat_map(|plugin| &plugin.steps);
            steps.filter_map(move |step| Some((Some(number), step.usage()?)))
        });
        common.chain(plugins)
    }

    /// The steps for all rows.
    pub(crate) fn common(&self) -> &[Arc<dyn CompiledStep>] {
        &self.common
    }

    /// Number of plugins, with or without a stage.
    pub(crate) fn plugins(&self) -> usize {
        self.plugins.len()
    }

    /// The stage of the plugin of that number, if it has one.
    pub(crate) fn plugin(&self, number: usize) -> Option<&stage::Compiled> {
        self.plugins.get(number)?.as_ref()
    }

    /// Link types of the frames that filters were compiled for.
    pub(crate) fn links(&self) -> &[i32] {
        &self.links
    }

    /// The layout of the rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}
