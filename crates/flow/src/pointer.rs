//! Packet pointers: a position in a packet, given as layer, protocol and offset (`l4:6+14`).
//!
//! They come from the operator's file of custom primitives; `decode` follows them.

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
    /// Payload of the transport layer.
    Payload,
}

/// A packet pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The layer at which the offset starts.
    pub layer: Layer,
    /// EtherType (with `l3`) or IP protocol (with `l4`) that the packet must have.
    pub protocol: Option<u16>,
    /// Offset from the layer, in octets.
    pub offset: usize,
}

/// An error in the text of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// No such layer.
    Layer(String),
    /// A protocol that is not a number, or that the layer does not allow.
    Protocol(String),
    /// An offset that is not a number.
    Offset(String),
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(text) => {
                write!(f, "\"{text}\" is not one of packet, mac, vlan, mpls, l3, l4, payload")
            }
            Self::Protocol(text) => {
                write!(f, "\"{text}\" is not a protocol: expected a number such as 6 or 0x800, with l3 or l4")
            }
            Self::Offset(text) => {
                write!(f, "\"{text}\" is not an offset: expected a number of octets, such as 14")
            }
        }
    }
}

impl std::str::FromStr for Pointer {
    type Err = PointerError;

    /// Reads `layer[:protocol][+offset]`.
    fn from_str(text: &str) -> Result<Self, PointerError> {
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
            _ => return Err(PointerError::Layer(layer.to_owned())),
        };
        let protocol = match protocol {
            None => None,
            Some(text) if matches!(layer, Layer::L3 | Layer::L4) => {
                let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix('x'));
                let number = hex.map_or_else(|| text.parse(), |hex| u16::from_str_radix(hex, 16));
                let number = number.map_err(|_| PointerError::Protocol(text.to_owned()))?;
                // 0 is any protocol, as in pmacct.
                Some(number).filter(|number| *number > 0)
            }
            Some(text) => return Err(PointerError::Protocol(text.to_owned())),
        };
        let offset = offset.parse::<u16>().map_err(|_| PointerError::Offset(offset.to_owned()))?;
        Ok(Self { layer, protocol, offset: usize::from(offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read() {
        let pointer: Pointer = "l3:0x800+8".parse().unwrap();
        assert_eq!(pointer, Pointer { layer: Layer::L3, protocol: Some(0x800), offset: 8 });
        assert_eq!("l4:0+2".parse(), Ok(Pointer { layer: Layer::L4, protocol: None, offset: 2 }));
        assert_eq!("mac:6".parse::<Pointer>(), Err(PointerError::Protocol("6".into())));
        assert_eq!("l5".parse::<Pointer>(), Err(PointerError::Layer("l5".into())));
        assert_eq!("l4:6+x".parse::<Pointer>(), Err(PointerError::Offset("x".into())));
    }
}
