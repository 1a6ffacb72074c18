//! Where tables and datagrams go: the contract between workers and plugins, and the plugins.
#![forbid(unsafe_code)]

pub mod kinds;
mod losses;
pub mod memory;
pub mod outlet;
pub mod preprocess;
pub mod print;
pub mod probe;
pub mod sink;
pub mod store;
pub mod tee;
pub mod trigger;
