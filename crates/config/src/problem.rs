//! Diagnostics of a configuration: collected while it is read, printed together.
//!
//! They have the form of log lines: `WARN: [FILE:LINE] what is wrong.`, then what is expected.

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
    /// Character of the line, from 1, if it is known.
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

/// Severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A detail that only `-d` shows.
    Debug,
    /// Valid, but perhaps not intended, such as an empty list: shown as a warning, and nothing is ignored.
    Remark,
    /// The line has no effect, or an unexpected one; the daemon runs.
    Warning,
    /// A part of the configuration is ignored; the daemon runs.
    Error,
    /// The daemon does not start.
    Fatal,
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong; a sentence.
    pub what: String,
    /// What is expected or what to do; a sentence.
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

/// Maximum number of similar diagnostics that are printed one by one.
const MAX_SIMILAR: usize = 5;

/// Maximum number of line numbers in the summary of the others.
const LINES_SHOWN: usize = 10;

/// Diagnostics in the order in which they were found.
///
/// A line without brackets is read once for each plugin. An error in it is still one diagnostic, which lists the plugins.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Names of the plugins, once they are known.
    plugins: Option<HashSet<String>>,
    /// The first diagnostic of each cause, by the hash of the text that all of them share.
    causes: BTreeMap<u64, usize>,
    /// Diagnostics that apply to several plugins.
    shared: BTreeMap<usize, Shared>,
}

/// Additional plugins of a diagnostic.
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

    /// Adds one, unless it is a duplicate; if it is one for another plugin, that plugin is added to the first.
    pub fn push(&mut self, problem: Diagnostic) {
        if problem.severity == Severity::Debug {
            // Traces are not merged.
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
                self.also_in(index, other);
                return;
            }
        }
        self.list.push(problem);
    }

    /// Adds a plugin to a diagnostic, unless it is the first one.
    fn also_in(&mut self, index: usize, other: Option<String>) {
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

    /// Returns the text without the names of plugins in brackets or quotes, and these names.
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
                    Some((name, after)) => {
                        names.push(name.to_owned());
                        after
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

    /// Adds an error that does not prevent the daemon from starting.
    pub fn error(&mut self, origin: &Origin, what: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, origin, what.into(), hint);
    }

    /// Adds an error that prevents the daemon from starting.
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

    /// All of them, with many similar ones of one file merged into the first, with the number and the first lines of the others.
    ///
    /// Problems are similar if their texts differ only in quoted parts and numbers.
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
            if alike.len() <= MAX_SIMILAR {
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
                let etc = if others.len() > LINES_SHOWN { " and others" } else { "" };
                let hint = one.hint.map(|hint| format!("{hint} ")).unwrap_or_default();
                one.hint = Some(format!("{hint}{} similar problems follow{lines}{etc}.", others.len()));
                joined.push(one);
            }
        }
        joined
    }

    /// Prints one line each, similar ones merged (see [`Diagnostics::joined`]), those of level debug only if `debug` is set,
    /// and a summary if there is more than one.
    ///
    /// # Errors
    /// I/O errors of the stream.
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

/// The one plugin name that the second list has in place of one of the first: `Some(None)` if both are equal, `None` if they differ
/// in more than that.
#[expect(clippy::option_option, reason = "the same, one other, and too many others are three things")]
fn other_plugin(first: &[String], second: &[String]) -> Option<Option<String>> {
    if first.len() != second.len() {
        return None;
    }
    let mut different = first.iter().zip(second).filter(|(old, new)| old != new);
    let Some(change) = different.next() else { return Some(None) };
    different.all(|next| next == change).then(|| Some(change.1.clone()))
}

/// The text of a diagnostic without quoted parts and numbers.
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
    fn similar_problems_are_merged_with_the_first_line_numbers() {
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
            "WARN: [p.map:1:3] bad 'in' value: 'x1'. It takes 3. 198 similar problems follow, in lines 2, 3, 4, 5, 6, 7, 8, 9, \
             10, 11 and others.\nWARN: [p.map:200] bad 'out' clause.\nERROR: [q.map:1] bad 'in' value: 'y'.\n\
             ERROR: configuration: 1 error, 200 warnings\n"
        );
        let mut few = Diagnostics::new();
        (1..=5).for_each(|line| few.warn(&file.at(line), format!("bad '{line}'."), None));
        assert_eq!(few.joined().len(), 5);
        few.warn(&file, "bad '6'.", None);
        assert_eq!(few.joined().len(), 1);
    }

    #[test]
    fn one_wrong_line_for_several_plugins_is_one_problem() {
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
    fn only_several_problems_have_a_summary() {
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
