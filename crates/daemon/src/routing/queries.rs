//! Queries for routes over HTTP, of all peers that the caller selects.
//!
//! | parameter | meaning |
//! |---|---|
//! | `prefix` | a prefix, or an address |
//! | `match` | `exact` (the default for a prefix), `longest` (the default for an address), `more-specific` |
//! | `rd` | the route distinguisher of a VPN; unicast and labelled routes without it |
//! | `limit` | maximum number of routes, 100,000 by default |

use super::lookup::Lookup;
use rib::{Cursor, Nlri, Rib, Route, SharedRib, TableKey};
use std::sync::Arc;
use wire::{Family, Prefix, RouteDistinguisher};

/// Prefixes and routes visited before the table is left.
const BUDGET: usize = 256;
/// Steps for one piece of an answer, so that searches for a few routes in a large table end.
const STEPS: usize = 64;
/// Bytes of a piece of an answer.
const PIECE: usize = 64 * 1024;
/// Routes of an answer, unless the query sets another limit.
const LIMIT: u64 = 100_000;

/// What is asked, besides the peers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    prefix: Option<Prefix>,
    matching: Matching,
    rd: Option<RouteDistinguisher>,
    limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matching {
    Exact,
    Longest,
    MoreSpecific,
}

impl Query {
    /// Reads a query. `peers` reads a parameter that selects peers, or says what is wrong with its value; those are `names`.
    ///
    /// # Errors
    /// A parameter is unknown, or has an invalid value.
    pub(crate) fn parse(
        text: &str,
        names: &[&str],
        mut peers: impl FnMut(&str, &str) -> Result<(), &'static str>,
    ) -> Result<Self, String> {
        let mut query = Self { prefix: None, matching: Matching::Exact, rd: None, limit: LIMIT };
        let (mut is_address, mut matching) = (false, None);
        let all: Vec<&str> = names.iter().copied().chain(["prefix", "match", "rd", "limit"]).collect();
        parameters(text, &all, |name, value| {
            match name {
                "prefix" => {
                    let address = value.parse().ok().map(Prefix::host);
                    is_address = address.is_some();
                    let prefix = address.or_else(|| value.parse().ok());
                    query.prefix = Some(prefix.ok_or("a prefix such as 192.0.2.0/24")?);
                }
                "match" => {
                    matching = Some(match value {
                        "exact" => Matching::Exact,
                        "longest" => Matching::Longest,
                        "more-specific" => Matching::MoreSpecific,
                        _ => return Err("exact, longest or more-specific"),
                    });
                }
                "rd" => query.rd = Some(value.parse().map_err(|_| "an RD such as 0:65000:1")?),
                "limit" => query.limit = value.parse().map_err(|_| "a number")?,
                _ => peers(name, value)?,
            }
            Ok(())
        })?;
        query.matching = matching.unwrap_or(if is_address { Matching::Longest } else { Matching::Exact });
        Ok(query)
    }

    fn tables(&self, family: Family) -> Vec<TableKey> {
        match self.rd {
            Some(rd) => vec![TableKey::Vpn(family, rd)],
            None => vec![TableKey::Unicast(family), TableKey::Labelled(family)],
        }
    }

    fn search(&self) -> Search {
        let families = match self.prefix {
            Some(prefix) => vec![prefix.family()],
            None => Family::ALL.to_vec(),
        };
        let tables: Vec<TableKey> = families.into_iter().flat_map(|family| self.tables(family)).collect();
        match (self.prefix, self.matching) {
            (Some(prefix), Matching::Exact | Matching::Longest) => {
                Search::Prefix { tables, prefix, longest: self.matching == Matching::Longest }
            }
            (Some(prefix), Matching::MoreSpecific) => {
                Search::Cursors(tables.into_iter().map(|table| Cursor::within(table, prefix)).collect())
            }
            (None, _) if self.rd.is_some() => Search::Cursors(tables.into_iter().map(Cursor::table).collect()),
            (None, _) => Search::Cursors(vec![Cursor::all()]),
        }
    }
}

