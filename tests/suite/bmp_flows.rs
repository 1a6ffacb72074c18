//! Flows that meet the routes that routers report over BMP.

use crate::bgp::{Log, own_address};
use crate::bmp::peer;
use crate::support::{UPTIME, nfacctd, v5_of};
use netflow::encode::V5Record;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::bgp::{Open, Speaker, Update};
use testkit::bmp::{Peer, Router};
use testkit::{Process, Setup, eventually};

const DESTINATION: &str = "10.20.0.0/16";

/// A collector of flows that looks destinations up in the routes of routers.
fn looking_up(lines: &str) -> Setup {
    nfacctd(
        "plugins: print[p]
         aggregate[p]: dst_host, dst_as, as_path, std_comm, peer_dst_as, peer_dst_ip, local_pref, dst_net, dst_mask
         print_output[p]: json
         print_output_file[p]: {dir}/out.json
         nfacctd_as: bmp
         nfacctd_net: bmp
         bmp_daemon: true
         bmp_daemon_ip: {ip}
         bmp_daemon_max_peers: 100
         bmp_daemon_msglog_file: {dir}/log.json
         bmp_dump_file: {dir}/dump.json
         bmp_dump_refresh_time: 86400",
    )
    .more_config(lines)
}

/// A daemon, the address where it takes BMP, and its log.
fn start(lines: &str) -> (Process, SocketAddr, Log) {
    let station = testkit::sockets::free_tcp_port([127, 0, 0, 1].into());
    let setup = looking_up(&format!("bmp_daemon_port: {}", station.port())).more_config(lines);
    let process = setup.start();
    let station = SocketAddr::new(process.setup().address().ip(), station.port());
    eventually("the BMP port", || testkit::sockets::is_listened_on(station).then_some(()));
    let log = Log::with_tables(&process);
    (process, station, log)
}

/// A flow to 10.20.0.9.
fn flow() -> Vec<u8> {
    v5_of(&[V5Record {
        addresses: [[10, 10, 0, 5], [10, 20, 0, 9], [192, 0, 2, 254]],
        interfaces: [1, 2],
        packets: 10,
        octets: 1000,
        switched: [UPTIME - 60_000, UPTIME - 10_000],
        ports: [1024, 80],
        flags_protocol_tos: [0x1b, 6, 0],
        ases: [1, 2],
        masks: [24, 24],
    }])
}

/// The one row of a flow from that exporter.
fn row_of(process: Process, exporter: &str) -> Value {
    process.exporter(exporter).send(&flow());
    let finished = process.stop();
    let rows = finished.json("out.json");
    let [row] = &rows[..] else { panic!("{rows:?}\n{}", finished.log) };
    row.clone()
}

/// A route for the destination, by way of these ASes.
fn route(path: &[u32]) -> Vec<u8> {
    Update::route(path, [10, 0, 0, 1].into()).local_pref(200).announce([DESTINATION]).finish()
}

fn path_of(row: &Value) -> &str {
    row["as_path"].as_str().unwrap_or_default()
}

#[test]
fn flows_get_the_routes_of_the_router_that_exports_them() {
    let (process, station, mut log) = start("");
    let (one, two) = (own_address(), own_address());
    let mut routers = [&one, &two].map(|source| Router::start(source, station, "r"));
    routers[0].send(&[peer().up(), peer().monitored(&route(&[65_001, 65_020]))].concat());
    routers[1].send(&[peer().up(), peer().monitored(&route(&[65_002, 65_030]))].concat());
    log.wait_for_routes(2);
    let row = row_of(process, &two);
    for (name, value) in [
        ("as_dst", json!(65_030)),
        ("as_path", json!("65002_65030")),
        ("peer_as_dst", json!(65_002)),
        ("peer_ip_dst", json!("10.0.0.1")),
        ("local_pref", json!(200)),
        ("net_dst", json!("10.20.0.0")),
        ("mask_dst", json!(16)),
        ("packets", json!(10)),
    ] {
        assert_eq!(row[name], value, "{name}: {row}");
    }
}

#[test]
fn flows_of_a_peer_that_went_down_have_no_route() {
    let (process, station, mut log) = start("");
    let source = own_address();
    let mut router = Router::start(&source, station, "r");
    router.send(&[peer().up(), peer().monitored(&route(&[65_001]))].concat());
    log.wait_for_routes(1);
    router.send(&peer().down(4, &[]));
    log.wait_for_routes(0);
    let row = row_of(process, &source);
    assert_eq!((path_of(&row), &row["mask_dst"]), ("", &json!(0)), "{row}");
}

