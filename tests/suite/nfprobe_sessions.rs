//! nfprobe over TCP, TLS and DTLS: collectors that are there, away, restarted, or not to be trusted; and the length of its datagrams.

use crate::nfprobe::traffic;
use crate::packets::reading;
use crate::support::{printing, start};
use netflow::datagram::{self, Body, Set};
use netflow::record;
use netflow::template::{Kind, Record, Template};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;
use testkit::certificates::{Authority, Certified};
use testkit::conditions::PATIENCE;
use testkit::namespace::Namespace;
use testkit::process::Signal;
use testkit::sockets::{free_port, free_tcp_port, own_address};
use testkit::{Finished, Setup, eventually};

const TUPLE: &str = "src_host, dst_host, src_port, dst_port, proto";
/// ipTotalOctets as nfprobe exports it, and packets.
const OCTETS: u16 = 1;
const PACKETS: u16 = 2;

/// What a collector has read in one transport session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Collected {
    messages: u64,
    /// Templates, also repeated ones.
    templates: u64,
    options: u64,
    packets: u64,
    octets: u64,
}

/// Reads the messages of a session to its end, or so many of them.
fn collect(from: &mut impl Read, most: u64) -> Collected {
    let mut collected = Collected::default();
    let mut templates: HashMap<u16, Template> = HashMap::new();
    let mut sequence = 0;
    while collected.messages < most
        && let Some(message) = message(from)
    {
        collected.messages += 1;
        let datagram = datagram::open(&message).expect("a message");
        assert_eq!(datagram.header.sequence, sequence, "message {}", collected.messages);
        let Body::Sets(sets) = datagram.body else { panic!("sets") };
        for set in sets {
            match set.expect("a set") {
                Set::Templates(defined) => {
                    for template in defined {
                        let Record::Define(template) = template.expect("a template") else { panic!("withdrawn") };
                        collected.templates += 1;
                        templates.insert(template.id, template);
                    }
                }
                Set::Data { id, body, .. } => {
                    let template = templates.get(&id).expect("a template came before");
                    for record in record::records(template, body) {
                        sequence += 1;
                        let record = record.expect("a record");
                        if template.kind != Kind::Data {
                            collected.options += 1;
                            continue;
                        }
                        for (field, octets) in record::fields(template, record) {
                            match field.element {
                                OCTETS => collected.octets += record::number(octets),
                                PACKETS => collected.packets += record::number(octets),
                                _ => {}
                            }
                        }
                    }
                }
            }
        }
    }
    collected
}

/// The next message of a stream.
fn message(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut octets = vec![0; 16];
    from.read_exact(&mut octets).ok()?;
    let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
    octets.resize(length, 0);
    from.read_exact(&mut octets[16..]).ok()?;
    Some(octets)
}

/// A collector over TCP, and what it reads of each connection.
fn collector(listener: TcpListener) -> Receiver<Collected> {
    let (sender, sessions) = channel();
    spawn(move || {
        for stream in listener.incoming() {
            let collected = collect(&mut stream.expect("a connection"), u64::MAX);
            if sender.send(collected).is_err() {
                return;
            }
        }
    });
    sessions
}

/// A probe that exports packets to that collector, beside a print plugin that counts them.
fn probe(frames: &[Vec<u8>], to: SocketAddr, lines: &str) -> Setup {
    let more = format!("plugins: print[p], nfprobe[n]\naggregate[n]: {TUPLE}\nnfprobe_receiver: {to}\n{lines}");
    reading(TUPLE, &more, frames)
}

/// Packets and octets that the print plugin has counted.
fn printed(finished: &Finished) -> (u64, u64) {
    let number = |row: &serde_json::Value, name: &str| row[name].as_u64().unwrap_or(0);
    finished
        .json("out.json")
        .iter()
        .fold((0, 0), |sum, row| (sum.0 + number(row, "packets"), sum.1 + number(row, "bytes")))
}

/// A server of TLS with a certificate for that name.
fn server(authority: &Authority, name: &str, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let Certified { certificate, key } = authority.certify(name);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).expect("an authority"))
                .expect("it");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    Arc::new(builder.with_single_cert(chain, key).expect("they match"))
}

