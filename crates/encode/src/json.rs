//! Rows as JSON objects.
//!
//! The members are in the order of the schema's columns. The constant parts of a row (names, separators, quotes around
//! texts) are prepared once: to encode a row is to iterate over steps, each of which writes constant bytes and a value.
//!
//! Counters are unsigned: one of 2^63 or more is written as is, where pmacct writes a negative number.

use crate::address;
use crate::number::decimal;
use crate::style::Style;
use crate::value::{self, Events, Values};
use aggregate::Aggregate;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;

/// Members besides the columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame<'a> {
    /// The object starts with `"event_type": "purge"`.
    pub event_type: bool,
    /// The object ends with a `writer_id` of this text.
    pub writer_id: Option<&'a str>,
}

/// A writer of JSON rows, compiled for one schema.
#[derive(Clone, Debug)]
pub struct Json {
    with_counters: Plan,
    /// For rows of events.
    without: Plan,
    events: Events,
    values: Values,
}

/// The steps of a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The constant bytes of all steps and of the end.
    constant: Vec<u8>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// End of the constant bytes before the value; they start at the end of those of the previous step.
    end: usize,
    form: Form,
    kind: Kind,
    at: At,
}

/// How a value differs from its plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Escaped,
    /// A signed number; only for Avro.
    Signed,
    LabelMap,
    Words,
    LabelArray,
    SegmentArray,
    FlagArray,
    StatusWords,
}

impl Json {
    /// Compiles a writer.
    pub fn new(schema: &Schema, style: &Style, frame: Frame<'_>) -> Self {
        Self::with_columns(schema, &schema.columns, style, frame)
    }

    /// Compiles a writer that shows other columns of the schema's rows.
    pub fn with_columns(schema: &Schema, columns: &[Column], style: &Style, frame: Frame<'_>) -> Self {
        let plan = |counters| Plan::new(columns, style, frame, counters);
        Self::with_plans(schema, style, plan(true), plan(false))
    }

    /// A writer with plans of the caller.
    pub(crate) fn with_plans(schema: &Schema, style: &Style, with_counters: Plan, without: Plan) -> Self {
        Self { with_counters, without, events: Events::new(schema), values: Values::new(style) }
    }

    /// Writes one object, without a newline. `strings` are those of the row's table; `flush` is the time of the
    /// flush in seconds since 1970.
    #[inline]
    pub fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        let plan = if self.events.is(row) { &self.without } else { &self.with_counters };
        let mut start = 0;
        for step in &plan.steps {
            out.extend_from_slice(plan.constant.get(start..step.end).unwrap_or_default());
            start = step.end;
            match step.form {
                Form::Plain => self.values.write(out, step.kind, step.at, row, strings, flush),
                form => special(out, form, step, row, strings),
            }
        }
        out.extend_from_slice(plan.constant.get(start..).unwrap_or_default());
    }
}

impl Plan {
    fn new(columns: &[Column], style: &Style, frame: Frame<'_>, counters: bool) -> Self {
        let mut plan = Self::object();
        if frame.event_type {
            plan.constant.extend_from_slice(b"\"event_type\": \"purge\"");
        }
        for column in columns.iter().filter(|column| counters || column.kind != Kind::Counter) {
            plan.name(&column.json);
            let form = form(column.kind, style);
            plan.value(column, form, is_text(column.kind) && form.is_bare());
        }
        if let Some(writer_id) = frame.writer_id {
            plan.name("writer_id");
            plan.text(writer_id);
        }
        plan.end_object();
        plan
    }

    /// A plan that has opened its object.
    pub(crate) fn object() -> Self {
        Self { constant: vec![b'{'], steps: Vec::new() }
    }

    /// The name of the next member, after a comma if necessary.
    pub(crate) fn name(&mut self, name: &str) {
        if self.constant.last() != Some(&b'{') {
            self.constant.extend_from_slice(b", ");
        }
        self.text(name);
        self.constant.extend_from_slice(b": ");
    }

    /// A constant text, in quotes.
    pub(crate) fn text(&mut self, text: &str) {
        self.constant.push(b'"');
        value::escaped(&mut self.constant, text.as_bytes());
        self.constant.push(b'"');
    }

    /// The value of a column.
    pub(crate) fn value(&mut self, column: &Column, form: Form, quoted: bool) {
        if quoted {
            self.constant.push(b'"');
        }
        self.steps.push(Step { end: self.constant.len(), form, kind: column.kind, at: column.at });
        if quoted {
            self.constant.push(b'"');
        }
    }

    /// A value that is absent in all rows.
    pub(crate) fn null(&mut self) {
        self.constant.extend_from_slice(b"null");
    }

    /// Opens a nested object.
    pub(crate) fn begin_object(&mut self) {
        self.constant.push(b'{');
    }

    /// Ends the innermost object.
    pub(crate) fn end_object(&mut self) {
        self.constant.push(b'}');
    }
}

