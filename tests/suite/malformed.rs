//! Malformed traffic: its valid part is accounted, the rest is counted by reason, and the daemon survives.

use crate::support::{NOW, UPTIME, assert_rows, printing, rows, start, template, v5_of, web, without_event_type};
use netflow::encode::{Message, field};
use netflow::template::Kind;
use serde_json::json;
use testkit::output::sum;
use testkit::traffic::{Flow, Flows, Stream, Version};
use testkit::{Process, eventually};

/// A valid IPFIX message with its template and a record for each port, two packets each.
fn good(ports: &[u16]) -> Vec<u8> {
    Message::ipfix(1, 0, NOW)
        .templates(&[&template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)])])
        .records(256, ports.len(), |w| ports.iter().for_each(|port| _ = w.u16(*port).u32(2).u32(20)))
        .finish()
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("the kernel reports it for a running process") * 1024
}

#[test]
fn each_malformed_datagram_is_counted_by_its_reason_alone() {
    let message = || Message::ipfix(1, 0, NOW);
    let mut short_message = good(&[]);
    short_message[2..4].copy_from_slice(&7u16.to_be_bytes());
    let mut lying_set = good(&[1]);
    let at = lying_set.len() - 12;
    lying_set[at..at + 2].copy_from_slice(&60_000u16.to_be_bytes());
    let mut too_many = v5_of(&[web(1, 1, 1, 1)]);
    too_many[3] = 30;
    let no_length = message().templates(&[&template(1, 300, vec![field(7, 0)])]).finish();
    // The message is cut before its data set.
    let mut early_end = good(&[1]);
    early_end[2..4].copy_from_slice(&((16 + 20) as u16).to_be_bytes());
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("nothing", Vec::new(), "datagrams_rejected[too_short]"),
        ("one octet", vec![5], "datagrams_rejected[too_short]"),
        ("half a header", v5_of(&[])[..20].to_vec(), "datagrams_rejected[too_short]"),
        ("another version", vec![0; 100], "datagrams_rejected[version]"),
        ("a length below the header's", short_message, "datagrams_rejected[length]"),
        ("a set beyond the end", lying_set, "records_faulty"),
        ("records that are not there", too_many, "datagrams_rejected[count]"),
        ("a template without length", no_length, "templates_rejected"),
        ("octets after the message", early_end, "datagrams_trailing_bytes"),
    ];
    for (what, datagram, counter) in cases {
        let process = start(&printing("src_port"));
        let exporter = process.exporter("127.0.1.1");
        exporter.send(&datagram);
        let report = process.wait_for_datagrams(1);
        assert!(report.value(counter) > 0, "{what}: {counter}\n{}", report.lines.join("\n"));
        let faulty = report.value("records_faulty") > 0;
        assert_eq!(faulty, counter == "records_faulty", "{what}: one counter\n{}", report.lines.join("\n"));
        let line = process.wait_for_log("127.0.1.1");
        assert!(line.starts_with("WARN"), "{what}: {line}");
        report.assert_all_accounted();
        exporter.send(&good(&[7]));
        process.wait_for_datagrams(2).assert_all_accounted();
        let rows = process.stop().json("out.json");
        assert!(rows.iter().any(|row| row["port_src"] == 7 && row["packets"] == 2), "{what}: {rows:?}");
    }
}

#[test]
fn records_before_a_malformed_set_are_kept() {
    // A set that exceeds the datagram is dropped, the previous one is not.
    let sets = Message::ipfix(1, 0, NOW)
        .templates(&[&template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)])])
        .records(256, 2, |w| [1, 2].into_iter().for_each(|port| _ = w.u16(port).u32(2).u32(20)))
        .records(256, 2, |w| [3, 4].into_iter().for_each(|port| _ = w.u16(port).u32(2).u32(20)))
        .finish();
    assert_rows(
        rows("src_port", [&sets[..sets.len() - 1]]),
        [1, 2].map(|port| json!({"port_src": port, "packets": 2, "bytes": 20})),
    );
}

