//! The process: what every daemon does, whatever its parts do.
//!
//! Configuration and `--check`, the log, privileges, the pid file and other locks, signals, the service manager, statistics, reloads,
//! and the end in order with its exit status. What a daemon does beside that are its parts ([`part`]).

mod board;
mod confinement;
mod locks;
pub(crate) mod part;
mod reload;
mod settings;

pub(crate) use board::{Activity, Board, ExporterActivity, InterfaceActivity, PluginCounters, Readers};
pub(crate) use settings::{Settings, blame, files_of, log_settings};

use crate::about;
use config::problem::{Diagnostic, Severity};
use config::{Daemon, Diagnostics};
use confinement::Confinement;
use crossbeam_channel::Receiver;
use part::{Bell, Part, Services};
use reload::{Reloads, Step};
use runtime::confine::{self, Outcome};
use runtime::events::{Event, Events, Signal, Stop, Woken};
use runtime::log::Identity;
use runtime::threads::{End, Threads};
use runtime::{clock, notice, notify, pid, privileges, signals};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Interval at which the main thread does what is due.
const TICK: Duration = Duration::from_secs(1);
/// How long statistics wait for the answers of the parts' threads.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// How long threads may take to end: workers hand over their tables, plugins write them.
const PATIENCE: Duration = Duration::from_secs(600);

/// A problem as a line of the log, which says the level itself.
pub(crate) fn describe(problem: &Diagnostic) -> String {
    let hint = problem.hint.as_deref().unwrap_or_default();
    format!("[{}] {} {hint}", problem.origin, problem.what).trim_end().to_owned()
}

/// Writes problems to the log.
pub(crate) fn log_problems(problems: &Diagnostics) {
    for problem in &problems.joined() {
        match problem.severity {
            Severity::Debug => {}
            Severity::Remark | Severity::Warning => warn!("{}", describe(problem)),
            Severity::Error | Severity::Fatal => error!("{}", describe(problem)),
        }
    }
}

/// A daemon whose settings were read.
pub(crate) struct Planned {
    pub(crate) daemon: Daemon,
    pub(crate) settings: Settings,
    pub(crate) parts: Vec<Box<dyn Part>>,
    /// Number of requests to reopen output files.
    pub(crate) reopenings: Arc<AtomicU64>,
}

impl Planned {
    /// What `--check` does beside reading the settings: nothing is opened.
    ///
    /// # Errors
    /// What would keep the daemon from starting.
    pub(crate) fn check(&mut self, problems: &mut Diagnostics) -> Result<(), String> {
        self.parts.iter().for_each(|part| part.review(problems));
        self.parts.iter_mut().try_for_each(|part| part.prepare())
    }

