//! The TLVs of route monitoring in version 4 (draft-ietf-grow-bmp-tlv).
//!
//! Each TLV has an index: 0 for all routes of the UPDATE, or the number of a route, from 1 in their order in the UPDATE, or, with
//! the highest bit, the number of a group. A group is a TLV that lists routes by their numbers.

use crate::tlv::{Tlv, Tlvs};
use bgp::capability;
use std::fmt;
use wire::Reader;

/// The bit of an index that makes it the number of a group.
pub const GROUP_BIT: u16 = 0x8000;

/// Types of TLVs. Revisions of the draft renumbered them, so they are a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePoints {
    /// A capability of BGP that the UPDATE is to be read with.
    pub stateless_parsing: u16,
    /// The routes of a group.
    pub group: u16,
    /// The name of the VRF or table.
    pub vrf_table_name: u16,
    /// The UPDATE.
    pub bgp_message: u16,
    /// The status of paths (draft-ietf-grow-bmp-path-marking-tlv); `None` if no type is assigned.
    pub path_marking: Option<u16>,
    /// A sequence number of messages.
    pub sequence_number: Option<u16>,
    /// Flags of the peer beyond those of the per-peer header.
    pub extended_flags: Option<u16>,
    /// A timestamp.
    pub timestamp: Option<u16>,
}

impl CodePoints {
    /// Those of revision 13, with path marking: what routers and other tools implement, and what pmacct reads.
    pub const REVISION_13: Self = Self {
        stateless_parsing: 1,
        group: 2,
        vrf_table_name: 3,
        bgp_message: 4,
        path_marking: Some(5),
        sequence_number: None,
        extended_flags: None,
        timestamp: None,
    };

    /// Those of revision 20.
    pub const REVISION_20: Self = Self {
        stateless_parsing: 6,
        group: 4,
        vrf_table_name: 5,
        bgp_message: 7,
        path_marking: None,
        sequence_number: Some(1),
        extended_flags: Some(2),
        timestamp: Some(3),
    };

    /// Those of revision 21.
    pub const REVISION_21: Self = Self {
        stateless_parsing: 3,
        group: 1,
        vrf_table_name: 2,
        bgp_message: 4,
        path_marking: None,
        sequence_number: Some(5),
        extended_flags: Some(6),
        timestamp: Some(7),
    };

    /// The name of a type.
    pub fn name(&self, kind: u16) -> Option<&'static str> {
        let kind = Some(kind);
        let names = [
            (Some(self.stateless_parsing), "Stateless Parsing"),
            (Some(self.group), "Group"),
            (Some(self.vrf_table_name), "VRF/Table Name"),
            (Some(self.bgp_message), "BGP Message"),
            (self.path_marking, "Path Marking"),
            (self.sequence_number, "Sequence Number"),
            (self.extended_flags, "Extended Flags"),
            (self.timestamp, "Timestamp"),
        ];
        names.into_iter().find(|&(number, _)| number == kind).map(|(_, name)| name)
    }
}

impl Default for CodePoints {
    /// [`CodePoints::REVISION_13`].
    fn default() -> Self {
        Self::REVISION_13
    }
}

/// The capabilities in the value of a stateless parsing TLV, until the first that is cut.
pub fn capabilities<'a>(value: &'a [u8]) -> impl Iterator<Item = capability::Tlv<'a>> + use<'a> {
    let mut r = Reader::new(value);
    std::iter::from_fn(move || capability::Tlv::read(&mut r).ok())
}

/// The numbers of routes in the value of a group TLV.
pub fn group_members(value: &[u8]) -> impl Iterator<Item = u16> {
    let mut r = Reader::new(value);
    std::iter::from_fn(move || r.u16().ok())
}

/// The number of a route in an UPDATE: from 1, in the order in which the NLRI are in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteIndex(pub u16);

/// Which TLVs of a route monitoring message are about which route.
#[derive(Clone, Debug, Default)]
pub struct RouteTlvs<'a> {
    /// Without groups.
    tlvs: Vec<Tlv<'a>>,
    /// Routes with the groups that they are in, sorted.
    groups: Vec<(RouteIndex, u16)>,
}

