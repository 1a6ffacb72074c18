//! IP and UDP headers with the exporter as source: of packets on raw sockets, and of messages to brokers.
//!
//! On a raw socket the kernel fills in the total length, the identification and the header checksum of IPv4 (raw(7)). The UDP checksum is
//! computed here (RFC 768; RFC 8200 section 8.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets of an IPv4 and a UDP header.
pub const V4: usize = 28;
/// Octets of an IPv6 and a UDP header.
pub const V6: usize = 48;
/// Octets of a UDP header.
const UDP: usize = 8;
/// The protocol number of UDP.
const PROTOCOL: u8 = 17;
/// The time to live, or hop limit.
const TTL: u8 = 255;

/// A packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    octets: [u8; V6],
    len: usize,
}

impl Header {
    /// Empty headers.
    pub const EMPTY: Self = Self { octets: [0; V6], len: 0 };

    /// The headers of a packet from `source` to `destination`, whose traffic class is `tos`. `None` if the addresses are of different
    /// families, or if the payload is too long for a packet.
    pub fn packet(source: SocketAddr, destination: SocketAddr, tos: u8, payload: &[u8]) -> Option<Self> {
        Self::new(source, destination, tos, payload, true)
    }

    /// The headers of a message to a broker: the destination is not known, and over IPv4 there is no UDP checksum. `None` if the payload
    /// is too long for a packet.
    pub fn message(source: SocketAddr, payload: &[u8]) -> Option<Self> {
        let nowhere: IpAddr = match source {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self::new(source, SocketAddr::new(nowhere, 0), 0, payload, source.is_ipv6())
    }

    fn new(source: SocketAddr, destination: SocketAddr, tos: u8, payload: &[u8], summed: bool) -> Option<Self> {
        let udp_len = u16::try_from(UDP + payload.len()).ok()?;
        let mut udp = [0; UDP];
        let [source_port, destination_port] = [source.port(), destination.port()].map(u16::to_be_bytes);
        for (to, from) in
            udp.iter_mut().zip(source_port.iter().chain(&destination_port).chain(&udp_len.to_be_bytes()))
        {
            *to = *from;
        }
        let mut header = Self::EMPTY;
        let sum = match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let total = u16::try_from(V4 + payload.len()).ok()?.to_be_bytes();
                let [high, low] = total;
                header.put(&[0x45, tos, high, low, 0, 0, 0, 0, TTL, PROTOCOL, 0, 0]);
                header.put(&source.octets()).put(&destination.octets());
                sum(&source.octets()) + sum(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let [high, low] = udp_len.to_be_bytes();
                // Version 6, the traffic class, and flow label 0.
                header.put(&[0x60 | tos >> 4, tos << 4, 0, 0, high, low, PROTOCOL, TTL]);
                header.put(&source.octets()).put(&destination.octets());
                sum(&source.octets()) + sum(&destination.octets())
            }
            _ => return None,
        };
        if summed {
            let sum = sum + u64::from(PROTOCOL) + u64::from(udp_len) + self::sum(&udp) + self::sum(payload);
            if let Some(checksum) = udp.last_chunk_mut::<2>() {
                *checksum = checksum_of(sum).to_be_bytes();
            }
        }
        header.put(&udp);
        Some(header)
    }

    fn put(&mut self, octets: &[u8]) -> &mut Self {
        if let Some(to) = self.octets.get_mut(self.len..self.len + octets.len()) {
            to.copy_from_slice(octets);
            self.len += octets.len();
        }
        self
    }

