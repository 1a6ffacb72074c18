//! Flow counting for the primitive `flows`.
//!
//! As in the reference, each direction of a TCP connection counts as one flow at its first packet, and as another one
//! after it was idle for its lifetime. Other protocols have no flows. Time is that of the packets, so reading a capture
//! file gives the same counts as the live capture.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Lifetime of a flow after a reset.
const RESET_US: u64 = 10_000_000;
/// Lifetime of a flow after a FIN.
const FINISHED_US: u64 = 30_000_000;

const FIN: u8 = 1;
const RST: u8 = 4;

/// Memory of a flow in bytes, with its part of the free slots of a table.
const ENTRY: usize = 2 * size_of::<(FlowKey, Flow)>();

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source and destination port.
    pub ports: (u16, u16),
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    last_us: u64,
    /// The flags that ended it: [`FIN`], [`RST`].
    ended: u8,
}

/// Bounds of the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Maximum memory in bytes.
    pub bound: usize,
    /// Idle time after which a packet opens a new flow.
    pub lifetime: Duration,
}

/// The open flows, in two generations. When the younger one is full, the older one is dropped.
#[derive(Debug)]
pub struct Flows {
    young: HashMap<FlowKey, Flow, RandomState>,
    old: HashMap<FlowKey, Flow, RandomState>,
    max_flows: usize,
    lifetime_us: u64,
    evicted: u64,
}

impl Flows {
    /// Creates an empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            max_flows: (settings.bound / 2 / ENTRY).max(1),
            lifetime_us: u64::try_from(settings.lifetime.as_micros()).unwrap_or(u64::MAX),
            evicted: 0,
        }
    }

    /// Processes a TCP segment. Returns true if it opens a flow.
    #[inline]
    pub fn opens(&mut self, key: &FlowKey, flags: u8, now_us: u64) -> bool {
        let flow = match self.young.get_mut(key) {
            Some(flow) => Some(flow),
            None => match self.old.remove(key) {
                Some(flow) => {
                    self.make_room();
                    Some(self.young.entry(*key).or_insert(flow))
                }
                None => None,
            },
        };
        let Some(flow) = flow else {
            self.make_room();
            self.young.insert(*key, Flow { last_us: now_us, ended: flags & (FIN | RST) });
            return true;
        };
        let lifetime = match flow.ended {
            0 => self.lifetime_us,
            ended if ended & RST != 0 => RESET_US,
            _ => FINISHED_US,
        };
        // A packet with an earlier time than the last one is late, or read again.
        let opens = now_us.saturating_sub(flow.last_us) > lifetime;
        let ended = if opens { 0 } else { flow.ended };
        *flow = Flow { last_us: now_us, ended: ended | flags & (FIN | RST) };
        opens
    }

    fn make_room(&mut self) {
        if self.young.len() >= self.max_flows {
            self.evicted += self.old.len() as u64;
            self.old.clear();
            std::mem::swap(&mut self.young, &mut self.old);
        }
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        (self.young.capacity() + self.old.capacity()) * size_of::<(FlowKey, Flow)>()
    }

    /// Returns and resets the number of flows evicted at the bound.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SYN: u8 = 2;
    const SECOND: u64 = 1_000_000;

    fn key(port: u16) -> FlowKey {
        FlowKey { source: [192, 0, 2, 1].into(), destination: [192, 0, 2, 2].into(), ports: (port, 80) }
    }

    fn flows(bound: usize) -> Flows {
        Flows::new(Settings { bound, lifetime: Duration::from_secs(60) })
    }

    #[test]
    fn a_flow_opens_once_until_its_lifetime_has_passed() {
        let mut flows = flows(1 << 20);
        assert!(flows.opens(&key(1), SYN, SECOND));
        assert!(!flows.opens(&key(1), 0, 61 * SECOND));
        assert!(flows.opens(&key(1), 0, 122 * SECOND));
        assert!(!flows.opens(&key(1), FIN, 123 * SECOND));
        assert!(!flows.opens(&key(1), SYN, 150 * SECOND));
        assert!(flows.opens(&key(1), SYN, 181 * SECOND));
        assert!(!flows.opens(&key(1), RST, 182 * SECOND));
        assert!(flows.opens(&key(1), SYN, 193 * SECOND));
        // Read again, from the beginning.
        assert!(!flows.opens(&key(1), SYN, SECOND));
    }

    #[test]
    fn many_flows_stay_below_the_memory_bound_and_evictions_are_counted() {
        const BOUND: usize = 1 << 20;
        let mut flows = flows(BOUND);
        for number in 0..200_000u32 {
            let [a, b, c, d] = number.to_be_bytes();
            let key = FlowKey { source: [10 + a, b, c, d].into(), ..key(1) };
            assert!(flows.opens(&key, SYN, u64::from(number)));
            assert!(flows.size() <= BOUND * 2, "{}", flows.size());
        }
        assert!(flows.take_evicted() > 190_000);
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
    fn the_cost_of_a_new_flow_does_not_depend_on_the_size_of_the_table() {
        let key = |n: u32| FlowKey { source: std::net::Ipv4Addr::from_bits(n).into(), ..key(1) };
        let (mut few, mut many, mut next) = (flows(1 << 14), flows(1 << 24), 1 << 24);
        (0..200_000).for_each(|n| _ = many.opens(&key(n), SYN, 0));
        let is_cheap = (0..5).any(|_| {
            let small = cost(|n| _ = few.opens(&key(n), SYN, 0), &mut next);
            cost(|n| _ = many.opens(&key(n), SYN, 0), &mut next) < 5 * small
        });
        assert!(is_cheap);
    }

    proptest! {
        #[test]
        fn flows_open_as_in_a_plain_list(
            steps in prop::collection::vec((0u16..20, 0u8..8, 0u64..90), 1..300),
        ) {
            let mut flows = flows(1 << 20);
            let mut list = std::collections::BTreeMap::new();
            let mut now = 0;
            for (port, flags, wait) in steps {
                now += wait * SECOND;
                let expected = match list.get(&port) {
                    None => true,
                    Some((last, ended)) => {
                        let life = if ended & RST != 0 { 10 } else if ended & FIN != 0 { 30 } else { 60 };
                        now - last > life * SECOND
                    }
                };
                let before = if expected { 0 } else { list[&port].1 };
                list.insert(port, (now, before | flags & (FIN | RST)));
                prop_assert_eq!(flows.opens(&key(port), flags, now), expected);
            }
        }
    }
}
