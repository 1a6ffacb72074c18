//! The client's format of columns, which differs from the print plugin's in their order, their names in JSON, and in
//! placeholders for missing values.

use aggregate::Aggregate;
use encode::Style;
use encode::columns::{Columns, Shape};
use flow::kind::Kind;
use flow::primitive::PRIMITIVES;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;

/// The client's format of a column.
struct Form {
    /// Title, which is the same in all outputs and identifies the column.
    title: &'static str,
    /// Width in formatted output, in characters.
    width: usize,
    /// Placeholder for an empty value in formatted output.
    empty: &'static str,
    /// Name in JSON, if it differs from the other plugins'.
    json: Option<&'static str>,
    /// Shown by `-a` even if the table does not have it.
    always: bool,
}

const fn form(title: &'static str, width: usize, empty: &'static str) -> Form {
    Form { title, width, empty, json: None, always: true }
}

impl Form {
    const fn json(self, name: &'static str) -> Self {
        Self { json: Some(name), ..self }
    }

    /// Not shown by `-a` unless the table has it.
    const fn if_there(self) -> Self {
        Self { always: false, ..self }
    }
}

/// The columns before those of custom primitives, in their order.
#[rustfmt::skip]
const FORMS: &[Form] = &[
    form("TAG", 12, ""),
    form("TAG2", 12, ""),
    form("LABEL", 25, "0").if_there(),
    form("CLASS", 18, ""),
    form("IN_IFACE", 12, ""),
    form("OUT_IFACE", 12, ""),
    form("IN_IFACE_NAME", 25, "0").if_there(),
    form("OUT_IFACE_NAME", 25, "0").if_there(),
    form("SRC_MAC", 19, ""),
    form("DST_MAC", 19, ""),
    form("VLAN", 7, ""),
    form("IN_VLAN", 9, "").if_there(),
    form("OUT_VLAN", 10, ""),
    form("IN_CVLAN", 10, "").json("in_cvlan"),
    form("OUT_CVLAN", 11, "").json("out_cvlan").if_there(),
    form("COS", 4, ""),
    form("ETYPE", 7, ""),
    form("SRC_AS", 12, ""),
    form("DST_AS", 12, ""),
    form("COMMS", 25, "0"),
    form("ECOMMS", 25, "0").if_there(),
    form("SRC_COMMS", 25, "0").json("src_comms"),
    form("SRC_ECOMMS", 25, "0").json("src_ecomms").if_there(),
    form("LCOMMS", 25, "0").if_there(),
    form("SRC_LCOMMS", 25, "0").json("src_lcomms").if_there(),
    form("AS_PATH", 25, "^$"),
    form("SRC_AS_PATH", 25, "^$").json("src_as_path"),
    form("PREF", 9, ""),
    form("SRC_PREF", 9, "").json("src_local_pref"),
    form("MED", 8, ""),
    form("SRC_MED", 8, "").json("src_med"),
    form("SRC_ROA", 8, ""),
    form("DST_ROA", 8, ""),
    form("PEER_SRC_AS", 12, ""),
    form("PEER_DST_AS", 12, ""),
    form("PEER_SRC_IP", 47, "0"),
    form("PEER_DST_IP", 47, "0"),
    form("MPLS_VPN_RD", 20, "").if_there(),
    form("MPLS_PW_ID", 12, "").if_there(),
    form("VRF_NAME", 25, "0").if_there(),
    form("INGRESS_VRF_NAME", 25, "0").if_there(),
    form("EGRESS_VRF_NAME", 25, "0").if_there(),
    form("SRC_IP", 47, "0"),
    form("SRC_NET", 47, "0").if_there(),
    form("DST_IP", 47, "0"),
    form("DST_NET", 47, "0").if_there(),
    form("SRC_MASK", 10, ""),
    form("DST_MASK", 10, ""),
    form("SRC_PORT", 10, ""),
    form("DST_PORT", 10, ""),
    form("TCP_FLAGS", 11, ""),
    form("PROTOCOL", 12, ""),
    form("TOS", 7, ""),
    form("FLOW_LABEL", 11, "").if_there(),
    form("SH_COUNTRY", 12, ""),
    form("DH_COUNTRY", 12, ""),
    form("SH_POCODE", 14, ""),
    form("DH_POCODE", 14, ""),
    form("SH_LAT", 14, ""),
    form("SH_LON", 14, ""),
    form("DH_LAT", 14, ""),
    form("DH_LON", 14, ""),
    form("SAMPLING_RATE", 14, ""),
    form("SAMPLING_DIRECTION", 19, ""),
    form("POST_NAT_SRC_IP", 47, "0"),
    form("POST_NAT_DST_IP", 47, "0"),
    form("POST_NAT_SRC_PORT", 19, ""),
    form("POST_NAT_DST_PORT", 19, ""),
    form("NAT_EVENT", 10, ""),
    form("FW_EVENT", 9, ""),
    form("FWD_STATUS", 11, ""),
    form("MPLS_LABEL_TOP", 16, ""),
    form("MPLS_LABEL_BOTTOM", 19, ""),
    form("MPLS_LABEL_STACK", 25, "0").if_there(),
    form("TUNNEL_SRC_MAC", 19, ""),
    form("TUNNEL_DST_MAC", 19, ""),
    form("TUNNEL_SRC_IP", 47, "0"),
    form("TUNNEL_DST_IP", 47, "0"),
    form("TUNNEL_PROTOCOL", 17, ""),
    form("TUNNEL_TOS", 12, ""),
    form("TUNNEL_FLOW_LABEL", 18, "").if_there(),
    form("TUNNEL_SRC_PORT", 17, ""),
    form("TUNNEL_DST_PORT", 17, ""),
    form("TUNNEL_TCP_FLAGS", 18, "").if_there(),
    form("VXLAN", 10, "").if_there(),
    form("NVGRE", 10, "").if_there(),
    form("TIMESTAMP_START", 31, ""),
    form("TIMESTAMP_END", 31, ""),
    form("TIMESTAMP_ARRIVAL", 31, ""),
    form("TIMESTAMP_MIN", 31, "").if_there(),
    form("TIMESTAMP_MAX", 31, "").if_there(),
    form("TIMESTAMP_EXPORT", 31, ""),
    form("EXPORT_PROTO_SEQNO", 20, ""),
    form("EXPORT_PROTO_VERSION", 22, ""),
    form("EXPORT_PROTO_SYSID", 20, ""),
    form("PATH_DELAY_AVG_USEC", 21, ""),
    form("PATH_DELAY_MIN_USEC", 21, ""),
    form("PATH_DELAY_MAX_USEC", 21, ""),
];

