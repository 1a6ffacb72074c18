//! What happens to the messages of routers: routes go to the RIB, events to the message log and to the next dump.
//!
//! The RIB exists only where something reads it: table dumps, HTTP queries, or flows. Each RIB of each peer of a router is a peer of it.

use super::figures::{Fault, Figures};
use super::messages::MessageLog;
use super::routers::{Listed, MonitoredPeer, MonitoredRib};
use super::service::Shared;
use crate::routing::figures::ErrorOutcome;
use crate::routing::peer::RoutePeer;
use crate::routing::table::RouteTable;
use crate::sessions::memory::Memory;
use ::bmp::message::Message;
use ::bmp::peer::{PeerHeader, RibType};
use bgp::update::{Decoder, Families};
use bmp_session::{Event, Peer, PeerChange, PeerNumber, Received, Rejection};
use correlate::Routes;
use correlate::routers::{Monitored, RouterId, Routers};
use rib::PeerId;
use route_log::bmp::{Format, Stored, omitted_records};
use runtime::log::Limited;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tracing::{debug, warn};
use wire::Asn;

/// Steps of the background work before sessions get their turn.
const STEPS: usize = 8;
/// Minimum time between two log lines of a kind about messages.
const RATE: Duration = Duration::from_secs(10);
/// Minimum time between two log lines about routes of peers that are not up.
const UNKNOWN_RATE: Duration = Duration::from_secs(60);
/// RIBs of a peer.
const RIBS: usize = RibType::ALL.len();

/// A router, from the start of its session to its end.
pub(super) struct Router {
    pub(super) listed: Arc<Listed>,
    /// As the log knows it.
    pub(super) marker: RoutePeer,
    /// As flows find it.
    correlated: Option<RouterId>,
    /// By the number of the peer, then by RIB: those from which a route has come.
    ribs: Vec<[Option<Arc<MonitoredRib>>; RIBS]>,
}

impl Router {
    /// The address of the session.
    fn ip(&self) -> IpAddr {
        self.listed.address.ip()
    }
}

/// The routes of all routers.
pub(super) struct Tables {
    pub(super) table: RouteTable,
    /// The same routes, as flows find them.
    pub(super) correlated: Arc<Routes<Routers>>,
}

/// Log lines about messages.
struct LogLimits {
    rejected: Limited,
    faulty: Limited,
    invalid: Limited,
    skipped: Limited,
    unknown_peer: Limited,
    no_room: Limited,
}

/// Whether the next message may be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Next {
    Continue,
    /// Not before [`Collector::is_leaving`] is false: in the log, the routes of a peer that is down end before it is up again.
    Wait,
}

/// The state of all routers.
pub(super) struct Collector {
    shared: Arc<Shared>,
    decoder: Decoder,
    routes: Option<Tables>,
    log: Option<MessageLog>,
    format: Format,
    /// The memory of events for the next dump; `None` without dumps.
    events: Option<Arc<Memory>>,
    excludes_statistics: bool,
    /// RIBs whose routes are being removed.
    leaving: HashMap<PeerId, Arc<RoutePeer>>,
    /// Routers whose sessions have ended while their routes are still being removed.
    ended: Vec<Router>,
    limits: LogLimits,
}

impl Collector {
    pub(super) fn new(
        shared: Arc<Shared>,
        routes: Option<Tables>,
        log: Option<MessageLog>,
        format: Format,
        events: Option<Arc<Memory>>,
        excludes_statistics: bool,
    ) -> Self {
        Self {
            shared,
            decoder: Decoder::new(),
            routes,
            log,
            format,
            events,
            excludes_statistics,
            leaving: HashMap::new(),
            ended: Vec::new(),
            limits: LogLimits {
                rejected: Limited::new(RATE),
                faulty: Limited::new(RATE),
                invalid: Limited::new(RATE),
                skipped: Limited::new(RATE),
                unknown_peer: Limited::new(UNKNOWN_RATE),
                no_room: Limited::new(RATE),
            },
        }
    }

    fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// The session of a router begins.
    pub(super) fn connected(&mut self, address: SocketAddr, is_from_kafka: bool) -> Router {
        let listed = Listed::new(address, is_from_kafka);
        let router = Router {
            marker: RoutePeer {
                id: None,
                address: address.ip(),
                local_as: Asn(0),
                add_path: Families::new(),
                shown: listed.shown.marker().clone(),
            },
            correlated: self.routes.as_ref().map(|routes| routes.correlated.add_router(address)),
            ribs: Vec::new(),
            listed,
        };
        self.shared.change_routers(|routers| routers.push(Arc::clone(&router.listed)));
        if let Some(log) = &mut self.log {
            log.connected(&router);
            log.flush();
        }
        router
    }

