//! IPFIX over TCP, TLS and DTLS.

use crate::support::{NOW, assert_rows, collected, printing, start, template};
use dtls::{Client, ClientContext, Identity, Peer, TICK};
use netflow::encode::{Message, field};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use testkit::certificates::{Authority, Certified};
use testkit::conditions::PATIENCE;
use testkit::frames::{ETHERNET, IPV4, TCP, capture, ethernet, ipv4, tcp_at};
use testkit::process::Signal;
use testkit::sockets::{connect, free_port, free_tcp_port};
use testkit::traffic::{Flows, Stream, Version};
use testkit::{Process, Setup, eventually};

/// The exporter.
const EXPORTER: &str = "127.0.1.1";

/// A collector with the three ports.
struct Collector {
    setup: Setup,
    tcp: SocketAddr,
    tls: SocketAddr,
    dtls: SocketAddr,
}

impl Collector {
    /// With a certificate of that authority for `localhost`.
    fn new(authority: &Authority, aggregate: &str) -> Self {
        let setup = printing(aggregate);
        let ip = setup.address().ip();
        let (tcp, tls, dtls) = (free_tcp_port(ip), free_tcp_port(ip), free_port(ip));
        let setup = setup.more_config(&format!(
            "nfacctd_workers: 2
             nfacctd_tcp_port: {}
             nfacctd_tls_port: {}
             nfacctd_dtls_port: {}
             dtls_path: {{dir}}",
            tcp.port(),
            tls.port(),
            dtls.port()
        ));
        Self { setup: certified(setup, authority), tcp, tls, dtls }
    }

    fn more_config(self, lines: &str) -> Self {
        Self { setup: self.setup.more_config(lines), ..self }
    }

    fn start(&self) -> Process {
        let process = start(&self.setup);
        process.wait_for_log("waiting for IPFIX over DTLS");
        process
    }
}

fn certified(setup: Setup, authority: &Authority) -> Setup {
    let Certified { certificate, key } = authority.certify("localhost");
    setup.file("cert.pem", certificate).file("key.pem", key)
}

/// An exporter over TLS, whose handshake has not begun.
fn over_tls(
    source: &str,
    target: SocketAddr,
    trusted: &Authority,
    own: Option<&Certified>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).expect("a certificate"))
        .expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
            config.with_client_auth_cert(chain, key).expect("they match")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(client, connect(source, target, PATIENCE).expect("the collector accepts connections"))
}

/// An exporter over DTLS.
struct OverDtls {
    client: Client,
    socket: UdpSocket,
}

impl OverDtls {
    /// Begins, and waits for the end of the handshake, whatever it is.
    fn connect(source: &str, target: SocketAddr, trusted: &Authority, own: Option<&Certified>) -> Self {
        let identity =
            own.map(|own| Identity { certificates: own.certificate.as_bytes(), key: own.key.as_bytes() });
        let context = ClientContext::new(identity.as_ref(), Some(trusted.pem().as_bytes())).expect("a context");
        let socket = UdpSocket::bind((source, 0)).expect("the machine has the address");
        socket.connect(target).expect("it can be reached");
        socket.set_read_timeout(Some(TICK)).expect("the time is not zero");
        let mut exporter =
            Self { client: Client::new(&context, &Peer::Named("localhost")).expect("a client"), socket };
        let until = Instant::now() + PATIENCE;
        while !exporter.client.is_open() && exporter.client.ending().is_none() && Instant::now() < until {
            exporter.client.tick();
            exporter.exchange();
        }
        exporter
    }

    /// Sends what is to be sent, and waits for an answer.
    fn exchange(&mut self) {
        let socket = &self.socket;
        self.client.flush(|datagram| _ = socket.send(datagram));
        let mut buffer = [0; 65_535];
        if let Ok(len) = self.socket.recv(&mut buffer) {
            self.client.receive(&buffer[..len]);
        }
        self.client.flush(|datagram| _ = socket.send(datagram));
    }

