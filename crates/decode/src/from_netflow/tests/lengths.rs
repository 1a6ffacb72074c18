//! Datagrams with inconsistent lengths: complete records are decoded, and the rest is counted by reason.

use super::*;
use netflow::datagram::SetError;

fn bench() -> Bench {
    Bench::new(&["src_port"], Settings::default())
}

/// A template with a port and packets, ten octets.
fn template() -> Template {
    Template::new(1, 256, Kind::Data, vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::PACKET_DELTA_COUNT, 8)])
}

fn message(ipfix: bool, sequence: u32, ports: &[u16]) -> Vec<u8> {
    let message = if ipfix { Message::ipfix(1, sequence, NOW) } else { Message::v9(1, sequence, NOW, 1000) };
    let message = message.templates(&[&template()]);
    message.records(256, ports.len(), |w| ports.iter().for_each(|port| _ = w.u16(*port).u64(1))).finish()
}

fn set_message_length(octets: &mut [u8], length: usize) {
    octets[2..4].copy_from_slice(&(length as u16).to_be_bytes());
}

impl Bench {
    fn errors(&mut self) -> Vec<SetError> {
        let notices = self.decoder.take_notices().into_iter();
        notices
            .filter_map(|notice| match notice {
                Notice::InvalidRecords { fault: error, .. } => Some(error),
                _ => None,
            })
            .collect()
    }

    fn lost(&self) -> u64 {
        self.decoder.exporters().map(|exporter| exporter.sequence.lost).sum()
    }
}

#[test]
fn datagrams_padded_with_zeros_are_complete_and_losses_are_detected() {
    for (ipfix, next) in [(false, 3), (true, 6)] {
        for within in [false, true] {
            let mut bench = bench();
            for sequence in [0, next] {
                let mut octets = message(ipfix, sequence, &[1, 2]);
                octets.resize(500, 0);
                if ipfix && within {
                    set_message_length(&mut octets, 500);
                }
                bench.send(&octets);
            }
            assert_eq!(bench.column("src_port"), ["1", "2", "1", "2"]);
            let counts = bench.decoder.take_counts();
            assert_eq!((counts.sets_invalid, counts.trailing_bytes, bench.errors()), (0, 0, vec![]));
            // v9 counts datagrams, IPFIX records.
            assert_eq!(bench.lost(), if ipfix { 4 } else { 2 });
        }
    }
}

#[test]
fn octets_after_an_ipfix_message_are_counted_and_reported() {
    let whole = message(true, 0, &[1, 2]);
    // The message ends before the data set, or is empty.
    for (length, templates) in [(16 + 16, 1), (16, 0)] {
        let mut octets = whole.clone();
        set_message_length(&mut octets, length);
        let mut bench = bench();
        bench.send(&octets);
        let trailing = whole.len() - length;
        let counts = bench.decoder.take_counts();
        assert_eq!((counts.trailing_bytes, counts.templates_new, counts.records), (trailing as u64, templates, 0));
        assert_eq!(bench.errors(), [SetError::TrailingOctets(trailing)]);
        // The number of records is unknown, so the next message shows no gap.
        bench.send(&message(true, 2, &[3]));
        assert_eq!((bench.decoder.take_counts().sequence_gaps, bench.column("src_port")), (0, vec!["3".into()]));
    }
}

#[test]
fn a_set_that_exceeds_the_datagram_by_its_padding_keeps_its_records() {
    for ipfix in [false, true] {
        for (missing, present) in [(1, 0), (3, 0), (7, 0), (2, 2), (1, 8)] {
            let mut octets = message(ipfix, 0, &[1, 2]);
            let at = octets.len() - 22;
            octets[at..at + 2].copy_from_slice(&(24 + missing as u16 + present as u16).to_be_bytes());
            octets.resize(octets.len() + present, 0);
            if ipfix {
                let length = octets.len();
                set_message_length(&mut octets, length);
            }
            let mut bench = bench();
            bench.send(&octets);
            assert_eq!(bench.column("src_port"), ["1", "2"], "{missing} missing, {present} present");
            assert_eq!(bench.errors(), [], "{missing} missing, {present} present");
            // The same, if the set arrives before its template.
            let mut late = self::bench();
            late.send(&[&octets[..if ipfix { 16 } else { 20 }], &octets[at - 2..]].concat());
            late.send(&message(ipfix, 2, &[3]));
            assert_eq!(late.column("src_port"), ["1", "2", "3"]);
        }
        // A record is incomplete: the set is ignored and counted.
        let mut octets = message(ipfix, 0, &[1, 2]);
        octets.truncate(octets.len() - 5);
        let mut bench = bench();
        bench.send(&octets);
        assert_eq!((bench.rows.len(), bench.decoder.take_counts().sets_invalid), (0, 1));
        assert!(matches!(bench.errors()[..], [SetError::Truncated(_)]));
    }
}

#[test]
fn truncated_records_of_variable_length_are_reported() {
    for kind in [Kind::Data, Kind::Options { scopes: 1 }] {
        let mut bench = bench();
        let template = Template::new(
            1,
            256,
            kind,
            vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::INTERFACE_NAME, VARIABLE)],
        );
        let message = Message::ipfix(1, 0, NOW).templates(&[&template]);
        bench.send(&message.data(256, |w| _ = w.u16(1).u8(1).put(b"a").u16(2).u8(9).put(b"b")).finish());
        let counts = bench.decoder.take_counts();
        assert_eq!((counts.records + counts.options_records, counts.sets_invalid), (1, 1), "{kind:?}");
        assert!(matches!(bench.errors()[..], [SetError::Truncated(_)]), "{kind:?}");
    }
}

#[test]
fn sets_with_non_zero_padding_are_reported() {
    let mut bench = Bench::new(&["src_port"], Settings { check_padding: true, ..Settings::default() });
    for padding in [&[0, 0][..], &[0, 1]] {
        let message = Message::ipfix(1, 0, NOW).templates(&[&template()]);
        bench.send(&message.data(256, |w| _ = w.u16(1).u64(1).put(padding)).finish());
    }
    assert_eq!((bench.rows.len(), bench.decoder.take_counts().sets_invalid), (1, 1));
    assert_eq!(bench.errors(), [SetError::Padding(256)]);
}

#[test]
fn invalid_templates_are_counted_separately_from_sets() {
    let mut bench = bench();
    let no_length = Template::new(1, 300, Kind::Data, vec![field(ie::SOURCE_TRANSPORT_PORT, 0)]);
    bench.send(&Message::ipfix(1, 0, NOW).templates(&[&no_length]).finish());
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.templates_invalid, counts.sets_invalid), (1, 0));
    assert!(matches!(bench.errors()[..], [SetError::Template(_)]));
}
