//! gNMI: `SubscribeResponse` (gNMI 0.10 section 3.5.1.4), as targets answer subscriptions and as Juniper's and Nokia's routers dial out.
//!
//! ```text
//! SubscribeResponse  1 update: Notification | 3 sync_response: bool | 4 error (deprecated)   5 extension: Extension, repeated
//! Notification       1 timestamp: int64, nanoseconds since 1970   2 prefix: Path   3 alias   4 update: Update, repeated
//!                    5 delete: Path, repeated   6 atomic: bool
//! Update             1 path: Path   2 value: Value (deprecated)   3 val: TypedValue   4 duplicates: uint32
//! Extension          1 registered_ext { 1 id: 1 Juniper's header   2 msg: bytes }
//! ```

pub(crate) mod path;
mod value;

use crate::fault::Fault;
use crate::fields::{Fields, uint32};
use crate::json::Writer;
use crate::schema::{self, Kind, Schema};
use crate::{Limits, appended};
use path::Keys;

/// The registered extension with the header of Juniper's telemetry (`gnmi_ext.proto`, `EID_JUNIPER_TELEMETRY_HEADER`).
const JUNIPER_HEADER: u64 = 1;

/// The form of the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As mdt-dialout-collector writes messages of Juniper's routers: `system_id` and `extension` (the header, as text), `sensor_path`,
    /// `notification_timestamp`, and a member for each update, named by its path.
    Juniper,
    /// As it writes those of Nokia's: `collected_path`, `sensor_path`, `notification_timestamp`, and the updates.
    Nokia,
    /// The notification: `timestamp`, `prefix`, `update` as a list of `path` and `val`, `delete` as a list of paths.
    Notification,
}

/// What a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A notification: it was written.
    Update,
    /// All values were sent once. Nothing was written.
    Sync,
    /// The target reports an error, in a field that gNMI gave up. Nothing was written.
    Error,
    /// None of these. Nothing was written.
    Empty,
}

/// Appends the notification in a `SubscribeResponse` as JSON to `out`.
///
/// # Errors
/// The message is not valid or exceeds a limit. Then `out` is unchanged.
pub fn to_json(octets: &[u8], form: Form, limits: &Limits, out: &mut Vec<u8>) -> Result<Content, Fault> {
    let response = Response::read(Fields::new(octets))?;
    if response.content == Content::Update {
        appended(out, limits, |json| response.write(form, limits.depth, json))?;
    }
    Ok(response.content)
}

struct Response<'a> {
    content: Content,
    notification: Notification<'a>,
    /// The header of Juniper's telemetry.
    header: Option<Fields<'a>>,
}

impl<'a> Response<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let (mut update, mut header, mut content) = (None, None, Content::Empty);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => {
                    field.once(&mut update)?;
                    content = Content::Update;
                }
                3 => {
                    field.varint()?;
                    (update, content) = (None, Content::Sync);
                }
                4 => {
                    field.octets()?;
                    (update, content) = (None, Content::Error);
                }
                5 => {
                    if let Some(found) = juniper_header(field.message()?)? {
                        header = Some(found);
                    }
                }
                _ => {}
            }
        }
        let notification = update.map(Notification::read).transpose()?.unwrap_or_default();
        Ok(Self { content, notification, header })
    }

    fn write(&self, form: Form, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        let notification = &self.notification;
        json.open(b'{')?;
        match form {
            Form::Notification => {
                notification.write(depth, json)?;
                if let Some(header) = self.header {
                    json.name("extension")?;
                    schema::write(header, &HEADER, schema::Wide::Plain, depth, json)?;
                }
            }
            Form::Juniper => {
                if let Some(header) = self.header {
                    write_header(header, depth, json)?;
                }
                notification.write_sensor(json)?;
                notification.write_members(depth, json)?;
            }
            Form::Nokia => {
                json.name("collected_path")?;
                json.begin_text()?;
                if let Some(prefix) = notification.prefix {
                    path::write_parts(prefix, path::ELEM, Keys::Hidden, json)?;
                }
                json.end_text()?;
                notification.write_sensor(json)?;
                notification.write_members(depth, json)?;
            }
        }
        json.close(b'}')
    }
}

/// The octets of Juniper's header in an extension, if it is that one.
fn juniper_header(mut extension: Fields<'_>) -> Result<Option<Fields<'_>>, Fault> {
    let mut registered = None;
    while let Some(field) = extension.next()? {
        if field.number == 1 {
            field.once(&mut registered)?;
        }
    }
    let Some(mut registered) = registered else { return Ok(None) };
    let (mut id, mut message) = (0, None);
    while let Some(field) = registered.next()? {
        match field.number {
            1 => id = field.varint()?,
            2 => message = Some(field.message()?),
            _ => {}
        }
    }
    Ok(message.filter(|_| id == JUNIPER_HEADER))
}

/// `system_id`, and the whole header as text.
fn write_header(header: Fields<'_>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut system_id, mut fields) = (&b""[..], header);
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            system_id = field.octets()?;
        }
    }
    if !system_id.is_empty() {
        json.name("system_id")?;
        json.text(system_id)?;
    }
    json.name("extension")?;
    json.quoted(|json| schema::write(header, &HEADER, schema::Wide::Quoted, depth, json))
}

