//! The log as a part of a daemon: it offers its ends ([`Ends`]) to the part whose workers read counter samples.

use super::{Ends, Log, VARIABLES, open};
use crate::host::files_of;
use crate::host::part::{Kind, Part, Reading, Services};
use config::keys::output;
use config::{Config, Diagnostics, KeyPrefix};
use delivery::StoreError;
use encode::names::{self, Lookup, Variable};
use event_log::{Delivery, Settings};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::error;

/// The log of counter samples.
pub(crate) static ROW: CounterLogs = CounterLogs;

/// The kind of this part.
pub(crate) struct CounterLogs;

struct CounterLog {
    /// Until they start.
    log: Option<Log>,
    deliveries: Vec<Delivery>,
    path: Option<PathBuf>,
    /// Blocks that could not be written to a file or sent to a broker.
    unwritten: Arc<AtomicU64>,
}

impl Kind for CounterLogs {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let config = reading.config;
        let mut settings = Settings::read(config, KeyPrefix::SFACCTD_COUNTER, VARIABLES);
        settings.file = config.core(&output::SFACCTD_COUNTER_FILE);
        settings.files = files_of(config);
        settings.style = plugins::sink::core_style(config);
        check(config, &settings, reading.problems);
        if !settings.is_used() || reading.problems.is_fatal() {
            return None;
        }
        let (path, unwritten) = (settings.file.clone(), Arc::default());
        let (ends, log, deliveries) = open(&settings, &reading.reopenings, &unwritten);
        reading.offers.put::<Ends>(ends);
        Some(Box::new(CounterLog { log: Some(log), deliveries, path, unwritten }))
    }
}

impl Part for CounterLog {
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.path.iter().map(|path| ("sfacctd_counter_file", path.clone())).collect()
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let Some(log) = self.log.take() else { return Ok(()) };
        for delivery in std::mem::take(&mut self.deliveries) {
            let threads = services.threads.clone();
            services.threads.spawn_aside("counters/delivery", services.identity.clone(), move || {
                delivery.run(|what| threads.fail(what));
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

/// Checks the settings of the log, and the variables in its names.
fn check(config: &Config, settings: &Settings, problems: &mut Diagnostics) {
    // Only the peer's address is available here.
    let lookup: Lookup = |text| names::of_records(text).filter(|(word, _)| VARIABLES.contains(word));
    let prefix = settings.prefix.0;
    for error in settings.check() {
        if let StoreError::Configuration { key, what } = error {
            let key = format!("{prefix}{key}");
            let origin = config.core_origin_named(&key).unwrap_or(config.source());
            problems.fatal(origin, format!("{key}: {what}."), None);
        }
    }
    for (key, text) in settings.names() {
        let key = format!("{prefix}{key}");
        let origin = config.core_origin_named(&key).unwrap_or(config.source());
        for variable in names::variables(text, lookup) {
            if let Variable::Unknown(word) = variable {
                let what = format!("{key}: '${word}' is not a variable here and is used literally.");
                problems.warn(origin, what, Some(crate::flows::meant(word, lookup)));
            }
        }
    }
}