    /// The octets of the headers.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// The octets of the source address of a message ([`Header::message`]).
pub fn exporter_of(message: &[u8]) -> &[u8] {
    let place = match message.first().map(|octet| octet >> 4) {
        Some(4) => 12..16,
        Some(6) => 8..24,
        _ => return &[],
    };
    message.get(place).unwrap_or_default()
}

/// The sum of the 16-bit words of some octets; an odd one at the end counts as if a zero followed (RFC 1071).
fn sum(octets: &[u8]) -> u64 {
    let words = octets.chunks_exact(4);
    let mut last = [0; 4];
    last.iter_mut().zip(words.remainder()).for_each(|(to, from)| *to = *from);
    // 32-bit words add up to the same, once carries are added at the end.
    let word = |octets: &[u8]| octets.first_chunk().map_or(0, |octets| u64::from(u32::from_be_bytes(*octets)));
    words.map(word).sum::<u64>() + word(&last)
}

/// The checksum for a sum of words. 0 means that there is none, so the result is 0xffff instead.
fn checksum_of(mut sum: u64) -> u16 {
    while let high @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + high;
    }
    match !(sum as u16) {
        0 => u16::MAX,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_packet_has_both_headers() {
        let header =
            Header::packet(address("192.0.2.1:1024"), address("198.51.100.7:2055"), 0xa0, b"abc").unwrap();
        let wanted = [
            0x45, 0xa0, 0, 31, 0, 0, 0, 0, 255, 17, 0,
            0, // version and length, tos, total length, id, ttl, protocol
            192, 0, 2, 1, 198, 51, 100, 7, // addresses
            4, 0, 8, 7, 0, 11, 67, 50, // ports, length, checksum
        ];
        assert_eq!(header.octets(), wanted);
    }

    #[test]
    fn an_ipv6_packet_has_both_headers() {
        let header =
            Header::packet(address("[2001:db8::1]:1"), address("[2001:db8::2]:2"), 0xa0, b"abcd").unwrap();
        assert_eq!(header.octets()[..8], [0x6a, 0, 0, 0, 0, 12, 17, 255]);
        assert_eq!(header.octets()[40..46], [0, 1, 0, 2, 0, 12]);
        assert_eq!(header.octets().len(), V6);
    }

    #[test]
    fn a_message_has_no_destination_and_over_ipv4_no_checksum() {
        let header = Header::message(address("192.0.2.1:1024"), b"abc").unwrap();
        assert_eq!(header.octets()[16..], [0, 0, 0, 0, 4, 0, 0, 0, 0, 11, 0, 0]);
        let header = Header::message(address("[2001:db8::1]:1024"), b"abc").unwrap();
        assert_eq!(header.octets()[24..40], [0; 16]);
        assert_ne!(header.octets()[46..], [0, 0]);
        assert_eq!(exporter_of(header.octets())[..4], [0x20, 1, 0x0d, 0xb8]);
        assert_eq!(exporter_of(&[0x45, 0]), [0; 0]);
    }

    #[test]
    fn addresses_of_two_families_and_long_payloads_have_no_headers() {
        assert_eq!(Header::packet(address("192.0.2.1:1"), address("[::1]:1"), 0, &[]), None);
        let (source, destination) = (address("192.0.2.1:1"), address("192.0.2.2:1"));
        assert!(Header::packet(source, destination, 0, &[0; 65_507]).is_some());
        assert_eq!(Header::packet(source, destination, 0, &[0; 65_508]), None);
    }

    /// The check of a receiver: all 16-bit words of pseudo-header, header and payload, one by one.
    fn verifies(header: &Header, payload: &[u8]) -> bool {
        let octets = header.octets();
        let (addresses, udp) = match octets[0] >> 4 {
            4 => (&octets[12..20], &octets[20..]),
            _ => (&octets[8..40], &octets[40..]),
        };
        let mut all = [addresses, &[0, PROTOCOL], &udp[4..6], udp, payload].concat();
        all.resize(all.len().next_multiple_of(2), 0);
        let mut sum = 0u32;
        for word in all.chunks_exact(2) {
            sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    }

    proptest! {
        #[test]
        fn checksums_verify(payload in proptest::collection::vec(any::<u8>(), 0..300), ports in any::<[u16; 2]>(), v4 in any::<[[u8; 4]; 2]>(), v6 in any::<[[u8; 16]; 2]>()) {
            let header = Header::packet((v4[0], ports[0]).into(), (v4[1], ports[1]).into(), 0, &payload).unwrap();
            prop_assert!(verifies(&header, &payload));
            let header = Header::packet((v6[0], ports[0]).into(), (v6[1], ports[1]).into(), 0, &payload).unwrap();
            prop_assert!(verifies(&header, &payload));
        }
    }
}
