//! The states: what a message means in each.

mod established;
mod open_confirm;
mod open_wait;

use crate::closed::Cause;
use crate::session::Core;
use bgp::message::{KEEPALIVE, Message, MessageType};
use bgp::notification::{ErrorCode, Notification};
use std::fmt;
use std::time::Instant;

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The peer has to send its OPEN.
    OpenWait,
    /// The peer has to confirm our OPEN.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
    /// The session is over.
    Closed,
}

impl State {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenWait => "OpenWait",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
            Self::Closed => "Closed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the caller of the session hears of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Open,
    Established,
    Keepalive,
    Update,
    RouteRefresh,
}

/// What came of a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing that the caller hears of.
    Done,
    /// The caller hears of it.
    Emit(Signal),
    /// The caller hears of a change of state, and the message then counts in the new state.
    EmitAndRepeat(Signal),
    /// The session is over: a NOTIFICATION is sent.
    Close(Notification, Cause),
    /// The session is over: a NOTIFICATION came.
    Notified,
}

/// Gives a message to the state.
#[inline]
pub(crate) fn receive(core: &mut Core, message: Message<'_>, now: Instant) -> Outcome {
    if message.kind() == MessageType::NOTIFICATION {
        return Outcome::Notified;
    }
    match core.state {
        State::OpenWait => open_wait::receive(core, message, now),
        State::OpenConfirm => open_confirm::receive(core, message, now),
        State::Established => established::receive(core, message, now),
        State::Closed => Outcome::Done,
    }
}

/// When the state ends unless something comes, and why.
pub(crate) fn deadline(core: &Core) -> Option<(Instant, Cause)> {
    match core.state {
        State::OpenWait => Some(open_wait::deadline(core)),
        State::OpenConfirm => Some(open_confirm::deadline(core)),
        State::Established => established::deadline(core),
        State::Closed => None,
    }
}

/// Answers a KEEPALIVE with another, as pmacct does. A peer cannot make this a loop, since a speaker sends KEEPALIVEs by its
/// timer.
fn answer_keepalive(core: &mut Core, now: Instant) {
    core.queue(MessageType::KEEPALIVE, &KEEPALIVE, now);
}

/// Closes the session for a message that has no place in its state (RFC 6608).
#[cold]
fn unexpected(core: &Core, kind: MessageType, error: ErrorCode) -> Outcome {
    Outcome::Close(Notification::new(error, &[kind.0]), Cause::Unexpected(kind, core.state))
}
