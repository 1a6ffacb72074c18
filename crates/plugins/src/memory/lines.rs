//! Matching aggregates against a query's lines of values.
//!
//! Lines with values for the same columns are a group, with a hash table from the values to the line. So an aggregate needs one
//! lookup per group, and the time of a query grows with the number of lines plus the number of aggregates, not with their
//! product.

use super::forms::Cell;
use encode::Style;
use flow::address;
use flow::kind::Kind;
use flow::primitive;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;
use std::collections::HashMap;
use std::net::IpAddr;

/// Maximum number of groups of lines: each costs a lookup per aggregate.
const MAX_GROUPS: usize = 64;

/// Location of a column's value in an aggregate.
enum Part {
    /// Bytes at an offset of the key.
    Bytes(usize, usize),
    /// The text that the column shows.
    Text(Box<Cell>),
}

impl Part {
    /// Appends the value of an aggregate, as encoded by [`Value`].
    fn read(&mut self, key: &[u8], values: &[u64], strings: &Strings, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(at, len) => out.extend_from_slice(key.get(*at..*at + *len).unwrap_or_default()),
            Self::Text(cell) => append(out, cell.text(key, values, strings)),
        }
    }
}

/// Appends a text with its length, so that two consecutive texts are unambiguous.
fn append(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text);
}

/// A value of a line.
enum Value {
    /// Anything.
    Any,
    /// These bytes of the key.
    Bytes(Vec<u8>),
    /// This text.
    Text(String),
    /// The table has no such column.
    Never,
}

/// Lines with values for the same columns.
struct Group {
    parts: Vec<Part>,
    /// The slot of a line by its values.
    slots: HashMap<Box<[u8]>, u32>,
}

/// The lines of a query. Equal lines share a slot.
pub(super) struct Lines {
    groups: Vec<Group>,
    /// The slot of each line; a line that cannot match has none.
    lines: Vec<Option<u32>>,
    count: u32,
    found: Vec<u8>,
}

impl Lines {
    /// Compiles the lines of a request. The error names the invalid value.
    pub(super) fn new(schema: &Schema, style: &Style, columns: &str, lines: &str) -> Result<Self, String> {
        let columns = known(schema, columns)?;
        let mut these = Self { groups: Vec::new(), lines: Vec::new(), count: 0, found: Vec::new() };
        let mut groups: HashMap<Vec<u8>, usize> = HashMap::new();
        for line in lines.split('\n').filter(|_| !lines.is_empty()) {
            if line.split(',').count() != columns.len() {
                return Err(format!("'{line}' does not have one value for each of {} primitives", columns.len()));
            }
            let values = line.split(',').zip(&columns).map(|(value, column)| column.value(value));
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            let slot = these.slot(&columns, &values, style, &mut groups)?;
            these.lines.push(slot);
        }
        Ok(these)
    }

    fn slot(
        &mut self,
        columns: &[Asked<'_>],
        values: &[Value],
        style: &Style,
        groups: &mut HashMap<Vec<u8>, usize>,
    ) -> Result<Option<u32>, String> {
        if values.iter().any(|value| matches!(value, Value::Never)) {
            return Ok(None);
        }
        let which = |value: &Value| match value {
            Value::Any | Value::Never => 0,
            Value::Bytes(_) => 1,
            Value::Text(_) => 2,
        };
        let number = *groups.entry(values.iter().map(which).collect()).or_insert(self.groups.len());
        if number == self.groups.len() {
            if number == MAX_GROUPS {
                return Err(format!(
                    "more than {MAX_GROUPS} different sets of columns with '*': split the lines into several queries"
                ));
            }
            let parts = columns.iter().zip(values).filter_map(|(asked, value)| asked.part(value, style)).collect();
            self.groups.push(Group { parts, slots: HashMap::new() });
        }
        let mut key = Vec::new();
        for value in values {
            match value {
                Value::Any | Value::Never => {}
                Value::Bytes(bytes) => key.extend_from_slice(bytes),
                Value::Text(text) => append(&mut key, text.as_bytes()),
            }
        }
        let count = self.count;
        let Some(group) = self.groups.get_mut(number) else { return Ok(None) };
        let slot = *group.slots.entry(key.into()).or_insert(count);
        self.count += u32::from(slot == count);
        Ok(Some(slot))
    }

    /// Finds the slot of each different line that matches an aggregate.
    pub(super) fn matches(&mut self, key: &[u8], values: &[u64], strings: &Strings, mut matched: impl FnMut(u32)) {
        for group in &mut self.groups {
            self.found.clear();
            for part in &mut group.parts {
                part.read(key, values, strings, &mut self.found);
            }
            if let Some(slot) = group.slots.get(self.found.as_slice()) {
                matched(*slot);
            }
        }
    }

    /// True when a line matches the aggregate.
    pub(super) fn is_match(&mut self, key: &[u8], values: &[u64], strings: &Strings) -> bool {
        let mut meant = false;
        self.matches(key, values, strings, |_| meant = true);
        meant
    }

    /// The slot of each line, in the order of the request.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<u32>> {
        self.lines.iter().copied()
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }
}

/// A column with values in lines.
struct Asked<'a> {
    name: &'a str,
    kind: Kind,
    /// Its location in the table, if the table has it.
    column: Option<&'a Column>,
}

