//! The table, which answers look at while more comes in.
//!
//! An answer is made by its client's thread from a [`Version`] of the table, which does not change. When more comes in while
//! answers look at the newest version, it is copied, and the copy goes on; the older one is freed with its last answer. Older
//! versions may take as much memory in all as the table may; beyond that, answers of the oldest that have had their time are cut,
//! and what comes in is kept aside until there is room.

use aggregate::Table;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Time that an answer has, from the moment when its version became an old one, whatever else waits.
const GRACE: Duration = Duration::from_secs(2);

/// What the table was at one moment.
pub(super) struct Version {
    pub(super) table: Table,
    /// Answers must let go of it.
    cut: AtomicBool,
}

impl Version {
    pub(super) fn new(table: Table) -> Arc<Self> {
        Arc::new(Self { table, cut: AtomicBool::new(false) })
    }

    /// True when answers must let go of it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// A version that is not the newest, but that answers look at.
struct Old {
    version: Weak<Version>,
    bytes: usize,
    since: Instant,
}

/// What became of the aggregates that came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Came in.
    pub(super) handed: u64,
    /// Were left out, as the table is at its bound.
    pub(super) lost: u64,
    /// Their packets.
    pub(super) packets: u64,
    /// Their bytes.
    pub(super) octets: u64,
}

/// The table and its older versions.
pub(super) struct State {
    newest: Arc<Version>,
    old: Vec<Old>,
    /// What came in and found no room for another version.
    aside: Option<Table>,
    /// `imt_memory`.
    max_octets: usize,
    /// Bytes of the tables that were taken out for clients that are to remove what they show, and may come back.
    out: usize,
}

impl State {
    pub(super) fn new(table: Table, max_octets: usize) -> Self {
        Self { newest: Version::new(table), old: Vec::new(), aside: None, max_octets, out: 0 }
    }

    /// The newest version. [`Self::settle`] says whether it is complete.
    pub(super) fn newest(&self) -> &Arc<Version> {
        &self.newest
    }

    /// Brings everything into the newest version. False when that must wait for answers.
    pub(super) fn settle(&mut self, taken: &mut Taken) -> bool {
        if let Some(aside) = self.aside.take() {
            self.absorb(aside, taken);
        }
        self.aside.is_none()
    }

    /// Adds what came in.
    pub(super) fn absorb(&mut self, table: Table, taken: &mut Taken) {
        let bound = self.bound();
        let handed = table.len() as u64;
        let mut lost = |values: &[u64]| {
            let value = |at: usize| values.get(at).copied().unwrap_or(0);
            taken.packets = taken.packets.saturating_add(value(flow::schema::VALUE_PACKETS));
            taken.octets = taken.octets.saturating_add(value(flow::schema::VALUE_OCTETS));
        };
        if let Some(newest) = self.change() {
            taken.lost += newest.absorb_bounded(table, bound, &mut lost) as u64;
            taken.handed += handed;
            return;
        }
        // What is kept aside is handed when it leaves, as it comes together to fewer aggregates there.
        let left = bound.saturating_sub(self.newest.table.size());
        let aside = self.aside.get_or_insert_with(|| table.empty());
        let given_up = aside.absorb_bounded(table, left, &mut lost) as u64;
        taken.lost += given_up;
        taken.handed += given_up;
    }

    /// The newest version, to change. Nothing when answers look at it and there is no room for a copy.
    pub(super) fn change(&mut self) -> Option<&mut Table> {
        if Arc::get_mut(&mut self.newest).is_none() {
            let bytes = self.newest.table.size();
            let held = self.held();
            if held > 0 && held.saturating_add(bytes) > self.max_octets {
                self.cut();
                return None;
            }
            let copy = Version::new(self.newest.table.clone());
            self.replace(copy);
        }
        Arc::get_mut(&mut self.newest).map(|version| &mut version.table)
    }

    /// Goes on with another version; answers keep theirs.
    fn replace(&mut self, version: Arc<Version>) {
        let old = std::mem::replace(&mut self.newest, version);
        let bytes = old.table.size();
        self.old.push(Old { version: Arc::downgrade(&old), bytes, since: Instant::now() });
    }

    /// Empties the table, which must be [settled](Self::settle).
    pub(super) fn clear(&mut self) {
        let empty = self.newest.table.empty();
        self.replace(Version::new(empty));
    }

    /// Takes everything out, for a client that removes what it shows. Nothing when that must wait.
    pub(super) fn take_all(&mut self) -> Option<Arc<Version>> {
        let table = self.change()?;
        let empty = table.empty();
        let all = std::mem::replace(table, empty);
        self.out = self.out.saturating_add(all.size());
        Some(Version::new(all))
    }

    /// Takes out what is meant. Nothing when that must wait.
    pub(super) fn take_some(
        &mut self,
        mut is_meant: impl FnMut(&[u8], &[u64], &flow::strings::Strings) -> bool,
    ) -> Option<Arc<Version>> {
        let some = self.change()?.split_off(&mut is_meant);
        self.out = self.out.saturating_add(some.size());
        Some(Version::new(some))
    }

    /// What was taken out was shown, or comes back.
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

    /// Bytes up to which the newest version may grow: with what may come back and with older versions, twice `imt_memory`.
    fn bound(&mut self) -> usize {
        let both = self.max_octets.saturating_mul(2).saturating_sub(self.held()).saturating_sub(self.out);
        if both < self.max_octets {
            self.cut();
        }
        self.max_octets.saturating_sub(self.out).min(both)
    }

    /// Cuts the answers of old versions that have had their time.
    fn cut(&mut self) {
        for old in self.old.iter().filter(|old| old.since.elapsed() >= GRACE) {
            if let Some(version) = old.version.upgrade() {
                version.cut.store(true, Ordering::Release);
            }
        }
    }
}
