//! Route monitoring (RFC 7854 section 4.6): an UPDATE of a peer, as the router received it, or as it sums up its RIB.
//!
//! In version 3 the UPDATE follows the per-peer header. In version 4 it is the value of a TLV, and others may say more about the
//! routes; see [`crate::v4`].
//!
//! No document permits TLVs in version 3, but VRP (Huawei) puts one after the UPDATE of a route in a Loc-RIB. It has the type 60002 and
//! no enterprise number, and its value is that of a path marking TLV ([`crate::v4::PathMarking`]) with reasons of its own.

use crate::body::{bgp_message, trailing};
use crate::error::{MessageError, Reason};
use crate::frame::Version;
use crate::peer::PeerHeader;
use crate::tlv::{Tlv, TlvBuf, Tlvs};
use crate::v4::CodePoints;
use bgp::message::{Message, MessageType};
use wire::{Reader, TooLong, Writer};

/// A route monitoring message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteMonitoring<'a> {
    /// The peer, and the RIB.
    pub peer: PeerHeader,
    /// The UPDATE: the whole message, with a valid header and type. Its body is not checked.
    pub update: Message<'a>,
    /// The TLVs of version 4, with the BGP message among them. In version 3 those after the UPDATE, without an index, if its rest
    /// consists of whole TLVs.
    pub tlvs: Tlvs<'a>,
    /// Octets are left over, a TLV is cut, or there is a second UPDATE. The first one can be used.
    pub fault: Option<MessageError>,
}

impl<'a> RouteMonitoring<'a> {
    /// A message without TLVs.
    pub fn new(peer: PeerHeader, update: Message<'a>) -> Self {
        Self { peer, update, tlvs: Tlvs::of(&[], true), fault: None }
    }

    #[inline]
    pub(crate) fn read(
        mut r: Reader<'a>,
        version: Version,
        code_points: &CodePoints,
    ) -> Result<Self, MessageError> {
        let peer = PeerHeader::read(&mut r)?;
        if version == Version::V4 {
            return Self::read_tlvs(peer, r, code_points);
        }
        let update = bgp_message(&mut r, MessageType::UPDATE)?;
        if r.is_empty() {
            return Ok(Self::new(peer, update));
        }
        let tlvs = Tlvs::new(r, false);
        Ok(match tlvs.check() {
            Ok(()) => Self { tlvs, ..Self::new(peer, update) },
            Err(_) => Self { fault: trailing(&r), ..Self::new(peer, update) },
        })
    }

    fn read_tlvs(peer: PeerHeader, r: Reader<'a>, code_points: &CodePoints) -> Result<Self, MessageError> {
        let tlvs = Tlvs::new(r, true);
        let mut fault = tlvs.check().err();
        let (mut update, mut rest) = (None, tlvs);
        while let Some((tlv, mut value)) = rest.next_located() {
            if tlv.registered() != Some(code_points.bgp_message) {
                continue;
            }
            if update.is_none() {
                update = Some(bgp_message(&mut value, MessageType::UPDATE)?);
                fault = fault.or_else(|| trailing(&value));
            } else {
                fault = fault.or(Some(MessageError { at: value.at(), reason: Reason::SeveralUpdates }));
            }
        }
        match update {
            Some(update) => Ok(Self { peer, update, tlvs, fault }),
            None => Err(fault.unwrap_or(MessageError { at: r.at(), reason: Reason::NoUpdate })),
        }
    }

    /// In version 3 TLVs with an index are omitted. In version 4 the UPDATE follows the other TLVs, so that a reader meets what it needs to read
    /// the UPDATE first.
    pub(crate) fn write(&self, w: &mut Writer, version: Version, code_points: &CodePoints) -> Result<(), TooLong> {
        self.peer.write(w);
        if version == Version::V3 {
            w.put(self.update.octets());
            if !self.tlvs.is_indexed() {
                w.put(self.tlvs.octets());
            }
            return Ok(());
        }
        let mut tlvs = TlvBuf::new(true);
        for tlv in self.tlvs.filter(|tlv| tlv.registered() != Some(code_points.bgp_message)) {
            tlvs.add(tlv)?;
        }
        tlvs.add(Tlv::new(code_points.bgp_message, self.update.octets()))?;
        w.put(tlvs.tlvs().octets());
        Ok(())
    }
}
