//! Huawei's `Telemetry` message (`huawei-telemetry.proto`, package `telemetry`).
//!
//! ```text
//! Telemetry          1 node_id_str   2 subscription_id_str   3 sensor_path   13 proto_path   4 collection_id
//!                    5 collection_start_time   6 msg_timestamp   8 collection_end_time   milliseconds since 1970
//!                    9 current_period: milliseconds   10 except_desc   11 product_name   15 ne_id   16 software_version
//!                   12 encoding: 0 GPB, then 7 data_gpb: TelemetryGPBTable; 1 JSON, then 14 data_str
//! TelemetryGPBTable  1 row: TelemetryRowGPB, repeated   2 delete: DataPath, repeated   3 generator: Generator
//! TelemetryRowGPB    1 timestamp   11 content             in the message that `proto_path` names
//! DataPath           1 timestamp   2 path: Path { 1 node: PathElem, repeated { 1 name   2 key: map } }
//! Generator          1 generator_id   2 generator_sn   3 generator_sync
//! ```
//!
//! Rows of `openconfig-interfaces` are decoded. Others show in base64.

use crate::fault::Fault;
use crate::fields::{Fields, uint32};
use crate::gnmi::path;
use crate::json::Writer;
use crate::openconfig::INTERFACES;
use crate::schema::{self, Kind, Schema};
use crate::{Limits, appended};

/// The names of the message whose rows are decoded, as `proto_path` and as the module of `sensor_path`.
const DECODED: (&[u8], &[u8]) = (b"openconfig_interfaces.Interfaces", b"openconfig-interfaces:interfaces");

/// Appends a message as JSON to `out`.
///
/// # Errors
/// The message is not valid or exceeds a limit. Then `out` is unchanged.
pub fn to_json(octets: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), Fault> {
    let telemetry = Telemetry::read(Fields::new(octets))?;
    appended(out, limits, |json| telemetry.write(limits.depth, json))
}

#[derive(Default)]
struct Telemetry<'a> {
    node_id: &'a [u8],
    subscription_id: &'a [u8],
    sensor_path: &'a [u8],
    proto_path: &'a [u8],
    collection_id: u64,
    collection_start_time: u64,
    msg_timestamp: u64,
    collection_end_time: u64,
    current_period: u32,
    except_desc: &'a [u8],
    product_name: &'a [u8],
    encoding: u32,
    data_str: &'a [u8],
    ne_id: &'a [u8],
    software_version: &'a [u8],
    table: Option<Fields<'a>>,
}