impl Form {
    /// Returns true for forms that write a value without the quotes that texts need.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Plain | Self::Escaped | Self::StatusWords)
    }
}

/// The form of values of a kind.
pub(crate) fn form(kind: Kind, style: &Style) -> Form {
    match kind {
        Kind::Label if style.label_as_map => Form::LabelMap,
        Kind::AsPath if style.as_path_as_array => Form::Words,
        Kind::Communities if style.comms_as_array => Form::Words,
        Kind::Labels if style.mpls_label_stack_as_array => Form::LabelArray,
        Kind::Segments => Form::SegmentArray,
        Kind::TcpFlags | Kind::TunnelTcpFlags if style.tcpflags_as_array => Form::FlagArray,
        Kind::FwdStatus if style.fwd_status_as_string => Form::StatusWords,
        kind if value::is_free_text(kind) => Form::Escaped,
        _ => Form::Plain,
    }
}

/// Returns true for kinds that are JSON strings.
fn is_text(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::U8
            | Kind::U16
            | Kind::U32
            | Kind::U64
            | Kind::Tos
            | Kind::FlowLabel
            | Kind::TcpFlags
            | Kind::Counter
            | Kind::Real
            | Kind::None
    )
}

#[inline(never)]
fn special(out: &mut Vec<u8>, form: Form, step: &Step, row: &Aggregate<'_>, strings: &Strings) {
    let text = value::text(row, step.at, strings);
    match form {
        Form::Signed => {
            let number = value::signed(row, step.kind, step.at);
            if number < 0 {
                out.push(b'-');
            }
            decimal(out, number.unsigned_abs());
        }
        Form::LabelMap => label_map(out, text),
        Form::Words => array(out, value::words(text), value::escaped),
        Form::LabelArray => array(out, value::labels(text).enumerate(), |out, (position, label)| {
            decimal(out, position as u64);
            out.push(b'-');
            decimal(out, u64::from(label));
        }),
        Form::SegmentArray => array(out, text.as_chunks().0.iter(), address::v6),
        Form::FlagArray => {
            let flags = value::tcp_flags(value::value(row, step.at));
            array(out, flags, |out, name| out.extend_from_slice(name.as_bytes()));
        }
        Form::StatusWords => {
            let [category, reason] = value::fwd_status(value::field::<1>(row, step.at)[0]);
            out.extend_from_slice(category.as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason.as_bytes());
        }
        Form::Plain | Form::Escaped if step.kind == Kind::Class && text.is_empty() => {
            out.extend_from_slice(b"unknown");
        }
        Form::Plain | Form::Escaped => {
            let start = out.len();
            value::escaped(out, text);
            if matches!(step.kind, Kind::AsPath | Kind::Communities) {
                let written = out.get_mut(start..).unwrap_or_default();
                written.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'_');
            }
        }
    }
}

/// Writes an array of strings.
fn array<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (position, item) in items.enumerate() {
        out.extend_from_slice(if position > 0 { b", \"".as_slice() } else { b"\"" });
        write(out, item);
        out.push(b'"');
    }
    out.push(b']');
}

