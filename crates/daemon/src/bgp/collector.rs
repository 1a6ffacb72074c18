//! What happens to the messages of peers: routes go to the RIB, events to the message log.
//!
//! The RIB exists only where something reads it: table dumps, the looking glass, HTTP queries, or flows.

use super::figures::{ErrorOutcome, Figures, MESSAGE_TYPES};
use super::messages::MessageLog;
use super::peers::Listed;
use super::service::Shared;
use super::validator::Origin;
use bgp::message::Message;
use bgp::nlri::Nlri;
use bgp::update::{Action, Block, Decoder, Families, Session, Update, UpdateError};
use bgp_session::{Counts, Parameters};
use correlate::Routes;
use rib::{NO_LABEL, PeerId, Refused, Route, TableKey, Writer};
use route_log::{Format, LogType};
use runtime::log::Limited;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};
use wire::{Afi, Asn, Prefix, Safi};

/// Prefixes and routes visited in one step of the background work.
const SWEEP: usize = 512;
/// Steps of the background work before sessions get their turn.
const STEPS: usize = 8;
/// Routes whose removal makes it worth returning memory to the system.
const GIVEN_BACK: u64 = 100_000;
/// Minimum time between two log lines about invalid messages, and about routes that are not stored.
const RATE: Duration = Duration::from_secs(10);

/// A peer, from the connection to its end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) id: Option<PeerId>,
    /// As other threads see it, if it has routes in the RIB.
    listed: Option<Arc<Listed>>,
    pub(super) router_id: Option<Ipv4Addr>,
    pub(super) asn: Asn,
    pub(super) local_as: Asn,
    pub(super) is_established: bool,
    /// As outputs show it.
    pub(super) shown: route_log::Peer,
    decoding: Session,
    counted: [u64; MESSAGE_TYPES.len()],
}

impl Origin for Peer {
    fn id(&self) -> Option<PeerId> {
        self.id
    }

    fn local_as(&self) -> Asn {
        self.local_as
    }
}

impl Peer {
    pub(super) fn new(address: SocketAddr, format: &Format) -> Self {
        Self {
            shown: route_log::Peer::bgp(format, address.ip(), address.port(), Ipv4Addr::UNSPECIFIED),
            is_established: false,
            address,
            id: None,
            listed: None,
            router_id: None,
            asn: Asn(0),
            local_as: Asn(0),
            decoding: Session::default(),
            counted: [0; MESSAGE_TYPES.len()],
        }
    }

    /// The address of the session.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Whether path identifiers are received in a family.
    pub(super) fn has_path_ids(&self, afi: Afi, safi: Safi) -> bool {
        self.decoding.add_path.contains(afi, safi)
    }

    /// Families in which path identifiers are received.
    pub(super) fn add_path(&self) -> &Families {
        &self.decoding.add_path
    }

    /// Whether path identifiers are received in any family.
    pub(super) fn has_any_path_ids(&self) -> bool {
        !self.decoding.add_path.is_empty()
    }

    /// Whether AS numbers have four octets.
    pub(super) fn has_asn4(&self) -> bool {
        self.decoding.asn4
    }

    /// The session in MRT.
    pub(super) fn mrt_session(&self) -> mrt::Session {
        let local = match self.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        mrt::Session { peer_asn: self.asn, local_asn: self.local_as, interface: 0, peer: self.ip(), local }
    }

    /// Counts what was read. `received`: the messages of the session so far.
    pub(super) fn count(&mut self, figures: &Figures, bytes: u64, received: Counts) {
        figures.bytes.add(bytes);
        let Counts { open, update, notification, keepalive, route_refresh } = received;
        let now = [open, update, notification, keepalive, route_refresh];
        for ((code, counted), now) in (1..).zip(&mut self.counted).zip(now) {
            figures.messages_of(code, now - *counted);
            *counted = now;
        }
    }
}

/// What is known of a session that was recorded without its OPENs.
pub(super) struct Observation {
    pub(super) asn: Asn,
    pub(super) local_as: Asn,
    pub(super) router_id: Ipv4Addr,
    pub(super) asn4: bool,
    pub(super) add_path: Families,
    pub(super) families: Families,
}

/// A peer whose session has ended while its routes are still being removed.
struct Leaving {
    peer: Peer,
}

/// The routes of all peers.
pub(super) struct Tables {
    pub(super) writer: Writer,
    /// The same routes, as flows find them.
    pub(super) correlated: Arc<Routes>,
}

