//! Each attribute: good, and each way to be malformed.

use super::*;
use crate::attribute::Origin;
use Outcome::{AttributeDiscarded as Discarded, TreatedAsWithdraw as Withdrawn};
use Reason as R;

/// Decodes the mandatory attributes, one more and a route, and returns the faults as reason, octets from the start of that attribute, outcome.
fn faults(attribute: &str, session: &Session) -> Vec<(Reason, isize, Outcome)> {
    let mandatory = if session.asn4 { MANDATORY } else { MANDATORY_2 };
    faults_of(&format!("{mandatory} {attribute}"), hex(mandatory).len(), session)
}

fn faults_of(attributes: &str, at: usize, session: &Session) -> Vec<(Reason, isize, Outcome)> {
    let message = body("", attributes, ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, session).unwrap();
    let is_withdrawn = update.faults.iter().any(|fault| fault.outcome == Withdrawn);
    assert_eq!(routes(&update), [if is_withdrawn { "!192.0.2.0/24" } else { "+192.0.2.0/24" }]);
    for block in update.blocks() {
        for fault in update.faults.iter().filter(|fault| fault.reason != R::DuplicateAttribute) {
            let code = fault.code.unwrap_or(Code(0));
            assert_eq!(block.attributes.get(code), None, "{code} is malformed, and kept");
        }
    }
    let from_start = |fault: &Fault| fault.offset as isize - (FIRST + at) as isize;
    update.faults.iter().map(|fault| (fault.reason, from_start(fault), fault.outcome)).collect()
}

fn external() -> Session {
    Session { peering: Some(Peering::External), ..asn4() }
}

fn internal() -> Session {
    Session { peering: Some(Peering::Internal), ..asn4() }
}

#[test]
fn good_attributes_are_kept() {
    for (attribute, value) in [
        ("800404 00000001", "00000001"),
        ("400504 000000c8", "000000c8"),
        ("400600", ""),
        ("c00708 0000fde9 0a000001", "0000fde9 0a000001"),
        ("c00804 fde90064", "fde90064"),
        ("800904 0a000001", "0a000001"),
        ("800a08 0a000001 0a000002", "0a000001 0a000002"),
        ("c01008 0002fde900000001", "0002fde900000001"),
        ("c01605 00 06 000001", "00 06 000001"),
        ("c01707 0008 0003 040100", "0008 0003 040100"),
        ("801801 00", "00"),
        ("c01914 000220010db8000000000000000000000001fde9", "000220010db8000000000000000000000001fde9"),
        ("801a0b 01000b 0000000000000007", "01000b 0000000000000007"),
        ("801d06 0402 0002 4142", "0402 0002 4142"),
        ("801d00", ""),
        ("c0200c 0000fde9 00000001 00000002", "0000fde9 00000001 00000002"),
        ("c02304 0000fde9", "0000fde9"),
        ("c0280a 010007 00 0000 00000005", "010007 00 0000 00000005"),
        ("c08008 0000fde9 400101 00", "0000fde9 400101 00"),
        // Unknown optional attributes, transitive or not.
        ("c0fa02 abcd", "abcd"),
        ("80fa02 abcd", "abcd"),
        ("c0fa00", ""),
    ] {
        let octets = hex(attribute);
        let kept = attributes_of(attribute, &asn4());
        assert_eq!(AttributeSet::new(&kept).get(Code(octets[1])), Some(&hex(value)[..]), "{attribute}");
        assert_eq!(AttributeSet::new(&kept).iter().count(), 4);
    }
}

#[test]
fn origin() {
    let rest = "400206 0201 0000fde9  400304 0a000101";
    for (origin, reason) in [
        ("400100", R::OriginLength),
        ("400102 0000", R::OriginLength),
        ("400101 03", R::OriginValue),
        ("400101 ff", R::OriginValue),
        ("c00101 00", R::AttributeFlags),
        ("000101 00", R::AttributeFlags),
    ] {
        assert_eq!(faults_of(&format!("{origin} {rest}"), 0, &asn4()), [(reason, 0, Withdrawn)], "{origin}");
    }
    for (value, origin) in [(0, Origin::Igp), (1, Origin::Egp), (2, Origin::Incomplete)] {
        let message = body("", &format!("4001010{value} {rest}"), ROUTE);
        let mut decoder = Decoder::new();
        let update = decoder.decode(&message, &asn4()).unwrap();
        assert_eq!(update.blocks().next().unwrap().attributes.origin(), Some(origin));
    }
}

