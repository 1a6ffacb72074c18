//! What tests, demonstrations and benchmarks are made of: traffic, exporters, processes, conditions.
//!
//! | module | what it has |
//! |---|---|
//! | [`traffic`] | flows that look like a network's, the same at every run, and their v5, v9 and IPFIX datagrams |
//! | [`exporter`] | sends datagrams from an address of its own, never faster than the receiver reads |
//! | [`process`] | a program of the suite with its configuration and folder; signals, log, exit |
//! | [`statistics`] | what a daemon prints when it is sent SIGUSR1 |
//! | [`capture_file`] | datagrams in a pcap file |
//! | [`frames`] | frames layer by layer, and capture files of them |
//! | [`certificates`] | authorities, and what they certify |
//! | [`servers`] | private databases and brokers |
//! | [`output`] | files of JSON lines and CSV |
//! | [`conditions`] | waiting for something to become true; nothing here waits for time to pass |
//!
//! Everything here panics when what it is asked for does not come: a test that waits has failed.
#![forbid(unsafe_code)]

pub mod capture_file;
#[cfg(feature = "servers")]
pub mod certificates;
pub mod conditions;
pub mod exporter;
pub mod frames;
pub mod mmdb;
pub mod output;
pub mod process;
#[cfg(feature = "servers")]
pub mod servers;
pub mod sockets;
pub mod statistics;
pub mod traffic;

pub use conditions::eventually;
pub use exporter::Exporter;
pub use process::{Finished, Process, Setup};
