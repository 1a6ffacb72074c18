//! The only module that reads clocks.
//!
//! A datagram gets its time of arrival once; all later steps use that time. So the wall clock is read once per batch and at
//! flushes, and tests of other code choose their own times.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall clock: microseconds since 1970-01-01 00:00 UTC; 0 for a clock that is set to an earlier time.
#[must_use]
pub fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the one module that reads the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Monotonic clock: microseconds since a fixed moment of this process.
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
