//! Reading again what parts can read again, while the daemon works.
//!
//! A thread of its own reads and compiles it, so that signals, statistics and the end never wait for a long map. One reload
//! runs at a time; however often another is asked for meanwhile, it runs once after it. What all parts have read takes effect, or
//! nothing when one of them finds something wrong.

use super::part::{Commit, Prepare};
use crossbeam_channel::{Receiver, TryRecvError};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tracing::{error, info};

/// How long a reload waits until all threads work with what was read.
const PATIENCE: Duration = Duration::from_secs(2);

/// When files changed last, and how long they are; `None` for one that is not there.
type Changed = Vec<Option<(SystemTime, u64)>>;

/// Where a reload stands.
enum Stage {
    Idle,
    /// A thread reads.
    Reading(Receiver<Option<Vec<Commit>>>),
    /// Threads change over to what was read, until then at most.
    Settling(Instant),
}

/// What the main thread has to do.
pub(super) enum Step {
    /// Put this in force.
    Commit(Vec<Commit>),
    /// Nothing more: the reload is over.
    Ended,
}

/// The reloads of a daemon.
pub(super) struct Reloads {
    identity: Identity,
    stage: Stage,
    /// Another one was asked for meanwhile.
    repeat: bool,
    /// What is reloaded, in words.
    what: String,
    /// Files whose change starts a reload.
    watched: Vec<PathBuf>,
    /// The files as of the last reload, and as of the last look.
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

    /// Whether there is anything that can be read again.
    pub(super) fn is_any(&self) -> bool {
        !self.what.is_empty()
    }

    /// Asks for a reload, of which `prepare` gives the first steps. True when it begins now.
    pub(super) fn ask(&mut self, threads: &Threads, prepare: impl FnOnce() -> Vec<Prepare>) -> bool {
        if !matches!(self.stage, Stage::Idle) {
            self.repeat = true;
            return false;
        }
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let steps = prepare();
        // The end does not wait for it.
        let started = threads.spawn_aside("reload", self.identity.clone(), move || {
            let _ = sender.send(all(steps));
        });
        match &started {
            Ok(()) => self.stage = Stage::Reading(receiver),
            Err(error) => error!("nothing was reloaded: cannot start a thread: {error}"),
        }
        started.is_ok()
    }

    /// `maps_watch`: true when a file has changed since the last reload, and no more since the last look.
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

    /// When to look again at the latest; the end of the reading thread is an event.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Settling(due) => Some(due),
            Stage::Idle | Stage::Reading(_) => None,
        }
    }

    /// What there is to do at `now`; `settled` says whether all threads work with what was read last.
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

    /// True once when another reload was asked for while this one ran.
    pub(super) fn take_repeat(&mut self) -> bool {
        std::mem::take(&mut self.repeat)
    }
}

/// Takes the first step of all parts, so that all that is wrong is logged; what was read, if nothing is.
fn all(steps: Vec<Prepare>) -> Option<Vec<Commit>> {
    let read: Vec<Option<Commit>> = steps.into_iter().map(|prepare| prepare()).collect();
    let read: Option<Vec<Commit>> = read.into_iter().collect();
    if read.is_none() {
        error!("nothing was reloaded: the previous maps and lists stay in force");
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
