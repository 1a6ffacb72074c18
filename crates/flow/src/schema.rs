//! The schema of one plugin: how rows become keys and values of aggregates, and the columns of the output.

use crate::column::{Id, Spec};
use crate::custom::Custom;
use crate::field::Field;
use crate::kind::Kind;
use crate::primitive::{self, Primitive, Supply};
use crate::row::{self, FieldSet, Layout};
use std::borrow::Cow;

/// One word of an `aggregate` list.
#[derive(Clone, Copy, Debug)]
enum Word {
    Builtin(&'static Primitive),
    Custom(usize),
}

/// A checked `aggregate` list.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    words: Vec<Word>,
}

impl Selection {
    /// Checks the words of a list; the error lists those that are not primitives.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>, customs: &[Custom]) -> Result<Self, Vec<String>> {
        let mut selection = Self::default();
        let mut unknown = Vec::new();
        for word in words.into_iter().map(str::trim).filter(|word| !word.is_empty()) {
            if let Some(primitive) = primitive::find(word) {
                selection.words.push(Word::Builtin(primitive));
            } else if let Some(number) = customs.iter().position(|c| c.name == word.to_lowercase()) {
                selection.words.push(Word::Custom(number));
            } else {
                unknown.push(word.to_owned());
            }
        }
        if unknown.is_empty() { Ok(selection) } else { Err(unknown) }
    }

    /// Adds a built-in primitive, unless the list has it.
    pub fn add(&mut self, name: &str) {
        let Some(primitive) = primitive::find(name) else { return };
        if !self.primitives().any(|known| known.column() == primitive.column()) {
            self.words.push(Word::Builtin(primitive));
        }
    }

    /// Adds the fields that the list needs.
    pub fn require(&self, options: &Options, fields: &mut FieldSet) {
        fields.insert(Field::Event);
        for word in &self.words {
            let Word::Builtin(primitive) = word else { continue };
            primitive.fields.iter().chain(&primitive.also).for_each(|field| fields.insert(*field));
        }
        if options.first_and_last {
            fields.insert(Field::TimeStart);
            fields.insert(Field::TimeEnd);
        }
        if options.icmp {
            fields.insert(Field::IcmpTypeCode);
        }
    }

    /// Removes the primitives that need `supply` from the list, unless there are no others. Returns their names.
    pub fn without(&mut self, supply: Supply) -> Vec<&'static str> {
        let lacks = |word: &Word| matches!(word, Word::Builtin(primitive) if primitive.supply == supply);
        if self.words.iter().all(lacks) {
            return Vec::new();
        }
        let taken = self.primitives().filter(|primitive| primitive.supply == supply);
        let taken = taken.map(|primitive| primitive.name).collect();
        self.words.retain(|word| !lacks(word));
        taken
    }

    /// Returns true if a built-in primitive of the list shows this column.
    pub fn shows(&self, column: Id) -> bool {
        self.primitives().any(|primitive| primitive.columns.contains(&column))
    }

    /// The first primitive of the list, in the order of the table, that needs `supply`.
    pub fn supplied_by(&self, supply: Supply) -> Option<&'static Primitive> {
        let has = |name: &str| self.primitives().any(|primitive| primitive.name == name);
        primitive::PRIMITIVES.iter().find(|primitive| primitive.supply == supply && has(primitive.name))
    }

    /// The built-in primitives of the list.
    pub fn primitives(&self) -> impl Iterator<Item = &'static Primitive> + '_ {
        self.words.iter().filter_map(|word| match word {
            Word::Builtin(primitive) => Some(*primitive),
            Word::Custom(_) => None,
        })
    }
}

/// Settings of a plugin that affect its keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `*_history`: the time bin is part of the key.
    pub bins: bool,
    /// `timestamps_secs`: fractions of seconds are dropped before keys are compared.
    pub whole_seconds: bool,
    /// `tos_encode_as_dscp`: the two low bits of ToS are dropped before keys are compared.
    pub dscp: bool,
    /// `nfacctd_stitching`, and probes: the first and last time of each aggregate are kept.
    pub first_and_last: bool,
    /// Probes: ICMP type and code are part of the key ([`ICMP_TYPE_CODE`]).
    pub icmp: bool,
    /// `nfprobe_dont_cache`: each row is an aggregate of its own.
    pub distinct: bool,
}

