//! Sources of datagrams and packets: opened before anything else starts, so that what arrives meanwhile is queued in the kernel.

#[cfg(any(feature = "kafka", feature = "zmq"))]
#[cfg_attr(
    not(all(feature = "http", feature = "kafka", feature = "zmq")),
    allow(dead_code, reason = "each broker has some of the figures, and the metrics endpoint reads them")
)]
mod broker;
#[cfg(feature = "pcap")]
pub(crate) mod datagram_file;
pub(crate) mod delivery;
#[cfg(any(feature = "kafka", feature = "zmq"))]
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only Kafka has positions"))]
pub(crate) mod feed;
#[cfg(feature = "pcap")]
pub(crate) mod file_streams;
#[cfg(feature = "pcap")]
mod files;
pub(crate) mod interfaces;
pub(crate) mod ipfix;
pub(crate) mod kafka;
pub(crate) mod nflog;
#[cfg(feature = "pcap")]
pub(crate) mod packet_file;
#[cfg(feature = "kafka")]
mod positions;
pub(crate) mod udp;
pub(crate) mod zmq;

#[cfg(not(feature = "pcap"))]
mod no_pcap;
#[cfg(not(feature = "pcap"))]
pub(crate) use no_pcap::{datagram_file, packet_file};

use config::Config;
use config::keys::input;
#[cfg(any(feature = "kafka", feature = "pcap", feature = "zmq"))]
use plugins::outlet::Wake;

/// Default number of workers: one per core but at most this many, because the kernel distributes exporters, not
/// datagrams, and each worker has its tables.
const MAX_DEFAULT_WORKERS: usize = 8;

/// Workers that read the socket.
pub(crate) fn workers(config: &Config) -> usize {
    match config.core(&input::NFACCTD_WORKERS) {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_DEFAULT_WORKERS),
        workers => workers,
    }
}

/// A bell that is ringing need not be rung again.
#[cfg(any(feature = "kafka", feature = "pcap", feature = "zmq"))]
fn bell_of(ring: crossbeam_channel::Sender<()>) -> Wake {
    std::sync::Arc::new(move || _ = ring.try_send(()))
}

/// A number of bytes, limited to the kernel's type.
fn kernel_size(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Link types as libpcap numbers them, without duplicates.
fn sorted(mut links: Vec<packet::LinkType>) -> Vec<i32> {
    links.sort_unstable();
    links.dedup();
    links.into_iter().map(|link| link.0 as i32).collect()
}
