//! The description of a table, and the statements that write to it.

use super::connection::Connection;
use super::error::WriteError;
use super::values::Binding;
use crate::fit::Fit;
use crate::rows::{Form, Head, Role};
use crate::settings::Settings;
use crate::width::{Logged, Width};
use delivery::StoreError;
use mysql::{Statement, Value as Bound};

/// The numbers of rows of statements, largest first: the remainder is written with a few of the smaller ones, and a refused row
/// is found by going from one size to the next.
const SIZES: [usize; 4] = [512, 64, 8, 1];
/// The maximum number of placeholders in a statement (MySQL protocol, `COM_STMT_PREPARE`: a number of 16 bits).
const PLACEHOLDERS: usize = 65_535;

/// How rows are written to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Statements of many rows: INSERT, with ON DUPLICATE KEY UPDATE unless rows are only inserted.
    Direct,
    /// Into a temporary table, and from there by one UPDATE and one INSERT.
    Staged,
    /// For each row an UPDATE, and an INSERT when that found nothing.
    Single,
}

/// A table, ready to be written to.
pub(super) struct Table {
    pub(super) head: Head,
    pub(super) bindings: Vec<Binding>,
    /// Its name, quoted.
    pub(super) name: String,
    pub(super) way: Way,
    /// Failed statements have no effect, and uncommitted ones are rolled back.
    pub(super) transactional: bool,
    /// The name of the staging table, quoted.
    pub(super) stage: String,
    columns: Vec<Described>,
    insert_only: bool,
    /// Prepared INSERTs, by the index of their number of rows in [`SIZES`].
    inserts: [Option<Statement>; SIZES.len()],
    update: Option<Statement>,
}

/// A column.
#[derive(Clone, Debug)]
struct Described {
    name: String,
    quoted: String,
    role: Role,
    nullable: bool,
    /// Its placeholder.
    placeholder: &'static str,
}

