//! Sends datagrams to one collector over UDP.
//!
//! The name of the collector is resolved at the start, and again while sending fails. UDP reports little: that no program listens
//! is reported by ICMP with the next datagram, which is then sent once more; the datagrams before it may be lost. Those that the
//! kernel does not take are counted by the caller.

use runtime::log::Limited;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Maximum length of datagrams over IPv4: an Ethernet frame without the headers of IP and UDP.
const IPV4_LENGTH: usize = 1500 - 28;
/// The length that needs no fragmentation anywhere over IPv6 (RFC 8200 section 5), less the headers of IP and UDP.
pub(super) const SAFE_LENGTH: usize = 1280 - 48;
/// Minimum time between two attempts to reach the collector.
const RETRY: Duration = Duration::from_secs(10);
/// Datagrams that are sent in a row, so that a collector's default buffer holds them.
const BURST: u32 = 64;
/// The time of a burst, at least.
const BURST_TIME: Duration = Duration::from_millis(4);

/// A collector, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Source address.
    pub source: Option<IpAddr>,
    /// Hop limit.
    pub hop_limit: Option<u8>,
    /// IP precedence.
    pub precedence: u8,
    /// The key that names the collector, for log lines.
    pub key: &'static str,
}

impl Target {
    /// Reads `host:port` or `[address]:port`.
    pub fn split(receiver: &str) -> Option<(String, u16)> {
        let (host, port) = receiver.trim().rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // An IPv6 address needs brackets.
        let host = bare.or(Some(host).filter(|host| !host.contains(':')))?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty() && !host.contains(char::is_whitespace)).then(|| (host.to_owned(), port))
    }

    fn resolve(&self) -> io::Result<SocketAddr> {
        let same_family =
            |address: &SocketAddr| self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
        let addresses: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        addresses.into_iter().find(same_family).ok_or_else(|| {
            io::Error::new(ErrorKind::AddrNotAvailable, "it has no address in the family of the source address")
        })
    }

    fn connect(&self) -> io::Result<UdpSocket> {
        let collector = self.resolve()?;
        let any: IpAddr = match collector {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((self.source.unwrap_or(any), 0))?;
        let tos = self.precedence << 5;
        match collector {
            SocketAddr::V4(_) => {
                if let Some(limit) = self.hop_limit {
                    socket.set_ttl(limit.into())?;
                }
                if tos > 0 {
                    rustix::net::sockopt::set_ip_tos(&socket, tos)?;
                }
            }
            SocketAddr::V6(_) => {
                if self.hop_limit.is_some() {
                    rustix::net::sockopt::set_ipv6_unicast_hops(&socket, self.hop_limit)?;
                }
                if tos > 0 {
                    rustix::net::sockopt::set_ipv6_tclass(&socket, tos.into())?;
                }
            }
        }
        socket.connect(collector)?;
        Ok(socket)
    }
}

/// How fast datagrams are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as they come.
    Free,
    /// In bursts, with pauses between them.
    Limited,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The kernel took it.
    pub(super) is_sent: bool,
    /// It reported that an earlier one was refused, as no program listens.
    pub(super) refused: bool,
    /// It is longer than the path allows.
    pub(super) is_too_long: bool,
}

/// Sends to one collector.
pub(super) struct Sender {
    target: Target,
    socket: Option<UdpSocket>,
    /// When the next attempt to connect may be made.
    retry: Instant,
    failing: Limited,
    pace: Pace,
    burst: u32,
    /// When the burst began.
    began: Instant,
}

impl Sender {
    /// Connects to the collector; if that fails, datagrams are lost until it succeeds.
    pub(super) fn new(target: Target, pace: Pace) -> Self {
        let failing = Limited::new(RETRY);
        let mut sender =
            Self { target, socket: None, retry: Instant::now(), failing, pace, burst: 0, began: Instant::now() };
        sender.connect();
        sender
    }

    /// The maximum length of datagrams, in octets.
    pub(super) fn limit(&self) -> usize {
        match self.local_address() {
            Some(IpAddr::V6(_)) => SAFE_LENGTH,
            _ => IPV4_LENGTH,
        }
    }

