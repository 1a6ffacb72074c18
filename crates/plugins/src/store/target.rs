//! The stores that are built in.

use super::{Emit, Encoder};
use aggregate::Table;
use delivery::Backend;
use flow::schema::Schema;

/// A store, as the configuration describes it.
#[derive(Clone, Debug)]
pub enum Target {
    /// A table of a database.
    #[cfg(feature = "sql")]
    Sql(Box<sql::Settings>),
}

impl Target {
    /// What of the aggregates the store cannot take.
    ///
    /// # Errors
    /// The message, which says what would be right.
    pub fn check(&self, schema: &Schema) -> Result<(), String> {
        match self {
            #[cfg(feature = "sql")]
            Self::Sql(settings) => sql::encoder::check(settings, schema),
        }
    }

    /// What writes aggregates, and where to. `now` is in seconds since 1970.
    pub fn make(&self, schema: &Schema, now: u64) -> (Box<dyn Encoder>, Box<dyn Backend>) {
        match self {
            #[cfg(feature = "sql")]
            Self::Sql(settings) => {
                let encoder = sql::Encoder::new(settings, schema);
                let backend = sql::backend(settings, encoder.head(now));
                (Box::new(Sql(encoder)), backend)
            }
        }
    }
}

#[cfg(feature = "sql")]
struct Sql(sql::Encoder);

#[cfg(feature = "sql")]
impl Encoder for Sql {
    fn encode(&mut self, table: &Table, now: u64, emit: Emit<'_>) {
        self.0.encode(table, now, emit);
    }

    fn tell(&self, variables: &mut Vec<(&'static str, String)>) {
        if let Some(table) = self.0.written().last() {
            variables.push(("EFFECTIVE_SQL_TABLE", table.clone()));
        }
    }
}
