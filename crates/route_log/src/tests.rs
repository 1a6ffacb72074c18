//! Events as pmacct writes them, in all encodings.

use crate::attributes::form;
use crate::message::{MessageEvent, StateEvent};
use crate::*;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use bgp::attribute::AttributeSet;
use event_log::{Dump, Encoding, Event, Head, Log, MrtPlace, Settings};
use mrt::{Content, Message, PeerIndex, Session, StateChange};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use wire::{Afi, Asn, Prefix, RouteDistinguisher, Safi};

const HEAD: Head<'_> = Head {
    sequence: 1,
    timestamp: "2026-11-30 01:11:50.197996",
    micros: 1_700_000_000_000_005,
    writer_id: "default/7",
};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// ORIGIN IGP, AS_PATH 65001 65010, NEXT_HOP, MULTI_EXIT_DISC 50, LOCAL_PREF 200, COMMUNITIES, EXTENDED_COMMUNITIES, AIGP 77,
/// LARGE_COMMUNITIES.
const SET: &str = "400101 00  40020a 0202 0000fde9 0000fdf2  400304 0a000001  800404 00000032  400505 000000c8 \
                   c00808 fde90064 ffffff01  c01008 0002fde900000005  801a0b 01000b000000000000004d  c0200c 0000fde90000000100000002";

fn set() -> Vec<u8> {
    octets(&SET.replace("400505", "400504"))
}

fn peer(format: &Format) -> Peer {
    Peer::bgp(format, [127, 0, 1, 1].into(), 35_609, Ipv4Addr::new(10, 0, 1, 1))
}

fn prefix(text: &str) -> Route<'static> {
    let prefix: Prefix = text.parse().unwrap();
    let target = Target::Prefix { prefix, rd: None, label: None };
    Route { target, ..Route::end_of_rib(prefix.family().afi(), Safi::UNICAST) }
}

fn fragment(format: &Format, encoding: Encoding, set: &[u8], route: &Route<'_>) -> Fragment {
    let mut fragment = Fragment::default();
    Renderer::new(format, encoding).render(AttributeSet::new(set), route.afi, route.safi, &mut fragment);
    fragment
}

