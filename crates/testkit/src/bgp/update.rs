//! UPDATE (RFC 4271 section 4.3) and NLRI.

use super::message::{HEADER, UPDATE, message};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

/// Flags of a well-known attribute.
const WELL_KNOWN: u8 = 0x40;
/// Flags of an optional attribute.
const OPTIONAL: u8 = 0x80;
/// Flags of an optional transitive attribute.
const TRANSITIVE: u8 = 0xc0;
/// The flag of a length of 2 octets.
const EXTENDED_LENGTH: u8 = 0x10;
/// The longest message (section 4.1).
const LONGEST: usize = 4096;

/// An UPDATE in the making. Attributes are written in the order of the calls.
#[derive(Clone, Debug, Default)]
pub struct Update {
    withdrawn: Vec<u8>,
    attributes: Vec<u8>,
    nlri: Vec<u8>,
}

impl Update {
    /// An UPDATE without anything: End-of-RIB for IPv4 unicast (RFC 4724 section 2).
    pub fn new() -> Self {
        Self::default()
    }

    /// An UPDATE with the attributes that each announcement needs: ORIGIN IGP, AS_PATH, NEXT_HOP.
    pub fn route(as_path: &[u32], next_hop: Ipv4Addr) -> Self {
        Self::new().origin(0).as_path(as_path).next_hop(next_hop)
    }

    /// End-of-RIB of a family (RFC 4724 section 2).
    pub fn end_of_rib(afi: u16, safi: u8) -> Self {
        Self::new().unreach(afi, safi, &[])
    }

    /// Adds an attribute. The length has 2 octets if it must or the flags say so.
    ///
    /// # Panics
    ///
    /// If the value is longer than 65,535 octets.
    #[must_use]
    pub fn attribute(mut self, flags: u8, code: u8, value: &[u8]) -> Self {
        match u8::try_from(value.len()) {
            Ok(length) if flags & EXTENDED_LENGTH == 0 => self.attributes.extend([flags, code, length]),
            _ => {
                let length = u16::try_from(value.len()).expect("an attribute has at most 65,535 octets");
                self.attributes.extend([flags | EXTENDED_LENGTH, code]);
                self.attributes.extend(length.to_be_bytes());
            }
        }
        self.attributes.extend(value);
        self
    }

    /// Adds octets to the attributes as they are.
    #[must_use]
    pub fn raw_attributes(mut self, octets: &[u8]) -> Self {
        self.attributes.extend(octets);
        self
    }

    /// ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE.
    #[must_use]
    pub fn origin(self, origin: u8) -> Self {
        self.attribute(WELL_KNOWN, 1, &[origin])
    }

    /// AS_PATH of one AS_SEQUENCE with 4-octet numbers; an empty path has no segment.
    ///
    /// # Panics
    ///
    /// If it has more than 255 numbers.
    #[must_use]
    pub fn as_path(self, path: &[u32]) -> Self {
        let mut value = Vec::new();
        if !path.is_empty() {
            value.extend([2, u8::try_from(path.len()).expect("a segment has at most 255 numbers")]);
            value.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
        }
        self.attribute(WELL_KNOWN, 2, &value)
    }

    /// NEXT_HOP.
    #[must_use]
    pub fn next_hop(self, address: Ipv4Addr) -> Self {
        self.attribute(WELL_KNOWN, 3, &address.octets())
    }

    /// MULTI_EXIT_DISC.
    #[must_use]
    pub fn med(self, med: u32) -> Self {
        self.attribute(OPTIONAL, 4, &med.to_be_bytes())
    }

    /// LOCAL_PREF.
    #[must_use]
    pub fn local_pref(self, preference: u32) -> Self {
        self.attribute(WELL_KNOWN, 5, &preference.to_be_bytes())
    }

    /// COMMUNITIES (RFC 1997).
    #[must_use]
    pub fn communities(self, communities: &[(u16, u16)]) -> Self {
        let octets = |(high, low): &(u16, u16)| [high.to_be_bytes(), low.to_be_bytes()].concat();
        self.attribute(TRANSITIVE, 8, &communities.iter().flat_map(octets).collect::<Vec<u8>>())
    }

    /// EXTENDED COMMUNITIES (RFC 4360), each as its 8 octets.
    #[must_use]
    pub fn extended_communities(self, communities: &[[u8; 8]]) -> Self {
        self.attribute(TRANSITIVE, 16, &communities.concat())
    }

