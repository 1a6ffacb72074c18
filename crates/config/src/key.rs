//! What a configuration key is, and the table form in which keys are declared.
//!
//! Everything that is known about a key stands in one row: its names, the form and the type of its value, its default,
//! where it may be written, which daemons heed it, its command line letter, and its documentation. The parser, the
//! checks, the command line and `CONFIG-KEYS.md` all follow from that row.
//!
//! ```text
//! keys! {
//!     /// UDP port to listen on.
//!     ///
//!     /// Several daemons may share it. The first sentence above is the summary; this is the rest.
//!     NFACCTD_PORT: u16 = port(&["nfacctd_port", "sfacctd_port"])   // several spellings of one value
//!         .default("2100")                  // as it would be written in a file: the type loses its `Option`
//!         .default_in(SFACCTD, "6343")      // …and where it differs
//!         .daemons(COLLECTORS)              // who heeds it (default: ALL)
//!         .option('l', COLLECTORS, "port")  // -l port
//!         .acts();                          // implemented (default: NotYet)
//!
//!     /// File of client settings.
//!     KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["kafka_config_file"])   // no default: an `Option`
//!         .places(&[Place::PLUGIN, Place::BGP_DAEMON_MSGLOG])  // bgp_daemon_msglog_kafka_config_file is a
//!         .both()                                              // value of its own, read with `core_at`
//!         .daemons(FLOW);
//!
//!     /// Only records with such a tag go to the plugin.
//!     PRE_TAG_FILTER: Option<Vec<String>> = list(&["pre_tag_filter"]).plugin_only("TAG filter").daemons(FLOW);
//! }
//! ```
//!
//! `.default_in` may also stand on a key without default: then some daemons have one.
//!
//! A key is global unless it says `both()` or `plugin_only("…")`. Two relations are told apart: *spellings* are
//! several names of one value, *places* are several values of one meaning.
//! A third is a habit of old that configurations may rely on: keys of different plugins that write one and the same
//! setting (`kafka_topic`, `sql_table`, …). Those are keys of their own (`.shares("sql_table")`), with one slot.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::{ALL, COLLECTORS, Daemon, Daemons, FLOW, PMBGPD, PMBMPD, PMTELEMETRYD, SFACCTD};
use crate::value::{Span, Syntax, Value, ValueError, Word};

/// Where a key may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One value for the daemon; a plugin name in brackets is accepted and dropped.
    Global,
    /// A value for all, or one for each plugin in brackets.
    Both,
    /// Only with a plugin name in brackets. The text names the thing in the message that refuses a global line.
    PluginOnly(&'static str),
}

/// What this implementation does about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is heeded.
    Acts,
    /// It is known, checked, and has no effect yet: whoever sets it is warned.
    NotYet,
    /// Nothing here needs it; the text says why.
    NoOp(&'static str),
    /// It belonged to an older version; the text says what to do instead.
    Removed(&'static str),
}

/// When a change of the thing that a key names is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At the next start only.
    Never,
    /// SIGHUP opens the file anew.
    Hup,
    /// SIGUSR2 reads the file again.
    Usr2,
}

/// An owner of values of a key: a prefix of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub &'static str);

impl Place {
    /// The plain name: the plugin's own (or, for a global key, the daemon's) value.
    pub const PLUGIN: Self = Self("");
    /// Messages of BGP peers, as they come.
    pub const BGP_DAEMON_MSGLOG: Self = Self("bgp_daemon_msglog_");
    /// Dumps of BGP tables.
    pub const BGP_TABLE_DUMP: Self = Self("bgp_table_dump_");
    /// Messages of BMP routers, as they come.
    pub const BMP_DAEMON_MSGLOG: Self = Self("bmp_daemon_msglog_");
    /// Dumps of BMP tables.
    pub const BMP_DUMP: Self = Self("bmp_dump_");
    /// Messages of telemetry exporters, as they come.
    pub const TELEMETRY_DAEMON_MSGLOG: Self = Self("telemetry_daemon_msglog_");
    /// Dumps of telemetry.
    pub const TELEMETRY_DUMP: Self = Self("telemetry_dump_");
    /// Counter samples of sFlow.
    pub const SFACCTD_COUNTER: Self = Self("sfacctd_counter_");

    /// What daemons write by themselves: logs of events as they come, and dumps of tables.
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
    /// Logs of messages as they come from peers.
    pub const MESSAGE_LOGS: &[Self] =
        &[Self::BGP_DAEMON_MSGLOG, Self::BMP_DAEMON_MSGLOG, Self::TELEMETRY_DAEMON_MSGLOG];
    /// Dumps of what peers said.
    pub const DUMPS: &[Self] = &[Self::BGP_TABLE_DUMP, Self::BMP_DUMP, Self::TELEMETRY_DUMP];

    /// False for owners that this version lacks: their keys are known, and have no effect yet.
    #[must_use]
    pub fn is_there(self) -> bool {
        self == Self::PLUGIN || self == Self::SFACCTD_COUNTER
    }

