//! A topic of Kafka. The key of a message is the exporter's address, so that all datagrams of an exporter are in one partition, in order.

use super::Client;
use ::brokers::producer::{self, Producer};
use ::brokers::settings;
use ::tee::header::exporter_of;
use ::tee::pool::Messages;
use runtime::log::{Identity, Limited};
use runtime::threads::Threads;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use tracing::warn;

/// How long a message may take until it counts as lost.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Minimum time between two log lines about a cluster.
const RATE: Duration = Duration::from_secs(10);

/// A topic, and its client once it runs.
#[derive(Debug)]
pub(super) struct Kafka {
    settings: settings::Kafka,
    topic: String,
    producer: OnceLock<Producer>,
}

/// Checks the settings.
pub(super) fn check(brokers: &str, config_file: Option<&Path>) -> Result<(), String> {
    producer::check(&cluster(brokers, config_file.map(Path::to_owned))).map_err(|error| format!("tee_{error}."))
}

fn cluster(brokers: &str, config_file: Option<PathBuf>) -> settings::Kafka {
    settings::Kafka { brokers: brokers.to_owned(), partition: None, config_file, registry: None, timeout: TIMEOUT }
}

impl Kafka {
    pub(super) fn new(brokers: &str, topic: &str, config_file: Option<PathBuf>) -> Self {
        Self { settings: cluster(brokers, config_file), topic: topic.to_owned(), producer: OnceLock::new() }
    }
}

impl Messages for Kafka {
    fn send(&self, message: &[u8]) -> bool {
        self.producer.get().is_some_and(|producer| producer.send(exporter_of(message), message))
    }

    fn take_refused(&self) -> u64 {
        self.producer.get().map_or(0, Producer::take_unconfirmed)
    }
}

impl Client for Kafka {
    fn start(&self, _threads: &Threads, _identity: &Identity) -> io::Result<()> {
        if self.producer.get().is_none() {
            let (name, limited) = (self.settings.brokers.clone(), Limited::new(RATE));
            let report = move |what: &str| {
                if let Some(pass) = limited.pass() {
                    warn!(held_back = pass.held_back, "kafka_broker={name}: {what}");
                }
            };
            let producer = Producer::new(&self.settings, self.topic.clone(), Box::new(report));
            let producer = producer.map_err(|error| io::Error::other(error.to_string()))?;
            // Only one thread starts clients at a time.
            let _ = self.producer.set(producer);
        }
        Ok(())
    }
}
