//! Setup and helpers that all tests share.

use netflow::encode::{Message, V5Record, v5};
use netflow::template::{Field, Kind, Template};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::traffic::Flow;
use testkit::{Finished, Process, Setup};

/// Export time of datagrams.
pub(crate) const NOW: u32 = 1_700_000_000;
/// Uptime of exporters at that time, in milliseconds.
pub(crate) const UPTIME: u32 = 10_000_000;

/// Seconds since 1970, now.
pub(crate) fn clock() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the collector uses the wall clock, and so do its exporters")]
    let now = SystemTime::now();
    let now = now.duration_since(UNIX_EPOCH).expect("the clock is set");
    u32::try_from(now.as_secs()).expect("it is not 2106 yet")
}

/// A collector with these lines after those that all collectors here share. Tables are written at shutdown, unless the lines say
/// otherwise.
pub(crate) fn nfacctd(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config("nfacctd_ip: {ip}\nnfacctd_port: {port}\nprint_refresh_time: 86400")
        .more_config(lines)
}

/// A collector that prints aggregates of these primitives to `out.json`.
pub(crate) fn printing(aggregate: &str) -> Setup {
    nfacctd(&format!(
        "plugins: print[p]
         aggregate[p]: {aggregate}
         print_output[p]: json
         print_output_file[p]: {{dir}}/out.json"
    ))
}

/// Starts a collector and waits until it is ready.
pub(crate) fn start(setup: &Setup) -> Process {
    let process = setup.start();
    process.wait_for_log("waiting for NetFlow/IPFIX data");
    process
}

/// Sends datagrams from 127.0.1.1 to a collector with that setup, stops it, and returns its output.
pub(crate) fn collected<D: AsRef<[u8]>>(setup: &Setup, datagrams: impl IntoIterator<Item = D>) -> Finished {
    let process = start(setup);
    process.exporter("127.0.1.1").send_all(datagrams);
    process.stop()
}

/// The rows that a collector with these primitives makes from datagrams.
pub(crate) fn rows<D: AsRef<[u8]>>(aggregate: &str, datagrams: impl IntoIterator<Item = D>) -> Vec<Value> {
    without_event_type(collected(&printing(aggregate), datagrams).json("out.json"))
}

/// Rows without the field that is the same in all of them.
pub(crate) fn without_event_type(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        if let Some(fields) = row.as_object_mut() {
            assert_eq!(fields.remove("event_type"), Some(Value::from("purge")));
        }
    }
    rows
}

/// A v5 record from 10.0.0.`host` port `port` to 192.0.2.1 port 80.
pub(crate) fn web(host: u8, port: u16, packets: u32, octets: u32) -> V5Record {
    V5Record {
        addresses: [[10, 0, 0, host], [192, 0, 2, 1], [10, 0, 0, 254]],
        interfaces: [1, 2],
        packets,
        octets,
        switched: [UPTIME - 60_000, UPTIME - 10_000],
        ports: [port, 80],
        flags_protocol_tos: [0x1b, 6, 0xb8],
        ases: [64_500, 65_000],
        masks: [24, 16],
    }
}

/// A v5 datagram of those records.
pub(crate) fn v5_of(records: &[V5Record]) -> Vec<u8> {
    v5(0, NOW, UPTIME, 0, records)
}

/// A template of flows.
pub(crate) fn template(domain: u32, id: u16, fields: Vec<Field>) -> Template {
    Template::new(domain, id, Kind::Data, fields)
}

/// An IPFIX message with a template of these fields, and one record of these octets.
pub(crate) fn one(fields: &[Field], record: &[u8]) -> Vec<u8> {
    let template = template(1, 256, fields.to_vec());
    Message::ipfix(1, 0, NOW).templates(&[&template]).data(256, |w| _ = w.put(record)).finish()
}

/// Packets, octets and flows of flows that have the same key.
pub(crate) fn model<'a, K: Ord>(
    flows: impl IntoIterator<Item = &'a Flow>,
    key: impl Fn(&Flow) -> K,
) -> BTreeMap<K, (u64, u64, u64)> {
    let mut aggregates = BTreeMap::new();
    for flow in flows {
        let sums: &mut (u64, u64, u64) = aggregates.entry(key(flow)).or_default();
        sums.0 += u64::from(flow.packets);
        sums.1 += u64::from(flow.octets);
        sums.2 += 1;
    }
    aggregates
}

/// As [`model`], from rows: counters by the values of these fields, as strings. Keys must be unique.
pub(crate) fn by_fields(rows: &[Value], fields: &[&str]) -> BTreeMap<Vec<String>, (u64, u64, u64)> {
    let mut aggregates = BTreeMap::new();
    for row in rows {
        let text = |field: &&str| match &row[*field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let counter = |field: &str| row[field].as_u64().unwrap_or_default();
        let key: Vec<String> = fields.iter().map(text).collect();
        let sums = (counter("packets"), counter("bytes"), counter("flows"));
        assert_eq!(aggregates.insert(key, sums), None, "twice: {row}");
    }
    aggregates
}

/// Asserts that the rows are these, in any order.
#[track_caller]
pub(crate) fn assert_rows(rows: Vec<Value>, expected: impl IntoIterator<Item = Value>) {
    let mut expected: Vec<Value> = expected.into_iter().collect();
    expected.sort_by_key(Value::to_string);
    assert_eq!(rows, expected);
}
