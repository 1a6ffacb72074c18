//! Gives fragments the ports of their packet, which only the first fragment has (RFC 791 section 3.2, RFC 8200 section
//! 4.5).
//!
//! Fragments may arrive in any order. Those that arrive before the first fragment wait for it up to [`LIFETIME_US`].
//! The state of a packet expires after that time, too. At the memory bound the oldest packets are evicted. No waiting
//! fragment is ever lost: it is returned with or without ports.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Lifetime of a packet's state in microseconds: the reassembly timeout of hosts (RFC 8200 section 4.5).
pub const LIFETIME_US: u64 = 60_000_000;

/// Memory in bytes of a packet without its waiting values: its entry and its slot in the queue, with their part of the
/// free ones.
const ENTRY: usize = 2 * (size_of::<(Key, Packet<()>)>() + size_of::<(u64, Key)>());

/// Identifies the fragments of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol; in IPv6 the one after the fragment header.
    pub protocol: u8,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
}

/// The ports of the first fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// The state of a packet.
#[derive(Debug)]
struct Packet<T> {
    transport: Option<Transport>,
    waiting: Vec<T>,
    since_us: u64,
}

/// What happened to a later fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// The ports are known; the value is returned.
    Ports(Transport, T),
    /// It waits for the first fragment.
    Buffered,
    /// The bound is too small for it; the value is returned.
    NoRoom(T),
}

/// Fragmented packets, with a value for each waiting fragment.
#[derive(Debug)]
pub struct Fragments<T> {
    packets: HashMap<Key, Packet<T>, RandomState>,
    /// Packets in order of creation, oldest first. An entry with another time than its packet is out of date.
    order: VecDeque<(u64, Key)>,
    waiting: usize,
    /// Memory bound, and memory of one value, in bytes.
    bound: usize,
    value: usize,
}

impl<T> Fragments<T> {
    /// Creates a table of at most `bound` bytes, if each waiting value has `value` bytes on the heap.
    pub fn new(bound: usize, value: usize) -> Self {
        let value = value + size_of::<T>();
        Self { packets: HashMap::default(), order: VecDeque::new(), waiting: 0, bound, value }
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        self.packets.len() * ENTRY + self.waiting * self.value
    }

    /// Returns the number of waiting fragments.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Processes the first fragment of a packet. `emit` gets the fragments that waited for it, with its ports, and those that
    /// are evicted, without ports.
    pub fn first(
        &mut self,
        key: Key,
        transport: Transport,
        now_us: u64,
        mut emit: impl FnMut(T, Option<Transport>),
    ) {
        self.expire(now_us, &mut emit);
        if let Some(packet) = self.packets.get_mut(&key) {
            packet.transport = Some(transport);
            self.waiting -= packet.waiting.len();
            packet.waiting.drain(..).for_each(|value| emit(value, Some(transport)));
        } else if self.make_room(ENTRY, &mut emit) {
            self.insert(key, Some(transport), now_us);
        }
    }

    /// Processes a later fragment of a packet. `emit` gets those that are evicted.
    pub fn later(
        &mut self,
        key: Key,
        value: T,
        now_us: u64,
        mut emit: impl FnMut(T, Option<Transport>),
    ) -> Verdict<T> {
        self.expire(now_us, &mut emit);
        if let Some(transport) = self.packets.get(&key).and_then(|packet| packet.transport) {
            return Verdict::Ports(transport, value);
        }
        if !self.make_room(ENTRY + self.value, &mut emit) {
            return Verdict::NoRoom(value);
        }
        // The packet itself may have been evicted.
        if !self.packets.contains_key(&key) {
            self.insert(key, None, now_us);
        }
        if let Some(packet) = self.packets.get_mut(&key) {
            packet.waiting.push(value);
            self.waiting += 1;
        }
        Verdict::Buffered
    }

    fn insert(&mut self, key: Key, transport: Option<Transport>, now_us: u64) {
        self.packets.insert(key, Packet { transport, waiting: Vec::new(), since_us: now_us });
        self.order.push_back((now_us, key));
    }

    /// Evicts the oldest packets until `bytes` bytes are free. Returns false if the bound is too small.
    fn make_room(&mut self, bytes: usize, emit: &mut impl FnMut(T, Option<Transport>)) -> bool {
        while self.size() + bytes > self.bound {
            let Some((since_us, key)) = self.order.pop_front() else { return false };
            self.forget(since_us, &key, emit);
        }
        true
    }

    fn forget(&mut self, since_us: u64, key: &Key, emit: &mut impl FnMut(T, Option<Transport>)) {
        if self.packets.get(key).is_some_and(|packet| packet.since_us == since_us)
            && let Some(packet) = self.packets.remove(key)
        {
            self.waiting -= packet.waiting.len();
            packet.waiting.into_iter().for_each(|value| emit(value, None));
        }
    }

