//! Routes of the RIB as JSON, for queries over HTTP and for the looking glass.

use super::log::route_of;
use super::peer::RoutePeer;
use super::tags::{Tagger, tags_of_set};
use super::validator::Validator;
use bgp::attribute::AttributeSet;
use event_log::Encoding;
use rib::{Nlri, Rib, Route, TableKey};
use route_log::{Format, Fragment, Renderer, RouteEvent, RouteKind, Target};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wire::Prefix;

/// Finds routes of some peers and shows them.
pub(crate) struct Lookup {
    /// By slot.
    peers: HashMap<usize, Arc<RoutePeer>>,
    validator: Validator,
    tagger: Tagger,
    renderer: Renderer,
    fragment: Fragment,
    format: Format,
}

impl Lookup {
    /// Shows only the routes of these peers.
    pub(crate) fn new(
        peers: impl IntoIterator<Item = Arc<RoutePeer>>,
        validator: Validator,
        tagger: Tagger,
        format: Format,
    ) -> Self {
        let peers = peers.into_iter().filter_map(|peer| Some((peer.id?.slot(), peer)));
        Self {
            peers: peers.collect(),
            validator,
            tagger,
            renderer: Renderer::new(&format, Encoding::Json),
            fragment: Fragment::default(),
            format,
        }
    }

    /// The peer of a route, if its routes are shown.
    fn peer_of(&self, route: &Route) -> Option<&Arc<RoutePeer>> {
        self.peers.get(&route.peer.slot()).filter(|peer| peer.id == Some(route.peer))
    }

    /// Calls `found` for the routes of a prefix, or for those of the longest prefix that covers it, which each peer has its own of.
    pub(crate) fn find(
        &mut self,
        rib: &Rib,
        key: TableKey,
        prefix: Prefix,
        is_longest: bool,
        mut found: impl FnMut(&mut Self, Nlri<'_>, &Route),
    ) {
        let Some(table) = rib.table(key) else { return };
        if !is_longest {
            let routes = table.exact(prefix.into()).into_iter().flatten();
            return routes.for_each(|route| found(self, prefix.into(), &route));
        }
        let mut done = HashSet::new();
        let _ = table.covering_prefix(prefix, |length, routes| {
            let shorter = Prefix::new(prefix.address(), length)?;
            let mut new = Vec::new();
            for route in routes.filter(|route| !done.contains(&route.peer)) {
                if self.peer_of(&route).is_some() {
                    found(self, shorter.into(), &route);
                    new.push(route.peer);
                }
            }
            done.extend(new);
            (done.len() >= self.peers.len()).then_some(())
        });
    }

    /// Appends a route as a JSON object. False if routes of its peer are not shown.
    pub(crate) fn show(
        &mut self,
        rib: &Rib,
        key: TableKey,
        nlri: Nlri<'_>,
        route: &Route,
        out: &mut Vec<u8>,
    ) -> bool {
        let (afi, safi) = key.family();
        let set = AttributeSet::new(rib.attributes(route.attributes));
        let Some(peer) = self.peer_of(route).map(Arc::clone) else { return false };
        self.renderer.render(set, afi, safi, &mut self.fragment);
        let mut described = route_of(key, nlri, route, peer.has_path_ids(afi, safi));
        if let (Some(validation), Target::Prefix { prefix, rd, .. }) = (self.validator.enter(), described.target) {
            described = described.with_roa(validation.letter(&peer, (safi, rd), &prefix, set, Some(rib)));
        }
        let map = self.tagger.map();
        let tags = tags_of_set(map.as_deref(), peer.address, set);
        let event = RouteEvent::new(&self.format, &peer.shown, RouteKind::LookingGlass, described);
        RouteEvent { tags, attributes: Some(self.fragment.as_ref()), ..event }.looking_glass(out);
        true
    }
}
