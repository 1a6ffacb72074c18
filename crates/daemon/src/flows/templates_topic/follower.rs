//! A worker's look at the templates of the topic.

use super::Found;
use super::shared::{Changes, Shared};
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// Exporters whose templates are looked for again when something was added to the topic.
const MISSING: usize = 4096;

/// What one worker wants of the topic.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    /// The version that it has seen.
    version: u64,
    /// Exporters that lack a template, since the last look.
    new: HashSet<IpAddr>,
    /// Those that still lacked it then.
    missing: HashSet<IpAddr>,
    found: VecDeque<Found>,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let version = shared.version();
        Self { shared, version, new: HashSet::new(), missing: HashSet::new(), found: VecDeque::new() }
    }

    /// An exporter sent data without a template.
    pub(crate) fn miss(&mut self, exporter: IpAddr) {
        self.new.insert(exporter);
    }

    /// The next one to take over. `known`: the exporters of the worker; they are listed only if it is unknown what has changed.
    pub(crate) fn next(&mut self, known: impl FnOnce() -> Vec<IpAddr>) -> Option<Found> {
        if self.found.is_empty() {
            self.look(known);
        }
        self.found.pop_front()
    }

    #[inline]
    fn look(&mut self, known: impl FnOnce() -> Vec<IpAddr>) {
        if self.new.is_empty() && self.version == self.shared.version() {
            return;
        }
        self.look_again(known);
    }

    #[cold]
    fn look_again(&mut self, known: impl FnOnce() -> Vec<IpAddr>) {
        let version = self.shared.version();
        let mut wanted = std::mem::take(&mut self.new);
        if version != self.version {
            let changes = match self.shared.changes(self.version) {
                Changes::Some(changes) => changes,
                Changes::Unknown => self.shared.of(known().into_iter()),
            };
            let found = |(exporter, learned)| Found { exporter, learned, replaces: true };
            self.found.extend(changes.into_iter().map(found));
            wanted.extend(self.missing.drain());
            self.version = version;
        }
        let found = self.shared.of(wanted.iter().copied());
        found.iter().for_each(|(exporter, _)| _ = wanted.remove(exporter));
        let found = found.into_iter().map(|(exporter, learned)| Found { exporter, learned, replaces: false });
        self.found.extend(found);
        let room = MISSING.saturating_sub(self.missing.len());
        self.missing.extend(wanted.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::super::shared::Origin;
    use super::*;
    use crate::flows::worker::Learned;
    use netflow::template::{Field, Kind, Template};

    fn known(host: u8, length: u16) -> Known {
        let template = Template::new(1, 256, Kind::Data, vec![Field { enterprise: 0, element: 1, length }]);
        let (exporter, learned) = (IpAddr::from([192, 0, 2, host]), Learned::Template(template));
        Known { exporter, learned, seen: 1_700_000_000_000_000 }
    }

    fn found(host: u8, length: u16, replaces: bool) -> Option<Found> {
        let Known { exporter, learned, .. } = known(host, length);
        Some(Found { exporter, learned, replaces })
    }

    #[test]
    fn what_is_missing_comes_now_or_when_it_is_there() {
        let shared = Arc::new(Shared::new(1 << 20));
        shared.insert(known(1, 4), Origin::Own);
        shared.insert(known(2, 4), Origin::Own);
        let mut follower = Follower::new(Arc::clone(&shared));
        let mut next = move |missed: &[u8]| {
            missed.iter().for_each(|host| follower.miss(IpAddr::from([192, 0, 2, *host])));
            follower.next(Vec::new)
        };
        assert_eq!(next(&[]), None);
        assert_eq!(next(&[1, 9]), found(1, 4, false));
        assert_eq!(next(&[]), None);
        shared.insert(known(9, 8), Origin::Others);
        assert_eq!(next(&[]), found(9, 8, false));
        // Another collector has learned a different one: for workers that know the exporter.
        shared.insert(known(9, 12), Origin::Others);
        assert_eq!(next(&[]), found(9, 12, true));
        assert_eq!(next(&[]), None);
    }
}
