//! What clients may ask.
//!
//! A query is a multipart message: a header, and for routes a second part. Each part is a JSON text.
//!
//! ```text
//! {"query_type": 1, "queries": 1}
//! {"peer_ip_src": "192.0.2.1", "ip_prefix": "198.51.100.7", "rd": "0:65000:1", "peer_tcp_port": 40179}
//!
//! {"query_type": 2, "queries": 1}
//! ```

use serde::Deserialize;
use std::net::IpAddr;
use wire::{Prefix, RouteDistinguisher};

/// The type of queries for routes.
pub(super) const ROUTES: u64 = 1;
/// The type of queries for peers.
pub(super) const PEERS: u64 = 2;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// All peers.
    Peers,
    /// The routes of a peer for a prefix.
    Routes(RouteQuery),
}

/// A query for the routes of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouteQuery {
    /// The address of the session.
    pub(super) peer: IpAddr,
    /// The port of the peer, if the client knows it.
    pub(super) port: Option<u16>,
    /// What the longest prefix that was announced must cover.
    pub(super) prefix: Prefix,
    /// The VPN; unicast and labelled routes without it.
    pub(super) rd: Option<RouteDistinguisher>,
}

/// Why a message is not a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The header, or the number of parts.
    Header,
    /// The part that says which routes.
    Routes,
}

#[derive(Deserialize)]
struct Header {
    query_type: u64,
    #[serde(default = "one")]
    queries: u64,
}

const fn one() -> u64 {
    1
}

#[derive(Deserialize)]
struct RoutesPart {
    peer_ip_src: IpAddr,
    peer_tcp_port: Option<Port>,
    ip_prefix: String,
    rd: Option<String>,
}

/// Clients write ports as numbers, and as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Query {
    /// Reads a message, without the envelope.
    ///
    /// # Errors
    /// The message is not a query.
    pub(super) fn parse<'a>(mut parts: impl Iterator<Item = &'a [u8]>) -> Result<Self, Invalid> {
        let header: Header = json(parts.next().unwrap_or_default()).ok_or(Invalid::Header)?;
        match (header.query_type, header.queries, parts.next(), parts.next()) {
            (PEERS, 0..=1, None, None) => Ok(Self::Peers),
            (ROUTES, 1, Some(part), None) => RouteQuery::parse(part).map(Self::Routes).ok_or(Invalid::Routes),
            _ => Err(Invalid::Header),
        }
    }
}

impl RouteQuery {
    fn parse(part: &[u8]) -> Option<Self> {
        let RoutesPart { peer_ip_src, peer_tcp_port, ip_prefix, rd } = json(part)?;
        let port = match peer_tcp_port {
            None => None,
            Some(Port::Number(port)) => Some(port),
            Some(Port::Text(text)) => Some(text.parse().ok()?),
        };
        let prefix = match ip_prefix.parse() {
            Ok(address) => Prefix::host(address),
            Err(_) => ip_prefix.parse().ok()?,
        };
        let rd = rd.map(|text| text.parse()).transpose().ok()?;
        Some(Self { peer: peer_ip_src.to_canonical(), port, prefix, rd })
    }
}

/// A JSON text, without the zero octet at which clients written in C may end it.
fn json<T: for<'a> Deserialize<'a>>(part: &[u8]) -> Option<T> {
    serde_json::from_slice(part.strip_suffix(&[0]).unwrap_or(part)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(parts: &[&str]) -> Result<Query, Invalid> {
        Query::parse(parts.iter().map(|part| part.as_bytes()))
    }

    fn routes(part: &str) -> Result<RouteQuery, Invalid> {
        match parse(&[r#"{"query_type": 1, "queries": 1}"#, part])? {
            Query::Routes(query) => Ok(query),
            Query::Peers => panic!("not the query of {part}"),
        }
    }

    #[test]
    fn queries_for_peers_have_one_part() {
        assert_eq!(parse(&[r#"{"query_type": 2, "queries": 1}"#]), Ok(Query::Peers));
        assert_eq!(parse(&[r#"{"query_type": 2}"#]), Ok(Query::Peers));
        assert_eq!(parse(&["{\"query_type\": 2}\0"]), Ok(Query::Peers), "a C string");
        assert_eq!(parse(&[r#"{"query_type": 2, "queries": 1}"#, "{}"]), Err(Invalid::Header));
        assert_eq!(parse(&[r#"{"query_type": 2, "queries": 2}"#]), Err(Invalid::Header));
    }

    #[test]
    fn queries_for_routes_name_a_peer_and_a_prefix() {
        let plain = RouteQuery {
            peer: "192.0.2.1".parse().unwrap(),
            port: None,
            prefix: "198.51.100.7/32".parse().unwrap(),
            rd: None,
        };
        assert_eq!(routes(r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "198.51.100.7"}"#).as_ref(), Ok(&plain));
        let mapped = routes(r#"{"peer_ip_src": "::ffff:192.0.2.1", "ip_prefix": "198.51.100.7/32", "rd": null}"#);
        assert_eq!(mapped.as_ref(), Ok(&plain));
        let whole = RouteQuery {
            prefix: "2001:db8::/32".parse().unwrap(),
            rd: Some("0:65001:2".parse().unwrap()),
            port: Some(179),
            ..plain
        };
        for port in ["179", "\"179\""] {
            let part = format!(
                r#"{{"peer_ip_src": "192.0.2.1", "ip_prefix": "2001:db8::/32", "rd": "0:65001:2", "peer_tcp_port": {port}, "x": 1}}"#
            );
            assert_eq!(routes(&part).as_ref(), Ok(&whole));
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        for part in [
            "",
            "[]",
            "{}",
            r#"{"peer_ip_src": "192.0.2.1"}"#,
            r#"{"ip_prefix": "192.0.2.1"}"#,
            r#"{"peer_ip_src": "router", "ip_prefix": "192.0.2.1"}"#,
            r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "192.0.2.1/33"}"#,
            r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": 7}"#,
            r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "192.0.2.1", "rd": "x"}"#,
            r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "192.0.2.1", "peer_tcp_port": 65536}"#,
            r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "192.0.2.1", "peer_tcp_port": "bgp"}"#,
        ] {
            assert_eq!(routes(part), Err(Invalid::Routes), "{part}");
        }
        let part = r#"{"peer_ip_src": "192.0.2.1", "ip_prefix": "192.0.2.1"}"#;
        for parts in [
            &[][..],
            &[""],
            &["2"],
            &[r#"{"queries": 1}"#],
            &[r#"{"query_type": "2"}"#],
            &[r#"{"query_type": -1}"#],
            &[r#"{"query_type": 99, "queries": 1}"#],
            &[r#"{"query_type": 1, "queries": 1}"#],
            &[r#"{"query_type": 1, "queries": 0}"#, part],
            &[r#"{"query_type": 1, "queries": 2}"#, part],
            &[r#"{"query_type": 1, "queries": 2}"#, part, part],
            &[r#"{"query_type": 1, "queries": 1}"#, part, part],
        ] {
            assert_eq!(parse(parts), Err(Invalid::Header), "{parts:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(parts: Vec<Vec<u8>>) {
            let _ = Query::parse(parts.iter().map(Vec::as_slice));
        }
    }
}
