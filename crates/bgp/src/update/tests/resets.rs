//! Messages that reset the session: reason, offset, and what the NOTIFICATION says.

use super::*;

/// Decodes a message that resets the session: reason, offset, subcode, data.
fn reset(body: &[u8], session: &Session) -> (Reason, usize, u8, Vec<u8>) {
    let error = Decoder::new().decode(body, session).unwrap_err();
    let notification = error.notification(body);
    assert_eq!((notification.error.code, notification.error.subcode), (3, error.subcode()));
    assert_eq!(notification.data(), error.data(body));
    (error.reason, error.offset, error.subcode(), error.data(body).to_vec())
}

#[test]
fn lengths_that_exceed_the_message() {
    for (octets, reason, offset) in [
        ("", Reason::Truncated, 19),
        ("00", Reason::Truncated, 19),
        ("0000", Reason::WithdrawnRoutesLength, 19),
        ("0002 0000", Reason::WithdrawnRoutesLength, 19),
        ("0003 0000", Reason::WithdrawnRoutesLength, 19),
        ("0000 0001", Reason::TotalAttributeLength, 21),
        ("0001 00 0004 400101", Reason::TotalAttributeLength, 22),
    ] {
        assert_eq!(reset(&hex(octets), &asn4()), (reason, offset, 1, vec![]), "{octets}");
    }
}

#[test]
fn prefixes_that_are_too_long_or_exceed_their_field() {
    for (withdrawn, announced, reason, offset) in [
        ("21 0102030405", "", Reason::PrefixLength, 21),
        ("08 0a 21 0102030405", "", Reason::PrefixLength, 23),
        ("18 0102", "", Reason::NlriTruncated, 22),
        ("", "ff", Reason::PrefixLength, FIRST + 20),
        ("", "00 20 010203", Reason::NlriTruncated, FIRST + 22),
    ] {
        let attributes = if announced.is_empty() { "" } else { MANDATORY };
        assert_eq!(reset(&body(withdrawn, attributes, announced), &asn4()), (reason, offset, 10, vec![]));
    }
}

#[test]
fn a_path_identifier_that_is_cut() {
    let session = Session { add_path: [(Afi::IPV4, Safi::UNICAST)].into_iter().collect(), ..asn4() };
    let message = body("", MANDATORY, "00000001 08 0a 000000");
    assert_eq!(reset(&message, &session), (Reason::NlriTruncated, FIRST + 26, 10, vec![]));
}

#[test]
fn malformed_mp_reach_nlri() {
    let vpn_v4 = "000180 0c 0000000000000000 0a000001 00";
    for (value, reason, offset) in [
        ("0001 01 00", Reason::MultiprotocolLength, 0),
        ("0001 01", Reason::MultiprotocolLength, 0),
        ("", Reason::MultiprotocolLength, 0),
        ("0001 01 05 0a000001", Reason::MultiprotocolNextHop, 6),
        ("0001 01 04 0a000001", Reason::MultiprotocolNextHop, 6),
        ("0001 01 03 0a0000 00 18c00002", Reason::MultiprotocolNextHop, 6),
        ("0001 01 0c 0000000000000000 0a000001 00 18c00002", Reason::MultiprotocolNextHop, 6),
        ("0002 01 00 00 00", Reason::MultiprotocolNextHop, 6),
        ("0001 01 04 0a000001 00 21 0000000000", Reason::PrefixLength, 12),
        ("0001 01 04 0a000001 00 18 c000", Reason::NlriTruncated, 13),
        ("0002 01 04 0a000001 00 81", Reason::PrefixLength, 12),
        // A label needs 24 bits.
        ("0001 04 04 0a000001 00 10 0001", Reason::NlriLength, 12),
        ("0001 04 04 0a000001 00 39 000101 0102030405", Reason::PrefixLength, 12),
        (&format!("{vpn_v4} 50 000641 00000000000000"), Reason::NlriLength, 20),
        (&format!("{vpn_v4} 79 000641 0000000000000000 0000000000"), Reason::PrefixLength, 20),
        (&format!("{vpn_v4} 78 000641 0000000000000000 000000"), Reason::NlriTruncated, 21),
        ("0001 81 04 0a000001 00 3f 0000000000000000", Reason::NlriLength, 12),
        ("0019 46 04 0a000001 00 01", Reason::NlriTruncated, 12),
        ("0019 46 04 0a000001 00 0102 00", Reason::NlriTruncated, 12),
        ("4004 47 04 0a000001 00 000100", Reason::NlriTruncated, 12),
        ("0001 84 04 0a000001 00 61 00000000000000000000000000", Reason::PrefixLength, 12),
        ("0001 85 00 00 f1", Reason::NlriTruncated, 9),
    ] {
        let mp = attribute("800e", value);
        let message = body("", &format!("{mp} {MANDATORY_MP}"), "");
        assert_eq!(reset(&message, &asn4()), (reason, FIRST + offset, 9, hex(&mp)), "{value}");
    }
}

