//! MySQL from version 5.7, MariaDB from version 10.2.
//!
//! A write batch is one transaction of prepared statements with up to 512 rows each. The statements depend on the table:
//!
//! * a unique index covers exactly the key: `INSERT … ON DUPLICATE KEY UPDATE`;
//! * no index does: INSERT into a temporary table, then one UPDATE with a join and one INSERT of the new rows;
//! * no index does, and the user may not create temporary tables: row by row an UPDATE, and an INSERT if it found nothing;
//! * rows are only inserted (`sql_dont_try_update`): INSERT.
//!
//! # Refused rows
//!
//! A statement that fails has no effect, so its rows are retried in smaller statements, down to the single row that the server
//! refuses. Statements of engines without transactions (`MyISAM`, `Aria`) may have partial effects: their rows are written
//! one by one, and each is recorded on the receipt at once.
//!
//! Before a row is refused, the table is described again: if it has changed and lacks a column, the rows are kept and retried.
//!
//! # In-doubt transactions
//!
//! Before COMMIT, one of the rows is read back. If the connection breaks during COMMIT, the next connection reads that row
//! again: its counters are the same or larger if the transaction was committed.
//!
//! # NULL
//!
//! If a row has no value for a column (such as an address) that must not be NULL, the column's default is written, or the zero
//! value of its type if it has no default.

mod connection;
mod error;
mod table;
mod values;

use crate::rows::{Head, Rows};
use crate::server::{Server, Servers};
use crate::settings::Settings;
use crate::width::Logged;
use config::keys::sql::LockingStyle;
use connection::Connection;
use delivery::{Backend, BatchId, Receipt, StoreError, Sum, WriteBatch};
use error::WriteError;
use mysql::Value as Bound;
use table::{Table, Way};
use values::{Chunk, bind};

/// The maximum number of tables that a connection keeps prepared. Names may contain times, so their number is unbounded.
const TABLES: usize = 8;
/// The maximum number of attempts for a transaction that the server rolls back in favour of another.
const ATTEMPTS: u32 = 4;

/// A MySQL server, and its backup. `expected` is the table that must exist at start-up.
pub fn backend(settings: Settings, expected: Option<Head>) -> Box<dyn Backend> {
    let backup = settings.backup.clone().map(|host| MySql::new(host, settings.clone(), expected.clone()));
    Box::new(Servers::new(MySql::new(settings.host.clone(), settings, expected), backup))
}

struct MySql {
    host: String,
    settings: Settings,
    expected: Option<Head>,
    connection: Option<Connection>,
    /// The prepared tables of this connection; the current one is the last.
    tables: Vec<Table>,
    /// The number of staging tables created in this connection.
    stages: u64,
    in_doubt: Option<InDoubt>,
    /// Columns for which the truncation of texts was logged.
    cut: Logged,
}

/// A transaction whose COMMIT was sent and not confirmed.
struct InDoubt {
    batch: BatchId,
    probe: Probe,
    refused: Vec<RejectedRow>,
}

/// A row, and its counters before COMMIT.
struct Probe {
    query: String,
    key: Vec<Bound>,
    had: Vec<f64>,
}

