//! A listening socket and its options. Accepted sockets inherit all of them.

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

/// Options of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The interface to which the socket is bound, such as a VRF device (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// An IPv6 socket does not accept IPv4 connections (`IPV6_V6ONLY`).
    pub ipv6_only: bool,
    /// IP precedence of packets that are sent, from 0 to 7: the upper bits of the TOS octet or traffic class.
    pub precedence: Option<u8>,
    /// Bytes of the receive buffer of each connection (`SO_RCVBUF`); the kernel may grant less.
    pub receive_buffer: Option<usize>,
    /// How long a connection may be idle before the kernel asks whether its peer is still there.
    pub keepalive: Option<Duration>,
    /// Connections that wait to be accepted at most.
    pub backlog: i32,
    /// Other processes of this user with the same setting may listen on the same port (`SO_REUSEPORT`).
    pub is_shared: bool,
}

impl Default for Options {
    /// No option is set, and 1024 connections may wait.
    fn default() -> Self {
        let (interface, precedence, receive_buffer, keepalive) = (None, None, None, None);
        Self {
            interface,
            ipv6_only: false,
            precedence,
            receive_buffer,
            keepalive,
            backlog: 1024,
            is_shared: false,
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Opened {
    /// The socket, which does not block.
    pub listener: TcpListener,
    /// Bytes that the kernel granted for receiving, if [`Options::receive_buffer`] is set. It doubles what it is asked for, for
    /// its own needs.
    pub receive_buffer: Option<usize>,
}

/// A socket could not be opened.
#[derive(Debug)]
pub struct OpenError {
    /// What failed; completes "cannot".
    pub what: String,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.error)?;
        if self.error.kind() == io::ErrorKind::AddrInUse {
            f.write_str(
                "; another process uses this port, which only daemons that all set cluster_name can share",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Opens a socket that listens on an address. On `::` it accepts IPv4 as well, unless [`Options::ipv6_only`] is set.
pub fn open(address: SocketAddr, options: &Options) -> Result<Opened, OpenError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error| OpenError { what, error }
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .map_err(failed("open a TCP socket"))?;
    // A restarted daemon must not wait for connections of its predecessor to time out.
    socket.set_reuse_address(true).map_err(failed("set SO_REUSEADDR"))?;
    socket.set_reuse_port(options.is_shared).map_err(failed("set SO_REUSEPORT"))?;
    if let Some(interface) = &options.interface {
        let what = format!("bind to interface {interface}");
        socket.bind_device(Some(interface.as_bytes())).map_err(failed(&what))?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(options.ipv6_only).map_err(failed("set IPV6_V6ONLY"))?;
    }
    if let Some(precedence) = options.precedence {
        let octet = u32::from(precedence & 7) << 5;
        // On an IPv6 socket it is for IPv4 connections.
        socket.set_tos_v4(octet).map_err(failed("set the IP precedence"))?;
        if address.is_ipv6() {
            socket.set_tclass_v6(octet).map_err(failed("set the traffic class"))?;
        }
    }
    if let Some(idle) = options.keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle / 4);
        socket.set_tcp_keepalive(&keepalive).map_err(failed("set SO_KEEPALIVE"))?;
    }
    let mut receive_buffer = None;
    if let Some(bytes) = options.receive_buffer {
        // Before listen(2): the window scale that a connection announces depends on it.
        socket.set_recv_buffer_size(bytes).map_err(failed("set the receive buffer"))?;
        receive_buffer = Some(socket.recv_buffer_size().map_err(failed("read the size of the receive buffer"))?);
    }
    socket.bind(&address.into()).map_err(failed(&format!("bind to {address}")))?;
    socket.listen(options.backlog).map_err(failed(&format!("listen on {address}")))?;
    socket.set_nonblocking(true).map_err(failed("make the socket non-blocking"))?;
    Ok(Opened { listener: socket.into(), receive_buffer })
}

/// Finds out whether the peer of a connection that may be dead is still there: the kernel asks it at `interval`, and resets the connection if
/// it does not know it, or does not answer `count` times.
///
/// # Errors
/// The system does not allow it.
pub fn probe(stream: &impl AsFd, interval: Duration, count: u32) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval).with_retries(count);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::net::TcpStream;

    fn accepted(opened: &Opened) -> TcpStream {
        opened.listener.set_nonblocking(false).unwrap();
        let address = opened.listener.local_addr().unwrap();
        let _client =
            TcpStream::connect((if address.is_ipv4() { "127.0.0.1" } else { "::1" }, address.port())).unwrap();
        opened.listener.accept().unwrap().0
    }

    #[test]
    fn accepted_sockets_have_the_options() {
        let options = Options {
            precedence: Some(6),
            receive_buffer: Some(100_000),
            keepalive: Some(Duration::from_secs(60)),
            ..Options::default()
        };
        let opened = open("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        assert_eq!(opened.receive_buffer, Some(200_000));
        let stream = accepted(&opened);
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tos_v4().unwrap(), 0xc0);
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert!(socket.keepalive().unwrap() && socket.recv_buffer_size().unwrap() >= 200_000);
        let opened = open("[::]:0".parse().unwrap(), &options).unwrap();
        assert_eq!(SockRef::from(&accepted(&opened)).tclass_v6().unwrap(), 0xc0);
    }

    #[test]
    fn an_ipv6_socket_accepts_ipv4_unless_told_otherwise() {
        for ipv6_only in [false, true] {
            let options = Options { ipv6_only, ..Options::default() };
            let opened = open("[::]:0".parse().unwrap(), &options).unwrap();
            let port = opened.listener.local_addr().unwrap().port();
            assert_eq!(TcpStream::connect(("127.0.0.1", port)).is_ok(), !ipv6_only);
            assert!(TcpStream::connect(("::1", port)).is_ok());
        }
    }

    #[test]
    fn errors_say_what_could_not_be_done() {
        let options = Options { interface: Some("no-such-device".into()), ..Options::default() };
        let error = open("127.0.0.1:0".parse().unwrap(), &options).unwrap_err().to_string();
        assert!(error.starts_with("cannot bind to interface no-such-device: "), "{error}");
        let first = open("127.0.0.1:0".parse().unwrap(), &Options::default()).unwrap();
        let address = first.listener.local_addr().unwrap();
        let error = open(address, &Options::default()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot bind to {address}: ")) || error.starts_with("cannot listen"),
            "{error}"
        );
    }

    #[test]
    fn a_port_is_shared_if_all_agree() {
        let options = |is_shared| Options { is_shared, ..Options::default() };
        for first in [false, true] {
            let opened = open("127.0.0.1:0".parse().unwrap(), &options(first)).unwrap();
            let address = opened.listener.local_addr().unwrap();
            for second in [false, true] {
                let joined = open(address, &options(second));
                assert_eq!(joined.is_ok(), first && second);
                let said = joined.map_err(|error| error.to_string()).err().unwrap_or_default();
                assert!(
                    said.is_empty() || said.ends_with("daemons that all set cluster_name can share"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn a_socket_is_bound_to_its_interface() {
        let options = Options { interface: Some("lo".into()), ..Options::default() };
        match open("127.0.0.1:0".parse().unwrap(), &options) {
            Ok(opened) => {
                assert_eq!(SockRef::from(&opened.listener).device().unwrap().as_deref(), Some(&b"lo"[..]))
            }
            // Older kernels and sandboxes want CAP_NET_RAW.
            Err(error) => assert_eq!(error.error.kind(), io::ErrorKind::PermissionDenied),
        }
    }
}
