//! The metrics apart from the table of counters: of exporters, interfaces, BGP, the process and the build.

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Increases only, from the start of the process.
    Counter,
    /// The current value.
    Gauge,
    /// Text, in its labels.
    Info,
}

impl Kind {
    /// The type as OpenMetrics calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
        }
    }

    /// The suffix of the names of samples.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge => "",
            Self::Info => "_info",
        }
    }
}

/// Common properties of samples. The name of a family with a unit ends in it.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Without `_total` or `_info`.
    pub name: &'a str,
    /// The type.
    pub kind: Kind,
    /// The base unit.
    pub unit: Option<&'a str>,
    /// A sentence.
    pub help: &'a str,
}

const fn counter(name: &'static str, help: &'static str) -> Family<'static> {
    Family { name, kind: Kind::Counter, unit: None, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family<'static> {
    Family { name, kind: Kind::Gauge, unit: None, help }
}

impl Family<'static> {
    const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

/// Of each exporter or agent, in the order of the values of [`crate::Exporter`].
pub(crate) const EXPORTERS: [Family<'static>; 5] = [
    counter("pmacct_exporter_datagrams_received", "Datagrams received from the exporter."),
    counter("pmacct_exporter_datagrams_received_bytes", "Payload bytes of these datagrams.").in_unit("bytes"),
    counter("pmacct_exporter_records_decoded", "Flow records or flow samples of the exporter."),
    counter("pmacct_exporter_sequence_gaps", "Forward jumps in the exporter's sequence numbers."),
    counter(
        "pmacct_exporter_sequence_lost",
        "Datagrams or records (by version) of the exporter missing according to sequence numbers.",
    ),
];

/// Of each interface, in the order of the values of [`crate::Interface`].
pub(crate) const INTERFACES: [Family<'static>; 2] = [
    counter(
        "pmacct_interface_packets_received",
        "Packets that the capture on the interface received, as counted by the kernel. May include packets of the other direction.",
    ),
    counter("pmacct_interface_packets_dropped", "Packets that the kernel dropped before they were read."),
];

/// Of BMP sessions and the routes that routers report.
pub static BMP: [Family<'static>; 19] = [
    counter("pmacct_bmp_connections_accepted", "BMP connections accepted."),
    counter("pmacct_bmp_connections_rejected", "BMP connections closed before a session, by reason."),
    gauge("pmacct_bmp_sessions", "Sessions of routers now, those from Kafka included."),
    counter("pmacct_bmp_sessions_closed", "Sessions that have ended, by reason."),
    counter("pmacct_bmp_messages_received", "BMP messages received, by type."),
    counter("pmacct_bmp_received_bytes", "Bytes received in BMP sessions.").in_unit("bytes"),
    counter(
        "pmacct_bmp_message_errors",
        "BMP messages that were not used, or (`partial`) not completely, by reason.",
    ),
    counter(
        "pmacct_bmp_update_errors",
        "Errors in UPDATE messages that routers report, by reason and by what was done: an attribute was discarded, routes were treated as withdrawn, or the message was lost.",
    ),
    counter("pmacct_bmp_routes_dropped", "Routes that were not stored, by the bound that was reached."),
    counter("pmacct_bmp_ribs_dropped", "RIBs of peers whose routes are not stored, since there are too many."),
    counter(
        "pmacct_bmp_events_dropped",
        "Messages that are missing in dumps, since plugin_queue_memory was reached.",
    ),
    gauge("pmacct_bmp_attribute_sets", "Distinct sets of path attributes in the RIB now."),
    gauge("pmacct_bmp_rib_bytes", "Memory that the RIB takes now, estimated.").in_unit("bytes"),
    counter("pmacct_bmp_kafka_messages_received", "Messages of the topic of bmp_daemon_kafka_topic."),
    counter("pmacct_bmp_kafka_messages_rejected", "Messages of the topic that were not used, by reason."),
    gauge("pmacct_bmp_router_peers", "Peers of the router that are up now."),
    counter("pmacct_bmp_router_messages_received", "BMP messages of the session of the router, by type."),
    counter("pmacct_bmp_router_received_bytes", "Bytes of the session of the router.").in_unit("bytes"),
    gauge("pmacct_bmp_router_routes", "Routes of the router now, by RIB: pre, post, out_pre, out_post, loc."),
];

/// Of datagrams from a broker.
pub static INTAKE: [Family<'static>; 6] = [
    gauge("pmacct_intake_up", "1 while the broker from which datagrams are read answers, else 0."),
    counter("pmacct_intake_errors", "Errors reported by the client of that broker."),
    counter("pmacct_intake_connections", "Connections that were made to a ZeroMQ socket."),
    gauge("pmacct_intake_partitions", "Partitions of the Kafka topic that this daemon reads now."),
    counter(
        "pmacct_intake_partitions_changed",
        "Partitions that this daemon began to read, that it released to others of its group, and that others read already, by change.",
    ),
    counter("pmacct_intake_commits", "Commits of positions in the Kafka topic, by result."),
];

