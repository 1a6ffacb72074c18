//! pmbgpd, a daemon without flow workers: it starts, reloads, reports and exits like the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use testkit::eventually;
use testkit::process::{Process, Setup, Signal};

fn pmbgpd(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config("bgp_daemon_ip: {ip}\nbgp_daemon_port: {port}")
        .more_config(lines)
}

fn start(setup: &Setup) -> Process {
    let process = setup.spawn();
    process.wait_for_log("waiting for BGP data on ");
    process
}

fn connect(process: &Process) -> TcpStream {
    TcpStream::connect(process.setup().address()).expect("the port is listened on")
}

/// True if the daemon closes the connection, perhaps with a NOTIFICATION.
fn is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("the time is not zero");
    stream.read_to_end(&mut Vec::new()).is_ok_and(|octets| octets <= 21)
}

#[test]
fn a_daemon_without_workers_starts_reports_reloads_and_exits() {
    let setup =
        pmbgpd("bgp_daemon_allow_file: {dir}/allow\nbgp_daemon_max_peers: 9").file("allow", "127.0.0.0/8\n");
    let process = start(&setup);
    assert!(!process.log().contains("has no effect"), "{}", process.log());
    let peer = connect(&process);
    process.wait_for_log("BGP connection accepted");
    eventually("the connection in the statistics", || {
        let report = process.statistics();
        (report.value("bgp_sessions") == 0 && report.value("bgp_connections_accepted") == 1).then_some(())
    });
    let setup = setup.file("allow", "127.0.0.0/99\n");
    process.wait_for_new_log("nothing was reloaded", || process.signal(Signal::SIGUSR2));
    drop(peer);
    let setup = setup.file("allow", "192.0.2.1\n");
    process.wait_for_new_log("maps and lists of BGP: reloaded", || process.signal(Signal::SIGUSR2));
    assert!(is_closed(connect(&process)));
    process.wait_for_log("not allowed. close()");
    assert_eq!(process.stop().code(), Some(0));
    drop(setup);
}

#[test]
fn connections_are_bounded() {
    let process = start(&pmbgpd("bgp_daemon_max_peers: 1"));
    let first = connect(&process);
    process.wait_for_log("BGP connection accepted");
    assert!(is_closed(connect(&process)));
    process.wait_for_log("Insufficient number of BGP peers has been configured");
    drop(first);
    process.wait_for_new_log("nothing to reload", || process.signal(Signal::SIGUSR2));
    assert_eq!(process.stop_with(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn problems_are_found_before_anything_is_opened() {
    let taken = start(&pmbgpd(""));
    let refused = taken.setup().clone().run();
    assert_eq!(refused.code(), Some(1));
    assert!(refused.log.contains("Address already in use"), "{}", refused.log);
    let checked = pmbgpd("bgp_daemon_allow_file: {dir}/nowhere\nplugins: print").arguments(["--check"]).run();
    assert_eq!(checked.code(), Some(1));
    for part in ["bgp_daemon_allow_file: ", "plugins has no effect in pmbgpd."] {
        assert!(checked.log.contains(part), "{}", checked.log);
    }
    let good = pmbgpd("").arguments(["--check"]).run();
    assert_eq!(good.code(), Some(0), "{}", good.log);
    taken.stop();
}

#[cfg(feature = "http")]
#[test]
fn metrics_and_health_are_served_without_workers() {
    let setup = pmbgpd("http_listen: {dir}/http");
    let process = start(&setup);
    for (path, expected) in
        [("/metrics", "pmacct_build_info"), ("/healthz", "HTTP/1.1 200"), ("/readyz", "HTTP/1.1 200")]
    {
        let mut stream = UnixStream::connect(setup.path("http")).expect("the socket is there");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is text");
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    assert_eq!(process.stop().code(), Some(0));
}
