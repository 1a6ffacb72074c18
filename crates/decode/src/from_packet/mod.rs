//! Decodes captured packets to rows.
//!
//! A [`Decoder`] belongs to one worker. Its state spans packets: the ports of fragmented packets, which only the first
//! fragment has, and the open flows. It reads no clock: packets come with their time.

pub mod flows;
pub mod fragments;

use crate::headers::{self, Headers, put};
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::packet_ref::PacketRef;
use flow::presence::{Presence, PresenceSet};
use flow::row::{self, FieldSet, RowMut};
use flows::{FlowKey, Flows};
use fragments::{Fragments, Key, Transport, Verdict};
use packet::plain::{Plain, plain};
use packet::tunnel::{self, Ports};
use packet::{LinkType, Packet};

/// Length in octets of the link-layer header, which the length of non-IP frames excludes.
const ETHERNET_HEADER: u32 = 14;
const TCP: u8 = 6;

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the batch.
    pub number: u32,
    /// The link type.
    pub link: LinkType,
    /// Capture time: microseconds since 1970.
    pub time_us: u64,
    /// Length on the wire in octets.
    pub length: u32,
    /// The captured octets.
    pub octets: &'a [u8],
    /// Ingress interface; 0 if unknown.
    pub ingress: u32,
    /// Egress interface; 0 if unknown.
    pub egress: u32,
    /// MAC addresses that the capture provides apart from the frame: source, destination.
    pub macs: [Option<[u8; 6]>; 2],
}

/// How packets are decoded.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `aggregate_unknown_etype`: non-IP frames become rows with MAC addresses and EtherType.
    pub unknown_etypes: bool,
    /// Frames end with the trailer of a mirroring switch, which has the output interface: its offset from the end of the
    /// frame in octets, and its expected flag.
    pub trailer: Option<(usize, u32)>,
    /// `tunnel_0`: for tunnels on these ports, the packet inside is counted.
    pub inside: Option<Ports>,
    /// Default direction of packets: 0 in, 1 out.
    pub direction: Option<u8>,
    /// Memory in bytes for fragments that wait for their first fragment.
    pub fragments: usize,
    /// Track fragments even if rows have no ports.
    pub force_fragments: bool,
    /// Settings of flow counting, if flows are counted.
    pub flows: Option<flows::Settings>,
}

/// What happened to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It became a row.
    Row,
    /// It is a fragment whose row waits for the first fragment.
    Buffered,
    /// It is not IP.
    NotIp,
    /// It was truncated before its addresses or needed ports.
    Truncated,
    /// By the length in its IPv6 header, it ends before its options.
    BadLength,
}

/// Counters of a decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that became rows, at once or when their first fragment arrived.
    pub packets: u64,
    /// Non-IP frames.
    pub not_ip: u64,
    /// Frames that were truncated before their addresses or needed ports.
    pub truncated: u64,
    /// Packets whose IPv6 header has an inconsistent length.
    pub bad_length: u64,
    /// Fragments that arrived before their first fragment, and got its ports.
    pub fragments_joined: u64,
    /// Fragments that became rows without ports: their first fragment did not arrive, or there was no memory to wait.
    pub fragments_orphaned: u64,
    /// Flows evicted at the memory bound.
    pub flows_evicted: u64,
}

/// A row that waits for the ports of the first fragment.
type Held = Box<[u64]>;

/// Decodes the packets of one worker.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    headers: Headers,
    offsets: Offsets,
    base: Box<[u64]>,
    /// Plain Ethernet frames can take the fast path.
    supports_plain: bool,
    fragments: Option<Fragments<Held>>,
    flows: Option<Flows>,
    counts: Counts,
}

/// Offsets of the fields that do not come from packet headers, and of those that fragments get later.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    src_port: Option<usize>,
    dst_port: Option<usize>,
    time_start: Option<usize>,
    time_arrival: Option<usize>,
    in_iface: Option<usize>,
    out_iface: Option<usize>,
    src_mac: Option<usize>,
    dst_mac: Option<usize>,
    etype: Option<usize>,
    presence: Option<usize>,
    direction: Option<usize>,
    /// Rows have fields of transport headers.
    transport: bool,
}

