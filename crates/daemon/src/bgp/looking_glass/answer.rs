//! The answers: one part says what kind of answer it is and how many parts follow, each a JSON object.

use super::query::{Invalid, PEERS, Query, ROUTES, RouteQuery};
use crate::bgp::peers::Listed;
use crate::bgp::service::Shared;
use crate::routing::lookup::Lookup;
use crate::routing::validator::Validator;
use bytes::Bytes;
use correlate::Routes;
use rib::TableKey;
use route_log::Format;
use serde_json::json;
use std::sync::Arc;

/// Routes of an answer. A prefix has more only if a peer announces so many paths of it.
const ROUTES_MAX: usize = 1000;

/// What is answered from.
pub(in crate::bgp) struct Tables {
    pub(in crate::bgp) shared: Arc<Shared>,
    pub(in crate::bgp) routes: Arc<Routes>,
    pub(in crate::bgp) validator: Validator,
    pub(in crate::bgp) format: Format,
}

/// Results, in the order of their counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found,
    NotFound,
    Invalid,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) parts: Vec<Bytes>,
}

impl Answer {
    /// The results of a query of that type.
    fn of(query_type: u64, results: Vec<Bytes>) -> Self {
        let head = json!({"query_type": query_type, "results": results.len()});
        let outcome = if results.is_empty() { Outcome::NotFound } else { Outcome::Found };
        Self { outcome, parts: [Bytes::from(head.to_string())].into_iter().chain(results).collect() }
    }

    /// No results, and why.
    fn nothing(query_type: u64, outcome: Outcome, why: &str) -> Self {
        let head = json!({"query_type": query_type, "results": 0, "text": why});
        Self { outcome, parts: vec![head.to_string().into()] }
    }

    fn invalid(why: Invalid) -> Self {
        match why {
            Invalid::Header => Self::nothing(0, Outcome::Invalid, "unsupported query_type"),
            Invalid::Routes => Self::nothing(ROUTES, Outcome::Invalid, "lookup error"),
        }
    }
}

impl Tables {
    /// Answers a message, without the envelope.
    pub(super) fn answer<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Answer {
        match Query::parse(parts) {
            Ok(Query::Peers) => Answer::of(PEERS, self.shared.peers().iter().map(|peer| of_peer(peer)).collect()),
            Ok(Query::Routes(query)) => self.of_routes(&query),
            Err(why) => Answer::invalid(why),
        }
    }

    fn of_routes(&self, query: &RouteQuery) -> Answer {
        let is_meant = |peer: &Arc<Listed>| {
            peer.address.ip() == query.peer && query.port.is_none_or(|port| peer.address.port() == port)
        };
        let peers: Vec<Arc<Listed>> = self.shared.peers().into_iter().filter(is_meant).collect();
        if peers.is_empty() {
            return Answer::nothing(ROUTES, Outcome::NotFound, "peer not found");
        }
        let family = query.prefix.family();
        let tables = match query.rd {
            Some(rd) => vec![TableKey::Vpn(family, rd)],
            None => vec![TableKey::Unicast(family), TableKey::Labelled(family)],
        };
        let mut results = Vec::new();
        for key in &tables {
            self.find(query, *key, peers.iter().filter(|peer| has_all(peer, *key)), &mut results);
        }
        // What a peer has not sent yet might be what is asked for.
        let is_incomplete = |peer: &Arc<Listed>| {
            let missing = || tables.iter().filter(|key| !has_all(peer, **key));
            missing().count() == tables.len() || missing().any(|key| is_agreed(peer, *key))
        };
        if !results.is_empty() {
            Answer::of(ROUTES, results)
        } else if peers.iter().any(is_incomplete) {
            Answer::nothing(ROUTES, Outcome::NotFound, "EoR not received")
        } else {
            Answer::nothing(ROUTES, Outcome::NotFound, "prefix not found")
        }
    }

    /// Adds the routes of a table.
    fn find<'a>(
        &self,
        query: &RouteQuery,
        key: TableKey,
        peers: impl Iterator<Item = &'a Arc<Listed>>,
        results: &mut Vec<Bytes>,
    ) {
        let peers = peers.map(|peer| Arc::clone(&peer.route));
        let mut lookup = Lookup::new(peers, self.validator.clone(), self.shared.tagger.clone(), self.format);
        let rib = self.routes.rib().read();
        lookup.find(&rib, key, query.prefix, true, |lookup, nlri, route| {
            let mut out = Vec::new();
            if results.len() < ROUTES_MAX && lookup.show(&rib, key, nlri, route, &mut out) {
                results.push(out.into());
            }
        });
    }
}

/// Whether a peer has sent all its routes of the family of a table.
fn has_all(peer: &Listed, key: TableKey) -> bool {
    let (afi, safi) = key.family();
    peer.has_end_of_rib(afi, safi)
}

/// Whether a peer may send routes of the family of a table.
fn is_agreed(peer: &Listed, key: TableKey) -> bool {
    let (afi, safi) = key.family();
    peer.families.contains(afi, safi)
}

fn of_peer(peer: &Listed) -> Bytes {
    let peer = json!({
        "peer_ip_src": peer.address.ip(),
        "peer_id": peer.router_id,
        "peer_tcp_port": peer.address.port(),
        "peer_as": peer.asn.0,
    });
    peer.to_string().into()
}
