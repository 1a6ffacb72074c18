//! Encodes tables of aggregates as rows of a database.

use crate::columns::{self, COLUMNS, Shape, Spec};
use crate::rows::{Builder, Column, Form, Head, Role, Value};
use crate::settings::Settings;
use aggregate::{Aggregate, Table};
use delivery::Sum;
use encode::names::{Name, Template};
use encode::protocols;
use encode::value::{self, Values};
use flow::address;
use flow::column::{Id, SqlType};
use flow::kind::Kind;
use flow::schema::{At, Combine, Schema, VALUE_BYTES, VALUE_PACKETS};
use flow::strings::Strings;
use foldhash::HashMap;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// The size in bytes at which a batch is closed.
const BATCH_BYTES: usize = 1 << 20;

/// The address for rows without one, in columns that require an address.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// From the aggregate, by its kind.
    Row(Kind, At),
    /// An address, or 0.0.0.0 where there is none: only for this column, as in pmacct's tables.
    PeerDst(At),
    /// The microseconds within the second of a time.
    Residual(At),
    /// The time of the purge.
    Now,
    /// A constant, for a column that is not aggregated.
    StandIn(StandIn),
}

/// The value of a column that is not aggregated.
#[derive(Clone, Copy, Debug)]
enum StandIn {
    Zero,
    Address,
    Protocol,
    Text(&'static str),
}

/// An encoder of rows, compiled for one plugin.
#[derive(Debug)]
pub struct Encoder {
    table: Name,
    create: Option<Name>,
    columns: Vec<Column>,
    origins: Vec<Origin>,
    /// The offset of the bin time in keys.
    bin: Option<usize>,
    format: ValueFormat,
    values: Values,
    text: Vec<u8>,
    /// The tables that the last purge wrote to.
    written: Vec<String>,
    max_tables: usize,
    bounded: Bounded,
}

/// The aggregates that exceeded the number of tables that a purge may write to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounded {
    /// Written to the table for the time of the purge.
    pub redirected: u64,
    /// Dropped, because there was no table for them.
    pub dropped: Sum,
}

/// The tables of a purge.
#[derive(Default)]
struct Tables {
    builders: Vec<Builder>,
    by_name: HashMap<String, usize>,
}

/// The table to which an aggregate is written.
#[derive(Clone, Copy)]
struct Destination {
    /// The number of the table; `None` if the aggregate is dropped.
    table: Option<usize>,
    is_redirected: bool,
}

/// The settings of the format of values.
#[derive(Clone, Copy, Debug)]
struct ValueFormat {
    /// Times are numbers.
    since_epoch: bool,
    /// Times have no fractions.
    whole_seconds: bool,
    /// Protocols are numbers.
    num_protos: bool,
    /// The value for a missing address.
    no_address: Value<'static>,
}

/// Checks that the standard schema of `sql_table_version` has columns for all that is aggregated.
///
/// # Errors
/// A message that names the column and the version that has it.
pub fn check(settings: &Settings, schema: &Schema) -> Result<(), String> {
    if settings.optimize {
        return Ok(());
    }
    let ids = aggregated(schema);
    let shape = Shape::of(settings, &ids);
    let lacks = ids.iter().find_map(|id| Some((columns::of(*id)?.name.to_owned(), shape.lacks(*id)?)));
    let shares = || {
        let side = shares(&ids).filter(|_| shape.ases_in_addresses())?;
        Some((format!("as_{side} beside ip_{side} or net_{side}"), 6))
    };
    match lacks.or_else(shares) {
        None => Ok(()),
        Some((column, version)) => Err(format!(
            "aggregate[{name}]: The accounting of {column} requires SQL table v{version}. Set sql_table_version[{name}] \
             to {version}, or sql_optimize_clauses[{name}] to true.",
            name = settings.name
        )),
    }
}

