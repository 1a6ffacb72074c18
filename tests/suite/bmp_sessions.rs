//! Sessions of BMP with scripted routers: how they begin, who may have one, what they report, and how they end.

use crate::bgp::{Log, own_address, stable};
use crate::bmp::{PREFIX, has_route, of, peer, pmbmpd, reporting, reporting_from, started, with};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::bgp::update::{prefix, with_path};
use testkit::bgp::{Open, Update};
use testkit::bmp::message::{INITIATION, ROUTE_MONITORING, STRING, indexed_tlv, message, tlv};
use testkit::bmp::{Peer, PeerUp, Router, Stat, initiation, proxy, termination};
use testkit::process::Signal;
use testkit::{Process, eventually};

/// Time that a collector may take to refuse a router: much more than it needs.
const REFUSAL: Duration = Duration::from_secs(10);
/// Time after which a router that was not refused is accepted.
const ACCEPTANCE: Duration = Duration::from_millis(500);

/// A router from that address, if the collector accepts it.
fn accepted(process: &Process, source: &str) -> Option<Router> {
    let mut router = Router::try_connect(source, process.setup().address(), REFUSAL).ok()?;
    router.try_send(&initiation("r", "accepted or not")).ok()?;
    (!router.ends_within(ACCEPTANCE)).then_some(router)
}

/// What a router reports in all tests of the stream.
fn report() -> Vec<u8> {
    let peer = peer();
    let update = peer.update().med(50).communities(&[(65_001, 100)]);
    [
        initiation("r1", "a router of tests"),
        peer.up(),
        peer.monitored(&update.announce(["192.0.2.0/24", PREFIX]).finish()),
        peer.withdrawal(["192.0.2.0/24"]),
        peer.monitored(&Update::new().finish()),
        peer.statistics(&[Stat::gauge(7, 12), Stat::counter(5, 3)]),
        peer.down(3, &[]),
        termination(0),
    ]
    .concat()
}

/// The events of [`report`].
fn events_of_report(source: &str) -> Vec<Value> {
    let peer = peer();
    let router = |more: Value| with(of(source, None), more);
    let of_peer = |more: Value| with(of(source, Some(&peer)), more);
    let route = |log_type: &str, more: Value| {
        let event = of_peer(json!({"bmp_msg_type": "route_monitor", "log_type": log_type, "afi": 1, "safi": 1}));
        with(event, more)
    };
    let attributes = |prefix: &str| {
        json!({
            "ip_prefix": prefix, "bgp_nexthop": "192.0.2.1", "as_path": "65001", "origin": "i", "med": 50,
            "comms": "65001:100",
        })
    };
    let counter = |kind: u16, text: &str, value: u64| {
        of_peer(json!({
            "bmp_msg_type": "stats", "peer_type": 0, "counter_type": kind, "counter_type_str": text,
            "counter_value": value,
        }))
    };
    let kind = json!({"peer_type": 0, "peer_type_str": "Global Instance Peer"});
    let up = json!({
        "bmp_msg_type": "peer_up", "local_as": 64_512, "local_ip": "192.0.2.254", "local_port": 179,
        "remote_port": 33_333,
    });
    let down = json!({
        "bmp_msg_type": "peer_down", "reason_type": 3,
        "reason_str": "The remote system closed the session",
    });
    vec![
        json!({"event_type": "log_init", "bmp_router": source}),
        router(json!({
            "bmp_msg_type": "init", "bmp_init_info_sysdescr": "a router of tests", "bmp_init_info_sysname": "r1",
        })),
        with(of_peer(up), kind.clone()),
        route("update", attributes("192.0.2.0/24")),
        route("update", attributes(PREFIX)),
        route("withdraw", json!({"ip_prefix": "192.0.2.0/24"})),
        route("end-of-rib", json!({})),
        counter(7, "Number of routes in Adj-RIBs-In", 12),
        counter(5, "Number of updates invalidated due to ORIGINATOR_ID", 3),
        with(of_peer(down), kind),
        router(json!({"bmp_msg_type": "term", "bmp_term_info_reason": "Session administratively closed"})),
        json!({"event_type": "log_close", "bmp_router": source}),
    ]
}

