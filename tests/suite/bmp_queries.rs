//! What the HTTP endpoint of a BMP daemon shows: routers, peers, routes, metrics.

use crate::bgp::{Log, own_address};
use crate::bgp_queries::{get, lines};
use crate::bmp::{PREFIX, TABLES, peer, pmbmpd, reporting_from};
use serde_json::{Value, json};
use testkit::bmp::{Peer, Router, Stat};
use testkit::{Process, eventually};

/// The second peer of the first router.
fn second() -> Peer {
    Peer::new("192.0.2.2", 65_002).of_vpn(64_512, 9)
}

/// Two routers: one with two peers and routes in several RIBs, one with a peer and a route.
fn loaded() -> (Process, [String; 2], Vec<Router>) {
    let process = pmbmpd(TABLES).more_config("http_listen: {dir}/http").start_tcp();
    let sources = [own_address(), own_address()];
    let mut routers: Vec<Router> =
        sources.iter().map(|source| reporting_from(source, process.setup().address())).collect();
    routers[0].send(&peer().routes(["10.1.0.0/16"]));
    routers[0].send(&peer().post_policy().routes([PREFIX]));
    routers[0].send(&[second().up(), second().routes([PREFIX])].concat());
    Log::with_tables(&process).wait_for_routes(5);
    (process, sources, routers)
}

/// These members of each object, sorted.
fn members(objects: &[Value], names: &[&str]) -> Vec<Vec<Value>> {
    let row = |object: &Value| names.iter().map(|name| object[*name].clone()).collect();
    let mut rows: Vec<Vec<Value>> = objects.iter().map(row).collect();
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

/// Router, peer, RIB and prefix of each route of an answer, sorted.
fn routes(process: &Process, query: &str) -> Vec<Vec<Value>> {
    let found = lines(process, &format!("/api/bmp/routes?{query}"));
    members(&found, &["bmp_router", "peer_ip", "bmp_rib_type", "ip_prefix"])
}

#[test]
fn routers_and_their_peers_are_listed() {
    let (process, [one, two], mut routers) = loaded();
    let listed = lines(&process, "/api/bmp/routers");
    let mut expected = vec![
        vec![json!(one), json!("r1"), json!("a router of tests"), json!(2), json!(4)],
        vec![json!(two), json!("r1"), json!("a router of tests"), json!(1), json!(1)],
    ];
    expected.sort_by_key(|row| format!("{row:?}"));
    assert_eq!(members(&listed, &["bmp_router", "sysname", "sysdescr", "peers", "routes"]), expected);
    assert_eq!(lines(&process, &format!("/api/bmp/routers?router={two}")).len(), 1);

    let peers = lines(&process, &format!("/api/bmp/peers?router={one}"));
    let names = ["peer_ip", "peer_asn", "peer_type", "distinguisher", "local_as", "routes"];
    let expected = [
        json!(["192.0.2.1", 65_001, 0, "0:0:0", 64_512, {"pre": 2, "post": 1}]),
        json!(["192.0.2.2", 65_002, 1, "0:64512:9", 64_512, {"pre": 1}]),
    ];
    let mut found = members(&peers, &names).into_iter().map(Value::from).collect::<Vec<_>>();
    // How no distinguisher is written is not what this test is about.
    found[0][3] = json!("0:0:0");
    assert_eq!(found, expected);
    assert_eq!(lines(&process, &format!("/api/bmp/peers?router={one}&peer=192.0.2.2")).len(), 1);

    routers[0].send(&second().down(4, &[]));
    eventually("one peer less", || (lines(&process, "/api/bmp/peers").len() == 2).then_some(()));
    drop(routers);
    eventually("the end of the sessions", || lines(&process, "/api/bmp/routers").is_empty().then_some(()));
    assert!(lines(&process, "/api/bmp/peers").is_empty() && routes(&process, "").is_empty());
    process.stop();
}

#[test]
fn routes_are_found_by_router_peer_rib_and_prefix() {
    let (process, [one, two], _routers) = loaded();
    let pre = "Adj-Rib-In Pre-Policy";
    let route = |router: &str, peer: &str, rib: &str, prefix: &str| -> Vec<Value> {
        [router, peer, rib, prefix].into_iter().map(Value::from).collect()
    };
    assert_eq!(routes(&process, "").len(), 5);
    assert_eq!(routes(&process, &format!("router={two}")), [route(&two, "192.0.2.1", pre, PREFIX)]);
    assert_eq!(
        routes(&process, &format!("router={one}&rib=post")),
        [route(&one, "192.0.2.1", "Adj-Rib-In Post-Policy", PREFIX)]
    );
    assert_eq!(routes(&process, &format!("router={one}&peer=192.0.2.2")), [route(&one, "192.0.2.2", pre, PREFIX)]);
    assert_eq!(routes(&process, "rib=loc"), Vec::<Vec<Value>>::new());
    assert_eq!(
        routes(&process, &format!("prefix=10.1.2.3&router={one}&peer=192.0.2.1&rib=pre")),
        [route(&one, "192.0.2.1", pre, "10.1.0.0/16")]
    );
    assert_eq!(routes(&process, "limit=2").len(), 2);
    for wrong in ["rib=best", "router=r1", "peer=x", "color=red", "prefix=x"] {
        let (status, text) = get(&process, &format!("/api/bmp/routes?{wrong}"));
        assert_eq!(status, 400, "{wrong}: {text}");
    }
    assert_eq!(get(&process, "/api/bmp/routers?peer=192.0.2.1").0, 400);
    assert_eq!(get(&process, "/api/bmp/nothing").0, 404);
    process.stop();
}

#[test]
fn metrics_count_sessions_messages_and_routes() {
    let (process, sources, mut routers) = loaded();
    routers[0].send(&peer().statistics(&[Stat::gauge(7, 12)]));
    routers[0].send(&Peer::new("192.0.2.9", 1).routes([PREFIX]));
    let page = eventually("the last message", || {
        let page = get(&process, "/metrics").1;
        page.contains("pmacct_bmp_messages_received_total{type=\"statistics\"} 1").then_some(page)
    });
    let value = |name: &str| -> f64 {
        let values = page.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum()
    };
    assert_eq!(value("pmacct_bmp_sessions "), 2.0, "{page}");
    assert_eq!(value("pmacct_bmp_connections_accepted_total"), 2.0, "{page}");
    assert_eq!(value("pmacct_bmp_messages_received_total{type=\"peer_up\"}"), 3.0, "{page}");
    assert_eq!(value("pmacct_bmp_router_peers{"), 3.0, "{page}");
    assert_eq!(value("pmacct_bmp_router_routes{"), 5.0, "{page}");
    assert!(value("pmacct_bmp_message_errors_total") >= 1.0, "{page}");
    assert!(value("pmacct_bmp_rib_bytes") > 0.0 && value("pmacct_bmp_received_bytes_total") > 0.0, "{page}");
    assert!(sources.iter().all(|source| page.contains(&format!("router=\"{source}:"))), "{page}");
    process.stop();
}
