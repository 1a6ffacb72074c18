//! SQL statements.
//!
//! Values are bound to placeholders and names are quoted: no data of a record becomes part of a statement.

use crate::rows::{Column, Form, Head, Role};

/// A name in quotes.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table of a head: `schema.table` names a table of a schema.
pub(super) fn table(head: &Head) -> String {
    let parts: Vec<String> = head.table.split('.').map(name).collect();
    parts.join(".")
}

/// The statements that write rows of a head. Placeholders are numbered as the columns, so that all statements are bound the same
/// way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statements<'a> {
    pub(super) head: &'a Head,
    /// Addresses are binary.
    pub(super) num_hosts: bool,
}

impl Statements<'_> {
    /// The expression for a value of a column, given the number of its placeholder.
    fn value(&self, column: &Column, number: usize) -> String {
        match column.form {
            Form::Address if self.num_hosts => format!("INET6_ATON(?{number})"),
            _ => format!("?{number}"),
        }
    }

    /// `INSERT INTO t (c, …) VALUES (?1, …), …` for that many rows.
    pub(super) fn insert(&self, rows: usize) -> String {
        let columns = &self.head.columns;
        let names: Vec<String> = columns.iter().map(|column| name(&column.name)).collect();
        let row = |row: usize| {
            let first = row * columns.len() + 1;
            let values: Vec<String> =
                (first..).zip(columns).map(|(number, column)| self.value(column, number)).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("INSERT INTO {} ({}) VALUES {}", table(self.head), names.join(", "), rows.join(", "))
    }

    /// An INSERT that adds to the row that has the same values in the columns of a unique index.
    pub(super) fn upsert(&self, index: &[String]) -> String {
        let index: Vec<String> = index.iter().map(|column| name(column)).collect();
        let set = self.set(|_, column| format!("excluded.{}", name(&column.name)));
        format!("{} ON CONFLICT ({}) DO UPDATE SET {set}", self.insert(1), index.join(", "))
    }

    /// `UPDATE t SET … WHERE …`.
    pub(super) fn update(&self) -> String {
        let set = self.set(|number, column| self.value(column, number));
        let keys: Vec<String> = ((1..).zip(&self.head.columns))
            .filter(|(_, column)| column.role == Role::Key)
            .map(|(number, column)| format!("{} = {}", name(&column.name), self.value(column, number)))
            .collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" WHERE {}", keys.join(" AND ")) };
        format!("UPDATE {} SET {set}{keys}", table(self.head))
    }

    /// The assignments that update an existing row; `new` gives the expression for the new value.
    fn set(&self, new: impl Fn(usize, &Column) -> String) -> String {
        let set: Vec<String> = ((1..).zip(&self.head.columns))
            .filter_map(|(number, column)| {
                let (old, new) = (name(&column.name), new(number, column));
                let value = match column.role {
                    Role::Key => return None,
                    Role::Sum => format!("{old} + {new}"),
                    Role::Or => format!("{old} | {new}"),
                    Role::Least => format!("MIN({old}, {new})"),
                    Role::Greatest => format!("MAX({old}, {new})"),
                    Role::Updated => new,
                };
                Some(format!("{old} = {value}"))
            })
            .collect();
        set.join(", ")
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
            for_backup: false,
        }
    }

    #[test]
    fn names_are_quoted_and_values_bound() {
        let head = head();
        let statements = Statements { head: &head, num_hosts: true };
        assert_eq!(
            statements.insert(1),
            "INSERT INTO \"acct\"\"x\" (\"stamp_updated\", \"ip_src\", \"tcp_flags\", \"packets\") VALUES \
             (?1, INET6_ATON(?2), ?3, ?4)"
        );
        assert_eq!(
            statements.update(),
            "UPDATE \"acct\"\"x\" SET \"stamp_updated\" = ?1, \"tcp_flags\" = \"tcp_flags\" | ?3, \
             \"packets\" = \"packets\" + ?4 WHERE \"ip_src\" = INET6_ATON(?2)"
        );
        let statements = Statements { num_hosts: false, ..statements };
        assert!(statements.insert(2).ends_with("VALUES (?1, ?2, ?3, ?4), (?5, ?6, ?7, ?8)"));
        assert!(statements.upsert(&["ip_src".to_owned()]).ends_with(
            "(?1, ?2, ?3, ?4) ON CONFLICT (\"ip_src\") DO UPDATE SET \"stamp_updated\" = excluded.\"stamp_updated\", \
             \"tcp_flags\" = \"tcp_flags\" | excluded.\"tcp_flags\", \"packets\" = \"packets\" + excluded.\"packets\""
        ));
    }
}
