//! The collected values of one column for a row group.
//!
//! For optional and repeated values, Parquet stores levels in addition: a definition level of 0 means that there is no
//! value, and a repetition level of 1 that an item continues the list of the previous one.

use ::parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::writer::SerializedColumnWriter;
use ::parquet::schema::types::Type;
use std::sync::Arc;

/// The type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Unsigned, of that many bits.
    Unsigned(i8),
    /// Microseconds since 1970.
    Micros,
    /// A real number.
    Real,
}

/// The values of a column.
#[derive(Debug)]
pub(super) struct Leaf {
    store: Store,
    /// Definition levels, for columns that have them.
    definitions: Option<Vec<i16>>,
    /// Repetition levels, for lists and maps.
    repetitions: Option<Vec<i16>>,
}

#[derive(Debug)]
enum Store {
    I32(Vec<i32>),
    I64(Vec<i64>),
    Real(Vec<f64>),
    /// The concatenated texts, and the end of each.
    Text(Vec<u8>, Vec<usize>),
}

/// A column of numbers.
pub(super) fn number(name: &str, number: Number, nullable: bool) -> Result<(Type, Vec<Leaf>)> {
    let (physical, logical, store) = match number {
        Number::Unsigned(64) => (Physical::INT64, Some(LogicalType::integer(64, false)), Store::I64(Vec::new())),
        Number::Unsigned(bits) => {
            (Physical::INT32, Some(LogicalType::integer(bits, false)), Store::I32(Vec::new()))
        }
        Number::Micros => {
            let logical = LogicalType::timestamp(true, TimeUnit::MICROS);
            (Physical::INT64, Some(logical), Store::I64(Vec::new()))
        }
        Number::Real => (Physical::DOUBLE, None, Store::Real(Vec::new())),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(repetition(nullable))
        .build()?;
    Ok((field, vec![Leaf::new(store, nullable, false)]))
}

/// A column of texts.
pub(super) fn text(name: &str, nullable: bool) -> Result<(Type, Vec<Leaf>)> {
    let leaf = Leaf::new(Store::Text(Vec::new(), Vec::new()), nullable, false);
    Ok((string(name, repetition(nullable))?, vec![leaf]))
}

/// A column of lists of texts.
pub(super) fn list(name: &str) -> Result<(Type, Vec<Leaf>)> {
    let items = repeated("list", vec![string("element", Repetition::REQUIRED)?])?;
    Ok((group(name, LogicalType::List, items)?, vec![Leaf::items_of_rows()]))
}

/// A column of maps of texts, which is stored as two columns of lists.
pub(super) fn map(name: &str) -> Result<(Type, Vec<Leaf>)> {
    let pair = [string("key", Repetition::REQUIRED)?, string("value", Repetition::REQUIRED)?];
    let items = repeated("key_value", pair.into())?;
    Ok((group(name, LogicalType::Map, items)?, vec![Leaf::items_of_rows(), Leaf::items_of_rows()]))
}

fn repetition(nullable: bool) -> Repetition {
    if nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED }
}

fn string(name: &str, repetition: Repetition) -> Result<Type> {
    Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_logical_type(Some(LogicalType::String))
        .with_repetition(repetition)
        .build()
}

fn repeated(name: &str, fields: Vec<Type>) -> Result<Type> {
    let fields = fields.into_iter().map(Arc::new).collect();
    Type::group_type_builder(name).with_repetition(Repetition::REPEATED).with_fields(fields).build()
}

fn group(name: &str, logical: LogicalType, items: Type) -> Result<Type> {
    Type::group_type_builder(name)
        .with_logical_type(Some(logical))
        .with_repetition(Repetition::REQUIRED)
        .with_fields(vec![Arc::new(items)])
        .build()
}

impl Leaf {
    fn new(store: Store, definitions: bool, repetitions: bool) -> Self {
        Self { store, definitions: definitions.then(Vec::new), repetitions: repetitions.then(Vec::new) }
    }

    fn items_of_rows() -> Self {
        Self::new(Store::Text(Vec::new(), Vec::new()), true, true)
    }

    /// Adds a number, or the bits of a real one. Returns its size in bytes, as the other functions do.
    #[inline]
    pub(super) fn number(&mut self, number: u64) -> usize {
        self.define(1);
        match &mut self.store {
            Store::I32(numbers) => numbers.push((number as u32).cast_signed()),
            Store::I64(numbers) => numbers.push(number.cast_signed()),
            Store::Real(numbers) => numbers.push(f64::from_bits(number)),
            Store::Text(..) => {}
        }
        8
    }

    /// Adds a null.
    #[inline]
    pub(super) fn null(&mut self) -> usize {
        self.define(0);
        2
    }

    /// Adds a text.
    #[inline]
    pub(super) fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.define(1);
        let Store::Text(bytes, ends) = &mut self.store else { return 0 };
        let start = bytes.len();
        write(bytes);
        ends.push(bytes.len());
        bytes.len() - start + size_of::<usize>()
    }

    /// Adds a list.
    pub(super) fn items<T>(&mut self, items: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) -> usize {
        let mut taken = 0;
        for (number, item) in items.enumerate() {
            self.repeat(i16::from(number > 0));
            taken += self.text(|out| write(out, item));
        }
        if taken == 0 {
            self.repeat(0);
            taken = self.null();
        }
        taken
    }

    #[inline]
    fn define(&mut self, level: i16) {
        if let Some(levels) = &mut self.definitions {
            levels.push(level);
        }
    }

    fn repeat(&mut self, level: i16) {
        if let Some(levels) = &mut self.repetitions {
            levels.push(level);
        }
    }

    /// Removes the values.
    pub(super) fn clear(&mut self) {
        match &mut self.store {
            Store::I32(numbers) => numbers.clear(),
            Store::I64(numbers) => numbers.clear(),
            Store::Real(numbers) => numbers.clear(),
            Store::Text(bytes, ends) => {
                bytes.clear();
                ends.clear();
            }
        }
        for levels in [&mut self.definitions, &mut self.repetitions].into_iter().flatten() {
            levels.clear();
        }
    }

    /// Writes the values to a column of a row group, and removes texts.
    pub(super) fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let (definitions, repetitions) = (self.definitions.as_deref(), self.repetitions.as_deref());
        match (&mut self.store, column.untyped()) {
            (Store::I32(numbers), ColumnWriter::Int32ColumnWriter(to)) => {
                to.write_batch(numbers, definitions, repetitions)?;
            }
            (Store::I64(numbers), ColumnWriter::Int64ColumnWriter(to)) => {
                to.write_batch(numbers, definitions, repetitions)?;
            }
            (Store::Real(numbers), ColumnWriter::DoubleColumnWriter(to)) => {
                to.write_batch(numbers, definitions, repetitions)?;
            }
            (Store::Text(bytes, ends), ColumnWriter::ByteArrayColumnWriter(to)) => {
                // All texts share one allocation.
                let whole = ByteArray::from(std::mem::take(bytes));
                let mut start = 0;
                let texts = ends.iter().map(|end| {
                    let text = whole.slice(start, end - start);
                    start = *end;
                    text
                });
                to.write_batch(&texts.collect::<Vec<_>>(), definitions, repetitions)?;
            }
            _ => return Err(ParquetError::General("the file has another schema".to_owned())),
        }
        Ok(())
    }
}
