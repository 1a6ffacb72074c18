//! What the intakes from brokers have in common: their settings, the sources of the workers, and figures.

use super::feed::{self, Feed, Feeder};
use crate::flows::input::{Opened, Source};
use crate::flows::worker::{Datagrams, Worker};
use crate::host::part::{Reading, Services};
use crate::routing::figures::Figure;
use ::tee::message::Fault;
use config::PluginKind;
use config::keys::input;
use runtime::log::Limited;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// Minimum time between two lines about messages that are not used, and about a broker.
pub(super) const RATE: Duration = Duration::from_secs(10);
/// How long the reader waits for a worker before it looks whether to stop.
pub(super) const BUSY: Duration = Duration::from_millis(200);

/// Reports settings that a broker excludes. `which`: Kafka or ZeroMQ. Returns false if the daemon cannot start.
pub(super) fn check(reading: &mut Reading<'_>, which: &str) -> bool {
    let config = reading.config;
    let is_udp =
        [config.core_origin(&input::NFACCTD_IP).is_some(), config.core_origin(&input::NFACCTD_PORT).is_some()];
    let is_kafka = [
        config.core(&input::NFACCTD_KAFKA_BROKER_HOST).is_some(),
        config.core(&input::NFACCTD_KAFKA_TOPIC).is_some(),
    ];
    let origins = [
        config.core_origin(&input::PCAP_SAVEFILE).is_some(),
        is_udp.contains(&true),
        is_kafka.contains(&true),
        config.core(&input::NFACCTD_ZMQ_ADDRESS).is_some(),
    ];
    if origins.into_iter().filter(|origin| *origin).count() > 1 {
        reading.problems.fatal(
            config.source(),
            "pcap_savefile, nfacctd_ip, nfacctd_kafka_* and nfacctd_zmq_* are mutual exclusive. Exiting.",
            Some("Keep one of them. nfacctd_port belongs to nfacctd_ip.".to_owned()),
        );
        return false;
    }
    if let Some(tee) = config.plugins().iter().find(|plugin| plugin.kind == PluginKind::Tee) {
        let what = format!("{which} collection is mutual exclusive with 'tee' plugins. Exiting.");
        let hint = "Let the daemon that receives the datagrams replicate them.".to_owned();
        reading.problems.fatal(&tee.origin, what, Some(hint));
        return false;
    }
    if let Some(origin) = config.core_origin(&input::NFACCTD_TEMPLATES_PORT) {
        let what = format!("nfacctd_templates_port: datagrams come from {which}, so the port is not opened.");
        reading.problems.warn(origin, what, None);
    }
    true
}

/// The ways to the workers, from `open` to `start`.
#[derive(Default)]
pub(super) struct Waiting(Option<Feeder>);

impl Waiting {
    /// Creates a source for each worker.
    pub(super) fn open<P: Datagrams>(&mut self, workers: usize) -> Vec<Opened<P>> {
        let (feeder, feeds) = feed::channel(workers);
        self.0 = Some(feeder);
        let opened = |(feed, wake)| (Box::new(Fed(feed)) as Box<dyn Source<P>>, wake);
        feeds.into_iter().map(opened).collect()
    }

    /// The reader's end.
    pub(super) fn take(&mut self) -> Option<Feeder> {
        self.0.take()
    }
}

/// Datagrams that a reader passes on.
struct Fed(Feed);

impl<P: Datagrams> Source<P> for Fed {
    fn run(self: Box<Self>, worker: Worker<P>) {
        worker.run_fed(&self.0);
    }
}

/// Log lines about messages that hold no datagram.
pub(super) struct Misfits {
    key: &'static str,
    lines: Limited,
}

impl Misfits {
    pub(super) fn new(key: &'static str) -> Self {
        Self { key, lines: Limited::new(RATE) }
    }

    pub(super) fn report(&self, fault: Fault) {
        if let Some(pass) = self.lines.pass() {
            warn!(held_back = pass.held_back, "{}: a message is not used: {fault}", self.key);
        }
    }
}

/// What metrics show of the reader.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// What is read, in words.
    pub(super) what: String,
    /// 1 while it can be read.
    pub(super) up: Figure,
    pub(super) errors: Figure,
    /// Connections that were made, of ZeroMQ.
    pub(super) connections: Figure,
    /// Partitions that are read.
    pub(super) partitions: Figure,
    /// Partitions that were gained, released, and lost.
    pub(super) changes: [Figure; 3],
    /// Commits that succeeded, and that failed.
    pub(super) commits: [Figure; 2],
}

impl Figures {
    /// Shows them.
    pub(super) fn show(self: &Arc<Self>, services: &Services) {
        #[cfg(feature = "http")]
        services.board.add_source(Arc::new(shown::Shown(Arc::clone(self))));
        #[cfg(not(feature = "http"))]
        let _ = services;
    }
}

#[cfg(feature = "http")]
mod shown {
    use super::{Arc, Figure, Figures};
    use ::metrics::{Family, INTAKE, Sample, Source};

    /// For the metrics endpoint.
    pub(super) struct Shown(pub(super) Arc<Figures>);

    impl Source for Shown {
        fn families(&self) -> &'static [Family<'static>] {
            &INTAKE
        }

        fn samples(&self, family: usize, sample: &mut Sample<'_>) {
            let figures = &self.0;
            let mut by = |label, values: &[&str], of: &[Figure]| {
                values.iter().zip(of).for_each(|(value, figure)| sample(&[(label, value)], figure.get()));
            };
            match family {
                0 => sample(&[], figures.up.get()),
                1 => sample(&[], figures.errors.get()),
                2 => sample(&[], figures.connections.get()),
                3 => sample(&[], figures.partitions.get()),
                4 => by("change", &["gained", "released", "lost"], &figures.changes),
                5 => by("result", &["done", "failed"], &figures.commits),
                _ => {}
            }
        }

        fn unready(&self) -> Option<String> {
            (self.0.up.get() == 0).then(|| format!("{} cannot be read", self.0.what))
        }
    }
}
