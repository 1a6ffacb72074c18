//! Synthesizes a packet from a flow record, so that filters can be applied to it.
//!
//! An Ethernet frame with the record's MAC addresses; a VLAN tag if it has a VLAN id; its MPLS labels; an IP header with its
//! addresses, protocol and type of service; ports and flags as TCP, UDP and SCTP have them, and the type and code of ICMP from
//! where NetFlow puts them, the destination port. Lengths, checksums and other fields are unknown: expressions
//! that test them see the synthetic frame's length, and zeros.
//!
//! pmacct adds a tag only to records with a VLAN id from 256 on, so that `net 10.0.0.0/8` matches those with smaller ids, and not the
//! others. Expressions that were written for it keep their meaning; those that name VLANs see all tags.
//!
//! The header has the family of the source, or of the destination if the source is absent or unspecified. A record without
//! addresses has the header of its EtherType, or an IPv4 header if it has only a protocol.

use crate::compile::PacketView;
use crate::hints::{Certain, Hint};
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Row};
use flow::strings::Strings;

/// Limit on the labels of a frame: as many as a decoder puts on a stack.
const MAX_LABELS: usize = 16;
/// Limit on the octets of a frame: Ethernet, one tag, labels, IPv6, TCP.
const MAX_FRAME: usize = 14 + 4 + MAX_LABELS * 4 + 40 + 20;

/// Octets of two MAC addresses, and of a tag.
const MACS: usize = 12;
const TAG: usize = 4;
/// The largest VLAN id whose tag is visible only to expressions that name VLANs.
const MAX_UNTAGGED_VLAN: u16 = 255;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const FRAGMENT: u8 = 44;
const ICMP6: u8 = 58;

const IPV4: [u8; 2] = [8, 0];
const IPV6: [u8; 2] = [0x86, 0xdd];
const MPLS: [u8; 2] = [0x88, 0x47];

/// Keywords of expressions that depend only on addresses and protocol.
const SHALLOW: &[&str] = &[
    "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "src", "dst", "host", "net", "mask", "proto",
    "and", "or", "not", "vlan", "mpls",
];
/// Keywords of expressions that depend on ports at most.
const PORTS: &[&str] = &["port", "portrange"];

/// Fields that every frame needs: they determine which headers it has.
const SHAPE: &[Field] = &[
    Field::SrcHost,
    Field::DstHost,
    Field::Proto,
    Field::Etype,
    Field::Vlan,
    Field::MplsLabelTop,
    Field::MplsLabelBottom,
];
/// The subset that every frame needs if the source determines the family.
const LAYERS: &[Field] = &[Field::SrcHost, Field::Proto, Field::Vlan, Field::MplsLabelTop, Field::MplsLabelBottom];
const REST: &[Field] = &[
    Field::SrcPort,
    Field::DstPort,
    Field::SrcMac,
    Field::DstMac,
    Field::Cos,
    Field::Tos,
    Field::TcpFlags,
    Field::FlowLabel,
    Field::MplsLabelStack,
];

/// Adds the fields that frames need for an expression; `certain` has its certain conditions.
pub(crate) fn require(text: &str, certain: &Certain, fields: &mut FieldSet) {
    if let Some(inspected) = certain.inspected.filter(|_| certain.hints.iter().any(names_source)) {
        // Then the source determines the family, and a frame without that source does not match, whatever its header.
        let ports = [(Field::SrcPort, inspected.src_port), (Field::DstPort, inspected.dst_port)];
        let is_inspected = ports.into_iter().chain([(Field::DstHost, inspected.dst_host)]);
        let needed = is_inspected.filter(|(_, is_inspected)| *is_inspected).map(|(field, _)| field);
        LAYERS.iter().copied().chain(needed).for_each(|field| fields.insert(field));
        return;
    }
    let words = || words(text);
    let shallow = |word: &str| SHALLOW.contains(&word) || PORTS.contains(&word) || is_value(word);
    SHAPE.iter().for_each(|field| fields.insert(*field));
    // Expressions in brackets may depend on anything, as may unknown keywords.
    if !words().all(shallow) {
        REST.iter().for_each(|field| fields.insert(*field));
    }
    if words().any(|word| PORTS.contains(&word)) {
        fields.insert(Field::SrcPort);
        fields.insert(Field::DstPort);
    }
    // The number of labels determines what follows them.
    if words().any(|word| word == "mpls") {
        fields.insert(Field::MplsLabelStack);
    }
}

/// The words of an expression.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii_whitespace() || "()!&|".contains(c)).filter(|word| !word.is_empty())
}

/// Only flows with a specified source match.
fn names_source(hint: &Hint) -> bool {
    let Hint::SrcNet { octets, len } = hint else { return false };
    let first = |octets: [u8; 16]| u128::from_be_bytes(octets).checked_shr(128 - u32::from(*len)).unwrap_or(0);
    [[0; 16], address::V4_ZERO].iter().all(|unspecified| first(*unspecified) != first(*octets))
}

