//! Tests with a server that gives prepared replies. Those with real servers are in the end-to-end tests.

use super::*;
use crate::client::Server;
use crate::election::Member;
use crate::settings::Queue;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// A server that answers each read by the next of these replies. Returns what it has received.
fn server(replies: Vec<&'static str>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        for reply in replies {
            let mut buffer = vec![0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            received.push(String::from_utf8_lossy(&buffer[..count]).replace("\r\n", " "));
            stream.write_all(reply.as_bytes()).unwrap();
        }
        received
    });
    (address, thread)
}

fn runner(address: SocketAddr, password: Option<&str>) -> Runner {
    let settings = Settings {
        server: Server {
            host: address.ip().to_string(),
            port: address.port(),
            database: u32::from(password.is_some()) * 2,
            password: password.map(str::to_owned),
        },
        presence: vec![("c+0+daemon_type".to_owned(), "pmbgpd".to_owned())],
        member: Some(Member::new("pair", 9, "east")),
        queue: Queue { max_age: Duration::ZERO, max_messages: None },
    };
    let shared = Arc::new(Shared::new(&settings, Box::new(|_| ())));
    Runner::new(settings, shared)
}

#[test]
fn a_turn_writes_the_own_keys_and_reads_those_of_the_group() {
    let (address, server) = server(vec![
        "+OK\r\n+OK\r\n",
        "+OK\r\n$1\r\n5\r\n+OK\r\n",
        "*2\r\n$1\r\n7\r\n*1\r\n$1\r\nb\r\n",
        "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n",
        // The second key has expired, and the third is not that of a daemon.
        "*3\r\n$2\r\n42\r\n$-1\r\n$1\r\nx\r\n",
    ]);
    let mut runner = runner(address, Some("secret"));
    let answer = runner.turn(Write::Set(6)).unwrap();
    assert_eq!(answer, Answer { before: Some(5), others: vec![(42, b"a".to_vec())] });
    let key = "$34 pair+9+east+ha_daemon_startup_time";
    assert_eq!(
        server.join().unwrap(),
        [
            "*2 $4 AUTH $6 secret *2 $6 SELECT $1 2 ".to_owned(),
            format!("*4 $5 SETEX $15 c+0+daemon_type $1 3 $6 pmbgpd *2 $3 GET {key} *4 $5 SETEX {key} $1 3 $1 6 "),
            "*6 $4 SCAN $1 0 $5 MATCH $30 pair+9+*ha_daemon_startup_time $5 COUNT $4 1000 ".to_owned(),
            "*6 $4 SCAN $1 7 $5 MATCH $30 pair+9+*ha_daemon_startup_time $5 COUNT $4 1000 ".to_owned(),
            "*4 $4 MGET $1 a $1 b $1 c ".to_owned(),
        ]
    );
}

#[test]
fn errors_of_the_server_fail_the_turn() {
    for (replies, expected) in [
        (vec!["+OK\r\n-NOAUTH Authentication required.\r\n:0\r\n"], "NOAUTH Authentication required."),
        (vec!["HTTP/1.1 400 Bad Request\r\n"], "not a reply of Redis: unknown type 0x48 at octet 0 of a reply"),
        (vec!["+OK\r\n$-1\r\n:1\r\n", "+OK\r\n"], "not a reply to the request"),
        (vec!["+OK\r\n"], "the server has closed the connection"),
    ] {
        let (address, server) = server(replies);
        let error = runner(address, None).turn(Write::Remove).unwrap_err();
        server.join().unwrap();
        assert_eq!(error.to_string(), expected);
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(runner(closed, None).turn(Write::Nothing).unwrap_err().to_string(), "Connection refused");
}

#[test]
fn a_turn_that_does_not_end_counts_as_failed() {
    let Runner { shared, .. } = runner("127.0.0.1:1".parse().unwrap(), None);
    shared.begin();
    let now = Instant::now();
    shared.tick(now);
    assert_eq!((shared.state(), shared.failures()), (None, 0));
    shared.tick(now + STUCK);
    shared.tick(now + STUCK * 2);
    assert_eq!((shared.state(), shared.failures(), shared.changes()), (Some(State::Active), 1, 1));
}