    fn send(&mut self, message: &[u8]) {
        self.client.send(message).expect("the session is open");
        let socket = &self.socket;
        self.client.flush(|datagram| _ = socket.send(datagram));
    }

    fn close(mut self) {
        self.client.close();
        let socket = &self.socket;
        self.client.flush(|datagram| _ = socket.send(datagram));
    }
}

/// A template with one port, the source's or the destination's, and a counter.
fn announce(element: u16) -> Vec<u8> {
    let fields = vec![field(element, 2), field(2, 4)];
    Message::ipfix(1, 0, NOW).templates(&[&template(1, 256, fields)]).finish()
}

/// A record of that template.
fn record(sequence: u32, port: u16, packets: u32) -> Vec<u8> {
    Message::ipfix(1, sequence, NOW).data(256, |w| _ = w.u16(port).u32(packets)).finish()
}

const SOURCE_PORT: u16 = 7;
const DESTINATION_PORT: u16 = 11;

fn sorted(mut rows: Vec<Value>) -> Vec<String> {
    let mut rows: Vec<_> = rows.drain(..).map(|row| row.to_string()).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn rows_are_those_of_datagrams() {
    let aggregate = "src_host, dst_host, src_port, dst_port, proto, peer_src_ip";
    let flows: Vec<_> = Flows::new(7).take(3000).collect();
    let messages = Stream::new(Version::Ipfix, 1, NOW).datagrams(&flows);
    let expected = sorted(collected(&printing(aggregate), &messages).json("out.json"));
    assert!(expected.len() > 1000);
    let authority = Authority::new();
    for transport in ["tcp", "tls", "dtls"] {
        let collector = Collector::new(&authority, aggregate);
        let process = collector.start();
        let count = messages.len() as u64;
        match transport {
            "tcp" => {
                let mut stream = connect(EXPORTER, collector.tcp, PATIENCE).expect("it accepts connections");
                // Segments that do not end where messages end.
                for part in messages.concat().chunks(997) {
                    stream.write_all(part).expect("it reads");
                }
                process.wait_for_datagrams(count).assert_all_accounted();
            }
            "tls" => {
                let mut stream = over_tls(EXPORTER, collector.tls, &authority, None);
                stream.write_all(&messages.concat()).expect("it reads");
                process.wait_for_datagrams(count).assert_all_accounted();
            }
            _ => {
                let mut exporter = OverDtls::connect(EXPORTER, collector.dtls, &authority, None);
                // No more at a time than fit into the buffer of the socket.
                for (number, message) in (1..).zip(&messages) {
                    exporter.send(message);
                    if number % 40 == 0 || number == count {
                        process.wait_for_datagrams(number).assert_all_accounted();
                    }
                }
                exporter.close();
            }
        }
        assert_eq!(sorted(process.stop().json("out.json")), expected, "{transport}");
    }
}

/// The address of the exporter, and of the collector, in capture files.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 1, 1), Ipv4Addr::new(192, 0, 2, 9)];
const SYN: u8 = 2;

/// A frame with a segment of a connection from that port.
fn segment(port: u16, sequence: u32, flags: u8, octets: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &ipv4(TCP, ENDS[0], ENDS[1], &tcp_at(port, 4739, sequence, flags, octets)))
}

/// A collector that reads a capture file of these frames.
fn reading(aggregate: &str, frames: impl IntoIterator<Item = Vec<u8>>) -> Setup {
    let frames = (0..).map(|number| u64::from(NOW) * 1_000_000 + number).zip(frames);
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config("pcap_savefile: {dir}/in.pcap\nprint_refresh_time: 86400\nplugins: print\nprint_output: json")
        .more_config(&format!("aggregate: {aggregate}\nprint_output_file: {{dir}}/out.json"))
        .file("in.pcap", capture(ETHERNET, frames))
}

