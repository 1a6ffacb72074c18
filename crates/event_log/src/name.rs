//! Names of files, topics, routing keys and message keys, with variables for values of events.
//!
//! `$peer_src_ip` and other variables stand for values of the event. A colon of a value becomes `-`, or `_` in names of the log of
//! sFlow counters; all other characters except letters, digits, `-` and `_` become `_`: values come from peers and must not lead
//! out of a folder. A value that an event does not have is `null`. In names of dumps, `%Y`, `%m` and the other letters of
//! [`config::key::TIME_LETTERS`] stand for the time of the dump, `$tzone` for the offset of its zone from UTC, and `%%` for a percent
//! sign.

use crate::Event;
use config::key::TIME_LETTERS;
use jiff::Zoned;

/// The variable for the offset of the time zone.
const ZONE: &str = "tzone";

/// A parsed name, whose variables are not yet filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    parts: Vec<Part>,
    /// What replaces a colon.
    colon: char,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(&'static str),
    Time(char),
    ZoneOffset,
}

impl Name {
    /// Parses a name with these variables. Other words after a dollar sign are kept as they are.
    #[must_use]
    pub fn parse(text: &str, variables: &[&'static str]) -> Self {
        Self::parse_parts(text, variables, false)
    }

    /// As [`Name::parse`], with variables for the time.
    #[must_use]
    pub fn parse_with_time(text: &str, variables: &[&'static str]) -> Self {
        Self::parse_parts(text, variables, true)
    }

    fn parse_parts(text: &str, variables: &[&'static str], has_time: bool) -> Self {
        let mut name = Self { parts: Vec::new(), colon: '-' };
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            match next {
                '$' => {
                    // A longer variable may begin with the name of a shorter one.
                    let variable =
                        variables.iter().filter(|word| rest.starts_with(**word)).max_by_key(|word| word.len());
                    match variable {
                        Some(word) => {
                            name.parts.push(Part::Variable(word));
                            rest = rest.get(word.len()..).unwrap_or_default();
                        }
                        None if has_time && rest.starts_with(ZONE) => {
                            name.parts.push(Part::ZoneOffset);
                            rest = rest.get(ZONE.len()..).unwrap_or_default();
                        }
                        None => name.text('$'),
                    }
                }
                '%' if has_time => match rest.chars().next() {
                    Some('%') => {
                        name.text('%');
                        rest = rest.get(1..).unwrap_or_default();
                    }
                    Some(letter) if TIME_LETTERS.contains(letter) => {
                        name.parts.push(Part::Time(letter));
                        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                    }
                    _ => name.text('%'),
                },
                next => name.text(next),
            }
        }
        name
    }

    fn text(&mut self, next: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(next),
            _ => self.parts.push(Part::Text(next.to_string())),
        }
    }

    /// The words after a dollar sign in a name that are no variables: they are kept as they are, which is seldom meant.
    #[must_use]
    pub fn unknown_variables(text: &str, variables: &[&'static str], has_time: bool) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('$') {
            let known = variables.iter().filter(|word| after.starts_with(**word)).map(|word| word.len()).max();
            let known = known.or((has_time && after.starts_with(ZONE)).then_some(ZONE.len()));
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let length = known.unwrap_or_else(|| after.find(|letter| !is_part(letter)).unwrap_or(after.len()));
            let (word, left) = after.split_at_checked(length).unwrap_or((after, ""));
            if known.is_none() && !word.is_empty() {
                unknown.push(word.to_owned());
            }
            rest = left;
        }
        unknown
    }

    /// The name, if it is the same for all events.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variables in it, apart from those for the time.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(word) => Some(*word),
            Part::Text(_) | Part::Time(_) | Part::ZoneOffset => None,
        })
    }

    /// The same name, with another character in the place of colons.
    #[must_use]
    pub fn with_colon(self, colon: char) -> Self {
        Self { colon, ..self }
    }

    /// The name for an event. `time` fills the variables for the time, if the name has any.
    #[must_use]
    pub fn fill(&self, event: &impl Event, time: Option<&Zoned>) -> String {
        let mut filled = String::new();
        self.fill_into(event, time, &mut filled);
        filled
    }

    /// As [`Name::fill`], to a buffer, which it empties first. Returns the name.
    pub fn fill_into<'a>(&self, event: &impl Event, time: Option<&Zoned>, filled: &'a mut String) -> &'a str {
        filled.clear();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable(word) => match event.variable(word) {
                    Some(value) => filled.extend(value.chars().map(|letter| match letter {
                        letter if letter.is_ascii_alphanumeric() || letter == '-' => letter,
                        ':' => self.colon,
                        _ => '_',
                    })),
                    None => filled.push_str("null"),
                },
                Part::Time(letter) => {
                    if let Some(time) = time {
                        filled.push_str(&time.strftime(&format!("%{letter}")).to_string());
                    }
                }
                Part::ZoneOffset => {
                    if let Some(time) = time {
                        filled.push_str(&time.strftime("%:z").to_string());
                    }
                }
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::TestEvent;
    use proptest::prelude::*;

    #[test]
    fn variables_are_replaced_and_other_words_kept() {
        let variables = &["peer_src_ip", "peer_src_ip_port"];
        let event = TestEvent::of("2001:db8::1", "up");
        let fill = |text: &str| Name::parse(text, variables).fill(&event, None);
        assert_eq!(fill("/log/$peer_src_ip.json"), "/log/2001-db8--1.json");
        let counters = Name::parse("$peer_src_ip", variables).with_colon('_');
        assert_eq!(counters.fill(&event, None), "2001_db8__1");
        assert_eq!(fill("$peer_src_ip_port"), "null");
        assert_eq!(fill("$tag-$-$$peer_src_ip"), "$tag-$-$2001-db8--1");
        assert_eq!(fill("100%%Y"), "100%%Y");
        assert_eq!(Name::parse("a$b", variables).constant(), Some("a$b"));
        assert_eq!(Name::parse("a$peer_src_ip", variables).constant(), None);
    }

    #[test]
    fn unknown_variables_are_found() {
        let unknown =
            |text, has_time| Name::unknown_variables(text, &["peer_src_ip", "peer_src_ip_port"], has_time);
        assert_eq!(unknown("/$peer_src_ip-$peer_src_ip_port.$bmp_router/$tzone", false), ["bmp_router", "tzone"]);
        assert_eq!(unknown("$tzone$peer_src_ipx$$-$", true), Vec::<String>::new());
    }

    #[test]
    fn names_of_dumps_may_contain_the_time() {
        let time = jiff::Timestamp::from_second(1_700_000_000).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let name = Name::parse_with_time("$peer_src_ip/%Y%m%d-%H%M-%s%%%x", &["peer_src_ip"]);
        assert_eq!(
            name.fill(&TestEvent::of("192.0.2.1", ""), Some(&time)),
            "192_0_2_1/20231114-2213-1700000000%%x"
        );
        let name = Name::parse_with_time("$tzone %z", &[]);
        assert_eq!(name.fill(&TestEvent::of("", ""), Some(&time)), "+00:00 +0000");
    }

    proptest! {
        #[test]
        fn values_never_lead_out_of_a_folder(value in ".*") {
            let filled = Name::parse("/log/$peer_src_ip", &["peer_src_ip"]).fill(&TestEvent::of(&value, ""), None);
            prop_assert_eq!(filled.matches('/').count(), 2);
            prop_assert!(!filled.contains(".."));
        }
    }
}
