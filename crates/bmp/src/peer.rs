//! The per-peer header (RFC 7854 section 4.2): which peer, and which of its RIBs, a message is about.
//!
//! ```text
//! +------+-------+--------------------+--------------+--------+-------------+-------------+------------------+
//! | type | flags | distinguisher (8)  | address (16) | AS (4) | BGP ID (4)  | seconds (4) | microseconds (4) |
//! +------+-------+--------------------+--------------+--------+-------------+-------------+------------------+
//! ```
//!
//! | flag | types 0 to 2 (RFC 7854, RFC 8671) | type 3, Loc-RIB (RFC 9069) |
//! |---|---|---|
//! | 0x80 | V: the address is of IPv6 | F: the Loc-RIB is filtered |
//! | 0x40 | L: after policy | |
//! | 0x20 | A: AS numbers in AS_PATH have two octets | |
//! | 0x10 | O: Adj-RIB-Out | |

use crate::code::PeerType;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::{Asn, Reader, RouteDistinguisher, Truncated, Writer};

/// Octets of a per-peer header.
pub const PEER_HEADER_LEN: usize = 42;

/// Flags of a per-peer header. What they mean depends on the peer type: see [`PeerHeader`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerFlags(pub u8);

impl PeerFlags {
    /// V: the address is of IPv6 (types 0 to 2).
    pub const IPV6: Self = Self(0x80);
    /// L: after policy (types 0 to 2).
    pub const POST_POLICY: Self = Self(0x40);
    /// A: AS numbers in AS_PATH have two octets (types 0 to 2).
    pub const TWO_OCTET_AS: Self = Self(0x20);
    /// O: Adj-RIB-Out (RFC 8671; types 0 to 2).
    pub const ADJ_RIB_OUT: Self = Self(0x10);
    /// F: the Loc-RIB is filtered (RFC 9069; type 3).
    pub const FILTERED: Self = Self(0x80);

    /// True if all of `flags` are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }
}

/// A RIB of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RibType {
    /// What the peer announced, before policy.
    AdjRibInPre,
    /// What the peer announced, after policy.
    AdjRibInPost,
    /// What the router announces to the peer, before policy.
    AdjRibOutPre,
    /// What the router announces to the peer, after policy.
    AdjRibOutPost,
    /// What the router chose.
    LocRib,
}

impl RibType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AdjRibInPre, Self::AdjRibInPost, Self::AdjRibOutPre, Self::AdjRibOutPost, Self::LocRib];

    /// A number below 5, for tables.
    pub const fn index(self) -> usize {
        match self {
            Self::AdjRibInPre => 0,
            Self::AdjRibInPost => 1,
            Self::AdjRibOutPre => 2,
            Self::AdjRibOutPost => 3,
            Self::LocRib => 4,
        }
    }

    /// The name, such as `Adj-RIB-In Pre-Policy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdjRibInPre => "Adj-RIB-In Pre-Policy",
            Self::AdjRibInPost => "Adj-RIB-In Post-Policy",
            Self::AdjRibOutPre => "Adj-RIB-Out Pre-Policy",
            Self::AdjRibOutPost => "Adj-RIB-Out Post-Policy",
            Self::LocRib => "Loc-RIB",
        }
    }

    /// Whether the routes are those that the router announces to the peer.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::AdjRibOutPre | Self::AdjRibOutPost)
    }

    /// Whether the routes are those after policy.
    pub const fn is_post_policy(self) -> bool {
        matches!(self, Self::AdjRibInPost | Self::AdjRibOutPost)
    }
}

impl fmt::Display for RibType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When the router received the routes, or made the message: seconds and microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds.
    pub seconds: u32,
    /// Microseconds, below one million if the router is right.
    pub microseconds: u32,
}

impl Timestamp {
    /// The time since 1970; `None` if both fields are 0, which means that the router does not know it.
    pub fn since_epoch(self) -> Option<Duration> {
        let time = Duration::from_secs(self.seconds.into()) + Duration::from_micros(self.microseconds.into());
        (self != Self::default()).then_some(time)
    }
}

/// What distinguishes the peers of a router (RFC 7854 section 4.2): address, distinguisher and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerKey {
    /// The type.
    pub peer_type: PeerType,
    /// The distinguisher: the route distinguisher of the peer's VRF for peers of type [`PeerType::RD`], and a number that the
    /// router chose for [`PeerType::LOCAL`]; 0 for global peers.
    pub distinguisher: RouteDistinguisher,
    /// The address; 0.0.0.0 for a Loc-RIB.
    pub address: IpAddr,
}

/// A per-peer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerHeader {
    /// The type.
    pub peer_type: PeerType,
    /// The flags. Of peers that are no Loc-RIB, V must agree with the address, or the header is written otherwise.
    pub flags: PeerFlags,
    /// The distinguisher; see [`PeerKey::distinguisher`].
    pub distinguisher: RouteDistinguisher,
    /// The address; 0.0.0.0 for a Loc-RIB.
    pub address: IpAddr,
    /// The AS number of the peer; of a Loc-RIB that of the router.
    pub asn: Asn,
    /// The BGP identifier of the peer; of a Loc-RIB that of the routing instance.
    pub bgp_id: Ipv4Addr,
    /// When the routes were received, or the message was made.
    pub time: Timestamp,
}

