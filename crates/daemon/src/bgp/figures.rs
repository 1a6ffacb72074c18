//! Figures of the BGP daemon, for metrics and statistics. Sessions count; other threads read.

use super::admission::Rejection;
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

/// The figures of all sessions.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) accepted: Figure,
    rejected: [Figure; Rejection::ALL.len()],
    pub(super) sessions: Figure,
    closed: [Figure; Ending::ALL.len()],
    messages: [Figure; MESSAGE_TYPES.len()],
    pub(super) bytes: Figure,
    /// Routes beyond the bound of a peer, and beyond the bound of all.
    pub(super) dropped: [Figure; 2],
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

    /// Counts a message by its type code.
    pub(super) fn message(&self, code: u8) {
        if let Some(figure) = self.messages.get(usize::from(code.wrapping_sub(1))) {
            figure.add(1);
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
