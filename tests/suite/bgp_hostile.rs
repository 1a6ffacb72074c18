//! Peers that attack a collector of BGP: it must stay small, and the sessions of others must not notice.

use crate::bgp::{Log, own_address, pmbgpd};
use crate::bgp_sessions::route;
use crate::malformed::resident;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use testkit::bgp::message::{keepalive, message};
use testkit::bgp::update::numbered;
use testkit::bgp::{Open, Speaker, Update};
use testkit::flood::{Flood, Manner};
use testkit::{Process, Setup};

/// Memory that an attack may cost.
pub(crate) const GROWTH: u64 = 64 << 20;
/// Time that the session of another peer may take for a message and its answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// Lines that an attack may cause in the log: those of a kind are limited in rate.
pub(crate) const FEW_LINES: usize = 200;

/// A session whose life is measured during an attack.
struct Witness {
    speaker: Speaker,
    log: Log,
    process: Process,
    before: u64,
    sent: u32,
}

impl Witness {
    fn start(setup: &Setup) -> Self {
        let process = setup.start_tcp();
        let source = own_address();
        let open = Open::new(65_100, source.parse().expect("an IPv4 address")).hold_time(600);
        let speaker = Speaker::establish(&source, setup.address(), &open);
        let (log, before) = (Log::of(&process), resident(&process));
        let mut witness = Self { speaker, log, process, before, sent: 0 };
        witness.lives();
        witness
    }

    fn target(&self) -> SocketAddr {
        self.process.setup().address()
    }

