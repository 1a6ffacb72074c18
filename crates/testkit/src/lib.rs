//! Helpers for tests, demonstrations and benchmarks: traffic, exporters, processes, conditions.
//!
//! | module | contents |
//! |---|---|
//! | [`traffic`] | reproducible flows that resemble a network's, and their v5, v9 and IPFIX datagrams |
//! | [`exporter`] | sends datagrams from its own address, never faster than the receiver reads |
//! | [`process`] | a program of the suite with its configuration and folder; signals, log, exit status |
//! | [`statistics`] | the statistics that a daemon logs on SIGUSR1 |
//! | [`bgp`] | a BGP speaker, and every octet that it sends |
//! | [`bmp`] | a router that reports over BMP, and every octet that it sends |
//! | [`routers`] | BIRD, FRRouting, GoBGP and ExaBGP as peers |
//! | [`capture_file`] | datagrams in a pcap file |
//! | [`flood`] | connections as fast as the machine can open them |
//! | [`frames`] | frames layer by layer, and capture files of them |
//! | [`certificates`] | certificate authorities and their certificates |
//! | [`servers`] | private databases and brokers |
//! | [`output`] | readers of JSON lines and CSV files |
//! | [`grpc`] | routers that dial out over gRPC, and gNMI targets |
//! | [`namespace`] | network namespaces with a link that can be cut |
//! | [`conditions`] | waiting for a condition; nothing here waits for a fixed time |
//!
//! Everything here panics on a timeout or an error: the test has failed.
#![forbid(unsafe_code)]

pub mod bgp;
pub mod bmp;
pub mod capture_file;
#[cfg(feature = "servers")]
pub mod certificates;
pub mod conditions;
pub mod exporter;
pub mod flood;
pub mod frames;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod mmdb;
pub mod namespace;
pub mod output;
pub mod process;
#[cfg(feature = "servers")]
pub mod routers;
#[cfg(feature = "servers")]
pub mod servers;
pub mod sockets;
pub mod statistics;
pub mod traffic;

pub use conditions::eventually;
pub use exporter::Exporter;
pub use process::{Finished, Process, Setup};
