//! The thread that takes parcels to their store.
//!
//! Between the plugin, which makes parcels, and the store, which may be slow, down or wrong, lies a queue. The plugin
//! never waits for the store; the courier waits for nothing but the store. What happens on the way comes back to the
//! plugin as [`Note`]s. Their channel has no bound of its own: there are a few for each parcel, and one for each failed
//! attempt, which a back-off keeps rare; the plugin reads them whenever it wakes.

use crate::backend::{Backend, Fault, Receipt};
use crate::backoff::Backoff;
use crate::parcel::{Parcel, ParcelId, Sum};
use crate::queue::{Loss, Lost, Put, Queue};
use crossbeam_channel::{Receiver, Sender};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often an idle store is looked after.
const IDLE: Duration = Duration::from_secs(1);
/// Longest wait between two attempts once nothing more comes: there is no time for more.
const AT_END: Duration = Duration::from_secs(1);

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The store has a parcel, but for what it refused.
    Delivered {
        /// The parcel.
        id: ParcelId,
        /// Its purge.
        purge: u64,
        /// All that it held.
        sum: Sum,
        /// What the store refused of that, and the first reason.
        refused: Option<(Sum, String)>,
    },
    /// A parcel is lost.
    Lost {
        /// The parcel.
        lost: Lost,
        /// Why, in more words; empty at the end.
        what: String,
    },
    /// An attempt failed.
    Trouble(Fault, Again),
    /// The store works again, after so long.
    Recovered(Duration),
    /// The courier has ended; so much stays on disk for the next start.
    Ended {
        /// What stays.
        stays: Sum,
    },
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// After how long the next one is made; `None` when the time is up.
    pub after: Option<Duration>,
    /// The same was reported before, and the end is near: attempts follow each other too closely to log each.
    pub is_known: bool,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "trying again in {} s", after.as_secs_f64().ceil()),
            None => f.write_str("no time is left to try again"),
        }
    }
}

/// What plugin and courier share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue,
    /// Until when to go on, once nothing more comes.
    end: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the other side leaves a whole queue: nothing is half done when it may occur.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plugin's end: gives parcels, and says when to end.
pub struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    /// Puts a parcel into the queue.
    pub fn put(&self, parcel: Parcel) -> Put {
        let put = self.shared.lock().queue.put(parcel);
        self.shared.changed.notify_all();
        put
    }

    /// Parcels that wait, and their octets.
    pub fn waiting(&self) -> (usize, u64) {
        let state = self.shared.lock();
        (state.queue.len(), state.queue.octets())
    }

    /// Nothing more comes: the courier delivers what there is, tries until the deadline, and ends.
    pub fn end(&self, deadline: Instant) {
        self.shared.lock().end = Some(deadline);
        self.shared.changed.notify_all();
    }
}

/// The courier's end.
pub struct Courier {
    shared: Arc<Shared>,
    backend: Box<dyn Backend>,
    notes: Sender<Note>,
    backoff: Backoff,
    /// Since when nothing works.
    failing: Option<Instant>,
    receipt: Option<(ParcelId, Receipt)>,
    /// What went wrong last.
    trouble: Option<Fault>,
}

/// A courier over that queue; the plugin's end; and the courier's notes.
pub fn new(backend: Box<dyn Backend>, queue: Queue) -> (Desk, Courier, Receiver<Note>) {
    let shared = Arc::new(Shared { state: Mutex::new(State { queue, end: None }), changed: Condvar::new() });
    let (notes, receiver) = crossbeam_channel::unbounded();
    let courier = Courier {
        shared: Arc::clone(&shared),
        backend,
        notes,
        backoff: Backoff::default(),
        failing: None,
        receipt: None,
        trouble: None,
    };
    (Desk { shared }, courier, receiver)
}

/// What to do next.
enum Next {
    Deliver(Arc<Parcel>),
    Gone(Lost),
    Idle,
    End,
}

impl Courier {
    /// Delivers until the plugin says that nothing more comes and the queue is empty or the time is up.
    pub fn run(mut self) {
        loop {
            match self.next() {
                Next::Deliver(parcel) => self.deliver(&parcel),
                Next::Gone(lost) => self.note(Note::Lost { lost, what: "its file cannot be read".to_owned() }),
                Next::Idle => self.backend.idle(),
                Next::End => break,
            }
        }
        self.backend.close();
        let (lost, stays) = self.shared.lock().queue.end();
        for lost in lost {
            self.note(Note::Lost { lost, what: String::new() });
        }
        self.note(Note::Ended { stays });
    }

    fn next(&self) -> Next {
        let mut state = self.shared.lock();
        loop {
            match state.queue.take() {
                Some(Ok(parcel)) => {
                    return if state.end.is_some_and(|end| Instant::now() >= end) {
                        Next::End
                    } else {
                        Next::Deliver(parcel)
                    };
                }
                Some(Err(lost)) => return Next::Gone(lost),
                None if state.end.is_some() => return Next::End,
                None => {}
            }
            let (woken, timeout) =
                self.shared.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() {
                return Next::Idle;
            }
        }
    }

    fn deliver(&mut self, parcel: &Arc<Parcel>) {
        let mut receipt = match self.receipt.take() {
            Some((id, receipt)) if id == parcel.id => receipt,
            _ => Receipt::new(parcel.items),
        };
        let result = self.backend.open().and_then(|()| self.backend.deliver(parcel, &mut receipt));
        match result {
            Ok(()) => {
                self.shared.lock().queue.done();
                self.works();
                let refused = receipt.refused().map(|(sum, reason)| (sum, reason.to_owned()));
                let Parcel { id, purge, sum, .. } = **parcel;
                self.note(Note::Delivered { id, purge, sum, refused });
            }
            Err(Fault::Parcel(what)) => {
                self.shared.lock().queue.done();
                let Parcel { id, purge, sum, .. } = **parcel;
                self.note(Note::Lost { lost: Lost { id, purge, sum, why: Loss::Refused }, what });
            }
            Err(fault) => {
                self.receipt = Some((parcel.id, receipt));
                self.failing.get_or_insert_with(Instant::now);
                let again = self.again(&fault);
                self.trouble = Some(fault.clone());
                self.note(Note::Trouble(fault, again));
                self.wait(again.after.unwrap_or_default());
            }
        }
    }

    /// What follows this fault.
    fn again(&mut self, fault: &Fault) -> Again {
        let wait = self.backoff.fail();
        match self.shared.lock().end {
            None => Again { after: Some(wait), is_known: false },
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                let after = Some(wait.min(AT_END)).filter(|after| *after < left);
                Again { after, is_known: self.trouble.as_ref() == Some(fault) }
            }
        }
    }

    fn works(&mut self) {
        self.backoff.reset();
        self.trouble = None;
        if let Some(since) = self.failing.take() {
            self.note(Note::Recovered(since.elapsed()));
        }
    }

    /// Waits before the next attempt. New parcels do not cut it short; the end does at its deadline.
    fn wait(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.shared.lock();
        loop {
            // At the end there is no time for long waits.
            let until = state.end.map_or(until, |end| until.min(end).min(Instant::now() + AT_END));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let ends = state.end.is_some();
            let (woken, _) = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if ends {
                return;
            }
        }
    }

    fn note(&self, note: Note) {
        // The plugin's thread may have ended after an error; then nobody counts any more.
        let _ = self.notes.send(note);
    }
}

#[cfg(test)]
mod tests;
