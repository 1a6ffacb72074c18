//! Names with variables, of output files, tables, topics and routing keys.
//!
//! | variable | value |
//! |---|---|
//! | `%d %H %m %M %S %w %W %Y %z` | as in strftime, for the given time |
//! | `%s` | that time in seconds since 1970 |
//! | `%%` | a percent sign |
//! | `$tzone` | the zone's offset from UTC, `+01:00` |
//! | `$ref`, `$hst` | the refresh time and the length of the time bins, in seconds |
//! | `$tag`, `$post_tag`, `$tag2`, `$post_tag2` | tags of the record |
//! | `$peer_src_ip` | the exporter, dots and colons as `_`; `null` when unknown |
//!
//! Other percent letters are an error when the name is read. Other words after a dollar sign are not replaced.

use crate::address;
use crate::number::decimal;
use crate::value;
use aggregate::Aggregate;
use flow::column::Id;
use flow::schema::{At, Schema};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A parsed name that is not yet bound to a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Time(char),
    ZoneOffset,
    Refresh,
    History,
    Tag,
    Tag2,
    PeerSrcIp,
}

/// A word after a dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// A known variable: its word, and the column of the aggregate that supplies its value, if any.
    Known(&'static str, Option<Id>),
    /// An unknown variable, which is not replaced.
    Unknown(&'a str),
}

/// Finds the known variable at the start of a text, and the column that supplies its value.
pub type Lookup = fn(&str) -> Option<(&'static str, Option<Id>)>;

/// The variables of a text. A dollar sign without a word (`$1`, `$$`) is not a variable.
pub fn variables(text: &str, lookup: Lookup) -> impl Iterator<Item = Variable<'_>> {
    text.match_indices('$').filter_map(move |(at, _)| {
        let rest = text.get(at + 1..)?;
        if let Some((word, column)) = lookup(rest) {
            return Some(Variable::Known(word, column));
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = rest.get(..end).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
        word.map(Variable::Unknown)
    })
}

/// Variables of names of files and tables; for [`variables`].
pub fn of_names(text: &str) -> Option<(&'static str, Option<Id>)> {
    let (word, part) = word(text)?;
    let column = match part {
        Part::Tag => Some(Id::Tag),
        Part::Tag2 => Some(Id::Tag2),
        Part::PeerSrcIp => Some(Id::PeerIpSrc),
        _ => None,
    };
    Some((word, column))
}

/// Variables of topics and routing keys: those with a value from the aggregate; for [`variables`].
pub fn of_records(text: &str) -> Option<(&'static str, Option<Id>)> {
    of_names(text).filter(|(_, column)| column.is_some())
}

/// The known variables of names.
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// An unsupported letter after a percent sign; `None` for a percent sign at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported(pub Option<char>);

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(letter) => write!(f, "%{letter} not supported."),
            None => write!(f, "a single % at the end is not supported."),
        }
    }
}

impl std::error::Error for Unsupported {}

/// The supported letters after a percent sign.
const LETTERS: &str = "dHmMsSwWYz";

/// The words after a dollar sign; a longer one precedes its prefixes.
const WORDS: [(&str, Part); 8] = [
    ("post_tag2", Part::Tag2),
    ("post_tag", Part::Tag),
    ("peer_src_ip", Part::PeerSrcIp),
    ("tag2", Part::Tag2),
    ("tag", Part::Tag),
    ("tzone", Part::ZoneOffset),
    ("ref", Part::Refresh),
    ("hst", Part::History),
];

