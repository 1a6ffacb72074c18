//! Figures of the BGP daemon, for metrics and statistics. Sessions count; other threads read.

use crate::routing::figures::{Figure, RouteFigures};
use crate::sessions::admission::Rejection;

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
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) accepted: Figure,
    rejected: [Figure; Rejection::ALL.len()],
    pub(super) sessions: Figure,
    closed: [Figure; Ending::ALL.len()],
    messages: [Figure; MESSAGE_TYPES.len()],
    pub(super) bytes: Figure,
    pub(super) routes: RouteFigures,
    pub(super) looking_glass: LookingGlassFigures,
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
