//! Single cells, and the view of all columns (`-a`).

use aggregate::Aggregate;
use encode::Style;
use encode::columns::Columns;
use flow::schema::{Column, Schema};
use flow::strings::Strings;

/// One column, as text.
pub(super) struct Cell {
    columns: Columns,
    out: Vec<u8>,
}

impl Cell {
    pub(super) fn new(schema: &Schema, column: &Column, style: &Style) -> Self {
        let alone = Schema {
            columns: vec![column.clone()],
            csv: vec![0],
            key_words: schema.key_words,
            projections: Vec::new(),
            finishes: Vec::new(),
            bin: schema.bin,
            event: schema.event,
            values: schema.values.clone(),
        };
        Self { columns: Columns::csv(&alone, style, true), out: Vec::new() }
    }

    /// What the column shows of an aggregate.
    pub(super) fn text(&mut self, key: &[u8], values: &[u64], strings: &Strings, flush: u64) -> String {
        self.out.clear();
        self.columns.row(&mut self.out, &Aggregate { key, values }, strings, flush);
        String::from_utf8_lossy(&self.out).trim_end_matches('\n').to_owned()
    }
}

/// The columns of `-a`: title, width, and what stands for a column that the table does not have.
#[rustfmt::skip]
const ALL: &[(&str, usize, &str)] = &[
    ("TAG", 12, "0"),
    ("TAG2", 12, "0"),
    ("CLASS", 18, "unknown"),
    ("IN_IFACE", 12, "0"),
    ("OUT_IFACE", 12, "0"),
    ("SRC_MAC", 19, "00:00:00:00:00:00"),
    ("DST_MAC", 19, "00:00:00:00:00:00"),
    ("VLAN", 7, "0"),
    ("OUT_VLAN", 10, "0"),
    ("IN_CVLAN", 10, "0"),
    ("COS", 4, "0"),
    ("ETYPE", 7, "0"),
    ("SRC_AS", 12, "0"),
    ("DST_AS", 12, "0"),
    ("COMMS", 25, "0"),
    ("SRC_COMMS", 25, "0"),
    ("AS_PATH", 25, "^$"),
    ("SRC_AS_PATH", 25, "^$"),
    ("PREF", 9, "0"),
    ("SRC_PREF", 9, "0"),
    ("MED", 8, "0"),
    ("SRC_MED", 8, "0"),
    ("SRC_ROA", 8, "u"),
    ("DST_ROA", 8, "u"),
    ("PEER_SRC_AS", 12, "0"),
    ("PEER_DST_AS", 12, "0"),
    ("PEER_SRC_IP", 47, "0"),
    ("PEER_DST_IP", 47, "0"),
    ("SRC_IP", 47, "0"),
    ("DST_IP", 47, "0"),
    ("SRC_MASK", 10, "0"),
    ("DST_MASK", 10, "0"),
    ("SRC_PORT", 10, "0"),
    ("DST_PORT", 10, "0"),
    ("TCP_FLAGS", 11, "0"),
    ("PROTOCOL", 12, "0"),
    ("TOS", 7, "0"),
    ("SH_COUNTRY", 12, ""),
    ("DH_COUNTRY", 12, ""),
    ("SH_POCODE", 14, ""),
    ("DH_POCODE", 14, ""),
    ("SH_LAT", 14, "0.000000"),
    ("SH_LON", 14, "0.000000"),
    ("DH_LAT", 14, "0.000000"),
    ("DH_LON", 14, "0.000000"),
    ("SAMPLING_RATE", 14, "0"),
    ("SAMPLING_DIRECTION", 19, "u"),
    ("POST_NAT_SRC_IP", 47, "0"),
    ("POST_NAT_DST_IP", 47, "0"),
    ("POST_NAT_SRC_PORT", 19, "0"),
    ("POST_NAT_DST_PORT", 19, "0"),
    ("NAT_EVENT", 10, "0"),
    ("FW_EVENT", 9, "0"),
    ("FWD_STATUS", 11, "0"),
    ("MPLS_LABEL_TOP", 16, "0"),
    ("MPLS_LABEL_BOTTOM", 19, "0"),
    ("TUNNEL_SRC_MAC", 19, "00:00:00:00:00:00"),
    ("TUNNEL_DST_MAC", 19, "00:00:00:00:00:00"),
    ("TUNNEL_SRC_IP", 47, "0"),
    ("TUNNEL_DST_IP", 47, "0"),
    ("TUNNEL_PROTOCOL", 17, "0"),
    ("TUNNEL_TOS", 12, "0"),
    ("TUNNEL_SRC_PORT", 17, "0"),
    ("TUNNEL_DST_PORT", 17, "0"),
    ("TIMESTAMP_START", 31, "1970-01-01T00:00:00.000000Z"),
    ("TIMESTAMP_END", 31, "1970-01-01T00:00:00.000000Z"),
    ("TIMESTAMP_ARRIVAL", 31, "1970-01-01T00:00:00.000000Z"),
    ("TIMESTAMP_EXPORT", 31, "1970-01-01T00:00:00.000000Z"),
    ("EXPORT_PROTO_SEQNO", 20, "0"),
    ("EXPORT_PROTO_VERSION", 22, "0"),
    ("EXPORT_PROTO_SYSID", 20, "0"),
    ("PATH_DELAY_AVG_USEC", 21, "0"),
    ("PATH_DELAY_MIN_USEC", 21, "0"),
    ("PATH_DELAY_MAX_USEC", 21, "0"),
    ("PACKETS", 22, "0"),
    ("FLOWS", 22, "0"),
    ("BYTES", 0, "0"),
];

/// The view of all columns, those that the table does not have, too.
pub(super) struct Wide(Vec<(usize, &'static str, Option<Cell>)>);

impl Wide {
    pub(super) fn new(schema: &Schema, style: &Style) -> Self {
        let style = Style { separator: '\u{1f}', ..style.clone() };
        let cell = |(title, width, absent): &(&'static str, usize, &'static str)| {
            let column = schema.columns.iter().find(|column| column.header == *title);
            (*width, *absent, column.map(|column| Cell::new(schema, column, &style)))
        };
        Self(ALL.iter().map(cell).collect())
    }

    pub(super) fn title(out: &mut Vec<u8>) {
        for (title, width, _) in ALL {
            pad(out, title, *width);
        }
        out.push(b'\n');
    }

    pub(super) fn row(&mut self, out: &mut Vec<u8>, row: &Aggregate<'_>, strings: &Strings, flush: u64) {
        for (width, absent, cell) in &mut self.0 {
            match cell {
                Some(cell) => pad(out, &cell.text(row.key, row.values, strings, flush), *width),
                None => pad(out, absent, *width),
            }
        }
        out.push(b'\n');
    }
}

fn pad(out: &mut Vec<u8>, text: &str, width: usize) {
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len() + width.saturating_sub(text.len()), b' ');
}
