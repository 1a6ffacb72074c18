//! Why a message cannot be decoded.

use std::fmt;
use wire::Truncated;

/// What is wrong with a message. Offsets count from its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A field ends behind the message that contains it.
    Truncated(Truncated),
    /// A varint of more than 64 bits.
    Varint {
        /// Its offset.
        at: usize,
    },
    /// A field number of zero, or above 2^29 - 1.
    FieldNumber {
        /// The offset of the tag.
        at: usize,
        /// The number.
        number: u64,
    },
    /// A wire type that a field of this number does not have, or a group.
    WireType {
        /// The offset of the tag.
        at: usize,
        /// The number of the field.
        number: u32,
        /// The wire type.
        wire_type: u8,
    },
    /// Messages are nested too deeply.
    Depth {
        /// The offset of the first message that is too deep.
        at: usize,
    },
    /// A message that may occur once occurs again.
    Repeated {
        /// The offset of the second one.
        at: usize,
        /// The number of the field.
        number: u32,
    },
    /// An element of a path has more than 64 keys.
    Keys {
        /// The offset of the first key too many.
        at: usize,
    },
    /// The JSON would exceed the limit.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A text that should be JSON is not.
    NotJson,
}

impl Fault {
    /// The names of all faults.
    pub const NAMES: [&'static str; 9] =
        ["truncated", "varint", "field_number", "wire_type", "depth", "repeated", "keys", "too_large", "not_json"];

    /// The position of the fault's name in [`Fault::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Truncated(_) => 0,
            Self::Varint { .. } => 1,
            Self::FieldNumber { .. } => 2,
            Self::WireType { .. } => 3,
            Self::Depth { .. } => 4,
            Self::Repeated { .. } => 5,
            Self::Keys { .. } => 6,
            Self::TooLarge { .. } => 7,
            Self::NotJson => 8,
        }
    }
}

impl From<Truncated> for Fault {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Varint { at } => write!(f, "the varint at offset {at} has more than 64 bits"),
            Self::FieldNumber { at, number } => write!(f, "field number {number} at offset {at} is not valid"),
            Self::WireType { at, number, wire_type } => {
                write!(f, "field {number} at offset {at} has wire type {wire_type}, which is not its own")
            }
            Self::Depth { at } => write!(f, "messages are nested too deeply at offset {at}"),
            Self::Repeated { at, number } => {
                write!(f, "field {number} occurs again at offset {at}; it may occur once")
            }
            Self::Keys { at } => write!(f, "an element of a path has more than 64 keys, at offset {at}"),
            Self::TooLarge { limit } => write!(f, "the message is larger than {limit} bytes in JSON"),
            Self::NotJson => f.write_str("the text is not JSON"),
        }
    }
}

impl std::error::Error for Fault {}
