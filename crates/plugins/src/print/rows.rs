//! The rows of a file, and what stands around them.

use super::settings::{Output, Settings};
use aggregate::Aggregate;
use encode::columns::Columns;
use encode::json::{Frame, Json};
use encode::markers::{self, Purge};
use flow::schema::Schema;
use flow::strings::Strings;

/// Writes what a file holds, in one of the forms.
pub(super) struct Rows {
    form: Form,
    markers: bool,
    pid: u32,
    writer_id: String,
}

enum Form {
    Json(Box<Json>),
    Columns(Columns),
}

impl Rows {
    pub(super) fn new(settings: &Settings, schema: &Schema) -> Self {
        let style = &settings.style;
        let form = match settings.output {
            Output::Json => {
                Form::Json(Box::new(Json::new(schema, style, Frame { event_type: true, writer_id: None })))
            }
            Output::Csv => Form::Columns(Columns::csv(schema, style, true)),
            Output::EventCsv => Form::Columns(Columns::csv(schema, style, false)),
            Output::Formatted => Form::Columns(Columns::formatted(schema, style, true)),
            Output::EventFormatted => Form::Columns(Columns::formatted(schema, style, false)),
        };
        let pid = std::process::id();
        Self {
            form,
            markers: settings.markers,
            pid,
            writer_id: markers::writer_id(&settings.writer_id, &settings.name, pid, env!("CARGO_PKG_VERSION")),
        }
    }

    /// What comes before the rows; `title` is false where a file has its title line already.
    pub(super) fn start(&self, out: &mut Vec<u8>, title: bool) {
        match &self.form {
            Form::Json(_) if self.markers => {
                markers::json_start(out, &self.writer_id);
                out.push(b'\n');
            }
            Form::Json(_) => {}
            Form::Columns(columns) => {
                if self.markers {
                    markers::text_start(out, self.pid);
                }
                if title {
                    columns.title(out);
                }
            }
        }
    }

    #[inline]
    pub(super) fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        match &mut self.form {
            Form::Json(json) => {
                json.row(out, row, strings, flush);
                out.push(b'\n');
            }
            Form::Columns(columns) => columns.row(out, row, strings, flush),
        }
    }

    /// What comes behind the rows.
    pub(super) fn end(&self, out: &mut Vec<u8>, purge: Purge) {
        match &self.form {
            _ if !self.markers => {}
            Form::Json(_) => {
                markers::json_end(out, &self.writer_id, purge);
                out.push(b'\n');
            }
            Form::Columns(_) => markers::text_end(out, self.pid),
        }
    }
}