/// The side on which an AS number and an address need the same column, if there is one.
fn shares(ids: &[Id]) -> Option<&'static str> {
    let has = |id: Id| ids.contains(&id);
    let source = has(Id::AsSrc) && (has(Id::IpSrc) || has(Id::NetSrc));
    let destination = has(Id::AsDst) && (has(Id::IpDst) || has(Id::NetDst));
    if source { Some("src") } else { destination.then_some("dst") }
}

/// True where AS numbers are written into the columns of addresses. This follows the version also with
/// `sql_optimize_clauses`, unless both AS numbers and addresses are aggregated: then each has its own column.
fn moves_ases(settings: &Settings, shape: &Shape, ids: &[Id]) -> bool {
    shape.ases_in_addresses() && !(settings.optimize && shares(ids).is_some())
}

/// The columns that are aggregated.
fn aggregated(schema: &Schema) -> Vec<Id> {
    schema.columns.iter().map(|column| column.id).filter(|id| columns::of(*id).is_some()).collect()
}

impl Encoder {
    /// Compiles an encoder.
    pub fn new(settings: &Settings, schema: &Schema) -> Self {
        let ids = aggregated(schema);
        let shape = Shape::of(settings, &ids);
        let moves_ases = moves_ases(settings, &shape, &ids);
        let ases = moves_ases
            && ids.iter().any(|id| matches!(id, Id::AsSrc | Id::AsDst))
            && !ids.iter().any(|id| matches!(id, Id::IpSrc | Id::IpDst));
        let ases_are_numbers = ases && shape.ases_are_numbers();
        let default = shape.table(ases);
        let bind = |template: &Template| {
            template.bind(schema, settings.style.zone.clone(), settings.refresh, settings.history)
        };
        let table = settings.table.clone().or_else(|| Template::parse(&default).ok());
        let mut encoder = Self {
            table: bind(&table.unwrap_or_default()),
            create: settings.create.as_ref().map(bind),
            columns: Vec::new(),
            origins: Vec::new(),
            bin: schema.bin,
            format: ValueFormat {
                since_epoch: settings.since_epoch,
                whole_seconds: settings.style.whole_seconds,
                num_protos: settings.style.num_protos,
                // Columns of type inet do not accept an empty text, and it has no binary form.
                no_address: match shape.has_address_type() || settings.num_hosts {
                    true => Value::Address(NOWHERE),
                    false => Value::Text(""),
                },
            },
            values: Values::new(&settings.style),
            text: Vec::new(),
            written: Vec::new(),
            max_tables: settings.max_tables,
            bounded: Bounded::default(),
        };
        encoder.compile(settings, &shape, schema, moves_ases, ases_are_numbers);
        encoder
    }

