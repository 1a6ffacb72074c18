//! Why a session ends.

use crate::rtr::{ErrorCode, PduError, PduType, Version};
use crate::vrps::Vrp;
use std::fmt;
use wire::Asn;

/// Why a client ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A PDU cannot be read.
    Malformed(PduError),
    /// A PDU of another version than the negotiated one.
    Version {
        /// The version of the session.
        expected: Version,
        /// That of the PDU.
        got: Version,
    },
    /// The cache speaks only this version; the next session begins with it.
    LowerVersion(Version),
    /// A PDU that has no place here.
    Unexpected(PduType),
    /// The session of the cache has changed.
    Session,
    /// A VRP was withdrawn that was not announced.
    WithdrawalOfUnknown(Vrp),
    /// An ASPA was withdrawn that was not announced.
    WithdrawalOfUnknownAspa(Asn),
    /// A VRP was announced twice.
    Duplicate(Vrp),
    /// More records than the bound.
    TooMany(usize),
    /// The cache reported an error.
    Reported(ErrorCode),
    /// The connection did not open in time.
    ConnectTime,
    /// The cache did not answer in time.
    AnswerTime,
    /// The transfer took too long.
    TransferTime,
}

/// The counters of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A PDU cannot be read.
    Malformed,
    /// A version that was not negotiated, or none in common.
    Version,
    /// A PDU in the wrong place, or another session.
    Unexpected,
    /// Withdrawals and announcements that do not fit the data.
    Inconsistent,
    /// More records than the bound.
    Bound,
    /// The cache reported an error.
    Reported,
    /// The cache was too slow.
    Time,
    /// The connection failed, or the cache closed it.
    Connection,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Version,
        Self::Unexpected,
        Self::Inconsistent,
        Self::Bound,
        Self::Reported,
        Self::Time,
        Self::Connection,
    ];

    /// The name, as in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Unexpected => "unexpected",
            Self::Inconsistent => "inconsistent",
            Self::Bound => "bound",
            Self::Reported => "reported",
            Self::Time => "time",
            Self::Connection => "connection",
        }
    }
}

impl Fault {
    /// The counter.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) => Reason::Malformed,
            Self::Version { .. } | Self::LowerVersion(_) => Reason::Version,
            Self::Unexpected(_) | Self::Session => Reason::Unexpected,
            Self::WithdrawalOfUnknown(_) | Self::WithdrawalOfUnknownAspa(_) | Self::Duplicate(_) => {
                Reason::Inconsistent
            }
            Self::TooMany(_) => Reason::Bound,
            Self::Reported(_) => Reason::Reported,
            Self::ConnectTime | Self::AnswerTime | Self::TransferTime => Reason::Time,
        }
    }

    /// The code by which the cache learns of it, if it should.
    pub(super) const fn report(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::Malformed(error) => error.code(),
            Self::Version { .. } => ErrorCode::UNEXPECTED_VERSION,
            Self::Unexpected(_) | Self::Session => ErrorCode::CORRUPT_DATA,
            Self::WithdrawalOfUnknown(_) | Self::WithdrawalOfUnknownAspa(_) => {
                ErrorCode::WITHDRAWAL_OF_UNKNOWN_RECORD
            }
            Self::Duplicate(_) => ErrorCode::DUPLICATE_ANNOUNCEMENT,
            Self::TooMany(_) => ErrorCode::INTERNAL_ERROR,
            Self::LowerVersion(_)
            | Self::Reported(_)
            | Self::ConnectTime
            | Self::AnswerTime
            | Self::TransferTime => return None,
        })
    }

    /// True if changes can no longer be applied to the data.
    pub(super) const fn is_about_data(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::Version { .. }
            | Self::LowerVersion(_)
            | Self::Unexpected(_)
            | Self::Session
            | Self::WithdrawalOfUnknown(_)
            | Self::WithdrawalOfUnknownAspa(_)
            | Self::Duplicate(_)
            | Self::TooMany(_) => true,
            // A cache without data has not lost its session.
            Self::Reported(code) => code.0 != ErrorCode::NO_DATA_AVAILABLE.0,
            Self::ConnectTime | Self::AnswerTime | Self::TransferTime => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Version { expected, got } => {
                write!(f, "a PDU of version {} in a session of version {}", got.number(), expected.number())
            }
            Self::LowerVersion(version) => write!(f, "the cache speaks version {}", version.number()),
            Self::Unexpected(kind) => write!(f, "a PDU of type {} was not expected here", kind.0),
            Self::Session => f.write_str("the session of the cache has changed"),
            Self::WithdrawalOfUnknown(vrp) => write!(f, "{vrp} was withdrawn, but not announced before"),
            Self::WithdrawalOfUnknownAspa(customer) => {
                write!(f, "the providers of AS{customer} were withdrawn, but not announced before")
            }
            Self::Duplicate(vrp) => write!(f, "{vrp} was announced twice"),
            Self::TooMany(max) => write!(f, "more than {max} records"),
            Self::Reported(code) => write!(f, "the cache reports: {code}"),
            Self::ConnectTime => f.write_str("the cache does not accept the connection"),
            Self::AnswerTime => f.write_str("the cache does not answer"),
            Self::TransferTime => f.write_str("the transfer takes too long"),
        }
    }
}

impl std::error::Error for Fault {}
