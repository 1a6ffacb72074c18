//! Why a session is over.

use crate::State;
use bgp::message::{HeaderError, MessageType};
use bgp::notification::Notification;
use bgp::open::OpenError;
use bgp::route_refresh;
use std::fmt;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The peer sent a NOTIFICATION.
    Received(Notification),
    /// The session sent a NOTIFICATION, which may still wait in the send buffer.
    Sent(Notification, Cause),
    /// The connection ended without a NOTIFICATION.
    Disconnected {
        /// Octets of the message that was incomplete, if any.
        incomplete: usize,
    },
}

/// What made the session send a NOTIFICATION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A header is wrong.
    Header(HeaderError),
    /// The peer's OPEN is not acceptable.
    Open(OpenError),
    /// No answer to the peer's OPEN fits a message: it repeats thousands of capabilities.
    AnswerTooLong,
    /// A ROUTE-REFRESH is wrong.
    RouteRefresh(route_refresh::LengthError),
    /// The message has no place in the state.
    Unexpected(MessageType, State),
    /// No OPEN came in time, or nothing confirmed ours.
    OpenTimer,
    /// No message came for the hold time.
    HoldTimer,
    /// The peer did not read for the send hold time (RFC 9687).
    SendHoldTimer,
    /// The caller closed the session.
    Local,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => write!(f, "message header: {error}"),
            Self::Open(error) => write!(f, "OPEN: {error}"),
            Self::AnswerTooLong => f.write_str("OPEN: the answer to its capabilities is too long"),
            Self::RouteRefresh(error) => write!(f, "ROUTE-REFRESH: {error}"),
            Self::Unexpected(kind, state) => write!(f, "{kind} in state {state}"),
            Self::OpenTimer => f.write_str("the peer did not open the session in time"),
            Self::HoldTimer => f.write_str("the peer sent no message for the hold time"),
            Self::SendHoldTimer => f.write_str("the peer did not read for the send hold time"),
            Self::Local => f.write_str("closed here"),
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(notification) => write!(f, "received {notification}"),
            Self::Sent(notification, Cause::Local) => write!(f, "sent {notification}"),
            Self::Sent(notification, cause) => write!(f, "{cause}; sent {notification}"),
            Self::Disconnected { incomplete: 0 } => f.write_str("the peer closed the connection"),
            Self::Disconnected { incomplete } => {
                write!(f, "the connection ended {incomplete} octets into a message")
            }
        }
    }
}
