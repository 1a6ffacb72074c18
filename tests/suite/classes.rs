//! `class` of packets: recognised by nDPI if it is built in, an error otherwise.

use testkit::Setup;

/// Checks the documented configuration.
fn documented() -> Option<i32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/classes.md");
    let blocks = crate::maps::blocks(&testkit::output::text(std::path::Path::new(path)));
    let (_, config) = blocks.iter().find(|(_, block)| block.starts_with("! classes.conf")).expect("it is there");
    Setup::new(env!("CARGO_BIN_EXE_pmacctd")).config(config).arguments(["--check"]).run().code()
}

#[cfg(feature = "ndpi")]
mod built_in {
    use crate::packets::{B, reading, rows};
    use crate::sflow;
    use crate::support::{assert_rows, nfacctd, start, without_event_type};
    use serde_json::json;
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use testkit::eventually;
    use testkit::frames::{IPV4, TCP, UDP, ethernet, ipv4, labels, tag, tcp, udp};
    use testkit::process::Signal;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    const SYN: u8 = 2;
    const ACK: u8 = 16;

    fn up(client: u16, flags: u8, text: &str) -> Vec<u8> {
        ipv4(TCP, CLIENT, B, &tcp(client, 8080, flags, text.as_bytes()))
    }

    fn down(client: u16, flags: u8, text: &str) -> Vec<u8> {
        ipv4(TCP, B, CLIENT, &tcp(8080, client, flags, text.as_bytes()))
    }

