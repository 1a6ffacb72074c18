//! The keys of keyed maps, each declared once: [`pre_tag`] for pre_tag_map, [`others`] for the other maps.
//!
//! A row of a table gives the name of a key, where it is allowed, which values it takes and what it is compared with. The
//! parser ([`crate::load`]), its messages and the documentation ([`markdown`]) follow from it.

pub mod others;
pub mod pre_tag;

use config::daemons::Daemons;
use flow::field::Field;
use flow::presence::Presence;
use std::fmt::{self, Write};

/// One key of a map.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name.
    pub name: &'static str,
    /// Alternative names.
    pub aliases: &'static [&'static str],
    /// Daemons that accept it.
    pub daemons: Daemons,
    /// Whether it is also accepted when the daemon replicates datagrams.
    pub tee: bool,
    /// The values it takes.
    pub value: Value,
    /// Whether a `-` before the value negates it.
    pub negatable: bool,
    /// What it is compared with, or sets.
    pub target: Target,
    /// What the map needs to be configured besides it.
    pub need: Need,
    /// Its meaning: a sentence without the full stop.
    pub doc: &'static str,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A tag: 64 bits, optionally followed by `++`.
    Tag,
    /// A decimal number.
    Decimal {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A hexadecimal number, with or without `0x`.
    Hex {
        /// The largest.
        max: u64,
    },
    /// An IP address.
    Address,
    /// An IP address or a prefix.
    Network,
    /// A MAC address.
    Mac,
    /// `true` or `false`.
    Flag,
    /// The type of a record.
    SampleType,
    /// RPKI validity.
    Roa,
    /// Patterns of communities.
    Communities,
    /// A route distinguisher.
    Rd,
    /// A libpcap filter.
    Filter,
    /// A filter that only distinguishes IPv4 from IPv6.
    FamilyFilter,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// As described by this text.
    Special(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag => f.write_str("64-bit decimal number, or `N++`"),
            Self::Decimal { min: 0, max } if *max == u64::from(u32::MAX) => f.write_str("decimal number"),
            Self::Decimal { min, max } => write!(f, "decimal number from {min} to {max}"),
            Self::Hex { max } => write!(f, "hexadecimal number up to {max:x}"),
            Self::Address => f.write_str("IP address"),
            Self::Network => f.write_str("IP address or prefix"),
            Self::Mac => f.write_str("MAC address"),
            Self::Flag => f.write_str("true or false"),
            Self::SampleType => {
                f.write_str("flow, flow-ipv4, flow-ipv6, event or option (nfacctd); ENTERPRISE:FORMAT (sfacctd)")
            }
            Self::Roa => f.write_str("valid, invalid or unknown"),
            Self::Communities => f.write_str("up to 16 patterns such as 65000:1.., separated by commas"),
            Self::Rd => f.write_str("route distinguisher: 0:ASN:VALUE, 1:IPV4:VALUE or 2:ASN:VALUE"),
            Self::Filter => f.write_str("libpcap filter in single quotes"),
            Self::FamilyFilter => f.write_str("'ip', 'ip6', 'vlan and ip' or 'vlan and ip6'"),
            Self::Word(words) => f.write_str(&words.join(", ")),
            Self::Text => f.write_str("text"),
            Self::Special(what) => f.write_str(what),
        }
    }
}

/// What a key is compared with, or sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Not compared: a setting that the map reads itself.
    Setting,
    /// The exporter.
    Exporter,
    /// A field of the row, which must equal the value. The presence bit must be set.
    Field(Field, Option<Presence>),
    /// The source or destination AS: a field whose presence bit matters only if records are its only source.
    As(Field, Presence),
    /// An address of the row, which must be in the prefix. The presence bit must be set.
    Within(Field, Presence),
    /// Whether the presence bit is set.
    Present(Presence),
    /// The type of the record.
    SampleType,
    /// The direction; records without one count as ingress.
    Direction,
    /// The group bit of the destination MAC address.
    Multicast,
    /// The packet.
    Packet,
    /// A list of communities.
    Communities(Field),
}

/// What must be configured for a key to be useful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    None,
    /// Some source of AS numbers.
    As,
    /// Next hops from flows or BGP.
    Net,
    /// Next hops from flows.
    FlowNet,
    /// Routes.
    Bgp,
}

impl Key {
    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Returns the key with this name or alias.
pub fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.names().any(|other| other == name))
}

/// Formats the keys as a Markdown table.
pub fn markdown(keys: &[Key]) -> String {
    let mut text = String::from("| key | value | `-` | daemons | meaning |\n|---|---|---|---|---|\n");
    for key in keys {
        let names: Vec<String> = key.names().map(|name| format!("`{name}`")).collect();
        let negatable = if key.negatable { "yes" } else { "" };
        let tee = if key.tee { ", tee" } else { "" };
        let need = match key.need {
            Need::None => "",
            Need::As => "; requires a source of AS numbers",
            Need::Net => "; requires next hops from flows or BGP",
            Need::FlowNet => "; requires next hops from flows",
            Need::Bgp => "; requires BGP",
        };
        let value = key.value.to_string().replace('|', "\\|");
        // Writing to a string cannot fail.
        _ = writeln!(
            text,
            "| {} | {value} | {negatable} | {}{tee} | {}{need}. |",
            names.join(", "),
            key.daemons,
            key.doc
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn tables() -> Vec<&'static [Key]> {
        others::TABLES.iter().map(|(_, keys)| *keys).chain([pre_tag::KEYS]).collect()
    }

    #[test]
    fn names_are_unique_in_a_map() {
        for keys in tables() {
            let mut names = HashSet::new();
            for name in keys.iter().flat_map(Key::names) {
                assert!(names.insert(name), "{name}");
            }
        }
    }

    #[test]
    fn every_key_is_documented() {
        for keys in tables() {
            let text = markdown(keys);
            assert_eq!(text.lines().count(), keys.len() + 2);
            for key in keys {
                assert!(!key.doc.is_empty() && !key.doc.ends_with('.') && !key.doc.contains('|'), "{}", key.name);
                assert!(text.contains(&format!("`{}`", key.name)));
            }
        }
    }

    #[test]
    fn largest_values_are_those_of_the_reference() {
        let value = |name| find(pre_tag::KEYS, name).unwrap().value;
        assert_eq!(value("engine_id"), value("source_id"));
        assert_eq!(value("fwd_status"), Value::Decimal { min: 0, max: 256 });
        assert!(find(pre_tag::KEYS, "nonsense").is_none());
    }
}
