//! Link-state NLRI (RFC 9552; SRv6 SIDs: RFC 9514; SR policies: RFC 9857).
//!
//! One NLRI is a type and a length of two octets each, in VPNs a route distinguisher, then the protocol, an instance identifier,
//! and TLVs: *descriptors* of the nodes, the link, the prefix, or what else the NLRI names. NLRI of unknown types are kept as
//! octets, as RFC 9552 section 5.2 requires.

use super::fields::{self, IsisId};
use crate::tlv::{Header, Malformed, Tlv, Tlvs, end};
use crate::value::{Hex, ItemsOf, Mask, Members, MembersOf, Named, Value};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Family, Prefix, Reader, RouteDistinguisher, Writer};

/// An NLRI type (IANA "BGP-LS NLRI Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NlriType(pub u16);

impl NlriType {
    /// A node.
    pub const NODE: Self = Self(1);
    /// A link.
    pub const LINK: Self = Self(2);
    /// An IPv4 prefix.
    pub const IPV4_PREFIX: Self = Self(3);
    /// An IPv6 prefix.
    pub const IPV6_PREFIX: Self = Self(4);
    /// A candidate path of an SR policy, or a TE tunnel.
    pub const SR_POLICY: Self = Self(5);
    /// An SRv6 SID.
    pub const SRV6_SID: Self = Self(6);

    /// The name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NODE => "Node",
            Self::LINK => "Link",
            Self::IPV4_PREFIX => "IPv4 Topology Prefix",
            Self::IPV6_PREFIX => "IPv6 Topology Prefix",
            Self::SR_POLICY => "SR Policy Candidate Path",
            Self::SRV6_SID => "SRv6 SID",
            _ => return None,
        })
    }
}

/// The source of the information (IANA "BGP-LS Protocol-IDs").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// The registered name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "IS-IS Level 1",
            2 => "IS-IS Level 2",
            3 => "OSPFv2",
            4 => "Direct",
            5 => "Static configuration",
            6 => "OSPFv3",
            7 => "BGP",
            8 => "RSVP-TE",
            9 => "Segment Routing",
            _ => return None,
        })
    }
}

/// What an NLRI of a known type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The source of the information.
    pub protocol: Protocol,
    /// The instance of the protocol.
    pub identifier: u64,
    /// The descriptors: TLVs whose lengths were checked.
    pub descriptors: &'a [u8],
}

/// A link-state NLRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState<'a> {
    /// The type.
    pub nlri_type: NlriType,
    /// The route distinguisher in VPNs.
    pub rd: Option<RouteDistinguisher>,
    /// What it says.
    pub body: Body<'a>,
}

