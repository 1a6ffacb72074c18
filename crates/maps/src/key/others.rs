//! The keys of the other maps.

use super::{Key, Need, Target, Value};
use config::daemons::{COLLECTORS, FLOW, NFACCTD, PMACCTD, PMBGPD, PMBMPD, PMTELEMETRYD};
use flow::field::Field;
use flow::presence::Presence;

const U32: u64 = u32::MAX as u64;
const NUMBER: Value = Value::Decimal { min: 0, max: U32 };
const POSITIVE: Value = Value::Decimal { min: 1, max: U32 };

/// All maps of this module, by the configuration keys that name their files.
pub static TABLES: &[(&str, &[Key])] = &[
    ("sampling_map", SAMPLING),
    ("flow_to_rd_map", FLOW_TO_RD),
    ("bgp_agent_map", BGP_AGENT),
    ("bgp_peer_src_as_map, bgp_src_local_pref_map, bgp_src_med_map", BGP_SOURCE),
    ("bgp_peer_dst_ip_map", BGP_PEER_DST_IP),
    ("bgp_daemon_xconnect_map", XCONNECT),
    ("tee_receivers", TEE),
    ("pcap_interfaces_map", PCAP_INTERFACES),
    ("bgp_daemon_tag_map, bmp_daemon_tag_map", ROUTING_TAG),
    ("telemetry_daemon_tag_map", TELEMETRY_TAG),
];

/// sampling_map: the sampling rate of exporters that do not report it.
#[rustfmt::skip]
pub static SAMPLING: &[Key] = &[
    Key { name: "id", aliases: &[], daemons: COLLECTORS, tee: true, value: POSITIVE, negatable: false, target: Target::Setting, need: Need::None, doc: "Sampling rate N: one packet in N is sampled" },
    Key { name: "ip", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter or agent; required" },
    Key { name: "in", aliases: &[], daemons: COLLECTORS, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::InIface, Some(Presence::InIface)), need: Need::None, doc: "Input interface" },
    Key { name: "out", aliases: &[], daemons: COLLECTORS, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::OutIface, Some(Presence::OutIface)), need: Need::None, doc: "Output interface" },
];

/// flow_to_rd_map: the route distinguisher of flows.
#[rustfmt::skip]
pub static FLOW_TO_RD: &[Key] = &[
    Key { name: "id", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Rd, negatable: false, target: Target::Setting, need: Need::None, doc: "Route distinguisher; `0:0:0` is the global table; required" },
    Key { name: "ip", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter or agent; required" },
    Key { name: "in", aliases: &[], daemons: COLLECTORS, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::InIface, Some(Presence::InIface)), need: Need::None, doc: "Input interface" },
    Key { name: "out", aliases: &[], daemons: COLLECTORS, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::OutIface, Some(Presence::OutIface)), need: Need::None, doc: "Output interface" },
    Key { name: "bgp_nexthop", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Address, negatable: true, target: Target::Field(Field::PeerDstIp, Some(Presence::BgpNextHop)), need: Need::FlowNet, doc: "BGP next hop of the record" },
    Key { name: "mpls_vpn_id", aliases: &[], daemons: NFACCTD, tee: true, value: POSITIVE, negatable: true, target: Target::Field(Field::IngressVrf, Some(Presence::IngressVrf)), need: Need::None, doc: "Ingress VRF" },
    Key { name: "mpls_label_bottom", aliases: &[], daemons: NFACCTD, tee: true, value: Value::Decimal { min: 0, max: 0xf_ffff }, negatable: true, target: Target::Field(Field::MplsLabelBottom, Some(Presence::MplsLabelBottom)), need: Need::None, doc: "MPLS label at the bottom of the stack" },
];

/// bgp_agent_map: the BGP peer whose routes apply to an exporter.
#[rustfmt::skip]
pub static BGP_AGENT: &[Key] = &[
    Key { name: "bgp_ip", aliases: &["bmp_ip", "id"], daemons: FLOW, tee: true, value: Value::Address, negatable: false, target: Target::Setting, need: Need::None, doc: "Address of the BGP session, or router id of the peer; required" },
    Key { name: "bgp_port", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 1, max: 65_535 }, negatable: false, target: Target::Setting, need: Need::None, doc: "Source port of the session, if several peers share an address" },
    Key { name: "ip", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter; required" },
    Key { name: "in", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::InIface, Some(Presence::InIface)), need: Need::None, doc: "Input interface" },
    Key { name: "out", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::OutIface, Some(Presence::OutIface)), need: Need::None, doc: "Output interface" },
    Key { name: "filter", aliases: &[], daemons: FLOW, tee: true, value: Value::FamilyFilter, negatable: false, target: Target::Setting, need: Need::None, doc: "Address family of the flow" },
];

