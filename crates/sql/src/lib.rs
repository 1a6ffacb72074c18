//! Aggregates in tables of SQL databases.
//!
//! | module | what it is |
//! |---|---|
//! | [`columns`] | the columns, and the standard table schemas ||
//! | [`settings`] | the configuration of a plugin ||
//! | [`encoder`] | encodes aggregates as rows ||
//! | [`rows`] |  the body of write batches for databases: a table, its columns, rows of values |
//! | [`schemas`] | CREATE TABLE statements, and the document of columns |
//! | [`sqlite`] | SQLite |
//! | [`pgsql`] | PostgreSQL |
//! | [`mysql`] | MySQL and MariaDB |
//! | [`clickhouse`] | ClickHouse |
#![forbid(unsafe_code)]

#[cfg(feature = "clickhouse")]
pub mod clickhouse;
pub mod columns;
pub mod encoder;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "pgsql", feature = "sqlite"))]
mod fit;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "pgsql")]
pub mod pgsql;
pub mod rows;
pub mod schemas;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "pgsql"))]
mod server;
pub mod settings;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "clickhouse", feature = "pgsql"))]
mod text;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "pgsql"))]
mod width;

pub use encoder::{Bounded, Encoder};
pub use settings::{Dialect, Settings};

use delivery::Backend;
use rows::Head;

/// The database of a plugin. `expected` is the table that must exist at start-up.
#[cfg_attr(
    not(any(feature = "clickhouse", feature = "mysql", feature = "pgsql", feature = "sqlite")),
    expect(unused_variables, reason = "no database is built in")
)]
pub fn backend(settings: &Settings, expected: Option<Head>) -> Box<dyn Backend> {
    match settings.dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => Box::new(sqlite::Sqlite::new(settings.clone(), expected)),
        #[cfg(feature = "mysql")]
        Dialect::MySql => mysql::backend(settings.clone(), expected),
        #[cfg(feature = "pgsql")]
        Dialect::PgSql => pgsql::backend(settings.clone(), expected),
        #[cfg(feature = "clickhouse")]
        Dialect::ClickHouse => clickhouse::backend(settings.clone(), expected),
        #[allow(unreachable_patterns, reason = "depends on features")]
        _ => unreachable!("settings of a dialect that is not built in are rejected"),
    }
}
