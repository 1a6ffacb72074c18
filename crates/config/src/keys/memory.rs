//! The memory plugin.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;

/// Why the sizes of the table of old have nothing to size.
const GROWS: &str = "the table grows by itself, up to `imt_memory`";

keys! {
    /// Socket on which the plugin answers queries.
    ///
    /// Each memory plugin needs one of its own. Whoever can reach the socket may query and clear the table.
    IMT_PATH: PathBuf = path(&["imt_path"]).default("/tmp/collect.pipe").both().daemons(FLOW)
        .option('p', FLOW, "file").acts();

    /// Mode of that socket, in octal: who may write to it may query and clear the table.
    ///
    /// With the default everybody may who reaches its directory, as with pmacct.
    IMT_PATH_MODE: u32 = octal(&["imt_path_mode"], 0, 0o777).default("777").both().daemons(FLOW).acts();

    /// Group of that socket: a name or a number. The daemon must be a member of it, or run as root.
    IMT_PATH_GROUP: Option<String> = text(&["imt_path_group"]).both().daemons(FLOW).acts();

    /// Time that a query may take, from the connection to the end of the answer, seconds.
    ///
    /// An answer that its client takes more slowly is cut off, and the client says so.
    IMT_QUERY_TIMEOUT: Duration = seconds(&["imt_query_timeout"], 1).default("60").both().daemons(FLOW).acts();

    /// Lines of values that a query (`-N`, `-M`) may have. One with more is refused.
    IMT_QUERY_LINES: u32 = integer(&["imt_query_lines"], 1, i32::MAX as i128).default("100000").both().daemons(FLOW)
        .acts();

    /// Clients of the table at a time. Further ones are refused, unless they are root's or those of the daemon's user.
    IMT_CLIENTS_MAX: u32 = integer(&["imt_clients_max"], 1, 4096).default("128").both().daemons(FLOW).acts();

    /// Clients at a time of one user id, so that one user cannot shut others out. Further ones are refused.
    IMT_CLIENTS_USER_MAX: u32 = integer(&["imt_clients_user_max"], 1, 4096).default("64").both().daemons(FLOW).acts();

    /// Password that queries must carry.
    IMT_PASSWD: Option<String> = text(&["imt_passwd"]).both().daemons(FLOW).acts();

    /// Memory that the table may take, texts included.
    ///
    /// States of it that answers on their way are made from may take as much again. At the bound, known aggregates are still counted, and new ones are dropped, counted and logged. A letter K, M
    /// or G may follow the number of octets.
    IMT_MEMORY: u64 = bytes(&["imt_memory"], 65536).with_units().default("4G").both().daemons(FLOW).acts();

    /// Buckets of the table.
    IMT_BUCKETS: u32 = integer(&["imt_buckets"], 1, i32::MAX as i128).default("32771").both().daemons(FLOW)
        .option('b', FLOW, "count").needless(GROWS);

    /// Pools of memory that the table may take; when they were full, new aggregates got lost.
    IMT_MEM_POOLS_NUMBER: u32 = integer(&["imt_mem_pools_number"], 0, i32::MAX as i128).default("16").both()
        .daemons(FLOW).option('m', FLOW, "count").needless(GROWS);

    /// Size of such a pool, in octets.
    IMT_MEM_POOLS_SIZE: u64 = bytes(&["imt_mem_pools_size"], 1).default("8192").both().daemons(FLOW)
        .option('s', FLOW, "octets").needless(GROWS);
}
