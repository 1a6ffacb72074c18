//! Exporters that are known by a transport session.

use super::*;
use std::net::Ipv4Addr;

const EXPORTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl Bench {
    /// Sends a message in a session, and returns the number of its rows.
    fn send_in(&mut self, session: u64, message: &[u8]) -> usize {
        let (rows, strings) = (&mut self.rows, &mut self.strings);
        self.decoder.session_message((session, EXPORTER), message, ARRIVAL, rows, strings).unwrap();
        let count = self.rows.len();
        self.rows.clear();
        count
    }
}

fn template(fields: usize) -> Template {
    Template::new(1, 256, Kind::Data, (0..fields).map(|_| field(ie::SOURCE_TRANSPORT_PORT, 2)).collect())
}

fn announcement(fields: usize) -> Vec<u8> {
    Message::ipfix(1, 0, NOW).templates(&[&template(fields)]).finish()
}

fn record(sequence: u32, fields: usize) -> Vec<u8> {
    Message::ipfix(1, sequence, NOW).records(256, 1, |w| _ = w.put(&vec![0; 2 * fields])).finish()
}

#[test]
fn templates_and_sequence_numbers_belong_to_a_session_and_end_with_it() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    bench.send_in(1, &announcement(1));
    bench.send_in(2, &announcement(2));
    assert_eq!((bench.send_in(1, &record(0, 1)), bench.send_in(2, &record(0, 2))), (1, 1));
    assert_eq!((bench.send_in(1, &record(1, 1)), bench.send_in(2, &record(5, 2))), (1, 1));
    assert_eq!(bench.decoder.take_counts().sequence_gaps, 1);
    assert_eq!((bench.decoder.len(), bench.decoder.templates()), (2, 2));
    assert!(bench.decoder.exporters().all(|exporter| exporter.has_session));
    bench.decoder.end_session(1);
    assert_eq!((bench.decoder.len(), bench.decoder.templates()), (1, 1));
    // A data set is held for its template, and counted if the session ends before.
    assert_eq!(bench.send_in(3, &record(0, 1)), 0);
    bench.decoder.end_session(3);
    assert_eq!(bench.decoder.take_counts().sets_of_evicted, 1);
    bench.decoder.end_session(2);
    bench.decoder.end_session(2);
    assert!(bench.decoder.is_empty());
    // What was sent stays known.
    let totals: Vec<_> = bench.decoder.session_totals().collect();
    let [SessionTotals { address: EXPORTER, domain: 1, messages: 7, records: 4, gaps: 1, lost: 4, .. }] =
        totals[..]
    else {
        panic!("{totals:?}");
    };
    let notices = bench.decoder.take_notices();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Template { of_session: true, .. })));
}

#[test]
fn rows_are_those_of_datagrams() {
    let mut bench = Bench::new(&["src_port", "peer_src_ip", "export_proto_seqno"], Settings::default());
    let mut rows = Vec::new();
    for session in [None, Some(7)] {
        for message in [announcement(1), record(9, 1)] {
            let (to, strings) = (&mut bench.rows, &mut bench.strings);
            match session {
                None => bench.decoder.datagram(EXPORTER, &message, ARRIVAL, to, strings).unwrap(),
                Some(session) => {
                    bench.decoder.session_message((session, EXPORTER), &message, ARRIVAL, to, strings).unwrap()
                }
            };
        }
        rows.push(bench.rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>());
        bench.rows.clear();
    }
    assert_eq!(rows[0].len(), 1);
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn forged_datagrams_do_not_touch_sessions() {
    let settings = Settings { max_exporters: 10, max_memory: 1 << 20, ..Settings::default() };
    let mut bench = Bench::new(&["src_port"], settings);
    bench.send_in(1, &announcement(1));
    for n in 0..5000u32 {
        let source = Ipv4Addr::from_bits(0x0a00_0000 + n).into();
        let (rows, strings) = (&mut bench.rows, &mut bench.strings);
        bench.decoder.datagram(source, &announcement(50), ARRIVAL, rows, strings).unwrap();
    }
    assert_eq!(bench.send_in(1, &record(0, 1)), 1);
    assert!(bench.decoder.take_lost_sessions().is_empty());
}

#[test]
fn a_session_that_takes_too_much_memory_is_reported() {
    let settings = Settings { max_memory: 1 << 20, max_templates: 65_536, ..Settings::default() };
    let mut bench = Bench::new(&["src_port"], settings);
    bench.send_in(1, &announcement(1));
    for id in 256..20_000 {
        let template =
            Template::new(1, id, Kind::Data, (0..20).map(|_| field(ie::SOURCE_TRANSPORT_PORT, 2)).collect());
        bench.send_in(2, &Message::ipfix(1, 0, NOW).templates(&[&template]).finish());
        if !bench.decoder.take_lost_sessions().is_empty() {
            assert_eq!(bench.decoder.take_counts().exporters_evicted_memory, 1);
            assert_eq!(bench.send_in(1, &record(0, 1)), 1);
            return;
        }
    }
    panic!("nothing was lost");
}