#[test]
fn messages_become_events_in_any_segments() {
    let process = pmbmpd("").start_tcp();
    let mut log = Log::of(&process);
    let report = report();
    let mut logged = 0;
    for segments in [&[usize::MAX][..], &[1], &[5, 1, 7], &[6], &[47, 1], &[100]] {
        let source = own_address();
        let mut router = Router::connect(&source, process.setup().address());
        router.send_in_segments(&report, segments);
        assert!(router.wait_for_end().is_empty(), "a collector sends nothing");
        let closed = log.count("log_close") + 1;
        log.wait("the end of the session", |log| log.count("log_close") == closed);
        let events = stable(&log.events()[logged..]);
        assert_eq!(events, events_of_report(&source), "segments of {segments:?}");
        logged += events.len();
    }
    let numbers: Vec<Value> = log.events().iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(numbers, (0..numbers.len()).map(Value::from).collect::<Vec<_>>());
    process.stop();
}

#[test]
fn the_clocks_of_router_and_collector_are_both_shown() {
    let (process, log, _router, _) = started(&pmbmpd(""));
    let event = &log.events()[3];
    assert_eq!(event["timestamp"], "2023-11-14 22:13:20.123456");
    let arrival = event["timestamp_arrival"].as_str().expect("the time of arrival");
    assert!(arrival > "2025", "{arrival}");
    process.stop();
}

#[test]
fn the_number_of_routers_is_bounded() {
    let process = pmbmpd("bmp_daemon_max_peers: 2").start_tcp();
    let mut log = Log::of(&process);
    let (mut first, _) = reporting(process.setup().address());
    let (second, _) = reporting(process.setup().address());
    log.wait_for_routes(2);
    let third = own_address();
    assert!(accepted(&process, &third).is_none());
    process.wait_for_log("bmp_daemon_max_peers");
    first.send(&peer().routes(["11.0.0.0/8"]));
    log.wait_for_routes(3);
    // A place that becomes free can be taken.
    drop(second);
    drop(eventually("a free place", || accepted(&process, &third)));
    process.stop();
}

#[test]
fn only_listed_routers_are_accepted_and_the_list_can_be_reloaded() {
    let (one, two) = (own_address(), own_address());
    let setup = pmbmpd("bmp_daemon_allow_file: {dir}/allow").file("allow", format!("{one}\n"));
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let mut first = reporting_from(&one, setup.address());
    log.wait_for_routes(1);
    assert!(accepted(&process, &two).is_none());
    process.wait_for_log(&two);
    let _setup = setup.file("allow", format!("{two}\n"));
    process.signal(Signal::SIGUSR2);
    eventually("the new list", || accepted(&process, &two));
    // A session that exists stays.
    first.send(&peer().routes(["11.0.0.0/8"]));
    log.wait_for_routes(2);
    process.stop();
}

#[test]
fn a_batch_of_routers_is_accepted_in_each_interval() {
    const INTERVAL: Duration = Duration::from_secs(4);
    let process =
        pmbmpd("bmp_daemon_batch: 2\nbmp_daemon_batch_interval: 4\nbmp_daemon_max_peers: 20").start_tcp();
    let mut log = Log::of(&process);
    let begin = Instant::now();
    let mut waiting: Vec<String> = (0..6).map(|_| own_address()).collect();
    let mut routers = Vec::new();
    let mut times = Vec::new();
    eventually("all routers", || {
        waiting.retain(|source| {
            let router = accepted(&process, source);
            times.extend(router.is_some().then(|| begin.elapsed()));
            let stays = router.is_none();
            routers.extend(router);
            stays
        });
        waiting.is_empty().then_some(())
    });
    // At most one more than a batch at first; the last ones need another interval.
    assert!(times[3] >= INTERVAL - Duration::from_millis(1100), "{times:?}");
    routers[0].send(&[peer().up(), peer().routes([PREFIX])].concat());
    log.wait_for_routes(1);
    process.stop();
}

#[test]
fn routers_connect_over_ipv6() {
    if !testkit::sockets::has_ipv6() {
        return;
    }
    let process = pmbmpd("").on_ipv6().start_tcp();
    let mut log = Log::of(&process);
    let mut router = reporting_from("::1", process.setup().address());
    let six = Peer::new("2001:db8::1", 65_002);
    router.send(&six.up());
    let next_hop = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let update = Update::new().origin(0).as_path(&[65_002]).reach(2, 1, &next_hop, &prefix("2001:db8:1::/48"));
    router.send(&six.monitored(&update.finish()));
    log.wait_for_routes(2);
    let route = &log.prefix("2001:db8:1::/48")[0];
    assert_eq!(
        (&route["bmp_router"], &route["peer_ip"], &route["bgp_nexthop"], &route["afi"]),
        (&json!("::1"), &json!("2001:db8::1"), &json!("2001:db8::1"), &json!(2))
    );
    process.stop();
}

