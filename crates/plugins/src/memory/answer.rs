//! Answers, built and sent by the thread of their client.

use super::forms;
use super::ledger::Outcome;
use super::lines::Lines;
use super::state::{Selection, Version};
use aggregate::{Aggregate, Table};
use encode::Style;
use encode::columns::Columns;
use encode::json::{Frame as JsonFrame, Json};
use flow::column::Id;
use flow::schema::{Schema, Source, VALUE_BYTES, VALUE_PACKETS};
use flow::strings::Strings;
use jiff::tz::TimeZone;
use query::{Counter, FRAME_HEAD, Format, Frame, Query, Request};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of a chunk of an answer.
const CHUNK: usize = 256 << 10;
/// How long to wait for a client that does not read before checking whether the answer must be cut.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Aggregates that are processed between such checks.
const ROWS: u32 = 1024;

/// An answer that is being sent. Once it is cut, the rest is not built.
pub(super) struct Out<'a> {
    to: &'a UnixStream,
    piece: Vec<u8>,
    /// When the client must have received the whole answer.
    until: Instant,
    /// The daemon ends.
    ended: &'a AtomicBool,
    /// The version that the answer is built from.
    version: Option<Arc<Version>>,
    rows: u32,
    /// A chunk was sent in part.
    broken: bool,
}

impl<'a> Out<'a> {
    pub(super) fn new(to: &'a UnixStream, until: Instant, ended: &'a AtomicBool) -> Self {
        Self { to, piece: vec![0; FRAME_HEAD], until, ended, version: None, rows: 0, broken: false }
    }

    /// Sets the version that the answer is built from.
    pub(super) fn of(&mut self, version: Arc<Version>) {
        self.version = Some(version);
    }

    /// The answer is built.
    pub(super) fn forget(&mut self) {
        self.version = None;
    }

    fn line(&mut self, text: &str) {
        self.piece.extend_from_slice(text.as_bytes());
        self.piece.push(b'\n');
    }

    /// Counts a processed aggregate.
    fn row(&mut self) -> Result<(), Outcome> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            self.check_cut()?;
        }
        if self.piece.len() >= CHUNK { self.send(Frame::Piece) } else { Ok(()) }
    }

    /// Returns an error if the answer is cut.
    fn check_cut(&self) -> Result<(), Outcome> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Outcome::Ended);
        }
        if self.version.as_ref().is_some_and(|version| version.is_cut()) {
            return Err(Outcome::Old);
        }
        if Instant::now() >= self.until { Err(Outcome::Late) } else { Ok(()) }
    }

    /// Sends the buffered output.
    fn send(&mut self, kind: Frame) -> Result<(), Outcome> {
        let head = kind.head(self.piece.len() - FRAME_HEAD);
        self.piece.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        let mut left = self.piece.as_slice();
        while !left.is_empty() {
            match self.to.write(left) {
                Ok(0) => return Err(Outcome::Left),
                Ok(sent) => {
                    left = left.get(sent..).unwrap_or_default();
                    self.broken = !left.is_empty();
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.check_cut()?,
                    _ => return Err(Outcome::Left),
                },
            }
        }
        self.piece.truncate(FRAME_HEAD);
        Ok(())
    }

    /// Sends the reason why the rest is missing, unless it would be mistaken for a part of the answer: then only the end is missing.
    pub(super) fn send_error(&self, text: &str) {
        if !self.broken {
            send_error(self.to, text);
        }
    }

    /// Sends the last chunk, and the end.
    pub(super) fn end(&mut self) -> Result<(), Outcome> {
        if self.piece.len() > FRAME_HEAD {
            self.send(Frame::Piece)?;
        }
        self.send(Frame::End)
    }
}

/// Sends the reason for a missing or incomplete answer, if the client reads it at once.
pub(super) fn send_error(mut to: &UnixStream, text: &str) {
    // A client that does not read it sees that the answer has no end.
    let _ = to.write_all(&[&Frame::Error.head(text.len())[..], text.as_bytes()].concat());
}

