//! Keys of older versions. They are ignored with a warning that names the replacement.

use crate::daemons::*;
use crate::key::*;

keys! {
    /// Setting of a classifier that was removed.
    CLASSIFIER_TABLE_NUM: Option<String> = text(&["classifier_table_num"]).daemons(FLOW)
        .removed("use the other classifier_ keys");

    /// Setting of a classifier that was removed.
    CLASSIFIER_TENTATIVES: Option<String> = text(&["classifier_tentatives"]).daemons(FLOW)
        .removed("use the other classifier_ keys");

    /// Setting of the IS-IS listener, which was removed.
    IGP_DAEMON: Option<String> = text(&["igp_daemon"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    IGP_DAEMON_MAP: Option<String> = text(&["igp_daemon_map"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    IGP_DAEMON_MAP_MSGLOG: Option<String> = text(&["igp_daemon_map_msglog"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON: Option<String> = text(&["isis_daemon"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON_IFACE: Option<String> = text(&["isis_daemon_iface"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON_IP: Option<String> = text(&["isis_daemon_ip"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON_MSGLOG: Option<String> = text(&["isis_daemon_msglog"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON_MTU: Option<String> = text(&["isis_daemon_mtu"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the IS-IS listener, which was removed.
    ISIS_DAEMON_NET: Option<String> = text(&["isis_daemon_net"]).daemons(FLOW)
        .removed("use BGP or BMP as the source of routes");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_CACHE_ENTRIES: Option<String> = text(&["mongo_cache_entries"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_HISTORY: Option<String> = text(&["mongo_history"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_HISTORY_OFFSET: Option<String> = text(&["mongo_history_offset"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_HISTORY_ROUNDOFF: Option<String> = text(&["mongo_history_roundoff", "mongo_time_roundoff"]).both()
        .daemons(FLOW).removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_HOST: Option<String> = text(&["mongo_host"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_INDEXES_FILE: Option<String> = text(&["mongo_indexes_file"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_INSERT_BATCH: Option<String> = text(&["mongo_insert_batch"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_MAX_WRITERS: Option<String> = text(&["mongo_max_writers"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_NUM_PROTOS: Option<String> = text(&["mongo_num_protos"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_PASSWD: Option<String> = text(&["mongo_passwd"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_PREPROCESS: Option<String> = text(&["mongo_preprocess"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_PREPROCESS_TYPE: Option<String> = text(&["mongo_preprocess_type"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_REFRESH_TIME: Option<String> = text(&["mongo_refresh_time"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_STARTUP_DELAY: Option<String> = text(&["mongo_startup_delay"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_TABLE: Option<String> = text(&["mongo_table"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_TRIGGER_EXEC: Option<String> = text(&["mongo_trigger_exec"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Setting of the MongoDB plugin, which was removed.
    MONGO_USER: Option<String> = text(&["mongo_user"]).both().daemons(FLOW)
        .removed("use a Kafka or SQL plugin instead");

    /// Old name of nfacctd_disable_sanity_checks.
    NFACCTD_DISABLE_CHECKS: Option<String> = text(&["nfacctd_disable_checks", "sfacctd_disable_checks"])
        .daemons(COLLECTORS).removed("use nfacctd_disable_sanity_checks");
}
