//! Typed conditions of a rule.
//!
//! A condition names fields and presence bits of rows ([`flow::field`], [`flow::presence`]), not their offsets: these come
//! with a layout. [`Condition::holds`] defines what it means; [`crate::matcher`] evaluates thousands of rules at
//! once with the same results.

use crate::matcher::{Lazy, View};
use crate::prefix::Bits;
use filter::Filter;
use flow::address;
use flow::field::Field;
use flow::presence::{Presence, PresenceSet};
use flow::row::{FieldSet, Layout};
use std::sync::Arc;
use wire::{Community, Prefix};

/// One condition of a rule. A rule matches if all of its conditions hold.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A field has this value.
    Equal {
        /// The field.
        field: Field,
        /// Its octets as stored in a row; `None` for a number that does not fit the field.
        value: Option<Octets>,
        /// The condition fails without this presence bit, whether negated or not.
        presence: Option<Presence>,
        /// The field has any other value.
        negated: bool,
    },
    /// An address is in a prefix. Fails, whether negated or not, if there is no address.
    Within {
        /// The field of the address.
        field: Field,
        /// The prefix.
        prefix: Prefix,
        /// The condition fails without this presence bit, whether negated or not.
        presence: Option<Presence>,
        /// The address must not be in the prefix.
        negated: bool,
    },
    /// The record has, or lacks, a presence bit.
    Present {
        /// The bit.
        presence: Presence,
        /// Whether it must be set.
        wanted: bool,
    },
    /// The group bit of the destination MAC address. Fails if there is no such address.
    Multicast {
        /// Whether it must be set.
        group: bool,
    },
    /// The packet matches a filter.
    Filter(PacketFilter),
    /// One of the route's communities matches one of the patterns.
    Communities {
        /// Field of the communities.
        field: Field,
        /// The patterns.
        patterns: Arc<[CommunityPattern]>,
    },
}

/// The octets of a field, up to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Octets {
    octets: [u8; 16],
    length: u8,
}

impl Octets {
    /// A number in network byte order; `None` if it does not fit the field.
    pub fn number(number: u64, field: Field) -> Option<Self> {
        let all = number.to_be_bytes();
        let cut = 8usize.saturating_sub(field.size());
        let (head, tail) = all.split_at_checked(cut)?;
        if head.iter().any(|octet| *octet != 0) { None } else { Self::new(tail) }
    }

    /// These octets; `None` if there are more than 16.
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut all = [0; 16];
        all.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { octets: all, length: octets.len() as u8 })
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// A libpcap filter with its text.
#[derive(Clone, Debug)]
pub struct PacketFilter {
    /// Its text.
    pub text: Arc<str>,
    /// Compiled.
    pub filter: Arc<Filter>,
}

/// A pattern for standard communities, in which `.` matches any character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommunityPattern(Box<[u8]>);

impl CommunityPattern {
    /// Parses `a:b`, which consists of digits, dots and one colon.
    pub fn parse(text: &str) -> Option<Self> {
        let part =
            |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b == b'.' || b.is_ascii_digit());
        let (left, right) = text.split_once(':')?;
        (part(left) && part(right)).then(|| Self(text.as_bytes().into()))
    }

    /// True if the text of a community matches.
    pub fn fits(&self, community: &[u8]) -> bool {
        self.0.len() == community.len() && self.0.iter().zip(community).all(|(p, c)| *p == b'.' || p == c)
    }

    /// True if the number of a community, not its name, matches.
    pub fn fits_number(&self, community: Community) -> bool {
        self.fits(format!("{community:#}").as_bytes())
    }

    /// True if one community of a list matches; the list is separated by blanks, commas or underscores.
    pub fn fits_one_of(&self, list: &[u8]) -> bool {
        list.split(|octet| matches!(octet, b' ' | b',' | b'_')).any(|community| self.fits(community))
    }
}

