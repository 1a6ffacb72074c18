//! A sequence of datagrams of one exporter, of which two receivers get every other row.
//!
//! Input: an octet that selects the protocol, then for each datagram two octets of length, the top bit of which means nothing,
//! and its octets. What is rebuilt for a receiver must
//! decode to exactly the rows that were selected for it, and be no longer than the original.
#![no_main]

use decode::from_netflow::{self, Settings};
use decode::from_sflow::{self, NoCounters};
use flow::field::Field;
use flow::needs::Needs;
use flow::output::Output;
use flow::part::Part;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::Arc;
use tee::dissect::{Dissected, Dissector, Rebuilt};
use wire::Reader;

const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn layout() -> Arc<Layout> {
    let mut fields = FieldSet::default();
    for field in [Field::InIface, Field::OutIface, Field::SrcHost, Field::SrcPort] {
        fields.insert(field);
    }
    from_netflow::require(&mut fields, false);
    Arc::new(Layout::new(&fields, &[]))
}

/// The datagrams of an input.
fn datagrams(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut r = Reader::new(input);
    std::iter::from_fn(move || {
        let len = usize::from(r.u16().ok()? & 0x7fff).min(r.left());
        r.take(len).ok()
    })
}

/// What a receiver gets: the rows with that remainder, and records without rows.
fn rebuild(dissector: &mut Dissector, octets: &[u8], parts: &[Part], receiver: usize) -> Option<Vec<u8>> {
    let dissected = Dissected { octets, parts, exporter: EXPORTER };
    let mut arena = Vec::new();
    let wanted = |rows: std::ops::Range<usize>| rows.start % 2 == receiver;
    match dissector.rebuild(&dissected, receiver as u32, &mut arena, wanted).0 {
        Rebuilt::Nothing => None,
        Rebuilt::Unchanged => Some(octets.to_vec()),
        Rebuilt::Changed(place) => {
            assert_eq!(place, 0..arena.len());
            assert!(arena.len() <= octets.len());
            Some(arena)
        }
    }
}

/// The numbers of rows, in order, of the records that a receiver gets; `None` if some rows are of earlier datagrams.
fn selected(parts: &[Part], receiver: usize) -> Option<usize> {
    let (mut row, mut count) = (0, 0);
    for part in parts {
        match *part {
            Part::Records { count: records, rows, .. } => {
                for _ in 0..records {
                    count += if row % 2 == receiver { rows as usize } else { 0 };
                    row += rows as usize;
                }
            }
            Part::Rows { .. } => return None,
            Part::Common { .. } | Part::Set { .. } | Part::Unreadable { .. } => {}
        }
    }
    Some(count)
}

/// A receiver of one datagram in seven gets the same datagram with another rate.
fn check_rate(octets: &[u8]) {
    let mut copy = octets.to_vec();
    let is_changed = tee::rate::multiply(&mut copy, 7);
    assert_eq!(copy.len(), octets.len());
    assert!(is_changed || copy == octets);
}

fn check_parts(parts: &[Part], octets: &[u8], rows: usize) {
    let mut sum = 0;
    for part in parts {
        let end = match *part {
            Part::Common { at, len, .. } | Part::Set { at, len } | Part::Unreadable { at, len } => at + len,
            Part::Records { at, size, count, rows } => {
                sum += (count * rows) as usize;
                at + size * count
            }
            Part::Rows { count } => {
                sum += count as usize;
                0
            }
        };
        assert!(end as usize <= octets.len(), "{part:?}");
    }
    assert_eq!(sum, rows);
}

fn netflow(input: &[u8]) {
    let layout = layout();
    let needs = Needs { layout: Arc::clone(&layout), customs: Arc::from([]), bin_times: false };
    let settings = Settings { pending_bytes: 4096, max_templates: 8, ..Settings::default() };
    let decoder = || from_netflow::Decoder::new(needs.clone(), settings.clone());
    let (mut first, mut others) = (decoder(), [decoder(), decoder()]);
    first.want_parts(true);
    let (mut rows, mut strings) = (Rows::new(&layout), Strings::default());
    let mut dissector = Dissector::default();
    for (number, octets) in datagrams(input).enumerate() {
        rows.clear();
        check_rate(octets);
        if first.datagram(EXPORTER, octets, number as u64, &mut rows, &mut strings).is_err() {
            assert!(first.parts().is_empty());
            continue;
        }
        check_parts(first.parts(), octets, rows.len());
        for (receiver, decoder) in others.iter_mut().enumerate() {
            let Some(rebuilt) = rebuild(&mut dissector, octets, first.parts(), receiver) else { continue };
            let (mut got, mut strings) = (Rows::new(&layout), Strings::default());
            // A header that announced more than there was is corrected.
            decoder.datagram(EXPORTER, &rebuilt, number as u64, &mut got, &mut strings).expect("it has a header");
            if let Some(count) = selected(first.parts(), receiver)
                && decoder.take_counts().sets_recovered == 0
                && !first.parts().iter().any(|part| matches!(part, Part::Unreadable { .. }))
            {
                assert_eq!(got.len(), count);
            }
        }
    }
}

fn sflow(input: &[u8]) {
    let layout = layout();
    let needs = Needs { layout: Arc::clone(&layout), customs: Arc::from([]), bin_times: false };
    let mut decoder = from_sflow::Decoder::new(&needs, from_sflow::Settings::default());
    decoder.want_parts(true);
    let mut dissector = Dissector::default();
    for octets in datagrams(input) {
        check_rate(octets);
        let mut output = Output::new(&layout);
        if decoder.datagram((0, EXPORTER), octets, 1, &mut output, &mut NoCounters).is_err() {
            continue;
        }
        check_parts(decoder.parts(), octets, output.rows.len());
        for receiver in 0..2 {
            let Some(rebuilt) = rebuild(&mut dissector, octets, decoder.parts(), receiver) else { continue };
            assert!(sflow::open(&rebuilt).is_ok());
        }
    }
}

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((choice, rest)) if choice % 2 == 0 => netflow(rest),
        Some((_, rest)) => sflow(rest),
        None => {}
    }
});
