//! The print plugin: aggregates as text, Avro or Parquet, in files or on standard output.
//!
//! At each refresh the tables of all workers are merged, and the rows go to their files: one file, or one for each
//! time bin, tag or exporter that the file's name shows ([`encode::names`]). A file is written under a temporary name and
//! renamed, so that readers see it whole; unless rows are appended, or the file is a pipe.
//!
//! An early table (a worker's table reached its bound) belongs to the current period: its rows wait in
//! the temporary file until the period's other tables follow. Where rows are appended, or go to standard output, an
//! early table is a purge of its own. The reference overwrites the period's file then.
//!
//! Rows that cannot be written wait in memory until the next refresh.

mod file;
mod plan;
mod read;
mod rows;
mod settings;
#[cfg(test)]
mod tests;
mod writer;

pub use settings::{DEFAULT_CACHE_ENTRIES, Output, PER_CACHE_ENTRY, Settings};

use crate::outlet::{Event, Inlet};
use crate::preprocess::Preprocess;
use crate::sink::{self, Accounting, DropReason, PATIENCE, Schedule};
use crate::trigger::{Figures, Purged, Triggers};
use aggregate::Table;
use delivery::Sum;
use flow::schema::Schema;
use runtime::clock;
use stats::Counters;
use std::time::Instant;
use tracing::{debug, error, info, warn};
use writer::{Moment, Outcome, Writer};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// The plugin's thread: takes tables until all workers have ended.
pub fn run(settings: &Settings, schema: &Schema, mut inlet: Inlet, counters: Counters) {
    if settings.file.is_none() && settings.lock_file.is_none() {
        warn!("no print_output_file and no print_output_lock_file defined.");
    }
    let zone = settings.style.zone.clone();
    let started = clock::now() / SECOND;
    let mut schedule = Schedule::new(settings.refresh, settings.startup_delay, settings.roundoff, started, zone);
    let mut plugin = match Plugin::new(settings, schema, counters) {
        Ok(plugin) => plugin,
        Err(error) => {
            error!("rows cannot be written in the format of print_output: {error}");
            return;
        }
    };
    plugin.writer.write_schema(&mut plugin.accounting);
    loop {
        match inlet.wait(schedule.wait_until(clock::now())) {
            Event::Early(table) => plugin.early(table, clock::now() / SECOND, schedule.next()),
            Event::Due => {
                plugin.accounting.triggers_ended(plugin.triggers.reap());
                plugin.writer.log_losses();
                let now = clock::now() / SECOND;
                if schedule.is_due(now) {
                    plugin.purge(inlet.collect(PATIENCE), now, false);
                    plugin.confirm(&inlet);
                    schedule.advance(now);
                }
            }
            // The files of a period are complete at its end.
            Event::Flush => {}
            Event::Ended => {
                plugin.purge(inlet.collect(PATIENCE), clock::now() / SECOND, true);
                plugin.confirm(&inlet);
                return;
            }
        }
    }
}

struct Plugin<'a> {
    settings: &'a Settings,
    writer: Writer<'a>,
    preprocess: Preprocess,
    triggers: Triggers,
    accounting: Accounting,
    /// Rows that could not be written yet.
    waiting: Option<Table>,
    /// The time in the names of this period's files, once one is open.
    named: Option<u64>,
}

impl<'a> Plugin<'a> {
    fn new(settings: &'a Settings, schema: &Schema, counters: Counters) -> std::io::Result<Self> {
        let mut accounting = Accounting::new(counters);
        // Files are opened when there is something to write.
        accounting.set_reachable(true);
        Ok(Self {
            settings,
            writer: Writer::new(settings, schema)?,
            preprocess: Preprocess::new(settings.preprocess.clone(), schema),
            triggers: Triggers::new(settings.trigger.clone()),
            accounting,
            waiting: None,
            named: None,
        })
    }

    /// Confirms what was taken, if all of it was written.
    fn confirm(&self, inlet: &Inlet) {
        if self.waiting.is_none() {
            inlet.checkpoint().confirm();
        }
    }

    /// Takes an early table. `ends` is the end of its period, which names show.
    fn early(&mut self, table: Table, now: u64, ends: u64) {
        debug!(aggregates = table.len(), "received a table before the flush");
        if self.settings.file.is_none() || self.settings.append {
            self.purge(Some(table), now, false);
            return;
        }
        let Some(table) = self.take(Some(table)) else {
            return;
        };
        let named = *self.named.get_or_insert(if self.writer.names_show_period() { ends } else { now });
        let moment = self.moment(named, now, false);
        let outcome = self.writer.write(Some(table), moment, &mut self.accounting);
        self.keep(outcome.left);
    }

