//! PostgreSQL, from version 11 on.
//!
//! A write batch is one transaction with four round trips: begin and lock, COPY, merge, commit; see [`table`] for the merge. The
//! client only writes rows as text, and the server plans each statement once for thousands of rows.
//!
//! # Refused rows
//!
//! If a value is out of range, a text too long or a constraint violated, the server names the line of the COPY, and only that
//! row is refused. Where the server does not name the line, the rows are split into halves until the row is found. Savepoints
//! keep the rows that were accepted.
//!
//! Before a row is refused, the table is described again: if it has changed and lacks a column, the rows are kept and retried.
//!
//! # In-doubt transactions
//!
//! If the connection breaks during COMMIT, the next connection finds out whether the transaction was committed, by its id and a
//! marker (see [`commit`]), so nothing is counted twice and nothing is lost, even if the server crashes.
//!
//! # NULL
//!
//! If a row has no value for a column (such as an address) that must not be NULL, the column's default is written, or the zero
//! value of its type if it has no default.

mod commit;
mod connection;
mod error;
mod guard;
mod table;

use crate::rows::{Head, Rows};
use crate::server::{Server, Servers};
use crate::settings::Settings;
use crate::text::Text;
use crate::width::Logged;
use bytes::Bytes;
use commit::{Fate, Marker, Transaction};
use config::keys::sql::LockingStyle;
use connection::Connection;
use delivery::{Backend, BatchId, Receipt, StoreError, Sum, WriteBatch};
use error::WriteError;
use table::Table;

/// The maximum number of tables that a connection keeps prepared. Names may contain times, so their number is unbounded.
const TABLES: usize = 8;

/// A PostgreSQL server, and its backup. `expected` is the table that must exist at start-up.
pub fn backend(settings: Settings, expected: Option<Head>) -> Box<dyn Backend> {
    let backup = settings.backup.clone().map(|host| PgSql::new(host, settings.clone(), expected.clone()));
    Box::new(Servers::new(PgSql::new(settings.host.clone(), settings, expected), backup))
}

struct PgSql {
    host: String,
    settings: Settings,
    expected: Option<Head>,
    connection: Option<Connection>,
    /// The prepared tables of this connection; the current one is the last.
    tables: Vec<Table>,
    /// The number of staging tables created in this connection.
    stages: u64,
    /// The marker of the last transaction.
    marker: Marker,
    in_doubt: Option<InDoubt>,
    /// Columns for which the truncation of texts was logged.
    cut: Logged,
}

/// A transaction whose COMMIT was sent and not confirmed.
struct InDoubt {
    batch: BatchId,
    transaction: Transaction,
    refused: Vec<RejectedRow>,
}

/// A row that the server refuses.
struct RejectedRow {
    number: u32,
    sum: Sum,
    what: String,
}

impl PgSql {
    fn new(host: String, settings: Settings, expected: Option<Head>) -> Self {
        Self {
            host,
            settings,
            expected,
            connection: None,
            tables: Vec::new(),
            stages: 0,
            marker: Marker::default(),
            in_doubt: None,
            cut: Logged::default(),
        }
    }

    /// Drops the connection.
    fn disconnect(&mut self) {
        self.tables.clear();
        self.connection = None;
    }

    /// Handles an error.
    fn failed(&mut self, error: WriteError) -> StoreError {
        match &error {
            WriteError::Lost(_) => self.disconnect(),
            // The table may have changed: it is described again. Dropping the connection ends the transaction, too.
            WriteError::Store(_) | WriteError::Row { .. } => {
                let ended = self.connection.as_ref().is_some_and(|connection| connection.run("ROLLBACK").is_ok());
                if !ended {
                    self.disconnect();
                }
                self.tables.clear();
            }
        }
        match error.into_store_error() {
            StoreError::Down(what) => StoreError::Down(format!("{}: {what}", self.host)),
            error => error,
        }
    }

    fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.as_ref().is_some_and(Connection::is_closed) {
            self.disconnect();
        }
        if self.connection.is_none() {
            self.connection = Some(Connection::new(&self.host, &self.settings)?);
            if let Some(head) = self.expected.clone() {
                self.prepare(&head).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// Prepares the table, and makes it the last of the list.
    fn prepare(&mut self, head: &Head) -> Result<(), WriteError> {
        let lost = || WriteError::Lost("not connected".to_owned());
        let connection = self.connection.as_ref().ok_or_else(lost)?;
        if let Some(at) = self.tables.iter().position(|table| table.head == *head) {
            let last = self.tables.len() - 1;
            self.tables.swap(at, last);
            return Ok(());
        }
        if self.tables.len() >= TABLES {
            let old = self.tables.remove(0);
            if let Some(stage) = old.stage {
                connection.run(&format!("DROP TABLE IF EXISTS {stage}"))?;
            }
        }
        self.stages += 1;
        self.tables.push(Table::new(connection, head, &self.settings, self.stages, &self.cut)?);
        Ok(())
    }

    /// Finds out whether the in-doubt transaction was committed.
    fn resolve(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), WriteError> {
        let (Some(connection), Some(in_doubt)) =
            (&self.connection, self.in_doubt.take_if(|in_doubt| in_doubt.batch == batch.id))
        else {
            self.in_doubt = None;
            return Ok(());
        };
        match in_doubt.transaction.fate(connection) {
            Ok(Fate::Committed) => {
                self.marker.committed(&in_doubt.transaction);
                settle(receipt, &in_doubt.refused);
                receipt.confirm_all();
                Ok(())
            }
            Ok(Fate::Lost) => Ok(()),
            Ok(Fate::Unfinished) => {
                self.in_doubt = Some(in_doubt);
                Err(WriteError::Store(StoreError::Down(
                    "the server is still processing the last COMMIT".to_owned(),
                )))
            }
            Err(error) => {
                self.in_doubt = Some(in_doubt);
                Err(error)
            }
        }
    }

    /// Begins a transaction. Reconnects if the connection has broken since the last batch.
    fn begin(&mut self, head: &Head) -> Result<Transaction, WriteError> {
        match self.try_begin(head) {
            Err(WriteError::Lost(_)) => {
                self.disconnect();
                self.connect().map_err(WriteError::Store)?;
                self.try_begin(head)
            }
            begun => begun,
        }
    }

    fn try_begin(&mut self, head: &Head) -> Result<Transaction, WriteError> {
        self.prepare(head)?;
        let lost = || WriteError::Lost("not connected".to_owned());
        let (connection, table) = self.connection.as_ref().zip(self.tables.last()).ok_or_else(lost)?;
        let lock = match self.settings.locking {
            LockingStyle::Table => format!("LOCK {} IN EXCLUSIVE MODE; ", table.name),
            LockingStyle::Row => format!("LOCK {} IN ROW EXCLUSIVE MODE; ", table.name),
            LockingStyle::None => String::new(),
        };
        self.marker.begin(connection, &lock)
    }

    /// Rolls back and forgets the tables, so that they are described again.
    fn reload_tables(&mut self) -> Result<(), StoreError> {
        let stages: Vec<String> = self.tables.drain(..).filter_map(|table| table.stage).collect();
        let Some(connection) = &self.connection else { return Ok(()) };
        let dropped = stages.iter().map(|stage| format!("; DROP TABLE IF EXISTS {stage}")).collect::<String>();
        connection.run(&format!("ROLLBACK{dropped}")).map_err(|error| self.failed(error))
    }

    /// Writes the rows. A refused row is an error, unless the table was described again for this batch (`is_table_checked`).
    fn transact(
        &mut self,
        batch: &WriteBatch,
        rows: &Rows<'_>,
        receipt: &mut Receipt,
        is_table_checked: bool,
    ) -> Result<(), WriteError> {
        self.resolve(batch, receipt)?;
        let transaction = self.begin(&rows.head)?;
        let lost = || WriteError::Lost("not connected".to_owned());
        let (connection, table) = self.connection.as_ref().zip(self.tables.last()).ok_or_else(lost)?;
        let delimiter = table::delimiter(&self.settings);
        let text = Text::new(rows, batch.body.len(), &table.formats, delimiter, receipt).ok_or_else(|| {
            WriteError::Store(StoreError::Batch("the batch ends in the middle of a row".to_owned()))
        })?;
        let refused = store(connection, table, text, is_table_checked)?;
        match connection.run("COMMIT") {
            Ok(()) => {
                self.marker.committed(&transaction);
                settle(receipt, &refused);
                receipt.confirm_all();
                Ok(())
            }
            Err(WriteError::Lost(what)) => {
                self.in_doubt = Some(InDoubt { batch: batch.id, transaction, refused });
                Err(WriteError::Lost(what))
            }
            Err(error) => Err(error),
        }
    }
}

impl Server for PgSql {
    fn address(&self) -> &str {
        &self.host
    }

    fn open(&mut self) -> Result<(), StoreError> {
        self.connect()
    }

    fn write(&mut self, batch: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), StoreError> {
        if (0..batch.items).all(|item| receipt.has(item)) {
            return Ok(());
        }
        self.connect()?;
        let written = match self.transact(batch, rows, receipt, false) {
            Err(WriteError::Row { .. }) => {
                self.reload_tables()?;
                self.transact(batch, rows, receipt, true)
            }
            written => written,
        };
        written.map_err(|error| self.failed(error))
    }

    fn in_doubt(&self) -> Option<BatchId> {
        self.in_doubt.as_ref().map(|in_doubt| in_doubt.batch)
    }

    fn close(&mut self) {
        self.tables.clear();
        if let Some(connection) = self.connection.take() {
            self.marker.remove(&connection);
            connection.close();
        }
    }
}

/// Records refused rows on the receipt.
fn settle(receipt: &mut Receipt, refused: &[RejectedRow]) {
    for row in refused {
        receipt.refuse(row.number, row.sum, || row.what.clone());
    }
}

/// Writes all rows that the server accepts, within the transaction, and returns the refused ones. If rows may not be refused, the
/// first refused one is an error.
fn store(
    connection: &Connection,
    table: &Table,
    text: Text,
    may_refuse: bool,
) -> Result<Vec<RejectedRow>, WriteError> {
    let Text { bytes, rows, nulls } = text;
    let bytes = Bytes::from(bytes);
    let merge = table.merge(&nulls);
    let start = |row: usize| row.checked_sub(1).and_then(|row| rows.get(row)).map_or(0, |entry| entry.end);
    let put = |first: usize, end: usize| {
        connection.copy(&table.copy, bytes.slice(start(first)..start(end)))?;
        merge.as_ref().map_or(Ok(()), |merge| connection.run(merge))
    };
    let mut refused = Vec::new();
    let mut left = vec![(0, rows.len())];
    while let Some((first, end)) = left.pop() {
        if first >= end {
            continue;
        }
        match put(first, end) {
            Ok(()) if left.is_empty() => {}
            Ok(()) => {
                let clear = table.stage.as_ref().map_or_else(String::new, |stage| format!("TRUNCATE {stage}; "));
                connection.run(&format!("{clear}RELEASE SAVEPOINT pmacct; SAVEPOINT pmacct"))?;
            }
            Err(WriteError::Row { line, what }) if may_refuse => {
                connection.run("ROLLBACK TO SAVEPOINT pmacct")?;
                let named =
                    line.map(|line| first + line - 1).filter(|row| *row < end && !table.name.contains(','));
                let row = if end - first == 1 { Some(first) } else { named };
                match row {
                    Some(row) => {
                        let Some(entry) = rows.get(row) else { continue };
                        refused.push(RejectedRow { number: entry.number, sum: entry.sum, what });
                        left.extend([(row + 1, end), (first, row)]);
                    }
                    None => {
                        let middle = first.midpoint(end);
                        left.extend([(middle, end), (first, middle)]);
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}
