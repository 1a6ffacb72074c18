//! Reloads, while the daemon works.
//!
//! A thread of its own reads and compiles, so that signals, statistics and shutdown never wait for a large map. One reload
//! runs at a time; requests meanwhile are merged into one reload after it. The results of all parts take effect, or
//! none if one of them finds an error.

use super::part::{Commit, Prepare};
use crossbeam_channel::{Receiver, TryRecvError};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tracing::{error, info};

/// How long a reload waits until all threads use the result.
const PATIENCE: Duration = Duration::from_secs(2);

/// Modification times and sizes of files; `None` for a missing one.
type Changed = Vec<Option<(SystemTime, u64)>>;

/// The state of a reload.
enum Stage {
    Idle,
    /// A thread reads.
    Reading(Receiver<Option<Vec<Commit>>>),
    /// Threads apply the result, until then at most.
    Settling(Instant),
}

/// The next step of the main thread.
pub(super) enum Step {
    /// Apply this.
    Commit(Vec<Commit>),
    /// Nothing more: the reload is over.
    Ended,
}

/// The reloads of a daemon.
pub(super) struct Reloads {
    identity: Identity,
    stage: Stage,
    /// Another reload was requested meanwhile.
    repeat: bool,
    /// What is reloaded, in words.
    what: String,
    /// Files whose change starts a reload.
    watched: Vec<PathBuf>,
    /// The files as of the last reload, and as of the last check.
    known: Changed,
    settling: Changed,
}

impl Reloads {
    /// `what`: what is reloaded, in words; `watched`: the files whose change starts a reload.
    pub(super) fn new(identity: Identity, what: &[&str], watched: Vec<PathBuf>) -> Self {
        Self {
            known: changed(&watched),
            watched,
            what: what.join(", "),
            identity,
            stage: Stage::Idle,
            repeat: false,
            settling: Changed::new(),
        }
    }

    /// Whether there is anything to reload.
    pub(super) fn is_any(&self) -> bool {
        !self.what.is_empty()
    }

    /// Requests a reload; `prepare` returns its first steps. Returns true when it begins now.
    pub(super) fn ask(&mut self, threads: &Threads, prepare: impl FnOnce() -> Vec<Prepare>) -> bool {
        if !matches!(self.stage, Stage::Idle) {
            self.repeat = true;
            return false;
        }
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let steps = prepare();
        // Shutdown does not wait for it.
        let started = threads.spawn_aside("reload", self.identity.clone(), move || {
            let _ = sender.send(all(steps));
        });
        match &started {
            Ok(()) => self.stage = Stage::Reading(receiver),
            Err(error) => error!("nothing was reloaded: cannot start a thread: {error}"),
        }
        started.is_ok()
    }

    /// `maps_watch`: true when a file has changed since the last reload, and not since the last check.
    pub(super) fn has_changed(&mut self) -> bool {
        if self.watched.is_empty() {
            return false;
        }
        let seen = changed(&self.watched);
        let is_due = seen != self.known && seen == self.settling;
        if is_due {
            self.known.clone_from(&seen);
        }
        self.settling = seen;
        is_due
    }

    /// When to check again at the latest; the end of the reading thread is an event.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Settling(due) => Some(due),
            Stage::Idle | Stage::Reading(_) => None,
        }
    }

    /// The next step at `now`; `settled` returns whether all threads use what was last read.
    pub(super) fn step(&mut self, now: Instant, settled: impl FnOnce() -> bool) -> Option<Step> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Reading(read) => match read.try_recv() {
                Err(TryRecvError::Empty) => None,
                Ok(Some(commits)) => {
                    self.stage = Stage::Settling(now + PATIENCE);
                    Some(Step::Commit(commits))
                }
                Ok(None) | Err(TryRecvError::Disconnected) => self.ended(),
            },
            Stage::Settling(due) if now >= *due || settled() => {
                info!("{}: reloaded", self.what);
                self.ended()
            }
            Stage::Settling(_) => None,
        }
    }

    fn ended(&mut self) -> Option<Step> {
        self.stage = Stage::Idle;
        Some(Step::Ended)
    }

    /// Returns true once when another reload was requested while this one ran.
    pub(super) fn take_repeat(&mut self) -> bool {
        std::mem::take(&mut self.repeat)
    }
}

/// Runs the first step of all parts, so that all errors are logged. Returns the results if there was none.
fn all(steps: Vec<Prepare>) -> Option<Vec<Commit>> {
    let read: Vec<Option<Commit>> = steps.into_iter().map(|prepare| prepare()).collect();
    let read: Option<Vec<Commit>> = read.into_iter().collect();
    if read.is_none() {
        error!("nothing was reloaded: the previous state stays in force");
    }
    read
}

fn changed(files: &[PathBuf]) -> Changed {
    let state = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_parts_are_reloaded_or_none() {
        let (asked, committed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let part = |good: bool| -> Prepare {
            let (asked, committed) = (Arc::clone(&asked), Arc::clone(&committed));
            Box::new(move || {
                asked.fetch_add(1, Ordering::Relaxed);
                good.then(|| Box::new(move || _ = committed.fetch_add(1, Ordering::Relaxed)) as Commit)
            })
        };
        assert!(all(vec![part(true), part(false), part(true)]).is_none());
        assert_eq!((asked.load(Ordering::Relaxed), committed.load(Ordering::Relaxed)), (3, 0));
        let commits = all(vec![part(true), part(true)]).unwrap();
        commits.into_iter().for_each(|commit| commit());
        assert_eq!(committed.load(Ordering::Relaxed), 2);
    }
}
