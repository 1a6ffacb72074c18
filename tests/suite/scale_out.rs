//! Several collectors as one: templates that travel between them, and groups that share a topic.
#![cfg(all(feature = "kafka", feature = "sql"))]

use crate::clients::{login, pgsql};
use crate::support::{NOW, UPTIME, assert_rows, printing, start, template, without_event_type};
use crate::tee::tee;
use netflow::encode::{Message, field};
use netflow::template::{Kind, Template};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use testkit::process::Signal;
use testkit::servers::{self, Address, Kafka, Shared};
use testkit::{Exporter, Process, Setup, eventually};

/// The keys of a topic for templates.
fn templates_topic(kafka: &Shared<Kafka>, topic: &str) -> String {
    let (host, port) = (&kafka.address.host, kafka.address.port);
    format!(
        "nfacctd_templates_kafka_topic: {topic}
         nfacctd_templates_kafka_broker_host: {host}
         nfacctd_templates_kafka_broker_port: {port}"
    )
}

#[test]
fn a_template_that_one_collector_learned_decodes_the_data_at_another() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("templates");
    kafka.create_topic(&topic);
    let collector = || start(&printing("peer_src_ip, src_port").more_config(&templates_topic(kafka, &topic)));
    let first = collector();
    let second = collector();
    let short = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let announce = |short| Message::v9(1, 0, NOW, UPTIME).templates(&[short]).finish();
    let data = |port| Message::v9(1, 0, NOW, UPTIME).data(256, |w| _ = w.u16(port).u32(1).u32(10)).finish();
    // The data wait until the template comes, and then those that follow are decoded at once.
    second.exporter("127.0.1.1").send(&data(7));
    second.wait_for_datagrams(1);
    first.exporter("127.0.1.1").send(&announce(&short));
    eventually("the template", || (second.statistics().value("records_decoded") == 1).then_some(()));
    second.exporter("127.0.1.1").send(&data(8));
    // Another exporter with the same id has none.
    second.exporter("127.0.1.2").send(&data(9));
    second.wait_for_datagrams(3);
    // A collector that starts later reads what is in the topic.
    let third = collector();
    third.wait_for_log("has 1 templates");
    third.exporter("127.0.1.1").send(&data(10));
    eventually("the template", || (third.statistics().value("records_decoded") == 1).then_some(()));
    // A template that changes at one collector changes at those that know the exporter.
    let long = template(1, 256, vec![field(8, 4), field(7, 2), field(2, 4), field(1, 4)]);
    first.exporter("127.0.1.1").send(&announce(&long));
    eventually("the change", || (second.statistics().value("templates_shared") == 2).then_some(()));
    let changed = Message::v9(1, 0, NOW, UPTIME);
    let changed = changed.data(256, |w| _ = w.u32(1).u16(11).u32(1).u32(10)).finish();
    second.exporter("127.0.1.1").send(&changed);
    let report = second.wait_for_datagrams(4);
    assert_eq!((report.value("records_decoded"), report.value("sets_pending")), (3, 1));
    assert!(second.log().contains("templates_kafka=1 "), "{}", second.log());
    let row = |port| json!({"peer_ip_src": "127.0.1.1", "port_src": port, "packets": 1, "bytes": 10});
    assert_rows(without_event_type(second.stop().json("out.json")), [row(7), row(8), row(11)]);
    assert_rows(without_event_type(third.stop().json("out.json")), [row(10)]);
    first.stop();
}

#[test]
fn a_sampling_rate_that_one_collector_learned_applies_at_another() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("templates");
    kafka.create_topic(&topic);
    let setup = || printing("src_port").more_config("nfacctd_renormalize: true");
    let collector = || start(&setup().more_config(&templates_topic(kafka, &topic)));
    let first = collector();
    let data = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let options = Template::new(1, 300, Kind::Options { scopes: 1 }, vec![field(149, 4), field(34, 4)]);
    let announced = Message::ipfix(1, 0, NOW).templates(&[&options]).templates(&[&data]);
    first.exporter("127.0.1.1").send(&announced.data(300, |w| _ = w.u32(1).u32(50)).finish());
    let is_written = || first.statistics().value("templates_learned") == 2 && first.log().contains(" written=3 ");
    eventually("two templates and a rate", || is_written().then_some(()));
    let second = collector();
    second.wait_for_log("has 2 templates");
    let flow = Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u16(7).u32(3).u32(30)).finish();
    second.exporter("127.0.1.1").send(&flow);
    eventually("the flow", || (second.statistics().value("records_decoded") == 1).then_some(()));
    let rows = without_event_type(second.stop().json("out.json"));
    assert_rows(rows, [json!({"port_src": 7, "packets": 150, "bytes": 1500})]);
    first.stop();
}

/// A collector of a group, which adds to a table.
fn member(flows: &str, group: &str, kafka: &Shared<Kafka>, templates: &str, store: &str) -> Setup {
    let (host, port) = (&kafka.address.host, kafka.address.port);
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(&format!(
            "nfacctd_kafka_broker_host: {host}
             nfacctd_kafka_broker_port: {port}
             nfacctd_kafka_topic: {flows}
             nfacctd_kafka_group: {group}
             nfacctd_kafka_config_file: {{dir}}/options
             plugins: pgsql[s]
             aggregate[s]: peer_src_ip, src_port
             sql_refresh_time[s]: 2
             sql_optimize_clauses[s]: true"
        ))
        .more_config(store)
        .more_config(&templates_topic(kafka, templates))
        .file("options", "global, session.timeout.ms, 6000\n")
}

