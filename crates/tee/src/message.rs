//! Messages to brokers: IP packets that hold one datagram of an exporter, as [`Header::message`](crate::header::Header::message) begins
//! them.
//!
//! ```text
//!         IPv4 header (RFC 791) or IPv6 header (RFC 8200)     source: the exporter
//!         UDP header (RFC 768)                                source port: that of the exporter
//!         the datagram
//! ```
//!
//! The destination means nothing. Checksums are not verified: over IPv4 there is none, and brokers do not damage messages. IPv4 options are
//! skipped. IPv6 extension headers are not supported, and no sender of such messages has a use for them. Octets after the length that the
//! IP header states are padding.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::{Reader, Truncated};

/// Octets of the longest message: an IPv6 header, and the longest payload that it can state.
pub const MAX_MESSAGE: usize = 40 + 65_535;
/// The protocol number of UDP (IANA).
const UDP: u8 = 17;
/// Octets of a UDP header.
const UDP_HEADER: usize = 8;
/// Octets of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// The bits of an IPv4 header that are set in fragments: more fragments, and the offset.
const FRAGMENT: u16 = 0x3fff;

/// Why a message holds no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends within its headers.
    TooShort,
    /// It begins with this octet, which is not that of an IPv4 or IPv6 header.
    NotIp(u8),
    /// Its packet is of this protocol.
    NotUdp(u8),
    /// Its packet is a fragment.
    Fragment,
    /// A header states this length, and the message or the packet has another one.
    Length(u16),
}

impl Fault {
    /// Number of faults.
    pub const COUNT: usize = 5;

    /// Its number, for an array with a count of each.
    pub const fn index(self) -> usize {
        match self {
            Self::TooShort => 0,
            Self::NotIp(_) => 1,
            Self::NotUdp(_) => 2,
            Self::Fragment => 3,
            Self::Length(_) => 4,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("it ends within its IP and UDP headers"),
            Self::NotIp(octet) => write!(f, "it begins with octet {octet:#04x}, which begins no IP header"),
            Self::NotUdp(protocol) => write!(f, "its packet is of protocol {protocol}, not UDP"),
            Self::Fragment => f.write_str("its packet is a fragment"),
            Self::Length(length) => write!(f, "its headers state a length of {length}, which it does not have"),
        }
    }
}

impl From<Truncated> for Fault {
    fn from(_: Truncated) -> Self {
        Self::TooShort
    }
}

/// The exporter and the datagram of a message. An IPv4-mapped address is returned as IPv4.
///
/// # Errors
/// Why there is none.
pub fn parse(message: &[u8]) -> Result<(SocketAddr, &[u8]), Fault> {
    let mut r = Reader::new(message);
    let (source, packet) = match r.u8()? {
        first if first >> 4 == 4 => ipv4(first, &mut r)?,
        first if first >> 4 == 6 => ipv6(&mut r)?,
        first => return Err(Fault::NotIp(first)),
    };
    let mut udp = packet;
    let port = udp.u16()?;
    let _destination = udp.u16()?;
    let length = udp.u16()?;
    let _checksum = udp.u16()?;
    let payload = usize::from(length).checked_sub(UDP_HEADER).filter(|payload| *payload == udp.left());
    match payload {
        Some(_) => Ok((SocketAddr::new(source, port), udp.rest())),
        None => Err(Fault::Length(length)),
    }
}

/// The source and the payload of a packet whose first octet was read.
fn ipv4<'a>(first: u8, r: &mut Reader<'a>) -> Result<(IpAddr, Reader<'a>), Fault> {
    let header = usize::from(first & 0x0f) * 4;
    let Some(options) = header.checked_sub(IPV4_HEADER) else { return Err(Fault::NotIp(first)) };
    let _tos = r.u8()?;
    let total = r.u16()?;
    let _id = r.u16()?;
    let fragment = r.u16()?;
    let _ttl = r.u8()?;
    let protocol = r.u8()?;
    let _checksum = r.u16()?;
    let source = Ipv4Addr::from(r.array::<4>()?);
    r.take(4 + options)?;
    check(protocol, fragment)?;
    let length = usize::from(total).checked_sub(header).ok_or(Fault::Length(total))?;
    let packet = r.within(length).map_err(|_| Fault::Length(total))?;
    Ok((source.into(), packet))
}

