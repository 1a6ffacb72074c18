//! Route distinguishers (RFC 4364 section 4.2).

use crate::text::number;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A route distinguisher: a type of two octets and a value of six.
///
/// The type 65535, which IANA reserves, marks a VRF id that replaces the distinguisher if an exporter does not report one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteDistinguisher(pub [u8; 8]);

impl RouteDistinguisher {
    /// The replacement for a VRF id.
    pub fn of_vrf(id: u32) -> Self {
        let [a, b, c, d] = id.to_be_bytes();
        Self([0xff, 0xff, 0, 0, a, b, c, d])
    }

    /// True for the replacement for a VRF id.
    pub const fn is_vrf(self) -> bool {
        matches!(self.0, [0xff, 0xff, ..])
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [t0, t1, a, b, c, d, e, g] = self.0;
        match u16::from_be_bytes([t0, t1]) {
            1 => write!(f, "1:{}:{}", Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g])),
            2 => write!(f, "2:{}:{}", u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g])),
            0xffff => write!(f, "vrfid:{}", u32::from_be_bytes([c, d, e, g])),
            // Type 0; later types are displayed in the same form, with their number.
            kind => write!(f, "{kind}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g])),
        }
    }
}

/// The text is not a route distinguisher of type 0, 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteDistinguisherError;

impl fmt::Display for RouteDistinguisherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a route distinguisher, such as 0:65000:100")
    }
}

impl std::error::Error for RouteDistinguisherError {}

impl FromStr for RouteDistinguisher {
    type Err = RouteDistinguisherError;

    /// Parses `0:ASN:VALUE`, `1:IPV4:VALUE` and `2:ASN:VALUE`.
    fn from_str(text: &str) -> Result<Self, RouteDistinguisherError> {
        let read = || {
            let (kind, rest) = text.split_once(':')?;
            let (left, right) = rest.split_once(':')?;
            let wide = |text, max| number(text, max).map(u64::from);
            let value = match kind {
                "0" => wide(left, 0xffff)? << 32 | wide(right, u32::MAX)?,
                "1" => 1 << 48 | u64::from(left.parse::<Ipv4Addr>().ok()?.to_bits()) << 16 | wide(right, 0xffff)?,
                "2" => 2 << 48 | wide(left, u32::MAX)? << 16 | wide(right, 0xffff)?,
                _ => return None,
            };
            Some(Self(value.to_be_bytes()))
        };
        read().ok_or(RouteDistinguisherError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_type_has_its_form() {
        let text = |octets| RouteDistinguisher(octets).to_string();
        assert_eq!(text([0, 0, 0xfd, 0xe8, 0, 0, 0, 100]), "0:65000:100");
        assert_eq!(text([0, 1, 10, 0, 0, 1, 0, 200]), "1:10.0.0.1:200");
        assert_eq!(text([0, 2, 0xfd, 0xe8, 0, 1, 0, 1]), "2:4259840001:1");
        assert_eq!(RouteDistinguisher::of_vrf(10).to_string(), "vrfid:10");
    }

    #[test]
    fn parses_only_the_three_types() {
        for text in
            ["100", "65000:100", "0:65536:1", "1:10:1", "2:1:65536", "3:1:1", "0:1:1:1", "00:1:1", "0:+1:1"]
        {
            assert_eq!(text.parse::<RouteDistinguisher>(), Err(RouteDistinguisherError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trips_through_text(kind in 0u8..3, value in any::<[u8; 6]>()) {
            let [a, b, c, d, e, g] = value;
            let distinguisher = RouteDistinguisher([0, kind, a, b, c, d, e, g]);
            prop_assert_eq!(distinguisher.to_string().parse(), Ok(distinguisher));
        }

        #[test]
        fn any_text_is_a_distinguisher_or_an_error(text in "[0-2]:[0-9.:]{0,20}|.*") {
            _ = text.parse::<RouteDistinguisher>();
        }
    }
}
