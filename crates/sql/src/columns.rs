//! Columns of tables: their order in statements, and which of them the standard schemas (versions) have. Their names and types
//! are in [`flow::column`].

use crate::settings::{Dialect, Settings};
use config::keys::sql::TableType;
use flow::column::{Id, SqlType};
use std::borrow::Cow;
use std::sync::LazyLock;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in tables of version 9.
    pub name: &'static str,
    /// The column of the outputs that holds the same value.
    pub id: Id,
    /// What it stores.
    pub ty: SqlType,
}

/// The order in statements. The column of the microseconds follows that of the time.
#[rustfmt::skip]
const ORDER: &[Id] = &[
    Id::StampUpdated,
    Id::StampInserted,
    Id::MacSrc,
    Id::MacDst,
    Id::Vlan,
    Id::VlanIn,
    Id::VlanOut,
    Id::CvlanIn,
    Id::CvlanOut,
    Id::Cos,
    Id::Etype,
    Id::IpSrc,
    Id::NetSrc,
    Id::IpDst,
    Id::NetDst,
    Id::AsSrc,
    Id::IfaceIn,
    Id::IfaceOut,
    Id::MaskSrc,
    Id::MaskDst,
    Id::AsDst,
    Id::Comms,
    Id::Ecomms,
    Id::Lcomms,
    Id::CommsSrc,
    Id::EcommsSrc,
    Id::LcommsSrc,
    Id::AsPath,
    Id::AsPathSrc,
    Id::LocalPref,
    Id::LocalPrefSrc,
    Id::Med,
    Id::MedSrc,
    Id::RoaSrc,
    Id::RoaDst,
    Id::MplsVpnRd,
    Id::MplsPwId,
    Id::VrfName,
    Id::IngressVrfName,
    Id::EgressVrfName,
    Id::IfaceNameIn,
    Id::IfaceNameOut,
    Id::PeerAsSrc,
    Id::PeerAsDst,
    Id::PeerIpSrc,
    Id::PeerIpDst,
    Id::PortSrc,
    Id::PortDst,
    Id::TcpFlags,
    Id::Tos,
    Id::IpProto,
    Id::CountryIpSrc,
    Id::CountryIpDst,
    Id::PocodeIpSrc,
    Id::PocodeIpDst,
    Id::LatIpSrc,
    Id::LonIpSrc,
    Id::LatIpDst,
    Id::LonIpDst,
    Id::SamplingRate,
    Id::SamplingDirection,
    Id::PostNatIpSrc,
    Id::PostNatIpDst,
    Id::PostNatPortSrc,
    Id::PostNatPortDst,
    Id::NatEvent,
    Id::FwEvent,
    Id::FwdStatus,
    Id::FlowLabel,
    Id::MplsLabelTop,
    Id::MplsLabelBottom,
    Id::MplsLabelStack,
    Id::Srv6SegIpv6List,
    Id::PathDelayAvgUsec,
    Id::PathDelayMinUsec,
    Id::PathDelayMaxUsec,
    Id::TunnelMacSrc,
    Id::TunnelMacDst,
    Id::TunnelIpSrc,
    Id::TunnelIpDst,
    Id::TunnelIpProto,
    Id::TunnelTos,
    Id::TunnelPortSrc,
    Id::TunnelPortDst,
    Id::TunnelTcpFlags,
    Id::TunnelFlowLabel,
    Id::Vxlan,
    Id::Nvgre,
    Id::TimestampStart,
    Id::TimestampEnd,
    Id::TimestampArrival,
    Id::TimestampExport,
    Id::TimestampMin,
    Id::TimestampMax,
    Id::ExportProtoSeqno,
    Id::ExportProtoVersion,
    Id::ExportProtoSysid,
    Id::Tag,
    Id::Tag2,
    Id::Label,
    Id::Class,
    Id::Packets,
    Id::Bytes,
    Id::Flows,
];

/// All columns, in the order of statements.
pub static COLUMNS: LazyLock<Vec<Spec>> = LazyLock::new(|| ORDER.iter().copied().flat_map(specs).collect());

/// The column, and the column of its microseconds if it has one.
fn specs(id: Id) -> impl Iterator<Item = Spec> {
    let sql = id.spec().sql;
    let value = sql.map(|sql| Spec { name: sql.name, id, ty: sql.ty });
    let residual = sql.and_then(|sql| Some(Spec { name: sql.residual?, id, ty: SqlType::Residual }));
    value.into_iter().chain(residual)
}

/// The column of that name.
pub fn named(name: &str) -> Option<&'static Spec> {
    COLUMNS.iter().find(|spec| spec.name == name)
}

/// The column that holds the same value as that column of the outputs.
pub fn of(id: Id) -> Option<&'static Spec> {
    COLUMNS.iter().find(|spec| spec.id == id)
}

