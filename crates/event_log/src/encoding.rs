//! The encodings of events, and the Avro schemas of the events of one log.

/// The encoding of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON: a line each in files, a message each for brokers.
    #[default]
    Json,
    /// Avro's binary form: container files, and a message each for brokers.
    Avro,
    /// Avro's JSON encoding: a line each in files, a message each for brokers.
    AvroJson,
    /// MRT (RFC 6396), for files.
    Mrt,
    /// BMP messages in the format of OpenBMP: in files one after the other, and a message each for brokers.
    OpenBmp,
}

/// The Avro schema of one kind of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The name of the record. It follows the name of the schema file after a hyphen, and the topic in the subject of a schema registry.
    pub name: &'static str,
    /// The schema as JSON, without a newline.
    pub text: String,
}

/// The schema of a file with records of these schemas: their union if there are several.
pub(crate) fn of_file(schemas: &[Schema]) -> String {
    match schemas {
        [schema] => schema.text.clone(),
        schemas => {
            let texts: Vec<&str> = schemas.iter().map(|schema| schema.text.as_str()).collect();
            format!("[{}]", texts.join(","))
        }
    }
}

/// Appends a record that `write` appends to the records of such a file, after the branch of the union. `None` if the event has no form
/// in Avro; nothing is appended then.
pub(crate) fn record(
    schemas: &[Schema],
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Option<usize>,
) -> Option<()> {
    let start = out.len();
    let is_union = schemas.len() > 1;
    if is_union {
        out.push(0);
    }
    let Some(schema) = write(out) else {
        out.truncate(start);
        return None;
    };
    // Logs have a handful of schemas: the number of the branch, doubled as Avro does, fits a byte.
    if is_union && let (Some(octet), Ok(schema @ 0..64)) = (out.get_mut(start), u8::try_from(schema)) {
        *octet = schema << 1;
    }
    Some(())
}
