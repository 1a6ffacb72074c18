//! Clusters and pairs of daemons.

use crate::daemons::*;
use crate::key::*;
use std::time::Duration;

keys! {
    /// Name of the cluster to which this daemon belongs.
    ///
    /// Daemons that all set it may share the ports of flows, BGP, BMP and telemetry. The kernel selects one of them by the
    /// sender's address and port, and selects again when a daemon starts or ends; or the program of `nfacctd_rp_ebpf_prog` and
    /// similar keys selects one. See docs/clusters.md.
    CLUSTER_NAME: Option<String> = text(&["cluster_name"]).acts();

    /// Number of this daemon in its cluster; each daemon needs its own.
    ///
    /// With `nfacctd_rp_ebpf_prog` and similar keys it is the place of the daemon in the maps from which the program selects. If
    /// another daemon has this number, the daemon does not start.
    CLUSTER_ID: u32 = integer(&["cluster_id"], 0, u32::MAX as i128).default("0").acts();

    /// Redis server with the cluster's state, as `host:port`.
    REDIS_HOST: Option<String> = text(&["redis_host"]);

    /// Number of the Redis database.
    REDIS_DB: u32 = integer(&["redis_db"], 0, u32::MAX as i128).default("0");

    /// Password of the Redis server.
    REDIS_PASSWD: Option<String> = text(&["redis_passwd"]);

    /// Runs this daemon as one of a pair, of which one is active and the other is on standby.
    BGP_DAEMON_HA: bool = boolean(&["bgp_daemon_ha", "bmp_daemon_ha"]).default("false")
        .daemons(PMBGPD.and(PMBMPD).and(FLOW));

    /// Name of the pair.
    BGP_DAEMON_HA_CLUSTER_NAME: Option<String> = text(&[
        "bgp_daemon_ha_cluster_name", "bmp_daemon_ha_cluster_name",
    ]).daemons(PMBGPD.and(PMBMPD).and(FLOW));

    /// Number of the group of daemons that receive the same data.
    BGP_DAEMON_HA_CLUSTER_ID: u32 = integer(&[
        "bgp_daemon_ha_cluster_id", "bmp_daemon_ha_cluster_id",
    ], 0, u32::MAX as i128).default("0").daemons(PMBGPD.and(PMBMPD).and(FLOW));

    /// Seconds for which the standby daemon keeps a message.
    BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT: Duration = seconds(&[
        "bgp_daemon_ha_queue_message_timeout", "bmp_daemon_ha_queue_message_timeout",
    ], 0).default("10").daemons(PMBGPD.and(PMBMPD).and(FLOW));

    /// Maximum number of messages that the standby daemon keeps; -1 means no limit.
    BGP_DAEMON_HA_QUEUE_MAX_SIZE: i64 = integer(&[
        "bgp_daemon_ha_queue_max_size", "bmp_daemon_ha_queue_max_size",
    ], -1, i64::MAX as i128).default("-1").daemons(PMBGPD.and(PMBMPD).and(FLOW));
}
