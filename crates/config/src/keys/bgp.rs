//! BGP: sessions, routes, and the attributes that flows receive from them.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the keys for routes to blackholes are not supported.
const BLACKHOLE: &str = "the function is neither documented nor finished in pmacct";

words! {
    /// Format of logged and dumped routes.
    pub enum RouteOutput {
        /// JSON.
        Json = "json",
        /// Avro, binary encoding.
        Avro = "avro" | "avro_bin",
        /// Avro, JSON encoding.
        AvroJson = "avro_json",
        /// MRT (RFC 6396), in files.
        Mrt = "mrt",
        /// BMP messages in the format of OpenBMP; of the message log of BMP only.
        OpenBmp = "openbmp",
    }
}

words! {
    /// Property by which the routes of a peer were hashed.
    pub enum PerPeerHash {
        /// Path identifier.
        PathId = "path_id",
        /// Route distinguisher.
        MplsVpnRd = "mpls_vpn_rd",
    }
}

words! {
    /// Source of the neighbour AS that traffic came from.
    pub enum PeerSrcAs {
        /// The export protocol.
        Protocol = "netflow" | "sflow",
        /// A map.
        Map = "map",
        /// Routes to the source.
        Bgp = "bgp",
        /// The origin with the longest prefix.
        Longest = "longest" | "fallback",
    }
}

words! {
    /// Origin of an attribute of the traffic source.
    pub enum FromBgp {
        /// Routes to the source.
        Bgp = "bgp",
    }
}

words! {
    /// Origin of an attribute of the traffic source.
    pub enum FromMapOrBgp {
        /// A map.
        Map = "map",
        /// Routes to the source.
        Bgp = "bgp",
    }
}

