//! Queries over HTTP: `/api/bgp/peers` and `/api/bgp/routes`.
//!
//! | parameter | meaning |
//! |---|---|
//! | `peer` | address or router ID of a peer; all peers without it |
//! | `prefix` | a prefix, or an address |
//! | `match` | `exact` (the default for a prefix), `longest` (the default for an address), `more-specific` |
//! | `rd` | the route distinguisher of a VPN; unicast and labelled routes without it |
//! | `limit` | maximum number of routes, 100,000 by default |

use super::lookup::Lookup;
use super::messages::Tagger;
use super::peers::Listed;
use super::service::Shared;
use super::validator::Validator;
use ::metrics::{Pages, Reply};
use correlate::Routes;
use rib::{Cursor, Nlri, Rib, Route, TableKey};
use route_log::Format;
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Family, Prefix, RouteDistinguisher};

/// Where the answers are.
pub(super) const PATH: &str = "/api/bgp/";
/// Prefixes and routes visited before the table is left.
const BUDGET: usize = 256;
/// Steps for one piece of an answer, so that searches for a few routes in a large table end.
const STEPS: usize = 64;
/// Bytes of a piece of an answer.
const PIECE: usize = 64 * 1024;
/// Routes of an answer, unless the query sets another limit.
const LIMIT: u64 = 100_000;

/// Answers queries.
pub(super) struct Api {
    pub(super) shared: Arc<Shared>,
    pub(super) routes: Arc<Routes>,
    pub(super) validator: Validator,
    pub(super) tagger: Tagger,
    pub(super) format: Format,
}

impl Pages for Api {
    fn answer(&self, path: &str, query: &str) -> Reply {
        match path.strip_prefix(PATH) {
            Some("peers") => self.peers(),
            Some("routes") => match Query::parse(query) {
                Ok(query) => self.routes(query),
                Err(what) => Reply::Invalid(what),
            },
            _ => Reply::NotFound,
        }
    }
}

impl Api {
    fn peers(&self) -> Reply {
        let rib = self.routes.rib().read();
        let line = |peer: Arc<Listed>| {
            let families = rib.families_of_peer(peer.id);
            let families = families
                .map(|((afi, safi), count)| serde_json::json!({"afi": afi.0, "safi": safi.0, "routes": count}));
            let line = serde_json::json!({
                "peer_ip_src": peer.address.ip(),
                "peer_tcp_port": peer.address.port(),
                "peer_id": peer.router_id,
                "peer_as": peer.asn.0,
                "local_as": peer.local_as.0,
                "since": peer.since / 1_000_000,
                "agreed_families": peer.families.iter().map(|(afi, safi)| [u64::from(afi.0), u64::from(safi.0)]).collect::<Vec<_>>(),
                "routes": rib.routes_of_peer(peer.id),
                "families": families.collect::<Vec<_>>(),
            });
            format!("{line}\n").into_bytes()
        };
        let lines: Vec<Vec<u8>> = self.shared.peers().into_iter().map(line).collect();
        Reply::Lines(Box::new(lines.into_iter()))
    }

    fn routes(&self, query: Query) -> Reply {
        let peers = self.shared.peers().into_iter().filter(|peer| query.peer.is_none_or(|wanted| peer.is(wanted)));
        Reply::Lines(Box::new(Answer {
            lookup: Lookup::new(peers, self.validator.clone(), self.tagger.clone(), self.format),
            routes: Arc::clone(&self.routes),
            left: query.limit,
            search: query.search(),
        }))
    }
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    peer: Option<IpAddr>,
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
    fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self { peer: None, prefix: None, matching: Matching::Exact, rd: None, limit: LIMIT };
        let (mut is_address, mut matching) = (false, None);
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = unescaped(value);
            let invalid = |what: &str| format!("{name}: '{}' is not {what}", value.escape_debug());
            match name {
                "peer" => query.peer = Some(value.parse().map_err(|_| invalid("an address"))?),
                "prefix" => {
                    let address = value.parse().ok().map(Prefix::host);
                    is_address = address.is_some();
                    let prefix = address.or_else(|| value.parse().ok());
                    query.prefix = Some(prefix.ok_or_else(|| invalid("a prefix such as 192.0.2.0/24"))?);
                }
                "match" => {
                    matching = Some(match value.as_str() {
                        "exact" => Matching::Exact,
                        "longest" => Matching::Longest,
                        "more-specific" => Matching::MoreSpecific,
                        _ => return Err(invalid("exact, longest or more-specific")),
                    });
                }
                "rd" => query.rd = Some(value.parse().map_err(|_| invalid("an RD such as 0:65000:1"))?),
                "limit" => query.limit = value.parse().map_err(|_| invalid("a number"))?,
                _ => {
                    return Err(format!(
                        "'{}' is not a parameter; use peer, prefix, match, rd, limit",
                        name.escape_debug()
                    ));
                }
            }
        }
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
struct Answer {
    lookup: Lookup,
    routes: Arc<Routes>,
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
    /// Adds some routes. False at the end.
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let routes = Arc::clone(&self.routes);
        let rib = routes.rib().read();
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

impl Listed {
    /// Whether an address is that of the session, or the router ID.
    fn is(&self, address: IpAddr) -> bool {
        self.address.ip() == address || IpAddr::V4(self.router_id) == address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_parsed_and_errors_say_what_would_be_right() {
        let query = Query::parse("peer=192.0.2.1&prefix=10.0.0.0%2F8&match=more-specific&limit=5").unwrap();
        assert_eq!(query.prefix, "10.0.0.0/8".parse().ok());
        assert_eq!((query.matching, query.limit), (Matching::MoreSpecific, 5));
        assert_eq!(Query::parse("prefix=2001:db8::1").unwrap().matching, Matching::Longest);
        assert_eq!(Query::parse("prefix=10.0.0.0/8").unwrap().matching, Matching::Exact);
        assert_eq!(Query::parse("").unwrap().prefix, None);
        for (query, word) in
            [("peer=x", "address"), ("prefix=1/99", "prefix"), ("match=y", "longest"), ("z=1", "parameter")]
        {
            assert!(Query::parse(query).unwrap_err().contains(word), "{query}");
        }
    }

    #[test]
    fn percent_escapes_are_replaced_and_invalid_ones_stay() {
        assert_eq!(unescaped("a%2Fb%zz%"), "a/b%zz%");
    }
}
