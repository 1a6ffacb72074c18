//! Messages between netfilter's log and its readers (`linux/netfilter/nfnetlink_log.h`).
//!
//! | octets | netlink message |
//! |---|---|
//! | 4 | length of the message, including this header |
//! | 2 | type: subsystem and kind |
//! | 10 | flags, sequence number, port |
//! | 1, 1, 2 | netfilter's: family, version, group |
//! | … | attributes |
//!
//! | octets | attribute |
//! |---|---|
//! | 2 | length of the attribute, including this header |
//! | 2 | kind, below two bits of flags |
//! | … | value |
//!
//! Messages and attributes are aligned to four octets. Their headers are in native byte order, the group and the values of
//! attributes in network byte order.

/// Octets of a netlink header, and of the netfilter header after it.
pub(super) const HEADER: usize = 16;
const FAMILY: usize = 4;

const SUBSYSTEM: u16 = 4 << 8;
/// The type of a packet's message.
pub const PACKET: u16 = SUBSYSTEM;
/// The type of a request about a group.
const CONFIG: u16 = SUBSYSTEM | 1;
/// The type of an answer to a request.
pub(super) const ERROR: u16 = 2;
/// The message is a request that requires an answer.
const REQUEST_ACK: u16 = 1 | 4;

/// Hardware types of `linux/if_arp.h` whose link-layer header is Ethernet's.
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;

/// Attributes of a packet.
mod attribute {
    pub(super) const PACKET_HEADER: u16 = 1;
    pub(super) const MARK: u16 = 2;
    pub(super) const TIMESTAMP: u16 = 3;
    pub(super) const INGRESS: u16 = 4;
    pub(super) const EGRESS: u16 = 5;
    pub(super) const HARDWARE_ADDRESS: u16 = 8;
    pub(super) const PAYLOAD: u16 = 9;
    pub(super) const PREFIX: u16 = 10;
    pub(super) const SEQUENCE: u16 = 12;
    pub(super) const SEQUENCE_OF_ALL: u16 = 13;
    pub(super) const HARDWARE_TYPE: u16 = 15;
    pub(super) const HARDWARE_HEADER: u16 = 16;
}

/// A logged packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoggedPacket<'a> {
    /// The packet from its IP header on, or the part of it that was copied.
    pub payload: &'a [u8],
    /// Its EtherType.
    pub protocol: Option<u16>,
    /// When it was logged: microseconds since 1970; not all rules provide it.
    pub time_us: Option<u64>,
    /// Input interface; 0: none.
    pub ingress: u32,
    /// Output interface; 0: none.
    pub egress: u32,
    /// Its mark; 0: none.
    pub mark: u32,
    /// The rule's prefix; without the final zero.
    pub prefix: &'a [u8],
    /// Its sequence number in this log.
    pub sequence: Option<u32>,
    /// Its sequence number in all logs of the system.
    pub sequence_of_all: Option<u32>,
    /// Its source MAC address.
    pub src_mac: Option<[u8; 6]>,
    /// Its destination MAC address, if it has an Ethernet header.
    pub dst_mac: Option<[u8; 6]>,
}

impl LoggedPacket<'_> {
    /// Length of the packet in octets, from its IP header on. For a truncated packet, only that header has it.
    pub fn length(&self) -> u32 {
        let here = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let length = match self.payload {
            [first, _, high, low, ..] if first >> 4 == 4 => u32::from(u16::from_be_bytes([*high, *low])),
            [first, _, _, _, high, low, ..] if first >> 4 == 6 => {
                40 + u32::from(u16::from_be_bytes([*high, *low]))
            }
            _ => 0,
        };
        // Packets that the network card will segment may have a length of 0, or one that is too small.
        length.max(here)
    }
}

