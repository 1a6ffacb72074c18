//! The output of the print plugin: formats, files, times.

use crate::support::{NOW, collected, nfacctd, printing, start, v5_of, web};
use testkit::output;
use testkit::{Setup, eventually};

/// A collector whose plugin `p` writes the file `out`.
fn writing(lines: &str) -> Setup {
    nfacctd("plugins: print[p]\nprint_output_file[p]: {dir}/out").more_config(lines)
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn json_keys_have_a_fixed_order() {
    let setup = writing(
        "print_output: json
         aggregate: flows, tos, proto, tcpflags, dst_port, src_port, dst_host, src_host, src_as, in_iface",
    );
    assert_eq!(
        collected(&setup, [v5_of(&[web(1, 1024, 2, 300)])]).text("out"),
        "{\"event_type\": \"purge\", \"as_src\": 64500, \"iface_in\": 1, \"ip_src\": \"10.0.0.1\", \
         \"ip_dst\": \"192.0.2.1\", \"port_src\": 1024, \"port_dst\": 80, \"tcp_flags\": 27, \"ip_proto\": \"tcp\", \
         \"tos\": 184, \"flows\": 1, \"packets\": 2, \"bytes\": 300}\n"
    );
}

#[test]
fn csv_has_a_title_and_the_configured_separator() {
    let rows = [v5_of(&[web(1, 1024, 2, 300), web(2, 1025, 1, 40)])];
    let setup = writing("print_output: csv\naggregate: src_host, src_port, proto");
    assert_eq!(
        sorted_lines(&collected(&setup, &rows).text("out")),
        ["10.0.0.1,1024,tcp,2,300", "10.0.0.2,1025,tcp,1,40", "SRC_IP,SRC_PORT,PROTOCOL,PACKETS,BYTES"]
    );
    for (word, separator) in [(";", ';'), ("|", '|'), ("\\t", '\t')] {
        let setup = setup.clone().more_config(&format!("print_output_separator: {word}"));
        let text = collected(&setup, &rows).text("out");
        assert!(text.starts_with("SRC_IP"), "the title comes first:\n{text}");
        let rows = output::csv(&text, separator);
        assert_eq!((rows.len(), rows[0]["BYTES"].as_str()), (2, "300"), "{word}");
    }
}

#[test]
fn formatted_output_is_aligned_in_columns() {
    let setup = writing("aggregate: src_host, src_port, proto, flows");
    let text = collected(&setup, [v5_of(&[web(1, 1024, 2, 300)])]).text("out");
    let [title, row] = &text.lines().collect::<Vec<_>>()[..] else { panic!("title and row:\n{text}") };
    for (name, value) in [
        ("SRC_IP", "10.0.0.1"),
        ("SRC_PORT", "1024"),
        ("PROTOCOL", "tcp"),
        ("PACKETS", "2"),
        ("FLOWS", "1"),
        ("BYTES", "300"),
    ] {
        let at = title.find(name).unwrap_or_else(|| panic!("{name} in {title}"));
        assert!(row[at..].starts_with(value), "{name}:\n{text}");
    }
}

#[test]
fn event_formats_have_no_counters() {
    let datagrams = [v5_of(&[web(1, 1024, 2, 300)])];
    let setup = writing("aggregate: src_host, src_port");
    let text = |format: &str| collected(&setup.clone().more_config(format), &datagrams).text("out");
    assert_eq!(text("print_output: event_csv"), "SRC_IP,SRC_PORT\n10.0.0.1,1024\n");
    let formatted = text("print_output: event_formatted");
    assert!(!formatted.contains("PACKETS") && formatted.contains("1024"), "{formatted}");
}

#[test]
fn protocols_are_names_or_numbers() {
    let mut unknown = web(1, 1, 1, 1);
    unknown.flags_protocol_tos[1] = 253;
    let datagrams = [v5_of(&[web(1, 1, 1, 1), unknown])];
    let setup = writing("aggregate: proto\nprint_output: csv");
    let text = |lines: &str| collected(&setup.clone().more_config(lines), &datagrams).text("out");
    assert_eq!(sorted_lines(&text(""))[..2], ["253,1,1", "PROTOCOL,PACKETS,BYTES"]);
    assert!(text("").contains("tcp,1,1"));
    assert!(text("print_num_protos: true").contains("6,1,1"));
}

#[test]
fn a_file_is_overwritten_or_appended_to() {
    let datagrams = [v5_of(&[web(1, 1024, 2, 300)])];
    let setup = writing("aggregate: src_host\nprint_output: csv");
    assert_eq!(collected(&setup, &datagrams).text("out").lines().count(), 2);
    assert_eq!(collected(&setup, &datagrams).text("out").lines().count(), 2);
    // The title is written once.
    let appending = setup.more_config("print_output_file_append: true");
    assert_eq!(collected(&appending, &datagrams).text("out").lines().count(), 3);
    assert_eq!(collected(&appending, &datagrams).text("out").lines().count(), 4);
}

#[test]
fn without_flows_no_file_is_written_unless_configured() {
    let setup = writing("aggregate: src_host");
    let nothing: [Vec<u8>; 0] = [];
    assert_eq!(collected(&setup, &nothing).setup().files(), [""; 0]);
    let finished = collected(&setup.more_config("print_write_empty_file: true"), &nothing);
    assert_eq!(finished.setup().files(), ["out"]);
    let title: Vec<_> = finished.text("out").split_whitespace().map(str::to_owned).collect();
    assert_eq!(title, ["SRC_IP", "PACKETS", "BYTES"]);
}

#[test]
fn rows_go_to_standard_output_without_a_file() {
    let setup = nfacctd("plugins: print[p]\naggregate: src_host\nprint_output: json");
    let finished = collected(&setup, [v5_of(&[web(1, 1024, 2, 300)])]);
    assert_eq!(
        finished.stdout,
        "{\"event_type\": \"purge\", \"ip_src\": \"10.0.0.1\", \"packets\": 2, \"bytes\": 300}\n"
    );
}

#[test]
fn markers_enclose_a_purge() {
    let datagrams = [v5_of(&[web(1, 1024, 2, 300)])];
    let setup = writing("aggregate: src_host\nprint_markers: true");
    let text = collected(&setup.clone().more_config("print_output: json"), &datagrams).text("out");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("\"purge_init\"") && lines[0].contains("\"writer_id\": \"p/"), "{text}");
    assert!(lines[2].contains("\"purge_close\"") && lines[2].contains("\"total_entries\": 1"), "{text}");
    let text = collected(&setup.more_config("print_output: csv"), &datagrams).text("out");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("--START (") && lines.last().unwrap().starts_with("--END ("), "{text}");
}

