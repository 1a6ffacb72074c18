use super::*;
use crate::capability;
use proptest::prelude::*;
use wire::{Afi, Safi};

const IDENTIFIER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

/// The body of an OPEN of AS 65001 with a hold time of 90 s.
fn body(parameters: &[u8]) -> Vec<u8> {
    let mut body = vec![4, 0xfd, 0xe9, 0, 90, 10, 0, 1, 1, u8::try_from(parameters.len()).unwrap()];
    body.extend_from_slice(parameters);
    body
}

#[test]
fn an_open_without_parameters_has_an_as_number_of_two_octets() {
    let octets = body(&[]);
    let open = Open::decode(&octets).unwrap();
    assert_eq!((open.asn, open.asn4, open.hold_time, open.identifier), (Asn(65_001), false, 90, IDENTIFIER));
    assert_eq!(open.capabilities().count(), 0);
}

#[test]
fn capabilities_of_all_parameters_are_read_and_other_parameters_are_passed_over() {
    let octets =
        body(&[2, 6, 1, 4, 0, 1, 0, 1, 1, 3, b'a', b'b', b'c', 2, 0, 2, 8, 65, 4, 0, 0, 0xfd, 0xe9, 2, 0]);
    let open = Open::decode(&octets).unwrap();
    let codes: Vec<_> = open.capabilities().map(|tlv| tlv.code).collect();
    assert_eq!(codes, [Code::MULTIPROTOCOL, Code::FOUR_OCTET_AS, Code::ROUTE_REFRESH]);
    let parameters: Vec<_> =
        open.parameters().map(|parameter| (parameter.kind, parameter.value().len())).collect();
    assert_eq!(parameters, [(2, 6), (1, 3), (2, 0), (2, 8)]);
    assert!(open.asn4);
}

#[test]
fn extended_lengths_are_read() {
    let mut octets = body(&[]);
    octets[9] = 255;
    octets.extend_from_slice(&[255, 0, 9, 2, 0, 6, 65, 4, 0, 0, 0xfd, 0xe9]);
    assert!(Open::decode(&octets).unwrap().asn4);
    // Any length but 0 announces them.
    octets[9] = 12;
    assert!(Open::decode(&octets).unwrap().asn4);
    octets[12] = 10;
    assert!(matches!(Open::decode(&octets), Err(OpenError::Truncated(_))));
}

#[test]
fn an_open_that_another_speaker_accepted_may_have_any_values() {
    let octets = [4, 0, 0, 0, 1, 0, 0, 0, 0, 8, 2, 6, 65, 4, 0, 0, 0, 0];
    assert_eq!(Open::decode(&octets).unwrap_err(), OpenError::ZeroAs);
    let open = Open::decode_observed(&octets).unwrap();
    assert_eq!((open.asn, open.asn4, open.hold_time), (Asn(0), true, 1));
    assert_eq!(Open::decode_observed(&[3]).unwrap_err(), OpenError::Version(3));
    assert!(matches!(Open::decode_observed(&octets[..17]), Err(OpenError::Truncated(_))));
}

#[test]
fn structures_that_are_cut_or_too_long_are_errors() {
    // The length of the parameters passes the end.
    let mut octets = body(&[2, 6, 65, 4, 0, 0, 0xfd, 0xe9]);
    octets[9] = 200;
    assert_eq!(Open::decode(&octets).unwrap_err(), Truncated { at: 10, wanted: 200, left: 8 }.into());
    // It ends before the parameters do.
    octets[9] = 2;
    assert_eq!(Open::decode(&octets).unwrap_err(), OpenError::Trailing { octets: 6 });
    // A parameter passes the parameters.
    let octets = body(&[2, 7, 65, 4, 0, 0, 0xfd, 0xe9]);
    assert_eq!(Open::decode(&octets).unwrap_err(), Truncated { at: 12, wanted: 7, left: 6 }.into());
    // A capability passes its parameter.
    let octets = body(&[2, 6, 65, 40, 0, 0, 0xfd, 0xe9]);
    assert_eq!(Open::decode(&octets).unwrap_err(), Truncated { at: 14, wanted: 40, left: 4 }.into());
    // One octet is no parameter, nor a capability.
    assert_eq!(Open::decode(&body(&[2])).unwrap_err(), Truncated { at: 11, wanted: 1, left: 0 }.into());
    assert_eq!(Open::decode(&body(&[2, 1, 2])).unwrap_err(), Truncated { at: 13, wanted: 1, left: 0 }.into());
    let octets = body(&[]);
    for cut in 0..octets.len() {
        assert!(matches!(Open::decode(&octets[..cut]), Err(OpenError::Truncated(_))), "{cut}");
    }
    assert_eq!(OpenError::Trailing { octets: 1 }.notification(), Notification::new(ErrorCode::OPEN, &[]));
}

