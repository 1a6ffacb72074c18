//! Turns lines into settings.
//!
//! There is one record of settings for the core and one for each plugin. Lines are applied from top to bottom, the command
//! line after the file. A line without brackets writes to all records, one with brackets to that of its plugin, and
//! the later line wins, even over a value that an earlier line set for one plugin only. Each value is checked when its
//! line is read, so that reading a [`Key`] cannot fail later.

mod meant;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use crate::command_line::CMDLINE;
use crate::daemons::Daemon;
use crate::file::Entry;
use crate::key::{AnyKey, Key, KeyPrefix, Row, Scope, State};
use crate::keys;
use crate::plugin_list::{self, PluginKind};
use crate::problem::{Diagnostics, Origin};
use crate::suggest::nearest;
use crate::value::{Syntax, ValueErrorKind};

/// A value, and the line that set it.
#[derive(Clone, Debug)]
struct Setting {
    text: String,
    origin: Origin,
    /// Usual name of the key that was written: several keys may share the slot.
    key: &'static str,
    /// The spelling that was written.
    spelling: &'static str,
}

type Record = HashMap<(&'static str, KeyPrefix), Setting>;

/// The settings of a daemon: those of its core and of its plugins.
#[derive(Clone, Debug)]
pub struct Config {
    daemon: Daemon,
    source: Origin,
    core: Record,
    plugins: Vec<Plugin>,
}

/// One plugin and its settings.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name; unique in the daemon.
    pub name: String,
    /// Its type.
    pub kind: PluginKind,
    /// The line that named it; the file as a whole for the default plugin.
    pub origin: Origin,
    daemon: Daemon,
    record: Record,
}

impl Config {
    /// The program that is configured.
    #[must_use]
    pub fn daemon(&self) -> Daemon {
        self.daemon
    }

    /// The file that was read, or `cmdline`.
    #[must_use]
    pub fn source(&self) -> &Origin {
        &self.source
    }

    /// A setting of the core.
    #[must_use]
    pub fn core<T>(&self, key: &Key<T>) -> T {
        self.core_at(key, KeyPrefix::PLUGIN)
    }

    /// A setting of the core with a key prefix, such as that of the log of BGP messages.
    #[must_use]
    pub fn core_at<T>(&self, key: &Key<T>, prefix: KeyPrefix) -> T {
        read(&self.core, key, prefix, self.daemon)
    }

    /// The line that set a setting of the core; `None` if the default applies.
    #[must_use]
    pub fn core_origin<T>(&self, key: &Key<T>) -> Option<&Origin> {
        origin(&self.core, key.row(), KeyPrefix::PLUGIN)
    }

    /// As [`Config::core_origin`], for a key of any type.
    #[must_use]
    pub fn core_origin_of(&self, key: &dyn AnyKey) -> Option<&Origin> {
        origin(&self.core, key.row(), KeyPrefix::PLUGIN)
    }

    /// As [`Config::core_origin`], for a key prefix.
    #[must_use]
    pub fn core_origin_at<T>(&self, key: &Key<T>, prefix: KeyPrefix) -> Option<&Origin> {
        origin(&self.core, key.row(), prefix)
    }

    /// As [`Config::core_origin`], for a key by its full name.
    #[must_use]
    pub fn core_origin_named(&self, name: &str) -> Option<&Origin> {
        let (key, prefix) = NAMES.get(name)?;
        origin(&self.core, key.row(), *prefix)
    }

    /// The names of the core's keys in messages.
    #[must_use]
    pub fn names(&self) -> Names {
        let core = self.core.iter().filter(|((_, prefix), _)| *prefix == KeyPrefix::PLUGIN);
        let written = core.map(|(_, setting)| (setting.key, setting.spelling)).collect();
        Names { daemon: self.daemon, written: Arc::new(written) }
    }

    /// The plugins, in the order of their line.
    #[must_use]
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }
}

/// The names of the core's keys in messages: as the user wrote them, or else the daemon's own spelling.
#[derive(Clone, Debug)]
pub struct Names {
    daemon: Daemon,
    /// The spellings that were written, by the usual name.
    written: Arc<HashMap<&'static str, &'static str>>,
}

