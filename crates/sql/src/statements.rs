//! Statements, by dialect.
//!
//! Values are bound to placeholders, names are quoted: nothing that a record says becomes part of a statement.

use crate::rows::{Column, Form, Head, Role};
use crate::settings::Dialect;

/// What the text of statements depends on, beside their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) dialect: Dialect,
    /// Times are shown in UTC, else in the local zone of the server.
    pub(crate) utc: bool,
    /// Addresses are octets.
    pub(crate) num_hosts: bool,
}

impl Writer {
    /// A name in quotes.
    pub(crate) fn name(&self, name: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!("`{}`", name.replace('`', "``")),
            Dialect::Sqlite | Dialect::PgSql => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The table of a head: `schema.table` names a table of a schema.
    pub(crate) fn table(&self, head: &Head) -> String {
        let parts: Vec<String> = head.table.split('.').map(|part| self.name(part)).collect();
        parts.join(".")
    }

    /// The expression for a value of a column, given its placeholder.
    pub(crate) fn value(&self, column: &Column, placeholder: &str) -> String {
        match (column.form, self.dialect) {
            (Form::Time, Dialect::Sqlite) if self.utc => format!("DATETIME({placeholder}, 'unixepoch')"),
            (Form::Time, Dialect::Sqlite) => format!("DATETIME({placeholder}, 'unixepoch', 'localtime')"),
            (Form::Time, Dialect::MySql) => format!("FROM_UNIXTIME({placeholder})"),
            (Form::Address, Dialect::MySql | Dialect::Sqlite) if self.num_hosts => {
                format!("INET6_ATON({placeholder})")
            }
            _ => placeholder.to_owned(),
        }
    }

    /// `INSERT INTO t (c, …) VALUES (?, …), …` for so many rows.
    pub(crate) fn insert(&self, head: &Head, rows: usize) -> String {
        let names: Vec<String> = head.columns.iter().map(|column| self.name(&column.name)).collect();
        let mut number = 0;
        let row = |_| {
            let values: Vec<String> = (head.columns.iter())
                .map(|column| {
                    number += 1;
                    self.value(column, &self.placeholder(number))
                })
                .collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.table(head), names.join(", "), rows.join(", "))
    }

    /// What a column becomes when the row is there: `old` and `new` are expressions.
    pub(crate) fn combined(&self, column: &Column, old: &str, new: &str) -> Option<String> {
        let (least, greatest) = match self.dialect {
            Dialect::Sqlite => ("MIN", "MAX"),
            Dialect::PgSql | Dialect::MySql => ("LEAST", "GREATEST"),
        };
        Some(match column.role {
            Role::Key => return None,
            Role::Sum => format!("{old} + {new}"),
            Role::Or => format!("{old} | {new}"),
            Role::Least => format!("{least}({old}, {new})"),
            Role::Greatest => format!("{greatest}({old}, {new})"),
            Role::Updated => new.to_owned(),
        })
    }

    /// `UPDATE t SET … WHERE …`; the placeholders are numbered as the columns.
    pub(crate) fn update(&self, head: &Head) -> String {
        let (mut set, mut keys) = (Vec::new(), Vec::new());
        for (number, column) in (1..).zip(&head.columns) {
            let name = self.name(&column.name);
            let value = self.value(column, &self.placeholder(number));
            match self.combined(column, &name, &value) {
                Some(combined) => set.push(format!("{name} = {combined}")),
                None => keys.push(format!("{name} = {value}")),
            }
        }
        let keys = if keys.is_empty() { String::new() } else { format!(" WHERE {}", keys.join(" AND ")) };
        format!("UPDATE {} SET {}{keys}", self.table(head), set.join(", "))
    }

    /// The placeholder of a number, counted from 1.
    fn placeholder(&self, number: usize) -> String {
        match self.dialect {
            Dialect::MySql => "?".to_owned(),
            Dialect::Sqlite => format!("?{number}"),
            Dialect::PgSql => format!("${number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let column = |name: &str, role, form| Column { name: name.to_owned(), role, form };
        Head {
            table: "acct\"x".to_owned(),
            create: None,
            columns: vec![
                column("stamp_updated", Role::Updated, Form::Time),
                column("ip_src", Role::Key, Form::Address),
                column("tcp_flags", Role::Or, Form::Plain),
                column("packets", Role::Sum, Form::Plain),
            ],
        }
    }

    #[test]
    fn sqlite_statements() {
        let writer = Writer { dialect: Dialect::Sqlite, utc: true, num_hosts: true };
        assert_eq!(
            writer.insert(&head(), 1),
            "INSERT INTO \"acct\"\"x\" (\"stamp_updated\", \"ip_src\", \"tcp_flags\", \"packets\") VALUES \
             (DATETIME(?1, 'unixepoch'), INET6_ATON(?2), ?3, ?4)"
        );
        assert_eq!(
            writer.update(&head()),
            "UPDATE \"acct\"\"x\" SET \"stamp_updated\" = DATETIME(?1, 'unixepoch'), \
             \"tcp_flags\" = \"tcp_flags\" | ?3, \"packets\" = \"packets\" + ?4 WHERE \"ip_src\" = INET6_ATON(?2)"
        );
        let local = Writer { utc: false, num_hosts: false, ..writer };
        assert!(local.insert(&head(), 2).ends_with(
            "(DATETIME(?1, 'unixepoch', 'localtime'), ?2, ?3, ?4), \
             (DATETIME(?5, 'unixepoch', 'localtime'), ?6, ?7, ?8)"
        ));
    }

    #[test]
    fn mysql_statements() {
        let writer = Writer { dialect: Dialect::MySql, utc: true, num_hosts: false };
        assert!(writer.insert(&head(), 2).ends_with("(FROM_UNIXTIME(?), ?, ?, ?), (FROM_UNIXTIME(?), ?, ?, ?)"));
        assert!(writer.insert(&head(), 1).starts_with("INSERT INTO `acct\"x` (`stamp_updated`"));
    }
}
