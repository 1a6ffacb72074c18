//! A server and clients that exchange datagrams in memory.

use crate::hello::{ClientHello, NotHello, epochs};
use crate::*;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Pem {
    certificates: String,
    key: String,
}

impl Pem {
    fn identity(&self) -> Identity<'_> {
        Identity { certificates: self.certificates.as_bytes(), key: self.key.as_bytes() }
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Certificates whose subject is that of their issuer would look self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> Pem {
        self.issue_with(name, KeyPair::generate().unwrap())
    }

    fn issue_with(&self, name: &str, key: KeyPair) -> Pem {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pem { certificates: certificate.pem(), key: key.serialize_pem() }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

/// An RSA key, as most collectors of flows have it.
fn rsa() -> KeyPair {
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    KeyPair::from_pem(&String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()).unwrap()
}

/// What a server does.
#[derive(Default)]
struct Log {
    sent: VecDeque<(SocketAddr, Vec<u8>)>,
    opened: Vec<SocketAddr>,
    plaintexts: Vec<(SocketAddr, Vec<u8>)>,
    ended: Vec<(SocketAddr, bool, Ending)>,
}

impl Handler for Log {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.sent.push_back((to, datagram.to_vec()));
    }

    fn opened(&mut self, peer: SocketAddr) {
        self.opened.push(peer);
    }

    fn plaintext(&mut self, peer: SocketAddr, plaintext: &[u8]) {
        self.plaintexts.push((peer, plaintext.to_vec()));
    }

    fn ended(&mut self, peer: SocketAddr, was_open: bool, why: &Ending) {
        self.ended.push((peer, was_open, why.clone()));
    }
}

struct Net {
    server: Server,
    log: Log,
    now: Instant,
}

impl Net {
    fn new(context: ServerContext, limits: ServerLimits) -> Self {
        Self { server: Server::new(context, limits).unwrap(), log: Log::default(), now: Instant::now() }
    }

    /// Exchanges datagrams until there are none. `lose` says which of the client's are lost.
    fn exchange(&mut self, address: SocketAddr, client: &mut Client, mut lose: impl FnMut(usize) -> bool) {
        let mut number = 0;
        loop {
            let mut datagrams = Vec::new();
            client.flush(|datagram| datagrams.push(datagram.to_vec()));
            for datagram in &datagrams {
                if !lose(number) {
                    self.server.receive(address, datagram, self.now, &mut self.log);
                }
                number += 1;
            }
            let answers = std::mem::take(&mut self.log.sent);
            if datagrams.is_empty() && answers.is_empty() {
                return;
            }
            for (to, datagram) in answers {
                if to == address {
                    client.receive(&datagram);
                }
            }
        }
    }

    fn failures(&self) -> Vec<&str> {
        let of = |(_, _, why): &'_ (_, _, Ending)| match why {
            Ending::Failed(_) => "failed",
            Ending::Closed => "closed",
            Ending::HandshakeTimeout => "timeout",
            Ending::HandshakeTooLong => "too long",
            Ending::Idle => "idle",
            Ending::Evicted => "evicted",
            Ending::Replaced => "replaced",
            Ending::Local => "local",
        };
        self.log.ended.iter().map(of).collect()
    }
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn name() -> Peer<'static> {
    Peer::Named("collector.example.net")
}

/// A server, and the context of clients that trust it.
fn setting(limits: ServerLimits) -> (Net, ClientContext, Authority) {
    let authority = Authority::new();
    let context = ServerContext::new(&authority.issue("collector.example.net").identity(), None).unwrap();
    let client = ClientContext::new(None, Some(authority.pem().as_bytes())).unwrap();
    (Net::new(context, limits), client, authority)
}