#[test]
fn files_are_named_after_their_time_bin_and_the_latest_is_linked() {
    let setup = nfacctd(
        "plugins: print[p]
         aggregate: src_port
         print_output: json
         print_history: 5m
         print_history_roundoff: m
         print_output_file: {dir}/d/%Y-%m-%d/%H%M.json
         print_latest_file: {dir}/latest.json",
    );
    let finished = collected(&setup, [v5_of(&[web(1, 1024, 2, 300)])]);
    // The flow began at 22:12:20.
    assert!(finished.text("d/2023-11-14/2210.json").contains("1024"), "{}", finished.log);
    assert_eq!(finished.text("latest.json"), finished.text("d/2023-11-14/2210.json"));
}

#[test]
fn files_can_be_named_after_the_exporter() {
    let setup = nfacctd(
        "plugins: print[p]
         aggregate: peer_src_ip, src_port
         print_output: json
         print_output_file: {dir}/$peer_src_ip.json",
    );
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 1)]));
    process.exporter("127.0.1.2").send(&v5_of(&[web(1, 2, 1, 1)]));
    assert_eq!(process.stop().setup().files(), ["127_0_1_1.json", "127_0_1_2.json"]);
}

#[test]
fn times_have_the_configured_format() {
    let datagrams = [v5_of(&[web(1, 1024, 2, 300)])];
    for (lines, zone, expected) in [
        ("", "UTC", "2023-11-14 22:12:20.000000"),
        ("", "Europe/Rome", "2023-11-14 23:12:20.000000"),
        ("timestamps_utc: true", "Europe/Rome", "2023-11-14 22:12:20.000000"),
        ("timestamps_since_epoch: true", "Europe/Rome", "1699999940.000000"),
        ("timestamps_rfc3339: true", "Europe/Rome", "2023-11-14T23:12:20.000000+01:00"),
        ("timestamps_rfc3339: true\ntimestamps_utc: true", "UTC", "2023-11-14T22:12:20.000000+00:00"),
    ] {
        let setup = printing("timestamp_start").more_config(lines).environment("TZ", zone);
        let rows = collected(&setup, &datagrams).json("out.json");
        assert_eq!(rows[0]["timestamp_start"], expected, "{lines} {zone}");
    }
    let rows = collected(&printing("timestamp_export"), &datagrams).json("out.json");
    assert_eq!(NOW, 1_700_000_000);
    assert_eq!(rows[0]["timestamp_export"], "2023-11-14 22:13:20.000000");
}

#[test]
fn purges_happen_at_the_refresh_time() {
    let setup = printing("src_port").more_config("print_refresh_time: 1\nprint_output_file_append: true");
    let process = start(&setup);
    let exporter = process.exporter("127.0.1.1");
    for purge in 1..=2 {
        exporter.send(&v5_of(&[web(1, 1024, 2, 300)]));
        eventually("a purge", || (process.text("out.json").lines().count() == purge).then_some(()));
    }
    let finished = process.stop();
    assert_eq!(finished.json("out.json").len(), 2);
    assert!(finished.log.contains("*** Purging cache - START"), "{}", finished.log);
}
