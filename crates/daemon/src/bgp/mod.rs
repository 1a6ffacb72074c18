//! The listener of pmbgpd, on which BGP will be implemented.
//!
//! BGP itself is not implemented yet. Connections are accepted from allowed peers (`bgp_daemon_allow_file`), at most
//! `bgp_daemon_max_peers` at a time and each for [`PATIENCE`] at most; received data is discarded. Nothing is sent. One thread
//! does all of that.

use crate::allow;
use crate::host::part::{Commit, Kind, Part, Prepare, Reading, Services};
use crate::host::{blame, describe};
use capture::allow::AllowList;
use config::keys::{bgp, maps};
use config::problem::Severity;
use config::{Diagnostics, Names, Origin};
use runtime::events::Stop;
use runtime::log::Limited;
use runtime::notice;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Maximum duration of a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval at which the thread serves its connections.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections accepted in a row before the others are served.
const ACCEPTED_AT_ONCE: usize = 64;
/// Minimum time between two log lines of one kind about connections.
const RATE: Duration = Duration::from_secs(10);

/// The listener in the row of a daemon.
pub(crate) static ROW: Listeners = Listeners;

/// The kind of this part.
pub(crate) struct Listeners;

struct Settings {
    address: SocketAddr,
    max_peers: usize,
    allow_file: Option<PathBuf>,
    names: Names,
}

/// State shared between the thread and the main thread.
#[derive(Default)]
struct Shared {
    allow: RwLock<Option<Arc<AllowList>>>,
    accepted: AtomicU64,
    not_allowed: AtomicU64,
    /// Connections that were closed at once, because the maximum was reached.
    too_many: AtomicU64,
    open: AtomicU64,
    ended: AtomicBool,
}

struct Listener {
    settings: Settings,
    shared: Arc<Shared>,
    socket: Option<TcpListener>,
}

impl Kind for Listeners {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let (config, names) = (reading.config, reading.names.clone());
        let address = config.core(&bgp::BGP_DAEMON_IP).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let settings = Settings {
            address: SocketAddr::new(address, config.core(&bgp::BGP_DAEMON_PORT)),
            max_peers: usize::try_from(config.core(&bgp::BGP_DAEMON_MAX_PEERS)).unwrap_or(usize::MAX),
            allow_file: config.core(&maps::BGP_DAEMON_ALLOW_FILE),
            names,
        };
        let shared = Shared::default();
        if let Some(path) = &settings.allow_file {
            let key = &maps::BGP_DAEMON_ALLOW_FILE;
            let list = allow::read(settings.names.of(key), path, blame(config, key), reading.problems)?;
            *shared.allow.write().unwrap_or_else(PoisonError::into_inner) = Some(list);
        }
        Some(Box::new(Listener { settings, shared: Arc::new(shared), socket: None }))
    }
}

impl Part for Listener {
    fn open(&mut self) -> Result<(), String> {
        let Settings { address, names, .. } = &self.settings;
        let (ip_key, port_key) = (names.of(&bgp::BGP_DAEMON_IP), names.of(&bgp::BGP_DAEMON_PORT));
        let described = |error| format!("{ip_key}, {port_key}: cannot listen on {address}: {error}");
        let socket = TcpListener::bind(address).map_err(described)?;
        socket.set_nonblocking(true).map_err(described)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let Some(socket) = self.socket.take() else { return Err(ErrorKind::NotConnected.into()) };
        let peers = Peers {
            shared: Arc::clone(&self.shared),
            max: self.settings.max_peers,
            open: Vec::new(),
            accepted: Limited::new(RATE),
            rejected: Limited::new(RATE),
            failing: Limited::new(RATE),
        };
        let (stop, bell) = (services.stop.clone(), services.bell.clone());
        let shared = Arc::clone(&self.shared);
        services.threads.spawn("bgp", services.identity.clone(), move || {
            peers.run(&socket, &stop);
            shared.ended.store(true, Ordering::Release);
            bell.ring();
        })
    }

    fn announce(&self) {
        warn!(
            "BGP is not implemented in this version yet: connections are accepted, and what they send is discarded"
        );
        let address = self.settings.address;
        info!("waiting for BGP connections on ip={} port={}/tcp", address.ip(), address.port());
    }

