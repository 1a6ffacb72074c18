//! The header of the PROXY protocol, versions 1 and 2, in which a load balancer names the client that connected to it.
//!
//! Version 1 is a line of text of at most 107 octets:
//!
//! ```text
//! PROXY TCP4 198.51.100.22 203.0.113.7 35646 1790\r\n
//! ```
//!
//! Version 2 is binary:
//!
//! ```text
//! +----------------+------------------+--------------------+------------+---------------------------+------+
//! | signature (12) | 2, command (1)   | family, protocol   | length (2) | source, destination,      | TLVs |
//! |                | 0 LOCAL, 1 PROXY | 0x11 TCP4, 0x21    |            | ports                     |      |
//! +----------------+------------------+--------------------+------------+---------------------------+------+
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::{Reader, Truncated};

/// Octets of the longest header that is read; version 2 permits more in its TLVs, which nobody needs.
pub const MAX_PROXY_HEADER: usize = 4096;

/// The start of version 1.
const V1: &[u8] = b"PROXY ";

/// Octets of the longest line of version 1, with its end.
const V1_MAX: usize = 107;

/// The start of version 2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Octets of a header of version 2 before the addresses.
const V2_LEN: usize = 16;

/// The connection that the load balancer accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Who connected: the router.
    pub source: SocketAddr,
    /// To which address: one of the load balancer.
    pub destination: SocketAddr,
}

/// The octets at the start of a connection are a PROXY header, but a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// The line of version 1 has no end within 107 octets.
    Unended,
    /// The line of version 1 has other words than it should.
    Line,
    /// The version and command of version 2 are unknown.
    Command(u8),
    /// A header of version 2 is too long, or too short for its addresses.
    Length(u16),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unended => write!(f, "no end of line within {V1_MAX} octets"),
            Self::Line => f.write_str("the line does not have protocol, addresses and ports"),
            Self::Command(octet) => write!(f, "version and command {octet:#04x} are unknown"),
            Self::Length(length) => write!(f, "{length} octets after the signature are too many or too few"),
        }
    }
}

impl std::error::Error for ProxyError {}

/// What is at the start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// The octets may become a header.
    Incomplete,
    /// No header.
    Absent,
    /// A header of `len` octets. No source: the load balancer speaks for itself, or does not know.
    Present { source: Option<Source>, len: usize },
}

/// Looks at the first octets of a connection.
pub(crate) fn begin(octets: &[u8]) -> Result<Begin, ProxyError> {
    let starts = |begin: &[u8]| octets.iter().zip(begin).all(|(a, b)| a == b);
    if starts(V1) {
        if octets.len() < V1.len() { Ok(Begin::Incomplete) } else { version_1(octets) }
    } else if starts(V2) {
        version_2(octets)
    } else {
        Ok(Begin::Absent)
    }
}

