//! The thread that takes parcels to their store.
//!
//! Between the plugin, which makes parcels, and the store, which may be slow, down or wrong, lies a queue. The plugin
//! never waits for the store; the courier waits for nothing but the store. What happens on the way comes back to the
//! plugin as [`Note`]s. Their channel has no bound of its own: there are a few for each parcel, and one for each failed
//! attempt, which a back-off keeps rare; the plugin reads them whenever it wakes.

use crate::backend::{Backend, Fault, Receipt};
use crate::backoff::Backoff;
use crate::parcel::{Parcel, ParcelId, Sum};
use crate::queue::{Backlog, Loss, Lost, Put, Queue};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often an idle store is looked after.
const IDLE: Duration = Duration::from_secs(1);
/// Longest wait between two attempts once nothing more comes: there is no time for more.
const AT_END: Duration = Duration::from_secs(1);
/// How long the courier may take to notice that its time is up, unless its store holds it.
const GRACE: Duration = Duration::from_millis(250);

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
    /// The store was opened at the start.
    Opened,
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
    end: Option<End>,
    /// What was left in the queue is accounted for: what the store still answers comes too late.
    closed: bool,
}

/// How long the end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all; `None` as long as the store takes one parcel after the other.
    pub total: Option<Duration>,
    /// Without a parcel that the store has taken.
    pub stalled: Duration,
}

/// How long a store that takes nothing may hold the end, when nothing is lost by not waiting for it.
const ON_DISK: Duration = Duration::from_secs(2);

impl Limits {
    /// So long for a store whose parcels wait in memory; hardly any time where they stay on disk.
    #[must_use]
    pub fn new(total: Duration, on_disk: bool) -> Self {
        Self { total: Some(total), stalled: if on_disk { total.min(ON_DISK) } else { total } }
    }

    /// As long as the store takes one parcel after the other: nobody waits for the end.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { total: None, ..self }
    }

    /// So long in all, whatever the store does.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        Self { total: Some(total), stalled: total }
    }
}

#[derive(Clone, Copy)]
struct End {
    deadline: Option<Instant>,
    stalled: Duration,
    /// When the store took the last parcel.
    progress: Instant,
}

impl End {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let deadline = limits.total.and_then(|total| now.checked_add(total));
        Self { deadline, stalled: limits.stalled, progress: now }
    }

    /// Until when to try.
    fn due(&self) -> Instant {
        let stalled = self.progress + self.stalled;
        self.deadline.map_or(stalled, |deadline| deadline.min(stalled))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the other side leaves a whole queue: nothing is half done when it may occur.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accounts for what is left in the queue. Either end may do it, the first one does.
    fn close(&self) -> Option<Vec<Note>> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, true) {
            return None;
        }
        let (lost, stays) = state.queue.end();
        let lost = lost.into_iter().map(|lost| Note::Lost { lost, what: String::new() });
        Some(lost.chain([Note::Ended { stays }]).collect())
    }
}

