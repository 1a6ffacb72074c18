//! Datagrams from a Kafka topic: `nfacctd_kafka_topic`.

use crate::flows::input::Choice;
use crate::flows::worker::Datagrams;
use crate::host::blame;
use crate::host::part::Reading;
use config::keys::input;
use enrich::Context;

/// The topic, if one is configured.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    let config = reading.config;
    let (host, topic) = (&input::NFACCTD_KAFKA_BROKER_HOST, &input::NFACCTD_KAFKA_TOPIC);
    let (has_host, has_topic) = (config.core(host).is_some(), config.core(topic).is_some());
    if !has_host && !has_topic {
        return Choice::Other;
    }
    if !(has_host && has_topic) {
        let what = "Kafka collection requires both nfacctd_kafka_broker_host and nfacctd_kafka_topic to be specified. Exiting.";
        let origin = if has_host { blame(config, host) } else { blame(config, topic) };
        reading.problems.fatal(origin, what, None);
        return Choice::Invalid;
    }
    select(reading)
}

#[cfg(not(feature = "kafka"))]
fn select<P>(reading: &mut Reading<'_>) -> Choice<P> {
    let key = reading.names.of(&input::NFACCTD_KAFKA_TOPIC);
    let what = format!("{key}: this program was built without Kafka.");
    reading.problems.fatal(blame(reading.config, &input::NFACCTD_KAFKA_TOPIC), what, None);
    Choice::Invalid
}

#[cfg(feature = "kafka")]
use with_kafka::select;

#[cfg(feature = "kafka")]
mod with_kafka {
    use super::super::broker::{self, BUSY, Figures, Misfits, RATE, Waiting};
    use super::super::delivery::Admission;
    use super::super::feed::{Feeder, Unsent};
    use super::super::positions::Positions;
    use super::super::workers;
    use super::{Choice, Datagrams, Reading, blame, input};
    use crate::flows::input::{Intake, Opened};
    use crate::host::part::Services;
    use brokers::settings::KafkaInput;
    use brokers::topic::{Polled, TopicReader};
    use runtime::events::Stop;
    use runtime::log::Limited;
    use std::io;
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use tracing::{info, warn};

    /// The longest time for which the reader does not look whether to stop.
    const POLL: Duration = Duration::from_millis(200);
    /// How long workers may be late before a poll without messages keeps this member in the group.
    const BEHIND: Duration = Duration::from_secs(5);
    /// How long workers may take for what was read before the daemon ends.
    const LAST: Duration = Duration::from_secs(5);
    /// How long plugins may take to store what was read, before partitions are released.
    const HANDOVER: Duration = Duration::from_secs(15);
    /// The same at the end of the daemon: longer than `plugin_exit_timeout` can reasonably be.
    const END: Duration = Duration::from_secs(600);

    struct Kafka {
        settings: KafkaInput,
        workers: usize,
        /// The name of the key of the topic.
        key: &'static str,
        waiting: Waiting,
    }

    /// Checks the settings.
    pub(super) fn select<P: Datagrams>(reading: &mut Reading<'_>) -> Choice<P> {
        let config = reading.config;
        let Some(settings) = KafkaInput::of_flows(config) else { return Choice::Invalid };
        if !broker::check(reading, "Kafka") {
            return Choice::Invalid;
        }
        let key = reading.names.of(&input::NFACCTD_KAFKA_TOPIC);
        if let Err(error) = brokers::consumer::check(&settings) {
            let prefix = key.strip_suffix("kafka_topic").unwrap_or_default();
            reading.problems.fatal(
                blame(config, &input::NFACCTD_KAFKA_CONFIG_FILE),
                format!("{prefix}{error}."),
                None,
            );
            return Choice::Invalid;
        }
        Choice::This(Box::new(Kafka { settings, workers: workers(config), key, waiting: Waiting::default() }))
    }

    impl<P: Datagrams> Intake<P> for Kafka {
        fn open(&mut self) -> Result<Vec<Opened<P>>, String> {
            Ok(self.waiting.open(self.workers))
        }

        fn start(&mut self, services: &Services, _: &Admission) -> io::Result<()> {
            let Some(feeder) = self.waiting.take() else { return Err(io::ErrorKind::NotConnected.into()) };
            let topic = TopicReader::new(&self.settings).map_err(|error| io::Error::other(error.to_string()))?;
            let what = format!("{}: topic {} of {}", self.key, self.settings.topic, self.settings.brokers);
            let figures = Arc::new(Figures { what, ..Figures::default() });
            figures.show(services);
            let reader = Reader {
                topic,
                feeder,
                positions: Positions::new(),
                stop: services.stop.clone(),
                figures,
                misfits: Misfits::new(self.key),
                failures: Limited::new(RATE),
                key: self.key,
            };
            let name = format!("{}/kafka", services.daemon);
            services.threads.spawn(name, services.identity.clone(), move || reader.run())
        }

        fn announce(&self, what: &str) {
            let KafkaInput { topic, brokers, group, .. } = &self.settings;
            let group = group.as_deref().map(|group| format!(" as group {group}")).unwrap_or_default();
            info!("reading {what} from topic {topic} of {brokers}{group}");
        }
    }

