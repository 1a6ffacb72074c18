//! The tunnel encapsulation attribute (RFC 9012), with the candidate paths of SR policies (RFC 9830, RFC 9831).
//!
//! TLVs with a type and a length of two octets each, one for a tunnel. Each contains sub-TLVs: their type is one octet, and their length one octet for
//! types below 128 and else two.

mod segment;

use super::prefix_sid::PrefixSid;
use crate::nlri::fields;
use crate::tlv::{Header, Malformed, Tlv, Tlvs};
use crate::value::{Hex, ItemsOf, Lossy, Mask, Members, MembersOf, Value};
use std::net::{IpAddr, Ipv6Addr};
use wire::tunnel::TunnelType;
use wire::{Mac, Reader, TooLong, Writer};

/// Types of sub-TLVs (IANA "BGP Tunnel Encapsulation Attribute Sub-TLVs").
pub mod sub_tlv {
    /// What the encapsulation needs (RFC 9012 section 3.2).
    pub const ENCAPSULATION: u16 = 1;
    /// The Ethertype of the payload.
    pub const PROTOCOL_TYPE: u16 = 2;
    /// Keys of IPsec (RFC 5566).
    pub const IPSEC_AUTHENTICATOR: u16 = 3;
    /// A color.
    pub const COLOR: u16 = 4;
    /// The length of the load-balancing block (RFC 5640).
    pub const LOAD_BALANCING: u16 = 5;
    /// Where the tunnel ends (RFC 9012 section 3.1).
    pub const EGRESS_ENDPOINT: u16 = 6;
    /// The DS field of the outer header.
    pub const DS_FIELD: u16 = 7;
    /// The destination port of the outer header.
    pub const UDP_PORT: u16 = 8;
    /// What happens to the label of the NLRI.
    pub const EMBEDDED_LABEL: u16 = 9;
    /// Labels to push.
    pub const LABEL_STACK: u16 = 10;
    /// A prefix SID attribute.
    pub const PREFIX_SID: u16 = 11;
    /// The preference of a candidate path (RFC 9830 section 2.4.1).
    pub const PREFERENCE: u16 = 12;
    /// The binding SID (RFC 9830 section 2.4.2).
    pub const BINDING_SID: u16 = 13;
    /// The explicit null label policy (RFC 9830 section 2.4.5).
    pub const ENLP: u16 = 14;
    /// The priority with which paths are computed again (RFC 9830 section 2.4.6).
    pub const PRIORITY: u16 = 15;
    /// A service path (RFC 9015).
    pub const SPI_SI: u16 = 16;
    /// The SRv6 binding SID (RFC 9830 section 2.4.3).
    pub const SRV6_BINDING_SID: u16 = 20;
    /// A segment list (RFC 9830 section 2.4.4).
    pub const SEGMENT_LIST: u16 = 128;
    /// The name of the candidate path (RFC 9830 section 2.4.7).
    pub const PATH_NAME: u16 = 129;
    /// The name of the policy (RFC 9830 section 2.4.8).
    pub const POLICY_NAME: u16 = 130;
}

/// The attribute, whose TLVs and sub-TLVs fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnels<'a> {
    octets: &'a [u8],
}

/// A tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// Its type.
    pub tunnel_type: TunnelType,
    octets: &'a [u8],
}

impl<'a> Tunnels<'a> {
    /// Checks the value of an attribute: the lengths of its TLVs and sub-TLVs.
    ///
    /// # Errors
    /// If one is cut; RFC 9012 section 13 then treats the update as a withdrawal.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        for tlv in Tlvs::of(octets, Header::Wide) {
            Tlvs::of(tlv?.value, Header::Split).check()?;
        }
        Ok(Self { octets })
    }

    /// The tunnels, in their order.
    pub fn iter(self) -> impl Iterator<Item = Tunnel<'a>> {
        let tlvs = Tlvs::of(self.octets, Header::Wide).map_while(Result::ok);
        tlvs.map(|tlv| Tunnel { tunnel_type: TunnelType(tlv.code), octets: tlv.value })
    }
}

impl<'a> Tunnel<'a> {
    /// The sub-TLVs, in their order.
    pub fn sub_tlvs(self) -> impl Iterator<Item = Tlv<'a>> {
        Tlvs::of(self.octets, Header::Split).map_while(Result::ok)
    }

    /// The address at which the tunnel ends; `None` if it is the next hop, or not what it should be.
    pub fn endpoint(self) -> Option<IpAddr> {
        endpoint(Tlvs::of(self.octets, Header::Split).first(sub_tlv::EGRESS_ENDPOINT)?).flatten()
    }
}

