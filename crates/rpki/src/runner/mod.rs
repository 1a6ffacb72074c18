//! The thread that keeps the sessions with caches, and publishes their data.
//!
//! It drives [`Caches`] over TCP or TLS. Everything that caches can cause is bounded: see [`crate::client`].

mod connection;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

use crate::caches::{Caches, Command};
use crate::client::{self, Fault, Notice, Reason};
use crate::shared::Shared;
use connection::{Event, Message};
use runtime::log::{Identity, Limited};
use runtime::threads::Threads;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Messages of connections that may wait. Each holds at most [`connection::CHUNK`] octets.
const WAITING: usize = 8;
/// Minimum time between two log lines of one kind about caches.
const RATE: Duration = Duration::from_secs(10);

/// Where a cache listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// An IP address or a name. A name is resolved at each connection; its certificate must have the same name or address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// Parses `address:port`, `[address]:port` or `name:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
            Some(host) => host.filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok())?,
            None => host,
        };
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '[' || c == ']');
        let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| *port != 0 && is_port)?;
        let in_brackets = text.starts_with('[');
        (is_host && is_v6 == in_brackets).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Files for TLS, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that certificates of caches must come from; `None` for those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate of this daemon, if caches ask for one.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// The caches, and how to connect to them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// In order of preference.
    pub caches: Vec<Address>,
    /// How sessions behave.
    pub client: client::Settings,
    /// TLS, if it is enabled.
    pub tls: Option<TlsFiles>,
    /// IP precedence of packets, 0 to 7.
    pub ip_precedence: u8,
    /// Receive buffer of connections in bytes; `None` for the default of the system.
    pub receive_buffer: Option<u32>,
}

/// Keeps sessions with caches; not yet started.
#[derive(Debug)]
pub struct Runner {
    settings: Settings,
    tls: Option<tls::Connector>,
}

/// Keeps the sessions: they end when this is dropped, within 100 ms.
#[derive(Debug)]
pub struct Handle {
    _end: oneshot::Sender<()>,
}

impl Runner {
    /// Reads the files for TLS.
    ///
    /// # Errors
    /// A file cannot be read or has the wrong content; the text names it.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let tls = settings.tls.as_ref().map(tls::Connector::new).transpose()?;
        Ok(Self { settings, tls })
    }

    /// Starts the thread, which publishes data to `shared` until the handle is dropped.
    ///
    /// # Errors
    /// As [`Threads::spawn`].
    pub fn start(self, threads: &Threads, identity: Identity, shared: Arc<Shared>) -> io::Result<Handle> {
        let (sender, end) = oneshot::channel();
        threads.spawn("rpki", identity, move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    warn!("rpki_rtr_cache: {error}; routes are not validated");
                    return;
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = end => {}
                    () = Driver::new(self, shared).run() => {}
                }
            });
            // A name that is being resolved does not delay the end.
            runtime.shutdown_background();
        })?;
        Ok(Handle { _end: sender })
    }
}

/// A connection, or the attempt to open one.
struct Link {
    /// Distinguishes late messages of an earlier connection.
    number: u64,
    output: mpsc::Sender<Vec<u8>>,
}

struct Driver {
    settings: Arc<Settings>,
    tls: Option<tls::Connector>,
    shared: Arc<Shared>,
    caches: Caches,
    links: Vec<Option<Link>>,
    numbers: u64,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Message>,
    receiver: mpsc::Receiver<Message>,
    limits: Limits,
}

struct Limits {
    faults: Limited,
    closed: Limited,
    transfers: Limited,
    notices: Limited,
}

impl Driver {
    fn new(Runner { settings, tls }: Runner, shared: Arc<Shared>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let limited = || Limited::new(RATE);
        Self {
            caches: Caches::new(settings.caches.len(), &settings.client, Instant::now()),
            links: settings.caches.iter().map(|_| None).collect(),
            settings: Arc::new(settings),
            tls,
            shared,
            numbers: 0,
            tasks: JoinSet::new(),
            sender,
            receiver,
            limits: Limits { faults: limited(), closed: limited(), transfers: limited(), notices: limited() },
        }
    }

    async fn run(mut self) {
        loop {
            self.drive();
            let deadline = self.caches.deadline().unwrap_or_else(|| Instant::now() + RATE);
            tokio::select! {
                message = self.receiver.recv() => {
                    if let Some(message) = message {
                        self.message(message);
                    }
                }
                // Ended tasks are forgotten.
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = tokio::time::sleep_until(deadline.into()) => self.caches.elapse(Instant::now()),
            }
        }
    }

