//! Plugins whose aggregates go to a server or a database: the common part of sqlite3, pgsql, mysql, clickhouse, kafka and
//! amqp.
//!
//! At each refresh the tables of all workers become one, an [`Encoder`] cuts it into parcels, and a courier takes
//! these to the [`Backend`] on a thread of its own ([`delivery::courier`]). So a store that is slow or down delays
//! nobody: its parcels wait in a queue that is bounded in octets, in memory or on disk, and what is given up at the bound
//! is counted and told.
//!
//! A purge has ended when each of its parcels was delivered or given up; then come its line in the log and the
//! trigger.

mod purges;
mod settings;
mod target;
#[cfg(test)]
mod tests;

pub use settings::{Settings, SpoolSettings};
pub use target::Target;

use crate::losses::Losses;
use crate::outlet::{Event, Inlet, Woken};
use crate::preprocess::Preprocess;
use crate::sink::{self, Account, PATIENCE, Reason, Schedule};
use crate::trigger::{Figures, Purged, Triggers};
use aggregate::Table;
use aggregate::time_bin::Roundoff;
use crossbeam_channel::Receiver;
use delivery::courier::{self, Desk, Note};
use delivery::queue::{Loss, Lost, Queue};
use delivery::spool::Spool;
use delivery::{Backend, Fault, Parcel, ParcelId, Sum};
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

/// Takes the body of a parcel, the number of its items and what they hold.
pub type Emit<'a> = &'a mut dyn FnMut(Vec<u8>, u32, Sum);

