//! The description of a table, and the statements that write to it.
//!
//! Rows are copied into a *stage*: a temporary staging table with the columns that are written, which is emptied at the end of
//! each transaction. Its columns have the types of the table, except that counters are `bigint`, for sums, and times have a
//! zone, so that the server converts them to its own. From there one statement merges them:
//!
//! * where a unique index covers exactly the key, `INSERT … ON CONFLICT DO UPDATE`;
//! * otherwise one statement with an UPDATE of the existing rows and an INSERT of the others.
//!
//! Rows with the same key are summed first. If rows are only inserted (`sql_dont_try_update`), they are copied directly into the
//! table, unless it has times without a zone, which COPY would not convert to the server's zone.

use super::connection::Connection;
use super::error::WriteError;
use crate::fit::Fit;
use crate::rows::{Form, Head, Role};
use crate::settings::Settings;
use crate::text::{TextFormat, Time};
use crate::width::{Logged, Width};
use delivery::StoreError;
use std::fmt::Write as _;
use tokio_postgres::Statement;

const DESCRIBE: &str = "\
    SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname::text, t.typcategory::text, \
           a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = '' \
    WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

/// Columns that must not be NULL and have no default, unless a trigger may set them.
const UNFILLED: &str = "\
    SELECT a.attname::text FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
      AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL \
      AND c.relkind IN ('r', 'p') \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g \
                      WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D' AND g.tgtype & 7 = 7) \
    ORDER BY a.attnum";

const INDEXES: &str = "\
    SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])) \
    FROM pg_catalog.pg_index i \
    WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate \
      AND i.indpred IS NULL AND i.indexprs IS NULL";

/// A table, ready to be written to.
pub(super) struct Table {
    pub(super) head: Head,
    /// The text formats of the columns.
    pub(super) formats: Vec<TextFormat>,
    /// Its name, quoted.
    pub(super) name: String,
    /// The COPY into the stage, or directly into the table.
    pub(super) copy: Statement,
    /// The stage; `None` when rows are copied directly into the table.
    pub(super) stage: Option<String>,
    columns: Vec<Described>,
    /// A unique index covers exactly the key.
    indexed: bool,
    insert_only: bool,
}

/// A column.
#[derive(Clone, Debug)]
struct Described {
    quoted: String,
    role: Role,
    form: Form,
    /// Its type, in SQL.
    sql_type: String,
    kind: Kind,
    not_null: bool,
    default: Option<String>,
}

/// Kinds of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// Other numbers.
    Number,
    /// A date and time, with or without a zone.
    Timestamp {
        zoned: bool,
    },
    /// Texts.
    Text,
    /// `inet` and `cidr`.
    Network,
    /// `macaddr`.
    Mac,
    Other,
}

impl Kind {
    /// Classifies a type by name and category (PostgreSQL manual, `pg_type`).
    fn new(name: &str, category: &str) -> Self {
        match (name, category) {
            ("int2" | "int4" | "int8", _) => Self::Integer,
            (_, "N") => Self::Number,
            ("timestamp", _) => Self::Timestamp { zoned: false },
            ("timestamptz", _) => Self::Timestamp { zoned: true },
            (_, "S") => Self::Text,
            ("macaddr" | "macaddr8", _) => Self::Mac,
            (_, "I") => Self::Network,
            _ => Self::Other,
        }
    }

    /// The value for NULL in a column that must not be NULL and has no default.
    fn stand_in(self) -> Option<&'static str> {
        match self {
            Self::Integer | Self::Number => Some("0"),
            Self::Timestamp { .. } => Some("1970-01-01 00:00:00+00"),
            Self::Text => Some(""),
            Self::Network => Some("0.0.0.0"),
            Self::Mac => Some("00:00:00:00:00:00"),
            Self::Other => None,
        }
    }
}

/// A name, quoted. Names that need no quotes are folded to lower case, as without quotes.
pub(super) fn quoted(name: &str) -> String {
    if plain(name) { format!("\"{}\"", name.to_ascii_lowercase()) } else { quoted_as_is(name) }
}

fn quoted_as_is(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table, quoted. A name that needs no quotes may have a schema before it.
pub(super) fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) if plain(schema) && plain(table) => format!("{}.{}", quoted(schema), quoted(table)),
        _ => quoted(name),
    }
}

fn plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

