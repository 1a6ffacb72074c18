//! Sessions of BGP with scripted peers: how they begin, who may have one, and how they end.

use crate::bgp::{AS, Log, own_address, pmbgpd, stable};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use testkit::bgp::message::{NOTIFICATION, OPEN, keepalive, message, notification};
use testkit::bgp::update::{numbered_nlri, prefix, with_path};
use testkit::bgp::{Open, Speaker, Update};
use testkit::process::Signal;
use testkit::{Process, Setup, eventually};

/// Code and subcodes of Cease (RFC 4486).
const CEASE: u8 = 6;
const SHUTDOWN: u8 = 2;
/// The code of an expired hold timer (RFC 4271 section 4.5).
const HOLD_TIMER: u8 = 4;

fn next_hop(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

/// A message that announces one prefix.
pub(crate) fn route(asn: u32, text: &str) -> Vec<u8> {
    Update::route(&[asn], next_hop(1)).announce([text]).finish()
}

/// A session from an address of its own.
fn speaker(process: &Process, asn: u32) -> (Speaker, String) {
    let source = own_address();
    (Speaker::simple(&source, asn, process.setup().address()), source)
}

/// True if a session from that address can be established now.
fn is_accepted(process: &Process, source: &str, open: &Open) -> Option<Speaker> {
    let patience = Duration::from_secs(10);
    let mut speaker = Speaker::try_connect(source, process.setup().address(), patience).ok()?;
    speaker.try_send(&open.finish()).ok()?;
    speaker.receive().filter(|message| message.kind == OPEN)?;
    // The collector may refuse after its OPEN, and after its first KEEPALIVE: it answers the second one of a session.
    speaker.try_send(&[keepalive(), keepalive()].concat()).ok()?;
    for _ in 0..2 {
        speaker.receive().filter(|message| message.kind != NOTIFICATION)?;
    }
    Some(speaker)
}

#[test]
fn messages_become_events() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut speaker, source) = speaker(&process, 65_001);
    let update = Update::route(&[65_001, 65_002], next_hop(1))
        .med(50)
        .local_pref(200)
        .communities(&[(65_001, 200), (65_001, 100), (65_535, 0xff01)])
        .large_communities(&[[65_001, 1, 2]]);
    speaker.send(&update.announce(["192.0.2.0/24", "10.0.0.0/8"]).finish());
    speaker.send(&Update::new().withdraw(["192.0.2.0/24"]).finish());
    log.wait_for(1, "withdraw");
    drop(speaker);
    log.wait_for(1, "log_close");
    let _finished = process.stop();
    let event = |log_type: &str, prefix: &str| {
        json!({
            "event_type": "log", "log_type": log_type, "peer_ip_src": source, "afi": 1, "safi": 1,
            "ip_prefix": prefix,
        })
    };
    let update = |prefix: &str| {
        let mut event = event("update", prefix);
        let attributes = json!({
            "bgp_nexthop": "10.0.0.1", "as_path": "65001 65002", "origin": "i", "med": 50, "local_pref": 200,
            "comms": "65001:100 65001:200 no-export", "lcomms": "65001:1:2",
        });
        let attributes = attributes.as_object().expect("an object").clone();
        event.as_object_mut().expect("an object").extend(attributes);
        event
    };
    log.update();
    let expected = [
        json!({"event_type": "log_init", "peer_ip_src": source}),
        update("192.0.2.0/24"),
        update("10.0.0.0/8"),
        event("withdraw", "192.0.2.0/24"),
        json!({"event_type": "log_close", "peer_ip_src": source}),
    ];
    assert_eq!(stable(&log.events()), expected);
    let numbers: Vec<Value> = log.events().iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4].map(Value::from));
}

