//! The table, which answers read while aggregates are added.
//!
//! A client's thread builds its answer from a [`Version`] of the table, which does not change. When aggregates are added while
//! answers use the newest version, it is copied, and they are added to the copy; the older version is freed with its last answer.
//! All older versions together may take as much memory as the table; beyond that, answers from the oldest versions are cut
//! once they have had their time, and new aggregates are kept aside until there is room.

use aggregate::Table;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Time that an answer always has after its version was replaced.
const GRACE: Duration = Duration::from_secs(2);

/// The table at one moment.
pub(super) struct Version {
    pub(super) table: Table,
    /// Aggregates have the same indexes in all versions of one order.
    order: u64,
    /// Answers must release it.
    cut: AtomicBool,
}

impl Version {
    fn new(table: Table, order: u64) -> Arc<Self> {
        Arc::new(Self { table, order, cut: AtomicBool::new(false) })
    }

    /// An empty selection from this version.
    pub(super) fn selection(&self) -> Selection {
        Selection { order: self.order, bits: vec![0; self.table.len().div_ceil(64)] }
    }

    /// True when answers must release it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// Some of the aggregates of a version: a bit for each index.
pub(super) struct Selection {
    order: u64,
    bits: Vec<u64>,
}

impl Selection {
    pub(super) fn add(&mut self, number: usize) {
        if let Some(bits) = self.bits.get_mut(number / 64) {
            *bits |= 1 << (number % 64);
        }
    }

    fn has(&self, number: usize) -> bool {
        self.bits.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }
}

/// An older version that answers still use.
struct Old {
    version: Weak<Version>,
    bytes: usize,
    since: Instant,
}

/// The outcome of adding aggregates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Aggregates that were added.
    pub(super) handed: u64,
    /// Aggregates that were dropped, because the table is full.
    pub(super) lost: u64,
    /// Their packets.
    pub(super) packets: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// The table and its older versions.
pub(super) struct State {
    newest: Arc<Version>,
    old: Vec<Old>,
    /// Aggregates that were received while there was no room for another version.
    aside: Option<Table>,
    /// `imt_memory`.
    max_bytes: usize,
    grace: Duration,
    /// Number of removals, which change the indexes of later aggregates.
    order: u64,
    /// Bytes of the tables that were taken out for clients that show and remove them, and may return them.
    out: usize,
}

impl State {
    pub(super) fn new(table: Table, max_bytes: usize) -> Self {
        let newest = Version::new(table, 0);
        Self { newest, old: Vec::new(), aside: None, max_bytes, grace: GRACE, order: 0, out: 0 }
    }

    /// The newest version. [`Self::settle`] returns whether it is complete.
    pub(super) fn newest(&self) -> &Arc<Version> {
        &self.newest
    }

    /// Merges everything into the newest version. False when that must wait for answers.
    pub(super) fn settle(&mut self, taken: &mut Taken) -> bool {
        if let Some(aside) = self.aside.take() {
            self.absorb(aside, taken);
        }
        self.aside.is_none()
    }

    /// Adds the aggregates of a table.
    pub(super) fn absorb(&mut self, table: Table, taken: &mut Taken) {
        let bound = self.bound();
        let handed = table.len() as u64;
        let mut lost = |values: &[u64]| {
            let value = |at: usize| values.get(at).copied().unwrap_or(0);
            taken.packets = taken.packets.saturating_add(value(flow::schema::VALUE_PACKETS));
            taken.bytes = taken.bytes.saturating_add(value(flow::schema::VALUE_BYTES));
        };
        if let Some(newest) = self.change() {
            taken.lost += newest.absorb_bounded(table, bound, &mut lost) as u64;
            taken.handed += handed;
            return;
        }
        // Aggregates that are kept aside are counted as handed when they are merged, as they may become fewer.
        let left = bound.saturating_sub(self.newest.table.size());
        let aside = self.aside.get_or_insert_with(|| table.empty());
        let dropped = aside.absorb_bounded(table, left, &mut lost) as u64;
        taken.lost += dropped;
        taken.handed += dropped;
    }

