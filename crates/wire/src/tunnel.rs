//! Tunnel types, which an attribute and an extended community of BGP name.

use std::fmt;

/// A tunnel type (IANA "BGP Tunnel Encapsulation Attribute Tunnel Types", RFC 9012). Displayed by a short name without
/// blanks, or as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelType(pub u16);

/// By their numbers, from 0.
const NAMES: &[&str] = &[
    "reserved",
    "l2tpv3",
    "gre",
    "transmit-endpoint",
    "ipsec",
    "ip-in-ip-ipsec",
    "mpls-in-ip-ipsec",
    "ip-in-ip",
    "vxlan",
    "nvgre",
    "mpls",
    "mpls-in-gre",
    "vxlan-gpe",
    "mpls-in-udp",
    "ipv6",
    "sr-policy",
    "bare",
    "sr",
    "cloud-security",
    "geneve",
    "any",
    "gtp",
    "dps",
    "originating-pe",
    "dps-policy",
    "sd-wan",
];

impl TunnelType {
    /// L2TPv3 over IP.
    pub const L2TPV3: Self = Self(1);
    /// GRE.
    pub const GRE: Self = Self(2);
    /// VXLAN.
    pub const VXLAN: Self = Self(8);
    /// NVGRE.
    pub const NVGRE: Self = Self(9);
    /// MPLS in GRE.
    pub const MPLS_IN_GRE: Self = Self(11);
    /// An SR policy (RFC 9830).
    pub const SR_POLICY: Self = Self(15);

    /// The short name.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0)).copied()
    }

    /// The type with a short name.
    pub fn named(name: &str) -> Option<Self> {
        (0u16..).zip(NAMES).find(|(_, known)| **known == name).map(|(number, _)| Self(number))
    }
}

impl fmt::Display for TunnelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_or_numbers() {
        assert_eq!((TunnelType::VXLAN.to_string(), TunnelType(99).to_string()), ("vxlan".into(), "99".into()));
        for number in 0..30 {
            let kind = TunnelType(number);
            assert_eq!(kind.name().and_then(TunnelType::named), kind.name().map(|_| kind));
        }
        assert_eq!((TunnelType(15).name(), TunnelType(19).name()), (Some("sr-policy"), Some("geneve")));
    }
}
