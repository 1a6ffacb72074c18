//! MySQL from version 5.7, MariaDB from version 10.2.
//!
//! A parcel is one transaction of prepared statements that carry up to 512 rows each. Which statements depends on the table:
//!
//! * a unique index covers exactly the key: `INSERT … ON DUPLICATE KEY UPDATE`;
//! * none does: INSERT into a temporary table, then one UPDATE with a join and one INSERT of what was not there;
//! * none does, and the user may not make temporary tables: UPDATE, and INSERT when that found nothing, row by row;
//! * rows are only inserted (`sql_dont_try_update`): INSERT.
//!
//! # Rows that are refused
//!
//! A statement that fails leaves nothing behind, so its rows are tried in smaller ones, down to the single row that is the
//! matter; that one is left out. Engines without transactions (`MyISAM`, `Aria`) do leave something behind: their rows go
//! one by one, each of them on the receipt at once.
//!
//! Before that, the table is looked at again: rows that it cannot take since it has changed are not at fault, and wait.
//!
//! # Commits without an answer
//!
//! Before COMMIT, one of the rows is read back. When the connection breaks while COMMIT is under way, the next one reads it
//! again: it has what it had, or more, if the transaction was committed.
//!
//! # Nothing
//!
//! Where a row has nothing (no address, say) and the column must not be NULL, the column's default is written; without
//! one, what is like zero in its type.

mod link;
mod table;
mod trouble;
mod values;

use crate::rows::{Head, Rows};
use crate::server::{Server, Servers};
use crate::settings::Settings;
use crate::width::Logged;
use config::keys::sql::LockingStyle;
use delivery::{Backend, BatchId, Fault, Receipt, Sum, WriteBatch};
use link::Link;
use mysql::Value as Bound;
use table::{Table, Way};
use trouble::Trouble;
use values::{Batch, bind};

/// Tables that a connection keeps ready. Names with times in them would else pile up.
const TABLES: usize = 8;
/// How often a transaction is tried that the server undid for the sake of another.
const ATTEMPTS: u32 = 4;

/// A MySQL server, and its backup. `expected`: the table that must be there from the start.
pub fn backend(settings: Settings, expected: Option<Head>) -> Box<dyn Backend> {
    let backup = settings.backup.clone().map(|host| MySql::new(host, settings.clone(), expected.clone()));
    Box::new(Servers::new(MySql::new(settings.host.clone(), settings, expected), backup))
}

struct MySql {
    host: String,
    settings: Settings,
    expected: Option<Head>,
    link: Option<Link>,
    /// The tables of this connection, the last one used at the end.
    tables: Vec<Table>,
    /// Stages made in this connection.
    stages: u64,
    doubt: Option<Doubt>,
    /// Columns whose texts were cut.
    cut: Logged,
}

/// A transaction of which nobody said whether it was committed.
struct Doubt {
    parcel: BatchId,
    probe: Probe,
    refused: Vec<Refused>,
}

/// A row, and what the server had of it before COMMIT.
struct Probe {
    query: String,
    key: Vec<Bound>,
    had: Vec<f64>,
}

/// A row that the server does not take.
struct Refused {
    number: u32,
    sum: Sum,
    what: String,
}

impl MySql {
    fn new(host: String, settings: Settings, expected: Option<Head>) -> Self {
        Self {
            host,
            settings,
            expected,
            link: None,
            tables: Vec::new(),
            stages: 0,
            doubt: None,
            cut: Logged::default(),
        }
    }

    fn drop_link(&mut self) {
        self.tables.clear();
        self.link = None;
    }

    /// What is left to do after trouble: the connection is given up, and with it transaction, locks and stages.
    fn failed(&mut self, trouble: Trouble) -> Fault {
        self.drop_link();
        match trouble.fault() {
            Fault::Down(what) => Fault::Down(format!("{}: {what}", self.host)),
            fault => fault,
        }
    }

    fn connect(&mut self) -> Result<(), Fault> {
        if self.link.is_none() {
            self.link = Some(Link::new(&self.host, &self.settings)?);
            if let Some(head) = self.expected.clone() {
                self.prepare(&head).map_err(|trouble| self.failed(trouble))?;
            }
        }
        Ok(())
    }

