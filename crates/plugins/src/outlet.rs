//! Passing tables from workers to a plugin.
//!
//! Each worker has an [`Outlet`] to each plugin, and the plugin's thread has the [`Inlet`]. The plugin decides when
//! tables move: [`Inlet::collect`] increments a request number and wakes the workers; each answers once with its
//! table, even an empty one, and continues with a new one. Between requests, a worker whose table reaches its bound
//! offers it; when the plugin is too slow, the table is returned and the worker continues to fill it. A
//! worker that ends sends its last table. Nothing here blocks a worker: there is always room for the answer to a
//! request and for the last table.

use aggregate::Table;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a worker that waits for room checks whether its table is requested.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Wakes a worker that waits for input.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A table from a worker.
enum Answer {
    /// The answer to the request of that number.
    Asked(u64, Table),
    /// The worker's last table.
    Last(Table),
}

/// The worker's end.
pub struct Outlet {
    requests: Arc<AtomicU64>,
    answered: u64,
    answers: Sender<Answer>,
    early: Sender<Table>,
}

impl Outlet {
    /// True when the plugin waits for this worker's table. One atomic load; call it once per batch.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Acquire) != self.answered
    }

    /// Answers the request.
    pub fn answer(&mut self, table: Table) {
        self.answered = self.requests.load(Ordering::Acquire);
        // The plugin's thread may have ended after an error.
        let _ = self.answers.try_send(Answer::Asked(self.answered, table));
    }

    /// True when an offer would be accepted now.
    pub fn has_room(&self) -> bool {
        !self.early.is_full()
    }

    /// Offers a full table; returns it when the plugin is too slow.
    #[expect(clippy::result_large_err, reason = "a table that comes back is moved, not boxed: it is rare")]
    pub fn offer(&self, table: Table) -> Result<(), Table> {
        self.early.try_send(table).map_err(|error| match error {
            TrySendError::Full(table) | TrySendError::Disconnected(table) => table,
        })
    }

    /// Offers a full table and waits for room; for workers that can let their input wait. The table is returned when
    /// there is still no room, or as soon as the plugin requests the worker's table.
    #[expect(clippy::result_large_err, reason = "as above")]
    pub fn offer_patiently(&self, mut table: Table, patience: Duration) -> Result<(), Table> {
        let deadline = Instant::now() + patience;
        loop {
            let slice = deadline.min(Instant::now() + RETRY_INTERVAL);
            table = match self.early.send_deadline(table, slice) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Disconnected(table)) => return Err(table),
                Err(SendTimeoutError::Timeout(table)) => table,
            };
            // A plugin that waits for this worker does not take early tables in the meantime.
            if self.is_asked() || Instant::now() >= deadline {
                return Err(table);
            }
        }
    }

    /// Ends the worker's side with its last table.
    pub fn finish(self, table: Table) {
        let _ = self.answers.try_send(Answer::Last(table));
    }
}

/// The plugin's end.
pub struct Inlet {
    requests: Arc<AtomicU64>,
    answers: Receiver<Answer>,
    early: Receiver<Table>,
    wakes: Vec<Wake>,
    /// Workers that have not sent their last table.
    running: usize,
    /// Last tables, not collected yet.
    last: Vec<Table>,
}

/// Why an inlet woke up.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// A worker's table was full.
    Early(T),
    /// The time is due.
    Due,
    /// All workers have ended; [`Inlet::collect`] returns their last tables.
    Ended,
}

/// Why an inlet that also waits for questions woke up.
pub enum Woken<Q> {
    /// A table, or the time.
    Event(Event<Table>),
    /// A question.
    Asked(Q),
}

