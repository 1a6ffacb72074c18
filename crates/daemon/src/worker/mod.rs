//! A worker: takes batches in, decodes them to rows, and aggregates the rows for each plugin.
//!
//! Everything that is written per record belongs to the worker alone. Between batches it looks whether a plugin
//! asks for its table, whether the main thread asks for a report, and whether it is to end.

mod notices;
mod share;

pub(crate) use share::{Bound, Share};

use crate::pipeline::Pipeline;
use capture::Batch;
use capture::allow::AllowList;
use crossbeam_channel::Sender;
use enrich::{Enricher, Origin};
use flow::from_netflow::{Decoder, Refused};
use flow::row::Rows;
use netflow::datagram::Reject;
use netflow::template::Template;
pub(crate) use notices::Notices;
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
}

/// What one exporter has sent.
#[derive(Clone, Debug)]
pub(crate) struct ExporterReport {
    pub(crate) address: IpAddr,
    pub(crate) domain: u32,
    pub(crate) datagrams: u64,
    pub(crate) octets: u64,
    pub(crate) records: u64,
    pub(crate) good: u64,
    pub(crate) forward: u64,
    pub(crate) back: u64,
    pub(crate) lost: u64,
}

/// What a worker tells the main thread.
pub(crate) enum Message {
    /// Its exporters, as asked.
    Report(Vec<ExporterReport>),
    /// A template that is new or has changed.
    Template(IpAddr, Template),
    /// It works with what was read anew.
    Adopted,
    /// It has read its file to the end and goes on waiting.
    Finished,
    /// It ends; all templates that it knows.
    Ended(Vec<(IpAddr, Template)>),
}

/// A worker.
pub(crate) struct Worker {
    decoder: Decoder,
    enricher: Enricher,
    rows: Rows,
    /// Whose rows they are.
    origins: Vec<Origin>,
    shares: Vec<Share>,
    counters: Counters,
    tally: Tally,
    requests: Arc<Requests>,
    allow: Option<Arc<AllowList>>,
    version: u64,
    reported: u64,
    messages: Sender<Message>,
    notices: Notices,
    stop: Stop,
    housekept: u64,
    sets_pending: u64,
    exporters: u64,
}

/// What a worker works with.
pub(crate) struct Equipment {
    pub(crate) decoder: Decoder,
    pub(crate) enricher: Enricher,
    pub(crate) rows: Rows,
    /// In the order of the plugins.
    pub(crate) shares: Vec<Share>,
    pub(crate) allow: Option<Arc<AllowList>>,
}

impl Worker {
    pub(crate) fn new(
        equipment: Equipment,
        requests: Arc<Requests>,
        messages: Sender<Message>,
        notices: Notices,
        stop: Stop,
    ) -> Self {
        let Equipment { decoder, enricher, rows, shares, allow } = equipment;
        Self {
            decoder,
            enricher,
            rows,
            origins: Vec::new(),
            shares,
            counters: Counters::new(),
            tally: Tally::default(),
            version: requests.version.load(Ordering::Acquire),
            reported: 0,
            requests,
            allow,
            messages,
            notices,
            stop,
            housekept: 0,
            sets_pending: 0,
            exporters: 0,
        }
    }

    /// Reads the worker's counters from another thread.
    pub(crate) fn reader(&self) -> stats::Reader {
        self.counters.reader()
    }

