//! THE table of columns: how primitives are called and typed in tables, and which columns the known shapes of tables
//! (versions) have.

use crate::settings::{Dialect, Settings};
use config::keys::sql::TableType;
use std::borrow::Cow;

/// What a column stores, for the statements that create tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Small number.
    Tiny,
    /// Number of two octets.
    Short,
    /// Flags.
    Flags,
    /// Number of four octets.
    Int,
    /// Number of four octets that may be large.
    Long,
    /// Number of an event.
    Event,
    /// IP address.
    Address,
    /// MAC address.
    Mac,
    /// IP protocol, by name or number.
    Protocol,
    /// Text of so many characters.
    Char(u8),
    /// Text of at most so many characters.
    Varchar(u8),
    /// Country.
    Country,
    /// Validity of a route's origin.
    Roa,
    /// Degrees.
    Real,
    /// Time.
    Time,
    /// Microseconds of a time.
    Residual,
    /// Packets and flows.
    Packets,
    /// Bytes.
    Bytes,
    /// Start of a bin.
    Inserted,
    /// Last change.
    Updated,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in tables of version 9.
    pub name: &'static str,
    /// Member of JSON that holds the same value.
    pub json: &'static str,
    /// What it stores.
    pub ty: Type,
}

const fn spec(name: &'static str, json: &'static str, ty: Type) -> Spec {
    Spec { name, json, ty }
}