/// The three maps that add what BGP does not know about the source of traffic.
#[rustfmt::skip]
pub static BGP_SOURCE: &[Key] = &[
    Key { name: "id", aliases: &[], daemons: FLOW, tee: true, value: Value::Special("number other than 0, or `bgp`"), negatable: false, target: Target::Setting, need: Need::None, doc: "Value; `bgp` looks it up in BGP; required" },
    Key { name: "ip", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter; required" },
    Key { name: "in", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::InIface, Some(Presence::InIface)), need: Need::None, doc: "Input interface" },
    Key { name: "out", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::OutIface, Some(Presence::OutIface)), need: Need::None, doc: "Output interface" },
    Key { name: "bgp_nexthop", aliases: &[], daemons: FLOW, tee: true, value: Value::Address, negatable: true, target: Target::Field(Field::SrcRouteNextHop, None), need: Need::Bgp, doc: "BGP next hop of the route to the source" },
    Key { name: "peer_dst_as", aliases: &[], daemons: FLOW, tee: true, value: NUMBER, negatable: true, target: Target::Field(Field::SrcRoutePeerAs, None), need: Need::Bgp, doc: "First AS of the route to the source" },
    Key { name: "src_mac", aliases: &[], daemons: FLOW, tee: true, value: Value::Mac, negatable: true, target: Target::Field(Field::SrcMac, Some(Presence::SrcMac)), need: Need::None, doc: "Source MAC address" },
    Key { name: "vlan", aliases: &[], daemons: FLOW, tee: true, value: Value::Decimal { min: 0, max: 4096 }, negatable: true, target: Target::Field(Field::Vlan, Some(Presence::Vlan)), need: Need::None, doc: "VLAN id" },
    Key { name: "src_net", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: true, target: Target::Within(Field::SrcHost, Presence::SrcHost), need: Need::None, doc: "Network of the source address" },
    Key { name: "dst_net", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: true, target: Target::Within(Field::DstHost, Presence::DstHost), need: Need::None, doc: "Network of the destination address" },
    Key { name: "filter", aliases: &[], daemons: FLOW, tee: true, value: Value::Filter, negatable: false, target: Target::Packet, need: Need::None, doc: "Matches the packet, or one synthesized from the flow" },
];

