//! Telemetry of routers in protobuf, and its JSON: Cisco model-driven telemetry, Huawei telemetry, gNMI.
//!
//! | format | defined by | module |
//! |---|---|---|
//! | protobuf encoding | protobuf.dev "Encoding" | `fields` |
//! | `Telemetry`, key-value and compact | Cisco `telemetry.proto` | [`cisco`] |
//! | `Telemetry` | Huawei `huawei-telemetry.proto` | [`huawei`] |
//! | `SubscribeResponse` | gNMI 0.10 sections 2 and 3.5 | [`gnmi`] |
//! | the arguments of dial-out services | Cisco `mdt_grpc_dialout.proto`, Huawei `huawei-grpc-dialout.proto` | [`dial_out`] |
//!
//! A decoder walks over the octets and appends JSON to a buffer. It builds no tree: a message of many small fields, which a tree would
//! make a hundred times larger, takes no memory but its JSON. [`Limits`] bounds the JSON and the nesting. JSON is one line, and always
//! valid: texts that are not UTF-8 show U+FFFD, octets show as base64, and numbers keep their type, so 64-bit integers are integers.
//!
//! Repeated occurrences of a scalar field mean the last one. A message that may occur once, and occurs twice, is an error: encoders do not
//! write that, and merging them would need a tree. Unknown fields are skipped; groups, which protobuf gave up, are an error.
//!
//! [`messages`] has the same messages as types, for those that encode them.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod cisco;
pub mod dial_out;
mod fault;
mod fields;
pub mod gnmi;
pub mod huawei;
mod json;
pub mod messages;
mod openconfig;
mod schema;
#[cfg(test)]
mod tests;

pub use fault::Fault;

/// Bounds of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages, objects and lists inside each other.
    pub depth: u32,
    /// Bytes of JSON.
    pub json: usize,
}

impl Default for Limits {
    /// 64 levels, as YANG models have fewer than 20; 16 MiB.
    fn default() -> Self {
        Self { depth: 64, json: 16 << 20 }
    }
}

/// Appends text to `out` if it is valid JSON of a bounded depth, on one line: line ends between its tokens become blanks.
///
/// # Errors
/// The text is not JSON, or exceeds a limit. Then `out` is unchanged.
pub fn append_json(text: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), Fault> {
    appended(out, limits, |json| json.embed(text, limits.depth))
}

/// Calls `write` for a writer of JSON behind `out`, and cuts `out` back after an error.
fn appended<T>(
    out: &mut Vec<u8>,
    limits: &Limits,
    write: impl FnOnce(&mut json::Writer<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let start = out.len();
    let result = write(&mut json::Writer::new(out, limits.json));
    if result.is_err() {
        out.truncate(start);
    }
    result
}
