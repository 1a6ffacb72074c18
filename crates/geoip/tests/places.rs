//! Databases that the test makes, read back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use geoip::{Database, Enricher, Error, Place};
use std::net::IpAddr;
use testkit::mmdb::{self, Record};

const RECORDS: [Record; 3] = [
    Record { network: ("192.0.2.0", 24), country: "NL", pocode: "1012", location: (52.37, 4.89) },
    Record { network: ("198.51.100.0", 25), country: "JP", pocode: "", location: (0.0, 0.0) },
    Record { network: ("2001:db8:1::", 48), country: "BR", pocode: "01310-100", location: (-23.55, -46.63) },
];

fn database() -> Database {
    Database::from_octets(mmdb::city(&RECORDS)).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn places_are_read_in_both_families() {
    let database = database();
    assert_eq!(database.kind(), "GeoLite2-City");
    let place = |country: &str, pocode: &str, latitude, longitude| Place {
        country: country.to_owned(),
        pocode: pocode.to_owned(),
        latitude,
        longitude,
    };
    assert_eq!(database.place(ip("192.0.2.9")), place("NL", "1012", 52.37, 4.89));
    assert_eq!(database.place(ip("198.51.100.127")), place("JP", "", 0.0, 0.0));
    assert_eq!(database.place(ip("2001:db8:1::7")), place("BR", "01310-100", -23.55, -46.63));
    for unknown in ["198.51.100.128", "10.0.0.1", "2001:db8:2::", "::"] {
        assert_eq!(database.place(ip(unknown)), Place::default(), "{unknown}");
    }
}

#[test]
fn what_is_no_database_is_refused() {
    assert!(matches!(Database::from_octets(vec![0; 100]), Err(Error::Broken(_))));
    let cut = mmdb::city(&RECORDS);
    assert!(Database::from_octets(cut[..40].to_vec()).is_err());
    let error = Database::open("/nonexistent.mmdb".as_ref()).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn both_ends_of_rows_are_filled_in_again_after_strings_were_forgotten() {
    let mut fields = FieldSet::default();
    [Field::SrcCountry, Field::DstPocode, Field::DstCoords].into_iter().for_each(|field| fields.insert(field));
    Enricher::require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let mut enricher = Enricher::new(&database(), &layout);
    let mut strings = Strings::default();
    for round in 0..3 {
        let mut rows = Rows::new(&layout);
        let mut row = rows.push(&vec![0; layout.words()]);
        for (field, host) in [(Field::SrcHost, "192.0.2.1"), (Field::DstHost, "2001:db8:1::1")] {
            let at = layout.offset(field).unwrap();
            row.octets()[at..at + 16].copy_from_slice(&address::octets(ip(host)));
        }
        enricher.apply(&mut row, &mut strings);
        let at = |field| layout.offset(field).unwrap();
        let octets = row.octets();
        let id = |at: usize| u32::from_be_bytes(octets[at..at + 4].try_into().unwrap());
        assert_eq!(strings.get(id(at(Field::SrcCountry))), b"NL");
        assert_eq!(strings.get(id(at(Field::DstPocode))), b"01310-100");
        let longitude = &octets[at(Field::DstCoords) + 8..at(Field::DstCoords) + 16];
        assert_eq!(f64::from_be_bytes(longitude.try_into().unwrap()), -46.63);
        if round == 1 {
            strings.clear();
            strings.intern(b"something else");
            enricher.forget_strings();
        }
    }
}
