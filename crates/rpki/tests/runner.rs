//! The thread with caches over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rpki::client::Settings as ClientSettings;
use rpki::client::{Reason, Timers};
use rpki::rtr::{Intervals, Pdu, Version};
use rpki::runner::{Address, Handle, Runner, Settings, TlsFiles};
use rpki::{Shared, Validity, Vrp};
use runtime::events::{self, Stop};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use testkit::certificates::Authority;
use testkit::conditions::eventually;
use testkit::servers::TlsProxy;
use wire::{Asn, Writer};

fn vrp(prefix: &str, asn: u32) -> Vrp {
    let prefix: wire::Prefix = prefix.parse().unwrap();
    Vrp::new(prefix, prefix.length(), Asn(asn)).unwrap()
}

fn octets(version: Version, pdus: &[Pdu<'_>]) -> Vec<u8> {
    let mut w = Writer::new();
    pdus.iter().for_each(|pdu| pdu.write(version, &mut w));
    w.finish()
}

fn all_data(session: u16, serial: u32, vrps: &[Vrp]) -> Vec<u8> {
    let mut pdus = vec![Pdu::CacheResponse { session }];
    pdus.extend(vrps.iter().map(|vrp| Pdu::Prefix { announce: true, vrp: *vrp }));
    pdus.push(Pdu::EndOfData { session, serial, intervals: Some(Intervals::default()) });
    octets(Version::V1, &pdus)
}

/// Passes accepted connections to the test.
fn listen(address: &str) -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if sender.send(stream).is_err() {
                break;
            }
        }
    });
    (address, receiver)
}

/// Waits for a connection and reads its first query.
fn accept(connections: &Receiver<TcpStream>) -> (TcpStream, Vec<u8>) {
    let mut stream = connections.recv_timeout(Duration::from_secs(60)).unwrap();
    let query = query(&mut stream);
    (stream, query)
}

/// Reads a PDU.
fn query(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = [0; 8];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[4..].try_into().unwrap()) as usize;
    let mut pdu = vec![0; length];
    pdu[..8].copy_from_slice(&head);
    stream.read_exact(&mut pdu[8..]).unwrap();
    pdu
}

struct Running {
    shared: Arc<Shared>,
    threads: Threads,
    handle: Option<Handle>,
    _events: events::Events,
}

fn settings(caches: &[SocketAddr]) -> Settings {
    Settings {
        caches: caches.iter().map(|cache| Address::parse(&cache.to_string()).unwrap()).collect(),
        client: ClientSettings {
            version: Version::V1,
            timers: Timers { retry: Some(Duration::from_millis(50)), ..Timers::default() },
            ..ClientSettings::default()
        },
        tls: None,
        ip_precedence: 5,
        receive_buffer: Some(100_000),
    }
}

fn start(settings: Settings) -> Running {
    let (sender, events) = events::channel(None);
    let threads = Threads::new(sender, Stop::new());
    let shared = Arc::new(Shared::new());
    let runner = Runner::new(settings).unwrap();
    let handle = runner.start(&threads, Identity::new("default", "core"), Arc::clone(&shared)).unwrap();
    Running { shared, threads, handle: Some(handle), _events: events }
}

impl Running {
    fn validity(&self, vrp: &Vrp) -> Validity {
        self.shared.load().validity(&vrp.prefix(), Some(vrp.asn()))
    }

    fn becomes(&self, vrp: &Vrp, validity: Validity) {
        eventually("the validity", || (self.validity(vrp) == validity).then_some(()));
    }

    fn errors(&self, reason: Reason) -> u64 {
        self.shared.counters().errors().find(|(other, _)| *other == reason).unwrap().1
    }

    /// Stops the thread, and returns how long that took.
    fn stop(&mut self) -> Duration {
        let start = Instant::now();
        self.handle = None;
        assert_eq!(self.threads.join_all(Duration::from_secs(60)), [""; 0]);
        start.elapsed()
    }
}

