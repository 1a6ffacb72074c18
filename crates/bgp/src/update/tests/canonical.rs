//! The canonical form of attributes.

use super::*;
use crate::attribute::Flags;

/// AS_PATH of a message with AS numbers of two octets, as text, and AGGREGATOR.
fn merged(path: &str, others: &str) -> (String, Option<String>) {
    let attributes = format!("400101 00 400304 0a000101 {} {others}", attribute("4002", path));
    let message = body("", &attributes, ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn2()).unwrap();
    assert_eq!(update.faults, []);
    let set = update.blocks().next().unwrap().attributes;
    assert_eq!((set.get(Code::AS4_PATH), set.get(Code::AS4_AGGREGATOR)), (None, None));
    (set.as_path().to_string(), set.aggregator().map(|(asn, address)| format!("{asn} {address}")))
}

#[test]
fn attributes_are_sorted_with_short_lengths_and_clean_flags() {
    // Unused flags, an extended length that is not needed, the order reversed, MP_REACH_NLRI.
    let reach = attribute("800e", "000201 10 20010db8000000000000000000000001 00 20 20010db8");
    let message = body("", &format!("{reach} ff080004 fde90064 4f0206 0201 0000fde9 6f0101 00"), "");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn4()).unwrap();
    assert_eq!(update.faults, []);
    let expected = hex(&format!("{MANDATORY_MP} 400310 20010db8000000000000000000000001 e00804 fde90064"));
    assert_eq!(update.blocks().next().unwrap().attributes.as_bytes(), expected);
}

#[test]
fn long_values_have_extended_lengths() {
    let value = "00".repeat(256);
    let kept = attributes_of(&format!("d0fa0100 {value}"), &asn4());
    assert_eq!(kept, hex(&format!("{MANDATORY} d0fa0100 {value}")));
    let value = "00".repeat(255);
    let kept = attributes_of(&format!("d0fa00ff {value}"), &asn4());
    assert_eq!(kept, hex(&format!("{MANDATORY} c0faff {value}")));
}

#[test]
fn communities_are_sorted_each_once() {
    for (received, kept) in [
        ("c0080c 00000002 00000001 00000002", "c00808 00000001 00000002"),
        ("c00808 00000001 00000001", "c00804 00000001"),
        ("c00808 00000001 00000002", "c00808 00000001 00000002"),
        (
            "c02018 000000020000000000000000 000000010000000000000000",
            "c02018 000000010000000000000000 000000020000000000000000",
        ),
        ("c01010 0002000000000002 0002000000000001", "c01010 0002000000000001 0002000000000002"),
        ("c01010 0002000000000002 0002000000000002", "c01008 0002000000000002"),
    ] {
        assert_eq!(attributes_of(received, &asn4()), hex(&format!("{MANDATORY} {kept}")));
    }
}

#[test]
fn sequences_are_joined_and_sets_are_sorted() {
    for (received, kept) in [
        ("0201 00000001 0201 00000002", "0202 00000001 00000002"),
        ("0301 00000001 0302 00000002 00000003", "0303 00000001 00000002 00000003"),
        ("0201 00000001 0301 00000002", "0201 00000001 0301 00000002"),
        ("0103 00000003 00000001 00000003", "0102 00000001 00000003"),
        ("0402 00000003 00000001", "0402 00000001 00000003"),
        ("0101 00000001 0101 00000002", "0101 00000001 0101 00000002"),
    ] {
        let message = body("", &format!("400101 00 400304 0a000101 {}", attribute("4002", received)), ROUTE);
        let mut decoder = Decoder::new();
        let update = decoder.decode(&message, &asn4()).unwrap();
        assert_eq!(update.blocks().next().unwrap().attributes.as_path().as_bytes(), hex(kept), "{received}");
    }
    assert_eq!(merged("0201 0001 0103 0003 0002 0003", "").0, "1 {2,3}");
}

#[test]
fn numbers_of_two_octets_become_wide() {
    assert_eq!(merged("0202 fde9 fdea", ""), ("65001 65002".into(), None));
    assert_eq!(merged("", ""), (String::new(), None));
    let (_, aggregator) = merged("0201 fde9", "c00706 fde9 0a000001");
    assert_eq!(aggregator.as_deref(), Some("65001 10.0.0.1"));
    let wide = attributes_of("c00706 fde9 0a000001", &asn2());
    assert_eq!(wide, hex(&format!("{MANDATORY} c00708 0000fde9 0a000001")));
}

