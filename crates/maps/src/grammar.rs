//! The syntax of keyed maps: one rule per line, made of `key=value` pairs.
//!
//! ```text
//! ! a comment, as is a line that begins with #
//! set_tag=10  ip=192.0.2.0/24  filter='tcp and dst port 443'
//! ```
//!
//! Blanks (spaces and tabs) separate the pairs; none are allowed around `=`. Single quotes protect blanks and are removed; double
//! quotes are ordinary characters. `|` is rejected outside quotes, as in pmacct. Lines may be of any length and files may have
//! any number of lines.
//!
//! [`crate::key`] defines what the pairs *mean*.

use config::problem::{Diagnostics, Origin};

/// One `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The text before `=`.
    pub key: String,
    /// The text after `=`, without quotes.
    pub value: String,
    /// Character of the line at which the key begins, from 1.
    pub key_column: u32,
    /// Character of the line at which the value begins, including its quote, from 1.
    pub value_column: u32,
}

/// One rule: the pairs of a line, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Line of the file, from 1.
    pub number: u32,
    /// The pairs in the order of the line.
    pub pairs: Vec<Pair>,
}

const SHAPE: &str = "A rule consists of KEY=VALUE pairs separated by blanks, without blanks around '='.";

/// Returns the rules of a file. Malformed lines are reported and ignored; bytes that are not UTF-8 are replaced.
pub fn parse(origin: &Origin, text: &[u8], problems: &mut Diagnostics) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let line = String::from_utf8_lossy(line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        match pairs(line) {
            Ok(pairs) if pairs.is_empty() => {}
            Ok(pairs) => lines.push(Line { number, pairs }),
            Err(error) => {
                let at = origin.at(number).column(error.column);
                if error.symbol {
                    problems.error(&at, "Invalid symbol '|' detected.", None);
                }
                problems.warn(&at, "malformed line. Ignored.", Some(error.hint.to_owned()));
            }
        }
    }
    lines
}

struct ParseError {
    column: u32,
    hint: &'static str,
    symbol: bool,
}

/// The characters of a line, with their columns.
struct Cursor<'a> {
    left: std::str::Chars<'a>,
    column: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.left.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        self.column = self.column.saturating_add(1);
        self.left.next()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.next();
        }
    }

    fn error<T>(&self, hint: &'static str) -> Result<T, ParseError> {
        Err(ParseError { column: self.column, hint, symbol: self.peek() == Some('|') })
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn pairs(line: &str) -> Result<Vec<Pair>, ParseError> {
    let mut cursor = Cursor { left: line.chars(), column: 1 };
    cursor.skip_blanks();
    let mut pairs = Vec::new();
    if matches!(cursor.peek(), Some('!' | '#')) {
        return Ok(pairs);
    }
    while cursor.peek().is_some() {
        pairs.push(pair(&mut cursor)?);
        cursor.skip_blanks();
    }
    Ok(pairs)
}

fn pair(cursor: &mut Cursor<'_>) -> Result<Pair, ParseError> {
    let key_column = cursor.column;
    let mut key = String::new();
    loop {
        match cursor.peek() {
            Some('=') if !key.is_empty() => break,
            Some(c) if !is_blank(c) && !matches!(c, '=' | '|' | '\'' | '"') => key.push(c),
            _ => return cursor.error(SHAPE),
        }
        cursor.next();
    }
    cursor.next();
    let value_column = cursor.column;
    let mut value = String::new();
    let mut quoted = false;
    loop {
        match cursor.peek() {
            None => break,
            Some(c) if is_blank(c) => break,
            Some('|') => return cursor.error("Put a value that contains it in single quotes."),
            Some('\'') => {
                quoted = true;
                quotation(cursor, &mut value)?;
            }
            Some(c) => {
                value.push(c);
                cursor.next();
            }
        }
    }
    if value.is_empty() && !quoted {
        return cursor.error(SHAPE);
    }
    Ok(Pair { key, value, key_column, value_column })
}

/// Reads from the opening quote up to and including the closing one.
fn quotation(cursor: &mut Cursor<'_>, value: &mut String) -> Result<(), ParseError> {
    let column = cursor.column;
    cursor.next();
    loop {
        match cursor.next() {
            Some('\'') => return Ok(()),
            Some(c) => value.push(c),
            None => return Err(ParseError { column, hint: "This quote is not closed.", symbol: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Line number and pairs.
    type Read = (u32, Vec<(String, String)>);

    fn read(text: &str) -> (Vec<Read>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let lines = parse(&Origin::whole("p.map"), text.as_bytes(), &mut problems);
        let lines = lines.into_iter().map(|l| (l.number, l.pairs.into_iter().map(|p| (p.key, p.value)).collect()));
        (lines.collect(), problems.iter().map(ToString::to_string).collect())
    }

    fn rule(number: u32, pairs: &[(&str, &str)]) -> Read {
        (number, pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn parses_rules_comments_and_quotes() {
        let (lines, problems) = read(
            "! first\n  # second\n\n\tset_tag=1  in=2\t\r\nset_label='a b' filter='tcp[13] | 2 = 2'\nset_label=''\nx=a'b c'd",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            lines,
            [
                rule(4, &[("set_tag", "1"), ("in", "2")]),
                rule(5, &[("set_label", "a b"), ("filter", "tcp[13] | 2 = 2")]),
                rule(6, &[("set_label", "")]),
                rule(7, &[("x", "ab cd")]),
            ]
        );
    }

    #[test]
    fn values_may_contain_equal_signs() {
        assert_eq!(read("a=b=c").0, [rule(1, &[("a", "b=c")])]);
    }

    #[test]
    fn reports_malformed_lines_with_their_position_and_keeps_the_others() {
        let (lines, problems) =
            read("set_tag = 1 in = 1\nin=1\nset_label=\"q r\"\nin=\nset_tag=1|2\nset_label='a\n=3\nlonely");
        assert_eq!(lines, [rule(2, &[("in", "1")])]);
        let positions = [
            "[p.map:1:8] malformed line. Ignored.",
            "[p.map:3:15] malformed line. Ignored.",
            "[p.map:4:4] malformed line. Ignored.",
            "[p.map:5:10] Invalid symbol '|' detected.",
            "[p.map:5:10] malformed line. Ignored.",
            "[p.map:6:11] malformed line. Ignored. This quote is not closed.",
            "[p.map:7:1] malformed line. Ignored.",
            "[p.map:8:7] malformed line. Ignored.",
        ];
        assert_eq!(problems.len(), positions.len(), "{problems:?}");
        for (problem, position) in problems.iter().zip(positions) {
            assert!(problem.contains(position), "{problem} has no {position}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let mut problems = Diagnostics::new();
        let lines = parse(&Origin::whole("p.map"), "set_label=ä in='1'".as_bytes(), &mut problems);
        let columns: Vec<_> = lines[0].pairs.iter().map(|p| (p.key_column, p.value_column)).collect();
        assert_eq!(columns, [(1, 11), (13, 16)]);
    }

    proptest! {
        #[test]
        fn round_trips_through_text(
            pairs in proptest::collection::vec(("[a-z_]{1,9}", "[a-z0-9:/ |\"-]{0,12}"), 1..6)
        ) {
            let text: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}='{value}'")).collect();
            let (lines, problems) = read(&text.join(" "));
            prop_assert!(problems.is_empty());
            prop_assert_eq!(&lines[0].1, &pairs);
        }
    }
}
