//! From tables to files.
//!
//! A table's rows are sorted by the file in which each belongs (one, unless the name depends on the time bin or on the
//! record), and files are written one after the other. What does not get into its file stays in the table.

use super::file::OpenFile;
use super::rows::Rows;
use super::settings::Settings;
use crate::sink::{Account, Reason, Sum};
use aggregate::{Aggregate, Table};
use encode::markers::Purge;
use encode::names::Name;
use flow::schema::Schema;
use foldhash::HashMap;
use runtime::files;
use runtime::log::Limited;
use std::io;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// Files that may be open from early tables to the end of their period.
const MAX_OPEN: usize = 256;

/// Writes the tables of one plugin.
pub(super) struct Writer<'a> {
    settings: &'a Settings,
    /// Offset of the bin's start in the key.
    bin: Option<usize>,
    name: Option<Name>,
    latest: Option<Name>,
    rows: Rows,
    /// Files with rows of early tables, by name.
    open: HashMap<String, OpenFile>,
    limit: Limited,
}

/// When and how a table is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time that names show, unless a bin decides: seconds since 1970.
    pub(super) named: u64,
    /// The time that rows show as that of their last change.
    pub(super) now: u64,
    /// When the purge began.
    pub(super) began: Instant,
    /// The period ends: files are put in place. Else they stay open for more.
    pub(super) closing: bool,
}

/// What came of writing a table.
#[derive(Default)]
pub(super) struct Outcome {
    /// Aggregates in files that are in place now.
    pub(super) written: u64,
    /// Aggregates that were to be written, as far as the caller knows.
    pub(super) total: u64,
    /// Names of those files.
    pub(super) files: Vec<String>,
    /// The newest bin.
    pub(super) bin: Option<u64>,
    /// The rows that did not get into their files, if any.
    pub(super) left: Option<Table>,
    /// Some write failed; else rows are left only because too many files are open.
    pub(super) failed: bool,
}

/// The file of a group of rows.
struct Planned {
    /// `None` for standard output.
    name: Option<String>,
    latest: Option<String>,
}

/// Which row goes where.
struct Plan {
    files: Vec<Planned>,
    /// By row: the number of its file. Empty when there is one file only.
    of: Vec<u32>,
    bin: Option<u64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(settings: &'a Settings, schema: &Schema) -> Self {
        let bind = |template: &Option<encode::names::Template>| {
            let (zone, refresh) = (settings.style.zone.clone(), u64::from(settings.refresh));
            template
                .as_ref()
                .map(|template| template.bind(schema, zone, refresh, settings.history))
        };
        Self {
            settings,
            bin: schema.bin,
            name: bind(&settings.file),
            latest: bind(&settings.latest),
            rows: Rows::new(settings, schema),
            open: HashMap::default(),
            limit: Limited::new(Duration::from_secs(10)),
        }
    }

    /// True when files of this period are open.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// True when the names of files need the time of the period.
    pub(super) fn names_show_period(&self) -> bool {
        self.bin.is_none() && self.name.as_ref().is_some_and(Name::has_time)
    }

