//! Cisco's `Telemetry` message (`telemetry.proto`, package `telemetry`): model-driven telemetry of IOS XR, IOS XE and NX-OS.
//!
//! ```text
//! Telemetry         1 node_id_str       3 subscription_id_str   6 encoding_path     8 collection_id
//!                   9 collection_start_time   10 msg_timestamp  13 collection_end_time    milliseconds since 1970
//!                  11 data_gpbkv: TelemetryField, repeated      12 data_gpb: TelemetryGPBTable
//!                   2 node_id_uuid   4 subscription_id   5 sensor_path   7 model_version   14 heartbeat_sequence_number
//! TelemetryField    1 timestamp   2 name   15 fields: TelemetryField, repeated
//!                   4 bytes  5 string  6 bool  7 uint32  8 uint64  9 sint32  10 sint64  11 double  12 float
//! TelemetryGPBTable 1 row: TelemetryRowGPB, repeated
//! TelemetryRowGPB   1 timestamp   10 keys   11 content        both in a message of the encoding path
//! ```

use crate::fault::Fault;
use crate::fields::{Field, Fields, sint32, sint64, uint32};
use crate::json::Writer;
use crate::schema::{self, Kind, Schema};
use crate::{Limits, appended};

/// The form of the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Fields as `{NAME: VALUE}`, as mdt-dialout-collector writes them by default. A field with a timestamp or with fields of its own is
    /// an object of `timestamp`, `fields` and `value`.
    #[default]
    KeyValue,
    /// Protobuf's own JSON: the members of each field by their name, 64-bit integers as text.
    Protobuf,
}

/// How the data of a message is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Self-describing: `data_gpbkv`.
    KeyValue,
    /// In messages of their own that only the router's `.proto` files describe: `data_gpb`. Shown in base64.
    Compact,
}

/// Appends a message as JSON to `out`, and says how its data was encoded.
///
/// # Errors
/// The message is not valid or exceeds a limit. Then `out` is unchanged.
pub fn to_json(octets: &[u8], form: Form, limits: &Limits, out: &mut Vec<u8>) -> Result<Content, Fault> {
    let telemetry = Telemetry::read(Fields::new(octets))?;
    let content =
        if telemetry.table.is_some() && !telemetry.has_fields { Content::Compact } else { Content::KeyValue };
    appended(out, limits, |json| match form {
        Form::KeyValue => telemetry.write(json, limits.depth),
        Form::Protobuf => schema::write(Fields::new(octets), &TELEMETRY, schema::Wide::Quoted, limits.depth, json),
    })?;
    Ok(content)
}

/// The fields of a message but `data_gpbkv`.
struct Telemetry<'a> {
    /// To walk over `data_gpbkv`.
    fields: Fields<'a>,
    node: Option<Field<'a>>,
    subscription: Option<Field<'a>>,
    encoding_path: &'a [u8],
    sensor_path: &'a [u8],
    model_version: &'a [u8],
    collection_id: u64,
    collection_start_time: u64,
    msg_timestamp: u64,
    collection_end_time: u64,
    heartbeat: u64,
    has_fields: bool,
    table: Option<Fields<'a>>,
}

impl<'a> Telemetry<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut telemetry = Self {
            fields,
            node: None,
            subscription: None,
            encoding_path: b"",
            sensor_path: b"",
            model_version: b"",
            collection_id: 0,
            collection_start_time: 0,
            msg_timestamp: 0,
            collection_end_time: 0,
            heartbeat: 0,
            has_fields: false,
            table: None,
        };
        while let Some(field) = fields.next()? {
            match field.number {
                1 | 2 => telemetry.node = field.octets().map(|_| Some(field))?,
                3 => telemetry.subscription = field.octets().map(|_| Some(field))?,
                4 => telemetry.subscription = field.varint().map(|_| Some(field))?,
                5 => telemetry.sensor_path = field.octets()?,
                6 => telemetry.encoding_path = field.octets()?,
                7 => telemetry.model_version = field.octets()?,
                8 => telemetry.collection_id = field.varint()?,
                9 => telemetry.collection_start_time = field.varint()?,
                10 => telemetry.msg_timestamp = field.varint()?,
                11 => telemetry.has_fields = field.octets().map(|_| true)?,
                12 => field.once(&mut telemetry.table)?,
                13 => telemetry.collection_end_time = field.varint()?,
                14 => telemetry.heartbeat = field.varint()?,
                _ => {}
            }
        }
        Ok(telemetry)
    }

    fn write(&self, json: &mut Writer<'_>, depth: u32) -> Result<(), Fault> {
        json.open(b'{')?;
        if let Some(node) = &self.node {
            if node.number == 1 {
                json.name("node_id")?;
                json.text(node.octets()?)?;
            } else {
                json.name("node_id_uuid")?;
                json.base64(node.octets()?)?;
            }
        }
        if let Some(subscription) = &self.subscription {
            json.name("subscription_id")?;
            match subscription.varint() {
                Ok(number) => json.integer(uint32(number))?,
                Err(_) => json.text(subscription.octets()?)?,
            }
        }
        for (name, text) in [("sensor_path", self.sensor_path), ("model_version", self.model_version)] {
            if !text.is_empty() {
                json.name(name)?;
                json.text(text)?;
            }
        }
        json.name("encoding_path")?;
        json.text(self.encoding_path)?;
        for (name, number) in [
            ("collection_id", self.collection_id),
            ("collection_start_time", self.collection_start_time),
            ("msg_timestamp", self.msg_timestamp),
            ("collection_end_time", self.collection_end_time),
        ] {
            json.name(name)?;
            json.integer(number)?;
        }
        if self.heartbeat != 0 {
            json.name("heartbeat_sequence_number")?;
            json.integer(self.heartbeat)?;
        }
        if self.has_fields || self.table.is_none() {
            json.name("data_gpbkv")?;
            write_fields(self.fields, 11, depth, json)?;
        }
        if let Some(table) = self.table {
            json.name("data_gpb")?;
            write_rows(table, json)?;
        }
        json.close(b'}')
    }
}

