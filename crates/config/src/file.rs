//! The lines of a configuration file.
//!
//! ```text
//! line  = blank | comment | entry
//! entry = key [ "[" plugin-name "]" ] ":" value
//! ```
//!
//! A comment is a line whose first visible character is `!` or `#`; a value extends to the end of its line.
//! Whitespace (including tabs and carriage returns) is removed everywhere in the key, which is lower-cased, and at both
//! ends of the value. There are no quotes, continuations, includes or variables. A byte order mark at the start is skipped.

use std::io::ErrorKind;
use std::path::Path;

use crate::problem::{Diagnostics, Origin};
use crate::text;

/// A setting as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it was written.
    pub origin: Origin,
    /// Name of the key, lower-cased, without blanks.
    pub key: String,
    /// Name of a plugin, exactly as written between the brackets.
    pub plugin: Option<String>,
    /// The value, trimmed.
    pub value: String,
}

/// Reads a file into entries. Every malformed line is a fatal error; the lines after it are still read.
pub fn read(path: &Path, problems: &mut Diagnostics) -> Vec<Entry> {
    let origin = Origin::whole(&path.to_string_lossy());
    match text::read(path) {
        Ok(bytes) => return parse(&origin, &bytes, problems),
        Err(error) if error.kind() == ErrorKind::NotFound => problems.fatal(&origin, "file not found.", None),
        // As pmacct says it.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            problems.fatal(&origin, "path is not a regular file.", None);
        }
        Err(error) => problems.fatal(&origin, format!("file cannot be read: {error}."), None),
    }
    Vec::new()
}

/// Reads the bytes of a file into entries.
pub fn parse(file: &Origin, bytes: &[u8], problems: &mut Diagnostics) -> Vec<Entry> {
    let bytes = text::clean(bytes);
    let mut entries = Vec::new();
    for (line, number) in bytes.split(|&b| b == b'\n').zip(1u32..) {
        let origin = file.at(number);
        let text = String::from_utf8_lossy(line);
        match entry(&origin, &text) {
            Ok(Some(entry)) => {
                if matches!(text, std::borrow::Cow::Owned(_)) {
                    problems.warn(
                        &origin,
                        "The line is not UTF-8.",
                        Some("Invalid bytes are read as U+FFFD.".into()),
                    );
                }
                entries.push(entry);
            }
            Ok(None) => {}
            Err((what, hint)) => {
                let hint = if hint.is_empty() { None } else { Some(hint.to_owned()) };
                problems.fatal(&origin, format!("Syntax error: {what}. Exiting."), hint);
            }
        }
    }
    entries
}

