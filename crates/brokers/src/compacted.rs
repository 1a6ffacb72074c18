//! A compacted topic: a table that several processes share. The last message of a key is its value.
//!
//! Each process reads all partitions from their beginning, without a group and without commits, and writes messages with keys. The order in
//! the topic is the same for all: a process knows that its message was stored when it reads it back.

use crate::consumer::{client_config, failure};
use crate::kafka::{Reports, client_error};
use crate::settings::KafkaInput;
use delivery::StoreError;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a broker may take to list the partitions.
const METADATA: Duration = Duration::from_secs(1);
/// The interval between two looks for partitions that were added, and between two attempts while the topic cannot be read.
const LOOK: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(1)];

/// A reader of all of a compacted topic.
pub struct Reader {
    client: BaseConsumer<Reports>,
    topic: String,
    /// The partitions that are read.
    partitions: BTreeSet<i32>,
    /// Those that have not been read to their end yet.
    unread: BTreeSet<i32>,
    /// When partitions are listed again.
    look: Instant,
}

/// A message of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key; empty if it has none.
    pub key: &'a [u8],
    /// The new value; `None` for a key that was removed.
    pub value: Option<&'a [u8]>,
}

impl Reader {
    /// A reader, which connects in the background.
    ///
    /// # Errors
    /// If the client library rejects an option: the key without its prefix, and what is wrong.
    pub fn new(settings: &KafkaInput) -> Result<Self, StoreError> {
        let mut config = client_config(settings)?;
        config.set("enable.partition.eof", "true");
        let client = config
            .create_with_context(Reports::default())
            .map_err(|error| client_error(settings.config_file.is_some(), error))?;
        let (partitions, unread) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { client, topic: settings.topic.clone(), partitions, unread, look: Instant::now() })
    }

    /// True once every partition was read to the end that it had.
    pub fn is_complete(&self) -> bool {
        !self.partitions.is_empty() && self.unread.is_empty()
    }

    /// Waits for messages for `timeout`, and passes up to `max` of them to `each`. Returns their number.
    ///
    /// # Errors
    /// The topic cannot be read now. Later calls try again.
    pub fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        mut each: impl FnMut(Change<'_>),
    ) -> Result<usize, StoreError> {
        if Instant::now() >= self.look {
            let looked = self.look_for_partitions();
            self.look = Instant::now() + if looked.is_ok() { LOOK[0] } else { LOOK[1] };
            looked?;
        }
        let mut wait = timeout;
        for count in 0..max {
            match self.client.poll(wait) {
                None => return Ok(count),
                Some(Ok(message)) => {
                    self.client.context().clear_error();
                    each(Change { key: message.key().unwrap_or_default(), value: message.payload() });
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => _ = self.unread.remove(&partition),
                Some(Err(error)) => return Err(failure(&self.topic, &error, self.client.context())),
            }
            wait = Duration::ZERO;
        }
        Ok(max)
    }

    /// Begins to read partitions that are not read yet.
    fn look_for_partitions(&mut self) -> Result<(), StoreError> {
        let failed = |error: KafkaError| failure(&self.topic, &error, self.client.context());
        let metadata = self.client.fetch_metadata(Some(&self.topic), METADATA).map_err(failed)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        if let Some(error) = topic.and_then(|topic| topic.error()) {
            return Err(failed(KafkaError::MetadataFetch(error.into())));
        }
        let listed: BTreeSet<i32> =
            topic.into_iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect();
        if listed.is_subset(&self.partitions) {
            return Ok(());
        }
        let mut added = TopicPartitionList::new();
        for partition in listed.difference(&self.partitions) {
            added.add_partition_offset(&self.topic, *partition, Offset::Beginning).map_err(failed)?;
        }
        self.client.incremental_assign(&added).map_err(failed)?;
        self.unread.extend(listed.difference(&self.partitions));
        self.partitions.extend(listed);
        Ok(())
    }
}

/// Checks that the client library accepts the options, without connecting.
///
/// # Errors
/// The key without its prefix, and what is wrong.
pub fn check(settings: &KafkaInput) -> Result<(), StoreError> {
    crate::consumer::check(settings)?;
    crate::producer::check(&settings.for_writing())
}
