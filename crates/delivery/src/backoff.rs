//! How long to wait before a retry.

use std::time::Duration;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Exponential back-off with random jitter, so that many daemons do not reconnect at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    random: fastrand::Rng,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, random: fastrand::Rng::new() }
    }
}

impl Backoff {
    /// Records a failure and returns how long to wait.
    pub(crate) fn fail(&mut self) -> Duration {
        let wait = self.next.mul_f64(1.0 - 0.25 * self.random.f64());
        self.next = (self.next * 2).min(LONGEST);
        wait
    }

    /// Records a success.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
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
}
