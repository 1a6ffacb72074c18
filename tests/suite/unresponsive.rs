//! Databases and brokers that do not answer or reject requests: they delay neither start nor shutdown, and losses are logged.
#![expect(clippy::unwrap_used, reason = "a test that cannot act the server has failed")]

use crate::clients::{
    clickhouse_rows, collector, expected, hold, login, pgsql, pgsql_rows, round, send, summing, table,
};
use crate::lifecycle::capture;
use crate::startup_errors::start_error;
use crate::stores::{counter_collector, counters};
use crate::support::{NOW, nfacctd, start};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::certificates::Authority;
use testkit::process::Signal;
use testkit::servers::clickhouse::ask;
use testkit::servers::{self, Silent, TlsProxy, missing};
use testkit::traffic::{Flow, Flows, Version};
use testkit::{Finished, Process, Setup, capture_file, eventually};

/// The connection timeout of each store.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest start or shutdown on a busy machine: less than [`TIMEOUT`], so that neither waits for a store.
const START: Duration = Duration::from_secs(50);

/// Lines for one plugin of each kind that needs a server, named after its kind, with that address.
fn all_kinds(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "plugins: pgsql[pgsql], mysql[mysql], clickhouse[clickhouse], kafka[kafka], amqp[amqp]
         aggregate: src_host, src_port
         sql_host: {host}
         sql_port: {port}
         sql_table: acct
         sql_optimize_clauses: true
         sql_history: 1M
         kafka_broker_host: {host}
         kafka_broker_port: {port}
         kafka_topic: acct
         amqp_host: {host}
         amqp_port: {port}
         plugin_write_timeout: {}",
        TIMEOUT.as_secs()
    )
}

const KINDS: [&str; 5] = ["pgsql", "mysql", "clickhouse", "kafka", "amqp"];

/// Starts a collector, sends it a datagram, and stops it, which must take no longer than `end`.
fn live_beside(setup: &Setup, end: Duration) -> Finished {
    let began = Instant::now();
    let process = start(setup);
    assert!(began.elapsed() < START, "{:?}", began.elapsed());
    process.exporter("127.0.1.1").send(&round(1));
    process.wait_for_datagrams(1);
    ends_within(process, end)
}

fn ends_within(process: Process, end: Duration) -> Finished {
    let began = Instant::now();
    let finished = process.stop_with(Signal::SIGTERM);
    assert!(began.elapsed() < end, "{:?}\n{}", began.elapsed(), finished.log);
    finished
}

