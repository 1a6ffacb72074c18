//! The contract of a step, which changes rows between decoder and aggregators.
//!
//! A step exists in three forms:
//!
//! | form | made | shared by | what it has |
//! |---|---|---|---|
//! | [`Step`] | when the operator's files are read | nobody | what the files say |
//! | [`CompiledStep`] | when rows get a layout | all workers | offsets of fields, compiled rules |
//! | [`WorkerStep`] | when a worker starts, or takes up a new snapshot | nobody | memory that it reuses from batch to batch |
//!
//! There are two kinds of steps, by what they look up:
//!
//! * *Snapshots* come from files and never change. A reload reads all files anew, compiles all steps anew, and workers swap the whole
//!   pipeline between two batches.
//! * *Live tables* change while rows are enriched, thousands of times a second, and must not cause any of that: see
//!   [`crate::live`].
//!
//! Calls through `dyn` happen once per batch and step. Per row there are none, and nothing is allocated.

use crate::packets::RowPackets;
use config::Diagnostics;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use maps::matcher::PacketSource;
use maps::usage::Usage;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

/// What a step is compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The layout of rows.
    pub layout: &'a Layout,
    /// Where the packets of filters come from.
    pub packets: PacketSource,
}

/// A step before it is fitted to rows.
pub trait Step: Debug + Send + Sync {
    /// Adds the fields that the step reads and must be able to write. `fields` has those that plugins aggregate and those of
    /// all later steps, so that a step can ask for the sources of what they want of it.
    fn require(&self, fields: &mut FieldSet);

    /// Fits the step to rows; `None` where it would not change any.
    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>>;

    /// Warns of rules that no record can reach.
    fn review(&self, _problems: &mut Diagnostics) {}
}

/// A step for rows of one layout.
pub trait CompiledStep: Debug + Send + Sync {
    /// The step in one more worker.
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep>;

    /// Which of its rules have matched, if it has rules.
    fn usage(&self) -> Option<&Usage> {
        None
    }
}

/// A step in one worker.
pub trait WorkerStep: Debug + Send {
    /// Changes the rows of a batch, or drops some.
    fn apply(&mut self, batch: &mut Batch<'_>);

    /// The strings of rows were cleared: remembered ids are void.
    fn forget_strings(&mut self) {}
}

/// A compiled step that needs no memory in workers.
pub trait StatelessStep: Debug + Send + Sync + 'static {
    /// As [`WorkerStep::apply`].
    fn apply(&self, batch: &mut Batch<'_>);
}

impl<S: StatelessStep> CompiledStep for S {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Stateless(self))
    }
}

#[derive(Debug)]
struct Stateless<S>(Arc<S>);

impl<S: StatelessStep> WorkerStep for Stateless<S> {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        self.0.apply(batch);
    }
}

/// Rows of one exporter, which steps change together: those from number `first` on.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The rows, and before them perhaps those of other batches.
    pub rows: &'a mut Rows,
    /// Number of the first row of the batch.
    pub first: usize,
    /// The exporter; packets that were captured have none.
    pub exporter: Option<IpAddr>,
    /// The strings of the rows' ids.
    pub strings: &'a mut Strings,
    /// The packets of the rows.
    pub packets: RowPackets<'a>,
    /// Where rows that are dropped are counted.
    pub filtered: &'a mut Filtered,
}

/// Rows that a plugin does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// By a filter of tags or labels.
    pub tag: u64,
    /// By `aggregate_filter`.
    pub expression: u64,
    /// By `sampling_rate`.
    pub sampling: u64,
}

/// Starts the steps of a worker.
pub(crate) fn start(steps: &[Arc<dyn CompiledStep>]) -> Box<[Box<dyn WorkerStep>]> {
    steps.iter().map(|step| Arc::clone(step).start()).collect()
}