/// A collector over TLS.
fn tls_collector(listener: TcpListener, config: Arc<ServerConfig>) -> Receiver<Collected> {
    let (sender, sessions) = channel();
    spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("a connection"));
            if sender.send(collect(&mut stream, u64::MAX)).is_err() {
                return;
            }
        }
    });
    sessions
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((own_address().ip(), 0)).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

#[test]
fn messages_over_tcp_have_templates_once() {
    let (listener, address) = listen();
    let sessions = collector(listener);
    let probe = probe(&traffic(5000, false), address, "nfprobe_transport: tcp\nsampling_rate[n]: 1").run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    assert!(probe.log.contains(&format!("nfprobe_receiver: sending to {address} over TCP")), "{}", probe.log);
    let collected = sessions.recv_timeout(PATIENCE).expect("a session");
    assert_eq!((collected.packets, collected.octets), printed(&probe));
    // Two of flows, and one of options with the address of the exporter.
    assert_eq!((collected.templates, collected.options), (3, 1), "{collected:?}");
}

#[test]
fn a_collector_that_comes_late_misses_nothing() {
    let address = free_tcp_port(own_address().ip());
    let lines = "nfprobe_transport: tcp\nnfprobe_dont_cache: true\npcap_savefile_wait: true";
    let probe = probe(&traffic(3000, false), address, lines).spawn();
    probe.wait_for_log("finished reading");
    probe.wait_for_log("cannot connect");
    let sessions = collector(TcpListener::bind(address).expect("the port is free"));
    let statistics = eventually("all flows", || {
        Some(probe.statistics()).filter(|it| it.value_of("n/nfprobe", "aggregates_written") == 3000)
    });
    statistics.assert_all_accounted();
    let probe = probe.stop();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    let collected = sessions.recv_timeout(PATIENCE).expect("a session");
    assert_eq!((collected.packets, collected.octets), printed(&probe));
}

#[test]
fn a_collector_that_restarts_gets_templates_again() {
    let (listener, address) = listen();
    let lines = "nfprobe_transport: tcp\nnfprobe_timeouts: udp=1:tcp=1:general=1:expint=1:maxlife=1\npcap_savefile_wait: true";
    let probe = probe(&traffic(3000, false), address, lines).spawn();
    let (mut first, _) = listener.accept().expect("a connection");
    let began = collect(&mut first, 1);
    assert!(began.templates > 0, "{began:?}");
    drop(first);
    // What was under way is lost; the rest follows in the second session, which decodes by itself.
    let (mut second, _) = listener.accept().expect("another connection");
    probe.signal(Signal::SIGINT);
    let collected = collect(&mut second, u64::MAX);
    assert!(collected.templates >= 2, "{collected:?}");
    let probe = probe.wait();
    assert!(probe.log.contains("the session has ended"), "{}", probe.log);
}

#[test]
fn at_the_bound_of_the_queue_the_oldest_flows_are_dropped() {
    let address = free_tcp_port(own_address().ip());
    let lines = "nfprobe_transport: tcp\nnfprobe_dont_cache: true\nplugin_queue_memory[n]: 65536\n\
                 plugin_exit_timeout[n]: 1\npcap_savefile_wait: true";
    let probe = probe(&traffic(5000, true), address, lines).spawn();
    probe.wait_for_log("finished reading");
    let dropped = eventually("dropped flows", || {
        let statistics = probe.statistics();
        Some(statistics.value_of("n/nfprobe", "aggregates_dropped[retries]")).filter(|dropped| *dropped > 0)
    });
    assert!(dropped < 5000, "{dropped}");
    probe.signal(Signal::SIGINT);
    let finished = probe.wait();
    // Everything in the file was to be exported.
    assert_eq!(finished.code(), Some(1));
    assert!(finished.log.contains("5000 aggregates were dropped"), "{}", finished.log);
}

