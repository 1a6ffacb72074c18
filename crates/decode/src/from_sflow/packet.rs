//! The packet of a sample, combined from all records that describe it.
//!
//! An agent copies the start of the packet, or decodes fields of its headers, or both. The copied header takes
//! precedence. Where it is truncated, of an unsupported protocol or without a link layer, the fields of the other records
//! are used.

use super::sample::{Reader, add_presence, set};
use crate::headers;
use flow::address;
use flow::packet_ref::PacketRef;
use flow::presence::Presence;
use flow::row::{self, RowMut};
use flow::strings::Strings;
use packet::tunnel::{self, Ports};
use packet::{Ip, LinkType, Packet};
use sflow::flow::{Ethernet, HeaderProtocol, RawHeader};
use std::net::IpAddr;

/// The records that describe a sample's packet. They complement each other in any order.
#[derive(Clone, Copy, Default)]
pub(super) struct PacketRecords<'a> {
    pub(super) header: Option<RawHeader<'a>>,
    pub(super) fields: Option<Fields>,
    pub(super) frame: Option<Ethernet>,
}

/// Fields of an IP packet, as decoded by the agent.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    length: u32,
    source: IpAddr,
    destination: IpAddr,
    protocol: u32,
    ports: (u32, u32),
    tcp_flags: u32,
    tos: u32,
}

impl Fields {
    pub(super) fn v4(ip: &sflow::flow::Ipv4) -> Self {
        Self {
            length: ip.length,
            source: ip.src.into(),
            destination: ip.dst.into(),
            protocol: ip.protocol,
            ports: (ip.src_port, ip.dst_port),
            tcp_flags: ip.tcp_flags,
            tos: ip.tos,
        }
    }

    pub(super) fn v6(ip: &sflow::flow::Ipv6) -> Self {
        Self {
            length: ip.length,
            source: ip.src.into(),
            destination: ip.dst.into(),
            protocol: ip.protocol,
            ports: (ip.src_port, ip.dst_port),
            tcp_flags: ip.tcp_flags,
            tos: ip.priority,
        }
    }
}

