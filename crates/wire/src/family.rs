//! Address families and subsequent address families (RFC 4760), as numbers with the names that IANA registered.

use std::fmt;

/// An address family (IANA "Address Family Numbers"), as in BGP's multiprotocol attributes (RFC 4760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Afi(pub u16);

/// A subsequent address family (IANA "SAFI Values", RFC 4760 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Safi(pub u8);

impl Afi {
    /// IP version 4.
    pub const IPV4: Self = Self(1);
    /// IP version 6.
    pub const IPV6: Self = Self(2);
    /// Layer-2 VPN (RFC 4761, RFC 7432).
    pub const L2VPN: Self = Self(25);
    /// BGP-LS (RFC 9552).
    pub const BGP_LS: Self = Self(16_388);

    /// The name, if this crate has one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IPV4 => "IPv4",
            Self::IPV6 => "IPv6",
            Self::L2VPN => "L2VPN",
            Self::BGP_LS => "BGP-LS",
            _ => return None,
        })
    }
}

impl Safi {
    /// Unicast forwarding (RFC 4760).
    pub const UNICAST: Self = Self(1);
    /// Multicast forwarding (RFC 4760).
    pub const MULTICAST: Self = Self(2);
    /// Prefixes with MPLS labels (RFC 8277).
    pub const LABELED_UNICAST: Self = Self(4);
    /// Multicast VPN (RFC 6514).
    pub const MCAST_VPN: Self = Self(5);
    /// VPLS (RFC 4761).
    pub const VPLS: Self = Self(65);
    /// EVPN (RFC 7432).
    pub const EVPN: Self = Self(70);
    /// BGP-LS (RFC 9552).
    pub const BGP_LS: Self = Self(71);
    /// BGP-LS in a VPN (RFC 9552).
    pub const BGP_LS_VPN: Self = Self(72);
    /// Segment-routing policies (RFC 9830).
    pub const SR_POLICY: Self = Self(73);
    /// BGP-LS for shortest paths computed in BGP (RFC 9815).
    pub const BGP_LS_SPF: Self = Self(80);
    /// VPN prefixes with MPLS labels (RFC 4364, RFC 8277).
    pub const MPLS_VPN: Self = Self(128);
    /// Multicast in BGP/MPLS VPNs (RFC 6513).
    pub const MULTICAST_MPLS_VPN: Self = Self(129);
    /// Route target membership (RFC 4684).
    pub const ROUTE_TARGET: Self = Self(132);
    /// Flow specifications (RFC 8955).
    pub const FLOWSPEC: Self = Self(133);
    /// Flow specifications in a VPN (RFC 8955).
    pub const FLOWSPEC_VPN: Self = Self(134);

    /// The name, if this crate has one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::UNICAST => "unicast",
            Self::MULTICAST => "multicast",
            Self::LABELED_UNICAST => "labeled-unicast",
            Self::MCAST_VPN => "mcast-vpn",
            Self::VPLS => "vpls",
            Self::EVPN => "evpn",
            Self::BGP_LS => "bgp-ls",
            Self::BGP_LS_VPN => "bgp-ls-vpn",
            Self::SR_POLICY => "sr-policy",
            Self::BGP_LS_SPF => "bgp-ls-spf",
            Self::MPLS_VPN => "mpls-vpn",
            Self::MULTICAST_MPLS_VPN => "multicast-mpls-vpn",
            Self::ROUTE_TARGET => "route-target",
            Self::FLOWSPEC => "flowspec",
            Self::FLOWSPEC_VPN => "flowspec-vpn",
            _ => return None,
        })
    }
}

impl fmt::Display for Afi {
    /// The name, or the number if there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Display for Safi {
    /// The name, or the number if there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// A version of IP: the families whose prefixes are [`Prefix`](crate::Prefix)es.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Bits of an address.
    pub const fn width(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The address family number.
    pub const fn afi(self) -> Afi {
        match self {
            Self::V4 => Afi::IPV4,
            Self::V6 => Afi::IPV6,
        }
    }

    /// The version of IP of an address family number, if any.
    pub const fn of_afi(afi: Afi) -> Option<Self> {
        match afi {
            Afi::IPV4 => Some(Self::V4),
            Afi::IPV6 => Some(Self::V6),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    /// `v4` or `v6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_families_have_names_and_others_display_numbers() {
        assert_eq!((Afi::IPV6.to_string(), Afi(99).to_string()), ("IPv6".into(), "99".into()));
        assert_eq!((Safi::MPLS_VPN.to_string(), Safi(9).to_string()), ("mpls-vpn".into(), "9".into()));
        for family in Family::ALL {
            assert_eq!(Family::of_afi(family.afi()), Some(family));
        }
        assert_eq!(Family::of_afi(Afi::L2VPN), None);
    }
}
