//! Capture files (pcap) of UDP datagrams, for `pcap_savefile`.

use std::net::SocketAddrV4;
use wire::Writer;

/// Microsecond timestamps, in the byte order of the writer: big-endian here.
const MAGIC: u32 = 0xa1b2_c3d4;
const ETHERNET: u32 = 1;
const UDP: u8 = 17;

/// A file with each datagram in one Ethernet frame, captured one millisecond apart, from
/// `start_secs` (seconds since 1970).
///
/// # Panics
///
/// If a datagram does not fit an IPv4 packet.
pub fn pcap<D: AsRef<[u8]>>(start_secs: u32, datagrams: &[(SocketAddrV4, SocketAddrV4, D)]) -> Vec<u8> {
    let mut w = Writer::new();
    // Version 2.4, time zone 0, accuracy 0, snapshot length.
    w.u32(MAGIC).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(ETHERNET);
    for (number, (source, target, payload)) in (0u32..).zip(datagrams) {
        let frame = frame(*source, *target, payload.as_ref());
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        w.u32(start_secs + number / 1000).u32(number % 1000 * 1000).u32(len).u32(len).put(&frame);
    }
    w.finish()
}

fn frame(source: SocketAddrV4, target: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let too_long = "the datagram fits an IPv4 packet";
    let mut ip = Writer::new();
    let total = u16::try_from(28 + payload.len()).expect(too_long);
    ip.u8(0x45).u8(0).u16(total).u32(0).u8(64).u8(UDP).u16(0);
    ip.put(&source.ip().octets()).put(&target.ip().octets());
    let mut ip = ip.finish();
    let checksum = checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut w = Writer::new();
    w.put(&[2, 0, 0, 0, 0, 2]).put(&[2, 0, 0, 0, 0, 1]).u16(0x0800).put(&ip);
    // A checksum of 0: the sender computed none (RFC 768).
    w.u16(source.port()).u16(target.port()).u16(total - 20).u16(0).put(payload);
    w.finish()
}

/// The Internet checksum (RFC 1071) of an even number of octets.
fn checksum(octets: &[u8]) -> u16 {
    let sum: u32 = octets.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_wrapped_in_a_frame() {
        let (source, target) = ("192.0.2.1:9".parse().unwrap(), "192.0.2.2:2055".parse().unwrap());
        let file = pcap(7, &[(source, target, [1, 2, 3])]);
        assert_eq!(file.len(), 24 + 16 + 14 + 20 + 8 + 3);
        assert_eq!(file[24..28], [0, 0, 0, 7]);
        assert_eq!(file[file.len() - 3..], [1, 2, 3]);
        // The checksum of a header that includes its checksum is 0.
        assert_eq!(checksum(&file[54..74]), 0);
    }
}
