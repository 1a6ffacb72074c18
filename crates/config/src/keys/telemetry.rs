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
        /// JSON, one object per line.
        Json = "json",
        /// Protocol buffers.
        Gpb = "gpb",
        /// Cisco, older framing.
        CiscoV0 = "cisco_v0",
        /// Cisco.
        CiscoV1 = "cisco_v1",
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
    /// Accepts telemetry and logs it.
    TELEMETRY_DAEMON: bool = boolean(&["telemetry_daemon"]).default("false").default_in(PMTELEMETRYD, "true")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// TCP port to listen on.
    TELEMETRY_DAEMON_PORT_TCP: Option<u16> = port(&["telemetry_daemon_port_tcp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('t', PMTELEMETRYD, "port");

    /// UDP port to listen on.
    TELEMETRY_DAEMON_PORT_UDP: Option<u16> = port(&["telemetry_daemon_port_udp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('u', PMTELEMETRYD, "port");

    /// Address to listen on; by default all addresses.
    TELEMETRY_DAEMON_IP: Option<IpAddr> = address(&["telemetry_daemon_ip"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('L', PMTELEMETRYD, "address");

    /// Network device, such as a VRF, to which the listening sockets are bound.
    TELEMETRY_DAEMON_INTERFACE: Option<String> = text(&["telemetry_daemon_interface"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Accepts only IPv6 when the daemon listens on all addresses.
    TELEMETRY_DAEMON_IPV6_ONLY: bool = boolean(&["telemetry_daemon_ipv6_only"]).default("false")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// eBPF program that distributes telemetry among several daemons on one port.
    TELEMETRY_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// UDP port to listen on for UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_PORT: Option<u16> = port(&["telemetry_daemon_udp_notif_port"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Address to listen on for UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_IP: Option<IpAddr> = address(&["telemetry_daemon_udp_notif_ip"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Network device, such as a VRF, to which the UDP-notif socket is bound.
    TELEMETRY_DAEMON_UDP_NOTIF_INTERFACE: Option<String> = text(&["telemetry_daemon_udp_notif_interface"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Accepts only IPv6 for UDP-notif when the daemon listens on all addresses.
    TELEMETRY_DAEMON_UDP_NOTIF_IPV6_ONLY: bool = boolean(&["telemetry_daemon_udp_notif_ipv6_only"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW));

    /// Number of UDP-notif messages that one read may return.
    TELEMETRY_DAEMON_UDP_NOTIF_NMSGS: u32 = integer(&["telemetry_daemon_udp_notif_nmsgs"], 1, u32::MAX as i128)
        .default("1").daemons(PMTELEMETRYD.and(FLOW));

    /// eBPF program that distributes UDP-notif among several daemons on one port.
    TELEMETRY_DAEMON_UDP_NOTIF_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_udp_notif_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// File with the settings of gRPC input.
    TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF: Option<PathBuf> = path(&["telemetry_daemon_grpc_collector_conf"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Framing and encoding of messages over TCP or UDP.
    TELEMETRY_DAEMON_DECODER: Option<TelemetryDecoder> = words(&["telemetry_daemon_decoder"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Maximum number of concurrent exporters.
    TELEMETRY_DAEMON_MAX_PEERS: u32 = integer(&["telemetry_daemon_max_peers"], 1, u32::MAX as i128).default("100")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Seconds without a message after which the state of a UDP exporter is removed.
    TELEMETRY_DAEMON_PEER_TIMEOUT: Duration = seconds(&["telemetry_daemon_peer_timeout"], 60).default("300")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Receive buffer, in bytes.
    TELEMETRY_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["telemetry_daemon_pipe_size"], 1)
        .daemons(PMTELEMETRYD.and(FLOW));

    /// IP precedence of the daemon's own packets.
    TELEMETRY_DAEMON_IPPREC: u32 = integer(&["telemetry_daemon_ipprec"], 0, 7).default("0")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Reads the older header of UDP-notif.
    TMP_TELEMETRY_DAEMON_UDP_NOTIF_LEGACY: bool = boolean(&["tmp_telemetry_daemon_udp_notif_legacy"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW)).legacy();

    /// Keeps the data of Cisco's JSON framing as a string.
    TMP_TELEMETRY_DECODE_CISCO_V1_JSON_STRING: bool = boolean(&["tmp_telemetry_decode_cisco_v1_json_string"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW));
}