/// Creates the ends of one plugin: an outlet for each worker, and the inlet. `tables` is how many full tables may wait.
pub fn channel(workers: usize, tables: usize) -> (Vec<Outlet>, Inlet) {
    let requests = Arc::new(AtomicU64::new(0));
    // For each worker one requested answer, and its last table.
    let (answers, asked) = bounded(workers * 2);
    let (early, full) = bounded(tables.max(1));
    let outlets = (0..workers)
        .map(|_| Outlet {
            requests: Arc::clone(&requests),
            answered: 0,
            answers: answers.clone(),
            early: early.clone(),
        })
        .collect();
    let inlet =
        Inlet { requests, answers: asked, early: full, wakes: Vec::new(), running: workers, last: Vec::new() };
    (outlets, inlet)
}

impl Inlet {
    /// Sets how to wake the workers.
    pub fn set_wakes(&mut self, wakes: Vec<Wake>) {
        self.wakes = wakes;
    }

    /// Requests the table of each worker, and waits for all of them, but at most `patience`. The tables are merged,
    /// in no particular order, with those already waiting. Later tables are in the next collection.
    pub fn collect(&mut self, patience: Duration) -> Option<Table> {
        let request = self.requests.fetch_add(1, Ordering::AcqRel) + 1;
        for wake in &self.wakes {
            wake();
        }
        let deadline = Instant::now() + patience;
        let mut whole: Option<Table> = None;
        let mut add = |table: Table| match &mut whole {
            None => whole = Some(table),
            Some(whole) => whole.absorb(table),
        };
        self.last.drain(..).for_each(&mut add);
        let mut answered = 0;
        while answered < self.running {
            match self.answers.recv_deadline(deadline) {
                Ok(Answer::Asked(number, table)) => {
                    // A late answer to an earlier request is merged, but its sender still owes this one.
                    answered += usize::from(number == request);
                    add(table);
                }
                Ok(Answer::Last(table)) => {
                    self.running -= 1;
                    add(table);
                }
                Err(_) => break,
            }
        }
        // A worker's full table is older than its answer, so it is waiting by now.
        self.early.try_iter().for_each(&mut add);
        whole
    }

    /// Waits for an event, at most until `due`.
    pub fn wait(&mut self, due: Instant) -> Event<Table> {
        loop {
            match self.wait_or_asked(due, &crossbeam_channel::never::<()>()) {
                Woken::Event(event) => return event,
                Woken::Asked(()) => {}
            }
        }
    }

    /// As [`Self::wait`], and also wakes for questions from a channel.
    pub fn wait_or_asked<Q>(&mut self, due: Instant, questions: &Receiver<Q>) -> Woken<Q> {
        loop {
            if let Ok(table) = self.early.try_recv() {
                return Woken::Event(Event::Early(table));
            }
            if self.running == 0 {
                return Woken::Event(Event::Ended);
            }
            let tick = crossbeam_channel::at(due);
            crossbeam_channel::select! {
                recv(self.early) -> table => match table {
                    Ok(table) => return Woken::Event(Event::Early(table)),
                    // All outlets were dropped: the last tables are in the other channel.
                    Err(_) => self.drain(due),
                },
                recv(self.answers) -> answer => match answer {
                    Ok(Answer::Asked(_, table)) => return Woken::Event(Event::Early(table)),
                    Ok(Answer::Last(table)) => {
                        self.running -= 1;
                        self.last.push(table);
                    }
                    Err(_) => self.running = 0,
                },
                recv(questions) -> question => match question {
                    Ok(question) => return Woken::Asked(question),
                    // The questions' channel is closed; tables still arrive.
                    Err(_) => return Woken::Event(self.wait(due)),
                },
                recv(tick) -> _ => return Woken::Event(Event::Due),
            }
        }
    }

    fn drain(&mut self, due: Instant) {
        loop {
            match self.answers.recv_deadline(due) {
                Ok(Answer::Asked(_, table)) => self.last.push(table),
                Ok(Answer::Last(table)) => {
                    self.running = self.running.saturating_sub(1);
                    self.last.push(table);
                }
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    self.running = 0;
                    return;
                }
            }
        }
    }

    /// True when all workers have ended.
    pub fn has_ended(&self) -> bool {
        self.running == 0 && self.last.is_empty() && self.early.is_empty()
    }
}
