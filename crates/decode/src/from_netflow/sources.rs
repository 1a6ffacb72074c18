//! The elements that fill the fields of a row.
//!
//! Numbers are those of the IANA registry "IPFIX Information Elements". NetFlow v9 shares those up to 127.

use flow::field::Field;
use flow::presence::Presence;
use netflow::elements as ie;

/// Elements that are copied to a field, in order of preference. Numbers are right-aligned, so any reduced-size encoding
/// (RFC 7011 section 6.2) fits.
pub(crate) const PLAIN: &[(Field, &[u16])] = &[
    (Field::SrcMac, &[ie::SOURCE_MAC_ADDRESS, ie::POST_SOURCE_MAC_ADDRESS, ie::STA_MAC_ADDRESS]),
    (Field::DstMac, &[ie::DESTINATION_MAC_ADDRESS, ie::POST_DESTINATION_MAC_ADDRESS]),
    (Field::InVlan, &[ie::VLAN_ID, ie::DOT1Q_VLAN_ID]),
    (Field::OutVlan, &[ie::POST_VLAN_ID, ie::POST_DOT1Q_VLAN_ID]),
    (Field::InCvlan, &[ie::DOT1Q_CUSTOMER_VLAN_ID]),
    (Field::OutCvlan, &[ie::POST_DOT1Q_CUSTOMER_VLAN_ID]),
    (Field::Cos, &[ie::DOT1Q_PRIORITY]),
    (Field::Etype, &[ie::ETHERNET_TYPE]),
    (Field::Proto, &[ie::PROTOCOL_IDENTIFIER]),
    (Field::Tos, &[ie::IP_CLASS_OF_SERVICE]),
    (Field::FlowLabel, &[ie::FLOW_LABEL_IPV6]),
    (Field::DstPort, &[ie::DESTINATION_TRANSPORT_PORT]),
    (Field::SrcPort, &[ie::SOURCE_TRANSPORT_PORT]),
    (Field::TcpFlags, &[ie::TCP_CONTROL_BITS]),
    (Field::SrcAs, &[ie::BGP_SOURCE_AS_NUMBER]),
    (Field::DstAs, &[ie::BGP_DESTINATION_AS_NUMBER]),
    (Field::PeerSrcAs, &[ie::BGP_PREV_ADJACENT_AS_NUMBER]),
    (Field::PeerDstAs, &[ie::BGP_NEXT_ADJACENT_AS_NUMBER]),
    (Field::InIface, &[ie::INGRESS_INTERFACE, ie::INGRESS_PHYSICAL_INTERFACE]),
    (Field::OutIface, &[ie::EGRESS_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE]),
    (Field::FwEvent, &[ie::FIREWALL_EVENT, NSEL_EVENT]),
    (Field::NatEvent, &[ie::NAT_EVENT, NSEL_EVENT]),
    (Field::PostNatSrcPort, &[ie::POST_NAPT_SOURCE_TRANSPORT_PORT, NSEL_SRC_PORT]),
    (Field::PostNatDstPort, &[ie::POST_NAPT_DESTINATION_TRANSPORT_PORT, NSEL_DST_PORT]),
    (Field::MplsPwId, &[ie::PSEUDO_WIRE_ID]),
    (Field::IngressVrf, &[VRF.0]),
    (Field::EgressVrf, &[VRF.1]),
    (Field::Direction, &[ie::FLOW_DIRECTION]),
    (Field::FwdStatus, &[ie::FORWARDING_STATUS]),
    (Field::PathDelayAvg, &[PATH_DELAY_MEAN]),
    (Field::PathDelayMin, &[PATH_DELAY_MIN]),
    (Field::PathDelayMax, &[PATH_DELAY_MAX]),
];

