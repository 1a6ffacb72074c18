//! The main thread's end of the topic.

use super::shared::Shared;
use super::{Follower, Known, client};
use crate::flows::worker::Learned;
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

fn check(settings: &KafkaInput) -> Result<(), String> {
    brokers::compacted::check(settings).map_err(|error| format!("nfacctd_templates_{error}."))
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

    /// A worker's look at the topic.
    pub(crate) fn follower(&self) -> Follower {
        Follower::new(Arc::clone(&self.shared))
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
