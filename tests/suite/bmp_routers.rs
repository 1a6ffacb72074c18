//! Real routing daemons that report over BMP: GoBGP and FRRouting.
//!
//! Each has a peer inside its AS, from which its numbered prefixes come.

use crate::bgp::{Log, own_address};
use crate::bmp::{TABLES, pmbmpd};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use testkit::Process;
use testkit::bgp::Update;
use testkit::bgp::update::{numbered, numbered_nlri};
use testkit::namespace::Namespace;
use testkit::routers::{Frr, GoBgp, Peering, Router};

/// Routes that the peer of a router has at first.
const MANY: Range<u32> = 0..20_000;
/// Routes that it announces later.
const FEW: Range<u32> = 200_000..200_020;
/// Routes that it has after a restart of the router.
const OTHERS: Range<u32> = 300_000..300_100;
const PRE: &str = "Adj-Rib-In Pre-Policy";
const POST: &str = "Adj-Rib-In Post-Policy";

/// A collector, its log, and a router's side, in a namespace, or at a loopback address where that takes more privileges.
fn start(asn: u16) -> (Process, Log, Peering) {
    let namespace = Namespace::new().map(Arc::new);
    let setup = pmbmpd(TABLES);
    let setup = match &namespace {
        Some(namespace) => setup.on(namespace.outside().into()),
        None => setup,
    };
    let process = setup.start_tcp();
    let log = Log::with_tables(&process);
    let local = namespace.as_ref().map_or_else(own_address, |namespace| namespace.inside().to_string());
    let peering = Peering::reporting(&local, asn, setup.address());
    let peering = match namespace {
        Some(namespace) => peering.inside(namespace),
        None => peering,
    };
    (process, log, peering)
}

/// The numbered prefixes among the routes of the peer in a RIB of the router.
fn prefixes<'a>(log: &'a Log, rib: &str, peer: &str) -> HashSet<&'a str> {
    let is_meant = |key: &&crate::bgp::Key| key.rib == rib && key.peer == peer && key.safi == 1;
    log.routes.keys().filter(is_meant).map(|key| key.prefix.as_str()).collect()
}

fn has_all(log: &Log, rib: &str, peer: &str, numbers: Range<u32>) -> bool {
    let found = prefixes(log, rib, peer);
    numbers.map(numbered).all(|prefix| found.contains(prefix.as_str()))
}

fn has_none(log: &Log, rib: &str, peer: &str, numbers: Range<u32>) -> bool {
    let found = prefixes(log, rib, peer);
    !numbers.map(numbered).any(|prefix| found.contains(prefix.as_str()))
}

/// Tables are loaded and changed; they end with the peer, and with the session of the router; its next session replaces it.
fn check_life(process: Process, mut log: Log, asn: u16, mut router: impl Router, peer: &str, ribs: &[&str]) {
    let name = router.name();
    for rib in ribs {
        log.wait(&format!("{rib} of {name}"), |log| has_all(log, rib, peer, MANY));
    }
    check_attributes(&log, asn, &router, peer);
    let mut feeder = router.feeder().expect("it has a peer");
    let route = Update::route(&[], [10, 0, 0, 9].into()).local_pref(100);
    route.announcing(numbered_nlri(FEW)).iter().for_each(|message| feeder.send(message));
    for rib in ribs {
        log.wait(&format!("more routes in {rib} of {name}"), |log| has_all(log, rib, peer, FEW));
    }
    let half = FEW.start..FEW.start + 10;
    let withdrawn: Vec<String> = half.clone().map(numbered).collect();
    feeder.send(&Update::new().withdraw(withdrawn.iter().map(String::as_str)).finish());
    for rib in ribs {
        log.wait(&format!("fewer routes in {rib} of {name}"), |log| has_none(log, rib, peer, half.clone()));
        assert!(has_all(&log, rib, peer, half.end..FEW.end), "{name}");
    }
    assert!(log.count("stats") > 0 || name == "GoBGP", "{name} reports counters each second");

    // The session of the peer ends, and with it its RIBs.
    drop(feeder);
    log.wait_for(1, "peer_down");
    for rib in ribs {
        log.wait(&format!("the end of {rib} of {name}"), |log| has_none(log, rib, peer, MANY.start..FEW.end));
    }

    router.kill();
    log.wait_for(1, "log_close");
    log.wait_for_routes(0);
    router.restart(OTHERS);
    for rib in ribs {
        log.wait(&format!("{rib} after the restart of {name}"), |log| has_all(log, rib, peer, OTHERS));
        assert!(has_none(&log, rib, peer, MANY), "{name}");
    }
    process.stop();
}

fn check_attributes(log: &Log, asn: u16, router: &impl Router, peer: &str) {
    let name = router.name();
    let routes = log.prefix(&numbered(7));
    let route = routes.iter().find(|route| route["bmp_rib_type"] == PRE).expect("it is there");
    assert_eq!(route["peer_ip"], peer, "{name}: {route}");
    assert_eq!(route["peer_asn"], u64::from(asn), "{name}: {route}");
    assert_eq!(route["comms"], format!("{asn}:1"), "{name}: {route}");
    assert_eq!(route["lcomms"], format!("{asn}:1:2"), "{name}: {route}");
    assert_eq!(route["local_pref"], 100, "{name}: {route}");
    let ups: Vec<_> = log.events().into_iter().filter(|event| event["bmp_msg_type"] == "peer_up").collect();
    let up = ups.iter().find(|up| up["peer_ip"] == peer).expect("the peer is up");
    assert_eq!((&up["local_as"], &up["peer_asn"]), (&asn.into(), &asn.into()), "{name}: {up}");
}

#[test]
fn frr_reports_its_peers() {
    let (process, log, peering) = start(65_002);
    let peer = peering.feeder().to_string();
    if let Some(router) = Frr::start(&peering, MANY) {
        check_life(process, log, 65_002, router, &peer, &[PRE, POST]);
    }
}

#[test]
fn gobgp_reports_its_peers() {
    let (process, log, peering) = start(65_003);
    let peer = peering.feeder().to_string();
    if let Some(router) = GoBgp::start(&peering, MANY) {
        // It reports its Loc-RIB too, without the peer up that RFC 9069 section 5.1 demands: these routes are of an unknown peer.
        check_life(process, log, 65_003, router, &peer, &[PRE, POST]);
    }
}
