//! Events of BMP as pmacct writes them, in all encodings.

use super::*;
use crate::{Fragment, LogType, Marker, MarkerKind, Renderer, Route, RouteEvent, RouteKind, Tags, Target};
use ::bmp::code::{DownReason, MirroringInformation, MirroringTlv, PeerType};
use ::bmp::frame::{Frame, Version};
use ::bmp::information::{Initiation, Termination};
use ::bmp::message::Message;
use ::bmp::mirroring::RouteMirroring;
use ::bmp::peer::{PeerFlags, PeerHeader, Timestamp};
use ::bmp::peer_down::PeerDown;
use ::bmp::peer_up::PeerUp;
use ::bmp::route_monitoring::RouteMonitoring;
use ::bmp::statistics::{CounterBuf, StatisticType, Statistics};
use ::bmp::tlv::{Tlv, TlvBuf, Tlvs};
use ::bmp::v4::CodePoints;
use apache_avro::reader::datum::GenericDatumReader;
use bgp::attribute::AttributeSet;
use encode::Style;
use event_log::{Dump, Encoding, Event, Head, Log, Schema, Settings};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use wire::{Afi, Asn, RouteDistinguisher, Safi};

const HEAD: Head<'_> = Head {
    sequence: 7,
    timestamp: "2026-11-30 01:11:50.197996",
    micros: 1_700_000_000_000_005,
    writer_id: "default/7",
};
/// The router's clock of [`peer`].
const TIME: &str = "2023-11-14 22:13:20.123456";
const UNSET: &str = "0000-00-00 00:00:00.000000";

fn router() -> Router {
    Router::new([192, 0, 2, 9].into(), 4000)
}

fn peer() -> PeerHeader {
    let time = Timestamp { seconds: 1_700_000_000, microseconds: 123_456 };
    PeerHeader { time, ..PeerHeader::global([192, 0, 2, 1].into(), Asn(65_001), Ipv4Addr::new(10, 0, 0, 1)) }
}

/// A peer in a VRF.
fn rd_peer() -> PeerHeader {
    let distinguisher = RouteDistinguisher([0, 0, 0xfd, 0xe9, 0, 0, 0, 7]);
    PeerHeader { peer_type: PeerType::RD, distinguisher, ..peer() }
}

fn tlvs(each: &[(u16, Option<u32>, &[u8])]) -> TlvBuf {
    let mut tlvs = TlvBuf::new(false);
    for (kind, enterprise, value) in each {
        tlvs.add(Tlv { kind: *kind, enterprise: *enterprise, index: 0, value }).unwrap();
    }
    tlvs
}

/// An OPEN with an AS number of two octets and without capabilities.
fn open(asn: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    let [high, low] = asn.to_be_bytes();
    assert!(bgp::message::write(
        &mut octets,
        bgp::message::MessageType::OPEN,
        &[4, high, low, 0, 180, 10, 0, 0, 9, 0]
    ));
    octets
}

fn bgp_message(octets: &[u8]) -> bgp::message::Message<'_> {
    bgp::message::Message::first(octets, true).unwrap().unwrap()
}

/// The records of a message as JSON, without what all of them have, which is checked.
fn shown(format: &Format, message: &Message<'_>) -> Vec<Value> {
    let (router, mut times, mut all) = (router(), Times::new(&Style::default()), Vec::new());
    let router_time = times.of(message.peer().map_or_else(Timestamp::default, |peer| peer.time)).to_owned();
    let context = Context { format, router: &router, tags: Tags::default() };
    records(message, |record| {
        let event = RecordEvent { context, kind: Kind::Log, record, router_time: &router_time };
        let mut out = Vec::new();
        event.json(&HEAD, &mut out);
        let text = String::from_utf8(out).unwrap();
        let start = format!(
            r#"{{"event_type": "log", "seq": 7, "timestamp": "{router_time}", "timestamp_arrival": "2026-11-30 01:11:50.197996", "bmp_router": "192.0.2.9", "bmp_router_port": 4000, "bmp_msg_type": ""#
        );
        assert!(text.starts_with(&start), "{text}");
        let Value::Object(mut members) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        for name in ["event_type", "seq", "timestamp", "timestamp_arrival", "bmp_router", "bmp_router_port"] {
            assert!(members.remove(name).is_some());
        }
        all.push(Value::Object(members));
    });
    all
}

fn one(message: &Message<'_>) -> Value {
    let [value] = <[Value; 1]>::try_from(shown(&Format::default(), message)).unwrap();
    value
}

/// An object with the members of both.
fn with(first: Value, second: Value) -> Value {
    let (Value::Object(mut first), Value::Object(second)) = (first, second) else { panic!() };
    first.extend(second);
    Value::Object(first)
}

/// The members of [`peer`].
fn peer_members() -> Value {
    json!({"peer_ip": "192.0.2.1", "peer_asn": 65001, "peer_type": 0, "bmp_rib_type": "Adj-Rib-In Pre-Policy",
           "is_filtered": 0, "is_in": 1, "is_post": 0, "bgp_id": "10.0.0.1"})
}

