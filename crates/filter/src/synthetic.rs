//! The packet that a flow record stands for, so that filters can look at it.
//!
//! An Ethernet frame with the record's MAC addresses; a VLAN tag if it has a VLAN id; its top and bottom MPLS label if it has
//! labels; an IP header with its addresses, protocol and type of service; ports and flags as TCP, UDP and SCTP have them, and the
//! type and code of ICMP from where NetFlow puts them, the destination port. Lengths, checksums and the rest are of no packet that
//! was seen: expressions that ask for them get the frame's own length, and zeros.

use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Row};

/// Most octets of a frame: Ethernet, one tag, two labels, IPv6, TCP.
const MOST: usize = 14 + 4 + 8 + 40 + 20;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;

/// Words of expressions that look no deeper than addresses and protocol, or no deeper than ports.
const SHALLOW: &[&str] = &[
    "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "src", "dst", "host", "net", "mask", "proto",
    "and", "or", "not", "vlan", "mpls",
];
const PORTS: &[&str] = &["port", "portrange"];

/// Fields that every frame needs: which headers there are.
const SHAPE: &[Field] =
    &[Field::SrcHost, Field::DstHost, Field::Proto, Field::Vlan, Field::MplsLabelTop, Field::MplsLabelBottom];
const REST: &[Field] = &[
    Field::SrcPort,
    Field::DstPort,
    Field::SrcMac,
    Field::DstMac,
    Field::Cos,
    Field::Tos,
    Field::TcpFlags,
    Field::FlowLabel,
];

/// Adds the fields that frames need for an expression.
pub(crate) fn require(text: &str, fields: &mut FieldSet) {
    let lower = text.to_ascii_lowercase();
    let words =
        || lower.split(|c: char| c.is_ascii_whitespace() || "()!&|".contains(c)).filter(|word| !word.is_empty());
    let is_value =
        |word: &str| word.parse::<std::net::IpAddr>().is_ok() || word.starts_with(|c: char| c.is_ascii_digit());
    SHAPE.iter().for_each(|field| fields.insert(*field));
    let known = |word: &str| SHALLOW.contains(&word) || PORTS.contains(&word) || is_value(word) && !is_mac(word);
    if !words().all(known) || lower.contains('[') {
        REST.iter().for_each(|field| fields.insert(*field));
    } else if words().any(|word| PORTS.contains(&word)) {
        fields.insert(Field::SrcPort);
        fields.insert(Field::DstPort);
    }
}

fn is_mac(word: &str) -> bool {
    word.split([':', '-', '.']).count() >= 6 && word.parse::<std::net::IpAddr>().is_err()
}

/// Makes frames of rows, one after the other, in the same memory.
#[derive(Clone, Debug)]
pub struct Synthetic {
    places: Places,
    frame: [u8; MOST],
    /// Octets of the frame that are used.
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Places {
    src_host: Option<usize>,
    dst_host: Option<usize>,
    proto: Option<usize>,
    src_port: Option<usize>,
    dst_port: Option<usize>,
    src_mac: Option<usize>,
    dst_mac: Option<usize>,
    vlan: Option<usize>,
    cos: Option<usize>,
    label_top: Option<usize>,
    label_bottom: Option<usize>,
    tos: Option<usize>,
    tcp_flags: Option<usize>,
    flow_label: Option<usize>,
}

impl Synthetic {
    /// For rows of that layout. What they lack is zero in the frames.
    pub fn new(layout: &Layout) -> Self {
        let at = |field| layout.offset(field);
        let places = Places {
            src_host: at(Field::SrcHost),
            dst_host: at(Field::DstHost),
            proto: at(Field::Proto),
            src_port: at(Field::SrcPort),
            dst_port: at(Field::DstPort),
            src_mac: at(Field::SrcMac),
            dst_mac: at(Field::DstMac),
            vlan: at(Field::Vlan),
            cos: at(Field::Cos),
            label_top: at(Field::MplsLabelTop),
            label_bottom: at(Field::MplsLabelBottom),
            tos: at(Field::Tos),
            tcp_flags: at(Field::TcpFlags),
            flow_label: at(Field::FlowLabel),
        };
        Self { places, frame: [0; MOST], end: 0 }
    }

