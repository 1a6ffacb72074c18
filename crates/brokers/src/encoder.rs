//! Encodes tables of aggregates as messages.

use crate::settings::{Messages, Output};
use aggregate::{Aggregate, Table};
use delivery::Sum;
use delivery::messages::{Builder, Message};
use encode::avro::{self, Avro, AvroJson};
use encode::json::{Frame, Json};
use encode::markers;
use encode::names::Name;
use encode::value::Values;
use flow::column::Id;
use flow::kind::Kind;
use flow::schema::{At, Schema, VALUE_BYTES, VALUE_PACKETS};
use flow::strings::Strings;
use foldhash::HashMap;

/// The size in bytes at which a batch is closed.
const BATCH_BYTES: usize = 1 << 20;
/// The maximum number of topics of a batch; with more, the batch is closed.
const MAX_TOPICS: usize = 4096;

/// Encodes one aggregate.
#[derive(Debug)]
enum Writer {
    Json(Box<Json>),
    Avro(Box<Avro>),
    AvroJson(Box<AvroJson>),
}

/// An encoder of messages, compiled for one plugin.
#[derive(Debug)]
pub struct Encoder {
    settings: Messages,
    writer: Writer,
    topic: Name,
    key: Option<Key>,
    writer_id: String,
    builder: Builder,
    /// Messages that can hold more aggregates, by topic.
    open: Vec<OpenMessage>,
    topics: Topics,
}

/// A message to which aggregates are added.
#[derive(Clone, Debug, Default)]
struct OpenMessage {
    payload: Vec<u8>,
    sum: Sum,
}

/// Topics of the current batch.
#[derive(Clone, Debug, Default)]
struct Topics {
    /// Their numbers, by the fields of records on which the topic depends.
    numbers: HashMap<Vec<u8>, Vec<u16>>,
    /// The next topic in turn, for round robin.
    turn: u32,
    /// Buffer for keys of `numbers`.
    key: Vec<u8>,
}

impl Encoder {
    /// Compiles an encoder. `pid` and `build` are for variables of `writer_id_string`.
    pub fn new(settings: &Messages, schema: &Schema, pid: u32, build: &str) -> Self {
        let writer_id = markers::writer_id(&settings.writer_id, &settings.name, pid, build);
        let writer = match settings.output {
            Output::Json => {
                let frame = Frame { event_type: true, writer_id: Some(&writer_id) };
                Writer::Json(Box::new(Json::new(schema, &settings.style, frame)))
            }
            Output::Avro => {
                let frame = avro::Frame { writer_id: Some(&writer_id) };
                Writer::Avro(Box::new(Avro::new(schema, &settings.style, frame)))
            }
            Output::AvroJson => {
                let frame = avro::Frame { writer_id: Some(&writer_id) };
                Writer::AvroJson(Box::new(AvroJson::new(schema, &settings.style, frame)))
            }
        };
        let content_type = match settings.output {
            Output::Json | Output::AvroJson => "application/json",
            Output::Avro => "avro/binary",
        };
        let avro_schema = match &writer {
            Writer::Avro(avro) => Some(avro.schema()),
            Writer::Json(_) | Writer::AvroJson(_) => None,
        };
        let builder = Builder::new(content_type, avro_schema);
        Self {
            topic: settings.topic.bind(schema, settings.style.zone.clone(), 0, 0),
            key: settings.key.as_deref().map(|key| Key::new(key, schema, settings)),
            settings: settings.clone(),
            writer,
            writer_id,
            builder,
            open: Vec::new(),
            topics: Topics::default(),
        }
    }

    /// The Avro schema of the messages, if they have one.
    pub fn schema(&self) -> Option<&str> {
        match &self.writer {
            Writer::Json(_) => None,
            Writer::Avro(avro) => Some(avro.schema()),
            Writer::AvroJson(avro) => Some(avro.schema()),
        }
    }

    /// The topic of all messages, if there is only one.
    pub fn only_topic(&self) -> Option<String> {
        (!self.topic.depends_on_record() && self.settings.round_robin == 0).then(|| self.topic.fill(0, None))
    }

