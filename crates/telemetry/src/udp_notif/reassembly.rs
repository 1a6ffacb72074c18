//! Joining segments.

use super::{Datagram, Reason, Segment};
use crate::{Encoding, Message};
use recent::Map;
use std::net::SocketAddr;

/// Bounds of a [`Reassembler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incomplete messages at a time. The ids of as many complete ones are remembered.
    pub messages: usize,
    /// Bytes of all incomplete messages.
    pub bytes: usize,
    /// Octets of one message.
    pub message_octets: usize,
    /// How long the next segment of a message is waited for, in microseconds; a repeated one counts as well.
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

/// Why an incomplete message is dropped, after segments of it were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A segment did not arrive in time.
    TimedOut,
    /// It was the least recently used one when a bound of messages or bytes was reached.
    Evicted,
    /// It would be longer than the limit.
    TooLong,
    /// It timed out or was evicted, and a message with the same ids was complete shortly before: most likely nothing is lost.
    Repeated,
}

impl Loss {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 4] = ["timed_out", "evicted", "too_long", "repeated"];

    /// The position of the label in [`Loss::LABELS`].
    pub const fn index(self) -> usize {
        match self {
            Self::TimedOut => 0,
            Self::Evicted => 1,
            Self::TooLong => 2,
            Self::Repeated => 3,
        }
    }
}

/// Joins segments to messages. Times are microseconds of any one clock.
///
/// A message is identified by the address and port of the sender, the publisher id and the message id: Cisco IOS XR sends each subscription
/// from a port of its own, counts the messages of each from 0, and gives all of them the same publisher id. Segments arrive in any order,
/// and messages mixed. The first of repeated segments counts.
///
/// A segment of a message that is already complete may be a repeated one, or the first one of another message: publishers start from 0
/// again. It is therefore kept, like that of a new message, and is no loss of its own kind if nothing comes of it ([`Loss::Repeated`]).
#[derive(Debug)]
pub struct Reassembler {
    limits: Limits,
    incomplete: Map<Key, Incomplete>,
    ended: Map<Key, Ended>,
    /// Memory of the values in `incomplete`.
    bytes: usize,
    /// No message times out before; later than that one may.
    deadline_us: u64,
    /// The last message that was complete.
    joined: Vec<u8>,
    /// Buffers of an earlier message, for the next one.
    spare: (Vec<u8>, Vec<Piece>),
    losses: [u64; Loss::LABELS.len()],
}

/// Memory that an empty buffer keeps.
const KEPT: usize = 64 << 10;

/// What identifies a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    sender: SocketAddr,
    publisher: u32,
    message: u32,
}

/// Segments of a message.
#[derive(Debug)]
struct Incomplete {
    encoding: Encoding,
    /// A message with the same key was complete shortly before.
    follows: bool,
    /// The number of the last segment, if it has arrived.
    last: Option<u16>,
    /// When the latest segment arrived.
    at_us: u64,
    /// The segments, in order of arrival.
    octets: Vec<u8>,
    /// The segments, in order of their numbers.
    pieces: Vec<Piece>,
}

/// Where a segment is. Messages are limited to 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Piece {
    number: u16,
    start: u32,
    len: u32,
}

/// A message of which repeated segments may still arrive.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at_us: u64,
    is_too_long: bool,
}

