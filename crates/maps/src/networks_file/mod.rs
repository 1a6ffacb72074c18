//! `networks_file`: networks with their AS numbers and next hops.
//!
//! ```text
//! 198.51.100.0/24
//! 64500,198.51.100.0/24
//! 64510_64500,198.51.100.0/24
//! 192.0.2.9,64510_64500,2001:db8::/32
//! ```
//!
//! Columns are counted from the right: the network; its AS number, optionally after that of the peer AS; the BGP next hop; a
//! fourth column is ignored. Blanks around columns are allowed, and a column may be empty. A file may contain both families; an
//! IPv6 network inside `::ffff:0:0/96` is that of the IPv4 addresses it maps, as in rows. Bits after a network's length
//! are ignored, and of equal networks the first is used. Lines that begin with `!` or `#` are comments.
//!
//! Rows that differ only in the address share a record, so 10^6 networks take little more memory than the tries. The columns
//! that few rows have, peer AS and next hop, are stored separately, so records are small and many of them fit the processor's caches.
//!
//! Related keys:
//!
//! | key | implementation |
//! |---|---|
//! | `networks_mask` | a separate source: the file is searched for whole addresses |
//! | `networks_file_filter` | [`Networks::lookup`] returns `None`: the address is outside |
//! | `networks_file_no_lpm` | a match is used whatever its [`Network::length`], otherwise only if longer than that of another source |
//! | `networks_no_mask_if_zero` | [`Networks::lookup`] returns `None`: the length is unknown |

mod read;

use lpm::{NONE, Trie};
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU64};

/// The properties of a network in one word, which is read and written as a whole: from the top, 24 bits for the index of its
/// [`RouteAttributes`], 32 bits for the AS number, and 8 bits for the length and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(NonZeroU64);

impl Network {
    /// `attributes` is below [`MAX_ROUTE_ATTRIBUTES`].
    fn new(asn: u32, len: u8, attributes: u32) -> Self {
        let length = NonZeroU8::MIN.saturating_add(len);
        Self(NonZeroU64::from(length) | u64::from(asn) << 8 | u64::from(attributes) << 40)
    }

    /// Its AS number; 0 if the row has none.
    #[inline]
    pub fn asn(self) -> u32 {
        (self.0.get() >> 8) as u32
    }

    /// Prefix length in bits.
    #[inline]
    pub fn length(self) -> u8 {
        (self.0.get() as u8).wrapping_sub(1)
    }

    /// Index of its route attributes.
    #[inline]
    fn attributes(self) -> usize {
        (self.0.get() >> 40) as usize
    }
}

/// The route attributes of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteAttributes {
    /// The peer AS; 0 if the row has none.
    pub peer_asn: u32,
    /// BGP next hop.
    pub next_hop: Option<IpAddr>,
}

/// All networks of a file.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Trie<u32>,
    v6: Trie<u128>,
    /// By the values of the tries.
    records: Vec<Network>,
    attributes: Vec<RouteAttributes>,
    len: usize,
}

/// Limit on the different route attributes of a file: their indexes have 24 bits.
const MAX_ROUTE_ATTRIBUTES: usize = 1 << 24;

impl Networks {
    /// Returns the longest network that covers an address as stored in rows: IPv4 as `::ffff:a.b.c.d`.
    #[inline]
    pub fn lookup(&self, address: &[u8; 16]) -> Option<Network> {
        match Key::of(address) {
            Key::V4(v4) => self.record(self.v4.lookup(v4)?),
            Key::V6(v6) => self.record(self.v6.lookup(v6)?),
            Key::Absent => None,
        }
    }

    /// Looks up many addresses: writes the result for each element of `addresses` to the element of `out` with the same
    /// index. If one slice is longer, its rest is ignored. This is faster for random addresses among many networks, because
    /// memory accesses overlap.
    pub fn lookup_many(&self, addresses: &[[u8; 16]], out: &mut [Option<Network>], families: &mut Families) {
        for (addresses, out) in addresses.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            self.batch(addresses, out, families);
        }
    }

    /// Looks up at most [`BATCH`] addresses, family by family, since each has its own trie.
    fn batch(&self, addresses: &[[u8; 16]], out: &mut [Option<Network>], Families { v4, v6 }: &mut Families) {
        (v4.len, v6.len) = (0, 0);
        for (index, (address, out)) in addresses.iter().zip(&mut *out).enumerate() {
            *out = None;
            match Key::of(address) {
                Key::V4(key) => v4.push(key, index),
                Key::V6(key) => v6.push(key, index),
                Key::Absent => {}
            }
        }
        v4.answer(&self.v4, &self.records, out);
        v6.answer(&self.v6, &self.records, out);
    }

    #[inline]
    fn record(&self, number: u32) -> Option<Network> {
        self.records.get(number as usize).copied()
    }

    /// The route attributes of a network of this file.
    #[inline]
    pub fn attributes(&self, network: Network) -> RouteAttributes {
        self.attributes.get(network.attributes()).copied().unwrap_or_default()
    }

    /// Number of networks in the file, without repetitions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no networks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        self.v4.size()
            + self.v6.size()
            + self.records.capacity() * size_of::<Network>()
            + self.attributes.capacity() * size_of::<RouteAttributes>()
    }
}