    /// The frame of a row.
    pub fn frame(&mut self, row: Row<'_>) -> &[u8] {
        let octets = row.octets();
        let places = self.places;
        self.end = 0;
        self.put(&field::<6>(octets, places.dst_mac));
        self.put(&field::<6>(octets, places.src_mac));
        let [vlan_high, vlan_low] = field::<2>(octets, places.vlan);
        if (vlan_high, vlan_low) != (0, 0) {
            let [cos] = field::<1>(octets, places.cos);
            self.put(&[0x81, 0, cos << 5 | vlan_high & 0x0f, vlan_low]);
        }
        let (src, dst) = (field::<16>(octets, places.src_host), field::<16>(octets, places.dst_host));
        let absent = src == address::ABSENT && dst == address::ABSENT;
        let v4 = |host: &[u8; 16]| address::is_v4(host) || *host == address::ABSENT;
        let is_v4 = v4(&src) && v4(&dst);
        let top = u32::from_be_bytes(field(octets, places.label_top));
        let bottom = u32::from_be_bytes(field(octets, places.label_bottom));
        if top != 0 {
            self.put(&[0x88, 0x47]);
            if bottom != 0 && bottom != top {
                self.label(top, false);
                self.label(bottom, true);
            } else {
                self.label(top, true);
            }
        } else {
            self.put(match (absent, is_v4) {
                (true, _) => &[0, 0],
                (false, true) => &[8, 0],
                (false, false) => &[0x86, 0xdd],
            });
        }
        if absent {
            return self.used();
        }
        let [proto] = field::<1>(octets, places.proto);
        let [tos] = field::<1>(octets, places.tos);
        let transport: u8 = if proto == TCP { 20 } else { 8 };
        if is_v4 {
            self.put(&[0x45, tos, 0, 20 + transport, 0, 0, 0, 0, 64, proto, 0, 0]);
            self.put(&src[12..]);
            self.put(&dst[12..]);
        } else {
            let [_, label @ ..] = field::<4>(octets, places.flow_label);
            self.put(&[0x60 | tos >> 4, tos << 4 | label[0] & 0x0f, label[1], label[2], 0, transport, proto, 64]);
            self.put(&plain(&src));
            self.put(&plain(&dst));
        }
        let (src_port, dst_port) = (field::<2>(octets, places.src_port), field::<2>(octets, places.dst_port));
        match proto {
            ICMP | ICMP6 => self.put(&[dst_port[0], dst_port[1], 0, 0, 0, 0, 0, 0]),
            TCP => {
                let [flags] = field::<1>(octets, places.tcp_flags);
                self.put(&src_port);
                self.put(&dst_port);
                self.put(&[0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
            }
            _ => {
                self.put(&src_port);
                self.put(&dst_port);
                self.put(&[0, if proto == UDP { 8 } else { 0 }, 0, 0]);
            }
        }
        self.used()
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) {
        let end = self.end + octets.len();
        if let Some(to) = self.frame.get_mut(self.end..end) {
            to.copy_from_slice(octets);
            self.end = end;
        }
    }

    fn label(&mut self, label: u32, last: bool) {
        self.put(&(label << 12 | u32::from(last) << 8 | 64).to_be_bytes());
    }

    fn used(&self) -> &[u8] {
        self.frame.get(..self.end).unwrap_or_default()
    }
}

/// The IPv6 address of a row, as packets have it. One that stands for IPv4 is in mapped form already.
fn plain(host: &[u8; 16]) -> [u8; 16] {
    if *host == address::V6_ZERO { [0; 16] } else { *host }
}

#[inline]
fn field<const N: usize>(octets: &[u8], at: Option<usize>) -> [u8; N] {
    at.and_then(|at| octets.get(at..)).and_then(|octets| octets.first_chunk()).copied().unwrap_or([0; N])
}
