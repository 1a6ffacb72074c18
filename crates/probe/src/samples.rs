//! Flow samples of packets, which workers encode.
//!
//! A sample has the first octets of the packet, its VLAN as a switch reports it, and what the daemon knows about the packet: AS
//! numbers and next hop, prefix lengths, tags. Its sequence number, the pool and the drops are written by the agent
//! ([`crate::agent`]), which sees the samples of all workers.

use crate::communities::Communities;
use crate::interfaces::{self, Finder};
use crate::{name_of, number};
use flow::address;
use flow::column::Id;
use flow::schema::{Column, ICMP_TYPE_CODE, Schema};
use flow::strings::Strings;
use packet::LinkType;
use sflow::encode::{EncodeError, as_path, flow_sample, switched_packet, switched_packet_len};
use sflow::flow::{Gateway, HeaderProtocol, RawHeader, Router, Switch, Tag};
use sflow::{AsPath, DataFormat, FlowHead, FlowRecord, Interface, SourceId, Words};
use std::net::Ipv4Addr;
use wire::Writer;

/// Octets of a packet in a sample, as in pmacct.
pub const HEADER: usize = 128;
/// Octets of the frame check sequence, which captures lack and lengths in sFlow include.
const FCS: u32 = 4;
/// The data source of all samples: an interface that stands for the probe.
pub const SOURCE: SourceId = SourceId { class: 0, index: 1 };
/// Maximum number of octets of communities in a sample.
const MAX_COMMUNITIES: usize = 64 * 4;
/// Maximum number of AS numbers of a path.
const MAX_PATH: usize = 32;
/// AS_SEQUENCE in paths of sFlow.
const SEQUENCE: u32 = 2;

/// What a probe samples.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One packet in this many is sampled.
    pub rate: u32,
    /// Directions and interfaces.
    pub interfaces: interfaces::Settings,
    /// `sfprobe_peer_as`: AS numbers are those of the neighbours.
    pub peer_as: bool,
}

impl Settings {
    /// Names of the primitives that samples need in addition to the configured ones.
    pub fn implied<'a>(&self, is_selected: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'static str> + 'a {
        use crate::interfaces::{Direction, Ifindex, Tag as Which};
        let Self { interfaces, peer_as, .. } = *self;
        let by = move |tag: Which| {
            interfaces.direction == Some(Direction::By(tag)) || interfaces.ifindex == Some(Ifindex::By(tag))
        };
        let implied = [
            ("in_iface", true),
            ("out_iface", true),
            ("tag", by(Which::First)),
            ("tag2", by(Which::Second)),
            ("peer_src_as", peer_as && is_selected("src_as")),
            ("peer_dst_as", peer_as && is_selected("dst_as")),
        ];
        implied.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name)
    }
}

/// A packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Link type.
    pub link: LinkType,
    /// Captured octets.
    pub octets: &'a [u8],
    /// Length on the wire, in octets.
    pub length: u32,
}

/// Samples of a few packets, by their size: datagrams with samples of one size have one size too, unless they are the last, and are sent faster.
#[derive(Debug)]
pub struct Batch {
    /// Samples of `index` words.
    pub(crate) by_size: Vec<Writer>,
    /// Others.
    pub(crate) mixed: Mixed,
    len: usize,
    size: usize,
    /// Packets that could have been sampled.
    pub pool: u64,
    /// Samples that were lost before.
    pub drops: u64,
}

/// Octets of a word; samples consist of words.
pub(crate) const WORD: usize = 4;
/// Samples of less than this many words are kept by size.
const SIZES: usize = 128;

/// Samples of any size, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Mixed {
    pub(crate) samples: Writer,
    /// Where each sample ends.
    pub(crate) ends: Vec<usize>,
}

impl Mixed {
    /// Adds a sample.
    pub(crate) fn push(&mut self, sample: &[u8]) {
        self.samples.put(sample);
        self.ends.push(self.samples.len());
    }
}

impl Default for Batch {
    fn default() -> Self {
        let by_size = vec![Writer::new(); SIZES];
        Self { by_size, mixed: Mixed::default(), len: 0, size: 0, pool: 0, drops: 0 }
    }
}

