//! Enriches and filters the rows of one plugin, in one worker.
//!
//! A plugin without steps has no stage, and its rows are not copied.

use crate::packets::{PacketViews, RowPackets};
use crate::step::{self, Batch, CompiledStep, Filtered, WorkerStep};
use filter::Synthetic;
use flow::row::Rows;
use flow::strings::Strings;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The rows of one exporter in a batch: from `first` up to that of the next origin.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Number of its first row.
    pub first: usize,
    /// The exporter; captured packets have none.
    pub exporter: Option<IpAddr>,
}

/// A plugin's stage, compiled for rows of one layout; workers share it.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// `sampling_rate`.
    pub(crate) sampling: Option<NonZeroU32>,
    pub(crate) steps: Vec<Arc<dyn CompiledStep>>,
}

impl Compiled {
    /// True if all rows pass unchanged.
    pub(crate) fn is_no_op(&self) -> bool {
        self.sampling.is_none() && self.steps.is_empty()
    }
}

/// A plugin's stage in one worker.
#[derive(Debug)]
pub struct Stage {
    shared: Arc<crate::Compiled>,
    sampler: Sampler,
    steps: Box<[Box<dyn WorkerStep>]>,
    synthetic: Synthetic,
    /// The plugin's copies of rows, and for each the number of the original row.
    rows: Rows,
    numbers: Vec<u32>,
}

/// Selects one row in N, at random, so that it does not resonate with periodic traffic. Rows are sampled before they
/// are copied: no step would change the selection, and at a high rate few rows are copied.
#[derive(Clone, Debug)]
struct Sampler {
    /// If `None`, all rows are selected.
    interval: Option<NonZeroU32>,
    random: fastrand::Rng,
}

impl Sampler {
    fn new(interval: Option<NonZeroU32>) -> Self {
        Self { interval, random: fastrand::Rng::new() }
    }

    #[inline]
    fn skips(&mut self) -> bool {
        self.interval.is_some_and(|interval| self.random.u32(..interval.get()) != 0)
    }
}

impl Stage {
    /// The stage of the plugin of that number, if it has one.
    pub(crate) fn new(shared: &Arc<crate::Compiled>, plugin: usize) -> Option<Self> {
        let stage = shared.plugin(plugin)?;
        Some(Self {
            sampler: Sampler::new(stage.sampling),
            steps: step::start(&stage.steps),
            synthetic: Synthetic::new(shared.layout()),
            rows: Rows::new(shared.layout()),
            numbers: Vec::new(),
            shared: Arc::clone(shared),
        })
    }

    /// Call this after the strings of rows are cleared: cached ids are void.
    pub fn forget_strings(&mut self) {
        self.steps.iter_mut().for_each(|step| step.forget_strings());
    }

    /// The rows that [`Self::apply`] returned last.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// For each row that [`Self::apply`] returned last, the number of the original row.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Returns the rows for the plugin, after its steps.
    pub fn apply(
        &mut self,
        rows: &Rows,
        origins: &[Origin],
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) -> (&Rows, Filtered) {
        let filtered = self.run(rows, origins, strings, packets);
        (&self.rows, filtered)
    }

    /// The same, with the number of the original row for each.
    pub fn apply_numbered(
        &mut self,
        rows: &Rows,
        origins: &[Origin],
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) -> (&Rows, &[u32]) {
        self.run(rows, origins, strings, packets);
        (&self.rows, &self.numbers)
    }

    /// Applies the steps to copies of the rows from the first origin on.
    fn run(
        &mut self,
        rows: &Rows,
        origins: &[Origin],
        strings: &mut Strings,
        packets: &dyn PacketViews,
    ) -> Filtered {
        self.rows.clear();
        self.numbers.clear();
        let mut filtered = Filtered::default();
        let first = origins.first().map_or(0, |origin| origin.first);
        let mut all = (0..).skip(first).zip(rows.iter_from(first));
        for (number, origin) in origins.iter().enumerate() {
            let end = origins.get(number + 1).map_or(rows.len(), |next| next.first);
            let first = self.rows.len();
            for (number, row) in all.by_ref().take(end - origin.first) {
                if self.sampler.skips() {
                    filtered.sampling += 1;
                    continue;
                }
                self.rows.push_row(row);
                self.numbers.push(number);
            }
            if self.rows.len() == first {
                continue;
            }
            let mut batch = Batch {
                rows: &mut self.rows,
                first,
                exporter: origin.exporter,
                strings,
                packets: RowPackets::new(packets, &mut self.numbers, &mut self.synthetic, self.shared.links()),
                filtered: &mut filtered,
            };
            for step in &mut self.steps {
                step.apply(&mut batch);
            }
        }
        filtered
    }
}
