//! When tables are dumped: at multiples of the refresh time on the clock, spread over time slots.

use config::key::Key;
use config::keys::event_log::{DUMP_FILE, DUMP_REFRESH_TIME, DUMP_TIME_SLOTS};
use config::{Config, Diagnostics, KeyPrefix};
use std::net::IpAddr;

/// The shortest and the longest refresh time, in seconds.
const REFRESH: std::ops::RangeInclusive<u64> = 60..=86_400;

/// When tables are dumped.
///
/// With one slot, all tables are dumped at each multiple of the refresh time since 1970: every minute on the full minute. With `n` slots,
/// one n-th of the peers is dumped at each multiple of an n-th of the refresh time, always the same peers in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds between two dumps of a table: `dump_period` of the output.
    pub refresh: u64,
    /// Number of slots, at least 1; divides `refresh`.
    pub slots: u32,
}

/// A time at which tables are dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Seconds since 1970.
    pub seconds: u64,
    /// The slot whose peers are dumped.
    pub slot: u32,
}

impl Schedule {
    /// Reads the keys of a prefix. `None` if there are no dumps: no output, no refresh time, or one out of range, which is a
    /// warning.
    #[must_use]
    pub fn read(config: &Config, prefix: KeyPrefix, is_used: bool, problems: &mut Diagnostics) -> Option<Self> {
        let refresh = config.core_at(&DUMP_REFRESH_TIME, prefix).as_secs();
        let name = |key: &str| format!("{}{key}", prefix.0);
        let refresh_time = name("refresh_time");
        let mut warn = |key: &dyn Fn(&Config) -> Option<config::Origin>, what: String, hint: &str| {
            let origin = key(config).unwrap_or_else(|| config.source().clone());
            problems.warn(&origin, what, Some(hint.to_owned()));
        };
        if refresh == 0 {
            if is_used {
                let what = format!("{refresh_time} is not set: nothing is dumped.");
                warn(&|config| origin(config, &DUMP_FILE, prefix), what, &format!("Set {refresh_time}: 60."));
            }
            return None;
        }
        if !REFRESH.contains(&refresh) {
            let what = format!(
                "{refresh_time}: {refresh} is not a number of seconds from 60 to 86400: nothing is dumped."
            );
            warn(&|config| origin(config, &DUMP_REFRESH_TIME, prefix), what, &format!("Set {refresh_time}: 60."));
            return None;
        }
        let slots = config.core_at(&DUMP_TIME_SLOTS, prefix).max(1);
        if !refresh.is_multiple_of(u64::from(slots)) {
            let what = format!(
                "{}: {refresh} seconds cannot be divided by {slots}: all peers are dumped at once.",
                name("time_slots")
            );
            warn(&|config| origin(config, &DUMP_TIME_SLOTS, prefix), what, "Use a divisor of the refresh time.");
            return is_used.then_some(Self { refresh, slots: 1 });
        }
        is_used.then_some(Self { refresh, slots })
    }

    /// The first time after `now`, both in seconds since 1970.
    #[must_use]
    pub fn next_after(&self, now: u64) -> Due {
        let length = (self.refresh / u64::from(self.slots.max(1))).max(1);
        let number = now / length + 1;
        let slot = u32::try_from(number % u64::from(self.slots.max(1))).unwrap_or(0);
        Due { seconds: number.saturating_mul(length), slot }
    }

    /// The slot of a peer.
    #[must_use]
    pub fn slot_of(&self, peer: IpAddr) -> u32 {
        // Neighbouring addresses, which are common, are spread evenly.
        let low = match peer.to_canonical() {
            IpAddr::V4(v4) => v4.to_bits(),
            IpAddr::V6(v6) => v6
                .segments()
                .into_iter()
                .fold(0u32, |sum, part| sum.wrapping_mul(31).wrapping_add(u32::from(part))),
        };
        low % self.slots.max(1)
    }
}

fn origin<T>(config: &Config, key: &Key<T>, prefix: KeyPrefix) -> Option<config::Origin> {
    config.core_origin_at(key, prefix).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    fn read(lines: &str) -> (Option<Schedule>, Vec<String>) {
        let lines = lines.replace('@', "bgp_table_dump_");
        let (config, _) = config::parse_bytes(Daemon::Pmbgpd, "f", lines.as_bytes());
        let mut problems = Diagnostics::new();
        let is_used = lines.contains("file");
        let schedule = Schedule::read(&config, KeyPrefix::BGP_TABLE_DUMP, is_used, &mut problems);
        assert!(!problems.is_fatal());
        (schedule, problems.joined().iter().map(|problem| problem.what.clone()).collect())
    }

    #[test]
    fn refresh_times_out_of_range_disable_dumps_with_a_warning() {
        for (seconds, is_right) in [(59, false), (60, true), (61, true), (86_400, true), (86_401, false)] {
            let (schedule, problems) = read(&format!("@file: f\n@refresh_time: {seconds}"));
            assert_eq!(schedule, is_right.then_some(Schedule { refresh: seconds, slots: 1 }), "{seconds}");
            assert_eq!(problems.len(), usize::from(!is_right), "{problems:?}");
        }
        let (schedule, problems) = read("@file: f");
        assert_eq!((schedule, problems.len()), (None, 1));
        assert!(problems[0].contains("bgp_table_dump_refresh_time is not set"), "{problems:?}");
        assert_eq!(read("@refresh_time: 60"), (None, Vec::new()));
    }

    #[test]
    fn slots_must_divide_the_refresh_time() {
        let (schedule, problems) = read("@file: f\n@refresh_time: 60\n@time_slots: 7");
        assert_eq!((schedule, problems.len()), (Some(Schedule { refresh: 60, slots: 1 }), 1));
        let (schedule, problems) = read("@file: f\n@refresh_time: 60\n@time_slots: 4");
        assert_eq!((schedule, problems.len()), (Some(Schedule { refresh: 60, slots: 4 }), 0));
    }

    #[test]
    fn dumps_are_due_at_multiples_on_the_clock() {
        let schedule = Schedule { refresh: 60, slots: 1 };
        for (now, due) in [(0, 60), (59, 60), (60, 120), (61, 120), (1_700_000_000, 1_700_000_040)] {
            assert_eq!(schedule.next_after(now), Due { seconds: due, slot: 0 }, "{now}");
        }
    }

    #[test]
    fn each_peer_is_dumped_once_in_a_refresh_time() {
        let schedule = Schedule { refresh: 60, slots: 3 };
        let mut now = 1_700_000_000;
        let mut slots = Vec::new();
        for _ in 0..6 {
            let due = schedule.next_after(now);
            assert_eq!((due.seconds % 20, due.seconds > now), (0, true));
            slots.push(due.slot);
            now = due.seconds;
        }
        assert_eq!(slots[..3], slots[3..]);
        slots.truncate(3);
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2]);
        let peers: Vec<u32> = (1..=30).map(|last| schedule.slot_of(IpAddr::from([10, 0, 0, last]))).collect();
        for slot in 0..3 {
            assert_eq!(peers.iter().filter(|of| **of == slot).count(), 10);
        }
    }
}
