//! The only place that reads clocks.
//!
//! A datagram is stamped once, when it arrives; what happens to it later uses that stamp. So the wall clock is read once
//! per batch and at flushes, and tests of the rest pass in the time that they like.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall clock: microseconds since 1970-01-01 00:00 UTC. A clock set to before that gives 0.
#[must_use]
pub fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Microseconds since some moment in this process that does not change; never goes back, whatever the wall clock does.
#[must_use]
pub fn monotonic() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_counts_microseconds() {
        // 2020-01-01 and 2100-01-01.
        assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&now()));
    }

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let first = monotonic();
        assert!(monotonic() >= first);
    }
}