/// Writes a label as an object.
fn label_map(out: &mut Vec<u8>, label: &[u8]) {
    out.push(b'{');
    let start = out.len();
    for (key, value) in value::label_pairs(label) {
        out.extend_from_slice(if out.len() > start { b", \"".as_slice() } else { b"\"" });
        value::escaped(out, key);
        out.extend_from_slice(b"\": \"");
        value::escaped(out, value);
        out.push(b'"');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sample, sample};

    fn line(sample: &Sample, style: &Style) -> String {
        let mut json = Json::new(&sample.schema, style, Frame { event_type: true, writer_id: None });
        let mut out = Vec::new();
        for row in sample.table.iter() {
            json.row(&mut out, &row, sample.table.strings(), 1_700_000_060);
        }
        serde_json::from_slice::<serde_json::Value>(&out).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_are_in_order_with_their_types() {
        let sample = sample("proto,src_host,dst_host,src_port,dst_port,tcpflags,etype,src_mac,tag,flows")
            .ip("ip_src", "10.0.0.1")
            .number("port_src", 1024)
            .number("ip_proto", 6)
            .number("etype", 0x86dd)
            .number("tag", u64::MAX)
            .values(&[2, u64::MAX, 0x1b, 1]);
        assert_eq!(
            line(&sample, &Style::default()),
            "{\"event_type\": \"purge\", \"tag\": 18446744073709551615, \"mac_src\": \"00:00:00:00:00:00\", \
             \"etype\": \"86dd\", \"ip_src\": \"10.0.0.1\", \"ip_dst\": \"\", \"port_src\": 1024, \"port_dst\": 0, \
             \"tcp_flags\": 27, \"ip_proto\": \"tcp\", \"flows\": 1, \"packets\": 2, \
             \"bytes\": 18446744073709551615}"
        );
    }

    #[test]
    fn event_type_and_writer_id_are_optional() {
        let sample = sample("none").values(&[1, 2]);
        let row = sample.table.iter().next().unwrap();
        let strings = sample.table.strings();
        let mut out = Vec::new();
        Json::new(&sample.schema, &Style::default(), Frame::default()).row(&mut out, &row, strings, 0);
        assert_eq!(out, b"{\"packets\": 1, \"bytes\": 2}");
        out.clear();
        let frame = Frame { event_type: false, writer_id: Some("a/7") };
        Json::new(&sample.schema, &Style::default(), frame).row(&mut out, &row, strings, 0);
        assert_eq!(out, b"{\"packets\": 1, \"bytes\": 2, \"writer_id\": \"a/7\"}");
    }

    #[test]
    fn texts_are_escaped_and_labels_can_be_maps() {
        let sample = sample("label").text("label", b"site%p\"ar,role%edge,site%lon,alone").values(&[1, 1]);
        let style = Style { label_as_map: true, ..Style::default() };
        assert!(
            line(&sample, &style).contains("\"label\": {\"role\": \"edge\", \"site\": \"lon\", \"alone\": \"\"}")
        );
        assert!(line(&sample, &Style::default()).contains("\"label\": \"site%p\\\"ar,role%edge"));
    }

    #[test]
    fn lists_are_joined_or_arrays() {
        let mut sample = sample("mpls_label_stack,as_path,std_comm,srv6_seg_ipv6_list,tcpflags");
        let segments = ["2001:db8::1", "fc00::"].map(|s| s.parse::<std::net::Ipv6Addr>().unwrap().octets());
        sample = sample
            .text("mpls_label_stack", &[0x03, 0xe8, 0x10, 0, 0x01, 0x80])
            .text("as_path", b"64496 64497")
            .text("comms", b"1:2 no-export")
            .text("srv6_seg_ipv6_list", segments.as_flattened())
            .values(&[1, 1, 0xc2]);
        let plain = line(&sample, &Style::default());
        assert!(plain.contains("\"mpls_label_stack\": \"16001_24\""), "{plain}");
        assert!(plain.contains("\"as_path\": \"64496_64497\"") && plain.contains("\"comms\": \"1:2_no-export\""));
        assert!(plain.contains("\"srv6_seg_ipv6_list\": [\"2001:db8::1\", \"fc00::\"]"));
        let style = Style {
            mpls_label_stack_as_array: true,
            as_path_as_array: true,
            comms_as_array: true,
            tcpflags_as_array: true,
            ..Style::default()
        };
        let arrays = line(&sample, &style);
        assert!(arrays.contains("\"mpls_label_stack\": [\"0-16001\", \"1-24\"]"), "{arrays}");
        assert!(arrays.contains("\"as_path\": [\"64496\", \"64497\"]"));
        assert!(arrays.contains("\"comms\": [\"1:2\", \"no-export\"]"));
        assert!(arrays.contains("\"tcp_flags\": [\"SYN\", \"CWR\", \"ECE\"]"));
    }

    #[test]
    fn events_have_no_counters_but_idle_flows_have() {
        let event = sample("src_port,nat_event").number("nat_event", 1).event().values(&[0, 0]);
        assert_eq!(
            line(&event, &Style::default()),
            "{\"event_type\": \"purge\", \"port_src\": 0, \"nat_event\": 1}"
        );
        let idle = sample("src_port,nat_event").values(&[0, 0]);
        assert!(line(&idle, &Style::default()).ends_with("\"nat_event\": 0, \"packets\": 0, \"bytes\": 0}"));
    }

    #[test]
    fn bins_show_their_start_and_the_time_of_the_flush() {
        let sample = sample("src_port+bins").number("stamp_inserted", 1_700_000_000).values(&[1, 2]);
        assert!(
            line(&sample, &Style::default()).contains(
                "\"stamp_inserted\": \"2023-11-14 22:13:20\", \"stamp_updated\": \"2023-11-14 22:14:20\""
            )
        );
    }

    #[test]
    fn absent_values_of_all_primitives_are_valid_json() {
        for primitive in flow::primitive::PRIMITIVES {
            let sample = sample(primitive.name).values(&[0; 3]);
            let text = line(&sample, &Style::default());
            for column in primitive.columns {
                assert!(text.contains(&format!("\"{}\": ", column.spec().json)), "{text}");
            }
        }
        let mut style = Style { tcpflags_as_array: true, fwd_status_as_string: true, ..Style::default() };
        style.label_as_map = true;
        let text = line(&sample("label,tcpflags,fwd_status,tunnel_tcpflags,class").values(&[0; 4]), &style);
        assert_eq!(
            text,
            "{\"event_type\": \"purge\", \"label\": {}, \"class\": \"unknown\", \"tcp_flags\": [], \
             \"fwd_status\": \"UNKNOWN Unclassified\", \"tunnel_tcp_flags\": [], \"packets\": 0, \"bytes\": 0}"
        );
    }
}
