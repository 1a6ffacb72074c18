//! What comes out of a daemon with BMP sessions besides its log: queries, metrics, flows with routes, and messages for other collectors. And
//! sessions over TLS.

use crate::bgp::{Log, own_address};
use crate::bgp_queries::{get, lines};
use crate::bmp::{PREFIX, TABLES, bare, has_route, peer, pmbmpd, reporting, reporting_from};
use crate::support::{nfacctd, v5_of};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use testkit::bmp::{Peer, Router, initiation};
use testkit::certificates::{Authority, Certified};
use testkit::process::Signal;
use testkit::servers::{self, Address};
use testkit::{Process, eventually};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A router with routes in three RIBs: its address, and the session.
fn loaded(process: &Process) -> (String, Router) {
    let (mut router, source) = reporting(process.setup().address());
    router.send(&peer().post_policy().routes([PREFIX, "11.0.0.0/8"]));
    let loc = Peer::loc_rib(64_512, [10, 255, 0, 1].into());
    router.send(&[loc.up(), loc.routes(["12.0.0.0/8"])].concat());
    Log::with_tables(process).wait_for_routes(4);
    (source, router)
}

/// Prefix and RIB of each route of an answer, sorted.
fn routes(process: &Process, query: &str) -> Vec<(String, String)> {
    let text = |route: &Value, name: &str| route[name].as_str().unwrap_or_default().to_owned();
    let routes = lines(process, &format!("/api/bmp/routes?{query}"));
    let mut found: Vec<(String, String)> =
        routes.iter().map(|route| (text(route, "ip_prefix"), text(route, "bmp_rib_type"))).collect();
    found.sort();
    found
}

#[test]
fn routers_peers_and_routes_are_found_by_queries() {
    let process = pmbmpd("http_listen: {dir}/http").start_tcp();
    let (source, router) = loaded(&process);
    let routers = lines(&process, "/api/bmp/routers");
    let [found] = &routers[..] else { panic!("{routers:?}") };
    assert_eq!((&found["bmp_router"], &found["sysname"]), (&json!(source), &json!("r1")));
    assert_eq!((&found["peers"], &found["routes"], &found["source"]), (&json!(2), &json!(4), &json!("session")));
    assert_eq!(found["messages"]["peer_up"], json!(2));

    let of_peer = lines(&process, &format!("/api/bmp/peers?router={source}&peer=192.0.2.1"));
    assert_eq!(of_peer.len(), 1, "{of_peer:?}");
    assert_eq!((&of_peer[0]["peer_asn"], &of_peer[0]["routes"]), (&json!(65_001), &json!({"pre": 1, "post": 2})));
    assert!(lines(&process, "/api/bmp/peers?router=192.0.2.77").is_empty());

    let of = |prefix: &str, rib: &str| (prefix.to_owned(), rib.to_owned());
    let (pre, post, loc) = ("Adj-Rib-In Pre-Policy", "Adj-Rib-In Post-Policy", "Loc-Rib");
    assert_eq!(routes(&process, "prefix=10.0.0.0/8"), [of(PREFIX, post), of(PREFIX, pre)]);
    assert_eq!(routes(&process, "prefix=10.0.0.1&rib=pre"), [of(PREFIX, pre)]);
    assert_eq!(routes(&process, "rib=loc"), [of("12.0.0.0/8", loc)]);
    assert_eq!(routes(&process, "peer=192.0.2.1&rib=post"), [of(PREFIX, post), of("11.0.0.0/8", post)]);
    for (query, text) in [("routes?rib=adj", "rib"), ("routes?router=r1", "router"), ("peers?rib=pre", "rib")] {
        let (status, body) = get(&process, &format!("/api/bmp/{query}"));
        assert!(status == 400 && body.contains(text), "{query}: {status} {body}");
    }
    drop(router);
    eventually("the end of the session", || lines(&process, "/api/bmp/routers").is_empty().then_some(()));
    assert!(routes(&process, "").is_empty());
    process.stop();
}

