//! Headers of the PROXY protocol: the address of a client before what a proxy forwards.

use std::net::{IpAddr, SocketAddr};

/// The start of a header of version 2.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 1, a line of text.
///
/// # Panics
///
/// If the addresses are not of one family.
pub fn version_1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    assert_eq!(source.is_ipv4(), destination.is_ipv4(), "one family");
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

/// Version 2, for a connection over TCP.
///
/// # Panics
///
/// If the addresses are not of one family.
pub fn version_2(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (family, addresses) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => (0x11, [source.octets(), destination.octets()].concat()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => (0x21, [source.octets(), destination.octets()].concat()),
        _ => panic!("{source} and {destination} are of two families"),
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    raw_version_2(0x21, family, &[addresses, ports].concat())
}

/// Version 2 without addresses: the proxy itself connects (command LOCAL).
pub fn local() -> Vec<u8> {
    raw_version_2(0x20, 0, &[])
}

/// Version 2 of these parts: version and command, family and protocol, addresses and TLVs.
///
/// # Panics
///
/// If the rest is longer than 65,535 octets.
pub fn raw_version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("the length has two octets");
    [&SIGNATURE[..], &[command, family], &length.to_be_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_specified() {
        let (source, destination) = ("192.0.2.1:5000".parse().unwrap(), "192.0.2.2:1790".parse().unwrap());
        assert_eq!(version_1(source, destination), b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 1790\r\n");
        let mut expected = SIGNATURE.to_vec();
        expected.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 0x06, 0xfe]);
        assert_eq!(version_2(source, destination), expected);
    }
}
