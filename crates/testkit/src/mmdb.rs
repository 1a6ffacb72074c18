//! MaxMind DB files, made here so that tests need none from elsewhere.
//!
//! The format is described in "MaxMind DB File Format Specification", version 2.0: a binary tree over the bits of addresses,
//! 16 octets of zero, the data that its leaves point to, a marker, and the metadata as one more piece of data.

use std::collections::HashMap;
use std::net::IpAddr;

/// What a network's record says of a place.
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

/// The octets of a database with these records, as `GeoLite2-City` has them.
///
/// # Panics
///
/// When a network is none.
pub fn city(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new("GeoLite2-City");
    for record in records {
        let (latitude, longitude) = record.location;
        let location =
            Value::Map(vec![("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))]);
        let mut parts = vec![("country", country_of(record)), ("location", location)];
        if !record.pocode.is_empty() {
            parts.push(("postal", Value::Map(vec![("code", Value::Text(record.pocode.to_owned()))])));
        }
        writer.add(record.network, &Value::Map(parts));
    }
    writer.finish()
}

/// The octets of a database with the countries of these records, as `GeoLite2-Country` has them.
///
/// # Panics
///
/// When a network is none.
pub fn country(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new("GeoLite2-Country");
    for record in records {
        writer.add(record.network, &Value::Map(vec![("country", country_of(record))]));
    }
    writer.finish()
}

fn country_of(record: &Record) -> Value {
    Value::Map(vec![("iso_code", Value::Text(record.country.to_owned()))])
}

/// A piece of data.
#[derive(Clone, Debug)]
pub enum Value {
    /// Names and what they stand for.
    Map(Vec<(&'static str, Value)>),
    /// Text in UTF-8.
    Text(String),
    /// Real number of eight octets.
    Double(f64),
    /// Real number of four octets.
    Float(f32),
    /// Number of 16 bits.
    U16(u16),
    /// Number of 32 bits.
    U32(u32),
    /// Number of 64 bits.
    U64(u64),
    /// Several of them.
    Array(Vec<Value>),
}

/// Octets between the tree and the data.
const GAP: usize = 16;

/// What a bit of an address leads to: another node, a record, or nothing.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Record(usize),
}

/// Networks and their records, to be written.
pub struct Writer {
    kind: String,
    /// Bits of a branch: 24, 28 or 32.
    size: u16,
    /// 6, or 4 for a tree of IPv4 alone.
    version: u16,
    networks: Vec<(u128, u8, usize)>,
    data: Vec<u8>,
    /// Where a record lies that was written before: equal ones are written once.
    known: HashMap<Vec<u8>, usize>,
}

impl Writer {
    /// An empty database that gives itself this name, for both families, with branches of 32 bits.
    pub fn new(kind: &str) -> Self {
        let (networks, data, known) = (Vec::new(), Vec::new(), HashMap::new());
        Self { kind: kind.to_owned(), size: 32, version: 6, networks, data, known }
    }

    /// With branches of 24, 28 or 32 bits.
    #[must_use]
    pub fn branches(self, size: u16) -> Self {
        assert!([24, 28, 32].contains(&size), "no size of branches: {size}");
        Self { size, ..self }
    }

    /// For IPv4 alone.
    #[must_use]
    pub fn ipv4(self) -> Self {
        Self { version: 4, ..self }
    }

    /// Adds a network with its record. Of networks within each other the longest counts.
    ///
    /// # Panics
    ///
    /// When it is none, or of IPv6 in a database of IPv4.
    pub fn add(&mut self, (address, len): (&str, u8), record: &Value) {
        let address: IpAddr = address.parse().expect("an address");
        let (bits, len) = match (address, self.version) {
            (IpAddr::V4(v4), 4) => (u128::from(v4.to_bits()) << 96, len),
            // IPv4 lies in the tree of IPv6 as ::a.b.c.d.
            (IpAddr::V4(v4), _) => (u128::from(v4.to_bits()), len + 96),
            (IpAddr::V6(v6), version) => {
                assert_ne!(version, 4, "an IPv6 network in a database of IPv4");
                (v6.to_bits(), len)
            }
        };
        assert!((1..=128).contains(&len), "a length of {len}");
        let mut octets = Vec::new();
        put(&mut octets, record);
        let end = self.data.len();
        let at = *self.known.entry(octets.clone()).or_insert(end);
        if at == end {
            self.data.extend(octets);
        }
        self.networks.push((bits, len, at));
    }

    /// The octets of the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.networks.sort_by_key(|(_, len, _)| *len);
        let mut tree: Vec<[Branch; 2]> = vec![[Branch::Nothing; 2]];
        for (bits, len, at) in &self.networks {
            let mut node = 0;
            for depth in 0..*len {
                let bit = usize::from(bits >> (127 - depth) & 1 == 1);
                let branch = tree[node][bit];
                node = match branch {
                    _ if depth + 1 == *len => {
                        tree[node][bit] = Branch::Record(*at);
                        break;
                    }
                    Branch::Node(next) => next,
                    // What was said of the wider network goes on to be said of the rest of it.
                    other => {
                        tree.push([other; 2]);
                        tree[node][bit] = Branch::Node(tree.len() - 1);
                        tree.len() - 1
                    }
                };
            }
        }
        let mut file = Vec::new();
        for branches in &tree {
            self.node(&mut file, branches.map(|branch| pointer(branch, tree.len())));
        }
        file.extend([0; GAP]);
        file.extend(&self.data);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        let text = |text: &str| Value::Text(text.to_owned());
        let metadata = Value::Map(vec![
            ("binary_format_major_version", Value::U16(2)),
            ("binary_format_minor_version", Value::U16(0)),
            ("build_epoch", Value::U64(1_700_000_000)),
            ("database_type", text(&self.kind)),
            ("description", Value::Map(vec![("en", text("Made by a test"))])),
            ("ip_version", Value::U16(self.version)),
            ("languages", Value::Array(vec![text("en")])),
            ("node_count", Value::U32(tree.len().try_into().expect("a small database"))),
            ("record_size", Value::U16(self.size)),
        ]);
        put(&mut file, &metadata);
        file
    }

    fn node(&self, file: &mut Vec<u8>, [left, right]: [u32; 2]) {
        assert!(self.size == 32 || left.max(right) >> self.size == 0, "a small database");
        let ([l, left @ ..], [r, right @ ..]) = (left.to_be_bytes(), right.to_be_bytes());
        match self.size {
            24 => file.extend([left, right].as_flattened()),
            // The octet between them has the upper four bits of both.
            28 => {
                file.extend(left);
                file.push(l << 4 | r);
                file.extend(right);
            }
            _ => {
                file.push(l);
                file.extend(left);
                file.push(r);
                file.extend(right);
            }
        }
    }
}

/// A branch as the file has it: below the number of nodes a node, that number nothing, beyond it a record.
fn pointer(branch: Branch, nodes: usize) -> u32 {
    let pointer = match branch {
        Branch::Nothing => nodes,
        Branch::Node(node) => node,
        Branch::Record(at) => nodes + GAP + at,
    };
    pointer.try_into().expect("a small database")
}

/// Writes a value: its type and size in one octet, or more, then what it holds.
fn put(to: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => {
            control(to, 2, text.len());
            to.extend(text.as_bytes());
        }
        Value::Double(number) => {
            control(to, 3, 8);
            to.extend(number.to_be_bytes());
        }
        Value::U16(number) => {
            control(to, 5, 2);
            to.extend(number.to_be_bytes());
        }
        Value::U32(number) => {
            control(to, 6, 4);
            to.extend(number.to_be_bytes());
        }
        Value::Map(pairs) => {
            control(to, 7, pairs.len());
            for (name, value) in pairs {
                put(to, &Value::Text((*name).to_owned()));
                put(to, value);
            }
        }
        Value::U64(number) => {
            control(to, 9, 8);
            to.extend(number.to_be_bytes());
        }
        Value::Array(values) => {
            control(to, 11, values.len());
            values.iter().for_each(|value| put(to, value));
        }
        Value::Float(number) => {
            control(to, 15, 4);
            to.extend(number.to_be_bytes());
        }
    }
}

/// Types above 7 have an octet of their own behind the size; a size of 29 has one more octet.
fn control(to: &mut Vec<u8>, kind: u8, size: usize) {
    let size = u8::try_from(size).expect("a short value");
    let (kept, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    match kind {
        1..=7 => to.push(kind << 5 | kept),
        _ => to.extend([kept, kind - 7]),
    }
    to.extend(more);
}
