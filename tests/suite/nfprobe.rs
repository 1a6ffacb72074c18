//! nfprobe: what was captured arrives at collectors, ours and others.

use crate::packets::{reading, web};
use crate::support::{by_fields, nfacctd, start, without_event_type};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::frames::{IPV4, TCP, UDP, ethernet, ipv4, ipv6, tag, tcp, udp};
use testkit::process::Signal;
use testkit::sockets::own_address;
use testkit::{Finished, Process, Setup, eventually};

const FIELDS: [&str; 7] = ["ip_src", "ip_dst", "port_src", "port_dst", "ip_proto", "tos", "tcp_flags"];
const TUPLE: &str = "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags";

/// Packets of many flows: TCP in both directions, UDP with and without a VLAN, and IPv6 unless `only_v4`.
pub(crate) fn traffic(count: u32, only_v4: bool) -> Vec<Vec<u8>> {
    let packet = |number: u32| {
        let (host, port) = ((number % 50) as u8, (number % 300) as u16 + 1024);
        let (client, server) = (Ipv4Addr::new(10, 1, 0, host), Ipv4Addr::new(192, 0, 2, 1));
        let contents = vec![7; number as usize % 900];
        match number % 5 {
            0 => ethernet(IPV4, &ipv4(TCP, client, server, &tcp(port, 443, 2, &contents))),
            1 => ethernet(IPV4, &ipv4(TCP, server, client, &tcp(443, port, 16, &contents))),
            2 => ethernet(IPV4, &ipv4(UDP, client, server, &udp(port, 53, &contents))),
            3 => ethernet(0x8100, &tag(5, 3, IPV4, &ipv4(UDP, server, client, &udp(53, port, &contents)))),
            _ if only_v4 => ethernet(IPV4, &ipv4(47, client, server, &contents)),
            _ => {
                let address = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
                ethernet(0x86dd, &ipv6(UDP, address(host.into()), address(1), &udp(port, 123, &contents)))
            }
        }
    };
    (0..count).map(packet).collect()
}

/// Lines for a probe next to the print plugin `p` with the same primitives.
fn exporting(to: SocketAddr, aggregate: &str, lines: &str) -> String {
    format!("plugins: print[p], nfprobe[n]\naggregate[n]: {aggregate}\nnfprobe_receiver[n]: {to}\n{lines}")
}

/// A collector that prints the same primitives.
fn collector() -> Process {
    // A loaded machine may not run it for a while.
    start(&nfacctd(&format!(
        "plugins: print[p]
         aggregate[p]: {TUPLE}
         print_output[p]: json
         print_output_file[p]: {{dir}}/out.json
         nfacctd_pipe_size: 8000000"
    )))
}

fn counted(rows: Vec<Value>) -> BTreeMap<Vec<String>, (u64, u64, u64)> {
    by_fields(&without_event_type(rows), &FIELDS)
}

/// What the print plugin of the probe's daemon counts, and what a collector counts.
fn both(frames: &[Vec<u8>], lines: &str) -> [BTreeMap<Vec<String>, (u64, u64, u64)>; 2] {
    let collector = collector();
    let probe = reading(TUPLE, &exporting(collector.setup().address(), TUPLE, lines), frames).run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    let collected = collector.stop();
    [counted(probe.json("out.json")), counted(collected.json("out.json"))]
}

#[test]
fn every_version_counts_what_was_captured() {
    for (version, only_v4) in [(5, true), (9, false), (10, false)] {
        let [captured, collected] = both(&traffic(5000, only_v4), &format!("nfprobe_version: {version}"));
        assert!(captured.len() > 100);
        assert_eq!(captured, collected, "version {version}");
    }
}

