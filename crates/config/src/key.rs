//! What a configuration key is, and the table form in which keys are declared.
//!
//! One row declares everything about a key: its names, the form and the type of its value, its default,
//! where it may be written, which daemons use it, its command line letter, and its documentation. The parser, the
//! checks, the command line and `CONFIG-KEYS.md` all follow from that row.
//!
//! ```text
//! keys! {
//!     /// UDP port to listen on.
//!     ///
//!     /// Several daemons may share it. The first sentence above is the summary; this is the rest.
//!     NFACCTD_PORT: u16 = port(&["nfacctd_port", "sfacctd_port"])   // several spellings of one value
//!         .default("2100")                  // as a file would write it; the type is no longer an `Option`
//!         .default_in(SFACCTD, "6343")      // …and where it differs
//!         .daemons(COLLECTORS)              // which daemons use it (default: ALL)
//!         .option('l', COLLECTORS, "port")  // -l port
//!         .acts();                          // implemented (default: NotYet)
//!
//!     /// File of client settings.
//!     KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["kafka_config_file"])   // no default: an `Option`
//!         .prefixes(&[KeyPrefix::PLUGIN, KeyPrefix::BGP_DAEMON_MSGLOG])  // bgp_daemon_msglog_kafka_config_file is a
//!         .both()                                              // value of its own, read with `core_at`
//!         .daemons(FLOW);
//!
//!     /// Only records with one of these tags reach the plugin.
//!     PRE_TAG_FILTER: Option<Vec<String>> = list(&["pre_tag_filter"]).plugin_only("TAG filter").daemons(FLOW);
//! }
//! ```
//!
//! `.default_in` is also allowed on a key without a default: then only those daemons have one.
//!
//! A key is global unless it says `both()` or `plugin_only("…")`. *Spellings* are several names of one
//! value; *key prefixes* are several values with one meaning.
//! Configurations may also rely on keys of different plugins that write the same setting (`kafka_topic`, `sql_table`,
//! …), as in pmacct. Those are separate keys (`.stored_as("sql_table")`) with one slot.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::{ALL, Daemon, Daemons, FLOW, PMBGPD, PMBMPD, PMTELEMETRYD, SFACCTD};
use crate::value::{Span, Syntax, Value, ValueError, Word};

/// Where a key may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One value for the daemon; a plugin name in brackets is accepted and ignored.
    Global,
    /// One value for all plugins, or one for the plugin in brackets.
    Both,
    /// Only with a plugin name in brackets. The text names the setting in the error for a global line.
    PluginOnly(&'static str),
}

