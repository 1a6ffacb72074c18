//! The plugins for databases and brokers, with real servers: what is sent arrives, in the configured form.
#![expect(clippy::unwrap_used, reason = "a test that cannot talk to its server has failed")]

use crate::clients::*;
use crate::support::{nfacctd, start, v5_of, web};
use serde_json::Value;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address};
use testkit::{Process, Setup, eventually};

#[test]
fn sqlite_gets_what_was_sent() {
    let setup = collector("sqlite3", "sql_db: {dir}/acct.db\nsql_table: acct");
    rusqlite::Connection::open(setup.path("acct.db")).unwrap().execute_batch(&table("acct", "sqlite")).unwrap();
    let process = start(&setup);
    send(&process, 3, |_| {});
    let finished = process.stop();
    assert_eq!(sqlite_rows(&setup.path("acct.db"), "acct"), expected(3), "{}", finished.log);
}

#[test]
fn rows_excluded_by_preprocess_go_to_the_recovery_server() {
    let setup = collector("sqlite3", "sql_db: {dir}/acct.db\nsql_backup_host: {dir}/rest.db\nsql_table: acct")
        .more_config("sql_preprocess: minp=4, recover=1");
    for name in ["acct.db", "rest.db"] {
        rusqlite::Connection::open(setup.path(name)).unwrap().execute_batch(&table("acct", "sqlite")).unwrap();
    }
    let process = start(&setup);
    let exporter = process.exporter("127.0.1.1");
    let of = |ports: std::ops::RangeInclusive<u16>| -> Traffic {
        ports.map(|port| ((format!("10.0.0.{}", port % 5), port), (port.into(), 100 * u64::from(port)))).collect()
    };
    let records: Vec<_> =
        (1..=30).map(|port| web(port as u8 % 5, port, port.into(), 100 * u32::from(port))).collect();
    exporter.send(&v5_of(&records));
    process.wait_for_datagrams(1);
    let written = |process: &Process| process.statistics().value_of("s", "aggregates_written");
    eventually("all are written", || (written(&process) == 30).then_some(()));
    assert_eq!(process.statistics().value_of("s", "aggregates_filtered"), 0);
    let finished = process.stop();
    assert_eq!(sqlite_rows(&setup.path("acct.db"), "acct"), of(4..=30), "{}", finished.log);
    assert_eq!(sqlite_rows(&setup.path("rest.db"), "acct"), of(1..=3), "{}", finished.log);
}

#[test]
fn postgresql_gets_what_was_sent() {
    let Some(server) = servers::postgres() else { return };
    let name = servers::name("acct");
    pgsql(&server.address, &table(&name, "pgsql"));
    let setup = collector("pgsql", &login(&server.address)).more_config(&format!("sql_table: {name}"));
    let process = start(&setup);
    send(&process, 3, |_| {});
    let finished = process.stop();
    assert_eq!(pgsql_rows(&server.address, &name), expected(3), "{}", finished.log);
}

#[test]
fn mariadb_gets_what_was_sent() {
    let Some(server) = servers::mariadb() else { return };
    let name = servers::name("acct");
    mysql_do(&server.address, &table(&name, "mysql"));
    let setup = collector("mysql", &login(&server.address)).more_config(&format!("sql_table: {name}"));
    let process = start(&setup);
    send(&process, 3, |_| {});
    let finished = process.stop();
    assert_eq!(mysql_rows(&server.address, &name), expected(3), "{}", finished.log);
}

#[test]
fn clickhouse_gets_what_was_sent() {
    let Some(server) = servers::clickhouse() else { return };
    let name = servers::name("acct");
    ask(&server.address, &summing(&name)).unwrap();
    let setup = collector("clickhouse", &login(&server.address)).more_config(&format!("sql_table: {name}"));
    let process = start(&setup);
    send(&process, 3, |_| {});
    let finished = process.stop();
    assert_eq!(clickhouse_rows(&server.address, &name), expected(3), "{}", finished.log);
    ask(&server.address, &format!("OPTIMIZE TABLE {name} FINAL")).unwrap();
    assert_eq!(ask(&server.address, &format!("SELECT count() FROM {name}")).unwrap(), "30\n");
}