impl Names {
    /// The names of a daemon without a configuration.
    #[must_use]
    pub fn new(daemon: Daemon) -> Self {
        Self { daemon, written: Arc::default() }
    }

    /// The name of a key.
    #[must_use]
    pub fn of(&self, key: &dyn AnyKey) -> &'static str {
        let row = key.row();
        self.written.get(row.name()).copied().unwrap_or_else(|| row.name_in(self.daemon))
    }
}

impl Plugin {
    /// A setting of the plugin.
    #[must_use]
    pub fn get<T>(&self, key: &Key<T>) -> T {
        read(&self.record, key, KeyPrefix::PLUGIN, self.daemon)
    }

    /// The line that set a setting; `None` if the default applies.
    #[must_use]
    pub fn origin_of<T>(&self, key: &Key<T>) -> Option<&Origin> {
        origin(&self.record, key.row(), KeyPrefix::PLUGIN)
    }

    /// The usual name of the key that set a setting; it may be a key of other plugins that shares the slot.
    #[must_use]
    pub fn written_as<T>(&self, key: &Key<T>) -> Option<&'static str> {
        self.record.get(&(key.row().slot(), KeyPrefix::PLUGIN)).map(|setting| setting.key)
    }

    /// As [`Plugin::blame`], for a key by its name.
    #[must_use]
    pub fn blame_named(&self, name: &str) -> &Origin {
        let named = NAMES.get(name).and_then(|(key, prefix)| origin(&self.record, key.row(), *prefix));
        named.unwrap_or(&self.origin)
    }

    /// The line that an error about a setting names: the one that set it, or else the plugin's.
    #[must_use]
    pub fn blame<T>(&self, key: &Key<T>) -> &Origin {
        self.origin_of(key).unwrap_or(&self.origin)
    }
}

fn read<T>(record: &Record, key: &Key<T>, prefix: KeyPrefix, daemon: Daemon) -> T {
    key.value(record.get(&(key.row().slot_at(prefix), prefix)).map(|s| s.text.as_str()), daemon)
}

fn origin<'r>(record: &'r Record, row: &Row, prefix: KeyPrefix) -> Option<&'r Origin> {
    record.get(&(row.slot_at(prefix), prefix)).map(|setting| &setting.origin)
}

/// Turns entries into settings. Entries that cannot be used are reported and ignored.
pub(crate) fn resolve(daemon: Daemon, source: Origin, entries: &[Entry], problems: &mut Diagnostics) -> Config {
    let mut resolver = Resolver {
        config: Config { daemon, source, core: Record::new(), plugins: Vec::new() },
        reported: HashSet::new(),
        replaced: HashSet::new(),
        written: HashMap::new(),
        problems,
    };
    resolver.plugins(entries);
    for entry in entries.iter().filter(|e| e.key != keys::core::PLUGINS.row().name()) {
        resolver.entry(entry);
    }
    if !daemon.accounts_flows() {
        // Lines may name them in brackets, but this daemon runs no plugins.
        resolver.config.plugins.clear();
    }
    resolver.warn_inherited();
    resolver.config
}

/// Slots that name the destination of a plugin: keys of other plugins rarely mean it.
const TARGETS: &[&str] = &["sql_table", "sql_db", "sql_host", "sql_port", "sql_user", "sql_passwd"];

/// Every name of every key.
static NAMES: LazyLock<HashMap<String, (&'static dyn AnyKey, KeyPrefix)>> = LazyLock::new(|| {
    keys::all().flat_map(|key| key.row().names().map(move |(prefix, name)| (name, (key, prefix)))).collect()
});

/// Slots of keys that are implemented.
static ACTING: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| keys::all().map(AnyKey::row).filter(|row| row.state == State::Acts).map(Row::slot).collect());

