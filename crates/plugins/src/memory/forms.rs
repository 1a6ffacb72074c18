//! The client's format of columns, which differs from the print plugin's in their order, their names in JSON, and in
//! placeholders for missing values.

use aggregate::Aggregate;
use encode::Style;
use encode::columns::{Columns, Shape};
use flow::column::Id;
use flow::kind::Kind;
use flow::schema::{At, Column, Schema};
use flow::strings::Strings;

/// The client's format of a column.
struct Form {
    /// The column.
    id: Id,
    /// Characters to fill in formatted output.
    width: usize,
    /// Placeholder for an empty value in formatted output.
    empty: &'static str,
    /// Shown by `-a` even if the table does not have it.
    always: bool,
}

const fn form(id: Id, width: usize, empty: &'static str) -> Form {
    Form { id, width, empty, always: true }
}

impl Form {
    /// Not shown by `-a` unless the table has it.
    const fn if_there(self) -> Self {
        Self { always: false, ..self }
    }
}

/// The columns before those of custom primitives, in their order.
#[rustfmt::skip]
const FORMS: &[Form] = &[
    form(Id::Tag, 12, ""),
    form(Id::Tag2, 12, ""),
    form(Id::Label, 25, "0").if_there(),
    form(Id::Class, 18, ""),
    form(Id::IfaceIn, 12, ""),
    form(Id::IfaceOut, 12, ""),
    form(Id::IfaceNameIn, 25, "0").if_there(),
    form(Id::IfaceNameOut, 25, "0").if_there(),
    form(Id::MacSrc, 19, ""),
    form(Id::MacDst, 19, ""),
    form(Id::Vlan, 7, ""),
    form(Id::VlanIn, 9, "").if_there(),
    form(Id::VlanOut, 10, ""),
    form(Id::CvlanIn, 10, ""),
    form(Id::CvlanOut, 11, "").if_there(),
    form(Id::Cos, 4, ""),
    form(Id::Etype, 7, ""),
    form(Id::AsSrc, 12, ""),
    form(Id::AsDst, 12, ""),
    form(Id::Comms, 25, "0"),
    form(Id::Ecomms, 25, "0").if_there(),
    form(Id::CommsSrc, 25, "0"),
    form(Id::EcommsSrc, 25, "0").if_there(),
    form(Id::Lcomms, 25, "0").if_there(),
    form(Id::LcommsSrc, 25, "0").if_there(),
    form(Id::AsPath, 25, "^$"),
    form(Id::AsPathSrc, 25, "^$"),
    form(Id::LocalPref, 9, ""),
    form(Id::LocalPrefSrc, 9, ""),
    form(Id::Med, 8, ""),
    form(Id::MedSrc, 8, ""),
    form(Id::RoaSrc, 8, ""),
    form(Id::RoaDst, 8, ""),
    form(Id::PeerAsSrc, 12, ""),
    form(Id::PeerAsDst, 12, ""),
    form(Id::PeerIpSrc, 47, "0"),
    form(Id::PeerIpDst, 47, "0"),
    form(Id::MplsVpnRd, 20, "").if_there(),
    form(Id::MplsPwId, 12, "").if_there(),
    form(Id::VrfName, 25, "0").if_there(),
    form(Id::IngressVrfName, 25, "0").if_there(),
    form(Id::EgressVrfName, 25, "0").if_there(),
    form(Id::IpSrc, 47, "0"),
    form(Id::NetSrc, 47, "0").if_there(),
    form(Id::IpDst, 47, "0"),
    form(Id::NetDst, 47, "0").if_there(),
    form(Id::MaskSrc, 10, ""),
    form(Id::MaskDst, 10, ""),
    form(Id::PortSrc, 10, ""),
    form(Id::PortDst, 10, ""),
    form(Id::TcpFlags, 11, ""),
    form(Id::IpProto, 12, ""),
    form(Id::Tos, 7, ""),
    form(Id::FlowLabel, 11, "").if_there(),
    form(Id::CountryIpSrc, 12, ""),
    form(Id::CountryIpDst, 12, ""),
    form(Id::PocodeIpSrc, 14, ""),
    form(Id::PocodeIpDst, 14, ""),
    form(Id::LatIpSrc, 14, ""),
    form(Id::LonIpSrc, 14, ""),
    form(Id::LatIpDst, 14, ""),
    form(Id::LonIpDst, 14, ""),
    form(Id::SamplingRate, 14, ""),
    form(Id::SamplingDirection, 19, ""),
    form(Id::PostNatIpSrc, 47, "0"),
    form(Id::PostNatIpDst, 47, "0"),
    form(Id::PostNatPortSrc, 19, ""),
    form(Id::PostNatPortDst, 19, ""),
    form(Id::NatEvent, 10, ""),
    form(Id::FwEvent, 9, ""),
    form(Id::FwdStatus, 11, ""),
    form(Id::MplsLabelTop, 16, ""),
    form(Id::MplsLabelBottom, 19, ""),
    form(Id::MplsLabelStack, 25, "0").if_there(),
    form(Id::TunnelMacSrc, 19, ""),
    form(Id::TunnelMacDst, 19, ""),
    form(Id::TunnelIpSrc, 47, "0"),
    form(Id::TunnelIpDst, 47, "0"),
    form(Id::TunnelIpProto, 17, ""),
    form(Id::TunnelTos, 12, ""),
    form(Id::TunnelFlowLabel, 18, "").if_there(),
    form(Id::TunnelPortSrc, 17, ""),
    form(Id::TunnelPortDst, 17, ""),
    form(Id::TunnelTcpFlags, 18, "").if_there(),
    form(Id::Vxlan, 10, "").if_there(),
    form(Id::Nvgre, 10, "").if_there(),
    form(Id::TimestampStart, 31, ""),
    form(Id::TimestampEnd, 31, ""),
    form(Id::TimestampArrival, 31, ""),
    form(Id::TimestampMin, 31, "").if_there(),
    form(Id::TimestampMax, 31, "").if_there(),
    form(Id::TimestampExport, 31, ""),
    form(Id::ExportProtoSeqno, 20, ""),
    form(Id::ExportProtoVersion, 22, ""),
    form(Id::ExportProtoSysid, 20, ""),
    form(Id::PathDelayAvgUsec, 21, ""),
    form(Id::PathDelayMinUsec, 21, ""),
    form(Id::PathDelayMaxUsec, 21, ""),
];