/// The state of all peers.
pub(super) struct Collector {
    shared: Arc<Shared>,
    decoder: Decoder,
    routes: Option<Tables>,
    log: Option<MessageLog>,
    format: Format,
    /// Peers whose routes are being removed, by the numbers that the RIB gave them.
    leaving: HashMap<PeerId, Leaving>,
    /// Routes removed since the table was last swept completely.
    swept: u64,
    /// Routes that an UPDATE has withdrawn, for the log.
    withdrawn: Vec<(TableKey, Withdrawn, Route)>,
    invalid: Limited,
    refused: Limited,
}

/// The NLRI of a withdrawn route.
#[derive(Debug)]
enum Withdrawn {
    Prefix(Prefix),
    Octets(Box<[u8]>),
}

impl Collector {
    pub(super) fn new(
        shared: Arc<Shared>,
        routes: Option<Tables>,
        log: Option<MessageLog>,
        format: Format,
    ) -> Self {
        Self {
            format,
            shared,
            decoder: Decoder::new(),
            routes,
            log,
            leaving: HashMap::new(),
            swept: 0,
            withdrawn: Vec::new(),
            invalid: Limited::new(RATE),
            refused: Limited::new(RATE),
        }
    }

    /// A peer has connected.
    pub(super) fn connected(&mut self, peer: &Peer) {
        if let Some(log) = &mut self.log {
            log.connected(peer);
            log.flush();
        }
    }

    /// Both sides have sent their OPENs.
    pub(super) fn opened(&mut self, peer: &mut Peer, parameters: &Parameters) {
        peer.router_id = Some(parameters.peer_identifier);
        (peer.asn, peer.local_as) = (parameters.peer_as, parameters.local_as);
        // A collector shows what routers are configured to send it, such as LOCAL_PREF in a session between two ASes.
        peer.decoding = Session { peering: None, ..parameters.decoding() };
        peer.shown =
            route_log::Peer::bgp(&self.format, peer.ip(), peer.address.port(), parameters.peer_identifier);
        self.list(peer, parameters.families.clone());
        if let Some(log) = &mut self.log {
            log.opened(peer, parameters);
        }
    }

    /// A peer whose session was recorded without its OPENs.
    pub(super) fn observed(&mut self, peer: &mut Peer, observation: Observation) {
        let Observation { asn, local_as, router_id, asn4, add_path, families } = observation;
        peer.router_id = Some(router_id);
        (peer.asn, peer.local_as) = (asn, local_as);
        peer.decoding = Session { asn4, add_path, ..Session::default() };
        peer.shown = route_log::Peer::bgp(&self.format, peer.ip(), peer.address.port(), router_id);
        self.list(peer, families);
    }

    /// Gives a peer a place in the RIB.
    fn list(&mut self, peer: &mut Peer, families: Families) {
        if let Some(routes) = &mut self.routes {
            peer.id = routes.writer.add_peer();
            if let Some(id) = peer.id {
                let listed = Listed::new(peer, id, families);
                routes.correlated.add_peer(listed.correlated());
                peer.listed = Some(Arc::clone(&listed));
                self.shared.change_peers(|peers| peers.push(listed));
            }
        }
    }

    /// The session is established.
    pub(super) fn established(&mut self, peer: &mut Peer) {
        peer.is_established = true;
        if let Some(log) = &mut self.log {
            log.established(peer);
        }
    }

    /// A peer that has connected.
    pub(super) fn peer(&self, address: SocketAddr) -> Peer {
        Peer::new(address, &self.format)
    }

    /// Counts what was read from a peer. `received`: the messages of its session so far.
    pub(super) fn count(&self, peer: &mut Peer, bytes: u64, received: Counts) {
        peer.count(&self.shared.figures, bytes, received);
    }

