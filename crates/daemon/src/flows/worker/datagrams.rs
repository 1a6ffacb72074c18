//! Workers of the collectors: datagrams from a socket or from a capture file.

use super::budget::Budget;
use super::tee::Decoded;
use super::{Protocol, ROWS, WAIT, Worker};
#[cfg(feature = "pcap")]
use crate::flows::intake::file_streams::FileStreams;
use crate::flows::intake::udp::Sockets;
use capture::udp::Received;
use capture::{Batch, Datagram};
use enrich::BatchPackets;
use flow::output::Output;
use flow::part::Part;
use runtime::clock::monotonic;
use runtime::log::Limited;
use stats::Counter;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tracing::warn;

/// How long queued datagrams are still decoded at shutdown; a sender that never stops must not keep the daemon
/// alive.
pub(super) const LAST: Duration = Duration::from_secs(2);
/// How long the remaining ones are still counted.
const COUNTED: Duration = Duration::from_millis(500);
/// Minimum time between two lines about a failing socket.
const RATE: Duration = Duration::from_secs(10);

/// A protocol whose messages are datagrams.
pub(crate) trait Datagrams: Protocol {
    /// The contents of the datagrams, for the log.
    #[cfg(feature = "pcap")]
    const WHAT: &'static str;
    /// Whether its messages also come over TCP: those of IPFIX do.
    #[cfg(feature = "pcap")]
    const IN_STREAMS: bool;

