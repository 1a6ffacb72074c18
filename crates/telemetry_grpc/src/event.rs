//! What is handed over.

use crate::service::Service;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry_gpb::Fault;
use tokio::sync::OwnedSemaphorePermit;

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A router that dialled out, by its service.
    DialOut(Service),
    /// A gNMI target that was dialled: its name in the file of targets.
    Target(Arc<str>),
}

impl Source {
    /// `cisco`, `huawei`, `juniper`, `nokia` or `gnmi`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DialOut(service) => service.name(),
            Self::Target(_) => "gnmi",
        }
    }

    /// Its position in arrays by source.
    pub(crate) const fn index(&self) -> usize {
        match self {
            Self::DialOut(service) => service.index(),
            Self::Target(_) => Service::COUNT,
        }
    }
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A stream of messages began.
    Opened {
        /// The address of the router.
        peer: SocketAddr,
        /// Where the messages come from.
        source: Source,
    },
    /// A message arrived.
    Message(Message),
    /// A stream that was opened ended.
    Closed {
        /// The address of the router.
        peer: SocketAddr,
        /// Where the messages came from.
        source: Source,
        /// Why it ended.
        why: End,
    },
    /// A connection of a router was refused or abandoned before there was a stream. Not sent while the channel is full; counted always.
    Refused {
        /// The address of the router.
        peer: SocketAddr,
        /// Why.
        why: String,
    },
    /// A target could not be reached. It is tried again.
    Unreachable {
        /// The name of the target.
        target: Arc<str>,
        /// Why.
        why: String,
    },
}

/// A message. It holds its share of the memory budget until it is dropped.
#[derive(Debug)]
pub struct Message {
    /// The address of the router.
    pub peer: SocketAddr,
    /// Where it comes from.
    pub source: Source,
    /// Its data.
    pub payload: Payload,
    pub(crate) _memory: OwnedSemaphorePermit,
}

/// The data of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON, on one line.
    Json(Box<[u8]>),
    /// What could not be decoded.
    Undecoded {
        /// The octets of the data.
        octets: Box<[u8]>,
        /// Why.
        fault: Fault,
    },
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer ended it.
    Finished,
    /// It had as many messages as it may have.
    Replies,
    /// The connection broke, or the peer reset the stream.
    Reset(String),
    /// A target ended the subscription with an error: the status of gRPC.
    Status(String),
    /// The compressed flag of a message is neither 0 nor 1.
    Flag(u8),
    /// A compressed message in a stream without compression.
    Encoding,
    /// A compressed message cannot be decompressed.
    Compression,
    /// A message is too large: octets of it, or of what it decompresses to, and the limit.
    Size(usize, usize),
    /// The stream ended within a message.
    Truncated,
    /// A message was not complete in time.
    Slow,
    /// The daemon stops, or the target was removed from the file.
    Stopped,
}

impl End {
    /// The names of all reasons.
    pub const NAMES: [&'static str; 11] = [
        "finished",
        "replies",
        "reset",
        "status",
        "flag",
        "encoding",
        "compression",
        "size",
        "truncated",
        "slow",
        "stopped",
    ];

    /// The position of its name in [`End::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Finished => 0,
            Self::Replies => 1,
            Self::Reset(_) => 2,
            Self::Status(_) => 3,
            Self::Flag(_) => 4,
            Self::Encoding => 5,
            Self::Compression => 6,
            Self::Size(..) => 7,
            Self::Truncated => 8,
            Self::Slow => 9,
            Self::Stopped => 10,
        }
    }

    /// True if something is wrong with the peer or the way to it.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Finished | Self::Replies | Self::Stopped)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("the peer ended the stream"),
            Self::Replies => f.write_str("the stream had as many messages as it may have"),
            Self::Reset(why) => write!(f, "the stream broke: {why}"),
            Self::Status(why) => write!(f, "the target ended the subscription: {why}"),
            Self::Flag(flag) => write!(f, "the flag of a message is {flag}, which is not valid"),
            Self::Encoding => f.write_str("a message is compressed, but the stream names no compression"),
            Self::Compression => f.write_str("a message cannot be decompressed"),
            Self::Size(octets, limit) => write!(f, "a message of {octets} octets or more; the limit is {limit}"),
            Self::Truncated => f.write_str("the stream ended within a message"),
            Self::Slow => f.write_str("a message was not complete in time"),
            Self::Stopped => f.write_str("the stream was stopped"),
        }
    }
}

/// The error behind an error that says only where it occurred.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
