//! Route mirroring (RFC 7854 section 4.7): BGP messages as a peer sent them, malformed ones too.

use crate::code::{MirroringInformation, MirroringTlv};
use crate::error::{MessageError, Reason};
use crate::peer::PeerHeader;
use crate::tlv::{Tlv, Tlvs};
use wire::{Reader, Writer};

/// A route mirroring message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteMirroring<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The TLVs; [`RouteMirroring::items`] decodes them.
    pub tlvs: Tlvs<'a>,
    /// A TLV is cut, or has a wrong length.
    pub fault: Option<MessageError>,
}

/// What a TLV of route mirroring says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mirrored<'a> {
    /// A BGP message, whole and as it was received: nothing in it is checked, not even its header.
    Message(&'a [u8]),
    /// What is special about the messages.
    Information(MirroringInformation),
    /// An unknown TLV, or one with a wrong length.
    Other(Tlv<'a>),
}

impl<'a> RouteMirroring<'a> {
    pub(crate) fn read(mut r: Reader<'a>) -> Result<Self, MessageError> {
        let peer = PeerHeader::read(&mut r)?;
        let tlvs = Tlvs::new(r, false);
        let mut fault = tlvs.check().err();
        let mut rest = tlvs;
        while let Some((tlv, value)) = rest.next_located() {
            if tlv.registered() == Some(MirroringTlv::INFORMATION.0) && value.left() != 2 {
                let reason = Reason::Length { kind: tlv.kind, len: value.left() };
                fault = fault.or(Some(MessageError { at: value.at(), reason }));
            }
        }
        Ok(Self { peer, tlvs, fault })
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.peer.write(w);
        w.put(self.tlvs.octets());
    }

    /// The TLVs, decoded.
    pub fn items(&self) -> impl Iterator<Item = Mirrored<'a>> + use<'a> {
        self.tlvs.map(|tlv| match (tlv.registered().map(MirroringTlv), tlv.value) {
            (Some(MirroringTlv::BGP_MESSAGE), _) => Mirrored::Message(tlv.value),
            (Some(MirroringTlv::INFORMATION), &[high, low]) => {
                Mirrored::Information(MirroringInformation(u16::from_be_bytes([high, low])))
            }
            _ => Mirrored::Other(tlv),
        })
    }
}
