//! From lines to settings: what the user wrote becomes what the daemon will do.
//!
//! There is one record of settings for the core and one for each plugin. Lines are taken from top to bottom, the command
//! line behind the file. A line without brackets writes into all records, one with brackets into that of its plugin, and
//! the later line wins – also over a value that an earlier line gave to one plugin only. Each value is checked when its
//! line is read, so that reading a [`Key`] cannot fail later on.

mod meant;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use crate::command_line::CMDLINE;
use crate::daemons::Daemon;
use crate::file::Entry;
use crate::key::{AnyKey, Key, Place, Row, Scope, State};
use crate::keys;
use crate::plugin_list::{self, PluginKind};
use crate::problem::{Diagnostics, Origin};
use crate::suggest::nearest;
use crate::value::{Syntax, ValueErrorKind};

/// A value, and the line that gave it.
#[derive(Clone, Debug)]
struct Setting {
    text: String,
    origin: Origin,
    /// Usual name of the key that was written: several keys may share the slot.
    key: &'static str,
    /// The spelling of it that was written.
    spelling: &'static str,
}

type Record = HashMap<(&'static str, Place), Setting>;

/// What a daemon will do: the settings of its core and of its plugins.
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
    /// The line that named it; the file as a whole for a plugin that nobody named.
    pub origin: Origin,
    daemon: Daemon,
    record: Record,
}

impl Config {
    /// The program that this is the configuration of.
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
        self.core_at(key, Place::PLUGIN)
    }

    /// A setting of an owner inside of the core, such as the log of BGP messages.
    #[must_use]
    pub fn core_at<T>(&self, key: &Key<T>, place: Place) -> T {
        read(&self.core, key, place, self.daemon)
    }

    /// The line that gave a setting of the core; `None` where the default holds.
    #[must_use]
    pub fn core_origin<T>(&self, key: &Key<T>) -> Option<&Origin> {
        origin(&self.core, key.row(), Place::PLUGIN)
    }

    /// As [`Config::core_origin`], of a key whatever its type.
    #[must_use]
    pub fn core_origin_of(&self, key: &dyn AnyKey) -> Option<&Origin> {
        origin(&self.core, key.row(), Place::PLUGIN)
    }

    /// As [`Config::core_origin`], for an owner inside of the core.
    #[must_use]
    pub fn core_origin_at<T>(&self, key: &Key<T>, place: Place) -> Option<&Origin> {
        origin(&self.core, key.row(), place)
    }

    /// As [`Config::core_origin`], of a key by its full name.
    #[must_use]
    pub fn core_origin_named(&self, name: &str) -> Option<&Origin> {
        let (key, place) = NAMES.get(name)?;
        origin(&self.core, key.row(), *place)
    }

    /// What the keys of the core are called in messages.
    #[must_use]
    pub fn names(&self) -> Names {
        let core = self.core.iter().filter(|((_, place), _)| *place == Place::PLUGIN);
        let written = core.map(|(_, setting)| (setting.key, setting.spelling)).collect();
        Names { daemon: self.daemon, written: Arc::new(written) }
    }

    /// The plugins, in the order of their line.
    #[must_use]
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }
}

/// What the keys of a daemon's core are called: as the user wrote them, else as the daemon's own keys are.
#[derive(Clone, Debug)]
pub struct Names {
    daemon: Daemon,
    /// The spellings that were written, by the usual name.
    written: Arc<HashMap<&'static str, &'static str>>,
}

