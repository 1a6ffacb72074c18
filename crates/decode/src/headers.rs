//! Fills the fields of a row from the headers of a packet.
//!
//! Captured frames, sFlow samples and frames inside NetFlow records all fill rows here. The fields of a row are known
//! beforehand, so a packet costs one step per field and no lookup.

use crate::pointer;
use flow::address;
use flow::custom::{Custom, Semantics};
use flow::field::Field;
use flow::needs::Needs;
use flow::presence::{Presence, PresenceSet};
use flow::row::RowMut;
use flow::strings::Strings;
use packet::Packet;
use packet::plain::Plain;
use packet::tunnel::{Kind, Tunnel};
use std::net::IpAddr;
use std::sync::Arc;

/// EtherTypes of IPv4 and IPv6, big-endian.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Fields of the outer packet.
const OUTER: &[Field] = &[
    Field::SrcHost,
    Field::DstHost,
    Field::SrcPort,
    Field::DstPort,
    Field::TcpFlags,
    Field::Proto,
    Field::Tos,
    Field::FlowLabel,
    Field::Etype,
    Field::SrcMac,
    Field::DstMac,
    Field::Vlan,
    Field::InVlan,
    Field::Cos,
    Field::InCvlan,
    Field::MplsLabelTop,
    Field::MplsLabelBottom,
    Field::MplsLabelStack,
    Field::IcmpTypeCode,
];

/// Fields of the packet inside a tunnel.
const INNER: &[Field] = &[
    Field::Vxlan,
    Field::Nvgre,
    Field::TunnelSrcMac,
    Field::TunnelDstMac,
    Field::TunnelSrcHost,
    Field::TunnelDstHost,
    Field::TunnelProto,
    Field::TunnelTos,
    Field::TunnelSrcPort,
    Field::TunnelDstPort,
    Field::TunnelTcpFlags,
    Field::TunnelFlowLabel,
];

/// The fields that rows of one layout take from packets.
#[derive(Clone, Debug)]
pub struct Headers {
    outer: Box<[(Field, usize)]>,
    inner: Box<[(Field, usize)]>,
    presence: Option<usize>,
    customs: Arc<[Custom]>,
    custom_offsets: Box<[(usize, usize)]>,
}

impl Headers {
    /// Compiles `needs`. The fields in `without` are filled elsewhere.
    pub fn new(needs: &Needs, without: &[Field]) -> Self {
        let offsets = |fields: &[Field]| {
            let offset = |field: &Field| Some((*field, needs.layout.offset(*field)?));
            fields.iter().filter(|field| !without.contains(field)).filter_map(offset).collect()
        };
        let customs = (0..needs.customs.len()).filter_map(|n| Some((n, needs.layout.custom(n)?)));
        Self {
            outer: offsets(OUTER),
            inner: offsets(INNER),
            presence: needs.layout.offset(Field::Presence),
            customs: Arc::clone(&needs.customs),
            custom_offsets: customs.collect(),
        }
    }

    /// Returns the same for the reverse direction: source and destination are swapped.
    pub(crate) fn swapped(mut self) -> Self {
        for (field, _) in &mut self.outer {
            *field = match *field {
                Field::SrcHost => Field::DstHost,
                Field::DstHost => Field::SrcHost,
                Field::SrcPort => Field::DstPort,
                Field::DstPort => Field::SrcPort,
                Field::SrcMac => Field::DstMac,
                Field::DstMac => Field::SrcMac,
                other => other,
            };
        }
        self
    }

    /// Returns true if rows have fields of packets inside tunnels.
    pub fn needs_tunnels(&self) -> bool {
        !self.inner.is_empty()
    }

    /// Fills a row from a packet. Fields that the packet lacks stay unchanged.
    #[inline]
    pub fn fill(&self, packet: &Packet<'_>, strings: &mut Strings, row: &mut RowMut<'_>) {
        let octets = row.bytes();
        for (field, at) in &self.outer {
            outer(*field, *at, packet, strings, octets);
        }
        if !self.custom_offsets.is_empty() {
            self.customs(packet, strings, octets);
        }
        if let Some(at) = self.presence {
            add_presence(octets, at, presence(packet));
        }
    }