/// What this implementation does about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is implemented.
    Acts,
    /// It is accepted and checked, but has no effect yet: a line that sets it causes a warning.
    NotYet,
    /// It is not supported; the text says why. A line that sets it causes a warning.
    Unsupported(&'static str),
    /// It has no effect by design; the text says why.
    NoOp(&'static str),
    /// It existed in an older version; the text says what to use instead.
    Removed(&'static str),
}

/// When a change of the file that a key names takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At the next start only.
    Never,
    /// SIGHUP reopens the file.
    Hup,
    /// SIGUSR2 reloads the file.
    Usr2,
}

/// What a key's name begins with where one key has several values: `bgp_table_dump_` in `bgp_table_dump_kafka_topic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPrefix(pub &'static str);

impl KeyPrefix {
    /// No prefix: the value of a plugin or, for a global key, of the daemon.
    pub const PLUGIN: Self = Self("");
    /// Log of messages from BGP peers.
    pub const BGP_DAEMON_MSGLOG: Self = Self("bgp_daemon_msglog_");
    /// Dumps of BGP tables.
    pub const BGP_TABLE_DUMP: Self = Self("bgp_table_dump_");
    /// Log of messages from BMP routers.
    pub const BMP_DAEMON_MSGLOG: Self = Self("bmp_daemon_msglog_");
    /// Dumps of BMP tables.
    pub const BMP_DUMP: Self = Self("bmp_dump_");
    /// Log of messages from telemetry exporters.
    pub const TELEMETRY_DAEMON_MSGLOG: Self = Self("telemetry_daemon_msglog_");
    /// Dumps of telemetry.
    pub const TELEMETRY_DUMP: Self = Self("telemetry_dump_");
    /// Log of sFlow counter samples.
    pub const SFACCTD_COUNTER: Self = Self("sfacctd_counter_");

    /// Event logs and dumps of tables.
    pub const EVENTS: &[Self] = &[
        Self::TELEMETRY_DAEMON_MSGLOG,
        Self::TELEMETRY_DUMP,
        Self::SFACCTD_COUNTER,
        Self::BGP_DAEMON_MSGLOG,
        Self::BGP_TABLE_DUMP,
        Self::BMP_DAEMON_MSGLOG,
        Self::BMP_DUMP,
    ];
    /// Plugins, and [`Self::EVENTS`].
    pub const PLUGIN_AND_EVENTS: &[Self] = &[
        Self::PLUGIN,
        Self::TELEMETRY_DAEMON_MSGLOG,
        Self::TELEMETRY_DUMP,
        Self::SFACCTD_COUNTER,
        Self::BGP_DAEMON_MSGLOG,
        Self::BGP_TABLE_DUMP,
        Self::BMP_DAEMON_MSGLOG,
        Self::BMP_DUMP,
    ];
    /// Logs of messages from peers.
    pub const MESSAGE_LOGS: &[Self] =
        &[Self::BGP_DAEMON_MSGLOG, Self::BMP_DAEMON_MSGLOG, Self::TELEMETRY_DAEMON_MSGLOG];
    /// Dumps of the tables that peers fill.
    pub const DUMPS: &[Self] = &[Self::BGP_TABLE_DUMP, Self::BMP_DUMP, Self::TELEMETRY_DUMP];

    /// The daemons in which keys with this prefix have an effect; `None` without a prefix, where the key itself lists them.
    #[must_use]
    pub fn daemons(self) -> Option<Daemons> {
        match self {
            Self::BGP_DAEMON_MSGLOG | Self::BGP_TABLE_DUMP => Some(FLOW.and(PMBGPD)),
            Self::BMP_DAEMON_MSGLOG | Self::BMP_DUMP => Some(FLOW.and(PMBMPD)),
            Self::TELEMETRY_DAEMON_MSGLOG | Self::TELEMETRY_DUMP => Some(FLOW.and(PMTELEMETRYD)),
            Self::SFACCTD_COUNTER => Some(SFACCTD),
            _ => None,
        }
    }
}

/// A command line letter that sets a key.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// The letter after the dash.
    pub letter: char,
    /// The daemons in which it sets this key.
    pub daemons: Daemons,
    /// Name of the argument in the usage text, or the value that a letter without an argument sets.
    pub takes: Takes,
    /// The spelling, with its key prefix, that the option is converted to; empty for the key's first name.
    pub spelling: &'static str,
}

/// Whether an argument follows a command line letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// An argument; the text is its name in the usage.
    Argument(&'static str),
    /// Nothing: the letter sets the key to this value.
    Nothing(&'static str),
}

/// The untyped part of a key: everything that the parser, the checks and the documents need.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Names of one value; the first is the usual one.
    pub spellings: &'static [&'static str],
    /// Key prefixes, each with its own value.
    pub prefixes: &'static [KeyPrefix],
    /// Name of the slot if it is shared with other keys.
    pub stored_as: Option<&'static str>,
    /// Syntax of the value.
    pub syntax: Syntax,
    /// Default, as a file would write it.
    pub default: Option<&'static str>,
    /// Default of some daemons, if it differs.
    pub default_in: Option<(Daemons, &'static str)>,
    /// Where it may be written.
    pub scope: Scope,
    /// Daemons that use it.
    pub daemons: Daemons,
    /// Command line letters.
    pub letters: [Option<Letter>; 4],
    /// Whether the first line is used, not the last.
    pub first_wins: bool,
    /// Whether an invalid value prevents the daemon from starting, instead of leaving the default.
    pub or_exit: bool,
    /// Whether it will be removed in the next major release.
    pub legacy: bool,
    /// When a change takes effect.
    pub reload: Reload,
    /// What this implementation does about it.
    pub state: State,
    /// The daemons that implement it.
    pub acts_in: Daemons,
    /// Why the other daemons that list the key do not support it.
    pub elsewhere: &'static str,
    /// Documentation, Markdown; the first sentence is a summary.
    pub doc: &'static str,
}

