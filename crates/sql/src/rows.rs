//! The body of write batches for databases: one table, the columns to write, and rows of values.
//!
//! ```text
//! head    u32 length, then JSON: { "table": ..., "create": ... or absent, "columns": [{ "name", "role", "form" }, ...],
//!         "for_backup": true or absent }
//! row     u64 packets, u64 bytes (the traffic of the row), then a value for each column
//! value   u8 tag, then by tag: 0 NULL, 1 u64, 2 f64, 3 u32 length and UTF-8 text, 4 an IPv4 address, 5 an IPv6
//!         address (16 bytes), 6 a MAC address (6 bytes), 7 i64 seconds since 1970
//! ```
//!
//! Numbers are little-endian: a batch is read by the program that wrote it, or by a later version on the same machine.

use delivery::{StoreError, Sum};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a column is updated when the table already has a row with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Part of the key: rows that are equal in all key columns are merged.
    Key,
    /// A counter: the values are added.
    Sum,
    /// Flags: bitwise OR.
    Or,
    /// The smaller value is kept.
    Least,
    /// The larger value is kept.
    Greatest,
    /// The time of the last change: the new value is kept.
    Updated,
}

/// How the values of a column are converted to what the server stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Not at all: numbers and texts.
    #[default]
    Plain,
    /// Seconds since 1970 become the server's type for times; in a column of numbers they are kept
    /// (`timestamps_since_epoch`).
    Time,
    /// Addresses are texts, or binary with `sql_num_hosts`.
    Address,
    /// MAC addresses are texts.
    Mac,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, not quoted.
    pub name: String,
    /// Its role in updates.
    pub role: Role,
    /// How its values are converted.
    #[serde(default)]
    pub form: Form,
}

/// A MAC address as text, with two hexadecimal digits per byte.
pub fn mac(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The header of a batch: what all its rows have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The name of the table, not quoted, with its variables filled in.
    pub table: String,
    /// The statement that creates the table if it does not exist (`sql_table_schema`), with its variables filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Its columns, in the order of values.
    pub columns: Vec<Column>,
    /// The rows are only for the backup server (`sql_preprocess: recover`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_backup: bool,
}

