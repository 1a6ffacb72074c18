//! What a daemon sends to a broker by itself, such as counters of sFlow agents: messages as they come, beside the plugins.

use crate::settings::{Amqp, Kafka, Tls};
use crate::{amqp, kafka};
use config::keys::amqp::{
    AMQP_CONN_CA_FILE, AMQP_CONN_CERT_FILE, AMQP_CONN_KEY_FILE, AMQP_EXCHANGE_TYPE, AMQP_FRAME_MAX,
    AMQP_HEARTBEAT_INTERVAL, AMQP_PERSISTENT_MSG, AMQP_VHOST, DAEMON_AMQP_EXCHANGE, DAEMON_AMQP_HOST,
    DAEMON_AMQP_PASSWD, DAEMON_AMQP_PORT, DAEMON_AMQP_ROUTING_KEY, DAEMON_AMQP_USER,
};
use config::keys::core::{PLUGIN_EXIT_TIMEOUT, PLUGIN_QUEUE_MEMORY, PLUGIN_WRITE_TIMEOUT};
use config::keys::input::PCAP_SAVEFILE;
use config::keys::kafka::{
    DAEMON_KAFKA_BROKER_HOST, DAEMON_KAFKA_TOPIC, KAFKA_BROKER_PORT, KAFKA_CONFIG_FILE, KAFKA_PARTITION,
    KAFKA_PARTITION_KEY,
};
use config::{Config, Place};
use crossbeam_channel::Receiver;
use delivery::messages::{Builder, Message};
use delivery::queue::Queue;
use delivery::worker::{self, Limits, Note, Outbox, Worker};
use delivery::{Backend, BatchId, Fault, Sum, WriteBatch};
use std::net::IpAddr;
use tracing::{error, info};

/// The variable that stands for the peer: the agent, the router.
const PEER: &str = "$peer_src_ip";
/// Octets at which a parcel is closed.
const PARCEL: usize = 1 << 20;

/// Where to send, and under which names.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of its keys.
    place: Place,
    target: Target,
    /// Topic or routing key, with [`PEER`] in it.
    topic: String,
    /// Key of messages.
    key: Option<String>,
    /// Octets that may wait.
    max_octets: u64,
    exit: Limits,
}

#[derive(Clone, Debug)]
enum Target {
    Kafka(Kafka),
    Amqp(Amqp),
}

impl Settings {
    /// The brokers that the keys of a place name: none, one or two.
    pub fn read(config: &Config, place: Place) -> Vec<Self> {
        let timeout = config.core(&PLUGIN_WRITE_TIMEOUT);
        let exit = Limits::new(config.core(&PLUGIN_EXIT_TIMEOUT), false);
        let exit = if config.core(&PCAP_SAVEFILE).is_some() { exit.patient() } else { exit };
        let max_octets = config.core(&PLUGIN_QUEUE_MEMORY);
        let partition = config.core_at(&KAFKA_PARTITION, place);
        let kafka = config.core_at(&DAEMON_KAFKA_TOPIC, place).map(|topic| {
            let hosts = config.core_at(&DAEMON_KAFKA_BROKER_HOST, place);
            let kafka = Kafka {
                brokers: crate::settings::brokers(&hosts, config.core_at(&KAFKA_BROKER_PORT, place)),
                partition: (partition >= 0).then_some(partition),
                config_file: config.core_at(&KAFKA_CONFIG_FILE, place),
                registry: None,
                timeout,
            };
            let key = config.core_at(&KAFKA_PARTITION_KEY, place);
            Self { place, target: Target::Kafka(kafka), topic, key, max_octets, exit }
        });
        let amqp = config.core_at(&DAEMON_AMQP_ROUTING_KEY, place).map(|topic| {
            let files = Tls {
                ca_file: config.core_at(&AMQP_CONN_CA_FILE, place),
                cert_file: config.core_at(&AMQP_CONN_CERT_FILE, place),
                key_file: config.core_at(&AMQP_CONN_KEY_FILE, place),
            };
            let port = config.core_at(&DAEMON_AMQP_PORT, place);
            let set = config.core_origin_at(&DAEMON_AMQP_PORT, place).map(|_| port);
            let (host, port, tls) = files.place(&config.core_at(&DAEMON_AMQP_HOST, place), set, port);
            let amqp = Amqp {
                host,
                port,
                tls,
                user: config.core_at(&DAEMON_AMQP_USER, place),
                password: config.core_at(&DAEMON_AMQP_PASSWD, place),
                vhost: config.core_at(&AMQP_VHOST, place),
                exchange: config.core_at(&DAEMON_AMQP_EXCHANGE, place),
                exchange_type: config.core_at(&AMQP_EXCHANGE_TYPE, place),
                persistent: config.core_at(&AMQP_PERSISTENT_MSG, place),
                frame_max: u32::try_from(config.core_at(&AMQP_FRAME_MAX, place)).unwrap_or(u32::MAX),
                heartbeat: u16::try_from(config.core_at(&AMQP_HEARTBEAT_INTERVAL, place).as_secs())
                    .unwrap_or(u16::MAX),
                timeout,
            };
            Self { place, target: Target::Amqp(amqp), topic, key: None, max_octets, exit }
        });
        kafka.into_iter().chain(amqp).collect()
    }

