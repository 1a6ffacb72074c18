//! Tables of one row, for the tests.

use aggregate::Table;
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

/// A row of that `aggregate` list, all absent; `+bins` behind it asks for time bins.
pub(crate) fn sample(words: &str) -> Sample {
    let (words, bins) = words.strip_suffix("+bins").map_or((words, false), |words| (words, true));
    let options = Options { bins, ..Options::default() };
    let selection = Selection::parse(words.split(','), &[]).unwrap();
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &options));
    let table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
    let key = vec![0; schema.key_words * 8];
    Sample { schema, table, key }
}

impl Sample {
    fn put(mut self, json: &str, octets: &[u8]) -> Self {
        let column = self.schema.columns.iter().find(|column| column.json == json).unwrap();
        let At::Key(at) = column.at else { panic!("{json} is not in the key") };
        self.key[at..at + octets.len()].copy_from_slice(octets);
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

    /// Ends the row with its values.
    pub(crate) fn values(mut self, values: &[u64]) -> Self {
        let key: Vec<u64> =
            self.key.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        let values = &values[..self.schema.values.len()];
        self.table.add(&key, values);
        self
    }
}