/// All columns, in the order of statements.
pub static COLUMNS: &[Spec] = &[
    spec("stamp_updated", "stamp_updated", Type::Updated),
    spec("stamp_inserted", "stamp_inserted", Type::Inserted),
    spec("mac_src", "mac_src", Type::Mac),
    spec("mac_dst", "mac_dst", Type::Mac),
    spec("vlan", "vlan", Type::Short),
    spec("vlan_in", "vlan_in", Type::Short),
    spec("vlan_out", "vlan_out", Type::Short),
    spec("cvlan_in", "cvlan_in", Type::Short),
    spec("cvlan_out", "cvlan_out", Type::Short),
    spec("cos", "cos", Type::Tiny),
    spec("etype", "etype", Type::Char(5)),
    spec("ip_src", "ip_src", Type::Address),
    spec("net_src", "net_src", Type::Address),
    spec("ip_dst", "ip_dst", Type::Address),
    spec("net_dst", "net_dst", Type::Address),
    spec("as_src", "as_src", Type::Long),
    spec("iface_in", "iface_in", Type::Long),
    spec("iface_out", "iface_out", Type::Long),
    spec("mask_src", "mask_src", Type::Tiny),
    spec("mask_dst", "mask_dst", Type::Tiny),
    spec("as_dst", "as_dst", Type::Long),
    spec("comms", "comms", Type::Char(24)),
    spec("ecomms", "ecomms", Type::Char(24)),
    spec("lcomms", "lcomms", Type::Char(24)),
    spec("comms_src", "comms_src", Type::Char(24)),
    spec("ecomms_src", "ecomms_src", Type::Char(24)),
    spec("lcomms_src", "lcomms_src", Type::Char(24)),
    spec("as_path", "as_path", Type::Char(21)),
    spec("as_path_src", "as_path_src", Type::Char(21)),
    spec("local_pref", "local_pref", Type::Long),
    spec("local_pref_src", "local_pref_src", Type::Long),
    spec("med", "med", Type::Long),
    spec("med_src", "med_src", Type::Long),
    spec("roa_src", "roa_src", Type::Roa),
    spec("roa_dst", "roa_dst", Type::Roa),
    spec("mpls_vpn_rd", "mpls_vpn_rd", Type::Char(18)),
    spec("mpls_pw_id", "mpls_pw_id", Type::Int),
    spec("vrf_name", "vrf_name", Type::Varchar(32)),
    spec("vrf_name_ingress", "ingress_vrf_name", Type::Varchar(32)),
    spec("vrf_name_egress", "egress_vrf_name", Type::Varchar(32)),
    spec("iface_name_in", "iface_name_in", Type::Varchar(32)),
    spec("iface_name_out", "iface_name_out", Type::Varchar(32)),
    spec("peer_as_src", "peer_as_src", Type::Long),
    spec("peer_as_dst", "peer_as_dst", Type::Long),
    spec("peer_ip_src", "peer_ip_src", Type::Address),
    spec("peer_ip_dst", "peer_ip_dst", Type::Address),
    spec("port_src", "port_src", Type::Short),
    spec("port_dst", "port_dst", Type::Short),
    spec("tcp_flags", "tcp_flags", Type::Flags),
    spec("tos", "tos", Type::Int),
    spec("ip_proto", "ip_proto", Type::Protocol),
    spec("country_ip_src", "country_ip_src", Type::Country),
    spec("country_ip_dst", "country_ip_dst", Type::Country),
    spec("pocode_ip_src", "pocode_ip_src", Type::Char(12)),
    spec("pocode_ip_dst", "pocode_ip_dst", Type::Char(12)),
    spec("lat_ip_src", "lat_ip_src", Type::Real),
    spec("lon_ip_src", "lon_ip_src", Type::Real),
    spec("lat_ip_dst", "lat_ip_dst", Type::Real),
    spec("lon_ip_dst", "lon_ip_dst", Type::Real),
    spec("sampling_rate", "sampling_rate", Type::Long),
    spec("sampling_direction", "sampling_direction", Type::Char(1)),
    spec("post_nat_ip_src", "post_nat_ip_src", Type::Address),
    spec("post_nat_ip_dst", "post_nat_ip_dst", Type::Address),
    spec("post_nat_port_src", "post_nat_port_src", Type::Short),
    spec("post_nat_port_dst", "post_nat_port_dst", Type::Short),
    spec("nat_event", "nat_event", Type::Event),
    spec("fw_event", "fw_event", Type::Event),
    spec("fwd_status", "fwd_status", Type::Event),
    spec("flow_label", "flow_label", Type::Int),
    spec("mpls_label_top", "mpls_label_top", Type::Int),
    spec("mpls_label_bottom", "mpls_label_bottom", Type::Int),
    spec("mpls_label_stack", "mpls_label_stack", Type::Varchar(255)),
    spec("srv6_seg_ipv6_list", "srv6_seg_ipv6_list", Type::Varchar(255)),
    spec("path_delay_avg_usec", "path_delay_avg_usec", Type::Int),
    spec("path_delay_min_usec", "path_delay_min_usec", Type::Int),
    spec("path_delay_max_usec", "path_delay_max_usec", Type::Int),
    spec("tunnel_mac_src", "tunnel_mac_src", Type::Mac),
    spec("tunnel_mac_dst", "tunnel_mac_dst", Type::Mac),
    spec("tunnel_ip_src", "tunnel_ip_src", Type::Address),
    spec("tunnel_ip_dst", "tunnel_ip_dst", Type::Address),
    spec("tunnel_ip_proto", "tunnel_ip_proto", Type::Protocol),
    spec("tunnel_tos", "tunnel_tos", Type::Int),
    spec("tunnel_port_src", "tunnel_port_src", Type::Short),
    spec("tunnel_port_dst", "tunnel_port_dst", Type::Short),
    spec("tunnel_tcp_flags", "tunnel_tcp_flags", Type::Flags),
    spec("tunnel_flow_label", "tunnel_flow_label", Type::Int),
    spec("vxlan", "vxlan", Type::Int),
    spec("nvgre", "nvgre", Type::Int),
    spec("timestamp_start", "timestamp_start", Type::Time),
    spec("timestamp_start_residual", "timestamp_start", Type::Residual),
    spec("timestamp_end", "timestamp_end", Type::Time),
    spec("timestamp_end_residual", "timestamp_end", Type::Residual),
    spec("timestamp_arrival", "timestamp_arrival", Type::Time),
    spec("timestamp_arrival_residual", "timestamp_arrival", Type::Residual),
    spec("timestamp_export", "timestamp_export", Type::Time),
    spec("timestamp_export_residual", "timestamp_export", Type::Residual),
    spec("timestamp_min", "timestamp_min", Type::Time),
    spec("timestamp_min_residual", "timestamp_min", Type::Residual),
    spec("timestamp_max", "timestamp_max", Type::Time),
    spec("timestamp_max_residual", "timestamp_max", Type::Residual),
    spec("export_proto_seqno", "export_proto_seqno", Type::Int),
    spec("export_proto_version", "export_proto_version", Type::Short),
    spec("export_proto_sysid", "export_proto_sysid", Type::Int),
    spec("tag", "tag", Type::Long),
    spec("tag2", "tag2", Type::Long),
    spec("label", "label", Type::Varchar(255)),
    spec("class_id", "class", Type::Char(16)),
    spec("packets", "packets", Type::Packets),
    spec("bytes", "bytes", Type::Bytes),
    spec("flows", "flows", Type::Packets),
];