    /// An HTTP exchange on an unusual port.
    fn page(client: u16) -> [Vec<u8>; 5] {
        [
            up(client, SYN, ""),
            down(client, SYN | ACK, ""),
            up(client, ACK, "GET / HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: test\r\n\r\n"),
            down(client, ACK, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"),
            up(client, ACK, ""),
        ]
    }

    /// A DNS query for the address of a name (RFC 1035 section 4).
    fn question(client: u16) -> Vec<u8> {
        let mut octets = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        octets.extend(b"\x03www\x07example\x03net\x00\x00\x01\x00\x01");
        ipv4(UDP, CLIENT, B, &udp(client, 53, &octets))
    }

    fn in_ethernet(packet: impl AsRef<[u8]>) -> Vec<u8> {
        ethernet(IPV4, packet.as_ref())
    }

    #[test]
    fn the_documented_example_is_valid() {
        assert_eq!(super::documented(), Some(0));
    }

    #[test]
    fn conversations_are_classified_by_their_payload() {
        let mut frames: Vec<Vec<u8>> = page(1024).map(in_ethernet).into();
        frames.push(ethernet(0x8100, &tag(5, 0, IPV4, &question(1025))));
        frames.push(ethernet(0x8847, &labels(&[100], &question(1026))));
        frames.push(in_ethernet(ipv4(UDP, CLIENT, B, &udp(1027, 4040, &[1, 2, 3]))));
        frames.push(ethernet(0x0806, &[1; 28]));
        let row =
            |class: &str, packets: u32, bytes: u32| json!({"class": class, "packets": packets, "bytes": bytes});
        let lengths = |packets: &[Vec<u8>]| packets.iter().map(|packet| packet.len() as u32).sum::<u32>();
        let (page, question) = (page(1), question(1));
        assert_rows(
            rows("class", "", &frames),
            [
                // Nothing is known before the first payload.
                row("Unknown/Unknown", 3, lengths(&page[..2]) + 31),
                row("Unknown/HTTP", 3, lengths(&page[2..])),
                row("Unknown/DNS", 2, 2 * question.len() as u32),
            ],
        );
    }

    #[test]
    fn nfprobe_exports_the_names_of_applications() {
        let frames: Vec<_> = (0..20).flat_map(|number| page(5000 + number)).map(in_ethernet).collect();
        let primitives = "class, src_host, proto";
        for version in [9, 10] {
            let collector = start(&nfacctd(&format!(
                "plugins: print[p]\naggregate[p]: {primitives}\nprint_output[p]: json\nprint_output_file[p]: {{dir}}/out.json"
            )));
            let lines = format!(
                "plugins: print[p], nfprobe[n]\naggregate[n]: {primitives}\nnfprobe_receiver[n]: {}\nnfprobe_version: {version}",
                collector.setup().address()
            );
            let probe = reading(primitives, &lines, &frames).run();
            assert_eq!(probe.code(), Some(0), "{}", probe.log);
            let captured = without_event_type(probe.json("out.json"));
            assert!(captured.iter().any(|row| row["class"] != "Unknown/Unknown"), "{captured:?}");
            assert_rows(without_event_type(collector.stop().json("out.json")), captured);
        }
    }

    #[test]
    fn unrecognised_conversations_are_guessed_from_ports_if_configured() {
        // The port is that of NTP, the payload is not.
        let frames = vec![in_ethernet(ipv4(UDP, CLIENT, B, &udp(1027, 123, &[0xff; 5]))); 3];
        let classes = |lines: &str| {
            let mut classes: Vec<_> = rows("class", lines, &frames)
                .iter()
                .map(|row| (row["class"].clone(), row["packets"].clone()))
                .collect();
            classes.sort_by_key(|(class, _)| class.to_string());
            classes
        };
        assert_eq!(classes("classifier_giveup_proto_udp: 2"), [(json!("Unknown/Unknown"), json!(3))]);
        let guessed = classes("classifier_giveup_proto_udp: 2\nclassifier_proto_guess: true");
        assert_eq!(guessed, [(json!("Unknown/NTP"), json!(2)), (json!("Unknown/Unknown"), json!(1))]);
    }

    #[test]
    fn conversations_at_the_bound_are_evicted_and_counted() {
        let frames: Vec<_> = (0..20).map(|n| in_ethernet(question(2000 + n))).collect();
        let setup = reading("class", "classifier_max_flows: 15\npcap_savefile_wait: true", &frames);
        let process = setup.spawn();
        process.wait_for_log("finished reading");
        let statistics = eventually("all packets", || {
            Some(process.statistics()).filter(|statistics| statistics.value("records_decoded") == 20)
        });
        assert_eq!(statistics.value("flows_evicted"), 5);
        let rows = without_event_type(process.stop().json("out.json"));
        assert_rows(rows, [json!({"class": "Unknown/DNS", "packets": 20, "bytes": 20 * question(1).len()})]);
    }

    #[test]
    fn sampled_headers_are_classified() {
        let frame = in_ethernet(question(1024));
        let mut datagram = sflow::datagram(1);
        datagram.flow(&sflow::head(1), &[sflow::header(&frame)]).unwrap();
        let finished = sflow::collected(&sflow::sfacctd("class", ""), &[datagram.finish()]);
        assert_rows(sflow::rows(&finished), [json!({"class": "Unknown/DNS", "packets": 1, "bytes": 116})]);
    }

    /// The file is read repeatedly, and a map that is reloaded meanwhile adds fields to the rows.
    #[test]
    fn classes_follow_a_reload_that_changes_the_row_layout() {
        let lines = "pre_tag_map: {dir}/tag.map\npcap_savefile_replay: 0\npcap_savefile_delay: 1";
        let setup = reading("class, tag", lines, [in_ethernet(question(2001))]).file("tag.map", "set_tag=1\n");
        let process = setup.spawn();
        process.wait_for_log("sleeping for");
        let reads = |count| {
            eventually("more packets", || {
                Some(process.statistics().value("records_decoded")).filter(|records| *records >= count)
            })
        };
        let before = reads(1);
        std::fs::write(setup.path("tag.map"), "set_tag=2 src_mac=02:00:00:00:00:01\nset_tag=3 src_port=2001\n")
            .unwrap();
        process.wait_for_new_log("reloaded", || process.signal(Signal::SIGUSR2));
        reads(before + 2);
        let rows = without_event_type(process.stop().json("out.json"));
        assert!(rows.iter().all(|row| row["class"] == "Unknown/DNS"), "{rows:?}");
        let tags: BTreeSet<_> = rows.iter().filter_map(|row| row["tag"].as_u64()).collect();
        assert!(tags.contains(&1) && tags.len() == 2, "{rows:?}");
    }
}

#[cfg(not(feature = "ndpi"))]
mod not_built_in {
    use crate::packets::{read, reading, web};
    use crate::support::assert_rows;
    use serde_json::json;

    #[test]
    fn class_is_rejected_with_an_error_and_other_plugins_run() {
        let setup = reading("src_port, class", "classifier_max_flows: 9", [web(1, 2)]);
        let (rows, finished) = read(&setup);
        assert_rows(rows, [json!({"port_src": 1, "packets": 1, "bytes": 100})]);
        let logs = |severity: &str, line: &str, what: &str| {
            let mut lines = finished.log.lines();
            lines.any(|text| text.starts_with(severity) && text.contains(line) && text.contains(what))
        };
        assert!(logs("ERROR", "daemon.conf:3]", "'class' needs nDPI to classify packets"), "{}", finished.log);
        assert!(logs("WARN", "daemon.conf:7]", "classifier_max_flows: nDPI is not built in"), "{}", finished.log);
        let checked = setup.arguments(["--check"]).run();
        assert_eq!(checked.code(), Some(1), "{}", checked.log);
        assert_eq!(super::documented(), Some(1));
    }
}