/// Adds the fields that others in `fields` are computed from.
pub fn require(fields: &mut FieldSet, _bin_times: bool) {
    for (field, other) in [(Field::SrcNet, Field::SrcHost), (Field::DstNet, Field::DstHost)] {
        if fields.has(field) {
            fields.insert(other);
        }
    }
}

impl Decoder {
    /// Creates a decoder.
    pub fn new(needs: &Needs, settings: Settings) -> Self {
        let headers = headers(needs);
        Self {
            supports_plain: supports_plain(&headers, &settings),
            headers,
            offsets: Offsets::new(needs),
            base: vec![0; needs.layout.words()].into(),
            fragments: fragments(needs, &settings),
            flows: settings.flows.map(Flows::new),
            counts: Counts::default(),
            settings,
        }
    }

    /// Switches to another row layout. Call it when no rows are left, and after [`Decoder::release`].
    pub fn change_needs(&mut self, needs: &Needs) {
        self.headers = headers(needs);
        self.supports_plain = supports_plain(&self.headers, &self.settings);
        self.offsets = Offsets::new(needs);
        self.base = vec![0; needs.layout.words()].into();
        self.fragments = fragments(needs, &self.settings);
    }

    /// Returns and resets the counters.
    pub fn take_counts(&mut self) -> Counts {
        if let Some(flows) = &mut self.flows {
            self.counts.flows_evicted += flows.take_evicted();
        }
        std::mem::take(&mut self.counts)
    }

