//! From sFlow samples to rows.
//!
//! A [`Decoder`] belongs to one worker. sFlow has no templates, so all that it keeps is sequence numbers and what each agent has
//! sent. A flow sample is one row: its packet, by the header that the agent copied and by the fields that it read itself; then what
//! the agent adds, which wins over the packet.

mod packet;
mod quick;
mod sample;

use crate::bound::{Bound, VISITED};
use crate::headers::Headers;
use ::packet::tunnel::Ports;
use flow::address;
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::row::FieldSet;
use recent::Map;
use sflow::sequence::{Outcome, Sequence};
use sflow::{CounterSample, DataFormat, DecodeError, Header, Sample};
use std::net::IpAddr;

/// How samples are read, and what bounds the state of agents.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sfacctd_renormalize`.
    pub renormalize: bool,
    /// `use_ip_next_hop`: a router's next hop stands in for that of BGP.
    pub use_ip_next_hop: bool,
    /// Networks come from addresses and masks of the sample; else somebody else fills them in.
    pub networks: bool,
    /// `sfacctd_ignore_exporter_address`: the agent is who sends, whatever the datagram says.
    pub ignore_agent_address: bool,
    /// `aggregate_unknown_etype`: frames that carry no IP count by their MAC addresses and EtherType.
    pub unknown_etypes: bool,
    /// `tunnel_0`: what is counted is the packet inside tunnels of these ports.
    pub inside: Option<Ports>,
    /// Most agents; of more, the one that was silent longest is forgotten.
    pub max_agents: usize,
    /// Most bytes that the state of all agents takes: fewer agents are remembered if so many would take more.
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

/// What one agent has sent.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Its address.
    pub address: IpAddr,
    /// Its last sub-agent.
    pub sub_agent: u32,
    /// Datagrams.
    pub datagrams: u64,
    /// Their octets.
    pub octets: u64,
    /// Flow samples that became rows.
    pub records: u64,
    /// Sequence numbers as expected.
    pub good: u64,
    /// Jumps forward.
    pub forward: u64,
    /// Older numbers, and agents that count anew.
    pub back: u64,
    /// Datagrams missing in the jumps forward.
    pub lost: u64,
    /// When its first datagram came and its last one, microseconds since 1970.
    came: (u64, u64),
    /// What its samples are.
    samples: AgentSamples,
}

/// Which samples an agent has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AgentSamples {
    /// None yet.
    None,
    /// Counter samples.
    Counters,
    /// Flow samples, or something that is wrong and may be one; or it was reported that there are none.
    Flows,
}

/// What decoders count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flow samples that became rows.
    pub samples: u64,
    /// Flow samples that tell of no packet that is counted.
    pub without_packet: u64,
    /// Counter samples.
    pub counters: u64,
    /// Samples of packets that the agent discarded.
    pub discarded: u64,
    /// Samples of unknown formats.
    pub unknown: u64,
    /// Records of unknown formats inside samples.
    pub unknown_records: u64,
    /// Samples and records that contradict their format.
    pub faulty: u64,
    /// Jumps forward in sequence numbers of datagrams.
    pub gaps: u64,
    /// Datagrams missing in them.
    pub lost: u64,
    /// Older numbers, and agents that count anew.
    pub restarts: u64,
    /// Sub-agents whose sequence numbers were forgotten at their bound.
    pub sequences_evicted: u64,
    /// Agents forgotten at their bound.
    pub agents_evicted: u64,
}

/// Sub-agents whose sequence numbers are watched, for each agent that may be remembered.
const SUB_AGENTS: usize = 4;
/// Bytes that an agent takes at most, with those sub-agents: tables are half full at worst.
const PER_AGENT: usize = 2 * (size_of::<(u128, Agent)>() + SUB_AGENTS * 64 + 32);

/// Takes in what samples tell beside flows.
pub trait Counters {
    /// A datagram of that agent and sub-agent.
    fn agent(&mut self, agent: IpAddr, sub_agent: u32);

