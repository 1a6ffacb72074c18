//! BGP communities: standard (RFC 1997), extended (RFC 4360) and large (RFC 8092).
//!
//! They are displayed as in pmacct; if that form loses information, `{:#}` displays all of it, in a form that
//! parses to the same community.

mod extended_types;
mod ipv6;

pub use ipv6::Ipv6ExtendedCommunity;

use crate::text::number;
use crate::{Asn, Reader, Truncated};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The text is not a community of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityError;

impl fmt::Display for CommunityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a community")
    }
}

impl std::error::Error for CommunityError {}

/// A standard community (RFC 1997): by convention, an AS number in its upper two octets and a value in the lower two.
///
/// Displayed as `65000:100`, or `internet`, `no-export`, `no-advertise` and `local-AS`; `{:#}` displays
/// numbers only (`bgp_comms_num`). Parses numbers and all [well-known names](Self::well_known_name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Community(pub u32);

/// Names of well-known communities (IANA "BGP Well-known Communities"), of `internet`, and of NO_EXPORT_SUBCONFED as
/// routers name it.
const WELL_KNOWN: &[(Community, &str)] = &[
    (Community::INTERNET, "internet"),
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::ACCEPT_OWN, "accept-own"),
    (Community::LLGR_STALE, "llgr-stale"),
    (Community::NO_LLGR, "no-llgr"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "local-AS"),
    (Community::NO_PEER, "no-peer"),
];

impl Community {
    /// The whole Internet: not registered, but a common name of zero.
    pub const INTERNET: Self = Self(0);
    /// GRACEFUL_SHUTDOWN (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// ACCEPT_OWN (RFC 7611).
    pub const ACCEPT_OWN: Self = Self(0xffff_0001);
    /// LLGR_STALE (RFC 9494).
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// NO_LLGR (RFC 9494).
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// BLACKHOLE (RFC 7999).
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// NO_EXPORT (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// NO_ADVERTISE (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// NO_EXPORT_SUBCONFED (RFC 1997), displayed as `local-AS`.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    /// NOPEER (RFC 3765).
    pub const NO_PEER: Self = Self(0xffff_ff04);

    /// From an AS number and a value.
    pub const fn new(asn: u16, value: u16) -> Self {
        Self((asn as u32) << 16 | value as u32)
    }

    /// The upper two octets: by convention, the AS that defines the community.
    pub const fn asn(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The lower two octets.
    pub const fn value(self) -> u16 {
        self.0 as u16
    }

    /// The name of a well-known community. Not all names are displayed, since pmacct knows few.
    pub fn well_known_name(self) -> Option<&'static str> {
        WELL_KNOWN.iter().find(|(community, _)| *community == self).map(|(_, name)| *name)
    }

    fn is_shown_by_name(self) -> bool {
        matches!(self, Self::INTERNET | Self::NO_EXPORT | Self::NO_ADVERTISE | Self::NO_EXPORT_SUBCONFED)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_named = self.is_shown_by_name() && !f.alternate();
        match is_named.then(|| self.well_known_name()).flatten() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.asn(), self.value()),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some((community, _)) = WELL_KNOWN.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let (asn, value) = text.split_once(':').ok_or(CommunityError)?;
        let half = |text| number(text, 0xffff).ok_or(CommunityError);
        Ok(Self(half(asn)? << 16 | half(value)?))
    }
}

/// An extended community (RFC 4360): a type of one or two octets, and a value.
///
/// Displayed by name and value: `RT:65000:100`, `SoO:192.0.2.1:7`, `color:100`, `encapsulation:vxlan`, without blanks and
/// underscores; if the type is unknown, as `0x` and sixteen hexadecimal digits. (pmacct displays all but route targets and sites of
/// origin as `?`.) `{:#}` distinguishes those with an AS number of four octets (RFC 5668) from those of two octets by
/// an `L` after a number that would fit two (`RT:65000L:100`), and displays all but route targets and sites of origin in
/// hexadecimal. Parses what `{:#}` displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// The administrator and the value of an extended community, for types with this structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Administrator {
    /// An AS number of two octets, and a value of four (RFC 4360 section 3.1).
    As2(u16, u32),
    /// An IPv4 address, and a value of two octets (RFC 4360 section 3.2).
    Ipv4(Ipv4Addr, u16),
    /// An AS number of four octets, and a value of two (RFC 5668).
    As4(Asn, u16),
}

impl ExtendedCommunity {
    /// Bit of the first octet: defined by agreement, not by IANA (RFC 4360 section 2).
    pub const NOT_REGISTERED: u8 = 0x80;
    /// Bit of the first octet: does not leave the AS (RFC 4360 section 2).
    pub const NON_TRANSITIVE: u8 = 0x40;
    /// Sub-type of a route target (RFC 4360 section 4).
    pub const ROUTE_TARGET: u8 = 2;
    /// Sub-type of a route origin, or site of origin (RFC 4360 section 5).
    pub const ROUTE_ORIGIN: u8 = 3;

