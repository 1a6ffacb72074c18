//! Checks that need nothing to be opened: what would prevent the start, and settings that are probably mistakes.
//!
//! `--check` and a start both use them, and so report the same.

use super::PluginSettings;
use aggregate::time_bin::Roundoff;
use config::keys::{output, print};
use config::{Diagnostics, Plugin};
use delivery::StoreError;
use encode::markers;
use encode::names::{self, Lookup, Variable};
use flow::primitive;
use plugins::kinds::{Owned, Owning};

/// Checks the plugins that run, each with its settings.
pub(super) fn plugins(sources: &[&Plugin], plugins: &[PluginSettings], problems: &mut Diagnostics) {
    for (source, plugin) in sources.iter().zip(plugins) {
        variables(source, plugin, problems);
        roundoff(source, plugin, problems);
        if let Err(StoreError::Configuration { key, what }) = plugin.sink.check() {
            problems.fatal(source.blame_named(key), format!("{key}[{}]: {what}.", plugin.name), None);
        }
    }
    for (number, (source, plugin)) in sources.iter().zip(plugins).enumerate() {
        // The first conflict is enough: all plugins with the same file conflict with the first.
        let _ = plugins.iter().take(number).any(|other| one_owner(source, plugin, other, problems));
    }
}

/// Reports two plugins that would overwrite each other's output: a socket has one owner, and a file keeps what was written last.
/// Returns true if they do.
fn one_owner(
    source: &Plugin,
    plugin: &PluginSettings,
    other: &PluginSettings,
    problems: &mut Diagnostics,
) -> bool {
    let mut found = false;
    let (name, first) = (&plugin.name, &other.name);
    let theirs = other.sink.owns();
    for own in plugin.sink.owns() {
        let Owned { key, path, how } = &own;
        let Some(their) = theirs.iter().find(|their| (their.key, &their.path) == (*key, path)) else { continue };
        let origin = source.blame_named(key);
        found |= (how, their.how) != (&Owning::Appends, Owning::Appends);
        match (how, their.how) {
            (Owning::Socket, _) => problems.fatal(
                origin,
                format!("{key}[{name}]: '{}' is also the socket of plugin '{first}'.", path.display()),
                Some(format!("Give each a socket of its own: {key}[{name}].")),
            ),
            // Appending loses nothing.
            (Owning::Appends, Owning::Appends) => {}
            (Owning::Overwrites | Owning::Appends, _) => problems.error(
                origin,
                format!("{key}[{name}]: plugin '{first}' writes the same file, and each overwrites the other's."),
                Some(format!("Give each a file of its own: {key}[{name}].")),
            ),
        }
    }
    found
}

/// The names with variables of a plugin: the key, the text, and the lookup of its variables.
fn names_of(source: &Plugin, plugin: &PluginSettings) -> Vec<(&'static str, String, Lookup)> {
    let writer = source.origin_of(&output::WRITER_ID_STRING).map(|_| source.get(&output::WRITER_ID_STRING));
    let writer = writer.filter(|_| plugin.kind.bins);
    let named = (plugin.kind.names)(source).into_iter();
    let all = named.chain([("writer_id_string", writer, markers::of_writer_ids as Lookup)]);
    all.filter_map(|(key, text, lookup)| Some((key, text?, lookup))).collect()
}

/// Reports unknown variables, and those that are always the same.
fn variables(source: &Plugin, plugin: &PluginSettings, problems: &mut Diagnostics) {
    let name = &plugin.name;
    for (key, text, lookup) in names_of(source, plugin) {
        let origin = source.blame_named(key);
        for variable in names::variables(&text, lookup) {
            match variable {
                Variable::Unknown(word) => {
                    let what = format!("{key}[{name}]: '${word}' is not a variable here and is used literally.");
                    problems.warn(origin, what, Some(meant(word, lookup)));
                }
                Variable::Known(word, Some(column)) => {
                    if plugin.aggregation.selection.shows(column) {
                        continue;
                    }
                    let primitive =
                        primitive::showing(column).map_or(column.spec().json, |primitive| primitive.name);
                    let what = format!(
                        "{key}[{name}]: '${word}' is the same for all aggregates: aggregate[{name}] has no {primitive}."
                    );
                    problems.warn(origin, what, Some(format!("Add {primitive} to aggregate[{name}].")));
                }
                Variable::Known(_, None) => {}
            }
        }
    }
}

/// A hint: the variable that was probably meant, or the list of all.
pub(crate) fn meant(word: &str, lookup: Lookup) -> String {
    let all = names::words().chain(markers::WRITER_ID_WORDS).chain(brokers::encoder::key_variables());
    let mut known: Vec<&str> = all.filter(|word| lookup(word).is_some_and(|(known, _)| known == *word)).collect();
    known.sort_unstable();
    known.dedup();
    match config::nearest(word, known.iter().copied()) {
        Some(near) => format!("Did you mean '${near}'?"),
        None => format!("Variables are ${}.", known.join(", $")),
    }
}

fn roundoff(source: &Plugin, plugin: &PluginSettings, problems: &mut Diagnostics) {
    let key = &print::PRINT_HISTORY_ROUNDOFF;
    let letters = source.get(key).filter(|_| plugin.kind.bins);
    if let Some(warning) = letters.and_then(|letters| Roundoff::warning(&letters)) {
        let (written, name) = (source.written_as(key).unwrap_or("print_history_roundoff"), &plugin.name);
        problems.warn(source.blame(key), format!("{written}[{name}]: {warning}."), None);
    }
}