struct Resolver<'p> {
    config: Config,
    /// Keys already reported to have no effect.
    reported: HashSet<(&'static str, KeyPrefix)>,
    /// Lines already reported to override another key, with their plugins.
    replaced: HashSet<(Origin, String)>,
    /// Values written so far: by key, key prefix and plugin, with the line.
    written: HashMap<(&'static str, KeyPrefix, Option<usize>), (String, Origin)>,
    problems: &'p mut Diagnostics,
}

impl Resolver<'_> {
    /// Finds the plugins, because other lines refer to their names. Of several plugins lines the first is used.
    fn plugins(&mut self, entries: &[Entry]) {
        let daemon = self.config.daemon;
        let trace = |name: &str, kind: &str| format!("plugin name/type: '{name}'/'{kind}'.");
        self.problems.debug(&self.config.source, trace("default", "core"));
        let mut lines = entries.iter().filter(|e| e.key == keys::core::PLUGINS.row().name());
        if let Some(line) = lines.next() {
            for named in plugin_list::parse(&line.origin, &line.value, self.problems) {
                self.add_plugin(named.name, named.kind, line.origin.clone());
            }
            if !daemon.accounts_flows() {
                let what = format!("plugins has no effect in {daemon}.");
                self.problems.warn(&line.origin, what, None);
            }
        }
        for line in lines {
            let hint = Some("Only the first plugins line is used.".to_owned());
            self.problems.warn(&line.origin, "Unable to handle key: plugins. Ignored.", hint);
        }
        if self.config.plugins.is_empty() && daemon.accounts_flows() {
            let what = "No plugin has been activated; defaulting to in-memory table.";
            self.problems.warn(&self.config.source, what, None);
            self.add_plugin("default_memory".to_owned(), PluginKind::Memory, self.config.source.clone());
        }
        self.problems.set_plugins(self.config.plugins.iter().map(|plugin| plugin.name.clone()));
        for plugin in &self.config.plugins {
            self.problems.debug(&plugin.origin, trace(&plugin.name, plugin.kind.word()));
        }
    }

    fn add_plugin(&mut self, name: String, kind: PluginKind, origin: Origin) {
        let daemon = self.config.daemon;
        self.config.plugins.push(Plugin { name, kind, origin, daemon, record: Record::new() });
    }

    fn entry(&mut self, entry: &Entry) {
        let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
        let has_login = entry.value.split_once('@').is_some_and(|(login, _)| login.contains(':'));
        let shown = if entry.key.contains("passw") || has_login { "…" } else { entry.value.as_str() };
        self.problems.debug(&entry.origin, format!("{}{brackets}:{shown}", entry.key));

        let Some(&(key, prefix)) = NAMES.get(&entry.key) else {
            let hint = meant::meant(&entry.key, self.config.daemon);
            self.problems.warn(&entry.origin, format!("Unknown key: {}. Ignored.", entry.key), hint);
            return;
        };
        let row = key.row();
        if let State::Removed(instead) = row.state {
            let hint = Some(format!("It was removed: {instead}."));
            self.problems.warn(&entry.origin, format!("Unknown key: {}. Ignored.", entry.key), hint);
            return;
        }
        let Some(target) = self.target(entry, row, prefix) else {
            return;
        };
        let Some(text) = self.checked(entry, key) else {
            return;
        };
        if self.excluded(entry, row, &text) {
            return;
        }
        self.warn_ineffective(entry, row, prefix);
        self.warn_repeated(entry, row, prefix, target);
        if let Some(index) = target {
            self.warn_foreign(entry, row, prefix, index);
        }
        let written = entry.key.strip_prefix(prefix.0);
        let spelling = row.spellings.iter().copied().find(|spelling| written == Some(*spelling));
        let spelling = spelling.unwrap_or(row.name());
        let setting = Setting { text, origin: entry.origin.clone(), key: row.name(), spelling };
        self.store(row, prefix, target, setting);
    }

    /// The plugin that a line applies to (`Some(None)` for all), or `None` if it is invalid.
    fn target(&mut self, entry: &Entry, row: &Row, prefix: KeyPrefix) -> Option<Option<usize>> {
        let Some(name) = &entry.plugin else {
            if let Scope::PluginOnly(thing) = row.scope_at(prefix) {
                let hint = Some(format!("Name the plugin: {}[NAME].", entry.key));
                self.problems.error(&entry.origin, format!("{thing} cannot be global. Not loaded."), hint);
                return None;
            }
            return Some(None);
        };
        if row.scope_at(prefix) == Scope::Global {
            let what = format!("plugin name not supported for key '{}'. Globalized.", entry.key);
            self.problems.warn(&entry.origin, what, None);
            return Some(None);
        }
        let find = |name: &str| self.config.plugins.iter().position(|p| p.name == name);
        let found = find(name).or_else(|| find(name.trim()));
        if found.is_none() {
            let near = nearest(name, self.config.plugins.iter().map(|p| p.name.as_str()));
            let hint = near.map(|near| format!("Did you mean '{near}'?"));
            self.problems.warn(&entry.origin, format!("Unknown symbol '{name}'. Ignored."), hint);
        }
        found.map(Some)
    }

    /// The text of a value, if it is valid.
    fn checked(&mut self, entry: &Entry, key: &dyn AnyKey) -> Option<String> {
        let (row, value) = (key.row(), entry.value.as_str());
        let empty =
            matches!(row.syntax, Syntax::List { .. }) && value.chars().all(|c| c == ',' || c.is_whitespace());
        if empty {
            // An empty list of primitives or tags would match nothing, which is never intended.
            let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
            self.problems.warn(&entry.origin, format!("{}{brackets} has no value. Ignored.", entry.key), None);
            return None;
        }
        let error = match key.check(value) {
            Ok(()) => return Some(value.to_owned()),
            Err(error) => error,
        };
        if let Some(number) = row.syntax.leading(value).filter(|number| key.check(number).is_ok()) {
            let rest = value.get(number.len()..).unwrap_or_default().trim();
            let hint = Some("Write comments on separate lines.".to_owned());
            self.problems.warn(&entry.origin, format!("{}: '{rest}' after {number} is ignored.", entry.key), hint);
            return Some(number.to_owned());
        }
        let name = &entry.key;
        let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
        let expected = &error.expected;
        // A port in place of an address, or the reverse, was meant for the other key: no default is right then.
        let other_half = other_half(name, &row.syntax, value);
        let fatal = row.or_exit || other_half.is_some();
        let (what, hint) = match error.kind {
            ValueErrorKind::Value(_) if row.or_exit => {
                (format!("invalid '{name}' value."), format!("Expected {expected}."))
            }
            ValueErrorKind::Value(value) => {
                let near = nearest(&value.to_ascii_lowercase(), row.syntax.words());
                let near = near.map(|near| format!("Did you mean '{near}'?"));
                let near = near.or(other_half).map(|near| format!(" {near}"));
                let hint = format!("{name}{brackets}: '{value}' is not {expected}.{}", near.unwrap_or_default());
                ("Invalid value. Ignored.".to_owned(), hint)
            }
            ValueErrorKind::Key(rest) => (format!("{name}{rest}"), format!("Expected {expected}.")),
            ValueErrorKind::Sentence(sentence) => (sentence, format!("{name}{brackets} expects {expected}.")),
        };
        let hint = Some(hint);
        if fatal {
            self.problems.fatal(&entry.origin, what, hint);
        } else {
            self.problems.warn(&entry.origin, what, hint);
        }
        None
    }

    /// Mutually exclusive keys: of the two clocks of a flow, the first that is set is used.
    fn excluded(&mut self, entry: &Entry, row: &Row, text: &str) -> bool {
        let (new, secs) = (keys::time::NFACCTD_TIME_NEW, keys::time::NFACCTD_TIME_SECS);
        let arrival = self.config.core(&new);
        let on = text.eq_ignore_ascii_case("true");
        let other = if row.name() == new.row().name() && !on && arrival {
            new.row().name()
        } else if row.name() == new.row().name() && on && self.config.core(&secs) {
            secs.row().name()
        } else if row.name() == secs.row().name() && on && arrival {
            new.row().name()
        } else {
            return false;
        };
        let what = format!("Possibly '{other}: true' set. '{}' ignored.", entry.key);
        let hint = Some("Only the first of these lines is used.".to_owned());
        self.problems.warn(&entry.origin, what, hint);
        true
    }

    /// Reports, once for each key, that it has no effect or will be removed.
    fn warn_ineffective(&mut self, entry: &Entry, row: &Row, prefix: KeyPrefix) {
        if !self.reported.insert((row.name(), prefix)) {
            return;
        }
        let (key, origin, daemon) = (&entry.key, &entry.origin, self.config.daemon);
        if !row.daemons_at(prefix).contains(daemon) {
            self.problems.warn(origin, format!("{key} has no effect in {daemon}."), None);
            return;
        }
        match row.state {
            // The print plugin also reads `sql_refresh_time`.
            State::NotYet if prefix == KeyPrefix::PLUGIN && ACTING.contains(row.slot()) => {}
            State::NotYet => {
                let what = format!("{key} has no effect in this version yet.");
                self.problems.warn(origin, what, None);
            }
            State::NoOp(why) => self.problems.debug(origin, format!("{key} has no effect: {why}.")),
            State::Unsupported(why) => self.problems.warn(origin, format!("{key} is not supported: {why}."), None),
            State::Acts if !row.acts_in.contains(daemon) => {
                let what = format!("{key} is not supported by {daemon}: {}.", row.elsewhere);
                self.problems.warn(origin, what, None);
            }
            State::Acts | State::Removed(_) => {}
        }
        if row.legacy {
            let what =
                format!("Configuration key '{key}' is legacy and will be discontinued in the next major release.");
            self.problems.warn(origin, what, None);
        }
    }

    /// Reports a key that is set twice to different values, and which line is used. The command line overrides the file
    /// silently.
    fn warn_repeated(&mut self, entry: &Entry, row: &Row, prefix: KeyPrefix, target: Option<usize>) {
        let slot = (row.name(), prefix, target);
        let new = (entry.value.clone(), entry.origin.clone());
        let Some((value, origin)) = self.written.get(&slot) else {
            self.written.insert(slot, new);
            return;
        };
        let overrides = entry.origin.file.as_ref() == CMDLINE && origin.file.as_ref() != CMDLINE;
        if *value != entry.value && !overrides && row.daemons_at(prefix).contains(self.config.daemon) {
            let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
            let used = if row.first_wins { "that line is used" } else { "this line is used" };
            let what = format!("{}{brackets} is already set to another value ({origin}): {used}.", entry.key);
            self.problems.warn(&entry.origin, what, Some("Remove one of the lines.".to_owned()));
        }
        if !row.first_wins {
            self.written.insert(slot, new);
        }
    }

    /// Reports a key in a plugin's brackets that belongs to plugins of another type: it sets what a key of this type
    /// sets too, or has no effect.
    fn warn_foreign(&mut self, entry: &Entry, row: &Row, prefix: KeyPrefix, index: usize) {
        let Some(plugin) = self.config.plugins.get(index) else { return };
        let (kind, name) = (plugin.kind, &plugin.name);
        let owner = PluginKind::all().find(|owner| owner.owns(row.name()));
        let Some(owner) =
            owner.filter(|_| prefix == KeyPrefix::PLUGIN && !row.names().any(|(_, name)| kind.owns(&name)))
        else {
            return;
        };
        let own = keys::all().map(AnyKey::row).find(|own| own.slot() == row.slot() && kind.owns(own.name()));
        let owner_prefix = owner.prefix();
        let (what, hint) = match own {
            // Times, limits and similar settings may be written with the prefix of any plugin.
            Some(_) if !TARGETS.contains(&row.slot()) => return,
            Some(own) => {
                let old = plugin.record.get(&(row.slot_at(prefix), prefix)).filter(|old| old.text != entry.value);
                let overrides = old.map(|old| format!(", and overrides {} ({})", old.key, old.origin));
                let what = format!(
                    "{}[{name}] is not a key of {} plugins: it is the same setting as {}{}.",
                    entry.key,
                    kind.word(),
                    own.name(),
                    overrides.unwrap_or_default()
                );
                (what, Some(format!("Write {}[{name}].", own.name())))
            }
            // All plugins with a schedule read some of these keys.
            None if matches!(owner_prefix, "print_" | "sql_") => return,
            None => (format!("{}[{name}] has no effect: '{name}' is of type {}.", entry.key, kind.word()), None),
        };
        self.problems.warn(&entry.origin, what, hint);
    }

    fn store(&mut self, row: &Row, prefix: KeyPrefix, target: Option<usize>, setting: Setting) {
        let slot = (row.slot_at(prefix), prefix);
        // A line without brackets also reaches plugins of other types, for which it may not be meant.
        let mut write = |record: &mut Record, owner: Option<(&str, PluginKind)>| {
            let old = record.get(&slot);
            if row.first_wins && old.is_some() {
                return;
            }
            if let (Some(old), Some((owner, kind)), None) = (old, owner, target)
                && kind.owns(old.key)
                && !kind.owns(setting.key)
                && old.text != setting.text
            {
                let what = format!(
                    "{} overrides {} ({}) in plugin '{owner}': both keys are the same setting.",
                    setting.key, old.key, old.origin
                );
                let hint = Some(format!("Name the plugin: {}[NAME].", setting.key));
                self.problems.warn(&setting.origin, what, hint);
                self.replaced.insert((setting.origin.clone(), owner.to_owned()));
            }
            record.insert(slot, setting.clone());
        };
        match target {
            Some(index) => {
                if let Some(plugin) = self.config.plugins.get_mut(index) {
                    write(&mut plugin.record, Some((&plugin.name, plugin.kind)));
                }
            }
            None => {
                write(&mut self.config.core, None);
                for plugin in &mut self.config.plugins {
                    write(&mut plugin.record, Some((&plugin.name, plugin.kind)));
                }
            }
        }
    }

    /// Warns if a plugin uses the destination that a key sets for another configured plugin: both share a setting, and a line
    /// without brackets sets it for both.
    fn warn_inherited(&mut self) {
        let plugins = &self.config.plugins;
        for plugin in plugins {
            for ((slot, _), setting) in &plugin.record {
                let other = plugins.iter().find(|other| other.kind.owns(setting.key));
                if let Some(other) = other.filter(|_| TARGETS.contains(slot) && !plugin.kind.owns(setting.key))
                    && plugin.kind.has_target(slot)
                    && !self.replaced.contains(&(setting.origin.clone(), plugin.name.clone()))
                {
                    let what = format!(
                        "{} is a key of plugin '{}', but also applies to plugin '{}': both share the setting.",
                        setting.key, other.name, plugin.name
                    );
                    let hint = Some(format!("Name the plugin: {}[{}].", setting.key, other.name));
                    self.problems.warn(&setting.origin, what, hint);
                }
            }
        }
    }
}

/// The key that was meant if an address and a port were confused, as in `nfacctd_port: 127.0.0.1` and `nfacctd_ip: 2055`.
fn other_half(name: &str, syntax: &Syntax, value: &str) -> Option<String> {
    let (suffixes, what): (&[(&str, &str)], &str) = match syntax {
        Syntax::Port if value.parse::<IpAddr>().is_ok() || value.parse::<SocketAddr>().is_ok() => {
            (&[("_port", "_ip"), ("_port", "_host")], "An address belongs in")
        }
        Syntax::Address if value.parse::<u16>().is_ok() || value.parse::<SocketAddr>().is_ok() => {
            (&[("_ip", "_port")], "A port belongs in")
        }
        _ => return None,
    };
    let other = suffixes.iter().filter_map(|(own, other)| Some(format!("{}{other}", name.strip_suffix(own)?)));
    let other = other.into_iter().find(|other| NAMES.contains_key(other))?;
    Some(format!("{what} {other}."))
}

#[cfg(test)]
mod tests;