// Private numbers that Cisco ASA uses in NetFlow v9 (NSEL) before version 8.4(5).
pub(crate) const NSEL_SRC_ADDRESS: u16 = 40001;
pub(crate) const NSEL_DST_ADDRESS: u16 = 40002;
const NSEL_SRC_PORT: u16 = 40003;
const NSEL_DST_PORT: u16 = 40004;
const NSEL_EVENT: u16 = 40005;
/// Supported numbers that are not in the registry.
pub(crate) const PRIVATE: std::ops::RangeInclusive<u16> = NSEL_SRC_ADDRESS..=NSEL_EVENT;

/// IP protocol. A template that has it twice describes an encapsulated packet, the outer one first.
pub(crate) const PROTOCOL: u16 = ie::PROTOCOL_IDENTIFIER;

/// Elements whose first occurrence belongs to the outer packet, if the template describes an encapsulated packet.
pub(crate) const OUTER: &[(Field, u16)] = &[
    (Field::TunnelProto, PROTOCOL),
    (Field::TunnelTos, ie::IP_CLASS_OF_SERVICE),
    (Field::TunnelTcpFlags, ie::TCP_CONTROL_BITS),
    (Field::TunnelSrcPort, ie::SOURCE_TRANSPORT_PORT),
    (Field::TunnelDstPort, ie::DESTINATION_TRANSPORT_PORT),
    (Field::TunnelFlowLabel, ie::FLOW_LABEL_IPV6),
];

/// Which packet an address belongs to, in templates that describe two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// There is only one.
    Only,
    /// The inner packet: the last occurrence.
    Inner,
    /// The outer packet: the first occurrence.
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
    Addresses {
        field: Field::SrcHost,
        v4: &[ie::SOURCE_IPV4_ADDRESS, ie::SOURCE_IPV4_PREFIX, ie::STA_IPV4_ADDRESS],
        v6: &[ie::SOURCE_IPV6_ADDRESS, ie::SOURCE_IPV6_PREFIX],
        side: Side::Inner,
    },
    Addresses {
        field: Field::DstHost,
        v4: &[ie::DESTINATION_IPV4_ADDRESS, ie::DESTINATION_IPV4_PREFIX],
        v6: &[ie::DESTINATION_IPV6_ADDRESS, ie::DESTINATION_IPV6_PREFIX],
        side: Side::Inner,
    },
    Addresses { field: Field::NextHop, v4: &IP_NEXT_HOP.0, v6: &IP_NEXT_HOP.1, side: Side::Only },
    Addresses {
        field: Field::PostNatSrcHost,
        v4: &[ie::POST_NAT_SOURCE_IPV4_ADDRESS, NSEL_SRC_ADDRESS],
        v6: &[ie::POST_NAT_SOURCE_IPV6_ADDRESS],
        side: Side::Only,
    },
    Addresses {
        field: Field::PostNatDstHost,
        v4: &[ie::POST_NAT_DESTINATION_IPV4_ADDRESS, NSEL_DST_ADDRESS],
        v6: &[ie::POST_NAT_DESTINATION_IPV6_ADDRESS],
        side: Side::Only,
    },
    Addresses {
        field: Field::TunnelSrcHost,
        v4: &[ie::SOURCE_IPV4_ADDRESS],
        v6: &[ie::SOURCE_IPV6_ADDRESS],
        side: Side::Outer,
    },
    Addresses {
        field: Field::TunnelDstHost,
        v4: &[ie::DESTINATION_IPV4_ADDRESS],
        v6: &[ie::DESTINATION_IPV6_ADDRESS],
        side: Side::Outer,
    },
];

/// BGP next hop.
pub(crate) const BGP_NEXT_HOP: ([u16; 1], [u16; 1]) =
    ([ie::BGP_NEXT_HOP_IPV4_ADDRESS], [ie::BGP_NEXT_HOP_IPV6_ADDRESS]);
/// IP next hop.
pub(crate) const IP_NEXT_HOP: ([u16; 1], [u16; 1]) =
    ([ie::IP_NEXT_HOP_IPV4_ADDRESS], [ie::IP_NEXT_HOP_IPV6_ADDRESS]);