#[test]
fn as_path() {
    for (path, session, reason) in [
        // Type 5, type 0, an empty segment, one octet left, a segment that is cut, AS 0.
        ("400206 0501 0000fde9", asn4(), R::AsPathSegmentType),
        ("400206 0001 0000fde9", asn4(), R::AsPathSegmentType),
        ("400208 0201 0000fde9 0200", asn4(), R::AsPathEmptySegment),
        ("400207 0201 0000fde9 02", asn4(), R::AsPathLength),
        ("400206 0202 0000fde9", asn4(), R::AsPathLength),
        ("400204 0201 fde9", asn4(), R::AsPathLength),
        ("40020a 0202 0000fde9 00000000", asn4(), R::AsPathZero),
        ("400206 0101 00000000", asn4(), R::AsPathZero),
        ("400204 0201 0000", asn2(), R::AsPathZero),
        ("400205 0202 fde9 00", asn2(), R::AsPathLength),
        ("c00206 0201 0000fde9", asn4(), R::AttributeFlags),
    ] {
        let attributes = format!("400101 00 400304 0a000101 {path}");
        assert_eq!(faults_of(&attributes, 11, &session), [(reason, 0, Withdrawn)], "{path}");
    }
    for path in ["400200", "400206 0401 0000fde9", "400206 0301 0000fde9", "40020c 0201 0000fde9 0201 0000fdea"] {
        assert_eq!(faults_of(&format!("400101 00 400304 0a000101 {path}"), 0, &asn4()), [], "{path}");
    }
}

#[test]
fn next_hop() {
    for next_hop in ["400303 0a0001", "400305 0a00010101", "400300", "400310 20010db8000000000000000000000001"] {
        let attributes = format!("{MANDATORY_MP} {next_hop}");
        assert_eq!(faults_of(&attributes, 13, &asn4()), [(R::NextHopLength, 0, Withdrawn)]);
    }
    // It is ignored beside MP_REACH_NLRI.
    let reach = attribute("800e", "000201 10 20010db8000000000000000000000001 00 20 20010db8");
    let message = body("", &format!("{reach} {MANDATORY_MP} 400303 0a0001"), "");
    assert_eq!(good(&message, &asn4()), ["+2001:db8::/32"]);
}

#[test]
fn missing_mandatory_attributes() {
    assert_eq!(
        faults_of("", 0, &asn4()),
        [(R::MissingOrigin, 0, Withdrawn), (R::MissingAsPath, 0, Withdrawn), (R::MissingNextHop, 0, Withdrawn)]
    );
    assert_eq!(faults_of(MANDATORY_MP, 0, &asn4()), [(R::MissingNextHop, 0, Withdrawn)]);
    assert_eq!(faults_of("400101 00 400304 0a000101", 0, &asn4()), [(R::MissingAsPath, 0, Withdrawn)]);
    // The next hop of MP_REACH_NLRI is in it.
    let message = body("", &attribute("800e", "000201 10 20010db8000000000000000000000001 00 20 20010db8"), "");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn4()).unwrap();
    let reasons: Vec<_> = update.faults.iter().map(|fault| (fault.reason, fault.code)).collect();
    assert_eq!(reasons, [(R::MissingOrigin, Some(Code::ORIGIN)), (R::MissingAsPath, Some(Code::AS_PATH))]);
    assert_eq!(routes(&update), ["!2001:db8::/32"]);
}

#[test]
fn numbers_and_addresses() {
    for (attribute, reason) in [
        ("800403 000001", R::MedLength),
        ("800400", R::MedLength),
        ("c00404 00000001", R::AttributeFlags),
        ("400505 0000000001", R::LocalPrefLength),
        ("400500", R::LocalPrefLength),
        ("c00504 00000001", R::AttributeFlags),
        ("800903 0a0000", R::OriginatorIdLength),
        ("c00904 0a000001", R::AttributeFlags),
        ("c02303 000001", R::OnlyToCustomerLength),
        ("802304 00000001", R::AttributeFlags),
    ] {
        assert_eq!(faults(attribute, &asn4()), [(reason, 0, Withdrawn)], "{attribute}");
    }
}

#[test]
fn lists() {
    for (attribute, reason) in [
        ("c00803 000001", R::CommunitiesLength),
        ("c00800", R::CommunitiesLength),
        ("800804 fde90064", R::AttributeFlags),
        ("800a05 0a00000100", R::ClusterListLength),
        ("800a00", R::ClusterListLength),
        ("c01007 00020000000000", R::ExtendedCommunitiesLength),
        ("c01000", R::ExtendedCommunitiesLength),
        ("c01915 000220010db8000000000000000000000001fde900", R::Ipv6ExtendedCommunitiesLength),
        ("c01900", R::Ipv6ExtendedCommunitiesLength),
        ("c0200b 0000fde9 00000001 000000", R::LargeCommunitiesLength),
        ("c02000", R::LargeCommunitiesLength),
        ("80200c 0000fde9 00000001 00000002", R::AttributeFlags),
    ] {
        assert_eq!(faults(attribute, &asn4()), [(reason, 0, Withdrawn)], "{attribute}");
    }
}

