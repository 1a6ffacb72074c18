//! Classification of packets by nDPI.

use crate::daemons::*;
use crate::key::*;

keys! {
    /// Buckets of the classifier's table of flows.
    CLASSIFIER_NUM_ROOTS: u32 = integer(&["classifier_num_roots"], 0, u32::MAX as i128).default("512")
        .daemons(FLOW).needless("the table of conversations grows by itself");

    /// Most conversations whose application is kept, by each worker. Beyond them, one that was long silent is forgotten.
    CLASSIFIER_MAX_FLOWS: u32 = integer(&["classifier_max_flows"], 0, u32::MAX as i128).default("1000000")
        .daemons(FLOW).acts();

    /// Guesses the application by ports when its packets do not tell.
    CLASSIFIER_PROTO_GUESS: bool = boolean(&["classifier_proto_guess"]).default("false").daemons(FLOW).acts();

    /// Milliseconds between two searches for idle flows.
    CLASSIFIER_IDLE_SCAN_PERIOD: u32 = integer(&["classifier_idle_scan_period"], 0, u32::MAX as i128)
        .default("10000").daemons(FLOW).acts();

    /// Milliseconds after which a flow is idle.
    CLASSIFIER_IDLE_MAX_TIME: u32 = integer(&["classifier_idle_max_time"], 0, u32::MAX as i128).default("300000")
        .daemons(FLOW).acts();

    /// Idle flows that one search may forget.
    CLASSIFIER_IDLE_SCAN_BUDGET: u32 = integer(&["classifier_idle_scan_budget"], 0, u32::MAX as i128)
        .default("1024").daemons(FLOW).acts();

    /// Packets of a TCP flow that are looked at before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_TCP: u32 = integer(&["classifier_giveup_proto_tcp"], 1, u32::MAX as i128).default("10")
        .daemons(FLOW).acts();

    /// Packets of a UDP flow that are looked at before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_UDP: u32 = integer(&["classifier_giveup_proto_udp"], 1, u32::MAX as i128).default("8")
        .daemons(FLOW).acts();

    /// Packets of another flow that are looked at before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_OTHER: u32 = integer(&["classifier_giveup_proto_other"], 1, u32::MAX as i128)
        .default("8").daemons(FLOW).acts();
}
