//! The matcher returns the results of its definition.

use super::{BatchFrames, Captured, Frames, Lazy, MatchBatch, Matcher, PacketSource, Rule, View, first};
use crate::key::pre_tag::KEYS;
use crate::load::{self, Context};
use config::Daemon;
use config::problem::{Diagnostics, Origin};
use filter::Synthetic;
use flow::address;
use flow::field::Field;
use flow::presence::{Presence, PresenceSet};
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use proptest::prelude::*;
use std::net::IpAddr;

/// Pairs of rules from few values, so that rules match records.
fn pair() -> impl Strategy<Value = String> {
    let words = |words: &'static [&'static str]| prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let number = |key: &'static str, last: u32| {
        (any::<bool>(), 0..=last)
            .prop_map(move |(negated, n)| format!("{key}={}{n}", if negated { "-" } else { "" }))
    };
    prop_oneof![
        4 => number("in", 3),
        2 => number("out", 3),
        3 => number("src_as", 3),
        1 => number("dst_as", 2),
        1 => number("vlan", 2),
        1 => number("ip_proto", 7),
        1 => number("dst_port", 2),
        1 => number("direction", 1),
        3 => words(&["src_net=10.0.0.0/8", "src_net=10.1.0.0/16", "src_net=-10.1.0.0/16", "src_net=2001:db8::/32",
            "src_net=0.0.0.0/0", "src_net=::/0", "src_net=10.1.2.3"]),
        2 => words(&["dst_net=10.0.0.0/8", "dst_net=10.1.0.0/16", "dst_net=-2001:db8::/32"]),
        2 => words(&["filter='tcp'", "filter='src net 10.1.0.0/16 and tcp'", "filter='vlan 1 and udp'", "filter='dst port 2'",
            "filter='ip6'", "filter='not tcp'", "filter='udp dst port 1 and src host 10.1.2.3'"]),
        1 => words(&["is_nsel=true", "is_bi_flow=false", "sample_type=flow", "sample_type=-event", "is_multicast=true"]),
    ]
}

fn exporter() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "",
        "ip=192.0.2.1",
        "ip=192.0.2.0/24",
        "ip=192.0.2.2",
        "ip=0.0.0.0/0",
        "ip=2001:db8::1",
        "ip=::/0",
    ])
    .prop_map(str::to_owned)
}

/// The text of a map.
fn map() -> impl Strategy<Value = String> {
    let line = (exporter(), proptest::collection::vec(pair(), 0..4)).prop_map(|(exporter, pairs)| {
        let mut keys = Vec::new();
        let unique = |pair: &String| {
            let key = pair.split('=').next().unwrap_or_default().to_owned();
            let new = !keys.contains(&key);
            keys.push(key);
            new
        };
        let pairs: Vec<String> = pairs.into_iter().filter(unique).collect();
        format!("set_tag=1 {exporter} {}", pairs.join(" "))
    });
    proptest::collection::vec(line, 1..60).prop_map(|lines| lines.join("\n"))
}