#[test]
fn initiations_show_their_tlvs_and_the_last_of_those_with_one_name() {
    let of =
        |each: &[(u16, Option<u32>, &[u8])]| one(&Message::Initiation(Initiation { tlvs: tlvs(each).tlvs() }));
    let value = of(&[
        (1, None, b"d"),
        (2, None, b"core-1"),
        (0, None, b"first"),
        (0, None, b""),
        (3, None, b"three"),
        (4, None, &[1, 2, 3]),
        (9, None, &[0xde, 0xad]),
        (77, Some(32_473), b"x"),
    ]);
    let expected = json!({"bmp_msg_type": "init", "bmp_init_info_sysdescr": "d", "bmp_init_info_sysname": "core-1",
        "bmp_init_info_string": null, "bmp_init_info_reserved": "01-02-03", "bmp_init_info_9": "DE-AD",
        "bmp_init_info_32473_77": "78"});
    assert_eq!(value, expected);
    let value = of(&[(2, None, "naïve \"\u{1}".as_bytes()), (1, None, &[0xff, b'x'])]);
    assert_eq!(value["bmp_init_info_sysname"], json!("naïve \"\u{1}"));
    assert_eq!(value["bmp_init_info_sysdescr"], json!("\u{fffd}x"));
    assert_eq!(of(&[]), json!({"bmp_msg_type": "init"}));
}

#[test]
fn terminations_show_their_reason() {
    let of = |each: &[(u16, Option<u32>, &[u8])]| {
        one(&Message::Termination(Termination { tlvs: tlvs(each).tlvs(), fault: None }))
    };
    let value = of(&[(1, None, &[0, 2]), (0, None, b"bye")]);
    let expected = json!({"bmp_msg_type": "term", "bmp_term_info_reason": "Out of resources",
                          "bmp_term_info_string": "bye"});
    assert_eq!(value, expected);
    assert_eq!(of(&[(1, None, &[0, 9])])["bmp_term_info_reason"], json!("9"));
    assert_eq!(of(&[(1, None, &[7]), (5, None, &[7])])["bmp_term_info_reason"], json!("07"));
}

fn up<'a>(peer: PeerHeader, open: &'a [u8], tlvs: Tlvs<'a>) -> PeerUp<'a> {
    let address = if peer.address.is_ipv6() { "2001:db8:2::fe" } else { "192.0.2.254" };
    PeerUp {
        peer,
        local_address: address.parse().unwrap(),
        local_port: 179,
        remote_port: 33_333,
        sent_open: bgp_message(open),
        received_open: bgp_message(open),
        tlvs,
        fault: None,
    }
}

#[test]
fn a_peer_up_shows_the_peer_the_session_and_its_tlvs() {
    let open = open(64_512);
    let info = tlvs(&[
        (0, None, b"free text"),
        (3, None, b"blue"),
        (4, None, b"edge"),
        (1, None, &[1]),
        (50, None, &[0xab, 0xcd]),
        (5, Some(32_473), b"x"),
    ]);
    let expected = with(
        peer_members(),
        json!({"bmp_msg_type": "peer_up", "peer_type_str": "Global Instance Peer", "local_as": 64512,
            "local_ip": "192.0.2.254", "local_port": 179, "remote_port": 33333,
            "bmp_peer_up_info_string": "free text", "bmp_peer_up_info_vrf_table_name": "blue",
            "bmp_peer_up_info_admin_label": "edge", "bmp_peer_up_info_reserved": "01",
            "bmp_peer_up_info_50": "AB-CD", "bmp_peer_up_info_32473_5": "78"}),
    );
    assert_eq!(one(&Message::PeerUp(up(peer(), &open, info.tlvs()))), expected);
}

#[test]
fn each_rib_and_peer_type_has_its_members() {
    let open = open(64_512);
    let of = |format: &Format, header| {
        shown(format, &Message::PeerUp(up(header, &open, Tlvs::of(&[], false)))).remove(0)
    };
    let format = Format::default();
    let flags = |value: &Value| {
        ["is_filtered", "is_in", "is_out", "is_loc", "is_post"]
            .map(|name| value[name].as_u64().map_or(-1, |n| n as i64))
    };
    for (flag, rib, expected) in [
        (PeerFlags::default(), "Adj-Rib-In Pre-Policy", [0, 1, -1, -1, 0]),
        (PeerFlags::POST_POLICY, "Adj-Rib-In Post-Policy", [0, 1, -1, -1, 1]),
        (PeerFlags::ADJ_RIB_OUT, "Adj-Rib-Out Pre-Policy", [0, -1, 1, -1, 0]),
        (PeerFlags::ADJ_RIB_OUT.with(PeerFlags::POST_POLICY), "Adj-Rib-Out Post-Policy", [0, -1, 1, -1, 1]),
    ] {
        let value = of(&format, peer().with_flags(flag));
        assert_eq!((&value["bmp_rib_type"], flags(&value)), (&json!(rib), expected));
    }
    let loc = PeerHeader::loc_rib(Asn(64_512), Ipv4Addr::new(10, 255, 0, 1));
    let value = of(&format, loc.with_flags(PeerFlags::FILTERED));
    assert_eq!((&value["bmp_rib_type"], flags(&value)), (&json!("Loc-Rib"), [1, -1, -1, 1, -1]));
    assert_eq!((&value["peer_ip"], &value["peer_type_str"]), (&json!("0.0.0.0"), &json!("Loc-RIB Instance Peer")));
    let value = of(&format, rd_peer());
    assert_eq!((&value["rd"], &value["rd_origin"], value.get("pd")), (&json!("0:65001:7"), &json!("bmp"), None));
    assert_eq!((&value["peer_type"], &value["peer_type_str"]), (&json!(1), &json!("RD Instance Peer")));
    let value = of(&Format { set_pd: true, ..format }, rd_peer());
    assert_eq!((&value["pd"], &value["pd_origin"], value.get("rd")), (&json!("0:65001:7"), &json!("bmp"), None));
    let value = of(&format, PeerHeader { peer_type: PeerType(99), ..peer() });
    assert_eq!((&value["peer_type"], &value["peer_type_str"]), (&json!(99), &json!("Unknown")));
}

