//! What the table is about: peers, routes, and the keys of tables.

use std::cmp::Ordering;
use std::fmt;
use wire::{Afi, Family, Prefix, RouteDistinguisher, Safi};

/// [`Route::label`] of a route without a label.
pub const NO_LABEL: u32 = u32::MAX;

/// Number of a peer, given by [`Writer::add_peer`](crate::Writer::add_peer).
///
/// It consists of a slot and a generation of 11 bits. A slot is used again after all routes of its last peer are gone, with the next
/// generation; so a number that somebody kept for too long finds no routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(crate) u32);

impl PeerId {
    /// Bits of the slot. The highest bit of all 32 is free, and marks a route of two units in a list.
    const SLOT_BITS: u32 = 20;

    /// Slots are below this number; the last one is not used, since 32 ones end a list.
    pub(crate) const SLOTS: usize = (1 << Self::SLOT_BITS) - 1;

    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self((generation & 0x7ff) << Self::SLOT_BITS | slot)
    }

    /// The slot: a small number that two present peers never share, for arrays with data about peers.
    pub const fn slot(self) -> usize {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }
}

/// Number of an interned attribute set. It is used again after the set was freed: what is kept longer than a read guard must
/// be kept by [`AttributesKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributesId(pub(crate) u32);

/// An attribute set, distinguished from those that had its number before: for caches that outlive a read guard.
/// Serial numbers start again after 2^32 sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributesKey {
    /// Number of the set.
    pub id: AttributesId,
    /// Serial number of the set.
    pub serial: u32,
}

/// A route of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The peer that announced it.
    pub peer: PeerId,
    /// Path identifier (RFC 7911); 0 without ADD-PATH.
    pub path_id: u32,
    /// Its path attributes.
    pub attributes: AttributesId,
    /// The 24 bits of the bottom label as on the wire (RFC 8277), or [`NO_LABEL`].
    pub label: u32,
}

/// Which table a route belongs to. Tables are ordered by AFI, then by SAFI, then by route distinguisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableKey {
    /// Unicast routes (SAFI 1).
    Unicast(Family),
    /// Multicast routes (SAFI 2).
    Multicast(Family),
    /// Labelled unicast routes (SAFI 4, RFC 8277).
    Labelled(Family),
    /// Routes of a VPN (SAFI 128, RFC 4364).
    Vpn(Family, RouteDistinguisher),
    /// Routes of a family whose NLRI are not prefixes, such as EVPN and FlowSpec; keyed by the octets of NLRI.
    Opaque(Afi, Safi),
}

impl TableKey {
    /// The family of the table.
    pub const fn family(self) -> (Afi, Safi) {
        match self {
            Self::Unicast(family) => (family.afi(), Safi(1)),
            Self::Multicast(family) => (family.afi(), Safi(2)),
            Self::Labelled(family) => (family.afi(), Safi(4)),
            Self::Vpn(family, _) => (family.afi(), Safi(128)),
            Self::Opaque(afi, safi) => (afi, safi),
        }
    }

    /// The version of IP of the table's prefixes; `None` if its NLRI are not prefixes.
    pub const fn ip(self) -> Option<Family> {
        match self {
            Self::Unicast(family) | Self::Multicast(family) | Self::Labelled(family) | Self::Vpn(family, _) => {
                Some(family)
            }
            Self::Opaque(..) => None,
        }
    }

    /// Whether NLRI belong into the table.
    pub(crate) fn fits(self, nlri: Nlri<'_>) -> bool {
        match nlri {
            Nlri::Prefix(prefix) => self.ip() == Some(prefix.family()),
            Nlri::Octets(_) => self.ip().is_none(),
        }
    }

    const fn rank(self) -> (u16, u8, [u8; 8]) {
        let (afi, safi) = self.family();
        match self {
            Self::Vpn(_, rd) => (afi.0, safi.0, rd.0),
            _ => (afi.0, safi.0, [0; 8]),
        }
    }
}

impl Ord for TableKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for TableKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a route leads to: a prefix, or the octets of NLRI of other families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nlri<'a> {
    /// A prefix, in a table of prefixes.
    Prefix(Prefix),
    /// The octets of NLRI, in a table of another family.
    Octets(&'a [u8]),
}

impl From<Prefix> for Nlri<'_> {
    fn from(prefix: Prefix) -> Self {
        Self::Prefix(prefix)
    }
}

impl<'a> From<&'a [u8]> for Nlri<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Octets(octets)
    }
}

/// Why a route was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The peer was removed, or never existed.
    UnknownPeer,
    /// The peer has as many routes as [`Limits::routes_of_peer`] allows.
    PeerFull,
    /// All peers together have as many routes as [`Limits::routes`] allows.
    Full,
    /// The peer has [`MAX_PATHS`](crate::MAX_PATHS) routes of this prefix.
    TooManyPaths,
    /// The NLRI do not belong into the table: a prefix of the other version of IP, or octets in a table of prefixes.
    WrongTable,
    /// The attribute set was freed before: it was interned for earlier changes.
    UnknownAttributes,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownPeer => "the peer is unknown",
            Self::PeerFull => "the peer has too many routes",
            Self::Full => "there are too many routes",
            Self::TooManyPaths => "the peer has too many routes of one prefix",
            Self::WrongTable => "the NLRI are of another family",
            Self::UnknownAttributes => "the attribute set is unknown",
        })
    }
}

impl std::error::Error for Refused {}

/// Bounds of the table. A route that replaces another one is stored at any bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Routes of one peer.
    pub routes_of_peer: u64,
    /// Routes of all peers, 2^29 at most; those of removed peers do not count.
    pub routes: u64,
}

impl Default for Limits {
    /// Room for 20 peers with the routes of the whole Internet, twice over.
    fn default() -> Self {
        Self { routes_of_peer: 4_000_000, routes: 50_000_000 }
    }
}

/// What an announcement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The peer had no such route.
    New,
    /// The peer's route with this path identifier was replaced. This is the old one; its attributes can be read until the next
    /// changes begin.
    Replaced(Route),
}
