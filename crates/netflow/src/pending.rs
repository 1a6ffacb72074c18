//! Data sets that came before their template: kept for a while, within a bound.

use crate::datagram::{Header, IPFIX};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;

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

/// The waiting sets of one exporter.
///
/// Each set is visited twice, when it is kept and when it leaves, however many others wait.
#[derive(Debug)]
pub struct Pending {
    /// By their number in order of arrival.
    held: BTreeMap<u64, Waiting>,
    /// The sets that wait for each template.
    queues: HashMap<Awaited, Queue, RandomState>,
    next: u64,
    octets: usize,
    max_octets: usize,
    max_age: u64,
}

/// A set, and the number of the next one that waits for the same template.
#[derive(Debug)]
struct Waiting {
    held: Held,
    next: Option<NonZero<u64>>,
}

/// Numbers of the oldest and newest set that wait for a template.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u64,
    last: u64,
}

/// A template that sets wait for: IPFIX or v9, domain, id.
type Awaited = (bool, u32, u16);

/// What could not be kept: sets that grew too old, and sets that had to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sets whose template did not come in time.
    pub expired: u64,
    /// Sets beyond the bound of octets.
    pub crowded: u64,
    /// Octets of the records of both.
    pub octets: u64,
}

impl Held {
    /// Bytes that it takes, with what keeping it costs: a set may be empty.
    fn cost(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }

    fn awaited(&self) -> Awaited {
        (self.header.version == IPFIX, self.header.domain, self.id)
    }
}

impl Pending {
    /// Keeps at most `max_octets` for at most `max_age` microseconds.
    pub fn new(max_octets: usize, max_age: u64) -> Self {
        let (held, queues) = (BTreeMap::new(), HashMap::default());
        Self { held, queues, next: 1, octets: 0, max_octets, max_age }
    }

    /// Keeps a set; older ones make room.
    pub fn keep(&mut self, held: Held) -> Lost {
        let mut lost = self.expire(held.arrival);
        if held.cost() > self.max_octets {
            lost.crowded += 1;
            lost.octets += held.body.len() as u64;
            return lost;
        }
        while self.octets + held.cost() > self.max_octets {
            let Some(octets) = self.drop_first() else { break };
            lost.crowded += 1;
            lost.octets += octets;
        }
        self.octets += held.cost();
        let number = self.next;
        let queue = self.queues.entry(held.awaited()).or_insert(Queue { first: number, last: number });
        let before = std::mem::replace(&mut queue.last, number);
        if before != number
            && let Some(before) = self.held.get_mut(&before)
        {
            before.next = NonZero::new(number);
        }
        self.held.insert(number, Waiting { held, next: None });
        self.next += 1;
        lost
    }

    /// Drops what is too old at `now`.
    pub fn expire(&mut self, now: u64) -> Lost {
        let mut lost = Lost::default();
        let max_age = self.max_age;
        let is_old = |waiting: &Waiting| now.saturating_sub(waiting.held.arrival) > max_age;
        while self.held.first_key_value().is_some_and(|(_, waiting)| is_old(waiting)) {
            lost.octets += self.drop_first().unwrap_or_default();
            lost.expired += 1;
        }
        lost
    }

    /// Drops the oldest set, and gives the octets of its records.
    fn drop_first(&mut self) -> Option<u64> {
        let (_, Waiting { held, next }) = self.held.pop_first()?;
        self.octets -= held.cost();
        let awaited = held.awaited();
        // The oldest of all is the oldest of its template.
        match (next, self.queues.get_mut(&awaited)) {
            (Some(next), Some(queue)) => queue.first = next.get(),
            _ => _ = self.queues.remove(&awaited),
        }
        Some(held.body.len() as u64)
    }

    /// Takes the sets that wait for a template, oldest first.
    pub fn take(&mut self, ipfix: bool, domain: u32, id: u16) -> Vec<Held> {
        let mut number = self.queues.remove(&(ipfix, domain, id)).map(|queue| queue.first);
        let mut taken = Vec::new();
        while let Some(Waiting { held, next }) = number.and_then(|number| self.held.remove(&number)) {
            self.octets -= held.cost();
            taken.push(held);
            number = next.map(NonZero::get);
        }
        taken
    }

