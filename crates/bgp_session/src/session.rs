//! The session: what its caller sees.

use crate::closed::{Cause, Closed};
use crate::input::{Input, Located};
use crate::output::Output;
use crate::parameters::Parameters;
use crate::state::{self, Outcome, Signal, State};
use crate::timers::Timers;
use bgp::message::{HEADER_LEN, KEEPALIVE, Message, MessageType};
use bgp::notification::{ErrorCode, Notification};
use bgp::route_refresh::RouteRefresh;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use wire::{Afi, Asn, Safi};

/// How a session answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our AS number; `None` for that of the peer.
    pub local_as: Option<Asn>,
    /// Our BGP identifier.
    pub identifier: Ipv4Addr,
    /// Receive several paths of a prefix (RFC 7911) from peers that can send them.
    pub add_path: bool,
    /// Receive prefixes with several labels (RFC 8277) from peers that announce them.
    pub multiple_labels: bool,
    /// Announce route refresh (RFC 2918) to peers that announce it.
    pub route_refresh: bool,
    /// Announce enhanced route refresh (RFC 7313) to peers that announce it.
    pub enhanced_route_refresh: bool,
    /// Announce extended messages (RFC 8654) to peers that announce them.
    pub extended_message: bool,
    /// The OPEN of another speaker, a whole message: the session between that speaker and the peer is observed. What both agreed on
    /// applies, nothing is sent, and no timer runs.
    pub observed: Option<Box<[u8]>>,
    /// How long a peer may take to send its OPEN, and, if there is no hold time, to confirm ours. RFC 4271 suggests four
    /// minutes for peers that know each other; a listener cannot keep strangers so long.
    pub open_wait: Duration,
}

impl Default for Config {
    /// The peer's AS, identifier 1.2.3.4, ADD-PATH, and one minute for the OPEN.
    fn default() -> Self {
        Self {
            local_as: None,
            identifier: Ipv4Addr::new(1, 2, 3, 4),
            add_path: true,
            multiple_labels: false,
            route_refresh: false,
            enhanced_route_refresh: false,
            extended_message: false,
            observed: None,
            open_wait: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// Observes a session of a speaker that sent this OPEN, a whole message.
    pub fn observing(open: &[u8]) -> Self {
        Self {
            observed: Some(open.into()),
            add_path: true,
            multiple_labels: true,
            extended_message: true,
            ..Self::default()
        }
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The peer's OPEN is acceptable, and ours waits in the send buffer. A caller that does not want the peer
    /// calls [`Session::close`].
    Open(&'a Parameters),
    /// The session is established.
    Established,
    /// An UPDATE, with a valid header and at least 4 octets of body.
    Update(Update<'a>),
    /// A KEEPALIVE of an established session; the answer waits in the send buffer.
    Keepalive,
    /// A ROUTE-REFRESH: a request, which a collector cannot serve, or begin or end of a refresh.
    RouteRefresh(RouteRefresh<'a>),
}

/// An UPDATE in the stream.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The whole message; [`Message::body`] is what a decoder needs.
    pub message: Message<'a>,
    /// Offset of the message in the stream from the peer, in octets.
    pub position: u64,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl Counts {
    fn count(&mut self, kind: MessageType) {
        match kind {
            MessageType::OPEN => self.open += 1,
            MessageType::UPDATE => self.update += 1,
            MessageType::NOTIFICATION => self.notification += 1,
            MessageType::KEEPALIVE => self.keepalive += 1,
            MessageType::ROUTE_REFRESH => self.route_refresh += 1,
            _ => {}
        }
    }
}

/// Why no ROUTE-REFRESH was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRefresh {
    /// The session is not established.
    NotEstablished,
    /// The peer did not announce route refresh.
    NotSupported,
    /// Too much waits for sending already.
    Busy,
}

impl fmt::Display for NoRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEstablished => "the session is not established",
            Self::NotSupported => "the peer did not announce route refresh",
            Self::Busy => "the peer does not read",
        })
    }
}

impl std::error::Error for NoRefresh {}

/// A session with one peer, from the accepted connection to its end.
#[derive(Debug)]
pub struct Session {
    input: Input,
    core: Core,
}

/// What the states work on.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) state: State,
    pub(crate) timers: Timers,
    pub(crate) parameters: Option<Box<Parameters>>,
    output: Output,
    received: Counts,
    sent: Counts,
    closed: Option<Closed>,
}

