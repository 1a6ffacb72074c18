//! Databases and brokers that are down at the start or reject the configuration. [`crate::sinks`] tests later outages.

use crate::clients::*;
use crate::support::start;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaRespErr;
use testkit::Setup;
use testkit::servers::{self, Address};

#[test]
fn an_unreachable_server_does_not_delay_the_start() {
    let setup = collector("pgsql", "sql_host: 127.0.0.1\nsql_port: 1\nsql_table: acct\nplugin_write_timeout: 1");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&round(1));
    process.wait_for_datagrams(1);
    let finished = process.stop();
    assert!(finished.log.contains("cannot be reached yet"), "{}", finished.log);
    assert!(finished.log.contains("dropped: not written before the end"), "{}", finished.log);
}

/// The error of a daemon that does not start.
pub(crate) fn start_error(setup: &Setup) -> String {
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    finished.log.clone()
}

#[test]
fn a_rejected_configuration_is_named_at_the_start() {
    let setup = collector("sqlite3", "sql_db: {dir}/acct.db\nsql_table: missing");
    let log = start_error(&setup);
    assert!(log.contains("sql_table[s]: ") && log.contains("no such table"), "{log}");
    let log = start_error(&collector("sqlite3", "sql_db: /nonexistent/acct.db\nsql_table: acct"));
    assert!(log.contains("sql_db[s]: '/nonexistent/acct.db'"), "{log}");
    if let Some(server) = servers::postgres() {
        let login = login(&server.address);
        let log = start_error(&collector("pgsql", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: ") && log.contains("password authentication failed"), "{log}");
        let log = start_error(&collector("pgsql", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: ") && log.contains("missing"), "{log}");
        let log = start_error(&collector("pgsql", &login).more_config("sql_db: nowhere\nsql_table: missing"));
        assert!(log.contains("sql_db[s]: "), "{log}");
    }
    if let Some(server) = servers::mariadb() {
        let login = login(&server.address);
        let log = start_error(&collector("mysql", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: ") && log.contains("Access denied"), "{log}");
        let log = start_error(&collector("mysql", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: "), "{log}");
    }
    if let Some(server) = servers::clickhouse() {
        let login = login(&server.address);
        let log = start_error(&collector("clickhouse", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: Wrong password for user pmacct"), "{log}");
        let log = start_error(&collector("clickhouse", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: Table default.missing doesn't exist"), "{log}");
        let log = start_error(&collector("clickhouse", &login).more_config("sql_db: nowhere\nsql_table: missing"));
        assert!(log.contains("sql_db[s]: Database nowhere doesn't exist"), "{log}");
    }
    let log = start_error(&collector("kafka", "kafka_topic: a/b"));
    assert!(log.contains("kafka_topic[s]: Kafka allows no '/' in names of topics."), "{log}");
    let setup =
        collector("kafka", "kafka_config_file: {dir}/kafka.conf").file("kafka.conf", "global, nonsense, 1\n");
    let log = start_error(&setup);
    assert!(log.contains("kafka_config_file[s]: nonsense=1: "), "{log}");
    // The test brokers create topics automatically; the client library simulates one that does not.
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("two", 2, 1).unwrap();
    let broker =
        format!("kafka_broker_host: {}\nkafka_topic: two\nkafka_partition: ", cluster.bootstrap_servers());
    let log = start_error(&collector("kafka", &format!("{broker}2")));
    assert!(log.contains("kafka_partition[s]: topic 'two' has no partition 2: it has 2"), "{log}");
    start(&collector("kafka", &format!("{broker}1"))).stop();
    cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let brokers = cluster.bootstrap_servers();
    let log = start_error(&collector("kafka", &format!("kafka_broker_host: {brokers}\nkafka_topic: nowhere")));
    assert!(log.contains("kafka_topic[s]: 'nowhere': ") && log.contains("Create it"), "{log}");
    let log = start_error(&collector("amqp", &format!("amqp_routing_key: {}", "k".repeat(256))));
    assert!(log.contains("amqp_routing_key[s]: ") && log.contains("256 octets"), "{log}");
    if let Some(server) = servers::rabbitmq() {
        let Address { host, port, .. } = &server.address;
        let lines = format!("amqp_host: {host}\namqp_port: {port}");
        let log = start_error(&collector("amqp", &lines).more_config("amqp_passwd: wrong"));
        assert!(log.contains("amqp_passwd[s]: "), "{log}");
        let log = start_error(&collector("amqp", &lines).more_config("amqp_vhost: nowhere"));
        assert!(log.contains("amqp_vhost[s]: "), "{log}");
        // An exchange that exists with another type.
        let exchange = servers::name("exchange");
        Queue::new(&server.address, &exchange, "k");
        let persistent = format!("{lines}\namqp_exchange: {exchange}\namqp_persistent_msg: ");
        let kinds = ["direct", "topic"].map(|kind| format!("amqp_exchange_type: {kind}"));
        start(&collector("amqp", &format!("{persistent}true")).more_config(&kinds[0])).stop();
        let log = start_error(&collector("amqp", &format!("{persistent}false")).more_config(&kinds[0]));
        assert!(log.contains("amqp_persistent_msg[s]: "), "{log}");
        let log = start_error(&collector("amqp", &format!("{persistent}true")).more_config(&kinds[1]));
        assert!(log.contains("amqp_exchange_type[s]: "), "{log}");
    }
}
