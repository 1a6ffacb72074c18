//! What is done to the rows of one plugin: its own map and networks, its filters, and the lists that merge values.
//!
//! The order is that of pmacct's: tags first, then filters on what the record told, then what changes the values that are
//! aggregated. A plugin for which nothing is to be done has no stage, and its rows are not copied.

use crate::core::multiply;
use crate::lists::Octets;
use crate::networks::{Outside, Resolver, put};
use crate::sight::{Look, Sights};
use filter::{Filter, Synthetic};
use flow::field::Field;
use flow::row::{FieldSet, Layout, RowMut, Rows};
use flow::strings::Strings;
use maps::matcher::{Frames, Sight, View};
use maps::ports_file::Ports;
use maps::pre_tag::{Compiled as Tags, LabelFilter, PreTagMap, Scratch, TagFilter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The rows of one exporter in a batch: from row `first` to the next origin's.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Number of its first row.
    pub first: usize,
    /// The exporter; packets that were captured have none.
    pub exporter: Option<IpAddr>,
}

/// Rows that a stage kept out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptOut {
    /// By a filter of tags or labels.
    pub tag: u64,
    /// By `aggregate_filter`.
    pub expression: u64,
    /// By `sampling_rate`.
    pub sampling: u64,
}

/// What a plugin's rows go through, before it is compiled for a layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) tags: Option<Arc<PreTagMap>>,
    pub(crate) filters: Filters,
    pub(crate) post_tag: Option<u64>,
    pub(crate) post_tag2: Option<u64>,
    pub(crate) ports: Option<Arc<Ports>>,
    pub(crate) protos: Option<Octets>,
    pub(crate) tos: Option<Octets>,
    pub(crate) dscp: bool,
    pub(crate) sampling: Option<Sampling>,
}

/// `sampling_rate`: one row in so many is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sampling {
    pub(crate) interval: NonZeroU32,
    /// Its counters are multiplied by the interval.
    pub(crate) renormalize: bool,
}

/// Which rows a plugin takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) expression: Option<Filter>,
    pub(crate) tag: Option<TagFilter>,
    pub(crate) tag2: Option<TagFilter>,
    pub(crate) label: Option<LabelFilter>,
}

impl Filters {
    fn is_empty(&self) -> bool {
        self.expression.is_none() && self.tag.is_none() && self.tag2.is_none() && self.label.is_none()
    }
}

impl Steps {
    /// Adds the fields that the steps read.
    pub(crate) fn require(&self, fields: &mut FieldSet) {
        if let Some(tags) = &self.tags {
            tags.require(fields);
        }
        if let Some(filter) = &self.filters.expression {
            filter.require(fields);
        }
        for (wanted, field) in [
            (self.filters.tag.is_some(), Field::Tag),
            (self.filters.tag2.is_some(), Field::Tag2),
            (self.filters.label.is_some(), Field::Label),
        ] {
            if wanted {
                fields.insert(field);
            }
        }
    }

    /// True when rows go through unchanged and all of them.
    fn is_idle(&self) -> bool {
        let lists = self.ports.is_some() || self.protos.is_some() || self.tos.is_some();
        let tags = self.tags.is_some() || self.post_tag.is_some() || self.post_tag2.is_some();
        !lists && !tags && self.filters.is_empty() && self.sampling.is_none()
    }
}

/// A plugin's stage, compiled for rows of one layout; workers share it.
#[derive(Debug)]
pub(crate) struct Compiled {
    tags: Option<Tags>,
    networks: Option<Resolver>,
    outside: Option<Outside>,
    steps: Steps,
    places: Places,
}

/// Where the fields lie that a stage looks at.
#[derive(Debug)]
struct Places {
    tag: Option<usize>,
    tag2: Option<usize>,
    label: Option<usize>,
    ports: Vec<usize>,
    proto: Option<usize>,
    tos: Option<usize>,
    sampling: Option<usize>,
}

impl Compiled {
    /// `None` when rows go through unchanged and all of them.
    pub(crate) fn new(
        steps: &Steps,
        networks: Option<Resolver>,
        outside: Option<Outside>,
        layout: &Layout,
        sight: Sight,
    ) -> Option<Self> {
        let networks = networks.filter(|networks| !networks.is_idle());
        if steps.is_idle() && networks.is_none() && outside.is_none() {
            return None;
        }
        let places = Places {
            tag: layout.offset(Field::Tag),
            tag2: layout.offset(Field::Tag2),
            label: layout.offset(Field::Label),
            ports: [Field::SrcPort, Field::DstPort].iter().filter_map(|field| layout.offset(*field)).collect(),
            proto: layout.offset(Field::Proto),
            tos: layout.offset(Field::Tos),
            sampling: layout.offset(Field::SamplingRate),
        };
        let tags = steps.tags.as_ref().map(|tags| tags.compile(layout, sight));
        Some(Self { tags, networks, outside, steps: steps.clone(), places })
    }

    /// Which rules of the plugin's own map have matched.
    pub(crate) fn usage(&self) -> Option<&maps::usage::Usage> {
        self.tags.as_ref().map(Tags::usage)
    }
}

/// A plugin's stage in one worker.
#[derive(Debug)]
pub struct Stage {
    shared: Arc<crate::Compiled>,
    plugin: usize,
    synthetic: Synthetic,
    scratch: Scratch,
    rows: Rows,
    sampler: Sampler,
}

/// Takes one row in so many, at random, so that traffic with a period is not always met at the same point of it.
#[derive(Clone, Debug)]
struct Sampler {
    /// None: all are taken.
    interval: Option<NonZeroU32>,
    random: fastrand::Rng,
}