    /// The newest version, to change. `None` when answers use it and there is no room for a copy.
    pub(super) fn change(&mut self) -> Option<&mut Table> {
        if Arc::get_mut(&mut self.newest).is_none() {
            let bytes = self.newest.table.size();
            let held = self.held();
            if held > 0 && held.saturating_add(bytes) > self.max_bytes {
                self.cut();
                return None;
            }
            let copy = Version::new(self.newest.table.clone(), self.newest.order);
            self.replace(copy);
        }
        Arc::get_mut(&mut self.newest).map(|version| &mut version.table)
    }

    /// Replaces the newest version; answers keep theirs.
    fn replace(&mut self, version: Arc<Version>) {
        let old = std::mem::replace(&mut self.newest, version);
        let bytes = old.table.size();
        self.old.push(Old { version: Arc::downgrade(&old), bytes, since: Instant::now() });
    }

    /// Empties the table, which must be [settled](Self::settle).
    pub(super) fn clear(&mut self) {
        let empty = self.newest.table.empty();
        self.order += 1;
        self.replace(Version::new(empty, self.order));
    }

    /// Takes everything out, for a client that removes what it shows. `None` when that must wait.
    pub(super) fn take_all(&mut self) -> Option<Arc<Version>> {
        let table = self.change()?;
        let empty = table.empty();
        let all = std::mem::replace(table, empty);
        Some(self.taken_out(all))
    }

    fn taken_out(&mut self, table: Table) -> Arc<Version> {
        self.out = self.out.saturating_add(table.size());
        self.order += 1;
        if let Some(newest) = Arc::get_mut(&mut self.newest) {
            newest.order = self.order;
        }
        Version::new(table, self.order)
    }

    /// True when aggregates have the same indexes as when the selection was made.
    pub(super) fn knows(&self, selection: &Selection) -> bool {
        selection.order == self.order
    }

    /// Takes out the selection. `None` when that must wait.
    pub(super) fn take_some(&mut self, selection: &Selection) -> Option<Arc<Version>> {
        let mut numbers = 0..;
        let some = self.change()?.split_off(|_, _, _| numbers.next().is_some_and(|number| selection.has(number)));
        Some(self.taken_out(some))
    }

    /// A table that was taken out was shown, or is returned.
    pub(super) fn returned(&mut self, bytes: usize, table: Option<Table>) -> Taken {
        self.out = self.out.saturating_sub(bytes);
        let mut taken = Taken::default();
        if let Some(table) = table {
            self.absorb(table, &mut taken);
            // It was handed before.
            taken.handed = taken.lost;
        }
        taken
    }

    /// Bytes of older versions.
    fn held(&mut self) -> usize {
        self.old.retain(|old| old.version.strong_count() > 0);
        self.old.iter().fold(0, |sum, old| sum.saturating_add(old.bytes))
    }

    /// Bytes up to which the newest version may grow: with tables that may be returned and older versions, twice `imt_memory`.
    fn bound(&mut self) -> usize {
        let both = self.max_bytes.saturating_mul(2).saturating_sub(self.held()).saturating_sub(self.out);
        if both < self.max_bytes {
            self.cut();
        }
        self.max_bytes.saturating_sub(self.out).min(both)
    }

