//! BGP messages and states of sessions, for a log in MRT.
//!
//! `bgp_daemon_msglog_output: mrt` logs the messages themselves instead of the routes in them: all that a peer sends, from its OPEN on, and
//! changes of the session's state. With other encodings, these events have no form.

use crate::Peer;
use event_log::{Event, Head, MrtPlace};
use mrt::{Message, Session, StateChange, Time};
use std::borrow::Cow;

/// A message of a session.
#[derive(Clone, Copy, Debug)]
pub struct MessageEvent<'a> {
    /// The peer, for names.
    pub peer: &'a Peer,
    /// The session.
    pub session: Session,
    /// The message.
    pub message: Message<'a>,
}

/// A change of a session's state.
#[derive(Clone, Copy, Debug)]
pub struct StateEvent<'a> {
    /// The peer, for names.
    pub peer: &'a Peer,
    /// The session.
    pub session: Session,
    /// The change.
    pub change: StateChange,
}

impl Event for MessageEvent<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.peer.variable(name).map(Cow::Borrowed)
    }

    fn json(&self, _: &Head<'_>, _: &mut Vec<u8>) {}

    fn mrt(&self, head: &Head<'_>, _: MrtPlace, out: &mut Vec<u8>) {
        // BGP messages fit a record.
        let _ = self.session.write_message(out, Time::from_micros(head.micros), &self.message);
    }
}

impl Event for StateEvent<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.peer.variable(name).map(Cow::Borrowed)
    }

    fn json(&self, _: &Head<'_>, _: &mut Vec<u8>) {}

    fn mrt(&self, head: &Head<'_>, _: MrtPlace, out: &mut Vec<u8>) {
        let _ = self.session.write_state_change(out, Time::from_micros(head.micros), self.change);
    }

    fn weight(&self) -> u64 {
        0
    }
}
