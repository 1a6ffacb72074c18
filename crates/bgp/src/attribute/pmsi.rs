//! The PMSI tunnel attribute (RFC 6514 section 5): the tunnel that carries the multicast traffic of a VPN or a bridge domain.
//!
//! Flags, a tunnel type, a label field, and an identifier whose layout the type tells.

use crate::nlri::fields::{self, LabelField};
use crate::tlv::Malformed;
use crate::value::{Hex, Mask, Members, MembersOf, Named, Value};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Reader, Writer};

/// A tunnel type (IANA "P-Multicast Service Interface Tunnel (PMSI Tunnel) Tunnel Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelType(pub u8);

impl TunnelType {
    /// The name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "none",
            1 => "RSVP-TE P2MP LSP",
            2 => "mLDP P2MP LSP",
            3 => "PIM-SSM Tree",
            4 => "PIM-SM Tree",
            5 => "BIDIR-PIM Tree",
            6 => "Ingress Replication",
            7 => "mLDP MP2MP LSP",
            8 => "Transport Tunnel",
            10 => "Assisted Replication Tunnel",
            11 => "BIER",
            12 => "SR-MPLS P2MP Tree",
            13 => "SRv6 P2MP Tree",
            _ => return None,
        })
    }
}

/// The attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmsiTunnel<'a> {
    /// Flags; the lowest asks for Leaf A-D routes.
    pub flags: u8,
    /// The type of the tunnel.
    pub tunnel_type: TunnelType,
    /// The label of the VPN or bridge domain in the tunnel; zero if it has none.
    pub label: LabelField,
    /// Which tunnel it is.
    pub identifier: &'a [u8],
}

impl<'a> PmsiTunnel<'a> {
    /// Decodes the value of an attribute.
    ///
    /// # Errors
    /// If it has fewer than 5 octets.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let (flags, tunnel_type) = (r.u8()?, TunnelType(r.u8()?));
        Ok(Self { flags, tunnel_type, label: LabelField::read(&mut r)?, identifier: r.rest() })
    }

    /// Writes the value of an attribute.
    pub fn write(&self, w: &mut Writer) {
        w.u8(self.flags).u8(self.tunnel_type.0).put(&self.label.0).put(self.identifier);
    }

    /// Visits what the identifier says; `None` if it does not have the layout of its type.
    fn identifier_members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) -> Option<()> {
        let mut r = Reader::new(self.identifier);
        match self.tunnel_type.0 {
            0 if r.is_empty() => {}
            1 => {
                // The extended tunnel identifier is an address.
                let extended: IpAddr = match r.left() {
                    12 => r.array::<4>().ok()?.into(),
                    24 => r.array::<16>().ok()?.into(),
                    _ => return None,
                };
                let (_, tunnel, p2mp) = (r.u16().ok()?, r.u16().ok()?, Ipv4Addr::from_bits(r.u32().ok()?));
                visit("extended_tunnel_id", Value::Shown(&extended));
                visit("tunnel_id", Value::Number(tunnel.into()));
                visit("p2mp_id", Value::Shown(&p2mp));
            }
            2 | 7 => {
                // A FEC element of mLDP (RFC 6388 section 2.2): type, address family, root, opaque value.
                let (_, _, length) = (r.u8().ok()?, r.u16().ok()?, r.u8().ok()?);
                let root = fields::whole_address(&mut r.within(length.into()).ok()?).ok()?;
                let length = r.u16().ok()?;
                let opaque = r.take(length.into()).ok().filter(|_| r.is_empty())?;
                visit("root", Value::Shown(&root));
                // The generic LSP identifier (RFC 6388 section 2.3.1).
                match *opaque {
                    [1, 0, 4, a, b, c, d] => {
                        visit("lsp_id", Value::Number(u32::from_be_bytes([a, b, c, d]).into()));
                    }
                    _ => visit("opaque", Value::Shown(&Hex(opaque))),
                }
            }
            3..=5 => {
                let half = r.left() / 2;
                let mut first = r.within(half).ok()?;
                let (root, group) = (fields::whole_address(&mut first).ok()?, fields::whole_address(&mut r).ok()?);
                visit(if self.tunnel_type.0 == 3 { "root" } else { "sender" }, Value::Shown(&root));
                visit("group", Value::Shown(&group));
            }
            6 | 10 => visit("endpoint", Value::Shown(&fields::whole_address(&mut r).ok()?)),
            11 => {
                // RFC 8556 section 2.
                let (domain, id) = (r.u8().ok()?, r.u16().ok()?);
                let prefix = fields::whole_address(&mut r).ok()?;
                visit("subdomain", Value::Number(domain.into()));
                visit("bfr_id", Value::Number(id.into()));
                visit("bfr_prefix", Value::Shown(&prefix));
            }
            _ => return None,
        }
        Some(())
    }
}