#[test]
fn a_socket_for_both_families_shows_ipv4_addresses() {
    if !testkit::sockets::has_ipv6() {
        return;
    }
    let process = pmbmpd("bmp_daemon_ip: ::").spawn();
    let mut log = Log::of(&process);
    let port = process.setup().address().port();
    let all = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port);
    eventually("the TCP port", || testkit::sockets::is_listened_on(all).then_some(()));
    let source = own_address();
    let target = SocketAddr::new(source.parse().expect("an address"), port);
    let _router = reporting_from(&source, target);
    log.wait_for_routes(1);
    assert!(has_route(&log, &source));
    process.stop();
}

#[test]
fn a_router_that_was_reset_returns_at_once() {
    let (process, mut log, first, source) = started(&pmbmpd(""));
    let before = Instant::now();
    first.reset();
    let mut second = Router::start(&source, process.setup().address(), "again");
    second.send(&[peer().up(), peer().routes(["11.0.0.0/8"])].concat());
    log.wait("the route of the new session", |log| log.prefix("11.0.0.0/8").len() == 1);
    log.wait("the end of the old session", |log| !has_route(log, &source));
    assert!(before.elapsed() < Duration::from_secs(20));
    process.stop();
}

#[test]
fn two_routers_behind_one_address_have_their_own_routes() {
    let process = pmbmpd(crate::bmp::TABLES).start_tcp();
    let mut log = Log::with_tables(&process);
    let source = own_address();
    let mut routers: Vec<Router> = (0..2).map(|_| reporting_from(&source, process.setup().address())).collect();
    log.wait_for_routes(2);
    let mut ports: Vec<u16> = log.routes.keys().map(|key| key.port).collect();
    let mut expected: Vec<u16> = routers.iter().map(|router| router.local().port()).collect();
    ports.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ports, expected);
    drop(routers.pop());
    log.wait_for_routes(1);
    routers[0].send(&peer().routes(["11.0.0.0/8"]));
    log.wait_for_routes(2);
    assert!(log.routes.keys().all(|key| key.port == routers[0].local().port()));
    process.stop();
}

#[test]
fn a_router_that_lost_its_power_is_replaced_by_its_next_session() {
    let setup = pmbmpd(crate::bmp::TABLES);
    let process = setup.start_tcp();
    let mut log = Log::with_tables(&process);
    let (old, source) = reporting(setup.address());
    log.wait_for_routes(1);
    let port = old.local().port();
    if !old.vanish() {
        return;
    }
    let mut new = reporting_from(&source, setup.address());
    new.send(&peer().routes(["11.0.0.0/8"]));
    log.wait("the routes of the new session alone", |log| {
        log.routes.len() == 2 && log.routes.keys().all(|key| key.port != port)
    });
    process.stop();
}

#[test]
fn routers_hear_the_end_at_a_shutdown_and_the_log_is_complete() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let process = pmbmpd("").start_tcp();
        let mut log = Log::of(&process);
        let (mut one, _) = reporting(process.setup().address());
        let (mut two, _) = reporting(process.setup().address());
        log.wait_for_routes(2);
        // The folder goes with it.
        let _finished = process.stop_with(signal);
        assert!(one.wait_for_end().is_empty() && two.wait_for_end().is_empty());
        log.update();
        // As with pmacct, the end of the daemon is not that of a session.
        assert_eq!((log.events().len(), log.count("log_close")), (8, 0));
    }
}