    /// Decodes the datagram with that number in its batch, and adds its rows.
    fn datagram(&mut self, number: u32, datagram: &Datagram<'_>, output: &mut Output) -> Read;

    /// Learns the templates of a datagram that another collector forwards, and adds the rows that have waited for them. Returns the counter
    /// of its outcome.
    fn learn(&mut self, _datagram: &Datagram<'_>, _output: &mut Output) -> Counter {
        Counter::DatagramsUndecoded
    }

    /// The exporter of a datagram that is not decoded: its sender, or the agent named in it.
    fn exporter(&self, datagram: &Datagram<'_>) -> IpAddr;

    /// The parts of the last datagram, if they are listed.
    fn parts(&self) -> &[Part];

    /// A transport session has ended.
    fn end_session(&mut self, _session: u64) {}

    /// Sessions whose state was removed at a bound since the last call.
    fn take_lost_sessions(&mut self) -> Vec<u64> {
        Vec::new()
    }
}

/// The result of decoding a datagram.
pub(crate) struct Read {
    /// The exporter of its rows: the sender of the datagram, or the agent named in it.
    pub(crate) exporter: IpAddr,
    /// The counter of its outcome.
    pub(crate) outcome: Counter,
}

impl<P: Datagrams> Worker<P> {
    /// Reads sockets until shutdown, and what other threads have received.
    pub(crate) fn run_udp(mut self, sockets: Sockets) {
        let Sockets { mut receiver, mut templates, share, mut feed } = sockets;
        let mut batch = Batch::new();
        let mut budget = Budget::new(share, self.names.clone());
        let mut dropped = 0;
        let failing = Limited::new(RATE);
        while !self.stop.is_requested() {
            match receiver.receive(&mut batch, Some(WAIT)) {
                Ok(Received::Datagrams) => self.received(&batch, &mut budget),
                // Threads that deliver wake it all the time; datagrams must not wait for them.
                Ok(Received::Woken)
                    if feed.is_some() && receiver.receive_queued(&mut batch).is_ok_and(|some| some) =>
                {
                    self.received(&batch, &mut budget);
                }
                Ok(_) => {}
                Err(error) => {
                    if let Some(pass) = failing.pass() {
                        warn!(held_back = pass.held_back, "receiving failed: {error}");
                    }
                    // A persistent error must not cause a busy loop.
                    let _ = self.stop.pause(Duration::from_millis(100));
                }
            }
            if let Some(templates) = &mut templates {
                self.learn_from(templates, &mut batch);
            }
            if let Some(feed) = &mut feed
                && self.take_deliveries(feed)
            {
                receiver.waker().wake();
            }
            if self.between() && self.kernel_drops(&receiver, &mut dropped) > 0 {
                budget.crowded(monotonic());
            }
        }
        let began = Instant::now();
        self.drain(&mut receiver, &mut batch, &mut budget);
        if let Some(feed) = feed {
            self.drain_feed(feed, &receiver.waker(), began);
        }
        budget.report(true);
        self.kernel_drops(&receiver, &mut dropped);
        self.end();
    }

    /// Learns templates that were forwarded. They come seldom: this socket is looked at after each batch of the other one, and at least twice a
    /// second, while data sets wait for them.
    fn learn_from(&mut self, receiver: &mut capture::udp::Receiver, batch: &mut Batch) {
        if !matches!(receiver.receive(batch, Some(Duration::ZERO)), Ok(capture::udp::Received::Datagrams)) {
            return;
        }
        let units: Vec<&[u8]> = batch.iter().map(|datagram| datagram.payload).collect();
        for datagram in batch.iter() {
            let source = datagram.source.ip();
            self.tally.add(Counter::DatagramsReceived, 1);
            self.tally.add(Counter::DatagramBytes, datagram.payload.len() as u64);
            if self.allow.as_ref().is_some_and(|allow| !allow.allows(source)) {
                self.tally.add(Counter::DatagramsNotAllowed, 1);
                continue;
            }
            let first = self.output.rows.len();
            let outcome = self.protocol.learn(&datagram, &mut self.output);
            self.tally.add(outcome, 1);
            if self.output.rows.len() > first {
                self.enrich(first, Some(source), &units);
            }
        }
        self.aggregate(&units);
    }

    /// Decodes what was received before shutdown was requested and is still in the kernel.
    fn drain(&mut self, receiver: &mut capture::udp::Receiver, batch: &mut Batch, budget: &mut Budget) {
        if let Err(error) = receiver.leave() {
            warn!("cannot leave the port to the other daemons of the cluster: {error}");
        }
        let until = Instant::now() + LAST;
        loop {
            let now = Instant::now();
            match receiver.receive(batch, Some(Duration::ZERO)) {
                Ok(Received::Datagrams) if now < until => self.received(batch, budget),
                Ok(Received::Datagrams) if now < until + COUNTED => self.discard(batch.iter()),
                // The wakeup for shutdown, or of threads that deliver.
                Ok(Received::Woken) if now < until + COUNTED => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Counts datagrams that there is no time left to decode.
    pub(super) fn discard<'a>(&mut self, datagrams: impl Iterator<Item = Datagram<'a>>) {
        for datagram in datagrams {
            self.tally.add(Counter::DatagramsReceived, 1);
            self.tally.add(Counter::DatagramBytes, datagram.payload.len() as u64);
            self.tally.add(Counter::DatagramsAtShutdown, 1);
        }
    }

    /// Decodes what a socket has received.
    fn received(&mut self, batch: &Batch, budget: &mut Budget) {
        self.batch(batch.iter(), batch.is_full(), Some(budget));
    }

    /// Counts what the kernel dropped since the last call, and returns it.
    fn kernel_drops(&mut self, receiver: &capture::udp::Receiver, dropped: &mut u32) -> u32 {
        let drops = receiver.drops().unwrap_or(*dropped);
        let more = drops.wrapping_sub(*dropped);
        self.tally.add(Counter::KernelDrops, u64::from(more));
        *dropped = drops;
        more
    }

    /// Reads a capture file, and then waits if the settings say so.
    #[cfg(feature = "pcap")]
    pub(crate) fn run_file(
        mut self,
        mut file: capture::pcap_file::Payloads,
        settings: &capture::pcap_file::Settings,
        wake: &crossbeam_channel::Receiver<()>,
    ) {
        use capture::pcap_file::Filled;
        let mut batch = Batch::new();
        let mut streams = P::IN_STREAMS.then(FileStreams::new);
        self.be_patient();
        let stop = self.stop.clone();
        file.end_when(move || stop.is_requested());
        let path = settings.path.display().to_string();
        tracing::info!("reading {} from: {path}", P::WHAT);
        self.pause(settings.delay, wake);
        while !self.stop.is_requested() {
            let filled = match &mut streams {
                Some(streams) => {
                    streams.begin();
                    file.fill_with_streams(&mut batch, |id, event| streams.take(id, event))
                }
                None => file.fill(&mut batch),
            };
            self.batch(batch.iter(), false, None);
            if let Some(streams) = &mut streams {
                self.streamed(streams);
                if !matches!(filled, Ok(Filled::Some)) {
                    streams.finish(&mut self.tally, file.counters().segments_ignored);
                    streams.ended.iter().for_each(|session| self.protocol.end_session(*session));
                }
            }
            let next = match filled {
                Ok(Filled::Some) => Ok(true),
                // The next round is opened first, so that a program that watches the file sees that reading goes on.
                Ok(Filled::Ended) => file.next_round().inspect(|more| {
                    if *more {
                        self.pause(settings.delay, wake)
                    }
                }),
                Err(error) => Err(error),
            };
            match next {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!("{path}: {error}");
                    break;
                }
            }
            self.between();
        }
        self.count();
        tracing::info!("finished reading {} from: {path}", P::WHAT);
        self.finished(settings.wait, wake);
        self.end();
    }

    /// Decodes what connections of a file have sent.
    #[cfg(feature = "pcap")]
    fn streamed(&mut self, streams: &mut FileStreams) {
        if !streams.messages.is_empty() {
            self.batch(streams.messages.iter(), false, None);
        }
        streams.ended.iter().for_each(|session| self.protocol.end_session(*session));
        // There is no connection that could be closed: sets of the session wait for templates that come again.
        let _ = self.protocol.take_lost_sessions();
        streams.count(&mut self.tally);
    }

    /// Decodes datagrams. `is_full`: more may be waiting.
    pub(super) fn batch<'a>(
        &mut self,
        datagrams: impl Iterator<Item = Datagram<'a>> + Clone,
        is_full: bool,
        mut budget: Option<&mut Budget>,
    ) {
        let mut turn = budget.as_mut().map(|budget| budget.begin(monotonic()));
        let units: Vec<&[u8]> = datagrams.clone().map(|datagram| datagram.payload).collect();
        // Datagrams that are replicated as a whole, and nothing else, need not be decoded.
        let decodes = !self.slots.is_empty() || self.tees.need_parts();
        let mut bytes = 0;
        for (number, datagram) in (0..).zip(datagrams) {
            let source = datagram.source.ip();
            let size = datagram.payload.len() as u64;
            bytes += size;
            self.tally.add(Counter::DatagramsReceived, 1);
            self.tally.add(Counter::DatagramBytes, size);
            if self.allow.as_ref().is_some_and(|allow| !allow.allows(source)) {
                self.tally.add(Counter::DatagramsNotAllowed, 1);
                continue;
            }
            if let (Some(budget), Some(turn)) = (&mut budget, &turn)
                && budget.rejects(source, turn)
            {
                self.tally.add(Counter::DatagramsOverBudget, 1);
                continue;
            }
            let first = self.output.rows.len();
            let read = if decodes {
                self.protocol.datagram(number, &datagram, &mut self.output)
            } else {
                Read { exporter: self.protocol.exporter(&datagram), outcome: Counter::DatagramsUndecoded }
            };
            self.tally.add(read.outcome, 1);
            if self.output.rows.len() > first {
                self.enrich(first, Some(read.exporter), &units);
            }
            if !self.tees.is_empty() {
                self.replicate((number, &datagram, read.exporter), decodes.then_some(first), &units);
            }
            if self.output.rows.len() >= ROWS {
                self.aggregate(&units);
            }
            if let (Some(budget), Some(turn)) = (&mut budget, &mut turn)
                && turn.measures()
            {
                budget.charge(source, turn, monotonic());
            }
        }
        self.tees.flush(&units);
        self.aggregate(&units);
        self.position += 1;
        if let (Some(budget), Some(turn)) = (budget, turn) {
            budget.end(&turn, monotonic(), bytes, is_full);
        }
    }

    /// Replicates a datagram. `first`: number of its first row, if it was decoded.
    fn replicate(&mut self, datagram: (u32, &Datagram<'_>, IpAddr), first: Option<usize>, units: &[&[u8]]) {
        let Self { protocol, enricher, output, tees, .. } = self;
        let Output { rows, strings, packets } = output;
        let decoded = first.map(|first| Decoded { first, parts: protocol.parts(), rows });
        tees.take(datagram, decoded, enricher, strings, &BatchPackets { references: packets, units });
        tees.relieve(units);
    }
}
