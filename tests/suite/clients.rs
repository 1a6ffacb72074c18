//! Clients of databases and brokers, which read back what a daemon wrote.
#![expect(clippy::unwrap_used, reason = "a test that cannot talk to its server has failed")]

use crate::support::{nfacctd, v5_of, web};
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address};
use testkit::{Process, Setup, eventually};

/// Packets and bytes by source address and port.
pub(crate) type Traffic = BTreeMap<(String, u16), (u64, u64)>;

/// Tables with a key, so that rows are updated; the types are those of the predefined schemas.
pub(crate) const TABLE: &str = "CREATE TABLE %t (ip_src CHAR(45) NOT NULL, src_port INT NOT NULL, packets BIGINT NOT NULL, \
                     bytes BIGINT NOT NULL, stamp_inserted %d NOT NULL, stamp_updated %d, \
                     PRIMARY KEY (ip_src, src_port, stamp_inserted))";

pub(crate) fn table(name: &str, dialect: &str) -> String {
    let (time, address) = match dialect {
        "pgsql" => ("timestamp without time zone", "inet"),
        _ => ("DATETIME", "CHAR(45)"),
    };
    let text = TABLE.replace("%t", name).replace("%d", time).replace("CHAR(45)", address);
    // PostgreSQL has other names for the port columns.
    if dialect == "pgsql" { text.replace("src_port", "port_src") } else { text }
}

/// A collector with that plugin, which aggregates by source address and port.
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

/// Configuration lines with a server's address and login.
pub(crate) fn login(address: &Address) -> String {
    let Address { host, port, user, password, database } = address;
    format!("sql_host: {host}\nsql_port: {port}\nsql_user: {user}\nsql_passwd: {password}\nsql_db: {database}")
}

/// Records per round.
pub(crate) const RECORDS: u16 = 30;

/// The datagram of a round; all rounds have the same keys.
pub(crate) fn round(number: u32) -> Vec<u8> {
    let records: Vec<_> = (1..=RECORDS).map(|port| web(port as u8 % 5, port, number, 100 * number)).collect();
    v5_of(&records)
}

/// The sums over `rounds` rounds.
pub(crate) fn expected(rounds: u32) -> Traffic {
    let sum: u64 = (1..=u64::from(rounds)).sum();
    (1..=RECORDS).map(|port| ((format!("10.0.0.{}", port % 5), port), (sum, 100 * sum))).collect()
}

/// Sends rounds, each after the previous one was handed to its plugin.
pub(crate) fn send(process: &Process, rounds: u32, mut between: impl FnMut(u32)) {
    let exporter = process.exporter("127.0.1.1");
    let handed = || process.statistics().value_of("s", "aggregates_handed");
    for number in 1..=rounds {
        let before = handed();
        exporter.send(&round(number));
        // The records of a round are one datagram, so one purge has all of them.
        eventually("a purge", || (handed() > before).then_some(()));
        between(number);
    }
}

