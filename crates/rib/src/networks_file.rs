//! `networks_file`: networks with their AS numbers and next hops.
//!
//! ```text
//! 198.51.100.0/24
//! 64500,198.51.100.0/24
//! 64510_64500,198.51.100.0/24
//! 192.0.2.9,64510_64500,2001:db8::/32
//! ```
//!
//! Columns are counted from the right: the network; its AS number, with that of the neighbour before it; the BGP next hop; a
//! fourth one is skipped. Both families stand in one file. Bits beyond a network's length are dropped, and of equal networks
//! the last counts. `!` and `#` begin comments.
//!
//! Rows that differ in the network alone share a record, so that 10^6 networks take little more than the tries.

use crate::trie::{self, Entry, Trie};
use config::{Origin, Problems};
use foldhash::{HashMap, HashMapExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Bits of the prefix.
    pub len: u8,
    /// Its AS number; 0 when the row has none.
    pub asn: u32,
    /// The neighbour AS through which it is reached; 0 when the row has none.
    pub peer_asn: u32,
    /// BGP next hop.
    pub next_hop: Option<IpAddr>,
}

/// All networks of a file.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Trie<u32>,
    v6: Trie<u128>,
    /// By the value of the tries, from 1.
    records: Vec<Network>,
}

/// Bad rows that are told one by one; of more there is only the number.
const MOST_TOLD: usize = 100;

const SHAPE: &str = "A row is [NEXT HOP,][[PEER AS_]AS,]NETWORK/LENGTH, such as 64500,198.51.100.0/24.";

impl Networks {
    /// Reads a file; bad rows are told and left out.
    pub fn parse(file: &str, text: &[u8], problems: &mut Problems) -> Self {
        let origin = Origin::whole(file);
        let mut reader = Reader::default();
        let mut bad = 0;
        for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
            let line = line.trim_ascii();
            if matches!(line.first(), None | Some(b'!' | b'#')) {
                continue;
            }
            if let Err(fault) = reader.row(line) {
                bad += 1;
                if bad <= MOST_TOLD {
                    let column = 1 + fault.at.map_or(0, |at| line.len() - at) as u32;
                    problems.error(&origin.at(number).column(column), fault.text(), Some(SHAPE.to_owned()));
                }
            }
        }
        if bad > MOST_TOLD {
            problems.error(&origin, format!("{} more rows are no networks. Ignored.", bad - MOST_TOLD), None);
        }
        reader.finish()
    }

    /// The longest network that covers an address in the form that rows keep: IPv4 as `::ffff:a.b.c.d`.
    #[inline]
    pub fn lookup(&self, address: &[u8; 16]) -> Option<&Network> {
        self.record(self.number(address))
    }

    /// The number of the record of the longest network, or [`trie::NONE`]; see [`Networks::record`]. Look-ups in a row
    /// overlap their waits for memory, so it pays to ask for many numbers before the first record.
    #[inline]
    pub fn number(&self, address: &[u8; 16]) -> u32 {
        let bits = u128::from_be_bytes(*address);
        match bits >> 32 {
            0xffff => self.v4.lookup(bits as u32),
            0 if bits == 0 => trie::NONE,
            // Rows keep the address :: so, as all zero is no address.
            0xfffe if bits as u32 == 0 => self.v6.lookup(0),
            _ => self.v6.lookup(bits),
        }
    }

    /// The record of that number.
    #[inline]
    pub fn record(&self, number: u32) -> Option<&Network> {
        self.records.get((number as usize).wrapping_sub(1))
    }

    /// Networks in the file.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// True without networks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of memory.
    pub fn size(&self) -> usize {
        self.v4.size() + self.v6.size() + self.records.capacity() * size_of::<Network>()
    }
}

/// What is wrong with a row, and how many octets before its end.
struct Fault {
    what: What,
    at: Option<usize>,
}

enum What {
    NoSlash,
    Length,
    Address,
    Asn,
    NextHop,
    Columns,
}

impl Fault {
    fn text(&self) -> &'static str {
        match self.what {
            What::NoSlash => "Missing '/' separator. Ignoring.",
            What::Length => "Invalid network mask. Ignoring.",
            What::Address => "Invalid network. Ignoring.",
            What::Asn => "Invalid AS number. Ignoring.",
            What::NextHop => "Invalid next hop. Ignoring.",
            What::Columns => "Too many columns. Ignoring.",
        }
    }
}

#[derive(Default)]
struct Reader {
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
    records: Vec<Network>,
    known: Option<HashMap<Network, u32>>,
}

