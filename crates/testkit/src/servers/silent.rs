//! Servers that do not answer.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Maximum number of connections before the kernel must drop further ones.
const MAX_CONNECTIONS: usize = 64;

/// A server that never answers, and may not even accept connections.
pub struct Silent {
    listener: TcpListener,
    /// The connections that fill its queue.
    _held: Vec<TcpStream>,
}

impl Silent {
    /// Accepts connections and sends nothing.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn mute() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
        Self { listener, _held: Vec::new() }
    }

    /// Ignores connection requests, like a firewall: its queue is full.
    ///
    /// # Panics
    /// If no such socket can be set up.
    #[must_use]
    pub fn dropping() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("there are free ports");
        socket.listen(0).expect("a bound socket can listen");
        let silent = Self { listener: socket.into(), _held: Vec::new() };
        let connect = |_| TcpStream::connect_timeout(&silent.address(), Duration::from_millis(200)).ok();
        let held: Vec<TcpStream> = (0..MAX_CONNECTIONS).map_while(connect).collect();
        assert!(held.len() < MAX_CONNECTIONS, "the kernel drops nothing");
        Self { _held: held, ..silent }
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Its socket, for tests that answer.
    #[must_use]
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }
}