impl<'a> Telemetry<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut telemetry = Self::default();
        while let Some(field) = fields.next()? {
            match field.number {
                1 => telemetry.node_id = field.octets()?,
                2 => telemetry.subscription_id = field.octets()?,
                3 => telemetry.sensor_path = field.octets()?,
                4 => telemetry.collection_id = field.varint()?,
                5 => telemetry.collection_start_time = field.varint()?,
                6 => telemetry.msg_timestamp = field.varint()?,
                7 => field.once(&mut telemetry.table)?,
                8 => telemetry.collection_end_time = field.varint()?,
                9 => telemetry.current_period = uint32(field.varint()?),
                10 => telemetry.except_desc = field.octets()?,
                11 => telemetry.product_name = field.octets()?,
                12 => telemetry.encoding = uint32(field.varint()?),
                13 => telemetry.proto_path = field.octets()?,
                14 => telemetry.data_str = field.octets()?,
                15 => telemetry.ne_id = field.octets()?,
                16 => telemetry.software_version = field.octets()?,
                _ => {}
            }
        }
        Ok(telemetry)
    }

    fn write(&self, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        json.open(b'{')?;
        for (name, number) in [
            ("collection_id", self.collection_id),
            ("collection_start_time", self.collection_start_time),
            ("collection_end_time", self.collection_end_time),
            ("current_period", self.current_period.into()),
            ("encoding", self.encoding.into()),
            ("msg_timestamp", self.msg_timestamp),
        ] {
            json.name(name)?;
            json.integer(number)?;
        }
        for (name, text) in [
            ("except_desc", self.except_desc),
            ("node_id_str", self.node_id),
            ("product_name", self.product_name),
            ("proto_path", self.proto_path),
            ("sensor_path", self.sensor_path),
            ("software_version", self.software_version),
            ("subscription_id_str", self.subscription_id),
        ] {
            json.name(name)?;
            json.text(text)?;
        }
        if !self.ne_id.is_empty() {
            json.name("ne_id")?;
            json.text(self.ne_id)?;
        }
        if !self.data_str.is_empty() {
            json.name("data_str")?;
            json.embed_or_text(self.data_str, depth)?;
        }
        if let Some(table) = self.table {
            self.write_table(table, depth, json)?;
        }
        json.close(b'}')
    }

    /// Whether the content of rows is `openconfig-interfaces`.
    fn is_decoded(&self) -> bool {
        let (message, module) = DECODED;
        self.proto_path == message || self.proto_path.is_empty() && self.sensor_path.starts_with(module)
    }

    fn write_table(&self, table: Fields<'a>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        let is_decoded = self.is_decoded();
        json.name(if is_decoded { "decoded" } else { "data_gpb" })?;
        json.open(b'[')?;
        let mut has_times = false;
        rows(table, |timestamp, content| {
            has_times |= timestamp != 0;
            if is_decoded {
                return schema::write(content, &INTERFACES, schema::Wide::Plain, depth, json);
            }
            json.open(b'{')?;
            json.name("timestamp")?;
            json.integer(timestamp)?;
            json.name("content")?;
            json.base64(content.octets())?;
            json.close(b'}')
        })?;
        json.close(b']')?;
        if is_decoded && has_times {
            json.name("decoded_timestamps")?;
            json.open(b'[')?;
            rows(table, |timestamp, _| json.integer(timestamp))?;
            json.close(b']')?;
        }
        write_rest(table, depth, json)
    }
}

/// Calls `each` for the timestamp and the content of each row.
fn rows<'a>(
    mut table: Fields<'a>,
    mut each: impl FnMut(u64, Fields<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    while let Some(row) = table.next()? {
        if row.number != 1 {
            continue;
        }
        let (mut timestamp, mut content, mut fields) = (0, Fields::new(&[]), row.message()?);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => timestamp = field.varint()?,
                11 => content = field.message()?,
                _ => {}
            }
        }
        each(timestamp, content)?;
    }
    Ok(())
}

/// Paths that were deleted, and the source of the data.
fn write_rest(table: Fields<'_>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut has_deleted, mut generator, mut walk) = (false, None, table);
    while let Some(field) = walk.next()? {
        match field.number {
            2 => has_deleted = field.octets().map(|_| true)?,
            3 => field.once(&mut generator)?,
            _ => {}
        }
    }
    if let Some(generator) = generator {
        json.name("generator")?;
        schema::write(generator, &GENERATOR, schema::Wide::Plain, depth, json)?;
    }
    if !has_deleted {
        return Ok(());
    }
    json.name("delete")?;
    json.open(b'[')?;
    let mut walk = table;
    while let Some(deleted) = walk.next()? {
        if deleted.number != 2 {
            continue;
        }
        let (mut timestamp, mut node, mut fields) = (0, None, deleted.message()?);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => timestamp = field.varint()?,
                2 => field.once(&mut node)?,
                _ => {}
            }
        }
        json.open(b'{')?;
        json.name("timestamp")?;
        json.integer(timestamp)?;
        json.name("path")?;
        json.begin_text()?;
        if let Some(node) = node {
            path::write_parts(node, 1, path::Keys::Shown, json)?;
        }
        json.end_text()?;
        json.close(b'}')?;
    }
    json.close(b']')
}

static GENERATOR: Schema = Schema(&[
    schema::one(1, "generator_id", Kind::Uint64),
    schema::one(2, "generator_sn", Kind::Uint32),
    schema::one(3, "generator_sync", Kind::Bool),
]);