/// TLVs of a message that [`RouteTlvs`] takes: each route is compared with all of them.
pub const MAX_ROUTE_TLVS: usize = 256;

impl<'a> RouteTlvs<'a> {
    /// Of the TLVs of a message, of which the first [`MAX_ROUTE_TLVS`] are taken.
    pub fn new(tlvs: Tlvs<'a>, code_points: &CodePoints) -> Self {
        let mut all = Self::default();
        for tlv in tlvs.take(MAX_ROUTE_TLVS) {
            if tlv.registered() == Some(code_points.group) {
                all.groups.extend(group_members(tlv.value).map(|route| (RouteIndex(route), tlv.index)));
            } else {
                all.tlvs.push(tlv);
            }
        }
        all.groups.sort_unstable();
        all
    }

    /// The TLVs about a route: those for all routes, for this one, and for groups that it is in. Groups are omitted.
    pub fn of(&self, route: RouteIndex) -> impl Iterator<Item = &Tlv<'a>> {
        self.tlvs.iter().filter(move |tlv| match tlv.index {
            0 => true,
            index if index & GROUP_BIT != 0 => self.groups.binary_search(&(route, index)).is_ok(),
            index => index == route.0,
        })
    }
}

/// The status of a path, in the value of a path marking TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMarking {
    /// Bits; see [`PathMarking::STATUS_NAMES`].
    pub status: u32,
    /// Why the path has the status.
    pub reason: Option<PathReason>,
}

impl PathMarking {
    /// The names of the bits of a status, from the lowest.
    pub const STATUS_NAMES: [&'static str; 12] = [
        "Invalid",
        "Best",
        "Non-selected",
        "Primary",
        "Backup",
        "Non-installed",
        "Best-external",
        "Add-Path",
        "Filtered in inbound policy",
        "Filtered in outbound policy",
        "Stale",
        "Suppressed",
    ];

    /// Decodes the value of a TLV: a status of four octets, and a reason of two, which may be absent.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let status = r.u32().ok()?;
        let reason = if r.is_empty() { None } else { Some(PathReason(r.u16().ok()?)) };
        r.is_empty().then_some(Self { status, reason })
    }

    /// The names of the bits that are set, and the number of one without a name.
    pub fn statuses(self) -> impl Iterator<Item = Status> {
        (0..32).filter(move |bit| self.status >> bit & 1 == 1).map(Status)
    }
}

/// A bit of a status, from 0. Displayed as its name, or as the value of the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PathMarking::STATUS_NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", 1u32.wrapping_shl(self.0.into())),
        }
    }
}

crate::code::code_points! {
    /// Why a path has its status (draft-ietf-grow-bmp-path-marking-tlv section 3.2).
    PathReason(u16) {
        /// Invalid: the AS path has a loop.
        AS_LOOP = 1, "Invalid for AS loop";
        /// Invalid: the next hop cannot be resolved.
        UNRESOLVABLE_NEXT_HOP = 2, "Invalid for unresolvable next hop";
        /// Not preferred: the local preference.
        LOCAL_PREFERENCE = 3, "Not preferred for local preference";
        /// Not preferred: the length of the AS path.
        AS_PATH_LENGTH = 4, "Not preferred for AS path length";
        /// Not preferred: the origin.
        ORIGIN = 5, "Not preferred for origin";
        /// Not preferred: the multi-exit discriminator.
        MED = 6, "Not preferred for MED";
        /// Not preferred: the peer is internal.
        PEER_TYPE = 7, "Not preferred for peer type";
        /// Not preferred: the cost to the next hop.
        IGP_COST = 8, "Not preferred for IGP cost";
        /// Not preferred: the BGP identifier.
        ROUTER_ID = 9, "Not preferred for router ID";
        /// Not preferred: the address of the peer.
        PEER_ADDRESS = 10, "Not preferred for peer address";
        /// Not preferred: the accumulated IGP metric.
        AIGP = 11, "Not preferred for AIGP";
    }
}
