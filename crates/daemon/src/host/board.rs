//! The daemon's state for other threads: its counters, and the activity of exporters and interfaces.
//!
//! Parts register their readers here when they start; a part that publishes them, such as the metrics endpoint, takes copies. Reading
//! a counter blocks no writer ([`stats::Reader`]). The activity of exporters is known to workers only, which report it on request.

use stats::Reader;
use std::net::IpAddr;
#[cfg(feature = "http")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// The counters of one plugin: those of its slots in the workers, and its own.
#[derive(Clone, Debug)]
pub(crate) struct PluginCounters {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Write batches wait on disk while its store is down.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) spools: bool,
    pub(crate) readers: Vec<Reader>,
}

/// The counters of the workers, by number, and of the plugins, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers {
    pub(crate) workers: Vec<Reader>,
    pub(crate) plugins: Vec<PluginCounters>,
}

/// What one exporter has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExporterActivity {
    pub(crate) address: IpAddr,
    pub(crate) datagrams: u64,
    /// Bytes of these datagrams.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Forward jumps in its sequence numbers.
    pub(crate) gaps: u64,
    /// Units missing in them.
    pub(crate) lost: u64,
}

/// What one interface has delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceActivity {
    pub(crate) name: String,
    /// The direction, if only one is captured.
    pub(crate) direction: Option<&'static str>,
    /// Packets.
    pub(crate) received: u64,
    pub(crate) dropped: u64,
}

/// What all workers have reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) exporters: Vec<ExporterActivity>,
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) interfaces: Vec<InterfaceActivity>,
}

/// Where they are published.
#[derive(Default)]
pub(crate) struct Board {
    readers: RwLock<Readers>,
    /// Metrics of parts, besides the table of counters.
    #[cfg(feature = "http")]
    sources: Mutex<Vec<Arc<dyn metrics::Source>>>,
    /// Answers of parts to queries, each with its path.
    #[cfg(feature = "http")]
    pages: Mutex<Vec<(&'static str, Arc<dyn metrics::Pages>)>>,
    /// A newer report was requested.
    is_requested: AtomicBool,
    activity: Mutex<Option<Activity>>,
}

impl Board {
    /// Adds the counters of a part.
    pub(crate) fn show(&self, more: &Readers) {
        let mut readers = self.readers.write().unwrap_or_else(PoisonError::into_inner);
        readers.workers.extend_from_slice(&more.workers);
        readers.plugins.extend_from_slice(&more.plugins);
    }

    /// All counters.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) fn readers(&self) -> Readers {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds metrics of a part.
    #[cfg(feature = "http")]
    pub(crate) fn add_source(&self, source: Arc<dyn metrics::Source>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Adds a part's answers to queries.
    #[cfg(feature = "http")]
    pub(crate) fn add_pages(&self, path: &'static str, pages: Arc<dyn metrics::Pages>) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).push((path, pages));
    }

    /// Gives both to the endpoint.
    #[cfg(feature = "http")]
    pub(crate) fn publish(&self, monitor: &metrics::Monitor) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().for_each(|source| monitor.add_source(Arc::clone(source)));
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().for_each(|(path, pages)| monitor.add_pages(path, Arc::clone(pages)));
    }

    /// Requests a report of all workers.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) fn request_activity(&self) {
        self.is_requested.store(true, Ordering::Release);
    }

    /// Whether a report was requested since the last call.
    pub(crate) fn take_request(&self) -> bool {
        self.is_requested.swap(false, Ordering::AcqRel)
    }

    /// Publishes the reports of all workers.
    pub(crate) fn show_activity(&self, activity: Activity) {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = Some(activity);
    }

    /// The newest report, once.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the metrics endpoint reads it"))]
    pub(crate) fn take_activity(&self) -> Option<Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_several_parts_are_shown_together() {
        let board = Board::default();
        let counters = stats::Counters::new();
        let readers = Readers { workers: vec![counters.reader()], plugins: Vec::new() };
        board.show(&readers);
        board.show(&readers);
        assert_eq!(board.readers().workers.len(), 2);
    }

    #[test]
    fn a_request_and_its_answer_are_taken_once() {
        let board = Board::default();
        assert!(!board.take_request() && board.take_activity().is_none());
        board.request_activity();
        assert!(board.take_request() && !board.take_request());
        board.show_activity(Activity::default());
        assert!(board.take_activity().is_some() && board.take_activity().is_none());
    }
}