/// Address of the MPLS top label, which is that of the egress router.
pub(crate) const TOP_LABEL: ([u16; 1], [u16; 1]) =
    ([ie::MPLS_TOP_LABEL_IPV4_ADDRESS], [ie::MPLS_TOP_LABEL_IPV6_ADDRESS]);
/// The exporter's own address.
pub(crate) const EXPORTER: ([u16; 1], [u16; 1]) = ([ie::EXPORTER_IPV4_ADDRESS], [ie::EXPORTER_IPV6_ADDRESS]);

/// Masks of a network, IPv4 and IPv6.
pub(crate) const MASKS: &[(Field, u16, u16)] = &[
    (Field::SrcMask, ie::SOURCE_IPV4_PREFIX_LENGTH, ie::SOURCE_IPV6_PREFIX_LENGTH),
    (Field::DstMask, ie::DESTINATION_IPV4_PREFIX_LENGTH, ie::DESTINATION_IPV6_PREFIX_LENGTH),
];

/// Presence bits, each set by any of the elements.
pub(crate) const PRESENCE: &[(Presence, &[u16])] = &[
    (Presence::InIface, &[ie::INGRESS_INTERFACE, ie::INGRESS_PHYSICAL_INTERFACE]),
    (Presence::OutIface, &[ie::EGRESS_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE]),
    (Presence::NextHop, &[ie::IP_NEXT_HOP_IPV4_ADDRESS, ie::IP_NEXT_HOP_IPV6_ADDRESS]),
    (Presence::BgpNextHop, &[ie::BGP_NEXT_HOP_IPV4_ADDRESS, ie::BGP_NEXT_HOP_IPV6_ADDRESS]),
    (Presence::Direction, &[ie::FLOW_DIRECTION]),
    (Presence::SrcAs, &[ie::BGP_SOURCE_AS_NUMBER]),
    (Presence::DstAs, &[ie::BGP_DESTINATION_AS_NUMBER]),
    (Presence::IngressVrf, &[VRF.0]),
    (Presence::EgressVrf, &[VRF.1]),
    (Presence::MplsPwId, &[ie::PSEUDO_WIRE_ID]),
    (Presence::SrcMac, &[ie::SOURCE_MAC_ADDRESS, ie::POST_SOURCE_MAC_ADDRESS, ie::STA_MAC_ADDRESS]),
    (Presence::DstMac, &[ie::DESTINATION_MAC_ADDRESS, ie::POST_DESTINATION_MAC_ADDRESS]),
    (Presence::Vlan, &[ie::VLAN_ID, ie::DOT1Q_VLAN_ID, ie::POST_VLAN_ID, ie::POST_DOT1Q_VLAN_ID]),
    (Presence::Cvlan, &[ie::DOT1Q_CUSTOMER_VLAN_ID, ie::POST_DOT1Q_CUSTOMER_VLAN_ID]),
    (Presence::SrcHost, &[ie::SOURCE_IPV4_ADDRESS, ie::SOURCE_IPV6_ADDRESS]),
    (Presence::DstHost, &[ie::DESTINATION_IPV4_ADDRESS, ie::DESTINATION_IPV6_ADDRESS]),
    (Presence::Proto, &[PROTOCOL]),
    (Presence::SrcPort, &[ie::SOURCE_TRANSPORT_PORT, UDP_PORTS.0, TCP_PORTS.0]),
    (Presence::DstPort, &[ie::DESTINATION_TRANSPORT_PORT, UDP_PORTS.1, TCP_PORTS.1]),
    (Presence::TcpFlags, &[ie::TCP_CONTROL_BITS]),
    (Presence::FwdStatus, &[ie::FORWARDING_STATUS]),
    (Presence::MplsLabelBottom, &[*LABELS.start()]),
    (Presence::FwEvent, &[ie::FIREWALL_EVENT, NSEL_EVENT]),
    (Presence::NatEvent, &[ie::NAT_EVENT]),
];