#[test]
fn a_peer_down_shows_its_reason() {
    let of = |reason: u8, data: &[u8], version| {
        let value = one(&Message::PeerDown(PeerDown::new(peer(), DownReason(reason), data, version)));
        assert_eq!(value["peer_type_str"], json!("Global Instance Peer"));
        (value["reason_type"].clone(), value["reason_str"].clone(), value)
    };
    let (number, text, value) = of(2, &[0, 7], Version::V3);
    let expected = "The local system closed the session without a notification message";
    assert_eq!((number, text, &value["reason_loc_code"]), (json!(2), json!(expected), &json!(7)));
    for (reason, expected) in [
        (0, Some("Reserved")),
        (1, Some("The local system closed the session")),
        (3, Some("The remote system closed the session")),
        (4, Some("The remote system closed the session without a notification message")),
        (5, Some("Info for this peer will no longer be sent for configuration reasons")),
        (6, None),
        (9, None),
    ] {
        let (number, text, value) = of(reason, &[], Version::V3);
        assert_eq!((number, text, value.get("reason_loc_code")), (json!(reason), json!(expected), None));
    }
    let tlvs = tlvs(&[(3, None, b"blue")]);
    let (.., value) = of(4, tlvs.tlvs().octets(), Version::V4);
    assert_eq!(value["bmp_peer_down_info_3"], json!("62-6C-75-65"));
}

#[test]
fn each_counter_is_a_record() {
    let mut counters = CounterBuf::new();
    counters.counter(StatisticType(0), 1000).gauge(StatisticType(7), 1 << 40);
    counters.family_gauge(StatisticType(9), Afi::IPV4, Safi::UNICAST, 8);
    counters.family_gauge(StatisticType(16), Afi::IPV6, Safi::UNICAST, 9);
    counters.gauge(StatisticType(18), 5);
    counters.add(StatisticType(999), &[1, 2, 3]).unwrap().add(StatisticType(32), &[]).unwrap();
    let statistics =
        Statistics { peer: peer(), counters: counters.counters(), tlvs: Tlvs::of(&[], false), fault: None };
    let values = shown(&Format::default(), &Message::Statistics(statistics));
    let first = with(
        peer_members(),
        json!({"bmp_msg_type": "stats", "counter_type": 0, "counter_value": 1000,
            "counter_type_str": "Number of prefixes rejected by inbound policy"}),
    );
    assert_eq!(values[0], first);
    let of = |name: &str| values.iter().map(|value| value.get(name).cloned()).collect::<Vec<_>>();
    assert_eq!(of("counter_type"), [0, 7, 9, 16, 18, 999, 32].map(|number| Some(json!(number))));
    let expected = [json!(1000), json!(1u64 << 40), json!(8), json!(9), json!(5), json!("01-02-03"), json!(null)];
    assert_eq!(of("counter_value"), expected.map(Some));
    assert_eq!(of("afi"), [None, None, Some(json!(1)), Some(json!(2)), None, None, None]);
    assert_eq!(values[2]["counter_type_str"], json!("Number of routes in per-AFI/SAFI Abj-RIB-In"));
    assert_eq!(values[5]["counter_type_str"], json!("Unknown"));
}

#[test]
fn mirrored_messages_are_named_and_shown_if_they_are_in_error() {
    let (mut keepalive, open) = (vec![0xff; 16], open(1));
    keepalive.extend_from_slice(&[0, 19, 4]);
    let information = |code: MirroringInformation| code.0.to_be_bytes();
    let of = |each: &[(u16, Option<u32>, &[u8])]| {
        let tlvs = tlvs(each);
        let mirroring = RouteMirroring { peer: peer(), tlvs: tlvs.tlvs(), fault: None };
        shown(&Format::default(), &Message::RouteMirroring(mirroring))
    };
    let message = MirroringTlv::BGP_MESSAGE.0;
    let values = of(&[(message, None, &open), (message, None, &keepalive), (message, None, &[1, 2])]);
    let kinds: Vec<_> = values.iter().map(|value| (&value["bgp_msg_type"], &value["bgp_msg_len"])).collect();
    let expected = [(json!("OPEN"), json!(29)), (json!("KEEPALIVE"), json!(19)), (Value::Null, json!(2))];
    assert_eq!(kinds, expected.iter().map(|(kind, length)| (kind, length)).collect::<Vec<_>>());
    assert!(values.iter().all(|value| value.get("bgp_msg").is_none() && value.get("mirror_info").is_none()));
    let errored = information(MirroringInformation::ERRORED_PDU);
    let values = of(&[(MirroringTlv::INFORMATION.0, None, &errored), (message, None, &keepalive)]);
    assert_eq!((values.len(), &values[0]["mirror_info"]), (1, &json!(["Errored PDU"])));
    assert!(values[0]["bgp_msg"].as_str().unwrap().ends_with("FF-00-13-04"));
    let lost = information(MirroringInformation::MESSAGES_LOST);
    let values = of(&[(MirroringTlv::INFORMATION.0, None, &lost)]);
    let expected = with(
        peer_members(),
        json!({"bmp_msg_type": "route_mirroring", "peer_type_str": "Global Instance Peer",
               "mirror_info": ["Messages Lost"]}),
    );
    assert_eq!(values, [expected]);
}

