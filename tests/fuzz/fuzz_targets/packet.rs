//! A frame: one octet of link type, then its octets. Everything decoded is inside the frame, in tunnels as well, and so are the targets
//! of pointers. An octet that is not a link type selects one of the supported ones.
#![no_main]

use flow::pointer::Pointer;
use libfuzzer_sys::fuzz_target;
use packet::plain::plain;
use packet::tunnel::{self, Ports};
use packet::{LinkType, Packet, trailer};

const POINTERS: [&str; 7] = ["packet+1", "mac+3", "vlan", "mpls+2", "l3:0x800+8", "l4:6+13", "payload+65535"];
/// Maximum depth of nested tunnels.
const DEPTH: usize = 8;

fn check(packet: &Packet<'_>) {
    let len = packet.frame.len();
    let offsets = packet.offsets;
    for offset in
        [offsets.mac, offsets.vlan, offsets.mpls, offsets.l3, offsets.l4, offsets.payload].into_iter().flatten()
    {
        assert!(offset <= len);
    }
    assert!(packet.payload().len() <= len);
    assert!(packet.labels.len().is_multiple_of(4) && packet.labels.len() <= len);
    if let (Some(l3), Some(l4)) = (offsets.l3, offsets.l4) {
        assert!(l3 < l4, "layers stand in order");
    }
    if let (Some(l4), Some(payload)) = (offsets.l4, offsets.payload) {
        assert!(l4 <= payload, "layers stand in order");
    }
    assert_eq!(packet.ip.is_some(), offsets.l3.is_some());
    assert!(packet.ip.is_some() || packet.ports.is_none() && packet.icmp.is_none() && packet.tcp_flags == 0);
    assert!(packet.vlan().is_none_or(|vlan| vlan < 4096));
    assert!(packet.ip_length(0) <= u64::from(u32::MAX));
    for pointer in POINTERS {
        let pointer: Pointer = pointer.parse().expect("these are pointers");
        assert!(decode::pointer::follow(&packet, &pointer, 4).is_none_or(|octets| octets.len() <= 4));
    }
}

/// Each inner packet starts after its outer one, in the same frame.
fn descend(outer: &Packet<'_>) {
    let ports = Ports::default();
    let mut outer = *outer;
    for depth in 1..=DEPTH {
        let Some(found) = tunnel::inner(&outer, &ports) else { return };
        let inner = found.packet;
        check(&inner);
        assert_eq!(inner.frame.as_ptr_range(), outer.frame.as_ptr_range());
        assert!(inner.offsets.l3.is_none_or(|at| Some(at) > outer.offsets.l3));
        if depth == 1 {
            assert!(tunnel::innermost(&outer, &ports, 1) == Some(found));
        }
        outer = inner;
    }
}

/// The fast path for plain frames gives the same result as the general decoder.
fn check_plain(frame: &[u8]) {
    let Some(plain) = plain(frame) else { return };
    let whole = packet::decode(LinkType::ETHERNET, frame);
    let ip = whole.ip.expect("plain frames carry IP");
    assert_eq!((whole.src_mac, whole.dst_mac), (Some(plain.src_mac()), Some(plain.dst_mac())));
    assert_eq!((whole.outer_tag, whole.inner_tag, whole.etype), (plain.tag, None, Some(plain.etype())));
    assert_eq!((ip.source, ip.destination), (plain.source(), plain.destination()));
    assert_eq!((ip.protocol, ip.tos, ip.flow_label), (plain.protocol, plain.tos, plain.flow_label));
    assert_eq!((ip.length, ip.is_unsized, ip.fragment), (plain.length, false, None));
    assert_eq!((whole.ports, whole.tcp_flags), (Some(plain.ports()), plain.tcp_flags));
    assert_eq!(Some(plain.transport), whole.offsets.l4.and_then(|at| frame.get(at..)));
}

fuzz_target!(|input: &[u8]| {
    let Some((link, frame)) = input.split_first() else { return };
    let mut chosen = LinkType(u32::from(*link));
    if chosen.name().is_none() {
        chosen = LinkType::ALL[usize::from(*link) % LinkType::ALL.len()].0;
    }
    for packet in [packet::decode(chosen, frame), packet::decode_ip(frame)] {
        check(&packet);
        descend(&packet);
    }
    check_plain(frame);
    let _ = trailer::output_interface(frame, frame.len() as u32, usize::from(*link), 1);
});
