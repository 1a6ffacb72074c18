//! Routes of multicast VPNs (RFC 6514 section 4, RFC 6515).
//!
//! One NLRI is an octet with the route type, an octet with the length of the rest, and the rest. Addresses that end a route have no
//! length of their own: what is left tells their family. Routes of unknown types are kept as octets.

use super::fields;
use crate::tlv::{Malformed, end};
use crate::value::{Hex, Members, Named, Value};
use std::net::IpAddr;
use wire::{Asn, Reader, RouteDistinguisher, Writer};

/// A route type (IANA "BGP MCAST-VPN Route Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteType(pub u8);

impl RouteType {
    /// The registered name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "Intra-AS I-PMSI A-D",
            2 => "Inter-AS I-PMSI A-D",
            3 => "S-PMSI A-D",
            4 => "Leaf A-D",
            5 => "Source Active A-D",
            6 => "Shared Tree Join",
            7 => "Source Tree Join",
            _ => return None,
        })
    }
}

/// A route of a multicast VPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McastVpn<'a> {
    /// Type 1.
    IntraAs {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// Type 2.
    InterAs {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The AS of the source.
        source_as: Asn,
    },
    /// Type 3.
    SPmsi {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The source; absent as a wildcard (RFC 6625).
        source: Option<IpAddr>,
        /// The group; absent as a wildcard (RFC 6625).
        group: Option<IpAddr>,
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// Type 4.
    Leaf {
        /// The NLRI of the route that this one answers, whole.
        route_key: &'a [u8],
        /// The address of the router that originated the route.
        originator: IpAddr,
    },
    /// Type 5.
    SourceActive {
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The source.
        source: IpAddr,
        /// The group.
        group: IpAddr,
    },
    /// Types 6 (shared tree) and 7 (source tree).
    Join {
        /// True for the tree of the source.
        source_tree: bool,
        /// The route distinguisher.
        rd: RouteDistinguisher,
        /// The AS of the source.
        source_as: Asn,
        /// The source, or the rendezvous point of a shared tree.
        source: IpAddr,
        /// The group.
        group: IpAddr,
    },
    /// A route of a type that is not known.
    Unknown {
        /// The type.
        route_type: RouteType,
        /// What follows the length.
        octets: &'a [u8],
    },
}

impl<'a> McastVpn<'a> {
    /// Decodes one NLRI: type, length and the rest.
    ///
    /// # Errors
    /// If a length is not one that the type permits, or octets are missing or left over.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        let route_type = r.u8()?;
        let length = r.u8()?;
        let mut body = r.within(length.into())?;
        end(&r)?;
        let r = &mut body;
        let route = match route_type {
            1 => Self::IntraAs { rd: fields::rd(r)?, originator: fields::whole_address(r)? },
            2 => Self::InterAs { rd: fields::rd(r)?, source_as: Asn(r.u32()?) },
            3 => Self::SPmsi {
                rd: fields::rd(r)?,
                source: fields::optional_address(r)?,
                group: fields::optional_address(r)?,
                originator: fields::whole_address(r)?,
            },
            4 => Self::leaf(r)?,
            5 => {
                Self::SourceActive { rd: fields::rd(r)?, source: fields::address(r)?, group: fields::address(r)? }
            }
            6 | 7 => Self::Join {
                source_tree: route_type == 7,
                rd: fields::rd(r)?,
                source_as: Asn(r.u32()?),
                source: fields::address(r)?,
                group: fields::address(r)?,
            },
            _ => Self::Unknown { route_type: RouteType(route_type), octets: r.take(r.left())? },
        };
        end(&body)?;
        Ok(route)
    }

    fn leaf(r: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut start = *r;
        let _type = r.u8()?;
        let length = r.u8()?;
        r.take(length.into())?;
        let route_key = start.take(usize::from(length) + 2)?;
        Ok(Self::Leaf { route_key, originator: fields::whole_address(r)? })
    }

    /// The type.
    pub const fn route_type(&self) -> RouteType {
        RouteType(match self {
            Self::IntraAs { .. } => 1,
            Self::InterAs { .. } => 2,
            Self::SPmsi { .. } => 3,
            Self::Leaf { .. } => 4,
            Self::SourceActive { .. } => 5,
            Self::Join { source_tree: false, .. } => 6,
            Self::Join { source_tree: true, .. } => 7,
            Self::Unknown { route_type, .. } => return *route_type,
        })
    }

    /// Writes one NLRI.
    pub fn write(&self, w: &mut Writer) {
        let mut body = Writer::new();
        match self {
            Self::IntraAs { rd, originator } => {
                body.put(&rd.0);
                fields::put_address(*originator, &mut body);
            }
            Self::InterAs { rd, source_as } => _ = body.put(&rd.0).u32(source_as.0),
            Self::SPmsi { rd, source, group, originator } => {
                body.put(&rd.0);
                fields::put_sized_address(*source, &mut body);
                fields::put_sized_address(*group, &mut body);
                fields::put_address(*originator, &mut body);
            }
            Self::Leaf { route_key, originator } => {
                body.put(route_key);
                fields::put_address(*originator, &mut body);
            }
            Self::SourceActive { rd, source, group } => {
                body.put(&rd.0);
                fields::put_sized_address(Some(*source), &mut body);
                fields::put_sized_address(Some(*group), &mut body);
            }
            Self::Join { rd, source_as, source, group, .. } => {
                body.put(&rd.0).u32(source_as.0);
                fields::put_sized_address(Some(*source), &mut body);
                fields::put_sized_address(Some(*group), &mut body);
            }
            Self::Unknown { octets, .. } => _ = body.put(octets),
        }
        let body = body.finish();
        w.u8(self.route_type().0).u8(u8::try_from(body.len()).unwrap_or(u8::MAX));
        w.put(body.get(..usize::from(u8::MAX)).unwrap_or(&body));
    }
}

