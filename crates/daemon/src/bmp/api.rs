//! Queries over HTTP: `/api/bmp/routers`, `/api/bmp/peers` and `/api/bmp/routes`.
//!
//! | parameter | meaning |
//! |---|---|
//! | `router` | address of a router; all routers without it |
//! | `peer` | address or BGP identifier of a peer; all peers without it |
//! | `rib` | `pre`, `post`, `out_pre`, `out_post` or `loc`; all RIBs without it. Not of peers |
//!
//! and for routes those of [`queries`](crate::routing::queries).

use super::routers::{Listed, MonitoredPeer, MonitoredRib};
use super::service::Shared;
use crate::routing::lookup::Lookup;
use crate::routing::queries::{Answer, Query, parameters};
use crate::routing::validator::Validator;
use ::bmp::peer::{PeerKey, RibType};
use ::metrics::{Pages, Reply};
use rib::{Rib, SharedRib};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Where the answers are.
pub(super) const PATH: &str = "/api/bmp/";

/// Answers queries.
pub(super) struct Api {
    pub(super) shared: Arc<Shared>,
    pub(super) rib: Arc<SharedRib>,
    pub(super) validator: Validator,
    pub(super) format: route_log::Format,
}

impl Pages for Api {
    fn answer(&self, path: &str, query: &str) -> Reply {
        let answer = match path.strip_prefix(PATH) {
            Some("routers") => self.routers(query),
            Some("peers") => self.peers(query),
            Some("routes") => self.routes(query),
            _ => return Reply::NotFound,
        };
        answer.unwrap_or_else(Reply::Invalid)
    }
}

/// The word of a RIB, in queries and answers.
pub(super) const fn word(rib: RibType) -> &'static str {
    match rib {
        RibType::AdjRibInPre => "pre",
        RibType::AdjRibInPost => "post",
        RibType::AdjRibOutPre => "out_pre",
        RibType::AdjRibOutPost => "out_post",
        RibType::LocRib => "loc",
    }
}

/// Which RIBs are asked for.
#[derive(Default)]
struct Wanted {
    router: Option<IpAddr>,
    peer: Option<IpAddr>,
    rib: Option<RibType>,
}

impl Wanted {
    /// Reads a parameter.
    fn read(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let address = || value.parse::<IpAddr>().map(Some).map_err(|_| "an address");
        match name {
            "router" => self.router = address()?,
            "peer" => self.peer = address()?,
            _ => {
                let rib = RibType::ALL.into_iter().find(|rib| word(*rib) == value);
                self.rib = Some(rib.ok_or("pre, post, out_pre, out_post or loc")?);
            }
        }
        Ok(())
    }

    fn has_router(&self, router: &Listed) -> bool {
        self.router.is_none_or(|wanted| wanted.to_canonical() == router.address.ip())
    }

    fn has_peer(&self, peer: &MonitoredPeer) -> bool {
        let is = |wanted: IpAddr| {
            wanted.to_canonical() == peer.peer.key.address.to_canonical() || wanted == IpAddr::V4(peer.peer.bgp_id)
        };
        self.peer.is_none_or(is)
    }

    fn has_rib(&self, rib: &MonitoredRib) -> bool {
        self.rib.is_none_or(|wanted| wanted == rib.rib)
    }
}

impl Api {
    fn routers(&self, text: &str) -> Result<Reply, String> {
        let mut wanted = Wanted::default();
        parameters(text, &["router"], |name, value| wanted.read(name, value))?;
        let routers = self.shared.routers().into_iter().filter(|router| wanted.has_router(router));
        let rib = self.rib.read();
        let lines: Vec<Vec<u8>> = routers.map(|router| line(&of_router(&router, &rib))).collect();
        Ok(Reply::Lines(Box::new(lines.into_iter())))
    }

    fn peers(&self, text: &str) -> Result<Reply, String> {
        let mut wanted = Wanted::default();
        parameters(text, &["router", "peer"], |name, value| wanted.read(name, value))?;
        let rib = self.rib.read();
        let mut lines = Vec::new();
        for router in self.shared.routers().iter().filter(|router| wanted.has_router(router)) {
            let (peers, ribs) = router.read(|state| (state.peers.clone(), state.ribs.clone()));
            let peers = peers.values().filter(|peer| wanted.has_peer(peer));
            lines.extend(peers.map(|peer| line(&of_peer(router, peer, &ribs, &rib))));
        }
        Ok(Reply::Lines(Box::new(lines.into_iter())))
    }

    fn routes(&self, text: &str) -> Result<Reply, String> {
        let mut wanted = Wanted::default();
        let query = Query::parse(text, &["router", "peer", "rib"], |name, value| wanted.read(name, value))?;
        let mut found = Vec::new();
        for router in self.shared.routers().iter().filter(|router| wanted.has_router(router)) {
            router.read(|state| {
                let keys: Vec<PeerKey> =
                    state.peers.values().filter(|peer| wanted.has_peer(peer)).map(|peer| peer.peer.key).collect();
                let is_meant = |rib: &&Arc<MonitoredRib>| {
                    wanted.has_rib(rib) && (wanted.peer.is_none() || keys.contains(&rib.key))
                };
                found.extend(state.ribs.iter().filter(is_meant).map(|rib| Arc::clone(&rib.route)));
            });
        }
        let lookup = Lookup::new(found, self.validator.clone(), self.shared.tagger.clone(), self.format);
        Ok(Reply::Lines(Box::new(Answer::new(&query, lookup, &self.rib))))
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn of_router(router: &Listed, rib: &Rib) -> Value {
    router.read(|state| {
        let routes: u64 = state.ribs.iter().filter_map(|of| Some(rib.routes_of_peer(of.route.id?))).sum();
        let messages: serde_json::Map<String, Value> = super::figures::MESSAGE_TYPES
            .into_iter()
            .zip(super::figures::by_type(&state.counts))
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect();
        json!({
            "bmp_router": router.address.ip(),
            "bmp_router_port": router.address.port(),
            "since": router.since / 1_000_000,
            "source": if router.is_from_kafka { "kafka" } else { "session" },
            "sysname": state.name,
            "sysdescr": state.description,
            "peers": state.peers.len(),
            "routes": routes,
            "messages": messages,
            "messages_rejected": state.counts.rejected,
            "bytes": state.bytes,
        })
    })
}

fn of_peer(router: &Listed, peer: &MonitoredPeer, ribs: &[Arc<MonitoredRib>], rib: &Rib) -> Value {
    let MonitoredPeer { peer, since } = peer;
    let text =
        |octets: &Option<Box<[u8]>>| octets.as_ref().map(|octets| String::from_utf8_lossy(octets).into_owned());
    let of_peer = ribs.iter().filter(|rib| rib.key == peer.key);
    let ribs: serde_json::Map<String, Value> = of_peer
        .filter_map(|of| Some((word(of.rib).to_owned(), rib.routes_of_peer(of.route.id?).into())))
        .collect();
    json!({
        "bmp_router": router.address.ip(),
        "bmp_router_port": router.address.port(),
        "peer_ip": peer.key.address,
        "peer_asn": peer.asn.0,
        "bgp_id": peer.bgp_id,
        "peer_type": peer.key.peer_type.0,
        "distinguisher": peer.key.distinguisher.to_string(),
        "local_ip": peer.local_address,
        "local_port": peer.local_port,
        "remote_port": peer.remote_port,
        "local_as": peer.local_as.0,
        "vrf_table_name": text(&peer.vrf_table_name),
        "admin_label": text(&peer.admin_label),
        "since": since / 1_000_000,
        "routes": ribs,
    })
}