#[test]
fn tags_labels_and_custom_primitives_arrive() {
    let customs = "name=ttl packet_ptr=l3:0x800+8 len=1 semantics=u_int field_type=192\n\
                   name=ident packet_ptr=l3:0x800+4 len=2 semantics=u_int field_type=43874:900\n";
    let words = "src_host, tag, tag2, label, ttl, ident";
    for version in [9, 10] {
        let setup = nfacctd(&format!(
            "plugins: print[p]\naggregate[p]: {words}\nprint_output[p]: json\nprint_output_file[p]: {{dir}}/out.json
             aggregate_primitives: {{dir}}/customs"
        ));
        let collector = start(&setup.file("customs", customs));
        let lines = format!(
            "nfprobe_version: {version}\naggregate_primitives: {{dir}}/customs\npre_tag_map: {{dir}}/tags.map"
        );
        let lines = exporting(collector.setup().address(), words, &lines);
        let mut frame = web(1, 2);
        frame[18..20].copy_from_slice(&0xabcd_u16.to_be_bytes());
        let probe = reading("src_host", &lines, [frame])
            .file("customs", customs)
            .file("tags.map", "set_tag=5000000007 set_tag2=9 set_label=edge%router");
        let probe = probe.run();
        assert_eq!(probe.code(), Some(0), "{}", probe.log);
        let expected = serde_json::json!({
            "ip_src": "10.0.0.1", "tag": 5_000_000_007_u64, "tag2": 9, "label": "edge%router", "ttl": "64",
            "ident": "43981", "packets": 1, "bytes": 100,
        });
        assert_eq!(without_event_type(collector.stop().json("out.json")), [expected], "version {version}");
    }
}

#[test]
fn a_small_cache_costs_records_and_no_packets() {
    let [captured, collected] = both(&traffic(5000, false), "nfprobe_maxflows: 16");
    assert_eq!(captured, collected);
}

#[test]
fn without_a_cache_each_packet_is_a_record() {
    let frames = traffic(700, false);
    let probe = |lines: &str, receiver: &UdpSocket| {
        let lines = exporting(receiver.local_addr().unwrap(), TUPLE, lines);
        assert_eq!(reading(TUPLE, &lines, &frames).run().code(), Some(0));
        received(receiver)
    };
    let receiver = UdpSocket::bind(own_address()).unwrap();
    let records = |datagrams: &[Vec<u8>]| {
        // In v5, the header counts them.
        datagrams.iter().map(|octets| u64::from(u16::from_be_bytes([octets[2], octets[3]]))).sum::<u64>()
    };
    let v4 = frames.iter().filter(|frame| frame[12..14] != [0x86, 0xdd]).count() as u64;
    let without = probe("nfprobe_version: 5\nnfprobe_dont_cache: true", &receiver);
    assert_eq!(records(&without), v4);
    let cached = probe("nfprobe_version: 5", &receiver);
    assert!(records(&cached) < v4);
}

/// The datagrams that wait in a socket.
pub(crate) fn received(receiver: &UdpSocket) -> Vec<Vec<u8>> {
    receiver.set_nonblocking(true).expect("it is a socket");
    let mut octets = [0; 2000];
    std::iter::from_fn(|| receiver.recv(&mut octets).ok().map(|length| octets[..length].to_vec())).collect()
}

#[test]
fn a_signal_ends_and_exports_all_flows() {
    let collector = collector();
    let lines = exporting(collector.setup().address(), TUPLE, "pcap_savefile_wait: true");
    let probe = reading(TUPLE, &lines, traffic(2000, false)).spawn();
    probe.wait_for_log("finished reading");
    // The flows are still open.
    eventually("open flows", || (probe.statistics().value_of("n/nfprobe", "table_aggregates") > 0).then_some(()));
    let probe = probe.stop();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    assert_eq!(counted(probe.json("out.json")), counted(collector.stop().json("out.json")));
}

