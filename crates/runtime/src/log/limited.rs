//! Limits the rate of messages that a peer can cause.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lets one message per interval pass, and counts the others.
///
/// ```
/// use runtime::log::Limited;
/// use std::time::Duration;
/// static MALFORMED: Limited = Limited::new(Duration::from_secs(10));
/// if let Some(pass) = MALFORMED.pass() {
///     tracing::warn!(held_back = pass.held_back, "malformed datagram");
/// }
/// ```
#[derive(Debug)]
pub struct Limited {
    /// Microseconds.
    per: u64,
    /// When the next may pass, on the monotonic clock.
    next: AtomicU64,
    held_back: AtomicU64,
}

/// Permission to log one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// How many were held back since the last one that passed; `None` when none was, so that the field is not shown.
    pub held_back: Option<u64>,
}

impl Limited {
    /// One message per `per` at most.
    #[must_use]
    pub const fn new(per: Duration) -> Self {
        let micros = per.as_micros();
        #[expect(clippy::cast_possible_truncation, reason = "checked; try_from is not const")]
        let per = if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 };
        Self { per, next: AtomicU64::new(0), held_back: AtomicU64::new(0) }
    }

    /// Requests permission; without it, the message is counted as held back.
    pub fn pass(&self) -> Option<Pass> {
        self.pass_at(crate::clock::monotonic())
    }

    fn pass_at(&self, now: u64) -> Option<Pass> {
        let next = self.next.load(Ordering::Relaxed);
        let then = now.saturating_add(self.per);
        // Of several concurrent threads, one wins.
        if now < next || self.next.compare_exchange(next, then, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let held_back = self.held_back.swap(0, Ordering::Relaxed);
        Some(Pass { held_back: (held_back > 0).then_some(held_back) })
    }

    /// How many were held back and not reported yet.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }
}

/// A sum that is logged once per interval: each line has all that was added since the line before.
///
/// ```
/// use runtime::log::Summed;
/// use std::time::Duration;
/// let mut lost = Summed::new(Duration::from_secs(10));
/// if let Some(records) = lost.add(5_u64) {
///     tracing::warn!(records, "dropped");
/// }
/// ```
#[derive(Debug)]
pub struct Summed<T> {
    /// Microseconds.
    per: u64,
    /// When the next line may be logged, on the monotonic clock.
    next: u64,
    /// What was not logged yet.
    held: Option<T>,
}

impl<T: std::ops::Add<Output = T>> Summed<T> {
    /// One line per `per` at most.
    #[must_use]
    pub fn new(per: Duration) -> Self {
        Self { per: u64::try_from(per.as_micros()).unwrap_or(u64::MAX), next: 0, held: None }
    }

    /// Adds to the sum. Returns the sum if it may be logged now.
    pub fn add(&mut self, more: T) -> Option<T> {
        self.held = Some(match self.held.take() {
            Some(held) => held + more,
            None => more,
        });
        self.due()
    }

    /// Returns what was held back, if it may be logged now. To be called regularly, so that no sum waits for the next loss.
    pub fn due(&mut self) -> Option<T> {
        self.due_at(crate::clock::monotonic())
    }

    fn due_at(&mut self, now: u64) -> Option<T> {
        if now < self.next {
            return None;
        }
        let held = self.held.take()?;
        self.next = now.saturating_add(self.per);
        Some(held)
    }

    /// Returns what was held back, regardless of the time: for the end.
    pub fn rest(&mut self) -> Option<T> {
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_per_span_and_says_how_many_did_not() {
        let limited = Limited::new(Duration::from_micros(10));
        assert_eq!(limited.pass_at(5), Some(Pass { held_back: None }));
        assert_eq!(limited.pass_at(5), None);
        assert_eq!(limited.pass_at(14), None);
        assert_eq!(limited.held_back(), 2);
        assert_eq!(limited.pass_at(15), Some(Pass { held_back: Some(2) }));
        assert_eq!(limited.pass_at(100), Some(Pass { held_back: None }));
    }

    #[test]
    fn each_line_has_all_since_the_line_before() {
        let mut summed = Summed::new(Duration::MAX);
        assert_eq!(summed.due(), None);
        assert_eq!(summed.add(2001), Some(2001));
        assert_eq!((summed.add(6000), summed.add(6006)), (None, None));
        assert_eq!(summed.due_at(5), None);
        assert_eq!((summed.rest(), summed.rest()), (Some(12_006), None));
        summed.held = Some(3);
        assert_eq!((summed.due_at(u64::MAX), summed.due_at(u64::MAX)), (Some(3), None));
    }

    #[test]
    fn of_many_threads_one_passes() {
        let limited = Limited::new(Duration::MAX);
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        passed.fetch_add(u64::from(limited.pass().is_some()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((passed.into_inner(), limited.held_back()), (1, 3999));
    }
}