#[test]
fn records_arrive_as_they_were_sent() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let mut client = Client::new(&context, &name()).unwrap();
    net.exchange(address(1, 1000), &mut client, |_| false);
    assert!(client.is_open(), "{:?} {:?}", client.ending(), net.log.ended);
    assert_eq!((net.server.sessions(), net.server.handshakes()), (1, 0));
    let sent = [vec![1], vec![2; 1400], vec![3; MAX_PLAINTEXT]];
    for plaintext in &sent {
        client.send(plaintext).unwrap();
        let mut sizes = Vec::new();
        let mut datagrams = Vec::new();
        client.flush(|datagram| {
            sizes.push(datagram.len());
            datagrams.push(datagram.to_vec());
        });
        assert!(sizes.len() == 1 && sizes[0] <= plaintext.len() + RECORD_OVERHEAD, "{sizes:?}");
        net.server.receive(address(1, 1000), &datagrams[0], net.now, &mut net.log);
        // A repeated datagram is none.
        net.server.receive(address(1, 1000), &datagrams[0], net.now, &mut net.log);
    }
    assert_eq!(net.log.plaintexts.iter().map(|(_, plaintext)| plaintext).collect::<Vec<_>>(), sent.each_ref());
    assert_eq!(client.send(&[]), Err(SendError::Size(0)));
    assert_eq!(client.send(&vec![0; MAX_PLAINTEXT + 1]), Err(SendError::Size(MAX_PLAINTEXT + 1)));
    client.close();
    net.exchange(address(1, 1000), &mut client, |_| false);
    assert_eq!(net.failures(), ["closed"]);
    assert_eq!((net.server.sessions(), net.log.opened.len()), (0, 1));
}

#[test]
fn keys_of_rsa_serve_as_well() {
    let authority = Authority::new();
    let pem = authority.issue_with("192.0.2.9", rsa());
    let mut net = Net::new(ServerContext::new(&pem.identity(), None).unwrap(), ServerLimits::default());
    let context = ClientContext::new(None, Some(authority.pem().as_bytes())).unwrap();
    let mut client = Client::new(&context, &Peer::Named("192.0.2.9")).unwrap();
    net.exchange(address(1, 1000), &mut client, |_| false);
    assert!(client.is_open());
}

#[test]
fn a_client_verifies_chain_and_name() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let stranger = ClientContext::new(None, Some(Authority::new().pem().as_bytes())).unwrap();
    let nobody = ClientContext::new(None, None).unwrap();
    for (port, context, peer, is_fine) in [
        (1, &context, Peer::Named("other.example.net"), false),
        (2, &context, Peer::Trusted, true),
        (3, &stranger, Peer::Trusted, false),
        (4, &nobody, Peer::Anyone, true),
        (5, &stranger, name(), false),
    ] {
        let mut client = Client::new(context, &peer).unwrap();
        net.exchange(address(1, port), &mut client, |_| false);
        assert_eq!(client.is_open(), is_fine, "{peer:?}: {:?}", client.ending());
        if !is_fine {
            let Some(Ending::Failed(why)) = client.ending() else { panic!("{:?}", client.ending()) };
            assert!(why.contains("certificate"), "{why}");
        }
    }
    assert!(Client::new(&nobody, &name()).is_err());
}

#[test]
fn a_server_can_ask_for_the_certificates_of_clients() {
    let authority = Authority::new();
    let pem = authority.issue("collector.example.net");
    let context = ServerContext::new(&pem.identity(), Some(authority.pem().as_bytes())).unwrap();
    let mut net = Net::new(context, ServerLimits::default());
    let (known, unknown) = (authority.issue("exporter"), Authority::new().issue("exporter"));
    for (port, identity, is_fine) in [(1, Some(&known), true), (2, Some(&unknown), false), (3, None, false)] {
        let identity = identity.map(Pem::identity);
        let context = ClientContext::new(identity.as_ref(), Some(authority.pem().as_bytes())).unwrap();
        let mut client = Client::new(&context, &name()).unwrap();
        net.exchange(address(1, port), &mut client, |_| false);
        assert_eq!(client.is_open(), is_fine, "{port}: {:?} {:?}", client.ending(), net.log.ended);
    }
    assert_eq!((net.failures(), net.log.opened.len()), (vec!["failed", "failed"], 1));
}

#[test]
fn lost_datagrams_are_sent_again() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let mut client = Client::new(&context, &name()).unwrap();
    // The last flight of the client, of which nothing arrives.
    net.exchange(address(1, 1000), &mut client, |number| number >= 2);
    assert!(!client.is_open());
    let until = Instant::now() + Duration::from_secs(20);
    while !client.is_open() && Instant::now() < until {
        client.tick();
        net.server.tick(net.now, &mut net.log);
        net.exchange(address(1, 1000), &mut client, |_| false);
        std::thread::yield_now();
    }
    assert!(client.is_open(), "{:?}", net.log.ended);
}

