//! Which elements fill which fields of a row.
//!
//! Numbers are those of the IANA registry "IPFIX Information Elements"; NetFlow v9 uses the same ones up to 127.

use flow::fact::Fact;
use flow::field::Field;

/// Elements that fill a field by their octets alone, in order of preference: numbers are aligned to the
/// right, so any reduced size (RFC 7011 section 6.2) fits.
pub(crate) const PLAIN: &[(Field, &[u16])] = &[
    (Field::SrcMac, &[56, 81, 365]),
    (Field::DstMac, &[80, 57]),
    (Field::InVlan, &[58, 243]),
    (Field::OutVlan, &[59, 254]),
    (Field::InCvlan, &[245]),
    (Field::OutCvlan, &[255]),
    (Field::Cos, &[244]),
    (Field::Etype, &[256]),
    (Field::Proto, &[4]),
    (Field::Tos, &[5]),
    (Field::FlowLabel, &[31]),
    (Field::DstPort, &[11]),
    (Field::SrcPort, &[7]),
    (Field::TcpFlags, &[6]),
    (Field::SrcAs, &[16]),
    (Field::DstAs, &[17]),
    (Field::PeerSrcAs, &[129]),
    (Field::PeerDstAs, &[128]),
    (Field::InIface, &[10, 252]),
    (Field::OutIface, &[14, 253]),
    (Field::FwEvent, &[233, NSEL_EVENT]),
    (Field::NatEvent, &[230, NSEL_EVENT]),
    (Field::PostNatSrcPort, &[227, NSEL_SRC_PORT]),
    (Field::PostNatDstPort, &[228, NSEL_DST_PORT]),
    (Field::MplsPwId, &[249]),
    (Field::IngressVrf, &[VRF.0]),
    (Field::EgressVrf, &[VRF.1]),
    (Field::Direction, &[61]),
    (Field::FwdStatus, &[89]),
    (Field::PathDelayAvg, &[600]),
    (Field::PathDelayMin, &[601]),
    (Field::PathDelayMax, &[602]),
];

// Numbers above the registry that Cisco's ASA uses in NetFlow v9 (NSEL) before 8.4(5).
pub(crate) const NSEL_SRC_ADDRESS: u16 = 40001;
pub(crate) const NSEL_DST_ADDRESS: u16 = 40002;
const NSEL_SRC_PORT: u16 = 40003;
const NSEL_DST_PORT: u16 = 40004;
const NSEL_EVENT: u16 = 40005;
/// Numbers in use that the registry does not have.
pub(crate) const PRIVATE: std::ops::RangeInclusive<u16> = NSEL_SRC_ADDRESS..=NSEL_EVENT;

/// IP protocol. A template that has it twice tells of a packet inside another, the outer one first.
pub(crate) const PROTOCOL: u16 = 4;

/// Elements that tell of the outer packet in their first occurrence, where the template tells of a packet inside another.
pub(crate) const OUTER: &[(Field, u16)] = &[
    (Field::TunnelProto, PROTOCOL),
    (Field::TunnelTos, 5),
    (Field::TunnelTcpFlags, 6),
    (Field::TunnelSrcPort, 7),
    (Field::TunnelDstPort, 11),
    (Field::TunnelFlowLabel, 31),
];

/// Which packet an address belongs to, in templates that tell of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// There is one of them only.
    Only,
    /// The last one of the template.
    Inner,
    /// The first one of the template.
    Outer,
}

/// Elements of an address field.
pub(crate) struct Addresses {
    pub(crate) field: Field,
    /// IPv4 elements, in order of preference.
    pub(crate) v4: &'static [u16],
    /// IPv6 elements, in order of preference.
    pub(crate) v6: &'static [u16],
    pub(crate) side: Side,
}

pub(crate) const ADDRESSES: &[Addresses] = &[
    Addresses { field: Field::SrcHost, v4: &[8, 44, 366], v6: &[27, 170], side: Side::Inner },
    Addresses { field: Field::DstHost, v4: &[12, 45], v6: &[28, 169], side: Side::Inner },
    Addresses { field: Field::NextHop, v4: &IP_NEXT_HOP.0, v6: &IP_NEXT_HOP.1, side: Side::Only },
    Addresses { field: Field::PostNatSrcHost, v4: &[225, NSEL_SRC_ADDRESS], v6: &[281], side: Side::Only },
    Addresses { field: Field::PostNatDstHost, v4: &[226, NSEL_DST_ADDRESS], v6: &[282], side: Side::Only },
    Addresses { field: Field::TunnelSrcHost, v4: &[8], v6: &[27], side: Side::Outer },
    Addresses { field: Field::TunnelDstHost, v4: &[12], v6: &[28], side: Side::Outer },
];