#[test]
fn messages_over_tls_go_to_a_collector_that_is_known() {
    let (authority, own) = (Authority::new(), Authority::new());
    let (listener, address) = listen();
    let sessions = tls_collector(listener, server(&authority, &address.ip().to_string(), Some(&own)));
    let Certified { certificate, key } = own.certify("probe");
    let lines = "nfprobe_transport: tls\nnfprobe_tls_ca_file: {dir}/ca.pem\nnfprobe_tls_cert_file: {dir}/cert.pem\n\
                 nfprobe_tls_key_file: {dir}/key.pem";
    let probe = probe(&traffic(5000, false), address, lines)
        .file("ca.pem", authority.pem())
        .file("cert.pem", certificate)
        .file("key.pem", key)
        .run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    assert!(probe.log.contains("over TLS"), "{}", probe.log);
    let collected = sessions.recv_timeout(PATIENCE).expect("a session");
    assert_eq!((collected.packets, collected.octets), printed(&probe));
}

#[test]
fn collectors_that_are_not_known_get_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (server_of, name, lines, reason) in [
        (&other, "here", "nfprobe_dtls_verify_cert: here", "nfprobe_tls_ca_file names the authorities"),
        (&authority, "elsewhere", "nfprobe_dtls_verify_cert: here", "nfprobe_dtls_verify_cert is the name"),
        // The name is that of the receiver.
        (&authority, "elsewhere", "", "nfprobe_dtls_verify_cert is the name"),
    ] {
        let (listener, address) = listen();
        let sessions = tls_collector(listener, server(server_of, name, None));
        let lines = format!(
            "nfprobe_transport: tls\nnfprobe_tls_ca_file: {{dir}}/ca.pem\nplugin_exit_timeout[n]: 1\n{lines}"
        );
        let probe = probe(&traffic(100, false), address, &lines).file("ca.pem", authority.pem()).run();
        assert!(probe.log.contains(reason), "{reason}: {}", probe.log);
        assert!(probe.log.contains("aggregates were dropped"), "{}", probe.log);
        assert_eq!(probe.code(), Some(1));
        assert_eq!(sessions.recv_timeout(PATIENCE).expect("an attempt"), Collected::default());
    }
    // As pmacct without nfprobe_dtls_verify_cert.
    let (listener, address) = listen();
    let sessions = tls_collector(listener, server(&other, "elsewhere", None));
    let lines = "nfprobe_transport: tls\nnfprobe_tls_insecure: true";
    let probe = probe(&traffic(100, false), address, lines).run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    assert!(probe.log.contains("whoever answers gets the records"), "{}", probe.log);
    assert_eq!(sessions.recv_timeout(PATIENCE).expect("a session").packets, 100);
}

#[test]
fn a_collector_that_wants_a_certificate_says_so() {
    let authority = Authority::new();
    let (listener, address) = listen();
    let _sessions = tls_collector(listener, server(&authority, &address.ip().to_string(), Some(&authority)));
    let lines = "nfprobe_transport: tls\nnfprobe_tls_ca_file: {dir}/ca.pem\nplugin_exit_timeout[n]: 1";
    let probe = probe(&traffic(100, false), address, lines).file("ca.pem", authority.pem()).run();
    assert!(probe.log.contains("the collector wants another certificate: nfprobe_tls_cert_file"), "{}", probe.log);
    // Nothing was sent that was lost.
    assert!(probe.log.contains("aggregates were dropped"), "{}", probe.log);
}

/// `openssl s_server` over DTLS, which writes what it receives to a file.
fn openssl(folder: &Setup, address: SocketAddr) -> Option<std::process::Child> {
    let path = |name: &str| folder.path(name).display().to_string();
    let started = Command::new("openssl")
        .args(["s_server", "-dtls1_2", "-quiet", "-listen", "-accept", &address.to_string()])
        .args(["-cert", &path("cert.pem"), "-key", &path("key.pem")])
        .stdin(Stdio::piped())
        .stdout(File::create(folder.path("received")).expect("the folder exists"))
        .stderr(Stdio::null())
        .spawn();
    let server = match started {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        other => other.expect("openssl starts"),
    };
    eventually("openssl", || (!testkit::sockets::bound(address).is_empty()).then_some(()));
    Some(server)
}

