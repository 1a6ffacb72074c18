//! The representation of IP addresses in rows: 16 bytes that also encode the family, and absence.
//!
//! | octets | meaning |
//! |---|---|
//! | all zero | no address |
//! | `::ffff:a.b.c.d` | the IPv4 address a.b.c.d, 0.0.0.0 included |
//! | `::fffe:0:0` | the IPv6 address `::` |
//! | others | that IPv6 address |
//!
//! If an exporter sends an IPv4-mapped IPv6 address, it is shown as IPv4, which is the purpose of that form
//! (RFC 4291 section 2.5.5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bytes of an address field of a row.
pub type Octets = [u8; 16];

/// No address.
pub const ABSENT: Octets = [0; 16];

/// The first 12 bytes of an IPv4 address.
pub const V4_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The IPv4 address 0.0.0.0.
pub const V4_ZERO: Octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];

/// The IPv6 address `::`, which must differ from "no address".
pub const V6_ZERO: Octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0];

/// Converts an address to the form in rows.
#[inline]
pub fn octets(address: IpAddr) -> Octets {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) if v6.is_unspecified() => V6_ZERO,
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The same as a number, which is faster to hash than an address.
#[inline]
pub fn number(address: IpAddr) -> u128 {
    u128::from_be_bytes(octets(address))
}

/// Converts an address from the form in rows; `None` if absent.
#[inline]
pub fn address(octets: &Octets) -> Option<IpAddr> {
    if *octets == ABSENT {
        return None;
    }
    if *octets == V6_ZERO {
        return Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }
    match octets {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d))),
        _ => Some(IpAddr::V6(Ipv6Addr::from(*octets))),
    }
}

/// Returns true for an IPv4 address.
#[inline]
pub fn is_v4(octets: &Octets) -> bool {
    octets.starts_with(&V4_PREFIX)
}

/// Converts the IPv6 address of a packet to the form in rows.
#[inline]
pub fn of_v6(octets: [u8; 16]) -> Octets {
    if octets == [0; 16] { V6_ZERO } else { octets }
}

/// The network of an address: its first `mask` bits, the rest zero. `mask` counts from the start of the
/// address in its own family and is limited to its width.
#[inline]
pub fn network(octets: &Octets, mask: u8) -> Octets {
    let bits = u128::from_be_bytes(*octets);
    let first = if bits >> 32 == 0xffff { 96 } else { 0 };
    let network = bits & !u128::MAX.checked_shr(first + u32::from(mask)).unwrap_or(0);
    match network {
        // The mask is 0, or there is no address: an IPv6 address becomes `::`.
        0 if bits == 0 => ABSENT,
        0 => V6_ZERO,
        _ if *octets == V6_ZERO => V6_ZERO,
        _ => network.to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_absence_are_distinct() {
        for text in ["0.0.0.0", "10.1.2.3", "::", "::1", "2001:db8::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(address(&octets(ip)), Some(ip));
        }
        assert_eq!(address(&ABSENT), None);
    }

    #[test]
    fn networks_are_truncated_to_their_mask() {
        let cut = |text: &str, mask| address(&network(&octets(text.parse().unwrap()), mask)).unwrap().to_string();
        assert_eq!(cut("10.1.2.3", 24), "10.1.2.0");
        assert_eq!(cut("10.1.2.3", 0), "0.0.0.0");
        assert_eq!(cut("10.1.2.3", 200), "10.1.2.3");
        assert_eq!(cut("2001:db8::1", 32), "2001:db8::");
        assert_eq!(cut("2001:db8::1", 0), "::");
    }
}
