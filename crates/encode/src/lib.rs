//! Encoders of aggregates: JSON, CSV, formatted columns, Avro, and the names of their files.
//!
//! Encoders are compiled once per plugin from its [`flow::schema::Schema`] and its [`Style`], and then
//! write rows to a buffer of the caller: no files, no clocks, no allocation per row.
//!
//! | module | what it writes |
//! |---|---|
//! | [`json`] | one object per row, also for message brokers and the client |
//! | [`columns`] | CSV and formatted rows with their title line |
//! | [`avro`] | records, their schema, and files of them |
//! | `parquet` | files of columns, with the feature of that name |
//! | [`markers`] | the markers before and after the rows of a purge |
//! | [`names`] | file names with variables |
//!
//! They share [`value`], [`address`], [`number`], [`time`] and [`protocols`].
#![forbid(unsafe_code)]

pub mod address;
pub mod avro;
pub mod columns;
pub mod json;
pub mod markers;
pub mod names;
pub mod number;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod protocols;
pub mod style;
#[cfg(test)]
mod testing;
pub mod time;
pub mod value;

pub use style::Style;
