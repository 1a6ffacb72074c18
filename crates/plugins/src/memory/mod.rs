//! The memory plugin: aggregates stay in memory, and clients ask for them.
//!
//! The table grows by itself up to `imt_memory`. For each question the workers are asked for what they hold, so an
//! answer has everything that was received before. Answers are made by the plugin's thread from one state of the
//! table, and leave it in chunks through a bounded channel; each client has a thread of its own that writes them. A
//! client that stalls is given up after [`CLIENT_PATIENCE`], and workers never wait for one.

mod answer;
mod clients;
mod forms;
mod matching;

use crate::outlet::{Event, Inlet, Woken};
use aggregate::Table;
use answer::Answerer;
use clients::{Clients, Question};
use flow::schema::Schema;
use foldhash::fast::RandomState;
use runtime::log::Limited;
use runtime::{clock, files};
use stats::{Counter, Counters, Tally};
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the workers' tables are collected when nobody asks.
const COLLECT: Duration = Duration::from_secs(5);
/// How long workers may take to hand over their tables.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to send its question, and to take each piece of its answer.
pub(crate) const CLIENT_PATIENCE: Duration = Duration::from_secs(10);

/// Settings of one memory plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// `imt_path`.
    pub path: PathBuf,
    /// `imt_passwd`.
    pub password: Option<String>,
    /// `imt_memory`, octets.
    pub max_octets: usize,
    /// `timestamps_secs`.
    pub whole_seconds: bool,
    /// Mask and owners of files, which the socket does not follow: whoever reaches its directory may ask.
    pub files: files::Settings,
}

/// A plugin whose socket is open.
pub struct Opened {
    settings: Settings,
    listener: UnixListener,
}

/// Opens the socket. A file that a daemon left behind is replaced.
///
/// # Errors
/// Another program answers at the socket, or it cannot be made.
pub fn open(settings: &Settings) -> io::Result<Opened> {
    let settings = Settings { path: files::resolve(&settings.path, &settings.files)?, ..settings.clone() };
    let listener = clients::listen(&settings.path)?;
    Ok(Opened { settings, listener })
}

/// The plugin's thread: ends when the workers have ended.
pub fn run(opened: Opened, schema: Arc<Schema>, hash: RandomState, mut inlet: Inlet, counters: Counters) {
    let Opened { settings, listener } = opened;
    let path = settings.path.clone();
    let (clients, questions) = match Clients::start(listener, &path) {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("imt_path: {}: {error}", path.display());
            return;
        }
    };
    runtime::ok!("waiting for data on: '{}'", path.display());
    let mut memory = Memory {
        answerer: Answerer::new(&settings),
        table: Table::new(schema, hash, 0),
        max_octets: settings.max_octets,
        counters,
        tally: Tally::default(),
        full: Limited::new(Duration::from_secs(60)),
    };
    let mut due = Instant::now() + COLLECT;
    loop {
        match inlet.wait_or_asked(due, &questions) {
            Woken::Event(Event::Early(table)) => memory.absorb(table),
            Woken::Event(Event::Due) => {
                memory.collect(&mut inlet);
                due = Instant::now() + COLLECT;
            }
            Woken::Asked(question) => {
                memory.collect(&mut inlet);
                memory.answer(question);
                due = Instant::now() + COLLECT;
            }
            Woken::Event(Event::Ended) => {
                memory.collect(&mut inlet);
                break;
            }
        }
    }
    clients.end();
}

struct Memory {
    answerer: Answerer,
    table: Table,
    max_octets: usize,
    counters: Counters,
    tally: Tally,
    full: Limited,
}

impl Memory {
    fn collect(&mut self, inlet: &mut Inlet) {
        if let Some(table) = inlet.collect(WORKER_PATIENCE) {
            self.absorb(table);
        }
    }

    fn absorb(&mut self, table: Table) {
        let handed = table.len() as u64;
        let (mut packets, mut octets) = (0u64, 0u64);
        let value = |values: &[u64], at: usize| values.get(at).copied().unwrap_or(0);
        let lost = self.table.absorb_bounded(table, self.max_octets, |values| {
            packets = packets.saturating_add(value(values, flow::schema::VALUE_PACKETS));
            octets = octets.saturating_add(value(values, flow::schema::VALUE_OCTETS));
        }) as u64;
        self.tally.add(Counter::AggregatesHanded, handed);
        self.tally.add(Counter::AggregatesWritten, handed - lost);
        self.tally.add(Counter::AggregatesGivenUpRefused, lost);
        self.tally.add(Counter::PacketsGivenUp, packets);
        self.tally.add(Counter::BytesGivenUp, octets);
        self.counters.publish(&mut self.tally);
        if lost > 0
            && let Some(pass) = self.full.pass()
        {
            let held_back = pass.held_back;
            tracing::error!(
                aggregates = lost,
                packets,
                bytes = octets,
                held_back,
                "new aggregates are dropped: the table has reached imt_memory"
            );
        }
    }

    fn answer(&mut self, question: Question) {
        let seconds = clock::now() / 1_000_000;
        self.answerer.answer(&mut self.table, &question.request, seconds, &question.answer);
    }
}
