//! What is looked up, and where the results go: the settings of the correlation.

use crate::routers::Preference;
use crate::shown::Shaping;
use maps::routes::{AgentMap, NextHopMap};
use std::net::IpAddr;
use std::sync::Arc;
use wire::Prefix;

/// Where a value of a row comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Not from routes.
    #[default]
    Other,
    /// From routes; nothing without one.
    Routes,
    /// From the route if its prefix is at least as long as that of the record, otherwise from the record.
    Longest,
}

/// Where the neighbour that traffic came from is known from (`bgp_peer_src_as_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerSource {
    /// The record; nothing where AS numbers come from routes.
    #[default]
    Record,
    /// The route to the source; nothing where AS numbers come from records.
    Route,
    /// The route to the source, or the record where AS numbers come from it.
    Longest,
    /// A map, which may leave it to the route.
    Map,
}

/// Where an attribute of the route to the source is known from (`bgp_src_..._type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceAttribute {
    /// Nowhere.
    #[default]
    None,
    /// The route to the source.
    Route,
    /// A map, which may leave it to the route.
    Map,
}

/// Attributes of the route to the source that rows get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceAttributes {
    /// `bgp_src_as_path_type: bgp`.
    pub path: bool,
    /// `bgp_src_std_comm_type: bgp`.
    pub communities: bool,
    /// `bgp_src_ext_comm_type: bgp`.
    pub extended: bool,
    /// `bgp_src_lrg_comm_type: bgp`.
    pub large: bool,
    /// `bgp_src_roa_type: bgp`.
    pub roa: bool,
    /// `bgp_src_local_pref_type`.
    pub local_pref: SourceAttribute,
    /// `bgp_src_med_type`.
    pub med: SourceAttribute,
    /// `bgp_peer_src_as_type`.
    pub peer: PeerSource,
}

/// How peers and routes are found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `bgp_disable_router_id_check`: peers are found by the address of their session alone.
    pub by_session_only: bool,
    /// `bgp_follow_default`: how often a default route is followed to the peer at its next hop.
    pub follow_default: u32,
    /// `bgp_follow_nexthop`: next hops that are followed to the peer with that address.
    pub follow_next_hop: Vec<Prefix>,
    /// `bgp_follow_nexthop_external`: the next hop outside of these networks is used.
    pub follow_external: bool,
    /// `bmp_rib_preference`: which RIBs of BMP are looked up, and in which order.
    pub preference: Preference,
    /// The exporter sends route distinguishers, or a map adds them; captured packets have none.
    pub has_distinguishers: bool,
}

impl Search {
    /// True if this next hop is to be followed.
    pub(crate) fn follows(&self, next_hop: IpAddr) -> bool {
        self.follow_next_hop.iter().any(|prefix| prefix.contains(next_hop))
    }
}

/// The settings of the correlation.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Source of AS numbers and of the attributes of routes (`nfacctd_as`).
    pub ases: Source,
    /// Source of networks and next hops (`nfacctd_net`).
    pub nets: Source,
    /// Attributes of the route to the source.
    pub source: SourceAttributes,
    /// How attributes are shown.
    pub shaping: Shaping,
    /// How peers and routes are found.
    pub search: Search,
}

/// The operator's maps.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    /// `bgp_agent_map`.
    pub agents: Option<Arc<AgentMap>>,
    /// `bgp_peer_dst_ip_map`.
    pub next_hops: Option<Arc<NextHopMap>>,
}
