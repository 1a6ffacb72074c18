//! The thread of the looking glass: it accepts connections, and runs their tasks.

use super::answer::Tables;
use super::client::{self, Closing, Credentials, End};
use runtime::log::Limited;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;
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
        // Dropping it ends the tasks.
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => return Ok(()),
                Some(_) = clients.join_next() => continue,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((_, address)) if clients.len() >= CLIENTS => {
                    self.report(address, Closing::ClientsBound, &format!("there are {CLIENTS} clients already"));
                }
                Ok((stream, address)) => _ = clients.spawn_local(Rc::clone(&self).serve(stream, address)),
                Err(error) => {
                    if let Some(pass) = self.closed.pass() {
                        warn!(held_back = pass.held_back, "looking glass: cannot accept a connection: {error}");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, address: SocketAddr) {
        let _ = stream.set_nodelay(true);
        if let End::Closed(why, details) = client::serve(&self.tables, self.credentials.as_ref(), stream).await {
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