#[derive(Clone, Debug)]
struct Record {
    hosts: [&'static str; 2],
    numbers: [u32; 4],
    small: [u8; 4],
    bits: u64,
}

fn record() -> impl Strategy<Value = Record> {
    let host =
        || prop::sample::select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.7", "2001:db8::1", "::1", "0.0.0.0", "::"]);
    // Most presence bits are set, any may be missing.
    let bits = (any::<u64>(), any::<u64>()).prop_map(|(a, b)| a | b);
    ([host(), host()], prop::array::uniform4(0u32..4), prop::array::uniform4(0u8..3), bits)
        .prop_map(|(hosts, numbers, small, bits)| Record { hosts, numbers, small, bits })
}

fn rules(text: &str) -> Vec<Rule> {
    let mut problems = Diagnostics::new();
    let context = Context::new(Daemon::Nfacctd);
    let origin = Origin::whole("p.map");
    load::load(KEYS, &context, &origin, text.as_bytes(), &mut problems, |entry, _| Some(entry.rule))
}

fn layout(rules: &[Rule]) -> Layout {
    let mut fields = FieldSet::default();
    rules.iter().for_each(|rule| rule.require(&mut fields));
    Layout::new(&fields, &[])
}

fn rows(record: &Record, layout: &Layout) -> Rows {
    let mut rows = Rows::new(layout);
    let mut row = rows.push(&vec![0; layout.words()]);
    let host = |n: usize| address::octets(record.hosts[n].parse::<IpAddr>().unwrap());
    let [proto, vlan, port, direction] = record.small;
    for (field, octets) in [
        (Field::SrcHost, host(0).as_slice()),
        (Field::DstHost, &host(1)),
        (Field::InIface, &record.numbers[0].to_be_bytes()),
        (Field::OutIface, &record.numbers[1].to_be_bytes()),
        (Field::SrcAs, &record.numbers[2].to_be_bytes()),
        (Field::DstAs, &record.numbers[3].to_be_bytes()),
        (Field::Proto, &[[6, 17, 1][usize::from(proto)]]),
        (Field::Vlan, &[0, vlan]),
        (Field::DstPort, &[0, port]),
        (Field::Direction, &[direction]),
        (Field::DstMac, &[port, 0, 0, 0, 0, 1]),
        (Field::Presence, &record.bits.to_be_bytes()),
    ] {
        if let Some(at) = layout.offset(field) {
            row.bytes()[at..at + octets.len()].copy_from_slice(octets);
        }
    }
    rows
}

const EXPORTERS: [Option<&str>; 6] =
    [None, Some("192.0.2.1"), Some("192.0.2.9"), Some("198.51.100.1"), Some("2001:db8::1"), Some("2001:db8::2")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn finds_the_same_rule_as_a_linear_search(
        text in map(),
        records in proptest::collection::vec(record(), 1..12),
        from in 0u32..60,
    ) {
        let rules = rules(&text);
        let layout = layout(&rules);
        let matcher = Matcher::compile(&rules, &layout, PacketSource::Rows);
        let strings = Strings::default();
        let mut synthetic = Synthetic::new(&layout);
        for record in &records {
            let rows = rows(record, &layout);
            let view = View { row: rows.iter().next().unwrap(), strings: &strings };
            for exporter in EXPORTERS {
                let exporter = exporter.map(|text| text.parse().unwrap());
                for from in [0, from] {
                    let wanted = first(&rules, &layout, exporter, from, &view, &mut Lazy::new(&mut synthetic));
                    let scope = matcher.scope(exporter);
                    let found = matcher.first(scope, from, &view, &mut Lazy::new(&mut synthetic));
                    prop_assert_eq!(found, wanted, "{} {:?} {:?} from {}", text, record, exporter, from);
                }
            }
        }
    }

    #[test]
    fn match_batch_agrees_with_single_rows(
        text in map(),
        records in proptest::collection::vec(record(), 1..40),
        start in 0usize..3,
    ) {
        let rules = rules(&text);
        let layout = layout(&rules);
        let matcher = Matcher::compile(&rules, &layout, PacketSource::Rows);
        let strings = Strings::default();
        let mut all = Rows::new(&layout);
        for record in &records {
            all.push_row(rows(record, &layout).iter().next().unwrap());
        }
        let start = start.min(records.len());
        let mut batch = MatchBatch::default();
        for exporter in EXPORTERS {
            let scope = matcher.scope(exporter.map(|text| text.parse().unwrap()));
            let mut frames = Synthesized(Synthetic::new(&layout));
            matcher.match_batch(scope, (&all, start), &strings, &mut frames, &mut batch);
            let mut found = vec![None; all.len() - start];
            batch.found(|number, rule| found[number] = Some(rule));
            let one = |row| {
                let mut synthetic = Synthetic::new(&layout);
                matcher.first(scope, 0, &View { row, strings: &strings }, &mut Lazy::new(&mut synthetic))
            };
            prop_assert_eq!(found, all.iter_from(start).map(one).collect::<Vec<_>>(), "{} {:?}", text, exporter);
        }
    }

    #[test]
    fn captured_packets_may_differ_from_their_rows(text in map(), record in record(), other in record()) {
        let rules = rules(&text);
        let layout = layout(&rules);
        let matcher = Matcher::compile(&rules, &layout, PacketSource::Packets);
        let strings = Strings::default();
        let mut synthetic = Synthetic::new(&layout);
        let other = rows(&other, &layout);
        let packet = synthetic.frame(other.iter().next().unwrap()).to_vec();
        let rows = rows(&record, &layout);
        let view = View { row: rows.iter().next().unwrap(), strings: &strings };
        let mut captured = Captured(filter::PacketView::whole(&packet));
        let wanted = first(&rules, &layout, None, 0, &view, &mut Lazy::new(&mut captured));
        let found = matcher.first(matcher.scope(None), 0, &view, &mut Lazy::new(&mut captured));
        prop_assert_eq!(found, wanted, "{} {:?}", text, record);
    }
}

/// Packets synthesized from rows.
struct Synthesized(Synthetic);

impl BatchFrames for Synthesized {
    fn frames(&mut self, _row: usize) -> &mut dyn Frames {
        &mut self.0
    }
}

/// Counts how often a packet is requested.
struct Counted(u32);

impl Frames for Counted {
    fn frame(&mut self, _view: &View<'_>) -> filter::PacketView<'_> {
        self.0 += 1;
        filter::PacketView::whole(&[])
    }
}

#[test]
fn a_packet_is_created_once_per_row_and_only_if_a_filter_needs_it() {
    let rules = rules("set_tag=1 filter='not tcp' in=7\nset_tag=1 filter='not udp' in=7\nset_tag=2 in=1");
    let layout = layout(&rules);
    let matcher = Matcher::compile(&rules, &layout, PacketSource::Rows);
    let strings = Strings::default();
    let mut bits = PresenceSet::default();
    bits.insert(Presence::InIface);
    for (interface, wanted) in [(1, 0), (7, 1)] {
        let record = Record { hosts: ["10.0.0.1"; 2], numbers: [interface, 0, 0, 0], small: [0; 4], bits: bits.0 };
        let rows = rows(&record, &layout);
        let view = View { row: rows.iter().next().unwrap(), strings: &strings };
        let mut frames = Counted(0);
        matcher.first(matcher.scope(None), 0, &view, &mut Lazy::new(&mut frames));
        assert_eq!(frames.0, wanted, "interface {interface}");
    }
}
