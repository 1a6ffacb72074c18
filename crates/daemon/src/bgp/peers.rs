//! The peers with routes in the RIB, for other threads: dumps, queries, metrics.

use super::collector::Peer;
use super::validator::Origin;
use bgp::update::Families;
use bgp_session::Parameters;
use rib::PeerId;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use wire::Asn;

/// A peer.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Its number in the RIB.
    pub(crate) id: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) asn: Asn,
    /// The AS of this side.
    pub(crate) local_as: Asn,
    /// Families in which it may send several paths of a prefix.
    pub(crate) add_path: Families,
    /// Families that both sides have.
    pub(crate) families: Families,
    /// When its session began: microseconds since 1970.
    pub(crate) since: u64,
}

impl Listed {
    /// A peer whose OPEN was accepted.
    pub(super) fn new(peer: &Peer, id: PeerId, parameters: &Parameters) -> Arc<Self> {
        Arc::new(Self {
            id,
            address: peer.address,
            router_id: parameters.peer_identifier,
            asn: parameters.peer_as,
            local_as: parameters.local_as,
            add_path: parameters.add_path.clone(),
            families: parameters.families.clone(),
            since: runtime::clock::now(),
        })
    }

    /// The peer as flows find it.
    pub(super) fn correlated(&self) -> correlate::peers::Peer {
        correlate::peers::Peer {
            id: self.id,
            address: self.address.ip(),
            port: self.address.port(),
            router_id: self.router_id,
            local_as: self.local_as,
            add_path: self.add_path.iter().collect(),
        }
    }

    /// The peer as outputs show it.
    pub(super) fn shown(&self, format: &route_log::Format) -> route_log::Peer {
        route_log::Peer::bgp(format, self.address.ip(), self.address.port(), self.router_id)
    }
}

impl Origin for Listed {
    fn id(&self) -> Option<PeerId> {
        Some(self.id)
    }

    fn local_as(&self) -> Asn {
        self.local_as
    }
}