impl Table {
    /// Describes a table, after creating it if it does not exist and `head` has a statement for that, and prepares its stage.
    /// `number` distinguishes the stages of a connection; `cut` has the columns for which the truncation of texts was logged.
    pub(super) fn new(
        connection: &Connection,
        head: &Head,
        settings: &Settings,
        number: u64,
        cut: &Logged,
    ) -> Result<Self, WriteError> {
        let name = quoted_table(&head.table);
        let fit = Fit { settings, head, table: &name, quoted };
        let mut described = connection.query(DESCRIBE, &[&name])?;
        if let (true, Some(create)) = (described.is_empty(), &head.create) {
            // Another client may have created it meanwhile: an error matters only if the table does not exist.
            let said = match connection.run(create) {
                Ok(()) => None,
                Err(WriteError::Store(StoreError::Configuration { what, .. }) | WriteError::Row { what, .. }) => {
                    Some(what)
                }
                Err(error) => return Err(error),
            };
            described = connection.query(DESCRIBE, &[&name])?;
            if described.is_empty() {
                return Err(WriteError::Store(fit.not_created(said)));
            }
        }
        if described.is_empty() {
            let what = format!(
                "there is no table {name} in database '{}'; create it, or set sql_table_schema to a file with the \
                 statement that does",
                settings.db
            );
            return Err(WriteError::Store(StoreError::Configuration { key: "sql_table", what }));
        }
        let found = |name: &str| described.iter().find(|row| quoted_as_is(row.get(0)) == quoted(name));
        fit.has_all(|name| found(name).is_some()).map_err(WriteError::Store)?;
        let unfilled: Vec<String> = connection.query(UNFILLED, &[&name])?.iter().map(|row| row.get(0)).collect();
        let written = |name: &String| head.columns.iter().any(|column| quoted(&column.name) == quoted_as_is(name));
        let unfilled: Vec<String> = unfilled.into_iter().filter(|name| !written(name)).collect();
        fit.fills_all(&unfilled).map_err(WriteError::Store)?;
        let mut columns = Vec::with_capacity(head.columns.len());
        for column in &head.columns {
            let quoted = quoted(&column.name);
            let Some(row) = found(&column.name) else { continue };
            columns.push(Described {
                quoted,
                role: column.role,
                form: column.form,
                sql_type: row.get(1),
                kind: Kind::new(row.get(2), row.get(3)),
                not_null: row.get(4),
                default: row.get(5),
            });
        }
        let indexed = exactly_indexed(connection, &name, &columns)?;
        let direct = settings.insert_only
            && (connection.utc || !columns.iter().any(|column| column.kind == Kind::Timestamp { zoned: false }));
        let stage = (!direct).then(|| format!("pg_temp.pmacct_stage_{number}"));
        if let Some(stage) = &stage {
            connection.run(&create_stage(stage, &name, &columns))?;
        }
        let delimiter = delimiter(settings);
        let mut formats = Vec::with_capacity(columns.len());
        for column in &columns {
            formats.push(column.format(connection, settings, delimiter, cut)?);
        }
        let names: Vec<&str> = columns.iter().map(|column| column.quoted.as_str()).collect();
        let copy = connection.prepare(&format!(
            "COPY {} ({}) FROM STDIN (FORMAT text, DELIMITER E'\\x{delimiter:02x}')",
            stage.as_deref().unwrap_or(&name),
            names.join(", ")
        ))?;
        Ok(Self {
            head: head.clone(),
            formats,
            name,
            copy,
            stage,
            columns,
            indexed,
            insert_only: settings.insert_only,
        })
    }

    /// The statement that merges the stage into the table; `None` when rows are copied directly. `nulls`: the columns in which
    /// rows of the stage have NULL.
    pub(super) fn merge(&self, nulls: &[bool]) -> Option<String> {
        let stage = self.stage.as_deref()?;
        let (table, columns) = (&self.name, &self.columns);
        let names = list(columns, |column| Some(column.quoted.clone()));
        if self.insert_only {
            let values = list(columns, |column| Some(column.cast(column.quoted.clone())));
            return Some(format!("INSERT INTO {table} ({names}) SELECT {values} FROM {stage}"));
        }
        let keys = list(columns, |column| (column.role == Role::Key).then(|| column.quoted.clone()));
        let values = list(columns, |column| Some(format!("{} AS {}", column.summed(), column.quoted)));
        // Without a key there is one row, or none when the stage is empty.
        let group = if keys.is_empty() { "HAVING count(*) > 0".to_owned() } else { format!("GROUP BY {keys}") };
        let summed = format!("SELECT {values} FROM {stage} {group}");
        let set = list(columns, |column| Some(format!("{} = {}", column.quoted, column.combined("excluded")?)));
        if self.indexed {
            let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {set}") };
            return Some(format!("INSERT INTO {table} AS t ({names}) {summed} ON CONFLICT ({keys}) DO {action}"));
        }
        let mut same = String::new();
        for (column, nulls) in columns.iter().zip(nulls).filter(|(column, _)| column.role == Role::Key) {
            let equal = if *nulls { "IS NOT DISTINCT FROM" } else { "=" };
            let and = if same.is_empty() { "" } else { " AND " };
            let _ = write!(same, "{and}t.{0} {equal} excluded.{0}", column.quoted);
        }
        let same = if same.is_empty() { "TRUE" } else { &same };
        let update = match set.is_empty() {
            true => String::new(),
            false => format!(", updated AS (UPDATE {table} AS t SET {set} FROM summed AS excluded WHERE {same})"),
        };
        Some(format!(
            "WITH summed AS MATERIALIZED ({summed}){update} INSERT INTO {table} ({names}) SELECT {names} FROM summed AS \
             excluded WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same})"
        ))
    }
}

