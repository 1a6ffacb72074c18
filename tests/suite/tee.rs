//! The tee plugin: replicas of datagrams at other collectors.

use crate::support::{NOW, UPTIME, by_fields, clock, model, nfacctd, printing, start, web};
use netflow::encode::{Message, V5Record, field, v5};
use netflow::template::{Kind, Template};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;
use testkit::namespace::Namespace;
use testkit::output::sum;
use testkit::traffic::{Flow, Flows, Stream, Version};
use testkit::{Process, Setup, eventually};

/// What collectors behind a tee print.
const AGGREGATE: &str = "peer_src_ip, src_host, dst_host, src_port, dst_port, in_iface, proto, flows";

/// A tee with these lines, and these lines as its receivers.
pub(crate) fn tee(receivers: &str, lines: &str) -> Setup {
    nfacctd("plugins: tee[t]\ntee_receivers: {dir}/receivers.lst")
        .file("receivers.lst", receivers)
        .more_config(lines)
}

/// Collectors behind a tee.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn collectors(count: usize) -> Vec<Process> {
    (0..count).map(|_| start(&printing(AGGREGATE))).collect()
}

/// Addresses of collectors, as receivers of one pool.
fn addresses(collectors: &[Process]) -> String {
    let addresses: Vec<String> = collectors.iter().map(|one| one.setup().address().to_string()).collect();
    addresses.join(",")
}

/// Waits until collectors have received that many datagrams in all; each lost nothing by sequence numbers.
fn wait_for_all(collectors: &[Process], count: u64) {
    eventually("all replicas", || {
        let received: u64 = collectors.iter().map(|one| one.statistics().value("datagrams_received")).sum();
        (received >= count).then_some(())
    });
}

fn exporter_flows(version: Version, seed: u64) -> (Vec<Flow>, Vec<Vec<u8>>) {
    let flows: Vec<Flow> = Flows::new(seed).ipv4().take(400).collect();
    let datagrams = Stream::new(version, 1, NOW).datagrams(&flows);
    (flows, datagrams)
}

/// A v5 datagram with a record for each input interface.
pub(crate) fn v5_from(sequence: u32, interfaces: &[u16]) -> Vec<u8> {
    let record = |input: &u16| V5Record { interfaces: [*input, 9], ..web(1, 1000 + *input, 1, 100) };
    v5(sequence, NOW, UPTIME, 0, &interfaces.iter().map(record).collect::<Vec<_>>())
}

#[test]
fn every_receiver_gets_every_datagram() {
    let collectors = collectors(3);
    let receivers = format!("id=1 ip={}\nid=2 ip={}", addresses(&collectors[..2]), addresses(&collectors[2..]));
    let tee = start(&tee(&receivers, ""));
    let (mut sent, mut all) = (0, Vec::new());
    for (host, version) in (1..).zip([Version::V5, Version::V9, Version::Ipfix]) {
        let (flows, datagrams) = exporter_flows(version, host);
        sent += datagrams.len() as u64;
        tee.exporter(&format!("127.0.1.{host}")).send_all(datagrams);
        all.extend(flows);
    }
    wait_for_all(&collectors, 3 * sent);
    let report = tee.statistics();
    report.assert_all_accounted();
    assert_eq!((report.value("datagrams_undecoded"), report.value("datagrams_replicated")), (sent, sent));
    assert_eq!((report.value("replicas_made"), report.value("replicas_sent")), (3 * sent, 3 * sent));
    let finished = tee.stop();
    assert_eq!(finished.code(), Some(0));
    let key = |flow: &Flow| {
        vec![flow.source.to_string(), flow.source_port.to_string(), flow.destination_port.to_string()]
    };
    let expected = model(&all, key);
    for collector in collectors {
        let rows = collector.stop().json("out.json");
        assert_eq!(by_fields(&rows, &["ip_src", "port_src", "port_dst"]), expected);
    }
}