    /// Encodes a table as bodies of batches. `now` is the time of the purge, in seconds since 1970.
    pub fn encode(&mut self, table: &Table, now: u64, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        let mut payload = Vec::new();
        for row in table.iter() {
            let topic = match self.topic(&row) {
                Some(topic) => topic,
                None => {
                    self.flush(emit);
                    self.topic(&row).unwrap_or_default()
                }
            };
            let value = |at: usize| row.values.get(at).copied().unwrap_or(0);
            let sum = Sum::one(value(VALUE_PACKETS), value(VALUE_BYTES));
            payload.clear();
            self.writer.row(&mut payload, &row, table.strings(), now);
            match (self.capacity(), &mut self.key) {
                // A key belongs to one aggregate, so each aggregate has its own message.
                (0, None) => self.builder.push(Message { topic, key: None, payload: &payload, sum }),
                (_, Some(key)) => {
                    let key = key.fill(&row, table.strings());
                    self.builder.push(Message { topic, key: Some(key), payload: &payload, sum });
                }
                (capacity, None) => self.gather(topic, &payload, sum, capacity),
            }
            if self.builder.size() >= BATCH_BYTES {
                self.flush(emit);
            }
        }
        self.flush(emit);
    }

    /// The maximum size in bytes of a message with several aggregates; 0 for one aggregate per message.
    fn capacity(&self) -> usize {
        match (&self.writer, self.settings.multi_values) {
            (Writer::Avro(_), 1..) => self.settings.avro_buffer,
            (_, size) => size,
        }
    }

    fn gather(&mut self, topic: u16, payload: &[u8], sum: Sum, capacity: usize) {
        let number = usize::from(topic);
        if self.open.len() <= number {
            self.open.resize_with(number + 1, OpenMessage::default);
        }
        let Some(open) = self.open.get_mut(number) else { return };
        let newline = usize::from(!matches!(self.writer, Writer::Avro(_)));
        if !open.payload.is_empty() && open.payload.len() + payload.len() + newline > capacity {
            self.builder.push(Message { topic, key: None, payload: &open.payload, sum: open.sum });
            open.payload.clear();
            open.sum = Sum::default();
        }
        open.payload.extend_from_slice(payload);
        if newline > 0 {
            open.payload.push(b'\n');
        }
        open.sum = open.sum.plus(sum);
    }

    /// The number of the record's topic; `None` when the batch has too many.
    fn topic(&mut self, row: &Aggregate<'_>) -> Option<u16> {
        let Self { topic, topics, builder, settings, .. } = self;
        let Topics { numbers, turn, key } = topics;
        key.clear();
        topic.key(key, row);
        let count = settings.round_robin.max(1);
        if !numbers.contains_key(key) {
            if (numbers.len() + 1) * count as usize > MAX_TOPICS.max(count as usize) {
                return None;
            }
            let name = topic.fill(0, Some(row));
            let added: Option<Vec<u16>> = match settings.round_robin {
                0 => builder.topic(&name).map(|number| vec![number]),
                count => (0..count).map(|number| builder.topic(&format!("{name}_{number}"))).collect(),
            };
            numbers.insert(key.clone(), added?);
        }
        let numbers = numbers.get(key)?;
        let number = numbers.get((*turn % count) as usize).copied();
        *turn = turn.wrapping_add(1) % count;
        number
    }

    fn flush(&mut self, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        for (topic, open) in (0..).zip(self.open.drain(..)) {
            if !open.payload.is_empty() {
                self.builder.push(Message { topic, key: None, payload: &open.payload, sum: open.sum });
            }
        }
        self.topics.numbers.clear();
        if self.builder.count() > 0 {
            let (count, sum) = (self.builder.count(), self.builder.sum());
            emit(self.builder.take(), count, sum);
        } else {
            self.builder.take();
        }
    }

