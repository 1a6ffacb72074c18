//! Rows in columns: CSV, and formatted output, which pads columns with spaces.
//!
//! Both have the same columns in the same order, a title line, and a variant without counters (`event_*`).
//!
//! CSV follows RFC 4180 for texts: one that contains the separator, a quote or an end of line is quoted. (pmacct
//! writes it unquoted, so the row has an extra column.)

use crate::style::Style;
use crate::value::{self, Values};
use aggregate::Aggregate;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;

/// A writer of titles and rows, compiled for one schema.
#[derive(Clone, Debug)]
pub struct Columns {
    columns: Vec<Shape>,
    whole: Whole,
    /// CSV: values of any kind may need quotes, not only texts.
    quoted: bool,
    values: Values,
    buffer: Vec<u8>,
}

/// Settings of all columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Csv(char),
    Formatted,
}

/// One column.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its title.
    pub title: String,
    /// Kind of its values.
    pub kind: Kind,
    /// Their location. [`At::Flush`] for a column that rows lack, which is shown as absent.
    pub at: At,
    /// Formatted: width, in characters; 0 for no padding.
    pub width: usize,
    /// Formatted: width of the title, in characters.
    pub title_width: usize,
    /// Formatted: number of spaces after a value that exceeds its column.
    pub gap: usize,
    /// Formatted: replacement of an empty value.
    pub empty: &'static str,
}

impl Shape {
    /// A column as the print plugin shows it.
    fn of(column: &Column) -> Self {
        let width = usize::from(column.width);
        Self {
            title: column.header.clone().into_owned(),
            kind: column.kind,
            at: column.at,
            width,
            title_width: width,
            gap: 1,
            // An empty column would shift the others for programs that split at spaces.
            empty: if column.kind == Kind::Ip { "::" } else { "" },
        }
    }
}

/// Names of the columns that formatted output does not support, because their values have no maximum length. They prevent the
/// daemon from starting.
pub fn unsupported(schema: &Schema) -> Vec<String> {
    let shown = |column: &&Column| column.id.csv_position().is_some() || column.kind == Kind::Segments;
    (schema.columns.iter().filter(shown).filter(|column| column.width == 0))
        .map(|column| column.json.clone().into_owned())
        .collect()
}

impl Columns {
    /// A writer of CSV; without `counters`, of `event_csv`.
    pub fn csv(schema: &Schema, style: &Style, counters: bool) -> Self {
        Self::of_schema(schema, style, counters, Whole::Csv(style.separator))
    }

    /// A writer of formatted rows; without `counters`, of `event_formatted`.
    pub fn formatted(schema: &Schema, style: &Style, counters: bool) -> Self {
        Self::of_schema(schema, style, counters, Whole::Formatted)
    }

    /// A writer of CSV with columns of the caller.
    pub fn csv_of(columns: Vec<Shape>, style: &Style) -> Self {
        Self::new(columns, style, Whole::Csv(style.separator))
    }

    /// A writer of formatted rows with columns of the caller.
    pub fn formatted_of(columns: Vec<Shape>, style: &Style) -> Self {
        Self::new(columns, style, Whole::Formatted)
    }

    fn of_schema(schema: &Schema, style: &Style, counters: bool, whole: Whole) -> Self {
        let columns = (schema.csv.iter())
            .filter_map(|number| schema.columns.get(*number))
            .filter(|column| counters || column.kind != Kind::Counter)
            .map(Shape::of)
            .collect();
        Self::new(columns, style, whole)
    }

    fn new(mut columns: Vec<Shape>, style: &Style, whole: Whole) -> Self {
        // The byte counter is the last column and needs no padding; without it rows end in spaces.
        if let Some(last) = columns.last_mut()
            && last.kind == Kind::Counter
        {
            (last.width, last.title_width) = (0, 0);
        }
        let quoted = is_in_values(style.separator);
        Self { columns, whole, quoted, values: Values::with_six_decimals(style), buffer: Vec::new() }
    }

