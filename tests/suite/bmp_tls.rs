//! BMP over TLS.

use crate::bgp::{Log, own_address};
use crate::bmp::{PREFIX, bare, peer, pmbmpd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use testkit::bmp::{Router, initiation};
use testkit::certificates::{Authority, Certified};
use testkit::conditions::PATIENCE;
use testkit::process::Signal;
use testkit::{Process, Setup, eventually};

type Session = StreamOwned<ClientConnection, TcpStream>;

/// Time in which a collector refuses a certificate.
const REFUSAL: Duration = Duration::from_secs(10);

/// A collector with a certificate of that authority.
fn over_tls(authority: &Authority, lines: &str) -> Setup {
    let Certified { certificate, key } = authority.certify("localhost");
    pmbmpd("bmp_daemon_tls_cert_file: {dir}/cert.pem\nbmp_daemon_tls_key_file: {dir}/key.pem")
        .more_config(lines)
        .file("cert.pem", certificate)
        .file("key.pem", key)
}

/// A router that trusts that authority, with a certificate of its own or without one. TLS has not begun.
fn connect(process: &Process, trusted: &Authority, own: Option<Certified>) -> Session {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(trusted.pem().as_bytes()).expect("a certificate");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
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
    let stream = testkit::sockets::connect(&own_address(), process.setup().address(), PATIENCE);
    StreamOwned::new(client, stream.expect("the collector accepts connections"))
}

fn report() -> Vec<u8> {
    [initiation("r1", "over TLS"), peer().up(), peer().routes([PREFIX])].concat()
}

/// Whether the session carries a report: with TLS 1.3 a client learns only afterwards that its certificate was refused.
fn is_taken(session: &mut Session) -> bool {
    let sent = session.write_all(&report()).and_then(|()| session.flush());
    session.sock.set_read_timeout(Some(Duration::from_millis(500))).expect("the time is not zero");
    let kept = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    sent.is_ok() && session.read(&mut [0; 16]).is_err_and(|error| kept(&error))
}

#[test]
fn routers_report_over_tls() {
    let authority = Authority::new();
    let process = over_tls(&authority, "").start_tcp();
    let mut log = Log::of(&process);
    let mut session = connect(&process, &authority, None);
    // Records of one octet, and one of many messages.
    report().iter().for_each(|octet| session.write_all(&[*octet]).expect("it reads"));
    log.wait_for_routes(1);
    let many: Vec<String> = (0..2000).map(testkit::bgp::update::numbered).collect();
    let messages: Vec<u8> = many.iter().flat_map(|prefix| peer().routes([prefix.as_str()])).collect();
    session.write_all(&messages).expect("it reads");
    log.wait_for_routes(1 + many.len());
    drop(session);
    log.wait_for(1, "log_close");
    process.stop();
}

#[test]
fn certificates_of_routers_are_checked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let setup = over_tls(&authority, "bmp_daemon_tls_ca_file: {dir}/ca.pem").file("ca.pem", authority.pem());
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let mut none = connect(&process, &authority, None);
    let mut unknown = connect(&process, &authority, Some(stranger.certify("r1")));
    assert!(!is_taken(&mut none) && !is_taken(&mut unknown));
    let mut known = connect(&process, &authority, Some(authority.certify("r1")));
    assert!(is_taken(&mut known));
    log.wait_for_routes(1);
    assert_eq!(log.count("log_init"), 1);
    process.stop();
}

#[test]
fn a_router_without_tls_is_refused_and_costs_no_session() {
    let authority = Authority::new();
    let process = over_tls(&authority, "bmp_daemon_max_peers: 4").start_tcp();
    let mut log = Log::of(&process);
    let mut session = connect(&process, &authority, None);
    session.write_all(&report()).expect("it reads");
    log.wait_for_routes(1);
    let mut plain = Router::connect(&own_address(), process.setup().address());
    let _ = plain.try_send(&report());
    assert!(plain.ends_within(REFUSAL));
    session.write_all(&peer().routes(["11.0.0.0/8"])).expect("it reads");
    log.wait_for_routes(2);
    assert_eq!(log.count("log_init"), 1);
    process.stop();
}

#[test]
fn silent_clients_do_not_keep_routers_away() {
    let authority = Authority::new();
    let process = over_tls(&authority, "bmp_daemon_max_peers: 4").start_tcp();
    let mut log = Log::of(&process);
    // They never begin with TLS. More than there may be sessions.
    let silent: Vec<Option<Router>> =
        (0..4).map(|_| Router::try_connect(&own_address(), process.setup().address(), REFUSAL).ok()).collect();
    let mut session = eventually("a session", || {
        let mut session = connect(&process, &authority, None);
        is_taken(&mut session).then_some(session)
    });
    log.wait_for_routes(1);
    session.write_all(&peer().routes(["11.0.0.0/8"])).expect("it reads");
    log.wait_for_routes(2);
    drop(silent);
    process.stop();
}

#[test]
fn a_new_certificate_is_used_after_a_reload() {
    let (old, new) = (Authority::new(), Authority::new());
    let setup = over_tls(&old, "");
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let mut first = connect(&process, &old, None);
    first.write_all(&report()).expect("it reads");
    log.wait_for_routes(1);
    let Certified { certificate, key } = new.certify("localhost");
    let _setup = setup.file("cert.pem", certificate).file("key.pem", key);
    process.signal(Signal::SIGUSR2);
    let _second = eventually("the new certificate", || {
        let mut session = connect(&process, &new, None);
        is_taken(&mut session).then_some(session)
    });
    log.wait_for_routes(2);
    // A session that exists stays.
    first.write_all(&peer().routes(["11.0.0.0/8"])).expect("it reads");
    log.wait_for_routes(3);
    process.stop();
}

#[test]
fn incomplete_and_wrong_files_are_named_at_the_start() {
    let refused = |setup: Setup, key: &str| {
        let finished = setup.run();
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        assert!(finished.log.contains(key), "{}", finished.log);
    };
    let Certified { certificate, key } = Authority::new().certify("localhost");
    let other = Authority::new().certify("localhost").key;
    let with = |lines: &str| {
        bare(lines)
            .file("cert.pem", &certificate)
            .file("key.pem", &key)
            .file("other.pem", &other)
            .file("empty", "")
    };
    refused(with("bmp_daemon_tls_cert_file: {dir}/cert.pem"), "bmp_daemon_tls_key_file");
    refused(with("bmp_daemon_tls_key_file: {dir}/key.pem"), "bmp_daemon_tls_cert_file");
    let both = |cert: &str, key: &str| {
        with(&format!("bmp_daemon_tls_cert_file: {{dir}}/{cert}\nbmp_daemon_tls_key_file: {{dir}}/{key}"))
    };
    refused(both("none.pem", "key.pem"), "bmp_daemon_tls_cert_file");
    refused(both("empty", "key.pem"), "bmp_daemon_tls_cert_file");
    refused(both("cert.pem", "empty"), "bmp_daemon_tls_key_file");
    refused(both("cert.pem", "other.pem"), "bmp_daemon_tls_");
}