/// BGP next hop, and the IP next hop that stands in for it under `use_ip_next_hop`.
pub(crate) const BGP_NEXT_HOP: ([u16; 1], [u16; 1]) = ([18], [63]);
/// IP next hop; 140 is the top label's IPv6 address.
pub(crate) const IP_NEXT_HOP: ([u16; 1], [u16; 1]) = ([15], [62]);
/// Address of the MPLS top label, which is the egress router's.
pub(crate) const TOP_LABEL: ([u16; 1], [u16; 1]) = ([47], [140]);
/// The exporter's own address.
pub(crate) const EXPORTER: ([u16; 1], [u16; 1]) = ([130], [131]);

/// Masks of a network, IPv4 and IPv6.
pub(crate) const MASKS: &[(Field, u16, u16)] = &[(Field::SrcMask, 9, 29), (Field::DstMask, 13, 30)];

/// Elements that tell a fact: one of them is enough.
pub(crate) const FACTS: &[(Fact, &[u16])] = &[
    (Fact::InIface, &[10, 252]),
    (Fact::OutIface, &[14, 253]),
    (Fact::NextHop, &[15, 62]),
    (Fact::BgpNextHop, &[18, 63]),
    (Fact::Direction, &[61]),
    (Fact::SrcAs, &[16]),
    (Fact::DstAs, &[17]),
    (Fact::IngressVrf, &[VRF.0]),
    (Fact::EgressVrf, &[VRF.1]),
    (Fact::MplsPwId, &[249]),
    (Fact::SrcMac, &[56, 81, 365]),
    (Fact::DstMac, &[80, 57]),
    (Fact::Vlan, &[58, 243, 59, 254]),
    (Fact::Cvlan, &[245, 255]),
    (Fact::SrcHost, &[8, 27]),
    (Fact::DstHost, &[12, 28]),
    (Fact::Proto, &[PROTOCOL]),
    (Fact::SrcPort, &[7, UDP_PORTS.0, TCP_PORTS.0]),
    (Fact::DstPort, &[11, UDP_PORTS.1, TCP_PORTS.1]),
    (Fact::TcpFlags, &[6]),
    (Fact::FwdStatus, &[89]),
    (Fact::MplsLabelBottom, &[*LABELS.start()]),
    (Fact::FwEvent, &[233, NSEL_EVENT]),
    (Fact::NatEvent, &[230]),
];

/// Facts that a sampled frame may tell.
pub(crate) const FRAME_FACTS: &[Fact] = &[
    Fact::SrcMac,
    Fact::DstMac,
    Fact::Vlan,
    Fact::SrcHost,
    Fact::DstHost,
    Fact::Proto,
    Fact::SrcPort,
    Fact::DstPort,
    Fact::TcpFlags,
];

/// Packet counters, in order of preference: delta, total, post delta, post total, frames of layer 2, initiator's.
pub(crate) const PACKETS: &[u16] = &[2, 86, 24, 172, 430, 431, 298];
/// Octet counters, in order of preference: delta, total, post delta, post total, layer 2 (416 and 419 are older numbers of 352 and 353),
/// layer 2 post, initiator's.
pub(crate) const OCTETS: &[u16] = &[1, 85, 23, 171, 352, 353, 416, 419, 417, 420, 231];
/// Flow counter.
pub(crate) const FLOWS: u16 = 3;

/// How the octets of a time element are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// NTP time stamp (RFC 7011 section 6.1.9), of which the two units differ in precision only.
    Ntp,
    /// Milliseconds of the exporter's uptime.
    Uptime,
    /// Microseconds before the export time (RFC 7011 section 6.1, elements 158 and 159).
    Before,
}

/// Elements that tell a flow's start, in order of preference. The observation times come last: records of
/// events have nothing else.
pub(crate) const STARTS: &[(u16, Clock)] = &[
    (152, Clock::Milliseconds),
    (154, Clock::Ntp),
    (156, Clock::Ntp),
    (150, Clock::Seconds),
    (22, Clock::Uptime),
    (158, Clock::Before),
    (323, Clock::Milliseconds),
    (324, Clock::Ntp),
    (325, Clock::Ntp),
    (322, Clock::Seconds),
];

/// Elements that tell a flow's end, in order of preference.
pub(crate) const ENDS: &[(u16, Clock)] = &[
    (153, Clock::Milliseconds),
    (155, Clock::Ntp),
    (157, Clock::Ntp),
    (151, Clock::Seconds),
    (21, Clock::Uptime),
    (159, Clock::Before),
];