/// A name, quoted.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Table {
    /// Describes a table, after creating it if it does not exist and `head` has a statement for that. `number` distinguishes the
    /// staging tables of a connection; `cut` has the columns for which the truncation of texts was logged.
    pub(super) fn new(
        connection: &mut Connection,
        head: &Head,
        settings: &Settings,
        number: u64,
        cut: &Logged,
    ) -> Result<Self, WriteError> {
        let name = quoted(&head.table);
        let fit = Fit { settings, head, table: &name, quoted };
        let show = format!("SHOW COLUMNS FROM {name}");
        let described = match (connection.query(&show), &head.create) {
            (Err(WriteError::Store(StoreError::Configuration { key: "sql_table", .. })), Some(create)) => {
                // Another client may have created it meanwhile: an error matters only if the table does not exist.
                let said = match connection.run(create).map_err(WriteError::into_store_error) {
                    Ok(()) => None,
                    Err(StoreError::Configuration { what, .. }) => Some(what),
                    Err(error) => return Err(WriteError::Store(error)),
                };
                connection.query(&show).map_err(|error| match error {
                    WriteError::Store(StoreError::Configuration { key: "sql_table", .. }) => {
                        WriteError::Store(fit.not_created(said))
                    }
                    other => other,
                })
            }
            (described, _) => described,
        }?;
        let has = |name: &str| {
            described
                .iter()
                .any(|row| row.get("Field").is_some_and(|field: String| field.eq_ignore_ascii_case(name)))
        };
        fit.has_all(has).map_err(WriteError::Store)?;
        let (mut columns, mut bindings) = (Vec::new(), Vec::new());
        for column in &head.columns {
            let found = described.iter().find_map(|row| {
                let field: String = row.get("Field")?;
                field.eq_ignore_ascii_case(&column.name).then_some((row, field))
            });
            let Some((row, field)) = found else { continue };
            let text = |name: &str| row.get_opt::<Option<String>, _>(name).and_then(Result::ok).flatten();
            let sql_type = text("Type").unwrap_or_default().to_ascii_lowercase();
            let nullable = text("Null").is_none_or(|null| null == "YES");
            let numeric = NUMBERS.iter().any(|number| sql_type.starts_with(number));
            let time = column.form == Form::Time && !numeric;
            columns.push(Described {
                quoted: quoted(&field),
                name: field,
                role: column.role,
                nullable,
                placeholder: if time { "FROM_UNIXTIME(?)" } else { "?" },
            });
            let null = match nullable {
                true => Bound::NULL,
                false => stand_in(&sql_type, time, text("Default").as_deref()),
            };
            let is_text = TEXTS.iter().any(|text| sql_type.contains(text));
            let binary = column.form == Form::Address && settings.num_hosts;
            let width = Width::of(&column.name, &sql_type, cut);
            bindings.push(Binding { null, empty_is_null: !is_text, binary, width });
        }
        takes_rows(connection, &fit, &columns, &described)?;
        let transactional = transactional(connection, &head.table)?;
        let stage = quoted(&format!("pmacct_stage_{number}"));
        let mut table = Self {
            head: head.clone(),
            bindings,
            name,
            way: Way::Direct,
            transactional,
            stage,
            columns,
            insert_only: settings.insert_only,
            inserts: [const { None }; SIZES.len()],
            update: None,
        };
        if !table.insert_only && !table.is_indexed(connection)? {
            // Without the privilege to create temporary tables, rows are written one by one.
            let staged = transactional && connection.run(&table.create_stage()).is_ok();
            table.way = if staged { Way::Staged } else { Way::Single };
        }
        Ok(table)
    }

    /// True when a unique index covers exactly the key, and no other unique index covers only written columns.
    fn is_indexed(&self, connection: &mut Connection) -> Result<bool, WriteError> {
        let keys = || self.columns.iter().filter(|column| column.role == Role::Key);
        // Rows with NULL in a column are never equal in an index.
        if keys().any(|column| column.nullable) {
            return Ok(false);
        }
        let mut indexes: Vec<(String, Vec<String>, bool)> = Vec::new();
        for row in connection.query(&format!("SHOW INDEX FROM {}", self.name))? {
            let unique = row.get("Non_unique") == Some(0u8);
            let (Some(index), true) = (row.get::<String, _>("Key_name"), unique) else { continue };
            let column = row.get_opt::<Option<String>, _>("Column_name").and_then(Result::ok).flatten();
            let part = row.get_opt::<Option<u64>, _>("Sub_part").and_then(Result::ok).flatten();
            let whole = column.is_some() && part.is_none();
            let column = column.unwrap_or_default();
            match indexes.iter_mut().find(|(name, ..)| *name == index) {
                Some((_, columns, good)) => {
                    columns.push(column);
                    *good &= whole;
                }
                None => indexes.push((index, vec![column], whole)),
            }
        }
        let within = |columns: &[String]| {
            columns.iter().all(|name| self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
        };
        let exact = |columns: &[String]| {
            columns.len() == keys().count()
                && keys().all(|key| columns.iter().any(|name| key.name.eq_ignore_ascii_case(name)))
        };
        // An index with columns that are not written (such as AUTO_INCREMENT) does not conflict.
        let others =
            indexes.iter().filter(|(_, columns, _)| !exact(columns)).all(|(_, columns, _)| !within(columns));
        Ok(others && indexes.iter().any(|(_, columns, good)| *good && exact(columns)))
    }

    fn create_stage(&self) -> String {
        let names = self.list(|column| Some(column.quoted.clone()));
        format!("CREATE TEMPORARY TABLE {} AS SELECT {names} FROM {} LIMIT 0", self.stage, self.name)
    }

    fn list(&self, show: impl Fn(&Described) -> Option<String>) -> String {
        let shown: Vec<String> = self.columns.iter().filter_map(show).collect();
        shown.join(", ")
    }

    /// The statement that locks the table for this connection, under all names that statements use.
    pub(super) fn lock(&self) -> String {
        let name = &self.name;
        match self.way {
            Way::Direct | Way::Single => format!("LOCK TABLES {name} WRITE"),
            Way::Staged => format!("LOCK TABLES {name} WRITE, {name} AS `old` WRITE"),
        }
    }

    /// The possible sizes of statements: index in [`SIZES`], and number of rows.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let max_rows = if self.transactional { PLACEHOLDERS / self.columns.len().max(1) } else { 1 };
        SIZES.into_iter().enumerate().filter(move |(_, rows)| *rows <= max_rows.max(1))
    }

    /// The INSERT for the number of rows with that index in [`SIZES`]; into the staging table, if there is one.
    pub(super) fn insert(&mut self, connection: &mut Connection, size: usize) -> Result<Statement, WriteError> {
        if let Some(Some(statement)) = self.inserts.get(size) {
            return Ok(statement.clone());
        }
        let statement = connection.prepare(&self.insert_statement(SIZES.get(size).copied().unwrap_or(1)))?;
        if let Some(slot) = self.inserts.get_mut(size) {
            *slot = Some(statement.clone());
        }
        Ok(statement)
    }

    fn insert_statement(&self, rows: usize) -> String {
        let into = if self.way == Way::Staged { &self.stage } else { &self.name };
        let names = self.list(|column| Some(column.quoted.clone()));
        let row = format!("({})", self.list(|column| Some(column.placeholder.to_owned())));
        let mut statement = format!("INSERT INTO {into} ({names}) VALUES {row}");
        for _ in 1..rows {
            statement.push(',');
            statement.push_str(&row);
        }
        if self.way == Way::Direct && !self.insert_only {
            let set = self.list(|column| column.set("", |name| format!("VALUES({name})")));
            // Without other columns than the key, there is nothing to update.
            let set = if set.is_empty() { self.columns.first().map_or(set, Described::same) } else { set };
            statement.push_str(" ON DUPLICATE KEY UPDATE ");
            statement.push_str(&set);
        }
        statement
    }

    /// The statement that updates a row. Its values are those of the updated columns, then those of the key.
    pub(super) fn update(&mut self, connection: &mut Connection) -> Result<Statement, WriteError> {
        if let Some(statement) = &self.update {
            return Ok(statement.clone());
        }
        let set = self.list(|column| column.set("", |_| column.placeholder.to_owned()));
        let set = if set.is_empty() { self.columns.first().map_or(set, Described::same) } else { set };
        let statement = connection.prepare(&format!("UPDATE {} SET {set} WHERE {}", self.name, self.same()))?;
        self.update = Some(statement.clone());
        Ok(statement)
    }

    /// Positions of the columns whose values [`Self::update`] needs, in order.
    pub(super) fn updated(&self) -> Vec<usize> {
        let mut positions = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            // The value of a nullable column may be needed more than once.
            positions.extend(std::iter::repeat_n(at, column.uses()));
        }
        positions.extend(self.keys());
        positions
    }

    /// Positions of the key columns.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, column)| column.role == Role::Key).map(|(at, _)| at)
    }

    /// The condition that a row has the key.
    fn same(&self) -> String {
        let keys = self.columns.iter().filter(|column| column.role == Role::Key);
        let same: Vec<String> =
            keys.map(|column| format!("{} <=> {}", column.quoted, column.placeholder)).collect();
        if same.is_empty() { "TRUE".to_owned() } else { same.join(" AND ") }
    }

    /// The statements that merge the staging table into the table.
    pub(super) fn merge(&self) -> [Option<String>; 2] {
        let (name, stage) = (&self.name, &self.stage);
        let keys = self.list(|column| (column.role == Role::Key).then(|| column.quoted.clone()));
        let values = self.list(|column| Some(format!("{} AS {}", column.summed(), column.quoted)));
        let group = if keys.is_empty() { "HAVING COUNT(*) > 0".to_owned() } else { format!("GROUP BY {keys}") };
        let new = format!("(SELECT {values} FROM {stage} {group}) AS `new`");
        let same = |column: &Described| format!("`old`.{0} <=> `new`.{0}", column.quoted);
        let keys = self.columns.iter().filter(|column| column.role == Role::Key);
        let same: Vec<String> = keys.map(same).collect();
        let same = if same.is_empty() { "TRUE".to_owned() } else { same.join(" AND ") };
        let set = self.list(|column| column.set("`old`.", |name| format!("`new`.{name}")));
        let names = self.list(|column| Some(column.quoted.clone()));
        let update = (!set.is_empty()).then(|| format!("UPDATE {name} AS `old` JOIN {new} ON {same} SET {set}"));
        let insert = format!(
            "INSERT INTO {name} ({names}) SELECT {names} FROM {new} WHERE NOT EXISTS (SELECT 1 FROM {name} AS `old` \
             WHERE {same})"
        );
        [update, Some(insert)]
    }

    /// A query that shows whether a row has been written: the number of rows with its key, and the sums of their counters. It
    /// waits for locks on the row.
    pub(super) fn probe(&self) -> String {
        let counters = self.columns.iter().filter(|column| column.role == Role::Sum);
        let sums: String =
            counters.map(|column| format!(", CAST(IFNULL(SUM({}), 0) AS DOUBLE)", column.quoted)).collect();
        format!(
            "SELECT CAST(COUNT(*) AS DOUBLE){sums} FROM {} WHERE {} LOCK IN SHARE MODE",
            self.name,
            self.same()
        )
    }

    /// Closes the statements and drops the staging table.
    pub(super) fn close(self, connection: &mut Connection) -> Result<(), WriteError> {
        for statement in self.inserts.into_iter().flatten().chain(self.update) {
            connection.close_statement(statement)?;
        }
        match self.way {
            Way::Staged => connection.run(&format!("DROP TEMPORARY TABLE IF EXISTS {}", self.stage)),
            Way::Direct | Way::Single => Ok(()),
        }
    }
}

