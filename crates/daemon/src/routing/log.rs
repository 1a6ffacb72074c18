//! The message log: what peers announce and withdraw.

use super::peer::RoutePeer;
use super::tags::{Tagger, tags, tags_of_set};
use super::validator::Validator;
use bgp::attribute::AttributeSet;
use bgp::update::Block;
use event_log::{Encoding, Event, Log};
use rib::{NO_LABEL, Nlri, Rib, Route, TableKey};
use route_log::bmp::RouteTlvs;
use route_log::{
    Format, Fragment, LabelFilter, LogType, Marker, MarkerKind, Renderer, RouteEvent, RouteKind, Target,
};
use wire::{Afi, Safi};

/// What a message says about all of its routes, besides their attributes: nothing in BGP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reported<'a> {
    /// The time by the clock of the router, in the format of the log.
    pub(crate) router_time: Option<&'a str>,
    /// TLVs, each about one of the routes or about all.
    pub(crate) tlvs: Option<&'a RouteTlvs<'a>>,
    /// The number of the first of these routes in the message, from 1; TLVs name routes by it.
    pub(crate) number: u16,
    /// The message is a copy of one that a router received.
    pub(crate) is_mirrored: bool,
}

impl Reported<'_> {
    /// The same, for a later route of the message.
    pub(crate) fn later(self, routes: usize) -> Self {
        let number = usize::from(self.number).saturating_add(routes);
        Self { number: u16::try_from(number).unwrap_or(u16::MAX), ..self }
    }
}

/// The log.
pub(crate) struct RouteLog {
    log: Log,
    format: Format,
    filter: LabelFilter,
    attributes: Rendered,
    tagger: Tagger,
    validator: Validator,
}

impl RouteLog {
    pub(crate) fn new(
        log: Log,
        format: Format,
        filter: LabelFilter,
        tagger: Tagger,
        validator: Validator,
    ) -> Self {
        Self { attributes: Rendered::new(&format, log.encoding()), tagger, format, filter, validator, log }
    }

    /// The encoding of the events.
    pub(crate) fn encoding(&self) -> Encoding {
        self.log.encoding()
    }

    /// The log itself.
    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The number of events that were added so far.
    pub(crate) fn events(&self) -> u64 {
        self.log.events()
    }

    /// The tags of events.
    pub(crate) fn tagger(&self) -> &Tagger {
        &self.tagger
    }

    /// Whether events with a label are logged.
    pub(crate) fn passes(&self, label: Option<&str>) -> bool {
        self.filter.passes(label)
    }

    /// Logs an event that is not about a route.
    pub(crate) fn add(&mut self, event: &impl Event) {
        self.log.add(event);
    }

    /// Logs that a connection has begun or ended.
    pub(crate) fn mark(&mut self, peer: &RoutePeer, kind: MarkerKind<'_>) {
        let map = self.tagger.map();
        let tags = tags(map.as_deref(), peer.address, &[]);
        self.log.add(&Marker { format: &self.format, peer: &peer.shown, kind, tags });
    }

    /// Routes that a peer announced. `rib`: with these routes, if there is one.
    pub(crate) fn announced(
        &mut self,
        peer: &RoutePeer,
        block: &Block<'_>,
        rib: Option<&Rib>,
        reported: Reported<'_>,
    ) {
        let map = self.tagger.map();
        let tags = tags_of_set(map.as_deref(), peer.address, block.attributes);
        if !self.filter.passes(tags.label) {
            return;
        }
        let attributes = self.attributes.render(block.attributes.as_bytes(), block.afi, block.safi);
        let validation = self.validator.enter();
        for (place, entry) in block.entries().enumerate() {
            let mut route = route_log::Route::of_update(block.afi, block.safi, &entry);
            if let (Some(validation), Target::Prefix { prefix, rd, .. }) = (&validation, route.target) {
                let letter = validation.letter(peer, (block.safi, rd), &prefix, block.attributes, rib);
                route = route.with_roa(letter);
            }
            let (kind, reported) = (LogType::Update, reported.later(place));
            let attributes = Some(attributes.as_ref());
            let event = event(&self.format, peer, kind, route, reported);
            self.log.add(&RouteEvent { tags, attributes, ..event });
        }
    }

    /// Routes that a peer withdrew, without a RIB that could tell whether they were there.
    pub(crate) fn withdrawn_unknown(&mut self, peer: &RoutePeer, block: &Block<'_>, reported: Reported<'_>) {
        let map = self.tagger.map();
        let tags = tags(map.as_deref(), peer.address, &[]);
        if !self.filter.passes(tags.label) {
            return;
        }
        for (place, entry) in block.entries().enumerate() {
            let route = route_log::Route::of_update(block.afi, block.safi, &entry);
            let (kind, reported) = (LogType::Withdraw, reported.later(place));
            self.log.add(&RouteEvent { tags, ..event(&self.format, peer, kind, route, reported) });
        }
    }

    /// A route that a peer withdrew, or whose session has ended.
    pub(crate) fn removed(
        &mut self,
        peer: &RoutePeer,
        kind: LogType,
        (table, nlri): (TableKey, Nlri<'_>),
        route: &Route,
        attributes: &[u8],
        reported: Reported<'_>,
    ) {
        let map = self.tagger.map();
        let set = AttributeSet::new(attributes);
        let tags = tags_of_set(map.as_deref(), peer.address, set);
        if !self.filter.passes(tags.label) {
            return;
        }
        let (afi, safi) = table.family();
        let mut shown = route_of(table, nlri, route, peer.has_path_ids(afi, safi));
        if let (Some(validation), Target::Prefix { prefix, rd, .. }) = (self.validator.enter(), shown.target) {
            shown = shown.with_roa(validation.letter(peer, (safi, rd), &prefix, set, None));
        }
        let attributes = Some(self.attributes.render(attributes, afi, safi).as_ref());
        let event = event(&self.format, peer, kind, shown, reported);
        self.log.add(&RouteEvent { tags, attributes, ..event });
    }

    /// A peer has sent all its routes of a family.
    pub(crate) fn end_of_rib(&mut self, peer: &RoutePeer, (afi, safi): (Afi, Safi), reported: Reported<'_>) {
        let map = self.tagger.map();
        let tags = tags(map.as_deref(), peer.address, &[]);
        if self.filter.passes(tags.label) {
            let route = route_log::Route::end_of_rib(afi, safi);
            let kind = LogType::EndOfRib;
            self.log.add(&RouteEvent { tags, ..event(&self.format, peer, kind, route, reported) });
        }
    }

    pub(crate) fn flush(&mut self) {
        self.log.flush();
    }

    pub(crate) fn reopen(&mut self) {
        self.log.reopen();
    }

    /// Writes the rest. Returns the number of events that were dropped.
    pub(crate) fn end(self) -> u64 {
        self.log.end()
    }
}

/// An event without tags and attributes.
fn event<'a>(
    format: &'a Format,
    peer: &'a RoutePeer,
    kind: LogType,
    route: route_log::Route<'a>,
    reported: Reported<'a>,
) -> RouteEvent<'a> {
    let kind = if reported.is_mirrored { RouteKind::Mirrored(kind) } else { RouteKind::Log(kind) };
    RouteEvent {
        router_time: reported.router_time,
        tlvs: reported.tlvs.map(|tlvs| (tlvs, reported.number)),
        ..RouteEvent::new(format, &peer.shown, kind, route)
    }
}

/// A route of the RIB as outputs show it.
pub(crate) fn route_of<'a>(
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