    /// Handles a message of a router.
    pub(super) fn receive(&mut self, router: &mut Router, received: Received<'_>) -> Next {
        let Received { position, octets, fault, event, .. } = received;
        if let Some(fault) = fault {
            self.figures().fault(Fault::Partial);
            if let Some(pass) = self.limits.faulty.pass() {
                let held_back = pass.held_back;
                warn!(held_back, "[{}] BMP message at {position}: {fault}: the rest is used", router.ip());
            }
        }
        if let Some(log) = &mut self.log {
            log.raw(router, octets);
        }
        match event {
            Event::Routes { peer, decoding, message } => {
                self.routes(router, peer, &decoding, &message, position);
            }
            Event::PeerUp { peer, change, message } => {
                self.record(router, &Message::PeerUp(message), octets);
                return self.peer_up(router, peer, change);
            }
            Event::PeerDown { peer, message } => {
                self.record(router, &Message::PeerDown(message), octets);
                if let Some(peer) = peer {
                    router.listed.change(|state| state.peers.remove(&peer.number.index()));
                    return self.remove_peer(router, peer.number);
                }
                debug!("[{}] peer down of a peer that is not up: {}", router.ip(), message.peer.address);
            }
            Event::Statistics { message, .. } => {
                let message = Message::Statistics(message);
                self.record(router, &message, octets);
                if omitted_records(&message) > 0 {
                    self.too_many_events(router, position);
                }
            }
            Event::RouteMirroring { peer, message } => {
                if let Some(log) = &mut self.log {
                    let is_complete = log.mirrored(router, peer, &message, &mut self.decoder);
                    if !is_complete || omitted_records(&Message::RouteMirroring(message)) > 0 {
                        self.too_many_events(router, position);
                    }
                }
            }
            Event::Initiation(message) => {
                let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                router.listed.change(|state| {
                    state.name = message.sys_name().map(text).or(state.name.take());
                    state.description = message.sys_descr().map(text).or(state.description.take());
                });
                self.record(router, &Message::Initiation(message), octets);
            }
            Event::Termination(message) => {
                self.record(router, &Message::Termination(message), octets);
            }
            Event::UnknownPeer(message) => {
                self.figures().fault(Fault::UnknownPeer);
                if let Some(pass) = self.limits.unknown_peer.pass() {
                    warn!(
                        held_back = pass.held_back,
                        "[{}] BMP message at {position}: routes of peer {}, which is not up, are not used",
                        router.ip(),
                        message.peer.address
                    );
                }
            }
            Event::Rejected(why) => self.rejected(router, &why, position),
            Event::Skipped { kind, length } => {
                self.figures().fault(Fault::TooLong);
                if let Some(pass) = self.limits.skipped.pass() {
                    warn!(
                        held_back = pass.held_back,
                        "[{}] BMP message at {position}: {kind} of {length} octets is too long and passed over",
                        router.ip()
                    );
                }
            }
            Event::Unknown(kind) => debug!("[{}] BMP message at {position}: unknown type {kind}", router.ip()),
            // What the PROXY header says is no message of the router.
            Event::Source(_) => {}
            // A new kind of event needs no action of a collector.
            _ => {}
        }
        Next::Continue
    }

    fn rejected(&mut self, router: &Router, why: &Rejection, position: u64) {
        self.figures().reject(why);
        if let Some(pass) = self.limits.rejected.pass() {
            warn!(held_back = pass.held_back, "[{}] BMP message at {position}: {why}: not used", router.ip());
        }
    }

    /// A message has more events than are written of one.
    #[cold]
    fn too_many_events(&self, router: &Router, position: u64) {
        self.figures().fault(Fault::TooManyEvents);
        if let Some(pass) = self.limits.faulty.pass() {
            let held_back = pass.held_back;
            warn!(held_back, "[{}] BMP message at {position}: too many events: the first are used", router.ip());
        }
    }

    /// The number of events that were logged so far, of all routers.
    pub(super) fn logged(&self) -> u64 {
        self.log.as_ref().map_or(0, MessageLog::events)
    }

    /// A message that is an event by itself, or several.
    fn record(&mut self, router: &Router, message: &Message<'_>, octets: &[u8]) {
        if let Some(log) = &mut self.log {
            log.record(router, message);
        }
        let Some(memory) = &self.events else { return };
        let Some(stored) = Stored::new(octets) else { return };
        if self.excludes_statistics && stored.is_statistics() {
            return;
        }
        let is_kept = {
            let mut events = router.listed.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.keep(stored, memory)
        };
        if !is_kept {
            self.figures().events_dropped.add(1);
            if let Some(pass) = self.limits.no_room.pass() {
                warn!(
                    held_back = pass.held_back,
                    "[{}] an event is not kept for the next dump: plugin_queue_memory is reached",
                    router.ip()
                );
            }
        }
    }