#[test]
fn data_are_published_refreshed_and_kept_when_the_cache_goes_away() {
    let (address, connections) = listen("127.0.0.1:0");
    let running = start(settings(&[address]));
    let (first, second) = (vrp("10.0.0.0/8", 1), vrp("11.0.0.0/8", 2));
    let (mut cache, reset) = accept(&connections);
    assert_eq!(reset, octets(Version::V1, &[Pdu::ResetQuery]));
    cache.write_all(&all_data(7, 1, &[first])).unwrap();
    running.becomes(&first, Validity::Valid);
    let counters = running.shared.counters();
    assert_eq!((counters.vrps.load(Relaxed), counters.serving.load(Relaxed)), (1, 1));
    let generation = running.shared.generation();

    cache.write_all(&octets(Version::V1, &[Pdu::SerialNotify { session: 7, serial: 2 }])).unwrap();
    assert_eq!(query(&mut cache), octets(Version::V1, &[Pdu::SerialQuery { session: 7, serial: 1 }]));
    let changes = [
        Pdu::CacheResponse { session: 7 },
        Pdu::Prefix { announce: false, vrp: first },
        Pdu::Prefix { announce: true, vrp: second },
        Pdu::EndOfData { session: 7, serial: 2, intervals: None },
    ];
    cache.write_all(&octets(Version::V1, &changes)).unwrap();
    running.becomes(&second, Validity::Valid);
    assert_eq!(running.validity(&first), Validity::Unknown);
    assert!(running.shared.generation() > generation);

    drop(cache);
    let (mut cache, resumed) = accept(&connections);
    assert_eq!(resumed, octets(Version::V1, &[Pdu::SerialQuery { session: 7, serial: 2 }]));
    assert_eq!(running.validity(&second), Validity::Valid);
    // A cache that breaks the protocol learns why, and is tried again.
    cache.write_all(&[1, 99, 0, 0, 0, 0, 0, 8]).unwrap();
    let report = query(&mut cache);
    assert!(matches!(Pdu::read(&report), Ok(Some((_, Pdu::ErrorReport { .. }, _)))), "{report:?}");
    let (_cache, reset) = accept(&connections);
    assert_eq!(reset, octets(Version::V1, &[Pdu::ResetQuery]));
    assert_eq!((running.errors(Reason::Connection), running.errors(Reason::Malformed)), (1, 1));
    assert_eq!((counters.connections.load(Relaxed), counters.transfers.load(Relaxed)), (3, 2));
}

#[test]
fn the_second_cache_takes_over_and_the_first_one_returns() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let first_address = first.local_addr().unwrap();
    drop(first);
    let (second_address, second) = listen("127.0.0.1:0");
    let running = start(settings(&[first_address, second_address]));
    let (one, two) = (vrp("10.0.0.0/8", 1), vrp("11.0.0.0/8", 2));
    let (mut cache, _) = accept(&second);
    cache.write_all(&all_data(7, 1, &[two])).unwrap();
    running.becomes(&two, Validity::Valid);
    assert_eq!(running.shared.counters().serving.load(Relaxed), 2);
    // The address is in use only now.
    let (_, first) = listen(&first_address.to_string());
    let (mut preferred, _) = accept(&first);
    preferred.write_all(&all_data(8, 1, &[one])).unwrap();
    running.becomes(&one, Validity::Valid);
    assert_eq!(running.validity(&two), Validity::Unknown);
    cache.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(cache.read(&mut [0]).unwrap(), 0, "the second is disconnected");
    eventually("the first", || (running.shared.counters().serving.load(Relaxed) == 1).then_some(()));
}

