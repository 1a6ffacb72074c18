//! A program without Kafka has no topic.

use super::Found;
use crate::flows::worker::Learned;
use crate::host::blame;
use crate::host::part::{Reading, Services};
use config::keys::input;
use std::io;
use std::net::IpAddr;

/// There is none.
#[derive(Clone, Copy, Debug)]
enum Never {}

/// Settings, which are never read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings(Never);

/// A topic that does not exist.
pub(crate) struct Topic(Never);

/// A worker's look at it.
pub(crate) struct Follower(Never);

impl Settings {
    /// Reports a topic that is configured.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let key = &input::NFACCTD_TEMPLATES_KAFKA_TOPIC;
        if reading.config.core(key).is_some() {
            let what = "nfacctd_templates_kafka_topic: this program was built without Kafka.";
            reading.problems.fatal(blame(reading.config, key), what, None);
        }
        None
    }
}

impl Topic {
    pub(crate) fn start(settings: &Settings, _: &Services) -> io::Result<Self> {
        match settings.0 {}
    }

    pub(crate) fn follower(&self) -> Follower {
        match self.0 {}
    }

    pub(crate) fn learn(&self, _: IpAddr, _: Learned) {
        match self.0 {}
    }

    pub(crate) fn line(&self) -> String {
        match self.0 {}
    }
}

impl Follower {
    pub(crate) fn miss(&mut self, _: IpAddr) {
        match self.0 {}
    }

    pub(crate) fn next(&mut self, _: impl FnOnce() -> Vec<IpAddr>) -> Option<Found> {
        match self.0 {}
    }
}
