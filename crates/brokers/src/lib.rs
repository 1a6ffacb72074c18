//! Message brokers: Kafka and AMQP.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | the configuration of a plugin |
//! | [`encoder`] | encodes aggregates as messages |
//! | [`kafka`] | Kafka |
//! | [`amqp`] | AMQP 0.9.1 |
#![forbid(unsafe_code)]

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod encoder;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kafka")]
mod registry;
pub mod settings;

pub use encoder::Encoder;
