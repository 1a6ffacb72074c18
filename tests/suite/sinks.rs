//! Runs the compliance test [`crate::sink_contract`] against every sink.
#![expect(clippy::unwrap_used, reason = "a test that cannot read what was written has failed")]

use crate::clients::*;
use crate::sink_contract::{Kept, SinkUnderTest, check};
use crate::support::nfacctd;
use std::collections::BTreeMap;
use std::path::PathBuf;
use testkit::process::Signal;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Address, ClickHouse, Kafka, MariaDb, Postgres, RabbitMq, missing};
use testkit::{Process, Setup, output};

/// The formats of the print plugin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Avro,
    Parquet,
}

/// Files in a folder that the test can remove.
struct Print {
    format: Format,
    setup: Option<Setup>,
}

impl Print {
    fn new(format: Format) -> Self {
        Self { format, setup: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.setup.as_ref().unwrap().path(name)
    }
}

impl SinkUnderTest for Print {
    fn fresh(&mut self) -> Setup {
        // A Parquet file cannot be appended to: each flush has its own.
        let (word, file) = match self.format {
            Format::Csv => ("csv", "rows"),
            Format::Json => ("json", "rows"),
            Format::Avro => ("avro", "rows"),
            Format::Parquet => ("parquet", "rows-%s"),
        };
        let setup = nfacctd(&format!(
            "plugins: print[s]
             aggregate[s]: src_host, src_port
             print_refresh_time[s]: 1
             print_output[s]: {word}
             print_output_file[s]: {{dir}}/out/{file}
             print_output_file_append[s]: {}",
            self.format != Format::Parquet
        ));
        self.setup.insert(setup).clone()
    }

    fn written(&mut self, _: Option<&Process>) -> Traffic {
        let files = std::fs::read_dir(self.path("out")).into_iter().flatten();
        let mut traffic = Traffic::new();
        for file in files {
            let contents = std::fs::read(file.unwrap().path()).unwrap();
            for row in rows(self.format, contents) {
                let number = |key: &str| row[key].parse::<u64>().unwrap();
                let key = (row["ip_src"].clone(), number("port_src") as u16);
                let sum = traffic.entry(key).or_default();
                *sum = (sum.0 + number("packets"), sum.1 + number("bytes"));
            }
        }
        traffic
    }

    fn kept(&self) -> Kept {
        Kept::Written
    }

    fn fail(&mut self) -> bool {
        // Root can write to any folder, but not if the path is a file.
        std::fs::rename(self.path("out"), self.path("away")).unwrap();
        std::fs::write(self.path("out"), "").unwrap();
        true
    }

    fn repair(&mut self, _: Option<&Process>) {
        std::fs::remove_file(self.path("out")).unwrap();
        std::fs::rename(self.path("away"), self.path("out")).unwrap();
    }
}

/// The rows of a file, by column.
fn rows(format: Format, contents: Vec<u8>) -> Vec<BTreeMap<String, String>> {
    let text = |contents: Vec<u8>| String::from_utf8(contents).unwrap();
    match format {
        Format::Csv => {
            let names =
                [("SRC_IP", "ip_src"), ("SRC_PORT", "port_src"), ("PACKETS", "packets"), ("BYTES", "bytes")];
            let rename =
                |row: output::Row| names.map(|(title, name)| (name.to_owned(), row[title].clone())).into();
            output::csv(&text(contents), ',').into_iter().map(rename).collect()
        }
        Format::Json => {
            let value = |value: &serde_json::Value| value.to_string().trim_matches('"').to_owned();
            let row = |row: serde_json::Value| {
                row.as_object().unwrap().iter().map(|(name, field)| (name.clone(), value(field))).collect()
            };
            output::json_lines(&text(contents)).into_iter().map(row).collect()
        }
        Format::Avro => {
            let row = |row: apache_avro::types::Value| {
                let apache_avro::types::Value::Record(fields) = row else { panic!("{row:?}") };
                fields.into_iter().map(|(name, value)| (name, avro_text(value))).collect()
            };
            apache_avro::Reader::new(contents.as_slice()).unwrap().map(|value| row(value.unwrap())).collect()
        }
        Format::Parquet => {
            use parquet::file::reader::FileReader;
            let reader = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(contents)).unwrap();
            let value = |field: &parquet::record::Field| field.to_string().trim_matches('"').to_owned();
            let row = |row: parquet::record::Row| {
                row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
            };
            reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
        }
    }
}

