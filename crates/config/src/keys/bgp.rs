//! BGP: sessions, routes, and what flows take from them.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

words! {
    /// Formats of logged and dumped routes.
    pub enum RouteOutput {
        /// JSON.
        Json = "json",
        /// Avro, binary.
        Avro = "avro" | "avro_bin",
        /// Avro in its JSON encoding.
        AvroJson = "avro_json",
    }
}

words! {
    /// What the routes of a peer were hashed by.
    pub enum PerPeerHash {
        /// Path id.
        PathId = "path_id",
        /// Route distinguisher.
        MplsVpnRd = "mpls_vpn_rd",
    }
}

words! {
    /// Where the neighbour AS of the source comes from.
    pub enum PeerSrcAs {
        /// From the export protocol.
        Protocol = "netflow" | "sflow",
        /// From a map.
        Map = "map",
        /// From routes to the source.
        Bgp = "bgp",
        /// From whichever has the longest prefix.
        Longest = "longest" | "fallback",
    }
}

words! {
    /// Where an attribute of the source comes from.
    pub enum FromBgp {
        /// From routes to the source.
        Bgp = "bgp",
    }
}

words! {
    /// Where an attribute of the source comes from.
    pub enum FromMapOrBgp {
        /// From a map.
        Map = "map",
        /// From routes to the source.
        Bgp = "bgp",
    }
}

