//! Compares our encoding with another implementation.

use super::*;
use crate::json::Json;
use crate::markers::Purge;
use crate::testing::{Sample, sample};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Read;
use flow::primitive::PRIMITIVES;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::io::Cursor;

const FLUSH: u64 = 1_700_000_060;

/// A value as JSON, unions without their branch.
fn plain(value: Read) -> Value {
    match value {
        Read::Null => Value::Null,
        Read::Long(number) => number.into(),
        Read::Int(number) => number.into(),
        Read::Double(number) => number.into(),
        Read::String(text) => text.into(),
        Read::Array(items) => items.into_iter().map(plain).collect(),
        Read::Map(pairs) => {
            pairs.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>().into()
        }
        Read::Record(fields) => {
            fields.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>().into()
        }
        Read::Union(_, value) => plain(*value),
        other => panic!("{other:?} is not in our schemas"),
    }
}

/// One datum from the beginning of these bytes.
fn datum(schema: &str, bytes: &mut &[u8]) -> Read {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    GenericDatumReader::builder(&schema).build().unwrap().read_value(bytes).unwrap()
}

/// The rows of a sample, as another implementation reads them.
fn decoded(sample: &Sample, style: &Style, frame: Frame<'_>) -> Vec<Read> {
    let mut avro = Avro::new(&sample.schema, style, frame);
    let decode = |row| {
        let mut out = Vec::new();
        avro.row(&mut out, &row, sample.table.strings(), FLUSH);
        let mut bytes = out.as_slice();
        let value = datum(avro.schema(), &mut bytes);
        assert!(bytes.is_empty(), "bytes left: {bytes:?}");
        value
    };
    sample.table.iter().map(decode).collect()
}

/// The same as plain JSON.
fn read(sample: &Sample, style: &Style) -> Value {
    plain(decoded(sample, style, Frame::default()).remove(0))
}

fn schema(words: &str, style: &Style, frame: Frame<'_>) -> String {
    Avro::new(&sample(words).schema, style, frame).schema().to_owned()
}

