//! The thread that reads and writes the topic.

use super::Known;
use super::shared::{Origin, Shared};
use crate::flows::templates_file::Time;
use brokers::compacted::{Change, Reader};
use brokers::producer::Producer;
use brokers::settings::KafkaInput;
use crossbeam_channel::{Receiver, TryRecvError};
use delivery::StoreError;
use runtime::clock;
use runtime::log::Limited;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};

/// How long the thread waits for messages before it writes what was learned.
const WAIT: Duration = Duration::from_millis(50);
/// Messages that are read before it does.
const READ: usize = 1000;
/// Templates that are written at a time, and how many of them may be on their way.
const WRITE: usize = 256;
const UNCONFIRMED: usize = 65_536;
/// Templates that are written in a second, of all exporters and of one. Others are written later.
const A_SECOND: [u32; 2] = [4000, 500];
/// When a template is written again that was not read back.
const AGAIN: Duration = Duration::from_secs(30);
/// When an unchanged template is written again, in microseconds: the topic may delete messages by age.
const RENEWAL: Time = 20 * 3600 * 1_000_000;
/// How often old templates are removed.
const TIDY: Duration = Duration::from_secs(60);
/// Minimum time between two lines of one kind.
const RATE: Duration = Duration::from_secs(10);

/// The thread's state.
pub(super) struct Client {
    reader: Reader,
    producer: Producer,
    topic: String,
    shared: Arc<Shared>,
    learned: Receiver<Known>,
    /// Templates that were written and not read back yet, or may not be written yet, and since when.
    unconfirmed: HashMap<String, (Known, Instant)>,
    is_complete: bool,
    tidied: Instant,
    pace: Pace,
    failing: Limited,
    bad: Limited,
    crowded: Limited,
}

impl Client {
    pub(super) fn new(
        settings: &KafkaInput,
        shared: Arc<Shared>,
        learned: Receiver<Known>,
    ) -> Result<Self, StoreError> {
        let limited = Limited::new(RATE);
        let report = move |what: &str| {
            if let Some(pass) = limited.pass() {
                warn!(held_back = pass.held_back, "nfacctd_templates_kafka_topic: {what}");
            }
        };
        Ok(Self {
            reader: Reader::new(settings)?,
            producer: Producer::new(&settings.for_writing(), settings.topic.clone(), Box::new(report))?,
            topic: settings.topic.clone(),
            shared,
            learned,
            unconfirmed: HashMap::new(),
            is_complete: false,
            tidied: Instant::now(),
            pace: Pace::new(Instant::now()),
            failing: Limited::new(RATE),
            bad: Limited::new(RATE),
            crowded: Limited::new(RATE),
        })
    }

    /// Works until the main thread's end is dropped.
    pub(super) fn run(mut self) {
        while self.write_learned() {
            self.read();
            self.write_again();
            let now = Instant::now();
            let is_due = now.duration_since(self.tidied) > TIDY;
            if is_due {
                self.tidied = now;
            }
            self.tidy(!is_due);
        }
        let left = self.unconfirmed.len();
        debug!("{left} templates were written to topic {} and not read back", self.topic);
    }

    fn read(&mut self) {
        let Self { reader, shared, unconfirmed, bad, .. } = self;
        let now = clock::now();
        let read = reader.poll(WAIT, READ, |change| take(&change, now, shared, unconfirmed, bad));
        match read {
            Err(error) => {
                if let Some(pass) = self.failing.pass() {
                    warn!(held_back = pass.held_back, "nfacctd_templates_{error}");
                }
                // Without partitions there is nothing else to wait for.
                if let Ok(known) = self.learned.recv_timeout(WAIT) {
                    self.learn(known);
                }
            }
            Ok(0) if !self.is_complete && self.reader.is_complete() => {
                self.is_complete = true;
                self.shared.tidy(now, false);
                let templates = self.shared.figures.templates.load(Ordering::Relaxed);
                info!("topic {} has {templates} templates", self.topic);
            }
            Ok(_) => {}
        }
    }

