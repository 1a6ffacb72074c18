//! The plugins for databases and brokers, with real servers: what is sent arrives, whatever happens to the server.
#![expect(clippy::unwrap_used, reason = "a test that cannot talk to its server has failed")]

use crate::support::{nfacctd, start, v5_of, web};
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use testkit::process::Signal;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address, ClickHouse, Kafka, MariaDb, Postgres, RabbitMq, missing};
use testkit::{Process, Setup, eventually};

/// Packets and bytes by source address and port.
pub(crate) type Traffic = BTreeMap<(String, u16), (u64, u64)>;

/// Tables with a key, so that rows are added to; the types are those of the known shapes.
const TABLE: &str = "CREATE TABLE %t (ip_src CHAR(45) NOT NULL, src_port INT NOT NULL, packets BIGINT NOT NULL, \
                     bytes BIGINT NOT NULL, stamp_inserted %d NOT NULL, stamp_updated %d, \
                     PRIMARY KEY (ip_src, src_port, stamp_inserted))";

fn table(name: &str, dialect: &str) -> String {
    let (time, address) = match dialect {
        "pgsql" => ("timestamp without time zone", "inet"),
        _ => ("DATETIME", "CHAR(45)"),
    };
    let text = TABLE.replace("%t", name).replace("%d", time).replace("CHAR(45)", address);
    // PostgreSQL names the ports in its own way.
    if dialect == "pgsql" { text.replace("src_port", "port_src") } else { text }
}

/// A collector of sources and their ports with that plugin.
pub(crate) fn collector(kind: &str, lines: &str) -> Setup {
    nfacctd(&format!(
        "plugins: {kind}[s]
         aggregate[s]: src_host, src_port
         sql_refresh_time[s]: 1
         sql_history[s]: 1M
         sql_history_roundoff[s]: M
         sql_optimize_clauses[s]: true
         timestamps_utc: true
         plugin_write_timeout: 10"
    ))
    .more_config(lines)
}

/// Lines that say where a server is.
pub(crate) fn login(address: &Address) -> String {
    let Address { host, port, user, password, database } = address;
    format!("sql_host: {host}\nsql_port: {port}\nsql_user: {user}\nsql_passwd: {password}\nsql_db: {database}")
}

/// A datagram of 30 records of that round, the same keys each time.
fn round(number: u32) -> Vec<u8> {
    let records: Vec<_> = (1..=30).map(|port| web(port as u8 % 5, port, number, 100 * number)).collect();
    v5_of(&records)
}

/// What so many rounds add up to.
pub(crate) fn expected(rounds: u32) -> Traffic {
    let sum: u64 = (1..=u64::from(rounds)).sum();
    (1..=30).map(|port: u16| ((format!("10.0.0.{}", port % 5), port), (sum, 100 * sum))).collect()
}

/// Sends rounds, each after the one before was written or failed to be.
pub(crate) fn send(process: &Process, rounds: u32, mut between: impl FnMut(u32)) {
    let exporter = process.exporter("127.0.1.1");
    for number in 1..=rounds {
        exporter.send(&round(number));
        let statistics = process.wait_for_datagrams(u64::from(number));
        let handed = statistics.value_of("s", "aggregates_handed");
        eventually("a purge", || (process.statistics().value_of("s", "aggregates_handed") > handed).then_some(()));
        between(number);
    }
}

