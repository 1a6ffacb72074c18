//! UPDATE (RFC 4271 section 4.3), checked by the rules of RFC 7606.
//!
//! The body of the message has the withdrawn routes of IPv4, path attributes, and announced routes of IPv4. Routes of other families
//! are in the attributes MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760).
//!
//! A [`Decoder`] checks the whole message before it returns anything. Malformed attributes are discarded, or make withdrawals of
//! the announced routes, and the [`Update`] lists them as [`Fault`]s. An [`UpdateError`] requires that the session be reset; no
//! family is disabled instead (RFC 7606 section 2).
//!
//! What the RFCs leave open, or what this decoder does otherwise:
//!
//! - Next hops of MP_REACH_NLRI may have 4, 16 or 32 octets in any family, as the capability for IPv6 next hops of IPv4 routes
//!   (RFC 8950) is not known here. In VPN families they may be with or without route distinguishers.
//! - Internal peers may leave out LOCAL_PREF, and send segments of confederations from outside of one: a collector has no policy
//!   that depends on them.
//! - Attributes that an RFC adds to those of RFC 7606 are checked as that RFC requires: AS4_PATH and AS4_AGGREGATOR (RFC 6793), AS 0
//!   (RFC 7607), AIGP, large communities, prefix SID, SRv6 services, BGP-LS, ONLY_TO_CUSTOMER. Of the PMSI tunnel only the length is
//!   checked, of tunnel encapsulation the lengths of TLVs.
//! - Contents of NLRI without prefixes, and of SIDs and TLVs, are decoded on demand, and do not affect other routes.

mod attributes;
pub(crate) mod canonical;
mod decode;
mod encode;
mod reason;

pub use decode::Decoder;
pub use encode::{EncodeError, Encoder};
pub use reason::Reason;

use crate::attribute::{AttributeSet, Code};
use crate::nlri::Nlri;
use crate::nlri::format::Format;
use crate::notification::{ErrorCode, Notification};
use std::fmt;
use wire::{Afi, Reader, Safi};

/// What the sessions agreed on, and what is known about the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// AS numbers have four octets (RFC 6793).
    pub asn4: bool,
    /// Families in which path identifiers are received (RFC 7911).
    pub add_path: Families,
    /// Families in which a route may have several labels (RFC 8277 section 2.1). In others a route has one label.
    pub multiple_labels: Families,
    /// Whether the peer is in the same AS, if that is known. From an external peer, attributes that only internal peers may
    /// send are discarded: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST (RFC 7606 section 7), and AIGP (RFC 7311 section 4.2).
    /// They are kept if `None`.
    pub peering: Option<Peering>,
    /// The messages were made by a router for a monitor, which BMP is: IPv4 routes without NEXT_HOP, as some routers report those of
    /// their own, are kept. In a session of BGP they are withdrawn (RFC 7606 section 3 d).
    pub next_hop_optional: bool,
}

/// Whether a peer is in the same AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peering {
    /// The same AS.
    Internal,
    /// Another AS.
    External,
}

/// A set of address families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Families {
    // At most some tens, each once.
    list: Vec<(Afi, Safi)>,
}

impl Families {
    /// No family.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Adds a family.
    pub fn insert(&mut self, afi: Afi, safi: Safi) {
        if !self.contains(afi, safi) {
            self.list.push((afi, safi));
        }
    }

    /// True if the family is in the set.
    pub fn contains(&self, afi: Afi, safi: Safi) -> bool {
        self.list.contains(&(afi, safi))
    }

    /// True if the set has no family.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The families, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Afi, Safi)> + '_ {
        self.list.iter().copied()
    }
}

impl FromIterator<(Afi, Safi)> for Families {
    fn from_iter<I: IntoIterator<Item = (Afi, Safi)>>(families: I) -> Self {
        let mut set = Self::new();
        families.into_iter().for_each(|(afi, safi)| set.insert(afi, safi));
        set
    }
}

/// A decoded UPDATE.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    blocks: [Option<Block<'a>>; 4],
    /// The family whose initial routes have all been sent, if the message is an End-of-RIB marker (RFC 4724 section 2).
    pub end_of_rib: Option<(Afi, Safi)>,
    /// What was wrong, in the order in which it was found.
    pub faults: &'a [Fault],
}

