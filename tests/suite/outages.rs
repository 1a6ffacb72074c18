//! Databases and brokers that are down, come back, or say no: nothing is lost, and nothing counted twice.

use crate::clients::*;
use crate::support::start;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaRespErr;
use testkit::process::Signal;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address, ClickHouse, Kafka, MariaDb, Postgres, RabbitMq, missing};
use testkit::{Process, Setup, eventually};

/// Rounds that a server is up, down, and up again for.
const ROUNDS: u32 = 6;

/// Sends rounds to a server that is down from the second to the fourth.
fn send_through_an_outage<S>(process: &Process, server: &mut S, kill: fn(&mut S), restart: fn(&mut S)) {
    send(process, ROUNDS, |number| match number {
        2 => kill(server),
        4 => restart(server),
        _ => {}
    });
}

#[test]
fn nothing_is_lost_or_counted_twice_when_postgresql_dies() {
    let Some(mut server) = Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    let address = server.address();
    pgsql(&address, &table("acct", "pgsql"));
    let setup = collector("pgsql", &login(&address)).more_config("sql_table: acct");
    let process = start(&setup);
    send_through_an_outage(&process, &mut server, Postgres::kill, Postgres::restart);
    let finished = process.stop();
    assert_eq!(pgsql_rows(&address, "acct"), expected(ROUNDS), "{}", finished.log);
    assert!(finished.log.contains("cannot write, trying again"), "{}", finished.log);
}

#[test]
fn nothing_is_lost_or_counted_twice_when_mariadb_dies() {
    let Some(mut server) = MariaDb::start() else { return missing("PMACCT_TEST_MYSQL") };
    let address = server.address();
    mysql_do(&address, &table("acct", "mysql"));
    let setup = collector("mysql", &login(&address)).more_config("sql_table: acct");
    let process = start(&setup);
    send_through_an_outage(&process, &mut server, MariaDb::kill, MariaDb::restart);
    let finished = process.stop();
    assert_eq!(mysql_rows(&address, "acct"), expected(ROUNDS), "{}", finished.log);
}

#[test]
fn nothing_is_lost_when_clickhouse_dies() {
    let Some(mut server) = ClickHouse::start() else { return missing("PMACCT_TEST_CLICKHOUSE") };
    let address = server.address();
    ask(&address, &summing("acct")).unwrap();
    let process = start(&collector("clickhouse", &login(&address)).more_config("sql_table: acct"));
    send(&process, ROUNDS, |number| match number {
        2 => {
            // An INSERT whose answer does not come is repeated, and this server cannot tell.
            eventually("two rounds", || (clickhouse_rows(&address, "acct") == expected(2)).then_some(()));
            server.kill();
        }
        4 => server.restart(),
        _ => {}
    });
    let finished = process.stop();
    assert_eq!(clickhouse_rows(&address, "acct"), expected(ROUNDS), "{}", finished.log);
    assert!(finished.log.contains("cannot write, trying again"), "{}", finished.log);
}

#[test]
fn nothing_is_lost_when_rabbitmq_dies() {
    let Some(mut server) = RabbitMq::start() else { return missing("PMACCT_TEST_AMQP") };
    let address = server.address();
    let queue = Queue::new(&address, "pmacct", "acct");
    let Address { host, port, .. } = &address;
    let lines = format!("amqp_host: {host}\namqp_port: {port}\namqp_persistent_msg: true");
    let process = start(&collector("amqp", &lines));
    send_through_an_outage(&process, &mut server, RabbitMq::kill, RabbitMq::restart);
    let finished = process.stop();
    assert_eq!(added(json_of(&queue.messages())), expected(ROUNDS), "{}", finished.log);
}

