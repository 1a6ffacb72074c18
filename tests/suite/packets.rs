//! pmacctd and uacctd: packets from files, interfaces and netfilter's log.

use crate::support::{assert_rows, without_event_type};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use testkit::frames::{ETHERNET, IPV4, TCP, UDP, capture, ethernet, ipv4, ipv6, labels, part, tag, tcp, udp};
use testkit::{Finished, Setup, output};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Seconds since 1970 of the first packet.
const START: u64 = 1_700_000_000;

/// A daemon that prints aggregates of a file of frames, captured one millisecond apart.
pub(crate) fn reading<F: AsRef<[u8]>>(aggregate: &str, lines: &str, frames: impl IntoIterator<Item = F>) -> Setup {
    let timed = (0..).zip(frames).map(|(number, frame)| (START * 1_000_000 + number * 1000, frame));
    let plugins = if lines.contains("plugins:") { "" } else { "plugins: print[p]" };
    Setup::new(env!("CARGO_BIN_EXE_pmacctd"))
        .config(&format!(
            "pcap_savefile: {{dir}}/in.pcap
             {plugins}
             aggregate[p]: {aggregate}
             print_output[p]: json
             print_output_file[p]: {{dir}}/out.json
             print_refresh_time: 86400"
        ))
        .more_config(lines)
        .file("in.pcap", capture(ETHERNET, timed))
}

pub(crate) fn read(setup: &Setup) -> (Vec<Value>, Finished) {
    let finished = setup.run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let rows = if finished.setup().path("out.json").exists() { finished.json("out.json") } else { Vec::new() };
    (without_event_type(rows), finished)
}

pub(crate) fn rows<F: AsRef<[u8]>>(
    aggregate: &str,
    lines: &str,
    frames: impl IntoIterator<Item = F>,
) -> Vec<Value> {
    read(&reading(aggregate, lines, frames)).0
}

pub(crate) fn web(port: u16, flags: u8) -> Vec<u8> {
    ethernet(IPV4, &ipv4(TCP, A, B, &tcp(port, 80, flags, &[7; 60])))
}

fn dns() -> Vec<u8> {
    ipv4(UDP, Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 1), &udp(53, 4242, &[1, 2, 3]))
}

#[test]
fn packets_of_a_file_are_aggregated() {
    let frames =
        [web(1, 2), web(1, 16), web(2, 2), ethernet(0x8100, &tag(5, 3, IPV4, &dns())), ethernet(0x0806, &[1; 28])];
    assert_rows(
        rows("src_host, src_port, proto, tcpflags, vlan, cos, etype", "", &frames),
        [
            json!({"ip_src": "10.0.0.1", "port_src": 1, "ip_proto": "tcp", "tcp_flags": 18, "vlan": 0, "cos": 0, "etype": "800", "packets": 2, "bytes": 200}),
            json!({"ip_src": "10.0.0.1", "port_src": 2, "ip_proto": "tcp", "tcp_flags": 2, "vlan": 0, "cos": 0, "etype": "800", "packets": 1, "bytes": 100}),
            json!({"ip_src": "192.0.2.53", "port_src": 53, "ip_proto": "udp", "tcp_flags": 0, "vlan": 5, "cos": 3, "etype": "800", "packets": 1, "bytes": 31}),
        ],
    );
    let (rows, finished) = read(&reading("etype", "aggregate_unknown_etype: true", &frames));
    assert_rows(
        rows,
        [json!({"etype": "800", "packets": 4, "bytes": 331}), json!({"etype": "806", "packets": 1, "bytes": 28})],
    );
    assert!(finished.log.contains("link type is: 1 (Ethernet)"), "{}", finished.log);
}

#[test]
fn mpls_label_stacks_are_read() {
    let frame = |stack: &[u32]| ethernet(0x8847, &labels(stack, &dns()));
    assert_rows(
        rows(
            "mpls_label_top, mpls_label_bottom, mpls_label_stack, src_port",
            "",
            [frame(&[100]), frame(&[100, 16, 99])],
        ),
        [
            json!({"mpls_label_top": 100, "mpls_label_bottom": 100, "mpls_label_stack": "100", "port_src": 53, "packets": 1, "bytes": 31}),
            json!({"mpls_label_top": 100, "mpls_label_bottom": 99, "mpls_label_stack": "100_16_99", "port_src": 53, "packets": 1, "bytes": 31}),
        ],
    );
}

