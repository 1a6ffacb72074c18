//! An sFlow datagram.
//!
//! Decoding is bounded by the number of octets; everything that can be encoded decodes to the same values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sflow::encode::{self, EncodeError};
use sflow::sequence::{Outcome, Sequence};
use sflow::{CounterBlock, Datagram, DecodeError, FlowRecord, Records, Sample, Value};

/// The records, and the number of items including errors.
fn records(all: Records<'_>) -> (Vec<FlowRecord<'_>>, usize) {
    let (mut good, mut items) = (Vec::new(), 0);
    for record in all {
        items += 1;
        good.extend(record);
    }
    (good, items)
}

fn is_within(octets: &[u8], all: &[u8]) -> bool {
    octets.is_empty() || all.as_ptr_range().contains(&octets.as_ptr())
}

/// Checks that the values of a block are inside it, and returns their number.
fn values(block: &CounterBlock<'_>) -> usize {
    let mut count = 0;
    for (name, value) in block.values() {
        count += 1;
        assert!(!name.is_empty());
        if let Value::Text(octets) | Value::Octets(octets) = value {
            assert!(is_within(octets, block.octets));
        }
    }
    assert!(count >= block.kind.map_or(0, |kind| kind.base.len() + kind.fields.len()), "a block is whole");
    count
}

/// Encodes the sample into a datagram of its version, which can only fail because it is too long.
fn write(datagram: &mut encode::Datagram, sample: &Sample<'_>) -> bool {
    let written = match sample {
        Sample::Flow(sample) => datagram.flow(&sample.head, &records(sample.records()).0),
        Sample::Discarded(sample) => datagram.discarded(&sample.head, &records(sample.records()).0),
        Sample::Counters(sample) => {
            let blocks: Vec<_> = sample.blocks().flatten().collect();
            datagram.counters(&sample.head, &blocks)
        }
        Sample::Unknown(sample) => datagram.other(sample.format, sample.octets),
    };
    match written {
        Ok(_) => true,
        Err(EncodeError::TooLong) => false,
        Err(refused) => panic!("{refused}: {sample:?}"),
    }
}

/// A sample as a string, with its records and blocks but without the surrounding octets.
fn describe(sample: &Sample<'_>) -> String {
    match sample {
        Sample::Flow(sample) => format!("{:?} {:?}", sample.head, records(sample.records()).0),
        Sample::Discarded(sample) => format!("{:?} {:?}", sample.head, records(sample.records()).0),
        Sample::Counters(sample) => {
            let blocks: Vec<_> = sample.blocks().flatten().map(|block| (block.format, block.octets)).collect();
            format!("{:?} {blocks:?}", sample.head)
        }
        Sample::Unknown(sample) => format!("{sample:?}"),
    }
}

fn all<'a>(datagram: &Datagram<'a>) -> Vec<Result<Sample<'a>, DecodeError>> {
    datagram.samples().collect()
}

/// Checks that the frame decoder gives the same values for flow samples as the sample decoder.
fn check_frames(datagram: &Datagram<'_>) {
    let mut samples = datagram.samples();
    loop {
        let frame = samples.clone().next_flow_frame();
        let Some(sample) = samples.next() else {
            assert!(frame.is_none());
            return;
        };
        let (Some(frame), Ok(Sample::Flow(sample))) = (frame, &sample) else {
            // Another version, another type, or truncated.
            let is_whole =
                matches!(&sample, Ok(Sample::Flow(sample)) if sample.records().all(|record| record.is_ok()));
            assert!(datagram.header.version != 5 || !is_whole);
            continue;
        };
        let head = &sample.head;
        assert_eq!((frame.format, frame.sampling_rate), (head.format, head.sampling_rate));
        assert_eq!((frame.input, frame.output), (head.input_number(), head.output_number()));
        let (mut frames, mut records) = (frame.records, sample.records());
        while let Some((format, contents)) = frames.next_frame() {
            match records.next().expect("as many records as frames") {
                Ok(FlowRecord::RawHeader(header)) => assert_eq!(contents.raw_header(), Some(header)),
                Ok(FlowRecord::Switch(switch)) => assert_eq!(contents.switch(), Some(switch)),
                Ok(FlowRecord::Router(router)) => assert_eq!(contents.router(), Some(router)),
                Ok(record) => assert_eq!(record.format(), format),
                Err(_) => assert!(sflow::flow::is_known(format)),
            }
        }
        assert_eq!(frames.is_at_end(), records.next().is_none());
    }
}

fuzz_target!(|octets: &[u8]| {
    let Ok(datagram) = sflow::open(octets) else { return };
    check_frames(&datagram);
    let header = datagram.header;
    let samples = all(&datagram);
    let mut items = samples.len();
    let mut sequence = Sequence::new(1000);
    assert_eq!(sequence.datagram(&header, || true), Outcome::First);
    let mut copy = match header.version {
        5 => encode::Datagram::v5(header.agent, header.sub_agent.unwrap_or(0), header.sequence, header.uptime_ms),
        4 => encode::Datagram::v4(header.agent, header.sequence, header.uptime_ms),
        _ => encode::Datagram::v2(header.agent, header.sequence, header.uptime_ms),
    };
    let mut written = Vec::new();
    for sample in samples.iter().flatten() {
        assert_eq!(sequence.sample(&header, sample).is_none(), matches!(sample, Sample::Unknown(_)));
        match sample {
            Sample::Flow(sample) => items += records(sample.records()).1,
            Sample::Discarded(sample) => items += records(sample.records()).1,
            Sample::Counters(sample) => {
                items +=
                    sample.blocks().count() + sample.blocks().flatten().map(|block| values(&block)).sum::<usize>();
            }
            Sample::Unknown(sample) => assert!(is_within(sample.octets, octets)),
        }
        if write(&mut copy, sample) {
            written.push(describe(sample));
        }
    }
    assert!(samples.iter().flatten().count() <= header.samples as usize);
    // Every item has at least four octets, except one error at the end of each list.
    assert!(items <= octets.len() / 4 + 2 * samples.len() + 1, "{items} items of {} octets", octets.len());
    let copy = copy.finish();
    let decoded = sflow::open(&copy).expect("what was written");
    assert_eq!((decoded.header.agent, decoded.header.sub_agent), (header.agent, header.sub_agent));
    let decoded: Vec<_> =
        all(&decoded).into_iter().map(|sample| describe(&sample.expect("what was written"))).collect();
    assert_eq!(decoded, written);
});