#[test]
fn the_ribs_of_a_peer_are_apart() {
    let process = pmbmpd(crate::bmp::TABLES).start_tcp();
    let mut log = Log::with_tables(&process);
    let mut router = Router::start(&own_address(), process.setup().address(), "r1");
    let loc = Peer::loc_rib(64_512, [10, 255, 0, 1].into());
    let ribs = [peer(), peer().post_policy(), peer().out(), peer().out().post_policy(), loc.clone()];
    router.send(&[peer().up(), loc.up()].concat());
    ribs.iter().for_each(|rib| router.send(&rib.routes([PREFIX])));
    log.wait_for_routes(5);
    let found: Vec<&str> = log.routes.keys().map(|key| key.rib.as_str()).collect();
    let expected = [
        "Adj-Rib-In Post-Policy",
        "Adj-Rib-In Pre-Policy",
        "Adj-Rib-Out Post-Policy",
        "Adj-Rib-Out Pre-Policy",
        "Loc-Rib",
    ];
    assert_eq!(found, expected);
    router.send(&peer().post_policy().withdrawal([PREFIX]));
    log.wait_for_routes(4);
    // A peer down ends all RIBs of the peer, and not that of the router.
    router.send(&peer().down(1, &testkit::bgp::message::notification(6, 2, &[])));
    log.wait_for_routes(1);
    assert!(log.routes.keys().all(|key| key.rib == "Loc-Rib"));
    router.send(&loc.down(6, &[]));
    log.wait_for_routes(0);
    process.stop();
}

#[test]
fn routes_without_a_next_hop_are_those_of_the_router() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    router.send(&peer().monitored(&Update::new().origin(0).as_path(&[65_001]).announce(["11.0.0.0/8"]).finish()));
    log.wait("the route", |log| log.prefix("11.0.0.0/8").len() == 1);
    let event = log.events().pop().expect("it has one");
    assert_eq!((&event["log_type"], &event["bgp_nexthop"]), (&json!("update"), &json!("0.0.0.0")));
    process.stop();
}

#[test]
fn peers_of_one_address_in_two_vrfs_are_apart() {
    let process = pmbmpd(crate::bmp::TABLES).start_tcp();
    let mut log = Log::with_tables(&process);
    let mut router = Router::start(&own_address(), process.setup().address(), "r1");
    let (red, blue) = (peer().of_vpn(64_512, 1), peer().of_vpn(64_512, 2));
    for peer in [&peer(), &red, &blue] {
        router.send(&[peer.up(), peer.routes([PREFIX])].concat());
    }
    log.wait_for_routes(3);
    let distinguishers: Vec<&str> = log.routes.keys().map(|key| key.rd.as_str()).collect();
    assert_eq!(distinguishers, ["", "0:64512:1", "0:64512:2"]);
    assert_eq!(log.prefix(PREFIX)[1]["rd_origin"], "bmp");
    router.send(&red.down(2, &[0, 9]));
    log.wait_for_routes(2);
    assert!(log.routes.keys().all(|key| key.rd != "0:64512:1"));
    process.stop();
}

/// A Peer Up whose OPENs offer path identifiers or not: the router's own, that of the peer.
fn paths(sent: Option<u8>, received: Option<u8>) -> PeerUp {
    let open = |asn, id: [u8; 4], offer: Option<u8>| {
        let open = Open::new(asn, id.into());
        offer.map_or(open.clone(), |offer| open.capability(69, &[0, 1, 1, offer])).finish()
    };
    PeerUp {
        sent: open(64_512, [192, 0, 2, 254], sent),
        received: open(65_001, [192, 0, 2, 1], received),
        ..peer().session()
    }
}

#[test]
fn path_identifiers_are_read_where_both_opens_agree() {
    const RECEIVE: Option<u8> = Some(1);
    const SEND: Option<u8> = Some(2);
    const BOTH: Option<u8> = Some(3);
    let process = pmbmpd("").start_tcp();
    let mut log = Log::of(&process);
    // Sent, received, whether the Adj-RIB-In has identifiers, whether the Adj-RIB-Out has them.
    let cases = [
        (None, None, false, false),
        (RECEIVE, SEND, true, false),
        (SEND, RECEIVE, false, true),
        (BOTH, BOTH, true, true),
        (RECEIVE, None, false, false),
        (None, SEND, false, false),
        (SEND, SEND, false, false),
        (RECEIVE, RECEIVE, false, false),
    ];
    for (sent, received, inbound, outbound) in cases {
        let source = own_address();
        let mut router = Router::start(&source, process.setup().address(), "r1");
        router.send(&peer().up_with(&paths(sent, received)));
        for (rib, has_paths) in [(peer(), inbound), (peer().out(), outbound)] {
            let nlri = prefix(PREFIX);
            let nlri = if has_paths { with_path(7, &nlri) } else { nlri };
            router.send(&rib.monitored(&rib.update().announce_raw(&nlri).finish()));
        }
        let of_router = |log: &Log| -> Vec<Option<u32>> {
            log.routes.keys().filter(|key| key.router == source).map(|key| key.path).collect()
        };
        let both = |log: &Log| of_router(log).len() == 2;
        log.wait(&format!("routes with {sent:?}, {received:?}"), both);
        let id = |has_paths: bool| has_paths.then_some(7);
        assert_eq!(of_router(&log), [id(inbound), id(outbound)], "{sent:?}, {received:?}");
        assert_eq!(log.routes.keys().filter(|key| key.router == source && key.prefix == PREFIX).count(), 2);
    }
    process.stop();
}

