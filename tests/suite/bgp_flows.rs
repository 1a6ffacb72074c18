//! Flows that meet the routes of their exporters, in all outputs.

use crate::bgp::{Log, own_address};
use crate::sflow;
use crate::support::{assert_rows, by_fields, clock, nfacctd, one, template, v5_of, without_event_type};
use netflow::encode::{Message, V5Record, field};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::bgp::update::{numbered_nlri, prefix, route_target, with_path};
use testkit::bgp::{Open, Speaker, Update};
use testkit::frames::{ETHERNET, IPV4, UDP, capture, ethernet, ipv4, udp};
use testkit::output::Row;
use testkit::traffic::{Flow, Flows, Stream, Version};
use testkit::{Finished, Process, Setup, eventually};

const SRC: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 5);
const DST: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 9);
/// Every primitive that a route fills.
const PRIMITIVES: &str = "src_host, dst_host, src_as, dst_as, as_path, std_comm, ext_comm, lrg_comm, peer_src_as, \
    peer_dst_as, peer_dst_ip, local_pref, med, src_as_path, src_std_comm, src_ext_comm, src_lrg_comm, src_local_pref, \
    src_med, src_net, dst_net, src_mask, dst_mask";

/// The lines that make a daemon look up both addresses of a flow.
pub(crate) fn looking_up(daemon: &str) -> String {
    format!(
        "bgp_daemon: true
         bgp_daemon_ip: {{ip}}
         bgp_daemon_port: {{port}}
         bgp_daemon_as: 64512
         bgp_daemon_id: 10.255.0.1
         bgp_daemon_max_peers: 100
         bgp_daemon_msglog_file: {{dir}}/log.json
         {daemon}_as: bgp
         {daemon}_net: bgp
         bgp_src_std_comm_type: bgp
         bgp_src_ext_comm_type: bgp
         bgp_src_lrg_comm_type: bgp
         bgp_src_as_path_type: bgp
         bgp_src_local_pref_type: bgp
         bgp_src_med_type: bgp
         bgp_peer_src_as_type: bgp"
    )
}

fn printing(output: &str) -> Setup {
    nfacctd(&format!(
        "plugins: print[p]
         aggregate[p]: {PRIMITIVES}
         print_output[p]: {output}
         print_output_file[p]: {{dir}}/out.{output}"
    ))
    .more_config(&looking_up("nfacctd"))
}

/// The routes of both addresses.
fn updates() -> Vec<Vec<u8>> {
    let destination = Update::route(&[65_001, 65_010, 65_020], [10, 0, 0, 1].into())
        .med(50)
        .local_pref(200)
        .communities(&[(65_001, 100), (65_535, 0xff01)])
        .extended_communities(&[route_target(65_001, 1)])
        .large_communities(&[[65_001, 1, 2]]);
    let source = Update::route(&[65_002, 65_030], [10, 0, 0, 2].into())
        .med(7)
        .local_pref(90)
        .communities(&[(65_003, 1)])
        .extended_communities(&[route_target(65_003, 9)])
        .large_communities(&[[65_003, 3, 3]]);
    vec![destination.announce(["10.20.0.0/16"]).finish(), source.announce(["10.10.0.0/16"]).finish()]
}

/// What a flow with these routes becomes.
fn expected(packets: u32, bytes: u32) -> Value {
    json!({
        "ip_src": "10.10.0.5", "ip_dst": "10.20.0.9", "as_src": 65_030, "as_dst": 65_020,
        "as_path": "65001_65010_65020", "comms": "65001:100_no-export", "ecomms": "RT:65001:1", "lcomms": "65001:1:2",
        "peer_as_src": 65_002, "peer_as_dst": 65_001, "peer_ip_dst": "10.0.0.1", "local_pref": 200, "med": 50,
        "as_path_src": "65002_65030", "comms_src": "65003:1", "ecomms_src": "RT:65003:9", "lcomms_src": "65003:3:3",
        "local_pref_src": 90, "med_src": 7, "net_src": "10.10.0.0", "net_dst": "10.20.0.0", "mask_src": 16,
        "mask_dst": 16, "packets": packets, "bytes": bytes,
    })
}

/// The client has other names for the values of the source.
fn named_by_the_client(mut row: Value) -> Value {
    let fields = row.as_object_mut().expect("an object");
    for name in ["as_path", "comms", "ecomms", "lcomms", "local_pref", "med"] {
        let value = fields.remove(&format!("{name}_src")).expect("a value of the source");
        fields.insert(format!("src_{name}"), value);
    }
    row
}

/// A session whose routes have arrived.
pub(crate) fn routes(process: &Process, source: &str, open: &Open) -> Speaker {
    eventually("the BGP port", || testkit::sockets::is_listened_on(process.setup().address()).then_some(()));
    let mut speaker = Speaker::establish(source, process.setup().address(), open);
    updates().iter().for_each(|update| speaker.send(update));
    Log::with_tables(process).wait_for_routes(2);
    speaker
}

