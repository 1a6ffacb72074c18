//! Reading a Kafka topic with positions, through librdkafka: what was read is committed when the caller says so.
//!
//! | [`KafkaInput::group`] | partitions | first message | after a restart |
//! |---|---|---|---|
//! | none | all of the topic, also those that are added later | those that come from now on | as at the start |
//! | a group | those that the group assigns | the committed position; without one, the oldest that is kept | the committed position |
//!
//! The members of a group share its partitions. When partitions move, [`Polled::Leaving`] lets the caller finish what it has read of
//! them, and commit it, before their next reader begins ([`TopicReader::release`]). A member that dies commits nothing: its messages since
//! the last commit are read again by others. A member that the group gave up, and that gets a partition back, continues where it was
//! ([`TopicReader::remember`]), unless others have committed more.
//!
//! While the brokers cannot be reached, the client library retries, with pauses that grow, and continues where it was.

use crate::consumer::{Received, client_config, leave};
use crate::kafka::{Reports, client_error, no_topic, with_last_error};
use crate::settings::KafkaInput;
use delivery::StoreError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The interval at which brokers are asked for the partitions of the topic: without a group, whether there are new ones; with one, while no
/// message comes, whether they answer at all.
const PROBE: Duration = Duration::from_secs(5);
/// That interval while they do not answer.
const PROBE_DOWN: Duration = Duration::from_secs(2);
/// How long they have for that answer. Meanwhile no message is read, so this is short.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a commit is tried again that the group rejects because it is being rebalanced, and how often.
const IN_PROGRESS: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);
/// Options of the members of a group that a file of options may set otherwise. Only partitions that must move do, and the others are read on
/// meanwhile; all members need the same strategy. A change is noticed with the next heartbeat.
const GROUP: [(&str, &str); 2] =
    [("partition.assignment.strategy", "cooperative-sticky"), ("heartbeat.interval.ms", "1000")];
/// How long they have to say what was committed.
const COMMITTED: Duration = Duration::from_secs(5);
/// How long the last commit may take.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// A partition, and the offset of the message to read next.
pub type Position = (i32, i64);

/// A reader of a topic.
pub struct TopicReader {
    client: BaseConsumer<Events>,
    topic: String,
    is_group: bool,
    /// Partitions that are read, in no order.
    partitions: Vec<i32>,
    /// Partitions that the group takes away, until they are released.
    leaving: Option<TopicPartitionList>,
    /// Positions in partitions that were lost.
    lost: Vec<Position>,
    probed: Option<Instant>,
    /// The brokers did not answer, or rejected something, and nothing has shown since that they do.
    is_down: bool,
    is_paused: bool,
}

/// What [`TopicReader::poll`] returns.
#[derive(Debug)]
pub enum Polled {
    /// A message, which was passed on.
    Message,
    /// Nothing came in time.
    Nothing,
    /// These partitions are read from now on.
    Gained(Vec<i32>),
    /// These partitions will be read by others once they are released ([`TopicReader::release`]), which must follow soon.
    Leaving(Vec<i32>),
    /// These partitions may be read by others already, and what was not committed is read again then. [`TopicReader::remember`] should
    /// follow.
    Lost(Vec<i32>),
    /// A failure; reading goes on after it.
    Failed(StoreError),
}

/// Events of the client library, which its callbacks leave here.
struct Events {
    reports: Reports,
    /// Changes of the assignment that were not handled yet.
    changes: Mutex<VecDeque<(Change, TopicPartitionList)>>,
    has_changes: AtomicBool,
    /// No change is handled any more: the client library must be answered at once.
    is_ending: AtomicBool,
    commits: [AtomicU64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Gained,
    Leaving,
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.reports.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reports.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

impl ConsumerContext for Events {
    // The assignment is changed later, by the thread that polls: librdkafka waits for it.
    fn rebalance(&self, client: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let change = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Gained,
            _ => Change::Leaving,
        };
        if self.is_ending.load(Ordering::Acquire) {
            let _ = unassign(client, partitions);
            return;
        }
        self.changes().push_back((change, partitions.clone()));
        self.has_changes.store(true, Ordering::Release);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // There is nothing to commit when a position is committed again.
        let is_done = !matches!(result.map_err(|error| error.rdkafka_error_code()), Err(code) if code != Some(RDKafkaErrorCode::NoOffset));
        let [done, failed] = &self.commits;
        if is_done { done } else { failed }.fetch_add(1, Ordering::AcqRel);
    }
}

impl Events {
    fn new() -> Self {
        Self {
            reports: Reports::default(),
            changes: Mutex::default(),
            has_changes: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            commits: Default::default(),
        }
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, VecDeque<(Change, TopicPartitionList)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_change(&self) -> Option<(Change, TopicPartitionList)> {
        let mut changes = self.changes();
        let change = changes.pop_front();
        self.has_changes.store(!changes.is_empty(), Ordering::Release);
        change
    }
}

/// Takes partitions from the assignment, in the way that the members of the group have agreed on.
fn unassign(client: &BaseConsumer<Events>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_unassign(partitions),
        _ => client.unassign(),
    }
}

/// Adds partitions to the assignment.
fn assign(client: &BaseConsumer<Events>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_assign(partitions),
        _ => client.assign(partitions),
    }
}