    /// Writes a table. `account` learns what is written, and what is lost for good.
    pub(super) fn write(
        &mut self,
        mut table: Table,
        moment: Moment,
        account: &mut Account,
    ) -> Outcome {
        let plan = self.plan(&table, moment);
        let total = table.len() as u64
            + self
                .open
                .values()
                .map(|file| file.sum.aggregates)
                .sum::<u64>();
        let mut outcome = Outcome {
            bin: plan.bin,
            ..Outcome::default()
        };
        let mut kept = vec![false; plan.files.len()];
        let mut rows: Vec<(u32, Aggregate<'_>)> =
            plan.of.iter().copied().zip(table.iter()).collect();
        rows.sort_by_key(|(file, _)| *file);
        let mut start = 0;
        for (number, planned) in plan.files.iter().enumerate() {
            let result = if plan.of.is_empty() {
                self.file(planned, table.iter(), &table, moment, total, account)
            } else {
                let end = start
                    + rows
                        .get(start..)
                        .unwrap_or_default()
                        .partition_point(|(file, _)| *file as usize <= number);
                let group = rows
                    .get(start..end)
                    .unwrap_or_default()
                    .iter()
                    .map(|(_, row)| *row);
                start = end;
                self.file(planned, group, &table, moment, total, account)
            };
            match result {
                Ok(Some(written)) => {
                    outcome.written += written;
                    outcome.files.extend(planned.name.clone());
                }
                Ok(None) => {}
                Err(failure) => {
                    outcome.failed |= failure == Failure::Io;
                    kept[number] = true;
                }
            }
        }
        drop(rows);
        if moment.closing {
            self.close_rest(moment, total, account, &mut outcome);
        }
        if kept.contains(&true) {
            let mut row = 0;
            table.retain(|_, _, _| {
                let file = plan.of.get(row).map_or(0, |file| *file as usize);
                row += 1;
                kept.get(file).copied().unwrap_or(true)
            });
            outcome.left = Some(table);
        }
        outcome
    }

    /// Puts the files of early tables in place: nothing else has come in their period.
    pub(super) fn close_all(&mut self, moment: Moment, account: &mut Account) -> Outcome {
        let total = self.open.values().map(|file| file.sum.aggregates).sum();
        let mut outcome = Outcome::default();
        self.close_rest(moment, total, account, &mut outcome);
        outcome
    }

    /// Makes the file of a purge without rows, if it has a name.
    pub(super) fn write_empty(&mut self, moment: Moment) -> io::Result<()> {
        let Some(name) = self.name.as_ref().filter(|name| !name.depends_on_record()) else {
            return Ok(());
        };
        let name = name.fill(moment.named, None);
        let mut file = OpenFile::open(Some(&name), self.settings)?;
        self.rows.start(&mut file.buffer, false);
        self.rows.end(
            &mut file.buffer,
            Purge {
                seconds: moment.began.elapsed().as_secs(),
                ..Purge::default()
            },
        );
        file.commit()?;
        let latest = self
            .latest
            .as_ref()
            .map(|latest| latest.fill(moment.named, None));
        self.advance(&name, latest);
        Ok(())
    }

    fn plan(&self, table: &Table, moment: Moment) -> Plan {
        let mut plan = Plan {
            files: Vec::new(),
            of: Vec::new(),
            bin: None,
        };
        let bin_of = |row: &Aggregate<'_>| self.bin.map(|at| encoded_bin(row, at));
        plan.bin = table.iter().filter_map(|row| bin_of(&row)).max();
        let Some(name) = &self.name else {
            if !table.is_empty() {
                plan.files.push(Planned {
                    name: None,
                    latest: None,
                });
            }
            return plan;
        };
        let by_bin = self.bin.filter(|_| name.has_time());
        let latest_of = |row: &Aggregate<'_>| {
            self.latest
                .as_ref()
                .map(|latest| latest.fill(bin_of(row).unwrap_or(moment.named), Some(row)))
        };
        if by_bin.is_none() && !name.depends_on_record() {
            if let Some(row) = table.iter().next() {
                let name = Some(name.fill(moment.named, Some(&row)));
                plan.files.push(Planned {
                    name,
                    latest: latest_of(&row),
                });
            }
            return plan;
        }
        let mut by_key: HashMap<Vec<u8>, u32> = HashMap::default();
        let mut by_name: HashMap<String, u32> = HashMap::default();
        let mut key = Vec::new();
        for row in table.iter() {
            key.clear();
            let bin = by_bin.map(|at| encoded_bin(&row, at));
            key.extend_from_slice(&bin.unwrap_or(0).to_be_bytes());
            name.key(&mut key, &row);
            let file = match by_key.get(&key) {
                Some(file) => *file,
                None => {
                    // Different keys can have one name: two days' bins under `%H`.
                    let name = name.fill(bin.unwrap_or(moment.named), Some(&row));
                    let next = plan.files.len() as u32;
                    let file = *by_name.entry(name).or_insert_with_key(|name| {
                        plan.files.push(Planned {
                            name: Some(name.clone()),
                            latest: latest_of(&row),
                        });
                        next
                    });
                    by_key.insert(key.clone(), file);
                    file
                }
            };
            plan.of.push(file);
        }
        plan
    }

