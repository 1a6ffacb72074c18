//! SQLite, in this process.
//!
//! A write batch is one transaction. If the table has a unique index over the key, a row is one statement that inserts or adds
//! (`ON CONFLICT`). Otherwise it is an UPDATE and, if that found no row, an INSERT, which works for any table.
//!
//! The journal mode of the file is not changed: with WAL, others can read while rows are written.

mod statements;
mod table;
mod write;

use crate::rows::{Head, Rows, no_backup};
use crate::settings::Settings;
use delivery::{Backend, Receipt, StoreError, WriteBatch};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, functions};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::Table;
use tracing::warn;
use write::Binder;

/// The size of SQLite's page cache; negative values are KiB.
const CACHE: i32 = -65_536;

/// The name of an in-memory database.
const IN_MEMORY: &str = ":memory:";

/// A database in a file.
pub struct Sqlite {
    settings: Settings,
    binder: Binder,
    /// The table that must exist at start-up.
    expected: Option<Head>,
    primary: File,
    /// `sql_backup_host`.
    backup: Option<File>,
    /// The purge whose rows go to the backup.
    failover_purge: Option<u64>,
}

struct File {
    path: PathBuf,
    connection: Option<Connection>,
    /// The prepared table.
    table: Option<Table>,
    /// The warning about a missing index was logged.
    is_scan_logged: bool,
}

impl Sqlite {
    /// A database, not yet opened. `expected` is the table that must exist at start-up.
    pub fn new(settings: Settings, expected: Option<Head>) -> Self {
        let file =
            |path: &str| File { path: PathBuf::from(path), connection: None, table: None, is_scan_logged: false };
        let (primary, backup) = (file(&settings.db), settings.backup.as_deref().map(file));
        Self { binder: Binder::new(&settings), settings, expected, primary, backup, failover_purge: None }
    }
}

impl Backend for Sqlite {
    fn open(&mut self) -> Result<(), StoreError> {
        let opened = self.primary.open(&self.settings).and_then(|()| match &self.expected {
            Some(head) => self.primary.prepare(head, &self.settings),
            None => Ok(()),
        });
        match (opened, &mut self.backup) {
            // The backup takes over; the error is logged then.
            (Err(StoreError::Down(_)), Some(backup)) => backup.open(&self.settings),
            (opened, _) => opened,
        }
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let rows = Rows::read(&batch.body)
            .ok_or_else(|| StoreError::Batch("the batch does not contain rows".to_owned()))?;
        if self.failover_purge.is_some_and(|purge| purge != batch.purge) {
            self.failover_purge = None;
        }
        if rows.head.for_backup {
            return match &mut self.backup {
                Some(backup) => backup.write(&rows, &self.settings, &mut self.binder, receipt),
                None => Err(no_backup()),
            };
        }
        if self.failover_purge.is_none() {
            match self.primary.write(&rows, &self.settings, &mut self.binder, receipt) {
                Err(StoreError::Down(what)) if self.backup.is_some() => {
                    warn!(
                        "'{}' cannot be written, the backup takes over for this purge: {what}",
                        self.primary.path.display()
                    );
                    self.failover_purge = Some(batch.purge);
                }
                result => return result,
            }
        }
        match &mut self.backup {
            Some(backup) => backup.write(&rows, &self.settings, &mut self.binder, receipt),
            None => Ok(()),
        }
    }

    fn close(&mut self) {
        for file in [Some(&mut self.primary), self.backup.as_mut()].into_iter().flatten() {
            file.table = None;
            if let Some(Err((_, error))) = file.connection.take().map(Connection::close) {
                warn!("'{}' was not closed cleanly: {error}", file.path.display());
            }
        }
    }
}