/// The delimiter between values; a tab if COPY does not accept the configured one.
pub(super) fn delimiter(settings: &Settings) -> u8 {
    match u8::try_from(settings.delimiter) {
        Ok(byte) if byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && byte != b'\\' && byte != b'.' => {
            byte
        }
        _ => b'\t',
    }
}

fn list(columns: &[Described], show: impl Fn(&Described) -> Option<String>) -> String {
    let shown: Vec<String> = columns.iter().filter_map(show).collect();
    shown.join(", ")
}

/// True when a unique index covers exactly the key, so that the table has each key at most once.
fn exactly_indexed(connection: &Connection, name: &str, columns: &[Described]) -> Result<bool, WriteError> {
    let mut keys = columns.iter().filter(|column| column.role == Role::Key);
    // Rows with NULL in a column are never equal in an index.
    if keys.clone().any(|column| !column.not_null) {
        return Ok(false);
    }
    let indexes = connection.query(INDEXES, &[&name])?;
    Ok(indexes.iter().any(|row| {
        let names: Vec<String> =
            row.get::<_, Vec<String>>(0).iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        keys.clone().count() == names.len() && keys.all(|column| names.contains(&column.quoted))
    }))
}

/// The statement that creates a stage.
fn create_stage(stage: &str, table: &str, columns: &[Described]) -> String {
    let columns = list(columns, |column| {
        Some(match (column.kind, column.role) {
            (Kind::Timestamp { .. }, _) => format!("{0}::timestamp with time zone AS {0}", column.quoted),
            (Kind::Integer, Role::Sum | Role::Or) => format!("{0}::bigint AS {0}", column.quoted),
            _ => column.quoted.clone(),
        })
    });
    format!(
        "DROP TABLE IF EXISTS {stage}; \
         CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {table} WITH NO DATA",
        stage.trim_start_matches("pg_temp.")
    )
}

impl Described {
    /// Converts a value of the stage to the type of the table.
    fn cast(&self, value: String) -> String {
        match (self.kind, self.role) {
            (Kind::Timestamp { .. }, _) | (Kind::Integer, Role::Sum | Role::Or) => {
                format!("{value}::{}", self.sql_type)
            }
            _ => value,
        }
    }

    /// The merged value of rows with the same key.
    fn summed(&self) -> String {
        let aggregate = match self.role {
            Role::Key => return self.cast(self.quoted.clone()),
            Role::Sum => "sum",
            Role::Or => "bit_or",
            Role::Least => "min",
            Role::Greatest | Role::Updated => "max",
        };
        self.cast(format!("{aggregate}({})", self.quoted))
    }

    /// The updated value of the column in an existing row.
    fn combined(&self, new: &str) -> Option<String> {
        let column = &self.quoted;
        Some(match self.role {
            Role::Key => return None,
            Role::Sum => format!("COALESCE(t.{column}, 0) + COALESCE({new}.{column}, 0)"),
            Role::Or => format!("COALESCE(t.{column}, 0) | COALESCE({new}.{column}, 0)"),
            Role::Least => format!("LEAST(t.{column}, {new}.{column})"),
            Role::Greatest => format!("GREATEST(t.{column}, {new}.{column})"),
            Role::Updated => format!("{new}.{column}"),
        })
    }

    fn format(
        &self,
        connection: &Connection,
        settings: &Settings,
        delimiter: u8,
        cut: &Logged,
    ) -> Result<TextFormat, WriteError> {
        let time = match (self.kind, self.form) {
            (Kind::Integer | Kind::Number, _) => Time::Number,
            (Kind::Text, _) => Time::Shown(settings.style.zone.clone()),
            _ => Time::Zoned,
        };
        let width = Width::of(&self.quoted, &self.sql_type, cut);
        let format = TextFormat::new(time, self.kind != Kind::Text).with_width(width);
        if !self.not_null {
            return Ok(format);
        }
        let default = match &self.default {
            // The default is evaluated once; it comes from the definition of the table.
            Some(default) if !default.contains("nextval") => {
                connection.ask(&format!("SELECT ({default})::text"))?
            }
            _ => None,
        };
        let stand_in = default.or_else(|| self.kind.stand_in().map(str::to_owned));
        Ok(match stand_in {
            Some(text) => format.with_stand_in(&text, delimiter),
            None => format,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted_table("Acct_v9"), "\"acct_v9\"");
        assert_eq!(quoted_table("traffic.acct"), "\"traffic\".\"acct\"");
        assert_eq!(quoted_table("acct\"; DROP TABLE x"), "\"acct\"\"; DROP TABLE x\"");
        assert_eq!(quoted_table("a.b.c"), "\"a.b.c\"");
        assert_eq!(quoted_table("user"), "\"user\"");
        assert_eq!(quoted("9x"), "\"9x\"");
    }
}