#[test]
fn the_thread_ends_at_once_in_every_state() {
    let limit = Duration::from_secs(10);
    // Nothing listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut running = start(settings(&[free]));
    eventually("an attempt", || (running.errors(Reason::Connection) > 0).then_some(()));
    assert!(running.stop() < limit);
    // Connected, without an answer; then in the middle of one; then idle.
    for sent in [0, 1, 2] {
        let (address, connections) = listen("127.0.0.1:0");
        let mut running = start(settings(&[address]));
        let (mut cache, _) = accept(&connections);
        let record = vrp("10.0.0.0/8", 1);
        let data = all_data(7, 1, &[record]);
        match sent {
            0 => {}
            1 => {
                cache.write_all(&data[..data.len() - 3]).unwrap();
                eventually("a PDU", || (running.shared.counters().pdus.load(Relaxed) > 0).then_some(()));
            }
            _ => {
                cache.write_all(&data).unwrap();
                running.becomes(&record, Validity::Valid);
            }
        }
        assert!(running.stop() < limit);
    }
}

#[test]
fn endless_records_end_at_the_bound() {
    let (address, connections) = listen("127.0.0.1:0");
    let mut settings = settings(&[address]);
    settings.client.max_records = 100_000;
    let running = start(settings);
    let (mut cache, _) = accept(&connections);
    cache.write_all(&octets(Version::V1, &[Pdu::CacheResponse { session: 7 }])).unwrap();
    for asn in 0.. {
        if cache
            .write_all(&octets(Version::V1, &[Pdu::Prefix { announce: true, vrp: vrp("10.0.0.0/8", asn) }]))
            .is_err()
        {
            break;
        }
    }
    eventually("the bound", || (running.errors(Reason::Bound) == 1).then_some(()));
    assert!(running.shared.load().is_empty());
}

#[test]
fn a_cache_over_tls_is_verified() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = file("ca.pem", authority.pem());
    let own = authority.certify("collector.example");
    let tls = TlsFiles {
        ca: Some(ca.clone()),
        certificate: Some(file("cert.pem", &own.certificate)),
        key: Some(file("key.pem", &own.key)),
    };
    let (plain, connections) = listen("127.0.0.1:0");
    let proxy_address = TlsProxy::address();
    let certified = authority.certify(&proxy_address.ip().to_string());
    let proxy = TlsProxy::start(proxy_address, plain, &certified, Some(authority.pem()));
    let with_tls = |tls: TlsFiles| Settings { tls: Some(tls), ..settings(&[proxy.listens()]) };
    let running = start(with_tls(tls.clone()));
    let record = vrp("10.0.0.0/8", 1);
    let (mut cache, reset) = accept(&connections);
    assert_eq!(reset, octets(Version::V1, &[Pdu::ResetQuery]));
    cache.write_all(&all_data(7, 1, &[record])).unwrap();
    running.becomes(&record, Validity::Valid);
    // Another authority, a cache for another name, no client certificate.
    let other = Authority::new();
    let foreign = start(with_tls(TlsFiles { ca: Some(file("other.pem", other.pem())), ..tls.clone() }));
    let nameless_address = TlsProxy::address();
    let nameless = TlsProxy::start(nameless_address, plain, &authority.certify("cache.example"), None);
    let misnamed = start(Settings { tls: Some(tls.clone()), ..settings(&[nameless.listens()]) });
    let anonymous = start(with_tls(TlsFiles { ca: Some(ca.clone()), ..TlsFiles::default() }));
    for running in [&foreign, &misnamed, &anonymous] {
        eventually("a rejection", || (running.errors(Reason::Connection) > 1).then_some(()));
        assert!(running.shared.load().is_empty());
    }
    // Files with the wrong content are named.
    for (files, name) in [
        (TlsFiles { ca: Some(file("empty.pem", "")), ..TlsFiles::default() }, "empty.pem"),
        (TlsFiles { ca: Some(folder.path().join("none")), ..TlsFiles::default() }, "none"),
        (TlsFiles { key: Some(ca), ..tls }, "ca.pem"),
    ] {
        let error = Runner::new(with_tls(files)).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
}