impl File {
    fn open(&mut self, settings: &Settings) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = self.path.display();
        let wrong = |what: String| StoreError::Configuration { key: "sql_db", what: format!("'{path}': {what}") };
        let cannot = |error: rusqlite::Error| wrong(error.to_string());
        // SQLite follows symbolic links, even in directories where other users may create them. The resolved path has none, and
        // the flag rejects links that are created later.
        let files = runtime::files::Settings { follow_links: settings.follow_links, ..Default::default() };
        let resolved = match self.path == Path::new(IN_MEMORY) {
            true => self.path.clone(),
            false => runtime::files::resolve(&self.path, &files).map_err(|error| wrong(error.to_string()))?,
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(resolved, flags).map_err(cannot)?;
        connection.set_prepared_statement_cache_capacity(64);
        // With a smaller cache, the pages of a large index are written and reread within one transaction.
        connection.pragma_update(None, "cache_size", CACHE).map_err(cannot)?;
        if settings.num_hosts {
            let flags = functions::FunctionFlags::SQLITE_UTF8 | functions::FunctionFlags::SQLITE_DETERMINISTIC;
            connection.create_scalar_function("INET6_ATON", 1, flags, inet6_aton).map_err(cannot)?;
        }
        connection.busy_timeout(Duration::ZERO).map_err(cannot)?;
        match try_to_write(&mut connection).map_err(|error| (store_error(&error), error.to_string())) {
            // A locked file can be written by the holder of the lock.
            Ok(()) | Err((StoreError::Down(_), _)) => {}
            Err((_, what)) => return Err(wrong(what)),
        }
        connection.busy_timeout(settings.timeout).map_err(cannot)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Prepares the table and its statements, unless it is the prepared one.
    fn prepare(&mut self, head: &Head, settings: &Settings) -> Result<(), StoreError> {
        if self.table.as_ref().is_some_and(|table| table.head == *head) {
            return Ok(());
        }
        let Some(connection) = &self.connection else { return Ok(()) };
        let table = Table::prepare(connection, head, settings)?;
        if table.is_scanned && !self.is_scan_logged {
            self.is_scan_logged = true;
            warn!(
                "table '{}' has no index over its key: each row is searched for in the whole table, which is slow for \
                 large tables; create an index",
                head.table
            );
        }
        self.table = Some(table);
        Ok(())
    }

    /// Writes the rows in one transaction.
    fn write(
        &mut self,
        rows: &Rows<'_>,
        settings: &Settings,
        binder: &mut Binder,
        receipt: &mut Receipt,
    ) -> Result<(), StoreError> {
        self.open(settings)?;
        let mut written = self.try_to_write(rows, settings, binder, (receipt, false));
        if let Ok(false) = written {
            // Rows may be refused because the table has changed: prepare it again before any row is refused.
            self.table = None;
            written = self.try_to_write(rows, settings, binder, (receipt, true));
        }
        if let Err(StoreError::Down(_)) = &written {
            // The file may have been moved: reopen it.
            self.table = None;
            self.connection = None;
        }
        written.map(drop)
    }

    /// As [`write::write`].
    fn try_to_write(
        &mut self,
        rows: &Rows<'_>,
        settings: &Settings,
        binder: &mut Binder,
        (receipt, may_refuse): (&mut Receipt, bool),
    ) -> Result<bool, StoreError> {
        self.prepare(&rows.head, settings)?;
        let (Some(connection), Some(table)) = (&mut self.connection, &self.table) else { return Ok(true) };
        write::write(connection, table, binder, rows, (receipt, may_refuse))
    }
}

/// Fails where a file, or the folder that holds its journal, cannot be written. Leaves the file as it is.
fn try_to_write(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.rollback()
}

/// MySQL's function of this name: an address as 4 or 16 bytes, NULL for other texts.
fn inet6_aton(context: &functions::Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    let text: Option<String> = context.get(0)?;
    Ok(text.and_then(|text| text.parse().ok()).map(|address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }))
}

fn schema_error(what: &str) -> StoreError {
    let key = if what.contains("no such table") { "sql_table" } else { "sql_table_version" };
    let hint = match key {
        "sql_table" => "create it with the statements in etc/sql, or set sql_table_schema",
        _ => "the table does not fit what sql_table_version and sql_optimize_clauses write",
    };
    StoreError::Configuration { key, what: format!("{what} ({hint})") }
}