    /// Writes all rows and renames the files. `last`: the daemon ends.
    fn purge(&mut self, table: Option<Table>, now: u64, last: bool) {
        let pid = std::process::id();
        info!("*** Purging cache - START (PID: {pid}) ***");
        let table = self.take(table);
        let named = self.named.take().unwrap_or(now);
        let moment = self.moment(named, now, true);
        let mut outcome = Outcome::default();
        let mut elapsed = "X".to_owned();
        if table.is_some() || self.writer.has_begun() {
            outcome = self.writer.write(table, moment, &mut self.accounting);
            self.keep(outcome.left.take());
            elapsed = moment.began.elapsed().as_secs().to_string();
        } else if self.settings.write_empty_file {
            if let Err(error) = self.writer.write_empty(moment) {
                self.accounting.failed_for_good();
                error!("unable to write an empty file: {error}");
            }
            elapsed = moment.began.elapsed().as_secs().to_string();
        }
        let (written, total) = (outcome.written, moment.total);
        info!("*** Purging cache - END (PID: {pid}, QN: {written}/{total}, ET: {elapsed}) ***");
        if last {
            self.drop_rest();
            self.triggers.end();
        }
        self.run_trigger(&outcome, moment);
    }

    fn moment(&self, named: u64, now: u64, closing: bool) -> Moment {
        Moment { named, now, began: Instant::now(), total: self.accounting.waiting(), closing }
    }

    fn drop_rest(&mut self) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let sum = sink::sum_of(&waiting);
        self.accounting.dropped(sum, DropReason::Shutdown);
        error!(
            aggregates = sum.aggregates,
            packets = sum.packets,
            bytes = sum.bytes,
            "dropped: not written before the end"
        );
    }

    /// Returns the table, after filtering, merged with waiting rows; `None` when there is nothing.
    fn take(&mut self, table: Option<Table>) -> Option<Table> {
        let table = table.filter(|table| !table.is_empty()).and_then(|mut table| {
            let filtered = self.preprocess.apply(&mut table);
            self.accounting.handed(filtered);
            self.accounting.filtered(filtered);
            Some(table).filter(|table| !table.is_empty())
        });
        let Some(mut waiting) = self.waiting.take() else {
            let table = table?;
            self.accounting.handed(table.len() as u64);
            return Some(table);
        };
        self.accounting.retried();
        if let Some(table) = table {
            let before = waiting.len();
            waiting.absorb(table);
            self.accounting.handed((waiting.len() - before) as u64);
        }
        Some(waiting)
    }

    /// Keeps rows for the next attempt; drops the oldest if they are too many.
    fn keep(&mut self, table: Option<Table>) {
        let Some(mut table) = table else { return };
        let mut lost = Sum::default();
        loop {
            let excess = self.excess(&table);
            if excess == 0 {
                break;
            }
            let excess = excess + lost.aggregates as usize;
            table.retain(|_, values, _| {
                let drop = (lost.aggregates as usize) < excess;
                if drop {
                    lost = lost.plus(sink::sum_of_one(values));
                }
                !drop
            });
        }
        if lost.aggregates > 0 {
            self.accounting.dropped(lost, DropReason::Retries);
            error!(
                aggregates = lost.aggregates,
                packets = lost.packets,
                bytes = lost.bytes,
                "dropped: the waiting aggregates have reached print_cache_entries or plugin_queue_memory"
            );
        }
        self.waiting = Some(table);
    }

    /// By how many the waiting aggregates exceed the bounds: by number, or roughly by memory including their texts.
    fn excess(&self, table: &Table) -> usize {
        let (len, bytes, max) = (table.len(), table.size(), self.settings.max_bytes);
        let by_number = len.saturating_sub(self.settings.max_aggregates);
        let by_memory = match bytes.checked_sub(max) {
            None | Some(0) => 0,
            // Texts may be of any length, so this converges in steps, none of which is too small.
            Some(over) => (len as u128 * over as u128 / bytes as u128) as usize + len / 16 + 1,
        };
        by_number.max(by_memory).min(len)
    }

    fn run_trigger(&mut self, outcome: &Outcome, moment: Moment) {
        let settings = self.settings;
        self.triggers.start(&Purged {
            figures: Some(Figures {
                total: moment.total,
                written: outcome.written,
                seconds: moment.began.elapsed().as_secs(),
                inserts: false,
            }),
            refresh: u64::from(settings.refresh),
            history: (settings.history > 0).then_some(settings.history),
            bin: outcome.bin,
            file: <[String; 1]>::try_from(outcome.files.clone()).ok().map(|[file]| file),
            more: Vec::new(),
        });
    }
}
