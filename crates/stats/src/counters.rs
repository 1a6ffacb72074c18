//! The arrays of counters: one writer, any number of readers, whole batches.

use crate::table::{COUNT, Counter, EQUATIONS, Equation, Kind, ROWS, Scope, Term};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// How often a reader tries to read a whole batch before it accepts a partial one. A writer is inside a batch for less than a
/// microsecond, unless the kernel preempts it there; for that case the reader yields after the first tries, which on
/// a busy machine lasts some scheduler turns.
const TRIES: u32 = 100_000;
/// Tries before the reader yields.
const QUICK: u32 = 100;

/// State shared by writer and readers. Aligned to two cache lines, so that two workers' arrays never share one.
#[repr(align(128))]
#[derive(Debug)]
struct Shared {
    /// Odd while a batch is being added.
    version: AtomicU64,
    values: [AtomicU64; COUNT],
    #[cfg(all(debug_assertions, not(test)))]
    recorded: crate::recorded::Recorded,
}

impl Shared {
    /// Stores a counter's new value.
    #[inline]
    fn store(&self, number: usize, value: u64) {
        #[cfg(all(debug_assertions, not(test)))]
        self.recorded.note(number, value);
        self.values[number].store(value, Ordering::Relaxed);
    }
}

/// The writer's side. It can move to another thread but not be shared or cloned, so there is one writer at a time.
#[derive(Debug)]
pub struct Counters {
    shared: Arc<Shared>,
    /// Makes the writer `Send` and not `Sync`, as `Cell` is.
    alone: PhantomData<Cell<()>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            version: AtomicU64::new(0),
            values: [const { AtomicU64::new(0) }; COUNT],
            #[cfg(all(debug_assertions, not(test)))]
            recorded: crate::recorded::Recorded::new(),
        };
        Self { shared: Arc::new(shared), alone: PhantomData }
    }

    /// Adds to one counter. For counters that must change together, use [`Counters::publish`].
    #[inline]
    pub fn add(&self, counter: Counter, more: u64) {
        let value = self.shared.values[counter as usize].load(Ordering::Relaxed);
        self.shared.store(counter as usize, value.wrapping_add(more));
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, counter: Counter, value: u64) {
        self.shared.store(counter as usize, value);
    }

    /// Adds a batch's tally at once, and empties it. Gauges that the tally has set replace the old value.
    pub fn publish(&self, tally: &mut Tally) {
        if tally.touched == [0; WORDS] {
            return;
        }
        let version = self.shared.version.load(Ordering::Relaxed);
        self.shared.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        // Only counters that the batch has touched: this is called for each batch, and the table is long.
        for (word, bits) in tally.touched.iter_mut().enumerate() {
            while *bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                let more = &mut tally.values[place];
                match ROWS[place].kind {
                    Kind::Total => {
                        let value = self.shared.values[place].load(Ordering::Relaxed);
                        self.shared.store(place, value.wrapping_add(*more));
                        *more = 0;
                    }
                    // A gauge stays in the tally until it is set again.
                    Kind::Gauge => self.shared.store(place, *more),
                }
            }
        }
        self.shared.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// A reader of these counters.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared) }
    }
}

#[cfg(all(debug_assertions, not(test)))]
impl Drop for Counters {
    fn drop(&mut self) {
        self.shared.recorded.write();
    }
}

/// Counts of one thread that are not published yet. A thread that uses a tally sets its gauges only there.
#[derive(Clone, Debug)]
pub struct Tally {
    values: [u64; COUNT],
    /// A bit for each counter that has changed since it was published.
    touched: [u64; WORDS],
}

/// Words of 64 bits that hold a bit for each counter.
const WORDS: usize = COUNT.div_ceil(64);

impl Default for Tally {
    fn default() -> Self {
        Self { values: [0; COUNT], touched: [0; WORDS] }
    }
}