#[test]
fn nothing_is_lost_when_kafka_dies() {
    let Some(mut server) = Kafka::start() else { return missing("PMACCT_TEST_KAFKA") };
    let address = server.address();
    server.create_topic("acct");
    let Address { host, port, .. } = &address;
    let lines = format!(
        "kafka_broker_host: {host}\nkafka_broker_port: {port}\nkafka_topic: acct\nplugin_write_timeout: 60\nplugin_exit_timeout: 60"
    );
    let process = start(&collector("kafka", &lines));
    let mut messages = Vec::new();
    send(&process, ROUNDS, |number| match number {
        2 => {
            eventually("what was sent to be written", || {
                let statistics = process.statistics();
                let [handed, written] =
                    ["handed", "written"].map(|what| statistics.value_of("s", &format!("aggregates_{what}")));
                (handed == written).then_some(())
            });
            // This broker keeps messages in memory: what it has confirmed is read before it goes.
            messages = kafka_messages(&address, "acct");
            server.kill();
        }
        4 => {
            // It confirms messages for topics that are not there, and forgets them: the daemon must not be first.
            process.signal(Signal::SIGSTOP);
            server.restart();
            server.create_topic("acct");
            process.signal(Signal::SIGCONT);
        }
        _ => {}
    });
    let finished = process.stop();
    messages.extend(kafka_messages(&address, "acct"));
    assert_eq!(added(json_of(&messages)), expected(ROUNDS), "{}", finished.log);
}

#[test]
fn what_waits_on_disk_survives_the_daemon() {
    let Some(mut server) = Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    let address = server.address();
    pgsql(&address, &table("acct", "pgsql"));
    let setup = collector("pgsql", &login(&address))
        .more_config("sql_table: acct\nplugin_spool_dir: {dir}/spool\nplugin_write_timeout: 2");
    let on_disk = || {
        let spool = std::fs::read_dir(setup.path("spool/s-pgsql")).into_iter().flatten().filter_map(Result::ok);
        spool.filter(|entry| entry.file_name().to_string_lossy().ends_with(".parcel")).count()
    };
    let process = start(&setup);
    send(&process, 2, |number| {
        if number == 1 {
            // So that what is on disk later is of the second round.
            eventually("the first round in the table", || {
                (pgsql_rows(&address, "acct") == expected(1)).then_some(())
            });
            eventually("an empty spool", || (on_disk() == 0).then_some(()));
            server.kill();
        }
    });
    // What is in a purge is on disk: a kill costs nothing of it.
    eventually("the second round on disk", || (on_disk() > 0).then_some(()));
    drop(process);
    server.restart();
    let process = start(&setup);
    eventually("what waited to be written", || (pgsql_rows(&address, "acct") == expected(2)).then_some(()));
    let finished = process.stop();
    assert!(finished.log.contains("found in the spool"), "{}", finished.log);
}

#[test]
fn a_server_that_is_down_at_the_start_delays_nothing() {
    let setup = collector("pgsql", "sql_host: 127.0.0.1\nsql_port: 1\nsql_table: acct\nplugin_write_timeout: 1");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&round(1));
    process.wait_for_datagrams(1);
    let finished = process.stop();
    assert!(finished.log.contains("cannot be reached yet"), "{}", finished.log);
    assert!(finished.log.contains("given up: not written before the end"), "{}", finished.log);
}

/// A daemon that says why it does not start.
pub(crate) fn refused(setup: &Setup) -> String {
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    finished.log.clone()
}

