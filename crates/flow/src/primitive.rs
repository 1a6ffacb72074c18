//! The table of primitives: the words of `aggregate`, the fields that store them in rows and the columns that show them.

use crate::column::Id;
use crate::field::Field;
use crate::kind::Kind;

pub use daemons::Daemons;

const N: u8 = Daemons::NFACCTD.0;
const S: u8 = Daemons::SFACCTD.0;
const P: u8 = Daemons::PMACCTD.0;
const U: u8 = Daemons::UACCTD.0;
const ALL: u8 = Daemons::FLOW.0;

/// The groups in which `-a` lists the primitives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Link layer.
    L2,
    /// Internet layer.
    L3,
    /// Transport.
    L4,
    /// Routing.
    Bgp,
    /// NAT and firewalls.
    Nat,
    /// Inside a tunnel.
    Tunnel,
    /// MPLS.
    Mpls,
    /// Everything else.
    Misc,
    /// Times.
    Time,
    /// Both ends of a flow in one column.
    Sum,
}

impl Group {
    /// All groups, in the order of `-a`.
    pub const ALL: [Self; 10] = [
        Self::L2,
        Self::L3,
        Self::L4,
        Self::Bgp,
        Self::Nat,
        Self::Tunnel,
        Self::Mpls,
        Self::Misc,
        Self::Time,
        Self::Sum,
    ];

    /// The heading in `-a`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::Bgp => "BGP",
            Self::Nat => "NAT",
            Self::Tunnel => "TUNNEL",
            Self::Mpls => "MPLS",
            Self::Misc => "MISC",
            Self::Time => "TIME",
            Self::Sum => "SUM",
        }
    }
}

/// The source of the values of a primitive, if a daemon or its configuration may lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// The record or packet itself.
    Record,
    /// An Ethernet header; other link types have none.
    Ethernet,
    /// A source of AS numbers; packets contain none.
    Ases,
    /// A source of prefix lengths; packets contain none.
    Networks,
    /// The exporter, or a classifier of packets.
    Application,
    /// A classifier of the frames that exporters send.
    FrameApplication,
}

/// One primitive.
#[derive(Debug)]
pub struct Primitive {
    /// The word in `aggregate`.
    pub name: &'static str,
    /// The columns that outputs show. Their values are stored one after the other in the fields.
    pub columns: &'static [Id],
    /// The fields of a row that store it; counters are not fields.
    pub fields: &'static [Field],
    /// A second field that is aggregated under the same key: the `sum_` primitives.
    pub also: Option<Field>,
    /// Daemons that fill it; in others it stays empty, with a warning.
    pub daemons: Daemons,
    /// Group of `-a`.
    pub group: Group,
    /// The source of its values.
    pub supply: Supply,
    /// Description, for `-a` and the documents.
    pub doc: &'static str,
}

impl Primitive {
    /// The first column; `none` has no column.
    pub fn column(&self) -> Option<Id> {
        self.columns.first().copied()
    }

    /// Kind of the first column.
    pub fn kind(&self) -> Kind {
        self.column().map_or(Kind::None, |column| column.spec().kind)
    }

    /// Its first field.
    pub fn field(&self) -> Option<Field> {
        self.fields.first().copied()
    }

    const fn also(self, field: Field) -> Self {
        Self { also: Some(field), ..self }
    }

    const fn supplied_by(self, supply: Supply) -> Self {
        Self { supply, ..self }
    }
}

const fn row(
    name: &'static str,
    columns: &'static [Id],
    fields: &'static [Field],
    daemons: u8,
    group: Group,
    doc: &'static str,
) -> Primitive {
    let daemons = Daemons(daemons);
    Primitive { name, columns, fields, also: None, daemons, group, supply: Supply::Record, doc }
}

/// Finds a primitive by its name, ignoring case.
pub fn find(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// The first primitive that shows a column; `None` for counters that are always present, times of bins and similar columns.
pub fn showing(column: Id) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|p| p.columns.contains(&column))
}