/// One member, `tunnels`.
impl Members for Tunnels<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
            self.iter().for_each(|tunnel| out(Value::Object(&tunnel)));
        });
        visit("tunnels", Value::List(&items));
    }
}

/// Sub-TLVs that are not known, or not what they should be, are `sub_tlv_` and their type, in hexadecimal. Segment lists are a list; of all
/// others, the first of a type counts (RFC 9012 section 13).
impl Members for Tunnel<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("type", Value::Shown(&self.tunnel_type));
        for same in Tlvs::of(self.octets, Header::Split).sorted().chunk_by(|a, b| a.code == b.code) {
            let Some(tlv) = same.first() else { continue };
            if tlv.code == sub_tlv::SEGMENT_LIST {
                let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                    same.iter().for_each(|tlv| segment::list(tlv.value, out));
                });
                visit("segment_lists", Value::List(&items));
            } else if known(self.tunnel_type, tlv, visit).is_none() {
                visit(&format!("sub_tlv_{}", tlv.code), Value::Shown(&Hex(tlv.value)));
            }
        }
    }
}

/// A reserved number, an address family, and an address of it; without a family there is none, and the next hop is meant.
fn endpoint(octets: &[u8]) -> Option<Option<IpAddr>> {
    let mut r = Reader::new(octets);
    let (_, family) = (r.u32().ok()?, r.u16().ok()?);
    match (family, r.left()) {
        (0, 0) => Some(None),
        (1, 4) | (2, 16) => fields::whole_address(&mut r).ok().map(Some),
        _ => None,
    }
}

/// `None` if nothing was visited.
fn known(tunnel: TunnelType, tlv: &Tlv<'_>, visit: &mut dyn FnMut(&str, Value<'_>)) -> Option<()> {
    let mut r = Reader::new(tlv.value);
    let mut number = |name, number: u32| visit(name, Value::Number(number.into()));
    match (tlv.code, tlv.value) {
        (sub_tlv::ENCAPSULATION, _) => return encapsulation(tunnel, r, visit),
        (sub_tlv::PROTOCOL_TYPE, &[a, b]) => {
            visit("protocol_type", Value::Shown(&Mask(u16::from_be_bytes([a, b]).into())));
        }
        // An extended community.
        (sub_tlv::COLOR, &[3, 0x0b, _, _, a, b, c, d]) => number("color", u32::from_be_bytes([a, b, c, d])),
        (sub_tlv::LOAD_BALANCING, &[a, b]) => number("load_balancing_block", u16::from_be_bytes([a, b]).into()),
        (sub_tlv::EGRESS_ENDPOINT, octets) => match endpoint(octets)? {
            Some(address) => visit("endpoint", Value::Shown(&address)),
            None => visit("endpoint", Value::Text("next-hop")),
        },
        (sub_tlv::DS_FIELD, &[field]) => number("ds_field", field.into()),
        (sub_tlv::UDP_PORT, &[a, b]) => number("udp_port", u16::from_be_bytes([a, b]).into()),
        (sub_tlv::EMBEDDED_LABEL, &[handling]) => number("embedded_label_handling", handling.into()),
        (sub_tlv::LABEL_STACK, octets) => {
            let (entries, left) = octets.as_chunks::<4>();
            let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                entries.iter().for_each(|entry| out(Value::Number((u32::from_be_bytes(*entry) >> 12).into())));
            });
            left.is_empty().then(|| visit("mpls_labels", Value::List(&items)))?;
        }
        (sub_tlv::PREFIX_SID, octets) => {
            visit("prefix_sid", Value::Object(&PrefixSid::decode(octets).ok()?));
        }
        // Flags and a reserved octet precede the value; flags without a meaning are not shown.
        (sub_tlv::PREFERENCE, &[_, _, a, b, c, d]) => number("preference", u32::from_be_bytes([a, b, c, d])),
        (sub_tlv::BINDING_SID, &[flags, _, ref sid @ ..]) => {
            let sid = Sid::read(sid)?;
            let members = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
                visit("flags", Value::Shown(&Mask(flags.into())));
                sid.member(visit);
            });
            visit("binding_sid", Value::Object(&members));
        }
        (sub_tlv::ENLP, &[_, _, policy]) => number("explicit_null_label_policy", policy.into()),
        (sub_tlv::PRIORITY, &[priority, _]) => number("priority", priority.into()),
        (sub_tlv::SRV6_BINDING_SID, _) => {
            let (flags, _) = (r.u8().ok()?, r.u8().ok()?);
            let sid = Ipv6Addr::from(r.array::<16>().ok()?);
            let behavior = segment::Endpoint::read(&mut r)?;
            let members = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
                visit("flags", Value::Shown(&Mask(flags.into())));
                visit("sid", Value::Shown(&sid));
                behavior.members(visit);
            });
            visit("srv6_binding_sid", Value::Object(&members));
        }
        (sub_tlv::PATH_NAME, [_, name @ ..]) => visit("path_name", Value::Shown(&Lossy(name))),
        (sub_tlv::POLICY_NAME, [_, name @ ..]) => visit("policy_name", Value::Shown(&Lossy(name))),
        _ => return None,
    }
    Some(())
}

