//! What happens to the messages of peers: routes go to the RIB, events to the message log.
//!
//! The RIB exists only where something reads it: table dumps, the looking glass, HTTP queries, or flows.

use super::figures::{Figures, MESSAGE_TYPES};
use super::messages::MessageLog;
use super::peers::Listed;
use super::service::Shared;
use crate::routing::figures::ErrorOutcome;
use crate::routing::log::Reported;
use crate::routing::peer::RoutePeer;
use crate::routing::table::{RouteTable, write_events};
use bgp::message::Message;
use bgp::update::{Decoder, Families, Session, UpdateError};
use bgp_session::{Counts, Parameters};
use correlate::Routes;
use rib::PeerId;
use route_log::Format;
use runtime::log::Limited;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;
use wire::Asn;

/// Steps of the background work before sessions get their turn.
const STEPS: usize = 8;
/// Minimum time between two log lines about invalid messages.
const RATE: Duration = Duration::from_secs(10);

/// A peer, from the connection to its end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// As the RIB and outputs know it.
    pub(super) route: Arc<RoutePeer>,
    /// As other threads see it, if it has routes in the RIB.
    listed: Option<Arc<Listed>>,
    pub(super) router_id: Option<Ipv4Addr>,
    pub(super) asn: Asn,
    pub(super) is_established: bool,
    decoding: Session,
    counted: [u64; MESSAGE_TYPES.len()],
}

impl Peer {
    pub(super) fn new(address: SocketAddr, format: &Format) -> Self {
        Self {
            route: Arc::new(RoutePeer {
                id: None,
                address: address.ip(),
                local_as: Asn(0),
                add_path: Families::new(),
                shown: shown(format, address, Ipv4Addr::UNSPECIFIED),
            }),
            is_established: false,
            address,
            listed: None,
            router_id: None,
            asn: Asn(0),
            decoding: Session::default(),
            counted: [0; MESSAGE_TYPES.len()],
        }
    }

    /// The address of the session.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
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
        mrt::Session { peer_asn: self.asn, local_asn: self.route.local_as, interface: 0, peer: self.ip(), local }
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

/// A peer as outputs show it.
fn shown(format: &Format, address: SocketAddr, router_id: Ipv4Addr) -> route_log::Peer {
    route_log::Peer::bgp(format, address.ip(), address.port(), router_id)
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
    pub(super) table: RouteTable,
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
    invalid: Limited,
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
            invalid: Limited::new(RATE),
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
        peer.asn = parameters.peer_as;
        // A collector shows what routers are configured to send it, such as LOCAL_PREF in a session between two ASes.
        peer.decoding = Session { peering: None, ..parameters.decoding() };
        self.list(peer, parameters.peer_identifier, parameters.local_as, parameters.families.clone());
        if let Some(log) = &mut self.log {
            log.opened(peer, parameters);
        }
    }

    /// A peer whose session was recorded without its OPENs.
    pub(super) fn observed(&mut self, peer: &mut Peer, observation: Observation) {
        let Observation { asn, local_as, router_id, asn4, add_path, families } = observation;
        peer.router_id = Some(router_id);
        peer.asn = asn;
        peer.decoding = Session { asn4, add_path, ..Session::default() };
        self.list(peer, router_id, local_as, families);
    }

    /// Gives a peer a place in the RIB, and shows it with its parameters from now on.
    fn list(&mut self, peer: &mut Peer, router_id: Ipv4Addr, local_as: Asn, families: Families) {
        let id = self.routes.as_mut().and_then(|routes| routes.table.add_peer());
        peer.route = Arc::new(RoutePeer {
            id,
            address: peer.ip(),
            local_as,
            add_path: peer.decoding.add_path.clone(),
            shown: shown(&self.format, peer.address, router_id),
        });
        if let (Some(routes), Some(id)) = (&self.routes, id) {
            let listed = Listed::new(peer, id, families);
            routes.correlated.add_peer(listed.correlated());
            peer.listed = Some(Arc::clone(&listed));
            self.shared.change_peers(|peers| peers.push(listed));
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
        let Self { shared, decoder, routes, log, invalid, .. } = self;
        let figures = &shared.figures.routes;
        let update = decoder.decode(message.body(), &peer.decoding).inspect_err(|error| {
            figures.error(error.reason, ErrorOutcome::MessageLost);
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
        if let (Some(routes), Some(id)) = (routes.as_mut(), peer.route.id) {
            routes.table.update(id, peer.ip(), &update, figures, log.is_some());
        }
        if let (Some((afi, safi)), Some(listed)) = (update.end_of_rib, &peer.listed) {
            listed.add_end_of_rib(afi, safi);
        }
        if let Some(log) = log
            && log.updated(peer, message)
        {
            let table = routes.as_ref().map(|routes| &routes.table);
            write_events(&mut log.routes, &peer.route, &update, table, Reported::default());
        }
        Ok(())
    }

    /// The session of a peer has ended. Its routes are invisible from now on.
    ///
    /// At shutdown they are not logged one by one: the peers are still there, and so are their routes.
    pub(super) fn disconnected(&mut self, peer: Peer, is_shutdown: bool) {
        match (&mut self.routes, peer.route.id) {
            _ if is_shutdown => self.left(&peer),
            (Some(routes), Some(id)) => {
                self.shared.change_peers(|peers| peers.retain(|listed| listed.id != id));
                routes.correlated.remove_peer(id);
                routes.table.remove_peer(id);
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
        let Some(Tables { table, .. }) = &mut self.routes else { return false };
        let (log, leaving) = (&mut self.log, &self.leaving);
        for _ in 0..STEPS {
            let more = table.sweep(|table, nlri, route, attributes| {
                if let (Some(log), Some(leaving)) = (log.as_mut(), leaving.get(&route.peer)) {
                    log.removed(&leaving.peer, (table, nlri), route, attributes);
                }
            });
            if !more {
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