#[test]
fn the_collector_answers_with_its_as_or_with_that_of_the_peer() {
    let own = |body: &[u8]| u16::from_be_bytes([body[1], body[2]]);
    let process = pmbgpd("").start_tcp();
    let mut speaker = Speaker::connect(&own_address(), process.setup().address());
    let answer = speaker.open(&Open::new(65_001, next_hop(1)).add_path(1, 1).hold_time(33));
    assert_eq!(own(&answer.body), AS);
    assert_eq!(answer.body[3..5], [0, 33], "the hold time of the peer");
    assert_eq!(answer.body[5..9], [10, 255, 0, 1]);
    // It receives several paths and sends none.
    assert!(answer.capabilities().contains(&(69, vec![0, 1, 1, 1])), "{:?}", answer.capabilities());
    assert!(answer.capabilities().contains(&(65, vec![0, 0, 0xfc, 0])), "{:?}", answer.capabilities());
    process.stop();

    let setup = Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config("bgp_daemon_ip: {ip}\nbgp_daemon_port: {port}\nbgp_daemon_id: 10.255.0.1");
    let process = setup.start_tcp();
    for asn in [65_001, 4_200_000_001] {
        let mut speaker = Speaker::connect(&own_address(), process.setup().address());
        let answer = speaker.open(&Open::new(asn, next_hop(1)));
        assert_eq!(own(&answer.body), u16::try_from(asn).unwrap_or(23_456));
        assert!(answer.capabilities().contains(&(65, asn.to_be_bytes().to_vec())), "{:?}", answer.capabilities());
        // Two speakers cannot share an identifier.
        drop(speaker);
        process.wait_for_log(&asn.to_string());
    }
    process.stop();
}

#[test]
fn path_identifiers_are_read_where_they_were_agreed() {
    let lines = "bgp_daemon_add_path_ignore: true";
    for (lines, paths) in [("", true), (lines, false)] {
        let process = pmbgpd(lines).start_tcp();
        let mut log = Log::of(&process);
        let mut speaker = Speaker::connect(&own_address(), process.setup().address());
        let answer = speaker.open(&Open::new(65_001, next_hop(1)).add_path(1, 1));
        assert_eq!(answer.capabilities().iter().any(|(code, _)| *code == 69), paths);
        let update = Update::route(&[65_001], next_hop(1));
        let update = match paths {
            true => [1, 2]
                .iter()
                .fold(update, |update, id| update.announce_raw(&with_path(*id, &prefix("10.0.0.0/8")))),
            false => update.announce(["10.0.0.0/8"]),
        };
        speaker.send(&update.finish());
        log.wait_for_routes(1 + usize::from(paths));
        let ids: Vec<Option<u32>> = log.routes.keys().map(|key| key.path).collect();
        assert_eq!(ids, if paths { vec![Some(1), Some(2)] } else { vec![None] });
        process.stop();
    }
}

#[test]
fn a_silent_peer_is_dropped_when_its_hold_time_is_over() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut other, _) = speaker(&process, 65_002);
    let source = own_address();
    let open = Open::new(65_001, source.parse().expect("an IPv4 address")).hold_time(3);
    let mut silent = Speaker::establish(&source, process.setup().address(), &open);
    silent.send(&route(65_001, "10.0.0.0/8"));
    assert_eq!(silent.notification().map(|(code, _, _)| code), Some(HOLD_TIMER));
    log.wait_for(1, "log_close");
    // The other one has more time.
    other.send(&route(65_002, "10.0.0.0/8"));
    log.wait_for_routes(1);
    process.stop();
}

#[test]
fn a_second_session_of_a_living_peer_is_refused() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut first, source) = speaker(&process, 65_001);
    first.send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    assert!(is_accepted(&process, &source, &Open::new(65_001, source.parse().expect("an address"))).is_none());
    first.send(&route(65_001, "11.0.0.0/8"));
    log.wait_for_routes(2);
    process.stop();
}

#[test]
fn a_peer_that_was_reset_returns_at_once() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut first, source) = speaker(&process, 65_001);
    first.send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    let before = Instant::now();
    first.reset();
    let open = Open::new(65_001, source.parse().expect("an IPv4 address"));
    let mut second = eventually("the new session", || is_accepted(&process, &source, &open));
    assert!(before.elapsed() < Duration::from_secs(20));
    second.send(&route(65_001, "11.0.0.0/8"));
    log.wait("the route of the new session", |log| log.prefix("11.0.0.0/8").len() == 1);
    assert!(log.prefix("10.0.0.0/8").is_empty());
    process.stop();
}

