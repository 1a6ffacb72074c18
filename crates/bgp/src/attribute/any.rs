//! Attributes that show members of their own, by their code.

use super::Code;
use super::link_state::LinkState;
use super::pmsi::PmsiTunnel;
use super::prefix_sid::PrefixSid;
use super::tunnel::Tunnels;
use crate::tlv::{Malformed, end};
use crate::value::{Hex, ItemsOf, Members, Value};
use std::net::Ipv4Addr;
use wire::{Asn, Ipv6ExtendedCommunity, Reader};

/// The value of an attribute with members of its own. Their names differ from those of other attributes and of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyAttribute<'a> {
    /// Code 6.
    AtomicAggregate,
    /// Code 7, as in an [`AttributeSet`](super::AttributeSet): the AS number has four octets.
    Aggregator(Asn, Ipv4Addr),
    /// Code 9.
    OriginatorId(Ipv4Addr),
    /// Code 10.
    ClusterList(&'a [[u8; 4]]),
    /// Code 25.
    Ipv6ExtendedCommunities(&'a [[u8; 20]]),
    /// Code 22.
    PmsiTunnel(PmsiTunnel<'a>),
    /// Code 23.
    Tunnels(Tunnels<'a>),
    /// Code 29.
    LinkState(LinkState<'a>),
    /// Code 40.
    PrefixSid(PrefixSid<'a>),
    /// One of these, but malformed, or any other.
    Octets {
        /// The code.
        code: Code,
        /// The value.
        octets: &'a [u8],
    },
}

impl<'a> AnyAttribute<'a> {
    /// Decodes the value of an attribute.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(code: Code, octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        match code {
            Code::ATOMIC_AGGREGATE => end(&r).map(|()| Self::AtomicAggregate),
            Code::AGGREGATOR => {
                let (asn, address) = (Asn(r.u32()?), r.array::<4>()?.into());
                end(&r).map(|()| Self::Aggregator(asn, address))
            }
            Code::ORIGINATOR_ID => {
                let id = r.array::<4>()?.into();
                end(&r).map(|()| Self::OriginatorId(id))
            }
            Code::CLUSTER_LIST => whole(octets).map(Self::ClusterList),
            Code::IPV6_EXTENDED_COMMUNITIES => whole(octets).map(Self::Ipv6ExtendedCommunities),
            Code::PMSI_TUNNEL => PmsiTunnel::decode(octets).map(Self::PmsiTunnel),
            Code::TUNNEL_ENCAPSULATION => Tunnels::decode(octets).map(Self::Tunnels),
            Code::LINK_STATE => LinkState::decode(octets).map(Self::LinkState),
            Code::PREFIX_SID => PrefixSid::decode(octets).map(Self::PrefixSid),
            _ => Ok(Self::Octets { code, octets }),
        }
    }

    /// Like [`AnyAttribute::decode`], but a malformed value is kept as it is.
    pub fn lenient(code: Code, octets: &'a [u8]) -> Self {
        Self::decode(code, octets).unwrap_or(Self::Octets { code, octets })
    }
}

/// Octets that are a whole number of items.
fn whole<const N: usize>(octets: &[u8]) -> Result<&[[u8; N]], Malformed> {
    match octets.as_chunks() {
        (items, []) => Ok(items),
        (items, left) => Err(Malformed::Trailing { at: items.len() * N, left: left.len() }),
    }
}

/// Octets are one member, `attribute_` with the code, in hexadecimal.
impl Members for AnyAttribute<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        match *self {
            Self::AtomicAggregate => visit("atomic_aggregate", Value::Bool(true)),
            Self::Aggregator(Asn(number), address) => {
                visit("aggregator_asn", Value::Number(number.into()));
                visit("aggregator_id", Value::Shown(&address));
            }
            Self::OriginatorId(id) => visit("originator_id", Value::Shown(&id)),
            Self::ClusterList(all) => {
                let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                    all.iter().for_each(|id| out(Value::Shown(&Ipv4Addr::from(*id))));
                });
                visit("cluster_list", Value::List(&items));
            }
            Self::Ipv6ExtendedCommunities(all) => {
                let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                    all.iter().for_each(|octets| out(Value::Shown(&Ipv6ExtendedCommunity(*octets))));
                });
                visit("ecomms_ipv6", Value::List(&items));
            }
            Self::PmsiTunnel(tunnel) => tunnel.members(visit),
            Self::Tunnels(tunnels) => tunnels.members(visit),
            Self::LinkState(attribute) => attribute.members(visit),
            Self::PrefixSid(attribute) => attribute.members(visit),
            Self::Octets { code, octets } => {
                visit(&format!("attribute_{}", code.0), Value::Shown(&Hex(octets)));
            }
        }
    }
}

/// Visits the members of an attribute, if it is one of those that have any.
///
/// Returns false for all other codes, which are not shown.
pub fn members(code: Code, octets: &[u8], visit: &mut dyn FnMut(&str, Value<'_>)) -> bool {
    let is_known =
        matches!(code, Code::PMSI_TUNNEL | Code::TUNNEL_ENCAPSULATION | Code::LINK_STATE | Code::PREFIX_SID);
    if is_known {
        AnyAttribute::lenient(code, octets).members(visit);
    }
    is_known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;

    #[test]
    fn malformed_attributes_are_hexadecimal_and_others_are_not_shown() {
        for code in [6, 7, 9, 10, 22, 23, 25, 29, 40, 99] {
            let attribute = AnyAttribute::lenient(Code(code), &[1]);
            assert_eq!(Json(&attribute).to_string(), format!(r#"{{"attribute_{code}":"01"}}"#));
        }
        assert!(!members(Code(99), &[1], &mut |_, _| panic!("not shown")));
        let index = [1, 0, 7, 0, 0, 0, 0, 0, 0, 5];
        assert!(members(Code::PREFIX_SID, &index, &mut |name, _| assert_eq!(name, "psid_li")));
    }

    #[test]
    fn short_attributes_have_a_member_each() {
        let community = [0, 2, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5];
        for (code, octets, shown) in [
            (6, &[][..], r#"{"atomic_aggregate":true}"#),
            (7, &[0, 0, 0xfd, 0xe9, 10, 0, 0, 1], r#"{"aggregator_asn":65001,"aggregator_id":"10.0.0.1"}"#),
            (9, &[10, 0, 0, 1], r#"{"originator_id":"10.0.0.1"}"#),
            (10, &[10, 0, 0, 1, 10, 0, 0, 2], r#"{"cluster_list":["10.0.0.1","10.0.0.2"]}"#),
            (25, &community, r#"{"ecomms_ipv6":["RT:[2001:db8::1]:5"]}"#),
        ] {
            assert_eq!(Json(&AnyAttribute::decode(Code(code), octets).unwrap()).to_string(), shown);
        }
    }
}