/// Addresses that are looked up together.
const BATCH: usize = 64;

/// Which trie an address is looked up in, and its key there, by its form in rows.
enum Key {
    V4(u32),
    V6(u128),
    Absent,
}

impl Key {
    #[inline]
    fn of(address: &[u8; 16]) -> Self {
        let bits = u128::from_be_bytes(*address);
        match bits >> 32 {
            0xffff => Self::V4(bits as u32),
            0 if bits == 0 => Self::Absent,
            // Rows store the address :: this way, since all zeros means no address.
            0xfffe if bits as u32 == 0 => Self::V6(0),
            _ => Self::V6(bits),
        }
    }
}

/// Memory of [`Networks::lookup_many`], reused from call to call.
#[derive(Clone, Debug, Default)]
pub struct Families {
    v4: FamilyBatch<u32>,
    v6: FamilyBatch<u128>,
}

/// The addresses of one family in a batch, with their indexes there.
#[derive(Clone, Debug)]
struct FamilyBatch<A> {
    keys: [A; BATCH],
    indexes: [u8; BATCH],
    len: usize,
}

impl<A: lpm::Address> Default for FamilyBatch<A> {
    fn default() -> Self {
        Self { keys: [A::default(); BATCH], indexes: [0; BATCH], len: 0 }
    }
}

impl<A: lpm::Address> FamilyBatch<A> {
    fn push(&mut self, key: A, index: usize) {
        if let (Some(to), Some(at)) = (self.keys.get_mut(self.len), self.indexes.get_mut(self.len)) {
            (*to, *at) = (key, index as u8);
            self.len += 1;
        }
    }

