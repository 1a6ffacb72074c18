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
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// Changes after which the writer lets readers in that wait. It gets so many done however many readers there are.
const FEW: u32 = 8;

/// Changes after which the writer leaves the table in any case.
const MANY: u32 = 64;

/// How long the writer stays away for readers. After that it waits in line, and readers that come later wait behind it.
const PATIENCE: Duration = Duration::from_micros(50);

/// Attempts of a reader before it sleeps: about 20 microseconds.
const ATTEMPTS: u32 = 400;

/// The routes of all peers, shared by one [`Writer`] and any number of readers.
#[derive(Debug, Default)]
pub struct SharedRib {
    rib: RwLock<Rib>,
    /// Readers that wait.
    waiting: AtomicU32,
    /// Changes since [`settle_frees`]; only the writer uses it.
    unsettled: AtomicU32,
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

    /// Enters the table.
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

    /// Waits until no reader waits or reads, or patience ends. The table must not be locked.
    fn let_readers_in(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 && !self.rib.is_locked() {
            return;
        }
        let start = Instant::now();
        let mut attempt = 0_u32;
        while (self.waiting.load(Ordering::SeqCst) > 0 || self.rib.is_locked()) && start.elapsed() < PATIENCE {
            attempt += 1;
            if attempt.is_multiple_of(64) { yield_now() } else { spin_loop() }
        }
    }

    /// Counts changes. Only the writer calls this, so two steps do.
    fn count(&self, changes: u32) {
        self.unsettled.store(self.unsettled.load(Ordering::Relaxed) + changes, Ordering::Relaxed);
    }

    fn settle_sometimes(&self) {
        if self.unsettled.load(Ordering::Relaxed) >= UNSETTLED {
            self.unsettled.store(0, Ordering::Relaxed);
            settle_frees();
        }
    }

    /// Locks the table for the writer.
    pub(crate) fn lock(&self) -> Lock<'_> {
        self.settle_sometimes();
        self.let_readers_in();
        Lock { shared: self, rib: self.rib.write(), changes: 0 }
    }
}

/// The table while it is locked for the writer.
#[derive(Debug)]
pub(crate) struct Lock<'a> {
    shared: &'a SharedRib,
    rib: RwLockWriteGuard<'a, Rib>,
    /// Changes since the table was locked.
    changes: u32,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.shared.count(self.changes);
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
            let changes = std::mem::take(&mut self.changes);
            RwLockWriteGuard::unlocked(&mut self.rib, || {
                self.shared.count(changes);
                self.shared.settle_sometimes();
                self.shared.let_readers_in();
            });
        }
    }

    /// Makes room in the index while readers may read.
    #[cold]
    pub(crate) fn grow(&mut self, index: &mut Index) {
        RwLockWriteGuard::unlocked(&mut self.rib, || index.reserve(1, &self.shared.rib.read().store));
        self.changes = 0;
        self.rib.store.index_bytes = index.bytes();
    }
}
