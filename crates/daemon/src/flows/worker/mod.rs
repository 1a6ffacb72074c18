//! A worker: takes batches in, decodes them to rows, and aggregates the rows for each plugin.
//!
//! Everything that is written per record belongs to the worker alone. Between batches it looks whether a plugin
//! asks for its table, whether the main thread asks for a report, and whether it is to end.
//!
//! What differs by protocol is a [`Protocol`]: [`netflow`] and [`sflow`] read datagrams
//! ([`datagrams`]), [`packets`] frames.

mod budget;
mod classes;
mod datagrams;
mod foreign;
mod gaps;
mod netflow;
mod notices;
mod packets;
mod report;
mod sflow;
mod slot;
mod window;

pub(crate) use classes::{Classes, Recognition};
pub(crate) use datagrams::Datagrams;
pub(crate) use netflow::NetFlow;
pub(crate) use packets::Packets;
pub(crate) use report::Report;
pub(crate) use sflow::Sflow;
pub(crate) use slot::{Bound, PluginSlot};
pub(crate) use window::Limits;

use super::pipeline::Pipeline;
use crate::host::part::Mailbox;
use ::netflow::template::Template;
use capture::allow::AllowList;
use config::Names;
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

/// Rows that are aggregated together: enough that waits for memory overlap, few enough to stay in the first cache.
const ROWS: usize = 128;
/// How long a worker waits for input before it looks at its clock.
const WAIT: Duration = Duration::from_millis(500);
/// Microseconds between two rounds of housekeeping.
const HOUSEKEEPING: u64 = 1_000_000;
/// How long a file waits for a plugin that is behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the main thread asks of all workers: each number says how often.
#[derive(Default)]
pub(crate) struct Requests {
    /// Statistics of exporters.
    pub(crate) report: AtomicU64,
    /// What was read anew, until workers take it up.
    pub(crate) snapshot: RwLock<Option<Snapshot>>,
    /// How often it was.
    pub(crate) version: AtomicU64,
}

/// What the operator's files say, swapped whole on reload.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) allow: Option<Arc<AllowList>>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// Where packets are captured, if a map says so.
    #[cfg(feature = "pcap")]
    pub(crate) interfaces: Option<Vec<capture::live::Interface>>,
}

/// What a worker tells the main thread.
pub(crate) enum Message {
    /// What it has taken in, as asked.
    Report(Report),
    /// A template that is new or has changed.
    Template(IpAddr, Template),
    /// It works with the snapshot of that number.
    Applied(u64),
    /// It has read its file to the end and goes on waiting.
    Finished,
    /// It has read all that it will, and hands out its last tables next.
    Ended {
        /// All templates that it knows.
        templates: Vec<(IpAddr, Template)>,
        /// There is nothing left that it could read, though nobody asked it to end.
        failed: bool,
    },
}

/// How input becomes rows, and the state that this takes.
pub(crate) trait Protocol: Send + 'static {
    /// Goes on with rows of another layout. No rows are left from before.
    fn change_needs(&mut self, needs: Needs);

    /// Takes up what was read anew, beside what rows must hold.
    fn apply_snapshot(&mut self, _snapshot: &Snapshot) {}

    /// Brings what was counted since the last call into the worker's counters.
    fn count(&mut self, tally: &mut Tally);

    /// Tells the log and the main thread what happened since the last call.
    fn log_events(&mut self, _messages: &Mailbox<Message>) {}

    /// Gives up what has waited too long at `now`, microseconds since 1970; that may make rows.
    fn expire(&mut self, now: u64, output: &mut Output);

    /// Makes rows of all that waits with a row of its own, as its layout or its strings are about to go.
    fn release(&mut self, _output: &mut Output) {}

    /// Gives up all that waits: this is the end.
    fn end(&mut self) {}

    /// What it has taken in.
    fn report(&self) -> Report;

    /// True when sequence numbers that jump are to be logged.
    fn logs_gaps(&self) -> bool {
        false
    }

    /// All templates that it knows.
    fn templates(&self) -> Vec<(IpAddr, Template)> {
        Vec::new()
    }
}

/// A worker.
pub(crate) struct Worker<P> {
    protocol: P,
    /// Of their packets, where the configuration asks for it.
    classes: Option<Classes>,
    enricher: Enricher,
    output: Output,
    /// Bytes of the rows' strings beyond which they are forgotten between batches.
    max_strings: usize,
    /// Whose rows they are.
    origins: Vec<Origin>,
    slots: Vec<PluginSlot>,
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
    /// What it reads is lost for good.
    failed: bool,
    names: Names,
}

