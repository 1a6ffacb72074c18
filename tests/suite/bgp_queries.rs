//! What the HTTP endpoint of a BGP daemon shows: peers, routes, metrics.

use crate::bgp::{Log, TABLES, own_address, pmbgpd};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use testkit::bgp::update::{numbered_nlri, vpn};
use testkit::bgp::{Open, Speaker, Update};
use testkit::{Process, eventually};

/// Two peers with routes: addresses, and the sessions.
fn loaded() -> (Process, [String; 2], Vec<Speaker>) {
    let process = pmbgpd(TABLES).more_config("http_listen: {dir}/http").start_tcp();
    let sources = [own_address(), own_address()];
    let mut speakers: Vec<Speaker> = (65_001..)
        .zip(&sources)
        .map(|(asn, source)| {
            let open = Open::new(asn, source.parse().expect("an IPv4 address")).family(1, 128);
            Speaker::establish(source, process.setup().address(), &open)
        })
        .collect();
    let update = |asn| Update::route(&[asn], [10, 0, 0, 1].into());
    speakers[0].send(&update(65_001).announce(["10.0.0.0/8", "10.1.0.0/16"]).finish());
    let next_hop = [0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1];
    let in_vpn = Update::new().origin(0).as_path(&[65_001]);
    speakers[0].send(&in_vpn.reach(1, 128, &next_hop, &vpn(100, (65_001, 1), "10.1.0.0/16")).finish());
    speakers[1].send(&update(65_002).announce(["10.0.0.0/8"]).finish());
    Log::with_tables(&process).wait_for_routes(4);
    (process, sources, speakers)
}

/// Status and body of the answer.
pub(crate) fn get(process: &Process, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(process.setup().path("http")).expect("the endpoint listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    (status, if is_chunked { joined(body) } else { body.to_owned() })
}

/// The chunks of a body (RFC 9112 section 7.1).
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("the length of a chunk");
        body.push_str(&rest[..length]);
        chunks = rest[length..].trim_start_matches("\r\n");
    }
    body
}

pub(crate) fn lines(process: &Process, path: &str) -> Vec<Value> {
    let (status, body) = get(process, path);
    assert_eq!(status, 200, "{path}: {body}");
    body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Peer and prefix of each route of an answer, sorted.
fn routes(process: &Process, query: &str) -> Vec<(String, String)> {
    let text = |route: &Value, name: &str| route[name].as_str().unwrap_or_default().to_owned();
    let routes = lines(process, &format!("/api/bgp/routes?{query}"));
    let mut found: Vec<(String, String)> =
        routes.iter().map(|route| (text(route, "peer_ip_src"), text(route, "ip_prefix"))).collect();
    found.sort();
    found
}

#[test]
fn peers_are_listed() {
    let (process, sources, speakers) = loaded();
    let peers = lines(&process, "/api/bgp/peers");
    let mut found: Vec<(&str, u64, u64)> = peers
        .iter()
        .map(|peer| {
            let number = |name: &str| peer[name].as_u64().unwrap_or_default();
            (peer["peer_ip_src"].as_str().unwrap_or_default(), number("peer_as"), number("routes"))
        })
        .collect();
    found.sort_by_key(|peer| peer.1);
    assert_eq!(found, [(sources[0].as_str(), 65_001, 3), (sources[1].as_str(), 65_002, 1)]);
    drop(speakers);
    eventually("the end of the sessions", || lines(&process, "/api/bgp/peers").is_empty().then_some(()));
    assert!(routes(&process, "").is_empty());
    process.stop();
}

#[test]
fn routes_are_found_by_peer_and_prefix() {
    let (process, [one, two], _speakers) = loaded();
    let (short, long) = ("10.0.0.0/8", "10.1.0.0/16");
    let of = |peer: &str, prefix: &str| (peer.to_owned(), prefix.to_owned());
    let sorted = |mut expected: Vec<(String, String)>| {
        expected.sort();
        expected
    };
    assert_eq!(routes(&process, "prefix=10.0.0.0/8"), sorted(vec![of(&one, short), of(&two, short)]));
    assert_eq!(routes(&process, &format!("prefix=10.0.0.0/8&peer={two}")), [of(&two, short)]);
    assert_eq!(routes(&process, &format!("prefix=10.1.2.3&peer={one}")), [of(&one, long)]);
    assert_eq!(routes(&process, &format!("prefix=10.1.2.0/24&match=longest&peer={one}")), [of(&one, long)]);
    assert_eq!(routes(&process, "prefix=10.1.2.0/24"), []);
    let below = routes(&process, &format!("prefix=10.0.0.0/8&match=more-specific&peer={one}"));
    assert!(below.contains(&of(&one, long)), "{below:?}");
    let in_vpn = lines(&process, "/api/bgp/routes?prefix=10.1.0.0/16&rd=0:65001:1");
    assert_eq!((in_vpn.len(), &in_vpn[0]["mpls_label"]), (1, &Value::from("100")));
    assert_eq!(routes(&process, "limit=1").len(), 1);
    for wrong in ["prefix=10.0.0.0", "prefix=x", "match=best", "limit=-1", "color=red"] {
        let (status, text) = get(&process, &format!("/api/bgp/routes?{wrong}"));
        if wrong != "prefix=10.0.0.0" {
            assert_eq!(status, 400, "{wrong}: {text}");
        }
    }
    process.stop();
}

#[test]
fn long_answers_are_complete_while_tables_change() {
    const COUNT: u32 = 20_000;
    let (process, [one, _], mut speakers) = loaded();
    let update = Update::route(&[65_001, 65_002], [10, 0, 0, 1].into());
    update.announcing(numbered_nlri(0..COUNT)).iter().for_each(|message| speakers[0].send(message));
    let query = format!("match=more-specific&prefix=20.0.0.0/8&peer={one}");
    eventually("the table", || (routes(&process, &query).len() == COUNT as usize).then_some(()));
    let messages = update.announcing(numbered_nlri(COUNT..2 * COUNT));
    std::thread::scope(|scope| {
        scope.spawn(|| messages.iter().for_each(|message| speakers[0].send(message)));
        let found = routes(&process, &query);
        let first: Vec<&(String, String)> =
            found.iter().filter(|(_, prefix)| !prefix.starts_with("10.")).collect();
        assert!(first.len() >= COUNT as usize, "{} routes", first.len());
    });
    process.stop();
}

#[test]
fn metrics_count_sessions_messages_and_routes() {
    let (process, sources, mut speakers) = loaded();
    let broken = Update::route(&[65_001], [10, 0, 0, 1].into()).attribute(0xc0, 8, &[1, 2, 3]);
    speakers[0].send(&broken.announce(["10.0.0.0/8"]).finish());
    speakers[0].keepalive();
    let page = get(&process, "/metrics").1;
    let value = |name: &str| -> f64 {
        let values = page.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum()
    };
    assert_eq!(value("pmacct_bgp_sessions "), 2.0, "{page}");
    assert_eq!(value("pmacct_bgp_connections_accepted_total"), 2.0);
    assert_eq!(value("pmacct_bgp_messages_received_total{type=\"open\"}"), 2.0);
    assert_eq!(value("pmacct_bgp_messages_received_total{type=\"update\"}"), 4.0);
    assert_eq!(value("pmacct_bgp_update_errors_total"), 1.0);
    // One was withdrawn by the broken UPDATE.
    assert_eq!(value("pmacct_bgp_routes{"), 3.0, "{page}");
    assert!(sources.iter().all(|source| page.contains(source)), "{page}");
    assert!(value("pmacct_bgp_rib_bytes") > 0.0);
    process.stop();
}
