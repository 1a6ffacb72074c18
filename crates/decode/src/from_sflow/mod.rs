//! Decodes sFlow samples to rows.
//!
//! A [`Decoder`] belongs to one worker. sFlow has no templates, so its state consists of sequence numbers and counters of
//! each agent. A flow sample becomes one row: its packet, by the copied header and by the fields that the agent decoded,
//! then the agent's extended data, which takes precedence.

mod fast_path;
mod packet;
mod sample;

use crate::bound::{Bound, MAX_VISITED};
use crate::headers::Headers;
use ::packet::tunnel::Ports;
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::part::{Part, Parts, narrow};
use flow::row::FieldSet;
use recent::Map;
use sflow::sequence::{Outcome, Sequence};
use sflow::{CounterSample, DataFormat, DecodeError, Header, Sample};
use std::net::IpAddr;

/// How samples are decoded, and the bounds of the state of agents.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sfacctd_renormalize`.
    pub renormalize: bool,
    /// `use_ip_next_hop`: the router's next hop is used if there is no BGP next hop.
    pub use_ip_next_hop: bool,
    /// Networks are computed from addresses and masks of the sample, rather than elsewhere.
    pub networks: bool,
    /// `sfacctd_ignore_exporter_address`: the source address of the datagram is the agent's, whatever its header says.
    pub ignore_agent_address: bool,
    /// `aggregate_unknown_etype`: non-IP frames become rows with MAC addresses and EtherType.
    pub unknown_etypes: bool,
    /// `tunnel_0`: for tunnels on these ports, the packet inside is counted.
    pub inside: Option<Ports>,
    /// Maximum number of agents. Beyond it the least recently active one is evicted.
    pub max_agents: usize,
    /// Maximum memory in bytes of the state of all agents. It may limit their number further.
    pub max_memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renormalize: false,
            use_ip_next_hop: false,
            networks: true,
            ignore_agent_address: false,
            unknown_etypes: false,
            inside: None,
            max_agents: 10_000,
            max_memory: 1 << 30,
        }
    }
}

/// Counters of one agent.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Its address.
    pub address: IpAddr,
    /// Its last sub-agent.
    pub sub_agent: u32,
    /// Datagrams received.
    pub datagrams: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Flow samples that became rows.
    pub records: u64,
    /// Datagrams with the expected sequence number.
    pub in_order: u64,
    /// Forward jumps.
    pub gaps: u64,
    /// Backward jumps, and restarts of the agent.
    pub out_of_order: u64,
    /// Datagrams missing by the forward jumps.
    pub lost: u64,
    /// Arrival of its first and last datagram, microseconds since 1970.
    first_and_last: (u64, u64),
    /// Which samples it sends.
    samples: AgentSamples,
}

/// Which samples an agent has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AgentSamples {
    /// None yet.
    None,
    /// Only counter samples.
    Counters,
    /// Flow samples, or invalid samples that may be some; or their absence was already reported.
    Flows,
}

/// Counters of a decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flow samples that became rows.
    pub samples: u64,
    /// Flow samples without a packet that can be counted.
    pub without_packet: u64,
    /// Counter samples.
    pub counters: u64,
    /// Samples of packets that the agent discarded.
    pub discarded: u64,
    /// Samples of unknown formats.
    pub unknown: u64,
    /// Records of unknown formats in samples.
    pub unknown_records: u64,
    /// Invalid samples and records.
    pub invalid: u64,
    /// Forward jumps of sequence numbers of datagrams.
    pub gaps: u64,
    /// Datagrams missing by them.
    pub lost: u64,
    /// Backward jumps, and restarts of the agent.
    pub restarts: u64,
    /// Sub-agents whose sequence numbers were evicted at their bound.
    pub sequences_evicted: u64,
    /// Agents evicted at their bound.
    pub agents_evicted: u64,
}

/// Sub-agents whose sequence numbers are tracked, per agent.
const SUB_AGENTS: usize = 4;
/// Maximum memory in bytes of an agent with these sub-agents: tables are at least half full.
const PER_AGENT: usize = 2 * (size_of::<(u128, Agent)>() + SUB_AGENTS * 64 + 32);

