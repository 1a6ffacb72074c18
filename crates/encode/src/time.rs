//! Times as text.
//!
//! | style | microseconds | seconds |
//! |---|---|---|
//! | plain | `2023-11-14 22:13:20.123456` | `2023-11-14 22:13:20` |
//! | RFC 3339 | `2023-11-14T22:13:20.123456+00:00` | `2023-11-14T22:13:20+00:00` |
//! | of the client | `2023-11-14T22:13:20.123456Z`, `2023-11-14T23:13:20.123456+01:00` | the same without fractions |
//! | since 1970 | `1700000000.123456` | `1700000000` |
//!
//! An unset time (0) is written as zeros in all fields; the client shows the start of 1970. Looking up the rules of a time zone costs more
//! than the rest of a row, so the last day is cached, as text and with its bounds.

use crate::number::{decimal, pair, six};
use crate::style::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;

/// Writes times in one style.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    form: Form,
    day: Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Rfc3339,
    Client,
    Epoch,
}

/// A day of a zone, or the part of it during which the offset from UTC does not change.
#[derive(Clone, Copy, Debug)]
struct Day {
    /// Bounds in seconds since 1970; the end is exclusive.
    from: i64,
    to: i64,
    /// The day's midnight, extrapolated from its offset.
    midnight: i64,
    /// `YYYY-MM-DD`.
    date: [u8; 10],
    /// `+HH:MM`.
    offset: [u8; 6],
}

impl Clock {
    /// A clock for that style.
    pub fn new(style: &Style) -> Self {
        let form = if style.since_epoch {
            Form::Epoch
        } else if style.client_times {
            Form::Client
        } else if style.rfc3339 {
            Form::Rfc3339
        } else {
            Form::Plain
        };
        let day = Day { from: 0, to: 0, midnight: 0, date: *b"0000-00-00", offset: *b"+00:00" };
        Self { zone: style.zone.clone(), form, day }
    }

    /// Writes a time given in microseconds since 1970.
    #[inline]
    pub fn micros(&mut self, out: &mut Vec<u8>, micros: u64) {
        self.write(out, micros / 1_000_000, Some((micros % 1_000_000) as u32));
    }

    /// Writes a time given in seconds since 1970.
    #[inline]
    pub fn seconds(&mut self, out: &mut Vec<u8>, seconds: u64) {
        self.write(out, seconds, None);
    }

    #[inline]
    fn write(&mut self, out: &mut Vec<u8>, seconds: u64, fraction: Option<u32>) {
        if self.form == Form::Epoch {
            decimal(out, seconds);
            return push_fraction(out, fraction);
        }
        let unset = seconds == 0 && fraction.unwrap_or(0) == 0 && self.form != Form::Client;
        // A time after the year 9999 has no representation, but something must be written.
        let at = i64::try_from(seconds).unwrap_or(i64::MAX).min(Timestamp::MAX.as_second());
        let day = match (unset, (self.day.from..self.day.to).contains(&at)) {
            (true, _) => Day { from: 0, to: 1, midnight: 0, date: *b"0000-00-00", offset: *b"+00:00" },
            (false, true) => self.day,
            (false, false) => {
                self.day = Day::of(at, &self.zone);
                self.day
            }
        };
        let second = (at - day.midnight).clamp(0, DAY - 1) as u32;
        let mut text = [0u8; 19];
        text[..10].copy_from_slice(&day.date);
        text[10] = if self.form == Form::Plain { b' ' } else { b'T' };
        text[11..13].copy_from_slice(&pair(second / 3600));
        text[13] = b':';
        text[14..16].copy_from_slice(&pair(second / 60 % 60));
        text[16] = b':';
        text[17..].copy_from_slice(&pair(second % 60));
        out.extend_from_slice(&text);
        push_fraction(out, fraction);
        match self.form {
            Form::Client if day.offset == *b"+00:00" => out.push(b'Z'),
            Form::Client | Form::Rfc3339 => out.extend_from_slice(&day.offset),
            Form::Plain | Form::Epoch => {}
        }
    }
}

#[inline]
fn push_fraction(out: &mut Vec<u8>, fraction: Option<u32>) {
    if let Some(fraction) = fraction {
        out.push(b'.');
        out.extend_from_slice(&six(fraction));
    }
}