#[test]
fn sflow_is_replicated_too() {
    use crate::sflow::{datagram, head, header, sfacctd};
    let collector = sfacctd("peer_src_ip, in_iface", "").start();
    collector.wait_for_log("waiting for sFlow data");
    let address = collector.setup().address();
    let setup = Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config("sfacctd_ip: {ip}\nsfacctd_port: {port}\nplugins: tee[t]\ntee_receivers: {dir}/receivers.lst\npre_tag_map: {dir}/tags.map")
        .file("receivers.lst", format!("id=1 ip={address} tag=1"))
        .file("tags.map", "set_tag=1 in=1\nset_tag=2 in=2");
    let tee = setup.start();
    tee.wait_for_log("waiting for sFlow data");
    let frame = crate::packets::web(1, 0);
    let mut sent = datagram(1);
    for input in [1, 2, 1] {
        let head = ::sflow::FlowHead { input: ::sflow::Interface::index(input), ..head(1) };
        sent.flow(&head, &[header(&frame)]).unwrap();
    }
    tee.exporter("127.0.1.1").send(&sent.finish());
    assert_eq!(collector.wait_for_datagrams(1).value("records_decoded"), 2);
    assert_eq!(tee.statistics().value("replicas_rebuilt"), 1);
    tee.stop();
    let rows = collector.stop().json("out.json");
    assert_eq!((sum(&rows, "packets"), rows[0]["iface_in"].as_u64()), (2, Some(1)));
}

#[test]
fn exporters_keep_their_addresses_in_transparent_mode() {
    if !is_root() {
        return;
    }
    let collector = start(&printing("peer_src_ip, in_iface"));
    let tee = start(&tee(
        &format!("id=1 ip={}", addresses(std::slice::from_ref(&collector))),
        "tee_transparent: true\ntee_ipprec: 5\ntee_pipe_size: 1000000",
    ));
    for host in 1..=3 {
        tee.exporter(&format!("127.0.1.{host}")).send(&v5_from(0, &[host]));
    }
    collector.wait_for_datagrams(3);
    tee.stop();
    let rows = collector.stop().json("out.json");
    let found: BTreeSet<String> =
        rows.iter().map(|row| row["peer_ip_src"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(found, ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(str::to_owned).into());
}

#[test]
fn exporters_keep_their_addresses_over_ipv6() {
    if !is_root() || !testkit::sockets::has_ipv6() {
        return;
    }
    // The receiver is a socket, which shows source address and port; the kernel verifies the checksum.
    let receiver = UdpSocket::bind("[::1]:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let receivers = format!("id=1 ip={}", receiver.local_addr().unwrap());
    let tee = start(&tee(&receivers, "tee_transparent: true").on_ipv6());
    let exporter = UdpSocket::bind("[::1]:0").unwrap();
    let datagram = v5_from(0, &[1]);
    exporter.send_to(&datagram, tee.setup().address()).unwrap();
    let mut buffer = [0; 2000];
    let (len, source) = receiver.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], source), (datagram.as_slice(), exporter.local_addr().unwrap()));
    tee.stop();
}

