//! NLRI of the families that are no prefixes, attributes with members of their own, and extended communities.
//!
//! What decodes is shown with each name once per object, in work and text that the number of octets bounds, and what can be written reads back.
#![no_main]

use bgp::attribute::Code;
use bgp::attribute::any::AnyAttribute;
use bgp::nlri::any::AnyNlri;
use bgp::nlri::flowspec::{Builder, Flowspec};
use bgp::value::{Json, Members, Value};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use wire::{Afi, ExtendedCommunity, Family, Ipv6ExtendedCommunity, Safi, Writer};

const FAMILIES: &[(Afi, Safi)] = &[
    (Afi::L2VPN, Safi::EVPN),
    (Afi::L2VPN, Safi::VPLS),
    (Afi::IPV4, Safi::MCAST_VPN),
    (Afi::IPV4, Safi::FLOWSPEC),
    (Afi::IPV6, Safi::FLOWSPEC),
    (Afi::IPV4, Safi::FLOWSPEC_VPN),
    (Afi::IPV6, Safi::FLOWSPEC_VPN),
    (Afi::IPV4, Safi::ROUTE_TARGET),
    (Afi::IPV6, Safi::SR_POLICY),
    (Afi::BGP_LS, Safi::BGP_LS),
    (Afi::BGP_LS, Safi::BGP_LS_VPN),
];

const ATTRIBUTES: &[Code] = &[
    Code::PMSI_TUNNEL,
    Code::TUNNEL_ENCAPSULATION,
    Code::LINK_STATE,
    Code::PREFIX_SID,
    Code::AGGREGATOR,
    Code::CLUSTER_LIST,
    Code::IPV6_EXTENDED_COMMUNITIES,
];

/// Visits everything, and returns the number of values.
fn walk(members: &dyn Members, depth: usize) -> usize {
    assert!(depth < 12, "nesting is bounded");
    let (mut names, mut count) = (HashSet::new(), 0);
    members.members(&mut |name, value| {
        assert!(names.insert(name.to_owned()), "{name} is shown once");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name}"
        );
        count += walk_value(value, depth);
    });
    count
}

fn walk_value(value: Value<'_>, depth: usize) -> usize {
    match value {
        Value::List(items) => {
            let mut count = 1;
            items.items(&mut |value| count += walk_value(value, depth + 1));
            count
        }
        Value::Object(members) => 1 + walk(members, depth + 1),
        Value::Real(number) => {
            assert!(number.is_finite());
            1
        }
        _ => 1,
    }
}

fn check(members: &dyn Members, octets: &[u8]) {
    assert!(walk(members, 0) <= 40 + 8 * octets.len());
    let text = Json(members).to_string();
    // Six characters of an escape for an octet of text, and names.
    assert!(text.len() <= 2000 + 120 * octets.len(), "{} characters from {} octets", text.len(), octets.len());
}

/// What is written reads back as the same.
fn rewrite(nlri: &AnyNlri<'_>, afi: Afi, safi: Safi) {
    let mut w = Writer::new();
    match nlri {
        AnyNlri::Evpn(route) => route.write(&mut w),
        AnyNlri::LinkState(nlri) => nlri.write(&mut w),
        AnyNlri::McastVpn(route) => route.write(&mut w),
        AnyNlri::RouteTarget(target) => target.write(&mut w),
        AnyNlri::SrPolicy(policy) => policy.write(&mut w),
        AnyNlri::Vpls(route) => route.write(&mut w),
        AnyNlri::Flowspec(_) | AnyNlri::Octets(_) => return,
    }
    let octets = w.finish();
    assert_eq!(AnyNlri::decode(afi, safi, &octets).as_ref(), Ok(nlri));
}

fn text(flowspec: &Flowspec<'_>) {
    let shown = flowspec.to_string();
    let octets = Builder::parse(flowspec.family(), &shown).unwrap().finish(None).unwrap();
    let again = Flowspec::decode(flowspec.family(), false, &octets).unwrap();
    assert_eq!(again.to_string(), shown);
}

fn communities(octets: &[u8]) {
    for community in octets.as_chunks::<8>().0 {
        let community = ExtendedCommunity(*community);
        let shown = community.to_string();
        assert!(!shown.contains([' ', '_', '?']), "{shown}");
        assert_eq!(format!("{community:#}").parse(), Ok(community));
    }
    for community in octets.as_chunks::<20>().0 {
        let community = Ipv6ExtendedCommunity(*community);
        assert_eq!(format!("{community:#}").parse(), Ok(community));
    }
}

fn nlri((afi, safi): (Afi, Safi), octets: &[u8]) {
    let Ok(nlri) = AnyNlri::decode(afi, safi, octets) else {
        return assert_eq!(AnyNlri::lenient(afi, safi, octets), AnyNlri::Octets(octets));
    };
    check(&nlri, octets);
    rewrite(&nlri, afi, safi);
    if let AnyNlri::Flowspec(flowspec) = &nlri {
        text(flowspec);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, octets)) = data.split_first() else { return };
    match usize::from(first) {
        at @ ..64 => nlri(FAMILIES[at % FAMILIES.len()], octets),
        at @ 64..128 => check(&AnyAttribute::lenient(ATTRIBUTES[(at - 64) % ATTRIBUTES.len()], octets), octets),
        128 => communities(octets),
        129 => {
            let Ok(text) = std::str::from_utf8(octets) else { return };
            _ = Builder::parse(Family::V6, text).map(|builder| builder.finish(None));
        }
        _ => {}
    }
});
