//! Kafka, through librdkafka.
//!
//! A message counts as written when the broker's delivery report confirms it. Each message has a header `pmacct-id`,
//! `RUN-NUMBER-ITEM`: a message that is sent twice, because a report was lost, has the same id both times.

use crate::registry::Registry;
use crate::settings;
use delivery::messages::Messages;
use delivery::{Backend, Receipt, StoreError, Sum, WriteBatch};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// How long the broker may take to create a topic.
const NEW_TOPIC: Duration = Duration::from_secs(5);
/// The maximum duration of one poll for reports.
const POLL: Duration = Duration::from_millis(100);
/// The name of the header with the id of a message.
const ID: &str = "pmacct-id";

/// A Kafka cluster.
pub struct Kafka {
    settings: settings::Kafka,
    /// A topic that must exist at start-up.
    topic: Option<String>,
    producer: Option<BaseProducer<Reports>>,
    registry: Option<Registry>,
    /// The number of the attempt, which distinguishes late reports of earlier attempts.
    attempt: u32,
    id: String,
}

/// Reports of the client library.
#[derive(Default)]
pub(crate) struct Reports {
    /// Attempt and item of each message that was confirmed or refused.
    delivered: Mutex<Vec<(usize, Option<RDKafkaErrorCode>)>>,
    /// The last error of the client library.
    last_error: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!("librdkafka {level:?} {facility}: {message}");
    }

    // Nobody reads statistics; the code of the default, which decodes them, is large.
    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        // A rejected login or certificate is kept: later errors only say that connections break or that all brokers are down.
        if code != RDKafkaErrorCode::AllBrokersDown
            && (is_rejection(code, reason)
                || !last.as_ref().is_some_and(|(code, before)| is_rejection(*code, before)))
        {
            *last = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Reports {}

impl Reports {
    /// Clears the last error.
    pub(crate) fn clear_error(&self) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether one side rejects the other's login or certificate: a retry alone does not help.
fn is_rejection(code: RDKafkaErrorCode, reason: &str) -> bool {
    match code {
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::SSL => {
            true
        }
        // In TLS 1.3 a broker checks the client certificate after the handshake, and librdkafka reports a broken connection.
        _ => reason.contains("SSL alert") && (reason.contains("certificate") || reason.contains("unknown ca")),
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, item: usize) {
        let error =
            result.as_ref().err().map(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push((item, error));
    }
}

impl Kafka {
    /// A cluster, not yet connected. `topic` is one that must exist at start-up.
    pub fn new(settings: settings::Kafka, topic: Option<String>) -> Self {
        let registry = settings.registry.as_deref().map(|url| Registry::new(url, settings.timeout));
        Self { settings, topic, producer: None, registry, attempt: 0, id: String::new() }
    }

    fn connect(&self) -> Result<BaseProducer<Reports>, StoreError> {
        let config = client_config(&self.settings)?;
        config
            .create_with_context(Reports::default())
            .map_err(|error| client_error(self.settings.config_file.is_some(), error))
    }

    /// Checks that the cluster answers and has the topic.
    fn check_topic(&self, producer: &BaseProducer<Reports>) -> Result<(), StoreError> {
        let deadline = Instant::now() + NEW_TOPIC;
        loop {
            let metadata =
                producer.client().fetch_metadata(self.topic.as_deref(), self.settings.timeout.min(NEW_TOPIC));
            let metadata = metadata.map_err(|error| {
                // Events say why there is no answer. There are several, and a poll without a timeout takes only one.
                producer.poll(POLL);
                with_last_error(producer.context(), &error.to_string())
            })?;
            let Some(topic) = &self.topic else { return Ok(()) };
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let error = match found {
                Some(found) => found.error().map(RDKafkaErrorCode::from),
                None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            };
            let Some(error) = error else {
                let partitions = found.map_or(0, |found| found.partitions().len());
                return match self.settings.partition {
                    Some(partition) if usize::try_from(partition).is_ok_and(|number| number >= partitions) => {
                        Err(no_partition(partition, topic, &format!("it has {partitions}, counted from 0")))
                    }
                    _ => Ok(()),
                };
            };
            // A broker that creates topics automatically takes a moment.
            let may_come =
                matches!(error, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::LeaderNotAvailable);
            if !may_come || Instant::now() >= deadline {
                return Err(no_topic(topic, error));
            }
            producer.poll(POLL);
        }
    }
}

impl Backend for Kafka {
    fn open(&mut self) -> Result<(), StoreError> {
        if self.producer.is_some() {
            return Ok(());
        }
        let producer = self.connect()?;
        self.check_topic(&producer)?;
        self.producer = Some(producer);
        Ok(())
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let Self { settings, producer, registry, attempt, id, .. } = self;
        let Some(producer) = producer else { return Err(StoreError::Down("not connected".to_owned())) };
        let messages = Messages::read(&batch.body)
            .ok_or_else(|| StoreError::Batch("the batch does not contain messages".to_owned()))?;
        let topics = &messages.head.topics;
        let schema_ids = match (registry, &messages.head.schema) {
            (Some(registry), Some(schema)) => {
                let subject = messages.head.subject.as_deref().unwrap_or("value");
                topics.iter().map(|topic| registry.id(topic, subject, schema)).collect::<Result<Vec<u32>, _>>()?
            }
            _ => Vec::new(),
        };
        *attempt = attempt.wrapping_add(1);
        let attempt = *attempt;
        let deadline = Instant::now() + settings.timeout + POLL;
        let mut sums: Vec<(u32, Sum)> = Vec::new();
        let mut state = Progress { attempt, partition: settings.partition, in_flight: 0, error: None };
        let mut framed = Vec::new();
        for (item, message) in (0u32..).zip(messages.iter()) {
            if receipt.has(item) {
                continue;
            }
            let Some(topic) = topics.get(usize::from(message.topic)) else {
                return Err(StoreError::Batch("a message has no topic".to_owned()));
            };
            let payload = match schema_ids.get(usize::from(message.topic)) {
                Some(schema) => {
                    framed.clear();
                    framed.push(0);
                    framed.extend_from_slice(&schema.to_be_bytes());
                    framed.extend_from_slice(message.payload);
                    framed.as_slice()
                }
                None => message.payload,
            };
            id.clear();
            // Writing to a `String` cannot fail.
            let _ = write!(id, "{}-{item}", batch.id);
            let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: ID, value: Some(id.as_str()) });
            let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, opaque(attempt, item))
                .payload(payload)
                .headers(headers);
            record.key = message.key;
            record.partition = settings.partition;
            sums.push((item, message.sum));
            loop {
                match producer.send(record) {
                    Ok(()) => {
                        state.in_flight += 1;
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                        if Instant::now() < deadline =>
                    {
                        record = back;
                        producer.poll(POLL);
                        state.take(producer.context(), receipt, &sums, topics);
                    }
                    Err((error, _)) => {
                        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                        state.failed(item, code, message.sum, receipt, topic);
                        break;
                    }
                }
            }
        }
        while state.in_flight > 0 && Instant::now() < deadline {
            producer.poll(POLL);
            state.take(producer.context(), receipt, &sums, topics);
        }
        if state.in_flight > 0 {
            producer.purge(PurgeConfig::default().queue().inflight());
            producer.poll(POLL);
            state.take(producer.context(), receipt, &sums, topics);
            let what = format!("no confirmation within {} s", settings.timeout.as_secs());
            return Err(with_last_error(producer.context(), &what));
        }
        match state.error {
            None => {
                producer.context().clear_error();
                Ok(())
            }
            Some(StoreError::Down(what)) => Err(with_last_error(producer.context(), &what)),
            Some(error) => Err(error),
        }
    }

    fn idle(&mut self) {
        if let Some(producer) = &self.producer {
            producer.poll(Duration::ZERO);
        }
    }

    fn close(&mut self) {
        if let Some(producer) = self.producer.take()
            && let Err(error) = producer.flush(POLL)
        {
            warn!("the connection to Kafka was not closed cleanly: {error}");
        }
    }
}

/// One attempt to deliver.
struct Progress {
    attempt: u32,
    /// The configured partition of all messages, if there is one.
    partition: Option<i32>,
    in_flight: usize,
    error: Option<StoreError>,
}

impl Progress {
    /// Records the reports of the broker on the receipt.
    fn take(&mut self, reports: &Reports, receipt: &mut Receipt, sums: &[(u32, Sum)], topics: &[String]) {
        let delivered = std::mem::take(&mut *reports.delivered.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, error) in delivered {
            let (attempt, item) = ((number >> 32) as u32, number as u32);
            match error {
                // Late confirmations of earlier attempts are ignored.
                None if attempt != self.attempt => {}
                None => receipt.confirm(item),
                Some(error) if attempt == self.attempt => {
                    let sum = sums.binary_search_by_key(&item, |(item, _)| *item);
                    let sum = sum.ok().and_then(|at| sums.get(at)).map(|(_, sum)| *sum).unwrap_or_default();
                    self.failed(item, error, sum, receipt, topics.first().map_or("", String::as_str));
                }
                Some(_) => {}
            }
            if attempt == self.attempt {
                self.in_flight = self.in_flight.saturating_sub(1);
            }
        }
    }

    fn failed(&mut self, item: u32, error: RDKafkaErrorCode, sum: Sum, receipt: &mut Receipt, topic: &str) {
        match error {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize => {
                receipt.refuse(item, sum, || error.to_string());
            }
            RDKafkaErrorCode::UnknownPartition => {
                let partition = self.partition;
                self.error.get_or_insert_with(|| match partition {
                    Some(partition) => no_partition(partition, topic, &error.to_string()),
                    None => no_topic(topic, error),
                });
            }
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::TopicAuthorizationFailed => {
                self.error.get_or_insert_with(|| no_topic(topic, error));
            }
            error => {
                self.error.get_or_insert_with(|| StoreError::Down(error.to_string()));
            }
        }
    }
}

/// The configuration of the client library.
pub(crate) fn client_config(settings: &settings::Kafka) -> Result<ClientConfig, StoreError> {
    let mut config = ClientConfig::new();
    let timeout = settings.timeout.as_millis().clamp(1000, 900_000).to_string();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("client.id", "pmacct");
    config.set("message.timeout.ms", &timeout);
    config.set("socket.timeout.ms", &timeout);
    // The messages of a write batch are sent at once: Kafka's own batches need not wait for more.
    config.set("linger.ms", "5");
    config.set("batch.num.messages", "100000");
    config.set("queue.buffering.max.messages", "1000000");
    read_options(settings.config_file.as_deref(), &mut config)?;
    Ok(config)
}

/// Sets the options of a `kafka_config_file`.
pub(crate) fn read_options(path: Option<&Path>, config: &mut ClientConfig) -> Result<(), StoreError> {
    let Some(path) = path else { return Ok(()) };
    let file_error = |what: String| StoreError::Configuration {
        key: "kafka_config_file",
        what: format!("'{}': {what}", path.display()),
    };
    let text = config::text::read_lossy(path).map_err(|error| file_error(error.to_string()))?;
    for (key, value) in options(&text).map_err(file_error)? {
        config.set(key, value);
    }
    Ok(())
}

/// The configuration error for an option that the client library rejects.
pub(crate) fn client_error(has_file: bool, error: KafkaError) -> StoreError {
    StoreError::Configuration {
        key: if has_file { "kafka_config_file" } else { "kafka_broker_host" },
        what: match error {
            KafkaError::ClientConfig(_, what, option, value) if is_secret(&option) && !value.is_empty() => {
                format!("{option}: {}", what.replace(&value, "***"))
            }
            KafkaError::ClientConfig(_, what, option, value) => format!("{option}={value}: {what}"),
            error => error.to_string(),
        },
    }
}

/// Whether the value of an option, even of a misspelt one, must not appear in a log.
fn is_secret(option: &str) -> bool {
    ["pass", "secret", "key.pem", "jaas", "oauth", "token", "credential"].iter().any(|part| option.contains(part))
}

/// Checks that the client library accepts the options, without connecting.
///
/// # Errors
/// The key, and what is wrong.
pub fn check(settings: &settings::Kafka) -> Result<(), StoreError> {
    let config = client_config(settings)?;
    config.create_native_config().map(drop).map_err(|error| client_error(settings.config_file.is_some(), error))
}

/// The number that librdkafka returns with the report of a message.
fn opaque(attempt: u32, item: u32) -> usize {
    (attempt as usize) << 32 | item as usize
}

pub(crate) fn no_topic(topic: &str, error: RDKafkaErrorCode) -> StoreError {
    let what = format!("'{topic}': {error}. Create it, or enable automatic creation of topics in the brokers.");
    StoreError::Configuration { key: "kafka_topic", what }
}

fn no_partition(partition: i32, topic: &str, what: &str) -> StoreError {
    let what =
        format!("topic '{topic}' has no partition {partition}: {what}. With -1 the client library chooses one.");
    StoreError::Configuration { key: "kafka_partition", what }
}

/// An error with the reason that the client library reported last, if there is one.
pub(crate) fn with_last_error(reports: &Reports, what: &str) -> StoreError {
    let last = reports.last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
    match last {
        Some((code, reason)) if is_rejection(code, &reason) => {
            StoreError::Configuration { key: "kafka_config_file", what: reason }
        }
        Some((_, reason)) => StoreError::Down(format!("{what}: {reason}")),
        None => StoreError::Down(what.to_owned()),
    }
}

/// The options of a `kafka_config_file`: lines `global, KEY, VALUE` or `topic, KEY, VALUE`.
fn options(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut options = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut words = line.splitn(3, ',').map(str::trim);
        match (words.next(), words.next(), words.next()) {
            // librdkafka treats topic options in the global configuration as defaults for all topics.
            (Some("global" | "topic"), Some(key), Some(value)) if !key.is_empty() => options.push((key, value)),
            _ => return Err(format!("line {number} is not 'global, KEY, VALUE' or 'topic, KEY, VALUE'")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_distinguished_from_broken_connections() {
        use RDKafkaErrorCode::{Authentication, BrokerTransportFailure, SSL};
        let alert = "error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116";
        assert!(is_rejection(BrokerTransportFailure, alert));
        assert!(is_rejection(BrokerTransportFailure, "tlsv1 alert unknown ca: SSL alert number 48"));
        assert!(is_rejection(SSL, "") && is_rejection(Authentication, ""));
        assert!(!is_rejection(
            BrokerTransportFailure,
            "Connect to ipv4#127.0.0.1:9092 failed: Connection refused"
        ));
        let reports = Reports::default();
        for (code, reason) in [(SSL, "untrusted"), (BrokerTransportFailure, "refused")] {
            reports.error(KafkaError::Global(code), reason);
        }
        let error = with_last_error(&reports, "no answer");
        let what = "untrusted".to_owned();
        assert_eq!(error, StoreError::Configuration { key: "kafka_config_file", what });
        assert_eq!(with_last_error(&reports, "no answer"), StoreError::Down("no answer".to_owned()));
    }

    #[test]
    fn options_are_checked_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.conf");
        let settings = settings::Kafka {
            brokers: "127.0.0.1:1".to_owned(),
            partition: None,
            config_file: Some(path.clone()),
            registry: None,
            timeout: Duration::from_secs(1),
        };
        for (text, part) in [
            ("\u{feff}global, compression.codec, gzip\r\n", ""),
            ("", ""),
            ("global compression.codec gzip", "line 1 is not"),
            ("global, no.such.option, 1", "no.such.option"),
            ("topic, acks, many", "acks=many"),
            ("global, sasl.passwort, geheim", "sasl.passwort: "),
        ] {
            std::fs::write(&path, text).unwrap();
            match check(&settings) {
                Ok(()) => assert_eq!(part, "", "{text}"),
                Err(StoreError::Configuration { key: "kafka_config_file", what }) => {
                    assert!(!part.is_empty() && what.contains(part), "{text}: {what}");
                    assert!(!what.contains("geheim"), "{what}");
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(check(&settings).is_err());
    }

    #[test]
    fn option_files_are_read() {
        let text = "# comment\n\nglobal, security.protocol, ssl\n topic ,compression.codec, a,b\n";
        assert_eq!(options(text).unwrap(), [("security.protocol", "ssl"), ("compression.codec", "a,b")]);
        assert!(options("global, x").unwrap_err().contains("line 1"));
        assert!(options("x, y, z").is_err());
    }

    fn batch(number: u64, count: u32) -> WriteBatch {
        let mut builder = delivery::messages::Builder::new("application/json", None);
        for _ in 0..count {
            let topic = builder.topic("flows").unwrap();
            let message = delivery::messages::Message { topic, key: None, payload: b"{}", sum: Sum::one(1, 1) };
            builder.push(message);
        }
        let (items, sum) = (builder.count(), builder.sum());
        let id = delivery::BatchId { run: 1, number };
        WriteBatch { id, purge: 1, items, sum, body: builder.take() }
    }

    #[test]
    fn delivery_continues_after_an_outage_of_the_broker() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("flows", 1, 1).unwrap();
        let settings = settings::Kafka {
            brokers: cluster.bootstrap_servers(),
            partition: None,
            config_file: None,
            registry: None,
            timeout: Duration::from_secs(2),
        };
        let mut kafka = Kafka::new(settings, Some("flows".to_owned()));
        kafka.open().unwrap();
        let (first, second) = (batch(1, 1000), batch(2, 1000));
        let mut receipt = Receipt::new(1000);
        kafka.deliver(&first, &mut receipt).unwrap();
        assert!((0..1000).all(|item| receipt.has(item)));

        cluster.broker_down(1).unwrap();
        let mut receipt = Receipt::new(1000);
        let error = kafka.deliver(&second, &mut receipt).unwrap_err();
        assert!(matches!(error, StoreError::Down(_)), "{error:?}");
        assert!(!receipt.has(0));
        cluster.broker_up(1).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = kafka.open().and_then(|()| kafka.deliver(&second, &mut receipt)) {
            assert!(matches!(error, StoreError::Down(_)) && Instant::now() < deadline, "{error:?}");
        }
        assert!((0..1000).all(|item| receipt.has(item)));
        assert_eq!(receipt.refused(), None);
    }
}
