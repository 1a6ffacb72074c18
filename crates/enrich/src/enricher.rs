//! What is done to all rows: sampling, networks, route distinguishers, places, tags; in that order, as each may ask for
//! what the one before has found.

use crate::load::Compiled;
use crate::networks::{self, Resolver, put};
use crate::sight::{Look, Sights};
use crate::stage::{Origin, Stage};
use filter::Synthetic;
use flow::row::{self, RowMut, Rows};
use flow::strings::Strings;
use maps::by_exporter::Values;
use maps::pre_tag::{Compiled as Tags, Scratch};
use std::sync::Arc;

/// What is done to all rows, compiled for one layout.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) tags: Option<Tags>,
    pub(crate) networks: Option<Resolver>,
    pub(crate) sampling: Option<Values<u32>>,
    pub(crate) distinguishers: Option<Values<[u8; 8]>>,
    pub(crate) places: Option<geoip::Database>,
    /// Sampling intervals are worked out here, not by the decoder.
    pub(crate) samples: bool,
    pub(crate) interval: Option<u32>,
    pub(crate) renormalize: bool,
    pub(crate) sampling_at: Option<usize>,
    pub(crate) rd: Option<usize>,
    pub(crate) rd_origin: Option<usize>,
}

impl Core {
    /// True when rows stay as they are.
    fn is_idle(&self) -> bool {
        self.networks.is_none() && !self.looks_at_rows()
    }

    /// True when there is more to do than to find networks.
    fn looks_at_rows(&self) -> bool {
        let maps = self.tags.is_some() || self.sampling.is_some() || self.distinguishers.is_some();
        maps || self.samples || self.places.is_some()
    }

    /// Finds the sampling interval: that of the map, else what the operator says of all, else that of the record; and multiplies
    /// by it.
    fn sample(&self, row: &mut RowMut<'_>, by_map: Option<u32>) {
        let told = self.sampling_at.and_then(|at| row.octets().get(at..)?.first_chunk().copied());
        let told = told.map(u32::from_be_bytes).filter(|interval| *interval > 0);
        let Some(interval) = by_map.or(self.interval).or(told) else { return };
        if self.renormalize {
            multiply(row, interval);
        }
        let shown = if self.renormalize { 1 } else { interval };
        put(row.octets(), self.sampling_at, &shown.to_be_bytes());
    }
}

/// The steps of one worker.
#[derive(Debug)]
pub struct Enricher {
    shared: Arc<Compiled>,
    synthetic: Synthetic,
    scratch: Scratch,
    networks: networks::Scratch,
    places: Option<geoip::Enricher>,
    /// Rows stay as they are.
    idle: bool,
}

impl Enricher {
    /// The steps of that snapshot, and each plugin's own.
    pub fn new(shared: &Arc<Compiled>) -> (Self, Vec<Option<Stage>>) {
        let stages = (0..shared.plugins()).map(|plugin| Stage::new(shared, plugin)).collect();
        let places = shared.core.places.as_ref().map(|database| geoip::Enricher::new(database, shared.layout()));
        let synthetic = Synthetic::new(shared.layout());
        let idle = shared.core.is_idle();
        (
            Self {
                shared: Arc::clone(shared),
                synthetic,
                scratch: Scratch::default(),
                networks: networks::Scratch::default(),
                places,
                idle,
            },
            stages,
        )
    }

    /// Fills in the rows of one origin: those from its first on.
    #[inline]
    pub fn apply(&mut self, origin: Origin, rows: &mut Rows, strings: &mut Strings, sights: &dyn Sights) {
        if !self.idle {
            self.enrich(origin, rows, strings, sights);
        }
    }

    fn enrich(&mut self, origin: Origin, rows: &mut Rows, strings: &mut Strings, sights: &dyn Sights) {
        let Origin { first, exporter } = origin;
        let core = &self.shared.core;
        if let Some(networks) = &core.networks {
            networks.apply_all(rows, first, &mut self.networks);
        }
        if !core.looks_at_rows() {
            return;
        }
        let sampling = core.sampling.as_ref().map(|map| (map, map.scope(exporter)));
        let distinguishers = core.distinguishers.as_ref().map(|map| (map, map.scope(exporter)));
        let each = core.samples || distinguishers.is_some() || self.places.is_some();
        for mut row in rows.iter_mut_from(first).take(if each { usize::MAX } else { 0 }) {
            if core.samples {
                let told = sampling.and_then(|(map, scope)| map.find(scope, row.as_row(), strings));
                core.sample(&mut row, told);
            }
            if let Some((map, scope)) = distinguishers
                && let Some(distinguisher) = map.find(scope, row.as_row(), strings)
            {
                put(row.octets(), core.rd, &distinguisher);
                put(row.octets(), core.rd_origin, &[flow::kind::RdOrigin::MAP.0]);
            }
            if let Some(places) = &mut self.places {
                places.apply(&mut row, strings);
            }
        }
        if let Some(map) = &core.tags {
            let (synthetic, links) = (&mut self.synthetic, self.shared.links());
            let mut look = Look { sights, row: first, synthetic, links };
            let scope = map.scope(exporter, &mut self.scratch);
            map.apply_all(scope, (rows, first), strings, &mut look, &mut self.scratch);
        }
    }

    /// The rows' strings were cleared: ids that are remembered mean nothing any more.
    pub fn forget_strings(&mut self) {
        self.scratch.forget_strings();
        if let Some(places) = &mut self.places {
            places.forget_strings();
        }
    }
}

/// Multiplies the counters of a row.
pub(crate) fn multiply(row: &mut RowMut<'_>, interval: u32) {
    for word in [row::PACKETS, row::OCTETS] {
        let count = row.head(word);
        *count = count.saturating_mul(u64::from(interval));
    }
}
