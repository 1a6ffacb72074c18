//! The settings of one SQL plugin.

use config::keys::core::PLUGIN_WRITE_TIMEOUT;
use config::keys::print::{PRINT_HISTORY, PRINT_NUM_PROTOS, PRINT_REFRESH_TIME};
use config::keys::sampling::SAMPLING_RATE;
use config::keys::sql::{
    LockingStyle, SQL_BACKUP_HOST, SQL_CLEARTEXT_PASSWD, SQL_CONN_CA_FILE, SQL_DATA, SQL_DB, SQL_DELIMITER,
    SQL_DONT_TRY_UPDATE, SQL_HOST, SQL_LOCKING_STYLE, SQL_MAX_TABLES, SQL_MULTI_VALUES, SQL_NUM_HOSTS,
    SQL_OPTIMIZE_CLAUSES, SQL_PASSWD, SQL_PORT, SQL_TABLE, SQL_TABLE_SCHEMA, SQL_TABLE_TYPE, SQL_TABLE_VERSION,
    SQL_USE_COPY, SQL_USER, SqlData, TableType,
};
use config::keys::time::{TIMESTAMPS_SECS, TIMESTAMPS_SINCE_EPOCH, TIMESTAMPS_UTC};
use config::{Diagnostics, Plugin, PluginKind, Span};
use delivery::StoreError;
use encode::Style;
use encode::names::Template;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;

/// Seconds of a month, for the variable with the length of bins in seconds.
const MONTH: u64 = 30 * 86_400;

/// The SQL dialect of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    PgSql,
    /// MySQL and MariaDB.
    MySql,
    /// ClickHouse.
    ClickHouse,
}

/// Settings of one SQL plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// Which server it writes to.
    pub dialect: Dialect,
    /// `sql_db`: the database; for SQLite, the file.
    pub db: String,
    /// `sql_host`.
    pub host: String,
    /// `sql_port`.
    pub port: Option<u16>,
    /// `sql_user`.
    pub user: String,
    /// `sql_passwd`.
    pub password: String,
    /// `sql_conn_ca_file`.
    pub ca_file: Option<PathBuf>,
    /// `files_follow_links`, for the file of SQLite.
    pub follow_links: bool,
    /// `sql_backup_host`; for SQLite, the second file.
    pub backup: Option<String>,
    /// `sql_table` as configured.
    pub table_text: Option<String>,
    /// `sql_table`, when it is set.
    pub table: Option<Template>,
    /// `sql_table_schema`: the statement in that file.
    pub create: Option<Template>,
    /// `sql_table_version`.
    pub version: u32,
    /// `sql_table_type`.
    pub table_type: TableType,
    /// `sql_optimize_clauses`.
    pub optimize: bool,
    /// `sql_data: unified`.
    pub unified: bool,
    /// `sql_dont_try_update`: rows are inserted only.
    pub insert_only: bool,
    /// `sql_multi_values`: the maximum size of a statement in bytes.
    pub multi_values: u64,
    /// `sql_use_copy`.
    pub copy: bool,
    /// `sql_delimiter`.
    pub delimiter: char,
    /// `sql_locking_style`.
    pub locking: LockingStyle,
    /// `sql_num_hosts`: addresses in binary form.
    pub num_hosts: bool,
    /// The format of values.
    pub style: Style,
    /// `timestamps_utc`.
    pub utc: bool,
    /// `timestamps_since_epoch`: times as numbers.
    pub since_epoch: bool,
    /// `sql_refresh_time`, seconds.
    pub refresh: u64,
    /// `sql_history` in seconds; 0 without.
    pub history: u64,
    /// `sampling_rate`, for the environment of triggers only.
    pub sampling: Option<u32>,
    /// `sql_max_tables`: the maximum number of tables of a purge, where names depend on time bins or records.
    pub max_tables: usize,
    /// `sql_cleartext_passwd`: the server may ask for the password in clear text.
    pub cleartext: bool,
    /// `plugin_write_timeout`.
    pub timeout: Duration,
}