/// Checks that rows can be inserted, by an INSERT of no rows: only the server knows how triggers, modes and views treat a column
/// without a value.
fn takes_rows(
    connection: &mut Connection,
    fit: &Fit<'_>,
    columns: &[Described],
    described: &[mysql::Row],
) -> Result<(), WriteError> {
    let names: Vec<&str> = columns.iter().map(|column| column.quoted.as_str()).collect();
    let nothing = vec!["NULL"; names.len()].join(", ");
    let insert =
        format!("INSERT INTO {} ({}) SELECT {nothing} FROM DUAL WHERE FALSE", fit.table, names.join(", "));
    match connection.run(&insert) {
        Err(WriteError::Row(what)) => {
            let text = |row: &mysql::Row, name: &str| row.get_opt::<Option<String>, _>(name)?.ok()?;
            let unfilled = described.iter().filter_map(|row| {
                let field =
                    text(row, "Field").filter(|field| columns.iter().all(|column| column.name != *field))?;
                let must = text(row, "Null").is_some_and(|null| null == "NO") && text(row, "Default").is_none();
                (must && text(row, "Extra").is_none_or(|extra| extra.is_empty())).then_some(field)
            });
            let unfilled: Vec<String> = unfilled.collect();
            fit.fills_all(&unfilled).map_err(WriteError::Store)?;
            Err(WriteError::Store(StoreError::Configuration { key: "sql_table", what }))
        }
        result => result,
    }
}