/// A SID that may be absent: nothing, a label stack entry, or an SRv6 SID.
enum Sid {
    None,
    Label(u32),
    Srv6(Ipv6Addr),
}

impl Sid {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut r = Reader::new(octets);
        Some(match octets.len() {
            0 => Self::None,
            4 => Self::Label(r.u32().ok()? >> 12),
            16 => Self::Srv6(r.array::<16>().ok()?.into()),
            _ => return None,
        })
    }

    fn member(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        match self {
            Self::None => {}
            Self::Label(label) => visit("sid", Value::Shown(label)),
            Self::Srv6(sid) => visit("sid", Value::Shown(sid)),
        }
    }
}

fn encapsulation(tunnel: TunnelType, mut r: Reader<'_>, visit: &mut dyn FnMut(&str, Value<'_>)) -> Option<()> {
    let r = &mut r;
    match tunnel {
        TunnelType::GRE | TunnelType::MPLS_IN_GRE if r.left() == 4 => {
            visit("gre_key", Value::Number(r.u32().ok()?.into()));
        }
        TunnelType::L2TPV3 => {
            let session = r.u32().ok()?;
            visit("l2tpv3_session", Value::Number(session.into()));
            if !r.is_empty() {
                visit("l2tpv3_cookie", Value::Shown(&Hex(r.rest())));
            }
        }
        // Flags say whether the identifier and the MAC address are valid (RFC 9012 sections 3.2.1 and 3.2.2).
        TunnelType::VXLAN | TunnelType::NVGRE if r.left() == 12 => {
            let (flags, [a, b, c], mac) = (r.u8().ok()?, r.array().ok()?, Mac(r.array().ok()?));
            visit("encapsulation_flags", Value::Shown(&Mask(flags.into())));
            if flags & 0x80 != 0 {
                visit("vni", Value::Number(u32::from_be_bytes([0, a, b, c]).into()));
            }
            if flags & 0x40 != 0 {
                visit("mac", Value::Shown(&mac));
            }
        }
        _ => return None,
    }
    Some(())
}

/// Writes the value of an attribute.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    w: Writer,
}

impl Builder {
    /// No tunnels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tunnel with sub-TLVs.
    ///
    /// # Errors
    /// If the tunnel or a sub-TLV exceeds its length.
    pub fn tunnel(&mut self, tunnel_type: TunnelType, sub_tlvs: &[Tlv<'_>]) -> Result<&mut Self, TooLong> {
        let mut result = Ok(());
        self.w.u16(tunnel_type.0).sized_u16(0, |w| {
            result = sub_tlvs.iter().try_for_each(|tlv| write_sub_tlv(tlv, w));
        })?;
        result.map(|()| self)
    }

    /// The value.
    pub fn finish(self) -> Vec<u8> {
        self.w.finish()
    }
}

fn write_sub_tlv(tlv: &Tlv<'_>, w: &mut Writer) -> Result<(), TooLong> {
    let len = tlv.value.len();
    let too_long = TooLong { len };
    match u8::try_from(tlv.code).map_err(|_| too_long)? {
        code @ ..128 => w.u8(code).u8(u8::try_from(len).map_err(|_| too_long)?).put(tlv.value),
        code => w.u8(code).sized_u16(0, |w| _ = w.put(tlv.value))?,
    };
    Ok(())
}

#[cfg(test)]
mod tests;
