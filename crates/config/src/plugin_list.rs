//! The line that names the plugins: `plugins: TYPE[NAME], TYPE, …`.

use crate::problem::{Diagnostics, Origin};
use crate::suggest::nearest;
use crate::value::words;
use daemons::Daemons;

words! {
    /// Type of a plugin.
    pub enum PluginKind {
        /// A table in memory, which the client queries.
        Memory = "memory",
        /// Files, pipes or standard output.
        Print = "print",
        /// Export as NetFlow or IPFIX.
        Nfprobe = "nfprobe",
        /// Export as sFlow.
        Sfprobe = "sfprobe",
        /// Replication of datagrams.
        Tee = "tee",
        /// MySQL and MariaDB.
        Mysql = "mysql",
        /// PostgreSQL.
        Pgsql = "pgsql",
        /// SQLite.
        Sqlite3 = "sqlite3",
        /// ClickHouse.
        Clickhouse = "clickhouse",
        /// AMQP brokers.
        Amqp = "amqp",
        /// Kafka brokers.
        Kafka = "kafka",
    }
}

impl PluginKind {
    /// Every type, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        use crate::value::Word;
        (0..Self::WORDS.len()).filter_map(Self::at)
    }

    /// The daemons that have plugins of this type.
    pub fn daemons(self) -> Daemons {
        match self {
            Self::Nfprobe | Self::Sfprobe => Daemons::PACKETS,
            Self::Tee => Daemons::COLLECTORS,
            Self::Memory
            | Self::Print
            | Self::Mysql
            | Self::Pgsql
            | Self::Sqlite3
            | Self::Clickhouse
            | Self::Amqp
            | Self::Kafka => Daemons::FLOW,
        }
    }

    /// True for the plugins that read the setting of that slot.
    pub(crate) fn has_target(self, slot: &str) -> bool {
        match self {
            Self::Memory | Self::Nfprobe | Self::Sfprobe | Self::Tee => false,
            Self::Print => slot == "sql_table",
            Self::Sqlite3 => matches!(slot, "sql_table" | "sql_db"),
            Self::Kafka => matches!(slot, "sql_table" | "sql_host"),
            Self::Mysql | Self::Pgsql | Self::Clickhouse | Self::Amqp => true,
        }
    }

    /// Whether the name of a key says that it is meant for plugins of this type.
    pub(crate) fn owns(self, key: &str) -> bool {
        key.starts_with(self.prefix())
    }

    /// The prefix of the names of such keys.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Memory => "imt_",
            Self::Print => "print_",
            Self::Nfprobe => "nfprobe_",
            Self::Sfprobe => "sfprobe_",
            Self::Tee => "tee_",
            Self::Mysql | Self::Pgsql | Self::Sqlite3 | Self::Clickhouse => "sql_",
            Self::Amqp => "amqp_",
            Self::Kafka => "kafka_",
        }
    }
}

/// Maximum number of plugins of one daemon.
pub const PLUGINS_MAX: usize = 32;

/// A plugin that the line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) kind: PluginKind,
}

/// Reads the value of a plugins line. An error in one item does not affect the others.
///
/// Unlike in pmacct, the plugins after one without a name keep their names.
pub(crate) fn parse(origin: &Origin, value: &str, problems: &mut Diagnostics) -> Vec<Named> {
    let mut plugins: Vec<Named> = Vec::new();
    for item in items(value) {
        let (kind, name, rest) = parts(item);
        if !rest.is_empty() {
            let what = format!("plugins: missing comma before '{rest}'. Ignored.");
            let hint = "Separate plugins with commas: TYPE[NAME], TYPE[NAME].".to_owned();
            problems.error(origin, what, Some(hint));
        }
        let kind = kind.to_ascii_lowercase();
        if kind.is_empty() && name.is_none() {
            continue;
        }
        if kind == "core" {
            problems.fatal(origin, "plugins of type 'core' are not allowed. Exiting.", None);
            continue;
        }
        let Some(known) = PluginKind::all().find(|k| k.word() == kind) else {
            let near = nearest(&kind, PluginKind::all().map(PluginKind::word));
            let hint = near.map_or_else(
                || {
                    format!(
                        "Valid types are {}.",
                        PluginKind::all().map(PluginKind::word).collect::<Vec<_>>().join(", ")
                    )
                },
                |near| format!("Did you mean '{near}'?"),
            );
            problems.error(origin, format!("Unknown plugin type: {kind}. Ignoring."), Some(hint));
            continue;
        };
        let name = match name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("default_{}", known.word()),
        };
        if plugins.iter().any(|p| p.name == name) {
            let what = format!("another plugin with the same name '{name}' already exists. Preserving first.");
            let hint = format!("Give each plugin a unique name: {}[NAME].", known.word());
            problems.warn(origin, what, Some(hint));
        } else if plugins.len() == PLUGINS_MAX {
            // Ignoring the plugin would lose its output.
            let what = format!("plugin '{name}' exceeds the limit of {PLUGINS_MAX} plugins per daemon.");
            problems.fatal(origin, what, Some("Run a second daemon for the other plugins.".to_owned()));
        } else {
            plugins.push(Named { name, kind: known });
        }
    }
    plugins
}

