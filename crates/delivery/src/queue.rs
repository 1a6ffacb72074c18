//! The queue of batches to deliver, oldest first: in memory, or on disk with a [`Spool`].
//!
//! The queue is bounded in bytes. At the bound it drops the oldest batches, since recent traffic is worth most to its
//! readers; the batch that is being delivered is kept.

use crate::batch::{BatchId, Sum, WriteBatch};
use crate::spool::{Spool, Stored};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Why a batch was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// The queue exceeded its bound.
    Bound,
    /// Its file on disk could not be read, or failed its checksum.
    Damaged,
    /// The daemon ended before it was delivered.
    End,
    /// The store will never accept it.
    Refused,
}

/// A batch that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its id.
    pub id: BatchId,
    /// The purge that it belonged to.
    pub purge: u64,
    /// The sum over its items.
    pub sum: Sum,
    /// Why it was dropped.
    pub why: DropCause,
}

/// A batch in the queue.
#[derive(Clone, Debug)]
enum Queued {
    InMemory(Arc<WriteBatch>),
    OnDisk(Stored),
}

impl Queued {
    fn size(&self) -> u64 {
        match self {
            Self::InMemory(batch) => batch.body.len() as u64,
            Self::OnDisk(stored) => stored.size,
        }
    }

    /// Bytes on disk.
    fn spooled(&self) -> u64 {
        match self {
            Self::InMemory(_) => 0,
            Self::OnDisk(stored) => stored.size,
        }
    }

    fn dropped(&self, why: DropCause) -> Dropped {
        match self {
            Self::InMemory(batch) => Dropped { id: batch.id, purge: batch.purge, sum: batch.sum, why },
            Self::OnDisk(stored) => Dropped { id: stored.id, purge: stored.purge, sum: stored.sum, why },
        }
    }
}

/// The size of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Write batches.
    pub batches: usize,
    /// Bytes of those in memory.
    pub memory_bytes: u64,
    /// Bytes of those on disk.
    pub spool_bytes: u64,
}

impl Backlog {
    /// Write batches, and their bytes in memory and on disk.
    #[must_use]
    pub fn total(&self) -> (usize, u64) {
        (self.batches, self.memory_bytes + self.spool_bytes)
    }
}

/// Batches in the order in which they were created.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Queued>,
    bytes: u64,
    /// How many of `bytes` are on disk.
    spooled: u64,
    max_bytes: u64,
    spool: Option<Arc<Spool>>,
    /// The first batch is being delivered.
    taken: bool,
}

/// The outcome of adding a batch to the queue.
#[derive(Debug, Default)]
pub struct Put {
    /// Batches that were dropped to make room; or the batch itself, when it is larger than the bound.
    pub lost: Vec<Dropped>,
    /// Why the batch is not in the spool; it is kept in memory.
    pub spool_error: Option<io::Error>,
}

