//! The readings of the others.

use super::{Family, Octets, Reading, has_path_ids, nlri_octets};
use bgp::update::Session;
use bgpkit_parser::models::{AsPathSegment, AsnLength, AttributeValue, Community, NetworkPrefix, Nlri};
use netgauze_bgp_pkt::nlri::{Ipv4NlriMplsLabelsAddress, Ipv6NlriMplsLabelsAddress};
use netgauze_bgp_pkt::path_attribute::{AsPath, AsPathSegmentType, MpReach, MpUnreach, PathAttributeValue};
use netgauze_bgp_pkt::update::BgpUpdateMessage;
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use std::collections::HashMap;
use std::fmt::Debug;
use std::net::IpAddr;
use wire::Prefix;

/// Families that netgauze-bgp-pkt decodes.
const NETGAUZE: &[(Family, AddressType)] = &[
    ((1, 1), AddressType::Ipv4Unicast),
    ((1, 2), AddressType::Ipv4Multicast),
    ((1, 4), AddressType::Ipv4NlriMplsLabels),
    ((1, 128), AddressType::Ipv4MplsLabeledVpn),
    ((1, 132), AddressType::RouteTargetConstrains),
    ((2, 1), AddressType::Ipv6Unicast),
    ((2, 2), AddressType::Ipv6Multicast),
    ((2, 4), AddressType::Ipv6NlriMplsLabels),
    ((2, 128), AddressType::Ipv6MplsLabeledVpn),
    ((25, 70), AddressType::L2VpnBgpEvpn),
    ((16388, 71), AddressType::BgpLs),
    ((16388, 72), AddressType::BgpLsVpn),
];

fn written<E: Debug>(nlri: &impl WritablePdu<E>) -> Vec<u8> {
    let mut octets = Vec::new();
    nlri.write(&mut octets).unwrap();
    octets
}

fn all<E: Debug>(family: Family, nlri: &[impl WritablePdu<E>]) -> Vec<(Family, Octets)> {
    nlri.iter().map(|nlri| (family, Octets(written(nlri)))).collect()
}

/// Labelled unicast: the writer leaves the path identifier out, which the reader has read.
fn labelled<E: Debug, T: WritablePdu<E>>(
    family: Family,
    nlri: &[T],
    path_id: impl Fn(&T) -> Option<u32>,
) -> Vec<(Family, Octets)> {
    let octets = |nlri| [path_id(nlri).map_or(vec![], |id| id.to_be_bytes().to_vec()), written(nlri)].concat();
    nlri.iter().map(|nlri| (family, Octets(octets(nlri)))).collect()
}

/// Decodes with netgauze-bgp-pkt, which leaves AS4_PATH alone: with it, the path is taken from `ours`.
pub(crate) fn netgauze(body: &[u8], session: &Session, ours: &Reading) -> Result<Reading, String> {
    let add_path: HashMap<_, _> =
        NETGAUZE.iter().map(|(family, kind)| (*kind, has_path_ids(session, *family))).collect();
    let mut context = BgpParsingContext::new(session.asn4, HashMap::new(), add_path, true, true, true, true);
    let message = BgpUpdateMessage::parse(&mut SliceReader::new(body), &mut context)
        .map_err(|error| format!("{error:?}"))?;
    let mut reading = Reading::default();
    reading.withdrawn.extend(all((1, 1), message.withdraw_routes()));
    reading.announced.extend(all((1, 1), message.nlri()));
    let (mut classic, mut has_as4) = (None, false);
    for attribute in message.path_attributes() {
        match attribute.value() {
            PathAttributeValue::MpReach(reach) => reach_of(reach, &mut reading)?,
            PathAttributeValue::MpUnreach(unreach) => reading.withdrawn.extend(unreach_of(unreach)?),
            PathAttributeValue::NextHop(hop) => classic = Some(IpAddr::V4(hop.next_hop())),
            PathAttributeValue::As4Path(_) => has_as4 = true,
            PathAttributeValue::AsPath(path) => reading.as_path = Some(path_of(path)),
            PathAttributeValue::Origin(origin) => reading.origin = Some(*origin as u8),
            PathAttributeValue::MultiExitDiscriminator(med) => reading.med = Some(med.metric()),
            PathAttributeValue::LocalPreference(preference) => reading.local_pref = Some(preference.metric()),
            PathAttributeValue::Communities(all) => {
                reading.communities = all.communities().iter().map(|community| community.value()).collect();
            }
            PathAttributeValue::ExtendedCommunities(all) => {
                let octets = all.communities().iter().map(|community| written(community).try_into().unwrap());
                reading.extended = octets.collect();
            }
            PathAttributeValue::LargeCommunities(all) => {
                let numbers = |c: &netgauze_bgp_pkt::community::LargeCommunity| {
                    [c.global_admin(), c.local_data1(), c.local_data2()]
                };
                reading.large = all.communities().iter().map(numbers).collect();
            }
            _ => {}
        }
    }
    if let Some(address) = classic.filter(|_| !message.nlri().is_empty()) {
        reading.next_hops.insert((1, 1), address);
    }
    if has_as4 {
        reading.as_path.clone_from(&ours.as_path);
    }
    Ok(reading)
}