    fn answer(&self, trie: &Trie<A>, records: &[Network], out: &mut [Option<Network>]) {
        if self.len == 0 {
            return;
        }
        let mut found = [NONE; BATCH];
        trie.lookup_many(self.keys.get(..self.len).unwrap_or_default(), &mut found);
        for (found, index) in found.iter().zip(self.indexes).take(self.len) {
            if let Some(out) = out.get_mut(usize::from(index)) {
                *out = records.get(*found as usize).copied();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Diagnostics;

    fn read(text: &str) -> (Networks, Vec<String>) {
        let mut problems = Diagnostics::new();
        let networks = Networks::parse("n.lst", text.as_bytes(), &mut problems);
        (networks, problems.iter().map(ToString::to_string).collect())
    }

    /// Length, AS number, peer AS and next hop.
    type Found = (u8, u32, u32, Option<IpAddr>);

    fn find(networks: &Networks, address: &str) -> Option<Found> {
        let octets = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let network = networks.lookup(&octets)?;
        let RouteAttributes { peer_asn, next_hop } = networks.attributes(network);
        Some((network.length(), network.asn(), peer_asn, next_hop))
    }

    #[test]
    fn columns_are_counted_from_the_right() {
        let (networks, problems) = read(
            "! comment\n# another\n10.0.0.0/8\n64500,10.1.2.3/16\n64510_64501,10.2.0.0/16\n\
             192.0.2.9,_64502,10.3.0.0/16\n x, 2001:db8::9 ,64503,2001:db8::/32\n",
        );
        assert_eq!(problems, [""; 0]);
        let network = |len, asn, peer_asn, next_hop: Option<&str>| {
            Some((len, asn, peer_asn, next_hop.map(|ip| ip.parse().unwrap())))
        };
        assert_eq!(find(&networks, "10.9.9.9"), network(8, 0, 0, None));
        assert_eq!(find(&networks, "10.1.255.1"), network(16, 64500, 0, None));
        assert_eq!(find(&networks, "10.2.0.0"), network(16, 64501, 64510, None));
        assert_eq!(find(&networks, "10.3.0.1"), network(16, 64502, 0, Some("192.0.2.9")));
        assert_eq!(find(&networks, "2001:db8::1"), network(32, 64503, 0, Some("2001:db8::9")));
        assert_eq!(find(&networks, "11.0.0.0"), None);
        assert_eq!(networks.len(), 5);
    }

    #[test]
    fn reports_invalid_rows_with_their_position_and_ignores_them() {
        let (networks, problems) = read(
            "10.0.0.0\n10.0.0.0/33\n64500 10.0.0.0/8\nAS1,10.0.0.0/8\nhost,1,10.0.0.0/8\na,b,1.1.1.1,1,10.0.0.0/8\n::/129\n  ä, y,10.0.0.0/8\n",
        );
        assert!(networks.is_empty());
        let begins = [
            "ERROR: [n.lst:1:1] Missing '/' separator in '10.0.0.0'. Ignoring. Expected: ",
            "ERROR: [n.lst:2:10] Invalid network mask '33'.",
            "ERROR: [n.lst:3:1] Invalid network '64500 10.0.0.0/8'.",
            "ERROR: [n.lst:4:1] Invalid AS number 'AS1'.",
            "ERROR: [n.lst:5:1] Invalid next hop 'host'.",
            "ERROR: [n.lst:6:1] Too many columns.",
            "ERROR: [n.lst:7:4] Invalid network mask '129'.",
            "ERROR: [n.lst:8:6] Invalid AS number 'y'.",
        ];
        assert_eq!(problems.len(), begins.len(), "{problems:?}");
        for (problem, begin) in problems.iter().zip(begins) {
            assert!(problem.starts_with(begin), "{problem}");
        }
        let (_, problems) = read(&"x\n".repeat(150));
        assert_eq!(problems.len(), 101);
        assert!(problems[100].contains("50 more rows"), "{}", problems[100]);
    }

    #[test]
    fn the_first_of_equal_networks_is_used() {
        let (networks, problems) = read("1,10.0.0.0/8\n2,10.9.9.9/8\n3,10.0.0.0/9\n4,::/0\n5,::1/0");
        assert_eq!(networks.len(), 3);
        assert_eq!(
            problems,
            [
                "WARN: [n.lst] networks_file: 2 rows repeat the network of an earlier row and are ignored: line 2 (as in 1), \
              line 5 (as in 4)."
            ]
        );
        let asn = |address| find(&networks, address).unwrap().1;
        assert_eq!((asn("10.200.0.0"), asn("10.1.0.0"), asn("2001:db8::")), (1, 3, 4));
    }

    #[test]
    fn distinguishes_families_and_absent_addresses() {
        let (networks, _) = read("4,0.0.0.0/0\n6,::/0\n7,::/128\n8,::ffff:10.1.2.3/104\n9,::ffff:0:0/90");
        let asn = |octets: [u8; 16]| networks.lookup(&octets).map(|network| (network.asn(), network.length()));
        assert_eq!(asn([0; 16]), None);
        assert_eq!(asn([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]), Some((4, 0)));
        assert_eq!(asn([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 200, 0, 0]), Some((8, 8)));
        assert_eq!(asn([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0]), Some((7, 128)));
        assert_eq!(asn([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfd, 0, 0, 0, 0]), Some((9, 90)));
        assert_eq!(asn([0x20; 16]), Some((6, 0)));
    }

    #[test]
    fn accepts_blanks_empty_columns_and_foreign_line_ends() {
        let (networks, problems) =
            read("  64500 , 10.0.0.0 / 8\t\r\n,10.1.0.0/16\r\n,,,10.2.0.0/016\r\n64501_,10.3.0.0/16");
        assert_eq!(problems, [""; 0]);
        let numbers = |address| find(&networks, address).map(|(len, asn, peer_asn, _)| (len, asn, peer_asn));
        assert_eq!(numbers("10.0.0.1"), Some((8, 64500, 0)));
        assert_eq!(numbers("10.1.0.1"), Some((16, 0, 0)));
        assert_eq!(numbers("10.2.0.1"), Some((16, 0, 0)));
        assert_eq!(numbers("10.3.0.1"), Some((16, 0, 64501)));
    }

    #[test]
    fn reports_arbitrary_bytes() {
        let mut problems = Diagnostics::new();
        Networks::parse("n.lst", b"\xff\x1b[2J,10.0.0.0/8\n/\n,\n_\n", &mut problems);
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(messages.len(), 4);
        assert!(messages[0].contains("Invalid AS number '\\xff\\x1b[2J'"), "{messages:?}");
    }

    #[test]
    fn lookup_many_agrees_with_single_lookups() {
        let (networks, _) = read("1,10.0.0.0/8\n2,10.1.0.0/16\n3,2001:db8::/32\n4,2001:db8:1::/48\n5,0.0.0.0/1");
        let addresses: Vec<[u8; 16]> = (0..200_u32)
            .map(|n| match n % 4 {
                0 => std::net::Ipv4Addr::from(n << 24).to_ipv6_mapped().octets(),
                1 => std::net::Ipv4Addr::from(0x0a00_0000 + (n << 12)).to_ipv6_mapped().octets(),
                2 => (0x2001_0db8_u128 << 96 | u128::from(n % 3) << 80).to_be_bytes(),
                _ => [0; 16],
            })
            .collect();
        let mark = networks.lookup(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(mark.is_some());
        let mut found = vec![mark; 201];
        networks.lookup_many(&addresses, &mut found, &mut Families::default());
        for (address, found) in addresses.iter().zip(&found) {
            assert_eq!(*found, networks.lookup(address), "{address:?}");
        }
        assert_eq!(found[200], mark);
    }

    #[test]
    fn equal_rows_share_a_record() {
        let text: String = (0..1000).map(|n| format!("64500,10.{}.{}.0/24\n", n / 250, n % 250)).collect();
        let (networks, _) = read(&text);
        assert_eq!((networks.len(), networks.records.len(), networks.attributes.len()), (1000, 1, 1));
        assert_eq!(size_of::<Option<Network>>(), 8);
    }
}
