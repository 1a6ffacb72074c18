//! The intervals of a session (RFC 8210 section 6).

use crate::rtr::Intervals;
use std::time::Duration;

/// Three intervals; of settings, each may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timers<T> {
    /// Between two queries.
    pub refresh: T,
    /// Before a failed attempt is repeated.
    pub retry: T,
    /// How long data are used that cannot be refreshed.
    pub expire: T,
}

impl Timers<Duration> {
    /// The intervals for version 0, whose caches send none. Queries are cheap, so changes are seen as soon as by pmacct.
    pub const VERSION_0: Self = Self { refresh: Duration::from_secs(10), ..Self::RECOMMENDED };

    /// The intervals that RFC 8210 recommends.
    pub const RECOMMENDED: Self = Self {
        refresh: Duration::from_secs(3600),
        retry: Duration::from_secs(600),
        expire: Duration::from_secs(7200),
    };

    /// The retry interval as long as there are no data.
    pub const RETRY_WITHOUT_DATA: Duration = Duration::from_secs(10);

    /// The intervals of a cache, within the limits of RFC 8210: a cache can neither cause a flood of queries nor data that never expire.
    /// Data expire after the other two at the earliest.
    pub fn sent(intervals: &Intervals) -> Self {
        let refresh = intervals.refresh.clamp(1, 86_400);
        let retry = intervals.retry.clamp(1, 7200);
        let expire = intervals.expire.clamp(600, 172_800).max(refresh.max(retry) + 1);
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Self { refresh: seconds(refresh), retry: seconds(retry), expire: seconds(expire) }
    }
}

impl Timers<Option<Duration>> {
    /// These, and others where they are absent.
    pub fn or(&self, others: Timers<Duration>) -> Timers<Duration> {
        Timers {
            refresh: self.refresh.unwrap_or(others.refresh),
            retry: self.retry.unwrap_or(others.retry),
            expire: self.expire.unwrap_or(others.expire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_caches_are_limited() {
        let sent = |refresh, retry, expire| {
            let timers = Timers::sent(&Intervals { refresh, retry, expire });
            [timers.refresh, timers.retry, timers.expire].map(|interval| interval.as_secs())
        };
        assert_eq!(sent(3600, 600, 7200), [3600, 600, 7200]);
        assert_eq!(sent(0, 0, 0), [1, 1, 600]);
        assert_eq!(sent(u32::MAX, u32::MAX, u32::MAX), [86_400, 7200, 172_800]);
        assert_eq!(sent(3600, 600, 600), [3600, 600, 3601]);
    }
}
