//! NetFlow v5: a header of 24 octets and up to 30 records of 48.
//!
//! Times are milliseconds of the exporter's uptime, in 32 bits. A flow may be older than the daemon, as in a capture file, and
//! even older than 32 bits can tell. So the header counts its uptime from the oldest flow of the datagram, if that is older than
//! the start of the daemon; and if it is more than 49 days old, the header has the time of the newest flow as its own. A
//! collector finds the right times in both cases.

use crate::interfaces::Finder;
use crate::{Settings, name_of, number};
use flow::address;
use flow::column::Id;
use flow::kind::Kind;
use flow::schema::{At, Column, ICMP_TYPE_CODE, Schema, VALUE_BYTES, VALUE_PACKETS};

/// Length of the header, in octets.
pub(crate) const HEADER: usize = 24;
/// Length of a record, in octets.
const RECORD: usize = 48;
/// Maximum number of records of a datagram.
const MAX_RECORDS: usize = 30;
/// AS number that stands for those that do not fit in 16 bits (RFC 6793).
const AS_TRANS: u16 = 23456;
/// Sampling mode of the header: random, in the upper two bits.
const RANDOM: u16 = 2 << 14;

/// Maximum number of records of a datagram of at most `limit` octets.
pub(crate) fn max_records(limit: usize) -> usize {
    (limit.saturating_sub(HEADER) / RECORD).clamp(1, MAX_RECORDS)
}

/// Writes the records of a schema's aggregates.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    finder: Finder,
    /// Offsets in the key.
    hosts: [Option<usize>; 2],
    networks: [Option<usize>; 2],
    next_hop: Option<usize>,
    ports: [Option<usize>; 2],
    icmp: Option<usize>,
    protocol: Option<usize>,
    tos: Option<usize>,
    ases: [Option<usize>; 2],
    masks: [Option<usize>; 2],
    flags: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    unsupported: Vec<String>,
}

/// Columns that the record or the header has, besides AS numbers.
const SUPPORTED: &[Id] = &[
    Id::IpSrc,
    Id::IpDst,
    Id::NetSrc,
    Id::NetDst,
    Id::PeerIpDst,
    Id::PortSrc,
    Id::PortDst,
    Id::IpProto,
    Id::Tos,
    Id::MaskSrc,
    Id::MaskDst,
    Id::TcpFlags,
    Id::TimestampMin,
    Id::TimestampMax,
    Id::Packets,
    Id::Bytes,
    Id::IfaceIn,
    Id::IfaceOut,
    Id::SamplingRate,
];

impl Form {
    pub(crate) fn new(settings: &Settings, schema: &Schema) -> Self {
        let at = |id: Id| match schema.column(id)?.at {
            At::Key(at) => Some(at),
            _ => None,
        };
        let value = |id: Id| match schema.column(id)?.at {
            At::Value(index) => Some(index),
            _ => None,
        };
        let icmp = schema.columns.iter().find(|column| column.json == ICMP_TYPE_CODE).and_then(|column| {
            match column.at {
                At::Key(at) => Some(at),
                _ => None,
            }
        });
        let is_supported = |column: &&Column| {
            let (id, is_peer) = (column.id, settings.peer_as);
            SUPPORTED.contains(&id)
                || column.json == ICMP_TYPE_CODE
                || matches!(id, Id::AsSrc | Id::AsDst)
                || is_peer && matches!(id, Id::PeerAsSrc | Id::PeerAsDst)
                || settings.interfaces.uses(id)
                || column.kind == Kind::RdOrigin
        };
        let others = schema.columns.iter().filter(|column| !is_supported(column));
        let ases = if settings.peer_as { [Id::PeerAsSrc, Id::PeerAsDst] } else { [Id::AsSrc, Id::AsDst] };
        Self {
            finder: Finder::of_keys(settings.interfaces, schema),
            hosts: [at(Id::IpSrc), at(Id::IpDst)],
            networks: [at(Id::NetSrc), at(Id::NetDst)],
            next_hop: at(Id::PeerIpDst),
            ports: [at(Id::PortSrc), at(Id::PortDst)],
            icmp,
            protocol: at(Id::IpProto),
            tos: at(Id::Tos),
            ases: ases.map(at),
            masks: [at(Id::MaskSrc), at(Id::MaskDst)],
            flags: value(Id::TcpFlags),
            first: value(Id::TimestampMin),
            last: value(Id::TimestampMax),
            unsupported: others.map(|column| name_of(column).to_owned()).collect(),
        }
    }

    /// Columns that the format has no field for.
    pub(crate) fn unsupported(&self) -> &[String] {
        &self.unsupported
    }

