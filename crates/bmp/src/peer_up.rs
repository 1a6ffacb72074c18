//! Peer up (RFC 7854 section 4.10, RFC 9736 section 3.2): a session of the router was established, or its monitoring began.
//!
//! ```text
//! per-peer header | local address (16) | local port (2) | remote port (2) | sent OPEN | received OPEN | TLVs
//! ```
//!
//! The OPENs of a Loc-RIB are made by the router: both have the capabilities that its route monitoring needs (RFC 9069
//! section 5.3). Its addresses and ports are 0.

use crate::body::bgp_message;
use crate::code::{PeerType, PeerUpTlv};
use crate::error::MessageError;
use crate::peer::{PeerFlags, PeerHeader, read_address, write_address};
use crate::tlv::Tlvs;
use bgp::message::{Message, MessageType};
use std::net::IpAddr;
use wire::{Reader, Writer};

/// A peer up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerUp<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The address of the router in the session, of the family of the peer's.
    pub local_address: IpAddr,
    /// The port of the router.
    pub local_port: u16,
    /// The port of the peer.
    pub remote_port: u16,
    /// The OPEN that the router sent: the whole message, with a valid header and type. Its body is not checked.
    pub sent_open: Message<'a>,
    /// The OPEN that the peer sent, likewise.
    pub received_open: Message<'a>,
    /// The TLVs; see [`PeerUpTlv`].
    pub tlvs: Tlvs<'a>,
    /// A TLV is cut. The peer is up all the same.
    pub fault: Option<MessageError>,
}

impl<'a> PeerUp<'a> {
    pub(crate) fn read(mut r: Reader<'a>) -> Result<Self, MessageError> {
        let peer = PeerHeader::read(&mut r)?;
        let is_ipv6 = peer.peer_type != PeerType::LOC_RIB && peer.flags.has(PeerFlags::IPV6);
        let local_address = read_address(&mut r, is_ipv6)?;
        let (local_port, remote_port) = (r.u16()?, r.u16()?);
        let sent_open = bgp_message(&mut r, MessageType::OPEN)?;
        let received_open = bgp_message(&mut r, MessageType::OPEN)?;
        let tlvs = Tlvs::new(r, false);
        let fault = tlvs.check().err();
        Ok(Self { peer, local_address, local_port, remote_port, sent_open, received_open, tlvs, fault })
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.peer.write(w);
        write_address(w, self.local_address);
        w.u16(self.local_port).u16(self.remote_port);
        w.put(self.sent_open.octets()).put(self.received_open.octets()).put(self.tlvs.octets());
    }

    /// The name of the VRF or table; text, most likely UTF-8.
    pub fn vrf_table_name(&self) -> Option<&'a [u8]> {
        self.tlvs.last(PeerUpTlv::VRF_TABLE_NAME.0)
    }
}
