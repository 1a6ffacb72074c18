//! SQL plugins.

use crate::daemons::*;
use crate::key::*;
use crate::value::Span;
use crate::value::words;
use std::path::PathBuf;
use std::time::Duration;

words! {
    /// Family of table layouts.
    pub enum TableType {
        /// AS numbers share their columns with addresses.
        Original = "original",
        /// AS numbers have columns of their own.
        Bgp = "bgp",
    }
}

words! {
    /// Types of the columns of a PostgreSQL table.
    pub enum SqlData {
        /// The type of each value.
        Typed = "typed",
        /// Text.
        Unified = "unified",
    }
}

words! {
    /// How the conditions of preprocessing are combined.
    pub enum PreprocessType {
        /// One condition is enough.
        Any = "any",
        /// All must be met.
        All = "all",
    }
}

words! {
    /// Lock that is held while writing.
    pub enum LockingStyle {
        /// The whole table.
        Table = "table",
        /// Rows.
        Row = "row",
        /// Nothing.
        None = "none",
    }
}

keys! {
    /// Name of the database; for sqlite3, of the file.
    SQL_DB: String = text(&["sql_db"]).default("pmacct").both().daemons(FLOW).acts();

    /// Table to write to; its name may contain variables of time and of the record.
    SQL_TABLE: Option<String> = pattern(&["sql_table"], TIME_LETTERS, 1024).both().daemons(FLOW).or_exit().acts();

    /// File with the statement that creates the table; it is executed before the first write.
    SQL_TABLE_SCHEMA: Option<PathBuf> = path(&["sql_table_schema"]).both().daemons(FLOW).acts();

    /// Version of the table layout.
    SQL_TABLE_VERSION: u32 = integer(&["sql_table_version"], 1, 99).default("1").both().daemons(FLOW).or_exit()
        .acts();

    /// Family of table layouts: whether AS numbers have their own columns.
    SQL_TABLE_TYPE: TableType = words(&["sql_table_type"]).default("original").both().daemons(FLOW).acts();

    /// Certificate authority of the server, for TLS.
    SQL_CONN_CA_FILE: Option<PathBuf> = path(&["sql_conn_ca_file"]).both().daemons(FLOW).acts();

    /// Server, or the path of its socket.
    SQL_HOST: String = text(&["sql_host"]).default("localhost").both().daemons(FLOW).acts();

    /// Port of the server.
    SQL_PORT: Option<u16> = port(&["sql_port"]).both().daemons(FLOW).acts();

    /// PostgreSQL: whether columns have the type of their value or are text.
    SQL_DATA: SqlData = words(&["sql_data"]).default("typed").both().daemons(FLOW).acts();

    /// User name for the database.
    SQL_USER: String = text(&["sql_user"]).default("pmacct").both().daemons(FLOW).acts();

    /// Password of that user.
    SQL_PASSWD: String = text(&["sql_passwd"]).default("arealsmartpwd").both().daemons(FLOW).acts();

    /// PostgreSQL and MySQL: sends the password in clear text to a server that asks for it.
    ///
    /// By default such a request is rejected, because an attacker in the network path could make it. PostgreSQL sends it for the methods
    /// `password`, `ldap`, `pam` and `radius`, MySQL for `mysql_clear_password`. Over TLS (`sql_conn_ca_file`) and local sockets
    /// the password is always sent to PostgreSQL.
    SQL_CLEARTEXT_PASSWD: bool = boolean(&["sql_cleartext_passwd"]).default("false").both().daemons(FLOW).acts();

    /// Seconds between two writes.
    SQL_REFRESH_TIME: Duration = seconds(&["sql_refresh_time"], 1).default("60").both().daemons(FLOW).acts();

    /// Seconds by which the first write, and therefore all later ones, is delayed.
    SQL_STARTUP_DELAY: Duration = seconds(&["sql_startup_delay"], 0).default("0").both().daemons(FLOW).acts();

    /// Writes only the columns of aggregated primitives, so that tables may have any layout.
    SQL_OPTIMIZE_CLAUSES: bool = boolean(&["sql_optimize_clauses"]).default("false").both().daemons(FLOW).acts();

    /// Length of time bins.
    SQL_HISTORY: Option<Span> = span(&["sql_history"]).both().daemons(FLOW).acts();

    /// Seconds by which the start of time bins is moved back.
    SQL_HISTORY_OFFSET: Duration = seconds(&["sql_history_offset"], 0).default("0").both().daemons(FLOW).acts();

    /// Letters (m, h, d, w, M) that align time bins.
    SQL_HISTORY_ROUNDOFF: Option<String> = text(&["sql_history_roundoff"]).both().daemons(FLOW).acts();

    /// Server that receives the data if the first one fails; a file, for sqlite3.
    SQL_BACKUP_HOST: Option<String> = text(&["sql_backup_host", "sql_recovery_backup_host"]).both().daemons(FLOW)
        .legacy().acts();

    /// Character between the values of COPY.
    SQL_DELIMITER: char = character(&["sql_delimiter"]).default(",").both().daemons(FLOW).acts();

    /// Maximum number of tables that a flush writes to if their names depend on time bins or records.
    ///
    /// Beyond it, aggregates of further time bins go to the table for the time of the flush (`aggregates_redirected`); beyond twice as
    /// many, aggregates for further tables are dropped (`aggregates_dropped[too_many_names]`).
    SQL_MAX_TABLES: usize = integer(&["sql_max_tables"], 1, 10_000_000).default("1000").both().daemons(FLOW).acts();

    /// Limited the number of processes that write at the same time.
    SQL_MAX_WRITERS: u32 = integer(&["sql_max_writers"], 1, 99).default("10").both().daemons(FLOW)
        .no_op("each plugin has a single writer");

    /// Program that runs after each write.
    SQL_TRIGGER_EXEC: Option<String> = text(&["sql_trigger_exec"]).both().daemons(FLOW).acts();

    /// Does not wait for that program.
    SQL_TRIGGER_EXEC_ASYNC: bool = boolean(&["sql_trigger_exec_async"]).default("false").both().daemons(FLOW).acts();

    /// Time between two runs of that program.
    SQL_TRIGGER_TIME: Option<Span> = span(&["sql_trigger_time"]).both().daemons(FLOW).acts();

    /// Size of the table of aggregates: at ten times as many aggregates it is written early.
    SQL_CACHE_ENTRIES: u32 = integer(&["sql_cache_entries"], 1, u32::MAX as i128).default("32771").both()
        .daemons(FLOW).acts();

    /// Inserts without trying an update first.
    SQL_DONT_TRY_UPDATE: bool = boolean(&["sql_dont_try_update"]).default("false").both().daemons(FLOW).acts();

    /// Conditions, as `name=number`, that aggregates must meet to be written.
    SQL_PREPROCESS: Option<Vec<String>> = list(&["sql_preprocess"]).both().daemons(FLOW).acts();

    /// Whether one condition is sufficient or all must be met.
    SQL_PREPROCESS_TYPE: PreprocessType = words(&["sql_preprocess_type"]).default("any").both().daemons(FLOW).acts();

    /// Maximum size of a statement that inserts several rows, in bytes; with 0 each row has its own statement.
    SQL_MULTI_VALUES: u64 = bytes(&["sql_multi_values"], 0).default("0").both().daemons(FLOW).acts();

    /// Lock that is held while writing.
    SQL_LOCKING_STYLE: LockingStyle = words(&["sql_locking_style"]).default("table").both().daemons(FLOW).acts();

    /// PostgreSQL: writes by COPY instead of INSERT.
    SQL_USE_COPY: bool = boolean(&["sql_use_copy"]).default("false").both().daemons(FLOW).acts();

    /// Writes protocols as numbers.
    SQL_NUM_PROTOS: bool = boolean(&["sql_num_protos"]).default("false").both().daemons(FLOW).acts();

    /// Writes addresses as numbers.
    SQL_NUM_HOSTS: bool = boolean(&["sql_num_hosts"]).default("false").both().daemons(FLOW).acts();
}
