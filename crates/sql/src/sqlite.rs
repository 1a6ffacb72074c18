//! SQLite, in this process.
//!
//! A parcel is one transaction. Where an index of the table covers exactly the columns of the key, a row is one
//! statement that inserts or adds (`ON CONFLICT`); else it is an UPDATE and, when that touched nothing, an INSERT, as
//! tables of any shape allow.

use crate::rows::{Head, Role, Rows, Value};
use crate::settings::{Dialect, Settings};
use crate::statements::Writer;
use delivery::{Backend, Fault, Parcel, Receipt, Sum};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, functions};
use std::net::IpAddr;
use std::path::PathBuf;
use tracing::{info, warn};

/// SQLite's cache of pages, in its unit: negative for KiB.
const CACHE: i32 = -65_536;

/// A database in a file.
pub struct Sqlite {
    settings: Settings,
    writer: Writer,
    /// What is checked at the start.
    expected: Option<Head>,
    primary: File,
    /// `sql_backup_host`.
    backup: Option<File>,
    /// The purge whose rows go to the backup.
    away: Option<u64>,
}

struct File {
    path: PathBuf,
    connection: Option<Connection>,
    /// The table at hand, and what writes to it.
    ready: Option<Ready>,
}

/// Statements for one head.
#[derive(Clone, Debug)]
struct Ready {
    head: Head,
    /// Adds to a row or inserts it.
    upsert: Option<String>,
    update: String,
    insert: String,
    /// As many rows as one statement takes, and that statement.
    several: Option<(usize, String)>,
}

impl Sqlite {
    /// A database that is not opened yet. `expected`: the table that must be there from the start.
    pub fn new(settings: Settings, expected: Option<Head>) -> Self {
        let file = |path: &str| File { path: PathBuf::from(path), connection: None, ready: None };
        let (primary, backup) = (file(&settings.db), settings.backup.as_deref().map(file));
        let writer = Writer { dialect: Dialect::Sqlite, utc: settings.utc, num_hosts: settings.num_hosts };
        Self { settings, writer, expected, primary, backup, away: None }
    }
}

impl Backend for Sqlite {
    fn open(&mut self) -> Result<(), Fault> {
        let opened = self.primary.open(&self.settings).and_then(|()| match &self.expected {
            Some(head) => self.primary.prepare(head, &self.settings, self.writer),
            None => Ok(()),
        });
        match (opened, &mut self.backup) {
            // The backup stands in; what is wrong is told when it does.
            (Err(Fault::Down(_)), Some(backup)) => backup.open(&self.settings),
            (opened, _) => opened,
        }
    }

    fn deliver(&mut self, parcel: &Parcel, receipt: &mut Receipt) -> Result<(), Fault> {
        let rows = Rows::read(&parcel.body).ok_or_else(|| Fault::Parcel("it is not one of rows".to_owned()))?;
        if self.away.is_some_and(|purge| purge != parcel.purge) {
            self.away = None;
        }
        if self.away.is_none() {
            match self.primary.write(&rows, &self.settings, self.writer, receipt) {
                Err(Fault::Down(what)) if self.backup.is_some() => {
                    warn!(
                        "'{}' cannot be written, the backup takes this purge: {what}",
                        self.primary.path.display()
                    );
                    self.away = Some(parcel.purge);
                }
                result => return result,
            }
        }
        match &mut self.backup {
            Some(backup) => backup.write(&rows, &self.settings, self.writer, receipt),
            None => Ok(()),
        }
    }

    fn close(&mut self) {
        for file in [Some(&mut self.primary), self.backup.as_mut()].into_iter().flatten() {
            file.ready = None;
            if let Some(Err((_, error))) = file.connection.take().map(Connection::close) {
                warn!("'{}' was not closed well: {error}", file.path.display());
            }
        }
    }
}