    /// Its next route is logged soon, and its KEEPALIVE answered.
    fn lives(&mut self) {
        // What the attack has caused so far may take this process long to read.
        self.log.update();
        let begin = Instant::now();
        let prefix = numbered(self.sent);
        self.sent += 1;
        self.speaker.send(&route(65_100, &prefix));
        self.speaker.keepalive();
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

fn many() -> Setup {
    pmbgpd("bgp_daemon_max_peers: 100")
}

#[test]
fn half_open_connections_cost_no_session() {
    let mut witness = Witness::start(&many());
    let source: IpAddr = own_address().parse().expect("an address");
    // As many as the attacker can open in a while; the collector closes what is too many.
    let held: Vec<TcpStream> = (0..400).filter_map(|_| connect(source, witness.target())).collect();
    witness.lives();
    assert!(!held.is_empty());
    // Some sent the start of an OPEN, and nothing more.
    let start = Open::new(65_001, [10, 0, 0, 1].into()).finish();
    for stream in held.iter().take(50) {
        use std::io::Write;
        let _ = (&mut &*stream).write_all(&start[..20]);
    }
    witness.lives();
    drop(held);
    witness.check(FEW_LINES).stop();
}

fn connect(source: IpAddr, target: SocketAddr) -> Option<TcpStream> {
    let source = source.to_string();
    let speaker = Speaker::try_connect(&source, target, Duration::from_secs(2)).ok()?;
    speaker.stream().try_clone().ok()
}

/// The number of file descriptors that a process has.
fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// Runs a flood from many addresses against a daemon, while `lives` passes again and again.
pub(crate) fn flood(target: SocketAddr, daemon: u32, manner: Manner, mut lives: impl FnMut()) {
    const TIME: Duration = Duration::from_secs(5);
    let sources: Vec<IpAddr> = (0..1000).map(|_| testkit::sockets::own_address().ip()).collect();
    let flood = Flood::start(&sources, target, manner);
    let (begin, mut turns) = (Instant::now(), 0);
    let (mut longest, mut files) = (Duration::ZERO, 0);
    while begin.elapsed() < TIME {
        let turn = Instant::now();
        lives();
        turns += 1;
        longest = longest.max(turn.elapsed());
        files = files.max(open_files(daemon));
    }
    let (attempts, time) = flood.stop();
    eprintln!(
        "{:.0} attempts a second, {:.0} established; {turns} routes of the witness, the longest after {longest:?}; \
         {files} open files",
        attempts.rate(time),
        attempts.established as f64 / time.as_secs_f64(),
    );
    assert!(attempts.tried > 1000 && attempts.established > 100, "{attempts:?}");
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
fn a_peer_that_does_not_read_costs_no_memory() {
    let mut witness = Witness::start(&many());
    let source = own_address();
    let mut slow = Speaker::simple(&source, 65_001, witness.target());
    slow.stream().set_write_timeout(Some(Duration::from_secs(2))).expect("the time is not zero");
    // Each asks for an answer of the same length.
    let block = keepalive().repeat(10_000);
    let mut sent = 0;
    while sent < 100 && slow.try_send(&block).is_ok() {
        sent += 1;
        if sent % 10 == 0 {
            witness.lives();
        }
    }
    drop(slow);
    witness.check(FEW_LINES).stop();
}

#[test]
fn a_peer_that_sends_an_octet_now_and_then_delays_nobody() {
    let mut witness = Witness::start(&many());
    let octets = Open::new(65_001, [10, 0, 0, 1].into()).finish();
    let mut slow: Vec<Speaker> = (0..20).map(|_| Speaker::connect(&own_address(), witness.target())).collect();
    for octet in octets.iter().take(20) {
        slow.iter_mut().for_each(|speaker| _ = speaker.try_send(&[*octet]));
        witness.lives();
    }
    drop(slow);
    witness.check(FEW_LINES).stop();
}

/// UPDATEs that RFC 7606 treats as withdrawals.
fn broken_updates() -> Vec<Vec<u8>> {
    let announce = |update: Update| update.announce(["10.0.0.0/8"]).finish();
    let next_hop = [10, 0, 0, 1].into();
    vec![
        announce(Update::new().origin(7).as_path(&[65_001]).next_hop(next_hop)),
        announce(Update::new().origin(0).next_hop(next_hop)),
        announce(Update::new().origin(0).as_path(&[65_001])),
        announce(Update::route(&[65_001], next_hop).attribute(0xc0, 8, &[1, 2, 3])),
        announce(Update::route(&[65_001], next_hop).attribute(0xc0, 32, &[0; 11])),
        announce(Update::new().origin(0).attribute(0x40, 2, &[2, 9, 0, 0]).next_hop(next_hop)),
        announce(Update::route(&[65_001], next_hop).attribute(0x80, 4, &[1])),
    ]
}

#[test]
fn a_flood_of_broken_updates_withdraws_routes_and_nothing_else() {
    let mut witness = Witness::start(&many());
    let source = own_address();
    let mut speaker = Speaker::simple(&source, 65_001, witness.target());
    for broken in broken_updates() {
        let known = |log: &Log| log.routes.keys().any(|key| key.peer == source && key.prefix == "10.0.0.0/8");
        speaker.send(&route(65_001, "10.0.0.0/8"));
        witness.log.wait("the route", known);
        speaker.send(&broken);
        witness.log.wait("the withdrawal", |log| !known(log));
    }
    let flood = broken_updates().concat().repeat(2000);
    speaker.send(&flood);
    witness.lives();
    speaker.send(&route(65_001, "11.0.0.0/8"));
    witness.log.wait("the good route", |log| log.prefix("11.0.0.0/8").len() == 1);
    assert!(witness.log.prefix("10.0.0.0/8").is_empty());
    assert_eq!(witness.log.count("log_close"), 0);
    witness.check(FEW_LINES).stop();
}

#[test]
fn noise_ends_only_the_session_that_it_came_through() {
    let mut witness = Witness::start(&many());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut octet = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_be_bytes()[3]
    };
    for round in 0..60_u8 {
        let mut speaker = Speaker::connect(&own_address(), witness.target());
        if round % 3 > 0 {
            speaker.open(&Open::new(65_001, [10, 1, 0, round].into()).add_path(1, 1));
        }
        let noise: Vec<u8> = (0..500).map(|_| octet()).collect();
        // In an UPDATE, after its lengths, and bare.
        let octets = match round % 3 {
            0 => noise,
            1 => message(2, &noise),
            _ => message(2, &[&[0, 0, 1, 240][..], &noise].concat()),
        };
        let _ = speaker.try_send(&octets);
        let _ = speaker.try_send(&keepalive());
        if round % 10 == 0 {
            witness.lives();
        }
    }
    witness.check(FEW_LINES).stop();
}

#[test]
fn many_peers_come_and_go() {
    let mut witness = Witness::start(&pmbgpd("bgp_daemon_max_peers: 300"));
    for round in 0..3 {
        let mut speakers: Vec<Speaker> =
            (0..200).map(|number| Speaker::simple(&own_address(), 65_001 + number, witness.target())).collect();
        for (number, speaker) in (0..).zip(&mut speakers) {
            speaker.send(&route(65_001 + number, "10.0.0.0/8"));
        }
        witness.log.wait("all their routes", |log| log.prefix("10.0.0.0/8").len() == 200);
        speakers.into_iter().enumerate().for_each(|(number, speaker)| match number % 2 {
            0 => drop(speaker),
            _ => speaker.reset(),
        });
        let ended = 200 * (round + 1);
        witness.log.wait("the end of their sessions", |log| log.count("log_close") == ended);
        witness.lives();
    }
    // Each session has a line for its begin and one for its end.
    witness.check(2 * 600 + FEW_LINES).stop();
}
