//! MaxMind DB files, made here so that tests need none from elsewhere.
//!
//! The format is described in "MaxMind DB File Format Specification", version 2.0: a binary tree over the bits of addresses,
//! 16 octets of zero, the data that its leaves point to, a marker, and the metadata as one more piece of data.

use std::net::IpAddr;

/// What a network's record says.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The network, in either family.
    pub network: (&'static str, u8),
    /// ISO code of the country.
    pub country: &'static str,
    /// Postal code; empty: none.
    pub pocode: &'static str,
    /// Latitude and longitude.
    pub location: (f64, f64),
}

/// Octets between the tree and the data.
const GAP: usize = 16;

/// A node: for each bit another node, a record, or nothing.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Record(usize),
}

/// The octets of a database with these records, as `GeoLite2-City` has them. Networks must not contain each other.
///
/// # Panics
///
/// When a network is none.
pub fn city(records: &[Record]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut tree: Vec<[Branch; 2]> = vec![[Branch::Nothing; 2]];
    for record in records {
        let at = data.len();
        map(&mut data, 3);
        text(&mut data, "country");
        map(&mut data, 1);
        text(&mut data, "iso_code");
        text(&mut data, record.country);
        text(&mut data, "location");
        map(&mut data, 2);
        text(&mut data, "latitude");
        double(&mut data, record.location.0);
        text(&mut data, "longitude");
        double(&mut data, record.location.1);
        text(&mut data, "postal");
        map(&mut data, u8::from(!record.pocode.is_empty()));
        if !record.pocode.is_empty() {
            text(&mut data, "code");
            text(&mut data, record.pocode);
        }
        let (address, len) = record.network;
        let address: IpAddr = address.parse().expect("an address");
        // IPv4 lies in the tree of IPv6 as ::a.b.c.d.
        let (bits, len) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), len + 96),
            IpAddr::V6(v6) => (v6.to_bits(), len),
        };
        let mut node = 0;
        for depth in 0..len {
            let bit = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == len {
                tree[node][bit] = Branch::Record(at);
            } else if let Branch::Node(next) = tree[node][bit] {
                node = next;
            } else {
                tree.push([Branch::Nothing; 2]);
                tree[node][bit] = Branch::Node(tree.len() - 1);
                node = tree.len() - 1;
            }
        }
    }
    let count = tree.len();
    let mut file = Vec::new();
    for branch in tree.iter().flatten() {
        let pointer = match branch {
            Branch::Nothing => count,
            Branch::Node(node) => *node,
            Branch::Record(at) => count + GAP + at,
        };
        let pointer = u32::try_from(pointer).expect("a small database");
        file.extend(pointer.to_be_bytes());
    }
    file.extend([0; GAP]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    map(&mut file, 9);
    text(&mut file, "binary_format_major_version");
    number(&mut file, 5, 2);
    text(&mut file, "binary_format_minor_version");
    number(&mut file, 5, 0);
    text(&mut file, "build_epoch");
    // Extended type 9: 64 bits.
    file.extend([1, 2, 42]);
    text(&mut file, "database_type");
    text(&mut file, "GeoLite2-City");
    text(&mut file, "description");
    map(&mut file, 0);
    text(&mut file, "ip_version");
    number(&mut file, 5, 6);
    text(&mut file, "languages");
    // Extended type 11: an array, here without members.
    file.extend([0, 4]);
    text(&mut file, "node_count");
    number(&mut file, 6, u32::try_from(count).expect("a small database"));
    text(&mut file, "record_size");
    number(&mut file, 5, 32);
    file
}

fn map(to: &mut Vec<u8>, pairs: u8) {
    to.push(7 << 5 | pairs);
}

fn text(to: &mut Vec<u8>, text: &str) {
    let len = u8::try_from(text.len()).expect("a short text");
    if len < 29 {
        to.push(2 << 5 | len);
    } else {
        to.extend([2 << 5 | 29, len - 29]);
    }
    to.extend(text.as_bytes());
}

fn double(to: &mut Vec<u8>, number: f64) {
    to.push(3 << 5 | 8);
    to.extend(number.to_be_bytes());
}

/// Type 5 has 16 bits, type 6 has 32.
fn number(to: &mut Vec<u8>, kind: u8, number: u32) {
    let octets = number.to_be_bytes();
    let octets = if kind == 5 { &octets[2..] } else { &octets[..] };
    to.push(kind << 5 | octets.len() as u8);
    to.extend(octets);
}