impl Row {
    /// Every full name: each key prefix with each spelling.
    pub fn names(&self) -> impl Iterator<Item = (KeyPrefix, String)> + '_ {
        let prefixes = self.prefixes.iter().copied();
        prefixes.flat_map(|p| self.spellings.iter().map(move |s| (p, format!("{}{s}", p.0))))
    }

    /// The usual name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spellings.first().copied().unwrap_or_default()
    }

    /// The usual name in one daemon: the spelling that begins like the daemon's own keys, if there is one.
    #[must_use]
    pub fn name_in(&self, daemon: Daemon) -> &'static str {
        let own = |prefix: &&str| self.spellings.iter().copied().find(|spelling| spelling.starts_with(prefix));
        daemon.prefixes().iter().find_map(own).unwrap_or(self.name())
    }

    /// The daemons that use the value with a key prefix.
    #[must_use]
    pub fn daemons_at(&self, prefix: KeyPrefix) -> Daemons {
        prefix.daemons().unwrap_or(self.daemons)
    }

    /// Where the value with a key prefix may be written: only values of plugins may have brackets.
    #[must_use]
    pub fn scope_at(&self, prefix: KeyPrefix) -> Scope {
        if prefix == KeyPrefix::PLUGIN { self.scope } else { Scope::Global }
    }

    /// The name under which the value is stored; keys that share a setting have the same slot.
    #[must_use]
    pub fn slot(&self) -> &'static str {
        self.stored_as.unwrap_or(self.name())
    }

    /// The name under which the value with a key prefix is stored: only plugins share settings.
    #[must_use]
    pub fn slot_at(&self, prefix: KeyPrefix) -> &'static str {
        if prefix == KeyPrefix::PLUGIN { self.slot() } else { self.name() }
    }

    /// The default in one daemon, as a file would write it.
    #[must_use]
    pub fn default_for(&self, daemon: Daemon) -> Option<&'static str> {
        match self.default_in {
            Some((daemons, text)) if daemons.contains(daemon) => Some(text),
            _ => self.default,
        }
    }

    /// First sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> String {
        let doc = self.doc.trim();
        let paragraph = doc.split("\n\n").next().unwrap_or(doc);
        let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.find(". ") {
            Some(end) => text[..=end].to_owned(),
            None => text,
        }
    }
}

/// A configuration key whose value is a `T`.
///
/// `Key<Option<T>>` is a key without default; `Key<T>` always has a value.
pub struct Key<T: 'static> {
    row: Row,
    resolve: fn(&Syntax, Option<&str>) -> Result<T, ValueError>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.row.name())
    }
}

/// A key of any type: the element of tables of keys.
pub trait AnyKey: Sync {
    /// Everything but the type.
    fn row(&self) -> &Row;
    /// Checks that a text is a value of the key.
    ///
    /// # Errors
    /// It is not; the error says why and what is expected.
    fn check(&self, text: &str) -> Result<(), ValueError>;
}

impl<T> AnyKey for Key<T> {
    fn row(&self) -> &Row {
        &self.row
    }
    fn check(&self, text: &str) -> Result<(), ValueError> {
        (self.resolve)(&self.row.syntax, Some(text)).map(drop)
    }
}

fn optional<T: Value>(syntax: &Syntax, text: Option<&str>) -> Result<Option<T>, ValueError> {
    text.map(|text| T::read(syntax, text)).transpose()
}

fn required<T: Value>(syntax: &Syntax, text: Option<&str>) -> Result<T, ValueError> {
    T::read(syntax, text.unwrap_or_default())
}

impl<T: Value> Key<Option<T>> {
    const fn new(spellings: &'static [&'static str], syntax: Syntax) -> Self {
        let row = Row {
            spellings,
            prefixes: &[KeyPrefix::PLUGIN],
            stored_as: None,
            syntax,
            default: None,
            default_in: None,
            scope: Scope::Global,
            daemons: ALL,
            letters: [None; 4],
            first_wins: false,
            or_exit: false,
            legacy: false,
            reload: Reload::Never,
            state: State::NotYet,
            acts_in: ALL,
            elsewhere: "",
            doc: "",
        };
        Self { row, resolve: optional::<T> }
    }

    /// The value if no line sets one, as a line would write it.
    pub const fn default(self, text: &'static str) -> Key<T> {
        let mut row = self.row;
        row.default = Some(text);
        Key { row, resolve: required::<T> }
    }
}

impl<T> Key<T> {
    /// A different default in some daemons; call it after [`Key::default`].
    pub const fn default_in(mut self, daemons: Daemons, text: &'static str) -> Self {
        self.row.default_in = Some((daemons, text));
        self
    }

