use super::*;
use crate::limit::Limit;
use crate::pool::Pool;
use config::Origin;
use config::problem::Diagnostics;
use maps::pre_tag::TagFilter;
use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::sync::Mutex;

const EXPORTER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 4000);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn pool(id: u32, sockets: &[&UdpSocket]) -> Pool {
    let receivers = sockets.iter().map(|socket| Receiver::Udp(socket.local_addr().unwrap())).collect();
    Pool { id, receivers, tags: None, balance: None, source_port: 0, limit: Limit::default() }
}

fn tags(text: &str) -> Option<TagFilter> {
    Some(TagFilter::parse(text, &Origin::whole("test"), &mut Diagnostics::new()))
}

fn replicator(pools: Vec<Pool>) -> Replicator {
    Replicator::open(Arc::new(Pools::new(pools, 0)), Options::default(), false, 0).unwrap()
}

/// Replicates whole datagrams as one batch.
fn send(replicator: &mut Replicator, datagrams: &[(&[u8], u64)]) {
    for (unit, (payload, tag)) in (0..).zip(datagrams) {
        let received = Received { unit, source: EXPORTER, exporter: EXPORTER.ip(), payload, arrival_us: 0 };
        replicator.whole(&received, Some(*tag));
    }
    let units: Vec<&[u8]> = datagrams.iter().map(|(payload, _)| *payload).collect();
    replicator.flush(&units);
}

fn receive(socket: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2000];
    (0..count)
        .map(|_| {
            let len = socket.recv(&mut buffer).unwrap();
            buffer[..len].to_vec()
        })
        .collect()
}

#[test]
fn each_receiver_gets_each_datagram_in_order_and_byte_for_byte() {
    let (one, two) = (socket(), socket());
    let mut replicator = replicator(vec![pool(1, &[&one]), pool(2, &[&two])]);
    // Runs of one size with a shorter last one, single datagrams, and an empty one.
    let sizes = [100, 100, 100, 50, 700, 20, 20, 0, 30, 40, 40, 40];
    let datagrams: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(number, size)| vec![number; size]).collect();
    let batch: Vec<(&[u8], u64)> = datagrams.iter().map(|datagram| (datagram.as_slice(), 0)).collect();
    send(&mut replicator, &batch);
    assert_eq!(receive(&one, datagrams.len()), datagrams);
    assert_eq!(receive(&two, datagrams.len()), datagrams);
    let counts = replicator.take_counts();
    let bytes: usize = sizes.iter().sum();
    assert_eq!((counts.offered, counts.replicated, counts.replicas), (12, 12, 24));
    assert_eq!((counts.sent, counts.sent_bytes), (24, 2 * bytes as u64));
}

#[test]
fn a_long_batch_is_sent_in_chunks() {
    let one = socket();
    let mut replicator = replicator(vec![pool(1, &[&one])]);
    let datagrams: Vec<Vec<u8>> = (0..200u8).map(|number| vec![number; 60]).collect();
    let batch: Vec<(&[u8], u64)> = datagrams.iter().map(|datagram| (datagram.as_slice(), 0)).collect();
    send(&mut replicator, &batch);
    assert_eq!(receive(&one, 200), datagrams);
}

#[test]
fn pools_take_what_their_filters_match() {
    let (one, two) = (socket(), socket());
    let pools = vec![Pool { tags: tags("1"), ..pool(1, &[&one]) }, Pool { tags: tags("2-9"), ..pool(2, &[&two]) }];
    let mut replicator = replicator(pools);
    send(&mut replicator, &[(b"a", 1), (b"b", 5), (b"c", 0), (b"d", 1)]);
    assert_eq!(receive(&one, 2), [b"a", b"d"]);
    assert_eq!(receive(&two, 1), [b"b"]);
    let counts = replicator.take_counts();
    assert_eq!((counts.offered, counts.replicated, counts.filtered_tag), (4, 3, 1));
}

#[test]
fn balanced_pools_send_each_datagram_to_one_receiver() {
    let (one, two) = (socket(), socket());
    let mut replicator = replicator(vec![Pool { balance: Some(Balance::RoundRobin), ..pool(1, &[&one, &two]) }]);
    send(&mut replicator, &[(b"a", 0), (b"b", 0), (b"c", 0)]);
    assert_eq!(receive(&one, 2), [b"a", b"c"]);
    assert_eq!(receive(&two, 1), [b"b"]);
}