impl Tally {
    /// Adds to a counter.
    #[inline]
    pub fn add(&mut self, counter: Counter, more: u64) {
        let value = &mut self.values[counter as usize];
        *value = value.wrapping_add(more);
        self.touch(counter, more != 0);
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&mut self, counter: Counter, value: u64) {
        let old = std::mem::replace(&mut self.values[counter as usize], value);
        self.touch(counter, old != value);
    }

    #[inline]
    fn touch(&mut self, counter: Counter, has_changed: bool) {
        let place = counter as usize;
        self.touched[place / 64] |= u64::from(has_changed) << (place % 64);
    }
}

impl Index<Counter> for Tally {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.values[counter as usize]
    }
}

/// The readers' side.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    /// One counter as it is now.
    #[must_use]
    pub fn read(&self, counter: Counter) -> u64 {
        self.shared.values[counter as usize].load(Ordering::Relaxed)
    }

    /// All counters as they were after some batch.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for attempt in 0..TRIES {
            let before = self.shared.version.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                self.copy(&mut snapshot);
                fence(Ordering::Acquire);
                if self.shared.version.load(Ordering::Relaxed) == before {
                    return snapshot;
                }
            }
            if attempt < QUICK {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        // The writer was preempted inside a batch. Numbers that are off by one batch are better than none.
        self.copy(&mut snapshot);
        snapshot
    }

    fn copy(&self, snapshot: &mut Snapshot) {
        for (value, shared) in snapshot.values.iter_mut().zip(&self.shared.values) {
            *value = shared.load(Ordering::Relaxed);
        }
    }
}

/// Counters of one moment: one array's, or the sum of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    values: [u64; COUNT],
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { values: [0; COUNT] }
    }
}

impl Snapshot {
    /// The sum over several arrays.
    pub fn sum<'a>(readers: impl IntoIterator<Item = &'a Reader>) -> Self {
        let mut sum = Self::default();
        for reader in readers {
            sum.absorb(&reader.snapshot());
        }
        sum
    }

    /// Adds another snapshot to this one.
    pub fn absorb(&mut self, other: &Self) {
        for (value, more) in self.values.iter_mut().zip(&other.values) {
            *value = value.wrapping_add(*more);
        }
    }

    /// The difference to `earlier`. Gauges keep their values.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for ((value, before), row) in since.values.iter_mut().zip(&earlier.values).zip(ROWS) {
            if row.kind == Kind::Total {
                *value = value.wrapping_sub(*before);
            }
        }
        since
    }

    /// The sum of a family's counters, by the family's name in the table.
    #[must_use]
    pub fn family(&self, family: &str) -> u64 {
        let of_family = ROWS.iter().filter(|row| row.family == family);
        of_family.fold(0, |sum, row| sum.wrapping_add(self[row.counter]))
    }
}

impl Index<Counter> for Snapshot {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.values[counter as usize]
    }
}

/// An equation that does not hold.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Which one.
    pub equation: &'static Equation,
    /// The input.
    pub left: u64,
    /// What is accounted for.
    pub right: u64,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} but ", self.equation.left.key(), self.left)?;
        for (place, term) in self.equation.right.iter().enumerate() {
            let plus = if place == 0 { "" } else { " + " };
            match term {
                Term::One(counter) => write!(f, "{plus}{}", counter.key())?,
                Term::Family(family) => write!(f, "{plus}{}[*]", family.strip_suffix("_total").unwrap_or(family))?,
            }
        }
        write!(f, "={}", self.right)
    }
}