#[test]
fn connections_of_a_capture_file_are_read() {
    let aggregate = "src_host, dst_host, src_port, dst_port, proto, peer_src_ip";
    let flows: Vec<_> = Flows::new(7).take(3000).collect();
    let messages = Stream::new(Version::Ipfix, 1, NOW).datagrams(&flows);
    let expected = sorted(collected(&printing(aggregate), &messages).json("out.json"));
    let octets = messages.concat();
    // Sequence numbers wrap. Neighbours are exchanged, and each segment comes twice.
    let start = 0xffff_f000;
    let mut frames: Vec<_> = (0..)
        .zip(octets.chunks(997))
        .map(|(number, octets)| segment(1, u32::wrapping_add(start, 1 + number * 997), 0, octets))
        .collect();
    frames.chunks_exact_mut(2).for_each(|two| two.swap(0, 1));
    let mut frames: Vec<_> = frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
    frames.insert(0, segment(1, start, SYN, &[]));
    // Between them, connections of other protocols.
    frames.insert(9, segment(22, 5, SYN, &[]));
    frames.insert(10, segment(22, 6, 0, b"SSH-2.0-OpenSSH_9.9\r\n"));
    frames.insert(99, segment(443, 1, 0, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
    for rounds in [1, 2] {
        let setup = reading(aggregate, frames.clone()).more_config(&format!("pcap_savefile_replay: {rounds}"));
        let finished = setup.run();
        assert_eq!(finished.code(), Some(0), "{}", finished.log);
        let line = "31 octets are not IPFIX (some of it is TLS, which cannot be decrypted), 0 are missing, 0 are of incomplete messages";
        assert_eq!(finished.log.matches(line).count(), rounds, "{}", finished.log);
        let rows = finished.json("out.json");
        if rounds == 1 {
            assert_eq!(sorted(rows), expected);
        } else {
            assert_eq!(testkit::output::sum(&rows, "packets"), 2 * testkit::traffic::total(&flows).packets);
        }
    }
}

#[test]
fn what_a_capture_file_lacks_of_connections_is_counted() {
    let template = announce(SOURCE_PORT);
    let records: Vec<_> = (0..6).map(|number| record(number, 100 + number as u16, 1 << number)).collect();
    // The start of the connection is missing, of which the end of a message was captured, and later a message and a half.
    let mut at = 1000;
    let mut frames = Vec::new();
    let mut put = |octets: &[u8], is_captured: bool| {
        if is_captured {
            frames.push(segment(1, at, 0, octets));
        }
        at += octets.len() as u32;
    };
    put(&records[5][7..], true);
    put(&[&template[..], &records[0], &records[1][..9]].concat(), true);
    put(&records[1][9..], false);
    put(&records[2], false);
    put(&records[3], true);
    // Within a message.
    put(&records[4][..11], true);
    let process = reading("src_port", frames).more_config("pcap_savefile_wait: true").spawn();
    process.wait_for_log("finished reading");
    let statistics = process.statistics();
    let dropped = |reason: &str| statistics.value(&format!("file_stream_dropped_bytes[{reason}]"));
    let length = records[0].len() as u64;
    assert_eq!(
        [dropped("not_ipfix"), dropped("missing"), dropped("incomplete")],
        [length - 7, 2 * length - 9, 9 + 11]
    );
    let finished = process.stop();
    assert!(
        finished
            .log
            .contains(&format!("{} octets of an IPFIX connection are missing in the file", 2 * length - 9))
    );
    let row = |port: u16, packets: u32| json!({"port_src": port, "packets": packets, "bytes": 0});
    assert_rows(crate::support::without_event_type(finished.json("out.json")), [row(100, 1), row(103, 8)]);
}

#[test]
fn what_was_sent_before_the_stop_is_read() {
    let flows: Vec<_> = Flows::new(3).take(5000).collect();
    let messages = Stream::new(Version::Ipfix, 1, NOW).datagrams(&flows);
    let authority = Authority::new();
    let collector = Collector::new(&authority, "proto");
    let process = collector.start();
    let mut stream = connect(EXPORTER, collector.tcp, PATIENCE).expect("it accepts connections");
    stream.write_all(&messages.concat()).expect("it reads");
    let finished = process.stop();
    let packets = testkit::traffic::total(&flows).packets;
    assert_eq!(testkit::output::sum(&finished.json("out.json"), "packets"), packets);

    // The daemon has not even accepted the connection when it is to stop.
    let process = collector.start();
    process.signal(Signal::SIGSTOP);
    let mut stream = connect(EXPORTER, collector.tcp, PATIENCE).expect("the kernel accepts connections");
    stream.write_all(&messages.concat()).expect("the kernel has room");
    process.signal(Signal::SIGINT);
    process.signal(Signal::SIGCONT);
    let finished = process.wait();
    assert_eq!(testkit::output::sum(&finished.json("out.json"), "packets"), packets);
}

#[test]
fn templates_belong_to_a_session_and_end_with_it() {
    let authority = Authority::new();
    let collector = Collector::new(&authority, "src_port, dst_port");
    let process = collector.start();
    let connection = || connect(EXPORTER, collector.tcp, PATIENCE).expect("it accepts connections");
    // The same exporter and domain, two meanings of template 256.
    let (mut one, mut other) = (connection(), connection());
    one.write_all(&announce(SOURCE_PORT)).expect("it reads");
    other.write_all(&announce(DESTINATION_PORT)).expect("it reads");
    process.wait_for_datagrams(2);
    one.write_all(&record(0, 1, 10)).expect("it reads");
    other.write_all(&record(0, 2, 20)).expect("it reads");
    let mut third = OverDtls::connect(EXPORTER, collector.dtls, &authority, None);
    third.send(&announce(DESTINATION_PORT));
    third.send(&record(0, 3, 30));
    let statistics = process.wait_for_datagrams(6);
    assert_eq!((statistics.value("templates"), statistics.value("exporters")), (3, 3));
    drop(one);
    third.close();
    eventually("the end of two sessions", || (process.statistics().value("exporters") == 1).then_some(()));
    // Nothing is left of the first connection: its template does not apply to the next.
    let mut next = connection();
    next.write_all(&record(1, 4, 40)).expect("it reads");
    let statistics = process.wait_for_datagrams(7);
    assert_eq!((statistics.value("sets_held"), statistics.value("sequence_gaps")), (1, 0));
    drop(next);
    eventually("the end of the last one", || (process.statistics().value("exporters") == 1).then_some(()));
    let finished = process.stop();
    let row = |from: u16, to: u16, packets: u32| json!({"port_src": from, "port_dst": to, "packets": packets, "bytes": 0});
    assert_rows(
        crate::support::without_event_type(finished.json("out.json")),
        [row(1, 0, 10), row(0, 2, 20), row(0, 3, 30)],
    );
}

#[test]
fn certificates_of_exporters_are_checked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let collector = Collector::new(&authority, "src_port").more_config("nfacctd_tls_ca_file: {dir}/ca.pem");
    let collector = Collector { setup: collector.setup.file("ca.pem", authority.pem()), ..collector };
    let process = collector.start();
    let (known, unknown) = (authority.certify("r1"), stranger.certify("r1"));
    let message = announce(SOURCE_PORT);
    for own in [None, Some(&unknown)] {
        assert!(!OverDtls::connect(EXPORTER, collector.dtls, &authority, own).client.is_open());
        let mut stream = over_tls(EXPORTER, collector.tls, &authority, own);
        // With TLS 1.3 a client learns only afterwards that its certificate was refused.
        let _ = stream.write_all(&message).and_then(|()| stream.flush());
        assert!(stream.read(&mut [0; 16]).is_err());
    }
    let mut stream = over_tls(EXPORTER, collector.tls, &authority, Some(&known));
    stream.write_all(&message).expect("it reads");
    let mut exporter = OverDtls::connect(EXPORTER, collector.dtls, &authority, Some(&known));
    exporter.send(&message);
    let statistics = process.wait_for_datagrams(2);
    assert_eq!(statistics.value("datagrams_decoded"), 2);
    eventually("handshakes that failed", || {
        let statistics = process.statistics();
        let failed = ["tls", "dtls"].map(|name| statistics.value(&format!("{name}_sessions_closed[handshake]")));
        (failed == [2, 2]).then_some(())
    });
    process.stop();
}

#[test]
fn new_certificates_are_used_after_a_reload() {
    let (old, new) = (Authority::new(), Authority::new());
    let collector = Collector::new(&old, "src_port");
    let process = collector.start();
    let mut session = OverDtls::connect(EXPORTER, collector.dtls, &old, None);
    session.send(&announce(SOURCE_PORT));
    process.wait_for_datagrams(1);
    // A file that cannot be used changes nothing.
    std::fs::write(collector.setup.path("key.pem"), "none").expect("the folder is ours");
    process.wait_for_new_log("no private key", || process.signal(Signal::SIGUSR2));
    assert!(OverDtls::connect(EXPORTER, collector.dtls, &old, None).client.is_open());
    let Certified { certificate, key } = new.certify("localhost");
    std::fs::write(collector.setup.path("cert.pem"), certificate).expect("the folder is ours");
    std::fs::write(collector.setup.path("key.pem"), key).expect("the folder is ours");
    process.signal(Signal::SIGUSR2);
    let mut exporter = eventually("the new certificate", || {
        let exporter = OverDtls::connect(EXPORTER, collector.dtls, &new, None);
        exporter.client.is_open().then_some(exporter)
    });
    let mut stream = over_tls(EXPORTER, collector.tls, &new, None);
    stream.write_all(&announce(SOURCE_PORT)).expect("the new certificate is that of TLS as well");
    exporter.send(&announce(SOURCE_PORT));
    // Sessions go on.
    session.send(&record(0, 1, 1));
    process.wait_for_datagrams(4);
    process.stop();
    assert_eq!(stream.read(&mut [0; 16]).expect("the end is announced by a close_notify"), 0);
}

#[test]
fn streams_that_are_not_ipfix_are_closed() {
    let authority = Authority::new();
    let collector = Collector::new(&authority, "src_port");
    let process = collector.start();
    let mut good = connect(EXPORTER, collector.tcp, PATIENCE).expect("it accepts connections");
    good.write_all(&announce(SOURCE_PORT)).expect("it reads");
    for (octets, part) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "version 18245 is not that of IPFIX"),
        (&[0, 9, 0, 1, 0, 0][..], ""),
        (&[0, 10, 0, 15, 0, 0][..], ""),
    ] {
        let mut stream = connect("127.0.1.2", collector.tcp, PATIENCE).expect("it accepts connections");
        stream.write_all(octets).expect("it reads");
        assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)), "{octets:?}");
        process.wait_for_log(part);
    }
    // One that ends within a message.
    let mut stream = connect("127.0.1.2", collector.tcp, PATIENCE).expect("it accepts connections");
    stream.write_all(&announce(SOURCE_PORT)[..20]).expect("it reads");
    drop(stream);
    // TLS, where there is none.
    let mut stream = over_tls("127.0.1.2", collector.tcp, &authority, None);
    assert!(stream.write_all(b"x").and_then(|()| stream.flush()).is_err());
    good.write_all(&record(0, 1, 5)).expect("it reads");
    let statistics = eventually("their ends", || {
        let statistics = process.statistics();
        let ends = ["framing", "incomplete"].map(|why| statistics.value(&format!("tcp_sessions_closed[{why}]")));
        (ends == [4, 1] && statistics.value("datagrams_received") == 2).then_some(statistics)
    });
    statistics.assert_all_accounted();
    assert_eq!(testkit::output::sum(&process.stop().json("out.json"), "packets"), 5);
}