/// A packet in every type of tunnel: the carrier and the tunnel identifier.
fn tunnels() -> Vec<(Vec<u8>, &'static str, u64)> {
    let inner = ethernet(IPV4, &dns());
    let over_udp =
        |port, head: &[u8], contents: &[u8]| ipv4(UDP, A, B, &udp(9999, port, &[head, contents].concat()));
    let over = |protocol, head: &[u8], contents: &[u8]| ipv4(protocol, A, B, &[head, contents].concat());
    vec![
        (over_udp(4789, &[8, 0, 0, 0, 0, 0x13, 0x88, 0], &inner), "vxlan", 5000),
        (over(47, &[0x20, 0, 0x65, 0x58, 0, 0, 7, 0], &inner), "nvgre", 7),
        (over(47, &[0, 0, 8, 0], &dns()), "", 0),
        (over(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10, 0, 0, 5, 0, 0, 0, 0], &inner), "", 0),
        (over(4, &[], &dns()), "", 0),
        (over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 3, 0], &inner), "", 0),
        (over_udp(2152, &[0x30, 255, 0, 31, 0, 0, 0, 1], &dns()), "", 0),
    ]
}

#[test]
fn tunnel_primitives_describe_the_inner_packet() {
    for (packet, kind, id) in tunnels() {
        let octets = packet.len();
        let primitives = "src_host, tunnel_src_host, tunnel_dst_host, tunnel_src_port, tunnel_dst_port, tunnel_proto, vxlan, nvgre";
        assert_rows(
            rows(primitives, "", [ethernet(IPV4, &packet)]),
            [json!({
                "ip_src": "10.0.0.1", "tunnel_ip_src": "192.0.2.53", "tunnel_ip_dst": "192.0.2.1", "tunnel_port_src": 53,
                "tunnel_port_dst": 4242, "tunnel_ip_proto": "udp", "vxlan": if kind == "vxlan" { id } else { 0 },
                "nvgre": if kind == "nvgre" { id } else { 0 }, "packets": 1, "bytes": octets,
            })],
        );
    }
    let six_in_four = ipv6(UDP, "2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap(), &udp(5, 6, &[]));
    assert_rows(
        rows("proto, tunnel_src_host, tunnel_dst_port", "", [ethernet(IPV4, &ipv4(41, A, B, &six_in_four))]),
        [
            json!({"ip_proto": "ipv6", "tunnel_ip_src": "2001:db8::1", "tunnel_port_dst": 6, "packets": 1, "bytes": 68}),
        ],
    );
}

#[test]
fn tunnel_0_counts_the_inner_packet() {
    let (packet, ..) = tunnels().remove(6);
    let (vxlan, ..) = tunnels().remove(0);
    let frames = [ethernet(IPV4, &packet), ethernet(IPV4, &vxlan)];
    let counted = |lines| rows("src_host, src_port", lines, &frames);
    let inner = json!({"ip_src": "192.0.2.53", "port_src": 53, "packets": 1, "bytes": 31});
    let outer = json!({"ip_src": "10.0.0.1", "port_src": 9999, "packets": 1, "bytes": vxlan.len()});
    assert_rows(counted("tunnel_0: gtp, 2152"), [inner, outer]);
    assert_rows(
        counted("tunnel_0: gtp, 2152; vxlan, 4789"),
        [json!({"ip_src": "192.0.2.53", "port_src": 53, "packets": 2, "bytes": 62})],
    );
}

/// The three fragments of a UDP datagram from port 5000 to 6000.
fn fragments(id: u16) -> [Vec<u8>; 3] {
    let datagram = udp(5000, 6000, &[3; 2000]);
    [(0, 800, true), (800, 1600, true), (1600, 2008, false)].map(|(from, to, more)| {
        ethernet(IPV4, &part(UDP, A, B, (id, from, more), &datagram[usize::from(from)..to]))
    })
}

#[test]
fn fragments_have_the_ports_of_their_first_one_in_any_order() {
    let [first, second, third] = fragments(1);
    let whole = json!({"port_src": 5000, "port_dst": 6000, "packets": 3, "bytes": 2008 + 60});
    for order in [[&first, &second, &third], [&third, &second, &first], [&second, &first, &third]] {
        assert_rows(rows("src_port, dst_port", "", order), [whole.clone()]);
        // A plugin without ports counts the same, whatever other plugins need.
        assert_rows(
            rows(
                "src_host",
                "plugins: print[p], print[q]\naggregate[q]: src_port\nprint_output_file[q]: {dir}/q.json",
                order,
            ),
            [json!({"ip_src": "10.0.0.1", "packets": 3, "bytes": 2008 + 60})],
        );
    }
    let (lost, finished) = read(&reading("src_port, dst_port", "", [&second, &third]));
    assert_rows(lost, [json!({"port_src": 0, "port_dst": 0, "packets": 2, "bytes": 1208 + 40})]);
    assert_eq!(finished.code(), Some(0));
}

#[test]
fn tcp_flags_are_not_read_from_later_fragments() {
    let segment = tcp(1, 80, 0x18, &[0xff; 100]);
    let frames = [(0, 40, true), (40, 120, false)].map(|(from, to, more)| {
        ethernet(IPV4, &part(TCP, A, B, (9, from, more), &segment[usize::from(from)..to]))
    });
    assert_rows(
        rows("src_port, tcpflags", "", frames),
        [json!({"port_src": 1, "tcp_flags": 0x18, "packets": 2, "bytes": 160})],
    );
}

/// Peak resident memory of a process, as it reports it at its end.
fn flood(aggregate: &str, lines: &str, frames: impl Iterator<Item = Vec<u8>>) -> (u64, Vec<Value>) {
    let setup = reading(aggregate, &format!("pcap_savefile_wait: true\n{lines}"), frames);
    let process = setup.spawn();
    process.wait_for_log("finished reading PCAP capture file");
    let status = output::text(std::path::Path::new(&format!("/proc/{}/status", process.id())));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel reports it");
    let peak = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    let finished = process.stop();
    (peak, without_event_type(finished.json("out.json")))
}

#[test]
fn floods_of_fragments_and_flows_are_bounded() {
    let address = |n: u32| Ipv4Addr::from(0x0a00_0000 + n);
    // The first fragment never arrives.
    let waiting = |n: u32| ethernet(IPV4, &part(UDP, address(n), B, (7, 800, false), &[1; 8]));
    let opening = |n: u32| ethernet(IPV4, &ipv4(TCP, address(n), B, &tcp(1, 80, 2, &[])));
    let grown = |aggregate: &str, lines: &str, frame: &dyn Fn(u32) -> Vec<u8>, count: u32| {
        // How much the program itself takes depends on the system.
        let (before, _) = flood(aggregate, lines, (0..10).map(frame));
        let (peak, rows) = flood(aggregate, lines, (0..count).map(frame));
        (peak.saturating_sub(before), rows)
    };
    // Without the bounds, it is 25 and 45 MB; with them, 4 and 6.
    let (grown_by, rows) = grown("dst_port", "pmacctd_frag_buffer_size: 2000000", &waiting, 150_000);
    assert_rows(rows, [json!({"port_dst": 0, "packets": 150_000, "bytes": 150_000 * 28})]);
    assert!(grown_by < 8_000, "{grown_by} KiB");
    let (grown_by, rows) = grown("proto, flows", "pmacctd_flow_buffer_size: 4000000", &opening, 300_000);
    assert_rows(rows, [json!({"ip_proto": "tcp", "flows": 300_000, "packets": 300_000, "bytes": 300_000 * 40})]);
    assert!(grown_by < 10_000, "{grown_by} KiB");
}

#[test]
fn filters_and_maps_match_packets() {
    let frames = [web(1, 2), web(2, 16), ethernet(0x8100, &tag(5, 0, IPV4, &dns()))];
    let lines = "pre_tag_map: {dir}/tags.map
        plugins: print[p], print[q]
        aggregate[q]: src_port
        aggregate_filter[q]: tcp[tcpflags] & tcp-syn != 0
        print_output[q]: json
        print_output_file[q]: {dir}/q.json";
    let setup = reading("tag, src_port", lines, frames.clone()).file(
        "tags.map",
        "set_tag=1 filter='tcp[20] == 7 and src port 1'\nset_tag=2 vlan=5\nset_tag=3 src_mac=02:00:00:00:00:0a\n",
    );
    let (rows, finished) = read(&setup);
    assert_rows(
        rows,
        [
            json!({"tag": 1, "port_src": 1, "packets": 1, "bytes": 100}),
            json!({"tag": 2, "port_src": 53, "packets": 1, "bytes": 31}),
            json!({"tag": 3, "port_src": 2, "packets": 1, "bytes": 100}),
        ],
    );
    assert_rows(without_event_type(finished.json("q.json")), [json!({"port_src": 1, "packets": 1, "bytes": 100})]);
    assert_rows(
        self::rows("src_port", "pcap_filter: vlan and udp", frames),
        [json!({"port_src": 53, "packets": 1, "bytes": 31})],
    );
}

#[test]
fn the_output_interface_comes_from_a_mirror_trailer() {
    let with = |flag: u8| [&web(1, 2)[..], &[flag, 0, 0, 0, 7, 1, 0, 0]].concat();
    assert_rows(
        rows("out_iface", "pcap_arista_trailer_offset: 8\npcap_arista_trailer_flag_value: 3", [with(3), with(4)]),
        [
            json!({"iface_out": 263, "packets": 1, "bytes": 100}),
            json!({"iface_out": 0, "packets": 1, "bytes": 100}),
        ],
    );
}

#[test]
fn packet_sampling_is_renormalized() {
    let frames: Vec<_> = (0..20_000).map(|_| web(1, 2)).collect();
    let rows = rows("src_port, sampling_rate", "sampling_rate: 10\npmacctd_renormalize: true", &frames);
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&row["port_src"], &row["sampling_rate"]), (&json!(1), &json!(1)));
    let packets = row["packets"].as_u64().unwrap();
    assert!((15_000..25_000).contains(&packets) && packets % 10 == 0, "{packets}");
}