    /// LARGE_COMMUNITY (RFC 8092).
    #[must_use]
    pub fn large_communities(self, communities: &[[u32; 3]]) -> Self {
        let octets = communities.iter().flatten().flat_map(|number| number.to_be_bytes());
        self.attribute(TRANSITIVE, 32, &octets.collect::<Vec<u8>>())
    }

    /// Announces IPv4 prefixes, such as `10.0.0.0/8`.
    #[must_use]
    pub fn announce<'a>(self, prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let octets: Vec<u8> = prefixes.into_iter().flat_map(prefix).collect();
        self.announce_raw(&octets)
    }

    /// Adds octets to the NLRI as they are.
    #[must_use]
    pub fn announce_raw(mut self, nlri: &[u8]) -> Self {
        self.nlri.extend(nlri);
        self
    }

    /// Withdraws IPv4 prefixes.
    #[must_use]
    pub fn withdraw<'a>(self, prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let octets: Vec<u8> = prefixes.into_iter().flat_map(prefix).collect();
        self.withdraw_raw(&octets)
    }

    /// Adds octets to the withdrawn routes as they are.
    #[must_use]
    pub fn withdraw_raw(mut self, nlri: &[u8]) -> Self {
        self.withdrawn.extend(nlri);
        self
    }

    /// MP_REACH_NLRI (RFC 4760 section 3).
    ///
    /// # Panics
    ///
    /// If the next hop has more than 255 octets.
    #[must_use]
    pub fn reach(self, afi: u16, safi: u8, next_hop: &[u8], nlri: &[u8]) -> Self {
        let length = u8::try_from(next_hop.len()).expect("the length of a next hop has one octet");
        let value = [&afi.to_be_bytes()[..], &[safi, length], next_hop, &[0], nlri].concat();
        self.attribute(OPTIONAL, 14, &value)
    }

    /// MP_UNREACH_NLRI (RFC 4760 section 4).
    #[must_use]
    pub fn unreach(self, afi: u16, safi: u8, nlri: &[u8]) -> Self {
        self.attribute(OPTIONAL, 15, &[&afi.to_be_bytes()[..], &[safi], nlri].concat())
    }

    /// The message.
    ///
    /// # Panics
    ///
    /// If it is longer than 65,535 octets.
    pub fn finish(&self) -> Vec<u8> {
        let sized = |octets: &[u8]| {
            let length = u16::try_from(octets.len()).expect("a message has at most 65,535 octets");
            [&length.to_be_bytes(), octets].concat()
        };
        let body = [sized(&self.withdrawn), sized(&self.attributes), self.nlri.clone()].concat();
        message(UPDATE, &body)
    }

    /// The messages that announce that many IPv4 prefixes with these attributes, each as long as it may be.
    pub fn announcing(&self, prefixes: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        let room = LONGEST - HEADER - 4 - self.attributes.len();
        packed(prefixes, room).map(|nlri| self.clone().announce_raw(&nlri).finish()).collect()
    }

    /// The messages that withdraw that many IPv4 prefixes.
    pub fn withdrawing(prefixes: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        packed(prefixes, LONGEST - HEADER - 4).map(|nlri| Self::new().withdraw_raw(&nlri).finish()).collect()
    }
}

/// Joins NLRI until no further one fits.
fn packed(nlri: impl IntoIterator<Item = Vec<u8>>, room: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut nlri = nlri.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut block = nlri.next()?;
        while let Some(next) = nlri.next_if(|next| block.len() + next.len() <= room) {
            block.extend(next);
        }
        Some(block)
    })
}

/// The NLRI of a prefix of either family: its length in bits, and as many octets as these need.
///
/// # Panics
///
/// If the text is not an address, a slash and a number of bits.
pub fn prefix(text: &str) -> Vec<u8> {
    let (address, bits) = text.split_once('/').unwrap_or_else(|| panic!("{text} is not a prefix"));
    let bits: u8 = bits.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let octets = match address.parse().unwrap_or_else(|error| panic!("{text}: {error}")) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let kept = usize::from(bits.div_ceil(8));
    [&[bits], octets.get(..kept).unwrap_or_else(|| panic!("{text} has too many bits"))].concat()
}

/// NLRI after a path identifier (RFC 7911 section 3).
pub fn with_path(id: u32, nlri: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes(), nlri].concat()
}