impl Members for McastVpn<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        let RouteType(code) = self.route_type();
        visit("nlri_type", Value::Shown(&Named { name: self.route_type().name(), code: code.into() }));
        match self {
            Self::IntraAs { rd, originator } => {
                visit("rd", Value::Shown(rd));
                visit("originator", Value::Shown(originator));
            }
            Self::InterAs { rd, source_as } => {
                visit("rd", Value::Shown(rd));
                visit("source_as", Value::Number(source_as.0.into()));
            }
            Self::SPmsi { rd, source, group, originator } => {
                visit("rd", Value::Shown(rd));
                fields::shown(visit, "source", *source);
                fields::shown(visit, "group", *group);
                visit("originator", Value::Shown(originator));
            }
            Self::Leaf { route_key, originator } => {
                // A key that is a Leaf A-D route itself makes no sense; it is not followed.
                match McastVpn::decode(route_key) {
                    Ok(route) if !matches!(route, Self::Leaf { .. }) => visit("route_key", Value::Object(&route)),
                    _ => visit("route_key_octets", Value::Shown(&Hex(route_key))),
                }
                visit("originator", Value::Shown(originator));
            }
            Self::SourceActive { rd, source, group } => {
                visit("rd", Value::Shown(rd));
                visit("source", Value::Shown(source));
                visit("group", Value::Shown(group));
            }
            Self::Join { rd, source_as, source, group, .. } => {
                visit("rd", Value::Shown(rd));
                visit("source_as", Value::Number(source_as.0.into()));
                visit("source", Value::Shown(source));
                visit("group", Value::Shown(group));
            }
            Self::Unknown { octets, .. } => visit("octets", Value::Shown(&Hex(octets))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_join_and_an_unknown_route_show_their_members() {
        let octets = [7, 22, 0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 0, 0, 0xfd, 0xe9, 32, 192, 0, 2, 1, 32, 239, 1, 1, 1];
        let route = McastVpn::decode(&octets).unwrap();
        assert_eq!(
            Json(&route).to_string(),
            r#"{"nlri_type":"Source Tree Join","rd":"0:65001:1","source_as":65001,"source":"192.0.2.1","group":"239.1.1.1"}"#
        );
        assert!((0..octets.len()).all(|cut| McastVpn::decode(&octets[..cut]).is_err()));
        let unknown = McastVpn::decode(&[9, 1, 0xab]).unwrap();
        assert_eq!(Json(&unknown).to_string(), r#"{"nlri_type":"9","octets":"ab"}"#);
        for (octets, error) in [
            (&[1, 11, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1][..], Malformed::Length { at: 10, length: 3 }),
            (&[2, 13, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], Malformed::Trailing { at: 14, left: 1 }),
            (&[5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0], Malformed::Length { at: 10, length: 0 }),
        ] {
            assert_eq!(McastVpn::decode(octets), Err(error));
        }
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)]
    }

    proptest! {
        #[test]
        fn written_routes_read_back(
            (rd, number, source_tree) in any::<([u8; 8], u32, bool)>(),
            (source, group, originator) in (any_address(), any_address(), any_address()),
            wildcard: bool,
        ) {
            let (rd, source_as) = (RouteDistinguisher(rd), Asn(number));
            let inner = McastVpn::SPmsi { rd, source: (!wildcard).then_some(source), group: Some(group), originator };
            let mut key = Writer::new();
            inner.write(&mut key);
            let key = key.finish();
            for route in [
                McastVpn::IntraAs { rd, originator },
                McastVpn::InterAs { rd, source_as },
                inner,
                McastVpn::Leaf { route_key: &key, originator },
                McastVpn::SourceActive { rd, source, group },
                McastVpn::Join { source_tree, rd, source_as, source, group },
                McastVpn::Unknown { route_type: RouteType(0), octets: &key },
            ] {
                let mut w = Writer::new();
                route.write(&mut w);
                let octets = w.finish();
                prop_assert_eq!(McastVpn::decode(&octets), Ok(route));
                _ = Json(&route).to_string();
            }
        }

        #[test]
        fn any_octets_are_a_route_or_an_error(
            route_type in 0u8..9,
            body in prop::collection::vec(prop_oneof![any::<u8>(), Just(32u8), Just(0u8)], 0..60),
        ) {
            let mut octets = vec![route_type, body.len() as u8];
            octets.extend(&body);
            _ = McastVpn::decode(&octets).map(|route| Json(&route).to_string());
        }
    }
}
