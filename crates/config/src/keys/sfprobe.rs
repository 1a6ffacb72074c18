//! The sfprobe plugin: exports sFlow.

use crate::daemons::*;
use crate::key::*;
use std::net::IpAddr;

keys! {
    /// Collector, as `host:port` or `[address]:port`.
    SFPROBE_RECEIVER: String = text(&["sfprobe_receiver"]).default("127.0.0.1:6343").both().daemons(PACKETS).acts();

    /// Agent address in the datagrams.
    SFPROBE_AGENTIP: IpAddr = address(&["sfprobe_agentip"]).default("127.0.0.1").both().daemons(PACKETS).acts();

    /// Sub-agent ID in the datagrams.
    SFPROBE_AGENTSUBID: u32 = integer(&["sfprobe_agentsubid"], 0, u32::MAX as i128).default("1402").both()
        .daemons(PACKETS).acts();

    /// Speed of the interface in counter samples, in bits per second.
    SFPROBE_IFSPEED: u64 = integer(&["sfprobe_ifspeed"], 0, u64::MAX as i128).default("100000000").both()
        .daemons(PACKETS).acts();
}
