//! Reads the rows of a file.

use super::{MAX_ROUTE_ATTRIBUTES, Network, Networks, RouteAttributes};
use config::{Diagnostics, Origin};
use foldhash::{HashMap, HashMapExt};
use lpm::{Entry, Sorted, Trie};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Family, Prefix};

/// Invalid rows that are reported individually; the others are only counted.
const MAX_REPORTED: usize = 100;

/// Bytes of a row that an error message shows.
const MAX_SHOWN: usize = 48;

const SHAPE: &str = "Expected: [NEXT HOP,][[PEER AS_]AS,]NETWORK/LENGTH, such as 64500,198.51.100.0/24.";

impl Networks {
    /// Reads a file; invalid rows are reported and ignored.
    pub fn parse(file: &str, text: &[u8], problems: &mut Diagnostics) -> Self {
        let origin = Origin::whole(file);
        let mut reader = Reader::default();
        let mut bad = 0;
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let (whole, line) = (line, line.trim_ascii());
            if matches!(line.first(), None | Some(b'!' | b'#')) {
                continue;
            }
            if let Err(error) = reader.row(line) {
                bad += 1;
                if bad <= MAX_REPORTED {
                    let at = origin.at(number).column(error.column(whole, line));
                    problems.error(&at, error.text(line), Some(SHAPE.to_owned()));
                }
            }
        }
        if bad > MAX_REPORTED {
            problems.error(&origin, format!("{} more rows are invalid. Ignored.", bad - MAX_REPORTED), None);
        }
        let (networks, repeated) = reader.finish(&origin, problems);
        if repeated > 0 {
            let shown: Vec<String> = repetitions(text).take(MAX_REPETITIONS_SHOWN).collect();
            let etc = if repeated > shown.len() { ", ..." } else { "" };
            let what = format!(
                "networks_file: {repeated} rows repeat the network of an earlier row and are ignored: {}{etc}.",
                shown.join(", ")
            );
            problems.remark(&origin, what, None);
        }
        networks
    }
}

/// Repeated networks that are listed.
const MAX_REPETITIONS_SHOWN: usize = 10;

/// The lines that repeat the network of an earlier line, and the number of that line. Only called if there are any.
fn repetitions(text: &[u8]) -> impl Iterator<Item = String> {
    let mut first_lines: HashMap<Prefix, u32> = HashMap::new();
    (1..).zip(text.split(|byte| *byte == b'\n')).filter_map(move |(number, line)| {
        let line = line.trim_ascii();
        if matches!(line.first(), None | Some(b'!' | b'#')) {
            return None;
        }
        // A row with an error in another column has no network.
        Reader::default().row(line).ok()?;
        let prefix = network(line.rsplit(|byte| *byte == b',').next()?.trim_ascii()).ok()?;
        let earlier = *first_lines.entry(prefix).or_insert(number);
        (earlier != number).then(|| format!("line {number} (as in {earlier})"))
    })
}

/// The prefix of a network; for mapped addresses, that of the IPv4 addresses.
///
/// Blanks are allowed around the slash, so both parts are parsed separately. (For a file of a million rows, this also saves a sixth
/// of the instructions of parsing whole prefixes.)
fn network(text: &[u8]) -> Result<Prefix, (RowErrorKind, &[u8])> {
    let slash = text.iter().position(|byte| *byte == b'/').ok_or((RowErrorKind::NoSlash, text))?;
    let (address, length) = text.split_at(slash);
    let length = length.get(1..).unwrap_or_default();
    let address = ip(address.trim_ascii()).ok_or((RowErrorKind::Address, text))?;
    let bits = number(length.trim_ascii()).and_then(|bits| u8::try_from(bits).ok());
    let prefix = bits.and_then(|bits| Prefix::new(address, bits)).ok_or((RowErrorKind::Length, length))?;
    Ok(prefix.to_canonical())
}

/// The error in a row, and its distance in bytes from the end of the row.
struct RowError {
    what: RowErrorKind,
    at: Option<usize>,
}

enum RowErrorKind {
    NoSlash,
    Length,
    Address,
    Asn,
    NextHop,
    Columns,
    RouteAttributes,
}

impl RowError {
    /// Character of the line, from 1, at which the error begins; `line` is the line without the blanks around it.
    fn column(&self, whole: &[u8], line: &[u8]) -> u32 {
        let indent = whole.len() - whole.trim_ascii_start().len();
        let before = whole.get(..indent + line.len() - self.at.unwrap_or(line.len())).unwrap_or_default();
        1 + String::from_utf8_lossy(before).chars().count() as u32
    }

