//! Answers.

use super::forms;
use super::matching::Matcher;
use super::{CLIENT_PATIENCE, Settings};
use aggregate::{Aggregate, Table};
use crossbeam_channel::Sender;
use encode::Style;
use encode::columns::Columns;
use encode::json::{Frame, Json};
use flow::schema::{Schema, Source, VALUE_OCTETS, VALUE_PACKETS};
use flow::strings::Strings;
use jiff::tz::TimeZone;
use query::{Counter, Format, Query, Request};
use std::time::Instant;

/// Octets of a piece of an answer.
const PIECE: usize = 256 << 10;

/// Makes answers.
pub(super) struct Answerer {
    whole_seconds: bool,
    password: Option<String>,
    /// When the table was emptied, seconds since 1970.
    erased: Option<u64>,
}

/// An answer on its way. Once the client is gone, the rest is not made.
struct Out<'a> {
    to: &'a Sender<Vec<u8>>,
    piece: Vec<u8>,
    /// When the client must have taken the whole answer: others wait meanwhile.
    until: Instant,
    gone: bool,
}

impl<'a> Out<'a> {
    fn new(to: &'a Sender<Vec<u8>>, kind: u8) -> Self {
        Self { to, piece: vec![kind], until: Instant::now() + CLIENT_PATIENCE, gone: false }
    }

    fn line(&mut self, text: &str) {
        self.piece.extend_from_slice(text.as_bytes());
        self.piece.push(b'\n');
    }

    /// Sends what has come together, if it is enough.
    fn check(&mut self) {
        if self.piece.len() >= PIECE {
            self.send();
        }
    }

    fn send(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        self.gone |= self.gone || self.to.send_deadline(piece, self.until).is_err();
    }
}

/// Writes aggregates in the form that was asked for.
enum Rows {
    Columns(Columns),
    Json(Json),
}

