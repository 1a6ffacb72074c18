//! Purges in progress, and what of them was delivered.

use crate::outlet::Checkpoint;
use delivery::BatchId;
use std::collections::VecDeque;
use std::time::Instant;

/// A purge.
#[derive(Clone, Debug)]
pub(super) struct Purge {
    /// Counted from 1.
    pub(super) number: u64,
    /// Batches that are not delivered yet.
    pub(super) batches: u64,
    /// Aggregates in it.
    pub(super) total: u64,
    /// Those that were written.
    pub(super) written: u64,
    /// The newest time bin; seconds since 1970.
    pub(super) bin: Option<u64>,
    /// When it began.
    pub(super) began: Instant,
    closed: bool,
    /// What is safe when it and all earlier ones have ended.
    pub(super) checkpoint: Option<Checkpoint>,
}

impl Purge {
    fn new(number: u64) -> Self {
        Self {
            number,
            batches: 0,
            total: 0,
            written: 0,
            bin: None,
            began: Instant::now(),
            closed: false,
            checkpoint: None,
        }
    }

    /// Adds aggregates to it.
    pub(super) fn add(&mut self, aggregates: u64, newest: Option<u64>) {
        self.total += aggregates;
        self.bin = self.bin.max(newest);
    }
}

/// Purges in their order; the last one may be open.
#[derive(Debug, Default)]
pub(super) struct Purges {
    queue: VecDeque<Purge>,
    last: u64,
    /// An announcement that is not delivered yet. It belongs to no purge.
    announced: Option<BatchId>,
}

impl Purges {
    /// Begins a purge unless one is open. True when it did.
    pub(super) fn open_one(&mut self) -> bool {
        if self.queue.back().is_some_and(|purge| !purge.closed) {
            return false;
        }
        self.last += 1;
        self.queue.push_back(Purge::new(self.last));
        true
    }

    /// The open purge; one is begun if there is none.
    pub(super) fn current(&mut self) -> &mut Purge {
        self.open_one();
        let last = self.queue.len() - 1;
        &mut self.queue[last]
    }

    /// Aggregates of the open purge.
    pub(super) fn open_total(&self) -> Option<u64> {
        self.queue.back().filter(|purge| !purge.closed).map(|purge| purge.total)
    }

    /// Closes the open purge. False when there is none.
    pub(super) fn close(&mut self) -> bool {
        match self.queue.back_mut().filter(|purge| !purge.closed) {
            Some(purge) => {
                purge.closed = true;
                true
            }
            None => false,
        }
    }

    /// Confirms a checkpoint when all purges so far have ended.
    pub(super) fn confirm(&mut self, checkpoint: Checkpoint) {
        match self.queue.back_mut() {
            Some(last) => last.checkpoint = Some(checkpoint),
            None => checkpoint.confirm(),
        }
    }

    /// Confirms no checkpoints any more: what is left is lost to this process, but the input may have it.
    pub(super) fn forget_checkpoints(&mut self) {
        self.queue.iter_mut().for_each(|purge| purge.checkpoint = None);
    }

    /// A batch is delivered or dropped; `written` of its aggregates were written.
    pub(super) fn delivered(&mut self, number: u64, written: u64) {
        if let Some(purge) = self.queue.iter_mut().find(|purge| purge.number == number) {
            purge.batches = purge.batches.saturating_sub(1);
            purge.written += written;
        }
    }

    /// True while an announcement is not delivered: another one would be redundant.
    pub(super) fn announcing(&self) -> bool {
        self.announced.is_some()
    }

    /// Records an announcement.
    pub(super) fn announce(&mut self, id: BatchId) {
        self.announced = Some(id);
    }

    /// A batch is delivered or dropped.
    pub(super) fn settled(&mut self, id: BatchId) {
        self.announced = self.announced.filter(|announced| *announced != id);
    }

    /// Removes the oldest purge if all its batches are delivered or dropped.
    pub(super) fn next_finished(&mut self) -> Option<Purge> {
        let first = self.queue.front()?;
        let finished = (first.closed && first.batches == 0).then(|| self.queue.pop_front()).flatten()?;
        if let Some(checkpoint) = &finished.checkpoint {
            checkpoint.confirm();
        }
        Some(finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purges_end_in_order() {
        let mut purges = Purges::default();
        assert!(!purges.close());
        purges.current().batches = 2;
        purges.current().add(10, Some(5));
        assert!(!purges.open_one() && purges.close());
        purges.current().batches = 1;
        assert!(purges.close());
        purges.delivered(2, 0);
        purges.delivered(1, 6);
        assert!(purges.next_finished().is_none());
        purges.delivered(1, 4);
        let first = purges.next_finished().unwrap();
        assert_eq!((first.number, first.written, first.total, first.bin), (1, 10, 10, Some(5)));
        assert_eq!(purges.next_finished().unwrap().number, 2);
        assert!(purges.next_finished().is_none());
    }

    #[test]
    fn an_announcement_is_pending_until_its_batch_is_settled() {
        let mut purges = Purges::default();
        let id = |number| BatchId { run: 1, number };
        purges.announce(id(2));
        purges.settled(id(1));
        assert!(purges.announcing());
        purges.settled(id(2));
        assert!(!purges.announcing() && purges.open_total().is_none());
    }
}
