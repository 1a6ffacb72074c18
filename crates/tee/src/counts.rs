//! What a replicator counts.

use std::io;
use udp_link::{Report, Unsent};

/// Why a replica was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The socket's send buffer is full.
    Buffer,
    /// It is longer than the path allows, and was not to be fragmented.
    TooLong,
    /// There is no route to the receiver, or no socket for it.
    Unreachable,
    /// The kernel does not permit it, such as a firewall rule.
    Denied,
    /// The exporter's address is to be kept, and is of another address family than the receiver's.
    Family,
    /// The queue to a message broker is full.
    Queue,
    /// Any other error.
    Failed,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 7] =
        [Self::Buffer, Self::TooLong, Self::Unreachable, Self::Denied, Self::Family, Self::Queue, Self::Failed];
}

impl From<Unsent> for DropReason {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Buffer => Self::Buffer,
            Unsent::TooLong => Self::TooLong,
            Unsent::Unreachable => Self::Unreachable,
            Unsent::Denied => Self::Denied,
            Unsent::Failed => Self::Failed,
        }
    }
}

/// Counters of a replicator, since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams offered.
    pub offered: u64,
    /// Datagrams of which at least one replica was made.
    pub replicated: u64,
    /// Datagrams of which no pool took anything because of tags.
    pub filtered_tag: u64,
    /// Datagrams that the sampling of pools left out.
    pub filtered_sampling: u64,
    /// Datagrams beyond the rate limits of pools.
    pub filtered_rate: u64,
    /// Replicas that were made, one for each receiver.
    pub replicas: u64,
    /// Replicas that the kernel or a broker's client accepted.
    pub sent: u64,
    /// Octets of UDP payload in them.
    pub sent_bytes: u64,
    /// Replicas that receivers refused after they had been sent, according to ICMP.
    pub refused: u64,
    /// Replicas that were rebuilt from some of the records of their datagram.
    pub rebuilt: u64,
    /// Data sets and samples that could not be divided into records, and were left out of a replica.
    pub unreadable: u64,
    /// Replicas that were not sent, by reason.
    dropped: [u64; DropReason::ALL.len()],
}

impl Counts {
    /// Replicas that were not sent for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// Counts replicas that were not sent.
    pub fn drop(&mut self, reason: DropReason, replicas: u64) {
        if let Some(dropped) = self.dropped.get_mut(reason as usize) {
            *dropped += replicas;
        }
    }
}

impl Report for Counts {
    fn sent(&mut self, replicas: usize, bytes: u64) {
        self.sent += replicas as u64;
        self.sent_bytes += bytes;
    }

    fn dropped(&mut self, replicas: usize, reason: Unsent, _error: io::Error) {
        self.drop(reason.into(), replicas as u64);
    }

    fn refused(&mut self) {
        self.refused += 1;
    }
}
