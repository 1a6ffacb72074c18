//! Decoding, projection and aggregation, encoding: `cargo bench`.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use aggregate::Aggregator;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Records of a datagram.
const RECORDS: u64 = 20;
/// Datagrams of one pass.
const DATAGRAMS: u64 = 5000;
const FIVE_TUPLE: &str = "src_host,dst_host,src_port,dst_port,proto";
const LOW: &str = "proto,src_as,dst_as";

/// IPFIX datagrams of 100,000 flows, the first with the template.
fn datagrams() -> Vec<Vec<u8>> {
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

struct Core {
    decoder: Decoder,
    strings: Strings,
    rows: Rows,
    aggregator: Aggregator,
}

fn core(words: &str) -> Core {
    let options = Options::default();
    let selection = Selection::parse(words.split(','), &[]).expect("these are primitives");
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    from_netflow::require(&mut fields, false);
    let layout = Arc::new(Layout::new(&fields, &[]));
    let schema = Arc::new(Schema::new(&selection, &[], &layout, &options));
    let needs = Needs { layout: Arc::clone(&layout), customs: Arc::from([]), bin_times: false };
    Core {
        decoder: Decoder::new(needs, Settings::default()),
        strings: Strings::default(),
        rows: Rows::new(&layout),
        aggregator: Aggregator::new(schema, None, None, RandomState::default()),
    }
}

fn pass(core: &mut Core, datagrams: &[Vec<u8>], aggregate: bool) {
    let exporter = IpAddr::from([192, 0, 2, 1]);
    for datagram in datagrams {
        let _ =
            core.decoder.datagram(exporter, datagram, 1_700_000_000_000_000, &mut core.rows, &mut core.strings);
        if core.rows.len() >= 128 {
            if aggregate {
                core.aggregator.add(&core.rows, &core.strings);
            }
            core.rows.clear();
        }
    }
    black_box(&core.rows);
}

fn benches(c: &mut Criterion) {
    let datagrams = datagrams();
    let mut group = c.benchmark_group("ipfix");
    group.throughput(Throughput::Elements(RECORDS * DATAGRAMS)).sample_size(20);
    for (name, words) in [("five_tuple", FIVE_TUPLE), ("low", LOW)] {
        let mut decode = core(words);
        group.bench_function(format!("decode/{name}"), |b| b.iter(|| pass(&mut decode, &datagrams, false)));
        let mut both = core(words);
        group.bench_function(format!("aggregate/{name}"), |b| b.iter(|| pass(&mut both, &datagrams, true)));
    }
    group.finish();
}

/// Workers beside each other, each with datagrams, decoder and tables of its own, as in the daemon. Where they shared
/// nothing and had a core each, the time would not grow.
fn workers(c: &mut Criterion) {
    let datagrams = Arc::new(datagrams());
    let mut group = c.benchmark_group("workers");
    for (name, words) in [("five_tuple", FIVE_TUPLE), ("low", LOW)] {
        for workers in [1u64, 2] {
            group.throughput(Throughput::Elements(RECORDS * DATAGRAMS * workers)).sample_size(20);
            group.bench_function(format!("{name}/{workers}"), |b| {
                b.iter_custom(|rounds| run_workers(workers, rounds, words, &datagrams));
            });
        }
    }
    group.finish();
}

/// The time until all workers have made so many passes.
fn run_workers(workers: u64, rounds: u64, words: &'static str, datagrams: &Arc<Vec<Vec<u8>>>) -> Duration {
    let start = Arc::new(Barrier::new(workers as usize + 1));
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (start, datagrams) = (Arc::clone(&start), datagrams.to_vec());
            std::thread::spawn(move || {
                let mut core = core(words);
                pass(&mut core, &datagrams, true);
                start.wait();
                (0..rounds).for_each(|_| pass(&mut core, &datagrams, true));
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    for thread in threads {
        thread.join().expect("a worker does not panic");
    }
    began.elapsed()
}

criterion_group!(core_benches, benches, workers);
criterion_main!(core_benches);
