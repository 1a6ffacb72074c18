//! What the plugin's tests begin with.

use super::Settings;
use flow::row::{FieldSet, Layout};
use flow::schema::{Options, Schema, Selection};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "m".to_owned(),
            path: PathBuf::new(),
            mode: 0o777,
            group: None,
            password: None,
            max_octets: 1 << 30,
            timeout: Duration::from_secs(60),
            max_lines: 100_000,
            max_clients: 64,
            max_clients_user: 16,
            whole_seconds: false,
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
