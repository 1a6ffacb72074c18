//! What listeners for sessions of routers share: BGP, BMP, telemetry and IPFIX.
//!
//! | module | what it is |
//! |---|---|
//! | [`accept`] | the loop that accepts connections |
//! | [`admission`] | which connections become sessions |
//! | [`memory`] | a bound on the memory of events that wait for a dump |
//! | [`settings`] | reading of settings and files |
//! | [`tls`] | servers of TLS |

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod memory;
pub(crate) mod settings;
pub(crate) mod tls;

/// Says how many segments of a capture file were ignored, if any. `segments`: those of connections beyond the number that is possible.
pub(crate) fn report_ignored(segments: u64) {
    if segments > 0 {
        tracing::warn!(
            "pcap_savefile: {segments} TCP segments were ignored: the file has too many connections at a time"
        );
    }
}
