//! The threads of DTLS, one for each worker: the kernel gives all datagrams of an exporter to the same one.
//!
//! A thread hands over what it has decrypted of a batch of datagrams. If its worker is behind, it waits, and the buffer of the socket fills; the
//! kernel counts what it drops then.

use super::figures::{Dropped, Ending, Figures, Of, Transport};
use super::settings::Settings;
use super::{Admission, Loaded, Workers};
use crate::flows::intake::delivery::{Delivery, Feeder};
use crate::sessions::accept::RATE;
use crate::sessions::tls::{File, Files};
use ::dtls::{ContextError, Counts, Handler, Identity, Server, ServerContext, ServerLimits, TICK};
use capture::udp::{Received, Receiver};
use capture::{Batch, Messages};
use config::{Config, Diagnostics, Origin};
use runtime::events::Stop;
use runtime::log::Limited;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// What is made of the files.
pub(super) use ::dtls::ServerContext as Context;

/// Interval of regular work while there are no handshakes.
const REGULAR: Duration = Duration::from_secs(1);
/// Handshakes in progress, of all threads together. Each may take some 100 KiB.
const HANDSHAKES: usize = 256;
/// How long datagrams that are queued at shutdown are still read.
const LAST: Duration = Duration::from_secs(1);

/// What a thread needs.
pub(super) struct Start {
    /// Number of its worker.
    pub(super) number: usize,
    pub(super) receiver: Receiver,
    pub(super) settings: Arc<Settings>,
    pub(super) loaded: Arc<RwLock<Loaded>>,
    pub(super) version: Arc<AtomicU64>,
    pub(super) figures: Arc<Figures>,
    pub(super) workers: Workers,
    pub(super) admission: Admission,
    pub(super) stop: Stop,
}

/// DTLS is built in.
pub(super) fn check(_: &Config, _: &mut Diagnostics) -> bool {
    true
}

/// Reads the files. Errors are fatal.
pub(super) fn load(files: &Files, problems: &mut Diagnostics) -> Option<Context> {
    match try_load(files) {
        Ok(context) => Some(context),
        Err((path, what)) => {
            problems.fatal(&Origin::whole(&path.display().to_string()), what, None);
            None
        }
    }
}

fn try_load(files: &Files) -> Result<Context, (&Path, String)> {
    let read = |file: &File| config::text::read_bytes(&file.path, config::text::MAX_TEXT);
    let certificates = read(&files.cert).map_err(|error| files.cert.wrong(&error))?;
    let key = read(&files.key).map_err(|error| files.key.wrong(&error))?;
    let authorities = match &files.ca {
        Some(ca) => Some(read(ca).map_err(|error| ca.wrong(&error))?),
        None => None,
    };
    let identity = Identity { certificates: &certificates, key: &key };
    ServerContext::new(&identity, authorities.as_deref()).map_err(|error| {
        let file = match (&error, &files.ca) {
            (ContextError::Key(_) | ContextError::Mismatch, _) => &files.key,
            (ContextError::Authorities(_), Some(ca)) => ca,
            _ => &files.cert,
        };
        file.wrong(&error)
    })
}

/// Receives until the daemon stops.
pub(super) fn run(start: Start) {
    let Some(thread) = Thread::new(start) else { return };
    thread.run();
}

/// The state of a thread.
struct Thread {
    server: Server,
    receiver: Receiver,
    feeder: Feeder,
    loaded: Arc<RwLock<Loaded>>,
    version: Arc<AtomicU64>,
    /// The version of the files that the server uses.
    used: u64,
    admission: Admission,
    stop: Stop,
    sessions: Sessions,
    /// Counters of the server and drops of the kernel, as last added to the figures.
    counts: Counts,
    kernel_drops: u32,
    ticked: Instant,
}

/// The sessions, and what they have sent since the last delivery.
struct Sessions {
    workers: Workers,
    figures: Arc<Figures>,
    numbers: HashMap<SocketAddr, u64>,
    /// The peer of the last record, which is mostly that of the next.
    last: Option<(SocketAddr, u64)>,
    delivery: Delivery,
    opened: Limited,
    failed: Limited,
}

