//! A worker: reads batches, decodes them to rows, and aggregates the rows for each plugin.
//!
//! Everything that is written per record belongs to the worker alone. Between batches it checks whether a plugin
//! requests its table, whether the main thread requests a report, and whether it must end.
//!
//! What differs by protocol is a [`Protocol`]: [`netflow`] and [`sflow`] read datagrams
//! ([`datagrams`]), [`packets`] frames.

mod budget;
mod classes;
mod datagrams;
mod deliveries;
#[cfg(any(feature = "kafka", feature = "zmq"))]
mod fed;
mod foreign;
mod forward;
mod gaps;
mod netflow;
mod notices;
mod packets;
mod report;
mod sflow;
mod slot;
mod tee;
mod window;

pub(crate) use classes::{Classes, Recognition};
pub(crate) use datagrams::Datagrams;
pub(crate) use forward::Forward;
pub(crate) use netflow::NetFlow;
pub(crate) use packets::Packets;
pub(crate) use report::Report;
pub(crate) use sflow::Sflow;
pub(crate) use slot::{Bound, Ends, PluginSlot};
pub(crate) use tee::{Selection, TeeSlot, Tees};
pub(crate) use window::Limits;

use super::pipeline::Pipeline;
use crate::host::part::Mailbox;
use ::netflow::template::Template;
use capture::allow::AllowList;
use config::Names;
use decode::from_netflow::Sampling;
use enrich::{BatchPackets, Enricher, Origin};
use flow::needs::Needs;
use flow::output::Output;
use gaps::Gaps;
use runtime::events::Stop;
use stats::{Counter, Counters, Tally};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Rows that are aggregated together: enough for memory accesses to overlap, few enough for the first-level cache.
const ROWS: usize = 128;
/// How long a worker waits for input before it checks the clock.
const WAIT: Duration = Duration::from_millis(500);
/// Microseconds between two rounds of housekeeping.
const HOUSEKEEPING: u64 = 1_000_000;
/// How long reading a file waits for a slow plugin.
#[cfg(feature = "pcap")]
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests of the main thread to all workers: each number counts them.
#[derive(Default)]
pub(crate) struct Requests {
    /// Statistics of exporters.
    pub(crate) report: AtomicU64,
    /// The newest snapshot.
    pub(crate) snapshot: RwLock<Option<Snapshot>>,
    /// The number of the newest snapshot.
    pub(crate) version: AtomicU64,
}

/// The contents of the operator's files, replaced as a whole on reload.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) allow: Option<Arc<AllowList>>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// The interfaces to capture on, if a map lists them.
    #[cfg(feature = "pcap")]
    pub(crate) interfaces: Option<Vec<capture::live::Interface>>,
}

/// What a worker has learned of an exporter, and needs to decode its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// A template.
    Template(Template),
    /// A sampling rate.
    Sampling(Sampling),
}

/// A message from a worker to the main thread.
pub(crate) enum Message {
    /// The requested report of its input.
    Report(Report),
    /// Something to keep of an exporter, which is new or has changed.
    Learned(IpAddr, Learned),
    /// It has applied the snapshot with that number.
    Applied(u64),
    /// It has read its file to the end and keeps waiting.
    #[cfg(feature = "pcap")]
    Finished,
    /// It has read all of its input, and hands over its last tables next.
    Ended {
        /// All known templates.
        templates: Vec<(IpAddr, Template)>,
        /// Its input was lost, though the end was not requested.
        failed: bool,
    },
}

/// How input becomes rows, and the decoder's state.
pub(crate) trait Protocol: Send + 'static {
    /// Its input is datagrams, which tee can replicate.
    const REPLICATES: bool = true;

    /// Switches to rows of another layout. No earlier rows are left.
    fn change_needs(&mut self, needs: Needs);

    /// Applies a new snapshot, apart from the layout of rows.
    fn apply_snapshot(&mut self, _snapshot: &Snapshot) {}

    /// Adds the counts since the last call to the worker's counters.
    fn count(&mut self, tally: &mut Tally);

    /// Logs the events since the last call, and sends them to the main thread.
    fn log_events(&mut self, _messages: &Mailbox<Message>) {}

    /// Drops what has waited too long at `now`, microseconds since 1970; this may create rows.
    fn expire(&mut self, now: u64, output: &mut Output);

    /// Takes over what other collectors know of exporters, at `now`, microseconds since 1970. Returns an exporter whose waiting data became
    /// rows; then there may be more.
    fn take_over(&mut self, _now: u64, _output: &mut Output) -> Option<IpAddr> {
        None
    }

    /// Outputs all waiting rows, because their layout or strings are about to be replaced.
    fn release(&mut self, _output: &mut Output) {}

    /// Drops all that waits, at the end.
    fn end(&mut self) {}

    /// Reports its input.
    fn report(&self) -> Report;

    /// Other exporters come from now on, or the same ones at another place of their streams: gaps are counted from the next messages on.
    #[cfg(any(feature = "kafka", feature = "zmq"))]
    fn restart_sequences(&mut self) {}

    /// Sets whether it lists the parts of each datagram.
    fn want_parts(&mut self, _wanted: bool) {}

    /// True when gaps in sequence numbers are logged.
    fn logs_gaps(&self) -> bool {
        false
    }

    /// All known templates.
    fn templates(&self) -> Vec<(IpAddr, Template)> {
        Vec::new()
    }
}

