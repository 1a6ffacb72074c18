//! UDP sockets: free ports, and what the kernel tells about the sockets of others (`/proc/net/udp`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// First and number of the ports that tests use. They lie below those that the kernel gives to sockets without a port of
/// their own (32,768 and above): nothing takes one between asking for it and using it, but another run of the tests.
const PORTS: (u16, u16) = (12_000, 20_000);

/// A loopback address that no other test of this process has, with a port that is free on it, so that tests can run side by
/// side.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // 127.0 is left to exporters and to everybody else.
    let process = 1 + std::process::id() % 254;
    free_port(Ipv4Addr::new(127, u8::try_from(process).unwrap_or(1), high, low).into())
}

/// A port that is free on that address now.
///
/// # Panics
///
/// When the address is none of this machine's.
pub fn free_port(address: IpAddr) -> SocketAddr {
    free(address, UdpSocket::bind).0
}

/// An address with the first port that can be bound, and what binding it gives. Ports are tried in turn from a place that
/// differs for each process, so that one that was just given is not given again soon.
///
/// # Panics
///
/// When none can be bound: the address is none of this machine's.
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

/// True when this machine has the IPv6 loopback address.
pub fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// A bound UDP socket as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Octets that wait to be read, with the kernel's overhead.
    pub unread: u64,
    /// Datagrams that found no room.
    pub dropped: u64,
}

/// The sockets bound to that address.
pub fn bound(address: SocketAddr) -> Vec<Bound> {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let text = std::fs::read_to_string(table).unwrap_or_default();
    let wanted = kernel_form(address);
    text.lines().filter_map(|line| parse(line, &wanted)).collect()
}

/// Address and port as the kernel writes them: words of four octets in the machine's order, in hexadecimal.
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
    fn a_socket_is_found_with_what_it_has_not_read() {
        // The kernel names the port: between asking for a free one and taking it, another process may.
        let socket = UdpSocket::bind((own_address().ip(), 0)).unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(bound(address), [Bound { unread: 0, dropped: 0 }]);
        socket.send_to(&[1; 100], address).unwrap();
        assert!(bound(address)[0].unread >= 100);
        drop(socket);
        // A process that a test beside this one is starting holds it until it runs its own program.
        eventually("the end of the socket", || bound(address).is_empty().then_some(()));
    }

    #[test]
    fn addresses_differ() {
        assert_ne!(own_address().ip(), own_address().ip());
    }
}