    /// Handles an UPDATE. `position`: of the message in the stream of the peer.
    ///
    /// # Errors
    /// The session must be reset.
    pub(super) fn update(&mut self, peer: &Peer, message: Message<'_>, position: u64) -> Result<(), UpdateError> {
        let Self { shared, decoder, routes, log, withdrawn, invalid, refused, .. } = self;
        let figures = &shared.figures;
        let update = decoder.decode(message.body(), &peer.decoding).inspect_err(|error| {
            figures.error(error.reason, ErrorOutcome::SessionReset);
            if let Some(pass) = invalid.pass() {
                let held_back = pass.held_back;
                warn!(held_back, "[{}] UPDATE at {position}: {error}: resetting the session", peer.ip());
            }
        })?;
        for fault in update.faults {
            figures.error(fault.reason, fault.outcome.into());
            if let Some(pass) = invalid.pass() {
                let (held_back, what) = (pass.held_back, fault.outcome.name());
                warn!(held_back, "[{}] UPDATE at {position}: {fault}: {what}", peer.ip());
            }
        }
        withdrawn.clear();
        if let (Some(routes), Some(id)) = (routes.as_mut(), peer.id) {
            // One set of changes: the attributes of withdrawn routes can be read until the next one begins.
            let mut changes = Changes { rib: routes.writer.begin(), id, figures, refused: None };
            for block in update.blocks() {
                match block.action {
                    Action::Announce => changes.announce(block),
                    Action::Withdraw => changes.withdraw(block, log.is_some().then_some(&mut *withdrawn)),
                }
            }
            let why = changes.refused;
            drop(changes);
            if let Some(why) = why
                && let Some(pass) = refused.pass()
            {
                warn!(held_back = pass.held_back, "[{}] routes are not stored: {why}", peer.ip());
            }
        }
        if let (Some((afi, safi)), Some(listed)) = (update.end_of_rib, &peer.listed) {
            listed.add_end_of_rib(afi, safi);
        }
        if let Some(log) = log
            && log.updated(peer, message)
        {
            write_events(log, peer, &update, routes.as_ref().map(|routes| &routes.writer), withdrawn);
        }
        Ok(())
    }

    /// The session of a peer has ended. Its routes are invisible from now on.
    ///
    /// At shutdown they are not logged one by one: the peers are still there, and so are their routes.
    pub(super) fn disconnected(&mut self, peer: Peer, is_shutdown: bool) {
        match (&mut self.routes, peer.id) {
            _ if is_shutdown => self.left(&peer),
            (Some(routes), Some(id)) => {
                self.shared.change_peers(|peers| peers.retain(|listed| listed.id != id));
                routes.correlated.remove_peer(id);
                routes.writer.remove_peer(id);
                self.leaving.insert(id, Leaving { peer });
            }
            _ => self.left(&peer),
        }
    }

    /// Whether routes of an earlier session of the peer are still being removed.
    pub(super) fn is_leaving(&self, peer: SocketAddr) -> bool {
        self.log.is_some() && self.leaving.values().any(|leaving| leaving.peer.ip() == peer.ip())
    }

    /// Logs the end of a session after the last of its events.
    fn left(&mut self, peer: &Peer) {
        if let Some(log) = &mut self.log {
            log.disconnected(peer);
            log.flush();
        }
    }

    /// Removes some routes of peers that are gone. True if there may be more.
    pub(super) fn work_in_background(&mut self) -> bool {
        let Some(Tables { writer: rib, .. }) = &mut self.routes else { return false };
        let (log, leaving) = (&mut self.log, &self.leaving);
        for _ in 0..STEPS {
            let swept = &mut self.swept;
            let more = rib.sweep(SWEEP, |table, nlri, route, attributes| {
                *swept += 1;
                if let (Some(log), Some(leaving)) = (log.as_mut(), leaving.get(&route.peer)) {
                    log.removed(&leaving.peer, LogType::Delete, (table, nlri), route, attributes);
                }
            });
            if !more {
                if self.swept > GIVEN_BACK {
                    runtime::heap::give_back();
                }
                self.swept = 0;
                let left: Vec<Leaving> = self.leaving.drain().map(|(_, leaving)| leaving).collect();
                left.iter().for_each(|leaving| self.left(&leaving.peer));
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
        // Without routes of theirs left, no sweep has ended.
        let left: Vec<Leaving> = self.leaving.drain().map(|(_, leaving)| leaving).collect();
        left.iter().for_each(|leaving| self.left(&leaving.peer));
        if let Some(log) = self.log {
            self.shared.unlogged.add(log.end());
        }
    }
}

/// Changes of the RIB by an UPDATE.
struct Changes<'a> {
    rib: rib::Changes<'a>,
    id: PeerId,
    figures: &'a Figures,
    /// Why a route was not stored.
    refused: Option<Refused>,
}

impl Changes<'_> {
    fn announce(&mut self, block: &Block<'_>) {
        let attributes = match self.rib.intern(block.attributes.as_bytes()) {
            Ok(attributes) => attributes,
            Err(why) => {
                return block.entries().for_each(|_| self.refuse(why));
            }
        };
        let mut octets = Vec::new();
        for entry in block.entries() {
            let Some((table, nlri, label)) = place(block, entry.nlri, &mut octets) else { continue };
            let route = Route { peer: self.id, path_id: entry.path_id.unwrap_or(0), attributes, label };
            if let Err(why) = self.rib.announce(table, nlri, route) {
                self.refuse(why);
            }
        }
    }