    /// Returns true if headers at fixed offsets suffice to fill the rows.
    pub(crate) fn supports_plain(&self) -> bool {
        !self.needs_tunnels() && self.custom_offsets.is_empty()
    }

    /// Fills a row as [`Headers::fill`] does. Requires [`Headers::supports_plain`].
    #[inline]
    pub(crate) fn fill_plain(&self, packet: &Plain<'_>, row: &mut RowMut<'_>) {
        let octets = row.bytes();
        for (field, at) in &self.outer {
            plain(*field, *at, packet, octets);
        }
        if let Some(at) = self.presence {
            add_presence(octets, at, plain_presence(packet));
        }
    }

    /// Fills a row from the packet inside a tunnel.
    #[inline]
    pub fn fill_tunnel(&self, tunnel: &Tunnel<'_>, row: &mut RowMut<'_>) {
        for (field, at) in &self.inner {
            inner(*field, *at, tunnel, row.bytes());
        }
    }

    /// Fills custom primitives with packet pointers.
    #[cold]
    fn customs(&self, packet: &Packet<'_>, strings: &mut Strings, row: &mut [u8]) {
        for (number, to) in &self.custom_offsets {
            let Some(custom) = self.customs.get(*number) else { continue };
            let Some(length) = custom.length else { continue };
            let found =
                custom.pointers.iter().find_map(|pointer| pointer::follow(packet, pointer, usize::from(length)));
            if let Some(octets) = found {
                put_custom(custom, octets, *to, strings, row);
            }
        }
    }
}

#[inline]
fn outer(field: Field, at: usize, packet: &Packet<'_>, strings: &mut Strings, row: &mut [u8]) {
    match field {
        Field::SrcHost => host(packet, row, at, |ip| ip.source),
        Field::DstHost => host(packet, row, at, |ip| ip.destination),
        Field::SrcPort => put_some(row, at, ports(packet).map(|(source, _)| source.to_be_bytes())),
        Field::DstPort => put_some(row, at, ports(packet).map(|(_, destination)| destination.to_be_bytes())),
        Field::TcpFlags => put(row, at, &[packet.tcp_flags]),
        Field::Proto => put_some(row, at, packet.ip.map(|ip| [ip.protocol])),
        Field::Tos => put_some(row, at, packet.ip.map(|ip| [ip.tos])),
        Field::FlowLabel => put_some(row, at, packet.ip.map(|ip| ip.flow_label.to_be_bytes())),
        Field::Etype => put_some(row, at, packet.etype.map(u16::to_be_bytes)),
        Field::SrcMac => put_some(row, at, packet.src_mac),
        Field::DstMac => put_some(row, at, packet.dst_mac),
        Field::Vlan | Field::InVlan => put_some(row, at, packet.outer_tag.map(vlan)),
        Field::Cos => put_some(row, at, packet.outer_tag.map(|tag| [(tag >> 13) as u8])),
        Field::InCvlan => put_some(row, at, packet.inner_tag.map(vlan)),
        Field::MplsLabelTop => put_some(row, at, label(packet.labels.first_chunk())),
        Field::MplsLabelBottom => put_some(row, at, label(packet.labels.last_chunk())),
        Field::MplsLabelStack if !packet.labels.is_empty() => {
            put(row, at, &stack(packet.labels, strings).to_be_bytes());
        }
        Field::IcmpTypeCode => put_some(row, at, packet.icmp.map(|(kind, code)| [kind, code])),
        _ => {}
    }
}

