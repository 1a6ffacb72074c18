//! THE table of primitives: the words of `aggregate`, their names in the outputs and where rows keep them.

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
    /// Translation and firewalls.
    Nat,
    /// Inside a tunnel.
    Tunnel,
    /// MPLS.
    Mpls,
    /// The rest.
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

    /// The heading.
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

/// One primitive.
#[derive(Debug)]
pub struct Primitive {
    /// The word in `aggregate`.
    pub name: &'static str,
    /// Member in JSON, field in Avro.
    pub json: &'static str,
    /// Column title in CSV and formatted output.
    pub header: &'static str,
    /// Column width of the formatted output; 0 where the reference has no such column there.
    pub width: u8,
    /// Kind of the value.
    pub kind: Kind,
    /// Where a row keeps it.
    pub field: Option<Field>,
    /// Second field, counted under the same key: the `sum_` primitives.
    pub also: Option<Field>,
    /// Daemons that fill it; others warn that it stays empty.
    pub daemons: Daemons,
    /// Group of `-a`.
    pub group: Group,
    /// Position among the members of a JSON object.
    pub json_order: u8,
    /// Position among the columns of CSV and formatted output; 0 where they have none.
    pub csv_order: u8,
    /// What it is, for `-a` and the documents.
    pub doc: &'static str,
}