/// Receives counter samples.
pub trait Counters {
    /// Called for each datagram with contents, or from a known agent.
    fn agent(&mut self, agent: IpAddr, sub_agent: u32);

    /// Called for each counter sample.
    fn sample(&mut self, agent: IpAddr, header: &Header, sample: &CounterSample<'_>);
}

/// Ignores counter samples.
#[derive(Clone, Copy, Debug)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn agent(&mut self, _: IpAddr, _: u32) {}

    fn sample(&mut self, _: IpAddr, _: &Header, _: &CounterSample<'_>) {}
}

/// Decodes the datagrams of one worker.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    headers: Headers,
    offsets: sample::Offsets,
    wanted: Vec<DataFormat>,
    wanted_records: Option<fast_path::WantedRecords>,
    /// The common part of the rows of a datagram.
    base: Box<[u64]>,
    /// Keyed by their address, as a number.
    agents: Map<u128, Agent>,
    /// Which bound limits their number.
    bound: Bound,
    /// Where [`Self::take_agents_without_flows`] continues.
    next: usize,
    sequence: Sequence,
    counts: Counts,
    /// The last evicted agent.
    forgotten: Option<IpAddr>,
    /// The first error since the last [`Self::take_error`].
    error: Option<(IpAddr, DecodeError)>,
    /// The parts of the last datagram, if they are wanted.
    parts: Parts,
}

/// What a sample is as a part of its datagram.
#[derive(Clone, Copy)]
enum PartKind {
    Flow,
    Common,
    Unreadable,
}

/// The sample between two offsets as a part of its datagram.
#[cold]
fn part(kind: PartKind, (at, end): (usize, usize), rows: usize) -> Part {
    let (at, len, rows) = (narrow(at), narrow(end.saturating_sub(at)), narrow(rows));
    match kind {
        // The end of a sample without a length may be unknown.
        PartKind::Flow if len > 0 => Part::Records { at, size: len, count: 1, rows },
        PartKind::Flow => Part::Rows { count: rows },
        PartKind::Common if len > 0 => Part::Common { at, len, records: 1, is_data: false },
        PartKind::Common | PartKind::Unreadable => Part::Unreadable { at, len },
    }
}

/// Adds the fields that others in `fields` are computed from.
pub fn require(fields: &mut FieldSet, _bin_times: bool) {
    for (field, others) in
        [(Field::SrcNet, [Field::SrcHost, Field::SrcMask]), (Field::DstNet, [Field::DstHost, Field::DstMask])]
    {
        if fields.has(field) {
            others.iter().for_each(|other| fields.insert(*other));
        }
    }
}

impl Decoder {
    /// Creates a decoder.
    pub fn new(needs: &Needs, settings: Settings) -> Self {
        let (headers, offsets) = (Headers::new(needs, &[]), sample::Offsets::new(needs));
        let wanted = offsets.wanted();
        let affordable = settings.max_memory / PER_AGENT;
        let bound = if affordable < settings.max_agents { Bound::Memory } else { Bound::Exporters };
        let max_agents = settings.max_agents.min(affordable);
        Self {
            wanted_records: fast_path::WantedRecords::new(&wanted, &headers, &settings),
            headers,
            wanted,
            offsets,
            base: vec![0; needs.layout.words()].into(),
            agents: Map::new(max_agents),
            bound,
            next: 0,
            sequence: Sequence::new(max_agents * SUB_AGENTS),
            counts: Counts::default(),
            forgotten: None,
            error: None,
            parts: Parts::default(),
            settings,
        }
    }

    /// Switches to another row layout. Call it when no rows are left.
    pub fn change_needs(&mut self, needs: &Needs) {
        self.headers = Headers::new(needs, &[]);
        self.offsets = sample::Offsets::new(needs);
        self.wanted = self.offsets.wanted();
        self.wanted_records = fast_path::WantedRecords::new(&self.wanted, &self.headers, &self.settings);
        self.base = vec![0; needs.layout.words()].into();
    }

