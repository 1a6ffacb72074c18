//! Vectors for each layer, and properties of all frames.

mod link;
mod network;
mod properties;
mod tags;
mod tunnels;

use crate::*;
use std::net::IpAddr;

/// The header of an IPv4 packet with that protocol, from 10.0.0.1 to 10.0.0.2, before its contents.
fn ipv4(protocol: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + contents.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    put_checksum(&mut packet);
    packet.extend(contents);
    packet
}

/// Fills the checksum of an IPv4 header without options.
fn put_checksum(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let mut sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[10..12].copy_from_slice(&(!sum as u16).to_be_bytes());
}

/// The header of an IPv6 packet; all octets of its addresses are 0x20.
fn ipv6(next: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = (contents.len() as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0, high, low, next, 64], &[0x20; 32], contents])
}

/// UDP between these ports.
fn udp(source: u16, destination: u16, contents: &[u8]) -> Vec<u8> {
    let length = 8 + contents.len() as u16;
    let mut datagram: Vec<u8> =
        [source, destination, length, 0].iter().flat_map(|number| number.to_be_bytes()).collect();
    datagram.extend(contents);
    datagram
}

/// TCP with that many words of header.
fn tcp(source: u16, destination: u16, words: u8, flags: u8, contents: &[u8]) -> Vec<u8> {
    let mut segment: Vec<u8> = [source, destination].iter().flat_map(|number| number.to_be_bytes()).collect();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, words << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(vec![1; usize::from(words) * 4 - 20]);
    segment.extend(contents);
    segment
}

/// The payload of all frames and tunnels in these tests: DNS.
fn dns() -> Vec<u8> {
    ipv4(17, &udp(53, 4242, &[1, 2, 3]))
}

fn is_dns(packet: &Packet<'_>) -> bool {
    packet.ports == Some((53, 4242))
        && packet.payload() == [1, 2, 3]
        && packet.etype == Some(ethertype::IPV4)
        && packet.ip.is_some_and(|ip| ip.source == IpAddr::from([10, 0, 0, 1]))
}

const DESTINATION: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 0xa];

fn ethernet(etype: u16, contents: &[u8]) -> Vec<u8> {
    join(&[&DESTINATION, &SOURCE, &etype.to_be_bytes(), contents])
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// LLC and SNAP before IPv4.
const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