#[test]
fn what_a_server_says_no_to_is_named_at_the_start() {
    let setup = collector("sqlite3", "sql_db: {dir}/acct.db\nsql_table: missing");
    let log = refused(&setup);
    assert!(log.contains("sql_table[s]: ") && log.contains("no such table"), "{log}");
    let log = refused(&collector("sqlite3", "sql_db: /nonexistent/acct.db\nsql_table: acct"));
    assert!(log.contains("sql_db[s]: '/nonexistent/acct.db'"), "{log}");
    if let Some(server) = servers::postgres() {
        let login = login(&server.address);
        let log = refused(&collector("pgsql", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: ") && log.contains("password authentication failed"), "{log}");
        let log = refused(&collector("pgsql", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: ") && log.contains("missing"), "{log}");
        let log = refused(&collector("pgsql", &login).more_config("sql_db: nowhere\nsql_table: missing"));
        assert!(log.contains("sql_db[s]: "), "{log}");
    }
    if let Some(server) = servers::mariadb() {
        let login = login(&server.address);
        let log = refused(&collector("mysql", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: ") && log.contains("Access denied"), "{log}");
        let log = refused(&collector("mysql", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: "), "{log}");
    }
    if let Some(server) = servers::clickhouse() {
        let login = login(&server.address);
        let log = refused(&collector("clickhouse", &login).more_config("sql_passwd: wrong\nsql_table: x"));
        assert!(log.contains("sql_passwd[s]: Wrong password for user pmacct"), "{log}");
        let log = refused(&collector("clickhouse", &login).more_config("sql_table: missing"));
        assert!(log.contains("sql_table[s]: Table default.missing doesn't exist"), "{log}");
        let log = refused(&collector("clickhouse", &login).more_config("sql_db: nowhere\nsql_table: missing"));
        assert!(log.contains("sql_db[s]: Database nowhere doesn't exist"), "{log}");
    }
    let log = refused(&collector("kafka", "kafka_topic: a/b"));
    assert!(log.contains("kafka_topic[s]: Kafka allows no '/' in names of topics."), "{log}");
    let setup =
        collector("kafka", "kafka_config_file: {dir}/kafka.conf").file("kafka.conf", "global, nonsense, 1\n");
    let log = refused(&setup);
    assert!(log.contains("kafka_config_file[s]: nonsense=1: "), "{log}");
    // Brokers of tests make topics by themselves; one that does not is acted by the client library.
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("two", 2, 1).unwrap();
    let broker =
        format!("kafka_broker_host: {}\nkafka_topic: two\nkafka_partition: ", cluster.bootstrap_servers());
    let log = refused(&collector("kafka", &format!("{broker}2")));
    assert!(log.contains("kafka_partition[s]: topic 'two' has no partition 2: it has 2"), "{log}");
    start(&collector("kafka", &format!("{broker}1"))).stop();
    cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let brokers = cluster.bootstrap_servers();
    let log = refused(&collector("kafka", &format!("kafka_broker_host: {brokers}\nkafka_topic: nowhere")));
    assert!(log.contains("kafka_topic[s]: 'nowhere': ") && log.contains("Create it"), "{log}");
    let log = refused(&collector("amqp", &format!("amqp_routing_key: {}", "k".repeat(256))));
    assert!(log.contains("amqp_routing_key[s]: it has 256 octets."), "{log}");
    if let Some(server) = servers::rabbitmq() {
        let Address { host, port, .. } = &server.address;
        let lines = format!("amqp_host: {host}\namqp_port: {port}");
        let log = refused(&collector("amqp", &lines).more_config("amqp_passwd: wrong"));
        assert!(log.contains("amqp_passwd[s]: "), "{log}");
        let log = refused(&collector("amqp", &lines).more_config("amqp_vhost: nowhere"));
        assert!(log.contains("amqp_vhost[s]: "), "{log}");
        // An exchange that is there already, and of another kind.
        let exchange = servers::name("exchange");
        Queue::new(&server.address, &exchange, "k");
        let persistent = format!("{lines}\namqp_exchange: {exchange}\namqp_persistent_msg: ");
        let kinds = ["direct", "topic"].map(|kind| format!("amqp_exchange_type: {kind}"));
        start(&collector("amqp", &format!("{persistent}true")).more_config(&kinds[0])).stop();
        let log = refused(&collector("amqp", &format!("{persistent}false")).more_config(&kinds[0]));
        assert!(log.contains("amqp_persistent_msg[s]: "), "{log}");
        let log = refused(&collector("amqp", &format!("{persistent}true")).more_config(&kinds[1]));
        assert!(log.contains("amqp_exchange_type[s]: "), "{log}");
    }
}
