//! Sampling by exporters, and by the daemons.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// Multiplies packets and bytes by the sampling interval if it is known; `sampling_rate` then shows 1.
    NFACCTD_RENORMALIZE: bool = boolean(&[
        "nfacctd_renormalize", "sfacctd_renormalize", "pmacctd_renormalize", "uacctd_renormalize",
    ]).default("false").daemons(FLOW).flag('R', FLOW, "true").acts();

    /// Interval at which the input was already sampled. It replaces the interval in the data; a rule of `sampling_map` replaces
    /// both.
    NFACCTD_EXT_SAMPLING_RATE: Option<u32> = integer(&[
        "nfacctd_ext_sampling_rate", "sfacctd_ext_sampling_rate", "pmacctd_ext_sampling_rate",
        "uacctd_ext_sampling_rate",
    ], 1, u32::MAX as i128).daemons(FLOW).acts();

    /// Counts one in N packets, selected at random, where N is this number.
    SAMPLING_RATE: Option<u32> = integer(&["sampling_rate"], 1, u32::MAX as i128).both().daemons(PACKETS)
        .acts();

    /// Sampling intervals by exporter and interface.
    SAMPLING_MAP: Option<PathBuf> = path(&["sampling_map"]).daemons(COLLECTORS).usr2().acts();
}