#[inline]
fn plain(field: Field, at: usize, packet: &Plain<'_>, row: &mut [u8]) {
    match field {
        Field::SrcHost => put(row, at, &address::octets(packet.source())),
        Field::DstHost => put(row, at, &address::octets(packet.destination())),
        Field::SrcPort => put(row, at, &packet.ports().0.to_be_bytes()),
        Field::DstPort => put(row, at, &packet.ports().1.to_be_bytes()),
        Field::TcpFlags => put(row, at, &[packet.tcp_flags]),
        Field::Proto => put(row, at, &[packet.protocol]),
        Field::Tos => put(row, at, &[packet.tos]),
        Field::FlowLabel => put(row, at, &packet.flow_label.to_be_bytes()),
        Field::Etype => put(row, at, &packet.etype().to_be_bytes()),
        Field::SrcMac => put(row, at, &packet.src_mac()),
        Field::DstMac => put(row, at, &packet.dst_mac()),
        Field::Vlan | Field::InVlan => put_some(row, at, packet.tag.map(vlan)),
        Field::Cos => put_some(row, at, packet.tag.map(|tag| [(tag >> 13) as u8])),
        _ => {}
    }
}

/// The result of [`presence`] for a plain packet.
fn plain_presence(packet: &Plain<'_>) -> PresenceSet {
    let mut presence = PresenceSet::default();
    for bit in
        [Presence::SrcMac, Presence::DstMac, Presence::SrcHost, Presence::DstHost, Presence::Proto, Presence::Flow]
    {
        presence.insert(bit);
    }
    presence.insert(Presence::SrcPort);
    presence.insert(Presence::DstPort);
    if packet.tag.is_some() {
        presence.insert(Presence::Vlan);
    }
    if packet.is_tcp() {
        presence.insert(Presence::TcpFlags);
    }
    presence.insert(if packet.is_v4() { Presence::FlowV4 } else { Presence::FlowV6 });
    presence
}

#[inline]
fn inner(field: Field, at: usize, tunnel: &Tunnel<'_>, row: &mut [u8]) {
    let packet = &tunnel.packet;
    match field {
        Field::Vxlan if tunnel.kind == Kind::Vxlan => put_some(row, at, tunnel.id.map(u32::to_be_bytes)),
        Field::Nvgre if tunnel.kind == Kind::Nvgre => put_some(row, at, tunnel.id.map(u32::to_be_bytes)),
        Field::TunnelSrcMac => put_some(row, at, packet.src_mac),
        Field::TunnelDstMac => put_some(row, at, packet.dst_mac),
        Field::TunnelSrcHost => host(packet, row, at, |ip| ip.source),
        Field::TunnelDstHost => host(packet, row, at, |ip| ip.destination),
        Field::TunnelProto => put_some(row, at, packet.ip.map(|ip| [ip.protocol])),
        Field::TunnelTos => put_some(row, at, packet.ip.map(|ip| [ip.tos])),
        Field::TunnelSrcPort => put_some(row, at, ports(packet).map(|(source, _)| source.to_be_bytes())),
        Field::TunnelDstPort => put_some(row, at, ports(packet).map(|(_, destination)| destination.to_be_bytes())),
        Field::TunnelTcpFlags => put(row, at, &[packet.tcp_flags]),
        Field::TunnelFlowLabel => put_some(row, at, packet.ip.map(|ip| ip.flow_label.to_be_bytes())),
        _ => {}
    }
}

/// Which fields the packet has; maps use it.
fn presence(packet: &Packet<'_>) -> PresenceSet {
    let mut presence = PresenceSet::default();
    for (is_present, bits) in [
        (packet.src_mac.is_some(), &[Presence::SrcMac, Presence::DstMac] as &[Presence]),
        (packet.outer_tag.is_some(), &[Presence::Vlan]),
        (packet.inner_tag.is_some(), &[Presence::Cvlan]),
        (packet.ip.is_some(), &[Presence::SrcHost, Presence::DstHost, Presence::Proto, Presence::Flow]),
        (ports(packet).is_some(), &[Presence::SrcPort, Presence::DstPort]),
        (packet.ip.is_some_and(|ip| ip.protocol == TCP), &[Presence::TcpFlags]),
        (!packet.labels.is_empty(), &[Presence::MplsLabelBottom]),
    ] {
        if is_present {
            bits.iter().for_each(|bit| presence.insert(*bit));
        }
    }
    match packet.ip.map(|ip| ip.source) {
        Some(IpAddr::V4(_)) => presence.insert(Presence::FlowV4),
        Some(IpAddr::V6(_)) => presence.insert(Presence::FlowV6),
        None => {}
    }
    presence
}

