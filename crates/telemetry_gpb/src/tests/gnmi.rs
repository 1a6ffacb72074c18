use crate::gnmi::{Content, Form, to_json};
use crate::messages::gnmi::subscribe_response::Response;
use crate::messages::gnmi::typed_value::Value as Typed;
use crate::messages::gnmi::{
    Any, Decimal64, Extension, JuniperHeader, Notification, Path, PathElem, RegisteredExtension, ScalarArray,
    SubscribeResponse, TypedValue, Update, Value as OldValue,
};
use crate::{Fault, Limits};
use prost::Message;

pub(super) fn path(text: &str) -> Path {
    let elem = text.split('/').filter(|name| !name.is_empty()).map(|element| {
        let (name, keys) = element.split_once('[').unwrap_or((element, ""));
        let keys = keys.split(['[', ']']).filter_map(|key| key.split_once('='));
        let key = keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        PathElem { name: name.to_owned(), key }
    });
    Path { elem: elem.collect(), ..Path::default() }
}

pub(super) fn update(at: &str, value: Typed) -> Update {
    Update { path: Some(path(at)), val: Some(TypedValue { value: Some(value) }), ..Update::default() }
}

pub(super) fn response(notification: Notification) -> SubscribeResponse {
    SubscribeResponse { response: Some(Response::Update(notification)), extension: vec![] }
}

fn json(response: &SubscribeResponse, form: Form) -> Result<(Content, String), Fault> {
    let mut out = Vec::new();
    let content = to_json(&response.encode_to_vec(), form, &Limits::default(), &mut out)?;
    Ok((content, String::from_utf8(out).unwrap()))
}

fn written(response: &SubscribeResponse, form: Form) -> String {
    let (content, text) = json(response, form).unwrap();
    assert_eq!(content, Content::Update);
    text
}