    /// Writes templates that were learned. Returns false at the end.
    fn write_learned(&mut self) -> bool {
        for _ in 0..WRITE {
            match self.learned.try_recv() {
                Ok(known) => self.learn(known),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn learn(&mut self, known: Known) {
        if self.shared.knows(&known, RENEWAL) {
            return;
        }
        self.shared.insert(known.clone(), Origin::Own);
        self.write(known);
    }

    fn write(&mut self, known: Known) {
        let key = known.key();
        let is_written = self.unconfirmed.len() < UNCONFIRMED
            && self.pace.allows(known.exporter, Instant::now())
            && known.value().is_some_and(|line| self.producer.send(key.as_bytes(), &line));
        let figures = &self.shared.figures;
        let figure = if is_written { &figures.written } else { &figures.not_written };
        figure.fetch_add(1, Ordering::Relaxed);
        if self.unconfirmed.len() < UNCONFIRMED || self.unconfirmed.contains_key(&key) {
            self.unconfirmed.insert(key, (known, Instant::now()));
        }
    }

    /// Writes templates again that were not read back.
    fn write_again(&mut self) {
        self.producer.take_unconfirmed();
        let late = |(_, (_, written)): &(&String, &(Known, Instant))| written.elapsed() > AGAIN;
        let late: Vec<Known> =
            self.unconfirmed.iter().filter(late).take(WRITE).map(|(_, (known, _))| known.clone()).collect();
        late.into_iter().for_each(|known| self.write(known));
    }

    fn tidy(&self, only_if_crowded: bool) {
        let no_room = self.shared.tidy(clock::now(), only_if_crowded);
        if no_room > 0
            && let Some(pass) = self.crowded.pass()
        {
            warn!(
                held_back = pass.held_back,
                "nfacctd_templates_kafka_topic: {no_room} templates find no room; a greater nfacctd_templates_kafka_size keeps more"
            );
        }
    }
}

/// How many templates may be written. An exporter that changes its templates all the time must not fill the topic, nor keep back those of
/// others.
struct Pace {
    began: Instant,
    all: u32,
    exporters: HashMap<IpAddr, u32>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { began: now, all: 0, exporters: HashMap::new() }
    }

    /// Whether one of this exporter may be written now; then it counts as written.
    fn allows(&mut self, exporter: IpAddr, now: Instant) -> bool {
        if now.duration_since(self.began) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let [of_all, of_one] = A_SECOND;
        if self.all >= of_all {
            return false;
        }
        let written = self.exporters.entry(exporter).or_default();
        let is_allowed = *written < of_one;
        if is_allowed {
            *written += 1;
            self.all += 1;
        }
        is_allowed
    }
}

/// Takes a message of the topic.
fn take(
    change: &Change<'_>,
    now: Time,
    shared: &Shared,
    unconfirmed: &mut HashMap<String, (Known, Instant)>,
    bad: &Limited,
) {
    // A key that was removed by an administrator: exporters may still use the template.
    let Some(value) = change.value else { return };
    let known = Known::read(change.key, value, now);
    let Some(known) = known else {
        shared.figures.bad.fetch_add(1, Ordering::Relaxed);
        if let Some(pass) = bad.pass() {
            warn!(
                held_back = pass.held_back,
                "nfacctd_templates_kafka_topic: a message is not a template or sampling rate: ignored"
            );
        }
        return;
    };
    // Up to the collector's own message, which is later in the topic, others are out of date.
    let name = known.key();
    match unconfirmed.get(&name) {
        Some((own, _)) if own.learned == known.learned => _ = unconfirmed.remove(&name),
        Some(_) => return,
        None => {}
    }
    shared.insert(known, Origin::Others);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exporter_cannot_keep_back_the_templates_of_others() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let host = |host| IpAddr::from([192, 0, 2, host]);
        assert_eq!((0..9999).filter(|_| pace.allows(host(1), now)).count(), 500);
        assert!(pace.allows(host(2), now));
        let all = (0..9999).filter(|number| pace.allows(host((number % 200) as u8), now)).count();
        assert_eq!(all, 4000 - 501);
        assert!(!pace.allows(host(250), now));
        assert!(pace.allows(host(1), now + Duration::from_secs(1)));
    }
}
