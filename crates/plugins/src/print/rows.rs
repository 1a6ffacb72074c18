//! The rows of a file, and what surrounds them.

use super::file::{Body, OpenFile};
use super::settings::{Output, Settings};
use aggregate::Aggregate;
use encode::avro::container::{self, Block};
use encode::avro::{self, Avro, AvroJson};
use encode::columns::Columns;
use encode::json::{Frame, Json};
use encode::markers::{self, Purge};
#[cfg(feature = "parquet")]
use encode::parquet::Parquet;
use flow::schema::Schema;
use flow::strings::Strings;
use std::fs::File;
use std::io;
use tracing::warn;

/// Writes the content of a file in one of the formats.
pub(super) struct Rows {
    form: Form,
    markers: bool,
    pid: u32,
    writer_id: String,
}

enum Form {
    Json(Box<Json>),
    Columns(Columns),
    Avro(Box<Records>),
    AvroJson(Box<AvroJson>),
    #[cfg(feature = "parquet")]
    Parquet(Box<Parquet>),
}

/// Avro records, and the block that collects them.
struct Records {
    avro: Avro,
    block: Block,
    /// Size in bytes at which a block is written.
    full: usize,
}

impl Rows {
    pub(super) fn new(settings: &Settings, schema: &Schema) -> io::Result<Self> {
        let style = &settings.style;
        let form = match settings.output {
            Output::Json => {
                Form::Json(Box::new(Json::new(schema, style, Frame { event_type: true, writer_id: None })))
            }
            Output::Csv => Form::Columns(Columns::csv(schema, style, true)),
            Output::EventCsv => Form::Columns(Columns::csv(schema, style, false)),
            Output::Formatted => Form::Columns(Columns::formatted(schema, style, true)),
            Output::EventFormatted => Form::Columns(Columns::formatted(schema, style, false)),
            Output::Avro => Form::Avro(Box::new(Records {
                avro: Avro::new(schema, style, avro::Frame::default()),
                block: Block::default(),
                full: settings.avro_block,
            })),
            Output::AvroJson => Form::AvroJson(Box::new(AvroJson::new(schema, style, avro::Frame::default()))),
            #[cfg(feature = "parquet")]
            Output::Parquet => Form::Parquet(Box::new(Parquet::new(schema, style)?)),
        };
        let pid = std::process::id();
        Ok(Self {
            form,
            markers: settings.markers,
            pid,
            writer_id: markers::writer_id(&settings.writer_id, &settings.name, pid, env!("CARGO_PKG_VERSION")),
        })
    }

    /// The Avro schema of the rows, if they have one.
    pub(super) fn avro_schema(&self) -> Option<&str> {
        match &self.form {
            Form::Avro(records) => Some(records.avro.schema()),
            Form::AvroJson(json) => Some(json.schema()),
            _ => None,
        }
    }

    /// True when rows can be appended to a complete file.
    pub(super) fn can_append(&self) -> bool {
        #[cfg(feature = "parquet")]
        return !matches!(self.form, Form::Parquet(_));
        #[cfg(not(feature = "parquet"))]
        true
    }

    /// Writes what precedes the rows of a purge.
    pub(super) fn start(&mut self, file: &mut OpenFile, path: Option<&str>) -> io::Result<()> {
        match &mut self.form {
            Form::Json(_) | Form::AvroJson(_) if self.markers => {
                markers::json_start(&mut file.buffer, &self.writer_id);
                file.buffer.push(b'\n');
            }
            Form::Json(_) | Form::AvroJson(_) => {}
            Form::Columns(columns) => {
                if self.markers {
                    markers::text_start(&mut file.buffer, self.pid);
                }
                if file.fresh {
                    columns.title(&mut file.buffer);
                }
            }
            Form::Avro(records) if file.fresh => {
                let sync = fastrand::u128(..).to_le_bytes();
                container::head(&mut file.buffer, records.avro.schema(), &sync);
                file.body = Body::Avro(sync);
            }
            Form::Avro(_) => self.resume(file, path.unwrap_or_default())?,
            #[cfg(feature = "parquet")]
            Form::Parquet(parquet) => file.body = Body::Parquet(Box::new(parquet.begin()?)),
        }
        Ok(())
    }

