//! The peers with routes in the RIB, for other threads: dumps, queries, metrics.

use super::collector::Peer;
use crate::routing::peer::RoutePeer;
use bgp::update::Families;
use rib::PeerId;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use wire::{Afi, Asn, Safi};

/// Families whose End-of-RIB is remembered: those in which single routes are looked up.
const LOOKED_UP: [(Afi, Safi); 6] = [
    (Afi::IPV4, Safi::UNICAST),
    (Afi::IPV6, Safi::UNICAST),
    (Afi::IPV4, Safi::LABELED_UNICAST),
    (Afi::IPV6, Safi::LABELED_UNICAST),
    (Afi::IPV4, Safi::MPLS_VPN),
    (Afi::IPV6, Safi::MPLS_VPN),
];

/// A peer.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its number in the RIB.
    pub(crate) id: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) asn: Asn,
    /// As the RIB and outputs know it.
    pub(crate) route: Arc<RoutePeer>,
    /// Families that both sides have.
    #[cfg_attr(not(any(feature = "http", feature = "zmq")), expect(dead_code, reason = "queries read it"))]
    pub(crate) families: Families,
    /// When its session began: microseconds since 1970.
    pub(crate) since: u64,
    /// A bit for each of [`LOOKED_UP`].
    end_of_ribs: AtomicU8,
}

impl Listed {
    /// A peer whose OPEN was accepted.
    pub(super) fn new(peer: &Peer, id: PeerId, families: Families) -> Arc<Self> {
        Arc::new(Self {
            id,
            address: peer.address,
            router_id: peer.router_id.unwrap_or(Ipv4Addr::UNSPECIFIED),
            asn: peer.asn,
            route: Arc::clone(&peer.route),
            families,
            since: runtime::clock::now(),
            end_of_ribs: AtomicU8::new(0),
        })
    }

    /// The peer has sent all its routes of a family.
    pub(super) fn add_end_of_rib(&self, afi: Afi, safi: Safi) {
        self.end_of_ribs.fetch_or(bit(afi, safi), Ordering::Relaxed);
    }

    /// Whether the peer has sent all its routes of a family. Always false for families that are not looked up.
    #[cfg(feature = "zmq")]
    pub(super) fn has_end_of_rib(&self, afi: Afi, safi: Safi) -> bool {
        self.end_of_ribs.load(Ordering::Relaxed) & bit(afi, safi) != 0
    }

    /// The peer as flows find it.
    pub(super) fn correlated(&self) -> correlate::peers::Peer {
        correlate::peers::Peer {
            id: self.id,
            address: self.address.ip(),
            port: self.address.port(),
            router_id: self.router_id,
            local_as: self.route.local_as,
            add_path: self.route.add_path.iter().collect(),
        }
    }
}

/// The bit of a family; none of other families.
fn bit(afi: Afi, safi: Safi) -> u8 {
    LOOKED_UP.iter().position(|family| *family == (afi, safi)).map_or(0, |position| 1 << position)
}