    /// Writes rows to their file. Returns how many aggregates the file holds if it is in place now.
    fn file<'r>(
        &mut self,
        planned: &Planned,
        rows: impl Iterator<Item = Aggregate<'r>>,
        table: &Table,
        moment: Moment,
        total: u64,
        account: &mut Account,
    ) -> Result<Option<u64>, Failure> {
        let name = planned.name.as_deref();
        let known = name.and_then(|name| self.open.remove(name));
        let mut file = match known {
            Some(file) => file,
            None if !moment.closing && self.open.len() >= MAX_OPEN => {
                return Err(Failure::TooManyOpen);
            }
            None => {
                let mut file = OpenFile::open(name, self.settings)
                    .map_err(|error| self.failed(name, &error, account))?;
                self.rows.start(&mut file.buffer, file.title);
                file
            }
        };
        let earlier = file.sum;
        let result = self.rows_to(&mut file, rows, table, moment);
        let result = match result {
            Ok(()) if moment.closing => {
                return self
                    .close(planned, file, earlier, moment, total, account)
                    .map(Some);
            }
            Ok(()) => file.write(),
            Err(error) => Err(error),
        };
        match (result, name) {
            (Ok(()), Some(name)) => {
                file.latest = planned.latest.clone();
                self.open.insert(name.to_owned(), file);
                Ok(None)
            }
            (Ok(()), None) => Ok(None),
            (Err(error), name) => {
                account.given_up(earlier, Reason::Refused);
                file.abandon();
                Err(self.failed(name, &error, account))
            }
        }
    }

    fn rows_to<'r>(
        &mut self,
        file: &mut OpenFile,
        rows: impl Iterator<Item = Aggregate<'r>>,
        table: &Table,
        moment: Moment,
    ) -> io::Result<()> {
        for row in rows {
            self.rows
                .row(&mut file.buffer, &row, table.strings(), moment.now);
            file.sum.add(row.values);
            file.write_if_large()?;
        }
        Ok(())
    }

    /// Ends a file and puts it in place. `earlier` is what it holds of early tables, which is lost if that fails.
    fn close(
        &mut self,
        planned: &Planned,
        mut file: OpenFile,
        earlier: Sum,
        moment: Moment,
        total: u64,
        account: &mut Account,
    ) -> Result<u64, Failure> {
        let written = file.sum.aggregates;
        let seconds = moment.began.elapsed().as_secs();
        self.rows.end(
            &mut file.buffer,
            Purge {
                written,
                total,
                seconds,
            },
        );
        match file.commit() {
            Ok(()) => {
                account.written(written);
                if let Some(name) = &planned.name {
                    self.advance(name, planned.latest.clone());
                }
                Ok(written)
            }
            Err(error) => {
                account.given_up(earlier, Reason::Refused);
                Err(self.failed(planned.name.as_deref(), &error, account))
            }
        }
    }

    /// Closes the files that early tables opened and the last table had nothing for.
    fn close_rest(
        &mut self,
        moment: Moment,
        total: u64,
        account: &mut Account,
        outcome: &mut Outcome,
    ) {
        for (name, file) in std::mem::take(&mut self.open) {
            let earlier = file.sum;
            let planned = Planned {
                name: Some(name),
                latest: file.latest.clone(),
            };
            match self.close(&planned, file, earlier, moment, total, account) {
                Ok(written) => {
                    outcome.written += written;
                    outcome.files.extend(planned.name);
                }
                Err(_) => outcome.failed = true,
            }
        }
    }

    fn failed(&self, name: Option<&str>, error: &io::Error, account: &mut Account) -> Failure {
        account.failed();
        if let Some(pass) = self.limit.pass() {
            let name = name.unwrap_or("standard output");
            error!(
                held_back = pass.held_back,
                "unable to write to {name}: {error}"
            );
        }
        Failure::Io
    }

    /// Moves the link to the newest file, if that sorts behind the one it points to.
    fn advance(&self, name: &str, latest: Option<String>) {
        let Some(latest) = latest else { return };
        let target = std::path::absolute(name).unwrap_or_else(|_| name.into());
        if let Err(error) = files::advance_link(latest.as_ref(), &target, &self.settings.files)
            && let Some(pass) = self.limit.pass()
        {
            warn!(
                held_back = pass.held_back,
                "unable to link {latest} to {name}: {error}"
            );
        }
    }
}

/// Why rows did not get into their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Io,
    TooManyOpen,
}

/// The bin of a row, seconds since 1970.
fn encoded_bin(row: &Aggregate<'_>, at: usize) -> u64 {
    row.key
        .get(at..)
        .and_then(|key| key.first_chunk())
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}
