//! Figures of routes, for metrics and statistics. The thread of the sessions counts; other threads read.

use bgp::update::{Outcome, Reason};
use rib::Refused;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge.
#[derive(Debug, Default)]
pub(crate) struct Figure(AtomicU64);

impl Figure {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// For gauges.
    pub(crate) fn take(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done about an error in an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorOutcome {
    /// An attribute was discarded.
    AttributeDiscarded,
    /// Routes were treated as withdrawn.
    TreatedAsWithdraw,
    /// The message was not used; a BGP session was reset.
    MessageLost,
}

impl ErrorOutcome {
    /// All of them, in the order of their counters.
    const ALL: [Self; 3] = [Self::AttributeDiscarded, Self::TreatedAsWithdraw, Self::MessageLost];
}

impl From<Outcome> for ErrorOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::AttributeDiscarded => Self::AttributeDiscarded,
            Outcome::TreatedAsWithdraw => Self::TreatedAsWithdraw,
        }
    }
}

/// Figures of UPDATEs and their routes.
#[derive(Debug)]
pub(crate) struct RouteFigures {
    /// By outcome, then by reason.
    errors: [Box<[Figure]>; ErrorOutcome::ALL.len()],
    /// Routes beyond the bound of a peer, and beyond the bound of all.
    dropped: [Figure; 2],
}

impl Default for RouteFigures {
    fn default() -> Self {
        Self {
            errors: ErrorOutcome::ALL.map(|_| Reason::ALL.iter().map(|_| Figure::default()).collect()),
            dropped: Default::default(),
        }
    }
}

impl RouteFigures {
    /// Counts an error in an UPDATE.
    pub(crate) fn error(&self, reason: Reason, outcome: ErrorOutcome) {
        let position = Reason::ALL.iter().position(|other| *other == reason);
        if let Some(figure) = position.and_then(|at| self.errors.get(outcome as usize)?.get(at)) {
            figure.add(1);
        }
    }

    /// Counts a route that was not stored.
    pub(crate) fn drop_route(&self, why: Refused) {
        let figure = match why {
            Refused::PeerFull | Refused::TooManyPaths | Refused::UnknownPeer => 0,
            Refused::Full | Refused::WrongTable | Refused::UnknownAttributes => 1,
        };
        if let Some(figure) = self.dropped.get(figure) {
            figure.add(1);
        }
    }

    /// Routes that were not stored: beyond the bound of a peer, and beyond the bound of all.
    #[cfg(feature = "http")]
    pub(crate) fn dropped(&self) -> [u64; 2] {
        [&self.dropped[0], &self.dropped[1]].map(Figure::get)
    }

    /// Errors in UPDATEs by reason and by what was done, as far as there were any. `lost`: what is done about a message that cannot be
    /// used.
    #[cfg(feature = "http")]
    pub(crate) fn errors(&self, lost: &'static str) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let name = |outcome| match outcome {
            ErrorOutcome::AttributeDiscarded => Outcome::AttributeDiscarded.name(),
            ErrorOutcome::TreatedAsWithdraw => Outcome::TreatedAsWithdraw.name(),
            ErrorOutcome::MessageLost => lost,
        };
        let of_outcome = |(outcome, figures): (ErrorOutcome, &[Figure])| -> Vec<_> {
            let counts = Reason::ALL.iter().zip(figures).map(|(reason, figure)| (reason.name(), figure.get()));
            counts.filter(|(_, count)| *count > 0).map(|(reason, count)| (reason, name(outcome), count)).collect()
        };
        let figures = ErrorOutcome::ALL.into_iter().zip(self.errors.iter().map(AsRef::as_ref));
        figures.flat_map(of_outcome).collect::<Vec<_>>().into_iter()
    }
}