    /// The daemons that have such an owner; `None` for the plain name, whose daemons the key itself says.
    #[must_use]
    pub fn daemons(self) -> Option<Daemons> {
        match self {
            Self::BGP_DAEMON_MSGLOG | Self::BGP_TABLE_DUMP => Some(FLOW.and(PMBGPD)),
            Self::BMP_DAEMON_MSGLOG | Self::BMP_DUMP => Some(COLLECTORS.and(PMBMPD)),
            Self::TELEMETRY_DAEMON_MSGLOG | Self::TELEMETRY_DUMP => Some(FLOW.and(PMTELEMETRYD)),
            Self::SFACCTD_COUNTER => Some(SFACCTD),
            _ => None,
        }
    }
}

/// A command line letter that sets a key.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// The letter behind the dash.
    pub letter: char,
    /// The daemons where it means this key.
    pub daemons: Daemons,
    /// Name of the argument in the usage text, or what a letter without one sets.
    pub takes: Takes,
    /// The spelling, with its place, that stands in the line it becomes; empty for the key's first name.
    pub spelling: &'static str,
}

/// What follows a command line letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// An argument; the text names it in the usage.
    Argument(&'static str),
    /// Nothing: the letter sets the key to this value.
    Nothing(&'static str),
}

/// The untyped part of a key: everything that parser, checks and documents need.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Names of the one value; the first is the usual one.
    pub spellings: &'static [&'static str],
    /// Owners that have a value of their own.
    pub places: &'static [Place],
    /// Name of the slot when it is shared with other keys.
    pub shares: Option<&'static str>,
    /// Form of the value.
    pub syntax: Syntax,
    /// Default, as a file would write it.
    pub default: Option<&'static str>,
    /// Default of some daemons where it is another.
    pub default_in: Option<(Daemons, &'static str)>,
    /// Where it may be written.
    pub scope: Scope,
    /// Daemons that heed it.
    pub daemons: Daemons,
    /// Command line letters.
    pub letters: [Option<Letter>; 4],
    /// Whether the first line counts, not the last.
    pub first_wins: bool,
    /// Whether a bad value keeps the daemon from starting, instead of leaving the default in place.
    pub or_exit: bool,
    /// Whether it will go.
    pub legacy: bool,
    /// When a change is noticed.
    pub reload: Reload,
    /// What this implementation does about it.
    pub state: State,
    /// Where it does that: in the other daemons that would heed the key it has no effect yet.
    pub acts_in: Daemons,
    /// Documentation, Markdown; the first sentence is a summary.
    pub doc: &'static str,
}

impl Row {
    /// Every full name: each place with each spelling.
    pub fn names(&self) -> impl Iterator<Item = (Place, String)> + '_ {
        let places = self.places.iter().copied();
        places.flat_map(|p| self.spellings.iter().map(move |s| (p, format!("{}{s}", p.0))))
    }

    /// The usual name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spellings.first().copied().unwrap_or_default()
    }

    /// The usual name in one daemon: the spelling that begins as the daemon's own keys do, if there is one.
    #[must_use]
    pub fn name_in(&self, daemon: Daemon) -> &'static str {
        let own = |prefix: &&str| self.spellings.iter().copied().find(|spelling| spelling.starts_with(prefix));
        daemon.prefixes().iter().find_map(own).unwrap_or(self.name())
    }

    /// The daemons that heed the value of a place.
    #[must_use]
    pub fn daemons_at(&self, place: Place) -> Daemons {
        place.daemons().unwrap_or(self.daemons)
    }

    /// Where the value of a place may be written: owners other than plugins have one value in a daemon.
    #[must_use]
    pub fn scope_at(&self, place: Place) -> Scope {
        if place == Place::PLUGIN { self.scope } else { Scope::Global }
    }

    /// The name under which the value is kept; keys that share a setting have the same.
    #[must_use]
    pub fn slot(&self) -> &'static str {
        self.shares.unwrap_or(self.name())
    }

    /// The name under which the value of a place is kept: only plugins share settings.
    #[must_use]
    pub fn slot_at(&self, place: Place) -> &'static str {
        if place == Place::PLUGIN { self.slot() } else { self.name() }
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

/// A key whatever its type: what tables of keys hold.
pub trait AnyKey: Sync {
    /// Everything but the type.
    fn row(&self) -> &Row;
    /// Whether a text is a value of the key.
    ///
    /// # Errors
    /// It is not; the refusal says why and what would be right.
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
            places: &[Place::PLUGIN],
            shares: None,
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
            doc: "",
        };
        Self { row, resolve: optional::<T> }
    }

    /// The value where no line gives one, as a line would write it.
    pub const fn default(self, text: &'static str) -> Key<T> {
        let mut row = self.row;
        row.default = Some(text);
        Key { row, resolve: required::<T> }
    }
}

