//! Queries over HTTP: `/api/bgp/peers` and `/api/bgp/routes`.
//!
//! | parameter | meaning |
//! |---|---|
//! | `peer` | address or router ID of a peer; all peers without it |
//!
//! and those of [`queries`](crate::routing::queries).

use super::peers::Listed;
use super::service::Shared;
use crate::routing::lookup::Lookup;
use crate::routing::queries::{Answer, Query};
use crate::routing::validator::Validator;
use ::metrics::{Pages, Reply};
use correlate::Routes;
use route_log::Format;
use std::net::IpAddr;
use std::sync::Arc;

/// Where the answers are.
pub(super) const PATH: &str = "/api/bgp/";

/// Answers queries.
pub(super) struct Api {
    pub(super) shared: Arc<Shared>,
    pub(super) routes: Arc<Routes>,
    pub(super) validator: Validator,
    pub(super) format: Format,
}

impl Pages for Api {
    fn answer(&self, path: &str, query: &str) -> Reply {
        match path.strip_prefix(PATH) {
            Some("peers") => self.peers(),
            Some("routes") => self.routes(query).unwrap_or_else(Reply::Invalid),
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
                "local_as": peer.route.local_as.0,
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

    fn routes(&self, text: &str) -> Result<Reply, String> {
        let mut wanted: Option<IpAddr> = None;
        let query = Query::parse(text, &["peer"], |_, value| {
            wanted = Some(value.parse().map_err(|_| "an address")?);
            Ok(())
        })?;
        let peers = self.shared.peers().into_iter().filter(|peer| wanted.is_none_or(|wanted| peer.is(wanted)));
        let peers = peers.map(|peer| Arc::clone(&peer.route));
        let lookup = Lookup::new(peers, self.validator.clone(), self.shared.tagger.clone(), self.format);
        Ok(Reply::Lines(Box::new(Answer::new(&query, lookup, self.routes.rib()))))
    }
}

impl Listed {
    /// Whether an address is that of the session, or the router ID.
    fn is(&self, address: IpAddr) -> bool {
        self.address.ip() == address || IpAddr::V4(self.router_id) == address
    }
}