impl Names {
    /// The names of a daemon that nobody has configured.
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
        read(&self.record, key, Place::PLUGIN, self.daemon)
    }

    /// The line that gave a setting; `None` where the default holds.
    #[must_use]
    pub fn origin_of<T>(&self, key: &Key<T>) -> Option<&Origin> {
        origin(&self.record, key.row(), Place::PLUGIN)
    }

    /// The usual name of the key that gave a setting, which may be one of other plugins that is the same setting.
    #[must_use]
    pub fn written_as<T>(&self, key: &Key<T>) -> Option<&'static str> {
        self.record.get(&(key.row().slot(), Place::PLUGIN)).map(|setting| setting.key)
    }

    /// As [`Plugin::blame`], of a key by its name.
    #[must_use]
    pub fn blame_named(&self, name: &str) -> &Origin {
        let named = NAMES.get(name).and_then(|(key, place)| origin(&self.record, key.row(), *place));
        named.unwrap_or(&self.origin)
    }

    /// Where to point at when a setting makes no sense: its line, or that of the plugin.
    #[must_use]
    pub fn blame<T>(&self, key: &Key<T>) -> &Origin {
        self.origin_of(key).unwrap_or(&self.origin)
    }
}

fn read<T>(record: &Record, key: &Key<T>, place: Place, daemon: Daemon) -> T {
    key.value(record.get(&(key.row().slot_at(place), place)).map(|s| s.text.as_str()), daemon)
}

fn origin<'r>(record: &'r Record, row: &Row, place: Place) -> Option<&'r Origin> {
    record.get(&(row.slot_at(place), place)).map(|setting| &setting.origin)
}

/// Turns entries into settings. What cannot be used is reported and left out.
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
        // Their names may stand between brackets, but nothing feeds them here.
        resolver.config.plugins.clear();
    }
    resolver.warn_inherited();
    resolver.config
}

/// Slots that name the one thing that a plugin writes to: keys of other plugins rarely mean it.
const TARGETS: &[&str] = &["sql_table", "sql_db", "sql_host", "sql_port", "sql_user", "sql_passwd"];

/// Every name of every key.
static NAMES: LazyLock<HashMap<String, (&'static dyn AnyKey, Place)>> = LazyLock::new(|| {
    keys::all().flat_map(|key| key.row().names().map(move |(place, name)| (name, (key, place)))).collect()
});

/// Slots of keys that act.
static ACTING: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| keys::all().map(AnyKey::row).filter(|row| row.state == State::Acts).map(Row::slot).collect());

