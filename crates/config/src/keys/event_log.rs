//! Logs of what peers send, as it comes, and dumps of the tables that this fills: one row for all prefixes.
//!
//! The keys of their brokers are those of the plugins, with the same prefixes.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::bgp::RouteOutput;
use crate::keys::telemetry::TelemetryOutput;

/// Logs and dumps of routes.
const ROUTES: &[Place] =
    &[Place::BGP_DAEMON_MSGLOG, Place::BGP_TABLE_DUMP, Place::BMP_DAEMON_MSGLOG, Place::BMP_DUMP];

keys! {
    /// File in which messages are logged as they come; with variables of the peer in its name, one for each.
    MSGLOG_FILE: Option<PathBuf> = path(&["file"]).places(Place::MESSAGE_LOGS).hup()
        .option_for('o', PMBGPD, "file", "bgp_daemon_msglog_file")
        .option_for('o', PMBMPD, "file", "bmp_daemon_msglog_file")
        .option_for('o', PMTELEMETRYD, "file", "telemetry_daemon_msglog_file");

    /// Format of logged messages and of dumps.
    ROUTE_OUTPUT: RouteOutput = words(&["output"]).default("json").places(ROUTES);

    /// Format of logged telemetry and of its dumps.
    TELEMETRY_OUTPUT: TelemetryOutput = words(&["output"]).default("json")
        .places(&[Place::TELEMETRY_DAEMON_MSGLOG, Place::TELEMETRY_DUMP]);

    /// File to which the Avro schemas of logged messages, or of dumps, are written.
    ROUTE_AVRO_SCHEMA_FILE: Option<PathBuf> = path(&["avro_schema_file"]).places(ROUTES);

    /// File of dumps, with variables of the peer and of the time in its name.
    DUMP_FILE: Option<PathBuf> = path(&["file"]).places(Place::DUMPS)
        .option_for('O', PMBGPD, "file", "bgp_table_dump_file")
        .option_for('O', PMBMPD, "file", "bmp_dump_file")
        .option_for('O', PMTELEMETRYD, "file", "telemetry_dump_file");

    /// Symbolic link to the newest dump.
    DUMP_LATEST_FILE: Option<PathBuf> = path(&["latest_file"]).places(Place::DUMPS);

    /// Seconds between dumps of what peers said, from 60 to 86400; 0 for none.
    DUMP_REFRESH_TIME: Duration = seconds(&["refresh_time"], 0).default("0").places(Place::DUMPS)
        .option_for('i', PMBGPD, "seconds", "bgp_table_dump_refresh_time")
        .option_for('i', PMBMPD, "seconds", "bmp_dump_refresh_time")
        .option_for('i', PMTELEMETRYD, "seconds", "telemetry_dump_refresh_time");

    /// Slots over which peers' dumps are spread within the refresh time, which must be a multiple of it.
    DUMP_TIME_SLOTS: u32 = integer(&["time_slots"], 1, 86400).default("1").places(Place::DUMPS);

    /// Threads that write dumps.
    DUMP_WORKERS: u32 = integer(&["workers"], 1, u32::MAX as i128).default("1").places(Place::DUMPS);
}