/// Of streaming telemetry.
pub static TELEMETRY: [Family<'static>; 19] = [
    counter(
        "pmacct_telemetry_nodes_accepted",
        "Connections accepted, and addresses that began to send datagrams or messages.",
    ),
    counter(
        "pmacct_telemetry_nodes_rejected",
        "Connections and datagrams of nodes that are not admitted, by reason.",
    ),
    gauge("pmacct_telemetry_nodes", "Nodes that are present now."),
    counter("pmacct_telemetry_nodes_closed", "Nodes that are gone, by reason."),
    counter("pmacct_telemetry_messages_received", "Messages received, by transport."),
    counter("pmacct_telemetry_received_bytes", "Bytes of messages received, by transport.").in_unit("bytes"),
    counter(
        "pmacct_telemetry_payloads_invalid",
        "Messages that were logged without their payload, since it is not what its encoding says, by reason.",
    ),
    counter(
        "pmacct_telemetry_dropped",
        "Datagrams and messages that were dropped, and streams that could not be read any further, by transport and reason.",
    ),
    counter(
        "pmacct_telemetry_incomplete_dropped",
        "UDP-notif messages that lack a segment, by the reason for which they were dropped.",
    ),
    gauge("pmacct_telemetry_incomplete", "UDP-notif messages that wait for segments now."),
    gauge("pmacct_telemetry_incomplete_bytes", "Memory of these messages now.").in_unit("bytes"),
    counter(
        "pmacct_telemetry_socket_drops",
        "Datagrams that the kernel dropped since the receive buffer was full, by transport.",
    ),
    gauge("pmacct_telemetry_subscriptions", "YANG-Push subscriptions that are known now."),
    counter("pmacct_telemetry_subscriptions_unknown", "Notifications of subscriptions that are not known."),
    counter("pmacct_telemetry_subscriptions_evicted", "Subscriptions that were forgotten at a bound."),
    counter(
        "pmacct_telemetry_events_dropped",
        "Messages that are missing in dumps, since plugin_queue_memory was reached.",
    ),
    counter("pmacct_telemetry_node_messages_received", "Messages of the node."),
    counter("pmacct_telemetry_node_received_bytes", "Bytes of the messages of the node.").in_unit("bytes"),
    counter(
        "pmacct_telemetry_node_payloads_invalid",
        "Messages of the node that were logged without their payload.",
    ),
];

/// Of IPFIX over TCP, TLS and DTLS.
pub static IPFIX: [Family<'static>; 6] = [
    counter("pmacct_ipfix_sessions_accepted", "Connections, and handshakes of DTLS, that began."),
    counter("pmacct_ipfix_sessions_rejected", "Connections that were closed at once, by reason."),
    gauge("pmacct_ipfix_sessions", "Sessions that are open now."),
    counter("pmacct_ipfix_sessions_closed", "Sessions and handshakes that have ended, by reason."),
    counter("pmacct_ipfix_messages_received", "Messages received in sessions."),
    counter(
        "pmacct_ipfix_dtls_datagrams_dropped",
        "Datagrams that belong to no session and begin none, and answers that were not sent, by reason.",
    ),
];

/// Of telemetry over gRPC.
pub static TELEMETRY_GRPC: [Family<'static>; 10] = [
    counter("pmacct_telemetry_grpc_connections", "Connections of routers that were accepted."),
    counter("pmacct_telemetry_grpc_connections_refused", "Connections that were refused or abandoned, by reason."),
    counter("pmacct_telemetry_grpc_streams_opened", "Streams of messages, by source."),
    counter("pmacct_telemetry_grpc_streams_ended", "Streams that have ended, by reason."),
    counter("pmacct_telemetry_grpc_messages_received", "Messages received, by source."),
    counter("pmacct_telemetry_grpc_received_bytes", "Bytes of these messages, by source.").in_unit("bytes"),
    counter("pmacct_telemetry_grpc_messages_ignored", "Messages without data, by reason."),
    counter("pmacct_telemetry_grpc_messages_undecoded", "Messages that are shown in base64, by reason."),
    counter("pmacct_telemetry_grpc_router_errors", "Messages in which a router reports an error."),
    counter(
        "pmacct_telemetry_grpc_targets_unreachable",
        "Attempts to reach a gNMI target that failed, by reason.",
    ),
];

