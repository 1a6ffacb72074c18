//! sFlow.

use super::datagrams::{Datagrams, Read};
use super::foreign::Foreign;
use super::notices::key_of;
use super::report::ExporterReport;
use super::{Message, Protocol, Report};
use crate::counter_log::Lines;
use crate::host::part::Mailbox;
use ::sflow::{CounterSample, DecodeError, DecodeErrorKind, Header};
use capture::Datagram;
use config::Names;
use decode::bound::Bound;
use decode::from_sflow::{Agent, Counters, Decoder, NoCounters, Settings};
use flow::needs::Needs;
use flow::output::Output;
use flow::part::Part;
use runtime::log::Limited;
use stats::{Counter, Tally};
use std::net::IpAddr;
use std::time::Duration;
use tracing::{info, warn};

/// Minimum time between two lines of one kind.
const RATE: Duration = Duration::from_secs(10);
/// An agent that sends only counter samples for this many microseconds is reported.
const PATIENCE: u64 = 120_000_000;
/// Maximum number of agents in one line.
const NAMED: usize = 10;

/// The decoder of one worker, and its log lines.
pub(crate) struct Sflow {
    decoder: Decoder,
    /// Where counter samples go.
    counters: Option<Lines>,
    header: Limited,
    foreign: Limited,
    sample_errors: Limited,
    forgotten: Limited,
    sequences: Limited,
    /// Sub-agents were evicted since the last line.
    has_evicted_sub_agents: bool,
    /// Bytes of the rows' strings.
    strings: usize,
    /// No lines about versions and sequence numbers.
    quiet: bool,
    names: Names,
}

impl Sflow {
    /// Creates a decoder without agents. `quiet`: no lines about versions and sequence numbers.
    pub(crate) fn new(
        needs: &Needs,
        settings: Settings,
        counters: Option<Lines>,
        quiet: bool,
        names: Names,
    ) -> Self {
        Self {
            decoder: Decoder::new(needs, settings),
            counters,
            header: Limited::new(RATE),
            foreign: Limited::new(RATE),
            sample_errors: Limited::new(RATE),
            forgotten: Limited::new(RATE),
            sequences: Limited::new(RATE),
            has_evicted_sub_agents: false,
            strings: 0,
            quiet,
            names,
        }
    }

    fn rejected(&self, datagram: &Datagram<'_>, error: &DecodeError) {
        let source = datagram.source.ip();
        if matches!(error.kind, DecodeErrorKind::Version(_)) {
            if self.quiet {
                return;
            }
            if let Some(foreign) = Foreign::to_sflow(datagram.payload) {
                if let Some(pass) = self.foreign.pass() {
                    warn!(%source, held_back = pass.held_back, "discarding a datagram: {foreign}");
                }
                return;
            }
        }
        if let Some(pass) = self.header.pass() {
            warn!(%source, held_back = pass.held_back, "discarding a datagram: {error}");
        }
    }

    /// The counter of evicted agents.
    fn evicted(&self) -> Counter {
        match self.decoder.bound() {
            Bound::Exporters => Counter::ExportersEvictedNumber,
            Bound::Memory => Counter::ExportersEvictedMemory,
        }
    }

    /// Logs the agents that have sent only counter samples for that time.
    fn without_flows(&mut self, span: u64) {
        let mut agents = self.decoder.take_agents_without_flows(span);
        if agents.is_empty() {
            return;
        }
        agents.sort_unstable();
        let mut names: Vec<_> = agents.iter().take(NAMED).map(ToString::to_string).collect();
        if agents.len() > NAMED {
            names.push(format!("{} more", agents.len() - NAMED));
        }
        let names = names.join(", ");
        let what = "counter samples only, no flow samples: no traffic is counted for";
        if self.counters.is_some() {
            info!("{what} {names}");
        } else {
            warn!("{what} {names}. Check that packet sampling is configured there.");
        }
    }
}

impl Datagrams for Sflow {
    #[cfg(feature = "pcap")]
    const WHAT: &'static str = "sFlow data";
    #[cfg(feature = "pcap")]
    const IN_STREAMS: bool = false;

    #[inline]
    fn datagram(&mut self, number: u32, datagram: &Datagram<'_>, output: &mut Output) -> Read {
        let source = datagram.source.ip();
        let (from, arrival) = ((number, source), datagram.arrival_us);
        let read = match &mut self.counters {
            Some(lines) => self.decoder.datagram(from, datagram.payload, arrival, output, lines),
            None => self.decoder.datagram(from, datagram.payload, arrival, output, &mut NoCounters),
        };
        match read {
            Ok(exporter) => Read { exporter, outcome: Counter::DatagramsDecoded },
            Err(error) => {
                self.rejected(datagram, &error);
                Read { exporter: source, outcome: outcome(error) }
            }
        }
    }

