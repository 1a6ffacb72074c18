//! Subscriptions of YANG-Push (RFC 8639, RFC 8641): what publishers announced, for the records of their updates.
//!
//! Notifications are those of the form `ietf-yp-notification:envelope` with the members `hostname` and `contents`. A subscription is known
//! by hostname and id; the address of the sender does not count.
//!
//! | contents | subscription | metadata of its record |
//! |---|---|---|
//! | `ietf-subscribed-notifications:subscription-started` | kept, or replaced | none |
//! | `ietf-subscribed-notifications:subscription-modified` | replaced | the new one |
//! | `ietf-yang-push:push-update`, `push-change-update` | | the one that is kept |
//! | `ietf-subscribed-notifications:subscription-suspended`, `-resumed` | | the one that is kept |
//! | `ietf-subscribed-notifications:subscription-terminated`, `-completed` | forgotten | the one that was kept |

/// What a payload means for subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Nothing: no envelope, or contents without metadata.
    None,
    /// The record should have the subscription as metadata: a JSON object.
    Subscription(&'a [u8]),
    /// The record is one of a subscription that is not known: its id.
    Unknown(u64),
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Subscriptions that started or were modified.
    pub kept: u64,
    /// Subscriptions that ended.
    pub ended: u64,
    /// Notifications of a subscription that is not known.
    pub unknown: u64,
    /// Least recently used subscriptions that were dropped at a bound.
    pub evicted: u64,
    /// Subscriptions that were not kept since they alone exceed the bound of bytes.
    pub too_long: u64,
}

/// Known subscriptions.
#[derive(Debug)]
pub struct Subscriptions {
    counts: Counts,
}

impl Subscriptions {
    /// At most `max` subscriptions of at most `max_bytes` bytes in all; at either bound the least recently used ones are evicted.
    #[must_use]
    pub fn new(max: usize, max_bytes: usize) -> Self {
        let _ = (max, max_bytes);
        Self { counts: Counts::default() }
    }

    /// Looks at a payload: valid JSON without blanks between tokens, as [`crate::payload::Writer`] writes it.
    pub fn observe(&mut self, payload: &[u8]) -> Notice<'_> {
        let _ = payload;
        Notice::None
    }

    /// Counts since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Known subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// True if there are none.
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
