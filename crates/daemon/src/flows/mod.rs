//! The flow pipeline: workers receive messages, decode them to rows and aggregate the rows; plugins write the aggregates.
//!
//! The row of a daemon ([`Row`]) defines its messages and their sources ([`input`]), what else rows are filled from, and
//! its plugins. The part ([`Flows`]) opens, starts and ends all of these. Workers end first
//! and hand over their tables; then the plugins, which write them.

pub(crate) mod input;
pub(crate) mod intake;
mod losses;
mod pipeline;
pub(crate) mod protocols;
mod reload;
mod settings;
mod start;
mod statistics;
pub(crate) mod tee;
mod templates_file;
mod templates_topic;
mod worker;

pub(crate) use settings::checks::meant;

use crate::host::part::{self, Mailbox, Part, Prepare, Reading, Services};
use crate::host::{Activity, Board, ExporterActivity, InterfaceActivity, PluginCounters, Readers, describe};
use config::Diagnostics;
use config::problem::Severity;
use crossbeam_channel::Receiver;
use flow::primitive::Supply;
use input::{Input, InputKind};
use losses::Losses;
use netflow::template::Template;
use pipeline::Pipeline;
use plugins::outlet::Wake;
use runtime::threads::Threads;
use settings::{Settings, Tees};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tee::ReadTee;
use tracing::{error, info, warn};
use worker::{Message, Report, Requests};

/// Capacity of the channel from the workers to the main thread.
const MESSAGES: usize = 4096;

/// Link types whose frames have MAC addresses and VLAN tags, by libpcap's numbers.
const ADDRESSED: &[i32] = &[1, 6, 10, 105, 113, 127];

/// Where the application of a flow (`class`) is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applications {
    /// Sent by the exporter.
    Exported,
    /// Recognised from packets by nDPI, if it is built in.
    Recognised,
}

/// The pipeline of a daemon.
pub(crate) struct Row {
    /// What comes in.
    pub(crate) input: &'static dyn InputKind,
    /// Where the application of a flow is known from.
    pub(crate) applications: Applications,
    /// How it reads the plugin that replicates datagrams; `None` if it has none.
    pub(crate) tee: Option<ReadTee>,
    /// Its kinds of plugins.
    pub(crate) sinks: &'static [&'static plugins::kinds::Kind],
}

impl part::Kind for Row {
    fn plugins(&self) -> &'static [&'static plugins::kinds::Kind] {
        self.sinks
    }

    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let (settings, tees, input) = Settings::read(self, reading)?;
        Some(Box::new(Flows::new(settings, tees, input)))
    }
}

/// The pipeline.
struct Flows {
    settings: Settings,
    /// The tee plugins, in the order of the configuration.
    tees: Tees,
    input: Box<dyn Input>,
    requests: Arc<Requests>,
    wakes: Arc<[Wake]>,
    /// Set by [`Part::prepare`].
    pipeline: Option<Arc<Pipeline>>,
    /// Where clients of brokers start; set while workers run.
    threads: Option<Threads>,
    /// Set while workers run.
    messages: Option<Receiver<Message>>,
    readers: Readers,
    losses: Losses,
    ended_workers: usize,
    /// A worker could not go on.
    failed: bool,
    /// The templates that workers knew at their end.
    templates: Vec<(IpAddr, Template)>,
    reports: Vec<Report>,
    /// Reports were requested and are awaited.
    reporting: bool,
    /// They are for the log.
    is_logged: bool,
    /// Where counters and reports are published; set while workers run.
    board: Option<Arc<Board>>,
    /// The number of the latest snapshot, and how many workers use it.
    applied: (u64, usize),
}

impl Flows {
    fn new(settings: Settings, tees: Tees, input: Box<dyn Input>) -> Self {
        let losses = Losses::new(input.as_ref(), &settings.names, settings.plugins.len() + tees.len());
        Self {
            settings,
            tees,
            threads: None,
            input,
            requests: Arc::default(),
            wakes: Arc::new([]),
            pipeline: None,
            messages: None,
            readers: Readers::default(),
            losses,
            ended_workers: 0,
            failed: false,
            templates: Vec::new(),
            reports: Vec::new(),
            reporting: false,
            is_logged: false,
            board: None,
            applied: (0, 0),
        }
    }

    fn wake(&self) {
        self.wakes.iter().for_each(|wake| wake());
    }

    /// Workers that have not ended.
    fn working(&self) -> usize {
        self.readers.workers.len().saturating_sub(self.ended_workers)
    }

