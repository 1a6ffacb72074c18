//! State that senders create: it is bounded, and reaching the bound is reported.

use crate::malformed::resident;
use crate::sflow::{head, header, sfacctd};
use crate::support::{NOW, printing, start, template, v5_of, web};
use netflow::encode::{Message, field};
use sflow::encode::Datagram;

#[test]
fn the_least_recently_active_exporter_is_evicted() {
    let process = start(&printing("peer_src_ip").more_config("nfacctd_exporters_max: 3\nnfacctd_workers: 1"));
    for host in 1..=10 {
        // A datagram without records creates no state.
        process.exporter(&format!("127.0.2.{host}")).send(&v5_of(&[]));
        process.exporter(&format!("127.0.1.{host}")).send(&v5_of(&[web(1, 1, 1, 1)]));
    }
    let report = process.wait_for_datagrams(20);
    assert_eq!((report.value("datagrams_decoded"), report.value("exporters")), (20, 3));
    assert_eq!(report.value("exporters_evicted[number]"), 7);
    assert!(report.lines.iter().any(|line| line.contains("agent=127.0.1.10:")), "{}", report.lines.join("\n"));
    assert!(!report.lines.iter().any(|line| line.contains("agent=127.0.2.")));
    report.assert_all_accounted();
    let line = process.wait_for_log("evicting an exporter and its templates: nfacctd_exporters_max is reached");
    assert!(line.starts_with("WARN") && line.contains("127.0.1."), "{line}");
    assert_eq!(process.stop().json("out.json").len(), 10, "no record is lost for it");
}

#[test]
fn exporter_state_stays_below_peer_state_memory() {
    const BOUND: u64 = 4 << 20;
    let lines = format!("peer_state_memory: {BOUND}\nnfacctd_pending_bytes: 2M\nnfacctd_workers: 1");
    let process = start(&printing("src_port").more_config(&lines));
    let live = process.exporter("127.0.1.1");
    let known = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    live.send(&Message::ipfix(1, 0, NOW).templates(&[&known]).finish());
    process.wait_for_datagrams(1);
    let before = resident(&process);
    let mut sent = 1;
    let waiting = Message::ipfix(1, 0, NOW).data(300, |w| _ = w.put(&[1; 60_000])).finish();
    for host in 2..=60 {
        let exporter = process.exporter(&format!("127.0.1.{host}"));
        // At most what the socket's buffer holds at once.
        for _ in 0..5 {
            exporter.send_all([&waiting, &waiting]);
            sent += 2;
            process.wait_for_datagrams(sent);
        }
        live.send(&Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u16(7).u32(2).u32(20)).finish());
        sent += 1;
    }
    let report = process.wait_for_datagrams(sent);
    let grown = resident(&process).saturating_sub(before);
    // The memory of a batch becomes resident, too.
    assert!(grown < BOUND + (12 << 20), "{grown} bytes for {} that were sent", 59 * 10 * 60_000);
    assert!((BOUND / 4..=BOUND).contains(&report.value("peer_state_bytes")), "{}", report.lines.join("\n"));
    assert!(
        report.value("exporters_evicted[memory]") > 30 && report.value("sets_dropped[exporter_evicted]") > 300
    );
    assert_eq!(report.value("records_decoded"), 59, "what is not silent is kept");
    report.assert_all_accounted();
    process.wait_for_log("evicting an exporter and its templates: peer_state_memory is reached");
    process.stop();
}

#[test]
fn interface_names_beyond_the_bound_are_counted_and_logged() {
    let process = start(&printing("in_iface_name").more_config("nfacctd_workers: 1"));
    let exporter = process.exporter("127.0.1.1");
    let kind = netflow::template::Kind::Options { scopes: 1 };
    let names = netflow::template::Template::new(1, 256, kind, vec![field(10, 4), field(82, 2)]);
    exporter.send(&Message::ipfix(1, 0, NOW).templates(&[&names]).finish());
    for first in (0..20_000_u32).step_by(5000) {
        let message = Message::ipfix(1, 0, NOW);
        let ids = first..first + 5000;
        exporter.send(&message.records(256, 5000, |w| ids.for_each(|id| _ = w.u32(id).put(b"if"))).finish());
    }
    let report = process.wait_for_datagrams(5);
    assert_eq!(
        (report.value("options_records"), report.value("options_entries_dropped")),
        (20_000, 20_000 - 16_384)
    );
    let line = process.wait_for_log("options data exceed the number of names or rates");
    assert!(line.starts_with("WARN") && line.contains("127.0.1.1"), "{line}");
    process.stop();
}

#[test]
fn agents_of_one_sender_are_evicted_for_others() {
    let setup = sfacctd("peer_src_ip", "nfacctd_exporters_max: 3\nnfacctd_workers: 1");
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    let sender = process.exporter("127.0.1.1");
    let datagram = |agent: u8, sub_agent, samples| {
        let mut datagram = Datagram::v5(Some([10, 99, 0, agent].into()), sub_agent, 1, 1000);
        (0..samples).for_each(|_| _ = datagram.flow(&head(1), &[header(&[0; 60])]).unwrap());
        datagram.finish()
    };
    sender.send_all((1..=10).map(|agent| datagram(agent, 0, 1)));
    sender.send_all((1..=20).map(|sub_agent| datagram(10, sub_agent, 1)));
    sender.send_all((100..=150).map(|agent| datagram(agent, 0, 0)));
    let report = process.wait_for_datagrams(81);
    assert_eq!((report.value("datagrams_decoded"), report.value("exporters")), (81, 3));
    assert_eq!((report.value("exporters_evicted[number]"), report.value("sequences_evicted")), (7, 30 - 12));
    assert!(report.lines.iter().any(|line| line.contains("agent=10.99.0.10:20")), "{}", report.lines.join("\n"));
    report.assert_all_accounted();
    process.wait_for_log("evicting the agent that has been silent longest: nfacctd_exporters_max is reached");
    process.wait_for_log("too many sub-agents to track");
    process.stop();
}
