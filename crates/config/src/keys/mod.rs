//! All keys, by group.

use crate::key::AnyKey;

pub mod aggregation;
pub mod amqp;
pub mod bgp;
pub mod bmp;
pub mod core;
pub mod encoding;
pub mod event_log;
pub mod geoip;
pub mod ha;
pub mod http;
pub mod input;
pub mod ipfix;
pub mod kafka;
pub mod maps;
pub mod memory;
pub mod ndpi;
pub mod nfprobe;
pub mod output;
pub mod print;
pub mod removed;
pub mod rpki;
pub mod sampling;
pub mod sfprobe;
pub mod sql;
pub mod tee;
pub mod telemetry;
pub mod time;

/// A section of the documentation.
#[derive(Clone, Copy)]
pub struct Group {
    /// Heading.
    pub title: &'static str,
    /// The keys.
    pub keys: &'static [&'static dyn AnyKey],
}

/// Every group, in the order of the documentation.
#[must_use]
pub fn groups() -> [Group; 27] {
    let group = |title, keys| Group { title, keys };
    [
        group("General", core::KEYS),
        group("Aggregation, filters and tags", aggregation::KEYS),
        group("Input", input::KEYS),
        group("IPFIX over TCP, TLS and DTLS", ipfix::KEYS),
        group("Time", time::KEYS),
        group("Output files", output::KEYS),
        group("Print plugin", print::KEYS),
        group("Memory plugin", memory::KEYS),
        group("Metrics and health", http::KEYS),
        group("Encodings of values", encoding::KEYS),
        group("Maps and files", maps::KEYS),
        group("Sampling", sampling::KEYS),
        group("GeoIP", geoip::KEYS),
        group("nDPI classification", ndpi::KEYS),
        group("BGP", bgp::KEYS),
        group("BMP", bmp::KEYS),
        group("RPKI", rpki::KEYS),
        group("Streaming telemetry", telemetry::KEYS),
        group("Event logs and dumps", event_log::KEYS),
        group("nfprobe plugin", nfprobe::KEYS),
        group("sfprobe plugin", sfprobe::KEYS),
        group("tee plugin", tee::KEYS),
        group("SQL plugins", sql::KEYS),
        group("Kafka plugin", kafka::KEYS),
        group("AMQP plugin", amqp::KEYS),
        group("High availability", ha::KEYS),
        group("Removed keys", removed::KEYS),
    ]
}

/// Every key.
pub fn all() -> impl Iterator<Item = &'static dyn AnyKey> {
    groups().into_iter().flat_map(|group| group.keys.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::daemons::Daemon;
    use crate::key::{KeyPrefix, State};
    use crate::value::Syntax;

    #[test]
    fn every_default_is_valid() {
        for key in all() {
            for daemon in Daemon::ALL {
                if let Some(text) = key.row().default_for(daemon) {
                    assert_eq!(key.check(text), Ok(()), "{} in {daemon}", key.row().name());
                }
            }
        }
    }

    #[test]
    fn no_name_is_declared_twice() {
        let mut seen = HashSet::new();
        for (_, name) in all().flat_map(|key| key.row().names()) {
            assert!(seen.insert(name.clone()), "{name}");
        }
    }

    #[test]
    fn names_have_only_lower_case_letters_digits_and_underscores() {
        for (_, name) in all().flat_map(|key| key.row().names()) {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        }
    }

    #[test]
    fn a_shared_slot_is_named_after_a_key_with_the_same_syntax() {
        let by_name: HashMap<&str, _> = all().map(|key| (key.row().name(), key.row())).collect();
        for row in all().map(AnyKey::row) {
            if let Some(slot) = row.stored_as {
                let owner = by_name.get(slot).unwrap_or_else(|| panic!("{}: no key {slot}", row.name()));
                assert_eq!(owner.stored_as, None, "{}", row.name());
                let form = |syntax: &Syntax| std::mem::discriminant(syntax);
                if !matches!(row.syntax, Syntax::Path | Syntax::Text | Syntax::Pattern { .. }) {
                    assert_eq!(form(&row.syntax), form(&owner.syntax), "{} and {slot}", row.name());
                }
            }
        }
    }

    #[test]
    fn command_line_letters_name_a_spelling_of_their_key() {
        for row in all().map(AnyKey::row) {
            for letter in row.letters.iter().flatten().filter(|l| !l.spelling.is_empty()) {
                assert!(row.names().any(|(_, name)| name == letter.spelling), "{}", letter.spelling);
            }
        }
    }

    #[test]
    fn each_key_has_a_summary_of_one_sentence() {
        for row in all().map(AnyKey::row) {
            let summary = row.summary();
            assert!(
                summary.ends_with('.') && summary.len() > 10 && summary.len() < 200,
                "{}: {summary}",
                row.name()
            );
            if let State::NoOp(text) | State::Removed(text) | State::Unsupported(text) = row.state {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", row.name());
            }
        }
    }

    #[test]
    fn each_key_has_a_key_prefix_and_none_twice() {
        for row in all().map(AnyKey::row) {
            let prefixes: HashSet<KeyPrefix> = row.prefixes.iter().copied().collect();
            assert!(!prefixes.is_empty() && prefixes.len() == row.prefixes.len(), "{}", row.name());
        }
    }
}