#[test]
fn flows_of_a_router_whose_session_ended_have_no_route() {
    let (process, station, mut log) = start("");
    let source = own_address();
    let mut router = Router::start(&source, station, "r");
    router.send(&[peer().up(), peer().monitored(&route(&[65_001]))].concat());
    log.wait_for_routes(1);
    router.reset();
    log.wait_for_routes(0);
    assert_eq!(path_of(&row_of(process, &source)), "");
}

/// The path of a flow whose router has a route in each RIB; first that of the Adj-RIB-Out, last that before policies.
fn preferred(lines: &str) -> String {
    let (process, station, mut log) = start(lines);
    let source = own_address();
    let mut router = Router::start(&source, station, "r");
    let loc = Peer::loc_rib(64_512, [10, 255, 0, 1].into());
    router.send(&[peer().up(), loc.up()].concat());
    let ribs =
        [(peer().out(), 3), (peer().out().post_policy(), 4), (loc, 5), (peer().post_policy(), 2), (peer(), 1)];
    for (count, (rib, last)) in (1..).zip(ribs) {
        router.send(&rib.monitored(&route(&[65_001, last])));
        log.wait_for_routes(count);
    }
    path_of(&row_of(process, &source)).to_owned()
}

#[test]
fn the_rib_that_counts_is_configured() {
    for (preference, last) in
        [("pre", 1), ("post", 2), ("out_pre", 3), ("out_post", 4), ("loc", 5), ("loc, pre", 5)]
    {
        let found = preferred(&format!("bmp_rib_preference: {preference}"));
        assert_eq!(found, format!("65001_{last}"), "{preference}");
    }
    // By default the oldest route counts.
    assert_eq!(preferred(""), "65001_3");
}

#[test]
fn a_rib_without_a_route_leaves_it_to_the_next_one() {
    let (process, station, mut log) = start("bmp_rib_preference: loc, post");
    let source = own_address();
    let mut router = Router::start(&source, station, "r");
    router.send(&[peer().up(), peer().monitored(&route(&[65_001, 1]))].concat());
    router.send(&peer().post_policy().monitored(&route(&[65_001, 2])));
    log.wait_for_routes(2);
    assert_eq!(path_of(&row_of(process, &source)), "65001_2");
}

#[test]
fn exporters_with_a_bgp_peer_get_its_routes_and_others_those_of_bmp() {
    let bgp = testkit::sockets::free_tcp_port([127, 0, 0, 1].into());
    let lines = format!(
        "bgp_daemon: true
         bgp_daemon_ip: {{ip}}
         bgp_daemon_port: {}
         bgp_daemon_as: 64512
         bgp_daemon_id: 10.255.0.1
         bgp_daemon_max_peers: 10
         bgp_daemon_msglog_file: {{dir}}/bgp.json",
        bgp.port()
    );
    for (has_peer, expected) in [(true, "65001_65099"), (false, "65001_65020")] {
        let (process, station, mut log) = start(&lines);
        let source = own_address();
        let mut router = Router::start(&source, station, "r");
        router.send(&[peer().up(), peer().monitored(&route(&[65_001, 65_020]))].concat());
        log.wait_for_routes(1);
        let target = SocketAddr::new(station.ip(), bgp.port());
        eventually("the BGP port", || testkit::sockets::is_listened_on(target).then_some(()));
        let speaks = if has_peer { source.clone() } else { own_address() };
        let open = Open::new(65_001, speaks.parse().expect("an IPv4 address"));
        let mut speaker = Speaker::establish(&speaks, target, &open);
        speaker.send(&route(&[65_001, 65_099]));
        Log::new(&process, "bgp.json", false).wait_for_routes(1);
        assert_eq!(path_of(&row_of(process, &source)), expected, "has a BGP peer: {has_peer}");
    }
}

#[test]
fn a_map_names_the_router_of_an_exporter() {
    let router = own_address();
    let exporter = own_address();
    let station = testkit::sockets::free_tcp_port([127, 0, 0, 1].into());
    let setup = looking_up(&format!("bmp_daemon_port: {}\nbmp_agent_map: {{dir}}/agents", station.port()))
        .file("agents", format!("bmp_ip={router} ip={exporter}\n"));
    let process = setup.start();
    let station = SocketAddr::new(process.setup().address().ip(), station.port());
    eventually("the BMP port", || testkit::sockets::is_listened_on(station).then_some(()));
    let mut log = Log::with_tables(&process);
    let mut session = Router::start(&router, station, "r");
    session.send(&[peer().up(), peer().monitored(&route(&[65_001, 65_020]))].concat());
    log.wait_for_routes(1);
    assert_eq!(path_of(&row_of(process, &exporter)), "65001_65020");
}
