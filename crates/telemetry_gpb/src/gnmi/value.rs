//! Values (gNMI 0.10 section 2.2.3).
//!
//! ```text
//! TypedValue  1 string  2 int  3 uint  4 bool  5 bytes  6 float  7 Decimal64 { 1 digits: int64  2 precision: uint32 }
//!             8 ScalarArray { 1 element: TypedValue, repeated }  9 Any { 1 type_url  2 value }  10 json  11 json_ietf
//!             12 ascii  13 proto_bytes  14 double
//! Value       1 value: bytes   2 type: Encoding                                             (before gNMI 0.3)
//! ```

use crate::fault::Fault;
use crate::fields::{Field, Fields, uint32};
use crate::json::Writer;

/// Writes a `TypedValue`; null if it has none. JSON that is not valid shows as text.
pub(crate) fn write(mut value: Fields<'_>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    let Some(deeper) = depth.checked_sub(1) else { return Err(Fault::Depth { at: value.at() }) };
    // Of several members of a `oneof`, the last one counts; but a message that occurs twice would have to be merged.
    let mut last: Option<Field<'_>> = None;
    while let Some(field) = value.next()? {
        if matches!(field.number, 7..=9) && last.is_some_and(|last| last.number == field.number) {
            return Err(Fault::Repeated { at: field.at, number: field.number });
        }
        if (1..=14).contains(&field.number) {
            last = Some(field);
        }
    }
    let Some(field) = last else { return json.null() };
    match field.number {
        1 | 12 => json.text(field.octets()?),
        2 => json.integer(field.varint()?.cast_signed()),
        3 => json.integer(field.varint()?),
        4 => json.boolean(field.varint()? != 0),
        5 | 13 => json.base64(field.octets()?),
        6 => json.float(field.float()?),
        7 => write_decimal(field.message()?, json),
        8 => write_array(field.message()?, deeper, json),
        9 => write_any(field.message()?, json),
        14 => json.double(field.double()?),
        _ => json.embed_or_text(field.octets()?, deeper),
    }
}

fn write_decimal(mut decimal: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut digits, mut precision) = (0, 0);
    while let Some(field) = decimal.next()? {
        match field.number {
            1 => digits = field.varint()?.cast_signed(),
            2 => precision = uint32(field.varint()?),
            _ => {}
        }
    }
    json.decimal(digits, precision)
}

fn write_array(mut array: Fields<'_>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    json.open(b'[')?;
    while let Some(field) = array.next()? {
        if field.number == 1 {
            write(field.message()?, depth, json)?;
        }
    }
    json.close(b']')
}

fn write_any(mut any: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut type_url, mut value) = (&b""[..], &b""[..]);
    while let Some(field) = any.next()? {
        match field.number {
            1 => type_url = field.octets()?,
            2 => value = field.octets()?,
            _ => {}
        }
    }
    json.open(b'{')?;
    json.name("type_url")?;
    json.text(type_url)?;
    json.name("value")?;
    json.base64(value)?;
    json.close(b'}')
}

/// Writes a `Value`, by its encoding: JSON (0), bytes (1), protobuf (2), ASCII (3), JSON_IETF (4).
pub(crate) fn write_deprecated(mut value: Fields<'_>, depth: u32, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut octets, mut encoding) = (&b""[..], 0);
    while let Some(field) = value.next()? {
        match field.number {
            1 => octets = field.octets()?,
            2 => encoding = uint32(field.varint()?),
            _ => {}
        }
    }
    match encoding {
        0 | 4 => json.embed_or_text(octets, depth),
        3 => json.text(octets),
        _ => json.base64(octets),
    }
}
