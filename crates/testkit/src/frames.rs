//! Frames, layer by layer, and capture files of them.

use std::net::{Ipv4Addr, Ipv6Addr};
use wire::Writer;

/// Link type of Ethernet.
pub const ETHERNET: u32 = 1;
/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// IP protocol of TCP.
pub const TCP: u8 = 6;
/// IP protocol of UDP.
pub const UDP: u8 = 17;

/// Source and destination MAC address of all frames made here.
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb]];

/// An Ethernet frame.
pub fn ethernet(etype: u16, contents: &[u8]) -> Vec<u8> {
    let [source, destination] = MACS;
    let mut w = Writer::new();
    w.put(&destination).put(&source).u16(etype).put(contents);
    w.finish()
}

/// An 802.1Q tag and its contents, for [`ethernet`] with the type 0x8100.
pub fn tag(id: u16, priority: u8, etype: u16, contents: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(u16::from(priority) << 13 | id).u16(etype).put(contents);
    w.finish()
}

/// A stack of MPLS labels, top first, and its contents.
pub fn labels(labels: &[u32], contents: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    for (number, label) in (1..).zip(labels) {
        w.u32(label << 12 | u32::from(number == labels.len()) << 8 | 64);
    }
    w.put(contents);
    w.finish()
}

/// An unfragmented IPv4 packet.
pub fn ipv4(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, contents: &[u8]) -> Vec<u8> {
    part(protocol, source, destination, (0, 0, false), contents)
}

/// A fragment of an IPv4 packet: identification, offset in octets (a multiple of eight), and whether more fragments follow.
pub fn part(
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    (id, offset, more): (u16, u16, bool),
    contents: &[u8],
) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(0x45).u8(0).u16(20 + contents.len() as u16).u16(id).u16((offset / 8) | (u16::from(more) << 13));
    w.u8(64).u8(protocol).u16(0).put(&source.octets()).put(&destination.octets()).put(contents);
    w.finish()
}

/// An unfragmented IPv6 packet.
pub fn ipv6(next: u8, source: Ipv6Addr, destination: Ipv6Addr, contents: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(6 << 28).u16(contents.len() as u16).u8(next).u8(64);
    w.put(&source.octets()).put(&destination.octets()).put(contents);
    w.finish()
}

/// A UDP datagram.
pub fn udp(source: u16, destination: u16, contents: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(source).u16(destination).u16(8 + contents.len() as u16).u16(0).put(contents);
    w.finish()
}

/// A TCP segment.
pub fn tcp(source: u16, destination: u16, flags: u8, contents: &[u8]) -> Vec<u8> {
    tcp_at(source, destination, 1, flags, contents)
}

/// A TCP segment with that sequence number.
pub fn tcp_at(source: u16, destination: u16, sequence: u32, flags: u8, contents: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(source).u16(destination).u32(sequence).u32(1).u8(0x50).u8(flags).u16(1000).u32(0).put(contents);
    w.finish()
}

/// A capture file of frames, each with its timestamp in microseconds since 1970.
pub fn capture<F: AsRef<[u8]>>(link: u32, frames: impl IntoIterator<Item = (u64, F)>) -> Vec<u8> {
    let mut w = Writer::new();
    // Microseconds; version 2.4, time zone 0, accuracy 0, snapshot length.
    w.u32(0xa1b2_c3d4).u16(2).u16(4).u32(0).u32(0).u32(262_144).u32(link);
    for (time_us, frame) in frames {
        let frame = frame.as_ref();
        let length = frame.len() as u32;
        w.u32((time_us / 1_000_000) as u32).u32((time_us % 1_000_000) as u32).u32(length).u32(length).put(frame);
    }
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_the_lengths_in_their_headers() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let packet = ipv4(UDP, a, b, &udp(1, 2, &[9; 5]));
        assert_eq!((packet.len(), packet[3], packet[25]), (33, 33, 13));
        let frame = ethernet(0x8100, &tag(5, 3, IPV4, &packet));
        assert_eq!((frame.len(), &frame[12..18]), (51, &[0x81, 0, 0x60, 5, 8, 0][..]));
        assert_eq!(labels(&[16, 17], &[]), [0, 1, 0, 64, 0, 1, 0x11, 64]);
        assert_eq!(capture(ETHERNET, [(1_000_002, frame)]).len(), 24 + 16 + 51);
    }
}
