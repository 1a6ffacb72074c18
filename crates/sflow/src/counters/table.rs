//! The kinds of blocks: names and widths of their fields, in the order of the octets.
//!
//! Names are those of the MIBs (IF-MIB, EtherLike-MIB, IEEE 802.5 and 802.12 MIBs, IEEE8023-LAG-MIB,
//! IEEE802dot11-MIB, MIB-II) and of the structures that sflow.org publishes (version 5, 802.11, LAG, host,
//! OpenFlow, HTTP, application, memcache, JVM, optical, NVML, Broadcom).

use super::{CounterField, CounterKind, Width};
use crate::sample::DataFormat;

const fn field(name: &'static str, width: Width) -> CounterField {
    CounterField { name, width }
}

/// An unsigned int of XDR.
const fn n(name: &'static str) -> CounterField {
    field(name, Width::Four)
}

/// An unsigned hyper of XDR.
const fn h(name: &'static str) -> CounterField {
    field(name, Width::Eight)
}

/// A float of XDR.
const fn f(name: &'static str) -> CounterField {
    field(name, Width::Float)
}

/// A string.
const fn t(name: &'static str) -> CounterField {
    field(name, Width::Text)
}

const fn kind(enterprise: u32, format: u32, name: &'static str, fields: &'static [CounterField]) -> CounterKind {
    CounterKind { format: DataFormat::new(enterprise, format), name, base: &[], fields }
}

const fn old(
    number: u32,
    name: &'static str,
    base: &'static [CounterField],
    fields: &'static [CounterField],
) -> CounterKind {
    CounterKind { format: DataFormat(number), name, base, fields }
}

/// The kinds of version 5, by format.
pub static KINDS: &[CounterKind] = &[
    kind(0, 1, "generic", GENERIC),
    kind(0, 2, "ethernet", ETHERNET),
    kind(0, 3, "tokenring", TOKEN_RING),
    kind(0, 4, "100basevg", VG),
    kind(0, 5, "vlan", VLAN),
    kind(0, 6, "80211", WIFI),
    kind(0, 7, "lag", LAG),
    kind(0, 8, "slow_path", SLOW_PATH),
    kind(0, 10, "sfp", SFP),
    kind(0, 1001, "processor", PROCESSOR),
    kind(0, 1002, "radio", RADIO),
    kind(0, 1003, "queue", QUEUE),
    kind(0, 1004, "of_port", OPENFLOW_PORT),
    kind(0, 1005, "port_name", PORT_NAME),
    kind(0, 2000, "host_descr", HOST_DESCRIPTION),
    kind(0, 2001, "host_adapters", HOST_ADAPTERS),
    kind(0, 2002, "host_parent", HOST_PARENT),
    kind(0, 2003, "host_cpu", HOST_CPU),
    kind(0, 2004, "host_memory", HOST_MEMORY),
    kind(0, 2005, "host_disk_io", HOST_DISK),
    kind(0, 2006, "host_net_io", HOST_NET),
    kind(0, 2007, "mib2_ip", MIB2_IP),
    kind(0, 2008, "mib2_icmp", MIB2_ICMP),
    kind(0, 2009, "mib2_tcp", MIB2_TCP),
    kind(0, 2010, "mib2_udp", MIB2_UDP),
    kind(0, 2100, "virt_node", VIRT_NODE),
    kind(0, 2101, "virt_cpu", VIRT_CPU),
    kind(0, 2102, "virt_memory", VIRT_MEMORY),
    kind(0, 2103, "virt_disk_io", VIRT_DISK),
    kind(0, 2104, "virt_net_io", VIRT_NET),
    kind(0, 2105, "jvm_runtime", JVM_RUNTIME),
    kind(0, 2106, "jvm_statistics", JVM_STATISTICS),
    kind(0, 2200, "memcache_deprecated", MEMCACHE_DEPRECATED),
    kind(0, 2201, "http", HTTP),
    kind(0, 2202, "app_operations", APP_OPERATIONS),
    kind(0, 2203, "app_resources", APP_RESOURCES),
    kind(0, 2204, "memcache", MEMCACHE),
    kind(0, 2205, "vdi", VDI),
    kind(0, 2206, "app_workers", APP_WORKERS),
    kind(4413, 3, "broadcom_tables", BROADCOM_TABLES),
    kind(5703, 1, "nvidia_gpu", NVIDIA_GPU),
];

