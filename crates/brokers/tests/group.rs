//! Members of a consumer group: what one has committed, the next does not read again.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use brokers::group::{Event, Member};
use brokers::settings::KafkaInput;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 4;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", PARTITIONS, 1).unwrap();
    cluster
}

/// Sends messages with these numbers, in turn to all partitions.
fn send(cluster: &Cluster, numbers: std::ops::Range<u32>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: BaseProducer = config.create().unwrap();
    for number in numbers {
        let text = number.to_string();
        let record = BaseRecord::<(), str>::to("t").payload(&text).partition(number as i32 % PARTITIONS);
        producer.send(record).unwrap();
    }
    producer.flush(TIME).unwrap();
}

fn member(cluster: &Cluster) -> Member {
    Member::new(&KafkaInput {
        brokers: cluster.bootstrap_servers(),
        topic: "t".to_owned(),
        group: "g".to_owned(),
        config_file: None,
        timeout: Duration::from_secs(10),
    })
    .unwrap()
}

/// What a member has read.
#[derive(Default)]
struct Reading {
    texts: Vec<String>,
    next: BTreeMap<i32, i64>,
    partitions: Vec<i32>,
    handovers: usize,
}

impl Reading {
    /// Handles the next event. Partitions are given away with a commit.
    fn step(&mut self, member: &mut Member) {
        match member.poll(Duration::from_millis(50)) {
            Event::Nothing => {}
            Event::Message(message) => {
                self.texts.push(String::from_utf8(message.payload().to_vec()).unwrap());
                let (partition, next) = message.next();
                self.next.insert(partition, next);
            }
            Event::Gained(partitions) => self.partitions.extend(partitions),
            Event::Revoked(partitions) => {
                let offsets: Vec<_> = self.next.iter().map(|(partition, next)| (*partition, *next)).collect();
                member.commit_now(&offsets).unwrap();
                member.release().unwrap();
                self.remove(&partitions);
                self.handovers += 1;
            }
            Event::Lost(partitions) => self.remove(&partitions),
            Event::Failed(error) => eprintln!("{error}"),
        }
    }

    fn remove(&mut self, partitions: &[i32]) {
        self.partitions.retain(|partition| !partitions.contains(partition));
        self.next.retain(|partition, _| !partitions.contains(partition));
    }
}

/// Runs members until the condition holds.
#[track_caller]
fn until(members: &mut [(&mut Member, &mut Reading)], done: impl Fn(&[(&mut Member, &mut Reading)]) -> bool) {
    let begun = Instant::now();
    while !done(members) {
        if begun.elapsed() > TIME {
            panic!("{:?}", members.iter().map(|(_, reading)| &reading.texts).collect::<Vec<_>>());
        }
        members.iter_mut().for_each(|(member, reading)| reading.step(member));
    }
}

fn numbers(texts: &[&[String]]) -> Vec<u32> {
    let mut numbers: Vec<u32> = texts.iter().copied().flatten().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn partitions_that_move_are_read_once_if_they_are_given_away_and_twice_if_their_reader_dies() {
    let cluster = cluster();
    send(&cluster, 0..100);
    let (mut a, mut b) = (member(&cluster), Reading::default());
    until(&mut [(&mut a, &mut b)], |members| members[0].1.texts.len() == 100);
    // Another member joins and gets half of the partitions.
    let (mut c, mut d) = (member(&cluster), Reading::default());
    until(&mut [(&mut a, &mut b), (&mut c, &mut d)], |members| {
        members.iter().all(|(_, reading)| reading.partitions.len() == PARTITIONS as usize / 2)
    });
    assert_eq!(b.handovers, 1);
    send(&cluster, 100..200);
    until(&mut [(&mut a, &mut b), (&mut c, &mut d)], |members| {
        members.iter().map(|(_, reading)| reading.texts.len()).sum::<usize>() == 200
    });
    assert_eq!(numbers(&[&b.texts, &d.texts]), (0..200).collect::<Vec<_>>());
    // The first leaves without a commit of the last messages: they are read again.
    let uncommitted = b.texts.len() - 100;
    drop(a);
    let before = d.texts.len();
    until(&mut [(&mut c, &mut d)], |members| members[0].1.texts.len() == before + uncommitted);
    assert_eq!(numbers(&[&b.texts[100..]]), numbers(&[&d.texts[before..]]));
    assert_eq!(d.partitions.len(), PARTITIONS as usize);
    // All is committed now, and the next member reads nothing again.
    let offsets: Vec<_> = d.next.iter().map(|(partition, next)| (*partition, *next)).collect();
    c.commit_now(&offsets).unwrap();
    drop(c);
    send(&cluster, 200..204);
    let (mut e, mut f) = (member(&cluster), Reading::default());
    until(&mut [(&mut e, &mut f)], |members| members[0].1.texts.len() >= 4);
    assert_eq!(numbers(&[&f.texts]), (200..204).collect::<Vec<_>>());
}