fn sqlite_rows(path: &Path, table: &str) -> Traffic {
    let database = rusqlite::Connection::open(path).unwrap();
    let query = format!("SELECT ip_src, src_port, SUM(packets), SUM(bytes) FROM {table} GROUP BY 1, 2");
    let mut statement = database.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(((row.get(0)?, row.get(1)?), (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Runs statements, and returns the rows of the last one as texts.
fn pgsql(address: &Address, statements: &str) -> Vec<Vec<String>> {
    runtime().block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host(&address.host).port(address.port).user(&address.user).password(&address.password);
        config.dbname(&address.database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let answers = client.simple_query(statements).await.unwrap();
        let row = |row: &tokio_postgres::SimpleQueryRow| {
            (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect()
        };
        answers
            .iter()
            .filter_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(found) => Some(row(found)),
                _ => None,
            })
            .collect()
    })
}

fn traffic(rows: Vec<Vec<String>>) -> Traffic {
    let number = |text: &str| text.parse().unwrap();
    let row = |row: Vec<String>| ((row[0].clone(), row[1].parse().unwrap()), (number(&row[2]), number(&row[3])));
    rows.into_iter().map(row).collect()
}

fn pgsql_rows(address: &Address, table: &str) -> Traffic {
    let query = format!("SELECT host(ip_src), port_src, SUM(packets), SUM(bytes) FROM {table} GROUP BY 1, 2");
    traffic(pgsql(address, &query))
}

fn mysql_pool(address: &Address) -> mysql::Conn {
    let options = mysql::OptsBuilder::new()
        .ip_or_hostname(Some(address.host.clone()))
        .tcp_port(address.port)
        .user(Some(address.user.clone()))
        .pass(Some(address.password.clone()))
        .db_name(Some(address.database.clone()))
        .prefer_socket(false);
    mysql::Conn::new(options).unwrap()
}

fn mysql_do(address: &Address, statement: &str) {
    use mysql::prelude::Queryable;
    mysql_pool(address).query_drop(statement).unwrap();
}

fn mysql_rows(address: &Address, table: &str) -> Traffic {
    use mysql::prelude::Queryable;
    let query = format!(
        "SELECT ip_src, src_port, CAST(SUM(packets) AS UNSIGNED), CAST(SUM(bytes) AS UNSIGNED) FROM {table} GROUP BY 1, 2"
    );
    let rows: Vec<(String, u16, u64, u64)> = mysql_pool(address).query(query).unwrap();
    rows.into_iter().map(|(ip, port, packets, bytes)| ((ip, port), (packets, bytes))).collect()
}

/// Sums of JSON objects.
pub(crate) fn added(objects: impl IntoIterator<Item = Value>) -> Traffic {
    let mut traffic = Traffic::new();
    for object in objects {
        let key = (object["ip_src"].as_str().unwrap().to_owned(), object["port_src"].as_u64().unwrap() as u16);
        let sum = traffic.entry(key).or_default();
        sum.0 += object["packets"].as_u64().unwrap();
        sum.1 += object["bytes"].as_u64().unwrap();
    }
    traffic
}

/// Messages of a topic so far: payloads, each id once.
fn kafka_messages(address: &Address, topic: &str) -> Vec<Vec<u8>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("{}:{}", address.host, address.port));
    kafka_messages_by(config, topic)
}

/// The same, by a client of that configuration.
pub(crate) fn kafka_messages_by(mut config: ClientConfig, topic: &str) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer =
        config.set("group.id", "test").set("enable.auto.commit", "false").create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let (mut messages, mut ids) = (Vec::new(), BTreeSet::new());
    // The end of a topic is not told by all brokers: it is where nothing comes any more.
    while let Some(message) = consumer.poll(Duration::from_secs(2)) {
        let message = message.unwrap();
        let id = message.headers().unwrap().get_as::<str>(0).unwrap();
        assert_eq!(id.key, "pmacct-id");
        if ids.insert(id.value.unwrap().to_owned()) {
            messages.push(message.payload().unwrap().to_vec());
        }
    }
    messages
}

pub(crate) fn json_of(messages: &[Vec<u8>]) -> Vec<Value> {
    let lines = messages.iter().flat_map(|message| message.split(|octet| *octet == b'\n'));
    lines.filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// A durable queue that gets what comes to an exchange.
pub(crate) struct Queue {
    runtime: tokio::runtime::Runtime,
    address: Address,
    name: String,
}

impl Queue {
    pub(crate) fn new(address: &Address, exchange: &str, key: &str) -> Self {
        let queue = Self { runtime: runtime(), address: address.clone(), name: servers::name("queue") };
        let channel = queue.channel();
        queue.runtime.block_on(async {
            let options = lapin::options::ExchangeDeclareOptions { durable: true, ..Default::default() };
            let kind = lapin::ExchangeKind::Direct;
            channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await.unwrap();
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let name = queue.name.as_str();
            channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
            channel
                .queue_bind(
                    name.into(),
                    exchange.into(),
                    key.into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .unwrap();
        });
        queue
    }

    fn channel(&self) -> lapin::Channel {
        let Address { host, port, user, password, .. } = &self.address;
        let url = format!("amqp://{user}:{password}@{host}:{port}/%2f");
        self.runtime.block_on(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
            connection.create_channel().await.unwrap()
        })
    }

    /// What is in the queue: payloads, each id once.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let channel = self.channel();
        self.runtime.block_on(async {
            let (mut messages, mut ids) = (Vec::new(), BTreeSet::new());
            while let Some(message) =
                channel.basic_get(self.name.as_str().into(), BasicGetOptions::default()).await.unwrap()
            {
                let id = message.delivery.properties.message_id().as_ref().unwrap().to_string();
                if ids.insert(id) {
                    messages.push(message.delivery.data.clone());
                }
                message.delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
            }
            messages
        })
    }
}

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
fn what_conditions_keep_out_goes_to_the_backup() {
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
    assert_eq!(process.statistics().value_of("s", "aggregates_left_out"), 0);
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

/// A table that adds rows up by itself.
fn summing(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (ip_src String, src_port UInt16, packets UInt64, bytes UInt64, stamp_inserted DateTime, \
         stamp_updated DateTime) ENGINE = SummingMergeTree((packets, bytes)) ORDER BY (ip_src, src_port, stamp_inserted)"
    )
}