/// The column of a JSON member; residuals aside.
pub fn of_json(json: &str) -> Option<(usize, &'static Spec)> {
    COLUMNS.iter().enumerate().find(|(_, spec)| spec.json == json && spec.ty != Type::Residual)
}

/// The column of that name.
pub fn named(name: &str) -> Option<&'static Spec> {
    COLUMNS.iter().find(|spec| spec.name == name)
}

/// Columns of the known shapes: name, first version that has it. A shape has those of its version and below.
const VERSIONED: &[(&str, u32)] = &[
    ("mac_src", 1),
    ("mac_dst", 1),
    ("vlan", 2),
    ("ip_src", 1),
    ("ip_dst", 1),
    ("as_src", 6),
    ("as_dst", 6),
    ("port_src", 1),
    ("port_dst", 1),
    ("tcp_flags", 7),
    ("tos", 3),
    ("ip_proto", 1),
    ("tag", 2),
    ("class_id", 5),
    ("packets", 1),
    ("bytes", 1),
    ("flows", 4),
];

/// Columns of the shape for BGP.
const BGP: &[&str] = &[
    "tag",
    "as_src",
    "as_dst",
    "peer_as_src",
    "peer_as_dst",
    "peer_ip_src",
    "peer_ip_dst",
    "comms",
    "as_path",
    "local_pref",
    "med",
    "packets",
    "bytes",
];

/// Columns that make a table one for BGP when `sql_table_type` does not say what it is. Tables have always been chosen by
/// these alone: large communities or those of the source, for example, are columns that any shape may have besides.
const MAKES_BGP: &[&str] = &[
    "comms",
    "ecomms",
    "as_path",
    "local_pref",
    "local_pref_src",
    "med",
    "med_src",
    "mpls_vpn_rd",
    "peer_as_src",
    "peer_as_dst",
    "peer_ip_src",
    "peer_ip_dst",
];

/// A shape of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The server's dialect.
    pub dialect: Dialect,
    /// `sql_table_version`.
    pub version: u32,
    /// The family for BGP.
    pub bgp: bool,
    /// `sql_data: unified`.
    pub unified: bool,
}

impl Shape {
    /// The shape that settings ask for. `columns` are those that are aggregated: some are for BGP.
    pub fn of(settings: &Settings, columns: &[&str]) -> Self {
        let makes_bgp = columns.iter().any(|name| MAKES_BGP.contains(name));
        Self {
            dialect: settings.dialect,
            version: settings.version,
            bgp: settings.table_type == TableType::Bgp || makes_bgp,
            unified: settings.unified,
        }
    }

    /// True when the shape has the column.
    pub fn has(&self, name: &str) -> bool {
        if self.bgp {
            return BGP.contains(&name);
        }
        VERSIONED.iter().any(|(known, since)| *known == name && *since <= self.version)
    }

    /// The version that a column needs, if this one lacks it.
    pub fn lacks(&self, name: &str) -> Option<u32> {
        // Below version 6, AS numbers are in the columns of addresses.
        let shared = matches!(name, "as_src" | "as_dst");
        let needs = VERSIONED.iter().find(|(known, _)| *known == name).map(|(_, since)| *since)?;
        (!self.bgp && !shared && needs > self.version).then_some(needs)
    }

