//! The number of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers events from 0. Clones count together: a daemon has one sequence for the log and the dumps of one kind of messages. Each
/// event of a log takes a number, and each dump one for all its events.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    /// Takes the next number.
    #[must_use]
    pub fn take(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