    /// Works on a socket until the end is asked for.
    pub(crate) fn run_udp(mut self, mut receiver: capture::udp::Receiver) {
        let mut batch = Batch::new();
        let mut dropped = 0;
        while !self.stop.is_requested() {
            match receiver.receive(&mut batch, Some(WAIT)) {
                Ok(capture::udp::Received::Datagrams) => self.batch(&batch),
                Ok(_) => {}
                Err(error) => {
                    self.notices.receive_error(&error);
                    // An error that stays must not spin.
                    let _ = self.stop.pause(Duration::from_millis(100));
                }
            }
            if self.between() {
                let drops = receiver.drops().unwrap_or(dropped);
                self.tally.add(Counter::KernelDrops, u64::from(drops.wrapping_sub(dropped)));
                dropped = drops;
            }
        }
        // What the kernel holds was received before the end was asked for.
        for _ in 0..MAX_DRAIN {
            match receiver.receive(&mut batch, Some(Duration::ZERO)) {
                Ok(capture::udp::Received::Datagrams) => self.batch(&batch),
                // The bell that rang for the end.
                Ok(capture::udp::Received::Woken) => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.end();
    }

    /// Works on a capture file, and then waits if the settings say so.
    #[cfg(feature = "pcap")]
    pub(crate) fn run_file(
        mut self,
        mut file: capture::pcap_file::Payloads,
        settings: &capture::pcap_file::Settings,
        wake: &crossbeam_channel::Receiver<()>,
    ) {
        use capture::pcap_file::Filled;
        let mut batch = Batch::new();
        self.shares.iter_mut().for_each(|share| share.be_patient(PATIENCE));
        let path = settings.path.display().to_string();
        tracing::info!("reading NetFlow/IPFIX data from: {path}");
        self.pause(settings.delay, wake);
        while !self.stop.is_requested() {
            match file.fill(&mut batch) {
                Ok(Filled::Datagrams) => self.batch(&batch),
                // The next round is opened first, so that who watches the file sees that it is not over.
                Ok(Filled::Ended) => match file.again() {
                    Ok(true) => self.pause(settings.delay, wake),
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!("{path}: {error}");
                        break;
                    }
                },
                Err(error) => {
                    self.batch(&batch);
                    tracing::error!("{path}: {error}");
                    break;
                }
            }
            self.between();
        }
        self.aggregate();
        tracing::info!("finished reading NetFlow/IPFIX data from: {path}");
        if settings.wait && !self.stop.is_requested() {
            let _ = self.messages.try_send(Message::Finished);
            while !self.stop.is_requested() {
                self.pause(WAIT, wake);
            }
        }
        self.end();
    }

    /// Waits, and answers meanwhile.
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

    fn batch(&mut self, batch: &Batch) {
        for datagram in batch.iter() {
            self.tally.add(Counter::DatagramsReceived, 1);
            self.tally.add(Counter::OctetsReceived, datagram.payload.len() as u64);
            let source = datagram.source.ip();
            if self.allow.as_ref().is_some_and(|allow| !allow.allows(source)) {
                self.tally.add(Counter::DatagramsNotAllowed, 1);
                continue;
            }
            let first = self.rows.len();
            let decoded = self.decoder.datagram(source, datagram.payload, datagram.arrival_us, &mut self.rows);
            if self.rows.len() > first {
                self.origins.push(Origin { first, exporter: source });
                self.enricher.apply(source, &mut self.rows, first, self.decoder.strings_mut());
            }
            self.tally.add(outcome(decoded), 1);
            if let Err(refused) = decoded {
                self.notices.refused(source, refused);
            }
            if self.rows.len() >= ROWS {
                self.aggregate();
            }
        }
        self.aggregate();
    }

    fn aggregate(&mut self) {
        if !self.rows.is_empty() {
            for share in &mut self.shares {
                share.add(&self.rows, &self.origins, self.decoder.strings_mut());
            }
            self.rows.clear();
            self.origins.clear();
        }
        if self.decoder.trim_strings() {
            self.shares.iter_mut().for_each(Share::forget_strings);
            self.enricher.forget_strings();
        }
        self.count();
        self.shares.iter_mut().for_each(Share::publish);
    }

    /// Brings the decoder's counters into the worker's.
    fn count(&mut self) {
        let counts = self.decoder.take_counts();
        let tally = &mut self.tally;
        for (counter, count) in [
            (Counter::RecordsDecoded, counts.records),
            (Counter::OptionsRecords, counts.options_records),
            (Counter::RecordsFaulty, counts.faulty_sets + counts.records_without_flow),
            (Counter::SetsWithdrawn, counts.sets_withdrawn),
            (Counter::SetsHeld, counts.sets_kept),
            (Counter::SetsRecovered, counts.sets_recovered),
            (Counter::SetsExpired, counts.sets_expired),
            (Counter::SetsCrowded, counts.sets_crowded),
            (Counter::SetsAtShutdown, counts.sets_abandoned),
            (Counter::TemplatesLearned, counts.templates_new),
            (Counter::TemplatesChanged, counts.templates_changed),
            (Counter::TemplatesWithdrawn, counts.templates_withdrawn),
            (Counter::TemplatesRejected, counts.templates_faulty),
            (Counter::TemplatesEvicted, counts.templates_evicted),
            (Counter::SequenceGaps, counts.sequence_gaps),
            (Counter::SequenceLost, counts.sequence_lost),
            (Counter::SequenceRestarts, counts.sequence_back),
        ] {
            tally.add(counter, count);
        }
        let gone = counts.sets_recovered + counts.sets_expired + counts.sets_crowded + counts.sets_abandoned;
        self.sets_pending = (self.sets_pending + counts.sets_kept).saturating_sub(gone);
        self.tally.set(Counter::SetsPending, self.sets_pending);
        self.tally.set(Counter::Exporters, self.exporters);
        self.counters.publish(&mut self.tally);
        for notice in self.decoder.take_notices() {
            if let Some((exporter, template)) = self.notices.notice(notice) {
                // The file of templates is written whole at the end; one that is lost here is in it then.
                let _ = self.messages.try_send(Message::Template(exporter, template));
            }
        }
    }

    /// What is to be done between batches. True when it is time for housekeeping.
    fn between(&mut self) -> bool {
        for share in &mut self.shares {
            share.answer();
        }
        let report = self.requests.report.load(Ordering::Acquire);
        if report != self.reported {
            self.reported = report;
            let _ = self.messages.try_send(Message::Report(self.report()));
        }
        let version = self.requests.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            self.adopt();
        }
        let now = runtime::clock::now();
        if now.abs_diff(self.housekept) < HOUSEKEEPING {
            return false;
        }
        self.housekept = now;
        self.decoder.expire(now);
        self.exporters = self.decoder.exporters().count() as u64;
        self.count();
        true
    }

