//! Values of rows as parameters of prepared statements.

use crate::rows::{Rows, Value};
use crate::width::Width;
use delivery::{Receipt, Sum};
use encode::address;
use mysql::Value as Bound;
use std::net::IpAddr;

/// The overhead of a parameter in bytes: its type and its length.
const OVERHEAD: usize = 16;

/// How the values of a column are bound.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The value for NULL.
    pub(super) null: Bound,
    /// An empty text counts as NULL, since it is not a value of the column's type.
    pub(super) empty_is_null: bool,
    /// Addresses are binary, as `INET6_ATON` returns them.
    pub(super) binary: bool,
    /// The maximum length of texts.
    pub(super) width: Width,
}

/// A row of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowId {
    /// Its number in the batch.
    pub(super) number: u32,
    /// The traffic that it counts.
    pub(super) sum: Sum,
}

/// The rows of a batch that are still to be written.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) rows: Vec<RowId>,
    /// Row by row, one for each column.
    values: Vec<Value<'a>>,
    columns: usize,
}

impl<'a> Chunk<'a> {
    /// The rows that the receipt does not list yet; `None` when the batch is damaged.
    pub(super) fn new(rows: &Rows<'a>, receipt: &Receipt) -> Option<Self> {
        let mut chunk = Self { rows: Vec::new(), values: Vec::new(), columns: rows.head.columns.len() };
        let is_complete = rows.each(|number, sum, values| {
            if !receipt.has(number) {
                chunk.rows.push(RowId { number, sum });
                chunk.values.extend_from_slice(values);
            }
            Ok::<(), std::convert::Infallible>(())
        });
        matches!(is_complete, Ok(true)).then_some(chunk)
    }

    /// The values of some rows.
    pub(super) fn values(&self, first: usize, end: usize) -> &[Value<'a>] {
        self.values.get(first * self.columns..end * self.columns).unwrap_or_default()
    }

    /// An upper bound of the size of some rows in a packet, in bytes.
    pub(super) fn size(&self, first: usize, end: usize) -> usize {
        let text = |value: &Value<'_>| if let Value::Text(text) = value { text.len() } else { 40 };
        self.values(first, end).iter().map(|value| text(value) + OVERHEAD).sum()
    }
}

/// The parameters for values, row by row.
pub(super) fn bind(values: &[Value<'_>], bindings: &[Binding]) -> Vec<Bound> {
    values.iter().zip(bindings.iter().cycle()).map(|(value, binding)| binding.bind(*value)).collect()
}

impl Binding {
    /// The parameter for a value.
    #[inline]
    pub(super) fn bind(&self, value: Value<'_>) -> Bound {
        match value {
            Value::Null => self.null.clone(),
            Value::Text("") if self.empty_is_null => self.null.clone(),
            Value::Number(number) => Bound::UInt(number),
            Value::Real(real) => Bound::Double(real),
            Value::Text(text) => Bound::Bytes(self.width.cut(text).as_bytes().to_vec()),
            Value::Address(IpAddr::V4(address)) if self.binary => Bound::Bytes(address.octets().to_vec()),
            Value::Address(IpAddr::V6(address)) if self.binary => Bound::Bytes(address.octets().to_vec()),
            Value::Address(IpAddr::V4(address)) => text(15, |out| address::v4(out, address.octets())),
            Value::Address(IpAddr::V6(address)) => text(39, |out| address::v6(out, &address.octets())),
            Value::Mac(mac) => text(17, |out| address::mac(out, mac)),
            Value::Time(seconds) => Bound::Int(seconds),
        }
    }
}

fn text(size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bound {
    let mut out = Vec::with_capacity(size);
    write(&mut out);
    Bound::Bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bound() {
        let plain = Binding { null: Bound::NULL, empty_is_null: true, binary: false, width: Width::unbounded() };
        let binary = Binding {
            null: Bound::Int(0),
            empty_is_null: false,
            binary: true,
            width: Width::of("b", "char(17)", &crate::width::Logged::default()),
        };
        let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let bytes = |text: &[u8]| Bound::Bytes(text.to_vec());
        for (value, as_plain, as_binary) in [
            (Value::Null, Bound::NULL, Bound::Int(0)),
            (Value::Text(""), Bound::NULL, bytes(b"")),
            (Value::Text("a'b"), bytes(b"a'b"), bytes(b"a'b")),
            (Value::Address(v4), bytes(b"192.0.2.1"), bytes(&[192, 0, 2, 1])),
            (
                Value::Address(v6),
                bytes(b"2001:db8::1"),
                bytes(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ),
            (Value::Mac([0, 1, 2, 3, 4, 255]), bytes(b"00:01:02:03:04:ff"), bytes(b"00:01:02:03:04:ff")),
            (Value::Time(-5), Bound::Int(-5), Bound::Int(-5)),
            (Value::Number(u64::MAX), Bound::UInt(u64::MAX), Bound::UInt(u64::MAX)),
        ] {
            assert_eq!(bind(&[value, value], &[plain.clone(), binary.clone()]), [as_plain, as_binary]);
        }
    }
}
