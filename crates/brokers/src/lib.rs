//! Message brokers: Kafka and AMQP.
#![forbid(unsafe_code)]
