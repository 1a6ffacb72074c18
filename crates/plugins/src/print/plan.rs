//! Assigns the rows of a table to files.

use super::settings::Settings;
use aggregate::{Aggregate, Table};
use encode::names::{Name, Template};
use flow::schema::Schema;
use foldhash::HashMap;

/// The names of one plugin's files.
pub(super) struct Names {
    /// Offset of the bin's start in the key.
    bin: Option<usize>,
    name: Option<Name>,
    latest: Option<Name>,
}

/// A file, and the link that will point to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// `None` for standard output.
    pub(super) name: Option<String>,
    pub(super) latest: Option<String>,
}

/// No file, for rows beyond the bound.
pub(super) const NOWHERE: u32 = u32::MAX;

/// How many files there may be.
pub(super) struct Room<'a> {
    /// `print_max_files`.
    pub(super) max: usize,
    /// Number of files that this period has already.
    pub(super) used: usize,
    /// Whether a name is one of these.
    pub(super) is_used: &'a dyn Fn(&str) -> bool,
}

/// The assignment of rows to files.
pub(super) struct Plan {
    pub(super) files: Vec<Planned>,
    /// By row: the number of its file, or [`NOWHERE`]. Empty when there is one file only.
    pub(super) of: Vec<u32>,
    /// Rows that go to the file of the flush's time, because there are too many bins.
    pub(super) redirected: u64,
    /// The newest bin.
    pub(super) bin: Option<u64>,
}

impl Names {
    pub(super) fn new(settings: &Settings, schema: &Schema) -> Self {
        let bind = |template: &Template| {
            let (zone, refresh) = (settings.style.zone.clone(), u64::from(settings.refresh));
            template.bind(schema, zone, refresh, settings.history)
        };
        Self {
            bin: schema.bin,
            name: settings.file.as_ref().map(bind),
            latest: settings.latest.as_ref().map(bind),
        }
    }

    /// True when the names need the time of the period.
    pub(super) fn show_period(&self) -> bool {
        self.bin.is_none() && self.name.as_ref().is_some_and(Name::has_time)
    }

    /// The file of a purge without rows at `named` (seconds since 1970), if there can be one.
    pub(super) fn empty(&self, named: u64) -> Option<Planned> {
        let name = self.name.as_ref().filter(|name| !name.depends_on_record())?;
        let latest = self.latest.as_ref().map(|latest| latest.fill(named, None));
        Some(Planned { name: Some(name.fill(named, None)), latest })
    }

    /// Finds the files of a table. `named` is the time in names, unless a bin determines it.
    ///
    /// Records determine their bins, so the number of files is bounded: at the bound, rows go to the file of `named`. If names
    /// also show other fields of records, rows beyond twice the bound are dropped.
    pub(super) fn plan(&self, table: &Table, named: u64, room: &Room<'_>) -> Plan {
        let bin_of = |row: &Aggregate<'_>| self.bin.map(|at| bin_at(row, at));
        let mut plan = Plan { files: Vec::new(), of: Vec::new(), redirected: 0, bin: None };
        plan.bin = table.iter().filter_map(|row| bin_of(&row)).max();
        let planned = |name: Option<String>, row: &Aggregate<'_>| Planned {
            name,
            latest: self.latest.as_ref().map(|latest| latest.fill(bin_of(row).unwrap_or(named), Some(row))),
        };
        let Some(name) = &self.name else {
            plan.files.extend(table.iter().next().map(|row| planned(None, &row)));
            return plan;
        };
        let by_bin = self.bin.filter(|_| name.has_time());
        if by_bin.is_none() && !name.depends_on_record() {
            let first = table.iter().next();
            plan.files.extend(first.map(|row| planned(Some(name.fill(named, Some(&row))), &row)));
            return plan;
        }
        let mut by_key: HashMap<Vec<u8>, (u32, bool)> = HashMap::default();
        let mut by_name: HashMap<String, u32> = HashMap::default();
        let mut added = 0;
        let mut key = Vec::new();
        for row in table.iter() {
            let bin = by_bin.map(|at| bin_at(&row, at));
            key.clear();
            key.extend_from_slice(&bin.unwrap_or(0).to_be_bytes());
            name.key(&mut key, &row);
            let (file, is_redirected) = by_key.get(&key).copied().unwrap_or_else(|| {
                let mut filled = name.fill(bin.unwrap_or(named), Some(&row));
                let is_new = |name: &str| !by_name.contains_key(name) && !(room.is_used)(name);
                let mut is_redirected = false;
                if bin.is_some() && room.used + added >= room.max && is_new(&filled) {
                    let other = name.fill(named, Some(&row));
                    is_redirected = other != filled;
                    filled = other;
                }
                let is_new = is_new(&filled);
                // Different keys can have the same name, such as the bins of two days under `%H`.
                let file = match by_name.get(&filled) {
                    Some(file) => *file,
                    None if is_new && room.used + added >= room.max.saturating_mul(2) => NOWHERE,
                    None => {
                        let next = plan.files.len() as u32;
                        added += usize::from(is_new);
                        by_name.insert(filled.clone(), next);
                        plan.files.push(planned(Some(filled), &row));
                        next
                    }
                };
                let place = (file, is_redirected && file != NOWHERE);
                by_key.insert(key.clone(), place);
                place
            });
            plan.redirected += u64::from(is_redirected);
            plan.of.push(file);
        }
        plan
    }
}

/// The bin of a row, seconds since 1970.
fn bin_at(row: &Aggregate<'_>, at: usize) -> u64 {
    row.key.get(at..).and_then(|key| key.first_chunk()).map_or(0, |octets| u64::from_be_bytes(*octets))
}
