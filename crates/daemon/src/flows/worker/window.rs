//! The window of flow times: which of them may select a time bin.
//!
//! A record states when its flow started, and each time bin may become a file or a table. So a start time is used only if it is
//! close to the arrival of its datagram. An exporter whose clock is off by more than the window, or a replay of old
//! datagrams, is trusted: then the start must be close to the export time in the header. That may be on
//! [`STRANGE_DAYS`] different days an hour, because a sender also chooses its header.
//!
//! Only the time of the bin changes (`row::BIN_TIME`), not the times that are shown.

use flow::row::{self, Rows};
use runtime::log::Summed;
use std::net::IpAddr;
use std::time::Duration;
use tracing::warn;

/// Microseconds of a day.
const DAY: u64 = 86_400_000_000;
/// Microseconds of an hour.
const HOUR: u64 = 3_600_000_000;
/// Days outside the window on which exporters may be, in one hour and for one worker.
const STRANGE_DAYS: usize = 16;
/// Minimum time between two lines.
const RATE: Duration = Duration::from_secs(60);

/// How far from its arrival a flow may have started, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `nfacctd_time_max_age`.
    pub(crate) back: u64,
    /// `nfacctd_time_max_ahead`.
    pub(crate) ahead: u64,
}

impl Limits {
    /// No limits.
    pub(crate) const NONE: Self = Self { back: u64::MAX, ahead: u64::MAX };

    fn hold(self, time: u64, around: u64) -> bool {
        time >= around.saturating_sub(self.back) && time <= around.saturating_add(self.ahead)
    }
}

/// The window of one worker.
pub(crate) struct Window {
    limits: Limits,
    /// Days of exporters whose clocks are off, and the start of the current hour.
    days: Vec<u64>,
    since: u64,
    outside: u64,
    /// The exporter of the last of them.
    last: Option<IpAddr>,
    line: Summed<u64>,
}

impl Window {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, days: Vec::new(), since: 0, outside: 0, last: None, line: Summed::new(RATE) }
    }

    /// Moves the bin times of the rows from number `first` on into the window. Times are in microseconds since 1970.
    #[inline]
    pub(crate) fn apply(&mut self, rows: &mut Rows, first: usize, exporter: IpAddr, [export, arrival]: [u64; 2]) {
        let around = if self.limits.hold(export, arrival) { arrival } else { self.strange(export, arrival) };
        let from = around.saturating_sub(self.limits.back);
        let width = around.saturating_add(self.limits.ahead) - from;
        let outside = |bin_time: u64| bin_time.wrapping_sub(from) > width;
        let (words, size) = rows.words_from(first);
        let bin_times = words.get(row::BIN_TIME..).unwrap_or_default().iter().step_by(size);
        let count = bin_times.fold(0, |count, bin_time| count + u64::from(outside(*bin_time)));
        if count > 0 {
            self.clamp(rows, first, outside, around);
            self.outside += count;
            self.last = Some(exporter);
        }
    }

    #[cold]
    fn clamp(&mut self, rows: &mut Rows, first: usize, outside: impl Fn(u64) -> bool, around: u64) {
        for mut row in rows.iter_mut_from(first) {
            let bin_time = row.head(row::BIN_TIME);
            if outside(*bin_time) {
                *bin_time = around;
            }
        }
    }

    /// The reference time for flows of an exporter whose clock is off.
    #[cold]
    fn strange(&mut self, export: u64, arrival: u64) -> u64 {
        if arrival.abs_diff(self.since) > HOUR {
            self.since = arrival;
            self.days.clear();
        }
        let day = export / DAY;
        if self.days.contains(&day) {
            return export;
        }
        if self.days.len() >= STRANGE_DAYS {
            return arrival;
        }
        self.days.push(day);
        export
    }

    /// Returns the number of records outside the window since the last call, and logs them.
    pub(crate) fn take_outside(&mut self) -> u64 {
        let count = std::mem::take(&mut self.outside);
        if count > 0
            && let Some(records) = self.line.add(count)
        {
            let exporter = self.last.map(|exporter| exporter.to_string());
            warn!(
                exporter,
                records,
                "flows that start outside of nfacctd_time_max_age and nfacctd_time_max_ahead count to the time bin of their \
                 arrival; check the exporter's clock"
            );
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::row::{FieldSet, Layout};
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    const NOW: u64 = 1_795_420_026_000_000;
    const MINUTE: u64 = 60_000_000;
    const EXPORTER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn window() -> Window {
        Window::new(Limits { back: DAY, ahead: 5 * MINUTE })
    }

    /// The bin times of records that start at `starts`.
    fn bin_times(window: &mut Window, starts: &[u64], export: u64) -> Vec<u64> {
        let layout = Layout::new(&FieldSet::default(), &[]);
        let mut rows = Rows::new(&layout);
        // Rows of an earlier datagram are not changed.
        *rows.push(&[]).head(row::BIN_TIME) = 7;
        for start in starts {
            *rows.push(&[]).head(row::BIN_TIME) = *start;
        }
        window.apply(&mut rows, 1, EXPORTER, [export, NOW]);
        assert_eq!(rows.get(0).map(|row| row.head(row::BIN_TIME)), Some(7));
        rows.iter_from(1).map(|row| row.head(row::BIN_TIME)).collect()
    }

    #[test]
    fn times_outside_count_to_the_arrival() {
        let mut window = window();
        let starts = [NOW - DAY - 1, NOW - DAY, NOW, NOW + 5 * MINUTE, NOW + 5 * MINUTE + 1, 0, u64::MAX];
        let expected = [NOW, NOW - DAY, NOW, NOW + 5 * MINUTE, NOW, NOW, NOW];
        assert_eq!(bin_times(&mut window, &starts, NOW - MINUTE), expected);
        assert_eq!((window.take_outside(), window.take_outside()), (4, 0));
    }

    #[test]
    fn what_was_sent_long_ago_keeps_its_times() {
        let mut window = window();
        let then = NOW - 1000 * DAY;
        assert_eq!(bin_times(&mut window, &[then - MINUTE, NOW, then], then), [then - MINUTE, then, then]);
        let ahead = NOW + 1000 * DAY;
        assert_eq!(bin_times(&mut window, &[ahead - MINUTE], ahead), [ahead - MINUTE]);
    }

    #[test]
    fn whatever_a_sender_writes_the_number_of_bins_is_bounded() {
        let mut window = window();
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 32) * 1_000_000
        };
        let mut bins = BTreeSet::new();
        for _ in 0..4000 {
            let starts: Vec<u64> = (0..25).map(|_| next()).collect();
            bins.extend(bin_times(&mut window, &starts, next()).into_iter().map(|bin_time| bin_time / MINUTE));
        }
        // 100,000 random starts would be in as many bins of a minute.
        assert!(bins.len() <= (STRANGE_DAYS + 1) * 2 * 1446, "{}", bins.len());
        assert!(window.take_outside() > 90_000);
    }
}
