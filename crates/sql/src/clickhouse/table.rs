//! The description of a table, and the statement that inserts into it.

use super::error::WriteError;
use super::http::Http;
use crate::fit::Fit;
use crate::rows::{Column, Head};
use crate::settings::Settings;
use crate::text::{TextFormat, Time};
use crate::width::{Logged, Width};
use delivery::StoreError;
use tracing::info;

/// The delimiter between values of a row.
pub(super) const DELIMITER: u8 = b'\t';

/// A table, ready to be written to.
pub(super) struct Table {
    pub(super) head: Head,
    /// The text formats of the columns.
    pub(super) formats: Vec<TextFormat>,
    /// The INSERT; rows follow it.
    pub(super) insert: String,
}

/// A name, quoted and escaped.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// The name of a table, quoted, with its database if it has one.
fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((database, table)) => format!("{}.{}", quoted(database), quoted(table)),
        None => quoted(name),
    }
}

impl Table {
    /// Describes a table, after creating it if it does not exist and `head` has a statement for that. `cut` has the columns for
    /// which the truncation of texts was logged.
    pub(super) fn new(http: &Http, head: &Head, settings: &Settings, cut: &Logged) -> Result<Self, WriteError> {
        let name = quoted_table(&head.table);
        let fit = Fit { settings, head, table: &name, quoted };
        let describe = || http.ask(&format!("DESCRIBE TABLE {name} FORMAT TabSeparated"));
        let described = match (describe(), &head.create) {
            (Err(WriteError::Store(StoreError::Configuration { key: "sql_table", .. })), Some(create)) => {
                // Another client may have created it meanwhile: an error matters only if the table does not exist.
                let said = match http.ask(create).map_err(WriteError::into_store_error) {
                    Ok(_) => None,
                    Err(StoreError::Configuration { what, .. } | StoreError::Batch(what)) => Some(what),
                    // Syntax errors have various codes.
                    Err(StoreError::Down(what)) if what.contains("yntax error") => Some(what),
                    Err(error) => return Err(WriteError::Store(error)),
                };
                let described = describe().map_err(|error| match error {
                    WriteError::Store(StoreError::Configuration { key: "sql_table", .. }) => {
                        WriteError::Store(fit.not_created(said))
                    }
                    other => other,
                })?;
                info!("table {name} created");
                described
            }
            (Err(WriteError::Store(StoreError::Configuration { key: "sql_table", what })), None) => {
                let what = format!(
                    "{what}; create it with a statement in etc/sql/clickhouse, or set sql_table_schema to a file with one"
                );
                return Err(WriteError::Store(StoreError::Configuration { key: "sql_table", what }));
            }
            (described, _) => described?,
        };
        let types: Vec<(&str, &str)> = (described.lines())
            .filter_map(|line| {
                let mut fields = line.split('\t');
                Some((fields.next()?, fields.next()?))
            })
            .collect();
        fit.has_all(|name| types.iter().any(|(found, _)| *found == name)).map_err(WriteError::Store)?;
        let mut formats = Vec::with_capacity(head.columns.len());
        for column in &head.columns {
            let Some((_, sql_type)) = types.iter().find(|(name, _)| *name == column.name) else { continue };
            formats.push(format(column, sql_type, settings, cut));
        }
        let names: Vec<String> = head.columns.iter().map(|column| quoted(&column.name)).collect();
        let insert = format!("INSERT INTO {name} ({}) FORMAT TabSeparated", names.join(", "));
        Ok(Self { head: head.clone(), formats, insert })
    }
}

/// The text format of values of a column.
fn format(column: &Column, sql_type: &str, settings: &Settings, cut: &Logged) -> TextFormat {
    let (inner, nullable) = bare(sql_type);
    let is_text = inner == "String" || inner.starts_with("FixedString");
    let time = match is_text {
        true => Time::Shown(settings.style.zone.clone()),
        false => Time::Digits,
    };
    let format = TextFormat { largest: largest(inner), ..TextFormat::new(time, !is_text) };
    let format = format.with_width(Width::of(&column.name, inner, cut));
    match stand_in(inner) {
        Some(text) if !nullable => format.with_stand_in(text, DELIMITER),
        _ => format,
    }
}

/// The inner type without `LowCardinality` and `Nullable`, and whether it is nullable.
fn bare(sql_type: &str) -> (&str, bool) {
    let unwrap = |sql_type: &'_ str, name: &str| -> Option<usize> {
        sql_type.strip_prefix(name)?.strip_suffix(')').map(|_| name.len())
    };
    let (mut inner, mut nullable) = (sql_type, false);
    for (name, is_nullable) in [("LowCardinality(", false), ("Nullable(", true)] {
        if let Some(length) = unwrap(inner, name) {
            inner = inner.get(length..inner.len() - 1).unwrap_or(inner);
            nullable |= is_nullable;
        }
    }
    (inner, nullable)
}

/// The largest number of a type. The server silently wraps larger ones around.
fn largest(inner: &str) -> u64 {
    match inner {
        "UInt8" | "Bool" => u8::MAX.into(),
        "UInt16" => u16::MAX.into(),
        "UInt32" => u32::MAX.into(),
        "Int8" => i8::MAX.unsigned_abs().into(),
        "Int16" => i16::MAX.unsigned_abs().into(),
        "Int32" => i32::MAX.unsigned_abs().into(),
        "Int64" => i64::MAX.unsigned_abs(),
        _ => u64::MAX,
    }
}

/// The value for NULL in a column that is not nullable.
fn stand_in(inner: &str) -> Option<&'static str> {
    match inner {
        "String" => Some(""),
        "IPv4" => Some("0.0.0.0"),
        "IPv6" => Some("::"),
        "Date" | "Date32" => Some("1970-01-01"),
        _ if inner.starts_with("FixedString") => Some(""),
        _ if inner.starts_with("DateTime") => Some("0000000000"),
        _ if ["UInt", "Int", "Float", "Decimal"].iter().any(|name| inner.starts_with(name)) => Some("0"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_unwrapped() {
        assert_eq!(bare("UInt8"), ("UInt8", false));
        assert_eq!(bare("Nullable(FixedString(17))"), ("FixedString(17)", true));
        assert_eq!(bare("LowCardinality(Nullable(String))"), ("String", true));
        assert_eq!(bare("LowCardinality(String)"), ("String", false));
        assert_eq!(bare("Nullable("), ("Nullable(", false));
        assert_eq!((stand_in("DateTime('UTC')"), stand_in("UUID")), (Some("0000000000"), None));
        assert_eq!((largest("Int8"), largest("Float64")), (127, u64::MAX));
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted_table("a.b`c"), "`a`.`b\\`c`");
        assert_eq!(quoted_table("t\\"), "`t\\\\`");
    }
}
