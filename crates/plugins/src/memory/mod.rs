//! The memory plugin: aggregates stay in memory, and clients query them.
//!
//! The table grows up to `imt_memory`. A query first collects the workers' tables, so an answer has everything that was
//! received before. Each client has a thread of its own, which builds the answer from one [version](state) of the table and
//! sends it. So neither the plugin's thread, which merges the tables of the workers, nor the end of the daemon ever waits for a
//! client.

mod answer;
mod clients;
mod forms;
mod ledger;
mod lines;
mod settings;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use settings::Settings;

use crate::losses::Losses;
use crate::outlet::{Event, Inlet, Woken};
use aggregate::Table;
use clients::{Call, Clients, Given, Question, What};
use crossbeam_channel::Sender;
use delivery::Sum;
use flow::schema::Schema;
use foldhash::fast::RandomState;
use ledger::{Ledger, Reporter};
use runtime::{clock, files, socket};
use state::{State, Taken};
use stats::{Counter, Counters, Tally};
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Interval at which the workers' tables are collected without queries.
const COLLECT: Duration = Duration::from_secs(5);
/// Minimum interval at which they are collected for queries: those that arrive meanwhile are answered together.
const QUERY_COLLECT: Duration = Duration::from_millis(10);
/// How long workers may take to hand over their tables.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to send its query.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// A plugin whose socket is open.
pub struct Opened {
    settings: Settings,
    listener: UnixListener,
}

/// Opens the socket. The file of a daemon that has ended is replaced.
///
/// # Errors
/// Another program is listening on the socket, or it cannot be created.
pub fn open(settings: &Settings) -> io::Result<Opened> {
    let settings = Settings { path: files::resolve(&settings.path, &settings.files)?, ..settings.clone() };
    let listener = socket::listen(&settings.path, settings.mode, settings.gid)?;
    Ok(Opened { settings, listener })
}

/// The plugin's thread: ends when the workers have ended.
pub fn run(opened: Opened, schema: Arc<Schema>, hash: RandomState, mut inlet: Inlet, counters: Counters) {
    let Opened { settings, listener } = opened;
    let (path, max_bytes) = (settings.path.clone(), settings.max_bytes);
    let ledger = Arc::new(Ledger::default());
    let started = Clients::start(listener, settings, Arc::clone(&schema), Arc::clone(&ledger));
    let (clients, back, calls) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("imt_path: {}: {error}", path.display());
            return;
        }
    };
    runtime::ok!("waiting for data on: '{}'", path.display());
    let mut memory = Memory {
        state: State::new(Table::new(schema, hash, 0), max_bytes),
        asked: VecDeque::new(),
        back,
        erased: None,
        ledger,
        reporter: Reporter::default(),
        counters,
        tally: Tally::default(),
        full: Losses::new(Duration::from_secs(60)),
    };
    memory.publish(false);
    let (mut due, mut collected) = (Instant::now() + COLLECT, Instant::now());
    loop {
        match inlet.wait_or_asked(due, &calls) {
            Woken::Event(Event::Early(table)) => memory.absorb(table),
            Woken::Event(Event::Due) => {}
            Woken::Event(Event::Flush) => due = Instant::now(),
            Woken::Event(Event::Ended) => break,
            Woken::Asked(Call::Ask(question)) => {
                memory.asked.push_back(question);
                due = due.min(collected + QUERY_COLLECT);
            }
            Woken::Asked(Call::Returned(bytes, version)) => memory.returned(bytes, version),
        }
        let now = Instant::now();
        if now >= due {
            let is_settled = memory.work(&mut inlet);
            collected = Instant::now();
            due = collected + if is_settled { COLLECT } else { QUERY_COLLECT };
        }
        memory.publish(false);
    }
    memory.collect(&mut inlet);
    memory.asked.clear();
    drop(calls);
    clients.end();
    memory.publish(true);
}

