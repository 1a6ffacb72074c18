//! Plugins whose aggregates go to a server or a database: the common part of sqlite3, pgsql, mysql, clickhouse, kafka and
//! amqp.
//!
//! At each refresh the tables of all workers are merged, an [`Encoder`] cuts the result into batches, and a delivery worker
//! delivers these to the [`Backend`] on a thread of its own ([`delivery::worker`]). So a store that is slow or down delays
//! nothing else: its batches wait in a queue that is bounded in bytes, in memory or on disk, and what is dropped at the bound
//! is counted and logged.
//!
//! A purge ends when each of its batches was delivered or dropped; then its line is logged and the trigger runs.

mod purges;
mod settings;
mod target;
#[cfg(test)]
mod tests;

pub use settings::{Settings, SpoolSettings};
pub use target::Target;

use crate::losses::Losses;
use crate::outlet::{Checkpoint, Event, Inlet, Woken};
use crate::preprocess::Preprocess;
use crate::sink::{self, Accounting, DropReason, PATIENCE, Schedule};
use crate::trigger::{Figures, Purged, Triggers};
use aggregate::Table;
use aggregate::time_bin::Roundoff;
use crossbeam_channel::Receiver;
use delivery::queue::{DropCause, Dropped, Queue};
use delivery::spool::Spool;
use delivery::worker::{self, Note, Outbox};
use delivery::{Backend, BatchId, StoreError, Sum, WriteBatch};
use encode::markers;
use flow::kind::Kind;
use flow::schema::{At, Schema};
use purges::{Purge, Purges};
use runtime::clock;
use runtime::log::Limited;
use stats::Counters;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// Takes the body of a batch, the number of its items, and their sum.
pub type Emit<'a> = &'a mut dyn FnMut(Vec<u8>, u32, Sum);