/// The columns of the standard schemas, and the version in which each was added.
const VERSIONED: &[(Id, u32)] = &[
    (Id::MacSrc, 1),
    (Id::MacDst, 1),
    (Id::Vlan, 2),
    (Id::IpSrc, 1),
    (Id::IpDst, 1),
    (Id::AsSrc, 6),
    (Id::AsDst, 6),
    (Id::PortSrc, 1),
    (Id::PortDst, 1),
    (Id::TcpFlags, 7),
    (Id::Tos, 3),
    (Id::IpProto, 1),
    (Id::Tag, 2),
    (Id::Class, 5),
    (Id::Packets, 1),
    (Id::Bytes, 1),
    (Id::Flows, 4),
];

/// The columns of the standard schema for BGP.
const BGP: &[Id] = &[
    Id::Tag,
    Id::AsSrc,
    Id::AsDst,
    Id::PeerAsSrc,
    Id::PeerAsDst,
    Id::PeerIpSrc,
    Id::PeerIpDst,
    Id::Comms,
    Id::AsPath,
    Id::LocalPref,
    Id::Med,
    Id::Packets,
    Id::Bytes,
];

/// Columns that select the schema for BGP when `sql_table_type` is not set, the same as in pmacct. Others, such as large
/// communities or those of the source, do not select it.
const MAKES_BGP: &[Id] = &[
    Id::Comms,
    Id::Ecomms,
    Id::AsPath,
    Id::LocalPref,
    Id::LocalPrefSrc,
    Id::Med,
    Id::MedSrc,
    Id::MplsVpnRd,
    Id::PeerAsSrc,
    Id::PeerAsDst,
    Id::PeerIpSrc,
    Id::PeerIpDst,
];

/// A standard table schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The server's dialect.
    pub dialect: Dialect,
    /// `sql_table_version`.
    pub version: u32,
    /// The schema for BGP.
    pub bgp: bool,
    /// `sql_data: unified`.
    pub unified: bool,
}

impl Shape {
    /// The schema that the settings select. `columns` are those that are aggregated: some select the schema for BGP.
    pub fn of(settings: &Settings, columns: &[Id]) -> Self {
        let makes_bgp = columns.iter().any(|id| MAKES_BGP.contains(id));
        Self {
            dialect: settings.dialect,
            version: settings.version,
            bgp: settings.table_type == TableType::Bgp || makes_bgp,
            unified: settings.unified,
        }
    }

    /// True when the schema has the column.
    pub fn has(&self, id: Id) -> bool {
        if self.bgp {
            return BGP.contains(&id);
        }
        VERSIONED.iter().any(|(column, since)| *column == id && *since <= self.version)
    }

    /// The version that has a column which this one lacks.
    pub fn lacks(&self, id: Id) -> Option<u32> {
        // Below version 6, AS numbers are in the columns of addresses.
        let shared = matches!(id, Id::AsSrc | Id::AsDst);
        let needs = VERSIONED.iter().find(|(column, _)| *column == id).map(|(_, since)| *since)?;
        (!self.bgp && !shared && needs > self.version).then_some(needs)
    }

    /// The columns of the schema, in the order of statements, without times.
    pub fn columns(&self) -> impl Iterator<Item = &'static Spec> + '_ {
        COLUMNS.iter().filter(|spec| spec.ty != SqlType::Residual && self.has(spec.id))
    }

    /// The name of a column in this schema.
    pub fn name(&self, spec: &Spec) -> &'static str {
        let old_ports = self.version < 8 && self.dialect != Dialect::PgSql;
        match spec.id {
            Id::Tag if self.version < 9 => "agent_id",
            Id::PortSrc if old_ports => "src_port",
            Id::PortDst if old_ports => "dst_port",
            _ => spec.name,
        }
    }

    /// True where AS numbers are written into the columns of addresses.
    pub fn ases_in_addresses(&self) -> bool {
        !self.bgp && self.version < 6
    }

    /// The default name of the table. `ases`: AS numbers are written in place of addresses.
    pub fn table(&self, ases: bool) -> Cow<'static, str> {
        if self.bgp {
            return match self.version {
                1 => "acct_bgp".into(),
                // For later versions too, as in pmacct.
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

    /// True where columns of addresses have a number type when AS numbers are written into them.
    pub fn ases_are_numbers(&self) -> bool {
        self.ases_in_addresses() && self.has_address_type()
    }

    /// True where addresses have their own type, which does not accept an empty text.
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
        assert_eq!(shape(Dialect::Sqlite, 3).lacks(Id::Flows), Some(4));
        assert_eq!(shape(Dialect::Sqlite, 3).lacks(Id::Tag2), None);
    }

    #[test]
    fn each_column_is_listed_once() {
        for id in Id::ALL {
            let times = ORDER.iter().filter(|listed| *listed == id).count();
            assert_eq!(times, usize::from(id.spec().sql.is_some()), "{id:?}");
        }
        let shapes = VERSIONED.iter().map(|(id, _)| id).chain(BGP).chain(MAKES_BGP);
        shapes.for_each(|id| assert!(ORDER.contains(id), "{id:?}"));
    }
}
