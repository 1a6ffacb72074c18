//! Counters, by reason.

use crate::event::{End, Source};
use crate::service::Service;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use telemetry_gpb::Fault;

/// Why a connection of a router was refused or abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are too many.
    Limit,
    /// The router is not in the list of those that may connect.
    NotAllowed,
    /// TLS failed.
    Tls,
    /// It had no stream for too long.
    Idle,
    /// It is not HTTP/2, or broke.
    Http,
    /// A stream is for a service that the socket does not have, or not gRPC.
    Unknown,
    /// A stream that its connection has no place for, as streams that were reset are still being ended.
    Streams,
}

impl Refusal {
    const NAMES: [&'static str; 7] = ["limit", "not_allowed", "tls", "idle", "http", "unknown_service", "streams"];
}

/// Why a message was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// It had no data, or only blanks.
    Empty,
    /// All values were sent once (gNMI).
    Sync,
    /// The target reports an error (gNMI).
    Error,
}

impl Ignored {
    const NAMES: [&'static str; 3] = ["empty", "sync", "error"];
}

/// Why a target could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its name has no address.
    Resolve,
    /// TCP failed.
    Connect,
    /// TLS failed.
    Tls,
    /// HTTP/2 failed.
    Http,
    /// The target rejected the subscription.
    Rejected,
}

impl Failure {
    const NAMES: [&'static str; 5] = ["resolve", "connect", "tls", "http", "rejected"];
}

/// The names of sources.
const SOURCES: [&str; Service::COUNT + 1] = ["cisco", "huawei", "juniper", "nokia", "gnmi"];

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    refused: [AtomicU64; Refusal::NAMES.len()],
    opened: [AtomicU64; SOURCES.len()],
    ended: [AtomicU64; End::NAMES.len()],
    messages: [AtomicU64; SOURCES.len()],
    octets: [AtomicU64; SOURCES.len()],
    ignored: [AtomicU64; Ignored::NAMES.len()],
    undecoded: [AtomicU64; Fault::NAMES.len()],
    router_errors: AtomicU64,
    unreachable: [AtomicU64; Failure::NAMES.len()],
}

fn one(counters: &[AtomicU64], index: usize) {
    add(counters, index, 1);
}

fn add(counters: &[AtomicU64], index: usize, value: u64) {
    if let Some(counter) = counters.get(index) {
        counter.fetch_add(value, Relaxed);
    }
}

impl Counters {
    /// Calls `each` for every counter: its family, its label, and its value. A family without labels has an empty one.
    ///
    /// | family | label | what is counted |
    /// |---|---|---|
    /// | `connections` | | connections of routers that were accepted |
    /// | `connections_refused` | reason | those that were refused or abandoned, and streams that no service is there for |
    /// | `streams_opened` | source | streams of messages |
    /// | `streams_ended` | reason | ends of streams |
    /// | `messages` | source | messages that were handed over, with those that were not decoded |
    /// | `message_octets` | source | their octets, uncompressed |
    /// | `messages_ignored` | reason | messages without data |
    /// | `messages_undecoded` | fault | messages that were handed over undecoded |
    /// | `router_errors` | | messages in which a router reports an error |
    /// | `targets_unreachable` | reason | attempts to reach a target that failed |
    pub fn each(&self, mut each: impl FnMut(&'static str, &'static str, u64)) {
        each("connections", "", self.connections.load(Relaxed));
        each("router_errors", "", self.router_errors.load(Relaxed));
        for (family, labels, counters) in [
            ("connections_refused", &Refusal::NAMES[..], &self.refused[..]),
            ("streams_opened", &SOURCES, &self.opened),
            ("streams_ended", &End::NAMES, &self.ended),
            ("messages", &SOURCES, &self.messages),
            ("message_octets", &SOURCES, &self.octets),
            ("messages_ignored", &Ignored::NAMES, &self.ignored),
            ("messages_undecoded", &Fault::NAMES, &self.undecoded),
            ("targets_unreachable", &Failure::NAMES, &self.unreachable),
        ] {
            for (label, counter) in labels.iter().zip(counters) {
                each(family, label, counter.load(Relaxed));
            }
        }
    }

    /// The value of one counter; 0 if there is none of that name.
    #[must_use]
    pub fn value(&self, family: &str, label: &str) -> u64 {
        let mut found = 0;
        self.each(|known, name, value| {
            if (known, name) == (family, label) {
                found = value;
            }
        });
        found
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, why: Refusal) {
        one(&self.refused, why as usize);
    }

    pub(crate) fn opened(&self, source: &Source) {
        one(&self.opened, source.index());
    }

    pub(crate) fn ended(&self, why: &End) {
        one(&self.ended, why.index());
    }

    pub(crate) fn message(&self, source: &Source, octets: usize) {
        one(&self.messages, source.index());
        add(&self.octets, source.index(), octets as u64);
    }

    pub(crate) fn ignored(&self, why: Ignored) {
        one(&self.ignored, why as usize);
    }

    pub(crate) fn undecoded(&self, fault: &Fault) {
        one(&self.undecoded, fault.index());
    }

    pub(crate) fn router_error(&self) {
        self.router_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn unreachable(&self, why: Failure) {
        one(&self.unreachable, why as usize);
    }
}
