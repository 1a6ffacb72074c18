//! Benchmark cases of the core: datagrams to rows, and rows to aggregates.
//!
//! `benches/core.rs` measures the time of a [`Case`]. The program `run-case` runs passes of a case, so that valgrind can
//! count its instructions (`cargo run -p xtask -- instructions`).
#![forbid(unsafe_code)]

use aggregate::Aggregator;
use decode::from_netflow::{self, Decoder, Settings};
use flow::needs::Needs;
use flow::row::{FieldSet, Layout, Rows};
use flow::schema::{Options, Schema, Selection};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use netflow::encode::{Message, field};
use netflow::template::{Kind, Template};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

/// Records per datagram.
pub const RECORDS: u64 = 20;
/// Datagrams per pass.
pub const DATAGRAMS: u64 = 5000;

/// A benchmark case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The primitives, as in `aggregate`.
    pub primitives: &'static str,
    /// Rows are aggregated, not only decoded.
    pub aggregates: bool,
}

const FIVE_TUPLE: &str = "src_host,dst_host,src_port,dst_port,proto";
const LOW: &str = "proto,src_as,dst_as";

/// All cases: many aggregates, and few.
pub const CASES: &[Case] = &[
    Case { name: "decode/five_tuple", primitives: FIVE_TUPLE, aggregates: false },
    Case { name: "aggregate/five_tuple", primitives: FIVE_TUPLE, aggregates: true },
    Case { name: "decode/low", primitives: LOW, aggregates: false },
    Case { name: "aggregate/low", primitives: LOW, aggregates: true },
];

/// Encodes 100,000 flows as IPFIX datagrams. The first datagram has the template.
#[must_use]
pub fn datagrams() -> Vec<Vec<u8>> {
    let lengths = [
        (8, 4),
        (12, 4),
        (15, 4),
        (10, 4),
        (14, 4),
        (2, 8),
        (1, 8),
        (152, 8),
        (153, 8),
        (7, 2),
        (11, 2),
        (6, 1),
        (4, 1),
        (5, 1),
        (16, 4),
        (17, 4),
        (9, 1),
        (13, 1),
    ];
    let fields = lengths.iter().map(|(element, length)| field(*element, *length)).collect();
    let template = Template::new(1, 256, Kind::Data, fields);
    let mut all = vec![Message::ipfix(1, 0, 1_700_000_000).templates(&[&template]).finish()];
    for datagram in 0..DATAGRAMS {
        let sequence = (datagram * RECORDS) as u32;
        let message = Message::ipfix(1, sequence, 1_700_000_000).records(256, RECORDS as usize, |w| {
            for record in 0..RECORDS {
                let n = (datagram * RECORDS + record) as u32;
                w.u32(0x0a00_0000 + n / 7).u32(0xc000_0200 + n % 50_000).u32(0x0a01_0101).u32(n % 10).u32(3);
                w.u64(10).u64(1500).u64(1_700_000_000_000).u64(1_700_000_000_500);
                w.u16(n as u16).u16(443).u8(27).u8(6).u8(0).u32(64500 + n % 80).u32(65000 + n % 70).u8(24).u8(16);
            }
        });
        all.push(message.finish());
    }
    all
}

/// The decoder and the aggregator of a case.
pub struct Core {
    aggregates: bool,
    decoder: Decoder,
    strings: Strings,
    rows: Rows,
    aggregator: Aggregator,
}

impl Core {
    /// Creates the initial state of a case.
    ///
    /// # Panics
    ///
    /// If the case names an unknown primitive.
    #[must_use]
    pub fn new(case: &Case) -> Self {
        let options = Options::default();
        let selection = Selection::parse(case.primitives.split(','), &[]).expect("cases name existing primitives");
        let mut fields = FieldSet::default();
        selection.require(&options, &mut fields);
        from_netflow::require(&mut fields, false);
        let layout = Arc::new(Layout::new(&fields, &[]));
        let schema = Arc::new(Schema::new(&selection, &[], &layout, &options));
        let needs = Needs { layout: Arc::clone(&layout), customs: Arc::from([]), bin_times: false };
        Self {
            aggregates: case.aggregates,
            decoder: Decoder::new(needs, Settings::default()),
            strings: Strings::default(),
            rows: Rows::new(&layout),
            aggregator: Aggregator::new(schema, None, None, RandomState::default()),
        }
    }

    /// Processes all datagrams once.
    pub fn pass(&mut self, datagrams: &[Vec<u8>]) {
        let exporter = IpAddr::from([192, 0, 2, 1]);
        for datagram in datagrams {
            let time = 1_700_000_000_000_000;
            let _ = self.decoder.datagram(exporter, datagram, time, &mut self.rows, &mut self.strings);
            if self.rows.len() >= 128 {
                if self.aggregates {
                    self.aggregator.add(&self.rows, &self.strings);
                }
                self.rows.clear();
            }
        }
        black_box(&self.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs_and_aggregates_only_if_it_says_so() {
        let datagrams = datagrams();
        for case in CASES {
            let mut core = Core::new(case);
            core.pass(&datagrams[..100]);
            assert_eq!(core.aggregator.table().is_empty(), !case.aggregates, "{}", case.name);
        }
    }
}