/// Presence bits of sampled frames.
pub(crate) const FRAME_PRESENCE: &[Presence] = &[
    Presence::SrcMac,
    Presence::DstMac,
    Presence::Vlan,
    Presence::SrcHost,
    Presence::DstHost,
    Presence::Proto,
    Presence::SrcPort,
    Presence::DstPort,
    Presence::TcpFlags,
];

/// Packet counters, in order of preference: delta, total, post delta, post total, layer 2 frames, initiator.
pub(crate) const PACKETS: &[u16] = &[
    ie::PACKET_DELTA_COUNT,
    ie::PACKET_TOTAL_COUNT,
    ie::POST_PACKET_DELTA_COUNT,
    ie::POST_PACKET_TOTAL_COUNT,
    ie::LAYER2_FRAME_DELTA_COUNT,
    ie::LAYER2_FRAME_TOTAL_COUNT,
    ie::INITIATOR_PACKETS,
];
/// Octet counters, in order of preference: delta, total, post delta, post total, layer 2 (416 and 419 are deprecated
/// numbers of 352 and 353), layer 2 post, initiator.
pub(crate) const OCTETS: &[u16] = &[
    ie::OCTET_DELTA_COUNT,
    ie::OCTET_TOTAL_COUNT,
    ie::POST_OCTET_DELTA_COUNT,
    ie::POST_OCTET_TOTAL_COUNT,
    ie::LAYER2_OCTET_DELTA_COUNT,
    ie::LAYER2_OCTET_TOTAL_COUNT,
    ie::LAYER2_OCTET_DELTA_COUNT_DEPRECATED,
    ie::LAYER2_OCTET_TOTAL_COUNT_DEPRECATED,
    ie::POST_LAYER2_OCTET_DELTA_COUNT,
    ie::POST_LAYER2_OCTET_TOTAL_COUNT,
    ie::INITIATOR_OCTETS,
];
/// Flow counter.
pub(crate) const FLOWS: u16 = ie::DELTA_FLOW_COUNT;

/// The encoding of a time element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// NTP timestamp (RFC 7011 section 6.1.9). Microseconds and nanoseconds differ only in precision.
    Ntp,
    /// Milliseconds of the exporter's uptime.
    Uptime,
    /// Microseconds before the export time (RFC 7011 section 6.1, elements 158 and 159).
    BeforeExport,
}

/// Start time of a flow, in order of preference. The observation times are last: records of events have only these.
pub(crate) const START_TIMES: &[(u16, Clock)] = &[
    (ie::FLOW_START_MILLISECONDS, Clock::Milliseconds),
    (ie::FLOW_START_MICROSECONDS, Clock::Ntp),
    (ie::FLOW_START_NANOSECONDS, Clock::Ntp),
    (ie::FLOW_START_SECONDS, Clock::Seconds),
    (ie::FLOW_START_SYS_UP_TIME, Clock::Uptime),
    (ie::FLOW_START_DELTA_MICROSECONDS, Clock::BeforeExport),
    (ie::OBSERVATION_TIME_MILLISECONDS, Clock::Milliseconds),
    (ie::OBSERVATION_TIME_MICROSECONDS, Clock::Ntp),
    (ie::OBSERVATION_TIME_NANOSECONDS, Clock::Ntp),
    (ie::OBSERVATION_TIME_SECONDS, Clock::Seconds),
];

/// End time of a flow, in order of preference.
pub(crate) const END_TIMES: &[(u16, Clock)] = &[
    (ie::FLOW_END_MILLISECONDS, Clock::Milliseconds),
    (ie::FLOW_END_MICROSECONDS, Clock::Ntp),
    (ie::FLOW_END_NANOSECONDS, Clock::Ntp),
    (ie::FLOW_END_SECONDS, Clock::Seconds),
    (ie::FLOW_END_SYS_UP_TIME, Clock::Uptime),
    (ie::FLOW_END_DELTA_MICROSECONDS, Clock::BeforeExport),
];