fn avro_text(value: apache_avro::types::Value) -> String {
    match value {
        apache_avro::types::Value::Union(_, value) => avro_text(*value),
        apache_avro::types::Value::Long(number) => number.to_string(),
        apache_avro::types::Value::Int(number) => number.to_string(),
        apache_avro::types::Value::String(text) => text,
        // A field that is not compared.
        _ => String::new(),
    }
}

#[test]
fn print_of_csv_keeps_the_contract() {
    check(Print::new(Format::Csv));
}

#[test]
fn print_of_json_keeps_the_contract() {
    check(Print::new(Format::Json));
}

#[test]
fn print_of_avro_keeps_the_contract() {
    check(Print::new(Format::Avro));
}

#[test]
fn print_of_parquet_keeps_the_contract() {
    check(Print::new(Format::Parquet));
}

/// The memory table, as the client shows it.
struct Memory;

impl Memory {
    fn ask(process: &Process, arguments: &[&str]) -> String {
        let socket = process.setup().path("s.sock");
        let client = Setup::new(env!("CARGO_BIN_EXE_pmacct")).arguments(["-p", &socket.to_string_lossy()]);
        let finished = client.arguments(arguments).run();
        assert!(finished.status.success(), "{}", finished.log);
        finished.stdout
    }
}

impl SinkUnderTest for Memory {
    fn fresh(&mut self) -> Setup {
        nfacctd("plugins: memory[s]\nimt_path[s]: {dir}/s.sock\naggregate[s]: src_host, src_port")
    }

    fn written(&mut self, process: Option<&Process>) -> Traffic {
        let process = process.expect("the table ends with its daemon");
        added(output::json_lines(&Self::ask(process, &["-s", "-O", "json"])))
    }

    fn collect(&self, process: &Process) {
        Self::ask(process, &["-t"]);
    }

    fn kept(&self) -> Kept {
        Kept::Nothing
    }

    fn fail(&mut self) -> bool {
        false
    }

    fn repair(&mut self, _: Option<&Process>) {}
}

#[test]
fn memory_keeps_the_contract() {
    check(Memory);
}

/// A database file, which another connection locks.
#[derive(Default)]
struct Sqlite {
    path: PathBuf,
    lock: Option<rusqlite::Connection>,
}

impl SinkUnderTest for Sqlite {
    fn fresh(&mut self) -> Setup {
        let setup = collector("sqlite3", "sql_db: {dir}/acct.db\nsql_table: acct");
        self.path = setup.path("acct.db");
        rusqlite::Connection::open(&self.path).unwrap().execute_batch(&table("acct", "sqlite")).unwrap();
        setup.more_config("plugin_write_timeout: 1")
    }

    fn written(&mut self, _: Option<&Process>) -> Traffic {
        sqlite_rows(&self.path, "acct")
    }

    fn kept(&self) -> Kept {
        Kept::Handed
    }

    fn fail(&mut self) -> bool {
        let lock = rusqlite::Connection::open(&self.path).unwrap();
        lock.busy_timeout(testkit::conditions::PATIENCE).unwrap();
        lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
        self.lock = Some(lock);
        true
    }

    fn repair(&mut self, _: Option<&Process>) {
        self.lock = None;
    }
}

#[test]
fn sqlite_keeps_the_contract() {
    check(Sqlite::default());
}

/// The common part of sinks for SQL servers: a table for each collector, and a server to kill.
struct Database<S> {
    kind: &'static str,
    server: S,
    address: Address,
    table: String,
    create: fn(&Address, &str),
    rows: fn(&Address, &str) -> Traffic,
    kill: fn(&mut S),
    restart: fn(&mut S),
    repeats_unanswered: bool,
}

impl<S> SinkUnderTest for Database<S> {
    fn fresh(&mut self) -> Setup {
        self.table = servers::name("acct");
        (self.create)(&self.address, &self.table);
        collector(self.kind, &login(&self.address)).more_config(&format!("sql_table: {}", self.table))
    }

    fn written(&mut self, _: Option<&Process>) -> Traffic {
        (self.rows)(&self.address, &self.table)
    }

    fn kept(&self) -> Kept {
        Kept::Handed
    }

    fn fail(&mut self) -> bool {
        (self.kill)(&mut self.server);
        true
    }

    fn repair(&mut self, _: Option<&Process>) {
        (self.restart)(&mut self.server);
    }

    fn repeats_unanswered(&self) -> bool {
        self.repeats_unanswered
    }
}

