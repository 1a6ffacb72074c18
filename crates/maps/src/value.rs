//! Parses the values of keys into conditions.

use crate::condition::{CommunityPattern, Condition, Octets, PacketFilter};
use crate::key::{Key, Target, Value};
use crate::load::Context;
use crate::prefix;
use config::Daemon;
use filter::Filter;
use flow::address;
use flow::field::Field;
use flow::presence::Presence;
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Family, Mac, Prefix, RouteDistinguisher};

/// Limit on the community patterns of a rule.
const MAX_PATTERNS: usize = 16;

/// An invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What is wrong, as a sentence.
    pub what: String,
    /// What is expected.
    pub hint: Option<String>,
}

impl ValueError {
    /// The usual message.
    pub fn value(key: &Key, text: &str) -> Self {
        Self {
            what: format!("bad '{}' value: '{text}'.", key.name),
            hint: Some(format!("Expected: {}.", key.value)),
        }
    }
}

/// Returns the condition for a key with this value.
///
/// # Errors
/// If the value is invalid.
pub fn condition(key: &Key, text: &str, context: &Context) -> Result<Condition, ValueError> {
    let (negated, value) = match text.strip_prefix('-') {
        Some(rest) if key.negatable => (true, rest),
        _ => (false, text),
    };
    let invalid = || ValueError::value(key, text);
    let flag = || flag(value).map(|wanted| wanted != negated).ok_or_else(invalid);
    match key.target {
        Target::Field(field, presence) => {
            let octets = octets(key, field, value).ok_or_else(invalid)?;
            let presence = presence.filter(|presence| *presence != Presence::BgpNextHop || !context.net.bgp);
            Ok(Condition::Equal { field, value: octets, presence, negated })
        }
        Target::Direction => {
            if context.daemon != Daemon::Nfacctd {
                let value = octets(key, Field::Direction, value).flatten();
                return Ok(Condition::Equal { field: Field::Direction, value, presence: None, negated });
            }
            // Rows have a third value for "not reported". In flow records, everything that is not egress counts as ingress.
            let out = octets(key, Field::Direction, "1").flatten();
            let inward = decimal(value, 0, 1).ok_or_else(invalid)? == 0;
            Ok(Condition::Equal {
                field: Field::Direction,
                value: out,
                presence: None,
                negated: inward != negated,
            })
        }
        Target::As(field, presence) => {
            let octets = octets(key, field, value).ok_or_else(invalid)?;
            // The AS may also come from a file or a route if the record does not have it.
            let flow_only = context.asn.flow && !context.asn.file && !context.asn.bgp;
            Ok(Condition::Equal { field, value: octets, presence: flow_only.then_some(presence), negated })
        }
        Target::Within(field, presence) => {
            let prefix = network(value)?;
            Ok(Condition::Within { field, prefix, presence: Some(presence), negated })
        }
        Target::Present(presence) => Ok(Condition::Present { presence, wanted: flag()? }),
        Target::Multicast => Ok(Condition::Multicast { group: flag()? }),
        Target::SampleType => sample_type(context.daemon, value, negated).ok_or_else(|| ValueError {
            what: if context.daemon == Daemon::Sfacctd {
                "Invalid sFlow 'sample_type' value.".to_owned()
            } else {
                "Invalid NetFlow/IPFIX 'sample_type' value.".to_owned()
            },
            hint: Some(format!("Expected: {}.", key.value)),
        }),
        Target::Packet => filter(value, context).map(Condition::Filter),
        Target::Communities(field) => {
            Ok(Condition::Communities { field, patterns: communities(value).ok_or_else(invalid)? })
        }
        // The map reads these itself.
        Target::Setting | Target::Exporter => Err(invalid()),
    }
}

/// The octets of a field; the inner `None` is a number that does not fit the field.
#[expect(clippy::option_option, reason = "no value, and a value that nothing equals, are different")]
fn octets(key: &Key, field: Field, text: &str) -> Option<Option<Octets>> {
    Some(match key.value {
        Value::Decimal { min, max } => Octets::number(decimal(text, min, max)?, field),
        Value::Hex { max } => Octets::number(hexadecimal(text, max)?, field),
        Value::Address => Octets::new(&address::octets(text.parse::<IpAddr>().ok()?.to_canonical())),
        Value::Mac => Octets::new(&mac(text)?.0),
        Value::Rd => Octets::new(&text.parse::<RouteDistinguisher>().ok()?.0),
        Value::Roa => {
            let words = [("valid", b"v"), ("invalid", b"i"), ("unknown", b"u")];
            words.iter().find(|(word, _)| *word == text).and_then(|(_, letter)| Octets::new(*letter)).map(Some)?
        }
        _ => return None,
    })
}