/// An address, a network, a number, a range: not a name, an offset or a MAC address.
fn is_value(word: &str) -> bool {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    let (first, last) = word.split_once(['/', '-']).unwrap_or((word, "0"));
    let is_v4 = || first.split('.').all(is_number);
    is_number(last) && (is_v4() || first.parse::<std::net::IpAddr>().is_ok())
}

/// Synthesizes frames from rows, one at a time, in the same memory.
#[derive(Clone, Debug)]
pub struct Synthetic {
    offsets: Offsets,
    frame: [u8; MAX_FRAME],
    /// Octets of the frame in use.
    end: usize,
    /// The frame without its tag.
    untagged: [u8; MAX_FRAME],
}

#[derive(Clone, Copy, Debug)]
struct Offsets {
    src_host: Option<usize>,
    dst_host: Option<usize>,
    proto: Option<usize>,
    etype: Option<usize>,
    src_port: Option<usize>,
    dst_port: Option<usize>,
    src_mac: Option<usize>,
    dst_mac: Option<usize>,
    vlan: Option<usize>,
    cos: Option<usize>,
    label_top: Option<usize>,
    label_bottom: Option<usize>,
    label_stack: Option<usize>,
    tos: Option<usize>,
    tcp_flags: Option<usize>,
    flow_label: Option<usize>,
}

impl Synthetic {
    /// Compiles it for rows of this layout. Fields that these lack are zero in the frames.
    pub fn new(layout: &Layout) -> Self {
        let at = |field| layout.offset(field);
        let offsets = Offsets {
            src_host: at(Field::SrcHost),
            dst_host: at(Field::DstHost),
            proto: at(Field::Proto),
            etype: at(Field::Etype),
            src_port: at(Field::SrcPort),
            dst_port: at(Field::DstPort),
            src_mac: at(Field::SrcMac),
            dst_mac: at(Field::DstMac),
            vlan: at(Field::Vlan),
            cos: at(Field::Cos),
            label_top: at(Field::MplsLabelTop),
            label_bottom: at(Field::MplsLabelBottom),
            label_stack: at(Field::MplsLabelStack),
            tos: at(Field::Tos),
            tcp_flags: at(Field::TcpFlags),
            flow_label: at(Field::FlowLabel),
        };
        Self { offsets, frame: [0; MAX_FRAME], end: 0, untagged: [0; MAX_FRAME] }
    }

    /// The frame of a row, from its destination MAC address on. Of its label stack, it has the top and the bottom.
    #[inline]
    pub fn frame(&mut self, row: Row<'_>) -> &[u8] {
        self.make(row.bytes(), &[])
    }

