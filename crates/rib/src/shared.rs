//! The lock around the table, made so that readers wait for a few changes at most.
//!
//! A reader that finds the table locked says so in a counter. The writer looks at it after every few changes, leaves the table, and
//! comes back when those who waited are in. A plain lock does not do that: a writer that locks again at once may win
//! each time, and a fair lock makes readers sleep, which takes longer than the changes that they wait for. Nor does the writer sleep while it
//! keeps readers out: on a busy machine it could be milliseconds until it runs again.

#[cfg(feature = "held")]
use crate::held::Held;
use crate::held::Work;
use crate::rib::Rib;
use crate::route::Limits;
use crate::store::Index;
use crate::trash::Trash;
use crate::writer::Writer;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hint::{black_box, spin_loop};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{park_timeout, yield_now};
use std::time::{Duration, Instant};

/// Work after which the writer lets readers in that wait. It gets so much done however many readers there are. A change of a short list of
/// routes counts as one.
const FEW: u32 = 8;

/// Work after which the writer leaves the table in any case.
const MANY: u32 = 64;

/// Units of a list of routes that are searched in the time of a change, about.
const SEARCHED: usize = 128;

/// How long the writer stays away for readers, at least. After that it holds up readers that come.
const PATIENCE: Duration = Duration::from_micros(50);

/// How long the writer stays away, at most. A reader that is in the table may have lost its processor for some milliseconds; the
/// others need not wait for it.
const MOST_PATIENCE: Duration = Duration::from_millis(20);

/// How long the writer holds up readers that come while it waits for those that are in the table. One of them may have lost its
/// processor; then the others are let in again.
const MOST_CLOSED: Duration = Duration::from_micros(40);

/// Attempts of a reader before it sleeps: about 20 microseconds.
const ATTEMPTS: u32 = 400;

/// The routes of all peers, shared by one [`Writer`] and any number of readers.
#[derive(Debug, Default)]
pub struct SharedRib {
    rib: RwLock<Rib>,
    /// Whether the writer is about to lock the table: readers do not enter then. In the queue of the lock it would do the same, but asleep,
    /// and until a processor is free for it.
    closed: AtomicBool,
    /// Readers that wait.
    waiting: AtomicU32,
}

/// What the writer remembers between changes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Work since [`prepare_heap`].
    unprepared: u32,
    /// What was replaced while the table was locked.
    trash: Trash,
    /// How long the writer may wait for readers: as long as it did not, so that it works for half of the time, however many readers
    /// there are.
    credit: Duration,
    /// When the credit was counted.
    counted: Instant,
    #[cfg(feature = "held")]
    pub(crate) held: Held,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            unprepared: HEAP_WORK,
            trash: Trash::default(),
            credit: MOST_PATIENCE,
            counted: Instant::now(),
            #[cfg(feature = "held")]
            held: Held::default(),
        }
    }
}

/// Work after which the heap is prepared again.
const HEAP_WORK: u32 = 64;

/// Memory that so much work seldom needs, in bytes.
const HEAP: usize = 64 * 1024;

/// Bytes of a page of memory; elsewhere they are more.
const PAGE: usize = 4096;