/// Writes aggregates in the requested format.
enum Rows {
    Columns(Columns),
    Json(Json),
}

impl Rows {
    fn new(schema: &Schema, style: &Style, request: &Request) -> Self {
        let shapes = |counters| forms::shapes(schema, request.all_columns, counters);
        match request.format {
            Format::Json => {
                Self::Json(Json::with_columns(schema, &forms::json_columns(schema), style, JsonFrame::default()))
            }
            Format::Formatted => Self::Columns(Columns::formatted_of(shapes(true), style)),
            Format::EventFormatted => Self::Columns(Columns::formatted_of(shapes(false), style)),
            Format::Csv => Self::Columns(Columns::csv_of(shapes(true), style)),
            Format::EventCsv => Self::Columns(Columns::csv_of(shapes(false), style)),
        }
    }

    fn title(&self, out: &mut Vec<u8>) {
        match self {
            Self::Columns(columns) => columns.title(out),
            Self::Json(_) => {}
        }
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, now: u64) {
        match self {
            Self::Columns(columns) => columns.row(out, row, strings, now),
            Self::Json(json) => {
                json.row(out, row, strings, now);
                out.push(b'\n');
            }
        }
    }
}

/// Index of a counter among the values of a table, if it has it.
fn value_of(schema: &Schema, counter: Counter) -> Option<usize> {
    match counter {
        Counter::Bytes => Some(VALUE_BYTES),
        Counter::Packets => Some(VALUE_PACKETS),
        Counter::Flows => schema.values.iter().position(|value| value.source == Source::Head(flow::row::FLOWS)),
    }
}

/// The client's format of values, which does not depend on the configuration of other plugins.
pub(super) fn style(request: &Request, whole_seconds: bool) -> Style {
    Style {
        whole_seconds,
        zone: if request.utc { TimeZone::UTC } else { TimeZone::system() },
        client_times: true,
        since_epoch: request.epoch,
        num_protos: request.num_protos,
        separator: request.separator,
        ..Style::default()
    }
}

/// What an answer needs in addition to the request.
pub(super) struct Context<'a> {
    pub(super) table: &'a Table,
    /// The lines that select aggregates; `None` selects all of the table.
    pub(super) lines: Option<&'a mut Lines>,
    pub(super) style: &'a Style,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// When the table was emptied, seconds since 1970.
    pub(super) erased: Option<u64>,
}

/// The aggregates that the lines match.
pub(super) fn select(version: &Version, lines: &mut Lines, out: &mut Out<'_>) -> Result<Selection, Outcome> {
    let table = &version.table;
    let mut selection = version.selection();
    for (number, row) in table.iter().enumerate() {
        if lines.is_match(row.key, row.values, table.strings()) {
            selection.add(number);
        }
        out.row()?;
    }
    Ok(selection)
}

/// Answers a request, without the end marker.
pub(super) fn make(request: &Request, context: Context<'_>, out: &mut Out<'_>) -> Result<(), Outcome> {
    let Context { table, lines, style, now, erased } = context;
    match request.query {
        Query::All | Query::Match => show(table, lines, request, style, now, out)?,
        Query::Counters { counter, sum } => {
            if let Some(lines) = lines {
                counters(table, lines, counter, sum, out)?;
            }
        }
        Query::Erase => out.line("OK: Clearing stats."),
        Query::Since => match erased {
            Some(erased) => out.line(&now.saturating_sub(erased).to_string()),
            None => out.line("never"),
        },
        Query::Status => {
            out.line(&format!("aggregates\t{}", table.len()));
            out.line(&format!("octets\t{}", table.size()));
        }
        Query::Classes => {
            out.line("CLASS_ID\tCLASS_NAME\n");
            out.line("For a total of: 0 classifiers");
        }
        Query::Customs => {
            out.line("NAME");
            for column in table.schema().columns.iter().filter(|column| column.id == Id::Custom) {
                out.line(&column.json);
            }
        }
    }
    Ok(())
}

