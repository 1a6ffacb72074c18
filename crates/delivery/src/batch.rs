//! Batches: what is delivered as a whole.

use std::fmt;

/// Aggregates with what they have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Aggregates.
    pub aggregates: u64,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sum {
    /// One aggregate.
    pub fn one(packets: u64, octets: u64) -> Self {
        Self { aggregates: 1, packets, octets }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            aggregates: self.aggregates.saturating_add(other.aggregates),
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
        }
    }
}

/// Names a batch for ever: what was delivered twice, because its confirmation was lost, has the same id twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The run of the plugin that made it: microseconds since 1970 at its start.
    pub run: u64,
    /// Its number in that run, from 1.
    pub number: u64,
}

impl fmt::Display for BatchId {
    /// `RUN-NUMBER`, in decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.number)
    }
}

/// What is delivered as a whole: rows for a database, messages for a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteBatch {
    /// Its name.
    pub id: BatchId,
    /// The purge that it belongs to, counted from 1 in its run.
    pub purge: u64,
    /// Items (rows, messages) in it.
    pub items: u32,
    /// What they hold together. Markers hold nothing.
    pub sum: Sum,
    /// The items, in the form that the backend knows.
    pub body: Vec<u8>,
}
