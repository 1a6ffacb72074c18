//! Passing tables from workers to a plugin.
//!
//! Each worker has an [`Outlet`] to each plugin, and the plugin's thread has the [`Inlet`]. The plugin decides when
//! tables move: [`Inlet::collect`] increments a request number and wakes the workers; each answers once with its
//! table, even an empty one, and continues with a new one. Between requests, a worker whose table reaches its bound
//! offers it; when the plugin is too slow, the table is returned and the worker continues to fill it. A
//! worker that ends sends its last table. Nothing here blocks a worker: there is always room for the answer to a
//! request and for the last table.
//!
//! An input that can be read again after a failure, such as a topic of Kafka, wants to know what is safe. Each table that answers a request
//! carries the worker's position in its input. When everything in the tables of a collection is safe, the plugin confirms its
//! [`Checkpoint`], and the worker sees by [`Progress`] up to which position nothing can be lost. A worker that must give a part of its input to
//! another process requests a flush.

use aggregate::Table;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often a worker that waits for room checks whether its table is requested.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Wakes a worker that waits for input.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A table from a worker.
enum Answer {
    /// The answer to the request of that number.
    Asked(u64, Positioned),
    /// The worker's last table.
    Last(Positioned),
}

/// A table, and the position of its worker: this table and the earlier ones have everything up to there.
struct Positioned {
    worker: usize,
    position: u64,
    table: Table,
}

/// What the plugin tells workers.
struct Confirmed {
    /// The position of each worker up to which everything is safe.
    positions: Box<[AtomicU64]>,
    has_ended: AtomicBool,
    wakes: OnceLock<Vec<Wake>>,
}

/// What a plugin had taken of the input of each worker at the end of a collection.
#[derive(Clone)]
pub struct Checkpoint {
    taken: Box<[u64]>,
    confirmed: Arc<Confirmed>,
}

impl Checkpoint {
    /// Everything is safe that was taken until then: written, counted as lost, or kept on disk. Wakes the workers.
    pub fn confirm(&self) {
        for (position, taken) in self.confirmed.positions.iter().zip(&self.taken) {
            position.fetch_max(*taken, Ordering::AcqRel);
        }
        self.confirmed.wakes.get().into_iter().flatten().for_each(|wake| wake());
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Checkpoint").field(&self.taken).finish()
    }
}

/// How much of a worker's input is safe at a plugin.
#[derive(Clone)]
pub struct Progress {
    worker: usize,
    confirmed: Arc<Confirmed>,
}

impl Progress {
    /// Everything up to this position is safe.
    pub fn position(&self) -> u64 {
        let positions = &self.confirmed.positions;
        positions.get(self.worker).map_or(0, |position| position.load(Ordering::Acquire))
    }

    /// True when the plugin has ended: the position stays what it is.
    pub fn has_ended(&self) -> bool {
        self.confirmed.has_ended.load(Ordering::Acquire)
    }
}

/// The worker's end.
pub struct Outlet {
    requests: Arc<AtomicU64>,
    answered: u64,
    answers: Sender<Answer>,
    early: Sender<Table>,
    flush: Sender<()>,
    position: u64,
    progress: Progress,
}

impl Outlet {
    /// Sets the position that the rows have reached which are in the worker's table, or in earlier ones.
    #[inline]
    pub fn reach(&mut self, position: u64) {
        self.position = position;
    }

    /// How much of the worker's input is safe.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Requests that the plugin takes and writes the tables of all workers now. It may be unable to.
    pub fn request_flush(&self) {
        let _ = self.flush.try_send(());
    }

    fn positioned(&self, table: Table) -> Positioned {
        Positioned { worker: self.progress.worker, position: self.position, table }
    }

    /// True when the plugin waits for this worker's table. One atomic load; call it once per batch.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Acquire) != self.answered
    }

    /// Answers the request.
    pub fn answer(&mut self, table: Table) {
        self.answered = self.requests.load(Ordering::Acquire);
        // The plugin's thread may have ended after an error.
        let _ = self.answers.try_send(Answer::Asked(self.answered, self.positioned(table)));
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
        let _ = self.answers.try_send(Answer::Last(self.positioned(table)));
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
    last: Vec<Positioned>,
    flush: Receiver<()>,
    /// The positions of the workers in all that was collected.
    taken: Box<[u64]>,
    confirmed: Arc<Confirmed>,
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.confirmed.has_ended.store(true, Ordering::Release);
    }
}

