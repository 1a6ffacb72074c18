//! Which aggregates a line of values means.

use super::forms::Cell;
use encode::Style;
use flow::address;
use flow::kind::Kind;
use flow::primitive;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;
use std::net::IpAddr;

/// What one value asks of an aggregate.
enum Test {
    /// These octets at that offset of the key.
    Octets(usize, Vec<u8>),
    /// That text, as the column shows it.
    Text(Cell, String),
    /// The table has no such column: nothing matches but what stands for nothing.
    Never,
}

/// One line of values.
pub(super) struct Matcher(Vec<Test>);

impl Matcher {
    /// Compiles a line. The error tells which value cannot be.
    pub(super) fn new(
        schema: &Schema,
        style: &Style,
        columns: &[String],
        values: &[String],
    ) -> Result<Self, String> {
        let pairs = columns.iter().zip(values).filter(|(_, value)| value.as_str() != "*");
        let tests = pairs.map(|(name, value)| {
            let Some(primitive) = primitive::find(name) else {
                return Err(format!("unknown primitive '{name}'"));
            };
            let column = schema.columns.iter().find(|column| column.json == primitive.json);
            test(style, column, primitive.kind, name, value)
        });
        Ok(Self(tests.collect::<Result<_, _>>()?))
    }

    /// True when the aggregate is meant.
    pub(super) fn matches(&mut self, key: &[u8], values: &[u64], strings: &Strings) -> bool {
        self.0.iter_mut().all(|test| match test {
            Test::Octets(at, octets) => key.get(*at..).is_some_and(|key| key.starts_with(octets)),
            Test::Text(cell, text) => cell.text(key, values, strings, 0) == *text,
            Test::Never => false,
        })
    }
}

fn test(style: &Style, column: Option<&Column>, kind: Kind, name: &str, value: &str) -> Result<Test, String> {
    let number = || value.parse::<u64>().map_err(|_| format!("{name}: Invalid number: '{value}'"));
    let octets = match kind {
        Kind::Ip => {
            let address: IpAddr = value.parse().map_err(|_| format!("{name}: Invalid IP address: '{value}'"))?;
            address::octets(address).to_vec()
        }
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => {
            let number = number()?.to_be_bytes();
            let (cut, kept) = number.split_at(8 - kind.size());
            if cut.iter().any(|octet| *octet != 0) {
                return Err(format!("{name}: '{value}' is too large"));
            }
            kept.to_vec()
        }
        Kind::EtherType => {
            let digits = value.trim_start_matches("0x");
            let number = u16::from_str_radix(digits, 16);
            number.map_err(|_| format!("{name}: Invalid EtherType: '{value}'"))?.to_be_bytes().to_vec()
        }
        _ => Vec::new(),
    };
    Ok(match column {
        None => Test::Never,
        Some(Column { at: At::Key(at), .. }) if !octets.is_empty() => Test::Octets(*at, octets),
        Some(column) => {
            let text = match kind {
                // Numbers are taken for protocols, too.
                Kind::Proto => value.parse().map_or(value.to_lowercase(), |number: u8| number.to_string()),
                _ => value.to_owned(),
            };
            let style = Style {
                num_protos: kind == Kind::Proto && value.parse::<u8>().is_ok(),
                separator: '\u{1f}',
                ..style.clone()
            };
            Test::Text(Cell::new(column, &style), text)
        }
    })
}