    /// Compiles the columns in the order of statements: those that are aggregated, custom primitives, then constants.
    /// `moves_ases`: AS numbers are in the columns of addresses. `ases_are_numbers`: constants for addresses are numbers, too.
    fn compile(
        &mut self,
        settings: &Settings,
        shape: &Shape,
        schema: &Schema,
        moves_ases: bool,
        ases_are_numbers: bool,
    ) {
        let target = |spec: &'static Spec| match spec.id {
            Id::AsSrc if moves_ases => columns::of(Id::IpSrc).unwrap_or(spec),
            Id::AsDst if moves_ases => columns::of(Id::IpDst).unwrap_or(spec),
            _ => spec,
        };
        let mut there: Vec<Id> = Vec::new();
        let is_counter = |spec: &Spec| matches!(spec.ty, SqlType::Packets | SqlType::Bytes);
        // With whole seconds, tables have no columns for microseconds.
        let is_omitted = |spec: &Spec| spec.ty == SqlType::Residual && settings.style.whole_seconds;
        for spec in COLUMNS.iter().filter(|spec| !is_counter(spec) && !is_omitted(spec)) {
            let Some(column) = schema.columns.iter().find(|column| column.id == spec.id) else { continue };
            let combine = match column.at {
                At::Value(at) => schema.values.get(at).map(|value| value.combine),
                _ => None,
            };
            let role = match (spec.ty, combine) {
                (SqlType::Updated, _) => Role::Updated,
                (_, Some(Combine::Or)) => Role::Or,
                (_, Some(Combine::Min)) => Role::Least,
                (_, Some(Combine::Max)) => Role::Greatest,
                (_, Some(Combine::Sum)) => Role::Sum,
                (_, None) => Role::Key,
            };
            let origin = match spec.ty {
                SqlType::Updated => Origin::Now,
                SqlType::Residual => Origin::Residual(column.at),
                SqlType::Address if spec.id == Id::PeerIpDst => Origin::PeerDst(column.at),
                _ => Origin::Row(column.kind, column.at),
            };
            let target = target(spec);
            there.push(target.id);
            self.push(shape.name(target).into(), role, form(spec.ty, settings), origin);
        }
        for column in schema.columns.iter().filter(|column| column.id == Id::Custom) {
            self.push(column.json.clone(), Role::Key, Form::Plain, Origin::Row(column.kind, column.at));
        }
        if !settings.optimize {
            for spec in shape.columns().filter(|spec| !is_counter(spec) && !there.contains(&spec.id)) {
                let role = if spec.ty == SqlType::Flags { Role::Or } else { Role::Key };
                let origin = Origin::StandIn(match spec.ty {
                    SqlType::Address if ases_are_numbers => StandIn::Zero,
                    _ => stand_in(spec),
                });
                self.push(shape.name(spec).into(), role, form(spec.ty, settings), origin);
            }
        }
        for spec in COLUMNS.iter().filter(|spec| is_counter(spec)) {
            let column = schema.columns.iter().find(|column| column.id == spec.id);
            let origin = match column {
                Some(column) => Origin::Row(Kind::Counter, column.at),
                None if !settings.optimize && shape.has(spec.id) => Origin::StandIn(StandIn::Zero),
                None => continue,
            };
            self.push(shape.name(spec).into(), Role::Sum, Form::Plain, origin);
        }
    }

    fn push(&mut self, name: Cow<'static, str>, role: Role, form: Form, origin: Origin) {
        self.columns.push(Column { name: name.into_owned(), role, form });
        self.origins.push(origin);
    }

    /// The header of batches, if their table does not depend on the rows: for the check at start-up. `now` is in seconds
    /// since 1970.
    pub fn head(&self, now: u64) -> Option<Head> {
        (!self.table.depends_on_record() && !self.table.has_time()).then(|| self.head_for(now, None))
    }

    fn head_for(&self, seconds: u64, row: Option<&Aggregate<'_>>) -> Head {
        Head {
            table: self.table.fill(seconds, row),
            create: self.create.as_ref().map(|create| create.fill(seconds, row)),
            columns: self.columns.clone(),
            for_backup: false,
        }
    }

    /// The tables that the last purge wrote to.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// Encodes a table as bodies of batches, each with rows for one table of the database. `now` is the time of the purge, in
    /// seconds since 1970.
    pub fn encode(&mut self, table: &Table, now: u64, emit: &mut dyn FnMut(Vec<u8>, u32, Sum)) {
        self.encode_rows(table.iter(), table.strings(), now, false, emit);
    }

    /// Encodes the aggregates for whose values `rejects` is true, for the backup server only.
    pub fn encode_for_backup(
        &mut self,
        table: &Table,
        rejects: &dyn Fn(&[u64]) -> bool,
        now: u64,
        emit: &mut dyn FnMut(Vec<u8>, u32, Sum),
    ) {
        let rows = table.iter().filter(|row| rejects(row.values));
        self.encode_rows(rows, table.strings(), now, true, emit);
    }

    fn encode_rows<'t>(
        &mut self,
        rows: impl Iterator<Item = Aggregate<'t>>,
        strings: &Strings,
        now: u64,
        for_backup: bool,
        emit: &mut dyn FnMut(Vec<u8>, u32, Sum),
    ) {
        let by_bin = self.table.has_time().then_some(self.bin).flatten();
        let mut tables = Tables::default();
        let mut destinations: HashMap<Vec<u8>, Destination> = HashMap::default();
        let mut only = None;
        let mut key = Vec::new();
        self.written.clear();
        let several = by_bin.is_some() || self.table.depends_on_record();
        for row in rows {
            let bin = by_bin.map(|at| u64::from_be_bytes(value::field(&row, At::Key(at))));
            let cached = if several {
                key.clear();
                key.extend_from_slice(&bin.unwrap_or(0).to_be_bytes());
                self.table.key(&mut key, &row);
                destinations.get(&key).copied()
            } else {
                only
            };
            let destination = cached.unwrap_or_else(|| {
                let destination = self.destination(&mut tables, bin, now, &row, for_backup);
                only = Some(destination);
                if several {
                    destinations.insert(key.clone(), destination);
                }
                destination
            });
            self.bounded.redirected += u64::from(destination.is_redirected);
            let Some(builder) = destination.table.and_then(|number| tables.builders.get_mut(number)) else {
                let Sum { aggregates, packets, bytes } = self.bounded.dropped;
                let [more_packets, more_bytes] = counted(&row);
                self.bounded.dropped = Sum {
                    aggregates: aggregates + 1,
                    packets: packets.saturating_add(more_packets),
                    bytes: bytes.saturating_add(more_bytes),
                };
                continue;
            };
            self.row(builder, &row, strings, now);
            if builder.size() >= BATCH_BYTES {
                let (count, sum) = (builder.count(), builder.sum());
                emit(builder.take(), count, sum);
            }
        }
        for mut builder in tables.builders.into_iter().filter(|builder| builder.count() > 0) {
            let (count, sum) = (builder.count(), builder.sum());
            emit(builder.take(), count, sum);
        }
    }

    /// Finds the table of an aggregate.
    ///
    /// Exporters choose the bins of records, so the tables of a purge are bounded: at the bound, rows go to the table for the
    /// time of the purge. Since names may also depend on other fields, rows are dropped at twice the bound.
    fn destination(
        &mut self,
        tables: &mut Tables,
        bin: Option<u64>,
        now: u64,
        row: &Aggregate<'_>,
        for_backup: bool,
    ) -> Destination {
        let mut head = self.head_for(bin.unwrap_or(now), Some(row));
        let mut is_redirected = false;
        if tables.builders.len() >= self.max_tables && !tables.by_name.contains_key(&head.table) {
            let other = self.head_for(now, Some(row));
            is_redirected = other.table != head.table;
            head = other;
        }
        let count = tables.builders.len();
        let table = match tables.by_name.get(&head.table) {
            Some(number) => Some(*number),
            None if count >= self.max_tables.saturating_mul(2) => None,
            None => {
                self.written.push(head.table.clone());
                tables.by_name.insert(head.table.clone(), count);
                tables.builders.push(Builder::new(&Head { for_backup, ..head }));
                Some(count)
            }
        };
        Destination { table, is_redirected: is_redirected && table.is_some() }
    }

    /// The aggregates since the last call that exceeded the bound of tables.
    pub fn take_bounded(&mut self) -> Bounded {
        std::mem::take(&mut self.bounded)
    }

    fn row(&mut self, builder: &mut Builder, row: &Aggregate<'_>, strings: &Strings, now: u64) {
        let [packets, bytes] = counted(row);
        builder.row(packets, bytes);
        let Self { origins, format, values, text, .. } = self;
        for origin in origins {
            match *origin {
                // Between members of a list, databases get blanks, and other outputs underscores.
                Origin::Row(Kind::AsPath | Kind::Communities, at) => {
                    builder.value(Value::Text(&clean(value::text(row, at, strings))));
                }
                Origin::Row(kind, at) => match format.plain(kind, at, row) {
                    Some(value) => builder.value(value),
                    None => {
                        text.clear();
                        values.write(text, kind, at, row, strings, now);
                        builder.value(Value::Text(&clean(text)));
                    }
                },
                Origin::PeerDst(at) => {
                    let address = address::address(&value::field(row, at));
                    builder.value(Value::Address(address.unwrap_or(NOWHERE)));
                }
                Origin::Residual(at) => builder.value(Value::Number(format.micros(at, row) % 1_000_000)),
                Origin::Now => builder.value(format.time(now)),
                Origin::StandIn(stand_in) => builder.value(match stand_in {
                    StandIn::Zero => Value::Number(0),
                    StandIn::Address => Value::Address(NOWHERE),
                    StandIn::Protocol if format.num_protos => Value::Number(0),
                    StandIn::Protocol => Value::Text(protocols::name(0).unwrap_or("0")),
                    StandIn::Text(text) => Value::Text(text),
                }),
            }
        }
    }
}