/// Maps an error of SQLite.
fn store_error(error: &rusqlite::Error) -> StoreError {
    let what = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            StoreError::Batch(what)
        }
        Some(ErrorCode::NotADatabase | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::Configuration { key: "sql_db", what }
        }
        Some(ErrorCode::CannotOpen) => StoreError::Configuration { key: "sql_db", what },
        Some(ErrorCode::Unknown) | None => schema_error(&what),
        _ => StoreError::Down(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Builder, Column, Form, Role, Value};
    use config::{Daemon, Diagnostics};
    use delivery::BatchId;

    fn settings(lines: &str) -> Settings {
        let text = format!("plugins: sqlite3[s]\naggregate[s]: src_host\n{lines}\n");
        let (config, mut problems): (_, Diagnostics) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
        Settings::read(&config.plugins()[0], &mut problems)
    }

    /// Writes rows of a text key and packets, and returns what the table holds and what was refused.
    fn written(lines: &str, table: &str, rows: &[(&str, u64)]) -> (Vec<(String, i64)>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        Connection::open(&path).unwrap().execute_batch(table).unwrap();
        let settings = settings(&format!("sql_db: {}\n{lines}", path.display()));
        let column = |name: &str, role| Column { name: name.to_owned(), role, form: Form::Plain };
        let columns = vec![column("k", Role::Key), column("packets", Role::Sum)];
        let head = Head { table: "t".to_owned(), create: None, columns, for_backup: false };
        let mut backend = Sqlite::new(settings, Some(head.clone()));
        let mut builder = Builder::new(&head);
        for (key, packets) in rows {
            builder.row(*packets, 0);
            builder.value(Value::Text(key));
            builder.value(Value::Number(*packets));
        }
        let (items, sum) = (builder.count(), builder.sum());
        let id = BatchId { run: 1, number: 1 };
        let batch = WriteBatch { id, purge: 1, items, sum, body: builder.take() };
        let mut receipt = Receipt::new(items);
        backend.open().and_then(|()| backend.deliver(&batch, &mut receipt)).unwrap();
        backend.close();
        let database = Connection::open(&path).unwrap();
        let mut statement = database.prepare("SELECT k, packets FROM t ORDER BY 1").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (rows.map(Result::unwrap).collect(), receipt.refused().map_or(0, |(sum, _)| sum.packets))
    }

    const KEYED: &str = "CREATE TABLE t (k TEXT PRIMARY KEY, packets INT CHECK (packets < 100))";
    const PLAIN: &str = "CREATE TABLE t (k TEXT, packets INT CHECK (packets < 100))";
    const NASTY: &str = "'); DROP TABLE t; --";

    #[test]
    fn rows_of_one_key_are_added_with_an_index_and_without() {
        let rows = [("a", 1), (NASTY, 2), ("a", 3), ("\"b\"", 4)];
        let expected = [("\"b\"".to_owned(), 4), (NASTY.to_owned(), 2), ("a".to_owned(), 4)];
        for table in [KEYED, PLAIN] {
            assert_eq!(written("", table, &rows), (expected.to_vec(), 0));
        }
    }

    #[test]
    fn rows_are_kept_while_a_changed_table_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let database = Connection::open(&path).unwrap();
        database.execute_batch(KEYED).unwrap();
        let column = |name: &str, role| Column { name: name.to_owned(), role, form: Form::Plain };
        let columns = vec![column("k", Role::Key), column("packets", Role::Sum)];
        let head = Head { table: "t".to_owned(), create: None, columns, for_backup: false };
        let mut backend = Sqlite::new(settings(&format!("sql_db: {}", path.display())), Some(head.clone()));
        let batch = |number| {
            let mut builder = Builder::new(&head);
            builder.row(1, 0);
            builder.value(Value::Text("a"));
            builder.value(Value::Number(1));
            let (items, sum) = (builder.count(), builder.sum());
            WriteBatch { id: BatchId { run: 1, number }, purge: number, items, sum, body: builder.take() }
        };
        let mut deliver = |number| {
            let mut receipt = Receipt::new(1);
            let done = backend.open().and_then(|()| backend.deliver(&batch(number), &mut receipt));
            assert_eq!(receipt.refused(), None);
            done
        };
        deliver(1).unwrap();
        // SQLite cannot add such a column to an existing table.
        let other = KEYED.replace("k TEXT", "more INT NOT NULL, k TEXT");
        database.execute_batch(&format!("DROP TABLE t; {other}")).unwrap();
        for _ in 0..2 {
            let error = deliver(2).unwrap_err();
            let StoreError::Configuration { key: "sql_table", what } = &error else { panic!("{error:?}") };
            assert!(what.contains("more") && what.contains("without a default"), "{what}");
        }
        database.execute_batch(&format!("DROP TABLE t; {KEYED}")).unwrap();
        deliver(2).unwrap();
    }

    #[test]
    fn only_the_row_that_violates_a_constraint_after_adding_is_refused() {
        let rows = [("a", 60), ("b", 1), ("a", 60), ("b", 2)];
        for table in [KEYED, PLAIN] {
            assert_eq!(written("", table, &rows), (vec![("a".to_owned(), 60), ("b".to_owned(), 3)], 60));
        }
    }

    #[test]
    fn only_the_row_that_violates_a_constraint_is_refused() {
        let rows = [("a", 1), ("b", 500), ("c", 3)];
        let expected = vec![("a".to_owned(), 1), ("c".to_owned(), 3)];
        for lines in ["", "sql_dont_try_update: true", "sql_dont_try_update: true\nsql_multi_values: 100000"] {
            for table in [KEYED, PLAIN] {
                assert_eq!(written(lines, table, &rows), (expected.clone(), 500), "{lines} {table}");
            }
        }
    }
}
