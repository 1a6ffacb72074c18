//! Figures of the BGP daemon, for metrics and statistics. Sessions count; other threads read.

use super::admission::Rejection;
use bgp::update::{Outcome, Reason};
use rib::Refused;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Types of messages with counters, by their codes less one (RFC 4271 section 4.1; RFC 2918).
pub(super) const MESSAGE_TYPES: [&str; 5] = ["open", "update", "notification", "keepalive", "route_refresh"];

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer closed the connection, or it failed.
    Disconnected,
    /// The peer sent a NOTIFICATION.
    Notified,
    /// The peer sent nothing in time.
    HoldTimer,
    /// The peer sent something invalid, and got a NOTIFICATION.
    Error,
    /// The peer did not read what was sent to it.
    Stalled,
    /// The daemon shuts down.
    Shutdown,
}

impl Ending {
    /// All of them, in the order of their counters.
    pub(super) const ALL: [Self; 6] =
        [Self::Disconnected, Self::Notified, Self::HoldTimer, Self::Error, Self::Stalled, Self::Shutdown];

    /// The value of the metric's label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Notified => "notification_received",
            Self::HoldTimer => "hold_timer",
            Self::Error => "error",
            Self::Stalled => "stalled",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What was done about an error in an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorOutcome {
    /// An attribute was discarded.
    AttributeDiscarded,
    /// Routes were treated as withdrawn.
    TreatedAsWithdraw,
    /// The session was reset.
    SessionReset,
}

impl ErrorOutcome {
    /// All of them, in the order of their counters.
    const ALL: [Self; 3] = [Self::AttributeDiscarded, Self::TreatedAsWithdraw, Self::SessionReset];

    /// The value of the metric's label.
    #[cfg(feature = "http")]
    const fn name(self) -> &'static str {
        match self {
            Self::AttributeDiscarded => Outcome::AttributeDiscarded.name(),
            Self::TreatedAsWithdraw => Outcome::TreatedAsWithdraw.name(),
            Self::SessionReset => "session_reset",
        }
    }
}

impl From<Outcome> for ErrorOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::AttributeDiscarded => Self::AttributeDiscarded,
            Outcome::TreatedAsWithdraw => Self::TreatedAsWithdraw,
        }
    }
}

/// Results of queries to the looking glass, in the order of their counters.
pub(super) const QUERY_RESULTS: [&str; 3] = ["found", "not_found", "invalid"];

/// Why the looking glass closed a connection, in the order of the counters.
pub(super) const LOOKING_GLASS_CLOSINGS: [&str; 5] =
    ["clients_bound", "authentication", "protocol", "too_large", "time"];

/// The figures of the looking glass.
#[derive(Debug, Default)]
pub(super) struct LookingGlassFigures {
    /// Queries by result.
    pub(super) queries: [Figure; QUERY_RESULTS.len()],
    /// Connections that it closed, by reason.
    pub(super) closed: [Figure; LOOKING_GLASS_CLOSINGS.len()],
}

impl LookingGlassFigures {
    /// Queries by result.
    pub(super) fn queries(&self) -> impl Iterator<Item = (&'static str, u64)> {
        QUERY_RESULTS.into_iter().zip(self.queries.iter().map(Figure::get))
    }

    /// Connections that it closed, by reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LOOKING_GLASS_CLOSINGS.into_iter().zip(self.closed.iter().map(Figure::get))
    }
}

/// The figures of all sessions.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) accepted: Figure,
    rejected: [Figure; Rejection::ALL.len()],
    pub(super) sessions: Figure,
    closed: [Figure; Ending::ALL.len()],
    messages: [Figure; MESSAGE_TYPES.len()],
    pub(super) bytes: Figure,
    /// By outcome, then by reason.
    errors: [Box<[Figure]>; ErrorOutcome::ALL.len()],
    /// Routes beyond the bound of a peer, and beyond the bound of all.
    dropped: [Figure; 2],
    pub(super) looking_glass: LookingGlassFigures,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            accepted: Figure::default(),
            rejected: Default::default(),
            sessions: Figure::default(),
            closed: Default::default(),
            messages: Default::default(),
            bytes: Figure::default(),
            errors: ErrorOutcome::ALL.map(|_| Reason::ALL.iter().map(|_| Figure::default()).collect()),
            dropped: Default::default(),
            looking_glass: LookingGlassFigures::default(),
        }
    }
}

impl Figures {
    pub(super) fn reject(&self, why: Rejection) {
        if let Some(figure) = self.rejected.get(why as usize) {
            figure.add(1);
        }
    }

    pub(super) fn close(&self, why: Ending) {
        if let Some(figure) = self.closed.get(why as usize) {
            figure.add(1);
        }
    }

    /// Counts messages by their type code.
    pub(super) fn messages_of(&self, code: u8, more: u64) {
        if let Some(figure) = self.messages.get(usize::from(code.wrapping_sub(1))) {
            figure.add(more);
        }
    }

    /// Counts an error in an UPDATE.
    pub(super) fn error(&self, reason: Reason, outcome: ErrorOutcome) {
        let position = Reason::ALL.iter().position(|other| *other == reason);
        if let Some(figure) = position.and_then(|at| self.errors.get(outcome as usize)?.get(at)) {
            figure.add(1);
        }
    }

    /// Counts a route that was not stored.
    pub(super) fn drop_route(&self, why: Refused) {
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
    pub(super) fn dropped(&self) -> [u64; 2] {
        [&self.dropped[0], &self.dropped[1]].map(Figure::get)
    }

    /// Errors in UPDATEs by reason and by what was done, as far as there were any.
    #[cfg(feature = "http")]
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of_outcome = |(outcome, figures): (ErrorOutcome, &[Figure])| -> Vec<_> {
            let counts = Reason::ALL.iter().zip(figures).map(|(reason, figure)| (reason.name(), figure.get()));
            counts.filter(|(_, count)| *count > 0).map(|(reason, count)| (reason, outcome.name(), count)).collect()
        };
        let figures = ErrorOutcome::ALL.into_iter().zip(self.errors.iter().map(AsRef::as_ref));
        figures.flat_map(of_outcome).collect::<Vec<_>>().into_iter()
    }

    /// Rejected connections by reason.
    pub(super) fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Rejection::ALL.iter().map(|why| why.reason()).zip(self.rejected.iter().map(Figure::get))
    }

    /// Closed sessions by reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Ending::ALL.iter().map(|why| why.reason()).zip(self.closed.iter().map(Figure::get))
    }

    /// Received messages by type.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, u64)> {
        MESSAGE_TYPES.into_iter().zip(self.messages.iter().map(Figure::get))
    }
}