fn count(log: &str, part: &str) -> usize {
    log.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn unresponsive_stores_delay_neither_start_nor_shutdown() {
    for silent in [Silent::dropping(), Silent::mute()] {
        let setup = nfacctd(&all_kinds(silent.address()));
        let finished = live_beside(&setup.clone().more_config("plugin_exit_timeout: 1"), START);
        // The counted aggregates are lost and logged.
        assert_eq!(count(&finished.log, "dropped: not written before the end"), KINDS.len(), "{}", finished.log);
        // With a spool nothing is lost, and the default of plugin_exit_timeout does not matter.
        let setup = setup.more_config("plugin_spool_dir: {dir}/spool");
        let finished = live_beside(&setup, START);
        assert_eq!(count(&finished.log, "left in the spool"), KINDS.len(), "{}", finished.log);
        for kind in KINDS {
            let files = std::fs::read_dir(setup.path(&format!("spool/{kind}-{kind}"))).unwrap();
            assert_eq!(files.filter(|file| is_batch(file.as_ref().unwrap())).count(), 1, "{kind}");
        }
    }
}

fn is_batch(file: &std::fs::DirEntry) -> bool {
    file.file_name().to_string_lossy().ends_with(".batch")
}

#[test]
fn without_a_spool_shutdown_waits_for_plugin_exit_timeout() {
    let silent = Silent::dropping();
    let setup = collector("pgsql", &format!("sql_host: 127.0.0.1\nsql_port: {}", silent.address().port()))
        .more_config("sql_table: acct\nplugin_write_timeout: 60\nplugin_exit_timeout: 3");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&round(1));
    process.wait_for_datagrams(1);
    let began = Instant::now();
    ends_within(process, START);
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_store_that_stops_answering_does_not_delay_shutdown() {
    let Some(server) = servers::Postgres::start() else { return missing("PMACCT_TEST_PGSQL") };
    let address = server.address();
    pgsql(&address, &table("acct", "pgsql"));
    let setup = collector("pgsql", &login(&address))
        .more_config("sql_table: acct\nplugin_write_timeout: 30\nplugin_spool_dir: {dir}/spool");
    let process = start(&setup);
    send(&process, 1, |_| {});
    eventually("a round", || (pgsql_rows(&address, "acct") == expected(1)).then_some(()));
    let locked = hold(&address, "BEGIN; LOCK TABLE acct IN ACCESS EXCLUSIVE MODE");
    send(&process, 1, |_| {});
    let finished = ends_within(process, START);
    assert!(finished.log.contains("left in the spool for the next start"), "{}", finished.log);
    drop(locked);
    let process = start(&setup);
    let twice = expected(1).into_iter().map(|(key, (packets, bytes))| (key, (2 * packets, 2 * bytes))).collect();
    eventually("what waited", || (pgsql_rows(&address, "acct") == twice).then_some(()));
    process.stop();
}

#[test]
fn brokers_of_counters_delay_neither_start_nor_shutdown() {
    for silent in [Silent::dropping(), Silent::mute()] {
        let (host, port) = (silent.address().ip(), silent.address().port());
        let setup = counter_collector(&format!(
            "plugin_write_timeout: 60
             plugin_exit_timeout: 1
             sfacctd_counter_amqp_host: {host}
             sfacctd_counter_amqp_port: {port}
             sfacctd_counter_amqp_routing_key: counters
             sfacctd_counter_kafka_broker_host: {host}
             sfacctd_counter_kafka_broker_port: {port}
             sfacctd_counter_kafka_topic: counters"
        ));
        let began = Instant::now();
        let process = setup.start();
        process.wait_for_log("waiting for sFlow data");
        assert!(began.elapsed() < START);
        process.exporter("127.0.1.1").send(&counters());
        process.wait_for_datagrams(1);
        let finished = ends_within(process, START);
        for prefix in ["amqp", "kafka"] {
            assert!(finished.log.contains("dropped: not written before the end"), "{prefix}: {}", finished.log);
        }
    }
}

/// The daemon that reads a file with datagrams.
fn reading(lines: &str) -> Setup {
    let flows: Vec<Flow> = Flows::new(23).take(100).collect();
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(&format!("pcap_savefile: {{dir}}/flows.pcap\nplugin_exit_timeout: 1\n{lines}"))
        .file("flows.pcap", capture(Version::V9, &flows))
}

#[test]
fn unwritten_flows_of_a_file_give_status_1() {
    let silent = Silent::dropping();
    let setup = reading(&all_kinds(silent.address()));
    let ends = |setup: &Setup, part: &str, times: usize| {
        let finished = setup.run();
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        assert_eq!(count(&finished.log, part), times, "{part}: {}", finished.log);
    };
    ends(&setup, "not all was written: ", KINDS.len());
    ends(&setup.clone().more_config("plugin_spool_dir: {dir}/spool"), "remain in the spool", KINDS.len());
    let lines =
        "plugins: sqlite3[s]\naggregate: src_host\nsql_optimize_clauses: true\nsql_db: {dir}/db\nsql_table: none";
    ends(&reading(lines), "sql_table[s]: no such table", 1);
    let print =
        "plugins: print[p]\naggregate: src_host\nprint_output: json\nprint_output_file: {dir}/none/out.json";
    // The folder of the file cannot be created.
    ends(&reading(print).file("none", "a file"), "p/print: not all was written: ", 1);
    let print = "plugins: print[p]\naggregate: src_host\nprint_output: avro\nprint_output_file: {dir}/out.avro";
    let schema = format!("{print}\navro_schema_file: {{dir}}/none/schema.json");
    ends(&reading(&schema).file("none", "a file"), "unable to write avro_schema_file", 1);
}

#[test]
fn unwritten_counters_of_a_file_give_status_1() {
    let silent = Silent::dropping();
    let source = SocketAddr::from(([198, 51, 100, 7], 50_000));
    let target = SocketAddr::from(([192, 0, 2, 1], 6343));
    let (SocketAddr::V4(source), SocketAddr::V4(target)) = (source, target) else { unreachable!() };
    let file = capture_file::pcap(NOW, &[(source, target, counters())]);
    let reading = |lines: &str| {
        let setup = Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
            .config("pcap_savefile: {dir}/in.pcap\nplugins: print\nplugin_exit_timeout: 1")
            .more_config(lines)
            .file("in.pcap", &file)
            .file("none", "a file");
        setup.run()
    };
    let good = reading("sfacctd_counter_file: {dir}/counters.json");
    assert_eq!(good.code(), Some(0), "{}", good.log);
    let port = silent.address().port();
    for lines in [
        "sfacctd_counter_file: {dir}/none/counters.json".to_owned(),
        format!(
            "sfacctd_counter_amqp_host: 127.0.0.1\nsfacctd_counter_amqp_port: {port}\n\
             sfacctd_counter_amqp_routing_key: counters"
        ),
        format!(
            "sfacctd_counter_kafka_broker_host: 127.0.0.1\nsfacctd_counter_kafka_broker_port: {port}\n\
             sfacctd_counter_kafka_topic: counters"
        ),
    ] {
        let finished = reading(&lines);
        assert_eq!(finished.code(), Some(1), "{lines}: {}", finished.log);
        assert!(finished.log.contains("counters were not written"), "{lines}: {}", finished.log);
    }
}

/// A password that must not appear in a log.
const SECRET: &str = "sesame";

#[test]
fn passwords_in_addresses_are_not_logged() {
    let host = format!("http://ali:{SECRET}@127.0.0.1");
    for kind in ["pgsql", "mysql", "clickhouse"] {
        let lines = format!("sql_host: {host}\nsql_port: 1\nsql_table: acct\nplugin_write_timeout: 1");
        let setup =
            collector(kind, &lines).more_config(&format!("sql_backup_host: {host}\nplugin_exit_timeout: 1"));
        let process = start(&setup.arguments(["-d"]));
        send(&process, 1, |_| {});
        process.wait_for_log("cannot write");
        let finished = process.stop();
        assert!(!finished.log.contains(SECRET), "{kind}: {}", finished.log);
    }
    let lines = format!("amqp_host: amqp://ali:{SECRET}@127.0.0.1\namqp_port: 1\nplugin_exit_timeout: 1");
    let process = start(&collector("amqp", &lines).arguments(["-d"]));
    let finished = process.stop();
    assert!(!finished.log.contains(SECRET), "{}", finished.log);
    let setup = collector("kafka", "kafka_config_file: {dir}/kafka.conf")
        .file("kafka.conf", format!("global, sasl.passwrd, {SECRET}\n"));
    let log = start_error(&setup);
    assert!(log.contains("sasl.passwrd") && !log.contains(SECRET), "{log}");
}

#[test]
fn clickhouse_uses_the_credentials_of_its_url() {
    let Some(server) = servers::clickhouse() else { return };
    let address = &server.address;
    let table = servers::name("acct");
    ask(address, &summing(&table)).unwrap();
    let escaped: String = address.password.bytes().map(|octet| format!("%{octet:02x}")).collect();
    let host = format!("http://{}:{escaped}@{}", address.user, address.host);
    let other = format!("{}\nsql_user: nobody\nsql_passwd: {SECRET}\nsql_table: {table}", login(address));
    let process = start(&collector("clickhouse", &other).more_config(&format!("sql_host: {host}")));
    send(&process, 1, |_| {});
    let finished = process.stop();
    assert_eq!(clickhouse_rows(address, &table), expected(1), "{}", finished.log);
}

#[test]
fn an_untrusted_clickhouse_is_a_configuration_error() {
    let Some(server) = servers::clickhouse() else { return };
    let (authority, stranger) = (Authority::new(), Authority::new());
    let address = SocketAddr::new(server.address.host.parse().unwrap(), server.address.port);
    let listens = TlsProxy::address();
    let certified = authority.certify(&listens.ip().to_string());
    let front = TlsProxy::start(listens, address, &certified, None);
    let through = |server_at: SocketAddr, ca: &str| {
        let (host, port) = (server_at.ip(), server_at.port());
        let lines = format!("{}\nsql_host: {host}\nsql_port: {port}", login(&server.address));
        let lines = format!("{lines}\nsql_table: missing\nsql_conn_ca_file: {{dir}}/{ca}");
        let setup = collector("clickhouse", &lines);
        start_error(&setup.file("authority.pem", authority.pem()).file("stranger.pem", stranger.pem()))
    };
    let encrypts = front.listens();
    let log = through(encrypts, "stranger.pem");
    assert!(log.contains("sql_conn_ca_file[s]: the server is not trusted"), "{log}");
    let log = through(encrypts, "authority.pem");
    assert!(log.contains("sql_table[s]: "), "{log}");
}

/// Answers a PostgreSQL login with a request for a cleartext password, and returns what the client sends next.
fn ask_in_the_clear(server: &Silent) -> Vec<u8> {
    let (mut stream, _) = server.listener().accept().unwrap();
    stream.set_read_timeout(Some(START)).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut login = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut login).unwrap();
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
    let mut reply = [0; 256];
    let count = stream.read(&mut reply).unwrap_or_default();
    reply[..count].to_vec()
}

