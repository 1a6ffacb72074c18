use crate::cisco::{Content, Form, to_json};
use crate::dial_out::Args;
use crate::messages::cisco::telemetry::{NodeId, Subscription};
use crate::messages::cisco::telemetry_field::ValueByType;
use crate::messages::cisco::{MdtDialoutArgs, Telemetry, TelemetryField, TelemetryGpbTable, TelemetryRowGpb};
use crate::{Fault, Limits};
use prost::Message;
use wire::Truncated;

pub(super) fn field(name: &str, value: Option<ValueByType>, fields: Vec<TelemetryField>) -> TelemetryField {
    TelemetryField { timestamp: 0, name: name.to_owned(), value_by_type: value, fields }
}

fn telemetry() -> Telemetry {
    Telemetry {
        node_id: Some(NodeId::NodeIdStr("edge-1".to_owned())),
        subscription: Some(Subscription::SubscriptionIdStr("counters".to_owned())),
        encoding_path: "Cisco-IOS-XR-infra-statsd-oper:interfaces".to_owned(),
        collection_id: 7,
        collection_start_time: 1_700_000_000_001,
        msg_timestamp: 1_700_000_000_002,
        collection_end_time: 1_700_000_000_003,
        ..Telemetry::default()
    }
}

fn json(octets: &[u8], form: Form) -> Result<(Content, String), Fault> {
    let mut out = b"before".to_vec();
    let content = to_json(octets, form, &Limits::default(), &mut out);
    assert!(content.is_ok() || out == b"before");
    Ok((content?, String::from_utf8(out.split_off(6)).unwrap()))
}

fn key_value() -> Telemetry {
    let keys = field(
        "keys",
        None,
        vec![field("interface-name", Some(ValueByType::StringValue("Gi0/0/0/0".to_owned())), vec![])],
    );
    let content = field(
        "content",
        None,
        vec![
            field("bytes-received", Some(ValueByType::Uint64Value(u64::MAX)), vec![]),
            field("errors", Some(ValueByType::Uint32Value(0)), vec![]),
            field("offset", Some(ValueByType::Sint64Value(-5)), vec![]),
            field("level", Some(ValueByType::Sint32Value(i32::MIN)), vec![]),
            field("power", Some(ValueByType::DoubleValue(-2.5)), vec![]),
            field("ratio", Some(ValueByType::FloatValue(0.1)), vec![]),
            field("up", Some(ValueByType::BoolValue(true)), vec![]),
            field("mac", Some(ValueByType::BytesValue(vec![0, 0xff])), vec![]),
            field("description", Some(ValueByType::StringValue(String::new())), vec![]),
            field("nothing", None, vec![]),
            field("", Some(ValueByType::Uint32Value(1)), vec![]),
            TelemetryField { timestamp: 9, ..field("dated", Some(ValueByType::BoolValue(false)), vec![]) },
        ],
    );
    let row = TelemetryField { timestamp: 1_700_000_000_000, ..field("", None, vec![keys, content]) };
    Telemetry { data_gpbkv: vec![row], ..telemetry() }
}

const HEAD: &str = r#"{"node_id":"edge-1","subscription_id":"counters","encoding_path":"Cisco-IOS-XR-infra-statsd-oper:interfaces","collection_id":7,"collection_start_time":1700000000001,"msg_timestamp":1700000000002,"collection_end_time":1700000000003"#;

#[test]
fn self_describing_data_keeps_its_structure_and_types() {
    let expected = format!(
        "{HEAD}{}",
        r#","data_gpbkv":[{"timestamp":1700000000000,"fields":[{"keys":{"fields":[{"interface-name":"Gi0/0/0/0"}]}},{"content":{"fields":[{"bytes-received":18446744073709551615},{"errors":0},{"offset":-5},{"level":-2147483648},{"power":-2.5},{"ratio":0.1},{"up":true},{"mac":"AP8="},{"description":""},{"nothing":null},1,{"dated":{"timestamp":9,"value":false}}]}}]}]}"#
    );
    assert_eq!(json(&key_value().encode_to_vec(), Form::KeyValue), Ok((Content::KeyValue, expected)));
}

#[test]
fn protobufs_own_json_is_the_other_form() {
    let expected = r#"{"nodeIdStr":"edge-1","subscriptionIdStr":"counters","encodingPath":"Cisco-IOS-XR-infra-statsd-oper:interfaces","collectionId":"7","collectionStartTime":"1700000000001","msgTimestamp":"1700000000002","dataGpbkv":[{"timestamp":"1700000000000","fields":[{"name":"keys","fields":[{"name":"interface-name","stringValue":"Gi0/0/0/0"}]},{"name":"content","fields":[{"name":"bytes-received","uint64Value":"18446744073709551615"},{"name":"errors","uint32Value":0},{"name":"offset","sint64Value":"-5"},{"name":"level","sint32Value":-2147483648},{"name":"power","doubleValue":-2.5},{"name":"ratio","floatValue":0.1},{"name":"up","boolValue":true},{"name":"mac","bytesValue":"AP8="},{"name":"description","stringValue":""},{"name":"nothing"},{"uint32Value":1},{"timestamp":"9","name":"dated","boolValue":false}]}]}],"collectionEndTime":"1700000000003"}"#;
    let written = json(&key_value().encode_to_vec(), Form::Protobuf);
    assert_eq!(written, Ok((Content::KeyValue, expected.to_owned())));
}

