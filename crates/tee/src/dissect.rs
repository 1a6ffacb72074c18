//! Datagrams that are rebuilt from some of their records.
//!
//! A receiver may get a part of the records of a datagram only. What it gets must look as if the exporter had sent it:
//!
//! | protocol | count or length in the header | sequence number | what every receiver gets |
//! |---|---|---|---|
//! | NetFlow v1 | records | none | |
//! | NetFlow v5, v7 | records | flows sent before | |
//! | NetFlow v9 | records and templates | datagrams sent before | templates, options templates, options data |
//! | IPFIX | octets | data records sent before, in the observation domain | templates, options templates, options data |
//! | sFlow | samples | datagrams sent before, of the sub-agent | samples of counters and of discarded packets |
//!
//! Sequence numbers are reduced by what was left out for that receiver before. So a receiver sees the gaps of what was lost on the way
//! from the exporter, and no others. In sFlow v5, this holds for the numbers of flow samples as well, which count those of a data source.
//! Pools and drops of samples remain: they count packets that the agent saw.
//!
//! A datagram of which nothing was left out, now or before, is passed on as it is.

use flow::part::Part;
use recent::Map;
use std::net::IpAddr;
use std::ops::Range;

/// Streams of which records were left out. Beyond it, the one that was used least recently is forgotten: its receiver sees a jump.
pub const MAX_STREAMS: usize = 65_536;

/// The version of sFlow 5, in the numbers of [`Head`].
const SFLOW_V5: u16 = 5 << 8;
/// Offset of the sequence number in a sample with its format and length.
const SAMPLE_SEQUENCE: usize = 8;

/// Octets of the header of a set.
const SET_HEADER: u32 = 4;

/// What a receiver gets of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// Nothing.
    Nothing,
    /// All of it.
    Unchanged,
    /// These octets of the arena.
    Changed(Range<usize>),
}

/// What was left out of a rebuilt datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Records.
    pub records: u64,
    /// Data sets and samples that could not be divided into records.
    pub unreadable: u64,
}

/// A datagram to be rebuilt.
#[derive(Clone, Copy, Debug)]
pub struct Dissected<'a> {
    /// All of it.
    pub octets: &'a [u8],
    /// Its parts, as the decoder listed them.
    pub parts: &'a [Part],
    /// Its exporter.
    pub exporter: IpAddr,
}

/// Rebuilds datagrams, and remembers what it has left out of which stream.
#[derive(Debug)]
pub struct Dissector {
    /// What sequence numbers are reduced by.
    left_out: Map<Stream, u32>,
    /// The same for flow samples of sFlow.
    samples_left_out: Map<Source, u32>,
}

/// The datagrams whose sequence numbers continue each other, for one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stream {
    exporter: u128,
    /// Source id, observation domain, engine or sub-agent.
    domain: u32,
    version: u16,
    lane: u32,
}

/// The flow samples whose sequence numbers continue each other: those of a data source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    stream: Stream,
    class: u32,
    index: u32,
}

/// What the sequence numbers of a version count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Nothing,
    Records,
    Datagrams,
}

/// What the count field of a version means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    /// A number of records, in 16 or 32 bits.
    Records16,
    Records32,
    Octets,
}

/// The header of a datagram.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    version: u16,
    len: usize,
    domain: u32,
    count_at: usize,
    count: Count,
    sequence_at: usize,
    counted: Counted,
}

impl Head {
    pub(crate) fn is_v5(&self) -> bool {
        self.version == 5
    }

    pub(crate) fn is_sflow_v5(&self) -> bool {
        self.version == SFLOW_V5
    }

    /// Its octets.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let version = u16::from_be_bytes(array(octets, 0)?);
        let domain = |at| array(octets, at).map(u32::from_be_bytes);
        let fixed = Self {
            version,
            len: 24,
            domain: 0,
            count_at: 2,
            count: Count::Records16,
            sequence_at: 16,
            counted: Counted::Records,
        };
        let head = match version {
            1 => Self { len: 16, counted: Counted::Nothing, ..fixed },
            // Engine type and id.
            5 => Self { domain: domain(20)? >> 16, ..fixed },
            7 => fixed,
            9 => Self { len: 20, domain: domain(16)?, sequence_at: 12, counted: Counted::Datagrams, ..fixed },
            10 => Self { len: 16, domain: domain(12)?, count: Count::Octets, sequence_at: 8, ..fixed },
            0 => return Self::read_sflow(octets),
            _ => return None,
        };
        (octets.len() >= head.len).then_some(head)
    }

    fn read_sflow(octets: &[u8]) -> Option<Self> {
        let word = |at| array(octets, at).map(u32::from_be_bytes);
        let version = u16::try_from(word(0)?).ok()?;
        let address = match word(4)? {
            0 => 0,
            1 => 4,
            2 => 16,
            _ => return None,
        };
        let (domain, sequence_at) = match version {
            5 => (word(8 + address)?, 12 + address),
            2 | 4 => (0, 8 + address),
            _ => return None,
        };
        let head = Self {
            version: version << 8,
            len: sequence_at + 12,
            domain,
            count_at: sequence_at + 8,
            count: Count::Records32,
            sequence_at,
            counted: Counted::Datagrams,
        };
        (octets.len() >= head.len).then_some(head)
    }
}

