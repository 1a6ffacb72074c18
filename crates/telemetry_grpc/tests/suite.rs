//! The server with routers of tonic, and the client with targets of tonic.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "suite/collector.rs"]
mod collector;
#[path = "suite/dial_in.rs"]
mod dial_in;
#[path = "suite/dial_out.rs"]
mod dial_out;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/tls.rs"]
mod tls;
