//! MaxMind DB files: any bytes are a database or rejected, and lookups in a corrupt one terminate, possibly without a result.
#![no_main]

use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use geoip::{Database, Enricher};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use testkit::mmdb::{self, Record};

/// A valid file; the input changes some of its bytes, or replaces the whole file.
const RECORDS: [Record; 2] = [
    Record { network: ("192.0.2.0", 24), country: "NL", pocode: "1012", location: (52.37, 4.89) },
    Record { network: ("2001:db8::", 32), country: "BR", pocode: "01310-100", location: (-23.55, -46.63) },
];

fn file(input: &[u8]) -> Vec<u8> {
    let (Some(1..), Some(changes)) = (input.first(), input.get(1..)) else {
        return input.get(1..).unwrap_or_default().to_vec();
    };
    let mut file = mmdb::city(&RECORDS);
    for change in changes.chunks_exact(3) {
        if let [high, low, octet] = *change {
            let at = usize::from(u16::from_be_bytes([high, low])) % file.len();
            file[at] = octet;
        }
    }
    file
}

fuzz_target!(|input: &[u8]| {
    let file = file(input);
    let size = file.len();
    let database = match Database::from_bytes(file) {
        Ok(database) => database,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut fields = FieldSet::default();
    [Field::SrcCountry, Field::SrcPocode, Field::SrcCoords].into_iter().for_each(|field| fields.insert(field));
    Enricher::require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let mut enricher = Enricher::new(&database, &layout);
    let mut strings = Strings::default();
    let mut rows = Rows::new(&layout);
    let asked = input.chunks(4).map(|octets| octets.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)));
    for bits in asked.chain([0xc000_0201, 0, u32::MAX]) {
        let v6 = u128::from(bits) << 96 | u128::from(bits);
        for address in [IpAddr::V4(Ipv4Addr::from_bits(bits)), IpAddr::V6(Ipv6Addr::from_bits(v6))] {
            let location = database.location(address);
            // Records may share strings, which are at most as long as the file.
            assert!(location.country.len() <= size && location.pocode.len() <= size);
            assert!(location.latitude.is_finite() && location.longitude.is_finite());
            rows.clear();
            let mut row = rows.push(&vec![0; layout.words()]);
            if let Some(at) = layout.offset(Field::SrcHost) {
                row.bytes()[at..at + 16].copy_from_slice(&flow::address::octets(address));
            }
            enricher.apply(&mut row, &mut strings);
            if let Some(at) = layout.offset(Field::SrcCountry) {
                let id = row.bytes()[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
                assert_eq!(strings.get(id), location.country.as_bytes(), "{address}");
            }
        }
    }
});