#[test]
fn sampling_can_apply_to_a_single_plugin() {
    let frames: Vec<_> = (0..20_000).map(|_| web(1, 2)).collect();
    let lines = "plugins: print[p], print[all]
                 sampling_rate[p]: 10
                 aggregate[all]: src_port
                 print_output[all]: json
                 print_output_file[all]: {dir}/all.json";
    let (rows, finished) = read(&reading("src_port, sampling_rate", lines, &frames));
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row["sampling_rate"], json!(10));
    assert!((1_500..2_500).contains(&row["packets"].as_u64().unwrap()), "{row}");
    assert_eq!(finished.json("all.json")[0]["packets"], json!(20_000));
}

#[test]
fn primitives_that_packets_lack_need_a_source() {
    let refused = |aggregate, lines| {
        let finished = reading(aggregate, lines, [web(1, 2)]).run();
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        finished.log.clone()
    };
    assert!(refused("src_host, dst_as", "").contains("'dst_as' has no source: packets contain no AS numbers."));
    assert!(refused("src_net", "").contains("Set networks_file, networks_mask, or pmacctd_net."));
    assert!(refused("src_host", "sampling_rate: 2\npmacctd_ext_sampling_rate: 3").contains("mutual exclusive"));
    assert_eq!(rows("src_net", "networks_mask: 24", [web(1, 2)])[0]["net_src"], "10.0.0.0");
}

