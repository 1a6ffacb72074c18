//! A message of any type.

use crate::code::MessageType;
use crate::error::MessageError;
use crate::frame::{self, Frame, HEADER_LEN, Version};
use crate::information::{Initiation, Termination};
use crate::mirroring::RouteMirroring;
use crate::peer::PeerHeader;
use crate::peer_down::PeerDown;
use crate::peer_up::PeerUp;
use crate::route_monitoring::RouteMonitoring;
use crate::statistics::Statistics;
use crate::v4::CodePoints;
use wire::{Reader, TooLong, Writer};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message<'a> {
    /// An UPDATE of a peer.
    RouteMonitoring(RouteMonitoring<'a>),
    /// Counters of a peer.
    Statistics(Statistics<'a>),
    /// The end of a session.
    PeerDown(PeerDown<'a>),
    /// The start of a session.
    PeerUp(PeerUp<'a>),
    /// Who the router is.
    Initiation(Initiation<'a>),
    /// The router ends the BMP session.
    Termination(Termination<'a>),
    /// BGP messages as they were received.
    RouteMirroring(RouteMirroring<'a>),
    /// A message of another type.
    Unknown {
        /// The type.
        kind: MessageType,
        /// The octets after the common header.
        body: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// Decodes a message. `code_points`: those of the TLVs of version 4.
    ///
    /// # Errors
    /// If nothing of the message can be used. Other errors are in [`Message::fault`].
    #[inline]
    pub fn decode(frame: Frame<'a>, code_points: &CodePoints) -> Result<Self, MessageError> {
        let (version, mut r) = (frame.version(), Reader::new(frame.octets()));
        r.array::<HEADER_LEN>()?;
        Ok(match frame.kind() {
            MessageType::ROUTE_MONITORING => {
                Self::RouteMonitoring(RouteMonitoring::read(r, version, code_points)?)
            }
            MessageType::STATISTICS_REPORT => Self::Statistics(Statistics::read(r, version)?),
            MessageType::PEER_DOWN => Self::PeerDown(PeerDown::read(r, version)?),
            MessageType::PEER_UP => Self::PeerUp(PeerUp::read(r)?),
            MessageType::INITIATION => Self::Initiation(Initiation::read(r)?),
            MessageType::TERMINATION => Self::Termination(Termination::read(r)),
            MessageType::ROUTE_MIRRORING => Self::RouteMirroring(RouteMirroring::read(r)?),
            kind => Self::Unknown { kind, body: r.rest() },
        })
    }

    /// The type.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::RouteMonitoring(_) => MessageType::ROUTE_MONITORING,
            Self::Statistics(_) => MessageType::STATISTICS_REPORT,
            Self::PeerDown(_) => MessageType::PEER_DOWN,
            Self::PeerUp(_) => MessageType::PEER_UP,
            Self::Initiation(_) => MessageType::INITIATION,
            Self::Termination(_) => MessageType::TERMINATION,
            Self::RouteMirroring(_) => MessageType::ROUTE_MIRRORING,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The per-peer header, if the message has one.
    pub fn peer(&self) -> Option<&PeerHeader> {
        match self {
            Self::RouteMonitoring(message) => Some(&message.peer),
            Self::Statistics(message) => Some(&message.peer),
            Self::PeerDown(message) => Some(&message.peer),
            Self::PeerUp(message) => Some(&message.peer),
            Self::RouteMirroring(message) => Some(&message.peer),
            Self::Initiation(_) | Self::Termination(_) | Self::Unknown { .. } => None,
        }
    }

    /// The first error in what is not essential to the message, such as a TLV at its end that is cut. What lies before it is
    /// decoded.
    pub fn fault(&self) -> Option<MessageError> {
        match self {
            Self::RouteMonitoring(message) => message.fault,
            Self::Statistics(message) => message.fault,
            Self::PeerDown(message) => message.fault,
            Self::PeerUp(message) => message.fault,
            Self::Termination(message) => message.fault,
            Self::RouteMirroring(message) => message.fault,
            Self::Initiation(_) | Self::Unknown { .. } => None,
        }
    }

    /// Appends the message. `code_points`: those of the TLVs of version 4.
    ///
    /// # Errors
    /// If a part does not fit its length; nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>, version: Version, code_points: &CodePoints) -> Result<(), TooLong> {
        let mut w = Writer::new();
        match self {
            Self::RouteMonitoring(message) => message.write(&mut w, version, code_points)?,
            Self::Statistics(message) => message.write(&mut w, version)?,
            Self::PeerDown(message) => message.write(&mut w),
            Self::PeerUp(message) => message.write(&mut w),
            Self::Initiation(message) => _ = w.put(message.tlvs.octets()),
            Self::Termination(message) => _ = w.put(message.tlvs.octets()),
            Self::RouteMirroring(message) => message.write(&mut w),
            Self::Unknown { body, .. } => _ = w.put(body),
        }
        let body = w.finish();
        if frame::write(out, version, self.kind(), &body) { Ok(()) } else { Err(TooLong { len: body.len() }) }
    }
}