/// Start time of the exporter, milliseconds since 1970.
pub(crate) const SYSTEM_INIT: u16 = ie::SYSTEM_INIT_TIME_MILLISECONDS;
/// Sampler of a flow.
pub(crate) const SAMPLER_ID: u16 = ie::SAMPLER_ID;
/// Selector of a flow (RFC 5477).
pub(crate) const SELECTOR_ID: u16 = ie::SELECTOR_ID;
/// Sampling interval of a flow.
pub(crate) const INTERVALS: [u16; 2] = [ie::SAMPLING_INTERVAL, ie::SAMPLER_RANDOM_INTERVAL];
/// Ingress and egress interface, in order of preference.
pub(crate) const INTERFACES: [[u16; 2]; 2] = [
    [ie::INGRESS_INTERFACE, ie::INGRESS_PHYSICAL_INTERFACE],
    [ie::EGRESS_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE],
];
/// Probability that a packet is sampled, a floating-point number.
pub(crate) const PROBABILITY: u16 = ie::SAMPLING_PROBABILITY;
/// Ingress and egress VRF.
pub(crate) const VRF: (u16, u16) = (ie::INGRESS_VRF_ID, ie::EGRESS_VRF_ID);
/// Route distinguisher.
pub(crate) const ROUTE_DISTINGUISHER: u16 = ie::MPLS_VPN_ROUTE_DISTINGUISHER;
/// Application id.
pub(crate) const APPLICATION_ID: u16 = ie::APPLICATION_ID;
/// Label stack entries, top first.
pub(crate) const LABELS: std::ops::RangeInclusive<u16> =
    ie::MPLS_TOP_LABEL_STACK_SECTION..=ie::MPLS_LABEL_STACK_SECTION10;
/// Segment list as octets, and as a basic list (RFC 6313 section 4.5.1).
pub(crate) const SEGMENT_SECTION: u16 = ie::SRH_SEGMENT_IPV6_LIST_SECTION;
/// As above.
pub(crate) const SEGMENT_LIST: u16 = ie::SRH_SEGMENT_IPV6_BASIC_LIST;
/// Layer 2 segment id: the type in the first octet, the id in the remaining ones.
pub(crate) const LAYER2_SEGMENT: u16 = ie::LAYER2_SEGMENT_ID;
/// UDP and TCP ports by protocol: source, destination.
pub(crate) const UDP_PORTS: (u16, u16) = (ie::UDP_SOURCE_PORT, ie::UDP_DESTINATION_PORT);
/// As above.
pub(crate) const TCP_PORTS: (u16, u16) = (ie::TCP_SOURCE_PORT, ie::TCP_DESTINATION_PORT);
/// Start of a frame.
pub(crate) const FRAMES: &[u16] = &[ie::DATA_LINK_FRAME_SECTION, ie::LAYER2_PACKET_SECTION_DATA];
/// Start of an IP packet.
pub(crate) const PACKET_SECTION: u16 = ie::IP_HEADER_PACKET_SECTION;
/// On-path delays, which are not in the registry yet: mean, minimum, maximum.
pub(crate) const PATH_DELAY_MEAN: u16 = 600;
/// As above.
pub(crate) const PATH_DELAY_MIN: u16 = 601;
/// As above.
pub(crate) const PATH_DELAY_MAX: u16 = 602;
/// Sum of on-path delays.
pub(crate) const PATH_DELAY_SUM: u16 = 603;
/// Enterprise number of nfprobe's elements.
pub(crate) const PMACCT: u32 = 43874;
/// Tags and label in it.
pub(crate) const PMACCT_TAG: u16 = 1;
/// As above.
pub(crate) const PMACCT_TAG2: u16 = 2;
/// As above.
pub(crate) const PMACCT_LABEL: u16 = 3;
/// The bit that marks elements of enterprises in templates (RFC 7011 section 3.2).
pub(crate) const ENTERPRISE_BIT: u16 = 0x8000;
/// Enterprise number of reverse elements (RFC 5103).
pub(crate) const REVERSE: u32 = 29305;

