//! The log as a part of a daemon: it offers its ends ([`Ends`]) to the part whose workers read counter samples.

use super::{Ends, Log, Settings, open};
use crate::host::files_of;
use crate::host::part::{Kind, Part, Reading, Services};
use config::keys::output;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::error;
#[cfg(all(feature = "amqp", feature = "kafka"))]
use {
    config::{Config, Problems},
    delivery::Fault,
    encode::names::{self, Lookup, Variable},
};

/// The log of counter samples.
pub(crate) static ROW: CounterLogs = CounterLogs;

/// The kind of this part.
pub(crate) struct CounterLogs;

struct CounterLog {
    /// Until it starts.
    log: Option<Log>,
    path: Option<PathBuf>,
    /// Blocks that a file or a broker did not take.
    unwritten: Arc<AtomicU64>,
}

impl Kind for CounterLogs {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let config = reading.config;
        let settings = Settings {
            path: config.core(&output::SFACCTD_COUNTER_FILE),
            #[cfg(all(feature = "amqp", feature = "kafka"))]
            feeds: brokers::feed::Settings::read(config, config::Place::SFACCTD_COUNTER),
            files: files_of(config),
            style: plugins::sink::core_style(config),
        };
        #[cfg(all(feature = "amqp", feature = "kafka"))]
        let has_feeds = {
            check(config, config::Place::SFACCTD_COUNTER, &settings.feeds, reading.problems);
            !settings.feeds.is_empty()
        };
        #[cfg(not(all(feature = "amqp", feature = "kafka")))]
        let has_feeds = false;
        if settings.path.is_none() && !has_feeds {
            return None;
        }
        let (path, unwritten) = (settings.path.clone(), Arc::default());
        let (ends, log) = open(settings, &reading.reopenings, &unwritten);
        reading.offers.put::<Ends>(ends);
        Some(Box::new(CounterLog { log: Some(log), path, unwritten }))
    }
}

impl Part for CounterLog {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.path.iter().map(|path| ("sfacctd_counter_file", path.clone())).collect()
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        #[cfg_attr(
            not(all(feature = "amqp", feature = "kafka")),
            expect(unused_mut, reason = "it has no brokers")
        )]
        let Some(mut log) = self.log.take() else { return Ok(()) };
        #[cfg(all(feature = "amqp", feature = "kafka"))]
        for (feed, courier) in log.open_feeds() {
            let threads = services.threads.clone();
            services.threads.spawn_aside("counters/delivery", services.identity.clone(), move || {
                feed.run(courier, |what| threads.refuse(what));
            })?;
        }
        services.threads.spawn("counters", services.identity.clone(), move || log.run())
    }

    fn has_failed(&mut self, finite: bool) -> bool {
        let unwritten = self.unwritten.load(Ordering::Acquire);
        if unwritten > 0 {
            error!("{unwritten} blocks of counters were not written");
        }
        finite && unwritten > 0
    }
}

/// Checks what is sent to brokers.
#[cfg(all(feature = "amqp", feature = "kafka"))]
fn check(config: &Config, place: config::Place, feeds: &[brokers::feed::Settings], problems: &mut Problems) {
    // Only the peer is known here.
    let lookup: Lookup = |text| names::of_records(text).filter(|(word, _)| *word == "peer_src_ip");
    for feed in feeds {
        if let Err(Fault::Configuration { key, what }) = feed.check() {
            let key = format!("{}{key}", place.0);
            let origin = config.core_origin_named(&key).unwrap_or(config.source());
            problems.fatal(origin, format!("{key}: {what}."), None);
        }
        for (key, text) in feed.names() {
            let key = format!("{}{key}", place.0);
            let origin = config.core_origin_named(&key).unwrap_or(config.source());
            for variable in names::variables(text, lookup) {
                if let Variable::Unknown(word) = variable {
                    let what = format!("{key}: '${word}' is no variable here, and stays as it is.");
                    problems.warn(origin, what, Some(crate::flows::meant(word, lookup)));
                }
            }
        }
    }
}
