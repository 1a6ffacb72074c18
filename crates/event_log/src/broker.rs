//! Delivery of events to a broker.

use crate::name::Name;
use crate::settings::{Broker, Settings};
use crate::{Encoding, Event, Head, Schema};
use config::KeyPrefix;
use crossbeam_channel::Receiver;
use delivery::messages::{Builder, Message};
use delivery::queue::Queue;
use delivery::worker::{self, Limits, Note, Outbox, Worker};
use delivery::{Backend, BatchId, StoreError, Sum, WriteBatch};
use std::fmt::Write;
use std::sync::Arc;
use tracing::{error, info};

/// Bytes at which a write batch is closed.
const BATCH: usize = 1 << 20;

/// The receiving side of a [`Feed`]: sends the events to the broker, on its own thread.
pub struct Delivery {
    prefix: KeyPrefix,
    worker: Worker,
}

impl Delivery {
    /// Connects to the broker and delivers until the daemon ends. `reject` gets the message if the broker rejects something that
    /// the configuration sets.
    pub fn run(self, reject: impl FnOnce(String)) {
        let prefix = self.prefix.0;
        self.worker.open_and_run(|opened| match opened {
            Err(StoreError::Configuration { key, what }) => reject(format!("{prefix}{key}: {what}")),
            Err(StoreError::Down(what) | StoreError::Batch(what)) => {
                tracing::warn!("{prefix}*: the broker cannot be reached yet, will retry: {what}");
            }
            Ok(()) => {}
        });
    }
}

/// The sending side for one broker. [`Feed::flush`] queues what was pushed.
pub(crate) struct Feed {
    prefix: KeyPrefix,
    encoding: Encoding,
    topic: Name,
    /// The number of topics that are used in turn, and the next one.
    round_robin: (u32, u32),
    key: Option<Name>,
    schemas: Arc<[Schema]>,
    /// What is added to each JSON object, with the brace at its end.
    writer_id: Option<Vec<u8>>,
    exit: Limits,
    outbox: Outbox,
    notes: Receiver<Note>,
    builder: Builder,
    /// The position of the schema of the messages in `builder`.
    schema: Option<usize>,
    next: BatchId,
    /// The weight of the dropped events.
    lost: u64,
    /// The message of the event at hand, its topic and its key.
    record: Vec<u8>,
    texts: (String, String),
}

/// A feed and a delivery for each broker of the settings. `run` is the current time in microseconds since 1970.
pub(crate) fn open(settings: &Settings, run: u64) -> (Vec<Feed>, Vec<Delivery>) {
    let mut both = (Vec::new(), Vec::new());
    for broker in &settings.brokers {
        let topic = settings.name(&broker.topic);
        // Topics that are used in turn have other names.
        let must_exist = topic.constant().filter(|_| broker.round_robin == 0);
        match backend(broker, must_exist) {
            Ok(backend) => {
                let (feed, delivery) = pair(settings, broker, topic, backend, run);
                both.0.push(feed);
                both.1.push(delivery);
            }
            // `Settings::check` has rejected such brokers.
            Err(error) => error!("{}{error}", settings.prefix.0),
        }
    }
    both
}

fn backend(broker: &Broker, topic: Option<&str>) -> Result<Box<dyn Backend>, StoreError> {
    #[cfg(not(feature = "kafka"))]
    let _ = topic;
    match &broker.target {
        #[cfg(feature = "kafka")]
        crate::settings::Target::Kafka(settings) => {
            Ok(Box::new(brokers::kafka::Kafka::new(settings.clone(), topic.map(str::to_owned))))
        }
        #[cfg(feature = "amqp")]
        crate::settings::Target::Amqp(settings) => Ok(Box::new(brokers::amqp::Amqp::new(settings.clone()))),
        #[cfg(not(all(feature = "amqp", feature = "kafka")))]
        target => Err(target.not_built()),
    }
}

/// A feed and the delivery that serves its queue.
fn pair(
    settings: &Settings,
    broker: &Broker,
    topic: Name,
    backend: Box<dyn Backend>,
    run: u64,
) -> (Feed, Delivery) {
    let (outbox, worker, notes) = worker::new(backend, Queue::in_memory(settings.max_bytes));
    let worker = match broker.retry {
        Some(longest) => worker.with_longest_wait(longest),
        None => worker,
    };
    let feed = Feed {
        prefix: settings.prefix,
        encoding: settings.encoding,
        topic,
        round_robin: (broker.round_robin, 0),
        key: broker.key.as_deref().map(|key| settings.name(key)),
        schemas: Arc::clone(&settings.schemas),
        writer_id: settings.writer_id.as_deref().map(|id| {
            let mut text = b", \"writer_id\": \"".to_vec();
            encode::value::escaped(&mut text, id.as_bytes());
            text.extend_from_slice(b"\"}");
            text
        }),
        exit: settings.exit,
        outbox,
        notes,
        builder: Builder::new(
            match settings.encoding {
                Encoding::OpenBmp => "application/octet-stream",
                _ => "application/json",
            },
            None,
        ),
        schema: None,
        next: BatchId { run, number: 1 },
        lost: 0,
        record: Vec::new(),
        texts: (String::new(), String::new()),
    };
    (feed, Delivery { prefix: settings.prefix, worker })
}

