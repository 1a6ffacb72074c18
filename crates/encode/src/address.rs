//! Addresses as text: IPv4 in dotted quads, IPv6 as RFC 5952 recommends, MAC addresses with colons.

use crate::number::LOWER;
use flow::address::{ABSENT, Octets, V4_PREFIX, V6_ZERO};

/// Each octet in decimal: its digits, and how many there are.
const QUADS: [([u8; 3], u8); 256] = {
    let mut quads = [([0; 3], 0); 256];
    let mut n = 0;
    while n < 256 {
        let (a, b, c) = (b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8);
        quads[n] = match n {
            0..10 => ([c, 0, 0], 1),
            10..100 => ([b, c, 0], 2),
            _ => ([a, b, c], 3),
        };
        n += 1;
    }
    quads
};

/// Writes the address of a row's field, see [`flow::address`]; nothing when there is none.
#[inline]
pub fn ip(out: &mut Vec<u8>, octets: &Octets) {
    match octets {
        [prefix @ .., a, b, c, d] if *prefix == V4_PREFIX => v4(out, [*a, *b, *c, *d]),
        &ABSENT => {}
        &V6_ZERO => out.extend_from_slice(b"::"),
        _ => v6(out, octets),
    }
}

/// Writes an IPv4 address.
#[inline]
pub fn v4(out: &mut Vec<u8>, octets: [u8; 4]) {
    let mut text = [b'.'; 16];
    let mut at = 0;
    for octet in octets {
        let (digits, count) = QUADS[usize::from(octet)];
        text[at..at + 3].copy_from_slice(&digits);
        at += usize::from(count);
        // The next quad, of which there are at most three more, starts after the dot.
        text[at] = b'.';
        at += 1;
    }
    out.extend_from_slice(&text[..at - 1]);
}

/// Writes an IPv6 address: the longest run of zero groups is shortened, the first of several; one
/// group alone is not (RFC 5952 section 4.2).
pub fn v6(out: &mut Vec<u8>, octets: &[u8; 16]) {
    let mut groups = [0u16; 8];
    for (group, octets) in groups.iter_mut().zip(octets.chunks_exact(2)) {
        *group = octets.first_chunk().map_or(0, |octets| u16::from_be_bytes(*octets));
    }
    let (mut best, mut run) = (0..0, 0..0);
    for (at, group) in groups.iter().enumerate() {
        if *group != 0 {
            continue;
        }
        run = if run.end == at { run.start..at + 1 } else { at..at + 1 };
        if run.len() > best.len() {
            best = run.clone();
        }
    }
    if best.len() < 2 {
        best = 8..8;
    }
    let mut text = [0u8; 40];
    let mut at = 0;
    let mut group = 0;
    while group < 8 {
        if group == best.start {
            text[at..at + 2].copy_from_slice(b"::");
            at += 2;
            group = best.end;
            continue;
        }
        if group > 0 && group != best.end {
            text[at] = b':';
            at += 1;
        }
        let value = groups[group];
        let mut shift = 12 - (value | 1).leading_zeros() / 4 * 4;
        loop {
            text[at] = LOWER[usize::from(value >> shift & 15)];
            at += 1;
            if shift == 0 {
                break;
            }
            shift -= 4;
        }
        group += 1;
    }
    out.extend_from_slice(&text[..at]);
}

/// Writes a MAC address.
#[inline]
pub fn mac(out: &mut Vec<u8>, octets: [u8; 6]) {
    let mut text = [b':'; 17];
    for (slot, octet) in text.chunks_mut(3).zip(octets) {
        slot[0] = LOWER[usize::from(octet >> 4)];
        slot[1] = LOWER[usize::from(octet & 15)];
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn absence_is_empty_and_families_are_kept() {
        assert_eq!(text(|out| ip(out, &ABSENT)), "");
        for address in ["0.0.0.0", "::", "10.0.0.1", "::1", "2001:db8::1"] {
            let octets = flow::address::octets(address.parse().unwrap());
            assert_eq!(text(|out| ip(out, &octets)), address);
        }
        assert_eq!(text(|out| mac(out, [2, 0, 0, 0xab, 0, 0x0f])), "02:00:00:ab:00:0f");
    }

    proptest! {
        #[test]
        fn ipv4_is_written_as_std_writes_it(octets: [u8; 4]) {
            prop_assert_eq!(text(|out| v4(out, octets)), Ipv4Addr::from(octets).to_string());
        }

        /// Groups are mostly zero or small, so that runs of zeros of all lengths come up.
        #[test]
        fn ipv6_is_written_as_std_writes_it(
            groups in prop::array::uniform8(prop_oneof![3 => Just(0u16), 1 => 0u16..300, 1 => any::<u16>()]),
        ) {
            let address = Ipv6Addr::from(groups);
            prop_assume!(address.to_ipv4_mapped().is_none());
            prop_assert_eq!(text(|out| v6(out, &address.octets())), address.to_string());
        }

        #[test]
        fn fields_of_rows_read_back(octets: [u8; 16]) {
            let address = IpAddr::from(octets);
            let field = flow::address::octets(address);
            prop_assert_eq!(text(|out| ip(out, &field)), address.to_canonical().to_string());
        }
    }
}
