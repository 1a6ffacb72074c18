//! The nfprobe plugin: exports NetFlow and IPFIX.

use crate::daemons::*;
use crate::key::*;
use crate::value::words;
use std::net::IpAddr;
use std::path::PathBuf;

words! {
    /// Versions of the export protocol.
    pub enum NfprobeVersion {
        /// NetFlow v5.
        V5 = "5",
        /// NetFlow v9.
        V9 = "9",
        /// IPFIX.
        Ipfix = "10",
    }
}

words! {
    /// How a probe determines the direction of flows.
    pub enum ProbeDirection {
        /// All flows are ingress.
        In = "in",
        /// All flows are egress.
        Out = "out",
        /// By the tag.
        Tag = "tag",
        /// By the second tag.
        Tag2 = "tag2",
    }
}

words! {
    /// Transport protocols of the export.
    pub enum NfprobeTransport {
        /// Datagrams.
        Udp = "udp",
        /// A connection.
        Tcp = "tcp",
        /// An encrypted connection.
        Tls = "tls",
        /// Encrypted datagrams.
        Dtls = "dtls",
    }
}

keys! {
    /// Times after which flows are exported: `name=seconds`, separated by colons, with the names tcp, tcp.rst, tcp.fin,
    /// udp, icmp, general, maxlife and expint.
    NFPROBE_TIMEOUTS: Option<String> = text(&["nfprobe_timeouts"]).both().daemons(PACKETS).acts();

    /// Hop limit of exported datagrams.
    NFPROBE_HOPLIMIT: Option<u32> = integer(&["nfprobe_hoplimit"], 1, 255).both().daemons(PACKETS).acts();

    /// Maximum number of concurrent flows.
    NFPROBE_MAXFLOWS: u32 = integer(&["nfprobe_maxflows"], 1, u32::MAX as i128).default("8192").both()
        .daemons(PACKETS).acts();

    /// Collector, as `host:port` or `[address]:port`.
    NFPROBE_RECEIVER: String = text(&["nfprobe_receiver"]).default("127.0.0.1:2100").both().daemons(PACKETS).acts();

    /// Maximum length of exported datagrams, in octets without the headers of IP and UDP.
    ///
    /// Without it, 1472 over IPv4 and 1452 over IPv6, which fit into an Ethernet frame. If the MTU of the path is smaller, datagrams are
    /// shorter.
    NFPROBE_DATAGRAM_SIZE: Option<u32> = integer(&["nfprobe_datagram_size", "sfprobe_datagram_size"], 512, 65507)
        .both().daemons(PACKETS).acts();

    /// Transport protocol of the export. TCP and TLS carry IPFIX only.
    NFPROBE_TRANSPORT: NfprobeTransport = words(&["nfprobe_transport"]).default("udp").both().daemons(PACKETS).acts();

    /// Exports over DTLS, as `nfprobe_transport: dtls`.
    NFPROBE_DTLS: bool = boolean(&["nfprobe_dtls"]).default("false").both().daemons(PACKETS).acts();

    /// Name that the collector's certificate must contain, with TLS and DTLS.
    ///
    /// Without it, the host of `nfprobe_receiver`.
    NFPROBE_DTLS_VERIFY_CERT: Option<String> = text(&["nfprobe_dtls_verify_cert"]).both().daemons(PACKETS).acts();

    /// PEM file of the authorities that may have signed the collector's certificate, with TLS and DTLS.
    ///
    /// Without it, those of the system with TLS, and `ca-certificates.crt` in `dtls_path` with DTLS.
    NFPROBE_TLS_CA_FILE: Option<PathBuf> = path(&["nfprobe_tls_ca_file"]).both().daemons(PACKETS).acts();

    /// PEM file of the probe's certificate, for collectors that ask for one.
    ///
    /// Without it, `cert.pem` in `dtls_path` with DTLS.
    NFPROBE_TLS_CERT_FILE: Option<PathBuf> = path(&["nfprobe_tls_cert_file"]).both().daemons(PACKETS).acts();

    /// PEM file of the private key of `nfprobe_tls_cert_file`, without a password.
    ///
    /// Without it, `key.pem` in `dtls_path` with DTLS.
    NFPROBE_TLS_KEY_FILE: Option<PathBuf> = path(&["nfprobe_tls_key_file"]).both().daemons(PACKETS).acts();

    /// Accepts any certificate of the collector, so that whoever answers gets the records.
    NFPROBE_TLS_INSECURE: bool = boolean(&["nfprobe_tls_insecure"]).default("false").both().daemons(PACKETS).acts();

    /// Engine as `type:id` for NetFlow v5; source ID or observation domain for NetFlow v9 and IPFIX.
    NFPROBE_ENGINE: Option<String> = text(&["nfprobe_engine"]).both().daemons(PACKETS).acts();

    /// Version of the export protocol.
    NFPROBE_VERSION: NfprobeVersion = words(&["nfprobe_version"]).default("10").both().daemons(PACKETS).acts();

    /// Source address of exported and replicated datagrams.
    NFPROBE_SOURCE_IP: Option<IpAddr> = address(&["nfprobe_source_ip", "sfprobe_source_ip", "tee_source_ip"])
        .both().daemons(FLOW).acts();

    /// IP precedence of exported and replicated datagrams.
    NFPROBE_IPPREC: u32 = integer(&["nfprobe_ipprec", "sfprobe_ipprec", "tee_ipprec"], 0, 7).default("0").both()
        .daemons(FLOW).acts();

    /// Direction of the exported flows: fixed, or selected by a tag (1 in, 2 out).
    NFPROBE_DIRECTION: Option<ProbeDirection> = words(&["nfprobe_direction", "sfprobe_direction"])
        .plugin_only("nfprobe_direction and sfprobe_direction").daemons(PACKETS).acts();

    /// Interface index of the exported flows: a number, or `tag` or `tag2` to use the value of the tag.
    NFPROBE_IFINDEX: Option<String> = text(&["nfprobe_ifindex", "sfprobe_ifindex"]).plugin_only("nfprobe_ifindex and sfprobe_ifindex")
        .daemons(PACKETS).acts();

    /// Exports each packet immediately as a separate flow.
    NFPROBE_DONT_CACHE: bool = boolean(&["nfprobe_dont_cache"]).default("false").both().daemons(PACKETS).acts();

    /// Prefers the configured interface index, if it is not 0, to the one from the capture.
    NFPROBE_IFINDEX_OVERRIDE: bool = boolean(&["nfprobe_ifindex_override", "sfprobe_ifindex_override"])
        .default("false").both().daemons(PACKETS).acts();

    /// Exports times in microseconds.
    NFPROBE_TSTAMP_USEC: bool = boolean(&["nfprobe_tstamp_usec"]).default("false").both().daemons(PACKETS).acts();
}