impl Condition {
    /// Adds the fields that the condition reads.
    pub fn require(&self, fields: &mut FieldSet) {
        let (field, presence) = match self {
            Self::Equal { field, presence, .. } | Self::Within { field, presence, .. } => {
                (Some(*field), presence.is_some())
            }
            Self::Present { .. } => (None, true),
            Self::Multicast { .. } => (Some(Field::DstMac), true),
            Self::Filter(filter) => {
                filter.filter.require(fields);
                (None, false)
            }
            Self::Communities { field, .. } => (Some(*field), false),
        };
        if let Some(field) = field {
            fields.insert(field);
        }
        if presence {
            fields.insert(Field::Presence);
        }
    }

    /// Defines the condition: returns whether it holds for a row of this layout. It fails if the layout lacks the field.
    pub fn holds(&self, layout: &Layout, view: &View<'_>, frame: &mut Lazy<'_>) -> bool {
        let octets = |field: Field| {
            let start = layout.offset(field)?;
            view.row.bytes().get(start..start + field.size())
        };
        let is_present = |presence: Option<Presence>| match presence {
            None => true,
            Some(presence) => {
                let bits = octets(Field::Presence).and_then(|octets| octets.try_into().ok());
                bits.is_some_and(|octets| PresenceSet(u64::from_be_bytes(octets)).has(presence))
            }
        };
        match self {
            Self::Equal { field, value, presence, negated } => {
                let equal = |octets| value.is_some_and(|value| value.as_slice() == octets);
                is_present(*presence) && octets(*field).is_some_and(|octets| equal(octets) != *negated)
            }
            Self::Within { field, prefix, presence, negated } => {
                let address: Option<&address::Octets> = octets(*field).and_then(|octets| octets.try_into().ok());
                let address = address.and_then(Bits::of_row);
                is_present(*presence) && address.is_some_and(|address| address.is_in(prefix) != *negated)
            }
            Self::Present { presence, wanted } => {
                layout.offset(Field::Presence).is_some() && is_present(Some(*presence)) == *wanted
            }
            Self::Multicast { group } => {
                let first = octets(Field::DstMac).and_then(<[u8]>::first);
                is_present(Some(Presence::DstMac)) && first.is_some_and(|octet| (octet & 1 == 1) == *group)
            }
            Self::Filter(filter) => filter.filter.matches_view(frame.packet(view)),
            Self::Communities { field, patterns } => {
                let id = octets(*field).and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes);
                id.is_some_and(|id| fits(patterns, view.strings.get(id)))
            }
        }
    }

    /// Text that is equal for equal conditions only.
    pub fn identity(&self) -> String {
        match self {
            Self::Filter(filter) => {
                let words: Vec<&str> = filter.text.split_ascii_whitespace().collect();
                format!("filter {}", words.join(" "))
            }
            other => format!("{other:?}"),
        }
    }
}

/// True if a community of the list matches one of the patterns.
pub(crate) fn fits(patterns: &[CommunityPattern], list: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.fits_one_of(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_size_of_their_field() {
        let octets = |number, field| Octets::number(number, field).map(|o| o.as_slice().to_vec());
        assert_eq!(octets(258, Field::SrcPort), Some(vec![1, 2]));
        assert_eq!(octets(65_536, Field::SrcPort), None);
        assert_eq!(octets(256, Field::FwdStatus), None);
        assert_eq!(octets(7, Field::Tag), Some(vec![0, 0, 0, 0, 0, 0, 0, 7]));
    }

    #[test]
    fn dots_in_a_community_pattern_match_any_character() {
        let fits = |pattern, list: &str| CommunityPattern::parse(pattern).unwrap().fits_one_of(list.as_bytes());
        assert!(fits("65000:10.", "65000:99 65000:101"));
        assert!(!fits("65000:10.", "65000:10 65000:1011"));
        assert!(fits(".....:1", "64512:1"));
        assert!(CommunityPattern::parse("65000:1").unwrap().fits_number(Community::new(65_000, 1)));
        for text in ["65000", "a:1", ":1", "1:", "1:2:3", "100000:1", "1:1 "] {
            assert_eq!(CommunityPattern::parse(text), None, "{text}");
        }
    }
}
