//! Enriches the rows of datagrams: `cargo bench -p enrich`.
//!
//! Batches are as small as those of datagrams, so the cost of a step per batch shows besides its cost per row.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use config::keys::aggregation::{AsSource, NetSource};
use config::{Daemon, Diagnostics};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use enrich::networks::Sources;
use enrich::spec::{CoreSpec, NetworksSpec, PluginSpec, RouteMaps, Spec};
use enrich::{BatchPackets, Context, Enricher, Loaded, Origin};
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows per datagram, and datagrams per batch.
const ROWS: usize = 24;
const DATAGRAMS: usize = 5;

fn spec(folder: &Path) -> Spec {
    let file = |name: &str, text: String| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    };
    let networks: String =
        (0..1000).map(|n| format!("{},10.{}.{}.0/24\n", 64_500 + n, n / 250, n % 250)).collect();
    let tags: String =
        (0..1000).map(|n| format!("set_tag={n} src_net=10.{}.{}.0/24 in={}\n", n / 250, n % 250, n % 4)).collect();
    let sampling: String = (0..100).map(|n| format!("id={} ip=192.0.2.{n} in={}\n", 100 + n, n % 4)).collect();
    let file_sources = Sources {
        nets: NetSource::File,
        ases: AsSource::File,
        mask: None,
        file_wins: false,
        keep_unmasked: false,
    };
    let tag_map = file("pretag.map", tags);
    let core = CoreSpec {
        tags: Some(tag_map.clone()),
        networks: NetworksSpec {
            sources: file_sources,
            file: Some(file("networks.lst", networks)),
            zero_outside: false,
        },
        sampling: Some(file("sampling.map", sampling)),
        distinguishers: None,
        geoip: None,
        interval: None,
        renormalize: true,
        peer_ases: false,
        routes: RouteMaps::default(),
    };
    let plugin = PluginSpec {
        name: "bench".to_owned(),
        tags: Some(tag_map),
        networks: None,
        zero_outside: false,
        expression: None,
        tag_filter: Some(("0-500".to_owned(), config::Origin::whole("bench.conf"))),
        tag2_filter: None,
        label_filter: None,
        post_tag: None,
        post_tag2: Some(7),
        ports: Some(file("ports.lst", "80\n443\n53\n".to_owned())),
        protos: None,
        protocol: |_| None,
        tos: None,
        dscp: false,
        sampling: None,
        renormalize: false,
    };
    Spec { core, plugins: vec![plugin] }
}

fn rows(layout: &Layout) -> Rows {
    let mut rows = Rows::new(layout);
    for n in 0..(ROWS * DATAGRAMS) as u32 {
        let mut row = rows.push(&vec![0; layout.words()]);
        let host = |n: u32| {
            address::octets(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | n.wrapping_mul(0x9e37_79b1) >> 14)))
        };
        for (field, octets) in [
            (Field::SrcHost, host(n).as_slice()),
            (Field::DstHost, host(n + 1000).as_slice()),
            (Field::SrcPort, ((n * 7) as u16).to_be_bytes().as_slice()),
            (Field::DstPort, if n % 2 == 0 { &[0, 80] } else { &[4, 0] }),
            (Field::InIface, (n % 4).to_be_bytes().as_slice()),
            (Field::Presence, &[0xff; 8]),
        ] {
            if let Some(at) = layout.offset(field) {
                row.bytes()[at..at + octets.len()].copy_from_slice(octets);
            }
        }
    }
    rows
}

fn benches(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut problems = Diagnostics::new();
    let loaded = Loaded::read(&spec(folder.path()), &Context::new(Daemon::Nfacctd), &mut problems);
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    let mut fields = FieldSet::default();
    for field in
        [Field::SrcAs, Field::DstAs, Field::SrcNet, Field::SrcPort, Field::DstPort, Field::Tag, Field::Tag2]
    {
        fields.insert(field);
    }
    loaded.require(&mut fields);
    let layout = Layout::new(&fields, &[]);
    let (mut enricher, mut stages) = Enricher::new(&Arc::new(loaded.compile(&layout)));
    let stage = stages[0].as_mut().expect("the plugin has a stage");
    let all = rows(&layout);
    let mut strings = Strings::default();
    let origins: Vec<Origin> = (0..DATAGRAMS)
        .map(|n| Origin { first: n * ROWS, exporter: Some(IpAddr::from([192, 0, 2, n as u8])) })
        .collect();
    let packets = BatchPackets { references: &[], units: &[] };
    let mut group = c.benchmark_group("steps");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("for all rows", |b| {
        let mut one = Rows::new(&layout);
        all.iter().take(ROWS).for_each(|row| _ = one.push_row(row));
        b.iter(|| enricher.apply(origins[0], black_box(&mut one), &mut strings, &packets));
    });
    group.throughput(Throughput::Elements((ROWS * DATAGRAMS) as u64));
    group.bench_function("for a plugin", |b| {
        b.iter(|| stage.apply(black_box(&all), &origins, &mut strings, &packets).0.len());
    });
    group.finish();
}

criterion_group!(steps_benches, benches);
criterion_main!(steps_benches);
