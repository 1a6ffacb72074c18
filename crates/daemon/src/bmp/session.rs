//! The session of a router, wherever its octets come from: a connection, a capture file, or Kafka.

use super::collector::{Collector, Next, Router};
use super::figures::{Ending, Figures};
use bmp_session::{Closed, Config, Counts, Event, Session};
use std::net::{IpAddr, SocketAddr};

/// Events that a session logs before others get their turn: a message of a few octets may be many.
const TURN: u64 = 1024;

/// A session.
pub(super) struct RouterSession {
    session: Session,
    /// The router: the address of the connection, or what the PROXY header or the collector says.
    address: SocketAddr,
    is_from_kafka: bool,
    /// From [`RouterSession::begin`] on.
    router: Option<Router>,
    counted: Counts,
}

/// Why octets are not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The address of the router is known: [`RouterSession::begin`] comes next.
    Begin,
    /// The routes of a peer must be removed first.
    Leaving,
    /// The messages so far were many events: others get their turn.
    Turn,
}

impl RouterSession {
    pub(super) fn new(config: Config, address: SocketAddr, is_from_kafka: bool) -> Self {
        Self { session: Session::new(config), address, is_from_kafka, router: None, counted: Counts::default() }
    }

    /// The address of the router, as far as it is known.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Whether a message has come.
    pub(super) fn has_messages(&self) -> bool {
        self.session.counts().total() > 0
    }

    /// Whether a peer is up.
    pub(super) fn has_peers(&self) -> bool {
        self.session.peer_count() > 0
    }

    /// The router is known. Routes of an earlier session should be gone by now: [`Collector::is_leaving`].
    pub(super) fn begin(&mut self, collector: &mut Collector) {
        self.router.get_or_insert_with(|| collector.connected(self.address, self.is_from_kafka));
    }

    /// Handles octets, until none is left or something must happen first.
    pub(super) fn receive(&mut self, collector: &mut Collector, input: &mut &[u8]) -> Option<Pause> {
        let begin = collector.logged();
        while let Some(received) = self.session.next(input) {
            match (&received.event, &mut self.router) {
                (Event::Source(source), None) => {
                    if let Some(source) = source {
                        self.address = SocketAddr::new(source.source.ip().to_canonical(), source.source.port());
                    }
                    return Some(Pause::Begin);
                }
                (_, Some(router)) => {
                    if collector.receive(router, received) == Next::Wait {
                        return Some(Pause::Leaving);
                    }
                    if collector.logged().wrapping_sub(begin) >= TURN && !input.is_empty() {
                        return Some(Pause::Turn);
                    }
                }
                (_, None) => {}
            }
        }
        None
    }

    /// Counts what was received since the last call.
    pub(super) fn count(&mut self, figures: &Figures, bytes: u64) {
        let counts = self.session.counts();
        figures.bytes.add(bytes);
        figures.count(&counts, &self.counted);
        self.counted = counts;
        if let Some(router) = &self.router {
            router.listed.change(|state| {
                state.counts = counts;
                state.bytes += bytes;
            });
        }
    }

    /// The connection has ended.
    pub(super) fn disconnected(&mut self) {
        self.session.disconnected();
    }

    /// Why the session is over.
    pub(super) fn closed(&self) -> Option<&Closed> {
        self.session.closed()
    }

    /// Ends the session.
    pub(super) fn end(self, collector: &mut Collector, figures: &Figures, ending: Ending) {
        if let Some(router) = self.router {
            collector.disconnected(router, ending == Ending::Shutdown);
        }
        figures.close(ending);
    }
}