/// The fields of one number as a list: those with a name as object.
fn write_fields(mut fields: Fields<'_>, number: u32, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    let Some(deeper) = depth.checked_sub(1) else { return Err(Fault::Depth { at: fields.at() }) };
    json.open(b'[')?;
    while let Some(field) = fields.next()? {
        if field.number != number {
            continue;
        }
        let field = TelemetryField::read(field.message()?)?;
        if field.name.is_empty() {
            field.write(deeper, json)?;
        } else {
            json.open(b'{')?;
            json.text_name(field.name)?;
            field.write(deeper, json)?;
            json.close(b'}')?;
        }
    }
    json.close(b']')
}

struct TelemetryField<'a> {
    /// To walk over `fields`.
    fields: Fields<'a>,
    timestamp: u64,
    name: &'a [u8],
    value: Option<Field<'a>>,
    has_fields: bool,
}

impl<'a> TelemetryField<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut read = Self { fields, timestamp: 0, name: b"", value: None, has_fields: false };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => read.timestamp = field.varint()?,
                2 => read.name = field.octets()?,
                4..=12 => read.value = Some(field),
                15 => read.has_fields = field.octets().map(|_| true)?,
                _ => {}
            }
        }
        Ok(read)
    }

    fn write(&self, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        if self.timestamp == 0 && !self.has_fields {
            return match &self.value {
                Some(value) => write_value(value, json),
                None => json.null(),
            };
        }
        json.open(b'{')?;
        if self.timestamp != 0 {
            json.name("timestamp")?;
            json.integer(self.timestamp)?;
        }
        if self.has_fields {
            json.name("fields")?;
            write_fields(self.fields, 15, depth, json)?;
        }
        if let Some(value) = &self.value {
            json.name("value")?;
            write_value(value, json)?;
        }
        json.close(b'}')
    }
}

fn write_value(field: &Field<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    match field.number {
        4 => json.base64(field.octets()?),
        5 => json.text(field.octets()?),
        6 => json.boolean(field.varint()? != 0),
        7 => json.integer(uint32(field.varint()?)),
        8 => json.integer(field.varint()?),
        9 => json.integer(sint32(field.varint()?)),
        10 => json.integer(sint64(field.varint()?)),
        11 => json.double(field.double()?),
        _ => json.float(field.float()?),
    }
}

/// The rows of a compact message, whose keys and content only the router's `.proto` files describe.
fn write_rows(mut table: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    json.open(b'[')?;
    while let Some(row) = table.next()? {
        if row.number != 1 {
            continue;
        }
        let (mut timestamp, mut keys, mut content) = (0, &b""[..], &b""[..]);
        let mut fields = row.message()?;
        while let Some(field) = fields.next()? {
            match field.number {
                1 => timestamp = field.varint()?,
                10 => keys = field.octets()?,
                11 => content = field.octets()?,
                _ => {}
            }
        }
        json.open(b'{')?;
        json.name("timestamp")?;
        json.integer(timestamp)?;
        json.name("keys")?;
        json.base64(keys)?;
        json.name("content")?;
        json.base64(content)?;
        json.close(b'}')?;
    }
    json.close(b']')
}

/// The message in protobuf's own JSON.
static TELEMETRY: Schema = Schema(&[
    schema::oneof(1, 1, "nodeIdStr", Kind::Text),
    schema::oneof(1, 2, "nodeIdUuid", Kind::Bytes),
    schema::oneof(2, 3, "subscriptionIdStr", Kind::Text),
    schema::oneof(2, 4, "subscriptionId", Kind::Uint32),
    schema::one(5, "sensorPath", Kind::Text),
    schema::one(6, "encodingPath", Kind::Text),
    schema::one(7, "modelVersion", Kind::Text),
    schema::one(8, "collectionId", Kind::Uint64),
    schema::one(9, "collectionStartTime", Kind::Uint64),
    schema::one(10, "msgTimestamp", Kind::Uint64),
    schema::many(11, "dataGpbkv", Kind::Message(&TELEMETRY_FIELD)),
    schema::one(12, "dataGpb", Kind::Message(&TABLE)),
    schema::one(13, "collectionEndTime", Kind::Uint64),
    schema::one(14, "heartbeatSequenceNumber", Kind::Uint64),
]);

static TELEMETRY_FIELD: Schema = Schema(&[
    schema::one(1, "timestamp", Kind::Uint64),
    schema::one(2, "name", Kind::Text),
    schema::oneof(1, 4, "bytesValue", Kind::Bytes),
    schema::oneof(1, 5, "stringValue", Kind::Text),
    schema::oneof(1, 6, "boolValue", Kind::Bool),
    schema::oneof(1, 7, "uint32Value", Kind::Uint32),
    schema::oneof(1, 8, "uint64Value", Kind::Uint64),
    schema::oneof(1, 9, "sint32Value", Kind::Sint32),
    schema::oneof(1, 10, "sint64Value", Kind::Sint64),
    schema::oneof(1, 11, "doubleValue", Kind::Double),
    schema::oneof(1, 12, "floatValue", Kind::Float),
    schema::many(15, "fields", Kind::Message(&TELEMETRY_FIELD)),
]);

static TABLE: Schema = Schema(&[schema::many(1, "row", Kind::Message(&ROW))]);

static ROW: Schema = Schema(&[
    schema::one(1, "timestamp", Kind::Uint64),
    schema::one(10, "keys", Kind::Bytes),
    schema::one(11, "content", Kind::Bytes),
]);
