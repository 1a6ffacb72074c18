//! What happened.

use crate::peer::Peer;
use crate::proxy::Source;
use bgp::open::OpenError;
use bgp::update;
use bmp::code::MessageType;
use bmp::error::MessageError;
use bmp::frame::Version;
use bmp::information::{Initiation, Termination};
use bmp::mirroring::RouteMirroring;
use bmp::peer::PeerHeader;
use bmp::peer_down::PeerDown;
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::statistics::Statistics;
use std::borrow::Cow;
use std::fmt;

/// An event, and the message that it is of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// Offset of the message in the stream, in octets, with the PROXY header counted.
    pub position: u64,
    /// The whole message, with its header. Empty for [`Event::Source`] and [`Event::Skipped`].
    pub octets: &'a [u8],
    /// The version of the message; `None` for [`Event::Source`].
    pub version: Option<Version>,
    /// A part of the message is wrong, and what lies before it was read.
    pub fault: Option<MessageError>,
    /// What happened.
    pub event: Event<'a>,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// What the PROXY header says, before any other event, if the session expects one. `None`: there is no header, or it names no
    /// router; the addresses of the connection apply.
    Source(Option<Source>),
    /// Who the router is.
    Initiation(Initiation<'a>),
    /// A peer is up.
    PeerUp {
        /// The peer as it is from now on.
        peer: &'a Peer,
        /// Whether it was up before.
        change: PeerChange,
        /// The message.
        message: PeerUp<'a>,
    },
    /// A peer is down.
    PeerDown {
        /// The peer as it was, with the number that it no longer has; `None` if it was not up.
        peer: Option<Box<Peer>>,
        /// The message.
        message: PeerDown<'a>,
    },
    /// An UPDATE of a peer that is up.
    Routes {
        /// The peer.
        peer: &'a Peer,
        /// What the decoder of UPDATEs has to know for this one.
        decoding: Cow<'a, update::Session>,
        /// The message; its per-peer header names the RIB.
        message: RouteMonitoring<'a>,
    },
    /// An UPDATE of a peer that is not up. It cannot be read, as what the OPENs agreed on is not known.
    UnknownPeer(RouteMonitoring<'a>),
    /// Counters of a peer.
    Statistics {
        /// The peer; `None` if it is not up.
        peer: Option<&'a Peer>,
        /// The message.
        message: Statistics<'a>,
    },
    /// BGP messages of a peer as they were received.
    RouteMirroring {
        /// The peer; `None` if it is not up.
        peer: Option<&'a Peer>,
        /// The message.
        message: RouteMirroring<'a>,
    },
    /// The router ends the session, which is over.
    Termination(Termination<'a>),
    /// A message of an unknown type, which is passed over.
    Unknown(MessageType),
    /// A message that could not be read or used.
    Rejected(Rejection),
    /// A message that is longer than the limit. Its octets are being passed over.
    Skipped {
        /// The type.
        kind: MessageType,
        /// Octets of the message.
        length: u32,
    },
}

/// Whether a peer that is up was up before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// It was not up.
    New,
    /// It was up, for other RIBs, and the OPENs agree on the same: some routers send a peer up for each RIB. Or it is a
    /// Loc-RIB that was up for other families: some routers send a peer up for each of them. The routes that came before
    /// stay.
    FurtherRib,
    /// It was up, so that its session must have ended meanwhile: the routes that came before are gone. The number of the peer
    /// stays.
    Replaced,
}

/// Why a message could not be read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The message is malformed.
    Message {
        /// The type of the message.
        kind: MessageType,
        /// What is wrong.
        error: MessageError,
    },
    /// An OPEN of a peer up is malformed.
    Open {
        /// The peer.
        peer: PeerHeader,
        /// Which OPEN.
        which: Which,
        /// What is wrong; offsets are those in the body of the OPEN.
        error: OpenError,
    },
    /// There are as many peers as [`crate::Config::max_peers`] permits.
    TooManyPeers {
        /// The peer that is not taken up.
        peer: PeerHeader,
    },
}

/// Which OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that the router sent.
    Sent,
    /// The one that the peer sent.
    Received,
}

impl Rejection {
    /// All labels, for counters: those of errors in messages first.
    pub const LABELS: [&'static str; 9] = {
        let [a, b, c, d, e, f, g] = bmp::error::Reason::LABELS;
        [a, b, c, d, e, f, g, "open", "too_many_peers"]
    };

    /// The position of the label in [`Rejection::LABELS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Message { error, .. } => error.reason.index(),
            Self::Open { .. } => 7,
            Self::TooManyPeers { .. } => 8,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { kind, error } => write!(f, "{kind}: {error}"),
            Self::Open { peer, which, error } => {
                let which = match which {
                    Which::Sent => "sent",
                    Which::Received => "received",
                };
                write!(f, "peer up of {}: {which} OPEN: {error}", peer.address)
            }
            Self::TooManyPeers { peer } => write!(f, "peer up of {}: too many peers", peer.address),
        }
    }
}