#[test]
fn nothing_is_kept_of_a_client_without_a_cookie() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let mut client = Client::new(&context, &name()).unwrap();
    let mut hello = Vec::new();
    client.flush(|datagram| hello.extend_from_slice(datagram));
    for port in 1..1000 {
        net.server.receive(address(1, port), &hello, net.now, &mut net.log);
    }
    assert_eq!((net.server.handshakes(), net.server.counts().cookies), (0, 999));
    assert!(net.log.sent.iter().all(|(_, answer)| answer.len() < hello.len()));
    // A cookie is that of one address and port, and of one hello.
    let (_, answer) = net.log.sent.pop_front().unwrap();
    client.receive(&answer);
    let mut second = Vec::new();
    client.flush(|datagram| second.extend_from_slice(datagram));
    net.log.sent.clear();
    net.server.receive(address(1, 2), &second, net.now, &mut net.log);
    assert_eq!((net.server.handshakes(), net.server.counts().bad_cookies), (0, 1));
    let mut changed = second.clone();
    changed[13 + 12 + 2 + 5] ^= 1;
    net.server.receive(address(1, 1), &changed, net.now, &mut net.log);
    assert_eq!((net.server.handshakes(), net.server.counts().bad_cookies), (0, 2));
    net.server.receive(address(1, 1), &second, net.now, &mut net.log);
    assert_eq!(net.server.handshakes(), 1);
}

#[test]
fn cookies_expire() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let mut client = Client::new(&context, &name()).unwrap();
    let from = address(1, 1);
    client.flush(|datagram| net.server.receive(from, datagram, net.now, &mut net.log));
    let (_, answer) = net.log.sent.pop_front().unwrap();
    client.receive(&answer);
    let mut second = Vec::new();
    client.flush(|datagram| second.extend_from_slice(datagram));
    for _ in 0..2 {
        net.now += Duration::from_secs(301);
        let mut other = Client::new(&context, &name()).unwrap();
        other.flush(|datagram| net.server.receive(address(2, 2), datagram, net.now, &mut net.log));
    }
    net.server.receive(from, &second, net.now, &mut net.log);
    assert_eq!((net.server.handshakes(), net.server.counts().bad_cookies), (0, 1));
}

#[test]
fn handshakes_and_sessions_are_bounded() {
    let limits = ServerLimits { handshakes: 4, handshakes_per_address: 2, sessions: 3, ..ServerLimits::default() };
    let (mut net, context, _) = setting(limits);
    // Clients that stop after the cookie.
    for (last, port) in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (4, 1)] {
        let mut client = Client::new(&context, &name()).unwrap();
        net.exchange(address(last, port), &mut client, |number| number >= 2);
    }
    assert_eq!(net.server.handshakes(), 4);
    assert_eq!(net.server.counts().refused, 1);
    assert_eq!(net.failures(), ["evicted"]);
    net.now += limits.handshake;
    net.server.tick(net.now, &mut net.log);
    assert_eq!(net.server.handshakes(), 0);
    assert_eq!(net.failures()[1..], ["timeout"; 4]);
    net.log.ended.clear();
    let mut clients = Vec::new();
    for port in 1..=5 {
        let mut client = Client::new(&context, &name()).unwrap();
        net.exchange(address(1, port), &mut client, |_| false);
        assert!(client.is_open());
        clients.push(client);
    }
    assert_eq!((net.server.sessions(), net.failures()), (3, vec!["evicted", "evicted"]));
    // Those that are silent end.
    net.now += limits.idle / 2;
    clients[4].send(b"here").unwrap();
    net.exchange(address(1, 5), &mut clients[4], |_| false);
    net.now += limits.idle / 2;
    net.server.tick(net.now, &mut net.log);
    assert_eq!((net.server.sessions(), net.failures().len()), (1, 4));
    net.server.end(&mut net.log);
    net.exchange(address(1, 5), &mut clients[4], |_| false);
    assert_eq!((net.server.sessions(), clients[4].ending()), (0, Some(&Ending::Closed)));
}

#[test]
fn a_client_that_begins_anew_replaces_its_session() {
    let (mut net, context, _) = setting(ServerLimits::default());
    for _ in 0..2 {
        let mut client = Client::new(&context, &name()).unwrap();
        net.exchange(address(1, 1), &mut client, |_| false);
        assert!(client.is_open());
        // A hello without a cookie ends nothing: anybody can send it.
        let mut other = Client::new(&context, &name()).unwrap();
        other.flush(|datagram| net.server.receive(address(1, 1), datagram, net.now, &mut net.log));
        assert_eq!(net.server.sessions(), 1);
        net.log.sent.clear();
    }
    assert_eq!((net.server.sessions(), net.failures()), (1, vec!["replaced"]));
}

