//! Data sets that came before their template: kept for a while, within a bound.

use crate::datagram::{Header, IPFIX};
use std::collections::VecDeque;

/// A set that waits.
#[derive(Clone, Debug)]
pub struct Held {
    /// Header of its datagram.
    pub header: Header,
    /// Template id.
    pub id: u16,
    /// Its records.
    pub body: Box<[u8]>,
    /// Octets by which it ended behind its datagram.
    pub missing: usize,
    /// When its datagram arrived: microseconds since 1970.
    pub arrival: u64,
}

/// The waiting sets of one exporter, oldest first.
#[derive(Debug)]
pub struct Pending {
    held: VecDeque<Held>,
    octets: usize,
    max_octets: usize,
    max_age: u64,
}

/// What could not be kept: sets that grew too old, and sets that had to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sets whose template did not come in time.
    pub expired: u64,
    /// Sets beyond the bound of octets.
    pub crowded: u64,
}

impl Held {
    /// Octets that it takes, with what keeping it costs: a set may be empty.
    fn cost(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }
}

impl Pending {
    /// Keeps at most `max_octets` for at most `max_age` microseconds.
    pub fn new(max_octets: usize, max_age: u64) -> Self {
        Self { held: VecDeque::new(), octets: 0, max_octets, max_age }
    }

    /// Keeps a set; older ones make room.
    pub fn keep(&mut self, held: Held) -> Lost {
        let mut lost = self.expire(held.arrival);
        if held.cost() > self.max_octets {
            lost.crowded += 1;
            return lost;
        }
        while self.octets + held.cost() > self.max_octets && self.drop_first() {
            lost.crowded += 1;
        }
        self.octets += held.cost();
        self.held.push_back(held);
        lost
    }

    /// Drops what is too old at `now`.
    pub fn expire(&mut self, now: u64) -> Lost {
        let mut lost = Lost::default();
        while self.held.front().is_some_and(|held| now.saturating_sub(held.arrival) > self.max_age) {
            self.drop_first();
            lost.expired += 1;
        }
        lost
    }

    fn drop_first(&mut self) -> bool {
        match self.held.pop_front() {
            Some(held) => {
                self.octets -= held.cost();
                true
            }
            None => false,
        }
    }

    /// Takes the sets that wait for a template, oldest first.
    pub fn take(&mut self, ipfix: bool, domain: u32, id: u16) -> Vec<Held> {
        let waits =
            |held: &Held| (held.header.version == IPFIX) == ipfix && held.header.domain == domain && held.id == id;
        if !self.held.iter().any(waits) {
            return Vec::new();
        }
        let (taken, left): (Vec<_>, Vec<_>) = self.held.drain(..).partition(waits);
        self.held = left.into();
        self.octets -= taken.iter().map(Held::cost).sum::<usize>();
        taken
    }

    /// Number of sets that wait.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_by_octets_and_age() {
        let header = Header { domain: 1, ..Header::default() };
        let mut pending = Pending::new(100 + size_of::<Held>(), 1000);
        let set = |id, octets, arrival| Held { header, id, body: vec![0; octets].into(), missing: 0, arrival };
        assert_eq!(pending.keep(set(256, 60, 0)), Lost::default());
        assert_eq!(pending.keep(set(257, 60, 10)), Lost { crowded: 1, expired: 0 });
        assert!(pending.take(false, 1, 256).is_empty());
        assert_eq!(pending.take(false, 1, 257).len(), 1);
        pending.keep(set(258, 60, 20));
        assert_eq!(pending.keep(set(256, 60, 5000)), Lost { crowded: 0, expired: 1 });
        assert_eq!(pending.keep(set(256, 300, 5000)), Lost { crowded: 1, expired: 0 });
        assert_eq!(pending.len(), 1);
    }
}