/// ORIGIN, AS_PATH 65001, NEXT_HOP.
const SET: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];

fn route(rd: Option<RouteDistinguisher>) -> Route<'static> {
    let safi = if rd.is_some() { Safi::MPLS_VPN } else { Safi::UNICAST };
    let target = Target::Prefix { prefix: "198.51.100.0/24".parse().unwrap(), rd, label: None };
    Route { target, ..Route::end_of_rib(Afi::IPV4, safi) }
}

/// A route of a peer as JSON.
fn route_of(format: &Format, header: &PeerHeader, kind: RouteKind, route: Route<'_>) -> Value {
    let peer = router().peer(format, header);
    let mut attributes = Fragment::default();
    Renderer::new(&format.routes, Encoding::Json).render(
        AttributeSet::new(SET),
        route.afi,
        route.safi,
        &mut attributes,
    );
    let event = RouteEvent {
        attributes: Some(attributes.as_ref()),
        router_time: matches!(kind, RouteKind::Log(LogType::Update)).then_some(TIME),
        ..RouteEvent::new(&format.routes, &peer, kind, route)
    };
    let mut out = Vec::new();
    event.json(&HEAD, &mut out);
    let text = String::from_utf8(out).unwrap();
    // A member that is there twice would be lost by the parser.
    assert!(text.matches("\"rd\": ").count() <= 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn routes_have_the_members_of_router_and_peer() {
    let format = Format::default();
    let update = RouteKind::Log(LogType::Update);
    let value = route_of(&format, &peer(), update, route(None));
    let common = json!({"afi": 1, "as_path": "65001", "bgp_id": "10.0.0.1", "bgp_nexthop": "192.0.2.1",
        "bmp_msg_type": "route_monitor", "bmp_rib_type": "Adj-Rib-In Pre-Policy", "bmp_router": "192.0.2.9",
        "bmp_router_port": 4000, "event_type": "log", "ip_prefix": "198.51.100.0/24", "is_filtered": 0, "is_in": 1,
        "is_post": 0, "origin": "i", "peer_asn": 65001, "peer_ip": "192.0.2.1", "peer_tcp_port": 0, "safi": 1,
        "seq": 7});
    let log = json!({"log_type": "update", "timestamp": TIME, "timestamp_arrival": HEAD.timestamp});
    assert_eq!(value, with(common.clone(), log));
    let value = route_of(&format, &peer(), RouteKind::Dump, route(None));
    assert_eq!(value, with(common.clone(), json!({"event_type": "dump", "timestamp": HEAD.timestamp})));
    let value = route_of(&format, &peer(), RouteKind::Log(LogType::Delete), route(None));
    let deleted = json!({"log_type": "delete", "bmp_msg_type": "internal", "timestamp": HEAD.timestamp});
    assert_eq!(value, with(common, deleted));
    let value = route_of(&format, &peer(), RouteKind::Mirrored(LogType::Update), route(None));
    assert_eq!((&value["bmp_msg_type"], &value["log_type"]), (&json!("route_mirroring"), &json!("update")));
}

#[test]
fn a_route_has_its_own_route_distinguisher_or_that_of_its_peer() {
    let rd = |value: &Value| [value["rd"].clone(), value["rd_origin"].clone(), value["pd"].clone()];
    let (format, update) = (Format::default(), RouteKind::Log(LogType::Update));
    let own = Some(RouteDistinguisher([0, 1, 10, 0, 0, 1, 0, 2]));
    assert_eq!(
        rd(&route_of(&format, &rd_peer(), update, route(None))),
        [json!("0:65001:7"), json!("bmp"), json!(null)]
    );
    assert_eq!(
        rd(&route_of(&format, &rd_peer(), update, route(own))),
        [json!("1:10.0.0.1:2"), json!("bgp"), json!(null)]
    );
    let format = Format { set_pd: true, ..format };
    let both = [json!("1:10.0.0.1:2"), json!("bgp"), json!("0:65001:7")];
    assert_eq!(rd(&route_of(&format, &rd_peer(), update, route(own))), both);
}

/// The end of the JSON of a route, from the members of TLVs on.
fn tlvs_of(message: &RouteMonitoring<'_>, code_points: &CodePoints, number: u16) -> Value {
    let Some(tlvs) = RouteTlvs::of(message, code_points) else { return Value::Null };
    let mut out = b"{\"x\": 0".to_vec();
    tlvs.json(number, &mut out);
    out.push(b'}');
    let mut value: Value = serde_json::from_slice(&out).unwrap();
    value.as_object_mut().unwrap().remove("x");
    value
}

#[test]
fn version_4_says_more_about_routes() {
    let mut keepalive = vec![0xff; 16];
    keepalive.extend_from_slice(&[0, 19, 4]);
    let code_points = CodePoints::default();
    let with = |each: &[Tlv<'_>]| {
        let mut tlvs = TlvBuf::new(true);
        for tlv in each {
            tlvs.add(*tlv).unwrap();
        }
        tlvs
    };
    let message = |tlvs: Tlvs<'_>, number| {
        let message = RouteMonitoring { tlvs, ..RouteMonitoring::new(peer(), bgp_message(&keepalive)) };
        tlvs_of(&message, &code_points, number)
    };
    let at = |kind, index, value| Tlv { index, ..Tlv::new(kind, value) };
    // A status for all routes; the VRF of the second; a group of the first and third; one of an enterprise, one that is empty.
    let tlvs = with(&[
        at(4, 0, &keepalive),
        at(5, 0, &[0, 0, 0, 2, 0, 1]),
        at(3, 2, b"blue"),
        at(2, 0x8001, &[0, 1, 0, 3]),
        at(5, 0x8001, &[0, 0, 0, 0x88]),
        Tlv { enterprise: Some(32_473), index: 3, ..Tlv::new(7, b"x") },
        at(99, 3, b""),
    ]);
    let best = json!({"path_status": ["Best"], "reason_code": "0x0001"});
    assert_eq!(message(tlvs.tlvs(), 1), json!({"path_status": ["Primary", "Add-Path"]}));
    let second = json!({"path_status": ["Best"], "reason_code": "0x0001", "bmp_rm_info_vrf": "62-6C-75-65"});
    assert_eq!(message(tlvs.tlvs(), 2), second);
    let third =
        json!({"path_status": ["Primary", "Add-Path"], "bmp_rm_info_32473_7": "78", "bmp_rm_info_99": null});
    assert_eq!(message(tlvs.tlvs(), 3), third);
    assert_eq!(message(tlvs.tlvs(), 4), best);
    // Nothing but the UPDATE; a status that cannot be read; a value that is cut.
    assert_eq!(message(with(&[at(4, 0, &keepalive)]).tlvs(), 1), Value::Null);
    assert_eq!(message(with(&[at(5, 0, &[1])]).tlvs(), 1), json!({"bmp_rm_info_5": "01"}));
    let long = message(with(&[at(1, 0, &[7; 1000])]).tlvs(), 1);
    assert_eq!(long["bmp_rm_info_stateless"].as_str().map(str::len), Some(256 * 3 - 1));
}

#[test]
fn markers_of_routers_count_nothing_and_name_files() {
    let (format, router) = (Format::default(), router());
    let of = |kind| {
        let marker = Marker { format: &format.routes, peer: router.marker(), kind, tags: Tags::default() };
        assert_eq!(marker.variable("bmp_router").as_deref(), Some("192.0.2.9"));
        assert_eq!(marker.variable("bmp_router_port").as_deref(), Some("4000"));
        let mut out = Vec::new();
        marker.json(&HEAD, &mut out);
        String::from_utf8(out).unwrap()
    };
    let head = r#"{"seq": 7, "timestamp": "2026-11-30 01:11:50.197996", "bmp_router": "192.0.2.9", "bmp_router_port": 4000, "event_type": "#;
    assert_eq!(of(MarkerKind::LogInit), format!("{head}\"log_init\"}}"));
    assert_eq!(of(MarkerKind::DumpClose { entries: 5, tables: 1 }), format!("{head}\"dump_close\"}}"));
    let init = MarkerKind::DumpInit { period: 60, peers: None };
    assert_eq!(of(init), format!("{head}\"dump_init\", \"dump_period\": 60}}"));
}

#[test]
fn the_clock_of_a_router_may_be_unset() {
    let of = |style: &Style, time| Times::new(style).of(time).to_owned();
    let style = Style::default();
    assert_eq!(of(&style, peer().time), TIME);
    assert_eq!(of(&style, Timestamp::default()), UNSET);
    let epoch = Style { since_epoch: true, ..style };
    assert_eq!(of(&epoch, Timestamp::default()), "0.000000");
    assert_eq!(of(&epoch, Timestamp { seconds: 1_700_000_001, microseconds: 5 }), "1700000001.000005");
    // A router that counts microseconds wrongly.
    assert_eq!(of(&epoch, Timestamp { seconds: 1, microseconds: u32::MAX }), "4295.967295");
}

/// Every kind of message, in version 3.
fn messages() -> Vec<Vec<u8>> {
    let (open, info) = (open(64_512), tlvs(&[(0, None, b"x"), (9, None, b""), (1, Some(5), b"y")]));
    let mut counters = CounterBuf::new();
    counters.counter(StatisticType(0), 1).family_gauge(StatisticType(9), Afi::IPV4, Safi::UNICAST, 2);
    counters.add(StatisticType(999), &[1]).unwrap();
    let (mirror, nothing) = (tlvs(&[(1, None, &[0, 0]), (0, None, &open)]), Tlvs::of(&[], false));
    let all = [
        Message::Initiation(Initiation { tlvs: info.tlvs() }),
        Message::Termination(Termination { tlvs: info.tlvs(), fault: None }),
        Message::PeerUp(up(peer(), &open, info.tlvs())),
        Message::PeerUp(up(rd_peer(), &open, nothing)),
        Message::PeerDown(PeerDown::new(peer(), DownReason(2), &[0, 7], Version::V3)),
        Message::Statistics(Statistics {
            peer: peer(),
            counters: counters.counters(),
            tlvs: nothing,
            fault: None,
        }),
        Message::RouteMirroring(RouteMirroring { peer: peer(), tlvs: mirror.tlvs(), fault: None }),
    ];
    let octets = |message: &Message<'_>| {
        let mut octets = Vec::new();
        message.write(&mut octets, Version::V3, &CodePoints::default()).unwrap();
        octets
    };
    all.iter().map(octets).collect()
}

