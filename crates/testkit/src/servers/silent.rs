//! A server that does not answer.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Most connections that are tried before the kernel must have begun to drop them.
const MOST: usize = 64;

/// A server that takes connections, or not even that, and never says a word.
pub struct Silent {
    listener: TcpListener,
    /// What fills its queue.
    _held: Vec<TcpStream>,
}

impl Silent {
    /// Takes connections, and says nothing.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn mute() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
        Self { listener, _held: Vec::new() }
    }

    /// Drops what asks for a connection, like a firewall: its queue is full.
    ///
    /// # Panics
    /// When there is no such port.
    #[must_use]
    pub fn dropping() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("there are free ports");
        socket.listen(0).expect("a bound socket can listen");
        let silent = Self { listener: socket.into(), _held: Vec::new() };
        let connect = |_| TcpStream::connect_timeout(&silent.address(), Duration::from_millis(200)).ok();
        let held: Vec<TcpStream> = (0..MOST).map_while(connect).collect();
        assert!(held.len() < MOST, "the kernel drops nothing");
        Self { _held: held, ..silent }
    }

    /// Where it is.
    ///
    /// # Panics
    /// Never: it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Its socket, for who wants to answer.
    #[must_use]
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }
}
