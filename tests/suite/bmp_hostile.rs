//! Routers that attack a collector of BMP: it must stay small, and the sessions of others must not notice.

use crate::bgp::{Log, own_address};
use crate::bgp_hostile::{ANSWER, FEW_LINES, GROWTH, flood};
use crate::bmp::{TABLES, peer, pmbmpd};
use crate::malformed::resident;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use testkit::bgp::Update;
use testkit::bgp::update::{numbered, numbered_nlri};
use testkit::bmp::message::{HEADER, PEER_DOWN, PEER_UP, ROUTE_MIRRORING, ROUTE_MONITORING, STATISTICS, message};
use testkit::bmp::{Peer, Router, Stat, initiation};
use testkit::flood::Manner;
use testkit::process::Signal;
use testkit::{Process, Setup, eventually};

/// A router whose session is measured during an attack.
struct Witness {
    router: Router,
    log: Log,
    process: Process,
    before: u64,
    sent: u32,
}

impl Witness {
    fn start(setup: &Setup) -> Self {
        let process = setup.start_tcp();
        let mut router = Router::start(&own_address(), setup.address(), "witness");
        router.send(&witnessed().up());
        let (log, before) = (Log::of(&process), resident(&process));
        let mut witness = Self { router, log, process, before, sent: 0 };
        witness.lives();
        witness
    }

    fn target(&self) -> SocketAddr {
        self.process.setup().address()
    }

    /// Its next route is logged soon.
    fn lives(&mut self) {
        // What the attack has caused so far may take this process long to read.
        self.log.update();
        let begin = Instant::now();
        let prefix = numbered(self.sent);
        self.sent += 1;
        self.router.send(&witnessed().routes([prefix.as_str()]));
        self.log.wait("the route of the witness", |log| !log.prefix(&prefix).is_empty());
        assert!(begin.elapsed() < ANSWER, "{:?}", begin.elapsed());
    }

    /// The attack is over, and the daemon has logged no more lines than these.
    fn check(mut self, lines: usize) -> Process {
        self.lives();
        let now = resident(&self.process);
        assert!(now < self.before + GROWTH, "{} bytes, {now} after the attack", self.before);
        let logged = self.process.log().lines().count();
        assert!(logged < lines, "the log has {logged} lines");
        self.process
    }
}

/// The peer of the witness.
fn witnessed() -> Peer {
    Peer::new("198.51.100.1", 65_100)
}

fn many() -> Setup {
    pmbmpd("bmp_daemon_max_peers: 100")
}

/// A router that an attacker has.
fn attacker(witness: &Witness) -> Router {
    Router::start(&own_address(), witness.target(), "attacker")
}

#[test]
fn half_open_connections_cost_no_session() {
    let mut witness = Witness::start(&many());
    // As many as the attacker can open in a while; the collector closes what is too many.
    let connect = |_| Router::try_connect(&own_address(), witness.target(), Duration::from_secs(2)).ok();
    let mut held: Vec<Router> = (0..400).filter_map(connect).collect();
    witness.lives();
    assert!(!held.is_empty());
    // Some sent the start of a message, and nothing more.
    let start = initiation("r1", "never finished");
    held.iter_mut().take(50).for_each(|router| _ = router.try_send(&start[..20]));
    witness.lives();
    drop(held);
    witness.check(FEW_LINES).stop();
}

#[test]
fn a_flood_of_connections_costs_no_session() {
    let mut witness = Witness::start(&many());
    flood(witness.target(), witness.process.id(), Manner::default(), || witness.lives());
    witness.check(FEW_LINES).stop();
}

#[test]
fn a_flood_of_connections_with_noise_costs_no_session() {
    let mut witness = Witness::start(&many());
    let manner = Manner { octets: &[0x41; 64], ..Manner::default() };
    flood(witness.target(), witness.process.id(), manner, || witness.lives());
    witness.check(FEW_LINES).stop();
}

