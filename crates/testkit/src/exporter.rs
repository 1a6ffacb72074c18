//! An exporter: a sender of datagrams.

use crate::conditions::eventually;
use crate::sockets;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Unread octets beyond which a sender waits. The kernel's usual buffer holds some 200 KB, its overhead included.
const UNREAD_MAX: u64 = 48 << 10;
/// Datagrams between two looks at the receiver.
const BURST: usize = 8;

/// Sends datagrams from one address to one receiver on this machine.
#[derive(Debug)]
pub struct Exporter {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Exporter {
    /// An exporter at that address; any of 127.0.0.0/8 will do.
    ///
    /// # Panics
    ///
    /// When the address is none of this machine's.
    pub fn new(source: IpAddr, target: SocketAddr) -> Self {
        let socket = UdpSocket::bind((source, 0)).unwrap_or_else(|error| panic!("exporter {source}: {error}"));
        Self { socket, target }
    }

    /// Sends one datagram.
    ///
    /// # Panics
    ///
    /// When the kernel refuses it: it is too long, or nobody listens there.
    pub fn send(&self, datagram: &[u8]) {
        if let Err(error) = self.socket.send_to(datagram, self.target) {
            panic!("sending {} octets to {}: {error}", datagram.len(), self.target);
        }
    }

    /// Sends datagrams, never more than the receiver's buffer has room for: nothing is lost on the way.
    ///
    /// # Panics
    ///
    /// As [`Exporter::send`], and when the receiver stops reading.
    pub fn send_all<D: AsRef<[u8]>>(&self, datagrams: impl IntoIterator<Item = D>) {
        for (number, datagram) in datagrams.into_iter().enumerate() {
            if number % BURST == 0 {
                eventually("the receiver to read", || self.has_room().then_some(()));
            }
            self.send(datagram.as_ref());
        }
    }

    fn has_room(&self) -> bool {
        sockets::bound(self.target).iter().all(|socket| socket.unread <= UNREAD_MAX)
    }
}