/// The name of the column of ICMP type and code, which only probes have.
pub const ICMP_TYPE_CODE: &str = "icmp_type_code";

/// How the values of one aggregate are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Added, saturating at 2^64-1.
    Sum,
    /// ORed.
    Or,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

/// The location of a value in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A word of the row's head.
    Head(usize),
    /// One octet at that offset.
    Octet(usize),
    /// A time at that offset.
    Time(usize),
    /// A time at the first offset or, if that is unset, at the second.
    TimeOr(usize, usize),
}

/// One value of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// How two of them are combined.
    pub combine: Combine,
    /// Its location in a row.
    pub source: Source,
}

/// The location of a column's value in an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At that offset of the key, in network byte order.
    Key(usize),
    /// The value with this index.
    Value(usize),
    /// Not stored: it is known at the flush.
    Flush,
}

/// One column of the output.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its ID in the table of columns; [`Id::Custom`] for custom primitives.
    pub id: Id,
    /// Member in JSON.
    pub json: Cow<'static, str>,
    /// Title in CSV and formatted output.
    pub header: Cow<'static, str>,
    /// Width in formatted output; 0 if pmacct has no such column there.
    pub width: u8,
    /// Kind of the value.
    pub kind: Kind,
    /// Location of the value.
    pub at: At,
    /// The definition of a custom primitive.
    pub custom: Option<Box<Custom>>,
}

/// A run of bytes that is copied from a row to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Offset in the row.
    pub from: usize,
    /// Offset in the key.
    pub to: usize,
    /// Length, in bytes.
    pub len: usize,
}

/// A transformation of a key after its bytes were copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Replaces the string ID at this offset, which refers to the rows' strings, by one of the table's strings.
    Intern(usize),
    /// Removes the fraction of a second from the time at this offset.
    WholeSeconds(usize),
    /// Shifts the byte at this offset right by two bits.
    Dscp(usize),
}

/// The plan of one plugin: from row to aggregate to columns.
#[derive(Debug)]
pub struct Schema {
    /// Columns in the order of JSON.
    pub columns: Vec<Column>,
    /// Indexes of the columns of CSV and formatted output, in order.
    pub csv: Vec<usize>,
    /// Number of words of a key.
    pub key_words: usize,
    /// How a key is built from a row; two if a flow is counted under both its ends (`sum_host` and similar primitives).
    pub projections: Vec<Vec<Run>>,
    /// Transformations of the key after that.
    pub finishes: Vec<Finish>,
    /// Offset of the bin time in the key (seconds since 1970, 8 bytes).
    pub bin: Option<usize>,
    /// Offset in the key of the byte that is 1 for events, which have no counters.
    pub event: Option<usize>,
    /// Values, in order; packets and bytes are always the first two.
    pub values: Vec<Value>,
    /// Each row is an aggregate of its own; keys are not compared.
    pub distinct: bool,
}

/// Index of the packets among the values.
pub const VALUE_PACKETS: usize = 0;
/// Index of the bytes among the values.
pub const VALUE_BYTES: usize = 1;

/// One key field, before it has an offset.
struct KeyField {
    from: usize,
    also: usize,
    size: usize,
    /// Index of its column; the byte that marks events has none.
    column: Option<usize>,
}

impl Schema {
    /// Creates the schema of a list for rows of `layout`, which must have the fields that the list requires.
    pub fn new(selection: &Selection, customs: &[Custom], layout: &Layout, options: &Options) -> Self {
        let mut schema = Builder::default();
        schema.value(Combine::Sum, Source::Head(row::PACKETS));
        schema.value(Combine::Sum, Source::Head(row::BYTES));
        if let Some(event) = layout.offset(Field::Event) {
            schema.key(event, None, 1, None);
        }
        for word in &selection.words {
            match *word {
                Word::Builtin(primitive) => schema.builtin(primitive, layout),
                Word::Custom(number) => schema.custom(number, customs, layout),
            }
        }
        if options.first_and_last
            && let (Some(start), Some(end)) = (layout.offset(Field::TimeStart), layout.offset(Field::TimeEnd))
        {
            let first = schema.value(Combine::Min, Source::Time(start));
            let last = schema.value(Combine::Max, Source::TimeOr(end, start));
            schema.column(Id::TimestampMin, At::Value(first));
            schema.column(Id::TimestampMax, At::Value(last));
        }
        if let Some(at) = layout.offset(Field::IcmpTypeCode).filter(|_| options.icmp) {
            schema.icmp(at);
        }
        schema.column(Id::Packets, At::Value(VALUE_PACKETS));
        schema.column(Id::Bytes, At::Value(VALUE_BYTES));
        schema.finish(options)
    }

