//! Counters of rare events: each test triggers an event that no other test here does.

use crate::clients::{collector, send, sqlite_rows, table};
use crate::packets::{self, reading};
use crate::sflow::{datagram, head, header, sfacctd};
use crate::support::{nfacctd, start, v5_of, web};
use ::sflow::{CounterBlock, CounterHead, DataFormat, FlowRecord, SourceId, Unknown};
use netflow::encode::{Message, field};
use netflow::template::{Kind, Template};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::eventually;

#[test]
fn truncated_packets_are_counted() {
    let frame = packets::web(1, 0);
    // Ethernet, IP, and only the first two octets of TCP.
    let setup = reading("src_port, dst_port", "", [&frame[..36]]);
    let path = setup.path("in.pcap");
    let mut file = fs::read(&path).unwrap();
    // The original length, which follows the file header, the timestamp and the captured length.
    file[24 + 12..24 + 16].copy_from_slice(&(frame.len() as u32).to_be_bytes());
    fs::write(&path, file).unwrap();
    let process = setup.more_config("pcap_savefile_wait: true").spawn();
    process.wait_for_log("finished reading");
    assert_eq!(process.statistics().value("packets_rejected[short]"), 1);
    process.stop();
}

#[test]
fn records_of_unknown_formats_inside_samples_are_counted() {
    let frame = [0; 60];
    let unknown = FlowRecord::Unknown(Unknown { format: DataFormat(4_000_000), octets: &[0; 8] });
    let mut sent = datagram(1);
    sent.flow(&head(1), &[header(&frame), unknown]).unwrap();
    let process = sfacctd("in_iface", "").start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send(&sent.finish());
    assert_eq!(process.wait_for_datagrams(1).value("sample_records_skipped"), 1);
    process.stop();
}

#[test]
fn truncated_counter_blocks_are_counted() {
    let head = CounterHead {
        format: DataFormat::COUNTERS,
        sequence: 1,
        source: SourceId { class: 0, index: 1 },
        interval_secs: None,
    };
    let mut sent = datagram(1);
    sent.counters(&head, &[CounterBlock { format: DataFormat(1), kind: None, octets: &[0; 88] }]).unwrap();
    let mut octets = sent.finish();
    // The length of the block is followed by its contents, the last octets of the datagram.
    let length = octets.len() - 88 - 4;
    octets[length..length + 4].copy_from_slice(&1000_u32.to_be_bytes());
    let process = sfacctd("in_iface", "sfacctd_counter_file: {dir}/counters.json").start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send(&octets);
    assert_eq!(process.wait_for_datagrams(1).value("counter_blocks_dropped"), 1);
    process.stop();
}

#[test]
fn aggregates_below_the_limits_of_preprocess_are_counted() {
    let setup =
        collector("sqlite3", "sql_db: {dir}/acct.db\nsql_table: acct").more_config("sql_preprocess: minp=2");
    rusqlite::Connection::open(setup.path("acct.db")).unwrap().execute_batch(&table("acct", "sqlite")).unwrap();
    let process = start(&setup);
    // All aggregates have one packet in the first round and two in the second.
    send(&process, 2, |_| {});
    let report = eventually("both rounds to be done", || {
        let report = process.statistics();
        let done = report.value_of("s", "aggregates_filtered") + report.value_of("s", "aggregates_written");
        (done == 60).then_some(report)
    });
    assert_eq!(report.value_of("s", "aggregates_filtered"), 30);
    process.stop();
    assert_eq!(sqlite_rows(&setup.path("acct.db"), "acct").len(), 30);
}

#[test]
fn triggers_that_time_out_are_counted() {
    let setup = nfacctd(
        "plugins: print[p]
         aggregate[p]: src_host
         print_output_file[p]: {dir}/out
         print_refresh_time[p]: 1
         print_trigger_exec[p]: {dir}/trigger
         plugin_trigger_timeout: 1",
    )
    .file("trigger", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(setup.path("trigger"), fs::Permissions::from_mode(0o755)).unwrap();
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 1)]));
    eventually("the trigger to be killed", || (process.statistics().value("triggers_ended") > 0).then_some(()));
    process.stop();
}

/// Fields of one octet cost more than their octets. A budget limits what a sender may spend that way.
#[test]
fn options_records_beyond_the_budget_are_counted_and_logged() {
    const FIELDS: usize = 100;
    let process = start(&nfacctd("plugins: print\naggregate: src_port"));
    let exporter = process.exporter("127.0.1.1");
    let fields = (0..FIELDS).map(|_| field(10, 1)).collect();
    let template = Template::new(1, 256, Kind::Options { scopes: 1 }, fields);
    exporter.send(&Message::ipfix(1, 0, 0).templates(&[&template]).finish());
    let records = Message::ipfix(1, 0, 0).records(256, 13, |w| _ = w.put(&[1; 13 * FIELDS])).finish();
    eventually("a set beyond the budget", || {
        (0..20).for_each(|_| exporter.send(&records));
        (process.statistics().value("sets_over_budget") > 0).then_some(())
    });
    process.wait_for_log("more of sets_over_budget");
    process.stop();
}
