//! A file of ROAs, compared with a reader of the whole document.
//!
//! Reading is bounded, and every VRP that a generic JSON reader finds in the list is in the snapshot.
#![no_main]

use config::Diagnostics;
use libfuzzer_sys::fuzz_target;
use rpki::{Validity, roas_file};
use serde_json::Value;
use wire::{Asn, Prefix};

/// The VRPs of a document, with numbers as AS numbers only.
fn expected(document: &Value) -> Vec<(Prefix, u64, Asn)> {
    let list = document.get("roas").unwrap_or(document).as_array();
    let entries = list.into_iter().flatten().filter_map(|entry| {
        let prefix: Prefix = entry.get("prefix")?.as_str().filter(|text| text.contains('/'))?.parse().ok()?;
        let asn = u32::try_from(entry.get("asn")?.as_u64()?).ok()?;
        let max = entry.get("maxLength")?.as_u64()?;
        let lengths = u64::from(prefix.length())..=u64::from(prefix.family().width());
        lengths.contains(&max).then_some((prefix, max, Asn(asn)))
    });
    entries.collect()
}

fuzz_target!(|text: &[u8]| {
    let mut problems = Diagnostics::new();
    let read = roas_file::read_from("rpki_roas_file", text, "roas.json", &mut problems);
    assert!(problems.iter().count() <= 24);
    assert_eq!(read.is_none(), problems.is_fatal());
    let Some(vrps) = read else { return };
    assert!(vrps.len() <= text.len() / 2);
    // A document with two lists has both, but the generic reader keeps one.
    let Ok(document) = serde_json::from_slice::<Value>(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)) else {
        return;
    };
    for (prefix, max, asn) in expected(&document) {
        let longest = Prefix::new(prefix.address(), max as u8).expect("a length of the family");
        for prefix in [prefix, longest] {
            let validity = if asn == Asn(0) { Validity::Invalid } else { Validity::Valid };
            let got = vrps.validity(&prefix, Some(asn));
            assert_eq!(got, validity, "{prefix} AS{asn}");
        }
    }
});
