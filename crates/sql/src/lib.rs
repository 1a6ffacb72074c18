//! Aggregates in tables of SQL databases.
//!
//! | module | what it is |
//! |---|---|
//! | [`rows`] | the inside of parcels for databases: a table, its columns, values |
#![forbid(unsafe_code)]

pub mod rows;
