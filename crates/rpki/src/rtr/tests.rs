use super::*;
use crate::vrps::tests::any_vrp;
use proptest::prelude::*;
use wire::Afi;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn vrp(prefix: &str, max: u8, asn: u32) -> Vrp {
    Vrp::new(prefix.parse().unwrap(), max, Asn(asn)).unwrap()
}

fn written(version: Version, pdu: &Pdu<'_>) -> Vec<u8> {
    let mut w = Writer::new();
    pdu.write(version, &mut w);
    w.finish()
}

#[test]
fn every_pdu_has_its_octets() {
    use Version::{V0, V1, V2};
    let intervals = Intervals { refresh: 3600, retry: 600, expire: 7200 };
    let providers = octets("0000fde9 0000fdea");
    let aspa =
        |announce, family, providers| Pdu::Aspa(Aspa { announce, family, customer: Asn(65_000), providers });
    for (version, pdu, hex) in [
        (V1, Pdu::SerialNotify { session: 77, serial: 6 }, "01 00 004d 0000000c 00000006"),
        (V0, Pdu::SerialQuery { session: 77, serial: 5 }, "00 01 004d 0000000c 00000005"),
        (V2, Pdu::ResetQuery, "02 02 0000 00000008"),
        (V0, Pdu::CacheResponse { session: 0x1234 }, "00 03 1234 00000008"),
        (
            V0,
            Pdu::Prefix { announce: true, vrp: vrp("10.20.0.0/16", 24, 65_020) },
            "00 04 0000 00000014 01 10 18 00 0a140000 0000fdfc",
        ),
        (
            V1,
            Pdu::Prefix { announce: false, vrp: vrp("2001:db8::/32", 48, 4_200_000_001) },
            "01 06 0000 00000020 00 20 30 00 20010db8 00000000 00000000 00000000 fa56ea01",
        ),
        (V0, Pdu::EndOfData { session: 77, serial: 5, intervals: None }, "00 07 004d 0000000c 00000005"),
        (
            V1,
            Pdu::EndOfData { session: 77, serial: 5, intervals: Some(intervals) },
            "01 07 004d 00000018 00000005 00000e10 00000258 00001c20",
        ),
        (V1, Pdu::CacheReset, "01 08 0000 00000008"),
        (
            V1,
            Pdu::RouterKey { announce: true, identifier: [7; 20], asn: Asn(65_001), key: &[1, 2, 3] },
            "01 09 0100 00000023 0707070707070707070707070707070707070707 0000fde9 010203",
        ),
        (
            V1,
            Pdu::ErrorReport { code: ErrorCode::CORRUPT_DATA, pdu: &[1, 2], text: b"no" },
            "01 0a 0000 00000014 00000002 0102 00000002 6e6f",
        ),
        (V2, aspa(true, None, Providers::new(&providers)), "02 0b 0100 00000014 0000fde8 0000fde9 0000fdea"),
        (V2, aspa(false, None, Providers::default()), "02 0b 0000 0000000c 0000fde8"),
        (
            V2,
            aspa(true, Some(Afi::IPV6), Providers::new(&providers)),
            "02 0b 0000 00000018 01 01 0002 0000fde8 0000fde9 0000fdea",
        ),
        (V2, aspa(false, Some(Afi::IPV4), Providers::default()), "02 0b 0000 00000010 00 00 0000 0000fde8"),
    ] {
        let expected = octets(hex);
        assert_eq!(written(version, &pdu), expected, "{pdu:?}");
        assert_eq!(Pdu::read(&expected), Ok(Some((version, pdu, expected.len()))), "{pdu:?}");
    }
}

#[test]
fn each_kind_of_malformed_pdu_has_its_error() {
    let length = |kind, length| PduError::Length { kind: PduType(kind), length };
    for (hex, error, code) in [
        ("03 02 0000 00000008", PduError::Version(3), ErrorCode::UNSUPPORTED_VERSION),
        ("01 05 0000 00000008", PduError::Type(PduType(5)), ErrorCode::UNSUPPORTED_PDU_TYPE),
        // These types are newer than the version.
        ("00 09 0100 00000020", PduError::Type(PduType::ROUTER_KEY), ErrorCode::UNSUPPORTED_PDU_TYPE),
        ("01 0b 0100 00000010", PduError::Type(PduType::ASPA), ErrorCode::UNSUPPORTED_PDU_TYPE),
        ("00 03 0000 00000007", length(3, 7), ErrorCode::CORRUPT_DATA),
        ("00 03 0000 00000009", length(3, 9), ErrorCode::CORRUPT_DATA),
        ("00 07 0000 00000018", length(7, 24), ErrorCode::CORRUPT_DATA),
        ("01 07 0000 0000000c", length(7, 12), ErrorCode::CORRUPT_DATA),
        ("00 04 0000 00000020", length(4, 32), ErrorCode::CORRUPT_DATA),
        ("01 09 0100 0000001f", length(9, 31), ErrorCode::CORRUPT_DATA),
        // Reported before gigabytes arrive.
        ("01 0a 0000 ffffffff", length(10, u32::MAX), ErrorCode::CORRUPT_DATA),
        ("02 0b 0100 00040010", length(11, 262_160), ErrorCode::CORRUPT_DATA),
        // Lengths inside.
        ("00 0a 0000 00000010 00000001 00000000", length(10, 16), ErrorCode::CORRUPT_DATA),
        ("00 0a 0000 00000010 ffffffff ffffffff", length(10, 16), ErrorCode::CORRUPT_DATA),
        ("00 0a 0000 00000012 00000000 00000001 61 62", length(10, 18), ErrorCode::CORRUPT_DATA),
        ("02 0b 0100 00000011 0000fde8 00000001 00", length(11, 17), ErrorCode::CORRUPT_DATA),
        ("02 0b 0000 00000014 01 00 0002 0000fde8 00000001", length(11, 20), ErrorCode::CORRUPT_DATA),
        (
            "00 04 0000 00000014 01 21 21 00 0a140000 0000fdfc",
            PduError::PrefixLength { length: 33, max_length: 33 },
            ErrorCode::CORRUPT_DATA,
        ),
        (
            "00 04 0000 00000014 01 10 0f 00 0a140000 0000fdfc",
            PduError::PrefixLength { length: 16, max_length: 15 },
            ErrorCode::CORRUPT_DATA,
        ),
        // No provider; AS 0 among others; not ascending.
        ("02 0b 0100 0000000c 0000fde8", PduError::Providers, ErrorCode::ASPA_PROVIDER_LIST),
        ("02 0b 0100 00000014 0000fde8 00000000 00000001", PduError::Providers, ErrorCode::ASPA_PROVIDER_LIST),
        ("02 0b 0100 00000014 0000fde8 00000001 00000001", PduError::Providers, ErrorCode::ASPA_PROVIDER_LIST),
    ] {
        assert_eq!(Pdu::read(&octets(hex)), Err(error), "{hex}");
        assert_eq!(error.code(), code, "{hex}");
    }
}

