//! Initiation (RFC 7854 section 4.3, RFC 9736 section 3.1), the first message of a router, and termination (RFC 7854 section
//! 4.5), its last. Both are TLVs alone.

use crate::code::{InitiationTlv, TerminationReason, TerminationTlv};
use crate::error::MessageError;
use crate::tlv::Tlvs;
use wire::Reader;

/// An initiation: who the router is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initiation<'a> {
    /// The TLVs; see [`InitiationTlv`].
    pub tlvs: Tlvs<'a>,
}

impl<'a> Initiation<'a> {
    pub(crate) fn read(r: Reader<'a>) -> Result<Self, MessageError> {
        let tlvs = Tlvs::new(r, false);
        tlvs.check()?;
        Ok(Self { tlvs })
    }

    /// The name of the system; text, most likely UTF-8.
    pub fn sys_name(&self) -> Option<&'a [u8]> {
        self.tlvs.last(InitiationTlv::SYS_NAME.0)
    }

    /// The description of the system; text, most likely UTF-8.
    pub fn sys_descr(&self) -> Option<&'a [u8]> {
        self.tlvs.last(InitiationTlv::SYS_DESCR.0)
    }
}

/// A termination: the router closes the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Termination<'a> {
    /// The TLVs; see [`TerminationTlv`].
    pub tlvs: Tlvs<'a>,
    /// A TLV is cut.
    pub fault: Option<MessageError>,
}

impl<'a> Termination<'a> {
    /// Never fails: whatever the TLVs are, the session is over.
    pub(crate) fn read(r: Reader<'a>) -> Self {
        let tlvs = Tlvs::new(r, false);
        Self { tlvs, fault: tlvs.check().err() }
    }

    /// The reason, if there is one of two octets.
    pub fn reason(&self) -> Option<TerminationReason> {
        let octets = self.tlvs.last(TerminationTlv::REASON.0)?;
        Some(TerminationReason(u16::from_be_bytes(octets.try_into().ok()?)))
    }
}
