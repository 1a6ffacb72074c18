//! What went wrong, by what can be done about it.

use delivery::StoreError;
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// What went wrong.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The connection is of no more use. What was sent last may have been done.
    Lost(String),
    /// The server cannot, or the configuration is wrong.
    Store(StoreError),
    /// The server does not take a row.
    Row {
        /// The place of the row, counted from 1, in the data of a COPY; if the server told.
        line: Option<usize>,
        /// The server's words.
        what: String,
    },
}

impl WriteError {
    /// As the delivery worker is told.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Lost(what) => StoreError::Down(what),
            Self::Store(error) => error,
            // Statements about no row in particular: the table is not as it should be.
            Self::Row { what, .. } => StoreError::Configuration { key: "sql_table", what },
        }
    }

    /// By SQLSTATE (PostgreSQL manual, appendix A).
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
            // Another client holds the lock for too long, or the server is told to hold still.
            "57014" | "55P03" | "25006" => Self::Store(StoreError::Down(what)),
            _ => match code.get(..2) {
                Some("08" | "57") => Self::Lost(what),
                // The value, a constraint, a trigger, the check of a view, the size of a row.
                Some("22" | "23" | "P0" | "44" | "54") => Self::Row { line: copied(said), what },
                Some("42" | "0A") => configuration("sql_table"),
                // Deadlocks, want of memory and of disk, the system, and what nobody foresaw.
                _ => Self::Store(StoreError::Down(what)),
            },
        }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(said) => Self::from_server(said),
            None => Self::Lost(whole(&error)),
        }
    }
}

/// An error with its causes: the first alone says "error communicating with the server".
pub(super) fn whole(error: &Error) -> String {
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

/// The line of a COPY that an error is about. Its context says `COPY name, line 3, column c: "x"`, in the server's
/// language. Whoever copies into a table with a comma in its name ignores this.
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
    fn the_line_of_a_copy() {
        let of = |context| line(context);
        assert_eq!(of("COPY stage, line 3, column packets: \"99999999999\""), Some(3));
        assert_eq!(of("COPY stage, Zeile 12, Spalte packets: \"1,2,3\""), Some(12));
        assert_eq!(of("COPY acct, line 7"), Some(7));
        assert_eq!(of("PL/pgSQL function f() line 3 at RAISE\nCOPY acct, line 5: \"1\t2\""), Some(5));
        assert_eq!(of("SQL statement \"SELECT 1\""), None);
    }
}