    /// Cuts the answers of old versions that have had their time.
    fn cut(&mut self) {
        for old in self.old.iter().filter(|old| old.since.elapsed() >= self.grace) {
            if let Some(version) = old.version.upgrade() {
                version.cut.store(true, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing::{self, tags};

    fn state(max_bytes: usize, tags: std::ops::Range<u64>) -> State {
        State::new(testing::tags(tags), max_bytes)
    }

    fn absorb(state: &mut State, table: Table) -> Taken {
        let mut taken = Taken::default();
        state.absorb(table, &mut taken);
        taken
    }

    #[test]
    fn an_answer_keeps_its_version_while_more_comes_in() {
        let mut state = state(1 << 30, 0..100);
        let answer = Arc::clone(state.newest());
        assert_eq!(absorb(&mut state, tags(50..150)), Taken { handed: 100, ..Taken::default() });
        assert_eq!((answer.table.len(), answer.table.total(0)), (100, 100));
        assert_eq!((state.newest().table.len(), state.newest().table.total(0)), (150, 200));
        // Without answers there is no copy.
        drop(answer);
        let table: *const Version = &raw const **state.newest();
        absorb(&mut state, tags(0..10));
        assert_eq!(&raw const **state.newest(), table);
        assert_eq!(state.held(), 0);
    }

    #[test]
    fn versions_of_slow_clients_have_a_bound_and_are_cut_there() {
        let one = tags(0..1000).size();
        // There is room for the newest version, and for two older ones.
        let mut state = state(one * 5 / 2, 0..1000);
        state.grace = Duration::ZERO;
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(Arc::clone(state.newest()));
            absorb(&mut state, tags(0..1000));
        }
        assert!(state.held() <= state.max_bytes && state.old.len() == 2, "{} {}", state.held(), state.old.len());
        assert!(answers[0].is_cut() && answers[1].is_cut() && !state.newest().is_cut());
        // Nothing is lost meanwhile; it waits until the answers end.
        assert!(!state.settle(&mut Taken::default()));
        answers.clear();
        let mut taken = Taken::default();
        assert!(state.settle(&mut taken));
        assert_eq!((state.newest().table.len(), state.newest().table.total(0)), (1000, 11_000));
        assert_eq!((taken.handed, taken.lost), (1000, 0));
    }

    #[test]
    fn an_answer_is_not_cut_before_its_time() {
        let one = tags(0..1000).size();
        let mut state = state(one, 0..1000);
        let first = Arc::clone(state.newest());
        absorb(&mut state, tags(0..1000));
        let _second = Arc::clone(state.newest());
        absorb(&mut state, tags(0..1000));
        assert!(!state.settle(&mut Taken::default()) && !first.is_cut());
    }

    #[test]
    fn aggregates_kept_aside_are_bounded_and_counted_beyond_it() {
        let one = tags(0..1000).size();
        let mut state = state(one, 0..1000);
        let _first = Arc::clone(state.newest());
        absorb(&mut state, tags(0..1000));
        let _second = Arc::clone(state.newest());
        let (mut handed, mut lost) = (0, 0);
        for round in 1..20 {
            let taken = absorb(&mut state, tags(round * 1000..(round + 1) * 1000));
            (handed, lost) = (handed + taken.handed, lost + taken.lost);
            assert_eq!((taken.packets, taken.bytes), (taken.lost, taken.lost * 10));
        }
        assert!(lost > 15_000 && handed == lost, "{lost} {handed}");
        assert!(state.aside.as_ref().unwrap().size() < one * 2);
    }

    #[test]
    fn a_table_taken_out_is_returned_and_counts_towards_the_bound() {
        let one = tags(0..1000).size();
        let mut state = state(one, 0..1000);
        let all = state.take_all().unwrap();
        let bytes = all.table.size();
        // A table of the full size is out, so that nothing more fits.
        assert_eq!(absorb(&mut state, tags(5000..5100)).lost, 100);
        let table = Arc::into_inner(all).unwrap().table;
        assert_eq!(state.returned(bytes, Some(table)).lost, 0);
        assert_eq!((state.newest().table.len(), state.out), (1000, 0));
        // What a client took is gone, and there is room again.
        let mut selection = state.newest().selection();
        [0, 7, 999].into_iter().for_each(|number| selection.add(number));
        assert!(state.knows(&selection));
        let some = state.take_some(&selection).unwrap();
        assert_eq!((some.table.len(), state.newest().table.len()), (3, 997));
        // Aggregates have different indexes now.
        assert!(!state.knows(&selection) && state.knows(&state.newest().selection()));
        state.returned(some.table.size(), None);
        assert_eq!(absorb(&mut state, tags(0..1)).lost, 0);
    }

    #[test]
    fn repeated_erasing_keeps_no_more_versions_than_fit() {
        let one = tags(0..20_000).size();
        let mut state = state(one, 0..0);
        state.grace = Duration::ZERO;
        let mut answers = Vec::new();
        for _ in 0..10 {
            absorb(&mut state, tags(0..20_000));
            answers.push(Arc::clone(state.newest()));
            state.clear();
        }
        let kept: usize = answers.iter().map(|answer| answer.table.size()).sum();
        assert!(kept <= one * 5 / 2, "{kept} of {one}");
        assert!(answers[0].is_cut());
    }
}
