//! What is wrong with a configuration: collected while it is read, printed together.
//!
//! Texts follow the lines that operators know from logs: `WARN: [FILE:LINE] what is wrong.`, then what would be right.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named on the command line, or `cmdline`.
    pub file: Arc<str>,
    /// Physical line, from 1; comments and empty lines count. `None` on the command line, and for the file as a whole.
    pub line: Option<u32>,
    /// Character of the line, from 1, where that helps to find it.
    pub column: Option<u32>,
}

impl Origin {
    /// The file as a whole.
    #[must_use]
    pub fn whole(file: &str) -> Self {
        Self { file: file.into(), line: None, column: None }
    }

    /// A line of this file.
    #[must_use]
    pub fn at(&self, line: u32) -> Self {
        Self { file: Arc::clone(&self.file), line: Some(line), column: None }
    }

    /// A character of this line.
    #[must_use]
    pub fn column(&self, column: u32) -> Self {
        Self { column: Some(column), ..self.clone() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For whoever looks closely: shown with `-d` only.
    Debug,
    /// No fault, and perhaps not what was meant, such as a list that is empty: shown as a warning, and nothing is left out.
    Remark,
    /// The line has no effect, or another one than it seems; the daemon runs.
    Warning,
    /// Something that was asked for is left out; the daemon runs.
    Error,
    /// The daemon does not start.
    Fatal,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong; a sentence.
    pub what: String,
    /// What would be right; a sentence, or nothing.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Debug => "DEBUG",
            Severity::Remark | Severity::Warning => "WARN",
            Severity::Error | Severity::Fatal => "ERROR",
        };
        write!(f, "{level}: [{}] {}", self.origin, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

/// So many problems of one kind are still shown one by one.
const MOST_ALIKE: usize = 5;

/// Lines that are named of those that are not shown.
const LINES_SHOWN: usize = 10;

/// Problems in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// None so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Adds a detail that only `-d` shows.
    pub fn debug(&mut self, origin: &Origin, what: impl Into<String>) {
        self.add(Severity::Debug, origin, what.into(), None);
    }

    /// Adds a remark.
    pub fn remark(&mut self, origin: &Origin, what: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Remark, origin, what.into(), hint);
    }

    /// Adds a warning.
    pub fn warn(&mut self, origin: &Origin, what: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Warning, origin, what.into(), hint);
    }

    /// Adds an error that the daemon runs in spite of.
    pub fn error(&mut self, origin: &Origin, what: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, origin, what.into(), hint);
    }

    /// Adds an error that keeps the daemon from starting.
    pub fn fatal(&mut self, origin: &Origin, what: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Fatal, origin, what.into(), hint);
    }

    fn add(&mut self, severity: Severity, origin: &Origin, what: String, hint: Option<String>) {
        self.push(Problem { severity, origin: origin.clone(), what, hint });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many matter this much or more.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|p| p.severity >= severity).count()
    }

    /// Whether the daemon must not start.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.count(Severity::Fatal) > 0
    }

    /// Status 1 when the daemon must not start, 0 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_fatal() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// All of them, with many of one kind in one file as one: its first, with the number and the first lines of the others.
    ///
    /// Of one kind are problems whose texts differ in what is quoted and in numbers alone.
    #[must_use]
    pub fn joined(&self) -> Vec<Problem> {
        let kinds: Vec<_> = self.list.iter().map(|p| (p.severity, &*p.origin.file, kind(&p.what))).collect();
        let mut by_kind: HashMap<_, Vec<&Problem>> = HashMap::new();
        for (kind, problem) in kinds.iter().zip(&self.list) {
            by_kind.entry(kind).or_default().push(problem);
        }
        let mut joined = Vec::new();
        for (kind, problem) in kinds.iter().zip(&self.list) {
            let alike = by_kind.get(kind).map(Vec::as_slice).unwrap_or_default();
            if alike.len() <= MOST_ALIKE {
                joined.push(problem.clone());
            } else if alike.first().is_some_and(|first| std::ptr::eq(*first, problem)) {
                let mut one = problem.clone();
                let others: Vec<&Problem> = alike.iter().skip(1).copied().collect();
                let mut lines: Vec<String> = Vec::new();
                for line in others.iter().filter_map(|other| other.origin.line) {
                    let line = line.to_string();
                    if lines.last() != Some(&line) && lines.len() < LINES_SHOWN {
                        lines.push(line);
                    }
                }
                let lines =
                    if lines.is_empty() { String::new() } else { format!(", in lines {}", lines.join(", ")) };
                let etc = if others.len() > LINES_SHOWN { " and so on" } else { "" };
                let hint = one.hint.map(|hint| format!("{hint} ")).unwrap_or_default();
                one.hint = Some(format!("{hint}{} more are alike{lines}{etc}.", others.len()));
                joined.push(one);
            }
        }
        joined
    }

    /// Prints one line each, many of one kind as one (see [`Problems::joined`]), those of level debug only when asked to,
    /// and a summary when there was more than one.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn print(&self, out: &mut impl Write, debug: bool) -> io::Result<()> {
        for problem in &self.joined() {
            if debug || problem.severity > Severity::Debug {
                writeln!(out, "{problem}")?;
            }
        }
        let errors = self.count(Severity::Error);
        let warnings = self.count(Severity::Remark) - errors;
        if errors + warnings > 1 {
            let end = if self.is_fatal() { "; not started" } else { "" };
            let level = if errors > 0 { "ERROR" } else { "WARN" };
            writeln!(
                out,
                "{level}: configuration: {}, {}{end}",
                plural(errors, "error"),
                plural(warnings, "warning")
            )?;
        }
        Ok(())
    }
}