    /// Decodes datagram number `unit` of a batch, which arrived from `source` at `arrival` (microseconds since 1970). Adds
    /// its rows, and returns the agent's address.
    ///
    /// # Errors
    /// If the header is not one of sFlow.
    pub fn datagram(
        &mut self,
        (unit, source): (u32, IpAddr),
        octets: &[u8],
        arrival: u64,
        output: &mut Output,
        counters: &mut dyn Counters,
    ) -> Result<IpAddr, DecodeError> {
        self.parts.clear();
        let datagram = sflow::open(octets)?;
        let header = datagram.header;
        let claimed = header.agent.filter(|_| !self.settings.ignore_agent_address);
        let address = claimed.unwrap_or(source);
        let has_content = || datagram.samples().any(|sample| sample.is_ok());
        let evicted = self.sequence.evicted;
        let checked = self.sequence.datagram(&header, has_content);
        self.counts.sequences_evicted += self.sequence.evicted - evicted;
        let key = address::number(address);
        let mut new_agent = None;
        let (agent, is_known) = match self.agents.get_mut(&key) {
            Some(agent) => (agent, true),
            None => (new_agent.insert(Agent::new(address)), false),
        };
        agent.count(&header, (octets.len(), arrival), checked, &mut self.counts);
        // Empty datagrams create no state.
        let is_tracked = is_known || has_content();
        if is_tracked {
            counters.agent(address, header.sub_agent.unwrap_or(0));
        }
        self.offsets.datagram(&mut self.base, address, &header, arrival);
        let before = self.counts;
        let mut reader = sample::Reader {
            settings: &self.settings,
            headers: &self.headers,
            offsets: &self.offsets,
            base: &self.base,
            counts: &mut self.counts,
            agent: address,
            error: &mut self.error,
            is_legacy: header.version < 5,
            wanted: &self.wanted,
            wanted_records: self.wanted_records,
        };
        let mut samples = datagram.samples();
        loop {
            let (at, rows) = (samples.at(), output.rows.len());
            let mut ahead = samples.clone();
            if let Some(frame) = ahead.next_flow_frame()
                && reader.fast_path(unit, octets, &frame, output)
            {
                samples = ahead;
                if self.parts.is_wanted() {
                    self.parts.add(part(PartKind::Flow, (at, samples.at()), output.rows.len() - rows));
                }
                continue;
            }
            let sample = samples.next();
            let kind = match &sample {
                Some(Ok(Sample::Flow(_))) => PartKind::Flow,
                Some(Ok(_)) => PartKind::Common,
                Some(Err(_)) | None => PartKind::Unreadable,
            };
            match sample {
                Some(Ok(Sample::Flow(sample))) => reader.flow(unit, octets, &sample, output),
                Some(Ok(Sample::Counters(sample))) => {
                    reader.counts.counters += 1;
                    counters.sample(address, &header, &sample);
                }
                Some(Ok(Sample::Discarded(_))) => reader.counts.discarded += 1,
                Some(Ok(Sample::Unknown(_))) => reader.counts.unknown += 1,
                Some(Err(error)) => {
                    reader.counts.invalid += 1;
                    reader.error.get_or_insert((address, error));
                }
                None => break,
            }
            if self.parts.is_wanted() {
                self.parts.add(part(kind, (at, samples.at()), output.rows.len() - rows));
            }
        }
        agent.add(&before, &self.counts);
        if let Some(new_agent) = new_agent.filter(|_| is_tracked)
            && let Some((_, oldest)) = self.agents.insert(key, new_agent)
        {
            self.counts.agents_evicted += 1;
            self.forgotten = Some(oldest.address);
        }
        Ok(address)
    }

