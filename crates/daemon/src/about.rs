//! What the programs say about themselves: `-V` and `-a`.

use config::Daemon;
use flow::primitive::{Group, PRIMITIVES};
use plugins::kinds::Kind;
use std::fmt::Write;

/// The version of the suite, as the programs show it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Optional features.
const FEATURES: &[(&str, bool)] = &[
    ("pcap", cfg!(feature = "pcap")),
    ("parquet", cfg!(feature = "parquet")),
    ("ndpi", classify::IS_BUILT_IN),
    ("ebpf", reuseport::IS_BUILT_IN),
    ("http", cfg!(feature = "http")),
    ("zmq", cfg!(feature = "zmq")),
];

/// Kinds of plugins and features that are built in.
#[cfg(feature = "http")]
pub(crate) fn built_in(kinds: &[&Kind]) -> Vec<&'static str> {
    let plugins = kinds.iter().filter(|kind| kind.is_built_in()).map(|kind| kind.is.word());
    plugins.chain(FEATURES.iter().filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| *name)).collect()
}

/// The text of `-V`, with the kinds of plugins that are built in.
pub(crate) fn version(daemon: Daemon, kinds: &[&Kind]) -> String {
    let (title, program) = (daemon.title(), daemon.name());
    let lines =
        |names: &mut dyn Iterator<Item = &str>| -> String { names.map(|name| format!("{name}\n")).collect() };
    let mut text = format!("{title}, {program} {VERSION}\n\n");
    if !kinds.is_empty() {
        let mut plugins = kinds.iter().filter(|kind| kind.is_built_in()).map(|kind| kind.title);
        let mut features = FEATURES.iter().filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| *name);
        // Writing to a String cannot fail.
        let _ = write!(text, "Plugins:\n{}\nFeatures:\n{}\n", lines(&mut plugins), lines(&mut features));
    }
    let _ = write!(
        text,
        "System:\n{os} {arch}\n\n\
         Licence: GPL-2.0-or-later; there is no warranty.\n",
        os = std::env::consts::OS,
        arch = std::env::consts::ARCH,
    );
    text
}

/// The text of `-a`: the primitives of a daemon, by group.
pub(crate) fn primitives(daemon: Daemon) -> String {
    let mut text = format!("{}, {} {VERSION}\n", daemon.title(), daemon.name());
    for group in Group::ALL {
        let mut members = PRIMITIVES.iter().filter(|p| p.group == group && p.daemons.contains(daemon)).peekable();
        if members.peek().is_none() {
            continue;
        }
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
    use crate::rows::OF_COLLECTORS;

    #[test]
    fn every_primitive_of_a_daemon_is_listed_once() {
        let text = primitives(Daemon::Nfacctd);
        for primitive in PRIMITIVES.iter().filter(|p| p.daemons.contains(Daemon::Nfacctd)) {
            let line = format!("{:33}: ", primitive.name);
            assert_eq!(text.lines().filter(|l| l.starts_with(&line)).count(), 1, "{}", primitive.name);
        }
        assert!(!text.contains("tunnel_src_mac"));
    }

    #[test]
    fn plugins_are_listed_where_there_are_any() {
        assert!(version(Daemon::Nfacctd, OF_COLLECTORS).contains("\n\nPlugins:\nmemory\nprint\n"));
        assert!(!version(Daemon::Pmbgpd, &[]).contains("Plugins"));
    }
}
