//! Subscriptions of YANG-Push (RFC 8639, RFC 8641): what publishers announced, for the records of their updates.
//!
//! Notifications are those of the form `ietf-yp-notification:envelope` with the members `hostname` and `contents`. A subscription is known
//! by hostname and id; the address of the sender does not count.
//!
//! | contents | subscription | metadata of its record |
//! |---|---|---|
//! | `ietf-subscribed-notifications:subscription-started` | kept, or replaced | none |
//! | `ietf-subscribed-notifications:subscription-modified` | replaced | the new one |
//! | `ietf-yang-push:push-update`, `push-change-update` | | the one that is kept |
//! | `ietf-subscribed-notifications:subscription-suspended`, `-resumed` | | the one that is kept |
//! | `ietf-subscribed-notifications:subscription-terminated`, `-completed` | forgotten | the one that was kept |

//!
//! A payload that is no such notification costs a search for the name of the envelope. Others are not parsed either: their members are
//! found by structure.

use crate::scan::Value;
use memchr::memmem::Finder;
use recent::Map;

/// What a payload means for subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Nothing: no envelope, or contents without metadata.
    None,
    /// The record should have the subscription as metadata: a JSON object.
    Subscription(&'a [u8]),
    /// The record is one of a subscription that is not known: its id.
    Unknown(u64),
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Subscriptions that started or were modified.
    pub kept: u64,
    /// Subscriptions that ended.
    pub ended: u64,
    /// Notifications of a subscription that is not known.
    pub unknown: u64,
    /// Least recently used subscriptions that were dropped at a bound.
    pub evicted: u64,
    /// Subscriptions that were not kept since they alone exceed the bound of bytes.
    pub too_long: u64,
}

/// Known subscriptions.
#[derive(Debug)]
pub struct Subscriptions {
    /// By hostname, as it is in JSON, and id.
    kept: Map<Vec<u8>, Box<[u8]>>,
    /// Bytes of keys and values in `kept`.
    bytes: usize,
    max_bytes: usize,
    /// The last one that ended.
    ended: Box<[u8]>,
    /// The key that is looked for.
    key: Vec<u8>,
    envelope: Finder<'static>,
    counts: Counts,
}

const ENVELOPE: &[u8] = b"ietf-yp-notification:envelope";

/// What a notification does to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Start,
    Modify,
    Refer,
    End,
}

/// Names of contents. Suspension and resumption leave a subscription as it is (RFC 8639 section 2.7).
const EFFECTS: &[(&[u8], Effect)] = &[
    (b"ietf-yang-push:push-update", Effect::Refer),
    (b"ietf-yang-push:push-change-update", Effect::Refer),
    (b"ietf-subscribed-notifications:subscription-started", Effect::Start),
    (b"ietf-subscribed-notifications:subscription-modified", Effect::Modify),
    (b"ietf-subscribed-notifications:subscription-terminated", Effect::End),
    (b"ietf-subscribed-notifications:subscription-completed", Effect::End),
    (b"ietf-subscribed-notifications:subscription-suspended", Effect::Refer),
    (b"ietf-subscribed-notifications:subscription-resumed", Effect::Refer),
];