impl Core {
    /// Queues a message that the state sends. KEEPALIVEs are skipped if the peer does not read.
    pub(crate) fn queue(&mut self, kind: MessageType, message: &[u8], now: Instant) -> bool {
        if self.config.observed.is_some() {
            return true;
        }
        let queued = self.output.queue(message, now);
        if queued {
            self.sent.count(kind);
        }
        if matches!(kind, MessageType::KEEPALIVE | MessageType::OPEN) {
            self.timers.keepalive = now;
        }
        queued
    }

    pub(crate) fn enhanced_route_refresh(&self) -> bool {
        self.parameters.as_ref().is_some_and(|parameters| parameters.enhanced_route_refresh)
    }

    fn extended_message(&self) -> bool {
        self.parameters.as_ref().is_some_and(|parameters| parameters.extended_message)
    }

    fn close(&mut self, notification: Notification, cause: Cause, now: Instant) {
        if self.closed.is_none() {
            if self.config.observed.is_none() {
                self.output.queue_last(&notification, now);
                self.sent.count(MessageType::NOTIFICATION);
            }
            self.end(Closed::Sent(notification, cause));
        }
    }

    fn end(&mut self, closed: Closed) {
        self.state = State::Closed;
        self.closed.get_or_insert(closed);
    }

    /// The first timer that expires, and the reason to close the session then; without one a KEEPALIVE is due.
    fn next_timer(&self) -> Option<(Instant, Option<Cause>)> {
        if self.closed.is_some() || self.config.observed.is_some() {
            return None;
        }
        let state = state::deadline(self).map(|(at, cause)| (at, Some(cause)));
        let send_hold =
            self.output.stalled().map(|since| (since + self.timers.send_hold(), Some(Cause::SendHoldTimer)));
        let keepalive = self.timers.keepalive_deadline().map(|at| (at, None));
        [state, send_hold, keepalive].into_iter().flatten().min_by_key(|&(at, _)| at)
    }
}

impl Session {
    /// A session on a connection that was accepted now.
    pub fn new(config: Config, now: Instant) -> Self {
        let core = Core {
            config,
            state: State::OpenWait,
            timers: Timers::new(now),
            parameters: None,
            output: Output::default(),
            received: Counts::default(),
            sent: Counts::default(),
            closed: None,
        };
        Self { input: Input::default(), core }
    }

