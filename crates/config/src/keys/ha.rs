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
    ///
    /// With `redis_host`, keys of the daemon in Redis begin with it.
    CLUSTER_NAME: Option<String> = text(&["cluster_name"]).acts();

    /// Number of this daemon in its cluster; each daemon needs its own.
    ///
    /// With `nfacctd_rp_ebpf_prog` and similar keys it is the place of the daemon in the maps from which the program selects. If
    /// another daemon has this number, the daemon does not start.
    ///
    /// With `redis_host`, keys of the daemon in Redis contain it.
    CLUSTER_ID: u32 = integer(&["cluster_id"], 0, u32::MAX as i128).default("0").acts();

    /// Redis server, as `host:port`; without a port, 6379 is used.
    ///
    /// Once a second the daemon writes keys that say that it and its plugins run. High availability (`bgp_daemon_ha`) needs it, too.
    /// `cluster_name` must be set. If the server cannot be reached, the daemon goes on.
    REDIS_HOST: Option<String> = text(&["redis_host"]).acts();

    /// Number of the Redis database.
    REDIS_DB: u32 = integer(&["redis_db"], 0, u32::MAX as i128).default("0").acts();

    /// Password of the Redis server, for its default user.
    REDIS_PASSWD: Option<String> = text(&["redis_passwd"]).acts();

    /// Runs this daemon as one of several that have the same BGP or BMP sessions, of which one writes its output.
    ///
    /// The daemon that started first is active. Those on stand-by hold back their message logs and dump no tables; if the active one
    /// fails, another one takes over. Needs `redis_host` and `bgp_daemon_ha_cluster_name`.
    BGP_DAEMON_HA: bool = boolean(&["bgp_daemon_ha", "bmp_daemon_ha"]).default("false")
        .daemons(PMBGPD.and(PMBMPD).and(FLOW)).acts();

    /// Name of the group of daemons of which one is active.
    ///
    /// Each of them needs its own `core_proc_name`.
    BGP_DAEMON_HA_CLUSTER_NAME: Option<String> = text(&[
        "bgp_daemon_ha_cluster_name", "bmp_daemon_ha_cluster_name",
    ]).daemons(PMBGPD.and(PMBMPD).and(FLOW)).acts();

    /// Number of the set of daemons that have the same sessions: each set has one active daemon.
    BGP_DAEMON_HA_CLUSTER_ID: u32 = integer(&[
        "bgp_daemon_ha_cluster_id", "bmp_daemon_ha_cluster_id",
    ], 0, u32::MAX as i128).default("0").daemons(PMBGPD.and(PMBMPD).and(FLOW)).acts();

    /// Seconds for which a daemon on stand-by keeps a message, in case it becomes active.
    ///
    /// It must be longer than a take-over takes, which is up to four seconds. 0 means the default.
    BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT: Duration = seconds(&[
        "bgp_daemon_ha_queue_message_timeout", "bmp_daemon_ha_queue_message_timeout",
    ], 0).default("15").daemons(PMBGPD.and(PMBMPD).and(FLOW)).acts();

    /// Maximum number of messages that a daemon on stand-by keeps, for each log; -1 and 0 mean no limit.
    ///
    /// Their memory is limited in any case: to half of `plugin_queue_memory` for each log.
    BGP_DAEMON_HA_QUEUE_MAX_SIZE: i64 = integer(&[
        "bgp_daemon_ha_queue_max_size", "bmp_daemon_ha_queue_max_size",
    ], -1, i64::MAX as i128).default("-1").daemons(PMBGPD.and(PMBMPD).and(FLOW)).acts();
}
