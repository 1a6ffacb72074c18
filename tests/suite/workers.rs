//! Many workers, many exporters, small tables: nothing is lost or counted twice.

use crate::support::{NOW, by_fields, model, nfacctd, start};
use testkit::output::{json_lines, sum};
use testkit::statistics::Statistics;
use testkit::traffic::{Flow, Flows, Stream, Version, total};
use testkit::{Finished, Setup};

/// Flows of eight concurrent exporters, each with a third in v5, v9 and IPFIX.
fn storm(setup: &Setup) -> (Vec<Flow>, Statistics, Finished) {
    let process = start(setup);
    let shares: Vec<Vec<Flow>> = (1..=8).map(|seed| Flows::new(seed).ipv4().take(1500).collect()).collect();
    let sent: u64 = std::thread::scope(|scope| {
        let process = &process;
        let senders: Vec<_> = (1..=8)
            .zip(&shares)
            .map(|(host, flows)| {
                scope.spawn(move || {
                    let exporter = process.exporter(&format!("127.0.1.{host}"));
                    let mut sent = 0;
                    for (version, flows) in
                        [Version::V5, Version::V9, Version::Ipfix].into_iter().zip(flows.chunks(500))
                    {
                        let datagrams = Stream::new(version, 1, NOW).datagrams(flows);
                        sent += datagrams.len() as u64;
                        exporter.send_all(datagrams);
                    }
                    sent
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("senders do not panic")).sum()
    });
    let report = process.wait_for_datagrams(sent);
    report.assert_all_accounted();
    let agents = report.lines.iter().filter(|line| line.contains(" agent=")).count();
    assert_eq!((agents, report.value("sequence_gaps")), (8, 0), "{}", report.lines.join("\n"));
    (shares.concat(), report, process.stop())
}

#[test]
fn tables_of_several_workers_are_merged() {
    let setup = nfacctd(
        "nfacctd_workers: 4
         plugins: print[p]
         print_num_protos: true
         aggregate: dst_host, dst_port, proto, flows
         print_output: json
         print_output_file: {dir}/out.json",
    );
    let (flows, report, finished) = storm(&setup);
    assert_eq!(report.family("records_dropped["), 0);
    let found = by_fields(&finished.json("out.json"), &["ip_dst", "port_dst", "ip_proto"]);
    let expected = model(&flows, |flow| {
        vec![flow.destination.to_string(), flow.destination_port.to_string(), flow.protocol.to_string()]
    });
    assert_eq!(found, expected);
}

#[test]
fn full_tables_are_written_early_and_dropped_records_counted() {
    let setup = nfacctd(
        "nfacctd_workers: 2
         plugins: print[p]
         aggregate: src_host, dst_host, src_port, dst_port, flows
         print_output: json
         print_cache_entries: 20
         print_output_file: {dir}/out.json
         print_output_file_append: true",
    );
    let (flows, report, finished) = storm(&setup);
    let rows = finished.json("out.json");
    let all = total(&flows);
    assert!(report.value("flushes_early") > 0);
    let found = (
        sum(&rows, "flows") + report.value("records_dropped[table_bound]"),
        sum(&rows, "packets") + report.value("records_dropped_packets"),
        sum(&rows, "bytes") + report.value("records_dropped_bytes"),
    );
    assert_eq!(found, (all.flows, all.packets, all.octets));
}

#[test]
fn purges_during_traffic_lose_nothing() {
    let setup = nfacctd(
        "nfacctd_workers: 3
         plugins: print[a], print[b]
         aggregate: dst_port, flows
         print_output: json
         print_refresh_time: 1
         print_output_file_append: true
         print_output_file[a]: {dir}/a.json
         print_output_file[b]: {dir}/b.json",
    );
    let process = start(&setup);
    let mut sent = Vec::new();
    let mut stream = Stream::new(Version::Ipfix, 1, NOW);
    let exporter = process.exporter("127.0.1.1");
    // Until three purges with aggregates have happened.
    let mut seed = 0;
    while process.log().matches("*** Purging cache - END").count() < 6 {
        seed += 1;
        let flows: Vec<Flow> = Flows::new(seed).take(200).collect();
        exporter.send_all(stream.datagrams(&flows));
        sent.extend(flows);
    }
    let finished = process.stop();
    let all = total(&sent);
    for name in ["a.json", "b.json"] {
        let rows = json_lines(&finished.text(name));
        let found = (sum(&rows, "flows"), sum(&rows, "packets"), sum(&rows, "bytes"));
        assert_eq!(found, (all.flows, all.packets, all.octets), "{name}");
    }
}