impl Incomplete {
    fn memory(&self) -> usize {
        self.octets.capacity() + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Adds a segment.
    fn add(&mut self, encoding: Encoding, segment: Segment, payload: &[u8], limit: usize) -> Result<(), Reason> {
        let Segment { number, is_last } = segment;
        let highest = self.pieces.last().map(|piece| piece.number);
        let place = match highest {
            Some(highest) if highest >= number => {
                match self.pieces.binary_search_by_key(&number, |piece| piece.number) {
                    Ok(place) => {
                        let is_same = encoding == self.encoding && self.payload(place) == Some(payload);
                        return Err(if is_same { Reason::Repeated } else { Reason::Conflict });
                    }
                    Err(place) => place,
                }
            }
            _ => self.pieces.len(),
        };
        let is_beyond = self.last.is_some_and(|last| is_last || number > last);
        if encoding != self.encoding || is_beyond || is_last && place != self.pieces.len() {
            return Err(Reason::Conflict);
        }
        let (start, len) = (self.octets.len(), payload.len());
        let limit = limit.min(u32::MAX as usize);
        if limit.checked_sub(start).is_none_or(|room| len > room) {
            return Err(Reason::TooLong);
        }
        // Both are below the limit.
        self.pieces.insert(place, Piece { number, start: start as u32, len: len as u32 });
        self.octets.extend_from_slice(payload);
        if is_last {
            self.last = Some(number);
        }
        Ok(())
    }

    /// The segment at a place in `pieces`.
    fn payload(&self, place: usize) -> Option<&[u8]> {
        let Piece { start, len, .. } = *self.pieces.get(place)?;
        self.octets.get(start as usize..start as usize + len as usize)
    }

    /// All segments have arrived.
    fn is_complete(&self) -> bool {
        self.last.is_some_and(|last| usize::from(last) + 1 == self.pieces.len())
    }

    /// Replaces `joined` by the message, of which all segments have arrived.
    fn join(&mut self, joined: &mut Vec<u8>) {
        joined.clear();
        if self.pieces.is_sorted_by_key(|piece| piece.start) {
            std::mem::swap(&mut self.octets, joined);
            return;
        }
        joined.reserve(self.octets.len());
        for place in 0..self.pieces.len() {
            joined.extend_from_slice(self.payload(place).unwrap_or_default());
        }
    }
}

impl Reassembler {
    /// A reassembler without messages.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            incomplete: Map::new(limits.messages),
            ended: Map::new(limits.messages),
            bytes: 0,
            deadline_us: u64::MAX,
            joined: Vec::new(),
            spare: (Vec::new(), Vec::new()),
            losses: [0; Loss::LABELS.len()],
        }
    }

    /// Takes a datagram of a sender. A message in one datagram is returned as it is and costs nothing.
    pub fn push<'a>(&'a mut self, now_us: u64, sender: SocketAddr, datagram: &Datagram<'a>) -> Outcome<'a> {
        let Datagram { encoding, publisher, message, segment, payload } = *datagram;
        match segment {
            None if payload.len() > self.limits.message_octets => Outcome::Dropped(Reason::TooLong),
            None => Outcome::Message(Message { encoding, octets: payload }),
            Some(segment) => {
                let key = Key { sender, publisher, message };
                match self.segment(now_us, key, encoding, segment, payload) {
                    Ok(true) => Outcome::Message(Message { encoding, octets: &self.joined }),
                    Ok(false) => Outcome::Kept,
                    Err(reason) => Outcome::Dropped(reason),
                }
            }
        }
    }

    /// Takes a segment. True: the message is complete, and in `joined`.
    fn segment(
        &mut self,
        now_us: u64,
        key: Key,
        encoding: Encoding,
        segment: Segment,
        payload: &[u8],
    ) -> Result<bool, Reason> {
        self.expire(now_us);
        if self.incomplete.get_mut(&key).is_none() {
            self.begin(now_us, key, encoding)?;
        }
        let Some(incomplete) = self.incomplete.get_mut(&key) else { return Ok(false) };
        // Those that are dropped count too, so that the least recently used message is the one that times out first.
        incomplete.at_us = now_us;
        let before = incomplete.memory();
        let added = incomplete.add(encoding, segment, payload, self.limits.message_octets);
        self.bytes = self.bytes + incomplete.memory() - before;
        match added {
            Ok(()) => {}
            Err(Reason::TooLong) => {
                self.end(now_us, &key, true);
                self.count(Loss::TooLong);
                return Err(Reason::TooLong);
            }
            Err(reason) => return Err(reason),
        }
        if incomplete.is_complete() {
            // Joining may exchange buffers.
            self.bytes -= incomplete.memory();
            incomplete.join(&mut self.joined);
            self.bytes += incomplete.memory();
            self.end(now_us, &key, false);
            return Ok(true);
        }
        while self.bytes > self.limits.bytes && self.drop_oldest(Loss::Evicted) {}
        Ok(false)
    }

    /// Makes room for a message of which no segment is kept.
    fn begin(&mut self, now_us: u64, key: Key, encoding: Encoding) -> Result<(), Reason> {
        let ended = self.ended.peek(&key).copied();
        let ended = ended.filter(|ended| now_us.saturating_sub(ended.at_us) < self.limits.timeout_us);
        if ended.is_some_and(|ended| ended.is_too_long) {
            return Err(Reason::TooLong);
        }
        if self.incomplete.len() >= self.limits.messages.max(1) {
            self.drop_oldest(Loss::Evicted);
        }
        let (octets, pieces) = std::mem::take(&mut self.spare);
        let incomplete =
            Incomplete { encoding, follows: ended.is_some(), last: None, at_us: now_us, octets, pieces };
        self.bytes += incomplete.memory();
        self.incomplete.insert(key, incomplete);
        self.deadline_us = self.deadline_us.min(now_us.saturating_add(self.limits.timeout_us));
        Ok(())
    }

    /// Ends a message, and keeps its buffers for the next one.
    fn end(&mut self, at_us: u64, key: &Key, is_too_long: bool) {
        if let Some(mut incomplete) = self.incomplete.remove(key) {
            self.bytes -= incomplete.memory();
            self.recycle(&mut incomplete);
        }
        self.ended.remove(key);
        self.ended.insert(*key, Ended { at_us, is_too_long });
        if self.joined.capacity() > KEPT && self.joined.len() <= KEPT {
            self.joined.shrink_to(KEPT);
        }
    }

    fn recycle(&mut self, incomplete: &mut Incomplete) {
        let (mut octets, mut pieces) =
            (std::mem::take(&mut incomplete.octets), std::mem::take(&mut incomplete.pieces));
        octets.clear();
        pieces.clear();
        octets.shrink_to(KEPT);
        pieces.shrink_to(KEPT / size_of::<Piece>());
        self.spare = (octets, pieces);
    }

    /// Drops the message of which no segment has come for the longest time. False: there is none.
    fn drop_oldest(&mut self, loss: Loss) -> bool {
        let Some((_, incomplete)) = self.incomplete.pop_oldest() else { return false };
        self.bytes -= incomplete.memory();
        self.count(if incomplete.follows { Loss::Repeated } else { loss });
        true
    }

    fn count(&mut self, loss: Loss) {
        if let Some(count) = self.losses.get_mut(loss.index()) {
            *count += 1;
        }
    }

    /// Drops the messages that timed out. [`Reassembler::push`] does this, too; call it when no segments arrive.
    #[inline]
    pub fn expire(&mut self, now_us: u64) {
        if now_us >= self.deadline_us {
            self.expire_due(now_us);
        }
    }

    fn expire_due(&mut self, now_us: u64) {
        while let Some(oldest) = self.incomplete.oldest().and_then(|key| self.incomplete.peek(key)) {
            self.deadline_us = oldest.at_us.saturating_add(self.limits.timeout_us);
            if now_us < self.deadline_us {
                return;
            }
            self.drop_oldest(Loss::TimedOut);
        }
        self.deadline_us = u64::MAX;
    }

    /// When [`Reassembler::expire`] should be called, if there are incomplete messages. It may be too early, never too late.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.deadline_us)
    }

    /// Incomplete messages that were dropped, by [`Loss::index`], since the start.
    #[must_use]
    pub fn losses(&self) -> [u64; Loss::LABELS.len()] {
        self.losses
    }

    /// Incomplete messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.incomplete.len()
    }

    /// True if there are no incomplete messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incomplete.is_empty()
    }

    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        self.bytes
    }

    /// Memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let buffers =
            self.joined.capacity() + self.spare.0.capacity() + self.spare.1.capacity() * size_of::<Piece>();
        self.bytes + buffers + self.incomplete.memory() + self.ended.memory()
    }
}