#[test]
fn each_field_has_its_error() {
    let good = body(&[2, 6, 65, 4, 0, 0, 0xfd, 0xe9]);
    assert!(Open::decode(&good).is_ok());
    for (at, value, expected, subcode, data) in [
        (0, &[3][..], OpenError::Version(3), 1, &[0, 4][..]),
        (1, &[0, 0], OpenError::ZeroAs, 2, &[]),
        (14, &[0, 0, 0, 0], OpenError::ZeroAs, 2, &[]),
        (16, &[0xfd, 0xea], OpenError::AsMismatch { field: 65_001, capability: Asn(65_002) }, 2, &[]),
        (5, &[0, 0, 0, 0], OpenError::ZeroIdentifier, 3, &[]),
        (3, &[0, 1], OpenError::HoldTime(1), 6, &[]),
        (3, &[0, 2], OpenError::HoldTime(2), 6, &[]),
    ] {
        let mut octets = good.clone();
        octets[at..at + value.len()].copy_from_slice(value);
        let error = Open::decode(&octets).unwrap_err();
        assert_eq!(error, expected);
        assert_eq!(error.notification(), Notification::new(ErrorCode { code: 2, subcode }, data), "{error}");
    }
    for hold_time in [0, 3] {
        let mut octets = good.clone();
        octets[4] = hold_time;
        assert_eq!(Open::decode(&octets).unwrap().hold_time, hold_time.into());
    }
}

#[test]
fn as_trans_needs_a_number_of_four_octets() {
    let mut octets = body(&[2, 6, 65, 4, 0xfa, 0x56, 0xea, 1]);
    octets[1..3].copy_from_slice(&[0x5b, 0xa0]);
    assert_eq!(Open::decode(&octets).unwrap().asn, Asn(4_200_000_001));
    octets[9] = 0;
    assert_eq!(Open::decode(&octets[..10]).unwrap_err(), OpenError::TransAs);
}

#[test]
fn the_capability_of_four_octet_numbers_must_be_whole_and_unambiguous() {
    let octets = body(&[2, 5, 65, 3, 0, 0xfd, 0xe9]);
    assert_eq!(Open::decode(&octets).unwrap_err(), OpenError::FourOctetAs { len: 3 });
    let mut octets = body(&[2, 12, 65, 4, 0, 0, 0xfd, 0xe9, 65, 4, 0, 0, 0xfd, 0xe9]);
    assert!(Open::decode(&octets).is_ok());
    octets[21] = 0xea;
    assert!(matches!(Open::decode(&octets), Err(OpenError::AsMismatch { .. })));
}

#[test]
fn many_capabilities_are_written_with_extended_lengths() {
    for (families, extended) in [(1, false), (41, false), (43, true), (500, true)] {
        let mut builder = Builder::new(Asn(65_001), 180, IDENTIFIER);
        builder.capabilities(|_| {});
        builder.capabilities(|w| {
            (0..families).for_each(|safi| capability::write_multiprotocol(w, Afi(safi), Safi(1)))
        });
        let message = builder.finish().unwrap();
        assert_eq!(message[message::HEADER_LEN + 10] == 255, extended);
        let open = Open::decode(&message[message::HEADER_LEN..]).unwrap();
        assert_eq!(open.capabilities().count(), usize::from(families));
    }
    let mut builder = Builder::new(Asn(65_001), 180, IDENTIFIER);
    builder.capabilities(|w| (0..700).for_each(|afi| capability::write_multiprotocol(w, Afi(afi), Safi(1))));
    assert!(builder.finish().is_err());
}

proptest! {
    #[test]
    fn round_trips(
        asn in 1..=u32::MAX,
        hold_time in prop_oneof![Just(0u16), 3..=u16::MAX],
        identifier in 1..=u32::MAX,
        values in proptest::collection::vec(proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..5), 0..8),
    ) {
        let mut builder = Builder::new(Asn(asn), hold_time, identifier.into());
        builder.capabilities(|w| capability::write_four_octet_as(w, Asn(asn)));
        let mut expected = vec![(Code::FOUR_OCTET_AS, asn.to_be_bytes().to_vec())];
        for parameter in &values {
            let tlvs = parameter.iter().filter(|(code, _)| *code != Code::FOUR_OCTET_AS.0);
            builder.capabilities(|w| tlvs.clone().for_each(|(code, value)| capability::write(w, Code(*code), |w| _ = w.put(value)).unwrap()));
            expected.extend(tlvs.map(|(code, value)| (Code(*code), value.clone())));
        }
        let message = builder.finish().unwrap();
        prop_assert_eq!(message::length(&message, false), Ok(Some(message.len())));
        let open = Open::decode(&message[message::HEADER_LEN..]).unwrap();
        prop_assert_eq!((open.asn, open.hold_time, open.identifier), (Asn(asn), hold_time, identifier.into()));
        let read: Vec<_> = open.capabilities().map(|tlv| (tlv.code, tlv.value.to_vec())).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_octets_are_an_open_or_an_error(octets in proptest::collection::vec(prop_oneof![Just(2u8), Just(4u8), Just(255u8), 0u8..12, any::<u8>()], 0..80)) {
        if let Ok(open) = Open::decode(&octets) {
            prop_assert!(open.asn.0 != 0 && open.capabilities().count() <= octets.len());
            open.capabilities().for_each(|tlv| _ = tlv.capability());
        }
    }
}