/// The body of an NLRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Of a known type.
    Object(Object<'a>),
    /// Of an unknown type: what follows the length or the route distinguisher.
    Octets(&'a [u8]),
}

/// Types of descriptors.
pub mod descriptor {
    /// The node, or the near end of a link.
    pub const LOCAL_NODE: u16 = 256;
    /// The far end of a link.
    pub const REMOTE_NODE: u16 = 257;
    /// Numbers of both ends of a link.
    pub const LINK_IDENTIFIERS: u16 = 258;
    /// IPv4 address of the near end.
    pub const IPV4_INTERFACE: u16 = 259;
    /// IPv4 address of the far end.
    pub const IPV4_NEIGHBOR: u16 = 260;
    /// IPv6 address of the near end.
    pub const IPV6_INTERFACE: u16 = 261;
    /// IPv6 address of the far end.
    pub const IPV6_NEIGHBOR: u16 = 262;
    /// Multi-topology identifiers.
    pub const MULTI_TOPOLOGY: u16 = 263;
    /// The kind of an OSPF route.
    pub const OSPF_ROUTE_TYPE: u16 = 264;
    /// The prefix.
    pub const IP_REACHABILITY: u16 = 265;
    /// Of a node: AS number.
    pub const AUTONOMOUS_SYSTEM: u16 = 512;
    /// Of a node: BGP-LS identifier (deprecated).
    pub const BGP_LS_IDENTIFIER: u16 = 513;
    /// Of a node: OSPF area.
    pub const OSPF_AREA: u16 = 514;
    /// Of a node: its identifier in the IGP.
    pub const IGP_ROUTER_ID: u16 = 515;
    /// Of a node: BGP identifier (RFC 9086).
    pub const BGP_ROUTER_ID: u16 = 516;
    /// Of a node: its AS in a confederation (RFC 9086).
    pub const CONFEDERATION_MEMBER: u16 = 517;
    /// An SRv6 SID (RFC 9514).
    pub const SRV6_SID: u16 = 518;
    /// A tunnel of RSVP-TE (draft-ietf-idr-bgp-ls-te-path).
    pub const TUNNEL_ID: u16 = 550;
    /// An LSP of a tunnel.
    pub const LSP_ID: u16 = 551;
    /// Where the tunnel starts.
    pub const TUNNEL_HEAD: u16 = 552;
    /// Where the tunnel ends.
    pub const TUNNEL_TAIL: u16 = 553;
    /// A candidate path of an SR policy (RFC 9857 section 4).
    pub const SR_POLICY: u16 = 554;
    /// Of a local MPLS cross connect: its labels.
    pub const CROSS_CONNECT: u16 = 555;
    /// Of a local MPLS cross connect: an interface.
    pub const CROSS_CONNECT_INTERFACE: u16 = 556;
    /// Of a local MPLS cross connect: a FEC.
    pub const CROSS_CONNECT_FEC: u16 = 557;
}

impl<'a> LinkState<'a> {
    /// Decodes one NLRI: type, length and body.
    ///
    /// # Errors
    /// If octets are missing or left over, or a descriptor is cut.
    pub fn decode(in_vpn: bool, octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let nlri_type = NlriType(r.u16()?);
        let length = r.u16()?;
        let mut body = r.within(length.into())?;
        end(&r)?;
        let rd = if in_vpn { Some(fields::rd(&mut body)?) } else { None };
        if nlri_type.name().is_none() {
            return Ok(Self { nlri_type, rd, body: Body::Octets(body.rest()) });
        }
        let (protocol, identifier) = (Protocol(body.u8()?), body.u64()?);
        let descriptors = body.rest();
        for tlv in Tlvs::new(body, Header::Wide) {
            let tlv = tlv?;
            if let descriptor::LOCAL_NODE | descriptor::REMOTE_NODE = tlv.code {
                Tlvs::of(tlv.value, Header::Wide).check()?;
            }
        }
        Ok(Self { nlri_type, rd, body: Body::Object(Object { protocol, identifier, descriptors }) })
    }

    /// Writes one NLRI; what exceeds the length of 65535 octets makes an NLRI of length 0.
    pub fn write(&self, w: &mut Writer) {
        let mut body = Writer::new();
        if let Some(rd) = self.rd {
            body.put(&rd.0);
        }
        match self.body {
            Body::Object(Object { protocol, identifier, descriptors }) => {
                body.u8(protocol.0).u64(identifier).put(descriptors);
            }
            Body::Octets(octets) => _ = body.put(octets),
        }
        let body = body.finish();
        let length = u16::try_from(body.len()).unwrap_or_default();
        w.u16(self.nlri_type.0).u16(length).put(body.get(..length.into()).unwrap_or_default());
    }
}

impl Members for LinkState<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("nlri_type", Value::Shown(&Named { name: self.nlri_type.name(), code: self.nlri_type.0.into() }));
        fields::shown(visit, "rd", self.rd);
        match self.body {
            Body::Octets(octets) => visit("octets", Value::Shown(&Hex(octets))),
            Body::Object(Object { protocol, identifier, descriptors }) => {
                visit("proto", Value::Shown(&Named { name: protocol.name(), code: protocol.0.into() }));
                if identifier != 0 {
                    visit("identifier", Value::Number(identifier));
                }
                let family = if self.nlri_type == NlriType::IPV6_PREFIX { Family::V6 } else { Family::V4 };
                self::descriptors(family, Tlvs::of(descriptors, Header::Wide), visit);
            }
        }
    }
}

type Visit<'v> = dyn FnMut(&str, Value<'_>) + 'v;
type Out<'v> = dyn FnMut(Value<'_>) + 'v;