/// What the server does with them.
struct Handling<'a> {
    sessions: &'a mut Sessions,
    receiver: &'a Receiver,
}

impl Thread {
    fn new(start: Start) -> Option<Self> {
        let Start { number, receiver, settings, loaded, version, figures, workers, admission, stop } = start;
        let used = version.load(Ordering::Acquire);
        let context = loaded.read().unwrap_or_else(PoisonError::into_inner).dtls.clone()?;
        let threads = workers.feeders.len().max(1);
        let limits = ServerLimits {
            handshakes: (HANDSHAKES / threads).max(16),
            sessions: settings.max_sessions.div_ceil(threads),
            // A session without a limit lasts until its place is needed.
            idle: settings.timeout.unwrap_or(Duration::MAX),
            ..ServerLimits::default()
        };
        let server = Server::new(context, limits).map_err(|error| error!("DTLS: {error}")).ok()?;
        Some(Self {
            server,
            receiver,
            feeder: workers.feeders.get(number)?.clone(),
            loaded,
            version,
            used,
            admission,
            stop,
            sessions: Sessions {
                workers: workers.clone(),
                figures,
                numbers: HashMap::new(),
                last: None,
                delivery: Delivery::default(),
                opened: Limited::new(RATE),
                failed: Limited::new(RATE),
            },
            counts: Counts::default(),
            kernel_drops: 0,
            ticked: Instant::now(),
        })
    }

    fn run(mut self) {
        let mut batch = Batch::new();
        let failing = Limited::new(RATE);
        while !self.stop.is_requested() {
            let wait = if self.server.handshakes() > 0 { TICK } else { REGULAR };
            match self.receiver.receive(&mut batch, Some(wait)) {
                Ok(Received::Datagrams) => self.received(&batch),
                Ok(Received::Woken | Received::Idle) => {}
                Err(error) => {
                    if let Some(pass) = failing.pass() {
                        warn!(held_back = pass.held_back, "DTLS: receiving failed: {error}");
                    }
                    // A persistent error must not cause a busy loop.
                    let _ = self.stop.pause(TICK);
                }
            }
            if self.ticked.elapsed() >= wait {
                self.tick();
            }
            // Statistics must not be older than those of the worker, which counts what is delivered.
            self.count();
            if !self.deliver() {
                return;
            }
        }
        self.drain(&mut batch);
        let Self { server, receiver, sessions, .. } = &mut self;
        server.end(&mut Handling { sessions, receiver });
        self.count();
        self.deliver();
    }

    /// Reads what has arrived before the end.
    fn drain(&mut self, batch: &mut Batch) {
        let until = Instant::now() + LAST;
        while Instant::now() < until && self.receiver.receive_queued(batch).is_ok_and(|some| some) {
            self.received(batch);
            if !self.deliver() {
                return;
            }
        }
    }

    fn received(&mut self, batch: &Batch) {
        self.sessions.delivery.messages = Messages::new(batch.arrival_us());
        let now = Instant::now();
        let Self { server, receiver, sessions, admission, .. } = self;
        let mut not_allowed = 0;
        for datagram in batch {
            if !admission.allows(datagram.source.ip()) {
                not_allowed += 1;
                continue;
            }
            server.receive(datagram.source, datagram.payload, now, &mut Handling { sessions, receiver });
        }
        if not_allowed > 0 {
            sessions.figures.drop_datagrams(Dropped::NotAllowed, not_allowed);
        }
    }

    /// Hands over what was received. False if the worker has ended.
    fn deliver(&mut self) -> bool {
        let delivery = std::mem::take(&mut self.sessions.delivery);
        if delivery.is_empty() {
            return true;
        }
        self.sessions.of().messages.add(delivery.messages.len() as u64);
        self.feeder.blocking_send(delivery)
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        let version = self.version.load(Ordering::Acquire);
        if version != self.used {
            self.used = version;
            if let Some(context) = self.loaded.read().unwrap_or_else(PoisonError::into_inner).dtls.clone() {
                self.server.set_context(context);
            }
        }
        let Self { server, receiver, sessions, .. } = self;
        server.tick(self.ticked, &mut Handling { sessions, receiver });
        self.count();
    }