/// Makes the allocator do now, while nobody waits, what it would do within changes otherwise.
///
/// * It gets memory from the system, and the system finds pages for it: otherwise, each page that the table grows by costs a change a call of the
///   system and a fault, which take 100 microseconds and more at times.
/// * The allocator of glibc keeps small freed chunks apart until somebody asks for or frees large ones, and then merges all of them: after a
///   million changes, that took up to 5 ms in the middle of a change.
fn prepare_heap() {
    let mut memory = Vec::<u8>::with_capacity(HEAP);
    for page in memory.spare_capacity_mut().chunks_mut(PAGE) {
        if let Some(byte) = page.first_mut() {
            byte.write(0);
        }
    }
    drop(black_box(memory));
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
        match self.try_read() {
            Some(guard) => ReadGuard(guard),
            None => self.wait(),
        }
    }

    #[inline]
    fn try_read(&self) -> Option<RwLockReadGuard<'_, Rib>> {
        if self.closed.load(Ordering::SeqCst) { None } else { self.rib.try_read() }
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
                self.try_read()
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

    /// Waits until no reader is in the table, and leaves it closed for others.
    fn close(&self) {
        loop {
            self.closed.store(true, Ordering::SeqCst);
            if !self.rib.is_locked() {
                return;
            }
            let start = Instant::now();
            while start.elapsed() < MOST_CLOSED {
                spin_loop();
                if !self.rib.is_locked() {
                    return;
                }
            }
            self.closed.store(false, Ordering::SeqCst);
            park_timeout(PATIENCE);
        }
    }

    /// What the writer does before it locks the table.
    fn prepare(&self, pace: &mut Pace) {
        pace.trash.clear();
        if pace.unprepared >= HEAP_WORK {
            pace.unprepared = 0;
            prepare_heap();
        }
        self.let_readers_in(pace);
    }

    /// Locks the table for the writer.
    pub(crate) fn lock<'a>(&'a self, pace: &'a mut Pace) -> Lock<'a> {
        self.prepare(pace);
        self.close();
        let mut lock = Lock { shared: self, pace, rib: self.rib.write(), work: 0 };
        self.closed.store(false, Ordering::SeqCst);
        lock.begin_section();
        lock
    }
}

/// The table while it is locked for the writer.
#[derive(Debug)]
pub(crate) struct Lock<'a> {
    shared: &'a SharedRib,
    pace: &'a mut Pace,
    rib: RwLockWriteGuard<'a, Rib>,
    /// Work since the table was locked.
    work: u32,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.end_section();
        self.pace.unprepared += self.work;
    }
}

impl Lock<'_> {
    pub(crate) fn rib(&self) -> &Rib {
        &self.rib
    }

    pub(crate) fn rib_mut(&mut self) -> &mut Rib {
        &mut self.rib
    }

    /// The table, and what is to be freed later.
    pub(crate) fn parts(&mut self) -> (&mut Rib, &mut Trash) {
        (&mut self.rib, &mut self.pace.trash)
    }

    /// Records what is done, for measurements.
    #[inline]
    pub(crate) fn note(&mut self, work: Work) {
        #[cfg(feature = "held")]
        self.pace.held.note(work);
        let _ = work;
    }

    /// The lock was taken.
    fn begin_section(&mut self) {
        #[cfg(feature = "held")]
        self.pace.held.begin(self.rib.memory());
    }

    /// The lock will be released.
    fn end_section(&mut self) {
        #[cfg(feature = "held")]
        self.pace.held.end(self.work, self.rib.memory());
    }

    /// Runs something while the lock is not held.
    fn unlocked(&mut self, f: impl FnOnce(&SharedRib, &mut Pace)) {
        self.end_section();
        self.pace.unprepared += std::mem::take(&mut self.work);
        RwLockWriteGuard::unlocked(&mut self.rib, || {
            f(self.shared, self.pace);
            self.shared.close();
        });
        self.shared.closed.store(false, Ordering::SeqCst);
        self.begin_section();
    }

    /// Counts a change, and lets readers in if it is their turn.
    #[inline]
    pub(crate) fn changed(&mut self) {
        self.changed_list(0);
    }

    /// As [`Lock::changed`], for a change that searched a list of so many units.
    #[inline]
    pub(crate) fn changed_list(&mut self, units: usize) {
        self.work += 1 + (units / SEARCHED) as u32;
        if self.work >= MANY || self.work >= FEW && self.shared.waiting.load(Ordering::Relaxed) > 0 {
            self.unlocked(SharedRib::prepare);
        }
    }

    /// Makes room in the index while readers may read.
    #[cold]
    pub(crate) fn grow(&mut self, index: &mut Index) {
        self.unlocked(|shared, _| index.reserve(1, &shared.rib.read().store));
        self.rib.store.index_bytes = index.bytes();
    }
}
