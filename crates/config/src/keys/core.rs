//! Keys of every daemon: process, log, plugins and limits.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Extent of a dry run.
    pub enum DryRun {
        /// Stop after the configuration is checked.
        Config = "config",
        /// Also open sockets and files, then stop.
        Setup = "setup",
    }
}

words! {
    /// Syslog facility of the daemon's log lines.
    pub enum Facility {
        /// Security messages.
        Auth = "auth",
        /// Mail.
        Mail = "mail",
        /// System daemons.
        Daemon = "daemon",
        /// The kernel.
        Kern = "kern",
        /// User processes.
        User = "user",
        /// For local use.
        Local0 = "local0",
        /// For local use.
        Local1 = "local1",
        /// For local use.
        Local2 = "local2",
        /// For local use.
        Local3 = "local3",
        /// For local use.
        Local4 = "local4",
        /// For local use.
        Local5 = "local5",
        /// For local use.
        Local6 = "local6",
        /// For local use.
        Local7 = "local7",
    }
}

words! {
    /// Size preset of the former ZeroMQ queue.
    pub enum QueueProfile {
        /// One record at a time.
        Micro = "micro",
        /// About 10 kB.
        Small = "small",
        /// About 100 kB.
        Medium = "medium",
        /// About 1 MB.
        Large = "large",
        /// About 10 MB.
        XLarge = "xlarge",
    }
}

/// Why the keys of the queue between core and plugins have no effect.
const NO_QUEUE: &str = "workers aggregate the records that they decode, so there is no queue; \
    see `plugin_memory` and `plugin_tables_max`";

