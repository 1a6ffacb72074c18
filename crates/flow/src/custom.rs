//! Custom primitives: fields that the user names, from elements that the suite does not know or from octets
//! of the packet (`aggregate_primitives`).

use crate::kind::Kind;

/// How the octets of a custom primitive are read and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    /// Unsigned number, shown in decimal.
    UnsignedInt,
    /// Unsigned number, shown in hexadecimal.
    Hex,
    /// IPv4 or IPv6 address, by its length.
    Ip,
    /// MAC address.
    Mac,
    /// Text, up to the first NUL.
    Str,
    /// Octets, shown in hexadecimal with dashes.
    Raw,
}

impl Semantics {
    /// The kind of the row's field.
    pub const fn kind(self) -> Kind {
        match self {
            Self::UnsignedInt => Kind::NumberText,
            Self::Hex => Kind::HexText,
            Self::Ip => Kind::IpText,
            Self::Mac => Kind::Mac,
            Self::Str => Kind::Text,
            Self::Raw => Kind::Raw,
        }
    }
}

/// Where a custom primitive is read from in a flow record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Enterprise number, 0 for IANA.
    pub enterprise: u32,
    /// Element number.
    pub element: u16,
    /// Which of several equal elements of a template, from 0.
    pub occurrence: u16,
}

/// One custom primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// The word in `aggregate`, and the name in the outputs.
    pub name: String,
    /// Element of flow records, if it is read from those.
    pub element: Option<Element>,
    /// Packet pointers, tried in order.
    pub pointers: Vec<packet::pointer::Pointer>,
    /// Octets; `None` for a variable length.
    pub length: Option<u16>,
    /// How it is read and shown.
    pub semantics: Semantics,
}
