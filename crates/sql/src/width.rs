//! The maximum length of texts in a column.
//!
//! A server refuses a row with a text that is longer than its column, such as `ipv6-icmp` in the `CHAR(6)` of the standard
//! schemas, or a long AS path. A row with a truncated text is worth more than none, so texts are truncated, which is logged
//! once for each column, however often its table is described.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::warn;

/// Names of the columns for which the truncation of texts has been logged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logged(Arc<Mutex<BTreeSet<String>>>);

impl Logged {
    /// Adds a column; true if it is new.
    fn add(&self, column: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(column.to_owned())
    }
}

/// The maximum length of texts in one column.
#[derive(Clone, Debug)]
pub(crate) struct Width {
    column: String,
    /// In characters.
    characters: usize,
    logged: Logged,
    /// The column is in `logged`: avoids further lookups.
    is_logged: Cell<bool>,
}

impl Width {
    /// Parses the server's description of the column's type, such as `varchar(32)` or `character(21)`; other types have no
    /// bound.
    pub(crate) fn of(column: &str, sql_type: &str, logged: &Logged) -> Self {
        let bound = || {
            let (name, rest) = sql_type.split_once('(')?;
            let is_text = name.to_ascii_lowercase().contains("char") || name == "FixedString";
            rest.split_once(')')?.0.trim().parse().ok().filter(|_| is_text)
        };
        Self {
            column: column.to_owned(),
            characters: bound().unwrap_or(usize::MAX),
            logged: logged.clone(),
            is_logged: Cell::new(false),
        }
    }

    /// No bound.
    pub(crate) fn unbounded() -> Self {
        Self::of("", "", &Logged::default())
    }

    /// The text, truncated to the width of the column.
    #[inline]
    pub(crate) fn cut<'a>(&self, text: &'a str) -> &'a str {
        if text.len() <= self.characters { text } else { self.cut_long(text) }
    }

    #[cold]
    fn cut_long<'a>(&self, text: &'a str) -> &'a str {
        let Some((end, _)) = text.char_indices().nth(self.characters) else { return text };
        if !self.is_logged.replace(true) && self.logged.add(&self.column) {
            warn!(
                "texts that are longer than the {} characters of column {} are truncated; make the column wider",
                self.characters, self.column
            );
        }
        text.get(..end).unwrap_or(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_truncated_by_characters() {
        let logged = Logged::default();
        let width = Width::of("ip_proto", "CHAR(6)", &logged);
        assert_eq!(width.cut("ipv6-icmp"), "ipv6-i");
        assert!(!logged.add("ip_proto"), "truncation is logged once for all tables");
        assert_eq!(width.cut("éééééé"), "éééééé");
        assert_eq!(width.cut("ééééééé"), "éééééé");
        for unbounded in ["text", "int(4) unsigned", "inet", "enum('a','b')"] {
            assert_eq!(Width::of("x", unbounded, &logged).cut("ipv6-icmp"), "ipv6-icmp");
        }
    }
}