/// Elements of the two endpoints of a flow, which are swapped in the reverse direction.
const ENDPOINT_PAIRS: &[(u16, u16)] = &[
    (ie::SOURCE_TRANSPORT_PORT, ie::DESTINATION_TRANSPORT_PORT),
    (ie::SOURCE_IPV4_ADDRESS, ie::DESTINATION_IPV4_ADDRESS),
    (ie::SOURCE_IPV4_PREFIX_LENGTH, ie::DESTINATION_IPV4_PREFIX_LENGTH),
    (ie::INGRESS_INTERFACE, ie::EGRESS_INTERFACE),
    (ie::BGP_SOURCE_AS_NUMBER, ie::BGP_DESTINATION_AS_NUMBER),
    (ie::SOURCE_IPV6_ADDRESS, ie::DESTINATION_IPV6_ADDRESS),
    (ie::SOURCE_IPV6_PREFIX_LENGTH, ie::DESTINATION_IPV6_PREFIX_LENGTH),
    (ie::SOURCE_IPV4_PREFIX, ie::DESTINATION_IPV4_PREFIX),
    (ie::SOURCE_MAC_ADDRESS, ie::DESTINATION_MAC_ADDRESS),
    (ie::VLAN_ID, ie::POST_VLAN_ID),
    (ie::POST_SOURCE_MAC_ADDRESS, ie::POST_DESTINATION_MAC_ADDRESS),
    (ie::SRC_TRAFFIC_INDEX, ie::DST_TRAFFIC_INDEX),
    (ie::BGP_PREV_ADJACENT_AS_NUMBER, ie::BGP_NEXT_ADJACENT_AS_NUMBER),
    (ie::SOURCE_IPV6_PREFIX, ie::DESTINATION_IPV6_PREFIX),
    (ie::UDP_SOURCE_PORT, ie::UDP_DESTINATION_PORT),
    (ie::TCP_SOURCE_PORT, ie::TCP_DESTINATION_PORT),
    (ie::POST_NAT_SOURCE_IPV4_ADDRESS, ie::POST_NAT_DESTINATION_IPV4_ADDRESS),
    (ie::POST_NAPT_SOURCE_TRANSPORT_PORT, ie::POST_NAPT_DESTINATION_TRANSPORT_PORT),
    (ie::INITIATOR_OCTETS, ie::RESPONDER_OCTETS),
    (ie::INGRESS_VRF_ID, ie::EGRESS_VRF_ID),
    (ie::DOT1Q_VLAN_ID, ie::POST_DOT1Q_VLAN_ID),
    (ie::DOT1Q_CUSTOMER_VLAN_ID, ie::POST_DOT1Q_CUSTOMER_VLAN_ID),
    (ie::INGRESS_PHYSICAL_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE),
    (ie::POST_NAT_SOURCE_IPV6_ADDRESS, ie::POST_NAT_DESTINATION_IPV6_ADDRESS),
    (ie::INITIATOR_PACKETS, ie::RESPONDER_PACKETS),
    // The addresses of a station are those of the source.
    (ie::STA_MAC_ADDRESS, ie::DESTINATION_MAC_ADDRESS),
    (ie::STA_IPV4_ADDRESS, ie::DESTINATION_IPV4_ADDRESS),
    (ie::INGRESS_INTERFACE_TYPE, ie::EGRESS_INTERFACE_TYPE),
    (ie::DOT1Q_CUSTOMER_SOURCE_MAC_ADDRESS, ie::DOT1Q_CUSTOMER_DESTINATION_MAC_ADDRESS),
    (ie::BGP_SOURCE_COMMUNITY_LIST, ie::BGP_DESTINATION_COMMUNITY_LIST),
    (ie::BGP_SOURCE_EXTENDED_COMMUNITY_LIST, ie::BGP_DESTINATION_EXTENDED_COMMUNITY_LIST),
    (ie::BGP_SOURCE_LARGE_COMMUNITY_LIST, ie::BGP_DESTINATION_LARGE_COMMUNITY_LIST),
    (ie::BGP_SOURCE_AS_PATH_LIST, ie::BGP_DESTINATION_AS_PATH_LIST),
    (NSEL_SRC_ADDRESS, NSEL_DST_ADDRESS),
    (NSEL_SRC_PORT, NSEL_DST_PORT),
];

