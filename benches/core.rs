//! Decoding, projection and aggregation, encoding: `cargo bench`.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use benchkit::{CASES, Case, Core, DATAGRAMS, RECORDS, datagrams};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

fn benches(c: &mut Criterion) {
    let datagrams = datagrams();
    let mut group = c.benchmark_group("ipfix");
    group.throughput(Throughput::Elements(RECORDS * DATAGRAMS)).sample_size(20);
    for case in CASES {
        let mut core = Core::new(case);
        group.bench_function(case.name, |b| b.iter(|| core.pass(&datagrams)));
    }
    group.finish();
}

/// Parallel workers, each with its own datagrams, decoder and tables, as in the daemon. If they share
/// nothing and have a core each, the time is constant.
fn workers(c: &mut Criterion) {
    let datagrams = Arc::new(datagrams());
    let mut group = c.benchmark_group("workers");
    for case in CASES.iter().filter(|case| case.aggregates) {
        let name = case.name.trim_start_matches("aggregate/");
        for workers in [1u64, 2] {
            group.throughput(Throughput::Elements(RECORDS * DATAGRAMS * workers)).sample_size(20);
            group.bench_function(format!("{name}/{workers}"), |b| {
                b.iter_custom(|rounds| run_workers(workers, rounds, case, &datagrams));
            });
        }
    }
    group.finish();
}

/// The time until all workers have made `rounds` passes.
fn run_workers(workers: u64, rounds: u64, case: &'static Case, datagrams: &Arc<Vec<Vec<u8>>>) -> Duration {
    let start = Arc::new(Barrier::new(workers as usize + 1));
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (start, datagrams) = (Arc::clone(&start), datagrams.to_vec());
            std::thread::spawn(move || {
                let mut core = Core::new(case);
                core.pass(&datagrams);
                start.wait();
                (0..rounds).for_each(|_| core.pass(&datagrams));
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
