//! Table dumps: the routes of all peers, at times on the clock, on a thread of their own.

use super::messages::{Tagger, route_of};
use super::peers::Listed;
use super::service::Shared;
use super::settings::{DumpSettings, Settings};
use super::validator::Validator;
use bgp::attribute::AttributeSet;
use correlate::Routes;
use event_log::dump::{Rows, Run, Writer};
use event_log::{Dump, Encoding};
use mrt::PeerIndex;
use rib::{AttributesKey, Cursor, Nlri, Route, TableKey};
use route_log::{Format, Fragments, Marker, MarkerKind, Renderer, RouteEvent, RouteKind, Target};
use runtime::clock;
use runtime::events::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;
use wire::Prefix;

/// Prefixes and routes read from the table at a time.
const BUDGET: usize = 256;

/// What the thread of dumps needs.
pub(super) struct Dumps {
    pub(super) settings: Arc<Settings>,
    pub(super) schedule: DumpSettings,
    pub(super) shared: Arc<Shared>,
    pub(super) routes: Arc<Routes>,
    pub(super) validator: Validator,
}

/// A peer, and its position among the peers of a dump.
struct Table {
    peer: Arc<Listed>,
    shown: route_log::Peer,
}

impl Dumps {
    /// Dumps tables until the daemon stops. Returns the number of rows that could not be written.
    pub(super) fn run(self, mut dump: Dump, stop: &Stop) -> u64 {
        loop {
            let now = clock::now();
            let due = self.schedule.schedule.next_after(now / 1_000_000);
            let wait = due.seconds.saturating_mul(1_000_000).saturating_sub(now);
            if stop.pause(Duration::from_micros(wait)) {
                return dump.end();
            }
            self.dump(&mut dump, due.seconds, due.slot, stop);
        }
    }

    /// Dumps the tables of the peers of a slot.
    fn dump(&self, dump: &mut Dump, seconds: u64, slot: u32, stop: &Stop) {
        let schedule = &self.schedule.schedule;
        let peers = self.shared.peers();
        let peers = peers.into_iter().filter(|peer| schedule.slot_of(peer.address.ip()) == slot);
        let tables: Vec<Table> = (0..).zip(peers).map(|(index, peer)| self.table(index, peer)).collect();
        let index = (dump.encoding() == Encoding::Mrt).then(|| self.index(&tables));
        let pid = std::process::id();
        info!("*** Dumping BGP tables - START (PID: {pid}, SLOT: {}/{}) ***", slot + 1, schedule.slots);
        let (begun, entries) = (Instant::now(), std::sync::atomic::AtomicU64::new(0));
        let encoding = dump.encoding();
        dump.run(seconds, &tables, |run, writer, table| {
            let count = self.write(run, writer, table, encoding, index.as_ref(), stop);
            entries.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        });
        info!(
            "*** Dumping BGP tables - END (PID: {pid}, PEERS: {} ENTRIES: {} ET: {}) ***",
            tables.len(),
            entries.into_inner(),
            begun.elapsed().as_secs()
        );
    }

    fn table(&self, index: u16, peer: Arc<Listed>) -> Table {
        let since = u32::try_from(peer.since / 1_000_000).unwrap_or(u32::MAX);
        let shown = peer.shown(&self.settings.format).with_mrt(index, since);
        Table { peer, shown }
    }

    /// The peers of a dump in MRT.
    fn index(&self, tables: &[Table]) -> PeerIndex {
        let peers = tables.iter().map(|Table { peer, .. }| mrt::Peer {
            bgp_id: peer.router_id,
            address: peer.address.ip(),
            asn: peer.asn,
        });
        PeerIndex { collector: self.settings.router_id, view: String::new(), peers: peers.collect() }
    }

    /// Writes the table of a peer. Returns the number of its routes.
    fn write(
        &self,
        run: &Run<'_>,
        writer: &mut Writer,
        table: &Table,
        encoding: Encoding,
        index: Option<&PeerIndex>,
        stop: &Stop,
    ) -> u64 {
        let format = &self.settings.format;
        let tagger = Tagger::new(&self.settings, &self.shared);
        let map = tagger.map();
        let tags = Tagger::of_peer(map.as_deref(), table.peer.address.ip());
        let mark = |kind| Marker { format, peer: &table.shown, kind, tags };
        let begin = mark(MarkerKind::DumpInit { period: self.schedule.schedule.refresh, peers: index });
        let mut rows = TableRows {
            dumps: self,
            table,
            format,
            map: map.as_deref(),
            renderer: Renderer::new(format, encoding),
            fragments: Fragments::new(Fragments::<(AttributesKey, u8)>::DEFAULT_BYTES),
            found: Vec::new(),
            octets: Vec::new(),
        };
        let mut count = 0;
        run.table(
            writer,
            &begin,
            |out| {
                rows.write(out, stop);
                count = out.count();
            },
            |entries| mark(MarkerKind::DumpClose { entries, tables: 1 }),
        );
        count
    }
}

/// The routes of a peer on their way to a dump.
struct TableRows<'a> {
    dumps: &'a Dumps,
    table: &'a Table,
    format: &'a Format,
    map: Option<&'a maps::routing_tag::RoutingTagMap>,
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

impl TableRows<'_> {
    fn write(&mut self, out: &mut Rows<'_>, stop: &Stop) {
        let mut cursor = Cursor::all();
        // A dump of many routes must not delay shutdown: what is written then is not complete, and has no end.
        while !stop.is_requested() {
            let more = self.read(&mut cursor);
            self.write_found(out);
            if !more {
                break;
            }
        }
    }

    /// Reads some routes. True if there are more.
    fn read(&mut self, cursor: &mut Cursor) -> bool {
        let Self { dumps, table, found, octets, .. } = self;
        found.clear();
        octets.clear();
        let validation = dumps.validator.enter();
        let rib = dumps.routes.rib().read();
        let (mut last, mut place) = (None, (0, 0));
        rib.visit_peer(cursor, BUDGET, table.peer.id, |key, nlri, route| {
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
                validation.letter(&*table.peer, (safi, rd), &prefix, AttributeSet::new(set), Some(&rib))
            });
            let attributes_key = rib.attributes_key(route.attributes);
            found.push(Found { table: key, nlri, route, key: attributes_key, attributes: place, roa });
        })
    }

    fn write_found(&mut self, out: &mut Rows<'_>) {
        let Self { table, format, map, renderer, fragments, found, octets, .. } = self;
        for Found { table: key, nlri, route, key: attributes_key, attributes: (start, end), roa } in found {
            let (afi, safi) = key.family();
            let set = AttributeSet::new(octets.get(*start..*end).unwrap_or_default());
            let form = route_log::attributes::form((afi, safi));
            let fragment = fragments.get((*attributes_key, form), |out| renderer.render(set, afi, safi, out));
            let nlri = match nlri {
                FoundNlri::Prefix(prefix) => Nlri::Prefix(*prefix),
                FoundNlri::Octets(start, end) => Nlri::Octets(octets.get(*start..*end).unwrap_or_default()),
            };
            let mut shown = route_of(*key, nlri, route, table.peer.add_path.contains(afi, safi));
            if let (Some(letter), Target::Prefix { .. }) = (*roa, shown.target) {
                shown = shown.with_roa(letter);
            }
            let tags = Tagger::of_set(*map, table.peer.address.ip(), set);
            let event = RouteEvent::new(format, &table.shown, RouteKind::Dump, shown);
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