#[test]
fn a_stack_of_labels_without_end() {
    let multiple_labels = [(Afi::IPV4, Safi::LABELED_UNICAST)].into_iter().collect();
    let session = Session { multiple_labels, ..asn4() };
    for nlri in ["30 000100 000110", "30 000100 000110 000111"] {
        let mp = attribute("800e", &format!("000104 04 0a000001 00 {nlri}"));
        let message = body("", &format!("{mp} {MANDATORY_MP}"), "");
        assert_eq!(reset(&message, &session).0, Reason::NlriLength);
    }
}

#[test]
fn malformed_mp_unreach_nlri() {
    for (value, reason, offset) in [
        ("0001", Reason::MultiprotocolLength, 0),
        ("0001 01 21", Reason::PrefixLength, 6),
        ("0001 80 57 800000 0000000000000000", Reason::NlriLength, 6),
        ("0002 01 40 20010db8", Reason::NlriTruncated, 7),
    ] {
        let mp = attribute("800f", value);
        assert_eq!(reset(&body("", &mp, ""), &asn4()), (reason, FIRST + offset, 9, hex(&mp)), "{value}");
    }
}

#[test]
fn multiprotocol_attributes_with_wrong_flags_twice_or_cut() {
    for flags in ["40", "c0", "00"] {
        let mp = attribute(&format!("{flags}0f"), "000201");
        assert_eq!(reset(&body("", &mp, ""), &asn4()), (Reason::MultiprotocolFlags, FIRST, 4, hex(&mp)));
    }
    let mp = attribute("800f", "000201");
    let twice = body("", &format!("{mp} {mp}"), "");
    assert_eq!(reset(&twice, &asn4()), (Reason::DuplicateMultiprotocol, FIRST + 6, 1, vec![]));
    let mp = attribute("800e", "000101 04 0a000001 00 00");
    let twice = body("", &format!("{mp} {mp} {MANDATORY_MP}"), "");
    assert_eq!(reset(&twice, &asn4()), (Reason::DuplicateMultiprotocol, FIRST + 13, 1, vec![]));
    // Whose routes cannot be found (RFC 7606 section 3 j).
    assert_eq!(reset(&body("", "800f04 000201", ""), &asn4()), (Reason::AttributeOverrun, FIRST, 1, vec![]));
}

#[test]
fn an_unknown_well_known_attribute() {
    for flags in ["40", "00", "60"] {
        let message = body("", &format!("{MANDATORY} {flags}fa02 abcd"), ROUTE);
        let expected = (Reason::UnrecognizedWellKnown, FIRST + 20, 2, hex(&format!("{flags}fa02 abcd")));
        assert_eq!(reset(&message, &asn4()), expected);
    }
}

#[test]
fn treat_as_withdraw_without_announced_routes() {
    // RFC 7606 section 5.2: routes may have been missed.
    for (withdrawn, attributes, reason, offset, subcode, data) in [
        (ROUTE, "400101 03", Reason::OriginValue, FIRST + 4, 6, "400101 03"),
        ("", "400101 03", Reason::OriginValue, FIRST, 6, "400101 03"),
        ("", "800f03 000201 800403 000001", Reason::MedLength, FIRST + 6, 5, "800403 000001"),
        ("", "800f03 000201 c0", Reason::AttributeUnderrun, FIRST + 6, 1, ""),
        ("", "400102 00", Reason::AttributeOverrun, FIRST, 1, ""),
        ("", "400201 00", Reason::AsPathLength, FIRST, 11, ""),
        ("", "c00801 00", Reason::CommunitiesLength, FIRST, 9, "c00801 00"),
        ("", "c00101 00", Reason::AttributeFlags, FIRST, 4, "c00101 00"),
    ] {
        let message = body(withdrawn, attributes, "");
        assert_eq!(reset(&message, &asn4()), (reason, offset, subcode, hex(data)), "{attributes}");
    }
    // Discarded attributes do not matter.
    let message = body(ROUTE, "400601 00", "");
    assert_eq!(routes(&Decoder::new().decode(&message, &asn4()).unwrap()), ["-192.0.2.0/24"]);
}

#[test]
fn a_reset_is_stronger_than_treat_as_withdraw() {
    let message = body("", &format!("400101 03 800f02 0001 {MANDATORY}"), ROUTE);
    assert_eq!(reset(&message, &asn4()).0, Reason::MultiprotocolLength);
    let message = body("", "400101 03", "ff");
    assert_eq!(reset(&message, &asn4()).0, Reason::PrefixLength);
}

#[test]
fn the_data_of_a_notification_fits_a_message() {
    let octets = format!("000101 00{}", "00".repeat(4996));
    let message = body("", &format!("90 0e 1388 {octets}"), "");
    let error = Decoder::new().decode(&message, &asn4()).unwrap_err();
    assert_eq!((error.data(&message).len(), error.notification(&message).data().len()), (5004, 4096 - 21));
    assert_eq!(
        error.to_string(),
        "the length of the next hop is not one of the family at offset 30, attribute MP_REACH_NLRI"
    );
}
