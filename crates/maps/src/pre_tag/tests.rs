//! Maps applied to records: what they set, in which order, and what they report.

use super::{PreTagMap, Scratch};
use crate::load::Context;
use crate::matcher::PacketSource;
use config::Daemon;
use config::problem::{Diagnostics, Origin};
use filter::Synthetic;
use flow::field::Field;
use flow::presence::{Presence, PresenceSet};
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;

fn parse_in(context: &Context, text: &str) -> (PreTagMap, Vec<String>) {
    let mut problems = Diagnostics::new();
    let map = PreTagMap::parse(&Origin::whole("p.map"), text.as_bytes(), context, &mut problems);
    (map, problems.iter().map(ToString::to_string).collect())
}

fn parse(text: &str) -> (PreTagMap, Vec<String>) {
    parse_in(&Context::new(Daemon::Nfacctd), text)
}

/// Tag, second tag, label and type of service of a record.
type Set = (u64, u64, String, u8);

/// The result of a map for a record with these interfaces, from this exporter, that arrives with tag 9.
fn apply(map: &PreTagMap, exporter: &str, [input, output]: [u32; 2]) -> Set {
    let mut fields = FieldSet::default();
    for field in
        [Field::Tag, Field::Tag2, Field::Label, Field::Tos, Field::InIface, Field::OutIface, Field::Presence]
    {
        fields.insert(field);
    }
    map.require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let compiled = map.compile(&layout, PacketSource::Rows);
    let (mut strings, mut rows) = (Strings::default(), Rows::new(&layout));
    let mut row = rows.push(&vec![0; layout.words()]);
    let mut bits = PresenceSet::default();
    [Presence::InIface, Presence::OutIface].into_iter().for_each(|presence| bits.insert(presence));
    let at = |field| layout.offset(field).unwrap();
    for (field, octets) in [
        (Field::Tag, &9u64.to_be_bytes()[..]),
        (Field::InIface, &input.to_be_bytes()),
        (Field::OutIface, &output.to_be_bytes()),
        (Field::Presence, &bits.0.to_be_bytes()),
    ] {
        row.bytes()[at(field)..at(field) + octets.len()].copy_from_slice(octets);
    }
    let mut scratch = Scratch::default();
    let scope = compiled.scope(Some(exporter.parse().unwrap()), &mut scratch);
    compiled.apply(scope, &mut row, &mut strings, &mut Synthetic::new(&layout), &mut scratch);
    let octets = row.bytes();
    let number = |field| u64::from_be_bytes(octets[at(field)..at(field) + 8].try_into().unwrap());
    let label = u32::from_be_bytes(octets[at(Field::Label)..at(Field::Label) + 4].try_into().unwrap());
    let label = String::from_utf8(strings.get(label).to_vec()).unwrap();
    (number(Field::Tag), number(Field::Tag2), label, octets[at(Field::Tos)])
}

fn set(tag: u64, tag2: u64, label: &str) -> Set {
    (tag, tag2, label.to_owned(), 0)
}

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

#[test]
fn the_first_matching_rule_sets_its_values_and_ends_the_search() {
    let (map, problems) =
        parse("set_tag=1 in=1\nset_tag=2 in=1\nset_tag2=3 in=2\nset_tos=46 in=3\nin=4\nset_tag=0 in=5");
    assert_eq!(problems, [""; 0]);
    assert_eq!(apply(&map, V4, [1, 0]), set(1, 0, ""));
    assert_eq!(apply(&map, V4, [2, 0]), set(9, 3, ""), "the record's own tag stays");
    assert_eq!(apply(&map, V4, [3, 0]), (9, 0, String::new(), 46));
    assert_eq!(apply(&map, V4, [4, 0]), set(9, 0, ""));
    assert_eq!(apply(&map, V4, [5, 0]), set(0, 0, ""));
    assert_eq!(apply(&map, V4, [6, 0]), set(9, 0, ""));
}

#[test]
fn each_setter_of_a_rule_sets_its_own_field() {
    let (map, problems) = parse("set_tag=5 set_tag2=6 set_label=x");
    assert_eq!(problems, [""; 0]);
    assert_eq!(apply(&map, V4, [1, 1]), set(5, 6, "x"));
}

#[test]
fn jumps_go_forward_in_both_families() {
    let text = "set_tag=1000 in=1 jeq=outs\nset_tag=2000 in=2 jeq=outs\nset_tag=3000 jeq=outs\nset_tag=77\n\
                set_tag=1 out=11 stack=sum label=outs\nset_tag=2 out=12 stack=sum";
    let (map, problems) = parse(text);
    assert_eq!(problems, [""; 0]);
    for exporter in [V4, V6] {
        assert_eq!(apply(&map, exporter, [1, 11]), set(1001, 0, ""));
        assert_eq!(apply(&map, exporter, [1, 99]), set(1000, 0, ""));
        assert_eq!(apply(&map, exporter, [9, 12]), set(3002, 0, ""));
    }
    let (map, problems) = parse("set_label=a jeq=next\nset_label=b in=2 jeq=next\nset_label=c");
    assert_eq!(problems, [""; 0]);
    for exporter in [V4, V6] {
        assert_eq!(apply(&map, exporter, [2, 0]), set(9, 0, "a,b,c"));
        assert_eq!(apply(&map, exporter, [1, 0]), set(9, 0, "a,c"));
    }
}

