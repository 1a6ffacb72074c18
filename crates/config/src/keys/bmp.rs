//! BMP: reports of routers about their BGP sessions.

use crate::daemons::*;
use crate::key::*;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::bgp::PerPeerHash;

keys! {
    /// Accepts BMP sessions and stores the routes that routers report.
    BMP_DAEMON: bool = boolean(&["bmp_daemon"]).default("false").default_in(PMBMPD, "true")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Address to listen on; by default all addresses.
    BMP_DAEMON_IP: Option<IpAddr> = address(&["bmp_daemon_ip"]).daemons(PMBMPD.and(FLOW))
        .option('L', PMBMPD, "address").acts();

    /// Network device, such as a VRF, to which the listening socket is bound.
    BMP_DAEMON_INTERFACE: Option<String> = text(&["bmp_daemon_interface"]).daemons(PMBMPD.and(FLOW)).acts();

    /// Accepts only IPv6 when the daemon listens on all addresses.
    BMP_DAEMON_IPV6_ONLY: bool = boolean(&["bmp_daemon_ipv6_only"]).default("false")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Object file of an eBPF program that selects among several daemons on one port for each new session.
    ///
    /// Its maps are in `/sys/fs/bpf/pmacct/CLUSTER/bmp`. See docs/clusters.md.
    BMP_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["bmp_daemon_rp_ebpf_prog"]).daemons(PMBMPD.and(FLOW))
        .acts();

    /// Logs only messages with one of these labels.
    BMP_DAEMON_MSGLOG_LABEL_FILTER: Option<Vec<String>> = list(&["bmp_daemon_msglog_label_filter"])
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Receive buffer of each session, in bytes.
    BMP_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["bmp_daemon_pipe_size"], 1).daemons(PMBMPD.and(FLOW)).acts();

    /// IP precedence of the daemon's own packets.
    BMP_DAEMON_IPPREC: u32 = integer(&["bmp_daemon_ipprec"], 0, 7).default("0").daemons(PMBMPD.and(FLOW)).acts();

    /// Maximum number of sessions that are accepted within one interval; 0 means no limit.
    BMP_DAEMON_BATCH: u32 = integer(&["bmp_daemon_batch"], 0, u32::MAX as i128).default("0")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Length of that interval, in seconds.
    BMP_DAEMON_BATCH_INTERVAL: Duration = seconds(&["bmp_daemon_batch_interval"], 0).default("0")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Seconds within which the first message of a connection must arrive: it is closed otherwise. 0 means no limit.
    BMP_DAEMON_INITIATION_TIMEOUT: Duration = seconds(&["bmp_daemon_initiation_timeout"], 0).default("60")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Number of buckets of the table of peers.
    BMP_TABLE_PEER_BUCKETS: u32 = integer(&["bmp_table_peer_buckets"], 1, 1000).default("13")
        .daemons(PMBMPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Number of buckets of the table of routes of one peer.
    BMP_TABLE_PER_PEER_BUCKETS: u32 = integer(&["bmp_table_per_peer_buckets"], 1, 128).default("1")
        .daemons(PMBMPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Number of buckets of the table of path attributes.
    BMP_TABLE_ATTR_HASH_BUCKETS: u32 = integer(&["bmp_table_attr_hash_buckets"], 1, 1000000).default("65535")
        .daemons(PMBMPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// Property of a route that selected its bucket within a peer.
    BMP_TABLE_PER_PEER_HASH: PerPeerHash = words(&["bmp_table_per_peer_hash"]).default("path_id")
        .daemons(PMBMPD.and(FLOW)).no_op("tables of routes grow as needed");

    /// TCP port to listen on.
    BMP_DAEMON_PORT: u16 = port(&["bmp_daemon_port"]).default("1790").daemons(PMBMPD.and(FLOW))
        .option('l', PMBMPD, "port").acts();

    /// Maximum number of concurrent sessions.
    BMP_DAEMON_MAX_PEERS: u32 = integer(&["bmp_daemon_max_peers"], 1, u32::MAX as i128).default("10")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Shows the peer distinguisher as `pd` instead of `rd`.
    BMP_DAEMON_SET_PD: bool = boolean(&["bmp_daemon_set_pd"]).default("false").daemons(PMBMPD.and(FLOW)).acts();

    /// Omits statistics reports from dumps.
    BMP_DUMP_EXCLUDE_STATS: bool = boolean(&["bmp_dump_exclude_stats"]).default("false")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// RIBs of routers in which flows are looked up, in this order: `pre`, `post` (Adj-RIB-In before and after policies), `out_pre`,
    /// `out_post` (Adj-RIB-Out), `loc` (Loc-RIB). The next one counts where no route was found; those that are not listed do not count.
    ///
    /// By default all count equally: of several routes of a prefix the oldest is used.
    BMP_RIB_PREFERENCE: Option<Vec<String>> = list(&["bmp_rib_preference"]).lowercase().daemons(FLOW).acts();

    /// Kafka topic from which BMP messages in the format of OpenBMP are read, besides those of sessions; setting it enables this input.
    BMP_DAEMON_KAFKA_TOPIC: Option<String> = text(&["bmp_daemon_kafka_topic"]).daemons(PMBMPD.and(FLOW)).acts();

    /// Broker of that topic, or several separated by commas.
    BMP_DAEMON_KAFKA_BROKER_HOST: String = text(&["bmp_daemon_kafka_broker_host"]).default("127.0.0.1")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Port of the broker.
    BMP_DAEMON_KAFKA_BROKER_PORT: u16 = port(&["bmp_daemon_kafka_broker_port"]).default("9092")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Consumer group. Daemons with the same group share the partitions of the topic. Without one, a daemon reads all of them.
    BMP_DAEMON_KAFKA_GROUP: Option<String> = text(&["bmp_daemon_kafka_group"])
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Seconds after which a router behind Kafka is removed with its routes, if the topic has no message of it. 0 means never.
    BMP_DAEMON_KAFKA_ROUTER_TIMEOUT: Duration = seconds(&["bmp_daemon_kafka_router_timeout"], 0).default("86400")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// File with options for librdkafka.
    BMP_DAEMON_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["bmp_daemon_kafka_config_file"])
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Name of this collector in messages in the format of OpenBMP; by default the name of the host.
    BMP_DAEMON_OPENBMP_ADMIN_ID: Option<String> = text(&["bmp_daemon_openbmp_admin_id"])
        .daemons(PMBMPD.and(FLOW)).acts();

    /// Expects a PROXY protocol header at the start of each session and takes the router's address from it.
    BMP_DAEMON_PARSE_PROXY_HEADER: bool = boolean(&["bmp_daemon_parse_proxy_header"]).default("false")
        .daemons(PMBMPD.and(FLOW)).acts();

    /// PEM file with the certificate chain of the daemon: all BMP sessions are then over TLS, and others are closed.
    BMP_DAEMON_TLS_CERT_FILE: Option<PathBuf> = path(&["bmp_daemon_tls_cert_file"]).daemons(PMBMPD.and(FLOW)).usr2()
        .acts();

    /// PEM file with the private key of the certificate.
    BMP_DAEMON_TLS_KEY_FILE: Option<PathBuf> = path(&["bmp_daemon_tls_key_file"]).daemons(PMBMPD.and(FLOW)).usr2()
        .acts();

    /// PEM file with the certificates of the authorities that sign those of routers. With it, routers must have a certificate.
    BMP_DAEMON_TLS_CA_FILE: Option<PathBuf> = path(&["bmp_daemon_tls_ca_file"]).daemons(PMBMPD.and(FLOW)).usr2()
        .acts();
}
