//! Blocks of counters.
//!
//! The contents of a block are declared in a table ([`KINDS`]), as names and widths in the order of the octets; code
//! that prints or encodes counters iterates over [`CounterBlock::values`] and needs no code for each kind.

mod table;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::sample::DataFormat;
use crate::xdr::{self, Xdr, count};
use wire::{Mac, Reader, Writer};

pub use table::{KINDS, OLD_KINDS};

/// A field of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterField {
    /// Its name: that of the MIB, if there is one.
    pub name: &'static str,
    /// Its encoding.
    pub width: Width,
}

/// The encoding of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// An unsigned number of four octets.
    Four,
    /// An unsigned number of eight octets.
    Eight,
    /// A number of four octets (IEEE 754).
    Float,
    /// A MAC address, padded to eight octets.
    Mac,
    /// Sixteen octets.
    Uuid,
    /// A string after its length.
    Text,
    /// The number of groups of these fields, which follow.
    List(&'static [CounterField]),
}

/// A kind of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterKind {
    /// Its format.
    pub format: DataFormat,
    /// Its name.
    pub name: &'static str,
    /// Fields before its own that it shares with another kind: in versions 2 and 4 the counters of a medium follow the
    /// generic ones in one block.
    pub base: &'static [CounterField],
    /// Its fields.
    pub fields: &'static [CounterField],
}

/// The kind of a format of version 5.
pub fn kind(format: DataFormat) -> Option<&'static CounterKind> {
    let at = KINDS.binary_search_by_key(&format, |kind| kind.format).ok()?;
    KINDS.get(at)
}

/// A value of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A counter, gauge, index or enumeration; for a list, the number of groups that follow.
    Number(u64),
    /// A number with a fraction.
    Float(f32),
    /// A MAC address.
    Mac(Mac),
    /// Octets that are not interpreted.
    Octets(&'a [u8]),
    /// A string, in any character set.
    Text(&'a [u8]),
}

/// A block of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterBlock<'a> {
    /// Its format; in versions 2 and 4 its type.
    pub format: DataFormat,
    /// Its kind, if known.
    pub kind: Option<&'static CounterKind>,
    /// Its contents.
    pub octets: &'a [u8],
}

impl<'a> CounterBlock<'a> {
    /// A block of version 5 with contents from [`contents`].
    pub fn new(format: DataFormat, octets: &'a [u8]) -> Self {
        Self { format, kind: kind(format), octets }
    }

    /// Reads the contents of a block of this format. A known kind must have all its values; additional octets are
    /// ignored.
    fn read(format: DataFormat, r: Reader<'a>) -> Result<Self, DecodeError> {
        let block = Self::new(format, r.rest());
        if let Some(kind) = block.kind {
            Walk::new(kind, r).end()?;
        }
        Ok(block)
    }

    /// Its name, if known.
    pub fn name(&self) -> Option<&'static str> {
        self.kind.map(|kind| kind.name)
    }

    /// All its values, in order; none for an unknown kind.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Value<'a>)> + use<'a> {
        let r = Reader::new(self.octets);
        self.kind.into_iter().flat_map(move |kind| Walk::new(kind, r)).map_while(Result::ok)
    }

    /// Its integers, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> + use<'a> {
        self.values().filter_map(|(name, value)| match value {
            Value::Number(number) => Some((name, number)),
            _ => None,
        })
    }

    /// The integer with this name.
    pub fn field(&self, name: &str) -> Option<u64> {
        self.fields().find(|(of, _)| *of == name).map(|(_, number)| number)
    }
}

/// Encodes the values of a block of this kind, one for each field in order, with groups in sequence. It stops at a value that
/// does not match the width of its field.
pub fn contents<'v>(kind: &CounterKind, values: impl IntoIterator<Item = Value<'v>>) -> Vec<u8> {
    let mut w = Writer::new();
    let mut frames = Frames::new(kind);
    for value in values {
        let Some(field) = frames.next() else { break };
        match (field.width, value) {
            (Width::Four, Value::Number(number)) => _ = w.u32(u32::try_from(number).unwrap_or(u32::MAX)),
            (Width::Eight, Value::Number(number)) => _ = w.u64(number),
            (Width::Float, Value::Float(number)) => _ = w.u32(number.to_bits()),
            (Width::Mac, Value::Mac(mac)) => mac.write(&mut w),
            (Width::Uuid, Value::Octets(octets)) if octets.len() == 16 => _ = w.put(octets),
            (Width::Text, Value::Text(text)) => text.write(&mut w),
            (Width::List(group), Value::Number(groups)) => {
                let groups = u32::try_from(groups).unwrap_or(u32::MAX);
                w.u32(groups);
                frames.enter(group, groups);
            }
            _ => break,
        }
    }
    w.finish()
}