    /// The address that datagrams come from.
    pub(super) fn local_address(&self) -> Option<IpAddr> {
        Some(self.socket.as_ref()?.local_addr().ok()?.ip())
    }

    fn connect(&mut self) {
        self.retry = Instant::now() + RETRY;
        let Target { host, port, key, .. } = &self.target;
        match self.target.connect() {
            Ok(socket) => {
                if let Ok(collector) = socket.peer_addr() {
                    info!("{key}: sending to {collector}");
                }
                self.socket = Some(socket);
            }
            Err(error) => {
                if let Some(pass) = self.failing.pass() {
                    let held_back = pass.held_back;
                    warn!(
                        held_back,
                        "{key}: cannot send to {host}:{port}: {error}; retrying every {} seconds",
                        RETRY.as_secs()
                    );
                }
            }
        }
    }

    /// Sends a datagram.
    pub(super) fn send(&mut self, octets: &[u8]) -> Outcome {
        if self.socket.is_none() && Instant::now() >= self.retry {
            self.connect();
        }
        let Some(socket) = &self.socket else { return Outcome::default() };
        let mut outcome = Outcome::default();
        let mut result = socket.send(octets);
        if matches!(&result, Err(error) if error.kind() == ErrorKind::ConnectionRefused) {
            outcome.refused = true;
            result = socket.send(octets);
        }
        match result {
            Ok(_) => {
                outcome.is_sent = true;
                self.pace();
                // The name may belong to another host by now.
                if outcome.refused && Instant::now() >= self.retry {
                    self.moved();
                }
            }
            Err(error) => {
                outcome.is_too_long = error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
                if let Some(pass) = self.failing.pass() {
                    let (held_back, Target { host, port, key, .. }) = (pass.held_back, &self.target);
                    warn!(held_back, "{key}: sending to {host}:{port} failed: {error}");
                }
                if !outcome.is_too_long && Instant::now() >= self.retry {
                    self.connect();
                }
            }
        }
        outcome
    }

    /// Resolves the collector again, and connects to its address if that has changed.
    fn moved(&mut self) {
        self.retry = Instant::now() + RETRY;
        let current = self.socket.as_ref().and_then(|socket| socket.peer_addr().ok());
        if self.target.resolve().is_ok_and(|address| Some(address) != current) {
            self.connect();
        }
    }

    fn pace(&mut self) {
        if self.pace == Pace::Free {
            return;
        }
        self.burst += 1;
        if self.burst >= BURST {
            self.burst = 0;
            let left = BURST_TIME.saturating_sub(self.began.elapsed());
            if !left.is_zero() {
                let _ = crossbeam_channel::after(left).recv();
            }
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port,
            source: None,
            hop_limit: Some(3),
            precedence: 5,
            key: "nfprobe_receiver",
        }
    }

    #[test]
    fn receivers_are_names_or_addresses_with_a_port() {
        let split = |text| Target::split(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(split("127.0.0.1:2100").as_deref(), Some("127.0.0.1 2100"));
        assert_eq!(split("[2001:db8::1]:2055").as_deref(), Some("2001:db8::1 2055"));
        assert_eq!(split("collector.example.net:9995").as_deref(), Some("collector.example.net 9995"));
        for wrong in ["", "host", "host:", ":1", "2001:db8::1:2055", "host:0", "host:70000", "a b:1"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_collector_that_comes_back_receives_again() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = collector.local_addr().unwrap().port();
        let mut sender = Sender::new(target(port), Pace::Free);
        assert!(sender.send(b"one").is_sent);
        drop(collector);
        let outcomes: Vec<Outcome> = (0..3).map(|_| sender.send(b"lost")).collect();
        assert!(outcomes.iter().any(|outcome| outcome.refused));
        let collector = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        assert!(sender.send(b"two").is_sent);
        let mut octets = [0; 10];
        let (length, from) = collector.recv_from(&mut octets).unwrap();
        assert_eq!((&octets[..length], from.ip()), (&b"two"[..], sender.local_address().unwrap()));
    }

    #[test]
    fn a_name_that_does_not_exist_costs_datagrams_only() {
        let mut sender = Sender::new(Target { host: "host.invalid".to_owned(), ..target(9) }, Pace::Free);
        assert_eq!(sender.send(b"lost"), Outcome::default());
    }
}