#[test]
fn a_loc_rib_that_comes_up_family_by_family_keeps_its_routes() {
    let process = pmbmpd(crate::bmp::TABLES).start_tcp();
    let mut log = Log::with_tables(&process);
    let mut router = Router::start(&own_address(), process.setup().address(), "r1");
    let loc = Peer::loc_rib(64_512, [10, 255, 0, 1].into());
    router.send(&loc.up());
    router.send(&loc.routes([PREFIX]));
    log.wait_for_routes(1);
    // The OPENs of the other family, in which there are path identifiers.
    let open = Open::without_capabilities(64_512, [10, 255, 0, 1].into()).family(2, 1);
    let open = open.capability(65, &64_512_u32.to_be_bytes()).capability(69, &[0, 2, 1, 3]).finish();
    router.send(&loc.up_with(&PeerUp { sent: open.clone(), received: open, ..loc.session() }));
    let next_hop: [u8; 16] = std::array::from_fn(|at| u8::from(at == 15));
    let update =
        Update::new().origin(0).as_path(&[]).reach(2, 1, &next_hop, &with_path(7, &prefix("2001:db8::/32")));
    router.send(&loc.monitored(&update.finish()));
    log.wait_for_routes(2);
    assert_eq!(log.routes.keys().map(|key| key.path).collect::<Vec<_>>(), [None, Some(7)]);
    // Its end names the path as well, also of a family that came up later.
    router.send(&loc.down(6, &[]));
    log.wait_for_routes(0);
    process.stop();
}

#[test]
fn as_paths_of_two_octets_are_read_with_the_a_flag() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    let path = [2, 2, 0xfd, 0xe9, 0x5b, 0xa0];
    let update = Update::new().origin(0).attribute(0x40, 2, &path).next_hop([10, 0, 0, 1].into());
    router.send(&peer().two_octets().monitored(&update.announce(["11.0.0.0/8"]).finish()));
    log.wait_for_routes(2);
    assert_eq!(log.prefix("11.0.0.0/8")[0]["as_path"], "65001 23456");
    process.stop();
}

#[test]
fn routes_of_unknown_peers_are_not_taken() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    let stranger = Peer::new("192.0.2.9", 65_009);
    router.send(&stranger.routes(["11.0.0.0/8"]));
    router.send(&[stranger.down(4, &[]), stranger.routes(["12.0.0.0/8"])].concat());
    router.send(&peer().routes(["13.0.0.0/8"]));
    log.wait_for_routes(2);
    assert!(log.prefix("11.0.0.0/8").is_empty() && log.prefix("12.0.0.0/8").is_empty());
    process.wait_for_log("192.0.2.9");
    process.stop();
}

#[test]
fn a_termination_ends_the_session() {
    let (process, mut log, mut router, source) = started(&pmbmpd(""));
    router.send(&termination(4));
    assert!(router.wait_for_end().is_empty());
    log.wait("the end of the session", |log| log.count("log_close") == 1 && !has_route(log, &source));
    assert_eq!(log.count("term"), 1);
    process.stop();
}

#[test]
fn mirrored_messages_become_events() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    let update = peer().update().announce(["11.0.0.0/8"]).finish();
    router.send(&peer().mirrored(&[update, testkit::bgp::message::keepalive()]));
    router.send(&peer().mirrored_code(1));
    router.send(&peer().routes(["12.0.0.0/8"]));
    log.wait("the route after it", |log| log.prefix("12.0.0.0/8").len() == 1);
    assert!(log.count("route_mirroring") >= 3, "{:?}", log.events());
    process.stop();
}

#[test]
fn a_router_may_mix_versions_3_and_4() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    let peer = peer();
    let update = peer.update().announce(["11.0.0.0/8"]).finish();
    router.send(&peer.message_4(ROUTE_MONITORING, &indexed_tlv(4, 0, &update)));
    router.send(&peer.routes(["12.0.0.0/8"]));
    log.wait_for_routes(3);
    process.stop();
}