impl File {
    fn open(&mut self, settings: &Settings) -> Result<(), Fault> {
        if self.connection.is_some() {
            return Ok(());
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = self.path.display();
        let cannot = |error: rusqlite::Error| {
            let what = format!("'{path}': {error}");
            Fault::Configuration { key: "sql_db", what }
        };
        let connection = Connection::open_with_flags(&self.path, flags).map_err(cannot)?;
        connection.busy_timeout(settings.timeout).map_err(cannot)?;
        connection.set_prepared_statement_cache_capacity(64);
        // With less, the pages of a large index are written and read again within one transaction.
        connection.pragma_update(None, "cache_size", CACHE).map_err(cannot)?;
        if settings.num_hosts {
            let flags = functions::FunctionFlags::SQLITE_UTF8 | functions::FunctionFlags::SQLITE_DETERMINISTIC;
            connection.create_scalar_function("INET6_ATON", 1, flags, inet6_aton).map_err(cannot)?;
        }
        // The first look at the file tells whether it is a database.
        connection
            .query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(|error| fault(&error))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Makes statements for a head, unless they are those at hand.
    fn prepare(&mut self, head: &Head, settings: &Settings, writer: Writer) -> Result<(), Fault> {
        if self.ready.as_ref().is_some_and(|ready| ready.head == *head) {
            return Ok(());
        }
        let Some(connection) = &self.connection else { return Ok(()) };
        if let Some(create) = &head.create
            && !exists(connection, &head.table)?
        {
            connection.execute_batch(create).map_err(|error| match fault(&error) {
                Fault::Down(what) => Fault::Down(what),
                _ => Fault::Configuration { key: "sql_table_schema", what: error.to_string() },
            })?;
            info!("table '{}' made", head.table);
        }
        let wrong = |error: rusqlite::Error| match fault(&error) {
            Fault::Down(what) => Fault::Down(what),
            _ => misfit(&error.to_string()),
        };
        let insert = writer.insert(head, 1);
        connection.prepare_cached(&insert).map_err(wrong)?;
        let mut ready = Ready { head: head.clone(), upsert: None, update: String::new(), insert, several: None };
        if settings.insert_only {
            let row: usize = 40 * head.columns.len().max(1);
            let rows = (usize::try_from(settings.multi_values).unwrap_or(usize::MAX) / row).clamp(1, 500);
            // SQLite binds 32,766 values at most.
            let rows = rows.min(32_766 / head.columns.len().max(1));
            ready.several = (rows > 1).then(|| (rows, writer.insert(head, rows)));
        } else {
            ready.update = writer.update(head);
            connection.prepare_cached(&ready.update).map_err(wrong)?;
            if let Some(keys) = unique_keys(connection, head)? {
                let keys: Vec<String> = keys.iter().map(|key| writer.name(key)).collect();
                let set: Vec<String> = (head.columns.iter())
                    .filter_map(|column| {
                        let name = writer.name(&column.name);
                        let new = format!("excluded.{name}");
                        Some(format!("{name} = {}", writer.combined(column, &name, &new)?))
                    })
                    .collect();
                let upsert =
                    format!("{} ON CONFLICT ({}) DO UPDATE SET {}", ready.insert, keys.join(", "), set.join(", "));
                ready.upsert = connection.prepare_cached(&upsert).is_ok().then_some(upsert);
            }
            if ready.upsert.is_none() {
                info!(
                    "table '{}' has no unique index over its key: each row is searched for, and slower the more there \
                     are",
                    head.table
                );
            }
        }
        self.ready = Some(ready);
        Ok(())
    }

    /// Writes the rows in one transaction.
    fn write(
        &mut self,
        rows: &Rows<'_>,
        settings: &Settings,
        writer: Writer,
        receipt: &mut Receipt,
    ) -> Result<(), Fault> {
        self.open(settings)?;
        let written = self.prepare(&rows.head, settings, writer).and_then(|()| self.transact(rows, receipt));
        if let Err(Fault::Down(_)) = &written {
            // The file may have been moved away: look at it anew.
            self.ready = None;
            self.connection = None;
        }
        written
    }

    fn transact(&mut self, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), Fault> {
        let (Some(connection), Some(ready)) = (&mut self.connection, &self.ready) else { return Ok(()) };
        let down = |error: rusqlite::Error| Fault::Down(error.to_string());
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(down)?;
        let mut refused = Vec::new();
        let whole = {
            let mut first = transaction.prepare_cached(match (&ready.upsert, ready.update.is_empty()) {
                (Some(upsert), _) => upsert,
                (None, true) => &ready.insert,
                (None, false) => &ready.update,
            });
            let mut insert = transaction.prepare_cached(&ready.insert);
            let (Ok(first), Ok(insert)) = (&mut first, &mut insert) else {
                return Err(misfit("its columns have changed"));
            };
            let tries_update = ready.upsert.is_none() && !ready.update.is_empty();
            let mut several = match &ready.several {
                Some((count, text)) => transaction.prepare_cached(text).ok().map(|statement| (*count, statement)),
                None => None,
            };
            let mut gathered: Vec<(u32, Sum, Vec<Bound<'_>>)> = Vec::new();
            // A row that is refused is refused alone: the others of its statement are written one by one.
            let mut one_by_one = |rows: &mut Vec<(u32, Sum, Vec<Bound<'_>>)>,
                                  refused: &mut Vec<(u32, Sum, String)>| {
                for (number, sum, values) in rows.drain(..) {
                    match insert
                        .execute(rusqlite::params_from_iter(values))
                        .map_err(|error| (fault(&error), error))
                    {
                        Ok(_) => {}
                        Err((Fault::Parcel(_), error)) => refused.push((number, sum, error.to_string())),
                        Err((fault, _)) => return Err(fault),
                    }
                }
                Ok(())
            };
            let whole = rows.each(|number, sum, values| {
                if let Some((count, statement)) = &mut several {
                    gathered.push((number, sum, values.iter().map(|value| Bound(*value)).collect()));
                    if gathered.len() == *count {
                        let bound = gathered.iter().flat_map(|(_, _, values)| values);
                        match statement.execute(rusqlite::params_from_iter(bound)).map_err(|error| fault(&error)) {
                            Ok(_) => gathered.clear(),
                            Err(Fault::Parcel(_)) => one_by_one(&mut gathered, &mut refused)?,
                            Err(fault) => return Err(fault),
                        }
                    }
                    return Ok(());
                }
                let bound = || rusqlite::params_from_iter(values.iter().map(|value| Bound(*value)));
                if tries_update && first.execute(bound()).map_err(|error| fault(&error))? > 0 {
                    return Ok(());
                }
                if tries_update || ready.upsert.is_none() {
                    gathered.push((number, sum, values.iter().map(|value| Bound(*value)).collect()));
                    return one_by_one(&mut gathered, &mut refused);
                }
                match first.execute(bound()).map_err(|error| (fault(&error), error)) {
                    Ok(_) => Ok(()),
                    Err((Fault::Parcel(_), error)) => {
                        refused.push((number, sum, error.to_string()));
                        Ok(())
                    }
                    Err((fault, _)) => Err(fault),
                }
            })?;
            one_by_one(&mut gathered, &mut refused)?;
            whole
        };
        transaction.commit().map_err(down)?;
        for (number, sum, reason) in refused {
            receipt.refuse(number, sum, || reason);
        }
        receipt.confirm_all();
        match whole {
            true => Ok(()),
            false => Err(Fault::Parcel("its last row is not whole".to_owned())),
        }
    }
}

/// A value, as SQLite takes it.
#[derive(Clone, Copy)]
struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            // SQLite's numbers are signed: the largest counters become the largest number.
            Value::Number(number) => ToSqlOutput::from(i64::try_from(number).unwrap_or(i64::MAX)),
            Value::Real(real) => ToSqlOutput::from(real),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Address(address) => ToSqlOutput::from(address.to_string()),
            Value::Mac(octets) => ToSqlOutput::from(crate::rows::mac(octets)),
            Value::Time(seconds) => ToSqlOutput::from(seconds),
        })
    }
}

