//! Sequence numbers: detects lost datagrams and samples.
//!
//! Each agent and sub-agent numbers its datagrams, and each data source its samples, with separate numbers for flow samples,
//! counter samples and discarded packets. Both number one by one.

use crate::datagram::Header;
use crate::sample::{Sample, SourceId};
use recent::Map;
use std::net::IpAddr;

/// A larger jump forward is a restart rather than a loss.
const MAX_JUMP: u32 = 1 << 20;
/// A larger jump back is a restart rather than a late datagram or sample.
const MAX_LATE: u32 = 256;
/// If the uptime goes back by more than this, the agent has restarted.
const MAX_LATE_MS: u32 = 10_000;

/// The result of checking a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first number of its stream, or of one that was evicted.
    First,
    /// The expected number.
    InOrder,
    /// This many units are missing.
    Gap(u32),
    /// A lower number than expected: late or duplicated.
    OutOfOrder,
    /// The agent has restarted its numbers.
    Restart,
}

/// Number of outcomes of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Expected numbers.
    pub in_order: u64,
    /// Gaps.
    pub gaps: u64,
    /// Lower numbers: late or duplicated.
    pub out_of_order: u64,
    /// Restarts.
    pub restarts: u64,
    /// Units missing in the gaps.
    pub lost: u64,
}

impl Counts {
    fn count(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::First => {}
            Outcome::InOrder => self.in_order += 1,
            Outcome::Gap(lost) => {
                self.gaps += 1;
                self.lost += u64::from(lost);
            }
            Outcome::OutOfOrder => self.out_of_order += 1,
            Outcome::Restart => self.restarts += 1,
        }
        outcome
    }
}

/// A stream of datagrams, as two numbers: it is looked up for each datagram, and addresses are slow to hash.
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

/// The stream of samples that a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Flow,
    Counters,
    Discarded,
}

/// The state of a stream.
#[derive(Clone, Copy, Debug)]
struct Last {
    expected: u32,
    uptime_ms: u32,
}

impl Last {
    fn check(&mut self, sequence: u32, uptime_ms: u32) -> Outcome {
        let ahead = sequence.wrapping_sub(self.expected);
        let late_by = self.expected.wrapping_sub(sequence);
        let age = self.uptime_ms.wrapping_sub(uptime_ms);
        // The uptime wraps after 49 days, which is a small step forward.
        let is_younger = age > MAX_LATE_MS && age <= u32::MAX / 2;
        let outcome = match ahead {
            0 => Outcome::InOrder,
            _ if is_younger => Outcome::Restart,
            1..=MAX_JUMP => Outcome::Gap(ahead),
            _ if late_by <= MAX_LATE => Outcome::OutOfOrder,
            _ => Outcome::Restart,
        };
        // A late one must not turn the next one into a gap.
        if outcome != Outcome::OutOfOrder {
            *self = Self { expected: sequence.wrapping_add(1), uptime_ms };
        }
        outcome
    }
}

/// The sequence numbers of all agents of a worker. Beyond the maximum number of streams, the one that was silent longest is evicted.
#[derive(Clone, Debug)]
pub struct Sequence {
    streams: Map<Stream, Last>,
    sources: Map<(Stream, Kind, SourceId), Last>,
    /// Outcomes for datagrams.
    pub datagrams: Counts,
    /// Outcomes for samples.
    pub samples: Counts,
    /// Streams evicted at the limit: losses until their next datagram or sample are unknown.
    pub evicted: u64,
}

impl Sequence {
    /// Creates a state for at most `max` streams of datagrams, and as many of samples.
    pub fn new(max: usize) -> Self {
        let (datagrams, samples) = (Counts::default(), Counts::default());
        Self { streams: Map::new(max), sources: Map::new(max), datagrams, samples, evicted: 0 }
    }

    /// Checks the number of a datagram. For an unknown stream, `begins` decides whether to store the stream: an empty datagram is
    /// not worth an entry.
    #[inline]
    pub fn datagram(&mut self, header: &Header, begins: impl FnOnce() -> bool) -> Outcome {
        let (stream, evicted) = (Stream::of(header), &mut self.evicted);
        let outcome = check(&mut self.streams, stream, (header.sequence, header.uptime_ms), evicted, begins);
        self.datagrams.count(outcome)
    }

    /// Forgets all numbers, but not the outcomes so far: datagrams may be missing between the last and the next ones.
    pub fn restart(&mut self) {
        while self.streams.pop_oldest().is_some() {}
        while self.sources.pop_oldest().is_some() {}
    }

    /// Memory on the heap, in bytes.
    pub fn memory(&self) -> usize {
        self.streams.memory() + self.sources.memory()
    }