/// Turns tables into the bodies of parcels.
pub trait Encoder: Send {
    /// Cuts a table into parcels. `now` is the time of the purge, seconds since 1970.
    fn encode(&mut self, table: &Table, now: u64, emit: Emit<'_>);

    /// Cuts the aggregates of such values into parcels for the backup server alone. Only databases have one.
    fn encode_for_backup(
        &mut self,
        _table: &Table,
        _rejects: &dyn Fn(&[u64]) -> bool,
        _now: u64,
        _emit: Emit<'_>,
    ) {
    }

    /// Aggregates for more tables than a purge may write to, since the last call: how many went to the table of the time of
    /// the purge, and those that are given up.
    fn take_bounded(&mut self) -> (u64, Sum) {
        (0, Sum::default())
    }

    /// What is told at the start and every `amqp_avro_schema_refresh_time`.
    fn announce(&mut self, _emit: Emit<'_>) {}

    /// What stands before the parcels of a purge.
    fn begin(&mut self, _emit: Emit<'_>) {}

    /// What stands behind them.
    fn end(&mut self, _purge: markers::Purge, _emit: Emit<'_>) {}

    /// The Avro schema of what is written, if there is one.
    fn schema(&self) -> Option<&str> {
        None
    }

    /// What a trigger may want to know of the last purge.
    fn tell(&self, _variables: &mut Vec<(&'static str, String)>) {}
}

/// A store that is open, as far as it can be reached: ready for its threads.
pub struct Opened {
    encoder: Box<dyn Encoder>,
    backend: Box<dyn Backend>,
    queue: Queue,
    /// What an earlier run left on disk.
    found: Sum,
}

impl Opened {
    /// Opens the spool. The store is opened by its own thread: however long that takes, the daemon collects meanwhile.
    ///
    /// # Errors
    /// A spool that cannot be used, or a file of its schema that cannot be written.
    pub fn new(settings: &Settings, encoder: Box<dyn Encoder>, backend: Box<dyn Backend>) -> Result<Self, String> {
        let (queue, found) = match &settings.spool {
            None => (Queue::in_memory(settings.max_octets), Sum::default()),
            Some(spool) => {
                let (opened, found) = Spool::open(&spool.folder)
                    .map_err(|error| format!("plugin_spool_dir: {}: {error}", spool.folder.display()))?;
                for bad in &found.bad {
                    warn!("spool: '{}' is damaged: left as it is, and not delivered", bad.display());
                }
                let sum = found.parcels.iter().fold(Sum::default(), |sum, stored| sum.plus(stored.sum));
                (Queue::on_disk(opened, found.parcels, spool.max_octets), sum)
            }
        };
        if let (Some(path), Some(schema)) = (&settings.schema_file, encoder.schema()) {
            sink::write_schema(path, schema, &settings.files)
                .map_err(|error| format!("avro_schema_file[{}]: {}: {error}", settings.name, path.display()))?;
        }
        Ok(Self { encoder, backend, queue, found })
    }

    /// Opens the store here and now, for a dry run. A store that cannot be reached is no error, as it is none at a start.
    ///
    /// # Errors
    /// The store says no to something that the configuration decides.
    pub fn try_store(&mut self, name: &str) -> Result<(), String> {
        match self.backend.open() {
            Ok(()) => Ok(()),
            Err(Fault::Configuration { key, what }) => Err(format!("{key}[{name}]: {what}")),
            Err(Fault::Down(what) | Fault::Parcel(what)) => {
                warn!("{name}: cannot be reached: {what}");
                Ok(())
            }
        }
    }
}

/// The plugin's thread: takes tables until all workers have ended. Starts the courier's thread by `spawn`. A store that says
/// no to something that the configuration decides, when it is opened first, ends the daemon by `refuse`.
pub fn run(
    settings: &Settings,
    schema: &Schema,
    opened: Opened,
    mut inlet: Inlet,
    counters: Counters,
    spawn: impl FnOnce(Box<dyn FnOnce() + Send>),
    refuse: impl FnOnce(String) + Send + 'static,
) {
    let Opened { encoder, backend, queue, found } = opened;
    let (desk, courier, notes) = courier::new(backend, queue);
    let name = settings.name.clone();
    spawn(Box::new(move || {
        courier.open_and_run(|opened| match opened {
            Ok(()) => {}
            Err(Fault::Configuration { key, what }) => refuse(format!("{key}[{name}]: {what}")),
            Err(Fault::Down(what) | Fault::Parcel(what)) => {
                warn!("cannot be reached yet, and is tried again: {what}");
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
    let mut plugin = Plugin::new(settings, schema, encoder, desk, started, counters);
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
                debug!(aggregates = table.len(), "a table came early");
                plugin.add(table);
            }
            Woken::Event(Event::Due) => {
                plugin.account.triggers_ended(plugin.triggers.reap());
                plugin.losses.due();
                let now = clock::now() / SECOND;
                if flushes.is_due(now) {
                    plugin.purge(inlet.collect(PATIENCE));
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
            Woken::Event(Event::Ended) => {
                plugin.purge(inlet.collect(PATIENCE));
                return plugin.end(&notes);
            }
        }
    }
}

struct Plugin<'a> {
    settings: &'a Settings,
    encoder: Box<dyn Encoder>,
    desk: Desk,
    preprocess: Preprocess,
    triggers: Triggers,
    account: Account,
    purges: Purges,
    /// The name of the next parcel.
    next: ParcelId,
    /// Where keys have the start of their bin, if they have one.
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
        desk: Desk,
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
            desk,
            preprocess: Preprocess::new(settings.preprocess.clone(), schema),
            triggers: Triggers::new(settings.trigger.clone()),
            account: Account::new(counters),
            purges: Purges::default(),
            next: ParcelId { run, number: 1 },
            bin,
            limit: Limited::new(Duration::from_secs(10)),
            full: Limited::new(Duration::from_secs(60)),
            losses: Losses::new(Duration::from_secs(10)),
        }
    }

    /// An earlier run has left so much on disk.
    fn found(&mut self, found: Sum) {
        if found.aggregates > 0 {
            self.account.handed(found.aggregates);
            info!(aggregates = found.aggregates, "found in the spool, from an earlier run: delivered first");
        }
    }

    /// Puts the aggregates of a table on their way.
    fn add(&mut self, mut table: Table) {
        let total = table.len() as u64;
        let now = clock::now() / SECOND;
        self.account.handed(total);
        let recovered = self.recover(&table, now);
        let left_out = self.preprocess.apply(&mut table);
        self.account.left_out(left_out - recovered);
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

    /// Puts what the conditions keep out on its way to the backup, where that is wanted; gives how much that is.
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

    /// Hands what the encoder makes to the courier.
    fn emit(&mut self, make: impl FnOnce(&mut dyn Encoder, Emit<'_>)) {
        let Self { encoder, desk, account, purges, next, full, losses, .. } = self;
        make(encoder.as_mut(), &mut |body, items, sum| {
            let purge = purges.current();
            let id = take(next);
            purge.parcels += 1;
            let parcel = Parcel { id, purge: purge.number, items, sum, body };
            put(parcel, desk, account, purges, full, losses);
        });
        let (redirected, given_up) = encoder.take_bounded();
        account.queued(&desk.backlog());
        account.redirected(redirected);
        account.given_up(given_up, Reason::Names);
        losses.add(given_up, "given up: for more tables than twice sql_max_tables", "");
    }

    /// Hands over what belongs to no purge.
    fn announce(&mut self) {
        let Self { encoder, desk, account, purges, next, full, losses, .. } = self;
        if purges.announcing() {
            return;
        }
        encoder.announce(&mut |body, items, sum| {
            let id = take(next);
            purges.announce(id);
            put(Parcel { id, purge: 0, items, sum, body }, desk, account, purges, full, losses);
        });
    }

    /// Puts everything on its way and ends the period.
    fn purge(&mut self, table: Option<Table>) {
        info!("*** Purging cache - START (PID: {}) ***", std::process::id());
        if let Some(table) = table {
            self.add(table);
        }
        if let Some(total) = self.purges.open_total() {
            let figures = markers::Purge { written: total, total, seconds: 0 };
            self.emit(|encoder, emit| encoder.end(figures, emit));
        }
        match self.purges.close() {
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
        // Of a purge without anything there is nothing to tell; the encoder remembers the one before.
        if purge.is_some() {
            self.encoder.tell(&mut more);
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
                self.account.written(sum.aggregates - lost.aggregates.min(sum.aggregates));
                if lost.aggregates > 0 {
                    self.account.given_up(lost, Reason::Refused);
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
            Note::Lost { lost, what } => {
                if lost.why == Loss::Refused {
                    self.account.reached(true);
                }
                lose(&mut self.account, &mut self.purges, self.next.run, &lost);
                let why = match lost.why {
                    Loss::End => "given up: not written before the end",
                    Loss::Damaged => "given up: the spool's file of it is damaged",
                    Loss::Bound | Loss::Refused => "given up: refused by the store",
                };
                self.losses.add(lost.sum, why, &what);
            }
            Note::Trouble(fault, again) => {
                self.account.failed();
                self.account.retried();
                if !again.is_known {
                    let (parcels, octets) = self.desk.backlog().total();
                    error!(parcels, octets, "cannot write, {again}: {fault}");
                }
            }
            Note::Opened => self.account.reached(true),
            Note::Recovered(after) => {
                self.account.reached(true);
                let (parcels, octets) = self.desk.backlog().total();
                info!(parcels, octets, "writes again, after {} s", after.as_secs());
            }
            Note::Ended { stays } if stays.aggregates > 0 => {
                info!(aggregates = stays.aggregates, "left in the spool for the next start");
            }
            Note::Ended { .. } => {}
        }
        self.account.queued(&self.desk.backlog());
        self.finish_purges();
    }

    /// Delivers what can be delivered in time.
    fn end(mut self, notes: &Receiver<Note>) {
        self.triggers.end();
        let desk = self.desk.clone();
        desk.finish(notes, self.settings.exit, |note| self.note(note));
    }
}

/// The name of the next parcel.
fn take(next: &mut ParcelId) -> ParcelId {
    let id = *next;
    next.number += 1;
    id
}

/// Hands a parcel to the courier, and logs what is given up for it.
fn put(
    parcel: Parcel,
    desk: &mut Desk,
    account: &mut Account,
    purges: &mut Purges,
    full: &Limited,
    losses: &mut Losses,
) {
    let run = parcel.id.run;
    let put = desk.put(parcel);
    if let Some(error) = put.disk
        && let Some(pass) = full.pass()
    {
        error!(held_back = pass.held_back, "the spool cannot be written, parcels wait in memory: {error}");
    }
    for lost in put.lost {
        lose(account, purges, run, &lost);
        let why = "given up: more waits for the store than plugin_queue_memory or plugin_spool_size allow";
        losses.add(lost.sum, why, "");
    }
}

/// Counts a parcel that will not be delivered.
fn lose(account: &mut Account, purges: &mut Purges, run: u64, lost: &Lost) {
    let reason = match lost.why {
        Loss::Bound => Reason::Retries,
        Loss::End => Reason::Shutdown,
        Loss::Damaged | Loss::Refused => Reason::Refused,
    };
    account.given_up(lost.sum, reason);
    purges.settled(lost.id);
    if lost.id.run == run {
        purges.delivered(lost.purge, 0);
    }
}