#[test]
fn another_implementation_of_dtls_receives_every_record() {
    let authority = Authority::new();
    for (lines, packets) in
        [("nfprobe_dtls_verify_cert: here", Some(3000)), ("nfprobe_dtls_verify_cert: there", None)]
    {
        let address = own_address();
        let Certified { certificate, key } = authority.certify("here");
        let more = format!("nfprobe_dtls: true\ndtls_path: {{dir}}\nplugin_exit_timeout[n]: 3\n{lines}");
        let setup = probe(&traffic(3000, false), address, &more)
            .file("ca-certificates.crt", authority.pem())
            .file("cert.pem", certificate)
            .file("key.pem", key);
        let Some(mut server) = openssl(&setup, address) else { return };
        let finished = setup.run();
        let received = || collect(&mut &std::fs::read(setup.path("received")).expect("it exists")[..], u64::MAX);
        match packets {
            Some(packets) => {
                assert_eq!(finished.code(), Some(0), "{}", finished.log);
                let collected = eventually("all packets", || Some(received()).filter(|it| it.packets >= packets));
                assert_eq!((collected.packets, collected.octets), printed(&finished));
            }
            None => {
                assert_eq!(received(), Collected::default());
                assert!(finished.log.contains("cannot connect"), "{}", finished.log);
            }
        }
        server.kill().expect("it is our child");
        server.wait().expect("it is our child");
    }
}