impl Sampler {
    fn new(sampling: Option<Sampling>) -> Self {
        Self { interval: sampling.map(|sampling| sampling.interval), random: fastrand::Rng::new() }
    }

    #[inline]
    fn leaves_out(&mut self) -> bool {
        self.interval.is_some_and(|interval| self.random.u32(..interval.get()) != 0)
    }
}

impl Stage {
    /// The stage of the plugin of that number, if it has one.
    pub(crate) fn new(shared: &Arc<crate::Compiled>, plugin: usize) -> Option<Self> {
        let sampler = Sampler::new(shared.plugin(plugin)?.steps.sampling);
        let (synthetic, rows) = (Synthetic::new(shared.layout()), Rows::new(shared.layout()));
        Some(Self { shared: Arc::clone(shared), plugin, synthetic, scratch: Scratch::default(), rows, sampler })
    }

    /// The rows' strings were cleared: ids that are remembered mean nothing any more.
    pub fn forget_strings(&mut self) {
        self.scratch.forget_strings();
    }

    /// The rows that go to the plugin, as it sees them.
    pub fn apply(
        &mut self,
        rows: &Rows,
        origins: &[Origin],
        strings: &mut Strings,
        sights: &dyn Sights,
    ) -> (&Rows, KeptOut) {
        self.rows.clear();
        let mut kept_out = KeptOut::default();
        let Some(stage) = self.shared.plugin(self.plugin) else { return (&self.rows, kept_out) };
        let mut all = rows.iter().enumerate();
        for (number, origin) in origins.iter().enumerate() {
            let end = origins.get(number + 1).map_or(rows.len(), |next| next.first);
            let scope = stage.tags.as_ref().map(|tags| tags.scope(origin.exporter, &mut self.scratch));
            for (number, row) in all.by_ref().take(end - origin.first) {
                if self.sampler.leaves_out() {
                    kept_out.sampling += 1;
                    continue;
                }
                let mut row = self.rows.push_row(row);
                let mut look =
                    Look { sights, row: number, synthetic: &mut self.synthetic, links: self.shared.links() };
                if let (Some(tags), Some(scope)) = (&stage.tags, scope) {
                    tags.apply(scope, &mut row, strings, &mut look, &mut self.scratch);
                }
                if let Some(reason) = stage.keeps_out(&mut row, strings, &mut look) {
                    *reason.count(&mut kept_out) += 1;
                    self.rows.pop();
                } else {
                    stage.rewrite(&mut row);
                }
            }
        }
        (&self.rows, kept_out)
    }
}

/// Why a row is kept out.
#[derive(Clone, Copy)]
enum Reason {
    Tag,
    Expression,
}

impl Reason {
    fn count(self, kept_out: &mut KeptOut) -> &mut u64 {
        match self {
            Self::Tag => &mut kept_out.tag,
            Self::Expression => &mut kept_out.expression,
        }
    }
}

impl Compiled {
    #[inline]
    fn keeps_out(&self, row: &mut RowMut<'_>, strings: &Strings, look: &mut Look<'_>) -> Option<Reason> {
        let filters = &self.steps.filters;
        for (filter, place) in [(&filters.tag, self.places.tag), (&filters.tag2, self.places.tag2)] {
            if let Some(filter) = filter
                && !filter.matches(number(row, place))
            {
                return Some(Reason::Tag);
            }
        }
        if let Some(filter) = &filters.label {
            let id = place_of(row, self.places.label).map_or(0, u32::from_be_bytes);
            if !filter.matches(strings.get(id)) {
                return Some(Reason::Tag);
            }
        }
        let view = View { row: row.as_row(), strings };
        match &filters.expression {
            Some(filter) if !filter.sees(look.frame(&view)) => Some(Reason::Expression),
            _ => None,
        }
    }

    /// Changes the values that are aggregated.
    fn rewrite(&self, row: &mut RowMut<'_>) {
        if let Some(networks) = &self.networks {
            networks.apply(row);
        }
        if let Some(outside) = &self.outside {
            outside.apply(row);
        }
        let (steps, places) = (&self.steps, &self.places);
        if let Some(sampling) = steps.sampling {
            let interval = sampling.interval.get();
            if sampling.renormalize {
                multiply(row, interval);
            }
            let shown = if sampling.renormalize { 1 } else { interval };
            put(row.octets(), places.sampling, &shown.to_be_bytes());
        }
        if let Some(tag) = steps.post_tag {
            put(row.octets(), places.tag, &tag.to_be_bytes());
        }
        if let Some(tag) = steps.post_tag2 {
            put(row.octets(), places.tag2, &tag.to_be_bytes());
        }
        if let Some(ports) = &steps.ports {
            for at in &places.ports {
                let port = place_of(row, Some(*at)).map_or(0, u16::from_be_bytes);
                if !ports.has(port) {
                    put(row.octets(), Some(*at), &[0, 0]);
                }
            }
        }
        if let (Some(list), Some([proto])) = (&steps.protos, place_of(row, places.proto)) {
            put(row.octets(), places.proto, &[list.keep(proto)]);
        }
        if let (Some(list), Some([tos])) = (&steps.tos, place_of(row, places.tos)) {
            let shown = if steps.dscp { tos >> 2 } else { tos };
            put(row.octets(), places.tos, &[list.keep(shown)]);
        }
    }
}

fn place_of<const N: usize>(row: &mut RowMut<'_>, at: Option<usize>) -> Option<[u8; N]> {
    row.octets().get(at?..)?.first_chunk().copied()
}

fn number(row: &mut RowMut<'_>, at: Option<usize>) -> u64 {
    place_of(row, at).map_or(0, u64::from_be_bytes)
}