/// The event as JSON.
fn json_of(format: &Format, kind: RouteKind, route: Route<'_>, set: Option<&[u8]>) -> String {
    let (peer, rendered) = (peer(format), set.map(|set| fragment(format, Encoding::Json, set, &route)));
    let event = RouteEvent {
        attributes: rendered.as_ref().map(Fragment::as_ref),
        ..RouteEvent::new(format, &peer, kind, route)
    };
    let mut out = Vec::new();
    event.json(&HEAD, &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(format: &Format, route: Route<'_>, set: &[u8]) -> Value {
    serde_json::from_str(&json_of(format, RouteKind::Log(LogType::Update), route, Some(set))).unwrap()
}

const UPDATE: RouteKind = RouteKind::Log(LogType::Update);

#[test]
fn a_route_is_written_as_pmacct_writes_it() {
    let format = Format::default();
    let route = prefix("192.0.2.0/24");
    assert_eq!(
        json_of(&format, UPDATE, route, Some(&set())),
        r#"{"seq": 1, "log_type": "update", "timestamp": "2026-11-30 01:11:50.197996", "peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "192.0.2.0/24", "bgp_nexthop": "10.0.0.1", "as_path": "65001 65010", "comms": "65001:100 no-export", "ecomms": "RT:65001:5", "lcomms": "65001:1:2", "origin": "i", "local_pref": 200, "med": 50, "aigp": 77}"#
    );
    assert_eq!(
        json_of(
            &format,
            RouteKind::Dump,
            prefix("192.0.3.0/24"),
            Some(&octets("400101 02 400200 400304 0a000001"))
        ),
        r#"{"seq": 1, "timestamp": "2026-11-30 01:11:50.197996", "peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "dump", "afi": 1, "safi": 1, "ip_prefix": "192.0.3.0/24", "bgp_nexthop": "10.0.0.1", "as_path": "", "origin": "u"}"#
    );
    let (rd, label) = (RouteDistinguisher([0, 0, 0xfd, 0xe9, 0, 0, 0, 1]), Some(100 << 4 | 1));
    let target = Target::Prefix { prefix: "198.51.100.0/24".parse().unwrap(), rd: Some(rd), label };
    let route = Route { target, safi: Safi::MPLS_VPN, ..route };
    let set = octets("400101 01 400206 0201 0000fde9 400304 0a000009 c0280a 01000700000000000005");
    assert_eq!(
        json_of(&format, UPDATE, route, Some(&set)),
        r#"{"seq": 1, "log_type": "update", "timestamp": "2026-11-30 01:11:50.197996", "peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "log", "afi": 1, "safi": 128, "ip_prefix": "198.51.100.0/24", "bgp_nexthop": "10.0.0.9", "as_path": "65001", "origin": "e", "psid_li": 5, "rd": "0:65001:1", "rd_origin": "bgp", "mpls_label": "100"}"#
    );
    assert_eq!(
        json_of(&format, RouteKind::LookingGlass, route.with_roa(b'v'), None),
        r#"{"peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "lglass", "afi": 1, "safi": 128, "ip_prefix": "198.51.100.0/24", "roa": "v", "rd": "0:65001:1", "rd_origin": "bgp", "mpls_label": "100"}"#
    );
}

#[test]
fn withdrawals_deletions_and_end_of_rib() {
    let format = Format::default();
    let head = r#"{"seq": 1, "log_type": "KIND", "timestamp": "2026-11-30 01:11:50.197996", "peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "log", "afi": 2, "safi": 1"#;
    let of = |kind, route, set| json_of(&format, RouteKind::Log(kind), route, set);
    let withdrawn = Route { path_id: Some(u32::MAX), ..prefix("2001:db8::/32") };
    let expected = format!(
        r#"{}, "ip_prefix": "2001:db8::/32", "as_path_id": 4294967295}}"#,
        head.replace("KIND", "withdraw")
    );
    assert_eq!(of(LogType::Withdraw, withdrawn, None), expected);
    let set = octets("400101 00 400200");
    let expected = format!(
        r#"{}, "ip_prefix": "::/0", "bgp_nexthop": "0.0.0.0", "as_path": "", "origin": "i"}}"#,
        head.replace("KIND", "delete")
    );
    assert_eq!(of(LogType::Delete, prefix("::/0"), Some(&set)), expected);
    let end = Route::end_of_rib(Afi::IPV6, Safi::UNICAST);
    assert_eq!(of(LogType::EndOfRib, end, None), format!("{}}}", head.replace("KIND", "end-of-rib")));
    // The label of a withdrawal (RFC 8277 section 2.4).
    let target = Target::Prefix { prefix: Prefix::default(), rd: None, label: Some(0x80_0000) };
    let route = Route { target, safi: Safi::LABELED_UNICAST, ..end };
    assert!(of(LogType::Withdraw, route, None).ends_with(r#""mpls_label": "524288"}"#));
}

#[test]
fn the_format_changes_members() {
    let set = [set(), octets("c02304 0000fde9")].concat();
    let format = Format {
        as_path_as_array: true,
        comms_as_array: true,
        origin_as_number: true,
        has_peer_id: true,
        ..Format::default()
    };
    let mut path = octets("40021e 0202 0000fde9 0000fdea 0102 00000001 00000002 0302 0000fe4c 0000fe4d");
    path.splice(0..0, octets("400101 01"));
    path[2] = 1;
    path.splice(6..7, [28 + 2]);
    let value = parsed(&format, prefix("10.0.0.0/8"), &set);
    assert_eq!(value["as_path"], json!(["65001", "65010"]));
    assert_eq!(value["comms"], json!(["65001:100", "no-export"]));
    assert_eq!((&value["ecomms"], &value["lcomms"]), (&json!(["RT:65001:5"]), &json!(["65001:1:2"])));
    assert_eq!((&value["origin"], &value["peer_id"]), (&json!(0), &json!("10.0.1.1")));
    assert_eq!(value["otc"], json!(65001));
    let value = parsed(&format, prefix("10.0.0.0/8"), &path);
    assert_eq!(value["as_path"], json!(["65001", "65002", "{1,2}", "(65100", "65101)"]));
    let value = parsed(&Format::default(), prefix("10.0.0.0/8"), &path);
    assert_eq!((&value["as_path"], value.get("peer_id")), (&json!("65001 65002 {1,2} (65100 65101)"), None));
    // Not negative, as in pmacct.
    let value = parsed(&format, prefix("10.0.0.0/8"), &octets("801a0b 01000b ffffffffffffffff c02304 00000000"));
    assert_eq!((&value["aigp"], value.get("otc")), (&json!(u64::MAX), None));
    for (set, shown) in [
        ("400310 20010db8000000000000000000000001", "2001:db8::1"),
        ("400320 20010db8000000000000000000000001 fe800000000000000000000000000001", "2001:db8::1"),
        ("400310 00000000000000000000ffff0a000001", "::ffff:10.0.0.1"),
    ] {
        assert_eq!(parsed(&format, prefix("::/0"), &octets(set))["bgp_nexthop"], json!(shown));
    }
}

#[test]
fn tags_are_in_all_events() {
    let text = |format: &Format, tags| {
        let (peer, mut out) = (peer(format), Vec::new());
        Marker { format, peer: &peer, kind: MarkerKind::LogInit, tags }.json(&HEAD, &mut out);
        out.push(b'\n');
        RouteEvent { tags, ..RouteEvent::new(format, &peer, UPDATE, prefix("10.0.0.0/8")) }.json(&HEAD, &mut out);
        String::from_utf8(out).unwrap()
    };
    let format = Format::default();
    let tagged = text(&format, Tags { tag: Some(u64::MAX), label: Some("a\"b%c,d") });
    let tags = r#""peer_tcp_port": 35609, "tag": 18446744073709551615, "label": "a\"b%c,d", "event_type": "#;
    assert_eq!(tagged.matches(tags).count(), 2, "{tagged}");
    let format = Format { label_as_map: true, ..format };
    let tagged = text(&format, Tags { tag: None, label: Some("key%value,other%x") });
    assert_eq!(tagged.matches(r#""label": {"key": "value", "other": "x"}, "event_type""#).count(), 2, "{tagged}");
    let filter = LabelFilter::of(&["green"]);
    assert!(filter.passes(Some("green")) && !filter.passes(Some("red")) && !filter.passes(None));
    assert!(LabelFilter::default().passes(None));
}

#[test]
fn markers_and_events_of_routers() {
    let format = Format::default();
    let of = |peer: &Peer, kind| {
        let mut out = Vec::new();
        Marker { format: &format, peer, kind, tags: Tags::default() }.json(&HEAD, &mut out);
        String::from_utf8(out).unwrap()
    };
    let session = peer(&format);
    let head = r#"{"seq": 1, "timestamp": "2026-11-30 01:11:50.197996", "peer_ip_src": "127.0.1.1", "peer_tcp_port": 35609, "event_type": "#;
    assert_eq!(of(&session, MarkerKind::LogClose), format!("{head}\"log_close\"}}"));
    let init = MarkerKind::DumpInit { period: 60, peers: None };
    assert_eq!(of(&session, init), format!("{head}\"dump_init\", \"dump_period\": 60}}"));
    let close = MarkerKind::DumpClose { entries: 2, tables: 1 };
    assert_eq!(of(&session, close), format!("{head}\"dump_close\", \"entries\": 2, \"tables\": 1}}"));
    let header = ::bmp::peer::PeerHeader::global([10, 0, 0, 1].into(), Asn(65_001), Ipv4Addr::new(10, 0, 0, 1));
    let router = crate::bmp::Router::new([192, 0, 2, 9].into(), 4000);
    let router = router.peer(&crate::bmp::Format::default(), &header);
    let event = |kind| {
        let mut out = Vec::new();
        let event = RouteEvent::new(&format, &router, kind, prefix("10.0.0.0/8"));
        RouteEvent { router_time: Some("T"), ..event }.json(&HEAD, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        event(UPDATE),
        r#"{"seq": 1, "log_type": "update", "timestamp": "T", "timestamp_arrival": "2026-11-30 01:11:50.197996", "bmp_router": "192.0.2.9", "bmp_router_port": 4000, "bmp_msg_type": "route_monitor", "event_type": "log", "afi": 1, "safi": 1, "ip_prefix": "10.0.0.0/8", "peer_ip": "10.0.0.1", "peer_tcp_port": 0, "peer_asn": 65001, "bgp_id": "10.0.0.1", "bmp_rib_type": "Adj-Rib-In Pre-Policy", "is_filtered": 0, "is_in": 1, "is_post": 0}"#
    );
    assert!(
        event(RouteKind::Dump)
            .starts_with(r#"{"seq": 1, "timestamp": "2026-11-30 01:11:50.197996", "timestamp_event": "T", "bmp"#)
    );
    let route = RouteEvent::new(&format, &router, UPDATE, prefix("10.0.0.0/8"));
    assert_eq!(
        (route.variable("bmp_router").as_deref(), route.variable("peer_src_ip")),
        (Some("192.0.2.9"), None)
    );
    let marker = Marker { format: &format, peer: &session, kind: MarkerKind::LogInit, tags: Tags::default() };
    assert_eq!(marker.variable("peer_src_ip").as_deref(), Some("127.0.1.1"));
    assert_eq!(marker.variable("peer_tcp_port").as_deref(), Some("35609"));
}

#[test]
fn other_families_show_their_members() {
    let format = Format::default();
    // Inclusive multicast of EVPN, with PMSI tunnel: ingress replication, label 100.
    let nlri = octets("03 11 0000fde900000001 00000000 20 0a000001");
    let route = Route { target: Target::Other(&nlri), ..Route::end_of_rib(Afi::L2VPN, Safi::EVPN) };
    let set = octets("400101 00 400200 400304 0a000001 c01609 00 06 000641 0a000001");
    let value = parsed(&format, route, &set);
    assert_eq!(
        (&value["rd"], &value["rd_origin"], &value["bgp_nexthop"]),
        (&json!("0:65001:1"), &json!("bgp"), &json!("10.0.0.1"))
    );
    assert!(
        value.get("ip_prefix").is_none() && value["nlri_type"].is_string() && value["pmsi_tunnel"].is_object(),
        "{value}"
    );
    // Unicast routes do not show that attribute, as in pmacct, unless the format says so.
    assert!(parsed(&format, prefix("10.0.0.0/8"), &set).get("pmsi_tunnel").is_none());
    let all = Format { all_attributes: true, ..format };
    assert!(parsed(&all, prefix("10.0.0.0/8"), &set)["pmsi_tunnel"].is_object());
    // Of BGP-LS, only the link-state attribute is shown.
    let nlri = octets(
        "0001 0027 02 0000000000000000 0100 001a 0200 0004 0000fde9 0201 0004 00000000 0203 0006 000000000001",
    );
    let route = Route { target: Target::Other(&nlri), ..Route::end_of_rib(Afi::BGP_LS, Safi::BGP_LS) };
    let value =
        parsed(&format, route, &octets("400101 00 400200 400304 0a000001 801d0c 0402 0008 6e6f64652d6f6e65"));
    for (name, expected) in [
        ("nlri_type", json!("Node")),
        ("proto", json!("IS-IS Level 2")),
        ("local_asn", json!(65001)),
        ("local_igp_rtr_id", json!("0000.0000.0001")),
        ("attr_node_name", json!("node-one")),
        ("log_type", json!("update")),
    ] {
        assert_eq!(value[name], expected, "{value}");
    }
    assert!(["origin", "as_path", "bgp_nexthop"].iter().all(|name| value.get(name).is_none()));
    // Octets that are no NLRI of the family, and a family that nobody knows.
    for (afi, safi) in [(Afi::L2VPN, Safi::EVPN), (Afi(99), Safi(99))] {
        let route = Route { target: Target::Other(&[3, 1, 7]), ..Route::end_of_rib(afi, safi) };
        assert_eq!(parsed(&format, route, &[])["nlri"], json!("030107"));
    }
    assert_ne!(form((Afi::BGP_LS, Safi::BGP_LS)), form((Afi::L2VPN, Safi::EVPN)));
}

fn avro(schemas: &[event_log::Schema], event: &impl Event) -> (usize, Avro) {
    let mut out = Vec::new();
    let schema = event.avro(&HEAD, &mut out).unwrap();
    let parsed = apache_avro::Schema::parse_str(&schemas[schema].text).unwrap();
    let reader = GenericDatumReader::builder(&parsed).build().unwrap();
    let mut rest = out.as_slice();
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    (schema, value)
}

/// The value without unions and nulls, as JSON would show it.
pub(crate) fn plain(value: Avro) -> Value {
    match value {
        Avro::Union(_, value) => plain(*value),
        Avro::Null => Value::Null,
        Avro::Long(number) => json!(number),
        Avro::Int(number) => json!(number),
        Avro::String(text) => json!(text),
        Avro::Array(items) => items.into_iter().map(plain).collect(),
        Avro::Map(pairs) => Value::Object(pairs.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        Avro::Record(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, plain(value)));
            Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Removes the names of branches from Avro's JSON encoding, and nulls.
pub(crate) fn without_branches(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let branch = |(_, value): (&String, &Value)| value.clone();
            if let (1, Some(("string" | "long" | "int" | "map", _))) =
                (fields.len(), fields.iter().next().map(|(name, value)| (name.as_str(), value)))
            {
                return fields.iter().next().map(branch).unwrap();
            }
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, without_branches(value)))
                    .filter(|(_, value)| !value.is_null())
                    .collect(),
            )
        }
        other => other,
    }
}

fn formats() -> Vec<Format> {
    let all = Format {
        as_path_as_array: true,
        comms_as_array: true,
        label_as_map: true,
        origin_as_number: true,
        has_peer_id: true,
        has_roa: true,
        has_tags: true,
        all_attributes: true,
    };
    vec![Format::default(), all, Format { label_as_map: false, comms_as_array: false, ..all }]
}

#[test]
fn records_in_avro_have_the_values_of_json() {
    let nlri = octets("03 11 0000fde900000001 00000000 20 0a000001");
    let evpn = Route { target: Target::Other(&nlri), ..Route::end_of_rib(Afi::L2VPN, Safi::EVPN) };
    let routes = [prefix("192.0.2.0/24"), Route { path_id: Some(7), ..prefix("2001:db8::/32") }, evpn];
    for format in formats() {
        let peer = peer(&format);
        let tags = Tags { tag: Some(7), label: Some("k%v") };
        for (route, set) in routes.iter().flat_map(|route| [(route, Some(set())), (route, None)]) {
            for kind in [UPDATE, RouteKind::Dump] {
                let route = if format.has_roa { route.with_roa(b'i') } else { *route };
                let with = |encoding| set.as_ref().map(|set| fragment(&format, encoding, set, &route));
                let tags = if format.has_tags { tags } else { Tags::default() };
                let event = RouteEvent { tags, ..RouteEvent::new(&format, &peer, kind, route) };
                let schemas = if kind == UPDATE { schema::of_log(&format) } else { schema::of_dump(&format) };
                let (binary, text, json) = (with(Encoding::Avro), with(Encoding::AvroJson), with(Encoding::Json));
                let record = RouteEvent { attributes: binary.as_ref().map(Fragment::as_ref), ..event };
                let (number, value) = avro(&schemas, &record);
                assert_eq!(number, 0);
                let value = plain(value);
                let mut out = Vec::new();
                assert!(
                    RouteEvent { attributes: text.as_ref().map(Fragment::as_ref), ..event }
                        .avro_json(&HEAD, &mut out)
                );
                assert_eq!(without_branches(serde_json::from_slice(&out).unwrap()), value);
                out.clear();
                RouteEvent { attributes: json.as_ref().map(Fragment::as_ref), ..event }.json(&HEAD, &mut out);
                let mut wanted: Value = serde_json::from_slice(&out).unwrap();
                wanted["writer_id"] = json!("default/7");
                // Members without a field, and empty arrays of absent lists.
                let (Value::Object(mut value), Value::Object(wanted)) = (value, wanted) else { panic!() };
                let maps = ["nlri", "attributes"].map(|name| value.remove(name));
                let is_in_map = |name: &String| maps.iter().flatten().any(|map| map.get(name).is_some());
                let wanted: serde_json::Map<_, _> =
                    wanted.into_iter().filter(|(name, _)| !is_in_map(name)).collect();
                value.retain(|name, value| wanted.contains_key(name) || *value != json!([]));
                assert_eq!(value, wanted);
            }
        }
        for (kind, number) in [
            (MarkerKind::LogInit, 1),
            (MarkerKind::LogClose, 2),
            (MarkerKind::DumpInit { period: 60, peers: None }, 1),
            (MarkerKind::DumpClose { entries: 5, tables: 1 }, 2),
        ] {
            let is_log = matches!(kind, MarkerKind::LogInit | MarkerKind::LogClose);
            let schemas = if is_log { schema::of_log(&format) } else { schema::of_dump(&format) };
            let tags = if format.has_tags { tags } else { Tags::default() };
            let marker = Marker { format: &format, peer: &peer, kind, tags };
            let (schema, value) = avro(&schemas, &marker);
            let value = plain(value);
            assert_eq!((schema, &value["event_type"]), (number, &json!(kind.word())));
            let mut out = Vec::new();
            assert!(marker.avro_json(&HEAD, &mut out));
            assert_eq!(without_branches(serde_json::from_slice(&out).unwrap()), value);
        }
    }
}

#[test]
fn the_schema_of_a_log_is_that_of_pmacct_with_our_additions() {
    let [routes, init, close] = schema::of_log(&Format::default());
    assert_eq!([routes.name, init.name, close.name], ["bgp_msglog", "bgp_loginit", "bgp_logclose"]);
    assert_eq!(
        init.text,
        r#"{"type":"record","name":"bgp_loginit","fields":[{"name":"seq","type":{"type":"long"}},{"name":"timestamp","type":{"type":"string"}},{"name":"event_type","type":{"type":"string"}},{"name":"writer_id","type":{"type":"string"}},{"name":"peer_ip_src","type":{"type":"string"}},{"name":"peer_tcp_port","type":[{"type":"null"},{"type":"int"}]}]}"#
    );
    let value: Value = serde_json::from_str(&routes.text).unwrap();
    let names: Vec<&str> =
        value["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    let expected = "log_type seq timestamp event_type writer_id peer_ip_src peer_tcp_port afi safi ip_prefix rd rd_origin \
                    bgp_nexthop as_path as_path_id comms ecomms lcomms origin local_pref med aigp psid_li otc attributes nlri mpls_label";
    assert_eq!(names.join(" "), expected);
}

fn settings(path: &Path, encoding: Encoding, schemas: [event_log::Schema; 3]) -> Settings {
    let mut settings = Settings::without_brokers(config::KeyPrefix::BGP_TABLE_DUMP, VARIABLES);
    (settings.file, settings.encoding, settings.schemas) = (Some(path.to_owned()), encoding, schemas.into());
    settings
}

#[test]
fn a_dump_in_avro_is_a_container_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let format = Format::default();
    let peer = peer(&format);
    let (mut dump, _) = Dump::open(&settings(&path, Encoding::Avro, schema::of_dump(&format)));
    let attributes = fragment(&format, Encoding::Avro, &set(), &prefix("10.0.0.0/8"));
    dump.run(1_700_000_000, &[()], |run, writer, ()| {
        let marker = |kind| Marker { format: &format, peer: &peer, kind, tags: Tags::default() };
        let start = marker(MarkerKind::DumpInit { period: 60, peers: None });
        let event = RouteEvent::new(&format, &peer, RouteKind::Dump, prefix("10.0.0.0/8"));
        let event = RouteEvent { attributes: Some(attributes.as_ref()), ..event };
        run.table(
            writer,
            &start,
            |rows| rows.add(&event),
            |entries| marker(MarkerKind::DumpClose { entries, tables: 1 }),
        );
    });
    assert_eq!(dump.end(), 0);
    let file = std::fs::File::open(&path).unwrap();
    let values: Vec<Value> = apache_avro::Reader::new(file).unwrap().map(|value| plain(value.unwrap())).collect();
    let of = |name: &str| values.iter().map(|value| value[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("event_type"), ["dump_init", "dump", "dump_close"]);
    assert_eq!(of("timestamp"), ["2023-11-14 22:13:20"; 3]);
    assert_eq!((&values[1]["comms"], &values[2]["entries"]), (&json!("65001:100 no-export"), &json!(1)));
}

#[test]
fn a_dump_in_mrt_has_its_peers_first_and_a_record_for_each_route() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let format = Format::default();
    let of = |asn| mrt::Peer { bgp_id: Ipv4Addr::new(10, 0, 1, 1), address: [127, 0, 1, 1].into(), asn: Asn(asn) };
    let index = PeerIndex { collector: Ipv4Addr::LOCALHOST, view: String::new(), peers: vec![of(1), of(2)] };
    let rd = RouteDistinguisher([0, 0, 0xfd, 0xe9, 0, 0, 0, 1]);
    let target = Target::Prefix { prefix: "198.51.100.0/24".parse().unwrap(), rd: Some(rd), label: Some(0x641) };
    let vpn = Route { target, ..Route::end_of_rib(Afi::IPV4, Safi::MPLS_VPN) };
    let routes = [prefix("10.0.0.0/8"), Route { path_id: Some(9), ..prefix("10.0.0.0/8") }, vpn];
    let (mut dump, _) = Dump::open(&settings(&path, Encoding::Mrt, schema::of_dump(&format)));
    dump.run(1_700_000_000, &[0u16, 1], |run, writer, number| {
        let peer = peer(&format).with_mrt(*number, 5);
        let marker = |kind| Marker { format: &format, peer: &peer, kind, tags: Tags::default() };
        let start = marker(MarkerKind::DumpInit { period: 60, peers: Some(&index) });
        let rows = |rows: &mut event_log::dump::Rows<'_>| {
            for route in &routes {
                let attributes = fragment(&format, Encoding::Mrt, &set(), route);
                let event = RouteEvent::new(&format, &peer, RouteKind::Dump, *route);
                rows.add(&RouteEvent { attributes: Some(attributes.as_ref()), ..event });
            }
        };
        run.table(writer, &start, rows, |entries| marker(MarkerKind::DumpClose { entries, tables: 1 }));
    });
    assert_eq!(dump.end(), 0);
    let file = std::fs::read(&path).unwrap();
    let mut reader = mrt::Reader::new(file.as_slice());
    assert_eq!(reader.next_record().unwrap().unwrap().content(), Ok(Content::PeerIndex(index)));
    let mut read = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(record.time.seconds, 1_700_000_000);
        let Content::Rib(rib) = record.content().unwrap() else { panic!() };
        let entries: Vec<_> = rib.entries().map(Result::unwrap).collect();
        let [entry] = entries[..] else { panic!() };
        let mrt::rib::From::Index(peer) = entry.peer else { panic!() };
        let mut update = Vec::new();
        let mut nlri = Vec::new();
        routes[read.len() % 3].nlri(&mut nlri);
        mrt::attributes::to_update(&mut update, entry.attributes, rib.afi, rib.safi, &nlri).unwrap();
        let mut decoder = bgp::update::Decoder::new();
        let session = bgp::update::Session { asn4: true, ..Default::default() };
        let decoded = decoder.decode(&update, &session).unwrap();
        let block = decoded.blocks().next().unwrap();
        assert_eq!(block.attributes.as_bytes(), set());
        let back = Route::of_update(block.afi, block.safi, &block.entries().next().unwrap());
        assert_eq!(back.target, routes[read.len() % 3].target);
        read.push((rib.sequence, rib.safi.0, peer, entry.originated, entry.path_id));
    }
    let of = |first, peer| {
        [(first, 1, peer, 5, None), (first + 1, 1, peer, 5, Some(9)), (first + 2, 128, peer, 5, None)]
    };
    assert_eq!(read, [of(0, 0), of(3, 1)].concat());
}

#[test]
fn a_log_in_mrt_has_messages_and_states_but_no_routes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let format = Format::default();
    let peer = peer(&format);
    let (mut log, _) = Log::open(&settings(&path, Encoding::Mrt, schema::of_log(&format)));
    let session = Session {
        peer_asn: Asn(65_001),
        local_asn: Asn(64_512),
        interface: 0,
        peer: [127, 0, 1, 1].into(),
        local: [127, 0, 0, 1].into(),
    };
    let message = Message { octets: &[0xff; 19], is_local: false, asn4: true, has_path_ids: false };
    let change = StateChange { old: 5, new: 6 };
    log.add(&Marker { format: &format, peer: &peer, kind: MarkerKind::LogInit, tags: Tags::default() });
    log.add(&StateEvent { peer: &peer, session, change });
    log.add(&RouteEvent {
        attributes: Some(FragmentRef::default()),
        ..RouteEvent::new(&format, &peer, UPDATE, prefix("::/0"))
    });
    log.add(&MessageEvent { peer: &peer, session, message });
    assert_eq!(log.end(), 0);
    let file = std::fs::read(&path).unwrap();
    let mut reader = mrt::Reader::new(file.as_slice());
    let record = reader.next_record().unwrap().unwrap();
    assert!(record.time.micros.is_some() && record.time.seconds > 1_500_000_000);
    assert_eq!(record.content(), Ok(Content::StateChange(session, change)));
    assert_eq!(reader.next_record().unwrap().unwrap().content(), Ok(Content::Message(session, message)));
    assert!(reader.next_record().unwrap().is_none());
}

#[test]
fn the_cache_is_bounded_and_renders_again() {
    let format = Format::default();
    let mut renderer = Renderer::new(&format, Encoding::Json);
    let mut cache = Fragments::new(1000);
    let set = |number: u8| [0x40, 1, 1, 0, 0x40, 5, 4, 0, 0, 0, number];
    let mut rendered = 0;
    for number in (0..100).chain(90..100).chain(0..5) {
        let attributes = cache.get(number, |out| {
            rendered += 1;
            renderer.render(AttributeSet::new(&set(number)), Afi::IPV4, Safi::UNICAST, out);
        });
        let text = std::str::from_utf8(attributes.first).unwrap();
        assert!(text.ends_with(&format!("\"local_pref\": {number}")), "{text}");
    }
    assert!((105..115).contains(&rendered), "{rendered}");
}

proptest! {
    /// Whatever the octets are: JSON is valid and has unique members, and Avro can be read by the schema.
    #[test]
    fn any_route_is_valid(
        set in prop::collection::vec((any::<u8>(), prop::sample::select(vec![1u8, 2, 3, 4, 5, 8, 16, 22, 23, 26, 29, 32, 35, 40]), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        family in prop::sample::select(vec![(1u16, 1u8), (2, 128), (25, 70), (1, 133), (16388, 71), (1, 132), (2, 73), (9, 9)]),
        nlri in prop::collection::vec(any::<u8>(), 0..60),
        path_id: Option<u32>,
        label in proptest::option::of(".{0,12}"),
        which in 0usize..3,
    ) {
        let mut octets = Vec::new();
        for (flags, code, value) in &set {
            octets.extend_from_slice(&[flags & 0xef, *code, value.len() as u8]);
            octets.extend_from_slice(value);
        }
        let format = formats()[which];
        let (afi, safi) = (Afi(family.0), Safi(family.1));
        let route = Route { target: Target::Other(&nlri), path_id, ..Route::end_of_rib(afi, safi) };
        let peer = peer(&format);
        let tags = Tags { tag: None, label: label.as_deref() };
        let event = RouteEvent { tags, ..RouteEvent::new(&format, &peer, UPDATE, route) };
        let json = fragment(&format, Encoding::Json, &octets, &route);
        let mut out = Vec::new();
        RouteEvent { attributes: Some(json.as_ref()), ..event }.json(&HEAD, &mut out);
        prop_assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
        let binary = fragment(&format, Encoding::Avro, &octets, &route);
        avro(&schema::of_log(&format), &RouteEvent { attributes: Some(binary.as_ref()), ..event });
        let text = fragment(&format, Encoding::AvroJson, &octets, &route);
        out.clear();
        let is_written = RouteEvent { attributes: Some(text.as_ref()), ..event }.avro_json(&HEAD, &mut out);
        prop_assert!(is_written);
        prop_assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
        RouteEvent { kind: RouteKind::Dump, attributes: Some(FragmentRef::default()), ..event }.mrt(&HEAD, MrtPlace::default(), &mut out);
    }
}