/// A datagram that is being built at the end of the arena.
struct Builder<'a> {
    octets: &'a [u8],
    arena: &'a mut Vec<u8>,
    start: usize,
    /// Where the data set that is being built starts in the arena.
    set: Option<usize>,
    /// Records and templates in it.
    records: u32,
    /// What IPFIX and v5 count.
    units: u32,
    /// Units left out.
    units_left_out: u32,
    left_out: LeftOut,
    /// A sample has another number.
    is_renumbered: bool,
}

impl Builder<'_> {
    fn copy(&mut self, at: u32, len: u32) {
        let octets = self.octets.get(at as usize..).and_then(|octets| octets.get(..len as usize));
        self.arena.extend_from_slice(octets.unwrap_or_default());
    }

    fn open_set(&mut self, at: u32) {
        self.close_set();
        self.set = Some(self.arena.len());
        self.copy(at, SET_HEADER);
    }

    /// Writes the length of the data set. One without records is removed. There is no padding: none is required (RFC 3954 section 5.3,
    /// RFC 7011 section 3.3.1), and without the template it is not known how much would be taken for another record.
    fn close_set(&mut self) {
        let Some(start) = self.set.take() else { return };
        let len = self.arena.len() - start;
        if len <= SET_HEADER as usize {
            self.arena.truncate(start);
            return;
        }
        put(self.arena, start + 2, &u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    }

    /// Adds one of the records from `row` on that are wanted.
    fn records(
        &mut self,
        (at, size, count, rows): (u32, u32, u32, u32),
        row: usize,
        wanted: &mut impl FnMut(Range<usize>) -> bool,
    ) {
        // Adjacent records are copied together.
        let (mut from, mut run) = (at, 0);
        for number in 0..count {
            let first = row + (number * rows) as usize;
            if wanted(first..first + rows as usize) {
                run += size;
                self.records += 1;
                self.units += 1;
                continue;
            }
            self.copy(from, run);
            (from, run) = (at.saturating_add((number + 1).saturating_mul(size)), 0);
            self.units_left_out += 1;
            self.left_out.records += 1;
        }
        self.copy(from, run);
    }

    /// The same for flow samples of sFlow v5, which have numbers of their own.
    fn samples(
        &mut self,
        (at, size, count, rows): (u32, u32, u32, u32),
        row: usize,
        (stream, left_out): (Stream, &mut Map<Source, u32>),
        wanted: &mut impl FnMut(Range<usize>) -> bool,
    ) {
        for number in 0..count {
            let first = row + (number * rows) as usize;
            let at = at.saturating_add(number.saturating_mul(size));
            let source = source_of(self.octets, at as usize, stream);
            if wanted(first..first + rows as usize) {
                let start = self.arena.len() + SAMPLE_SEQUENCE;
                self.copy(at, size);
                self.records += 1;
                if let Some(reduced_by) = source.and_then(|source| left_out.get_mut(&source))
                    && let Some(sequence) = array(self.arena, start)
                {
                    put(self.arena, start, &u32::from_be_bytes(sequence).wrapping_sub(*reduced_by).to_be_bytes());
                    self.is_renumbered = true;
                }
                continue;
            }
            self.left_out.records += 1;
            match source.map(|source| (source, left_out.get_mut(&source).is_some())) {
                Some((source, true)) => {
                    left_out.get_mut(&source).into_iter().for_each(|count| *count = count.wrapping_add(1));
                }
                Some((source, false)) => _ = left_out.insert(source, 1),
                None => {}
            }
        }
    }
}

