//! The packet of a sample, by all records that say something of it.
//!
//! An agent copies the start of the packet, or reads fields of its headers itself, or both. A copied header wins where it has a
//! value; where it is cut, of a protocol that is not read, or without a link layer, the fields of the other records take its place.

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

/// What records say of a sample's packet. They complement each other, in whichever order they come.
#[derive(Clone, Copy, Default)]
pub(super) struct PacketRecords<'a> {
    pub(super) header: Option<RawHeader<'a>>,
    pub(super) fields: Option<Fields>,
    pub(super) frame: Option<Ethernet>,
}

/// Fields of an IP packet, as the agent read them.
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
    /// The packet: the fields that the agent read, then what the copied header says, which wins. `None`: it is not counted.
    ///
    /// The record that has the IP addresses gives the octets, too: a header those of the frame, fields those of the IP packet.
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
        // Fields of other addresses are those of a packet around this one, or inside of it.
        let of_packet =
            |ip: Ip, fields: &Fields| (ip.source, ip.destination) == (fields.source, fields.destination);
        let fields = packet_records.fields.filter(|fields| packet.ip.is_none_or(|ip| of_packet(ip, fields)));
        let frame_etype = packet_records.frame.map(|frame| frame.etype as u16);
        if packet.ip.is_none() && fields.is_none() {
            match packet.etype.or(frame_etype).and_then(family) {
                // The family is known, the addresses were not copied.
                Some(zero) => {
                    set(row.octets(), self.offsets.src_host, &zero);
                    set(row.octets(), self.offsets.dst_host, &zero);
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
            *row.head(row::OCTETS) = u64::from(header.frame_length);
        }
        self.headers.fill(&packet, strings, row);
        if let Some(fields) = &fields {
            self.transport(fields, &packet, row.octets());
        }
        if link == LinkType::RAW {
            // No copied link layer says it.
            set(row.octets(), self.offsets.etype, &frame_etype.unwrap_or(0).to_be_bytes());
        }
        if self.headers.needs_tunnels()
            && let Some(tunnel) = tunnel::inner(&packet, &Ports::default())
        {
            self.headers.fill_tunnel(&tunnel, row);
        }
        // Filters look at the header alone, if it says all that the row does.
        let lacks_link = packet_records.frame.is_some() && packet.src_mac.is_none();
        let lacks_transport = |ip: Ip| headers::has_ports(ip.protocol) && packet.ports.is_none();
        let lacks_ip = fields.is_some() && packet.ip.is_none_or(lacks_transport);
        let whole = copied.filter(|_| !lacks_link && !lacks_ip);
        Some(whole.map_or(PacketRef::NONE, |(header, link)| packet_ref(unit, datagram, header, link)))
    }

    /// Fields that the agent read itself.
    fn fields(&self, fields: &Fields, row: &mut RowMut<'_>) {
        *row.head(row::OCTETS) = u64::from(fields.length);
        let offsets = self.offsets;
        let row = row.octets();
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

    /// The transport header by the fields that the agent read, as far as the copied octets of the packet do not have it.
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
        // Flags that were not copied and none are the same.
        if protocol == headers::TCP && packet.tcp_flags == 0 {
            set(row, offsets.tcp_flags, &[fields.tcp_flags as u8]);
            add_presence(row, offsets.presence, &[Presence::TcpFlags]);
        }
    }

    /// A frame of which the agent gives addresses and type.
    fn frame(&self, frame: &Ethernet, row: &mut RowMut<'_>) {
        *row.head(row::OCTETS) = u64::from(frame.length);
        let offsets = self.offsets;
        let row = row.octets();
        set(row, offsets.src_mac, &frame.src.0);
        set(row, offsets.dst_mac, &frame.dst.0);
        set(row, offsets.etype, &(frame.etype as u16).to_be_bytes());
        add_presence(row, offsets.presence, &[Presence::SrcMac, Presence::DstMac]);
    }
}

/// How headers of that protocol are read; none of others.
fn link(protocol: HeaderProtocol) -> Option<LinkType> {
    match protocol {
        HeaderProtocol::ETHERNET => Some(LinkType::ETHERNET),
        HeaderProtocol::IPV4 | HeaderProtocol::IPV6 => Some(LinkType::RAW),
        HeaderProtocol::PPP => Some(LinkType::PPP),
        HeaderProtocol::MPLS => Some(LinkType::MPLS),
        _ => None,
    }
}

/// Where the copied octets lie in the datagram, which they are a part of.
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

/// The zero address of the family that an EtherType stands for.
fn family(etype: u16) -> Option<address::Octets> {
    match etype {
        packet::ethertype::IPV4 => Some(address::V4_ZERO),
        packet::ethertype::IPV6 => Some(address::V6_ZERO),
        _ => None,
    }
}