keys! {
    /// Accepts BGP sessions and stores the routes of the peers.
    BGP_DAEMON: bool = boolean(&["bgp_daemon"]).default("false").default_in(PMBGPD, "true")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Address to listen on; by default all addresses.
    BGP_DAEMON_IP: Option<IpAddr> = address(&["bgp_daemon_ip"]).daemons(PMBGPD.and(FLOW))
        .option('L', PMBGPD, "address").acts();

    /// Network device, such as a VRF, to which the listening socket is bound.
    BGP_DAEMON_INTERFACE: Option<String> = text(&["bgp_daemon_interface"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Accepts only IPv6 when the daemon listens on all addresses.
    BGP_DAEMON_IPV6_ONLY: bool = boolean(&["bgp_daemon_ipv6_only"]).default("false").daemons(PMBGPD.and(FLOW)).acts();

    /// Object file of an eBPF program that selects among several daemons on one port for each new session.
    ///
    /// Its maps are in `/sys/fs/bpf/pmacct/CLUSTER/bgp`. See docs/clusters.md.
    BGP_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["bgp_daemon_rp_ebpf_prog"]).daemons(PMBGPD.and(FLOW))
        .acts();

    /// Logs only messages with one of these labels.
    BGP_DAEMON_MSGLOG_LABEL_FILTER: Option<Vec<String>> = list(&["bgp_daemon_msglog_label_filter"])
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Receive buffer of each session, in bytes.
    BGP_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["bgp_daemon_pipe_size"], 1).daemons(PMBGPD.and(FLOW)).acts();

    /// IP precedence of the daemon's own packets.
    BGP_DAEMON_IPPREC: u32 = integer(&["bgp_daemon_ipprec"], 0, 7).default("0").daemons(PMBGPD.and(FLOW)).acts();

    /// Maximum number of sessions that are accepted within one interval; 0 means no limit.
    BGP_DAEMON_BATCH: u32 = integer(&["bgp_daemon_batch"], 0, u32::MAX as i128).default("0")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Length of that interval, in seconds.
    BGP_DAEMON_BATCH_INTERVAL: Duration = seconds(&["bgp_daemon_batch_interval"], 0).default("0")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Number of buckets of the table of peers.
    BGP_TABLE_PEER_BUCKETS: u32 = integer(&["bgp_table_peer_buckets"], 1, 1000).default("13")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Number of buckets of the table of routes of one peer.
    BGP_TABLE_PER_PEER_BUCKETS: u32 = integer(&["bgp_table_per_peer_buckets"], 1, 128).default("1")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Number of buckets of the table of path attributes.
    BGP_TABLE_ATTR_HASH_BUCKETS: u32 = integer(&["bgp_table_attr_hash_buckets"], 1, 1000000).default("65535")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Property of a route that selected its bucket within a peer.
    BGP_TABLE_PER_PEER_HASH: PerPeerHash = words(&["bgp_table_per_peer_hash"]).default("path_id")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Router ID; by default the listening address.
    BGP_DAEMON_ID: Option<IpAddr> = address(&["bgp_daemon_id"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Local AS number; by default that of each peer.
    BGP_DAEMON_AS: Option<u32> = integer(&["bgp_daemon_as"], 1, u32::MAX as i128).daemons(PMBGPD.and(FLOW)).acts();

    /// TCP port to listen on.
    BGP_DAEMON_PORT: u16 = port(&["bgp_daemon_port"]).default("179").daemons(PMBGPD.and(FLOW))
        .option('l', PMBGPD, "port").acts();

    /// Maximum number of concurrent sessions.
    BGP_DAEMON_MAX_PEERS: u32 = integer(&["bgp_daemon_max_peers"], 1, u32::MAX as i128).default("4")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Does not advertise the ADD-PATH capability (RFC 7911).
    BGP_DAEMON_ADD_PATH_IGNORE: bool = boolean(&["bgp_daemon_add_path_ignore"]).default("false")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Maximum number of hops of the AS paths that flows show; a set is one hop. AS numbers are those of the whole path.
    BGP_ASPATH_RADIUS: Option<u32> = integer(&["bgp_aspath_radius"], 1, u32::MAX as i128)
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Flows show only standard communities that match one of these patterns, in the order of the patterns.
    ///
    /// A pattern with a dot has the length of the community, and a dot matches any character. Others match communities that contain them.
    /// The first 16 patterns are used.
    BGP_STDCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_stdcomm_pattern"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Flows show only extended communities that match one of these patterns, as for `bgp_stdcomm_pattern`.
    BGP_EXTCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_extcomm_pattern"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Flows show only large communities that match one of these patterns, as for `bgp_stdcomm_pattern`.
    BGP_LRGCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_lrgcomm_pattern"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Patterns of standard communities: for routes whose AS path does not tell, the first that matches, X:Y, supplies peer AS X and origin
    /// AS Y.
    BGP_STDCOMM_PATTERN_TO_ASN: Option<Vec<String>> = list(&["bgp_stdcomm_pattern_to_asn"]).daemons(FLOW).acts();

    /// Patterns of large communities: the same with X:Y:Z.
    BGP_LRGCOMM_PATTERN_TO_ASN: Option<Vec<String>> = list(&["bgp_lrgcomm_pattern_to_asn"]).daemons(FLOW).acts();

    /// Communities that mark routes to a blackhole.
    BGP_BLACKHOLE_STDCOMM_LIST: Option<Vec<String>> = list(&["bgp_blackhole_stdcomm_list"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// File to which blackhole routes are logged.
    BGP_BLACKHOLE_MSGLOG_FILE: Option<PathBuf> = path(&["bgp_blackhole_msglog_file"]).daemons(PMBGPD.and(FLOW))
        .hup()
        .unsupported(BLACKHOLE);

    /// Routing key of logged blackhole routes.
    BGP_BLACKHOLE_MSGLOG_AMQP_ROUTING_KEY: Option<String> = text(&["bgp_blackhole_msglog_amqp_routing_key"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// Topic of logged blackhole routes.
    BGP_BLACKHOLE_MSGLOG_KAFKA_TOPIC: Option<String> = text(&["bgp_blackhole_msglog_kafka_topic"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// File of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_FILE: Option<PathBuf> = path(&["bgp_blackhole_dump_file"]).daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// Symbolic link to the newest dump of blackhole routes.
    BGP_BLACKHOLE_DUMP_LATEST_FILE: Option<PathBuf> = path(&["bgp_blackhole_dump_latest_file"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// Routing key of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_AMQP_ROUTING_KEY: Option<String> = text(&["bgp_blackhole_dump_amqp_routing_key"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// Topic of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_KAFKA_TOPIC: Option<String> = text(&["bgp_blackhole_dump_kafka_topic"])
        .daemons(PMBGPD.and(FLOW))
        .unsupported(BLACKHOLE);

    /// Uses the first AS outside the confederation as the peer AS.
    BGP_PEER_AS_SKIP_SUBAS: bool = boolean(&["bgp_peer_as_skip_subas"]).default("false").daemons(FLOW).acts();

    /// Source of the neighbour AS that traffic came from.
    BGP_PEER_SRC_AS_TYPE: Option<PeerSrcAs> = words(&["bgp_peer_src_as_type"]).daemons(FLOW).acts();

    /// Origin of the standard communities of the traffic source.
    BGP_SRC_STD_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_std_comm_type"]).daemons(FLOW).acts();

    /// Origin of the extended communities of the traffic source.
    BGP_SRC_EXT_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_ext_comm_type"]).daemons(FLOW).acts();

    /// Origin of the large communities of the traffic source.
    BGP_SRC_LRG_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_lrg_comm_type"]).daemons(FLOW).acts();

    /// Origin of the AS path of the traffic source.
    BGP_SRC_AS_PATH_TYPE: Option<FromBgp> = words(&["bgp_src_as_path_type"]).daemons(FLOW).acts();

    /// Origin of the RPKI validity of the traffic source.
    BGP_SRC_ROA_TYPE: Option<FromBgp> = words(&["bgp_src_roa_type"]).daemons(FLOW).acts();

    /// Origin of the local preference of the traffic source.
    BGP_SRC_LOCAL_PREF_TYPE: Option<FromMapOrBgp> = words(&["bgp_src_local_pref_type"]).daemons(FLOW).acts();

    /// Origin of the MED of the traffic source.
    BGP_SRC_MED_TYPE: Option<FromMapOrBgp> = words(&["bgp_src_med_type"]).daemons(FLOW).acts();

    /// Maximum number of times that a default route is followed to the routes of the peer at its next hop, up to 20.
    BGP_FOLLOW_DEFAULT: u32 = integer(&["bgp_follow_default"], 0, u32::MAX as i128).default("0").daemons(FLOW).acts();

    /// Prefixes, up to 32, of next hops that are followed to the routes of the peer with that address. `peer_dst_ip` is the last next hop in
    /// these prefixes.
    BGP_FOLLOW_NEXTHOP: Option<Vec<String>> = list(&["bgp_follow_nexthop"]).daemons(FLOW).acts();

    /// `peer_dst_ip` is the next hop at the end of such a chain, outside of the prefixes.
    BGP_FOLLOW_NEXTHOP_EXTERNAL: bool = boolean(&["bgp_follow_nexthop_external"]).default("false").daemons(FLOW).acts();

    /// Ignores router IDs when routes are looked up.
    BGP_DISABLE_ROUTER_ID_CHECK: bool = boolean(&["bgp_disable_router_id_check"]).default("false")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// File that lists the established peers, one per line.
    BGP_NEIGHBORS_FILE: Option<PathBuf> = path(&["bgp_neighbors_file"]).daemons(PMBGPD.and(FLOW)).acts();

    /// Answers queries about peers and routes over ZeroMQ (looking glass), as docs/bgp-output.md describes. Routes are kept in memory for it.
    BGP_DAEMON_LG: bool = boolean(&["bgp_daemon_lg"]).default("false").daemons(PMBGPD.and(COLLECTORS))
        .flag('g', PMBGPD, "true").acts();

    /// Address of the looking glass. If other machines can reach it and there is no password, a warning is logged.
    BGP_DAEMON_LG_IP: IpAddr = address(&["bgp_daemon_lg_ip"]).default("127.0.0.1").daemons(PMBGPD.and(COLLECTORS)).acts();

    /// TCP port of the looking glass.
    BGP_DAEMON_LG_PORT: u16 = port(&["bgp_daemon_lg_port"]).default("17900").daemons(PMBGPD.and(COLLECTORS)).acts();

    /// Was the number of threads of the looking glass.
    BGP_DAEMON_LG_THREADS: u32 = integer(&["bgp_daemon_lg_threads"], 1, u32::MAX as i128).default("8")
        .daemons(PMBGPD.and(COLLECTORS)).no_op("one thread answers the queries of all clients");

    /// User name that clients of the looking glass must know, with `bgp_daemon_lg_passwd` (ZeroMQ PLAIN). Up to 255 bytes.
    BGP_DAEMON_LG_USER: Option<String> = text(&["bgp_daemon_lg_user"]).daemons(PMBGPD.and(COLLECTORS)).acts();

    /// Password that clients of the looking glass must know. Up to 255 bytes. It is sent unencrypted.
    BGP_DAEMON_LG_PASSWD: Option<String> = text(&["bgp_daemon_lg_passwd"]).daemons(PMBGPD.and(COLLECTORS)).acts();

    /// Accepts several sessions from one address, as of routers behind NAT. `bgp_port` of `bgp_agent_map` tells them apart.
    TMP_BGP_LOOKUP_COMPARE_PORTS: bool = boolean(&["tmp_bgp_lookup_compare_ports"]).default("false").daemons(FLOW)
        .acts();

    /// Advertises the route refresh capability to peers that advertise it.
    TMP_BGP_DAEMON_ROUTE_REFRESH: bool = boolean(&["tmp_bgp_daemon_route_refresh"]).default("false")
        .daemons(PMBGPD.and(FLOW)).acts();

    /// Shows the origin attribute as a number.
    TMP_BGP_DAEMON_ORIGIN_TYPE_INT: bool = boolean(&["tmp_bgp_daemon_origin_type_int"]).default("false")
        .daemons(PMBGPD.and(FLOW)).acts();
}