#[test]
fn records_go_where_their_tags_say() {
    let collectors = collectors(2);
    let receivers =
        format!("id=1 ip={} tag=1\nid=2 ip={} tag=2-9", addresses(&collectors[..1]), addresses(&collectors[1..]));
    let setup = tee(&receivers, "pre_tag_map: {dir}/tags.map")
        .file("tags.map", "set_tag=1 in=1\nset_tag=2 in=2\nset_tag=3 in=3");
    let tee = start(&setup);
    let exporter = tee.exporter("127.0.1.1");
    let fields = vec![field(10, 4), field(8, 4), field(7, 2), field(1, 4), field(2, 4)];
    let template = Template::new(1, 256, Kind::Data, fields);
    let (mut sequence, mut datagrams) = (0, Vec::new());
    for round in 0u32..40 {
        let message = Message::ipfix(1, sequence, clock());
        let message = if round % 10 == 0 { message.templates(&[&template]) } else { message };
        let records = 1 + round % 7;
        sequence += records;
        datagrams.push(
            message
                .records(256, records as usize, |w| {
                    for record in 0..records {
                        let input = 1 + (round * 3 + record) % 4;
                        w.u32(input).put(&[10, 0, 0, 1]).u16(record as u16).u32(100).u32(1);
                    }
                })
                .finish(),
        );
    }
    exporter.send_all(&datagrams);
    let sent = tee.wait_for_datagrams(40);
    sent.assert_all_accounted();
    assert!(sent.value("replicas_rebuilt") > 0, "{}", sent.lines.join("\n"));
    let expected: Vec<u64> = [vec![1], vec![2, 3]]
        .iter()
        .map(|wanted| {
            let all =
                (0u32..40).flat_map(|round| (0..1 + round % 7).map(move |record| 1 + (round * 3 + record) % 4));
            all.filter(|input| wanted.contains(input)).count() as u64
        })
        .collect();
    for (collector, expected) in collectors.into_iter().zip(expected) {
        let report = eventually("the records", || {
            let report = collector.statistics();
            (report.value("records_decoded") == expected).then_some(report)
        });
        // As if the exporter had sent nothing else.
        assert_eq!((report.value("sequence_gaps"), report.value("sequence_restarts")), (0, 0));
        assert_eq!(report.value("records_faulty"), 0);
        assert_eq!(sum(&collector.stop().json("out.json"), "packets"), expected);
    }
    tee.stop();
}

#[test]
fn a_tag_of_the_exporter_needs_no_decoding() {
    let collectors = collectors(2);
    let receivers =
        format!("id=1 ip={} tag=1\nid=2 ip={} tag=-1", addresses(&collectors[..1]), addresses(&collectors[1..]));
    let setup = tee(&receivers, "pre_tag_map: {dir}/tags.map")
        .file("tags.map", "set_tag=1 ip=127.0.1.1\nset_tag=2 ip=127.0.1.2");
    let tee = start(&setup);
    for host in 1..=3u16 {
        tee.exporter(&format!("127.0.1.{host}")).send(&v5_from(0, &[host]));
    }
    collectors[0].wait_for_datagrams(1);
    collectors[1].wait_for_datagrams(2);
    assert_eq!(tee.statistics().value("datagrams_undecoded"), 3);
    tee.stop();
}

#[test]
fn a_plugin_has_filters_of_its_own_beside_others_that_aggregate() {
    let collector = start(&printing(AGGREGATE));
    let setup = nfacctd(
        "plugins: tee[t], print[p]\ntee_receivers: {dir}/receivers.lst\npre_tag_map[t]: {dir}/tags.map\npre_tag_filter[t]: 7
         aggregate[p]: in_iface\nprint_output[p]: json\nprint_output_file[p]: {dir}/out.json",
    );
    let setup = setup
        .file("receivers.lst", format!("id=1 ip={}", collector.setup().address()))
        .file("tags.map", "set_tag=7 in=2\nset_tag=8 in=3");
    let tee = start(&setup);
    tee.exporter("127.0.1.1").send_all([v5_from(0, &[1, 2, 3]), v5_from(3, &[3, 3]), v5_from(5, &[2, 2])]);
    let report = collector.wait_for_datagrams(2);
    assert_eq!((report.value("records_decoded"), report.value("sequence_gaps")), (3, 0));
    let report = tee.statistics();
    assert_eq!((report.value("datagrams_replicated"), report.value("datagrams_filtered[tag]")), (2, 1));
    let rows = tee.stop().json("out.json");
    assert_eq!(sum(&rows, "packets"), 7);
    assert_eq!(sum(&collector.stop().json("out.json"), "packets"), 3);
}

