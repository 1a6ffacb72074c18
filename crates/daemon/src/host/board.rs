//! What other threads can see of the running daemon: its counters, and whether it is ready.
//!
//! Parts put their readers here when they start; a part that shows them to others, such as an endpoint for metrics, takes copies. Reading
//! a counter disturbs nobody ([`stats::Reader`]).

use stats::Reader;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// The counters of one plugin: those of its slots in the workers, and its own.
#[derive(Clone, Debug)]
pub(crate) struct PluginCounters {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) readers: Vec<Reader>,
}

/// The counters of the workers, by number, and of the plugins, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers {
    pub(crate) workers: Vec<Reader>,
    pub(crate) plugins: Vec<PluginCounters>,
}

/// Where they are shown.
#[derive(Debug, Default)]
pub(crate) struct Board {
    readers: RwLock<Readers>,
    ready: AtomicBool,
}

impl Board {
    /// Shows the counters of a part beside those of others.
    pub(crate) fn show(&self, more: &Readers) {
        let mut readers = self.readers.write().unwrap_or_else(PoisonError::into_inner);
        readers.workers.extend_from_slice(&more.workers);
        readers.plugins.extend_from_slice(&more.plugins);
    }

    /// All counters.
    #[cfg_attr(not(test), expect(dead_code, reason = "the endpoint for metrics reads them"))]
    pub(crate) fn readers(&self) -> Readers {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all parts have started and the end was not requested.
    #[cfg_attr(not(test), expect(dead_code, reason = "the endpoint for metrics shows it"))]
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
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
        assert!(!board.is_ready());
        board.set_ready(true);
        assert!(board.is_ready());
    }
}
