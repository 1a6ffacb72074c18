//! The looking glass of BGP: `bgp_daemon_lg`.
#![cfg(feature = "zmq")]
#![expect(clippy::unwrap_used, reason = "a test whose client fails has failed")]

use crate::bgp::{Log, own_address, pmbgpd};
use omq_proto::proto::{Connection, ConnectionConfig, Event, Role, SocketType};
use omq_proto::{MechanismSetup, Message};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use testkit::bgp::update::{labelled, vpn, with_path};
use testkit::bgp::{Open, Speaker, Update};
use testkit::conditions::PATIENCE;
use testkit::{Process, Setup};

const READY: &str = "looking glass: waiting for queries on";
const PORT: u16 = 17900;

fn looking_glass(lines: &str) -> Setup {
    pmbgpd("bgp_daemon_lg: true\nbgp_daemon_lg_ip: {ip}\nbgp_daemon_max_peers: 10").more_config(lines)
}

fn start(setup: &Setup) -> Process {
    let process = setup.start_tcp();
    process.wait_for_log(READY);
    process
}

fn address(process: &Process) -> SocketAddr {
    SocketAddr::new(process.setup().address().ip(), PORT)
}

fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(address(process)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client, as a socket of the type REQ.
struct Client {
    stream: TcpStream,
    connection: Connection,
}

impl Client {
    fn new(process: &Process) -> Self {
        Self::admitted(process, MechanismSetup::Null).unwrap()
    }

    fn with_password(process: &Process, password: &str) -> Result<Self, String> {
        let (username, password) = ("operator".to_owned(), password.to_owned());
        Self::admitted(process, MechanismSetup::PlainClient { username, password })
    }

    fn admitted(process: &Process, mechanism: MechanismSetup) -> Result<Self, String> {
        let config = ConnectionConfig::new(Role::Client, SocketType::Req).mechanism(mechanism);
        let mut client = Self { stream: connect(process), connection: Connection::new(config) };
        loop {
            client.exchange()?;
            if let Some(Event::HandshakeSucceeded { .. }) = client.connection.poll_event() {
                return Ok(client);
            }
        }
    }

    /// Sends what waits, and reads once.
    fn exchange(&mut self) -> Result<(), String> {
        self.send();
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("closed".to_owned());
        }
        self.connection.handle_input(buffer[..count].to_vec().into()).map_err(|error| error.to_string())?;
        self.send();
        Ok(())
    }

    fn send(&mut self) {
        let octets = self.connection.poll_transmit();
        self.stream.write_all(&octets).unwrap();
        self.connection.advance_transmit(octets.len());
    }

    /// Sends a query and returns the answer.
    fn ask(&mut self, parts: &[&str]) -> Result<Vec<Value>, String> {
        let envelope = [Vec::new()].into_iter();
        let parts = envelope.chain(parts.iter().map(|part| part.as_bytes().to_vec()));
        self.connection.send_message(&Message::multipart(parts)).unwrap();
        let answer = loop {
            self.exchange()?;
            if let Some(answer) = self.connection.poll_message() {
                break answer;
            }
        };
        let mut parts = answer.iter();
        assert_eq!(parts.next().as_deref(), Some(&[][..]), "the envelope comes back");
        Ok(parts.map(|part| serde_json::from_slice(&part).unwrap()).collect())
    }

    fn peers(&mut self) -> Vec<Value> {
        self.ask(&[r#"{"query_type": 2, "queries": 1}"#]).unwrap()
    }

    /// Asks for routes of a prefix, and returns the answer without what differs in each run.
    fn routes(&mut self, query: &Value) -> Vec<Value> {
        let mut answer = self.ask(&[r#"{"query_type": 1, "queries": 1}"#, &query.to_string()]).unwrap();
        for part in &mut answer {
            part.as_object_mut().unwrap().remove("peer_tcp_port");
        }
        answer
    }
}

fn nothing(text: &str) -> Vec<Value> {
    vec![json!({"query_type": 1, "results": 0, "text": text})]
}

#[test]
fn peers_and_their_routes_are_found() {
    let process = start(&looking_glass(""));
    let (address, mut log) = (process.setup().address(), Log::with_tables(&process));
    let (ip, other_ip) = (own_address(), own_address());
    let id = Ipv4Addr::new(10, 0, 1, 1);
    let open = Open::new(65_001, id).family(1, 4).family(1, 128).add_path(1, 1);
    let mut speaker = Speaker::establish(&ip, address, &open);
    let mut other = Speaker::simple(&other_ip, 65_002, address);
    let mut client = Client::new(&process);
    let query = |prefix: &str| json!({"peer_ip_src": ip, "ip_prefix": prefix});

    let hop = Ipv4Addr::new(10, 0, 0, 1);
    let path = |id, path: &[u32]| {
        let nlri = with_path(id, &testkit::bgp::update::prefix("10.20.0.0/16"));
        Update::route(path, hop).announce_raw(&nlri).finish()
    };
    let attributes = || Update::new().origin(0).as_path(&[65_001]);
    speaker.send(&path(1, &[65_001, 65_010]));
    speaker.send(&path(2, &[65_001, 65_020]));
    let of_vpn = vpn(100, (65_001, 2), "192.0.2.0/24");
    speaker.send(&attributes().reach(1, 128, &[0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1], &of_vpn).finish());
    speaker.send(&attributes().reach(1, 4, &hop.octets(), &labelled(16, "198.51.100.0/24")).finish());
    other.send(&Update::route(&[65_002], hop).announce(["10.20.5.0/24", "10.30.0.0/16"]).finish());
    log.wait_for(6, "update");
    assert_eq!(client.routes(&query("10.20.5.5")), nothing("EoR not received"));

    for (afi, safi) in [(1, 1), (1, 128)] {
        speaker.send(&Update::end_of_rib(afi, safi).finish());
    }
    other.send(&Update::end_of_rib(1, 1).finish());
    log.wait_for(3, "end-of-rib");

    let mut peers = client.peers();
    assert_eq!(peers.remove(0), json!({"query_type": 2, "results": 2}));
    let port = |speaker: &Speaker| speaker.local().port();
    assert_eq!(
        peers,
        [
            json!({"peer_ip_src": ip, "peer_id": "10.0.1.1", "peer_tcp_port": port(&speaker), "peer_as": 65_001}),
            json!({"peer_ip_src": other_ip, "peer_id": other_ip, "peer_tcp_port": port(&other), "peer_as": 65_002}),
        ]
    );

    let shown = |path_id: u32, path: &str| {
        json!({"event_type": "lglass", "peer_ip_src": ip, "afi": 1, "safi": 1, "ip_prefix": "10.20.0.0/16",
               "as_path_id": path_id, "bgp_nexthop": "10.0.0.1", "as_path": path, "origin": "i"})
    };
    let both = [json!({"query_type": 1, "results": 2}), shown(1, "65001 65010"), shown(2, "65001 65020")];
    // The longest prefix of this peer, whatever others have.
    for prefix in ["10.20.5.5", "10.20.5.0/24", "10.20.0.0/16"] {
        assert_eq!(client.routes(&query(prefix)), both, "{prefix}");
    }
    let with_port = |port: u16| json!({"peer_ip_src": ip, "peer_tcp_port": port, "ip_prefix": "10.20.5.5"});
    assert_eq!(client.routes(&with_port(port(&speaker))), both);
    assert_eq!(client.routes(&with_port(1)), nothing("peer not found"));

    let found = client.routes(&json!({"peer_ip_src": ip, "ip_prefix": "192.0.2.1", "rd": "0:65001:2"}));
    assert_eq!((found.len(), &found[1]["rd"], &found[1]["mpls_label"]), (2, &json!("0:65001:2"), &json!("100")));
    let elsewhere = json!({"peer_ip_src": ip, "ip_prefix": "192.0.2.1", "rd": "0:65001:3"});
    assert_eq!(client.routes(&elsewhere), nothing("prefix not found"));

    // Labelled routes may still come.
    assert_eq!(client.routes(&query("198.51.100.1")), nothing("EoR not received"));
    speaker.send(&Update::end_of_rib(1, 4).finish());
    log.wait_for(4, "end-of-rib");
    let found = client.routes(&query("198.51.100.1"));
    assert_eq!((found.len(), &found[1]["safi"], &found[1]["mpls_label"]), (2, &json!(4), &json!("16")));
    assert_eq!(client.routes(&query("10.0.0.0/8")), nothing("prefix not found"));
    assert_eq!(client.routes(&query("10.30.0.1")), nothing("prefix not found"), "another peer has it");
    let stranger = json!({"peer_ip_src": "192.0.2.9", "ip_prefix": "10.20.5.5"});
    assert_eq!(client.routes(&stranger), nothing("peer not found"));

    drop(other);
    log.wait_for(1, "log_close");
    assert_eq!(client.peers().len(), 2, "one peer is left");
    process.stop();
}

#[test]
fn what_is_no_query_is_refused_and_counted() {
    let process = start(&looking_glass(""));
    let mut client = Client::new(&process);
    let unsupported = [json!({"query_type": 0, "results": 0, "text": "unsupported query_type"})];
    let route = r#"{"peer_ip_src": "127.0.1.1", "ip_prefix": "10.20.0.1"}"#;
    for parts in [
        &[""][..],
        &["{"],
        &[r#"{"query_type": 99, "queries": 1}"#],
        &[r#"{"query_type": 1, "queries": 2}"#, route, route],
    ] {
        assert_eq!(client.ask(parts).unwrap(), unsupported, "{parts:?}");
    }
    let invalid = client.routes(&json!({"peer_ip_src": "127.0.1.1", "ip_prefix": "x"}));
    assert_eq!(invalid, nothing("lookup error"));
    assert_eq!(client.peers(), [json!({"query_type": 2, "results": 0})]);

    let too_large = "x".repeat(10_000);
    assert!(client.ask(&[&too_large]).is_err(), "the connection is closed");
    process.wait_for_log("looking glass: closing the connection: message too large");
    // No mechanism of ZeroMQ, then no ZeroMQ at all, then a message of 2^62 octets.
    assert!(Client::with_password(&process, "secret").is_err());
    let greeting = || [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], b"NULL", &[0; 48]].concat();
    let huge = [&[2][..], &(1_u64 << 62).to_be_bytes(), &[0; 100]].concat();
    for octets in [b"GET / HTTP/1.1\r\n\r\n".repeat(10), [greeting(), huge].concat()] {
        let mut stream = connect(&process);
        stream.write_all(&octets).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // An answer may be in the way of the end, or be lost with it.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(Client::new(&process).peers().len(), 1, "others are not harmed");
    let queries = ["queries[found]=0", "queries[not_found]=2", "queries[invalid]=5"];
    wait_for_figures(&process, &[&queries[..], &["closed[too_large]=1", "closed[protocol]=3"]].concat());
    process.stop();
}

/// Waits until the statistics have these figures: a client may see its end before it is counted.
fn wait_for_figures(process: &Process, figures: &[&str]) {
    const LINE: &str = "stats [looking glass]";
    testkit::eventually("the figures", || {
        process.wait_for_new_log(LINE, || process.signal(testkit::process::Signal::SIGUSR1));
        let log = process.log();
        let line = log.lines().rfind(|line| line.contains(LINE))?;
        figures.iter().all(|figure| line.contains(&format!("bgp_looking_glass_{figure}"))).then_some(())
    });
}

#[test]
fn clients_need_the_password() {
    let lines = "bgp_daemon_lg_user: operator\nbgp_daemon_lg_passwd: s3cret";
    let process = start(&looking_glass(lines));
    let mut client = Client::with_password(&process, "s3cret").unwrap();
    assert_eq!(client.peers(), [json!({"query_type": 2, "results": 0})]);
    for password in ["", "s3cres", "s3cret1"] {
        assert!(Client::with_password(&process, password).is_err(), "{password}");
    }
    assert!(Client::admitted(&process, MechanismSetup::Null).is_err());
    wait_for_figures(&process, &["closed[authentication]=3", "closed[protocol]=1"]);
    assert!(!process.log().contains("s3cret"), "no password is logged");
    process.stop();

    for (lines, word) in [
        ("bgp_daemon_lg_user: operator", "without bgp_daemon_lg_passwd"),
        ("bgp_daemon_lg_passwd: s3cret", "without bgp_daemon_lg_user"),
        ("bgp_daemon_lg_user: operator\nbgp_daemon_lg_passwd: one two", "printing ASCII"),
    ] {
        let finished = looking_glass(lines).arguments(["--check"]).run();
        assert_eq!(finished.code(), Some(1), "{lines}");
        assert!(finished.log.contains(word), "{lines}: {}", finished.log);
    }
}

#[test]
fn clients_are_bounded_and_end_with_the_daemon() {
    let process = start(&looking_glass(""));
    let mut silent: Vec<TcpStream> = (0..63).map(|_| connect(&process)).collect();
    let mut client = Client::new(&process);
    assert_eq!(client.peers().len(), 1, "silent clients do not disturb");
    let mut another = Client::new(&process);
    assert_eq!(another.peers().len(), 1, "there is room for another one");
    let mut greeting = Vec::new();
    silent[0].read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting.len(), 64, "the one that was silent for longest is closed");
    process.wait_for_log("looking glass: closing the connection: there are 64 clients");
    assert_eq!(client.peers().len(), 1, "others are not");
    let begun = Instant::now();
    process.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "open connections do not delay the end");
    drop((silent, client, another));
}
