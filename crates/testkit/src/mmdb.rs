//! Generated MaxMind DB files, so that tests need no others.
//!
//! The format is described in "MaxMind DB File Format Specification", version 2.0: a binary tree over the bits of addresses,
//! 16 zero octets, the data section to which its leaves point, a marker, and the metadata in the same encoding.

use std::collections::HashMap;
use std::net::IpAddr;

/// The location of a network.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The network, IPv4 or IPv6.
    pub network: (&'static str, u8),
    /// ISO code of the country.
    pub country: &'static str,
    /// Postal code, or empty.
    pub pocode: &'static str,
    /// Latitude and longitude.
    pub location: (f64, f64),
}

/// A database with these records, in the structure of `GeoLite2-City`.
///
/// # Panics
///
/// If a network is invalid.
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

/// A database with the countries of these records, in the structure of `GeoLite2-Country`.
///
/// # Panics
///
/// If a network is invalid.
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

/// A value of the data section.
#[derive(Clone, Debug)]
pub enum Value {
    /// Keys and values.
    Map(Vec<(&'static str, Value)>),
    /// Text in UTF-8.
    Text(String),
    /// Floating-point number of eight octets.
    Double(f64),
    /// Floating-point number of four octets.
    Float(f32),
    /// Unsigned integer of 16 bits.
    U16(u16),
    /// Unsigned integer of 32 bits.
    U32(u32),
    /// Unsigned integer of 64 bits.
    U64(u64),
    /// Array.
    Array(Vec<Value>),
}

/// Octets between the tree and the data section.
const GAP: usize = 16;

/// The target of an address bit: another node, a record, or nothing.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Record(usize),
}

/// Builds a database of networks and their records.
pub struct Writer {
    kind: String,
    /// Bits of a branch: 24, 28 or 32.
    size: u16,
    /// 6, or 4 for an IPv4-only tree.
    version: u16,
    networks: Vec<(u128, u8, usize)>,
    data: Vec<u8>,
    /// Offsets of the records written so far: equal ones are written once.
    known: HashMap<Vec<u8>, usize>,
}

impl Writer {
    /// An empty database of this type, for both address families, with pointers of 32 bits.
    pub fn new(kind: &str) -> Self {
        let (networks, data, known) = (Vec::new(), Vec::new(), HashMap::new());
        Self { kind: kind.to_owned(), size: 32, version: 6, networks, data, known }
    }

    /// Sets the pointer size: 24, 28 or 32 bits.
    #[must_use]
    pub fn branches(self, size: u16) -> Self {
        assert!([24, 28, 32].contains(&size), "invalid pointer size: {size}");
        Self { size, ..self }
    }

    /// Makes it an IPv4-only database.
    #[must_use]
    pub fn ipv4(self) -> Self {
        Self { version: 4, ..self }
    }

    /// Adds a network with its record. The most specific network that covers an address applies.
    ///
    /// # Panics
    ///
    /// If it is invalid, or IPv6 in an IPv4-only database.
    pub fn add(&mut self, (address, len): (&str, u8), record: &Value) {
        let address: IpAddr = address.parse().expect("an address");
        let (bits, len) = match (address, self.version) {
            (IpAddr::V4(v4), 4) => (u128::from(v4.to_bits()) << 96, len),
            // IPv4 addresses are in the IPv6 tree as ::a.b.c.d.
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

    /// The contents of the file.
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
                    // The record of the wider network still applies to the rest of it.
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
            // The octet between them holds the upper four bits of both.
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

/// A branch in the file format: a node number, the number of nodes for nothing, or a larger value for a record.
fn pointer(branch: Branch, nodes: usize) -> u32 {
    let pointer = match branch {
        Branch::Nothing => nodes,
        Branch::Node(node) => node,
        Branch::Record(at) => nodes + GAP + at,
    };
    pointer.try_into().expect("a small database")
}

/// Writes a value: type and size in one or more octets, then its contents.
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

/// Types above 7 have a separate octet after the size; a size of 29 means one more octet.
fn control(to: &mut Vec<u8>, kind: u8, size: usize) {
    let size = u8::try_from(size).expect("a short value");
    let (kept, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    match kind {
        1..=7 => to.push(kind << 5 | kept),
        _ => to.extend([kept, kind - 7]),
    }
    to.extend(more);
}