/// A worker.
pub(crate) struct Worker<P> {
    protocol: P,
    /// The classification of packets, if configured.
    classes: Option<Classes>,
    enricher: Enricher,
    output: Output,
    /// Bytes of the rows' strings beyond which they are cleared between batches.
    max_strings: usize,
    /// The exporters of the rows.
    origins: Vec<Origin>,
    slots: Vec<PluginSlot>,
    tees: Tees,
    counters: Counters,
    tally: Tally,
    requests: Arc<Requests>,
    allow: Option<Arc<AllowList>>,
    version: u64,
    reported: u64,
    messages: Mailbox<Message>,
    stop: Stop,
    housekept: u64,
    gaps: Gaps,
    /// Its input is lost for good.
    failed: bool,
    names: Names,
    /// The number of batches that it has aggregated: its position in the input, for inputs that can be read again.
    position: u64,
}

/// What a worker needs, whatever the protocol.
pub(crate) struct WorkerContext {
    pub(crate) classes: Option<Classes>,
    pub(crate) enricher: Enricher,
    pub(crate) output: Output,
    /// Bytes that the rows' strings may take.
    pub(crate) max_strings: usize,
    /// In the order of the plugins.
    pub(crate) slots: Vec<PluginSlot>,
    /// The tee plugins.
    pub(crate) tees: Tees,
    pub(crate) allow: Option<Arc<AllowList>>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) messages: Mailbox<Message>,
    pub(crate) stop: Stop,
    pub(crate) counters: Counters,
    /// The names of keys in messages.
    pub(crate) names: Names,
}

impl<P: Protocol> Worker<P> {
    pub(crate) fn new(mut protocol: P, context: WorkerContext) -> Self {
        let WorkerContext {
            classes,
            enricher,
            output,
            max_strings,
            slots,
            tees,
            allow,
            requests,
            messages,
            stop,
            counters,
            names,
        } = context;
        protocol.want_parts(P::REPLICATES && tees.need_parts());
        // A plugin's bound includes the strings of its rows.
        let max_strings = slots.iter().map(PluginSlot::max_bytes).fold(max_strings, usize::min);
        Self {
            protocol,
            classes,
            enricher,
            output,
            max_strings,
            origins: Vec::new(),
            slots,
            tees,
            counters,
            tally: Tally::default(),
            version: requests.version.load(Ordering::Acquire),
            reported: 0,
            requests,
            allow,
            messages,
            stop,
            housekept: 0,
            gaps: Gaps::default(),
            failed: false,
            names,
            position: 0,
        }
    }

    /// Fills in the rows from number `first` on. `units` are the datagrams or frames of the batch.
    #[inline]
    fn enrich(&mut self, first: usize, exporter: Option<IpAddr>, units: &[&[u8]]) {
        let origin = Origin { first, exporter };
        self.origins.push(origin);
        let Output { rows, strings, packets } = &mut self.output;
        let packets = BatchPackets { references: packets, units };
        if let Some(classes) = &mut self.classes {
            classes.apply(rows, first, strings, &packets);
        }
        self.enricher.apply(origin, rows, strings, &packets);
    }

    /// Aggregates the rows, and clears them.
    fn aggregate(&mut self, units: &[&[u8]]) {
        self.add(units);
        if self.output.strings.size() > self.max_strings {
            self.forget_strings();
        }
        self.count();
        self.slots.iter_mut().for_each(PluginSlot::publish);
    }

    fn add(&mut self, units: &[&[u8]]) {
        if !self.output.rows.is_empty() {
            let Output { rows, strings, packets: places } = &mut self.output;
            for slot in &mut self.slots {
                slot.add(rows, &self.origins, strings, &BatchPackets { references: places, units });
            }
            self.output.clear();
            self.origins.clear();
        }
    }

    /// Aggregates rows whose packets are no longer in memory.
    fn add_late(&mut self) {
        if !self.output.rows.is_empty() {
            self.enrich(0, None, &[]);
            self.add(&[]);
        }
    }

    #[cold]
    fn forget_strings(&mut self) {
        self.protocol.release(&mut self.output);
        self.add_late();
        self.output.strings.clear();
        self.slots.iter_mut().for_each(PluginSlot::forget_strings);
        if P::REPLICATES {
            self.tees.forget_strings();
        }
        self.enricher.forget_strings();
        if let Some(classes) = &mut self.classes {
            classes.forget_strings();
        }
    }

    fn count(&mut self) {
        self.protocol.count(&mut self.tally);
        if let Some(classes) = &mut self.classes {
            self.tally.add(Counter::FlowsEvicted, classes.take_evicted());
        }
        self.counters.publish(&mut self.tally);
        self.protocol.log_events(&self.messages);
    }