    /// A peer is up.
    fn peer_up(&mut self, router: &mut Router, peer: &Peer, change: PeerChange) -> Next {
        let monitored = Arc::new(MonitoredPeer { peer: peer.clone(), since: runtime::clock::now() });
        router.listed.change(|state| state.peers.insert(peer.number.index(), monitored));
        match change {
            PeerChange::Replaced => self.remove_peer(router, peer.number),
            PeerChange::FurtherRib => {
                self.update_families(router, peer);
                Next::Continue
            }
            PeerChange::New => Next::Continue,
        }
    }

    /// The peer was up before, and path identifiers may be expected in further families now. Its routes stay.
    fn update_families(&mut self, router: &mut Router, peer: &Peer) {
        let Some(ribs) = router.ribs.get_mut(peer.number.index()) else { return };
        for known in ribs.iter_mut().flatten() {
            let add_path = &peer.decoding(known.rib).add_path;
            if *add_path == known.route.add_path {
                continue;
            }
            let RoutePeer { id, address, local_as, shown, .. } = &*known.route;
            let route = RoutePeer {
                id: *id,
                address: *address,
                local_as: *local_as,
                add_path: add_path.clone(),
                shown: shown.clone(),
            };
            let rib = Arc::new(MonitoredRib { key: known.key, rib: known.rib, route: Arc::new(route) });
            let old = std::mem::replace(known, Arc::clone(&rib));
            router.listed.change(|state| {
                if let Some(listed) = state.ribs.iter_mut().find(|listed| Arc::ptr_eq(listed, &old)) {
                    *listed = Arc::clone(&rib);
                }
            });
            if let (Some(routes), Some(id), Some(correlated)) = (&self.routes, rib.route.id, router.correlated) {
                routes.correlated.remove_rib(id);
                routes.correlated.add_rib(correlated, monitored(id, peer, rib.rib));
            }
        }
    }

    /// The routes of a peer are gone. They are invisible from now on.
    fn remove_peer(&mut self, router: &mut Router, number: PeerNumber) -> Next {
        let Some(ribs) = router.ribs.get_mut(number.index()) else { return Next::Continue };
        let gone: Vec<Arc<MonitoredRib>> = ribs.iter_mut().filter_map(Option::take).collect();
        let mut next = Next::Continue;
        router.listed.change(|state| state.ribs.retain(|rib| !gone.iter().any(|gone| Arc::ptr_eq(gone, rib))));
        let Some(routes) = &mut self.routes else { return next };
        for rib in gone {
            if let Some(id) = rib.route.id {
                routes.correlated.remove_rib(id);
                routes.table.remove_peer(id);
                self.leaving.insert(id, Arc::clone(&rib.route));
                if self.log.is_some() {
                    next = Next::Wait;
                }
            }
        }
        next
    }

    /// Handles an UPDATE. An error costs this message alone.
    fn routes(
        &mut self,
        router: &mut Router,
        peer: &Peer,
        decoding: &bgp::update::Session,
        message: &::bmp::route_monitoring::RouteMonitoring<'_>,
        position: u64,
    ) {
        let rib = self.rib(router, peer, &message.peer);
        let Self { shared, decoder, routes, log, limits, .. } = self;
        let figures = &shared.figures.routes;
        let update = match decoder.decode(message.update.body(), decoding) {
            Ok(update) => update,
            Err(error) => {
                figures.error(error.reason, ErrorOutcome::MessageLost);
                if let Some(pass) = limits.invalid.pass() {
                    let (held_back, peer) = (pass.held_back, peer.key.address);
                    warn!(held_back, "[{}] UPDATE of peer {peer} at {position}: {error}: not used", router.ip());
                }
                return;
            }
        };
        for fault in update.faults {
            figures.error(fault.reason, fault.outcome.into());
            if let Some(pass) = limits.invalid.pass() {
                let (held_back, peer, what) = (pass.held_back, peer.key.address, fault.outcome.name());
                warn!(held_back, "[{}] UPDATE of peer {peer} at {position}: {fault}: {what}", router.ip());
            }
        }
        if let (Some(routes), Some(id)) = (routes.as_mut(), rib.route.id) {
            routes.table.update(id, router.ip(), &update, figures, log.is_some());
        }
        if let Some(log) = log {
            let table = routes.as_ref().map(|routes| &routes.table);
            log.updated(router, &rib.route, message, decoding, &update, table);
        }
    }