#[test]
fn kafka_gets_what_was_sent() {
    let Some(server) = servers::kafka() else { return };
    let topic = servers::name("acct");
    server.create_topic(&topic);
    let Address { host, port, .. } = &server.address;
    let broker = format!("kafka_broker_host: {host}\nkafka_broker_port: {port}\nkafka_topic: {topic}");
    for lines in ["", "kafka_multi_values: 1000"] {
        let before = kafka_messages(&server.address, &topic).len();
        let process = start(&collector("kafka", &broker).more_config(lines));
        send(&process, 3, |_| {});
        let finished = process.stop();
        let messages = kafka_messages(&server.address, &topic).split_off(before);
        assert_eq!(added(json_of(&messages)), expected(3), "{}", finished.log);
        assert_eq!(messages.len() < 90, lines.contains("multi"), "{}", messages.len());
    }
}

#[test]
fn rabbitmq_gets_what_was_sent() {
    let Some(server) = servers::rabbitmq() else { return };
    let exchange = servers::name("exchange");
    let queue = Queue::new(&server.address, &exchange, "acct");
    let Address { host, port, .. } = &server.address;
    let lines =
        format!("amqp_host: {host}\namqp_port: {port}\namqp_exchange: {exchange}\namqp_persistent_msg: true");
    let process = start(&collector("amqp", &lines));
    send(&process, 3, |_| {});
    let finished = process.stop();
    assert_eq!(added(json_of(&queue.messages())), expected(3), "{}", finished.log);
}

#[test]
fn an_idle_connection_to_rabbitmq_stays_open() {
    let Some(server) = servers::rabbitmq() else { return };
    let exchange = servers::name("exchange");
    let queue = Queue::new(&server.address, &exchange, "acct");
    let Address { host, port, .. } = &server.address;
    let lines = format!(
        "amqp_host: {host}\namqp_port: {port}\namqp_exchange: {exchange}\namqp_persistent_msg: true\n\
         amqp_heartbeat_interval: 1"
    );
    let process = start(&collector("amqp", &lines));
    // A broker disconnects a client that sent nothing for two intervals.
    let began = std::time::Instant::now();
    eventually("silence", || (began.elapsed().as_secs() >= 6).then_some(()));
    send(&process, 1, |_| {});
    let finished = process.stop();
    assert!(!finished.log.contains("the connection to the broker is lost"), "{}", finished.log);
    assert_eq!(added(json_of(&queue.messages())), expected(1), "{}", finished.log);
}

#[test]
fn rabbitmq_gets_the_schema_periodically() {
    let Some(server) = servers::rabbitmq() else { return };
    let exchange = servers::name("exchange");
    let (queue, schemas) =
        (Queue::new(&server.address, &exchange, "acct"), Queue::new(&server.address, &exchange, "schema"));
    let Address { host, port, .. } = &server.address;
    let lines = format!(
        "amqp_host: {host}
         amqp_port: {port}
         amqp_exchange: {exchange}
         amqp_persistent_msg: true
         amqp_output: avro
         avro_schema_file: {{dir}}/schema.avsc
         amqp_avro_schema_refresh_time: 1"
    );
    let setup = collector("amqp", &lines).more_config("amqp_avro_schema_routing_key: schema");
    let process = start(&setup);
    send(&process, 1, |_| {});
    let mut messages = Vec::new();
    eventually("a third schema", || {
        messages.extend(schemas.messages());
        (messages.len() >= 3).then_some(())
    });
    let finished = process.stop();
    let schema = std::fs::read(setup.path("schema.avsc")).unwrap();
    assert!(messages.iter().all(|message| *message == schema), "{}", finished.log);
    assert_eq!(serde_json::from_slice::<Value>(&schema).unwrap()["name"], "acct_data");
    assert_eq!(queue.messages().len(), 30, "{}", finished.log);
    // No queue is bound.
    let process = start(&collector("amqp", &lines).more_config("amqp_avro_schema_routing_key: nowhere"));
    process.wait_for_log("refused by the store, a message without aggregates: no queue takes messages");
    // There is no schema.
    let process =
        start(&collector("amqp", &lines).more_config("amqp_output: json\namqp_avro_schema_routing_key: schema"));
    assert!(process.stop().log.contains("amqp_avro_schema_routing_key[s]: json has no schema. Ignored."));
    assert!(schemas.messages().is_empty());
}

/// Rows of the table of version 9, as `etc/sql` creates it.
fn rows_of_version_9(kind: &str, lines: &str) -> Setup {
    nfacctd(&format!(
        "plugins: {kind}[s]
         aggregate[s]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, src_as, dst_as, flows, tag, vlan
         sql_table_version[s]: 9
         sql_refresh_time[s]: 1
         sql_history[s]: 5m
         sql_history_roundoff[s]: m
         timestamps_utc: true"
    ))
    .more_config(lines)
}

