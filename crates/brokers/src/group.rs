//! A member of a Kafka consumer group that commits what it says is done.
//!
//! The members of a group share the partitions of a topic. When one joins or dies, partitions move. By default only those that must
//! (`cooperative-sticky`), and the others are read on meanwhile. A member that is to give partitions away is told first: it finishes its
//! work on their messages, commits, and then calls [`Member::release`]. A member that died gave no notice: the next owner of its partitions
//! reads from the last commit, so messages since then are read twice.

use crate::consumer::{client_config, failure};
use crate::kafka::{Reports, client_error};
use crate::settings::KafkaInput;
use delivery::StoreError;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The partition and the offset of the next message that is to be read of it.
pub type Next = (i32, i64);

/// A member of a group.
pub struct Member {
    client: BaseConsumer<Membership>,
    topic: String,
    /// Partitions that were revoked and are not released yet.
    revoked: Option<TopicPartitionList>,
}

/// What happened next.
#[derive(Debug)]
pub enum Event<'a> {
    /// Nothing within the time.
    Nothing,
    /// A message arrived.
    Message(Message<'a>),
    /// These partitions are read from now on, from the last commit.
    Gained(Vec<i32>),
    /// These partitions go to other members after [`Member::release`]. Until then, there are no events.
    Revoked(Vec<i32>),
    /// These partitions went to other members, who were not told what this one had read. Nothing can be committed for them.
    Lost(Vec<i32>),
    /// The topic cannot be read now. Later calls try again.
    Failed(StoreError),
}

/// A message of the topic.
#[derive(Debug)]
pub struct Message<'a>(BorrowedMessage<'a>);

impl Message<'_> {
    /// Its content; empty for a message without one.
    pub fn payload(&self) -> &[u8] {
        self.0.payload().unwrap_or_default()
    }

    /// Where reading goes on after it.
    pub fn next(&self) -> Next {
        (self.0.partition(), self.0.offset().saturating_add(1))
    }
}

/// A change of the partitions that the client library asks for.
enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
    Failed(RDKafkaRespErr),
}

/// What the client library reports.
#[derive(Default)]
struct Membership {
    reports: Reports,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// The last commit that failed since the last look.
    failed_commit: Mutex<Option<KafkaError>>,
    /// The member leaves, and does what is asked for at once.
    is_leaving: AtomicBool,
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.reports.log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

impl AsRef<Reports> for Membership {
    fn as_ref(&self) -> &Reports {
        &self.reports
    }
}

impl ConsumerContext for Membership {
    /// Only notes what is asked for. The member does it, when it is ready.
    fn rebalance(&self, client: &BaseConsumer<Self>, kind: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if self.is_leaving.load(Ordering::Relaxed) {
            let is_revoked = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
            // The client library closes the consumer whatever the result.
            let _ = if is_revoked { unassign(client, partitions) } else { client.unassign() };
            return;
        }
        let rebalance = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions.clone()),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => Rebalance::Revoke(partitions.clone()),
            error => Rebalance::Failed(error),
        };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Without anything to commit, the client library reports an error.
        if let Err(error) = result
            && error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::NoOffset)
        {
            *self.failed_commit.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions.elements().iter().map(|element| element.partition()).collect()
}

