//! How long texts of a column may be.
//!
//! A server refuses a row whose text is longer than its column, such as `ipv6-icmp` in the `CHAR(6)` of the known shapes,
//! or a long AS path. A row with a shortened text is worth more than none, so texts are cut, and that is logged once for
//! each column, however often its table is looked at.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::warn;

/// Names of the columns of which it was logged that texts are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logged(Arc<Mutex<BTreeSet<String>>>);

impl Logged {
    /// True for a name that was not there.
    fn add(&self, column: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(column.to_owned())
    }
}

/// The length of a column's texts.
#[derive(Clone, Debug)]
pub(crate) struct Width {
    column: String,
    /// In characters.
    characters: usize,
    logged: Logged,
    /// It is in there: looked up once.
    is_logged: Cell<bool>,
}

impl Width {
    /// By the server's description of the column's type, such as `varchar(32)` or `character(21)`; other types have no
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

    /// The text, or as much of it as the column takes.
    #[inline]
    pub(crate) fn cut<'a>(&self, text: &'a str) -> &'a str {
        if text.len() <= self.characters { text } else { self.cut_long(text) }
    }

    #[cold]
    fn cut_long<'a>(&self, text: &'a str) -> &'a str {
        let Some((end, _)) = text.char_indices().nth(self.characters) else { return text };
        if !self.is_logged.replace(true) && self.logged.add(&self.column) {
            warn!(
                "texts are longer than the {} characters of column {}, and are cut; make the column wider",
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
    fn texts_are_cut_by_characters() {
        let logged = Logged::default();
        let width = Width::of("ip_proto", "CHAR(6)", &logged);
        assert_eq!(width.cut("ipv6-icmp"), "ipv6-i");
        assert!(!logged.add("ip_proto"), "it is logged once, for this table and for the next");
        assert_eq!(width.cut("éééééé"), "éééééé");
        assert_eq!(width.cut("ééééééé"), "éééééé");
        for unbounded in ["text", "int(4) unsigned", "inet", "enum('a','b')"] {
            assert_eq!(Width::of("x", unbounded, &logged).cut("ipv6-icmp"), "ipv6-icmp");
        }
    }
}
