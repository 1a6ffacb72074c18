//! How the contents of messages are encoded.

use std::fmt;

/// The encoding of the contents of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// JSON (RFC 8259; of YANG data, RFC 7951).
    Json,
    /// Protocol buffers of a vendor, compact or as keys and values.
    Gpb,
    /// XML (of YANG data, RFC 7950).
    Xml,
    /// CBOR (RFC 8949; of YANG data, RFC 9254).
    Cbor,
    /// Something else: the code point in the header of the message.
    Unknown(u16),
}

impl Encoding {
    /// Labels of the encodings, for counters and for the label `serialization` of records.
    pub const LABELS: [&'static str; 5] = ["json", "gpb", "xml", "cbor", "unknown"];

    /// The position of the label in [`Encoding::LABELS`].
    pub const fn index(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Gpb => 1,
            Self::Xml => 2,
            Self::Cbor => 3,
            Self::Unknown(_) => 4,
        }
    }

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Gpb => "gpb",
            Self::Xml => "xml",
            Self::Cbor => "cbor",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// The label, and the code point of an unknown encoding.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "unknown encoding {code}"),
            known => f.write_str(known.label()),
        }
    }
}
