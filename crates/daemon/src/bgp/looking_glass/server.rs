//! The thread of the looking glass: it accepts connections, and runs their tasks.

use super::answer::Tables;
use super::client::{self, Closing, Credentials, End};
use runtime::log::Limited;
use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet, LocalSet};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// Concurrent clients.
const CLIENTS: usize = 64;
/// Pause after a connection that could not be accepted, as when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum time between two log lines about clients.
const RATE: Duration = Duration::from_secs(10);

/// What the tasks of all connections share.
pub(super) struct Server {
    tables: Tables,
    credentials: Option<Credentials>,
    closed: Limited,
}

impl Server {
    pub(super) fn new(tables: Tables, credentials: Option<Credentials>) -> Self {
        Self { tables, credentials, closed: Limited::new(RATE) }
    }

    /// Runs until the daemon stops.
    ///
    /// # Errors
    /// The runtime cannot be created, or the socket cannot be used by it.
    pub(super) fn run(self, socket: TcpListener, stop: watch::Receiver<bool>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, Rc::new(self).accept(socket, stop))
    }

    async fn accept(self: Rc<Self>, socket: TcpListener, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let mut clients = Clients::default();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => return Ok(()),
                () = clients.ended() => continue,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    if let Some(address) = clients.make_room() {
                        let details = format!("there are {CLIENTS} clients, and it was silent for longest");
                        self.report(address, Closing::ClientsBound, &details);
                    }
                    let active = Rc::new(Cell::new(Instant::now()));
                    let task = Rc::clone(&self).serve(stream, address, Rc::clone(&active));
                    clients.add(task, address, active);
                }
                Err(error) => {
                    if let Some(pass) = self.closed.pass() {
                        warn!(held_back = pass.held_back, "looking glass: cannot accept a connection: {error}");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, address: SocketAddr, active: Rc<Cell<Instant>>) {
        let _ = stream.set_nodelay(true);
        let end = client::serve(&self.tables, self.credentials.as_ref(), stream, &active).await;
        if let End::Closed(why, details) = end {
            self.report(address, why, &details);
        }
    }

    /// Counts and logs a connection that was closed.
    fn report(&self, address: SocketAddr, why: Closing, details: &str) {
        why.count(&self.tables.shared.figures.looking_glass);
        if let Some(pass) = self.closed.pass() {
            let details = details.escape_debug();
            info!(held_back = pass.held_back, "[{address}] looking glass: closing the connection: {details}");
        }
    }
}

/// The tasks of all connections. They end when it is dropped.
#[derive(Default)]
struct Clients {
    tasks: JoinSet<()>,
    /// Those that have not ended.
    running: HashMap<Id, Running>,
}

struct Running {
    task: AbortHandle,
    address: SocketAddr,
    /// When the client connected, was admitted, or sent its last query.
    active: Rc<Cell<Instant>>,
}

impl Clients {
    fn add(&mut self, task: impl Future<Output = ()> + 'static, address: SocketAddr, active: Rc<Cell<Instant>>) {
        let task = self.tasks.spawn_local(task);
        self.running.insert(task.id(), Running { task, address, active });
    }

    /// Waits until one has ended; for ever if there is none.
    async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        self.running.remove(&id);
    }

    /// Ends the one that was silent for longest if there is no room for another one, and returns its address.
    fn make_room(&mut self) -> Option<SocketAddr> {
        if self.running.len() < CLIENTS {
            return None;
        }
        let id = *self.running.iter().min_by_key(|(_, running)| running.active.get())?.0;
        let Running { task, address, .. } = self.running.remove(&id)?;
        task.abort();
        Some(address)
    }
}
