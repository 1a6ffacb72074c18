//! The thread of connections: it accepts them and runs their tasks.

use super::connection;
use super::figures::{Figures, Rejection, Transport};
use super::settings::Settings;
use super::{Loaded, Workers};
use crate::flows::intake::delivery::Admission;
use crate::sessions::accept::{RATE, accept_all};
use runtime::log::Limited;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How long connections may take to end at shutdown.
const LAST: Duration = Duration::from_millis(1500);
/// Interval at which their end is awaited.
const LEAVING: Duration = Duration::from_millis(5);

/// What the thread needs.
pub(super) struct Start {
    pub(super) settings: Arc<Settings>,
    pub(super) loaded: Arc<RwLock<Loaded>>,
    pub(super) figures: Arc<Figures>,
    pub(super) workers: Workers,
    pub(super) admission: Admission,
    /// Sessions that a worker wants to be closed.
    pub(super) unwanted: mpsc::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
}

/// The state of the thread.
pub(super) struct Service {
    pub(super) settings: Arc<Settings>,
    pub(super) loaded: Arc<RwLock<Loaded>>,
    pub(super) figures: Arc<Figures>,
    pub(super) workers: Workers,
    pub(super) stop: watch::Receiver<bool>,
    /// Where all connections read.
    pub(super) buffer: RefCell<Vec<u8>>,
    admission: Admission,
    /// Connections, also of each address.
    open: Cell<usize>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
    /// What ends a session that a worker does not want.
    sessions: RefCell<HashMap<u64, Rc<Notify>>>,
    rejected: [Limited; 3],
    pub(super) accepted: Limited,
    pub(super) failed: Limited,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    service: Rc<Service>,
    address: IpAddr,
}

/// A session's entry, until it is dropped.
pub(super) struct Entry<'a> {
    service: &'a Service,
    pub(super) session: u64,
    /// Notified when the session must be closed.
    pub(super) unwanted: Rc<Notify>,
}

/// Runs until the daemon stops.
pub(super) fn run(start: Start, sockets: Vec<(Transport, TcpListener)>) -> io::Result<()> {
    let Start { settings, loaded, figures, workers, admission, mut unwanted, stop } = start;
    let service = Rc::new(Service {
        settings,
        loaded,
        figures,
        workers,
        stop,
        buffer: RefCell::default(),
        admission,
        open: Cell::new(0),
        by_address: RefCell::default(),
        sessions: RefCell::default(),
        rejected: std::array::from_fn(|_| Limited::new(RATE)),
        accepted: Limited::new(RATE),
        failed: Limited::new(RATE),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let mut accepting = Vec::new();
        for (transport, socket) in sockets {
            let service = Rc::clone(&service);
            accepting.push(tokio::task::spawn_local(async move {
                let stop = service.stop.clone();
                accept_all(socket, stop, "IPFIX", |stream, peer| admit(&service, transport, stream, peer)).await
            }));
        }
        let closing = Rc::clone(&service);
        tokio::task::spawn_local(async move {
            while let Some(session) = unwanted.recv().await {
                if let Some(entry) = closing.sessions.borrow().get(&session) {
                    entry.notify_one();
                }
            }
        });
        for task in accepting {
            task.await.map_err(io::Error::other)??;
        }
        let _ = timeout(LAST, service.last_connections()).await;
        Ok(())
    })
}

/// Starts the task of a connection, or closes the connection.
fn admit(service: &Rc<Service>, transport: Transport, stream: TcpStream, peer: SocketAddr) {
    let figures = service.figures.of(transport);
    let place = match service.enter(peer.ip()) {
        Ok(place) => place,
        Err(why) => {
            figures.reject(why);
            return service.log_rejection(peer.ip(), why);
        }
    };
    figures.accepted.add(1);
    if let Some(pass) = service.accepted.pass() {
        let (held_back, name, port) = (pass.held_back, transport.name(), peer.port());
        info!(held_back, "[{}] IPFIX connection over {name} accepted from port {port}", peer.ip());
    }
    tokio::task::spawn_local(connection::serve(place, transport, stream, peer));
}

impl Service {
    fn enter(self: &Rc<Self>, address: IpAddr) -> Result<Place, Rejection> {
        if !self.admission.allows(address) {
            return Err(Rejection::NotAllowed);
        }
        if self.open.get() >= self.settings.max_sessions {
            return Err(Rejection::MaxSessions);
        }
        let mut by_address = self.by_address.borrow_mut();
        let count = by_address.entry(address).or_default();
        if *count >= self.settings.max_per_address() {
            return Err(Rejection::MaxPerAddress);
        }
        *count += 1;
        self.open.set(self.open.get() + 1);
        Ok(Place { service: Rc::clone(self), address })
    }

    fn log_rejection(&self, address: IpAddr, why: Rejection) {
        let Some(pass) = self.rejected.get(why as usize).and_then(Limited::pass) else { return };
        let (held_back, max) = (pass.held_back, self.settings.max_sessions);
        match why {
            Rejection::NotAllowed => {
                info!(
                    held_back,
                    "[{address}] IPFIX connection closed: nfacctd_allow_file does not list its address"
                );
            }
            Rejection::MaxSessions => warn!(
                held_back,
                "[{address}] IPFIX connection closed: there are {max} connections (nfacctd_sessions_max)"
            ),
            Rejection::MaxPerAddress => warn!(
                held_back,
                "[{address}] IPFIX connection closed: there are {} from its address (nfacctd_sessions_max)",
                self.settings.max_per_address()
            ),
        }
    }

    /// Lists a session.
    pub(super) fn begin(&self) -> Entry<'_> {
        let (session, unwanted) = (self.workers.new_session(), Rc::new(Notify::new()));
        self.sessions.borrow_mut().insert(session, Rc::clone(&unwanted));
        Entry { service: self, session, unwanted }
    }

    /// The files of the last reload.
    pub(super) fn loaded(&self) -> Loaded {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn last_connections(&self) {
        while self.open.get() > 0 {
            sleep(LEAVING).await;
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.service.sessions.borrow_mut().remove(&self.session);
    }
}

impl Place {
    pub(super) fn service(&self) -> &Service {
        &self.service
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.service.open.set(self.service.open.get() - 1);
        let mut by_address = self.service.by_address.borrow_mut();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