/// Returns true for elements that describe only the forward direction: counters, measurements and the path.
const fn is_directional(element: u16) -> bool {
    let next_hops = [BGP_NEXT_HOP, IP_NEXT_HOP, TOP_LABEL];
    let mut at = 0;
    while at < next_hops.len() {
        if contains(&next_hops[at].0, element) || contains(&next_hops[at].1, element) {
            return true;
        }
        at += 1;
    }
    contains(PACKETS, element)
        || contains(OCTETS, element)
        || *LABELS.start() <= element && element <= *LABELS.end()
        || element == SEGMENT_SECTION
        || element == SEGMENT_LIST
        || PATH_DELAY_MEAN <= element && element <= PATH_DELAY_SUM
}

const fn contains(elements: &[u16], element: u16) -> bool {
    let mut at = 0;
    while at < elements.len() {
        if elements[at] == element {
            return true;
        }
        at += 1;
    }
    false
}

/// Finds the elements that have an element's value in the reverse direction, by [`ENDPOINT_PAIRS`].
const fn find_counterparts(element: u16) -> [u16; 2] {
    let mut found = [0; 2];
    let mut count = 0;
    let mut at = 0;
    while at < ENDPOINT_PAIRS.len() {
        let (a, b) = ENDPOINT_PAIRS[at];
        if element == a || element == b {
            found[count] = if element == a { b } else { a };
            count += 1;
        }
        at += 1;
    }
    if count == 0 && !is_directional(element) {
        found[0] = element;
    }
    found
}

/// Number of elements whose counterparts are precomputed: all that fill rows, except those of NSEL.
const PRECOMPUTED: usize = 1024;

static COUNTERPARTS: [[u16; 2]; PRECOMPUTED] = {
    let mut table = [[0; 2]; PRECOMPUTED];
    let mut element = 0;
    while element < PRECOMPUTED {
        table[element] = find_counterparts(element as u16);
        element += 1;
    }
    table
};

/// Returns the elements that have an element's value in the reverse direction, in order of preference; 0 is none.
pub(crate) fn counterparts(element: u16) -> [u16; 2] {
    COUNTERPARTS.get(usize::from(element)).copied().unwrap_or_else(|| find_counterparts(element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::elements;

    /// Finds the elements of the two endpoints by their names in the registry.
    #[test]
    fn every_element_of_an_endpoint_has_its_counterpart() {
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
            // Counters of interfaces and of distinct addresses do not belong to a single flow.
            if element.name.contains("TotalCount") || element.name.contains("distinct") {
                continue;
            }
            assert!(counterparts(element.number).contains(&other.number), "{}", element.name);
            assert!(counterparts(other.number).contains(&element.number), "{}", other.name);
        }
    }

    #[test]
    fn measurements_of_the_forward_direction_have_no_counterpart() {
        for element in [1, 2, 85, 86, 353, 15, 18, 63, 70, 79, 497, 603] {
            assert_eq!(counterparts(element), [0; 2], "element {element}");
        }
        assert_eq!([4, 8, 298, 12].map(counterparts), [[4, 0], [12, 0], [299, 0], [8, 366]]);
    }
}
