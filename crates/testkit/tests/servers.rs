//! The servers start, and restart after a kill.

use testkit::servers::{Kafka, MariaDb, Postgres, RabbitMq, Redis, missing};

#[test]
fn postgres_restarts() {
    let Some(mut server) = Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    server.kill();
    server.restart();
}

#[test]
fn mariadb_restarts() {
    let Some(mut server) = MariaDb::start() else { return missing("PMACCT_TEST_MYSQL") };
    server.kill();
    server.restart();
}

#[test]
fn rabbitmq_restarts() {
    let Some(mut server) = RabbitMq::start() else { return missing("PMACCT_TEST_AMQP") };
    server.kill();
    server.restart();
}

#[test]
fn a_kafka_broker_creates_topics() {
    let Some(server) = Kafka::start() else { return missing("PMACCT_TEST_KAFKA") };
    server.create_topic("a.b");
}

#[test]
fn redis_restarts() {
    let Some(mut server) = Redis::start() else { return missing("redis-server") };
    server.kill();
    server.restart();
}
