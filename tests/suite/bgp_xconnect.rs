//! Sessions that a daemon forwards to another one: `bgp_daemon_xconnect_map`.

use crate::bgp::{Log, own_address, pmbgpd};
use crate::bgp_sessions::route;
use testkit::bgp::{Open, Speaker};
use testkit::process::Process;

/// A daemon that forwards sessions from that address to another one.
fn forwarding(source: &str, to: &Process) -> Process {
    let map = format!("bgp_src={source}/32 bgp_dst={}\n", to.setup().address());
    pmbgpd("bgp_daemon_xconnect_map: {dir}/forward.map").file("forward.map", map).start_tcp()
}

#[test]
fn both_daemons_log_the_routes_of_a_forwarded_session() {
    let back = pmbgpd("bgp_daemon_id: 10.255.0.2").start_tcp();
    let (source, other) = (own_address(), own_address());
    let front = forwarding(&source, &back);
    let (mut of_front, mut of_back) = (Log::of(&front), Log::of(&back));
    let mut speaker = Speaker::connect(&source, front.setup().address());
    let answer = speaker.open(&Open::new(65_001, source.parse().expect("an IPv4 address")));
    assert_eq!(answer.body[5..9], [10, 255, 0, 2], "the other daemon answers");
    speaker.send(&route(65_001, "10.0.0.0/8"));
    of_front.wait_for_routes(1);
    of_back.wait_for_routes(1);
    // Who is not in the map has a session with the first one.
    let mut direct = Speaker::connect(&other, front.setup().address());
    let answer = direct.open(&Open::new(65_002, other.parse().expect("an IPv4 address")));
    assert_eq!(answer.body[5..9], [10, 255, 0, 1]);
    // The end on one side is the end on the other.
    drop(speaker);
    of_back.wait_for(1, "log_close");
    of_front.wait_for(1, "log_close");
    direct.keepalive();
    back.stop();
    front.stop();
}

#[test]
fn the_end_of_the_other_daemon_ends_the_session_of_the_peer() {
    let back = pmbgpd("").start_tcp();
    let source = own_address();
    let front = forwarding(&source, &back);
    let mut speaker = Speaker::simple(&source, 65_001, front.setup().address());
    back.stop();
    assert_eq!(speaker.notification().map(|(code, subcode, _)| (code, subcode)), Some((6, 2)));
    front.stop();
}