#[test]
fn as4_path_replaces_the_end_of_as_path() {
    // 4200000001 and 4200000002
    let (x, y) = ("fa56ea01", "fa56ea02");
    let as4 = |value: String| attribute("c011", &value);
    for (path, as4, expected) in [
        ("0203 fde9 5ba0 5ba0", as4(format!("0202 {x} {y}")), "65001 4200000001 4200000002"),
        ("0203 fde9 fdea 5ba0", as4(format!("0201 {x}")), "65001 65002 4200000001"),
        // Longer than AS_PATH: ignored.
        ("0201 5ba0", as4(format!("0202 {x} {y}")), "23456"),
        ("0201 5ba0", as4(format!("0201 {x}")), "4200000001"),
        // A set counts one.
        ("0201 fde9 0102 5ba0 5ba0", as4(format!("0102 {x} {y}")), "65001 {4200000001,4200000002}"),
        ("0102 fde9 fdea 0201 5ba0", as4(format!("0201 {x}")), "{65001,65002} 4200000001"),
        // Members of a confederation count nothing; they are kept at the beginning and next to what is kept.
        ("0301 fdea 0202 fde9 5ba0", as4(format!("0201 {x}")), "(65002) 65001 4200000001"),
        ("0301 fdea 0201 5ba0", as4(format!("0201 {x}")), "(65002) 4200000001"),
        ("0201 fde9 0401 fdea 0201 5ba0", as4(format!("0201 {x}")), "65001 [65002] 4200000001"),
        ("0201 5ba0 0301 fdea", as4(format!("0201 {x}")), "4200000001"),
        // They are not valid in AS4_PATH.
        ("0202 fde9 5ba0", as4(format!("0301 {y} 0201 {x}")), "65001 4200000001"),
    ] {
        assert_eq!(merged(path, &as4).0, expected, "{path} {as4}");
    }
}

#[test]
fn as4_aggregator_counts_only_beside_as_trans() {
    let as4 = "c01106 0201 fa56ea01 c01208 fa56ea01 0a000002";
    let aggregator = |text: &str| Some(String::from(text));
    let trans = format!("c00706 5ba0 0a000001 {as4}");
    assert_eq!(merged("0201 5ba0", &trans), ("4200000001".into(), aggregator("4200000001 10.0.0.2")));
    // A speaker with AS numbers of two octets has aggregated: both are ignored (RFC 6793 section 4.2.3).
    let own = format!("c00706 fde9 0a000001 {as4}");
    assert_eq!(merged("0201 5ba0", &own), ("23456".into(), aggregator("65001 10.0.0.1")));
    // Without AGGREGATOR there is nothing to replace.
    assert_eq!(merged("0201 5ba0", as4), ("4200000001".into(), None));
}

#[test]
fn a_path_that_joins_at_the_seam_has_one_sequence_if_it_can_count_it() {
    let set = attributes_of("c01106 0201 fa56ea01", &asn2());
    assert_eq!(AttributeSet::new(&set).as_path().segments().count(), 1);
    let path = format!("02ff {}", "fde9".repeat(255)) + "0201 5ba0";
    let message = body("", &format!("400101 00 400304 0a000101 5002 0204 {path} c01106 0201 fa56ea01"), ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn2()).unwrap();
    assert_eq!(update.faults, []);
    let counts: Vec<_> =
        update.blocks().next().unwrap().attributes.as_path().segments().map(|segment| segment.len()).collect();
    assert_eq!(counts, [255, 1]);
}

#[test]
fn a_path_that_is_too_long_when_it_becomes_wide_makes_withdrawals() {
    // 65 segments of 255 numbers: 33,280 octets, and 66,430 with numbers of four.
    let path = format!("02ff {}", "fde9".repeat(255)).repeat(65);
    let len = hex(&path).len();
    let message = body("", &format!("400101 00 400304 0a000101 5002 {len:04x} {path}"), ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn2()).unwrap();
    assert_eq!(update.faults.iter().map(|fault| fault.reason).collect::<Vec<_>>(), [Reason::AsPathTooLong]);
    assert_eq!((update.faults[0].offset, routes(&update)), (FIRST + 11, vec!["!192.0.2.0/24".into()]));
}

#[test]
fn the_partial_flag_belongs_to_optional_transitive_attributes() {
    let kept = attributes_of("a00404 00000001 e0fa00 a0fb00", &asn4());
    let flags: Vec<_> = AttributeSet::new(&kept).iter().skip(3).map(|attribute| attribute.flags).collect();
    assert_eq!(flags, [Flags(0x80), Flags(0xe0), Flags(0x80)]);
}
