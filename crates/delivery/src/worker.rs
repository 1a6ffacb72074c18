//! The delivery worker: the thread that delivers batches to their store.
//!
//! A queue separates the plugin, which creates batches, from the store, which may be slow or down. Only the delivery worker
//! waits for the store, the plugin never does. The worker reports to the plugin by [`Note`]s. Their channel is unbounded:
//! there are a few for each batch, and one for each failed attempt, which the back-off keeps rare; the plugin reads them
//! whenever it wakes.

use crate::backend::{Backend, Receipt, StoreError};
use crate::backoff::Backoff;
use crate::batch::{BatchId, Sum, WriteBatch};
use crate::queue::{Backlog, DropCause, Dropped, Put, Queue};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often [`Backend::idle`] is called.
const IDLE: Duration = Duration::from_secs(1);
/// Longest wait between two attempts during shutdown.
const AT_END: Duration = Duration::from_secs(1);
/// How long the delivery worker may take to notice its deadline, unless its store blocks it.
const GRACE: Duration = Duration::from_millis(250);

/// What the delivery worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The store has accepted a batch, except for the items that it refused.
    Delivered {
        /// The batch.
        id: BatchId,
        /// Its purge.
        purge: u64,
        /// The sum over its items.
        sum: Sum,
        /// The sum of the refused items, and the reason for the first refusal.
        refused: Option<(Sum, String)>,
    },
    /// A batch was dropped.
    Dropped {
        /// The batch.
        lost: Dropped,
        /// Details of the reason; empty for batches dropped at shutdown.
        what: String,
    },
    /// An attempt failed.
    Failed(StoreError, Retry),
    /// The store was opened at start-up.
    Opened,
    /// The store works again, after an outage of that length.
    Recovered(Duration),
    /// The delivery worker has ended.
    Ended {
        /// What is left in the spool for the next start.
        spooled: Sum,
    },
}

/// When a failed attempt is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The time until then; `None` when no time is left.
    pub after: Option<Duration>,
    /// The same failure was reported before, and the daemon is shutting down: attempts are too frequent to log each of them.
    pub is_repeated: bool,
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "retrying in {} s", after.as_secs_f64().ceil()),
            None => f.write_str("no time is left to retry"),
        }
    }
}

/// The state that plugin and delivery worker share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue,
    /// The deadline, once the daemon is shutting down.
    end: Option<End>,
    /// The rest of the queue is accounted for: later answers of the store no longer count.
    closed: bool,
}

/// How long shutdown may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In total; `None`: as long as the store accepts one batch after the other.
    pub total: Option<Duration>,
    /// Without progress, that is, without a batch that the store accepts.
    pub stalled: Duration,
}

/// How long a store that accepts nothing may delay shutdown when the queued batches are on disk.
const ON_DISK: Duration = Duration::from_secs(2);

impl Limits {
    /// `total` for a store whose batches are queued in memory; at most two seconds without progress where they stay on disk.
    #[must_use]
    pub fn new(total: Duration, on_disk: bool) -> Self {
        Self { total: Some(total), stalled: if on_disk { total.min(ON_DISK) } else { total } }
    }

    /// No total limit, as long as the store accepts one batch after the other.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { total: None, ..self }
    }

    /// `total`, whatever the store does.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        Self { total: Some(total), stalled: total }
    }
}

#[derive(Clone, Copy)]
struct End {
    deadline: Option<Instant>,
    stalled: Duration,
    /// When the store accepted the last batch.
    progress: Instant,
}

impl End {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let deadline = limits.total.and_then(|total| now.checked_add(total));
        Self { deadline, stalled: limits.stalled, progress: now }
    }

    /// When to stop trying.
    fn due(&self) -> Instant {
        let stalled = self.progress + self.stalled;
        self.deadline.map_or(stalled, |deadline| deadline.min(stalled))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The queue is consistent wherever the other thread might panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accounts for the rest of the queue. Only the first of the two threads that call this does so.
    fn close(&self) -> Option<Vec<Note>> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, true) {
            return None;
        }
        let (lost, spooled) = state.queue.end();
        let lost = lost.into_iter().map(|lost| Note::Dropped { lost, what: String::new() });
        Some(lost.chain([Note::Ended { spooled }]).collect())
    }
}

/// The plugin's side: adds batches, and ends the delivery.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Outbox {
    /// Adds a batch to the queue.
    pub fn put(&self, batch: WriteBatch) -> Put {
        let put = self.shared.lock().queue.put(batch);
        self.shared.changed.notify_all();
        put
    }

    /// The size of the queue.
    pub fn backlog(&self) -> Backlog {
        self.shared.lock().queue.backlog()
    }

    /// Starts shutdown: the delivery worker delivers the queued batches, within the limits, and ends.
    pub fn end(&self, limits: Limits) {
        self.shared.lock().end = Some(End::new(limits));
        self.shared.changed.notify_all();
    }

    /// As [`Self::end`], and passes on all notes up to [`Note::Ended`]. A delivery worker that is still blocked by its store at
    /// the deadline is abandoned: the batch in delivery and all batches after it are dropped, or stay on disk.
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
                // A batch was delivered in the meantime.
                Err(RecvTimeoutError::Timeout) if self.is_in_time() => {}
                Err(_) => return self.abandon(notes, each),
            }
        }
    }

    fn is_in_time(&self) -> bool {
        self.shared.lock().end.is_some_and(|end| Instant::now() < end.due())
    }

    fn abandon(&self, notes: &Receiver<Note>, mut each: impl FnMut(Note)) {
        match self.shared.close() {
            // The worker sends its notes under the lock, so all earlier ones are in the channel.
            Some(left) => notes.try_iter().chain(left).for_each(each),
            // The worker has ended in the meantime.
            None => notes.iter().for_each(&mut each),
        }
    }
}