    /// Runs the daemon. Logging is configured already.
    pub(crate) fn run(self) -> ExitCode {
        let settings = &self.settings;
        info!("{}, {} {}", self.daemon.title(), self.daemon.name(), about::VERSION);
        match &settings.config_file {
            Some(file) => info!("Reading configuration file '{}'.", file.display()),
            None => info!("Reading configuration from cmdline."),
        }
        // After a dry run or a start in the background, the outcome is also shown on the terminal, wherever the log goes.
        let is_elsewhere = settings.log.file.is_some() || settings.log.syslog.is_some();
        let is_awaited = is_elsewhere && (settings.dry_run || runtime::daemonize::is_child());
        let name = settings.core_name.clone();
        match self.start() {
            Ok(Some(host)) => {
                let threads = host.services.threads.clone();
                threads.leave(host.run())
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

    /// Opens everything, then starts everything. Returns `None` after a dry run.
    fn start(self) -> Result<Option<Host>, String> {
        let Self { daemon, settings, mut parts, reopenings } = self;
        let problem = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        // Before sockets: a second daemon would receive some of the traffic until it ends.
        let pid_file = match &settings.pid_file {
            Some(path) => Some(pid::PidFile::write(path, &settings.files).map_err(problem("pidfile"))?),
            None => None,
        };
        parts.iter_mut().try_for_each(|part| part.open())?;
        parts.iter_mut().try_for_each(|part| part.prepare())?;
        privileges::drop_to(settings.user.as_deref(), settings.group.as_deref())
            .map_err(|problem| problem.to_string())?;
        // After the change of user, who creates missing folders, and before any thread.
        confine(&settings)?;
        let stop = Stop::new();
        let notifier = notify::Notifier::from_environment();
        let tick = notifier.watchdog_interval().map_or(TICK, |interval| interval.min(TICK));
        let (sender, events) = runtime::events::channel(Some(tick));
        let threads = Threads::new(sender.clone(), stop.clone());
        let listener = signals::start(sender, stop.clone()).map_err(problem("signals"))?;
        parts.iter_mut().try_for_each(|part| part.set_up())?;
        let mut locks: Vec<pid::PidFile> = pid_file.into_iter().collect();
        for part in &parts {
            locks.extend(locks::take(&part.owned_files(), &settings.files)?);
        }
        if settings.dry_run {
            parts.iter_mut().try_for_each(|part| part.try_out())?;
            // Nothing has failed; from here on there would be traffic, and output.
            println!("INFO ( {}/core ): Dry run 'setup'. Exiting ..", settings.core_name);
            return Ok(None);
        }
        let (ring, bell) = crossbeam_channel::bounded(1);
        let identity = Identity::new(&settings.core_name, "core").debug(settings.debug);
        let board = Arc::<Board>::default();
        let services = Services { daemon, threads, stop, identity, bell: Bell(ring), board };
        for part in &mut parts {
            part.start(&services).map_err(problem("cannot start a thread"))?;
        }
        let what: Vec<&str> = parts.iter().filter_map(|part| part.rereads()).collect();
        let watched =
            if settings.watch { parts.iter().flat_map(|part| part.watched()).collect() } else { Vec::new() };
        Ok(Some(Host {
            reloads: Reloads::new(services.identity.clone(), &what, watched),
            services,
            events,
            bell,
            reopenings,
            failed: false,
            report_due: None,
            is_report_pending: false,
            notifier,
            can_reload: settings.reload,
            parts,
            _signals: listener,
            _locks: locks,
        }))
    }
}

/// The daemon at work.
struct Host {
    parts: Vec<Box<dyn Part>>,
    services: Services,
    events: Events,
    /// Rings when threads of parts have sent messages.
    bell: Receiver<()>,
    reopenings: Arc<AtomicU64>,
    reloads: Reloads,
    /// `maps_refresh`.
    can_reload: bool,
    /// A thread has failed, or a store rejects the configuration.
    failed: bool,
    /// Until when requested statistics wait for the parts.
    report_due: Option<Instant>,
    /// Statistics were requested again meanwhile.
    is_report_pending: bool,
    notifier: notify::Notifier,
    _signals: signals::Listener,
    /// The pid file, and the locks of files with a single writer.
    _locks: Vec<pid::PidFile>,
}

impl Host {
    fn run(mut self) -> ExitCode {
        self.parts.iter().for_each(|part| part.announce());
        self.notifier.ready("collecting");
        if let Err(error) = runtime::daemonize::ready() {
            warn!("daemonize: /dev/null: {error}");
        }
        while self.is_working() {
            self.report_if_complete();
            self.continue_reload();
            let due = [self.report_due, self.reloads.due()].into_iter().flatten().min();
            let goes_on = match self.events.wait_with(&self.bell, due) {
                Some(Woken::Event(event)) => self.event(event),
                Some(Woken::Message(())) => {
                    self.receive();
                    true
                }
                None => true,
            };
            if !goes_on {
                break;
            }
        }
        self.end()
    }

    /// Acts on an event. False: the daemon ends.
    fn event(&mut self, event: Event) -> bool {
        match event {
            Event::Signal(signal) if signal.is_stop() => {
                info!("{} received. Exiting ...", signal.name());
                return false;
            }
            Event::Signal(Signal::Hangup) => {
                runtime::log::reopen();
                self.reopenings.fetch_add(1, Ordering::AcqRel);
            }
            Event::Signal(Signal::User1) => self.ask_for_reports(),
            Event::Signal(Signal::User2) if self.can_reload => self.reload(),
            Event::Signal(signal @ Signal::Realtime(_)) => {
                if !self.parts.iter_mut().any(|part| part.takes_signal(signal)) {
                    info!(
                        "{} received, which has no effect without high availability (bgp_daemon_ha)",
                        signal.name()
                    );
                }
            }
            Event::Signal(_) => {}
            Event::Force => return false,
            Event::Fatal(what) => {
                self.fatal(&what);
                return false;
            }
            Event::ThreadEnded { name, how: End::Panicked { .. } } => {
                error!("thread {name} has failed; writing what can be written, then exiting");
                self.failed = true;
                return false;
            }
            Event::ThreadEnded { name, how: End::Returned } => {
                // Its earlier messages come first.
                self.receive();
                let stopping = self.services.stop.is_requested();
                self.parts.iter_mut().for_each(|part| part.thread_ended(&name, stopping));
            }
            Event::Tick => {
                self.notifier.watchdog();
                if self.reloads.has_changed() {
                    self.reload();
                }
                self.parts.iter_mut().for_each(|part| part.tick());
            }
        }
        true
    }

    /// A database or a broker rejects the configuration.
    fn fatal(&mut self, what: &str) {
        error!("{what}");
        self.failed = true;
    }

    fn is_working(&self) -> bool {
        self.parts.iter().any(|part| part.is_working())
    }

    fn receive(&mut self) {
        self.parts.iter_mut().for_each(|part| part.receive());
    }

    /// Requests statistics from the parts; while they answer, the next request waits.
    fn ask_for_reports(&mut self) {
        if self.report_due.is_some() {
            self.is_report_pending = true;
            return;
        }
        self.parts.iter_mut().for_each(|part| part.ask_for_report());
        self.report_due = Some(Instant::now() + REPORT_PATIENCE);
    }

    /// Prints the statistics when all parts have answered; what does not answer in time is not shown.
    fn report_if_complete(&mut self) {
        let Some(due) = self.report_due else { return };
        if Instant::now() < due && !self.parts.iter().all(|part| part.has_answered()) {
            return;
        }
        let now = clock::now() / 1_000_000;
        notice!("+++");
        self.parts.iter_mut().for_each(|part| part.report(now));
        notice!("---");
        self.report_due = None;
        if std::mem::take(&mut self.is_report_pending) {
            self.ask_for_reports();
        }
    }

    /// Reloads what can be reloaded.
    fn reload(&mut self) {
        if !self.reloads.is_any() {
            info!("nothing to reload: the configuration names no file that can be reloaded");
            return;
        }
        let parts = &self.parts;
        let prepare = || parts.iter().filter_map(|part| part.prepare_reload()).collect();
        if self.reloads.ask(&self.services.threads, prepare) {
            self.notifier.reloading();
        }
    }

    /// Continues a reload in progress.
    fn continue_reload(&mut self) {
        loop {
            let parts = &self.parts;
            let settled = || parts.iter().all(|part| part.has_settled());
            match self.reloads.step(Instant::now(), settled) {
                None => return,
                Some(Step::Commit(commits)) => commits.into_iter().for_each(|commit| commit()),
                Some(Step::Ended) => {
                    self.notifier.ready("collecting");
                    if self.reloads.take_repeat() {
                        self.reload();
                    }
                }
            }
        }
    }

    fn end(mut self) -> ExitCode {
        self.notifier.stopping();
        self.services.stop.request();
        self.parts.iter_mut().for_each(|part| part.stop());
        let deadline = Instant::now() + PATIENCE;
        // Threads send through bounded channels, which are read until they have ended.
        self.receive();
        while self.is_working() && Instant::now() < deadline {
            if self.bell.recv_timeout(TICK).is_err() {
                self.notifier.watchdog();
                if self.services.stop.is_forced() || self.services.threads.has_panicked() {
                    break;
                }
            }
            self.receive();
        }
        self.parts.iter_mut().for_each(|part| part.close());
        let running = self.services.threads.join_all(PATIENCE);
        if !running.is_empty() {
            error!("threads did not end in time: {}", running.join(", "));
            self.failed = true;
        }
        self.failed |= self.services.threads.has_panicked();
        // A fatal event may have come while the end was under way.
        while let Some(event) = self.events.wait_until(Instant::now()) {
            if let Event::Fatal(what) = event {
                self.fatal(&what);
            }
        }
        let finite = self.parts.iter().any(|part| part.is_finite());
        for part in &mut self.parts {
            self.failed |= part.has_failed(finite);
        }
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// `landlock`: restricts the process to the files that it needs.
fn confine(settings: &Settings) -> Result<(), String> {
    let access = match &settings.confinement {
        None => return Ok(()),
        Some(Confinement::Triggers(plugin)) => {
            info!("Landlock: not used, because it would also confine the trigger of plugin '{plugin}'.");
            return Ok(());
        }
        Some(Confinement::To(access)) => access,
    };
    match confine::confine(access, &settings.files).map_err(|error| format!("landlock: {error}"))? {
        Outcome::Whole => info!("Landlock: access is restricted to the files that the configuration needs."),
        Outcome::Partly => {
            info!(
                "Landlock: access is restricted to the files that the configuration needs, as far as this kernel supports it."
            );
        }
        Outcome::Absent => info!("Landlock: not used, because this kernel does not support it."),
    }
    Ok(())
}