    /// Decodes a frame. Adds its row and those of fragments that waited for it.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, output: &mut Output) -> Outcome {
        let Some((offset, flag)) = self.settings.trailer else { return self.read(frame, output) };
        let egress = packet::trailer::output_interface(frame.octets, frame.length, offset, flag);
        self.read(&Frame { egress: egress.unwrap_or(frame.egress), ..*frame }, output)
    }

    #[inline]
    fn read(&mut self, frame: &Frame<'_>, output: &mut Output) -> Outcome {
        if self.supports_plain
            && frame.link == LinkType::ETHERNET
            && let Some(packet) = plain(frame.octets)
        {
            return self.plain(frame, &packet, output);
        }
        self.read_layers(frame, output)
    }

    /// Adds the row of a packet whose headers are complete and at their usual offsets. It is not in a tunnel that matters.
    #[inline]
    fn plain(&mut self, frame: &Frame<'_>, packet: &Plain<'_>, output: &mut Output) -> Outcome {
        let mut row = output.rows.push(&self.base);
        *row.head(row::PACKETS) = 1;
        *row.head(row::BYTES) = u64::from(packet.length);
        self.offsets.frame(frame, &self.settings, &mut row);
        self.headers.fill_plain(packet, &mut row);
        if let Some(at) = self.offsets.etype {
            put(row.bytes(), at, &packet.etype().to_be_bytes());
        }
        output.packets.push(whole(frame));
        self.counts.packets += 1;
        Outcome::Row
    }

    /// Decodes any frame.
    #[inline(never)]
    fn read_layers(&mut self, frame: &Frame<'_>, output: &mut Output) -> Outcome {
        let packet = tunnel::decode_inside(frame.link, frame.octets, self.settings.inside.as_ref());
        if packet.ip.is_none() {
            return self.without_ip(frame, &packet, output);
        }
        self.packet(frame, &packet, output)
    }

    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, output: &mut Output) -> Outcome {
        let Some(ip) = packet.ip else { return Outcome::NotIp };
        if ip.ends_before_options() {
            self.counts.bad_length += 1;
            return Outcome::BadLength;
        }
        let later = ip.fragment.is_some_and(|fragment| fragment.offset > 0);
        // If the header has no plausible length, there are no ports.
        let is_cut = packet.offsets.l4.is_some() || (frame.octets.len() as u64) < u64::from(frame.length);
        let needs_ports = self.offsets.transport && !later && headers::has_ports(ip.protocol);
        if needs_ports && packet.ports.is_none() && is_cut {
            self.counts.truncated += 1;
            return Outcome::Truncated;
        }
        let Output { rows, strings, packets } = output;
        let mut row = rows.push(&self.base);
        *row.head(row::PACKETS) = 1;
        *row.head(row::BYTES) = packet.ip_length(frame.length);
        self.offsets.frame(frame, &self.settings, &mut row);
        self.headers.fill(packet, strings, &mut row);
        if let (Some(at), Some(family)) = (self.offsets.etype, headers::family(packet)) {
            put(row.bytes(), at, &family);
        }
        if self.headers.needs_tunnels()
            && let Some(tunnel) = tunnel::inner(packet, &Ports::default())
        {
            self.headers.fill_tunnel(&tunnel, &mut row);
        }
        if let (Some(flows), Some(ports), TCP, false) = (&mut self.flows, packet.ports, ip.protocol, later) {
            let key = FlowKey { source: ip.source, destination: ip.destination, ports };
            *row.head(row::FLOWS) = u64::from(flows.opens(&key, packet.tcp_flags, frame.time_us));
        }
        packets.push(whole(frame));
        if ip.fragment.is_some() {
            return self.fragment(frame, packet, output);
        }
        self.counts.packets += 1;
        Outcome::Row
    }

    /// Handles a fragment, whose row is the last one.
    #[cold]
    fn fragment(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, output: &mut Output) -> Outcome {
        let (Some(fragments), Some(ip)) = (&mut self.fragments, packet.ip) else {
            self.counts.packets += 1;
            return Outcome::Row;
        };
        let Some(fragment) = ip.fragment else { return Outcome::Row };
        let key = Key { source: ip.source, destination: ip.destination, protocol: ip.protocol, id: fragment.id };
        let (offsets, counts) = (self.offsets, &mut self.counts);
        if fragment.offset == 0 {
            let (source, destination) = headers::ports(packet).unwrap_or((0, 0));
            let transport = Transport { source, destination };
            fragments.first(key, transport, frame.time_us, |held, transport| {
                offsets.add_held(&held, transport, counts, output);
            });
            counts.packets += 1;
            return Outcome::Row;
        }
        let row = output.rows.last().map(|row| Held::from(row.words())).unwrap_or_default();
        output.rows.pop();
        let reference = output.packets.pop().unwrap_or(PacketRef::NONE);
        let verdict = fragments.later(key, row, frame.time_us, |held, transport| {
            offsets.add_held(&held, transport, counts, output);
        });
        let (row, transport) = match verdict {
            Verdict::Buffered => return Outcome::Buffered,
            Verdict::Ports(transport, row) => (row, Some(transport)),
            Verdict::NoRoom(row) => {
                counts.fragments_orphaned += 1;
                (row, None)
            }
        };
        let mut row = output.rows.push(&row);
        if let Some(transport) = transport {
            offsets.ports(&mut row, transport);
        }
        output.packets.push(reference);
        counts.packets += 1;
        Outcome::Row
    }

    /// Returns the number of fragments that wait for their first fragment.
    pub fn waiting(&self) -> u64 {
        self.fragments.as_ref().map_or(0, |fragments| fragments.waiting() as u64)
    }

    /// Adds the rows of fragments whose first fragment did not arrive in time.
    pub fn expire(&mut self, now_us: u64, output: &mut Output) {
        let Some(fragments) = &mut self.fragments else { return };
        let (offsets, counts) = (self.offsets, &mut self.counts);
        fragments.expire(now_us, |held, transport| offsets.add_held(&held, transport, counts, output));
    }

    /// Adds the rows of all waiting fragments.
    pub fn release(&mut self, output: &mut Output) {
        let Some(fragments) = &mut self.fragments else { return };
        let (offsets, counts) = (self.offsets, &mut self.counts);
        fragments.drain(|held, transport| offsets.add_held(&held, transport, counts, output));
    }

    /// Handles a frame without an IP header.
    fn without_ip(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, output: &mut Output) -> Outcome {
        if packet.etype.is_some_and(|etype| etype == packet::ethertype::IPV4 || etype == packet::ethertype::IPV6) {
            self.counts.truncated += 1;
            return Outcome::Truncated;
        }
        if !self.settings.unknown_etypes || packet.etype.is_none() {
            self.counts.not_ip += 1;
            return Outcome::NotIp;
        }
        let Output { rows, strings, packets } = output;
        let mut row = rows.push(&self.base);
        *row.head(row::PACKETS) = 1;
        *row.head(row::BYTES) = u64::from(frame.length.saturating_sub(ETHERNET_HEADER));
        self.offsets.frame(frame, &self.settings, &mut row);
        self.headers.fill(packet, strings, &mut row);
        if let (Some(at), Some(etype)) = (self.offsets.etype, packet.etype) {
            put(row.bytes(), at, &etype.to_be_bytes());
        }
        packets.push(PacketRef::NONE);
        self.counts.packets += 1;
        Outcome::Row
    }
}