    /// Writes the title line.
    pub fn title(&self, out: &mut Vec<u8>) {
        for (number, column) in self.columns.iter().enumerate() {
            match self.whole {
                Whole::Csv(separator) => {
                    separate(out, number, separator);
                    quote(out, column.title.as_bytes(), separator);
                }
                Whole::Formatted => {
                    out.extend_from_slice(column.title.as_bytes());
                    fill(out, column.title.chars().count(), column.title_width, 1);
                }
            }
        }
        out.push(b'\n');
    }

    /// Writes a row. `strings` are those of its table; `flush` is the time of the flush in seconds since 1970.
    pub fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        match self.whole {
            Whole::Csv(separator) => self.csv_row(out, row, strings, flush, separator),
            Whole::Formatted => self.formatted_row(out, row, strings, flush),
        }
        out.push(b'\n');
    }

    fn csv_row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64, separator: char) {
        for (number, column) in self.columns.iter().enumerate() {
            separate(out, number, separator);
            if self.quoted || value::is_free_text(column.kind) {
                self.buffer.clear();
                self.values.write(&mut self.buffer, column.kind, column.at, row, strings, flush);
                quote(out, &self.buffer, separator);
            } else {
                self.values.write(out, column.kind, column.at, row, strings, flush);
            }
        }
    }

    fn formatted_row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        for column in &self.columns {
            let start = out.len();
            if value::is_free_text(column.kind) {
                self.buffer.clear();
                self.values.write(&mut self.buffer, column.kind, column.at, row, strings, flush);
                one_line(out, &self.buffer);
            } else {
                self.values.write(out, column.kind, column.at, row, strings, flush);
            }
            if out.len() == start {
                out.extend_from_slice(column.empty.as_bytes());
            }
            let written = out.get(start..).unwrap_or_default();
            // Continuation bytes of UTF-8 have no width.
            let length = written.iter().filter(|octet| **octet & 0xc0 != 0x80).count();
            fill(out, length, column.width, column.gap);
        }
    }
}

/// Writes text with `?` in place of control characters.
fn one_line(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    value::utf8(out, text);
    let written = out.get_mut(start..).unwrap_or_default();
    written.iter_mut().filter(|octet| octet.is_ascii_control()).for_each(|octet| *octet = b'?');
}

/// Pads a column with spaces, at least `gap`.
fn fill(out: &mut Vec<u8>, length: usize, width: usize, gap: usize) {
    if width > 0 {
        out.resize(out.len() + width.saturating_sub(length).max(gap), b' ');
    }
}

