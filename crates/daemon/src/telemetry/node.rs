//! Nodes: the exporters of telemetry, as the log and other threads see them.

use super::events::Events;
use super::figures::Figure;
use super::record::Tags;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Ways in which telemetry arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Transport {
    /// A connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// Datagrams with the header of UDP-notif.
    UdpNotif,
    /// Messages of a Kafka topic.
    Kafka,
    /// Messages of a ZeroMQ socket.
    ZeroMq,
    /// Streams of routers that dial out.
    Grpc,
    /// Subscriptions of gNMI targets.
    Gnmi,
}

impl Transport {
    /// All of them, in the order of their counters.
    pub(super) const ALL: [Self; 7] =
        [Self::Tcp, Self::Udp, Self::UdpNotif, Self::Kafka, Self::ZeroMq, Self::Grpc, Self::Gnmi];

    /// The value of the metric's label.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpNotif => "udp_notif",
            Self::Kafka => "kafka",
            Self::ZeroMq => "zmq",
            Self::Grpc => "grpc",
            Self::Gnmi => "gnmi",
        }
    }

    /// `session-protocol` of its messages.
    pub(super) const fn session_protocol(self) -> &'static str {
        match self {
            Self::UdpNotif => "yang-push",
            Self::Gnmi => "gnmi",
            Self::Tcp | Self::Udp | Self::Kafka | Self::ZeroMq | Self::Grpc => "telemetry",
        }
    }
}

/// An exporter: a connection, or the address that sends datagrams or messages.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) transport: Transport,
    /// Its address. The port is that of its first datagram.
    pub(super) address: SocketAddr,
    /// When it was first heard of: microseconds since 1970.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "queries read it"))]
    pub(super) since: u64,
    /// The variables of names.
    pub(super) variables: [String; 2],
    pub(super) counts: Counts,
    pub(super) tagged: Mutex<Tagged>,
    /// Messages for the next dump.
    pub(super) events: Mutex<Events>,
}

/// Counters of a node. The thread that holds the lock of the collector counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) messages: Figure,
    pub(super) bytes: Figure,
    /// Messages whose payload was not what their encoding says.
    pub(super) invalid: Figure,
    /// When it last sent something: microseconds since 1970.
    pub(super) last: Figure,
}

/// The tags of a node, rendered from the operator's map of some generation.
#[derive(Debug, Default)]
pub(super) struct Tagged {
    pub(super) generation: u64,
    pub(super) tags: Tags,
}

impl Node {
    pub(super) fn new(transport: Transport, address: SocketAddr, now: u64) -> Self {
        let node = Self {
            transport,
            address,
            since: now,
            variables: [address.ip().to_string(), address.port().to_string()],
            counts: Counts::default(),
            tagged: Mutex::default(),
            events: Mutex::default(),
        };
        node.counts.last.set(now);
        node
    }
}
