//! The contract between the delivery worker and a store.

use crate::batch::{Sum, WriteBatch};
use std::fmt;

/// A store: a database or a broker. It runs on its own thread and may block there, but only for a bounded time.
pub trait Backend: Send {
    /// Connects unless connected, and checks what can be checked before there is data: that the user may log in, and that
    /// the tables exist and have the right columns. Called at start-up, and before each attempt after an error.
    fn open(&mut self) -> Result<(), StoreError>;

    /// Sends the items of a batch that the receipt does not list yet, and returns when the store has committed or refused
    /// each of them.
    ///
    /// After `Ok` every item is confirmed or refused. After an error the same batch is passed again, with the same
    /// receipt; items that the receipt lists are not sent again.
    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError>;

    /// Called about once a second while the queue is empty, for heartbeats and events of the client library.
    fn idle(&mut self) {}

    /// Closes the connection cleanly, within a few seconds.
    fn close(&mut self) {}
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store cannot be reached, does not answer in time, or asks the client to retry later. The text is the message of the
    /// store or of the system.
    Down(String),
    /// The store rejects something that the configuration sets: a password, a table, a topic. At start-up the daemon ends with
    /// this error; later the delivery is retried, since an operator may fix the cause.
    Configuration {
        /// The key whose value is probably wrong.
        key: &'static str,
        /// What is wrong: usually the server's message.
        what: String,
    },
    /// The batch can never be read or delivered. Its unconfirmed items are dropped.
    Batch(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration { key, what } => write!(f, "{key}: {what}"),
            Self::Down(what) | Self::Batch(what) => f.write_str(what),
        }
    }
}

/// Which items of a batch the store confirmed or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One bit per item: set when the item is confirmed or refused.
    done: Vec<u64>,
    refused: Sum,
    /// The reason for the first refusal.
    reason: Option<String>,
}

impl Receipt {
    /// An empty receipt for a batch of that many items.
    pub fn new(items: u32) -> Self {
        Self { done: vec![0; (items as usize).div_ceil(64)], ..Self::default() }
    }

    /// True when the item is confirmed or refused.
    pub fn has(&self, item: u32) -> bool {
        self.done.get(item as usize / 64).is_some_and(|word| word & 1 << (item % 64) != 0)
    }

    /// Records that the store has the item.
    pub fn confirm(&mut self, item: u32) {
        if let Some(word) = self.done.get_mut(item as usize / 64) {
            *word |= 1 << (item % 64);
        }
    }

    /// Records that the store has all items that it has not refused.
    pub fn confirm_all(&mut self) {
        self.done.fill(u64::MAX);
    }

    /// Records that the store will never accept the item, which counts `sum`.
    pub fn refuse(&mut self, item: u32, sum: Sum, reason: impl FnOnce() -> String) {
        if !self.has(item) {
            self.confirm(item);
            self.refused = self.refused.plus(sum);
            self.reason.get_or_insert_with(reason);
        }
    }

    /// The sum of the refused items, and the reason for the first refusal; `None` when no item was refused.
    pub fn refused(&self) -> Option<(Sum, &str)> {
        self.reason.as_deref().map(|reason| (self.refused, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_counts_each_item_once() {
        let mut receipt = Receipt::new(70);
        receipt.confirm(69);
        receipt.refuse(69, Sum::one(1, 1), || "late".to_owned());
        receipt.refuse(3, Sum::one(2, 200), || "too long".to_owned());
        receipt.refuse(3, Sum::one(2, 200), || "again".to_owned());
        assert!(receipt.has(69) && receipt.has(3) && !receipt.has(4) && !receipt.has(700));
        assert_eq!(receipt.refused(), Some((Sum::one(2, 200), "too long")));
        receipt.confirm_all();
        assert!(receipt.has(4));
    }
}
