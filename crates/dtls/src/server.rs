//! The server's side: the sessions of one UDP port.

use crate::context::ServerContext;
use crate::cookie::Cookies;
use crate::hello::{ClientHello, RANDOM, epochs};
use crate::session::{Ending, Session};
use crate::{ContextError, MAX_PLAINTEXT};
use foldhash::fast::RandomState;
use openssl::ssl::Ssl;
use recent::Map;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Records that a client may send during its handshake, and those of them that are encrypted. OpenSSL keeps encrypted ones that come too early,
/// each in a buffer of 16 KiB. A handshake has less than ten of the former and one of the latter, each of which is repeated up to a dozen times.
const MAX_RECORDS: u32 = 256;
const MAX_ENCRYPTED: u32 = 24;

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Handshakes in progress. A further one takes the place of the one that has waited longest for its client.
    pub handshakes: usize,
    /// Handshakes in progress from one address; further ones are refused.
    pub handshakes_per_address: usize,
    /// Sessions. A further one takes the place of the one that was silent longest.
    pub sessions: usize,
    /// Time for a handshake.
    pub handshake: Duration,
    /// Time after which a silent session ends.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 128,
            handshakes_per_address: 16,
            sessions: 1024,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(1800),
        }
    }
}

/// What happened, in numbers that only increase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// First hellos, which were answered with a cookie.
    pub cookies: u64,
    /// Hellos with a cookie that is old, or not that of their address.
    pub bad_cookies: u64,
    /// Datagrams that belong to no session and are no ClientHello.
    pub strays: u64,
    /// Handshakes that were refused because their address has too many of them in progress.
    pub refused: u64,
    /// Handshakes that have begun.
    pub begun: u64,
    /// Handshakes that ended without a session.
    pub failed: u64,
    /// Sessions that have begun.
    pub opened: u64,
    /// Sessions that were closed for others.
    pub evicted: u64,
}

/// What a server asks its caller to do.
pub trait Handler {
    /// Send a datagram.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]);
    /// A session has begun.
    fn opened(&mut self, peer: SocketAddr);
    /// A record has arrived in a session that has begun.
    fn plaintext(&mut self, peer: SocketAddr, plaintext: &[u8]);
    /// A session has ended; `opened` was called for it only if `was_open`.
    fn ended(&mut self, peer: SocketAddr, was_open: bool, why: &Ending);
}

/// The sessions of one port.
pub struct Server {
    context: ServerContext,
    limits: Limits,
    cookies: Cookies,
    handshakes: Map<SocketAddr, Handshake>,
    /// Handshakes of each address.
    by_address: HashMap<IpAddr, usize, RandomState>,
    sessions: Map<SocketAddr, Open>,
    counts: Counts,
    /// Where plaintexts and answers are written.
    buffer: Vec<u8>,
    answer: Vec<u8>,
}

/// A handshake in progress.
struct Handshake {
    peer: SocketAddr,
    session: Session,
    random: [u8; RANDOM],
    until: Instant,
    records: u32,
    encrypted: u32,
}

/// A session that has begun.
struct Open {
    session: Session,
    random: [u8; RANDOM],
    active: Instant,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server without sessions.
    ///
    /// # Errors
    /// OpenSSL has no random numbers.
    pub fn new(context: ServerContext, limits: Limits) -> Result<Self, ContextError> {
        Ok(Self {
            context,
            limits,
            cookies: Cookies::new(Instant::now())?,
            handshakes: Map::new(limits.handshakes),
            by_address: HashMap::default(),
            sessions: Map::new(limits.sessions),
            counts: Counts::default(),
            buffer: vec![0; MAX_PLAINTEXT],
            answer: Vec::new(),
        })
    }

    /// Uses another context for handshakes that begin from now on.
    pub fn set_context(&mut self, context: ServerContext) {
        self.context = context;
    }

