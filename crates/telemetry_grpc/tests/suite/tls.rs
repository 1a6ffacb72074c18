//! TLS, with and without certificates of routers.

use crate::collector::{CISCO, Collector, limits, settings};
use crate::dial_out::cisco;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use telemetry_grpc::tls::{Server, ServerFiles};
use telemetry_grpc::{Event, Limits, Services, Settings};
use testkit::certificates::{Authority, Certified};
use testkit::grpc::Router;

pub(crate) fn files(folder: &Path, own: &Certified, authority: Option<&Authority>) -> ServerFiles {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    ServerFiles {
        cert: write("cert.pem", &own.certificate),
        key: write("key.pem", &own.key),
        ca: authority.map(|authority| write("ca.pem", authority.pem())),
    }
}

#[test]
fn routers_connect_with_tls() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::load(&files(folder.path(), &authority.certify("localhost"), None)).unwrap();
    let mut collector = Collector::listen(settings(), Services::ALL, Some(server));
    let router = Router::connect_tls(collector.address, authority.pem(), None).unwrap();
    let stream = router.stream(CISCO);
    stream.send(&cisco(b"{}"));
    assert_eq!(collector.json(), json!({}));
    stream.finish().unwrap();
    // In plain text nobody is served.
    let mut plain = TcpStream::connect(collector.address).unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    collector.expect("connections_refused", "tls", 1);
}

#[test]
fn routers_need_a_certificate_if_there_is_an_authority() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::load(&files(folder.path(), &authority.certify("localhost"), Some(&authority))).unwrap();
    let mut collector = Collector::listen(settings(), Services::ALL, Some(server));
    let send = |own: Option<&Certified>| {
        // With TLS 1.3, a client learns only later that its certificate was refused.
        let router = Router::connect_tls(collector.address, authority.pem(), own)?;
        let stream = router.stream(CISCO);
        stream.offer(&cisco(b"{}"), Duration::from_secs(5));
        stream.finish().map_err(|status| status.to_string())
    };
    assert!(send(None).is_err());
    assert!(send(Some(&other.certify("router"))).is_err());
    // The client may try again.
    assert!(collector.counters().value("connections_refused", "tls") >= 2);
    send(Some(&authority.certify("router"))).unwrap();
    assert_eq!(collector.json(), json!({}));
}

#[test]
fn a_handshake_that_does_not_go_on_ends() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::load(&files(folder.path(), &authority.certify("localhost"), None)).unwrap();
    let limits = Limits { handshake: Duration::from_millis(300), ..limits() };
    let mut collector = Collector::listen(Settings { limits, ..settings() }, Services::ALL, Some(server));
    let mut silent = TcpStream::connect(collector.address).unwrap();
    let Event::Refused { why, .. } = collector.event() else { panic!("it was not refused") };
    assert_eq!(why, "TLS: the handshake took too long");
    assert_eq!(silent.read(&mut [0; 9]).unwrap_or(0), 0);
    collector.expect("connections_refused", "tls", 1);
}

#[test]
fn files_that_are_wrong_are_named() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let good = files(folder.path(), &authority.certify("localhost"), Some(&authority));
    let none = folder.path().join("none.pem");
    for (files, name) in [
        (ServerFiles { cert: none.clone(), ..good.clone() }, "none.pem"),
        (ServerFiles { key: none.clone(), ..good.clone() }, "none.pem"),
        (ServerFiles { ca: Some(none), ..good.clone() }, "none.pem"),
        (ServerFiles { cert: good.key.clone(), ..good.clone() }, "key.pem"),
        (ServerFiles { key: good.cert.clone(), ..good.clone() }, "cert.pem"),
    ] {
        let error = Server::load(&files).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
}
