//! The connections of routers, by address.
//!
//! Several routers may be behind one address, so a second connection from an address is accepted. It may also be that of a router that has
//! restarted: then the first connection is dead, and its kernel does not know it. So whoever connects makes the kernel ask the routers of
//! the other connections from that address whether they are still there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::Notify;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    router: Cell<IpAddr>,
    /// Asks its task to find out whether the router is there.
    pub(super) probe: Notify,
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
    pub(super) fn enter(&self, router: IpAddr) -> Entry<'_> {
        let number = self.next.replace(self.next.get().wrapping_add(1));
        let connection = Rc::new(Connection { router: Cell::new(router), probe: Notify::new() });
        self.open.borrow_mut().insert(number, Rc::clone(&connection));
        Entry { connections: self, number, connection }
    }
}

impl Entry<'_> {
    /// The session of the router begins. Earlier connections from its address are probed.
    pub(super) fn begin(&self, router: IpAddr) {
        self.connection.router.set(router);
        for (number, other) in self.connections.open.borrow().iter() {
            if *number != self.number && other.router.get() == router {
                other.probe.notify_one();
            }
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
    }
}
