//! Telemetry from a Kafka topic: `telemetry_daemon_kafka_topic`.

#[cfg(feature = "kafka")]
use super::broker::Reader;
use super::input::Input;
#[cfg(feature = "kafka")]
use super::node::Transport;
use super::service::Service;
use crate::host::blame;
use crate::host::part::{Reading, Services};
use brokers::settings::KafkaInput;
use config::keys::telemetry::TELEMETRY_DAEMON_KAFKA_TOPIC;
use std::io;
use std::sync::Arc;
use tracing::info;

/// The longest time for which messages are not written while others follow.
#[cfg(feature = "kafka")]
const UNWRITTEN: std::time::Duration = std::time::Duration::from_millis(10);

/// The input.
struct Kafka(KafkaInput);

/// Reads a topic, if one is configured.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let settings = KafkaInput::of_telemetry(reading.config)?;
    if let Err(what) = check(&settings) {
        reading.problems.fatal(blame(reading.config, &TELEMETRY_DAEMON_KAFKA_TOPIC), what, None);
    }
    Some(Box::new(Kafka(settings)))
}

#[cfg(feature = "kafka")]
fn check(settings: &KafkaInput) -> Result<(), String> {
    brokers::consumer::check(settings).map_err(|error| format!("telemetry_daemon_{error}."))
}

#[cfg(not(feature = "kafka"))]
fn check(_settings: &KafkaInput) -> Result<(), String> {
    Err("telemetry_daemon_kafka_topic: this program was built without Kafka.".to_owned())
}

impl Input for Kafka {
    #[cfg(feature = "kafka")]
    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()> {
        let consumer =
            brokers::consumer::Consumer::new(&self.0).map_err(|error| io::Error::other(error.to_string()))?;
        service.spawn(services, "telemetry/kafka", move |service| read(consumer, service))
    }

    #[cfg(not(feature = "kafka"))]
    fn start(&mut self, _service: &Arc<Service>, _services: &Services) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn announce(&self) {
        info!("reading telemetry data from topic {} of {}", self.0.topic, self.0.brokers);
    }
}

/// Reads the topic until the daemon stops.
#[cfg(feature = "kafka")]
fn read(consumer: brokers::consumer::Consumer, service: &Service) {
    use brokers::consumer::Next;
    use runtime::clock;
    use std::cell::Cell;
    use std::time::Instant;

    let reader = Reader::new(Transport::Kafka, "telemetry_daemon_kafka_topic", service);
    let written = Cell::new(Instant::now());
    let has_read = Cell::new(false);
    let next = || {
        // Nothing has followed: what was read is written, and other regular work done.
        if !has_read.replace(false) {
            service.idle();
            written.set(Instant::now());
        }
        if service.stop.is_requested() { Next::Stop } else { Next::Continue }
    };
    let each = |received: brokers::consumer::Received<'_>| {
        has_read.set(true);
        let now = clock::now();
        service.enter(|collector| reader.receive(collector, service, received.payload, now));
        if written.get().elapsed() > UNWRITTEN {
            service.flush();
            written.set(Instant::now());
        }
        Next::Continue
    };
    consumer.run(next, each, |error, held_back| {
        tracing::warn!(
            held_back = Some(held_back).filter(|count| *count > 0),
            "telemetry_daemon_kafka_topic: {error}"
        );
    });
    service.flush();
}