#[test]
fn as_0_alone_is_a_provider_list() {
    let pdu = octets("02 0b 0100 00000010 0000fde8 00000000");
    let Ok(Some((_, Pdu::Aspa(aspa), 16))) = Pdu::read(&pdu) else { panic!("{:?}", Pdu::read(&pdu)) };
    assert_eq!(aspa.providers.iter().collect::<Vec<_>>(), [Asn(0)]);
}

#[test]
fn codes_and_versions_have_names() {
    assert_eq!(
        (ErrorCode(6).to_string(), ErrorCode(99).to_string()),
        ("withdrawal of unknown record".into(), "error 99".into())
    );
    assert_eq!(Version::V2.previous().and_then(Version::previous), Some(Version::V0));
    assert_eq!((0..=255).filter_map(Version::of_number).map(Version::number).collect::<Vec<_>>(), [0, 1, 2]);
}

/// A PDU as octets and its version, of the types that the version has.
fn any_pdu() -> impl Strategy<Value = (Version, Vec<u8>)> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let provider_list = prop::collection::btree_set(1u32.., 1..20);
    (0u8..=2, 0u8..11, any::<(u16, u32, bool, bool)>(), any_vrp(), bytes(), bytes(), provider_list).prop_map(
        |(version, kind, (session, serial, announce, old), vrp, some, more, providers)| {
            let version = Version::of_number(version).unwrap();
            let providers: Vec<u8> = providers.iter().flat_map(|asn| asn.to_be_bytes()).collect();
            let is_empty = !announce && !old;
            let pdu = match kind {
                0 => Pdu::SerialNotify { session, serial },
                1 => Pdu::SerialQuery { session, serial },
                2 => Pdu::ResetQuery,
                3 => Pdu::CacheResponse { session },
                4 | 5 => Pdu::Prefix { announce, vrp },
                6 => Pdu::EndOfData {
                    session,
                    serial,
                    intervals: (version != Version::V0).then_some(Intervals {
                        refresh: serial,
                        retry: 1,
                        expire: serial,
                    }),
                },
                7 => Pdu::CacheReset,
                8 if version >= Version::V1 => {
                    Pdu::RouterKey { announce, identifier: [kind; 20], asn: Asn(serial), key: &some }
                }
                9 if version >= Version::V2 => Pdu::Aspa(Aspa {
                    announce,
                    family: old.then_some(Afi::IPV4),
                    customer: Asn(serial),
                    providers: Providers::new(if is_empty { &[] } else { &providers }),
                }),
                _ => Pdu::ErrorReport { code: ErrorCode(session), pdu: &some, text: &more },
            };
            (version, written(version, &pdu))
        },
    )
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_it_was((version, octets) in any_pdu(), behind in any::<u8>()) {
        let mut with_more = octets.clone();
        with_more.push(behind);
        let read = Pdu::read(&with_more);
        prop_assert!(matches!(read, Ok(Some(_))), "{:?} {:?}", read, octets);
        if let Ok(Some((read_version, pdu, length))) = read {
            prop_assert_eq!((read_version, length), (version, octets.len()));
            prop_assert_eq!(written(version, &pdu), octets);
        }
    }

    #[test]
    fn any_cut_of_a_pdu_needs_more_octets((_, octets) in any_pdu()) {
        for end in 0..octets.len() {
            prop_assert_eq!(Pdu::read(&octets[..end]), Ok(None));
        }
    }

    #[test]
    fn any_octets_are_a_pdu_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..64), version in 0u8..3, kind in 0u8..13) {
        let mut octets = octets;
        if let [first, second, _, _, a, b, ..] = &mut octets[..] {
            (*first, *second, *a, *b) = (version, kind, 0, 0);
        }
        if let Ok(Some((_, _, length))) = Pdu::read(&octets) {
            prop_assert!((HEADER..=octets.len()).contains(&length));
        }
    }
}
