//! Members of a consumer group: what one has committed, the next does not read again.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use brokers::settings::KafkaInput;
use brokers::topic::{Polled, TopicReader};
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

fn member(cluster: &Cluster) -> TopicReader {
    // The mock cluster gives members a second less than a session to commit and to join again, and lets each change of the group take as long.
    // On a busy machine, two seconds are not enough for that.
    let options = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(options.path(), "global, session.timeout.ms, 6000\nglobal, heartbeat.interval.ms, 500\n")
        .unwrap();
    TopicReader::new(&KafkaInput {
        brokers: cluster.bootstrap_servers(),
        topic: "t".to_owned(),
        group: Some("g".to_owned()),
        config_file: Some(options.path().to_owned()),
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
    fn step(&mut self, member: &mut TopicReader) {
        let Self { texts, next, .. } = self;
        let polled = member.poll(Duration::from_millis(50), |received| {
            texts.push(String::from_utf8(received.payload.to_vec()).unwrap());
            next.insert(received.partition, received.offset + 1);
        });
        match polled {
            Polled::Nothing | Polled::Message => {}
            Polled::Gained(partitions) => self.partitions.extend(partitions),
            Polled::Leaving(partitions) => {
                member.release(&self.positions()).unwrap();
                self.remove(&partitions);
                self.handovers += 1;
            }
            Polled::Lost(partitions) => self.remove(&partitions),
            Polled::Failed(error) => eprintln!("{error}"),
        }
    }

    fn positions(&self) -> Vec<(i32, i64)> {
        self.next.iter().map(|(partition, next)| (*partition, *next)).collect()
    }

    fn remove(&mut self, partitions: &[i32]) {
        self.partitions.retain(|partition| !partitions.contains(partition));
        self.next.retain(|partition, _| !partitions.contains(partition));
    }
}

/// Runs members until the condition holds.
#[track_caller]
fn until(
    members: &mut [(&mut TopicReader, &mut Reading)],
    done: impl Fn(&[(&mut TopicReader, &mut Reading)]) -> bool,
) {
    let begun = Instant::now();
    while !done(members) {
        if begun.elapsed() > TIME {
            panic!(
                "{:?}",
                members.iter().map(|(_, reading)| (reading.texts.len(), &reading.partitions)).collect::<Vec<_>>()
            );
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
    a.close(&[]);
    let before = d.texts.len();
    until(&mut [(&mut c, &mut d)], |members| members[0].1.texts.len() == before + uncommitted);
    assert_eq!(numbers(&[&b.texts[100..]]), numbers(&[&d.texts[before..]]));
    assert_eq!(d.partitions.len(), PARTITIONS as usize);
    // All is committed now, and the next member reads nothing again.
    let positions = d.positions();
    c.close(&positions);
    send(&cluster, 200..204);
    let (mut e, mut f) = (member(&cluster), Reading::default());
    until(&mut [(&mut e, &mut f)], |members| members[0].1.texts.len() >= 4);
    assert_eq!(numbers(&[&f.texts]), (200..204).collect::<Vec<_>>());
}
