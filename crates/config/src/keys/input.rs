//! Sources of flows and packets, and limits of their state.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Side of an interface.
    pub enum Direction {
        /// Packets that arrive.
        In = "in",
        /// Packets that leave.
        Out = "out",
    }
}

words! {
    /// Source of the index of a capture interface.
    pub enum InterfaceIndex {
        /// The system's index.
        System = "sys",
        /// A hash of its name.
        Hash = "hash",
        /// `pcap_interfaces_map`.
        Map = "map",
        /// No index.
        None = "none",
    }
}

/// Daemons that can read a capture file.
const SAVEFILE: Daemons = COLLECTORS.and(PMACCTD).and(PMBMPD);

keys! {
    /// UDP port to listen on.
    ///
    /// If another process uses the port, the daemon does not start, unless both set `cluster_name`.
    NFACCTD_PORT: u16 = port(&["nfacctd_port", "sfacctd_port"]).default("2100").default_in(SFACCTD, "6343")
        .daemons(COLLECTORS).option('l', COLLECTORS, "port").acts();

    /// Address to listen on; by default all addresses, IPv4 and IPv6.
    NFACCTD_IP: Option<IpAddr> = address(&["nfacctd_ip", "sfacctd_ip"]).daemons(COLLECTORS)
        .option('L', COLLECTORS, "address").acts();

    /// Accepts only IPv6 when the daemon listens on all addresses.
    NFACCTD_IPV6_ONLY: bool = boolean(&["nfacctd_ipv6_only", "sfacctd_ipv6_only"]).default("false")
        .daemons(COLLECTORS).acts();

    /// Network device, such as a VRF, to which the socket is bound.
    NFACCTD_INTERFACE: Option<String> = text(&["nfacctd_interface", "sfacctd_interface"]).daemons(COLLECTORS)
        .acts();

    /// Number of threads that receive, decode and aggregate; 0 selects it automatically.
    ///
    /// All datagrams of one exporter reach the same worker.
    NFACCTD_WORKERS: usize = integer(&["nfacctd_workers"], 0, 64).default("0").daemons(COLLECTORS).acts();

    /// Receive buffer of the socket, or of libpcap, in bytes; by default the system's value.
    NFACCTD_PIPE_SIZE: Option<u64> = bytes(&["nfacctd_pipe_size", "sfacctd_pipe_size", "pmacctd_pipe_size"], 1)
        .daemons(COLLECTORS.and(PMACCTD)).acts();

    /// Multicast groups to join, IPv4 or IPv6, on the interface of `nfacctd_interface`, or one that the system selects. Datagrams
    /// to a group reach only one worker.
    NFACCTD_MCAST_GROUPS: Option<Vec<String>> = list(&["nfacctd_mcast_groups", "sfacctd_mcast_groups"])
        .daemons(COLLECTORS).acts();

    /// Object file of an eBPF program that selects among several daemons on one port.
    ///
    /// Its maps are in `/sys/fs/bpf/pmacct/CLUSTER/nfacctd` (or `sfacctd`). The daemon has one worker unless `nfacctd_workers` is
    /// set; then it has as many places in the map, from `cluster_id` times their number on. See docs/clusters.md.
    NFACCTD_RP_EBPF_PROG: Option<PathBuf> = path(&["nfacctd_rp_ebpf_prog", "sfacctd_rp_ebpf_prog"])
        .daemons(COLLECTORS).acts();

    /// Number of exporters that each worker remembers; beyond that, the one that was silent longest is removed.
    NFACCTD_EXPORTERS_MAX: usize = integer(&["nfacctd_exporters_max"], 1, 10_000_000).default("10000")
        .daemons(COLLECTORS).acts();

    /// Bytes that the state of all exporters may take: templates, data sets without a template yet, options data, sequence
    /// numbers, names.
    ///
    /// The memory is divided equally among the workers. Beyond it, the exporters that were silent longest are removed and counted
    /// (`exporters_evicted[memory]`). May end with K, M or G; by default a quarter of the machine's memory, but at most 2G.
    PEER_STATE_MEMORY: Option<u64> = bytes(&["peer_state_memory"], 1 << 20).with_units().daemons(COLLECTORS).acts();

    /// Percentage of a worker's time that one exporter may use while others are queued.
    ///
    /// Datagrams beyond it are dropped and counted (`datagrams_rejected[over_budget]`) as long as datagrams queue up at the
    /// worker's socket. An exporter that is alone on its worker, or whose worker has time left, is never limited. 100 disables
    /// the limit.
    NFACCTD_EXPORTER_SHARE: u32 = integer(&["nfacctd_exporter_share", "sfacctd_exporter_share"], 1, 100).default("75")
        .daemons(COLLECTORS).acts();

    /// Number of templates of each exporter.
    NFACCTD_TEMPLATES_MAX: usize = integer(&["nfacctd_templates_max"], 1, 65_536).default("4096").daemons(NFACCTD)
        .acts();

    /// Bytes of data sets that are kept for each exporter until their template arrives.
    ///
    /// May end with K, M or G; 0 keeps nothing.
    NFACCTD_PENDING_BYTES: u64 = bytes(&["nfacctd_pending_bytes"], 0).with_units().default("1000000")
        .daemons(NFACCTD).acts();

    /// How long data sets are kept until their template arrives.
    NFACCTD_PENDING_TIME: Duration = seconds(&["nfacctd_pending_time"], 0).default("300").daemons(NFACCTD).acts();

    /// File that keeps templates across a restart.
    NFACCTD_TEMPLATES_FILE: Option<PathBuf> = path(&["nfacctd_templates_file"]).daemons(NFACCTD).acts();

    /// Maximum size of that file, in bytes; beyond it, the exporters with the largest part lose their oldest templates.
    ///
    /// May end with K, M or G. At most 256 MiB are used.
    NFACCTD_TEMPLATES_FILE_SIZE: u64 = bytes(&["nfacctd_templates_file_size"], 65536).with_units().default("64M")
        .daemons(NFACCTD).acts();

    /// Kafka topic through which collectors share templates: each writes those that it learns, and reads those of the others.
    ///
    /// The topic should be compacted (`cleanup.policy=compact`). All its partitions are read from their beginning.
    NFACCTD_TEMPLATES_KAFKA_TOPIC: Option<String> = text(&["nfacctd_templates_kafka_topic"]).daemons(NFACCTD).acts();

    /// Broker of that topic, or several separated by commas.
    NFACCTD_TEMPLATES_KAFKA_BROKER_HOST: String = text(&["nfacctd_templates_kafka_broker_host"])
        .default("127.0.0.1").daemons(NFACCTD).acts();

    /// Port of the broker.
    NFACCTD_TEMPLATES_KAFKA_BROKER_PORT: u16 = port(&["nfacctd_templates_kafka_broker_port"]).default("9092")
        .daemons(NFACCTD).acts();

    /// File with options for librdkafka.
    NFACCTD_TEMPLATES_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["nfacctd_templates_kafka_config_file"])
        .daemons(NFACCTD).acts();

    /// Bytes of templates that are kept of that topic; beyond it, the exporters with the largest part lose their oldest ones.
    ///
    /// May end with K, M or G.
    NFACCTD_TEMPLATES_KAFKA_SIZE: u64 = bytes(&["nfacctd_templates_kafka_size"], 65536).with_units().default("256M")
        .daemons(NFACCTD).acts();

    /// Collector to which datagrams with templates are forwarded, with the address of their exporter: `host:port`, where the port is the
    /// `nfacctd_templates_port` of that collector.
    ///
    /// Sending with the address of others needs the capability CAP_NET_RAW.
    NFACCTD_TEMPLATES_RECEIVER: Option<String> = text(&["nfacctd_templates_receiver"]).daemons(NFACCTD).acts();

    /// Additional UDP port for templates that another collector forwards.
    ///
    /// Data in these datagrams are ignored, since the other collector counts them, and nothing is forwarded again.
    NFACCTD_TEMPLATES_PORT: Option<u16> = port(&["nfacctd_templates_port"]).daemons(NFACCTD).acts();

    /// Identifies exporters by the source address of their datagrams, not by the address that they contain.
    ///
    /// These are elements 130 and 131 of IPFIX and the agent address of sFlow.
    NFACCTD_IGNORE_EXPORTER_ADDRESS: bool = boolean(&[
        "nfacctd_ignore_exporter_address", "sfacctd_ignore_exporter_address",
    ]).default("false").daemons(COLLECTORS).acts();

    /// Applies options data to the whole exporter, regardless of its scope.
    NFACCTD_DISABLE_OPT_SCOPE_CHECK: bool = boolean(&["nfacctd_disable_opt_scope_check"]).default("false")
        .daemons(NFACCTD).acts();

    /// Omits log lines about datagrams of unknown versions and about sequence numbers. They are still counted.
    NFACCTD_DISABLE_SANITY_CHECKS: bool = boolean(&[
        "nfacctd_disable_sanity_checks", "sfacctd_disable_sanity_checks",
    ]).default("false").daemons(COLLECTORS).acts();

    /// Rejects sets with non-zero padding.
    NFACCTD_PRE_PROCESSING_CHECKS: bool = boolean(&["nfacctd_pre_processing_checks"]).default("false")
        .daemons(NFACCTD).acts();

    /// Kafka brokers from which datagrams are read, instead of a socket: one, or several separated by commas.
    NFACCTD_KAFKA_BROKER_HOST: Option<String> = text(&["nfacctd_kafka_broker_host", "sfacctd_kafka_broker_host"])
        .daemons(COLLECTORS).acts();

    /// Port of the Kafka broker from which datagrams are read.
    NFACCTD_KAFKA_BROKER_PORT: u16 = port(&["nfacctd_kafka_broker_port", "sfacctd_kafka_broker_port"])
        .default("9092").daemons(COLLECTORS).acts();

    /// Kafka topic from which datagrams are read, each with the IP and UDP headers of its exporter before it, as tee sends them.
    NFACCTD_KAFKA_TOPIC: Option<String> = text(&["nfacctd_kafka_topic", "sfacctd_kafka_topic"])
        .daemons(COLLECTORS).acts();

    /// Consumer group that reads the topic. Daemons with the same group share its partitions.
    ///
    /// With a group, a daemon continues after a restart where it was. Without one, it reads all partitions, from their end.
    NFACCTD_KAFKA_GROUP: Option<String> = text(&["nfacctd_kafka_group", "sfacctd_kafka_group"])
        .daemons(COLLECTORS).acts();

    /// File of client options for the Kafka broker from which datagrams are read.
    NFACCTD_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["nfacctd_kafka_config_file", "sfacctd_kafka_config_file"])
        .daemons(COLLECTORS).acts();

    /// Address of a ZeroMQ socket of type PUSH from which datagrams are read, instead of a socket: `host:port`. Their form is that of
    /// `nfacctd_kafka_topic`.
    NFACCTD_ZMQ_ADDRESS: Option<String> = text(&["nfacctd_zmq_address", "sfacctd_zmq_address"])
        .daemons(COLLECTORS).acts();

    /// Additional UDP port for IPFIX and NetFlow over DTLS; the registered one is 4740.
    NFACCTD_DTLS_PORT: Option<u16> = port(&["nfacctd_dtls_port"]).daemons(NFACCTD).acts();

    /// Directory of the key and the certificates for DTLS: `key.pem`, `cert.pem`, `ca-certificates.crt`.
    DTLS_PATH: Option<PathBuf> = path(&["dtls_path"]).daemons(NFACCTD.and(PACKETS)).acts();

    /// Capture file to read instead of the network.
    ///
    /// At the end of the file the daemon flushes and exits. Cannot be combined with addresses, ports and interfaces to listen on.
    PCAP_SAVEFILE: Option<PathBuf> = path(&["pcap_savefile"]).daemons(SAVEFILE.and(PMBGPD).and(PMTELEMETRYD))
        .option('I', SAVEFILE, "file").acts();

    /// Continues to run after the capture file is read.
    PCAP_SAVEFILE_WAIT: bool = boolean(&["pcap_savefile_wait"]).default("false")
        .daemons(SAVEFILE.and(PMBGPD).and(PMTELEMETRYD))
        .flag('W', COLLECTORS.and(PMACCTD), "true").acts();

    /// Pause before the capture file is read, and before each repetition.
    PCAP_SAVEFILE_DELAY: Duration = seconds(&["pcap_savefile_delay"], 0).default("0")
        .daemons(SAVEFILE.and(PMBGPD).and(PMTELEMETRYD))
        .option('Z', SAVEFILE, "seconds").acts();

    /// Number of times that the capture file is read; 0 means forever.
    PCAP_SAVEFILE_REPLAY: u32 = integer(&["pcap_savefile_replay"], 0, i32::MAX as i128).default("1")
        .daemons(SAVEFILE.and(PMTELEMETRYD)).option('Y', SAVEFILE, "count").acts();

    /// Filter for the whole daemon, in tcpdump's language.
    ///
    /// Text after the options on the command line of pmacctd is such a filter too.
    PCAP_FILTER: Option<String> = text(&["pcap_filter"]).daemons(PMACCTD.and(PMBMPD))
        .option('R', PMBMPD, "filter")
        .acts();

    /// EtherType to which the capture is limited.
    PCAP_PROTOCOL: Option<u16> = code(&["pcap_protocol"]).daemons(PMACCTD)
        .acts();

    /// Interface to capture on; by default libpcap selects one.
    PCAP_INTERFACE: Option<String> = text(&["pcap_interface"]).daemons(PMACCTD).option('i', PMACCTD, "interface")
        .acts();

    /// Retries every few seconds until the interface is available.
    PCAP_INTERFACE_WAIT: bool = boolean(&["pcap_interface_wait"]).default("false").daemons(PMACCTD)
        .flag('w', PMACCTD, "true")
        .acts();

    /// Direction to capture; both by default.
    ///
    /// It also determines whether the index of the interface is used as the input or the output interface of a packet.
    PCAP_DIRECTION: Option<Direction> = words(&["pcap_direction", "uacctd_direction"]).by_prefix()
        .daemons(PACKETS)
        .acts();

    /// Source of the index of the capture interface.
    PCAP_IFINDEX: InterfaceIndex = words(&["pcap_ifindex"]).default("none").by_prefix().daemons(PMACCTD)
        .acts();

    /// Offset of the trailer of a mirroring switch from the end of the frame, in octets.
    PCAP_ARISTA_TRAILER_OFFSET: Option<u32> = integer(&["pcap_arista_trailer_offset"], 8, i32::MAX as i128)
        .daemons(PMACCTD).acts();

    /// Flag in that trailer that indicates that an output interface follows.
    PCAP_ARISTA_TRAILER_FLAG_VALUE: u8 = integer(&["pcap_arista_trailer_flag_value"], 0, 128).default("1")
        .daemons(PMACCTD).acts();

    /// Captures frames for other stations as well.
    PROMISC: bool = boolean(&["promisc"]).default("true").daemons(PMACCTD).flag('N', PMACCTD, "false")
        .acts();

    /// Number of octets to capture of each packet.
    SNAPLEN: u64 = bytes(&["snaplen"], 128).default("128").daemons(PACKETS).option('L', PACKETS, "octets")
        .acts();

    /// Group of netfilter's log.
    UACCTD_GROUP: u16 = integer(&["uacctd_group"], 0, 65535).default("0").daemons(UACCTD)
        .option('g', UACCTD, "group")
        .acts();

    /// Size of the netlink buffer, in bytes.
    UACCTD_NL_SIZE: u64 = bytes(&["uacctd_nl_size"], 0).default("131072").daemons(UACCTD)
        .acts();

    /// Number of packets that the kernel collects before it delivers them.
    UACCTD_THRESHOLD: u32 = integer(&["uacctd_threshold"], 0, i32::MAX as i128).default("1").daemons(UACCTD)
        .acts();

    /// Accounts the inner packet of a tunnel: `gtp, PORT` or `vxlan, PORT`, up to four layers separated by `;`.
    TUNNEL_0: Option<String> = text(&["tunnel_0"]).daemons(PACKETS.and(SFACCTD))
        .acts();

    /// Reassembles port information of fragments even if no primitive requires ports.
    PMACCTD_FORCE_FRAG_HANDLING: bool = boolean(&["pmacctd_force_frag_handling", "uacctd_force_frag_handling"])
        .default("false").daemons(PACKETS)
        .acts();

    /// Bytes that fragments may take, for IPv4 and IPv6 each.
    PMACCTD_FRAG_BUFFER_SIZE: u64 = bytes(&["pmacctd_frag_buffer_size", "uacctd_frag_buffer_size"], 1)
        .default("4096000").daemons(PACKETS)
        .acts();

    /// Bytes that flows may take, for IPv4 and IPv6 each.
    PMACCTD_FLOW_BUFFER_SIZE: u64 = bytes(&["pmacctd_flow_buffer_size", "uacctd_flow_buffer_size"], 1)
        .default("16384000").daemons(PACKETS)
        .acts();

    /// Buckets of the flow table.
    PMACCTD_FLOW_BUFFER_BUCKETS: u32 = integer(
        &["pmacctd_flow_buffer_buckets", "uacctd_flow_buffer_buckets"], 1, i32::MAX as i128,
    ).default("256").daemons(PACKETS).no_op("the flow table grows as needed, up to `pmacctd_flow_buffer_size`");

    /// Bytes that tracked connections may take, for IPv4 and IPv6 each.
    PMACCTD_CONNTRACK_BUFFER_SIZE: u64 = bytes(&["pmacctd_conntrack_buffer_size", "uacctd_conntrack_buffer_size"], 1)
        .default("8192000").daemons(PACKETS)
        .no_op("the state of a connection is stored with its flows");

    /// Silence after which a flow of a protocol other than TCP ends.
    PMACCTD_FLOW_LIFETIME: Duration = seconds(&["pmacctd_flow_lifetime", "uacctd_flow_lifetime"], 1).default("60")
        .daemons(PACKETS)
        .no_op("only TCP flows are counted");

    /// Silence after which a TCP flow ends; 60 seconds by default, five days with classification.
    PMACCTD_FLOW_TCP_LIFETIME: Option<Duration> = seconds(
        &["pmacctd_flow_tcp_lifetime", "uacctd_flow_tcp_lifetime"], 1,
    ).daemons(PACKETS)
        .acts();
}