struct Resolver<'p> {
    config: Config,
    /// Keys that were already reported to have no effect.
    reported: HashSet<(&'static str, Place)>,
    /// Lines that were already reported to take the place of another key, with their plugins.
    replaced: HashSet<(Origin, String)>,
    /// What was written so far: key, place and plugin, with the value and its line.
    written: HashMap<(&'static str, Place, Option<usize>), (String, Origin)>,
    problems: &'p mut Diagnostics,
}

impl Resolver<'_> {
    /// Finds the plugins: all lines need to know their names. Of several plugins lines the first counts.
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
            let hint = Some("The first plugins line counts.".to_owned());
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

        let Some(&(key, place)) = NAMES.get(&entry.key) else {
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
        let Some(target) = self.target(entry, row, place) else {
            return;
        };
        let Some(text) = self.checked(entry, key) else {
            return;
        };
        if self.excluded(entry, row, &text) {
            return;
        }
        self.remark(entry, row, place);
        self.remark_repeated(entry, row, place, target);
        if let Some(index) = target {
            self.remark_foreign(entry, row, place, index);
        }
        let written = entry.key.strip_prefix(place.0);
        let spelling = row.spellings.iter().copied().find(|spelling| written == Some(*spelling));
        let spelling = spelling.unwrap_or(row.name());
        let setting = Setting { text, origin: entry.origin.clone(), key: row.name(), spelling };
        self.store(row, place, target, setting);
    }

    /// The plugin that a line is for (`Some(None)` for all), or `None` when it is for none.
    fn target(&mut self, entry: &Entry, row: &Row, place: Place) -> Option<Option<usize>> {
        let Some(name) = &entry.plugin else {
            if let Scope::PluginOnly(thing) = row.scope_at(place) {
                let hint = Some(format!("Name the plugin: {}[NAME].", entry.key));
                self.problems.error(&entry.origin, format!("{thing} cannot be global. Not loaded."), hint);
                return None;
            }
            return Some(None);
        };
        if row.scope_at(place) == Scope::Global {
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

    /// The text of a value, when it is one.
    fn checked(&mut self, entry: &Entry, key: &dyn AnyKey) -> Option<String> {
        let (row, value) = (key.row(), entry.value.as_str());
        let empty =
            matches!(row.syntax, Syntax::List { .. }) && value.chars().all(|c| c == ',' || c.is_whitespace());
        if empty {
            // An empty list of primitives or tags would be one that nothing is in: nobody means that.
            let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
            self.problems.warn(&entry.origin, format!("{}{brackets} has no value. Ignored.", entry.key), None);
            return None;
        }
        let refusal = match key.check(value) {
            Ok(()) => return Some(value.to_owned()),
            Err(refusal) => refusal,
        };
        if let Some(number) = row.syntax.leading(value).filter(|number| key.check(number).is_ok()) {
            let rest = value.get(number.len()..).unwrap_or_default().trim();
            let hint = Some("A comment needs a line of its own.".to_owned());
            self.problems.warn(
                &entry.origin,
                format!("{}: '{rest}' behind {number} is not read.", entry.key),
                hint,
            );
            return Some(number.to_owned());
        }
        let name = &entry.key;
        let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
        let right = &refusal.right;
        // What is a port or an address for sure was meant for the other key: no default is right then.
        let other_half = other_half(name, &row.syntax, value);
        let fatal = row.or_exit || other_half.is_some();
        let (what, hint) = match refusal.wrong {
            ValueErrorKind::Value(_) if row.or_exit => {
                (format!("invalid '{name}' value."), format!("Expected {right}."))
            }
            ValueErrorKind::Value(value) => {
                let near = nearest(&value.to_ascii_lowercase(), row.syntax.words());
                let near = near.map(|near| format!("Did you mean '{near}'?"));
                let near = near.or(other_half).map(|near| format!(" {near}"));
                let hint = format!("{name}{brackets}: '{value}' is not {right}.{}", near.unwrap_or_default());
                ("Invalid value. Ignored.".to_owned(), hint)
            }
            ValueErrorKind::Key(rest) => (format!("{name}{rest}"), format!("Expected {right}.")),
            ValueErrorKind::Sentence(sentence) => (sentence, format!("{name}{brackets} expects {right}.")),
        };
        let hint = Some(hint);
        if fatal {
            self.problems.fatal(&entry.origin, what, hint);
        } else {
            self.problems.warn(&entry.origin, what, hint);
        }
        None
    }

    /// Keys that take each other's effect away: of the two clocks of a flow the first that is set stays.
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
        let hint = Some("The first of these lines counts.".to_owned());
        self.problems.warn(&entry.origin, what, hint);
        true
    }

    /// Reports once of a key that it does nothing, or will go.
    fn remark(&mut self, entry: &Entry, row: &Row, place: Place) {
        if !self.reported.insert((row.name(), place)) {
            return;
        }
        let (key, origin, daemon) = (&entry.key, &entry.origin, self.config.daemon);
        if !row.daemons_at(place).contains(daemon) {
            self.problems.warn(origin, format!("{key} has no effect in {daemon}."), None);
            return;
        }
        let is_there = place.is_there() && row.acts_in.contains(daemon);
        let state = if is_there || row.state != State::Acts { row.state } else { State::NotYet };
        match state {
            // `sql_refresh_time` is read by the print plugin, too.
            State::NotYet if place == Place::PLUGIN && row.state != State::Acts && ACTING.contains(row.slot()) => {
            }
            State::NotYet => {
                let what = format!("{key} is known, but has no effect in this version yet.");
                self.problems.warn(origin, what, None);
            }
            State::NoOp(why) => self.problems.debug(origin, format!("{key} has no effect: {why}.")),
            State::Acts | State::Removed(_) => {}
        }
        if row.legacy {
            let what =
                format!("Configuration key '{key}' is legacy and will be discontinued in the next major release.");
            self.problems.warn(origin, what, None);
        }
    }

    /// Reports of a key that is set again to another value which of the two lines counts. The command line is there to win
    /// over the file.
    fn remark_repeated(&mut self, entry: &Entry, row: &Row, place: Place, target: Option<usize>) {
        let slot = (row.name(), place, target);
        let new = (entry.value.clone(), entry.origin.clone());
        let Some((value, origin)) = self.written.get(&slot) else {
            self.written.insert(slot, new);
            return;
        };
        let overrides = entry.origin.file.as_ref() == CMDLINE && origin.file.as_ref() != CMDLINE;
        if *value != entry.value && !overrides && row.daemons_at(place).contains(self.config.daemon) {
            let brackets = entry.plugin.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
            let counts = if row.first_wins { "that one counts" } else { "this one counts" };
            let what = format!("{}{brackets} was set to another value before ({origin}): {counts}.", entry.key);
            self.problems.warn(&entry.origin, what, Some("Take one of the lines out.".to_owned()));
        }
        if !row.first_wins {
            self.written.insert(slot, new);
        }
    }

    /// Reports of a key in a plugin's brackets that it is meant for plugins of another type: it writes what a key of this
    /// type means, too, or nothing at all.
    fn remark_foreign(&mut self, entry: &Entry, row: &Row, place: Place, index: usize) {
        let Some(plugin) = self.config.plugins.get(index) else { return };
        let (kind, name) = (plugin.kind, &plugin.name);
        let owner = PluginKind::all().find(|owner| owner.owns(row.name()));
        let Some(owner) = owner.filter(|_| place == Place::PLUGIN && !kind.owns(row.name())) else { return };
        let own = keys::all().map(AnyKey::row).find(|own| own.slot() == row.slot() && kind.owns(own.name()));
        let prefix = owner.prefix();
        let (what, hint) = match own {
            // Times, limits and the like have always been written with the name of any plugin.
            Some(_) if !TARGETS.contains(&row.slot()) => return,
            Some(own) => {
                let old = plugin.record.get(&(row.slot_at(place), place)).filter(|old| old.text != entry.value);
                let place_of = old.map(|old| format!(" in place of {} ({})", old.key, old.origin));
                let what = format!(
                    "{}[{name}] is a key of other plugins than {}, and sets {}{}: they are one setting.",
                    entry.key,
                    kind.word(),
                    own.name(),
                    place_of.unwrap_or_default()
                );
                (what, Some(format!("Write {}[{name}].", own.name())))
            }
            // All plugins with a schedule read some of these.
            None if matches!(prefix, "print_" | "sql_") => return,
            None => (format!("{}[{name}] has no effect: '{name}' is of type {}.", entry.key, kind.word()), None),
        };
        self.problems.warn(&entry.origin, what, hint);
    }

    fn store(&mut self, row: &Row, place: Place, target: Option<usize>, setting: Setting) {
        let slot = (row.slot_at(place), place);
        // A line without brackets reaches plugins of other types, too, and may write what it was not meant for.
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
                    "{} takes the place of {} ({}) in plugin '{owner}': they are one setting.",
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

    /// Warns where a plugin writes to what a key of another plugin names, when that other plugin is there: the two share
    /// a setting, and a line without brackets sets both.
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
                        "{} is meant for '{}', and plugin '{}' takes it, too: they are one setting.",
                        setting.key, other.name, plugin.name
                    );
                    let hint = Some(format!("Name the plugin: {}[{}].", setting.key, other.name));
                    self.problems.warn(&setting.origin, what, hint);
                }
            }
        }
    }
}

/// Where an address and a port were mixed up: the key that takes the other one.
///
/// `nfacctd_port: 127.0.0.1` and `nfacctd_ip: 2055` name the half that the other key is for.
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