fn separate(out: &mut Vec<u8>, number: usize, separator: char) {
    if number > 0 {
        out.extend_from_slice(separator.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Returns true for separators that occur in numbers, addresses or times.
fn is_in_values(separator: char) -> bool {
    separator.is_ascii_alphanumeric() || " .:-+_\"\n\r".contains(separator)
}

/// Writes a text as valid UTF-8, quoted if necessary.
fn quote(out: &mut Vec<u8>, text: &[u8], separator: char) {
    let mut encoded = [0; 4];
    let separator = separator.encode_utf8(&mut encoded).as_bytes();
    let ends_field = |octet: &u8| matches!(octet, b'"' | b'\n' | b'\r') || separator.contains(octet);
    if !text.iter().any(ends_field) {
        return value::utf8(out, text);
    }
    out.push(b'"');
    for (number, part) in text.split(|octet| *octet == b'"').enumerate() {
        if number > 0 {
            out.extend_from_slice(b"\"\"");
        }
        value::utf8(out, part);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sample, sample};

    fn lines(sample: &Sample, mut columns: Columns) -> [String; 2] {
        let (mut title, mut out) = (Vec::new(), Vec::new());
        columns.title(&mut title);
        for row in sample.table.iter() {
            columns.row(&mut out, &row, sample.table.strings(), 0);
        }
        [title, out].map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn csv_has_titles_and_rows_in_its_order() {
        let sample = sample("src_host,dst_host,proto,tcpflags,flows")
            .ip("ip_src", "10.1.1.1")
            .number("ip_proto", 17)
            .values(&[3, 220, 2, 1]);
        let style = Style::default();
        assert_eq!(
            lines(&sample, Columns::csv(&sample.schema, &style, true)),
            ["SRC_IP,DST_IP,TCP_FLAGS,PROTOCOL,PACKETS,FLOWS,BYTES\n", "10.1.1.1,,2,udp,3,1,220\n"]
        );
        assert_eq!(
            lines(&sample, Columns::csv(&sample.schema, &style, false)),
            ["SRC_IP,DST_IP,TCP_FLAGS,PROTOCOL\n", "10.1.1.1,,2,udp\n"]
        );
        let style = Style { separator: ';', num_protos: true, ..style };
        assert_eq!(lines(&sample, Columns::csv(&sample.schema, &style, true))[1], "10.1.1.1;;2;17;3;1;220\n");
    }

    #[test]
    fn coordinates_have_six_decimals() {
        let sample = sample("src_host_coords").number("lat_ip_src", 48.137f64.to_bits()).values(&[1, 2]);
        let line = &lines(&sample, Columns::csv(&sample.schema, &Style::default(), true))[1];
        assert_eq!(line, "48.137000,0.000000,1,2\n");
    }

    #[test]
    fn csv_quotes_separators_quotes_and_line_ends() {
        let row = |label: &[u8], separator| {
            let sample = sample("label,src_host").text("label", label).ip("ip_src", "2001:db8::1").values(&[1, 2]);
            let style = Style { separator, ..Style::default() };
            lines(&sample, Columns::csv(&sample.schema, &style, true))[1].clone()
        };
        assert_eq!(row(b"a,b", ','), "\"a,b\",2001:db8::1,1,2\n");
        assert_eq!(row(b"a,b", ';'), "a,b;2001:db8::1;1;2\n");
        assert_eq!(row(b"say \"x\"\n", ';'), "\"say \"\"x\"\"\n\";2001:db8::1;1;2\n");
        assert_eq!(row(b"a", ':'), "a:\"2001:db8::1\":1:2\n");
        assert_eq!(row(b"\xff", ','), "\u{fffd},2001:db8::1,1,2\n");
    }

    #[test]
    fn formatted_columns_have_their_widths() {
        let sample =
            sample("src_host,tunnel_src_host,proto,flows").ip("ip_src", "10.1.1.1").values(&[15, 1376, 3]);
        let style = Style::default();
        assert_eq!(
            lines(&sample, Columns::formatted(&sample.schema, &style, true)),
            [
                format!(
                    "{:47}{:12}{:47}{:22}{:22}BYTES\n",
                    "SRC_IP", "PROTOCOL", "TUNNEL_SRC_IP", "PACKETS", "FLOWS"
                ),
                format!("{:47}{:12}{:47}{:22}{:22}1376\n", "10.1.1.1", "0", "::", "15", "3"),
            ]
        );
        assert_eq!(
            lines(&sample, Columns::formatted(&sample.schema, &style, false))[1],
            format!("{:47}{:12}{:47}\n", "10.1.1.1", "0", "::")
        );
    }

    #[test]
    fn long_values_are_followed_by_one_space() {
        let class = [b'x'; 30];
        let sample = sample("class").text("class", &class).values(&[1, 2]);
        let line = &lines(&sample, Columns::formatted(&sample.schema, &Style::default(), true))[1];
        assert_eq!(*line, format!("{} {:22}2\n", "x".repeat(30), "1"));
    }

    #[test]
    fn columns_without_a_width_are_unsupported() {
        let names = unsupported(&sample("src_host,label,as_path,srv6_seg_ipv6_list,mpls_vpn_rd+bins").schema);
        assert_eq!(names, ["label", "as_path", "srv6_seg_ipv6_list"]);
    }
}
