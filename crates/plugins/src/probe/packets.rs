//! Passing samples of packets from workers to sfprobe.
//!
//! A worker encodes the samples of its packets into a batch, and offers it between two reads of its input, or when it is full.
//! The agent returns batches when it has sent them, so their memory is used again. Nothing here blocks a worker: what the
//! agent cannot take is dropped, counted, and reported in the samples that follow.

use ::probe::{Batch, Sampler};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use flow::schema::Schema;
use std::time::{Duration, Instant};

/// Octets of a full batch: what the kernel takes as two messages if samples are of one size, and few more if they are of some.
const FULL: usize = 120_000;
/// How often a patient worker looks whether there is room for its batch. The agent needs longer for those that wait.
const ROOM: Duration = Duration::from_millis(20);
/// Batches that wait for the agent: 4 MB at most.
const WAITING: usize = 32;

/// The worker's end: its batch.
pub struct Outlet {
    sampler: Sampler,
    batch: Batch,
    /// Packets and bytes of the batch's samples.
    sums: [u64; 2],
    full: Sender<Batch>,
    empty: Receiver<Batch>,
    /// Samples that were lost, and not reported yet.
    drops: u64,
}

/// Samples that were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Samples.
    pub samples: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The agent's end.
pub struct Inlet {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
}

/// Creates the ends: one for each worker, and the agent's.
pub fn channel(sampler: &Sampler, workers: usize) -> (Vec<Outlet>, Inlet) {
    let (full, waiting) = bounded(WAITING);
    let (used, empty) = bounded(WAITING);
    let outlet = |_| Outlet {
        sampler: sampler.clone(),
        batch: Batch::default(),
        sums: [0; 2],
        full: full.clone(),
        empty: empty.clone(),
        drops: 0,
    };
    ((0..workers).map(outlet).collect(), Inlet { full: waiting, empty: used })
}

impl Outlet {
    /// The encoder of samples.
    pub fn sampler(&mut self) -> (&mut Sampler, &mut Batch) {
        (&mut self.sampler, &mut self.batch)
    }

    /// Switches to rows of another layout.
    pub fn change_schema(&mut self, schema: &Schema) {
        self.sampler.change_schema(schema);
    }

    /// Counts a sample that was added.
    pub fn added(&mut self, packets: u64, bytes: u64) {
        let [sum_packets, sum_bytes] = &mut self.sums;
        *sum_packets = sum_packets.saturating_add(packets);
        *sum_bytes = sum_bytes.saturating_add(bytes);
    }

    /// The batch must be offered before more is added.
    pub fn is_full(&self) -> bool {
        self.batch.size() >= FULL
    }

    /// Hands over the batch, if it has samples. Waits for room at most `patience`; returns what is lost.
    pub fn hand_over(&mut self, patience: Duration) -> Lost {
        if self.batch.is_empty() {
            return Lost::default();
        }
        self.batch.drops = self.drops;
        let batch = std::mem::take(&mut self.batch);
        let [packets, bytes] = std::mem::take(&mut self.sums);
        let rejected = match self.full.try_send(batch) {
            Ok(()) => None,
            Err(TrySendError::Full(batch)) if !patience.is_zero() => self.wait_and_hand_over(batch, patience),
            Err(error) => Some(error.into_inner()),
        };
        let Some(mut rejected) = rejected else {
            self.drops = 0;
            self.batch = self.empty.try_recv().unwrap_or_default();
            return Lost::default();
        };
        let samples = rejected.len() as u64;
        self.drops = self.drops.saturating_add(samples);
        let pool = rejected.pool;
        rejected.clear();
        // Its packets could still have been sampled.
        rejected.pool = pool;
        self.batch = rejected;
        Lost { samples, packets, bytes }
    }
}

impl Outlet {
    /// Waits for room. Returns the batch if there is none in time.
    fn wait_and_hand_over(&self, mut batch: Batch, patience: Duration) -> Option<Batch> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            // The agent paces its datagrams: to be woken for each batch that it takes would cost more than the samples do.
            let _ = crossbeam_channel::after(ROOM).recv();
            match self.full.try_send(batch) {
                Ok(()) => return None,
                Err(TrySendError::Full(rejected)) => batch = rejected,
                Err(TrySendError::Disconnected(rejected)) => return Some(rejected),
            }
        }
        Some(batch)
    }
}

/// Why an agent woke up.
#[derive(Debug)]
pub enum Event {
    /// A batch.
    Samples(Batch),
    /// The time is due.
    Due,
    /// All workers have ended, and their batches have been taken.
    Ended,
}

impl Inlet {
    /// Waits for a batch, at most until `due`.
    pub fn wait(&self, due: Instant) -> Event {
        match self.full.recv_deadline(due) {
            Ok(batch) => Event::Samples(batch),
            Err(RecvTimeoutError::Timeout) => Event::Due,
            Err(RecvTimeoutError::Disconnected) => Event::Ended,
        }
    }

    /// Returns a batch, so that its memory is used again.
    pub fn give_back(&self, mut batch: Batch) {
        batch.clear();
        let _ = self.empty.try_send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::probe::samples::{Frame, Settings};
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Selection};
    use flow::strings::Strings;
    use packet::LinkType;

    #[test]
    fn what_the_agent_cannot_take_is_counted_and_reported() {
        let selection = Selection::parse(["in_iface", "out_iface"], &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&Options::default(), &mut fields);
        let layout = Layout::new(&fields, &[]);
        let schema = Schema::new(&selection, &[], &layout, &Options::default());
        let settings = Settings { rate: 1, interfaces: Default::default(), peer_as: false };
        let (mut outlets, inlet) = channel(&Sampler::new(settings, &schema), 1);
        let outlet = &mut outlets[0];
        let row = vec![0u8; layout.words() * 8];
        let mut add = || {
            let frame = Frame { link: LinkType::ETHERNET, octets: &[0; 60], length: 60 };
            let (sampler, batch) = outlet.sampler();
            sampler.add(&row, &Strings::default(), &frame, batch).unwrap();
            batch.pool += 1;
            outlet.added(1, 46);
            outlet.hand_over(Duration::ZERO)
        };
        for _ in 0..WAITING {
            assert_eq!(add(), Lost::default());
        }
        assert_eq!(add(), Lost { samples: 1, packets: 1, bytes: 46 });
        assert_eq!(add(), Lost { samples: 1, packets: 1, bytes: 46 });
        let Event::Samples(batch) = inlet.wait(Instant::now()) else { panic!("a batch") };
        inlet.give_back(batch);
        assert_eq!(add(), Lost::default());
        drop(outlets);
        let mut last = (0, 0);
        while let Event::Samples(batch) = inlet.wait(Instant::now()) {
            last = (batch.drops, batch.pool);
        }
        assert_eq!(last, (2, 3));
        assert!(matches!(inlet.wait(Instant::now()), Event::Ended));
    }
}
