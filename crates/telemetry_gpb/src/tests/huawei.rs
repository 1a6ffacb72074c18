use crate::huawei::to_json;
use crate::messages::gnmi::PathElem;
use crate::messages::huawei::{DataPath, Generator, Path, Telemetry, TelemetryGpbTable, TelemetryRowGpb};
use crate::messages::openconfig::{Counters, Interface, Interfaces, State};
use crate::{Fault, Limits};
use prost::Message;
use serde_json::{Value, json};

fn decoded(message: &Telemetry) -> Result<Value, Fault> {
    let mut out = Vec::new();
    to_json(&message.encode_to_vec(), &Limits::default(), &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

fn telemetry(rows: Vec<TelemetryRowGpb>) -> Telemetry {
    Telemetry {
        node_id_str: "ne40".to_owned(),
        subscription_id_str: "s".to_owned(),
        sensor_path: "huawei-ifm:ifm/interfaces/interface".to_owned(),
        collection_id: 4,
        msg_timestamp: 6,
        current_period: 1000,
        data_gpb: Some(TelemetryGpbTable { row: rows, ..TelemetryGpbTable::default() }),
        ..Telemetry::default()
    }
}

fn head() -> Value {
    json!({"collection_id": 4, "collection_start_time": 0, "collection_end_time": 0, "current_period": 1000, "encoding": 0,
        "msg_timestamp": 6, "except_desc": "", "node_id_str": "ne40", "product_name": "", "proto_path": "",
        "sensor_path": "huawei-ifm:ifm/interfaces/interface", "software_version": "", "subscription_id_str": "s"})
}

#[test]
fn rows_of_unknown_messages_are_base64() {
    let mut expected = head();
    expected["data_gpb"] = json!([{"timestamp": 9, "content": "CAE="}]);
    let message = telemetry(vec![TelemetryRowGpb { timestamp: 9, content: vec![8, 1] }]);
    assert_eq!(decoded(&message), Ok(expected));
}

#[test]
fn rows_of_openconfig_interfaces_are_decoded() {
    let counters = Counters { in_octets: u64::MAX, out_octets: 0 };
    let state = State { admin_status: 2, counters: Some(counters), ifindex: 12, oper_status: 99 };
    let interfaces = Interfaces { interface: vec![Interface { name: "GE0/1".to_owned(), state: Some(state) }] };
    let row = TelemetryRowGpb { timestamp: 9, content: interfaces.encode_to_vec() };
    for (sensor_path, proto_path) in
        [("openconfig-interfaces:interfaces/interface", ""), ("anything", "openconfig_interfaces.Interfaces")]
    {
        let message = Telemetry {
            sensor_path: sensor_path.to_owned(),
            proto_path: proto_path.to_owned(),
            ..telemetry(vec![row.clone(), TelemetryRowGpb::default()])
        };
        let mut expected = head();
        expected["sensor_path"] = json!(sensor_path);
        expected["proto_path"] = json!(proto_path);
        expected["decoded"] = json!([{"interface": [{"name": "GE0/1", "state": {"adminStatus": "AdminStatus_UP",
            "counters": {"inOctets": u64::MAX}, "ifindex": 12, "operStatus": 99}}]}, {}]);
        expected["decoded_timestamps"] = json!([9, 0]);
        assert_eq!(decoded(&message), Ok(expected));
    }
}

#[test]
fn json_deleted_paths_and_the_generator_are_shown() {
    let node = |name: &str, keys: &[(&str, &str)]| PathElem {
        name: name.to_owned(),
        key: keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let path = Path { node: vec![node("ifm", &[]), node("interface", &[("name", "GE0/1]")])] };
    let table = TelemetryGpbTable {
        row: vec![],
        delete: vec![DataPath { timestamp: 3, path: Some(path) }, DataPath::default()],
        generator: Some(Generator { generator_id: 1, generator_sn: 2, generator_sync: true }),
    };
    let message = Telemetry {
        encoding: 1,
        data_str: "{\"a\":\n[1]}".to_owned(),
        ne_id: "x".to_owned(),
        data_gpb: Some(table),
        ..telemetry(vec![])
    };
    let mut expected = head();
    expected["encoding"] = json!(1);
    expected["ne_id"] = json!("x");
    expected["data_str"] = json!({"a": [1]});
    expected["data_gpb"] = json!([]);
    expected["generator"] = json!({"generator_id": 1, "generator_sn": 2, "generator_sync": true});
    let deleted = json!([{"timestamp": 3, "path": "/ifm/interface[name=GE0/1\\]]"}, {"timestamp": 0, "path": ""}]);
    expected["delete"] = deleted;
    assert_eq!(decoded(&message), Ok(expected));
}

#[test]
fn faults_of_rows_name_their_offset() {
    let row = |content: &[u8]| TelemetryRowGpb { timestamp: 0, content: content.to_vec() };
    let message = Telemetry {
        proto_path: "openconfig_interfaces.Interfaces".to_owned(),
        ..telemetry(vec![row(&[0x0a, 3, 0x1a, 9, b'x'])])
    };
    assert!(matches!(decoded(&message), Err(Fault::Truncated(_))));
    // As base64, nothing reads the content.
    assert!(decoded(&telemetry(vec![row(&[0x0a, 3, 0x1a, 9, b'x'])])).is_ok());
}