/// The primitive of that name, in any case.
pub fn find(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// All primitives that are built in.
#[rustfmt::skip]
pub static PRIMITIVES: &[Primitive] = &[
    Primitive { name: "cos", json: "cos", header: "COS", width: 4, kind: Kind::U8, field: Some(Field::Cos), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 13, csv_order: 12, doc: "Priority of the outermost 802.1Q tag" },
    Primitive { name: "etype", json: "etype", header: "ETYPE", width: 7, kind: Kind::EtherType, field: Some(Field::Etype), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 14, csv_order: 13, doc: "EtherType of the payload, in hexadecimal" },
    Primitive { name: "src_mac", json: "mac_src", header: "SRC_MAC", width: 19, kind: Kind::Mac, field: Some(Field::SrcMac), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 6, csv_order: 5, doc: "Source MAC address" },
    Primitive { name: "dst_mac", json: "mac_dst", header: "DST_MAC", width: 19, kind: Kind::Mac, field: Some(Field::DstMac), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 7, csv_order: 6, doc: "Destination MAC address" },
    Primitive { name: "vlan", json: "vlan", header: "VLAN", width: 7, kind: Kind::U16, field: Some(Field::Vlan), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 8, csv_order: 7, doc: "VLAN id in the direction of the flow" },
    Primitive { name: "in_vlan", json: "vlan_in", header: "IN_VLAN", width: 9, kind: Kind::U16, field: Some(Field::InVlan), also: None, daemons: Daemons(N | S), group: Group::L2, json_order: 9, csv_order: 8, doc: "VLAN id on the way in" },
    Primitive { name: "out_vlan", json: "vlan_out", header: "OUT_VLAN", width: 10, kind: Kind::U16, field: Some(Field::OutVlan), also: None, daemons: Daemons(N | S), group: Group::L2, json_order: 10, csv_order: 9, doc: "VLAN id on the way out" },
    Primitive { name: "in_cvlan", json: "cvlan_in", header: "IN_CVLAN", width: 10, kind: Kind::U16, field: Some(Field::InCvlan), also: None, daemons: Daemons(ALL), group: Group::L2, json_order: 11, csv_order: 10, doc: "Customer VLAN id on the way in" },
    Primitive { name: "out_cvlan", json: "cvlan_out", header: "OUT_CVLAN", width: 11, kind: Kind::U16, field: Some(Field::OutCvlan), also: None, daemons: Daemons(N), group: Group::L2, json_order: 12, csv_order: 11, doc: "Customer VLAN id on the way out" },
    Primitive { name: "src_host", json: "ip_src", header: "SRC_IP", width: 47, kind: Kind::Ip, field: Some(Field::SrcHost), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 40, csv_order: 43, doc: "Source IPv4 or IPv6 address" },
    Primitive { name: "dst_host", json: "ip_dst", header: "DST_IP", width: 47, kind: Kind::Ip, field: Some(Field::DstHost), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 42, csv_order: 45, doc: "Destination IPv4 or IPv6 address" },
    Primitive { name: "src_mask", json: "mask_src", header: "SRC_MASK", width: 10, kind: Kind::U8, field: Some(Field::SrcMask), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 44, csv_order: 47, doc: "Prefix length of the source network" },
    Primitive { name: "dst_mask", json: "mask_dst", header: "DST_MASK", width: 10, kind: Kind::U8, field: Some(Field::DstMask), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 45, csv_order: 48, doc: "Prefix length of the destination network" },
    Primitive { name: "src_net", json: "net_src", header: "SRC_NET", width: 47, kind: Kind::Ip, field: Some(Field::SrcNet), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 41, csv_order: 44, doc: "Source network: the source address cut at its mask" },
    Primitive { name: "dst_net", json: "net_dst", header: "DST_NET", width: 47, kind: Kind::Ip, field: Some(Field::DstNet), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 43, csv_order: 46, doc: "Destination network: the destination address cut at its mask" },
    Primitive { name: "proto", json: "ip_proto", header: "PROTOCOL", width: 12, kind: Kind::Proto, field: Some(Field::Proto), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 63, csv_order: 52, doc: "IP protocol" },
    Primitive { name: "tos", json: "tos", header: "TOS", width: 7, kind: Kind::U8, field: Some(Field::Tos), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 64, csv_order: 53, doc: "IPv4 type of service or IPv6 traffic class" },
    Primitive { name: "flow_label", json: "flow_label", header: "FLOW_LABEL", width: 11, kind: Kind::U32, field: Some(Field::FlowLabel), also: None, daemons: Daemons(ALL), group: Group::L3, json_order: 65, csv_order: 54, doc: "IPv6 flow label" },
    Primitive { name: "src_port", json: "port_src", header: "SRC_PORT", width: 10, kind: Kind::U16, field: Some(Field::SrcPort), also: None, daemons: Daemons(ALL), group: Group::L4, json_order: 46, csv_order: 49, doc: "Source port of TCP, UDP, SCTP" },
    Primitive { name: "dst_port", json: "port_dst", header: "DST_PORT", width: 10, kind: Kind::U16, field: Some(Field::DstPort), also: None, daemons: Daemons(ALL), group: Group::L4, json_order: 47, csv_order: 50, doc: "Destination port of TCP, UDP, SCTP" },
    Primitive { name: "tcpflags", json: "tcp_flags", header: "TCP_FLAGS", width: 11, kind: Kind::TcpFlags, field: Some(Field::TcpFlags), also: None, daemons: Daemons(ALL), group: Group::L4, json_order: 56, csv_order: 51, doc: "TCP flags, ORed over the aggregate" },
    Primitive { name: "src_as", json: "as_src", header: "SRC_AS", width: 12, kind: Kind::U32, field: Some(Field::SrcAs), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 15, csv_order: 14, doc: "Source AS number" },
    Primitive { name: "dst_as", json: "as_dst", header: "DST_AS", width: 12, kind: Kind::U32, field: Some(Field::DstAs), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 16, csv_order: 15, doc: "Destination AS number" },
    Primitive { name: "as_path", json: "as_path", header: "AS_PATH", width: 0, kind: Kind::AsPath, field: Some(Field::AsPath), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 20, csv_order: 22, doc: "AS path to the destination" },
    Primitive { name: "std_comm", json: "comms", header: "COMMS", width: 0, kind: Kind::Communities, field: Some(Field::Comms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 17, csv_order: 16, doc: "Standard communities of the route to the destination" },
    Primitive { name: "ext_comm", json: "ecomms", header: "ECOMMS", width: 0, kind: Kind::Communities, field: Some(Field::Ecomms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 18, csv_order: 17, doc: "Extended communities of the route to the destination" },
    Primitive { name: "lrg_comm", json: "lcomms", header: "LCOMMS", width: 0, kind: Kind::Communities, field: Some(Field::Lcomms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 19, csv_order: 18, doc: "Large communities of the route to the destination" },
    Primitive { name: "local_pref", json: "local_pref", header: "PREF", width: 9, kind: Kind::U32, field: Some(Field::LocalPref), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 21, csv_order: 24, doc: "Local preference of the route to the destination" },
    Primitive { name: "med", json: "med", header: "MED", width: 8, kind: Kind::U32, field: Some(Field::Med), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 22, csv_order: 26, doc: "Multi-exit discriminator of the route to the destination" },
    Primitive { name: "src_as_path", json: "as_path_src", header: "SRC_AS_PATH", width: 0, kind: Kind::AsPath, field: Some(Field::SrcAsPath), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 31, csv_order: 23, doc: "AS path to the source" },
    Primitive { name: "src_std_comm", json: "comms_src", header: "SRC_COMMS", width: 0, kind: Kind::Communities, field: Some(Field::SrcComms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 28, csv_order: 19, doc: "Standard communities of the route to the source" },
    Primitive { name: "src_ext_comm", json: "ecomms_src", header: "SRC_ECOMMS", width: 0, kind: Kind::Communities, field: Some(Field::SrcEcomms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 29, csv_order: 20, doc: "Extended communities of the route to the source" },
    Primitive { name: "src_lrg_comm", json: "lcomms_src", header: "SRC_LCOMMS", width: 0, kind: Kind::Communities, field: Some(Field::SrcLcomms), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 30, csv_order: 21, doc: "Large communities of the route to the source" },
    Primitive { name: "src_local_pref", json: "local_pref_src", header: "SRC_PREF", width: 9, kind: Kind::U32, field: Some(Field::SrcLocalPref), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 32, csv_order: 25, doc: "Local preference of the route to the source" },
    Primitive { name: "src_med", json: "med_src", header: "SRC_MED", width: 8, kind: Kind::U32, field: Some(Field::SrcMed), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 33, csv_order: 27, doc: "Multi-exit discriminator of the route to the source" },
    Primitive { name: "src_roa", json: "roa_src", header: "SRC_ROA", width: 8, kind: Kind::Roa, field: Some(Field::SrcRoa), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 34, csv_order: 28, doc: "RPKI validity of the route to the source" },
    Primitive { name: "dst_roa", json: "roa_dst", header: "DST_ROA", width: 8, kind: Kind::Roa, field: Some(Field::DstRoa), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 23, csv_order: 29, doc: "RPKI validity of the route to the destination" },
    Primitive { name: "peer_src_as", json: "peer_as_src", header: "PEER_SRC_AS", width: 12, kind: Kind::U32, field: Some(Field::PeerSrcAs), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 24, csv_order: 30, doc: "Neighbour AS that the traffic came from" },
    Primitive { name: "peer_dst_as", json: "peer_as_dst", header: "PEER_DST_AS", width: 12, kind: Kind::U32, field: Some(Field::PeerDstAs), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 25, csv_order: 31, doc: "Neighbour AS that the traffic goes to" },
    Primitive { name: "peer_dst_ip", json: "peer_ip_dst", header: "PEER_DST_IP", width: 47, kind: Kind::Ip, field: Some(Field::PeerDstIp), also: None, daemons: Daemons(ALL), group: Group::Bgp, json_order: 27, csv_order: 33, doc: "BGP next hop" },
    Primitive { name: "fw_event", json: "fw_event", header: "FW_EVENT", width: 9, kind: Kind::U8, field: Some(Field::FwEvent), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 73, csv_order: 70, doc: "Firewall event" },
    Primitive { name: "nat_event", json: "nat_event", header: "NAT_EVENT", width: 10, kind: Kind::U8, field: Some(Field::NatEvent), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 72, csv_order: 69, doc: "NAT event" },
    Primitive { name: "post_nat_src_host", json: "post_nat_ip_src", header: "POST_NAT_SRC_IP", width: 47, kind: Kind::Ip, field: Some(Field::PostNatSrcHost), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 68, csv_order: 65, doc: "Source address after translation" },
    Primitive { name: "post_nat_dst_host", json: "post_nat_ip_dst", header: "POST_NAT_DST_IP", width: 47, kind: Kind::Ip, field: Some(Field::PostNatDstHost), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 69, csv_order: 66, doc: "Destination address after translation" },
    Primitive { name: "post_nat_src_port", json: "post_nat_port_src", header: "POST_NAT_SRC_PORT", width: 19, kind: Kind::U16, field: Some(Field::PostNatSrcPort), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 70, csv_order: 67, doc: "Source port after translation" },
    Primitive { name: "post_nat_dst_port", json: "post_nat_port_dst", header: "POST_NAT_DST_PORT", width: 19, kind: Kind::U16, field: Some(Field::PostNatDstPort), also: None, daemons: Daemons(N), group: Group::Nat, json_order: 71, csv_order: 68, doc: "Destination port after translation" },
    Primitive { name: "vxlan", json: "vxlan", header: "VXLAN", width: 10, kind: Kind::U32, field: Some(Field::Vxlan), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 86, csv_order: 85, doc: "VXLAN network identifier" },
    Primitive { name: "nvgre", json: "nvgre", header: "NVGRE", width: 10, kind: Kind::U32, field: Some(Field::Nvgre), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 87, csv_order: 86, doc: "NVGRE virtual subnet identifier" },
    Primitive { name: "tunnel_src_mac", json: "tunnel_mac_src", header: "TUNNEL_SRC_MAC", width: 19, kind: Kind::Mac, field: Some(Field::TunnelSrcMac), also: None, daemons: Daemons(P | U | S), group: Group::Tunnel, json_order: 76, csv_order: 75, doc: "Source MAC address inside the tunnel" },
    Primitive { name: "tunnel_dst_mac", json: "tunnel_mac_dst", header: "TUNNEL_DST_MAC", width: 19, kind: Kind::Mac, field: Some(Field::TunnelDstMac), also: None, daemons: Daemons(P | U | S), group: Group::Tunnel, json_order: 77, csv_order: 76, doc: "Destination MAC address inside the tunnel" },
    Primitive { name: "tunnel_src_host", json: "tunnel_ip_src", header: "TUNNEL_SRC_IP", width: 47, kind: Kind::Ip, field: Some(Field::TunnelSrcHost), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 78, csv_order: 77, doc: "Source address inside the tunnel" },
    Primitive { name: "tunnel_dst_host", json: "tunnel_ip_dst", header: "TUNNEL_DST_IP", width: 47, kind: Kind::Ip, field: Some(Field::TunnelDstHost), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 79, csv_order: 78, doc: "Destination address inside the tunnel" },
    Primitive { name: "tunnel_proto", json: "tunnel_ip_proto", header: "TUNNEL_PROTOCOL", width: 17, kind: Kind::Proto, field: Some(Field::TunnelProto), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 80, csv_order: 79, doc: "IP protocol inside the tunnel" },
    Primitive { name: "tunnel_tos", json: "tunnel_tos", header: "TUNNEL_TOS", width: 12, kind: Kind::U8, field: Some(Field::TunnelTos), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 81, csv_order: 80, doc: "Type of service or traffic class inside the tunnel" },
    Primitive { name: "tunnel_src_port", json: "tunnel_port_src", header: "TUNNEL_SRC_PORT", width: 17, kind: Kind::U16, field: Some(Field::TunnelSrcPort), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 83, csv_order: 82, doc: "Source port inside the tunnel" },
    Primitive { name: "tunnel_dst_port", json: "tunnel_port_dst", header: "TUNNEL_DST_PORT", width: 17, kind: Kind::U16, field: Some(Field::TunnelDstPort), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 84, csv_order: 83, doc: "Destination port inside the tunnel" },
    Primitive { name: "tunnel_tcpflags", json: "tunnel_tcp_flags", header: "TUNNEL_TCP_FLAGS", width: 18, kind: Kind::TunnelTcpFlags, field: Some(Field::TunnelTcpFlags), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 85, csv_order: 84, doc: "TCP flags inside the tunnel, ORed over the aggregate" },
    Primitive { name: "tunnel_flow_label", json: "tunnel_flow_label", header: "TUNNEL_FLOW_LABEL", width: 18, kind: Kind::U32, field: Some(Field::TunnelFlowLabel), also: None, daemons: Daemons(ALL), group: Group::Tunnel, json_order: 82, csv_order: 81, doc: "IPv6 flow label inside the tunnel" },
    Primitive { name: "mpls_label_bottom", json: "mpls_label_bottom", header: "MPLS_LABEL_BOTTOM", width: 19, kind: Kind::U32, field: Some(Field::MplsLabelBottom), also: None, daemons: Daemons(ALL), group: Group::Mpls, json_order: 75, csv_order: 73, doc: "MPLS label at the bottom of the stack" },
    Primitive { name: "mpls_label_top", json: "mpls_label_top", header: "MPLS_LABEL_TOP", width: 16, kind: Kind::U32, field: Some(Field::MplsLabelTop), also: None, daemons: Daemons(ALL), group: Group::Mpls, json_order: 74, csv_order: 72, doc: "MPLS label at the top of the stack" },
    Primitive { name: "mpls_label_stack", json: "mpls_label_stack", header: "MPLS_LABEL_STACK", width: 0, kind: Kind::Labels, field: Some(Field::MplsLabelStack), also: None, daemons: Daemons(ALL), group: Group::Mpls, json_order: 58, csv_order: 74, doc: "Whole MPLS label stack, top first" },
    Primitive { name: "mpls_vpn_rd", json: "mpls_vpn_rd", header: "MPLS_VPN_RD", width: 20, kind: Kind::Rd, field: Some(Field::MplsVpnRd), also: None, daemons: Daemons(N | S), group: Group::Mpls, json_order: 37, csv_order: 36, doc: "Route distinguisher of the MPLS VPN" },
    Primitive { name: "mpls_pw_id", json: "mpls_pw_id", header: "MPLS_PW_ID", width: 12, kind: Kind::U32, field: Some(Field::MplsPwId), also: None, daemons: Daemons(N | S), group: Group::Mpls, json_order: 39, csv_order: 37, doc: "Pseudowire id of the MPLS L2 VPN" },
    Primitive { name: "vrf_name", json: "vrf_name", header: "VRF_NAME", width: 0, kind: Kind::Text, field: Some(Field::VrfName), also: None, daemons: Daemons(N), group: Group::Mpls, json_order: 101, csv_order: 38, doc: "VRF name of the flow, whichever side has one" },
    Primitive { name: "ingress_vrf_name", json: "ingress_vrf_name", header: "INGRESS_VRF_NAME", width: 0, kind: Kind::Text, field: Some(Field::IngressVrfName), also: None, daemons: Daemons(N), group: Group::Mpls, json_order: 102, csv_order: 39, doc: "VRF name on the way in" },
    Primitive { name: "egress_vrf_name", json: "egress_vrf_name", header: "EGRESS_VRF_NAME", width: 0, kind: Kind::Text, field: Some(Field::EgressVrfName), also: None, daemons: Daemons(N), group: Group::Mpls, json_order: 103, csv_order: 40, doc: "VRF name on the way out" },
    Primitive { name: "class", json: "class", header: "CLASS", width: 18, kind: Kind::Class, field: Some(Field::Class), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 5, csv_order: 4, doc: "Application" },
    Primitive { name: "class_frame", json: "class", header: "CLASS", width: 0, kind: Kind::Class, field: Some(Field::Class), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 5, csv_order: 4, doc: "Application, told from the sampled frame" },
    Primitive { name: "flows", json: "flows", header: "FLOWS", width: 22, kind: Kind::Counter, field: None, also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 100, csv_order: 101, doc: "Number of flows" },
    Primitive { name: "src_host_country", json: "country_ip_src", header: "SH_COUNTRY", width: 12, kind: Kind::Text, field: Some(Field::SrcCountry), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 48, csv_order: 55, doc: "Country of the source address" },
    Primitive { name: "dst_host_country", json: "country_ip_dst", header: "DH_COUNTRY", width: 12, kind: Kind::Text, field: Some(Field::DstCountry), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 49, csv_order: 56, doc: "Country of the destination address" },
    Primitive { name: "src_host_pocode", json: "pocode_ip_src", header: "SH_POCODE", width: 14, kind: Kind::Text, field: Some(Field::SrcPocode), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 50, csv_order: 57, doc: "Postal code of the source address" },
    Primitive { name: "dst_host_pocode", json: "pocode_ip_dst", header: "DH_POCODE", width: 14, kind: Kind::Text, field: Some(Field::DstPocode), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 51, csv_order: 58, doc: "Postal code of the destination address" },
    Primitive { name: "src_host_coords", json: "lat_ip_src", header: "SH_LAT", width: 14, kind: Kind::Coordinates, field: Some(Field::SrcCoords), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 52, csv_order: 59, doc: "Latitude and longitude of the source address" },
    Primitive { name: "dst_host_coords", json: "lat_ip_dst", header: "DH_LAT", width: 14, kind: Kind::Coordinates, field: Some(Field::DstCoords), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 54, csv_order: 61, doc: "Latitude and longitude of the destination address" },
    Primitive { name: "in_iface", json: "iface_in", header: "IN_IFACE", width: 12, kind: Kind::U32, field: Some(Field::InIface), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 35, csv_order: 34, doc: "Input interface (SNMP ifIndex)" },
    Primitive { name: "out_iface", json: "iface_out", header: "OUT_IFACE", width: 12, kind: Kind::U32, field: Some(Field::OutIface), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 36, csv_order: 35, doc: "Output interface (SNMP ifIndex)" },
    Primitive { name: "in_iface_name", json: "iface_name_in", header: "IN_IFACE_NAME", width: 0, kind: Kind::Text, field: Some(Field::InIfaceName), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 104, csv_order: 41, doc: "Name of the input interface" },
    Primitive { name: "out_iface_name", json: "iface_name_out", header: "OUT_IFACE_NAME", width: 0, kind: Kind::Text, field: Some(Field::OutIfaceName), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 105, csv_order: 42, doc: "Name of the output interface" },
    Primitive { name: "peer_src_ip", json: "peer_ip_src", header: "PEER_SRC_IP", width: 47, kind: Kind::Ip, field: Some(Field::PeerSrcIp), also: None, daemons: Daemons(N | S), group: Group::Misc, json_order: 26, csv_order: 32, doc: "Address of the exporter" },
    Primitive { name: "sampling_rate", json: "sampling_rate", header: "SAMPLING_RATE", width: 14, kind: Kind::U32, field: Some(Field::SamplingRate), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 66, csv_order: 63, doc: "Sampling interval: one packet in so many" },
    Primitive { name: "sampling_direction", json: "sampling_direction", header: "SAMPLING_DIRECTION", width: 19, kind: Kind::Direction, field: Some(Field::Direction), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 67, csv_order: 64, doc: "Where the flow was observed: i (ingress), e (egress), u (unknown)" },
    Primitive { name: "tag", json: "tag", header: "TAG", width: 12, kind: Kind::U64, field: Some(Field::Tag), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 2, csv_order: 1, doc: "Numeric tag of pre_tag_map" },
    Primitive { name: "tag2", json: "tag2", header: "TAG2", width: 12, kind: Kind::U64, field: Some(Field::Tag2), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 3, csv_order: 2, doc: "Second numeric tag of pre_tag_map" },
    Primitive { name: "label", json: "label", header: "LABEL", width: 0, kind: Kind::Label, field: Some(Field::Label), also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 4, csv_order: 3, doc: "Text label of pre_tag_map" },
    Primitive { name: "export_proto_seqno", json: "export_proto_seqno", header: "EXPORT_PROTO_SEQNO", width: 20, kind: Kind::U32, field: Some(Field::ExportSequence), also: None, daemons: Daemons(N | S), group: Group::Misc, json_order: 93, csv_order: 93, doc: "Sequence number in the header of the export protocol" },
    Primitive { name: "export_proto_version", json: "export_proto_version", header: "EXPORT_PROTO_VERSION", width: 22, kind: Kind::U16, field: Some(Field::ExportVersion), also: None, daemons: Daemons(N | S), group: Group::Misc, json_order: 94, csv_order: 94, doc: "Version of the export protocol" },
    Primitive { name: "export_proto_sysid", json: "export_proto_sysid", header: "EXPORT_PROTO_SYSID", width: 20, kind: Kind::U32, field: Some(Field::ExportSysid), also: None, daemons: Daemons(N | S), group: Group::Misc, json_order: 95, csv_order: 95, doc: "Engine, source id or observation domain in the header of the export protocol" },
    Primitive { name: "fwd_status", json: "fwd_status", header: "FWD_STATUS", width: 11, kind: Kind::FwdStatus, field: Some(Field::FwdStatus), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 57, csv_order: 71, doc: "Forwarding status" },
    Primitive { name: "path_delay_avg_usec", json: "path_delay_avg_usec", header: "PATH_DELAY_AVG_USEC", width: 21, kind: Kind::U32, field: Some(Field::PathDelayAvg), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 60, csv_order: 96, doc: "Mean on-path delay, microseconds" },
    Primitive { name: "path_delay_min_usec", json: "path_delay_min_usec", header: "PATH_DELAY_MIN_USEC", width: 21, kind: Kind::U32, field: Some(Field::PathDelayMin), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 61, csv_order: 97, doc: "Smallest on-path delay, microseconds" },
    Primitive { name: "path_delay_max_usec", json: "path_delay_max_usec", header: "PATH_DELAY_MAX_USEC", width: 21, kind: Kind::U32, field: Some(Field::PathDelayMax), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 62, csv_order: 98, doc: "Largest on-path delay, microseconds" },
    Primitive { name: "srv6_seg_ipv6_list", json: "srv6_seg_ipv6_list", header: "", width: 0, kind: Kind::Segments, field: Some(Field::Srv6Segments), also: None, daemons: Daemons(N), group: Group::Misc, json_order: 59, csv_order: 0, doc: "SRv6 segment list" },
    Primitive { name: "timestamp_start", json: "timestamp_start", header: "TIMESTAMP_START", width: 31, kind: Kind::Time, field: Some(Field::TimeStart), also: None, daemons: Daemons(P | U | N), group: Group::Time, json_order: 88, csv_order: 87, doc: "When the flow started, or was observed" },
    Primitive { name: "timestamp_end", json: "timestamp_end", header: "TIMESTAMP_END", width: 31, kind: Kind::Time, field: Some(Field::TimeEnd), also: None, daemons: Daemons(N), group: Group::Time, json_order: 89, csv_order: 88, doc: "When the flow ended" },
    Primitive { name: "timestamp_arrival", json: "timestamp_arrival", header: "TIMESTAMP_ARRIVAL", width: 31, kind: Kind::Time, field: Some(Field::TimeArrival), also: None, daemons: Daemons(ALL), group: Group::Time, json_order: 90, csv_order: 89, doc: "When the collector received it" },
    Primitive { name: "timestamp_export", json: "timestamp_export", header: "TIMESTAMP_EXPORT", width: 31, kind: Kind::Time, field: Some(Field::TimeExport), also: None, daemons: Daemons(N), group: Group::Time, json_order: 96, csv_order: 92, doc: "When the exporter sent it" },
    Primitive { name: "none", json: "", header: "", width: 0, kind: Kind::None, field: None, also: None, daemons: Daemons(ALL), group: Group::Misc, json_order: 0, csv_order: 0, doc: "No primitive: one total" },
    Primitive { name: "sum_host", json: "ip_src", header: "SRC_IP", width: 47, kind: Kind::Ip, field: Some(Field::SrcHost), also: Some(Field::DstHost), daemons: Daemons(ALL), group: Group::Sum, json_order: 40, csv_order: 43, doc: "Each flow under both its addresses" },
    Primitive { name: "sum_net", json: "net_src", header: "SRC_NET", width: 47, kind: Kind::Ip, field: Some(Field::SrcNet), also: Some(Field::DstNet), daemons: Daemons(ALL), group: Group::Sum, json_order: 41, csv_order: 44, doc: "Each flow under both its networks" },
    Primitive { name: "sum_as", json: "as_src", header: "SRC_AS", width: 12, kind: Kind::U32, field: Some(Field::SrcAs), also: Some(Field::DstAs), daemons: Daemons(ALL), group: Group::Sum, json_order: 15, csv_order: 14, doc: "Each flow under both its AS numbers" },
    Primitive { name: "sum_port", json: "port_src", header: "SRC_PORT", width: 10, kind: Kind::U16, field: Some(Field::SrcPort), also: Some(Field::DstPort), daemons: Daemons(ALL), group: Group::Sum, json_order: 46, csv_order: 49, doc: "Each flow under both its ports" },
    Primitive { name: "sum_mac", json: "mac_src", header: "SRC_MAC", width: 19, kind: Kind::Mac, field: Some(Field::SrcMac), also: Some(Field::DstMac), daemons: Daemons(ALL), group: Group::Sum, json_order: 6, csv_order: 5, doc: "Each flow under both its MAC addresses" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_word_twice_and_fields_fit_their_kinds() {
        let mut seen = HashSet::new();
        for p in PRIMITIVES {
            assert!(seen.insert(p.name), "{} twice", p.name);
            for field in [p.field, p.also].into_iter().flatten() {
                assert_eq!(field.size(), p.kind.size(), "{}", p.name);
            }
            assert!(!p.doc.is_empty() && !p.doc.ends_with('.'));
        }
    }

    #[test]
    fn columns_of_one_place_share_their_name() {
        for (i, a) in PRIMITIVES.iter().enumerate() {
            for b in &PRIMITIVES[i + 1..] {
                if a.json_order == b.json_order && a.kind != Kind::None && b.kind != Kind::None {
                    assert_eq!((a.json, a.header), (b.json, b.header));
                }
            }
        }
    }
}