/// The plugin's end: gives parcels, and says when to end.
#[derive(Clone)]
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

    /// How much waits in the queue.
    pub fn backlog(&self) -> Backlog {
        self.shared.lock().queue.backlog()
    }

    /// Nothing more comes: the courier delivers what there is, tries within the limits, and ends.
    pub fn end(&self, limits: Limits) {
        self.shared.lock().end = Some(End::new(limits));
        self.shared.changed.notify_all();
    }

    /// As [`Self::end`], and hands on all notes up to [`Note::Ended`]. A courier that its store still holds when the time is
    /// up is left behind: what it was about to deliver is lost, or stays on disk, like all that waits behind it.
    pub fn finish(&self, notes: &Receiver<Note>, limits: Limits, mut each: impl FnMut(Note)) {
        self.end(limits);
        loop {
            let due = self.shared.lock().end.map_or_else(Instant::now, |end| end.due()) + GRACE;
            match notes.recv_deadline(due) {
                Ok(note) => {
                    let last = matches!(note, Note::Ended { .. });
                    each(note);
                    if last {
                        return;
                    }
                }
                // A parcel was delivered meanwhile.
                Err(RecvTimeoutError::Timeout) if self.is_in_time() => {}
                Err(_) => return self.leave_behind(notes, each),
            }
        }
    }

    fn is_in_time(&self) -> bool {
        self.shared.lock().end.is_some_and(|end| Instant::now() < end.due())
    }

    fn leave_behind(&self, notes: &Receiver<Note>, mut each: impl FnMut(Note)) {
        match self.shared.close() {
            // What the courier had to say before is here: it speaks under the lock.
            Some(left) => notes.try_iter().chain(left).for_each(each),
            // It has come to its end just now.
            None => notes.iter().for_each(&mut each),
        }
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
    let shared =
        Arc::new(Shared { state: Mutex::new(State { queue, end: None, closed: false }), changed: Condvar::new() });
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
    Idle,
    End,
}

impl Courier {
    /// Opens the store and hands on what it says to that; then delivers as [`Self::run`]. A store that says no to the
    /// configuration gets nothing: the daemon ends.
    pub fn open_and_run(mut self, said: impl FnOnce(Result<(), Fault>)) {
        let opened = self.backend.open();
        let refused = matches!(opened, Err(Fault::Configuration { .. }));
        if opened.is_err() {
            self.failing = Some(Instant::now());
        }
        let is_open = opened.is_ok();
        said(opened);
        if is_open {
            self.note(Note::Opened);
        }
        if refused {
            self.wait_for_the_end();
            self.close();
        } else {
            self.run();
        }
    }

    /// Delivers until the plugin says that nothing more comes and the queue is empty or the time is up.
    pub fn run(mut self) {
        loop {
            match self.next() {
                Next::Deliver(parcel) => self.deliver(&parcel),
                Next::Idle => self.backend.idle(),
                Next::End => break,
            }
        }
        self.backend.close();
        self.close();
    }

    fn close(&self) {
        self.shared.close().into_iter().flatten().for_each(|note| self.note(note));
    }

    fn wait_for_the_end(&self) {
        let mut state = self.shared.lock();
        while state.end.is_none() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn next(&self) -> Next {
        let mut state = self.shared.lock();
        loop {
            if state.closed {
                return Next::End;
            }
            match state.queue.take() {
                Some(Ok(parcel)) => {
                    return if state.end.is_some_and(|end| Instant::now() >= end.due()) {
                        Next::End
                    } else {
                        Next::Deliver(parcel)
                    };
                }
                Some(Err(lost)) => {
                    self.note(Note::Lost { lost, what: "its file cannot be read".to_owned() });
                    continue;
                }
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
        let Parcel { id, purge, sum, .. } = **parcel;
        match result {
            Ok(()) => {
                self.works();
                let refused = receipt.refused().map(|(sum, reason)| (sum, reason.to_owned()));
                self.done(Note::Delivered { id, purge, sum, refused });
            }
            Err(Fault::Parcel(what)) => {
                self.done(Note::Lost { lost: Lost { id, purge, sum, why: Loss::Refused }, what });
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

    /// Takes the parcel out of the queue and says why, in one step: it is in the queue or noted when the plugin closes that.
    fn done(&self, note: Note) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        state.queue.done();
        if let Some(end) = &mut state.end {
            end.progress = Instant::now();
        }
        self.note(note);
    }

    /// What follows this fault.
    fn again(&mut self, fault: &Fault) -> Again {
        let wait = self.backoff.fail();
        match self.shared.lock().end {
            None => Again { after: Some(wait), is_known: false },
            Some(end) => {
                let left = end.due().saturating_duration_since(Instant::now());
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
            let until = state.end.map_or(until, |end| until.min(end.due()).min(Instant::now() + AT_END));
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
