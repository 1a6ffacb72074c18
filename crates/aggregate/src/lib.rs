//! Aggregation: rows in, tables of aggregates out.
//!
//! Each worker has one [`Aggregator`] per plugin, and it alone touches it. A table ([`table`]) is
//! self-contained: it knows its schema and holds its own strings, so a whole table can change threads.
//! Aggregates are told apart by their whole key, never by a hash alone.
#![forbid(unsafe_code)]

pub mod aggregator;
pub mod table;
pub mod time_bin;

pub use aggregator::Aggregator;
pub use table::{Aggregate, Table};
pub use time_bin::Bins;
