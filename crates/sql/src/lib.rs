//! Aggregates in tables of SQL databases.
//!
//! | module | what it is |
//! |---|---|
//! | [`columns`] | the table of columns, and the known shapes of tables |
//! | [`settings`] | what the configuration says |
//! | [`encoder`] | from aggregates to rows |
//! | [`rows`] | the inside of parcels for databases: a table, its columns, values |
//! | [`sqlite`] | SQLite |
#![forbid(unsafe_code)]

pub mod columns;
pub mod encoder;
pub mod rows;
pub mod settings;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod statements;

pub use encoder::Encoder;
pub use settings::{Dialect, Settings};

use delivery::Backend;
use rows::Head;

/// The database of a plugin. `expected`: the table that must be there from the start.
pub fn backend(settings: &Settings, expected: Option<Head>) -> Box<dyn Backend> {
    match settings.dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => Box::new(sqlite::Sqlite::new(settings.clone(), expected)),
        _ => unreachable!("settings of a dialect that is not built in are refused"),
    }
}