impl Queue {
    /// An empty queue in memory.
    pub fn in_memory(max_bytes: u64) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, spooled: 0, max_bytes, spool: None, taken: false }
    }

    /// A queue on disk, which starts with the batches that an earlier run left.
    pub fn on_disk(spool: Spool, found: Vec<Stored>, max_bytes: u64) -> Self {
        let bytes = found.iter().map(|stored| stored.size).sum();
        let waiting = found.into_iter().map(Queued::OnDisk).collect();
        Self { waiting, bytes, spooled: bytes, max_bytes, spool: Some(Arc::new(spool)), taken: false }
    }

    /// Number of queued batches.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when no batch is queued.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The size of the queue.
    pub fn backlog(&self) -> Backlog {
        Backlog { batches: self.waiting.len(), memory_bytes: self.bytes - self.spooled, spool_bytes: self.spooled }
    }

    fn charge(&mut self, waiting: &Queued) {
        self.bytes += waiting.size();
        self.spooled += waiting.spooled();
    }

    fn release(&mut self, waiting: &Queued) {
        self.bytes -= waiting.size();
        self.spooled -= waiting.spooled();
    }

    /// Adds a batch at the end.
    pub fn put(&mut self, batch: WriteBatch) -> Put {
        let mut put = Put::default();
        let stored = self.spool.as_ref().map(|spool| spool.put(&batch));
        let waiting = match stored {
            Some(Ok(stored)) => Queued::OnDisk(stored),
            Some(Err(error)) => {
                put.spool_error = Some(error);
                Queued::InMemory(Arc::new(batch))
            }
            None => Queued::InMemory(Arc::new(batch)),
        };
        self.charge(&waiting);
        self.waiting.push_back(waiting);
        while self.bytes > self.max_bytes {
            // The first one may be being delivered.
            let Some(oldest) = self.waiting.remove(usize::from(self.taken)) else { break };
            self.release(&oldest);
            put.lost.push(oldest.dropped(DropCause::Bound));
            self.remove_file(&oldest);
        }
        put
    }

    /// Returns the first batch for delivery. It stays in the queue until [`Self::done`]. A batch that cannot be read is removed
    /// and returned as dropped.
    pub fn take(&mut self) -> Option<Result<Arc<WriteBatch>, Dropped>> {
        let first = self.waiting.front()?.clone();
        let batch = match &first {
            Queued::InMemory(batch) => Some(Arc::clone(batch)),
            Queued::OnDisk(stored) => self.read(stored.id).map(Arc::new),
        };
        match batch {
            Some(batch) => {
                self.taken = true;
                Some(Ok(batch))
            }
            None => {
                self.waiting.pop_front();
                self.release(&first);
                Some(Err(first.dropped(DropCause::Damaged)))
            }
        }
    }

    /// Removes the first batch, after it was delivered or dropped.
    pub fn done(&mut self) {
        self.taken = false;
        if let Some(first) = self.waiting.pop_front() {
            self.release(&first);
            self.remove_file(&first);
        }
    }

    /// Ends the queue: batches in memory are dropped, those on disk stay there. Returns both.
    pub fn end(&mut self) -> (Vec<Dropped>, Sum) {
        let mut lost = Vec::new();
        let mut spooled = Sum::default();
        for waiting in self.waiting.drain(..) {
            match waiting {
                Queued::InMemory(_) => lost.push(waiting.dropped(DropCause::End)),
                Queued::OnDisk(stored) => spooled = spooled.plus(stored.sum),
            }
        }
        (lost, spooled)
    }

    fn read(&self, id: BatchId) -> Option<WriteBatch> {
        let batch = self.spool.as_ref()?.get(id);
        batch
            .inspect_err(|error| {
                // Its file is kept: the next run delivers it if it can be read then.
                tracing::error!(batch = %id, "cannot read a batch from the spool: {error}");
            })
            .ok()
            .flatten()
    }

    fn remove_file(&self, waiting: &Queued) {
        if let (Queued::OnDisk(stored), Some(spool)) = (waiting, &self.spool)
            && let Err(error) = spool.remove(stored.id)
        {
            // The next run delivers it again, under the same id.
            tracing::warn!(
                batch = %stored.id,
                "cannot remove a batch from the spool, the next start will deliver it again: {error}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn batch(number: u64, size: usize) -> WriteBatch {
        let id = BatchId { run: 1, number };
        WriteBatch { id, purge: 1, items: 1, sum: Sum::one(number, 1), body: vec![0; size] }
    }

    fn numbers(lost: &[Dropped]) -> Vec<u64> {
        lost.iter().map(|lost| lost.id.number).collect()
    }

    #[test]
    fn batches_leave_in_order() {
        let mut queue = Queue::in_memory(1000);
        for number in 1..=3 {
            assert!(queue.put(batch(number, 100)).lost.is_empty());
        }
        for number in 1..=3 {
            assert_eq!(queue.take().unwrap().unwrap().id.number, number);
            assert_eq!(queue.take().unwrap().unwrap().id.number, number, "it stays in the queue until it is done");
            queue.done();
        }
        assert!(queue.is_empty() && queue.backlog() == Backlog::default() && queue.take().is_none());
    }

    #[test]
    fn at_the_bound_the_oldest_are_dropped_but_not_the_one_in_delivery() {
        let mut queue = Queue::in_memory(250);
        queue.put(batch(1, 100));
        queue.put(batch(2, 100));
        assert_eq!(numbers(&queue.put(batch(3, 100)).lost), [1]);
        queue.take().unwrap().unwrap();
        assert_eq!(numbers(&queue.put(batch(4, 100)).lost), [3]);
        // One that is larger than the bound displaces everything except the batch in delivery.
        assert_eq!(numbers(&queue.put(batch(5, 1000)).lost), [4, 5]);
        queue.done();
        assert!(queue.is_empty());
    }

    #[test]
    fn batches_on_disk_are_kept_for_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, found) = Spool::open(folder.path()).unwrap();
        let mut queue = Queue::on_disk(spool, found.batches, 1000);
        for number in 1..=3 {
            assert!(queue.put(batch(number, 100)).spool_error.is_none());
        }
        queue.take().unwrap().unwrap();
        queue.done();
        let (lost, spooled) = queue.end();
        assert_eq!((lost.len(), spooled.packets), (0, 5));
        drop(queue);

        let (spool, found) = Spool::open(folder.path()).unwrap();
        let mut queue = Queue::on_disk(spool, found.batches, 400);
        assert_eq!(queue.len(), 2);
        assert_eq!(numbers(&queue.put(batch(4, 100)).lost), [2]);
        // A missing or damaged file loses only its own batch.
        std::fs::write(folder.path().join(format!("{:020}-{:010}.batch", 1, 3)), b"x").unwrap();
        assert_eq!(queue.take().unwrap().unwrap_err().why, DropCause::Damaged);
        assert_eq!(queue.take().unwrap().unwrap().id.number, 4);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(usize),
        Take,
        Done,
        /// The daemon ends, and starts again.
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_usize..300).prop_map(Step::Put),
            2 => Just(Step::Take),
            2 => Just(Step::Done),
            1 => Just(Step::Restart),
        ];
        proptest::collection::vec(step, 0..40)
    }

    const BOUND: u64 = 1000;

    fn on_disk(folder: &Path) -> Queue {
        let (spool, found) = Spool::open(folder).unwrap();
        Queue::on_disk(spool, found.batches, BOUND)
    }

    /// Runs the steps on a queue and on a model (numbers and sizes of batches), and compares the two.
    fn compare(steps: &[Step], folder: Option<&Path>) {
        let open = || folder.map_or_else(|| Queue::in_memory(BOUND), on_disk);
        let mut queue = open();
        let mut model: VecDeque<(u64, u64)> = VecDeque::new();
        let (mut taken, mut number) = (false, 0);
        for step in steps {
            match step {
                Step::Put(size) => {
                    number += 1;
                    let put = queue.put(batch(number, *size));
                    assert!(put.spool_error.is_none());
                    model.push_back((number, (*size + if folder.is_some() { 76 } else { 0 }) as u64));
                    let mut lost = Vec::new();
                    while model.iter().map(|(_, size)| size).sum::<u64>() > BOUND {
                        lost.extend(model.remove(usize::from(taken)).map(|(number, _)| number));
                    }
                    assert_eq!(numbers(&put.lost), lost);
                }
                Step::Take => {
                    let first = queue.take().map(|batch| batch.unwrap().id.number);
                    assert_eq!(first, model.front().map(|(number, _)| *number));
                    taken = first.is_some();
                }
                Step::Done if taken => {
                    queue.done();
                    model.pop_front();
                    taken = false;
                }
                Step::Done => {}
                Step::Restart => {
                    let (lost, spooled) = queue.end();
                    let waiting: Vec<u64> = model.iter().map(|(number, _)| *number).collect();
                    let packets = waiting.iter().sum::<u64>();
                    match folder {
                        Some(_) => assert_eq!((lost.len(), spooled.packets), (0, packets)),
                        None => assert_eq!((numbers(&lost), spooled.packets), (waiting, 0)),
                    }
                    if folder.is_none() {
                        model.clear();
                    }
                    drop(queue);
                    queue = open();
                    taken = false;
                }
            }
            let bytes = model.iter().map(|(_, size)| size).sum();
            assert_eq!(queue.backlog().total(), (model.len(), bytes));
            assert!(bytes <= BOUND);
            if let Some(folder) = folder {
                let files = std::fs::read_dir(folder).unwrap();
                // One file per batch, and the lock file.
                assert_eq!(files.count() - 1, model.len());
            }
        }
    }

    proptest! {
        #[test]
        fn a_queue_in_memory_is_a_bounded_list(steps in steps()) {
            compare(&steps, None);
        }
    }

    proptest! {
        // Few cases: each batch is synchronised to disk.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_queue_on_disk_survives_restarts(steps in steps()) {
            compare(&steps, Some(tempfile::tempdir().unwrap().path()));
        }
    }
}