#[test]
fn warns_only_of_primitives_that_stay_empty() {
    let aggregate =
        "flows, timestamp_start, flow_label, sampling_direction, nvgre, tunnel_flow_label, mpls_label_top";
    let (rows, finished) = read(&reading(aggregate, "timestamps_secs: true", [web(1, 2)]));
    assert_eq!(rows[0]["flows"], 1);
    assert!(!finished.log.contains("stays empty"), "{}", finished.log);
    let (_, finished) = read(&reading("src_host, fw_event", "", [web(1, 2)]));
    assert_eq!(finished.log.matches("stays empty").count(), 1, "{}", finished.log);
    assert!(finished.log.contains("'fw_event' stays empty in this daemon"), "{}", finished.log);
}

#[test]
fn fabricpath_frames_have_the_fabric_addresses_and_the_inner_tag() {
    let inside = |etype, contents: &[u8]| ethernet(0x8903, &[&[1, 0x60][..], &ethernet(etype, contents)].concat());
    let segment = |port| ipv4(TCP, A, B, &tcp(port, 80, 2, &[]));
    let labelled = [&[0, 1, 1, 64][..], &segment(4)].concat();
    let behind_tag = ethernet(0x8100, &tag(9, 1, 0x8903, &inside(IPV4, &segment(3))[14..]));
    let frames = [
        inside(IPV4, &segment(1)),
        inside(0x8100, &tag(7, 5, IPV4, &segment(2))),
        behind_tag,
        inside(0x8847, &labelled),
    ];
    let row = |port: u16, [vlan, inside]: [u16; 2], cos: u8, label: u32| {
        json!({"mac_src": "02:00:00:00:00:0a", "vlan": vlan, "cvlan_in": inside, "cos": cos, "etype": "800",
            "port_src": port, "mpls_label_top": label, "packets": 1, "bytes": 40})
    };
    assert_rows(
        rows("src_mac, vlan, in_cvlan, cos, etype, src_port, mpls_label_top", "", frames),
        [row(1, [0, 0], 0, 0), row(2, [0, 7], 0, 0), row(3, [9, 0], 1, 0), row(4, [0, 0], 0, 16)],
    );
}