impl Batch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets of all samples.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Removes all samples, and keeps the memory.
    pub fn clear(&mut self) {
        self.by_size.iter_mut().for_each(Writer::clear);
        self.mixed.samples.clear();
        self.mixed.ends.clear();
        (self.len, self.size, self.pool, self.drops) = (0, 0, 0, 0);
    }

    /// Adds an encoded sample.
    pub(crate) fn push(&mut self, sample: &[u8]) {
        match self.of_size(sample.len()) {
            Some(samples) => _ = samples.put(sample),
            None => self.mixed.push(sample),
        }
        self.added(sample.len());
    }

    /// Where samples of that many octets are added; `None` if they are kept with others.
    #[inline]
    fn of_size(&mut self, size: usize) -> Option<&mut Writer> {
        if size.is_multiple_of(WORD) { self.by_size.get_mut(size / WORD) } else { None }
    }

    /// A sample was added.
    #[inline]
    fn added(&mut self, size: usize) {
        self.len += 1;
        self.size += size;
    }
}

/// Offsets in rows.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    ases: [Option<usize>; 2],
    peers: [Option<usize>; 2],
    masks: [Option<usize>; 2],
    next_hop: Option<usize>,
    path: Option<usize>,
    communities: Option<usize>,
    local_pref: Option<usize>,
    tags: [Option<usize>; 2],
    /// There are none: samples have the packet and its VLAN alone.
    is_plain: bool,
}

impl Offsets {
    fn new(schema: &Schema) -> Self {
        let at = |id: Id| schema.row_offset(schema.column(id)?);
        let mut offsets = Self {
            is_plain: false,
            ases: [at(Id::AsSrc), at(Id::AsDst)],
            peers: [at(Id::PeerAsSrc), at(Id::PeerAsDst)],
            masks: [at(Id::MaskSrc), at(Id::MaskDst)],
            next_hop: at(Id::PeerIpDst),
            path: at(Id::AsPath),
            communities: at(Id::Comms),
            local_pref: at(Id::LocalPref),
            tags: [at(Id::Tag), at(Id::Tag2)],
        };
        let Self { ases, peers, masks, tags, .. } = offsets;
        let mut all = ases.into_iter().chain(peers).chain(masks).chain(tags);
        offsets.is_plain = offsets.next_hop.is_none()
            && offsets.path.is_none()
            && offsets.communities.is_none()
            && all.all(|at| at.is_none());
        offsets
    }
}

/// Encodes samples of packets.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Settings,
    finder: Finder,
    offsets: Offsets,
    /// A sample under construction; kept for its memory.
    sample: Writer,
    /// The same for an AS path.
    path: Writer,
    /// The same for communities.
    communities: Vec<u8>,
}

/// Columns that collectors read from the packet, or from the records of a sample.
const EXPORTED: &[Id] = &[
    Id::Tag,
    Id::Tag2,
    Id::MacSrc,
    Id::MacDst,
    Id::Vlan,
    Id::VlanIn,
    Id::VlanOut,
    Id::CvlanIn,
    Id::CvlanOut,
    Id::Cos,
    Id::Etype,
    Id::AsSrc,
    Id::AsDst,
    Id::Comms,
    Id::AsPath,
    Id::LocalPref,
    Id::PeerAsSrc,
    Id::PeerAsDst,
    Id::PeerIpDst,
    Id::IfaceIn,
    Id::IfaceOut,
    Id::IpSrc,
    Id::IpDst,
    Id::NetSrc,
    Id::NetDst,
    Id::MaskSrc,
    Id::MaskDst,
    Id::PortSrc,
    Id::PortDst,
    Id::TcpFlags,
    Id::MplsLabelStack,
    Id::MplsLabelTop,
    Id::MplsLabelBottom,
    Id::Srv6SegIpv6List,
    Id::IpProto,
    Id::Tos,
    Id::FlowLabel,
    Id::SamplingRate,
    Id::TunnelMacSrc,
    Id::TunnelMacDst,
    Id::TunnelIpSrc,
    Id::TunnelIpDst,
    Id::TunnelIpProto,
    Id::TunnelTos,
    Id::TunnelFlowLabel,
    Id::TunnelPortSrc,
    Id::TunnelPortDst,
    Id::TunnelTcpFlags,
    Id::Vxlan,
    Id::Nvgre,
    Id::TimestampStart,
    Id::TimestampEnd,
    Id::TimestampArrival,
    Id::TimestampMin,
    Id::TimestampMax,
    Id::StampInserted,
    Id::StampUpdated,
    Id::Flows,
    Id::Packets,
    Id::Bytes,
];