fn known<'a>(schema: &'a Schema, columns: &'a str) -> Result<Vec<Asked<'a>>, String> {
    let names = columns.split(',').filter(|_| !columns.is_empty());
    if names.clone().count() > primitive::PRIMITIVES.len() {
        return Err("more columns than there are primitives".to_owned());
    }
    let find = |name| match primitive::find(name) {
        None => Err(format!("unknown primitive '{name}'")),
        Some(primitive) => {
            let column = schema.columns.iter().find(|column| Some(column.id) == primitive.column());
            Ok(Asked { name, kind: primitive.kind(), column })
        }
    };
    names.map(find).collect()
}

impl Asked<'_> {
    fn value(&self, value: &str) -> Result<Value, String> {
        if value == "*" {
            return Ok(Value::Any);
        }
        let bytes = self.bytes(value)?;
        let Some(column) = self.column else { return Ok(Value::Never) };
        Ok(match (column.at, bytes.is_empty()) {
            (At::Key(_), false) => Value::Bytes(bytes),
            // Names of protocols are shown in lower case.
            _ if self.kind == Kind::Proto => Value::Text(value.to_lowercase()),
            _ => Value::Text(value.to_owned()),
        })
    }

    /// The bytes of a value; `None` if it is compared as a text.
    fn bytes(&self, value: &str) -> Result<Vec<u8>, String> {
        let (name, kind) = (self.name, self.kind);
        Ok(match kind {
            Kind::Ip => {
                let address: IpAddr =
                    value.parse().map_err(|_| format!("{name}: Invalid IP address: '{value}'"))?;
                address::octets(address).to_vec()
            }
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::Tos | Kind::FlowLabel => {
                let number = value.parse::<u64>().map_err(|_| format!("{name}: Invalid number: '{value}'"))?;
                let number = number.to_be_bytes();
                let (cut, kept) = number.split_at(8 - kind.size());
                if cut.iter().any(|octet| *octet != 0) {
                    return Err(format!("{name}: '{value}' is too large"));
                }
                kept.to_vec()
            }
            Kind::EtherType => {
                let number = u16::from_str_radix(value.trim_start_matches("0x"), 16);
                number.map_err(|_| format!("{name}: Invalid EtherType: '{value}'"))?.to_be_bytes().to_vec()
            }
            // Protocols may also be numbers.
            Kind::Proto => value.parse::<u8>().map_or_else(|_| Vec::new(), |number| vec![number]),
            _ => Vec::new(),
        })
    }

    fn part(&self, value: &Value, style: &Style) -> Option<Part> {
        let column = self.column?;
        match (value, column.at) {
            (Value::Bytes(bytes), At::Key(at)) => Some(Part::Bytes(at, bytes.len())),
            (Value::Text(_), _) => {
                let style = Style { num_protos: false, separator: '\u{1f}', ..style.clone() };
                Some(Part::Text(Box::new(Cell::new(column, &style))))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing;

    fn compile(columns: &str, lines: &str) -> Result<Lines, String> {
        Lines::new(&testing::schema("src_host,dst_port,proto,tag"), &Style::default(), columns, lines)
    }

    #[test]
    fn equal_lines_share_a_slot_and_lines_that_cannot_match_have_none() {
        let lines = compile("src_host,dst_port", "10.0.0.1,80\n10.0.0.1,*\n10.0.0.1,80\n*,*").unwrap();
        assert_eq!(lines.slots().collect::<Vec<_>>(), [Some(0), Some(1), Some(0), Some(2)]);
        assert_eq!((lines.len(), lines.groups.len()), (3, 3));
        let lines = compile("src_host,dst_host", "10.0.0.1,10.0.0.2").unwrap();
        assert_eq!((lines.slots().collect::<Vec<_>>(), lines.len()), (vec![None], 0));
    }

    #[test]
    fn a_query_may_not_have_any_number_of_groups() {
        // Each line has values for other columns: 7 columns have 128 sets.
        let columns = ["tag", "dst_port", "src_host", "proto", "tag", "dst_port", "src_host"];
        let value = |column| match column {
            "src_host" => "10.0.0.1",
            _ => "1",
        };
        let line = |set: usize| {
            let value = |at: usize| if set >> at & 1 == 1 { value(columns[at]) } else { "*" };
            (0..columns.len()).map(value).collect::<Vec<_>>().join(",")
        };
        let lines = |sets: usize| (0..sets).map(line).collect::<Vec<_>>().join("\n");
        assert!(compile(&columns.join(","), &lines(MAX_GROUPS)).is_ok());
        let error = compile(&columns.join(","), &lines(MAX_GROUPS + 1)).err().unwrap();
        assert!(error.contains("several queries"), "{error}");
    }

    #[test]
    fn invalid_values_are_named() {
        for (columns, line, named) in [
            ("src_host", "10.0.0", "Invalid IP address"),
            ("dst_port", "65536", "too large"),
            ("dst_port", "x", "Invalid number"),
            ("foo", "1", "unknown primitive"),
            ("dst_port,tag", "1", "one value for each"),
        ] {
            assert!(compile(columns, line).err().unwrap().contains(named), "{columns} {line}");
        }
        let many = vec!["tag"; 10_000].join(",");
        assert!(compile(&many, "*").err().unwrap().contains("more columns"));
    }
}
