//! Splits data sets into records, and records into fields.
//!
//! A field of variable length starts with its length: one octet, or 255 and two octets (RFC 7011 section 7).

use crate::template::{Field, Template, VARIABLE};
use wire::{Reader, Truncated};

/// Reads a variable-length field.
fn variable<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Truncated> {
    let len = match r.u8()? {
        255 => usize::from(r.u16()?),
        len => usize::from(len),
    };
    r.take(len)
}

/// Reads the next field.
#[inline]
pub fn field<'a>(r: &mut Reader<'a>, field: &Field) -> Result<&'a [u8], Truncated> {
    if field.length == VARIABLE { variable(r) } else { r.take(usize::from(field.length)) }
}

/// Offset and length of each field of a record, in octets, from the start of the set's body.
pub type Spans = Vec<(u32, u32)>;

/// Reads one record of a template with variable-length fields, and fills `spans`. Returns false if only padding is left:
/// less than the shortest possible record.
pub fn spans(template: &Template, r: &mut Reader<'_>, spans: &mut Spans) -> Result<bool, Truncated> {
    spans.clear();
    if r.left() < template.min_length {
        return Ok(false);
    }
    for specifier in &template.fields {
        let octets = field(r, specifier)?;
        // A datagram has at most 65,535 octets, so these casts never truncate.
        spans.push(((r.at() - octets.len()) as u32, octets.len() as u32));
    }
    Ok(true)
}

/// Iterates over the records of a set. It ends at padding, or with an error at a truncated record.
#[derive(Clone, Debug)]
pub struct Records<'a, 't> {
    template: &'t Template,
    r: Reader<'a>,
}

/// Returns the records of a set's body.
pub fn records<'a, 't>(template: &'t Template, body: &'a [u8]) -> Records<'a, 't> {
    Records { template, r: Reader::new(body) }
}

impl<'a> Iterator for Records<'a, '_> {
    type Item = Result<&'a [u8], Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.template.min_length == 0 || self.r.left() < self.template.min_length {
            return None;
        }
        if !self.template.is_variable {
            return Some(self.r.take(self.template.min_length));
        }
        let (start, from) = (self.r.rest(), self.r.at());
        for specifier in &self.template.fields {
            if let Err(truncated) = field(&mut self.r, specifier) {
                self.r = Reader::new(&[]);
                return Some(Err(truncated));
            }
        }
        start.get(..self.r.at() - from).map(Ok)
    }
}

/// Returns the fields of one record, with their specifiers.
pub fn fields<'a, 't>(template: &'t Template, record: &'a [u8]) -> impl Iterator<Item = (&'t Field, &'a [u8])> {
    let mut r = Reader::new(record);
    template.fields.iter().map_while(move |specifier| Some((specifier, field(&mut r, specifier).ok()?)))
}

/// Decodes a big-endian number of up to eight octets. Of longer ones the last eight count.
#[inline]
pub fn number(octets: &[u8]) -> u64 {
    match *octets {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_be_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_be_bytes([0, a, b, c])),
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Kind;

    #[test]
    fn variable_fields_and_padding_are_recognized() {
        let fields = vec![
            Field { enterprise: 0, element: 82, length: VARIABLE },
            Field { enterprise: 0, element: 10, length: 2 },
        ];
        let template = Template::new(0, 256, Kind::Data, fields);
        let body = [2, b'e', b'0', 0, 1, 255, 0, 1, b'x', 0, 2, 0, 0];
        let found: Vec<_> = records(&template, &body).collect();
        assert_eq!(found, [Ok(&body[..5]), Ok(&body[5..11])]);
        let second: Vec<_> = super::fields(&template, &body[5..11]).map(|(_, octets)| octets).collect();
        assert_eq!(second, [&b"x"[..], &[0, 2]]);
        let overlong = [200, b'e', 0, 1];
        assert!(records(&template, &overlong).next().unwrap().is_err());
        assert_eq!(records(&template, &overlong).count(), 1);
    }

    #[test]
    fn numbers_of_any_size_are_decoded() {
        assert_eq!(number(&[]), 0);
        assert_eq!(number(&[1, 2, 3]), 0x01_0203);
        assert_eq!(number(&[9, 0, 0, 0, 0, 0, 0, 0, 1]), 1);
    }
}
