//! The timers of a session, as instants and durations.

use std::time::{Duration, Instant};

/// How long a peer may read nothing while something waits for it, unless twice the hold time is longer (RFC 9687
/// section 4.3.1).
pub const SEND_HOLD_TIME: Duration = Duration::from_secs(8 * 60);

/// Times of a session.
#[derive(Debug)]
pub(crate) struct Timers {
    /// When the session begins, or the peer's OPEN came.
    pub(crate) started: Instant,
    /// The negotiated hold time; `None` for none, and until the peer's OPEN.
    pub(crate) hold: Option<Duration>,
    /// When the last whole message came.
    pub(crate) received: Instant,
    /// When the last KEEPALIVE or OPEN was queued.
    pub(crate) keepalive: Instant,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self { started: now, hold: None, received: now, keepalive: now }
    }

    /// When the hold timer expires.
    pub(crate) fn hold_deadline(&self) -> Option<Instant> {
        self.hold.map(|hold| self.received + hold)
    }

    /// When a KEEPALIVE is due: a third of the hold time after the last one (RFC 4271 section 4.4).
    pub(crate) fn keepalive_deadline(&self) -> Option<Instant> {
        self.hold.map(|hold| self.keepalive + hold / 3)
    }

    /// How long the peer may read nothing.
    pub(crate) fn send_hold(&self) -> Duration {
        SEND_HOLD_TIME.max(self.hold.unwrap_or_default() * 2)
    }
}
