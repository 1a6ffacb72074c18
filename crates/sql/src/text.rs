//! Rows as text: a line for each, values with a delimiter between, `\N` for nothing. PostgreSQL reads this with COPY
//! (its manual, COPY, "Text Format"), ClickHouse as `TabSeparated`.
//!
//! Every type of these servers can be read from text, so the columns of a table may be `inet` or `CHAR(45)`, `macaddr` or
//! `CHAR(17)`, and nothing here changes.

use crate::rows::{Rows, Value};
use crate::width::Width;
use delivery::{Receipt, Sum};
use encode::{address, number};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write as _;
use std::net::IpAddr;

/// What stands for nothing where nothing may be.
const NULL: &[u8] = b"\\N";

/// How values of a column are written.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// What stands for nothing; escaped.
    pub(crate) null: Vec<u8>,
    /// An empty text is nothing, as it is no value of the column's type.
    pub(crate) empty_is_null: bool,
    /// How times are written.
    pub(crate) time: Time,
    /// How long texts may be.
    pub(crate) width: Width,
    /// The largest number that the column takes, where the server would wrap a larger one around without a word.
    pub(crate) largest: u64,
}

/// How times are written.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(all(feature = "clickhouse", feature = "pgsql")),
    expect(dead_code, reason = "each server reads times in its own way")
)]
pub(crate) enum Time {
    /// With their zone, as types of time read them.
    Zoned,
    /// In that zone, as a text shows them.
    Shown(TimeZone),
    /// Seconds since 1970.
    Number,
    /// The same, in ten digits, as ClickHouse tells them from a date.
    Digits,
}

impl Look {
    pub(crate) fn new(time: Time, empty_is_null: bool) -> Self {
        Self { null: NULL.to_vec(), empty_is_null, time, width: Width::unbounded(), largest: u64::MAX }
    }

    /// With a bound for texts.
    pub(crate) fn with_width(self, width: Width) -> Self {
        Self { width, ..self }
    }

    /// With a value that stands for nothing.
    pub(crate) fn with_stand_in(mut self, text: &str, delimiter: u8) -> Self {
        self.null.clear();
        escape(&mut self.null, text, delimiter);
        self
    }
}

/// A row in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Where it ends.
    pub(crate) end: usize,
    /// Its number in the parcel.
    pub(crate) number: u32,
    /// What it accounts for.
    pub(crate) sum: Sum,
}

/// The rows of a parcel as text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) octets: Vec<u8>,
    pub(crate) places: Vec<Place>,
    /// Columns in which a row has nothing.
    pub(crate) nulls: Vec<bool>,
}

impl Text {
    /// The rows that a receipt does not have yet; `None` when the parcel is damaged.
    /// `size`: octets of the parcel.
    pub(crate) fn new(
        rows: &Rows<'_>,
        size: usize,
        looks: &[Look],
        delimiter: u8,
        receipt: &Receipt,
    ) -> Option<Self> {
        let mut text = Self {
            octets: Vec::with_capacity(size + size / 2),
            places: Vec::new(),
            nulls: vec![false; looks.len()],
        };
        let mut clocks: Vec<Clock> = looks.iter().map(|_| Clock::default()).collect();
        let whole = rows.each(|number, sum, values| {
            if !receipt.has(number) {
                let octets = &mut text.octets;
                let columns = looks.iter().zip(&mut clocks).zip(&mut text.nulls);
                for (value, ((look, clock), null)) in values.iter().zip(columns) {
                    *null |= !write(octets, *value, look, clock, delimiter);
                    octets.push(delimiter);
                }
                if !looks.is_empty() {
                    octets.pop();
                }
                octets.push(b'\n');
                text.places.push(Place { end: octets.len(), number, sum });
            }
            Ok::<(), std::convert::Infallible>(())
        });
        matches!(whole, Ok(true)).then_some(text)
    }
}

/// Writes a value; false when it is nothing and nothing stands for it.
#[inline]
fn write(out: &mut Vec<u8>, value: Value<'_>, look: &Look, clock: &mut Clock, delimiter: u8) -> bool {
    match value {
        Value::Null => return nothing(out, look),
        // No number, so the server refuses the row and says so.
        Value::Number(value) if value > look.largest => drop(write!(out, "{value} is too large")),
        Value::Number(value) => number::decimal(out, value),
        // Writing to memory does not fail.
        Value::Real(real) => drop(write!(out, "{real}")),
        Value::Text("") if look.empty_is_null => return nothing(out, look),
        Value::Text(text) => escape(out, look.width.cut(text), delimiter),
        Value::Address(IpAddr::V4(address)) => address::v4(out, address.octets()),
        Value::Address(IpAddr::V6(address)) => address::v6(out, &address.octets()),
        Value::Mac(octets) => address::mac(out, octets),
        Value::Time(seconds) => match clock.text(seconds, &look.time) {
            Some(text) => out.extend_from_slice(text),
            None => return nothing(out, look),
        },
    }
    true
}

fn nothing(out: &mut Vec<u8>, look: &Look) -> bool {
    out.extend_from_slice(&look.null);
    look.null != NULL
}

