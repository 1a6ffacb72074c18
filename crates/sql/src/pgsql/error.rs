//! Write errors, classified by how they are handled.

use delivery::StoreError;
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// Why a write failed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The connection is broken. The last statement may or may not have been executed.
    Lost(String),
    /// The server cannot write, or the configuration is wrong.
    Store(StoreError),
    /// The server refuses a row.
    Row {
        /// The line of the row in the data of the COPY, from 1, if the server names it.
        line: Option<usize>,
        /// The server's message.
        what: String,
    },
}

impl WriteError {
    /// The error for the delivery worker.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Lost(what) => StoreError::Down(what),
            Self::Store(error) => error,
            // A statement that writes no particular row: the table does not fit.
            Self::Row { what, .. } => StoreError::Configuration { key: "sql_table", what },
        }
    }

    /// Classifies by SQLSTATE (PostgreSQL manual, appendix A).
    pub(super) fn from_server(said: &DbError) -> Self {
        let code = said.code().code();
        let what = words(said);
        let configuration = |key| Self::Store(StoreError::Configuration { key, what: what.clone() });
        match code {
            "28P01" => configuration("sql_passwd"),
            "28000" | "42501" => configuration("sql_user"),
            "3D000" => configuration("sql_db"),
            "42P01" | "3F000" | "42809" => configuration("sql_table"),
            "42703" | "42804" | "42883" | "42846" => configuration("sql_table_version"),
            // A timeout of a statement or a lock, or a read-only transaction.
            "57014" | "55P03" | "25006" => Self::Store(StoreError::Down(what)),
            _ => match code.get(..2) {
                Some("08" | "57") => Self::Lost(what),
                // The value, a constraint, a trigger, the check option of a view, the size of a row.
                Some("22" | "23" | "P0" | "44" | "54") => Self::Row { line: copied(said), what },
                Some("42" | "0A") => configuration("sql_table"),
                // Deadlocks, lack of memory or disk space, system errors, and everything else.
                _ => Self::Store(StoreError::Down(what)),
            },
        }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(said) => Self::from_server(said),
            None => Self::Lost(with_causes(&error)),
        }
    }
}

/// An error with its causes: its own message may only say "error communicating with the server".
pub(super) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn words(said: &DbError) -> String {
    match said.detail() {
        Some(detail) => format!("{} ({detail})", said.message()),
        None => said.message().to_owned(),
    }
}

/// The line of the COPY that caused an error. Its context is `COPY name, line 3, column c: "x"`, in the server's language. Callers
/// ignore the line if the name of the table contains a comma.
fn copied(said: &DbError) -> Option<usize> {
    line(said.where_()?)
}

fn line(context: &str) -> Option<usize> {
    context.lines().rev().find_map(|context| {
        let (_, rest) = context.strip_prefix("COPY ")?.split_once(',')?;
        let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok().filter(|line| *line > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_is_parsed_in_any_language() {
        let of = |context| line(context);
        assert_eq!(of("COPY stage, line 3, column packets: \"99999999999\""), Some(3));
        assert_eq!(of("COPY stage, Zeile 12, Spalte packets: \"1,2,3\""), Some(12));
        assert_eq!(of("COPY acct, line 7"), Some(7));
        assert_eq!(of("PL/pgSQL function f() line 3 at RAISE\nCOPY acct, line 5: \"1\t2\""), Some(5));
        assert_eq!(of("SQL statement \"SELECT 1\""), None);
    }
}
