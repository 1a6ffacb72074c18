//! Checks that a table has the columns that are written, and names the statement that adds missing ones.
//!
//! All problems are reported at once, so that an operator need not find them one start at a time.

use crate::columns::{self, COLUMNS, Shape, Spec};
use crate::rows::{Column, Form, Head};
use crate::schemas;
use crate::settings::{Dialect, Settings};
use delivery::StoreError;
use flow::column::SqlType;

/// Versions of the standard schemas.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=9;

/// A table to compare with the columns that are written to it.
pub(crate) struct Fit<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) head: &'a Head,
    /// Its name, quoted.
    pub(crate) table: &'a str,
    /// Quotes a name.
    pub(crate) quoted: fn(&str) -> String,
}

impl Fit<'_> {
    /// Checks that the table has all columns. `has` returns whether a column of that name exists.
    ///
    /// # Errors
    /// Names all missing columns, and the statement that adds them.
    pub(crate) fn has_all(&self, has: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let missing: Vec<&Column> = self.head.columns.iter().filter(|column| !has(&column.name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let standard = self.head.columns.iter().filter_map(|column| columns::named(&column.name));
        let shape = Shape::of(self.settings, &standard.map(|spec| spec.id).collect::<Vec<_>>());
        let (renamed, absent): (Vec<_>, Vec<_>) = missing
            .iter()
            .map(|column| (*column, renamed(column, shape, &has)))
            .partition(|(_, name)| name.is_some());
        let mut what =
            format!("table {} has no {}", self.table, self.list(missing.iter().map(|column| &column.name)));
        for (column, (name, version)) in renamed.iter().filter_map(|(column, name)| Some((column, (*name)?))) {
            what += &format!(
                "; it has {}, which sql_table_version: {version} uses instead of {}",
                (self.quoted)(name),
                (self.quoted)(&column.name)
            );
        }
        let absent: Vec<&Column> = absent.into_iter().map(|(column, _)| column).collect();
        if !absent.is_empty() {
            what += &format!("; this statement adds the missing columns: {}", self.alter(&absent, shape));
            if absent.iter().any(|column| column.role == crate::rows::Role::Key) {
                what += " (also extend its primary key or unique index, if it has one)";
            }
        }
        let key = match (renamed.is_empty(), self.settings.optimize) {
            (false, _) => "sql_table_version",
            (true, true) => {
                what += "; sql_optimize_clauses needs a column for each primitive of aggregate";
                "sql_table"
            }
            (true, false) => {
                what += "; the columns are those of sql_table_version, or only those of aggregate with \
                         sql_optimize_clauses: true";
                "sql_table_version"
            }
        };
        Err(StoreError::Configuration { key, what })
    }

    /// Checks that no other column needs a value. `unfilled` are the columns that are not written, must not be NULL and have no
    /// default.
    ///
    /// # Errors
    /// Names all these columns, and what to do about them.
    pub(crate) fn fills_all(&self, unfilled: &[String]) -> Result<(), StoreError> {
        if unfilled.is_empty() {
            return Ok(());
        }
        let what = format!(
            "table {} has {} without a default, which the plugin does not write: every row would be refused. Set a \
             default, allow NULL, or add the primitive to aggregate",
            self.table,
            self.list(unfilled.iter())
        );
        Err(StoreError::Configuration { key: "sql_table", what })
    }

    /// The error when `sql_table_schema` has run and the table does not exist. `said` is the server's message, if it refused.
    pub(crate) fn not_created(&self, said: Option<String>) -> StoreError {
        let said = said.map_or_else(String::new, |said| format!("{said}; "));
        let what = format!(
            "{said}its statement does not create table {}, which sql_table names: both must use the same name with the same \
             variables",
            self.table
        );
        StoreError::Configuration { key: "sql_table_schema", what }
    }

    fn list<'n>(&self, names: impl Iterator<Item = &'n String>) -> String {
        let names: Vec<String> = names.map(|name| (self.quoted)(name)).collect();
        format!("column{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
    }

    /// The statement that adds columns.
    fn alter(&self, missing: &[&Column], shape: Shape) -> String {
        let add = |column: &&Column| {
            format!("ADD COLUMN {} {}", (self.quoted)(&column.name), column_type(column, shape, self.settings))
        };
        let added: Vec<String> = missing.iter().map(add).collect();
        match self.settings.dialect {
            // SQLite adds one column per statement.
            Dialect::Sqlite => {
                let statements: Vec<String> =
                    added.iter().map(|add| format!("ALTER TABLE {} {add};", self.table)).collect();
                statements.join(" ")
            }
            _ => format!("ALTER TABLE {} {};", self.table, added.join(", ")),
        }
    }
}

/// The name that the column has in another version, and that version, if the table has a column of that name.
fn renamed(column: &Column, shape: Shape, has: impl Fn(&str) -> bool) -> Option<(&'static str, u32)> {
    let spec = spec(column, shape)?;
    let names = VERSIONS.rev().map(|version| (Shape { version, ..shape }.name(spec), version));
    names.into_iter().find(|(name, _)| *name != column.name && has(name))
}

fn spec(column: &Column, shape: Shape) -> Option<&'static Spec> {
    COLUMNS.iter().find(|spec| shape.name(spec) == column.name).or_else(|| columns::named(&column.name))
}