/// The packets and bytes of an aggregate.
fn counted(row: &Aggregate<'_>) -> [u64; 2] {
    [VALUE_PACKETS, VALUE_BYTES].map(|at| row.values.get(at).copied().unwrap_or(0))
}

impl ValueFormat {
    /// The value of a kind that needs no text buffer.
    #[inline]
    fn plain(&self, kind: Kind, at: At, row: &Aggregate<'_>) -> Option<Value<'static>> {
        Some(match kind {
            Kind::Counter | Kind::TcpFlags | Kind::TunnelTcpFlags => Value::Number(value::value(row, at)),
            Kind::U8 | Kind::Tos | Kind::FwdStatus => Value::Number(u64::from(value::field::<1>(row, at)[0])),
            Kind::U16 => Value::Number(u64::from(u16::from_be_bytes(value::field(row, at)))),
            Kind::U32 | Kind::FlowLabel => Value::Number(u64::from(u32::from_be_bytes(value::field(row, at)))),
            Kind::U64 | Kind::NumberText => Value::Number(u64::from_be_bytes(value::field(row, at))),
            Kind::Real => Value::Real(f64::from_be_bytes(value::field(row, at))),
            Kind::Mac => Value::Mac(value::field(row, at)),
            Kind::Ip => address::address(&value::field(row, at)).map_or(self.no_address, Value::Address),
            Kind::Proto => {
                let [protocol] = value::field(row, at);
                match protocols::name(protocol) {
                    Some(name) if !self.num_protos => Value::Text(name),
                    // In a column of names, a number is written as text.
                    None if !self.num_protos => return None,
                    _ => Value::Number(u64::from(protocol)),
                }
            }
            Kind::Time => self.time(self.micros(at, row) / 1_000_000),
            Kind::StampInserted => self.time(u64::from_be_bytes(value::field(row, at))),
            _ => return None,
        })
    }

    fn time(&self, seconds: u64) -> Value<'static> {
        match self.since_epoch {
            true => Value::Number(seconds),
            false => Value::Time(i64::try_from(seconds).unwrap_or(i64::MAX)),
        }
    }

    fn micros(&self, at: At, row: &Aggregate<'_>) -> u64 {
        let micros = match at {
            At::Value(_) => value::value(row, at),
            _ => u64::from_be_bytes(value::field(row, at)),
        };
        if self.whole_seconds { micros / 1_000_000 * 1_000_000 } else { micros }
    }
}

fn form(ty: SqlType, settings: &Settings) -> Form {
    match ty {
        SqlType::Time | SqlType::Inserted | SqlType::Updated if !settings.since_epoch => Form::Time,
        SqlType::Address => Form::Address,
        SqlType::Mac => Form::Mac,
        _ => Form::Plain,
    }
}

fn stand_in(spec: &Spec) -> StandIn {
    match spec.ty {
        SqlType::Address => StandIn::Address,
        // As in pmacct's tables.
        SqlType::Mac => StandIn::Text("0:0:0:0:0:0"),
        SqlType::Protocol => StandIn::Protocol,
        _ if spec.id.spec().kind == Kind::Class => StandIn::Text("unknown"),
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Country | SqlType::Roa => StandIn::Text(""),
        _ => StandIn::Zero,
    }
}

/// A text that databases accept: UTF-8 without NUL.
fn clean(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text }
}