    /// Whether its options and files are such that can be used. Nothing is sent.
    ///
    /// # Errors
    /// The key without its prefix, and what is wrong.
    pub fn check(&self) -> Result<(), Fault> {
        match &self.target {
            Target::Kafka(settings) => kafka::check(settings),
            Target::Amqp(settings) => amqp::check(settings),
        }
    }

    /// The texts that may hold variables, each with its key without the prefix: of those, [`PEER`] is filled alone.
    pub fn names(&self) -> Vec<(&'static str, &str)> {
        let topic = match &self.target {
            Target::Kafka(_) => "kafka_topic",
            Target::Amqp(_) => "amqp_routing_key",
        };
        let key = self.key.as_deref().map(|key| ("kafka_partition_key", key));
        std::iter::once((topic, self.topic.as_str())).chain(key).collect()
    }

    /// A way to the broker, and the delivery worker that goes it; [`Settings::run`] is for the delivery worker's thread. `run`: microseconds
    /// since 1970.
    pub fn open(&self, run: u64) -> (Feed, Worker) {
        let backend: Box<dyn Backend> = match &self.target {
            Target::Kafka(settings) => {
                let topic = (!self.topic.contains(PEER)).then(|| self.topic.clone());
                Box::new(kafka::Kafka::new(settings.clone(), topic))
            }
            Target::Amqp(settings) => Box::new(amqp::Amqp::new(settings.clone())),
        };
        let (outbox, worker, notes) = worker::new(backend, Queue::in_memory(self.max_octets));
        let builder = Builder::new("application/json", None);
        let next = BatchId { run, number: 1 };
        (Feed { settings: self.clone(), outbox, notes, builder, next, lost: 0 }, worker)
    }

    /// Opens the broker, as far as it can be reached, and delivers until the end. `refuse` gets the message when the broker says
    /// no to something that the configuration decides.
    pub fn run(&self, worker: Worker, refuse: impl FnOnce(String)) {
        let place = self.place.0;
        worker.open_and_run(|opened| match opened {
            Err(Fault::Configuration { key, what }) => refuse(format!("{place}{key}: {what}")),
            Err(Fault::Down(what) | Fault::Batch(what)) => {
                tracing::warn!("{place}*: the broker cannot be reached yet, and is tried again: {what}");
            }
            Ok(()) => {}
        });
    }
}

/// A way to a broker. What is pushed goes on its way with [`Feed::flush`].
pub struct Feed {
    settings: Settings,
    outbox: Outbox,
    notes: Receiver<Note>,
    builder: Builder,
    next: BatchId,
    /// Messages that no broker has.
    lost: u64,
}

impl Feed {
    /// Adds a message about a peer.
    pub fn push(&mut self, peer: IpAddr, payload: &[u8]) {
        let word = || peer.to_string().replace(['.', ':'], "_");
        let filled = |text: &str| if text.contains(PEER) { text.replace(PEER, &word()) } else { text.to_owned() };
        let topic = filled(&self.settings.topic);
        let key = self.settings.key.as_deref().map(filled);
        let topic = match self.builder.topic(&topic) {
            Some(topic) => topic,
            None => {
                self.flush();
                self.builder.topic(&topic).unwrap_or_default()
            }
        };
        let sum = Sum { aggregates: 1, ..Sum::default() };
        self.builder.push(Message { topic, key: key.as_deref().map(str::as_bytes), payload, sum });
        if self.builder.size() >= PARCEL {
            self.flush();
        }
    }

    /// Sends what there is, and tells what happened to what was sent before.
    pub fn flush(&mut self) {
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
                    "{}*: dropped: more waits than plugin_queue_memory allows", self.settings.place.0
                );
            }
        }
        while let Ok(note) = self.notes.try_recv() {
            self.log(&note);
        }
    }

    /// Sends what is left, and waits for that, but not longer than the end may take. How many messages were lost in all.
    pub fn end(mut self) -> u64 {
        self.flush();
        let (outbox, notes, exit) = (self.outbox.clone(), self.notes.clone(), self.settings.exit);
        outbox.finish(&notes, exit, |note| self.log(&note));
        self.lost
    }

    fn log(&mut self, note: &Note) {
        let place = self.settings.place.0;
        match note {
            Note::Delivered { refused: Some((sum, what)), .. } => {
                self.lost += sum.aggregates;
                error!(messages = sum.aggregates, "{place}*: refused by the broker: {what}");
            }
            Note::Dropped { lost, what } => {
                self.lost += lost.sum.aggregates;
                let what = if what.is_empty() { "not written before the end" } else { what };
                error!(messages = lost.sum.aggregates, "{place}*: dropped: {what}");
            }
            Note::Failed(_, again) if again.is_repeated => {}
            Note::Failed(Fault::Configuration { key, what }, again) => {
                error!("{place}{key}: cannot write, {again}: {what}");
            }
            Note::Failed(fault, again) => error!("{place}*: cannot write, {again}: {fault}"),
            Note::Recovered(after) => info!("{place}*: writes again, after {} s", after.as_secs()),
            Note::Opened | Note::Delivered { .. } | Note::Ended { .. } => {}
        }
    }
}
