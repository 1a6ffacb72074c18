//! Time bins: the periods of `*_history`, aligned by `*_history_roundoff` and shifted by
//! `*_history_offset`.
//!
//! Bins of seconds to weeks have a fixed length and are aligned to an origin: the time at which the daemon started,
//! rounded down in local time as the letters of the round-off say, or to the full minute without letters. Months are
//! calendar months.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// Length of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A number of seconds, at least one.
    Seconds(u32),
    /// A number of calendar months, at least one.
    Months(u32),
}

/// The letters of a round-off. Each rounds the origin of the bins down to a unit of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roundoff {
    /// Down to a full minute; with a width of several minutes, to a multiple of it within the hour.
    pub minute: bool,
    /// Down to a full hour.
    pub hour: bool,
    /// Down to midnight.
    pub day: bool,
    /// Down to Monday, midnight.
    pub week: bool,
    /// Down to the first of the month, midnight.
    pub month: bool,
}

impl Roundoff {
    /// A warning about letters without effect, if there are any: unknown letters, and a week combined with a day or a month,
    /// since the origin can be rounded to only one of them.
    pub fn warning(letters: &str) -> Option<String> {
        let unknown: String = letters.chars().filter(|letter| !"mhdwM".contains(*letter)).collect();
        let read = Self::parse(letters);
        match (unknown.is_empty(), read) {
            (false, _) => Some(format!("'{unknown}' means nothing; m, h, d, w and M do")),
            (true, Self { week: true, month: true, .. }) => Some("'w' has no effect beside 'M'".to_owned()),
            (true, Self { week: true, day: true, .. }) => Some("'d' has no effect beside 'w'".to_owned()),
            _ => None,
        }
    }

    /// Reads the letters m, h, d, w, M; ignores others.
    pub fn parse(letters: &str) -> Self {
        Self {
            minute: letters.contains('m'),
            hour: letters.contains('h'),
            day: letters.contains('d'),
            week: letters.contains('w'),
            month: letters.contains('M'),
        }
    }
}

/// The bins of one plugin.
#[derive(Clone, Debug)]
pub struct Bins {
    width: Width,
    zone: TimeZone,
    /// Start of some bin, seconds since 1970.
    origin: i64,
    /// Seconds by which the starts of bins are moved back.
    offset: i64,
    /// The bounds of the bin that was looked up last.
    last: (i64, i64),
}

impl Bins {
    /// Bins of that width; `now` is the daemon's start in seconds since 1970.
    pub fn new(width: Width, roundoff: Roundoff, offset: u32, now: i64, zone: TimeZone) -> Self {
        let origin = round(now, width, roundoff, &zone);
        Self { width, zone, origin, offset: i64::from(offset), last: (0, 0) }
    }

    /// Start and end (exclusive) of the bin that contains a time, in seconds since 1970.
    pub fn bounds(&mut self, seconds: i64) -> (i64, i64) {
        let seconds = seconds.saturating_add(self.offset);
        if !(self.last.0..self.last.1).contains(&seconds) {
            self.last = match self.width {
                Width::Seconds(width) => {
                    let width = i64::from(width.max(1));
                    let start = seconds - (seconds - self.origin).rem_euclid(width);
                    (start, start + width)
                }
                Width::Months(months) => self.months(seconds, months.max(1)),
            };
        }
        (self.last.0 - self.offset, self.last.1 - self.offset)
    }

    /// The bin time of a record with that time, in seconds since 1970; 0 for times before 1970.
    ///
    /// A time on a boundary belongs to the bin that ends there, as in pmacct: existing tables of users depend on it.
    pub fn start(&mut self, seconds: i64) -> u64 {
        u64::try_from(self.bounds(seconds.saturating_sub(1)).0).unwrap_or(0)
    }

    /// Bins of months, by arithmetic on the number of months since January of year 0 instead of a loop from the origin.
    fn months(&self, seconds: i64, months: u32) -> (i64, i64) {
        let number = |at: &Zoned| i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
        let (at, origin) = (zoned(seconds, &self.zone), zoned(self.origin, &self.zone));
        let (months, base) = (i64::from(months), number(&origin));
        let first = base + (number(&at) - base).div_euclid(months) * months;
        (month_start(first, &self.zone), month_start(first + months, &self.zone))
    }
}