    /// Sends the schema itself as a message, in a batch of its own.
    pub fn announce(&self, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        let (Some(key), Some(schema)) = (&self.settings.schema_key, self.schema()) else { return };
        let mut builder = Builder::new("application/json", None);
        if let Some(topic) = builder.topic(key) {
            builder.push(Message { topic, key: None, payload: schema.as_bytes(), sum: Sum::default() });
            emit(builder.take(), 1, Sum::default());
        }
    }

    /// Sends the marker before the messages of a purge.
    pub fn begin(&mut self, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        let mut payload = Vec::new();
        let schema = match &self.writer {
            // In Avro's JSON form a marker is the same as in plain JSON.
            Writer::Json(_) | Writer::AvroJson(_) => {
                markers::json_start(&mut payload, &self.writer_id);
                None
            }
            Writer::Avro(_) => {
                avro::markers::start(&mut payload, &self.writer_id);
                Some(avro::markers::START_SCHEMA)
            }
        };
        self.marker(&payload, schema, emit);
    }

    /// Sends the marker after the messages of a purge.
    pub fn end(&mut self, purge: markers::Purge, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        let mut payload = Vec::new();
        let schema = match &self.writer {
            Writer::Json(_) | Writer::AvroJson(_) => {
                markers::json_end(&mut payload, &self.writer_id, purge);
                None
            }
            Writer::Avro(_) => {
                avro::markers::end(&mut payload, &self.writer_id, purge);
                Some(avro::markers::END_SCHEMA)
            }
        };
        self.marker(&payload, schema, emit);
    }

    /// Sends a marker in a batch of its own, to the topic in which no variable has a value.
    fn marker(&self, payload: &[u8], schema: Option<&str>, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        if !self.settings.markers {
            return;
        }
        let content_type = if schema.is_some() { "avro/binary" } else { "application/json" };
        let mut builder = Builder::new(content_type, schema);
        let name = self.topic.fill(0, None);
        let name = if self.settings.round_robin > 0 { format!("{name}_0") } else { name };
        if let Some(topic) = builder.topic(&name) {
            builder.push(Message { topic, key: None, payload, sum: Sum::default() });
            emit(builder.take(), 1, Sum::default());
        }
    }
}

impl Writer {
    #[inline]
    fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, now: u64) {
        match self {
            Self::Json(json) => json.row(out, row, strings, now),
            Self::Avro(avro) => avro.row(out, row, strings, now),
            Self::AvroJson(avro) => avro.row(out, row, strings, now),
        }
    }
}

/// The variables of `kafka_partition_key`, and the columns that hold their values. A longer variable comes before those that are
/// its prefix.
const VARIABLES: [(&str, Id); 11] = [
    ("post_tag2", Id::Tag2),
    ("post_tag", Id::Tag),
    ("peer_src_ip", Id::PeerIpSrc),
    ("src_host", Id::IpSrc),
    ("dst_host", Id::IpDst),
    ("src_port", Id::PortSrc),
    ("dst_port", Id::PortDst),
    ("in_iface", Id::IfaceIn),
    ("proto", Id::IpProto),
    ("tag2", Id::Tag2),
    ("tag", Id::Tag),
];

/// The kind of a value in keys: protocols are numbers even if rows show names, so that partitions do not change.
fn plain(kind: Kind) -> Kind {
    match kind {
        Kind::Proto => Kind::U8,
        kind => kind,
    }
}

/// The variable of `kafka_partition_key` with which the text begins, and the column that fills it; for
/// [`encode::names::variables`].
pub fn key_variable(text: &str) -> Option<(&'static str, Option<Id>)> {
    VARIABLES.iter().find(|(name, _)| text.starts_with(name)).map(|(name, column)| (*name, Some(*column)))
}

/// The names of the variables of `kafka_partition_key`.
pub fn key_variables() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, _)| *name)
}

/// The key of messages. It is in lower case, and dots and colons in values become underscores, as in pmacct, so that partitions
/// do not change.
#[derive(Clone, Debug)]
struct Key {
    parts: Vec<Part>,
    values: Values,
    text: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Kind, At),
}