#[test]
fn a_jump_considers_only_rules_of_the_exporters_family() {
    let text = "set_tag=1 jeq=x\nset_tag=2 ip=0.0.0.0/0 label=x\nset_tag=3\nset_tag=4 ip=::/0 label=x";
    let (map, problems) = parse(text);
    assert_eq!(problems, [""; 0]);
    assert_eq!((apply(&map, V4, [0, 0]), apply(&map, V6, [0, 0])), (set(2, 0, ""), set(4, 0, "")));
}

#[test]
fn unresolved_jumps_are_reported_and_end_the_search() {
    let (map, problems) = parse("set_tag=1 label=z jeq=z\nset_tag=2");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("[p.map:1] Unresolved label 'z' in v4 namespace."), "{}", problems[0]);
    assert!(problems[1].contains("v6 namespace"), "{}", problems[1]);
    assert_eq!(apply(&map, V4, [0, 0]), set(1, 0, ""));
}

#[test]
fn tags_can_be_ored_and_counted() {
    let (map, _) = parse("set_tag=12 set_tag2=1 jeq=next\nset_tag=10 set_tag2=6 stack=or");
    assert_eq!(apply(&map, V4, [0, 0]), set(14, 7, ""));
    let (map, _) = parse("set_tag=10++");
    assert_eq!([1, 2, 3].map(|_| apply(&map, V4, [0, 0]).0), [10, 11, 12]);
}

#[test]
fn rules_without_an_exporter_can_be_restricted_to_ipv4() {
    let context = Context { exporters_v4: true, ..Context::new(Daemon::Nfacctd) };
    let (map, _) = parse_in(&context, "set_tag=1");
    assert_eq!((apply(&map, V4, [0, 0]).0, apply(&map, V6, [0, 0]).0), (1, 9));
}

#[test]
fn return_does_not_affect_jumps() {
    let (map, problems) = parse("set_tag=1 jeq=next return=true\nset_tag2=2");
    assert!(problems.len() == 1 && problems[0].contains("return has no effect"), "{problems:?}");
    assert_eq!(apply(&map, V4, [0, 0]), set(1, 2, ""));
}

#[test]
fn reports_invalid_setters() {
    let (map, problems) =
        parse("set_tag=-1\nset_tag=x\nset_tag=99999999999999999999\nset_tos=256\nset_tag=1 stack=max");
    assert_eq!(map.len(), 2);
    let parts =
        ["non-digit", "non-digit", "limited to 18446744073709551615", "bad 'set_tos'", "Unknown STACK operator"];
    assert_eq!(problems.len(), parts.len(), "{problems:?}");
    assert!(problems.iter().zip(parts).all(|(problem, part)| problem.contains(part)), "{problems:?}");
    let context = Context { label_as_map: true, ..Context::new(Daemon::Nfacctd) };
    let (map, problems) = parse_in(&context, "set_label=a%b,c%d\nset_label=a,b%c");
    assert_eq!((map.len(), problems.len()), (1, 1));
}

#[test]
fn reports_unreachable_rules_but_not_those_a_jump_may_reach() {
    let review = |text: &str| {
        let mut problems = Diagnostics::new();
        parse(text).0.review(&mut problems);
        problems.iter().filter_map(|problem| problem.origin.line).collect::<Vec<_>>()
    };
    assert_eq!(review("set_tag=1 in=1\nset_tag=2 in=1 out=2\nset_tag=3 in=2\nset_tag=4 in=1"), [2, 4]);
    assert_eq!(review("set_tag=1 ip=10.0.0.0/8\nset_tag=2 ip=10.1.0.0/16 in=3\nset_tag=3 ip=11.0.0.0/8"), [2]);
    assert_eq!(review("set_tag=1\nset_tag=2 ip=10.0.0.1\nset_tag=3"), [2, 3]);
    assert_eq!(review("set_tag=1 in=9 jeq=x\nset_tag=2\nset_tag=3 label=x\nset_tag=4"), [4]);
    assert_eq!(review("set_tag=1 jeq=next\nset_tag=2"), [0; 0]);
    let many: String = (0..10_000).map(|n| format!("set_tag=1 ip=10.{}.{}.1 in=3\n", n / 200, n % 200)).collect();
    assert_eq!(review(&many), [0; 0]);
}

#[test]
fn labels_are_correct_after_strings_are_cleared() {
    let (map, _) = parse("set_label=a in=1\nset_label=b");
    let mut fields = FieldSet::default();
    fields.insert(Field::Label);
    map.require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let compiled = map.compile(&layout, PacketSource::Rows);
    let (mut strings, mut scratch) = (Strings::default(), Scratch::default());
    for round in 0..4 {
        let mut rows = Rows::new(&layout);
        let mut row = rows.push(&vec![0; layout.words()]);
        let scope = compiled.scope(Some(V4.parse().unwrap()), &mut scratch);
        compiled.apply(scope, &mut row, &mut strings, &mut Synthetic::new(&layout), &mut scratch);
        let at = layout.offset(Field::Label).unwrap();
        let id = u32::from_be_bytes(*row.bytes()[at..].first_chunk().unwrap());
        assert_eq!(strings.get(id), b"b", "round {round}");
        if round == 1 {
            strings.clear();
            strings.intern(b"another");
            scratch.forget_strings();
        }
    }
}