    fn ready(&mut self) -> Result<(&mut Link, &mut Table), Trouble> {
        let lost = || Trouble::Lost("not connected".to_owned());
        self.link.as_mut().zip(self.tables.last_mut()).ok_or_else(lost)
    }

    /// Brings the table to the end of the list.
    fn prepare(&mut self, head: &Head) -> Result<(), Trouble> {
        let link = self.link.as_mut().ok_or_else(|| Trouble::Lost("not connected".to_owned()))?;
        if let Some(at) = self.tables.iter().position(|table| table.head == *head) {
            let last = self.tables.len() - 1;
            self.tables.swap(at, last);
            return Ok(());
        }
        if self.tables.len() >= TABLES {
            self.tables.remove(0).close(link)?;
        }
        self.stages += 1;
        self.tables.push(Table::new(link, head, &self.settings, self.stages, &self.cut)?);
        // What was read about the table began a transaction.
        link.run("ROLLBACK")
    }

    /// What became of the transaction in doubt.
    fn resolve(&mut self, parcel: &WriteBatch, receipt: &mut Receipt) -> Result<(), Trouble> {
        let Some(doubt) = self.doubt.take().filter(|doubt| doubt.parcel == parcel.id) else { return Ok(()) };
        let link = self.link.as_mut().ok_or_else(|| Trouble::Lost("not connected".to_owned()));
        match link.and_then(|link| doubt.probe.read(link).and_then(|has| link.run("ROLLBACK").map(|()| has))) {
            Ok(has) => {
                // Counters grow; others may have added to them.
                let whole = has.len() == doubt.probe.had.len();
                if whole && has.iter().zip(&doubt.probe.had).all(|(has, had)| has >= had) {
                    settle(receipt, &doubt.refused);
                    receipt.confirm_all();
                }
                Ok(())
            }
            Err(trouble) => {
                self.doubt = Some(doubt);
                Err(trouble)
            }
        }
    }

    /// Begins; connects anew when the connection has broken since the last parcel.
    fn begin(&mut self, head: &Head) -> Result<(), Trouble> {
        match self.try_begin(head) {
            Err(Trouble::Lost(_)) => {
                self.drop_link();
                self.connect().map_err(Trouble::Fault)?;
                self.try_begin(head)
            }
            begun => begun,
        }
    }

    fn try_begin(&mut self, head: &Head) -> Result<(), Trouble> {
        self.prepare(head)?;
        let locking = self.settings.locking;
        let (link, table) = self.ready()?;
        match locking {
            // It ends what was before. A transaction begins with the next statement, as there is no autocommit: START
            // TRANSACTION would unlock.
            LockingStyle::Table => link.run(&table.lock()).map_err(|trouble| match trouble {
                Trouble::Fault(Fault::Configuration { key: "sql_db" | "sql_user", what }) => {
                    let what = format!("{what}; sql_locking_style: none needs no right to lock");
                    Trouble::Fault(Fault::Configuration { key: "sql_locking_style", what })
                }
                other => other,
            }),
            LockingStyle::Row | LockingStyle::None => link.run("START TRANSACTION"),
        }
    }