impl Reader<'_> {
    /// Fills the packet's fields: those that the agent decoded, then those of the copied header, which takes precedence.
    /// Returns `None` if the packet is not counted.
    ///
    /// The length is that of the record with the IP addresses: of the frame for a copied header, else of the IP packet.
    pub(super) fn packet(
        &self,
        unit: u32,
        datagram: &[u8],
        packet_records: &PacketRecords<'_>,
        row: &mut RowMut<'_>,
        strings: &mut Strings,
    ) -> Option<PacketRef> {
        let copied = packet_records.header.as_ref().and_then(|header| Some((header, link(header.protocol)?)));
        let (link, octets) = copied.map_or((LinkType::RAW, &[][..]), |(header, link)| (link, header.octets));
        let packet = tunnel::decode_inside(link, octets, self.settings.inside.as_ref());
        // Fields with other addresses describe an outer or inner packet.
        let of_packet =
            |ip: Ip, fields: &Fields| (ip.source, ip.destination) == (fields.source, fields.destination);
        let fields = packet_records.fields.filter(|fields| packet.ip.is_none_or(|ip| of_packet(ip, fields)));
        let frame_etype = packet_records.frame.map(|frame| frame.etype as u16);
        if packet.ip.is_none() && fields.is_none() {
            match packet.etype.or(frame_etype).and_then(family) {
                // The address family is known, but the addresses were not copied.
                Some(zero) => {
                    set(row.bytes(), self.offsets.src_host, &zero);
                    set(row.bytes(), self.offsets.dst_host, &zero);
                }
                None if self.settings.unknown_etypes && (copied.is_some() || packet_records.frame.is_some()) => {}
                None => return None,
            }
        }
        if let Some(frame) = &packet_records.frame {
            self.frame(frame, row);
        }
        if let Some(fields) = &fields {
            self.fields(fields, row);
        }
        if let Some((header, _)) = copied
            && (packet.ip.is_some() || fields.is_none())
        {
            *row.head(row::BYTES) = u64::from(header.frame_length);
        }
        self.headers.fill(&packet, strings, row);
        if let Some(fields) = &fields {
            self.transport(fields, &packet, row.bytes());
        }
        if link == LinkType::RAW {
            // There is no copied link layer that has it.
            set(row.bytes(), self.offsets.etype, &frame_etype.unwrap_or(0).to_be_bytes());
        }
        if self.headers.needs_tunnels()
            && let Some(tunnel) = tunnel::inner(&packet, &Ports::default())
        {
            self.headers.fill_tunnel(&tunnel, row);
        }
        // Filters use the copied header only if it has all that the row has.
        let lacks_link = packet_records.frame.is_some() && packet.src_mac.is_none();
        let lacks_transport = |ip: Ip| headers::has_ports(ip.protocol) && packet.ports.is_none();
        let lacks_ip = fields.is_some() && packet.ip.is_none_or(lacks_transport);
        let whole = copied.filter(|_| !lacks_link && !lacks_ip);
        Some(whole.map_or(PacketRef::NONE, |(header, link)| packet_ref(unit, datagram, header, link)))
    }

    /// Fills the fields that the agent decoded.
    fn fields(&self, fields: &Fields, row: &mut RowMut<'_>) {
        *row.head(row::BYTES) = u64::from(fields.length);
        let offsets = self.offsets;
        let row = row.bytes();
        set(row, offsets.src_host, &address::octets(fields.source));
        set(row, offsets.dst_host, &address::octets(fields.destination));
        set(row, offsets.tos, &[fields.tos as u8]);
        let v4 = fields.source.is_ipv4();
        let family = if v4 { Presence::FlowV4 } else { Presence::FlowV6 };
        add_presence(
            row,
            offsets.presence,
            &[
                Presence::SrcHost,
                Presence::DstHost,
                Presence::Proto,
                Presence::SrcPort,
                Presence::DstPort,
                Presence::Flow,
                family,
            ],
        );
    }

    /// Fills the transport fields that the agent decoded, unless the copied header has them.
    fn transport(&self, fields: &Fields, packet: &Packet<'_>, row: &mut [u8]) {
        let offsets = self.offsets;
        let protocol = fields.protocol as u8;
        match packet.ip.filter(|_| packet.offsets.l4.is_some()) {
            Some(ip) if ip.protocol != protocol => return,
            Some(_) => {}
            None => set(row, offsets.proto, &[protocol]),
        }
        if headers::has_ports(protocol) && packet.ports.is_none() {
            set(row, offsets.src_port, &(fields.ports.0 as u16).to_be_bytes());
            set(row, offsets.dst_port, &(fields.ports.1 as u16).to_be_bytes());
        }
        // Flags that were not copied are the same as no flags.
        if protocol == headers::TCP && packet.tcp_flags == 0 {
            set(row, offsets.tcp_flags, &[fields.tcp_flags as u8]);
            add_presence(row, offsets.presence, &[Presence::TcpFlags]);
        }
    }

    /// Fills the fields of the frame that the agent decoded.
    fn frame(&self, frame: &Ethernet, row: &mut RowMut<'_>) {
        *row.head(row::BYTES) = u64::from(frame.length);
        let offsets = self.offsets;
        let row = row.bytes();
        set(row, offsets.src_mac, &frame.src.0);
        set(row, offsets.dst_mac, &frame.dst.0);
        set(row, offsets.etype, &(frame.etype as u16).to_be_bytes());
        add_presence(row, offsets.presence, &[Presence::SrcMac, Presence::DstMac]);
    }
}

/// Returns the link type of a header protocol, if it is supported.
fn link(protocol: HeaderProtocol) -> Option<LinkType> {
    match protocol {
        HeaderProtocol::ETHERNET => Some(LinkType::ETHERNET),
        HeaderProtocol::IPV4 | HeaderProtocol::IPV6 => Some(LinkType::RAW),
        HeaderProtocol::PPP => Some(LinkType::PPP),
        HeaderProtocol::MPLS => Some(LinkType::MPLS),
        _ => None,
    }
}

/// Returns the position of the copied header in the datagram.
#[inline]
pub(super) fn packet_ref(unit: u32, datagram: &[u8], header: &RawHeader<'_>, link: LinkType) -> PacketRef {
    let start = (header.octets.as_ptr() as usize).saturating_sub(datagram.as_ptr() as usize);
    PacketRef {
        unit,
        start: start as u32,
        captured: header.octets.len() as u32,
        length: header.frame_length,
        link: link.0 as i32,
    }
}

/// Returns the zero address of an EtherType's address family.
fn family(etype: u16) -> Option<address::Octets> {
    match etype {
        packet::ethertype::IPV4 => Some(address::V4_ZERO),
        packet::ethertype::IPV6 => Some(address::V6_ZERO),
        _ => None,
    }
}
