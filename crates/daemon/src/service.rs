//! A daemon at work: what runs, what happens to it, and how it ends.

use crate::intake::{Intake, PATIENCE, Source};
use crate::losses::Losses;
use crate::pipeline::Pipeline;
use crate::reload::{self, Reloads};
use crate::settings::{Confinement, Front, PluginKind, PluginSettings, Settings, SflowSettings};
use crate::statistics::{self, PluginCounters};
use crate::templates_file::{self, Keeper};
use crate::worker::{Classes, Equipment, Message, NetFlow, Packets, Report, Requests, Sflow, Share, Worker};
use crate::{Daemon, about, counter_log, owned};
use capture::allow::AllowList;
use config::Problems;
use config::problem::{Problem, Severity};
use crossbeam_channel::Receiver;
use plugins::outlet::{self, Inlet, Outlet, Wake};
use runtime::confine::{self, Outcome};
use runtime::events::{Event, Signal, Stop, Woken};
use runtime::log::Identity;
use runtime::threads::{End, Threads};
use runtime::{clock, notify, pid, privileges, signals};
use stats::{Counters, Reader};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Messages of workers that may wait for the main thread.
const MESSAGES: usize = 4096;
/// How often the main thread looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// How long statistics wait for the workers' answers.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

/// Link types whose frames have MAC addresses and VLAN tags, by libpcap's numbers.
const ADDRESSED: &[i32] = &[1, 6, 10, 105, 113, 127];

/// What is open before threads start.
struct Opened {
    sources: Vec<(Source, Wake)>,
    places: Vec<Place>,
}

/// Where a plugin's aggregates go, opened.
enum Place {
    /// To files, which are opened when there is something to write.
    Files,
    /// Nowhere: a socket answers questions.
    Memory(plugins::memory::Opened),
    /// To a server or a database.
    Store(plugins::store::Opened),
}