keys! {
    /// Listens for BGP peers and keeps what they tell.
    BGP_DAEMON: bool = boolean(&["bgp_daemon"]).default("false").default_in(PMBGPD, "true")
        .daemons(PMBGPD.and(FLOW));

    /// Address to listen on; all of them when it is not set.
    BGP_DAEMON_IP: Option<IpAddr> = address(&["bgp_daemon_ip"]).daemons(PMBGPD.and(FLOW))
        .option('L', PMBGPD, "address").acts_in(PMBGPD);

    /// Device to which the listening socket is bound, such as a VRF.
    BGP_DAEMON_INTERFACE: Option<String> = text(&["bgp_daemon_interface"]).daemons(PMBGPD.and(FLOW));

    /// Keeps IPv4 away from the socket that listens on all IPv6 addresses.
    BGP_DAEMON_IPV6_ONLY: bool = boolean(&["bgp_daemon_ipv6_only"]).default("false").daemons(PMBGPD.and(FLOW));

    /// eBPF program that spreads sessions over daemons that share a port.
    BGP_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["bgp_daemon_rp_ebpf_prog"]).daemons(PMBGPD.and(FLOW));

    /// Labels: only messages that carry one of them are logged.
    BGP_DAEMON_MSGLOG_LABEL_FILTER: Option<Vec<String>> = list(&["bgp_daemon_msglog_label_filter"])
        .daemons(PMBGPD.and(FLOW));

    /// Octets of the receive buffer of each session.
    BGP_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["bgp_daemon_pipe_size"], 1).daemons(PMBGPD.and(FLOW));

    /// IP precedence of the daemon's own packets.
    BGP_DAEMON_IPPREC: u32 = integer(&["bgp_daemon_ipprec"], 0, 7).default("0").daemons(PMBGPD.and(FLOW));

    /// Most sessions accepted within one interval; 0 sets no bound.
    BGP_DAEMON_BATCH: u32 = integer(&["bgp_daemon_batch"], 0, u32::MAX as i128).default("0")
        .daemons(PMBGPD.and(FLOW));

    /// Seconds of that interval.
    BGP_DAEMON_BATCH_INTERVAL: Duration = seconds(&["bgp_daemon_batch_interval"], 0).default("0")
        .daemons(PMBGPD.and(FLOW));

    /// Sized the table of routes over peers.
    BGP_TABLE_PEER_BUCKETS: u32 = integer(&["bgp_table_peer_buckets"], 1, 1000).default("13")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow by themselves");

    /// Sized the table of routes within a peer.
    BGP_TABLE_PER_PEER_BUCKETS: u32 = integer(&["bgp_table_per_peer_buckets"], 1, 128).default("1")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow by themselves");

    /// Sized the table of attributes.
    BGP_TABLE_ATTR_HASH_BUCKETS: u32 = integer(&["bgp_table_attr_hash_buckets"], 1, 1000000).default("65535")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow by themselves");

    /// Chose what routes of a peer were hashed by.
    BGP_TABLE_PER_PEER_HASH: PerPeerHash = words(&["bgp_table_per_peer_hash"]).default("path_id")
        .daemons(PMBGPD.and(FLOW)).no_op("tables of routes grow by themselves");

    /// Router id; the listening address when it is not set.
    BGP_DAEMON_ID: Option<IpAddr> = address(&["bgp_daemon_id"]).daemons(PMBGPD.and(FLOW));

    /// Own AS number; that of each peer when it is not set.
    BGP_DAEMON_AS: Option<u32> = integer(&["bgp_daemon_as"], 1, u32::MAX as i128).daemons(PMBGPD.and(FLOW));

    /// TCP port to listen on.
    BGP_DAEMON_PORT: u16 = port(&["bgp_daemon_port"]).default("179").daemons(PMBGPD.and(FLOW))
        .option('l', PMBGPD, "port").acts_in(PMBGPD);

    /// Most sessions at a time.
    BGP_DAEMON_MAX_PEERS: u32 = integer(&["bgp_daemon_max_peers"], 1, u32::MAX as i128).default("4")
        .daemons(PMBGPD.and(FLOW)).acts_in(PMBGPD);

    /// Does not offer several paths to a prefix (RFC 7911).
    BGP_DAEMON_ADD_PATH_IGNORE: bool = boolean(&["bgp_daemon_add_path_ignore"]).default("false")
        .daemons(PMBGPD.and(FLOW));

    /// Hops of AS paths that are kept.
    BGP_ASPATH_RADIUS: Option<u32> = integer(&["bgp_aspath_radius"], 1, u32::MAX as i128)
        .daemons(PMBGPD.and(FLOW));

    /// Keeps only the standard communities that contain one of these texts; a dot stands for any character.
    BGP_STDCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_stdcomm_pattern"]).daemons(PMBGPD.and(FLOW));

    /// Keeps only the extended communities that contain one of these texts.
    BGP_EXTCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_extcomm_pattern"]).daemons(PMBGPD.and(FLOW));

    /// Keeps only the large communities that contain one of these texts.
    BGP_LRGCOMM_PATTERN: Option<Vec<String>> = list(&["bgp_lrgcomm_pattern"]).daemons(PMBGPD.and(FLOW));

    /// The first standard community that matches tells the peer AS and the origin AS.
    BGP_STDCOMM_PATTERN_TO_ASN: Option<Vec<String>> = list(&["bgp_stdcomm_pattern_to_asn"]).daemons(FLOW);

    /// The first large community that matches tells the peer AS and the origin AS.
    BGP_LRGCOMM_PATTERN_TO_ASN: Option<Vec<String>> = list(&["bgp_lrgcomm_pattern_to_asn"]).daemons(FLOW);

    /// Communities that mark routes to a blackhole.
    BGP_BLACKHOLE_STDCOMM_LIST: Option<Vec<String>> = list(&["bgp_blackhole_stdcomm_list"])
        .daemons(PMBGPD.and(FLOW));

    /// File in which blackhole routes are logged.
    BGP_BLACKHOLE_MSGLOG_FILE: Option<PathBuf> = path(&["bgp_blackhole_msglog_file"]).daemons(PMBGPD.and(FLOW))
        .hup();

    /// Routing key of logged blackhole routes.
    BGP_BLACKHOLE_MSGLOG_AMQP_ROUTING_KEY: Option<String> = text(&["bgp_blackhole_msglog_amqp_routing_key"])
        .daemons(PMBGPD.and(FLOW));

    /// Topic of logged blackhole routes.
    BGP_BLACKHOLE_MSGLOG_KAFKA_TOPIC: Option<String> = text(&["bgp_blackhole_msglog_kafka_topic"])
        .daemons(PMBGPD.and(FLOW));

    /// File of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_FILE: Option<PathBuf> = path(&["bgp_blackhole_dump_file"]).daemons(PMBGPD.and(FLOW));

    /// Link to the newest of them.
    BGP_BLACKHOLE_DUMP_LATEST_FILE: Option<PathBuf> = path(&["bgp_blackhole_dump_latest_file"])
        .daemons(PMBGPD.and(FLOW));

    /// Routing key of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_AMQP_ROUTING_KEY: Option<String> = text(&["bgp_blackhole_dump_amqp_routing_key"])
        .daemons(PMBGPD.and(FLOW));

    /// Topic of dumps of blackhole routes.
    BGP_BLACKHOLE_DUMP_KAFKA_TOPIC: Option<String> = text(&["bgp_blackhole_dump_kafka_topic"])
        .daemons(PMBGPD.and(FLOW));

    /// Takes the first AS outside the confederation as the peer's.
    BGP_PEER_AS_SKIP_SUBAS: bool = boolean(&["bgp_peer_as_skip_subas"]).default("false").daemons(FLOW);

    /// Where the AS that traffic came from is looked up.
    BGP_PEER_SRC_AS_TYPE: Option<PeerSrcAs> = words(&["bgp_peer_src_as_type"]).daemons(FLOW);

    /// Where the standard communities of the source are looked up.
    BGP_SRC_STD_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_std_comm_type"]).daemons(FLOW);

    /// Where the extended communities of the source are looked up.
    BGP_SRC_EXT_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_ext_comm_type"]).daemons(FLOW);

    /// Where the large communities of the source are looked up.
    BGP_SRC_LRG_COMM_TYPE: Option<FromBgp> = words(&["bgp_src_lrg_comm_type"]).daemons(FLOW);

    /// Where the AS path of the source is looked up.
    BGP_SRC_AS_PATH_TYPE: Option<FromBgp> = words(&["bgp_src_as_path_type"]).daemons(FLOW);

    /// Where the RPKI validity of the source is looked up.
    BGP_SRC_ROA_TYPE: Option<FromBgp> = words(&["bgp_src_roa_type"]).daemons(FLOW);

    /// Where the local preference of the source is looked up.
    BGP_SRC_LOCAL_PREF_TYPE: Option<FromMapOrBgp> = words(&["bgp_src_local_pref_type"]).daemons(FLOW);

    /// Where the MED of the source is looked up.
    BGP_SRC_MED_TYPE: Option<FromMapOrBgp> = words(&["bgp_src_med_type"]).daemons(FLOW);

    /// How many times a default route is followed to the routes of its peer.
    BGP_FOLLOW_DEFAULT: u32 = integer(&["bgp_follow_default"], 0, u32::MAX as i128).default("0").daemons(FLOW);

    /// Prefixes: next hops within them are followed to the routes of that peer.
    BGP_FOLLOW_NEXTHOP: Option<Vec<String>> = list(&["bgp_follow_nexthop"]).daemons(FLOW);

    /// Gives the external next hop at the end of such a way.
    BGP_FOLLOW_NEXTHOP_EXTERNAL: bool = boolean(&["bgp_follow_nexthop_external"]).default("false").daemons(FLOW);

    /// Does not compare router ids when routes are looked up.
    BGP_DISABLE_ROUTER_ID_CHECK: bool = boolean(&["bgp_disable_router_id_check"]).default("false")
        .daemons(PMBGPD.and(FLOW));

    /// File that lists the established peers, one a line.
    BGP_NEIGHBORS_FILE: Option<PathBuf> = path(&["bgp_neighbors_file"]).daemons(PMBGPD.and(FLOW));

    /// Answers questions about routes (looking glass).
    BGP_DAEMON_LG: bool = boolean(&["bgp_daemon_lg"]).default("false").daemons(PMBGPD.and(COLLECTORS))
        .flag('g', PMBGPD, "true");

    /// Address of the looking glass.
    BGP_DAEMON_LG_IP: IpAddr = address(&["bgp_daemon_lg_ip"]).default("127.0.0.1").daemons(PMBGPD.and(COLLECTORS));

    /// Port of the looking glass.
    BGP_DAEMON_LG_PORT: u16 = port(&["bgp_daemon_lg_port"]).default("17900").daemons(PMBGPD.and(COLLECTORS));

    /// Threads of the looking glass.
    BGP_DAEMON_LG_THREADS: u32 = integer(&["bgp_daemon_lg_threads"], 1, u32::MAX as i128).default("8")
        .daemons(PMBGPD.and(COLLECTORS));

    /// User of the looking glass.
    BGP_DAEMON_LG_USER: Option<String> = text(&["bgp_daemon_lg_user"]).daemons(PMBGPD.and(COLLECTORS));

    /// Password of the looking glass.
    BGP_DAEMON_LG_PASSWD: Option<String> = text(&["bgp_daemon_lg_passwd"]).daemons(PMBGPD.and(COLLECTORS));

    /// Compares the port of the session, too, when routes are looked up.
    TMP_BGP_LOOKUP_COMPARE_PORTS: bool = boolean(&["tmp_bgp_lookup_compare_ports"]).default("false").daemons(FLOW);

    /// Offers route refresh to peers that do.
    TMP_BGP_DAEMON_ROUTE_REFRESH: bool = boolean(&["tmp_bgp_daemon_route_refresh"]).default("false")
        .daemons(PMBGPD.and(FLOW));

    /// Shows the origin attribute as a number.
    TMP_BGP_DAEMON_ORIGIN_TYPE_INT: bool = boolean(&["tmp_bgp_daemon_origin_type_int"]).default("false")
        .daemons(PMBGPD.and(FLOW));
}