    /// A line without brackets applies to all plugins, one with brackets to one.
    pub const fn both(mut self) -> Self {
        self.row.scope = Scope::Both;
        self
    }

    /// Lines without brackets are rejected: `… cannot be global. Not loaded.`
    pub const fn plugin_only(mut self, thing: &'static str) -> Self {
        self.row.scope = Scope::PluginOnly(thing);
        self
    }

    /// The daemons that use it; by default all.
    pub const fn daemons(mut self, daemons: Daemons) -> Self {
        self.row.daemons = daemons;
        self
    }

    /// Key prefixes, each with its own value; by default only the plain name.
    pub const fn prefixes(mut self, prefixes: &'static [KeyPrefix]) -> Self {
        self.row.prefixes = prefixes;
        self
    }

    /// Writes the same setting as the keys of other plugins that name this slot.
    pub const fn stored_as(mut self, slot: &'static str) -> Self {
        self.row.stored_as = Some(slot);
        self
    }

    /// Values that only begin with a word of the list are accepted as that word.
    pub const fn by_prefix(mut self) -> Self {
        if let Syntax::Words { words, .. } = self.row.syntax {
            self.row.syntax = Syntax::Words { words, prefix: true };
        }
        self
    }

    /// Converts the items of the list to lower case.
    pub const fn lowercase(mut self) -> Self {
        self.row.syntax = Syntax::List { lower: true };
        self
    }

    /// A letter K, M or G may follow a number of bytes.
    pub const fn with_units(mut self) -> Self {
        if let Syntax::Bytes { min, .. } = self.row.syntax {
            self.row.syntax = Syntax::Bytes { min, suffix: true };
        }
        self
    }

    /// A command line letter with an argument.
    pub const fn option(self, letter: char, daemons: Daemons, argument: &'static str) -> Self {
        self.letter(Letter { letter, daemons, takes: Takes::Argument(argument), spelling: "" })
    }

    /// A command line letter without an argument, which sets the key to `value`.
    pub const fn flag(self, letter: char, daemons: Daemons, value: &'static str) -> Self {
        self.letter(Letter { letter, daemons, takes: Takes::Nothing(value), spelling: "" })
    }

    /// A command line letter that sets the value of one key prefix or spelling, such as `bgp_daemon_msglog_file`.
    pub const fn option_for(
        self,
        letter: char,
        daemons: Daemons,
        argument: &'static str,
        spelling: &'static str,
    ) -> Self {
        self.letter(Letter { letter, daemons, takes: Takes::Argument(argument), spelling })
    }

    const fn letter(mut self, letter: Letter) -> Self {
        let mut free = 0;
        while self.row.letters[free].is_some() {
            free += 1; // a fifth letter does not compile: this runs in constants only
        }
        self.row.letters[free] = Some(letter);
        self
    }

    /// Of several lines the first is used, not the last.
    pub const fn first_wins(mut self) -> Self {
        self.row.first_wins = true;
        self
    }

    /// An invalid value prevents the daemon from starting, instead of leaving the default.
    pub const fn or_exit(mut self) -> Self {
        self.row.or_exit = true;
        self
    }

    /// It works, with a warning that it will be removed in the next major release.
    pub const fn legacy(mut self) -> Self {
        self.row.legacy = true;
        self
    }

    /// SIGHUP reopens the file.
    pub const fn hup(mut self) -> Self {
        self.row.reload = Reload::Hup;
        self
    }

    /// SIGUSR2 reloads the file.
    pub const fn usr2(mut self) -> Self {
        self.row.reload = Reload::Usr2;
        self
    }

    /// It is implemented.
    pub const fn acts(mut self) -> Self {
        self.row.state = State::Acts;
        self
    }

    /// It is implemented in some daemons, and not supported by the others, because …
    pub const fn acts_in(mut self, daemons: Daemons, elsewhere: &'static str) -> Self {
        self.row.acts_in = daemons;
        self.row.elsewhere = elsewhere;
        self.acts()
    }

    /// It is not supported, because …
    pub const fn unsupported(mut self, why: &'static str) -> Self {
        self.row.state = State::Unsupported(why);
        self
    }

    /// It has no effect, because …
    pub const fn no_op(mut self, why: &'static str) -> Self {
        self.row.state = State::NoOp(why);
        self
    }

