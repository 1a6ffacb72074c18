//! Reading datagrams of seven samples: `cargo bench -p sflow`. Times are for a datagram, rates for samples.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sflow::flow::{FlowRecord, Gateway, HeaderProtocol, RawHeader, Switch};
use sflow::sequence::Sequence;
use sflow::{DataFormat, FlowHead, Interface, Sample, SegmentType, SourceId, Words, encode};
use std::hint::black_box;

/// Samples of a datagram; with 128 octets of each packet, about as many as fit in an Ethernet frame.
const SAMPLES: u32 = 7;

fn datagram(format: DataFormat, routed: bool) -> Vec<u8> {
    let path = encode::segments(&[(SegmentType::SEQUENCE, &[65001, 65002, 65003])]);
    let communities = encode::words(&[65000 << 16 | 100, 65000 << 16 | 200]);
    let raw =
        RawHeader { protocol: HeaderProtocol::ETHERNET, frame_length: 1518, stripped: Some(4), octets: &[0; 128] };
    let switch = Switch { in_vlan: 10, in_priority: 0, out_vlan: 20, out_priority: 0 };
    let gateway = Gateway {
        next_hop: Some([192, 0, 2, 9].into()),
        router_as: 65000,
        src_as: 65010,
        src_peer_as: 65010,
        path: encode::as_path(&path).expect("it was written above"),
        communities: Words::new(&communities),
        local_pref: Some(100),
    };
    let records = [FlowRecord::RawHeader(raw), FlowRecord::Switch(switch), FlowRecord::Gateway(gateway)];
    let mut datagram = encode::Datagram::v5(Some([192, 0, 2, 1].into()), 0, 1, 1000);
    for sequence in 0..SAMPLES {
        let head = FlowHead {
            format,
            sequence,
            source: SourceId { class: 0, index: 3 },
            sampling_rate: 512,
            pool: 512 * sequence,
            drops: 0,
            input: Interface::index(3),
            output: Interface::index(4),
        };
        datagram.flow(&head, if routed { &records } else { &records[..1] }).expect("seven samples fit");
    }
    datagram.finish()
}

/// Reads each record of each sample, as callers do.
fn read(octets: &[u8], mut sequence: Option<&mut Sequence>) -> u64 {
    let Ok(datagram) = sflow::open(octets) else { return 0 };
    let mut sum = 0;
    for sample in datagram.samples().flatten() {
        if let Some(sequence) = &mut sequence {
            sequence.sample(&datagram.header, &sample);
        }
        let Sample::Flow(sample) = &sample else { continue };
        sum += u64::from(sample.head.sampling_rate);
        for record in sample.records().flatten() {
            sum += match record {
                FlowRecord::RawHeader(raw) => u64::from(raw.frame_length) + raw.octets.len() as u64,
                FlowRecord::Switch(switch) => u64::from(switch.in_vlan),
                FlowRecord::Gateway(gateway) => u64::from(gateway.path.last().unwrap_or(gateway.src_as)),
                _ => 0,
            };
        }
    }
    sum
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(SAMPLES.into()));
    for (name, format, routed) in [
        ("raw header, compact", DataFormat::FLOW, false),
        ("raw header, expanded", DataFormat::FLOW_EXPANDED, false),
        ("raw header, switch, gateway", DataFormat::FLOW, true),
    ] {
        let octets = datagram(format, routed);
        group.bench_function(name, |b| b.iter(|| read(black_box(&octets), None)));
    }
    let octets = datagram(DataFormat::FLOW, false);
    let mut sequence = Sequence::new(65_536);
    group.bench_function("raw header, compact, sequence numbers", |b| {
        b.iter(|| read(black_box(&octets), Some(&mut sequence)));
    });
    group.finish();
}

criterion_group!(decode, benches);
criterion_main!(decode);