/// The text of a problem without what is quoted in it and without its numbers.
fn kind(what: &str) -> String {
    let mut kind = String::with_capacity(what.len());
    let mut quoted = false;
    for c in what.chars() {
        match c {
            '\'' | '"' => quoted = !quoted,
            _ if quoted || c.is_ascii_digit() => {}
            _ => kind.push(c),
        }
    }
    kind
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_one_kind_are_one_with_the_first_lines() {
        let file = Origin::whole("p.map");
        let mut problems = Problems::new();
        for line in 1..=199 {
            problems.warn(
                &file.at(line).column(3),
                format!("bad 'in' value: 'x{line}'."),
                Some("It takes 3.".into()),
            );
        }
        problems.warn(&file.at(200), "bad 'out' clause.", None);
        problems.error(&Origin::whole("q.map").at(1), "bad 'in' value: 'y'.", None);
        assert_eq!(
            printed(&problems, false),
            "WARN: [p.map:1:3] bad 'in' value: 'x1'. It takes 3. 198 more are alike, in lines 2, 3, 4, 5, 6, 7, 8, 9, \
             10, 11 and so on.\nWARN: [p.map:200] bad 'out' clause.\nERROR: [q.map:1] bad 'in' value: 'y'.\n\
             ERROR: configuration: 1 error, 200 warnings\n"
        );
        let mut few = Problems::new();
        (1..=5).for_each(|line| few.warn(&file.at(line), format!("bad '{line}'."), None));
        assert_eq!(few.joined().len(), 5);
        few.warn(&file, "bad '6'.", None);
        assert_eq!(few.joined().len(), 1);
    }

    fn printed(problems: &Problems, debug: bool) -> String {
        let mut out = Vec::new();
        problems.print(&mut out, debug).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn several_problems_get_a_summary_and_a_single_one_none() {
        let origin = Origin::whole("c.conf");
        let mut problems = Problems::new();
        problems.debug(&origin, "seen");
        problems.warn(&origin.at(2), "Unknown key: foo. Ignored.", None);
        assert_eq!(printed(&problems, false), "WARN: [c.conf:2] Unknown key: foo. Ignored.\n");
        assert!(!problems.is_fatal());
        problems.fatal(&origin.at(3), "Syntax error: missing ':'. Exiting.", Some("Write KEY: VALUE.".into()));
        assert_eq!(
            printed(&problems, true),
            "DEBUG: [c.conf] seen\n\
             WARN: [c.conf:2] Unknown key: foo. Ignored.\n\
             ERROR: [c.conf:3] Syntax error: missing ':'. Exiting. Write KEY: VALUE.\n\
             ERROR: configuration: 1 error, 1 warning; not started\n"
        );
        assert!(problems.is_fatal());
    }
}