/// Columns that a sample has no record for.
pub fn unsupported(schema: &Schema) -> impl Iterator<Item = &str> {
    // Custom primitives are octets of the packet.
    let is_exported = |column: &Column| {
        EXPORTED.contains(&column.id) || column.custom.is_some() || column.json == ICMP_TYPE_CODE
    };
    schema.columns.iter().filter(move |column| !is_exported(column)).map(name_of)
}

impl Sampler {
    /// For rows of the layout that `schema` was made for.
    pub fn new(settings: Settings, schema: &Schema) -> Self {
        let finder = Finder::of_rows(settings.interfaces, schema);
        let offsets = Offsets::new(schema);
        Self { settings, finder, offsets, sample: Writer::new(), path: Writer::new(), communities: Vec::new() }
    }

    /// Switches to rows of another layout.
    pub fn change_schema(&mut self, schema: &Schema) {
        self.finder = Finder::of_rows(self.settings.interfaces, schema);
        self.offsets = Offsets::new(schema);
    }

    /// Adds the sample of a packet, given its row and the strings of rows.
    ///
    /// # Errors
    /// None that a packet can cause.
    #[inline]
    pub fn add(
        &mut self,
        row: &[u8],
        strings: &Strings,
        frame: &Frame<'_>,
        to: &mut Batch,
    ) -> Result<(), EncodeError> {
        let found = self.finder.find(row);
        let interface = |index: u32| Interface::index(if index == 0 { Interface::INTERNAL } else { index });
        let (input, output) = (interface(found.input), interface(found.output));
        let is_small = |interface: Interface| interface.value < 1 << 30;
        let is_compact = is_small(input) && is_small(output);
        let head = FlowHead {
            format: if is_compact { DataFormat::FLOW } else { DataFormat::FLOW_EXPANDED },
            source: SOURCE,
            sampling_rate: self.settings.rate,
            input,
            output,
            ..FlowHead::default()
        };
        let raw = raw_header(frame);
        if is_compact && self.offsets.is_plain {
            let size = switched_packet_len(raw.octets.len());
            if let Some(samples) = to.of_size(size) {
                switched_packet(samples, &head, &switch(frame), &raw)?;
                to.added(size);
                return Ok(());
            }
        }
        self.add_all(row, strings, (&head, switch(frame), raw), to)
    }

    /// Adds a sample with all records.
    fn add_all(
        &mut self,
        row: &[u8],
        strings: &Strings,
        (head, switch, raw): (&FlowHead, Switch, RawHeader<'_>),
        to: &mut Batch,
    ) -> Result<(), EncodeError> {
        let read = |at: Option<usize>, size| at.map_or(0, |at| number(row, at, size));
        let raw = FlowRecord::RawHeader(raw);
        // Records that are absent are not among the first `count`.
        let mut records = [raw; 5];
        let mut count = 0;
        let mut push = |record| {
            if let Some(place) = records.get_mut(count) {
                *place = record;
                count += 1;
            }
        };
        push(FlowRecord::Switch(switch));
        push(raw);
        let Offsets { ases, peers, masks, next_hop, path: path_at, communities, local_pref, .. } = self.offsets;
        // Many collectors cannot skip the address of type 0, which has no octets, and lose the rest of the datagram.
        let hop = next_hop.and_then(|at| row.get(at..)?.first_chunk()).and_then(address::address);
        let hop = Some(hop.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        if masks.iter().any(Option::is_some) {
            let [src_mask, dst_mask] = masks.map(|at| read(at, 1) as u32);
            push(FlowRecord::Router(Router { next_hop: hop, src_mask, dst_mask }));
        }
        let of_route = [next_hop, path_at, communities, local_pref];
        if ases.iter().chain(&peers).chain(&of_route).any(Option::is_some) {
            let [src, dst] = ases.map(|at| read(at, 4) as u32);
            let [src_peer, dst_peer] = peers.map(|at| read(at, 4) as u32);
            let (src, dst) = if self.settings.peer_as { (src_peer, dst_peer) } else { (src, dst) };
            let text = |at: Option<usize>| at.map_or(&[][..], |at| strings.get(number(row, at, 4) as u32));
            self.communities.clear();
            Communities::Standard.write(text(communities), MAX_COMMUNITIES, &mut self.communities);
            push(FlowRecord::Gateway(Gateway {
                next_hop: hop,
                router_as: 0,
                src_as: src,
                src_peer_as: src_peer,
                path: path(&mut self.path, text(path_at), [dst_peer, dst]),
                communities: Words::new(&self.communities),
                local_pref: Some(read(local_pref, 4) as u32),
            }));
        }
        if self.offsets.tags.iter().any(Option::is_some) {
            let [tag, tag2] = self.offsets.tags.map(|at| read(at, 8));
            push(FlowRecord::Tag(Tag { tag, tag2 }));
        }
        self.sample.clear();
        flow_sample(&mut self.sample, head, records.get(..count).unwrap_or_default())?;
        to.push(self.sample.octets());
        Ok(())
    }
}

/// The start of the packet. Link layers that sFlow does not know are left out.
#[inline]
fn raw_header<'a>(frame: &Frame<'a>) -> RawHeader<'a> {
    let Frame { link, octets, length } = *frame;
    let start = octets.get(..HEADER).unwrap_or(octets);
    let ip = |octets: &[u8]| match octets.first().map(|first| first >> 4) {
        Some(6) => HeaderProtocol::IPV6,
        _ => HeaderProtocol::IPV4,
    };
    match link {
        LinkType::ETHERNET => RawHeader {
            protocol: HeaderProtocol::ETHERNET,
            frame_length: length.saturating_add(FCS),
            stripped: Some(FCS),
            octets: start,
        },
        LinkType::RAW => {
            RawHeader { protocol: ip(octets), frame_length: length, stripped: Some(0), octets: start }
        }
        _ => {
            let at = packet::decode(link, octets).offsets.l3.unwrap_or(0);
            let octets = octets.get(at..).unwrap_or_default();
            let frame_length = length.saturating_sub(u32::try_from(at).unwrap_or(0));
            let start = octets.get(..HEADER).unwrap_or(octets);
            RawHeader { protocol: ip(octets), frame_length, stripped: Some(0), octets: start }
        }
    }
}

