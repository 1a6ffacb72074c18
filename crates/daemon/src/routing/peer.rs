//! A peer, as the RIB and outputs know it.

use bgp::update::Families;
use rib::PeerId;
use std::net::IpAddr;
use wire::{Afi, Asn, Safi};

/// A peer whose routes are stored, logged and shown.
#[derive(Clone, Debug)]
pub(crate) struct RoutePeer {
    /// Its number in the RIB; `None` if its routes are not stored.
    pub(crate) id: Option<PeerId>,
    /// The address of the session in which its routes arrive. The tag map and the log know the peer by it.
    pub(crate) address: IpAddr,
    /// The AS of the other side of its BGP session, which originates routes with an empty path.
    pub(crate) local_as: Asn,
    /// Families in which it sends several paths of a prefix.
    pub(crate) add_path: Families,
    /// As outputs show it.
    pub(crate) shown: route_log::Peer,
}

impl RoutePeer {
    /// Whether path identifiers are received in a family.
    pub(crate) fn has_path_ids(&self, afi: Afi, safi: Safi) -> bool {
        self.add_path.contains(afi, safi)
    }
}