#[test]
fn zero_padding_is_accepted() {
    let known = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let v9 = Message::v9(1, 0, NOW, UPTIME).templates(&[&known]).data(256, |w| _ = w.u16(7).u32(2).u32(20));
    let mut datagrams = [v9.finish(), good(&[7]), good(&[7])];
    datagrams.iter_mut().for_each(|datagram| datagram.resize(1400, 0));
    // The zeros of the last datagram are part of its message.
    datagrams[2][2..4].copy_from_slice(&1400u16.to_be_bytes());
    let process = start(&printing("src_port"));
    process.exporter("127.0.1.1").send_all(datagrams);
    let report = process.wait_for_datagrams(3);
    assert_eq!((report.value("records_faulty"), report.value("datagrams_trailing_bytes")), (0, 0));
    let finished = process.stop();
    assert!(!finished.log.contains("WARN"), "{}", finished.log);
    let rows = without_event_type(finished.json("out.json"));
    assert_rows(rows, [json!({"port_src": 7, "packets": 6, "bytes": 60})]);
}

#[test]
fn failed_checks_and_unusable_rates_are_logged() {
    let setup = printing("src_port").more_config("nfacctd_pre_processing_checks: true\nnfacctd_renormalize: true");
    let process = start(&setup);
    let known = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let padded = |ones: u8| {
        let message = Message::ipfix(1, 0, NOW).templates(&[&known]);
        message.data(256, |w| _ = w.u16(7).u32(2).u32(20).u8(ones)).finish()
    };
    let mut options = template(1, 300, vec![field(302, 4), field(305, 4), field(306, 4)]);
    options.kind = Kind::Options { scopes: 1 };
    let message = Message::ipfix(1, 0, NOW).templates(&[&options]);
    let rate = message.data(300, |w| _ = w.u32(7).u32(0).u32(99)).finish();
    process.exporter("127.0.1.1").send_all([padded(0), padded(1), rate]);
    let report = process.wait_for_datagrams(3);
    assert_eq!(report.value("records_faulty"), 1);
    for part in ["data set 256: its padding is not zero", "a sampling rate that cannot be used"] {
        let line = process.wait_for_log(part);
        assert!(line.starts_with("WARN") && line.contains("127.0.1.1"), "{line}");
    }
    let rows = without_event_type(process.stop().json("out.json"));
    assert_rows(rows, [json!({"port_src": 7, "packets": 2, "bytes": 20})]);
}

#[test]
fn an_undecodable_set_does_not_affect_other_sets() {
    let known = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let message = Message::v9(1, 0, NOW, UPTIME)
        .templates(&[&known])
        .data(256, |w| _ = w.u16(1).u32(2).u32(3))
        .data(999, |w| _ = w.u32(0xdead_beef))
        .data(100, |w| _ = w.u32(0xdead_beef))
        .data(256, |w| _ = w.u16(2).u32(2).u32(3))
        .finish();
    assert_rows(
        rows("src_port", [message]),
        [1, 2].map(|port| json!({"port_src": port, "packets": 2, "bytes": 3})),
    );
}

#[test]
fn templates_beyond_the_bound_evict_older_ones() {
    let process = start(&printing("src_port").more_config("nfacctd_templates_max: 10"));
    let exporter = process.exporter("127.0.1.1");
    let fields = vec![field(7, 2), field(2, 4), field(1, 4)];
    exporter.send_all(
        (256..356).map(|id| Message::ipfix(1, 0, NOW).templates(&[&template(1, id, fields.clone())]).finish()),
    );
    exporter.send(&Message::ipfix(1, 0, NOW).data(355, |w| _ = w.u16(7).u32(2).u32(3)).finish());
    let report = process.wait_for_datagrams(101);
    assert!(report.value("templates_evicted") >= 80, "{}", report.lines.join("\n"));
    assert_eq!(report.value("records_decoded"), 1);
    process.stop();
}