/// Labelled NLRI (RFC 8277 section 2.2) with one label at the bottom of the stack.
pub fn labelled(label: u32, text: &str) -> Vec<u8> {
    behind(&label_octets(label), &prefix(text))
}

/// VPN NLRI (RFC 4364 section 4.3.4): a label, a route distinguisher of type 0, a prefix.
pub fn vpn(label: u32, (asn, number): (u16, u32), text: &str) -> Vec<u8> {
    let head = [&label_octets(label)[..], &route_distinguisher(asn, number)].concat();
    behind(&head, &prefix(text))
}

/// A route distinguisher of type 0 (RFC 4364 section 4.2).
pub fn route_distinguisher(asn: u16, number: u32) -> Vec<u8> {
    [&[0, 0], &asn.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

/// A route target (RFC 4360 section 4) of a 2-octet AS.
pub fn route_target(asn: u16, number: u32) -> [u8; 8] {
    let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), number.to_be_bytes());
    [0, 2, a, b, c, d, e, f]
}

/// Label, 3 bits of traffic class, and the bottom of the stack.
fn label_octets(label: u32) -> [u8; 3] {
    let [_, high, middle, low] = (label << 4 | 1).to_be_bytes();
    [high, middle, low]
}

/// NLRI whose bits count octets before the prefix as well.
///
/// # Panics
///
/// If they are more than 255.
fn behind(head: &[u8], prefix: &[u8]) -> Vec<u8> {
    let bits = usize::from(prefix[0]) + 8 * head.len();
    [&[u8::try_from(bits).expect("the length of a prefix has one octet")], head, &prefix[1..]].concat()
}

/// The text of one of 2^22 prefixes of 24 bits, in order from 20.0.0.0/24.
pub fn numbered(number: u32) -> String {
    format!("{}/24", Ipv4Addr::from(network(number)))
}

/// The NLRI of these prefixes.
pub fn numbered_nlri(numbers: Range<u32>) -> impl Iterator<Item = Vec<u8>> {
    numbers.map(|number| {
        let [a, b, c, _] = network(number).to_be_bytes();
        vec![24, a, b, c]
    })
}

fn network(number: u32) -> u32 {
    (20 << 24) + (number << 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_as_in_the_rfc() {
        let next_hop = Ipv4Addr::new(10, 0, 0, 1);
        let octets =
            Update::route(&[65_001], next_hop).announce(["192.0.2.0/25"]).withdraw(["10.0.0.0/8"]).finish();
        let mut expected = vec![0xff; 16];
        expected.extend([0, 50, 2]); // length, type
        expected.extend([0, 2, 8, 10]); // withdrawn routes
        expected.extend([0, 20]); // length of the attributes
        expected.extend([0x40, 1, 1, 0]);
        expected.extend([0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9]);
        expected.extend([0x40, 3, 4, 10, 0, 0, 1]);
        expected.extend([25, 192, 0, 2, 0]);
        assert_eq!(octets, expected);
        assert_eq!(Update::end_of_rib(2, 1).finish()[19..], [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);
    }

    #[test]
    fn prefixes_have_no_more_octets_than_bits() {
        assert_eq!(prefix("0.0.0.0/0"), [0]);
        assert_eq!(prefix("2001:db8::/33"), [33, 0x20, 1, 0x0d, 0xb8, 0]);
        assert_eq!(with_path(7, &prefix("10.0.0.0/7")), [0, 0, 0, 7, 7, 10]);
        assert_eq!(labelled(100, "10.0.0.0/8"), [32, 0, 6, 0x41, 10]);
        assert_eq!(vpn(100, (65_001, 1), "10.0.0.0/8"), [96, 0, 6, 0x41, 0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 10]);
        assert_eq!((numbered(0), numbered(65_537)), ("20.0.0.0/24".to_owned(), "21.0.1.0/24".to_owned()));
    }

    #[test]
    fn many_prefixes_fill_messages() {
        let messages = Update::route(&[1, 2, 3], [10, 0, 0, 1].into()).announcing(numbered_nlri(0..5000));
        assert_eq!(messages.len(), 5);
        assert!(messages.iter().all(|message| message.len() <= LONGEST));
        assert!(messages[0].len() > LONGEST - 4);
        let withdrawals = Update::withdrawing(numbered_nlri(0..5000));
        assert_eq!(withdrawals.iter().map(|message| (message.len() - 23) / 4).sum::<usize>(), 5000);
    }
}