#[test]
fn balanced_pools_share_the_datagrams() {
    for algorithm in ["rr", "hash-agent", "hash-crc32", "hash-exporter", "hash-tag"] {
        let collectors = collectors(2);
        let receivers = format!("id=1 ip={} balance-alg={algorithm}", addresses(&collectors));
        let setup = tee(&receivers, "nfacctd_workers: 1\npre_tag_map: {dir}/tags.map")
            .file("tags.map", "set_tag=1 ip=127.0.1.1\nset_tag=2 ip=127.0.1.2");
        let tee = start(&setup);
        for host in 1..=2u16 {
            let exporter = tee.exporter(&format!("127.0.1.{host}"));
            exporter.send_all((0..4).map(|number| v5_from(number, &[host])));
        }
        wait_for_all(&collectors, 8);
        assert_eq!(tee.statistics().value("replicas_made"), 8);
        tee.stop();
        let mut found = Vec::new();
        for collector in collectors {
            let rows = collector.stop().json("out.json");
            found.push(
                rows.iter().map(|row| (row["iface_in"].as_u64(), row["packets"].as_u64())).collect::<Vec<_>>(),
            );
        }
        if algorithm == "rr" {
            assert!(found.iter().all(|rows| rows.len() == 2), "{found:?}");
        } else {
            // All datagrams of an exporter go to one collector.
            let mut all: Vec<_> = found.concat();
            all.sort_unstable();
            assert_eq!(all, [(Some(1), Some(4)), (Some(2), Some(4))], "{algorithm}");
        }
    }
}

#[test]
fn receivers_are_read_again_without_losing_a_datagram() {
    let collectors = collectors(2);
    let tee = start(&tee(&format!("id=1 ip={}", addresses(&collectors[..1])), ""));
    let exporter = tee.exporter("127.0.1.1");
    let mut sequence = 0;
    let mut send = |count: u32| {
        for _ in 0..count {
            exporter.send(&v5_from(sequence, &[1]));
            sequence += 1;
        }
    };
    for round in 0..6 {
        send(50);
        let other = &collectors[usize::from(round % 2 == 0)..][..1];
        std::fs::write(tee.setup().path("receivers.lst"), format!("id={} ip={}", round + 1, addresses(other)))
            .unwrap();
        let mut more = || send(50);
        tee.wait_for_new_log("reloaded", || {
            tee.signal(testkit::process::Signal::SIGUSR2);
            more();
        });
    }
    wait_for_all(&collectors, 600);
    let report = tee.statistics();
    assert_eq!((report.value("replicas_made"), report.value("replicas_sent")), (600, 600));
    // A file with an error changes nothing.
    std::fs::write(tee.setup().path("receivers.lst"), "id=1 ip=nowhere").unwrap();
    tee.wait_for_new_log("Invalid receiver nowhere", || tee.signal(testkit::process::Signal::SIGUSR2));
    send(10);
    wait_for_all(&collectors, 610);
    tee.stop();
    let rows = collectors.into_iter().flat_map(|one| one.stop().json("out.json")).collect::<Vec<_>>();
    assert_eq!(sum(&rows, "packets"), 610);
}

#[test]
fn a_receiver_that_is_away_costs_nothing_but_its_replicas() {
    let mut collectors = collectors(2);
    let receivers = format!("id=1 ip={}", addresses(&collectors));
    let gone = collectors.remove(0);
    let setup = gone.setup().clone();
    gone.stop();
    let tee = start(&tee(&receivers, ""));
    let exporter = tee.exporter("127.0.1.1");
    exporter.send_all((0..50).map(|number| v5_from(number, &[1])));
    wait_for_all(&collectors, 50);
    // A refusal is reported by the next attempt to send.
    exporter.send_all((50..100).map(|number| v5_from(number, &[1])));
    wait_for_all(&collectors, 100);
    let report = tee.statistics();
    report.assert_all_accounted();
    assert!(report.value("replicas_refused") > 0);
    let back = start(&setup);
    exporter.send_all((100..110).map(|number| v5_from(number, &[1])));
    back.wait_for_datagrams(10);
    wait_for_all(&collectors, 110);
    tee.stop();
}