#[test]
fn idle_flows_are_exported_while_the_daemon_runs() {
    let receiver = UdpSocket::bind(own_address()).unwrap();
    // Times of a file are those of the capture, in which all but the last packets are old.
    let old = web(1, 2);
    let frames = [(0, old.clone()), (1_000_000_000, web(2, 2))];
    let lines = exporting(
        receiver.local_addr().unwrap(),
        TUPLE,
        "nfprobe_timeouts: tcp=10:expint=1\npcap_savefile_wait: true\nnfprobe_version: 5",
    );
    let setup =
        reading(TUPLE, &lines, [old]).file("in.pcap", testkit::frames::capture(testkit::frames::ETHERNET, frames));
    let probe = setup.spawn();
    receiver.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut octets = [0; 2000];
    let length = receiver.recv(&mut octets).unwrap();
    assert_eq!((length, octets[3]), (24 + 48, 1));
    assert_eq!(probe.stop().code(), Some(0));
}

#[test]
fn a_collector_that_does_not_exist_costs_counted_datagrams() {
    let lines = "plugins: nfprobe[p]\nnfprobe_receiver: collector.invalid:2055\nnfprobe_timeouts: expint=1\n\
                 nfprobe_dont_cache: true\npcap_savefile_wait: true";
    let probe = reading(TUPLE, lines, traffic(100, true)).spawn();
    probe.wait_for_log("finished reading");
    let statistics = eventually("lost datagrams", || {
        // There are several datagrams.
        Some(probe.statistics()).filter(|statistics| statistics.value("aggregates_dropped[refused]") >= 100)
    });
    statistics.assert_all_accounted();
    assert_eq!(statistics.value("aggregates_dropped[refused]"), 100);
    assert!(statistics.value("datagrams_unsent[error]") > 0);
    probe.signal(Signal::SIGINT);
    let finished = probe.wait();
    assert!(finished.log.contains("cannot send to collector.invalid:2055"), "{}", finished.log);
    // Everything in the file was to be exported.
    assert_eq!(finished.code(), Some(1));
}

#[test]
fn a_collector_that_does_not_listen_is_noticed() {
    let nobody = own_address();
    let lines = format!(
        "plugins: nfprobe[p]\nnfprobe_receiver: {nobody}\nnfprobe_dont_cache: true\npcap_savefile_wait: true"
    );
    let probe = reading(TUPLE, &lines, traffic(1000, true)).spawn();
    probe.wait_for_log("finished reading");
    eventually("refused datagrams", || (probe.statistics().value("datagrams_unsent[refused]") > 0).then_some(()));
    assert_eq!(probe.stop().code(), Some(0));
}

#[test]
fn problems_of_the_configuration_are_reported() {
    let log = |lines: &str| -> Finished {
        reading("src_host", &format!("plugins: nfprobe[p]\n{lines}"), [web(1, 2)]).arguments(["--check"]).run()
    };
    for (lines, message) in [
        ("nfprobe_receiver: nowhere", "nfprobe_receiver[p]: 'nowhere' is not a host and a port"),
        ("nfprobe_timeouts: tcp=x", "nfprobe_timeouts[p]: 'tcp=x' is not a name and a number of seconds"),
        ("nfprobe_engine: a", "nfprobe_engine[p]: 'a' is not an engine"),
        ("nfprobe_dtls: true", "nfprobe_dtls[p]: export over DTLS is not implemented"),
    ] {
        let finished = log(lines);
        assert!(finished.code() == Some(1) && finished.log.contains(message), "{}", finished.log);
    }
    let finished = log("nfprobe_ifindex[p]: eth0");
    assert!(finished.log.contains("nfprobe_ifindex[p]: 'eth0' is neither"), "{}", finished.log);
    let finished = log("nfprobe_ifindex[p]: 12");
    assert!(finished.log.contains("Add nfprobe_direction[p]: in"), "{}", finished.log);
}

/// A collector of nfdump.
pub(crate) struct Nfcapd {
    setup: Setup,
    process: Child,
}

