//! Figures of telemetry, for metrics and statistics. The thread that holds the lock of the collector, or that of an input, counts; other
//! threads read.

use super::node::Transport;
use crate::sessions::admission::Rejection;
use telemetry::payload::InvalidKind;
use telemetry::udp_notif::{Loss, Reason};
use telemetry::{DatagramError, StreamErrorKind};

pub(super) use crate::routing::figures::Figure;

/// Why a node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It closed its connection, or that failed.
    Disconnected,
    /// It closed its connection within a message.
    Incomplete,
    /// Its stream cannot be read any further.
    Framing,
    /// It has not sent anything for `telemetry_daemon_peer_timeout`.
    TimedOut,
    /// The daemon shuts down.
    Shutdown,
}

impl Ending {
    /// All of them, in the order of their counters.
    const ALL: [Self; 5] = [Self::Disconnected, Self::Incomplete, Self::Framing, Self::TimedOut, Self::Shutdown];

    /// The value of the metric's label.
    const fn reason(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Incomplete => "incomplete",
            Self::Framing => "framing",
            Self::TimedOut => "timed_out",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a message of Kafka or ZeroMQ is dropped, in the order of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "kafka", feature = "zmq")), expect(dead_code, reason = "brokers use it"))]
pub(super) enum Misfit {
    /// It is no JSON object.
    Format,
    /// It does not name its node.
    NoNode,
    /// It is longer than the limit.
    TooLong,
}

const MISFITS: [&str; 3] = ["format", "no_node", "too_long"];

/// The figures of all inputs.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Nodes that were heard of.
    pub(super) accepted: Figure,
    refused: [Figure; Rejection::COMMON.len()],
    /// Nodes that are present.
    pub(super) nodes: Figure,
    closed: [Figure; Ending::ALL.len()],
    messages: [Figure; Transport::ALL.len()],
    bytes: [Figure; Transport::ALL.len()],
    invalid: [Figure; InvalidKind::LABELS.len()],
    /// Datagrams of nodes that are not admitted.
    pub(super) datagrams_refused: Figure,
    datagrams: [Figure; DatagramError::LABELS.len()],
    streams: [Figure; StreamErrorKind::LABELS.len()],
    udp_notif: [Figure; Reason::LABELS.len()],
    losses: [Figure; Loss::LABELS.len()],
    misfits: [Figure; MISFITS.len()],
    /// Datagrams that the kernel dropped since the buffer of their socket was full: UDP, UDP-notif.
    pub(super) socket_drops: [Figure; 2],
    /// Incomplete UDP-notif messages, and their memory in bytes.
    pub(super) incomplete: [Figure; 2],
    /// Subscriptions that are known; notifications of others; subscriptions that were dropped at a bound.
    pub(super) subscriptions: [Figure; 3],
    /// Messages that did not fit the memory for the next dump.
    pub(super) undumped: Figure,
}

fn count(figures: &[Figure], index: usize) {
    if let Some(figure) = figures.get(index) {
        figure.add(1);
    }
}

fn labelled<'a>(
    labels: impl IntoIterator<Item = &'static str> + 'a,
    figures: &'a [Figure],
) -> impl Iterator<Item = (&'static str, u64)> + 'a {
    labels.into_iter().zip(figures.iter().map(Figure::get))
}

impl Figures {
    pub(super) fn refuse(&self, why: Rejection) {
        count(&self.refused, why as usize);
    }

    pub(super) fn close(&self, why: Ending) {
        count(&self.closed, why as usize);
    }

    pub(super) fn message(&self, transport: Transport, bytes: u64) {
        count(&self.messages, transport as usize);
        if let Some(figure) = self.bytes.get(transport as usize) {
            figure.add(bytes);
        }
    }

    pub(super) fn invalid(&self, why: InvalidKind) {
        count(&self.invalid, why.index());
    }

    pub(super) fn drop_datagram(&self, why: &DatagramError) {
        count(&self.datagrams, why.index());
    }

    pub(super) fn drop_notification(&self, why: &Reason) {
        count(&self.udp_notif, why.index());
    }

    pub(super) fn lose(&self, losses: [u64; Loss::LABELS.len()]) {
        self.losses.iter().zip(losses).for_each(|(figure, lost)| figure.set(lost));
    }

    pub(super) fn break_stream(&self, why: StreamErrorKind) {
        count(&self.streams, why.index());
    }

    #[cfg_attr(not(any(feature = "kafka", feature = "zmq")), expect(dead_code, reason = "brokers use it"))]
    pub(super) fn misfit(&self, why: Misfit) {
        count(&self.misfits, why as usize);
    }

    /// Refused nodes by reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(Rejection::COMMON.map(Rejection::reason), &self.refused)
    }

    /// Nodes that are gone, by reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(Ending::ALL.map(Ending::reason), &self.closed)
    }

    /// Messages by transport.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(Transport::ALL.map(Transport::name), &self.messages)
    }

    /// Octets of messages by transport.
    pub(super) fn bytes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(Transport::ALL.map(Transport::name), &self.bytes)
    }

    /// Messages without their payload, by reason.
    pub(super) fn payloads_invalid(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(InvalidKind::LABELS, &self.invalid)
    }

    /// What was dropped before it was a message, or ended its connection, by reason.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of = |transport: &'static str| move |(reason, count)| (transport, reason, count);
        let refused = std::iter::once(("not_admitted", self.datagrams_refused.get()));
        labelled(StreamErrorKind::LABELS, &self.streams)
            .map(of("tcp"))
            .chain(labelled(DatagramError::LABELS, &self.datagrams).map(of("udp")))
            .chain(labelled(Reason::LABELS, &self.udp_notif).map(of("udp_notif")))
            .chain(labelled(MISFITS, &self.misfits).map(of("broker")))
            .chain(refused.map(of("any")))
    }

    /// Incomplete UDP-notif messages that were dropped, by reason.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "metrics show it"))]
    pub(super) fn losses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        labelled(Loss::LABELS, &self.losses)
    }
}
