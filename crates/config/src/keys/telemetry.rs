//! Streaming telemetry.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

words! {
    /// Framings and encodings of telemetry.
    pub enum TelemetryDecoder {
        /// JSON, a line each.
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
    /// Formats of logged telemetry.
    pub enum TelemetryOutput {
        /// JSON.
        Json = "json",
    }
}

keys! {
    /// Listens for telemetry and logs it.
    TELEMETRY_DAEMON: bool = boolean(&["telemetry_daemon"]).default("false").default_in(PMTELEMETRYD, "true")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// TCP port to listen on.
    TELEMETRY_DAEMON_PORT_TCP: Option<u16> = port(&["telemetry_daemon_port_tcp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('t', PMTELEMETRYD, "port");

    /// UDP port to listen on.
    TELEMETRY_DAEMON_PORT_UDP: Option<u16> = port(&["telemetry_daemon_port_udp"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('u', PMTELEMETRYD, "port");

    /// Address to listen on; all of them when it is not set.
    TELEMETRY_DAEMON_IP: Option<IpAddr> = address(&["telemetry_daemon_ip"]).daemons(PMTELEMETRYD.and(FLOW))
        .option('L', PMTELEMETRYD, "address");

    /// Device to which the listening sockets are bound.
    TELEMETRY_DAEMON_INTERFACE: Option<String> = text(&["telemetry_daemon_interface"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Keeps IPv4 away from sockets that listen on all IPv6 addresses.
    TELEMETRY_DAEMON_IPV6_ONLY: bool = boolean(&["telemetry_daemon_ipv6_only"]).default("false")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// eBPF program that spreads telemetry over daemons that share a port.
    TELEMETRY_DAEMON_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// UDP port of UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_PORT: Option<u16> = port(&["telemetry_daemon_udp_notif_port"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Address of UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_IP: Option<IpAddr> = address(&["telemetry_daemon_udp_notif_ip"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Device to which the socket of UDP-notif is bound.
    TELEMETRY_DAEMON_UDP_NOTIF_INTERFACE: Option<String> = text(&["telemetry_daemon_udp_notif_interface"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Keeps IPv4 away from the socket of UDP-notif.
    TELEMETRY_DAEMON_UDP_NOTIF_IPV6_ONLY: bool = boolean(&["telemetry_daemon_udp_notif_ipv6_only"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW));

    /// Messages of UDP-notif that are read at once.
    TELEMETRY_DAEMON_UDP_NOTIF_NMSGS: u32 = integer(&["telemetry_daemon_udp_notif_nmsgs"], 1, u32::MAX as i128)
        .default("1").daemons(PMTELEMETRYD.and(FLOW));

    /// eBPF program that spreads UDP-notif over daemons that share a port.
    TELEMETRY_DAEMON_UDP_NOTIF_RP_EBPF_PROG: Option<PathBuf> = path(&["telemetry_daemon_udp_notif_rp_ebpf_prog"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Settings of gRPC input.
    TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF: Option<PathBuf> = path(&["telemetry_daemon_grpc_collector_conf"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Framing and encoding of what comes over TCP or UDP.
    TELEMETRY_DAEMON_DECODER: Option<TelemetryDecoder> = words(&["telemetry_daemon_decoder"])
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Most exporters at a time.
    TELEMETRY_DAEMON_MAX_PEERS: u32 = integer(&["telemetry_daemon_max_peers"], 1, u32::MAX as i128).default("100")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Seconds of silence after which an exporter that uses UDP is forgotten.
    TELEMETRY_DAEMON_PEER_TIMEOUT: Duration = seconds(&["telemetry_daemon_peer_timeout"], 60).default("300")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Octets of the receive buffer.
    TELEMETRY_DAEMON_PIPE_SIZE: Option<u64> = bytes(&["telemetry_daemon_pipe_size"], 1)
        .daemons(PMTELEMETRYD.and(FLOW));

    /// IP precedence of the daemon's own packets.
    TELEMETRY_DAEMON_IPPREC: u32 = integer(&["telemetry_daemon_ipprec"], 0, 7).default("0")
        .daemons(PMTELEMETRYD.and(FLOW));

    /// Reads the older header of UDP-notif.
    TMP_TELEMETRY_DAEMON_UDP_NOTIF_LEGACY: bool = boolean(&["tmp_telemetry_daemon_udp_notif_legacy"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW)).legacy();

    /// Leaves the data of Cisco's JSON framing as a text.
    TMP_TELEMETRY_DECODE_CISCO_V1_JSON_STRING: bool = boolean(&["tmp_telemetry_decode_cisco_v1_json_string"])
        .default("false").daemons(PMTELEMETRYD.and(FLOW));
}
