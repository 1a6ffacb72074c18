//! One NLRI of any family that this crate does not hold as a prefix, decoded on demand to be shown.

use super::evpn::Evpn;
use super::flowspec::Flowspec;
use super::link_state::LinkState;
use super::mcast_vpn::McastVpn;
use super::route_target::RouteTarget;
use super::sr_policy::SrPolicy;
use super::vpls::Vpls;
use crate::tlv::Malformed;
use crate::value::{Hex, Members, Value};
use wire::{Afi, Family, Safi};

/// An NLRI of a family without prefixes of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyNlri<'a> {
    /// AFI 25, SAFI 70.
    Evpn(Evpn<'a>),
    /// AFI 1 or 2, SAFI 133 or 134.
    Flowspec(Flowspec<'a>),
    /// AFI 16388, SAFI 71, 72 or 80.
    LinkState(LinkState<'a>),
    /// AFI 1 or 2, SAFI 5.
    McastVpn(McastVpn<'a>),
    /// AFI 1, SAFI 132.
    RouteTarget(RouteTarget),
    /// AFI 1 or 2, SAFI 73.
    SrPolicy(SrPolicy),
    /// AFI 25, SAFI 65.
    Vpls(Vpls),
    /// A family that is not known, or octets that are none of its routes.
    Octets(&'a [u8]),
}

impl<'a> AnyNlri<'a> {
    /// Decodes the octets of one NLRI as they are in the message, with their type and length, but without path identifier. Octets of
    /// other families are kept as they are.
    ///
    /// # Errors
    /// If the octets are not an NLRI of the family.
    pub fn decode(afi: Afi, safi: Safi, octets: &'a [u8]) -> Result<Self, Malformed> {
        match (afi, safi) {
            (Afi::L2VPN, Safi::EVPN) => Evpn::decode(octets).map(Self::Evpn),
            (Afi::BGP_LS, Safi::BGP_LS | Safi::BGP_LS_SPF) => {
                LinkState::decode(false, octets).map(Self::LinkState)
            }
            (Afi::BGP_LS, Safi::BGP_LS_VPN) => LinkState::decode(true, octets).map(Self::LinkState),
            (Afi::L2VPN, Safi::VPLS) => Vpls::decode(octets).map(Self::Vpls),
            (Afi::IPV4, Safi::FLOWSPEC) => Flowspec::decode(Family::V4, false, octets).map(Self::Flowspec),
            (Afi::IPV6, Safi::FLOWSPEC) => Flowspec::decode(Family::V6, false, octets).map(Self::Flowspec),
            (Afi::IPV4, Safi::FLOWSPEC_VPN) => Flowspec::decode(Family::V4, true, octets).map(Self::Flowspec),
            (Afi::IPV6, Safi::FLOWSPEC_VPN) => Flowspec::decode(Family::V6, true, octets).map(Self::Flowspec),
            (Afi::IPV4 | Afi::IPV6, Safi::MCAST_VPN) => McastVpn::decode(octets).map(Self::McastVpn),
            (Afi::IPV4 | Afi::IPV6, Safi::SR_POLICY) => SrPolicy::decode(octets).map(Self::SrPolicy),
            (Afi::IPV4, Safi::ROUTE_TARGET) => RouteTarget::decode(octets).map(Self::RouteTarget),
            _ => Ok(Self::Octets(octets)),
        }
    }

    /// Like [`AnyNlri::decode`], but malformed octets are kept as they are.
    pub fn lenient(afi: Afi, safi: Safi, octets: &'a [u8]) -> Self {
        Self::decode(afi, safi, octets).unwrap_or(Self::Octets(octets))
    }
}

impl Members for AnyNlri<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        match self {
            Self::Evpn(route) => route.members(visit),
            Self::Flowspec(flowspec) => flowspec.members(visit),
            Self::LinkState(nlri) => nlri.members(visit),
            Self::McastVpn(route) => route.members(visit),
            Self::RouteTarget(target) => target.members(visit),
            Self::SrPolicy(policy) => policy.members(visit),
            Self::Vpls(route) => route.members(visit),
            Self::Octets(octets) => visit("nlri", Value::Shown(&Hex(octets))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;

    #[test]
    fn each_family_has_its_decoder_and_malformed_octets_are_kept() {
        let all = [
            (Afi::L2VPN, Safi::EVPN),
            (Afi::L2VPN, Safi::VPLS),
            (Afi::IPV4, Safi::FLOWSPEC),
            (Afi::IPV6, Safi::FLOWSPEC),
            (Afi::IPV4, Safi::FLOWSPEC_VPN),
            (Afi::IPV6, Safi::FLOWSPEC_VPN),
            (Afi::IPV4, Safi::MCAST_VPN),
            (Afi::IPV6, Safi::MCAST_VPN),
            (Afi::IPV4, Safi::SR_POLICY),
            (Afi::IPV6, Safi::SR_POLICY),
            (Afi::IPV4, Safi::ROUTE_TARGET),
            (Afi::BGP_LS, Safi::BGP_LS),
            (Afi::BGP_LS, Safi::BGP_LS_VPN),
            (Afi::BGP_LS, Safi::BGP_LS_SPF),
        ];
        for (afi, safi) in all {
            assert!(AnyNlri::decode(afi, safi, &[1]).is_err(), "{afi} {safi}");
            assert_eq!(Json(&AnyNlri::lenient(afi, safi, &[1])).to_string(), r#"{"nlri":"01"}"#);
        }
        assert_eq!(AnyNlri::decode(Afi(1), Safi(83), &[1]), Ok(AnyNlri::Octets(&[1])));
    }
}