/// What a worker works with, whatever the protocol.
pub(crate) struct WorkerContext {
    pub(crate) classes: Option<Classes>,
    pub(crate) enricher: Enricher,
    pub(crate) output: Output,
    /// Bytes that the rows' strings may take.
    pub(crate) max_strings: usize,
    /// In the order of the plugins.
    pub(crate) slots: Vec<PluginSlot>,
    pub(crate) allow: Option<Arc<AllowList>>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) messages: Mailbox<Message>,
    pub(crate) stop: Stop,
    pub(crate) counters: Counters,
    /// What keys are called in messages.
    pub(crate) names: Names,
}

impl<P: Protocol> Worker<P> {
    pub(crate) fn new(protocol: P, context: WorkerContext) -> Self {
        let WorkerContext {
            classes,
            enricher,
            output,
            max_strings,
            slots,
            allow,
            requests,
            messages,
            stop,
            counters,
            names,
        } = context;
        // A plugin's bound covers the strings of its rows, too.
        let max_strings = slots.iter().map(PluginSlot::max_bytes).fold(max_strings, usize::min);
        Self {
            protocol,
            classes,
            enricher,
            output,
            max_strings,
            origins: Vec::new(),
            slots,
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
        }
    }

    /// Fills in the rows from number `first` on. `units` are the datagrams or frames of the batch.
    #[inline]
    fn enrich(&mut self, first: usize, exporter: Option<IpAddr>, units: &[&[u8]]) {
        let origin = Origin { first, exporter };
        self.origins.push(origin);
        let Output { rows, strings, packets } = &mut self.output;
        let packets = BatchPackets { places: packets, units };
        if let Some(classes) = &mut self.classes {
            classes.apply(rows, first, strings, &packets);
        }
        self.enricher.apply(origin, rows, strings, &packets);
    }

    /// Aggregates the rows, and forgets them.
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
                slot.add(rows, &self.origins, strings, &BatchPackets { places, units });
            }
            self.output.clear();
            self.origins.clear();
        }
    }

    /// Aggregates rows of packets that are gone.
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

    /// What is to be done between batches. True when it is time for housekeeping.
    fn between(&mut self) -> bool {
        for slot in &mut self.slots {
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
        if now.abs_diff(self.housekept) < HOUSEKEEPING {
            return false;
        }
        self.housekept = now;
        self.protocol.expire(now, &mut self.output);
        self.add_late();
        self.count();
        self.check_gaps(runtime::clock::monotonic());
        true
    }

    /// Logs sequence numbers that jumped, when it is time for that.
    fn check_gaps(&mut self, now: u64) {
        let gaps = self.counters.reader().read(Counter::SequenceGaps);
        if self.gaps.is_due(gaps, now) && self.protocol.logs_gaps() {
            self.gaps.report(&self.protocol.report().exporters, gaps, now, &self.names);
        }
    }

    /// Takes up what was read anew. No rows are left from before, so none sees both.
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
        for (number, (slot, stage)) in self.slots.iter_mut().zip(stages).enumerate() {
            pipeline.change(number, slot, stage);
        }
        self.messages.offer(Message::Applied(self.version));
    }

    /// The input can wait, as a file can: plugins that are behind are waited for.
    fn be_patient(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.be_patient(PATIENCE));
    }

    /// Waits, and answers meanwhile.
    fn pause(&mut self, pause: Duration, wake: &crossbeam_channel::Receiver<()>) {
        let deadline = std::time::Instant::now() + pause;
        self.between();
        while !pause.is_zero() && !self.stop.is_requested() && std::time::Instant::now() < deadline {
            let next = deadline.min(std::time::Instant::now() + WAIT);
            let _ = wake.recv_deadline(next);
            self.between();
        }
    }

    /// The file was read for the last time: waits for the end, if the daemon stays.
    fn finished(&mut self, stay: bool, wake: &crossbeam_channel::Receiver<()>) {
        if stay && !self.stop.is_requested() {
            self.messages.offer(Message::Finished);
            while !self.stop.is_requested() {
                self.pause(WAIT, wake);
            }
        }
    }

    /// Hands out what is left.
    fn end(mut self) {
        self.protocol.release(&mut self.output);
        self.add_late();
        self.protocol.end();
        self.count();
        self.check_gaps(u64::MAX);
        // A plugin ends when all workers have handed out their last table. The message goes before it, so that whoever sees the end of
        // a plugin knows whether its workers had ended.
        self.messages.send(Message::Ended { templates: self.protocol.templates(), failed: self.failed });
        for slot in self.slots {
            slot.finish();
        }
    }
}