    fn withdraw(&mut self, block: &Block<'_>, mut withdrawn: Option<&mut Vec<(TableKey, Withdrawn, Route)>>) {
        let mut octets = Vec::new();
        for entry in block.entries() {
            let Some((table, nlri, _)) = place(block, entry.nlri, &mut octets) else { continue };
            let route = self.rib.withdraw(table, nlri, self.id, entry.path_id.unwrap_or(0));
            if let (Some(withdrawn), Some(route)) = (&mut withdrawn, route) {
                let nlri = match nlri {
                    rib::Nlri::Prefix(prefix) => Withdrawn::Prefix(prefix),
                    rib::Nlri::Octets(octets) => Withdrawn::Octets(octets.into()),
                };
                withdrawn.push((table, nlri, route));
            }
        }
    }

    fn refuse(&mut self, why: Refused) {
        self.figures.drop_route(why);
        self.refused = Some(why);
    }
}

/// Where a route is stored: its table, its key there, and its label. `None` for prefixes of families that are no IP.
fn place<'a>(
    block: &Block<'_>,
    nlri: Nlri<'a>,
    octets: &'a mut Vec<u8>,
) -> Option<(TableKey, rib::Nlri<'a>, u32)> {
    let label = |labels: bgp::nlri::Labels<'_>| labels.last().map_or(NO_LABEL, |label| label.0);
    Some(match nlri {
        Nlri::Unicast(prefix) => {
            let table = match block.safi {
                Safi::MULTICAST => TableKey::Multicast(prefix.family()),
                _ => TableKey::Unicast(prefix.family()),
            };
            (table, prefix.into(), NO_LABEL)
        }
        Nlri::Labelled { labels, prefix } => (TableKey::Labelled(prefix.family()), prefix.into(), label(labels)),
        Nlri::Vpn { rd, labels, prefix } if block.safi == Safi::MPLS_VPN => {
            (TableKey::Vpn(prefix.family(), rd), prefix.into(), label(labels))
        }
        // Multicast VPNs have no table of prefixes: nothing looks addresses up in them.
        Nlri::Vpn { rd, prefix, .. } => {
            octets.clear();
            octets.extend_from_slice(&rd.0);
            let mut w = wire::Writer::new();
            prefix.write(&mut w);
            octets.extend_from_slice(&w.finish());
            (TableKey::Opaque(block.afi, block.safi), octets.as_slice().into(), NO_LABEL)
        }
        Nlri::Other(opaque) => {
            (TableKey::Opaque(block.afi, block.safi), rib::Nlri::Octets(opaque.as_bytes()), NO_LABEL)
        }
    })
}

/// Logs what an UPDATE has changed. Without a RIB, it is not known which withdrawn routes were there, and all are logged.
fn write_events(
    log: &mut MessageLog,
    peer: &Peer,
    update: &Update<'_>,
    rib: Option<&Writer>,
    withdrawn: &[(TableKey, Withdrawn, Route)],
) {
    let rib = rib.map(Writer::read);
    for block in update.blocks() {
        match (block.action, &rib) {
            (Action::Announce, _) => log.announced(peer, block, rib.as_deref()),
            (Action::Withdraw, None) => log.withdrawn_unknown(peer, block),
            (Action::Withdraw, Some(_)) => {}
        }
    }
    if let Some(rib) = &rib {
        for (table, nlri, route) in withdrawn {
            let nlri = match nlri {
                Withdrawn::Prefix(prefix) => rib::Nlri::Prefix(*prefix),
                Withdrawn::Octets(octets) => rib::Nlri::Octets(octets),
            };
            let attributes = rib.attributes(route.attributes);
            log.removed(peer, LogType::Withdraw, (*table, nlri), route, attributes);
        }
    }
    if let Some((afi, safi)) = update.end_of_rib {
        debug!("[{}] End-of-RIB: AFI {afi}, SAFI {safi}", peer.ip());
        log.end_of_rib(peer, afi, safi);
    }
}