#[test]
fn peers_behind_one_address_are_told_apart_by_their_ports() {
    let process = pmbgpd("tmp_bgp_lookup_compare_ports: true").start_tcp();
    let mut log = Log::of(&process);
    let source = own_address();
    let mut speakers: Vec<Speaker> = (1..=3)
        .map(|last| {
            let mut speaker = Speaker::establish(
                &source,
                process.setup().address(),
                &Open::new(65_000 + u32::from(last), next_hop(last)),
            );
            speaker.send(&route(65_000 + u32::from(last), "10.0.0.0/8"));
            speaker
        })
        .collect();
    log.wait_for(3, "update");
    let mut found: Vec<(u64, String)> = log
        .events()
        .iter()
        .filter(|event| event["log_type"] == "update")
        .map(|event| {
            let port = event["peer_tcp_port"].as_u64().expect("the port of the peer");
            (port, event["peer_id"].as_str().expect("the identifier of the peer").to_owned())
        })
        .collect();
    found.sort();
    let mut expected: Vec<(u64, String)> = (1..=3)
        .zip(&speakers)
        .map(|(last, speaker)| (speaker.local().port().into(), next_hop(last).to_string()))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    speakers.pop();
    log.wait_for(1, "log_close");
    speakers[0].keepalive();
    process.stop();
}

#[test]
fn a_router_id_belongs_to_one_peer() {
    let open = |asn| Open::new(asn, next_hop(1));
    for (lines, shared) in [("", false), ("bgp_disable_router_id_check: true", true)] {
        let process = pmbgpd(lines).start_tcp();
        let mut log = Log::of(&process);
        let (one, two) = (own_address(), own_address());
        let mut first = Speaker::establish(&one, process.setup().address(), &open(65_001));
        let second = is_accepted(&process, &two, &open(65_002));
        assert_eq!(second.is_some(), shared, "{lines}");
        first.send(&route(65_001, "10.0.0.0/8"));
        log.wait_for_routes(1);
        process.stop();
    }
}

#[test]
fn the_number_of_peers_is_bounded() {
    let process = pmbgpd("bgp_daemon_max_peers: 2").start_tcp();
    let mut log = Log::of(&process);
    let (mut first, _) = speaker(&process, 65_001);
    let (second, _) = speaker(&process, 65_002);
    let third = own_address();
    let open = Open::new(65_003, third.parse().expect("an IPv4 address"));
    assert!(is_accepted(&process, &third, &open).is_none());
    process.wait_for_log("bgp_daemon_max_peers");
    first.send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    // A place that becomes free can be taken.
    drop(second);
    drop(eventually("a free place", || is_accepted(&process, &third, &open)));
    process.stop();
}

#[test]
fn only_listed_peers_are_accepted_and_the_list_can_be_reloaded() {
    let (one, two) = (own_address(), own_address());
    let setup = pmbgpd("bgp_daemon_allow_file: {dir}/allow").file("allow", format!("{one}\n"));
    let process = setup.start_tcp();
    let open = |source: &str| Open::new(65_001, source.parse().expect("an IPv4 address"));
    let mut first = Speaker::establish(&one, setup.address(), &open(&one));
    assert!(is_accepted(&process, &two, &open(&two)).is_none());
    let _setup = setup.file("allow", format!("{two}\n"));
    process.signal(Signal::SIGUSR2);
    eventually("the new list", || is_accepted(&process, &two, &open(&two)));
    // A session that exists stays.
    let mut log = Log::of(&process);
    first.send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    process.stop();
}

#[test]
fn a_batch_of_peers_is_accepted_in_each_interval() {
    const INTERVAL: Duration = Duration::from_secs(4);
    let process =
        pmbgpd("bgp_daemon_batch: 2\nbgp_daemon_batch_interval: 4\nbgp_daemon_max_peers: 20").start_tcp();
    let mut log = Log::of(&process);
    let begin = Instant::now();
    let mut waiting: Vec<String> = (0..6).map(|_| own_address()).collect();
    let mut established = Vec::new();
    let mut times = Vec::new();
    eventually("all peers", || {
        waiting.retain(|source| {
            let open = Open::new(65_001, source.parse().expect("an IPv4 address"));
            let accepted = is_accepted(&process, source, &open);
            times.extend(accepted.is_some().then(|| begin.elapsed()));
            let stays = accepted.is_none();
            established.extend(accepted);
            stays
        });
        waiting.is_empty().then_some(())
    });
    // At most one more than a batch at first; the last ones need another interval.
    assert!(times[3] >= INTERVAL - Duration::from_millis(1100), "{times:?}");
    established[0].send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    process.stop();
}

