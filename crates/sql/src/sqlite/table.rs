//! A table, and the statements that write to it.

use super::statements::{Statements, name, table as shown};
use super::{schema_error, store_error};
use crate::fit::Fit;
use crate::rows::{Head, Role};
use crate::settings::Settings;
use delivery::StoreError;
use rusqlite::{Connection, Result};
use tracing::info;

/// The maximum number of values that SQLite binds in one statement.
const BOUND: usize = 32_766;
/// The maximum number of rows of one INSERT: more only make statements slower to prepare.
const ROWS: usize = 500;
/// The assumed size of a value in a statement in bytes, for `sql_multi_values`.
const VALUE: usize = 40;

/// A table that has the columns of its head.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) head: Head,
    /// Inserts a row, or adds it to the existing one if there is an index over the key.
    pub(super) insert: String,
    /// Adds a row to the existing one, if there is no index over the key.
    pub(super) update: Option<String>,
    /// An INSERT of several rows, and their number.
    pub(super) many: Option<(usize, String)>,
    /// Each update scans the whole table.
    pub(super) is_scanned: bool,
}

impl Table {
    /// Creates the table if it does not exist and the head has a statement for that, and checks that it has the columns.
    pub(super) fn prepare(connection: &Connection, head: &Head, settings: &Settings) -> Result<Self, StoreError> {
        let shown = shown(head);
        let fit = Fit { settings, head, table: &shown, quoted: name };
        let is_there = || exists(connection, &head.table).map_err(|error| store_error(&error));
        if let Some(create) = &head.create
            && !is_there()?
        {
            // Another process may have created it meanwhile: an error matters only if the table does not exist.
            let said = match connection.execute_batch(create).map_err(|error| (store_error(&error), error)) {
                Ok(()) => None,
                Err((StoreError::Down(what), _)) => return Err(StoreError::Down(what)),
                Err((_, error)) => Some(error.to_string()),
            };
            if !is_there()? {
                return Err(fit.not_created(said));
            }
            info!("table '{}' created", head.table);
        }
        let columns = columns(connection, head).map_err(|error| store_error(&error))?;
        // Without columns there is no table: preparing its statements fails with that error.
        if !columns.is_empty() {
            let is_same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
            fit.has_all(|name| columns.iter().any(|(found, _)| is_same(found, name)))?;
            let is_written = |name: &str| head.columns.iter().any(|column| is_same(&column.name, name));
            let unfilled = columns.into_iter().filter(|(name, must)| *must && !is_written(name));
            fit.fills_all(&unfilled.map(|(name, _)| name).collect::<Vec<_>>())?;
        }
        let statements = Statements { head, num_hosts: settings.num_hosts };
        let check =
            |text: &str| match connection.prepare_cached(text).map_err(|error| (store_error(&error), error)) {
                Ok(_) => Ok(()),
                Err((StoreError::Down(what), _)) => Err(StoreError::Down(what)),
                Err((_, error)) => Err(schema_error(&error.to_string())),
            };
        let mut table =
            Self { head: head.clone(), insert: statements.insert(1), update: None, many: None, is_scanned: false };
        check(&table.insert)?;
        if settings.insert_only {
            let columns = head.columns.len().max(1);
            let wanted = usize::try_from(settings.multi_values).unwrap_or(usize::MAX) / (VALUE * columns);
            let rows = wanted.min(ROWS).min(BOUND / columns);
            table.many = (rows > 1).then(|| (rows, statements.insert(rows)));
            return Ok(table);
        }
        let update = statements.update();
        check(&update)?;
        let index = index(connection, head).map_err(|error| store_error(&error))?;
        match index.map(|index| statements.upsert(&index)) {
            Some(upsert) if connection.prepare_cached(&upsert).is_ok() => table.insert = upsert,
            _ => {
                let has_key = head.columns.iter().any(|column| column.role == Role::Key);
                table.is_scanned = has_key && is_scan(connection, &update).map_err(|error| store_error(&error))?;
                table.update = Some(update);
            }
        }
        Ok(table)
    }
}