    /// It was removed; do this instead.
    pub const fn removed(mut self, hint: &'static str) -> Self {
        self.row.state = State::Removed(hint);
        self
    }

    /// Sets the documentation; used by `keys!`.
    pub(crate) const fn documented(mut self, doc: &'static str) -> Self {
        self.row.doc = doc;
        self
    }

    /// Everything but the type.
    #[must_use]
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// Returns the value of a text, or the daemon's default if the text is absent or was written for another key that shares
    /// the slot and is invalid here.
    pub(crate) fn value(&self, text: Option<&str>, daemon: Daemon) -> T {
        if let Some(Ok(value)) = text.map(|text| (self.resolve)(&self.row.syntax, Some(text))) {
            return value;
        }
        (self.resolve)(&self.row.syntax, self.row.default_for(daemon))
            .expect("a test checks that each default is a value of its key")
    }
}

type Names = &'static [&'static str];

/// `true` or `false`.
pub const fn boolean(names: Names) -> Key<Option<bool>> {
    Key::new(names, Syntax::Boolean)
}

/// A whole number from `min` to `max`.
pub const fn integer<T: Value>(names: Names, min: i128, max: i128) -> Key<Option<T>> {
    Key::new(names, Syntax::Integer { min, max })
}

/// A number of seconds, `min` or more.
pub const fn seconds(names: Names, min: u64) -> Key<Option<Duration>> {
    Key::new(names, Syntax::Seconds { min })
}

/// A number of bytes, `min` or more.
pub const fn bytes(names: Names, min: u64) -> Key<Option<u64>> {
    Key::new(names, Syntax::Bytes { min, suffix: false })
}

/// A UDP or TCP port.
pub const fn port(names: Names) -> Key<Option<u16>> {
    Key::new(names, Syntax::Port)
}

/// An IP address.
pub const fn address(names: Names) -> Key<Option<IpAddr>> {
    Key::new(names, Syntax::Address)
}

/// A file, directory or socket.
pub const fn path(names: Names) -> Key<Option<PathBuf>> {
    Key::new(names, Syntax::Path)
}

/// Letters that may follow a `%` in output names that contain the time.
pub const TIME_LETTERS: &str = "dHmMsSwWYz";

/// A file whose name may contain variables; the letters are those that may follow a `%`.
pub const fn path_pattern(names: Names, letters: &'static str) -> Key<Option<PathBuf>> {
    Key::new(names, Syntax::Pattern { letters, max: usize::MAX })
}

/// A name that may contain variables; the letters are those that may follow a `%`.
pub const fn pattern(names: Names, letters: &'static str, max: usize) -> Key<Option<String>> {
    Key::new(names, Syntax::Pattern { letters, max })
}

/// Any text.
pub const fn text(names: Names) -> Key<Option<String>> {
    Key::new(names, Syntax::Text)
}

/// One word of the list that the type declares (`words!`).
pub const fn words<W: Word + Value>(names: Names) -> Key<Option<W>> {
    Key::new(names, Syntax::Words { words: W::WORDS, prefix: false })
}

/// Items separated by commas.
pub const fn list(names: Names) -> Key<Option<Vec<String>>> {
    Key::new(names, Syntax::List { lower: false })
}

/// An octal number.
pub const fn octal(names: Names, min: u32, max: u32) -> Key<Option<u32>> {
    Key::new(names, Syntax::Octal { min, max })
}

/// A 16-bit code point in decimal, hexadecimal or octal.
pub const fn code(names: Names) -> Key<Option<u16>> {
    Key::new(names, Syntax::Code)
}

/// One character.
pub const fn character(names: Names) -> Key<Option<char>> {
    Key::new(names, Syntax::Character)
}

/// A length of time such as `5m` or `1M`.
pub const fn span(names: Names) -> Key<Option<Span>> {
    Key::new(names, Syntax::Span)
}

/// Declares the keys of a group: a constant for each row, and `KEYS`, the list of all.
///
/// The methods of [`Key`] define the meaning of a row.
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident : $type:ty = $key:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: $crate::key::Key<$type> =
            $key.documented(concat!($($doc, "\n"),+));)*

        /// Every key of this group, in the order of the documentation.
        pub static KEYS: &[&dyn $crate::key::AnyKey] = &[$(&$name),*];
    };
}
pub(crate) use keys;