fn decoded(octets: &[u8]) -> Message<'_> {
    let frame = Frame::first(octets, octets.len()).unwrap().unwrap();
    Message::decode(frame, &CodePoints::default()).unwrap()
}

fn formats() -> [Format; 2] {
    let all = crate::Format {
        as_path_as_array: true,
        comms_as_array: true,
        label_as_map: true,
        origin_as_number: true,
        has_roa: true,
        has_tags: true,
        ..crate::Format::default()
    };
    [Format::default(), Format { routes: all, set_pd: true }]
}

/// The value of an event by its schema, without unions and nulls.
fn record(schemas: &[Schema], event: &impl Event) -> (&'static str, Map<String, Value>) {
    let mut out = Vec::new();
    let number = event.avro(&HEAD, &mut out).unwrap();
    let schema = apache_avro::Schema::parse_str(&schemas[number].text).unwrap();
    let mut rest = out.as_slice();
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}", schemas[number].name);
    let Value::Object(value) = crate::tests::plain(value) else { panic!() };
    out.clear();
    assert!(event.avro_json(&HEAD, &mut out));
    let text = crate::tests::without_branches(serde_json::from_slice(&out).unwrap());
    assert_eq!(text, Value::Object(value.clone()));
    (schemas[number].name, value)
}

/// The members of JSON as the fields of a record: those of TLVs are in a map.
fn as_fields(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!() };
    let mut fields = Map::new();
    for (name, value) in members {
        let prefix = ["bmp_init_info", "bmp_term_info", "bmp_peer_up_info", "bmp_peer_down_info", "bmp_rm_info"]
            .into_iter()
            .find(|prefix| name.starts_with(&format!("{prefix}_")));
        match prefix {
            Some(prefix) => {
                let map = fields.entry(prefix).or_insert_with(|| json!({}));
                let value = if value.is_null() { json!("") } else { value };
                map.as_object_mut().unwrap().insert(name[prefix.len() + 1..].to_owned(), value);
            }
            None if name == "counter_value" && value.is_string() => {
                fields.insert("counter_value_octets".to_owned(), value);
            }
            None => drop(fields.insert(name, value)),
        }
    }
    fields.insert("writer_id".to_owned(), json!("default/7"));
    fields
}

