//! Bounds.

use std::time::Duration;

/// What peers can make grow, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of routers, of all sockets. Each holds up to [`Limits::window`] bytes besides the budgets.
    pub connections: usize,
    /// Streams of a connection.
    pub streams: u32,
    /// Octets of a message, compressed and uncompressed.
    pub message: usize,
    /// Bytes of all messages that are being received. One connection takes an eighth, or one message if that is more.
    pub receiving: usize,
    /// Bytes of payloads that wait in the channel.
    pub queue: usize,
    /// Events that wait in the channel.
    pub events: usize,
    /// Bounds of the JSON of a message.
    pub json: telemetry_gpb::Limits,
    /// Octets that a peer may send before they are read: HTTP/2's flow-control window, of a connection and of a stream.
    pub window: u32,
    /// The time for a TLS handshake, and for the connection to a target.
    pub handshake: Duration,
    /// The time in which the header of a message, and then the message, must be complete.
    pub message_time: Duration,
    /// How long a connection may be without a stream; looked at in this interval.
    pub idle: Duration,
    /// How often a peer is asked whether it is still there (HTTP/2 PING), and how long it may take to answer.
    pub keepalive: (Duration, Duration),
    /// The pauses between attempts to reach a target: the first, which is doubled with each failure, and the longest. They vary by a
    /// half, so that targets that failed together are not dialled together.
    pub retry: (Duration, Duration),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            streams: 64,
            message: 4 << 20,
            receiving: 64 << 20,
            queue: 64 << 20,
            events: 1024,
            json: telemetry_gpb::Limits::default(),
            window: 256 << 10,
            handshake: Duration::from_secs(10),
            message_time: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            keepalive: (Duration::from_secs(60), Duration::from_secs(20)),
            retry: (Duration::from_secs(1), Duration::from_secs(60)),
        }
    }
}
