//! A sequence of datagrams of two exporters.
//!
//! Input: for each datagram two octets of length (the top bit selects the exporter) and its octets. Time advances
//! by a second between datagrams.
#![no_main]

use decode::from_netflow::{self, Counts, Decoder, Notice, Settings};
use flow::needs::Needs;
use flow::primitive::{Daemons, PRIMITIVES};
use flow::row::{FieldSet, Layout, Rows};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::Arc;
use wire::Reader;

const TEMPLATES: usize = 8;
const PENDING_OCTETS: usize = 4096;
/// Bound of the state in bytes, small enough that some inputs reach it.
const MEMORY: usize = 30_000;
/// Memory overhead of a pending set, in bytes.
const HELD: usize = 64;

fn decoder() -> (Decoder, Rows) {
    let mut fields = FieldSet::default();
    PRIMITIVES
        .iter()
        .filter(|primitive| primitive.daemons.has(Daemons::NFACCTD))
        .flat_map(|primitive| primitive.fields)
        .for_each(|field| fields.insert(*field));
    from_netflow::require(&mut fields, true);
    let layout = Arc::new(Layout::new(&fields, &[]));
    let rows = Rows::new(&layout);
    let needs = Needs { layout, customs: Arc::from([]), bin_times: true };
    let settings = Settings {
        renormalize: true,
        max_exporters: 2,
        max_memory: MEMORY,
        max_templates: TEMPLATES,
        pending_bytes: PENDING_OCTETS,
        pending_age: 10_000_000,
        ..Settings::default()
    };
    (Decoder::new(needs, settings), rows)
}

/// The next datagram and its exporter.
fn datagram<'a>(r: &mut Reader<'a>) -> Option<(IpAddr, &'a [u8])> {
    let head = r.u16().ok()?;
    let wanted = usize::from(head & 0x7fff).min(r.left());
    let source = [192, 0, 2, 1 + (head >> 15) as u8];
    Some((source.into(), r.take(wanted).ok()?))
}

/// Sets that wait, by what has become of those that came.
fn pending(counts: &Counts) -> u64 {
    let dropped = counts.sets_expired + counts.sets_evicted + counts.sets_dropped_at_exit + counts.sets_of_evicted;
    counts.sets_kept - counts.sets_recovered - dropped
}

fn add(all: &mut Counts, some: &Counts) {
    all.sets_kept += some.sets_kept;
    all.sets_recovered += some.sets_recovered;
    all.sets_expired += some.sets_expired;
    all.sets_evicted += some.sets_evicted;
    all.sets_dropped_at_exit += some.sets_dropped_at_exit;
    all.sets_of_evicted += some.sets_of_evicted;
}

fuzz_target!(|input: &[u8]| {
    let (mut other, mut other_rows) = decoder();
    let (mut decoder, mut rows) = decoder();
    let mut strings = flow::strings::Strings::default();
    let mut r = Reader::new(input);
    let mut all = Counts::default();
    let mut arrival = 1_700_000_000_000_000;
    let mut octets = 0;
    while let Some((source, datagram)) = datagram(&mut r) {
        arrival += 1_000_000;
        octets += datagram.len();
        let opened = decoder.datagram(source, datagram, arrival, &mut rows, &mut strings).is_ok();
        let counts = decoder.take_counts();
        add(&mut all, &counts);
        assert!(opened || rows.is_empty(), "a rejected datagram gives no rows");
        // A record has at least one octet and gives at most two rows; pending sets come from earlier datagrams.
        assert!(rows.len() <= 2 * octets, "{} rows of {octets} octets", rows.len());
        assert_eq!(rows.len() as u64, counts.rows);
        assert!(pending(&all) as usize <= 2 * PENDING_OCTETS / HELD, "{} pending sets", pending(&all));
        let notices = decoder.take_notices();
        let rates = notices.iter().filter(|notice| matches!(notice, Notice::Sampling { .. })).count();
        assert!(rates <= 4096 && notices.len() - rates <= 64);
        // Another collector, which gets only every other datagram, takes over what this one has learned.
        if arrival / 1_000_000 % 2 == 0 {
            let _ = other.datagram(source, datagram, arrival, &mut other_rows, &mut strings);
        }
        for notice in notices {
            match notice {
                Notice::Template { exporter, template, .. } => {
                    let replaces = template.id % 2 == 0;
                    other.take_over_template(exporter, template, replaces, &mut other_rows, &mut strings);
                }
                Notice::Sampling { exporter, sampling } => other.take_over_sampling(exporter, &sampling),
                _ => {}
            }
        }
        assert!(other_rows.len() <= 2 * octets && other.memory() <= MEMORY);
        other_rows.clear();
        assert!(decoder.memory() <= MEMORY);
        assert!(decoder.exporters().all(|exporter| exporter.templates().count() <= 2 * TEMPLATES));
        rows.clear();
        strings.clear();
    }
    assert!(decoder.len() <= 2);
    decoder.expire(arrival + 20_000_000);
    add(&mut all, &decoder.take_counts());
    assert_eq!(pending(&all), 0, "no set is pending");
});
