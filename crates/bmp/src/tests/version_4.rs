use super::*;
use crate::v4::{GROUP_BIT, PathMarking, PathReason, RouteIndex, RouteTlvs, capabilities, group_members};

fn monitoring(tlvs: &[&str]) -> Vec<u8> {
    message(Version::V4, MessageType::ROUTE_MONITORING, &[&[PEER], tlvs].concat())
}

/// The TLV with the UPDATE.
const UPDATE_TLV: &str = "00 04 00 1b 00 00 - 00 1b 02 00 04 18 cb 00 71 00 00";

#[test]
fn the_update_is_in_a_tlv() {
    // VRF, path marking, UPDATE.
    let octets = monitoring(&["00 03 00 04 00 00 62 6c 75 65", "00 05 00 06 00 00 00 00 00 02 00 01", UPDATE_TLV]);
    let message = decoded!(RouteMonitoring, &octets);
    assert_eq!((message.update.octets(), message.fault), (&hex(UPDATE)[..], None));
    assert_eq!(message.tlvs.map(|tlv| tlv.kind).collect::<Vec<_>>(), [3, 5, 4]);
    assert_eq!(message.tlvs.first(3), Some(&b"blue"[..]));
    let marking = message.tlvs.first(5).and_then(PathMarking::decode).unwrap();
    assert_eq!(marking, PathMarking { status: 2, reason: Some(PathReason::AS_LOOP) });
}

#[test]
fn an_enterprise_may_have_any_type() {
    // The type of the UPDATE, but of an enterprise.
    let octets = monitoring(&["80 04 00 06 00 01 00 00 7e d9 aa bb", UPDATE_TLV]);
    let message = decoded!(RouteMonitoring, &octets);
    let first = message.tlvs.clone().next().unwrap();
    assert_eq!((first.kind, first.enterprise, first.index, first.value), (4, Some(32_473), 1, &[0xaa, 0xbb][..]));
    assert_eq!((message.update.octets(), message.fault), (&hex(UPDATE)[..], None));
}

#[test]
fn the_first_update_counts_and_none_is_an_error() {
    let octets = monitoring(&[UPDATE_TLV, UPDATE_TLV]);
    let several = MessageError { at: 87, reason: Reason::SeveralUpdates };
    assert_eq!(decoded!(RouteMonitoring, &octets).fault, Some(several));
    let of = |tlvs: &[&str]| decode(&monitoring(tlvs)).map(|_| ());
    assert_eq!(of(&["00 05 00 04 00 00 00 00 00 02"]), Err(MessageError { at: 48, reason: Reason::NoUpdate }));
    assert_eq!(of(&["00 04 00 1b 00 00 ff"]), Err(truncated(54, 27, 1)));
    assert_eq!(of(&["00 04 00 01 00 00 ff"]), Err(truncated(54, 19, 1)));
    // A TLV behind the UPDATE is cut, or octets are left in the TLV.
    let octets = monitoring(&[UPDATE_TLV, "00 05 00 06 00 00 00"]);
    assert_eq!(decoded!(RouteMonitoring, &octets).fault, Some(truncated(87, 6, 1)));
    let octets = monitoring(&["00 04 00 1c 00 00 - 00 1b 02 00 04 18 cb 00 71 00 00 aa"]);
    let trailing = MessageError { at: 81, reason: Reason::Trailing { octets: 1 } };
    assert_eq!(decoded!(RouteMonitoring, &octets).fault, Some(trailing));
}

#[test]
fn other_revisions_have_other_types() {
    let octets = monitoring(&["00 07 00 1b 00 00 - 00 1b 02 00 04 18 cb 00 71 00 00"]);
    assert!(decode_with(&octets, &CodePoints::REVISION_20).is_ok());
    assert!(decode_with(&octets, &CodePoints::REVISION_21).is_err());
    assert_eq!(CodePoints::REVISION_21.name(3), Some("Stateless Parsing"));
    assert_eq!((CodePoints::default().name(5), CodePoints::default().name(6)), (Some("Path Marking"), None));
}

#[test]
fn statuses_have_names_or_values() {
    let names =
        |status| PathMarking { status, reason: None }.statuses().map(|bit| bit.to_string()).collect::<Vec<_>>();
    assert_eq!(names(0x82), ["Best", "Add-Path"]);
    assert_eq!(names(0x8000_0800), ["Suppressed", "0x80000000"]);
    assert_eq!(PathMarking::decode(&[0, 0, 0, 2]), Some(PathMarking { status: 2, reason: None }));
    for value in [&[0, 0, 0][..], &[0, 0, 0, 2, 0], &[0, 0, 0, 2, 0, 1, 0]] {
        assert_eq!(PathMarking::decode(value), None);
    }
}

#[test]
fn capabilities_and_members_end_at_the_first_that_is_cut() {
    let octets = [65, 4, 0, 0, 0xfd, 0xe9, 2, 0, 65, 4, 0];
    assert_eq!(capabilities(&octets).map(|tlv| tlv.code.0).collect::<Vec<_>>(), [65, 2]);
    assert_eq!(group_members(&[0, 1, 0, 3, 0]).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_tlv_is_about_all_routes_or_one_or_a_group() {
    // Group 1 has the routes 2 and 3.
    let octets = monitoring(&[
        "00 02 00 04 80 01 00 02 00 03",
        "00 05 00 04 00 00 00 00 00 01",
        "00 05 00 04 00 02 00 00 00 02",
        "00 05 00 04 80 01 00 00 00 04",
        "00 05 00 04 80 02 00 00 00 08",
        UPDATE_TLV,
    ]);
    let message = decoded!(RouteMonitoring, &octets);
    let all = RouteTlvs::new(message.tlvs, &CodePoints::default());
    let statuses = |number| {
        let markings = all.of(RouteIndex(number)).filter(|tlv| tlv.kind == 5);
        markings.filter_map(|tlv| PathMarking::decode(tlv.value)).map(|marking| marking.status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(1), [1]);
    assert_eq!(statuses(2), [1, 2, 4]);
    assert_eq!(statuses(3), [1, 4]);
    assert_eq!(statuses(GROUP_BIT | 1), [1]);
}