/// Returns a reference to the whole frame.
fn whole(frame: &Frame<'_>) -> PacketRef {
    let (captured, link) = (frame.octets.len() as u32, frame.link.0 as i32);
    PacketRef { unit: frame.number, start: 0, captured, length: frame.length, link }
}

/// Returns true if rows need only the headers of plain packets, and nothing of tunnels or flows.
fn supports_plain(headers: &Headers, settings: &Settings) -> bool {
    headers.supports_plain() && settings.inside.is_none() && settings.flows.is_none()
}

/// Fragments have to wait only if ports or flows are needed.
fn fragments(needs: &Needs, settings: &Settings) -> Option<Fragments<Held>> {
    let wanted = Offsets::new(needs).transport || settings.flows.is_some() || settings.force_fragments;
    wanted.then(|| Fragments::new(settings.fragments, needs.layout.words() * 8))
}

/// The EtherType is that of the packet's IP version, whatever the link layer says. VLAN ids have no direction here.
fn headers(needs: &Needs) -> Headers {
    Headers::new(needs, &[Field::Etype, Field::InVlan])
}

impl Offsets {
    fn new(needs: &Needs) -> Self {
        let at = |field| needs.layout.offset(field);
        let transport = [Field::SrcPort, Field::DstPort, Field::TcpFlags];
        Self {
            src_port: at(Field::SrcPort),
            dst_port: at(Field::DstPort),
            time_start: at(Field::TimeStart),
            time_arrival: at(Field::TimeArrival),
            in_iface: at(Field::InIface),
            out_iface: at(Field::OutIface),
            src_mac: at(Field::SrcMac),
            dst_mac: at(Field::DstMac),
            etype: at(Field::Etype),
            presence: at(Field::Presence),
            direction: at(Field::Direction),
            transport: transport.iter().any(|field| at(*field).is_some()),
        }
    }

    /// Fills the fields that the capture provides.
    #[inline]
    fn frame(&self, frame: &Frame<'_>, settings: &Settings, row: &mut RowMut<'_>) {
        *row.head(row::BIN_TIME) = frame.time_us;
        let octets = row.bytes();
        for (at, value) in [(self.time_start, frame.time_us), (self.time_arrival, frame.time_us)] {
            if let Some(at) = at {
                put(octets, at, &value.to_be_bytes());
            }
        }
        for (at, value) in [(self.in_iface, frame.ingress), (self.out_iface, frame.egress)] {
            if let Some(at) = at {
                put(octets, at, &value.to_be_bytes());
            }
        }
        for (at, value) in [self.src_mac, self.dst_mac].into_iter().zip(frame.macs) {
            if let (Some(at), Some(value)) = (at, value) {
                put(octets, at, &value);
            }
        }
        if let Some(at) = self.direction {
            let direction = match (frame.ingress, frame.egress) {
                (1.., 0) => Some(0),
                (0, 1..) => Some(1),
                _ => settings.direction,
            };
            put(octets, at, &[direction.unwrap_or(2)]);
        }
        if let Some(at) = self.presence {
            let mut presence = PresenceSet::default();
            if frame.ingress != 0 {
                presence.insert(Presence::InIface);
            }
            if frame.egress != 0 {
                presence.insert(Presence::OutIface);
            }
            put(octets, at, &presence.0.to_be_bytes());
        }
    }

    fn ports(&self, row: &mut RowMut<'_>, transport: Transport) {
        for (at, port) in [(self.src_port, transport.source), (self.dst_port, transport.destination)] {
            if let Some(at) = at {
                put(row.bytes(), at, &port.to_be_bytes());
            }
        }
    }

    /// Adds the row of a fragment that waited.
    fn add_held(&self, held: &Held, transport: Option<Transport>, counts: &mut Counts, output: &mut Output) {
        let mut row = output.rows.push(held);
        match transport {
            Some(transport) => {
                self.ports(&mut row, transport);
                counts.fragments_joined += 1;
            }
            None => counts.fragments_orphaned += 1,
        }
        output.packets.push(PacketRef::NONE);
        counts.packets += 1;
    }
}

#[cfg(test)]
mod tests;
