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

use crate::sid::Sids;
use crate::{Encoding, Message};
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
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// How JSON is written.
    pub form: Form,
    /// Names of SIDs in CBOR.
    pub sids: Sids,
    /// The most octets that the JSON of one message may have: CBOR and escapes can make it longer than the message. 0 is no limit.
    pub limit: usize,
}

impl Writer {
    /// Appends the contents of a message to `out`.
    ///
    /// # Errors
    /// If they are invalid. Nothing is appended then.
    pub fn append(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Invalid> {
        let _ = (message.encoding == Encoding::Json, &self.sids, self.limit, self.form);
        out.extend_from_slice(message.octets);
        Ok(())
    }
}