    /// The columns of the shape, in the order of statements, without times.
    pub fn columns(&self) -> impl Iterator<Item = &'static Spec> + '_ {
        COLUMNS.iter().filter(|spec| self.has(spec.name))
    }

    /// The name of a column in this shape.
    pub fn name(&self, spec: &Spec) -> &'static str {
        let old_ports = self.version < 8 && self.dialect != Dialect::PgSql;
        match spec.name {
            "tag" if self.version < 9 => "agent_id",
            "port_src" if old_ports => "src_port",
            "port_dst" if old_ports => "dst_port",
            name => name,
        }
    }

    /// True where AS numbers are written into the columns of addresses.
    pub fn ases_in_addresses(&self) -> bool {
        !self.bgp && self.version < 6
    }

    /// The name of the table when none is configured. `ases`: AS numbers stand in for addresses.
    pub fn table(&self, ases: bool) -> Cow<'static, str> {
        if self.bgp {
            return match self.version {
                1 => "acct_bgp".into(),
                // Installations that name a later version without a table have it under this name.
                _ => "acct".into(),
            };
        }
        let family = match self.dialect {
            Dialect::PgSql if self.version < 6 && self.unified => "acct_uni",
            Dialect::PgSql if self.version < 6 && ases => "acct_as",
            _ => "acct",
        };
        match self.version {
            1 => family.into(),
            version => format!("{family}_v{version}").into(),
        }
    }

    /// True where columns of addresses are columns of numbers if AS numbers are written into them.
    pub fn ases_are_numbers(&self) -> bool {
        self.ases_in_addresses() && self.has_address_type()
    }

    /// True where addresses are of a type of their own, which takes no empty text.
    pub fn has_address_type(&self) -> bool {
        self.dialect == Dialect::PgSql && !self.unified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dialect: Dialect, version: u32) -> Shape {
        Shape { dialect, version, bgp: false, unified: false }
    }

    #[test]
    fn names_follow_the_version() {
        let name = |version, column| shape(Dialect::Sqlite, version).name(named(column).unwrap());
        assert_eq!((name(7, "port_src"), name(8, "port_src")), ("src_port", "port_src"));
        assert_eq!((name(8, "tag"), name(9, "tag")), ("agent_id", "tag"));
        assert_eq!(shape(Dialect::PgSql, 1).name(named("port_dst").unwrap()), "port_dst");
        assert_eq!(shape(Dialect::MySql, 1).table(false), "acct");
        assert_eq!(shape(Dialect::MySql, 9).table(false), "acct_v9");
        assert_eq!(shape(Dialect::PgSql, 5).table(true), "acct_as_v5");
        let unified = Shape { unified: true, ..shape(Dialect::PgSql, 5) };
        assert_eq!((unified.table(false), unified.table(true)), ("acct_uni_v5".into(), "acct_uni_v5".into()));
        let bgp = |version| Shape { bgp: true, ..shape(Dialect::MySql, version) };
        assert_eq!((bgp(1).table(false), bgp(9).table(false)), ("acct_bgp".into(), "acct".into()));
        assert_eq!((bgp(1).name(named("tag").unwrap()), bgp(9).name(named("tag").unwrap())), ("agent_id", "tag"));
    }

    #[test]
    fn columns_follow_the_version() {
        let names = |version| -> Vec<_> {
            let shape = shape(Dialect::Sqlite, version);
            shape.columns().map(|spec| shape.name(spec)).collect()
        };
        assert_eq!(
            names(1),
            ["mac_src", "mac_dst", "ip_src", "ip_dst", "src_port", "dst_port", "ip_proto", "packets", "bytes"]
        );
        assert_eq!(names(9).len(), VERSIONED.len());
        assert_eq!(shape(Dialect::Sqlite, 3).lacks("flows"), Some(4));
        assert_eq!(shape(Dialect::Sqlite, 3).lacks("tag2"), None);
    }

    #[test]
    fn each_column_is_there_once() {
        for (at, spec) in COLUMNS.iter().enumerate() {
            assert!(COLUMNS[..at].iter().all(|other| other.name != spec.name), "{}", spec.name);
        }
    }
}
