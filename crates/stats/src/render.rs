//! Counters as log lines.

use crate::counters::{Snapshot, check};
use crate::table::{ROWS, Scope};

/// Width at which log lines are wrapped.
const WIDTH: usize = 160;

/// A scope's counters as log lines, `key=value` separated by blanks. Zeros are omitted; a scope that has counted
/// nothing says so. A line for each equation that does not hold comes last.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;
    use crate::table::Counter;

    #[test]
    fn log_lines_omit_zeros_and_show_failed_equations() {
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
                "does not add up: datagrams_received=5 but datagrams_decoded + datagrams_undecoded + datagrams_rejected[*]=4"
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
}