/// Why an inlet woke up.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// A worker's table was full.
    Early(T),
    /// The time is due.
    Due,
    /// A worker requests a flush.
    Flush,
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
    let (flush, flushes) = bounded(1);
    let positions = (0..workers).map(|_| AtomicU64::new(0)).collect();
    let confirmed = Arc::new(Confirmed { positions, has_ended: AtomicBool::new(false), wakes: OnceLock::new() });
    let outlets = (0..workers)
        .map(|worker| Outlet {
            requests: Arc::clone(&requests),
            answered: 0,
            answers: answers.clone(),
            early: early.clone(),
            flush: flush.clone(),
            position: 0,
            progress: Progress { worker, confirmed: Arc::clone(&confirmed) },
        })
        .collect();
    let inlet = Inlet {
        requests,
        answers: asked,
        early: full,
        wakes: Vec::new(),
        running: workers,
        last: Vec::new(),
        flush: flushes,
        taken: vec![0; workers].into(),
        confirmed,
    };
    (outlets, inlet)
}

impl Inlet {
    /// Sets how to wake the workers.
    pub fn set_wakes(&mut self, wakes: Vec<Wake>) {
        let _ = self.confirmed.wakes.set(wakes.clone());
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
        let taken = &mut self.taken;
        let mut take = |Positioned { worker, position, table }: Positioned| {
            if let Some(taken) = taken.get_mut(worker) {
                *taken = position.max(*taken);
            }
            add(table);
        };
        self.last.drain(..).for_each(&mut take);
        let mut answered = 0;
        while answered < self.running {
            match self.answers.recv_deadline(deadline) {
                Ok(Answer::Asked(number, table)) => {
                    // A late answer to an earlier request is merged, but its sender still owes this one.
                    answered += usize::from(number == request);
                    take(table);
                }
                Ok(Answer::Last(table)) => {
                    self.running -= 1;
                    take(table);
                }
                Err(_) => break,
            }
        }
        // A worker's full table is older than its answer, so it is waiting by now.
        self.early.try_iter().for_each(&mut add);
        whole
    }

    /// What was taken up to the last collection. Tables before it that came early count, later ones do not.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { taken: self.taken.clone(), confirmed: Arc::clone(&self.confirmed) }
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
                    // Its position is that of the next answer: an earlier table may still wait in the other channel.
                    Ok(Answer::Asked(_, late)) => return Woken::Event(Event::Early(late.table)),
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
                recv(self.flush) -> request => match request {
                    Ok(()) => return Woken::Event(Event::Flush),
                    // All outlets were dropped.
                    Err(_) => self.drain(due),
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

#[cfg(test)]
mod tests {
    use super::*;
    use aggregate::Table;
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Schema, Selection};
    use foldhash::fast::RandomState;

    fn table() -> Table {
        let selection = Selection::parse(["tag"], &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&Options::default(), &mut fields);
        let schema = Schema::new(&selection, &[], &Layout::new(&fields, &[]), &Options::default());
        Table::new(Arc::new(schema), RandomState::default(), 0)
    }

    #[test]
    fn a_position_is_safe_when_the_collection_that_has_it_is_confirmed() {
        let (mut outlets, mut inlet) = channel(2, 1);
        let progress: Vec<Progress> = outlets.iter().map(Outlet::progress).collect();
        let safe = || progress.iter().map(Progress::position).collect::<Vec<_>>();
        let mut second = outlets.pop().unwrap();
        let mut first = outlets.pop().unwrap();
        // The second worker is too slow for the first collection.
        inlet.requests.fetch_add(1, Ordering::AcqRel);
        first.reach(3);
        first.answer(table());
        assert!(matches!(inlet.wait(Instant::now() + Duration::from_secs(9)), Event::Early(_)));
        inlet.checkpoint().confirm();
        assert_eq!(safe(), [0, 0], "a late answer may overtake an early table");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !(first.is_asked() && second.is_asked()) {
                    std::thread::yield_now();
                }
                first.reach(5);
                first.answer(table());
                second.reach(8);
                second.answer(table());
            });
            inlet.collect(Duration::from_secs(9)).unwrap();
        });
        let checkpoint = inlet.checkpoint();
        second.reach(9);
        second.finish(table());
        assert_eq!(safe(), [0, 0]);
        checkpoint.confirm();
        assert_eq!(safe(), [5, 8]);
        first.request_flush();
        assert!(matches!(inlet.wait(Instant::now() + Duration::from_secs(9)), Event::Flush));
        first.finish(table());
        inlet.collect(Duration::from_secs(9)).unwrap();
        inlet.checkpoint().confirm();
        // An older one changes nothing.
        checkpoint.confirm();
        assert_eq!(safe(), [5, 9]);
        assert!(!progress[0].has_ended());
        drop(inlet);
        assert!(progress[0].has_ended());
    }
}
