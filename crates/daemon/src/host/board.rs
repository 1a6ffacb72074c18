//! What parts show of themselves to others: counters, and what workers report.
//!
//! Parts put their readers here when they start; a part that shows them to others, such as an endpoint for metrics, takes copies. Reading
//! a counter disturbs nobody ([`stats::Reader`]).

use super::report::Report;
use stats::Reader;
use std::sync::{PoisonError, RwLock};

/// The counters of one plugin: those of its slots in the workers, and its own.
#[derive(Clone, Debug)]
pub(crate) struct PluginCounters {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) readers: Vec<Reader>,
    /// What its store does not take waits on disk.
    pub(crate) spools: bool,
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
    /// What workers have reported last.
    reports: RwLock<Vec<Report>>,
}

impl Board {
    /// Shows the counters of a part beside those of others.
    pub(crate) fn show(&self, more: &Readers) {
        let mut readers = self.readers.write().unwrap_or_else(PoisonError::into_inner);
        readers.workers.extend_from_slice(&more.workers);
        readers.plugins.extend_from_slice(&more.plugins);
    }

    /// All counters.
    pub(crate) fn readers(&self) -> Readers {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows what workers have reported.
    pub(crate) fn report(&self, reports: Vec<Report>) {
        *self.reports.write().unwrap_or_else(PoisonError::into_inner) = reports;
    }

    /// Takes what workers have reported since the last call.
    pub(crate) fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut self.reports.write().unwrap_or_else(PoisonError::into_inner))
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
}
