//! What is wrong with a configuration: collected while it is read, printed together.
//!
//! Texts follow the lines that operators know from logs: `WARN: [FILE:LINE] what is wrong.`, then what would be right.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever looks closely: shown with `-d` only.
    Debug,
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
            Severity::Warning => "WARN",
            Severity::Error | Severity::Fatal => "ERROR",
        };
        write!(f, "{level}: [{}] {}", self.origin, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

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

    /// Prints one line each, those of level debug only when asked to, and a summary when there was more than one.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn print(&self, out: &mut impl Write, debug: bool) -> io::Result<()> {
        for problem in &self.list {
            if debug || problem.severity > Severity::Debug {
                writeln!(out, "{problem}")?;
            }
        }
        let errors = self.count(Severity::Error);
        let warnings = self.count(Severity::Warning) - errors;
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

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

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