#[test]
fn connections_are_bounded() {
    let authority = Authority::new();
    let lines = "nfacctd_sessions_max: 18\nnfacctd_allow_file: {dir}/allow";
    let collector = Collector::new(&authority, "src_port").more_config(lines);
    let collector = Collector { setup: collector.setup.file("allow", "127.0.1.0/24\n"), ..collector };
    let process = collector.start();
    let open = |source: &str| connect(source, collector.tcp, PATIENCE).expect("the kernel accepts connections");
    let refused = open("127.0.2.1");
    let of_one: Vec<_> = (0..17).map(|_| open(EXPORTER)).collect();
    let of_others: Vec<_> = (0..3).map(|_| open("127.0.1.2")).collect();
    eventually("rejections", || {
        let statistics = process.statistics();
        let rejected = ["not_allowed", "max_per_address", "max_sessions"]
            .map(|why| statistics.value(&format!("tcp_sessions_rejected[{why}]")));
        (rejected == [1, 1, 1] && statistics.value("tcp_sessions") == 18).then_some(())
    });
    drop((refused, of_one, of_others));
    // Places are free again.
    eventually("their ends", || (process.statistics().value("tcp_sessions") == 0).then_some(()));
    let mut stream = open(EXPORTER);
    stream.write_all(&announce(SOURCE_PORT)).expect("it reads");
    process.wait_for_datagrams(1);
    process.stop();
}

