//! Octets that wait to be sent.

use bgp::notification::Notification;
use std::time::Instant;

/// Octets that wait for sending at most: an OPEN, requests for all families of an OPEN, KEEPALIVEs, and a NOTIFICATION.
pub const MAX_OUTPUT: usize = 32_768;

/// Octets behind which nothing is queued but a NOTIFICATION: they already say that the session lives.
const MAX_QUEUED: usize = MAX_OUTPUT - 2 * bgp::message::MAX_LEN;

/// The send buffer.
#[derive(Debug, Default)]
pub(crate) struct Output {
    octets: Vec<u8>,
    /// Octets at the start that were sent.
    sent: usize,
    /// Since when the peer reads nothing; `None` if nothing waits.
    stalled: Option<Instant>,
}

impl Output {
    /// What waits.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.octets.get(self.sent..).unwrap_or_default()
    }

    /// True if there is room for a message of at most 4096 octets.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting().len() <= MAX_QUEUED
    }

    /// Queues a message if there is room.
    pub(crate) fn queue(&mut self, message: &[u8], now: Instant) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.octets.extend_from_slice(message);
            self.stalled.get_or_insert(now);
        }
        has_room
    }

    /// Queues a NOTIFICATION, the last message, for which there is always room.
    pub(crate) fn queue_last(&mut self, notification: &Notification, now: Instant) {
        notification.write(&mut self.octets);
        self.stalled.get_or_insert(now);
    }

    /// Removes octets that were sent.
    pub(crate) fn remove(&mut self, octets: usize, now: Instant) {
        if octets == 0 {
            return;
        }
        self.sent = self.sent.saturating_add(octets).min(self.octets.len());
        self.stalled = Some(now);
        if self.sent == self.octets.len() {
            self.stalled = None;
            self.octets.clear();
            self.sent = 0;
        } else if self.sent > MAX_OUTPUT / 2 {
            self.octets.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Since when the peer reads nothing, although something waits.
    pub(crate) fn stalled(&self) -> Option<Instant> {
        self.stalled
    }
}
