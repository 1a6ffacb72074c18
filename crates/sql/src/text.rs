//! Rows as text: one line per row, values separated by a delimiter, `\N` for NULL. PostgreSQL reads this with COPY
//! (its manual, COPY, "Text Format"), ClickHouse as `TabSeparated`.
//!
//! These servers parse every type from text, so the columns of a table may be `inet` or `CHAR(45)`, `macaddr` or `CHAR(17)`,
//! with the same output.

use crate::rows::{Rows, Value};
use crate::width::Width;
use delivery::{Receipt, Sum};
use encode::{address, number};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write as _;
use std::net::IpAddr;

/// NULL.
const NULL: &[u8] = b"\\N";

/// The text format of the values of a column.
#[derive(Clone, Debug)]
pub(crate) struct TextFormat {
    /// The text for a missing value, escaped.
    pub(crate) null: Vec<u8>,
    /// An empty text counts as missing, since it is not a value of the column's type.
    pub(crate) empty_is_null: bool,
    /// The format of times.
    pub(crate) time: Time,
    /// The maximum length of texts.
    pub(crate) width: Width,
    /// The maximum of the column, where the server would silently wrap larger numbers around.
    pub(crate) largest: u64,
}

/// The format of times.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(all(feature = "clickhouse", feature = "pgsql")),
    expect(dead_code, reason = "each server has its own format for times")
)]
pub(crate) enum Time {
    /// With a zone, for columns of a time type.
    Zoned,
    /// In that zone, for columns of a text type.
    Shown(TimeZone),
    /// Seconds since 1970.
    Number,
    /// Seconds since 1970 in ten digits, which ClickHouse distinguishes from a date.
    Digits,
}

impl TextFormat {
    pub(crate) fn new(time: Time, empty_is_null: bool) -> Self {
        Self { null: NULL.to_vec(), empty_is_null, time, width: Width::unbounded(), largest: u64::MAX }
    }

    /// Sets the maximum length of texts.
    pub(crate) fn with_width(self, width: Width) -> Self {
        Self { width, ..self }
    }

    /// Sets the text for missing values.
    pub(crate) fn with_stand_in(mut self, text: &str, delimiter: u8) -> Self {
        self.null.clear();
        escape(&mut self.null, text, delimiter);
        self
    }
}

/// A row of a [`Text`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRow {
    /// The offset of its end in the text.
    pub(crate) end: usize,
    /// Its number in the batch.
    pub(crate) number: u32,
    /// The traffic that it counts.
    pub(crate) sum: Sum,
}

/// The rows of a batch as text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: Vec<TextRow>,
    /// Per column: some row has NULL there.
    pub(crate) nulls: Vec<bool>,
}

impl Text {
    /// The rows that the receipt does not list yet; `None` when the batch is damaged. `size` is that of the batch in bytes.
    pub(crate) fn new(
        rows: &Rows<'_>,
        size: usize,
        formats: &[TextFormat],
        delimiter: u8,
        receipt: &Receipt,
    ) -> Option<Self> {
        let mut text = Self {
            bytes: Vec::with_capacity(size + size / 2),
            rows: Vec::new(),
            nulls: vec![false; formats.len()],
        };
        let mut clocks: Vec<Clock> = formats.iter().map(|_| Clock::default()).collect();
        let is_complete = rows.each(|number, sum, values| {
            if !receipt.has(number) {
                let bytes = &mut text.bytes;
                let columns = formats.iter().zip(&mut clocks).zip(&mut text.nulls);
                for (value, ((format, clock), null)) in values.iter().zip(columns) {
                    *null |= !write(bytes, *value, format, clock, delimiter);
                    bytes.push(delimiter);
                }
                if !formats.is_empty() {
                    bytes.pop();
                }
                bytes.push(b'\n');
                text.rows.push(TextRow { end: bytes.len(), number, sum });
            }
            Ok::<(), std::convert::Infallible>(())
        });
        matches!(is_complete, Ok(true)).then_some(text)
    }
}

