//! Streaming telemetry.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

words! {
    /// Framing and encoding of telemetry.
    pub enum TelemetryDecoder {
        /// JSON: over TCP, objects that follow each other.
        Json = "json",
        /// Protocol buffers, over UDP.
        Gpb = "gpb",
        /// Cisco's header of 8 octets.
        CiscoV0 = "cisco_v0",
        /// Cisco's header of 12 octets.
        CiscoV1 = "cisco_v1",
    }
}

words! {
    /// Members of logged telemetry.
    pub enum TelemetryOutputFormat {
        /// Objects with data-collection-manifest, payload, network-operator-metadata and telemetry-message-metadata.
        Message = "message",
        /// One level, as pmacct 1.7.7 wrote.
        Flat = "flat",
    }
}

words! {
    /// Format of logged telemetry.
    pub enum TelemetryOutput {
        /// JSON.
        Json = "json",
    }
}

keys! {
    /// Accepts streaming telemetry and logs it.
    TELEMETRY_DAEMON: bool = boolean(&["telemetry_daemon"]).default("false").default_in(PMTELEMETRYD, "true")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// TCP port to listen on.
    TELEMETRY_DAEMON_PORT_TCP: Option<u16> = port(&["telemetry_daemon_port_tcp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('t', PMTELEMETRYD, "port").acts();

    /// UDP port to listen on.
    TELEMETRY_DAEMON_PORT_UDP: Option<u16> = port(&["telemetry_daemon_port_udp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('u', PMTELEMETRYD, "port").acts();

    /// Address to listen on; by default all addresses.
    TELEMETRY_DAEMON_IP: Option<IpAddr> = address(&["telemetry_daemon_ip"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('L', PMTELEMETRYD, "address").acts();

    /// Network device, such as a VRF, to which the listening sockets are bound.
    TELEMETRY_DAEMON_INTERFACE: Option<String> = text(&["telemetry_daemon_interface"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Accepts only IPv6 when the daemon listens on all addresses.
    TELEMETRY_DAEMON_IPV6_ONLY: bool = boolean(&["telemetry_daemon_ipv6_only"]).default("false")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Object file of an eBPF program that selects among several daemons on one port, for telemetry over TCP and UDP.
    ///
    /// It is used for UDP-notif as well, unless `telemetry_daemon_udp_notif_rp_ebpf_prog` is set. Its maps are in
    /// `/sys/fs/bpf/pmacct/CLUSTER/telemetry-tcp` and `telemetry-udp`. See docs/clusters.md.
    TELEMETRY_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// UDP port to listen on for UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_PORT: Option<u16> = port(&["telemetry_daemon_udp_notif_port"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Address to listen on for UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_IP: Option<IpAddr> = address(&["telemetry_daemon_udp_notif_ip"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Network device, such as a VRF, to which the UDP-notif socket is bound.
    TELEMETRY_DAEMON_UDP_NOTIF_INTERFACE: Option<String> = text(&["telemetry_daemon_udp_notif_interface"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Accepts only IPv6 for UDP-notif when the daemon listens on all addresses.
    TELEMETRY_DAEMON_UDP_NOTIF_IPV6_ONLY: bool = boolean(&["telemetry_daemon_udp_notif_ipv6_only"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Number of UDP-notif messages that one read may return.
    TELEMETRY_DAEMON_UDP_NOTIF_NMSGS: u32 = integer(&["telemetry_daemon_udp_notif_nmsgs"], 1, u32::MAX as i128)
        .default("1").daemons(PMTELEMETRYD.and(FLOW)).no_op("up to 64 datagrams are read at once");

    /// Object file of an eBPF program that selects among several daemons on one port, for UDP-notif.
    ///
    /// Its maps are in `/sys/fs/bpf/pmacct/CLUSTER/telemetry`. See docs/clusters.md.
    TELEMETRY_DAEMON_UDP_NOTIF_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_udp_notif_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// File with the settings of routers that dial out over gRPC, in the format of mdt-dialout-collector; setting it enables this input.
    TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF: Option<PathBuf> = path(&["telemetry_daemon_grpc_collector_conf"])
        .daemons(PMTELEMETRYD.and(FLOW))
        .acts_in(PMTELEMETRYD, "the gRPC server is part of pmtelemetryd");

    /// File with gNMI targets, which the daemon dials and subscribes to; setting it enables this input.
    TELEMETRY_GNMI_TARGETS: Option<PathBuf> = path(&["telemetry_gnmi_targets"]).daemons(PMTELEMETRYD).usr2().acts();

    /// Framing and encoding of messages over TCP or UDP; these need it.
    TELEMETRY_DAEMON_DECODER: Option<TelemetryDecoder> = words(&["telemetry_daemon_decoder"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Maximum number of exporters at a time: connections, and addresses that send datagrams.
    TELEMETRY_DAEMON_MAX_PEERS: u32 = integer(&["telemetry_daemon_max_peers"], 1, u32::MAX as i128).default("100")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Seconds without a message after which an exporter without a connection is forgotten.
    TELEMETRY_DAEMON_PEER_TIMEOUT: Duration = seconds(&["telemetry_daemon_peer_timeout"], 60).default("300")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Receive buffer of each session and of each UDP socket, in bytes.
    TELEMETRY_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["telemetry_daemon_pipe_size"], 1)
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// IP precedence of the daemon's own packets.
    TELEMETRY_DAEMON_IPPREC: u32 = integer(&["telemetry_daemon_ipprec"], 0, 7).default("0")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Reads the older header of UDP-notif.
    TMP_TELEMETRY_DAEMON_UDP_NOTIF_LEGACY: bool = boolean(&["tmp_telemetry_daemon_udp_notif_legacy"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW)).legacy().acts();

    /// Keeps the data of Cisco's JSON framing as a string.
    TMP_TELEMETRY_DECODE_CISCO_V1_JSON_STRING: bool = boolean(&["tmp_telemetry_decode_cisco_v1_json_string"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Members of logged messages and of dumps: `message` is the format of pmacct 1.8, `flat` that of 1.7.7.
    TELEMETRY_OUTPUT_FORMAT: TelemetryOutputFormat = words(&["telemetry_output_format"]).default("message")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Decodes payloads that describe themselves, such as CBOR, to JSON.
    ///
    /// By default, only JSON is shown as such: payloads of other encodings are shown in base64.
    TELEMETRY_DECODE: bool = boolean(&["telemetry_decode"]).default("false").daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Files with YANG schema item identifiers (`.sid`, RFC 9595), by which the names of CBOR payloads are found.
    TELEMETRY_SID_FILES: Option<Vec<String>> = list(&["telemetry_sid_files"]).daemons(PMTELEMETRYD.and(FLOW)).usr2()
        .acts();

    /// Maximum number of octets of a message. Longer ones are dropped; over TCP, they end their connection.
    TELEMETRY_DAEMON_MAX_MESSAGE: u64 = bytes(&["telemetry_daemon_max_message"], 65536).default("4194304")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Maximum number of octets of incomplete UDP-notif messages. The oldest message is dropped for a new one.
    TELEMETRY_DAEMON_UDP_NOTIF_MEMORY: u64 = bytes(&["telemetry_daemon_udp_notif_memory"], 65536)
        .default("67108864").daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Seconds for which an incomplete UDP-notif message waits for its next segment.
    TELEMETRY_DAEMON_UDP_NOTIF_TIMEOUT: Duration = seconds(&["telemetry_daemon_udp_notif_timeout"], 1).default("3")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Kafka topic from which telemetry in JSON is read; setting it enables this input.
    TELEMETRY_DAEMON_KAFKA_TOPIC: Option<String> = text(&["telemetry_daemon_kafka_topic"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Broker of that topic, or several separated by commas.
    TELEMETRY_DAEMON_KAFKA_BROKER_HOST: String = text(&["telemetry_daemon_kafka_broker_host"]).default("127.0.0.1")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Port of the broker.
    TELEMETRY_DAEMON_KAFKA_BROKER_PORT: u16 = port(&["telemetry_daemon_kafka_broker_port"]).default("9092")
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Consumer group. Daemons with the same group share the partitions of the topic. Without one, a daemon reads all of them.
    TELEMETRY_DAEMON_KAFKA_GROUP: Option<String> = text(&["telemetry_daemon_kafka_group"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// File with options for librdkafka.
    TELEMETRY_DAEMON_KAFKA_CONFIG_FILE: Option<PathBuf> = path(&["telemetry_daemon_kafka_config_file"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();

    /// Address of a ZeroMQ socket of type PUSH from which telemetry in JSON is read, such as `192.0.2.1:50000`; setting it enables this
    /// input.
    TELEMETRY_DAEMON_ZMQ_ADDRESS: Option<String> = text(&["telemetry_daemon_zmq_address"])
        .daemons(PMTELEMETRYD.and(FLOW)).acts();
}