    /// Bytes that it keeps on the heap, roughly: nodes are half full at worst.
    pub fn memory(&self) -> usize {
        self.octets
            + self.held.len() * (size_of::<(u64, Waiting)>() + 2 * size_of::<u64>())
            + self.queues.capacity() * (size_of::<(Awaited, Queue)>() + 1)
    }

    /// Octets of the records of all sets that wait.
    pub fn octets(&self) -> u64 {
        (self.octets - self.held.len() * size_of::<Held>()) as u64
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
    use proptest::prelude::*;

    #[test]
    fn what_waits_is_bounded_by_octets_and_age() {
        let header = Header { domain: 1, ..Header::default() };
        let mut pending = Pending::new(100 + size_of::<Held>(), 1000);
        let set = |id, octets, arrival| Held { header, id, body: vec![0; octets].into(), missing: 0, arrival };
        assert_eq!(pending.keep(set(256, 60, 0)), Lost::default());
        assert_eq!(pending.keep(set(257, 60, 10)), Lost { crowded: 1, expired: 0, octets: 60 });
        assert_eq!(pending.octets(), 60);
        assert!(pending.take(false, 1, 256).is_empty());
        assert_eq!(pending.take(false, 1, 257).len(), 1);
        pending.keep(set(258, 60, 20));
        assert_eq!(pending.keep(set(256, 60, 5000)), Lost { crowded: 0, expired: 1, octets: 60 });
        assert_eq!(pending.keep(set(256, 300, 5000)), Lost { crowded: 1, expired: 0, octets: 300 });
        assert_eq!(pending.len(), 1);
    }

    /// Exporters choose ids: who knew the hash could choose ids that collide.
    #[test]
    fn what_waits_for_two_exporters_hashes_differently() {
        use std::hash::BuildHasher;
        let hash = |pending: &Pending| pending.queues.hasher().hash_one((true, 1_u32, 256_u16));
        assert_ne!(hash(&Pending::new(0, 0)), hash(&Pending::new(0, 0)));
    }

    proptest! {
        /// It gives back what a list that is searched from end to end does.
        #[test]
        fn it_holds_what_a_plain_list_would(
            steps in prop::collection::vec((0..3_u32, 256..260_u16, 0..200_usize, 0..400_u64, any::<bool>()), 1..200),
        ) {
            let (max_octets, max_age) = (1500, 1000);
            let mut pending = Pending::new(max_octets, max_age);
            let mut list: Vec<Held> = Vec::new();
            let mut now = 0;
            for (domain, id, length, elapsed, take) in steps {
                now += elapsed;
                if take {
                    let (taken, left): (Vec<_>, Vec<_>) =
                        list.drain(..).partition(|held| held.header.domain == domain && held.id == id);
                    list = left;
                    let found = pending.take(false, domain, id);
                    let arrivals = |sets: &[Held]| sets.iter().map(|held| held.arrival).collect::<Vec<_>>();
                    prop_assert_eq!(arrivals(&found), arrivals(&taken));
                } else {
                    let header = Header { domain, version: 9, ..Header::default() };
                    let held = Held { header, id, body: vec![0; length].into(), missing: 0, arrival: now };
                    let lost = pending.keep(held.clone());
                    let octets = |list: &[Held]| list.iter().map(|held| held.body.len() as u64).sum::<u64>();
                    let (before, all) = (list.len(), octets(&list) + length as u64);
                    list.retain(|held| now - held.arrival <= max_age);
                    prop_assert_eq!(lost.expired, (before - list.len()) as u64);
                    list.push(held);
                    let mut crowded = 0;
                    while list.iter().map(Held::cost).sum::<usize>() > max_octets {
                        list.remove(0);
                        crowded += 1;
                    }
                    prop_assert_eq!(lost.crowded, crowded);
                    prop_assert_eq!(lost.octets, all - octets(&list));
                    prop_assert_eq!(pending.octets(), octets(&list));
                }
                prop_assert_eq!(pending.len(), list.len());
                let templates: std::collections::HashSet<_> = list.iter().map(Held::awaited).collect();
                prop_assert_eq!(pending.queues.len(), templates.len());
                prop_assert_eq!(pending.octets, list.iter().map(Held::cost).sum::<usize>());
            }
        }
    }
}
