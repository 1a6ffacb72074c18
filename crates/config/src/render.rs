//! Generates CONFIG-KEYS.md from the table of keys.

use std::fmt::Write;

use crate::daemons::{ALL, Daemon};
use crate::key::{KeyPrefix, Reload, Row, Scope, State, Takes};
use crate::keys::{self, Group};

/// Introduction of the document.
const HEAD: &str = "\
# Configuration keys

<!-- Generated from the tables in crates/config/src/keys: `cargo run -p xtask -- documents`. -->

A configuration file has one setting per line: `KEY: VALUE`, or `KEY[NAME]: VALUE` for the plugin of that name.
A line whose first visible character is `!` or `#` is a comment; comments after a value are not supported. Of several
lines for one key the last is used. Command line options act as lines after those of the file. A line without brackets
applies to all plugins.

The entry of each key states the syntax of its value and the default; its scope: `global`, `both` (for all plugins or for
one), or `plugin` (only for one); the daemons that use it, if not all; its command line option; other names of the same
setting; and any restriction of this version.

";

/// The whole document.
#[must_use]
pub fn config_keys() -> String {
    let mut out = HEAD.to_owned();
    let groups: Vec<Group> = keys::groups().into_iter().filter(|group| !group.keys.is_empty()).collect();
    for group in &groups {
        line(&mut out, format_args!("- [{}](#{})", group.title, anchor(group.title)));
    }
    for group in groups {
        line(&mut out, format_args!("\n## {}", group.title));
        for key in group.keys {
            row(&mut out, key.row());
        }
    }
    out
}

/// Appends a line; writing to a `String` cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
    out.push('\n');
}

fn row(out: &mut String, row: &Row) {
    // The heading of a key without a plain name is its first name.
    let names: Vec<(KeyPrefix, String)> = row.names().collect();
    let heading = names.first().map(|(_, name)| name.as_str()).unwrap_or_default();
    line(out, format_args!("\n### {heading}\n"));
    for text in row.doc.lines() {
        line(out, format_args!("{}", text.strip_prefix(' ').unwrap_or(text)));
    }
    if out.ends_with("\n\n") {
        out.pop();
    }
    out.push('\n');
    line(out, format_args!("- Value: {}", escaped(&row.syntax.to_string())));
    if let Some(default) = row.default {
        line(out, format_args!("- Default: `{default}`"));
    }
    if let Some((daemons, text)) = row.default_in {
        line(out, format_args!("- Default in {daemons}: `{text}`"));
    }
    let scope = match row.scope {
        Scope::Global => "global",
        Scope::Both => "both",
        Scope::PluginOnly(_) => "plugin",
    };
    line(out, format_args!("- Scope: {scope}"));
    let daemons = row.prefixes.first().map_or(row.daemons, |prefix| row.daemons_at(*prefix));
    if daemons != ALL {
        line(out, format_args!("- Daemons: {daemons}"));
    }
    options(out, row);
    if names.len() > 1 {
        let other = |(prefix, name): &(KeyPrefix, String)| match prefix.daemons() {
            Some(daemons) => format!("`{name}` ({daemons})"),
            None => format!("`{name}`"),
        };
        let others: Vec<String> = names.iter().skip(1).map(other).collect();
        let relation = if row.prefixes.len() > 1 { "Also, each with a separate value" } else { "Also written" };
        line(out, format_args!("- {relation}: {}", others.join(", ")));
    }
    if let Some(slot) = row.stored_as {
        line(out, format_args!("- Same setting as: `{slot}`"));
    }
    if row.first_wins {
        line(out, format_args!("- Of several lines the first is used."));
    }
    if row.or_exit {
        line(out, format_args!("- An invalid value prevents the daemon from starting."));
    }
    match row.reload {
        Reload::Never => {}
        Reload::Hup => line(out, format_args!("- SIGHUP reopens it.")),
        Reload::Usr2 => line(out, format_args!("- SIGUSR2 reloads it.")),
    }
    match row.state {
        State::Acts if row.acts_in != ALL => {
            let others: Vec<&str> =
                row.daemons.iter().filter(|daemon| !row.acts_in.contains(*daemon)).map(Daemon::name).collect();
            line(out, format_args!("- **Not supported** by {}: {}.", others.join(", "), row.elsewhere));
        }
        State::Acts => {}
        State::NotYet => line(out, format_args!("- **No effect yet**: accepted and checked, with a warning.")),
        State::Unsupported(why) => line(out, format_args!("- **Not supported**, with a warning: {why}.")),
        State::NoOp(why) => line(out, format_args!("- **No effect**: {why}.")),
        State::Removed(instead) => line(out, format_args!("- **Removed**: {instead}.")),
    }
    if row.legacy {
        line(out, format_args!("- Will be removed in the next major release."));
    }
}

fn options(out: &mut String, row: &Row) {
    for letter in row.letters.iter().flatten() {
        let what = match letter.takes {
            Takes::Argument(name) => format!("-{} {name}", letter.letter),
            Takes::Nothing(value) => format!("-{} (sets `{value}`)", letter.letter),
        };
        let of = if letter.spelling.is_empty() { String::new() } else { format!(" for `{}`", letter.spelling) };
        let whose = if letter.daemons == row.daemons { String::new() } else { format!(" in {}", letter.daemons) };
        line(out, format_args!("- Command line: {}{of}{whose}", escaped(&what)));
    }
}

/// Escapes characters that are markup in Markdown.
fn escaped(text: &str) -> String {
    text.replace('*', "\\*").replace('<', "&lt;").replace('|', "\\|")
}

/// The anchor that Markdown renderers give to a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../CONFIG-KEYS.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == config_keys(), "stale: run `cargo run -p xtask -- documents`");
    }

    #[test]
    fn a_key_is_documented_completely() {
        let text = config_keys();
        let (_, section) = text.split_once("### nfacctd_port\n").unwrap();
        let (section, _) = section.split_once("\n### ").unwrap();
        assert_eq!(
            section,
            "
UDP port to listen on.

If another process uses the port, the daemon does not start, unless both set `cluster_name`.

- Value: a port from 1 to 65535
- Default: `2100`
- Default in sfacctd: `6343`
- Scope: global
- Daemons: nfacctd, sfacctd
- Command line: -l port
- Also written: `sfacctd_port`
"
        );
    }
}
