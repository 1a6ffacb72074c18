//! Where the endpoint listens: the value of `http_listen`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP. Port 0 lets the kernel choose one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The error for an invalid address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected ADDRESS:PORT, such as 127.0.0.1:9980 or [::1]:9980, or the absolute path of a Unix socket",
        )
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Parses `127.0.0.1:9980`, `[::1]:9980` or `/run/pmacct/http.sock`.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('/') && !text.ends_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| AddressError)
    }

    /// True when other machines may be able to connect.
    #[must_use]
    pub fn is_public(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_distinguished() {
        for text in ["127.0.0.1:9980", "[::1]:9980", "0.0.0.0:1", "/run/pmacct/http.sock"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "9980", ":9980", "localhost:9980", "127.0.0.1", "127.0.0.1:65536", "::1:9980x", "http.sock", "/"]
        {
            assert_eq!(Address::parse(text), Err(AddressError), "{text}");
        }
    }

    #[test]
    fn only_loopback_addresses_and_sockets_are_private() {
        let public = |text| Address::parse(text).unwrap().is_public();
        assert!(!public("127.3.0.1:1") && !public("[::1]:1") && !public("[::ffff:127.0.0.1]:1") && !public("/s"));
        assert!(public("0.0.0.0:1") && public("[::]:1") && public("192.0.2.1:1"));
    }
}
