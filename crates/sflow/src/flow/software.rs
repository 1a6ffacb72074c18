//! Queues, discards, sockets of hosts, and tags of probes.

use super::records;
use std::net::{Ipv4Addr, Ipv6Addr};

records! {
    /// How long the queue was that the packet came to.
    QueueLength {
        /// Which queue of the interface.
        queue: u32,
        /// Segments in it before this packet.
        segments: u32,
    }

    /// The queue that was chosen for the packet.
    EgressQueue {
        /// Its number.
        queue: u32,
    }

    /// How much the queue held.
    QueueDepth {
        /// Octets.
        octets: u32,
    }

    /// How long the packet took through the switch.
    Transit {
        /// Nanoseconds; all bits set if the value does not fit.
        delay_ns: u32,
    }

    /// An access list.
    Acl<'a> {
        /// Its number.
        number: u32,
        /// Its name.
        name: &'a [u8],
        /// 0: unknown, 1: for packets that come, 2: for those that are sent.
        direction: u32,
    }

    /// A function of a network stack.
    Function<'a> {
        /// Its symbol.
        symbol: &'a [u8],
    }

    /// A trap of the hardware, by the names of Linux' devlink.
    HardwareTrap<'a> {
        /// Its group.
        group: &'a [u8],
        /// Its name.
        name: &'a [u8],
    }

    /// Why Linux dropped a packet.
    DropReason<'a> {
        /// The name of the reason.
        name: &'a [u8],
    }

    /// A socket of the host.
    SocketIpv4 {
        /// IP protocol.
        protocol: u32,
        /// Address on this side.
        local: Ipv4Addr,
        /// Address on the other side.
        remote: Ipv4Addr,
        /// Port on this side.
        local_port: u32,
        /// Port on the other side.
        remote_port: u32,
    }

    /// A socket of the host.
    SocketIpv6 {
        /// IP protocol.
        protocol: u32,
        /// Address on this side.
        local: Ipv6Addr,
        /// Address on the other side.
        remote: Ipv6Addr,
        /// Port on this side.
        local_port: u32,
        /// Port on the other side.
        remote_port: u32,
    }

    /// Tags that a probe of pmacct set.
    Tag {
        /// The first.
        tag: u64,
        /// The second.
        tag2: u64,
    }
}
