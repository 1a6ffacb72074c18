//! High availability of BGP and BMP: several collectors with the same sessions, and a Redis server.

use crate::bgp::{Log, own_address, pmbgpd};
use crate::bgp_queries::get;
use crate::bgp_sessions::route;
use crate::clients::{json_of, kafka_messages};
use crate::support::nfacctd;
use ha::client::{Connection, Server};
use ha::resp::Reply;
use std::time::{Duration, Instant};
use testkit::bgp::Speaker;
use testkit::process::Signal;
use testkit::servers::{self, Address, Redis, missing};
use testkit::{Process, Setup, eventually};

/// Signals, by their distance from SIGRTMIN.
const RESET_TIME: u8 = 0;
const FORCE_ACTIVE: u8 = 1;
const FORCE_STANDBY: u8 = 2;
const AUTOMATIC: u8 = 3;

const ACTIVE: &str = "BMP-BGP-HA Daemon state: ACTIVE";
const STANDBY: &str = "BMP-BGP-HA Daemon state: STANDBY";

fn redis() -> Option<Redis> {
    let redis = Redis::start();
    if redis.is_none() {
        missing("redis-server");
    }
    redis
}

/// The lines by which a daemon takes part in the group `pair`.
fn in_group(redis: &Redis, name: &str) -> String {
    let Address { host, port, .. } = redis.address();
    format!(
        "core_proc_name: {name}
         redis_host: {host}:{port}
         cluster_name: tests
         bgp_daemon_ha: true
         bgp_daemon_ha_cluster_name: pair"
    )
}