/// Calls `read` for the parameters of a query; it returns what a value should have been.
///
/// # Errors
/// A parameter is none of `names`, or has an invalid value.
pub(crate) fn parameters(
    text: &str,
    names: &[&str],
    mut read: impl FnMut(&str, &str) -> Result<(), &'static str>,
) -> Result<(), String> {
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = unescaped(value);
        if !names.contains(&name) {
            let (name, names) = (name.escape_debug(), names.join(", "));
            return Err(format!("'{name}' is not a parameter; use {names}"));
        }
        read(name, &value).map_err(|what| format!("{name}: '{}' is not {what}", value.escape_debug()))?;
    }
    Ok(())
}

/// Percent escapes replaced.
fn unescaped(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// What is still to be searched.
enum Search {
    Prefix { tables: Vec<TableKey>, prefix: Prefix, longest: bool },
    Cursors(Vec<Cursor>),
}

/// An answer that is made while the client reads it.
pub(crate) struct Answer {
    lookup: Lookup,
    rib: Arc<SharedRib>,
    /// Routes that may still be answered.
    left: u64,
    search: Search,
}

impl Iterator for Answer {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        for _ in 0..STEPS {
            if self.left == 0 || !self.step(&mut piece) {
                return Some(piece).filter(|piece| !piece.is_empty());
            }
            if piece.len() >= PIECE {
                break;
            }
        }
        // An empty line keeps the connection alive during a long search.
        if piece.is_empty() {
            piece.push(b'\n');
        }
        Some(piece)
    }
}

impl Answer {
    /// The routes of the peers of `lookup`.
    pub(crate) fn new(query: &Query, lookup: Lookup, rib: &Arc<SharedRib>) -> Self {
        Self { lookup, rib: Arc::clone(rib), left: query.limit, search: query.search() }
    }

    /// Adds some routes. False at the end.
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let rib = Arc::clone(&self.rib);
        let rib = rib.read();
        let mut search = std::mem::replace(&mut self.search, Search::Cursors(Vec::new()));
        match &mut search {
            Search::Prefix { tables, prefix, longest } => {
                let Self { lookup, left, .. } = self;
                for key in tables {
                    lookup.find(&rib, *key, *prefix, *longest, |lookup, nlri, route| {
                        if *left > 0 && lookup.show(&rib, *key, nlri, route, out) {
                            *left -= 1;
                            out.push(b'\n');
                        }
                    });
                }
                false
            }
            Search::Cursors(cursors) => {
                let Some(cursor) = cursors.first_mut() else { return false };
                let more = rib.visit(cursor, BUDGET, |key, nlri, found| {
                    found.for_each(|route| self.add(&rib, key, nlri, &route, out));
                });
                if !more {
                    cursors.remove(0);
                }
                self.search = search;
                true
            }
        }
    }

    fn add(&mut self, rib: &Rib, key: TableKey, nlri: Nlri<'_>, route: &Route, out: &mut Vec<u8>) {
        if self.left > 0 && self.lookup.show(rib, key, nlri, route, out) {
            self.left -= 1;
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Query, String> {
        Query::parse(text, &["peer"], |_, value| (value == "192.0.2.1").then_some(()).ok_or("an address"))
    }

    #[test]
    fn queries_are_parsed_and_errors_say_what_would_be_right() {
        let query = parse("peer=192.0.2.1&prefix=10.0.0.0%2F8&match=more-specific&limit=5").unwrap();
        assert_eq!(query.prefix, "10.0.0.0/8".parse().ok());
        assert_eq!((query.matching, query.limit), (Matching::MoreSpecific, 5));
        assert_eq!(parse("prefix=2001:db8::1").unwrap().matching, Matching::Longest);
        assert_eq!(parse("prefix=10.0.0.0/8").unwrap().matching, Matching::Exact);
        assert_eq!(parse("").unwrap().prefix, None);
        for (query, word) in
            [("peer=x", "address"), ("prefix=1/99", "prefix"), ("match=y", "longest"), ("z=1", "parameter")]
        {
            assert!(parse(query).unwrap_err().contains(word), "{query}");
        }
    }

    #[test]
    fn percent_escapes_are_replaced_and_invalid_ones_stay() {
        assert_eq!(unescaped("a%2Fb%zz%"), "a/b%zz%");
    }
}