#[test]
fn tables_of_the_predefined_schemas_are_written() {
    let statement = |dialect: &str| {
        let path = format!("{}/etc/sql/{dialect}/acct_v9.sql", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let columns = "ip_src, port_src, packets, bytes, ip_proto, tos, tcp_flags, as_src, as_dst, tag, flows";
    let expected = "10.0.0.1|1|6|600|tcp|184|27|64500|65000|0|3";

    let setup = rows_of_version_9("sqlite3", "sql_db: {dir}/acct.db");
    rusqlite::Connection::open(setup.path("acct.db")).unwrap().execute_batch(&statement("sqlite")).unwrap();
    let process = start(&setup);
    send(&process, 3, |_| {});
    let log = process.stop().log.clone();
    let database = rusqlite::Connection::open(setup.path("acct.db")).unwrap();
    let joined = columns.replace(", ", " || '|' || ");
    let row = format!("SELECT {joined} FROM acct_v9 WHERE port_src = 1");
    assert_eq!(database.query_row(&row, [], |row| row.get::<_, String>(0)).unwrap(), expected, "{log}");

    if let Some(server) = servers::postgres() {
        pgsql(&server.address, &statement("pgsql"));
        let process = start(&rows_of_version_9("pgsql", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        let row = format!("SELECT {} FROM acct_v9 WHERE port_src = 1", columns.replace("ip_src", "host(ip_src)"));
        let rows = pgsql(&server.address, &row);
        assert_eq!(rows[0].join("|"), expected.replace("tcp", "6"), "{log}");
    }
    if let Some(server) = servers::mariadb() {
        mysql_do(&server.address, &statement("mysql"));
        let process = start(&rows_of_version_9("mysql", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        use mysql::prelude::Queryable;
        let row = format!("SELECT CONCAT_WS('|', {columns}) FROM acct_v9 WHERE port_src = 1");
        let found: Option<String> = mysql_connection(&server.address).query_first(row).unwrap();
        assert_eq!(found.as_deref(), Some(expected), "{log}");
    }
    if let Some(server) = servers::clickhouse() {
        ask(&server.address, statement("clickhouse").rsplit("\n\n").next().unwrap()).unwrap();
        let process = start(&rows_of_version_9("clickhouse", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        let row = format!("SELECT {columns} FROM acct_v9 FINAL WHERE port_src = 1");
        let found = ask(&server.address, &row).unwrap();
        assert_eq!(found.trim_end().replace('\t', "|"), expected, "{log}");
    }
}

/// The distinct rows that a plugin wrote into a SQLite table with untyped columns, with values as `quote` renders them.
fn quoted(columns: &str, lines: &str) -> Vec<String> {
    let setup = nfacctd(
        "plugins: sqlite3[s]
         sql_db: {dir}/acct.db
         sql_table: t
         sql_refresh_time: 1
         sql_optimize_clauses: true",
    )
    .more_config(lines);
    let made = format!("CREATE TABLE t ({columns}, packets, bytes)");
    rusqlite::Connection::open(setup.path("acct.db")).unwrap().execute_batch(&made).unwrap();
    let process = start(&setup);
    send(&process, 2, |_| {});
    process.stop();
    let quotes: Vec<_> = columns.split(", ").map(|column| format!("quote({column})")).collect();
    let query = format!("SELECT DISTINCT {} FROM t ORDER BY 1", quotes.join(" || ' ' || "));
    let database = rusqlite::Connection::open(setup.path("acct.db")).unwrap();
    let mut statement = database.prepare(&query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn as_numbers_use_the_address_columns_below_version_6() {
    let columns = "ip_src, ip_dst, as_src, as_dst";
    let rows = quoted(columns, "aggregate: src_as, dst_as");
    assert_eq!(rows, ["64500 65000 NULL NULL"]);
    let rows = quoted(columns, "aggregate: src_as, dst_as\nsql_table_version: 6");
    assert_eq!(rows, ["NULL NULL 64500 65000"]);
    // One column cannot hold both.
    let rows = quoted(columns, "aggregate: src_as, dst_as, dst_host");
    assert_eq!(rows, ["NULL '192.0.2.1' 64500 65000"]);
}

#[test]
fn numeric_custom_primitives_are_stored_as_numbers() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "name=octets field_type=1 len=4 semantics=u_int\n").unwrap();
    let path = file.path().display();
    let rows = quoted("octets", &format!("aggregate: octets\naggregate_primitives: {path}"));
    assert_eq!(rows, ["100", "200"]);
}

#[test]
fn time_bins_begin_at_a_full_minute_without_a_roundoff() {
    let lines = "aggregate: proto\nsql_history: 1h\ntimestamps_since_epoch: true";
    let rows = quoted("stamp_inserted, ip_proto, stamp_updated", lines);
    let bin = |row: &String| row.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| bin(row) % 60 == 0), "{rows:?}");
}

#[test]
fn the_documented_examples_are_valid() {
    for document in ["stores", "sql", "kafka", "amqp", "print"] {
        let path = format!("{}/docs/{document}.md", env!("CARGO_MANIFEST_DIR"));
        let blocks = crate::maps::blocks(&std::fs::read_to_string(path).unwrap());
        let configs: Vec<_> = blocks.iter().filter(|(_, block)| block.starts_with("! ")).collect();
        assert!(!configs.is_empty(), "{document}");
        for (_, config) in configs {
            let config = config.replace("/etc/pmacct/", "{dir}/");
            let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd")).config(&config);
            let setup = setup.file("ca.pem", testkit::certificates::Authority::new().pem());
            let path = setup.config_path().display().to_string();
            let finished = setup.arguments(["-f", &path, "--check"]).run();
            assert_eq!(finished.code(), Some(0), "{document}: {}", finished.log);
            assert!(!finished.log.contains("WARN"), "{document}: {}", finished.log);
        }
    }
}

/// A datagram of agent 10.99.0.1 with VLAN counters.
pub(crate) fn counters() -> Vec<u8> {
    let kind = sflow::counters::kind(sflow::DataFormat::new(0, 5)).unwrap();
    let octets = sflow::counters::contents(kind, [6, 1000, 5, 6, 7, 8].map(sflow::Value::Number));
    let block = sflow::CounterBlock { format: kind.format, kind: Some(kind), octets: &octets };
    let head = sflow::CounterHead {
        format: sflow::DataFormat::COUNTERS,
        sequence: 11,
        source: sflow::SourceId { class: 0, index: 55 },
        interval_secs: None,
    };
    let mut datagram = sflow::encode::Datagram::v5(Some(std::net::Ipv4Addr::new(10, 99, 0, 1).into()), 0, 4, 1000);
    datagram.counters(&head, &[block]).unwrap();
    datagram.finish()
}

/// An sfacctd that writes counters to the destinations in these lines.
pub(crate) fn counter_collector(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config("sfacctd_ip: {ip}\nsfacctd_port: {port}\nplugins: print\nprint_refresh_time: 86400")
        .more_config(lines)
}

/// Sends counters, and compares them with the messages that arrived.
pub(crate) fn counters_arrive(setup: &Setup, messages: &dyn Fn() -> Vec<Vec<u8>>) {
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send(&counters());
    process.wait_for_datagrams(1);
    let log = process.stop().log.clone();
    let objects = json_of(&messages());
    assert_eq!(objects.len(), 2, "{log}");
    let fields = (&objects[0]["event_type"], &objects[1]["octets"]);
    assert_eq!(fields, (&"log_init".into(), &1000.into()), "{log}");
}

#[test]
fn sflow_counters_go_to_brokers() {
    if let Some(server) = servers::rabbitmq() {
        let exchange = servers::name("exchange");
        let queue = Queue::new(&server.address, &exchange, "counters.10_99_0_1");
        let Address { host, port, .. } = &server.address;
        let setup = counter_collector(&format!(
            "sfacctd_counter_amqp_host: {host}
             sfacctd_counter_amqp_port: {port}
             sfacctd_counter_amqp_exchange: {exchange}
             sfacctd_counter_amqp_persistent_msg: true
             sfacctd_counter_amqp_routing_key: counters.$peer_src_ip"
        ));
        counters_arrive(&setup, &|| queue.messages());
    }
    if let Some(server) = servers::kafka() {
        let topic = servers::name("counters");
        server.create_topic(&topic);
        let Address { host, port, .. } = &server.address;
        let setup = counter_collector(&format!(
            "sfacctd_counter_kafka_broker_host: {host}
             sfacctd_counter_kafka_broker_port: {port}
             sfacctd_counter_kafka_topic: {topic}"
        ));
        counters_arrive(&setup, &|| kafka_messages(&server.address, &topic));
    }
}
