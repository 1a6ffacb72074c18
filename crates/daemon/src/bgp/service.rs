//! The thread of BGP: it accepts connections, and runs their tasks and the regular work of the collector.
//!
//! One thread does all of that: sessions share the collector without locks, and readers of the RIB have one writer to wait for.

use super::collector::{Collector, Peer};
use super::connection;
use super::connections::Connections;
use super::figures::Figures;
use super::neighbors::NeighborsFile;
use super::peers::Listed;
use super::settings::{Loaded, Settings};
use super::{savefile, xconnect};
use crate::routing::figures::Figure;
use crate::routing::tags::Tagger;
use crate::sessions::accept::{RATE, accept};
use crate::sessions::admission::{Admission, Rejection};
use bgp::notification::{ErrorCode, Notification};
use bgp_session::Config;
use runtime::log::Limited;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};
use wire::Asn;

/// Interval of the regular work: reopening files, removing the routes of peers that are gone.
const REGULAR: Duration = Duration::from_millis(200);
/// Interval of the background work while some is left.
const BACKGROUND: Duration = Duration::from_millis(1);
/// How long sessions may take to end at shutdown.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

/// Where sessions come from.
pub(super) enum Input {
    /// Peers connect to this socket.
    Socket(TcpListener),
    /// They were captured.
    File(capture::pcap_file::Settings),
}

/// What the main thread and the thread of BGP share.
pub(super) struct Shared {
    /// The operator's files.
    loaded: RwLock<Loaded>,
    pub(super) tagger: Tagger,
    pub(super) figures: Figures,
    /// The peers with routes in the RIB.
    peers: RwLock<Vec<Arc<Listed>>>,
    /// Events that could not be logged.
    pub(super) unlogged: Figure,
    /// A capture file could not be read completely.
    pub(super) incomplete: AtomicBool,
    /// The thread has ended.
    pub(super) ended: AtomicBool,
    /// Number of requests to reopen files.
    pub(super) reopenings: Arc<AtomicU64>,
}

impl Shared {
    pub(super) fn new(loaded: Loaded, reopenings: Arc<AtomicU64>) -> Self {
        Self {
            tagger: Tagger::new(loaded.tags.clone()),
            loaded: RwLock::new(loaded),
            figures: Figures::default(),
            peers: RwLock::default(),
            unlogged: Figure::default(),
            incomplete: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            reopenings,
        }
    }

    pub(super) fn change_peers(&self, change: impl FnOnce(&mut Vec<Arc<Listed>>)) {
        change(&mut self.peers.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The peers as they are now.
    pub(super) fn peers(&self) -> Vec<Arc<Listed>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses other contents of the operator's files from now on.
    pub(super) fn reload(&self, loaded: Loaded) {
        self.tagger.replace(loaded.tags.clone());
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
    }

    pub(super) fn loaded(&self) -> Loaded {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Log lines that peers can cause.
pub(super) struct LogLimits {
    /// By reason, so that none hides another.
    refused: [Limited; Rejection::ALL.len()],
    accepted: Limited,
    /// Connections that end before they are sessions: those that the peer closed, and the others.
    pub(super) dropped: Limited,
    pub(super) failed: Limited,
}

impl LogLimits {
    /// Lets a line about a rejection pass, or not.
    pub(super) fn rejection(&self, why: Rejection) -> Option<runtime::log::Pass> {
        self.refused.get(why as usize)?.pass()
    }
}

/// The state of the thread.
pub(super) struct Service {
    pub(super) settings: Arc<Settings>,
    shared: Arc<Shared>,
    pub(super) connections: Connections,
    pub(super) admission: RefCell<Admission>,
    pub(super) collector: RefCell<Collector>,
    /// Where all connections read.
    pub(super) buffer: RefCell<Vec<u8>>,
    pub(super) stop: watch::Receiver<bool>,
    /// A session waits for the removal of routes.
    pub(super) urgent: Notify,
    pub(super) limits: LogLimits,
    neighbors: Option<NeighborsFile>,
    /// Peers of an MRT file.
    kept: RefCell<Vec<Peer>>,
    /// Connections whose sessions are over, and whose peers are given time to read the last message.
    pub(super) lingering: Cell<usize>,
}

impl Service {
    pub(super) fn new(
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        collector: Collector,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            connections: Connections::default(),
            admission: RefCell::new(Admission::new(settings.limits)),
            collector: RefCell::new(collector),
            buffer: RefCell::default(),
            stop,
            urgent: Notify::new(),
            limits: LogLimits {
                refused: Rejection::ALL.map(|_| Limited::new(RATE)),
                accepted: Limited::new(RATE),
                dropped: Limited::new(RATE),
                failed: Limited::new(RATE),
            },
            neighbors: settings.neighbors.clone().map(|path| NeighborsFile::new(path, settings.files)),
            kept: RefCell::default(),
            lingering: Cell::new(0),
            settings,
            shared,
        }
    }

    /// Runs until the daemon stops.
    ///
    /// # Errors
    /// The runtime cannot be created, or the socket cannot be used by it.
    pub(super) fn run(self, input: Input) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let service = Rc::new(self);
        service.neighbors_changed();
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            let regular = tokio::task::spawn_local(Rc::clone(&service).regular_work());
            let result = match input {
                Input::Socket(socket) => {
                    let admit = |stream, address| admit(&service, stream, address);
                    accept(socket, service.stop.clone(), "BGP", admit).await
                }
                Input::File(file) => {
                    let complete = savefile::read(&service, &file).await;
                    service.shared.incomplete.store(!complete, Ordering::Release);
                    if file.wait {
                        service.stopped().await;
                    }
                    let kept = service.kept.take();
                    let mut collector = service.collector.borrow_mut();
                    kept.into_iter().for_each(|peer| collector.disconnected(peer, true));
                    Ok(())
                }
            };
            let _ = timeout(LAST_MESSAGES, service.last_connections()).await;
            regular.abort();
            result
        })?;
        drop(tasks);
        if let Some(service) = Rc::into_inner(service) {
            service.collector.into_inner().end();
        }
        Ok(())
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn reject(&self, why: Rejection) {
        self.figures().reject(why);
    }

    /// Sends a NOTIFICATION on a new connection, whose empty buffer has room for it.
    pub(super) fn refuse(&self, stream: &TcpStream) {
        let mut message = Vec::new();
        Notification::new(ErrorCode::CONNECTION_REJECTED, &[]).write(&mut message);
        let _ = stream.try_write(&message);
    }

    /// How sessions answer.
    pub(super) fn session_config(&self) -> Config {
        Config {
            local_as: self.settings.local_as.map(Asn),
            identifier: self.settings.router_id,
            add_path: self.settings.add_path,
            route_refresh: self.settings.route_refresh,
            ..Config::default()
        }
    }

    /// A session was established, or has ended.
    pub(super) fn neighbors_changed(&self) {
        let established = self.connections.established();
        self.figures().sessions.set(established.len() as u64);
        if let Some(file) = &self.neighbors {
            file.write(established);
        }
    }

    /// The recorded session of a peer has no end: its routes stay as long as the daemon runs after the file.
    pub(super) fn keep(&self, peer: Peer) {
        self.kept.borrow_mut().push(peer);
    }

    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        let _ = stop.wait_for(|stopping| *stopping).await;
    }

