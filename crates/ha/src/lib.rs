//! High availability of BGP and BMP collectors through Redis, and the keys by which a cluster is monitored.
//!
//! Daemons that receive the same sessions form a group. Each writes the time of its start to a key of its own, once a second, and
//! reads those of the others: the one that started first is active and writes its output; the others are on stand-by.
//!
//! ```text
//!   runner ──▶ client ──▶ Redis       once a second: write the own keys, read those of the group
//!     │  ▲       resp                 RESP2, without I/O
//!     ▼  │
//!   election                          who is active; no I/O, no clock
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`election`] | the state machine: times, answers and commands in; the state, and what to write, out |
//! | [`resp`] | requests and replies of Redis |
//! | [`client`] | a connection to the server, with limits on time |
//! | [`runner`] | the thread that drives all of it |
//! | [`settings`] | the configuration |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod client;
pub mod election;
pub mod resp;
pub mod runner;
pub mod settings;

pub use election::{Command, State};
pub use runner::{Runner, Shared};
pub use settings::Settings;
