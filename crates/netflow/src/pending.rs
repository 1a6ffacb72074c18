//! Data sets that arrive before their template. They are kept for a limited time, in bounded memory.

use crate::datagram::{Header, IPFIX};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;

/// A data set without a template.
#[derive(Clone, Debug)]
pub struct PendingSet {
    /// Header of its datagram.
    pub header: Header,
    /// Template id.
    pub id: u16,
    /// The records and the padding.
    pub body: Box<[u8]>,
    /// Octets by which it exceeds its datagram.
    pub missing: usize,
    /// Arrival time of its datagram: microseconds since 1970.
    pub arrival: u64,
}

/// The pending sets of one exporter.
///
/// Each set is visited twice, when it is inserted and when it is removed, however many others there are.
#[derive(Debug)]
pub struct Pending {
    /// By sequential number, in order of arrival.
    sets: BTreeMap<u64, Entry>,
    /// The queue of each missing template.
    queues: HashMap<TemplateKey, Queue, RandomState>,
    next: u64,
    bytes: usize,
    max_bytes: usize,
    max_age: u64,
}

/// A set, and the number of the next one with the same template.
#[derive(Debug)]
struct Entry {
    set: PendingSet,
    next: Option<NonZero<u64>>,
}

/// The numbers of the oldest and the newest set of a template.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u64,
    last: u64,
}

/// Key of a missing template: whether it is of IPFIX, domain, id.
type TemplateKey = (bool, u32, u16);

/// Sets that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Sets whose template did not arrive in time.
    pub expired: u64,
    /// Sets dropped at the memory bound.
    pub evicted: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl PendingSet {
    /// Memory in bytes, with the overhead of an entry: a set may be empty.
    fn cost(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }

    fn key(&self) -> TemplateKey {
        (self.header.version == IPFIX, self.header.domain, self.id)
    }
}

impl Pending {
    /// Creates a queue of at most `max_bytes`, in which sets expire after `max_age` microseconds.
    pub fn new(max_bytes: usize, max_age: u64) -> Self {
        let (sets, queues) = (BTreeMap::new(), HashMap::default());
        Self { sets, queues, next: 1, bytes: 0, max_bytes, max_age }
    }

    /// Inserts a set. Drops the oldest ones if there is no room.
    pub fn insert(&mut self, set: PendingSet) -> Dropped {
        let mut dropped = self.expire(set.arrival);
        if set.cost() > self.max_bytes {
            dropped.evicted += 1;
            dropped.bytes += set.body.len() as u64;
            return dropped;
        }
        while self.bytes + set.cost() > self.max_bytes {
            let Some(octets) = self.drop_first() else { break };
            dropped.evicted += 1;
            dropped.bytes += octets;
        }
        self.bytes += set.cost();
        let number = self.next;
        let queue = self.queues.entry(set.key()).or_insert(Queue { first: number, last: number });
        let before = std::mem::replace(&mut queue.last, number);
        if before != number
            && let Some(before) = self.sets.get_mut(&before)
        {
            before.next = NonZero::new(number);
        }
        self.sets.insert(number, Entry { set, next: None });
        self.next += 1;
        dropped
    }

    /// Drops the sets that have expired at `now`.
    pub fn expire(&mut self, now: u64) -> Dropped {
        let mut dropped = Dropped::default();
        let max_age = self.max_age;
        let is_old = |entry: &Entry| now.saturating_sub(entry.set.arrival) > max_age;
        while self.sets.first_key_value().is_some_and(|(_, entry)| is_old(entry)) {
            dropped.bytes += self.drop_first().unwrap_or_default();
            dropped.expired += 1;
        }
        dropped
    }

    /// Drops the oldest set, and returns its length in bytes.
    fn drop_first(&mut self) -> Option<u64> {
        let (_, Entry { set, next }) = self.sets.pop_first()?;
        self.bytes -= set.cost();
        let key = set.key();
        // The oldest set of all is also the oldest one of its template.
        match (next, self.queues.get_mut(&key)) {
            (Some(next), Some(queue)) => queue.first = next.get(),
            _ => _ = self.queues.remove(&key),
        }
        Some(set.body.len() as u64)
    }

    /// Removes and returns the sets of a template, oldest first.
    pub fn take(&mut self, ipfix: bool, domain: u32, id: u16) -> Vec<PendingSet> {
        let mut number = self.queues.remove(&(ipfix, domain, id)).map(|queue| queue.first);
        let mut taken = Vec::new();
        while let Some(Entry { set, next }) = number.and_then(|number| self.sets.remove(&number)) {
            self.bytes -= set.cost();
            taken.push(set);
            number = next.map(NonZero::get);
        }
        taken
    }