#[test]
fn a_receiver_that_is_away_costs_nothing_but_its_replicas() {
    let (one, gone) = (socket(), socket());
    let pools = vec![pool(1, &[&gone]), pool(2, &[&one])];
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut replicator = replicator(pools);
    for _ in 0..3 {
        send(&mut replicator, &[(b"a", 0), (b"bcd", 0), (b"ef", 0)]);
    }
    assert_eq!(receive(&one, 9).len(), 9);
    let counts = replicator.take_counts();
    assert_eq!(counts.replicas, counts.sent);
    assert!(counts.refused > 0);
    // Its return needs no action.
    let back = UdpSocket::bind(address).unwrap();
    send(&mut replicator, &[(b"g", 0)]);
    assert_eq!(receive(&back, 1), [b"g"]);
}

#[test]
fn receivers_that_stay_keep_their_sockets() {
    let (one, two) = (socket(), socket());
    let mut replicator = replicator(vec![pool(1, &[&one])]);
    let source = |socket: &UdpSocket| socket.recv_from(&mut [0; 10]).unwrap().1;
    send(&mut replicator, &[(b"a", 0)]);
    let before = source(&one);
    replicator.change(Arc::new(Pools::new(vec![pool(5, &[&two]), pool(6, &[&one])], 0)));
    send(&mut replicator, &[(b"a", 0)]);
    assert_eq!(source(&one), before);
    assert_eq!(receive(&two, 1), [b"a"]);
}

#[test]
fn limits_leave_out_datagrams_and_count_them() {
    let one = socket();
    let limit = Limit { rate: NonZeroU32::new(2), sampling: None };
    let mut replicator = replicator(vec![Pool { limit, ..pool(1, &[&one]) }]);
    send(&mut replicator, &[(b"a", 0), (b"b", 0), (b"c", 0)]);
    assert_eq!(receive(&one, 2), [b"a", b"b"]);
    let counts = replicator.take_counts();
    assert_eq!((counts.replicated, counts.filtered_rate), (2, 1));
}

#[derive(Debug, Default)]
struct Broker(Mutex<Vec<Vec<u8>>>);

impl Messages for Broker {
    fn send(&self, message: &[u8]) -> bool {
        let mut messages = self.0.lock().unwrap();
        let has_room = messages.len() < 2;
        if has_room {
            messages.push(message.to_vec());
        }
        has_room
    }
}

#[test]
fn messages_start_with_the_headers_of_the_exporter() {
    let broker = Arc::new(Broker::default());
    let receivers = vec![Receiver::Messages("broker".to_owned(), broker.clone())];
    let mut replicator = replicator(vec![Pool { receivers, ..pool(1, &[]) }]);
    send(&mut replicator, &[(b"abc", 0), (b"d", 0), (b"e", 0)]);
    let messages = broker.0.lock().unwrap();
    assert_eq!(messages[0].len(), 28 + 3);
    assert_eq!(messages[0][12..16], [192, 0, 2, 1]);
    assert_eq!(messages[0][20..22], 4000u16.to_be_bytes());
    assert_eq!(messages[0][28..], *b"abc");
    let counts = replicator.take_counts();
    assert_eq!((counts.sent, counts.dropped(DropReason::Queue)), (2, 1));
}

#[test]
fn a_receiver_without_a_socket_is_tried_again() {
    let one = socket();
    let options = Options { source: Some(IpAddr::from([0; 16])), ..Options::default() };
    let pools = Arc::new(Pools::new(vec![pool(1, &[&one])], 0));
    // The source is of another family than the receiver.
    let mut replicator = Replicator::open(pools, options, false, 0).unwrap();
    send(&mut replicator, &[(b"a", 0)]);
    assert_eq!(replicator.take_counts().dropped(DropReason::Unreachable), 1);
    assert_eq!(replicator.reopen().len(), 1);
    replicator.outputs.options = Options::default();
    assert!(replicator.reopen().is_empty());
    send(&mut replicator, &[(b"b", 0)]);
    assert_eq!(receive(&one, 1), [b"b"]);
}