    async fn last_connections(&self) {
        while !self.connections.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn regular_work(self: Rc<Self>) {
        let mut ticks = interval(REGULAR);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reopened = self.shared.reopenings.load(Ordering::Acquire);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.urgent.notified() => {}
            }
            let wanted = self.shared.reopenings.load(Ordering::Acquire);
            if std::mem::replace(&mut reopened, wanted) != wanted {
                self.collector.borrow_mut().reopen();
            }
            while self.collector.borrow_mut().work_in_background() {
                sleep(BACKGROUND).await;
            }
            // Without messages, too, a log that was held back goes out, or forgets what is old.
            self.collector.borrow_mut().flush();
        }
    }
}

/// Starts the task of a connection, or closes the connection.
fn admit(service: &Rc<Service>, stream: TcpStream, peer: SocketAddr) {
    let loaded = service.shared.loaded();
    let is_allowed = loaded.allow.is_none_or(|allow| allow.allows(peer.ip()));
    let admitted = match is_allowed {
        true => service.admission.borrow_mut().enter(Instant::now()),
        false => Err(Rejection::NotAllowed),
    };
    if let Err(why) = admitted {
        return close(service, stream, peer, why);
    }
    service.figures().accepted.add(1);
    if let Some(pass) = service.limits.accepted.pass() {
        info!(held_back = pass.held_back, "[{}] BGP connection accepted from port {}", peer.ip(), peer.port());
    }
    let service = Rc::clone(service);
    match loaded.xconnect.and_then(|map| map.destination(peer)) {
        None => _ = tokio::task::spawn_local(connection::serve(service, stream, peer)),
        Some(destination) => _ = tokio::task::spawn_local(forward(service, stream, peer, destination)),
    }
}

/// Closes a connection that must not become a session.
fn close(service: &Service, stream: TcpStream, peer: SocketAddr, why: Rejection) {
    service.reject(why);
    // A stranger learns nothing.
    if why != Rejection::NotAllowed {
        service.refuse(&stream);
    }
    drop(stream);
    let Some(pass) = service.limits.rejection(why) else { return };
    let (held_back, address) = (pass.held_back, peer.ip());
    match why {
        Rejection::NotAllowed => info!(held_back, "[{address}] peer '{address}' not allowed. close()"),
        Rejection::MaxPeers => warn!(
            held_back,
            "Insufficient number of BGP peers has been configured by 'bgp_daemon_max_peers' ({}).",
            service.settings.limits.max_peers
        ),
        Rejection::Throttled => info!(held_back, "throttling at BGP peer {address}: bgp_daemon_batch is reached"),
        Rejection::ExistingPeer | Rejection::RouterId => {}
    }
}

/// Forwards a session to another collector.
async fn forward(service: Rc<Service>, stream: TcpStream, peer: SocketAddr, destination: SocketAddr) {
    let mut stop = service.stop.clone();
    tokio::select! {
        _ = stop.changed() => {}
        forwarded = xconnect::forward(&service, stream, peer, destination) => match forwarded {
            Ok((from, to)) => {
                info!("[{}] BGP xconnect to {destination} ended: {from} bytes from the peer, {to} to it", peer.ip());
            }
            Err(error) => warn!("[{}] BGP xconnect to {destination}: {error}", peer.ip()),
        },
    }
    service.admission.borrow_mut().leave();
}