impl Nfcapd {
    /// Starts one at an address. `None`: nfdump is not installed.
    pub(crate) fn start(address: SocketAddr) -> Option<Self> {
        let is_installed = |name: &str| {
            Command::new("sh")
                .args(["-c", &format!("command -v {name}")])
                .output()
                .is_ok_and(|o| o.status.success())
        };
        if !is_installed("nfcapd") || !is_installed("nfdump") {
            return None;
        }
        let setup = Setup::new("/bin/true");
        std::fs::create_dir_all(setup.path("flows")).expect("the folder can be made");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let process = Command::new("nfcapd")
            .args(["-w"])
            .arg(setup.path("flows"))
            .args(["-b", &host, "-p", &port, "-t", "3600", "-B", "8000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nfcapd runs");
        eventually("nfcapd", || (!testkit::sockets::bound(address).is_empty()).then_some(()));
        Some(Self { setup, process })
    }

    /// Ends it, and returns what nfdump prints of its flows.
    pub(crate) fn stop(mut self, format: &str) -> String {
        let interrupt = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(interrupt.is_ok_and(|status| status.success()));
        self.process.wait().expect("it is a child");
        let mut nfdump = Command::new("nfdump");
        nfdump.arg("-R").arg(self.setup.path("flows")).args(["-q", "-N", "-o", &format!("fmt:{format}")]);
        String::from_utf8_lossy(&nfdump.output().expect("nfdump runs").stdout).into_owned()
    }
}

#[test]
fn nfdump_reads_every_version() {
    for version in [5, 9, 10] {
        let frames = traffic(3000, version == 5);
        let address = own_address();
        let Some(collector) = Nfcapd::start(address) else { return };
        let lines = exporting(address, TUPLE, &format!("nfprobe_version: {version}"));
        let probe = reading(TUPLE, &lines, &frames).run();
        assert_eq!(probe.code(), Some(0), "{}", probe.log);
        let text = collector.stop("%pkt %byt");
        let sums = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().map(|word| word.parse::<u64>().ok());
            Some((words.next()??, words.next()??))
        });
        let sums = sums.fold((0, 0), |sum, (packets, bytes)| (sum.0 + packets, sum.1 + bytes));
        let captured =
            counted(probe.json("out.json")).values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        assert_eq!(sums, captured, "version {version}: {text}");
    }
}

/// Datagrams as a capture file for tshark, and what it prints for fields, which are separated by blanks.
pub(crate) fn tshark(datagrams: &[Vec<u8>], port: u16, protocol: &str, field: &str) -> Option<Vec<String>> {
    let at = |host: u8, port| SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), port);
    let frames: Vec<_> = datagrams.iter().map(|octets| (at(1, 40_000), at(2, port), octets.clone())).collect();
    let setup = Setup::new("/bin/true").file("sent.pcap", testkit::capture_file::pcap(1_700_000_000, &frames));
    let path = setup.path("sent.pcap");
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&path)
        .args([
            "-d",
            &format!("udp.port=={port},{protocol}"),
            "-T",
            "fields",
            "-E",
            "occurrence=a",
            "-E",
            "aggregator= ",
        ])
        .args(field.split(' ').flat_map(|field| ["-e", field]))
        .args(["-e", "_ws.malformed"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.to_lowercase().contains("malformed"), "{text}");
    Some(text.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn tshark_decodes_every_version() {
    for version in [5, 9, 10] {
        let frames = traffic(1000, version == 5);
        let receiver = UdpSocket::bind(own_address()).unwrap();
        let address = receiver.local_addr().unwrap();
        let lines = exporting(address, TUPLE, &format!("nfprobe_version: {version}"));
        let probe = reading(TUPLE, &lines, &frames).run();
        let Some(octets) = tshark(&received(&receiver), address.port(), "cflow", "cflow.octets") else { return };
        let sum: u64 = octets.iter().filter_map(|word| word.parse::<u64>().ok()).sum();
        let captured: u64 = counted(probe.json("out.json")).values().map(|row| row.1).sum();
        assert_eq!(sum, captured, "version {version}");
    }
}
