//! The fields of a protobuf message.
//!
//! ```text
//! tag       varint: field number << 3 | wire type
//! value     wire type 0: varint, little-endian groups of 7 bits, at most 10 octets
//!                     1: 8 octets, little-endian
//!                     2: length as varint, then octets
//!                     5: 4 octets, little-endian
//! ```

use crate::fault::Fault;
use wire::Reader;

/// The largest field number.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// A cursor over the fields of a message. A copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(Reader<'a>);

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The field number.
    pub(crate) number: u32,
    /// The offset of the tag.
    pub(crate) at: usize,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// The value of a field by its wire type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Octets(Reader<'a>),
}

impl<'a> Fields<'a> {
    /// The fields of a whole message.
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(Reader::new(octets))
    }

    /// The octets left.
    pub(crate) fn octets(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// The offset of the next field.
    pub(crate) fn at(&self) -> usize {
        self.0.at()
    }

    /// The next field, or `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let at = self.0.at();
        let tag = varint(&mut self.0)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if !(1..=MAX_NUMBER).contains(&number) {
            return Err(Fault::FieldNumber { at, number });
        }
        // Both fit: the number was just compared, and the wire type has 3 bits.
        let (number, wire_type) = (number as u32, wire_type as u8);
        let value = match wire_type {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed64(self.0.array().map(u64::from_le_bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).unwrap_or(usize::MAX);
                Value::Octets(self.0.within(length)?)
            }
            5 => Value::Fixed32(self.0.array().map(u32::from_le_bytes)?),
            _ => return Err(Fault::WireType { at, number, wire_type }),
        };
        Ok(Some(Field { number, at, value }))
    }
}

#[inline]
fn varint(r: &mut Reader<'_>) -> Result<u64, Fault> {
    let at = r.at();
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let octet = r.u8()?;
        let bits = u64::from(octet & 0x7f);
        // The tenth octet holds the last bit.
        if shift == 63 && bits > 1 {
            return Err(Fault::Varint { at });
        }
        value |= bits << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::Varint { at })
}

impl<'a> Field<'a> {
    #[cold]
    fn wrong(&self) -> Fault {
        let wire_type = match self.value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Octets(_) => 2,
            Value::Fixed32(_) => 5,
        };
        Fault::WireType { at: self.at, number: self.number, wire_type }
    }

    /// The value of an integer, a boolean or an enumeration.
    #[inline]
    pub(crate) fn varint(&self) -> Result<u64, Fault> {
        if let Value::Varint(value) = self.value { Ok(value) } else { Err(self.wrong()) }
    }

    /// The value of a double.
    pub(crate) fn double(&self) -> Result<f64, Fault> {
        if let Value::Fixed64(value) = self.value { Ok(f64::from_bits(value)) } else { Err(self.wrong()) }
    }

    /// The value of a float.
    pub(crate) fn float(&self) -> Result<f32, Fault> {
        if let Value::Fixed32(value) = self.value { Ok(f32::from_bits(value)) } else { Err(self.wrong()) }
    }

    /// The octets of a text, of bytes, or of a message.
    #[inline]
    pub(crate) fn octets(&self) -> Result<&'a [u8], Fault> {
        if let Value::Octets(octets) = self.value { Ok(octets.rest()) } else { Err(self.wrong()) }
    }

    /// The fields of a message.
    #[inline]
    pub(crate) fn message(&self) -> Result<Fields<'a>, Fault> {
        if let Value::Octets(octets) = self.value { Ok(Fields(octets)) } else { Err(self.wrong()) }
    }

    /// The fields of a message that may occur once, which goes to `place`.
    pub(crate) fn once(&self, place: &mut Option<Fields<'a>>) -> Result<(), Fault> {
        if place.is_some() {
            return Err(Fault::Repeated { at: self.at, number: self.number });
        }
        *place = Some(self.message()?);
        Ok(())
    }
}

/// The 32-bit integer of a varint: protobuf cuts larger ones.
pub(crate) const fn uint32(value: u64) -> u32 {
    value as u32
}

/// The signed integer of a varint in ZigZag encoding.
pub(crate) const fn sint64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The signed 32-bit integer of a varint in ZigZag encoding.
pub(crate) const fn sint32(value: u64) -> i32 {
    let value = uint32(value);
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Truncated;

    fn walk(octets: &[u8]) -> Result<Vec<u32>, Fault> {
        let (mut fields, mut numbers) = (Fields::new(octets), Vec::new());
        while let Some(field) = fields.next()? {
            numbers.push(field.number);
        }
        Ok(numbers)
    }

    #[test]
    fn fields_of_all_wire_types_are_read() {
        let octets = [
            &[0x08, 0x96, 0x01][..],               // 1: varint 150
            &[0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f], // 2: double 1.0
            &[0x1a, 2, b'h', b'i'],                // 3: "hi"
            &[0x25, 0, 0, 0x80, 0x3f],             // 4: float 1.0
            &[0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00], // 536870911: varint 0
        ]
        .concat();
        assert_eq!(walk(&octets), Ok(vec![1, 2, 3, 4, 536_870_911]));
        let mut fields = Fields::new(&octets);
        let mut next = || fields.next().unwrap().unwrap();
        assert_eq!(next().varint(), Ok(150));
        assert_eq!(next().double(), Ok(1.0));
        let text = next();
        assert_eq!(text.octets(), Ok(&b"hi"[..]));
        assert_eq!(text.varint(), Err(Fault::WireType { at: 12, number: 3, wire_type: 2 }));
        assert_eq!(next().float(), Ok(1.0));
    }

    #[test]
    fn each_way_to_be_bad_has_its_fault() {
        let truncated = |at, wanted, left| Err(Fault::Truncated(Truncated { at, wanted, left }));
        let ten = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for (octets, fault) in [
            (&[0x08][..], truncated(1, 1, 0)),
            (&[0x08, 0x80], truncated(2, 1, 0)),
            (&[0x11, 1, 2, 3], truncated(1, 8, 3)),
            (&[0x25, 1], truncated(1, 4, 1)),
            (&[0x12, 3, 1, 2], truncated(2, 3, 2)),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], truncated(6, 0x7_ffff_ffff, 1)),
            (&[0x00, 0], Err(Fault::FieldNumber { at: 0, number: 0 })),
            (&[0x80, 0x80, 0x80, 0x80, 0x10, 0], Err(Fault::FieldNumber { at: 0, number: 1 << 29 })),
            (&[0x0b, 0x0c], Err(Fault::WireType { at: 0, number: 1, wire_type: 3 })),
            (&[0x0f], Err(Fault::WireType { at: 0, number: 1, wire_type: 7 })),
            (&ten, Err(Fault::Varint { at: 1 })),
            (&[0xff; 11], Err(Fault::Varint { at: 0 })),
        ] {
            assert_eq!(walk(octets), fault, "{octets:02x?}");
        }
        let largest = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Fields::new(&largest).next().unwrap().unwrap().varint(), Ok(u64::MAX));
    }

    #[test]
    fn zigzag_is_decoded() {
        for (wire, value) in [(0, 0), (1, -1), (2, 1), (u64::MAX, i64::MIN), (u64::MAX - 1, i64::MAX)] {
            assert_eq!(sint64(wire), value);
        }
        for (wire, value) in [(1, -1), (u64::from(u32::MAX), i32::MIN), (1 << 32 | 3, -2)] {
            assert_eq!(sint32(wire), value);
        }
    }
}