#[test]
fn pools_limit_rates_and_sample() {
    let collectors = collectors(2);
    let receivers = format!(
        "id=1 ip={} rate_limit=10\nid=2 ip={} sampling_rate=1000000000",
        addresses(&collectors[..1]),
        addresses(&collectors[1..])
    );
    let tee = start(&tee(&receivers, ""));
    tee.exporter("127.0.1.1").send_all((0..100).map(|number| v5_from(number, &[1])));
    let report = tee.wait_for_datagrams(100);
    report.assert_all_accounted();
    let passed = report.value("datagrams_replicated");
    assert!((10..90).contains(&passed), "{passed}");
    assert_eq!(
        passed + report.value("datagrams_filtered[rate]") + report.value("datagrams_filtered[sampling]"),
        100
    );
    tee.stop();
}

#[test]
fn collectors_in_other_networks_get_everything() {
    let Some(namespaces) = (0..3).map(|_| Namespace::new()).collect::<Option<Vec<_>>>() else { return };
    // Each collector is a socket in its namespace, reached over a link.
    let script = "import socket, sys\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)\n\
        s.bind(('0.0.0.0', 2055))\n\
        s.settimeout(30)\n\
        print('ready', flush=True)\n\
        n = 0\n\
        while n < int(sys.argv[1]):\n    n += len(s.recvfrom(65535)[0]) > 0\n\
        print(n, flush=True)\n";
    let count = 300;
    let mut readers: Vec<_> = namespaces
        .iter()
        .map(|namespace| {
            let mut command = namespace.enter(std::path::Path::new("python3"));
            command.args(["-c", script, &count.to_string()]).stdout(std::process::Stdio::piped());
            let mut child = command.spawn().expect("python3 runs");
            let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
            assert_eq!(lines.next().unwrap().unwrap(), "ready");
            (child, lines)
        })
        .collect();
    let ips: Vec<String> = namespaces.iter().map(|namespace| format!("{}:2055", namespace.inside())).collect();
    let tee = start(&tee(&format!("id=1 ip={}", ips.join(",")), "nfacctd_pipe_size: 8000000"));
    let exporter = tee.exporter("127.0.1.1");
    // Full datagrams of one size, which the kernel splits behind the protocol stack, and others.
    let full: Vec<u16> = vec![1; 30];
    for number in 0..count {
        let interfaces = if number % 50 == 49 { &full[..3] } else { &full[..] };
        exporter.send(&v5_from(number, interfaces));
    }
    for (child, lines) in &mut readers {
        assert_eq!(lines.next().unwrap().unwrap(), count.to_string());
        child.wait().unwrap();
    }
    let report = tee.statistics();
    assert_eq!((report.value("replicas_sent"), report.family("replicas_dropped[")), (3 * u64::from(count), 0));
    tee.stop();
}

#[test]
fn settings_without_receivers_are_rejected() {
    let check = |setup: Setup| setup.arguments(["--check"]).run();
    let finished = check(nfacctd("plugins: tee[t]"));
    assert!(
        finished.code() == Some(1) && finished.log.contains("tee_receivers[t] is not set"),
        "{}",
        finished.log
    );
    for (receivers, message) in [
        ("", "No valid receivers."),
        ("id=1 ip=127.0.0.1", "Invalid receiver 127.0.0.1."),
        ("id=1 kafka_broker=b:1 kafka_topic=t", "tee_transparent must be set to 'true'"),
        ("id=0 ip=127.0.0.1:1", "bad 'id' value"),
    ] {
        let finished = check(tee(receivers, ""));
        assert!(finished.code() == Some(1) && finished.log.contains(message), "{receivers}: {}", finished.log);
    }
}

