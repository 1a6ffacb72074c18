//! Event logs and table dumps at brokers: dumps to Kafka and AMQP, and records in Avro with a schema registry.

use crate::bgp::own_address;
use crate::bgp_sessions::route;
use crate::clients::{Queue, json_of, kafka_messages};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use testkit::bgp::{Speaker, Update};
use testkit::servers::{self, Address};
use testkit::{Process, Setup, eventually};

fn pmbgpd(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config("bgp_daemon_ip: {ip}\nbgp_daemon_port: {port}\nbgp_daemon_as: 64512\nbgp_daemon_id: 10.255.0.1")
        .more_config(lines)
}

/// A session with two routes.
fn peer(process: &Process) -> (Speaker, String) {
    let source = own_address();
    let mut speaker = Speaker::simple(&source, 65_001, process.setup().address());
    ["10.0.0.0/8", "11.0.0.0/8"].iter().for_each(|prefix| speaker.send(&route(65_001, prefix)));
    speaker.keepalive();
    (speaker, source)
}

/// The table of that peer among the messages, up to its end.
fn check_table(mut events: Vec<Value>, source: &str) -> Option<()> {
    events.retain(|event| event["peer_ip_src"] == source);
    let writers = events.iter().all(|event| event["writer_id"].is_string());
    let first = events.first()?["seq"].as_u64()?;
    events.retain(|event| event["seq"] == first);
    let of = |kind: &str| events.iter().filter(|event| event["event_type"] == kind).collect::<Vec<_>>();
    let [close] = of("dump_close")[..] else { return None };
    let mut prefixes: Vec<_> = of("dump").iter().map(|event| event["ip_prefix"].as_str().unwrap_or("")).collect();
    prefixes.sort_unstable();
    assert_eq!(prefixes, ["10.0.0.0/8", "11.0.0.0/8"]);
    assert_eq!((&close["entries"], of("dump_init").len(), writers), (&json!(2), 1, true));
    Some(())
}

#[test]
fn tables_are_dumped_to_kafka_and_to_amqp() {
    let (Some(kafka), Some(amqp)) = (servers::kafka(), servers::rabbitmq()) else { return };
    let (topic, exchange, key) = (servers::name("dump"), servers::name("dump"), "tables");
    kafka.create_topic(&topic);
    let queue = Queue::new(&amqp.address, &exchange, key);
    let dump = "bgp_table_dump_refresh_time: 60\n";
    let Address { host, port, .. } = &kafka.address;
    let to_kafka = pmbgpd(&format!(
        "{dump}bgp_table_dump_kafka_broker_host: {host}\nbgp_table_dump_kafka_broker_port: {port}
         bgp_table_dump_kafka_topic: {topic}\nbgp_table_dump_kafka_partition: 0\nbgp_table_dump_workers: 2"
    ));
    let Address { host, port, user, password, .. } = &amqp.address;
    let to_amqp = pmbgpd(&format!(
        "{dump}bgp_table_dump_amqp_host: {host}\nbgp_table_dump_amqp_port: {port}
         bgp_table_dump_amqp_user: {user}\nbgp_table_dump_amqp_passwd: {password}
         bgp_table_dump_amqp_persistent_msg: true
         bgp_table_dump_amqp_exchange: {exchange}\nbgp_table_dump_amqp_routing_key: {key}"
    ));
    let processes = [to_kafka.start_tcp(), to_amqp.start_tcp()];
    let peers = [peer(&processes[0]), peer(&processes[1])];
    eventually("a dump at Kafka", || check_table(json_of(&kafka_messages(&kafka.address, &topic)), &peers[0].1));
    // Messages leave the queue when they are read.
    let mut events = Vec::new();
    eventually("a dump at AMQP", || {
        events.extend(json_of(&queue.messages()));
        check_table(events.clone(), &peers[1].1)
    });
    processes.into_iter().for_each(|process| drop(process.stop()));
}

/// A schema registry: gives each schema a number, and remembers subjects and schemas by it.
#[derive(Clone, Default)]
struct Registry(Arc<Mutex<Vec<(String, String)>>>);