impl PeerHeader {
    /// A global peer with an Adj-RIB-In before policy, without a time.
    pub fn global(address: IpAddr, asn: Asn, bgp_id: Ipv4Addr) -> Self {
        Self {
            peer_type: PeerType::GLOBAL,
            flags: if address.is_ipv6() { PeerFlags::IPV6 } else { PeerFlags::default() },
            distinguisher: RouteDistinguisher::default(),
            address,
            asn,
            bgp_id,
            time: Timestamp::default(),
        }
    }

    /// The Loc-RIB of the global routing instance, without a time.
    pub fn loc_rib(asn: Asn, bgp_id: Ipv4Addr) -> Self {
        let peer_type = PeerType::LOC_RIB;
        Self { peer_type, ..Self::global(Ipv4Addr::UNSPECIFIED.into(), asn, bgp_id) }
    }

    /// The header with further flags.
    #[must_use]
    pub fn with_flags(mut self, flags: PeerFlags) -> Self {
        self.flags = self.flags.with(flags);
        self
    }

    /// What distinguishes the peer from others of the router.
    pub fn key(&self) -> PeerKey {
        PeerKey { peer_type: self.peer_type, distinguisher: self.distinguisher, address: self.address }
    }

    /// The RIB that routes of the message are in.
    pub fn rib_type(&self) -> RibType {
        let (out, post) = (self.flags.has(PeerFlags::ADJ_RIB_OUT), self.flags.has(PeerFlags::POST_POLICY));
        match (self.peer_type, out, post) {
            (PeerType::LOC_RIB, ..) => RibType::LocRib,
            (_, false, false) => RibType::AdjRibInPre,
            (_, false, true) => RibType::AdjRibInPost,
            (_, true, false) => RibType::AdjRibOutPre,
            (_, true, true) => RibType::AdjRibOutPost,
        }
    }

    /// The F flag: only part of the Loc-RIB is reported. False for other peers.
    pub fn is_filtered(&self) -> bool {
        self.peer_type == PeerType::LOC_RIB && self.flags.has(PeerFlags::FILTERED)
    }

    /// The A flag: AS numbers in AS_PATH have two octets. False for a Loc-RIB, where they always have four (RFC 9069 section
    /// 5.4.1 is about messages that the router makes itself).
    pub fn is_two_octet_as(&self) -> bool {
        self.peer_type != PeerType::LOC_RIB && self.flags.has(PeerFlags::TWO_OCTET_AS)
    }

    /// Reads a header.
    #[inline]
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        // The whole header at once, so that one check is enough.
        let octets = r.array::<PEER_HEADER_LEN>()?;
        let mut r = Reader::new(&octets);
        let (peer_type, flags) = (PeerType(r.u8()?), PeerFlags(r.u8()?));
        let distinguisher = RouteDistinguisher(r.array()?);
        let address = read_address(&mut r, peer_type != PeerType::LOC_RIB && flags.has(PeerFlags::IPV6))?;
        let (asn, bgp_id) = (Asn(r.u32()?), Ipv4Addr::from(r.u32()?));
        let time = Timestamp { seconds: r.u32()?, microseconds: r.u32()? };
        Ok(Self { peer_type, flags, distinguisher, address, asn, bgp_id, time })
    }

    /// Appends the header. The V flag follows the address, except of a Loc-RIB.
    pub fn write(&self, w: &mut Writer) {
        let flags = match (self.peer_type, self.address) {
            (PeerType::LOC_RIB, _) => self.flags.0,
            (_, IpAddr::V4(_)) => self.flags.0 & !PeerFlags::IPV6.0,
            (_, IpAddr::V6(_)) => self.flags.0 | PeerFlags::IPV6.0,
        };
        w.u8(self.peer_type.0).u8(flags).put(&self.distinguisher.0);
        write_address(w, self.address);
        w.u32(self.asn.0).u32(self.bgp_id.into()).u32(self.time.seconds).u32(self.time.microseconds);
    }
}

/// Reads an address of 16 octets; one of IPv4 is in the last four, after zeros.
pub(crate) fn read_address(r: &mut Reader<'_>, is_ipv6: bool) -> Result<IpAddr, Truncated> {
    let octets = r.array::<16>()?;
    let [.., a, b, c, d] = octets;
    Ok(if is_ipv6 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() })
}

/// Appends an address as 16 octets.
pub(crate) fn write_address(w: &mut Writer, address: IpAddr) {
    match address {
        IpAddr::V4(address) => w.put(&[0; 12]).put(&address.octets()),
        IpAddr::V6(address) => w.put(&address.octets()),
    };
}