/// A decimal number without a sign, within limits.
pub fn decimal(text: &str, min: u64, max: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (min..=max).contains(number))
}

fn hexadecimal(text: &str, max: u64) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().filter(|number| *number <= max)
}

/// `true` or `false`, in upper or lower case.
pub fn flag(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Six octets in hexadecimal, separated by colons or dashes.
pub fn mac(text: &str) -> Option<Mac> {
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
        *octet = u8::from_str_radix(part, 16).ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(Mac(octets))
}

/// An address or prefix.
///
/// # Errors
/// If it is invalid.
pub fn network(text: &str) -> Result<Prefix, ValueError> {
    prefix::parse(text).map_err(|why| ValueError {
        what: format!("Bad IP address or prefix '{text}'."),
        hint: Some(format!("{why}.")),
    })
}

/// The condition of a filter that only distinguishes families; other text may follow these words.
pub fn family_filter(text: &str) -> Option<Condition> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let family = match words.as_slice() {
        ["ip", ..] | ["vlan", "and", "ip", ..] => Family::V4,
        ["ip6", ..] | ["vlan", "and", "ip6", ..] => Family::V6,
        _ => return None,
    };
    let prefix = Prefix::default_route(family);
    Some(Condition::Within { field: Field::SrcHost, prefix, presence: None, negated: false })
}

fn filter(text: &str, context: &Context) -> Result<PacketFilter, ValueError> {
    match Filter::compile_for_all(&context.links, text) {
        Ok(filter) => Ok(PacketFilter { text: text.into(), filter: Arc::new(filter) }),
        Err(error) => {
            Err(ValueError { what: format!("malformed filter: {}", one_line(&error.to_string())), hint: None })
        }
    }
}

/// External text, reduced to one line for a log.
fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn communities(text: &str) -> Option<Arc<[CommunityPattern]>> {
    let patterns: Arc<[_]> = text.split(',').map(CommunityPattern::parse).collect::<Option<_>>()?;
    (patterns.len() <= MAX_PATTERNS).then_some(patterns)
}

fn sample_type(daemon: Daemon, text: &str, negated: bool) -> Option<Condition> {
    if daemon == Daemon::Sfacctd {
        // The sFlow data format: 20 bits of enterprise, 12 of format. Rows store the lower 16 bits.
        let (enterprise, format) = text.split_once(':')?;
        let number = decimal(enterprise, 0, 0xf)? << 12 | decimal(format, 0, 0xfff)?;
        let value = Octets::number(number, Field::Template);
        return Some(Condition::Equal { field: Field::Template, value, presence: None, negated });
    }
    let presence = match text {
        // pmacct compares only the first letters, so these are equivalent to `flow`.
        "flow" | "flow-mpls-ipv4" | "flow-mpls-ipv6" => Presence::Flow,
        "flow-ipv4" => Presence::FlowV4,
        "flow-ipv6" => Presence::FlowV6,
        "event" => Presence::Event,
        "option" => Presence::Options,
        _ => return None,
    };
    Some(Condition::Present { presence, wanted: !negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_numbers_with_signs_letters_or_beyond_the_limit() {
        assert_eq!(decimal("42", 0, 255), Some(42));
        for text in ["", "-1", "+1", "256", "0x1", "1 ", "99999999999999999999999"] {
            assert_eq!(decimal(text, 0, 255), None, "{text}");
        }
        assert_eq!(hexadecimal("0x1B", 0xff), Some(27));
        assert_eq!(hexadecimal("12", 0xff), Some(18));
        for text in ["", "0x", "100", "zz", "+1"] {
            assert_eq!(hexadecimal(text, 0xff), None, "{text}");
        }
    }

    #[test]
    fn mac_addresses_are_six_octets() {
        assert_eq!(mac("02:0:00:00:00:ff"), Some(Mac([2, 0, 0, 0, 0, 255])));
        assert_eq!(mac("02-00-00-00-00-01"), Some(Mac([2, 0, 0, 0, 0, 1])));
        for text in ["02:00:00:00:00", "02:00:00:00:00:00:00", "zz:0:0:0:0:0", "", "002:0:0:0:0:0", "+2:0:0:0:0:0"]
        {
            assert_eq!(mac(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_words_determine_the_family() {
        for text in ["ip", "ip6", "vlan and ip", "vlan  and ip6", "ip and tcp"] {
            assert!(family_filter(text).is_some(), "{text}");
        }
        for text in ["", "tcp", "vlan", "ipx", "vlan ip"] {
            assert!(family_filter(text).is_none(), "{text}");
        }
    }
}
