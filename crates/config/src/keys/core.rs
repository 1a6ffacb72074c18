//! Keys of every daemon: how it runs, what it logs, which plugins it has, and its bounds.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// How far a trial run goes.
    pub enum DryRun {
        /// Stop after the configuration is checked.
        Config = "config",
        /// Also open sockets and files, then stop.
        Setup = "setup",
    }
}

words! {
    /// Facility under which syslog files the daemon's lines.
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
    /// Size preset of the ZeroMQ queue of old.
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

/// Why the keys of the queue between core and plugins have nothing to size.
const NO_QUEUE: &str = "records are aggregated where they are decoded, so there is no queue to size; \
    see `plugin_memory` and `plugin_tables_max`";

keys! {
    /// Writes log lines of level debug.
    ///
    /// The command line letter also shows, at once, which plugins and lines the parser has found.
    DEBUG: bool = boolean(&["debug"]).default("false").both().flag('d', ALL, "true").acts();

    /// Adds debug lines about the hand-over between core and plugins.
    DEBUG_INTERNAL_MSG: bool = boolean(&["debug_internal_msg"]).default("false").both();

    /// Ends after a trial: `config` once the configuration is checked, `setup` once sockets and files are open too.
    ///
    /// An unknown word is warned about and the daemon runs as usual.
    DRY_RUN: Option<DryRun> = words(&["dry_run"]).by_prefix().option('T', ALL, "config|setup").acts();

    /// Sends log lines to syslog, under this facility.
    ///
    /// Lines carry the process id in their tag. Standard error is silent then; a `logfile` is written too.
    SYSLOG: Option<Facility> = words(&["syslog"]).both().option('S', ALL, "facility").hup().acts();

    /// Tag of the daemon's lines in syslog; its program name when not set.
    SYSLOG_IDENT: Option<String> = text(&["syslog_ident"]).both().acts();

    /// File that log lines are appended to, each with a time stamp in front.
    ///
    /// Missing directories are made. SIGHUP opens it anew. What is found wrong with the configuration is
    /// printed on standard error all the same.
    LOGFILE: Option<PathBuf> = path(&["logfile"]).hup().acts();

    /// Puts the time stamp of the log file in front of lines on standard error, too.
    LOG_STDERR_TSTAMP: bool = boolean(&["log_stderr_tstamp"]).default("false").acts();

    /// File that holds the process id of the daemon while it runs.
    ///
    /// Missing directories are made; the file is removed at the end.
    PIDFILE: Option<PathBuf> = path(&["pidfile"]).option('F', ALL, "file").acts();

    /// Detaches from the terminal once the configuration is read.
    ///
    /// Standard streams are closed: without `syslog` or `logfile` no log line is seen any more.
    DAEMONIZE: bool = boolean(&["daemonize"]).default("false").flag('D', ALL, "true").acts();

    /// Name of the daemon in log lines, in its title and in what it writes about itself.
    CORE_PROC_NAME: String = text(&[
        "core_proc_name", "nfacctd_proc_name", "sfacctd_proc_name", "pmacctd_proc_name", "uacctd_proc_name",
    ]).default("default").first_wins().acts();

    /// Priority for the scheduler, as for `nice`: from -20, the highest, to 19.
    ///
    /// Not being allowed to set it is a warning.
    PROC_PRIORITY: i32 = integer(&["proc_priority"], -20, 19).default("0").both().acts();

    /// Hands signals that the core gets on to its plugins.
    PROPAGATE_SIGNALS: bool = boolean(&["propagate_signals"]).default("false")
        .needless("plugins are threads of the daemon, and each signal reaches all of them");

    /// Stack size of threads, in octets.
    THREAD_STACK: Option<u64> = bytes(&["thread_stack"], 1)
        .needless("no thread needs a deep stack: nothing recurses over what peers send");

    /// Lets the daemon start when it is not run by root.
    NFACCTD_NONROOT: bool = boolean(&["nfacctd_nonroot", "sfacctd_nonroot", "pmacctd_nonroot"])
        .default("false").daemons(COLLECTORS.and(PMACCTD)).flag('z', PMACCTD, "true")
        .needless("no daemon insists on root; what needs a right says so when it is missing");

    /// User that the daemon becomes once its sockets and files are open: a name or a number.
    RUN_AS_USER: Option<String> = text(&["run_as_user"]).acts();

    /// Group that the daemon joins once its sockets and files are open: a name or a number.
    ///
    /// The user's own group when only `run_as_user` is set.
    RUN_AS_GROUP: Option<String> = text(&["run_as_group"]).acts();

    /// Confines the daemon, once its sockets are open, to the files that it needs, by Landlock.
    ///
    /// It may write in the folders of the files that the configuration names for output, and read in those of the other files that the
    /// configuration names and in the system's own: /etc, /usr, /lib, /proc, /sys. Everything else is out of reach of the whole
    /// process for good, also of one that runs as root. A folder that is replaced by another one while the daemon runs is out
    /// of reach, too. Triggers would be confined as well, so with any of them configured nothing is confined. A kernel without
    /// Landlock (before 5.13) confines nothing. Both are logged.
    LANDLOCK: bool = boolean(&["landlock"]).default("false").daemons(FLOW).acts();

    /// Plugins to run, with commas between them: `TYPE` or `TYPE[NAME]`.
    ///
    /// Types are `memory`, `print`, `nfprobe`, `sfprobe`, `tee`, `mysql`, `pgsql`, `sqlite3`, `clickhouse`, `amqp` and
    /// `kafka`. A plugin without a name is called `default_TYPE`. Names are unique, whatever the type; of two plugins with one
    /// name the first stays. At most 32. Only the first such line counts. The flow daemons run a
    /// memory plugin when none is left.
    PLUGINS: Option<Vec<String>> = list(&["plugins"]).daemons(FLOW).option('P', FLOW, "plugin, …").first_wins()
        .acts();

    /// Ends the daemon as soon as one plugin has ended, instead of when all have.
    PLUGIN_EXIT_ANY: bool = boolean(&["plugin_exit_any"]).default("false").daemons(FLOW)
        .needless("a plugin that fails always ends the daemon, after the others have written what they hold");

    /// Octets that the tables of a plugin may take in each worker before they are flushed early.
    ///
    /// A letter K, M or G may follow.
    PLUGIN_MEMORY: u64 = bytes(&["plugin_memory"], 65536).with_units().default("256M").both().daemons(FLOW).acts();

    /// Tables that may wait for a plugin that is slower than its refresh time.
    ///
    /// Beyond that, workers go on filling the tables that they have.
    PLUGIN_TABLES_MAX: usize = integer(&["plugin_tables_max"], 1, 1024).default("2").both().daemons(FLOW).acts();

    /// Octets that may wait in memory for a database or a broker that is slow or down, or for the files of the print plugin.
    ///
    /// What waits is what is to be written, in batches of about a megabyte; the print plugin has rows. At the bound the oldest are given
    /// up, counted and logged. A letter K, M or G may follow.
    PLUGIN_QUEUE_MEMORY: u64 = bytes(&["plugin_queue_memory"], 65536).with_units().default("256M").both()
        .daemons(FLOW).acts();

    /// Folder in which what is to be written to a database or a broker waits, instead of in memory.
    ///
    /// It then survives the end of the daemon and of the machine, and is delivered at the next start. Each plugin has a
    /// folder of its own in it, named after the plugin and its type.
    PLUGIN_SPOOL_DIR: Option<PathBuf> = path(&["plugin_spool_dir"]).both().daemons(FLOW).acts();

    /// Octets that may wait in a plugin's folder of `plugin_spool_dir`.
    ///
    /// At the bound the oldest are given up. A letter K, M or G may follow.
    PLUGIN_SPOOL_SIZE: u64 = bytes(&["plugin_spool_size"], 65536).with_units().default("4G").both().daemons(FLOW)
        .acts();

    /// Seconds that a database or a broker may take to connect, and to answer.
    PLUGIN_WRITE_TIMEOUT: Duration = seconds(&["plugin_write_timeout"], 1).default("30").both().daemons(FLOW)
        .acts();

    /// Seconds that the end of the daemon may wait for a database or a broker.
    ///
    /// What is not written by then is given up, counted and logged. With `plugin_spool_dir` it stays on disk for the next
    /// start, and the end waits no longer than two seconds for a store that takes nothing. A capture file
    /// (`pcap_savefile`) waits as long as the store takes one batch after the other within that time.
    PLUGIN_EXIT_TIMEOUT: Duration = seconds(&["plugin_exit_timeout"], 1).default("10").both().daemons(FLOW)
        .acts();

    /// Seconds that a trigger (`print_trigger_exec`, `sql_trigger_exec` and their kin) may run.
    ///
    /// Then it and all that it started get SIGTERM, and SIGKILL five seconds later.
    PLUGIN_TRIGGER_TIMEOUT: Duration = seconds(&["plugin_trigger_timeout"], 1).default("3600").both().daemons(FLOW)
        .acts();

    /// Size of the queue between core and plugin, in octets.
    PLUGIN_PIPE_SIZE: u64 = bytes(&["plugin_pipe_size"], 1).default("4096000").both().daemons(FLOW)
        .needless(NO_QUEUE);

    /// Size of a batch of records between core and plugin, in octets.
    PLUGIN_BUFFER_SIZE: Option<u64> = bytes(&["plugin_buffer_size"], 1).both().daemons(FLOW).needless(NO_QUEUE);

    /// Hands records to plugins over ZeroMQ.
    PLUGIN_PIPE_ZMQ: bool = boolean(&["plugin_pipe_zmq"]).default("false").both().daemons(FLOW).needless(NO_QUEUE);

    /// Pause before a plugin connects again to its ZeroMQ queue.
    PLUGIN_PIPE_ZMQ_RETRY: Duration = seconds(&["plugin_pipe_zmq_retry"], 1).default("60").both().daemons(FLOW)
        .needless(NO_QUEUE);

    /// Batch size of the ZeroMQ queue, as a word.
    PLUGIN_PIPE_ZMQ_PROFILE: QueueProfile = words(&["plugin_pipe_zmq_profile"]).default("micro").both()
        .daemons(FLOW).needless(NO_QUEUE);

    /// Most messages in the ZeroMQ queue.
    PLUGIN_PIPE_ZMQ_HWM: u32 = integer(&["plugin_pipe_zmq_hwm"], 0, i32::MAX as i128).default("0").both()
        .daemons(FLOW).needless(NO_QUEUE);

    /// Takes octets from element 231 and packets from element 232, as firewalls of one vendor export them.
    TMP_ASA_BI_FLOW: bool = boolean(&["tmp_asa_bi_flow"]).default("false").both().daemons(NFACCTD);
}
