//! Maps and other files that the operator maintains.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// File that defines custom primitives: names for elements of flow records, or for octets of packets, which may be used in
    /// `aggregate`.
    AGGREGATE_PRIMITIVES: Option<PathBuf> = path(&["aggregate_primitives"]).daemons(FLOW).acts();

    /// Interfaces from which the daemon captures, each with its index and direction.
    PCAP_INTERFACES_MAP: Option<PathBuf> = path(&["pcap_interfaces_map"]).daemons(PMACCTD).usr2()
        .acts();

    /// Prefixes with their AS numbers and next hops, for networks and AS numbers that come from a file.
    NETWORKS_FILE: Option<PathBuf> = path(&["networks_file"]).both().daemons(FLOW).usr2()
        .option('n', FLOW, "file").acts();

    /// Ports to keep; all others become 0.
    PORTS_FILE: Option<PathBuf> = path(&["ports_file"]).both().daemons(FLOW).usr2().option('t', FLOW, "file").acts();

    /// Protocols to keep; all others become 255.
    PROTOS_FILE: Option<PathBuf> = path(&["protos_file"]).both().daemons(FLOW).usr2().acts();

    /// Types of service to keep; all others become 255.
    TOS_FILE: Option<PathBuf> = path(&["tos_file"]).both().daemons(FLOW).usr2().acts();

    /// Addresses and prefixes of the exporters that may send, one per line. Datagrams of others are dropped and counted. An empty
    /// file allows nobody.
    NFACCTD_ALLOW_FILE: Option<PathBuf> = path(&["nfacctd_allow_file", "sfacctd_allow_file"])
        .daemons(COLLECTORS).usr2().acts();

    /// Tags and labels of telemetry messages.
    TELEMETRY_DAEMON_TAG_MAP: Option<PathBuf> = path(&["telemetry_daemon_tag_map"])
        .daemons(PMTELEMETRYD.and(FLOW)).usr2().acts();

    /// Addresses that may send telemetry, one per line.
    TELEMETRY_DAEMON_ALLOW_FILE: Option<PathBuf> = path(&["telemetry_daemon_allow_file"])
        .daemons(PMTELEMETRYD.and(FLOW)).usr2().acts();

    /// Tags and labels of BGP messages.
    BGP_DAEMON_TAG_MAP: Option<PathBuf> = path(&["bgp_daemon_tag_map"]).daemons(PMBGPD.and(FLOW)).usr2().acts();

    /// Addresses that may open a BGP session, one per line.
    BGP_DAEMON_ALLOW_FILE: Option<PathBuf> = path(&["bgp_daemon_allow_file"]).daemons(PMBGPD.and(FLOW)).usr2().acts();

    /// TCP MD5 keys of BGP sessions (RFC 2385).
    BGP_DAEMON_MD5_FILE: Option<PathBuf> = path(&["bgp_daemon_md5_file"]).daemons(PMBGPD.and(FLOW)).usr2().acts();

    /// Tags and labels of BMP messages.
    BMP_DAEMON_TAG_MAP: Option<PathBuf> = path(&["bmp_daemon_tag_map"]).daemons(PMBMPD.and(FLOW)).usr2().acts();

    /// Addresses that may open a BMP session, one per line.
    BMP_DAEMON_ALLOW_FILE: Option<PathBuf> = path(&["bmp_daemon_allow_file"])
        .daemons(PMBMPD.and(FLOW)).usr2().acts();

    /// Neighbour AS that traffic came from, by interface, MAC address or next hop.
    BGP_PEER_SRC_AS_MAP: Option<PathBuf> = path(&["bgp_peer_src_as_map"]).daemons(FLOW).usr2().acts();

    /// Local preference of the route to the source, by interface, MAC address or next hop.
    BGP_SRC_LOCAL_PREF_MAP: Option<PathBuf> = path(&["bgp_src_local_pref_map"]).daemons(FLOW).usr2().acts();

    /// MED of the route to the source, by interface, MAC address or next hop.
    BGP_SRC_MED_MAP: Option<PathBuf> = path(&["bgp_src_med_map"]).daemons(FLOW).usr2().acts();

    /// Maps exporters to the BGP or BMP peers whose routes apply to them.
    BGP_AGENT_MAP: Option<PathBuf> = path(&["bgp_agent_map", "bmp_agent_map"]).daemons(FLOW).usr2().acts();

    /// Next hops of flows, such as ends of tunnels, that stand for next hops of routes where several paths are known (ADD-PATH).
    BGP_PEER_DST_IP_MAP: Option<PathBuf> = path(&["bgp_peer_dst_ip_map"]).daemons(FLOW).usr2().acts();

    /// Pairs of peers between which BGP sessions are forwarded.
    BGP_DAEMON_XCONNECT_MAP: Option<PathBuf> = path(&["bgp_daemon_xconnect_map"]).daemons(PMBGPD).usr2()
        .option('m', PMBGPD, "file").acts();

    /// Route distinguishers of flows, by exporter and interface or VRF. They override those of the exporter.
    FLOW_TO_RD_MAP: Option<PathBuf> = path(&["flow_to_rd_map"]).daemons(COLLECTORS).usr2().acts();

    /// Rules that tag, label, filter and sample records. A global map applies to all plugins; the map of a plugin applies to that
    /// plugin in addition.
    PRE_TAG_MAP: Option<PathBuf> = path(&["pre_tag_map"]).both().daemons(FLOW).usr2().acts();

    /// Rules without an exporter's address match only exporters with IPv4 addresses.
    PRE_TAG_MAP_DONT_RECIRCULATE: bool = boolean(&["pre_tag_map_dont_recirculate"]).default("false").daemons(FLOW).acts();

    /// SIGUSR2 reloads maps.
    MAPS_REFRESH: bool = boolean(&["maps_refresh"]).default("true").acts();

    /// Reloads maps and lists automatically when one of their files has changed, as SIGUSR2 does. Files are checked once a second.
    MAPS_WATCH: bool = boolean(&["maps_watch"]).default("false").acts();

    /// Enabled indexes on maps.
    MAPS_INDEX: bool = boolean(&["maps_index"]).default("false")
        .no_op("maps of any size are compiled and need no index");

    /// Limited the number of rows of a map.
    MAPS_ENTRIES: u32 = integer(&["maps_entries"], 1, u32::MAX as i128).default("384").both()
        .no_op("maps of any size are compiled and need no index");

    /// Limited the length of a map's lines.
    MAPS_ROW_LEN: u64 = bytes(&["maps_row_len"], 1).default("256").both()
        .no_op("maps of any size are compiled and need no index");
}