    /// Continues a file: reads from it what appending needs.
    pub(super) fn resume(&mut self, file: &mut OpenFile, path: &str) -> io::Result<()> {
        match &mut self.form {
            Form::Json(_) | Form::AvroJson(_) | Form::Columns(_) => {}
            Form::Avro(records) => {
                let mut before = File::open(path)?;
                let head = container::read_head(&mut before).map_err(|error| elsewhere(&error))?;
                if head.schema != records.avro.schema() {
                    return Err(elsewhere("its Avro schema is different"));
                }
                if head.codec.as_ref().is_some_and(|codec| codec != "null") {
                    return Err(elsewhere("its blocks are compressed"));
                }
                let whole = container::whole(&mut before, &head)?;
                let length = before.metadata()?.len();
                if whole < length {
                    warn!(bytes = length - whole, "{path} ends in an incomplete block: removing it");
                    file.cut(whole)?;
                }
                file.body = Body::Avro(head.sync);
            }
            #[cfg(feature = "parquet")]
            Form::Parquet(parquet) => {
                let copied = parquet.begin_with(File::open(path)?, |octets| {
                    file.buffer.append(octets);
                    file.write()
                })?;
                file.body = Body::Parquet(Box::new(copied));
            }
        }
        Ok(())
    }

    /// Writes a row. Some of them may wait for [`Self::pause`].
    #[inline]
    pub(super) fn row(
        &mut self,
        file: &mut OpenFile,
        row: &Aggregate<'_>,
        strings: &Strings,
        flush: u64,
    ) -> io::Result<()> {
        let out = &mut file.buffer;
        match (&mut self.form, &mut file.body) {
            (Form::Json(json), _) => {
                json.row(out, row, strings, flush);
                out.push(b'\n');
            }
            (Form::AvroJson(json), _) => {
                json.row(out, row, strings, flush);
                out.push(b'\n');
            }
            (Form::Columns(columns), _) => columns.row(out, row, strings, flush),
            (Form::Avro(records), Body::Avro(sync)) => {
                records.avro.row(&mut records.block.records, row, strings, flush);
                records.block.count += 1;
                if records.block.records.len() >= records.full {
                    records.block.end(out, sync);
                }
            }
            #[cfg(feature = "parquet")]
            (Form::Parquet(parquet), Body::Parquet(body)) => {
                parquet.row(row, strings, flush);
                if parquet.is_full() {
                    parquet.end_group(body, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the waiting rows; another file may follow.
    pub(super) fn pause(&mut self, file: &mut OpenFile) -> io::Result<()> {
        match (&mut self.form, &mut file.body) {
            (Form::Avro(records), Body::Avro(sync)) => records.block.end(&mut file.buffer, sync),
            #[cfg(feature = "parquet")]
            (Form::Parquet(parquet), Body::Parquet(body)) => parquet.end_group(body, &mut file.buffer)?,
            _ => {}
        }
        Ok(())
    }

    /// Discards the waiting rows: their file failed.
    pub(super) fn discard(&mut self) {
        match &mut self.form {
            Form::Avro(records) => records.block.discard(),
            #[cfg(feature = "parquet")]
            Form::Parquet(parquet) => parquet.discard(),
            _ => {}
        }
    }

    /// Writes what follows the rows of a purge.
    pub(super) fn end(&self, out: &mut Vec<u8>, purge: Purge) {
        match &self.form {
            _ if !self.markers => {}
            Form::Json(_) | Form::AvroJson(_) => {
                markers::json_end(out, &self.writer_id, purge);
                out.push(b'\n');
            }
            Form::Columns(_) => markers::text_end(out, self.pid),
            // A file has one kind of records, or of rows.
            _ => {}
        }
    }
}

/// The error for a file with other rows.
fn elsewhere(what: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("rows cannot be appended: {what}. Move the file away; the rows wait until then"))
}