#[test]
fn aggregation_is_never_a_reason_to_withdraw() {
    for (attribute, session, reason) in [
        ("400601 00", asn4(), R::AtomicAggregateLength),
        ("c00600", asn4(), R::AttributeFlags),
        ("c00706 fde9 0a000001", asn4(), R::AggregatorLength),
        ("c00700", asn4(), R::AggregatorLength),
        ("c00708 00000000 0a000001", asn4(), R::AggregatorZero),
        ("400708 0000fde9 0a000001", asn4(), R::AttributeFlags),
        ("c00708 0000fde9 0a000001", asn2(), R::AggregatorLength),
        ("c00706 0000 0a000001", asn2(), R::AggregatorZero),
    ] {
        assert_eq!(faults(attribute, &session), [(reason, 0, Discarded)], "{attribute}");
    }
}

#[test]
fn as4_attributes() {
    for (attribute, session, reason) in [
        ("c01106 0201 00010000", asn4(), R::As4FromNewSpeaker),
        ("c01208 00010000 0a000001", asn4(), R::As4FromNewSpeaker),
        ("c01100", asn2(), R::As4Path),
        ("c01104 0201 0001", asn2(), R::As4Path),
        ("c01106 0202 00010000", asn2(), R::As4Path),
        ("c01106 0501 00010000", asn2(), R::As4Path),
        ("c01108 0201 00010000 0200", asn2(), R::As4Path),
        ("c01106 0201 00000000", asn2(), R::As4Path),
        ("801106 0201 00010000", asn2(), R::AttributeFlags),
        ("c01206 0001 0a000001", asn2(), R::As4Aggregator),
        ("c01208 00000000 0a000001", asn2(), R::As4Aggregator),
        ("401208 00010000 0a000001", asn2(), R::AttributeFlags),
    ] {
        assert_eq!(faults(attribute, &session), [(reason, 0, Discarded)], "{attribute}");
    }
}

#[test]
fn aigp() {
    for (attribute, reason) in [
        ("801a00", R::Aigp),
        ("801a0a 01000a 00000000000007", R::Aigp),
        ("801a0b 01000c 0000000000000007", R::Aigp),
        ("801a0d 01000b 0000000000000007 0200", R::Aigp),
        ("801a03 020002", R::Aigp),
        ("c01a0b 01000b 0000000000000007", R::AttributeFlags),
    ] {
        assert_eq!(faults(attribute, &asn4()), [(reason, 0, Discarded)], "{attribute}");
    }
    // The first TLV with a metric counts, whatever precedes and follows it.
    let kept = attributes_of("801a19 020003 01000b 8000000000000000 01000b 0000000000000001", &asn4());
    assert_eq!(AttributeSet::new(&kept).aigp(), Some(1 << 63));
    let kept = attributes_of("801a05 0200050000", &asn4());
    assert_eq!(AttributeSet::new(&kept).aigp(), None);
}