/// The outer VLAN tag of an Ethernet frame. A probe sees a packet once, so it goes out as it came in.
#[inline]
fn switch(frame: &Frame<'_>) -> Switch {
    let tag = match frame.octets.get(12..16) {
        Some([0x81, 0x00, a, b] | [0x88, 0xa8, a, b]) if frame.link == LinkType::ETHERNET => {
            u32::from(u16::from_be_bytes([*a, *b]))
        }
        _ => 0,
    };
    let (vlan, priority) = (tag & 0x0fff, tag >> 13);
    Switch { in_vlan: vlan, in_priority: priority, out_vlan: vlan, out_priority: priority }
}

/// The AS path: that of the route, if it is known, or else the neighbour and the destination.
fn path<'a>(w: &'a mut Writer, text: &[u8], ends: [u32; 2]) -> AsPath<'a> {
    let mut ases = [0u32; MAX_PATH];
    let words = text.split(|octet| !octet.is_ascii_digit()).filter(|word| !word.is_empty());
    let numbers = words.filter_map(|word| std::str::from_utf8(word).ok()?.parse::<u32>().ok());
    let mut count = ases.iter_mut().zip(numbers).map(|(place, asn)| *place = asn).count();
    if count == 0 {
        let [peer, dst] = ends;
        let ends = [(peer != dst).then_some(peer), Some(dst)];
        let ends = ends.into_iter().flatten().filter(|asn| *asn > 0);
        count = ases.iter_mut().zip(ends).map(|(place, asn)| *place = asn).count();
    }
    w.clear();
    match count {
        0 => _ = w.u32(0),
        _ => {
            w.u32(1).u32(SEQUENCE).u32(count as u32);
            ases.iter().take(count).for_each(|asn| _ = w.u32(*asn));
        }
    }
    as_path(w.octets()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_from_the_route_or_from_the_ends() {
        let mut w = Writer::new();
        let mut ases = |text: &str, ends| -> Vec<u32> {
            let path = path(&mut w, text.as_bytes(), ends);
            path.segments().flat_map(|segment| segment.ases.iter().collect::<Vec<_>>()).collect()
        };
        assert_eq!(ases("65001_65002", [1, 2]), [65001, 65002]);
        assert_eq!(ases("", [65010, 65001]), [65010, 65001]);
        assert_eq!(ases("", [65001, 65001]), [65001]);
        assert_eq!(ases("", [0, 65001]), [65001]);
        assert_eq!(ases("", [0, 0]), [] as [u32; 0]);
    }
}