/// MySQL's function of this name: an address as 4 or 16 octets, nothing for what is none.
fn inet6_aton(context: &functions::Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    let text: Option<String> = context.get(0)?;
    Ok(text.and_then(|text| text.parse().ok()).map(|address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }))
}

fn misfit(what: &str) -> Fault {
    let key = if what.contains("no such table") { "sql_table" } else { "sql_table_version" };
    let hint = match key {
        "sql_table" => "make it with the statements in etc/sql, or set sql_table_schema",
        _ => "the table does not fit sql_table_version; sql_optimize_clauses writes what is aggregated alone",
    };
    Fault::Configuration { key, what: format!("{what} ({hint})") }
}

/// What an error means for the parcel.
fn fault(error: &rusqlite::Error) -> Fault {
    let what = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => Fault::Parcel(what),
        Some(ErrorCode::NotADatabase | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Fault::Configuration { key: "sql_db", what }
        }
        Some(ErrorCode::CannotOpen) => Fault::Configuration { key: "sql_db", what },
        Some(ErrorCode::Unknown) | None => misfit(&what),
        _ => Fault::Down(what),
    }
}

fn exists(connection: &Connection, table: &str) -> Result<bool, Fault> {
    let name = table.rsplit('.').next().unwrap_or(table);
    let query = "SELECT COUNT(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
    let count: i64 = connection.query_row(query, [name], |row| row.get(0)).map_err(|error| fault(&error))?;
    Ok(count > 0)
}