#[test]
fn silent_sessions_end() {
    let authority = Authority::new();
    let collector = Collector::new(&authority, "src_port").more_config("nfacctd_session_timeout: 1");
    let process = collector.start();
    let mut stream = connect(EXPORTER, collector.tcp, PATIENCE).expect("it accepts connections");
    stream.write_all(&announce(SOURCE_PORT)).expect("it reads");
    let mut exporter = OverDtls::connect(EXPORTER, collector.dtls, &authority, None);
    exporter.send(&announce(SOURCE_PORT));
    // Exporters are told.
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0)));
    eventually("the end of the session", || {
        exporter.exchange();
        exporter.client.ending().map(|_| ())
    });
    let statistics = process.wait_for_datagrams(2);
    for name in ["tcp", "dtls"] {
        assert_eq!(statistics.value(&format!("{name}_sessions_closed[timed_out]")), 1, "{name}");
    }
    process.stop();
}

#[test]
fn a_flood_of_hellos_costs_nothing_and_harms_nobody() {
    let authority = Authority::new();
    let collector = Collector::new(&authority, "src_port");
    let process = collector.start();
    let mut exporter = OverDtls::connect(EXPORTER, collector.dtls, &authority, None);
    exporter.send(&announce(SOURCE_PORT));
    // A hello, and one with the cookie that another port has got.
    let context = ClientContext::new(None, None).expect("a context");
    let mut client = Client::new(&context, &Peer::Anyone).expect("a client");
    let socket = UdpSocket::bind("127.0.1.3:0").expect("the machine has the address");
    let (mut hello, mut second, mut answer) = (Vec::new(), Vec::new(), [0; 1500]);
    client.flush(|datagram| hello.extend_from_slice(datagram));
    socket.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    socket.send_to(&hello, collector.dtls).expect("it is sent");
    let len = socket.recv(&mut answer).expect("it answers");
    assert!(len < hello.len());
    client.receive(&answer[..len]);
    client.flush(|datagram| second.extend_from_slice(datagram));
    let other = UdpSocket::bind("127.0.1.3:0").expect("the machine has the address");
    for number in 0..1000u32 {
        for datagram in [&hello, &second, &number.to_be_bytes().repeat(20)] {
            other.send_to(datagram, collector.dtls).expect("it is sent");
        }
    }
    exporter.send(&record(0, 1, 7));
    let mut next = OverDtls::connect("127.0.1.4", collector.dtls, &authority, None);
    next.send(&announce(SOURCE_PORT));
    next.send(&record(0, 2, 8));
    let statistics = process.wait_for_datagrams(4);
    assert_eq!(statistics.value("dtls_sessions"), 2);
    eventually("counted noise", || {
        let statistics = process.statistics();
        let noise = ["stray", "cookie"].map(|why| statistics.value(&format!("dtls_dropped[{why}]")));
        (noise.iter().all(|count| *count > 100)).then_some(())
    });
    assert_eq!(testkit::output::sum(&process.stop().json("out.json"), "packets"), 15);
}

