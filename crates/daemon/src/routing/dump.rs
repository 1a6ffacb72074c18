//! Table dumps: when they are due, and the routes of a peer.

use super::log::route_of;
use super::peer::RoutePeer;
use super::tags::tags_of_set;
use super::validator::Validator;
use bgp::attribute::AttributeSet;
use event_log::dump::Rows;
use event_log::schedule::Due;
use event_log::{Dump, Encoding, Schedule};
use maps::routing_tag::RoutingTagMap;
use rib::{AttributesKey, Cursor, Nlri, Route, SharedRib, TableKey};
use route_log::{Format, Fragments, Renderer, RouteEvent, RouteKind, Target};
use runtime::clock;
use runtime::events::Stop;
use std::time::Duration;
use wire::Prefix;

/// Prefixes and routes read from the table at a time.
const BUDGET: usize = 256;

/// Calls `write` when a dump is due, until the daemon stops. Returns the number of rows that could not be written.
pub(crate) fn run(mut dump: Dump, schedule: &Schedule, stop: &Stop, mut write: impl FnMut(&mut Dump, Due)) -> u64 {
    loop {
        let now = clock::now();
        let due = schedule.next_after(now / 1_000_000);
        let wait = due.seconds.saturating_mul(1_000_000).saturating_sub(now);
        if stop.pause(Duration::from_micros(wait)) {
            return dump.end();
        }
        write(&mut dump, due);
    }
}

/// What routes are read from, and what is added to them.
#[derive(Clone, Copy)]
pub(crate) struct RibReader<'a> {
    pub(crate) rib: &'a SharedRib,
    pub(crate) validator: &'a Validator,
    pub(crate) map: Option<&'a RoutingTagMap>,
    pub(crate) format: &'a Format,
}

/// The routes of peers on their way to a dump.
pub(crate) struct TableRows<'a> {
    reader: RibReader<'a>,
    renderer: Renderer,
    fragments: Fragments<(AttributesKey, u8)>,
    /// Routes read from the table, to be written after it was left.
    found: Vec<Found>,
    /// The octets of NLRI of other families, and of attribute sets.
    octets: Vec<u8>,
}

/// A route, with the places of its NLRI and attributes.
struct Found {
    table: TableKey,
    nlri: FoundNlri,
    route: Route,
    key: AttributesKey,
    attributes: (usize, usize),
    roa: Option<u8>,
}

enum FoundNlri {
    Prefix(Prefix),
    Octets(usize, usize),
}

impl<'a> TableRows<'a> {
    pub(crate) fn new(reader: RibReader<'a>, encoding: Encoding) -> Self {
        Self {
            renderer: Renderer::new(reader.format, encoding),
            reader,
            fragments: Fragments::new(Fragments::<(AttributesKey, u8)>::DEFAULT_BYTES),
            found: Vec::new(),
            octets: Vec::new(),
        }
    }

    /// Writes the routes of a peer. `shown`: the peer in this dump.
    pub(crate) fn write(&mut self, peer: &RoutePeer, shown: &route_log::Peer, out: &mut Rows<'_>, stop: &Stop) {
        let mut cursor = Cursor::all();
        // A dump of many routes must not delay shutdown: what is written then is not complete, and has no end.
        while !stop.is_requested() {
            let more = self.read(&mut cursor, peer);
            self.write_found(peer, shown, out);
            if !more {
                break;
            }
        }
    }

    /// Reads some routes. True if there are more.
    fn read(&mut self, cursor: &mut Cursor, peer: &RoutePeer) -> bool {
        let Self { reader, found, octets, .. } = self;
        found.clear();
        octets.clear();
        let Some(id) = peer.id else { return false };
        let validation = reader.validator.enter();
        let rib = reader.rib.read();
        let (mut last, mut place) = (None, (0, 0));
        rib.visit_peer(cursor, BUDGET, id, |key, nlri, route| {
            let set = rib.attributes(route.attributes);
            if last != Some(route.attributes) {
                let start = octets.len();
                octets.extend_from_slice(set);
                (last, place) = (Some(route.attributes), (start, octets.len()));
            }
            let (_, safi) = key.family();
            let nlri = match nlri {
                Nlri::Prefix(prefix) => FoundNlri::Prefix(prefix),
                Nlri::Octets(nlri) => {
                    let start = octets.len();
                    octets.extend_from_slice(nlri);
                    FoundNlri::Octets(start, octets.len())
                }
            };
            let roa = validation.as_ref().zip(prefix_of(&nlri)).map(|(validation, prefix)| {
                let rd = match key {
                    TableKey::Vpn(_, rd) => Some(rd),
                    _ => None,
                };
                validation.letter(peer, (safi, rd), &prefix, AttributeSet::new(set), Some(&rib))
            });
            let attributes_key = rib.attributes_key(route.attributes);
            found.push(Found { table: key, nlri, route, key: attributes_key, attributes: place, roa });
        })
    }

    fn write_found(&mut self, peer: &RoutePeer, shown: &route_log::Peer, out: &mut Rows<'_>) {
        let Self { reader: RibReader { map, format, .. }, renderer, fragments, found, octets } = self;
        for Found { table: key, nlri, route, key: attributes_key, attributes: (start, end), roa } in found {
            let (afi, safi) = key.family();
            let set = AttributeSet::new(octets.get(*start..*end).unwrap_or_default());
            let form = route_log::attributes::form((afi, safi));
            let fragment = fragments.get((*attributes_key, form), |out| renderer.render(set, afi, safi, out));
            let nlri = match nlri {
                FoundNlri::Prefix(prefix) => Nlri::Prefix(*prefix),
                FoundNlri::Octets(start, end) => Nlri::Octets(octets.get(*start..*end).unwrap_or_default()),
            };
            let mut described = route_of(*key, nlri, route, peer.has_path_ids(afi, safi));
            if let (Some(letter), Target::Prefix { .. }) = (*roa, described.target) {
                described = described.with_roa(letter);
            }
            let tags = tags_of_set(*map, peer.address, set);
            let event = RouteEvent::new(format, shown, RouteKind::Dump, described);
            out.add(&RouteEvent { tags, attributes: Some(fragment), ..event });
        }
    }
}

fn prefix_of(nlri: &FoundNlri) -> Option<Prefix> {
    match nlri {
        FoundNlri::Prefix(prefix) => Some(*prefix),
        FoundNlri::Octets(..) => None,
    }
}