#[test]
fn unknown_code_points_are_shown_and_cost_nothing() {
    let (process, mut log, mut router, _) = started(&pmbmpd(""));
    let peer = peer();
    router.send(&message(INITIATION, &[tlv(STRING, b"hello"), tlv(77, &[0xde, 0xad])].concat()));
    router.send(&message(99, b"a type of the future"));
    router.send(&peer.statistics(&[Stat::counter(4242, 7)]));
    router.send(&Peer { kind: 200, ..peer.clone() }.up());
    router.send(&peer.routes(["11.0.0.0/8"]));
    log.wait("the route after them", |log| log.prefix("11.0.0.0/8").len() == 1);
    let events = log.events();
    let of = |kind: &str| events.iter().rfind(|event| event["bmp_msg_type"] == kind);
    assert_eq!(of("init").map(|event| event["bmp_init_info_77"].clone()), Some(json!("DE-AD")));
    assert_eq!(of("stats").map(|event| event["counter_type"].clone()), Some(json!(4242)));
    process.stop();
}

#[test]
fn the_header_of_a_proxy_names_the_router() {
    let process = pmbmpd("bmp_daemon_parse_proxy_header: true\nbmp_daemon_max_peers: 100").start_tcp();
    let mut log = Log::of(&process);
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let (four, six) = (address("203.0.113.9:4711"), address("[2001:db8::9]:4712"));
    let (to_four, to_six) = (address("203.0.113.1:1790"), address("[2001:db8::1]:1790"));
    let cases = [
        (proxy::version_1(four, to_four), Some(four)),
        (proxy::version_1(six, to_six), Some(six)),
        (proxy::version_2(four, to_four), Some(four)),
        (proxy::version_2(six, to_six), Some(six)),
        (proxy::local(), None),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (Vec::new(), None),
    ];
    for segments in [&[usize::MAX][..], &[1], &[11, 3]] {
        for (header, named) in &cases {
            let source = own_address();
            let mut router = Router::connect(&source, process.setup().address());
            let report = [initiation("r1", "behind a proxy"), peer().up(), peer().routes([PREFIX])].concat();
            router.send_in_segments(&[header.as_slice(), &report].concat(), segments);
            let expected = named.unwrap_or_else(|| router.local());
            let is_there = |log: &Log| {
                log.routes.keys().any(|key| key.router == expected.ip().to_string() && key.port == expected.port())
            };
            log.wait(&format!("a route of {expected}"), is_there);
            drop(router);
            log.wait("the end of its session", |log| !is_there(log));
        }
    }
    process.stop();
}

#[test]
fn without_the_key_the_header_of_a_proxy_ends_the_session() {
    let (process, log, _router, _) = started(&pmbmpd(""));
    let mut proxied = Router::connect(&own_address(), process.setup().address());
    proxied.send(b"PROXY TCP4 203.0.113.9 203.0.113.1 4711 1790\r\n");
    proxied.wait_for_end();
    assert_eq!(log.routes.len(), 1);
    process.stop();
}

#[test]
fn a_connection_without_a_message_is_closed_in_time() {
    let setup = pmbmpd("bmp_daemon_initiation_timeout: 1\nbmp_daemon_max_peers: 3");
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let (mut router, source) = reporting(process.setup().address());
    log.wait_for_routes(1);
    let mut silent = Router::connect(&own_address(), process.setup().address());
    let mut incomplete = Router::connect(&own_address(), process.setup().address());
    incomplete.send(&initiation("r1", "never finished")[..20]);
    assert!(silent.ends_within(REFUSAL) && incomplete.ends_within(REFUSAL));
    log.wait("the end of their sessions", |log| log.count("log_close") == 2);
    // Who has sent a message may be silent, and there is room again.
    let (_second, _) = reporting(process.setup().address());
    let (_third, _) = reporting(process.setup().address());
    log.wait_for_routes(3);
    router.send(&peer().withdrawal([PREFIX]));
    log.wait_for_routes(2);
    assert!(!has_route(&log, &source));
    process.signal(Signal::SIGUSR1);
    process.wait_for_log("bmp_sessions_closed[silent]=2");
    process.wait_for_log("no message within 1 seconds (bmp_daemon_initiation_timeout)");
    process.stop();
}
