//! Every key, by group: the table that everything else follows from.

use crate::key::AnyKey;

pub mod aggregation;
pub mod amqp;
pub mod bgp;
pub mod bmp;
pub mod core;
pub mod encoding;
pub mod geoip;
pub mod ha;
pub mod input;
pub mod kafka;
pub mod maps;
pub mod memory;
pub mod ndpi;
pub mod nfprobe;
pub mod output;
pub mod print;
pub mod removed;
pub mod rpki;
pub mod sampling;
pub mod sfprobe;
pub mod sql;
pub mod tee;
pub mod telemetry;
pub mod time;

/// Keys that belong together in the documentation.
#[derive(Clone, Copy)]
pub struct Group {
    /// Heading.
    pub title: &'static str,
    /// The keys.
    pub keys: &'static [&'static dyn AnyKey],
}

/// Every group, in the order of the documentation.
#[must_use]
pub fn groups() -> [Group; 24] {
    let group = |title, keys| Group { title, keys };
    [
        group("General", core::KEYS),
        group("Aggregation, filters and tags", aggregation::KEYS),
        group("Input", input::KEYS),
        group("Time", time::KEYS),
        group("Output files", output::KEYS),
        group("Print plugin", print::KEYS),
        group("Memory plugin", memory::KEYS),
        group("Encodings of values", encoding::KEYS),
        group("Maps and files", maps::KEYS),
        group("Sampling", sampling::KEYS),
        group("GeoIP", geoip::KEYS),
        group("nDPI classification", ndpi::KEYS),
        group("BGP", bgp::KEYS),
        group("BMP", bmp::KEYS),
        group("RPKI", rpki::KEYS),
        group("Streaming telemetry", telemetry::KEYS),
        group("nfprobe plugin", nfprobe::KEYS),
        group("sfprobe plugin", sfprobe::KEYS),
        group("tee plugin", tee::KEYS),
        group("SQL plugins", sql::KEYS),
        group("Kafka plugin", kafka::KEYS),
        group("AMQP plugin", amqp::KEYS),
        group("High availability", ha::KEYS),
        group("Removed keys", removed::KEYS),
    ]
}

/// Every key.
pub fn all() -> impl Iterator<Item = &'static dyn AnyKey> {
    groups().into_iter().flat_map(|group| group.keys.iter().copied())
}