    /// Emits the fragments that have expired at `now_us`. Times that jump backward or far forward expire everything, too.
    #[inline]
    pub fn expire(&mut self, now_us: u64, mut emit: impl FnMut(T, Option<Transport>)) {
        while let Some((since_us, key)) = self.order.front().copied() {
            if now_us.abs_diff(since_us) <= LIFETIME_US {
                break;
            }
            self.order.pop_front();
            self.forget(since_us, &key, &mut emit);
        }
    }

    /// Emits all waiting fragments.
    pub fn drain(&mut self, mut emit: impl FnMut(T, Option<Transport>)) {
        while let Some((since_us, key)) = self.order.pop_front() {
            self.forget(since_us, &key, &mut emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn key(id: u32) -> Key {
        Key { source: [192, 0, 2, 1].into(), destination: [192, 0, 2, 2].into(), protocol: 17, id }
    }

    const DNS: Transport = Transport { source: 53, destination: 40_000 };

    #[test]
    fn waiting_fragments_get_the_ports_of_the_first_one() {
        let mut fragments = Fragments::new(10_000, 0);
        let mut emitted = Vec::new();
        assert_eq!(fragments.later(key(1), 'a', 0, |_, _| unreachable!()), Verdict::Buffered);
        assert_eq!(fragments.later(key(1), 'b', 1, |_, _| unreachable!()), Verdict::Buffered);
        fragments.first(key(1), DNS, 2, |value, transport| emitted.push((value, transport)));
        assert_eq!((emitted, fragments.waiting()), (vec![('a', Some(DNS)), ('b', Some(DNS))], 0));
        assert_eq!(fragments.later(key(1), 'c', 3, |_, _| unreachable!()), Verdict::Ports(DNS, 'c'));
        assert_eq!(fragments.later(key(2), 'd', 3, |_, _| unreachable!()), Verdict::Buffered);
    }

    #[test]
    fn expired_fragments_are_returned_without_ports() {
        let mut fragments = Fragments::new(10_000, 0);
        let mut emitted = Vec::new();
        fragments.later(key(1), 1, 0, |_, _| unreachable!());
        fragments.later(key(2), 2, 10, |_, _| unreachable!());
        fragments.expire(LIFETIME_US, |_, _| unreachable!());
        fragments.expire(LIFETIME_US + 1, |value, transport| emitted.push((value, transport)));
        fragments.drain(|value, transport| emitted.push((value, transport)));
        assert_eq!((emitted, fragments.size()), (vec![(1, None), (2, None)], 0));
        let mut none: Fragments<u8> = Fragments::new(10, 0);
        assert_eq!(none.later(key(1), 7, 0, |_, _| unreachable!()), Verdict::NoRoom(7));
        none.first(key(1), DNS, 0, |_, _| unreachable!());
        assert_eq!(none.size(), 0);
    }

    /// Returns the shortest time of several rounds. Each calls `packet` for 500 new packets.
    fn cost(mut packet: impl FnMut(u32), next: &mut u32) -> Duration {
        let mut round = || {
            let begun = std::time::Instant::now();
            (0..500).for_each(|n| packet(*next + n));
            *next += 500;
            begun.elapsed()
        };
        (0..8).map(|_| round()).min().unwrap_or_default()
    }

    #[test]
    fn the_cost_of_a_fragment_does_not_depend_on_the_size_of_the_table() {
        let (mut few, mut many) = (Fragments::new(10_000, 0), Fragments::new(4_000_000, 0));
        let mut next = 1 << 24;
        (0..50_000).for_each(|n| _ = many.later(key(n), n, 0, |_, _| ()));
        assert!(many.size() > 3_000_000);
        let is_cheap = (0..5).any(|_| {
            let small = cost(|n| _ = few.later(key(n), n, 0, |_, _| ()), &mut next);
            cost(|n| _ = many.later(key(n), n, 0, |_, _| ()), &mut next) < 5 * small
        });
        assert!(is_cheap);
    }

    proptest! {
        #[test]
        fn every_value_is_returned_once_and_memory_stays_below_the_bound(
            steps in prop::collection::vec((0u32..40, any::<bool>(), 0u64..200_000_000), 1..400),
            bound in 0usize..4000,
        ) {
            let mut fragments = Fragments::new(bound, 100);
            let mut back = vec![0; steps.len()];
            for (number, (id, first, time)) in steps.iter().enumerate() {
                if *first {
                    fragments.first(key(*id), DNS, *time, |value: usize, _| back[value] += 1);
                } else {
                    let mut emitted = Vec::new();
                    match fragments.later(key(*id), number, *time, |value, _| emitted.push(value)) {
                        Verdict::Ports(_, value) | Verdict::NoRoom(value) => back[value] += 1,
                        Verdict::Buffered => {}
                    }
                    emitted.into_iter().for_each(|value| back[value] += 1);
                }
                prop_assert!(fragments.size() <= bound);
                prop_assert!(fragments.packets.capacity() <= 64 && fragments.order.len() <= steps.len());
            }
            fragments.drain(|value, _| back[value] += 1);
            let laters = steps.iter().map(|(_, first, _)| usize::from(!first));
            prop_assert_eq!(back, laters.collect::<Vec<_>>());
            prop_assert_eq!(fragments.waiting(), 0);
        }
    }
}
