//! Writes the rows of a batch in one transaction.

use super::table::Table;
use super::{schema_error, store_error};
use crate::rows::{Rows, Value};
use crate::settings::Settings;
use delivery::{Receipt, StoreError, Sum};
use encode::Style;
use encode::address;
use encode::time::Clock;
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, TransactionBehavior};
use std::net::IpAddr;

/// Binds values to placeholders.
#[derive(Debug)]
pub(super) struct Binder {
    clock: Clock,
    /// The text for 1970-01-01 00:00:00 UTC, which clocks treat as a missing time.
    epoch: Vec<u8>,
    text: Vec<u8>,
}

impl Binder {
    pub(super) fn new(settings: &Settings) -> Self {
        let zone = settings.style.zone.clone();
        let epoch = Timestamp::UNIX_EPOCH.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        let style = Style { zone, ..Style::default() };
        Self { clock: Clock::new(&style), epoch: epoch.to_string().into_bytes(), text: Vec::new() }
    }

    fn bind(&mut self, statement: &mut CachedStatement<'_>, at: usize, value: Value<'_>) -> rusqlite::Result<()> {
        let text = &mut self.text;
        text.clear();
        let value = match value {
            Value::Null => ValueRef::Null,
            // SQLite's integers are signed: larger counters are clamped.
            Value::Number(number) => ValueRef::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
            Value::Real(real) => ValueRef::Real(real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Address(IpAddr::V4(ip)) => {
                address::v4(text, ip.octets());
                ValueRef::Text(text)
            }
            Value::Address(IpAddr::V6(ip)) => {
                address::v6(text, &ip.octets());
                ValueRef::Text(text)
            }
            Value::Mac(mac) => {
                address::mac(text, mac);
                ValueRef::Text(text)
            }
            // The same text as DATETIME() would give, but cheaper.
            Value::Time(seconds) => match u64::try_from(seconds) {
                Ok(seconds @ 1..) => {
                    self.clock.seconds(text, seconds);
                    ValueRef::Text(text)
                }
                _ => ValueRef::Text(&self.epoch),
            },
        };
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))
    }
}

/// Why a statement failed.
enum WriteError {
    /// The table refuses these rows, but may accept others.
    Rejected(String),
    /// No row can be written.
    Store(StoreError),
}

/// The prepared statements of one transaction.
struct Writing<'c, 'b> {
    binder: &'b mut Binder,
    insert: CachedStatement<'c>,
    update: Option<CachedStatement<'c>>,
    many: Option<(usize, CachedStatement<'c>)>,
    refused: Vec<(u32, Sum, String)>,
}

impl<'c, 'b> Writing<'c, 'b> {
    fn new(connection: &'c Connection, table: &Table, binder: &'b mut Binder) -> Result<Self, StoreError> {
        let prepare = |text: &str| {
            connection.prepare_cached(text).map_err(|error| match store_error(&error) {
                StoreError::Down(what) => StoreError::Down(what),
                _ => schema_error(&error.to_string()),
            })
        };
        Ok(Self {
            binder,
            insert: prepare(&table.insert)?,
            update: table.update.as_deref().map(prepare).transpose()?,
            many: match &table.many {
                Some((rows, text)) => Some((*rows, prepare(text)?)),
                None => None,
            },
            refused: Vec::new(),
        })
    }

    /// Writes a row. A refused row is recorded.
    fn row(&mut self, number: u32, sum: Sum, values: &[Value<'_>]) -> Result<(), StoreError> {
        let updated = match &mut self.update {
            Some(update) => execute(update, self.binder, values),
            None => Ok(0),
        };
        let written = match updated {
            Ok(0) => execute(&mut self.insert, self.binder, values),
            updated => updated,
        };
        match written {
            Ok(_) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
            Err(WriteError::Rejected(reason)) => {
                self.refused.push((number, sum, reason));
                Ok(())
            }
        }
    }

    /// Writes all rows, several per statement if possible.
    fn all(&mut self, rows: &Rows<'_>) -> Result<bool, StoreError> {
        let Some((max_rows, _)) = self.many else {
            return rows.each(|number, sum, values| self.row(number, sum, values));
        };
        let mut waiting: Vec<(u32, Sum)> = Vec::with_capacity(max_rows);
        let mut gathered: Vec<Value<'_>> = Vec::new();
        let is_complete = rows.each(|number, sum, values| {
            waiting.push((number, sum));
            gathered.extend_from_slice(values);
            if waiting.len() < max_rows {
                return Ok(());
            }
            let written = match &mut self.many {
                Some((_, many)) => execute(many, self.binder, &gathered),
                None => Ok(0),
            };
            match written {
                Ok(_) => waiting.clear(),
                Err(WriteError::Store(error)) => return Err(error),
                // The rows of the failed statement are written one by one.
                Err(WriteError::Rejected(_)) => self.each(&mut waiting, &gathered)?,
            }
            gathered.clear();
            Ok(())
        })?;
        self.each(&mut waiting, &gathered)?;
        Ok(is_complete)
    }

    fn each(&mut self, rows: &mut Vec<(u32, Sum)>, values: &[Value<'_>]) -> Result<(), StoreError> {
        let columns = (values.len() / rows.len().max(1)).max(1);
        for ((number, sum), values) in rows.drain(..).zip(values.chunks(columns)) {
            self.row(number, sum, values)?;
        }
        Ok(())
    }
}

/// Executes a statement; returns the number of rows that it changed.
fn execute(
    statement: &mut CachedStatement<'_>,
    binder: &mut Binder,
    values: &[Value<'_>],
) -> Result<usize, WriteError> {
    let bound = (1..).zip(values).try_for_each(|(at, value)| binder.bind(statement, at, *value));
    bound.and_then(|()| statement.raw_execute()).map_err(|error| match store_error(&error) {
        StoreError::Batch(reason) => WriteError::Rejected(reason),
        error => WriteError::Store(error),
    })
}

/// Writes all rows of a batch except for refused ones, or none. `Ok(false)`: no row was written, since the table refuses some and
/// `may_refuse` is false.
pub(super) fn write(
    connection: &mut Connection,
    table: &Table,
    binder: &mut Binder,
    rows: &Rows<'_>,
    (receipt, may_refuse): (&mut Receipt, bool),
) -> Result<bool, StoreError> {
    // The lock is taken before the first row, so that no other process writes between an UPDATE and its INSERT.
    let transaction = (connection.transaction_with_behavior(TransactionBehavior::Immediate))
        .map_err(|error| transaction_error(&error))?;
    let mut writing = Writing::new(&transaction, table, binder)?;
    let is_complete = writing.all(rows)?;
    let refused = std::mem::take(&mut writing.refused);
    drop(writing);
    if !refused.is_empty() && !may_refuse {
        transaction.rollback().map_err(|error| transaction_error(&error))?;
        return Ok(false);
    }
    transaction.commit().map_err(|error| transaction_error(&error))?;
    for (number, sum, reason) in refused {
        receipt.refuse(number, sum, || reason);
    }
    receipt.confirm_all();
    if is_complete { Ok(true) } else { Err(StoreError::Batch("the batch ends in the middle of a row".to_owned())) }
}

/// The error for a failed begin or end of a transaction: unless the file itself is wrong, a retry may succeed.
fn transaction_error(error: &rusqlite::Error) -> StoreError {
    match store_error(error) {
        configuration @ StoreError::Configuration { key: "sql_db", .. } => configuration,
        _ => StoreError::Down(error.to_string()),
    }
}
