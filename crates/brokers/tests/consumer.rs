//! Messages of a topic are read by consumers, all of them, also after the broker was away.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use brokers::consumer::{Consumer, Next};
use brokers::settings::KafkaInput;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testkit::servers::{self, Address};

const TIME: Duration = Duration::from_secs(60);

fn input(address: &Address, topic: &str) -> KafkaInput {
    KafkaInput {
        brokers: format!("{}:{}", address.host, address.port),
        topic: topic.to_owned(),
        group: Some(servers::name("group")),
        config_file: None,
        timeout: Duration::from_secs(10),
    }
}

fn send(address: &Address, topic: &str, texts: &[String]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("{}:{}", address.host, address.port));
    let producer: BaseProducer = config.create().unwrap();
    for text in texts {
        producer.send(BaseRecord::<(), str>::to(topic).payload(text)).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Reads until that many messages have arrived. `at` is called with the number of each message before it is counted.
fn read(input: &KafkaInput, count: usize, mut at: impl FnMut(usize)) -> BTreeSet<String> {
    let begun = Instant::now();
    let texts = RefCell::new(BTreeSet::new());
    Consumer::new(input).unwrap().run(
        || {
            assert!(begun.elapsed() < TIME, "{} messages", texts.borrow().len());
            if texts.borrow().len() < count { Next::Continue } else { Next::Stop }
        },
        |received| {
            at(texts.borrow().len());
            texts.borrow_mut().insert(String::from_utf8(received.payload.to_vec()).unwrap());
            Next::Continue
        },
        |error, _| eprintln!("{error}"),
    );
    texts.into_inner()
}

#[test]
fn all_messages_are_read_from_the_oldest_on_by_each_run() {
    let Some(server) = servers::kafka() else { return };
    let topic = servers::name("consumer");
    server.create_topic(&topic);
    let texts: Vec<String> = (0..500).map(|number| format!("message {number}")).collect();
    let expected: BTreeSet<String> = texts.iter().cloned().collect();
    send(&server.address, &topic, &texts);
    // The broker lets the first member of a group wait for others for half of that time.
    let folder = tempfile::tempdir().unwrap();
    let options = folder.path().join("options");
    std::fs::write(&options, "global, session.timeout.ms, 6000\n").unwrap();
    let input = KafkaInput { config_file: Some(options), ..input(&server.address, &topic) };
    assert_eq!(read(&input, 500, |_| {}), expected);
    // What is sent later arrives, and a second run begins anew.
    let late = ["late".to_owned()];
    let again = read(&input, 501, |number| {
        if number == 499 {
            send(&server.address, &topic, &late);
        }
    });
    assert_eq!(again.difference(&expected).collect::<Vec<_>>(), ["late"]);
}