/// Descriptors. One that is not what its type says is shown in hexadecimal, as are unknown ones; and so are, in a list, those that
/// repeat a type.
fn descriptors(family: Family, tlvs: Tlvs<'_>, visit: &mut Visit<'_>) {
    for same in tlvs.sorted().chunk_by(|a, b| a.code == b.code) {
        let Some((tlv, others)) = same.split_first() else { continue };
        if known(family, tlv, visit).is_none() {
            visit(&format!("descriptor_{}", tlv.code), Value::Shown(&Hex(tlv.value)));
        }
        if !others.is_empty() {
            let items = ItemsOf(|out: &mut Out<'_>| {
                others.iter().for_each(|tlv| out(Value::Shown(&Hex(tlv.value))));
            });
            visit(&format!("more_{}", tlv.code), Value::List(&items));
        }
    }
}

/// `None` if nothing was visited.
fn known(family: Family, tlv: &Tlv<'_>, visit: &mut Visit<'_>) -> Option<()> {
    let mut r = Reader::new(tlv.value);
    let mut address = |name: &str| -> Option<()> {
        visit(name, Value::Shown(&fields::whole_address(&mut r).ok()?));
        Some(())
    };
    match tlv.code {
        descriptor::LOCAL_NODE => node(&LOCAL, tlv.value, visit),
        descriptor::REMOTE_NODE => node(&REMOTE, tlv.value, visit),
        descriptor::IPV4_INTERFACE => return address("local_addr_v4"),
        descriptor::IPV4_NEIGHBOR => return address("neigh_addr_v4"),
        descriptor::IPV6_INTERFACE => return address("local_addr_v6"),
        descriptor::IPV6_NEIGHBOR => return address("neigh_addr_v6"),
        descriptor::SRV6_SID => return address("srv6_sid"),
        descriptor::TUNNEL_HEAD => return address("tunnel_head"),
        descriptor::TUNNEL_TAIL => return address("tunnel_tail"),
        descriptor::TUNNEL_ID => visit("tunnel_id", Value::Number(r.u16().ok()?.into())),
        descriptor::LSP_ID => visit("lsp_id", Value::Number(r.u16().ok()?.into())),
        descriptor::LINK_IDENTIFIERS => {
            let (local, remote) = (r.u32().ok()?, r.u32().ok()?);
            visit("local_link_id", Value::Number(local.into()));
            visit("remote_link_id", Value::Number(remote.into()));
        }
        descriptor::MULTI_TOPOLOGY => {
            let (all, left) = tlv.value.as_chunks::<2>();
            let items = ItemsOf(|out: &mut Out<'_>| {
                all.iter().for_each(|id| out(Value::Number(u64::from(u16::from_be_bytes(*id) & 0x0fff))));
            });
            left.is_empty().then(|| visit("mt_id", Value::List(&items)))?;
        }
        descriptor::OSPF_ROUTE_TYPE => {
            let code = r.u8().ok()?;
            visit("ospf_route_type", Value::Shown(&Named { name: ospf_route_type(code), code: code.into() }));
        }
        descriptor::IP_REACHABILITY => {
            let prefix = Prefix::read(&mut r, family).ok().filter(|_| r.is_empty())?;
            visit("ip_reach", Value::Shown(&prefix));
        }
        descriptor::SR_POLICY => return sr_policy(&mut r, visit),
        _ => return None,
    }
    Some(())
}

const fn ospf_route_type(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "Intra-Area",
        2 => "Inter-Area",
        3 => "External 1",
        4 => "External 2",
        5 => "NSSA 1",
        6 => "NSSA 2",
        _ => return None,
    })
}

/// The names of the members of a node.
struct NodeNames {
    asn: &'static str,
    bgp_ls_id: &'static str,
    area: &'static str,
    igp_router_id: &'static str,
    pseudonode: &'static str,
    designated_router: &'static str,
    bgp_router_id: &'static str,
    confederation_member: &'static str,
    unknown: &'static str,
}

const LOCAL: NodeNames = NodeNames {
    asn: "local_asn",
    bgp_ls_id: "local_bgp_ls_id",
    area: "local_ospf_area_id",
    igp_router_id: "local_igp_rtr_id",
    pseudonode: "pseudonode",
    designated_router: "local_dr_interface",
    bgp_router_id: "local_bgp_rtr_id",
    confederation_member: "local_confed_member_asn",
    unknown: "local_node",
};