    /// Writes the rows. Unless the table has been looked at for them (`is_known`), none is refused: that is trouble.
    fn transact(
        &mut self,
        parcel: &WriteBatch,
        rows: &Rows<'_>,
        receipt: &mut Receipt,
        is_known: bool,
    ) -> Result<(), Trouble> {
        self.begin(&rows.head)?;
        let locked = self.settings.locking == LockingStyle::Table;
        let limit = usize::try_from(self.settings.multi_values).unwrap_or(usize::MAX);
        let (link, table) = self.ready()?;
        let batch = Batch::new(rows, receipt)
            .ok_or_else(|| Trouble::Fault(Fault::Batch("it ends in the middle of a row".to_owned())))?;
        let limit = if limit == 0 { link.packet / 2 } else { limit.min(link.packet / 2) };
        // Without transactions nothing can be taken back, and what is written is written.
        let written = if table.transactional { None } else { Some(&mut *receipt) };
        let mut writer =
            Writer { link, table, batch: &batch, limit, may_refuse: is_known, refused: Vec::new(), written };
        writer.write()?;
        let refused = writer.refused;
        let probe = Probe::new(link, table, &batch, &refused)?;
        match (link.run("COMMIT"), probe) {
            (Ok(()), _) => {
                settle(receipt, &refused);
                receipt.confirm_all();
                // It is locked no longer than this connection lasts: an error has no consequence for the parcel.
                if locked && link.run("UNLOCK TABLES").is_err() {
                    self.drop_link();
                }
                Ok(())
            }
            (Err(Trouble::Lost(what)), Some(probe)) => {
                self.doubt = Some(Doubt { parcel: parcel.id, probe, refused });
                Err(Trouble::Lost(what))
            }
            (Err(trouble), _) => Err(trouble),
        }
    }
}

impl Server for MySql {
    fn address(&self) -> &str {
        &self.host
    }

    fn open(&mut self) -> Result<(), Fault> {
        self.connect()
    }