/// What is wrong with a line, and what is expected.
type SyntaxError = (String, &'static str);

const FORM: &str = "Write KEY: VALUE or KEY[PLUGIN]: VALUE.";

fn entry(origin: &Origin, line: &str) -> Result<Option<Entry>, SyntaxError> {
    let line = line.trim_matches(is_blank);
    if line.is_empty() || line.starts_with(['!', '#']) {
        return Ok(None);
    }
    let error = |what: &str| Err((what.to_owned(), FORM));
    let Some((left, value)) = line.split_once(':') else {
        return error("missing ':'");
    };
    let (name, plugin) = match left.find(['[', ']']) {
        None => (left, None),
        Some(at) => {
            let (name, brackets) = left.split_at(at);
            let Some(inside) = brackets.strip_prefix('[') else {
                return error("illegal brackets");
            };
            match inside.find(['[', ']']).map(|end| inside.split_at(end)) {
                Some((_, rest)) if rest.starts_with('[') => return error("nested symbols not allowed"),
                Some((plugin, rest)) if rest[1..].chars().all(is_blank) => (name, Some(plugin.to_owned())),
                _ => return error("illegal brackets"),
            }
        }
    };
    let key: String = name.chars().filter(|&c| !is_blank(c)).flat_map(char::to_lowercase).collect();
    if key.is_empty() {
        return error(if plugin.is_some() { "symbol not referring to any key" } else { "missing key" });
    }
    if plugin.is_none() {
        balanced(value)?;
    }
    Ok(Some(Entry { origin: origin.clone(), key, plugin, value: value.trim_matches(is_blank).to_owned() }))
}

/// The first opening bracket of a value must be closed before another opens; a closing bracket before it ends the check.
fn balanced(value: &str) -> Result<(), SyntaxError> {
    let Some((before, inside)) = value.split_once('[') else { return Ok(()) };
    if before.contains(']') {
        return Ok(());
    }
    match inside.find(['[', ']']).and_then(|at| inside[at..].chars().next()) {
        Some(']') => Ok(()),
        Some(_) => {
            Err(("nested symbols not allowed".to_owned(), "Brackets in a value must be paired and not nested."))
        }
        None => Err(("not weighted brackets (1)".to_owned(), "Close the opening bracket in the value.")),
    }
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b' || c == '\0'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Vec<Entry>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let entries = parse(&Origin::whole("f"), text.as_bytes(), &mut problems);
        (entries, problems.iter().map(|p| format!("{}|{}", p.origin, p.what)).collect())
    }

    fn one(text: &str) -> (String, Option<String>, String) {
        let (entries, problems) = parsed(text);
        assert_eq!(problems, Vec::<String>::new());
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        (entry.key.clone(), entry.plugin.clone(), entry.value.clone())
    }

    fn setting(key: &str, plugin: Option<&str>, value: &str) -> (String, Option<String>, String) {
        (key.into(), plugin.map(str::to_owned), value.into())
    }

    #[test]
    fn whitespace_and_case_are_ignored_in_keys_but_not_in_values() {
        assert_eq!(one("dry run: config"), setting("dryrun", None, "config"));
        assert_eq!(
            one(" \tAggregate [ a B ]\t:\t src_host ! x \r\n"),
            setting("aggregate", Some(" a B "), "src_host ! x")
        );
        assert_eq!(one("key: [::1]:2055"), setting("key", None, "[::1]:2055"));
        assert_eq!(one("print_output: \"json\""), setting("print_output", None, "\"json\""));
        assert_eq!(one("networks_file: /x/a[b]"), setting("networks_file", None, "/x/a[b]"));
        assert_eq!(one("networks_file: /x]a[b"), setting("networks_file", None, "/x]a[b"));
        assert_eq!(one("pidfile:"), setting("pidfile", None, ""));
        assert_eq!(one("\u{feff}plugins: print"), setting("plugins", None, "print"));
        assert_eq!(one("! c: x\n  # d: x\n\n\t\nplugins: print"), setting("plugins", None, "print"));
    }

    #[test]
    fn each_syntax_error_has_its_message() {
        for (line, what) in [
            ("aggregate src_host", "missing ':'"),
            ("a: x \\\n more", "missing ':'"),
            (": foo", "missing key"),
            ("aggregate[a: x", "illegal brackets"),
            ("aggregate]a[: x", "illegal brackets"),
            ("aggregate[a][b]: x", "illegal brackets"),
            ("aggregate[a]b: x", "illegal brackets"),
            ("[a]: x", "symbol not referring to any key"),
            ("aggregate[[a]]: x", "nested symbols not allowed"),
            ("plugins: print[a", "not weighted brackets (1)"),
            ("networks_file: /x/[abc", "not weighted brackets (1)"),
        ] {
            let number = line.matches('\n').count() + 2;
            let (_, problems) = parsed(&format!("! first\n{line}\nplugins: print"));
            assert_eq!(problems, [format!("f:{number}|Syntax error: {what}. Exiting.")], "{line}");
        }
    }

    #[test]
    fn lines_after_a_malformed_line_are_read() {
        let (entries, problems) = parsed("a\nb: 1\n: c\nd[x]: 2");
        assert_eq!(entries.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["b", "d"]);
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_missing_or_special_file_is_fatal() {
        for (path, what) in [("/nowhere/c.conf", "file not found."), ("/dev/null", "path is not a regular file.")]
        {
            let mut problems = Diagnostics::new();
            assert!(read(Path::new(path), &mut problems).is_empty());
            assert!(problems.is_fatal());
            assert_eq!(problems.iter().next().unwrap().to_string(), format!("ERROR: [{path}] {what}"));
        }
    }

    proptest! {
        #[test]
        fn line_numbers_are_correct_after_arbitrary_bytes(junk in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut text = junk.clone();
            text.extend_from_slice(b"\nlast_key[p]: value");
            let expected = 2 + u32::try_from(junk.iter().filter(|&&b| b == b'\n').count()).unwrap();
            let mut problems = Diagnostics::new();
            let entries = parse(&Origin::whole("f"), &text, &mut problems);
            let last = entries.last().unwrap();
            prop_assert_eq!((last.origin.line, last.key.as_str()), (Some(expected), "last_key"));
            let lines: Vec<u32> = entries.iter().filter_map(|e| e.origin.line).collect();
            prop_assert!(lines.is_sorted());
            prop_assert!(problems.iter().all(|p| p.origin.line.is_some_and(|l| l < expected)));
        }

        #[test]
        fn a_written_entry_reads_back(key in "[a-z_]{1,20}", plugin in proptest::option::of("[a-z0-9 ]{0,8}"),
                                      value in "[a-z0-9/%$.]{0,20}") {
            let brackets = plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
            prop_assert_eq!(one(&format!("{key}{brackets}: {value}")), (key, plugin, value));
        }
    }
}