keys! {
    /// Writes log lines of level debug.
    ///
    /// The command line option also shows, during startup, which plugins and lines the parser has found.
    DEBUG: bool = boolean(&["debug"]).default("false").both().flag('d', ALL, "true").acts();

    /// Adds debug lines about the exchange of tables between workers and plugins.
    DEBUG_INTERNAL_MSG: bool = boolean(&["debug_internal_msg"]).default("false").both()
        .no_op("there are no buffers between core and plugins to log about");

    /// Exits after a dry run: `config` after the configuration is checked, `setup` after sockets and files are opened as well.
    ///
    /// An unknown word causes a warning, and the daemon runs as usual.
    DRY_RUN: Option<DryRun> = words(&["dry_run"]).by_prefix().option('T', ALL, "config|setup").acts();

    /// Sends log lines to syslog, under this facility.
    ///
    /// The tag of the lines contains the process ID. Nothing is written to standard error then; a `logfile` is still written.
    SYSLOG: Option<Facility> = words(&["syslog"]).both().option('S', ALL, "facility").hup().acts();

    /// Tag of the daemon's lines in syslog; the program name by default.
    SYSLOG_IDENT: Option<String> = text(&["syslog_ident"]).both().acts();

    /// File to which log lines are appended, each with a timestamp.
    ///
    /// Missing directories are created. SIGHUP reopens the file. Problems in the configuration are always printed to standard error.
    LOGFILE: Option<PathBuf> = path(&["logfile"]).hup().acts();

    /// Also writes the timestamp in front of lines on standard error.
    LOG_STDERR_TSTAMP: bool = boolean(&["log_stderr_tstamp"]).default("false").acts();

    /// File that contains the process ID while the daemon runs.
    ///
    /// Missing directories are created; the file is removed at the end.
    PIDFILE: Option<PathBuf> = path(&["pidfile"]).option('F', ALL, "file").acts();

    /// Runs the daemon in the background.
    ///
    /// Standard streams are closed: without `syslog` or `logfile` all log lines are lost.
    DAEMONIZE: bool = boolean(&["daemonize"]).default("false").flag('D', ALL, "true").acts();

    /// Name of the daemon in log lines and in the process title.
    CORE_PROC_NAME: String = text(&[
        "core_proc_name", "nfacctd_proc_name", "sfacctd_proc_name", "pmacctd_proc_name", "uacctd_proc_name",
    ]).default("default").first_wins().acts();

    /// Scheduling priority, as for `nice`: from -20, the highest, to 19.
    ///
    /// Without the permission to set it, a warning is logged.
    PROC_PRIORITY: i32 = integer(&["proc_priority"], -20, 19).default("0").both().acts();

    /// Forwards signals from the core to its plugins.
    PROPAGATE_SIGNALS: bool = boolean(&["propagate_signals"]).default("false")
        .no_op("plugins are threads of the daemon, and each signal reaches all of them");

    /// Stack size of threads, in bytes.
    THREAD_STACK: Option<u64> = bytes(&["thread_stack"], 1)
        .no_op("no thread needs a large stack");

    /// Allows the daemon to start without root privileges.
    NFACCTD_NONROOT: bool = boolean(&["nfacctd_nonroot", "sfacctd_nonroot", "pmacctd_nonroot"])
        .default("false").daemons(COLLECTORS.and(PMACCTD)).flag('z', PMACCTD, "true")
        .no_op("no daemon requires root; an error is logged if a privilege is missing");

    /// User to which the daemon switches after its sockets and files are open: a name or a number.
    RUN_AS_USER: Option<String> = text(&["run_as_user"]).acts();

    /// Group to which the daemon switches after its sockets and files are open: a name or a number.
    ///
    /// By default the primary group of `run_as_user`.
    RUN_AS_GROUP: Option<String> = text(&["run_as_group"]).acts();

    /// Restricts the daemon to the files that it needs with Landlock, after its sockets are open.
    ///
    /// It may write in the directories of the output files that the configuration names. It may read in the directories of the other
    /// files that the configuration names, and in /etc, /usr, /lib, /proc and /sys. Everything else is inaccessible for the whole
    /// process until it ends, also as root. A directory that is replaced while the daemon runs becomes inaccessible too. Triggers
    /// would be restricted as well, so Landlock is not used if any is configured. A kernel without Landlock (before 5.13) restricts
    /// nothing. Both cases are logged.
    LANDLOCK: bool = boolean(&["landlock"]).default("false").acts();

    /// Plugins to run, separated by commas: `TYPE` or `TYPE[NAME]`.
    ///
    /// Types are `memory`, `print`, `nfprobe`, `sfprobe`, `tee`, `mysql`, `pgsql`, `sqlite3`, `clickhouse`, `amqp` and
    /// `kafka`. A plugin without a name is called `default_TYPE`. Names are unique across types; of two plugins with the same
    /// name the second is ignored. There may be 32 plugins. Only the first such line is used. Without plugins the flow daemons
    /// run a memory plugin.
    PLUGINS: Option<Vec<String>> = list(&["plugins"]).daemons(FLOW).option('P', FLOW, "plugin, …").first_wins()
        .acts();

    /// Ends the daemon as soon as one plugin has ended, instead of after the last one.
    PLUGIN_EXIT_ANY: bool = boolean(&["plugin_exit_any"]).default("false").daemons(FLOW)
        .no_op("a plugin that fails always ends the daemon, after the other plugins have written their data");

    /// Bytes that the table of a plugin may take in each worker before it is flushed early.
    ///
    /// May end with K, M or G.
    PLUGIN_MEMORY: u64 = bytes(&["plugin_memory"], 65536).with_units().default("256M").both().daemons(FLOW).acts();

    /// Number of tables that may queue for a plugin that is slower than its refresh time.
    ///
    /// Beyond that, workers continue to fill their current tables.
    PLUGIN_TABLES_MAX: usize = integer(&["plugin_tables_max"], 1, 1024).default("2").both().daemons(FLOW).acts();

    /// Bytes that may wait in memory for a slow or unavailable database or broker, or for the files of the print plugin.
    ///
    /// Data waits in write batches of about one megabyte; in the print plugin, rows wait. At the limit the oldest are dropped,
    /// counted and logged. May end with K, M or G.
    PLUGIN_QUEUE_MEMORY: u64 = bytes(&["plugin_queue_memory"], 65536).with_units().default("256M").both()
        .acts();

    /// Directory in which data for a database or broker waits, instead of in memory.
    ///
    /// The data survives a restart of the daemon or the machine, and is delivered at the next start. Each plugin has a
    /// subdirectory, named after the plugin and its type.
    PLUGIN_SPOOL_DIR: Option<PathBuf> = path(&["plugin_spool_dir"]).both().daemons(FLOW).acts();

    /// Bytes that may wait in a plugin's subdirectory of `plugin_spool_dir`.
    ///
    /// At the limit the oldest write batches are dropped. May end with K, M or G.
    PLUGIN_SPOOL_SIZE: u64 = bytes(&["plugin_spool_size"], 65536).with_units().default("4G").both().daemons(FLOW)
        .acts();

    /// Seconds that a database or broker may take for a connection, and for an answer.
    PLUGIN_WRITE_TIMEOUT: Duration = seconds(&["plugin_write_timeout"], 1).default("30").both()
        .acts();

    /// Seconds that the end of the daemon may wait for a database or broker.
    ///
    /// Data that is not written by then is dropped, counted and logged. With `plugin_spool_dir` it stays on disk for the next
    /// start, and the end waits at most two seconds for a store that makes no progress. After a capture file
    /// (`pcap_savefile`) the daemon waits as long as the store confirms one write batch after the other within that time.
    PLUGIN_EXIT_TIMEOUT: Duration = seconds(&["plugin_exit_timeout"], 1).default("10").both()
        .acts();

    /// Seconds that a trigger (`print_trigger_exec`, `sql_trigger_exec` and similar keys) may run.
    ///
    /// After that its process group receives SIGTERM, and SIGKILL five seconds later.
    PLUGIN_TRIGGER_TIMEOUT: Duration = seconds(&["plugin_trigger_timeout"], 1).default("3600").both().daemons(FLOW)
        .acts();

    /// Size of the queue between core and plugin, in bytes.
    PLUGIN_PIPE_SIZE: u64 = bytes(&["plugin_pipe_size"], 1).default("4096000").both().daemons(FLOW)
        .no_op(NO_QUEUE);

    /// Size of a batch of records between core and plugin, in bytes.
    PLUGIN_BUFFER_SIZE: Option<u64> = bytes(&["plugin_buffer_size"], 1).both().daemons(FLOW).no_op(NO_QUEUE);

    /// Passes records to plugins over ZeroMQ.
    PLUGIN_PIPE_ZMQ: bool = boolean(&["plugin_pipe_zmq"]).default("false").both().daemons(FLOW).no_op(NO_QUEUE);

    /// Pause before a plugin reconnects to its ZeroMQ queue.
    PLUGIN_PIPE_ZMQ_RETRY: Duration = seconds(&["plugin_pipe_zmq_retry"], 1).default("60").both().daemons(FLOW)
        .no_op(NO_QUEUE);

    /// Batch size of the ZeroMQ queue, as a word.
    PLUGIN_PIPE_ZMQ_PROFILE: QueueProfile = words(&["plugin_pipe_zmq_profile"]).default("micro").both()
        .daemons(FLOW).no_op(NO_QUEUE);

    /// Maximum number of messages in the ZeroMQ queue.
    PLUGIN_PIPE_ZMQ_HWM: u32 = integer(&["plugin_pipe_zmq_hwm"], 0, i32::MAX as i128).default("0").both()
        .daemons(FLOW).no_op(NO_QUEUE);

    /// Reads bytes from element 231 and packets from element 232, as the firewalls of one vendor export them.
    TMP_ASA_BI_FLOW: bool = boolean(&["tmp_asa_bi_flow"]).default("false").both().daemons(NFACCTD)
        .no_op("the counters of initiator and responder are always read, and both directions are accounted");
}
