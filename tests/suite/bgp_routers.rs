//! Sessions with real routing daemons: BIRD, FRRouting, GoBGP, ExaBGP.

use crate::bgp::{AS, Log, TABLES, own_address, pmbgpd};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;
use testkit::bgp::update::numbered;
use testkit::namespace::Namespace;
use testkit::process::Signal;
use testkit::routers::{Bird, ExaBgp, Frr, GoBgp, IPV6_PREFIX, PATHS_PREFIX, Peering, Router, VPN_PREFIX};
use testkit::{Process, Setup};

/// Routes that a router has at its first start.
const MANY: Range<u32> = 0..100_000;
/// Routes that it announces and withdraws later.
const FEW: Range<u32> = 200_000..200_020;
/// Routes that it has after its restart.
const OTHERS: Range<u32> = 300_000..300_100;
/// Routes of other families, and paths of one prefix.
const OTHER_FAMILIES: usize = 2;
const PATHS: usize = 2;

/// A collector, its log, and a session from a namespace, or from a loopback address where that takes more privileges.
fn start(asn: u16) -> (Process, Log, Peering) {
    start_with(asn, |_| pmbgpd(TABLES))
}

fn start_with(asn: u16, setup: impl FnOnce(&str) -> Setup) -> (Process, Log, Peering) {
    let namespace = Namespace::new().map(Arc::new);
    let local = namespace.as_ref().map_or_else(own_address, |namespace| namespace.inside().to_string());
    let setup = setup(&local);
    let setup = match &namespace {
        Some(namespace) => setup.on(namespace.outside().into()),
        None => setup,
    };
    let process = setup.start_tcp();
    let log = Log::with_tables(&process);
    let peering = Peering::new(&local, asn, setup.address(), AS);
    let peering = match namespace {
        Some(namespace) => peering.inside(namespace),
        None => peering,
    };
    (process, log, peering)
}

fn has_all(log: &Log, numbers: Range<u32>) -> bool {
    let keys: std::collections::HashSet<&str> =
        log.routes.keys().filter(|key| key.safi == 1).map(|key| key.prefix.as_str()).collect();
    numbers.map(numbered).all(|prefix| keys.contains(prefix.as_str()))
}

/// A table is loaded, changed, lost with its router, and replaced by the router's next one.
fn check_life(process: Process, mut log: Log, asn: u16, mut router: impl Router) {
    let name = router.name();
    let first = MANY.len() + OTHER_FAMILIES + PATHS;
    log.wait(&format!("the table of {name}"), |log| log.routes.len() == first);
    assert!(has_all(&log, MANY), "{name}");
    check_attributes(&log, asn, &router);

    router.announce(FEW);
    log.wait_for_routes(first + FEW.len());
    assert!(has_all(&log, FEW), "{name}");
    router.withdraw(FEW.start..FEW.start + 10);
    log.wait_for_routes(first + FEW.len() - 10);
    assert!(has_all(&log, FEW.start + 10..FEW.end), "{name}");

    router.kill();
    log.wait_for_routes(0);
    log.wait_for(1, "log_close");
    router.restart(OTHERS);
    log.wait_for_routes(OTHERS.len() + OTHER_FAMILIES + PATHS);
    assert!(has_all(&log, OTHERS), "{name}");

    let _finished = process.stop();
    log.update();
    assert_eq!(log.count("log_init"), log.count("log_close"), "{name}");
}

fn check_attributes(log: &Log, asn: u16, router: &impl Router) {
    let name = router.name();
    let route = &log.prefix(&numbered(7))[0];
    assert_eq!(route["as_path"], asn.to_string(), "{name}: {route}");
    assert_eq!(route["comms"], format!("{asn}:1"), "{name}: {route}");
    assert_eq!(route["lcomms"], format!("{asn}:1:2"), "{name}: {route}");
    assert_eq!((&route["afi"], &route["safi"]), (&Value::from(1), &Value::from(1)), "{name}: {route}");
    let vpn = &log.prefix(VPN_PREFIX)[0];
    assert_eq!(vpn["rd"], format!("0:{asn}:1"), "{name}: {vpn}");
    assert_eq!(vpn["mpls_label"], router.vpn_label().to_string(), "{name}: {vpn}");
    assert_eq!(vpn["safi"], 128, "{name}: {vpn}");
    let ipv6 = &log.prefix(IPV6_PREFIX)[0];
    assert_eq!((&ipv6["afi"], &ipv6["safi"]), (&Value::from(2), &Value::from(1)), "{name}: {ipv6}");
    let paths = log.prefix(PATHS_PREFIX);
    assert_eq!(paths.len(), PATHS, "{name}");
    assert!(paths.iter().all(|path| path["as_path_id"].is_u64()), "{name}: {paths:?}");
}

