//! EVPN routes: RFC 7432, RFC 9136 (IP prefixes), RFC 9251 (multicast groups) and RFC 9572 (tunnels for multicast).
//!
//! One NLRI is an octet with the route type, an octet with the length of the rest, and the rest. Routes of unknown
//! types are kept as octets.

use super::fields::{self, Esi, LabelField};
use crate::tlv::{Malformed, end};
use crate::value::{Hex, Members, Named, Value};
use std::net::IpAddr;
use wire::{Mac, Prefix, Reader, RouteDistinguisher, Writer};

/// An EVPN route type (IANA "EVPN Route Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteType(pub u8);

impl RouteType {
    /// Ethernet Auto-Discovery (RFC 7432 section 7.1).
    pub const ETHERNET_AD: Self = Self(1);
    /// MAC/IP Advertisement (RFC 7432 section 7.2).
    pub const MAC_IP: Self = Self(2);
    /// Inclusive Multicast Ethernet Tag (RFC 7432 section 7.3).
    pub const INCLUSIVE_MULTICAST: Self = Self(3);
    /// Ethernet Segment (RFC 7432 section 7.4).
    pub const ETHERNET_SEGMENT: Self = Self(4);
    /// IP Prefix (RFC 9136 section 3.1).
    pub const IP_PREFIX: Self = Self(5);
    /// Selective Multicast Ethernet Tag (RFC 9251 section 9.1).
    pub const SELECTIVE_MULTICAST: Self = Self(6);
    /// Multicast Membership Report Synch (RFC 9251 section 9.2).
    pub const MEMBERSHIP_REPORT_SYNCH: Self = Self(7);
    /// Multicast Leave Synch (RFC 9251 section 9.3).
    pub const LEAVE_SYNCH: Self = Self(8);
    /// Per-Region I-PMSI A-D (RFC 9572 section 3.1).
    pub const PER_REGION_I_PMSI: Self = Self(9);
    /// S-PMSI A-D (RFC 9572 section 3.2).
    pub const S_PMSI: Self = Self(10);
    /// Leaf A-D (RFC 9572 section 3.3).
    pub const LEAF: Self = Self(11);

    /// The registered name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ETHERNET_AD => "Ethernet Auto-Discovery",
            Self::MAC_IP => "MAC/IP Advertisement",
            Self::INCLUSIVE_MULTICAST => "Inclusive Multicast Ethernet Tag",
            Self::ETHERNET_SEGMENT => "Ethernet Segment",
            Self::IP_PREFIX => "IP Prefix",
            Self::SELECTIVE_MULTICAST => "Selective Multicast Ethernet Tag",
            Self::MEMBERSHIP_REPORT_SYNCH => "Multicast Membership Report Synch",
            Self::LEAVE_SYNCH => "Multicast Leave Synch",
            Self::PER_REGION_I_PMSI => "Per-Region I-PMSI A-D",
            Self::S_PMSI => "S-PMSI A-D",
            Self::LEAF => "Leaf A-D",
            _ => return None,
        })
    }
}

/// The multicast flow that some routes name; an absent source or group is a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The source, if it is a single one.
    pub source: Option<IpAddr>,
    /// The group, if it is a single one.
    pub group: Option<IpAddr>,
    /// The address of the router that originated the route.
    pub originator: IpAddr,
}