/// Starts a daemon, loads the routes of an exporter with that identifier, and sends its datagrams.
fn collected(setup: &Setup, id: Option<Ipv4Addr>, datagrams: &[Vec<u8>]) -> Finished {
    let process = setup.start();
    let source = own_address();
    let id = id.unwrap_or_else(|| source.parse().expect("an IPv4 address"));
    let _speaker = routes(&process, &source, &Open::new(65_001, id));
    process.exporter(&source).send_all(datagrams);
    process.stop()
}

/// One flow of 10 packets and 1000 octets.
fn record() -> V5Record {
    V5Record {
        addresses: [SRC.octets(), DST.octets(), [192, 0, 2, 254]],
        interfaces: [1, 2],
        packets: 10,
        octets: 1000,
        switched: [crate::support::UPTIME - 60_000, crate::support::UPTIME - 10_000],
        ports: [1024, 80],
        flags_protocol_tos: [0x1b, 6, 0],
        ases: [1, 2],
        masks: [24, 24],
    }
}

fn fields() -> Vec<netflow::template::Field> {
    vec![field(8, 4), field(12, 4), field(2, 4), field(1, 4)]
}

fn values() -> Vec<u8> {
    [&SRC.octets()[..], &DST.octets(), &10_u32.to_be_bytes(), &1000_u32.to_be_bytes()].concat()
}

#[test]
fn each_version_of_netflow_meets_routes() {
    let v9 = Message::v9(1, 0, clock(), 1000)
        .templates(&[&template(1, 256, fields())])
        .data(256, |w| _ = w.put(&values()))
        .finish();
    for datagram in [v5_of(&[record()]), v9, one(&fields(), &values())] {
        let finished = collected(&printing("json"), None, &[datagram]);
        assert_rows(without_event_type(finished.json("out.json")), [expected(10, 1000)]);
    }
}

#[test]
fn sflow_meets_the_routes_of_its_agent() {
    let setup = sflow::sfacctd(PRIMITIVES, &looking_up("sfacctd"));
    let frame = ethernet(IPV4, &ipv4(UDP, SRC, DST, &udp(1024, 53, &[1; 70])));
    let mut datagram = sflow::datagram(1);
    datagram.flow(&sflow::head(1), &[sflow::header(&frame)]).expect("there is room");
    // The agent is found by the identifier of its session.
    let finished = collected(&setup, Some([10, 99, 0, 1].into()), &[datagram.finish()]);
    assert_rows(without_event_type(finished.json("out.json")), [expected(1, 116)]);
}

#[test]
fn packets_meet_the_routes_of_the_peer_in_the_agent_map() {
    let frame = ethernet(IPV4, &ipv4(UDP, SRC, DST, &udp(1024, 53, &[1; 70])));
    let source = own_address();
    let setup = Setup::new(env!("CARGO_BIN_EXE_pmacctd"))
        .config(&format!(
            "pcap_savefile: {{dir}}/in.pcap
             pcap_savefile_delay: 5
             plugins: print[p]
             aggregate[p]: {PRIMITIVES}
             print_output[p]: json
             print_output_file[p]: {{dir}}/out.json
             print_refresh_time: 86400
             bgp_agent_map: {{dir}}/agents"
        ))
        .more_config(&looking_up("pmacctd"))
        .file("agents", format!("bgp_ip={source} ip=0.0.0.0/0\n"))
        .file("in.pcap", capture(ETHERNET, [(1_700_000_000_000_000, frame)]));
    let process = setup.spawn();
    let _speaker = routes(&process, &source, &Open::new(65_001, [10, 0, 0, 9].into()));
    let finished = process.wait();
    let bytes = 20 + 8 + 70;
    assert_rows(without_event_type(finished.json("out.json")), [expected(1, bytes)]);
}

#[test]
fn csv_has_all_values_of_routes() {
    let finished = collected(&printing("csv"), None, &[v5_of(&[record()])]);
    let rows = finished.csv("out.csv");
    let pairs = [
        ("SRC_AS", "65030"),
        ("DST_AS", "65020"),
        ("COMMS", "65001:100_no-export"),
        ("ECOMMS", "RT:65001:1"),
        ("LCOMMS", "65001:1:2"),
        ("AS_PATH", "65001_65010_65020"),
        ("PREF", "200"),
        ("MED", "50"),
        ("SRC_COMMS", "65003:1"),
        ("SRC_ECOMMS", "RT:65003:9"),
        ("SRC_LCOMMS", "65003:3:3"),
        ("SRC_AS_PATH", "65002_65030"),
        ("SRC_PREF", "90"),
        ("SRC_MED", "7"),
        ("PEER_SRC_AS", "65002"),
        ("PEER_DST_AS", "65001"),
        ("PEER_DST_IP", "10.0.0.1"),
        ("SRC_IP", "10.10.0.5"),
        ("DST_IP", "10.20.0.9"),
        ("SRC_NET", "10.10.0.0"),
        ("DST_NET", "10.20.0.0"),
        ("SRC_MASK", "16"),
        ("DST_MASK", "16"),
        ("PACKETS", "10"),
        ("BYTES", "1000"),
    ];
    let expected: Row = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(rows, [expected]);
}