    fn exporter(&self, datagram: &Datagram<'_>) -> IpAddr {
        self.decoder.exporter(datagram.source.ip(), datagram.payload)
    }

    fn parts(&self) -> &[Part] {
        self.decoder.parts()
    }
}

impl Counters for Lines {
    fn agent(&mut self, agent: IpAddr, sub_agent: u32) {
        self.begin(agent, sub_agent);
    }

    fn sample(&mut self, agent: IpAddr, header: &Header, sample: &CounterSample<'_>) {
        self.add(agent, header.sequence, sample);
    }
}

impl Protocol for Sflow {
    fn change_needs(&mut self, needs: Needs) {
        self.decoder.change_needs(&needs);
    }

    fn count(&mut self, tally: &mut Tally) {
        let counts = self.decoder.take_counts();
        for (counter, count) in [
            (Counter::RecordsDecoded, counts.samples),
            (Counter::RecordsFaulty, counts.invalid),
            (Counter::CounterSamples, counts.counters),
            (Counter::SamplesWithoutPacket, counts.without_packet),
            (Counter::SamplesDiscarded, counts.discarded),
            (Counter::SamplesUnknown, counts.unknown),
            (Counter::SampleRecordsUnknown, counts.unknown_records),
            (Counter::SequenceGaps, counts.gaps),
            (Counter::SequenceLost, counts.lost),
            (Counter::SequenceRestarts, counts.restarts),
            (Counter::SequencesEvicted, counts.sequences_evicted),
            (self.evicted(), counts.agents_evicted),
        ] {
            tally.add(counter, count);
        }
        if let Some(lines) = &mut self.counters {
            let (written, lost) = lines.hand_over();
            tally.add(Counter::CounterBlocksLogged, written);
            tally.add(Counter::CounterBlocksLost, lost);
        }
        self.has_evicted_sub_agents |= counts.sequences_evicted > 0;
        tally.set(Counter::Exporters, self.decoder.len() as u64);
        tally.set(Counter::PeerStateBytes, (self.decoder.memory() + self.strings) as u64);
    }

    fn log_events(&mut self, _messages: &Mailbox<Message>) {
        if let Some((agent, error)) = self.decoder.take_error()
            && let Some(pass) = self.sample_errors.pass()
        {
            warn!(%agent, held_back = pass.held_back, "a sample is malformed, its readable part is counted: {error}");
        }
        if let Some((agent, bound)) = self.decoder.take_forgotten()
            && let Some(pass) = self.forgotten.pass()
        {
            let held_back = pass.held_back;
            warn!(%agent, held_back, "evicting the agent that has been silent longest: {} is reached", key_of(bound, &self.names));
        }
        if std::mem::take(&mut self.has_evicted_sub_agents)
            && let Some(pass) = self.sequences.pass()
        {
            let held_back = pass.held_back;
            warn!(held_back, "too many sub-agents to track: some lost datagrams may not be counted");
        }
    }

    fn expire(&mut self, _now: u64, output: &mut Output) {
        self.strings = output.strings.size();
        self.without_flows(PATIENCE);
    }

    fn end(&mut self) {
        self.without_flows(0);
    }

    fn report(&self) -> Report {
        let report = |agent: &Agent| ExporterReport {
            address: agent.address,
            domain: agent.sub_agent,
            datagrams: agent.datagrams,
            bytes: agent.bytes,
            records: agent.records,
            good: agent.in_order,
            forward: agent.gaps,
            back: agent.out_of_order,
            lost: agent.lost,
        };
        Report { exporters: self.decoder.agents().map(report).collect(), ..Report::default() }
    }

    #[cfg(any(feature = "kafka", feature = "zmq"))]
    fn restart_sequences(&mut self) {
        self.decoder.restart_sequences();
    }

    fn want_parts(&mut self, wanted: bool) {
        self.decoder.want_parts(wanted);
    }

    fn logs_gaps(&self) -> bool {
        !self.quiet
    }
}

/// The counter of a datagram's outcome.
fn outcome(error: DecodeError) -> Counter {
    match error.kind {
        DecodeErrorKind::Version(_) => Counter::DatagramsBadVersion,
        DecodeErrorKind::Truncated { .. } => Counter::DatagramsTooShort,
        _ => Counter::DatagramsBadLength,
    }
}
