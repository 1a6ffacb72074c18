//! Records in Avro's JSON encoding.
//!
//! It differs from [`crate::json`] where Avro's types do: the value of a union names its branch,
//! `"packets": {"long": 1}`, and null has no branch. There is no `event_type`.

use super::{Content, Field, Frame, Shape, fields, schema};
use crate::json::{Form, Json, Plan};
use crate::style::Style;
use aggregate::Aggregate;
use flow::schema::{Column, Schema};
use flow::strings::Strings;

/// A writer of records, compiled for one schema.
#[derive(Clone, Debug)]
pub struct AvroJson {
    schema: String,
    json: Json,
}

impl AvroJson {
    /// Compiles a writer.
    pub fn new(schema: &Schema, style: &Style, frame: Frame<'_>) -> Self {
        let fields = fields(schema, style, frame);
        let json = Json::with_plans(schema, style, plan(&fields, true), plan(&fields, false));
        Self { schema: schema::record("acct_data", &fields), json }
    }

    /// The schema of the records: JSON on one line, without a newline.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Writes one record as an object, without a newline. `strings` are those of the row's table; `flush` is the time
    /// of the flush in seconds since 1970.
    #[inline]
    pub fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        self.json.row(out, row, strings, flush);
    }
}

fn plan(fields: &[Field<'_>], counters: bool) -> Plan {
    let mut plan = Plan::object();
    for field in fields {
        plan.name(field.name);
        match &field.content {
            Content::Column(column, Shape::Optional) => {
                branch(&mut plan, "string", |plan| plan.value(column, Form::Plain, true));
            }
            Content::Column(column, shape) => value(&mut plan, column, *shape),
            Content::Map(columns) => {
                plan.begin_object();
                for column in columns {
                    plan.name(&column.json);
                    value(&mut plan, column, super::shape(column, &Style::default()));
                }
                plan.end_object();
            }
            Content::Counter(Some(column)) if counters => {
                branch(&mut plan, "long", |plan| plan.value(column, Form::Signed, false));
            }
            Content::Counter(_) => plan.null(),
            Content::Constant(text) => plan.text(text),
        }
    }
    plan.end_object();
    plan
}

/// The value of a union.
fn branch(plan: &mut Plan, name: &str, value: impl FnOnce(&mut Plan)) {
    plan.begin_object();
    plan.name(name);
    value(plan);
    plan.end_object();
}

fn value(plan: &mut Plan, column: &Column, shape: Shape) {
    match shape {
        Shape::Int => plan.value(column, Form::Signed, false),
        // Numbers below 64 bits are never negative.
        Shape::Long if column.kind.size() == 8 => plan.value(column, Form::Signed, false),
        Shape::Long | Shape::Double => plan.value(column, Form::Plain, false),
        Shape::Text(form) => plan.value(column, form, true),
        Shape::Optional => plan.value(column, Form::Plain, true),
        Shape::Array(form) => plan.value(column, form, false),
        Shape::Map => plan.value(column, Form::LabelMap, false),
    }
}
