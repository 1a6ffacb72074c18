//! Event logs: what a daemon writes besides the output of its plugins, such as counters of sFlow agents, messages of BGP and
//! BMP peers, telemetry, and dumps of tables.
//!
//! An [`Event`] can be encoded as a JSON object or as an Avro record. A [`Log`] writes events as they happen. A [`Dump`] writes
//! whole tables, each between a start and an end marker. Both write to a file, to Kafka and to AMQP, as configured by the keys
//! of one prefix (`sfacctd_counter_*`, `bgp_daemon_msglog_*`, `bgp_table_dump_*` …). [`Settings::read`] reads them all.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration of one log or dump |
//! | [`name`] | names of files, topics and keys, with variables |
//! | `file` | the files of a log: one for each value of a variable, reopened after a rotation |
//! | `broker` | delivery of events to a broker |
//! | [`log`] | events as they happen |
//! | [`dump`] | whole tables |
//!
//! # Write errors
//!
//! Lines that cannot be written to a file are kept in memory and retried, up to `plugin_queue_memory` bytes. Messages that a
//! broker has not confirmed are kept in a queue with the same bound. What exceeds the bound, and what is not written before the
//! end, is dropped, logged, and counted by the weight of its events. A table that cannot be written to the file of a dump is
//! dropped and counted at once: the next dump writes the table as it is then.
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

/// The fields that a log adds to each event.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The number of the event, from 0.
    pub sequence: u64,
    /// When it was written, in the configured format for times.
    pub timestamp: &'a str,
}

/// Something that happened, or an entry of a table.
pub trait Event {
    /// The value of a variable in names, such as the address of the peer for `peer_src_ip`; `None` if the event has none.
    fn variable(&self, name: &str) -> Option<String>;

    /// Appends the event as one JSON object, without a newline.
    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>);

    /// Appends the event in Avro's binary form, and returns its schema. `None` if it has no such form: it is then not sent to
    /// outputs in Avro.
    fn avro(&self, _head: &Head<'_>, _out: &mut Vec<u8>) -> Option<&'static str> {
        None
    }

    /// By how much the counter of dropped events grows when this event is dropped: 0 for events that only announce others.
    fn weight(&self) -> u64 {
        1
    }
}