    /// Heap memory in bytes, approximately: nodes are at least half full.
    pub fn memory(&self) -> usize {
        self.bytes
            + self.sets.len() * (size_of::<(u64, Entry)>() + 2 * size_of::<u64>())
            + self.queues.capacity() * (size_of::<(TemplateKey, Queue)>() + 1)
    }

    /// Returns the bytes of all pending sets, without overhead.
    pub fn record_bytes(&self) -> u64 {
        (self.bytes - self.sets.len() * size_of::<PendingSet>()) as u64
    }

    /// Returns the number of pending sets.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Returns true if there are no pending sets.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pending_sets_are_bounded_by_memory_and_age() {
        let header = Header { domain: 1, ..Header::default() };
        let mut pending = Pending::new(100 + size_of::<PendingSet>(), 1000);
        let set =
            |id, octets, arrival| PendingSet { header, id, body: vec![0; octets].into(), missing: 0, arrival };
        assert_eq!(pending.insert(set(256, 60, 0)), Dropped::default());
        assert_eq!(pending.insert(set(257, 60, 10)), Dropped { evicted: 1, expired: 0, bytes: 60 });
        assert_eq!(pending.record_bytes(), 60);
        assert!(pending.take(false, 1, 256).is_empty());
        assert_eq!(pending.take(false, 1, 257).len(), 1);
        pending.insert(set(258, 60, 20));
        assert_eq!(pending.insert(set(256, 60, 5000)), Dropped { evicted: 0, expired: 1, bytes: 60 });
        assert_eq!(pending.insert(set(256, 300, 5000)), Dropped { evicted: 1, expired: 0, bytes: 300 });
        assert_eq!(pending.len(), 1);
    }

    /// Exporters choose the ids. With a known hash function they could choose ids that collide.
    #[test]
    fn the_queues_of_two_exporters_hash_differently() {
        use std::hash::BuildHasher;
        let hash = |pending: &Pending| pending.queues.hasher().hash_one((true, 1_u32, 256_u16));
        assert_ne!(hash(&Pending::new(0, 0)), hash(&Pending::new(0, 0)));
    }

    proptest! {
        /// Behaves like a list that is searched linearly.
        #[test]
        fn it_behaves_like_a_plain_list(
            steps in prop::collection::vec((0..3_u32, 256..260_u16, 0..200_usize, 0..400_u64, any::<bool>()), 1..200),
        ) {
            let (max_bytes, max_age) = (1500, 1000);
            let mut pending = Pending::new(max_bytes, max_age);
            let mut list: Vec<PendingSet> = Vec::new();
            let mut now = 0;
            for (domain, id, length, elapsed, take) in steps {
                now += elapsed;
                if take {
                    let (taken, left): (Vec<_>, Vec<_>) =
                        list.drain(..).partition(|set| set.header.domain == domain && set.id == id);
                    list = left;
                    let found = pending.take(false, domain, id);
                    let arrivals = |sets: &[PendingSet]| sets.iter().map(|set| set.arrival).collect::<Vec<_>>();
                    prop_assert_eq!(arrivals(&found), arrivals(&taken));
                } else {
                    let header = Header { domain, version: 9, ..Header::default() };
                    let set = PendingSet { header, id, body: vec![0; length].into(), missing: 0, arrival: now };
                    let dropped = pending.insert(set.clone());
                    let octets = |list: &[PendingSet]| list.iter().map(|set| set.body.len() as u64).sum::<u64>();
                    let (before, all) = (list.len(), octets(&list) + length as u64);
                    list.retain(|set| now - set.arrival <= max_age);
                    prop_assert_eq!(dropped.expired, (before - list.len()) as u64);
                    list.push(set);
                    let mut evicted = 0;
                    while list.iter().map(PendingSet::cost).sum::<usize>() > max_bytes {
                        list.remove(0);
                        evicted += 1;
                    }
                    prop_assert_eq!(dropped.evicted, evicted);
                    prop_assert_eq!(dropped.bytes, all - octets(&list));
                    prop_assert_eq!(pending.record_bytes(), octets(&list));
                }
                prop_assert_eq!(pending.len(), list.len());
                let templates: std::collections::HashSet<_> = list.iter().map(PendingSet::key).collect();
                prop_assert_eq!(pending.queues.len(), templates.len());
                prop_assert_eq!(pending.bytes, list.iter().map(PendingSet::cost).sum::<usize>());
            }
        }
    }
}
