//! Network layer reachability information (RFC 4271 section 4.3, RFC 4760 section 5).
//!
//! Routes of IP prefixes are decoded here: unicast and multicast, with MPLS labels (RFC 8277), and of VPNs (RFC 4364, RFC 4659,
//! RFC 6514). The NLRI of other families are only separated from each other, and decoded on demand by the modules below.
//!
//! A speaker discards NLRI whose type or contents it does not understand (RFC 7606 section 5.4, RFC 9552 section 8.2.2), since it
//! cannot use them. Here they are kept, as a collector can still show their octets.

pub mod any;
pub mod evpn;
pub mod fields;
pub mod flowspec;
pub(crate) mod format;
pub mod link_state;
pub mod mcast_vpn;
pub mod route_target;
pub mod sr_policy;
pub mod vpls;

use wire::{Prefix, RouteDistinguisher};

/// What a route is about, without its path identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nlri<'a> {
    /// A prefix: SAFI 1 (unicast) or 2 (multicast) of IPv4 and IPv6.
    Unicast(Prefix),
    /// A prefix with MPLS labels: SAFI 4 (RFC 8277).
    Labelled {
        /// The labels.
        labels: Labels<'a>,
        /// The prefix.
        prefix: Prefix,
    },
    /// A prefix of a VPN: SAFI 128 (RFC 4364), and 129 (RFC 6513 section 5.1.1), which has no labels.
    Vpn {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The labels.
        labels: Labels<'a>,
        /// The prefix.
        prefix: Prefix,
    },
    /// NLRI of another family.
    Other(Opaque<'a>),
}

/// An MPLS label as in NLRI: 24 bits, of which the upper 20 are the label (RFC 8277 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(pub u32);

impl Label {
    /// What replaces the label in withdrawals (RFC 8277 section 2.4).
    pub const WITHDRAWN: Self = Self(0x80_0000);

    /// A label that is the last of its stack.
    pub const fn bottom(value: u32) -> Self {
        Self((value << 4 | 1) & 0xff_ffff)
    }

    /// The label, 20 bits.
    pub const fn value(self) -> u32 {
        self.0 >> 4
    }

    /// True if it is marked as the last of its stack.
    pub const fn is_bottom(self) -> bool {
        self.0 & 1 == 1
    }
}

/// MPLS labels of a route, the top one first.
///
/// There is one label, unless the capability for multiple labels was agreed on (RFC 8277 section 2.1). In withdrawals its value
/// has no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels<'a> {
    octets: &'a [u8],
}

impl<'a> Labels<'a> {
    /// A view of labels of three octets each.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.octets
    }

    /// The labels.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Label> + DoubleEndedIterator + Clone + 'a {
        self.octets.as_chunks::<3>().0.iter().map(|&[a, b, c]| Label(u32::from_be_bytes([0, a, b, c])))
    }

    /// The last label.
    pub fn last(self) -> Option<Label> {
        self.iter().next_back()
    }

    /// True if there are none.
    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }
}

/// The octets of one NLRI of a family that this module does not decode, from its type or length field to its end, without
/// the path identifier. Of a family whose format is unknown, the octets of all NLRI of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opaque<'a> {
    octets: &'a [u8],
}

impl<'a> Opaque<'a> {
    /// A view of the octets.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.octets
    }
}