#[test]
fn postgresql_keeps_the_contract() {
    let Some(server) = Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    check(Database {
        kind: "pgsql",
        address: server.address(),
        server,
        table: String::new(),
        create: |address, name| drop(pgsql(address, &table(name, "pgsql"))),
        rows: pgsql_rows,
        kill: Postgres::kill,
        restart: Postgres::restart,
        repeats_unanswered: false,
    });
}

#[test]
fn mariadb_keeps_the_contract() {
    let Some(server) = MariaDb::start() else { return missing("PMACCT_TEST_MYSQL") };
    check(Database {
        kind: "mysql",
        address: server.address(),
        server,
        table: String::new(),
        create: |address, name| mysql_do(address, &table(name, "mysql")),
        rows: mysql_rows,
        kill: MariaDb::kill,
        restart: MariaDb::restart,
        repeats_unanswered: false,
    });
}

#[test]
fn clickhouse_keeps_the_contract() {
    let Some(server) = ClickHouse::start() else { return missing("PMACCT_TEST_CLICKHOUSE") };
    check(Database {
        kind: "clickhouse",
        address: server.address(),
        server,
        table: String::new(),
        create: |address, name| drop(ask(address, &summing(name)).unwrap()),
        rows: clickhouse_rows,
        kill: ClickHouse::kill,
        restart: ClickHouse::restart,
        repeats_unanswered: true,
    });
}

/// A queue that gets all messages. Reading consumes them, so they are kept here.
struct Amqp {
    server: RabbitMq,
    queue: Option<Queue>,
    read: BTreeMap<String, Vec<u8>>,
}

impl SinkUnderTest for Amqp {
    fn fresh(&mut self) -> Setup {
        let address = self.server.address();
        let exchange = servers::name("exchange");
        self.queue = Some(Queue::new(&address, &exchange, "acct"));
        self.read.clear();
        let Address { host, port, .. } = &address;
        collector(
            "amqp",
            &format!("amqp_host: {host}\namqp_port: {port}\namqp_exchange: {exchange}\namqp_persistent_msg: true"),
        )
    }

    fn written(&mut self, _: Option<&Process>) -> Traffic {
        self.read.extend(self.queue.as_ref().unwrap().messages_by_id());
        let messages: Vec<_> = self.read.values().cloned().collect();
        added(json_of(&messages))
    }

    fn kept(&self) -> Kept {
        Kept::Handed
    }

    fn fail(&mut self) -> bool {
        // Otherwise the queue may be gone after the restart, and its messages are returned.
        self.server.sync();
        self.server.kill();
        true
    }

    fn repair(&mut self, _: Option<&Process>) {
        self.server.restart();
    }
}

#[test]
fn rabbitmq_keeps_the_contract() {
    let Some(server) = RabbitMq::start() else { return missing("PMACCT_TEST_AMQP") };
    check(Amqp { server, queue: None, read: BTreeMap::new() });
}

/// A topic of a broker that keeps messages in memory: they are read before it is killed.
struct KafkaTopic {
    server: Kafka,
    topic: String,
    read: BTreeMap<String, Vec<u8>>,
}

impl KafkaTopic {
    fn read(&mut self) {
        self.read.extend(kafka_messages_by_id(&self.server.address(), &self.topic));
    }
}

impl SinkUnderTest for KafkaTopic {
    fn fresh(&mut self) -> Setup {
        self.topic = servers::name("acct");
        self.read.clear();
        self.server.create_topic(&self.topic);
        let Address { host, port, .. } = self.server.address();
        let lines = format!("kafka_broker_host: {host}\nkafka_broker_port: {port}\nkafka_topic: {}", self.topic);
        collector("kafka", &lines)
    }

    fn written(&mut self, _: Option<&Process>) -> Traffic {
        self.read();
        let messages: Vec<_> = self.read.values().cloned().collect();
        added(json_of(&messages))
    }

    fn kept(&self) -> Kept {
        Kept::Handed
    }

    fn fail(&mut self) -> bool {
        self.read();
        self.server.kill();
        true
    }

    fn repair(&mut self, process: Option<&Process>) {
        // It confirms messages for topics that do not exist, and discards them: the topic must be created before the daemon sends.
        if let Some(process) = process {
            process.signal(Signal::SIGSTOP);
        }
        self.server.restart();
        self.server.create_topic(&self.topic);
        if let Some(process) = process {
            process.signal(Signal::SIGCONT);
        }
    }

    fn repeats_unanswered(&self) -> bool {
        true
    }
}

#[test]
fn kafka_keeps_the_contract() {
    let Some(server) = Kafka::start() else { return missing("PMACCT_TEST_KAFKA") };
    check(KafkaTopic { server, topic: String::new(), read: BTreeMap::new() });
}
