//! Metrics and health over HTTP: the endpoint of `http_listen`.
//!
//! An [`Endpoint`] is bound before privileges drop, and serves on one thread of its own. It reads a [`Monitor`], which the host
//! feeds: readers of counters, what exporters have sent, and a tick of the main loop.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | all metrics, as OpenMetrics 1.0 or in the text format of Prometheus |
//! | `/healthz` | 200 while the main loop runs |
//! | `/api/…` | what parts of the daemon answer ([`Pages`]), such as routes |
//! | `/readyz` | 200 while the daemon listens and its sinks can be written to or spool, else 503 with the reasons |
//!
//! Clients are not trusted: connections, headers and times are bounded ([`server`]), and a reader takes no lock that a
//! worker or a plugin waits for.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod document;
mod exporters;
mod exposition;
mod family;
mod format;
mod monitor;
mod page;
mod process;
mod server;
mod source;

pub use address::{Address, AddressError};
pub use document::document;
pub use exporters::Exporter;
pub use family::{BGP, BMP, Family, HA, INTAKE, IPFIX, Kind, TELEMETRY, TELEMETRY_GRPC};
pub use monitor::{Build, Interface, Monitor, Plugin};
pub use server::{Endpoint, Handle, Settings};
pub use source::{Pages, Reply, Sample, Source};