fn is_cooperative(client: &BaseConsumer<Membership>) -> bool {
    matches!(client.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

fn unassign(client: &BaseConsumer<Membership>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match is_cooperative(client) {
        true => client.incremental_unassign(partitions),
        false => client.unassign(),
    }
}

/// Leaves the group: the other members share its partitions at once.
impl Drop for Member {
    fn drop(&mut self) {
        self.client.context().is_leaving.store(true, Ordering::Relaxed);
        let _ = self.release();
        while let Some(rebalance) = self.next_rebalance() {
            if let Rebalance::Revoke(partitions) = rebalance {
                let _ = self.unassign(&partitions);
            }
        }
    }
}

impl Member {
    /// A member of the group in `settings`, which joins it in the background. A partition that the group has not read before is read from
    /// its beginning.
    ///
    /// # Errors
    /// If the client library rejects an option: the key without its prefix, and what is wrong.
    pub fn new(settings: &KafkaInput) -> Result<Self, StoreError> {
        let rejected = |error| client_error(settings.config_file.is_some(), error);
        let mut config = client_config(settings)?;
        if config.get("partition.assignment.strategy").is_none() {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        let client: BaseConsumer<Membership> =
            config.create_with_context(Membership::default()).map_err(rejected)?;
        client.subscribe(&[&settings.topic]).map_err(rejected)?;
        Ok(Self { client, topic: settings.topic.clone(), revoked: None })
    }

    /// Waits for the next event, at most `timeout`.
    pub fn poll(&mut self, timeout: Duration) -> Event<'_> {
        if let Some(revoked) = &self.revoked {
            return Event::Revoked(numbers(revoked));
        }
        if let Some(rebalance) = self.next_rebalance() {
            return self.rebalance(rebalance);
        }
        if let Some(error) = self.take_failed_commit() {
            return Event::Failed(failure(&self.client, &self.topic, &error));
        }
        match self.client.poll(timeout) {
            None => Event::Nothing,
            Some(Ok(message)) => {
                self.client.context().reports.clear_error();
                Event::Message(Message(message))
            }
            Some(Err(error)) => Event::Failed(failure(&self.client, &self.topic, &error)),
        }
    }

    fn next_rebalance(&self) -> Option<Rebalance> {
        self.client.context().rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn take_failed_commit(&self) -> Option<KafkaError> {
        self.client.context().failed_commit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Event<'static> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let assigned = match is_cooperative(&self.client) {
                    true => self.client.incremental_assign(&partitions),
                    false => self.client.assign(&partitions),
                };
                match assigned {
                    Ok(()) => Event::Gained(numbers(&partitions)),
                    Err(error) => Event::Failed(failure(&self.client, &self.topic, &error)),
                }
            }
            Rebalance::Revoke(partitions) if self.client.assignment_lost() => {
                let lost = numbers(&partitions);
                match self.unassign(&partitions) {
                    Ok(()) => Event::Lost(lost),
                    Err(error) => Event::Failed(error),
                }
            }
            Rebalance::Revoke(partitions) => {
                let revoked = numbers(&partitions);
                self.revoked = Some(partitions);
                Event::Revoked(revoked)
            }
            Rebalance::Failed(error) => {
                let error = KafkaError::Rebalance(error.into());
                let _ = self.client.unassign();
                Event::Failed(failure(&self.client, &self.topic, &error))
            }
        }
    }

    fn unassign(&self, partitions: &TopicPartitionList) -> Result<(), StoreError> {
        unassign(&self.client, partitions).map_err(|error| failure(&self.client, &self.topic, &error))
    }

    fn list(&self, offsets: &[Next]) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, next) in offsets {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))?;
        }
        Ok(list)
    }

    /// Commits offsets in the background. A failure becomes an event; a later commit makes up for it.
    pub fn commit(&self, offsets: &[Next]) {
        let committed = self.list(offsets).and_then(|list| self.client.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            self.client.context().commit_callback(Err(error), &TopicPartitionList::new());
        }
    }

    /// Commits offsets and waits for the answer: within the session timeout if the coordinator of the group cannot be reached.
    ///
    /// # Errors
    /// They are not committed.
    pub fn commit_now(&self, offsets: &[Next]) -> Result<(), StoreError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let committed = self.list(offsets).and_then(|list| self.client.commit(&list, CommitMode::Sync));
        committed.map_err(|error| failure(&self.client, &self.topic, &error))
    }

    /// Gives away the partitions that were revoked.
    ///
    /// # Errors
    /// The client library refuses: it has lost its membership meanwhile.
    pub fn release(&mut self) -> Result<(), StoreError> {
        match self.revoked.take() {
            Some(revoked) => self.unassign(&revoked),
            None => Ok(()),
        }
    }
}