#[derive(Default)]
struct Notification<'a> {
    /// To walk over updates and deleted paths.
    fields: Option<Fields<'a>>,
    timestamp: i64,
    prefix: Option<Fields<'a>>,
    alias: &'a [u8],
    atomic: bool,
    has_deleted: bool,
}

impl<'a> Notification<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut read = Self { fields: Some(fields), ..Self::default() };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => read.timestamp = field.varint()?.cast_signed(),
                2 => field.once(&mut read.prefix)?,
                3 => read.alias = field.octets()?,
                5 => read.has_deleted = field.octets().map(|_| true)?,
                6 => read.atomic = field.varint()? != 0,
                _ => {}
            }
        }
        Ok(read)
    }

    /// The members of the notification.
    fn write(&self, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        json.name("timestamp")?;
        json.integer(self.timestamp)?;
        if let Some(prefix) = self.prefix {
            path::write_labels(prefix, json)?;
            json.name("prefix")?;
            write_path(prefix, json)?;
        }
        if !self.alias.is_empty() {
            json.name("alias")?;
            json.text(self.alias)?;
        }
        if self.atomic {
            json.name("atomic")?;
            json.boolean(true)?;
        }
        json.name("update")?;
        json.open(b'[')?;
        self.updates(|update| {
            json.open(b'{')?;
            if let Some(path) = update.path {
                path::write_labels(path, json)?;
                json.name("path")?;
                write_path(path, json)?;
            }
            json.name("val")?;
            update.write_value(depth, json)?;
            if update.duplicates != 0 {
                json.name("duplicates")?;
                json.integer(update.duplicates)?;
            }
            json.close(b'}')
        })?;
        json.close(b']')?;
        self.write_deleted(json)
    }

    /// `sensor_path` and `notification_timestamp`.
    fn write_sensor(&self, json: &mut Writer<'_>) -> Result<(), Fault> {
        json.name("sensor_path")?;
        json.open(b'[')?;
        if let Some(prefix) = self.prefix {
            path::write_list(prefix, json)?;
        }
        json.close(b']')?;
        json.name("notification_timestamp")?;
        json.integer(self.timestamp)
    }

    /// A member for each update, named by its path, and the deleted paths. The keys of list entries are part of the name, since the
    /// updates of two entries would have the same name otherwise.
    fn write_members(&self, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        self.updates(|update| {
            json.begin_text()?;
            match update.path {
                Some(path) => path::write_parts(path, path::ELEM, Keys::Shown, json)?,
                None => json.part(b"/")?,
            }
            json.end_text_name()?;
            update.write_value(depth, json)
        })?;
        self.write_deleted(json)
    }

    fn write_deleted(&self, json: &mut Writer<'_>) -> Result<(), Fault> {
        let Some(mut fields) = self.fields.filter(|_| self.has_deleted) else { return Ok(()) };
        json.name("delete")?;
        json.open(b'[')?;
        while let Some(field) = fields.next()? {
            if field.number == 5 {
                write_path(field.message()?, json)?;
            }
        }
        json.close(b']')
    }

    fn updates(&self, mut each: impl FnMut(Update<'a>) -> Result<(), Fault>) -> Result<(), Fault> {
        let Some(mut fields) = self.fields else { return Ok(()) };
        while let Some(field) = fields.next()? {
            if field.number == 4 {
                each(Update::read(field.message()?)?)?;
            }
        }
        Ok(())
    }
}

/// A path with its keys, as text.
fn write_path(path: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    json.begin_text()?;
    path::write_parts(path, path::ELEM, Keys::Shown, json)?;
    json.end_text()
}

#[derive(Default)]
struct Update<'a> {
    path: Option<Fields<'a>>,
    /// Of a message before gNMI 0.3.
    value: Option<Fields<'a>>,
    val: Option<Fields<'a>>,
    duplicates: u32,
}

impl<'a> Update<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut update = Self::default();
        while let Some(field) = fields.next()? {
            match field.number {
                1 => field.once(&mut update.path)?,
                2 => field.once(&mut update.value)?,
                3 => field.once(&mut update.val)?,
                4 => update.duplicates = uint32(field.varint()?),
                _ => {}
            }
        }
        Ok(update)
    }

    fn write_value(&self, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
        match (self.val, self.value) {
            (Some(val), _) => value::write(val, depth, json),
            (None, Some(value)) => value::write_deprecated(value, depth, json),
            (None, None) => json.null(),
        }
    }
}

/// `GnmiJuniperTelemetryHeaderExtension`: where a message comes from. Times are milliseconds since 1970.
static HEADER: Schema = Schema(&[
    schema::one(1, "systemId", Kind::Text),
    schema::one(2, "componentId", Kind::Uint32),
    schema::one(3, "subComponentId", Kind::Uint32),
    schema::one(4, "sensorName", Kind::Text),
    schema::one(5, "subscribedPath", Kind::Text),
    schema::one(6, "streamedPath", Kind::Text),
    schema::one(7, "component", Kind::Text),
    schema::one(8, "sequenceNumber", Kind::Uint64),
    schema::one(9, "payloadGetTimestamp", Kind::Int64),
    schema::one(10, "streamCreationTimestamp", Kind::Int64),
    schema::one(11, "eventTimestamp", Kind::Int64),
    schema::one(12, "exportTimestamp", Kind::Int64),
    schema::one(13, "subSequenceNumber", Kind::Uint64),
    schema::one(14, "eom", Kind::Bool),
]);