#[test]
fn records_in_avro_have_the_values_of_json() {
    let router = router();
    let mut names = std::collections::BTreeSet::new();
    for format in formats() {
        let tags = Tags { tag: Some(7), label: Some("k%v") };
        let tags = if format.routes.has_tags { tags } else { Tags::default() };
        for kind in [Kind::Log, Kind::Dump] {
            let schemas = match kind {
                Kind::Log => schema::of_log(&format),
                Kind::Dump => schema::of_dump(&format),
            };
            for octets in messages() {
                let message = decoded(&octets);
                let context = Context { format: &format, router: &router, tags };
                records(&message, |one| {
                    let event = RecordEvent { context, kind, record: one, router_time: TIME };
                    let mut out = Vec::new();
                    event.json(&HEAD, &mut out);
                    let json = as_fields(serde_json::from_slice(&out).unwrap());
                    let (name, mut value) = record(&schemas, &event);
                    names.insert(name);
                    value.retain(|name, value| json.contains_key(name) || *value != json!([]));
                    assert_eq!(value, json);
                });
            }
        }
    }
    let expected = ["bmp_init", "bmp_peer_down", "bmp_peer_up", "bmp_route_mirroring", "bmp_stats", "bmp_term"];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn routes_and_markers_in_avro_have_the_values_of_json() {
    let router = router();
    let update = RouteKind::Log(LogType::Update);
    let kinds = [update, RouteKind::Log(LogType::Delete), RouteKind::Mirrored(LogType::Withdraw), RouteKind::Dump];
    let mut keepalive = vec![0xff; 16];
    keepalive.extend_from_slice(&[0, 19, 4]);
    let mut of_route = TlvBuf::new(true);
    of_route.add(Tlv::new(5, &[0, 0, 0, 2, 0, 1])).unwrap().add(Tlv::new(9, b"x")).unwrap();
    let message =
        RouteMonitoring { tlvs: of_route.tlvs(), ..RouteMonitoring::new(peer(), bgp_message(&keepalive)) };
    let tlvs = RouteTlvs::of(&message, &CodePoints::default()).unwrap();
    for (format, header, kind) in formats().into_iter().flat_map(|format| {
        [peer(), rd_peer()].into_iter().flat_map(move |header| kinds.map(|kind| (format, header, kind)))
    }) {
        let peer = router.peer(&format, &header);
        let tags = Tags { tag: Some(7), label: Some("k%v") };
        let tags = if format.routes.has_tags { tags } else { Tags::default() };
        let route = if format.routes.has_roa { route(None).with_roa(b'v') } else { route(None) };
        let fragment = |encoding| {
            let mut fragment = Fragment::default();
            Renderer::new(&format.routes, encoding).render(
                AttributeSet::new(SET),
                route.afi,
                route.safi,
                &mut fragment,
            );
            fragment
        };
        let event = RouteEvent {
            tags,
            router_time: (kind == update).then_some(TIME),
            tlvs: (kind == update).then_some((&tlvs, 1)),
            ..RouteEvent::new(&format.routes, &peer, kind, route)
        };
        let (text, binary) = (fragment(Encoding::Json), fragment(Encoding::Avro));
        let mut out = Vec::new();
        RouteEvent { attributes: Some(text.as_ref()), ..event }.json(&HEAD, &mut out);
        let json = as_fields(serde_json::from_slice(&out).unwrap());
        let schemas = if kind == RouteKind::Dump { schema::of_dump(&format) } else { schema::of_log(&format) };
        out.clear();
        let event = RouteEvent { attributes: Some(binary.as_ref()), ..event };
        assert_eq!(event.avro(&HEAD, &mut out), Some(0));
        let parsed = apache_avro::Schema::parse_str(&schemas[0].text).unwrap();
        let mut rest = out.as_slice();
        let value = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
        let Value::Object(mut value) = crate::tests::plain(value) else { panic!() };
        value.retain(|name, value| json.contains_key(name) || *value != json!([]));
        assert_eq!(value, json);
    }
    for format in formats() {
        for (kind, name) in [
            (MarkerKind::LogInit, "bmp_loginit"),
            (MarkerKind::LogClose, "bmp_logclose"),
            (MarkerKind::DumpInit { period: 60, peers: None }, "bmp_dumpinit"),
            (MarkerKind::DumpClose { entries: 5, tables: 1 }, "bmp_dumpclose"),
        ] {
            let is_log = matches!(kind, MarkerKind::LogInit | MarkerKind::LogClose);
            let schemas = if is_log { schema::of_log(&format) } else { schema::of_dump(&format) };
            let marker = Marker { format: &format.routes, peer: router.marker(), kind, tags: Tags::default() };
            let (found, value) = record(&schemas, &marker);
            assert_eq!((found, &value["bmp_router"]), (name, &json!("192.0.2.9")));
        }
    }
}

fn settings(path: &Path, encoding: Encoding, schemas: Vec<Schema>) -> Settings {
    let mut settings = Settings::without_brokers(config::KeyPrefix::BMP_DAEMON_MSGLOG, VARIABLES);
    (settings.file, settings.encoding, settings.schemas) = (Some(path.to_owned()), encoding, schemas.into());
    settings
}

#[test]
fn stored_messages_are_written_by_the_next_dump() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump-$bmp_router");
    let (format, router) = (Format::default(), router());
    let stored: Vec<Stored> = messages().iter().filter_map(|octets| Stored::new(octets)).collect();
    assert_eq!(stored.len(), messages().len());
    assert_eq!(stored.iter().filter(|stored| stored.is_statistics()).count(), 1);
    let octets: usize = messages().iter().map(Vec::len).sum();
    assert!(stored.iter().map(Stored::bytes).sum::<usize>() <= octets + stored.len() * 32);
    // Route monitoring is in the table, and nothing is known of other types.
    assert_eq!(Stored::new(&[3, 0, 0, 0, 6, 0]), None);
    assert_eq!(Stored::new(&[3, 0, 0, 0, 6, 99]), None);
    assert_eq!(Stored::new(&[9]), None);
    let (mut dump, _) = Dump::open(&settings(&path, Encoding::Json, schema::of_dump(&format)));
    dump.run(1_700_000_000, &[()], |run, writer, ()| {
        let marker = |kind| Marker { format: &format.routes, peer: router.marker(), kind, tags: Tags::default() };
        let context = Context { format: &format, router: &router, tags: Tags::default() };
        run.table(
            writer,
            &marker(MarkerKind::DumpInit { period: 60, peers: None }),
            |rows| {
                let mut times = Times::new(&Style::default());
                for stored in &stored {
                    stored.dump(rows, &mut times, &context, &CodePoints::default());
                }
            },
            |entries| marker(MarkerKind::DumpClose { entries, tables: 1 }),
        );
    });
    assert_eq!(dump.end(), 0);
    let text = std::fs::read_to_string(folder.path().join("dump-192_0_2_9")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().map(|line| line[name].as_str().unwrap_or("")).collect::<Vec<_>>();
    let kinds =
        ["", "init", "term", "peer_up", "peer_up", "peer_down", "stats", "stats", "stats", "route_mirroring", ""];
    assert_eq!(of("bmp_msg_type"), kinds);
    assert!(lines[1..10].iter().all(|line| line["event_type"] == "dump"));
    assert_eq!(of("timestamp_event")[1..4], [UNSET, UNSET, TIME]);
    assert!(of("timestamp").iter().all(|time| *time == "2023-11-14 22:13:20"));
}

#[test]
fn a_log_in_the_format_of_openbmp_has_the_messages_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (format, router, collector) = (Format::default(), router(), Collector::new("c1"));
    let (mut events, _) = Log::open(&settings(&path, Encoding::OpenBmp, Vec::new()));
    let marker =
        Marker { format: &format.routes, peer: router.marker(), kind: MarkerKind::LogInit, tags: Tags::default() };
    events.add(&marker);
    for octets in &messages() {
        events.add(&RawEvent { collector: &collector, router: &router, group: Some("edge"), octets });
        let context = Context { format: &format, router: &router, tags: Tags::default() };
        log(&mut events, &mut Times::new(&Style::default()), &context, &decoded(octets));
    }
    assert_eq!(events.end(), 0);
    let file = std::fs::read(&path).unwrap();
    let read: Vec<openbmp::Message<'_>> = openbmp::Messages::new(&file).map(Result::unwrap).collect();
    assert_eq!(read.iter().map(|message| message.data.to_vec()).collect::<Vec<_>>(), messages());
    for message in &read {
        let from = message.router.unwrap();
        assert_eq!((from.address, from.group), (router.address(), &b"edge"[..]));
        assert_eq!((message.collector.admin_id, message.rows), (&b"c1"[..], 1));
        assert_eq!(message.collector.hash, openbmp::collector_hash(b"c1"));
        assert!(message.time.seconds > 1_500_000_000);
    }
}

