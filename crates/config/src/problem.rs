//! What is wrong with a configuration: collected while it is read, printed together.
//!
//! Texts follow the lines that operators know from logs: `WARN: [FILE:LINE] what is wrong.`, then what would be right.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong; a sentence.
    pub what: String,
    /// What would be right; a sentence, or nothing.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
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

/// Diagnostics in the order in which they were found.
///
/// A line without brackets is read once for each plugin. What is wrong with it is one problem all the same, which names the plugins.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Names of the plugins, as far as they are known.
    plugins: Option<HashSet<String>>,
    /// By the hash of what problems of one cause have in common: the first of them.
    causes: BTreeMap<u64, usize>,
    /// Diagnostics that stand for several plugins.
    shared: BTreeMap<usize, Shared>,
}

/// What a problem has in common with those of other plugins.
#[derive(Clone, Debug)]
struct Shared {
    /// The hint for the first plugin alone.
    hint: Option<String>,
    /// The other plugins.
    others: Vec<String>,
}

impl Diagnostics {
    /// None so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new(), plugins: None, causes: BTreeMap::new(), shared: BTreeMap::new() }
    }

    /// Sets the names of the plugins: problems that differ in the name of one plugin alone have one cause.
    pub fn set_plugins(&mut self, names: impl IntoIterator<Item = String>) {
        self.plugins = Some(names.into_iter().collect());
    }

    /// Adds one, unless it is there already, perhaps for another plugin, which is then named along with the first.
    pub fn push(&mut self, problem: Diagnostic) {
        if problem.severity == Severity::Debug {
            // Traces, not problems.
            self.list.push(problem);
            return;
        }
        let (text, names) = self.unnamed(&problem.what, problem.hint.as_deref());
        let mut hasher = DefaultHasher::new();
        (problem.severity, &problem.origin, &text).hash(&mut hasher);
        let index = *self.causes.entry(hasher.finish()).or_insert(self.list.len());
        if let Some(first) = self.list.get(index)
            && first.severity == problem.severity
            && first.origin == problem.origin
        {
            let hint = self.shared.get(&index).map_or(&first.hint, |shared| &shared.hint);
            let (first_text, first_names) = self.unnamed(&first.what, hint.as_deref());
            if let Some(other) = other_plugin(&first_names, &names).filter(|_| first_text == text) {
                self.share(index, other);
                return;
            }
        }
        self.list.push(problem);
    }

    /// Names one more plugin along with a problem, unless it is the first's own.
    fn share(&mut self, index: usize, other: Option<String>) {
        let (Some(problem), Some(other)) = (self.list.get_mut(index), other) else { return };
        let hint = problem.hint.clone();
        let shared = self.shared.entry(index).or_insert_with(|| Shared { hint, others: Vec::new() });
        if shared.others.contains(&other) {
            return;
        }
        shared.others.push(other);
        let plural = if shared.others.len() == 1 { "" } else { "s" };
        let hint = shared.hint.as_ref().map(|hint| format!("{hint} ")).unwrap_or_default();
        let others = shared.others.join("', '");
        problem.hint = Some(format!("{hint}The same applies to plugin{plural} '{others}'."));
    }

    /// A problem's text without the names of plugins in brackets or quotes, and these names.
    fn unnamed(&self, what: &str, hint: Option<&str>) -> (String, Vec<String>) {
        let (mut text, mut names) = (String::new(), Vec::new());
        for mut rest in [what, hint.unwrap_or_default()] {
            while let Some(at) = rest.find(['[', '\'']) {
                let (before, from) = rest.split_at(at);
                text.push_str(before);
                let mut chars = from.chars();
                let close = if chars.next() == Some('[') { ']' } else { '\'' };
                let inside = chars.as_str();
                let named = inside
                    .split_once(close)
                    .filter(|(name, _)| self.plugins.as_ref().is_some_and(|plugins| plugins.contains(*name)));
                text.push(close);
                rest = match named {
                    Some((name, behind)) => {
                        names.push(name.to_owned());
                        behind
                    }
                    None => inside,
                };
            }
            text.push_str(rest);
            text.push('\n');
        }
        (text, names)
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
        self.push(Diagnostic { severity, origin: origin.clone(), what, hint });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
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
    pub fn joined(&self) -> Vec<Diagnostic> {
        let kinds: Vec<_> = self.list.iter().map(|p| (p.severity, &*p.origin.file, kind(&p.what))).collect();
        let mut by_kind: HashMap<_, Vec<&Diagnostic>> = HashMap::new();
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
                let others: Vec<&Diagnostic> = alike.iter().skip(1).copied().collect();
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

    /// Prints one line each, many of one kind as one (see [`Diagnostics::joined`]), those of level debug only when asked to,
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

/// The name that one problem has wherever another one has a certain other name: `Some(None)` if they have the same names, `None` if
/// they differ in more than that.
#[expect(clippy::option_option, reason = "the same, one other, and too many others are three things")]
fn other_plugin(first: &[String], second: &[String]) -> Option<Option<String>> {
    if first.len() != second.len() {
        return None;
    }
    let mut different = first.iter().zip(second).filter(|(old, new)| old != new);
    let Some(change) = different.next() else { return Some(None) };
    different.all(|next| next == change).then(|| Some(change.1.clone()))
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
        let mut problems = Diagnostics::new();
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
        let mut few = Diagnostics::new();
        (1..=5).for_each(|line| few.warn(&file.at(line), format!("bad '{line}'."), None));
        assert_eq!(few.joined().len(), 5);
        few.warn(&file, "bad '6'.", None);
        assert_eq!(few.joined().len(), 1);
    }

    #[test]
    fn one_line_that_is_wrong_for_many_plugins_is_one_problem() {
        let line = Origin::whole("c.conf").at(4);
        let mut problems = Diagnostics::new();
        problems.set_plugins(["a", "b", "c", "d"].map(str::to_owned));
        for name in ["b", "c", "b", "d"] {
            problems.warn(
                &line,
                format!("k is meant for 'a', and '{name}' takes it."),
                Some("Write k[a].".to_owned()),
            );
            problems.warn(&line, "files_uid: no user 'x'. Ignored.", None);
            problems.error(&line, format!("k[{name}]: 'y' is unknown."), None);
        }
        problems.warn(&line.at(5), "k is meant for 'a', and 'b' takes it.", Some("Write k[a].".to_owned()));
        problems.warn(&line, "files_uid: no user 'z'. Ignored.", None);
        // Two names differ.
        problems.warn(&line, "k is meant for 'b', and 'c' takes it.", Some("Write k[b].".to_owned()));
        assert_eq!(
            printed(&problems, false),
            "WARN: [c.conf:4] k is meant for 'a', and 'b' takes it. Write k[a]. The same applies to plugins 'c', 'd'.\n\
             WARN: [c.conf:4] files_uid: no user 'x'. Ignored.\n\
             ERROR: [c.conf:4] k[b]: 'y' is unknown. The same applies to plugins 'c', 'd'.\n\
             WARN: [c.conf:5] k is meant for 'a', and 'b' takes it. Write k[a].\n\
             WARN: [c.conf:4] files_uid: no user 'z'. Ignored.\n\
             WARN: [c.conf:4] k is meant for 'b', and 'c' takes it. Write k[b].\n\
             ERROR: configuration: 1 error, 5 warnings\n"
        );
    }

    fn printed(problems: &Diagnostics, debug: bool) -> String {
        let mut out = Vec::new();
        problems.print(&mut out, debug).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn several_problems_get_a_summary_and_a_single_one_none() {
        let origin = Origin::whole("c.conf");
        let mut problems = Diagnostics::new();
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