/// The columns after those of custom primitives.
const COUNTERS: &[Form] = &[form(Id::Packets, 22, ""), form(Id::Flows, 22, ""), form(Id::Bytes, 22, "")];

/// The columns of JSON, in their order.
pub(super) fn json_columns(schema: &Schema) -> Vec<Column> {
    let mut columns: Vec<Column> = (schema.columns.iter())
        // The client shows a route distinguisher without its origin, in JSON as in the other formats.
        .filter(|column| column.kind != Kind::RdOrigin)
        .cloned()
        .collect();
    // Flows stand between packets and bytes, as they do in the other formats.
    columns.sort_by_key(|column| column.id.csv_position().filter(|_| column.kind == Kind::Counter));
    for column in &mut columns {
        if let Some(name) = column.id.spec().client {
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
        let column = columns().find(|column| column.id == form.id);
        let spec = form.id.spec();
        let (kind, at) = match column {
            Some(column) => (column.kind, column.at),
            None if all && form.always => (spec.kind, At::Flush),
            None => return None,
        };
        Some(shape(spec.title, form.width, form.empty, kind, at, all))
    };
    let customs = (columns().filter(|column| column.id == Id::Custom))
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
    use flow::primitive::PRIMITIVES;
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
        let listed: Vec<Id> = schema.csv.iter().map(|number| schema.columns[*number].id).collect();
        let mut seen = HashSet::new();
        for form in FORMS.iter().chain(COUNTERS) {
            assert!(seen.insert(form.id), "{:?} twice", form.id);
            assert!(listed.contains(&form.id), "{:?} is no column", form.id);
            let width = usize::from(form.id.spec().width);
            assert!(width == 0 || width == form.width, "{:?}: {width} and {}", form.id, form.width);
        }
        for id in &listed {
            assert!(seen.contains(id), "{id:?} has no form");
        }
        let shown = shapes(&schema, false, true);
        assert_eq!(shown.len(), listed.len());
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
    fn only_location_columns_are_empty_in_formatted_output() {
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
    fn csv_leaves_missing_values_empty() {
        let words = "peer_dst_ip,std_comm,as_path,class,sampling_direction,timestamp_end,etype,src_mac";
        let [title, row] = absent(words, false, &client(), Columns::csv_of);
        // Direction 0 is a valid value: no value stands for none.
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
        // The flags come before the flows: they were requested first.
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