/// The type for a column that is added to a table that may have rows.
fn column_type(column: &Column, shape: Shape, settings: &Settings) -> String {
    let Some(spec) = spec(column, shape) else {
        // A custom primitive: any value can be written as text.
        return schemas::type_of(SqlType::Varchar(255), shape.dialect);
    };
    let number = match spec.ty {
        // The column may hold AS numbers.
        SqlType::Address => column.form != Form::Address,
        SqlType::Time | SqlType::Inserted | SqlType::Updated => settings.since_epoch,
        _ => false,
    };
    let ty = if number { SqlType::Long } else { spec.ty };
    let text = schemas::sql_type(&Spec { ty, ..*spec }, shape, false);
    let has_default = text.contains("DEFAULT") || !text.contains("NOT NULL") || shape.dialect == Dialect::MySql;
    if has_default { text } else { text + " DEFAULT 0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Role;
    use config::Daemon;

    fn quoted(name: &str) -> String {
        format!("\"{name}\"")
    }

    /// The error for a table with the columns `there`, when the columns `written` are needed.
    fn said(plugin: &str, lines: &str, written: &[&str], there: &[&str]) -> Option<(&'static str, String)> {
        let text = format!("plugins: {plugin}[s]\naggregate[s]: src_host\n{lines}\n");
        let (config, mut problems) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
        let settings = Settings::read(&config.plugins()[0], &mut problems);
        let column = |name: &&str| {
            let role = if matches!(*name, "packets" | "bytes") { Role::Sum } else { Role::Key };
            let form = if name.contains("ip_") { Form::Address } else { Form::Plain };
            Column { name: (*name).to_owned(), role, form }
        };
        let columns = written.iter().map(column).collect();
        let head = Head { table: "t".to_owned(), create: None, columns, for_backup: false };
        let fit = Fit { settings: &settings, head: &head, table: "\"t\"", quoted };
        match fit.has_all(|name| there.contains(&name)) {
            Ok(()) => None,
            Err(StoreError::Configuration { key, what }) => Some((key, what)),
            Err(error) => panic!("{error:?}"),
        }
    }

    const OPTIMIZED: &str = "sql_optimize_clauses: true";

    #[test]
    fn all_missing_columns_are_named_with_the_statement_that_adds_them() {
        let (key, what) = said("pgsql", OPTIMIZED, &["ip_src", "tos", "packets"], &["bytes"]).unwrap();
        assert_eq!(key, "sql_table");
        assert!(what.starts_with("table \"t\" has no columns \"ip_src\", \"tos\", \"packets\"; "), "{what}");
        let statement = "ALTER TABLE \"t\" ADD COLUMN \"ip_src\" inet NOT NULL DEFAULT '0.0.0.0', ADD COLUMN \"tos\" INT \
                         NOT NULL DEFAULT 0, ADD COLUMN \"packets\" INT NOT NULL DEFAULT 0;";
        assert!(what.contains(statement) && what.contains("primary key"), "{what}");
        let (_, what) = said("sqlite3", OPTIMIZED, &["packets", "bytes"], &[]).unwrap();
        let statement = "ALTER TABLE \"t\" ADD COLUMN \"packets\" INT NOT NULL DEFAULT 0; ALTER TABLE \"t\" ADD COLUMN \
                         \"bytes\" BIGINT NOT NULL DEFAULT 0;";
        assert!(what.contains(statement) && !what.contains("primary key"), "{what}");
        assert_eq!(said("mysql", OPTIMIZED, &["packets"], &["packets", "more"]), None);
    }

    #[test]
    fn the_error_names_the_key_that_decides_about_the_columns() {
        let of = |lines, written: &[&str], there: &[&str]| said("mysql", lines, written, there).unwrap();
        assert_eq!(of(OPTIMIZED, &["tos"], &[]).0, "sql_table");
        assert_eq!(of("sql_table_version: 9", &["tos"], &[]).0, "sql_table_version");
        // Columns that have other names in another version.
        let (key, what) = of(OPTIMIZED, &["src_port", "agent_id"], &["port_src", "tag"]);
        assert_eq!(key, "sql_table_version");
        assert!(what.contains("it has \"port_src\", which sql_table_version: 9 uses"), "{what}");
        assert!(what.contains("\"tag\"") && !what.contains("ALTER"), "{what}");
        let lines = "sql_optimize_clauses: true\nsql_table_version: 9";
        let (key, what) = of(lines, &["port_src", "tos"], &["src_port"]);
        assert_eq!(key, "sql_table_version");
        assert!(what.contains("sql_table_version: 7") && what.contains("ADD COLUMN \"tos\""), "{what}");
    }

    #[test]
    fn each_column_of_each_dialect_has_a_type_that_can_be_added() {
        for plugin in ["sqlite3", "mysql", "pgsql", "clickhouse"] {
            for lines in [OPTIMIZED, "sql_optimize_clauses: true\ntimestamps_since_epoch: true"] {
                for spec in COLUMNS.iter() {
                    let (_, what) = said(plugin, lines, &[spec.name], &[]).unwrap();
                    let (_, ty) = what.split_once(&format!("ADD COLUMN \"{}\" ", spec.name)).unwrap();
                    let ty = ty.split(';').next().unwrap();
                    let can = plugin == "mysql" || !ty.contains("NOT NULL") || ty.contains("DEFAULT");
                    assert!(can, "{plugin} {} {ty}", spec.name);
                }
            }
        }
    }
}
