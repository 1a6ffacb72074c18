//! Contents of messages as JSON: what becomes the member `payload` of a record.
//!
//! | encoding | payload |
//! |---|---|
//! | JSON | the document as it is, without blanks between tokens |
//! | JSON, [`Form::Text`] | the document as a JSON string |
//! | XML | the document as a JSON string |
//! | GPB | a JSON string: base64 with a line feed after every 72 characters and at the end |
//! | CBOR | the JSON of RFC 7951, with names of SIDs ([`crate::sid`]) |
//!
//! What is written is always one valid JSON value (RFC 8259) in UTF-8 on one line, whatever the octets are; otherwise nothing is written
//! and there is an error.

mod cbor;
mod json;

use crate::sid::Sids;
use crate::{Encoding, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// How JSON is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As JSON.
    #[default]
    Value,
    /// As a JSON string. The text is not checked, except that it is UTF-8.
    Text,
}

/// Why the contents of a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Offset of the error in the contents, in octets.
    pub at: usize,
    /// What is wrong.
    pub kind: InvalidKind,
}

/// The kind of an [`Invalid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKind {
    /// It does not follow the grammar of its encoding.
    Malformed,
    /// It ends early.
    Truncated,
    /// Octets follow its end.
    Trailing,
    /// A text is not UTF-8.
    Utf8,
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Its JSON exceeds the limit.
    TooLong,
    /// CBOR that JSON cannot express, such as a map with a key that is neither a name nor a SID.
    Unsupported,
    /// The encoding is not known.
    Encoding,
}

impl InvalidKind {
    /// All labels, for counters.
    pub const LABELS: [&'static str; 8] =
        ["malformed", "truncated", "trailing", "utf8", "too_deep", "too_long", "unsupported", "unknown_encoding"];

    /// The position of the label in [`InvalidKind::LABELS`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            InvalidKind::Malformed => "malformed",
            InvalidKind::Truncated => "it ends early",
            InvalidKind::Trailing => "octets after its end",
            InvalidKind::Utf8 => "not UTF-8",
            InvalidKind::TooDeep => "nested too deep",
            InvalidKind::TooLong => "too long",
            InvalidKind::Unsupported => "no JSON can express it",
            InvalidKind::Encoding => "an unknown encoding",
        };
        write!(f, "{what}, at octet {}", self.at)
    }
}

impl std::error::Error for Invalid {}

/// The deepest nesting of arrays and objects. Consumers of JSON have such limits, too; YANG models nest some ten levels.
pub const MAX_DEPTH: usize = 128;

/// Writes contents of messages as JSON.
#[derive(Clone, Debug)]
pub struct Writer {
    /// How JSON is written.
    pub form: Form,
    /// Names of SIDs in CBOR.
    pub sids: Sids,
    /// The most octets that the JSON of one message may have: escapes and the names of SIDs can make it longer than the message.
    pub limit: usize,
}

impl Default for Writer {
    /// JSON as it is, no SIDs, 4 MiB.
    fn default() -> Self {
        Self { form: Form::Value, sids: Sids::default(), limit: 4 << 20 }
    }
}

