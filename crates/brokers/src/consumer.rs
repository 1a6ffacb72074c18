//! Reading a Kafka topic, through librdkafka.
//!
//! A consumer reads from the oldest message that the brokers keep, and commits nothing: what a daemon builds from messages, such as
//! routes, it loses when it ends, so that it needs all of them again. Consumers of one group share the partitions of the topic, and one
//! that receives a partition of another reads it from its start. A consumer without a group is the only member of its own: in a group that several
//! topics have in common, each program that starts or ends would make the others start over. A file of options can change that
//! (`auto.offset.reset`, `enable.auto.commit`).
//!
//! While the brokers cannot be reached, the client library retries, with pauses that grow. It keeps up to [`QUEUE_KB`] of messages that
//! were not read yet, so that a slow reader holds back the brokers.

use crate::kafka::{Reports, client_error, no_topic, read_options, with_last_error};
use crate::settings::KafkaInput;
use delivery::StoreError;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Messages that the client library keeps, in units of 1024 bytes.
pub const QUEUE_KB: u32 = 16 * 1024;
/// The longest time for which [`Consumer::run`] does not ask whether to stop.
const POLL: Duration = Duration::from_millis(200);
/// How long leaving a group may take.
const LEAVING: Duration = Duration::from_secs(5);
/// The interval between calls of `report` about failures that go on.
const RATE: Duration = Duration::from_secs(10);

/// A reader of a topic.
pub struct Consumer {
    client: BaseConsumer<Reports>,
    topic: String,
    /// The last report of a failure.
    reported: Option<Instant>,
    /// Failures that were not reported.
    held_back: u64,
}

/// A message of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Its content; empty for a message without one.
    pub payload: &'a [u8],
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the next message.
    Continue,
    /// End.
    Stop,
}

pub(crate) fn client_config(settings: &KafkaInput) -> Result<ClientConfig, StoreError> {
    let mut config = ClientConfig::new();
    let timeout = settings.timeout.as_millis().clamp(1000, 300_000).to_string();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("client.id", "pmacct");
    config.set("group.id", settings.group.clone().unwrap_or_else(own_group));
    config.set("socket.timeout.ms", &timeout);
    config.set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false");
    config.set("queued.max.messages.kbytes", QUEUE_KB.to_string());
    // How long the partitions of a daemon that died are read by nobody.
    config.set("session.timeout.ms", "10000");
    // A topic that is created later is found within that time.
    config.set("topic.metadata.refresh.interval.ms", "10000");
    read_options(settings.config_file.as_deref(), &mut config)?;
    Ok(config)
}

