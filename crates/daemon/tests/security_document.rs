//! The table of bounds in docs/SECURITY.md says what the program does: keys have the defaults that it gives, constants are where it
//! says, and counters exist.
#![expect(clippy::unwrap_used, reason = "a test")]

use config::Daemon;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The words in backquotes, each with the text up to the next one.
fn quoted(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    parts[1..].chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or(""))).collect()
}

/// Rows of the table: what, bound, key or constant, what happens.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let (_, table) = document.split_once("\n## Bounds\n").expect("the document has a part for bounds");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// Asserts that a key has the default that the document gives, and that a constant stands in the file named beside it.
fn check_setting(what: &str, setting: &str, defaults: &BTreeMap<String, Option<&str>>) {
    let (files, words): (Vec<_>, Vec<_>) =
        quoted(setting).into_iter().partition(|(word, _)| word.ends_with(".rs"));
    assert!(!words.is_empty(), "{what}: no key or constant");
    let source: String =
        files.iter().map(|(path, _)| std::fs::read_to_string(root().join("crates").join(path)).unwrap()).collect();
    for (word, behind) in words {
        match defaults.get(word) {
            Some(default) => {
                let given = behind.trim().strip_prefix("= ").map(|text| text.trim_end_matches(','));
                assert_eq!(given, *default, "{what}: {word}");
            }
            None => assert!(source.contains(word), "{what}: '{word}' is neither a key nor in {files:?}"),
        }
    }
}

/// Asserts that the counters that are named exist, with their reasons.
fn check_counters(what: &str, at_bound: &str) {
    const OF_LINES: [&str; 5] = ["held_back", "dropped_bad", "dropped_no_room", "dropped_too_old", "not_written"];
    for (word, _) in quoted(at_bound) {
        let (family, reason) = word.split_once('[').unwrap_or((word, ""));
        let reason = reason.trim_end_matches(']');
        let is_word = family.contains('_') && family.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_word && !OF_LINES.contains(&family) && !is_of_bgp(family) {
            let is_row = |row: &stats::Row| {
                row.family.trim_end_matches("_total") == family && (reason.is_empty() || row.reason == reason)
            };
            assert!(stats::ROWS.iter().any(is_row), "{what}: there is no counter {word}");
        }
    }
}

/// Whether a counter is one of BGP, BMP, telemetry, sessions of IPFIX or high availability, which are figures of their own.
fn is_of_bgp(family: &str) -> bool {
    #[cfg(feature = "http")]
    return metrics::BGP
        .iter()
        .chain(&metrics::BMP)
        .chain(&metrics::TELEMETRY)
        .chain(&metrics::HA)
        .chain(&metrics::IPFIX)
        .any(|row| row.name.strip_prefix("pmacct_") == Some(family));
    // A build without metrics has no names of them.
    #[cfg(not(feature = "http"))]
    return ["bgp_", "bmp_", "telemetry_", "ipfix_", "ha_", "redis_"]
        .iter()
        .any(|prefix| family.starts_with(prefix));
}

#[test]
fn the_table_of_bounds_is_true() {
    let document = std::fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let mut defaults = BTreeMap::new();
    for key in config::keys::all() {
        let default = key.row().default_for(Daemon::Nfacctd);
        defaults.extend(key.row().names().map(|(_, name)| (name, default)));
    }
    let rows = rows(&document);
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let [what, _, setting, at_bound] = row[..] else { panic!("{row:?}") };
        check_setting(what, setting, &defaults);
        check_counters(what, at_bound);
    }
}
