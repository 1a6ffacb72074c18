//! Aggregation: rows in, tables of aggregates out.
//!
//! Each worker has one [`Aggregator`] per plugin, which no other thread uses. A table ([`table`]) is
//! self-contained: it has its schema and its own strings, so a whole table can move to another thread.
//! Aggregates are distinguished by their full key, never by a hash alone.
#![forbid(unsafe_code)]

pub mod aggregator;
pub mod table;
pub mod time_bin;

pub use aggregator::Aggregator;
pub use table::{Aggregate, Table};
pub use time_bin::Bins;
