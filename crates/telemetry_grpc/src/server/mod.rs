//! The side of a server: sockets, connections, streams.

mod connection;
mod response;
mod stream;

use crate::counters::Refusal;
use crate::event::Event;
use crate::limits::Limits;
use crate::outlet::Outlet;
use crate::service::{Service, Services};
use crate::{Admit, tls};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

/// The pause after a connection could not be accepted, as when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket on which routers dial out.
#[derive(Debug)]
pub struct Listener {
    /// The socket, which listens.
    pub socket: std::net::TcpListener,
    /// The services that it has.
    pub services: Services,
    /// TLS; without it, routers connect in plain text.
    pub tls: Option<tls::Server>,
}

/// A socket that the runtime knows.
pub(crate) struct Registered {
    socket: TcpListener,
    services: Services,
    tls: Option<tls::Server>,
}

impl Listener {
    /// Registers the socket with the runtime.
    pub(crate) fn register(self) -> io::Result<Registered> {
        let socket = TcpListener::from_std(self.socket)?;
        Ok(Registered { socket, services: self.services, tls: self.tls })
    }
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) replies: [u32; Service::COUNT],
    pub(crate) admit: Admit,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) stop: watch::Receiver<bool>,
    /// Closed when no task is left.
    pub(crate) _done: mpsc::Sender<()>,
    /// Connections that may still be opened.
    pub(crate) connections: Arc<Semaphore>,
    /// Bytes of messages that may still be received.
    pub(crate) receiving: Arc<Semaphore>,
}

/// Accepts connections until the intake stops.
pub(crate) async fn accept(listener: Registered, shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let counters = shared.outlet.counters();
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((socket, peer)) = accepted else {
            // The error is of one connection, or of the process; none of them ends the socket.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // A socket for IPv6 shows IPv4 addresses mapped.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if !(shared.admit)(peer) {
            counters.refused(Refusal::NotAllowed);
            shared.outlet.offer(Event::Refused { peer, why: "the router is not in the allow list".to_owned() });
            continue;
        }
        let Ok(slot) = Arc::clone(&shared.connections).try_acquire_owned() else {
            counters.refused(Refusal::Limit);
            let why = format!("there are {} connections already", shared.limits.connections);
            shared.outlet.offer(Event::Refused { peer, why });
            continue;
        };
        counters.connection();
        let (tls, services, shared) = (listener.tls.clone(), listener.services, Arc::clone(&shared));
        tokio::spawn(async move {
            connection::run(socket, peer, tls, services, shared).await;
            drop(slot);
        });
    }
}
