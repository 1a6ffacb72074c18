//! IP prefixes: text as in `192.0.2.0/24`, and NLRI as in BGP (RFC 4271 section 4.3, RFC 4760 section 5).

use crate::{Family, Reader, Truncated, Writer};
use ipnetwork::{IpNetwork, IpNetworkError, Ipv4Network, Ipv6Network};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A prefix of IPv4 or IPv6 addresses; the bits after its length are zero.
///
/// The families are separate: `0.0.0.0/0` contains no IPv6 address, and `::ffff:0:0/96` is an IPv6 prefix (see
/// [`Prefix::to_canonical`]). The order places a prefix before all others that it covers, and keeps these together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    family: Family,
    /// The first address; an IPv4 address takes the first four octets.
    octets: [u8; 16],
    length: u8,
}

/// Why a prefix is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// The text before the slash is not an address.
    Address,
    /// The length is not a number of at most three digits, or exceeds the bits of an address, which are given.
    Length(u8),
    /// Octets of NLRI are missing.
    Truncated(Truncated),
}

impl Prefix {
    /// The first `length` bits of an address; `None` if the address has fewer.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (family, octets) = match address {
            IpAddr::V4(v4) => (Family::V4, left_aligned(v4.octets())),
            IpAddr::V6(v6) => (Family::V6, v6.octets()),
        };
        (length <= family.width()).then(|| Self::masked(family, octets, length))
    }

    /// The prefix of a single address.
    pub fn host(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self { family: Family::V4, octets: left_aligned(v4.octets()), length: 32 },
            IpAddr::V6(v6) => Self { family: Family::V6, octets: v6.octets(), length: 128 },
        }
    }

    /// `0.0.0.0/0` or `::/0`: all addresses of a family.
    pub const fn default_route(family: Family) -> Self {
        Self { family, octets: [0; 16], length: 0 }
    }

    fn masked(family: Family, octets: [u8; 16], length: u8) -> Self {
        let bits = u128::from_be_bytes(octets) & mask(length);
        Self { family, octets: bits.to_be_bytes(), length }
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Prefix length in bits, at most that of an address of its family.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The first address, left-aligned in 128 bits; the bits after an IPv4 address are zero.
    #[inline]
    pub const fn bits(&self) -> u128 {
        u128::from_be_bytes(self.octets)
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        address(self.family, self.bits())
    }

    /// The last address.
    pub fn last_address(&self) -> IpAddr {
        address(self.family, self.bits() | !mask(self.length))
    }

    /// True if the prefix contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.covers(&Self::host(address))
    }

    /// True if the prefix contains all addresses of `other`.
    #[inline]
    pub fn covers(&self, other: &Self) -> bool {
        self.family == other.family
            && self.length <= other.length
            && (self.bits() ^ other.bits()) & mask(self.length) == 0
    }

    /// The prefix of the IPv4 addresses that this one maps (RFC 4291 section 2.5.5.2), or itself.
    pub fn to_canonical(self) -> Self {
        match (self.address(), self.length.checked_sub(96)) {
            (IpAddr::V6(v6), Some(length)) => match v6.to_ipv4_mapped() {
                Some(v4) => Self::masked(Family::V4, left_aligned(v4.octets()), length),
                None => self,
            },
            _ => self,
        }
    }

    /// Reads NLRI: an octet with the length in bits, and as many octets as that requires. Bits after the prefix in
    /// the last octet are ignored, as RFC 4271 requires.
    ///
    /// # Errors
    /// If octets are missing, or a length is too large; nothing after it can be read then.
    pub fn read(r: &mut Reader<'_>, family: Family) -> Result<Self, PrefixError> {
        let length = r.u8()?;
        if length > family.width() {
            return Err(PrefixError::Length(family.width()));
        }
        let mut octets = [0; 16];
        for (to, octet) in octets.iter_mut().zip(r.take(usize::from(length.div_ceil(8)))?) {
            *to = *octet;
        }
        Ok(Self::masked(family, octets, length))
    }

    /// Writes NLRI.
    pub fn write(&self, w: &mut Writer) {
        let used = self.octets.get(..usize::from(self.length.div_ceil(8))).unwrap_or_default();
        w.u8(self.length).put(used);
    }
}

/// The first `length` of 128 bits.
const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        1..128 => u128::MAX << (128 - length),
        _ => u128::MAX,
    }
}