/// When the exporter started, milliseconds since 1970.
pub(crate) const SYSTEM_INIT: u16 = 160;
/// Sampler and selector that a record names.
pub(crate) const SAMPLER_ID: u16 = 48;
/// Selector that a record names (RFC 5477).
pub(crate) const SELECTOR_ID: u16 = 302;
/// Sampling intervals inside a record.
pub(crate) const INTERVALS: [u16; 2] = [34, 50];
/// Interfaces in and out, in order of preference.
pub(crate) const INTERFACES: [[u16; 2]; 2] = [[10, 252], [14, 253]];
/// Probability that a packet is chosen, a real number.
pub(crate) const PROBABILITY: u16 = 311;
/// VRF on the way in and out.
pub(crate) const VRF: (u16, u16) = (234, 235);
/// Route distinguisher.
pub(crate) const ROUTE_DISTINGUISHER: u16 = 90;
/// Application id.
pub(crate) const APPLICATION_ID: u16 = 95;
/// Label stack entries, top first.
pub(crate) const LABELS: std::ops::RangeInclusive<u16> = 70..=79;
/// Segment list as octets, and as a basic list (RFC 6313 section 4.5.1).
pub(crate) const SEGMENT_SECTION: u16 = 497;
/// As above.
pub(crate) const SEGMENT_LIST: u16 = 496;
/// Layer 2 segment id: the kind in the first octet, the number in the last ones.
pub(crate) const LAYER2_SEGMENT: u16 = 351;
/// UDP and TCP ports by protocol: source, destination.
pub(crate) const UDP_PORTS: (u16, u16) = (180, 181);
/// As above.
pub(crate) const TCP_PORTS: (u16, u16) = (182, 183);
/// Octets of a frame.
pub(crate) const FRAMES: &[u16] = &[315, 104];
/// Octets of what starts with an IP header.
pub(crate) const PACKET_SECTION: u16 = 313;
/// Sum of on-path delays.
pub(crate) const PATH_DELAY_SUM: u16 = 603;
/// Private elements of nfprobe: tags and label.
pub(crate) const PMACCT: u32 = 43874;
/// Enterprise number that marks reverse elements (RFC 5103).
pub(crate) const REVERSE: u32 = 29305;

/// Elements of the two ends of a flow, which change places on the way back.
const ENDS_OF_FLOWS: &[(u16, u16)] = &[
    (7, 11),
    (8, 12),
    (9, 13),
    (10, 14),
    (16, 17),
    (27, 28),
    (29, 30),
    (44, 45),
    (56, 80),
    (58, 59),
    (81, 57),
    (92, 93),
    (129, 128),
    (170, 169),
    (180, 181),
    (182, 183),
    (225, 226),
    (227, 228),
    (231, 232),
    (234, 235),
    (243, 254),
    (245, 255),
    (252, 253),
    (281, 282),
    (298, 299),
    // A station's addresses stand for those of the source.
    (365, 80),
    (366, 12),
    (368, 369),
    (414, 415),
    (484, 485),
    (487, 488),
    (490, 491),
    (511, 512),
    (NSEL_SRC_ADDRESS, NSEL_DST_ADDRESS),
    (NSEL_SRC_PORT, NSEL_DST_PORT),
];

/// True for elements that say nothing about the way back: what was counted and measured on the way there, and the path that was
/// taken.
fn is_of_one_way(element: u16) -> bool {
    let next_hops = [BGP_NEXT_HOP, IP_NEXT_HOP, TOP_LABEL];
    PACKETS.contains(&element)
        || OCTETS.contains(&element)
        || next_hops.iter().any(|(v4, v6)| v4.contains(&element) || v6.contains(&element))
        || LABELS.contains(&element)
        || [SEGMENT_SECTION, SEGMENT_LIST].contains(&element)
        || (600..=PATH_DELAY_SUM).contains(&element)
}

/// The elements of a record that hold an element's value on the way back, the best first.
pub(crate) fn exchanged(element: u16) -> Vec<u16> {
    let other_end = |(a, b): &(u16, u16)| match element {
        _ if element == *a => Some(*b),
        _ if element == *b => Some(*a),
        _ => None,
    };
    let mut found: Vec<u16> = ENDS_OF_FLOWS.iter().filter_map(other_end).collect();
    if found.is_empty() && !is_of_one_way(element) {
        found.push(element);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::elements;

    /// The names of the registry say which elements belong to the two ends.
    #[test]
    fn every_element_of_one_end_has_its_other_end() {
        let swap = |name: &str| {
            let pairs = [
                ("source", "destination"),
                ("Source", "Destination"),
                ("ingress", "egress"),
                ("initiator", "responder"),
            ];
            pairs.iter().find(|(a, _)| name.contains(a)).map(|(a, b)| name.replace(a, b))
        };
        for element in elements::ELEMENTS {
            let Some(other) = swap(element.name).and_then(|name| elements::by_name(&name)) else { continue };
            // Counters of interfaces and of distinct addresses are of no single flow.
            if element.name.contains("TotalCount") || element.name.contains("distinct") {
                continue;
            }
            assert!(exchanged(element.number).contains(&other.number), "{}", element.name);
            assert!(exchanged(other.number).contains(&element.number), "{}", other.name);
        }
    }

    #[test]
    fn what_was_measured_on_one_way_is_not_that_of_the_other() {
        for element in [1, 2, 85, 86, 353, 15, 18, 63, 70, 79, 497, 603] {
            assert_eq!(exchanged(element), [], "element {element}");
        }
        assert_eq!((exchanged(4), exchanged(8), exchanged(298)), (vec![4], vec![12], vec![299]));
    }
}
