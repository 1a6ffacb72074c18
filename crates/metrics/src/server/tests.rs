use super::*;
use crate::monitor::Build;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant;

/// An endpoint that serves.
struct Served {
    address: Address,
    monitor: Arc<Monitor>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Served {
    fn on(address: &str) -> Self {
        let address = Address::parse(address).unwrap();
        let settings = Settings { address, mode: 0o660, group: None, files: files::Settings::default() };
        let endpoint = Endpoint::bind(&settings).unwrap();
        let address = endpoint.address().clone();
        let monitor = Arc::new(Monitor::new(Build::default()));
        monitor.running();
        let (handle, work) = endpoint.serve(Arc::clone(&monitor));
        Self { address, monitor, handle, thread: std::thread::spawn(work) }
    }

    fn tcp(&self) -> SocketAddr {
        let Address::Tcp(address) = self.address else { panic!("{}", self.address) };
        address
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes and reads to the end.
    fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have closed already.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    }

    fn assert_serves(&self) {
        let began = Instant::now();
        let answer = self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"), "{answer}");
        // Without waiting until a stalled client was cut.
        assert!(began.elapsed() < HEADERS, "{:?}", began.elapsed());
    }

    /// Ends it, which must not take long.
    fn end(self) {
        let began = Instant::now();
        drop(self.handle);
        self.thread.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[test]
fn it_serves_over_ipv4_and_ipv6_until_its_handle_is_dropped() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let served = Served::on(address);
        served.assert_serves();
        assert!(served.ask(b"GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nalive\n"));
        let head = served.ask(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "{head}");
        served.monitor.ending();
        let answer = served.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("shutting down\n"), "{answer}");
        let address = served.tcp();
        served.end();
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_unix_socket_has_its_mode_and_is_removed_at_the_end() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let served = Served::on(path.to_str().unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    served.end();
    assert!(!path.exists());
}

#[test]
fn the_socket_of_another_daemon_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let served = Served::on(path.to_str().unwrap());
    std::fs::remove_file(&path).unwrap();
    let _other = runtime::socket::listen(&path, 0o600, None).unwrap();
    served.end();
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn an_address_in_use_is_an_error() {
    let served = Served::on("127.0.0.1:0");
    let settings =
        Settings { address: served.address.clone(), mode: 0, group: None, files: files::Settings::default() };
    assert_eq!(Endpoint::bind(&settings).unwrap_err().kind(), ErrorKind::AddrInUse);
    served.end();
}

#[test]
fn garbage_is_rejected_and_does_no_harm() {
    let served = Served::on("127.0.0.1:0");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADER_FIELDS + 1));
    let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(2 * HEAD_BYTES));
    let path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2 * HEAD_BYTES));
    let binary: Vec<u8> = (0..=255u8).cycle().take(4096).collect();
    let requests: [&[u8]; 10] = [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        many.as_bytes(),
        long.as_bytes(),
        path.as_bytes(),
        &binary,
    ];
    for request in requests {
        let mut stream = served.connect();
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request:?}: {answer}");
    }
    for request in [
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc",
        "TRACE /healthz HTTP/1.1\r\n\r\n",
    ] {
        let answer = served.ask(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 405 "), "{request}: {answer}");
    }
    served.assert_serves();
    served.end();
}

#[test]
fn clients_that_stall_make_room_for_others() {
    let served = Served::on("127.0.0.1:0");
    let stalled: Vec<TcpStream> = (0..3 * CONNECTIONS)
        .map(|number| {
            let mut stream = served.connect();
            let head: &[u8] = if number % 2 == 0 { b"GET /metrics HTT" } else { b"" };
            let _ = stream.write_all(head);
            stream
        })
        .collect();
    for _ in 0..10 {
        served.assert_serves();
    }
    // The first ones were cut, as there were too many.
    let mut first = &stalled[0];
    let mut octet = [0];
    assert!(matches!(first.read(&mut octet), Ok(0) | Err(_)));
    served.end();
}

#[test]
fn a_flood_of_connections_does_not_keep_a_request_from_its_answer() {
    let served = Served::on("127.0.0.1:0");
    let address = served.tcp();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = VecDeque::new();
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    held.extend(TcpStream::connect(address).ok());
                    held.drain(..held.len().saturating_sub(2 * CONNECTIONS));
                }
            });
        }
        let answered =
            (0..50).filter(|_| served.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("alive\n"));
        let answered = answered.count();
        done.store(true, std::sync::atomic::Ordering::Release);
        assert!(answered >= 45, "{answered} of 50");
    });
    served.end();
}

#[test]
fn headers_that_do_not_end_are_cut() {
    let served = Served::on("127.0.0.1:0");
    let mut stream = served.connect();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let began = Instant::now();
    let mut sent = 0;
    // One field at a time: the number of fields and the time are bounded.
    while stream.write_all(b"A: b\r\n").is_ok() {
        sent += 1;
        std::thread::park_timeout(Duration::from_millis(20));
        assert!(began.elapsed() < TOTAL, "{sent}");
    }
    served.assert_serves();
    served.end();
}

#[test]
fn a_client_that_does_not_read_blocks_nobody() {
    let served = Served::on("127.0.0.1:0");
    let mut slow: Vec<TcpStream> = (0..CONNECTIONS - 1).map(|_| served.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    served.assert_serves();
    served.end();
}
