//! Messages to a Kafka topic that are sent without waiting: those that the queue of the client library cannot take, or that the broker does
//! not confirm in time, are lost and counted.

use crate::kafka::{client_config, client_error};
use crate::settings;
use delivery::StoreError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::debug;

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(3);

/// The client of a cluster, for one topic.
pub struct Producer {
    topic: String,
    client: ThreadedProducer<Reports>,
}

/// What to do with an error of the connection, such as writing it to the log.
pub type Report = Box<dyn Fn(&str) + Send + Sync>;

/// Reports of the client library.
struct Reports {
    unconfirmed: AtomicU64,
    report: Report,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!("librdkafka {level:?} {facility}: {message}");
    }

    // Nobody reads statistics; the code of the default, which decodes them, is large.
    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        (self.report)(&format!("{error}: {reason}"));
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.unconfirmed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Checks the settings.
///
/// # Errors
/// The key without its prefix, and what is wrong.
pub fn check(settings: &settings::Kafka) -> Result<(), StoreError> {
    let config = client_config(settings)?;
    config.create_native_config().map(drop).map_err(|error| client_error(settings.config_file.is_some(), error))
}

impl Producer {
    /// A client that connects in the background. Errors of connections go to `report`.
    ///
    /// # Errors
    /// As [`check`].
    pub fn new(settings: &settings::Kafka, topic: String, report: Report) -> Result<Self, StoreError> {
        let reports = Reports { unconfirmed: AtomicU64::new(0), report };
        let client = client_config(settings)?.create_with_context(reports);
        let client = client.map_err(|error| client_error(settings.config_file.is_some(), error))?;
        Ok(Self { topic, client })
    }

    /// Hands a message to the client library. False if its queue is full.
    pub fn send(&self, key: &[u8], payload: &[u8]) -> bool {
        self.client.send(BaseRecord::to(&self.topic).key(key).payload(payload)).is_ok()
    }

    /// Messages that the broker did not confirm, since the last call.
    pub fn take_unconfirmed(&self) -> u64 {
        self.client.context().unconfirmed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Err(error) = self.client.flush(LAST) {
            (self.client.context().report)(&format!("not all messages were confirmed before the end: {error}"));
        }
    }
}