/// The error for batches with [`Head::for_backup`] when no backup is configured any more.
pub fn no_backup() -> StoreError {
    StoreError::Batch("the batch is for sql_backup_host, which is no longer set".to_owned())
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A number.
    Number(u64),
    /// A real number.
    Real(f64),
    /// A text.
    Text(&'a str),
    /// An address.
    Address(IpAddr),
    /// A MAC address.
    Mac([u8; 6]),
    /// A time: seconds since 1970.
    Time(i64),
}

/// Assembles rows into the body of a batch.
#[derive(Clone, Debug)]
pub struct Builder {
    head: Vec<u8>,
    rows: Vec<u8>,
    count: u32,
    sum: Sum,
}

impl Builder {
    /// A body of rows for one table.
    pub fn new(head: &Head) -> Self {
        Self {
            head: serde_json::to_vec(head).unwrap_or_default(),
            rows: Vec::new(),
            count: 0,
            sum: Sum::default(),
        }
    }

    /// Begins a row that counts so many packets and bytes. One value for each column must follow.
    pub fn row(&mut self, packets: u64, bytes: u64) {
        self.rows.extend_from_slice(&packets.to_le_bytes());
        self.rows.extend_from_slice(&bytes.to_le_bytes());
        self.count += 1;
        self.sum = self.sum.plus(Sum::one(packets, bytes));
    }

    /// Adds a value to the row.
    pub fn value(&mut self, value: Value<'_>) {
        let rows = &mut self.rows;
        match value {
            Value::Null => rows.push(0),
            Value::Number(number) => {
                rows.push(1);
                rows.extend_from_slice(&number.to_le_bytes());
            }
            Value::Real(real) => {
                rows.push(2);
                rows.extend_from_slice(&real.to_le_bytes());
            }
            Value::Text(text) => {
                rows.push(3);
                // A text longer than 4 GiB does not occur: interned texts are bounded.
                rows.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
                rows.extend_from_slice(text.as_bytes());
            }
            Value::Address(IpAddr::V4(address)) => {
                rows.push(4);
                rows.extend_from_slice(&address.octets());
            }
            Value::Address(IpAddr::V6(address)) => {
                rows.push(5);
                rows.extend_from_slice(&address.octets());
            }
            Value::Mac(address) => {
                rows.push(6);
                rows.extend_from_slice(&address);
            }
            Value::Time(seconds) => {
                rows.push(7);
                rows.extend_from_slice(&seconds.to_le_bytes());
            }
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// Rows so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The sum over all rows so far.
    pub fn sum(&self) -> Sum {
        self.sum
    }

    /// Returns the body, and leaves the builder without rows.
    pub fn take(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(4 + self.head.len() + self.rows.len());
        body.extend_from_slice(&u32::try_from(self.head.len()).unwrap_or(0).to_le_bytes());
        body.extend_from_slice(&self.head);
        body.append(&mut self.rows);
        self.count = 0;
        self.sum = Sum::default();
        body
    }
}

/// The rows of a body.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    /// The header.
    pub head: Head,
    rows: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Reads a body; `None` when its header cannot be read.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (length, rest) = body.split_first_chunk()?;
        let (head, rows) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { head: serde_json::from_slice(head).ok()?, rows })
    }

    /// Calls `with` with the number, the traffic and the values of each row. False when the body is truncated.
    pub fn each<E>(&self, mut with: impl FnMut(u32, Sum, &[Value<'a>]) -> Result<(), E>) -> Result<bool, E> {
        let mut left = self.rows;
        let mut values = Vec::with_capacity(self.head.columns.len());
        let mut number = 0;
        while !left.is_empty() {
            let Some((sum, rest)) = read_row(left, self.head.columns.len(), &mut values) else {
                return Ok(false);
            };
            left = rest;
            with(number, sum, &values)?;
            number += 1;
        }
        Ok(true)
    }
}

fn read_row<'a>(encoded: &'a [u8], columns: usize, values: &mut Vec<Value<'a>>) -> Option<(Sum, &'a [u8])> {
    let (packets, rest) = encoded.split_first_chunk()?;
    let (bytes, mut rest) = rest.split_first_chunk()?;
    let sum = Sum::one(u64::from_le_bytes(*packets), u64::from_le_bytes(*bytes));
    values.clear();
    for _ in 0..columns {
        let (value, after) = read_value(rest)?;
        values.push(value);
        rest = after;
    }
    Some((sum, rest))
}

#[inline]
fn read_value(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    Some(match tag {
        0 => (Value::Null, rest),
        1 => {
            let (number, rest) = rest.split_first_chunk()?;
            (Value::Number(u64::from_le_bytes(*number)), rest)
        }
        2 => {
            let (real, rest) = rest.split_first_chunk()?;
            (Value::Real(f64::from_le_bytes(*real)), rest)
        }
        3 => {
            let (length, rest) = rest.split_first_chunk()?;
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            (Value::Text(std::str::from_utf8(text).ok()?), rest)
        }
        4 => {
            let (address, rest) = rest.split_first_chunk::<4>()?;
            (Value::Address(Ipv4Addr::from(*address).into()), rest)
        }
        5 => {
            let (address, rest) = rest.split_first_chunk::<16>()?;
            (Value::Address(Ipv6Addr::from(*address).into()), rest)
        }
        6 => {
            let (address, rest) = rest.split_first_chunk()?;
            (Value::Mac(*address), rest)
        }
        7 => {
            let (seconds, rest) = rest.split_first_chunk()?;
            (Value::Time(i64::from_le_bytes(*seconds)), rest)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_written_are_read_back() {
        let values = [
            Value::Null,
            Value::Number(u64::MAX),
            Value::Real(1.5),
            Value::Text("é'"),
            Value::Address("192.0.2.1".parse().unwrap()),
            Value::Address("2001:db8::1".parse().unwrap()),
            Value::Mac([1, 2, 3, 4, 5, 6]),
            Value::Time(-1),
        ];
        let columns = (0..values.len())
            .map(|at| Column { name: format!("c{at}"), role: Role::Key, form: Form::Plain })
            .collect();
        let head = Head { table: "acct".to_owned(), create: None, columns, for_backup: false };
        let mut builder = Builder::new(&head);
        for packets in 0..3 {
            builder.row(packets, 10);
            values.iter().for_each(|value| builder.value(*value));
        }
        assert_eq!((builder.count(), builder.sum().bytes), (3, 30));
        let body = builder.take();
        let rows = Rows::read(&body).unwrap();
        assert_eq!(rows.head, head);
        let mut count = 0;
        let whole = rows.each(|number, sum, read| {
            assert_eq!((u64::from(number), sum.packets, read), (count, count, values.as_slice()));
            count += 1;
            Ok::<(), ()>(())
        });
        assert_eq!((whole, count), (Ok(true), 3));
        for cut in 0..body.len() {
            let count = Rows::read(&body[..cut]).map_or(0, |rows| {
                let mut count = 0;
                let _ = rows.each(|_, _, _| {
                    count += 1;
                    Ok::<(), ()>(())
                });
                count
            });
            assert!(count < 3);
        }
    }
}
