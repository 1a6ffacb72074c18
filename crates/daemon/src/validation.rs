//! Route origin validation: the VRPs of a ROA file or of RTR caches, for the parts that validate routes.

use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use crate::host::{blame, describe};
use config::keys::rpki::RPKI_ROAS_FILE;
use config::problem::Severity;
use config::{Diagnostics, Names, Origin};
use rpki::runner::{Handle, Runner};
use rpki::settings::{self, Source};
use rpki::{Shared, Vrps, roas_file};
use runtime::notice;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{error, info, warn};

/// RPKI in the row of a daemon; it precedes the parts that validate routes.
pub(crate) static ROW: Rpki = Rpki;

/// The kind of this part.
pub(crate) struct Rpki;

struct Validation {
    source: Source,
    names: Names,
    shared: Arc<Shared>,
    /// Until it starts.
    runner: Option<Runner>,
    /// Keeps the sessions with caches.
    handle: Option<Handle>,
}

impl Kind for Rpki {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let source = settings::read(reading.config, reading.problems)?;
        let (names, shared) = (reading.names.clone(), Arc::new(Shared::new()));
        if let Source::File(path) = &source {
            let origin = blame(reading.config, &RPKI_ROAS_FILE).clone();
            shared.publish(Arc::new(read(&names, path, &origin, reading.problems)?));
        }
        reading.offers.put(Arc::clone(&shared));
        Some(Box::new(Validation { source, names, shared, runner: None, handle: None }))
    }
}

fn read(names: &Names, path: &Path, origin: &Origin, problems: &mut Diagnostics) -> Option<Vrps> {
    let key = names.of(&RPKI_ROAS_FILE);
    let vrps = roas_file::read(key, path, origin, problems)?;
    info!("[{}] map successfully (re)loaded: {key}, {} VRPs.", path.display(), vrps.len());
    Some(vrps)
}

impl Part for Validation {
    fn open(&mut self) -> Result<(), String> {
        if let Source::Caches(settings) = &self.source {
            self.runner = Some(Runner::new((**settings).clone())?);
        }
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        if let Some(runner) = self.runner.take() {
            let shared = Arc::clone(&self.shared);
            self.handle = Some(runner.start(&services.threads, services.identity.clone(), shared)?);
        }
        Ok(())
    }

    fn rereads(&self) -> Option<&'static str> {
        matches!(self.source, Source::File(_)).then_some("ROAs")
    }

    fn watched(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::File(path) => vec![path.clone()],
            Source::Caches(_) => Vec::new(),
        }
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        let Source::File(path) = &self.source else { return None };
        let (path, names, shared) = (path.clone(), self.names.clone(), Arc::clone(&self.shared));
        Some(Box::new(move || {
            let mut problems = Diagnostics::new();
            let origin = Origin::whole(&path.display().to_string());
            let vrps = read(&names, &path, &origin, &mut problems).map(Arc::new);
            for problem in &problems.joined() {
                match problem.severity {
                    Severity::Debug => {}
                    Severity::Remark | Severity::Warning => warn!("{}", describe(problem)),
                    Severity::Error | Severity::Fatal => error!("{}", describe(problem)),
                }
            }
            let vrps = vrps?;
            Some(Box::new(move || shared.publish(vrps)) as Commit)
        }))
    }

    fn report(&mut self, now: u64) {
        let counters = self.shared.counters();
        let (vrps, serving) = (counters.vrps.load(Ordering::Relaxed), counters.serving.load(Ordering::Relaxed));
        notice!("stats [rpki] time={now} rpki_vrps={vrps} rpki_serving_cache={serving}");
    }

    fn stop(&mut self) {
        self.handle = None;
    }

    fn has_failed(&mut self, _finite: bool) -> bool {
        false
    }
}
