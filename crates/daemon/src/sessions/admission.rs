//! Which connections become sessions: the bounds of `*_daemon_max_peers` and `*_daemon_batch`.

use std::time::{Duration, Instant};

/// Why a connection was closed before it became a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// `*_daemon_allow_file` does not list the peer.
    NotAllowed,
    /// `*_daemon_max_peers` is reached.
    MaxPeers,
    /// More sessions than `*_daemon_batch` within `*_daemon_batch_interval`.
    Throttled,
    /// BGP: the peer has a session that is alive.
    ExistingPeer,
    /// BGP: another peer has the same router ID.
    RouterId,
}

impl Rejection {
    /// All of them, in the order of their counters.
    pub(crate) const ALL: [Self; 5] =
        [Self::NotAllowed, Self::MaxPeers, Self::Throttled, Self::ExistingPeer, Self::RouterId];

    /// Those of any protocol, which come first.
    pub(crate) const COMMON: [Self; 3] = [Self::NotAllowed, Self::MaxPeers, Self::Throttled];

    /// The value of the metric's label.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::MaxPeers => "max_peers",
            Self::Throttled => "throttled",
            Self::ExistingPeer => "existing_peer",
            Self::RouterId => "router_id",
        }
    }
}

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Sessions at a time.
    pub(crate) max_peers: usize,
    /// Sessions that may begin within an interval, and its length.
    pub(crate) batch: Option<(u32, Duration)>,
}

/// Counts sessions against the bounds.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    open: usize,
    /// The start of the current interval, and the sessions that began in it.
    interval: Option<(Instant, u32)>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: 0, interval: None }
    }

    /// Admits a session, which must be returned by [`Admission::leave`] at its end.
    pub(crate) fn enter(&mut self, now: Instant) -> Result<(), Rejection> {
        if self.open >= self.limits.max_peers {
            return Err(Rejection::MaxPeers);
        }
        if let Some((batch, length)) = self.limits.batch {
            // The first session after an interval begins the next one.
            let (began, count) = match self.interval {
                Some((began, count)) if now.saturating_duration_since(began) < length => (began, count),
                _ => (now, 0),
            };
            if count >= batch {
                return Err(Rejection::Throttled);
            }
            self.interval = Some((began, count + 1));
        }
        self.open += 1;
        Ok(())
    }

    /// A session has ended.
    pub(crate) fn leave(&mut self) {
        self.open = self.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded_and_leave_room() {
        let mut admission = Admission::new(Limits { max_peers: 2, batch: None });
        let now = Instant::now();
        assert_eq!([(); 3].map(|()| admission.enter(now)), [Ok(()), Ok(()), Err(Rejection::MaxPeers)]);
        admission.leave();
        assert_eq!(admission.enter(now), Ok(()));
    }

    #[test]
    fn a_batch_is_admitted_per_interval() {
        let length = Duration::from_secs(10);
        let mut admission = Admission::new(Limits { max_peers: 9, batch: Some((2, length)) });
        let start = Instant::now();
        let mut enter = |seconds| admission.enter(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 9].map(&mut enter), [Ok(()), Ok(()), Err(Rejection::Throttled)]);
        assert_eq!([30, 39, 39, 40].map(&mut enter), [Ok(()), Ok(()), Err(Rejection::Throttled), Ok(())]);
    }
}