/// As [`ipv4`].
fn ipv6<'a>(r: &mut Reader<'a>) -> Result<(IpAddr, Reader<'a>), Fault> {
    r.take(3)?;
    let length = r.u16()?;
    let protocol = r.u8()?;
    let _hop_limit = r.u8()?;
    let source = Ipv6Addr::from(r.array::<16>()?);
    r.take(16)?;
    check(protocol, 0)?;
    let packet = r.within(usize::from(length)).map_err(|_| Fault::Length(length))?;
    Ok((IpAddr::V6(source).to_canonical(), packet))
}

fn check(protocol: u8, fragment: u16) -> Result<(), Fault> {
    match (protocol, fragment & FRAGMENT) {
        (UDP, 0) => Ok(()),
        (UDP, _) => Err(Fault::Fragment),
        _ => Err(Fault::NotUdp(protocol)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;
    use proptest::prelude::*;

    /// From 192.0.2.1 port 1024, 3 octets.
    const V4: [u8; 31] = [
        0x45, 0, 0, 31, 0, 0, 0, 0, 255, 17, 0,
        0, // version and length, tos, total length, id, fragment, ttl, protocol
        192, 0, 2, 1, 0, 0, 0, 0, // addresses
        4, 0, 0, 0, 0, 11, 0, 0, // ports, length, checksum
        b'a', b'b', b'c',
    ];

    fn exporter(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn changed(at: usize, octet: u8, fault: Fault) {
        let mut message = V4;
        message[at] = octet;
        assert_eq!(parse(&message), Err(fault));
    }

    #[test]
    fn a_message_is_an_exporter_and_its_datagram() {
        assert_eq!(parse(&V4), Ok((exporter("192.0.2.1:1024"), &b"abc"[..])));
        let mut message = Header::message(exporter("[2001:db8::1]:5"), b"abcd").unwrap().octets().to_vec();
        message.extend_from_slice(b"abcd");
        assert_eq!(parse(&message), Ok((exporter("[2001:db8::1]:5"), &b"abcd"[..])));
    }

    #[test]
    fn options_and_padding_are_skipped() {
        let with_options = [&[0x46, 0, 0, 35], &V4[4..20], &[1, 1, 1, 0], &V4[20..], &[0; 7]].concat();
        assert_eq!(parse(&with_options), Ok((exporter("192.0.2.1:1024"), &b"abc"[..])));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let source = exporter("[::ffff:192.0.2.1]:5");
        let header = Header::message(source, b"").unwrap();
        assert_eq!(parse(header.octets()), Ok((exporter("192.0.2.1:5"), &[][..])));
    }

    #[test]
    fn what_is_no_datagram_is_a_fault() {
        assert_eq!(parse(b""), Err(Fault::TooShort));
        assert_eq!(parse(b"{\"a\":1}"), Err(Fault::NotIp(b'{')));
        changed(0, 0x44, Fault::NotIp(0x44));
        changed(0, 0x55, Fault::NotIp(0x55));
        changed(9, 6, Fault::NotUdp(6));
        changed(6, 0x20, Fault::Fragment);
        changed(7, 1, Fault::Fragment);
        changed(3, 19, Fault::Length(19));
        changed(3, 32, Fault::Length(32));
        changed(3, 30, Fault::Length(11));
        changed(25, 12, Fault::Length(12));
        changed(25, 7, Fault::Length(7));
        // The headers end within the length that they state.
        changed(3, 27, Fault::TooShort);
        // With options, the rest is too short for a UDP header, or the header itself for its options.
        changed(0, 0x47, Fault::TooShort);
        changed(0, 0x4f, Fault::TooShort);
    }

    #[test]
    fn a_part_of_a_message_is_none() {
        for end in 0..V4.len() {
            let fault = if end < 20 { Fault::TooShort } else { Fault::Length(31) };
            assert_eq!(parse(&V4[..end]), Err(fault), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in proptest::collection::vec(any::<u8>(), 0..2000), source in any::<SocketAddr>()) {
            // Only what cannot be in a packet is lost: scope and flow label.
            let source = SocketAddr::new(source.ip(), source.port());
            let mut message = Header::message(source, &payload).unwrap().octets().to_vec();
            message.extend_from_slice(&payload);
            let canonical = SocketAddr::new(source.ip().to_canonical(), source.port());
            prop_assert_eq!(parse(&message), Ok((canonical, &payload[..])));
        }

        #[test]
        fn any_octets_are_read(message in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok((_, payload)) = parse(&message) {
                prop_assert!(payload.len() + IPV4_HEADER + UDP_HEADER <= message.len());
            }
        }
    }
}