fn version_1(octets: &[u8]) -> Result<Begin, ProxyError> {
    let line = octets.get(..V1_MAX).unwrap_or(octets);
    let Some(end) = line.iter().position(|&octet| octet == b'\n') else {
        return if line.len() < V1_MAX { Ok(Begin::Incomplete) } else { Err(ProxyError::Unended) };
    };
    let line = line.get(V1.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyError::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    let source = match line.split_once(' ') {
        Some(("TCP4", rest)) => Some(endpoints::<Ipv4Addr>(rest).ok_or(ProxyError::Line)?),
        Some(("TCP6", rest)) => Some(endpoints::<Ipv6Addr>(rest).ok_or(ProxyError::Line)?),
        // The rest of the line means nothing.
        Some(("UNKNOWN", _)) => None,
        None if line == "UNKNOWN" => None,
        _ => return Err(ProxyError::Line),
    };
    Ok(Begin::Present { source, len: end + 1 })
}

/// `SOURCE DESTINATION PORT PORT`, separated by one blank each.
fn endpoints<A: std::str::FromStr + Into<IpAddr>>(text: &str) -> Option<Source> {
    let mut words = text.split(' ');
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        // `parse` would also accept a sign.
        word.bytes().all(|octet| octet.is_ascii_digit()).then(|| word.parse::<u16>().ok())?
    };
    let (source_port, destination_port) = (port()?, port()?);
    words.next().is_none().then_some(Source {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

fn version_2(octets: &[u8]) -> Result<Begin, ProxyError> {
    let mut r = Reader::new(octets);
    let (Ok(_), Ok(command), Ok(family), Ok(length)) = (r.take(V2.len()), r.u8(), r.u8(), r.u16()) else {
        return Ok(Begin::Incomplete);
    };
    if command & 0xf0 != 0x20 || command & 0x0f > 1 {
        return Err(ProxyError::Command(command));
    }
    let len = V2_LEN + usize::from(length);
    if len > MAX_PROXY_HEADER {
        return Err(ProxyError::Length(length));
    }
    let Ok(mut addresses) = r.within(length.into()) else { return Ok(Begin::Incomplete) };
    let source = match (command & 0x0f, family) {
        (1, 0x11) => Some(endpoints_v2::<4, Ipv4Addr>(&mut addresses)),
        (1, 0x21) => Some(endpoints_v2::<16, Ipv6Addr>(&mut addresses)),
        // LOCAL; datagrams, Unix sockets and unknown families.
        _ => None,
    };
    let source = source.transpose().map_err(|_| ProxyError::Length(length))?;
    Ok(Begin::Present { source, len })
}

fn endpoints_v2<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(r: &mut Reader<'_>) -> Result<Source, Truncated> {
    let (source, destination) = (A::from(r.array()?).into(), A::from(r.array()?).into());
    let (source_port, destination_port) = (r.u16()?, r.u16()?);
    Ok(Source {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2_TCP4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xcb\0\x71\x09\x0a\0\0\x01\x15\xb3\x06\xfe\x04\0\0";

    fn source(source: &str, destination: &str) -> Option<Source> {
        Some(Source { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    }

    #[test]
    fn both_versions_name_the_router() {
        let line = b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790\r\n\x03";
        let present = Begin::Present { source: source("203.0.113.9:5555", "10.0.0.1:1790"), len: line.len() - 1 };
        assert_eq!(begin(line), Ok(present));
        let line = b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 1790\r\n";
        let present =
            Begin::Present { source: source("[2001:db8::9]:5555", "[2001:db8::1]:1790"), len: line.len() };
        assert_eq!(begin(line), Ok(present));
        let present = Begin::Present { source: source("203.0.113.9:5555", "10.0.0.1:1790"), len: V2_TCP4.len() };
        assert_eq!(begin(V2_TCP4), Ok(present));
        let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        octets.extend([&[0x20; 16][..], &[0x21; 16], &[0, 1, 0, 2]].concat());
        let address = |octet: u8| IpAddr::from([octet; 16]);
        let expected =
            Source { source: SocketAddr::new(address(0x20), 1), destination: SocketAddr::new(address(0x21), 2) };
        assert_eq!(begin(&octets), Ok(Begin::Present { source: Some(expected), len: 52 }));
    }

    #[test]
    fn the_load_balancer_may_speak_for_itself() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 x y z\r\n"] {
            assert_eq!(begin(line.as_bytes()), Ok(Begin::Present { source: None, len: line.len() }));
        }
        for (at, octet) in [(12, 0x20), (13, 0x00), (13, 0x12), (13, 0x31)] {
            let mut octets = V2_TCP4.to_vec();
            octets[at] = octet;
            assert_eq!(begin(&octets), Ok(Begin::Present { source: None, len: V2_TCP4.len() }), "{octet}");
        }
    }

    #[test]
    fn every_cut_is_incomplete_and_other_octets_are_no_header() {
        for whole in [&b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790\r\n"[..], V2_TCP4] {
            for cut in 0..whole.len() {
                assert_eq!(begin(&whole[..cut]), Ok(Begin::Incomplete), "{cut}");
            }
        }
        for octets in [&b"\x03\0\0\0\x06\x04"[..], b"PROXI", b"\r\n\r\r", b"GET / HTTP/1.1\r\n"] {
            assert_eq!(begin(octets), Ok(Begin::Absent));
        }
    }

    #[test]
    fn wrong_headers_are_errors() {
        let lines = [
            "PROXY TCP5 203.0.113.9 10.0.0.1 5555 1790\r\n",
            "PROXY TCP4 2001:db8::9 10.0.0.1 5555 1790\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 5555 65536\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 5555 +179\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 5555 \r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790 1\r\n",
            "PROXY TCP4 203.0.113.9  10.0.0.1 5555 1790\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790\n",
            "PROXY \r\n",
            "PROXY \u{fffd}\r\n",
        ];
        for line in lines {
            assert_eq!(begin(line.as_bytes()), Err(ProxyError::Line), "{line}");
        }
        let unended = [V1, &[b'x'; V1_MAX - 6]].concat();
        assert_eq!(begin(&unended), Err(ProxyError::Unended));
        assert_eq!(begin(&unended[1..]), Ok(Begin::Absent));
        let changed = |at: usize, octet: u8| {
            let mut octets = V2_TCP4.to_vec();
            octets[at] = octet;
            begin(&octets)
        };
        assert_eq!(changed(12, 0x31), Err(ProxyError::Command(0x31)));
        assert_eq!(changed(12, 0x22), Err(ProxyError::Command(0x22)));
        assert_eq!(changed(15, 11), Err(ProxyError::Length(11)));
        assert_eq!(changed(14, 0x0f), Ok(Begin::Incomplete));
        assert_eq!(changed(14, 0x10), Err(ProxyError::Length(0x100f)));
    }
}