    /// Adds counters to the figures.
    fn count(&mut self) {
        let (before, now) = (self.counts, self.server.counts());
        let figures = &self.sessions.figures;
        for (why, before, now) in [
            (Dropped::Stray, before.strays, now.strays),
            (Dropped::Cookie, before.bad_cookies, now.bad_cookies),
            (Dropped::Handshakes, before.refused, now.refused),
        ] {
            figures.drop_datagrams(why, now.saturating_sub(before));
        }
        self.sessions.of().accepted.add(now.begun.saturating_sub(before.begun));
        self.counts = now;
        let drops = self.receiver.drops().unwrap_or(self.kernel_drops);
        self.sessions.delivery.kernel_drops += u64::from(drops.wrapping_sub(self.kernel_drops));
        self.kernel_drops = drops;
    }
}

impl Sessions {
    fn of(&self) -> &Of {
        self.figures.of(Transport::Dtls)
    }

    /// The number of the session of a peer.
    fn number(&mut self, peer: SocketAddr) -> u64 {
        match self.last {
            Some((last, number)) if last == peer => number,
            _ => {
                let number = self.numbers.get(&peer).copied().unwrap_or_default();
                self.last = Some((peer, number));
                number
            }
        }
    }
}

impl Handler for Handling<'_> {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        if self.receiver.send_to(to, datagram).is_err() {
            self.sessions.figures.drop_datagrams(Dropped::Unsent, 1);
        }
    }

    fn opened(&mut self, peer: SocketAddr) {
        let sessions = &mut *self.sessions;
        let number = sessions.workers.new_session();
        sessions.numbers.insert(peer, number);
        sessions.last = Some((peer, number));
        sessions.of().open.add(1);
        if let Some(pass) = sessions.opened.pass() {
            info!(held_back = pass.held_back, "[{}] DTLS session with port {} began", peer.ip(), peer.port());
        }
    }

    fn plaintext(&mut self, peer: SocketAddr, plaintext: &[u8]) {
        let number = self.sessions.number(peer);
        self.sessions.delivery.messages.push(peer, number, plaintext);
    }

    fn ended(&mut self, peer: SocketAddr, was_open: bool, why: &::dtls::Ending) {
        let sessions = &mut *self.sessions;
        sessions.last = None;
        if let Some(number) = sessions.numbers.remove(&peer)
            && was_open
        {
            sessions.delivery.ended.push(number);
            sessions.of().open.take(1);
        }
        sessions.of().close(if was_open { ending(why) } else { Ending::Handshake });
        let (ip, port) = (peer.ip(), peer.port());
        match (why, was_open) {
            (::dtls::Ending::Closed | ::dtls::Ending::Local | ::dtls::Ending::Replaced, true) => {
                if let Some(pass) = sessions.opened.pass() {
                    info!(held_back = pass.held_back, "[{ip}] DTLS session with port {port} ended: {why}");
                }
            }
            _ => {
                if let Some(pass) = sessions.failed.pass() {
                    let what = if was_open { "session" } else { "handshake" };
                    let why = why.to_string();
                    let (held_back, why) = (pass.held_back, why.escape_debug());
                    warn!(held_back, "[{ip}] DTLS {what} with port {port} ended: {why}");
                }
            }
        }
    }
}

fn ending(why: &::dtls::Ending) -> Ending {
    match why {
        ::dtls::Ending::Closed | ::dtls::Ending::Failed(_) => Ending::Disconnected,
        ::dtls::Ending::HandshakeTimeout | ::dtls::Ending::HandshakeTooLong => Ending::Handshake,
        ::dtls::Ending::Idle => Ending::TimedOut,
        ::dtls::Ending::Evicted => Ending::Evicted,
        ::dtls::Ending::Replaced => Ending::Replaced,
        ::dtls::Ending::Local => Ending::Shutdown,
    }
}