#[test]
fn an_ipv6_packet_with_truncated_options_is_rejected() {
    let options = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &udp(5, 53, &[1; 8])].concat();
    let packet = |next| ipv6(next, Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, &options);
    let mut without_length = packet(0);
    without_length[4..6].fill(0);
    // HIP and Shim6 are counted by their protocol numbers, and the octets after them are not ports.
    let frames = [without_length, packet(0), packet(139), packet(140)].map(|packet| ethernet(0x86dd, &packet));
    let (rows, finished) = read(&reading("src_port, proto", "print_num_protos: true", frames));
    let row = |port: u16, proto: &str| json!({"port_src": port, "ip_proto": proto, "packets": 1, "bytes": 64});
    assert_rows(rows, [row(5, "17"), row(0, "139"), row(0, "140")]);
    assert!(!finished.log.contains("ERROR"), "{}", finished.log);
}

#[test]
fn the_end_of_a_file_loses_no_aggregates() {
    // Each plugin ends as soon as it has its last table, while others still wait for theirs.
    let names: Vec<String> = (0..32).map(|number| format!("print[p{number}]")).collect();
    let setup = Setup::new(env!("CARGO_BIN_EXE_pmacctd"))
        .config("pcap_savefile: {dir}/in.pcap\nprint_refresh_time: 86400\npcap_filter: udp")
        .more_config(&format!("aggregate: src_port\nplugins: {}", names.join(", ")))
        .file("in.pcap", capture(ETHERNET, [(0, web(1, 2))]));
    for _ in 0..5 {
        let finished = setup.run();
        assert_eq!(finished.code(), Some(0), "{}", finished.log);
        assert!(!finished.log.contains("connection lost"), "{}", finished.log);
    }
}

#[test]
fn unreadable_input_is_reported_at_the_start() {
    let setup = reading("src_host", "", [web(1, 2)]).file("in.pcap", capture(147, [(0, web(1, 2))]));
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1));
    assert!(finished.log.contains("link type 147 cannot be read"), "{}", finished.log);
    let finished =
        Setup::new(env!("CARGO_BIN_EXE_pmacctd")).config("pcap_interface: nosuch0\nplugins: print").run();
    assert_eq!(finished.code(), Some(1));
    assert!(
        finished.log.contains("nosuch0") && finished.log.contains("available interfaces:"),
        "{}",
        finished.log
    );
}

