//! A connection to a collector from an address of its own.

use super::message::{self, KEEPALIVE, Message, NOTIFICATION, OPEN, Open};
use crate::conditions::PATIENCE;
use crate::sockets;
use socket2::Socket;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A BGP speaker. It answers nothing by itself.
#[derive(Debug)]
pub struct Speaker {
    stream: TcpStream,
    input: Vec<u8>,
    /// KEEPALIVEs of the collector that answer ours and were not read yet.
    answers: u32,
}

impl Speaker {
    /// Connects from that address, such as any of 127.0.0.0/8.
    ///
    /// # Panics
    ///
    /// If the connection is refused.
    pub fn connect(source: &str, collector: SocketAddr) -> Self {
        Self::try_connect(source, collector, PATIENCE)
            .unwrap_or_else(|error| panic!("from {source} to {collector}: {error}"))
    }

    /// As [`Speaker::connect`], and returns the error of a connection that is refused or takes longer.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_connect(source: &str, collector: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = sockets::connect(source, collector, patience)?;
        Ok(Self { stream, input: Vec::new(), answers: 0 })
    }

    /// Connects, and exchanges OPEN and KEEPALIVE.
    ///
    /// # Panics
    ///
    /// If the collector does not answer with OPEN and KEEPALIVE.
    pub fn establish(source: &str, collector: SocketAddr, open: &Open) -> Self {
        let mut speaker = Self::connect(source, collector);
        speaker.open(open);
        speaker
    }

    /// A session from that IPv4 address, which is its identifier as well, for IPv4 unicast.
    ///
    /// # Panics
    ///
    /// As [`Speaker::establish`].
    pub fn simple(source: &str, asn: u32, collector: SocketAddr) -> Self {
        let id: Ipv4Addr = source.parse().unwrap_or_else(|error| panic!("{source}: {error}"));
        Self::establish(source, collector, &Open::new(asn, id))
    }

    /// Exchanges OPEN and KEEPALIVE, and returns the collector's OPEN.
    ///
    /// # Panics
    ///
    /// If the collector does not answer with OPEN and KEEPALIVE.
    pub fn open(&mut self, open: &Open) -> Message {
        self.send(&open.finish());
        let answer = self.expect(OPEN);
        self.send(&message::keepalive());
        self.expect(KEEPALIVE);
        self.answers = 1;
        answer
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

    /// As [`Speaker::send`], and returns the error.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// The next message; `None` at the end of the connection.
    ///
    /// # Panics
    ///
    /// On a timeout.
    pub fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::take(&mut self.input) {
                return Some(message);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets) {
                Ok(0) => return None,
                Ok(count) => self.input.extend(&octets[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the collector sends nothing"),
                // A reset: the collector closed without reading everything.
                Err(_) => return None,
            }
        }
    }

    /// The next message, which must be of that type.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn expect(&mut self, kind: u8) -> Message {
        match self.receive() {
            Some(message) if message.kind == kind => message,
            other => panic!("a message of type {kind} was expected, not {other:?}"),
        }
    }

    /// Reads until the connection ends, and returns the NOTIFICATION that came: code, subcode, data.
    ///
    /// # Panics
    ///
    /// On a timeout.
    pub fn notification(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut found = None;
        while let Some(message) = self.receive() {
            if message.kind == NOTIFICATION {
                found = message.as_notification().map(|(code, subcode, data)| (code, subcode, data.to_vec()));
            }
        }
        found
    }

    /// Sends a KEEPALIVE and waits for its answer: the collector has read everything before it. Collectors of this suite
    /// answer each KEEPALIVE, that of the opening included.
    ///
    /// # Panics
    ///
    /// On a timeout.
    pub fn keepalive(&mut self) {
        self.send(&message::keepalive());
        self.answers += 1;
        while self.answers > 0 {
            self.expect(KEEPALIVE);
            self.answers -= 1;
        }
    }

    /// Ends the connection with a reset, as a router does that was switched off and on.
    pub fn reset(self) {
        let _ = Socket::from(self.stream).set_linger(Some(Duration::ZERO));
    }

    /// The connection.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