/// Writes a value; false when NULL was written.
#[inline]
fn write(out: &mut Vec<u8>, value: Value<'_>, format: &TextFormat, clock: &mut Clock, delimiter: u8) -> bool {
    match value {
        Value::Null => return write_null(out, format),
        // Not a number, so that the server refuses the row with this message.
        Value::Number(value) if value > format.largest => drop(write!(out, "{value} is too large")),
        Value::Number(value) => number::decimal(out, value),
        // Writing to memory does not fail.
        Value::Real(real) => drop(write!(out, "{real}")),
        Value::Text("") if format.empty_is_null => return write_null(out, format),
        Value::Text(text) => escape(out, format.width.cut(text), delimiter),
        Value::Address(IpAddr::V4(address)) => address::v4(out, address.octets()),
        Value::Address(IpAddr::V6(address)) => address::v6(out, &address.octets()),
        Value::Mac(mac) => address::mac(out, mac),
        Value::Time(seconds) => match clock.text(seconds, &format.time) {
            Some(text) => out.extend_from_slice(text),
            None => return write_null(out, format),
        },
    }
    true
}

fn write_null(out: &mut Vec<u8>, format: &TextFormat) -> bool {
    out.extend_from_slice(&format.null);
    format.null != NULL
}

fn escape(out: &mut Vec<u8>, text: &str, delimiter: u8) {
    let special = |byte: u8| byte < b' ' || byte == b'\\' || byte == delimiter;
    let mut left = text.as_bytes();
    while let Some(at) = left.iter().position(|byte| special(*byte)) {
        let (plain, rest) = left.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, rest)) = rest.split_first() else { break };
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte if *byte == delimiter || *byte == b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            byte => out.push(*byte),
        }
        left = rest;
    }
    out.extend_from_slice(left);
}

/// Caches the text of the last time of a column: consecutive rows mostly have the same time.
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

    fn lines(formats: &[TextFormat], rows: &[&[Value<'_>]], receipt: &Receipt) -> (String, Text) {
        let column = |name| Column { name: format!("c{name}"), role: Role::Key, form: Form::Plain };
        let head = Head {
            table: "t".to_owned(),
            create: None,
            columns: (0..formats.len()).map(column).collect(),
            for_backup: false,
        };
        let mut builder = Builder::new(&head);
        for row in rows {
            builder.row(1, 2);
            row.iter().for_each(|value| builder.value(*value));
        }
        let body = builder.take();
        let text = Text::new(&Rows::read(&body).unwrap(), body.len(), formats, b',', receipt).unwrap();
        (String::from_utf8(text.bytes.clone()).unwrap(), text)
    }

    #[test]
    fn values_are_written_and_escaped() {
        let zoned = TextFormat::new(Time::Zoned, true);
        let shown = TextFormat::new(Time::Shown(TimeZone::fixed(jiff::tz::offset(1))), false);
        let number = TextFormat::new(Time::Number, false);
        let formats = [zoned, shown.with_stand_in("a,b", b','), number];
        let at = Value::Time(1_700_000_000);
        let (text, rows) = lines(
            &formats,
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
        assert_eq!(rows.nulls, [true, false, true]);
        assert_eq!(rows.rows.last().unwrap().end, text.len());
    }

    #[test]
    fn numbers_that_the_server_would_wrap_around_are_not_written_as_numbers() {
        let format = TextFormat { largest: 255, ..TextFormat::new(Time::Digits, false) };
        let rows: [&[Value<'_>]; 5] = [
            &[Value::Number(255)],
            &[Value::Number(256)],
            &[Value::Time(1)],
            &[Value::Time(-1)],
            &[Value::Time(1_700_000_000)],
        ];
        let (text, _) = lines(&[format.with_stand_in("0", b',')], &rows, &Receipt::new(5));
        assert_eq!(text, "255\n256 is too large\n0000000001\n0\n1700000000\n");
    }

    #[test]
    fn rows_on_the_receipt_are_skipped() {
        let mut receipt = Receipt::new(3);
        receipt.confirm(1);
        let rows: [&[Value<'_>]; 3] = [&[Value::Number(0)], &[Value::Number(1)], &[Value::Number(2)]];
        let (text, rows) = lines(&[TextFormat::new(Time::Number, false)], &rows, &receipt);
        assert_eq!(text, "0\n2\n");
        let numbers: Vec<u32> = rows.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [0, 2]);
    }
}
