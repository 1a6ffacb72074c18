//! Enriches all rows, in one worker.

use crate::load::Compiled;
use crate::packets::{PacketViews, RowPackets};
use crate::stage::{Origin, Stage};
use crate::step::{self, Batch, Filtered, WorkerStep};
use filter::Synthetic;
use flow::row::Rows;
use flow::strings::Strings;
use std::sync::Arc;

/// The steps for all rows, in one worker.
#[derive(Debug)]
pub struct Enricher {
    shared: Arc<Compiled>,
    steps: Box<[Box<dyn WorkerStep>]>,
    synthetic: Synthetic,
    /// Empty: the rows are the worker's own.
    numbers: Vec<u32>,
}

impl Enricher {
    /// Starts the steps of this snapshot, and the stage of each plugin.
    pub fn new(shared: &Arc<Compiled>) -> (Self, Vec<Option<Stage>>) {
        let stages = (0..shared.plugins()).map(|plugin| Stage::new(shared, plugin)).collect();
        let enricher = Self {
            steps: step::start(shared.common()),
            synthetic: Synthetic::new(shared.layout()),
            shared: Arc::clone(shared),
            numbers: Vec::new(),
        };
        (enricher, stages)
    }

    /// Enriches the rows of one origin, from its first row on.
    #[inline]
    pub fn apply(&mut self, origin: Origin, rows: &mut Rows, strings: &mut Strings, packets: &dyn PacketViews) {
        if !self.steps.is_empty() {
            self.enrich(origin, rows, strings, packets);
        }
    }

    fn enrich(&mut self, origin: Origin, rows: &mut Rows, strings: &mut Strings, packets: &dyn PacketViews) {
        let Origin { first, exporter } = origin;
        let packets = RowPackets::new(packets, &mut self.numbers, &mut self.synthetic, self.shared.links());
        // The rows of the core go to all plugins: none of its steps filters.
        let filtered = &mut Filtered::default();
        let mut batch = Batch { rows, first, exporter, strings, packets, filtered };
        for step in &mut self.steps {
            step.apply(&mut batch);
        }
    }

    /// Call this after the strings of rows are cleared: cached ids are void.
    pub fn forget_strings(&mut self) {
        self.steps.iter_mut().for_each(|step| step.forget_strings());
    }
}
