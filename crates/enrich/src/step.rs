//! The contract of a step, which changes rows between decoder and aggregators.
//!
//! A step exists in three forms:
//!
//! | form | created | shared by | content |
//! |---|---|---|---|
//! | [`Step`] | when the operator's files are read | nobody | contents of files |
//! | [`CompiledStep`] | when rows get a layout | all workers | offsets of fields, compiled rules |
//! | [`WorkerStep`] | when a worker starts, or applies a new snapshot | nobody | memory that it reuses from batch to batch |
//!
//! There are two kinds of steps, by the data they look up:
//!
//! * *Snapshots* come from files and never change. A reload reads all files again and compiles all steps again, and workers swap the whole
//!   pipeline between two batches.
//! * *Live tables* change while rows are enriched, thousands of times a second, without reading or compiling anything: see
//!   [`crate::live`].
//!
//! Dynamic calls happen once per batch and step. Per row, there are none, and nothing is allocated.

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
    /// Where the packets for filters come from.
    pub packets: PacketSource,
}

/// A step that is not yet compiled for a layout.
pub trait Step: Debug + Send + Sync {
    /// Adds the fields that the step reads and writes. `fields` contains those that plugins aggregate and those of
    /// all later steps, so that a step can require the sources of the fields that they need from it.
    fn require(&self, fields: &mut FieldSet);

    /// Compiles the step for a layout; `None` if it would change no rows.
    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>>;

    /// Whether it sets tags of, or filters, records of one datagram differently.
    fn tells_records_apart(&self) -> bool {
        false
    }

    /// Whether it filters rows.
    fn filters(&self) -> bool {
        false
    }

    /// Warns about rules that can never match.
    fn review(&self, _problems: &mut Diagnostics) {}
}

/// A step compiled for one layout.
pub trait CompiledStep: Debug + Send + Sync {
    /// Starts the step in a worker.
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep>;

    /// Which of its rules have matched; `None` if it has no rules.
    fn usage(&self) -> Option<&Usage> {
        None
    }
}

/// A step in one worker.
pub trait WorkerStep: Debug + Send {
    /// Changes the rows of a batch, or filters some.
    fn apply(&mut self, batch: &mut Batch<'_>);

    /// Call this after the strings of rows are cleared: cached ids are void.
    fn forget_strings(&mut self) {}
}

/// A compiled step without state in workers.
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

/// Rows of one exporter, to which steps are applied together: those from `first` on.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The rows, possibly preceded by those of other batches.
    pub rows: &'a mut Rows,
    /// Number of the first row of the batch.
    pub first: usize,
    /// The exporter; captured packets have none.
    pub exporter: Option<IpAddr>,
    /// The strings of the rows' ids.
    pub strings: &'a mut Strings,
    /// The packets of the rows.
    pub packets: RowPackets<'a>,
    /// Counts the rows that are filtered.
    pub filtered: &'a mut Filtered,
}

/// Filtered rows, by reason.
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