    /// Does the work between batches. Returns true when housekeeping is due.
    fn between(&mut self) -> bool {
        for slot in &mut self.slots {
            slot.reach(self.position);
            slot.answer();
        }
        let report = self.requests.report.load(Ordering::Acquire);
        if report != self.reported {
            self.reported = report;
            self.messages.offer(Message::Report(Report { request: report, ..self.protocol.report() }));
        }
        let version = self.requests.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            self.apply_snapshot();
        }
        let now = runtime::clock::now();
        self.take_over(now);
        if now.abs_diff(self.housekept) < HOUSEKEEPING {
            return false;
        }
        self.housekept = now;
        self.protocol.expire(now, &mut self.output);
        self.add_late();
        self.count();
        self.check_gaps(runtime::clock::monotonic());
        if P::REPLICATES {
            self.tees.reopen();
        }
        true
    }

    /// Takes over what other collectors know of exporters.
    #[inline]
    fn take_over(&mut self, now: u64) {
        let mut first = 0;
        while let Some(exporter) = self.protocol.take_over(now, &mut self.output) {
            self.enrich(first, Some(exporter), &[]);
            if self.output.rows.len() >= ROWS {
                self.add(&[]);
            }
            first = self.output.rows.len();
        }
        self.add(&[]);
    }

    /// Logs gaps in sequence numbers, if a line is due.
    fn check_gaps(&mut self, now: u64) {
        let gaps = self.counters.reader().read(Counter::SequenceGaps);
        if self.gaps.is_due(gaps, now) && self.protocol.logs_gaps() {
            self.gaps.report(&self.protocol.report().exporters, gaps, now, &self.names);
        }
    }

    /// Applies a new snapshot. No earlier rows are left, so none sees both.
    #[cold]
    fn apply_snapshot(&mut self) {
        let snapshot = self.requests.snapshot.read().map(|snapshot| snapshot.clone()).unwrap_or_default();
        let Some(snapshot) = snapshot else { return };
        self.protocol.apply_snapshot(&snapshot);
        let Snapshot { allow, pipeline, .. } = snapshot;
        self.allow = allow;
        self.protocol.release(&mut self.output);
        self.add_late();
        self.protocol.change_needs(pipeline.needs().clone());
        if let Some(classes) = &mut self.classes {
            classes.change_layout(&pipeline.needs().layout);
        }
        let strings = std::mem::take(&mut self.output.strings);
        self.output = Output { strings, ..Output::new(&pipeline.needs().layout) };
        let (enricher, stages) = Enricher::new(pipeline.enrichment());
        self.enricher = enricher;
        let mut stages = stages.into_iter();
        for (number, (slot, stage)) in self.slots.iter_mut().zip(&mut stages).enumerate() {
            pipeline.change(number, slot, stage);
        }
        if P::REPLICATES {
            let tees = pipeline.tees().iter().zip(stages);
            let tees = tees.map(|(plan, stage)| (plan.pools.clone(), plan.selection, stage));
            self.tees.change(&pipeline.needs().layout, tees);
            self.protocol.want_parts(self.tees.need_parts());
        }
        self.messages.offer(Message::Applied(self.version));
    }

    /// The input can wait, as a file can: slow plugins are waited for.
    #[cfg(feature = "pcap")]
    fn be_patient(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.be_patient(PATIENCE));
        if P::REPLICATES {
            self.tees.be_patient();
        }
    }

    /// Waits, and answers requests meanwhile.
    #[cfg(feature = "pcap")]
    fn pause(&mut self, pause: Duration, wake: &crossbeam_channel::Receiver<()>) {
        let deadline = std::time::Instant::now() + pause;
        self.between();
        while !pause.is_zero() && !self.stop.is_requested() && std::time::Instant::now() < deadline {
            let next = deadline.min(std::time::Instant::now() + WAIT);
            let _ = wake.recv_deadline(next);
            self.between();
        }
    }

    /// The file has been read for the last time: waits for shutdown, if the daemon stays.
    #[cfg(feature = "pcap")]
    fn finished(&mut self, stay: bool, wake: &crossbeam_channel::Receiver<()>) {
        if stay && !self.stop.is_requested() {
            self.messages.offer(Message::Finished);
            while !self.stop.is_requested() {
                self.pause(WAIT, wake);
            }
        }
    }

    /// Hands over the remaining tables.
    fn end(mut self) {
        self.protocol.release(&mut self.output);
        self.add_late();
        self.protocol.end();
        self.count();
        self.check_gaps(u64::MAX);
        // A plugin ends when all workers have handed over their last table. The message is sent before, so that the main thread knows,
        // when a plugin ends, whether its workers had ended.
        self.messages.send(Message::Ended { templates: self.protocol.templates(), failed: self.failed });
        for mut slot in self.slots {
            slot.reach(self.position);
            slot.finish();
        }
    }
}
