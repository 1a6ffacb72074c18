//! The thread of BMP: it accepts connections, and runs their tasks and the regular work of the collector.
//!
//! One thread does all of that: sessions share the collector without locks, and readers of the RIB have one writer to wait for.

use super::collector::Collector;
use super::connections::Connections;
use super::figures::Figures;
use super::routers::Listed;
use super::settings::{Loaded, Settings};
use super::{connection, kafka, savefile};
use crate::routing::figures::Figure;
use crate::routing::tags::Tagger;
use crate::sessions::accept::{RATE, accept};
use crate::sessions::admission::{Admission, Rejection};
use bmp_session::Config;
use runtime::log::{Limited, Pass};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

/// Interval of the regular work: reopening files, removing the routes of peers that are gone.
const REGULAR: Duration = Duration::from_millis(200);
/// Interval of the background work while some is left.
const BACKGROUND: Duration = Duration::from_millis(1);
/// Interval at which the end of the background work is awaited.
const LEAVING: Duration = Duration::from_millis(5);
/// How long sessions may take to end at shutdown.
const LAST_SESSIONS: Duration = Duration::from_secs(2);

/// Where sessions come from.
pub(super) enum Input {
    /// Routers connect to this socket; others are behind Kafka.
    Socket(TcpListener, Option<kafka::Receiver>),
    /// They were captured.
    File(capture::pcap_file::Settings),
}

/// What the main thread and the thread of BMP share.
pub(super) struct Shared {
    /// The operator's files.
    loaded: RwLock<Loaded>,
    pub(super) tagger: Tagger,
    pub(super) figures: Figures,
    /// The routers with a session.
    routers: RwLock<Vec<Arc<Listed>>>,
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
            routers: RwLock::default(),
            unlogged: Figure::default(),
            incomplete: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            reopenings,
        }
    }

    pub(super) fn change_routers(&self, change: impl FnOnce(&mut Vec<Arc<Listed>>)) {
        let mut routers = self.routers.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut routers);
        self.figures.sessions.set(routers.len() as u64);
    }

    /// The routers as they are now.
    pub(super) fn routers(&self) -> Vec<Arc<Listed>> {
        self.routers.read().unwrap_or_else(PoisonError::into_inner).clone()
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

/// Log lines that routers can cause.
pub(super) struct LogLimits {
    /// By reason, so that none hides another.
    refused: [Limited; Rejection::COMMON.len()],
    accepted: Limited,
    /// Sessions that the router ended, and those that ended with an error.
    pub(super) ended: Limited,
    pub(super) failed: Limited,
    pub(super) kafka: Limited,
}

impl LogLimits {
    fn refusal(&self, why: Rejection) -> Option<Pass> {
        self.refused.get(why as usize)?.pass()
    }
}

/// The state of the thread.
pub(super) struct Service {
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
    pub(super) connections: Connections,
    pub(super) admission: RefCell<Admission>,
    pub(super) collector: RefCell<Collector>,
    /// Where all connections read.
    pub(super) buffer: RefCell<Vec<u8>>,
    pub(super) stop: watch::Receiver<bool>,
    /// A session waits for the removal of routes.
    urgent: Notify,
    pub(super) limits: LogLimits,
    /// Sessions that have not ended.
    pub(super) open: Cell<usize>,
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
                refused: Rejection::COMMON.map(|_| Limited::new(RATE)),
                accepted: Limited::new(RATE),
                ended: Limited::new(RATE),
                failed: Limited::new(RATE),
                kafka: Limited::new(RATE),
            },
            open: Cell::new(0),
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
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            let regular = tokio::task::spawn_local(Rc::clone(&service).regular_work());
            let result = match input {
                Input::Socket(socket, kafka) => {
                    if let Some(receiver) = kafka {
                        tokio::task::spawn_local(kafka::receive(Rc::clone(&service), receiver));
                    }
                    let admit = |stream, address| admit(&service, stream, address);
                    accept(socket, service.stop.clone(), "BMP", admit).await
                }
                Input::File(file) => {
                    let complete = savefile::read(&service, &file).await;
                    service.shared.incomplete.store(!complete, Ordering::Release);
                    Ok(())
                }
            };
            let _ = timeout(LAST_SESSIONS, service.last_sessions()).await;
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

    /// How sessions read their streams.
    pub(super) fn session_config(&self) -> Config {
        Config { proxy_header: self.settings.proxy_header, ..Config::default() }
    }

    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        let _ = stop.wait_for(|stopping| *stopping).await;
    }

    /// Waits until the routes of peers of a router that are down are removed.
    pub(super) async fn left(&self, router: IpAddr) {
        while self.collector.borrow().is_leaving(router) {
            self.urgent.notify_one();
            sleep(LEAVING).await;
        }
    }

    async fn last_sessions(&self) {
        while self.open.get() > 0 {
            sleep(LEAVING).await;
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

    /// Admits a router, which must leave [`Service::admission`] at the end of its session.
    pub(super) fn admit(&self, router: IpAddr) -> Result<(), Rejection> {
        let is_allowed = self.shared.loaded().allow.is_none_or(|allow| allow.allows(router));
        match is_allowed {
            true => self.admission.borrow_mut().enter(Instant::now()),
            false => Err(Rejection::NotAllowed),
        }
    }

    /// Counts and logs a router that is not admitted.
    pub(super) fn refuse(&self, address: IpAddr, why: Rejection) {
        self.figures().refuse(why);
        let Some(pass) = self.limits.refusal(why) else { return };
        let held_back = pass.held_back;
        match why {
            Rejection::NotAllowed => info!(held_back, "[{address}] peer '{address}' not allowed. close()"),
            Rejection::MaxPeers => warn!(
                held_back,
                "Insufficient number of BMP peers has been configured by 'bmp_daemon_max_peers' ({}).",
                self.settings.limits.max_peers
            ),
            Rejection::Throttled => {
                info!(held_back, "throttling at BMP peer {address}: bmp_daemon_batch is reached");
            }
            Rejection::ExistingPeer | Rejection::RouterId => {}
        }
    }
}

/// Starts the task of a connection, or closes the connection.
fn admit(service: &Rc<Service>, stream: TcpStream, peer: SocketAddr) {
    if let Err(why) = service.admit(peer.ip()) {
        return service.refuse(peer.ip(), why);
    }
    service.figures().accepted.add(1);
    if let Some(pass) = service.limits.accepted.pass() {
        info!(held_back = pass.held_back, "[{}] BMP connection accepted from port {}", peer.ip(), peer.port());
    }
    tokio::task::spawn_local(connection::serve(Rc::clone(service), stream, peer));
}
