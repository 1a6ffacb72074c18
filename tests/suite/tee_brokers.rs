//! The tee plugin: replicas as messages to Kafka, and to collectors over ZeroMQ.
#![cfg(all(feature = "kafka", feature = "zmq"))]

use crate::support::start;
use crate::tee::{tee, v5_from};
use std::io::{self, Read, Write};
use std::time::Duration;
use testkit::eventually;

/// Checks that a message is the datagram of this exporter, with headers before it.
#[track_caller]
fn check_message(message: &[u8], host: u8, datagram: &[u8]) {
    assert_eq!((message[0], message[9], &message[12..16]), (0x45, 17, &[127, 0, 1, host][..]));
    assert_eq!(&message[28..], datagram);
}

#[test]
fn datagrams_go_to_kafka_with_the_exporter_in_front() {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
    use testkit::servers;
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("tee");
    kafka.create_topic(&topic);
    let receivers = format!("id=1 kafka_broker={}:{} kafka_topic={topic}", kafka.address.host, kafka.address.port);
    let tee = start(&tee(&receivers, "tee_transparent: true"));
    let datagrams: Vec<Vec<u8>> = (0..20).map(|number| v5_from(number, &[1])).collect();
    tee.exporter("127.0.1.7").send_all(&datagrams);
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", format!("{}:{}", kafka.address.host, kafka.address.port))
        .set("group.id", &topic);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    for datagram in &datagrams {
        let message = eventually("a message", || consumer.poll(Duration::from_secs(1)).and_then(Result::ok));
        assert_eq!(message.key(), Some(&[127, 0, 1, 7][..]));
        check_message(message.payload().unwrap(), 7, datagram);
    }
    tee.statistics().assert_all_accounted();
    assert_eq!(tee.stop().code(), Some(0));
}

/// A PULL socket of ZMTP 3.0 without security: reads messages after the handshake.
struct Pull(std::net::TcpStream);

impl Pull {
    fn connect(address: std::net::SocketAddr) -> io::Result<Self> {
        let mut stream = eventually("the ZeroMQ socket", || std::net::TcpStream::connect(address).ok());
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut greeting = [0; 64];
        greeting[0] = 0xff;
        greeting[9] = 0x7f;
        greeting[10] = 3;
        greeting[12..16].copy_from_slice(b"NULL");
        stream.write_all(&greeting)?;
        stream.read_exact(&mut [0; 64])?;
        let ready = b"\x05READY\x0bSocket-Type\0\0\0\x04PULL";
        stream.write_all(&[&[4, ready.len() as u8], &ready[..]].concat())?;
        let mut pull = Self(stream);
        assert!(pull.frame()?.starts_with(b"\x05READY"));
        Ok(pull)
    }

    fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut flags = [0];
        self.0.read_exact(&mut flags)?;
        let len = if flags[0] & 2 == 0 {
            let mut len = [0];
            self.0.read_exact(&mut len)?;
            u64::from(len[0])
        } else {
            let mut len = [0; 8];
            self.0.read_exact(&mut len)?;
            u64::from_be_bytes(len)
        };
        let mut frame = vec![0; len as usize];
        self.0.read_exact(&mut frame)?;
        Ok(frame)
    }
}

#[test]
fn datagrams_go_to_collectors_over_zeromq() {
    let address = testkit::sockets::free_tcp_port(std::net::Ipv4Addr::LOCALHOST.into());
    let tee = start(&tee(&format!("id=1 zmq_address={address}"), "tee_transparent: true"));
    let datagrams: Vec<Vec<u8>> = (0..20).map(|number| v5_from(number, &[1; 12])).collect();
    let exporter = tee.exporter("127.0.1.9");
    // What was sent before the collector came waits for it.
    exporter.send_all(&datagrams[..10]);
    tee.wait_for_datagrams(10);
    let mut pull = Pull::connect(address).unwrap();
    for datagram in &datagrams[..10] {
        check_message(&pull.frame().unwrap(), 9, datagram);
    }
    exporter.send_all(&datagrams[10..]);
    for datagram in &datagrams[10..] {
        check_message(&pull.frame().unwrap(), 9, datagram);
    }
    // Another one takes over.
    drop(pull);
    let mut pull = None;
    tee.wait_for_new_log("ZeroMQ: connected", || pull = Some(Pull::connect(address).unwrap()));
    exporter.send_all(&datagrams[..1]);
    check_message(&pull.as_mut().unwrap().frame().unwrap(), 9, &datagrams[0]);
    assert_eq!(tee.stop().code(), Some(0));
}

#[test]
fn messages_beyond_the_queue_are_counted() {
    let address = testkit::sockets::free_tcp_port(std::net::Ipv4Addr::LOCALHOST.into());
    let tee =
        start(&tee(&format!("id=1 zmq_address={address}"), "tee_transparent: true\nnfacctd_pipe_size: 8000000"));
    let exporter = tee.exporter("127.0.1.9");
    let long = vec![5; 60_000];
    let mut sent = 0;
    eventually("a full queue", || {
        (0..40).for_each(|_| exporter.send(&long));
        sent += 40;
        (tee.statistics().value("replicas_dropped[queue]") > 0).then_some(())
    });
    tee.stop();
}
