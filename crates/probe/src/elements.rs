//! Which information element exports which primitive.
//!
//! Numbers are those of the IANA registry; NetFlow v9 shares those up to 127, and collectors of v9 accept the others. The order is
//! that of the fields in templates.

use crate::communities::Communities;
use flow::column::Id;
use netflow::elements as ie;

/// Enterprise number of pmacct, for tags and labels.
pub const PMACCT: u32 = 43874;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A number or octets in this many octets.
    Octets(u16),
    /// An address of the record's family.
    Address,
    /// A port. That of the destination is type and code of ICMP.
    Port,
    /// TCP flags, one octet.
    Flags,
    /// A counter of this many octets.
    Counter(u16),
    /// A label stack entry of three octets.
    Label,
    /// Label stack entries in this many elements, from the top.
    Labels(u16),
    /// The identifier of a virtual network: its type (layer2SegmentId) and 56 bits.
    Segment(u8),
    /// Text of variable length; of fixed length in v9.
    Text,
    /// The number of an application, whose name is in options data.
    Application,
    /// A list of BGP communities; not in v9.
    Communities(Communities),
}

/// The elements of one column.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// The column.
    pub column: Id,
    /// Enterprise number; 0 for IANA's elements.
    pub enterprise: u32,
    /// Element in records of IPv4 flows, ingress and egress.
    pub v4: [u16; 2],
    /// The same for IPv6.
    pub v6: [u16; 2],
    /// How the value is written.
    pub encoding: Encoding,
}

const fn row(column: Id, element: u16, encoding: Encoding) -> Export {
    Export { column, enterprise: 0, v4: [element; 2], v6: [element; 2], encoding }
}

const fn family(column: Id, v4: u16, v6: u16, encoding: Encoding) -> Export {
    Export { v4: [v4; 2], v6: [v6; 2], ..row(column, v4, encoding) }
}

const fn sides(column: Id, ingress: u16, egress: u16, encoding: Encoding) -> Export {
    Export { v4: [ingress, egress], v6: [ingress, egress], ..row(column, ingress, encoding) }
}

const fn communities(column: Id, element: u16, kind: Communities) -> Export {
    row(column, element, Encoding::Communities(kind))
}

const fn pmacct(column: Id, element: u16, encoding: Encoding) -> Export {
    Export { enterprise: PMACCT, ..row(column, element, encoding) }
}