/// The columns after those of custom primitives.
const COUNTERS: &[Form] = &[form("PACKETS", 22, ""), form("FLOWS", 22, ""), form("BYTES", 22, "")];

fn find(title: &str) -> Option<&'static Form> {
    FORMS.iter().chain(COUNTERS).find(|form| form.title == title)
}

/// The columns of JSON, in their order.
pub(super) fn json_columns(schema: &Schema) -> Vec<Column> {
    let mut columns: Vec<Column> = (schema.columns.iter())
        // The client shows a route distinguisher without its origin, in JSON as in the other formats.
        .filter(|column| column.kind != Kind::RdOrigin)
        .cloned()
        .collect();
    // Flows are between packets and bytes, as in the other formats.
    columns.sort_by_key(|column| if column.kind == Kind::Counter { column.csv_order } else { 0 });
    for column in &mut columns {
        if let Some(name) = find(&column.header).and_then(|form| form.json) {
            column.json = name.into();
        }
        column.kind = match column.kind {
            // A text.
            Kind::TcpFlags => Kind::TunnelTcpFlags,
            // A number.
            Kind::FwdStatus => Kind::U8,
            kind => kind,
        };
    }
    columns
}

/// The columns of the other formats, in their order; with `all`, those that the table does not have, too.
pub(super) fn shapes(schema: &Schema, all: bool, counters: bool) -> Vec<Shape> {
    let columns = || schema.csv.iter().filter_map(|number| schema.columns.get(*number));
    let known = |form: &'static Form| {
        let column = columns().find(|column| column.header == form.title);
        let (kind, at) = match column {
            Some(column) => (column.kind, column.at),
            None if all && form.always => (kind(form.title), At::Flush),
            None => return None,
        };
        Some(shape(form.title, form.width, form.empty, kind, at, all))
    };
    let customs = (columns().filter(|column| find(&column.header).is_none()))
        .map(|column| shape(&column.header, usize::from(column.width), "", column.kind, column.at, all));
    (FORMS.iter().filter_map(known).chain(customs).chain(COUNTERS.iter().filter_map(known)))
        .filter(|shape| counters || shape.kind != Kind::Counter)
        .collect()
}