/// The kinds of versions 2 and 4, by type.
pub static OLD_KINDS: &[CounterKind] = &[
    old(1, "generic", &[], GENERIC),
    old(2, "ethernet", GENERIC, ETHERNET),
    old(3, "tokenring", GENERIC, TOKEN_RING),
    old(4, "fddi", &[], GENERIC),
    old(5, "100basevg", GENERIC, VG),
    old(6, "wan", &[], GENERIC),
    old(7, "vlan", &[], VLAN),
];

const GENERIC: &[CounterField] = &[
    n("ifIndex"),
    n("ifType"),
    h("ifSpeed"),
    n("ifDirection"),
    n("ifStatus"),
    h("ifInOctets"),
    n("ifInUcastPkts"),
    n("ifInMulticastPkts"),
    n("ifInBroadcastPkts"),
    n("ifInDiscards"),
    n("ifInErrors"),
    n("ifInUnknownProtos"),
    h("ifOutOctets"),
    n("ifOutUcastPkts"),
    n("ifOutMulticastPkts"),
    n("ifOutBroadcastPkts"),
    n("ifOutDiscards"),
    n("ifOutErrors"),
    n("ifPromiscuousMode"),
];

const ETHERNET: &[CounterField] = &[
    n("dot3StatsAlignmentErrors"),
    n("dot3StatsFCSErrors"),
    n("dot3StatsSingleCollisionFrames"),
    n("dot3StatsMultipleCollisionFrames"),
    n("dot3StatsSQETestErrors"),
    n("dot3StatsDeferredTransmissions"),
    n("dot3StatsLateCollisions"),
    n("dot3StatsExcessiveCollisions"),
    n("dot3StatsInternalMacTransmitErrors"),
    n("dot3StatsCarrierSenseErrors"),
    n("dot3StatsFrameTooLongs"),
    n("dot3StatsInternalMacReceiveErrors"),
    n("dot3StatsSymbolErrors"),
];

const TOKEN_RING: &[CounterField] = &[
    n("dot5StatsLineErrors"),
    n("dot5StatsBurstErrors"),
    n("dot5StatsACErrors"),
    n("dot5StatsAbortTransErrors"),
    n("dot5StatsInternalErrors"),
    n("dot5StatsLostFrameErrors"),
    n("dot5StatsReceiveCongestions"),
    n("dot5StatsFrameCopiedErrors"),
    n("dot5StatsTokenErrors"),
    n("dot5StatsSoftErrors"),
    n("dot5StatsHardErrors"),
    n("dot5StatsSignalLoss"),
    n("dot5StatsTransmitBeacons"),
    n("dot5StatsRecoverys"),
    n("dot5StatsLobeWires"),
    n("dot5StatsRemoves"),
    n("dot5StatsSingles"),
    n("dot5StatsFreqErrors"),
];

const VG: &[CounterField] = &[
    n("dot12InHighPriorityFrames"),
    h("dot12InHighPriorityOctets"),
    n("dot12InNormPriorityFrames"),
    h("dot12InNormPriorityOctets"),
    n("dot12InIPMErrors"),
    n("dot12InOversizeFrameErrors"),
    n("dot12InDataErrors"),
    n("dot12InNullAddressedFrames"),
    n("dot12OutHighPriorityFrames"),
    h("dot12OutHighPriorityOctets"),
    n("dot12TransitionIntoTrainings"),
    h("dot12HCInHighPriorityOctets"),
    h("dot12HCInNormPriorityOctets"),
    h("dot12HCOutHighPriorityOctets"),
];

const VLAN: &[CounterField] =
    &[n("vlan"), h("octets"), n("ucastPkts"), n("multicastPkts"), n("broadcastPkts"), n("discards")];

const WIFI: &[CounterField] = &[
    n("dot11TransmittedFragmentCount"),
    n("dot11MulticastTransmittedFrameCount"),
    n("dot11FailedCount"),
    n("dot11RetryCount"),
    n("dot11MultipleRetryCount"),
    n("dot11FrameDuplicateCount"),
    n("dot11RTSSuccessCount"),
    n("dot11RTSFailureCount"),
    n("dot11ACKFailureCount"),
    n("dot11ReceivedFragmentCount"),
    n("dot11MulticastReceivedFrameCount"),
    n("dot11FCSErrorCount"),
    n("dot11TransmittedFrameCount"),
    n("dot11WEPUndecryptableCount"),
    n("dot11QoSDiscardedFragmentCount"),
    n("dot11AssociatedStationCount"),
    n("dot11QoSCFPollsReceivedCount"),
    n("dot11QoSCFPollsUnusedCount"),
    n("dot11QoSCFPollsUnusableCount"),
    n("dot11QoSCFPollsLostCount"),
];