    /// Number of words of an aggregate: its key and its values.
    pub fn stride(&self) -> usize {
        self.key_words + self.values.len()
    }

    /// The column with this ID.
    pub fn column(&self, id: Id) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Offset in a row of the value that a column has in the key.
    pub fn row_offset(&self, column: &Column) -> Option<usize> {
        let At::Key(at) = column.at else { return None };
        let runs = self.projections.first()?;
        runs.iter().find(|run| (run.to..run.to + run.len).contains(&at)).map(|run| run.from + (at - run.to))
    }
}

#[derive(Default)]
struct Builder {
    columns: Vec<Column>,
    values: Vec<Value>,
    keys: Vec<KeyField>,
    sums: bool,
}

impl Builder {
    fn value(&mut self, combine: Combine, source: Source) -> usize {
        self.values.push(Value { combine, source });
        self.values.len() - 1
    }

    fn column(&mut self, id: Id, at: At) -> usize {
        let Spec { json, title, width, kind, .. } = *id.spec();
        self.columns.push(Column { id, json: json.into(), header: title.into(), width, kind, at, custom: None });
        self.columns.len() - 1
    }

    /// Adds bytes of a row to the key.
    fn key(&mut self, from: usize, also: Option<usize>, size: usize, column: Option<usize>) {
        self.sums |= also.is_some();
        self.keys.push(KeyField { from, also: also.unwrap_or(from), size, column });
    }

    fn builtin(&mut self, p: &'static Primitive, layout: &Layout) {
        // Another word may have added the column already.
        if p.column().is_none_or(|column| self.columns.iter().any(|c| c.id == column)) {
            return;
        }
        let also = p.also.and_then(|field| layout.offset(field));
        let mut fields = p.fields.iter();
        // The rest of the field of the last column.
        let (mut offset, mut left) = (None, 0);
        for &id in p.columns {
            let kind = id.spec().kind;
            if kind == Kind::Counter {
                let value = self.value(Combine::Sum, Source::Head(row::FLOWS));
                self.column(id, At::Value(value));
                continue;
            }
            if left == 0 {
                let Some(field) = fields.next() else { return };
                (offset, left) = (layout.offset(*field), field.size());
            }
            let Some(from) = offset else { return };
            match kind {
                Kind::TcpFlags | Kind::TunnelTcpFlags => {
                    let value = self.value(Combine::Or, Source::Octet(from));
                    self.column(id, At::Value(value));
                }
                _ => {
                    let column = self.column(id, At::Flush);
                    self.key(from, also, kind.size(), Some(column));
                }
            }
            offset = Some(from + kind.size());
            left = left.saturating_sub(kind.size());
        }
    }

    fn custom(&mut self, number: usize, customs: &[Custom], layout: &Layout) {
        let (Some(custom), Some(offset)) = (customs.get(number), layout.custom(number)) else { return };
        if self.columns.iter().any(|c| c.json == custom.name) {
            return;
        }
        let kind = custom.semantics.kind();
        self.columns.push(Column {
            id: Id::Custom,
            width: u8::try_from(custom.width()).unwrap_or(u8::MAX),
            json: Cow::Owned(custom.name.clone()),
            header: Cow::Owned(custom.name.clone()),
            kind,
            at: At::Flush,
            custom: Some(Box::new(custom.clone())),
        });
        self.key(offset, None, kind.size(), Some(self.columns.len() - 1));
    }

    /// Adds ICMP type and code, which no primitive shows.
    fn icmp(&mut self, offset: usize) {
        let (name, kind) = (Cow::Borrowed(ICMP_TYPE_CODE), Kind::U16);
        let header = name.clone();
        self.columns.push(Column {
            id: Id::Custom,
            json: name,
            header,
            width: 0,
            kind,
            at: At::Flush,
            custom: None,
        });
        self.key(offset, None, kind.size(), Some(self.columns.len() - 1));
    }