/// Checks the configurations of a document, and returns their number.
pub(crate) fn check_document(name: &str) -> usize {
    let root = env!("CARGO_MANIFEST_DIR");
    let document = std::fs::read_to_string(format!("{root}/docs/{name}")).expect("the document is there");
    let blocks = crate::maps::blocks(&document);
    // The line before a block of a file names it.
    let named = |line: &str, block: &str| match block.strip_prefix("! ").and_then(|block| block.split_once('\n')) {
        Some((name, _)) => Some(name.to_owned()),
        None => line.split('`').nth(1).filter(|name| name.contains('.') && !name.contains(' ')).map(str::to_owned),
    };
    let files: Vec<(String, &str)> =
        blocks.iter().filter_map(|(line, block)| Some((named(line, block)?, block.as_str()))).collect();
    let mut checked = 0;
    for (name, _) in files.iter().filter(|(name, _)| name.ends_with(".conf")) {
        let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"));
        let setup = files.iter().fold(setup, |setup, (name, text)| setup.file(name, text));
        let finished = setup.arguments(["-f", name, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.log);
        assert!(!finished.log.contains("WARN"), "{name}: {}", finished.log);
        checked += 1;
    }
    checked
}

#[test]
fn the_documented_examples_are_valid() {
    assert_eq!(check_document("tee.md"), 4);
    let root = env!("CARGO_MANIFEST_DIR");
    let example = std::fs::read_to_string(format!("{root}/etc/nfacctd-tee.conf")).unwrap();
    let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .file("receivers.lst", "id=1 ip=192.0.2.10:2100")
        .config(&example.replace("/etc/pmacct/", "{dir}/").replace("/run/pmacct/", "{dir}/"));
    let finished = setup.arguments(["--check"]).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
}

#[test]
fn a_rate_limit_is_counted() {
    let collectors = collectors(1);
    let tee = start(&tee(&format!("id=1 ip={} rate_limit=5", addresses(&collectors)), ""));
    tee.exporter("127.0.1.1").send_all((0..50).map(|number| v5_from(number, &[1])));
    let report = tee.wait_for_datagrams(50);
    assert!(report.value("datagrams_filtered[rate]") > 0);
    tee.stop();
}

#[test]
fn what_cannot_be_divided_is_counted() {
    let collectors = collectors(2);
    let receivers =
        format!("id=1 ip={} tag=0\nid=2 ip={}", addresses(&collectors[..1]), addresses(&collectors[1..]));
    let setup = tee(&receivers, "pre_tag_map: {dir}/tags.map").file("tags.map", "set_tag=1 in=1");
    let tee = start(&setup);
    let datagram = Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u32(1)).finish();
    tee.exporter("127.0.1.1").send(&datagram);
    // A pool without a filter gets it nevertheless.
    collectors[1].wait_for_datagrams(1);
    let report = tee.wait_for_datagrams(1);
    assert_eq!((report.value("parts_unreadable"), report.value("datagrams_replicated")), (1, 1));
    tee.stop();
}

#[test]
fn replicas_without_a_socket_are_counted() {
    // A link-local address without an interface.
    let tee = start(&tee("id=1 ip=[fe80::1]:9", ""));
    tee.exporter("127.0.1.1").send(&v5_from(0, &[1]));
    assert_eq!(tee.wait_for_datagrams(1).value("replicas_dropped[unreachable]"), 1);
    tee.wait_for_log("no socket to [fe80::1]:9");
    tee.stop();
}

#[test]
fn packets_that_cannot_be_sent_are_counted_by_reason() {
    if !is_root() || !testkit::sockets::has_ipv6() {
        return;
    }
    let counted = |receiver: &str, on_ipv6: bool, octets: usize, reason: &str| {
        let setup = tee(&format!("id=1 ip={receiver}"), "tee_transparent: true");
        let setup = if on_ipv6 { setup.on_ipv6() } else { setup };
        let tee = start(&setup);
        let exporter = UdpSocket::bind(if on_ipv6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
        exporter.send_to(&vec![5; octets], tee.setup().address()).unwrap();
        let report = tee.wait_for_datagrams(1);
        assert_eq!(
            report.value(&format!("replicas_dropped[{reason}]")),
            1,
            "{reason}: {}",
            report.lines.join("\n")
        );
        report.assert_all_accounted();
        tee.stop();
    };
    counted("[::1]:9", false, 100, "family");
    // A broadcast address.
    counted("127.255.255.255:9", false, 100, "denied");
    // Longer than a packet may be on the loopback interface.
    counted("[::1]:9", true, 65_500, "length");
}