fn shape(title: &str, width: usize, empty: &'static str, kind: Kind, at: At, all: bool) -> Shape {
    let is_list = matches!(kind, Kind::AsPath | Kind::Communities);
    Shape {
        title: title.to_owned(),
        kind,
        at,
        width,
        // pmacct's titles of communities are one blank shorter, except with `-a`.
        title_width: width - usize::from(kind == Kind::Communities && !all),
        gap: if is_list { 3 } else { 2 },
        empty,
    }
}

/// Kind of a column that the table does not have.
fn kind(title: &str) -> Kind {
    match PRIMITIVES.iter().find(|primitive| primitive.header == title).map(|primitive| primitive.kind) {
        // Latitude and longitude are two columns of one primitive.
        Some(Kind::Coordinates) | None => Kind::Real,
        Some(kind) => kind,
    }
}

/// One column, as text.
pub(super) struct Cell {
    columns: Columns,
    out: Vec<u8>,
}

impl Cell {
    /// A column in that style, whose separator should not occur in values.
    pub(super) fn new(column: &Column, style: &Style) -> Self {
        let shape = shape(&column.header, 0, "", column.kind, column.at, true);
        Self { columns: Columns::csv_of(vec![shape], style), out: Vec::new() }
    }

    /// The column's text for an aggregate.
    pub(super) fn text(&mut self, key: &[u8], values: &[u64], strings: &Strings) -> &[u8] {
        self.out.clear();
        self.columns.row(&mut self.out, &Aggregate { key, values }, strings, 0);
        self.out.strip_suffix(b"\n").unwrap_or(&self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aggregate::Table;
    use encode::json::{Frame, Json};
    use flow::custom::{self, Custom};
    use flow::row::{FieldSet, Layout};
    use flow::schema::{Options, Selection};
    use foldhash::fast::RandomState;
    use std::collections::HashSet;
    use std::sync::Arc;

    fn schema(words: &str, customs: &[Custom]) -> Schema {
        with_options(words.split(','), customs, Options::default())
    }

    fn with_options<'a>(words: impl IntoIterator<Item = &'a str>, customs: &[Custom], options: Options) -> Schema {
        let selection = Selection::parse(words, customs).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&options, &mut fields);
        let sizes: Vec<usize> = customs.iter().map(|custom| custom.semantics.kind().size()).collect();
        Schema::new(&selection, customs, &Layout::new(&fields, &sizes), &options)
    }

    /// Title and row of an aggregate whose values are absent.
    fn absent(
        words: &str,
        all: bool,
        style: &Style,
        write: impl Fn(Vec<Shape>, &Style) -> Columns,
    ) -> [String; 2] {
        let schema = Arc::new(schema(words, &[]));
        let table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
        let mut columns = write(shapes(&schema, all, true), style);
        let row = Aggregate { key: &vec![0; schema.key_words * 8], values: &[0; 3][..schema.values.len()] };
        let [mut title, mut out] = [Vec::new(), Vec::new()];
        columns.title(&mut title);
        columns.row(&mut out, &row, table.strings(), 0);
        [title, out].map(|line| String::from_utf8(line).unwrap())
    }

    fn client() -> Style {
        Style { client_times: true, ..Style::default() }
    }

    #[test]
    fn every_column_has_one_form_and_every_form_a_column() {
        let names = PRIMITIVES.iter().map(|primitive| primitive.name);
        let schema = with_options(names, &[], Options { first_and_last: true, ..Options::default() });
        let titles: Vec<&str> = schema.csv.iter().map(|number| schema.columns[*number].header.as_ref()).collect();
        let mut seen = HashSet::new();
        for form in FORMS.iter().chain(COUNTERS) {
            assert!(seen.insert(form.title), "{} twice", form.title);
            assert!(titles.contains(&form.title), "{} is no column", form.title);
            let column = schema.columns.iter().find(|column| column.header == form.title).unwrap();
            let width = usize::from(column.width);
            assert!(width == 0 || width == form.width, "{}: {width} and {}", form.title, form.width);
        }
        for title in &titles {
            assert!(seen.contains(title), "{title} has no form");
        }
        let shown = shapes(&schema, false, true);
        assert_eq!(shown.len(), titles.len());
        for (column, wide) in shown.iter().zip(shapes(&schema, true, true)) {
            assert_eq!((&column.title, column.kind, column.at), (&wide.title, wide.kind, wide.at));
        }
    }

