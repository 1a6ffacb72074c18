//! Logs of messages from peers, and periodic dumps of the tables that they fill: one row for all key prefixes.
//!
//! The keys of their brokers are those of the plugins, with the same key prefixes.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::bgp::RouteOutput;
use crate::keys::telemetry::TelemetryOutput;

/// Logs and dumps of routes.
const ROUTES: &[KeyPrefix] =
    &[KeyPrefix::BGP_DAEMON_MSGLOG, KeyPrefix::BGP_TABLE_DUMP, KeyPrefix::BMP_DAEMON_MSGLOG, KeyPrefix::BMP_DUMP];

keys! {
    /// File to which messages are logged as they arrive; its name may contain variables of the peer.
    MSGLOG_FILE: Option<PathBuf> = path(&["file"]).prefixes(KeyPrefix::MESSAGE_LOGS).hup()
        .option_for('o', PMBGPD, "file", "bgp_daemon_msglog_file")
        .option_for('o', PMBMPD, "file", "bmp_daemon_msglog_file")
        .option_for('o', PMTELEMETRYD, "file", "telemetry_daemon_msglog_file").acts();

    /// Format of logged messages and of dumps. Brokers do not receive MRT. Only bmp_daemon_msglog_output has openbmp.
    ROUTE_OUTPUT: RouteOutput = words(&["output"]).default("json").prefixes(ROUTES).acts();

    /// Format of logged telemetry and of its dumps.
    TELEMETRY_OUTPUT: TelemetryOutput = words(&["output"]).default("json")
        .prefixes(&[KeyPrefix::TELEMETRY_DAEMON_MSGLOG, KeyPrefix::TELEMETRY_DUMP]).acts();

    /// File to which the Avro schemas of logged messages or dumps are written: one for each kind of event, whose name follows
    /// after a hyphen.
    ROUTE_AVRO_SCHEMA_FILE: Option<PathBuf> = path(&["avro_schema_file"]).prefixes(ROUTES).acts();

    /// File to which dumps are written; its name may contain variables of the peer and of time.
    DUMP_FILE: Option<PathBuf> = path(&["file"]).prefixes(KeyPrefix::DUMPS)
        .option_for('O', PMBGPD, "file", "bgp_table_dump_file")
        .option_for('O', PMBMPD, "file", "bmp_dump_file")
        .option_for('O', PMTELEMETRYD, "file", "telemetry_dump_file").acts();

    /// Symbolic link to the newest dump; its name may contain variables of the peer.
    DUMP_LATEST_FILE: Option<PathBuf> = path(&["latest_file"]).prefixes(KeyPrefix::DUMPS).acts();

    /// Seconds between two dumps, from 60 to 86400; 0 disables dumps. They start at multiples of it on the clock.
    DUMP_REFRESH_TIME: Duration = seconds(&["refresh_time"], 0).default("0").prefixes(KeyPrefix::DUMPS)
        .option_for('i', PMBGPD, "seconds", "bgp_table_dump_refresh_time")
        .option_for('i', PMBMPD, "seconds", "bmp_dump_refresh_time")
        .option_for('i', PMTELEMETRYD, "seconds", "telemetry_dump_refresh_time").acts();

    /// Number of time slots over which the dumps of the peers are spread; the refresh time must be a multiple of it.
    ///
    /// With other values, a warning is logged and all peers are dumped at once.
    DUMP_TIME_SLOTS: u32 = integer(&["time_slots"], 1, 86400).default("1").prefixes(KeyPrefix::DUMPS).acts();

    /// Number of threads that write dumps.
    DUMP_WORKERS: u32 = integer(&["workers"], 1, u32::MAX as i128).default("1").prefixes(KeyPrefix::DUMPS).acts();
}