impl Settings {
    /// The settings of a plugin. What prevents it from starting is a fatal problem.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let dialect = match plugin.kind {
            PluginKind::Pgsql => Dialect::PgSql,
            PluginKind::Mysql => Dialect::MySql,
            PluginKind::Clickhouse => Dialect::ClickHouse,
            _ => Dialect::Sqlite,
        };
        let db = match (plugin.origin_of(&SQL_DB), dialect) {
            (None, Dialect::Sqlite) => "/tmp/pmacct.db".to_owned(),
            _ => plugin.get(&SQL_DB),
        };
        let utc = plugin.get(&TIMESTAMPS_UTC);
        // ClickHouse tables merge rows by themselves.
        let insert_only = plugin.get(&SQL_DONT_TRY_UPDATE) || dialect == Dialect::ClickHouse;
        for (set, key, origin) in [
            (plugin.get(&SQL_USE_COPY), "sql_use_copy", plugin.blame(&SQL_USE_COPY)),
            (plugin.get(&SQL_MULTI_VALUES) > 0, "sql_multi_values", plugin.blame(&SQL_MULTI_VALUES)),
        ] {
            if set && !insert_only {
                let what = format!("{key}[{}]: needs sql_dont_try_update. Ignored.", plugin.name);
                problems.warn(
                    origin,
                    what,
                    Some("Set sql_dont_try_update: true, so that rows are only inserted.".to_owned()),
                );
            }
        }
        Self {
            name: plugin.name.clone(),
            dialect,
            db,
            host: plugin.get(&SQL_HOST),
            port: plugin.get(&SQL_PORT),
            user: plugin.get(&SQL_USER),
            password: plugin.get(&SQL_PASSWD),
            ca_file: plugin.get(&SQL_CONN_CA_FILE),
            follow_links: plugin.get(&config::keys::output::FILES_FOLLOW_LINKS),
            backup: plugin.get(&SQL_BACKUP_HOST),
            table_text: plugin.get(&SQL_TABLE),
            table: plugin.get(&SQL_TABLE).and_then(|name| template(plugin, "sql_table", &name, problems)),
            create: create(plugin, problems),
            version: plugin.get(&SQL_TABLE_VERSION),
            table_type: plugin.get(&SQL_TABLE_TYPE),
            optimize: plugin.get(&SQL_OPTIMIZE_CLAUSES),
            unified: plugin.get(&SQL_DATA) == SqlData::Unified,
            insert_only,
            multi_values: if insert_only { plugin.get(&SQL_MULTI_VALUES) } else { 0 },
            copy: insert_only && plugin.get(&SQL_USE_COPY),
            delimiter: plugin.get(&SQL_DELIMITER),
            locking: plugin.get(&SQL_LOCKING_STYLE),
            num_hosts: plugin.get(&SQL_NUM_HOSTS) && matches!(dialect, Dialect::Sqlite | Dialect::MySql),
            style: Style {
                zone: if utc { TimeZone::UTC } else { TimeZone::system() },
                whole_seconds: plugin.get(&TIMESTAMPS_SECS),
                num_protos: plugin.get(&PRINT_NUM_PROTOS) || dialect == Dialect::PgSql,
                ..Style::default()
            },
            utc,
            since_epoch: plugin.get(&TIMESTAMPS_SINCE_EPOCH),
            refresh: plugin.get(&PRINT_REFRESH_TIME).as_secs(),
            history: match plugin.get(&PRINT_HISTORY) {
                None => 0,
                Some(Span::Seconds(seconds)) => seconds,
                Some(Span::Months(months)) => u64::from(months) * MONTH,
            },
            sampling: plugin.get(&SAMPLING_RATE),
            max_tables: plugin.get(&SQL_MAX_TABLES),
            cleartext: plugin.get(&SQL_CLEARTEXT_PASSWD),
            timeout: plugin.get(&PLUGIN_WRITE_TIMEOUT),
        }
    }

    /// The environment of triggers.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("SQL_DB", self.db.clone()),
            ("SQL_REFRESH_TIME", self.refresh.to_string()),
            ("SQL_MAX_WRITERS", "1".to_owned()),
            ("SQL_ACTIVE_WRITERS", "0".to_owned()),
        ];
        if self.dialect != Dialect::Sqlite {
            variables.push(("SQL_HOST", self.host.clone()));
            variables.push(("SQL_USER", self.user.clone()));
        }
        variables.extend(self.sampling.map(|rate| ("SAMPLING_RATE", rate.to_string())));
        variables.extend(self.table_text.clone().map(|table| ("SQL_TABLE", table)));
        variables.extend(self.backup.clone().map(|backup| ("SQL_RECOVERY_BACKUP_HOST", backup)));
        variables
    }
}

/// The latest version of the standard schemas.
const LATEST_VERSION: u32 = 9;

/// Checks tables and files, as far as possible without connecting to a server.
///
/// # Errors
/// The key, and what is wrong.
pub fn check(settings: &Settings) -> Result<(), StoreError> {
    if settings.version > LATEST_VERSION && settings.table.is_none() && settings.create.is_none() {
        let what = format!(
            "there is no version {}: the latest version is {LATEST_VERSION}. To use a table of your own, set sql_table",
            settings.version
        );
        return Err(StoreError::Configuration { key: "sql_table_version", what });
    }
    #[cfg(any(feature = "clickhouse", feature = "mysql", feature = "pgsql"))]
    if let (Some(path), true) = (&settings.ca_file, settings.dialect != Dialect::Sqlite) {
        delivery::tls::certificates("sql_conn_ca_file", path)?;
    }
    Ok(())
}

fn template(plugin: &Plugin, key: &str, text: &str, problems: &mut Diagnostics) -> Option<Template> {
    Template::parse(text)
        .map_err(|error| {
            let hint = Some("Allowed letters: d H m M s S w W Y z.".to_owned());
            problems.fatal(plugin.blame(&SQL_TABLE), format!("{key}[{}], {error}", plugin.name), hint);
        })
        .ok()
}

/// The statement of `sql_table_schema`.
fn create(plugin: &Plugin, problems: &mut Diagnostics) -> Option<Template> {
    let path = plugin.get(&SQL_TABLE_SCHEMA)?;
    match config::text::read_lossy(&path) {
        Ok(text) => template(plugin, "sql_table_schema", text.trim().trim_end_matches(';'), problems),
        Err(error) => {
            let what = format!("sql_table_schema[{}]: '{}': {error}", plugin.name, path.display());
            problems.fatal(plugin.blame(&SQL_TABLE_SCHEMA), what, None);
            None
        }
    }
}