impl<T> Key<T> {
    /// Another default in some daemons; comes after [`Key::default`].
    pub const fn default_in(mut self, daemons: Daemons, text: &'static str) -> Self {
        self.row.default_in = Some((daemons, text));
        self
    }

    /// A line without brackets is meant for all plugins, one with brackets for one.
    pub const fn both(mut self) -> Self {
        self.row.scope = Scope::Both;
        self
    }

    /// Lines without brackets are refused: `… cannot be global. Not loaded.`
    pub const fn plugin_only(mut self, thing: &'static str) -> Self {
        self.row.scope = Scope::PluginOnly(thing);
        self
    }

    /// The daemons that heed it; all when not said.
    pub const fn daemons(mut self, daemons: Daemons) -> Self {
        self.row.daemons = daemons;
        self
    }

    /// Owners that each have a value of their own; just the plain name when not said.
    pub const fn places(mut self, places: &'static [Place]) -> Self {
        self.row.places = places;
        self
    }

    /// Writes the same setting as the keys of other plugins that name this slot.
    pub const fn shares(mut self, slot: &'static str) -> Self {
        self.row.shares = Some(slot);
        self
    }

    /// Values that merely begin with a word of the list count as that word.
    pub const fn by_prefix(mut self) -> Self {
        if let Syntax::Words { words, .. } = self.row.syntax {
            self.row.syntax = Syntax::Words { words, prefix: true };
        }
        self
    }

    /// Items of the list are turned to lower case.
    pub const fn lowercase(mut self) -> Self {
        self.row.syntax = Syntax::List { lower: true };
        self
    }

    /// A letter K, M or G may follow a number of octets.
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

    /// A command line letter without argument, which sets the key to `value`.
    pub const fn flag(self, letter: char, daemons: Daemons, value: &'static str) -> Self {
        self.letter(Letter { letter, daemons, takes: Takes::Nothing(value), spelling: "" })
    }

    /// A command line letter that sets the value of one place or spelling, such as `bgp_daemon_msglog_file`.
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

    /// Of several lines the first counts, not the last.
    pub const fn first_wins(mut self) -> Self {
        self.row.first_wins = true;
        self
    }

    /// A bad value keeps the daemon from starting, instead of leaving the default in place.
    pub const fn or_exit(mut self) -> Self {
        self.row.or_exit = true;
        self
    }

    /// It works, and whoever uses it is told that it will go.
    pub const fn legacy(mut self) -> Self {
        self.row.legacy = true;
        self
    }

    /// SIGHUP opens the file anew.
    pub const fn hup(mut self) -> Self {
        self.row.reload = Reload::Hup;
        self
    }

    /// SIGUSR2 reads the file again.
    pub const fn usr2(mut self) -> Self {
        self.row.reload = Reload::Usr2;
        self
    }

    /// It is implemented.
    pub const fn acts(mut self) -> Self {
        self.row.state = State::Acts;
        self
    }

    /// It is heeded in some daemons, and not yet in the others.
    pub const fn acts_in(mut self, daemons: Daemons) -> Self {
        self.row.acts_in = daemons;
        self.acts()
    }

    /// Nothing here needs it, because …
    pub const fn no_op(mut self, why: &'static str) -> Self {
        self.row.state = State::NoOp(why);
        self
    }

    /// It is gone; do this instead.
    pub const fn removed(mut self, hint: &'static str) -> Self {
        self.row.state = State::Removed(hint);
        self
    }

    /// Used by `keys!`, which has the text.
    pub(crate) const fn documented(mut self, doc: &'static str) -> Self {
        self.row.doc = doc;
        self
    }

    /// Everything but the type.
    #[must_use]
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The value of a text, or of the default of a daemon where the text is absent or was written for another key
    /// that shares the slot and makes no sense here.
    pub(crate) fn value(&self, text: Option<&str>, daemon: Daemon) -> T {
        if let Some(Ok(value)) = text.map(|text| (self.resolve)(&self.row.syntax, Some(text))) {
            return value;
        }
        (self.resolve)(&self.row.syntax, self.row.default_for(daemon))
            .expect("each default is a value of its key: a test walks the table")
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

/// A number of octets, `min` or more.
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

/// Letters that may follow a `%` in names that outputs make of the time.
pub const TIME_LETTERS: &str = "dHmMsSwWYz";

/// A file whose name may hold variables; the letters are those that may follow a `%`.
pub const fn path_pattern(names: Names, letters: &'static str) -> Key<Option<PathBuf>> {
    Key::new(names, Syntax::Pattern { letters, max: usize::MAX })
}

/// A name that may hold variables; the letters are those that may follow a `%`.
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

/// Items between commas.
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
/// The macro lists; what a row means is decided by the methods of [`Key`].
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident : $type:ty = $key:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: $crate::key::Key<$type> =
            $key.documented(concat!($($doc, "\n"),+));)*

        /// Every key of this group, in the order of the documentation.
        pub static KEYS: &[&dyn $crate::key::AnyKey] = &[$(&$name),*];
    };
}
pub(crate) use keys;