    /// A counter sample of a datagram.
    fn sample(&mut self, agent: IpAddr, header: &Header, sample: &CounterSample<'_>);
}

/// Nobody asks for counters.
#[derive(Clone, Copy, Debug)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn agent(&mut self, _: IpAddr, _: u32) {}

    fn sample(&mut self, _: IpAddr, _: &Header, _: &CounterSample<'_>) {}
}

/// Reads the datagrams of one worker.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    headers: Headers,
    offsets: sample::Offsets,
    wanted: Vec<DataFormat>,
    asks: Option<quick::Asks>,
    /// What the rows of a datagram share; words of a row.
    base: Box<[u64]>,
    /// By the number that their address is in a row.
    agents: Map<u128, Agent>,
    /// What bounds their number.
    bound: Bound,
    /// Where [`Self::take_agents_without_flows`] goes on.
    next: usize,
    sequence: Sequence,
    counts: Counts,
    /// An agent that was forgotten.
    forgotten: Option<IpAddr>,
    /// A fault of the last datagram that is worth a line in the log.
    fault: Option<(IpAddr, DecodeError)>,
}

/// Adds to `fields` what others of them are worked out from.
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
    /// A decoder that knows no agent yet.
    pub fn new(needs: &Needs, settings: Settings) -> Self {
        let (headers, offsets) = (Headers::new(needs, &[]), sample::Offsets::new(needs));
        let wanted = offsets.wanted();
        let fitting = settings.max_memory / PER_AGENT;
        let bound = if fitting < settings.max_agents { Bound::Memory } else { Bound::Exporters };
        let most = settings.max_agents.min(fitting);
        Self {
            asks: quick::Asks::new(&wanted, &headers, &settings),
            headers,
            wanted,
            offsets,
            base: vec![0; needs.layout.words()].into(),
            agents: Map::new(most),
            bound,
            next: 0,
            sequence: Sequence::new(most * SUB_AGENTS),
            counts: Counts::default(),
            forgotten: None,
            fault: None,
            settings,
        }
    }

    /// Goes on with rows of another layout. Call it when no rows are left.
    pub fn change_needs(&mut self, needs: &Needs) {
        self.headers = Headers::new(needs, &[]);
        self.offsets = sample::Offsets::new(needs);
        self.wanted = self.offsets.wanted();
        self.asks = quick::Asks::new(&self.wanted, &self.headers, &self.settings);
        self.base = vec![0; needs.layout.words()].into();
    }

    /// Reads the datagram of number `unit` in its batch, which arrived from `source` at `arrival` (microseconds since 1970), and
    /// adds its rows. Gives the agent's address.
    ///
    /// # Errors
    /// The header is not one of sFlow.
    pub fn datagram(
        &mut self,
        (unit, source): (u32, IpAddr),
        octets: &[u8],
        arrival: u64,
        output: &mut Output,
        counters: &mut dyn Counters,
    ) -> Result<IpAddr, DecodeError> {
        let datagram = sflow::open(octets)?;
        let header = datagram.header;
        let told = header.agent.filter(|_| !self.settings.ignore_agent_address);
        let address = told.unwrap_or(source);
        let holds_any = || datagram.samples().any(|sample| sample.is_ok());
        let evicted = self.sequence.evicted;
        let seen = self.sequence.datagram(&header, holds_any);
        self.counts.sequences_evicted += self.sequence.evicted - evicted;
        let key = address::number(address);
        let mut stranger = None;
        let (agent, is_known) = match self.agents.get_mut(&key) {
            Some(agent) => (agent, true),
            None => (stranger.insert(Agent::new(address)), false),
        };
        agent.count(&header, (octets.len(), arrival), seen, &mut self.counts);
        // Whoever sends an empty datagram is not remembered for it.
        let is_remembered = is_known || holds_any();
        if is_remembered {
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
            fault: &mut self.fault,
            old: header.version < 5,
            wanted: &self.wanted,
            asks: self.asks,
        };
        let mut samples = datagram.samples();
        loop {
            let mut ahead = samples.clone();
            if let Some(frame) = ahead.next_flow_frame()
                && reader.quick(unit, octets, &frame, output)
            {
                samples = ahead;
                continue;
            }
            match samples.next() {
                Some(Ok(Sample::Flow(sample))) => reader.flow(unit, octets, &sample, output),
                Some(Ok(Sample::Counters(sample))) => {
                    reader.counts.counters += 1;
                    counters.sample(address, &header, &sample);
                }
                Some(Ok(Sample::Discarded(_))) => reader.counts.discarded += 1,
                Some(Ok(Sample::Unknown(_))) => reader.counts.unknown += 1,
                Some(Err(fault)) => {
                    reader.counts.faulty += 1;
                    reader.fault.get_or_insert((address, fault));
                }
                None => break,
            }
        }
        agent.add(&before, &self.counts);
        if let Some(stranger) = stranger.filter(|_| is_remembered)
            && let Some((_, oldest)) = self.agents.insert(key, stranger)
        {
            self.counts.agents_evicted += 1;
            self.forgotten = Some(oldest.address);
        }
        Ok(address)
    }

    /// The agents that have sent counter samples for `span` microseconds or longer, and no flow sample. Each is given once. Of very
    /// many agents one call visits a part, and the next call goes on from there; a `span` of 0 asks for all.
    pub fn take_agents_without_flows(&mut self, span: u64) -> Vec<IpAddr> {
        let is_old = |agent: &Agent| agent.came.1.saturating_sub(agent.came.0) >= span;
        let without = |agent: &&mut Agent| agent.samples == AgentSamples::Counters && is_old(agent);
        let take = |agent: &mut Agent| {
            agent.samples = AgentSamples::Flows;
            agent.address
        };
        let (first, count) = if span == 0 { (0, usize::MAX) } else { (self.next, VISITED) };
        let (part, next) = self.agents.part_mut(first, count);
        self.next = next;
        part.filter(without).map(take).collect()
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// A fault since the last call.
    pub fn take_fault(&mut self) -> Option<(IpAddr, DecodeError)> {
        self.fault.take()
    }

    /// An agent that was forgotten since the last call, and why.
    pub fn take_forgotten(&mut self) -> Option<(IpAddr, Bound)> {
        Some((self.forgotten.take()?, self.bound))
    }

    /// The agents, with what was counted of each.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// How many agents are known.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Bytes that the state of all agents takes.
    pub fn memory(&self) -> usize {
        self.agents.memory() + self.sequence.memory()
    }

    /// What bounds the number of agents.
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
            octets: 0,
            records: 0,
            good: 0,
            forward: 0,
            back: 0,
            lost: 0,
            came: (0, 0),
            samples: AgentSamples::None,
        }
    }

    fn count(&mut self, header: &Header, (octets, arrival): (usize, u64), seen: Outcome, counts: &mut Counts) {
        self.sub_agent = header.sub_agent.unwrap_or(0);
        self.came = if self.datagrams == 0 { (arrival, arrival) } else { (self.came.0, arrival) };
        self.datagrams += 1;
        self.octets += octets as u64;
        match seen {
            Outcome::First | Outcome::InOrder => self.good += 1,
            Outcome::Gap(lost) => {
                self.forward += 1;
                self.lost += u64::from(lost);
                counts.gaps += 1;
                counts.lost += u64::from(lost);
            }
            Outcome::OutOfOrder | Outcome::Restart => {
                self.back += 1;
                counts.restarts += 1;
            }
        }
    }

    /// Adds what a datagram added to the counts.
    #[inline]
    fn add(&mut self, before: &Counts, now: &Counts) {
        self.records += now.samples - before.samples;
        let flows = |counts: &Counts| counts.samples + counts.without_packet + counts.faulty;
        if flows(now) > flows(before) {
            self.samples = AgentSamples::Flows;
        } else if now.counters > before.counters && self.samples == AgentSamples::None {
            self.samples = AgentSamples::Counters;
        }
    }
}

/// The octets of an address that may be absent.
fn octets(address: Option<IpAddr>) -> address::Octets {
    address.map_or(address::ABSENT, address::octets)
}

#[cfg(test)]
mod quick_tests;
#[cfg(test)]
mod tests;