#[test]
fn postgresql_gets_no_cleartext_password() {
    let server = Silent::mute();
    let lines = format!("sql_host: 127.0.0.1\nsql_port: {}\nsql_passwd: {SECRET}", server.address().port());
    let setup = collector("pgsql", &lines).more_config("sql_table: acct\nplugin_exit_timeout: 1");
    let process = setup.spawn();
    assert_eq!(ask_in_the_clear(&server), b"");
    let finished = process.wait();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    assert!(
        finished.log.contains("sql_passwd[s]: ") && finished.log.contains("in clear text"),
        "{}",
        finished.log
    );
    assert!(!finished.log.contains(SECRET), "{}", finished.log);
    let process = setup.more_config("sql_cleartext_passwd: true").spawn();
    assert_eq!(ask_in_the_clear(&server), format!("p\0\0\0\x0b{SECRET}\0").as_bytes());
    drop(process);
}

#[test]
fn daemonize_reports_stores_that_reject_the_configuration() {
    let silent = Silent::dropping();
    let lines =
        format!("{}\nplugin_exit_timeout: 1\ndaemonize: true\npidfile: {{dir}}/pid", all_kinds(silent.address()));
    let setup = nfacctd(&lines);
    let taken = std::net::UdpSocket::bind(setup.address()).unwrap();
    let log = start_error(&setup);
    assert!(log.contains("cannot listen on"), "{log}");
    drop(taken);
    let began = Instant::now();
    let finished = setup.run();
    assert!(began.elapsed() < START, "{:?}", began.elapsed());
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let pid = std::fs::read_to_string(setup.path("pid")).unwrap();
    assert!(std::net::UdpSocket::bind(setup.address()).is_err(), "it listens when the command returns");
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
    eventually("the pid file to go", || (!setup.path("pid").exists()).then_some(()));
}
