//! Readers of the files that plugins write.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A row of CSV, by column.
pub type Row = BTreeMap<String, String>;

/// The text of a file; empty if it does not exist.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The objects of JSON lines, sorted by their text.
///
/// # Panics
///
/// If a line is not valid JSON.
pub fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let mut lines: Vec<Value> = text.lines().map(parse).collect();
    lines.sort_by_key(Value::to_string);
    lines
}

/// The rows of CSV with a title line, sorted.
///
/// # Panics
///
/// If a row has a different number of columns than the title.
pub fn csv(text: &str, separator: char) -> Vec<Row> {
    let mut lines = text.lines();
    let title: Vec<&str> = lines.next().unwrap_or_default().split(separator).collect();
    let row = |line: &str| {
        let columns: Vec<&str> = line.split(separator).collect();
        assert_eq!(columns.len(), title.len(), "{line}");
        title.iter().zip(columns).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
    };
    let mut rows: Vec<Row> = lines.map(row).collect();
    rows.sort();
    rows
}

/// The saturating sum of a counter over all objects: damaged traffic has counters of any size.
pub fn sum(objects: &[Value], field: &str) -> u64 {
    objects.iter().filter_map(|object| object.get(field)?.as_u64()).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_and_summed() {
        let objects = json_lines("{\"b\": 2}\n{\"b\": 1, \"a\": 0}\n");
        assert_eq!(objects[0]["b"], 1);
        assert_eq!(sum(&objects, "b"), 3);
        let rows = csv("A;B\n2;x\n1;y\n", ';');
        assert_eq!((rows[0]["A"].as_str(), rows[1]["B"].as_str()), ("1", "x"));
        assert!(csv("", ',').is_empty());
    }
}
