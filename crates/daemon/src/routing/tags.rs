//! Tags and labels by `bgp_daemon_tag_map` or `bmp_daemon_tag_map`.

use bgp::attribute::AttributeSet;
use maps::routing_tag::RoutingTagMap;
use route_log::Tags;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use wire::Community;

/// The map, which a reload replaces. Copies share it.
#[derive(Clone, Default)]
pub(crate) struct Tagger {
    /// `None` if no map is configured.
    map: Option<Arc<RwLock<Arc<RoutingTagMap>>>>,
}

impl Tagger {
    pub(crate) fn new(map: Option<Arc<RoutingTagMap>>) -> Self {
        Self { map: map.map(|map| Arc::new(RwLock::new(map))) }
    }

    /// Uses another map from now on.
    pub(crate) fn replace(&self, new: Option<Arc<RoutingTagMap>>) {
        if let (Some(map), Some(new)) = (&self.map, new) {
            *map.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    /// The map as it is now.
    pub(crate) fn map(&self) -> Option<Arc<RoutingTagMap>> {
        self.map.as_ref().map(|map| Arc::clone(&map.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The tags of an event. `peer`: the address of the session.
pub(crate) fn tags<'a>(map: Option<&'a RoutingTagMap>, peer: IpAddr, communities: &[Community]) -> Tags<'a> {
    let Some(map) = map else { return Tags::default() };
    let maps::routing_tag::Tags { tag, label } = map.tags(peer, communities);
    Tags { tag, label }
}

/// The tags of a route.
pub(crate) fn tags_of_set<'a>(map: Option<&'a RoutingTagMap>, peer: IpAddr, set: AttributeSet<'_>) -> Tags<'a> {
    match map {
        None => Tags::default(),
        Some(_) => tags(map, peer, &set.communities().collect::<Vec<_>>()),
    }
}
