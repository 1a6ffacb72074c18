//! Sampling rates of datagrams of which only some are passed on.
//!
//! A receiver that gets one datagram in ten must multiply what it counts by ten. Where the rate is a field of each datagram, it is
//! multiplied on the way: the sampling interval in the header of NetFlow v5, and the rate of each flow sample of sFlow v5. In v9 and IPFIX
//! the rate is in options data, which belong to all datagrams; they remain as they are.

use crate::dissect::{Head, array, put};

/// Offset of the sampling mode and interval in the header of NetFlow v5.
const V5_SAMPLING: usize = 22;
/// The interval's bits; the mode is above.
const V5_INTERVAL: u16 = 0x3fff;
/// Sampling mode: random.
const V5_RANDOM: u16 = 2 << 14;
/// Formats of flow samples, compact and expanded, and the offsets of their rates in a sample with its format and length.
const RATES: [(u32, usize); 2] = [(1, 16), (3, 20)];

/// Multiplies the sampling rate of a datagram. False if it has none that can be changed; then it is unchanged.
pub fn multiply(octets: &mut [u8], by: u32) -> bool {
    match Head::read(octets) {
        Some(head) if head.is_v5() => multiply_v5(octets, by),
        Some(head) if head.is_sflow_v5() => multiply_samples(octets, head.len(), by),
        _ => false,
    }
}

fn multiply_v5(octets: &mut [u8], by: u32) -> bool {
    let Some(field) = array(octets, V5_SAMPLING).map(u16::from_be_bytes) else { return false };
    let (mode, interval) = (field & !V5_INTERVAL, u32::from(field & V5_INTERVAL).max(1));
    let mode = if mode == 0 { V5_RANDOM } else { mode };
    let interval = interval.saturating_mul(by).min(V5_INTERVAL.into()) as u16;
    put(octets, V5_SAMPLING, &(mode | interval).to_be_bytes());
    true
}

fn multiply_samples(octets: &mut [u8], header: usize, by: u32) -> bool {
    let (mut at, mut any) = (header, false);
    let word = |octets: &[u8], at| array(octets, at).map(u32::from_be_bytes);
    while let (Some(format), Some(len)) = (word(octets, at), word(octets, at + 4)) {
        let rate = RATES.iter().find(|(known, _)| *known == format).map(|(_, offset)| at + offset);
        // The rate of a sample whose length is wrong lies in another one, or nowhere.
        let rate = rate.filter(|rate| rate + 4 <= at + 8 + len as usize);
        if let Some((rate, number)) = rate.and_then(|at| Some((at, word(octets, at)?))) {
            put(octets, rate, &number.saturating_mul(by).to_be_bytes());
            any = true;
        }
        at = at.saturating_add(8).saturating_add(len as usize);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::datagram;
    use netflow::encode::{Message, V5Record, v5};
    use proptest::prelude::*;
    use sflow::encode::Datagram;
    use sflow::{FlowHead, Sample};

    #[test]
    fn the_interval_of_v5_is_multiplied() {
        for (before, after) in [(0, 10), (V5_RANDOM | 100, 1000), (0x4000 | 16_000, 0x3fff)] {
            let mut octets = v5(1, 2, 3, before, &[V5Record::default()]);
            assert!(multiply(&mut octets, 10));
            assert_eq!(datagram::open(&octets).unwrap().header.sampling_interval, after);
        }
    }

    #[test]
    fn v9_and_ipfix_are_unchanged() {
        for message in [Message::v9(1, 2, 3, 4), Message::ipfix(1, 2, 3)] {
            let before = message.data(300, |w| _ = w.u32(7)).finish();
            let mut octets = before.clone();
            assert!(!multiply(&mut octets, 10));
            assert_eq!(octets, before);
        }
    }

    /// Rates of the flow samples of a datagram.
    fn rates(octets: &[u8]) -> Vec<u32> {
        let samples = sflow::open(octets).unwrap().samples();
        samples
            .filter_map(
                |sample| if let Ok(Sample::Flow(flow)) = sample { Some(flow.head.sampling_rate) } else { None },
            )
            .collect()
    }

    #[test]
    fn the_rate_of_every_flow_sample_is_multiplied() {
        let mut datagram = Datagram::v5("192.0.2.1".parse().ok(), 0, 7, 1);
        for (format, rate) in [
            (sflow::DataFormat::FLOW, 100),
            (sflow::DataFormat::FLOW_EXPANDED, 1),
            (sflow::DataFormat::FLOW, u32::MAX),
        ] {
            datagram.flow(&FlowHead { format, sampling_rate: rate, ..FlowHead::default() }, &[]).unwrap();
        }
        let mut octets = datagram.finish();
        assert!(multiply(&mut octets, 10));
        assert_eq!(rates(&octets), [1000, 10, u32::MAX]);
    }

    proptest! {
        #[test]
        fn nothing_but_rates_changes_whatever_the_octets(mut octets in prop::collection::vec(any::<u8>(), 0..300), version in 0usize..3) {
            let heads: [&[u8]; 3] = [&[0, 5], &[0, 0, 0, 5, 0, 0, 0, 1], &[0, 10]];
            for (place, octet) in octets.iter_mut().zip(heads[version]) {
                *place = *octet;
            }
            let len = octets.len();
            multiply(&mut octets, 3);
            prop_assert_eq!(octets.len(), len);
        }
    }
}