impl<'a> Update<'a> {
    /// The routes: at most four blocks, withdrawals before announcements, none without routes.
    pub fn blocks(&self) -> impl Iterator<Item = &Block<'a>> + '_ {
        self.blocks.iter().flatten()
    }
}

/// What is said about routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// They are announced.
    Announce,
    /// They are withdrawn.
    Withdraw,
}

/// Routes of one family with the same attributes.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Their address family.
    pub afi: Afi,
    /// Their subsequent address family.
    pub safi: Safi,
    /// Whether they are announced or withdrawn.
    pub action: Action,
    /// True for withdrawals of routes that were announced with malformed attributes (RFC 7606 section 2).
    pub is_treated_as_withdraw: bool,
    /// Their attributes; none if they are withdrawn.
    pub attributes: AttributeSet<'a>,
    format: Format,
    field: Reader<'a>,
}

impl<'a> Block<'a> {
    /// The routes, in the order of the message.
    pub fn entries(&self) -> Entries<'a> {
        Entries { r: self.field, format: self.format }
    }
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// The path identifier, if the session has them in this family (RFC 7911).
    pub path_id: Option<u32>,
    /// What is reachable.
    pub nlri: Nlri<'a>,
}

/// The routes of a block.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    r: Reader<'a>,
    format: Format,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.r.is_empty() {
            return None;
        }
        let read = self.format.read(&mut self.r);
        debug_assert!(read.is_ok(), "the decoder has checked the field: {read:?}");
        let (path_id, nlri) = read.ok()?;
        Some(Entry { path_id, nlri })
    }
}

/// What was done about a malformed attribute (RFC 7606 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The attribute was discarded.
    AttributeDiscarded,
    /// The announced routes of the message are treated as withdrawn.
    TreatedAsWithdraw,
}

impl Outcome {
    /// A name in lower case, as in counters and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttributeDiscarded => "attribute_discard",
            Self::TreatedAsWithdraw => "treat_as_withdraw",
        }
    }
}

/// Something wrong in an UPDATE that does not reset the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: Reason,
    /// The attribute; `None` if a length outside of attributes is wrong.
    pub code: Option<Code>,
    /// Where the attribute begins, in octets from the start of the message's header.
    pub offset: usize,
    /// What was done.
    pub outcome: Outcome,
}

/// Why an UPDATE requires that the session be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateError {
    /// What is wrong.
    pub reason: Reason,
    /// The attribute, if it is in one.
    pub code: Option<Code>,
    /// Where, in octets from the start of the message's header.
    pub offset: usize,
    /// Octets of the body that go into the data of the NOTIFICATION.
    data_from: usize,
    data_len: usize,
}

impl UpdateError {
    /// Error code of the NOTIFICATION: UPDATE Message Error (RFC 4271 section 4.5).
    pub const NOTIFICATION_CODE: u8 = 3;

    /// Error subcode of the NOTIFICATION (RFC 4271 section 6.3).
    pub const fn subcode(&self) -> u8 {
        match (self.reason, self.code) {
            // Routes in MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 section 7).
            (Reason::PrefixLength | Reason::NlriTruncated | Reason::NlriLength, Some(_)) => {
                Reason::MultiprotocolLength.subcode()
            }
            (reason, _) => reason.subcode(),
        }
    }

    /// The NOTIFICATION that resets the session. `body` is the body of the message.
    pub fn notification(&self, body: &[u8]) -> Notification {
        Notification::new(ErrorCode { code: Self::NOTIFICATION_CODE, subcode: self.subcode() }, self.data(body))
    }

    const fn has_attribute_as_data(&self) -> bool {
        matches!(self.subcode(), 2 | 4 | 5 | 6 | 8 | 9)
    }

    /// Data of the NOTIFICATION, as RFC 4271 section 6.3 requires for the subcode: the attribute, or nothing. `body` is the body
    /// of the message.
    pub fn data<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        body.get(self.data_from..self.data_from.saturating_add(self.data_len)).unwrap_or_default()
    }
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.offset)?;
        match self.code {
            Some(code) => write!(f, ", attribute {code}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UpdateError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.offset)?;
        match self.code {
            Some(code) => write!(f, ", attribute {code}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