    /// The pipeline that is in force.
    fn current(&self) -> Option<Arc<Pipeline>> {
        let snapshot = self.requests.snapshot.read().ok();
        let newest =
            snapshot.and_then(|snapshot| snapshot.as_ref().map(|snapshot| Arc::clone(&snapshot.pipeline)));
        newest.or_else(|| self.pipeline.clone())
    }

    /// Whether a report answers the request that is under way.
    fn is_awaited(&self, report: &Report) -> bool {
        self.reporting && report.request == self.requests.report.load(Ordering::Acquire)
    }

    fn ask_workers(&mut self) {
        self.requests.report.fetch_add(1, Ordering::AcqRel);
        self.reports.clear();
        self.reporting = true;
        self.wake();
    }

    /// Publishes the workers' reports, once all are there: with one missing, figures would decrease.
    fn show_activity(&self) {
        let Some(board) = self.board.as_ref().filter(|_| self.reports.len() >= self.working()) else { return };
        let exporters =
            self.reports.iter().flat_map(|report| &report.exporters).map(|exporter| ExporterActivity {
                address: exporter.address,
                datagrams: exporter.datagrams,
                bytes: exporter.bytes,
                records: exporter.records,
                gaps: exporter.forward,
                lost: exporter.lost,
            });
        let interfaces =
            self.reports.iter().flat_map(|report| &report.interfaces).map(|interface| InterfaceActivity {
                name: interface.name.clone(),
                direction: interface.direction,
                received: interface.received,
                dropped: interface.dropped,
            });
        board.show_activity(Activity { exporters: exporters.collect(), interfaces: interfaces.collect() });
    }

    fn message(&mut self, message: Message) {
        match message {
            // A late report belongs to no request.
            Message::Report(report) if self.is_awaited(&report) => self.reports.push(report),
            Message::Report(_) => {}
            Message::Learned(exporter, learned) => self.input.learn(exporter, learned),
            Message::Applied(version) => {
                if self.applied.0 != version {
                    self.applied = (version, 0);
                }
                self.applied.1 += 1;
            }
            #[cfg(feature = "pcap")]
            Message::Finished => info!("waiting for a signal"),
            Message::Ended { templates, failed } => {
                self.ended_workers += 1;
                self.failed |= failed;
                self.templates.extend(templates);
            }
        }
    }

    /// Compiles filters for the link types, which are known once the sources are open.
    fn compile_for_links(&mut self) -> Result<(), String> {
        let links = self.input.links();
        // Without link types, filters were compiled for Ethernet, and their errors reported.
        if links.is_empty() || links == [filter::ETHERNET] {
            return Ok(());
        }
        let settings = &mut self.settings;
        // Frames without Ethernet addresses leave the primitives of Ethernet empty.
        if !self.input.has_addresses() && !links.iter().any(|link| ADDRESSED.contains(link)) {
            for plugin in &mut settings.plugins {
                for name in plugin.aggregation.selection.without(Supply::Ethernet) {
                    warn!(
                        "aggregate[{}]: '{name}' is ignored: frames of this link type do not have it.",
                        plugin.name
                    );
                }
            }
        }
        if settings.context.links == links {
            return Ok(());
        }
        settings.context.links = links;
        let mut problems = Diagnostics::new();
        let Settings { enrichment, context, routes, .. } = &*settings;
        settings.files_read = settings::read_files(enrichment, context, routes.as_ref(), &mut problems);
        // Rules that frames of this type cannot match are ignored; the operator must know.
        for problem in problems.joined().iter().filter(|problem| problem.severity == Severity::Warning) {
            warn!("{}", describe(problem));
        }
        match problems.iter().find(|problem| problem.severity == Severity::Fatal) {
            Some(problem) => Err(describe(problem)),
            None => Ok(()),
        }
    }
}

