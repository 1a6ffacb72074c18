//! ClickHouse, through its HTTP interface.
//!
//! Rows are only inserted: a table that merges rows by itself (`SummingMergeTree`, as in `etc/sql/clickhouse`) sums those with the
//! same key. A write batch is one INSERT, which the server accepts as a whole or not at all.
//!
//! # Refused rows
//!
//! The server names the row that it cannot parse, and only that row is refused. Where the server does not name it, the rows are
//! split into halves until the row is found.
//!
//! Before a row is refused, the table is described again: if it has changed and lacks a column, the rows are kept and retried.
//!
//! # Missing answers
//!
//! There is no way to find out whether an INSERT without an answer was executed, so it is repeated: delivery is at least once.
//! Each INSERT has a token (`insert_deduplication_token`, `RUN-NUMBER-FIRST-LAST`) if the server supports that setting; tables
//! that keep such tokens execute an INSERT once.

mod error;
mod http;
mod table;

use crate::rows::{Head, Rows};
use crate::server::{Server, Servers};
use crate::settings::Settings;
use crate::text::{Text, TextRow};
use crate::width::Logged;
use delivery::{Backend, BatchId, Receipt, StoreError, WriteBatch};
use error::WriteError;
use http::Http;
use std::time::Instant;
use table::Table;

/// The maximum number of tables that are remembered. Names may contain times, so their number is unbounded.
const TABLES: usize = 8;

/// A ClickHouse server, and its backup. `expected` is the table that must exist at start-up.
pub fn backend(settings: Settings, expected: Option<Head>) -> Box<dyn Backend> {
    let backup = settings.backup.clone().map(|host| ClickHouse::new(host, settings.clone(), expected.clone()));
    Box::new(Servers::new(ClickHouse::new(settings.host.clone(), settings, expected), backup))
}

struct ClickHouse {
    host: String,
    settings: Settings,
    expected: Option<Head>,
    http: Option<Http>,
    /// The described tables; the current one is the last.
    tables: Vec<Table>,
    /// Columns for which the truncation of texts was logged.
    cut: Logged,
}

impl ClickHouse {
    fn new(host: String, settings: Settings, expected: Option<Head>) -> Self {
        Self { host, settings, expected, http: None, tables: Vec::new(), cut: Logged::default() }
    }

    fn connect(&mut self) -> Result<(), WriteError> {
        if self.http.is_none() {
            self.http = Some(Http::new(&self.host, &self.settings)?);
            if let Some(head) = self.expected.clone() {
                self.prepare(&head)?;
            }
        }
        Ok(())
    }

    /// Describes the table if necessary, and makes it the last of the list.
    fn prepare(&mut self, head: &Head) -> Result<(), WriteError> {
        let Some(http) = &self.http else { return Ok(()) };
        if let Some(at) = self.tables.iter().position(|table| table.head == *head) {
            let last = self.tables.len() - 1;
            self.tables.swap(at, last);
            return Ok(());
        }
        if self.tables.len() >= TABLES {
            self.tables.remove(0);
        }
        self.tables.push(Table::new(http, head, &self.settings, &self.cut)?);
        Ok(())
    }

    /// Inserts the rows. A refused row is an error, unless the table was described again for this batch (`is_table_checked`).
    fn insert(
        &mut self,
        batch: &WriteBatch,
        rows: &Rows<'_>,
        receipt: &mut Receipt,
        is_table_checked: bool,
    ) -> Result<(), WriteError> {
        self.connect()?;
        self.prepare(&rows.head)?;
        let Some((http, table)) = self.http.as_ref().zip(self.tables.last()) else { return Ok(()) };
        let text =
            Text::new(rows, batch.body.len(), &table.formats, table::DELIMITER, receipt).ok_or_else(|| {
                WriteError::Store(StoreError::Batch("the batch ends in the middle of a row".to_owned()))
            })?;
        let deadline = Instant::now() + self.settings.timeout;
        store(http, table, &text, (batch.id, deadline, is_table_checked), receipt)
    }

    /// Handles an error: the server is checked and the tables are described again.
    fn failed(&mut self, error: WriteError) -> StoreError {
        self.tables.clear();
        self.http = None;
        match error.into_store_error() {
            StoreError::Down(what) => StoreError::Down(format!("{}: {what}", self.host)),
            error => error,
        }
    }
}

impl Server for ClickHouse {
    fn address(&self) -> &str {
        &self.host
    }

    fn open(&mut self) -> Result<(), StoreError> {
        self.connect().map_err(|error| self.failed(error))
    }

    fn write(&mut self, batch: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), StoreError> {
        let written = match self.insert(batch, rows, receipt, false) {
            Err(WriteError::Row { .. }) => {
                self.tables.clear();
                self.insert(batch, rows, receipt, true)
            }
            written => written,
        };
        written.map_err(|error| self.failed(error))
    }

    fn in_doubt(&self) -> Option<BatchId> {
        None
    }

    fn close(&mut self) {
        self.http = None;
    }
}

/// Inserts all rows that the server accepts, and records the others as refused. If rows may not be refused, the first refused one
/// is an error. Stops at the deadline; the receipt lists the rows that are done.
fn store(
    http: &Http,
    table: &Table,
    text: &Text,
    (id, deadline, may_refuse): (BatchId, Instant, bool),
    receipt: &mut Receipt,
) -> Result<(), WriteError> {
    let Text { bytes, rows: all, .. } = text;
    let start = |row: usize| row.checked_sub(1).and_then(|row| all.get(row)).map_or(0, |row| row.end);
    let mut left = vec![(0, all.len())];
    while let Some((first, end)) = left.pop() {
        let rows = all.get(first..end).unwrap_or_default();
        let Some(token) = token(id, rows) else { continue };
        if Instant::now() >= deadline {
            return Err(WriteError::Store(StoreError::Down(
                "timeout after many refused rows, the rest is retried".to_owned(),
            )));
        }
        let lines = bytes.get(start(first)..start(end)).unwrap_or_default();
        match http.insert(&table.insert, &token, lines) {
            Ok(()) => rows.iter().for_each(|row| receipt.confirm(row.number)),
            Err(WriteError::Row { line, what }) if may_refuse => {
                let named = line.map(|line| first + line - 1).filter(|row| *row < end);
                let row = if end - first == 1 { Some(first) } else { named };
                match row {
                    Some(at) => {
                        let Some(row) = all.get(at) else { continue };
                        receipt.refuse(row.number, row.sum, || what);
                        left.extend([(at + 1, end), (first, at)]);
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
    Ok(())
}

/// The token of an INSERT; `None` for no rows. It contains the numbers of rows in the batch, since positions in the text change
/// when the batch is retried without the rows that are done.
fn token(id: BatchId, rows: &[TextRow]) -> Option<String> {
    Some(format!("{id}-{}-{}", rows.first()?.number, rows.last()?.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery::Sum;

    #[test]
    fn a_retry_has_another_token_than_the_rows_that_are_done() {
        let id = BatchId { run: 7, number: 1 };
        let rows = |numbers: std::ops::Range<u32>| -> Vec<TextRow> {
            numbers.map(|number| TextRow { end: 0, number, sum: Sum::default() }).collect()
        };
        assert_eq!(token(id, &[]), None);
        // The same number of rows, at the same positions in their texts.
        assert_ne!(token(id, &rows(0..50)), token(id, &rows(51..101)));
        assert_eq!(token(id, &rows(51..101)).unwrap(), format!("{id}-51-100"));
    }
}
