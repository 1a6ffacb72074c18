//! The data of the endpoint, which the host feeds.

use crate::exporters::{Exporter, Exporters};
use crate::source::{Pages, Source};
use runtime::clock;
use stats::{Counter, Reader};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the main thread may be silent before the daemon counts as not alive. It wakes once a second.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);
/// Minimum interval between reports of the workers about their exporters.
pub(crate) const REPORTS: Duration = Duration::from_secs(10);

/// Build information.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The program.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The names of its features.
    pub features: Vec<&'static str>,
}

/// A plugin, as the endpoint shows it.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name in the configuration.
    pub name: String,
    /// Its type, such as `print`.
    pub kind: &'static str,
    /// The counters of workers for it, and its own, which are summed.
    pub readers: Vec<Reader>,
    /// Write batches wait on disk while its store is down, so the daemon stays ready.
    pub spools: bool,
}

/// What one interface has delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The direction that is captured, if only one is.
    pub direction: Option<&'static str>,
    /// Packets captured.
    pub received: u64,
    /// Packets that the kernel dropped.
    pub dropped: u64,
}

/// The state of the daemon.
const STARTING: u8 = 0;
const RUNNING: u8 = 1;
const ENDING: u8 = 2;

/// The data of the endpoint. The host registers counters when they start, and calls [`Monitor::tick`] from its main loop; the
/// endpoint reads.
#[derive(Debug)]
pub struct Monitor {
    pub(crate) build: Build,
    /// When it was created, microseconds since 1970.
    pub(crate) started: u64,
    life: AtomicU8,
    /// The last tick, by the monotonic clock.
    ticked: AtomicU64,
    /// A client has requested newer figures of exporters.
    is_asked: AtomicBool,
    /// When workers were last asked, by the monotonic clock.
    asked: AtomicU64,
    parts: Mutex<Parts>,
}