    fn finish(mut self, options: &Options) -> Schema {
        // Keys store their fields in the order of the row, so that adjacent fields are copied together.
        self.keys.sort_by_key(|key| key.from);
        let mut finishes = Vec::new();
        let mut event = None;
        let mut runs = [Vec::<Run>::new(), Vec::new()];
        let mut to = 0;
        for key in &self.keys {
            for (runs, from) in runs.iter_mut().zip([key.from, key.also]) {
                match runs.last_mut() {
                    Some(run) if run.from + run.len == from && run.to + run.len == to => run.len += key.size,
                    _ => runs.push(Run { from, to, len: key.size }),
                }
            }
            match key.column.and_then(|column| self.columns.get_mut(column)) {
                None => event = Some(to),
                Some(column) => {
                    column.at = At::Key(to);
                    match column.kind {
                        kind if kind.is_interned() => finishes.push(Finish::Intern(to)),
                        Kind::Time if options.whole_seconds => finishes.push(Finish::WholeSeconds(to)),
                        Kind::Tos if options.dscp => finishes.push(Finish::Dscp(to)),
                        _ => {}
                    }
                }
            }
            to += key.size;
        }
        let bin = options.bins.then(|| to.next_multiple_of(8));
        if let Some(bin) = bin {
            to = bin + 8;
            self.column(Id::StampInserted, At::Key(bin));
            self.column(Id::StampUpdated, At::Flush);
        }
        self.columns.sort_by_key(|column| column.id);
        let numbered = self.columns.iter().enumerate();
        let mut csv: Vec<(usize, usize)> =
            numbered.filter_map(|(number, column)| Some((column.id.csv_position()?, number))).collect();
        csv.sort_unstable();
        let [first, second] = runs;
        let projections = if self.sums { vec![first, second] } else { vec![first] };
        Schema {
            columns: self.columns,
            csv: csv.into_iter().map(|(_, number)| number).collect(),
            // `none` has one key, which is one word of zeros.
            key_words: to.div_ceil(8).max(1),
            projections,
            finishes,
            bin,
            event,
            values: self.values,
            distinct: options.distinct,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(words: &str, options: Options) -> Schema {
        let selection = Selection::parse(words.split(','), &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&options, &mut fields);
        Schema::new(&selection, &[], &Layout::new(&fields, &[]), &options)
    }

    #[test]
    fn a_five_tuple_is_one_run_of_bytes() {
        let schema = schema("dst_port, src_host, proto, dst_host, src_port", Options::default());
        assert_eq!(schema.projections, [[Run { from: 32, to: 0, len: 38 }]]);
        assert_eq!((schema.key_words, schema.values.len()), (5, 2));
        let names: Vec<_> = schema.columns.iter().map(|c| c.json.as_ref()).collect();
        assert_eq!(names, ["ip_src", "ip_dst", "port_src", "port_dst", "ip_proto", "packets", "bytes"]);
    }

    #[test]
    fn sum_primitives_build_two_keys_per_row() {
        let schema = schema("sum_host,proto", Options::default());
        assert_eq!(schema.projections.len(), 2);
        assert_ne!(schema.projections[0], schema.projections[1]);
        assert_eq!(schema.columns[0].json, "ip_src");
    }

    #[test]
    fn flags_and_flows_are_values_and_bins_are_keys() {
        let schema = schema("tcpflags,flows", Options { bins: true, ..Options::default() });
        assert_eq!(schema.values.len(), 4);
        assert_eq!((schema.bin, schema.key_words), (Some(8), 2));
        let titles: Vec<_> = schema.csv.iter().map(|&i| schema.columns[i].header.as_ref()).collect();
        assert_eq!(titles, ["TCP_FLAGS", "PACKETS", "FLOWS", "BYTES"]);
    }

    #[test]
    fn all_unknown_words_are_reported() {
        assert_eq!(Selection::parse(["src_host", "foo", "bar"], &[]).unwrap_err(), ["foo", "bar"]);
    }
}