#[test]
fn metrics_name_the_routers() {
    let process = pmbmpd("http_listen: {dir}/http").start_tcp();
    let (source, _router) = loaded(&process);
    let (status, text) = get(&process, "/metrics");
    assert_eq!(status, 200);
    let value = |start: &str, parts: &[&str]| {
        let line =
            text.lines().find(|line| line.starts_with(start) && parts.iter().all(|part| line.contains(part)));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    let router = format!("router=\"{source}:");
    assert_eq!(value("pmacct_bmp_sessions ", &[]).as_deref(), Some("1"));
    assert_eq!(value("pmacct_bmp_router_peers{", &[&router]).as_deref(), Some("2"));
    assert_eq!(value("pmacct_bmp_router_routes{", &[&router, "rib=\"post\""]).as_deref(), Some("2"));
    assert_eq!(value("pmacct_bmp_messages_received_total{", &["type=\"initiation\""]).as_deref(), Some("1"));
    process.stop();
}

/// A nfacctd that looks destinations up in what routers report, and those lines.
fn looking_up(lines: &str) -> testkit::Setup {
    nfacctd(
        "plugins: print[p]
         aggregate[p]: dst_host, dst_as, as_path
         print_output[p]: json
         print_output_file[p]: {dir}/out.json
         bmp_daemon: true
         bmp_daemon_ip: {ip}
         bmp_daemon_port: {port}
         bmp_daemon_msglog_file: {dir}/log.json
         nfacctd_as: bmp
         nfacctd_net: bmp",
    )
    .more_config(lines)
}

/// The AS path of a flow to 10.20.0.9, whose exporter reports one route for it in each of two RIBs.
fn path_of_a_flow(lines: &str) -> Value {
    let process = looking_up(lines).start();
    eventually("the BMP port", || testkit::sockets::is_listened_on(process.setup().address()).then_some(()));
    let source = own_address();
    let mut router = Router::start(&source, process.setup().address(), "r1");
    let announced = |peer: Peer, path: &[u32]| {
        let next_hop = [10, 0, 0, 1].into();
        peer.monitored(&testkit::bgp::Update::route(path, next_hop).announce(["10.20.0.0/16"]).finish())
    };
    router.send(&peer().up());
    router.send(&announced(peer(), &[65_001, 65_020]));
    router.send(&announced(peer().post_policy(), &[65_001, 65_001, 65_020]));
    Log::with_tables(&process).wait_for_routes(2);
    process.exporter(&source).send(&v5_of(&[crate::bgp_flows::record()]));
    let rows = process.stop().json("out.json");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["as_dst"], json!(65_020));
    rows[0]["as_path"].clone()
}

#[test]
fn flows_have_the_routes_of_the_preferred_rib() {
    assert_eq!(path_of_a_flow(""), json!("65001_65020"), "the oldest route");
    assert_eq!(path_of_a_flow("bmp_rib_preference: post, pre"), json!("65001_65001_65020"));
    assert_eq!(path_of_a_flow("bmp_rib_preference: loc, pre"), json!("65001_65020"));
}