#[test]
fn data_pending_for_a_template_are_bounded() {
    let setup = printing("src_port").more_config("nfacctd_pending_bytes: 10000");
    let process = start(&setup);
    let exporter = process.exporter("127.0.1.1");
    exporter.send_all((0..100).map(|_| Message::ipfix(1, 0, NOW).data(300, |w| _ = w.put(&[0; 1000])).finish()));
    let report = process.wait_for_datagrams(100);
    assert!(report.value("sets_pending") <= 10, "{}", report.lines.join("\n"));
    assert!(report.value("sets_dropped[no_template_bound]") >= 90);
    report.assert_all_accounted();
    process.stop();
}

/// Splitmix64, as in the generator of traffic.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Changes, cuts or lengthens a datagram, or leaves it as it is.
    fn damage(&mut self, datagram: &mut Vec<u8>) {
        for _ in 0..self.next() % 4 {
            let at = (self.next() as usize) % datagram.len().max(1);
            match self.next() % 4 {
                0 => datagram.truncate(at),
                1 => datagram.extend_from_within(at..),
                // Headers, with their lengths and counts, are damaged more often.
                _ => {
                    if let Some(octet) = datagram.get_mut(if self.next().is_multiple_of(2) { at } else { at % 64 })
                    {
                        *octet = self.next() as u8;
                    }
                }
            }
        }
        datagram.truncate(9000);
    }
}

#[test]
fn damaged_traffic_is_survived_bounded_and_accounted_for() {
    let process = start(&printing("src_host, dst_host, src_port, dst_port, proto, in_iface, timestamp_start"));
    let mut chance = Chance(2026);
    let mut sent = 0;
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        let exporter = process.exporter("127.0.1.1");
        let mut stream = Stream::new(version, 1, NOW);
        for seed in 0..40 {
            let flows: Vec<Flow> = Flows::new(seed).take(600).collect();
            stream.repeat_templates();
            let mut datagrams = stream.datagrams(&flows);
            datagrams.iter_mut().for_each(|datagram| chance.damage(datagram));
            sent += datagrams.len() as u64;
            exporter.send_all(datagrams);
        }
    }
    let report = process.wait_for_datagrams(sent);
    report.assert_all_accounted();
    assert!(report.family("datagrams_rejected[") > 0 && report.value("datagrams_decoded") > sent / 2);
    assert!(resident(&process) < 300 << 20, "{} bytes", resident(&process));
    // It still works.
    process.exporter("127.0.2.2").send(&good(&[4242]));
    process.wait_for_datagrams(sent + 1).assert_all_accounted();
    let finished = process.stop();
    let rows = without_event_type(finished.json("out.json"));
    assert!(rows.iter().any(|row| row["port_src"] == 4242 && row["packets"] == 2));
    assert!(sum(&rows, "packets") > 100_000);
    assert!(finished.log.len() < 1 << 20, "the log is bounded: {}", finished.log.len());
}

#[test]
fn reordered_sequence_numbers_do_not_delay_an_exporter() {
    let process = start(&printing("src_port").more_config("nfacctd_pending_time: 1"));
    process.exporter("127.0.1.1").send(&Message::ipfix(1, 0, NOW).data(300, |w| _ = w.u32(1)).finish());
    process.wait_for_datagrams(1);
    eventually("the set to expire", || {
        let report = process.statistics();
        report.assert_all_accounted();
        (report.value("sets_dropped[no_template_expired]") == 1).then_some(())
    });
    process.stop();
}

#[test]
fn log_lines_about_unknown_versions_can_be_disabled() {
    for (key, logged) in [("false", true), ("true", false)] {
        let setup = printing("src_port").more_config(&format!("nfacctd_disable_sanity_checks: {key}"));
        let process = start(&setup);
        process
            .exporter("127.0.1.1")
            .send(&[0, 77, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        process.wait_for_datagrams(1).assert_all_accounted();
        let log = process.stop().log;
        assert_eq!(log.contains("discarding a datagram"), logged, "{log}");
    }
}