/// Runs a script in its own network namespace; `None` where that is not permitted.
pub(crate) fn in_namespace(script: &str) -> Option<()> {
    let allowed = Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("skipped: a network namespace needs privileges");
        return None;
    }
    let output = Command::new("unshare").args(["-n", "bash", "-e", "-c", script]).output().expect("unshare runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// Starts a daemon, sends 200 datagrams to port 9999 of the loopback interface, and stops it.
fn with_traffic(program: &str, config: &std::path::Path, before: &str, ready: &str) -> String {
    let log = config.with_extension("log");
    let (config, log) = (config.display(), log.display());
    format!(
        "ip link set lo up
         {before}
         {program} -f {config} 2> {log} & daemon=$!
         for n in $(seq 600); do grep -q '{ready}' {log} && break; sleep 0.1; done
         grep -q '{ready}' {log}
         for n in $(seq 200); do echo 1234567 > /dev/udp/127.0.0.1/9999 || true; done
         for n in $(seq 600); do
             kill -USR1 $daemon; sleep 0.1
             grep -q 'received_packets=200' {log} && break
         done
         kill -INT $daemon; wait $daemon"
    )
}

fn printing_to(folder: &std::path::Path, aggregate: &str, lines: &str) -> std::path::PathBuf {
    let (path, out) = (folder.join("daemon.conf"), folder.join("out.json"));
    let text = format!(
        "plugins: print\naggregate: {aggregate}\nprint_output: json\nprint_output_file: {}\nprint_refresh_time: 86400\n{lines}\n",
        out.display()
    );
    std::fs::write(&path, text).expect("the folder can be written");
    path
}

#[test]
fn all_packets_of_an_interface_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "pcap_interface: lo\npcap_direction: in\npcap_ifindex: sys\npcap_filter: udp dst port 9999";
    let config = printing_to(folder.path(), "dst_port, in_iface", lines);
    let script = with_traffic(env!("CARGO_BIN_EXE_pmacctd"), &config, "", "capturing on interface=lo");
    if in_namespace(&script).is_some() {
        let rows = without_event_type(output::json_lines(&output::text(&folder.path().join("out.json"))));
        assert_rows(rows, [json!({"port_dst": 9999, "iface_in": 1, "packets": 200, "bytes": 200 * 36})]);
    }
}

#[test]
fn all_packets_logged_by_netfilter_are_counted() {
    if !Command::new("nft").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nft is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("tags.map");
    std::fs::write(&map, "set_tag=5 filter='udp dst port 9999'\n").expect("the folder can be written");
    let lines = format!("uacctd_group: 7\nuacctd_threshold: 5\npre_tag_map: {}", map.display());
    let config = printing_to(folder.path(), "tag, dst_port, out_iface", &lines);
    let rules = "nft add table inet t
        nft add chain inet t out '{ type filter hook output priority 0; }'
        nft add rule inet t out udp dport 9999 log group 7";
    let script = with_traffic(env!("CARGO_BIN_EXE_uacctd"), &config, rules, "waiting for packets");
    if in_namespace(&script).is_some() {
        let rows = without_event_type(output::json_lines(&output::text(&folder.path().join("out.json"))));
        assert_rows(
            rows,
            [json!({"tag": 5, "port_dst": 9999, "iface_out": 1, "packets": 200, "bytes": 200 * 36})],
        );
    }
}

/// Shell functions: a pair of interfaces, a0 and a1, of which a0 reaches 10.9.0.2; and waiting for lines of the log or statistics.
const PAIR: &str = r#"
    ip link set lo up
    ip link add a0 type veth peer name a1
    ip link set a0 up; ip link set a1 up
    ip address add 10.9.0.1/24 dev a0
    ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:09 dev a0
    wait_for() {
        for n in $(seq 150); do "$@" && return; sleep 0.1; done
        cat $log >&2; return 1
    }
    logged() { test "$(grep -c "$1" $log)" -ge $2; }
    reported() { kill -USR1 $daemon; grep -q "$1" $log; }
    send() { for n in $(seq $2); do echo 1234567 > /dev/udp/$1/9999 || true; done; }
"#;

/// Runs a script with that pair in a namespace; `None` where that is not permitted.
fn with_pair(config: &std::path::Path, script: &str) -> Option<()> {
    let mut probe = Command::new("unshare");
    probe.args(["-n", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a network namespace with interfaces needs privileges");
        return None;
    }
    let log = config.with_extension("log");
    let program = env!("CARGO_BIN_EXE_pmacctd");
    let start = format!(
        "log={}; {program} -f {} 2> $log & daemon=$!; trap 'kill $daemon 2> /dev/null || true' EXIT",
        log.display(),
        config.display()
    );
    in_namespace(&format!("{PAIR}\n{start}\n{script}"))
}

#[test]
fn interfaces_are_opened_and_closed_as_the_map_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("interfaces.map");
    std::fs::write(&map, "ifname=lo ifindex=100 direction=in\n").expect("the folder can be written");
    let map = map.display();
    let lines = format!("pcap_interfaces_map: {map}\npcap_ifindex: map\npcap_filter: udp dst port 9999");
    let config = printing_to(folder.path(), "dst_host, in_iface, out_iface", &lines);
    // Interface statistics are at most a second old.
    let script = format!(
        "wait_for logged 'capturing on interface=lo index=100' 1
         send 127.0.0.1 50
         wait_for reported ' records_aggregated=50 '
         echo 'ifname=a0 ifindex=200 direction=out' >> {map}
         kill -USR2 $daemon
         wait_for reported 'stats .a0,200. '
         send 10.9.0.2 70; send 127.0.0.1 20
         wait_for reported ' records_aggregated=140 '
         echo 'ifname=a0 ifindex=200 direction=out' > {map}
         kill -USR2 $daemon
         wait_for logged 'reloaded' 2
         send 10.9.0.2 10
         wait_for reported ' records_aggregated=150 '
         send 127.0.0.1 30; send 10.9.0.2 10
         wait_for reported ' records_aggregated=160 '
         kill -INT $daemon; wait $daemon"
    );
    if with_pair(&config, &script).is_some() {
        let rows = without_event_type(output::json_lines(&output::text(&folder.path().join("out.json"))));
        let row = |host: &str, [input, out]: [u32; 2], packets: u64| {
            let octets = packets * 36;
            json!({"ip_dst": host, "iface_in": input, "iface_out": out, "packets": packets, "bytes": octets})
        };
        assert_rows(rows, [row("10.9.0.2", [0, 200], 90), row("127.0.0.1", [100, 0], 70)]);
    }
}