fn month_start(number: i64, zone: &TimeZone) -> i64 {
    let year = i16::try_from(number.div_euclid(12)).unwrap_or(i16::MAX);
    let month = i8::try_from(number.rem_euclid(12) + 1).unwrap_or(1);
    jiff::civil::Date::new(year, month, 1)
        .and_then(|date| date.to_zoned(zone.clone()))
        .map_or(i64::MAX, |start| start.timestamp().as_second())
}

fn zoned(seconds: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned(zone.clone())
}

/// `now`, rounded down as the letters say.
fn round(now: i64, width: Width, roundoff: Roundoff, zone: &TimeZone) -> i64 {
    let at = zoned(now, zone);
    let midnight = |at: &Zoned| at.start_of_day().unwrap_or_else(|_| at.clone());
    let rounded = if roundoff.month || matches!(width, Width::Months(_)) {
        midnight(&at.first_of_month().unwrap_or(at))
    } else if roundoff.week {
        let back = i64::from(at.weekday().to_monday_zero_offset());
        midnight(&at.checked_sub(back.days()).unwrap_or(at))
    } else if roundoff.day {
        midnight(&at)
    } else if roundoff.hour {
        with_time(&at, at.hour(), 0)
    } else {
        let step = match width {
            Width::Seconds(width) if roundoff.minute && width % 60 == 0 && width <= 3600 => (width / 60).max(1),
            _ => 1,
        };
        let step = i8::try_from(step).unwrap_or(60);
        with_time(&at, at.hour(), at.minute() - at.minute() % step)
    };
    rounded.timestamp().as_second()
}

fn with_time(at: &Zoned, hour: i8, minute: i8) -> Zoned {
    let time = Time::new(hour, minute, 0, 0).unwrap_or_else(|_| at.time());
    at.with().time(time).build().unwrap_or_else(|_| at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_without_effect_give_a_warning() {
        for good in ["", "m", "mh", "mhd", "dM", "mhM", "w", "mhw"] {
            assert_eq!(Roundoff::warning(good), None, "{good}");
        }
        for (letters, part) in
            [("x", "'x' means"), ("hx D", "'x D' means"), ("dw", "'d'"), ("wd", "'d'"), ("Mw", "'w'")]
        {
            assert!(Roundoff::warning(letters).is_some_and(|warning| warning.starts_with(part)), "{letters}");
        }
    }

    const NOW: i64 = 1_795_420_026; // 2026-11-23 07:47:06 UTC, a Monday

    fn start(width: Width, letters: &str, offset: u32, at: i64) -> u64 {
        Bins::new(width, Roundoff::parse(letters), offset, NOW, TimeZone::UTC).start(at)
    }

    #[test]
    fn fixed_bins_are_aligned_by_their_roundoff() {
        assert_eq!(start(Width::Seconds(300), "m", 0, 1_699_999_450), 1_699_999_200);
        assert_eq!(start(Width::Seconds(3600), "h", 0, 1_699_999_450), 1_699_999_200);
        assert_eq!(start(Width::Seconds(86400), "d", 0, 1_699_999_450), 1_699_920_000);
        assert_eq!(start(Width::Seconds(604_800), "w", 0, NOW), 1_795_392_000);
        assert_eq!(start(Width::Seconds(30), "m", 0, 1_699_999_475), 1_699_999_470);
    }

    #[test]
    fn without_letters_bins_count_from_the_minute_in_which_the_daemon_started() {
        assert_eq!(start(Width::Seconds(3600), "", 0, NOW), 1_795_420_020);
        assert_eq!(start(Width::Seconds(300), "", 0, NOW + 300), 1_795_420_320);
        assert_eq!(start(Width::Seconds(30), "", 0, NOW), 1_795_420_020);
    }

    #[test]
    fn an_offset_moves_the_start_back() {
        assert_eq!(start(Width::Seconds(300), "m", 120, 1_699_999_450), 1_699_999_380);
    }

    #[test]
    fn months_are_calendar_months_even_long_ago() {
        let january_1971 = 31_536_000 + 5;
        assert_eq!(start(Width::Months(1), "M", 0, january_1971), 31_536_000);
        assert_eq!(start(Width::Months(1), "M", 0, i64::MAX / 4), start(Width::Months(1), "M", 0, 0));
        let mut bins = Bins::new(Width::Months(3), Roundoff::default(), 0, NOW, TimeZone::UTC);
        let (start, end) = bins.bounds(NOW);
        assert!(start <= NOW && NOW < end);
    }
}
