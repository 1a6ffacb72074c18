//! The schema of a plugin's rows, as JSON text on one line.
//!
//! Types are objects (`{"type":"long"}`) even where a name would suffice, without whitespace: the bytes equal those of
//! pmacct, so that registries find the existing schema.

use super::{Content, Field, Shape};
use crate::value;

const NULL: &str = r#"{"type":"null"}"#;
const INT: &str = r#"{"type":"int"}"#;
const LONG: &str = r#"{"type":"long"}"#;
const DOUBLE: &str = r#"{"type":"double"}"#;
const STRING: &str = r#"{"type":"string"}"#;

/// The schema of a record of these fields.
pub(super) fn record(name: &str, fields: &[Field<'_>]) -> String {
    let mut text = format!(r#"{{"type":"record","name":"{name}","fields":["#);
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        let mut name = Vec::new();
        value::escaped(&mut name, field.name.as_bytes());
        let name = String::from_utf8_lossy(&name);
        text.push_str(&format!(r#"{{"name":"{name}","type":{}}}"#, type_of(&field.content)));
    }
    text.push_str("]}");
    text
}

fn type_of(content: &Content<'_>) -> String {
    let texts = |kind: &str, of: &str| format!(r#"{{"type":"{kind}","{of}":{STRING}}}"#);
    let or_null = |other: &str| format!("[{NULL},{other}]");
    match content {
        Content::Column(_, shape) => match shape {
            Shape::Long => LONG.to_owned(),
            Shape::Int => INT.to_owned(),
            Shape::Double => DOUBLE.to_owned(),
            Shape::Text(_) => STRING.to_owned(),
            Shape::Optional => or_null(STRING),
            Shape::Array(_) => texts("array", "items"),
            Shape::Map => texts("map", "values"),
        },
        Content::Map(_) => texts("map", "values"),
        Content::Counter(_) => or_null(LONG),
        Content::Constant(_) => STRING.to_owned(),
    }
}