/// What Avro's JSON encoding writes, parsed.
fn text(sample: &Sample, style: &Style) -> Value {
    let mut json = AvroJson::new(&sample.schema, style, Frame { writer_id: Some("a/7") });
    let mut out = Vec::new();
    json.row(&mut out, &sample.table.iter().next().unwrap(), sample.table.strings(), FLUSH);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

#[test]
fn the_schema_equals_that_of_pmacct() {
    assert_eq!(
        schema("src_host,proto", &Style::default(), Frame::default()),
        concat!(
            r#"{"type":"record","name":"acct_data","fields":[{"name":"ip_src","type":{"type":"string"}},"#,
            r#"{"name":"ip_proto","type":{"type":"string"}},{"name":"packets","type":[{"type":"null"},"#,
            r#"{"type":"long"}]},{"name":"flows","type":[{"type":"null"},{"type":"long"}]},"#,
            r#"{"name":"bytes","type":[{"type":"null"},{"type":"long"}]}]}"#
        )
    );
}

#[test]
fn a_record_has_these_bytes() {
    let sample = sample("src_host,tag").ip("ip_src", "2001:db8::1").values(&[1, 48]);
    let mut out = Vec::new();
    let mut avro = Avro::new(&sample.schema, &Style::default(), Frame { writer_id: Some("k/29253") });
    avro.row(&mut out, &sample.table.iter().next().unwrap(), sample.table.strings(), 0);
    assert_eq!(out, b"\x00\x162001:db8::1\x02\x02\x00\x02\x60\x0ek/29253");
}

#[test]
fn types_follow_kinds_and_settings() {
    let words = "label,as_path,std_comm,mpls_label_stack,tcpflags,fwd_status,flow_label,src_host_coords+bins";
    let text = schema(words, &Style::default(), Frame { writer_id: Some("x") });
    for (name, of) in [
        ("label", r#"{"type":"string"}"#),
        ("as_path", r#"{"type":"string"}"#),
        ("tcp_flags", r#"{"type":"string"}"#),
        ("fwd_status", r#"{"type":"string"}"#),
        ("flow_label", r#"{"type":"int"}"#),
        ("lat_ip_src", r#"{"type":"double"}"#),
        ("stamp_inserted", r#"[{"type":"null"},{"type":"string"}]"#),
        ("stamp_updated", r#"[{"type":"null"},{"type":"string"}]"#),
        ("writer_id", r#"{"type":"string"}"#),
    ] {
        assert!(text.contains(&format!(r#"{{"name":"{name}","type":{of}}}"#)), "{name}: {text}");
    }
    let text = schema(words, &arrays(), Frame::default());
    for name in ["as_path", "comms", "mpls_label_stack", "tcp_flags"] {
        let of = r#"{"type":"array","items":{"type":"string"}}"#;
        assert!(text.contains(&format!(r#"{{"name":"{name}","type":{of}}}"#)), "{name}: {text}");
    }
    assert!(text.contains(r#"{"name":"label","type":{"type":"map","values":{"type":"string"}}}"#));
}

#[test]
fn large_numbers_wrap_to_negative() {
    let row = sample("tag,flow_label").number("tag", u64::MAX).number("flow_label", 0xffff_fffe);
    let row = row.values(&[1 << 63, i64::MAX as u64]);
    let wrapped = json!({"tag": -1, "flow_label": -2, "packets": i64::MIN, "flows": null, "bytes": i64::MAX});
    assert_eq!(read(&row, &Style::default()), wrapped);
    assert_eq!(
        text(&row, &Style::default()),
        json!({"tag": -1, "flow_label": -2, "packets": {"long": i64::MIN}, "flows": null,
               "bytes": {"long": i64::MAX}, "writer_id": "a/7"})
    );
}

#[test]
fn events_have_null_for_counters() {
    let event = sample("nat_event,flows").number("nat_event", 1).event().values(&[0, 0, 0]);
    let nulls = json!({"nat_event": 1, "packets": null, "flows": null, "bytes": null});
    assert_eq!(read(&event, &Style::default()), nulls);
    assert_eq!(text(&event, &Style::default())["packets"], Value::Null);
    let idle = sample("nat_event,flows").values(&[0, 0, 0]);
    assert_eq!(read(&idle, &Style::default())["flows"], 0);
}

#[test]
fn long_and_invalid_texts_are_strings() {
    for (bytes, shown) in [
        (vec![b'x'; 63], "x".repeat(63)),
        (vec![b'x'; 64], "x".repeat(64)),
        (vec![b'y'; 9000], "y".repeat(9000)),
        (b"a\xff\x00b".to_vec(), "a\u{fffd}\0b".to_owned()),
    ] {
        let row = sample("label,src_port").text("label", &bytes).values(&[1, 1]);
        assert_eq!(read(&row, &Style::default())["label"], shown);
        assert_eq!(text(&row, &Style::default())["label"], shown);
    }
}

#[test]
fn times_of_bins_and_flushes_are_in_unions() {
    let row = sample("src_port+bins").number("stamp_inserted", 1_700_000_000).values(&[1, 2]);
    let values = read(&row, &Style::default());
    assert_eq!(values["stamp_inserted"], "2023-11-14 22:13:20");
    assert_eq!(values["stamp_updated"], "2023-11-14 22:14:20");
    assert_eq!(text(&row, &Style::default())["stamp_inserted"], json!({"string": "2023-11-14 22:13:20"}));
}

#[test]
fn custom_primitives_are_one_map() {
    let row = crate::testing::customs().values(&[5, 6]);
    let map = json!({"udp_len": "9", "name": "a\u{fffd}"});
    assert_eq!(read(&row, &arrays())["custom_primitives"], map);
    assert_eq!(text(&row, &arrays())["custom_primitives"], map);
}

#[test]
fn markers_have_schemas() {
    let purge = Purge { written: 2, total: 300, seconds: 1 };
    let decode = |schema, mut bytes: &[u8]| plain(datum(schema, &mut bytes));
    let (mut start, mut end) = (Vec::new(), Vec::new());
    markers::start(&mut start, "a/7");
    markers::end(&mut end, "a/7", purge);
    let (mut start_text, mut end_text) = (Vec::new(), Vec::new());
    crate::markers::json_start(&mut start_text, "a/7");
    crate::markers::json_end(&mut end_text, "a/7", purge);
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    assert_eq!(decode(markers::START_SCHEMA, &start), parse(&start_text));
    assert_eq!(decode(markers::END_SCHEMA, &end), parse(&end_text));
}

/// A file of two blocks of one record each.
fn file() -> (Vec<u8>, Vec<usize>) {
    let row = sample("src_port").number("port_src", 7).values(&[1, 2]);
    let mut avro = Avro::new(&row.schema, &Style::default(), Frame::default());
    let sync = *b"0123456789abcdef";
    let mut out = Vec::new();
    container::head(&mut out, avro.schema(), &sync);
    let mut ends = vec![out.len()];
    let mut block = container::Block::default();
    block.end(&mut out, &sync);
    for _ in 0..2 {
        avro.row(&mut block.records, &row.table.iter().next().unwrap(), row.table.strings(), 0);
        block.count += 1;
        block.end(&mut out, &sync);
        ends.push(out.len());
    }
    (out, ends)
}

#[test]
fn files_are_read_by_another_implementation() {
    let (file, _) = file();
    let rows: Vec<Value> =
        apache_avro::Reader::new(file.as_slice()).unwrap().map(|row| plain(row.unwrap())).collect();
    assert_eq!(rows, vec![json!({"port_src": 7, "packets": 1, "flows": null, "bytes": 2}); 2]);
}

#[test]
fn heads_of_all_writers_are_read() {
    let (file, ends) = file();
    let head = container::read_head(&mut file.as_slice()).unwrap();
    assert_eq!((head.codec.as_deref(), head.length), (Some("null"), ends[0] as u64));
    assert_eq!(head.schema, schema("src_port", &Style::default(), Frame::default()));
    let parsed = apache_avro::Schema::parse_str(&head.schema).unwrap();
    let theirs = apache_avro::Writer::new(&parsed, Vec::new()).unwrap().into_inner().unwrap();
    let read = container::read_head(&mut theirs.as_slice()).unwrap();
    assert_eq!(apache_avro::Schema::parse_str(&read.schema).unwrap(), parsed);
    assert_eq!(read.length, theirs.len() as u64);
    // Metadata may have blocks with a size.
    let other = b"Obj\x01\x01\x20\x16avro.schema\x06\"x\"\x00sync8sync8sync16";
    assert_eq!(container::read_head(&mut other.as_slice()).unwrap().schema, "\"x\"");
}

#[test]
fn a_truncated_file_ends_at_its_last_complete_block() {
    let (file, ends) = file();
    for cut in 0..=file.len() {
        let mut cursor = Cursor::new(&file[..cut]);
        let Ok(head) = container::read_head(&mut cursor) else {
            assert!(cut < ends[0]);
            continue;
        };
        let whole = ends.iter().rfind(|end| **end <= cut).unwrap();
        assert_eq!(container::whole(&mut cursor, &head).unwrap(), *whole as u64, "{cut}");
    }
}

#[test]
fn rejects_files_that_are_not_containers() {
    for bytes in
        [&b""[..], b"Ob", b"{\"a\": 1}\n", b"Obj\x02", b"Obj\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
    {
        let error = container::read_head(&mut &bytes[..]).unwrap_err();
        assert_eq!(error.to_string(), "not an Avro object container file");
    }
    let endless = std::io::Read::chain(&b"Obj\x01\x7f"[..], std::io::repeat(0x7f));
    assert!(container::read_head(&mut std::io::Read::take(endless, 1 << 24)).is_err());
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

/// Converts JSON to the values of Avro.
fn expected(json: &Value) -> Value {
    let mut members = json.as_object().unwrap().clone();
    for name in ["tag", "tag2", "packets", "bytes", "flows", "mpls_pw_id"] {
        // Numbers beyond 63 bits wrap.
        if let Some(number) = members.get(name).and_then(Value::as_u64) {
            members.insert(name.to_owned(), number.cast_signed().into());
        }
    }
    for name in ["flow_label", "tunnel_flow_label"] {
        if let Some(number) = members.get(name).and_then(Value::as_u64) {
            members.insert(name.to_owned(), (number as u32).cast_signed().into());
        }
    }
    if let Some(flags) = members.get("tcp_flags").and_then(Value::as_u64) {
        members.insert("tcp_flags".to_owned(), flags.to_string().into());
    }
    for name in ["packets", "flows", "bytes"] {
        members.entry(name).or_insert(Value::Null);
    }
    members.into()
}

/// Removes the branches of unions from Avro's JSON encoding.
fn without_branches(mut text: Value) -> Value {
    for value in text.as_object_mut().unwrap().values_mut() {
        for branch in ["long", "string"] {
            if let Some(inner) = value.as_object().filter(|members| members.len() == 1).and_then(|m| m.get(branch))
            {
                *value = inner.clone();
            }
        }
    }
    text.as_object_mut().unwrap().remove("writer_id");
    text
}

proptest! {
    /// Reading the head and finding the end terminates within any file.
    #[test]
    fn arbitrary_files_terminate(
        noise in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..400, keep in 0usize..600,
    ) {
        let (mut bytes, _) = file();
        bytes.truncate(keep);
        let at = at.min(bytes.len());
        bytes.splice(at.., noise);
        let mut cursor = Cursor::new(&bytes);
        if let Ok(head) = container::read_head(&mut cursor) {
            let whole = container::whole(&mut cursor, &head).unwrap();
            prop_assert!((head.length..=bytes.len() as u64).contains(&whole));
        }
    }

    /// Random bytes in all columns of random lists: Avro, its JSON encoding and our JSON agree.
    #[test]
    fn all_encodings_agree(
        picks in prop::collection::vec(0..PRIMITIVES.len(), 1..12),
        noise in prop::collection::vec(any::<u8>(), 1..200),
        texts in prop::collection::vec(prop_oneof!["[ -~]{0,80}", "[a-z%,]{0,20}", "\\PC{0,8}"], 1..5),
        values in prop::collection::vec(any::<u64>(), 8),
        bins: bool, event: bool, in_arrays: bool, since_epoch: bool,
    ) {
        let words: Vec<&str> = picks.iter().map(|pick| PRIMITIVES[*pick].name).collect();
        let words = words.join(",") + if bins { "+bins" } else { "" };
        let row = sample(&words).noise(&noise, &texts, event).values(&values);
        let style = Style { since_epoch, ..if in_arrays { arrays() } else { Style::default() } };
        let mut out = Vec::new();
        let mut json = Json::new(&row.schema, &style, json::Frame::default());
        json.row(&mut out, &row.table.iter().next().unwrap(), row.table.strings(), FLUSH);
        let json: Value = serde_json::from_slice(&out).unwrap();
        let read = read(&row, &style);
        prop_assert_eq!(&read, &expected(&json));
        prop_assert_eq!(without_branches(text(&row, &style)), read);
    }
}