impl Template {
    /// Reads a name.
    pub fn parse(name: &str) -> Result<Self, Unsupported> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = name;
        while let Some(next) = rest.chars().next() {
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            let part = match next {
                '%' => {
                    let letter = rest.chars().next().ok_or(Unsupported(None))?;
                    rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                    match letter {
                        '%' => None,
                        letter if LETTERS.contains(letter) => Some(Part::Time(letter)),
                        letter => return Err(Unsupported(Some(letter))),
                    }
                }
                '$' => match word(rest) {
                    Some((word, part)) => {
                        rest = rest.get(word.len()..).unwrap_or_default();
                        Some(part)
                    }
                    None => None,
                },
                _ => None,
            };
            match part {
                None => text.push(next),
                Some(part) => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(part);
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts })
    }

    /// Reads the name of a topic or a routing key: only variables of records are replaced.
    pub fn parse_records_only(name: &str) -> Self {
        // A doubled percent sign is one percent sign.
        let parsed = Self::parse(&name.replace('%', "%%")).unwrap_or_default();
        let plain = |part: Part| match part {
            Part::ZoneOffset => Part::Text("$tzone".to_owned()),
            Part::Refresh => Part::Text("$ref".to_owned()),
            Part::History => Part::Text("$hst".to_owned()),
            part => part,
        };
        Self { parts: parsed.parts.into_iter().map(plain).collect() }
    }

    /// The text of the name, with a dollar sign for each variable.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            _ => "$",
        });
        texts.collect()
    }

    /// Returns true if the name depends on the time.
    pub fn has_time(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Time(_) | Part::ZoneOffset))
    }

    /// Returns true if the name depends on records.
    pub fn has_record(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Tag | Part::Tag2 | Part::PeerSrcIp))
    }

    /// Binds the name to a plugin: `refresh` and `history` are its settings in seconds.
    pub fn bind(&self, schema: &Schema, zone: TimeZone, refresh: u64, history: u64) -> Name {
        let at = |id: Id| schema.columns.iter().find(|column| column.id == id).map(|column| column.at);
        Name {
            parts: self.parts.clone(),
            has_time: self.has_time(),
            tag: self.parts.contains(&Part::Tag).then(|| at(Id::Tag)).flatten(),
            tag2: self.parts.contains(&Part::Tag2).then(|| at(Id::Tag2)).flatten(),
            peer: self.parts.contains(&Part::PeerSrcIp).then(|| at(Id::PeerIpSrc)).flatten(),
            zone,
            refresh,
            history,
        }
    }
}

/// The known word at the start of `text`, unless letters or digits follow it.
fn word(text: &str) -> Option<(&'static str, Part)> {
    let starts = |word: &str| {
        text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    WORDS.iter().find(|(word, _)| starts(word)).cloned()
}

/// A name that is bound to a plugin.
#[derive(Clone, Debug)]
pub struct Name {
    parts: Vec<Part>,
    has_time: bool,
    tag: Option<At>,
    tag2: Option<At>,
    peer: Option<At>,
    zone: TimeZone,
    refresh: u64,
    history: u64,
}

impl Name {
    /// Returns true if the name depends on the time.
    pub fn has_time(&self) -> bool {
        self.has_time
    }

    /// Returns true if the name depends on values that the record has.
    pub fn depends_on_record(&self) -> bool {
        self.tag.or(self.tag2).or(self.peer).is_some()
    }

    /// Writes the bytes of the record that determine the name to `key`: records with the same key (and time) have the
    /// same name.
    #[inline]
    pub fn key(&self, key: &mut Vec<u8>, row: &Aggregate<'_>) {
        for at in [self.tag, self.tag2].into_iter().flatten() {
            key.extend_from_slice(&value::field::<8>(row, at));
        }
        if let Some(at) = self.peer {
            key.extend_from_slice(&value::field::<16>(row, at));
        }
    }

    /// The name at a time (seconds since 1970), for a record; without one, tags are 0 and addresses unknown.
    pub fn fill(&self, seconds: u64, row: Option<&Aggregate<'_>>) -> String {
        let at = i64::try_from(seconds).unwrap_or(i64::MAX).min(Timestamp::MAX.as_second());
        let zoned = Timestamp::from_second(at).unwrap_or_default().to_zoned(self.zone.clone());
        let time = |format: &str| zoned.strftime(format).to_string();
        let tag = |at: Option<At>| match (at, row) {
            (Some(at), Some(row)) => u64::from_be_bytes(value::field(row, at)),
            _ => 0,
        };
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Time(letter) => name.push_str(&time(&format!("%{letter}"))),
                Part::ZoneOffset => name.push_str(&time("%:z")),
                Part::Refresh => push_number(&mut name, self.refresh),
                Part::History => push_number(&mut name, self.history),
                Part::Tag => push_number(&mut name, tag(self.tag)),
                Part::Tag2 => push_number(&mut name, tag(self.tag2)),
                Part::PeerSrcIp => {
                    let mut text = Vec::new();
                    if let (Some(at), Some(row)) = (self.peer, row) {
                        address::ip(&mut text, &value::field(row, at));
                    }
                    match text.is_empty() {
                        true => name.push_str("null"),
                        false => name.extend(text.iter().map(|octet| match octet {
                            b'.' | b':' => '_',
                            octet => char::from(*octet),
                        })),
                    }
                }
            }
        }
        name
    }
}