    #[test]
    fn columns_stand_in_the_order_of_the_client() {
        let customs = custom::parse("name=Mine field_type=95 len=4 semantics=u_int").0;
        let words =
            "src_host,mine,flows,src_mac,in_iface,src_as,std_comm,as_path,peer_src_ip,timestamp_start,vlan";
        let titles = |all| {
            let shapes = shapes(&schema(words, &customs), all, true);
            shapes.into_iter().map(|shape| shape.title).collect::<Vec<_>>()
        };
        let [few, all] = [titles(false), titles(true)];
        assert_eq!(
            few.join(" "),
            "IN_IFACE SRC_MAC VLAN SRC_AS COMMS AS_PATH PEER_SRC_IP SRC_IP TIMESTAMP_START mine PACKETS FLOWS BYTES"
        );
        // -a adds columns and moves none.
        assert_eq!(all.iter().filter(|title| few.contains(title)).cloned().collect::<Vec<_>>(), few);
        assert_eq!(all.len(), FORMS.iter().filter(|form| form.always).count() + 1 + COUNTERS.len());
    }

    #[test]
    fn no_formatted_column_is_empty_but_those_of_places() {
        let [_, row] = absent("src_host", true, &client(), Columns::formatted_of);
        // Country and postal code of either end are blank in pmacct, too.
        let shown = shapes(&schema("src_host", &[]), true, true);
        assert_eq!(row.split_whitespace().count(), shown.len() - 4);
        let words = "peer_dst_ip,std_comm,src_std_comm,as_path,src_as_path,label,vrf_name,mpls_label_stack";
        let [title, row] = absent(words, false, &client(), Columns::formatted_of);
        assert_eq!(
            title,
            "LABEL                    COMMS                   SRC_COMMS               AS_PATH                  \
             SRC_AS_PATH              PEER_DST_IP                                    VRF_NAME                 \
             MPLS_LABEL_STACK         PACKETS               BYTES\n"
        );
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["0", "0", "0", "^$", "^$", "0", "0", "0", "0", "0"]
        );
    }

    #[test]
    fn csv_leaves_what_has_no_text_empty() {
        let words = "peer_dst_ip,std_comm,as_path,class,sampling_direction,timestamp_end,etype,src_mac";
        let [title, row] = absent(words, false, &client(), Columns::csv_of);
        // A direction of zero is one: it has no value that stands for none.
        assert_eq!(
            title,
            "CLASS,SRC_MAC,ETYPE,COMMS,AS_PATH,PEER_DST_IP,SAMPLING_DIRECTION,TIMESTAMP_END,PACKETS,BYTES\n"
        );
        assert_eq!(row, "unknown,00:00:00:00:00:00,0,,,,i,1970-01-01T00:00:00.000000Z,0,0\n");
        // A table without the column does not know the direction.
        let [title, row] = absent("src_host", true, &client(), Columns::csv_of);
        let at = title.split(',').position(|title| title == "SAMPLING_DIRECTION").unwrap();
        assert_eq!(row.split(',').nth(at), Some("u"));
    }

    #[test]
    fn json_has_names_and_types_of_the_client() {
        let words = "tcpflags,fwd_status,in_cvlan,out_cvlan,src_as_path,src_std_comm,src_ext_comm,src_lrg_comm,\
                     src_local_pref,src_med,mpls_vpn_rd,timestamp_end,peer_dst_ip,vlan,src_as,flows";
        let schema = Arc::new(schema(words, &[]));
        let table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
        let mut json = Json::with_columns(&schema, &json_columns(&schema), &client(), Frame::default());
        let mut values = vec![0; schema.values.len()];
        // The flags come before the flows: they were asked for first.
        values[2] = 0x12;
        let mut out = Vec::new();
        let row = Aggregate { key: &vec![0; schema.key_words * 8], values: &values };
        json.row(&mut out, &row, table.strings(), 0);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"vlan\": 0, \"in_cvlan\": 0, \"out_cvlan\": 0, \"as_src\": 0, \"peer_ip_dst\": \"\", \
             \"src_comms\": \"\", \"src_ecomms\": \"\", \"src_lcomms\": \"\", \"src_as_path\": \"\", \
             \"src_local_pref\": 0, \"src_med\": 0, \"mpls_vpn_rd\": \"0:0:0\", \"tcp_flags\": \"18\", \
             \"fwd_status\": 0, \"timestamp_end\": \"1970-01-01T00:00:00.000000Z\", \"packets\": 0, \
             \"flows\": 0, \"bytes\": 0}"
        );
    }
}