    /// The RIB of a message. The first route of it gives it a place.
    fn rib(&mut self, router: &mut Router, peer: &Peer, header: &PeerHeader) -> Arc<MonitoredRib> {
        let (number, kind) = (peer.number.index(), header.rib_type());
        let known = router.ribs.get(number).and_then(|ribs| ribs.get(kind.index())?.as_ref());
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let id = self.routes.as_mut().and_then(|routes| routes.table.add_peer());
        let rib = Arc::new(MonitoredRib {
            key: peer.key,
            rib: kind,
            route: Arc::new(RoutePeer {
                id,
                address: router.ip(),
                local_as: peer.local_as,
                add_path: peer.decoding(kind).add_path.clone(),
                shown: router.listed.shown.peer(&self.format, header),
            }),
        });
        match (&self.routes, id, router.correlated) {
            (Some(routes), Some(id), Some(correlated)) => {
                routes.correlated.add_rib(correlated, monitored(id, peer, kind));
            }
            (Some(_), None, _) => {
                self.figures().peers_dropped.add(1);
                if let Some(pass) = self.limits.no_room.pass() {
                    let (held_back, peer) = (pass.held_back, peer.key.address);
                    warn!(held_back, "[{}] routes of peer {peer} are not stored: too many peers", router.ip());
                }
            }
            _ => {}
        }
        router.listed.change(|state| state.ribs.push(Arc::clone(&rib)));
        if router.ribs.len() <= number {
            router.ribs.resize_with(number + 1, Default::default);
        }
        if let Some(place) = router.ribs.get_mut(number).and_then(|ribs| ribs.get_mut(kind.index())) {
            *place = Some(Arc::clone(&rib));
        }
        rib
    }

    /// The session of a router has ended. Its routes are invisible from now on.
    ///
    /// At shutdown nothing is logged, as in pmacct: the routers are still there, and so are their routes.
    pub(super) fn disconnected(&mut self, mut router: Router, is_shutdown: bool) {
        self.shared.change_routers(|routers| routers.retain(|other| !Arc::ptr_eq(other, &router.listed)));
        if let Some(memory) = &self.events {
            router.listed.events.lock().unwrap_or_else(PoisonError::into_inner).take(memory);
        }
        match &mut self.routes {
            _ if is_shutdown => {}
            Some(routes) => {
                if let Some(id) = router.correlated {
                    routes.correlated.remove_router(id);
                }
                for rib in std::mem::take(&mut router.ribs).into_iter().flatten().flatten() {
                    if let Some(id) = rib.route.id {
                        routes.table.remove_peer(id);
                        self.leaving.insert(id, Arc::clone(&rib.route));
                    }
                }
                self.ended.push(router);
            }
            None => self.left(&router),
        }
    }

    /// Whether routes of a router at this address are still being removed, which matters to the order of the log.
    pub(super) fn is_leaving(&self, address: IpAddr) -> bool {
        let is_same = |router: &Router| router.ip() == address;
        self.log.is_some()
            && (self.ended.iter().any(is_same) || self.leaving.values().any(|rib| rib.address == address))
    }

    /// Logs the end of a session after the last of its events.
    fn left(&mut self, router: &Router) {
        if let Some(log) = &mut self.log {
            log.disconnected(router);
            log.flush();
        }
    }

    /// Removes some routes of peers that are gone. True if there may be more.
    pub(super) fn work_in_background(&mut self) -> bool {
        let Some(Tables { table, .. }) = &mut self.routes else { return false };
        let (log, leaving) = (&mut self.log, &self.leaving);
        for _ in 0..STEPS {
            let more = table.sweep(|table, nlri, route, attributes| {
                if let (Some(log), Some(rib)) = (log.as_mut(), leaving.get(&route.peer)) {
                    log.removed(rib, (table, nlri), route, attributes);
                }
            });
            if !more {
                self.leaving.clear();
                std::mem::take(&mut self.ended).iter().for_each(|router| self.left(router));
                return false;
            }
        }
        self.flush();
        true
    }

    /// Ends a batch of events.
    pub(super) fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Reopens the files of the log.
    pub(super) fn reopen(&mut self) {
        if let Some(log) = &mut self.log {
            log.reopen();
        }
    }

    /// Logs the rest and ends the log.
    pub(super) fn end(mut self) {
        while self.work_in_background() {}
        // The last sweep may have ended before the last session.
        std::mem::take(&mut self.ended).iter().for_each(|router| self.left(router));
        if let Some(log) = self.log {
            self.shared.unlogged.add(log.end());
        }
    }
}

/// A RIB as flows find it.
fn monitored(id: PeerId, peer: &Peer, kind: RibType) -> Monitored {
    Monitored {
        id,
        address: peer.key.address,
        distinguisher: peer.key.distinguisher,
        kind,
        local_as: peer.local_as,
        add_path: peer.decoding(kind).add_path.iter().collect(),
    }
}