    /// Returns the agents that have sent counter samples for at least `span` microseconds, but no flow samples. Each is
    /// returned once. If there are very many agents, each call visits only some of them, and the next one continues. A `span`
    /// of 0 visits all.
    pub fn take_agents_without_flows(&mut self, span: u64) -> Vec<IpAddr> {
        let is_old = |agent: &Agent| agent.first_and_last.1.saturating_sub(agent.first_and_last.0) >= span;
        let without = |agent: &&mut Agent| agent.samples == AgentSamples::Counters && is_old(agent);
        let take = |agent: &mut Agent| {
            agent.samples = AgentSamples::Flows;
            agent.address
        };
        let (first, count) = if span == 0 { (0, usize::MAX) } else { (self.next, MAX_VISITED) };
        let (chunk, next) = self.agents.chunk_mut(first, count);
        self.next = next;
        chunk.filter(without).map(take).collect()
    }

    /// Returns the agent of a datagram that is not decoded: the address in its header, or its source.
    pub fn exporter(&self, source: IpAddr, octets: &[u8]) -> IpAddr {
        let claimed = sflow::open(octets).ok().and_then(|datagram| datagram.header.agent);
        claimed.filter(|_| !self.settings.ignore_agent_address).unwrap_or(source)
    }

    /// Sets whether the parts of datagrams are listed.
    pub fn want_parts(&mut self, wanted: bool) {
        self.parts.want(wanted);
    }

    /// Returns the parts of the last datagram, in the order of its rows, if they are listed.
    pub fn parts(&self) -> &[Part] {
        self.parts.list()
    }

    /// Forgets the sequence numbers of all agents.
    pub fn restart_sequences(&mut self) {
        self.sequence.restart();
    }

    /// Returns and resets the counters.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the first error since the last call.
    pub fn take_error(&mut self) -> Option<(IpAddr, DecodeError)> {
        self.error.take()
    }

    /// Returns the last agent that was evicted since the last call, and why.
    pub fn take_forgotten(&mut self) -> Option<(IpAddr, Bound)> {
        Some((self.forgotten.take()?, self.bound))
    }

    /// Iterates over the agents.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// Returns the number of agents.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Returns true if there are no agents.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Memory in bytes of the state of all agents.
    pub fn memory(&self) -> usize {
        self.agents.memory() + self.sequence.memory()
    }

    /// Returns which bound limits the number of agents.
    pub fn bound(&self) -> Bound {
        self.bound
    }
}

impl Agent {
    fn new(address: IpAddr) -> Self {
        Self {
            address,
            sub_agent: 0,
            datagrams: 0,
            bytes: 0,
            records: 0,
            in_order: 0,
            gaps: 0,
            out_of_order: 0,
            lost: 0,
            first_and_last: (0, 0),
            samples: AgentSamples::None,
        }
    }

    fn count(&mut self, header: &Header, (octets, arrival): (usize, u64), outcome: Outcome, counts: &mut Counts) {
        self.sub_agent = header.sub_agent.unwrap_or(0);
        self.first_and_last =
            if self.datagrams == 0 { (arrival, arrival) } else { (self.first_and_last.0, arrival) };
        self.datagrams += 1;
        self.bytes += octets as u64;
        match outcome {
            Outcome::First | Outcome::InOrder => self.in_order += 1,
            Outcome::Gap(lost) => {
                self.gaps += 1;
                self.lost += u64::from(lost);
                counts.gaps += 1;
                counts.lost += u64::from(lost);
            }
            Outcome::OutOfOrder | Outcome::Restart => {
                self.out_of_order += 1;
                counts.restarts += 1;
            }
        }
    }

    /// Adds the changes of the counters by one datagram.
    #[inline]
    fn add(&mut self, before: &Counts, now: &Counts) {
        self.records += now.samples - before.samples;
        let flows = |counts: &Counts| counts.samples + counts.without_packet + counts.invalid;
        if flows(now) > flows(before) {
            self.samples = AgentSamples::Flows;
        } else if now.counters > before.counters && self.samples == AgentSamples::None {
            self.samples = AgentSamples::Counters;
        }
    }
}

/// Encodes an optional address for a row.
fn octets(address: Option<IpAddr>) -> address::Octets {
    address.map_or(address::ABSENT, address::octets)
}

#[cfg(test)]
mod fast_path_tests;
#[cfg(test)]
mod tests;
