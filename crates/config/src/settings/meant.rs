//! Which known key a name that is unknown may have meant.

use super::NAMES;
use crate::daemons::Daemon;
use crate::key::{Place, Row, State};
use crate::suggest::nearest;

/// Words of keys of old, of other programs or of common speech, and those that stand in their place here.
const SYNONYMS: &[(&str, &str)] =
    &[("format", "output"), ("interval", "refresh_time"), ("address", "ip"), ("buffer", "pipe_size")];

/// More names than these help nobody.
const MOST_SHOWN: usize = 3;

/// A known name, with its key.
type Known = (&'static str, &'static Row, Place);

/// The end of the message about an unknown key: the names that were probably meant, or nothing.
///
/// From the surest to the vaguest: the same words in another order; the same words behind the name of another daemon or
/// plugin; another word for the same; a typing error; words left out.
pub(super) fn meant(key: &str, daemon: Daemon) -> Option<String> {
    let mut known: Vec<Known> = NAMES
        .iter()
        .map(|(name, (key, place))| (name.as_str(), key.row(), *place))
        .filter(|(_, row, _)| !matches!(row.state, State::Removed(_)))
        .collect();
    let serves = |(_, row, place): &Known| row.daemons_at(*place).contains(daemon);
    // Names of this daemon first, short ones before long ones.
    known.sort_unstable_by_key(|known| (!serves(known), known.0.len(), known.0));
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
        let (name, row, place) = found;
        return Some(if serves(&found) {
            format!("Did you mean '{name}'?")
        } else {
            format!("'{name}' is a key of {}.", row.daemons_at(place))
        });
    }
    // Names that begin with the daemon's own are long, and meant the more.
    let own = format!("{daemon}_");
    let (inside, words) = (format!("_{key}_"), key.split('_').count());
    let longer: Vec<String> = known
        .iter()
        .take_while(|known| serves(known))
        .map(|(name, ..)| *name)
        .filter(|name| format!("_{name}_").contains(&inside))
        .filter(|name| name.split('_').count() <= words + if name.starts_with(&own) { 3 } else { 1 })
        .map(|name| format!("'{name}'"))
        .take(MOST_SHOWN)
        .collect();
    (!longer.is_empty()).then(|| format!("Did you mean {}?", longer.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_in_several_ways() {
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
