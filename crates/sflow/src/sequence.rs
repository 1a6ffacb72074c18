//! Sequence numbers: what was lost on the way.
//!
//! Datagrams are counted for each agent and sub-agent, samples for each source of these: flow samples, counter
//! samples and discarded packets apart. A number says how many datagrams, or samples, were sent before.

use crate::datagram::Header;
use crate::sample::{Sample, SourceId};
use recent::Map;
use std::net::IpAddr;

/// A jump forward beyond this is a restart rather than a loss.
const MAX_JUMP: u32 = 1 << 20;
/// A jump back beyond this is a restart: nothing is late by so many.
const MAX_LATE: u32 = 256;
/// An uptime that goes back by more than this is a restart: nothing is late by so many milliseconds.
const MAX_LATE_MS: u32 = 10_000;

/// What a sequence number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first of its stream, or of one that was forgotten.
    First,
    /// As expected.
    Good,
    /// So many are missing.
    Forward(u32),
    /// An older one: reordered or repeated.
    Back,
    /// The agent counts anew.
    Restart,
}

/// How often what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbers as expected.
    pub good: u64,
    /// Jumps forward.
    pub forward: u64,
    /// Older numbers: reordered or repeated.
    pub back: u64,
    /// Agents that count anew.
    pub restarts: u64,
    /// Units missing in the jumps forward.
    pub lost: u64,
}

impl Counts {
    fn count(&mut self, seen: Seen) -> Seen {
        match seen {
            Seen::First => {}
            Seen::Good => self.good += 1,
            Seen::Forward(lost) => {
                self.forward += 1;
                self.lost += u64::from(lost);
            }
            Seen::Back => self.back += 1,
            Seen::Restart => self.restarts += 1,
        }
        seen
    }
}

/// A stream of datagrams, as two numbers: they are looked up for each datagram, and addresses take long to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stream {
    address: u128,
    /// The family of the agent's address, and its sub-agent.
    family_and_sub_agent: u64,
}

impl Stream {
    fn of(header: &Header) -> Self {
        let (family, address) = match header.agent {
            None => (0, 0),
            Some(IpAddr::V4(address)) => (4, u128::from(address.to_bits())),
            Some(IpAddr::V6(address)) => (6, address.to_bits()),
        };
        Self { address, family_and_sub_agent: family << 32 | u64::from(header.sub_agent.unwrap_or(0)) }
    }
}

/// What a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Flow,
    Counters,
    Discarded,
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug)]
struct Last {
    expected: u32,
    uptime_ms: u32,
}

impl Last {
    fn check(&mut self, sequence: u32, uptime_ms: u32) -> Seen {
        let ahead = sequence.wrapping_sub(self.expected);
        let late_by = self.expected.wrapping_sub(sequence);
        let age = self.uptime_ms.wrapping_sub(uptime_ms);
        // The uptime wraps after 49 days, which looks like a step forward.
        let is_younger = age > MAX_LATE_MS && age <= u32::MAX / 2;
        let seen = match ahead {
            0 => Seen::Good,
            _ if is_younger => Seen::Restart,
            1..=MAX_JUMP => Seen::Forward(ahead),
            _ if late_by <= MAX_LATE => Seen::Back,
            _ => Seen::Restart,
        };
        // One that was only late must not make the next one look like a jump.
        if seen != Seen::Back {
            *self = Self { expected: sequence.wrapping_add(1), uptime_ms };
        }
        seen
    }
}

/// The sequence numbers of all agents that a worker hears. Of too many streams, the one that was silent longest is forgotten.
#[derive(Clone, Debug)]
pub struct Sequence {
    streams: Map<Stream, Last>,
    sources: Map<(Stream, Kind, SourceId), Last>,
    /// What was seen of datagrams.
    pub datagrams: Counts,
    /// What was seen of samples.
    pub samples: Counts,
    /// Streams forgotten at the bound: what they lose until they are seen again is not known.
    pub evicted: u64,
}

impl Sequence {
    /// Watches at most so many streams of datagrams, and as many streams of samples.
    pub fn new(max: usize) -> Self {
        let (datagrams, samples) = (Counts::default(), Counts::default());
        Self { streams: Map::new(max), sources: Map::new(max), datagrams, samples, evicted: 0 }
    }

    /// Looks at the number of a datagram. `begins` says of one of an unknown stream whether it is worth a place, as it holds
    /// something.
    #[inline]
    pub fn datagram(&mut self, header: &Header, begins: impl FnOnce() -> bool) -> Seen {
        let (stream, evicted) = (Stream::of(header), &mut self.evicted);
        let seen = look(&mut self.streams, stream, (header.sequence, header.uptime_ms), evicted, begins);
        self.datagrams.count(seen)
    }

    /// Bytes that it keeps on the heap.
    pub fn memory(&self) -> usize {
        self.streams.memory() + self.sources.memory()
    }

