//! ClickHouse, by its HTTP interface.
//!
//! Rows are inserted and nothing else: a table that merges them by itself (`SummingMergeTree`, as in `etc/sql/clickhouse`)
//! adds up what has the same key. A batch is one INSERT, which the server takes as a whole or not at all.
//!
//! # Rows that are refused
//!
//! The server says which row it cannot read, and that row alone is left out; where it does not say, halves are tried, and
//! halves of these.
//!
//! Before that, the table is looked at again: rows that it cannot take since it has changed are not at fault, and wait.
//!
//! # Answers that do not come
//!
//! Whether an INSERT was done whose answer did not come cannot be asked, so it is repeated: at least once. Each carries a
//! token (`insert_deduplication_token`, `RUN-NUMBER-FIRST-LAST`) where the server knows that setting; tables that keep such
//! tokens take an INSERT once.

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

/// Tables that are remembered. Names with times in them would else pile up.
const TABLES: usize = 8;

/// A ClickHouse server, and its backup. `expected`: the table that must be there from the start.
pub fn backend(settings: Settings, expected: Option<Head>) -> Box<dyn Backend> {
    let backup = settings.backup.clone().map(|host| ClickHouse::new(host, settings.clone(), expected.clone()));
    Box::new(Servers::new(ClickHouse::new(settings.host.clone(), settings, expected), backup))
}

struct ClickHouse {
    host: String,
    settings: Settings,
    expected: Option<Head>,
    http: Option<Http>,
    /// The tables that were looked at, the last one used at the end.
    tables: Vec<Table>,
    /// Columns whose texts were cut.
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

    /// Brings the table to the end of the list.
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

    /// Inserts the rows. Unless the table has been looked at for them (`is_table_checked`), none is refused: that is error.
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
        let text = Text::new(rows, batch.body.len(), &table.formats, table::DELIMITER, receipt)
            .ok_or_else(|| WriteError::Store(StoreError::Batch("it ends in the middle of a row".to_owned())))?;
        let deadline = Instant::now() + self.settings.timeout;
        store(http, table, &text, (batch.id, deadline, is_table_checked), receipt)
    }

    /// What is left to do after error: everything is looked at anew.
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

/// Inserts all rows that the server takes, and refuses the others; ends at the first one that it does not take unless they may
/// be refused. At the deadline it stops; the receipt has what was done.
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
                "many rows are refused, the rest comes later".to_owned(),
            )));
        }
        let lines = bytes.get(start(first)..start(end)).unwrap_or_default();
        match http.insert(&table.insert, &token, lines) {
            Ok(()) => rows.iter().for_each(|row| receipt.confirm(row.number)),
            Err(WriteError::Row { line, what }) if may_refuse => {
                let known = line.map(|line| first + line - 1).filter(|row| *row < end);
                let row = if end - first == 1 { Some(first) } else { known };
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

/// The token of an INSERT of rows; none for no rows. It has their numbers in the batch: places in the text are others when
/// the batch comes again without what is done.
fn token(id: BatchId, rows: &[TextRow]) -> Option<String> {
    Some(format!("{id}-{}-{}", rows.first()?.number, rows.last()?.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery::Sum;

    #[test]
    fn what_comes_again_has_another_token_than_what_is_done() {
        let id = BatchId { run: 7, number: 1 };
        let rows = |numbers: std::ops::Range<u32>| -> Vec<TextRow> {
            numbers.map(|number| TextRow { end: 0, number, sum: Sum::default() }).collect()
        };
        assert_eq!(token(id, &[]), None);
        // The same number of rows, at the same places in their texts.
        assert_ne!(token(id, &rows(0..50)), token(id, &rows(51..101)));
        assert_eq!(token(id, &rows(51..101)).unwrap(), format!("{id}-51-100"));
    }
}
