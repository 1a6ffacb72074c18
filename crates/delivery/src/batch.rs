//! Write batches: the unit of delivery.

use std::fmt;

/// A number of aggregates, and the traffic that they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Aggregates.
    pub aggregates: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sum {
    /// One aggregate.
    pub fn one(packets: u64, bytes: u64) -> Self {
        Self { aggregates: 1, packets, bytes }
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            aggregates: self.aggregates.saturating_add(other.aggregates),
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// The unique id of a batch. A batch that is delivered twice, because its confirmation was lost, has the same id both times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The run of the plugin that created the batch: the start of the run in microseconds since 1970.
    pub run: u64,
    /// The number of the batch in that run, from 1.
    pub number: u64,
}

impl fmt::Display for BatchId {
    /// `RUN-NUMBER`, in decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.number)
    }
}

/// A unit of delivery: rows for a database, or messages for a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteBatch {
    /// The id of the batch.
    pub id: BatchId,
    /// The purge that the batch belongs to, counted from 1 in its run.
    pub purge: u64,
    /// The number of items (rows, messages).
    pub items: u32,
    /// The sum over all items. Markers count as nothing.
    pub sum: Sum,
    /// The items, in the backend's format.
    pub body: Vec<u8>,
}