fn join(setup: &Setup) -> Process {
    let process = setup.spawn();
    process.wait_for_log("reading NetFlow/IPFIX data from topic");
    process
}

const EXPORTERS: u8 = 12;
/// Records of a datagram.
const RECORDS: u16 = 10;

/// Exporters that announce their template once, and then send records that all differ.
struct Exporters {
    sockets: Vec<Exporter>,
    rounds: u16,
}

impl Exporters {
    fn new(tee: &Process) -> Self {
        let sockets: Vec<Exporter> =
            (1..=EXPORTERS).map(|host| tee.exporter(&format!("127.0.1.{host}"))).collect();
        let template = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
        let announcement = Message::ipfix(1, 0, NOW).templates(&[&template]).finish();
        sockets.iter().for_each(|exporter| exporter.send(&announcement));
        Self { sockets, rounds: 0 }
    }

    /// Each exporter sends a datagram.
    fn round(&mut self) {
        let (first, sequence) = (self.rounds * RECORDS, u32::from(self.rounds * RECORDS));
        let record = |w: &mut wire::Writer, port: u16| _ = w.u16(port).u32(1).u32(100);
        let datagram = Message::ipfix(1, sequence, NOW)
            .records(256, RECORDS.into(), |w| (first..first + RECORDS).for_each(|port| record(w, port)))
            .finish();
        self.sockets.iter().for_each(|exporter| exporter.send(&datagram));
        self.rounds += 1;
    }

    /// The records of all rounds so far: exporter and port.
    fn sent(&self) -> BTreeSet<(String, u16)> {
        let ports = || 0..self.rounds * RECORDS;
        (1..=EXPORTERS).flat_map(|host| ports().map(move |port| (format!("127.0.1.{host}"), port))).collect()
    }
}

/// How often each record was counted.
fn counted(address: &Address, table: &str) -> BTreeMap<(String, u16), u64> {
    let rows = pgsql(address, &format!("SELECT host(peer_ip_src), port_src, packets, bytes FROM {table}"));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    rows.iter()
        .map(|row| {
            assert_eq!(number(&row[2]) * 100, number(&row[3]));
            ((row[0].clone(), row[1].parse().expect("a port")), number(&row[2]))
        })
        .collect()
}

#[test]
fn the_documented_examples_are_valid() {
    let checked = crate::bgp_documents::check(env!("CARGO_BIN_EXE_nfacctd"), "scale-out.md");
    assert_eq!(checked, ["replicate.conf", "collector.conf", "clickhouse.conf"]);
}

#[test]
fn nothing_is_lost_when_collectors_of_a_group_die_leave_and_join() {
    let (Some(kafka), Some(postgres)) = (servers::kafka(), servers::postgres()) else { return };
    let Some(broker) = kafka.private() else { return };
    let names @ [flows, templates, group, table] = &["flows", "templates", "group", "acct"].map(servers::name);
    broker.create_partitions(flows, 6);
    broker.create_topic(templates);
    let columns = "peer_ip_src inet, port_src INT, packets BIGINT NOT NULL, bytes BIGINT NOT NULL";
    pgsql(&postgres.address, &format!("CREATE TABLE {table} ({columns}, PRIMARY KEY (peer_ip_src, port_src))"));
    let receivers = format!("id=1 kafka_broker={}:{} kafka_topic={flows}", kafka.address.host, kafka.address.port);
    let tee = start(&tee(&receivers, "tee_transparent: true"));
    let store = format!("{}\nsql_table: {table}", login(&postgres.address));
    let setup = || member(flows, group, kafka, templates, &store);
    let mut members: Vec<Process> = (0..3).map(|_| join(&setup())).collect();
    let mut exporters = Exporters::new(&tee);
    // Flows go on while things happen.
    let settle = |exporters: &mut Exporters, what: &str| {
        (0..3).for_each(|_| exporters.round());
        eventually(what, || {
            let counted = counted(&postgres.address, table);
            exporters.sent().iter().all(|record| counted.contains_key(record)).then_some(())
        });
    };
    settle(&mut exporters, "the first flows in the table");
    // One is killed with flows in memory, and one is added.
    (0..5).for_each(|_| exporters.round());
    let victim = members.remove(1);
    victim.signal(Signal::SIGKILL);
    let killed_after = exporters.rounds;
    drop(victim);
    exporters.round();
    members.push(join(&setup()));
    settle(&mut exporters, "the flows of the killed collector");
    // One leaves, and another one joins: nothing is counted twice.
    let planned_after = exporters.rounds;
    exporters.round();
    members.remove(0).stop_with(Signal::SIGTERM);
    exporters.round();
    members.push(join(&setup()));
    settle(&mut exporters, "the flows of the collector that left");
    for member in members {
        member.statistics().assert_all_accounted();
        member.stop();
    }
    let counted = counted(&postgres.address, table);
    assert_eq!(counted.keys().cloned().collect::<BTreeSet<_>>(), exporters.sent(), "{names:?}");
    let twice: Vec<_> = counted.iter().filter(|(_, count)| **count > 1).collect();
    let is_planned = |port: u16| port >= planned_after * RECORDS;
    assert!(twice.iter().all(|((_, port), _)| !is_planned(*port)), "counted twice: {twice:?}");
    // What was stored and not committed yet when the collector was killed: the flows of one refresh time at most.
    assert!(twice.iter().all(|((_, port), count)| *port < killed_after * RECORDS && **count == 2), "{twice:?}");
    tee.stop();
}