/// A request about a group: one attribute.
pub(super) fn request(group: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute = 4 + value.len();
    let length = HEADER + FAMILY + attribute.next_multiple_of(4);
    let mut message = Vec::with_capacity(length);
    message.extend((length as u32).to_ne_bytes());
    message.extend(CONFIG.to_ne_bytes());
    message.extend(REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0, 0]);
    message.extend(group.to_be_bytes());
    message.extend((attribute as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(length, 0);
    message
}

/// The messages of a read: their types and bodies. A message with an invalid length ends the iteration.
pub fn messages(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// Parses the message of a packet, after its netlink header; `None` if it has no packet.
pub fn parse_packet(body: &[u8]) -> Option<LoggedPacket<'_>> {
    let mut rest = body.get(FAMILY..)?;
    let mut logged = LoggedPacket::default();
    let mut has_payload = false;
    let (mut header, mut hardware): (&[u8], _) = (&[], None);
    while let Some(head) = rest.first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & 0x3fff;
        let value = rest.get(4..length)?;
        let number = || value.first_chunk().map(|octets| u32::from_be_bytes(*octets));
        match kind {
            attribute::PACKET_HEADER => {
                logged.protocol = Some(u16::from_be_bytes(*value.first_chunk()?)).filter(|etype| *etype != 0);
            }
            attribute::MARK => logged.mark = number()?,
            attribute::TIMESTAMP => {
                let long = |at: usize| Some(u64::from_be_bytes(*value.get(at..)?.first_chunk()?));
                logged.time_us = Some(long(0)?.saturating_mul(1_000_000).saturating_add(long(8)?));
            }
            attribute::INGRESS => logged.ingress = number()?,
            attribute::EGRESS => logged.egress = number()?,
            attribute::SEQUENCE => logged.sequence = Some(number()?),
            attribute::SEQUENCE_OF_ALL => logged.sequence_of_all = Some(number()?),
            attribute::PREFIX => logged.prefix = value.strip_suffix(&[0]).unwrap_or(value),
            // The length of the address, two unused octets, and up to eight octets of address.
            attribute::HARDWARE_ADDRESS if value.starts_with(&[0, 6]) => {
                logged.src_mac = value.get(4..)?.first_chunk().copied();
            }
            attribute::HARDWARE_HEADER => header = value,
            attribute::HARDWARE_TYPE => hardware = Some(u16::from_be_bytes(*value.first_chunk()?)),
            attribute::PAYLOAD => {
                logged.payload = value;
                has_payload = true;
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // A packet from a tunnel may be preceded by its outer headers, which are as long as an Ethernet header or longer.
    if matches!(hardware, Some(ETHERNET | LOOPBACK)) && header.len() >= 14 {
        logged.dst_mac = header.first_chunk().copied();
    }
    has_payload.then_some(logged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut octets = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        octets.extend(kind.to_ne_bytes());
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut octets = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        octets.extend(kind.to_ne_bytes());
        octets.extend([0; 10]);
        octets.extend(body);
        octets
    }

    fn packet() -> Vec<u8> {
        let time = [1_700_000_000u64.to_be_bytes(), 250u64.to_be_bytes()].concat();
        [
            vec![2, 0, 0, 7],
            attribute(1, &[8, 0, 1, 0]),
            attribute(3, &time),
            attribute(4, &[0, 0, 0, 3]),
            attribute(5, &[0, 0, 0, 4]),
            attribute(8, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 0xa, 0, 0]),
            attribute(10, b"log\0"),
            attribute(2, &[0, 0, 0, 7]),
            attribute(13, &[0, 0, 2, 0]),
            attribute(15, &[0, 1]),
            attribute(17, &[0, 14]),
            attribute(16, &[2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0]),
            attribute(12, &[0, 0, 1, 0]),
            attribute(9, &[0x45, 0, 0]),
        ]
        .concat()
    }

    #[test]
    fn parses_all_attributes_of_a_packet() {
        let expected = LoggedPacket {
            payload: &[0x45, 0, 0],
            protocol: Some(0x0800),
            time_us: Some(1_700_000_000_000_250),
            ingress: 3,
            egress: 4,
            mark: 7,
            prefix: b"log",
            sequence: Some(256),
            sequence_of_all: Some(512),
            src_mac: Some([2, 0, 0, 0, 0, 0xa]),
            dst_mac: Some([2, 0, 0, 0, 0, 0xb]),
        };
        assert_eq!(parse_packet(&packet()), Some(expected));
        assert_eq!(parse_packet(&[2, 0, 0, 7]), None);
        let octets = [message(PACKET, &packet()), message(3, &[0; 4])].concat();
        let kinds: Vec<u16> = messages(&octets).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [PACKET, 3]);
    }

    #[test]
    fn requests_have_the_format_the_kernel_expects() {
        let octets = request(5, 2, &[0, 0, 0, 128, 2, 0]);
        assert_eq!(octets.len(), 32);
        let read: Vec<_> = messages(&octets).collect();
        let body = [&[0u8, 0, 0, 5][..], &attribute(2, &[0, 0, 0, 128, 2, 0])].concat();
        assert_eq!(read, [(CONFIG, body.as_slice())]);
    }

    #[test]
    fn ignores_link_layer_headers_other_than_ethernet() {
        let with = |hardware: u16| {
            let parts = [vec![2, 0, 0, 7], attribute(15, &hardware.to_be_bytes()), attribute(16, &[0x45; 20])];
            [parts.concat(), attribute(9, &[0x45])].concat()
        };
        // Ethernet, loopback, a tunnel of IPv4 in IPv4.
        assert_eq!(parse_packet(&with(1)).unwrap().dst_mac, Some([0x45; 6]));
        assert_eq!(parse_packet(&with(772)).unwrap().dst_mac, Some([0x45; 6]));
        assert_eq!(parse_packet(&with(768)).unwrap().dst_mac, None);
    }

    #[test]
    fn a_truncated_packet_has_the_length_of_its_ip_header() {
        let length = |payload| LoggedPacket { payload, ..LoggedPacket::default() }.length();
        assert_eq!(length(&[0x45, 0, 5, 220, 0]), 1500);
        assert_eq!(length(&[0x60, 0, 0, 0, 5, 180]), 1500);
        assert_eq!(length(&[0x60, 0, 0, 0, 5]), 5);
        assert_eq!(length(&[0x45, 0, 0, 0, 0, 0]), 6);
        assert_eq!(length(&[0x00, 1, 8, 0]), 4);
        assert_eq!(length(&[]), 0);
    }

    #[test]
    fn a_truncated_message_ends_the_read() {
        let whole = message(PACKET, &packet());
        let octets = [whole.as_slice(), &whole[..whole.len() - 1]].concat();
        assert_eq!(messages(&octets).count(), 1);
        assert_eq!(messages(&[3, 0, 0, 0, 0, 4, 0, 0]).count(), 0);
    }

    proptest! {
        #[test]
        fn terminates_on_arbitrary_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(messages(&octets).count() <= octets.len() / HEADER + 1);
            if let Some(logged) = parse_packet(&octets) {
                prop_assert!(logged.payload.len() < octets.len());
            }
        }

        #[test]
        fn a_truncated_message_yields_no_other_attributes(cut in 0usize..200) {
            let whole = packet();
            let part = whole.get(..cut).and_then(parse_packet);
            prop_assert!(part.is_none_or(|part| Some(part) == parse_packet(&whole) || cut < whole.len()));
        }
    }
}