const LAG: &[CounterField] = &[
    field("dot3adAggPortActorSystemID", Width::Mac),
    field("dot3adAggPortPartnerOperSystemID", Width::Mac),
    n("dot3adAggPortAttachedAggID"),
    // Four octets: actor admin, actor oper, partner admin, partner oper.
    n("dot3adAggPortState"),
    n("dot3adAggPortStatsLACPDUsRx"),
    n("dot3adAggPortStatsMarkerPDUsRx"),
    n("dot3adAggPortStatsMarkerResponsePDUsRx"),
    n("dot3adAggPortStatsUnknownRx"),
    n("dot3adAggPortStatsIllegalRx"),
    n("dot3adAggPortStatsLACPDUsTx"),
    n("dot3adAggPortStatsMarkerPDUsTx"),
    n("dot3adAggPortStatsMarkerResponsePDUsTx"),
];

const SLOW_PATH: &[CounterField] =
    &[n("unknown"), n("other"), n("cam_miss"), n("cam_full"), n("no_hw_support"), n("cntrl")];

const SFP: &[CounterField] = &[
    n("module_id"),
    n("module_num_lanes"),
    n("module_supply_voltage"),
    // Thousandths of a degree, in two's complement.
    n("module_temperature"),
    field("lanes", Width::List(SFP_LANE)),
];

const SFP_LANE: &[CounterField] = &[
    n("index"),
    n("tx_bias_current"),
    n("tx_power"),
    n("tx_power_min"),
    n("tx_power_max"),
    n("tx_wavelength"),
    n("rx_power"),
    n("rx_power_min"),
    n("rx_power_max"),
    n("rx_wavelength"),
];

// Percentages here are in hundredths of a percent; all bits set if unknown.
const PROCESSOR: &[CounterField] = &[n("5s_cpu"), n("1m_cpu"), n("5m_cpu"), h("total_memory"), h("free_memory")];

const RADIO: &[CounterField] = &[n("elapsed_time"), n("on_channel_time"), n("on_channel_busy_time")];

const QUEUE: &[CounterField] = &[
    n("queueIndex"),
    n("segmentSize"),
    n("queueSegments"),
    n("queueLength0"),
    n("queueLength1"),
    n("queueLength2"),
    n("queueLength4"),
    n("queueLength8"),
    n("queueLength32"),
    n("queueLength128"),
    n("queueLength1024"),
    n("queueLengthMore"),
    n("dropped"),
];

const OPENFLOW_PORT: &[CounterField] = &[h("datapath_id"), n("port_no")];

const PORT_NAME: &[CounterField] = &[t("name")];

const HOST_DESCRIPTION: &[CounterField] =
    &[t("hostname"), field("uuid", Width::Uuid), n("machine_type"), n("os_name"), t("os_release")];

const HOST_ADAPTERS: &[CounterField] = &[field("adapters", Width::List(HOST_ADAPTER))];

const HOST_ADAPTER: &[CounterField] = &[n("ifIndex"), field("mac_addresses", Width::List(HOST_ADAPTER_MAC))];

const HOST_ADAPTER_MAC: &[CounterField] = &[field("mac_address", Width::Mac)];

const HOST_PARENT: &[CounterField] = &[n("container_type"), n("container_index")];

const HOST_CPU: &[CounterField] = &[
    f("load_one"),
    f("load_five"),
    f("load_fifteen"),
    n("proc_run"),
    n("proc_total"),
    n("cpu_num"),
    n("cpu_speed"),
    n("uptime"),
    n("cpu_user"),
    n("cpu_nice"),
    n("cpu_system"),
    n("cpu_idle"),
    n("cpu_wio"),
    n("cpu_intr"),
    n("cpu_sintr"),
    n("interrupts"),
    n("contexts"),
];

const HOST_MEMORY: &[CounterField] = &[
    h("mem_total"),
    h("mem_free"),
    h("mem_shared"),
    h("mem_buffers"),
    h("mem_cached"),
    h("swap_total"),
    h("swap_free"),
    n("page_in"),
    n("page_out"),
    n("swap_in"),
    n("swap_out"),
];