/// Names of number types (the beginning) and of text types (a part).
const NUMBERS: [&str; 12] = [
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "decimal",
    "numeric",
    "float",
    "double",
    "real",
    "bit",
    "year",
];
const TEXTS: [&str; 5] = ["char", "text", "binary", "blob", "enum"];

/// The value for NULL in a column that must not be NULL.
fn stand_in(sql_type: &str, time: bool, default: Option<&str>) -> Bound {
    if time {
        // A TIMESTAMP has no zero value.
        return Bound::Int(i64::from(sql_type.starts_with("timestamp")));
    }
    // MariaDB shows defaults with quotes, MySQL without.
    let default = default.map(|text| match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(text) => text.replace("''", "'"),
        None => text.to_owned(),
    });
    match default {
        Some(text) if !text.contains('(') && !text.eq_ignore_ascii_case("current_timestamp") => {
            Bound::Bytes(text.into_bytes())
        }
        _ if NUMBERS.iter().any(|number| sql_type.starts_with(number)) => Bound::Int(0),
        _ if sql_type.starts_with("inet6") => Bound::Bytes(b"::".to_vec()),
        _ if sql_type.starts_with("inet4") => Bound::Bytes(b"0.0.0.0".to_vec()),
        _ if TEXTS.iter().any(|text| sql_type.contains(text)) => Bound::Bytes(Vec::new()),
        _ => Bound::NULL,
    }
}

