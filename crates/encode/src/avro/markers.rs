//! The markers around the rows of a purge (`*_markers`), as records with separate schemas.
//!
//! In Avro's JSON encoding they are the same as in plain JSON: [`crate::markers::json_start`] and
//! [`crate::markers::json_end`] write them. A file of records has one schema, and therefore no markers.

use super::binary::{long, string};
use crate::markers::Purge;

/// Schema of the record before the rows.
pub const START_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"acct_init","fields":["#,
    r#"{"name":"event_type","type":{"type":"string"}},"#,
    r#"{"name":"writer_id","type":{"type":"string"}}]}"#
);

/// Schema of the record after the rows.
pub const END_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"acct_close","fields":["#,
    r#"{"name":"event_type","type":{"type":"string"}},"#,
    r#"{"name":"writer_id","type":{"type":"string"}},"#,
    r#"{"name":"purged_entries","type":{"type":"long"}},"#,
    r#"{"name":"total_entries","type":{"type":"long"}},"#,
    r#"{"name":"duration","type":{"type":"int"}}]}"#
);

/// Writes the record before the rows.
pub fn start(out: &mut Vec<u8>, writer_id: &str) {
    text(out, "purge_init");
    text(out, writer_id);
}

/// Writes the record after the rows.
pub fn end(out: &mut Vec<u8>, writer_id: &str, purge: Purge) {
    text(out, "purge_close");
    text(out, writer_id);
    long(out, i64::try_from(purge.written).unwrap_or(i64::MAX));
    long(out, i64::try_from(purge.total).unwrap_or(i64::MAX));
    long(out, i32::try_from(purge.seconds).unwrap_or(i32::MAX).into());
}

fn text(out: &mut Vec<u8>, text: &str) {
    string(out, |out| out.extend_from_slice(text.as_bytes()));
}