    fn write(&mut self, parcel: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), Fault> {
        self.connect()?;
        self.resolve(parcel, receipt).map_err(|trouble| self.failed(trouble))?;
        let mut is_known = false;
        for attempt in 1.. {
            if (0..parcel.items).all(|item| receipt.has(item)) {
                break;
            }
            match self.transact(parcel, rows, receipt, is_known) {
                Err(Trouble::Row(_)) if !is_known => {
                    is_known = true;
                    self.drop_link();
                    self.connect()?;
                }
                Err(Trouble::Again(_)) if attempt < ATTEMPTS => {
                    self.drop_link();
                    self.connect()?;
                }
                Err(trouble) => return Err(self.failed(trouble)),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    fn in_doubt(&self) -> Option<BatchId> {
        self.doubt.as_ref().map(|doubt| doubt.parcel)
    }

    fn close(&mut self) {
        self.drop_link();
    }
}

/// Writes refused rows on the receipt.
fn settle(receipt: &mut Receipt, refused: &[Refused]) {
    for row in refused {
        receipt.refuse(row.number, row.sum, || row.what.clone());
    }
}

impl Probe {
    /// Reads back a row that was written: one that counts something, as only that can be seen.
    fn new(
        link: &mut Link,
        table: &Table,
        batch: &Batch<'_>,
        refused: &[Refused],
    ) -> Result<Option<Self>, Trouble> {
        let is_refused = |number: u32| refused.iter().any(|row| row.number == number);
        let written = || batch.places.iter().enumerate().filter(|(_, place)| !is_refused(place.number));
        let counting = written().find(|(_, place)| place.sum.packets > 0 && place.sum.octets > 0);
        let Some((row, _)) = counting.or_else(|| written().next()) else { return Ok(None) };
        let values = bind(batch.values(row, row + 1), &table.looks);
        let key = table.keys().filter_map(|at| values.get(at).cloned()).collect();
        let mut probe = Self { query: table.probe(), key, had: Vec::new() };
        probe.had = probe.read(link)?;
        Ok(Some(probe))
    }

    fn read(&self, link: &mut Link) -> Result<Vec<f64>, Trouble> {
        let row = link.ask(&self.query, self.key.clone())?;
        Ok(row.map_or_else(Vec::new, |row| {
            (0..row.len()).map(|at| row.get_opt(at).and_then(Result::ok).unwrap_or(0.0)).collect()
        }))
    }
}

/// Writes the rows of a parcel, within its transaction.
struct Writer<'a> {
    link: &'a mut Link,
    table: &'a mut Table,
    batch: &'a Batch<'a>,
    /// Octets of a statement.
    limit: usize,
    /// What the server does not take is refused; else that is trouble.
    may_refuse: bool,
    refused: Vec<Refused>,
    /// Where each row is confirmed as it is written.
    written: Option<&'a mut Receipt>,
}

impl Writer<'_> {
    fn write(&mut self) -> Result<(), Trouble> {
        let rows = self.batch.places.len();
        match self.table.way {
            Way::Direct => self.insert(0, rows),
            Way::Staged => self.stage(0, rows),
            Way::Single => (0..rows).try_for_each(|row| self.single(row)),
        }
    }

    fn refuse(&mut self, row: usize, what: String) {
        let Some(place) = self.batch.places.get(row) else { return };
        if let Some(receipt) = &mut self.written {
            receipt.refuse(place.number, place.sum, || what.clone());
        }
        self.refused.push(Refused { number: place.number, sum: place.sum, what });
    }

    /// Refuses a row that no packet can carry: sending it would cost the connection, again and again.
    fn is_too_large(&mut self, row: usize) -> bool {
        let octets = self.batch.size(row, row + 1);
        let large = octets > self.link.packet;
        if large {
            self.refuse(row, format!("it needs {octets} octets, max_allowed_packet is {}", self.link.packet));
        }
        large
    }

    fn confirm(&mut self, row: usize) {
        if let (Some(receipt), Some(place)) = (&mut self.written, self.batch.places.get(row)) {
            receipt.confirm(place.number);
        }
    }

    /// Inserts rows, in statements as large as possible. What fails is tried in smaller ones.
    fn insert(&mut self, first: usize, end: usize) -> Result<(), Trouble> {
        self.insert_by(first, end, 0)
    }

    fn insert_by(&mut self, mut first: usize, end: usize, largest: usize) -> Result<(), Trouble> {
        while first < end {
            let fits = |rows: usize| {
                rows <= end - first && (rows == 1 || self.batch.size(first, first + rows) <= self.limit)
            };
            let size = self.table.sizes().find(|(place, rows)| *place >= largest && fits(*rows));
            let Some((place, rows)) = size else { return Ok(()) };
            if rows == 1 && self.is_too_large(first) {
                first += 1;
                continue;
            }
            let statement = self.table.insert(self.link, place)?;
            let values = bind(self.batch.values(first, first + rows), &self.table.looks);
            match self.link.execute(&statement, values) {
                Ok(_) => (first..first + rows).for_each(|row| self.confirm(row)),
                Err(Trouble::Row(what)) if rows == 1 && self.may_refuse => self.refuse(first, what),
                Err(Trouble::Row(_)) if self.may_refuse => self.insert_by(first, first + rows, place + 1)?,
                Err(trouble) => return Err(trouble),
            }
            first += rows;
        }
        Ok(())
    }

    /// Brings rows into the table by way of the stage. What fails is tried in halves.
    fn stage(&mut self, first: usize, end: usize) -> Result<(), Trouble> {
        if first >= end {
            return Ok(());
        }
        let known = self.refused.len();
        self.link.run("SAVEPOINT pmacct")?;
        let cleared = format!("DELETE FROM {}", self.table.stage);
        self.link.run(&cleared)?;
        self.insert(first, end)?;
        let merged = self.table.merge().into_iter().flatten().try_for_each(|statement| self.link.run(&statement));
        match merged {
            Err(Trouble::Row(what)) if self.may_refuse => {
                self.link.run("ROLLBACK TO SAVEPOINT pmacct")?;
                self.refused.truncate(known);
                if end - first == 1 {
                    self.refuse(first, what);
                    return Ok(());
                }
                let middle = first.midpoint(end);
                self.stage(first, middle)?;
                self.stage(middle, end)
            }
            merged => merged,
        }
    }

    /// Changes a row, or inserts it.
    fn single(&mut self, row: usize) -> Result<(), Trouble> {
        if self.is_too_large(row) {
            return Ok(());
        }
        let values = bind(self.batch.values(row, row + 1), &self.table.looks);
        let statement = self.table.update(self.link)?;
        let places = self.table.updated();
        let updated = places.iter().filter_map(|at| values.get(*at).cloned()).collect();
        match self.link.execute(&statement, updated) {
            Ok(0) => self.insert(row, row + 1),
            Ok(_) => {
                self.confirm(row);
                Ok(())
            }
            Err(Trouble::Row(what)) if self.may_refuse => {
                self.refuse(row, what);
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }
}