/// The type of an item, its name if it has brackets, and any text after it.
fn parts(item: &str) -> (&str, Option<&str>, &str) {
    let item = item.trim();
    let (kind, rest) = item.split_at(item.find(|c: char| c == '[' || c.is_whitespace()).unwrap_or(item.len()));
    match rest.trim_start().strip_prefix('[') {
        Some(inside) => {
            let (name, rest) = inside.split_once(']').unwrap_or((inside, ""));
            (kind, Some(name.trim()), rest.trim())
        }
        None => (kind, None, rest.trim_start()),
    }
}

/// Splits at commas outside of brackets.
fn items(value: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    value.split(move |c| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> (Vec<String>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let plugins = parse(&Origin::whole("f").at(2), value, &mut problems);
        let plugins = plugins.into_iter().map(|p| format!("{}/{}", p.name, p.kind.word())).collect();
        (plugins, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_are_kept_after_an_anonymous_plugin() {
        let (plugins, problems) = parsed("print, memory[foo], print[ a b ],PRINT[bar]");
        assert_eq!(plugins, ["default_print/print", "foo/memory", "a b/print", "bar/print"]);
        assert!(problems.is_empty());
    }

    #[test]
    fn of_two_plugins_with_the_same_name_the_first_is_kept() {
        let (plugins, problems) = parsed("print, print, memory[x], print[x]");
        assert_eq!(plugins, ["default_print/print", "x/memory"]);
        assert_eq!(
            problems[0],
            "WARN: [f:2] another plugin with the same name 'default_print' already exists. Preserving first. \
             Give each plugin a unique name: print[NAME]."
        );
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn unknown_types_are_ignored_and_core_is_fatal() {
        let (plugins, problems) = parsed("prin, memory, core");
        assert_eq!(plugins, ["default_memory/memory"]);
        assert_eq!(
            problems,
            [
                "ERROR: [f:2] Unknown plugin type: prin. Ignoring. Did you mean 'print'?",
                "ERROR: [f:2] plugins of type 'core' are not allowed. Exiting.",
            ]
        );
    }

    #[test]
    fn a_plugin_after_a_missing_comma_is_reported_and_ignored() {
        for (line, first, rest) in [
            ("print[a] print[b]", "a/print", "print[b]"),
            ("print [a]memory", "a/print", "memory"),
            ("print memory[b]", "default_print/print", "memory[b]"),
            ("print memory", "default_print/print", "memory"),
            ("print[a]]", "a/print", "]"),
        ] {
            let (plugins, problems) = parsed(&format!("{line}, kafka[k]"));
            assert_eq!(plugins, [first, "k/kafka"], "{line}");
            assert_eq!(problems.len(), 1, "{line}: {problems:?}");
            assert!(
                problems[0].starts_with(&format!("ERROR: [f:2] plugins: missing comma before '{rest}'.")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn the_thirty_third_plugin_is_rejected() {
        let line = (0..33).map(|i| format!("print[p{i}]")).collect::<Vec<_>>().join(",");
        let (plugins, problems) = parsed(&line);
        assert_eq!((plugins.len(), problems.len()), (32, 1));
    }

    #[test]
    fn empty_items_and_names_are_accepted() {
        assert_eq!(parsed(", print[],,").0, ["default_print/print"]);
        assert_eq!(parsed("").0, Vec::<String>::new());
    }
}