#[test]
fn an_interface_with_a_line_for_each_direction_captures_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("interfaces.map");
    let text = "ifname=a0 ifindex=1 direction=in\nifname=a0 ifindex=2 direction=out\n\
                ifname=a1 ifindex=4 direction=out\nifname=a1 ifindex=3 direction=in\n";
    std::fs::write(&map, text).expect("the folder can be written");
    let lines =
        format!("pcap_interfaces_map: {}\npcap_ifindex: map\npcap_filter: udp dst port 9999", map.display());
    let config = printing_to(folder.path(), "in_iface, out_iface", &lines);
    // Packets sent on a0 arrive on a1.
    let script = "wait_for logged 'capturing on interface=a1 index=3 direction=in' 1
         send 10.9.0.2 50
         wait_for reported ' records_aggregated=100 '
         grep -q 'stats .a0,2. .* direction=out' $log
         kill -INT $daemon; wait $daemon";
    if with_pair(&config, script).is_some() {
        let rows = without_event_type(output::json_lines(&output::text(&folder.path().join("out.json"))));
        let row =
            |input: u32, out: u32| json!({"iface_in": input, "iface_out": out, "packets": 50, "bytes": 1800});
        assert_rows(rows, [row(0, 2), row(3, 0)]);
    }
}

#[test]
fn losing_the_only_interface_flushes_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "pcap_interface: a0\npcap_filter: udp dst port 9999";
    let config = printing_to(folder.path(), "dst_host", lines);
    let script = "wait_for logged 'capturing on interface=a0' 1
         send 10.9.0.2 20
         wait_for reported ' records_aggregated=20 '
         ip link delete a0
         status=0; wait $daemon || status=$?
         test $status = 1
         grep -q 'no interface is left' $log";
    if with_pair(&config, script).is_some() {
        let rows = without_event_type(output::json_lines(&output::text(&folder.path().join("out.json"))));
        assert_rows(rows, [json!({"ip_dst": "10.9.0.2", "packets": 20, "bytes": 20 * 36})]);
    }
}

/// The programs whose configurations and units are in `etc`.
const DAEMONS: [(&str, &str); 7] = [
    ("nfacctd", env!("CARGO_BIN_EXE_nfacctd")),
    ("sfacctd", env!("CARGO_BIN_EXE_sfacctd")),
    ("pmacctd", env!("CARGO_BIN_EXE_pmacctd")),
    ("uacctd", env!("CARGO_BIN_EXE_uacctd")),
    ("pmbgpd", env!("CARGO_BIN_EXE_pmbgpd")),
    ("pmbmpd", env!("CARGO_BIN_EXE_pmbmpd")),
    ("pmtelemetryd", env!("CARGO_BIN_EXE_pmtelemetryd")),
];