fn push_number(name: &mut String, number: u64) {
    let mut digits = Vec::new();
    decimal(&mut digits, number);
    name.extend(digits.into_iter().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample;

    const AT: u64 = 1_700_000_000; // 2023-11-14 22:13:20 UTC, a Tuesday

    fn filled(name: &str) -> String {
        let sample = sample("tag,tag2,peer_src_ip")
            .number("tag", 42)
            .number("tag2", u64::MAX)
            .ip("peer_ip_src", "2001:db8::1")
            .values(&[1, 1]);
        let zone = TimeZone::get("Europe/Rome").unwrap();
        let name = Template::parse(name).unwrap().bind(&sample.schema, zone, 60, 300);
        name.fill(AT, sample.table.iter().next().as_ref())
    }

    #[test]
    fn variables_are_replaced() {
        assert_eq!(
            filled("x-%Y-%m-%s-$ref-$hst-$psi-$post_tag-$tag-$label.json"),
            "x-2023-11-1700000000-60-300-$psi-42-42-$label.json"
        );
        assert_eq!(filled("%d %H %M %S %w %W %z $tzone 100%%"), "14 23 13 20 2 46 +0100 +01:00 100%");
        assert_eq!(filled("$tag_$tag2/$peer_src_ip"), "42_18446744073709551615/2001_db8__1");
        assert_eq!(filled("$tagged $post_tag2x $"), "$tagged $post_tag2x $");
    }

    #[test]
    fn absent_values_are_zero_or_null() {
        let sample = sample("src_host").values(&[1, 1]);
        let name = Template::parse("$tag-$peer_src_ip").unwrap().bind(&sample.schema, TimeZone::UTC, 60, 0);
        assert!(!name.depends_on_record() && !name.has_time());
        assert_eq!(name.fill(AT, sample.table.iter().next().as_ref()), "0-null");
    }

    #[test]
    fn topics_have_only_variables_of_records() {
        let name = Template::parse_records_only("a%d-$tag-$ref");
        assert_eq!(name.text(), "a%d-$-$ref");
        assert!(!name.has_time());
    }

    #[test]
    fn known_and_unknown_variables_are_found() {
        let found = |text, lookup| variables(text, lookup).collect::<Vec<_>>();
        assert_eq!(
            found("x-$tag_$ref-$peer_src_up/$1$$-$nosuch.json$", of_names),
            [
                Variable::Known("tag", Some(Id::Tag)),
                Variable::Known("ref", None),
                Variable::Unknown("peer_src_up"),
                Variable::Unknown("nosuch"),
            ]
        );
        let peer = Variable::Known("peer_src_ip", Some(Id::PeerIpSrc));
        assert_eq!(found("$ref.$peer_src_ip", of_records), [Variable::Unknown("ref"), peer]);
        // Exactly the known variables are replaced.
        for word in words() {
            let filled = filled(&format!("${word}"));
            assert!(!filled.starts_with('$') && of_names(word).is_some(), "{word}: {filled}");
        }
    }

    #[test]
    fn unsupported_letters_are_reported() {
        assert_eq!(Template::parse("a-%j").unwrap_err().to_string(), "%j not supported.");
        assert_eq!(Template::parse("a-%"), Err(Unsupported(None)));
    }

    #[test]
    fn different_names_have_different_keys() {
        let name = |words: &str, tag| {
            let sample = sample(words).number("tag", tag).values(&[1, 1]);
            let name = Template::parse("$tag").unwrap().bind(&sample.schema, TimeZone::UTC, 0, 0);
            let mut key = Vec::new();
            name.key(&mut key, &sample.table.iter().next().unwrap());
            key
        };
        assert_ne!(name("tag", 1), name("tag", 2));
        assert_eq!(name("tag", 1), name("tag", 1));
    }
}