#[test]
fn the_format_and_the_name_of_the_collector_follow_the_configuration() {
    let read = |lines: &str| config::parse_bytes(config::Daemon::Pmbmpd, "f", lines.as_bytes()).0;
    let config = read("bmp_daemon_set_pd: true\nbmp_daemon_tag_map: m\nbmp_daemon_openbmp_admin_id: rv");
    let format = Format::read(&config);
    assert!(format.set_pd && format.routes.has_tags && !format.routes.has_peer_id);
    assert_eq!(Collector::read(&config), Collector::new("rv"));
    assert!(!Format::read(&read("bgp_daemon_tag_map: m")).routes.has_tags);
    let filter = label_filter(&read("bmp_daemon_msglog_label_filter: edge"));
    assert!(filter.passes(Some("edge")) && !filter.passes(None));
}

proptest! {
    /// Whatever a message contains: JSON is valid, and Avro can be read by the schema.
    #[test]
    fn any_message_is_valid(
        kind in 1u8..=6,
        mut body in prop::collection::vec(any::<u8>(), 0..40),
        items in prop::collection::vec((0u16..12, any::<bool>(), prop::collection::vec(any::<u8>(), 0..12)), 0..6),
        version in 3u8..=4,
        which in 0usize..2,
    ) {
        body.resize(if kind >= 4 && kind != 6 { 0 } else { 42 }, 7);
        for (kind, is_enterprise, value) in &items {
            let kind = if *is_enterprise { kind | 0x8000 } else { *kind };
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(value);
        }
        let mut octets = vec![version];
        octets.extend_from_slice(&(body.len() as u32 + 6).to_be_bytes());
        octets.push(kind);
        octets.extend_from_slice(&body);
        let frame = Frame::first(&octets, octets.len()).unwrap().unwrap();
        let Ok(message) = Message::decode(frame, &CodePoints::default()) else { return Ok(()) };
        let (format, router) = (formats()[which], router());
        let schemas = schema::of_log(&format);
        let context = Context { format: &format, router: &router, tags: Tags::default() };
        records(&message, |one| {
            let event = RecordEvent { context, kind: Kind::Log, record: one, router_time: TIME };
            let mut out = Vec::new();
            event.json(&HEAD, &mut out);
            let members: Map<String, Value> = serde_json::from_slice(&out).unwrap();
            assert!(members.len() >= 7);
            record(&schemas, &event);
        });
    }
}

