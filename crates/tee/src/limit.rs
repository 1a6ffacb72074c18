//! What a pool leaves out although its tags match: it samples datagrams, or limits the rate of each exporter.
//!
//! The rate limit is a token bucket for each exporter, which holds the datagrams of one second. Time is that of the batches.

use recent::Map;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Exporters of which a pool knows the rate. Beyond it, the one that was silent longest starts again with a full bucket.
pub const MAX_EXPORTERS: usize = 65_536;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// The limits of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// N: one datagram in N is passed on, at random.
    pub sampling: Option<NonZeroU32>,
    /// Datagrams of each exporter in a second.
    pub rate: Option<NonZeroU32>,
}

/// Why a datagram is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// By sampling.
    Sampling,
    /// By the rate limit.
    Rate,
}

/// The state of a pool's limits in one worker.
#[derive(Debug)]
pub struct Limiter {
    limit: Limit,
    random: fastrand::Rng,
    buckets: Map<IpAddr, Bucket>,
}

/// The bucket of an exporter.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Millionths of a datagram.
    tokens: u64,
    /// When tokens were added, microseconds since 1970.
    filled_us: u64,
}

impl Limiter {
    /// Starts with full buckets.
    pub fn new(limit: Limit) -> Self {
        Self { limit, random: fastrand::Rng::new(), buckets: Map::new(MAX_EXPORTERS) }
    }

    /// The limits that it applies.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Checks a datagram of an exporter that arrived at `now` (microseconds since 1970).
    ///
    /// # Errors
    /// It is left out.
    #[inline]
    pub fn check(&mut self, exporter: IpAddr, now: u64) -> Result<(), Excess> {
        if self.limit == Limit::default() { Ok(()) } else { self.check_limits(exporter, now) }
    }

    fn check_limits(&mut self, exporter: IpAddr, now: u64) -> Result<(), Excess> {
        if self.limit.sampling.is_some_and(|interval| self.random.u32(..interval.get()) != 0) {
            return Err(Excess::Sampling);
        }
        let Some(rate) = self.limit.rate else { return Ok(()) };
        let rate = u64::from(rate.get());
        let full = rate * SECOND;
        let bucket = match self.buckets.get_mut(&exporter) {
            Some(bucket) => bucket,
            None => {
                self.buckets.insert(exporter, Bucket { tokens: full - SECOND, filled_us: now });
                return Ok(());
            }
        };
        // A clock that is set back fills nothing.
        let passed = now.saturating_sub(bucket.filled_us).min(SECOND);
        bucket.tokens = (bucket.tokens + passed * rate).min(full);
        bucket.filled_us = now;
        match bucket.tokens.checked_sub(SECOND) {
            Some(left) => {
                bucket.tokens = left;
                Ok(())
            }
            None => Err(Excess::Rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporter(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn without_limits_everything_passes() {
        let mut limiter = Limiter::new(Limit::default());
        assert!((0..1000).all(|now| limiter.check(exporter(1), now).is_ok()));
    }

    #[test]
    fn a_rate_is_kept_for_each_exporter() {
        let mut limiter = Limiter::new(Limit { rate: NonZeroU32::new(10), ..Limit::default() });
        // A datagram each millisecond, from two exporters, for three seconds.
        let mut passed = [0, 0];
        for now in (0..3_000_000).step_by(1000) {
            for (number, passed) in passed.iter_mut().enumerate() {
                *passed += u64::from(limiter.check(exporter(number as u8), now).is_ok());
            }
        }
        // A full bucket, and ten each second.
        assert_eq!(passed, [39, 39]);
        assert_eq!(limiter.check(exporter(1), 2_999_999), Err(Excess::Rate));
        assert_eq!(limiter.check(exporter(1), 5_000_000), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut limiter = Limiter::new(Limit { rate: NonZeroU32::new(1), ..Limit::default() });
        assert_eq!(limiter.check(exporter(1), 9_000_000), Ok(()));
        assert_eq!(limiter.check(exporter(1), 1_000_000), Err(Excess::Rate));
        assert_eq!(limiter.check(exporter(1), 2_000_000), Ok(()));
    }

    #[test]
    fn sampling_passes_one_in_n() {
        let mut limiter = Limiter::new(Limit { sampling: NonZeroU32::new(10), ..Limit::default() });
        let passed = (0..20_000).filter(|now| limiter.check(exporter(1), *now).is_ok()).count();
        assert!((1700..2300).contains(&passed), "{passed}");
    }
}