/// The delivery worker's side.
pub struct Worker {
    shared: Arc<Shared>,
    backend: Box<dyn Backend>,
    notes: Sender<Note>,
    backoff: Backoff,
    /// When deliveries began to fail.
    failing: Option<Instant>,
    receipt: Option<(BatchId, Receipt)>,
    /// The last failure.
    failure: Option<StoreError>,
}

/// Creates a delivery worker for a queue. Returns the plugin's side, the worker, and its notes.
pub fn new(backend: Box<dyn Backend>, queue: Queue) -> (Outbox, Worker, Receiver<Note>) {
    let shared =
        Arc::new(Shared { state: Mutex::new(State { queue, end: None, closed: false }), changed: Condvar::new() });
    let (notes, receiver) = crossbeam_channel::unbounded();
    let worker = Worker {
        shared: Arc::clone(&shared),
        backend,
        notes,
        backoff: Backoff::default(),
        failing: None,
        receipt: None,
        failure: None,
    };
    (Outbox { shared }, worker, receiver)
}

/// What to do next.
enum Next {
    Deliver(Arc<WriteBatch>),
    Idle,
    End,
}

impl Worker {
    /// Sets the longest wait before a failed attempt is repeated; a minute by default. Waits grow from one second up to it.
    #[must_use]
    pub fn with_longest_wait(self, longest: Duration) -> Self {
        Self { backoff: Backoff::with_longest(longest), ..self }
    }

    /// Opens the store, reports the result, and then delivers as [`Self::run`]. Nothing is delivered to a store that rejects the
    /// configuration: the daemon ends.
    pub fn open_and_run(mut self, report: impl FnOnce(Result<(), StoreError>)) {
        let opened = self.backend.open();
        let is_rejected = matches!(opened, Err(StoreError::Configuration { .. }));
        if opened.is_err() {
            self.failing = Some(Instant::now());
        }
        let is_open = opened.is_ok();
        report(opened);
        if is_open {
            self.note(Note::Opened);
        }
        if is_rejected {
            self.wait_for_shutdown();
            self.close();
        } else {
            self.run();
        }
    }

    /// Delivers until the plugin has started shutdown and the queue is empty or the deadline has passed.
    pub fn run(mut self) {
        loop {
            match self.next() {
                Next::Deliver(batch) => self.deliver(&batch),
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

    fn wait_for_shutdown(&self) {
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
                Some(Ok(batch)) => {
                    return if state.end.is_some_and(|end| Instant::now() >= end.due()) {
                        Next::End
                    } else {
                        Next::Deliver(batch)
                    };
                }
                Some(Err(lost)) => {
                    self.note(Note::Dropped { lost, what: "its file cannot be read".to_owned() });
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

    fn deliver(&mut self, batch: &Arc<WriteBatch>) {
        let mut receipt = match self.receipt.take() {
            Some((id, receipt)) if id == batch.id => receipt,
            _ => Receipt::new(batch.items),
        };
        let result = self.backend.open().and_then(|()| self.backend.deliver(batch, &mut receipt));
        let WriteBatch { id, purge, sum, .. } = **batch;
        match result {
            Ok(()) => {
                self.recovered();
                let refused = receipt.refused().map(|(sum, reason)| (sum, reason.to_owned()));
                self.done(Note::Delivered { id, purge, sum, refused });
            }
            Err(StoreError::Batch(what)) => {
                self.done(Note::Dropped { lost: Dropped { id, purge, sum, why: DropCause::Refused }, what });
            }
            Err(error) => {
                self.receipt = Some((batch.id, receipt));
                self.failing.get_or_insert_with(Instant::now);
                let retry = self.retry(&error);
                self.failure = Some(error.clone());
                self.note(Note::Failed(error, retry));
                self.wait(retry.after.unwrap_or_default());
            }
        }
    }

    /// Removes the batch from the queue and reports it under one lock: when the plugin closes the queue, each batch is either in
    /// it or reported.
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

    /// When to retry after this error.
    fn retry(&mut self, error: &StoreError) -> Retry {
        let wait = self.backoff.fail();
        match self.shared.lock().end {
            None => Retry { after: Some(wait), is_repeated: false },
            Some(end) => {
                let left = end.due().saturating_duration_since(Instant::now());
                let after = Some(wait.min(AT_END)).filter(|after| *after < left);
                Retry { after, is_repeated: self.failure.as_ref() == Some(error) }
            }
        }
    }

    fn recovered(&mut self) {
        self.backoff.reset();
        self.failure = None;
        if let Some(since) = self.failing.take() {
            self.note(Note::Recovered(since.elapsed()));
        }
    }

    /// Waits before the next attempt. New batches do not cut the wait short, the shutdown deadline does.
    fn wait(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.shared.lock();
        loop {
            // Waits are short during shutdown.
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
        // The plugin's thread may have ended after an error.
        let _ = self.notes.send(note);
    }
}

#[cfg(test)]
mod tests;
