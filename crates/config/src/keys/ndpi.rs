//! Classification of packets by nDPI.

use crate::daemons::*;
use crate::key::*;

keys! {
    /// Buckets of the classifier's table of flows.
    CLASSIFIER_NUM_ROOTS: u32 = integer(&["classifier_num_roots"], 0, u32::MAX as i128).default("512")
        .daemons(FLOW).no_op("the table of conversations grows as needed");

    /// Maximum number of conversations that each worker tracks. Beyond it, one that was silent for long is removed.
    CLASSIFIER_MAX_FLOWS: u32 = integer(&["classifier_max_flows"], 0, u32::MAX as i128).default("1000000")
        .daemons(FLOW).acts();

    /// Guesses the application by ports if the packets do not identify it.
    CLASSIFIER_PROTO_GUESS: bool = boolean(&["classifier_proto_guess"]).default("false").daemons(FLOW).acts();

    /// Milliseconds between two scans for idle flows.
    CLASSIFIER_IDLE_SCAN_PERIOD: u32 = integer(&["classifier_idle_scan_period"], 0, u32::MAX as i128)
        .default("10000").daemons(FLOW).acts();

    /// Milliseconds after which a flow is idle.
    CLASSIFIER_IDLE_MAX_TIME: u32 = integer(&["classifier_idle_max_time"], 0, u32::MAX as i128).default("300000")
        .daemons(FLOW).acts();

    /// Number of idle flows that one scan may remove.
    CLASSIFIER_IDLE_SCAN_BUDGET: u32 = integer(&["classifier_idle_scan_budget"], 0, u32::MAX as i128)
        .default("1024").daemons(FLOW).acts();

    /// Number of packets of a TCP flow that are inspected before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_TCP: u32 = integer(&["classifier_giveup_proto_tcp"], 1, u32::MAX as i128).default("10")
        .daemons(FLOW).acts();

    /// Number of packets of a UDP flow that are inspected before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_UDP: u32 = integer(&["classifier_giveup_proto_udp"], 1, u32::MAX as i128).default("8")
        .daemons(FLOW).acts();

    /// Number of packets of any other flow that are inspected before it stays unknown.
    CLASSIFIER_GIVEUP_PROTO_OTHER: u32 = integer(&["classifier_giveup_proto_other"], 1, u32::MAX as i128)
        .default("8").daemons(FLOW).acts();
}
