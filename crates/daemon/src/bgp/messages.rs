//! The message log: what peers announce and withdraw, and when their sessions begin and end.

use super::collector::Peer;
use super::service::Shared;
use super::settings::Settings;
use super::validator::Validator;
use bgp::attribute::AttributeSet;
use bgp::message::Message;
use bgp::update::Block;
use bgp_session::Parameters;
use event_log::{Encoding, Log};
use maps::routing_tag::RoutingTagMap;
use mrt::StateChange;
use rib::{NO_LABEL, Nlri, Rib, Route, TableKey};
use route_log::message::{MessageEvent, StateEvent};
use route_log::{
    Format, Fragment, LabelFilter, LogType, Marker, MarkerKind, Renderer, RouteEvent, RouteKind, Tags, Target,
};
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Afi, Community, Safi};

/// States of a session in MRT (RFC 6396 section 4.4.1).
const IDLE: u16 = 1;
const OPEN_CONFIRM: u16 = 5;
const ESTABLISHED: u16 = 6;

/// The log.
pub(super) struct MessageLog {
    log: Log,
    format: Format,
    filter: LabelFilter,
    attributes: Rendered,
    tagger: Tagger,
    validator: Validator,
}

impl MessageLog {
    pub(super) fn new(log: Log, settings: &Settings, shared: &Arc<Shared>, validator: Validator) -> Self {
        Self {
            attributes: Rendered::new(&settings.format, log.encoding()),
            tagger: Tagger::new(settings, shared),
            format: settings.format,
            filter: settings.label_filter.clone(),
            validator,
            log,
        }
    }

    /// Whether messages are logged as they are, instead of the routes in them.
    fn has_messages(&self) -> bool {
        self.log.encoding() == Encoding::Mrt
    }

    /// A peer has connected.
    pub(super) fn connected(&mut self, peer: &Peer) {
        self.mark(peer, MarkerKind::LogInit);
    }

    /// The connection of a peer has ended, and its routes are gone.
    pub(super) fn disconnected(&mut self, peer: &Peer) {
        if peer.is_established {
            self.state(peer, ESTABLISHED, IDLE);
        }
        self.mark(peer, MarkerKind::LogClose);
    }

    fn mark(&mut self, peer: &Peer, kind: MarkerKind<'_>) {
        let map = self.tagger.map();
        let tags = Tagger::tags(map.as_deref(), peer.ip(), &[]);
        self.log.add(&Marker { format: &self.format, peer: &peer.shown, kind, tags });
    }

    /// Both sides have sent their OPENs.
    pub(super) fn opened(&mut self, peer: &Peer, parameters: &Parameters) {
        if self.has_messages() {
            self.message(peer, &parameters.received_open, false);
            self.message(peer, &parameters.sent_open, true);
        }
    }

    /// The session of a peer is established.
    pub(super) fn established(&mut self, peer: &Peer) {
        self.state(peer, OPEN_CONFIRM, ESTABLISHED);
    }

    fn state(&mut self, peer: &Peer, old: u16, new: u16) {
        if self.has_messages() {
            let change = StateChange { old, new };
            self.log.add(&StateEvent { peer: &peer.shown, session: peer.mrt_session(), change });
        }
    }

    fn message(&mut self, peer: &Peer, octets: &[u8], is_local: bool) {
        let (asn4, has_path_ids) = (peer.has_asn4(), peer.has_any_path_ids());
        let message = mrt::Message { octets, is_local, asn4, has_path_ids };
        self.log.add(&MessageEvent { peer: &peer.shown, session: peer.mrt_session(), message });
    }

    /// An UPDATE, before the routes in it. False if these are not logged.
    pub(super) fn updated(&mut self, peer: &Peer, message: Message<'_>) -> bool {
        let has_messages = self.has_messages();
        if has_messages {
            self.message(peer, message.octets(), false);
        }
        !has_messages
    }

    /// Routes that a peer announced. `rib`: with these routes, if there is one.
    pub(super) fn announced(&mut self, peer: &Peer, block: &Block<'_>, rib: Option<&Rib>) {
        let map = self.tagger.map();
        let tags = Tagger::of_set(map.as_deref(), peer.ip(), block.attributes);
        if !self.filter.passes(tags.label) {
            return;
        }
        let attributes = self.attributes.render(block.attributes.as_bytes(), block.afi, block.safi);
        let validation = self.validator.enter();
        for entry in block.entries() {
            let mut route = route_log::Route::of_update(block.afi, block.safi, &entry);
            if let (Some(validation), Target::Prefix { prefix, rd, .. }) = (&validation, route.target) {
                let letter = validation.letter(peer, (block.safi, rd), &prefix, block.attributes, rib);
                route = route.with_roa(letter);
            }
            let kind = RouteKind::Log(LogType::Update);
            let attributes = Some(attributes.as_ref());
            let event = RouteEvent { tags, attributes, ..RouteEvent::new(&self.format, &peer.shown, kind, route) };
            self.log.add(&event);
        }
    }

    /// Routes that a peer withdrew, without a RIB that could tell whether they were there.
    pub(super) fn withdrawn_unknown(&mut self, peer: &Peer, block: &Block<'_>) {
        let map = self.tagger.map();
        let tags = Tagger::tags(map.as_deref(), peer.ip(), &[]);
        if !self.filter.passes(tags.label) {
            return;
        }
        for entry in block.entries() {
            let route = route_log::Route::of_update(block.afi, block.safi, &entry);
            let kind = RouteKind::Log(LogType::Withdraw);
            self.log.add(&RouteEvent { tags, ..RouteEvent::new(&self.format, &peer.shown, kind, route) });
        }
    }