/// An EVPN route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evpn<'a> {
    /// Type 1.
    EthernetAd {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The Ethernet tag; 0xffffffff in routes for the whole segment.
        tag: u32,
        /// The label.
        label: LabelField,
    },
    /// Type 2.
    MacIp {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The Ethernet tag.
        tag: u32,
        /// The MAC address.
        mac: Mac,
        /// The address of the host, if it is known.
        ip: Option<IpAddr>,
        /// The label of the bridge domain.
        label: LabelField,
        /// The label of the IP-VRF.
        label2: Option<LabelField>,
    },
    /// Type 3.
    InclusiveMulticast {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet tag.
        tag: u32,
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// Type 4.
    EthernetSegment {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// Type 5.
    IpPrefix {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The Ethernet tag.
        tag: u32,
        /// The prefix.
        prefix: Prefix,
        /// The gateway, of the family of the prefix; zero if there is none.
        gateway: IpAddr,
        /// The label.
        label: LabelField,
    },
    /// Type 6.
    SelectiveMulticast {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet tag.
        tag: u32,
        /// The flow.
        flow: Flow,
        /// Versions of IGMP or MLD, and the kind of filter.
        flags: u8,
    },
    /// Type 7.
    MembershipReportSynch {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The Ethernet tag.
        tag: u32,
        /// The flow.
        flow: Flow,
        /// Versions of IGMP or MLD, and the kind of filter.
        flags: u8,
    },
    /// Type 8.
    LeaveSynch {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet segment.
        esi: Esi,
        /// The Ethernet tag.
        tag: u32,
        /// The flow.
        flow: Flow,
        /// Four reserved octets; drafts numbered the synchronisation here.
        reserved: [u8; 4],
        /// The maximum response time of the last member query, as on the wire.
        max_response_time: u8,
        /// Versions of IGMP or MLD, and the kind of filter.
        flags: u8,
    },
    /// Type 9.
    PerRegionIPmsi {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet tag.
        tag: u32,
        /// The region: an extended community, or a number.
        region: [u8; 8],
    },
    /// Type 10.
    SPmsi {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The Ethernet tag.
        tag: u32,
        /// The flow.
        flow: Flow,
    },
    /// Type 11.
    Leaf {
        /// The NLRI of the route that this one answers, whole.
        route_key: &'a [u8],
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// A route of a type that is not known.
    Unknown {
        /// The type.
        route_type: RouteType,
        /// What follows the length.
        octets: &'a [u8],
    },
}

impl<'a> Evpn<'a> {
    /// Decodes one NLRI: type, length and the rest.
    ///
    /// # Errors
    /// If a length is not one that the type permits, or octets are missing or left over.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let route_type = RouteType(r.u8()?);
        let length = r.u8()?;
        let mut body = r.within(length.into())?;
        end(&r)?;
        let route = Self::body(route_type, &mut body)?;
        end(&body)?;
        Ok(route)
    }

    fn body(route_type: RouteType, r: &mut Reader<'a>) -> Result<Self, Malformed> {
        match route_type {
            RouteType::LEAF => return Self::leaf(r),
            RouteType(1..=10) => {}
            _ => return Ok(Self::Unknown { route_type, octets: r.take(r.left())? }),
        }
        let rd = fields::rd(r)?;
        let esi = match route_type {
            RouteType(1 | 2 | 4 | 5 | 7 | 8) => Esi(r.array()?),
            _ => Esi::default(),
        };
        if route_type == RouteType::ETHERNET_SEGMENT {
            return Ok(Self::EthernetSegment { rd, esi, originator: fields::address(r)? });
        }
        let tag = r.u32()?;
        Ok(match route_type {
            RouteType::ETHERNET_AD => Self::EthernetAd { rd, esi, tag, label: LabelField::read(r)? },
            RouteType::MAC_IP => {
                let at = r.at();
                match r.u8()? {
                    48 => {}
                    length => return Err(Malformed::Length { at, length: length.into() }),
                }
                let mac = Mac(r.array()?);
                let ip = fields::optional_address(r)?;
                let label = LabelField::read(r)?;
                let label2 = if r.is_empty() { None } else { Some(LabelField::read(r)?) };
                Self::MacIp { rd, esi, tag, mac, ip, label, label2 }
            }
            RouteType::INCLUSIVE_MULTICAST => {
                Self::InclusiveMulticast { rd, tag, originator: fields::address(r)? }
            }
            RouteType::IP_PREFIX => Self::ip_prefix(rd, esi, tag, r)?,
            RouteType::SELECTIVE_MULTICAST => Self::SelectiveMulticast { rd, tag, flow: flow(r)?, flags: r.u8()? },
            RouteType::MEMBERSHIP_REPORT_SYNCH => {
                Self::MembershipReportSynch { rd, esi, tag, flow: flow(r)?, flags: r.u8()? }
            }
            RouteType::LEAVE_SYNCH => Self::LeaveSynch {
                rd,
                esi,
                tag,
                flow: flow(r)?,
                reserved: r.array()?,
                max_response_time: r.u8()?,
                flags: r.u8()?,
            },
            RouteType::PER_REGION_I_PMSI => Self::PerRegionIPmsi { rd, tag, region: r.array()? },
            _ => Self::SPmsi { rd, tag, flow: flow(r)? },
        })
    }

    /// The length of the NLRI tells the family of the prefix (RFC 9136 section 3.1).
    fn ip_prefix(rd: RouteDistinguisher, esi: Esi, tag: u32, r: &mut Reader<'a>) -> Result<Self, Malformed> {
        let at = r.at();
        let length = r.u8()?;
        let (address, gateway): (IpAddr, IpAddr) = match r.left() {
            11 => (r.array::<4>()?.into(), r.array::<4>()?.into()),
            35 => (r.array::<16>()?.into(), r.array::<16>()?.into()),
            left => return Err(Malformed::Length { at: r.at(), length: left }),
        };
        let prefix = Prefix::new(address, length).ok_or(Malformed::Length { at, length: length.into() })?;
        Ok(Self::IpPrefix { rd, esi, tag, prefix, gateway, label: LabelField::read(r)? })
    }

    fn leaf(r: &mut Reader<'a>) -> Result<Self, Malformed> {
        let start = *r;
        let _type = r.u8()?;
        let length = r.u8()?;
        r.take(length.into())?;
        let mut key = start;
        let route_key = key.take(usize::from(length) + 2)?;
        Ok(Self::Leaf { route_key, originator: fields::address(r)? })
    }

    /// The type.
    pub const fn route_type(&self) -> RouteType {
        match self {
            Self::EthernetAd { .. } => RouteType::ETHERNET_AD,
            Self::MacIp { .. } => RouteType::MAC_IP,
            Self::InclusiveMulticast { .. } => RouteType::INCLUSIVE_MULTICAST,
            Self::EthernetSegment { .. } => RouteType::ETHERNET_SEGMENT,
            Self::IpPrefix { .. } => RouteType::IP_PREFIX,
            Self::SelectiveMulticast { .. } => RouteType::SELECTIVE_MULTICAST,
            Self::MembershipReportSynch { .. } => RouteType::MEMBERSHIP_REPORT_SYNCH,
            Self::LeaveSynch { .. } => RouteType::LEAVE_SYNCH,
            Self::PerRegionIPmsi { .. } => RouteType::PER_REGION_I_PMSI,
            Self::SPmsi { .. } => RouteType::S_PMSI,
            Self::Leaf { .. } => RouteType::LEAF,
            Self::Unknown { route_type, .. } => *route_type,
        }
    }

    /// The route distinguisher, in routes that have one.
    pub const fn rd(&self) -> Option<RouteDistinguisher> {
        match self {
            Self::EthernetAd { rd, .. }
            | Self::MacIp { rd, .. }
            | Self::InclusiveMulticast { rd, .. }
            | Self::EthernetSegment { rd, .. }
            | Self::IpPrefix { rd, .. }
            | Self::SelectiveMulticast { rd, .. }
            | Self::MembershipReportSynch { rd, .. }
            | Self::LeaveSynch { rd, .. }
            | Self::PerRegionIPmsi { rd, .. }
            | Self::SPmsi { rd, .. } => Some(*rd),
            Self::Leaf { .. } | Self::Unknown { .. } => None,
        }
    }

    const fn esi(&self) -> Option<Esi> {
        match self {
            Self::EthernetAd { esi, .. }
            | Self::MacIp { esi, .. }
            | Self::EthernetSegment { esi, .. }
            | Self::IpPrefix { esi, .. }
            | Self::MembershipReportSynch { esi, .. }
            | Self::LeaveSynch { esi, .. } => Some(*esi),
            _ => None,
        }
    }

    const fn tag(&self) -> Option<u32> {
        match self {
            Self::EthernetAd { tag, .. }
            | Self::MacIp { tag, .. }
            | Self::InclusiveMulticast { tag, .. }
            | Self::IpPrefix { tag, .. }
            | Self::SelectiveMulticast { tag, .. }
            | Self::MembershipReportSynch { tag, .. }
            | Self::LeaveSynch { tag, .. }
            | Self::PerRegionIPmsi { tag, .. }
            | Self::SPmsi { tag, .. } => Some(*tag),
            _ => None,
        }
    }

    /// Writes one NLRI.
    pub fn write(&self, w: &mut Writer) {
        let mut body = Writer::new();
        if let Some(rd) = self.rd() {
            body.put(&rd.0);
        }
        if let Some(esi) = self.esi() {
            body.put(&esi.0);
        }
        if let Some(tag) = self.tag() {
            body.u32(tag);
        }
        self.write_rest(&mut body);
        let body = body.finish();
        w.u8(self.route_type().0).u8(u8::try_from(body.len()).unwrap_or(u8::MAX));
        w.put(body.get(..usize::from(u8::MAX)).unwrap_or(&body));
    }

    fn write_rest(&self, w: &mut Writer) {
        match self {
            Self::EthernetAd { label, .. } => _ = w.put(&label.0),
            Self::MacIp { mac, ip, label, label2, .. } => {
                w.u8(48).put(&mac.0);
                fields::put_sized_address(*ip, w);
                w.put(&label.0);
                if let Some(label) = label2 {
                    w.put(&label.0);
                }
            }
            Self::InclusiveMulticast { originator, .. } | Self::EthernetSegment { originator, .. } => {
                fields::put_sized_address(Some(*originator), w);
            }
            Self::IpPrefix { prefix, gateway, label, .. } => {
                w.u8(prefix.length());
                fields::put_address(prefix.address(), w);
                fields::put_address(*gateway, w);
                w.put(&label.0);
            }
            Self::SelectiveMulticast { flow, flags, .. } | Self::MembershipReportSynch { flow, flags, .. } => {
                flow.write(w);
                w.u8(*flags);
            }
            Self::LeaveSynch { flow, reserved, max_response_time, flags, .. } => {
                flow.write(w);
                w.put(reserved).u8(*max_response_time).u8(*flags);
            }
            Self::PerRegionIPmsi { region, .. } => _ = w.put(region),
            Self::SPmsi { flow, .. } => flow.write(w),
            Self::Leaf { route_key, originator } => {
                w.put(route_key);
                fields::put_sized_address(Some(*originator), w);
            }
            Self::Unknown { octets, .. } => _ = w.put(octets),
        }
    }
}

fn flow(r: &mut Reader<'_>) -> Result<Flow, Malformed> {
    Ok(Flow {
        source: fields::optional_address(r)?,
        group: fields::optional_address(r)?,
        originator: fields::address(r)?,
    })
}

impl Flow {
    fn write(&self, w: &mut Writer) {
        fields::put_sized_address(self.source, w);
        fields::put_sized_address(self.group, w);
        fields::put_sized_address(Some(self.originator), w);
    }

    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        fields::shown(visit, "source", self.source);
        fields::shown(visit, "group", self.group);
        fields::shown(visit, "originator", Some(self.originator));
    }
}