fn path_of(path: &AsPath) -> Vec<(u8, Vec<u32>)> {
    let kind = |kind: AsPathSegmentType| match kind {
        AsPathSegmentType::AsSet => 1,
        AsPathSegmentType::AsSequence => 2,
    };
    match path {
        AsPath::As2PathSegments(all) => all
            .iter()
            .map(|s| (kind(s.segment_type()), s.as_numbers().iter().map(|asn| u32::from(*asn)).collect()))
            .collect(),
        AsPath::As4PathSegments(all) => {
            all.iter().map(|s| (kind(s.segment_type()), s.as_numbers().to_vec())).collect()
        }
    }
}

fn reach_of(reach: &MpReach, reading: &mut Reading) -> Result<(), String> {
    let (family, next_hop, routes) = match reach {
        MpReach::Ipv4Unicast { next_hop, nlri, .. } => ((1, 1), *next_hop, all((1, 1), nlri)),
        MpReach::Ipv4Multicast { next_hop, nlri, .. } => ((1, 2), *next_hop, all((1, 2), nlri)),
        MpReach::Ipv4NlriMplsLabels { next_hop, nlri, .. } => {
            ((1, 4), *next_hop, labelled((1, 4), nlri, Ipv4NlriMplsLabelsAddress::path_id))
        }
        MpReach::Ipv4MplsVpnUnicast { next_hop, nlri } => ((1, 128), next_hop.next_hop(), all((1, 128), nlri)),
        MpReach::Ipv6Unicast { next_hop_global, nlri, .. } => {
            ((2, 1), (*next_hop_global).into(), all((2, 1), nlri))
        }
        MpReach::Ipv6Multicast { next_hop_global, nlri, .. } => {
            ((2, 2), (*next_hop_global).into(), all((2, 2), nlri))
        }
        MpReach::Ipv6NlriMplsLabels { next_hop, nlri, .. } => {
            ((2, 4), *next_hop, labelled((2, 4), nlri, Ipv6NlriMplsLabelsAddress::path_id))
        }
        MpReach::Ipv6MplsVpnUnicast { next_hop, nlri } => ((2, 128), next_hop.next_hop(), all((2, 128), nlri)),
        MpReach::L2Evpn { next_hop, nlri } => ((25, 70), *next_hop, all((25, 70), nlri)),
        MpReach::RouteTargetMembership { next_hop, nlri } => ((1, 132), *next_hop, all((1, 132), nlri)),
        MpReach::BgpLs { next_hop, nlri } => ((16388, 71), *next_hop, all((16388, 71), nlri)),
        MpReach::BgpLsVpn { next_hop, nlri } => ((16388, 72), next_hop.next_hop(), all((16388, 72), nlri)),
        MpReach::Unknown { afi, safi, .. } => return Err(format!("family {afi:?} {safi:?} is not decoded")),
    };
    reading.announced.extend(routes);
    reading.next_hops.insert(family, next_hop);
    Ok(())
}

fn unreach_of(unreach: &MpUnreach) -> Result<Vec<(Family, Octets)>, String> {
    Ok(match unreach {
        MpUnreach::Ipv4Unicast { nlri } => all((1, 1), nlri),
        MpUnreach::Ipv4Multicast { nlri } => all((1, 2), nlri),
        MpUnreach::Ipv4NlriMplsLabels { nlri } => labelled((1, 4), nlri, Ipv4NlriMplsLabelsAddress::path_id),
        MpUnreach::Ipv4MplsVpnUnicast { nlri } => all((1, 128), nlri),
        MpUnreach::Ipv6Unicast { nlri } => all((2, 1), nlri),
        MpUnreach::Ipv6Multicast { nlri } => all((2, 2), nlri),
        MpUnreach::Ipv6NlriMplsLabels { nlri } => labelled((2, 4), nlri, Ipv6NlriMplsLabelsAddress::path_id),
        MpUnreach::Ipv6MplsVpnUnicast { nlri } => all((2, 128), nlri),
        MpUnreach::L2Evpn { nlri } => all((25, 70), nlri),
        MpUnreach::RouteTargetMembership { nlri } => all((1, 132), nlri),
        MpUnreach::BgpLs { nlri } => all((16388, 71), nlri),
        MpUnreach::BgpLsVpn { nlri } => all((16388, 72), nlri),
        MpUnreach::Unknown { afi, safi, .. } => return Err(format!("family {afi:?} {safi:?} is not decoded")),
    })
}