/// The client of another implementation.
#[test]
fn openssl_is_understood() {
    let authority = Authority::new();
    let collector = Collector::new(&authority, "src_port");
    let process = collector.start();
    std::fs::write(collector.setup.path("ca.pem"), authority.pem()).expect("the folder is ours");
    for (number, arguments) in [(0, &["-dtls1_2"][..]), (1, &["-tls1_2"]), (2, &["-tls1_3"])] {
        let target = if number == 0 { collector.dtls } else { collector.tls };
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile"])
            .arg(collector.setup.path("ca.pem"))
            .args(["-connect", &target.to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let mut input = client.stdin.take().expect("it is piped");
        input.write_all(&announce(SOURCE_PORT)).expect("it reads");
        process.wait_for_datagrams(2 * number + 1);
        input.write_all(&record(0, 1, 100)).expect("it reads");
        process.wait_for_datagrams(2 * number + 2);
        client.kill().expect("it runs");
        client.wait().expect("it runs");
    }
    assert_eq!(testkit::output::sum(&process.stop().json("out.json"), "packets"), 300);
}

#[test]
fn settings_that_cannot_work_are_errors() {
    let authority = Authority::new();
    let rejected = |setup: &Setup, part: &str| {
        let finished = setup.run();
        assert_eq!(finished.code(), Some(1));
        assert!(finished.log.contains(part), "{}", finished.log);
    };
    rejected(
        &printing("proto").more_config("nfacctd_dtls_port: 4740"),
        "'nfacctd_dtls_port' specified but missing 'dtls_path'. Exiting.",
    );
    rejected(
        &printing("proto").more_config("nfacctd_tls_port: 4740"),
        "nfacctd_tls_port: TLS needs the certificate",
    );
    rejected(
        &printing("proto").more_config("nfacctd_tcp_port: 4739\npcap_savefile: {dir}/in.pcap"),
        "nfacctd_tcp_port: cannot be combined with pcap_savefile",
    );
    rejected(
        &printing("proto").more_config("nfacctd_dtls_port: 4740\nnfacctd_tls_cert_file: {dir}/cert.pem"),
        "nfacctd_tls_cert_file: TLS needs the private key too",
    );
    let setup = printing("proto").more_config("nfacctd_dtls_port: 4740\ndtls_path: {dir}");
    rejected(&setup, "cert.pem");
    let setup = certified(setup, &authority).file("key.pem", authority.certify("other").key);
    rejected(&setup, "the private key is not that of the certificate");
}

#[test]
fn the_documented_examples_are_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ipfix-transport.md");
    let document = std::fs::read_to_string(path).expect("it exists");
    let folder = tempfile::tempdir().expect("a folder");
    let mut configs = Vec::new();
    for (_, block) in crate::maps::blocks(&document) {
        if block.starts_with("# certificates\n") {
            let output =
                Command::new("sh").args(["-ec", &block]).current_dir(folder.path()).output().expect("it runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        } else if let Some((name, _)) = block.strip_prefix("! ").and_then(|rest| rest.split_once('\n')) {
            std::fs::write(folder.path().join(name), &block).expect("the folder is ours");
            configs.extend(name.ends_with(".conf").then(|| name.to_owned()));
        }
    }
    assert_eq!(configs.len(), 2);
    for config in configs {
        let output = Command::new(env!("CARGO_BIN_EXE_nfacctd"))
            .args(["-f", &config, "--check"])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !text.contains("WARN"), "{config}: {text}");
    }
    // The certificate of the exporter is one that the collector accepts.
    let authority = std::fs::read(folder.path().join("ca.pem")).expect("it was made");
    let (certificates, key) = ["exporter.pem", "exporter.key"]
        .map(|name| std::fs::read(folder.path().join(name)).expect("it was made"))
        .into();
    let identity = Identity { certificates: &certificates, key: &key };
    ClientContext::new(Some(&identity), Some(&authority)).expect("they fit");
}