const HOST_DISK: &[CounterField] = &[
    h("disk_total"),
    h("disk_free"),
    n("part_max_used"),
    n("reads"),
    h("bytes_read"),
    n("read_time"),
    n("writes"),
    h("bytes_written"),
    n("write_time"),
];

const HOST_NET: &[CounterField] = &[
    h("bytes_in"),
    n("pkts_in"),
    n("errs_in"),
    n("drops_in"),
    h("bytes_out"),
    n("packets_out"),
    n("errs_out"),
    n("drops_out"),
];

const MIB2_IP: &[CounterField] = &[
    n("ipForwarding"),
    n("ipDefaultTTL"),
    n("ipInReceives"),
    n("ipInHdrErrors"),
    n("ipInAddrErrors"),
    n("ipForwDatagrams"),
    n("ipInUnknownProtos"),
    n("ipInDiscards"),
    n("ipInDelivers"),
    n("ipOutRequests"),
    n("ipOutDiscards"),
    n("ipOutNoRoutes"),
    n("ipReasmTimeout"),
    n("ipReasmReqds"),
    n("ipReasmOKs"),
    n("ipReasmFails"),
    n("ipFragOKs"),
    n("ipFragFails"),
    n("ipFragCreates"),
];

const MIB2_ICMP: &[CounterField] = &[
    n("icmpInMsgs"),
    n("icmpInErrors"),
    n("icmpInDestUnreachs"),
    n("icmpInTimeExcds"),
    n("icmpInParamProbs"),
    n("icmpInSrcQuenchs"),
    n("icmpInRedirects"),
    n("icmpInEchos"),
    n("icmpInEchoReps"),
    n("icmpInTimestamps"),
    n("icmpInAddrMasks"),
    n("icmpInAddrMaskReps"),
    n("icmpOutMsgs"),
    n("icmpOutErrors"),
    n("icmpOutDestUnreachs"),
    n("icmpOutTimeExcds"),
    n("icmpOutParamProbs"),
    n("icmpOutSrcQuenchs"),
    n("icmpOutRedirects"),
    n("icmpOutEchos"),
    n("icmpOutEchoReps"),
    n("icmpOutTimestamps"),
    n("icmpOutTimestampReps"),
    n("icmpOutAddrMasks"),
    n("icmpOutAddrMaskReps"),
];

const MIB2_TCP: &[CounterField] = &[
    n("tcpRtoAlgorithm"),
    n("tcpRtoMin"),
    n("tcpRtoMax"),
    n("tcpMaxConn"),
    n("tcpActiveOpens"),
    n("tcpPassiveOpens"),
    n("tcpAttemptFails"),
    n("tcpEstabResets"),
    n("tcpCurrEstab"),
    n("tcpInSegs"),
    n("tcpOutSegs"),
    n("tcpRetransSegs"),
    n("tcpInErrs"),
    n("tcpOutRsts"),
    n("tcpInCsumErrors"),
];

const MIB2_UDP: &[CounterField] = &[
    n("udpInDatagrams"),
    n("udpNoPorts"),
    n("udpInErrors"),
    n("udpOutDatagrams"),
    n("udpRcvbufErrors"),
    n("udpSndbufErrors"),
    n("udpInCsumErrors"),
];

const VIRT_NODE: &[CounterField] = &[n("mhz"), n("cpus"), h("memory"), h("memory_free"), n("num_domains")];

const VIRT_CPU: &[CounterField] = &[n("state"), n("cpuTime"), n("nrVirtCpu")];

const VIRT_MEMORY: &[CounterField] = &[h("memory"), h("maxMemory")];

const VIRT_DISK: &[CounterField] = &[
    h("capacity"),
    h("allocation"),
    h("physical"),
    n("rd_req"),
    h("rd_bytes"),
    n("wr_req"),
    h("wr_bytes"),
    n("errs"),
];

const VIRT_NET: &[CounterField] = &[
    h("rx_bytes"),
    n("rx_packets"),
    n("rx_errs"),
    n("rx_drop"),
    h("tx_bytes"),
    n("tx_packets"),
    n("tx_errs"),
    n("tx_drop"),
];

const JVM_RUNTIME: &[CounterField] = &[t("vm_name"), t("vm_vendor"), t("vm_version")];