/// The equations of a scope that do not hold.
///
/// For the sum of several arrays they hold if those are read after their writers' last batch; for an array whose
/// writer publishes tallies they hold at any time.
#[must_use]
pub fn check(snapshot: &Snapshot, scope: Scope) -> Vec<Open> {
    let mut open = Vec::new();
    for equation in EQUATIONS.iter().filter(|equation| equation.scope == scope) {
        let left = snapshot[equation.left];
        let right = equation.right.iter().fold(0u64, |sum, term| {
            sum.wrapping_add(match term {
                Term::One(counter) => snapshot[*counter],
                Term::Family(family) => snapshot.family(family),
            })
        });
        if left != right {
            open.push(Open { equation, left, right });
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn readers_see_what_the_writer_adds() {
        let counters = Counters::new();
        let reader = counters.reader();
        counters.add(Counter::DatagramsReceived, 3);
        counters.add(Counter::DatagramsReceived, 4);
        counters.set(Counter::Exporters, 2);
        assert_eq!(reader.read(Counter::DatagramsReceived), 7);
        assert_eq!(reader.snapshot()[Counter::Exporters], 2);
    }

    #[test]
    fn a_tally_is_added_once_and_gauges_replace() {
        let counters = Counters::new();
        let mut tally = Tally::default();
        for round in 1..=3 {
            tally.add(Counter::RecordsDecoded, 10);
            tally.set(Counter::SetsPending, round);
            counters.publish(&mut tally);
            counters.publish(&mut tally);
        }
        let snapshot = counters.reader().snapshot();
        assert_eq!(snapshot[Counter::RecordsDecoded], 30);
        assert_eq!(snapshot[Counter::SetsPending], 3);
        assert_eq!(tally[Counter::RecordsDecoded], 0);
        assert_eq!(tally[Counter::SetsPending], 3);
    }

    #[test]
    fn snapshots_add_up_and_differ() {
        let (one, two) = (Counters::new(), Counters::new());
        one.add(Counter::DatagramsTooShort, 1);
        two.add(Counter::DatagramsBadVersion, 2);
        two.set(Counter::Exporters, 5);
        let sum = Snapshot::sum([&one.reader(), &two.reader()]);
        assert_eq!(sum.family("datagrams_rejected_total"), 3);
        two.add(Counter::DatagramsBadVersion, 4);
        let later = Snapshot::sum([&one.reader(), &two.reader()]);
        let since = later.since(&sum);
        assert_eq!(since[Counter::DatagramsBadVersion], 4);
        assert_eq!(since[Counter::DatagramsTooShort], 0);
        assert_eq!(since[Counter::Exporters], 5, "a gauge has no past");
    }

    #[test]
    fn a_failed_equation_is_shown_with_both_sums() {
        let counters = Counters::new();
        counters.add(Counter::RecordsReceived, 10);
        counters.add(Counter::RecordsAggregated, 7);
        counters.add(Counter::RecordsFilteredTag, 2);
        let open = check(&counters.reader().snapshot(), Scope::Plugin);
        assert_eq!(open.len(), 1);
        assert_eq!(
            open[0].to_string(),
            "records_received=10 but records_aggregated + records_sampled + records_filtered[*] + records_dropped[*]=9"
        );
        counters.add(Counter::RecordsDroppedBound, 1);
        assert!(check(&counters.reader().snapshot(), Scope::Plugin).is_empty());
    }

    #[test]
    fn the_equations_hold_while_the_writer_runs() {
        let counters = Counters::new();
        let reader = counters.reader();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let done = &done;
            scope.spawn(move || {
                let mut tally = Tally::default();
                for round in 0..200_000u64 {
                    tally.add(Counter::DatagramsReceived, 3 + round % 5);
                    tally.add(Counter::DatagramsDecoded, 3);
                    tally.add(Counter::DatagramsBadVersion, round % 5);
                    counters.publish(&mut tally);
                    // Decoding takes longer than counting; without that, a reader would hardly find a gap.
                    for _ in 0..50 {
                        std::hint::spin_loop();
                    }
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let snapshot = reader.snapshot();
                let open = check(&snapshot, Scope::Worker);
                assert!(open.is_empty(), "{}", open[0]);
            }
        });
        assert_eq!(reader.snapshot()[Counter::DatagramsDecoded], 600_000);
    }
}
