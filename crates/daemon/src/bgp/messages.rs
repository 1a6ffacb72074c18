//! The message log: what peers announce and withdraw, when their sessions begin and end; or, in MRT, their messages as they are.

use super::collector::Peer;
use crate::routing::log::{Reported, RouteLog};
use bgp::message::Message;
use bgp_session::Parameters;
use event_log::Encoding;
use mrt::StateChange;
use rib::{Nlri, Route, TableKey};
use route_log::message::{MessageEvent, StateEvent};
use route_log::{LogType, MarkerKind};

/// States of a session in MRT (RFC 6396 section 4.4.1).
const IDLE: u16 = 1;
const OPEN_CONFIRM: u16 = 5;
const ESTABLISHED: u16 = 6;

/// The log.
pub(super) struct MessageLog {
    pub(super) routes: RouteLog,
}

impl MessageLog {
    /// Whether messages are logged as they are, instead of the routes in them.
    fn has_messages(&self) -> bool {
        self.routes.encoding() == Encoding::Mrt
    }

    /// A peer has connected.
    pub(super) fn connected(&mut self, peer: &Peer) {
        self.routes.mark(&peer.route, MarkerKind::LogInit);
    }

    /// The connection of a peer has ended, and its routes are gone.
    pub(super) fn disconnected(&mut self, peer: &Peer) {
        if peer.is_established {
            self.state(peer, ESTABLISHED, IDLE);
        }
        self.routes.mark(&peer.route, MarkerKind::LogClose);
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
            self.routes.add(&StateEvent { peer: &peer.route.shown, session: peer.mrt_session(), change });
        }
    }

    fn message(&mut self, peer: &Peer, octets: &[u8], is_local: bool) {
        let (asn4, has_path_ids) = (peer.has_asn4(), peer.has_any_path_ids());
        let message = mrt::Message { octets, is_local, asn4, has_path_ids };
        self.routes.add(&MessageEvent { peer: &peer.route.shown, session: peer.mrt_session(), message });
    }

    /// An UPDATE, before the routes in it. False if these are not logged.
    pub(super) fn updated(&mut self, peer: &Peer, message: Message<'_>) -> bool {
        let has_messages = self.has_messages();
        if has_messages {
            self.message(peer, message.octets(), false);
        }
        !has_messages
    }

    /// A route whose session has ended.
    pub(super) fn removed(&mut self, peer: &Peer, place: (TableKey, Nlri<'_>), route: &Route, attributes: &[u8]) {
        if !self.has_messages() {
            self.routes.removed(&peer.route, LogType::Delete, place, route, attributes, Reported::default());
        }
    }

    pub(super) fn flush(&mut self) {
        self.routes.flush();
    }

    pub(super) fn reopen(&mut self) {
        self.routes.reopen();
    }

    /// Writes the rest. Returns the number of events that were dropped.
    pub(super) fn end(self) -> u64 {
        self.routes.end()
    }
}