/// A row that the server refuses.
struct RejectedRow {
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
            connection: None,
            tables: Vec::new(),
            stages: 0,
            in_doubt: None,
            cut: Logged::default(),
        }
    }

    fn disconnect(&mut self) {
        self.tables.clear();
        self.connection = None;
    }

    /// Handles an error: drops the connection, and with it transaction, locks and staging tables.
    fn failed(&mut self, error: WriteError) -> StoreError {
        self.disconnect();
        match error.into_store_error() {
            StoreError::Down(what) => StoreError::Down(format!("{}: {what}", self.host)),
            error => error,
        }
    }

    fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            self.connection = Some(Connection::new(&self.host, &self.settings)?);
            if let Some(head) = self.expected.clone() {
                self.prepare(&head).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn ready(&mut self) -> Result<(&mut Connection, &mut Table), WriteError> {
        let lost = || WriteError::Lost("not connected".to_owned());
        self.connection.as_mut().zip(self.tables.last_mut()).ok_or_else(lost)
    }

    /// Prepares the table, and makes it the last of the list.
    fn prepare(&mut self, head: &Head) -> Result<(), WriteError> {
        let connection = self.connection.as_mut().ok_or_else(|| WriteError::Lost("not connected".to_owned()))?;
        if let Some(at) = self.tables.iter().position(|table| table.head == *head) {
            let last = self.tables.len() - 1;
            self.tables.swap(at, last);
            return Ok(());
        }
        if self.tables.len() >= TABLES {
            self.tables.remove(0).close(connection)?;
        }
        self.stages += 1;
        self.tables.push(Table::new(connection, head, &self.settings, self.stages, &self.cut)?);
        // Describing the table has begun a transaction.
        connection.run("ROLLBACK")
    }

    /// Finds out whether the in-doubt transaction was committed.
    fn resolve(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), WriteError> {
        let Some(in_doubt) = self.in_doubt.take().filter(|in_doubt| in_doubt.batch == batch.id) else {
            return Ok(());
        };
        let connection = self.connection.as_mut().ok_or_else(|| WriteError::Lost("not connected".to_owned()));
        match connection.and_then(|connection| {
            in_doubt.probe.read(connection).and_then(|has| connection.run("ROLLBACK").map(|()| has))
        }) {
            Ok(has) => {
                // Counters only grow; other clients may have added to them.
                let is_same_length = has.len() == in_doubt.probe.had.len();
                if is_same_length && has.iter().zip(&in_doubt.probe.had).all(|(has, had)| has >= had) {
                    settle(receipt, &in_doubt.refused);
                    receipt.confirm_all();
                }
                Ok(())
            }
            Err(error) => {
                self.in_doubt = Some(in_doubt);
                Err(error)
            }
        }
    }

    /// Begins a transaction. Reconnects if the connection has broken since the last batch.
    fn begin(&mut self, head: &Head) -> Result<(), WriteError> {
        match self.try_begin(head) {
            Err(WriteError::Lost(_)) => {
                self.disconnect();
                self.connect().map_err(WriteError::Store)?;
                self.try_begin(head)
            }
            begun => begun,
        }
    }

    fn try_begin(&mut self, head: &Head) -> Result<(), WriteError> {
        self.prepare(head)?;
        let locking = self.settings.locking;
        let (connection, table) = self.ready()?;
        match locking {
            // LOCK TABLES ends the previous transaction. The next one begins with the next statement, since autocommit is off:
            // START TRANSACTION would unlock the table.
            LockingStyle::Table => connection.run(&table.lock()).map_err(|error| match error {
                WriteError::Store(StoreError::Configuration { key: "sql_db" | "sql_user", what }) => {
                    let what = format!("{what}; sql_locking_style: none needs no LOCK TABLES privilege");
                    WriteError::Store(StoreError::Configuration { key: "sql_locking_style", what })
                }
                other => other,
            }),
            LockingStyle::Row | LockingStyle::None => connection.run("START TRANSACTION"),
        }
    }

    /// Writes the rows. A refused row is an error, unless the table was described again for this batch (`is_table_checked`).
    fn transact(
        &mut self,
        batch: &WriteBatch,
        rows: &Rows<'_>,
        receipt: &mut Receipt,
        is_table_checked: bool,
    ) -> Result<(), WriteError> {
        self.begin(&rows.head)?;
        let locked = self.settings.locking == LockingStyle::Table;
        let limit = usize::try_from(self.settings.multi_values).unwrap_or(usize::MAX);
        let (connection, table) = self.ready()?;
        let chunk = Chunk::new(rows, receipt).ok_or_else(|| {
            WriteError::Store(StoreError::Batch("the batch ends in the middle of a row".to_owned()))
        })?;
        let limit = if limit == 0 { connection.packet / 2 } else { limit.min(connection.packet / 2) };
        // Without transactions, written rows cannot be rolled back: they are confirmed at once.
        let written = if table.transactional { None } else { Some(&mut *receipt) };
        let mut writer = Writer {
            connection,
            table,
            chunk: &chunk,
            limit,
            may_refuse: is_table_checked,
            refused: Vec::new(),
            written,
        };
        writer.write()?;
        let refused = writer.refused;
        let probe = Probe::new(connection, table, &chunk, &refused)?;
        match (connection.run("COMMIT"), probe) {
            (Ok(()), _) => {
                settle(receipt, &refused);
                receipt.confirm_all();
                // The lock ends with the connection: an error here does not affect the batch.
                if locked && connection.run("UNLOCK TABLES").is_err() {
                    self.disconnect();
                }
                Ok(())
            }
            (Err(WriteError::Lost(what)), Some(probe)) => {
                self.in_doubt = Some(InDoubt { batch: batch.id, probe, refused });
                Err(WriteError::Lost(what))
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl Server for MySql {
    fn address(&self) -> &str {
        &self.host
    }

    fn open(&mut self) -> Result<(), StoreError> {
        self.connect()
    }

    fn write(&mut self, batch: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), StoreError> {
        self.connect()?;
        self.resolve(batch, receipt).map_err(|error| self.failed(error))?;
        let mut is_table_checked = false;
        for attempt in 1.. {
            if (0..batch.items).all(|item| receipt.has(item)) {
                break;
            }
            match self.transact(batch, rows, receipt, is_table_checked) {
                Err(WriteError::Row(_)) if !is_table_checked => {
                    is_table_checked = true;
                    self.disconnect();
                    self.connect()?;
                }
                Err(WriteError::Retry(_)) if attempt < ATTEMPTS => {
                    self.disconnect();
                    self.connect()?;
                }
                Err(error) => return Err(self.failed(error)),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    fn in_doubt(&self) -> Option<BatchId> {
        self.in_doubt.as_ref().map(|in_doubt| in_doubt.batch)
    }

    fn close(&mut self) {
        self.disconnect();
    }
}

/// Records refused rows on the receipt.
fn settle(receipt: &mut Receipt, refused: &[RejectedRow]) {
    for row in refused {
        receipt.refuse(row.number, row.sum, || row.what.clone());
    }
}

impl Probe {
    /// Reads back a row that was written: one with counters above zero, since only these show that it was added.
    fn new(
        connection: &mut Connection,
        table: &Table,
        chunk: &Chunk<'_>,
        refused: &[RejectedRow],
    ) -> Result<Option<Self>, WriteError> {
        let is_refused = |number: u32| refused.iter().any(|row| row.number == number);
        let written = || chunk.rows.iter().enumerate().filter(|(_, row_id)| !is_refused(row_id.number));
        let counting = written().find(|(_, row_id)| row_id.sum.packets > 0 && row_id.sum.bytes > 0);
        let Some((row, _)) = counting.or_else(|| written().next()) else { return Ok(None) };
        let values = bind(chunk.values(row, row + 1), &table.bindings);
        let key = table.keys().filter_map(|at| values.get(at).cloned()).collect();
        let mut probe = Self { query: table.probe(), key, had: Vec::new() };
        probe.had = probe.read(connection)?;
        Ok(Some(probe))
    }

    fn read(&self, connection: &mut Connection) -> Result<Vec<f64>, WriteError> {
        let row = connection.ask(&self.query, self.key.clone())?;
        Ok(row.map_or_else(Vec::new, |row| {
            (0..row.len()).map(|at| row.get_opt(at).and_then(Result::ok).unwrap_or(0.0)).collect()
        }))
    }
}

/// Writes the rows of a batch, within its transaction.
struct Writer<'a> {
    connection: &'a mut Connection,
    table: &'a mut Table,
    chunk: &'a Chunk<'a>,
    /// The maximum size of a statement in bytes.
    limit: usize,
    /// Rows that the server rejects are refused; otherwise they are an error.
    may_refuse: bool,
    refused: Vec<RejectedRow>,
    /// The receipt, where each row is confirmed when it is written.
    written: Option<&'a mut Receipt>,
}

impl Writer<'_> {
    fn write(&mut self) -> Result<(), WriteError> {
        let rows = self.chunk.rows.len();
        match self.table.way {
            Way::Direct => self.insert(0, rows),
            Way::Staged => self.stage(0, rows),
            Way::Single => (0..rows).try_for_each(|row| self.single(row)),
        }
    }

    fn refuse(&mut self, row: usize, what: String) {
        let Some(row_id) = self.chunk.rows.get(row) else { return };
        if let Some(receipt) = &mut self.written {
            receipt.refuse(row_id.number, row_id.sum, || what.clone());
        }
        self.refused.push(RejectedRow { number: row_id.number, sum: row_id.sum, what });
    }

    /// Refuses a row that exceeds the maximum packet: sending it would break the connection each time.
    fn is_too_large(&mut self, row: usize) -> bool {
        let size = self.chunk.size(row, row + 1);
        let large = size > self.connection.packet;
        if large {
            self.refuse(
                row,
                format!("the row needs {size} bytes, max_allowed_packet is {}", self.connection.packet),
            );
        }
        large
    }

    fn confirm(&mut self, row: usize) {
        if let (Some(receipt), Some(row_id)) = (&mut self.written, self.chunk.rows.get(row)) {
            receipt.confirm(row_id.number);
        }
    }

    /// Inserts rows, in statements as large as possible. Rows of a failed statement are retried in smaller ones.
    fn insert(&mut self, first: usize, end: usize) -> Result<(), WriteError> {
        self.insert_by(first, end, 0)
    }

    fn insert_by(&mut self, mut first: usize, end: usize, largest: usize) -> Result<(), WriteError> {
        while first < end {
            let fits = |rows: usize| {
                rows <= end - first && (rows == 1 || self.chunk.size(first, first + rows) <= self.limit)
            };
            let found = self.table.sizes().find(|(size, rows)| *size >= largest && fits(*rows));
            let Some((size, rows)) = found else { return Ok(()) };
            if rows == 1 && self.is_too_large(first) {
                first += 1;
                continue;
            }
            let statement = self.table.insert(self.connection, size)?;
            let values = bind(self.chunk.values(first, first + rows), &self.table.bindings);
            match self.connection.execute(&statement, values) {
                Ok(_) => (first..first + rows).for_each(|row| self.confirm(row)),
                Err(WriteError::Row(what)) if rows == 1 && self.may_refuse => self.refuse(first, what),
                Err(WriteError::Row(_)) if self.may_refuse => self.insert_by(first, first + rows, size + 1)?,
                Err(error) => return Err(error),
            }
            first += rows;
        }
        Ok(())
    }

    /// Writes rows through the staging table. If the merge fails, the two halves are retried.
    fn stage(&mut self, first: usize, end: usize) -> Result<(), WriteError> {
        if first >= end {
            return Ok(());
        }
        let refused_before = self.refused.len();
        self.connection.run("SAVEPOINT pmacct")?;
        let cleared = format!("DELETE FROM {}", self.table.stage);
        self.connection.run(&cleared)?;
        self.insert(first, end)?;
        let merged =
            self.table.merge().into_iter().flatten().try_for_each(|statement| self.connection.run(&statement));
        match merged {
            Err(WriteError::Row(what)) if self.may_refuse => {
                self.connection.run("ROLLBACK TO SAVEPOINT pmacct")?;
                self.refused.truncate(refused_before);
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

    /// Updates a row, or inserts it.
    fn single(&mut self, row: usize) -> Result<(), WriteError> {
        if self.is_too_large(row) {
            return Ok(());
        }
        let values = bind(self.chunk.values(row, row + 1), &self.table.bindings);
        let statement = self.table.update(self.connection)?;
        let positions = self.table.updated();
        let updated = positions.iter().filter_map(|at| values.get(*at).cloned()).collect();
        match self.connection.execute(&statement, updated) {
            Ok(0) => self.insert(row, row + 1),
            Ok(_) => {
                self.confirm(row);
                Ok(())
            }
            Err(WriteError::Row(what)) if self.may_refuse => {
                self.refuse(row, what);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
