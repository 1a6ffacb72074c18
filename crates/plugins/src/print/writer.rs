//! Writes tables to files.
//!
//! A table's rows are sorted by their files, and files are written one after the other. Rows that cannot be written stay in
//! the table.

use super::file::OpenFile;
use super::plan::{NOWHERE, Names, Plan, Planned, Room};
use super::rows::Rows;
use super::settings::Settings;
use crate::losses::Losses;
use crate::sink::{self, Accounting, DropReason};
use aggregate::{Aggregate, Table};
use delivery::Sum;
use encode::markers::Purge;
use flow::schema::Schema;
use foldhash::HashMap;
use runtime::files;
use runtime::log::Limited;
use std::io;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// Files that may be open from early tables to the end of their period. Beyond this number, one is renamed into place
/// early, and appended to when more rows come for it.
const MAX_OPEN: usize = 64;

/// Writes the tables of one plugin.
pub(super) struct Writer<'a> {
    settings: &'a Settings,
    names: Names,
    rows: Rows,
    /// Files with rows of early tables, by name.
    open: HashMap<String, OpenFile>,
    /// Files that were renamed into place before the end of their period: their number of aggregates, by name.
    begun: HashMap<String, u64>,
    limit: Limited,
    losses: Losses,
}

/// When and how a table is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time in names, unless a bin determines it: seconds since 1970.
    pub(super) named: u64,
    /// The time of the last change in rows.
    pub(super) now: u64,
    /// When the purge began.
    pub(super) began: Instant,
    /// Aggregates to be written, including those of early tables.
    pub(super) total: u64,
    /// The period ends: files are renamed into place. Otherwise they stay open.
    pub(super) closing: bool,
}

/// The outcome of writing a table.
#[derive(Default)]
pub(super) struct Outcome {
    /// Aggregates in files that were renamed into place.
    pub(super) written: u64,
    /// Names of those files.
    pub(super) files: Vec<String>,
    /// The newest bin.
    pub(super) bin: Option<u64>,
    /// The rows that could not be written, if any.
    pub(super) left: Option<Table>,
}

/// Rows could not be written; this is counted and logged already.
struct Failed;

impl<'a> Writer<'a> {
    pub(super) fn new(settings: &'a Settings, schema: &Schema) -> io::Result<Self> {
        Ok(Self {
            settings,
            names: Names::new(settings, schema),
            rows: Rows::new(settings, schema)?,
            open: HashMap::default(),
            begun: HashMap::default(),
            limit: Limited::new(Duration::from_secs(10)),
            losses: Losses::new(Duration::from_secs(10)),
        })
    }

    /// Writes the schema of the rows to the file that is configured for it.
    pub(super) fn write_schema(&self, accounting: &mut Accounting) {
        let (Some(path), Some(schema)) = (&self.settings.schema_file, self.rows.avro_schema()) else {
            return;
        };
        if let Err(error) = sink::write_schema(path, schema, &self.settings.files) {
            accounting.failed_for_good();
            error!("unable to write avro_schema_file {}: {error}", path.display());
        }
    }

    /// Logs losses that were held back long enough.
    pub(super) fn log_losses(&mut self) {
        self.losses.due();
    }

    /// True when the period has files already.
    pub(super) fn has_begun(&self) -> bool {
        !self.open.is_empty() || !self.begun.is_empty()
    }

    /// True when the names of files need the time of the period.
    pub(super) fn names_show_period(&self) -> bool {
        self.names.show_period()
    }

