//! The messages of the topic: JSON objects with keys.
//!
//! | what | key | value |
//! |---|---|---|
//! | a template | `EXPORTER VERSION DOMAIN ID` | a line of the templates file |
//! | a sampling rate | the same of its options template, then `rate` and its scope | the octets of the options record, in hexadecimal |
//!
//! The key follows from the value, and a message with another one is rejected: it would stay in a compacted topic beside the right one.

use super::Known;
use crate::flows::templates_file::{StoredTemplate, Time, from_line, to_line};
use crate::flows::worker::Learned;
use decode::from_netflow::Sampling;
use netflow::datagram::MIN_TEMPLATE_ID;
use netflow::template::Template;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::net::IpAddr;

/// Octets of the longest options record that is taken.
const MAX_RECORD: usize = 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLine {
    exporter: IpAddr,
    domain: u32,
    template: u16,
    #[serde(default)]
    v9: bool,
    scope: [Option<u64>; 4],
    record: String,
}

fn template_key(exporter: IpAddr, ipfix: bool, domain: u32, id: u16) -> String {
    let version = if ipfix { 10 } else { 9 };
    format!("{exporter} {version} {domain} {id}")
}

impl Known {
    /// The key of its message.
    pub(super) fn key(&self) -> String {
        match &self.learned {
            Learned::Template(Template { ipfix, domain, id, .. }) => {
                template_key(self.exporter, *ipfix, *domain, *id)
            }
            Learned::Sampling(Sampling { ipfix, domain, template, scope, .. }) => {
                let mut key = template_key(self.exporter, *ipfix, *domain, *template);
                key += " rate";
                for part in scope {
                    // Writing to a `String` cannot fail.
                    let _ = match part {
                        Some(number) => write!(key, " {number}"),
                        None => write!(key, " -"),
                    };
                }
                key
            }
        }
    }

    /// The value of its message.
    pub(super) fn value(&self) -> Option<Vec<u8>> {
        let Self { exporter, learned, seen } = self;
        match learned {
            Learned::Template(template) => {
                to_line(&StoredTemplate { exporter: *exporter, template: template.clone(), seen: *seen })
            }
            Learned::Sampling(Sampling { ipfix, domain, template, scope, record }) => {
                let (exporter, domain, template, v9, scope) = (*exporter, *domain, *template, !ipfix, *scope);
                let record = (record.len() <= MAX_RECORD).then(|| hex(record))?;
                serde_json::to_vec(&RateLine { exporter, domain, template, v9, scope, record }).ok()
            }
        }
    }

    /// Reads a message that came at `now`. `None` if it is not one that a collector could have written.
    pub(super) fn read(key: &[u8], value: &[u8], now: Time) -> Option<Self> {
        let known = match from_line(value, now) {
            Some(StoredTemplate { exporter, template, seen }) => {
                Self { exporter, learned: Learned::Template(template), seen }
            }
            None => Self::rate(value, now)?,
        };
        (known.key().as_bytes() == key).then_some(known)
    }

    fn rate(value: &[u8], now: Time) -> Option<Self> {
        let RateLine { exporter, domain, template, v9, scope, record } = serde_json::from_slice(value).ok()?;
        let record = octets(&record)?.into_boxed_slice();
        let sampling = Sampling { ipfix: !v9, domain, template, scope, record };
        (template >= MIN_TEMPLATE_ID).then_some(Self { exporter, learned: Learned::Sampling(sampling), seen: now })
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let usable = rest.is_empty() && !pairs.is_empty() && pairs.len() <= MAX_RECORD;
    let pairs = usable.then_some(pairs)?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::template::{Field, Kind};
    use proptest::prelude::*;

    const NOW: Time = 1_700_000_000_000_000;

    fn known() -> impl Strategy<Value = Known> {
        let field = (any::<u32>(), 0..0x8000_u16, 1..=u16::MAX);
        let field = field.prop_map(|(enterprise, element, length)| Field { enterprise, element, length });
        let fields = prop::collection::vec(field, 1..20);
        let ids = (any::<IpAddr>(), any::<bool>(), any::<u32>(), 256..=u16::MAX);
        let template =
            (ids.clone(), fields, any::<bool>()).prop_map(|((exporter, ipfix, domain, id), fields, options)| {
                let kind = if options { Kind::Options { scopes: 1 } } else { Kind::Data };
                let template = Template { ipfix, ..Template::new(domain, id, kind, fields) };
                Known { exporter, learned: Learned::Template(template), seen: NOW }
            });
        let record = prop::collection::vec(any::<u8>(), 1..100);
        let sampling = (ids, any::<[Option<u64>; 4]>(), record).prop_map(
            |((exporter, ipfix, domain, template), scope, record)| {
                let record = record.into_boxed_slice();
                Known {
                    exporter,
                    learned: Learned::Sampling(Sampling { ipfix, domain, template, scope, record }),
                    seen: NOW,
                }
            },
        );
        prop_oneof![template, sampling]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(known in known()) {
            let (key, value) = (known.key(), known.value().unwrap());
            prop_assert_eq!(Known::read(key.as_bytes(), &value, NOW), Some(known));
            // Cut, or under another key, it is nothing.
            prop_assert_eq!(Known::read(key.as_bytes(), &value[..value.len() - 1], NOW), None);
            prop_assert_eq!(Known::read(&key.as_bytes()[1..], &value, NOW), None);
        }

        #[test]
        fn other_messages_are_nothing(key: Vec<u8>, value: Vec<u8>) {
            prop_assert_eq!(Known::read(&key, &value, NOW), None);
        }
    }

    #[test]
    fn what_no_exporter_could_have_sent_is_rejected() {
        let read = |value: &str| Known::read(b"192.0.2.1 10 7 300", value.as_bytes(), NOW);
        let line = |rest: &str| format!("{{\"exporter\":\"192.0.2.1\",\"domain\":7,\"template\":300,{rest}}}");
        assert!(read(&line("\"fields\":[[0,1,4]]")).is_some());
        for rest in [
            "\"fields\":[]",
            "\"fields\":[[0,1,0]]",
            "\"scopes\":2,\"fields\":[[0,1,4]]",
            "\"fields\":[[0,1,4]],\"seen\":1",
        ] {
            assert_eq!(read(&line(rest)), None, "{rest}");
        }
        let many = vec!["[0,1,4]"; netflow::template::MAX_FIELDS + 1].join(",");
        assert_eq!(read(&line(&format!("\"fields\":[{many}]"))), None);
        let rate = |record: &str| {
            let value = line(&format!("\"scope\":[1,null,null,null],\"record\":\"{record}\""));
            Known::read(b"192.0.2.1 10 7 300 rate 1 - - -", value.as_bytes(), NOW)
        };
        assert!(rate("00ff").is_some());
        for record in ["", "0", "0g", "é0"] {
            assert_eq!(rate(record), None, "{record}");
        }
        assert_eq!(rate(&"00".repeat(MAX_RECORD + 1)), None);
    }
}