/// One member, `pmsi_tunnel`.
impl Members for PmsiTunnel<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        let object = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
            let TunnelType(code) = self.tunnel_type;
            visit("type", Value::Shown(&Named { name: self.tunnel_type.name(), code: code.into() }));
            visit("flags", Value::Shown(&Mask(self.flags.into())));
            visit("mpls_label", Value::Shown(&self.label.label()));
            visit("vni", Value::Number(self.label.vni().into()));
            if self.identifier_members(visit).is_none() {
                visit("identifier", Value::Shown(&Hex(self.identifier)));
            }
        });
        visit("pmsi_tunnel", Value::Object(&object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;
    use wire::Truncated;

    #[test]
    fn each_type_shows_its_identifier() {
        for (tunnel_type, identifier, name, shown) in [
            (0, &[][..], "none", ""),
            (
                1,
                &[10, 0, 0, 1, 0, 0, 0, 7, 10, 0, 0, 2],
                "RSVP-TE P2MP LSP",
                r#","extended_tunnel_id":"10.0.0.1","tunnel_id":7,"p2mp_id":"10.0.0.2""#,
            ),
            (
                2,
                &[6, 0, 1, 4, 10, 0, 0, 1, 0, 7, 1, 0, 4, 0, 0, 0, 9],
                "mLDP P2MP LSP",
                r#","root":"10.0.0.1","lsp_id":9"#,
            ),
            (7, &[6, 0, 1, 4, 10, 0, 0, 1, 0, 1, 5], "mLDP MP2MP LSP", r#","root":"10.0.0.1","opaque":"05""#),
            (3, &[10, 0, 0, 1, 232, 1, 1, 1], "PIM-SSM Tree", r#","root":"10.0.0.1","group":"232.1.1.1""#),
            (4, &[10, 0, 0, 1, 239, 1, 1, 1], "PIM-SM Tree", r#","sender":"10.0.0.1","group":"239.1.1.1""#),
            (6, &[10, 0, 0, 1], "Ingress Replication", r#","endpoint":"10.0.0.1""#),
            (6, &[10, 0, 0], "Ingress Replication", r#","identifier":"0a0000""#),
            (11, &[1, 0, 7, 10, 0, 0, 1], "BIER", r#","subdomain":1,"bfr_id":7,"bfr_prefix":"10.0.0.1""#),
            (99, &[1], "99", r#","identifier":"01""#),
        ] {
            let octets = [&[1, tunnel_type, 0, 6, 0x41][..], identifier].concat();
            let tunnel = PmsiTunnel::decode(&octets).unwrap();
            let expected = format!(
                r#"{{"pmsi_tunnel":{{"type":"{name}","flags":"0x1","mpls_label":"100","vni":1601{shown}}}}}"#
            );
            assert_eq!(Json(&tunnel).to_string(), expected);
            let mut w = Writer::new();
            tunnel.write(&mut w);
            assert_eq!(w.finish(), octets);
        }
        let truncated = Truncated { at: 2, wanted: 3, left: 2 };
        assert_eq!(PmsiTunnel::decode(&[0; 4]), Err(Malformed::Truncated(truncated)));
    }

    proptest! {
        #[test]
        fn any_octets_are_shown_or_an_error(tunnel_type in 0u8..16, octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut octets = octets;
            if let Some(octet) = octets.get_mut(1) {
                *octet = tunnel_type;
            }
            let Ok(tunnel) = PmsiTunnel::decode(&octets) else { return Ok(()) };
            _ = Json(&tunnel).to_string();
            let mut w = Writer::new();
            tunnel.write(&mut w);
            prop_assert_eq!(w.finish(), octets);
        }
    }
}
