//! Reads our files with the reader of the same library, and compares them with our JSON.

use super::*;
use crate::json::Json;
use crate::testing::{Sample, sample};
use ::parquet::record::Field;
use flow::primitive::PRIMITIVES;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::io::{Seek as _, Write as _};

const FLUSH: u64 = 1_700_000_060;

fn plain(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::UByte(number) => (*number).into(),
        Field::UShort(number) => (*number).into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Double(number) => (*number).into(),
        Field::Str(text) => text.clone().into(),
        Field::TimestampMicros(micros) => json!({ "micros": micros }),
        Field::ListInternal(list) => list.elements().iter().map(plain).collect(),
        Field::MapInternal(map) => {
            let pair = |(key, value): &(Field, Field)| match plain(key) {
                Value::String(key) => (key, plain(value)),
                other => panic!("{other} as a key"),
            };
            map.entries().iter().map(pair).collect::<Map<_, _>>().into()
        }
        other => panic!("{other:?} is not in our schemas"),
    }
}

/// The rows of a file.
fn read(bytes: &[u8]) -> Vec<Value> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let row = |row: ::parquet::record::Row| {
        row.get_column_iter().map(|(name, field)| (name.clone(), plain(field))).collect::<Map<_, _>>().into()
    };
    reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}

/// A file with the rows of a sample, repeated `times`.
fn file(sample: &Sample, style: &Style, times: usize) -> Vec<u8> {
    let mut parquet = Parquet::new(&sample.schema, style).unwrap();
    let mut file = parquet.begin().unwrap();
    let mut out = Vec::new();
    for _ in 0..times {
        for row in sample.table.iter() {
            parquet.row(&row, sample.table.strings(), FLUSH);
            if parquet.is_full() {
                parquet.end_group(&mut file, &mut out).unwrap();
            }
        }
    }
    parquet.end_group(&mut file, &mut out).unwrap();
    file.end(&mut out).unwrap();
    out
}

fn row(sample: &Sample, style: &Style) -> Value {
    read(&file(sample, style, 1)).remove(0)
}

fn arrays() -> Style {
    Style {
        label_as_map: true,
        as_path_as_array: true,
        comms_as_array: true,
        mpls_label_stack_as_array: true,
        tcpflags_as_array: true,
        fwd_status_as_string: true,
        ..Style::default()
    }
}

#[test]
fn numbers_are_unsigned_and_have_their_size() {
    let words = "tag,src_as,src_port,src_mask,tcpflags,src_host_coords,flows";
    let row = sample(words)
        .number("tag", u64::MAX)
        .number("as_src", u32::MAX.into())
        .number("port_src", 65_535)
        .number("mask_src", 255)
        .values(&[u64::MAX, 1 << 63, 0x1b, 3]);
    let read = read(&file(&row, &Style::default(), 1)).remove(0);
    let numbers = json!({
        "tag": u64::MAX, "as_src": u32::MAX, "port_src": 65_535, "mask_src": 255, "tcp_flags": 27,
        "lat_ip_src": 0.0, "lon_ip_src": 0.0, "packets": u64::MAX, "bytes": 1u64 << 63, "flows": 3,
    });
    assert_eq!(read, numbers);
}

#[test]
fn absent_values_are_null() {
    let absent = sample("src_host,peer_dst_ip,timestamp_start,nat_event").event().values(&[0, 0]);
    let nulls = json!({"ip_src": null, "peer_ip_dst": null, "timestamp_start": null, "nat_event": 0,
                       "packets": null, "bytes": null});
    assert_eq!(row(&absent, &Style::default()), nulls);
}

#[test]
fn times_do_not_depend_on_the_zone() {
    let times = sample("timestamp_start+bins")
        .number("timestamp_start", 1_700_000_000_123_456)
        .number("stamp_inserted", 1_699_999_800)
        .values(&[1, 1]);
    let zone = jiff::tz::TimeZone::get("Europe/Rome").unwrap();
    let style = Style { zone, since_epoch: true, ..Style::default() };
    let read = row(&times, &style);
    assert_eq!(read["timestamp_start"], json!({"micros": 1_700_000_000_123_456i64}));
    assert_eq!(read["stamp_inserted"], json!({"micros": 1_699_999_800_000_000i64}));
    assert_eq!(read["stamp_updated"], json!({"micros": 1_700_000_060_000_000i64}));
}

#[test]
fn lists_and_maps_are_groups() {
    let segments = ["2001:db8::1", "fc00::"].map(|s| s.parse::<std::net::Ipv6Addr>().unwrap().octets());
    let lists = sample("label,as_path,std_comm,mpls_label_stack,srv6_seg_ipv6_list,tcpflags,fwd_status")
        .text("label", b"site%par,role%edge,site%lon,alone")
        .text("as_path", b"64496 64497 64498")
        .text("srv6_seg_ipv6_list", segments.as_flattened())
        .values(&[1, 1, 0x12]);
    let read = row(&lists, &arrays());
    assert_eq!(read["label"], json!({"role": "edge", "site": "lon", "alone": ""}));
    assert_eq!(read["as_path"], json!(["64496", "64497", "64498"]));
    assert_eq!(read["comms"], json!([]));
    assert_eq!(read["srv6_seg_ipv6_list"], json!(["2001:db8::1", "fc00::"]));
    assert_eq!(read["tcp_flags"], json!(["ACK", "SYN"]));
    assert_eq!(read["fwd_status"], "UNKNOWN Unclassified");
    assert_eq!(row(&lists, &Style::default())["as_path"], "64496_64497_64498");
}

