//! Parcels that wait, in the order of making: in memory, or on disk with a [`Spool`].
//!
//! The queue is bounded in octets. At the bound the oldest parcels are given up, since the newest are worth most to
//! who looks at traffic; the one that is being delivered stays.

use crate::parcel::{Parcel, ParcelId, Sum};
use crate::spool::{Spool, Stored};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Why a parcel was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// More waited than the bound allows.
    Bound,
    /// Its file on disk could not be read, or did not check.
    Damaged,
    /// The daemon ended before it was delivered.
    End,
    /// The store refuses it, and always will.
    Refused,
}

/// A parcel that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its name.
    pub id: ParcelId,
    /// The purge that it belonged to.
    pub purge: u64,
    /// What it held.
    pub sum: Sum,
    /// Why.
    pub why: Loss,
}

/// A parcel that waits.
#[derive(Clone, Debug)]
enum Waiting {
    Here(Arc<Parcel>),
    OnDisk(Stored),
}

impl Waiting {
    fn size(&self) -> u64 {
        match self {
            Self::Here(parcel) => parcel.body.len() as u64,
            Self::OnDisk(stored) => stored.size,
        }
    }

    /// Bytes on disk.
    fn spooled(&self) -> u64 {
        match self {
            Self::Here(_) => 0,
            Self::OnDisk(stored) => stored.size,
        }
    }

    fn lost(&self, why: Loss) -> Lost {
        match self {
            Self::Here(parcel) => Lost { id: parcel.id, purge: parcel.purge, sum: parcel.sum, why },
            Self::OnDisk(stored) => Lost { id: stored.id, purge: stored.purge, sum: stored.sum, why },
        }
    }
}

/// How much waits in a queue.
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

/// Parcels in the order of making.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    octets: u64,
    /// Of those, on disk.
    spooled: u64,
    max_octets: u64,
    spool: Option<Arc<Spool>>,
    /// The first parcel is being delivered.
    taken: bool,
}

/// What became of a parcel that was put into the queue.
#[derive(Debug, Default)]
pub struct Put {
    /// Parcels that were given up for it; or itself, when it is larger than the bound.
    pub lost: Vec<Lost>,
    /// It should be on disk and is not; it waits in memory.
    pub disk: Option<io::Error>,
}

impl Queue {
    /// An empty queue in memory.
    pub fn in_memory(max_octets: u64) -> Self {
        Self { waiting: VecDeque::new(), octets: 0, spooled: 0, max_octets, spool: None, taken: false }
    }

    /// A queue on disk, with what was found there.
    pub fn on_disk(spool: Spool, found: Vec<Stored>, max_octets: u64) -> Self {
        let octets = found.iter().map(|stored| stored.size).sum();
        let waiting = found.into_iter().map(Waiting::OnDisk).collect();
        Self { waiting, octets, spooled: octets, max_octets, spool: Some(Arc::new(spool)), taken: false }
    }