impl Key {
    fn new(template: &str, schema: &Schema, settings: &Messages) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('$') {
            parts.push(Part::Text(text.to_lowercase()));
            let variable = key_variable(after);
            rest = after;
            match variable {
                None => parts.push(Part::Text("$".to_owned())),
                Some((name, id)) => {
                    rest = after.get(name.len()..).unwrap_or_default();
                    let column = schema.columns.iter().find(|column| Some(column.id) == id);
                    parts.push(match column {
                        Some(column) => Part::Value(plain(column.kind), column.at),
                        None => Part::Text("null".to_owned()),
                    });
                }
            }
        }
        parts.push(Part::Text(rest.to_lowercase()));
        Self { parts, values: Values::new(&settings.style), text: Vec::new(), value: Vec::new() }
    }

    fn fill(&mut self, row: &Aggregate<'_>, strings: &Strings) -> &[u8] {
        let Self { parts, values, text, value } = self;
        text.clear();
        for part in parts.iter() {
            match part {
                Part::Text(part) => text.extend_from_slice(part.as_bytes()),
                Part::Value(kind, at) => {
                    value.clear();
                    values.write(value, *kind, *at, row, strings, 0);
                    if value.is_empty() {
                        text.extend_from_slice(b"null");
                    }
                    text.extend(value.iter().map(|byte| match byte {
                        b'.' | b':' => b'_',
                        byte => byte.to_ascii_lowercase(),
                    }));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;
    use delivery::messages::Messages as Read;
    use encode::Style;
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Selection};
    use foldhash::fast::RandomState;
    use std::sync::Arc;

    /// The keys of the messages of one aggregate; `fields` are its values by the JSON names of their columns.
    fn keys(key: &str, style: Style, words: &[&str], fields: &[(&str, &[u8])]) -> Vec<String> {
        let text = format!("plugins: kafka[k]\naggregate[k]: {}\nkafka_partition_key: {key}\n", words.join(","));
        let (config, mut problems) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
        let settings = Messages::read(&config.plugins()[0], style, &mut problems);
        let selection = Selection::parse(words.iter().copied(), &[]).unwrap();
        let mut set = FieldSet::default();
        selection.require(&Options::default(), &mut set);
        let schema = Schema::new(&selection, &[], &Layout::new(&set, &[]), &Options::default());
        let mut key = vec![0u8; schema.key_words * 8];
        for (json, value) in fields {
            let column = schema.columns.iter().find(|column| column.json == *json).unwrap();
            let At::Key(at) = column.at else { panic!("{json} is no key") };
            key[at..at + value.len()].copy_from_slice(value);
        }
        let words: Vec<u64> = key.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        let schema = Arc::new(schema);
        let mut table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
        table.add(&words, &[1, 100]);
        let mut keys = Vec::new();
        Encoder::new(&settings, &schema, 1, "0").encode(&table, 0, &mut |body, _, _| {
            let read = Read::read(&body).unwrap();
            keys.extend(read.iter().map(|message| String::from_utf8(message.key.unwrap().to_vec()).unwrap()));
        });
        keys
    }

    #[test]
    fn protocols_are_numbers_in_keys_even_if_rows_show_names() {
        for num_protos in [false, true] {
            let key = |protocol: u8| {
                let style = Style { num_protos, ..Style::default() };
                let fields: [(&str, &[u8]); 2] = [("ip_proto", &[protocol]), ("port_src", &[1, 2])];
                keys("P-$proto-$src_port", style, &["proto", "src_port"], &fields)
            };
            assert_eq!(key(6), ["p-6-258"]);
            assert_eq!(key(58), ["p-58-258"]);
            assert_eq!(key(253), ["p-253-258"]);
        }
    }

    #[test]
    fn fields_that_are_not_aggregated_are_null_in_keys() {
        assert_eq!(keys("$proto-$tag-$x", Style::default(), &["src_port"], &[]), ["null-null-$x"]);
    }
}