/// A signed session, without ADD-PATH.
fn check_signed<R: Router>(asn: u16, start_router: impl FnOnce(&Peering, Range<u32>) -> Option<R>) {
    let (process, mut log, peering) = start_with(asn, |local| {
        let keys = format!("{local}, s3cret\n192.0.2.1, other\n");
        pmbgpd(TABLES).more_config("bgp_daemon_md5_file: {dir}/keys").file("keys", keys)
    });
    let peering = Peering { password: Some("s3cret".to_owned()), ..peering };
    let Some(router) = start_router(&peering, OTHERS) else { return };
    log.wait_for_routes(OTHERS.len() + OTHER_FAMILIES);
    assert!(has_all(&log, OTHERS), "{}", router.name());
    assert!(log.routes.keys().all(|key| key.path.is_none() || key.safi == 128), "{}", router.name());
    process.stop();
}

#[test]
fn bird_loads_changes_dies_and_returns() {
    let (process, log, peering) = start(65_001);
    if let Some(router) = Bird::start(&Peering { add_path: true, ..peering }, MANY) {
        check_life(process, log, 65_001, router);
    }
}

#[test]
fn frr_loads_changes_dies_and_returns() {
    let (process, log, peering) = start(65_002);
    if let Some(router) = Frr::start(&Peering { add_path: true, ..peering }, MANY) {
        check_life(process, log, 65_002, router);
    }
}

#[test]
fn gobgp_loads_changes_dies_and_returns() {
    let (process, log, peering) = start(65_003);
    if let Some(router) = GoBgp::start(&Peering { add_path: true, ..peering }, MANY) {
        check_life(process, log, 65_003, router);
    }
}

#[test]
fn exabgp_loads_changes_dies_and_returns() {
    let (process, log, peering) = start(65_004);
    if let Some(router) = ExaBgp::start(&Peering { add_path: true, ..peering }, MANY) {
        check_life(process, log, 65_004, router);
    }
}

#[test]
fn bird_signs_its_session() {
    check_signed(65_001, Bird::start);
}

#[test]
fn frr_signs_its_session() {
    check_signed(65_002, Frr::start);
}

#[test]
fn gobgp_signs_its_session() {
    check_signed(65_003, GoBgp::start);
}

#[test]
fn exabgp_signs_its_session() {
    check_signed(65_004, ExaBgp::start);
}

#[test]
fn a_key_that_is_added_by_a_reload_is_used() {
    let mut keys = String::new();
    let (process, mut log, peering) = start_with(65_001, |local| {
        keys = format!("{local}, s3cret\n");
        pmbgpd(TABLES).more_config("bgp_daemon_md5_file: {dir}/keys").file("keys", "192.0.2.1, other\n")
    });
    let peering = Peering { password: Some("s3cret".to_owned()), ..peering };
    let Some(router) = Bird::start(&peering, OTHERS) else { return };
    let _setup = process.setup().clone().file("keys", &keys);
    process.signal(Signal::SIGUSR2);
    log.wait_for_routes(OTHERS.len() + OTHER_FAMILIES);
    drop(router);
    process.stop();
}

#[test]
fn a_router_behind_a_cut_link_loses_its_routes_with_the_hold_timer() {
    let (process, mut log, peering) = start(65_001);
    let Some(router) = Bird::start(&peering, OTHERS) else { return };
    log.wait_for_routes(OTHERS.len() + OTHER_FAMILIES);
    // Neither sends the end of the connection.
    match &peering.namespace {
        Some(namespace) => namespace.cut(),
        None => router.freeze(),
    }
    log.wait_for_routes(0);
    log.wait_for(1, "log_close");
    process.stop();
}
