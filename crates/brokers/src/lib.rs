//! Message brokers: Kafka and AMQP. Aggregates are sent to them, and a topic of Kafka can be read.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration of a plugin |
//! | [`encoder`] | encodes aggregates as messages |
//! | [`kafka`] | Kafka |
//! | [`producer`] | sending to a Kafka topic without waiting |
//! | [`consumer`] | reading a Kafka topic from its beginning |
//! | [`topic`] | reading a Kafka topic with positions, alone or in a consumer group |
//! | [`compacted`] | a Kafka topic as a table that processes share |
//! | [`amqp`] | AMQP 0.9.1 |
#![forbid(unsafe_code)]

#[cfg(feature = "amqp")]
pub mod amqp;
#[cfg(feature = "kafka")]
pub mod compacted;
#[cfg(feature = "kafka")]
pub mod consumer;
pub mod encoder;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kafka")]
pub mod producer;
#[cfg(feature = "kafka")]
mod registry;
pub mod settings;
#[cfg(feature = "kafka")]
pub mod topic;

pub use encoder::Encoder;