    /// Writes a table, or only ends the period. `accounting` counts what was written, and what was dropped.
    pub(super) fn write(&mut self, table: Option<Table>, moment: Moment, accounting: &mut Accounting) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(mut table) = table {
            let is_used = |name: &str| self.open.contains_key(name) || self.begun.contains_key(name);
            let used = self.open.len() + self.begun.len();
            let room = Room { max: self.settings.max_files, used, is_used: &is_used };
            let plan = self.names.plan(&table, moment.named, &room);
            outcome.bin = plan.bin;
            accounting.redirected(plan.redirected);
            self.drop_nameless(&table, &plan, accounting);
            let mut rows: Vec<(u32, Aggregate<'_>)> = plan.of.iter().copied().zip(table.iter()).collect();
            rows.sort_by_key(|(file, _)| *file);
            let mut rows = rows.as_slice();
            let mut failed = vec![false; plan.files.len()];
            for (planned, (number, failed)) in plan.files.iter().zip((0..).zip(&mut failed)) {
                let result = if plan.of.is_empty() {
                    self.file(planned, table.iter(), &table, moment, accounting)
                } else {
                    let (group, rest) = rows.split_at(rows.partition_point(|(file, _)| *file <= number));
                    rows = rest;
                    self.file(planned, group.iter().map(|(_, row)| *row), &table, moment, accounting)
                };
                match result {
                    Ok(written) => outcome.add(planned.name.as_deref(), written),
                    Err(Failed) => *failed = true,
                }
            }
            if failed.contains(&true) {
                let mut of = plan.of.iter();
                table.retain(|_, _, _| of.next().is_none_or(|file| failed.get(*file as usize) == Some(&true)));
                outcome.left = Some(table);
            }
        }
        if moment.closing {
            self.end_period(moment, accounting, &mut outcome);
        }
        outcome
    }

    /// Creates the file of a purge without rows, if it has a name.
    pub(super) fn write_empty(&mut self, moment: Moment) -> io::Result<()> {
        let Some(planned) = self.names.empty(moment.named) else {
            return Ok(());
        };
        let mut file = OpenFile::open(planned.name.as_deref(), self.settings)?;
        self.rows.start(&mut file, planned.name.as_deref())?;
        self.rows.end(&mut file.buffer, figures(0, moment));
        file.commit()?;
        self.advance(&planned);
        Ok(())
    }

