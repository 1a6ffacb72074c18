//! Reading the operator's files again while the daemon works.
//!
//! A thread of its own reads and compiles them, so that signals, statistics and the end never wait for a long map. One reload
//! runs at a time; however often another is asked for meanwhile, it runs once after it. All files are taken over, or none when one
//! has a fault.

use crate::pipeline::Pipeline;
use crate::service::describe;
use crate::settings::{Settings, packets::InterfacesMap, read_allow_list};
use crate::worker::Snapshot;
use config::Problems;
use config::problem::Severity;
use crossbeam_channel::{Receiver, TryRecvError};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tracing::{error, info, warn};

/// How long a reload waits for the workers to take it over.
const PATIENCE: Duration = Duration::from_secs(2);

/// The files that are read again, and what is needed to understand them.
pub(crate) struct Files {
    enrichment: enrich::spec::Spec,
    context: enrich::Context,
    allow: Option<PathBuf>,
    interfaces: Option<InterfacesMap>,
}

/// When files changed last, and how long they are; `None` for one that is not there.
type Changed = Vec<Option<(SystemTime, u64)>>;

impl Files {
    fn changed(&self) -> Changed {
        let files = self.enrichment.files().into_iter().chain(self.allow.as_deref());
        let state = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        files.map(state).collect()
    }

    /// What the files say now, compiled; nothing, and lines in the log, when something is wrong with them.
    fn read(&self, before: &Pipeline) -> Option<Snapshot> {
        let mut problems = Problems::new();
        #[cfg(feature = "pcap")]
        let interfaces = self.interfaces.as_ref().map(|map| map.read(&self.context, &mut problems));
        let files = enrich::Loaded::read(&self.enrichment, &self.context, &mut problems);
        let allow = self.allow.as_deref().and_then(|path| {
            read_allow_list(path, &config::Origin::whole(&path.display().to_string()), &mut problems)
        });
        let (faults, remarks): (Vec<_>, Vec<_>) = (problems.joined().into_iter())
            .filter(|problem| problem.severity > Severity::Debug)
            .partition(|problem| problem.severity >= Severity::Warning);
        if !faults.is_empty() {
            faults.iter().for_each(|fault| error!("{}", describe(fault)));
            error!("nothing was reloaded: what was in force stays in force");
            return None;
        }
        remarks.iter().for_each(|remark| warn!("{}", describe(remark)));
        files.sizes().iter().for_each(|size| info!("{size}"));
        Some(Snapshot {
            allow,
            pipeline: Arc::new(before.reloaded(&files)),
            #[cfg(feature = "pcap")]
            interfaces,
        })
    }
}

/// Where a reload stands.
enum Stage {
    Idle,
    /// A thread reads the files.
    Reading(Receiver<Option<Snapshot>>),
    /// Workers take over what was read, until then at most.
    Adopting(Instant),
}

/// What the main thread has to do.
pub(crate) enum Step {
    /// Hand this to the workers.
    HandOver(Snapshot),
    /// Nothing more: the reload is over.
    Ended,
}

/// The reloads of a daemon.
pub(crate) struct Reloads {
    files: Arc<Files>,
    identity: Identity,
    stage: Stage,
    /// Another one was asked for meanwhile.
    again: bool,
    /// Workers that work with what was read last.
    adopted: usize,
    /// `maps_watch`.
    watches: bool,
    /// The files as of the last reload, and as of the last look.
    known: Changed,
    settling: Changed,
}

impl Reloads {
    pub(crate) fn new(settings: &Settings) -> Self {
        let files = Files {
            enrichment: settings.enrichment.clone(),
            context: settings.context.clone(),
            allow: settings.allow_file.clone(),
            interfaces: settings.interfaces.clone(),
        };
        Self {
            known: files.changed(),
            files: Arc::new(files),
            identity: Identity::new(&settings.core_name, "core").debug(settings.debug),
            stage: Stage::Idle,
            again: false,
            adopted: 0,
            watches: settings.watch,
            settling: Changed::new(),
        }
    }

    /// Asks for a reload. True when it begins now.
    pub(crate) fn ask(&mut self, threads: &Threads, pipeline: &Arc<Pipeline>) -> bool {
        if !matches!(self.stage, Stage::Idle) {
            self.again = true;
            return false;
        }
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let (files, pipeline) = (Arc::clone(&self.files), Arc::clone(pipeline));
        // The end does not wait for it.
        let started = threads.spawn_aside("reload", self.identity.clone(), move || {
            let read = files.read(&pipeline);
            let _ = sender.send(read);
        });
        match &started {
            Ok(()) => self.stage = Stage::Reading(receiver),
            Err(error) => error!("cannot start a thread, nothing is reloaded: {error}"),
        }
        started.is_ok()
    }

    /// `maps_watch`: true when a file has changed since the last reload, and no more since the last look.
    pub(crate) fn has_changed(&mut self) -> bool {
        if !self.watches {
            return false;
        }
        let seen = self.files.changed();
        let is_due = seen != self.known && seen == self.settling;
        if is_due {
            self.known.clone_from(&seen);
        }
        self.settling = seen;
        is_due
    }

    /// A worker has taken over what was read last.
    pub(crate) fn adopted(&mut self) {
        self.adopted += 1;
    }

    /// When to look again at the latest; the end of the reading thread is an event.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Adopting(due) => Some(due),
            Stage::Idle | Stage::Reading(_) => None,
        }
    }

    /// What there is to do at `now`, while so many workers run.
    pub(crate) fn step(&mut self, now: Instant, workers: usize) -> Option<Step> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Reading(read) => match read.try_recv() {
                Err(TryRecvError::Empty) => None,
                Ok(Some(snapshot)) => {
                    self.adopted = 0;
                    self.stage = Stage::Adopting(now + PATIENCE);
                    Some(Step::HandOver(snapshot))
                }
                Ok(None) | Err(TryRecvError::Disconnected) => self.ended(),
            },
            Stage::Adopting(due) if self.adopted >= workers || now >= *due => {
                info!("maps, lists and networks: reloaded");
                self.ended()
            }
            Stage::Adopting(_) => None,
        }
    }

    fn ended(&mut self) -> Option<Step> {
        self.stage = Stage::Idle;
        Some(Step::Ended)
    }

    /// True once when another reload was asked for while this one ran.
    pub(crate) fn take_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }
}