/// The data source of the flow sample at an offset. `None`: it is no flow sample.
fn source_of(octets: &[u8], at: usize, stream: Stream) -> Option<Source> {
    let word = |offset| array(octets, at + offset).map(u32::from_be_bytes);
    match word(0)? {
        // Class and index are one number.
        1 => word(12).map(|number| Source { stream, class: number >> 24, index: number & 0x00ff_ffff }),
        3 => Some(Source { stream, class: word(12)?, index: word(16)? }),
        _ => None,
    }
}

impl Default for Dissector {
    fn default() -> Self {
        Self { left_out: Map::new(MAX_STREAMS), samples_left_out: Map::new(MAX_STREAMS) }
    }
}

impl Dissector {
    /// Rebuilds a datagram for a lane, at the end of the arena. `wanted` is asked for each record, with the numbers of its rows.
    pub fn rebuild(
        &mut self,
        datagram: &Dissected<'_>,
        lane: u32,
        arena: &mut Vec<u8>,
        mut wanted: impl FnMut(Range<usize>) -> bool,
    ) -> (Rebuilt, LeftOut) {
        let Dissected { octets, parts, exporter } = *datagram;
        let Some(head) = Head::read(octets) else {
            return (Rebuilt::Nothing, LeftOut { records: 0, unreadable: 1 });
        };
        let start = arena.len();
        arena.extend_from_slice(octets.get(..head.len).unwrap_or_default());
        let mut builder = Builder {
            octets,
            arena,
            start,
            set: None,
            records: 0,
            units: 0,
            units_left_out: 0,
            left_out: LeftOut::default(),
            is_renumbered: false,
        };
        let exporter = address(exporter);
        let stream = Stream { exporter, domain: head.domain, version: head.version, lane };
        let mut row = 0;
        for part in parts {
            match *part {
                Part::Common { at, len, records, is_data } => {
                    builder.close_set();
                    builder.copy(at, len);
                    builder.records += records;
                    builder.units += if is_data { records } else { 0 };
                }
                Part::Set { at, .. } => builder.open_set(at),
                Part::Records { at, size, count, rows } => {
                    let records = (at, size, count, rows);
                    match head.is_sflow_v5() {
                        true => {
                            let numbers = (stream, &mut self.samples_left_out);
                            builder.samples(records, row, numbers, &mut wanted);
                        }
                        false => builder.records(records, row, &mut wanted),
                    }
                    row += (count * rows) as usize;
                }
                Part::Unreadable { .. } => {
                    builder.close_set();
                    builder.left_out.unreadable += 1;
                }
                Part::Rows { count } => row += count as usize,
            }
        }
        builder.close_set();
        let left_out = builder.left_out;
        let rebuilt = self.finish(builder, &head, stream);
        (rebuilt, left_out)
    }

    /// Writes the header of a datagram, or removes it if it is not to be sent.
    fn finish(&mut self, builder: Builder<'_>, head: &Head, stream: Stream) -> Rebuilt {
        let Builder { arena, start, records, units_left_out, left_out, is_renumbered, .. } = builder;
        let before = self.left_out.get_mut(&stream);
        let reduced_by = before.as_ref().map_or(0, |before| **before);
        let is_sent = records > 0;
        let more = match head.counted {
            Counted::Nothing => 0,
            Counted::Records => units_left_out,
            Counted::Datagrams => u32::from(!is_sent),
        };
        if more > 0 {
            match before {
                Some(before) => *before = before.wrapping_add(more),
                None => _ = self.left_out.insert(stream, more),
            }
        }
        if !is_sent {
            arena.truncate(start);
            return Rebuilt::Nothing;
        }
        if left_out == LeftOut::default() && reduced_by == 0 && !is_renumbered {
            arena.truncate(start);
            return Rebuilt::Unchanged;
        }
        let len = arena.len() - start;
        let at = start + head.count_at;
        match head.count {
            Count::Records16 => put(arena, at, &u16::try_from(records).unwrap_or(u16::MAX).to_be_bytes()),
            Count::Octets => put(arena, at, &u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()),
            Count::Records32 => put(arena, at, &records.to_be_bytes()),
        }
        let at = start + head.sequence_at;
        if let (Some(sequence), true) = (array(arena, at), head.counted != Counted::Nothing) {
            put(arena, at, &u32::from_be_bytes(sequence).wrapping_sub(reduced_by).to_be_bytes());
        }
        Rebuilt::Changed(start..start + len)
    }
}

fn address(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

pub(crate) fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

pub(crate) fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(to) = octets.get_mut(at..at + value.len()) {
        to.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests;
