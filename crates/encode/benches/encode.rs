//! How long a row takes: a five-tuple with counters, and one with times.
#![expect(missing_docs, reason = "criterion_group! makes a public function without any")]

use aggregate::Table;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use encode::avro::{self, Avro, AvroJson};
use encode::columns::Columns;
use encode::json::{Frame, Json};
use encode::{Style, names};
use flow::row::{FieldSet, Layout};
use flow::schema::{At, Options, Schema, Selection};
use foldhash::fast::RandomState;
use std::hint::black_box;
use std::sync::Arc;

const ROWS: u64 = 10_000;

/// A table of varied rows: every byte of a key changes with the row, addresses are IPv4.
fn table(words: &str) -> Table {
    let selection = Selection::parse(words.split(','), &[]).expect("known words");
    let mut fields = FieldSet::default();
    selection.require(&Options::default(), &mut fields);
    let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &Options::default()));
    let mut table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
    for row in 0..ROWS {
        let mut key = vec![0u8; schema.key_words * 8];
        for column in &schema.columns {
            let (At::Key(at), size) = (column.at, column.kind.size()) else {
                continue;
            };
            let number = row.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            match column.json.as_ref() {
                "ip_src" | "ip_dst" | "peer_ip_src" => {
                    key[at + 10..at + 12].fill(0xff);
                    key[at + 12..at + 16].copy_from_slice(&number[..4]);
                }
                "ip_proto" => key[at] = [6, 17, 1][row as usize % 3],
                name if name.starts_with("timestamp") => {
                    let time = 1_700_000_000_000_000 + row * 1_234_567;
                    key[at..at + 8].copy_from_slice(&time.to_be_bytes());
                }
                _ => key[at..at + size].copy_from_slice(&number[..size]),
            }
        }
        let words = key.chunks_exact(8).filter_map(|word| word.first_chunk().copied());
        let key: Vec<u64> = words.map(u64::from_ne_bytes).collect();
        table.add(&key, &[row % 1000 + 1, row * 700 + 40]);
    }
    table
}

fn rows(c: &mut Criterion) {
    let five = "src_host,dst_host,src_port,dst_port,proto";
    let times = "src_host,dst_host,src_port,dst_port,proto,timestamp_start,timestamp_end";
    let mut group = c.benchmark_group("row");
    group.throughput(Throughput::Elements(ROWS));
    for (name, words) in [("five-tuple", five), ("five-tuple and times", times)] {
        let table = table(words);
        let style = Style::default();
        let mut out = Vec::new();
        let mut json = Json::new(table.schema(), &style, Frame { event_type: true, writer_id: None });
        group.bench_function(format!("json, {name}"), |b| {
            b.iter(|| {
                out.clear();
                for row in table.iter() {
                    json.row(&mut out, &row, table.strings(), 0);
                    out.push(b'\n');
                }
                black_box(&out);
            });
        });
        let mut avro = Avro::new(table.schema(), &style, avro::Frame::default());
        group.bench_function(format!("avro, {name}"), |b| {
            b.iter(|| {
                out.clear();
                for row in table.iter() {
                    avro.row(&mut out, &row, table.strings(), 0);
                }
                black_box(&out);
            });
        });
        let mut json = AvroJson::new(table.schema(), &style, avro::Frame::default());
        group.bench_function(format!("avro_json, {name}"), |b| {
            b.iter(|| {
                out.clear();
                for row in table.iter() {
                    json.row(&mut out, &row, table.strings(), 0);
                    out.push(b'\n');
                }
                black_box(&out);
            });
        });
        #[cfg(feature = "parquet")]
        group.bench_function(format!("parquet, {name}"), |b| {
            let mut parquet = encode::parquet::Parquet::new(table.schema(), &style).expect("names that fit");
            b.iter(|| {
                out.clear();
                let mut file = parquet.begin().expect("memory");
                for row in table.iter() {
                    parquet.row(&row, table.strings(), 0);
                }
                parquet.end_group(&mut file, &mut out).expect("memory");
                file.end(&mut out).expect("memory");
                black_box(&out);
            });
        });
        for (form, mut columns) in [
            ("csv", Columns::csv(table.schema(), &style, true)),
            ("formatted", Columns::formatted(table.schema(), &style, true)),
        ] {
            group.bench_function(format!("{form}, {name}"), |b| {
                b.iter(|| {
                    out.clear();
                    for row in table.iter() {
                        columns.row(&mut out, &row, table.strings(), 0);
                    }
                    black_box(&out);
                });
            });
        }
    }
    group.finish();
    let table = table("tag,peer_src_ip");
    let name = names::Template::parse("/out/%Y/$tag-$peer_src_ip").expect("known letters");
    let name = name.bind(table.schema(), jiff::tz::TimeZone::UTC, 60, 300);
    let row = table.iter().next().expect("a row");
    c.bench_function("file name", |b| b.iter(|| black_box(name.fill(black_box(1_700_000_000), Some(&row)))));
}

criterion_group!(benches, rows);
criterion_main!(benches);
