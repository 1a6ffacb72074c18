//! The stores that are built in.
#![cfg_attr(
    not(any(feature = "amqp", feature = "kafka", feature = "sql")),
    expect(unused_imports, unused_variables, reason = "no store is built in")
)]

use super::{Emit, Encoder};
use aggregate::Table;
use delivery::{Backend, StoreError};
use flow::schema::Schema;

/// A store, as the configuration describes it.
#[derive(Clone, Debug)]
pub enum Target {
    /// A table of a database.
    #[cfg(feature = "sql")]
    Sql(Box<sql::Settings>),
    /// Topics of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<brokers::settings::Messages>, Box<brokers::settings::Kafka>),
    /// An exchange of an AMQP broker.
    #[cfg(feature = "amqp")]
    Amqp(Box<brokers::settings::Messages>, Box<brokers::settings::Amqp>),
}

impl Target {
    /// Checks that the store can take the aggregates.
    ///
    /// # Errors
    /// The message, with a hint.
    #[cfg_attr(
        all(not(feature = "sql"), any(feature = "amqp", feature = "kafka")),
        expect(unused_variables, reason = "only databases check the columns")
    )]
    pub fn check(&self, schema: &Schema) -> Result<(), String> {
        match *self {
            #[cfg(feature = "sql")]
            Self::Sql(ref settings) => sql::encoder::check(settings, schema),
            #[cfg(feature = "kafka")]
            Self::Kafka(..) => Ok(()),
            #[cfg(feature = "amqp")]
            Self::Amqp(..) => Ok(()),
        }
    }

    /// Checks its options and files, as far as possible without a connection.
    ///
    /// # Errors
    /// The key, and the problem.
    pub fn check_settings(&self) -> Result<(), StoreError> {
        match *self {
            #[cfg(feature = "sql")]
            Self::Sql(ref settings) => sql::settings::check(settings),
            #[cfg(feature = "kafka")]
            Self::Kafka(_, ref settings) => brokers::kafka::check(settings),
            #[cfg(feature = "amqp")]
            Self::Amqp(_, ref settings) => brokers::amqp::check(settings),
        }
    }

    /// Creates the encoder and the backend. `now` is in seconds since 1970.
    #[cfg_attr(
        all(not(feature = "sql"), any(feature = "amqp", feature = "kafka")),
        expect(unused_variables, reason = "only databases need the time")
    )]
    pub fn make(&self, schema: &Schema, now: u64) -> (Box<dyn Encoder>, Box<dyn Backend>) {
        match *self {
            #[cfg(feature = "sql")]
            Self::Sql(ref settings) => {
                let encoder = sql::Encoder::new(settings, schema);
                let backend = sql::backend(settings, encoder.head(now));
                (Box::new(Sql(encoder)), backend)
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(ref messages, ref settings) => {
                let encoder = Messages::new(messages, schema);
                let backend = brokers::kafka::Kafka::new((**settings).clone(), encoder.0.only_topic());
                (Box::new(encoder), Box::new(backend))
            }
            #[cfg(feature = "amqp")]
            Self::Amqp(ref messages, ref settings) => {
                let backend = brokers::amqp::Amqp::new((**settings).clone());
                (Box::new(Messages::new(messages, schema)), Box::new(backend))
            }
        }
    }
}

#[cfg(any(feature = "kafka", feature = "amqp"))]
struct Messages(brokers::Encoder);

#[cfg(any(feature = "kafka", feature = "amqp"))]
impl Messages {
    fn new(settings: &brokers::settings::Messages, schema: &Schema) -> Self {
        Self(brokers::Encoder::new(settings, schema, std::process::id(), env!("CARGO_PKG_VERSION")))
    }
}

#[cfg(any(feature = "kafka", feature = "amqp"))]
impl Encoder for Messages {
    fn encode(&mut self, table: &Table, now: u64, emit: Emit<'_>) {
        self.0.encode(table, now, emit);
    }

    fn announce(&mut self, emit: Emit<'_>) {
        self.0.announce(emit);
    }

    fn begin(&mut self, emit: Emit<'_>) {
        self.0.begin(emit);
    }

    fn end(&mut self, purge: encode::markers::Purge, emit: Emit<'_>) {
        self.0.end(purge, emit);
    }

    fn schema(&self) -> Option<&str> {
        self.0.schema()
    }
}

#[cfg(feature = "sql")]
struct Sql(sql::Encoder);

#[cfg(feature = "sql")]
impl Encoder for Sql {
    fn encode(&mut self, table: &Table, now: u64, emit: Emit<'_>) {
        self.0.encode(table, now, emit);
    }

    fn encode_for_backup(&mut self, table: &Table, rejects: &dyn Fn(&[u64]) -> bool, now: u64, emit: Emit<'_>) {
        self.0.encode_for_backup(table, rejects, now, emit);
    }

    fn take_bounded(&mut self) -> (u64, delivery::Sum) {
        let sql::Bounded { redirected, dropped } = self.0.take_bounded();
        (redirected, dropped)
    }

    fn add_variables(&self, variables: &mut Vec<(&'static str, String)>) {
        if let Some(table) = self.0.written().last() {
            variables.push(("EFFECTIVE_SQL_TABLE", table.clone()));
        }
    }
}