    /// A route that a peer withdrew, or whose session has ended.
    pub(super) fn removed(
        &mut self,
        peer: &Peer,
        kind: LogType,
        (table, nlri): (TableKey, Nlri<'_>),
        route: &Route,
        attributes: &[u8],
    ) {
        if self.has_messages() {
            return;
        }
        let map = self.tagger.map();
        let set = AttributeSet::new(attributes);
        let tags = Tagger::of_set(map.as_deref(), peer.ip(), set);
        if !self.filter.passes(tags.label) {
            return;
        }
        let (afi, safi) = table.family();
        let mut shown = route_of(table, nlri, route, peer.has_path_ids(afi, safi));
        if let (Some(validation), Target::Prefix { prefix, rd, .. }) = (self.validator.enter(), shown.target) {
            shown = shown.with_roa(validation.letter(peer, (safi, rd), &prefix, set, None));
        }
        let attributes = Some(self.attributes.render(attributes, afi, safi).as_ref());
        let event = RouteEvent::new(&self.format, &peer.shown, RouteKind::Log(kind), shown);
        self.log.add(&RouteEvent { tags, attributes, ..event });
    }

    /// A peer has sent all its routes of a family.
    pub(super) fn end_of_rib(&mut self, peer: &Peer, afi: Afi, safi: Safi) {
        let map = self.tagger.map();
        let tags = Tagger::tags(map.as_deref(), peer.ip(), &[]);
        if self.filter.passes(tags.label) {
            let route = route_log::Route::end_of_rib(afi, safi);
            let kind = RouteKind::Log(LogType::EndOfRib);
            self.log.add(&RouteEvent { tags, ..RouteEvent::new(&self.format, &peer.shown, kind, route) });
        }
    }

    pub(super) fn flush(&mut self) {
        self.log.flush();
    }

    pub(super) fn reopen(&mut self) {
        self.log.reopen();
    }

    /// Writes the rest. Returns the number of events that were dropped.
    pub(super) fn end(self) -> u64 {
        self.log.end()
    }
}

/// A route of the RIB as outputs show it.
pub(super) fn route_of<'a>(
    table: TableKey,
    nlri: Nlri<'a>,
    route: &Route,
    has_path_ids: bool,
) -> route_log::Route<'a> {
    let (afi, safi) = table.family();
    let rd = match table {
        TableKey::Vpn(_, rd) => Some(rd),
        _ => None,
    };
    let label = (route.label != NO_LABEL).then_some(route.label);
    let target = match nlri {
        Nlri::Prefix(prefix) => Target::Prefix { prefix, rd, label },
        Nlri::Octets(octets) => Target::Other(octets),
    };
    let path_id = has_path_ids.then_some(route.path_id);
    route_log::Route { afi, safi, target, path_id, roa: None, rd_origin: "bgp" }
}

/// The attribute set that was rendered last: routes with equal sets follow each other.
struct Rendered {
    renderer: Renderer,
    last: Option<(Vec<u8>, u8)>,
    fragment: Fragment,
}

impl Rendered {
    fn new(format: &Format, encoding: Encoding) -> Self {
        Self { renderer: Renderer::new(format, encoding), last: None, fragment: Fragment::default() }
    }

    fn render(&mut self, octets: &[u8], afi: Afi, safi: Safi) -> &Fragment {
        let form = route_log::attributes::form((afi, safi));
        let is_same = self.last.as_ref().is_some_and(|(last, of)| last == octets && *of == form);
        if !is_same {
            self.renderer.render(AttributeSet::new(octets), afi, safi, &mut self.fragment);
            let (last, of) = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(octets);
            *of = form;
        }
        &self.fragment
    }
}

/// Tags and labels by `bgp_daemon_tag_map`.
#[derive(Clone, Default)]
pub(super) struct Tagger {
    /// `None` if no map is configured.
    shared: Option<Arc<Shared>>,
}

impl Tagger {
    pub(super) fn new(settings: &Settings, shared: &Arc<Shared>) -> Self {
        Self { shared: settings.sources.tags.is_some().then(|| Arc::clone(shared)) }
    }

    /// The map as it is now.
    pub(super) fn map(&self) -> Option<Arc<RoutingTagMap>> {
        self.shared.as_ref()?.loaded().tags
    }

    fn tags<'a>(map: Option<&'a RoutingTagMap>, peer: IpAddr, communities: &[Community]) -> Tags<'a> {
        let Some(map) = map else { return Tags::default() };
        let maps::routing_tag::Tags { tag, label } = map.tags(peer, communities);
        Tags { tag, label }
    }

    /// The tags of a route.
    pub(super) fn of_set<'a>(map: Option<&'a RoutingTagMap>, peer: IpAddr, set: AttributeSet<'_>) -> Tags<'a> {
        match map {
            None => Tags::default(),
            Some(_) => Self::tags(map, peer, &set.communities().collect::<Vec<_>>()),
        }
    }

    /// The tags of an event that is not about a route.
    pub(super) fn of_peer(map: Option<&RoutingTagMap>, peer: IpAddr) -> Tags<'_> {
        Self::tags(map, peer, &[])
    }
}