fn escape(out: &mut Vec<u8>, text: &str, delimiter: u8) {
    let special = |octet: u8| octet < b' ' || octet == b'\\' || octet == delimiter;
    let mut left = text.as_bytes();
    while let Some(at) = left.iter().position(|octet| special(*octet)) {
        let (plain, rest) = left.split_at(at);
        out.extend_from_slice(plain);
        let Some((octet, rest)) = rest.split_first() else { break };
        match octet {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            octet if *octet == delimiter || *octet == b'\\' => out.extend_from_slice(&[b'\\', *octet]),
            octet => out.push(*octet),
        }
        left = rest;
    }
    out.extend_from_slice(left);
}

/// The last time of a column: bins and purges last longer than a row.
#[derive(Debug, Default)]
struct Clock {
    last: Option<i64>,
    text: Vec<u8>,
}

impl Clock {
    #[inline]
    fn text(&mut self, seconds: i64, time: &Time) -> Option<&[u8]> {
        if self.last != Some(seconds) {
            self.last = None;
            self.text.clear();
            let moment = Timestamp::from_second(seconds).ok();
            match time {
                Time::Number => write!(self.text, "{seconds}").ok()?,
                Time::Digits => write!(self.text, "{:010}", u32::try_from(seconds).ok()?).ok()?,
                Time::Zoned => write!(self.text, "{}+00", moment?.strftime("%Y-%m-%d %H:%M:%S")).ok()?,
                Time::Shown(zone) => {
                    let moment = moment?.to_zoned(zone.clone());
                    write!(self.text, "{}", moment.strftime("%Y-%m-%d %H:%M:%S")).ok()?;
                }
            }
            self.last = Some(seconds);
        }
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Builder, Column, Form, Head, Role};

    fn lines(looks: &[Look], rows: &[&[Value<'_>]], receipt: &Receipt) -> (String, Text) {
        let column = |name| Column { name: format!("c{name}"), role: Role::Key, form: Form::Plain };
        let head = Head {
            table: "t".to_owned(),
            create: None,
            columns: (0..looks.len()).map(column).collect(),
            for_backup: false,
        };
        let mut builder = Builder::new(&head);
        for row in rows {
            builder.row(1, 2);
            row.iter().for_each(|value| builder.value(*value));
        }
        let body = builder.take();
        let text = Text::new(&Rows::read(&body).unwrap(), body.len(), looks, b',', receipt).unwrap();
        (String::from_utf8(text.octets.clone()).unwrap(), text)
    }

    #[test]
    fn values_are_written_and_escaped() {
        let zoned = Look::new(Time::Zoned, true);
        let shown = Look::new(Time::Shown(TimeZone::fixed(jiff::tz::offset(1))), false);
        let number = Look::new(Time::Number, false);
        let looks = [zoned, shown.with_stand_in("a,b", b','), number];
        let at = Value::Time(1_700_000_000);
        let (text, places) = lines(
            &looks,
            &[
                &[at, at, at],
                &[Value::Null, Value::Null, Value::Null],
                &[Value::Text(""), Value::Text(""), Value::Text("\\N\t,\r\n'\u{1}é")],
                &[Value::Address("10.0.0.1".parse().unwrap()), Value::Real(1.5), Value::Mac([1, 2, 3, 4, 5, 255])],
                &[Value::Time(i64::MAX), Value::Number(u64::MAX), Value::Address("::1".parse().unwrap())],
            ],
            &Receipt::new(5),
        );
        assert_eq!(
            text,
            "2023-11-14 22:13:20+00,2023-11-14 23:13:20,1700000000\n\
             \\N,a\\,b,\\N\n\
             \\N,,\\\\N\\t\\,\\r\\n'\u{1}é\n\
             10.0.0.1,1.5,01:02:03:04:05:ff\n\
             \\N,18446744073709551615,::1\n"
        );
        assert_eq!(places.nulls, [true, false, true]);
        assert_eq!(places.places.last().unwrap().end, text.len());
    }

    #[test]
    fn what_a_server_would_change_without_a_word_is_no_number() {
        let look = Look { largest: 255, ..Look::new(Time::Digits, false) };
        let rows: [&[Value<'_>]; 5] = [
            &[Value::Number(255)],
            &[Value::Number(256)],
            &[Value::Time(1)],
            &[Value::Time(-1)],
            &[Value::Time(1_700_000_000)],
        ];
        let (text, _) = lines(&[look.with_stand_in("0", b',')], &rows, &Receipt::new(5));
        assert_eq!(text, "255\n256 is too large\n0000000001\n0\n1700000000\n");
    }

    #[test]
    fn what_is_done_is_left_out() {
        let mut receipt = Receipt::new(3);
        receipt.confirm(1);
        let rows: [&[Value<'_>]; 3] = [&[Value::Number(0)], &[Value::Number(1)], &[Value::Number(2)]];
        let (text, places) = lines(&[Look::new(Time::Number, false)], &rows, &receipt);
        assert_eq!(text, "0\n2\n");
        let numbers: Vec<u32> = places.places.iter().map(|place| place.number).collect();
        assert_eq!(numbers, [0, 2]);
    }
}
