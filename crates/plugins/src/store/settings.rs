//! The settings of a plugin with a store.

use crate::preprocess;
use crate::sink;
use crate::trigger::Trigger;
use aggregate::time_bin::{Roundoff, Width};
use config::keys::amqp::{AMQP_AVRO_SCHEMA_REFRESH_TIME, AMQP_AVRO_SCHEMA_ROUTING_KEY};
use config::keys::core::{PLUGIN_EXIT_TIMEOUT, PLUGIN_QUEUE_MEMORY, PLUGIN_SPOOL_DIR, PLUGIN_SPOOL_SIZE};
use config::keys::encoding::AVRO_SCHEMA_FILE;
use config::keys::print::{PRINT_HISTORY, PRINT_HISTORY_ROUNDOFF, PRINT_REFRESH_TIME, PRINT_STARTUP_DELAY};
use config::keys::sql::{SQL_DONT_TRY_UPDATE, SQL_TRIGGER_TIME};
use config::{Diagnostics, Plugin, PluginKind};
use delivery::worker::Limits;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;

/// Seconds of a month, for variables that show the length of bins as a number of seconds.
const MONTH: u64 = 30 * 86_400;

/// Settings of one plugin with a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// The name of its kind.
    pub kind: &'static str,
    /// Zone of round-offs.
    pub zone: TimeZone,
    /// Seconds between two purges.
    pub refresh: u32,
    /// Seconds by which all purges are shifted.
    pub startup_delay: u32,
    /// The alignment of purges.
    pub roundoff: Roundoff,
    /// Length of the time bins in seconds; 0 without.
    pub history: u64,
    /// Conditions and changes before writing.
    pub preprocess: preprocess::Settings,
    /// The trigger that runs after each purge.
    pub trigger: Option<Trigger>,
    /// `sql_trigger_time`: the trigger runs at this interval in seconds instead.
    pub trigger_every: Option<u32>,
    /// Each aggregate becomes a new row of a database: `sql_dont_try_update`, and stores that know no updates.
    pub inserts_only: bool,
    /// Settings in the environment of triggers.
    pub variables: Vec<(&'static str, String)>,
    /// `avro_schema_file`.
    pub schema_file: Option<PathBuf>,
    /// `amqp_avro_schema_refresh_time`, when the schema is sent separately: the interval in seconds.
    pub announce_every: Option<u32>,
    /// Mask and owners of the files.
    pub files: runtime::files::Settings,
    /// `plugin_queue_memory`.
    pub max_bytes: u64,
    /// `plugin_spool_dir`, `plugin_spool_size`.
    pub spool: Option<SpoolSettings>,
    /// `plugin_exit_timeout`: how long the end may wait for the store.
    pub exit: Limits,
}

/// Where batches wait on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The plugin's own folder.
    pub folder: PathBuf,
    /// Maximum number of bytes in it.
    pub max_bytes: u64,
}

impl Settings {
    /// The settings of a plugin; `variables` are those of its kind.
    pub fn read(plugin: &Plugin, variables: Vec<(&'static str, String)>, problems: &mut Diagnostics) -> Self {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let length = |width: Width| match width {
            Width::Seconds(seconds) => u64::from(seconds),
            Width::Months(months) => u64::from(months) * MONTH,
        };
        let kind = plugin.kind.word();
        let spool = plugin.get(&PLUGIN_SPOOL_DIR).map(|folder| SpoolSettings {
            // Each plugin needs a folder of its own, even when the key is set once for all.
            folder: folder.join(format!("{}-{kind}", plugin.name.replace('/', "_"))),
            max_bytes: plugin.get(&PLUGIN_SPOOL_SIZE),
        });
        let exit = Limits::new(plugin.get(&PLUGIN_EXIT_TIMEOUT), spool.is_some());
        Self {
            name: plugin.name.clone(),
            kind,
            zone: sink::style(plugin).zone,
            refresh: seconds(plugin.get(&PRINT_REFRESH_TIME)),
            startup_delay: seconds(plugin.get(&PRINT_STARTUP_DELAY)),
            roundoff: Roundoff::parse(&plugin.get(&PRINT_HISTORY_ROUNDOFF).unwrap_or_default()),
            history: sink::width(plugin.get(&PRINT_HISTORY)).map_or(0, length),
            preprocess: preprocess::Settings::read(plugin, problems),
            trigger: Trigger::read(plugin),
            trigger_every: sink::width(plugin.get(&SQL_TRIGGER_TIME))
                .map(|width| u32::try_from(length(width)).unwrap_or(u32::MAX)),
            inserts_only: match plugin.kind {
                PluginKind::Clickhouse => true,
                PluginKind::Sqlite3 | PluginKind::Pgsql | PluginKind::Mysql => plugin.get(&SQL_DONT_TRY_UPDATE),
                _ => false,
            },
            variables,
            schema_file: plugin.get(&AVRO_SCHEMA_FILE),
            announce_every: plugin
                .get(&AMQP_AVRO_SCHEMA_ROUTING_KEY)
                .filter(|_| plugin.kind == PluginKind::Amqp)
                .map(|_| seconds(plugin.get(&AMQP_AVRO_SCHEMA_REFRESH_TIME))),
            files: sink::files(plugin, problems),
            max_bytes: plugin.get(&PLUGIN_QUEUE_MEMORY),
            spool,
            exit,
        }
    }
}
