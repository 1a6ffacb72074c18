//! Errors of PDUs, and the codes by which they are reported.

use super::PduType;
use std::fmt;

/// The code of an Error Report (IANA "rpki-rtr-error"; RFC 8210 section 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// A PDU is malformed, or contradicts others.
    pub const CORRUPT_DATA: Self = Self(0);
    /// An error that has nothing to do with the protocol.
    pub const INTERNAL_ERROR: Self = Self(1);
    /// The cache has no data yet. The only code that does not end the session.
    pub const NO_DATA_AVAILABLE: Self = Self(2);
    /// The cache does not accept the query.
    pub const INVALID_REQUEST: Self = Self(3);
    /// The version is not supported.
    pub const UNSUPPORTED_VERSION: Self = Self(4);
    /// The type is not known.
    pub const UNSUPPORTED_PDU_TYPE: Self = Self(5);
    /// A record was withdrawn that was not announced.
    pub const WITHDRAWAL_OF_UNKNOWN_RECORD: Self = Self(6);
    /// A record was announced twice.
    pub const DUPLICATE_ANNOUNCEMENT: Self = Self(7);
    /// The version is not the negotiated one.
    pub const UNEXPECTED_VERSION: Self = Self(8);
    /// The list of providers of an ASPA is wrong.
    pub const ASPA_PROVIDER_LIST: Self = Self(9);
    /// The transport failed.
    pub const TRANSPORT_FAILED: Self = Self(10);
    /// PDUs are not in the order that version 2 requires.
    pub const ORDERING: Self = Self(11);

    /// The name, if it is known.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::CORRUPT_DATA => "corrupt data",
            Self::INTERNAL_ERROR => "internal error",
            Self::NO_DATA_AVAILABLE => "no data available",
            Self::INVALID_REQUEST => "invalid request",
            Self::UNSUPPORTED_VERSION => "unsupported protocol version",
            Self::UNSUPPORTED_PDU_TYPE => "unsupported PDU type",
            Self::WITHDRAWAL_OF_UNKNOWN_RECORD => "withdrawal of unknown record",
            Self::DUPLICATE_ANNOUNCEMENT => "duplicate announcement received",
            Self::UNEXPECTED_VERSION => "unexpected protocol version",
            Self::ASPA_PROVIDER_LIST => "ASPA provider list error",
            Self::TRANSPORT_FAILED => "transport failed",
            Self::ORDERING => "ordering error",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// Why a PDU cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PduError {
    /// The version is unknown.
    Version(u8),
    /// The version has no such type.
    Type(PduType),
    /// The length is not one that the type can have, or contradicts lengths inside.
    Length {
        /// The type.
        kind: PduType,
        /// The length in octets.
        length: u32,
    },
    /// The prefix is longer than an address, or the maximum length is shorter than the prefix or longer than an address.
    PrefixLength {
        /// The prefix length.
        length: u8,
        /// The maximum length.
        max_length: u8,
    },
    /// An ASPA announces no provider, or AS 0 among others, or withdraws providers, or does not list them in ascending order.
    Providers,
}

impl PduError {
    /// The code by which the error is reported to the cache.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Version(_) => ErrorCode::UNSUPPORTED_VERSION,
            Self::Type(_) => ErrorCode::UNSUPPORTED_PDU_TYPE,
            Self::Length { .. } | Self::PrefixLength { .. } => ErrorCode::CORRUPT_DATA,
            Self::Providers => ErrorCode::ASPA_PROVIDER_LIST,
        }
    }
}

impl fmt::Display for PduError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} is unknown"),
            Self::Type(kind) => write!(f, "PDU type {} is unknown in this version", kind.0),
            Self::Length { kind, length } => write!(f, "a PDU of type {} cannot have {length} octets", kind.0),
            Self::PrefixLength { length, max_length } => {
                write!(
                    f,
                    "prefix length {length} and maximum length {max_length} contradict each other or the family"
                )
            }
            Self::Providers => f.write_str("the list of providers of an ASPA is wrong"),
        }
    }
}

impl std::error::Error for PduError {}
