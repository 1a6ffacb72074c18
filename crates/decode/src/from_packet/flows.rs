//! How many flows packets open: the primitive `flows`.
//!
//! As ever in this suite, each direction of a TCP conversation counts as one flow, when its first packet is seen, and again after it
//! was silent for its lifetime; other protocols open none. The time is that of the packets, so that reading a capture
//! counts what capturing would have counted.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a flow is remembered after a reset.
const RESET_US: u64 = 10_000_000;
/// How long it is after its end was announced.
const FINISHED_US: u64 = 30_000_000;

const FIN: u8 = 1;
const RST: u8 = 4;

/// Octets that a flow takes, with its share of free slots of a table that is not full.
const ENTRY: usize = 2 * size_of::<(FlowKey, Flow)>();

/// One direction of a conversation.
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
    /// It has ended: flags [`FIN`], [`RST`].
    ended: u8,
}

/// How flows are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Octets that they may take.
    pub bound: usize,
    /// Silence after which a flow is another one.
    pub lifetime: Duration,
}

/// The flows that are open, in two generations: when the younger one is full the older one goes.
#[derive(Debug)]
pub struct Flows {
    young: HashMap<FlowKey, Flow, RandomState>,
    old: HashMap<FlowKey, Flow, RandomState>,
    max_flows: usize,
    lifetime_us: u64,
    evicted: u64,
}

impl Flows {
    /// No flows yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            max_flows: (settings.bound / 2 / ENTRY).max(1),
            lifetime_us: u64::try_from(settings.lifetime.as_micros()).unwrap_or(u64::MAX),
            evicted: 0,
        }
    }

    /// A TCP segment with these flags: true if it opens a flow.
    #[inline]
    pub fn opens(&mut self, key: &FlowKey, flags: u8, now_us: u64) -> bool {
        let known = match self.young.get_mut(key) {
            Some(flow) => Some(flow),
            None => match self.old.remove(key) {
                Some(flow) => {
                    self.make_room();
                    Some(self.young.entry(*key).or_insert(flow))
                }
                None => None,
            },
        };
        let Some(flow) = known else {
            self.make_room();
            self.young.insert(*key, Flow { last_us: now_us, ended: flags & (FIN | RST) });
            return true;
        };
        let lifetime = match flow.ended {
            0 => self.lifetime_us,
            ended if ended & RST != 0 => RESET_US,
            _ => FINISHED_US,
        };
        // A packet from before the last one is late, or read again.
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

    /// Octets taken.
    pub fn size(&self) -> usize {
        (self.young.capacity() + self.old.capacity()) * size_of::<(FlowKey, Flow)>()
    }

    /// Flows that were forgotten at the bound since the last call.
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
    fn a_flow_opens_once_until_it_is_silent_or_has_ended_for_long() {
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
    fn a_flood_of_flows_stays_below_the_bound_and_is_counted() {
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
    fn a_flood_of_flows_costs_no_more_when_the_table_is_full() {
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
        fn flows_open_as_a_plain_list_says(
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