pub(crate) const TCP: u8 = 6;
const UDP: u8 = 17;

/// Returns the EtherType of the family of a packet's addresses.
pub(crate) fn family(packet: &Packet<'_>) -> Option<[u8; 2]> {
    packet.ip.map(|ip| if ip.source.is_ipv4() { IPV4 } else { IPV6 })
}

/// Returns the ports of TCP and UDP. The reference ignores those of other protocols.
#[inline]
pub(crate) fn ports(packet: &Packet<'_>) -> Option<(u16, u16)> {
    packet.ports.filter(|_| packet.ip.is_some_and(|ip| has_ports(ip.protocol)))
}

/// Returns true for protocols whose ports are used.
pub(crate) fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP)
}

#[inline]
fn host(packet: &Packet<'_>, row: &mut [u8], at: usize, which: impl Fn(packet::Ip) -> IpAddr) {
    put_some(row, at, packet.ip.map(|ip| address::octets(which(ip))));
}

#[inline]
fn vlan(tag: u16) -> [u8; 2] {
    (tag & 0x0fff).to_be_bytes()
}

#[inline]
fn label(entry: Option<&[u8; 4]>) -> Option<[u8; 4]> {
    entry.map(|entry| (u32::from_be_bytes(*entry) >> 12).to_be_bytes())
}

/// Interns a label stack: entries of three octets, top first.
pub(crate) fn stack(entries: &[u8], strings: &mut Strings) -> u32 {
    /// Maximum number of entries.
    const MAX: usize = 16;
    let mut stack = [0; MAX * 3];
    let mut end = 0;
    for (to, entry) in stack.chunks_exact_mut(3).zip(entries.chunks_exact(4)) {
        to.iter_mut().zip(entry).for_each(|(to, octet)| *to = *octet);
        end += 3;
    }
    strings.intern(stack.get(..end).unwrap_or_default())
}

fn put_custom(custom: &Custom, octets: &[u8], to: usize, strings: &mut Strings, row: &mut [u8]) {
    match custom.semantics {
        Semantics::UnsignedInt | Semantics::Hex => {
            put(row, to, &netflow::record::number(octets).to_be_bytes());
        }
        Semantics::Mac => put(row, to, octets),
        Semantics::Ip => {
            let address = match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
                (Ok(v4), _) => address::octets(v4.into()),
                (_, Ok(v6)) => address::octets(v6.into()),
                _ => return,
            };
            put(row, to, &address);
        }
        Semantics::Str | Semantics::Raw => {
            let end = match custom.semantics {
                Semantics::Str => octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len()),
                _ => octets.len(),
            };
            let id = strings.intern(octets.get(..end).unwrap_or_default());
            put(row, to, &id.to_be_bytes());
        }
    }
}

/// Adds presence bits to those at an offset of the row.
pub(crate) fn add_presence(row: &mut [u8], at: usize, presence: PresenceSet) {
    let before = row.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |presence| u64::from_be_bytes(*presence));
    put(row, at, &(before | presence.0).to_be_bytes());
}

#[inline]
pub(crate) fn put(row: &mut [u8], to: usize, octets: &[u8]) {
    if let Some(to) = row.get_mut(to..to + octets.len()) {
        to.copy_from_slice(octets);
    }
}

#[inline]
fn put_some<const N: usize>(row: &mut [u8], to: usize, octets: Option<[u8; N]>) {
    if let Some(octets) = octets {
        put(row, to, &octets);
    }
}