#[test]
fn sample_configurations_are_valid() {
    for (name, program) in DAEMONS {
        let path = format!("{}/etc/{name}.conf", env!("CARGO_MANIFEST_DIR"));
        let finished = Setup::new(program).arguments(["-f", &path, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{path}: {}", finished.log);
        assert!(!finished.log.contains("WARN"), "{path}: {}", finished.log);
        if ["pmbgpd", "pmbmpd", "pmtelemetryd"].contains(&name) {
            // They have no primitives.
            continue;
        }
        let help = Setup::new(program).arguments(["-a"]).run();
        assert!(help.code() == Some(0) && help.stdout.contains("src_host"), "{}", help.stdout);
    }
}

#[test]
fn systemd_units_pass_verification() {
    if !Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, program) in DAEMONS {
        let unit = std::fs::read_to_string(format!("{}/etc/systemd/{name}.service", env!("CARGO_MANIFEST_DIR")));
        let unit = unit.expect("each daemon has a unit").replace(&format!("/usr/bin/{name}"), program);
        let path = folder.path().join(format!("{name}.service"));
        std::fs::write(&path, unit).expect("the folder can be written");
        let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().expect("it runs");
        let messages = String::from_utf8_lossy(&output.stderr);
        // Messages about other units of the machine are ignored.
        let ours: Vec<&str> = messages.lines().filter(|line| line.contains(&format!("{name}.service"))).collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}

/// The daemon of a documented configuration.
fn daemon_of<'a>(config: &str, document: &'a str) -> &'a str {
    DAEMONS.iter().find(|(name, _)| config.contains(&format!("\n{name}_"))).map_or(document, |(name, _)| name)
}

#[test]
fn the_documented_examples_are_valid() {
    let mut checked = 0;
    for document in ["pmacctd", "sfacctd", "nfacctd", "correlation", "nfprobe", "sfprobe"] {
        let path = format!("{}/docs/{document}.md", env!("CARGO_MANIFEST_DIR"));
        let document = if document.ends_with("probe") { "pmacctd" } else { document };
        let blocks = crate::maps::blocks(&std::fs::read_to_string(path).unwrap());
        // The documented command lines, and those that use the documented files.
        let mut lines: Vec<String> = Vec::new();
        let mut files = vec![("trace.pcap".to_owned(), capture(ETHERNET, [(0, web(1, 2))]))];
        let authority = testkit::certificates::Authority::new();
        let testkit::certificates::Certified { certificate, key } = authority.certify("probe");
        for (name, text) in
            [("ca.pem", authority.pem().to_owned()), ("probe.pem", certificate), ("probe.key", key)]
        {
            files.push((name.to_owned(), text.into()));
        }
        for (_, block) in &blocks {
            match block.strip_prefix("! ").and_then(|rest| rest.split_once('\n')) {
                Some((name, _)) if name.ends_with(".conf") => {
                    lines.push(format!("{} -f {name} --check", daemon_of(block, document)));
                    lines.push(format!("{} -f dry-{name}", daemon_of(block, document)));
                    files.push((format!("dry-{name}"), format!("{block}dry_run: config\n").into()));
                    files.push((name.to_owned(), block.as_str().into()));
                }
                Some((name, _)) => {
                    let config = match name {
                        "directions.map" | "customers.map" => &format!("pre_tag_map: {name}"),
                        "networks.lst" => "networks_file: networks.lst",
                        "interfaces.map" => "pcap_interfaces_map: interfaces.map\npcap_ifindex: map",
                        "exporters.list" => "nfacctd_allow_file: exporters.list",
                        "primitives.list" => "aggregate_primitives: primitives.list",
                        "agents.map" => "bgp_agent_map: agents.map",
                        _ => panic!("{document}: which key names {name}?"),
                    };
                    let config = format!("{config}\nplugins: print\naggregate: in_iface\n");
                    lines.push(format!("{document} -f {name}.conf --check"));
                    files.push((format!("{name}.conf"), config.into()));
                    files.push((name.to_owned(), block.as_str().into()));
                }
                None => lines.extend(block.lines().map(|line| format!("{line} --check"))),
            }
        }
        for line in lines {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            // Commands for netfilter are skipped.
            let Some((_, program)) = DAEMONS.iter().find(|(daemon, _)| *daemon == name) else { continue };
            let setup = files.iter().fold(Setup::new(program), |setup, (name, text)| setup.file(name, text));
            let finished = setup.arguments(words).run();
            assert_eq!(finished.code(), Some(0), "{line}: {}", finished.log);
            assert!(!finished.log.contains("WARN"), "{line}: {}", finished.log);
            checked += 1;
        }
    }
    assert_eq!(checked, 48, "command lines and configurations of the documents");
}