pub(crate) fn sqlite_rows(path: &Path, table: &str) -> Traffic {
    let database = rusqlite::Connection::open(path).unwrap();
    let query = format!("SELECT ip_src, src_port, SUM(packets), SUM(bytes) FROM {table} GROUP BY 1, 2");
    let mut statement = database.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(((row.get(0)?, row.get(1)?), (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Runs statements, and returns the rows of the last one as strings.
pub(crate) fn pgsql(address: &Address, statements: &str) -> Vec<Vec<String>> {
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

pub(crate) fn traffic(rows: Vec<Vec<String>>) -> Traffic {
    let number = |text: &str| text.parse().unwrap();
    let row = |row: Vec<String>| ((row[0].clone(), row[1].parse().unwrap()), (number(&row[2]), number(&row[3])));
    rows.into_iter().map(row).collect()
}

/// An open connection to PostgreSQL, in the state that its statements left.
pub(crate) struct Held {
    _client: tokio_postgres::Client,
    _runtime: tokio::runtime::Runtime,
}

/// Runs statements and keeps the connection open.
pub(crate) fn hold(address: &Address, statements: &str) -> Held {
    let runtime = runtime();
    let client = runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host(&address.host).port(address.port).user(&address.user).password(&address.password);
        config.dbname(&address.database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        client
    });
    Held { _client: client, _runtime: runtime }
}

pub(crate) fn pgsql_rows(address: &Address, table: &str) -> Traffic {
    let query = format!("SELECT host(ip_src), port_src, SUM(packets), SUM(bytes) FROM {table} GROUP BY 1, 2");
    traffic(pgsql(address, &query))
}

pub(crate) fn mysql_connection(address: &Address) -> mysql::Conn {
    let options = mysql::OptsBuilder::new()
        .ip_or_hostname(Some(address.host.clone()))
        .tcp_port(address.port)
        .user(Some(address.user.clone()))
        .pass(Some(address.password.clone()))
        .db_name(Some(address.database.clone()))
        .prefer_socket(false);
    mysql::Conn::new(options).unwrap()
}

pub(crate) fn mysql_do(address: &Address, statement: &str) {
    use mysql::prelude::Queryable;
    mysql_connection(address).query_drop(statement).unwrap();
}

pub(crate) fn mysql_rows(address: &Address, table: &str) -> Traffic {
    use mysql::prelude::Queryable;
    let query = format!(
        "SELECT ip_src, src_port, CAST(SUM(packets) AS UNSIGNED), CAST(SUM(bytes) AS UNSIGNED) FROM {table} GROUP BY 1, 2"
    );
    let rows: Vec<(String, u16, u64, u64)> = mysql_connection(address).query(query).unwrap();
    rows.into_iter().map(|(ip, port, packets, bytes)| ((ip, port), (packets, bytes))).collect()
}

/// Sums over JSON objects.
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

/// The payloads of all messages of a topic so far, once per message id.
pub(crate) fn kafka_messages(address: &Address, topic: &str) -> Vec<Vec<u8>> {
    once(kafka_messages_by_id(address, topic))
}

/// All messages with their ids, duplicates included.
pub(crate) fn kafka_messages_by_id(address: &Address, topic: &str) -> Vec<(String, Vec<u8>)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("{}:{}", address.host, address.port));
    kafka_read(config, topic)
}

/// The messages of a topic, read by a client with that configuration.
pub(crate) fn kafka_messages_by(config: ClientConfig, topic: &str) -> Vec<Vec<u8>> {
    once(kafka_read(config, topic))
}

/// The payloads in order, once per message id.
fn once(messages: Vec<(String, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut ids = BTreeSet::new();
    messages.into_iter().filter_map(|(id, payload)| ids.insert(id).then_some(payload)).collect()
}

fn kafka_read(mut config: ClientConfig, topic: &str) -> Vec<(String, Vec<u8>)> {
    let consumer: BaseConsumer =
        config.set("group.id", "test").set("enable.auto.commit", "false").create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut messages = Vec::new();
    // Not all brokers report the end of a topic: it is reached when no more messages arrive.
    while let Some(message) = consumer.poll(Duration::from_secs(2)) {
        let message = message.unwrap();
        let id = message.headers().unwrap().get_as::<str>(0).unwrap();
        assert_eq!(id.key, "pmacct-id");
        messages.push((id.value.unwrap().to_owned(), message.payload().unwrap().to_vec()));
    }
    messages
}

pub(crate) fn json_of(messages: &[Vec<u8>]) -> Vec<Value> {
    let lines = messages.iter().flat_map(|message| message.split(|octet| *octet == b'\n'));
    lines.filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// A durable queue bound to an exchange.
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

    /// The payloads in the queue, once per message id.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        once(self.messages_by_id())
    }

    /// All messages with their ids, duplicates included.
    pub(crate) fn messages_by_id(&self) -> Vec<(String, Vec<u8>)> {
        let channel = self.channel();
        self.runtime.block_on(async {
            let mut messages = Vec::new();
            while let Some(message) =
                channel.basic_get(self.name.as_str().into(), BasicGetOptions::default()).await.unwrap()
            {
                let id = message.delivery.properties.message_id().as_ref().unwrap().to_string();
                messages.push((id, message.delivery.data.clone()));
                message.delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
            }
            messages
        })
    }
}

/// A table that sums rows by itself.
pub(crate) fn summing(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (ip_src String, src_port UInt16, packets UInt64, bytes UInt64, stamp_inserted DateTime, \
         stamp_updated DateTime) ENGINE = SummingMergeTree((packets, bytes)) ORDER BY (ip_src, src_port, stamp_inserted)"
    )
}

pub(crate) fn clickhouse_rows(address: &Address, table: &str) -> Traffic {
    let query =
        format!("SELECT ip_src, src_port, sum(packets), sum(bytes) FROM {table} GROUP BY ip_src, src_port");
    let answer = ask(address, &query).unwrap();
    traffic(answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
