//! Export of flows as NetFlow v5, v9 (RFC 3954) and IPFIX (RFC 7011), and of packets as sFlow v5.
//!
//! **Flows.** Workers aggregate packets to tables, as for any plugin, with the time of the first and the last packet of each aggregate. The
//! probe merges these tables in its flow cache ([`cache`]), which decides when a flow has ended. An ended flow becomes a record
//! ([`record`], [`v5`]) of a datagram ([`exporter`]). So a packet costs a probe what it costs any other plugin, and encoding
//! costs once for each flow.
//!
//! **Packets.** Workers encode the samples ([`samples`]); the agent ([`agent`]) numbers them and packs them into datagrams.
//!
//! This crate has no sockets, clocks, logs or configuration. Which information element exports which primitive is one table
//! ([`elements`]).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod agent;
mod applications;
pub mod cache;
pub mod communities;
pub mod elements;
pub mod exporter;
pub mod interfaces;
pub mod options;
pub mod record;
pub mod samples;
#[cfg(test)]
mod tests;
mod v5;

pub use agent::Agent;
pub use cache::{Cache, Timeouts};
pub use exporter::{Contents, Datagram, Exporter};
pub use samples::{Batch, Sampler};

use flow::primitive::PRIMITIVES;
use flow::schema::Column;

/// Format of the datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NetFlow v5.
    V5,
    /// NetFlow v9.
    V9,
    /// IPFIX.
    Ipfix,
}

/// Precision of the times in records of v9 and IPFIX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// `timestamps_secs`: flowStartSeconds and flowEndSeconds.
    Seconds,
    /// flowStartMilliseconds and flowEndMilliseconds.
    #[default]
    Milliseconds,
    /// `nfprobe_tstamp_usec`: flowStartMicroseconds and flowEndMicroseconds.
    Microseconds,
}

/// What a probe exports, and as whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Format of the datagrams.
    pub version: Version,
    /// `nfprobe_engine`: source id or observation domain; in v5, engine type and engine id are the two low octets.
    pub domain: u32,
    /// Precision of times.
    pub precision: Precision,
    /// Directions and interfaces.
    pub interfaces: interfaces::Settings,
    /// `nfprobe_peer_as`: AS numbers are those of the neighbours.
    pub peer_as: bool,
    /// One in this many packets is counted.
    pub sampling: Option<u32>,
    /// Start of the exporter: microseconds since 1970.
    pub started_us: u64,
}

impl Settings {
    /// Names of the primitives that records need in addition to the configured ones.
    pub fn implied<'a>(&self, is_selected: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'static str> + 'a {
        let peers = self.peer_as;
        let (direction, ifindex) = (self.interfaces.direction, self.interfaces.ifindex);
        let tags = move |tag: interfaces::Tag| {
            direction == Some(interfaces::Direction::By(tag)) || ifindex == Some(interfaces::Ifindex::By(tag))
        };
        let transport = ["src_port", "dst_port", "proto", "tcpflags"].iter().any(|name| is_selected(name));
        let implied = [
            ("in_iface", true),
            ("out_iface", true),
            ("proto", transport),
            ("tcpflags", transport),
            ("tag", tags(interfaces::Tag::First)),
            ("tag2", tags(interfaces::Tag::Second)),
            ("peer_src_as", peers && is_selected("src_as")),
            ("peer_dst_as", peers && is_selected("dst_as")),
        ];
        implied.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name)
    }
}

/// The name of a column in `aggregate`, for messages.
fn name_of(column: &Column) -> &str {
    let primitive = PRIMITIVES.iter().find(|primitive| primitive.columns == [column.id]);
    primitive.map_or(&*column.json, |primitive| primitive.name)
}

/// Reads a number from a key: up to eight octets, big-endian.
fn number(key: &[u8], at: usize, size: usize) -> u64 {
    let octets = key.get(at..at + size).unwrap_or_default();
    octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}
