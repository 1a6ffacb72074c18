//! Peer down (RFC 7854 section 4.9, RFC 9069 section 5.3): a session of the router ended, or its monitoring.
//!
//! ```text
//! per-peer header | reason (1) | data
//! ```
//!
//! | reason | data | in version 4 |
//! |---|---|---|
//! | 1, 3 | a NOTIFICATION | TLVs follow |
//! | 2 | the event of the state machine (RFC 4271 section 8.1), 2 octets; 0 if there is none | TLVs follow |
//! | 4, 5 | none | TLVs |
//! | 6 | TLVs | TLVs |

use crate::body::{bgp_message, trailing};
use crate::code::DownReason;
use crate::error::MessageError;
use crate::frame::Version;
use crate::peer::PeerHeader;
use crate::tlv::Tlvs;
use bgp::message::{Message, MessageType};
use wire::{Reader, Writer};

/// A peer down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerDown<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The reason.
    pub reason: DownReason,
    /// The NOTIFICATION of reasons 1 and 3: the whole message, with a valid header and type.
    pub notification: Option<Message<'a>>,
    /// The event of reason 2.
    pub fsm_event: Option<u16>,
    /// The TLVs of reason 6, and in version 4 of all known reasons; see [`crate::code::PeerDownTlv`].
    pub tlvs: Tlvs<'a>,
    /// All octets after the reason.
    pub data: &'a [u8],
    /// The data are not those of the reason. The peer is down all the same.
    pub fault: Option<MessageError>,
}

impl<'a> PeerDown<'a> {
    /// A peer down with data, which are decoded as those of the reason.
    pub fn new(peer: PeerHeader, reason: DownReason, data: &'a [u8], version: Version) -> Self {
        Self::with_data(peer, reason, Reader::new(data), version)
    }

    pub(crate) fn read(mut r: Reader<'a>, version: Version) -> Result<Self, MessageError> {
        let peer = PeerHeader::read(&mut r)?;
        let reason = DownReason(r.u8()?);
        Ok(Self::with_data(peer, reason, r, version))
    }

    fn with_data(peer: PeerHeader, reason: DownReason, mut r: Reader<'a>, version: Version) -> Self {
        let tlvs = Tlvs::of(&[], false);
        let data = r.rest();
        let mut down = Self { peer, reason, notification: None, fsm_event: None, tlvs, data, fault: None };
        let mut has_tlvs = version == Version::V4;
        match reason {
            DownReason::LOCAL_NOTIFICATION | DownReason::REMOTE_NOTIFICATION => {
                match bgp_message(&mut r, MessageType::NOTIFICATION) {
                    Ok(notification) => down.notification = Some(notification),
                    Err(fault) => return Self { fault: Some(fault), ..down },
                }
            }
            DownReason::LOCAL_EVENT => match r.u16() {
                Ok(event) => down.fsm_event = Some(event),
                Err(fault) => return Self { fault: Some(fault.into()), ..down },
            },
            DownReason::LOCAL_TLVS => has_tlvs = true,
            DownReason::REMOTE_NO_DATA | DownReason::DECONFIGURED => {}
            // What the data mean is not known.
            _ => return down,
        }
        if has_tlvs {
            down.tlvs = Tlvs::new(r, false);
            down.fault = down.tlvs.check().err();
        } else {
            down.fault = trailing(&r);
        }
        down
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.peer.write(w);
        w.u8(self.reason.0).put(self.data);
    }
}