    fn message(&mut self, Message { cache, number, event }: Message) {
        let link =
            self.links.get_mut(cache).filter(|link| link.as_ref().is_some_and(|link| link.number == number));
        let Some(link) = link else { return };
        let now = Instant::now();
        match event {
            Event::Opened => {
                self.shared.counters().connections.fetch_add(1, Relaxed);
                self.caches.opened(cache, now);
            }
            Event::Octets(octets) => self.caches.receive(cache, &octets, now),
            Event::Closed(why) => {
                *link = None;
                self.shared.counters().error(Reason::Connection);
                if let Some(pass) = self.limits.closed.pass() {
                    let address = self.address(cache);
                    warn!(held_back = pass.held_back, "rpki_rtr_cache: {address}: {why}");
                }
                self.caches.closed(cache, now);
            }
        }
    }

    /// Does what the state machine wants, and shows what it did.
    fn drive(&mut self) {
        while let Some(command) = self.caches.command(Instant::now()) {
            match command {
                Command::Connect(cache) => self.connect(cache),
                Command::Close(cache) => {
                    self.send(cache);
                    // The task writes what it has, and ends.
                    if let Some(link) = self.links.get_mut(cache) {
                        *link = None;
                    }
                }
            }
        }
        for cache in 0..self.links.len() {
            self.send(cache);
        }
        let counters = self.shared.counters();
        counters.add(&self.caches.take_tally());
        counters.serving.store(self.caches.serving().map_or(0, |index| index as u64 + 1), Relaxed);
        for (cache, fault) in self.caches.take_faults() {
            self.shared.counters().fault(&fault);
            self.log_fault(cache, &fault);
        }
        for (cache, notice) in self.caches.take_notices() {
            self.log_notice(cache, notice);
        }
        if let Some(snapshot) = self.caches.take_snapshot() {
            let snapshot = snapshot.unwrap_or_default();
            self.shared.publish(snapshot.vrps);
            self.shared.publish_aspas(snapshot.aspas);
        }
    }

    fn connect(&mut self, cache: usize) {
        let Some(address) = self.settings.caches.get(cache).cloned() else { return };
        self.numbers += 1;
        let (output, queued) = mpsc::channel(WAITING);
        let target = connection::Target { address, tls: self.tls.clone(), settings: Arc::clone(&self.settings) };
        let reports = connection::Reports { cache, number: self.numbers, sender: self.sender.clone() };
        self.tasks.spawn(connection::run(target, reports, queued));
        if let Some(link) = self.links.get_mut(cache) {
            *link = Some(Link { number: self.numbers, output });
        }
    }

    fn send(&mut self, cache: usize) {
        let Some(Some(link)) = self.links.get(cache) else { return };
        let octets = self.caches.take_output(cache);
        // There are only a few queries under way; a cache that does not read does not answer either.
        if !octets.is_empty() {
            let _ = link.output.try_send(octets);
        }
    }

    fn address(&self, cache: usize) -> String {
        self.settings.caches.get(cache).map(ToString::to_string).unwrap_or_default()
    }

    fn log_fault(&self, cache: usize, fault: &Fault) {
        let Some(pass) = self.limits.faults.pass() else { return };
        let address = self.address(cache);
        warn!(held_back = pass.held_back, "rpki_rtr_cache: {address}: {fault}; the session ends");
    }

    fn log_notice(&self, cache: usize, notice: Notice) {
        let limit = match notice {
            Notice::Transferred { .. } => &self.limits.transfers,
            Notice::Version(_) | Notice::CacheReset | Notice::Expired => &self.limits.notices,
        };
        let Some(pass) = limit.pass() else { return };
        let (address, held_back) = (self.address(cache), pass.held_back);
        match notice {
            Notice::Version(version) => {
                info!(held_back, "rpki_rtr_cache: {address}: the cache speaks version {}", version.number());
            }
            Notice::Transferred { all: true, vrps } => {
                info!(held_back, vrps, "rpki_rtr_cache: {address}: all VRPs received");
            }
            Notice::Transferred { all: false, vrps } => {
                info!(held_back, vrps, "rpki_rtr_cache: {address}: changes received");
            }
            Notice::CacheReset => {
                info!(held_back, "rpki_rtr_cache: {address}: the cache asks for a reset");
            }
            Notice::Expired => {
                warn!(
                    held_back,
                    "rpki_rtr_cache: {address}: the VRPs could not be refreshed and have expired; check the cache"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_caches_have_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:323", "127.0.0.1", 323),
            ("[2001:db8::1]:8282", "2001:db8::1", 8282),
            ("rtr.example.net:324", "rtr.example.net", 324),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "127.0.0.1",
            ":323",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:+1",
            "2001:db8::1:323",
            "[2001:db8::1]",
            "[127.0.0.1]:323",
            "[::1:323",
            "a b:323",
            "::1]:323",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