    /// Checks the number of a sample of a datagram with this header; unknown samples have none.
    pub fn sample(&mut self, header: &Header, sample: &Sample<'_>) -> Option<Outcome> {
        let (kind, source, sequence) = match sample {
            Sample::Flow(sample) => (Kind::Flow, sample.head.source, sample.head.sequence),
            Sample::Counters(sample) => (Kind::Counters, sample.head.source, sample.head.sequence),
            Sample::Discarded(sample) => (Kind::Discarded, sample.head.source, sample.head.sequence),
            Sample::Unknown(_) => return None,
        };
        let key = (Stream::of(header), kind, source);
        let outcome = check(&mut self.sources, key, (sequence, header.uptime_ms), &mut self.evicted, || true);
        Some(self.samples.count(outcome))
    }
}

#[inline]
fn check<K: std::hash::Hash + Eq>(
    watched: &mut Map<K, Last>,
    key: K,
    (sequence, uptime_ms): (u32, u32),
    evicted: &mut u64,
    begins: impl FnOnce() -> bool,
) -> Outcome {
    if let Some(last) = watched.get_mut(&key) {
        return last.check(sequence, uptime_ms);
    }
    if begins() {
        let last = Last { expected: sequence.wrapping_add(1), uptime_ms };
        *evicted += u64::from(watched.insert(key, last).is_some());
    }
    Outcome::First
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
    fn detects_losses_reordering_and_wraps_of_datagrams() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |sub_agent, number| sequence.datagram(&header(sub_agent, number, 1000), || true);
        assert_eq!(see(0, 10), Outcome::First);
        assert_eq!(see(0, 11), Outcome::InOrder);
        assert_eq!(see(1, 500), Outcome::First);
        assert_eq!(see(0, 15), Outcome::Gap(3));
        assert_eq!(see(0, 13), Outcome::OutOfOrder);
        assert_eq!(see(0, 16), Outcome::InOrder);
        assert_eq!(see(0, 16), Outcome::OutOfOrder);
        assert_eq!(see(2, u32::MAX), Outcome::First);
        assert_eq!(see(2, 0), Outcome::InOrder);
        let counts = Counts { in_order: 3, gaps: 1, out_of_order: 2, restarts: 0, lost: 3 };
        assert_eq!(sequence.datagrams, counts);
    }

    #[test]
    fn a_restart_of_the_agent_is_not_a_loss() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |number, uptime| sequence.datagram(&header(0, number, uptime), || true);
        see(100_000, 0);
        assert_eq!(see(1, 0), Outcome::Restart, "nothing is late by 99,999");
        assert_eq!(see(2, 900_000), Outcome::InOrder);
        assert_eq!(see(1, 5_000), Outcome::Restart, "the uptime went back");
        assert_eq!(see(2, u32::MAX - 100), Outcome::InOrder);
        assert_eq!(see(3, 50), Outcome::InOrder, "the uptime wraps");
        assert_eq!(see(2, 20), Outcome::OutOfOrder, "late by milliseconds");
        assert_eq!(see(u32::MAX / 2, 100), Outcome::Restart);
        assert_eq!((sequence.datagrams.restarts, sequence.datagrams.lost), (3, 0));
    }

    #[test]
    fn samples_are_numbered_for_each_source_and_kind() {
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
        let outcome: Vec<_> = datagram
            .samples()
            .map(|sample| sequence.sample(&datagram.header, &sample.unwrap()).unwrap())
            .collect();
        let each = [Outcome::First, Outcome::First, Outcome::InOrder, Outcome::Gap(2)];
        assert_eq!(outcome, each.map(|outcome| [outcome; 2]).concat());
        assert_eq!(sequence.samples.lost, 4);
    }

    #[test]
    fn evicts_and_counts_the_stream_that_was_silent_longest() {
        let mut sequence = Sequence::new(MAX);
        let mut see = |sub_agent, number, holds| sequence.datagram(&header(sub_agent, number, 1), || holds);
        let (live, most) = (u32::MAX, MAX as u32);
        see(live, 0, true);
        for sub_agent in 0..3 * most {
            assert_eq!(see(sub_agent, 1, true), Outcome::First);
            assert_eq!(see(live, sub_agent + 1, true), Outcome::InOrder, "it is never silent");
        }
        assert_eq!(see(live, 3 * most + 11, true), Outcome::Gap(10), "losses are outcome all the same");
        for sub_agent in 5 * most..9 * most {
            assert_eq!(see(sub_agent, 1, false), Outcome::First, "an empty datagram begins nothing");
        }
        assert_eq!((sequence.streams.len(), sequence.evicted), (MAX, u64::from(2 * most + 1)));
    }
}