#[test]
fn custom_primitives_are_columns() {
    let read = row(&crate::testing::customs().values(&[5, 6]), &Style::default());
    assert_eq!((&read["udp_len"], &read["name"]), (&json!(9), &json!("a\u{fffd}")));
}

#[test]
fn row_groups_are_limited_by_rows_and_bytes() {
    let groups = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
    };
    let small = sample("src_port").number("port_src", 7).values(&[1, 2]);
    assert_eq!(groups(&file(&small, &Style::default(), MAX_ROWS + 5)), [MAX_ROWS as i64, 5]);
    let large = sample("label").text("label", &[b'x'; 1 << 20]).values(&[1, 2]);
    assert_eq!(groups(&file(&large, &Style::default(), 40)), [32, 8]);
}

#[test]
fn a_file_without_rows_is_valid() {
    assert_eq!(read(&file(&sample("src_host").values(&[1, 1]), &Style::default(), 0)), Vec::<Value>::new());
}

#[test]
fn rows_are_appended_to_an_existing_file() {
    let rows = sample("src_port,label").number("port_src", 7).text("label", b"a").values(&[1, 2]);
    let first = file(&rows, &Style::default(), 3);
    let mut parquet = Parquet::new(&rows.schema, &Style::default()).unwrap();
    let mut before = tempfile::tempfile().unwrap();
    before.write_all(&first).unwrap();
    before.rewind().unwrap();
    let mut out = Vec::new();
    let write = |bytes: &mut Vec<u8>| {
        out.append(bytes);
        Ok(())
    };
    let mut file = parquet.begin_with(before, write).unwrap();
    parquet.row(&rows.table.iter().next().unwrap(), rows.table.strings(), FLUSH);
    parquet.end_group(&mut file, &mut out).unwrap();
    file.end(&mut out).unwrap();
    let expected = json!({"label": "a", "port_src": 7, "packets": 1, "bytes": 2});
    assert_eq!(read(&out), vec![expected; 4]);
}

#[test]
fn removed_rows_are_not_written() {
    let rows = sample("src_port,as_path").text("as_path", b"1 2").values(&[1, 2]);
    let mut parquet = Parquet::new(&rows.schema, &arrays()).unwrap();
    parquet.row(&rows.table.iter().next().unwrap(), rows.table.strings(), FLUSH);
    parquet.discard();
    let mut file = parquet.begin().unwrap();
    let mut out = Vec::new();
    parquet.row(&rows.table.iter().next().unwrap(), rows.table.strings(), FLUSH);
    parquet.end_group(&mut file, &mut out).unwrap();
    file.end(&mut out).unwrap();
    assert_eq!(read(&out).len(), 1);
}

/// Converts JSON to the values of Parquet. Times are compared elsewhere, because JSON has them as texts.
fn expected(json: &Value, read: &Value) -> Value {
    let mut members = json.as_object().unwrap().clone();
    for (name, value) in &mut members {
        match value {
            _ if read[name].get("micros").is_some() || name.starts_with("timestamp") => {
                *value = read[name].clone();
            }
            Value::String(text) if text.is_empty() && name.contains("ip_") && !name.contains("code") => {
                *value = if name.starts_with("country") { "".into() } else { Value::Null };
            }
            Value::String(text) if name.starts_with("net_") && text.is_empty() => *value = Value::Null,
            Value::String(text) if ["tunnel_tcp_flags", "fwd_status"].contains(&name.as_str()) => {
                *value = text.parse::<u64>().map_or(text.clone().into(), Value::from);
            }
            _ => {}
        }
    }
    for name in ["packets", "flows", "bytes"].into_iter().filter(|name| read.get(name).is_some()) {
        members.entry(name).or_insert(Value::Null);
    }
    members.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Random bytes in all columns of random lists: Parquet equals JSON.
    #[test]
    fn parquet_equals_json(
        picks in prop::collection::vec(0..PRIMITIVES.len(), 1..12),
        noise in prop::collection::vec(any::<u8>(), 1..200),
        texts in prop::collection::vec(prop_oneof!["[ -~]{0,80}", "[a-z%,]{0,20}", "\\PC{0,8}"], 1..5),
        values in prop::collection::vec(any::<u64>().prop_map(|n| n >> 1), 8),
        bins: bool, event: bool, in_arrays: bool,
    ) {
        let words: Vec<&str> = picks.iter().map(|pick| PRIMITIVES[*pick].name).collect();
        let words = words.join(",") + if bins { "+bins" } else { "" };
        // TCP flags are one byte, and may have any position after the first two values.
        let values: Vec<u64> =
            values.iter().enumerate().map(|(at, n)| if at < 2 { *n } else { n & 0xff }).collect();
        let sample = sample(&words).noise(&noise, &texts, event).values(&values);
        let style = if in_arrays { arrays() } else { Style::default() };
        let mut out = Vec::new();
        let mut json = Json::new(&sample.schema, &style, json::Frame::default());
        json.row(&mut out, &sample.table.iter().next().unwrap(), sample.table.strings(), FLUSH);
        let json: Value = serde_json::from_slice(&out).unwrap();
        let read = row(&sample, &style);
        prop_assert_eq!(&read, &expected(&json, &read));
    }
}
