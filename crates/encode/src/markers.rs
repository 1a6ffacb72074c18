//! The markers around the rows of a purge (`print_markers` and similar keys).

use crate::number::decimal;
use crate::value;
use flow::column::Id;

/// The figures of a purge, for the marker at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Aggregates that were written.
    pub written: u64,
    /// Aggregates that were to be written.
    pub total: u64,
    /// Duration in whole seconds.
    pub seconds: u64,
}

/// The text of `writer_id`: `writer_id_string` with its variables filled. `name` is the plugin's.
///
/// | variable | value |
/// |---|---|
/// | `$proc_name` | the plugin's name |
/// | `$writer_pid` | the process id |
/// | `$pmacct_build` | the version |
pub fn writer_id(template: &str, name: &str, pid: u32, build: &str) -> String {
    let filled = template.replace("$writer_pid", &pid.to_string()).replace("$pmacct_build", build);
    // The name is replaced last, so that variables in it are not replaced.
    filled.replace("$proc_name", name)
}

/// Words of the variables of `writer_id_string`.
pub const WRITER_ID_WORDS: [&str; 3] = ["proc_name", "writer_pid", "pmacct_build"];

/// Variables of `writer_id_string`; for [`crate::names::variables`].
pub fn of_writer_ids(text: &str) -> Option<(&'static str, Option<Id>)> {
    WRITER_ID_WORDS.iter().find(|word| text.starts_with(**word)).map(|word| (*word, None))
}

/// Writes the line before the title of CSV and formatted output.
pub fn text_start(out: &mut Vec<u8>, pid: u32) {
    text(out, b"START", pid);
}

/// Writes the line after the last row of CSV and formatted output.
pub fn text_end(out: &mut Vec<u8>, pid: u32) {
    text(out, b"END", pid);
}

fn text(out: &mut Vec<u8>, word: &[u8], pid: u32) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(word);
    out.extend_from_slice(b" (");
    decimal(out, u64::from(pid));
    out.extend_from_slice(b")--\n");
}

/// Writes the JSON object before the rows, without a newline. `writer_id` is the plugin's name, a slash and the
/// process id, unless configured otherwise.
pub fn json_start(out: &mut Vec<u8>, writer_id: &str) {
    json(out, "purge_init", writer_id);
    out.push(b'}');
}

/// Writes the JSON object after the rows, without a newline.
pub fn json_end(out: &mut Vec<u8>, writer_id: &str, purge: Purge) {
    json(out, "purge_close", writer_id);
    for (name, number) in
        [("purged_entries", purge.written), ("total_entries", purge.total), ("duration", purge.seconds)]
    {
        out.extend_from_slice(b", \"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": ");
        decimal(out, number);
    }
    out.push(b'}');
}

fn json(out: &mut Vec<u8>, event_type: &str, writer_id: &str) {
    out.extend_from_slice(b"{\"event_type\": \"");
    out.extend_from_slice(event_type.as_bytes());
    out.extend_from_slice(b"\", \"writer_id\": \"");
    value::escaped(out, writer_id.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_writer_ids_are_replaced() {
        assert_eq!(writer_id("$proc_name/$writer_pid", "a$writer_pid", 7, "1"), "a$writer_pid/7");
        assert_eq!(writer_id("x-$pmacct_build", "a", 7, "1.8"), "x-1.8");
    }

    #[test]
    fn both_forms() {
        let mut out = Vec::new();
        text_start(&mut out, 18740);
        text_end(&mut out, 18740);
        json_start(&mut out, "a/18752");
        json_end(&mut out, "a/18752", Purge { written: 2, total: 3, seconds: 1 });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "--START (18740)--\n--END (18740)--\n\
             {\"event_type\": \"purge_init\", \"writer_id\": \"a/18752\"}\
             {\"event_type\": \"purge_close\", \"writer_id\": \"a/18752\", \"purged_entries\": 2, \
             \"total_entries\": 3, \"duration\": 1}"
        );
    }
}