/// The name of a group that nobody else has. The client library insists on one, even if all partitions are read and nothing is committed.
fn own_group() -> String {
    format!("pmacct-{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Checks that the client library accepts the options, without connecting.
///
/// # Errors
/// The key without its prefix, and what is wrong.
pub fn check(settings: &KafkaInput) -> Result<(), StoreError> {
    let config = client_config(settings)?;
    config.create_native_config().map(drop).map_err(|error| client_error(settings.config_file.is_some(), error))
}

/// Drops a client, which leaves its group, and waits for that a little. While brokers do not answer, the client library may wait for ever; the group
/// finds out when the session of the member ends. Returns whether it has left.
pub(crate) fn leave(client: impl Send + 'static) -> bool {
    let (left, has_left) = sync_channel(1);
    let leaving = std::thread::Builder::new().name("kafka/leave".to_owned()).spawn(move || {
        drop(client);
        let _ = left.send(());
    });
    // Without a thread, the client was dropped here.
    leaving.is_err() || has_left.recv_timeout(LEAVING).is_ok()
}

impl Consumer {
    /// A reader, which connects in the background.
    ///
    /// # Errors
    /// If the client library rejects an option: the key without its prefix, and what is wrong.
    pub fn new(settings: &KafkaInput) -> Result<Self, StoreError> {
        let rejected = |error| client_error(settings.config_file.is_some(), error);
        let client: BaseConsumer<Reports> =
            client_config(settings)?.create_with_context(Reports::default()).map_err(rejected)?;
        client.subscribe(&[&settings.topic]).map_err(rejected)?;
        Ok(Self { client, topic: settings.topic.clone(), reported: None, held_back: 0 })
    }

    /// Reads messages until `each` or `next` says to stop. `next` is asked at least every 200 ms. `report` gets failures, one in ten
    /// seconds, and the number of those that it did not get before; reading goes on after all of them.
    pub fn run(
        mut self,
        mut next: impl FnMut() -> Next,
        mut each: impl FnMut(Received<'_>) -> Next,
        mut report: impl FnMut(StoreError, u64),
    ) {
        while next() == Next::Continue {
            let failure = match self.client.poll(POLL) {
                None => continue,
                Some(Ok(message)) => {
                    self.client.context().clear_error();
                    let payload = message.payload().unwrap_or_default();
                    let received = Received { payload, partition: message.partition(), offset: message.offset() };
                    match each(received) {
                        Next::Continue => continue,
                        Next::Stop => break,
                    }
                }
                Some(Err(error)) => self.failure(&error),
            };
            match self.reported {
                Some(reported) if reported.elapsed() < RATE => self.held_back += 1,
                _ => {
                    self.reported = Some(Instant::now());
                    report(failure, std::mem::take(&mut self.held_back));
                }
            }
        }
        leave(self.client);
    }

    fn failure(&self, error: &KafkaError) -> StoreError {
        failure(&self.topic, error, self.client.context())
    }
}

/// What an error of a consumer means.
pub(crate) fn failure(topic: &str, error: &KafkaError, reports: &Reports) -> StoreError {
    match error.rdkafka_error_code() {
        Some(
            code @ (RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed),
        ) => no_topic(topic, code),
        _ => with_last_error(reports, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KafkaInput {
        KafkaInput {
            brokers: "127.0.0.1:1".to_owned(),
            topic: "t".to_owned(),
            group: Some("g".to_owned()),
            config_file: None,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn options_that_the_client_library_rejects_name_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("options");
        std::fs::write(&path, "global, auto.offset.reset, latest\n").unwrap();
        let with_file = KafkaInput { config_file: Some(path.clone()), ..settings() };
        assert_eq!(check(&with_file), Ok(()));
        std::fs::write(&path, "global, fetch.min.bytes, many\n").unwrap();
        for error in [check(&with_file), Consumer::new(&with_file).map(drop)] {
            let Err(StoreError::Configuration { key: "kafka_config_file", what }) = error else {
                panic!("{error:?}")
            };
            assert!(what.contains("fetch.min.bytes"), "{what}");
        }
        assert!(Consumer::new(&KafkaInput { topic: String::new(), ..settings() }).is_err());
    }

    #[test]
    fn leaving_takes_no_longer_than_it_may() {
        /// Waits for the other end when it is dropped.
        struct Slow(std::sync::mpsc::Receiver<()>);
        impl Drop for Slow {
            fn drop(&mut self) {
                let _ = self.0.recv();
            }
        }
        let (other_end, never) = sync_channel(1);
        assert!(!leave(Slow(never)));
        let (_, at_once) = sync_channel(1);
        assert!(leave(Slow(at_once)));
        drop(other_end);
    }

    #[test]
    fn a_consumer_without_a_group_shares_with_nobody() {
        let group = |group: Option<&str>| {
            let settings = KafkaInput { group: group.map(str::to_owned), ..settings() };
            client_config(&settings).unwrap().get("group.id").unwrap().to_owned()
        };
        assert_eq!(group(Some("g")), "g");
        assert_ne!(group(None), group(None));
    }

    #[test]
    fn a_consumer_without_brokers_reports_that_and_can_be_stopped() {
        let reported = std::cell::Cell::new(0);
        Consumer::new(&settings()).unwrap().run(
            || if reported.get() > 0 { Next::Stop } else { Next::Continue },
            |received| panic!("{received:?}"),
            |error, held_back| {
                assert!(matches!(error, StoreError::Down(_)), "{error}");
                assert_eq!(held_back, 0);
                reported.set(reported.get() + 1);
            },
        );
        assert_eq!(reported.get(), 1);
    }
}