struct Memory {
    state: State,
    /// Not answered yet.
    asked: VecDeque<Question>,
    /// Returns a table that was taken out.
    back: Sender<Call>,
    /// When the table was emptied, seconds since 1970.
    erased: Option<u64>,
    ledger: Arc<Ledger>,
    reporter: Reporter,
    counters: Counters,
    tally: Tally,
    full: Losses,
}

impl Memory {
    /// Collects, and answers questions. Returns false when that must wait for answers that use older versions of the table.
    fn work(&mut self, inlet: &mut Inlet) -> bool {
        // Meanwhile workers keep what they have.
        if !self.settle() {
            return false;
        }
        self.collect(inlet);
        while self.settle()
            && let Some(question) = self.asked.pop_front()
        {
            if let Some(question) = self.answer(question) {
                self.asked.push_front(question);
                return false;
            }
        }
        self.settle()
    }

    fn collect(&mut self, inlet: &mut Inlet) {
        if let Some(table) = inlet.collect(WORKER_PATIENCE) {
            self.absorb(table);
        }
        // The table is in memory only.
        inlet.checkpoint().confirm();
    }

    fn settle(&mut self) -> bool {
        let mut taken = Taken::default();
        let is_settled = self.state.settle(&mut taken);
        self.count(&taken);
        is_settled
    }

    fn absorb(&mut self, table: Table) {
        let mut taken = Taken::default();
        self.state.absorb(table, &mut taken);
        self.count(&taken);
    }

    fn returned(&mut self, bytes: usize, version: Option<Arc<state::Version>>) {
        let table = version.map(|version| match Arc::try_unwrap(version) {
            Ok(version) => version.table,
            Err(version) => version.table.clone(),
        });
        let taken = self.state.returned(bytes, table);
        self.count(&taken);
    }

    /// Passes a client's thread the version for its answer. Returns the question when that must wait.
    fn answer(&mut self, question: Question) -> Option<Question> {
        let out = match &question.what {
            What::Stays => None,
            What::Cleared => {
                self.state.clear();
                self.erased = Some(clock::now() / 1_000_000);
                None
            }
            What::Removed(selection) if !self.state.knows(selection) => None,
            What::Removed(selection) => Some(self.state.take_some(selection)),
            What::Taken => Some(self.state.take_all()),
        };
        let given = match out {
            None => Given::shared(Arc::clone(self.state.newest()), self.erased),
            Some(None) => return Some(question),
            Some(Some(version)) => Given::taken_out(version, &self.back),
        };
        if matches!(question.what, What::Taken) {
            self.erased = Some(clock::now() / 1_000_000);
        }
        // If the client no longer waits, nothing is removed.
        let _ = question.answer.send(given);
        None
    }

    fn count(&mut self, taken: &Taken) {
        let Taken { handed, lost, packets, bytes } = *taken;
        self.tally.add(Counter::AggregatesHanded, handed);
        self.tally.add(Counter::AggregatesWritten, handed - lost);
        if handed > lost {
            self.tally.set(Counter::LastWrite, clock::now() / 1_000_000);
        }
        self.tally.add(Counter::AggregatesDroppedRefused, lost);
        self.tally.add(Counter::AggregatesDroppedPackets, packets);
        self.tally.add(Counter::AggregatesDroppedBytes, bytes);
        let sum = Sum { aggregates: lost, packets, bytes };
        self.full.add(sum, "new aggregates are dropped: the table has reached imt_memory", "");
        self.full.due();
    }

    fn publish(&mut self, is_end: bool) {
        let table = &self.state.newest().table;
        self.tally.set(Counter::TableAggregates, table.len() as u64);
        self.tally.set(Counter::TableBytes, table.size() as u64);
        self.tally.set(Counter::SinkUp, 1);
        self.reporter.report(&self.ledger, &mut self.tally, is_end);
        self.counters.publish(&mut self.tally);
    }
}
