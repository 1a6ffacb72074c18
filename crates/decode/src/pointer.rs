//! Packet pointers: octets at an offset in a layer of a packet.

use flow::pointer::{Layer, Pointer};
use packet::{Packet, ethertype};

/// Returns the `length` octets that `pointer` refers to; `None` if the packet lacks the layer or ends before them.
pub fn follow<'a>(packet: &Packet<'a>, pointer: &Pointer, length: usize) -> Option<&'a [u8]> {
    let offsets = packet.offsets;
    let (start, protocol) = match pointer.layer {
        Layer::Packet => (Some(0), None),
        Layer::Mac => (offsets.mac, None),
        Layer::Vlan => (offsets.vlan, None),
        Layer::Mpls => (offsets.mpls, None),
        Layer::L3 => {
            let v6 = packet.ip.is_some_and(|ip| ip.source.is_ipv6());
            (offsets.l3, Some(if v6 { ethertype::IPV6 } else { ethertype::IPV4 }))
        }
        Layer::L4 => (offsets.l4, packet.ip.map(|ip| u16::from(ip.protocol))),
        Layer::Payload => (offsets.payload, None),
    };
    if pointer.protocol.is_some() && pointer.protocol != protocol {
        return None;
    }
    let start = start? + pointer.offset;
    packet.frame.get(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_refer_to_octets_of_the_layer_and_protocol() {
        let ip = [0x45, 0, 0, 28, 0, 1, 0, 0, 77, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0];
        let packet = packet::decode_ip(&ip);
        let octets = |text: &str, length| follow(&packet, &text.parse().unwrap(), length);
        assert_eq!(octets("l3:0x800+8", 1), Some(&[77][..]));
        assert_eq!(octets("l4:17", 2), Some(&[0, 1][..]));
        assert_eq!(octets("l4:6", 2), None);
        assert_eq!(octets("l4", 200), None);
    }
}
