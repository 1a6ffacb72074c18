//! Finds the key that an unknown name probably means.

use super::NAMES;
use crate::daemons::Daemon;
use crate::key::{KeyPrefix, Row, State};
use crate::suggest::nearest;

/// Words in older keys, other programs or common usage, and the words that keys use here.
const SYNONYMS: &[(&str, &str)] =
    &[("format", "output"), ("interval", "refresh_time"), ("address", "ip"), ("buffer", "pipe_size")];

/// Maximum number of names in a suggestion.
const MAX_SHOWN: usize = 3;

/// A known name, with its key.
type Known = (&'static str, &'static Row, KeyPrefix);

/// The end of the message about an unknown key: the names that were probably meant, or nothing.
///
/// In order of certainty: the same words in another order; the same words after the name of another daemon or plugin; a
/// synonym; a typing error; missing words.
pub(super) fn meant(key: &str, daemon: Daemon) -> Option<String> {
    let mut known: Vec<Known> = NAMES
        .iter()
        .map(|(name, (key, prefix))| (name.as_str(), key.row(), *prefix))
        .filter(|(_, row, _)| !matches!(row.state, State::Removed(_)))
        .collect();
    let applies = |(_, row, prefix): &Known| row.daemons_at(*prefix).contains(daemon);
    // Names of this daemon first, short ones before long ones.
    known.sort_unstable_by_key(|known| (!applies(known), known.0.len(), known.0));
    let find = |is_meant: &dyn Fn(&str) -> bool| known.iter().find(|(name, ..)| is_meant(name)).copied();

    let sorted = |name: &str| {
        let mut words: Vec<String> = name.split('_').map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let same_words = || find(&|name| sorted(name) == sorted(key));
    let other_owner = || {
        let (owner, rest) = key.split_once('_')?;
        let owned = |name: &str, own: &str| name.split_once('_').is_some_and(|(owner, _)| owner == own);
        find(&|name| owned(name, owner))?;
        find(&|name| name.split_once('_').is_some_and(|(_, same)| same == rest))
    };
    let synonym = || {
        let replaced = |(word, ours): &(&str, &str)| {
            let words: Vec<&str> = key.split('_').map(|part| if part == *word { *ours } else { part }).collect();
            words.join("_")
        };
        let names: Vec<String> = SYNONYMS.iter().map(replaced).filter(|name| name != key).collect();
        find(&|name| names.iter().any(|meant| meant == name))
    };
    let mistyped = || {
        let near = nearest(key, known.iter().map(|(name, ..)| *name))?;
        find(&|name| name == near)
    };
    if let Some(found) = same_words().or_else(other_owner).or_else(synonym).or_else(mistyped) {
        let (name, row, prefix) = found;
        return Some(if applies(&found) {
            format!("Did you mean '{name}'?")
        } else {
            format!("'{name}' is a key of {}.", row.daemons_at(prefix))
        });
    }
    // Names that begin with the daemon's name are longer, and more likely.
    let own = format!("{daemon}_");
    let (inside, words) = (format!("_{key}_"), key.split('_').count());
    let longer: Vec<String> = known
        .iter()
        .take_while(|known| applies(known))
        .map(|(name, ..)| *name)
        .filter(|name| format!("_{name}_").contains(&inside))
        .filter(|name| name.split('_').count() <= words + if name.starts_with(&own) { 3 } else { 1 })
        .map(|name| format!("'{name}'"))
        .take(MAX_SHOWN)
        .collect();
    (!longer.is_empty()).then(|| format!("Did you mean {}?", longer.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_keys_for_unknown_names() {
        let meant = |key, daemon| meant(key, daemon).unwrap_or_default();
        for (key, daemon, names) in [
            ("refresh_maps", Daemon::Nfacctd, "Did you mean 'maps_refresh'?"),
            ("file_networks", Daemon::Pmacctd, "Did you mean 'networks_file'?"),
            ("kafka_format", Daemon::Nfacctd, "Did you mean 'kafka_output'?"),
            ("print_interval", Daemon::Sfacctd, "Did you mean 'print_refresh_time'?"),
            ("nfacctd_prot", Daemon::Nfacctd, "Did you mean 'nfacctd_port'?"),
            ("sfacctd_account_options", Daemon::Sfacctd, "'nfacctd_account_options' is a key of nfacctd."),
            ("sfacctd_timeouts", Daemon::Sfacctd, "'nfprobe_timeouts' is a key of pmacctd, uacctd."),
            ("interface", Daemon::Pmacctd, "Did you mean 'pcap_interface'?"),
            ("foo_bar", Daemon::Nfacctd, ""),
            ("", Daemon::Nfacctd, ""),
        ] {
            assert_eq!(meant(key, daemon), names, "{key} in {daemon}");
        }
        for (key, daemon, part) in [
            ("interface", Daemon::Nfacctd, "'nfacctd_interface'"),
            ("interface", Daemon::Sfacctd, "'sfacctd_interface'"),
            ("sampling", Daemon::Nfacctd, "'nfacctd_ext_sampling_rate'"),
            ("sampling", Daemon::Sfacctd, "'sfacctd_ext_sampling_rate'"),
            ("sampling", Daemon::Pmacctd, "'sampling_rate'"),
        ] {
            assert!(meant(key, daemon).contains(part), "{key} in {daemon}: {}", meant(key, daemon));
        }
    }
}
