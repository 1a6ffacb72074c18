//! A session between a peer and another speaker, observed in both directions: in a capture file, or while it is forwarded.
//!
//! Both OPENs must be known before messages can be decoded; octets of the peer wait for the other speaker's OPEN.

use super::collector::{Collector, Peer};
use bgp::message::{Message, MessageType};
use bgp_session::{Config, Event, Session};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Instant;
use tracing::warn;

/// Octets of the peer that wait for the other speaker's OPEN; beyond it, the session is not observed.
const MAX_WAITING: usize = 1 << 20;

/// An observed session. Dropped after [`Observed::end`].
pub(super) struct Observed {
    peer: Option<Peer>,
    /// From the other speaker's OPEN on.
    session: Option<Session>,
    /// Octets before that, from the peer and from the other speaker.
    waiting: Vec<u8>,
    other: Vec<u8>,
    failed: bool,
}

impl Observed {
    /// A connection of a peer has begun.
    pub(super) fn new(address: SocketAddr, collector: &RefCell<Collector>) -> Self {
        let peer = collector.borrow().peer(address);
        collector.borrow_mut().connected(&peer);
        Self { peer: Some(peer), session: None, waiting: Vec::new(), other: Vec::new(), failed: false }
    }

    /// Octets that the peer has sent.
    pub(super) fn peer_sent(&mut self, octets: &[u8], collector: &RefCell<Collector>) {
        if self.failed {
            return;
        }
        match (&mut self.session, &mut self.peer) {
            (Some(session), Some(peer)) => {
                self.failed = !decode(session, peer, octets, collector);
            }
            _ => {
                self.waiting.extend_from_slice(octets);
                self.failed = self.waiting.len() > MAX_WAITING;
            }
        }
    }

    /// Octets that the other speaker has sent. Only its OPEN matters.
    pub(super) fn other_sent(&mut self, octets: &[u8], collector: &RefCell<Collector>) {
        if self.failed || self.session.is_some() {
            return;
        }
        self.other.extend_from_slice(octets);
        match Message::first(&self.other, true) {
            Ok(Some(message)) if message.kind() == MessageType::OPEN => {
                self.session = Some(Session::new(Config::observing(message.octets()), Instant::now()));
            }
            Ok(None) => return,
            Ok(Some(_)) | Err(_) => {
                self.failed = true;
                return;
            }
        }
        self.other = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        self.peer_sent(&waiting, collector);
    }

    /// The connection has ended. Octets of a peer whose counterpart was not seen are decoded as if this daemon had answered.
    pub(super) fn end(mut self, collector: &RefCell<Collector>) {
        if self.session.is_none() && !self.failed {
            self.session = Some(Session::new(Config::default(), Instant::now()));
            let waiting = std::mem::take(&mut self.waiting);
            self.peer_sent(&waiting, collector);
        }
        if let Some(peer) = self.peer.take() {
            collector.borrow_mut().disconnected(peer, false);
        }
    }
}

/// Decodes octets of the peer. False if no more can be decoded.
fn decode(session: &mut Session, peer: &mut Peer, mut octets: &[u8], collector: &RefCell<Collector>) -> bool {
    let (now, count) = (Instant::now(), octets.len() as u64);
    while let Some(event) = session.next(&mut octets, now) {
        let mut collector = collector.borrow_mut();
        match event {
            Event::Open(parameters) => collector.opened(peer, parameters),
            // What was wrong is logged. The other speaker decides what becomes of the session.
            Event::Established => collector.established(peer),
            Event::Update(update) => _ = collector.update(peer, update.message, update.position),
            _ => {}
        }
    }
    let mut collector = collector.borrow_mut();
    collector.count(peer, count, session.received_messages());
    collector.flush();
    if let Some(closed) = session.closed() {
        warn!("[{}] the observed BGP session is over: {closed}", peer.ip());
    }
    session.closed().is_none()
}