    /// Parcels in it.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True without parcels.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How much waits.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            batches: self.waiting.len(),
            memory_bytes: self.octets - self.spooled,
            spool_bytes: self.spooled,
        }
    }

    fn charge(&mut self, waiting: &Waiting) {
        self.octets += waiting.size();
        self.spooled += waiting.spooled();
    }

    fn release(&mut self, waiting: &Waiting) {
        self.octets -= waiting.size();
        self.spooled -= waiting.spooled();
    }

    /// Adds a parcel behind the others.
    pub fn put(&mut self, parcel: Parcel) -> Put {
        let mut put = Put::default();
        let spooled = self.spool.as_ref().map(|spool| spool.put(&parcel));
        let waiting = match spooled {
            Some(Ok(stored)) => Waiting::OnDisk(stored),
            Some(Err(error)) => {
                put.disk = Some(error);
                Waiting::Here(Arc::new(parcel))
            }
            None => Waiting::Here(Arc::new(parcel)),
        };
        self.charge(&waiting);
        self.waiting.push_back(waiting);
        while self.octets > self.max_octets {
            // The first one may be on its way at this moment.
            let Some(oldest) = self.waiting.remove(usize::from(self.taken)) else { break };
            self.release(&oldest);
            put.lost.push(oldest.lost(Loss::Bound));
            self.forget(&oldest);
        }
        put
    }

    /// The first parcel, to be delivered: it stays in the queue until [`Self::done`]. What cannot be read is taken
    /// out.
    pub fn take(&mut self) -> Option<Result<Arc<Parcel>, Lost>> {
        let first = self.waiting.front()?.clone();
        let parcel = match &first {
            Waiting::Here(parcel) => Some(Arc::clone(parcel)),
            Waiting::OnDisk(stored) => self.read(stored.id).map(Arc::new),
        };
        match parcel {
            Some(parcel) => {
                self.taken = true;
                Some(Ok(parcel))
            }
            None => {
                self.waiting.pop_front();
                self.release(&first);
                Some(Err(first.lost(Loss::Damaged)))
            }
        }
    }

    /// The first parcel needs nothing more.
    pub fn done(&mut self) {
        self.taken = false;
        if let Some(first) = self.waiting.pop_front() {
            self.release(&first);
            self.forget(&first);
        }
    }

    /// Ends the queue: what is in memory is given up, what is on disk stays there. Returns both.
    pub fn end(&mut self) -> (Vec<Lost>, Sum) {
        let mut lost = Vec::new();
        let mut stays = Sum::default();
        for waiting in self.waiting.drain(..) {
            match waiting {
                Waiting::Here(_) => lost.push(waiting.lost(Loss::End)),
                Waiting::OnDisk(stored) => stays = stays.plus(stored.sum),
            }
        }
        (lost, stays)
    }

    fn read(&self, id: ParcelId) -> Option<Parcel> {
        let parcel = self.spool.as_ref()?.get(id);
        parcel
            .inspect_err(|error| {
                // Its file stays: what the next start can read of it is delivered then.
                tracing::error!(parcel = %id, "cannot read a parcel from the spool: {error}");
            })
            .ok()
            .flatten()
    }

    fn forget(&self, waiting: &Waiting) {
        if let (Waiting::OnDisk(stored), Some(spool)) = (waiting, &self.spool)
            && let Err(error) = spool.remove(stored.id)
        {
            // It will be delivered again at the next start; its id tells.
            tracing::warn!(parcel = %stored.id, "cannot remove a delivered parcel from the spool: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn parcel(number: u64, size: usize) -> Parcel {
        let id = ParcelId { run: 1, number };
        Parcel { id, purge: 1, items: 1, sum: Sum::one(number, 1), body: vec![0; size] }
    }

    fn numbers(lost: &[Lost]) -> Vec<u64> {
        lost.iter().map(|lost| lost.id.number).collect()
    }

    #[test]
    fn parcels_leave_in_order() {
        let mut queue = Queue::in_memory(1000);
        for number in 1..=3 {
            assert!(queue.put(parcel(number, 100)).lost.is_empty());
        }
        for number in 1..=3 {
            assert_eq!(queue.take().unwrap().unwrap().id.number, number);
            assert_eq!(queue.take().unwrap().unwrap().id.number, number, "it stays until it is done");
            queue.done();
        }
        assert!(queue.is_empty() && queue.backlog() == Backlog::default() && queue.take().is_none());
    }

    #[test]
    fn at_the_bound_the_oldest_are_given_up_but_not_the_one_on_its_way() {
        let mut queue = Queue::in_memory(250);
        queue.put(parcel(1, 100));
        queue.put(parcel(2, 100));
        assert_eq!(numbers(&queue.put(parcel(3, 100)).lost), [1]);
        queue.take().unwrap().unwrap();
        assert_eq!(numbers(&queue.put(parcel(4, 100)).lost), [3]);
        // One that is larger than the bound takes everything with it, but for what is on its way.
        assert_eq!(numbers(&queue.put(parcel(5, 1000)).lost), [4, 5]);
        queue.done();
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_on_disk_stays_for_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, found) = Spool::open(folder.path()).unwrap();
        let mut queue = Queue::on_disk(spool, found.parcels, 1000);
        for number in 1..=3 {
            assert!(queue.put(parcel(number, 100)).disk.is_none());
        }
        queue.take().unwrap().unwrap();
        queue.done();
        let (lost, stays) = queue.end();
        assert_eq!((lost.len(), stays.packets), (0, 5));
        drop(queue);

        let (spool, found) = Spool::open(folder.path()).unwrap();
        let mut queue = Queue::on_disk(spool, found.parcels, 400);
        assert_eq!(queue.len(), 2);
        assert_eq!(numbers(&queue.put(parcel(4, 100)).lost), [2]);
        // A file that is gone or damaged costs its parcel alone.
        std::fs::write(folder.path().join(format!("{:020}-{:010}.parcel", 1, 3)), b"x").unwrap();
        assert_eq!(queue.take().unwrap().unwrap_err().why, Loss::Damaged);
        assert_eq!(queue.take().unwrap().unwrap().id.number, 4);
    }
    #[derive(Clone, Debug)]
    enum Step {
        Put(usize),
        Take,
        Done,
        /// The daemon ends, and starts again.
        Again,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_usize..300).prop_map(Step::Put),
            2 => Just(Step::Take),
            2 => Just(Step::Done),
            1 => Just(Step::Again),
        ];
        proptest::collection::vec(step, 0..40)
    }

    const BOUND: u64 = 1000;

    fn on_disk(folder: &Path) -> Queue {
        let (spool, found) = Spool::open(folder).unwrap();
        Queue::on_disk(spool, found.parcels, BOUND)
    }

    /// Takes the steps with a queue and with a list of numbers and sizes, and compares what both say.
    fn compare(steps: &[Step], folder: Option<&Path>) {
        let open = || folder.map_or_else(|| Queue::in_memory(BOUND), on_disk);
        let mut queue = open();
        let mut model: VecDeque<(u64, u64)> = VecDeque::new();
        let (mut taken, mut number) = (false, 0);
        for step in steps {
            match step {
                Step::Put(size) => {
                    number += 1;
                    let put = queue.put(parcel(number, *size));
                    assert!(put.disk.is_none());
                    model.push_back((number, (*size + if folder.is_some() { 76 } else { 0 }) as u64));
                    let mut lost = Vec::new();
                    while model.iter().map(|(_, size)| size).sum::<u64>() > BOUND {
                        lost.extend(model.remove(usize::from(taken)).map(|(number, _)| number));
                    }
                    assert_eq!(numbers(&put.lost), lost);
                }
                Step::Take => {
                    let first = queue.take().map(|parcel| parcel.unwrap().id.number);
                    assert_eq!(first, model.front().map(|(number, _)| *number));
                    taken = first.is_some();
                }
                Step::Done if taken => {
                    queue.done();
                    model.pop_front();
                    taken = false;
                }
                Step::Done => {}
                Step::Again => {
                    let (lost, stays) = queue.end();
                    let waiting: Vec<u64> = model.iter().map(|(number, _)| *number).collect();
                    let packets = waiting.iter().sum::<u64>();
                    match folder {
                        Some(_) => assert_eq!((lost.len(), stays.packets), (0, packets)),
                        None => assert_eq!((numbers(&lost), stays.packets), (waiting, 0)),
                    }
                    if folder.is_none() {
                        model.clear();
                    }
                    drop(queue);
                    queue = open();
                    taken = false;
                }
            }
            let octets = model.iter().map(|(_, size)| size).sum();
            assert_eq!(queue.backlog().total(), (model.len(), octets));
            assert!(octets <= BOUND);
            if let Some(folder) = folder {
                let files = std::fs::read_dir(folder).unwrap();
                // Beside the parcels there is the lock.
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
        // Each parcel is synchronised to the disk.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_queue_on_disk_is_one_that_outlives_the_daemon(steps in steps()) {
            compare(&steps, Some(tempfile::tempdir().unwrap().path()));
        }
    }
}
