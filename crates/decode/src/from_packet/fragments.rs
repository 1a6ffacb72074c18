//! Fragments learn the ports of their packet from its first fragment, which alone has them (RFC 791 section 3.2, RFC 8200
//! section 4.5).
//!
//! Fragments may come in any order. What comes before the first one waits for it here, up to [`LIFETIME_US`]; what is known of a packet is
//! forgotten after that time, too. At the bound the oldest packets go first. Nothing that waits is ever lost: it is emitted back, with
//! ports or without.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;

/// How long a packet is known after its first fragment was seen, in microseconds: as long as a host waits for the rest of a packet
/// (RFC 8200 section 4.5).
pub const LIFETIME_US: u64 = 60_000_000;

/// Octets of memory that a packet takes beside the values that wait: its entry, a slot in the queue and its share of free ones.
const ENTRY: usize = 2 * (size_of::<(Key, Packet<()>)>() + size_of::<(u64, Key)>());

/// What the fragments of a packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol; in IPv6 that behind the fragment header.
    pub protocol: u8,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
}

/// What the first fragment tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// What is known of a packet.
#[derive(Debug)]
struct Packet<T> {
    transport: Option<Transport>,
    waiting: Vec<T>,
    since_us: u64,
}

/// What became of a later fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// The first fragment was seen; the value is emitted back.
    Ports(Transport, T),
    /// It waits.
    Buffered,
    /// There is no room even for one; the value is emitted back.
    NoRoom(T),
}

/// Packets whose fragments are coming in, with a value for each fragment that waits.
#[derive(Debug)]
pub struct Fragments<T> {
    packets: HashMap<Key, Packet<T>, RandomState>,
    /// When packets were first seen, oldest first. Packets that were seen anew since have another time.
    order: VecDeque<(u64, Key)>,
    waiting: usize,
    /// Octets that may be taken, and octets that one value takes.
    bound: usize,
    value: usize,
}

impl<T> Fragments<T> {
    /// Takes at most `bound` octets, when each value that waits takes `value` of them.
    pub fn new(bound: usize, value: usize) -> Self {
        let value = value + size_of::<T>();
        Self { packets: HashMap::default(), order: VecDeque::new(), waiting: 0, bound, value }
    }

    /// Octets taken.
    pub fn size(&self) -> usize {
        self.packets.len() * ENTRY + self.waiting * self.value
    }

    /// Fragments that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The first fragment of a packet: those that waited for it are emitted back with its ports. `give` gets the others, too, that
    /// had to make room, without ports.
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

    /// A later fragment of a packet. `give` gets those that had to make room.
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
        // Making room may have put the packet itself out.
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

    /// Puts the oldest packets out until so many octets are free. False if there are not as many at all.
    fn make_room(&mut self, octets: usize, emit: &mut impl FnMut(T, Option<Transport>)) -> bool {
        while self.size() + octets > self.bound {
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

    /// Gives back what has waited too long at `now_us`. Where times jump, back or far ahead, what is here is of another time.
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

    /// Gives back all that waits.
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
    fn early_fragments_get_the_ports_of_the_first_one() {
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
    fn what_waits_in_vain_is_given_back_without_ports() {
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

    /// The least time of several rounds, in each of which `packet` is called for so many packets that were not seen before.
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
    fn a_flood_of_fragments_costs_no_more_when_others_have_to_make_room() {
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
        fn every_value_comes_back_once_and_memory_stays_below_the_bound(
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