    /// Sessions that have begun and not ended.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Handshakes in progress.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a datagram that has arrived.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant, handler: &mut impl Handler) {
        let hello = ClientHello::read(datagram);
        if let Ok(hello) = &hello
            && !self.is_known(from, &hello.random)
        {
            return self.greet(from, hello, datagram, now, handler);
        }
        if let Some(open) = self.sessions.get_mut(&from) {
            open.session.receive(datagram, &mut self.buffer, |plaintext| {
                open.active = now;
                handler.plaintext(from, plaintext);
            });
            open.session.flush(|datagram| handler.send(from, datagram));
            if let Some(why) = open.session.ending() {
                handler.ended(from, true, why);
                self.sessions.remove(&from);
            }
        } else if self.handshakes.peek(&from).is_some() {
            self.shake(from, datagram, now, handler);
        } else {
            self.counts.strays += 1;
        }
    }

    /// Repeats what handshakes have to repeat, and ends what has waited too long. To be called every [`TICK`](crate::TICK).
    pub fn tick(&mut self, now: Instant, handler: &mut impl Handler) {
        let mut over = Vec::new();
        for handshake in self.handshakes.values_mut() {
            handshake.session.drive();
            let peer = handshake.peer;
            handshake.session.flush(|datagram| handler.send(peer, datagram));
            if now >= handshake.until {
                handshake.session.close(Ending::HandshakeTimeout);
            }
            if handshake.session.ending().is_some() {
                over.push(peer);
            }
        }
        over.into_iter().for_each(|peer| self.fail(peer, handler));
        while let Some(peer) = self.sessions.oldest().copied() {
            let active = self.sessions.peek(&peer).map(|open| open.active);
            if active.is_some_and(|active| now.saturating_duration_since(active) < self.limits.idle) {
                break;
            }
            self.close(peer, Ending::Idle, handler);
        }
    }

    /// Ends all sessions, and sends their peers a close_notify.
    pub fn end(&mut self, handler: &mut impl Handler) {
        while let Some((peer, open)) = self.sessions.pop_oldest() {
            finish(peer, open, Ending::Local, handler);
        }
    }

    /// Whether a hello belongs to the session or handshake of its address: a repeated one.
    fn is_known(&self, from: SocketAddr, random: &[u8; RANDOM]) -> bool {
        self.sessions.peek(&from).is_some_and(|open| open.random == *random)
            || self.handshakes.peek(&from).is_some_and(|handshake| handshake.random == *random)
    }

    /// Answers a hello with a cookie, or begins a handshake if the cookie is there.
    fn greet(
        &mut self,
        from: SocketAddr,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        now: Instant,
        handler: &mut impl Handler,
    ) {
        // The message after the first hello is number 1, in a later record: another one would not follow what OpenSSL has seen.
        let is_second = hello.message == 1 && hello.sequence > 0;
        if is_second && self.cookies.accepts(from, hello) {
            return self.begin(from, hello, datagram, now, handler);
        }
        self.counts.bad_cookies += u64::from(!hello.cookie.is_empty());
        if let Some(cookie) = self.cookies.of(from, hello, now) {
            self.counts.cookies += 1;
            hello.write_verify_request(&cookie, &mut self.answer);
            handler.send(from, &self.answer);
        }
    }

    /// Begins a handshake with a peer whose cookie is right.
    fn begin(
        &mut self,
        from: SocketAddr,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        now: Instant,
        handler: &mut impl Handler,
    ) {
        // The client has started a new session, and its cookie proves that it is the owner of the address (RFC 6347 section 4.2.8).
        self.close(from, Ending::Replaced, handler);
        self.abandon(from, Ending::Replaced, handler);
        let open = self.by_address.get(&from.ip()).copied().unwrap_or_default();
        if open >= self.limits.handshakes_per_address {
            self.counts.refused += 1;
            return;
        }
        let Ok(mut session) = self.accept() else {
            self.counts.refused += 1;
            return;
        };
        hello.write_first(&mut self.answer);
        session.receive(&self.answer, &mut self.buffer, |_| {});
        session.flush(|_| {});
        if self.handshakes.len() >= self.limits.handshakes.max(1)
            && let Some(oldest) = self.handshakes.oldest().copied()
        {
            self.abandon(oldest, Ending::Evicted, handler);
        }
        self.counts.begun += 1;
        *self.by_address.entry(from.ip()).or_default() += 1;
        let until = now + self.limits.handshake;
        let handshake = Handshake { peer: from, session, random: hello.random, until, records: 0, encrypted: 0 };
        self.handshakes.insert(from, handshake);
        self.shake(from, datagram, now, handler);
    }

    fn accept(&self) -> Result<Session, openssl::error::ErrorStack> {
        let mut ssl = Ssl::new(&self.context.0)?;
        ssl.set_accept_state();
        Session::new(ssl)
    }

    /// Continues a handshake.
    fn shake(&mut self, from: SocketAddr, datagram: &[u8], now: Instant, handler: &mut impl Handler) {
        let Some(handshake) = self.handshakes.get_mut(&from) else { return };
        for epoch in epochs(datagram) {
            handshake.records += 1;
            handshake.encrypted += u32::from(epoch > 0);
        }
        if handshake.records > MAX_RECORDS || handshake.encrypted > MAX_ENCRYPTED {
            handshake.session.close(Ending::HandshakeTooLong);
            return self.fail(from, handler);
        }
        // Data may follow the last message of the handshake in the same datagram.
        let mut is_first = true;
        handshake.session.receive(datagram, &mut self.buffer, |plaintext| {
            if std::mem::take(&mut is_first) {
                handler.opened(from);
            }
            handler.plaintext(from, plaintext);
        });
        handshake.session.flush(|datagram| handler.send(from, datagram));
        if !handshake.session.has_begun() {
            if handshake.session.ending().is_some() {
                self.fail(from, handler);
            }
            return;
        }
        if is_first {
            handler.opened(from);
        }
        self.counts.opened += 1;
        let Some(Handshake { session, random, .. }) = self.leave(from) else { return };
        if let Some(why) = session.ending() {
            return handler.ended(from, true, why);
        }
        if let Some((peer, evicted)) = self.sessions.insert(from, Open { session, random, active: now }) {
            self.counts.evicted += 1;
            finish(peer, evicted, Ending::Evicted, handler);
        }
    }

    /// Removes a handshake.
    fn leave(&mut self, peer: SocketAddr) -> Option<Handshake> {
        let handshake = self.handshakes.remove(&peer)?;
        if let Some(count) = self.by_address.get_mut(&peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&peer.ip());
            }
        }
        Some(handshake)
    }

    /// Removes a handshake that has ended.
    fn fail(&mut self, peer: SocketAddr, handler: &mut impl Handler) {
        if let Some(handshake) = self.leave(peer)
            && let Some(why) = handshake.session.ending()
        {
            self.counts.failed += 1;
            handler.ended(peer, false, why);
        }
    }

    /// Ends a handshake, if there is one.
    fn abandon(&mut self, peer: SocketAddr, why: Ending, handler: &mut impl Handler) {
        if let Some(mut handshake) = self.leave(peer) {
            self.counts.failed += 1;
            handshake.session.close(why);
            handshake.session.ending().into_iter().for_each(|why| handler.ended(peer, false, why));
        }
    }

    /// Ends a session, if there is one.
    fn close(&mut self, peer: SocketAddr, why: Ending, handler: &mut impl Handler) {
        if let Some(open) = self.sessions.remove(&peer) {
            finish(peer, open, why, handler);
        }
    }
}

/// Closes a session that was removed.
fn finish(peer: SocketAddr, mut open: Open, why: Ending, handler: &mut impl Handler) {
    open.session.close(why);
    open.session.flush(|datagram| handler.send(peer, datagram));
    open.session.ending().into_iter().for_each(|why| handler.ended(peer, true, why));
}