    /// A transitive community of a sub-type.
    pub fn new(subtype: u8, administrator: Administrator) -> Self {
        let (kind, value) = match administrator {
            Administrator::As2(asn, value) => (0, u64::from(asn) << 32 | u64::from(value)),
            Administrator::Ipv4(address, value) => (1, u64::from(address.to_bits()) << 16 | u64::from(value)),
            Administrator::As4(asn, value) => (2, u64::from(asn.0) << 16 | u64::from(value)),
        };
        let [_, _, a, b, c, d, e, g] = value.to_be_bytes();
        Self([kind, subtype, a, b, c, d, e, g])
    }

    /// The first octet of the type.
    pub const fn kind(self) -> u8 {
        self.0[0]
    }

    /// The second octet of the type, for types that have one.
    pub const fn subtype(self) -> u8 {
        self.0[1]
    }

    /// True if it may be passed on to another AS.
    pub const fn is_transitive(self) -> bool {
        self.kind() & Self::NON_TRANSITIVE == 0
    }

    /// The value of a transitive community with an administrator.
    pub fn administrator(self) -> Option<Administrator> {
        let [kind, _, a, b, c, d, e, g] = self.0;
        Some(match kind {
            0 => Administrator::As2(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g])),
            1 => Administrator::Ipv4(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g])),
            2 => Administrator::As4(Asn(u32::from_be_bytes([a, b, c, d])), u16::from_be_bytes([e, g])),
            _ => return None,
        })
    }

    /// The name of the type, if it is known.
    pub fn name(self) -> Option<&'static str> {
        extended_types::name(self.kind(), self.subtype())
    }

    /// The text before the administrator.
    fn label(self) -> Option<&'static str> {
        match self.subtype() {
            Self::ROUTE_TARGET => Some("RT"),
            Self::ROUTE_ORIGIN => Some("SoO"),
            _ => None,
        }
    }

    /// Displays the administrator and its value without `RT:` and `SoO:` (`bgp_comms_num`).
    pub const fn numeric(self) -> NumericExtendedCommunity {
        NumericExtendedCommunity(self)
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As2(asn, value) => write!(f, "{asn}:{value}"),
            Self::Ipv4(address, value) => write!(f, "{address}:{value}"),
            Self::As4(asn, value) if f.alternate() && asn.to_u16().is_some() => write!(f, "{asn}L:{value}"),
            Self::As4(asn, value) => write!(f, "{asn}:{value}"),
        }
    }
}

impl FromStr for Administrator {
    type Err = CommunityError;

    /// An AS number that fits two octets is encoded in two, unless an `L` follows it.
    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let (administrator, value) = text.split_once(':').ok_or(CommunityError)?;
        let value = |max| number(value, max).ok_or(CommunityError);
        let short = || value(0xffff).map(|value| value as u16);
        if let Ok(address) = administrator.parse() {
            return Ok(Self::Ipv4(address, short()?));
        }
        let (asn, is_long) = match administrator.strip_suffix('L') {
            Some(asn) => (asn, true),
            None => (administrator, false),
        };
        let asn = Asn(number(asn, u32::MAX).ok_or(CommunityError)?);
        match asn.to_u16() {
            Some(asn) if !is_long => Ok(Self::As2(asn, value(u32::MAX)?)),
            _ => Ok(Self::As4(asn, short()?)),
        }
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.label(), self.administrator()) {
            (Some(label), Some(administrator)) => {
                write!(f, "{label}:")?;
                administrator.fmt(f)
            }
            _ if f.alternate() => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
            _ => extended_types::display(*self, f),
        }
    }
}

/// An extended community without the name of its type; created by [`ExtendedCommunity::numeric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumericExtendedCommunity(ExtendedCommunity);

impl fmt::Display for NumericExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.label(), self.0.administrator()) {
            (Some(_), Some(administrator)) => administrator.fmt(f),
            _ => self.0.fmt(f),
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some(digits) = text.strip_prefix("0x") {
            let is_whole = digits.len() == 16 && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
            let bits = u64::from_str_radix(digits, 16).ok().filter(|_| is_whole);
            return bits.map(|bits| Self(bits.to_be_bytes())).ok_or(CommunityError);
        }
        let (label, administrator) = text.split_once(':').ok_or(CommunityError)?;
        let subtype = match label {
            "RT" => Self::ROUTE_TARGET,
            "SoO" => Self::ROUTE_ORIGIN,
            _ => return Err(CommunityError),
        };
        Ok(Self::new(subtype, administrator.parse()?))
    }
}

/// A large community (RFC 8092): an AS number and two values that it defines. Displayed as `65536:1:2`, the canonical form of
/// RFC 8092 section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LargeCommunity {
    /// Global administrator: the AS that defines the others.
    pub global: Asn,
    /// Local data part 1.
    pub local1: u32,
    /// Local data part 2.
    pub local2: u32,
}

