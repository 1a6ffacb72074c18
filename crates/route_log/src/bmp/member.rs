//! The members of records, for all encodings: a record calls [`Fields`] for each of its members in a fixed order, and whoever implements it
//! writes JSON or Avro, or collects a schema.

use crate::avro::Writer;
use crate::json;
use crate::schema::{self, Field};

/// A member from a TLV: its name without the prefix, and its value; `None` for a TLV without octets.
pub(crate) type Info = (String, Option<String>);

/// The value of a counter.
pub(crate) enum Counted {
    Number(u64),
    /// The octets of a value that cannot be read, in hexadecimal; `None` if there are none.
    Octets(Option<String>),
}

/// Takes the members of a record. Which ones there are depends on the kind of the record alone, not on its values.
pub(crate) trait Fields {
    /// A number; `None` if the record has none.
    fn number(&mut self, name: &'static str, value: Option<u64>);
    /// A text; `None` if the record has none.
    fn text(&mut self, name: &'static str, value: Option<&[u8]>);
    /// Texts; none if the list is empty.
    fn texts(&mut self, name: &'static str, values: &[String]);
    /// Members from TLVs, whose names begin with `prefix` and an underscore.
    fn info(&mut self, prefix: &'static str, values: &[Info]);
    /// The value of a counter.
    fn counted(&mut self, name: &'static str, octets: &'static str, value: &Counted);
}

/// Appends members to a JSON object, each with a comma before it.
pub(crate) struct Json<'a>(pub(crate) &'a mut Vec<u8>);

impl Fields for Json<'_> {
    fn number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            json::number(self.0, name, value);
        }
    }

    fn text(&mut self, name: &'static str, value: Option<&[u8]>) {
        if let Some(value) = value {
            json::name(self.0, name);
            json::string(self.0, value);
        }
    }

    fn texts(&mut self, name: &'static str, values: &[String]) {
        if !values.is_empty() {
            json::name(self.0, name);
            json::strings(self.0, values);
        }
    }

    fn info(&mut self, prefix: &'static str, values: &[Info]) {
        for (name, value) in values {
            self.0.extend_from_slice(b", \"");
            self.0.extend_from_slice(prefix.as_bytes());
            self.0.push(b'_');
            self.0.extend_from_slice(name.as_bytes());
            self.0.extend_from_slice(b"\": ");
            match value {
                Some(value) => json::string(self.0, value.as_bytes()),
                None => self.0.extend_from_slice(b"null"),
            }
        }
    }

    fn counted(&mut self, name: &'static str, _: &'static str, value: &Counted) {
        match value {
            Counted::Number(number) => json::number(self.0, name, *number),
            Counted::Octets(Some(octets)) => json::text(self.0, name, octets),
            Counted::Octets(None) => {
                json::name(self.0, name);
                self.0.extend_from_slice(b"null");
            }
        }
    }
}

/// Writes the fields of an Avro record.
pub(crate) struct Avro<'a, W>(pub(crate) &'a mut W);

impl<W: Writer> Fields for Avro<'_, W> {
    fn number(&mut self, name: &'static str, value: Option<u64>) {
        // Avro has no unsigned numbers: those from 2^63 keep their bits.
        self.0.optional_long(name, value.map(u64::cast_signed));
    }

    fn text(&mut self, name: &'static str, value: Option<&[u8]>) {
        match value {
            // Strings of Avro are UTF-8; those of routers need not be.
            Some(value) => self.0.optional_string(name, Some(String::from_utf8_lossy(value).as_bytes())),
            None => self.0.optional_string(name, None),
        }
    }

    fn texts(&mut self, name: &'static str, values: &[String]) {
        self.0.array(name, values.iter().map(String::as_bytes));
    }

    fn info(&mut self, prefix: &'static str, values: &[Info]) {
        let pairs: Vec<(String, Vec<u8>)> = values
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default().into_bytes()))
            .collect();
        self.0.optional_map(prefix, &pairs);
    }

    fn counted(&mut self, name: &'static str, octets: &'static str, value: &Counted) {
        match value {
            Counted::Number(number) => {
                self.0.optional_long(name, Some(number.cast_signed()));
                self.0.optional_string(octets, None);
            }
            Counted::Octets(text) => {
                self.0.optional_long(name, None);
                self.0.optional_string(octets, text.as_ref().map(String::as_bytes));
            }
        }
    }
}

/// Collects the fields of the schema.
#[derive(Default)]
pub(crate) struct OfSchema(pub(crate) Vec<Field>);

impl Fields for OfSchema {
    fn number(&mut self, name: &'static str, _: Option<u64>) {
        self.0.push((name, schema::OR_LONG));
    }

    fn text(&mut self, name: &'static str, _: Option<&[u8]>) {
        self.0.push((name, schema::OR_STRING));
    }

    fn texts(&mut self, name: &'static str, _: &[String]) {
        self.0.push((name, schema::STRINGS));
    }

    fn info(&mut self, prefix: &'static str, _: &[Info]) {
        self.0.push((prefix, schema::OR_MAP));
    }

    fn counted(&mut self, name: &'static str, octets: &'static str, _: &Counted) {
        self.0.extend([(name, schema::OR_LONG), (octets, schema::OR_STRING)]);
    }
}