    /// Takes up what was read anew. No rows are left from before, so none sees both.
    #[cold]
    fn adopt(&mut self) {
        let snapshot = self.requests.snapshot.read().map(|snapshot| snapshot.clone()).unwrap_or_default();
        let Some(Snapshot { allow, pipeline }) = snapshot else { return };
        self.allow = allow;
        if self.decoder.needs().layout != pipeline.needs().layout {
            self.decoder.change_needs(pipeline.needs().clone());
            self.rows = Rows::new(&pipeline.needs().layout);
        }
        let (enricher, stages) = Enricher::new(pipeline.enrichment());
        self.enricher = enricher;
        for (number, (share, stage)) in self.shares.iter_mut().zip(stages).enumerate() {
            pipeline.change(number, share, stage);
        }
        let _ = self.messages.try_send(Message::Adopted);
    }

    fn report(&self) -> Vec<ExporterReport> {
        let report = |exporter: &flow::from_netflow::Exporter| ExporterReport {
            address: exporter.address,
            domain: exporter.domain,
            datagrams: exporter.datagrams,
            octets: exporter.octets,
            records: exporter.records,
            good: exporter.sequence.good,
            forward: exporter.sequence.forward,
            back: exporter.sequence.back,
            lost: exporter.sequence.lost,
        };
        // Exporters that are known by the templates file alone have sent nothing here.
        self.decoder.exporters().filter(|exporter| exporter.datagrams > 0).map(report).collect()
    }

    /// Hands out what is left.
    fn end(mut self) {
        self.decoder.abandon();
        self.aggregate();
        for share in self.shares {
            share.finish();
        }
        let templates = self.decoder.exporters().flat_map(|exporter| {
            let address = exporter.address;
            exporter.templates().map(move |template| (address, template.clone()))
        });
        let _ = self.messages.send(Message::Ended(templates.collect()));
    }
}

/// How long a file waits for a plugin that is behind.
#[cfg(feature = "pcap")]
const PATIENCE: Duration = Duration::from_secs(60);

/// Batches that are still taken from the kernel at the end; a sender that never stops must not keep the daemon alive.
const MAX_DRAIN: usize = 4096;

/// The counter of what became of a datagram.
fn outcome(decoded: Result<(), Refused>) -> Counter {
    match decoded {
        Ok(()) => Counter::DatagramsDecoded,
        Err(Refused::Header(Reject::TooShort(_))) => Counter::DatagramsTooShort,
        Err(Refused::Header(Reject::Version(_))) => Counter::DatagramsBadVersion,
        Err(Refused::Header(Reject::Count { .. })) => Counter::DatagramsBadCount,
        Err(Refused::Header(Reject::Length(_))) => Counter::DatagramsBadLength,
        Err(Refused::Exporters) => Counter::DatagramsNoRoom,
    }
}