#[test]
fn peers_hear_of_a_shutdown() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let process = pmbgpd("").start_tcp();
        let (mut one, first) = speaker(&process, 65_001);
        let (mut two, second) = speaker(&process, 65_002);
        let mut log = Log::of(&process);
        log.wait_for(2, "log_init");
        // The folder goes with it.
        let _finished = process.stop_with(signal);
        for speaker in [&mut one, &mut two] {
            let (code, subcode, data) = speaker.notification().expect("a NOTIFICATION");
            assert_eq!((code, subcode), (CEASE, SHUTDOWN));
            let text = String::from_utf8(data).expect("the text is UTF-8");
            // The text is the same for both signals.
            assert!(text.ends_with("pmacct received SIGINT - shutting down"), "{text:?}");
            assert_eq!(text.as_bytes()[0] as usize, text.len() - 1, "RFC 9003: a length before the text");
        }
        log.update();
        let mut closed: Vec<Value> = stable(&log.events());
        closed.retain(|event| event["event_type"] == "log_close");
        closed.sort_by_key(Value::to_string);
        let mut peers = [first, second];
        peers.sort();
        assert_eq!(closed, peers.map(|peer| json!({"event_type": "log_close", "peer_ip_src": peer})));
    }
}

#[test]
fn a_notification_of_the_peer_ends_the_session() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut speaker, source) = speaker(&process, 65_001);
    speaker.send(&notification(CEASE, SHUTDOWN, b"\x0bmaintenance"));
    assert_eq!(speaker.notification(), None, "a NOTIFICATION is not answered");
    log.wait_for(1, "log_close");
    let line = process.wait_for_log("maintenance");
    assert!(line.contains(&source) || line.contains("6"), "{line}");
    process.stop();
}

#[test]
fn errors_in_messages_are_answered_as_in_the_rfc() {
    let process = pmbgpd("bgp_daemon_max_peers: 100").start_tcp();
    let (mut witness, _) = speaker(&process, 65_100);
    let open = || Open::new(65_001, next_hop(1));
    let mut marker = open().finish();
    marker[3] = 0;
    let mut length = keepalive();
    length[17] = 18;
    let mut version = open().finish();
    version[19] = 3;
    let mut identifier = open().finish();
    identifier[24..28].fill(0);
    let unknown = message(9, &[]);
    let long_keepalive = message(4, &[0]);
    let cases: [(&str, Vec<u8>, bool, u8, u8); 8] = [
        ("marker", marker, false, 1, 1),
        ("length below 19", length, false, 1, 2),
        ("KEEPALIVE with a body", long_keepalive, true, 1, 2),
        ("unknown type", unknown, true, 1, 3),
        ("version", version, false, 2, 1),
        ("AS 0", Open::new(0, next_hop(1)).finish(), false, 2, 2),
        ("identifier 0", identifier, false, 2, 3),
        ("hold time 1", open().hold_time(1).finish(), false, 2, 6),
    ];
    for (what, octets, established, code, subcode) in cases {
        let mut speaker = Speaker::connect(&own_address(), process.setup().address());
        if established {
            speaker.open(&open());
        }
        speaker.send(&octets);
        let found = speaker.notification().map(|(code, subcode, _)| (code, subcode));
        assert_eq!(found, Some((code, subcode)), "{what}");
    }
    witness.keepalive();
    process.stop();
}

#[test]
fn messages_of_more_octets_than_agreed_are_errors() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let mut speaker = Speaker::connect(&own_address(), process.setup().address());
    speaker.open(&Open::new(65_001, next_hop(1)));
    let update = Update::route(&[65_001], next_hop(1));
    let nlri = numbered_nlri(0..1012).flatten().collect::<Vec<u8>>();
    let longest = update.clone().announce_raw(&nlri).announce(["10.0.0.0/32"]).finish();
    assert_eq!(longest.len(), 4096, "the longest message of RFC 4271");
    speaker.send(&longest);
    log.wait_for_routes(1013);
    let _ = speaker.try_send(&update.announce_raw(&nlri.repeat(2)).finish());
    assert_eq!(speaker.notification().map(|(code, subcode, _)| (code, subcode)), Some((1, 2)));
    process.stop();
}

#[test]
fn a_session_works_octet_by_octet() {
    let process = pmbgpd("").start_tcp();
    let mut log = Log::of(&process);
    let mut speaker = Speaker::connect(&own_address(), process.setup().address());
    let octets = [Open::new(65_001, next_hop(1)).finish(), keepalive(), route(65_001, "10.0.0.0/8")].concat();
    octets.iter().for_each(|octet| speaker.send(&[*octet]));
    log.wait_for_routes(1);
    process.stop();
}
