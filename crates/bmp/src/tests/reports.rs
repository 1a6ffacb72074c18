use super::*;
use crate::statistics::{CounterBuf, CounterValue, StatisticType};
use wire::{Afi, Safi};

/// 1000 rejected prefixes, 2^40 + 7 routes, and 9 of IPv4 unicast.
const COUNTERS: &str = "
    00 00 00 04 00 00 03 e8
    00 07 00 08 00 00 01 00 00 00 00 07
    00 09 00 0b 00 01 01 00 00 00 00 00 00 00 09";

fn report(body: &[&str]) -> Vec<u8> {
    v3(MessageType::STATISTICS_REPORT, &[&[PEER], body].concat())
}

#[test]
fn counters_are_read_by_the_form_of_their_type() {
    let octets = report(&["00 00 00 03", COUNTERS]);
    let message = decoded!(Statistics, &octets);
    let values: Vec<_> = message.counters.map(|counter| (counter.kind, counter.value())).collect();
    let value = |family, number| Some(CounterValue { family, number });
    let expected = [
        (StatisticType::REJECTED_PREFIXES, value(None, 1000)),
        (StatisticType::ADJ_RIB_IN, value(None, (1 << 40) + 7)),
        (StatisticType::ADJ_RIB_IN_FAMILY, value(Some((Afi::IPV4, Safi::UNICAST)), 9)),
    ];
    assert_eq!((values, message.fault), (expected.to_vec(), None));
}

#[test]
fn unknown_types_and_lengths_have_octets_but_no_value() {
    let octets = report(&[
        "00 00 00 06",
        "03 e7 00 03 01 02 03",
        "00 20 00 00",
        "00 07 00 02 00 01",
        "00 09 00 08 00 01 01 00 00 00 00 01",
        // 64 bits of a counter, and 32 of a gauge.
        "00 00 00 08 00 00 00 00 00 00 00 05",
        "00 07 00 04 00 00 00 06",
    ]);
    let message = decoded!(Statistics, &octets);
    let values: Vec<_> = message.counters.map(|counter| counter.value().map(|value| value.number)).collect();
    assert_eq!(values, [None, None, None, None, Some(5), Some(6)]);
    assert_eq!(message.counters.clone().next().map(|counter| counter.octets), Some(&[1, 2, 3][..]));
}

#[test]
fn counters_before_an_error_are_kept() {
    let count = |octets: &[u8]| {
        let message = decoded!(Statistics, octets);
        (message.counters.count(), message.fault)
    };
    // More are announced than there are.
    assert_eq!(count(&report(&["00 00 00 09", COUNTERS])), (3, Some(truncated(87, 2, 0))));
    assert_eq!(count(&report(&["ff ff ff ff"])), (0, Some(truncated(52, 2, 0))));
    // The last one is cut.
    assert_eq!(count(&report(&["00 00 00 04", COUNTERS, "00 00 00 04 00"])), (3, Some(truncated(91, 4, 1))));
    // Fewer are announced.
    let trailing = MessageError { at: 72, reason: Reason::Trailing { octets: 15 } };
    assert_eq!(count(&report(&["00 00 00 02", COUNTERS])), (2, Some(trailing)));
    assert_eq!(decode(&report(&["00 00"])), Err(truncated(48, 4, 2)));
}

#[test]
fn both_forms_of_version_4_are_read() {
    let report = |body: &[&str]| message(Version::V4, MessageType::STATISTICS_REPORT, &[&[PEER], body].concat());
    for (octets, tlvs) in [
        (report(&["00 00 00 03", COUNTERS, "00 05 00 01 aa"]), vec![5]),
        (report(&["00 00 00 03", COUNTERS]), vec![]),
        (report(&["00 01 00 27 00 00 00 03", COUNTERS, "00 05 00 01 aa"]), vec![5]),
        (report(&["00 01 00 27 00 00 00 03", COUNTERS]), vec![]),
    ] {
        let message = decoded!(Statistics, &octets);
        assert_eq!((message.counters.count(), message.fault), (3, None));
        assert_eq!(message.tlvs.map(|tlv| tlv.kind).collect::<Vec<_>>(), tlvs);
    }
    assert_eq!(decode(&report(&["00 01 00 05 00 00"])), Err(truncated(52, 5, 2)));
    assert_eq!(decode(&report(&["00 01 00 02 00 00"])), Err(truncated(52, 4, 2)));
    let octets = report(&["00 01 00 05 00 00 00 00 99"]);
    let trailing = MessageError { at: 56, reason: Reason::Trailing { octets: 1 } };
    assert_eq!(decoded!(Statistics, &octets).fault, Some(trailing));
}

#[test]
fn counters_are_written_in_their_forms() {
    let mut counters = CounterBuf::new();
    counters.counter(StatisticType(0), 1000).gauge(StatisticType(7), (1 << 40) + 7);
    counters.family_gauge(StatisticType(9), Afi::IPV4, Safi::UNICAST, 9);
    assert_eq!(counters.counters().octets(), hex(COUNTERS));
    assert!(counters.add(StatisticType(1), &[0; 65_536]).is_err());
    assert_eq!(counters.counters().count(), 3);
}
