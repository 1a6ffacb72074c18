//! The format of batches for message brokers.
//!
//! ```text
//! head    u32 length, then JSON: { "topics": [...], "content_type": "...", "schema": "..." or absent,
//!         "subject": "..." or absent }
//! item    u16 topic, u32 key length (2^32 - 1: no key), u32 payload length,
//!         u64 aggregates, u64 packets, u64 bytes, key, payload
//! ```
//!
//! Numbers are little-endian: a batch is read by the program that wrote it, or by a later version on the same machine.

use crate::batch::Sum;
use serde::{Deserialize, Serialize};

/// The header of a batch: what all its messages have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Topics, or routing keys. A message holds an index into this list.
    pub topics: Vec<String>,
    /// Media type of the payloads.
    pub content_type: String,
    /// Avro schema of the payloads, if they are in Avro's binary form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What follows the topic in the subject under which a registry knows the schema; without one, `value`. Topics with messages
    /// of several schemas need several subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Index of its topic in the header.
    pub topic: u16,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its payload.
    pub payload: &'a [u8],
    /// What it counts; zero for a marker.
    pub sum: Sum,
}

const NO_KEY: u32 = u32::MAX;
/// Bytes before the key of an item.
const FIXED: usize = 2 + 4 + 4 + 24;

/// Assembles messages into the body of a batch.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    head: Head,
    items: Vec<u8>,
    count: u32,
    sum: Sum,
}

impl Builder {
    /// An empty body for messages of that media type.
    pub fn new(content_type: &str, schema: Option<&str>) -> Self {
        let (content_type, schema) = (content_type.to_owned(), schema.map(str::to_owned));
        Self { head: Head { content_type, schema, ..Head::default() }, ..Self::default() }
    }

    /// The same, for messages whose schema has a subject of its own in a registry.
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.head.subject = Some(subject.to_owned());
        self
    }

    /// The index of a topic, which is added if it is new; `None` when there are 65,535 others already.
    pub fn topic(&mut self, name: &str) -> Option<u16> {
        let topics = &mut self.head.topics;
        let at = topics.iter().rposition(|topic| topic == name).unwrap_or_else(|| {
            topics.push(name.to_owned());
            topics.len() - 1
        });
        u16::try_from(at).ok().filter(|at| *at < u16::MAX)
    }

    /// Adds a message. Lengths beyond 32 bits do not occur: callers bound their messages.
    pub fn push(&mut self, message: Message<'_>) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(NO_KEY - 1);
        self.items.extend_from_slice(&message.topic.to_le_bytes());
        self.items.extend_from_slice(&message.key.map_or(NO_KEY, length).to_le_bytes());
        self.items.extend_from_slice(&length(message.payload).to_le_bytes());
        for number in [message.sum.aggregates, message.sum.packets, message.sum.bytes] {
            self.items.extend_from_slice(&number.to_le_bytes());
        }
        self.items.extend_from_slice(message.key.unwrap_or_default());
        self.items.extend_from_slice(message.payload);
        self.count += 1;
        self.sum = self.sum.plus(message.sum);
    }

    /// Bytes so far.
    pub fn size(&self) -> usize {
        self.items.len()
    }

    /// Messages so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The sum over all messages so far.
    pub fn sum(&self) -> Sum {
        self.sum
    }

    /// Returns the body, and leaves the builder empty.
    pub fn take(&mut self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).unwrap_or_default();
        let mut body = Vec::with_capacity(4 + head.len() + self.items.len());
        body.extend_from_slice(&u32::try_from(head.len()).unwrap_or(0).to_le_bytes());
        body.extend_from_slice(&head);
        body.append(&mut self.items);
        self.head.topics.clear();
        self.count = 0;
        self.sum = Sum::default();
        body
    }
}

/// The messages of a body.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    /// The header.
    pub head: Head,
    items: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads a body; `None` when its header cannot be read.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (length, rest) = body.split_first_chunk()?;
        let (head, items) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { head: serde_json::from_slice(head).ok()?, items })
    }

    /// The messages. A truncated body ends at its last complete message.
    pub fn iter(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let mut items = self.items;
        std::iter::from_fn(move || {
            let (message, rest) = read(items)?;
            items = rest;
            Some(message)
        })
    }
}

fn read(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
    let u32_at = |at: usize| Some(u32::from_le_bytes(*fixed.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(*fixed.get(at..)?.first_chunk()?));
    let topic = u16::from_le_bytes(*fixed.first_chunk()?);
    let key = Some(u32_at(2)?).filter(|length| *length != NO_KEY);
    let sum = Sum { aggregates: u64_at(10)?, packets: u64_at(18)?, bytes: u64_at(26)? };
    let (key_bytes, rest) = rest.split_at_checked(key.unwrap_or(0) as usize)?;
    let (payload, rest) = rest.split_at_checked(u32_at(6)? as usize)?;
    Some((Message { topic, key: key.map(|_| key_bytes), payload, sum }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_written_are_read_back() {
        let mut builder = Builder::new("application/json", None);
        let first = builder.topic("a").unwrap();
        let second = builder.topic("b").unwrap();
        assert_eq!(builder.topic("a"), Some(first));
        let messages = [
            Message { topic: first, key: None, payload: b"{}", sum: Sum::one(1, 100) },
            Message { topic: second, key: Some(b""), payload: b"", sum: Sum::default() },
            Message { topic: first, key: Some(b"k"), payload: b"x", sum: Sum::one(2, 3) },
        ];
        messages.iter().for_each(|message| builder.push(*message));
        assert_eq!((builder.count(), builder.sum().packets), (3, 3));
        let body = builder.take();
        let read = Messages::read(&body).unwrap();
        assert_eq!(read.head.topics, ["a", "b"]);
        assert_eq!(read.iter().collect::<Vec<_>>(), messages);
        assert_eq!(builder.count(), 0);
        for cut in 0..body.len() {
            // A truncated body gives fewer messages and no panic.
            assert!(Messages::read(&body[..cut]).is_none_or(|read| read.iter().count() < 3));
        }
    }
}