impl Day {
    fn of(seconds: i64, zone: &TimeZone) -> Self {
        let at = Timestamp::from_second(seconds).unwrap_or_default();
        let offset = zone.to_offset(at);
        let shift = i64::from(offset.seconds());
        let midnight = (seconds + shift).div_euclid(DAY) * DAY - shift;
        let (mut from, mut to) = (midnight, midnight + DAY);
        if let Some(change) = zone.preceding(at).next() {
            from = from.max(change.timestamp().as_second());
        }
        if let Some(change) = zone.following(at).next() {
            to = to.min(change.timestamp().as_second());
        }
        // `preceding` is exclusive: at the very second of a change it names the one before.
        from = from.min(seconds);
        let date = offset.to_datetime(at).date();
        let year = u32::try_from(date.year()).unwrap_or(0);
        let ([y0, y1], [y2, y3]) = (pair(year / 100), pair(year));
        let ([m0, m1], [d0, d1]) =
            (pair(date.month().unsigned_abs().into()), pair(date.day().unsigned_abs().into()));
        let minutes = shift.unsigned_abs() as u32 / 60;
        let ([h0, h1], [n0, n1]) = (pair(minutes / 60), pair(minutes % 60));
        let sign = if shift < 0 { b'-' } else { b'+' };
        Self {
            from,
            to,
            midnight,
            date: [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1],
            offset: [sign, h0, h1, b':', n0, n1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(zone: &str, since_epoch: bool, rfc3339: bool) -> Clock {
        let zone = TimeZone::get(zone).unwrap();
        Clock::new(&Style { zone, since_epoch, rfc3339, ..Style::default() })
    }

    fn micros(clock: &mut Clock, micros: u64) -> String {
        let mut out = Vec::new();
        clock.micros(&mut out, micros);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_style_has_its_format() {
        let at = 1_700_000_000_123_456;
        assert_eq!(micros(&mut clock("Europe/Rome", false, false), at), "2023-11-14 23:13:20.123456");
        assert_eq!(micros(&mut clock("Europe/Rome", false, true), at), "2023-11-14T23:13:20.123456+01:00");
        assert_eq!(micros(&mut clock("America/St_Johns", false, true), at), "2023-11-14T18:43:20.123456-03:30");
        assert_eq!(micros(&mut clock("UTC", false, true), at), "2023-11-14T22:13:20.123456+00:00");
        assert_eq!(micros(&mut clock("UTC", true, true), at), "1700000000.123456");
        let mut out = Vec::new();
        clock("UTC", true, false).seconds(&mut out, 1_700_000_000);
        clock("UTC", false, false).seconds(&mut out, 1_700_000_000);
        assert_eq!(out, b"17000000002023-11-14 22:13:20");
    }

    #[test]
    fn an_unset_time_is_zeros() {
        assert_eq!(micros(&mut clock("Europe/Rome", false, false), 0), "0000-00-00 00:00:00.000000");
        assert_eq!(micros(&mut clock("Europe/Rome", false, true), 0), "0000-00-00T00:00:00.000000+00:00");
        assert_eq!(micros(&mut clock("Europe/Rome", true, false), 0), "0.000000");
    }

    #[test]
    fn the_client_shows_utc_as_z_and_no_time_as_1970() {
        let clock = |zone: &str, since_epoch| {
            let zone = TimeZone::get(zone).unwrap();
            Clock::new(&Style { zone, since_epoch, client_times: true, ..Style::default() })
        };
        let at = 1_700_000_000_123_456;
        assert_eq!(micros(&mut clock("UTC", false), at), "2023-11-14T22:13:20.123456Z");
        assert_eq!(micros(&mut clock("Europe/Rome", false), at), "2023-11-14T23:13:20.123456+01:00");
        assert_eq!(micros(&mut clock("UTC", false), 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(micros(&mut clock("UTC", true), 0), "0.000000");
    }

    #[test]
    fn times_out_of_range_are_written() {
        assert!(micros(&mut clock("UTC", false, false), u64::MAX).starts_with("9999-12-30"));
    }

    proptest! {
        /// One clock writes a sequence of times, so that the cached day is used, left and used again, with steps of hours around
        /// the changes of daylight saving time.
        #[test]
        fn the_cached_day_does_not_affect_the_output(start in 1u64..4_000_000_000, steps in prop::collection::vec(0u64..20_000, 1..40)) {
            let mut clock = clock("Europe/Rome", false, true);
            let mut at = start;
            for step in steps {
                at += step;
                let zoned = Timestamp::from_second(at as i64).unwrap().to_zoned(clock.zone.clone());
                let expected = zoned.strftime("%Y-%m-%dT%H:%M:%S.000000%:z").to_string();
                prop_assert_eq!(micros(&mut clock, at * 1_000_000), expected);
            }
        }
    }
}
