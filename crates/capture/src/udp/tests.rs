use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, UdpSocket};

const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn target(receiver: &Receiver, host: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::from((host.into(), receiver.local_address().unwrap().port()))
}

fn one(settings: &Settings) -> Receiver {
    open(settings).unwrap().pop().unwrap()
}

/// Receives until `count` datagrams have arrived.
fn collect(receiver: &mut Receiver, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut batch = Batch::new();
    let mut got = Vec::new();
    while got.len() < count {
        assert_eq!(receiver.receive(&mut batch, LONG).unwrap(), Received::Datagrams);
        got.extend(batch.iter().map(|d| (d.source, d.payload.to_vec())));
    }
    got
}

fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "not in time");
    }
}

#[test]
fn ipv4_senders_on_a_dual_stack_socket_are_ipv4() {
    let mut receiver = one(&Settings::default());
    let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
    v4.send_to(b"four", target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    assert_eq!(collect(&mut receiver, 1), [(v4.local_addr().unwrap(), b"four".to_vec())]);
    let v6 = UdpSocket::bind("[::1]:0").unwrap();
    v6.send_to(b"six", target(&receiver, Ipv6Addr::LOCALHOST)).unwrap();
    assert_eq!(collect(&mut receiver, 1), [(v6.local_addr().unwrap(), b"six".to_vec())]);
}

#[test]
fn an_ipv4_socket_reports_its_senders() {
    let mut receiver = one(&Settings { address: Some(Ipv4Addr::LOCALHOST.into()), ..Settings::default() });
    let sender = UdpSocket::bind("127.0.0.3:0").unwrap();
    sender.send_to(b"", target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    sender.send_to(b"x", target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    let source = sender.local_addr().unwrap();
    assert_eq!(collect(&mut receiver, 2), [(source, vec![]), (source, vec![b'x'])]);
}

#[test]
fn multicast_datagrams_reach_one_worker_once() {
    let group = Ipv4Addr::new(239, 255, 19, 7);
    let lo = Some("lo".to_owned());
    let settings = Settings { groups: vec![group.into()], interface: lo, workers: 2, ..Settings::default() };
    let mut receivers = open(&settings).unwrap();
    let port = receivers[0].local_address().unwrap().port();
    let sender = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let sender = UdpSocket::from(sender);
    sender.send_to(b"all", (group, port)).unwrap();
    // A datagram to the host alone still arrives; it follows the other one, whichever worker got that.
    sender.send_to(b"one", (Ipv4Addr::LOCALHOST, port)).unwrap();
    let mut batch = Batch::new();
    let mut got = Vec::new();
    eventually(|| {
        for receiver in &mut receivers {
            receiver.receive(&mut batch, Some(Duration::from_millis(10))).unwrap();
            got.extend(batch.iter().map(|d| d.payload.to_vec()));
        }
        got.iter().any(|payload| payload == b"one")
    });
    got.sort();
    assert_eq!(got, [b"all", b"one"]);
}

#[test]
fn ipv6_only_rejects_ipv4() {
    let receiver = one(&Settings { ipv6_only: true, ..Settings::default() });
    let port = receiver.local_address().unwrap().port();
    // Then the port is free for IPv4.
    assert!(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok());
}

#[test]
fn receives_the_longest_datagram_completely() {
    let mut receiver = one(&Settings { receive_buffer: Some(1 << 20), ..Settings::default() });
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let payload: Vec<u8> = (0..65_507u32).map(|n| (n % 251) as u8).collect();
    sender.send_to(&payload, target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    let mut batch = Batch::new();
    assert_eq!(receiver.receive(&mut batch, LONG).unwrap(), Received::Datagrams);
    let datagram = batch.iter().next().unwrap();
    assert!(!datagram.truncated);
    assert!(datagram.arrival_us > 1_600_000_000_000_000);
    assert_eq!(datagram.payload, payload);
}

#[test]
fn more_datagrams_than_a_batch_arrive_in_order() {
    let mut receiver = one(&Settings { receive_buffer: Some(1 << 20), ..Settings::default() });
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let count = 2 * crate::SLOTS + 7;
    for n in 0..count {
        sender.send_to(&n.to_be_bytes(), target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    }
    let got: Vec<_> = collect(&mut receiver, count).into_iter().map(|(_, payload)| payload).collect();
    let sent: Vec<_> = (0..count).map(|n| n.to_be_bytes().to_vec()).collect();
    assert_eq!(got, sent);
}

#[test]
fn one_source_address_reaches_one_worker_from_any_port() {
    const SOURCES: u8 = 40;
    const PORTS: usize = 5;
    let mut receivers = open(&Settings { workers: 4, ..Settings::default() }).unwrap();
    let to = target(&receivers[0], Ipv4Addr::LOCALHOST);
    for source in 1..=SOURCES {
        for _ in 0..PORTS {
            UdpSocket::bind((Ipv4Addr::new(127, 0, 7, source), 0)).unwrap().send_to(&[source], to).unwrap();
        }
    }
    let to = target(&receivers[0], Ipv6Addr::LOCALHOST);
    for _ in 0..PORTS {
        UdpSocket::bind("[::1]:0").unwrap().send_to(&[0], to).unwrap();
    }

    let mut workers: BTreeMap<IpAddr, BTreeSet<usize>> = BTreeMap::new();
    let mut received = 0;
    let mut batch = Batch::new();
    for (worker, receiver) in receivers.iter_mut().enumerate() {
        // Loopback delivers before the sender's call returns: no more datagrams will arrive.
        while receiver.receive(&mut batch, Some(Duration::ZERO)).unwrap() == Received::Datagrams {
            for datagram in &batch {
                workers.entry(datagram.source.ip()).or_default().insert(worker);
                received += 1;
            }
        }
    }
    assert_eq!(received, (usize::from(SOURCES) + 1) * PORTS);
    assert!(workers.values().all(|of_one| of_one.len() == 1), "{workers:?}");
    let used: BTreeSet<_> = workers.values().flatten().collect();
    assert_eq!(used.len(), 4, "neighbouring addresses should not all end up together: {workers:?}");
}

#[test]
fn wakes_a_waiting_and_a_busy_receiver() {
    let mut receiver = one(&Settings::default());
    let waker = receiver.waker();
    let to = target(&receiver, Ipv4Addr::LOCALHOST);
    let thread = std::thread::spawn(move || {
        let got = receiver.receive(&mut Batch::new(), LONG).unwrap();
        (receiver, got)
    });
    waker.wake();
    let (mut receiver, got) = thread.join().unwrap();
    assert_eq!(got, Received::Woken);

    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", to).unwrap();
    waker.wake();
    waker.clone().wake();
    let mut batch = Batch::new();
    assert_eq!(receiver.receive(&mut batch, LONG).unwrap(), Received::Woken);
    assert_eq!(receiver.receive(&mut batch, LONG).unwrap(), Received::Datagrams);
    assert_eq!(receiver.receive(&mut batch, Some(Duration::ZERO)).unwrap(), Received::Idle);
    assert!(batch.is_empty());
}

#[test]
fn a_pause_ends_with_the_datagrams_that_arrived_or_a_wake_up() {
    let mut receiver = one(&Settings::default());
    let to = target(&receiver, Ipv4Addr::LOCALHOST);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut batch = Batch::new();
    receiver.dense = true;
    for _ in 0..3 {
        sender.send_to(b"x", to).unwrap();
    }
    assert_eq!(receiver.receive(&mut batch, LONG).unwrap(), Received::Datagrams);
    assert_eq!((batch.len(), receiver.dense), (3, true));

    receiver.pause = Duration::from_secs(60);
    let waker = receiver.waker();
    let thread = std::thread::spawn(move || receiver.receive(&mut Batch::new(), None).unwrap());
    waker.wake();
    assert_eq!(thread.join().unwrap(), Received::Woken);
}

#[test]
fn a_pause_without_datagrams_ends_pausing() {
    let mut receiver = one(&Settings::default());
    receiver.dense = true;
    let mut batch = Batch::new();
    assert_eq!(receiver.receive(&mut batch, Some(Duration::from_millis(2))).unwrap(), Received::Idle);
    assert!(!receiver.dense);
}

#[test]
fn the_pause_depends_on_the_buffer() {
    assert_eq!(pause_for(0), Duration::ZERO);
    assert_eq!(pause_for(212_992), Duration::from_micros(92));
    assert_eq!(pause_for(usize::MAX), MAX_PAUSE);
}

#[test]
fn dense_traffic_arrives_completely_and_in_order() {
    const COUNT: u32 = 5000;
    let mut receiver = one(&Settings { receive_buffer: Some(16 << 20), ..Settings::default() });
    if receiver.receive_buffer().unwrap() < 16 << 20 {
        return; // Without the privilege for a large buffer, some may be dropped.
    }
    let to = target(&receiver, Ipv4Addr::LOCALHOST);
    let sender = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..COUNT {
            socket.send_to(&n.to_be_bytes(), to).unwrap();
        }
    });
    let got: Vec<_> = collect(&mut receiver, COUNT as usize).into_iter().map(|(_, payload)| payload).collect();
    sender.join().unwrap();
    assert!(got.iter().eq((0..COUNT).map(|n| n.to_be_bytes()).collect::<Vec<_>>().iter()));
}

#[test]
fn drops_are_counted_by_the_kernel() {
    let mut receiver = one(&Settings { receive_buffer: Some(4096), ..Settings::default() });
    assert_eq!(receiver.drops().unwrap(), 0);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..200 {
        sender.send_to(&[0; 1000], target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    }
    let mut batch = Batch::new();
    let mut received = 0;
    while receiver.receive(&mut batch, Some(Duration::ZERO)).unwrap() == Received::Datagrams {
        received += batch.len();
    }
    assert_eq!(received + usize::try_from(receiver.drops().unwrap()).unwrap(), 200);
    assert!(received < 200);
}

#[test]
fn reports_the_buffer_size_of_the_kernel() {
    let receiver = one(&Settings { receive_buffer: Some(100_000), ..Settings::default() });
    // Twice as much, for the kernel's bookkeeping; every system grants this size.
    assert_eq!(receiver.receive_buffer().unwrap(), 200_000);
}

#[test]
fn an_unknown_device_is_an_error() {
    let settings = Settings { interface: Some("no-such-device".to_owned()), ..Settings::default() };
    assert!(open(&settings).is_err());
}

/// What a sender joins with `UDP_SEGMENT` travels over loopback in one piece, and must be received as separate datagrams.
#[test]
fn datagrams_joined_by_the_kernel_are_split() {
    let mut receiver = one(&Settings { receive_buffer: Some(1 << 20), ..Settings::default() });
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    if kernel::send_in_segments(sender.as_fd(), 100).is_err() {
        return; // A kernel without it cannot join datagrams either.
    }
    let payload: Vec<u8> = (0..=255u8).collect();
    sender.send_to(&payload, target(&receiver, Ipv4Addr::LOCALHOST)).unwrap();
    let got: Vec<_> = collect(&mut receiver, 3).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(got, [&payload[..100], &payload[100..200], &payload[200..]]);
}

#[test]
fn one_that_leaves_a_shared_port_keeps_what_is_queued() {
    const SENDERS: u8 = 40;
    for address in [None, Some(IpAddr::from(Ipv4Addr::LOCALHOST))] {
        let settings = |port| Settings { address, port, shared: true, ..Settings::default() };
        let mut leaving = one(&settings(0));
        let to = target(&leaving, Ipv4Addr::LOCALHOST);
        let mut staying = one(&settings(to.port()));
        let send = || {
            for number in 1..=SENDERS {
                UdpSocket::bind((Ipv4Addr::new(127, 0, 8, number), 0)).unwrap().send_to(&[number], to).unwrap();
            }
        };
        let mut batch = Batch::new();
        let mut queued = |receiver: &mut Receiver| {
            let mut count = 0;
            while receiver.receive(&mut batch, Some(Duration::ZERO)).unwrap() == Received::Datagrams {
                count += batch.len();
            }
            count
        };
        send();
        leaving.leave().unwrap();
        send();
        let (left, stayed) = (queued(&mut leaving), queued(&mut staying));
        assert!(left > 0 && stayed > usize::from(SENDERS), "{left} {stayed}");
        assert_eq!(left + stayed, 2 * usize::from(SENDERS));
        send();
        assert_eq!((queued(&mut leaving), queued(&mut staying)), (0, usize::from(SENDERS)));
    }
    let mut alone = one(&Settings::default());
    alone.leave().unwrap();
    let to = target(&alone, Ipv4Addr::LOCALHOST);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", to).unwrap();
    assert_eq!(collect(&mut alone, 1).len(), 1);
}

#[test]
fn rejects_a_port_in_use_unless_all_share_it() {
    let here = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
    for (first, second) in [(1, 1), (1, 2), (2, 1), (3, 2)] {
        let settings =
            |workers, port, shared| Settings { address: here, port, workers, shared, ..Settings::default() };
        let opened = open(&settings(first, 0, false)).unwrap();
        let port = opened[0].local_address().unwrap().port();
        let error = open(&settings(second, port, false)).unwrap_err();
        assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse, "{first} {second}");
        // A second process that would share the port fails too if the first has a single socket.
        assert_eq!(open(&settings(second, port, true)).is_err(), first == 1, "{first} {second}");
        drop(opened);
        let opened = open(&settings(first, port, true)).unwrap();
        let joined = open(&settings(second, port, true)).unwrap();
        assert!(open(&settings(1, port, false)).is_err());
        assert_eq!((opened.len(), joined.len()), (first, second));
    }
    // An address is part of all addresses.
    let all = one(&Settings::default());
    let port = all.local_address().unwrap().port();
    assert!(open(&Settings { address: here, port, ..Settings::default() }).is_err());
}

#[test]
fn daemons_that_share_a_port_all_receive_datagrams() {
    let settings = Settings { address: Some(Ipv4Addr::LOCALHOST.into()), shared: true, ..Settings::default() };
    let first = one(&settings);
    let port = first.local_address().unwrap().port();
    let mut receivers = vec![first];
    receivers.extend(open(&Settings { port, workers: 2, ..settings }).unwrap());
    let target = target(&receivers[0], Ipv4Addr::LOCALHOST);
    for number in 0..60u8 {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(&[number], target).unwrap();
    }
    let counts: Vec<usize> = receivers
        .iter_mut()
        .map(|receiver| {
            let mut batch = Batch::new();
            let mut count = 0;
            while receiver.receive(&mut batch, Some(Duration::ZERO)).unwrap() == Received::Datagrams {
                count += batch.len();
            }
            count
        })
        .collect();
    assert_eq!(counts.iter().sum::<usize>(), 60);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}