/// All built-in primitives. Within each group they are in the order of `-a`.
#[rustfmt::skip]
pub static PRIMITIVES: &[Primitive] = &[
    row("cos", &[Id::Cos], &[Field::Cos], P | N | S, Group::L2, "Priority of the outermost 802.1Q tag"),
    row("etype", &[Id::Etype], &[Field::Etype], ALL, Group::L2, "EtherType of the payload, in hexadecimal"),
    row("src_mac", &[Id::MacSrc], &[Field::SrcMac], ALL, Group::L2, "Source MAC address").supplied_by(Supply::Ethernet),
    row("dst_mac", &[Id::MacDst], &[Field::DstMac], ALL, Group::L2, "Destination MAC address").supplied_by(Supply::Ethernet),
    row("vlan", &[Id::Vlan], &[Field::Vlan], P | N | S, Group::L2, "VLAN ID in the direction of the flow").supplied_by(Supply::Ethernet),
    row("in_vlan", &[Id::VlanIn], &[Field::InVlan], N | S, Group::L2, "Ingress VLAN ID"),
    row("out_vlan", &[Id::VlanOut], &[Field::OutVlan], N | S, Group::L2, "Egress VLAN ID"),
    row("in_cvlan", &[Id::CvlanIn], &[Field::InCvlan], P | N | S, Group::L2, "Ingress customer VLAN ID"),
    row("out_cvlan", &[Id::CvlanOut], &[Field::OutCvlan], N, Group::L2, "Egress customer VLAN ID"),
    row("src_host", &[Id::IpSrc], &[Field::SrcHost], ALL, Group::L3, "Source IPv4 or IPv6 address"),
    row("dst_host", &[Id::IpDst], &[Field::DstHost], ALL, Group::L3, "Destination IPv4 or IPv6 address"),
    row("src_mask", &[Id::MaskSrc], &[Field::SrcMask], ALL, Group::L3, "Prefix length of the source network"),
    row("dst_mask", &[Id::MaskDst], &[Field::DstMask], ALL, Group::L3, "Prefix length of the destination network"),
    row("src_net", &[Id::NetSrc], &[Field::SrcNet], ALL, Group::L3, "Source network: source address truncated to its prefix length").supplied_by(Supply::Networks),
    row("dst_net", &[Id::NetDst], &[Field::DstNet], ALL, Group::L3, "Destination network: destination address truncated to its prefix length").supplied_by(Supply::Networks),
    row("proto", &[Id::IpProto], &[Field::Proto], ALL, Group::L3, "IP protocol"),
    row("tos", &[Id::Tos], &[Field::Tos], ALL, Group::L3, "IPv4 type of service or IPv6 traffic class"),
    row("flow_label", &[Id::FlowLabel], &[Field::FlowLabel], ALL, Group::L3, "IPv6 flow label"),
    row("src_port", &[Id::PortSrc], &[Field::SrcPort], ALL, Group::L4, "Source port of TCP, UDP, SCTP"),
    row("dst_port", &[Id::PortDst], &[Field::DstPort], ALL, Group::L4, "Destination port of TCP, UDP, SCTP"),
    row("tcpflags", &[Id::TcpFlags], &[Field::TcpFlags], ALL, Group::L4, "TCP flags, ORed over the aggregate"),
    row("src_as", &[Id::AsSrc], &[Field::SrcAs], ALL, Group::Bgp, "Source AS number").supplied_by(Supply::Ases),
    row("dst_as", &[Id::AsDst], &[Field::DstAs], ALL, Group::Bgp, "Destination AS number").supplied_by(Supply::Ases),
    row("as_path", &[Id::AsPath], &[Field::AsPath], ALL, Group::Bgp, "AS path to the destination"),
    row("std_comm", &[Id::Comms], &[Field::Comms], ALL, Group::Bgp, "Standard communities of the route to the destination"),
    row("ext_comm", &[Id::Ecomms], &[Field::Ecomms], ALL, Group::Bgp, "Extended communities of the route to the destination"),
    row("lrg_comm", &[Id::Lcomms], &[Field::Lcomms], ALL, Group::Bgp, "Large communities of the route to the destination"),
    row("local_pref", &[Id::LocalPref], &[Field::LocalPref], ALL, Group::Bgp, "Local preference of the route to the destination"),
    row("med", &[Id::Med], &[Field::Med], ALL, Group::Bgp, "Multi-exit discriminator of the route to the destination"),
    row("src_as_path", &[Id::AsPathSrc], &[Field::SrcAsPath], ALL, Group::Bgp, "AS path to the source"),
    row("src_std_comm", &[Id::CommsSrc], &[Field::SrcComms], ALL, Group::Bgp, "Standard communities of the route to the source"),
    row("src_ext_comm", &[Id::EcommsSrc], &[Field::SrcEcomms], ALL, Group::Bgp, "Extended communities of the route to the source"),
    row("src_lrg_comm", &[Id::LcommsSrc], &[Field::SrcLcomms], ALL, Group::Bgp, "Large communities of the route to the source"),
    row("src_local_pref", &[Id::LocalPrefSrc], &[Field::SrcLocalPref], ALL, Group::Bgp, "Local preference of the route to the source"),
    row("src_med", &[Id::MedSrc], &[Field::SrcMed], ALL, Group::Bgp, "Multi-exit discriminator of the route to the source"),
    row("src_roa", &[Id::RoaSrc], &[Field::SrcRoa], ALL, Group::Bgp, "RPKI validity of the route to the source"),
    row("dst_roa", &[Id::RoaDst], &[Field::DstRoa], ALL, Group::Bgp, "RPKI validity of the route to the destination"),
    row("peer_src_as", &[Id::PeerAsSrc], &[Field::PeerSrcAs], ALL, Group::Bgp, "Neighbour AS that the traffic came from"),
    row("peer_dst_as", &[Id::PeerAsDst], &[Field::PeerDstAs], ALL, Group::Bgp, "Neighbour AS that the traffic goes to"),
    row("peer_dst_ip", &[Id::PeerIpDst], &[Field::PeerDstIp], ALL, Group::Bgp, "BGP next hop"),
    row("fw_event", &[Id::FwEvent], &[Field::FwEvent], N, Group::Nat, "Firewall event"),
    row("nat_event", &[Id::NatEvent], &[Field::NatEvent], N, Group::Nat, "NAT event"),
    row("post_nat_src_host", &[Id::PostNatIpSrc], &[Field::PostNatSrcHost], N, Group::Nat, "Source address after translation"),
    row("post_nat_dst_host", &[Id::PostNatIpDst], &[Field::PostNatDstHost], N, Group::Nat, "Destination address after translation"),
    row("post_nat_src_port", &[Id::PostNatPortSrc], &[Field::PostNatSrcPort], N, Group::Nat, "Source port after translation"),
    row("post_nat_dst_port", &[Id::PostNatPortDst], &[Field::PostNatDstPort], N, Group::Nat, "Destination port after translation"),
    row("vxlan", &[Id::Vxlan], &[Field::Vxlan], ALL, Group::Tunnel, "VXLAN network identifier"),
    row("nvgre", &[Id::Nvgre], &[Field::Nvgre], ALL, Group::Tunnel, "NVGRE virtual subnet identifier"),
    row("tunnel_src_mac", &[Id::TunnelMacSrc], &[Field::TunnelSrcMac], P | U | S, Group::Tunnel, "Source MAC address inside the tunnel"),
    row("tunnel_dst_mac", &[Id::TunnelMacDst], &[Field::TunnelDstMac], P | U | S, Group::Tunnel, "Destination MAC address inside the tunnel"),
    row("tunnel_src_host", &[Id::TunnelIpSrc], &[Field::TunnelSrcHost], ALL, Group::Tunnel, "Source address inside the tunnel"),
    row("tunnel_dst_host", &[Id::TunnelIpDst], &[Field::TunnelDstHost], ALL, Group::Tunnel, "Destination address inside the tunnel"),
    row("tunnel_proto", &[Id::TunnelIpProto], &[Field::TunnelProto], ALL, Group::Tunnel, "IP protocol inside the tunnel"),
    row("tunnel_tos", &[Id::TunnelTos], &[Field::TunnelTos], ALL, Group::Tunnel, "Type of service or traffic class inside the tunnel"),
    row("tunnel_src_port", &[Id::TunnelPortSrc], &[Field::TunnelSrcPort], ALL, Group::Tunnel, "Source port inside the tunnel"),
    row("tunnel_dst_port", &[Id::TunnelPortDst], &[Field::TunnelDstPort], ALL, Group::Tunnel, "Destination port inside the tunnel"),
    row("tunnel_tcpflags", &[Id::TunnelTcpFlags], &[Field::TunnelTcpFlags], ALL, Group::Tunnel, "TCP flags inside the tunnel, ORed over the aggregate"),
    row("tunnel_flow_label", &[Id::TunnelFlowLabel], &[Field::TunnelFlowLabel], ALL, Group::Tunnel, "IPv6 flow label inside the tunnel"),
    row("mpls_label_bottom", &[Id::MplsLabelBottom], &[Field::MplsLabelBottom], P | N | S, Group::Mpls, "MPLS label at the bottom of the stack"),
    row("mpls_label_top", &[Id::MplsLabelTop], &[Field::MplsLabelTop], P | N | S, Group::Mpls, "MPLS label at the top of the stack"),
    row("mpls_label_stack", &[Id::MplsLabelStack], &[Field::MplsLabelStack], P | N | S, Group::Mpls, "Whole MPLS label stack, top first"),
    row("mpls_vpn_rd", &[Id::MplsVpnRd, Id::MplsVpnRdOrigin], &[Field::MplsVpnRd, Field::MplsVpnRdOrigin], N | S, Group::Mpls, "Route distinguisher of the MPLS VPN"),
    row("mpls_pw_id", &[Id::MplsPwId], &[Field::MplsPwId], N | S, Group::Mpls, "Pseudowire ID of the MPLS L2 VPN"),
    row("vrf_name", &[Id::VrfName], &[Field::VrfName], N, Group::Mpls, "VRF name of the flow, from either side"),
    row("ingress_vrf_name", &[Id::IngressVrfName], &[Field::IngressVrfName], N, Group::Mpls, "Ingress VRF name"),
    row("egress_vrf_name", &[Id::EgressVrfName], &[Field::EgressVrfName], N, Group::Mpls, "Egress VRF name"),
    row("class", &[Id::Class], &[Field::Class], ALL, Group::Misc, "Application").supplied_by(Supply::Application),
    row("class_frame", &[Id::Class], &[Field::Class], N, Group::Misc, "Application, classified from the sampled frame").supplied_by(Supply::FrameApplication),
    row("flows", &[Id::Flows], &[], ALL, Group::Misc, "Number of flows"),
    row("src_host_country", &[Id::CountryIpSrc], &[Field::SrcCountry], ALL, Group::Misc, "Country of the source address"),
    row("dst_host_country", &[Id::CountryIpDst], &[Field::DstCountry], ALL, Group::Misc, "Country of the destination address"),
    row("src_host_pocode", &[Id::PocodeIpSrc], &[Field::SrcPocode], ALL, Group::Misc, "Postal code of the source address"),
    row("dst_host_pocode", &[Id::PocodeIpDst], &[Field::DstPocode], ALL, Group::Misc, "Postal code of the destination address"),
    row("src_host_coords", &[Id::LatIpSrc, Id::LonIpSrc], &[Field::SrcCoords], ALL, Group::Misc, "Latitude and longitude of the source address"),
    row("dst_host_coords", &[Id::LatIpDst, Id::LonIpDst], &[Field::DstCoords], ALL, Group::Misc, "Latitude and longitude of the destination address"),
    row("in_iface", &[Id::IfaceIn], &[Field::InIface], ALL, Group::Misc, "Input interface (SNMP ifIndex)"),
    row("out_iface", &[Id::IfaceOut], &[Field::OutIface], ALL, Group::Misc, "Output interface (SNMP ifIndex)"),
    row("in_iface_name", &[Id::IfaceNameIn], &[Field::InIfaceName], N, Group::Misc, "Name of the input interface"),
    row("out_iface_name", &[Id::IfaceNameOut], &[Field::OutIfaceName], N, Group::Misc, "Name of the output interface"),
    row("peer_src_ip", &[Id::PeerIpSrc], &[Field::PeerSrcIp], N | S, Group::Misc, "Address of the exporter"),
    row("sampling_rate", &[Id::SamplingRate], &[Field::SamplingRate], ALL, Group::Misc, "Sampling interval N: one in N packets is sampled"),
    row("sampling_direction", &[Id::SamplingDirection], &[Field::Direction], ALL, Group::Misc, "Observation point of the flow: i (ingress), e (egress), u (unknown)"),
    row("tag", &[Id::Tag], &[Field::Tag], ALL, Group::Misc, "Numeric tag of pre_tag_map"),
    row("tag2", &[Id::Tag2], &[Field::Tag2], ALL, Group::Misc, "Second numeric tag of pre_tag_map"),
    row("label", &[Id::Label], &[Field::Label], ALL, Group::Misc, "Text label of pre_tag_map"),
    row("export_proto_seqno", &[Id::ExportProtoSeqno], &[Field::ExportSequence], N | S, Group::Misc, "Sequence number in the header of the export protocol"),
    row("export_proto_version", &[Id::ExportProtoVersion], &[Field::ExportVersion], N | S, Group::Misc, "Version of the export protocol"),
    row("export_proto_sysid", &[Id::ExportProtoSysid], &[Field::ExportSysid], N | S, Group::Misc, "Engine, source ID or observation domain in the header of the export protocol"),
    row("fwd_status", &[Id::FwdStatus], &[Field::FwdStatus], N, Group::Misc, "Forwarding status"),
    row("path_delay_avg_usec", &[Id::PathDelayAvgUsec], &[Field::PathDelayAvg], N, Group::Misc, "Mean on-path delay, in microseconds"),
    row("path_delay_min_usec", &[Id::PathDelayMinUsec], &[Field::PathDelayMin], N, Group::Misc, "Minimum on-path delay, in microseconds"),
    row("path_delay_max_usec", &[Id::PathDelayMaxUsec], &[Field::PathDelayMax], N, Group::Misc, "Maximum on-path delay, in microseconds"),
    row("srv6_seg_ipv6_list", &[Id::Srv6SegIpv6List], &[Field::Srv6Segments], N, Group::Misc, "SRv6 segment list"),
    row("timestamp_start", &[Id::TimestampStart], &[Field::TimeStart], P | U | N, Group::Time, "Time at which the flow started or was observed"),
    row("timestamp_end", &[Id::TimestampEnd], &[Field::TimeEnd], N, Group::Time, "Time at which the flow ended"),
    row("timestamp_arrival", &[Id::TimestampArrival], &[Field::TimeArrival], ALL, Group::Time, "Time at which the collector received the flow"),
    row("timestamp_export", &[Id::TimestampExport], &[Field::TimeExport], N, Group::Time, "Time at which the exporter sent the flow"),
    row("none", &[], &[], ALL, Group::Misc, "No primitive: a single total"),
    row("sum_host", &[Id::IpSrc], &[Field::SrcHost], ALL, Group::Sum, "Each flow is counted under both addresses").also(Field::DstHost),
    row("sum_net", &[Id::NetSrc], &[Field::SrcNet], ALL, Group::Sum, "Each flow is counted under both networks").also(Field::DstNet).supplied_by(Supply::Networks),
    row("sum_as", &[Id::AsSrc], &[Field::SrcAs], ALL, Group::Sum, "Each flow is counted under both AS numbers").also(Field::DstAs).supplied_by(Supply::Ases),
    row("sum_port", &[Id::PortSrc], &[Field::SrcPort], ALL, Group::Sum, "Each flow is counted under both ports").also(Field::DstPort),
    row("sum_mac", &[Id::MacSrc], &[Field::SrcMac], ALL, Group::Sum, "Each flow is counted under both MAC addresses").also(Field::DstMac),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_fields_fit_their_columns() {
        let mut seen = HashSet::new();
        for p in PRIMITIVES {
            assert!(seen.insert(p.name), "{} twice", p.name);
            let columns: usize = p.columns.iter().map(|column| column.spec().kind.size()).sum();
            let fields: usize = p.fields.iter().map(|field| field.size()).sum();
            assert_eq!(columns, fields, "{}", p.name);
            if let Some(also) = p.also {
                assert_eq!(also.size(), fields, "{}", p.name);
            }
            assert!(!p.doc.is_empty() && !p.doc.ends_with('.'));
        }
    }

    #[test]
    fn columns_belong_to_a_primitive_or_an_option() {
        let without: Vec<_> = Id::ALL.iter().filter(|column| showing(**column).is_none()).collect();
        let by_options = [
            Id::TimestampMin,
            Id::TimestampMax,
            Id::Custom,
            Id::StampInserted,
            Id::StampUpdated,
            Id::Packets,
            Id::Bytes,
        ];
        assert_eq!(without, by_options.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_second_name_for_a_column_adds_no_daemons() {
        for p in PRIMITIVES {
            let first = p.column().and_then(showing).unwrap_or(p);
            assert_eq!(p.daemons.0 & !first.daemons.0, 0, "{}", p.name);
            assert_eq!(p.fields, first.fields, "{}", p.name);
        }
    }
}