impl Subscriptions {
    /// At most `max` subscriptions of at most `max_bytes` bytes in all; at either bound the least recently used ones are evicted.
    #[must_use]
    pub fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            kept: Map::new(max),
            bytes: 0,
            max_bytes,
            ended: Box::default(),
            key: Vec::new(),
            envelope: Finder::new(ENVELOPE),
            counts: Counts::default(),
        }
    }

    /// Looks at a payload: valid JSON without blanks between tokens, as [`crate::payload::Writer`] writes it.
    pub fn observe(&mut self, payload: &[u8]) -> Notice<'_> {
        let Some((effect, hostname, subscription)) = notification(&self.envelope, payload) else {
            return Notice::None;
        };
        let Some(id) = subscription.member(b"id").and_then(number) else { return Notice::None };
        self.key.clear();
        self.key.extend_from_slice(hostname);
        self.key.extend_from_slice(&id.to_be_bytes());
        match effect {
            Effect::Start | Effect::Modify => {
                self.keep(subscription.octets().unwrap_or_default());
                if effect == Effect::Start {
                    return Notice::None;
                }
            }
            Effect::Refer => {}
            Effect::End => {
                let Some(ended) = self.kept.remove(&self.key) else {
                    self.counts.unknown += 1;
                    return Notice::Unknown(id);
                };
                self.bytes -= self.key.len() + ended.len();
                self.counts.ended += 1;
                self.ended = ended;
                return Notice::Subscription(&self.ended);
            }
        }
        match self.kept.get_mut(&self.key) {
            Some(subscription) => Notice::Subscription(subscription),
            None => {
                self.counts.unknown += 1;
                Notice::Unknown(id)
            }
        }
    }

    /// Keeps a subscription under the current key.
    fn keep(&mut self, subscription: &[u8]) {
        if let Some(earlier) = self.kept.remove(&self.key) {
            self.bytes -= self.key.len() + earlier.len();
        }
        let bytes = self.key.len() + subscription.len();
        if bytes > self.max_bytes {
            self.counts.too_long += 1;
            return;
        }
        self.counts.kept += 1;
        while self.bytes + bytes > self.max_bytes {
            let evicted = self.kept.pop_oldest();
            self.evicted(evicted);
        }
        self.bytes += bytes;
        let evicted = self.kept.insert(self.key.clone(), subscription.into());
        self.evicted(evicted);
    }

    fn evicted(&mut self, evicted: Option<(Vec<u8>, Box<[u8]>)>) {
        if let Some((key, subscription)) = evicted {
            self.bytes -= key.len() + subscription.len();
            self.counts.evicted += 1;
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Known subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes + self.kept.memory() + self.ended.len() + self.key.capacity()
    }
}

/// What a payload does, with the hostname, as it is in JSON, and the object that should contain the id; or `None` if it is no notification about
/// a subscription.
fn notification<'a>(envelope: &Finder<'_>, payload: &'a [u8]) -> Option<(Effect, &'a [u8], Value<'a>)> {
    envelope.find(payload)?;
    let (mut hostname, mut contents) = (None, None);
    for (name, value) in Value::new(payload).member(ENVELOPE)?.members() {
        match name {
            b"hostname" => hostname = value.octets().filter(|octets| octets.first() == Some(&b'"')),
            b"contents" => contents = Some(value),
            _ => {}
        }
        // The contents are usually last and long, and then not passed over.
        if hostname.is_some() && contents.is_some() {
            break;
        }
    }
    let (hostname, contents) = hostname.zip(contents)?;
    contents.members().find_map(|(name, value)| {
        let (_, effect) = EFFECTS.iter().find(|(other, _)| *other == name)?;
        Some((*effect, hostname, value))
    })
}