/// nfacctd with a port for each transport, and a certificate for `here`.
fn nfacctd(authority: &Authority) -> (Setup, [(&'static str, SocketAddr); 3]) {
    let setup = printing(TUPLE);
    let ip = setup.address().ip();
    let ports = [("tcp", free_tcp_port(ip)), ("tls", free_tcp_port(ip)), ("dtls", free_port(ip))];
    let lines: String =
        ports.iter().map(|(name, port)| format!("nfacctd_{name}_port: {}\n", port.port())).collect();
    let Certified { certificate, key } = authority.certify("here");
    let setup = setup.more_config(&lines).more_config("dtls_path: {dir}\nnfacctd_pipe_size: 8000000");
    (setup.file("cert.pem", certificate).file("key.pem", key), ports)
}

/// Lines of a probe that knows that collector.
const KNOWN: &str = "nfprobe_dtls_verify_cert: here\nnfprobe_tls_ca_file: {dir}/ca.pem";

#[test]
fn nfacctd_counts_what_was_captured_over_every_transport() {
    let authority = Authority::new();
    let (setup, ports) = nfacctd(&authority);
    for (transport, address) in ports {
        let collector = start(&setup);
        collector.wait_for_log("waiting for IPFIX over DTLS");
        let known = if transport == "tcp" { "" } else { KNOWN };
        let lines = format!("nfprobe_transport: {transport}\n{known}");
        let probe = probe(&traffic(5000, false), address, &lines).file("ca.pem", authority.pem()).run();
        assert_eq!(probe.code(), Some(0), "{transport}: {}", probe.log);
        let rows = probe.json("out.json").len() as u64;
        eventually("all records", || (collector.statistics().value("records_decoded") >= rows).then_some(()));
        let collected = collector.stop();
        assert_eq!(printed(&collected), printed(&probe), "{transport}: {}", collected.log);
    }
}

#[test]
fn an_nfacctd_that_was_killed_and_restarted_gets_all_that_follows() {
    let authority = Authority::new();
    let (setup, ports) = nfacctd(&authority);
    for (transport, address) in ports.into_iter().filter(|(transport, _)| *transport != "dtls") {
        let collector = start(&setup);
        collector.wait_for_log("waiting for IPFIX over DTLS");
        let known = if transport == "tcp" { "" } else { KNOWN };
        let lines = format!("nfprobe_transport: {transport}\n{known}\npcap_savefile_wait: true");
        let probe = probe(&traffic(3000, false), address, &lines).file("ca.pem", authority.pem()).spawn();
        probe.wait_for_log("sending to");
        probe.wait_for_log("finished reading");
        eventually("open flows", || {
            (probe.statistics().value_of("n/nfprobe", "table_aggregates") > 0).then_some(())
        });
        collector.signal(Signal::SIGKILL);
        collector.wait();
        let collector = start(&setup);
        collector.wait_for_log("waiting for IPFIX over DTLS");
        let probe = probe.stop();
        assert_eq!(probe.code(), Some(0), "{transport}: {}", probe.log);
        let rows = probe.json("out.json").len() as u64;
        eventually("all records", || (collector.statistics().value("records_decoded") >= rows).then_some(()));
        assert_eq!(printed(&collector.stop()), printed(&probe), "{transport}");
    }
}

#[test]
fn datagrams_fit_into_the_path() {
    let Some(namespace) = Namespace::new() else { return };
    let mtu = |number: &str| {
        let ip = namespace.enter(Path::new("ip")).args(["link", "set", "eth0", "mtu", number]).status();
        assert!(ip.expect("ip runs").success());
    };
    // Less the headers of IP and UDP; the length of a record, and its set, may be left.
    for (number, lines, most) in
        [("1500", "", 1472), ("900", "", 872), ("1500", "nfprobe_datagram_size[n]: 600", 600)]
    {
        mtu(number);
        let receiver = UdpSocket::bind((namespace.outside(), 0)).expect("a port");
        receiver.set_nonblocking(true).expect("it is a socket");
        let to = receiver.local_addr().expect("it is bound");
        let setup = probe(&traffic(2000, false), to, "");
        let (packets, config) = (setup.path("in.pcap"), setup.path("probe.conf"));
        let text = format!(
            "pcap_savefile: {}\nplugins: nfprobe[n]\naggregate[n]: {TUPLE}\nnfprobe_receiver: {to}\n{lines}\n",
            packets.display()
        );
        std::fs::write(&config, text).expect("the folder can be written");
        let mut pmacctd = namespace.enter(Path::new(env!("CARGO_BIN_EXE_pmacctd")));
        let output = pmacctd.arg("-f").arg(config).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let mut octets = vec![0; 65_536];
        let received =
            || receiver.recv(&mut octets).ok().map(|length| octets.get(..length).unwrap_or_default().to_vec());
        let datagrams: Vec<Vec<u8>> = std::iter::from_fn(received).collect();
        let longest = datagrams.iter().map(Vec::len).max().unwrap_or(0);
        assert!((most - 100..=most).contains(&longest), "{longest} of {most}");
        assert_eq!(collect(&mut &datagrams.concat()[..], u64::MAX).packets, 2000);
    }
}

#[test]
fn problems_of_transports_are_reported() {
    let check = |lines: &str| -> Finished {
        probe(&traffic(1, true), own_address(), lines).file("no.pem", "nothing").arguments(["--check"]).run()
    };
    for (lines, message) in [
        (
            "nfprobe_transport: tcp\nnfprobe_version: 9",
            "nfprobe_version[n]: only IPFIX is defined over TCP and TLS",
        ),
        (
            "nfprobe_transport: tls\nnfprobe_dtls: true",
            "nfprobe_dtls[n]: nfprobe_transport asks for another transport",
        ),
        ("nfprobe_transport: tls\nnfprobe_tls_ca_file: {dir}/none", "nfprobe_tls_ca_file[n]: '"),
        ("nfprobe_transport: tls\nnfprobe_tls_ca_file: {dir}/no.pem", "it contains no certificate"),
        ("nfprobe_transport: tls\nnfprobe_tls_key_file: {dir}/no.pem", "it needs the certificate too"),
        ("nfprobe_transport: dtls", "over DTLS there are no default authorities"),
        ("nfprobe_dtls: true\ndtls_path: {dir}", "dtls_path[n]: '"),
    ] {
        let finished = check(lines);
        assert!(finished.code() == Some(1) && finished.log.contains(message), "{lines}: {}", finished.log);
    }
    let finished = check("nfprobe_tls_ca_file: {dir}/no.pem");
    assert!(finished.log.contains("nfprobe_tls_ca_file[n]: has no effect"), "{}", finished.log);
}