impl Part for Flows {
    fn review(&self, problems: &mut Diagnostics) {
        self.settings.files_read.review(problems);
    }

    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.input.owned_files()
    }

    fn open(&mut self) -> Result<(), String> {
        self.wakes = self.input.open()?.into();
        self.settings.plugins.iter_mut().try_for_each(|plugin| plugin.sink.open())?;
        self.tees.iter_mut().try_for_each(|tee| tee.open(self.wakes.len()))?;
        self.compile_for_links()?;
        self.settings.files_read.sizes().iter().for_each(|size| info!("{size}"));
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.input.prepare()?;
        let plans = self.tees.iter().map(|tee| tee.plan()).collect();
        let pipeline = start::pipeline(&self.settings, plans, self.input.require());
        for (plugin, schema) in self.settings.plugins.iter().zip(&pipeline.schemas) {
            plugin.sink.check_columns(schema)?;
        }
        self.pipeline = Some(Arc::new(pipeline));
        Ok(())
    }

    fn set_up(&mut self) -> Result<(), String> {
        let Some(pipeline) = &self.pipeline else { return Ok(()) };
        let mut plugins = self.settings.plugins.iter_mut().zip(&pipeline.schemas);
        plugins.try_for_each(|(plugin, schema)| plugin.sink.set_up(schema))
    }

    fn try_out(&mut self) -> Result<(), String> {
        self.settings.plugins.iter_mut().try_for_each(|plugin| plugin.sink.try_out())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        self.start_threads(services)?;
        services.board.show(&self.readers);
        self.board = Some(Arc::clone(&services.board));
        Ok(())
    }

    fn announce(&self) {
        self.input.announce();
    }

    fn is_working(&self) -> bool {
        self.working() > 0
    }

    fn receive(&mut self) {
        while let Some(message) = self.messages.as_ref().and_then(|messages| messages.try_recv().ok()) {
            self.message(message);
        }
        if self.reporting && !self.is_logged && self.has_answered() {
            self.show_activity();
            self.reporting = false;
            self.reports.clear();
        }
    }

    fn tick(&mut self) {
        self.losses.check(&self.readers, false);
        // A report for the log is also published.
        if self.board.as_ref().is_some_and(|board| board.take_request()) && !self.is_logged {
            self.ask_workers();
        }
    }

    fn thread_ended(&mut self, name: &str, stopping: bool) {
        // Plugins end after the workers, whose messages have arrived by then; one that ends earlier has failed.
        if !stopping && self.is_working() && name.contains('[') {
            warn!("connection lost to '{name}'; closing connection.");
        }
    }

    fn rereads(&self) -> Option<&'static str> {
        Some("maps, lists and networks")
    }

    fn watched(&self) -> Vec<PathBuf> {
        let files = self.settings.enrichment.files().into_iter().map(PathBuf::from);
        let receivers = self.tees.iter().map(|tee| tee.receivers());
        files.chain(self.settings.allow_file.clone()).chain(receivers).chain(self.input.files()).collect()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        Some(reload::prepare(self))
    }

    fn has_settled(&self) -> bool {
        let version = self.requests.version.load(Ordering::Acquire);
        let applied = if self.applied.0 == version { self.applied.1 } else { 0 };
        version == 0 || applied >= self.working()
    }

    fn ask_for_report(&mut self) {
        self.is_logged = true;
        self.ask_workers();
    }

    fn has_answered(&self) -> bool {
        self.reports.len() >= self.working()
    }

    fn report(&mut self, now: u64) {
        self.show_activity();
        (self.reporting, self.is_logged) = (false, false);
        let reports = std::mem::take(&mut self.reports);
        let Some(pipeline) = self.current() else { return };
        let listen = self.settings.listen.as_deref();
        statistics::print(listen, now, reports, &self.readers, pipeline.enrichment(), &self.input.lines());
    }

    fn stop(&mut self) {
        self.input.stop();
        self.wake();
    }

    fn close(&mut self) {
        self.input.end(std::mem::take(&mut self.templates));
    }

    fn is_finite(&self) -> bool {
        self.input.is_finite()
    }

    fn has_failed(&mut self, finite: bool) -> bool {
        self.losses.check(&self.readers, true);
        for plugin in &self.readers.plugins {
            let lost = stats::Snapshot::sum(&plugin.readers);
            for line in stats::check(&lost, stats::Scope::Plugin) {
                error!("{}/{}: {line}", plugin.name, plugin.kind);
            }
            let dropped = lost[stats::Counter::RecordsDroppedBound];
            if dropped > 0 {
                error!(
                    "{}/{}: {dropped} records were dropped because its table was full",
                    plugin.name, plugin.kind
                );
            }
            self.failed |= finite && is_unwritten(plugin, &lost);
        }
        self.failed
    }
}

/// After reading a file, the operator wants to know whether everything was written.
fn is_unwritten(plugin: &PluginCounters, counters: &stats::Snapshot) -> bool {
    let waiting = counters[stats::Counter::AggregatesWaiting];
    let dropped = counters.family("aggregates_dropped_total");
    if waiting + dropped > 0 {
        let (name, kind) = (&plugin.name, plugin.kind);
        error!(
            "{name}/{kind}: not all was written: {dropped} aggregates were dropped, {waiting} remain in the spool"
        );
    }
    // These have lines of their own.
    let lost = counters.family("records_dropped_total") + counters[stats::Counter::FilesUnwritten];
    waiting + dropped + lost > 0
}