fn label_members(label: LabelField, visit: &mut dyn FnMut(&str, Value<'_>)) {
    visit("mpls_label", Value::Shown(&label.label()));
    visit("vni", Value::Number(label.vni().into()));
}

impl Members for Evpn<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        let RouteType(code) = self.route_type();
        let name = Named { name: self.route_type().name(), code: code.into() };
        visit("nlri_type", Value::Shown(&name));
        fields::shown(visit, "rd", self.rd());
        fields::shown(visit, "esi", self.esi());
        if let Some(tag) = self.tag() {
            visit("ethernet_tag", Value::Number(tag.into()));
        }
        match self {
            Self::EthernetAd { label, .. } => label_members(*label, visit),
            Self::MacIp { mac, ip, label, label2, .. } => {
                visit("mac", Value::Shown(mac));
                fields::shown(visit, "ip", *ip);
                label_members(*label, visit);
                if let Some(label) = label2 {
                    visit("mpls_label2", Value::Shown(&label.label()));
                    visit("vni2", Value::Number(label.vni().into()));
                }
            }
            Self::InclusiveMulticast { originator, .. } | Self::EthernetSegment { originator, .. } => {
                visit("originator", Value::Shown(originator));
            }
            Self::IpPrefix { prefix, gateway, label, .. } => {
                visit("ip_prefix", Value::Shown(prefix));
                if !gateway.is_unspecified() {
                    visit("gateway", Value::Shown(gateway));
                }
                label_members(*label, visit);
            }
            Self::SelectiveMulticast { flow, flags, .. } | Self::MembershipReportSynch { flow, flags, .. } => {
                flow.members(visit);
                visit("flags", Value::Number((*flags).into()));
            }
            Self::LeaveSynch { flow, max_response_time, flags, .. } => {
                flow.members(visit);
                visit("max_response_time", Value::Number((*max_response_time).into()));
                visit("flags", Value::Number((*flags).into()));
            }
            Self::PerRegionIPmsi { region, .. } => visit("region", Value::Shown(&Hex(region))),
            Self::SPmsi { flow, .. } => flow.members(visit),
            Self::Leaf { route_key, originator } => {
                // A key that is a Leaf A-D route itself makes no sense; it is not followed.
                match Evpn::decode(route_key) {
                    Ok(route) if route.route_type() != RouteType::LEAF => {
                        visit("route_key", Value::Object(&route));
                    }
                    _ => visit("route_key_octets", Value::Shown(&Hex(route_key))),
                }
                visit("originator", Value::Shown(originator));
            }
            Self::Unknown { octets, .. } => visit("octets", Value::Shown(&Hex(octets))),
        }
    }
}

#[cfg(test)]
mod tests;