fn notification() -> Notification {
    Notification {
        timestamp: 1_700_000_000_000_000_001,
        prefix: Some(path("interfaces/interface[name=ge-0:0:0][unit=7]/state")),
        update: vec![
            update("counters/in-octets", Typed::UintVal(u64::MAX)),
            update("oper-status", Typed::JsonIetfVal(br#""UP""#.to_vec())),
        ],
        ..Notification::default()
    }
}

#[test]
fn a_notification_of_juniper_has_its_header_as_text() {
    let header = JuniperHeader {
        system_id: "mx:10.0.0.1".to_owned(),
        component_id: 3,
        sequence_number: 1 << 60,
        export_timestamp: -1,
        eom: true,
        ..JuniperHeader::default()
    };
    let extension = |id, msg| Extension { registered_ext: Some(RegisteredExtension { id, msg }) };
    let mut message = response(notification());
    message.extension = vec![extension(999, vec![0xff]), extension(1, header.encode_to_vec())];
    let expected = r#"{"system_id":"mx:10.0.0.1","extension":"{\"systemId\":\"mx:10.0.0.1\",\"componentId\":3,\"sequenceNumber\":\"1152921504606846976\",\"exportTimestamp\":\"-1\",\"eom\":true}","sensor_path":[{"name":"interfaces"},{"name":"interface","filters":{"name":"ge-0:0:0","unit":"7"}},{"name":"state"}],"notification_timestamp":1700000000000000001,"/counters/in-octets":18446744073709551615,"/oper-status":"UP"}"#;
    assert_eq!(written(&message, Form::Juniper), expected);
    let plain = written(&message, Form::Notification);
    assert!(plain.ends_with(
        r#","extension":{"systemId":"mx:10.0.0.1","componentId":3,"sequenceNumber":1152921504606846976,"exportTimestamp":-1,"eom":true}}"#
    ));
    // Without a header, its members are missing.
    assert!(written(&response(notification()), Form::Juniper).starts_with(r#"{"sensor_path""#));
}

#[test]
fn a_notification_of_nokia_has_the_names_of_its_path() {
    let expected = r#"{"collected_path":"/interfaces/interface/state","sensor_path":[{"name":"interfaces"},{"name":"interface","filters":{"name":"ge-0:0:0","unit":"7"}},{"name":"state"}],"notification_timestamp":1700000000000000001,"/counters/in-octets":18446744073709551615,"/oper-status":"UP"}"#;
    assert_eq!(written(&response(notification()), Form::Nokia), expected);
}

#[test]
fn updates_of_two_list_entries_have_two_names() {
    let update = vec![
        update("interface[name=a]/mtu", Typed::UintVal(1500)),
        update("interface[name=b]/mtu", Typed::UintVal(9000)),
    ];
    let message =
        response(Notification { update, delete: vec![path("interface[name=c]")], ..Notification::default() });
    let expected = r#"{"sensor_path":[],"notification_timestamp":0,"/interface[name=a]/mtu":1500,"/interface[name=b]/mtu":9000,"delete":["/interface[name=c]"]}"#;
    assert_eq!(written(&message, Form::Juniper), expected);
}

#[test]
fn a_notification_of_a_subscription_is_shown_as_a_whole() {
    let message = response(Notification {
        alias: "#a".to_owned(),
        prefix: Some(Path { origin: "openconfig".to_owned(), target: "t".to_owned(), ..path("a") }),
        update: vec![
            Update { duplicates: 2, ..update("b", Typed::BoolVal(false)) },
            Update::default(),
            Update {
                path: Some(Path { element: vec!["x".to_owned(), "y".to_owned()], ..Path::default() }),
                ..Update::default()
            },
        ],
        delete: vec![Path::default()],
        atomic: true,
        timestamp: -1,
    });
    let expected = r##"{"timestamp":-1,"origin":"openconfig","target":"t","prefix":"/a","alias":"#a","atomic":true,"update":[{"path":"/b","val":false,"duplicates":2},{"val":null},{"path":"/x/y","val":null}],"delete":["/"]}"##;
    assert_eq!(written(&message, Form::Notification), expected);
}

#[test]
fn values_keep_their_type() {
    let scalar = |value| TypedValue { value: Some(value) };
    for (value, expected) in [
        (Typed::StringVal("a\"".to_owned()), r#""a\"""#),
        (Typed::IntVal(i64::MIN), "-9223372036854775808"),
        (Typed::BytesVal(vec![0xff]), r#""/w==""#),
        (Typed::FloatVal(0.1), "0.1"),
        (Typed::DoubleVal(f64::INFINITY), r#""Infinity""#),
        (Typed::DecimalVal(Decimal64 { digits: -1234, precision: 3 }), "-1.234"),
        (
            Typed::LeaflistVal(ScalarArray {
                element: vec![scalar(Typed::UintVal(1)), scalar(Typed::StringVal("b".to_owned()))],
            }),
            r#"[1,"b"]"#,
        ),
        (Typed::AnyVal(Any { type_url: "t".to_owned(), value: vec![1] }), r#"{"type_url":"t","value":"AQ=="}"#),
        (Typed::JsonVal(b"{\"a\": [1,\n2]}".to_vec()), r#"{"a": [1, 2]}"#),
        (Typed::JsonVal(b"not json".to_vec()), r#""not json""#),
        (Typed::AsciiVal("x".to_owned()), r#""x""#),
        (Typed::ProtoBytes(vec![8, 1]), r#""CAE=""#),
    ] {
        let message = response(Notification { update: vec![update("v", value)], ..Notification::default() });
        let text = format!(r#"{{"timestamp":0,"update":[{{"path":"/v","val":{expected}}}]}}"#);
        assert_eq!(written(&message, Form::Notification), text);
    }
    for (encoding, expected) in [(0, r#"[1]"#), (4, "[1]"), (3, r#""[1]""#), (2, r#""WzFd""#), (77, r#""WzFd""#)] {
        let value = Some(OldValue { value: b"[1]".to_vec(), r#type: encoding });
        let update = vec![Update { value, ..Update::default() }];
        let message = response(Notification { update, ..Notification::default() });
        assert_eq!(
            written(&message, Form::Notification),
            format!(r#"{{"timestamp":0,"update":[{{"val":{expected}}}]}}"#)
        );
    }
}

#[test]
fn keys_are_escaped_in_order_and_bounded() {
    let key = [("z", "a]b\\c"), ("a", "/x")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let elem = vec![PathElem { name: "n/m[".to_owned(), key }];
    let message =
        response(Notification { delete: vec![Path { elem, ..Path::default() }], ..Notification::default() });
    let text = written(&message, Form::Notification);
    assert!(text.ends_with(r#""delete":["/n\\/m\\[[a=/x][z=a\\]b\\\\c]"]}"#), "{text}");
    let keys = |count: u32| {
        let key = (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        let elem = vec![PathElem { name: "n".to_owned(), key }];
        response(Notification { delete: vec![Path { elem, ..Path::default() }], ..Notification::default() })
    };
    assert!(json(&keys(64), Form::Notification).is_ok());
    assert!(matches!(json(&keys(65), Form::Notification), Err(Fault::Keys { .. })));
    // Of a key that occurs twice, the last value counts.
    let entry = |value: u8| [0x12, 6, 0x0a, 1, b'k', 0x12, 1, value];
    let twice = [&[0x1a, 16][..], &entry(b'1'), &entry(b'2')].concat();
    let deleted = [&[0x2a, 18][..], &twice].concat();
    let octets = [&[0x0a, 20][..], &deleted].concat();
    let mut out = Vec::new();
    to_json(&octets, Form::Notification, &Limits::default(), &mut out).unwrap();
    assert_eq!(out, br#"{"timestamp":0,"update":[],"delete":["/[k=2]"]}"#);
}

#[test]
fn other_responses_write_nothing() {
    let sync = SubscribeResponse { response: Some(Response::SyncResponse(true)), extension: vec![] };
    let error = SubscribeResponse { response: Some(Response::Error(Default::default())), extension: vec![] };
    for (message, content) in
        [(sync, Content::Sync), (error, Content::Error), (SubscribeResponse::default(), Content::Empty)]
    {
        assert_eq!(json(&message, Form::Notification), Ok((content, String::new())));
    }
}

#[test]
fn leaf_lists_in_leaf_lists_are_bounded() {
    let mut value = TypedValue { value: Some(Typed::BoolVal(true)) };
    for _ in 0..70 {
        value = TypedValue { value: Some(Typed::LeaflistVal(ScalarArray { element: vec![value] })) };
    }
    let update = vec![Update { val: Some(value), ..Update::default() }];
    let message = response(Notification { update, ..Notification::default() });
    assert!(matches!(json(&message, Form::Nokia), Err(Fault::Depth { .. })));
}
