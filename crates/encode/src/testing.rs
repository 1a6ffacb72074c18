//! Tables of one row, for the tests.

use aggregate::Table;
use flow::custom::{Custom, Semantics};
use flow::kind::Kind;
use flow::row::{FieldSet, Layout};
use flow::schema::{At, Options, Schema, Selection};
use foldhash::fast::RandomState;
use std::sync::Arc;

/// A table with one row, being filled.
pub(crate) struct Sample {
    pub(crate) schema: Arc<Schema>,
    pub(crate) table: Table,
    key: Vec<u8>,
}

/// A row of that `aggregate` list, all absent; the suffix `+bins` adds time bins.
pub(crate) fn sample(words: &str) -> Sample {
    with_customs(words, &[])
}

/// A row with two custom primitives: a number, and a text that is not all UTF-8.
pub(crate) fn customs() -> Sample {
    let custom = |name: &str, semantics| Custom {
        name: name.to_owned(),
        element: None,
        pointers: Vec::new(),
        length: None,
        semantics,
    };
    let customs = [custom("udp_len", Semantics::UnsignedInt), custom("name", Semantics::Str)];
    with_customs("src_host,udp_len,name", &customs).number("udp_len", 9).text("name", b"a\xff")
}

fn with_customs(words: &str, customs: &[Custom]) -> Sample {
    let (words, bins) = words.strip_suffix("+bins").map_or((words, false), |words| (words, true));
    let options = Options { bins, ..Options::default() };
    let selection = Selection::parse(words.split(','), customs).unwrap();
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    let sizes: Vec<usize> = customs.iter().map(|custom| custom.semantics.kind().size()).collect();
    let schema = Arc::new(Schema::new(&selection, customs, &Layout::new(&fields, &sizes), &options));
    let table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
    let key = vec![0; schema.key_words * 8];
    Sample { schema, table, key }
}

impl Sample {
    fn put(mut self, json: &str, bytes: &[u8]) -> Self {
        let column = self.schema.columns.iter().find(|column| column.json == json).unwrap();
        let At::Key(at) = column.at else { panic!("{json} is not in the key") };
        self.key[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn ip(self, json: &str, address: &str) -> Self {
        self.put(json, &flow::address::octets(address.parse().unwrap()))
    }

    pub(crate) fn number(self, json: &str, number: u64) -> Self {
        let kind = self.schema.columns.iter().find(|column| column.json == json).unwrap().kind;
        assert_ne!(kind, Kind::Counter);
        self.put(json, &number.to_be_bytes()[8 - kind.size()..])
    }

    /// Marks the row as one of an event.
    pub(crate) fn event(mut self) -> Self {
        self.key[self.schema.event.unwrap()] = 1;
        self
    }

    pub(crate) fn text(mut self, json: &str, text: &[u8]) -> Self {
        let id = self.table.strings_mut().intern(text);
        self.put(json, &id.to_be_bytes())
    }

    /// Fills all columns of the key with these bytes, repeated; texts are taken from `texts`, lists of labels and segments
    /// consist of these bytes too.
    pub(crate) fn noise(mut self, bytes: &[u8], texts: &[String], event: bool) -> Self {
        let mut bytes = bytes.iter().copied().cycle();
        for (number, column) in self.schema.columns.iter().enumerate() {
            let At::Key(at) = column.at else { continue };
            let size = column.kind.size();
            let mut value: Vec<u8> = bytes.by_ref().take(size).collect();
            match column.kind {
                Kind::Labels | Kind::Segments | Kind::Raw => {
                    let text: Vec<u8> = bytes.by_ref().take(number % 4 * 48).collect();
                    value = self.table.strings_mut().intern(&text).to_be_bytes().to_vec();
                }
                kind if kind.is_interned() => {
                    let text = texts[number % texts.len()].as_bytes();
                    value = self.table.strings_mut().intern(text).to_be_bytes().to_vec();
                }
                Kind::Real => value = (f64::from(value[0]) / 4.0 - 30.0).to_be_bytes().to_vec(),
                // A bin is a valid calendar time.
                Kind::StampInserted => value[..4].fill(0),
                _ => {}
            }
            self.key[at..at + size].copy_from_slice(&value);
        }
        if event { self.event() } else { self }
    }

    /// Ends the row with its values.
    pub(crate) fn values(mut self, values: &[u64]) -> Self {
        let key: Vec<u64> =
            self.key.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        let values = &values[..self.schema.values.len()];
        self.table.add(&key, values);
        self
    }
}