impl LargeCommunity {
    /// Reads the twelve octets of a large community.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self { global: Asn(r.u32()?), local1: r.u32()?, local2: r.u32()? })
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let mut parts = text.split(':').map(|part| number(part, u32::MAX));
        let mut next = || parts.next().flatten().ok_or(CommunityError);
        let community = Self { global: Asn(next()?), local1: next()?, local2: next()? };
        if parts.next().is_some() { Err(CommunityError) } else { Ok(community) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn standard_communities_display_as_in_pmacct() {
        for (community, shown) in [
            (Community::new(65_000, 100), "65000:100"),
            (Community::INTERNET, "internet"),
            (Community::NO_EXPORT, "no-export"),
            (Community::NO_ADVERTISE, "no-advertise"),
            (Community::NO_EXPORT_SUBCONFED, "local-AS"),
            (Community::BLACKHOLE, "65535:666"),
        ] {
            assert_eq!(community.to_string(), shown);
        }
        assert_eq!(format!("{:#}", Community::NO_EXPORT), "65535:65281");
        assert_eq!("blackhole".parse(), Ok(Community::BLACKHOLE));
        assert_eq!(Community::BLACKHOLE.well_known_name(), Some("blackhole"));
        for text in ["", "1", ":", "1:", ":1", "65536:0", "1:65536", "1:2:3", "+1:2", "No-Export"] {
            assert_eq!(text.parse::<Community>(), Err(CommunityError), "{text}");
        }
    }

    #[test]
    fn extended_communities_display_as_in_pmacct() {
        for (octets, shown, whole) in [
            ([0, 2, 0xfd, 0xe9, 0, 0, 0, 5], "RT:65001:5", "RT:65001:5"),
            ([1, 3, 10, 0, 0, 1, 0, 7], "SoO:10.0.0.1:7", "SoO:10.0.0.1:7"),
            ([2, 2, 0, 1, 0, 1, 0, 9], "RT:65537:9", "RT:65537:9"),
            ([2, 2, 0, 0, 0, 1, 0, 9], "RT:1:9", "RT:1L:9"),
            ([3, 0x0c, 0, 0, 0, 0, 0, 8], "encapsulation:vxlan", "0x030c000000000008"),
            ([0x40, 2, 0, 1, 0, 0, 0, 1], "0x4002000100000001", "0x4002000100000001"),
            ([0, 5, 0, 1, 0, 0, 0, 1], "ospf-domain:1:1", "0x0005000100000001"),
        ] {
            let community = ExtendedCommunity(octets);
            assert_eq!((community.to_string(), format!("{community:#}")), (shown.into(), whole.into()));
        }
        let target = ExtendedCommunity::new(ExtendedCommunity::ROUTE_TARGET, Administrator::As2(65_001, 5));
        assert_eq!((target.0, target.numeric().to_string()), ([0, 2, 0xfd, 0xe9, 0, 0, 0, 5], "65001:5".into()));
        assert!(target.is_transitive() && !ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 0]).is_transitive());
        for text in [
            "",
            "?",
            "RT",
            "RT:",
            "RT:1",
            "rt:1:2",
            "RT:1:2:3",
            "RT:70000:65536",
            "RT:1L:65536",
            "0x12",
            "0x+30c000000000008",
        ] {
            assert_eq!(text.parse::<ExtendedCommunity>(), Err(CommunityError), "{text}");
        }
    }

    #[test]
    fn large_communities_are_three_numbers() {
        let community = LargeCommunity { global: Asn(65_536), local1: 1, local2: u32::MAX };
        assert_eq!(community.to_string(), "65536:1:4294967295");
        let octets = [0, 1, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(LargeCommunity::read(&mut Reader::new(&octets)), Ok(community));
        for text in ["", "1:2", "1:2:3:4", "1::3", "4294967296:0:0", "-1:0:0"] {
            assert_eq!(text.parse::<LargeCommunity>(), Err(CommunityError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trips_through_text(
            number in prop_oneof![any::<u32>(), 0xffff_ff00u32..=u32::MAX, Just(0)],
            octets in any::<[u8; 8]>(),
            (kind, subtype) in (0u8..5, 0u8..5),
            large in any::<[u32; 3]>(),
        ) {
            let standard = Community(number);
            prop_assert_eq!(standard.to_string().parse(), Ok(standard));
            prop_assert_eq!(format!("{standard:#}").parse(), Ok(standard));
            let [_, _, a, b, c, d, e, g] = octets;
            for extended in [octets, [kind, subtype, a, b, c, d, e, g], [kind, subtype, 0, 0, c, d, e, g]] {
                let extended = ExtendedCommunity(extended);
                prop_assert_eq!(format!("{extended:#}").parse(), Ok(extended));
            }
            let [global, local1, local2] = large;
            let large = LargeCommunity { global: Asn(global), local1, local2 };
            prop_assert_eq!(large.to_string().parse(), Ok(large));
        }

        #[test]
        fn any_text_is_a_community_or_an_error(text in "(RT:|SoO:|0x)?[0-9a-fL:.]{0,24}|.*") {
            _ = text.parse::<Community>();
            _ = text.parse::<ExtendedCommunity>();
            _ = text.parse::<LargeCommunity>();
            _ = text.parse::<Administrator>();
        }
    }
}