#[test]
fn a_flood_of_connections_that_stay_open_costs_no_session() {
    let mut witness = Witness::start(&many());
    let manner = Manner { octets: &[0x41; 64], held: 500 };
    flood(witness.target(), witness.process.id(), manner, || witness.lives());
    witness.check(FEW_LINES).stop();
}

#[test]
fn a_router_that_sends_an_octet_now_and_then_delays_nobody() {
    let mut witness = Witness::start(&many());
    let octets = initiation("r1", "a slow router");
    let mut slow: Vec<Router> = (0..20).map(|_| Router::connect(&own_address(), witness.target())).collect();
    for octet in &octets {
        slow.iter_mut().for_each(|router| router.send(&[*octet]));
        witness.lives();
    }
    witness.log.wait("their initiation", |log| log.count("init") == 21);
    drop(slow);
    witness.check(FEW_LINES).stop();
}

#[test]
fn announced_lengths_cost_no_memory() {
    let mut witness = Witness::start(&many());
    // The lengths of messages that never come, each from a router of its own.
    let lengths = [u32::MAX, 1 << 31, 1 << 30, 100 << 20, 2 << 20];
    let mut routers: Vec<Router> = Vec::new();
    for length in lengths.iter().cycle().take(50) {
        let mut router = attacker(&witness);
        let _ = router.try_send(&[&[3], &length.to_be_bytes()[..], &[ROUTE_MONITORING], &[0; 2000]].concat());
        routers.push(router);
    }
    witness.lives();
    // Their ends never come, however much is sent. Some sessions may have ended.
    for _ in 0..20 {
        routers.iter_mut().for_each(|router| _ = router.try_send(&[0; 64 * 1024]));
        witness.lives();
    }
    drop(routers);
    witness.check(FEW_LINES).stop();
}

#[test]
fn messages_of_the_longest_length_are_bounded_by_the_number_of_routers() {
    let mut witness = Witness::start(&pmbmpd(""));
    let length = (1_u32 << 20) - 1;
    let mut routers: Vec<Router> = (0..9).map(|_| attacker(&witness)).collect();
    for router in &mut routers {
        router.send(&[&[3], &length.to_be_bytes()[..], &[ROUTE_MONITORING], &vec![0; 1_000_000]].concat());
    }
    witness.lives();
    witness.check(FEW_LINES).stop();
    drop(routers);
}

#[test]
fn a_length_below_that_of_the_header_ends_the_session_alone() {
    let mut witness = Witness::start(&many());
    for length in 0..HEADER as u8 {
        let mut router = attacker(&witness);
        router.send(&[3, 0, 0, 0, length, ROUTE_MONITORING]);
        router.wait_for_end();
        witness.lives();
    }
    witness.log.wait("the ends of their sessions", |log| log.count("log_close") == HEADER);
    witness.process.wait_for_log("less than its header");
    witness.check(FEW_LINES).stop();
}

/// A generator of octets (xorshift).
struct Random(u64);

impl Random {
    fn octet(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[3]
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.octet()).collect()
    }
}

#[test]
fn noise_ends_only_the_session_that_it_came_through() {
    let mut witness = Witness::start(&many());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..60 {
        let mut router = Router::connect(&own_address(), witness.target());
        let noise = random.octets(500);
        // Bare, or after a sound start.
        let _ = router.try_send(&if round % 2 == 0 { noise } else { [initiation("r", "r"), noise].concat() });
        if round % 10 == 0 {
            witness.lives();
        }
    }
    witness.check(FEW_LINES).stop();
}

#[test]
fn noise_in_messages_of_sound_length_costs_these_messages() {
    let mut witness = Witness::start(&many());
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut router = attacker(&witness);
    let victim = peer();
    router.send(&victim.up());
    for round in 0..2000_usize {
        let kind = [ROUTE_MONITORING, STATISTICS, PEER_DOWN, PEER_UP, 4, ROUTE_MIRRORING, 7, 200][round % 8];
        let noise = random.octets(round % 300);
        // Without and with a header of a peer that is known.
        router.send(&match round % 16 < 8 {
            true => message(kind, &noise),
            false => victim.message(kind, &noise),
        });
        if round % 200 == 0 {
            witness.lives();
        }
    }
    // The session still reads.
    let prefix = numbered(1_000_000);
    router.send(&[victim.up(), victim.routes([prefix.as_str()])].concat());
    witness.log.wait("a route after the noise", |log| !log.prefix(&prefix).is_empty());
    witness.check(FEW_LINES).stop();
}