/// An unsigned integer. Others are no id (RFC 8639: `subscription-id` is a uint32).
fn number(value: Value<'_>) -> Option<u64> {
    std::str::from_utf8(value.octets()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(hostname: &str, name: &str, contents: &str) -> Vec<u8> {
        let time = "2026-11-01T00:00:00Z";
        format!(
            "{{\"ietf-yp-notification:envelope\":{{\"event-time\":\"{time}\",\"hostname\":\"{hostname}\",\
             \"sequence-number\":1,\"contents\":{{\"{name}\":{contents}}}}}}}"
        )
        .into_bytes()
    }

    fn started(hostname: &str, contents: &str) -> Vec<u8> {
        envelope(hostname, "ietf-subscribed-notifications:subscription-started", contents)
    }

    fn updated(hostname: &str, id: u32) -> Vec<u8> {
        let contents = format!("{{\"datastore-contents\":{{\"id\":[\"}}\",{{}}]}},\"id\":{id}}}");
        envelope(hostname, "ietf-yang-push:push-update", &contents)
    }

    #[test]
    fn updates_get_the_subscription_that_started_them() {
        let mut subscriptions = Subscriptions::new(10, 1000);
        assert_eq!(subscriptions.observe(&updated("r1", 5)), Notice::Unknown(5));
        let (first, second) = (r#"{"id":5,"filter":"/a"}"#, r#"{"filter":"/b","id":5}"#);
        assert_eq!(subscriptions.observe(&started("r1", first)), Notice::None);
        assert_eq!(subscriptions.observe(&updated("r1", 5)), Notice::Subscription(first.as_bytes()));
        assert_eq!(subscriptions.observe(&updated("r1", 6)), Notice::Unknown(6));
        assert_eq!(subscriptions.observe(&updated("r2", 5)), Notice::Unknown(5));
        subscriptions.observe(&started("r1", second));
        for name in ["ietf-yang-push:push-change-update", "ietf-subscribed-notifications:subscription-suspended"] {
            let payload = envelope("r1", name, "{\"id\":5}");
            assert_eq!(subscriptions.observe(&payload), Notice::Subscription(second.as_bytes()));
        }
        let counts = Counts { kept: 2, unknown: 3, ..Counts::default() };
        assert_eq!((subscriptions.len(), subscriptions.counts()), (1, counts));
    }

    #[test]
    fn modified_subscriptions_replace_and_terminated_ones_are_forgotten() {
        let mut subscriptions = Subscriptions::new(10, 1000);
        let modified = r#"{"id":5,"filter":"/b"}"#;
        subscriptions.observe(&started("r1", r#"{"id":5}"#));
        let payload = envelope("r1", "ietf-subscribed-notifications:subscription-modified", modified);
        assert_eq!(subscriptions.observe(&payload), Notice::Subscription(modified.as_bytes()));
        let payload = envelope("r1", "ietf-subscribed-notifications:subscription-terminated", r#"{"id":5}"#);
        assert_eq!(subscriptions.observe(&payload), Notice::Subscription(modified.as_bytes()));
        assert_eq!(subscriptions.observe(&payload), Notice::Unknown(5));
        assert!(subscriptions.is_empty() && subscriptions.bytes == 0);
    }

    #[test]
    fn other_payloads_mean_nothing() {
        let mut subscriptions = Subscriptions::new(10, 1000);
        for payload in [
            &b"{}"[..],
            br#"{"ietf-notification:notification":{"ietf-yang-push:push-update":{"id":5}}}"#,
            br#"{"a":"ietf-yp-notification:envelope"}"#,
            br#"{"ietf-yp-notification:envelope":1}"#,
            br#"{"ietf-yp-notification:envelope":{"hostname":"r1"}}"#,
            br#"{"ietf-yp-notification:envelope":{"contents":{"ietf-yang-push:push-update":{"id":5}}}}"#,
            &envelope("r1", "ietf-yang-push:push-update", r#"{"id":"5"}"#),
            &envelope("r1", "ietf-yang-push:push-update", "5"),
            &envelope("r1", "example:event", r#"{"id":5}"#),
        ] {
            assert_eq!(subscriptions.observe(payload), Notice::None, "{}", payload.escape_ascii());
        }
        assert_eq!(subscriptions.counts(), Counts::default());
    }

    #[test]
    fn the_least_recently_used_subscription_is_evicted_at_a_bound() {
        let mut subscriptions = Subscriptions::new(2, 1000);
        (1..=2).for_each(|id| _ = subscriptions.observe(&started("r1", &format!("{{\"id\":{id}}}"))));
        assert!(matches!(subscriptions.observe(&updated("r1", 1)), Notice::Subscription(_)));
        subscriptions.observe(&started("r1", r#"{"id":3}"#));
        assert_eq!(subscriptions.observe(&updated("r1", 2)), Notice::Unknown(2));
        assert_eq!((subscriptions.len(), subscriptions.counts().evicted), (2, 1));
        let mut subscriptions = Subscriptions::new(100, 200);
        for id in 1..=20 {
            subscriptions.observe(&started("r1", &format!("{{\"id\":{id},\"filter\":\"{}\"}}", "x".repeat(30))));
            assert!(subscriptions.bytes <= 200);
        }
        subscriptions.observe(&started("r1", &format!("{{\"id\":1,\"filter\":\"{}\"}}", "x".repeat(200))));
        let counts = subscriptions.counts();
        assert_eq!((counts.kept - counts.evicted, counts.too_long), (subscriptions.len() as u64, 1));
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in r#"\{("(ietf-yp-notification:envelope|contents|hostname|id)":|[{}\[\]",:1\\])*"#) {
            let mut subscriptions = Subscriptions::new(2, 100);
            _ = subscriptions.observe(text.as_bytes());
        }
    }
}