fn clickhouse_rows(address: &Address, table: &str) -> Traffic {
    let query =
        format!("SELECT ip_src, src_port, sum(packets), sum(bytes) FROM {table} GROUP BY ip_src, src_port");
    let answer = ask(address, &query).unwrap();
    traffic(answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
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
fn rabbitmq_gets_the_schema_again_and_again() {
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
    let mut told = Vec::new();
    eventually("a third schema", || {
        told.extend(schemas.messages());
        (told.len() >= 3).then_some(())
    });
    let finished = process.stop();
    let schema = std::fs::read(setup.path("schema.avsc")).unwrap();
    assert!(told.iter().all(|message| *message == schema), "{}", finished.log);
    assert_eq!(serde_json::from_slice::<Value>(&schema).unwrap()["name"], "acct_data");
    assert_eq!(queue.messages().len(), 30, "{}", finished.log);
    // Nobody listens.
    let process = start(&collector("amqp", &lines).more_config("amqp_avro_schema_routing_key: nowhere"));
    process.wait_for_log("refused by the store, a message without aggregates: no queue takes messages");
    // There is none.
    let process =
        start(&collector("amqp", &lines).more_config("amqp_output: json\namqp_avro_schema_routing_key: schema"));
    assert!(process.stop().log.contains("amqp_avro_schema_routing_key[s]: json has no schema. Ignored."));
    assert!(schemas.messages().is_empty());
}

/// Rows of the shape of version 9, as `etc/sql` makes it.
fn in_shape_9(kind: &str, lines: &str) -> Setup {
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
fn tables_of_the_known_shapes_are_written() {
    let statement = |dialect: &str| {
        let path = format!("{}/etc/sql/{dialect}/acct_v9.sql", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let columns = "ip_src, port_src, packets, bytes, ip_proto, tos, tcp_flags, as_src, as_dst, tag, flows";
    let expected = "10.0.0.1|1|6|600|tcp|184|27|64500|65000|0|3";

    let setup = in_shape_9("sqlite3", "sql_db: {dir}/acct.db");
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
        let process = start(&in_shape_9("pgsql", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        let row = format!("SELECT {} FROM acct_v9 WHERE port_src = 1", columns.replace("ip_src", "host(ip_src)"));
        let rows = pgsql(&server.address, &row);
        assert_eq!(rows[0].join("|"), expected.replace("tcp", "6"), "{log}");
    }
    if let Some(server) = servers::mariadb() {
        mysql_do(&server.address, &statement("mysql"));
        let process = start(&in_shape_9("mysql", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        use mysql::prelude::Queryable;
        let row = format!("SELECT CONCAT_WS('|', {columns}) FROM acct_v9 WHERE port_src = 1");
        let found: Option<String> = mysql_pool(&server.address).query_first(row).unwrap();
        assert_eq!(found.as_deref(), Some(expected), "{log}");
    }
    if let Some(server) = servers::clickhouse() {
        ask(&server.address, statement("clickhouse").rsplit("\n\n").next().unwrap()).unwrap();
        let process = start(&in_shape_9("clickhouse", &login(&server.address)));
        send(&process, 3, |_| {});
        let log = process.stop().log.clone();
        let row = format!("SELECT {columns} FROM acct_v9 FINAL WHERE port_src = 1");
        let found = ask(&server.address, &row).unwrap();
        assert_eq!(found.trim_end().replace('\t', "|"), expected, "{log}");
    }
}

/// What a plugin wrote into a SQLite table of columns without types: different rows, with values as `quote` shows them.
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
fn as_numbers_are_in_the_columns_of_addresses_below_version_6() {
    let columns = "ip_src, ip_dst, as_src, as_dst";
    let rows = quoted(columns, "aggregate: src_as, dst_as");
    assert_eq!(rows, ["64500 65000 NULL NULL"]);
    let rows = quoted(columns, "aggregate: src_as, dst_as\nsql_table_version: 6");
    assert_eq!(rows, ["NULL NULL 64500 65000"]);
    // One column cannot have both.
    let rows = quoted(columns, "aggregate: src_as, dst_as, dst_host");
    assert_eq!(rows, ["NULL '192.0.2.1' 64500 65000"]);
}

#[test]
fn numbers_of_custom_primitives_are_numbers() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "name=octets field_type=1 len=4 semantics=u_int\n").unwrap();
    let path = file.path().display();
    let rows = quoted("octets", &format!("aggregate: octets\naggregate_primitives: {path}"));
    assert_eq!(rows, ["100", "200"]);
}

#[test]
fn bins_begin_at_a_full_minute_without_a_roundoff() {
    let lines = "aggregate: proto\nsql_history: 1h\ntimestamps_since_epoch: true";
    let rows = quoted("stamp_inserted, ip_proto, stamp_updated", lines);
    let bin = |row: &String| row.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| bin(row) % 60 == 0), "{rows:?}");
}

/// Rounds that a server is up, down, and up again for.
const ROUNDS: u32 = 6;

#[test]
fn nothing_is_lost_or_counted_twice_when_postgresql_dies() {
    let Some(mut server) = Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    let address = server.address();
    pgsql(&address, &table("acct", "pgsql"));
    let setup = collector("pgsql", &login(&address)).more_config("sql_table: acct");
    let process = start(&setup);
    send(&process, ROUNDS, |number| match number {
        2 => server.kill(),
        4 => server.restart(),
        _ => {}
    });
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
    send(&process, ROUNDS, |number| match number {
        2 => server.kill(),
        4 => server.restart(),
        _ => {}
    });
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
    send(&process, ROUNDS, |number| match number {
        2 => server.kill(),
        4 => server.restart(),
        _ => {}
    });
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
        "kafka_broker_host: {host}\nkafka_broker_port: {port}\nkafka_topic: acct\nplugin_write_timeout: 60"
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
    let process = start(&setup);
    send(&process, 2, |number| {
        if number == 1 {
            server.kill();
        }
    });
    // What is in a purge is on disk: a kill costs nothing of it.
    eventually("parcels on disk", || {
        let spool = std::fs::read_dir(setup.path("spool/s-pgsql")).ok()?;
        spool
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().ends_with(".parcel"))
            .then_some(())
    });
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
    }
}

#[test]
fn the_examples_of_the_documents_are_good() {
    for document in ["stores", "sql", "kafka", "amqp", "print"] {
        let path = format!("{}/docs/{document}.md", env!("CARGO_MANIFEST_DIR"));
        let blocks = crate::maps::blocks(&std::fs::read_to_string(path).unwrap());
        let configs: Vec<_> = blocks.iter().filter(|(_, block)| block.starts_with("! ")).collect();
        assert!(!configs.is_empty(), "{document}");
        for (_, config) in configs {
            let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd")).config(config);
            let path = setup.config_path().display().to_string();
            let finished = setup.arguments(["-f", &path, "--check"]).run();
            assert_eq!(finished.code(), Some(0), "{document}: {}", finished.log);
            assert!(!finished.log.contains("WARN"), "{document}: {}", finished.log);
        }
    }
}

/// A datagram of agent 10.99.0.1 with counters of a VLAN.
fn counters() -> Vec<u8> {
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

/// An sfacctd that writes counters where these lines say.
pub(crate) fn counter_collector(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config("sfacctd_ip: {ip}\nsfacctd_port: {port}\nplugins: print\nprint_refresh_time: 86400")
        .more_config(lines)
}

/// Sends counters, and compares them with what arrived.
pub(crate) fn counters_arrive(setup: &Setup, messages: &dyn Fn() -> Vec<Vec<u8>>) {
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send(&counters());
    process.wait_for_datagrams(1);
    let log = process.stop().log.clone();
    let objects = json_of(&messages());
    assert_eq!(objects.len(), 2, "{log}");
    let told = (&objects[0]["event_type"], &objects[1]["octets"]);
    assert_eq!(told, (&"log_init".into(), &1000.into()), "{log}");
}

#[test]
fn counters_of_agents_go_to_brokers() {
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
