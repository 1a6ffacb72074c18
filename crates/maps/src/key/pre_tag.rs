//! The keys of pre_tag_map.

use super::{Key, Need, Target, Value};
use config::daemons::{COLLECTORS, FLOW, NFACCTD, SFACCTD};
use flow::field::Field;
use flow::presence::Presence;

const U32: u64 = u32::MAX as u64;
const NUMBER: Value = Value::Decimal { min: 0, max: U32 };

/// All keys: those that set values, then those that match.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    Key { name: "set_tag", aliases: &["id"], daemons: FLOW, tee: true, value: Value::Tag, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the tag; with `++` the value grows by one at each match" },
    Key { name: "set_tag2", aliases: &["id2"], daemons: FLOW, tee: true, value: Value::Tag, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the second tag" },
    Key { name: "set_label", aliases: &[], daemons: FLOW, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the label; after a jump (`jeq`), it is appended after a comma" },
    Key { name: "set_tos", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Decimal { min: 0, max: 255 }, negatable: false, target: Target::Setting, need: Need::None, doc: "Replaces the type of service of the flow" },
    Key { name: "label", aliases: &[], daemons: FLOW, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Names the rule as the target of jumps" },
    Key { name: "jeq", aliases: &[], daemons: FLOW, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "After a match, continues at the first later rule with this `label`; `next` continues at the next rule" },
    Key { name: "stack", aliases: &[], daemons: FLOW, tee: true, value: Value::Word(&["sum", "+", "or"]), negatable: false, target: Target::Setting, need: Need::None, doc: "Combines the tags of the rule with those set so far, instead of replacing them" },
    Key { name: "return", aliases: &[], daemons: FLOW, tee: true, value: Value::Flag, negatable: false, target: Target::Setting, need: Need::None, doc: "Has no effect; a warning is logged" },
    Key { name: "ip", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter: the source address of the datagram (nfacctd), or the agent (sfacctd)" },
    Key { name: "in", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::InIface, Some(Presence::InIface)), need: Need::None, doc: "Input interface" },
    Key { name: "out", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::OutIface, Some(Presence::OutIface)), need: Need::None, doc: "Output interface" },
    Key { name: "engine_type", aliases: &[], daemons: NFACCTD, tee: true, value: Value::Decimal { min: 0, max: 255 }, negatable: true, target: Target::Field(Field::EngineType, Some(Presence::EngineType)), need: Need::None, doc: "Engine type in the header of NetFlow v5" },
    Key { name: "source_id", aliases: &["engine_id"], daemons: COLLECTORS, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::ExportSysid, Some(Presence::SourceId)), need: Need::None, doc: "Engine id (v5), source id (v9), observation domain (IPFIX), sub-agent (sFlow)" },
    Key { name: "agent_id", aliases: &[], daemons: SFACCTD, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::ExportSysid, Some(Presence::SourceId)), need: Need::None, doc: "Sub-agent of an sFlow agent" },
    Key { name: "flowset_id", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Decimal { min: 0, max: 65_535 }, negatable: true, target: Target::Field(Field::Template, Some(Presence::Template)), need: Need::None, doc: "Template id" },
    Key { name: "nexthop", aliases: &[], daemons: COLLECTORS, tee: false, value: Value::Address, negatable: true, target: Target::Field(Field::NextHop, Some(Presence::NextHop)), need: Need::None, doc: "IP next hop" },
    Key { name: "bgp_nexthop", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Address, negatable: true, target: Target::Field(Field::PeerDstIp, Some(Presence::BgpNextHop)), need: Need::Net, doc: "BGP next hop" },
    Key { name: "filter", aliases: &[], daemons: FLOW, tee: true, value: Value::Filter, negatable: false, target: Target::Packet, need: Need::None, doc: "Matches the packet, or one synthesized from the flow: Ethernet, VLAN, MPLS, addresses, ports, TCP flags" },
    Key { name: "sample_type", aliases: &[], daemons: COLLECTORS, tee: false, value: Value::SampleType, negatable: true, target: Target::SampleType, need: Need::None, doc: "Type of the record" },
    Key { name: "is_bi_flow", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Flag, negatable: true, target: Target::Present(Presence::BothWays), need: Need::None, doc: "Whether the record counts both directions of a connection" },
    Key { name: "is_nsel", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Flag, negatable: true, target: Target::Present(Presence::FwEvent), need: Need::None, doc: "Whether the record has a firewall event" },
    Key { name: "is_nel", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Flag, negatable: true, target: Target::Present(Presence::NatEvent), need: Need::None, doc: "Whether the record has a NAT event" },
    Key { name: "direction", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 1 }, negatable: true, target: Target::Direction, need: Need::None, doc: "Direction of the flow: 1 for egress; 0 for ingress, or if the record does not contain it" },
    Key { name: "src_as", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::As(Field::SrcAs, Presence::SrcAs), need: Need::As, doc: "Source AS" },
    Key { name: "dst_as", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::As(Field::DstAs, Presence::DstAs), need: Need::As, doc: "Destination AS" },
    Key { name: "peer_src_as", aliases: &[], daemons: FLOW, tee: false, value: NUMBER, negatable: true, target: Target::Field(Field::PeerSrcAs, None), need: Need::Bgp, doc: "Peer AS from which the traffic came" },
    Key { name: "peer_dst_as", aliases: &[], daemons: FLOW, tee: false, value: NUMBER, negatable: true, target: Target::Field(Field::PeerDstAs, None), need: Need::Bgp, doc: "Peer AS to which the traffic goes" },
    Key { name: "src_local_pref", aliases: &[], daemons: FLOW, tee: false, value: NUMBER, negatable: true, target: Target::Field(Field::SrcLocalPref, None), need: Need::Bgp, doc: "Local preference of the route to the source" },
    Key { name: "local_pref", aliases: &[], daemons: FLOW, tee: false, value: NUMBER, negatable: true, target: Target::Field(Field::LocalPref, None), need: Need::Bgp, doc: "Local preference of the route to the destination" },
    Key { name: "src_roa", aliases: &[], daemons: FLOW, tee: false, value: Value::Roa, negatable: true, target: Target::Field(Field::SrcRoa, None), need: Need::Bgp, doc: "RPKI validity of the route to the source" },
    Key { name: "dst_roa", aliases: &[], daemons: FLOW, tee: false, value: Value::Roa, negatable: true, target: Target::Field(Field::DstRoa, None), need: Need::Bgp, doc: "RPKI validity of the route to the destination" },
    Key { name: "src_comms", aliases: &[], daemons: FLOW, tee: false, value: Value::Communities, negatable: false, target: Target::Communities(Field::SrcComms), need: Need::Bgp, doc: "Patterns, one of which must match a community of the route to the source; `.` matches any character" },
    Key { name: "comms", aliases: &[], daemons: FLOW, tee: false, value: Value::Communities, negatable: false, target: Target::Communities(Field::Comms), need: Need::Bgp, doc: "Patterns, one of which must match a community of the route to the destination; `.` matches any character" },
    Key { name: "mpls_vpn_rd", aliases: &[], daemons: FLOW, tee: false, value: Value::Rd, negatable: true, target: Target::Field(Field::MplsVpnRd, None), need: Need::Bgp, doc: "Route distinguisher of the flow" },
    Key { name: "mpls_vpn_id_in", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Decimal { min: 1, max: U32 }, negatable: true, target: Target::Field(Field::IngressVrf, Some(Presence::IngressVrf)), need: Need::None, doc: "Ingress VRF" },
    Key { name: "mpls_vpn_id_out", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Decimal { min: 1, max: U32 }, negatable: true, target: Target::Field(Field::EgressVrf, Some(Presence::EgressVrf)), need: Need::None, doc: "Egress VRF" },
    Key { name: "mpls_pw_id", aliases: &[], daemons: COLLECTORS, tee: false, value: NUMBER, negatable: true, target: Target::Field(Field::MplsPwId, Some(Presence::MplsPwId)), need: Need::None, doc: "Pseudowire id" },
    Key { name: "src_mac", aliases: &[], daemons: FLOW, tee: true, value: Value::Mac, negatable: true, target: Target::Field(Field::SrcMac, Some(Presence::SrcMac)), need: Need::None, doc: "Source MAC address" },
    Key { name: "dst_mac", aliases: &[], daemons: FLOW, tee: true, value: Value::Mac, negatable: true, target: Target::Field(Field::DstMac, Some(Presence::DstMac)), need: Need::None, doc: "Destination MAC address" },
    Key { name: "vlan", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 4096 }, negatable: true, target: Target::Field(Field::Vlan, Some(Presence::Vlan)), need: Need::None, doc: "VLAN id" },
    Key { name: "cvlan", aliases: &[], daemons: FLOW, tee: false, value: Value::Decimal { min: 0, max: 4096 }, negatable: true, target: Target::Field(Field::InCvlan, Some(Presence::Cvlan)), need: Need::None, doc: "Customer VLAN id" },
    Key { name: "cos", aliases: &[], daemons: FLOW, tee: false, value: Value::Decimal { min: 0, max: 7 }, negatable: true, target: Target::Field(Field::Cos, Some(Presence::Vlan)), need: Need::None, doc: "Priority of the VLAN tag" },
    Key { name: "src_net", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: true, target: Target::Within(Field::SrcHost, Presence::SrcHost), need: Need::None, doc: "Network of the source address" },
    Key { name: "dst_net", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: true, target: Target::Within(Field::DstHost, Presence::DstHost), need: Need::None, doc: "Network of the destination address" },
    Key { name: "ip_proto", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 255 }, negatable: true, target: Target::Field(Field::Proto, Some(Presence::Proto)), need: Need::None, doc: "IP protocol, by number" },
    Key { name: "src_port", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 65_535 }, negatable: true, target: Target::Field(Field::SrcPort, Some(Presence::SrcPort)), need: Need::None, doc: "Source port" },
    Key { name: "dst_port", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 65_535 }, negatable: true, target: Target::Field(Field::DstPort, Some(Presence::DstPort)), need: Need::None, doc: "Destination port" },
    Key { name: "tcp_flags", aliases: &[], daemons: FLOW, tee: true, value: Value::Hex { max: 0xff }, negatable: true, target: Target::Field(Field::TcpFlags, Some(Presence::TcpFlags)), need: Need::None, doc: "TCP flags, which must be equal to the value" },
    Key { name: "is_multicast", aliases: &[], daemons: FLOW, tee: false, value: Value::Flag, negatable: true, target: Target::Multicast, need: Need::None, doc: "Group bit of the destination MAC address" },
    Key { name: "fwd_status", aliases: &[], daemons: NFACCTD, tee: false, value: Value::Decimal { min: 0, max: 256 }, negatable: true, target: Target::Field(Field::FwdStatus, Some(Presence::FwdStatus)), need: Need::None, doc: "Forwarding status" },
];