    /// Writes a record, and returns its first and last time: microseconds since 1970. `None`: it is not IPv4.
    pub(crate) fn write(&self, key: &[u8], values: &[u64], out: &mut Vec<u8>) -> Option<[u64; 2]> {
        let host = |end: usize| {
            let at = self.hosts.get(end).copied().flatten().or(self.networks.get(end).copied().flatten());
            at.map_or(Some([0; 4]), |at| ipv4(key, at))
        };
        let (source, destination) = (host(0)?, host(1)?);
        let next_hop = self.next_hop.and_then(|at| ipv4(key, at)).unwrap_or_default();
        let read = |at: Option<usize>, size| at.map_or(0, |at| number(key, at, size));
        let value = |index: Option<usize>| index.and_then(|index| values.get(index)).copied().unwrap_or(0);
        let interfaces = self.finder.find(key);
        let short = |interface: u32| u16::try_from(interface).unwrap_or(u16::MAX).to_be_bytes();
        let counter = |index| u32::try_from(value(Some(index))).unwrap_or(u32::MAX).to_be_bytes();
        let asn = |at| u16::try_from(read(at, 4)).unwrap_or(AS_TRANS).to_be_bytes();
        let octet = |at| read(at, 1) as u8;
        out.extend_from_slice(&source);
        out.extend_from_slice(&destination);
        out.extend_from_slice(&next_hop);
        out.extend_from_slice(&short(interfaces.input));
        out.extend_from_slice(&short(interfaces.output));
        out.extend_from_slice(&counter(VALUE_PACKETS));
        out.extend_from_slice(&counter(VALUE_BYTES));
        // The times follow when the datagram is complete.
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(read(self.ports[0], 2) as u16).to_be_bytes());
        out.extend_from_slice(&((read(self.ports[1], 2) | read(self.icmp, 2)) as u16).to_be_bytes());
        out.extend_from_slice(&[0, value(self.flags) as u8, octet(self.protocol), octet(self.tos)]);
        out.extend_from_slice(&asn(self.ases[0]));
        out.extend_from_slice(&asn(self.ases[1]));
        out.extend_from_slice(&[octet(self.masks[0]), octet(self.masks[1]), 0, 0]);
        Some([value(self.first), value(self.last)])
    }
}

fn ipv4(key: &[u8], at: usize) -> Option<[u8; 4]> {
    let octets: &[u8; 16] = key.get(at..)?.first_chunk()?;
    match *octets == address::ABSENT {
        true => Some([0; 4]),
        false if address::is_v4(octets) => octets.last_chunk().copied(),
        false => None,
    }
}

/// Completes a datagram: its header, and the times of its records.
pub(crate) fn complete(datagram: &mut [u8], settings: &Settings, sequence: u32, times: &[[u64; 2]], now_us: u64) {
    const MILLISECOND: u64 = 1000;
    let oldest = times.iter().map(|[first, _]| *first).filter(|first| *first > 0).min().unwrap_or(now_us);
    let newest = times.iter().map(|[_, last]| *last).max().unwrap_or(now_us);
    let is_recent = now_us.saturating_sub(oldest) / MILLISECOND <= u64::from(u32::MAX);
    let time = if is_recent { now_us } else { newest };
    // Whole milliseconds, so that times are rounded as they are in v9.
    let boot_ms = settings.started_us.min(oldest).min(time) / MILLISECOND;
    let uptime = |time_us: u64| u32::try_from((time_us / MILLISECOND).saturating_sub(boot_ms)).unwrap_or(u32::MAX);
    let (secs, nanos) = ((time / 1_000_000) as u32, (time % 1_000_000) as u32 * 1000);
    let sampling = settings.sampling.map_or(0, |interval| RANDOM | interval.min(0x3fff) as u16);
    let [.., engine_type, engine_id] = settings.domain.to_be_bytes();
    // The time of the header in whole milliseconds, of which the fraction is a part.
    let header = [
        &5u16.to_be_bytes()[..],
        &(times.len() as u16).to_be_bytes(),
        &uptime(time).to_be_bytes(),
        &secs.to_be_bytes(),
        &(nanos - nanos % 1_000_000).to_be_bytes(),
        &sequence.to_be_bytes(),
        &[engine_type, engine_id],
        &sampling.to_be_bytes(),
    ];
    let mut at = 0;
    for part in header {
        overwrite(datagram, at, part);
        at += part.len();
    }
    for (number, [first, last]) in times.iter().enumerate() {
        let at = HEADER + number * RECORD + 24;
        overwrite(datagram, at, &uptime(*first).to_be_bytes());
        overwrite(datagram, at + 4, &uptime(*last).to_be_bytes());
    }
}

fn overwrite(datagram: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = datagram.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}
