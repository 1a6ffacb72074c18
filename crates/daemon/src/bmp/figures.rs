//! Figures of the BMP daemon, for metrics and statistics. The thread of the sessions counts; other threads read.

use crate::routing::figures::{Figure, RouteFigures};
use crate::sessions::admission::Rejection as Refusal;
use bmp_session::{Closed, Counts, Rejection};

/// Types of messages with counters, in the order of those of [`Counts`].
pub(super) const MESSAGE_TYPES: [&str; 8] = [
    "route_monitoring",
    "statistics",
    "peer_down",
    "peer_up",
    "initiation",
    "termination",
    "route_mirroring",
    "unknown",
];

/// The counts of messages by type.
pub(super) const fn by_type(counts: &Counts) -> [u64; MESSAGE_TYPES.len()] {
    [
        counts.route_monitoring,
        counts.statistics,
        counts.peer_down,
        counts.peer_up,
        counts.initiation,
        counts.termination,
        counts.route_mirroring,
        counts.unknown,
    ]
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The router closed the connection, or it failed.
    Disconnected,
    /// The router sent a termination.
    Terminated,
    /// The stream is no longer BMP: the start of the next message is not known.
    Framing,
    /// The TLS handshake failed, or the PROXY header is wrong.
    Handshake,
    /// The router began its stream again.
    Replaced,
    /// No message came within `bmp_daemon_initiation_timeout`.
    Silent,
    /// A router behind Kafka of which nothing came for `bmp_daemon_kafka_router_timeout`.
    Expired,
    /// The daemon shuts down.
    Shutdown,
}

impl Ending {
    /// All of them, in the order of their counters.
    const ALL: [Self; 8] = [
        Self::Disconnected,
        Self::Terminated,
        Self::Framing,
        Self::Handshake,
        Self::Replaced,
        Self::Silent,
        Self::Expired,
        Self::Shutdown,
    ];

    /// The value of the metric's label.
    const fn reason(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Terminated => "terminated",
            Self::Framing => "framing",
            Self::Handshake => "handshake",
            Self::Replaced => "replaced",
            Self::Silent => "silent",
            Self::Expired => "expired",
            Self::Shutdown => "shutdown",
        }
    }

    /// Why a session is over.
    pub(super) const fn of(closed: &Closed) -> Self {
        match closed {
            Closed::Terminated(_) => Self::Terminated,
            Closed::Frame { .. } => Self::Framing,
            Closed::Proxy(_) => Self::Handshake,
            Closed::Disconnected { .. } => Self::Disconnected,
        }
    }
}

/// What is wrong with a message, besides the reasons of [`Rejection`], in the order of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Routes of a peer that is not up.
    UnknownPeer,
    /// It is longer than the limit.
    TooLong,
    /// A part of it is wrong; the rest was used.
    Partial,
    /// It has more events than are logged of a message.
    TooManyEvents,
}

const FAULTS: [&str; 4] = ["unknown_peer", "too_long", "partial", "too_many_events"];

/// Why messages of the topic were not used, in the order of the counters.
pub(super) const KAFKA_REJECTS: [&str; 4] = ["format", "no_router", "max_peers", "not_allowed"];

/// The figures of all sessions.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) accepted: Figure,
    refused: [Figure; Refusal::COMMON.len()],
    pub(super) sessions: Figure,
    closed: [Figure; Ending::ALL.len()],
    messages: [Figure; MESSAGE_TYPES.len()],
    pub(super) bytes: Figure,
    rejected: [Figure; Rejection::LABELS.len()],
    faults: [Figure; FAULTS.len()],
    pub(super) routes: RouteFigures,
    /// Peers beyond what the RIB has numbers for.
    pub(super) peers_dropped: Figure,
    /// Events that did not fit the memory for the next dump.
    pub(super) events_dropped: Figure,
    pub(super) kafka_messages: Figure,
    pub(super) kafka_rejected: [Figure; KAFKA_REJECTS.len()],
}

impl Figures {
    pub(super) fn refuse(&self, why: Refusal) {
        if let Some(figure) = self.refused.get(why as usize) {
            figure.add(1);
        }
    }

    pub(super) fn close(&self, why: Ending) {
        if let Some(figure) = self.closed.get(why as usize) {
            figure.add(1);
        }
    }

    /// Counts messages by type. `now` and `before`: those of one session.
    pub(super) fn count(&self, now: &Counts, before: &Counts) {
        for ((figure, now), before) in self.messages.iter().zip(by_type(now)).zip(by_type(before)) {
            figure.add(now.saturating_sub(before));
        }
    }

    pub(super) fn reject(&self, why: &Rejection) {
        if let Some(figure) = self.rejected.get(why.index()) {
            figure.add(1);
        }
    }

    pub(super) fn fault(&self, why: Fault) {
        if let Some(figure) = self.faults.get(why as usize) {
            figure.add(1);
        }
    }

    /// Refused connections by reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::COMMON.iter().map(|why| why.reason()).zip(self.refused.iter().map(Figure::get))
    }

    /// Closed sessions by reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Ending::ALL.iter().map(|why| why.reason()).zip(self.closed.iter().map(Figure::get))
    }

    /// Received messages by type.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, u64)> {
        MESSAGE_TYPES.into_iter().zip(self.messages.iter().map(Figure::get))
    }

    /// Messages that were not used, or not completely, by reason.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rejected = Rejection::LABELS.into_iter().zip(self.rejected.iter().map(Figure::get));
        rejected.chain(FAULTS.into_iter().zip(self.faults.iter().map(Figure::get)))
    }

    /// Messages of the topic that were not used, by reason.
    #[cfg(feature = "http")]
    pub(super) fn kafka_rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KAFKA_REJECTS.into_iter().zip(self.kafka_rejected.iter().map(Figure::get))
    }
}
