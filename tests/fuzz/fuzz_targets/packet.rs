//! A frame: one octet of link type, then its octets; and the packets inside its tunnels. What is found lies in the frame, and a pointer leads nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packet::pointer::Pointer;
use packet::{LinkType, Packet, tunnel};

const POINTERS: [&str; 7] = ["packet+1", "mac+3", "vlan", "mpls+2", "l3:0x800+8", "l4:6+13", "payload+65535"];

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
    assert!(packet.vlan().is_none_or(|vlan| vlan < 4096));
    for pointer in POINTERS {
        let pointer: Pointer = pointer.parse().expect("these are pointers");
        assert!(packet.at(&pointer, 4).is_none_or(|octets| octets.len() <= 4));
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((link, frame)) = input.split_first() else { return };
    let (link, _) = LinkType::ALL[usize::from(*link) % LinkType::ALL.len()];
    for packet in [packet::decode(link, frame), packet::decode_ip(frame)] {
        check(&packet);
        let _ = packet.ip_length(u32::MAX);
        if let Some(tunnel) = tunnel::innermost(&packet, &tunnel::Ports::default(), 4) {
            check(&tunnel.packet);
        }
    }
});
