//! Counters as text: log lines for people, and the Prometheus exposition format for scrapers.

use crate::counters::{Snapshot, check};
use crate::table::{FAMILIES, Kind, ROWS, Row, Scope};
use std::fmt::Write;

/// Where a log line is ended and another begun.
const WIDTH: usize = 160;

/// A scope's counters as log lines, `key=value` with blanks between. What is zero is left out; a scope that has counted
/// nothing says so. A line for each equation that does not close comes last.
#[must_use]
pub fn lines(snapshot: &Snapshot, scope: Scope) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for row in ROWS.iter().filter(|row| row.scope == scope && snapshot[row.counter] != 0) {
        let pair = format!("{}={}", row.counter.key(), snapshot[row.counter]);
        if !line.is_empty() && line.len() + 1 + pair.len() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&pair);
    }
    if line.is_empty() && lines.is_empty() {
        line.push_str("nothing counted yet");
    }
    lines.push(line);
    lines.extend(check(snapshot, scope).iter().map(|open| format!("does not add up: {open}")));
    lines
}

/// A snapshot with the labels that tell it from others.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Which counters to show.
    pub scope: Scope,
    /// Names (letters, digits, underscores) and values, such as `("plugin", "p")`.
    pub labels: &'a [(&'a str, &'a str)],
    /// The numbers.
    pub snapshot: &'a Snapshot,
}

/// The series in the Prometheus text format, version 0.0.4: families in the order of the table, with help and type.
#[must_use]
pub fn prometheus(series: &[Series<'_>]) -> String {
    let mut text = String::new();
    let mut family = "";
    for row in ROWS {
        let mut of_scope = series.iter().filter(|series| series.scope == row.scope).peekable();
        if of_scope.peek().is_none() {
            continue;
        }
        if row.family != family {
            family = row.family;
            head(&mut text, row);
        }
        for series in of_scope {
            text.push_str("pmacct_");
            text.push_str(row.family);
            let reason = (!row.reason.is_empty()).then_some(("reason", row.reason));
            labels(&mut text, series.labels.iter().copied().chain(reason));
            // Writing to a string cannot fail.
            let _ = writeln!(text, " {}", series.snapshot[row.counter]);
        }
    }
    text
}

fn head(text: &mut String, row: &Row) {
    let family = FAMILIES.iter().find(|(name, _)| *name == row.family);
    let help = family.map_or(row.help, |(_, help)| help);
    let kind = match row.kind {
        Kind::Total => "counter",
        Kind::Gauge => "gauge",
    };
    let name = row.family;
    let _ = writeln!(text, "# HELP pmacct_{name} {help}.\n# TYPE pmacct_{name} {kind}");
}

fn labels<'a>(text: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut open = '{';
    for (name, value) in labels {
        text.push(open);
        open = ',';
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    if open == ',' {
        text.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;
    use crate::table::Counter;

    #[test]
    fn log_lines_leave_out_zeros_and_say_what_does_not_add_up() {
        let counters = Counters::new();
        assert_eq!(lines(&counters.reader().snapshot(), Scope::Worker), ["nothing counted yet"]);
        counters.add(Counter::DatagramsReceived, 5);
        counters.add(Counter::DatagramsDecoded, 3);
        counters.add(Counter::DatagramsBadVersion, 1);
        counters.add(Counter::RecordsReceived, 9);
        assert_eq!(
            lines(&counters.reader().snapshot(), Scope::Worker),
            [
                "datagrams_received=5 datagrams_decoded=3 datagrams_rejected[version]=1",
                "does not add up: datagrams_received=5 but datagrams_decoded + datagrams_rejected[*]=4"
            ]
        );
    }

    #[test]
    fn log_lines_are_wrapped_between_pairs() {
        let counters = Counters::new();
        for counter in Counter::ALL {
            counters.add(counter, 1_000_000);
        }
        let snapshot = counters.reader().snapshot();
        let lines = lines(&snapshot, Scope::Plugin);
        let pairs: Vec<&String> = lines.iter().filter(|line| !line.starts_with("does not")).collect();
        assert!(pairs.len() > 2);
        assert!(pairs.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')));
        let count: usize = pairs.iter().map(|line| line.split(' ').count()).sum();
        assert_eq!(count, ROWS.iter().filter(|row| row.scope == Scope::Plugin).count());
    }

    #[test]
    fn prometheus_text_has_one_head_for_each_family_and_escaped_labels() {
        let (one, two) = (Counters::new(), Counters::new());
        one.add(Counter::RecordsFilteredTag, 2);
        two.add(Counter::RecordsFilteredTag, 3);
        let (one, two) = (one.reader().snapshot(), two.reader().snapshot());
        let text = prometheus(&[
            Series { scope: Scope::Plugin, labels: &[("plugin", "a\"\\\n")], snapshot: &one },
            Series { scope: Scope::Plugin, labels: &[], snapshot: &two },
        ]);
        assert!(
            text.contains("pmacct_records_filtered_total{plugin=\"a\\\"\\\\\\n\",reason=\"tag\"} 2\n"),
            "{text}"
        );
        assert!(text.contains("pmacct_records_filtered_total{reason=\"tag\"} 3\n"), "{text}");
        assert!(text.contains("pmacct_records_received_total 0\n"), "{text}");
        assert_eq!(text.matches("# TYPE pmacct_records_filtered_total counter\n").count(), 1);
        assert!(text.contains("# TYPE pmacct_aggregates_waiting gauge\n"));
        assert!(!text.contains("datagrams"), "no series of that scope was given");
    }
}