#[test]
fn the_client_shows_and_filters_values_of_routes() {
    let setup = nfacctd(&format!("plugins: memory[m]\nimt_path[m]: {{dir}}/m.sock\naggregate[m]: {PRIMITIVES}"))
        .more_config(&looking_up("nfacctd"));
    let process = setup.start();
    let source = own_address();
    let _speaker = routes(&process, &source, &Open::new(65_001, source.parse().expect("an IPv4 address")));
    process.exporter(&source).send(&v5_of(&[record()]));
    let socket = setup.path("m.sock");
    let ask = |arguments: &[&str]| {
        let client = Setup::new(env!("CARGO_BIN_EXE_pmacct")).arguments(["-p", &socket.to_string_lossy()]);
        client.arguments(arguments).run().stdout
    };
    let shown =
        eventually("the flow", || Some(ask(&["-s", "-O", "json"])).filter(|text| text.contains("10.20.0.9")));
    let rows: Vec<Value> = shown.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(rows, [named_by_the_client(expected(10, 1000))]);
    assert_eq!(ask(&["-c", "dst_as,as_path", "-N", "65020,65001_65010_65020"]).trim(), "1000");
    assert_eq!(ask(&["-c", "dst_as,as_path", "-N", "65020,65001"]).trim(), "0");
    process.stop();
}