#[test]
fn each_cut_of_a_message_is_survived() {
    let mut witness = Witness::start(&many());
    let victim = peer();
    let update = victim.update().communities(&[(1, 2)]).announce(["10.0.0.0/8"]).finish();
    let messages = [
        initiation("r1", "cut"),
        victim.up(),
        victim.monitored(&update),
        victim.statistics(&[Stat::gauge(7, 12), Stat::of_family(9, (1, 1), 6)]),
        victim.mirrored(std::slice::from_ref(&update)),
        victim.down(1, &testkit::bgp::message::notification(6, 2, b"\x03bye")),
    ];
    for whole in &messages {
        let (kind, body) = (whole[5], &whole[HEADER..]);
        let mut router = attacker(&witness);
        // Each is as long as it says.
        let cuts: Vec<u8> = (0..body.len()).flat_map(|length| message(kind, &body[..length])).collect();
        let prefix = numbered(2_000_000 + u32::from(kind));
        router.send(&[cuts, victim.up(), victim.routes([prefix.as_str()])].concat());
        witness.log.wait("a route after the cuts", |log| !log.prefix(&prefix).is_empty());
    }
    witness.check(FEW_LINES).stop();
}

/// UPDATEs that RFC 7606 treats as withdrawals.
fn broken_updates() -> Vec<Vec<u8>> {
    let next_hop = Ipv4Addr::new(10, 0, 0, 1);
    let announce = |update: Update| peer().monitored(&update.announce(["10.0.0.0/8"]).finish());
    vec![
        announce(Update::new().origin(7).as_path(&[65_001]).next_hop(next_hop)),
        announce(Update::new().origin(0).next_hop(next_hop)),
        announce(Update::route(&[65_001], next_hop).attribute(0xc0, 8, &[1, 2, 3])),
        announce(Update::new().origin(0).attribute(0x40, 2, &[2, 9, 0, 0]).next_hop(next_hop)),
    ]
}

#[test]
fn a_flood_of_broken_updates_withdraws_routes_and_nothing_else() {
    let mut witness = Witness::start(&many());
    let mut router = attacker(&witness);
    router.send(&peer().up());
    let known = |log: &Log| log.routes.keys().any(|key| key.peer == "192.0.2.1" && key.prefix == "10.0.0.0/8");
    for broken in broken_updates() {
        router.send(&peer().routes(["10.0.0.0/8"]));
        witness.log.wait("the route", known);
        router.send(&broken);
        witness.log.wait("the withdrawal", |log| !known(log));
    }
    router.send(&broken_updates().concat().repeat(2000));
    witness.lives();
    router.send(&peer().routes(["11.0.0.0/8"]));
    witness.log.wait("the good route", |log| log.prefix("11.0.0.0/8").len() == 1);
    assert!(witness.log.prefix("10.0.0.0/8").is_empty());
    assert_eq!(witness.log.count("log_close"), 0);
    witness.check(FEW_LINES).stop();
}

/// A statistics report with counters of no octets: four octets each.
fn empty_counters(count: usize) -> Vec<u8> {
    peer().statistics(&vec![Stat { kind: 7, value: Vec::new() }; count])
}

#[test]
fn a_flood_of_counters_delays_nobody() {
    let mut witness = Witness::start(&many());
    let mut routers: Vec<Router> = (0..4).map(|_| attacker(&witness)).collect();
    // Reading the log takes the test longer than writing it takes the daemon.
    let reports = empty_counters(1000).repeat(5);
    for _ in 0..5 {
        routers.iter_mut().for_each(|router| router.send(&reports));
        witness.lives();
    }
    drop(routers);
    witness.check(FEW_LINES).stop();
}

