//! How many messages a second of CPU time decodes, with one thread.
//!
//!     cargo run --release --package telemetry_gpb --example gpb_rate
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use prost::Message;
use rustix::time::{ClockId, clock_gettime};
use telemetry_gpb::messages::cisco::telemetry_field::ValueByType;
use telemetry_gpb::messages::cisco::{Telemetry, TelemetryField};
use telemetry_gpb::messages::gnmi::subscribe_response::Response;
use telemetry_gpb::messages::gnmi::typed_value::Value;
use telemetry_gpb::messages::gnmi::{Notification, Path, PathElem, SubscribeResponse, TypedValue, Update};
use telemetry_gpb::{Limits, cisco, gnmi};

/// Names like those of the counters of an interface.
const NAMES: [&str; 6] =
    ["bytes-received", "bytes-sent", "input-errors", "output-drops", "packets-received", "multicast-packets-sent"];

fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn measure(name: &str, message: &[u8], decode: impl Fn(&[u8], &mut Vec<u8>)) {
    let mut out = Vec::new();
    decode(message, &mut out);
    let (octets, json) = (message.len(), out.len());
    for _ in 0..3 {
        let (start, mut messages) = (seconds(), 0u64);
        while seconds() - start < 1.0 {
            for _ in 0..1000 {
                out.clear();
                decode(message, &mut out);
                messages += 1;
            }
        }
        let rate = messages as f64 / (seconds() - start);
        println!("{name}: {rate:.0} messages/s, {octets} octets, {json} bytes of JSON");
    }
}

fn field(name: &str, fields: Vec<TelemetryField>) -> TelemetryField {
    TelemetryField { name: name.to_owned(), fields, ..TelemetryField::default() }
}

fn main() {
    let limits = Limits::default();
    let leaf = |index: usize| {
        let name = NAMES[index % NAMES.len()].to_owned();
        let value_by_type = Some(ValueByType::Uint64Value(1 << (index + 10)));
        TelemetryField { name, value_by_type, ..TelemetryField::default() }
    };
    let content = (0..36).map(leaf).collect();
    let row = TelemetryField {
        timestamp: 1_700_000_000_000,
        ..field("", vec![field("keys", vec![]), field("content", content)])
    };
    let path = "Cisco-IOS-XR-infra-statsd-oper:infra-statistics/interfaces/interface/latest/generic-counters";
    let telemetry = Telemetry { encoding_path: path.to_owned(), data_gpbkv: vec![row], ..Telemetry::default() };
    let message = telemetry.encode_to_vec();
    measure("cisco, 36 counters", &message, |octets, out| {
        assert!(cisco::to_json(octets, cisco::Form::KeyValue, &limits, out).is_ok());
    });
    let element = |name: &str| PathElem { name: name.to_owned(), ..PathElem::default() };
    let update = |index: usize| Update {
        path: Some(Path {
            elem: vec![element("counters"), element(NAMES[index % NAMES.len()])],
            ..Path::default()
        }),
        val: Some(TypedValue { value: Some(Value::UintVal(1 << (index + 10))) }),
        ..Update::default()
    };
    let key = [("name".to_owned(), "ge-0/0/0".to_owned())].into();
    let elem = vec![element("interfaces"), PathElem { name: "interface".to_owned(), key }, element("state")];
    let prefix = Some(Path { elem, ..Path::default() });
    let update = (0..36).map(update).collect();
    let notification =
        Notification { timestamp: 1_700_000_000_000_000_000, prefix, update, ..Notification::default() };
    let message = SubscribeResponse { response: Some(Response::Update(notification)), extension: vec![] };
    measure("gnmi, 36 counters", &message.encode_to_vec(), |octets, out| {
        assert!(gnmi::to_json(octets, gnmi::Form::Notification, &limits, out).is_ok());
    });
}
