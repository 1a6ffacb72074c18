//! A connection to a collector from an address of its own.

use super::message::initiation;
use crate::conditions::PATIENCE;
use crate::sockets;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpRepair;
use socket2::Socket;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A router that reports over BMP. A collector answers nothing (RFC 7854 section 3.2).
#[derive(Debug)]
pub struct Router {
    stream: TcpStream,
}

impl Router {
    /// Connects from that address, such as any of 127.0.0.0/8, and sends nothing yet.
    ///
    /// # Panics
    ///
    /// If the connection is refused.
    pub fn connect(source: &str, collector: SocketAddr) -> Self {
        Self::try_connect(source, collector, PATIENCE)
            .unwrap_or_else(|error| panic!("from {source} to {collector}: {error}"))
    }

    /// As [`Router::connect`], and returns the error of a connection that is refused or takes longer.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_connect(source: &str, collector: SocketAddr, patience: Duration) -> io::Result<Self> {
        Ok(Self { stream: sockets::connect(source, collector, patience)? })
    }

    /// Connects and sends an Initiation with that name.
    ///
    /// # Panics
    ///
    /// As [`Router::connect`] and [`Router::send`].
    pub fn start(source: &str, collector: SocketAddr, name: &str) -> Self {
        let mut router = Self::connect(source, collector);
        router.send(&initiation(name, "a router of tests"));
        router
    }

    /// Its own address.
    ///
    /// # Panics
    ///
    /// If the socket is gone.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Sends octets.
    ///
    /// # Panics
    ///
    /// If the connection is closed, or the collector does not read.
    pub fn send(&mut self, octets: &[u8]) {
        if let Err(error) = self.stream.write_all(octets) {
            panic!("{} octets from {:?}: {error}", octets.len(), self.stream.local_addr());
        }
    }

    /// Sends octets in segments of these lengths, over and over.
    ///
    /// # Panics
    ///
    /// As [`Router::send`], and if there is no length or one is zero.
    pub fn send_in_segments(&mut self, octets: &[u8], lengths: &[usize]) {
        let mut left = octets;
        for length in lengths.iter().cycle() {
            assert_ne!(*length, 0, "the length of a segment");
            let (segment, rest) = left.split_at((*length).min(left.len()));
            self.send(segment);
            left = rest;
            if left.is_empty() {
                return;
            }
        }
        panic!("no lengths of segments");
    }

    /// As [`Router::send`], and returns the error.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Waits until the collector ends the connection, and returns what it sent: nothing, unless it speaks another protocol.
    ///
    /// # Panics
    ///
    /// On a timeout.
    pub fn wait_for_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        match self.stream.read_to_end(&mut received) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("the collector keeps the connection")
            }
            // A reset: the collector closed without reading everything.
            Ok(_) | Err(_) => received,
        }
    }

    /// Whether the collector ends the connection within that time.
    ///
    /// # Panics
    ///
    /// If the time is zero.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let set = |patience| self.stream.set_read_timeout(Some(patience)).expect("the time is not zero");
        set(patience);
        let ended = loop {
            match (&self.stream).read(&mut [0; 512]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        set(PATIENCE);
        ended
    }

    /// Ends the connection with a reset, as a router does that was switched off and on.
    pub fn reset(self) {
        let _ = Socket::from(self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Ends the connection without a packet, as a router does that loses its power; false if that takes privileges that the
    /// tests do not have.
    pub fn vanish(self) -> bool {
        // A socket in repair mode is closed silently.
        setsockopt(&self.stream, TcpRepair, &1).is_ok()
    }

    /// The connection.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
