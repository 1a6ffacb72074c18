//! Where flows and packets come from, and what may be held while they come.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Side of an interface.
    pub enum Direction {
        /// What arrives there.
        In = "in",
        /// What leaves there.
        Out = "out",
    }
}

words! {
    /// Where the number of a capture interface comes from.
    pub enum InterfaceIndex {
        /// The system's own number.
        System = "sys",
        /// A hash of its name.
        Hash = "hash",
        /// `pcap_interfaces_map`.
        Map = "map",
        /// There is none.
        None = "none",
    }
}

/// Daemons that can read a capture file.
const SAVEFILE: Daemons = COLLECTORS.and(PMACCTD).and(PMBMPD);

keys! {
    /// UDP port to listen on.
    ///
    /// A port that another process has keeps the daemon from starting, unless both set `cluster_name`.
    NFACCTD_PORT: u16 = port(&["nfacctd_port", "sfacctd_port"]).default("2100").default_in(SFACCTD, "6343")
        .daemons(COLLECTORS).option('l', COLLECTORS, "port").acts();

    /// Address to listen on; all of them, IPv4 and IPv6, when not set.
    NFACCTD_IP: Option<IpAddr> = address(&["nfacctd_ip", "sfacctd_ip"]).daemons(COLLECTORS)
        .option('L', COLLECTORS, "address").acts();

    /// Takes IPv6 only when listening on all addresses.
    NFACCTD_IPV6_ONLY: bool = boolean(&["nfacctd_ipv6_only", "sfacctd_ipv6_only"]).default("false")
        .daemons(COLLECTORS).acts();

    /// Network device, such as a VRF, that the socket is bound to.
    NFACCTD_INTERFACE: Option<String> = text(&["nfacctd_interface", "sfacctd_interface"]).daemons(COLLECTORS)
        .acts();

    /// Threads that receive, decode and aggregate; 0 means as many as help on this machine.
    ///
    /// Datagrams of one exporter always reach the same worker.
    NFACCTD_WORKERS: usize = integer(&["nfacctd_workers"], 0, 64).default("0").daemons(COLLECTORS).acts();

    /// Receive buffer of the socket, or of libpcap, in octets; the system's default when not set.
    NFACCTD_PIPE_SIZE: Option<u64> = bytes(&["nfacctd_pipe_size", "sfacctd_pipe_size", "pmacctd_pipe_size"], 1)
        .daemons(COLLECTORS.and(PMACCTD)).acts();

    /// Multicast groups to join, IPv4 or IPv6; the interface is that of `nfacctd_interface`, else the system's choice. What
    /// is sent to a group reaches one worker only.
    NFACCTD_MCAST_GROUPS: Option<Vec<String>> = list(&["nfacctd_mcast_groups", "sfacctd_mcast_groups"])
        .daemons(COLLECTORS).acts();

    /// eBPF program that spreads datagrams over several daemons on one port.
    NFACCTD_RP_EBPF_PROG: Option<PathBuf> = path(&["nfacctd_rp_ebpf_prog", "sfacctd_rp_ebpf_prog"])
        .daemons(COLLECTORS);

    /// Exporters that each worker remembers; of more, the one that was silent longest is forgotten.
    NFACCTD_EXPORTERS_MAX: usize = integer(&["nfacctd_exporters_max"], 1, 10_000_000).default("10000")
        .daemons(COLLECTORS).acts();

    /// Octets that all that is remembered of exporters may take: templates, data that wait for them, options data, sequence
    /// numbers, names.
    ///
    /// Each worker has an equal share. Beyond it the exporters that were silent longest are forgotten, and counted
    /// (`exporters_evicted[memory]`). A letter K, M or G may follow; when not set, a quarter of the machine's memory and at
    /// most 2G.
    PEER_STATE_MEMORY: Option<u64> = bytes(&["peer_state_memory"], 1 << 20).with_units().daemons(COLLECTORS).acts();

    /// Percent of a worker's time that one exporter may take while others wait.
    ///
    /// What an exporter sends beyond it is dropped and counted (`datagrams_rejected[over_budget]`) as long as datagrams queue
    /// up at the worker's socket. An exporter that is alone on its worker, or whose worker has time left, is never
    /// limited. 100 limits nobody.
    NFACCTD_EXPORTER_SHARE: u32 = integer(&["nfacctd_exporter_share", "sfacctd_exporter_share"], 1, 100).default("75")
        .daemons(COLLECTORS).acts();

    /// Templates that are remembered of each exporter.
    NFACCTD_TEMPLATES_MAX: usize = integer(&["nfacctd_templates_max"], 1, 65_536).default("4096").daemons(NFACCTD)
        .acts();

    /// Octets of data sets that are kept of each exporter until their template arrives.
    ///
    /// A letter K, M or G may follow; 0 keeps nothing.
    NFACCTD_PENDING_BYTES: u64 = bytes(&["nfacctd_pending_bytes"], 0).with_units().default("1000000")
        .daemons(NFACCTD).acts();

    /// How long data sets are kept until their template arrives.
    NFACCTD_PENDING_TIME: Duration = seconds(&["nfacctd_pending_time"], 0).default("300").daemons(NFACCTD).acts();

    /// File that keeps templates over a restart.
    NFACCTD_TEMPLATES_FILE: Option<PathBuf> = path(&["nfacctd_templates_file"]).daemons(NFACCTD).acts();

    /// Size of that file, in octets; beyond it, the exporters that take most lose what they announced longest ago.
    ///
    /// A letter K, M or G may follow. More than 256 MiB are not used.
    NFACCTD_TEMPLATES_FILE_SIZE: u64 = bytes(&["nfacctd_templates_file_size"], 65536).with_units().default("64M")
        .daemons(NFACCTD).acts();

    /// Where datagrams with templates are passed on to: `host:port`.
    NFACCTD_TEMPLATES_RECEIVER: Option<String> = text(&["nfacctd_templates_receiver"]).daemons(NFACCTD);

    /// Further UDP port for templates that another daemon passes on.
    NFACCTD_TEMPLATES_PORT: Option<u16> = port(&["nfacctd_templates_port"]).daemons(NFACCTD);

    /// Knows exporters by the address of their datagrams, not by the one written inside.
    ///
    /// Inside are elements 130 and 131 of IPFIX and the agent address of sFlow.
    NFACCTD_IGNORE_EXPORTER_ADDRESS: bool = boolean(&[
        "nfacctd_ignore_exporter_address", "sfacctd_ignore_exporter_address",
    ]).default("false").daemons(COLLECTORS).acts();

    /// Options data hold for the whole exporter, whatever their scope.
    NFACCTD_DISABLE_OPT_SCOPE_CHECK: bool = boolean(&["nfacctd_disable_opt_scope_check"]).default("false")
        .daemons(NFACCTD).acts();

    /// Leaves out the lines in the log about datagrams of unknown versions and about sequence numbers. They are counted all
    /// the same.
    NFACCTD_DISABLE_SANITY_CHECKS: bool = boolean(&[
        "nfacctd_disable_sanity_checks", "sfacctd_disable_sanity_checks",
    ]).default("false").daemons(COLLECTORS).acts();

    /// Rejects sets whose padding is not zero.
    NFACCTD_PRE_PROCESSING_CHECKS: bool = boolean(&["nfacctd_pre_processing_checks"]).default("false")
        .daemons(NFACCTD).acts();

    /// Kafka broker that datagrams are read from, instead of a socket.
    NFACCTD_KAFKA_BROKER_HOST: Option<String> = text(&["nfacctd_kafka_broker_host", "sfacctd_kafka_broker_host"])
        .daemons(COLLECTORS);

    /// Port of the Kafka broker that datagrams are read from.
    NFACCTD_KAFKA_BROKER_PORT: u16 = port(&["nfacctd_kafka_broker_port", "sfacctd_kafka_broker_port"])
        .default("9092").daemons(COLLECTORS);

    /// Kafka topic that datagrams are read from.
    NFACCTD_KAFKA_TOPIC: Option<String> = text(&["nfacctd_kafka_topic", "sfacctd_kafka_topic"])
        .daemons(COLLECTORS);

    /// File of client settings for the Kafka broker that datagrams are read from.
    NFACCTD_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["nfacctd_kafka_config_file", "sfacctd_kafka_config_file"])
        .daemons(COLLECTORS);

    /// ZeroMQ publisher that datagrams are read from, `host:port`, instead of a socket.
    NFACCTD_ZMQ_ADDRESS: Option<String> = text(&["nfacctd_zmq_address", "sfacctd_zmq_address"])
        .daemons(COLLECTORS);

    /// Further port for IPFIX over DTLS.
    NFACCTD_DTLS_PORT: Option<u16> = port(&["nfacctd_dtls_port"]).daemons(NFACCTD);

    /// Directory of the key and the certificates for DTLS: `key.pem`, `cert.pem`, `ca-certificates.crt`.
    DTLS_PATH: Option<PathBuf> = path(&["dtls_path"]).daemons(NFACCTD.and(PACKETS));

    /// Capture file to read instead of the network.
    ///
    /// The daemon flushes and ends when it is read. Excludes addresses, ports and interfaces to listen on.
    PCAP_SAVEFILE: Option<PathBuf> = path(&["pcap_savefile"]).daemons(SAVEFILE).option('I', SAVEFILE, "file")
        .acts();

    /// Goes on running when the capture file is read.
    PCAP_SAVEFILE_WAIT: bool = boolean(&["pcap_savefile_wait"]).default("false").daemons(SAVEFILE)
        .flag('W', COLLECTORS.and(PMACCTD), "true").acts();

    /// Pause before the capture file is read, and before each repetition.
    PCAP_SAVEFILE_DELAY: Duration = seconds(&["pcap_savefile_delay"], 0).default("0").daemons(SAVEFILE)
        .option('Z', SAVEFILE, "seconds").acts();

    /// How often the capture file is read; 0 means for ever.
    PCAP_SAVEFILE_REPLAY: u32 = integer(&["pcap_savefile_replay"], 0, i32::MAX as i128).default("1")
        .daemons(SAVEFILE).option('Y', SAVEFILE, "count").acts();

    /// Filter for the whole daemon, in tcpdump's language.
    ///
    /// What follows the options on the command line of pmacctd is such a filter, too.
    PCAP_FILTER: Option<String> = text(&["pcap_filter"]).daemons(PMACCTD.and(PMBMPD))
        .option('R', PMBMPD, "filter")
        .acts();

    /// Ethernet type that the capture is limited to.
    PCAP_PROTOCOL: Option<u16> = code(&["pcap_protocol"]).daemons(PMACCTD)
        .acts();

    /// Interface to capture on; libpcap's choice when not set.
    PCAP_INTERFACE: Option<String> = text(&["pcap_interface"]).daemons(PMACCTD).option('i', PMACCTD, "interface")
        .acts();

    /// Tries again every few seconds until the interface can be captured on.
    PCAP_INTERFACE_WAIT: bool = boolean(&["pcap_interface_wait"]).default("false").daemons(PMACCTD)
        .flag('w', PMACCTD, "true")
        .acts();

    /// Direction that is captured; both when not set.
    ///
    /// It also decides whether the number of the interface counts as the one that a packet came in or went out by.
    PCAP_DIRECTION: Option<Direction> = words(&["pcap_direction", "uacctd_direction"]).by_prefix()
        .daemons(PACKETS)
        .acts();

    /// Where the number of the capture interface comes from.
    PCAP_IFINDEX: InterfaceIndex = words(&["pcap_ifindex"]).default("none").by_prefix().daemons(PMACCTD)
        .acts();

    /// Distance from the end of the frame at which the trailer of a mirroring switch begins, in octets.
    PCAP_ARISTA_TRAILER_OFFSET: Option<u32> = integer(&["pcap_arista_trailer_offset"], 8, i32::MAX as i128)
        .daemons(PMACCTD).acts();

    /// Flag in that trailer which says that an output interface follows.
    PCAP_ARISTA_TRAILER_FLAG_VALUE: u8 = integer(&["pcap_arista_trailer_flag_value"], 0, 128).default("1")
        .daemons(PMACCTD).acts();

    /// Captures frames for other stations, too.
    PROMISC: bool = boolean(&["promisc"]).default("true").daemons(PMACCTD).flag('N', PMACCTD, "false")
        .acts();

    /// Octets that are captured of each packet.
    SNAPLEN: u64 = bytes(&["snaplen"], 128).default("128").daemons(PACKETS).option('L', PACKETS, "octets")
        .acts();

    /// Group of netfilter's log.
    UACCTD_GROUP: u16 = integer(&["uacctd_group"], 0, 65535).default("0").daemons(UACCTD)
        .option('g', UACCTD, "group")
        .acts();

    /// Netlink buffer, in octets.
    UACCTD_NL_SIZE: u64 = bytes(&["uacctd_nl_size"], 0).default("131072").daemons(UACCTD)
        .acts();

    /// Packets that the kernel gathers before it passes them up.
    UACCTD_THRESHOLD: u32 = integer(&["uacctd_threshold"], 0, i32::MAX as i128).default("1").daemons(UACCTD)
        .acts();

    /// Accounts the packet inside of a tunnel: `gtp, PORT` or `vxlan, PORT`, up to four layers with `;` between them.
    TUNNEL_0: Option<String> = text(&["tunnel_0"]).daemons(PACKETS.and(SFACCTD))
        .acts();

    /// Joins fragments although no primitive asks for ports.
    PMACCTD_FORCE_FRAG_HANDLING: bool = boolean(&["pmacctd_force_frag_handling", "uacctd_force_frag_handling"])
        .default("false").daemons(PACKETS)
        .acts();

    /// Octets that fragments may take, for IPv4 and IPv6 each.
    PMACCTD_FRAG_BUFFER_SIZE: u64 = bytes(&["pmacctd_frag_buffer_size", "uacctd_frag_buffer_size"], 1)
        .default("4096000").daemons(PACKETS)
        .acts();

    /// Octets that flows may take, for IPv4 and IPv6 each.
    PMACCTD_FLOW_BUFFER_SIZE: u64 = bytes(&["pmacctd_flow_buffer_size", "uacctd_flow_buffer_size"], 1)
        .default("16384000").daemons(PACKETS)
        .acts();

    /// Buckets of the flow table.
    PMACCTD_FLOW_BUFFER_BUCKETS: u32 = integer(
        &["pmacctd_flow_buffer_buckets", "uacctd_flow_buffer_buckets"], 1, i32::MAX as i128,
    ).default("256").daemons(PACKETS).needless("the flow table grows by itself, up to its size in octets");

    /// Octets that tracked connections may take, for IPv4 and IPv6 each.
    PMACCTD_CONNTRACK_BUFFER_SIZE: u64 = bytes(&["pmacctd_conntrack_buffer_size", "uacctd_conntrack_buffer_size"], 1)
        .default("8192000").daemons(PACKETS)
        .needless("what is known of a connection is kept with its flows");

    /// Silence after which a flow that is not TCP has ended.
    PMACCTD_FLOW_LIFETIME: Duration = seconds(&["pmacctd_flow_lifetime", "uacctd_flow_lifetime"], 1).default("60")
        .daemons(PACKETS)
        .needless("only TCP opens flows that are counted");

    /// Silence after which a TCP flow has ended; 60 seconds when not set, five days with classification.
    PMACCTD_FLOW_TCP_LIFETIME: Option<Duration> = seconds(
        &["pmacctd_flow_tcp_lifetime", "uacctd_flow_tcp_lifetime"], 1,
    ).daemons(PACKETS)
        .acts();
}
