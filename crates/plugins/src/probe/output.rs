//! Where complete datagrams of nfprobe go.

use super::sender::Sender;
use super::session::Outlet;
use crate::sink::Accounting;
use ::probe::Datagram;
use std::net::IpAddr;

/// The way to the collector.
pub(super) enum Output {
    /// Over UDP, from this thread.
    Datagrams(Box<Sender>),
    /// Over connections, which another thread keeps.
    Session(Box<Outlet>),
}

impl Output {
    /// The maximum length of datagrams, in octets. It may change whenever some have been sent.
    pub(super) fn limit(&self) -> usize {
        match self {
            Self::Datagrams(sender) => sender.limit(),
            Self::Session(outlet) => outlet.limit(),
        }
    }

    /// The address that datagrams come from, if it is known.
    pub(super) fn local_address(&self) -> Option<IpAddr> {
        match self {
            Self::Datagrams(sender) => sender.local_address(),
            Self::Session(outlet) => outlet.local_address(),
        }
    }

    /// What is counted.
    pub(super) fn accounting(&mut self) -> &mut Accounting {
        match self {
            Self::Datagrams(sender) => sender.accounting(),
            Self::Session(outlet) => outlet.accounting(),
        }
    }

    /// Takes a datagram.
    pub(super) fn push(&mut self, datagram: Datagram<'_>) {
        match self {
            Self::Datagrams(sender) => sender.push(datagram),
            Self::Session(outlet) => outlet.push(datagram),
        }
    }

    /// Sends what waits, and counts what became of it.
    pub(super) fn flush(&mut self) {
        match self {
            Self::Datagrams(sender) => sender.flush(),
            Self::Session(outlet) => outlet.collect(),
        }
    }

    /// Sends what waits, or drops it if that takes too long.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Datagrams(sender) => sender.flush(),
            Self::Session(outlet) => outlet.finish(),
        }
    }
}