/// Turns tables into the bodies of batches.
pub trait Encoder: Send {
    /// Cuts a table into batches. `now` is the time of the purge, seconds since 1970.
    fn encode(&mut self, table: &Table, now: u64, emit: Emit<'_>);

    /// Cuts the aggregates whose values are rejected into batches for the backup server alone. Only databases have one.
    fn encode_for_backup(
        &mut self,
        _table: &Table,
        _rejects: &dyn Fn(&[u64]) -> bool,
        _now: u64,
        _emit: Emit<'_>,
    ) {
    }

    /// Aggregates for more tables than a purge may write to, since the last call: the number that went to the table of the time of
    /// the purge, and those that were dropped.
    fn take_bounded(&mut self) -> (u64, Sum) {
        (0, Sum::default())
    }

    /// Emits what is sent at the start and every `amqp_avro_schema_refresh_time`: the schema.
    fn announce(&mut self, _emit: Emit<'_>) {}

    /// Emits what precedes the batches of a purge.
    fn begin(&mut self, _emit: Emit<'_>) {}

    /// Emits what follows them.
    fn end(&mut self, _purge: markers::Purge, _emit: Emit<'_>) {}

    /// The Avro schema of what is written, if there is one.
    fn schema(&self) -> Option<&str> {
        None
    }

    /// Adds variables about the last purge for the trigger.
    fn add_variables(&self, _variables: &mut Vec<(&'static str, String)>) {}
}

/// A plugin whose spool is open: ready to start its threads.
pub struct Opened {
    encoder: Box<dyn Encoder>,
    backend: Box<dyn Backend>,
    queue: Queue,
    /// The batches of an earlier run in the spool.
    found: Sum,
}

impl Opened {
    /// Opens the spool. The store is opened by its own thread: however long that takes, the daemon collects meanwhile.
    ///
    /// # Errors
    /// A spool that cannot be used, or a file of its schema that cannot be written.
    pub fn new(settings: &Settings, encoder: Box<dyn Encoder>, backend: Box<dyn Backend>) -> Result<Self, String> {
        let (queue, found) = match &settings.spool {
            None => (Queue::in_memory(settings.max_bytes), Sum::default()),
            Some(spool) => {
                let (opened, found) = Spool::open(&spool.folder)
                    .map_err(|error| format!("plugin_spool_dir: {}: {error}", spool.folder.display()))?;
                for bad in &found.bad {
                    warn!("spool: '{}' is damaged: the file is kept, but not delivered", bad.display());
                }
                let sum = found.batches.iter().fold(Sum::default(), |sum, stored| sum.plus(stored.sum));
                (Queue::on_disk(opened, found.batches, spool.max_bytes), sum)
            }
        };
        if let (Some(path), Some(schema)) = (&settings.schema_file, encoder.schema()) {
            sink::write_schema(path, schema, &settings.files)
                .map_err(|error| format!("avro_schema_file[{}]: {}: {error}", settings.name, path.display()))?;
        }
        Ok(Self { encoder, backend, queue, found })
    }

    /// Opens the store at once, for a dry run. A store that cannot be reached is not an error, as at a start.
    ///
    /// # Errors
    /// The store rejects the configuration.
    pub fn try_store(&mut self, name: &str) -> Result<(), String> {
        match self.backend.open() {
            Ok(()) => Ok(()),
            Err(StoreError::Configuration { key, what }) => Err(format!("{key}[{name}]: {what}")),
            Err(StoreError::Down(what) | StoreError::Batch(what)) => {
                warn!("{name}: cannot be reached: {what}");
                Ok(())
            }
        }
    }
}

/// The plugin's thread: takes tables until all workers have ended. Starts the delivery worker's thread by `spawn`. If the store
/// rejects the configuration when it is first opened, `fail` ends the daemon.
pub fn run(
    settings: &Settings,
    schema: &Schema,
    opened: Opened,
    mut inlet: Inlet,
    counters: Counters,
    spawn: impl FnOnce(Box<dyn FnOnce() + Send>),
    fail: impl FnOnce(String) + Send + 'static,
) {
    let Opened { encoder, backend, queue, found } = opened;
    let (outbox, worker, notes) = worker::new(backend, queue);
    let name = settings.name.clone();
    spawn(Box::new(move || {
        worker.open_and_run(|opened| match opened {
            Ok(()) => {}
            Err(StoreError::Configuration { key, what }) => fail(format!("{key}[{name}]: {what}")),
            Err(StoreError::Down(what) | StoreError::Batch(what)) => {
                warn!("cannot be reached yet, will be retried: {what}");
            }
        });
    }));
    let zone = settings.zone.clone();
    let started = clock::now();
    let schedule = |refresh: u32| {
        Schedule::new(refresh, settings.startup_delay, settings.roundoff, started / SECOND, zone.clone())
    };
    let mut flushes = schedule(settings.refresh);
    let mut triggers = settings.trigger_every.map(schedule);
    let every = |seconds: u32| Schedule::new(seconds, 0, Roundoff::default(), started / SECOND, zone.clone());
    let mut announcements = settings.announce_every.map(every);
    let mut plugin = Plugin::new(settings, schema, encoder, outbox, started, counters);
    plugin.found(found);
    plugin.announce();
    loop {
        let now = clock::now();
        let due = flushes.wait_until(now);
        let due = triggers.as_ref().map_or(due, |triggers| due.min(triggers.wait_until(now)));
        let due = announcements.as_ref().map_or(due, |announcements| due.min(announcements.wait_until(now)));
        match inlet.wait_or_asked(due, &notes) {
            Woken::Asked(note) => plugin.note(note),
            Woken::Event(Event::Early(table)) => {
                debug!(aggregates = table.len(), "received a table before the flush");
                plugin.add(table);
            }
            Woken::Event(Event::Due) => {
                plugin.accounting.triggers_ended(plugin.triggers.reap());
                plugin.losses.due();
                let now = clock::now() / SECOND;
                if flushes.is_due(now) {
                    plugin.flush(&mut inlet);
                    flushes.advance(now);
                }
                if let Some(triggers) = triggers.as_mut().filter(|triggers| triggers.is_due(now)) {
                    plugin.trigger_by_time();
                    triggers.advance(now);
                }
                if let Some(announcements) = announcements.as_mut().filter(|next| next.is_due(now)) {
                    plugin.announce();
                    announcements.advance(now);
                }
            }
            Woken::Event(Event::Flush) => plugin.flush(&mut inlet),
            Woken::Event(Event::Ended) => {
                plugin.flush(&mut inlet);
                return plugin.end(&notes);
            }
        }
    }
}

struct Plugin<'a> {
    settings: &'a Settings,
    encoder: Box<dyn Encoder>,
    outbox: Outbox,
    preprocess: Preprocess,
    triggers: Triggers,
    accounting: Accounting,
    purges: Purges,
    /// The id of the next batch.
    next: BatchId,
    /// Offset of the bin's start in keys, if they have one.
    bin: Option<usize>,
    limit: Limited,
    full: Limited,
    losses: Losses,
}

impl<'a> Plugin<'a> {
    fn new(
        settings: &'a Settings,
        schema: &Schema,
        encoder: Box<dyn Encoder>,
        outbox: Outbox,
        run: u64,
        counters: Counters,
    ) -> Self {
        let bin = schema.columns.iter().find(|column| column.kind == Kind::StampInserted);
        let bin = bin.and_then(|column| match column.at {
            At::Key(at) => Some(at),
            _ => None,
        });
        Self {
            settings,
            encoder,
            outbox,
            preprocess: Preprocess::new(settings.preprocess.clone(), schema),
            triggers: Triggers::new(settings.trigger.clone()),
            accounting: Accounting::new(counters),
            purges: Purges::default(),
            next: BatchId { run, number: 1 },
            bin,
            limit: Limited::new(Duration::from_secs(10)),
            full: Limited::new(Duration::from_secs(60)),
            losses: Losses::new(Duration::from_secs(10)),
        }
    }

    /// Counts the batches of an earlier run in the spool.
    fn found(&mut self, found: Sum) {
        if found.aggregates > 0 {
            self.accounting.handed(found.aggregates);
            info!(
                aggregates = found.aggregates,
                "found in the spool, from an earlier run: delivering these first"
            );
        }
    }

    /// Queues the aggregates of a table for delivery.
    fn add(&mut self, mut table: Table) {
        let total = table.len() as u64;
        let now = clock::now() / SECOND;
        self.accounting.handed(total);
        let recovered = self.recover(&table, now);
        let filtered = self.preprocess.apply(&mut table);
        self.accounting.filtered(filtered - recovered);
        if table.is_empty() {
            return;
        }
        self.open_purge();
        let newest = self.bin.and_then(|at| {
            let bin = |key: &[u8]| Some(u64::from_be_bytes(*key.get(at..)?.first_chunk()?));
            table.iter().filter_map(|row| bin(row.key)).max()
        });
        self.purges.current().add(table.len() as u64, newest);
        self.emit(|encoder, emit| encoder.encode(&table, now, emit));
    }

    /// Queues filtered aggregates for the backup server, if configured. Returns their number.
    fn recover(&mut self, table: &Table, now: u64) -> u64 {
        let Some(rejects) = self.preprocess.rejects(table) else { return 0 };
        let count = table.iter().filter(|row| rejects(row.values)).count() as u64;
        if count > 0 {
            self.open_purge();
            self.purges.current().add(count, None);
            self.emit(|encoder, emit| encoder.encode_for_backup(table, &rejects, now, emit));
        }
        count
    }

    fn open_purge(&mut self) {
        if self.purges.open_one() {
            self.emit(|encoder, emit| encoder.begin(emit));
        }
    }

    /// Passes the batches that the encoder creates to the delivery worker.
    fn emit(&mut self, make: impl FnOnce(&mut dyn Encoder, Emit<'_>)) {
        let Self { encoder, outbox, accounting, purges, next, full, losses, .. } = self;
        make(encoder.as_mut(), &mut |body, items, sum| {
            let purge = purges.current();
            let id = take(next);
            purge.batches += 1;
            let batch = WriteBatch { id, purge: purge.number, items, sum, body };
            put(batch, outbox, accounting, purges, full, losses);
        });
        let (redirected, given_up) = encoder.take_bounded();
        accounting.queued(&outbox.backlog());
        accounting.redirected(redirected);
        accounting.dropped(given_up, DropReason::Names);
        losses.add(given_up, "dropped: they need more tables than twice sql_max_tables", "");
    }

    /// Queues the batches that belong to no purge.
    fn announce(&mut self) {
        let Self { encoder, outbox, accounting, purges, next, full, losses, .. } = self;
        if purges.announcing() {
            return;
        }
        encoder.announce(&mut |body, items, sum| {
            let id = take(next);
            purges.announce(id);
            put(WriteBatch { id, purge: 0, items, sum, body }, outbox, accounting, purges, full, losses);
        });
    }

    /// Takes the tables of all workers, and ends the period.
    fn flush(&mut self, inlet: &mut Inlet) {
        let table = inlet.collect(PATIENCE);
        self.purge(table, inlet.checkpoint());
    }

    /// Queues everything for delivery and ends the period. `checkpoint`: what is safe when all of it was delivered.
    fn purge(&mut self, table: Option<Table>, checkpoint: Checkpoint) {
        info!("*** Purging cache - START (PID: {}) ***", std::process::id());
        if let Some(table) = table {
            self.add(table);
        }
        if let Some(total) = self.purges.open_total() {
            let figures = markers::Purge { written: total, total, seconds: 0 };
            self.emit(|encoder, emit| encoder.end(figures, emit));
        }
        let has_content = self.purges.close();
        match &self.settings.spool {
            // It is on disk.
            Some(_) => checkpoint.confirm(),
            None => self.purges.confirm(checkpoint),
        }
        match has_content {
            true => self.finish_purges(),
            false => {
                info!("*** Purging cache - END (PID: {}, QN: 0/0, ET: X) ***", std::process::id());
                self.start_trigger(None);
            }
        }
    }

    fn finish_purges(&mut self) {
        while let Some(purge) = self.purges.next_finished() {
            let (pid, seconds) = (std::process::id(), purge.began.elapsed().as_secs());
            let Purge { written, total, .. } = purge;
            info!("*** Purging cache - END (PID: {pid}, QN: {written}/{total}, ET: {seconds}) ***");
            self.start_trigger(Some(&purge));
        }
    }

    fn start_trigger(&mut self, purge: Option<&Purge>) {
        if self.settings.trigger_every.is_some() {
            return;
        }
        let mut more = self.settings.variables.clone();
        // The encoder still has the variables of an earlier purge, which an empty one must not report.
        if purge.is_some() {
            self.encoder.add_variables(&mut more);
        }
        let figures = Figures { inserts: self.settings.inserts_only, ..Figures::default() };
        self.triggers.start(&Purged {
            figures: Some(purge.map_or(figures, |purge| Figures {
                total: purge.total,
                written: purge.written,
                seconds: purge.began.elapsed().as_secs(),
                ..figures
            })),
            refresh: u64::from(self.settings.refresh),
            history: (self.settings.history > 0).then_some(self.settings.history),
            bin: purge.and_then(|purge| purge.bin),
            file: None,
            more,
        });
    }

    fn trigger_by_time(&mut self) {
        let refresh = u64::from(self.settings.refresh);
        let more = self.settings.variables.clone();
        self.triggers.start(&Purged { refresh, more, ..Purged::default() });
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Delivered { id, purge, sum, refused } => {
                let (lost, what) = refused.unwrap_or_default();
                self.accounting.written(sum.aggregates - lost.aggregates.min(sum.aggregates));
                if lost.aggregates > 0 {
                    self.accounting.dropped(lost, DropReason::Refused);
                    self.losses.add(lost, "refused by the store", &what);
                } else if !what.is_empty()
                    && let Some(pass) = self.limit.pass()
                {
                    warn!(
                        held_back = pass.held_back,
                        "refused by the store, a message without aggregates: {what}"
                    );
                }
                self.purges.settled(id);
                if id.run == self.next.run {
                    self.purges.delivered(purge, sum.aggregates - lost.aggregates.min(sum.aggregates));
                }
            }
            Note::Dropped { lost, what } => {
                if lost.why == DropCause::Refused {
                    self.accounting.set_reachable(true);
                }
                lose(&mut self.accounting, &mut self.purges, self.next.run, &lost);
                let why = match lost.why {
                    DropCause::End => "dropped: not written before the end",
                    DropCause::Damaged => "dropped: their file in the spool is damaged",
                    DropCause::Bound | DropCause::Refused => "dropped: refused by the store",
                };
                self.losses.add(lost.sum, why, &what);
            }
            Note::Failed(error, retry) => {
                self.accounting.failed();
                self.accounting.retried();
                if !retry.is_repeated {
                    let (batches, bytes) = self.outbox.backlog().total();
                    error!(batches, bytes, "cannot write, {retry}: {error}");
                }
            }
            Note::Opened => self.accounting.set_reachable(true),
            Note::Recovered(after) => {
                self.accounting.set_reachable(true);
                let (batches, bytes) = self.outbox.backlog().total();
                info!(batches, bytes, "writing works again, after {} s", after.as_secs());
            }
            Note::Ended { spooled } if spooled.aggregates > 0 => {
                info!(aggregates = spooled.aggregates, "left in the spool for the next start");
            }
            Note::Ended { .. } => {}
        }
        self.accounting.queued(&self.outbox.backlog());
        self.finish_purges();
    }

    /// Delivers what it can within the time limits of shutdown.
    fn end(mut self, notes: &Receiver<Note>) {
        self.triggers.end();
        let outbox = self.outbox.clone();
        outbox.finish(notes, self.settings.exit, |note| self.note(note));
    }
}

/// Returns the next id.
fn take(next: &mut BatchId) -> BatchId {
    let id = *next;
    next.number += 1;
    id
}

/// Passes a batch to the delivery worker, and logs what is dropped to make room.
fn put(
    batch: WriteBatch,
    outbox: &mut Outbox,
    accounting: &mut Accounting,
    purges: &mut Purges,
    full: &Limited,
    losses: &mut Losses,
) {
    let run = batch.id.run;
    let put = outbox.put(batch);
    if let Some(error) = put.spool_error
        && let Some(pass) = full.pass()
    {
        error!(held_back = pass.held_back, "cannot write to the spool, keeping batches in memory: {error}");
    }
    for lost in put.lost {
        lose(accounting, purges, run, &lost);
        let why = "dropped: the queue for the store has reached plugin_queue_memory or plugin_spool_size";
        losses.add(lost.sum, why, "");
    }
}

/// Counts a dropped batch.
fn lose(accounting: &mut Accounting, purges: &mut Purges, run: u64, lost: &Dropped) {
    let reason = match lost.why {
        DropCause::Bound => DropReason::Retries,
        DropCause::End => DropReason::Shutdown,
        DropCause::Damaged | DropCause::Refused => DropReason::Refused,
    };
    accounting.dropped(lost.sum, reason);
    purges.settled(lost.id);
    if lost.why == DropCause::End {
        purges.forget_checkpoints();
    }
    if lost.id.run == run {
        purges.delivered(lost.purge, 0);
    }
}
