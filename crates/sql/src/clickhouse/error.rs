//! Write errors, classified by how they are handled.

use delivery::StoreError;

/// Why a write failed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The server cannot write, or the configuration is wrong.
    Store(StoreError),
    /// The server refuses a row.
    Row {
        /// The number of the row in the INSERT, from 1, if the server names it.
        line: Option<usize>,
        /// The server's message.
        what: String,
    },
}

impl WriteError {
    /// The error for the delivery worker.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Row { what, .. } => StoreError::Configuration { key: "sql_table", what },
        }
    }

    /// Classifies a message of the server, `Code: NUMBER, … DB::Exception: TEXT: (at row NUMBER)`, by the code (`ErrorCodes` in
    /// its source).
    pub(super) fn from_server(said: &str) -> Self {
        let code = number_after(said, "Code: ").unwrap_or(0);
        let what = message(said);
        let line = number_after(said, "(at row ").filter(|line| *line > 0);
        let configuration = |key| Self::Store(StoreError::Configuration { key, what: what.clone() });
        match code {
            // No such table, no such database.
            60 => configuration("sql_table"),
            81 => configuration("sql_db"),
            // The table already exists.
            57 => configuration("sql_table_schema"),
            // Unknown user, wrong password, password required, authentication failed.
            192 | 193 | 194 | 516 => configuration("sql_passwd"),
            // Read only, access denied.
            164 | 497 => configuration("sql_user"),
            // No such column, by its various codes.
            8 | 10 | 16 | 47 => configuration("sql_table_version"),
            // NULL in a column that is not nullable, values out of range, of an enumeration and of a constraint.
            117 | 131 | 321 | 349 | 469 | 691 => Self::Row { line, what },
            _ if line.is_some() => Self::Row { line, what },
            // Rows that cannot be parsed, by its various codes.
            6 | 26 | 27 | 38 | 41 | 53 | 70 | 72 | 675 | 676 => Self::Row { line, what },
            _ => Self::Store(StoreError::Down(what)),
        }
    }
}

/// The number after a word.
fn number_after(said: &str, word: &str) -> Option<usize> {
    let (_, rest) = said.split_once(word)?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits)?.parse().ok()
}

/// The relevant part of the server's message: its first line without the fixed prefix and suffix.
fn message(said: &str) -> String {
    let line = said.trim().lines().next().unwrap_or_default();
    let line = line.split_once("DB::Exception: ").map_or(line, |(_, rest)| rest);
    line.split(", e.what()").next().unwrap_or(line).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_old_and_new_servers_are_classified() {
        let key = |said: &str| match WriteError::from_server(said).into_store_error() {
            StoreError::Configuration { key, what } => (key, what),
            error => panic!("{error:?}"),
        };
        let old = "Code: 60, e.displayText() = DB::Exception: Table default.nix doesn't exist., e.what() = DB::Exception";
        assert_eq!(key(old), ("sql_table", "Table default.nix doesn't exist".to_owned()));
        let new =
            "Code: 516. DB::Exception: pmacct: Authentication failed. (AUTHENTICATION_FAILED) (version 24.3.1)";
        assert_eq!(key(new).0, "sql_passwd");
        let row =
            "Code: 27, e.displayText() = DB::Exception: Cannot parse input: expected \\t: (at row 12)\n\nRow 11:";
        assert!(matches!(WriteError::from_server(row), WriteError::Row { line: Some(12), .. }));
        let row = "Code: 349, e.displayText() = DB::Exception: Cannot convert NULL value";
        assert!(matches!(WriteError::from_server(row), WriteError::Row { line: None, .. }));
        for down in ["", "Code: 241. DB::Exception: Memory limit", "502 Bad Gateway"] {
            assert!(matches!(WriteError::from_server(down), WriteError::Store(StoreError::Down(_))), "{down}");
        }
    }
}
