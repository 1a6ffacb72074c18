//! Reads back databases that the tests write.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use geoip::{Database, Enricher, Error, Location};
use std::net::IpAddr;
use testkit::mmdb::{self, Record, Value, Writer};

const RECORDS: [Record; 3] = [
    Record { network: ("192.0.2.0", 24), country: "NL", pocode: "1012", location: (52.37, 4.89) },
    Record { network: ("198.51.100.0", 25), country: "JP", pocode: "", location: (0.0, 0.0) },
    Record { network: ("2001:db8:1::", 48), country: "BR", pocode: "01310-100", location: (-23.55, -46.63) },
];

fn database() -> Database {
    Database::from_bytes(mmdb::city(&RECORDS)).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn location(country: &str, pocode: &str, latitude: f64, longitude: f64) -> Location {
    Location { country: country.to_owned(), pocode: pocode.to_owned(), latitude, longitude }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn country(code: &str) -> Value {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", text(code))]))])
}

#[test]
fn reads_locations_of_both_families() {
    let database = database();
    assert_eq!(database.kind(), "GeoLite2-City");
    assert_eq!(database.location(ip("192.0.2.9")), location("NL", "1012", 52.37, 4.89));
    assert_eq!(database.location(ip("198.51.100.127")), location("JP", "", 0.0, 0.0));
    assert_eq!(database.location(ip("2001:db8:1::7")), location("BR", "01310-100", -23.55, -46.63));
    for unknown in ["198.51.100.128", "10.0.0.1", "2001:db8:2::", "::"] {
        assert_eq!(database.location(ip(unknown)), Location::default(), "{unknown}");
    }
}

#[test]
fn a_database_of_countries_has_no_postal_codes_and_coordinates() {
    let database = Database::from_bytes(mmdb::country(&RECORDS)).unwrap();
    assert_eq!(database.kind(), "GeoLite2-Country");
    assert_eq!(database.location(ip("192.0.2.9")), location("NL", "", 0.0, 0.0));
    assert_eq!(database.location(ip("2001:db8:1::7")), location("BR", "", 0.0, 0.0));
}

#[test]
fn reads_trees_of_any_branch_size_and_family() {
    for size in [24, 28, 32] {
        for v4_alone in [false, true] {
            let mut writer = Writer::new("Places of a company").branches(size);
            if v4_alone {
                writer = writer.ipv4();
            }
            for (network, code) in [(("10.0.0.0", 8), "AA"), (("10.1.0.0", 16), "BB"), (("10.1.2.3", 32), "CC")] {
                writer.add(network, &country(code));
            }
            // Records far enough into the file that their pointers use the bits between 24 and 28 of neither branch.
            for third in 0..=255u8 {
                let network = format!("172.16.{third}.0");
                writer.add((&network, 24), &country(&format!("{third:0>40}")));
            }
            let database = Database::from_bytes(writer.finish()).unwrap();
            for (address, code) in
                [("10.9.9.9", "AA"), ("10.1.9.9", "BB"), ("10.1.2.3", "CC"), ("10.1.2.4", "BB"), ("11.0.0.0", "")]
            {
                let found = database.location(ip(address)).country;
                assert_eq!(found, code, "{address}, {size} bits, IPv4 alone: {v4_alone}");
            }
            assert_eq!(database.location(ip("172.16.77.1")).country, format!("{:0>40}", 77));
            assert_eq!(database.location(ip("2001:db8::1")), Location::default());
        }
    }
}

#[test]
fn fields_of_another_type_are_empty_and_the_others_are_read() {
    let mut writer = Writer::new("Odd");
    let coordinates = Value::Map(vec![("latitude", Value::Float(1.5)), ("longitude", Value::Double(f64::NAN))]);
    let odd = Value::Map(vec![
        ("country", Value::Map(vec![("names", Value::Array(vec![text("x")])), ("iso_code", text("SE"))])),
        ("location", coordinates),
        ("postal", Value::Map(vec![("code", Value::U32(11_455))])),
    ]);
    writer.add(("192.0.2.0", 24), &odd);
    writer.add(("198.51.100.0", 24), &Value::Map(vec![("country", text("SE"))]));
    writer.add(("203.0.113.0", 24), &text("SE"));
    let database = Database::from_bytes(writer.finish()).unwrap();
    assert_eq!(database.location(ip("192.0.2.1")), location("SE", "", 1.5, 0.0));
    assert_eq!(database.location(ip("198.51.100.1")), Location::default());
    assert_eq!(database.location(ip("203.0.113.1")), Location::default());
}

#[test]
fn rejects_other_files() {
    assert!(matches!(Database::from_bytes(vec![0; 100]), Err(Error::Broken(_))));
    assert!(matches!(Database::from_bytes(Vec::new()), Err(Error::Broken(_))));
    let cut = mmdb::city(&RECORDS);
    assert!(Database::from_bytes(cut[..40].to_vec()).is_err());
}

#[test]
fn names_formats_configured_by_mistake() {
    let error_of = |octets: &[u8]| Database::from_bytes(octets.to_vec()).unwrap_err().to_string();
    assert_eq!(
        error_of(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        "not a MaxMind DB (.mmdb): it is compressed with gzip; decompress it first"
    );
    let old = error_of(b"\x01\x02\x03\0\0\0GEO-106FREE 20180327 Build 1\xff\xff\xff\x01");
    assert!(old.contains("the old format of GeoIP.dat"), "{old}");
    let mut writer = Writer::new("GeoLite2-ASN");
    for first in 1..=255u8 {
        let record = Value::Map(vec![("autonomous_system_number", Value::U32(64_496 + u32::from(first)))]);
        writer.add((&format!("{first}.0.0.0"), 8), &record);
    }
    let kind = error_of(&writer.finish());
    assert!(kind.starts_with("a database of type 'GeoLite2-ASN' has no countries"), "{kind}");
}

#[test]
fn corrupt_databases_do_no_harm() {
    let good = mmdb::city(&RECORDS);
    for at in 0..good.len() {
        for octet in [0, 0x1f, 0x7f, 0xff] {
            let mut broken = good.clone();
            broken[at] = octet;
            if let Ok(database) = Database::from_bytes(broken) {
                for address in ["192.0.2.1", "198.51.100.1", "2001:db8:1::1", "10.0.0.1"] {
                    database.location(ip(address));
                }
            }
        }
    }
}

/// Enriches a row of these hosts, and returns its locations.
fn enriched(enricher: &mut Enricher, layout: &Layout, strings: &mut Strings, hosts: [&str; 2]) -> [Location; 2] {
    let mut rows = Rows::new(layout);
    let mut row = rows.push(&vec![0; layout.words()]);
    for (field, host) in [Field::SrcHost, Field::DstHost].into_iter().zip(hosts) {
        if let (Some(at), Ok(host)) = (layout.offset(field), host.parse()) {
            row.bytes()[at..at + 16].copy_from_slice(&address::octets(host));
        }
    }
    enricher.apply(&mut row, strings);
    let octets = row.bytes();
    let word = |field| {
        let at = layout.offset(field)?;
        Some(u32::from_be_bytes(octets[at..at + 4].try_into().unwrap()))
    };
    let text = |field| {
        let text = word(field).map(|id| strings.get(id)).unwrap_or_default();
        String::from_utf8(text.to_vec()).unwrap()
    };
    let degrees = |field, number: usize| {
        let at = layout.offset(field).map(|at| at + number * 8);
        at.map_or(0.0, |at| f64::from_be_bytes(octets[at..at + 8].try_into().unwrap()))
    };
    let location = |country, pocode, coordinates| Location {
        country: text(country),
        pocode: text(pocode),
        latitude: degrees(coordinates, 0),
        longitude: degrees(coordinates, 1),
    };
    [
        location(Field::SrcCountry, Field::SrcPocode, Field::SrcCoords),
        location(Field::DstCountry, Field::DstPocode, Field::DstCoords),
    ]
}

fn layout(wanted: &[Field]) -> Layout {
    let mut fields = FieldSet::default();
    wanted.iter().for_each(|field| fields.insert(*field));
    Enricher::require(&mut fields);
    Layout::new(&fields, &[])
}

const ALL: &[Field] = &[
    Field::SrcCountry,
    Field::DstCountry,
    Field::SrcPocode,
    Field::DstPocode,
    Field::SrcCoords,
    Field::DstCoords,
];

#[test]
fn fills_in_both_ends_after_strings_are_cleared() {
    let layout = layout(&[Field::SrcCountry, Field::DstPocode, Field::DstCoords]);
    let mut enricher = Enricher::new(&database(), &layout);
    let mut strings = Strings::default();
    for round in 0..3 {
        let [src, dst] = enriched(&mut enricher, &layout, &mut strings, ["192.0.2.1", "2001:db8:1::1"]);
        assert_eq!([src, dst], [location("NL", "", 0.0, 0.0), location("", "01310-100", -23.55, -46.63)]);
        if round == 1 {
            strings.clear();
            strings.intern(b"something else");
            enricher.forget_strings();
        }
    }
}

#[test]
fn the_cache_agrees_with_the_database() {
    let layout = layout(ALL);
    let database = database();
    let mut enricher = Enricher::new(&database, &layout);
    let mut strings = Strings::default();
    // More addresses than are cached, each looked up twice, in an order in which they evict each other.
    for round in 0..40_000u32 {
        let n = round.wrapping_mul(7919) % 20_000;
        let host = match n % 3 {
            0 => format!("192.0.{}.{}", n / 256 % 4, n % 256),
            1 => format!("2001:db8:{:x}::{n:x}", n % 2),
            _ => format!("198.51.100.{}", n % 256),
        };
        let [src, dst] = enriched(&mut enricher, &layout, &mut strings, [&host, "192.0.2.1"]);
        assert_eq!([src, dst], [database.location(ip(&host)), location("NL", "1012", 52.37, 4.89)], "{host}");
    }
    assert_eq!(strings.len(), 6, "each text is there once");
}

#[test]
fn rows_without_addresses_have_no_location() {
    let layout = layout(ALL);
    let mut enricher = Enricher::new(&database(), &layout);
    let found = enriched(&mut enricher, &layout, &mut Strings::default(), ["", "::"]);
    assert_eq!(found, [Location::default(), Location::default()]);
}

#[test]
fn requires_only_the_hosts_whose_location_is_needed() {
    let only_source = layout(&[Field::SrcCountry]);
    assert!(only_source.offset(Field::SrcHost).is_some() && only_source.offset(Field::DstHost).is_none());
    assert!(!Enricher::new(&database(), &only_source).is_idle());
    let neither = layout(&[Field::SrcPort]);
    assert!(neither.offset(Field::SrcHost).is_none());
    assert!(Enricher::new(&database(), &neither).is_idle());
}