    /// Looks at the number of a sample of a datagram with that header; unknown samples have none.
    pub fn sample(&mut self, header: &Header, sample: &Sample<'_>) -> Option<Seen> {
        let (kind, source, sequence) = match sample {
            Sample::Flow(sample) => (Kind::Flow, sample.head.source, sample.head.sequence),
            Sample::Counters(sample) => (Kind::Counters, sample.head.source, sample.head.sequence),
            Sample::Discarded(sample) => (Kind::Discarded, sample.head.source, sample.head.sequence),
            Sample::Unknown(_) => return None,
        };
        let key = (Stream::of(header), kind, source);
        let seen = look(&mut self.sources, key, (sequence, header.uptime_ms), &mut self.evicted, || true);
        Some(self.samples.count(seen))
    }
}

#[inline]
fn look<K: std::hash::Hash + Eq>(
    watched: &mut Map<K, Last>,
    key: K,
    (sequence, uptime_ms): (u32, u32),
    evicted: &mut u64,
    begins: impl FnOnce() -> bool,
) -> Seen {
    if let Some(last) = watched.get_mut(&key) {
        return last.check(sequence, uptime_ms);
    }
    if begins() {
        let last = Last { expected: sequence.wrapping_add(1), uptime_ms };
        *evicted += u64::from(watched.insert(key, last).is_some());
    }
    Seen::First
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use crate::sample::{CounterHead, DataFormat, FlowHead};

    const MAX: usize = 100;

    fn header(sub_agent: u32, sequence: u32, uptime_ms: u32) -> Header {
        let agent = Some([192, 0, 2, 1].into());
        Header { version: 5, agent, sub_agent: Some(sub_agent), sequence, uptime_ms, samples: 0 }
    }

    #[test]
    fn losses_reordering_and_wraps_of_datagrams() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |sub_agent, number| sequence.datagram(&header(sub_agent, number, 1000), || true);
        assert_eq!(see(0, 10), Seen::First);
        assert_eq!(see(0, 11), Seen::Good);
        assert_eq!(see(1, 500), Seen::First);
        assert_eq!(see(0, 15), Seen::Forward(3));
        assert_eq!(see(0, 13), Seen::Back);
        assert_eq!(see(0, 16), Seen::Good);
        assert_eq!(see(0, 16), Seen::Back);
        assert_eq!(see(2, u32::MAX), Seen::First);
        assert_eq!(see(2, 0), Seen::Good);
        let counts = Counts { good: 3, forward: 1, back: 2, restarts: 0, lost: 3 };
        assert_eq!(sequence.datagrams, counts);
    }

    #[test]
    fn an_agent_that_starts_again_loses_nothing() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |number, uptime| sequence.datagram(&header(0, number, uptime), || true);
        see(100_000, 0);
        assert_eq!(see(1, 0), Seen::Restart, "nothing is late by 99,999");
        assert_eq!(see(2, 900_000), Seen::Good);
        assert_eq!(see(1, 5_000), Seen::Restart, "the uptime went back");
        assert_eq!(see(2, u32::MAX - 100), Seen::Good);
        assert_eq!(see(3, 50), Seen::Good, "the uptime wraps");
        assert_eq!(see(2, 20), Seen::Back, "late by milliseconds");
        assert_eq!(see(u32::MAX / 2, 100), Seen::Restart);
        assert_eq!((sequence.datagrams.restarts, sequence.datagrams.lost), (3, 0));
    }

    #[test]
    fn samples_are_counted_for_each_source_and_kind() {
        let mut datagram = encode::Datagram::v5(Some([192, 0, 2, 1].into()), 0, 1, 0);
        for (index, number) in [(1, 7), (2, 50), (1, 8), (1, 11)] {
            let source = SourceId { class: 0, index };
            let flow = FlowHead { format: DataFormat::FLOW, sequence: number, source, ..FlowHead::default() };
            datagram.flow(&flow, &[]).unwrap();
            let counters =
                CounterHead { format: DataFormat::COUNTERS, sequence: number, source, interval_secs: None };
            datagram.counters(&counters, &[]).unwrap();
        }
        let octets = datagram.finish();
        let datagram = crate::open(&octets).unwrap();
        let mut sequence = Sequence::new(MAX);
        let seen: Vec<_> = datagram
            .samples()
            .map(|sample| sequence.sample(&datagram.header, &sample.unwrap()).unwrap())
            .collect();
        let each = [Seen::First, Seen::First, Seen::Good, Seen::Forward(2)];
        assert_eq!(seen, each.map(|seen| [seen; 2]).concat());
        assert_eq!(sequence.samples.lost, 4);
    }

    #[test]
    fn many_streams_put_out_the_one_that_was_silent_longest_and_are_counted() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |sub_agent, number, holds| sequence.datagram(&header(sub_agent, number, 1), || holds);
        let (live, most) = (u32::MAX, MAX as u32);
        see(live, 0, true);
        for sub_agent in 0..3 * most {
            assert_eq!(see(sub_agent, 1, true), Seen::First);
            assert_eq!(see(live, sub_agent + 1, true), Seen::Good, "it is never silent");
        }
        assert_eq!(see(live, 3 * most + 11, true), Seen::Forward(10), "losses are seen all the same");
        for sub_agent in 5 * most..9 * most {
            assert_eq!(see(sub_agent, 1, false), Seen::First, "an empty datagram begins nothing");
        }
        assert_eq!((sequence.streams.len(), sequence.evicted), (MAX, u64::from(2 * most + 1)));
    }
}