/// Runs the daemon. Logging is configured already.
pub(crate) fn run(daemon: &Daemon, settings: Settings) -> ExitCode {
    info!("{}, {} {}", daemon.title, daemon.name, about::VERSION);
    match &settings.config_file {
        Some(file) => info!("Reading configuration file '{}'.", file.display()),
        None => info!("Reading configuration from cmdline."),
    }
    // Whoever asks for a dry run, or for a start in the background, waits for what comes of it, wherever the log goes.
    let is_elsewhere = settings.log.file.is_some() || settings.log.syslog.is_some();
    let is_awaited = is_elsewhere && (settings.dry_run || runtime::daemonize::is_child());
    let name = settings.core_name.clone();
    match Service::start(daemon, settings) {
        Ok(Some(service)) => {
            let threads = service.threads.clone();
            threads.leave(service.run())
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(problem) => {
            error!("{problem}");
            if is_awaited {
                eprintln!("ERROR ( {name}/core ): {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

struct Service {
    settings: Settings,
    threads: Threads,
    events: runtime::events::Events,
    stop: Stop,
    requests: Arc<Requests>,
    /// How often files that are written to were to be opened again.
    reopenings: Arc<AtomicU64>,
    /// Blocks of sFlow counters that a file or a broker did not take.
    unwritten: Arc<AtomicU64>,
    messages: Receiver<Message>,
    /// Held while the main thread waits for messages, until the end.
    message_sender: Option<crossbeam_channel::Sender<Message>>,
    wakes: Vec<Wake>,
    workers: Vec<Reader>,
    plugins: Vec<PluginCounters>,
    pipeline: Arc<Pipeline>,
    allow: Option<Arc<AllowList>>,
    templates: Option<Keeper>,
    reloads: Reloads,
    ended_workers: usize,
    /// A worker, or another thread, could not go on.
    failed: bool,
    known: Vec<(std::net::IpAddr, netflow::template::Template)>,
    reports: Vec<Report>,
    /// Until when the statistics that were asked for wait for workers.
    report_due: Option<Instant>,
    /// They were asked for once more.
    report_again: bool,
    losses: Losses,
    notifier: notify::Notifier,
    _signals: signals::Listener,
    /// The pid file, and those that keep a second daemon away from what one alone may write.
    _locks: Vec<pid::PidFile>,
}

impl Service {
    /// Opens everything, then starts everything. `None`: a dry run has come to its end.
    fn start(daemon: &Daemon, mut settings: Settings) -> Result<Option<Self>, String> {
        let problem = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        // Before sockets: a second daemon would take a part of the traffic until it ends.
        let pid_file = match &settings.pid_file {
            Some(path) => Some(pid::PidFile::write(path, &settings.files).map_err(problem("pidfile"))?),
            None => None,
        };
        let mut opened = open(&settings)?;
        see(&mut settings, &opened)?;
        settings.files_read.sizes().iter().for_each(|size| info!("{size}"));
        let started = (clock::now() / 1_000_000) as i64;
        let Prepared { pipeline, restored } = prepare(&settings, started)?;
        let pipeline = Arc::new(pipeline);
        let allow = settings.allow.clone();
        privileges::drop_to(settings.user.as_deref(), settings.group.as_deref())
            .map_err(|problem| problem.to_string())?;
        // After the user is known who makes missing folders, and before any thread.
        confine(&settings)?;
        let stop = Stop::new();
        let notifier = notify::Notifier::from_environment();
        let tick = notifier.watchdog_interval().map_or(TICK, |interval| interval.min(TICK));
        let (sender, events) = runtime::events::channel(Some(tick));
        let threads = Threads::new(sender.clone(), stop.clone());
        let listener = signals::start(sender, stop.clone()).map_err(problem("signals"))?;
        let (message_sender, messages) = crossbeam_channel::bounded(MESSAGES);
        let requests = Arc::new(Requests::default());
        open_stores(&settings, &pipeline, &mut opened.places)?;
        let mut locks: Vec<pid::PidFile> = pid_file.into_iter().collect();
        locks.extend(owned::take(&settings)?);
        if settings.dry_run {
            for (plugin, place) in settings.plugins.iter().zip(&mut opened.places) {
                if let Place::Store(opened) = place {
                    opened.try_store(&plugin.name)?;
                }
            }
            // All that can fail has not failed; from here on there would be traffic, and output.
            println!("INFO ( {}/core ): Dry run 'setup'. Exiting ..", settings.core_name);
            return Ok(None);
        }
        let mut templates = None;
        if let Some(file) = settings.front.templates_file() {
            let (keeper, writer) = Keeper::new(file.clone(), &restored);
            let identity = Identity::new(&settings.core_name, "core").debug(settings.debug);
            threads
                .spawn("templates", identity, move || writer.run())
                .map_err(problem("cannot start a thread"))?;
            templates = Some(keeper);
        }
        let mut service = Self {
            threads,
            events,
            stop,
            requests,
            reopenings: Arc::default(),
            unwritten: Arc::default(),
            messages,
            message_sender: Some(message_sender.clone()),
            wakes: opened.sources.iter().map(|(_, wake)| Arc::clone(wake)).collect(),
            workers: Vec::new(),
            plugins: Vec::new(),
            pipeline: Arc::clone(&pipeline),
            allow,
            templates,
            reloads: Reloads::new(&settings),
            ended_workers: 0,
            failed: false,
            known: Vec::new(),
            reports: Vec::new(),
            report_due: None,
            report_again: false,
            losses: Losses::new(&settings.front, settings.plugins.len()),
            notifier,
            _signals: listener,
            _locks: locks,
            settings,
        };
        service
            .start_threads(daemon, opened, &pipeline, &restored, &message_sender)
            .map_err(problem("cannot start a thread"))?;
        Ok(Some(service))
    }

    fn start_threads(
        &mut self,
        daemon: &Daemon,
        opened: Opened,
        pipeline: &Pipeline,
        restored: &[templates_file::Known],
        messages: &crossbeam_channel::Sender<Message>,
    ) -> std::io::Result<()> {
        let restored: Vec<_> = restored.iter().map(|known| (known.exporter, known.template.clone())).collect();
        let count = opened.sources.len();
        let mut counters_of = self.start_counter_log(count)?;
        let mut outlets: Vec<Vec<Outlet>> = (0..count).map(|_| Vec::new()).collect();
        let plugins = self.settings.plugins.clone();
        for ((plugin, schema), place) in plugins.iter().zip(&pipeline.schemas).zip(opened.places) {
            let (ends, mut inlet) = outlet::channel(count, self.settings.tables_max);
            inlet.set_wakes(self.wakes.clone());
            outlets.iter_mut().zip(ends).for_each(|(outlets, end)| outlets.push(end));
            let counters = Counters::new();
            self.plugins.push(PluginCounters {
                name: plugin.name.clone(),
                kind: plugin.kind.word(),
                readers: vec![counters.reader()],
            });
            self.start_plugin(plugin, Arc::clone(schema), place, inlet, counters, pipeline)?;
        }
        for (number, ((mut source, _), outlets)) in opened.sources.into_iter().zip(outlets).enumerate() {
            let parts = pipeline.worker();
            let shares: Vec<Share> = (parts.aggregators.into_iter().zip(outlets))
                .map(|((aggregator, stage, bound), outlet)| Share::new(aggregator, stage, outlet, bound))
                .collect();
            for (plugin, share) in self.plugins.iter_mut().zip(&shares) {
                plugin.readers.push(share.reader());
            }
            let counters = Counters::new();
            self.workers.push(counters.reader());
            let layout = &pipeline.needs().layout;
            let recognition = self.settings.recognition.as_ref();
            let classes =
                recognition.map(|recognition| Classes::new(recognition, layout).ok_or(ErrorKind::OutOfMemory));
            let equipment = Equipment {
                classes: classes.transpose()?,
                enricher: parts.enricher,
                output: parts.output,
                max_strings: self.settings.peer_state.strings,
                shares,
                allow: self.allow.clone(),
                requests: Arc::clone(&self.requests),
                messages: messages.clone(),
                stop: self.stop.clone(),
                counters,
            };
            let (needs, share) = (pipeline.needs().clone(), self.settings.exporter_share);
            let work: Box<dyn FnOnce() + Send> = match &self.settings.front {
                Front::NetFlow(front) => {
                    let netflow =
                        NetFlow::new(needs, front.decode.clone(), front.times, &restored, front.unchecked);
                    let worker = Worker::new(netflow, equipment);
                    Box::new(move || source.run(worker, share))
                }
                Front::Sflow(front) => {
                    let sflow = Sflow::new(&needs, front.decode.clone(), counters_of.pop(), front.unchecked);
                    let worker = Worker::new(sflow, equipment);
                    Box::new(move || source.run(worker, share))
                }
                Front::Packets(front) => {
                    let (filter, live) = source.take_filter();
                    let worker = Worker::new(Packets::new(&needs, front.clone(), live, filter), equipment);
                    Box::new(move || source.run_packets(worker))
                }
            };
            let identity = Identity::new(&self.settings.core_name, "core").debug(self.settings.debug);
            self.threads.spawn(format!("{}/w{number}", daemon.name), identity, work)?;
        }
        Ok(())
    }

    /// The thread that writes counters of sFlow, and what workers give it.
    fn start_counter_log(&self, workers: usize) -> std::io::Result<Vec<counter_log::Lines>> {
        let Front::Sflow(SflowSettings { counters: Some(settings), .. }) = &self.settings.front else {
            return Ok(Vec::new());
        };
        let (lines, log, deliveries) = counter_log::open(settings, workers, &self.reopenings, &self.unwritten);
        for delivery in deliveries {
            let identity = Identity::new(&self.settings.core_name, "core").debug(self.settings.debug);
            let threads = self.threads.clone();
            self.threads.spawn_aside("counters/courier", identity, move || {
                delivery.run(|what| threads.refuse(what));
            })?;
        }
        let identity = Identity::new(&self.settings.core_name, "core").debug(self.settings.debug);
        self.threads.spawn("counters".to_owned(), identity, move || log.run())?;
        Ok(lines)
    }

    fn start_plugin(
        &self,
        plugin: &PluginSettings,
        schema: Arc<flow::schema::Schema>,
        place: Place,
        inlet: Inlet,
        counters: Counters,
        pipeline: &Pipeline,
    ) -> std::io::Result<()> {
        let identity = Identity::new(&plugin.name, plugin.kind.word()).debug(plugin.debug);
        let name = format!("{}[{}]", plugin.kind.word(), plugin.name);
        match (&plugin.kind, place) {
            (PluginKind::Print(settings), _) => {
                let settings = settings.clone();
                self.threads.spawn(name, identity, move || {
                    plugins::print::run(&settings, &schema, inlet, counters);
                })
            }
            (PluginKind::Memory(_), Place::Memory(opened)) => {
                let hash = pipeline.hash.clone();
                self.threads.spawn(name, identity, move || {
                    plugins::memory::run(opened, schema, hash, inlet, counters);
                })
            }
            (PluginKind::Store(settings, _), Place::Store(opened)) => {
                let (settings, threads) = (settings.clone(), self.threads.clone());
                let (courier, as_plugin) = (format!("{}/courier", plugin.name), identity.clone());
                self.threads.spawn(name, identity, move || {
                    let refusing = threads.clone();
                    let spawn = |work| {
                        if let Err(error) = threads.spawn_aside(courier, as_plugin, work) {
                            error!("cannot start a thread, nothing will be written: {error}");
                        }
                    };
                    let refuse = move |what| refusing.refuse(what);
                    plugins::store::run(&settings, &schema, opened, inlet, counters, spawn, refuse);
                })
            }
            // Each plugin of these kinds got its place before.
            (PluginKind::Memory(_) | PluginKind::Store(..), _) => Ok(()),
        }
    }

    fn run(mut self) -> ExitCode {
        self.settings.intake.announce(self.settings.front.what());
        self.notifier.ready("collecting");
        if let Err(error) = runtime::daemonize::ready() {
            warn!("daemonize: /dev/null: {error}");
        }
        while self.working() > 0 {
            self.report_if_complete();
            self.go_on_with_reload();
            let due = [self.report_due, self.reloads.due()].into_iter().flatten().min();
            let event = match self.events.wait_with(&self.messages, due) {
                Some(Woken::Event(event)) => event,
                Some(Woken::Message(message)) => {
                    self.message(message);
                    continue;
                }
                None => continue,
            };
            match event {
                Event::Signal(signal) if signal.is_stop() => {
                    info!("{} received. Exiting ...", signal.name());
                    break;
                }
                Event::Signal(Signal::Hangup) => {
                    runtime::log::reopen();
                    self.reopenings.fetch_add(1, Ordering::AcqRel);
                }
                Event::Signal(Signal::User1) => self.ask_for_reports(),
                Event::Signal(Signal::User2) if self.settings.reload => self.reload(),
                Event::Signal(_) => {}
                Event::Force => break,
                Event::Refused(what) => {
                    self.refused(&what);
                    break;
                }
                Event::ThreadEnded { name, how: End::Panicked { .. } } => {
                    error!("thread {name} has failed; ending after what can be written is written");
                    self.failed = true;
                    break;
                }
                Event::ThreadEnded { name, how: End::Returned } => {
                    // Plugins end after the workers, whose messages have come by then; one that ends before is gone.
                    self.take_messages();
                    let works = !self.stop.is_requested() && self.ended_workers < self.workers.len();
                    if works && name.contains('[') {
                        warn!("connection lost to '{name}'; closing connection.");
                    }
                }
                Event::Tick => {
                    self.notifier.watchdog();
                    if self.reloads.has_changed() {
                        self.reload();
                    }
                    self.losses.look(&self.workers, &self.plugins, false);
                }
            }
        }
        self.end()
    }

    /// A database or a broker says no to something that the configuration decides.
    fn refused(&mut self, what: &str) {
        error!("{what}");
        self.failed = true;
    }

    fn wake(&self) {
        for wake in &self.wakes {
            wake();
        }
    }

    fn take_messages(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.message(message);
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            // One that comes after its time belongs to no request.
            Message::Report(report) if self.report_due.is_some() => self.reports.push(report),
            Message::Report(_) => {}
            Message::Template(exporter, template) => {
                if let Some(keeper) = &self.templates {
                    keeper.learn(exporter, template);
                }
            }
            Message::Adopted => self.reloads.adopted(),
            Message::Finished => info!("waiting for a signal"),
            Message::Ended { templates, failed } => {
                self.ended_workers += 1;
                self.failed |= failed;
                self.known.extend(templates);
            }
        }
    }

    /// Asks the workers for statistics; while they answer, the next request waits.
    fn ask_for_reports(&mut self) {
        if self.report_due.is_some() {
            self.report_again = true;
            return;
        }
        self.requests.report.fetch_add(1, Ordering::AcqRel);
        self.reports.clear();
        self.wake();
        self.report_due = Some(Instant::now() + REPORT_PATIENCE);
    }

    /// Prints the statistics when all workers have answered; those that do not answer in time are left out.
    fn report_if_complete(&mut self) {
        let Some(due) = self.report_due else { return };
        if self.reports.len() < self.working() && Instant::now() < due {
            return;
        }
        let now = clock::now() / 1_000_000;
        let reports = std::mem::take(&mut self.reports);
        statistics::print(
            self.settings.listen.as_deref(),
            now,
            reports,
            &self.workers,
            &self.plugins,
            self.pipeline.enrichment(),
            self.templates.as_ref().map(Keeper::line),
        );
        self.report_due = None;
        if std::mem::take(&mut self.report_again) {
            self.ask_for_reports();
        }
    }

    /// Reads again what can be read again.
    fn reload(&mut self) {
        if self.reloads.ask(&self.threads, &self.pipeline) {
            self.notifier.reloading();
        }
    }

    /// Does what a reload under way has to do now.
    fn go_on_with_reload(&mut self) {
        while let Some(step) = self.reloads.step(Instant::now(), self.working()) {
            match step {
                reload::Step::HandOver(snapshot) => {
                    self.pipeline = Arc::clone(&snapshot.pipeline);
                    if let Ok(mut place) = self.requests.snapshot.write() {
                        *place = Some(snapshot);
                    }
                    self.requests.version.fetch_add(1, Ordering::AcqRel);
                    self.wake();
                }
                reload::Step::Ended => {
                    self.notifier.ready("collecting");
                    if self.reloads.take_again() {
                        self.reload();
                    }
                }
            }
        }
    }

    /// Workers that have not ended.
    fn working(&self) -> usize {
        self.workers.len().saturating_sub(self.ended_workers)
    }

    fn end(mut self) -> ExitCode {
        self.notifier.stopping();
        self.stop.request();
        self.wake();
        self.message_sender = None;
        let deadline = Instant::now() + PATIENCE;
        // Workers tell their templates through a bounded channel, so it is read until they have ended.
        while self.ended_workers < self.workers.len() && Instant::now() < deadline {
            match self.messages.recv_timeout(TICK) {
                Ok(message) => self.message(message),
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                    self.notifier.watchdog();
                    if self.stop.is_forced() || self.threads.has_panicked() {
                        break;
                    }
                }
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Some(keeper) = self.templates.take() {
            keeper.end(std::mem::take(&mut self.known));
        }
        let running = self.threads.join_all(PATIENCE);
        if !running.is_empty() {
            error!("did not end in time: {}", running.join(", "));
            self.failed = true;
        }
        self.failed |= self.threads.has_panicked();
        // It may have been refused while the end was under way.
        while let Some(event) = self.events.wait_until(Instant::now()) {
            if let Event::Refused(what) = event {
                self.refused(&what);
            }
        }
        self.losses.look(&self.workers, &self.plugins, true);
        for plugin in &self.plugins {
            let lost = stats::Snapshot::sum(&plugin.readers);
            for line in stats::check(&lost, stats::Scope::Plugin) {
                error!("{}/{}: {line}", plugin.name, plugin.kind);
            }
            let dropped = lost.family("records_dropped_total");
            if dropped > 0 {
                error!(
                    "{}/{}: {dropped} records were dropped at the bound of its table",
                    plugin.name, plugin.kind
                );
            }
            self.failed |= self.settings.intake.is_file() && is_unwritten(plugin, &lost);
        }
        let unwritten = self.unwritten.load(Ordering::Acquire);
        if unwritten > 0 {
            error!("{unwritten} blocks of counters were not written");
            self.failed |= self.settings.intake.is_file();
        }
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Filters are compiled for what frames start with, which is known when their sources are open.
fn see(settings: &mut Settings, opened: &Opened) -> Result<(), String> {
    let links: Vec<i32> = opened.sources.iter().flat_map(|(source, _)| source.links()).collect();
    // Without link types filters are compiled for Ethernet, and what is wrong with them was told.
    if links.is_empty() || links == [filter::ETHERNET] {
        return Ok(());
    }
    // Frames without Ethernet addresses have none to be shown.
    let is_log = matches!(settings.intake, Intake::Nflog(_));
    if !is_log && !links.iter().any(|link| ADDRESSED.contains(link)) {
        for plugin in &mut settings.plugins {
            for name in plugin.aggregation.selection.without(&["src_mac", "dst_mac", "vlan"]) {
                warn!("aggregate[{}]: '{name}' is left out: these frames have no such thing.", plugin.name);
            }
        }
    }
    if settings.context.links == links {
        return Ok(());
    }
    settings.context.links = links;
    let mut problems = Problems::new();
    settings.files_read = enrich::Loaded::read(&settings.enrichment, &settings.context, &mut problems);
    // Rules that frames of this type cannot fulfil are left out, which must be known.
    for problem in problems.joined().iter().filter(|problem| problem.severity == Severity::Warning) {
        warn!("{}", describe(problem));
    }
    match problems.iter().find(|problem| problem.severity == Severity::Fatal) {
        Some(problem) => Err(describe(problem)),
        None => Ok(()),
    }
}

/// `landlock`: from here on the process reaches only the files that it needs.
fn confine(settings: &Settings) -> Result<(), String> {
    let access = match &settings.confinement {
        None => return Ok(()),
        Some(Confinement::Triggers(plugin)) => {
            info!("Landlock: not used, as the trigger of plugin '{plugin}' would be confined as well.");
            return Ok(());
        }
        Some(Confinement::To(access)) => access,
    };
    match confine::confine(access, &settings.files).map_err(|error| format!("landlock: {error}"))? {
        Outcome::Whole => info!("Landlock: only files that the configuration needs can be reached."),
        Outcome::Partly => {
            info!(
                "Landlock: only files that the configuration needs can be reached, by the rights that this kernel knows."
            );
        }
        Outcome::Absent => info!("Landlock: not used, as this kernel has none."),
    }
    Ok(())
}

fn open(settings: &Settings) -> Result<Opened, String> {
    let sources = settings.intake.open(settings.front.collector()).map_err(|refused| refused.to_string())?;
    let place = |plugin: &PluginSettings| match &plugin.kind {
        PluginKind::Memory(memory) => plugins::memory::open(memory)
            .map(Place::Memory)
            .map_err(|error| format!("imt_path[{}]: {error}", plugin.name)),
        PluginKind::Print(_) | PluginKind::Store(..) => Ok(Place::Files),
    };
    let places = settings.plugins.iter().map(place).collect::<Result<_, _>>()?;
    Ok(Opened { sources, places })
}

/// Whoever reads a file wants to know whether all of it arrived.
fn is_unwritten(plugin: &PluginCounters, counters: &stats::Snapshot) -> bool {
    let waiting = counters[stats::Counter::AggregatesWaiting];
    let given_up = counters.family("aggregates_given_up_total");
    if waiting + given_up > 0 {
        let (name, kind) = (&plugin.name, plugin.kind);
        error!(
            "{name}/{kind}: not all was written: {given_up} aggregates were given up, {waiting} wait in the spool"
        );
    }
    // These have lines of their own.
    let lost = counters.family("records_dropped_total") + counters[stats::Counter::FilesUnwritten];
    waiting + given_up + lost > 0
}

/// Prepares databases and brokers, when it is known what they will hold, and their spools as the user that will use them.
fn open_stores(settings: &Settings, pipeline: &Pipeline, places: &mut [Place]) -> Result<(), String> {
    for ((plugin, schema), place) in settings.plugins.iter().zip(&pipeline.schemas).zip(places) {
        if let PluginKind::Store(store, kind) = &plugin.kind {
            let (encoder, backend) = kind.make(schema, clock::now() / 1_000_000);
            *place = Place::Store(plugins::store::Opened::new(store, encoder, backend)?);
        }
    }
    Ok(())
}

/// What the daemon works with once it runs, made of its settings alone.
pub(crate) struct Prepared {
    pipeline: Pipeline,
    /// Templates of an earlier run.
    restored: Vec<templates_file::Known>,
}

/// Makes it; a check of the configuration does the same, and opens nothing. `started`: seconds since 1970.
///
/// # Errors
/// Columns that an output cannot show, or a templates file that cannot be read.
pub(crate) fn prepare(settings: &Settings, started: i64) -> Result<Prepared, String> {
    let restored = match settings.front.templates_file() {
        Some(file) => read_templates(&file.path)?,
        None => Vec::new(),
    };
    let aggregations = settings.plugins.iter().map(|plugin| plugin.aggregation.clone()).collect();
    let pipeline = Pipeline::new(
        aggregations,
        settings.customs.clone(),
        &settings.files_read,
        started,
        settings.front.require(),
    );
    refuse_columns(&settings.plugins, &pipeline)?;
    Ok(Prepared { pipeline, restored })
}

/// A problem as a line of the log, which says the level itself.
pub(crate) fn describe(problem: &Problem) -> String {
    let hint = problem.hint.as_deref().unwrap_or_default();
    format!("[{}] {} {hint}", problem.origin, problem.what).trim_end().to_owned()
}

/// Some columns have no width that formatted output could give them.
fn refuse_columns(plugins: &[PluginSettings], pipeline: &Pipeline) -> Result<(), String> {
    for (plugin, schema) in plugins.iter().zip(&pipeline.schemas) {
        let print = match &plugin.kind {
            PluginKind::Print(print) => print,
            PluginKind::Store(_, kind) => {
                kind.check(schema)?;
                continue;
            }
            PluginKind::Memory(_) => continue,
        };
        let refused = print.refused(schema);
        if !refused.is_empty() {
            let (name, columns) = (&plugin.name, refused.join(", "));
            return Err(format!(
                "aggregate[{name}]: formatted output cannot show {columns}; csv and json can (print_output[{name}])"
            ));
        }
    }
    Ok(())
}

fn read_templates(path: &std::path::Path) -> Result<Vec<templates_file::Known>, String> {
    let contents = templates_file::read(path, clock::now())
        .map_err(|error| format!("nfacctd_templates_file: {}: {error}", path.display()))?;
    let templates_file::Contents { templates, old, bad } = contents;
    if bad > 0 {
        warn!("nfacctd_templates_file: {}: {bad} lines are no templates; ignored", path.display());
    }
    if old > 0 {
        info!(
            "nfacctd_templates_file: {}: {old} templates were not announced for 30 days; left out",
            path.display()
        );
    }
    Ok(templates)
}
