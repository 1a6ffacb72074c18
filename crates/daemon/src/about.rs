//! What the programs tell about themselves: `-V` and `-a`.

use flow::primitive::{Daemons, Group, PRIMITIVES};
use std::fmt::Write;

/// The version of the suite, as the programs show it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Plugins, and whether they were built in.
const PLUGINS: &[(&str, bool)] = &[
    ("memory", true),
    ("print", true),
    ("mysql", cfg!(feature = "sql")),
    ("postgresql", cfg!(feature = "sql")),
    ("sqlite", cfg!(feature = "sql")),
    ("clickhouse", cfg!(feature = "sql")),
    ("amqp", cfg!(feature = "amqp")),
    ("kafka", cfg!(feature = "kafka")),
];

/// What else may be left out.
const FEATURES: &[(&str, bool)] = &[
    ("pcap", cfg!(feature = "pcap")),
    ("parquet", cfg!(feature = "parquet")),
    ("ndpi", classify::IS_BUILT_IN),
    ("http", cfg!(feature = "http")),
];

/// Plugins and features that were built in.
#[cfg(feature = "http")]
pub(crate) fn built_in() -> Vec<&'static str> {
    PLUGINS.iter().chain(FEATURES).filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| *name).collect()
}

/// The text of `-V`.
pub(crate) fn version(title: &str, program: &str) -> String {
    let built_in = |parts: &[(&str, bool)]| -> String {
        parts.iter().filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| format!("{name}\n")).collect()
    };
    format!(
        "{title}, {program} {VERSION}\n\n\
         Plugins:\n{plugins}\n\
         Features:\n{features}\n\
         System:\n{os} {arch}\n\n\
         Licence: GPL-2.0-or-later; there is no warranty.\n",
        plugins = built_in(PLUGINS),
        features = built_in(FEATURES),
        os = std::env::consts::OS,
        arch = std::env::consts::ARCH,
    )
}

/// The text of `-a`: the primitives of a daemon, by group.
pub(crate) fn primitives(title: &str, program: &str, daemon: Daemons) -> String {
    let mut text = format!("{title}, {program} {VERSION}\n");
    for group in Group::ALL {
        let mut members = PRIMITIVES.iter().filter(|p| p.group == group && p.daemons.has(daemon)).peekable();
        if members.peek().is_none() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}", group.title());
        for primitive in members {
            let _ = writeln!(text, "{:33}: {}", primitive.name, primitive.doc);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primitive_of_a_daemon_is_listed_once() {
        let text = primitives("Title", "nfacctd", Daemons::NFACCTD);
        for primitive in PRIMITIVES.iter().filter(|p| p.daemons.has(Daemons::NFACCTD)) {
            let line = format!("{:33}: ", primitive.name);
            assert_eq!(text.lines().filter(|l| l.starts_with(&line)).count(), 1, "{}", primitive.name);
        }
        assert!(!text.contains("tunnel_src_mac"));
    }
}