/// The reply to a command, in a database.
fn ask(redis: &Redis, database: u32, words: &[&str]) -> Reply {
    let Address { host, port, password, .. } = redis.address();
    let password = Some(password).filter(|password| !password.is_empty());
    let mut connection = Connection::open(&Server { host, port, database, password }).expect("Redis runs");
    connection.request(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
    let deadline = Instant::now() + Duration::from_secs(30);
    connection.exchange(deadline).expect("a reply").remove(0)
}

fn keys(redis: &Redis, database: u32) -> Vec<String> {
    let Reply::Array(Some(keys)) = ask(redis, database, &["KEYS", "*"]) else { panic!("KEYS returns an array") };
    let mut keys: Vec<String> = keys
        .into_iter()
        .map(|key| match key {
            Reply::Value(Some(key)) => String::from_utf8(key).expect("keys are texts"),
            reply => panic!("{reply:?}"),
        })
        .collect();
    keys.sort();
    keys
}

/// A member of the group that started before all others, and does not end by itself.
const OTHER: &str = "pair+0+other+ha_daemon_startup_time";

fn add_other(redis: &Redis) {
    ask(redis, 0, &["SET", OTHER, "1"]);
}

fn remove_other(redis: &Redis) {
    ask(redis, 0, &["DEL", OTHER]);
}

fn peer(process: &Process) -> Speaker {
    Speaker::simple(&own_address(), 65_001, process.setup().address())
}

/// The last line about the state.
fn state(process: &Process) -> Option<String> {
    let log = process.log();
    let (_, state) = log.lines().rev().find_map(|line| line.split_once("Daemon state: "))?;
    Some(state.to_owned())
}

#[track_caller]
fn wait_for_state(process: &Process, expected: &str) {
    eventually(expected, || (state(process).as_deref() == Some(expected)).then_some(()));
}

/// The prefixes of the updates in a log, in their order.
fn prefixes(process: &Process) -> Vec<String> {
    let mut log = Log::of(process);
    log.update();
    let events = log.events();
    let updates = events.iter().filter(|event| event["log_type"] == "update");
    updates.map(|event| event["ip_prefix"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_first_daemon_writes_and_the_second_takes_over_with_what_it_kept() {
    let Some(redis) = redis() else { return };
    let setups = ["east", "west"].map(|name| pmbgpd(&in_group(&redis, name)));
    let east = setups[0].start_tcp();
    east.wait_for_log(ACTIVE);
    let west = setups[1].start_tcp();
    west.wait_for_log(STANDBY);
    let mut speakers = [peer(&east), peer(&west)];
    for prefix in ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"] {
        speakers.iter_mut().for_each(|speaker| speaker.send(&route(65_001, prefix)));
    }
    let expected = ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"];
    eventually("the log of the first daemon", || (prefixes(&east) == expected).then_some(()));
    // On a machine that is so busy that the first daemon is late for three seconds, the second one rightly takes over.
    if !west.log().contains(ACTIVE) {
        assert_eq!(west.text("log.json"), "", "the second one writes nothing");
    }
    // The sessions of the second daemon are as those of the first.
    speakers[1].keepalive();

    east.signal(Signal::SIGKILL);
    drop(east);
    west.wait_for_log(ACTIVE);
    eventually("what was kept", || (prefixes(&west) == expected).then_some(()));
    speakers[1].send(&route(65_001, "13.0.0.0/8"));
    eventually("a route after it", || (prefixes(&west).last()? == "13.0.0.0/8").then_some(()));

    // Who comes back is the younger one.
    let east = setups[0].start_tcp();
    east.wait_for_log(STANDBY);
    // A daemon that ends in good order gives way at once, since it removes its key.
    assert!(west.stop().log.contains("SIGINT received"));
    assert!(!keys(&redis, 0).contains(&"pair+0+west+ha_daemon_startup_time".to_owned()));
    wait_for_state(&east, "ACTIVE");
}

#[test]
fn signals_hand_over_and_give_back() {
    let Some(redis) = redis() else { return };
    let start = |name| pmbgpd(&in_group(&redis, name)).start_tcp();
    let east = start("east");
    east.wait_for_log(ACTIVE);
    let west = start("west");
    west.wait_for_log(STANDBY);

    east.signal_realtime(FORCE_STANDBY);
    wait_for_state(&east, "STANDBY");
    wait_for_state(&west, "ACTIVE");
    east.signal_realtime(RESET_TIME);
    east.wait_for_log("the timestamp has no influence");
    // Its start is now the later one.
    east.signal_realtime(AUTOMATIC);
    east.wait_for_log("Setting daemon back to automatic timestamp-based mode.");
    eventually("its key", || {
        keys(&redis, 0).contains(&"pair+0+east+ha_daemon_startup_time".to_owned()).then_some(())
    });
    wait_for_state(&east, "STANDBY");

    west.signal_realtime(RESET_TIME);
    west.wait_for_log("BMP-BGP-HA: Local startup timestamp reset triggered.");
    wait_for_state(&east, "ACTIVE");
    wait_for_state(&west, "STANDBY");

    west.signal_realtime(FORCE_ACTIVE);
    wait_for_state(&west, "ACTIVE");
    assert_eq!(state(&east).as_deref(), Some("ACTIVE"), "both are active until the other one is told");
    east.signal_realtime(FORCE_STANDBY);
    wait_for_state(&east, "STANDBY");
    for (process, line) in
        [(&west, "Setting daemon to forced-active state."), (&east, "Setting daemon to forced-standby state.")]
    {
        assert!(process.log().contains(line), "{}", process.log());
    }
}

#[test]
fn without_redis_all_daemons_are_active() {
    let Some(mut redis) = redis() else { return };
    redis.kill();
    let start = |name| pmbgpd(&in_group(&redis, name)).start_tcp();
    let east = start("east");
    east.wait_for_log("WARN ( east/core ): Can't connect to redis server: Connection refused");
    wait_for_state(&east, "ACTIVE");
    let west = start("west");
    wait_for_state(&west, "ACTIVE");
    let mut speaker = peer(&west);
    speaker.send(&route(65_001, "10.0.0.0/8"));
    eventually("a log without Redis", || (prefixes(&west) == ["10.0.0.0/8"]).then_some(()));

    redis.restart();
    wait_for_state(&west, "STANDBY");
    west.wait_for_log("redis server: connected to ");
    assert_eq!(state(&east).as_deref(), Some("ACTIVE"));

    // A server that hangs is as good as none.
    redis.freeze();
    wait_for_state(&west, "ACTIVE");
    west.wait_for_log("no answer within 3 s");
    redis.thaw();
    wait_for_state(&west, "STANDBY");
    let log = east.stop().log;
    let warnings = log.lines().filter(|line| line.contains("Can't connect to redis server")).count();
    assert!(warnings <= 3, "{log}");
}

#[test]
fn what_is_kept_is_limited_and_shown_by_metrics_and_statistics() {
    let Some(redis) = redis() else { return };
    add_other(&redis);
    let lines =
        "bgp_daemon_ha_queue_max_size: 2\nhttp_listen: {dir}/http\n".to_owned() + &in_group(&redis, "east");
    let process = pmbgpd(&lines).start_tcp();
    process.wait_for_log(STANDBY);
    let mut speaker = peer(&process);
    for number in 0..5 {
        speaker.send(&route(65_001, &format!("10.{number}.0.0/16")));
    }
    let page = |process: &Process, path| get(process, path).1;
    let has = |page: &str, line: &str| page.lines().any(|other| other == line).then_some(());
    // The session has one event, the routes have five.
    eventually("all events", || {
        has(&page(&process, "/metrics"), "pmacct_ha_queue_dropped_total{log=\"bgp\",reason=\"count\"} 4")
    });
    let metrics = page(&process, "/metrics");
    for line in [
        "pmacct_redis_connected 1",
        "pmacct_ha_active 0",
        "pmacct_ha_queue_messages{log=\"bgp\"} 2",
        "pmacct_ha_queue_dropped_total{log=\"bgp\",reason=\"age\"} 0",
    ] {
        assert!(has(&metrics, line).is_some(), "{line}\n{metrics}");
    }
    assert_eq!(page(&process, "/readyz"), "ready\nha: standby\nredis: connected\n");
    process.wait_for_new_log("stats [ha/bgp]", || process.signal(Signal::SIGUSR1));
    process.wait_for_log("ha_queue_messages=2");
    remove_other(&redis);
    eventually("what was kept", || (prefixes(&process) == ["10.3.0.0/16", "10.4.0.0/16"]).then_some(()));
    let metrics = page(&process, "/metrics");
    assert!(has(&metrics, "pmacct_ha_queue_released_total{log=\"bgp\"} 2").is_some(), "{metrics}");
    assert_eq!(page(&process, "/readyz"), "ready\nha: active\nredis: connected\n");
}

#[test]
fn old_messages_are_forgotten_on_standby() {
    let Some(redis) = redis() else { return };
    add_other(&redis);
    let lines = format!("bgp_daemon_ha_queue_message_timeout: 5\n{}", in_group(&redis, "east"));
    let process = pmbgpd(&lines).start_tcp();
    process.wait_for_log(STANDBY);
    let mut speaker = peer(&process);
    speaker.send(&route(65_001, "10.0.0.0/8"));
    eventually("an empty queue", || {
        process.wait_for_new_log("stats [ha/bgp]", || process.signal(Signal::SIGUSR1));
        process.log().contains("ha_queue_dropped[age]=2").then_some(())
    });
    speaker.send(&route(65_001, "11.0.0.0/8"));
    remove_other(&redis);
    eventually("the newer route", || (prefixes(&process) == ["11.0.0.0/8"]).then_some(()));
}

#[test]
fn messages_to_kafka_are_kept_with_their_topics() {
    let (Some(redis), Some(kafka)) = (redis(), servers::kafka()) else { return };
    add_other(&redis);
    let topic = servers::name("ha");
    let Address { host, port, .. } = &kafka.address;
    let process = Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config(&format!(
            "bgp_daemon_ip: {{ip}}
             bgp_daemon_port: {{port}}
             bgp_daemon_id: 10.255.0.1
             bgp_daemon_msglog_kafka_broker_host: {host}
             bgp_daemon_msglog_kafka_broker_port: {port}
             bgp_daemon_msglog_kafka_topic: {topic}.$peer_src_ip"
        ))
        .more_config(&in_group(&redis, "east"))
        .start_tcp();
    process.wait_for_log(STANDBY);
    let source = own_address();
    let topic = format!("{topic}.{}", source.replace('.', "_"));
    kafka.create_topic(&topic);
    let mut speaker = Speaker::simple(&source, 65_001, process.setup().address());
    speaker.send(&route(65_001, "10.0.0.0/8"));
    speaker.send(&route(65_001, "11.0.0.0/8"));
    eventually("three events in the queue", || {
        process.wait_for_new_log("stats [ha/bgp]", || process.signal(Signal::SIGUSR1));
        process.log().contains("ha_queue_messages=3").then_some(())
    });
    assert!(kafka_messages(&kafka.address, &topic).is_empty());
    remove_other(&redis);
    eventually("the messages", || {
        let events = json_of(&kafka_messages(&kafka.address, &topic));
        let prefixes: Vec<_> = events.iter().filter_map(|event| event["ip_prefix"].as_str()).collect();
        let writers =
            events.iter().all(|event| event["writer_id"].as_str().is_some_and(|id| id.starts_with("east/")));
        (prefixes == ["10.0.0.0/8", "11.0.0.0/8"] && writers).then_some(())
    });
    process.stop();
}

#[test]
fn tables_are_not_dumped_on_standby() {
    let Some(redis) = redis() else { return };
    let dump = "bgp_table_dump_file: {dir}/dump.json\nbgp_table_dump_refresh_time: 60";
    add_other(&redis);
    let west = pmbgpd(&format!("{dump}\n{}", in_group(&redis, "west"))).start_tcp();
    west.wait_for_log(STANDBY);
    let alone = in_group(&redis, "east").replace("pair", "alone");
    let east = pmbgpd(&format!("{dump}\n{alone}")).start_tcp();
    east.wait_for_log(ACTIVE);
    let mut speakers = [peer(&east), peer(&west)];
    speakers.iter_mut().for_each(|speaker| speaker.send(&route(65_001, "10.0.0.0/8")));
    eventually("a dump", || east.text("dump.json").contains("dump_close").then_some(()));
    assert!(east.text("dump.json").contains("10.0.0.0/8"));
    assert!(!west.stop().log.contains("Dumping BGP tables"));
}

#[test]
fn messages_of_bmp_are_kept_too() {
    let Some(redis) = redis() else { return };
    add_other(&redis);
    let lines = in_group(&redis, "east").replace("bgp_daemon_ha", "bmp_daemon_ha");
    let process = crate::bmp::pmbmpd(&lines).start_tcp();
    process.wait_for_log(STANDBY);
    let (_router, source) = crate::bmp::reporting(process.setup().address());
    eventually("events in the queue", || {
        process.wait_for_new_log("stats [ha/bmp]", || process.signal(Signal::SIGUSR1));
        process.log().contains("ha_queue_messages=4").then_some(())
    });
    assert_eq!(process.text("log.json"), "");
    remove_other(&redis);
    let mut log = Log::of(&process);
    log.wait_for_routes(1);
    assert!(crate::bmp::has_route(&log, &source));
}

#[test]
fn a_database_and_a_password_are_used_and_each_process_has_a_key() {
    let Some(redis) = Redis::start_with_password("se cret") else { return missing("redis-server") };
    let Address { host, port, .. } = redis.address();
    let lines = |password| {
        format!(
            "redis_host: {host}:{port}\nredis_db: 3\nredis_passwd: {password}\ncluster_name: c\ncluster_id: 4
             bgp_daemon: true\nbgp_daemon_ip: {{ip}}\nbgp_daemon_port: {{port}}\nplugins: print[p]"
        )
    };
    let process = nfacctd(&lines("se cret")).start();
    let expected =
        ["c+4+daemon_type", "c+4+process+default+core", "c+4+process+default+core+bgp", "c+4+process+p+print"];
    eventually("the keys", || (keys(&redis, 3) == expected).then_some(()));
    eventually("the type of the daemon", || {
        (ask(&redis, 3, &["GET", expected[0]]) == Reply::Value(Some(b"nfacctd".to_vec()))).then_some(())
    });
    eventually("the lifetime of a key", || {
        matches!(ask(&redis, 3, &["TTL", expected[3]]), Reply::Integer(1..=3)).then_some(())
    });
    assert_eq!(keys(&redis, 0), Vec::<String>::new());
    // Without a group, the signals have no effect.
    process.signal_realtime(FORCE_STANDBY);
    process.wait_for_log("SIGRTMIN+2 received, which has no effect without high availability");
    process.stop();
    eventually("no keys", || keys(&redis, 3).is_empty().then_some(()));

    let process = nfacctd(&lines("wrong")).start();
    process.wait_for_log("WRONGPASS");
    process.stop();
}

#[test]
fn two_daemons_with_one_name_are_noticed_and_one_is_active() {
    let Some(redis) = redis() else { return };
    let start = || pmbgpd(&in_group(&redis, "same")).start_tcp();
    let first = start();
    first.wait_for_log(ACTIVE);
    let second = start();
    let warning = "another daemon writes the key pair+0+same+ha_daemon_startup_time";
    second.wait_for_log(warning);
    wait_for_state(&second, "STANDBY");
    first.wait_for_log(warning);
    assert_eq!(state(&first).as_deref(), Some("ACTIVE"));
}

#[test]
fn a_configuration_without_a_name_is_refused() {
    let check = |lines: &str| pmbgpd(lines).arguments(["--check"]).run();
    for (lines, expected) in [
        ("redis_host: 127.0.0.1:6379", "redis_host requires cluster_name to be specified. Exiting..."),
        (
            "redis_host: 127.0.0.1:6379\ncluster_name: c\nbgp_daemon_ha: true",
            "BMP-BGP-HA: bgp_bmp_daemon_ha_cluster_name not configured, exiting!",
        ),
        ("redis_host: 127.0.0.1:x\ncluster_name: c", "redis_host: '127.0.0.1:x' is not an address"),
        ("bgp_daemon_ha: true\nbgp_daemon_ha_cluster_name: c", "bgp_daemon_ha has no effect without redis_host"),
    ] {
        let finished = check(lines);
        assert!(finished.code() == Some(1) && finished.log.contains(expected), "{lines}\n{}", finished.log);
    }
    assert_eq!(pmbgpd("redis_host: 127.0.0.1:6379").run().code(), Some(1));
    let lines = "redis_host: [::1]\ncluster_name: c\nbgp_daemon_ha: true\nbgp_daemon_ha_cluster_name: p\nbgp_daemon_max_peers: 10";
    let finished = check(lines);
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
}
