//! Sockets: free ports, and the state of other processes' sockets (`/proc/net/udp`, `/proc/net/tcp`).

use crate::conditions::PATIENCE;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

/// First and number of the ports that tests use. They are below the kernel's ephemeral ports
/// (32,768 and above), so only another run of the tests can take one between its choice and its use.
const PORTS: (u16, u16) = (12_000, 20_000);

/// A loopback address that no other test of this process has, with a free port, so that tests can run in
/// parallel.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // 127.0.0.0/16 is reserved for exporters and other programs.
    let process = 1 + std::process::id() % 254;
    free_port(Ipv4Addr::new(127, u8::try_from(process).unwrap_or(1), high, low).into())
}

/// A port that is free on that address now.
///
/// # Panics
///
/// If the machine does not have the address.
pub fn free_port(address: IpAddr) -> SocketAddr {
    free(address, UdpSocket::bind).0
}

/// As [`free_port`], for TCP.
///
/// # Panics
///
/// If the machine does not have the address.
pub fn free_tcp_port(address: IpAddr) -> SocketAddr {
    free(address, TcpListener::bind).0
}

/// An address with the first port that can be bound, and the result of binding it. The search starts at a port that
/// differs for each process, so that a port is not reused soon.
///
/// # Panics
///
/// If none can be bound: the machine does not have the address.
pub(crate) fn free<S>(ip: IpAddr, bind: impl Fn(SocketAddr) -> std::io::Result<S>) -> (SocketAddr, S) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (first, number) = PORTS;
    let mut failed = None;
    for _ in 0..number {
        let turn = std::process::id().wrapping_mul(7919).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::new(ip, first + u16::try_from(turn % u32::from(number)).unwrap_or_default());
        match bind(address) {
            Ok(socket) => return (address, socket),
            Err(error) => failed = Some(error),
        }
    }
    panic!("no port on {ip}: {failed:?}")
}

/// A TCP connection from that address, such as any of 127.0.0.0/8. Reads and writes have a timeout.
///
/// # Errors
///
/// Those of the system: the connection is refused, or takes longer than `patience`.
///
/// # Panics
///
/// If the source is not an address.
pub fn connect(source: &str, target: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let source: IpAddr = source.parse().unwrap_or_else(|error| panic!("{source}: {error}"));
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&target.into(), patience)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// True if this machine has the IPv6 loopback address.
pub fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// A bound UDP socket as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Unread bytes, including the kernel's overhead.
    pub unread: u64,
    /// Datagrams dropped because the buffer was full.
    pub dropped: u64,
}

/// The sockets bound to that address.
pub fn bound(address: SocketAddr) -> Vec<Bound> {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let text = std::fs::read_to_string(table).unwrap_or_default();
    let wanted = kernel_form(address);
    text.lines().filter_map(|line| parse(line, &wanted)).collect()
}

/// True if a TCP socket listens on that address.
pub fn is_listened_on(address: SocketAddr) -> bool {
    const LISTEN: &str = "0A";
    let table = if address.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let text = std::fs::read_to_string(table).unwrap_or_default();
    let wanted = kernel_form(address);
    text.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().take(4).collect();
        matches!(columns.as_slice(), [_, local, _, LISTEN] if *local == wanted)
    })
}

/// Address and port in the kernel's format: hexadecimal 32-bit words in native byte order.
fn kernel_form(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let word = |octets: &[u8]| {
        let octets = octets.try_into().unwrap_or_default();
        format!("{:08X}", u32::from_ne_bytes(octets))
    };
    let words: String = octets.chunks(4).map(word).collect();
    format!("{words}:{:04X}", address.port())
}

/// Columns: slot, local and remote address, state, queues as `transmit:receive`, and at the end the drops.
fn parse(line: &str, wanted: &str) -> Option<Bound> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    if columns.get(1) != Some(&wanted) {
        return None;
    }
    let (_, unread) = columns.get(4)?.split_once(':')?;
    Some(Bound { unread: u64::from_str_radix(unread, 16).ok()?, dropped: columns.last()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::eventually;

    #[test]
    fn finds_a_socket_with_its_unread_bytes() {
        // The kernel chooses the port: another process could take one between its choice and its use.
        let socket = UdpSocket::bind((own_address().ip(), 0)).unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(bound(address), [Bound { unread: 0, dropped: 0 }]);
        socket.send_to(&[1; 100], address).unwrap();
        assert!(bound(address)[0].unread >= 100);
        drop(socket);
        // A process that a concurrent test forks holds it until its exec.
        eventually("the socket to be closed", || bound(address).is_empty().then_some(()));
    }

    #[test]
    fn finds_a_listening_socket() {
        let listener = TcpListener::bind((own_address().ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(is_listened_on(address));
        assert!(!is_listened_on(SocketAddr::new([127, 0, 0, 1].into(), address.port())));
    }

    #[test]
    fn addresses_are_unique() {
        assert_ne!(own_address().ip(), own_address().ip());
    }
}