/// Shows the aggregates that match any of the lines; without lines, all.
fn show(
    table: &Table,
    mut lines: Option<&mut Lines>,
    request: &Request,
    style: &Style,
    now: u64,
    out: &mut Out<'_>,
) -> Result<(), Outcome> {
    let (schema, strings) = (table.schema(), table.strings());
    let mut rows = Rows::new(schema, style, request);
    rows.title(&mut out.piece);
    let mut meant = |row: &Aggregate<'_>| match &mut lines {
        None => true,
        Some(lines) => lines.is_match(row.key, row.values, strings),
    };
    let mut entries = 0;
    let mut write = |row: &Aggregate<'_>, out: &mut Out<'_>| {
        rows.row(&mut out.piece, row, strings, now);
        entries += 1;
    };
    match request.top {
        None => {
            for row in table.iter() {
                if meant(&row) {
                    write(&row, out);
                }
                out.row()?;
            }
        }
        Some((counter, limit)) => {
            let value = value_of(schema, counter);
            let count = |number: u32| {
                let row = table.get(number as usize);
                value.zip(row).and_then(|(value, row)| row.values.get(value)).copied().unwrap_or(0)
            };
            // Indexes, not aggregates: there may be as many as the table has.
            let mut sorted: Vec<u32> = Vec::new();
            for (number, row) in (0..).zip(table.iter()) {
                if meant(&row) {
                    sorted.push(number);
                }
                out.row()?;
            }
            let order = |number: &u32| (std::cmp::Reverse(count(*number)), *number);
            if let Some(limit) = limit.filter(|limit| *limit < sorted.len()) {
                sorted.select_nth_unstable_by_key(limit, order);
                sorted.truncate(limit);
            }
            out.check_cut()?;
            sorted.sort_unstable_by_key(order);
            for number in sorted {
                if let Some(row) = table.get(number as usize) {
                    write(&row, out);
                }
                out.row()?;
            }
        }
    }
    if matches!(request.format, Format::Formatted | Format::EventFormatted) {
        out.line(&format!("\nFor a total of: {entries} entries"));
    }
    Ok(())
}

/// Shows counters: a line for each line of values, or one for all.
fn counters(
    table: &Table,
    lines: &mut Lines,
    counter: Option<Counter>,
    sum: bool,
    out: &mut Out<'_>,
) -> Result<(), Outcome> {
    let schema = table.schema();
    let mut sums = vec![[0u64; 4]; lines.len()];
    let all = [Counter::Packets, Counter::Bytes, Counter::Flows].map(|counter| value_of(schema, counter));
    for row in table.iter() {
        let values = all.map(|value| value.and_then(|value| row.values.get(value)).copied().unwrap_or(0));
        let [packets, octets, flows] = values;
        lines.matches(row.key, row.values, table.strings(), |slot| {
            if let Some(sums) = sums.get_mut(slot as usize) {
                *sums = plus(*sums, [packets, octets, flows, 1]);
            }
        });
        out.row()?;
    }
    let of_line = |slot: Option<u32>| slot.and_then(|slot| sums.get(slot as usize)).copied().unwrap_or_default();
    let mut show = |[packets, octets, flows, entries]: [u64; 4]| {
        out.line(&match counter {
            None => format!("{packets} {octets} {flows} {entries}"),
            Some(Counter::Bytes) => octets.to_string(),
            Some(Counter::Packets) => packets.to_string(),
            Some(Counter::Flows) => flows.to_string(),
        });
        out.row()
    };
    if sum {
        return show(lines.slots().map(of_line).fold([0; 4], plus));
    }
    lines.slots().map(of_line).try_for_each(show)
}

fn plus(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let mut sum = a;
    sum.iter_mut().zip(b).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    sum
}
