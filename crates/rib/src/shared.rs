//! The lock around the table, made so that readers wait for a few changes at most.
//!
//! A reader that finds the table locked says so in a counter. The writer looks at it after every few changes, leaves the table, and
//! comes back when those who waited are in. A plain lock does not do that: a writer that locks again at once may win
//! each time, and a fair lock makes readers sleep, which takes longer than the changes that they wait for.

use crate::rib::Rib;
use crate::route::Limits;
use crate::store::Index;
use crate::writer::Writer;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hint::{black_box, spin_loop};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{park_timeout, yield_now};
use std::time::{Duration, Instant};

/// Changes after which the writer lets readers in that wait. It gets so many done however many readers there are.
const FEW: u32 = 8;

/// Changes after which the writer leaves the table in any case.
const MANY: u32 = 64;

/// How long the writer stays away for readers, at least. After that it waits in line, and readers that come later wait behind it.
const PATIENCE: Duration = Duration::from_micros(50);

/// How long the writer stays away, at most. A reader that is in the table may have lost its processor for some milliseconds; the
/// others need not wait for it.
const MOST_PATIENCE: Duration = Duration::from_millis(20);

/// Attempts of a reader before it sleeps: about 20 microseconds.
const ATTEMPTS: u32 = 400;

/// The routes of all peers, shared by one [`Writer`] and any number of readers.
#[derive(Debug, Default)]
pub struct SharedRib {
    rib: RwLock<Rib>,
    /// Readers that wait.
    waiting: AtomicU32,
}

/// What the writer remembers between changes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Changes since [`settle_frees`].
    unsettled: u32,
    /// How long the writer may wait for readers: as long as it did not, so that it works for half of the time, however many readers
    /// there are.
    credit: Duration,
    /// When the credit was counted.
    counted: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { unsettled: 0, credit: MOST_PATIENCE, counted: Instant::now() }
    }
}

/// Changes after which freed memory is settled.
const UNSETTLED: u32 = 256;

/// Makes the allocator merge freed chunks now, while nobody waits.
///
/// The allocator of glibc keeps small freed chunks apart until somebody asks for 1024 bytes or more, and then merges all of them: after a
/// million changes, that took up to 5 ms in the middle of a change. Other allocators do nothing special here.
fn settle_frees() {
    drop(black_box(Vec::<u8>::with_capacity(2048)));
}

/// One state of the table, as long as it is held. The writer waits meanwhile, and so do readers that come after the writer; hold it
/// for a batch of look-ups, not longer.
#[derive(Debug)]
pub struct ReadGuard<'a>(RwLockReadGuard<'a, Rib>);

impl Deref for ReadGuard<'_> {
    type Target = Rib;

    fn deref(&self) -> &Rib {
        &self.0
    }
}

impl SharedRib {
    /// An empty table, and the only writer of it.
    pub fn new(limits: Limits) -> (Arc<Self>, Writer) {
        let shared = Arc::new(Self::default());
        shared.rib.write().peers.set_limits(limits);
        (Arc::clone(&shared), Writer::new(shared))
    }

    /// Enters the table. A thread that has a guard must not enter again, nor make the writer wait for itself.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_> {
        match self.rib.try_read() {
            Some(guard) => ReadGuard(guard),
            None => self.wait(),
        }
    }

    #[cold]
    fn wait(&self) -> ReadGuard<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let guard = (0..ATTEMPTS)
            .find_map(|attempt| {
                // The writer may need this processor.
                if attempt % 64 == 63 {
                    yield_now()
                } else {
                    spin_loop()
                }
                self.rib.try_read()
            })
            .unwrap_or_else(|| self.rib.read());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        ReadGuard(guard)
    }

    fn has_readers(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 || self.rib.is_locked()
    }

    /// Waits until no reader waits or reads, or patience ends. The table must not be locked by the writer.
    fn let_readers_in(&self, pace: &mut Pace) {
        if !self.has_readers() {
            return;
        }
        let start = Instant::now();
        let credit = pace.credit + start.duration_since(pace.counted);
        let patience = credit.clamp(PATIENCE, MOST_PATIENCE);
        let mut attempt = 0_u32;
        while self.has_readers() && start.elapsed() < patience {
            attempt += 1;
            // A batch of look-ups takes some ten microseconds. Who takes longer may need this processor.
            match attempt {
                1024.. => park_timeout(PATIENCE),
                _ if attempt.is_multiple_of(64) => yield_now(),
                _ => spin_loop(),
            }
        }
        pace.counted = Instant::now();
        pace.credit = credit.min(MOST_PATIENCE).saturating_sub(pace.counted - start);
    }

    /// What the writer does before it locks the table.
    fn prepare(&self, pace: &mut Pace) {
        if pace.unsettled >= UNSETTLED {
            pace.unsettled = 0;
            settle_frees();
        }
        self.let_readers_in(pace);
    }

    /// Locks the table for the writer.
    pub(crate) fn lock<'a>(&'a self, pace: &'a mut Pace) -> Lock<'a> {
        self.prepare(pace);
        Lock { shared: self, pace, rib: self.rib.write(), changes: 0 }
    }
}

/// The table while it is locked for the writer.
#[derive(Debug)]
pub(crate) struct Lock<'a> {
    shared: &'a SharedRib,
    pace: &'a mut Pace,
    rib: RwLockWriteGuard<'a, Rib>,
    /// Changes since the table was locked.
    changes: u32,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.pace.unsettled += self.changes;
    }
}

impl Lock<'_> {
    pub(crate) fn rib(&self) -> &Rib {
        &self.rib
    }

    pub(crate) fn rib_mut(&mut self) -> &mut Rib {
        &mut self.rib
    }

    /// Counts a change, and lets readers in if it is their turn.
    #[inline]
    pub(crate) fn changed(&mut self) {
        self.changes += 1;
        if self.changes >= MANY || self.changes >= FEW && self.shared.waiting.load(Ordering::Relaxed) > 0 {
            self.pace.unsettled += std::mem::take(&mut self.changes);
            RwLockWriteGuard::unlocked(&mut self.rib, || self.shared.prepare(self.pace));
        }
    }

    /// Makes room in the index while readers may read.
    #[cold]
    pub(crate) fn grow(&mut self, index: &mut Index) {
        RwLockWriteGuard::unlocked(&mut self.rib, || index.reserve(1, &self.shared.rib.read().store));
        self.pace.unsettled += std::mem::take(&mut self.changes);
        self.rib.store.index_bytes = index.bytes();
    }
}