impl Feed {
    /// Adds an event; `text` is its JSON object, its record in Avro's JSON encoding, or its message in the format of OpenBMP.
    pub(crate) fn push(&mut self, event: &impl Event, head: &Head<'_>, text: &[u8]) {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        match (self.encoding, &self.writer_id) {
            (Encoding::Json, Some(writer_id)) => {
                record.extend_from_slice(text.strip_suffix(b"}").unwrap_or(text));
                record.extend_from_slice(writer_id);
                self.add(event, &record);
            }
            (Encoding::Json | Encoding::AvroJson, _) => self.add(event, text),
            (Encoding::Avro, _) => {
                if let Some(schema) = event.avro(head, &mut record) {
                    // All messages of a write batch have one schema.
                    if self.schema != Some(schema) {
                        self.flush();
                        let text = self.schemas.get(schema).map(|schema| schema.text.as_str());
                        let name = self.schemas.get(schema).map_or("value", |schema| schema.name);
                        self.builder = Builder::new("avro/binary", text).with_subject(name);
                        self.schema = Some(schema);
                    }
                    self.add(event, &record);
                }
            }
            (Encoding::OpenBmp, _) => self.add(event, text),
            // `Settings::check` has rejected that.
            (Encoding::Mrt, _) => {}
        }
        self.record = record;
    }

    fn add(&mut self, event: &impl Event, payload: &[u8]) {
        let (mut topic, mut key) = std::mem::take(&mut self.texts);
        self.topic.fill_into(event, None, &mut topic);
        let (topics, next) = &mut self.round_robin;
        if *topics > 0 {
            // Writing to a `String` cannot fail.
            let _ = write!(topic, "_{next}");
            *next = (*next + 1) % *topics;
        }
        let has_key = self.key.as_ref().map(|name| name.fill_into(event, None, &mut key)).is_some();
        let number = match self.builder.topic(&topic) {
            Some(number) => number,
            None => {
                self.flush();
                self.builder.topic(&topic).unwrap_or_default()
            }
        };
        let sum = Sum { aggregates: event.weight(), ..Sum::default() };
        let of_message = has_key.then_some(key.as_bytes());
        self.builder.push(Message { topic: number, key: of_message, payload, sum });
        self.texts = (topic, key);
        if self.builder.size() >= BATCH {
            self.flush();
        }
    }

    /// Queues the messages so far, and logs the outcome of earlier ones.
    pub(crate) fn flush(&mut self) {
        if self.builder.count() > 0 {
            let (items, sum) = (self.builder.count(), self.builder.sum());
            let id = self.next;
            self.next.number += 1;
            let put = self.outbox.put(WriteBatch { id, purge: 0, items, sum, body: self.builder.take() });
            let lost: u64 = put.lost.iter().map(|lost| lost.sum.aggregates).sum();
            self.lost += lost;
            if lost > 0 {
                error!(
                    messages = lost,
                    "{}*: dropped: the queue for the broker exceeds plugin_queue_memory", self.prefix.0
                );
            }
        }
        while let Ok(note) = self.notes.try_recv() {
            self.log(&note);
        }
    }

    /// Sends the remaining messages and waits for their confirmation, within the shutdown timeout. Returns the total weight of
    /// the dropped events.
    pub(crate) fn end(mut self) -> u64 {
        self.flush();
        let (outbox, notes, exit) = (self.outbox.clone(), self.notes.clone(), self.exit);
        outbox.finish(&notes, exit, |note| self.log(&note));
        self.lost
    }

    fn log(&mut self, note: &Note) {
        let prefix = self.prefix.0;
        match note {
            Note::Delivered { refused: Some((sum, what)), .. } => {
                self.lost += sum.aggregates;
                error!(messages = sum.aggregates, "{prefix}*: refused by the broker: {what}");
            }
            Note::Dropped { lost, what } => {
                self.lost += lost.sum.aggregates;
                let what = if what.is_empty() { "not written before the end" } else { what };
                error!(messages = lost.sum.aggregates, "{prefix}*: dropped: {what}");
            }
            Note::Opened => {}
            Note::Failed(_, retry) if retry.is_repeated => {}
            Note::Failed(StoreError::Configuration { key, what }, retry) => {
                error!("{prefix}{key}: cannot write, {retry}: {what}");
            }
            Note::Failed(error, retry) => error!("{prefix}*: cannot write, {retry}: {error}"),
            Note::Recovered(after) => info!("{prefix}*: writes again, after {} s", after.as_secs()),
            Note::Delivered { .. } | Note::Ended { .. } => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::log::tests::{TestEvent, settings};
    use delivery::Receipt;
    use delivery::messages::Messages;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// Topic, key and payload of the messages that a broker received.
    pub(crate) type Got = Arc<Mutex<Vec<(String, Option<String>, String)>>>;

    struct Store(Got);

    impl Backend for Store {
        fn open(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
            let messages = Messages::read(&batch.body).unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            for (item, message) in (0..).zip(messages.iter()) {
                if message.payload.is_empty() {
                    receipt.refuse(item, message.sum, || "empty".to_owned());
                    continue;
                }
                let topic = messages.head.topics[usize::from(message.topic)].clone();
                self.0.lock().unwrap().push((topic, message.key.map(text), text(message.payload)));
                receipt.confirm(item);
            }
            Ok(())
        }
    }

    /// A feed to a broker that records what it receives.
    pub(crate) fn feed(settings: &Settings, topic: &str) -> (Feed, Delivery, Got) {
        let got = Got::default();
        let broker = Broker {
            target: crate::settings::Target::Kafka(brokers::settings::Kafka {
                brokers: String::new(),
                partition: None,
                config_file: None,
                registry: None,
                timeout: std::time::Duration::ZERO,
            }),
            topic: topic.to_owned(),
            round_robin: 0,
            key: Some("k-$peer_src_ip".to_owned()),
            retry: None,
        };
        let name = settings.name(topic);
        let (feed, delivery) = pair(settings, &broker, name, Box::new(Store(Arc::clone(&got))), 1);
        (feed, delivery, got)
    }

    fn deliver(encoding: Encoding, events: &[TestEvent]) -> (u64, Vec<(String, Option<String>, String)>) {
        let mut settings = settings(Path::new(""));
        settings.encoding = encoding;
        settings.exit = Limits::new(std::time::Duration::from_secs(20), false);
        let (mut feed, delivery, got) = feed(&settings, "t.$peer_src_ip");
        let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
        for event in events {
            feed.push(
                event,
                &Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" },
                event.text.as_bytes(),
            );
        }
        let lost = feed.end();
        thread.join().unwrap();
        let got = got.lock().unwrap().clone();
        (lost, got)
    }

    #[test]
    fn topics_and_keys_are_filled_with_the_values_of_the_event() {
        let (lost, got) = deliver(Encoding::Json, &[TestEvent::of("192.0.2.1", "a"), TestEvent::of("::1", "b")]);
        let expected = [("t.192_0_2_1", "k-192_0_2_1", "a"), ("t.--1", "k---1", "b")];
        let expected =
            expected.map(|(topic, key, text)| (topic.to_owned(), Some(key.to_owned()), text.to_owned()));
        assert_eq!((lost, got), (0, expected.to_vec()));
    }

    #[test]
    fn topics_are_used_in_turn_and_the_writer_is_added_to_json() {
        let mut settings = settings(Path::new(""));
        settings.exit = Limits::new(std::time::Duration::from_secs(20), false);
        settings.writer_id = Some("a\"b/1".to_owned());
        let (mut feed, delivery, got) = feed(&settings, "t");
        feed.round_robin = (2, 0);
        let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
        for text in ["{\"x\": 1}", "{\"x\": 2}", "{\"x\": 3}"] {
            let head = Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" };
            feed.push(&TestEvent::of("", ""), &head, text.as_bytes());
        }
        assert_eq!(feed.end(), 0);
        thread.join().unwrap();
        let got: Vec<_> = got.lock().unwrap().iter().map(|(topic, _, text)| format!("{topic} {text}")).collect();
        let expected =
            [(0, 1), (1, 2), (0, 3)].map(|(topic, x)| format!(r#"t_{topic} {{"x": {x}, "writer_id": "a\"b/1"}}"#));
        assert_eq!(got, expected);
    }

    #[test]
    fn messages_of_openbmp_are_sent_as_they_are() {
        let mut settings = settings(Path::new(""));
        settings.exit = Limits::new(std::time::Duration::from_secs(20), false);
        (settings.encoding, settings.writer_id) = (Encoding::OpenBmp, Some("w".to_owned()));
        let (mut feed, delivery, got) = feed(&settings, "t");
        let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
        feed.push(
            &TestEvent::of("", ""),
            &Head { sequence: 0, timestamp: "", micros: 0, writer_id: "w" },
            b"OBMP}",
        );
        assert_eq!(feed.end(), 0);
        thread.join().unwrap();
        assert_eq!(got.lock().unwrap()[0].2, "OBMP}");
    }

    #[test]
    fn refused_messages_are_counted_by_their_weight() {
        let (lost, got) =
            deliver(Encoding::Json, &[TestEvent::of("", ""), TestEvent::of("", "b"), TestEvent::of("", "")]);
        assert_eq!((lost, got.len()), (2, 1));
    }

    #[test]
    fn avro_batches_have_one_schema_and_events_without_avro_form_are_not_sent() {
        let events =
            [TestEvent::of("", "a"), TestEvent::of("", "B"), TestEvent::of("", "-"), TestEvent::of("", "c")];
        let (lost, got) = deliver(Encoding::Avro, &events);
        let texts: Vec<_> = got.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!((lost, texts), (0, vec!["avro a", "avro B", "avro c"]));
    }
}