    fn text(&self, line: &[u8]) -> String {
        let from = line.len() - self.at.unwrap_or(line.len());
        let part = line.get(from..).unwrap_or_default();
        let end = part.iter().position(|byte| *byte == b',').unwrap_or(part.len());
        let part = part.get(..end.min(MAX_SHOWN)).unwrap_or_default().trim_ascii().escape_ascii();
        match self.what {
            RowErrorKind::NoSlash => format!("Missing '/' separator in '{part}'. Ignoring."),
            RowErrorKind::Length => format!("Invalid network mask '{part}'. Ignoring."),
            RowErrorKind::Address => format!("Invalid network '{part}'. Ignoring."),
            RowErrorKind::Asn => format!("Invalid AS number '{part}'. Ignoring."),
            RowErrorKind::NextHop => format!("Invalid next hop '{part}'. Ignoring."),
            RowErrorKind::Columns => "Too many columns. Ignoring.".to_owned(),
            RowErrorKind::RouteAttributes => {
                format!("More than {MAX_ROUTE_ATTRIBUTES} combinations of peer AS and next hop. Ignoring.")
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    v4: Vec<Entry<u32, u32>>,
    v6: Vec<Entry<u128, u32>>,
    records: Interned<Network>,
    attributes: Interned<RouteAttributes>,
}

/// Distinct values, each with a number.
struct Interned<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Copy + Eq + Hash> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            (self.values.len() - 1) as u32
        })
    }

    fn finish(mut self) -> Vec<T> {
        self.values.shrink_to_fit();
        self.values
    }
}

impl Reader {
    fn row(&mut self, line: &[u8]) -> Result<(), RowError> {
        let error = |what, part: &[u8]| {
            // Columns are found from the right, so a part is located by its distance from the end.
            let start = part.as_ptr() as usize - line.as_ptr() as usize;
            RowError { what, at: Some(line.len() - start) }
        };
        let mut columns = line.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let prefix = network(columns.next().unwrap_or_default()).map_err(|(what, part)| error(what, part))?;
        let (mut asn, mut peer_asn, mut next_hop) = (0, 0, None);
        if let Some(column) = columns.next() {
            let split = column.iter().position(|byte| *byte == b'_');
            let (peer, own) = match split {
                Some(at) => (column.get(..at), column.get(at + 1..).unwrap_or_default()),
                None => (None, column),
            };
            let read = |text: &[u8]| if text.is_empty() { Some(0) } else { number(text) };
            asn = read(own).ok_or_else(|| error(RowErrorKind::Asn, column))?;
            peer_asn = read(peer.unwrap_or_default()).ok_or_else(|| error(RowErrorKind::Asn, column))?;
        }
        if let Some(column) = columns.next().filter(|column| !column.is_empty()) {
            next_hop = Some(ip(column).ok_or_else(|| error(RowErrorKind::NextHop, column))?);
        }
        if columns.nth(1).is_some() {
            return Err(RowError { what: RowErrorKind::Columns, at: None });
        }
        let attributes = self.attributes.number(RouteAttributes { peer_asn, next_hop });
        if attributes as usize >= MAX_ROUTE_ATTRIBUTES {
            return Err(RowError { what: RowErrorKind::RouteAttributes, at: None });
        }
        let value = self.records.number(Network::new(asn, prefix.length(), attributes));
        match prefix.family() {
            Family::V4 => self.v4.push(Entry::new((prefix.bits() >> 96) as u32, prefix.length(), value)),
            Family::V6 => self.v6.push(Entry::new(prefix.bits(), prefix.length(), value)),
        }
        Ok(())
    }

    /// Builds the networks, and counts the rows that repeat one.
    fn finish(self, origin: &Origin, problems: &mut Diagnostics) -> (Networks, usize) {
        // The tries are built after other memory is freed.
        let (records, attributes) = (self.records.finish(), self.attributes.finish());
        let (v4, len4, repeated4) = build(self.v4, origin, problems);
        let (v6, len6, repeated6) = build(self.v6, origin, problems);
        (Networks { v4, v6, records, attributes, len: len4 + len6 }, repeated4 + repeated6)
    }
}

/// The trie of a family, its number of networks, and the number of repetitions.
fn build<A: lpm::Address>(
    entries: Vec<Entry<A, u32>>,
    origin: &Origin,
    problems: &mut Diagnostics,
) -> (Trie<A>, usize, usize) {
    let sorted = Sorted::new(entries);
    match Trie::new(&sorted) {
        Ok(trie) => (trie, sorted.entries().len(), sorted.repeated()),
        Err(error) => {
            problems.error(origin, format!("{error}. Ignored."), None);
            (Trie::default(), 0, 0)
        }
    }
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut number = 0u64;
    for byte in text {
        number = number * 10 + u64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
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
