//! Common setup of the plugin's tests.

use super::Settings;
use aggregate::Table;
use flow::row::{FieldSet, Layout};
use flow::schema::{At, Options, Schema, Selection};
use foldhash::fast::RandomState;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "m".to_owned(),
            path: PathBuf::new(),
            mode: 0o777,
            gid: None,
            password: None,
            max_bytes: 1 << 30,
            timeout: Duration::from_secs(60),
            max_lines: 100_000,
            max_clients: 128,
            max_clients_user: 64,
            whole_seconds: false,
            files: runtime::files::Settings::default(),
        }
    }
}

/// The schema of these primitives.
pub(super) fn schema(words: &str) -> Arc<Schema> {
    let selection = Selection::parse(words.split(','), &[]).unwrap();
    let options = Options::default();
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &options))
}

static TAGS: LazyLock<(Arc<Schema>, RandomState)> = LazyLock::new(|| (schema("tag"), RandomState::default()));

/// A table with an aggregate of one packet of ten bytes for each of these tags.
pub(super) fn tags(tags: std::ops::Range<u64>) -> Table {
    let (schema, hash) = &*TAGS;
    let At::Key(at) = schema.columns[0].at else { panic!("a key") };
    let mut table = Table::new(Arc::clone(schema), hash.clone(), 0);
    for tag in tags {
        let mut key = vec![0; schema.key_words];
        bytemuck::cast_slice_mut(&mut key)[at..at + 8].copy_from_slice(&tag.to_be_bytes());
        let mut values = vec![0; schema.values.len()];
        values[flow::schema::VALUE_PACKETS] = 1;
        values[flow::schema::VALUE_BYTES] = 10;
        table.add(&key, &values);
    }
    table
}