const JVM_STATISTICS: &[CounterField] = &[
    h("heap_initial"),
    h("heap_used"),
    h("heap_committed"),
    h("heap_max"),
    h("non_heap_initial"),
    h("non_heap_used"),
    h("non_heap_committed"),
    h("non_heap_max"),
    n("gc_count"),
    n("gc_time"),
    n("classes_loaded"),
    n("classes_total"),
    n("classes_unloaded"),
    n("compilation_time"),
    n("thread_num_live"),
    n("thread_num_daemon"),
    n("thread_num_started"),
    n("fd_open_count"),
    n("fd_max_count"),
];

const MEMCACHE_DEPRECATED: &[CounterField] = &[
    n("uptime"),
    n("rusage_user"),
    n("rusage_system"),
    n("curr_connections"),
    n("total_connections"),
    n("connection_structures"),
    n("cmd_get"),
    n("cmd_set"),
    n("cmd_flush"),
    n("get_hits"),
    n("get_misses"),
    n("delete_misses"),
    n("delete_hits"),
    n("incr_misses"),
    n("incr_hits"),
    n("decr_misses"),
    n("decr_hits"),
    n("cas_misses"),
    n("cas_hits"),
    n("cas_badval"),
    n("auth_cmds"),
    n("auth_errors"),
    h("bytes_read"),
    h("bytes_written"),
    n("limit_maxbytes"),
    n("accepting_conns"),
    n("listen_disabled_num"),
    n("threads"),
    n("conn_yields"),
    h("bytes"),
    n("curr_items"),
    n("total_items"),
    n("evictions"),
];

const HTTP: &[CounterField] = &[
    n("method_option_count"),
    n("method_get_count"),
    n("method_head_count"),
    n("method_post_count"),
    n("method_put_count"),
    n("method_delete_count"),
    n("method_trace_count"),
    n("method_connect_count"),
    n("method_other_count"),
    n("status_1XX_count"),
    n("status_2XX_count"),
    n("status_3XX_count"),
    n("status_4XX_count"),
    n("status_5XX_count"),
    n("status_other_count"),
];

const APP_OPERATIONS: &[CounterField] = &[
    t("application"),
    n("success"),
    n("other"),
    n("timeout"),
    n("internal_error"),
    n("bad_request"),
    n("forbidden"),
    n("too_large"),
    n("not_implemented"),
    n("not_found"),
    n("unavailable"),
    n("unauthorized"),
];

const APP_RESOURCES: &[CounterField] = &[
    n("user_time"),
    n("system_time"),
    h("mem_used"),
    h("mem_max"),
    n("fd_open"),
    n("fd_max"),
    n("conn_open"),
    n("conn_max"),
];

const MEMCACHE: &[CounterField] = &[
    n("cmd_set"),
    n("cmd_touch"),
    n("cmd_flush"),
    n("get_hits"),
    n("get_misses"),
    n("delete_hits"),
    n("delete_misses"),
    n("incr_hits"),
    n("incr_misses"),
    n("decr_hits"),
    n("decr_misses"),
    n("cas_hits"),
    n("cas_misses"),
    n("cas_badval"),
    n("auth_cmds"),
    n("auth_errors"),
    n("threads"),
    n("conn_yields"),
    n("listen_disabled_num"),
    n("curr_connections"),
    n("rejected_connections"),
    n("total_connections"),
    n("connection_structures"),
    n("evictions"),
    n("reclaimed"),
    n("curr_items"),
    n("total_items"),
    h("bytes_read"),
    h("bytes_written"),
    h("bytes"),
    h("limit_maxbytes"),
];

const VDI: &[CounterField] = &[
    n("sessions_current"),
    n("sessions_total"),
    n("sessions_duration"),
    n("rx_bytes"),
    n("tx_bytes"),
    n("rx_packets"),
    n("tx_packets"),
    n("rx_packets_lost"),
    n("tx_packets_lost"),
    n("rtt_min_ms"),
    n("rtt_max_ms"),
    n("rtt_avg_ms"),
    n("audio_rx_bytes"),
    n("audio_tx_bytes"),
    n("audio_tx_limit"),
    n("img_rx_bytes"),
    n("img_tx_bytes"),
    n("img_frames"),
    n("img_qual_min"),
    n("img_qual_max"),
    n("img_qual_avg"),
    n("usb_rx_bytes"),
    n("usb_tx_bytes"),
];

const APP_WORKERS: &[CounterField] =
    &[n("workers_active"), n("workers_idle"), n("workers_max"), n("req_delayed"), n("req_dropped")];