/// Maximum nesting of tables: the base, then lists in lists.
const DEPTH: usize = 3;

/// The position in a table.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    fields: &'static [CounterField],
    next: usize,
    rounds: u32,
}

/// The fields of a kind in the order of the octets.
#[derive(Clone, Debug)]
struct Frames {
    frames: [Frame; DEPTH],
    depth: usize,
}

impl Frames {
    fn new(kind: &CounterKind) -> Self {
        let mut frames = Self { frames: [Frame::default(); DEPTH], depth: 0 };
        frames.enter(kind.fields, 1);
        frames.enter(kind.base, 1);
        frames
    }

    /// Repeats these fields for each group before it continues.
    fn enter(&mut self, fields: &'static [CounterField], rounds: u32) {
        if let Some(frame) = self.frames.get_mut(self.depth)
            && rounds > 0
            && !fields.is_empty()
        {
            *frame = Frame { fields, next: 0, rounds };
            self.depth += 1;
        }
    }
}

impl Iterator for Frames {
    type Item = &'static CounterField;

    fn next(&mut self) -> Option<&'static CounterField> {
        loop {
            let frame = self.frames.get_mut(self.depth.checked_sub(1)?)?;
            if let Some(field) = frame.fields.get(frame.next) {
                frame.next += 1;
                return Some(field);
            }
            if frame.rounds > 1 {
                frame.rounds -= 1;
                frame.next = 0;
            } else {
                self.depth -= 1;
            }
        }
    }
}

/// The values of a block.
#[derive(Clone, Debug)]
struct Walk<'a> {
    r: Reader<'a>,
    frames: Frames,
}

impl<'a> Walk<'a> {
    fn new(kind: &CounterKind, r: Reader<'a>) -> Self {
        Self { r, frames: Frames::new(kind) }
    }

    /// The reader after the last value. Groups are not empty, so an invalid number of groups ends soon.
    fn end(mut self) -> Result<Reader<'a>, DecodeError> {
        for value in self.by_ref() {
            value?;
        }
        Ok(self.r)
    }

    fn value(&mut self, width: Width) -> Result<Value<'a>, DecodeError> {
        let r = &mut self.r;
        Ok(match width {
            Width::Four => Value::Number(r.u32()?.into()),
            Width::Eight => Value::Number(r.u64()?),
            Width::Float => Value::Float(f32::from_bits(r.u32()?)),
            Width::Mac => Value::Mac(Xdr::read(r)?),
            Width::Uuid => Value::Octets(r.take(16)?),
            Width::Text => Value::Text(Xdr::read(r)?),
            Width::List(group) => {
                let groups = r.u32()?;
                self.frames.enter(group, groups);
                Value::Number(groups.into())
            }
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<(&'static str, Value<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.frames.next()?;
        Some(self.value(field.width).map(|value| (field.name, value)))
    }
}

/// The blocks of a sample.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    r: Reader<'a>,
    left: u32,
    unframed: Option<&'static CounterKind>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn framed(r: Reader<'a>, blocks: u32) -> Self {
        Self { r, left: blocks, unframed: None }
    }

    /// The one block of versions 2 and 4; advances the reader past it.
    pub(crate) fn unframed(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.at();
        let number = r.u32()?;
        let kind = OLD_KINDS.iter().find(|kind| kind.format.0 == number);
        let kind = kind.ok_or_else(|| DecodeError::new(at, DecodeErrorKind::CounterBlock(number)))?;
        let end = Walk::new(kind, *r).end()?;
        let body = r.within(end.at() - r.at())?;
        Ok(Self { r: body, left: 1, unframed: Some(kind) })
    }

    fn framed_block(&mut self) -> Result<Result<CounterBlock<'a>, DecodeError>, DecodeError> {
        let format = DataFormat(self.r.u32()?);
        let len = self.r.u32()?;
        let body = xdr::contents(&mut self.r, len)?;
        Ok(CounterBlock::read(format, body))
    }
}

impl<'a> Iterator for Blocks<'a> {
    /// An error is returned once. It is the last item if the next block cannot be found.
    type Item = Result<CounterBlock<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if let Some(kind) = self.unframed {
            return Some(Ok(CounterBlock { format: kind.format, kind: Some(kind), octets: self.r.rest() }));
        }
        Some(self.framed_block().unwrap_or_else(|error| {
            self.left = 0;
            Err(error)
        }))
    }
}

/// Writes format, length and contents of a block.
pub(crate) fn write_framed(w: &mut Writer, format: DataFormat, octets: &[u8]) {
    w.u32(format.0).u32(count(octets.len())).put(octets);
    crate::xdr::pad(w, octets.len());
}