#[test]
fn compact_data_is_base64() {
    let row = TelemetryRowGpb { timestamp: 5, keys: b"k".to_vec(), content: vec![8, 1] };
    let compact = Telemetry {
        data_gpb: Some(TelemetryGpbTable { row: vec![row, TelemetryRowGpb::default()] }),
        ..telemetry()
    };
    let expected = format!(
        "{HEAD}{}",
        r#","data_gpb":[{"timestamp":5,"keys":"aw==","content":"CAE="},{"timestamp":0,"keys":"","content":""}]}"#
    );
    assert_eq!(json(&compact.encode_to_vec(), Form::KeyValue), Ok((Content::Compact, expected)));
}

#[test]
fn an_empty_message_shows_its_defaults() {
    let expected = r#"{"encoding_path":"","collection_id":0,"collection_start_time":0,"msg_timestamp":0,"collection_end_time":0,"data_gpbkv":[]}"#;
    assert_eq!(json(&[], Form::KeyValue), Ok((Content::KeyValue, expected.to_owned())));
    assert_eq!(json(&[], Form::Protobuf), Ok((Content::KeyValue, "{}".to_owned())));
}

#[test]
fn fields_that_routers_seldom_send_are_shown() {
    let message = Telemetry {
        node_id: Some(NodeId::NodeIdUuid(vec![1, 2, 3])),
        subscription: Some(Subscription::SubscriptionId(70_000)),
        sensor_path: "a".to_owned(),
        model_version: "2".to_owned(),
        heartbeat_sequence_number: 3,
        ..Telemetry::default()
    };
    let expected = r#"{"node_id_uuid":"AQID","subscription_id":70000,"sensor_path":"a","model_version":"2","encoding_path":"","collection_id":0,"collection_start_time":0,"msg_timestamp":0,"collection_end_time":0,"heartbeat_sequence_number":3,"data_gpbkv":[]}"#;
    assert_eq!(json(&message.encode_to_vec(), Form::KeyValue), Ok((Content::KeyValue, expected.to_owned())));
}

#[test]
fn each_way_to_be_bad_has_its_fault_and_offset() {
    for (octets, fault) in [
        // encoding_path of 5 octets, 2 left.
        (&[0x32, 5, b'a', b'b'][..], Fault::Truncated(Truncated { at: 2, wanted: 5, left: 2 })),
        // collection_id as text.
        (&[0x42, 0], Fault::WireType { at: 0, number: 8, wire_type: 2 }),
        // data_gpb twice.
        (&[0x62, 0, 0x62, 0], Fault::Repeated { at: 2, number: 12 }),
        // A field whose name goes beyond it.
        (&[0x5a, 2, 0x12, 1, 0x40, 0], Fault::Truncated(Truncated { at: 4, wanted: 1, left: 0 })),
        // A double of four octets.
        (&[0x5a, 5, 0x5d, 0, 0, 0, 0], Fault::WireType { at: 2, number: 11, wire_type: 5 }),
    ] {
        assert_eq!(json(octets, Form::KeyValue), Err(fault), "{octets:02x?}");
        assert!(!fault.to_string().is_empty() && Fault::NAMES.contains(&Fault::NAMES[fault.index()]));
    }
}

#[test]
fn of_two_names_the_last_one_counts() {
    let octets = [&[0x0a, 1, b'a', 0x12, 1, 1][..], &[0x5a, 4, 0x38, 1, 0x30, 1]].concat();
    assert!(json(&octets, Form::KeyValue).unwrap().1.starts_with(r#"{"node_id_uuid":"AQ==","#));
    let expected = r#"{"nodeIdUuid":"AQ==","dataGpbkv":[{"boolValue":true}]}"#;
    assert_eq!(json(&octets, Form::Protobuf), Ok((Content::KeyValue, expected.to_owned())));
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| {
        let mut node = field("a", None, vec![]);
        for _ in 0..depth {
            node = field("a", None, vec![node]);
        }
        Telemetry { data_gpbkv: vec![node], ..Telemetry::default() }.encode_to_vec()
    };
    for form in [Form::KeyValue, Form::Protobuf] {
        assert!(json(&nested(40), form).is_ok());
        assert!(matches!(json(&nested(80), form), Err(Fault::Depth { .. })), "{form:?}");
    }
    let limits = Limits { json: 400, ..Limits::default() };
    let mut out = Vec::new();
    let result = to_json(&key_value().encode_to_vec(), Form::KeyValue, &limits, &mut out);
    assert_eq!(result, Err(Fault::TooLarge { limit: 400 }));
    assert!(out.is_empty() && out.capacity() < 1000);
}

#[test]
fn arguments_of_dial_out_have_data_and_errors() {
    let args = MdtDialoutArgs { req_id: -1, data: b"{}".to_vec(), errors: "no".to_owned() }.encode_to_vec();
    let read = Args::cisco(&args).unwrap();
    assert_eq!(read, Args { request_id: -1, data: b"{}", is_json: false, errors: b"no" });
    assert!(read.looks_like_json() && !read.is_blank());
    assert!(Args { data: b" ", ..read }.is_blank() && Args { data: b"", ..read }.is_blank());
    assert!(!Args { data: &[0x0a, 1, b'a'], ..read }.looks_like_json());
    assert_eq!(Args::cisco(&[0x22, 1, b'x']).unwrap().data, b"");
    assert_eq!(Args::huawei(&[0x22, 1, b'x']).unwrap(), Args { data: b"x", is_json: true, ..Args::default() });
    assert_eq!(Args::cisco(&[0x10, 1]), Err(Fault::WireType { at: 0, number: 2, wire_type: 0 }));
}