/// The columns of a unique index that are exactly those of the key, if there is one.
fn unique_keys(connection: &Connection, head: &Head) -> Result<Option<Vec<String>>, Fault> {
    let keys: Vec<&str> =
        head.columns.iter().filter(|column| column.role == Role::Key).map(|column| column.name.as_str()).collect();
    let strings = |query: &str, argument: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([argument], |row| row.get::<_, Option<String>>(0))?;
        rows.map(|name| Ok(name?.unwrap_or_default())).collect()
    };
    let error = |error: rusqlite::Error| fault(&error);
    let indexes =
        strings("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND partial = 0", &head.table)
            .map_err(error)?;
    for index in indexes {
        let names = strings("SELECT name FROM pragma_index_info(?1)", &index).map_err(error)?;
        let is_key = |name: &String| keys.iter().any(|key| key.eq_ignore_ascii_case(name));
        if names.len() == keys.len() && names.iter().all(is_key) {
            return Ok(Some(names));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Builder, Column, Form};
    use config::{Daemon, Problems};
    use delivery::ParcelId;

    fn settings(lines: &str) -> Settings {
        let text = format!("plugins: sqlite3[s]\naggregate[s]: src_host\n{lines}\n");
        let (config, mut problems): (_, Problems) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
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
        let head = Head { table: "t".to_owned(), create: None, columns };
        let mut backend = Sqlite::new(settings, Some(head.clone()));
        let mut builder = Builder::new(&head);
        for (key, packets) in rows {
            builder.row(*packets, 0);
            builder.value(Value::Text(key));
            builder.value(Value::Number(*packets));
        }
        let (items, sum) = (builder.count(), builder.sum());
        let id = ParcelId { run: 1, number: 1 };
        let parcel = Parcel { id, purge: 1, items, sum, body: builder.take() };
        let mut receipt = Receipt::new(items);
        backend.open().and_then(|()| backend.deliver(&parcel, &mut receipt)).unwrap();
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
    fn a_refused_row_is_refused_alone() {
        let rows = [("a", 1), ("b", 500), ("c", 3)];
        let expected = vec![("a".to_owned(), 1), ("c".to_owned(), 3)];
        for lines in ["", "sql_dont_try_update: true", "sql_dont_try_update: true\nsql_multi_values: 100000"] {
            for table in [KEYED, PLAIN] {
                assert_eq!(written(lines, table, &rows), (expected.clone(), 500), "{lines} {table}");
            }
        }
    }
}