/// Leaves the group. The client library waits for an answer to each change of the assignment that it asks for.
impl Drop for TopicReader {
    fn drop(&mut self) {
        self.client.context().is_ending.store(true, Ordering::Release);
        if let Some(leaving) = self.leaving.take() {
            self.unassign(&leaving);
        }
        while let Some((change, list)) = self.client.context().take_change() {
            let _ = match change {
                Change::Gained => assign(&self.client, &list),
                Change::Leaving => unassign(&self.client, &list),
            };
        }
    }
}

impl TopicReader {
    /// A reader, which connects in the background.
    ///
    /// # Errors
    /// If the client library rejects an option: the key without its prefix, and what is wrong.
    pub fn new(settings: &KafkaInput) -> Result<Self, StoreError> {
        let rejected = |error| client_error(settings.config_file.is_some(), error);
        let mut config = client_config(settings)?;
        for (option, value) in GROUP {
            if settings.group.is_some() && config.get(option).is_none() {
                config.set(option, value);
            }
        }
        let client: BaseConsumer<Events> = config.create_with_context(Events::new()).map_err(rejected)?;
        if settings.group.is_some() {
            client.subscribe(&[&settings.topic]).map_err(rejected)?;
        }
        Ok(Self {
            client,
            topic: settings.topic.clone(),
            is_group: settings.group.is_some(),
            partitions: Vec::new(),
            leaving: None,
            lost: Vec::new(),
            probed: None,
            is_down: false,
            is_paused: false,
        })
    }

    /// Partitions that are read, in no order.
    pub fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// Whether the brokers did not answer when they were last needed.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// Commits that the brokers confirmed, and those that failed.
    pub fn commits(&self) -> [u64; 2] {
        self.client.context().commits.each_ref().map(|count| count.load(Ordering::Acquire))
    }

    /// Waits for a message, which `each` gets, or another event. Without a group this may take half a second longer than `timeout`.
    pub fn poll(&mut self, timeout: Duration, each: impl FnOnce(Received<'_>)) -> Polled {
        if self.client.context().has_changes.load(Ordering::Acquire)
            && let Some(polled) = self.change()
        {
            return polled;
        }
        match self.client.poll(timeout) {
            Some(Ok(message)) => {
                if self.is_down {
                    self.client.context().reports.clear_error();
                    self.is_down = false;
                }
                each(Received {
                    payload: message.payload().unwrap_or_default(),
                    partition: message.partition(),
                    offset: message.offset(),
                });
                Polled::Message
            }
            Some(Err(error)) => {
                self.is_down = true;
                Polled::Failed(self.failure(&error))
            }
            None if timeout.is_zero() => Polled::Nothing,
            None => self.probe(),
        }
    }

    /// Handles a change of the assignment.
    fn change(&mut self) -> Option<Polled> {
        let (change, list) = self.client.context().take_change()?;
        let partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        self.is_down = false;
        match change {
            Change::Gained => {
                let list = self.with_positions(list);
                if let Err(error) = assign(&self.client, &list) {
                    return Some(Polled::Failed(self.failure(&error)));
                }
                self.partitions.extend(&partitions);
                self.is_paused = false;
                Some(Polled::Gained(partitions))
            }
            Change::Leaving if self.client.assignment_lost() => {
                self.unassign(&list);
                Some(Polled::Lost(partitions))
            }
            Change::Leaving => {
                self.leaving = Some(list);
                Some(Polled::Leaving(partitions))
            }
        }
    }

    /// The positions of partitions that were lost. If they come back, reading goes on from there, since what was read before is with the
    /// caller, unless others have committed more.
    pub fn remember(&mut self, positions: &[Position]) {
        self.lost.extend(positions);
    }

    /// Partitions that come, with the positions of those that were lost before.
    fn with_positions(&mut self, mut list: TopicPartitionList) -> TopicPartitionList {
        let returning: Vec<Position> = self
            .lost
            .extract_if(.., |(partition, _)| list.find_partition(&self.topic, *partition).is_some())
            .collect();
        if returning.is_empty() {
            return list;
        }
        let committed = self.client.committed_offsets(list.clone(), COMMITTED).ok();
        for (partition, position) in returning {
            let theirs = committed.as_ref().and_then(|list| list.find_partition(&self.topic, partition));
            let offset = match theirs.map(|theirs| theirs.offset()) {
                Some(Offset::Offset(theirs)) => theirs.max(position),
                _ => position,
            };
            let _ = list.set_partition_offset(&self.topic, partition, Offset::Offset(offset));
        }
        list
    }

    /// Commits positions, those of partitions that leave among them, and lets others read these.
    ///
    /// # Errors
    /// The positions are not committed: what was read since the last commit, others read again.
    pub fn release(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        let Some(leaving) = self.leaving.take() else { return Ok(()) };
        let committed = match self.list(positions) {
            Some(list) => self.commit_now(&list),
            None => Ok(()),
        };
        self.unassign(&leaving);
        committed
    }

    /// Commits positions and waits for the answer. The coordinator has just announced a change, so this returns soon; at the latest after
    /// the timeout of a session.
    fn commit_now(&self, list: &TopicPartitionList) -> Result<(), StoreError> {
        let until = Instant::now() + IN_PROGRESS;
        loop {
            let committed = self.client.commit(list, CommitMode::Sync);
            let code = committed.as_ref().err().and_then(KafkaError::rdkafka_error_code);
            // Some member has not got its partitions yet.
            if code != Some(RDKafkaErrorCode::RebalanceInProgress) || Instant::now() > until {
                self.client.context().commit_callback(committed.clone(), list);
                return committed.map_err(|error| self.failure(&error));
            }
            std::thread::park_timeout(AGAIN);
        }
    }

    fn unassign(&mut self, list: &TopicPartitionList) {
        let _ = unassign(&self.client, list);
        self.partitions.retain(|partition| list.find_partition(&self.topic, *partition).is_none());
    }

    /// Commits positions, without waiting.
    pub fn commit(&mut self, positions: &[Position]) {
        if let Some(list) = self.list(positions)
            && self.client.commit(&list, CommitMode::Async).is_err()
        {
            self.client.context().commits[1].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Positions as librdkafka wants them; `None` if there is nothing to commit.
    fn list(&self, positions: &[Position]) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in positions.iter().filter(|_| self.is_group) {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset)).ok()?;
        }
        (list.count() > 0).then_some(list)
    }