impl Rows {
    fn new(schema: &Schema, style: &Style, request: &Request) -> Self {
        let shapes = |counters| forms::shapes(schema, request.all_columns, counters);
        match request.format {
            Format::Json => {
                Self::Json(Json::with_columns(schema, &forms::json_columns(schema), style, Frame::default()))
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

/// Number of a counter among the values of a table, if it has it.
fn value_of(schema: &Schema, counter: Counter) -> Option<usize> {
    match counter {
        Counter::Bytes => Some(VALUE_OCTETS),
        Counter::Packets => Some(VALUE_PACKETS),
        Counter::Flows => schema.values.iter().position(|value| value.source == Source::Head(flow::row::FLOWS)),
    }
}

impl Answerer {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { whole_seconds: settings.whole_seconds, password: settings.password.clone(), erased: None }
    }

    /// Answers one request at `now` (seconds since 1970).
    pub(super) fn answer(&mut self, table: &mut Table, request: &Request, now: u64, to: &Sender<Vec<u8>>) {
        let refused = self.password.is_some() && self.password != request.password;
        let result = if refused { Err("wrong password: -P gives it".to_owned()) } else { Ok(()) };
        let done = result.and_then(|()| {
            let mut out = Out::new(to, query::ANSWER);
            self.make(table, request, now, &mut out)
        });
        if let Err(problem) = done {
            let mut out = Out::new(to, query::PROBLEM);
            out.piece.extend_from_slice(problem.as_bytes());
            out.send();
        }
    }

    fn make(&mut self, table: &mut Table, request: &Request, now: u64, out: &mut Out<'_>) -> Result<(), String> {
        // The look of values is the client's, whatever the configuration says of the other plugins.
        let style = Style {
            whole_seconds: self.whole_seconds,
            zone: if request.utc { TimeZone::UTC } else { TimeZone::system() },
            client_times: true,
            since_epoch: request.epoch,
            num_protos: request.num_protos,
            separator: request.separator,
            ..Style::default()
        };
        let schema = std::sync::Arc::clone(table.schema());
        let line = |values: &Vec<String>| Matcher::new(&schema, &style, &request.columns, values);
        let mut matchers: Vec<Matcher> = request.values.iter().map(line).collect::<Result<_, _>>()?;
        match request.query {
            Query::All => show(table, &mut [], request, &style, now, out),
            Query::Match => show(table, &mut matchers, request, &style, now, out),
            Query::Counters { counter, sum } => counters(table, &mut matchers, counter, sum, out),
            Query::Erase => {
                self.erase(table, now);
                out.line("OK: Clearing stats.");
            }
            Query::Since => match self.erased {
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
                for column in schema.columns.iter().filter(|column| is_custom(&column.json)) {
                    out.line(&column.json);
                }
            }
        }
        // What a client could not take is not removed.
        out.send();
        if request.reset && !out.gone {
            match request.query {
                Query::All => self.erase(table, now),
                _ => table.retain(|key, values, strings| {
                    !matchers.iter_mut().any(|matcher| matcher.matches(key, values, strings))
                }),
            }
        }
        Ok(())
    }

    fn erase(&mut self, table: &mut Table, now: u64) {
        table.clear();
        self.erased = Some(now);
    }
}

fn is_custom(name: &str) -> bool {
    let known = ["packets", "bytes", "flows", "timestamp_min", "timestamp_max", "mpls_vpn_rd_origin"];
    !known.contains(&name) && flow::primitive::PRIMITIVES.iter().all(|primitive| primitive.json != name)
}

/// Shows the aggregates that any of the matchers means; without matchers, all.
fn show(table: &Table, matchers: &mut [Matcher], request: &Request, style: &Style, now: u64, out: &mut Out<'_>) {
    let schema = table.schema();
    let strings = table.strings();
    let mut rows = Rows::new(schema, style, request);
    rows.title(&mut out.piece);
    let mut meant = |row: &Aggregate<'_>| {
        matchers.is_empty() || matchers.iter_mut().any(|matcher| matcher.matches(row.key, row.values, strings))
    };
    let mut entries = 0;
    let mut write = |row: &Aggregate<'_>, out: &mut Out<'_>| {
        rows.row(&mut out.piece, row, strings, now);
        entries += 1;
        out.check();
    };
    match request.top {
        None => {
            for row in table.iter().filter(|row| meant(row)) {
                write(&row, out);
                if out.gone {
                    return;
                }
            }
        }
        Some((counter, most)) => {
            let value = value_of(schema, counter);
            let count = |row: &Aggregate<'_>| value.and_then(|value| row.values.get(value)).copied().unwrap_or(0);
            let mut sorted: Vec<Aggregate<'_>> = table.iter().filter(|row| meant(row)).collect();
            sorted.sort_by_key(|row| std::cmp::Reverse(count(row)));
            for row in sorted.iter().take(most.unwrap_or(usize::MAX)) {
                write(row, out);
                if out.gone {
                    return;
                }
            }
        }
    }
    if matches!(request.format, Format::Formatted | Format::EventFormatted) {
        out.line(&format!("\nFor a total of: {entries} entries"));
    }
}

/// Shows counters: a line for each line of values, or one for all.
fn counters(table: &Table, matchers: &mut [Matcher], counter: Option<Counter>, sum: bool, out: &mut Out<'_>) {
    let schema = table.schema();
    let mut sums = vec![[0u64; 4]; matchers.len()];
    let all = [Counter::Packets, Counter::Bytes, Counter::Flows].map(|counter| value_of(schema, counter));
    for row in table.iter() {
        for (matcher, sums) in matchers.iter_mut().zip(&mut sums) {
            if matcher.matches(row.key, row.values, table.strings()) {
                for (sum, value) in sums.iter_mut().zip(all) {
                    let value = value.and_then(|value| row.values.get(value)).copied().unwrap_or(0);
                    *sum = sum.saturating_add(value);
                }
                sums[3] += 1;
            }
        }
    }
    if sum {
        let add = |mut total: [u64; 4], one: &[u64; 4]| {
            total.iter_mut().zip(one).for_each(|(total, one)| *total = total.saturating_add(*one));
            total
        };
        sums = vec![sums.iter().fold([0; 4], add)];
    }
    for [packets, octets, flows, entries] in sums {
        out.line(&match counter {
            None => format!("{packets} {octets} {flows} {entries}"),
            Some(Counter::Bytes) => octets.to_string(),
            Some(Counter::Packets) => packets.to_string(),
            Some(Counter::Flows) => flows.to_string(),
        });
    }
}
