//! Sampled frames and packets inside records (elements 104, 313, 315).

use super::plan::Plan;
use super::run::put;
use crate::address;
use crate::custom::Semantics;
use crate::field::Field;
use crate::needs::Needs;
use crate::row::{self, RowMut};
use crate::strings::Strings;
use packet::{LinkType, Packet};

/// Fills a row from a frame. False when the frame ends before its IP header does: then it tells no flow. What counters the
/// record has are kept; else the frame counts as one packet of the length that its IP header tells.
pub(crate) fn fill(
    octets: &[u8],
    is_ip: bool,
    plan: &Plan,
    needs: &Needs,
    strings: &mut Strings,
    row: &mut RowMut<'_>,
) -> bool {
    let packet = if is_ip { packet::decode_ip(octets) } else { packet::decode(LinkType::ETHERNET, octets) };
    let Some(ip) = packet.ip else { return false };
    if plan.counters.packets.is_none() {
        *row.head(row::PACKETS) = 1;
    }
    if plan.counters.octets.is_none() {
        *row.head(row::OCTETS) = u64::from(ip.length);
    }
    let (source, destination) = packet.ports.unwrap_or((0, 0));
    let mut set = |field, octets: &[u8]| {
        if let Some(to) = needs.layout.offset(field) {
            put(row.octets(), to, octets);
        }
    };
    set(Field::SrcHost, &address::octets(ip.source));
    set(Field::DstHost, &address::octets(ip.destination));
    set(Field::Proto, &[ip.protocol]);
    set(Field::Tos, &[ip.tos]);
    set(Field::FlowLabel, &ip.flow_label.to_be_bytes());
    set(Field::SrcPort, &source.to_be_bytes());
    set(Field::DstPort, &destination.to_be_bytes());
    set(Field::TcpFlags, &[packet.tcp_flags]);
    if let Some(etype) = packet.etype {
        set(Field::Etype, &etype.to_be_bytes());
    }
    if let (Some(src), Some(dst)) = (packet.src_mac, packet.dst_mac) {
        set(Field::SrcMac, &src);
        set(Field::DstMac, &dst);
    }
    if let Some(tag) = packet.outer_tag {
        for field in [Field::Vlan, Field::InVlan] {
            set(field, &(tag & 0x0fff).to_be_bytes());
        }
        set(Field::Cos, &[(tag >> 13) as u8]);
    }
    if let Some(tag) = packet.inner_tag {
        set(Field::InCvlan, &(tag & 0x0fff).to_be_bytes());
    }
    labels(&packet, needs, strings, row);
    customs(&packet, needs, strings, row);
    true
}

fn labels(packet: &Packet<'_>, needs: &Needs, strings: &mut Strings, row: &mut RowMut<'_>) {
    let label = |entry: Option<&[u8; 4]>| entry.map(|entry| (u32::from_be_bytes(*entry) >> 12).to_be_bytes());
    let mut set = |field, octets: Option<[u8; 4]>| {
        if let (Some(to), Some(octets)) = (needs.layout.offset(field), octets) {
            put(row.octets(), to, &octets);
        }
    };
    set(Field::MplsLabelTop, label(packet.labels.first_chunk()));
    set(Field::MplsLabelBottom, label(packet.labels.last_chunk()));
    if needs.layout.offset(Field::MplsLabelStack).is_some() && !packet.labels.is_empty() {
        let stack: Vec<u8> =
            packet.labels.chunks_exact(4).flat_map(|entry| entry.iter().take(3).copied()).collect();
        set(Field::MplsLabelStack, Some(strings.intern(&stack).to_be_bytes()));
    }
}

/// Custom primitives that point into the packet.
fn customs(packet: &Packet<'_>, needs: &Needs, strings: &mut Strings, row: &mut RowMut<'_>) {
    for (number, custom) in needs.customs.iter().enumerate() {
        let (Some(to), Some(length)) = (needs.layout.custom(number), custom.length) else { continue };
        let found = custom.pointers.iter().find_map(|pointer| packet.at(pointer, usize::from(length)));
        let Some(octets) = found else { continue };
        match custom.semantics {
            Semantics::UnsignedInt | Semantics::Hex => {
                put(row.octets(), to, &netflow::record::number(octets).to_be_bytes());
            }
            Semantics::Mac => put(row.octets(), to, octets),
            Semantics::Ip => {
                let address = match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
                    (Ok(v4), _) => address::octets(v4.into()),
                    (_, Ok(v6)) => address::octets(v6.into()),
                    _ => continue,
                };
                put(row.octets(), to, &address);
            }
            Semantics::Str | Semantics::Raw => {
                let end = match custom.semantics {
                    Semantics::Str => octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len()),
                    _ => octets.len(),
                };
                put(row.octets(), to, &strings.intern(&octets[..end]).to_be_bytes());
            }
        }
    }
}
