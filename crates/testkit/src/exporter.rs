//! Exporters: senders of datagrams.

use crate::conditions::eventually;
use crate::sockets;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Unread bytes beyond which a sender waits. The kernel's default buffer holds about 200 KB, including its overhead.
const MAX_UNREAD: u64 = 48 << 10;
/// Datagrams between two checks of the receiver's buffer.
const BURST: usize = 8;

/// Sends datagrams from one address to one receiver on this machine.
#[derive(Debug)]
pub struct Exporter {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Exporter {
    /// An exporter with that source address, such as any of 127.0.0.0/8.
    ///
    /// # Panics
    ///
    /// If the machine does not have the address.
    pub fn new(source: IpAddr, target: SocketAddr) -> Self {
        let socket = UdpSocket::bind((source, 0)).unwrap_or_else(|error| panic!("exporter {source}: {error}"));
        Self { socket, target }
    }

    /// Sends one datagram.
    ///
    /// # Panics
    ///
    /// If the kernel rejects it: it is too long, or nothing listens there.
    pub fn send(&self, datagram: &[u8]) {
        if let Err(error) = self.socket.send_to(datagram, self.target) {
            panic!("sending {} octets to {}: {error}", datagram.len(), self.target);
        }
    }

    /// Sends datagrams, but never more than the receiver's buffer holds, so none is lost.
    ///
    /// # Panics
    ///
    /// As [`Exporter::send`], and if the receiver stops reading.
    pub fn send_all<D: AsRef<[u8]>>(&self, datagrams: impl IntoIterator<Item = D>) {
        for (number, datagram) in datagrams.into_iter().enumerate() {
            if number % BURST == 0 {
                eventually("the receiver to read", || self.has_room().then_some(()));
            }
            self.send(datagram.as_ref());
        }
    }

    fn has_room(&self) -> bool {
        sockets::bound(self.target).iter().all(|socket| socket.unread <= MAX_UNREAD)
    }
}
