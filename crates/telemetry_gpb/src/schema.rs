//! Messages as protobuf's own JSON ("ProtoJSON"), by tables of their fields.
//!
//! A field with the default value of its type is left out, unless it is a member of a `oneof`. Of those, the last one counts. An enumeration shows the name of its value, or the
//! number of one without a name.

use crate::fault::Fault;
use crate::fields::{Field, Fields, sint32, sint64, uint32};
use crate::json::Writer;

/// The fields of a message, in the order of their numbers; at most 64.
#[derive(Debug)]
pub(crate) struct Schema(pub(crate) &'static [Member]);

/// A field.
#[derive(Debug)]
pub(crate) struct Member {
    number: u32,
    name: &'static str,
    occurrence: Occurrence,
    kind: Kind,
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occurrence {
    Once,
    Repeated,
    /// Instead of the other members of the `oneof` with this number.
    Oneof(u8),
}

/// The type of a field.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Bool,
    Uint32,
    Uint64,
    Int64,
    Sint32,
    Sint64,
    Double,
    Float,
    /// The names of its values, from 0.
    Enum(&'static [&'static str]),
    Message(&'static Schema),
}

/// How 64-bit integers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wide {
    /// As text, as protobuf does.
    Quoted,
    /// As integers.
    Plain,
}

/// A field that occurs once.
pub(crate) const fn one(number: u32, name: &'static str, kind: Kind) -> Member {
    Member { number, name, occurrence: Occurrence::Once, kind }
}

/// A repeated field.
pub(crate) const fn many(number: u32, name: &'static str, kind: Kind) -> Member {
    Member { number, name, occurrence: Occurrence::Repeated, kind }
}

/// A member of the `oneof` with this number.
pub(crate) const fn oneof(group: u8, number: u32, name: &'static str, kind: Kind) -> Member {
    Member { number, name, occurrence: Occurrence::Oneof(group), kind }
}

/// Writes a message as an object.
pub(crate) fn write(
    fields: Fields<'_>,
    schema: &Schema,
    wide: Wide,
    depth: u32,
    json: &mut Writer<'_>,
) -> Result<(), Fault> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Fault::Depth { at: fields.at() }) };
    // Which members occur, so that the message is walked once more for each of them only.
    let (mut present, mut walk) = (0u64, fields);
    while let Some(field) = walk.next()? {
        let Some(index) = schema.0.iter().position(|member| member.number == field.number) else { continue };
        if let Some(Member { occurrence: group @ Occurrence::Oneof(_), .. }) = schema.0.get(index) {
            for (other, member) in schema.0.iter().enumerate() {
                if member.occurrence == *group {
                    present &= !(1 << (other & 63));
                }
            }
        }
        present |= 1 << (index & 63);
    }
    json.open(b'{')?;
    for (index, member) in schema.0.iter().enumerate() {
        if present >> (index & 63) & 1 == 1 {
            write_member(fields, member, wide, depth, json)?;
        }
    }
    json.close(b'}')
}

fn write_member(
    mut fields: Fields<'_>,
    member: &Member,
    wide: Wide,
    depth: u32,
    json: &mut Writer<'_>,
) -> Result<(), Fault> {
    if member.occurrence == Occurrence::Repeated {
        json.name(member.name)?;
        json.open(b'[')?;
        while let Some(field) = fields.next()? {
            if field.number == member.number {
                write_value(&field, &member.kind, wide, depth, json)?;
            }
        }
        return json.close(b']');
    }
    let mut last = None;
    while let Some(field) = fields.next()? {
        if field.number == member.number {
            if last.is_some() && matches!(member.kind, Kind::Message(_)) {
                return Err(Fault::Repeated { at: field.at, number: field.number });
            }
            last = Some(field);
        }
    }
    let Some(field) = last else { return Ok(()) };
    let is_default = is_default(&field, &member.kind)?;
    if is_default && member.occurrence == Occurrence::Once {
        return Ok(());
    }
    json.name(member.name)?;
    write_value(&field, &member.kind, wide, depth, json)
}

/// Whether a field has the default value of its type.
fn is_default(field: &Field<'_>, kind: &Kind) -> Result<bool, Fault> {
    Ok(match kind {
        Kind::Text | Kind::Bytes => field.octets()?.is_empty(),
        Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => uint32(field.varint()?) == 0,
        Kind::Bool | Kind::Uint64 | Kind::Int64 | Kind::Sint64 => field.varint()? == 0,
        // The default is positive zero.
        Kind::Double => field.double()?.to_bits() == 0,
        Kind::Float => field.float()?.to_bits() == 0,
        Kind::Message(_) => false,
    })
}

fn write_value(
    field: &Field<'_>,
    kind: &Kind,
    wide: Wide,
    depth: u32,
    json: &mut Writer<'_>,
) -> Result<(), Fault> {
    match kind {
        Kind::Text => json.text(field.octets()?),
        Kind::Bytes => json.base64(field.octets()?),
        Kind::Bool => json.boolean(field.varint()? != 0),
        Kind::Uint32 => json.integer(uint32(field.varint()?)),
        Kind::Sint32 => json.integer(sint32(field.varint()?)),
        Kind::Uint64 => write_wide(field.varint()?, wide, json),
        Kind::Int64 => write_wide(field.varint()?.cast_signed(), wide, json),
        Kind::Sint64 => write_wide(sint64(field.varint()?), wide, json),
        Kind::Double => json.double(field.double()?),
        Kind::Float => json.float(field.float()?),
        Kind::Enum(names) => {
            let number = uint32(field.varint()?).cast_signed();
            match usize::try_from(number).ok().and_then(|index| names.get(index)) {
                Some(name) => json.text(name.as_bytes()),
                None => json.integer(number),
            }
        }
        Kind::Message(schema) => write(field.message()?, schema, wide, depth, json),
    }
}

fn write_wide(value: impl itoa::Integer, wide: Wide, json: &mut Writer<'_>) -> Result<(), Fault> {
    match wide {
        Wide::Quoted => json.quoted_integer(value),
        Wide::Plain => json.integer(value),
    }
}
