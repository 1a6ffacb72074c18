//! Rows as COPY reads them: a line for each, values with a delimiter between, `\N` for nothing (PostgreSQL manual,
//! COPY, "Text Format").
//!
//! Every type of PostgreSQL can be read from text, so the columns of a table may be `inet` or `CHAR(45)`, `macaddr` or
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
pub(super) struct Look {
    /// What stands for nothing; escaped.
    pub(super) null: Vec<u8>,
    /// An empty text is nothing, as it is no value of the column's type.
    pub(super) empty_is_null: bool,
    /// How times are written.
    pub(super) time: Time,
    /// How long texts may be.
    pub(super) width: Width,
}

/// How times are written.
#[derive(Clone, Debug)]
pub(super) enum Time {
    /// With their zone, as types of time read them.
    Zoned,
    /// In that zone, as a text shows them.
    Shown(TimeZone),
    /// Seconds since 1970.
    Number,
}

impl Look {
    pub(super) fn new(time: Time, empty_is_null: bool) -> Self {
        Self { null: NULL.to_vec(), empty_is_null, time, width: Width::of("", "") }
    }

    /// With a bound for texts.
    pub(super) fn with_width(self, width: Width) -> Self {
        Self { width, ..self }
    }

    /// With a value that stands for nothing.
    pub(super) fn with_stand_in(mut self, text: &str, delimiter: u8) -> Self {
        self.null.clear();
        escape(&mut self.null, text, delimiter);
        self
    }
}

/// A row in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where it ends.
    pub(super) end: usize,
    /// Its number in the parcel.
    pub(super) number: u32,
    /// What it accounts for.
    pub(super) sum: Sum,
}

/// The rows of a parcel as text.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) octets: Vec<u8>,
    pub(super) places: Vec<Place>,
    /// Columns in which a row has nothing.
    pub(super) nulls: Vec<bool>,
}

impl Text {
    /// The rows that a receipt does not have yet; `None` when the parcel is damaged.
    /// `size`: octets of the parcel.
    pub(super) fn new(
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
        let head = Head { table: "t".to_owned(), create: None, columns: (0..looks.len()).map(column).collect() };
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