fn is_length(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn left_aligned([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn address(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits((bits >> 96) as u32).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

impl From<IpNetwork> for Prefix {
    fn from(network: IpNetwork) -> Self {
        let Self { family, octets, .. } = Self::host(network.ip());
        Self::masked(family, octets, network.prefix())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match IpNetwork::new(self.address(), self.length) {
            Ok(network) => network.fmt(f),
            // Lengths are never longer than addresses.
            Err(_) => Err(fmt::Error),
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Parses `address/length`, or an address, which is a prefix of its full length. Bits after the length are ignored.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let is_v6 = text.contains(':');
        let width = if is_v6 { 128 } else { 32 };
        if let Some((address, length)) = text.split_once('/')
            && !is_length(length)
        {
            // The library would accept signs, any number of zeros, and IPv4 masks.
            let is_address = address.parse::<IpAddr>().is_ok();
            return Err(if is_address { PrefixError::Length(width) } else { PrefixError::Address });
        }
        let network: Result<IpNetwork, _> = match is_v6 {
            true => text.parse::<Ipv6Network>().map(IpNetwork::V6),
            false => text.parse::<Ipv4Network>().map(IpNetwork::V4),
        };
        network.map(Self::from).map_err(|error| match error {
            IpNetworkError::InvalidPrefix => PrefixError::Length(width),
            _ => PrefixError::Address,
        })
    }
}

impl From<Truncated> for PrefixError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an IP address"),
            Self::Length(width) => write!(f, "not a prefix length from 0 to {width}"),
            Self::Truncated(truncated) => truncated.fmt(f),
        }
    }
}

impl std::error::Error for PrefixError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn parses_and_displays_prefixes() {
        for (text, shown) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3/016", "10.1.0.0/16"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1/128"),
        ] {
            assert_eq!(prefix(text).to_string(), shown);
        }
        let error = |text: &str| text.parse::<Prefix>().unwrap_err();
        for text in ["300.1.2.3", "", "/8", "10.0.0.0 /8", "host", "1.2.3/8", "x/y", "::g/8"] {
            assert_eq!(error(text), PrefixError::Address, "{text}");
        }
        for text in
            ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/0008", "10.0.0.0/255.0.0.0", "10.0.0.0/8/8"]
        {
            assert_eq!(error(text), PrefixError::Length(32), "{text}");
        }
        assert_eq!((error("::/129"), error("::/x")), (PrefixError::Length(128), PrefixError::Length(128)));
    }

    #[test]
    fn mapped_prefixes_are_ipv6_until_made_canonical() {
        assert_eq!(prefix("::ffff:10.1.2.3/104").family(), Family::V6);
        assert_eq!(prefix("::ffff:10.1.2.3/104").to_canonical(), prefix("10.0.0.0/8"));
        assert_eq!(prefix("::ffff:0.0.0.0/96").to_canonical(), prefix("0.0.0.0/0"));
        for other in ["::ffff:0:0/95", "2001:db8::/112", "10.0.0.0/8", "::/0"] {
            assert_eq!(prefix(other).to_canonical(), prefix(other));
        }
    }

    #[test]
    fn families_are_separate() {
        assert!(!prefix("::/0").contains([10, 0, 0, 1].into()));
        assert!(!prefix("0.0.0.0/0").covers(&prefix("::/0")));
        assert!(
            prefix("10.0.0.0/8").covers(&prefix("10.0.0.0/8"))
                && prefix("10.0.0.0/8").contains([10, 9, 9, 9].into())
        );
        assert!(
            !prefix("10.0.0.0/8").covers(&prefix("10.0.0.0/7"))
                && !prefix("10.0.0.0/8").contains([11, 0, 0, 0].into())
        );
        assert_eq!(prefix("10.0.0.0/9").last_address(), IpAddr::from([10, 127, 255, 255]));
        assert!(size_of::<Prefix>() <= 18);
    }

    #[test]
    fn nlri_has_the_octets_of_its_length() {
        let read = |octets: &[u8], family| Prefix::read(&mut Reader::new(octets), family);
        assert_eq!(read(&[0], Family::V4), Ok(Prefix::default_route(Family::V4)));
        assert_eq!(read(&[9, 10, 0xff], Family::V4), Ok(prefix("10.128.0.0/9")));
        assert_eq!(read(&[33, 1, 2, 3, 4, 5], Family::V4), Err(PrefixError::Length(32)));
        assert_eq!(read(&[129], Family::V6), Err(PrefixError::Length(128)));
        let truncated = Truncated { at: 1, wanted: 3, left: 2 };
        assert_eq!(read(&[24, 10, 0], Family::V4), Err(PrefixError::Truncated(truncated)));
    }

    fn any_prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (any::<u32>(), 0u8..=32).prop_map(|(bits, len)| Prefix::new(Ipv4Addr::from_bits(bits).into(), len)),
            (any::<u128>(), 0u8..=128).prop_map(|(bits, len)| Prefix::new(Ipv6Addr::from_bits(bits).into(), len)),
        ]
        .prop_map(Option::unwrap_or_default)
    }

    proptest! {
        #[test]
        fn round_trips_through_text_and_nlri(prefix in any_prefix(), behind in any::<u8>()) {
            prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
            let mut w = Writer::new();
            prefix.write(&mut w);
            w.u8(behind);
            let octets = w.finish();
            let mut r = Reader::new(&octets);
            prop_assert_eq!(Prefix::read(&mut r, prefix.family()), Ok(prefix));
            prop_assert_eq!(r.rest(), &[behind]);
        }

        #[test]
        fn a_prefix_precedes_those_that_it_covers(a in any_prefix(), len in 0u8..=32) {
            let outer = Prefix::new(a.address(), len.min(a.length())).unwrap();
            prop_assert!(outer.covers(&a) && outer <= a);
            prop_assert!(outer.contains(a.address()) && outer.contains(a.last_address()));
        }

        #[test]
        fn any_text_is_a_prefix_or_an_error(text in "[0-9a-f:./ +]{0,24}|.*") {
            _ = text.parse::<Prefix>();
        }

        #[test]
        fn any_octets_are_a_prefix_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..20), v6: bool) {
            _ = Prefix::read(&mut Reader::new(&octets), if v6 { Family::V6 } else { Family::V4 });
        }
    }
}