/// Decodes with bgpkit-parser: unicast and multicast only, with path identifiers in all families or in none.
pub(crate) fn bgpkit(body: &[u8], session: &Session, ours: &Reading) -> Result<Reading, String> {
    let families = ours.announced.iter().chain(&ours.withdrawn).map(|(family, _)| *family);
    let mut add_path = None;
    for family in families {
        if !matches!(family, (1 | 2, 1 | 2)) {
            return Err(format!("family {family:?} is not decoded"));
        }
        if *add_path.get_or_insert(has_path_ids(session, family)) != has_path_ids(session, family) {
            return Err("path identifiers in some families".into());
        }
    }
    let length = if session.asn4 { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let octets = bytes::Bytes::copy_from_slice(body);
    let message =
        bgpkit_parser::bgp::messages::parse_bgp_update_message(octets, add_path.unwrap_or(false), &length)
            .map_err(|error| format!("{error:?}"))?;
    let mut reading = Reading::default();
    let route = |family, network: &NetworkPrefix| {
        let prefix = Prefix::new(network.prefix.addr(), network.prefix.prefix_len()).unwrap();
        (family, nlri_octets(network.path_id, &[], &[], prefix))
    };
    reading.withdrawn.extend(message.withdrawn_prefixes.iter().map(|network| route((1, 1), network)));
    reading.announced.extend(message.announced_prefixes.iter().map(|network| route((1, 1), network)));
    let family = |nlri: &Nlri| (nlri.afi as u16, nlri.safi as u8);
    for attribute in message.attributes.iter() {
        match attribute {
            AttributeValue::MpReachNlri(nlri) => {
                reading.announced.extend(nlri.prefixes.iter().map(|network| route(family(nlri), network)));
                reading.next_hops.insert(family(nlri), nlri.next_hop_addr());
            }
            AttributeValue::MpUnreachNlri(nlri) => {
                reading.withdrawn.extend(nlri.prefixes.iter().map(|network| route(family(nlri), network)));
            }
            AttributeValue::NextHop(address) if !message.announced_prefixes.is_empty() => {
                reading.next_hops.insert((1, 1), *address);
            }
            AttributeValue::Origin(origin) => reading.origin = Some(*origin as u8),
            AttributeValue::MultiExitDiscriminator(med) => reading.med = Some(*med),
            AttributeValue::LocalPreference(preference) => reading.local_pref = Some(*preference),
            AttributeValue::Communities(all) => {
                let number = |community: &Community| match community {
                    Community::NoExport => 0xffff_ff01,
                    Community::NoAdvertise => 0xffff_ff02,
                    Community::NoExportSubConfed => 0xffff_ff03,
                    Community::Custom(asn, value) => asn.to_u32() << 16 | u32::from(*value),
                };
                reading.communities = all.iter().map(number).collect();
            }
            AttributeValue::ExtendedCommunities(_) => reading.extended.clone_from(&ours.extended),
            AttributeValue::LargeCommunities(all) => {
                let numbers = all.iter().map(|c| [c.global_admin, c.local_data[0], c.local_data[1]]);
                reading.large = numbers.collect();
            }
            _ => {}
        }
    }
    let path = message.attributes.effective_as_path();
    reading.as_path = path.map(|path| {
        let asns = |all: &[bgpkit_parser::models::Asn]| all.iter().map(|asn| asn.to_u32()).collect();
        path.iter_segments()
            .map(|segment| match segment {
                AsPathSegment::AsSet(all) => (1, asns(all)),
                AsPathSegment::AsSequence(all) => (2, asns(all)),
                AsPathSegment::ConfedSequence(all) => (3, asns(all)),
                AsPathSegment::ConfedSet(all) => (4, asns(all)),
            })
            .collect()
    });
    Ok(reading)
}
