//! gNMI targets that are dialled.

use crate::collector::{Collector, settings};
use crate::dial_out::notification;
use config::{Diagnostics, Origin};
use prost::Message;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use telemetry_gpb::messages::gnmi::SubscribeResponse;
use telemetry_gpb::messages::gnmi::subscribe_request::Request;
use telemetry_gpb::messages::gnmi::subscribe_response::Response;
use telemetry_grpc::{End, Event, Settings, Source, Target, targets_file};
use testkit::certificates::Authority;
use testkit::eventually;
use testkit::grpc::{Status, Target as Server, Then};

/// The targets of a file with these lines.
fn targets(folder: &Path, text: &str) -> Vec<Arc<Target>> {
    let mut problems = Diagnostics::new();
    let environment = |_: &str| Some("s3cret".to_owned());
    let origin = Origin::whole("gnmi.lst");
    let targets = targets_file::parse(&origin, text.as_bytes(), folder, environment, &mut problems);
    assert_eq!(problems.count(config::Severity::Error), 0, "{problems:?}");
    targets
}

fn plain(address: SocketAddr, rest: &str) -> Vec<Arc<Target>> {
    targets(Path::new(""), &format!("name=r1 address={address} tls=false path=/a/b[c=d] {rest}"))
}

fn sync() -> Vec<u8> {
    SubscribeResponse { response: Some(Response::SyncResponse(true)), extension: vec![] }.encode_to_vec()
}

fn expected() -> Value {
    json!({"timestamp": 5, "update": [{"path": "/a", "val": {"b": 1}}]})
}

#[test]
fn a_subscription_is_made_as_the_file_says() {
    for (mode, list, of_path, interval) in
        [("sample", 0, 2, 7_000_000_000), ("on_change", 0, 1, 0), ("target_defined", 0, 0, 0), ("poll", 2, 0, 0)]
    {
        let server = Server::start(vec![notification(), sync()], Then::Wait);
        let mut collector =
            Collector::with_targets(plain(server.address, &format!("mode={mode} interval=7 encoding=proto")));
        let Event::Opened { peer, source } = collector.event() else { panic!("nothing was opened") };
        assert_eq!((peer, source), (server.address, Source::Target("r1".into())));
        assert_eq!(collector.json(), expected());
        collector.expect("messages_ignored", "sync", 1);
        let Some(Request::Subscribe(request)) = server.requests().remove(0).request else {
            panic!("no subscription")
        };
        assert_eq!((request.mode, request.encoding, request.prefix), (list, 2, None));
        let subscription = &request.subscription[0];
        assert_eq!((subscription.mode, subscription.sample_interval), (of_path, interval), "{mode}");
        assert_eq!(subscription.path.as_ref().unwrap().elem[1].key["c"], "d");
    }
}

#[test]
fn a_target_is_polled_at_its_interval() {
    let server = Server::start(vec![notification()], Then::Wait);
    let mut collector = Collector::with_targets(plain(server.address, "mode=poll interval=1"));
    for _ in 0..2 {
        assert_eq!(collector.json(), expected());
    }
    let requests = server.requests();
    assert!(matches!(requests[1].request, Some(Request::Poll(_))), "{requests:?}");
}

#[test]
fn a_subscription_of_mode_once_is_made_again_after_its_interval() {
    let server = Server::start(vec![notification(), sync()], Then::End);
    let mut collector = Collector::with_targets(plain(server.address, "mode=once interval=1"));
    for _ in 0..2 {
        assert_eq!(collector.json(), expected());
        assert_eq!(collector.end().1, End::Finished);
    }
    collector.expect("targets_unreachable", "connect", 0);
}

#[test]
fn a_subscription_that_breaks_is_made_again() {
    let server = Server::start(vec![notification()], Then::Fail(Status::resource_exhausted("too many")));
    let mut collector = Collector::with_targets(plain(server.address, ""));
    for _ in 0..3 {
        assert_eq!(collector.json(), expected());
        let (_, why) = collector.end();
        let End::Status(why) = why else { panic!("{why}") };
        assert!(why.ends_with(": too many"), "{why}");
    }
}

