//! Fields of Avro records, in both encodings: binary, and Avro's JSON encoding.
//!
//! Unions are of null and one other type, in this order.

use crate::json;
use encode::avro::binary::{long, string};

/// Writes the fields of a record, in the order of the schema.
pub(crate) trait Writer {
    /// Bytes so far.
    fn len(&self) -> usize;
    /// A `string`.
    fn string(&mut self, name: &str, text: &[u8]);
    /// A `long` or an `int`.
    fn long(&mut self, name: &str, number: i64);
    /// A union of null and `string`.
    fn optional_string(&mut self, name: &str, text: Option<&[u8]>);
    /// A union of null and `long`.
    fn optional_long(&mut self, name: &str, number: Option<i64>);
    /// A union of null and `int`, with a value.
    fn some_int(&mut self, name: &str, number: i32);
    /// An array of strings.
    fn array<'a>(&mut self, name: &str, words: impl Iterator<Item = &'a [u8]>);
    /// A union of null and a map of strings: null if it is empty.
    fn optional_map(&mut self, name: &str, pairs: &[(String, Vec<u8>)]);
    /// Fields that were written before.
    fn raw(&mut self, fields: &[u8]);
}

/// The binary encoding.
pub(crate) struct Binary<'a>(pub(crate) &'a mut Vec<u8>);

/// The number of the branch of a union, as a `long`: null, and the other.
const NULL: u8 = 0;
const VALUE: u8 = 2;

impl Writer for Binary<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn string(&mut self, _: &str, text: &[u8]) {
        string(self.0, |out| out.extend_from_slice(text));
    }

    fn long(&mut self, _: &str, number: i64) {
        long(self.0, number);
    }

    fn optional_string(&mut self, name: &str, text: Option<&[u8]>) {
        match text {
            Some(text) => {
                self.0.push(VALUE);
                self.string(name, text);
            }
            None => self.0.push(NULL),
        }
    }

    fn optional_long(&mut self, _: &str, number: Option<i64>) {
        match number {
            Some(number) => {
                self.0.push(VALUE);
                long(self.0, number);
            }
            None => self.0.push(NULL),
        }
    }

    fn some_int(&mut self, _: &str, number: i32) {
        self.0.push(VALUE);
        long(self.0, number.into());
    }

    fn array<'a>(&mut self, _: &str, words: impl Iterator<Item = &'a [u8]>) {
        // A block for each word: their number need not be known.
        for word in words {
            long(self.0, 1);
            string(self.0, |out| out.extend_from_slice(word));
        }
        self.0.push(0);
    }

    fn optional_map(&mut self, _: &str, pairs: &[(String, Vec<u8>)]) {
        if pairs.is_empty() {
            return self.0.push(NULL);
        }
        self.0.push(VALUE);
        long(self.0, i64::try_from(pairs.len()).unwrap_or(i64::MAX));
        for (key, value) in pairs {
            string(self.0, |out| out.extend_from_slice(key.as_bytes()));
            string(self.0, |out| out.extend_from_slice(value));
        }
        self.0.push(0);
    }

    fn raw(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }
}

/// Avro's JSON encoding, in which each field follows a comma. The first one is to be removed.
pub(crate) struct Text<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer for Text<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn string(&mut self, name: &str, text: &[u8]) {
        json::name(self.0, name);
        json::string(self.0, text);
    }

    fn long(&mut self, name: &str, number: i64) {
        json::name(self.0, name);
        self.0.extend_from_slice(number.to_string().as_bytes());
    }

    fn optional_string(&mut self, name: &str, text: Option<&[u8]>) {
        json::name(self.0, name);
        self.branch("string", text, json::string);
    }

    fn optional_long(&mut self, name: &str, number: Option<i64>) {
        json::name(self.0, name);
        self.branch("long", number, |out, number| out.extend_from_slice(number.to_string().as_bytes()));
    }

    fn some_int(&mut self, name: &str, number: i32) {
        json::name(self.0, name);
        self.branch("int", Some(number), |out, number| out.extend_from_slice(number.to_string().as_bytes()));
    }

    fn array<'a>(&mut self, name: &str, words: impl Iterator<Item = &'a [u8]>) {
        json::name(self.0, name);
        self.0.push(b'[');
        for (number, word) in words.enumerate() {
            if number > 0 {
                self.0.extend_from_slice(b", ");
            }
            json::string(self.0, word);
        }
        self.0.push(b']');
    }

    fn optional_map(&mut self, name: &str, pairs: &[(String, Vec<u8>)]) {
        json::name(self.0, name);
        self.branch("map", (!pairs.is_empty()).then_some(pairs), |out, pairs| {
            for (number, (key, value)) in pairs.iter().enumerate() {
                out.extend_from_slice(if number > 0 { b", " } else { b"{" });
                json::string(out, key.as_bytes());
                out.extend_from_slice(b": ");
                json::string(out, value);
            }
            out.push(b'}');
        });
    }

    fn raw(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }
}

impl Text<'_> {
    /// Appends null, or the value of a branch of a union.
    fn branch<T>(&mut self, kind: &str, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
        match value {
            Some(value) => {
                self.0.extend_from_slice(b"{\"");
                self.0.extend_from_slice(kind.as_bytes());
                self.0.extend_from_slice(b"\": ");
                write(self.0, value);
                self.0.push(b'}');
            }
            None => self.0.extend_from_slice(b"null"),
        }
    }
}