    /// The frame of a row with the whole label stack, which is in `strings` under the row's id.
    #[inline]
    pub fn view(&mut self, row: Row<'_>, strings: &Strings) -> PacketView<'_> {
        let octets = row.bytes();
        let stack = match u32::from_be_bytes(field(octets, self.offsets.label_stack)) {
            0 => &[],
            id => strings.get(id),
        };
        self.make(octets, stack);
        let has_two_forms =
            (1..=MAX_UNTAGGED_VLAN).contains(&u16::from_be_bytes(field(octets, self.offsets.vlan)));
        if has_two_forms {
            self.copy_without_tag();
        }
        let view = PacketView::whole(self.frame.get(..self.end).unwrap_or_default());
        PacketView {
            untagged: self.untagged.get(..self.end.saturating_sub(TAG)).filter(|_| has_two_forms),
            ..view
        }
    }

    fn copy_without_tag(&mut self) {
        if let (Some(from), Some(to)) = (self.frame.get(..MACS), self.untagged.get_mut(..MACS)) {
            to.copy_from_slice(from);
        }
        let rest = self.frame.get(MACS + TAG..self.end).unwrap_or_default();
        if let Some(to) = self.untagged.get_mut(MACS..MACS + rest.len()) {
            to.copy_from_slice(rest);
        }
    }

    /// `stack` has label stack entries of three octets, top first.
    fn make(&mut self, octets: &[u8], stack: &[u8]) -> &[u8] {
        let offsets = self.offsets;
        let (src, dst) = (field::<16>(octets, offsets.src_host), field::<16>(octets, offsets.dst_host));
        let [proto] = field::<1>(octets, offsets.proto);
        let stated = field::<2>(octets, offsets.etype);
        let is_present = |host: &&[u8; 16]| ![address::ABSENT, address::V4_ZERO, address::V6_ZERO].contains(*host);
        let etype = match ([&src, &dst].into_iter().find(is_present), stated) {
            (Some(host), _) => {
                if address::is_v4(host) {
                    IPV4
                } else {
                    IPV6
                }
            }
            (None, [0, 0]) if src == address::ABSENT && dst == address::ABSENT && proto != 0 => IPV4,
            (None, _) if src == address::ABSENT && dst == address::ABSENT => stated,
            (None, _) if is_v4(&src) && is_v4(&dst) => IPV4,
            (None, _) => IPV6,
        };
        self.end = 0;
        self.put(&field::<6>(octets, offsets.dst_mac));
        self.put(&field::<6>(octets, offsets.src_mac));
        self.tag(octets);
        if !self.labels(octets, stack) {
            self.put(&etype);
        }
        if self.network(etype, octets, proto, &src, &dst) {
            self.transport(octets, proto);
        }
        self.frame.get(..self.end).unwrap_or_default()
    }

    fn tag(&mut self, octets: &[u8]) {
        let [high, low] = match u16::from_be_bytes(field(octets, self.offsets.vlan)) {
            0 => return,
            // No id has more than 12 bits; such a frame is tagged, but in no VLAN.
            4096.. => [0, 0],
            id => id.to_be_bytes(),
        };
        let [cos] = field::<1>(octets, self.offsets.cos);
        self.put(&[0x81, 0, cos << 5 | high, low]);
    }

    /// True if there are labels; they have an EtherType of their own.
    fn labels(&mut self, octets: &[u8], stack: &[u8]) -> bool {
        let [top, bottom] =
            [self.offsets.label_top, self.offsets.label_bottom].map(|at| u32::from_be_bytes(field(octets, at)));
        // Without the stack, a lone label of 0, the explicit null, cannot be distinguished from no label; so it is never added.
        if (top, bottom) == (0, 0) {
            return false;
        }
        self.put(&MPLS);
        if stack.is_empty() {
            let two = bottom != 0 && bottom != top;
            self.label(top, !two);
            if two {
                self.label(bottom, true);
            }
        }
        let mut entries = stack.chunks_exact(3).take(MAX_LABELS).peekable();
        while let Some(entry) = entries.next() {
            let label = entry.iter().fold(0, |label, octet| label << 8 | u32::from(*octet)) >> 4;
            self.label(label, entries.peek().is_none());
        }
        true
    }

    /// One label, with the bit of the bottom of the stack, and a hop limit of 64.
    fn label(&mut self, label: u32, last: bool) {
        self.put(&(label << 12 | u32::from(last) << 8 | 64).to_be_bytes());
    }

    /// Adds an IP header; false if there is none.
    fn network(&mut self, etype: [u8; 2], octets: &[u8], proto: u8, src: &[u8; 16], dst: &[u8; 16]) -> bool {
        let [tos] = field::<1>(octets, self.offsets.tos);
        let transport: u8 = if proto == TCP { 20 } else { 8 };
        match etype {
            IPV4 => {
                self.put(&[0x45, tos, 0, 20 + transport, 0, 0, 0, 0, 64, proto, 0, 0]);
                // An address of the other family does not fit.
                for host in [src, dst] {
                    self.put(if is_v4(host) { &host[12..] } else { &[0; 4] });
                }
            }
            IPV6 => {
                let [_, high, mid, low] = field::<4>(octets, self.offsets.flow_label);
                self.put(&[0x60 | tos >> 4, tos << 4 | high & 0x0f, mid, low, 0, transport, proto, 64]);
                self.put(&plain(src));
                self.put(&plain(dst));
            }
            _ => return false,
        }
        true
    }

    fn transport(&mut self, octets: &[u8], proto: u8) {
        let (src_port, dst_port) =
            (field::<2>(octets, self.offsets.src_port), field::<2>(octets, self.offsets.dst_port));
        match proto {
            ICMP | ICMP6 => self.put(&[dst_port[0], dst_port[1], 0, 0, 0, 0, 0, 0]),
            // The protocol after a fragment header is not known. libpcap inspected there, and must not find a port.
            FRAGMENT => self.put(&[FRAGMENT, 0, 0, 0, 0, 0, 0, 0]),
            TCP => {
                let [flags] = field::<1>(octets, self.offsets.tcp_flags);
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
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) {
        let end = self.end + octets.len();
        if let Some(to) = self.frame.get_mut(self.end..end) {
            to.copy_from_slice(octets);
            self.end = end;
        }
    }
}

/// True if it fits an IPv4 header.
fn is_v4(host: &[u8; 16]) -> bool {
    address::is_v4(host) || *host == address::ABSENT
}

/// The IPv6 address of a row, as in packets. IPv4 addresses are already in mapped form.
fn plain(host: &[u8; 16]) -> [u8; 16] {
    if *host == address::V6_ZERO { [0; 16] } else { *host }
}

#[inline]
fn field<const N: usize>(octets: &[u8], at: Option<usize>) -> [u8; N] {
    at.and_then(|at| octets.get(at..)).and_then(|octets| octets.first_chunk()).copied().unwrap_or([0; N])
}