#[test]
fn the_document_lists_all_members_and_no_others() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bmp-output.md");
    let document = std::fs::read_to_string(path).unwrap();
    // The words of the first column, which are in backticks.
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let words = rows.flat_map(|(column, _)| column.split('`').step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let documented: std::collections::BTreeSet<String> = words.filter(|word| !word.is_empty()).collect();
    let document_of_bgp = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bgp-output.md");
    let of_bgp = std::fs::read_to_string(document_of_bgp).unwrap();
    let mut members = std::collections::BTreeSet::new();
    for format in formats() {
        for schema in schema::of_log(&format).iter().chain(&schema::of_dump(&format)) {
            assert!(documented.contains(schema.name), "{} is not documented", schema.name);
            let schema: Value = serde_json::from_str(&schema.text).unwrap();
            let fields = schema["fields"].as_array().unwrap();
            members.extend(fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()));
        }
    }
    for member in &members {
        let is_of_bgp = of_bgp.contains(&format!("`{member}`"));
        let is_here = documented.contains(member) || document.contains(&format!("`{member}`"));
        assert!(is_here || is_of_bgp, "{member} is not documented");
    }
    // What the first columns name besides members.
    let others = [
        "json",
        "avro",
        "avro_json",
        "openbmp",
        "log_init",
        "log_close",
        "log",
        "dump_init",
        "dump",
        "dump_close",
    ];
    let others = others.into_iter().chain(["init", "term", "peer_up", "peer_down", "stats", "route_monitor"]);
    let others: Vec<&str> = others.chain(["internal", "route_mirroring", "*_output"]).collect();
    for word in documented.iter().filter(|word| !others.contains(&word.as_str())) {
        let is_record = schema::of_log(&Format::default()).iter().any(|schema| schema.name == word)
            || schema::of_dump(&Format::default()).iter().any(|schema| schema.name == word);
        assert!(is_record || members.contains(word), "{word} is documented and does not exist");
    }
}

#[test]
fn the_records_of_a_message_are_bounded() {
    let mut counters = CounterBuf::new();
    (0..MAX_RECORDS + 10).for_each(|_| _ = counters.add(StatisticType(7), &[]).unwrap());
    let statistics =
        Statistics { peer: peer(), counters: counters.counters(), tlvs: Tlvs::of(&[], false), fault: None };
    let mut mirrored = TlvBuf::new(false);
    (0..MAX_RECORDS + 2).for_each(|_| _ = mirrored.add(Tlv::new(0, b"x")).unwrap());
    let mirroring = RouteMirroring { peer: peer(), tlvs: mirrored.tlvs(), fault: None };
    for (message, expected) in [(Message::Statistics(statistics), 10), (Message::RouteMirroring(mirroring), 2)] {
        let mut written = 0;
        records(&message, |_| written += 1);
        assert_eq!((written, omitted_records(&message)), (MAX_RECORDS, expected));
    }
}