impl Writer {
    /// Appends the contents of a message to `out`.
    ///
    /// # Errors
    /// If they are invalid. Nothing is appended then.
    pub fn append(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Invalid> {
        let start = out.len();
        let appended = self.append_unchecked(message, out);
        let appended = match appended {
            Ok(()) if out.len() - start > self.limit => {
                Err(Invalid { at: message.octets.len(), kind: InvalidKind::TooLong })
            }
            other => other,
        };
        if appended.is_err() {
            out.truncate(start);
        }
        appended
    }

    /// May leave a part in `out` if there is an error, and exceed the limit by a factor that escapes or base64 have.
    fn append_unchecked(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Invalid> {
        let octets = message.octets;
        match message.encoding {
            Encoding::Json if self.form == Form::Value => json::append(octets, out),
            Encoding::Json | Encoding::Xml => {
                json::append_string(json::utf8(octets)?, out);
                Ok(())
            }
            Encoding::Gpb => {
                append_lines_of_base64(octets, out);
                Ok(())
            }
            Encoding::Cbor => cbor::append(octets, &self.sids, self.limit, out),
            Encoding::Unknown(_) => Err(Invalid { at: 0, kind: InvalidKind::Encoding }),
        }
    }
}

/// Octets that become a line of 72 characters.
const LINE: usize = 54;

/// Appends a JSON string of base64 with a line feed after every 72 characters and at the end, as the encoder of libb64 writes it.
fn append_lines_of_base64(octets: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for line in octets.chunks(LINE) {
        append_base64(line, out);
        out.extend_from_slice(b"\\n");
    }
    out.push(b'"');
}

/// Appends base64 (RFC 4648 section 4).
fn append_base64(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + octets.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(octets, out.get_mut(start..).unwrap_or_default()).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(writer: &Writer, encoding: Encoding, octets: &[u8]) -> Result<String, InvalidKind> {
        let mut out = b"before".to_vec();
        let appended = writer.append(&Message { encoding, octets }, &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("before").unwrap().to_owned();
        assert!(appended.is_ok() || text.is_empty());
        appended.map(|()| text).map_err(|error| error.kind)
    }

    #[test]
    fn each_encoding_becomes_json() {
        let writer = Writer::default();
        assert_eq!(append(&writer, Encoding::Json, b"{\"a\": 1}\n").as_deref(), Ok("{\"a\":1}"));
        assert_eq!(append(&writer, Encoding::Json, b"{\"a\": 1"), Err(InvalidKind::Truncated));
        assert_eq!(
            append(&writer, Encoding::Xml, b"<a b=\"1\">\n</a>").as_deref(),
            Ok("\"<a b=\\\"1\\\">\\n</a>\"")
        );
        assert_eq!(append(&writer, Encoding::Xml, b"<\xff>"), Err(InvalidKind::Utf8));
        assert_eq!(append(&writer, Encoding::Gpb, &[1, 2, 3, 4]).as_deref(), Ok("\"AQIDBA==\\n\""));
        assert_eq!(append(&writer, Encoding::Cbor, &[0xa1, 0x61, b'a', 1]).as_deref(), Ok("{\"a\":1}"));
        assert_eq!(append(&writer, Encoding::Unknown(77), b"{}"), Err(InvalidKind::Encoding));
    }

    #[test]
    fn base64_has_lines_of_72_characters() {
        let writer = Writer::default();
        for (octets, lines) in [(54, 1), (55, 2), (108, 2), (0, 0)] {
            let text = append(&writer, Encoding::Gpb, &vec![7; octets]).unwrap();
            let text: String = serde_json::from_str(&text).unwrap();
            assert_eq!(text.matches('\n').count(), lines);
            assert!(text.lines().all(|line| line.len() <= 72) && (lines == 0 || text.ends_with('\n')));
        }
    }

    #[test]
    fn json_can_be_written_as_a_string_and_need_not_be_valid_then() {
        let writer = Writer { form: Form::Text, ..Writer::default() };
        assert_eq!(append(&writer, Encoding::Json, b"{\"a\": ").as_deref(), Ok("\"{\\\"a\\\": \""));
    }

    #[test]
    fn what_exceeds_the_limit_is_not_written() {
        let writer = Writer { limit: 20, ..Writer::default() };
        assert_eq!(append(&writer, Encoding::Xml, &[1; 10]), Err(InvalidKind::TooLong));
        assert_eq!(append(&writer, Encoding::Gpb, &[1; 20]), Err(InvalidKind::TooLong));
        assert_eq!(
            append(&writer, Encoding::Cbor, &[&[0x98, 20][..], &[1; 20]].concat()),
            Err(InvalidKind::TooLong)
        );
        assert_eq!(append(&writer, Encoding::Json, &[b' '; 50]), Err(InvalidKind::Truncated));
    }
}