const BROADCOM_TABLES: &[CounterField] = &[
    n("host_entries"),
    n("host_entries_max"),
    n("ipv4_entries"),
    n("ipv4_entries_max"),
    n("ipv6_entries"),
    n("ipv6_entries_max"),
    n("ipv4_ipv6_entries"),
    n("ipv4_ipv6_entries_max"),
    n("long_ipv6_entries"),
    n("long_ipv6_entries_max"),
    n("total_routes"),
    n("total_routes_max"),
    n("ecmp_nexthops"),
    n("ecmp_nexthops_max"),
    n("mac_entries"),
    n("mac_entries_max"),
    n("ipv4_neighbors"),
    n("ipv6_neighbors"),
    n("ipv4_routes"),
    n("ipv6_routes"),
    n("acl_ingress_entries"),
    n("acl_ingress_entries_max"),
    n("acl_ingress_counters"),
    n("acl_ingress_counters_max"),
    n("acl_ingress_meters"),
    n("acl_ingress_meters_max"),
    n("acl_ingress_slices"),
    n("acl_ingress_slices_max"),
    n("acl_egress_entries"),
    n("acl_egress_entries_max"),
    n("acl_egress_counters"),
    n("acl_egress_counters_max"),
    n("acl_egress_meters"),
    n("acl_egress_meters_max"),
    n("acl_egress_slices"),
    n("acl_egress_slices_max"),
];

const NVIDIA_GPU: &[CounterField] = &[
    n("device_count"),
    n("processes"),
    n("gpu_time"),
    n("mem_time"),
    h("mem_total"),
    h("mem_free"),
    n("ecc_errors"),
    n("energy"),
    n("temperature"),
    n("fan_speed"),
];

#[cfg(test)]
mod tests {
    use super::super::DEPTH;
    use super::*;
    use std::collections::HashSet;

    /// The minimum length of a block, in octets, and the nesting depth of its lists.
    fn measure(fields: &[CounterField]) -> (usize, usize) {
        fields.iter().fold((0, 0), |(len, depth), field| match field.width {
            Width::Four | Width::Float | Width::Text => (len + 4, depth),
            Width::Eight | Width::Mac => (len + 8, depth),
            Width::Uuid => (len + 16, depth),
            Width::List(group) => {
                let (group_len, group_depth) = measure(group);
                assert!(group_len > 0, "a group without octets could be repeated for ever");
                (len + 4, depth.max(group_depth + 1))
            }
        })
    }

    #[test]
    fn kinds_are_in_order_and_no_name_stands_twice() {
        assert!(KINDS.is_sorted_by(|a, b| a.format < b.format));
        assert_eq!(KINDS.iter().map(|kind| kind.name).collect::<HashSet<_>>().len(), KINDS.len());
        for kind in KINDS.iter().chain(OLD_KINDS) {
            let names: HashSet<_> = kind.base.iter().chain(kind.fields).map(|field| field.name).collect();
            assert_eq!(names.len(), kind.base.len() + kind.fields.len(), "{}", kind.name);
        }
    }

    #[test]
    fn blocks_are_as_long_as_their_structures() {
        let lengths = [
            ("generic", 88),
            ("ethernet", 52),
            ("tokenring", 72),
            ("100basevg", 80),
            ("vlan", 28),
            ("80211", 80),
            ("lag", 56),
            ("slow_path", 24),
            ("processor", 28),
            ("radio", 12),
            ("queue", 52),
            ("host_parent", 8),
            ("host_cpu", 68),
            ("host_memory", 72),
            ("host_disk_io", 52),
            ("host_net_io", 40),
            ("mib2_ip", 76),
            ("mib2_icmp", 100),
            ("mib2_tcp", 60),
            ("mib2_udp", 28),
            ("virt_node", 28),
            ("virt_disk_io", 52),
            ("jvm_statistics", 108),
            ("http", 60),
            ("app_resources", 40),
            ("memcache", 140),
            ("app_workers", 20),
            ("broadcom_tables", 144),
            ("nvidia_gpu", 48),
        ];
        for (name, len) in lengths {
            let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
            assert_eq!(measure(kind.fields).0, len, "{name}");
        }
    }

    #[test]
    fn lists_do_not_lie_deeper_than_is_walked() {
        for kind in KINDS.iter().chain(OLD_KINDS) {
            let tables = usize::from(!kind.base.is_empty()) + 1;
            assert!(tables + measure(kind.fields).1 <= DEPTH, "{}", kind.name);
            assert_eq!(measure(kind.base).1, 0, "{}", kind.name);
        }
    }
}
