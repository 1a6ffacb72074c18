//! Queues, discards, sockets of hosts, and tags of probes.

use super::records;
use std::net::{Ipv4Addr, Ipv6Addr};

records! {
    /// Length of the queue when the packet arrived.
    QueueLength {
        /// Queue of the interface.
        queue: u32,
        /// Segments in it before this packet.
        segments: u32,
    }

    /// Egress queue of the packet.
    EgressQueue {
        /// Its number.
        queue: u32,
    }

    /// Depth of the queue.
    QueueDepth {
        /// Octets.
        octets: u32,
    }

    /// Transit delay of the packet through the switch.
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
        /// 0: unknown, 1: ingress, 2: egress.
        direction: u32,
    }

    /// A function of a network stack.
    Function<'a> {
        /// Its symbol.
        symbol: &'a [u8],
    }

    /// A hardware trap, with the names of Linux devlink.
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
        /// Local address.
        local: Ipv4Addr,
        /// Remote address.
        remote: Ipv4Addr,
        /// Local port.
        local_port: u32,
        /// Remote port.
        remote_port: u32,
    }

    /// A socket of the host.
    SocketIpv6 {
        /// IP protocol.
        protocol: u32,
        /// Local address.
        local: Ipv6Addr,
        /// Remote address.
        remote: Ipv6Addr,
        /// Local port.
        local_port: u32,
        /// Remote port.
        remote_port: u32,
    }

    /// Tags set by a pmacct probe.
    Tag {
        /// The first.
        tag: u64,
        /// The second.
        tag2: u64,
    }
}
