use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read_with(octets: &[u8], sids: &Sids) -> Result<String, Invalid> {
    let mut out = Vec::new();
    append(octets, sids, 1 << 20, &mut out).map(|()| String::from_utf8(out).unwrap())
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn read(hex: &str) -> Result<String, (usize, InvalidKind)> {
    read_with(&octets(hex), &Sids::default()).map_err(|Invalid { at, kind }| (at, kind))
}

/// Examples of RFC 8949, appendix A.
#[test]
fn values_of_the_rfc_are_decoded() {
    for (hex, expected) in [
        ("00", "0"),
        ("1818", "24"),
        ("1b000000e8d4a51000", "1000000000000"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("3903e7", "-1000"),
        ("c249010000000000000000", "\"AQAAAAAAAAAA\""),
        ("c349010000000000000000", "\"~AQAAAAAAAAAA\""),
        ("f90000", "0.0"),
        ("f93c00", "1.0"),
        ("f9c400", "-4.0"),
        ("f90001", "5.960464477539063e-8"),
        ("f97bff", "65504.0"),
        ("fa47c35000", "100000.0"),
        ("fb7e37e43c8800759c", "1e300"),
        ("fb3ff199999999999a", "1.1"),
        ("f97c00", "null"),
        ("fb7ff8000000000000", "null"),
        ("f4", "false"),
        ("f5", "true"),
        ("f6", "[null]"),
        ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", "\"http://www.example.com\""),
        ("4401020304", "\"AQIDBA==\""),
        ("62c3bc", "\"ü\""),
        ("62225c", r#""\"\\""#),
        ("83010203", "[1,2,3]"),
        ("a26161016162820203", r#"{"a":1,"b":[2,3]}"#),
        ("5f42010243030405ff", "\"AQIDBAU=\""),
        ("7f657374726561646d696e67ff", "\"streaming\""),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("bf61610161629f0203ffff", r#"{"a":1,"b":[2,3]}"#),
        // RFC 9254 section 6.3: 2.57 as decimal64.
        ("c482211901 01", "\"2.57\""),
        ("c4822118 09", "\"0.09\""),
        ("c4822138 09", "\"-0.10\""),
    ] {
        assert_eq!(read(hex).as_deref(), Ok(expected), "{hex}");
    }
}

#[test]
fn errors_tell_where_they_are() {
    for (hex, at, kind) in [
        ("", 0, InvalidKind::Truncated),
        ("19", 1, InvalidKind::Truncated),
        ("6261", 1, InvalidKind::Truncated),
        ("8201", 2, InvalidKind::Truncated),
        ("9bffffffffffffffff", 9, InvalidKind::Truncated),
        ("9f01", 2, InvalidKind::Truncated),
        ("0000", 1, InvalidKind::Trailing),
        ("1c", 0, InvalidKind::Malformed),
        ("1f", 0, InvalidKind::Malformed),
        ("ff", 0, InvalidKind::Malformed),
        ("5f6161ff", 1, InvalidKind::Malformed),
        ("62c328", 1, InvalidKind::Utf8),
        ("a1f501", 1, InvalidKind::Unsupported),
        ("a12001", 1, InvalidKind::Unsupported),
        ("f7", 1, InvalidKind::Unsupported),
    ] {
        assert_eq!(read(hex), Err((at, kind)), "{hex}");
    }
    let nested = |depth: usize| ["81".repeat(depth), "00".to_owned()].concat();
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)).unwrap_err().1, InvalidKind::TooDeep);
    assert_eq!(read(&["a16161".repeat(MAX_DEPTH), "a0".to_owned()].concat()).unwrap_err().1, InvalidKind::TooDeep);
    assert_eq!(read(&"d8".repeat(100_000)).unwrap_err().1, InvalidKind::TooDeep);
}

fn sids() -> Sids {
    let file = json!({"ietf-sid-file:sid-file": {
        "module-name": "example-clock",
        "item": [
            {"namespace": "module", "identifier": "example-clock", "sid": "1000"},
            {"namespace": "data", "identifier": "/example-clock:system", "sid": "1010"},
            {"namespace": "data", "identifier": "/example-clock:system/clock", "sid": "1011"},
            {"namespace": "data", "identifier": "/example-clock:system/clock/now", "sid": "1012"},
            {"namespace": "data", "identifier": "/example-clock:system/other:extra", "sid": 1005},
            {"namespace": "identity", "identifier": "utc", "sid": "1001"},
        ],
    }});
    let mut sids = Sids::default();
    assert_eq!(sids.add_file(file.to_string().as_bytes()).unwrap(), 6);
    sids
}

#[test]
fn sids_are_differences_to_the_parent_and_become_names() {
    let read = |hex: &str| read_with(&octets(hex), &sids()).unwrap();
    // {1010: {1: {1: "t"}, -5: 47(... 45(1001))}}
    let map = "a1 1903f2 a2 01 a1 01 6174 24 d82d 1903e9";
    assert_eq!(read(map), r#"{"example-clock:system":{"clock":{"now":"t"},"other:extra":"example-clock:utc"}}"#);
    // Entries of a list share the parent; tag 47 makes a SID absolute; an unknown SID is a number.
    assert_eq!(
        read("a1 1903f2 82 a1 01 00 a1 d82f 1903f4 00"),
        r#"{"example-clock:system":[{"clock":0},{"now":0}]}"#
    );
    assert_eq!(read("a1 1903f2 a1 1864 00"), r#"{"example-clock:system":{"1110":0}}"#);
    // Below a name there is no parent with a SID.
    assert_eq!(read("a1 6161 a1 1903f3 00"), r#"{"a":{"example-clock:clock":0}}"#);
    assert_eq!(read("d82e 1903f4"), "\"/example-clock:system/clock/now\"");
    assert_eq!(read("d82f 01"), "\"1\"");
}

/// Encodes JSON as CBOR with text keys.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, major: u8, argument: u64| {
        out.push(major << 5 | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    };
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(0xf4 + u8::from(*value)),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(out, UNSIGNED, number),
            (_, Some(number)) => head(out, NEGATIVE, (-1 - number) as u64),
            _ => {
                out.push(0xfb);
                out.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(out, TEXT, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(list) => {
            head(out, ARRAY, list.len() as u64);
            list.iter().for_each(|value| encode(value, out));
        }
        Value::Object(map) => {
            out.push(MAP << 5 | 31);
            for (name, value) in map {
                encode(&Value::from(name.clone()), out);
                encode(value, out);
            }
            out.push(BREAK);
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 64.0)),
        "(\\PC|[\\x00-\\x1f]){0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,10}", inner), 0..5)
                .prop_map(|list| Value::Object(list.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_and_no_part_of_it_is(value in value(), cut in any::<prop::sample::Index>()) {
        let mut octets = Vec::new();
        encode(&value, &mut octets);
        let text = read_with(&octets, &Sids::default()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        prop_assert!(read_with(&octets[..cut.index(octets.len())], &Sids::default()).is_err());
    }

    #[test]
    fn any_octets_give_valid_json_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(text) = read_with(&octets, &sids()) {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
            prop_assert!(!text.contains('\n'));
        }
    }
}