#[test]
fn tlvs() {
    let sid = "20010db8000000000000000000000001";
    for (value, reason, outcome) in [
        ("", R::PrefixSid, Discarded),
        ("01", R::PrefixSid, Discarded),
        ("010008 00 0000 00000005", R::PrefixSid, Discarded),
        ("010006 00 0000 000005", R::PrefixSid, Discarded),
        ("030002 0000", R::PrefixSid, Discarded),
        ("030009 0000 000000 00000000", R::PrefixSid, Discarded),
        ("050000", R::Srv6Service, Withdrawn),
        ("050002 00", R::Srv6Service, Withdrawn),
        ("060003 00 0100", R::Srv6Service, Withdrawn),
        // A SID needs 21 octets.
        (&format!("050018 00 010014 00 {sid} 00 0013"), R::Srv6Service, Withdrawn),
        // The TLV after it is cut.
        (&format!("05001c 00 010018 00 {sid} 00 0013 00 0100ff"), R::Srv6Service, Withdrawn),
        // Withdrawal is stronger.
        ("010006 00 0000 000005 050000", R::Srv6Service, Withdrawn),
    ] {
        assert_eq!(faults(&attribute("c028", value), &asn4()), [(reason, 0, outcome)], "{value}");
    }
    for value in [
        "010007 00 0000 00000005",
        "030008 0000 003e80 001f40",
        "ff0000",
        &format!("05001c 00 010018 00 {sid} 00 0013 00 010000"),
        &format!("050019 00 010015 00 {sid} 00 0013 00"),
        "050004 00 ff0000",
    ] {
        assert_eq!(faults(&attribute("c028", value), &asn4()), [], "{value}");
    }
    for (attribute, reason, outcome) in [
        ("c01604 00 06 0000", R::PmsiTunnel, Withdrawn),
        ("c01700", R::TunnelEncapsulation, Withdrawn),
        ("c01703 000800", R::TunnelEncapsulation, Withdrawn),
        ("c01705 0008 0002 04", R::TunnelEncapsulation, Withdrawn),
        ("c01706 0008 0002 0401", R::TunnelEncapsulation, Withdrawn),
        ("c01707 0008 0003 800001", R::TunnelEncapsulation, Withdrawn),
        ("801d03 040200", R::LinkState, Discarded),
        ("801d05 0402 0002 41", R::LinkState, Discarded),
        ("801800", R::EmptyAttribute, Withdrawn),
        ("c01b00", R::EmptyAttribute, Withdrawn),
        ("c08003 0000fd", R::AttrSet, Withdrawn),
        ("c08007 0000fde9 400101", R::AttrSet, Withdrawn),
    ] {
        assert_eq!(faults(attribute, &asn4()), [(reason, 0, outcome)], "{attribute}");
    }
}

#[test]
fn attributes_for_internal_peers() {
    for attribute in ["400504 00000064", "800904 0a000001", "800a04 0a000001", "801a0b 01000b 0000000000000007"] {
        assert_eq!(faults(attribute, &external()), [(R::FromExternalPeer, 0, Discarded)]);
        assert_eq!(faults(attribute, &internal()), []);
        assert_eq!(faults(attribute, &asn4()), []);
    }
    // Also if malformed (RFC 7606 section 7.5).
    assert_eq!(faults("c00504 00000064", &external()), [(R::FromExternalPeer, 0, Discarded)]);
    assert_eq!(faults("400503 000064", &external()), [(R::FromExternalPeer, 0, Discarded)]);
    assert_eq!(faults("400503 000064", &internal()), [(R::LocalPrefLength, 0, Withdrawn)]);
}

#[test]
fn the_first_of_repeated_attributes_counts() {
    let message = body("", &format!("{MANDATORY} 400101 02 400101 03 800404 00000001 800402 0001"), ROUTE);
    let mut decoder = Decoder::new();
    let update = decoder.decode(&message, &asn4()).unwrap();
    let faults: Vec<_> = update.faults.iter().map(|fault| (fault.reason, fault.code, fault.offset)).collect();
    let of = |code, offset| (R::DuplicateAttribute, Some(code), FIRST + offset);
    assert_eq!(faults, [of(Code::ORIGIN, 20), of(Code::MULTI_EXIT_DISC, 35)]);
    let attributes = update.blocks().next().unwrap().attributes;
    assert_eq!((attributes.origin(), attributes.med()), (Some(Origin::Igp), Some(1)));
    // Also if it is malformed.
    assert_eq!(faults_of(&format!("400101 03 {MANDATORY}"), 0, &asn4()).len(), 2);
}

#[test]
fn attributes_that_do_not_fill_their_length() {
    let at = 20;
    for (octets, reason) in [
        ("c0", R::AttributeUnderrun),
        ("c008", R::AttributeUnderrun),
        ("d00800", R::AttributeUnderrun),
        ("c00804 fde900", R::AttributeOverrun),
        ("c008ff fde90064", R::AttributeOverrun),
        ("d0080005 fde90064", R::AttributeOverrun),
        ("40fa01", R::AttributeOverrun),
    ] {
        assert_eq!(faults_of(&format!("{MANDATORY} {octets}"), at, &asn4()), [(reason, 0, Withdrawn)], "{octets}");
    }
}

#[test]
fn all_faults_of_a_message_are_listed() {
    let octets = "400601 00 c00803 000001 c0fa00 c0fa00 400503 000000";
    let expected = [
        (R::AtomicAggregateLength, 0, Discarded),
        (R::CommunitiesLength, 4, Withdrawn),
        (R::DuplicateAttribute, 13, Discarded),
        (R::LocalPrefLength, 16, Withdrawn),
    ];
    assert_eq!(faults(octets, &asn4()), expected);
}