    /// The thread that reads.
    struct Reader {
        topic: TopicReader,
        feeder: Feeder,
        positions: Positions,
        stop: Stop,
        figures: Arc<Figures>,
        misfits: Misfits,
        failures: Limited,
        key: &'static str,
    }

    impl Reader {
        /// Reads until the daemon stops, or a worker has ended.
        fn run(mut self) {
            while !self.stop.is_requested() {
                // As long as there are messages, they are sent by full chunks.
                let timeout = if self.feeder.is_empty() { POLL } else { Duration::ZERO };
                let Self { topic, feeder, positions, misfits, .. } = &mut self;
                let polled = topic.poll(timeout, |received| {
                    positions.read(received.partition, received.offset);
                    if let Err(fault) = feeder.add(received.payload) {
                        misfits.report(fault);
                    }
                });
                let is_sent = match polled {
                    Polled::Message if self.feeder.is_full() || self.positions.is_due() => self.send(),
                    Polled::Message => Ok(()),
                    Polled::Nothing => self.send(),
                    polled => self.send().map(|()| self.event(polled)),
                };
                if is_sent.is_err() {
                    break;
                }
            }
            self.end();
        }

        /// Sends what was read, and commits what can be.
        fn send(&mut self) -> Result<(), Unsent> {
            let begun = Instant::now();
            while let Err(unsent) = self.feeder.send(BUSY) {
                if unsent == Unsent::Gone || self.stop.is_requested() {
                    return Err(unsent);
                }
                if begun.elapsed() > BEHIND {
                    self.topic.pause();
                }
            }
            self.topic.resume();
            self.positions.note(&self.feeder);
            if let Some(ready) = self.positions.take_ready(&self.feeder) {
                self.topic.commit(&ready);
            }
            self.show();
            Ok(())
        }

        fn show(&self) {
            let is_up = !self.topic.is_down() && !self.topic.partitions().is_empty();
            self.figures.up.set(u64::from(is_up));
            self.figures.partitions.set(self.topic.partitions().len() as u64);
            self.figures.commits.iter().zip(self.topic.commits()).for_each(|(figure, count)| figure.set(count));
        }

        fn event(&mut self, polled: Polled) {
            let [gained, released, lost] = &self.figures.changes;
            match polled {
                Polled::Message | Polled::Nothing => {}
                Polled::Gained(partitions) => {
                    gained.add(partitions.len() as u64);
                    self.positions.forget(&partitions);
                    self.feeder.reassigned();
                    info!("{}: reading partitions {partitions:?}", self.key);
                }
                Polled::Leaving(partitions) => {
                    released.add(partitions.len() as u64);
                    // What is stored then, others do not count again.
                    self.feeder.request_flush();
                    let is_safe = self.wait(HANDOVER);
                    let mut stored = self.positions.take_ready(&self.feeder).unwrap_or_default();
                    let last = self.positions.forget(&partitions);
                    if is_safe {
                        stored.retain(|(partition, _)| !partitions.contains(partition));
                        stored.extend(last);
                    }
                    let released = self.topic.release(&stored);
                    info!("{}: released partitions {partitions:?}", self.key);
                    if let Err(error) = released {
                        warn!("{}: {error}: the next reader counts flows of the last partitions again", self.key);
                    } else if !is_safe {
                        warn!(
                            "{}: flows of the last partitions were not stored within {} s: the next reader counts them again",
                            self.key,
                            HANDOVER.as_secs()
                        );
                    }
                }
                Polled::Lost(partitions) => {
                    lost.add(partitions.len() as u64);
                    let positions = self.positions.forget(&partitions);
                    self.topic.remember(&positions);
                    warn!(
                        "{}: lost partitions {partitions:?}: the group has not heard of this daemon in time. If others read them now, they read again what was not committed",
                        self.key
                    );
                }
                Polled::Failed(error) => {
                    self.figures.errors.add(1);
                    if let Some(pass) = self.failures.pass() {
                        warn!(held_back = pass.held_back, "{}: {error}", self.key);
                    }
                }
            }
            self.show();
        }

        /// Waits until all that was sent is stored. Returns false if it takes too long, or the workers have ended before.
        fn wait(&self, patience: Duration) -> bool {
            let (mark, until) = (self.feeder.mark(), Instant::now() + patience);
            loop {
                let have_ended = self.feeder.have_ended();
                if self.feeder.are_safe(&mark) {
                    return true;
                }
                if have_ended || Instant::now() > until || self.stop.is_forced() {
                    return false;
                }
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }

        /// The daemon ends: what was read is processed, and committed when plugins have stored its rows. They have limits of their own for
        /// that, and the workers stay until then.
        fn end(mut self) {
            let is_sent = self.feeder.send(LAST).is_ok();
            self.feeder.end();
            let is_safe = self.wait(END) && is_sent;
            let ready = self.positions.take_ready(&self.feeder);
            let last = if is_safe { self.positions.all().to_vec() } else { ready.unwrap_or_default() };
            self.topic.close(&last);
        }
    }
}