    /// Takes octets that the peer sent from the start of `input`, up to the next message that the caller hears of. Call it
    /// until it returns `None`: then all octets are taken, or the session is over, which [`Session::closed`] tells.
    ///
    /// Messages that lie whole in `input` are not copied. `now` restarts the hold timer for each whole message, as RFC 4271 wants
    /// it for KEEPALIVE and UPDATE.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8], now: Instant) -> Option<Event<'a>> {
        let (signal, located) = self.step(input, now)?;
        let message = match located {
            Located::Caller(message) => message,
            Located::Buffer => self.input.buffered()?,
        };
        Some(match signal {
            Signal::Open => Event::Open(self.core.parameters.as_deref()?),
            Signal::Established => Event::Established,
            Signal::Keepalive => Event::Keepalive,
            Signal::Update => Event::Update(Update { message, position: self.input.position() }),
            Signal::RouteRefresh => {
                let enhanced = self.core.enhanced_route_refresh();
                Event::RouteRefresh(RouteRefresh::decode(message.body(), enhanced).ok()?)
            }
        })
    }

    fn step<'i>(&mut self, input: &mut &'i [u8], now: Instant) -> Option<(Signal, Located<'i>)> {
        while self.core.closed.is_none() {
            let before = *input;
            let located = match self.input.locate(input, self.core.extended_message()) {
                Ok(Some(located)) => located,
                Ok(None) => return None,
                Err(error) => {
                    self.core.close(error.notification(), Cause::Header(error), now);
                    break;
                }
            };
            let message = match located {
                Located::Caller(message) => message,
                Located::Buffer => self.input.buffered()?,
            };
            let outcome = state::receive(&mut self.core, message, now);
            if let Outcome::EmitAndRepeat(signal) = outcome {
                match located {
                    Located::Caller(_) => {
                        *input = before;
                        self.input.put_back();
                    }
                    Located::Buffer => self.input.keep_buffered(),
                }
                return Some((signal, located));
            }
            self.core.received.count(message.kind());
            self.core.timers.received = now;
            match outcome {
                Outcome::Emit(signal) => return Some((signal, located)),
                Outcome::Done | Outcome::EmitAndRepeat(_) => {}
                Outcome::Close(notification, cause) => self.core.close(notification, cause, now),
                Outcome::Notified => {
                    // A valid header promises two octets.
                    let unknown = |_| Notification::new(ErrorCode { code: 0, subcode: 0 }, message.body());
                    let notification = Notification::decode(message.body()).unwrap_or_else(unknown);
                    self.core.end(Closed::Received(notification));
                }
            }
        }
        self.input.free();
        *input = &[];
        None
    }

    /// Octets to send, possibly none. Those that were sent are reported to [`Session::sent`].
    ///
    /// After the end of the session a NOTIFICATION may be left, which the caller sends if the connection takes it at once.
    pub fn send_buffer(&self) -> &[u8] {
        self.core.output.waiting()
    }

    /// Removes the first `octets` of the send buffer.
    pub fn sent(&mut self, octets: usize, now: Instant) {
        self.core.output.remove(octets, now);
    }

    /// When to call [`Session::timeout`]; `None` if no timer runs.
    ///
    /// Octets that arrived before the deadline and were not read yet have to be given to [`Session::next`] first: a busy
    /// caller must not take a peer for silent.
    pub fn deadline(&self) -> Option<Instant> {
        self.core.next_timer().map(|(at, _)| at)
    }

    /// Acts on timers that expired: sends a KEEPALIVE, or closes the session. Does nothing before the deadline.
    pub fn timeout(&mut self, now: Instant) {
        while let Some((at, cause)) = self.core.next_timer()
            && at <= now
        {
            match cause {
                // Moves the deadline, whether there is room or not.
                None => _ = self.core.queue(MessageType::KEEPALIVE, &KEEPALIVE, now),
                Some(cause) => {
                    let error = match cause {
                        Cause::SendHoldTimer => ErrorCode::SEND_HOLD_TIMER_EXPIRED,
                        _ => ErrorCode::HOLD_TIMER_EXPIRED,
                    };
                    self.core.close(Notification::new(error, &[]), cause, now);
                }
            }
        }
    }

    /// Sends a KEEPALIVE now, unless the session is over: a peer that has restarted answers it with a reset of the connection.
    pub fn send_keepalive(&mut self, now: Instant) {
        if self.core.state != State::OpenWait && self.core.closed.is_none() {
            self.core.queue(MessageType::KEEPALIVE, &KEEPALIVE, now);
        }
    }

    /// Asks the peer for all routes of a family again.
    pub fn request_refresh(&mut self, afi: Afi, safi: Safi, now: Instant) -> Result<(), NoRefresh> {
        if self.core.state != State::Established {
            return Err(NoRefresh::NotEstablished);
        }
        if !self.parameters().is_some_and(|parameters| parameters.route_refresh) {
            return Err(NoRefresh::NotSupported);
        }
        let mut message = Vec::with_capacity(HEADER_LEN + 4);
        RouteRefresh::request(afi, safi).write(&mut message);
        if self.core.queue(MessageType::ROUTE_REFRESH, &message, now) { Ok(()) } else { Err(NoRefresh::Busy) }
    }

    /// Ends the session with a NOTIFICATION, unless it is over.
    pub fn close(&mut self, notification: Notification, now: Instant) {
        self.core.close(notification, Cause::Local, now);
    }

    /// Ends the session with a Cease, Administrative Shutdown, and a text of up to 255 octets (RFC 9003).
    pub fn shutdown(&mut self, text: &str, now: Instant) {
        self.close(Notification::with_text(ErrorCode::ADMINISTRATIVE_SHUTDOWN, text), now);
    }

    /// Reports that the connection ended.
    pub fn disconnected(&mut self) {
        let incomplete = self.input.incomplete();
        self.core.end(Closed::Disconnected { incomplete });
    }

    /// The state.
    pub fn state(&self) -> State {
        self.core.state
    }

    /// Why the session is over; `None` while it is not.
    pub fn closed(&self) -> Option<&Closed> {
        self.core.closed.as_ref()
    }

    /// What was agreed, from the peer's OPEN on.
    pub fn parameters(&self) -> Option<&Parameters> {
        self.core.parameters.as_deref()
    }

    /// When the last whole message came, or the session began.
    pub fn last_received(&self) -> Instant {
        self.core.timers.received
    }

    /// Messages that came.
    pub fn received_messages(&self) -> Counts {
        self.core.received
    }

    /// Messages that were queued.
    pub fn sent_messages(&self) -> Counts {
        self.core.sent
    }

    /// Bytes of memory that the incomplete message takes.
    pub fn input_bytes(&self) -> usize {
        self.input.allocated()
    }
}
