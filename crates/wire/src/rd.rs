//! Route distinguishers (RFC 4364 section 4.2).

use std::fmt;
use std::net::Ipv4Addr;

/// A route distinguisher: a type of two octets and a value of six.
///
/// The type 65535, which IANA reserves, marks a VRF id that stands in where an exporter tells no distinguisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteDistinguisher(pub [u8; 8]);

impl RouteDistinguisher {
    /// The stand-in for a VRF id.
    pub fn of_vrf(id: u32) -> Self {
        let [a, b, c, d] = id.to_be_bytes();
        Self([0xff, 0xff, 0, 0, a, b, c, d])
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [t0, t1, a, b, c, d, e, g] = self.0;
        match u16::from_be_bytes([t0, t1]) {
            1 => write!(f, "1:{}:{}", Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g])),
            2 => write!(f, "2:{}:{}", u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g])),
            0xffff => write!(f, "vrfid:{}", u32::from_be_bytes([c, d, e, g])),
            // Type 0; later types are shown in its shape, with their number.
            kind => write!(f, "{kind}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_form() {
        let text = |octets| RouteDistinguisher(octets).to_string();
        assert_eq!(text([0, 0, 0xfd, 0xe8, 0, 0, 0, 100]), "0:65000:100");
        assert_eq!(text([0, 1, 10, 0, 0, 1, 0, 200]), "1:10.0.0.1:200");
        assert_eq!(text([0, 2, 0xfd, 0xe8, 0, 1, 0, 1]), "2:4259840001:1");
        assert_eq!(RouteDistinguisher::of_vrf(10).to_string(), "vrfid:10");
    }
}