#[test]
fn columns_of_sqlite_have_the_values_of_routes() {
    let setup = nfacctd(&format!(
        "plugins: sqlite3[s]
         aggregate[s]: {PRIMITIVES}
         sql_db[s]: {{dir}}/acct.db
         sql_table[s]: acct
         sql_optimize_clauses: true
         sql_refresh_time[s]: 1"
    ))
    .more_config(&looking_up("nfacctd"));
    const TEXTS: [&str; 13] = [
        "ip_src",
        "ip_dst",
        "net_src",
        "net_dst",
        "as_path",
        "comms",
        "ecomms",
        "lcomms",
        "as_path_src",
        "comms_src",
        "ecomms_src",
        "lcomms_src",
        "peer_ip_dst",
    ];
    const NUMBERS: [&str; 12] = [
        "as_src",
        "as_dst",
        "mask_src",
        "mask_dst",
        "local_pref",
        "med",
        "local_pref_src",
        "med_src",
        "peer_as_src",
        "peer_as_dst",
        "packets",
        "bytes",
    ];
    let columns: Vec<String> = TEXTS
        .iter()
        .map(|name| format!("{name} TEXT"))
        .chain(NUMBERS.iter().map(|name| format!("{name} INTEGER")))
        .chain(["stamp_inserted DATETIME".to_owned(), "stamp_updated DATETIME".to_owned()])
        .collect();
    let database = rusqlite::Connection::open(setup.path("acct.db")).expect("a new database");
    database.execute_batch(&format!("CREATE TABLE acct ({})", columns.join(", "))).expect("a new table");
    collected(&setup, None, &[v5_of(&[record()])]);
    let whole = expected(10, 1000);
    for name in TEXTS {
        let found: String = database
            .query_row(&format!("SELECT {name} FROM acct"), [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // Databases get blanks between the members of a list.
        assert_eq!(Value::from(found.replace(' ', "_")), whole[name], "{name}");
        assert!(!found.contains('_'), "{name}: {found}");
    }
    for name in NUMBERS {
        let found: i64 = database
            .query_row(&format!("SELECT {name} FROM acct"), [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Value::from(found), whole[name], "{name}");
    }
}

#[test]
fn of_several_paths_the_one_with_the_next_hop_of_the_flow_is_taken() {
    let setup = nfacctd(
        "plugins: print[p]
         aggregate[p]: dst_as, peer_dst_ip
         print_output[p]: json
         print_output_file[p]: {dir}/out.json
         use_ip_next_hop: true",
    )
    .more_config(&looking_up("nfacctd"));
    let process = setup.start();
    let source = own_address();
    eventually("the BGP port", || testkit::sockets::is_listened_on(setup.address()).then_some(()));
    let open = Open::new(65_001, source.parse().expect("an IPv4 address")).add_path(1, 1);
    let mut speaker = Speaker::establish(&source, setup.address(), &open);
    for path in 1..=3_u8 {
        let update = Update::route(&[65_000 + u32::from(path)], [10, 0, 0, path].into());
        speaker.send(&update.announce_raw(&with_path(path.into(), &prefix("10.20.0.0/16"))).finish());
    }
    Log::with_tables(&process).wait_for_routes(3);
    let through = |last: u8| V5Record { addresses: [SRC.octets(), DST.octets(), [10, 0, 0, last]], ..record() };
    process.exporter(&source).send(&v5_of(&[through(2), through(3), through(3), through(9)]));
    let row = |asn: u32, next_hop: &str, flows: u32| json!({"as_dst": asn, "peer_ip_dst": next_hop, "packets": 10 * flows, "bytes": 1000 * flows});
    let rows = without_event_type(process.stop().json("out.json"));
    assert_rows(rows, [row(65_002, "10.0.0.2", 1), row(65_003, "10.0.0.3", 2), row(0, "", 1)]);
}

#[test]
fn routes_come_and_go_while_flows_arrive() {
    let setup = nfacctd(
        "plugins: print[p]
         aggregate[p]: dst_as, src_port
         print_output[p]: json
         print_output_file[p]: {dir}/out.json",
    )
    .more_config(&looking_up("nfacctd"));
    let process = setup.start();
    let source = own_address();
    let mut log = Log::with_tables(&process);
    let speaker = routes(&process, &source, &Open::new(65_001, source.parse().expect("an IPv4 address")));
    let exporter = process.exporter(&source);
    // The ports tell the flows apart; each is sent when the change before it is in the log.
    let flow = |port: u16| v5_of(&[V5Record { ports: [port, 80], ..record() }]);
    let mut speaker = speaker;
    let mut step = |port: u16, message: &[u8], holds: &dyn Fn(&Log) -> bool| {
        speaker.send(message);
        log.wait("the change", holds);
        exporter.send(&flow(port));
        let of_port = || process.statistics().value("records_decoded") >= u64::from(port);
        eventually("the flow", || of_port().then_some(()));
    };
    let longer = Update::route(&[65_001, 65_099], [10, 0, 0, 3].into()).announce(["10.20.0.0/24"]).finish();
    step(1, &[], &|_| true);
    step(2, &longer, &|log| log.routes.len() == 3);
    step(3, &Update::new().withdraw(["10.20.0.0/24"]).finish(), &|log| log.routes.len() == 2);
    step(4, &Update::new().withdraw(["10.20.0.0/16"]).finish(), &|log| log.routes.len() == 1);
    drop(speaker);
    log.wait_for_routes(0);
    exporter.send(&flow(5));
    let rows = without_event_type(process.stop().json("out.json"));
    let by_port = by_fields(&rows, &["port_src", "as_dst"]);
    let found: Vec<Vec<String>> = by_port.into_keys().collect();
    let expected = [["1", "65020"], ["2", "65099"], ["3", "65020"], ["4", "0"], ["5", "0"]];
    assert_eq!(found, expected.map(|row| row.map(str::to_owned).to_vec()));
}

#[test]
fn no_flow_is_lost_while_tables_load_and_vanish() {
    const ROUTES: u32 = 100_000;
    const FLOWS: usize = 20_000;
    let setup = nfacctd(
        "plugins: print[p]
         aggregate[p]: proto, as_path
         print_output[p]: json
         print_output_file[p]: {dir}/out.json",
    )
    .more_config(&looking_up("nfacctd").replace("bgp_daemon_msglog_file: {dir}/log.json", ""));
    let process = setup.start();
    eventually("the BGP port", || testkit::sockets::is_listened_on(setup.address()).then_some(()));
    let flows: Vec<Flow> = Flows::new(7).take(FLOWS).collect();
    let sent = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = Stream::new(Version::V9, 1, clock());
            process.exporter("127.0.1.1").send_all(stream.datagrams(&flows));
            sent.store(true, Ordering::Relaxed);
        });
        let messages = Update::route(&[65_001, 65_002], [10, 0, 0, 1].into()).announcing(numbered_nlri(0..ROUTES));
        while !sent.load(Ordering::Relaxed) || rounds == 0 {
            let mut speakers: Vec<Speaker> =
                (0..2).map(|number| Speaker::simple(&own_address(), 65_001 + number, setup.address())).collect();
            for message in &messages {
                speakers.iter_mut().for_each(|speaker| speaker.send(message));
            }
            speakers.iter_mut().for_each(Speaker::keepalive);
            rounds += 1;
        }
    });
    assert!(rounds > 0);
    let finished = process.stop();
    let sum: u64 = flows.iter().map(|flow| u64::from(flow.packets)).sum();
    assert_eq!(testkit::output::sum(&finished.json("out.json"), "packets"), sum);
}