impl Registry {
    fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, registry) = (listener.local_addr().expect("an address"), self.clone());
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                registry.serve(client);
            }
        });
        address
    }

    /// Answers requests of one connection until it ends.
    fn serve(&self, client: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let mut client = client;
        loop {
            let (mut line, mut first, mut length) = (String::new(), String::new(), 0);
            while line != "\r\n" {
                line.clear();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                if first.is_empty() {
                    first.clone_from(&line);
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let subject = first.split('/').nth(2)?.to_owned();
            let body: Value = serde_json::from_slice(&body).ok()?;
            let entry = (subject, body["schema"].as_str()?.to_owned());
            let mut entries = self.0.lock().expect("no panic");
            let id = entries.iter().position(|known| *known == entry).unwrap_or_else(|| {
                entries.push(entry);
                entries.len() - 1
            });
            let answer = json!({ "id": id }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
            client.write_all(format!("{head}{answer}").as_bytes()).ok()?;
        }
    }

    /// The subject of a message, and its value by the schema that its frame names.
    fn read(&self, message: &[u8]) -> (String, apache_avro::types::Value) {
        let ([0, id @ ..], mut datum) = message.split_first_chunk::<5>().expect("a frame") else {
            panic!("the first octet of a frame is 0")
        };
        let number = usize::try_from(u32::from_be_bytes(*id)).expect("a number");
        let (subject, text) = self.0.lock().expect("no panic").get(number).cloned().expect("a known schema");
        let schema = apache_avro::Schema::parse_str(&text).expect("a schema");
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().expect("a reader");
        let value = reader.read_value(&mut datum).expect("a record");
        assert!(datum.is_empty());
        (subject, value)
    }
}

#[test]
fn records_in_avro_name_their_schema_in_a_registry() {
    let Some(kafka) = servers::kafka() else { return };
    let (topic, registry) = (servers::name("avro"), Registry::default());
    kafka.create_topic(&topic);
    let Address { host, port, .. } = &kafka.address;
    let process = pmbgpd(&format!(
        "bgp_daemon_msglog_output: avro\nbgp_daemon_msglog_kafka_broker_host: {host}
         bgp_daemon_msglog_kafka_broker_port: {port}\nbgp_daemon_msglog_kafka_topic: {topic}
         bgp_daemon_msglog_kafka_partition: 0
         bgp_daemon_msglog_kafka_avro_schema_registry: http://{}",
        registry.start()
    ))
    .start_tcp();
    let (mut speaker, source) = peer(&process);
    speaker.send(&Update::new().withdraw(["10.0.0.0/8"]).finish());
    speaker.keepalive();
    process.stop();
    let mut subjects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in kafka_messages(&kafka.address, &topic) {
        let (subject, value) = registry.read(&message);
        let apache_avro::types::Value::Record(fields) = value else { panic!("a record") };
        let text = |wanted: &str| {
            fields.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| match value {
                apache_avro::types::Value::String(text) => Some(text.clone()),
                _ => None,
            })
        };
        assert_eq!(text("peer_ip_src").as_deref(), Some(source.as_str()));
        let kind = text("log_type").or_else(|| text("event_type")).expect("a type");
        subjects.entry(subject).or_default().push(kind);
    }
    let expected = [
        (format!("{topic}-bgp_logclose"), vec!["log_close".to_owned()]),
        (format!("{topic}-bgp_loginit"), vec!["log_init".to_owned()]),
        (format!("{topic}-bgp_msglog"), ["update", "update", "withdraw"].map(str::to_owned).to_vec()),
    ];
    assert_eq!(subjects, BTreeMap::from(expected));
}

#[test]
fn a_broker_that_was_away_is_tried_again_after_the_configured_pause() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Nobody answers: each connection is closed at once, and counted.
    let attempts = Arc::new(Mutex::new(0u32));
    let counted = Arc::clone(&attempts);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            *counted.lock().expect("no panic") += 1;
            drop(client);
        }
    });
    let process = pmbgpd(&format!(
        "bgp_daemon_msglog_amqp_host: {}\nbgp_daemon_msglog_amqp_port: {}
         bgp_daemon_msglog_amqp_routing_key: k\nbgp_daemon_msglog_amqp_retry: 1\nplugin_exit_timeout: 1",
        address.ip(),
        address.port()
    ))
    .start_tcp();
    let _peer = peer(&process);
    // With the default, the pauses double up to a minute: the ninth attempt would come after two minutes.
    eventually("nine attempts", || (*attempts.lock().expect("no panic") >= 9).then_some(()));
    process.stop();
}