/// bgp_peer_dst_ip_map: next hops of flows that stand for those of routes.
#[rustfmt::skip]
pub static BGP_PEER_DST_IP: &[Key] = &[
    Key { name: "id", aliases: &[], daemons: FLOW, tee: true, value: Value::Address, negatable: false, target: Target::Setting, need: Need::None, doc: "Next hop of the flow, such as the end of a tunnel; required" },
    Key { name: "ip", aliases: &[], daemons: FLOW, tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Not compared, but required: write 0.0.0.0/0" },
    Key { name: "bgp_nexthop", aliases: &[], daemons: FLOW, tee: true, value: Value::Address, negatable: false, target: Target::Setting, need: Need::None, doc: "Next hop of the route; without it, any" },
];

/// bgp_daemon_xconnect_map: BGP sessions that are forwarded.
#[rustfmt::skip]
pub static XCONNECT: &[Key] = &[
    Key { name: "bgp_src", aliases: &[], daemons: PMBGPD, tee: true, value: Value::Special("address, address:port or prefix"), negatable: false, target: Target::Setting, need: Need::None, doc: "Source of the session; required" },
    Key { name: "bgp_dst", aliases: &[], daemons: PMBGPD, tee: true, value: Value::Special("address:port or [IPv6 address]:port"), negatable: false, target: Target::Setting, need: Need::None, doc: "Destination to which it is forwarded; required" },
];

/// tee_receivers: the receivers of replicated datagrams. Each rule is a pool.
#[rustfmt::skip]
pub static TEE: &[Key] = &[
    Key { name: "id", aliases: &[], daemons: COLLECTORS, tee: true, value: POSITIVE, negatable: false, target: Target::Setting, need: Need::None, doc: "Number of the pool; required" },
    Key { name: "ip", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Special("HOST:PORT or [IPV6]:PORT, several separated by commas"), negatable: false, target: Target::Setting, need: Need::None, doc: "Receivers" },
    Key { name: "tag", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Special("list of tags and ranges, as in pre_tag_filter"), negatable: false, target: Target::Setting, need: Need::None, doc: "Only datagrams with these tags" },
    Key { name: "balance-alg", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Word(&["rr", "hash-agent", "hash-crc32", "hash-tag", "hash-exporter"]), negatable: false, target: Target::Setting, need: Need::None, doc: "Sends each datagram to one of the receivers; without it, to all" },
    Key { name: "src_port", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Decimal { min: 0, max: 65_535 }, negatable: false, target: Target::Setting, need: Need::None, doc: "Source port of replicated datagrams; with 0, the kernel chooses it" },
    Key { name: "kafka_broker", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Brokers of a Kafka cluster" },
    Key { name: "kafka_topic", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Topic for the Kafka brokers" },
    Key { name: "zmq_address", aliases: &[], daemons: COLLECTORS, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Address of a ZeroMQ socket" },
    Key { name: "sampling_rate", aliases: &[], daemons: COLLECTORS, tee: true, value: POSITIVE, negatable: false, target: Target::Setting, need: Need::None, doc: "One datagram in N is passed on, at random" },
    Key { name: "rate_limit", aliases: &[], daemons: COLLECTORS, tee: true, value: POSITIVE, negatable: false, target: Target::Setting, need: Need::None, doc: "Datagrams of each exporter that are passed on in a second" },
];

/// pcap_interfaces_map: the interfaces on which pmacctd captures.
#[rustfmt::skip]
pub static PCAP_INTERFACES: &[Key] = &[
    Key { name: "ifname", aliases: &[], daemons: PMACCTD, tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Name of the interface; required" },
    Key { name: "ifindex", aliases: &[], daemons: PMACCTD, tee: true, value: POSITIVE, negatable: false, target: Target::Setting, need: Need::None, doc: "Its number in flows; required with `pcap_ifindex: map`" },
    Key { name: "direction", aliases: &[], daemons: PMACCTD, tee: true, value: Value::Word(&["in", "out"]), negatable: false, target: Target::Setting, need: Need::None, doc: "Captured direction, which also determines whether the input or the output interface of the flow is set. An interface may have one line per direction" },
];

/// bgp_daemon_tag_map and bmp_daemon_tag_map: tags of messages.
#[rustfmt::skip]
pub static ROUTING_TAG: &[Key] = &[
    Key { name: "set_tag", aliases: &["id"], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Tag, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the tag; with `++` the value grows by one at each match" },
    Key { name: "set_label", aliases: &[], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the label" },
    Key { name: "ip", aliases: &[], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Peer or router" },
    Key { name: "comms", aliases: &[], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Communities, negatable: false, target: Target::Communities(Field::Comms), need: Need::None, doc: "Patterns, one of which must match a community; `.` matches any character" },
    Key { name: "label", aliases: &[], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Names the rule as the target of jumps" },
    Key { name: "jeq", aliases: &[], daemons: FLOW.and(PMBGPD).and(PMBMPD), tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "After a match, continues at the first later rule with this `label`; `next` continues at the next rule" },
];

/// telemetry_daemon_tag_map: tags of messages.
#[rustfmt::skip]
pub static TELEMETRY_TAG: &[Key] = &[
    Key { name: "set_tag", aliases: &["id"], daemons: FLOW.and(PMTELEMETRYD), tee: true, value: Value::Tag, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the tag; with `++` the value grows by one at each match" },
    Key { name: "set_label", aliases: &[], daemons: FLOW.and(PMTELEMETRYD), tee: true, value: Value::Text, negatable: false, target: Target::Setting, need: Need::None, doc: "Sets the label" },
    Key { name: "ip", aliases: &[], daemons: FLOW.and(PMTELEMETRYD), tee: true, value: Value::Network, negatable: false, target: Target::Exporter, need: Need::None, doc: "Exporter of telemetry" },
];
