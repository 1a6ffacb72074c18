//! Templates that collectors share through a compacted topic of Kafka (`nfacctd_templates_kafka_topic`).
//!
//! When an exporter's datagrams move to another collector, because one was added or died, that collector needs the exporter's templates
//! before the exporter announces them again. So each collector writes the templates that it learns to the topic, and keeps all that are in
//! it ([`Shared`]). A worker that misses a template looks there: until then, its data sets wait as for any template. A template that
//! another collector has changed replaces the worker's.
//!
//! Sampling rates that exporters announce in options data travel in the same way: without them, a collector with `nfacctd_renormalize` would
//! count too little.

#[cfg(feature = "kafka")]
mod client;
mod follower;
#[cfg(feature = "kafka")]
mod message;
mod shared;

pub(crate) use follower::{Follower, Found};
pub(crate) use shared::Shared;

use super::worker::Learned;
use crate::flows::templates_file::Time;
use crate::host::part::{Reading, Services};
use brokers::settings::KafkaInput;
use config::keys::input;
use crossbeam_channel::{Receiver, Sender};
use runtime::clock;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Capacity of the channel to the thread. What does not fit is not shared until the exporter announces it on another day, or changes it.
const WAITING: usize = 4096;

/// What is known of an exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) exporter: IpAddr,
    pub(crate) learned: Learned,
    /// When it was announced.
    pub(crate) seen: Time,
}

/// The topic, and its bound.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    kafka: KafkaInput,
    /// Bytes of templates that are kept.
    bound: usize,
}

/// The main thread's end. The thread ends when this is dropped.
pub(crate) struct Topic {
    learned: Sender<Known>,
    shared: Arc<Shared>,
}

impl Settings {
    /// The settings, if there is a topic. Invalid ones are fatal problems.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let kafka = KafkaInput::of_templates(reading.config)?;
        if let Err(what) = check(&kafka) {
            let origin = crate::host::blame(reading.config, &input::NFACCTD_TEMPLATES_KAFKA_TOPIC);
            reading.problems.fatal(origin, what, None);
        }
        let bound = reading.config.core(&input::NFACCTD_TEMPLATES_KAFKA_SIZE);
        Some(Self { kafka, bound: usize::try_from(bound).unwrap_or(usize::MAX) })
    }
}

#[cfg(feature = "kafka")]
fn check(settings: &KafkaInput) -> Result<(), String> {
    brokers::compacted::check(settings).map_err(|error| format!("nfacctd_templates_{error}."))
}

#[cfg(not(feature = "kafka"))]
fn check(_settings: &KafkaInput) -> Result<(), String> {
    Err("nfacctd_templates_kafka_topic: this program was built without Kafka.".to_owned())
}

#[cfg(not(feature = "kafka"))]
mod client {
    use super::{KafkaInput, Known, Receiver, Shared};
    use std::sync::Arc;

    pub(super) struct Client;

    impl Client {
        pub(super) fn new(_: &KafkaInput, _: Arc<Shared>, _: Receiver<Known>) -> Result<Self, String> {
            Err("built without Kafka".to_owned())
        }

        pub(super) fn run(self) {}
    }
}

impl Topic {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be created, or the client library rejects an option.
    pub(crate) fn start(settings: &Settings, services: &Services) -> io::Result<Self> {
        let (learned, orders): (_, Receiver<Known>) = crossbeam_channel::bounded(WAITING);
        let shared = Arc::new(Shared::new(settings.bound));
        let client = client::Client::new(&settings.kafka, Arc::clone(&shared), orders)
            .map_err(|error| io::Error::other(error.to_string()))?;
        services.threads.spawn("templates/kafka", services.identity.clone(), move || client.run())?;
        Ok(Self { learned, shared })
    }

    /// The workers' view of the topic.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// An exporter has announced something.
    pub(crate) fn learn(&self, exporter: IpAddr, learned: Learned) {
        let known = Known { exporter, learned, seen: clock::now() };
        if self.learned.try_send(known).is_err() {
            self.shared.figures.not_written.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line of statistics.
    pub(crate) fn line(&self) -> String {
        self.shared.figures.line()
    }
}