#[test]
fn messages_reach_collectors_behind_kafka() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("openbmp");
    kafka.create_topic(&topic);
    let Address { host, port, .. } = &kafka.address;
    let central = pmbmpd(&format!(
        "{TABLES}\nbmp_daemon_kafka_broker_host: {host}\nbmp_daemon_kafka_broker_port: {port}\nbmp_daemon_kafka_topic: {topic}"
    ));
    let edge = bare(&format!(
        "bmp_daemon_msglog_output: openbmp\nbmp_daemon_msglog_kafka_broker_host: {host}
         bmp_daemon_msglog_kafka_broker_port: {port}\nbmp_daemon_msglog_kafka_topic: {topic}
         bmp_daemon_msglog_kafka_partition: 0"
    ));
    let (central, edge) = (central.start_tcp(), edge.start_tcp());
    let mut log = Log::with_tables(&central);
    let (mut router, source) = reporting(edge.setup().address());
    log.wait("the route", |log| has_route(log, &source));
    router.send(&peer().withdrawal([PREFIX]));
    log.wait("its withdrawal", |log| !has_route(log, &source));
    // The router starts again: its peers are those of the new session only.
    router.send(&peer().routes(["11.0.0.0/8"]));
    log.wait("another route", |log| log.prefix("11.0.0.0/8").len() == 1);
    drop(router);
    let mut router = reporting_from(&source, edge.setup().address());
    log.wait("the routes of the new session", |log| {
        has_route(log, &source) && log.prefix("11.0.0.0/8").is_empty()
    });
    router.send(&peer().down(1, &testkit::bgp::message::notification(6, 2, &[])));
    log.wait("the end of the peer", |log| log.routes.is_empty());
    edge.stop();
    central.stop();
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection over TLS that trusts this authority.
fn connect(collector: SocketAddr, authority: &Authority, identity: Option<&Certified>) -> Tls {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority.pem())).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(Certified { certificate: pem, key }) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            config.with_client_auth_cert(vec![certificate(pem)], key).expect("a pair")
        }
    };
    let name = ServerName::IpAddress(IpAddr::from(collector.ip()));
    let connection = ClientConnection::new(Arc::new(config), name).expect("a name");
    StreamOwned::new(connection, TcpStream::connect(collector).expect("the daemon listens"))
}

/// Whether the daemon has closed the connection, with an alert or without.
fn is_closed(stream: &mut Tls) -> bool {
    stream.read(&mut [0]).map_or(true, |count| count == 0)
}

#[test]
fn sessions_may_be_over_tls() {
    let (authority, other) = (Authority::new(), Authority::new());
    let setup = pmbmpd(
        "bmp_daemon_tls_cert_file: {dir}/server.pem\nbmp_daemon_tls_key_file: {dir}/server.key
         bmp_daemon_tls_ca_file: {dir}/ca.pem",
    );
    let server = authority.certify(&setup.address().ip().to_string());
    let setup = setup
        .file("server.pem", &server.certificate)
        .file("server.key", &server.key)
        .file("ca.pem", authority.pem());
    let process = setup.start_tcp();
    let (collector, mut log) = (process.setup().address(), Log::of(&process));
    let identity = authority.certify("router");

    let mut router = connect(collector, &authority, Some(&identity));
    let report = [initiation("r1", "over TLS"), peer().up(), peer().routes([PREFIX])].concat();
    router.write_all(&report).and_then(|()| router.flush()).expect("the daemon reads");
    log.wait_for_routes(1);

    // Without a certificate, with one of another authority, and without TLS.
    for identity in [None, Some(&other.certify("router"))] {
        let mut stranger = connect(collector, &authority, identity);
        let _ = stranger.write_all(&report);
        assert!(is_closed(&mut stranger));
    }
    let mut plain = TcpStream::connect(collector).expect("the daemon listens");
    plain.write_all(&report).expect("the kernel accepts it");
    let _ = plain.read_to_end(&mut Vec::new());
    eventually("a line about them", || process.log().contains("BMP connection: TLS: ").then_some(()));

    // New files are for new sessions; that of the first router goes on.
    let renewed = other.certify(&collector.ip().to_string());
    for (name, text) in [
        ("server.pem", renewed.certificate.as_str()),
        ("server.key", renewed.key.as_str()),
        ("ca.pem", other.pem()),
    ] {
        std::fs::write(process.setup().path(name), text).expect("the folder can be written");
    }
    process.signal(Signal::SIGUSR2);
    eventually("a session with the other authority", || {
        let mut second = connect(collector, &other, Some(&other.certify("router")));
        second.write_all(&initiation("r2", "renewed")).and_then(|()| second.flush()).ok()?;
        Some(())
    });
    router.write_all(&peer().withdrawal([PREFIX])).and_then(|()| router.flush()).expect("the daemon reads");
    log.wait_for_routes(0);
    process.stop();
}
