//! Collectors, and how to reach them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use udp_link::{Link, Options};

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
    /// Maximum length of datagrams, in octets; `None`: that of an Ethernet frame.
    pub datagram_size: Option<usize>,
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

    /// The addresses of the collector in the family of the source address, at least one. Asks the resolver, which may take long.
    pub(super) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let same_family =
            |address: &SocketAddr| self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
        let addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        let addresses: Vec<SocketAddr> = addresses.filter(same_family).collect();
        match addresses.is_empty() {
            true => Err(io::Error::new(
                ErrorKind::AddrNotAvailable,
                "it has no address in the family of the source address",
            )),
            false => Ok(addresses),
        }
    }

    /// The options of sockets.
    pub(super) fn options(&self) -> Options {
        Options {
            source: self.source,
            // The precedence is the upper three bits of the octet (RFC 791 section 3.1).
            tos: Some(self.precedence << 5).filter(|tos| *tos != 0),
            hop_limit: self.hop_limit,
            send_buffer: None,
        }
    }

    /// Opens a socket to the first address that allows it.
    pub(super) fn link(&self) -> io::Result<Link> {
        let mut failed = ErrorKind::AddrNotAvailable.into();
        for address in self.resolve()? {
            match Link::open(address, 0, &self.options()) {
                Ok(link) => return Ok(link),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