    /// Writes rows to their file. Returns the number of aggregates in files that were renamed into place.
    fn file<'r>(
        &mut self,
        planned: &Planned,
        rows: impl Iterator<Item = Aggregate<'r>>,
        table: &Table,
        moment: Moment,
        accounting: &mut Accounting,
    ) -> Result<u64, Failed> {
        let mut file = match self.opened(planned) {
            Ok(file) => file,
            Err(error) => return Err(self.failed(planned, &error, accounting)),
        };
        // If this fails, the rows of early tables in the file are lost; the rows at hand are not.
        let earlier = file.sum;
        let result = self.add(&mut file, rows, table, moment);
        let result = match (result, &planned.name) {
            (Err(error), _) => {
                file.abandon();
                Err(error)
            }
            (Ok(()), Some(name)) if !moment.closing => {
                file.latest.clone_from(&planned.latest);
                self.open.insert(name.clone(), file);
                return Ok(self.close_one_of_many(accounting));
            }
            (Ok(()), _) => self.close(planned, file, Some(moment), accounting),
        };
        result.map_err(|error| {
            self.lose(earlier, accounting);
            self.failed(planned, &error, accounting)
        })
    }

    /// The file that an earlier table left open, or a new one.
    fn opened(&mut self, planned: &Planned) -> io::Result<OpenFile> {
        if let Some(name) = &planned.name {
            if let Some(file) = self.open.remove(name) {
                return Ok(file);
            }
            if self.begun.contains_key(name) {
                return self.reopened(name);
            }
        }
        let mut file = OpenFile::open(planned.name.as_deref(), self.settings)?;
        self.rows.start(&mut file, planned.name.as_deref())?;
        Ok(file)
    }

    /// Opens a file that was renamed into place before the end of its period.
    fn reopened(&mut self, name: &str) -> io::Result<OpenFile> {
        let mut file = match self.rows.can_append() {
            true => OpenFile::reopen(name, self.settings)?,
            false => OpenFile::open(Some(name), self.settings)?,
        };
        self.rows.resume(&mut file, name)?;
        Ok(file)
    }

    fn add<'r>(
        &mut self,
        file: &mut OpenFile,
        rows: impl Iterator<Item = Aggregate<'r>>,
        table: &Table,
        moment: Moment,
    ) -> io::Result<()> {
        self.rows.discard();
        for row in rows {
            self.rows.row(file, &row, table.strings(), moment.now)?;
            file.sum = file.sum.plus(sink::sum_of_one(row.values));
            file.write_if_large()?;
        }
        self.rows.pause(file)?;
        file.write()
    }

    /// Renames a file into place; with a moment, after writing its end marker. Returns its number of aggregates.
    fn close(
        &mut self,
        planned: &Planned,
        mut file: OpenFile,
        ends: Option<Moment>,
        accounting: &mut Accounting,
    ) -> io::Result<u64> {
        let written = file.sum.aggregates;
        if let Some(moment) = ends {
            let before = planned.name.as_ref().and_then(|name| self.begun.get(name)).copied().unwrap_or(0);
            self.rows.end(&mut file.buffer, figures(before + written, moment));
        }
        file.commit()?;
        if let (Some(name), Some(_)) = (&planned.name, ends) {
            self.begun.remove(name);
        }
        accounting.written(written);
        self.advance(planned);
        Ok(written)
    }

    /// Renames a file into place when too many are open.
    fn close_one_of_many(&mut self, accounting: &mut Accounting) -> u64 {
        if self.open.len() <= MAX_OPEN {
            return 0;
        }
        let Some(name) = self.open.keys().next().cloned() else {
            return 0;
        };
        let Some(file) = self.open.remove(&name) else {
            return 0;
        };
        let sum = file.sum;
        let planned = Planned { name: Some(name.clone()), latest: file.latest.clone() };
        match self.close(&planned, file, None, accounting) {
            Ok(written) => {
                *self.begun.entry(name).or_default() += written;
                written
            }
            Err(error) => {
                self.lose(sum, accounting);
                self.failed(&planned, &error, accounting);
                0
            }
        }
    }

    /// Completes the files for which the last table had no rows.
    fn end_period(&mut self, moment: Moment, accounting: &mut Accounting, outcome: &mut Outcome) {
        let mut rest: Vec<(String, OpenFile)> = self.open.drain().collect();
        if self.settings.markers {
            let names = self.begun.keys().filter(|name| !rest.iter().any(|(open, _)| open == *name));
            let reopened =
                names.filter_map(|name| Some((name.clone(), OpenFile::reopen(name, self.settings).ok()?)));
            let reopened: Vec<_> = reopened.collect();
            rest.extend(reopened);
        }
        for (name, file) in rest {
            let sum = file.sum;
            let planned = Planned { name: Some(name), latest: file.latest.clone() };
            match self.close(&planned, file, Some(moment), accounting) {
                Ok(written) => outcome.add(planned.name.as_deref(), written),
                Err(error) => {
                    self.lose(sum, accounting);
                    self.failed(&planned, &error, accounting);
                }
            }
        }
        self.begun.clear();
    }

    /// Drops the rows for which there is no file.
    fn drop_nameless(&mut self, table: &Table, plan: &Plan, accounting: &mut Accounting) {
        let nowhere = table.iter().zip(&plan.of).filter(|(_, file)| **file == NOWHERE);
        let sum = nowhere.fold(Sum::default(), |sum, (row, _)| sum.plus(sink::sum_of_one(row.values)));
        accounting.dropped(sum, DropReason::Names);
        self.losses.add(sum, "dropped: they need more files than twice print_max_files", "");
    }

    /// Counts the rows of early tables that are lost with their file.
    fn lose(&mut self, sum: Sum, accounting: &mut Accounting) {
        accounting.dropped(sum, DropReason::Refused);
        self.losses.add(sum, "dropped: rows of a file that could not be finished", "");
    }

    fn failed(&self, planned: &Planned, error: &io::Error, accounting: &mut Accounting) -> Failed {
        accounting.failed();
        if let Some(pass) = self.limit.pass() {
            let name = planned.name.as_deref().unwrap_or("standard output");
            error!(held_back = pass.held_back, "unable to write to {name}: {error}");
        }
        Failed
    }

    /// Points the link to the newest file, if that sorts after its current target.
    fn advance(&self, planned: &Planned) {
        let (Some(name), Some(latest)) = (&planned.name, &planned.latest) else {
            return;
        };
        let target = std::path::absolute(name).unwrap_or_else(|_| name.into());
        if let Err(error) = files::advance_link(latest.as_ref(), &target, &self.settings.files)
            && let Some(pass) = self.limit.pass()
        {
            warn!(held_back = pass.held_back, "unable to link {latest} to {name}: {error}");
        }
    }
}

impl Outcome {
    fn add(&mut self, name: Option<&str>, written: u64) {
        self.written += written;
        if written > 0 {
            self.files.extend(name.map(str::to_owned));
        }
    }
}

/// The figures of the marker that ends a file.
fn figures(written: u64, moment: Moment) -> Purge {
    Purge { written, total: moment.total, seconds: moment.began.elapsed().as_secs() }
}