    fn is_working(&self) -> bool {
        !self.shared.ended.load(Ordering::Acquire)
    }

    fn rereads(&self) -> Option<&'static str> {
        self.settings.allow_file.as_ref().map(|_| "lists")
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.settings.allow_file.clone().into_iter().collect()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        let path = self.settings.allow_file.clone()?;
        let (names, shared) = (self.settings.names.clone(), Arc::clone(&self.shared));
        Some(Box::new(move || {
            let mut problems = Diagnostics::new();
            let origin = Origin::whole(&path.display().to_string());
            let list = allow::read(names.of(&maps::BGP_DAEMON_ALLOW_FILE), &path, &origin, &mut problems);
            if problems.is_fatal() {
                problems.joined().iter().for_each(|problem| error!("{}", describe(problem)));
                return None;
            }
            let remarks = problems.joined();
            let remarks = remarks.iter().filter(|problem| problem.severity > Severity::Debug);
            remarks.for_each(|remark| warn!("{}", describe(remark)));
            Some(Box::new(move || {
                *shared.allow.write().unwrap_or_else(PoisonError::into_inner) = list;
            }) as Commit)
        }))
    }

    fn report(&mut self, now: u64) {
        let figure = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let Shared { accepted, not_allowed, too_many, open, .. } = &*self.shared;
        notice!(
            "stats [{}] time={now} connections_open={} connections_accepted={} connections_not_allowed={} \
             connections_too_many={}",
            self.settings.address,
            figure(open),
            figure(accepted),
            figure(not_allowed),
            figure(too_many)
        );
    }

    fn has_failed(&mut self, _finite: bool) -> bool {
        false
    }
}

/// The connections, in their thread.
struct Peers {
    shared: Arc<Shared>,
    max: usize,
    open: Vec<Peer>,
    accepted: Limited,
    rejected: Limited,
    failing: Limited,
}

struct Peer {
    stream: TcpStream,
    until: Instant,
}

impl Peer {
    /// Reads received data. Returns `false` when the connection has ended.
    fn read(&mut self, now: Instant) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(_) => now < self.until,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                now < self.until
            }
            Err(_) => false,
        }
    }
}

impl Peers {
    fn run(mut self, socket: &TcpListener, stop: &Stop) {
        loop {
            for _ in 0..ACCEPTED_AT_ONCE {
                match socket.accept() {
                    Ok((stream, address)) => self.take(stream, address),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => {
                        if let Some(pass) = self.failing.pass() {
                            warn!(held_back = pass.held_back, "cannot accept a BGP connection: {error}");
                        }
                        break;
                    }
                }
            }
            let now = Instant::now();
            self.open.retain_mut(|peer| peer.read(now));
            self.shared.open.store(self.open.len() as u64, Ordering::Relaxed);
            if stop.pause(PAUSE) {
                return;
            }
        }
    }

    /// Accepts a connection, or closes it.
    fn take(&mut self, stream: TcpStream, address: SocketAddr) {
        let allow = self.shared.allow.read().unwrap_or_else(PoisonError::into_inner).clone();
        let why = if allow.is_some_and(|allow| !allow.allows(address.ip().to_canonical())) {
            self.shared.not_allowed.fetch_add(1, Ordering::Relaxed);
            "bgp_daemon_allow_file does not list the peer"
        } else if self.open.len() >= self.max {
            self.shared.too_many.fetch_add(1, Ordering::Relaxed);
            "bgp_daemon_max_peers is reached"
        } else if let Err(error) = stream.set_nonblocking(true) {
            warn!(peer = %address, "closing a BGP connection: {error}");
            return;
        } else {
            self.shared.accepted.fetch_add(1, Ordering::Relaxed);
            if let Some(pass) = self.accepted.pass() {
                info!(peer = %address, held_back = pass.held_back, "BGP connection accepted");
            }
            self.open.push(Peer { stream, until: Instant::now() + PATIENCE });
            return;
        };
        if let Some(pass) = self.rejected.pass() {
            let held_back = pass.held_back;
            warn!(peer = %address, held_back, "closing a BGP connection: {why}");
        }
    }
}
