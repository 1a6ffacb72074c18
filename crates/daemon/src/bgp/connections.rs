//! The connections: which addresses have one, and how the tasks of connections reach each other.
//!
//! A second connection from the address of a live session is refused. Whether a session is alive is found out at that moment: the peer
//! of the first connection gets a KEEPALIVE, and if it has restarted, its kernel resets the connection at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use tokio::sync::Notify;

/// The state of a connection that others see.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    /// Since its OPEN was accepted.
    router_id: Cell<Option<Ipv4Addr>>,
    established: Cell<bool>,
    /// Asks its task to send a KEEPALIVE.
    pub(super) probe: Notify,
    /// Its task has ended.
    ended: Notify,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: RefCell<HashMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
}

/// Keeps a connection listed until its task ends.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    connections: &'a Connections,
    number: u64,
    pub(super) connection: Rc<Connection>,
}

impl Connections {
    /// Lists a connection.
    pub(super) fn enter(&self, peer: SocketAddr) -> Entry<'_> {
        let number = self.next.replace(self.next.get().wrapping_add(1));
        let connection = Rc::new(Connection {
            peer,
            router_id: Cell::new(None),
            established: Cell::new(false),
            probe: Notify::new(),
            ended: Notify::new(),
        });
        self.open.borrow_mut().insert(number, Rc::clone(&connection));
        Entry { connections: self, number, connection }
    }

    /// The connection of a peer; with `port`, only one from the same port.
    pub(super) fn of(&self, peer: SocketAddr, port: bool) -> Option<Rc<Connection>> {
        let open = self.open.borrow();
        let is_same =
            |other: &&Rc<Connection>| other.peer.ip() == peer.ip() && (!port || other.peer.port() == peer.port());
        open.values().find(is_same).cloned()
    }

    /// The addresses of the peers whose sessions are established.
    pub(super) fn established(&self) -> Vec<IpAddr> {
        let open = self.open.borrow();
        let mut peers: Vec<IpAddr> =
            open.values().filter(|connection| connection.established.get()).map(|c| c.peer.ip()).collect();
        peers.sort_unstable();
        peers
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }
}

impl Connection {
    /// Waits until the task of the connection has ended.
    pub(super) async fn wait_for_end(&self) {
        self.ended.notified().await;
    }
}

impl Entry<'_> {
    /// Takes a router ID for this connection; false if another connection has it.
    pub(super) fn take_router_id(&self, id: Ipv4Addr) -> bool {
        let open = self.connections.open.borrow();
        let is_taken =
            open.iter().any(|(number, other)| *number != self.number && other.router_id.get() == Some(id));
        if !is_taken {
            self.connection.router_id.set(Some(id));
        }
        !is_taken
    }

    /// The session is established.
    pub(super) fn establish(&self) {
        self.connection.established.set(true);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
        self.connection.ended.notify_waiters();
        // One that begins to wait just now must not miss it.
        self.connection.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_are_found_by_address_or_by_address_and_port() {
        let connections = Connections::default();
        let entry = connections.enter(address("192.0.2.1:1000"));
        assert!(connections.of(address("192.0.2.1:2000"), false).is_some());
        assert!(connections.of(address("192.0.2.1:2000"), true).is_none());
        assert!(connections.of(address("192.0.2.1:1000"), true).is_some());
        assert!(connections.of(address("192.0.2.2:1000"), false).is_none());
        entry.establish();
        assert_eq!(connections.established(), [address("192.0.2.1:0").ip()]);
        drop(entry);
        assert!(connections.is_empty() && connections.of(address("192.0.2.1:1000"), false).is_none());
    }

    #[test]
    fn a_router_id_belongs_to_one_connection() {
        let connections = Connections::default();
        let one = connections.enter(address("192.0.2.1:1000"));
        let other = connections.enter(address("192.0.2.2:1000"));
        let id = Ipv4Addr::new(10, 0, 0, 1);
        assert!(one.take_router_id(id) && one.take_router_id(id));
        assert!(!other.take_router_id(id));
        drop(one);
        assert!(other.take_router_id(id));
    }
}