const REMOTE: NodeNames = NodeNames {
    asn: "remote_asn",
    bgp_ls_id: "remote_bgp_ls_id",
    area: "remote_ospf_area_id",
    igp_router_id: "remote_igp_rtr_id",
    pseudonode: "remote_pseudonode",
    designated_router: "remote_dr_interface",
    bgp_router_id: "remote_bgp_rtr_id",
    confederation_member: "remote_confed_member_asn",
    unknown: "remote_node",
};

fn node(names: &NodeNames, octets: &[u8], visit: &mut Visit<'_>) {
    for same in Tlvs::of(octets, Header::Wide).sorted().chunk_by(|a, b| a.code == b.code) {
        let Some(tlv) = same.first() else { continue };
        if node_member(names, tlv, visit).is_none() {
            visit(&format!("{}_{}", names.unknown, tlv.code), Value::Shown(&Hex(tlv.value)));
        }
    }
}

fn node_member(names: &NodeNames, tlv: &Tlv<'_>, visit: &mut Visit<'_>) -> Option<()> {
    let word = <[u8; 4]>::try_from(tlv.value).ok();
    let number = word.map(u32::from_be_bytes);
    let address = word.map(Ipv4Addr::from);
    match tlv.code {
        descriptor::AUTONOMOUS_SYSTEM => visit(names.asn, Value::Number(number?.into())),
        descriptor::BGP_LS_IDENTIFIER => visit(names.bgp_ls_id, Value::Number(number?.into())),
        descriptor::OSPF_AREA => visit(names.area, Value::Shown(&address?)),
        descriptor::BGP_ROUTER_ID => visit(names.bgp_router_id, Value::Shown(&address?)),
        descriptor::CONFEDERATION_MEMBER => visit(names.confederation_member, Value::Number(number?.into())),
        // The length tells the kind of router (RFC 9552 section 5.2.1.4): an IS-IS router, or a pseudonode of it, an OSPF
        // router, or a LAN by its designated router and that router's interface, or a router with an address only.
        descriptor::IGP_ROUTER_ID => match *tlv.value {
            [a, b, c, d, e, f] => visit(names.igp_router_id, Value::Shown(&IsisId([a, b, c, d, e, f]))),
            [a, b, c, d, e, f, pseudonode] => {
                visit(names.igp_router_id, Value::Shown(&IsisId([a, b, c, d, e, f])));
                visit(names.pseudonode, Value::Number(pseudonode.into()));
            }
            [a, b, c, d, e, f, g, h] => {
                visit(names.igp_router_id, Value::Shown(&Ipv4Addr::new(a, b, c, d)));
                visit(names.designated_router, Value::Shown(&Ipv4Addr::new(e, f, g, h)));
            }
            _ => {
                let address = fields::whole_address(&mut Reader::new(tlv.value)).ok()?;
                visit(names.igp_router_id, Value::Shown(&address));
            }
        },
        _ => return None,
    }
    Some(())
}

fn sr_policy(r: &mut Reader<'_>, visit: &mut Visit<'_>) -> Option<()> {
    const ENDPOINT_IS_V6: u8 = 0x80;
    const ORIGINATOR_IS_V6: u8 = 0x40;
    fn address(is_v6: bool, r: &mut Reader<'_>) -> Option<IpAddr> {
        Some(if is_v6 { r.array::<16>().ok()?.into() } else { r.array::<4>().ok()?.into() })
    }
    let (origin, flags, _) = (r.u8().ok()?, r.u8().ok()?, r.u16().ok()?);
    let endpoint = address(flags & ENDPOINT_IS_V6 != 0, r)?;
    let (color, asn) = (r.u32().ok()?, r.u32().ok()?);
    let originator = address(flags & ORIGINATOR_IS_V6 != 0, r)?;
    let discriminator = r.u32().ok()?;
    let members = MembersOf(|visit: &mut Visit<'_>| {
        visit("protocol_origin", Value::Number(origin.into()));
        visit("flags", Value::Shown(&Mask(flags.into())));
        visit("endpoint", Value::Shown(&endpoint));
        visit("color", Value::Number(color.into()));
        visit("originator_asn", Value::Number(asn.into()));
        visit("originator", Value::Shown(&originator));
        visit("discriminator", Value::Number(discriminator.into()));
    });
    visit("sr_policy", Value::Object(&members));
    Some(())
}

#[cfg(test)]
mod tests;
