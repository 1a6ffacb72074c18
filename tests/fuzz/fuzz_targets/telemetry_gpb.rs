//! Telemetry in protobuf, as each decoder reads it.
//!
//! What comes out is one line of valid JSON within the limit. A message that prost decodes has the same JSON after prost encoded it again:
//! it differs in the order of fields, in fields that occur twice, and in unknown ones alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use serde::de::IgnoredAny;
use telemetry_gpb::messages::{cisco as cisco_messages, gnmi as gnmi_messages, huawei as huawei_messages};
use telemetry_gpb::{Fault, Limits, append_json, cisco, gnmi, huawei};

const LIMITS: Limits = Limits { depth: 32, json: 1 << 16 };

fn decode(selector: u8, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    match selector {
        0 => cisco::to_json(octets, cisco::Form::KeyValue, &LIMITS, out).map(drop),
        1 => cisco::to_json(octets, cisco::Form::Protobuf, &LIMITS, out).map(drop),
        2 => huawei::to_json(octets, &LIMITS, out),
        3 => gnmi::to_json(octets, gnmi::Form::Juniper, &LIMITS, out).map(drop),
        4 => gnmi::to_json(octets, gnmi::Form::Nokia, &LIMITS, out).map(drop),
        5 => gnmi::to_json(octets, gnmi::Form::Notification, &LIMITS, out).map(drop),
        _ => append_json(octets, &LIMITS, out),
    }
}

/// The message as prost writes it, if prost reads it.
fn encoded_again(selector: u8, octets: &[u8]) -> Option<Vec<u8>> {
    match selector {
        0 | 1 => cisco_messages::Telemetry::decode(octets).ok().map(|message| message.encode_to_vec()),
        2 => huawei_messages::Telemetry::decode(octets).ok().map(|message| message.encode_to_vec()),
        3..=5 => gnmi_messages::SubscribeResponse::decode(octets).ok().map(|message| message.encode_to_vec()),
        _ => None,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((selector, octets)) = input.split_first() else { return };
    let selector = selector % 7;
    let mut out = b"x".to_vec();
    let result = decode(selector, octets, &mut out);
    if result.is_err() {
        assert_eq!(out, b"x");
        return;
    }
    let json = &out[1..];
    assert!(json.len() <= LIMITS.json && !json.contains(&b'\n') && !json.contains(&b'\r'));
    if json.is_empty() {
        assert!((3..=5).contains(&selector));
        return;
    }
    serde_json::from_slice::<IgnoredAny>(json).expect("the output is JSON");
    if let Some(octets) = encoded_again(selector, octets) {
        let mut again = Vec::new();
        decode(selector, &octets, &mut again).expect("it was decoded before");
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(json));
    }
});