#[test]
fn a_target_that_is_away_is_tried_until_it_is_there() {
    let address = testkit::sockets::free_tcp_port([127, 0, 0, 1].into());
    let mut collector = Collector::with_targets(plain(address, ""));
    for _ in 0..3 {
        let Event::Unreachable { target, why } = collector.event() else { panic!("it was reached") };
        assert!(&*target == "r1" && why.contains(&address.to_string()), "{why}");
    }
    assert!(collector.counters().value("targets_unreachable", "connect") >= 3);
}

#[test]
fn targets_verify_each_other_and_know_the_password() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let own = authority.certify("collector");
    for (name, text) in [("ca", authority.pem()), ("cert", &own.certificate), ("key", &own.key)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let server = Server::start_tls(
        vec![notification()],
        &authority.certify("localhost"),
        ("telemetry", "s3cret"),
        Some(authority.pem()),
    );
    let address = server.address;
    let line = |rest: &str| format!("name=r1 address={address} path=/a {rest}");
    let good = line("username=telemetry password_env=PW ca=ca cert=cert key=key server_name=localhost");
    let mut collector = Collector::with_targets(targets(folder.path(), &good));
    assert_eq!(collector.json(), expected());
    for (rest, label, part) in [
        (
            "username=nobody password_env=PW ca=ca cert=cert key=key server_name=localhost",
            "rejected",
            "who are you?",
        ),
        ("username=telemetry password_env=PW ca=ca cert=cert key=key server_name=other", "tls", "TLS"),
        ("username=telemetry password_env=PW ca=ca cert=cert key=key", "tls", "TLS"),
    ] {
        let mut collector = Collector::with_targets(targets(folder.path(), &line(rest)));
        let Event::Unreachable { why, .. } = collector.event() else { panic!("it was reached: {rest}") };
        assert!(why.contains(part), "{why}");
        assert!(collector.counters().value("targets_unreachable", label) > 0, "{rest}");
    }
    let insecure = line("username=telemetry password_env=PW verify=false cert=cert key=key");
    let mut collector = Collector::with_targets(targets(folder.path(), &insecure));
    assert_eq!(collector.json(), expected());
}

#[test]
fn new_targets_replace_the_old_ones_and_leave_those_that_did_not_change() {
    let first = Server::start(vec![notification()], Then::Wait);
    let second = Server::start(vec![notification()], Then::Wait);
    let both = |server: &Server, rest: &str| plain(server.address, rest).remove(0);
    let mut collector = Collector::start(Settings {
        targets: vec![both(&first, ""), both(&first, "mode=on_change")],
        ..settings()
    });
    collector.json();
    collector.json();
    collector.handle.set_targets(vec![both(&second, ""), both(&first, "")]);
    assert_eq!(collector.end().1, End::Stopped);
    assert_eq!(collector.message().peer, second.address);
    collector.expect("streams_opened", "gnmi", 3);
    assert_eq!(first.requests().len(), 2);
}

#[test]
fn a_stop_ends_subscriptions() {
    let server = Server::start(vec![notification()], Then::Wait);
    let mut collector = Collector::with_targets(plain(server.address, ""));
    collector.json();
    let left = collector.stop();
    assert!(matches!(&left[..], [Event::Closed { why: End::Stopped, .. }]), "{left:?}");
}

#[test]
fn messages_that_are_not_gnmi_are_handed_over_undecoded() {
    let server = Server::start(vec![vec![0x0a, 9], notification()], Then::Wait);
    let mut collector = Collector::with_targets(plain(server.address, ""));
    let undecoded = collector.message();
    assert!(matches!(undecoded.payload, telemetry_grpc::Payload::Undecoded { .. }));
    assert_eq!(collector.json(), expected());
    eventually("the counter", || {
        (collector.counters().value("messages_undecoded", "truncated") == 1).then_some(())
    });
}
