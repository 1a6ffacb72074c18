use super::cisco::field;
use super::gnmi::{path, response, update};
use crate::messages::cisco::telemetry::NodeId;
use crate::messages::cisco::telemetry_field::ValueByType;
use crate::messages::cisco::{Telemetry, TelemetryField};
use crate::messages::gnmi::Notification;
use crate::messages::gnmi::typed_value::Value as Typed;
use crate::{Limits, cisco, gnmi, huawei};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Option<ValueByType>> {
    prop_oneof![
        Just(None),
        any::<String>().prop_map(|text| Some(ValueByType::StringValue(text))),
        any::<bool>().prop_map(|value| Some(ValueByType::BoolValue(value))),
        any::<u32>().prop_map(|value| Some(ValueByType::Uint32Value(value))),
        any::<u64>().prop_map(|value| Some(ValueByType::Uint64Value(value))),
        any::<i32>().prop_map(|value| Some(ValueByType::Sint32Value(value))),
        any::<i64>().prop_map(|value| Some(ValueByType::Sint64Value(value))),
        // A fraction that all readers of JSON read exactly.
        any::<i32>().prop_map(|value| Some(ValueByType::DoubleValue(f64::from(value) / 4.0))),
    ]
}

fn fields() -> impl Strategy<Value = Vec<TelemetryField>> {
    let leaf = (0u64..3, "[a-z\"]{0,3}", value())
        .prop_map(|(timestamp, name, value)| TelemetryField { timestamp, ..field(&name, value, vec![]) });
    let node = leaf.prop_recursive(4, 30, 4, |inner| {
        ("[a-z]{0,3}", value(), prop::collection::vec(inner, 0..4))
            .prop_map(|(name, value, fields)| field(&name, value, fields))
    });
    prop::collection::vec(node, 0..4)
}

/// The form of the fields, from the tree.
fn expected(fields: &[TelemetryField]) -> Value {
    let of_value = |value: &ValueByType| match value {
        ValueByType::StringValue(text) => json!(text),
        ValueByType::BoolValue(value) => json!(value),
        ValueByType::Uint32Value(value) => json!(value),
        ValueByType::Uint64Value(value) => json!(value),
        ValueByType::Sint32Value(value) => json!(value),
        ValueByType::Sint64Value(value) => json!(value),
        ValueByType::DoubleValue(value) => json!(value),
        other => panic!("{other:?}"),
    };
    let of_field = |field: &TelemetryField| {
        let value = field.value_by_type.as_ref().map(of_value);
        if field.timestamp == 0 && field.fields.is_empty() {
            return value.unwrap_or(Value::Null);
        }
        let mut object = json!({});
        if field.timestamp != 0 {
            object["timestamp"] = json!(field.timestamp);
        }
        if !field.fields.is_empty() {
            object["fields"] = expected(&field.fields);
        }
        if let Some(value) = value {
            object["value"] = value;
        }
        object
    };
    let named = |field: &TelemetryField| {
        if field.name.is_empty() { of_field(field) } else { json!({ field.name.clone(): of_field(field) }) }
    };
    Value::Array(fields.iter().map(named).collect())
}

/// Decodes octets in all ways, and checks that what comes out is JSON, on one line and within the limit.
fn decode_all(octets: &[u8]) {
    let limits = Limits { depth: 20, json: 3000 };
    let mut outputs = Vec::new();
    for form in [cisco::Form::KeyValue, cisco::Form::Protobuf] {
        let mut out = Vec::new();
        if cisco::to_json(octets, form, &limits, &mut out).is_ok() {
            outputs.push(out);
        }
    }
    for form in [gnmi::Form::Juniper, gnmi::Form::Nokia, gnmi::Form::Notification] {
        let mut out = Vec::new();
        if gnmi::to_json(octets, form, &limits, &mut out) == Ok(gnmi::Content::Update) {
            outputs.push(out);
        }
    }
    let mut out = Vec::new();
    if huawei::to_json(octets, &limits, &mut out).is_ok() {
        outputs.push(out);
    }
    for out in outputs {
        assert!(out.len() <= limits.json && !out.contains(&b'\n'));
        serde_json::from_slice::<serde::de::IgnoredAny>(&out).unwrap();
    }
}

proptest! {
    #[test]
    fn self_describing_data_is_what_a_tree_says(data_gpbkv in fields(), id in any::<u64>(), node in any::<String>()) {
        let node_id = Some(NodeId::NodeIdStr(node.clone()));
        let message = Telemetry { node_id, collection_id: id, data_gpbkv, ..Telemetry::default() };
        let mut out = Vec::new();
        cisco::to_json(&message.encode_to_vec(), cisco::Form::KeyValue, &Limits::default(), &mut out).unwrap();
        let json: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&json["data_gpbkv"], &expected(&message.data_gpbkv));
        prop_assert_eq!(&json["collection_id"], &json!(id));
        prop_assert_eq!(&json["node_id"], &json!(node));
    }

    #[test]
    fn a_cut_message_is_an_error_or_one_without_its_last_fields(data_gpbkv in fields(), cut in any::<prop::sample::Index>()) {
        let octets = Telemetry { data_gpbkv, msg_timestamp: 1, ..Telemetry::default() }.encode_to_vec();
        let cut = &octets[..cut.index(octets.len())];
        let mut out = Vec::new();
        let ours = cisco::to_json(cut, cisco::Form::KeyValue, &Limits::default(), &mut out).is_ok();
        prop_assert_eq!(ours, Telemetry::decode(cut).is_ok());
    }

    #[test]
    fn any_octets_give_valid_json_or_a_fault(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&octets);
    }

    #[test]
    fn changed_messages_give_valid_json_or_a_fault(
        data_gpbkv in fields(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let notification = Notification {
            prefix: Some(path("a/b[c=d]")),
            update: vec![update("e", Typed::JsonVal(b"[1]".to_vec())), update("f[g=h]", Typed::UintVal(3))],
            delete: vec![path("x")],
            ..Notification::default()
        };
        for mut octets in [
            Telemetry { data_gpbkv, msg_timestamp: 1, ..Telemetry::default() }.encode_to_vec(),
            response(notification).encode_to_vec(),
        ] {
            for (at, octet) in &changes {
                let at = at.index(octets.len());
                octets[at] = *octet;
            }
            decode_all(&octets);
        }
    }
}
