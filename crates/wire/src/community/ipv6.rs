//! Extended communities with an IPv6 address (RFC 5701).

use super::CommunityError;
use crate::text::number;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An extended community of twenty octets: a type of two, an IPv6 address, and a number of two.
///
/// Displayed as its name, the address in brackets, and the number: `RT:[2001:db8::1]:5`. Unknown types, and `{:#}` of all but route
/// targets and sites of origin, are displayed as `0x` and forty hexadecimal digits. Parses what `{:#}` displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv6ExtendedCommunity(pub [u8; 20]);

/// Types and names (IANA "Transitive IPv6-Address-Specific Extended Community Types").
const TYPES: &[(u16, &str)] = &[
    (0x0002, "RT"),
    (0x0003, "SoO"),
    (0x0005, "ifit"),
    (0x000b, "vrf-import"),
    (0x000c, "redirect-ip"),
    (0x000d, "redirect"),
    (0x0010, "vpn-distinguisher"),
    (0x0011, "rt-uuid"),
    (0x0012, "segmented-next-hop"),
    (0x0015, "rt-derived"),
];

impl Ipv6ExtendedCommunity {
    /// A community of a type.
    pub fn new(kind: u16, address: Ipv6Addr, value: u16) -> Self {
        let mut octets = [0; 20];
        let parts = [&kind.to_be_bytes()[..], &address.octets(), &value.to_be_bytes()];
        for (to, octet) in octets.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *octet;
        }
        Self(octets)
    }

    /// The type.
    pub const fn kind(self) -> u16 {
        let [high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }

    /// The address.
    pub fn address(self) -> Ipv6Addr {
        let [_, _, address @ .., _, _] = self.0;
        address.into()
    }

    /// The number after the address.
    pub const fn value(self) -> u16 {
        let [.., high, low] = self.0;
        u16::from_be_bytes([high, low])
    }

    /// The name of the type.
    pub fn name(self) -> Option<&'static str> {
        TYPES.iter().find(|(kind, _)| *kind == self.kind()).map(|(_, name)| *name)
    }
}

impl fmt::Display for Ipv6ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) if !f.alternate() || matches!(name, "RT" | "SoO") => {
                write!(f, "{name}:[{}]:{}", self.address(), self.value())
            }
            _ => {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

impl FromStr for Ipv6ExtendedCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some(digits) = text.strip_prefix("0x") {
            let is_whole = digits.len() == 40 && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
            if !is_whole {
                return Err(CommunityError);
            }
            let (high, low) = digits.split_at(8);
            let high = u32::from_str_radix(high, 16).map_err(|_| CommunityError)?;
            let low = u128::from_str_radix(low, 16).map_err(|_| CommunityError)?;
            let mut octets = [0; 20];
            let parts = [&high.to_be_bytes()[..], &low.to_be_bytes()];
            for (to, octet) in octets.iter_mut().zip(parts.into_iter().flatten()) {
                *to = *octet;
            }
            return Ok(Self(octets));
        }
        let (name, rest) = text.split_once(":[").ok_or(CommunityError)?;
        let (address, value) = rest.split_once("]:").ok_or(CommunityError)?;
        let kind = match name {
            "RT" => 2,
            "SoO" => 3,
            _ => return Err(CommunityError),
        };
        let value = number(value, 0xffff).and_then(|value| u16::try_from(value).ok());
        Ok(Self::new(kind, address.parse().map_err(|_| CommunityError)?, value.ok_or(CommunityError)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types_have_names_or_hexadecimal() {
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let target = Ipv6ExtendedCommunity::new(2, address, 5);
        assert_eq!(
            (target.to_string(), target.address(), target.value()),
            ("RT:[2001:db8::1]:5".into(), address, 5)
        );
        let redirect = Ipv6ExtendedCommunity::new(13, address, 5);
        assert_eq!(redirect.to_string(), "redirect:[2001:db8::1]:5");
        assert_eq!(format!("{redirect:#}"), "0x000d20010db80000000000000000000000010005");
        let unknown = Ipv6ExtendedCommunity::new(0x4002, address, 5);
        assert_eq!(unknown.to_string(), "0x400220010db80000000000000000000000010005");
        for text in ["", "RT:2001:db8::1:5", "RT:[1]:5", "RT:[::1]:65536", "redirect:[::1]:5", "0x00"] {
            assert_eq!(text.parse::<Ipv6ExtendedCommunity>(), Err(CommunityError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trips_through_text(octets: [u8; 20], kind in 0u16..5) {
            let [_, _, rest @ ..] = octets;
            let community = Ipv6ExtendedCommunity(octets);
            let known = Ipv6ExtendedCommunity::new(kind, community.address(), community.value());
            prop_assert_eq!(format!("{community:#}").parse(), Ok(community));
            prop_assert_eq!(format!("{known:#}").parse(), Ok(known));
            prop_assert_eq!(&known.0[2..], &rest[..]);
        }

        #[test]
        fn any_text_is_a_community_or_an_error(text in "(RT:\\[|0x)?[0-9a-f:]{0,40}(\\]:[0-9]{0,5})?|.*") {
            _ = text.parse::<Ipv6ExtendedCommunity>();
        }
    }
}
