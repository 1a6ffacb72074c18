//! A table, as the server describes it, and the statement that inserts into it.

use super::error::WriteError;
use super::http::Http;
use crate::fit::Fit;
use crate::rows::{Column, Head};
use crate::settings::Settings;
use crate::text::{TextFormat, Time};
use crate::width::{Logged, Width};
use delivery::StoreError;
use tracing::info;

/// Between values of a row.
pub(super) const DELIMITER: u8 = b'\t';

/// A table, ready to be written to.
pub(super) struct Table {
    pub(super) head: Head,
    /// How values become text.
    pub(super) formats: Vec<TextFormat>,
    /// The INSERT; rows follow it.
    pub(super) insert: String,
}

/// A name in quotes, within which `\` escapes.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// The name of a table, with its database before it if it says so.
fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((database, table)) => format!("{}.{}", quoted(database), quoted(table)),
        None => quoted(name),
    }
}

impl Table {
    /// Asks the server about a table, and makes it if it is not there and that is known how. `cut` has the columns of which
    /// it is known that texts are cut.
    pub(super) fn new(http: &Http, head: &Head, settings: &Settings, cut: &Logged) -> Result<Self, WriteError> {
        let name = quoted_table(&head.table);
        let fit = Fit { settings, head, table: &name, quoted };
        let describe = || http.ask(&format!("DESCRIBE TABLE {name} FORMAT TabSeparated"));
        let described = match (describe(), &head.create) {
            (Err(WriteError::Store(StoreError::Configuration { key: "sql_table", .. })), Some(create)) => {
                // Another one may have made it meanwhile: the server's refusal matters if it is not there.
                let said = match http.ask(create).map_err(WriteError::into_store_error) {
                    Ok(_) => None,
                    Err(StoreError::Configuration { what, .. } | StoreError::Batch(what)) => Some(what),
                    // A statement that cannot be read is none of the codes that are known.
                    Err(StoreError::Down(what)) if what.contains("yntax error") => Some(what),
                    Err(error) => return Err(WriteError::Store(error)),
                };
                let described = describe().map_err(|error| match error {
                    WriteError::Store(StoreError::Configuration { key: "sql_table", .. }) => {
                        WriteError::Store(fit.not_created(said))
                    }
                    other => other,
                })?;
                info!("table {name} made");
                described
            }
            (Err(WriteError::Store(StoreError::Configuration { key: "sql_table", what })), None) => {
                let what = format!(
                    "{what}; make it with a statement in etc/sql/clickhouse, or let sql_table_schema name a file with one"
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
        fit.has_all(|name| types.iter().any(|(known, _)| *known == name)).map_err(WriteError::Store)?;
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

/// How values of a column of that type are written.
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

/// A type without what it is wrapped in, and whether NULL is a value of it.
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

/// The largest number of a type. The server takes larger ones modulo that, without a word.
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

/// What stands for nothing in a column that must have a value.
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
