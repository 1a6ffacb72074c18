//! The memory plugin.

use std::path::PathBuf;

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

    /// Password that queries must carry.
    IMT_PASSWD: Option<String> = text(&["imt_passwd"]).both().daemons(FLOW).acts();

    /// Memory that the table may take.
    ///
    /// At the bound, known aggregates are still counted, and new ones are dropped, counted and logged. A letter K, M
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
