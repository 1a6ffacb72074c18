//! What daemons write by themselves, beside their plugins: counters of sFlow agents, messages of BGP and BMP peers,
//! telemetry, and dumps of the tables that these fill.
//!
//! An [`Event`] knows how it reads as a JSON object or as an Avro record. A [`Log`] writes events as they come, a [`Dump`] writes
//! whole tables, each between a start and an end marker. Both write to a file, to Kafka and to AMQP, as the keys of one prefix
//! say (`sfacctd_counter_*`, `bgp_daemon_msglog_*`, `bgp_table_dump_*` …), which [`Settings::read`] reads for all.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | what the configuration says |
//! | [`name`] | names of files, topics and keys, with variables |
//! | `file` | files of a log: one for each value of a variable, opened again after a rotation |
//! | `broker` | events on their way to a broker |
//! | [`log`] | events as they come |
//! | [`dump`] | whole tables |
//!
//! # What cannot be written
//!
//! Lines that a file does not take wait in memory and are tried again, up to `plugin_queue_memory` bytes. Messages that a broker
//! does not confirm wait in a queue of the same bound. What exceeds the bound, and what is not written at the end, is dropped,
//! logged, and counted by the weight of its events. A table that the file of a dump does not take is dropped and counted at
//! once: the next dump writes it as it is then.
#![forbid(unsafe_code)]

mod broker;
pub mod dump;
mod file;
pub mod log;
pub mod name;
pub mod settings;

pub use broker::Delivery;
pub use dump::Dump;
pub use log::Log;
pub use settings::{Encoding, Settings};

/// What a log adds to each event.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The number of the event, from 0.
    pub sequence: u64,
    /// When it was written, as the daemon's settings say that times look.
    pub timestamp: &'a str,
}

/// Something that happened, or an entry of a table.
pub trait Event {
    /// The value that stands for a variable in names, such as the address of a peer for `peer_src_ip`; `None` if there is none.
    fn variable(&self, name: &str) -> Option<String>;

    /// Appends the event as one JSON object, without a newline.
    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>);

    /// Appends the event in Avro's binary form, and returns its schema; `None` if there is no such form, and the event is
    /// not sent where Avro is asked for.
    fn avro(&self, _head: &Head<'_>, _out: &mut Vec<u8>) -> Option<&'static str> {
        None
    }

    /// How many are lost with it: 0 for what only announces others.
    fn weight(&self) -> u64 {
        1
    }
}