/// What was registered or reported.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) workers: Vec<Reader>,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) exporters: Exporters,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) sources: Vec<Arc<dyn Source>>,
    /// Each with its path.
    pages: Vec<(&'static str, Arc<dyn Pages>)>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

impl Monitor {
    /// A monitor of a daemon that starts now.
    #[must_use]
    pub fn new(build: Build) -> Self {
        Self {
            build,
            started: clock::now(),
            life: AtomicU8::new(STARTING),
            ticked: AtomicU64::new(clock::monotonic()),
            is_asked: AtomicBool::new(true),
            asked: AtomicU64::new(0),
            parts: Mutex::default(),
        }
    }

    /// Adds the counters of workers, in their order.
    pub fn add_workers(&self, workers: impl IntoIterator<Item = Reader>) {
        self.parts().workers.extend(workers);
    }

    /// Adds plugins.
    pub fn add_plugins(&self, plugins: impl IntoIterator<Item = Plugin>) {
        self.parts().plugins.extend(plugins);
    }

    /// Adds metrics of a part.
    pub fn add_source(&self, source: Arc<dyn Source>) {
        self.parts().sources.push(source);
    }

    /// Adds answers to queries for paths that begin with `path`.
    pub fn add_pages(&self, path: &'static str, pages: Arc<dyn Pages>) {
        self.parts().pages.push((path, pages));
    }

    /// Who answers for a path.
    pub(crate) fn pages(&self, path: &str) -> Option<Arc<dyn Pages>> {
        let parts = self.parts();
        parts.pages.iter().find(|(own, _)| path.starts_with(own)).map(|(_, pages)| Arc::clone(pages))
    }

    /// The paths of all pages, one per line.
    pub(crate) fn paths(&self) -> String {
        self.parts().pages.iter().map(|(path, _)| format!("{path}\n")).collect()
    }

    /// What parts add to the answer of `/readyz`, a line each.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        self.parts().sources.iter().for_each(|source| source.remarks(&mut remarks));
        remarks.iter().map(|remark| format!("{remark}\n")).collect()
    }

    /// The daemon listens and is running from now on.
    pub fn running(&self) {
        self.tick();
        self.life.store(RUNNING, Ordering::Release);
    }

    /// The daemon has begun to shut down.
    pub fn ending(&self) {
        self.life.store(ENDING, Ordering::Release);
    }

    /// The main loop is alive: to be called about once a second. Returns true when workers should report their exporters:
    /// a client reads metrics, and the last report is old enough.
    pub fn tick(&self) -> bool {
        let now = clock::monotonic();
        self.ticked.store(now, Ordering::Release);
        let asked = self.asked.load(Ordering::Acquire);
        let is_due = asked == 0 || now.saturating_sub(asked) >= micros(REPORTS);
        let asks = is_due && self.is_asked.swap(false, Ordering::AcqRel);
        if asks {
            self.asked.store(now.max(1), Ordering::Release);
        }
        asks
    }

    /// Sets the report of all workers. It must be complete: without a worker's part, figures would decrease.
    pub fn reported(
        &self,
        exporters: impl IntoIterator<Item = Exporter>,
        interfaces: impl IntoIterator<Item = Interface>,
    ) {
        let mut parts = self.parts();
        parts.exporters.update(exporters);
        parts.interfaces.clear();
        for interface in interfaces {
            let same =
                |known: &&mut Interface| (&known.name, known.direction) == (&interface.name, interface.direction);
            match parts.interfaces.iter_mut().find(same) {
                Some(known) => {
                    known.received += interface.received;
                    known.dropped += interface.dropped;
                }
                None => parts.interfaces.push(interface),
            }
        }
    }

    /// A client reads figures of exporters.
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    pub(crate) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the daemon is not alive, if it is not.
    pub(crate) fn stuck(&self) -> Option<String> {
        self.stuck_at(clock::monotonic())
    }

    fn stuck_at(&self, now: u64) -> Option<String> {
        let silent = now.saturating_sub(self.ticked.load(Ordering::Acquire));
        // The end waits for other threads, each time with a limit.
        let is_ending = self.life.load(Ordering::Acquire) == ENDING;
        (silent > micros(SILENCE) && !is_ending)
            .then(|| format!("the main thread has not run for {} s", silent / 1_000_000))
    }

    /// Why the daemon is not ready; nothing when it is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.stuck().into_iter().collect();
        match self.life.load(Ordering::Acquire) {
            STARTING => reasons.push("the daemon is starting".to_owned()),
            ENDING => reasons.push("the daemon is shutting down".to_owned()),
            _ => {}
        }
        let parts = self.parts();
        reasons.extend(parts.sources.iter().filter_map(|source| source.unready()));
        for plugin in parts.plugins.iter().filter(|plugin| !plugin.spools) {
            let sum = |counter| plugin.readers.iter().map(|reader| reader.read(counter)).sum::<u64>();
            if sum(Counter::SinkUp) == 0 {
                let waiting = sum(Counter::AggregatesWaiting);
                reasons.push(format!(
                    "plugin {}/{}: its store or files cannot be reached; {waiting} aggregates are waiting in memory",
                    plugin.name, plugin.kind
                ));
            }
        }
        reasons
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::Counters;

    fn plugin(counters: &Counters, spools: bool) -> Plugin {
        Plugin {
            name: "p".to_owned(),
            kind: "pgsql",
            readers: vec![Counters::new().reader(), counters.reader()],
            spools,
        }
    }

    #[test]
    fn a_daemon_is_ready_when_it_runs_and_its_sinks_are_up_or_spool() {
        let monitor = Monitor::new(Build::default());
        let (down, spooling) = (Counters::new(), Counters::new());
        down.set(Counter::AggregatesWaiting, 7);
        monitor.add_plugins([plugin(&down, false), plugin(&spooling, true)]);
        assert_eq!(monitor.unready().len(), 2);
        monitor.running();
        let reasons = monitor.unready();
        assert_eq!(
            reasons,
            ["plugin p/pgsql: its store or files cannot be reached; 7 aggregates are waiting in memory"]
        );
        down.set(Counter::SinkUp, 1);
        assert_eq!(monitor.unready(), Vec::<String>::new());
        monitor.ending();
        assert_eq!(monitor.unready(), ["the daemon is shutting down"]);
    }

    #[test]
    fn a_silent_main_thread_is_not_alive_unless_it_ends() {
        let monitor = Monitor::new(Build::default());
        monitor.running();
        let ticked = monitor.ticked.load(Ordering::Acquire);
        assert_eq!(monitor.stuck_at(ticked + 10_000_000), None);
        let reason = "the main thread has not run for 11 s".to_owned();
        assert_eq!(monitor.stuck_at(ticked + 11_000_000), Some(reason));
        monitor.ending();
        assert_eq!(monitor.stuck_at(ticked + 11_000_000), None, "the end has limits of its own");
    }

    #[test]
    fn workers_are_asked_while_somebody_reads_and_not_too_often() {
        let monitor = Monitor::new(Build::default());
        assert!(monitor.tick(), "the first scrape should find exporters");
        monitor.ask();
        assert!(!monitor.tick(), "they were asked just now");
        monitor.asked.store(0, Ordering::Release);
        assert!(monitor.tick());
        monitor.asked.store(0, Ordering::Release);
        assert!(!monitor.tick(), "nobody reads");
    }

    #[test]
    fn interfaces_of_several_workers_are_summed() {
        let monitor = Monitor::new(Build::default());
        let interface = |direction, received| Interface { name: "lo".to_owned(), direction, received, dropped: 1 };
        for _ in 0..2 {
            monitor.reported([], [interface(None, 3), interface(Some("in"), 5), interface(None, 4)]);
        }
        let parts = monitor.parts();
        let sums: Vec<_> = parts.interfaces.iter().map(|i| (i.direction, i.received, i.dropped)).collect();
        assert_eq!(sums, [(None, 7, 2), (Some("in"), 5, 1)]);
    }
}
