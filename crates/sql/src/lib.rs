//! Aggregates in tables of SQL databases.
//!
//! | module | what it is |
//! |---|---|
//! | [`columns`] | the table of columns, and the known shapes of tables |
//! | [`settings`] | what the configuration says |
//! | [`encoder`] | from aggregates to rows |
//! | [`rows`] | the inside of parcels for databases: a table, its columns, values |
//! | [`schemas`] | statements that make tables, and the document of columns |
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

/// The database of a plugin. `expected`: the table that must be there from the start.
#[cfg_attr(
    not(any(feature = "clickhouse", feature = "mysql", feature = "pgsql", feature = "sqlite")),
    expect(unused_variables, reason = "there is no database")
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
        _ => unreachable!("settings of a dialect that is not built in are refused"),
    }
}
