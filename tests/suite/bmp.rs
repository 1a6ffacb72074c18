//! What all tests of BMP share: collectors, and what they log about a peer.

use crate::bgp::{Log, own_address};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::bmp::{Peer, Router};
use testkit::{Process, Setup};

/// A pmbmpd that logs messages to `log.json` and keeps no tables.
pub(crate) fn pmbmpd(lines: &str) -> Setup {
    bare("bmp_daemon_msglog_file: {dir}/log.json").more_config(lines)
}

/// A pmbmpd without any output.
pub(crate) fn bare(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmbmpd"))
        .config("bmp_daemon_ip: {ip}\nbmp_daemon_port: {port}")
        .more_config(lines)
}

/// Lines that make a daemon keep tables: a dump that does not come during a test.
pub(crate) const TABLES: &str =
    "bmp_dump_file: {dir}/dump.json\nbmp_dump_refresh_time: 86400\nbmp_daemon_max_peers: 100";

/// The prefix that [`reporting`] reports.
pub(crate) const PREFIX: &str = "10.0.0.0/8";

/// The peer that most tests have, 192.0.2.1 of AS 65001.
pub(crate) fn peer() -> Peer {
    Peer::new("192.0.2.1", 65_001)
}

/// A router at an address of its own that reports [`peer`] with a route for [`PREFIX`], and that address.
pub(crate) fn reporting(collector: SocketAddr) -> (Router, String) {
    let source = own_address();
    (reporting_from(&source, collector), source)
}

/// As [`reporting`], from that address.
pub(crate) fn reporting_from(source: &str, collector: SocketAddr) -> Router {
    let mut router = Router::start(source, collector, "r1");
    router.send(&peer().up());
    router.send(&peer().routes([PREFIX]));
    router
}

/// The number of routes for [`PREFIX`] that a router has now.
pub(crate) fn has_route(log: &Log, router: &str) -> bool {
    log.routes.keys().any(|key| key.router == router && key.prefix == PREFIX)
}

/// A collector, and a router with a route.
pub(crate) fn started(setup: &Setup) -> (Process, Log, Router, String) {
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let (router, source) = reporting(setup.address());
    log.wait_for_routes(1);
    (process, log, router, source)
}

/// The members of an event that say whose it is: a router's, or that of a peer of it.
pub(crate) fn of(router: &str, peer: Option<&Peer>) -> Value {
    let Some(peer) = peer else { return json!({"event_type": "log", "bmp_router": router}) };
    json!({
        "event_type": "log", "bmp_router": router, "peer_ip": peer.address.to_string(), "peer_asn": peer.asn,
        "bgp_id": peer.id.to_string(), "bmp_rib_type": "Adj-Rib-In Pre-Policy", "is_filtered": 0, "is_in": 1,
        "is_post": 0,
    })
}

/// Both objects as one.
pub(crate) fn with(mut event: Value, more: Value) -> Value {
    let (Some(members), Value::Object(more)) = (event.as_object_mut(), more) else { panic!("two objects") };
    members.extend(more);
    event
}