/// Of BGP sessions, routes and route origin validation.
pub static BGP: [Family<'static>; 15] = [
    counter("pmacct_bgp_connections_accepted", "BGP connections accepted."),
    counter("pmacct_bgp_connections_rejected", "BGP connections closed before a session, by reason."),
    gauge("pmacct_bgp_sessions", "Sessions that are established now."),
    counter("pmacct_bgp_sessions_closed", "Sessions that have ended, by reason."),
    counter("pmacct_bgp_messages_received", "BGP messages received, by type."),
    counter("pmacct_bgp_received_bytes", "Bytes received in BGP sessions.").in_unit("bytes"),
    counter(
        "pmacct_bgp_update_errors",
        "Errors in UPDATE messages, by reason and by what was done: an attribute was discarded, routes were treated as withdrawn, or the session was reset.",
    ),
    gauge("pmacct_bgp_routes", "Routes in the RIB now, by peer and address family."),
    counter("pmacct_bgp_routes_dropped", "Routes that were not stored, by the bound that was reached."),
    gauge("pmacct_bgp_attribute_sets", "Distinct sets of path attributes in the RIB now."),
    gauge("pmacct_bgp_rib_bytes", "Memory that the RIB takes now, estimated.").in_unit("bytes"),
    gauge("pmacct_rpki_vrps", "Validated ROA payloads known now."),
    gauge(
        "pmacct_rpki_last_update_timestamp_seconds",
        "When they last changed, in seconds since 1970; 0 if there are none.",
    )
    .in_unit("seconds"),
    counter(
        "pmacct_bgp_looking_glass_queries",
        "Queries to the looking glass, by result: routes or peers were found, none was, or the query was invalid.",
    ),
    counter(
        "pmacct_bgp_looking_glass_closed",
        "Connections that the looking glass closed, by reason: too many clients, refused credentials, a violation of the protocol, a query that was too large, or a client that was too slow.",
    ),
];

/// Of high availability, and of the Redis server that it needs.
pub static HA: [Family<'static>; 8] = [
    gauge("pmacct_redis_connected", "1 while the Redis server answers."),
    counter("pmacct_redis_failures", "Exchanges with it that failed, of one a second."),
    gauge("pmacct_ha_active", "1 while the daemon is active, 0 while it is on stand-by."),
    counter("pmacct_ha_state_changes", "Changes between the two, with the first decision."),
    gauge("pmacct_ha_queue_messages", "Messages that are kept on stand-by, by log."),
    gauge("pmacct_ha_queue_bytes", "Memory that they take.").in_unit("bytes"),
    counter("pmacct_ha_queue_released", "Messages that were kept, and written when the daemon became active."),
    counter(
        "pmacct_ha_queue_dropped",
        "Messages that were kept, and dropped on stand-by: the active daemon has written them. By reason: their age, their number (bgp_daemon_ha_queue_max_size), their memory, and the end of the daemon.",
    ),
];

/// Of the build.
pub(crate) const BUILD: Family<'static> = Family {
    name: "pmacct_build",
    kind: Kind::Info,
    unit: None,
    help: "Program, version and features, in its labels.",
};

/// Of the process, under the names that all programs have for them.
pub(crate) const CPU: Family<'static> =
    counter("process_cpu_seconds", "User and system CPU time spent.").in_unit("seconds");
pub(crate) const RESIDENT: Family<'static> =
    gauge("process_resident_memory_bytes", "Resident memory.").in_unit("bytes");
pub(crate) const VIRTUAL: Family<'static> =
    gauge("process_virtual_memory_bytes", "Virtual memory.").in_unit("bytes");
pub(crate) const OPEN_FDS: Family<'static> = gauge(
    "process_open_fds",
    "Open file descriptors. Absent when the kernel does not show them, as after a change of user.",
);
pub(crate) const MAX_FDS: Family<'static> = gauge("process_max_fds", "Limit of open file descriptors.");
pub(crate) const THREADS: Family<'static> = gauge("process_threads", "Threads.");
pub(crate) const START: Family<'static> =
    gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.").in_unit("seconds");

/// Of the process, in the order of the exposition.
pub(crate) const PROCESS: [Family<'static>; 7] = [CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, THREADS, START];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_end_in_their_unit_and_are_not_in_the_counter_table() {
        let mut names: HashSet<String> =
            stats::ROWS.iter().map(|row| format!("pmacct_{}", row.family.trim_end_matches("_total"))).collect();
        for family in EXPORTERS.iter().chain(&INTERFACES).chain(&BGP).chain(&BMP).chain(&PROCESS).chain([&BUILD]) {
            assert!(names.insert(family.name.to_owned()), "{}", family.name);
            assert!(family.unit.is_none_or(|unit| family.name.ends_with(&format!("_{unit}"))), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }
}