#[test]
fn the_events_of_a_message_are_bounded() {
    let mut witness = Witness::start(&many());
    let mut router = attacker(&witness);
    let end_of_rib = Update::new().finish();
    let mirrored = peer().mirrored(&vec![end_of_rib; 10_000]);
    router.send(&[peer().up(), empty_counters(200_000), mirrored, peer().routes(["11.0.0.0/8"])].concat());
    witness.log.wait("the route after them", |log| log.prefix("11.0.0.0/8").len() == 1);
    // Of mirroring the messages, and their routes.
    assert_eq!((witness.log.count("stats"), witness.log.count("route_mirroring")), (4096, 2 * 4096));
    witness.process.signal(Signal::SIGUSR1);
    witness.process.wait_for_log("bmp_message_errors[too_many_events]=2");
    witness.check(FEW_LINES).stop();
}

/// Peers with numbered addresses.
fn numbered_peers(count: u32) -> impl Iterator<Item = Peer> {
    (0..count).map(|number| Peer { address: Ipv4Addr::from((10 << 24) + number).into(), ..peer() })
}

#[test]
fn the_peers_of_a_router_are_bounded() {
    const BLOCK: usize = 10_000;
    let mut witness = Witness::start(&pmbmpd("").more_config(TABLES));
    let mut router = attacker(&witness);
    let peers: Vec<Peer> = numbered_peers(100_000).collect();
    for block in peers.chunks(BLOCK) {
        let ups: Vec<u8> =
            block.iter().flat_map(|peer| [peer.up(), peer.routes(["10.0.0.0/8"])].concat()).collect();
        if router.try_send(&ups).is_err() {
            break;
        }
        witness.lives();
    }
    witness.check(FEW_LINES).stop();
}

#[test]
fn peers_that_flap_leave_nothing_behind() {
    let mut witness = Witness::start(&pmbmpd("").more_config(TABLES));
    let mut router = attacker(&witness);
    let routes = peer().update().announcing(numbered_nlri(0..1000));
    let routes: Vec<u8> = routes.iter().flat_map(|update| peer().monitored(update)).collect();
    for _ in 0..200 {
        router.send(&[peer().up(), routes.clone(), peer().down(4, &[])].concat());
        witness.lives();
    }
    witness.log.wait("the last peer down", |log| log.count("peer_down") == 200);
    eventually("the end of the routes", || {
        witness.log.update();
        witness.log.routes.keys().all(|key| key.peer == "198.51.100.1").then_some(())
    });
    witness.check(FEW_LINES).stop();
}

#[test]
fn events_that_wait_for_a_dump_are_bounded() {
    let mut witness = Witness::start(&pmbmpd("").more_config(TABLES));
    let mut router = attacker(&witness);
    // A dump a day: 100 MB of messages arrive before it.
    let block = initiation("r1", &"long ".repeat(10_000)).repeat(20);
    for _ in 0..100 {
        router.send(&block);
        witness.lives();
    }
    let process = witness.process;
    let now = resident(&process);
    assert!(now < witness.before + 2 * GROWTH, "{} bytes, {now} after the attack", witness.before);
    process.stop();
}

#[test]
fn many_routers_come_and_go() {
    let mut witness = Witness::start(&pmbmpd("bmp_daemon_max_peers: 300"));
    for round in 0..3 {
        let mut routers: Vec<Router> = (0..200).map(|_| attacker(&witness)).collect();
        for router in &mut routers {
            router.send(&[peer().up(), peer().routes(["10.0.0.0/8"])].concat());
        }
        witness.log.wait("all their routes", |log| log.prefix("10.0.0.0/8").len() == 200);
        routers.into_iter().enumerate().for_each(|(number, router)| match number % 2 {
            0 => drop(router),
            _ => router.reset(),
        });
        let ended = 200 * (round + 1);
        witness.log.wait("the end of their sessions", |log| log.count("log_close") == ended);
        witness.lives();
    }
    // Each session has a line for its begin and one for its end.
    witness.check(2 * 600 + FEW_LINES).stop();
}
