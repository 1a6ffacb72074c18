//! Event logs: what a daemon writes besides the output of its plugins, such as counters of sFlow agents, messages of BGP and
//! BMP peers, telemetry, and dumps of tables.
//!
//! An [`Event`] can be encoded as a JSON object, as an Avro record, as an MRT record, and as a message in the format of OpenBMP. A [`Log`] writes events as they happen. A
//! [`Dump`] writes whole tables, each between a start and an end marker. Both write to a file, to Kafka and to AMQP, as configured
//! by the keys of one prefix (`sfacctd_counter_*`, `bgp_daemon_msglog_*`, `bgp_table_dump_*` …). [`Settings::read`] reads them all.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration of one log or dump |
//! | [`name`] | names of files, topics and keys, with variables |
//! | [`encoding`] | the encodings, and the Avro schemas of the events of a log |
//! | [`sequence`] | the number of events, which a log and a dump share |
//! | `file` | the files of a log: one for each value of a variable, reopened after a rotation |
//! | `broker` | delivery of events to a broker |
//! | [`log`] | events as they happen |
//! | [`dump`] | whole tables |
//! | [`schedule`] | when tables are dumped |
//! | [`hold`] | what is held back while another daemon writes the same events |
//!
//! # Encodings
//!
//! | encoding | files | messages to brokers |
//! |---|---|---|
//! | `json` | an object a line | an object |
//! | `avro_json` | a record in Avro's JSON encoding a line | such a record |
//! | `avro` | an object container file, whose schema is a union of the records' schemas | a record in binary form, framed for a schema registry if there is one |
//! | `mrt` | MRT records | not supported |
//! | `openbmp` | BMP messages in the format of OpenBMP, one after the other | such a message |
//!
//! # Write errors
//!
//! Lines that cannot be written to a file are kept in memory and retried, up to `plugin_queue_memory` bytes. Messages that a
//! broker has not confirmed are kept in a queue with the same bound. What exceeds the bound, and what is not written before the
//! end, is dropped, logged, and counted by the weight of its events. A table that cannot be written to the file of a dump is
//! dropped and counted at once: the next dump writes the table as it is then.
#![forbid(unsafe_code)]

mod broker;
mod container;
pub mod dump;
pub mod encoding;
mod file;
pub mod hold;
pub mod log;
pub mod name;
pub mod schedule;
pub mod sequence;
pub mod settings;

pub use broker::Delivery;
pub use dump::Dump;
pub use encoding::{Encoding, Schema};
pub use hold::{Gate, Hold};
pub use log::Log;
pub use schedule::Schedule;
pub use sequence::Sequence;
pub use settings::Settings;

use std::borrow::Cow;

/// The fields that a log adds to each event.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The number of the event, from 0; all events of a dump have the same.
    pub sequence: u64,
    /// When it was written, in the configured format for times. In a dump, the time of the dump.
    pub timestamp: &'a str,
    /// The same time in microseconds since 1970.
    pub micros: u64,
    /// Who writes it: [`Settings::writer_id`]. Avro records have it as a field; in JSON, it is added to messages for brokers.
    pub writer_id: &'a str,
}

/// Something that happened, or an entry of a table.
pub trait Event {
    /// The value of a variable in names, such as the address of the peer for `peer_src_ip`; `None` if the event has none.
    fn variable(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Appends the event as one JSON object, without a newline.
    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>);

    /// Appends the event in Avro's binary form, and returns the position of its schema in [`Settings::schemas`]. `None` if it has no
    /// such form: it is then not written to outputs in Avro.
    fn avro(&self, _head: &Head<'_>, _out: &mut Vec<u8>) -> Option<usize> {
        None
    }

    /// Appends the event in Avro's JSON encoding, without a newline. False if it has no such form.
    fn avro_json(&self, _head: &Head<'_>, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// Appends the event as MRT records; nothing if it has no such form. In a dump, `place` tells what the file already holds.
    fn mrt(&self, _head: &Head<'_>, _place: MrtPlace, _out: &mut Vec<u8>) {}

    /// Appends the event as a message in the format of OpenBMP; nothing if it has no such form.
    fn openbmp(&self, _head: &Head<'_>, _out: &mut Vec<u8>) {}

    /// By how much the counter of dropped events grows when this event is dropped: 0 for events that only announce others.
    fn weight(&self) -> u64 {
        1
    }
}

/// What the file of a dump already holds, for events in MRT, whose records depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MrtPlace {
    /// No event before this one: the peers of the dump come first.
    pub is_first: bool,
    /// The number of entries of tables before this one.
    pub entries: u32,
}
