//! RPKI: which AS may originate which prefix.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// Route origin authorizations, as a JSON file.
    RPKI_ROAS_FILE: Option<PathBuf> = path(&["rpki_roas_file"]).daemons(FLOW.and(PMBGPD).and(PMBMPD)).usr2();

    /// RTR server that supplies them, as `address:port` or `[address]:port`.
    RPKI_RTR_CACHE: Option<String> = text(&["rpki_rtr_cache"]).daemons(FLOW.and(PMBGPD).and(PMBMPD));

    /// Version of the RTR protocol to start with.
    RPKI_RTR_CACHE_VERSION: u32 = integer(&["rpki_rtr_cache_version"], 0, 1).default("0")
        .daemons(FLOW.and(PMBGPD).and(PMBMPD));

    /// Receive buffer of the RTR session, in bytes.
    RPKI_RTR_CACHE_PIPE_SIZE: Option<u64> = bytes(&["rpki_rtr_cache_pipe_size"], 1)
        .daemons(FLOW.and(PMBGPD).and(PMBMPD));

    /// IP precedence of packets to the RTR server.
    RPKI_RTR_CACHE_IPPREC: u32 = integer(&["rpki_rtr_cache_ipprec"], 0, 7).default("0")
        .daemons(FLOW.and(PMBGPD).and(PMBMPD));
}