#[test]
fn a_client_with_too_many_records_is_given_up() {
    let (mut net, context, _) = setting(ServerLimits::default());
    let mut client = Client::new(&context, &name()).unwrap();
    net.exchange(address(1, 1), &mut client, |number| number >= 2);
    assert_eq!(net.server.handshakes(), 1);
    // Application data of epoch 1, before there are keys.
    let early = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for _ in 0..10 {
        net.server.receive(address(1, 1), &early.repeat(10), net.now, &mut net.log);
    }
    assert_eq!((net.server.handshakes(), net.failures()), (0, vec!["too long"]));
    assert!(net.server.counts().strays > 0);
}

#[test]
fn certificates_can_be_exchanged() {
    let (mut net, old, _) = setting(ServerLimits::default());
    let mut first = Client::new(&old, &name()).unwrap();
    net.exchange(address(1, 1), &mut first, |_| false);
    let authority = Authority::new();
    let pem = authority.issue("collector.example.net");
    net.server.set_context(ServerContext::new(&pem.identity(), None).unwrap());
    let context = ClientContext::new(None, Some(authority.pem().as_bytes())).unwrap();
    let mut second = Client::new(&context, &name()).unwrap();
    net.exchange(address(1, 2), &mut second, |_| false);
    first.send(b"still here").unwrap();
    net.exchange(address(1, 1), &mut first, |_| false);
    assert!(first.is_open() && second.is_open());
    assert_eq!(net.log.plaintexts.len(), 1);
}

#[test]
fn files_are_judged_with_a_reason() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("a"), authority.issue("b"));
    let new = |certificates: &str, key: &str| {
        let identity = Identity { certificates: certificates.as_bytes(), key: key.as_bytes() };
        ServerContext::new(&identity, None).map(|_| ()).unwrap_err()
    };
    assert!(matches!(new("", &one.key), ContextError::Certificate(_)));
    assert!(matches!(new(&one.certificates, "none"), ContextError::Key(_)));
    assert_eq!(new(&one.certificates, &other.key), ContextError::Mismatch);
    let bad = ServerContext::new(&one.identity(), Some(b"none")).unwrap_err();
    assert!(matches!(bad, ContextError::Authorities(_)));
}

/// A first hello.
fn hello() -> Vec<u8> {
    let context = ClientContext::new(None, None).unwrap();
    let mut client = Client::new(&context, &Peer::Anyone).unwrap();
    let mut hello = Vec::new();
    client.flush(|datagram| hello.extend_from_slice(datagram));
    hello
}

#[test]
fn a_hello_is_read_and_written() {
    let datagram = hello();
    let read = ClientHello::read(&datagram).unwrap();
    assert_eq!((read.sequence, read.message, read.cookie), (0, 0, &[][..]));
    let mut first = Vec::new();
    read.write_first(&mut first);
    assert_eq!(first, datagram);
    let mut answer = Vec::new();
    read.write_verify_request(&[7; 4], &mut answer);
    #[rustfmt::skip]
    assert_eq!(answer, [
        22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 19, // record
        3, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7, // handshake
        0xfe, 0xff, 4, 7, 7, 7, 7, // version and cookie
    ]);
    assert_eq!(ClientHello::read(&answer), Err(NotHello::Other));
    assert_eq!(epochs(&[datagram, answer].concat()).collect::<Vec<_>>(), [0, 0]);
}

proptest! {
    #[test]
    fn a_part_of_a_hello_is_none(cut in 0usize..400) {
        let datagram = hello();
        let cut = cut.min(datagram.len() - 1);
        prop_assert!(matches!(ClientHello::read(&datagram[..cut]), Err(NotHello::Truncated(_))));
    }

    #[test]
    fn whatever_arrives_is_survived(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let (mut net, context, _) = setting(ServerLimits::default());
        let mut client = Client::new(&context, &name()).unwrap();
        net.exchange(address(1, 1), &mut client, |number| number >= 2);
        for datagram in datagrams {
            net.server.receive(address(1, 1), &datagram, net.now, &mut net.log);
            client.receive(&datagram);
        }
    }
}

#[test]
fn both_sides_can_move_to_threads() {
    fn moves<T: Send>() {}
    moves::<Server>();
    moves::<Client>();
    moves::<ServerContext>();
    moves::<ClientContext>();
}
