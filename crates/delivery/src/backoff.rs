//! How long to wait before a retry.

use std::time::Duration;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait, unless another is set.
const LONGEST: Duration = Duration::from_secs(60);

/// Exponential back-off with random jitter, so that many daemons do not reconnect at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    random: fastrand::Rng,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, longest: LONGEST, random: fastrand::Rng::new() }
    }
}

impl Backoff {
    /// A back-off with another longest wait.
    pub(crate) fn with_longest(longest: Duration) -> Self {
        Self { next: FIRST.min(longest), longest, ..Self::default() }
    }

    /// Records a failure and returns how long to wait.
    pub(crate) fn fail(&mut self) -> Duration {
        let wait = self.next.mul_f64(1.0 - 0.25 * self.random.f64());
        self.next = (self.next * 2).min(self.longest);
        wait
    }

    /// Records a success.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut backoff = Backoff::default();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.fail().as_secs_f64();
            assert!(wait <= f64::from(expected) && wait >= f64::from(expected) * 0.74, "{wait} for {expected}");
        }
        backoff.reset();
        assert!(backoff.fail() <= FIRST);
    }

    #[test]
    fn another_longest_wait_can_be_set() {
        let mut backoff = Backoff::with_longest(Duration::from_secs(3));
        let waits: Vec<f64> = (0..4).map(|_| backoff.fail().as_secs_f64().ceil()).collect();
        assert_eq!(waits, [1.0, 2.0, 3.0, 3.0]);
        assert!(Backoff::with_longest(Duration::from_millis(10)).fail() <= Duration::from_millis(10));
    }
}