impl Reader {
    fn row(&mut self, line: &[u8]) -> Result<(), Fault> {
        let fault = |what, part: &[u8]| {
            // Columns are found from the right, so a part is told by its distance from the end.
            let start = part.as_ptr() as usize - line.as_ptr() as usize;
            Fault { what, at: Some(line.len() - start) }
        };
        let mut columns = line.rsplit(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        let network = columns.next().unwrap_or_default();
        let slash =
            network.iter().position(|octet| *octet == b'/').ok_or_else(|| fault(What::NoSlash, network))?;
        let (address, len) = network.split_at(slash);
        let len = len.get(1..).unwrap_or_default();
        let address = ip(address).ok_or_else(|| fault(What::Address, network))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let len = number(len).and_then(|len| u8::try_from(len).ok()).filter(|len| *len <= most);
        let len = len.ok_or_else(|| fault(What::Length, network))?;
        let (mut asn, mut peer_asn, mut next_hop) = (0, 0, None);
        if let Some(column) = columns.next() {
            let split = column.iter().position(|octet| *octet == b'_');
            let (peer, own) = match split {
                Some(at) => (column.get(..at), column.get(at + 1..).unwrap_or_default()),
                None => (None, column),
            };
            let read = |text: &[u8]| if text.is_empty() { Some(0) } else { number(text) };
            asn = read(own).ok_or_else(|| fault(What::Asn, column))?;
            peer_asn = read(peer.unwrap_or_default()).ok_or_else(|| fault(What::Asn, column))?;
        }
        if let Some(column) = columns.next().filter(|column| !column.is_empty()) {
            next_hop = Some(ip(column).ok_or_else(|| fault(What::NextHop, column))?);
        }
        if columns.nth(1).is_some() {
            return Err(Fault { what: What::Columns, at: None });
        }
        let value = self.value(Network { len, asn, peer_asn, next_hop });
        match address {
            IpAddr::V4(v4) => self.v4.push(Entry { network: v4.to_bits(), len, value }),
            IpAddr::V6(v6) => self.v6.push(Entry { network: v6.to_bits(), len, value }),
        }
        Ok(())
    }

    fn value(&mut self, record: Network) -> u32 {
        let records = &mut self.records;
        let known = self.known.get_or_insert_with(HashMap::new);
        *known.entry(record).or_insert_with(|| {
            records.push(record);
            records.len() as u32
        })
    }

    fn finish(mut self) -> Networks {
        self.records.shrink_to_fit();
        Networks { v4: Trie::new(self.v4), v6: Trie::new(self.v6), records: self.records }
    }
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut number = 0u64;
    for octet in text {
        number = number * 10 + u64::from(octet.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    u32::try_from(number).ok()
}

fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Networks, Vec<String>) {
        let mut problems = Problems::new();
        let networks = Networks::parse("n.lst", text.as_bytes(), &mut problems);
        (networks, problems.iter().map(ToString::to_string).collect())
    }

    fn find(networks: &Networks, address: &str) -> Option<Network> {
        let octets = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        networks.lookup(&octets).copied()
    }

    #[test]
    fn columns_are_counted_from_the_right() {
        let (networks, problems) = read(
            "! comment\n# another\n10.0.0.0/8\n64500,10.1.2.3/16\n64510_64501,10.2.0.0/16\n\
             192.0.2.9,_64502,10.3.0.0/16\n x, 2001:db8::9 ,64503,2001:db8::/32\n",
        );
        assert_eq!(problems, [""; 0]);
        let network = |len, asn, peer_asn, next_hop: Option<&str>| {
            Some(Network { len, asn, peer_asn, next_hop: next_hop.map(|ip| ip.parse().unwrap()) })
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
    fn bad_rows_are_told_with_their_place_and_left_out() {
        let (networks, problems) = read(
            "10.0.0.0\n10.0.0.0/33\n64500 10.0.0.0/8\nAS1,10.0.0.0/8\nhost,1,10.0.0.0/8\na,b,1.1.1.1,1,10.0.0.0/8\n::/129\n",
        );
        assert!(networks.is_empty());
        let begins = [
            "ERROR: [n.lst:1:1] Missing '/' separator.",
            "ERROR: [n.lst:2:1] Invalid network mask.",
            "ERROR: [n.lst:3:1] Invalid network.",
            "ERROR: [n.lst:4:1] Invalid AS number.",
            "ERROR: [n.lst:5:1] Invalid next hop.",
            "ERROR: [n.lst:6:1] Too many columns.",
            "ERROR: [n.lst:7:1] Invalid network mask.",
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
    fn rows_that_say_the_same_share_a_record() {
        let text: String = (0..1000).map(|n| format!("64500,10.{}.{}.0/24\n", n / 250, n % 250)).collect();
        let (networks, _) = read(&text);
        assert_eq!((networks.len(), networks.records.len()), (1000, 1));
    }
}
