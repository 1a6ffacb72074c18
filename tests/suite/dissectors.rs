//! Packets as another dissector reads them: tshark, where it is installed.

use crate::packets::{fragments, rows, tunnels};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use testkit::frames::{ETHERNET, IPV4, IPV6, TCP, UDP, capture, ethernet, ipv4, ipv6, labels, tag, tcp, udp};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Packets and octets by addresses, ports and protocol, of the outermost IP header.
type Seen = BTreeMap<(String, String, u64, u64, u64), (u64, u64)>;

/// Frames of all sorts, the first fragment of a packet before the others.
fn frames() -> Vec<Vec<u8>> {
    let v6 = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let web = ipv4(TCP, A, B, &tcp(4000, 80, 2, &[7; 60]));
    let dns = ipv4(UDP, B, A, &udp(53, 4001, &[1, 2, 3]));
    let web6 = ipv6(TCP, v6(1), v6(2), &tcp(4002, 443, 16, &[5; 20]));
    // Hop-by-hop options of eight octets, then UDP.
    let options = ipv6(0, v6(3), v6(4), &[&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &udp(5353, 5353, &[9; 10])].concat());
    let pppoe = [&[0x11, 0, 0, 1, 0, (web.len() + 2) as u8, 0, 0x21][..], &web].concat();
    let mut frames = vec![
        ethernet(IPV4, &web),
        ethernet(IPV4, &dns),
        ethernet(IPV6, &web6),
        ethernet(IPV6, &options),
        ethernet(0x8100, &tag(5, 3, IPV4, &dns)),
        ethernet(0x88a8, &tag(6, 0, 0x8100, &tag(7, 0, IPV6, &web6))),
        ethernet(0x8847, &labels(&[100, 200, 300], &web)),
        ethernet(0x8864, &pppoe),
        ethernet(IPV4, &ipv4(1, A, B, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])),
    ];
    frames.extend(tunnels().into_iter().map(|(packet, ..)| ethernet(IPV4, &packet)));
    frames.extend(fragments(7));
    frames
}

/// What tshark says of a capture file; nothing where it is not installed.
fn tshark(file: &std::path::Path) -> Option<Seen> {
    const FIELDS: [&str; 14] = [
        "ip.src",
        "ip.dst",
        "ip.proto",
        "ip.len",
        "ipv6.src",
        "ipv6.dst",
        "ipv6.nxt",
        "ipv6.plen",
        "tcp.srcport",
        "tcp.dstport",
        "udp.srcport",
        "udp.dstport",
        "ip.frag_offset",
        "ipv6.hopopts.nxt",
    ];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    // As captured: what fragments are put together to is another packet.
    command.args(["-o", "ip.defragment:FALSE", "-o", "gtp.dissect_tpdu_as:none"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().ok().filter(|output| !output.stdout.is_empty())?;
    let mut seen = Seen::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let text = |at: usize| fields.get(at).copied().unwrap_or_default();
        let number = |at: usize| text(at).parse::<u64>().ok();
        let (source, destination, protocol, octets) = match number(3) {
            Some(length) => (text(0), text(1), number(2), length),
            None => {
                let next = number(13).or(number(6));
                (text(4), text(5), next, number(7).unwrap_or(0) + 40)
            }
        };
        let protocol = protocol.unwrap_or(0);
        let ports = match protocol {
            // Ports inside of tunnels are not those of the packet.
            6 => (number(8), number(9)),
            17 => (number(10), number(11)),
            _ => (None, None),
        };
        let key =
            (source.to_owned(), destination.to_owned(), ports.0.unwrap_or(0), ports.1.unwrap_or(0), protocol);
        let sum = seen.entry(key).or_default();
        *sum = (sum.0 + 1, sum.1 + octets);
    }
    Some(seen)
}

#[test]
fn addresses_ports_and_lengths_are_those_of_tshark() {
    let frames = frames();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.pcap");
    let timed = (0..).zip(&frames).map(|(number, frame)| (1_700_000_000_000_000 + number * 1000, frame));
    std::fs::write(&file, capture(ETHERNET, timed)).expect("a file");
    let Some(mut expected) = tshark(&file) else {
        eprintln!("tshark is not installed: left out");
        return;
    };
    // Later fragments have no ports of their own: they count with the first one.
    let key = |source: u64, destination: u64| (A.to_string(), B.to_string(), source, destination, 17);
    if let Some(later) = expected.remove(&key(0, 0)) {
        let first = expected.entry(key(5000, 6000)).or_default();
        *first = (first.0 + later.0, first.1 + later.1);
    }
    let mut found = Seen::new();
    for row in rows("src_host, dst_host, src_port, dst_port, proto", "print_num_protos: true", &frames) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| row[name].as_u64().unwrap_or_default();
        let protocol = text("ip_proto").parse().unwrap_or_default();
        let key = (text("ip_src"), text("ip_dst"), number("port_src"), number("port_dst"), protocol);
        found.insert(key, (number("packets"), number("bytes")));
    }
    assert_eq!(found, expected);
}

#[test]
fn the_examples_of_the_documents_are_good() {
    for (document, program) in [
        ("pmacctd", env!("CARGO_BIN_EXE_pmacctd")),
        ("sfacctd", env!("CARGO_BIN_EXE_sfacctd")),
        ("nfacctd", env!("CARGO_BIN_EXE_nfacctd")),
    ] {
        let path = format!("{}/docs/{document}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a document");
        let blocks = crate::maps::blocks(&text);
        let is_config = |block: &str| {
            block.lines().next().is_some_and(|line| line.starts_with("! ") && line.ends_with(".conf"))
        };
        for (_, config) in blocks.iter().filter(|(_, block)| is_config(block)) {
            let program = if config.contains("uacctd") { env!("CARGO_BIN_EXE_uacctd") } else { program };
            let setup = testkit::Setup::new(program).config(config);
            let path = setup.config_path().display().to_string();
            let finished = setup.arguments(["-f", &path, "--check"]).run();
            assert_eq!(finished.code(), Some(0), "{document}: {}", finished.log);
            assert!(!finished.log.contains("WARN"), "{document}: {}", finished.log);
        }
    }
}