fn exists(connection: &Connection, table: &str) -> Result<bool> {
    let name = table.rsplit('.').next().unwrap_or(table);
    let query = "SELECT COUNT(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
    connection.query_row(query, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

/// The columns of a table, each with whether it must not be NULL and has no default; empty if there is no table.
fn columns(connection: &Connection, head: &Head) -> Result<Vec<(String, bool)>> {
    let (schema, table) = match head.table.split_once('.') {
        Some((schema, table)) => (format!("{}.", name(schema)), table),
        None => (String::new(), head.table.as_str()),
    };
    let mut statement = connection.prepare(&format!("PRAGMA {schema}table_xinfo({})", name(table)))?;
    let rows = statement.query_map([], |row| {
        let has_default = row.get_ref("dflt_value")? != rusqlite::types::ValueRef::Null;
        // A primary key of this single column is the row id, which SQLite assigns if it is not given.
        let is_number =
            row.get::<_, String>("type")?.eq_ignore_ascii_case("INTEGER") && row.get::<_, u32>("pk")? > 0;
        // Generated columns are not written.
        let is_written = row.get::<_, u32>("hidden")? == 0;
        let must = row.get::<_, bool>("notnull")? && is_written && !has_default && !is_number;
        Ok((row.get("name")?, must))
    });
    rows?.collect()
}

/// True when a statement scans a table, without an index.
fn is_scan(connection: &Connection, statement: &str) -> Result<bool> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
    let mut steps = plan.raw_query();
    while let Some(step) = steps.next()? {
        if step.get::<_, String>("detail")?.starts_with("SCAN") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The columns of a unique index in which rows conflict exactly if their keys are equal.
///
/// It covers the key. Its other columns are not written and have a constant default, so that all rows are equal in them: the
/// standard schemas have such an index when `sql_optimize_clauses` omits columns.
fn index(connection: &Connection, head: &Head) -> Result<Option<Vec<String>>> {
    let (schema, table) = match head.table.split_once('.') {
        Some((schema, table)) => (format!("{}.", name(schema)), table),
        None => (String::new(), head.table.as_str()),
    };
    // Arguments of pragmas with a schema cannot be bound.
    let pragma = |what: &str, of: &str, columns: &str| -> Result<Vec<[Option<String>; 3]>> {
        let mut statement = connection.prepare(&format!("PRAGMA {schema}{what}({})", name(of)))?;
        let columns: Vec<&str> = columns.split(' ').collect();
        let text = |row: &rusqlite::Row<'_>, at: usize| -> Result<Option<String>> {
            let Some(column) = columns.get(at) else { return Ok(None) };
            Ok(match row.get_ref(*column)? {
                rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
                value => value.as_str_or_null().ok().flatten().map(str::to_owned),
            })
        };
        statement.query_map([], |row| Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?]))?.collect()
    };
    let constants: Vec<String> = (pragma("table_info", table, "name dflt_value")?.into_iter())
        .filter_map(|[name, default, _]| name.filter(|_| default.is_some_and(|default| is_constant(&default))))
        .collect();
    let is_in = |names: &[String], name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    for found in pragma("index_list", table, "name unique partial")? {
        let [Some(index), Some(unique), Some(partial)] = found else { continue };
        if unique != "1" || partial != "0" {
            continue;
        }
        let columns = pragma("index_info", &index, "name")?;
        // A column without a name is an expression.
        let columns: Option<Vec<String>> = columns.into_iter().map(|[name, ..]| name).collect();
        let Some(columns) = columns else { continue };
        let has_key = (head.columns.iter())
            .filter(|column| column.role == Role::Key)
            .all(|column| is_in(&columns, &column.name));
        let is_fit = columns.iter().all(|name| {
            match head.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)) {
                Some(column) => column.role == Role::Key,
                None => is_in(&constants, name),
            }
        });
        if has_key && is_fit {
            return Ok(Some(columns));
        }
    }
    Ok(None)
}

/// True for a number or a quoted text, in the syntax of SQL.
fn is_constant(default: &str) -> bool {
    let text = default.trim();
    text.parse::<f64>().is_ok()
        || ['\'', '"'].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Column, Form};

    fn found(table: &str) -> Option<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(table).unwrap();
        let column = |name: &str, role| Column { name: name.to_owned(), role, form: Form::Plain };
        let columns = vec![column("a", Role::Key), column("b", Role::Key), column("n", Role::Sum)];
        let head = Head { table: "main.t".to_owned(), create: None, columns, for_backup: false };
        index(&connection, &head).unwrap().map(|columns| columns.join(","))
    }

    #[test]
    fn the_index_over_the_key_is_found() {
        for (end, expected) in [
            (", PRIMARY KEY (b, a))", Some("b,a")),
            (", PRIMARY KEY (b, a)) WITHOUT ROWID", Some("b,a")),
            ("); CREATE UNIQUE INDEX i ON t (A, B)", Some("a,b")),
            (", c INT NOT NULL DEFAULT 0, d CHAR(9) DEFAULT 'x', UNIQUE (d, c, b, a))", Some("d,c,b,a")),
            (")", None),
            ("); CREATE INDEX i ON t (a, b)", None),
            ("); CREATE UNIQUE INDEX i ON t (a, b) WHERE a > 0", None),
            ("); CREATE UNIQUE INDEX i ON t (a, b, n + 1)", None),
            (", PRIMARY KEY (a))", None),
            (", UNIQUE (a, b, n))", None),
            (", c INT, UNIQUE (a, b, c))", None),
            (", c INT DEFAULT (random()), UNIQUE (a, b, c))", None),
            (", c TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (a, b, c))", None),
        ] {
            assert_eq!(found(&format!("CREATE TABLE t (a INT, b INT, n INT{end}")).as_deref(), expected, "{end}");
        }
    }
}
