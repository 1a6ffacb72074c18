//! Why a session is over.

use crate::proxy::ProxyError;
use bmp::code::TerminationReason;
use bmp::frame::FrameError;
use std::fmt;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The router sent a termination, with a reason if it has a valid one.
    Terminated(Option<TerminationReason>),
    /// The header of a message is wrong, so that the start of the next one is not known.
    Frame {
        /// Offset of the message in the stream, in octets.
        position: u64,
        /// What is wrong.
        error: FrameError,
    },
    /// The PROXY header is wrong.
    Proxy(ProxyError),
    /// The connection ended without a termination, as routers usually do it.
    Disconnected {
        /// Offset in the stream of the message that was incomplete.
        position: u64,
        /// Octets of it that arrived; 0 if there was none.
        incomplete: usize,
    },
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminated(Some(reason)) => write!(f, "termination: {reason}"),
            Self::Terminated(None) => f.write_str("termination without a reason"),
            Self::Frame { position, error } => write!(f, "{error}, at offset {position} of the stream"),
            Self::Proxy(error) => write!(f, "PROXY header: {error}"),
            Self::Disconnected { incomplete: 0, .. } => f.write_str("the router closed the connection"),
            Self::Disconnected { position, incomplete } => write!(
                f,
                "the connection ended {incomplete} octets into the message at offset {position} of the stream"
            ),
        }
    }
}