/// The table. Interfaces, the IP version, the direction, times, packets and bytes precede these fields in every template.
pub static EXPORTS: &[Export] = &[
    row(Id::Flows, ie::DELTA_FLOW_COUNT, Encoding::Counter(4)),
    family(Id::IpSrc, ie::SOURCE_IPV4_ADDRESS, ie::SOURCE_IPV6_ADDRESS, Encoding::Address),
    family(Id::IpDst, ie::DESTINATION_IPV4_ADDRESS, ie::DESTINATION_IPV6_ADDRESS, Encoding::Address),
    family(Id::NetSrc, ie::SOURCE_IPV4_PREFIX, ie::SOURCE_IPV6_PREFIX, Encoding::Address),
    family(Id::NetDst, ie::DESTINATION_IPV4_PREFIX, ie::DESTINATION_IPV6_PREFIX, Encoding::Address),
    family(Id::PeerIpDst, ie::BGP_NEXT_HOP_IPV4_ADDRESS, ie::BGP_NEXT_HOP_IPV6_ADDRESS, Encoding::Address),
    family(Id::MaskSrc, ie::SOURCE_IPV4_PREFIX_LENGTH, ie::SOURCE_IPV6_PREFIX_LENGTH, Encoding::Octets(1)),
    family(
        Id::MaskDst,
        ie::DESTINATION_IPV4_PREFIX_LENGTH,
        ie::DESTINATION_IPV6_PREFIX_LENGTH,
        Encoding::Octets(1),
    ),
    row(Id::PortSrc, ie::SOURCE_TRANSPORT_PORT, Encoding::Port),
    row(Id::PortDst, ie::DESTINATION_TRANSPORT_PORT, Encoding::Port),
    row(Id::Tos, ie::IP_CLASS_OF_SERVICE, Encoding::Octets(1)),
    row(Id::TcpFlags, ie::TCP_CONTROL_BITS, Encoding::Flags),
    row(Id::IpProto, ie::PROTOCOL_IDENTIFIER, Encoding::Octets(1)),
    row(Id::FlowLabel, ie::FLOW_LABEL_IPV6, Encoding::Octets(4)),
    row(Id::AsSrc, ie::BGP_SOURCE_AS_NUMBER, Encoding::Octets(4)),
    row(Id::AsDst, ie::BGP_DESTINATION_AS_NUMBER, Encoding::Octets(4)),
    row(Id::PeerAsSrc, ie::BGP_PREV_ADJACENT_AS_NUMBER, Encoding::Octets(4)),
    row(Id::PeerAsDst, ie::BGP_NEXT_ADJACENT_AS_NUMBER, Encoding::Octets(4)),
    sides(Id::MacSrc, ie::SOURCE_MAC_ADDRESS, ie::POST_SOURCE_MAC_ADDRESS, Encoding::Octets(6)),
    sides(Id::MacDst, ie::DESTINATION_MAC_ADDRESS, ie::POST_DESTINATION_MAC_ADDRESS, Encoding::Octets(6)),
    sides(Id::Vlan, ie::VLAN_ID, ie::POST_VLAN_ID, Encoding::Octets(2)),
    row(Id::CvlanIn, ie::DOT1Q_CUSTOMER_VLAN_ID, Encoding::Octets(2)),
    row(Id::Cos, ie::DOT1Q_PRIORITY, Encoding::Octets(1)),
    row(Id::Etype, ie::ETHERNET_TYPE, Encoding::Octets(2)),
    row(Id::MplsLabelTop, ie::MPLS_TOP_LABEL_STACK_SECTION, Encoding::Label),
    row(Id::MplsLabelStack, ie::MPLS_TOP_LABEL_STACK_SECTION, Encoding::Labels(6)),
    row(Id::Vxlan, ie::LAYER2_SEGMENT_ID, Encoding::Segment(1)),
    row(Id::Nvgre, ie::LAYER2_SEGMENT_ID, Encoding::Segment(2)),
    row(Id::SamplingRate, ie::SAMPLING_INTERVAL, Encoding::Octets(4)),
    row(Id::Class, ie::APPLICATION_ID, Encoding::Application),
    communities(Id::CommsSrc, ie::BGP_SOURCE_COMMUNITY_LIST, Communities::Standard),
    communities(Id::Comms, ie::BGP_DESTINATION_COMMUNITY_LIST, Communities::Standard),
    communities(Id::EcommsSrc, ie::BGP_SOURCE_EXTENDED_COMMUNITY_LIST, Communities::Extended),
    communities(Id::Ecomms, ie::BGP_DESTINATION_EXTENDED_COMMUNITY_LIST, Communities::Extended),
    communities(Id::LcommsSrc, ie::BGP_SOURCE_LARGE_COMMUNITY_LIST, Communities::Large),
    communities(Id::Lcomms, ie::BGP_DESTINATION_LARGE_COMMUNITY_LIST, Communities::Large),
    pmacct(Id::Tag, 1, Encoding::Octets(8)),
    pmacct(Id::Tag2, 2, Encoding::Octets(8)),
    pmacct(Id::Label, 3, Encoding::Text),
];

/// Columns that every record exports, outside the table.
pub(crate) const ALWAYS: &[Id] =
    &[Id::Packets, Id::Bytes, Id::TimestampMin, Id::TimestampMax, Id::IfaceIn, Id::IfaceOut];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_in_the_registry_with_that_size() {
        for export in EXPORTS.iter().filter(|export| export.enterprise == 0) {
            for element in export.v4.iter().chain(&export.v6) {
                let known = netflow::elements::find(*element);
                assert!(known.is_some(), "{:?}: {element}", export.column);
            }
        }
    }

    #[test]
    fn no_column_has_two_rows() {
        for (number, export) in EXPORTS.iter().enumerate() {
            assert!(EXPORTS.iter().skip(number + 1).all(|other| other.column != export.column));
        }
    }
}
