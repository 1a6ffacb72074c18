//! How long texts of a column may be.
//!
//! A server refuses a row whose text is longer than its column, such as `ipv6-icmp` in the `CHAR(6)` of the known shapes,
//! or a long AS path. A row with a shortened text is worth more than none, so texts are cut, and that is told once for
//! each column.

use std::cell::Cell;
use tracing::warn;

/// The length of a column's texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Width {
    column: String,
    /// In characters.
    characters: usize,
    told: Cell<bool>,
}

impl Width {
    /// By the server's description of the column's type, such as `varchar(32)` or `character(21)`; other types have no
    /// bound.
    pub(crate) fn of(column: &str, sql_type: &str) -> Self {
        let bound = || {
            let (name, rest) = sql_type.split_once('(')?;
            let is_text = name.to_ascii_lowercase().contains("char") || name == "FixedString";
            rest.split_once(')')?.0.trim().parse().ok().filter(|_| is_text)
        };
        Self { column: column.to_owned(), characters: bound().unwrap_or(usize::MAX), told: Cell::new(false) }
    }

    /// The text, or as much of it as the column takes.
    #[inline]
    pub(crate) fn cut<'a>(&self, text: &'a str) -> &'a str {
        if text.len() <= self.characters { text } else { self.cut_long(text) }
    }

    #[cold]
    fn cut_long<'a>(&self, text: &'a str) -> &'a str {
        let Some((end, _)) = text.char_indices().nth(self.characters) else { return text };
        if !self.told.replace(true) {
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
        let width = Width::of("ip_proto", "CHAR(6)");
        assert_eq!(width.cut("ipv6-icmp"), "ipv6-i");
        assert_eq!(width.cut("éééééé"), "éééééé");
        assert_eq!(width.cut("ééééééé"), "éééééé");
        for unbounded in ["text", "int(4) unsigned", "inet", "enum('a','b')"] {
            assert_eq!(Width::of("x", unbounded).cut("ipv6-icmp"), "ipv6-icmp");
        }
    }
}
