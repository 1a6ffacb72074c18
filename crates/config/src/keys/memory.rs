//! The memory plugin.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;

/// Why the sizes of the former table have no effect.
const GROWS: &str = "the table grows as needed, up to `imt_memory`";

keys! {
    /// Socket on which the plugin answers queries.
    ///
    /// Each memory plugin needs its own socket. Every user who can connect to it may query and clear the table.
    IMT_PATH: PathBuf = path(&["imt_path"]).default("/tmp/collect.pipe").both().daemons(FLOW)
        .option('p', FLOW, "file").acts();

    /// Mode of that socket, in octal: a user who may write to it may query and clear the table.
    ///
    /// By default these are all users who can reach its directory, as in pmacct.
    IMT_PATH_MODE: u32 = octal(&["imt_path_mode"], 0, 0o777).default("777").both().daemons(FLOW).acts();

    /// Group of that socket: a name or a number. The daemon must be a member of it, or run as root.
    IMT_PATH_GROUP: Option<String> = text(&["imt_path_group"]).both().daemons(FLOW).acts();

    /// Seconds that a query may take, from the connection to the end of the answer.
    ///
    /// An answer that the client reads more slowly is cut off, and the client reports that.
    IMT_QUERY_TIMEOUT: Duration = seconds(&["imt_query_timeout"], 1).default("60").both().daemons(FLOW).acts();

    /// Number of lines of values that a query (`-N`, `-M`) may have. A query with more is rejected.
    IMT_QUERY_LINES: u32 = integer(&["imt_query_lines"], 1, i32::MAX as i128).default("100000").both().daemons(FLOW)
        .acts();

    /// Number of concurrent clients of the table. Further clients are rejected, unless they belong to root or to the daemon's user.
    IMT_CLIENTS_MAX: u32 = integer(&["imt_clients_max"], 1, 4096).default("128").both().daemons(FLOW).acts();

    /// Number of concurrent clients of one user ID, so that one user cannot lock out others. Further clients are rejected.
    IMT_CLIENTS_USER_MAX: u32 = integer(&["imt_clients_user_max"], 1, 4096).default("64").both().daemons(FLOW).acts();

    /// Password that queries must contain.
    IMT_PASSWD: Option<String> = text(&["imt_passwd"]).both().daemons(FLOW).acts();

    /// Bytes that the table may take, including texts.
    ///
    /// Versions of the table that are still read by answers may take as much again. At the limit, existing aggregates are still
    /// updated, and new ones are dropped, counted and logged. May end with K, M or G.
    IMT_MEMORY: u64 = bytes(&["imt_memory"], 65536).with_units().default("4G").both().daemons(FLOW).acts();

    /// Buckets of the table.
    IMT_BUCKETS: u32 = integer(&["imt_buckets"], 1, i32::MAX as i128).default("32771").both().daemons(FLOW)
        .option('b', FLOW, "count").no_op(GROWS);

    /// Number of memory pools of the table; when they were full, new aggregates were lost.
    IMT_MEM_POOLS_NUMBER: u32 = integer(&["imt_mem_pools_number"], 0, i32::MAX as i128).default("16").both()
        .daemons(FLOW).option('m', FLOW, "count").no_op(GROWS);

    /// Size of such a pool, in bytes.
    IMT_MEM_POOLS_SIZE: u64 = bytes(&["imt_mem_pools_size"], 1).default("8192").both().daemons(FLOW)
        .option('s', FLOW, "octets").no_op(GROWS);
}
