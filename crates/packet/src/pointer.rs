//! Packet pointers: a place in a packet, told by layer, protocol and offset (`l4:6+14`).

use crate::{Packet, ethertype};
use std::fmt;

/// A layer that a pointer starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The frame.
    Packet,
    /// MAC addresses.
    Mac,
    /// First VLAN tag.
    Vlan,
    /// First MPLS label.
    Mpls,
    /// IP header.
    L3,
    /// Transport header.
    L4,
    /// What the transport carries.
    Payload,
}

/// A packet pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Where it starts from.
    pub layer: Layer,
    /// EtherType (with `l3`) or IP protocol (with `l4`) that the packet must have.
    pub protocol: Option<u16>,
    /// Octets from there.
    pub offset: usize,
}

/// What is wrong with the text of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No such layer.
    Layer(String),
    /// A protocol that is no number, or with a layer that takes none.
    Protocol(String),
    /// An offset that is no number.
    Offset(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(text) => {
                write!(f, "\"{text}\" is not one of packet, mac, vlan, mpls, l3, l4, payload")
            }
            Self::Protocol(text) => {
                write!(f, "\"{text}\" is no protocol: a number such as 6 or 0x800, with l3 or l4")
            }
            Self::Offset(text) => write!(f, "\"{text}\" is no offset in octets, such as 14"),
        }
    }
}

impl std::str::FromStr for Pointer {
    type Err = Problem;

    /// Reads `layer[:protocol][+offset]`.
    fn from_str(text: &str) -> Result<Self, Problem> {
        let (head, offset) = text.split_once('+').unwrap_or((text, "0"));
        let (layer, protocol) = match head.split_once(':') {
            Some((layer, protocol)) => (layer, Some(protocol)),
            None => (head, None),
        };
        let layer = match layer.to_ascii_lowercase().as_str() {
            "packet" => Layer::Packet,
            "mac" => Layer::Mac,
            "vlan" => Layer::Vlan,
            "mpls" => Layer::Mpls,
            "l3" => Layer::L3,
            "l4" => Layer::L4,
            "payload" => Layer::Payload,
            _ => return Err(Problem::Layer(layer.to_owned())),
        };
        let protocol = match protocol {
            None => None,
            Some(text) if matches!(layer, Layer::L3 | Layer::L4) => {
                let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix('x'));
                let number = hex.map_or_else(|| text.parse(), |hex| u16::from_str_radix(hex, 16));
                Some(number.map_err(|_| Problem::Protocol(text.to_owned()))?)
            }
            Some(text) => return Err(Problem::Protocol(text.to_owned())),
        };
        let offset = offset.parse::<u16>().map_err(|_| Problem::Offset(offset.to_owned()))?;
        Ok(Self { layer, protocol, offset: usize::from(offset) })
    }
}

impl<'a> Packet<'a> {
    /// The octets that a pointer points to, up to `length` of them; `None` where the packet has no such place.
    pub fn at(&self, pointer: &Pointer, length: usize) -> Option<&'a [u8]> {
        let (start, protocol) = match pointer.layer {
            Layer::Packet => (Some(0), None),
            Layer::Mac => (self.offsets.mac, None),
            Layer::Vlan => (self.offsets.vlan, None),
            Layer::Mpls => (self.offsets.mpls, None),
            Layer::L3 => {
                let v6 = self.ip.is_some_and(|ip| ip.source.is_ipv6());
                (self.offsets.l3, Some(if v6 { ethertype::IPV6 } else { ethertype::IPV4 }))
            }
            Layer::L4 => (self.offsets.l4, self.ip.map(|ip| u16::from(ip.protocol))),
            Layer::Payload => (self.offsets.payload, None),
        };
        if pointer.protocol.is_some() && pointer.protocol != protocol {
            return None;
        }
        let start = start? + pointer.offset;
        self.frame.get(start..start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_and_followed() {
        let pointer: Pointer = "l3:0x800+8".parse().unwrap();
        assert_eq!(pointer, Pointer { layer: Layer::L3, protocol: Some(0x800), offset: 8 });
        assert_eq!("mac:6".parse::<Pointer>(), Err(Problem::Protocol("6".into())));
        assert_eq!("l5".parse::<Pointer>(), Err(Problem::Layer("l5".into())));
        assert_eq!("l4:6+x".parse::<Pointer>(), Err(Problem::Offset("x".into())));
        let ip = [0x45, 0, 0, 28, 0, 1, 0, 0, 77, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0];
        let packet = crate::decode_ip(&ip);
        assert_eq!(packet.at(&pointer, 1), Some(&[77][..]));
        assert_eq!(packet.at(&"l4:17".parse().unwrap(), 2), Some(&[0, 1][..]));
        assert_eq!(packet.at(&"l4:6".parse().unwrap(), 2), None);
        assert_eq!(packet.at(&"l4".parse().unwrap(), 200), None);
    }
}
