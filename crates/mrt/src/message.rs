//! BGP messages and changes of session states (RFC 6396 section 4.4, RFC 8050 section 3).
//!
//! ```text
//! session        AS numbers of the peer and of the collector, u16 or u32 each; u16 interface; u16 AFI; both addresses
//! MESSAGE        session, BGP message with its header
//! STATE_CHANGE   session, u16 old state, u16 new state (RFC 4271: 1 Idle to 6 Established)
//! ```
//!
//! | subtype | AS numbers of messages | path identifiers in NLRI |
//! |---|---|---|
//! | MESSAGE, MESSAGE_ADDPATH | two octets | no, yes |
//! | MESSAGE_AS4, MESSAGE_AS4_ADDPATH | four octets | no, yes |
//!
//! Each has a variant _LOCAL for messages that the collector sent.

use crate::MrtError;
use crate::peers::put_address;
use crate::record::{self, Content, Time, Type};
use std::net::IpAddr;
use wire::{Afi, Asn, Reader};

const STATE_CHANGE: u16 = 0;
const MESSAGE: u16 = 1;
const MESSAGE_AS4: u16 = 4;
const STATE_CHANGE_AS4: u16 = 5;
const MESSAGE_LOCAL: u16 = 6;
const MESSAGE_AS4_LOCAL: u16 = 7;
const MESSAGE_ADDPATH: u16 = 8;
const MESSAGE_AS4_ADDPATH: u16 = 9;
const MESSAGE_LOCAL_ADDPATH: u16 = 10;
const MESSAGE_AS4_LOCAL_ADDPATH: u16 = 11;

/// A session between a peer and the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// AS number of the peer.
    pub peer_asn: Asn,
    /// AS number of the collector.
    pub local_asn: Asn,
    /// Interface index of the collector; 0 if unknown.
    pub interface: u16,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Address of the collector.
    pub local: IpAddr,
}

/// A BGP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The message with its header, from the marker on. It is not checked.
    pub octets: &'a [u8],
    /// The collector sent it.
    pub is_local: bool,
    /// AS numbers in its paths have four octets.
    pub asn4: bool,
    /// NLRI of unicast and multicast have path identifiers (RFC 7911).
    pub has_path_ids: bool,
}

/// A change of the state of a session, by the numbers of RFC 6396: 1 Idle, 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm,
/// 6 Established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The state before.
    pub old: u16,
    /// The state after.
    pub new: u16,
}

impl Session {
    fn read(r: &mut Reader<'_>, asn4: bool) -> Result<Self, MrtError> {
        let mut asn =
            || -> Result<Asn, wire::Truncated> { Ok(Asn(if asn4 { r.u32()? } else { r.u16()?.into() })) };
        let (peer_asn, local_asn) = (asn()?, asn()?);
        let interface = r.u16()?;
        let (peer, local) = match Afi(r.u16()?) {
            Afi::IPV4 => (r.array::<4>()?.into(), r.array::<4>()?.into()),
            Afi::IPV6 => (r.array::<16>()?.into(), r.array::<16>()?.into()),
            Afi(afi) => return Err(MrtError::Family(afi)),
        };
        Ok(Self { peer_asn, local_asn, interface, peer, local })
    }

    /// AS numbers always have four octets here: the subtypes with two cannot hold all of them.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.peer_asn.0.to_be_bytes());
        out.extend_from_slice(&self.local_asn.0.to_be_bytes());
        out.extend_from_slice(&self.interface.to_be_bytes());
        // There is one family for both addresses.
        let (afi, peer, local) = match (self.peer, self.local) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (Afi::IPV4, self.peer, self.local),
            (peer, local) => (Afi::IPV6, mapped(peer), mapped(local)),
        };
        out.extend_from_slice(&afi.0.to_be_bytes());
        put_address(out, peer);
        put_address(out, local);
    }

    /// Appends a message as BGP4MP_ET: MESSAGE_AS4 if AS numbers of the message have four octets, else MESSAGE, and their variants.
    /// MESSAGE cannot hold a session with larger AS numbers than 65535, which become AS_TRANS.
    ///
    /// # Errors
    /// If the message does not fit a record; nothing is appended then.
    pub fn write_message(&self, out: &mut Vec<u8>, time: Time, message: &Message<'_>) -> Result<(), MrtError> {
        let subtype = match (message.asn4, message.is_local, message.has_path_ids) {
            (true, false, false) => MESSAGE_AS4,
            (true, false, true) => MESSAGE_AS4_ADDPATH,
            (true, true, false) => MESSAGE_AS4_LOCAL,
            (true, true, true) => MESSAGE_AS4_LOCAL_ADDPATH,
            (false, false, false) => MESSAGE,
            (false, false, true) => MESSAGE_ADDPATH,
            (false, true, false) => MESSAGE_LOCAL,
            (false, true, true) => MESSAGE_LOCAL_ADDPATH,
        };
        record::write(out, time, Type::BGP4MP_ET, subtype, |out| {
            if message.asn4 {
                self.write(out)
            } else {
                self.write_short(out)
            }
            out.extend_from_slice(message.octets);
            Ok(())
        })
    }

    fn write_short(&self, out: &mut Vec<u8>) {
        let at = out.len();
        self.write(out);
        let short = |asn: Asn| asn.to_u16().or(Asn::TRANS.to_u16()).unwrap_or_default().to_be_bytes();
        let [[a, b], [c, d]] = [short(self.peer_asn), short(self.local_asn)];
        out.splice(at..at + 8, [a, b, c, d]);
    }

    /// Appends a change of the session's state as BGP4MP_ET, STATE_CHANGE_AS4.
    ///
    /// # Errors
    /// None: a state change always fits.
    pub fn write_state_change(&self, out: &mut Vec<u8>, time: Time, change: StateChange) -> Result<(), MrtError> {
        record::write(out, time, Type::BGP4MP_ET, STATE_CHANGE_AS4, |out| {
            self.write(out);
            out.extend_from_slice(&change.old.to_be_bytes());
            out.extend_from_slice(&change.new.to_be_bytes());
            Ok(())
        })
    }
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 => v6,
    }
}

/// Decodes the body of a record of BGP4MP or BGP4MP_ET.
pub(crate) fn read(subtype: u16, body: &[u8]) -> Result<Content<'_>, MrtError> {
    let asn4 = matches!(
        subtype,
        MESSAGE_AS4 | STATE_CHANGE_AS4 | MESSAGE_AS4_LOCAL | MESSAGE_AS4_ADDPATH | MESSAGE_AS4_LOCAL_ADDPATH
    );
    let is_local =
        matches!(subtype, MESSAGE_LOCAL | MESSAGE_AS4_LOCAL | MESSAGE_LOCAL_ADDPATH | MESSAGE_AS4_LOCAL_ADDPATH);
    let has_path_ids = (MESSAGE_ADDPATH..=MESSAGE_AS4_LOCAL_ADDPATH).contains(&subtype);
    let mut r = Reader::new(body);
    match subtype {
        STATE_CHANGE | STATE_CHANGE_AS4 => {
            let session = Session::read(&mut r, asn4)?;
            Ok(Content::StateChange(session, StateChange { old: r.u16()?, new: r.u16()? }))
        }
        MESSAGE | MESSAGE_AS4..=MESSAGE_AS4_LOCAL_ADDPATH => {
            let session = Session::read(&mut r, asn4)?;
            Ok(Content::Message(session, Message { octets: r.rest(), is_local, asn4, has_path_ids }))
        }
        _ => Ok(Content::Other),
    }
}