    /// The caller cannot take messages for now. To be called every few seconds: it shows the group that this member is alive.
    pub fn pause(&mut self) {
        if let Ok(assignment) = self.client.assignment() {
            self.is_paused |= self.client.pause(&assignment).is_ok();
        }
        // Paused partitions have no messages, and are read again from where they were.
        if self.is_paused {
            let _ = self.client.poll(Duration::ZERO);
        }
    }

    /// Ends [`Self::pause`].
    pub fn resume(&mut self) {
        if self.is_paused
            && let Ok(assignment) = self.client.assignment()
        {
            self.is_paused = self.client.resume(&assignment).is_err();
        }
    }

    /// Commits the last positions, waits a little for that, and leaves the group, if the brokers answer.
    pub fn close(mut self, positions: &[Position]) {
        let before: u64 = self.commits().iter().sum();
        let until = Instant::now() + LAST_COMMIT;
        self.commit(positions);
        let is_committing = !positions.is_empty() && self.is_group && !self.is_down;
        while is_committing && self.commits().iter().sum::<u64>() == before && Instant::now() < until {
            // Messages that come now are after the positions.
            let _ = self.client.poll(Duration::from_millis(20));
        }
        leave(self);
    }

    /// Asks the brokers for the partitions of the topic, if that is due.
    fn probe(&mut self) -> Polled {
        let interval = if self.is_down { PROBE_DOWN } else { PROBE };
        if self.probed.is_some_and(|probed| probed.elapsed() < interval) {
            return Polled::Nothing;
        }
        self.probed = Some(Instant::now());
        let found = self.client.fetch_metadata(Some(&self.topic), ANSWER);
        // Its events say why there is no answer.
        let found = found.map_err(|error| with_last_error(&self.client.context().reports, &error.to_string()));
        let partitions = found.and_then(|metadata| {
            let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
            let partitions: Vec<i32> = topic
                .map(|topic| topic.partitions().iter().map(|partition| partition.id()).collect())
                .unwrap_or_default();
            match topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from) {
                Some(error) => Err(no_topic(&self.topic, error)),
                None if partitions.is_empty() => {
                    Err(no_topic(&self.topic, RDKafkaErrorCode::UnknownTopicOrPartition))
                }
                None => Ok(partitions),
            }
        });
        match partitions {
            Err(error) => {
                self.is_down = true;
                Polled::Failed(error)
            }
            Ok(partitions) => {
                self.is_down = false;
                self.client.context().reports.clear_error();
                if self.is_group { Polled::Nothing } else { self.add(partitions) }
            }
        }
    }

    /// Without a group: reads all partitions. New ones are read from their beginning.
    fn add(&mut self, mut found: Vec<i32>) -> Polled {
        found.retain(|partition| !self.partitions.contains(partition));
        if found.is_empty() {
            return Polled::Nothing;
        }
        let first = if self.partitions.is_empty() { Offset::End } else { Offset::Beginning };
        let mut list = TopicPartitionList::new();
        for partition in &found {
            if let Err(error) = list.add_partition_offset(&self.topic, *partition, first) {
                return Polled::Failed(self.failure(&error));
            }
        }
        if let Err(error) = self.client.incremental_assign(&list) {
            return Polled::Failed(self.failure(&error));
        }
        self.partitions.extend(&found);
        Polled::Gained(found)
    }

    fn failure(&self, error: &KafkaError) -> StoreError {
        crate::consumer::failure(&self.topic, error, &self.client.context().reports)
    }
}