/// Whether the table's engine has transactions. A view has no engine and is treated as one without transactions.
fn transactional(connection: &mut Connection, table: &str) -> Result<bool, WriteError> {
    let row = connection.ask(
        "SELECT COUNT(*) > 0 AND SUM(e.TRANSACTIONS = 'YES') = COUNT(*) FROM information_schema.TABLES t \
         LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
         WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = ?",
        vec![Bound::Bytes(table.as_bytes().to_vec())],
    )?;
    Ok(row.and_then(|row| row.get_opt::<Option<i64>, _>(0)).and_then(Result::ok).flatten() == Some(1))
}

impl Described {
    /// `name = …` for a column that is updated; `old` is a prefix of its name, `new` gives the new value.
    fn set(&self, old: &str, new: impl Fn(&str) -> String) -> Option<String> {
        let name = format!("{old}{}", self.quoted);
        let new = new(&self.quoted);
        let number = |value: &str| if self.nullable { format!("IFNULL({value}, 0)") } else { value.to_owned() };
        // LEAST and GREATEST are NULL if one of the two is.
        let choose = |function: &str| match self.nullable {
            true => format!("COALESCE({function}({name}, {new}), {name}, {new})"),
            false => format!("{function}({name}, {new})"),
        };
        let value = match self.role {
            Role::Key => return None,
            Role::Sum => format!("{} + {}", number(&name), number(&new)),
            Role::Or => format!("{} | {}", number(&name), number(&new)),
            Role::Least => choose("LEAST"),
            Role::Greatest => choose("GREATEST"),
            Role::Updated => new,
        };
        Some(format!("{name} = {value}"))
    }

    /// How often [`Self::set`] uses the new value.
    fn uses(&self) -> usize {
        match self.role {
            Role::Key => 0,
            Role::Least | Role::Greatest if self.nullable => 2,
            _ => 1,
        }
    }

    /// An assignment that changes nothing.
    fn same(&self) -> String {
        format!("{0} = {0}", self.quoted)
    }

    /// The merged value of rows with the same key.
    fn summed(&self) -> String {
        let aggregate = match self.role {
            Role::Key => return self.quoted.clone(),
            Role::Sum => "SUM",
            Role::Or => "BIT_OR",
            Role::Least => "MIN",
            Role::Greatest | Role::Updated => "MAX",
        };
        format!("{aggregate}({})", self.quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a`; DROP TABLE x"), "`a``; DROP TABLE x`");
    }

    #[test]
    fn null_is_replaced_in_columns_that_must_not_be_null() {
        let text = |text: &str| Bound::Bytes(text.as_bytes().to_vec());
        assert_eq!(stand_in("int(4) unsigned", false, None), Bound::Int(0));
        assert_eq!(stand_in("int(4) unsigned", false, Some("7")), text("7"));
        assert_eq!(stand_in("char(45)", false, Some("'0.0.0.0'")), text("0.0.0.0"));
        assert_eq!(stand_in("varchar(45)", false, Some("it's")), text("it's"));
        assert_eq!(stand_in("char(45)", false, None), text(""));
        assert_eq!(stand_in("datetime", true, Some("current_timestamp()")), Bound::Int(0));
        assert_eq!(stand_in("timestamp", true, None), Bound::Int(1));
        assert_eq!(stand_in("geometry", false, None), Bound::NULL);
    }
}
