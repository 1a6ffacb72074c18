//! The table of columns: the names, types and order of the values that outputs show.
//!
//! A primitive ([`crate::primitive`]) is a word in a configuration; it shows one or more columns. Several primitives may show the
//! same column (`src_host` and `sum_host`).

use crate::kind::Kind;

/// The type of a column in SQL tables, for the statements that create them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// Small number.
    Tiny,
    /// Number of two bytes.
    Short,
    /// Flags.
    Flags,
    /// Number of four bytes.
    Int,
    /// Number of four bytes that may be large.
    Long,
    /// Event number.
    Event,
    /// IP address.
    Address,
    /// MAC address.
    Mac,
    /// IP protocol, by name or number.
    Protocol,
    /// Text of this number of characters.
    Char(u8),
    /// Text of at most this number of characters.
    Varchar(u8),
    /// Country.
    Country,
    /// RPKI validity of a route.
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
    /// Start of a time bin.
    Inserted,
    /// Last change.
    Updated,
}

/// A column in SQL tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sql {
    /// Its name in tables of version 9.
    pub name: &'static str,
    /// Its type.
    pub ty: SqlType,
    /// The column of a time's microseconds.
    pub residual: Option<&'static str>,
}

/// Names and types of one column.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Member in JSON; field in Avro and Parquet.
    pub json: &'static str,
    /// Member in the JSON of the client, if different.
    pub client: Option<&'static str>,
    /// Title in CSV and formatted output.
    pub title: &'static str,
    /// Width in formatted output, in characters; 0 if values have no maximum length, which formatted output rejects.
    pub width: u8,
    /// Kind of the values, which determines the types in JSON, Avro and Parquet.
    pub kind: Kind,
    /// The column in SQL tables.
    pub sql: Option<Sql>,
}

impl Spec {
    const fn new(json: &'static str, title: &'static str, width: u8, kind: Kind) -> Self {
        Self { json, client: None, title, width, kind, sql: None }
    }

    const fn sql(self, name: &'static str, ty: SqlType) -> Self {
        Self { sql: Some(Sql { name, ty, residual: None }), ..self }
    }

    const fn sql_time(self, name: &'static str, residual: &'static str) -> Self {
        Self { sql: Some(Sql { name, ty: SqlType::Time, residual: Some(residual) }), ..self }
    }

    const fn client(self, json: &'static str) -> Self {
        Self { client: Some(json), ..self }
    }
}

macro_rules! columns {
    ($($id:ident: $json:literal, $title:literal, $width:literal, $kind:ident $(, $with:ident($($arg:expr),*))*;)*) => {
        /// A column. The order is that of the members of a JSON object and of the fields of an Avro record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id { $(#[doc = concat!("`", $json, "`")] $id),* }

        impl Id {
            /// All columns, in the order of JSON.
            pub const ALL: &'static [Id] = &[$(Id::$id),*];

            /// Its names and types.
            pub const fn spec(self) -> &'static Spec {
                &SPECS[self as usize]
            }
        }

        static SPECS: &[Spec] = &[$(Spec::new($json, $title, $width, Kind::$kind)$(.$with($($arg),*))*),*];
    };
}

// `Custom` marks the position of custom primitives, whose names and types the user defines.
columns! {
    Tag: "tag", "TAG", 12, U64, sql("tag", SqlType::Long);
    Tag2: "tag2", "TAG2", 12, U64, sql("tag2", SqlType::Long);
    Label: "label", "LABEL", 0, Label, sql("label", SqlType::Varchar(255));
    Class: "class", "CLASS", 18, Class, sql("class_id", SqlType::Char(16));
    MacSrc: "mac_src", "SRC_MAC", 19, Mac, sql("mac_src", SqlType::Mac);
    MacDst: "mac_dst", "DST_MAC", 19, Mac, sql("mac_dst", SqlType::Mac);
    Vlan: "vlan", "VLAN", 7, U16, sql("vlan", SqlType::Short);
    VlanIn: "vlan_in", "IN_VLAN", 9, U16, sql("vlan_in", SqlType::Short);
    VlanOut: "vlan_out", "OUT_VLAN", 10, U16, sql("vlan_out", SqlType::Short);
    CvlanIn: "cvlan_in", "IN_CVLAN", 10, U16, sql("cvlan_in", SqlType::Short), client("in_cvlan");
    CvlanOut: "cvlan_out", "OUT_CVLAN", 11, U16, sql("cvlan_out", SqlType::Short), client("out_cvlan");
    Cos: "cos", "COS", 4, U8, sql("cos", SqlType::Tiny);
    Etype: "etype", "ETYPE", 7, EtherType, sql("etype", SqlType::Char(5));
    AsSrc: "as_src", "SRC_AS", 12, U32, sql("as_src", SqlType::Long);
    AsDst: "as_dst", "DST_AS", 12, U32, sql("as_dst", SqlType::Long);
    Comms: "comms", "COMMS", 0, Communities, sql("comms", SqlType::Char(24));
    Ecomms: "ecomms", "ECOMMS", 0, Communities, sql("ecomms", SqlType::Char(24));
    Lcomms: "lcomms", "LCOMMS", 0, Communities, sql("lcomms", SqlType::Char(24));
    AsPath: "as_path", "AS_PATH", 0, AsPath, sql("as_path", SqlType::Char(21));
    LocalPref: "local_pref", "PREF", 9, U32, sql("local_pref", SqlType::Long);
    Med: "med", "MED", 8, U32, sql("med", SqlType::Long);
    RoaDst: "roa_dst", "DST_ROA", 8, Roa, sql("roa_dst", SqlType::Roa);
    PeerAsSrc: "peer_as_src", "PEER_SRC_AS", 12, U32, sql("peer_as_src", SqlType::Long);
    PeerAsDst: "peer_as_dst", "PEER_DST_AS", 12, U32, sql("peer_as_dst", SqlType::Long);
    PeerIpSrc: "peer_ip_src", "PEER_SRC_IP", 47, Ip, sql("peer_ip_src", SqlType::Address);
    PeerIpDst: "peer_ip_dst", "PEER_DST_IP", 47, Ip, sql("peer_ip_dst", SqlType::Address);
    CommsSrc: "comms_src", "SRC_COMMS", 0, Communities, sql("comms_src", SqlType::Char(24)), client("src_comms");
    EcommsSrc: "ecomms_src", "SRC_ECOMMS", 0, Communities, sql("ecomms_src", SqlType::Char(24)), client("src_ecomms");
    LcommsSrc: "lcomms_src", "SRC_LCOMMS", 0, Communities, sql("lcomms_src", SqlType::Char(24)), client("src_lcomms");
    AsPathSrc: "as_path_src", "SRC_AS_PATH", 0, AsPath, sql("as_path_src", SqlType::Char(21)), client("src_as_path");
    LocalPrefSrc: "local_pref_src", "SRC_PREF", 9, U32, sql("local_pref_src", SqlType::Long), client("src_local_pref");
    MedSrc: "med_src", "SRC_MED", 8, U32, sql("med_src", SqlType::Long), client("src_med");
    RoaSrc: "roa_src", "SRC_ROA", 8, Roa, sql("roa_src", SqlType::Roa);
    IfaceIn: "iface_in", "IN_IFACE", 12, U32, sql("iface_in", SqlType::Long);
    IfaceOut: "iface_out", "OUT_IFACE", 12, U32, sql("iface_out", SqlType::Long);
    MplsVpnRd: "mpls_vpn_rd", "MPLS_VPN_RD", 20, Rd, sql("mpls_vpn_rd", SqlType::Char(18));
    MplsVpnRdOrigin: "mpls_vpn_rd_origin", "", 0, RdOrigin;
    MplsPwId: "mpls_pw_id", "MPLS_PW_ID", 12, U32, sql("mpls_pw_id", SqlType::Int);
    IpSrc: "ip_src", "SRC_IP", 47, Ip, sql("ip_src", SqlType::Address);
    NetSrc: "net_src", "SRC_NET", 47, Ip, sql("net_src", SqlType::Address);
    IpDst: "ip_dst", "DST_IP", 47, Ip, sql("ip_dst", SqlType::Address);
    NetDst: "net_dst", "DST_NET", 47, Ip, sql("net_dst", SqlType::Address);
    MaskSrc: "mask_src", "SRC_MASK", 10, U8, sql("mask_src", SqlType::Tiny);
    MaskDst: "mask_dst", "DST_MASK", 10, U8, sql("mask_dst", SqlType::Tiny);
    PortSrc: "port_src", "SRC_PORT", 10, U16, sql("port_src", SqlType::Short);
    PortDst: "port_dst", "DST_PORT", 10, U16, sql("port_dst", SqlType::Short);
    CountryIpSrc: "country_ip_src", "SH_COUNTRY", 12, Text, sql("country_ip_src", SqlType::Country);
    CountryIpDst: "country_ip_dst", "DH_COUNTRY", 12, Text, sql("country_ip_dst", SqlType::Country);
    PocodeIpSrc: "pocode_ip_src", "SH_POCODE", 14, Text, sql("pocode_ip_src", SqlType::Char(12));
    PocodeIpDst: "pocode_ip_dst", "DH_POCODE", 14, Text, sql("pocode_ip_dst", SqlType::Char(12));
    LatIpSrc: "lat_ip_src", "SH_LAT", 14, Real, sql("lat_ip_src", SqlType::Real);
    LonIpSrc: "lon_ip_src", "SH_LON", 14, Real, sql("lon_ip_src", SqlType::Real);
    LatIpDst: "lat_ip_dst", "DH_LAT", 14, Real, sql("lat_ip_dst", SqlType::Real);
    LonIpDst: "lon_ip_dst", "DH_LON", 14, Real, sql("lon_ip_dst", SqlType::Real);
    TcpFlags: "tcp_flags", "TCP_FLAGS", 11, TcpFlags, sql("tcp_flags", SqlType::Flags);
    FwdStatus: "fwd_status", "FWD_STATUS", 11, FwdStatus, sql("fwd_status", SqlType::Event);
    MplsLabelStack: "mpls_label_stack", "MPLS_LABEL_STACK", 0, Labels, sql("mpls_label_stack", SqlType::Varchar(255));
    Srv6SegIpv6List: "srv6_seg_ipv6_list", "", 0, Segments, sql("srv6_seg_ipv6_list", SqlType::Varchar(255));
    PathDelayAvgUsec: "path_delay_avg_usec", "PATH_DELAY_AVG_USEC", 21, U32, sql("path_delay_avg_usec", SqlType::Int);
    PathDelayMinUsec: "path_delay_min_usec", "PATH_DELAY_MIN_USEC", 21, U32, sql("path_delay_min_usec", SqlType::Int);
    PathDelayMaxUsec: "path_delay_max_usec", "PATH_DELAY_MAX_USEC", 21, U32, sql("path_delay_max_usec", SqlType::Int);
    IpProto: "ip_proto", "PROTOCOL", 12, Proto, sql("ip_proto", SqlType::Protocol);
    Tos: "tos", "TOS", 7, Tos, sql("tos", SqlType::Int);
    FlowLabel: "flow_label", "FLOW_LABEL", 11, FlowLabel, sql("flow_label", SqlType::Int);
    SamplingRate: "sampling_rate", "SAMPLING_RATE", 14, U32, sql("sampling_rate", SqlType::Long);
    SamplingDirection: "sampling_direction", "SAMPLING_DIRECTION", 19, Direction, sql("sampling_direction", SqlType::Char(1));
    PostNatIpSrc: "post_nat_ip_src", "POST_NAT_SRC_IP", 47, Ip, sql("post_nat_ip_src", SqlType::Address);
    PostNatIpDst: "post_nat_ip_dst", "POST_NAT_DST_IP", 47, Ip, sql("post_nat_ip_dst", SqlType::Address);
    PostNatPortSrc: "post_nat_port_src", "POST_NAT_SRC_PORT", 19, U16, sql("post_nat_port_src", SqlType::Short);
    PostNatPortDst: "post_nat_port_dst", "POST_NAT_DST_PORT", 19, U16, sql("post_nat_port_dst", SqlType::Short);
    NatEvent: "nat_event", "NAT_EVENT", 10, U8, sql("nat_event", SqlType::Event);
    FwEvent: "fw_event", "FW_EVENT", 9, U8, sql("fw_event", SqlType::Event);
    MplsLabelTop: "mpls_label_top", "MPLS_LABEL_TOP", 16, U32, sql("mpls_label_top", SqlType::Int);
    MplsLabelBottom: "mpls_label_bottom", "MPLS_LABEL_BOTTOM", 19, U32, sql("mpls_label_bottom", SqlType::Int);
    TunnelMacSrc: "tunnel_mac_src", "TUNNEL_SRC_MAC", 19, Mac, sql("tunnel_mac_src", SqlType::Mac);
    TunnelMacDst: "tunnel_mac_dst", "TUNNEL_DST_MAC", 19, Mac, sql("tunnel_mac_dst", SqlType::Mac);
    TunnelIpSrc: "tunnel_ip_src", "TUNNEL_SRC_IP", 47, Ip, sql("tunnel_ip_src", SqlType::Address);
    TunnelIpDst: "tunnel_ip_dst", "TUNNEL_DST_IP", 47, Ip, sql("tunnel_ip_dst", SqlType::Address);
    TunnelIpProto: "tunnel_ip_proto", "TUNNEL_PROTOCOL", 17, Proto, sql("tunnel_ip_proto", SqlType::Protocol);
    TunnelTos: "tunnel_tos", "TUNNEL_TOS", 12, U8, sql("tunnel_tos", SqlType::Int);
    TunnelFlowLabel: "tunnel_flow_label", "TUNNEL_FLOW_LABEL", 18, FlowLabel, sql("tunnel_flow_label", SqlType::Int);
    TunnelPortSrc: "tunnel_port_src", "TUNNEL_SRC_PORT", 17, U16, sql("tunnel_port_src", SqlType::Short);
    TunnelPortDst: "tunnel_port_dst", "TUNNEL_DST_PORT", 17, U16, sql("tunnel_port_dst", SqlType::Short);
    TunnelTcpFlags: "tunnel_tcp_flags", "TUNNEL_TCP_FLAGS", 18, TunnelTcpFlags, sql("tunnel_tcp_flags", SqlType::Flags);
    Vxlan: "vxlan", "VXLAN", 10, U32, sql("vxlan", SqlType::Int);
    Nvgre: "nvgre", "NVGRE", 10, U32, sql("nvgre", SqlType::Int);
    TimestampStart: "timestamp_start", "TIMESTAMP_START", 31, Time, sql_time("timestamp_start", "timestamp_start_residual");
    TimestampEnd: "timestamp_end", "TIMESTAMP_END", 31, Time, sql_time("timestamp_end", "timestamp_end_residual");
    TimestampArrival: "timestamp_arrival", "TIMESTAMP_ARRIVAL", 31, Time, sql_time("timestamp_arrival", "timestamp_arrival_residual");
    TimestampMin: "timestamp_min", "TIMESTAMP_MIN", 31, Time, sql_time("timestamp_min", "timestamp_min_residual");
    TimestampMax: "timestamp_max", "TIMESTAMP_MAX", 31, Time, sql_time("timestamp_max", "timestamp_max_residual");
    ExportProtoSeqno: "export_proto_seqno", "EXPORT_PROTO_SEQNO", 20, U32, sql("export_proto_seqno", SqlType::Int);
    ExportProtoVersion: "export_proto_version", "EXPORT_PROTO_VERSION", 22, U16, sql("export_proto_version", SqlType::Short);
    ExportProtoSysid: "export_proto_sysid", "EXPORT_PROTO_SYSID", 20, U32, sql("export_proto_sysid", SqlType::Int);
    TimestampExport: "timestamp_export", "TIMESTAMP_EXPORT", 31, Time, sql_time("timestamp_export", "timestamp_export_residual");
    Custom: "custom", "", 0, None;
    StampInserted: "stamp_inserted", "", 0, StampInserted, sql("stamp_inserted", SqlType::Inserted);
    StampUpdated: "stamp_updated", "", 0, StampUpdated, sql("stamp_updated", SqlType::Updated);
    Flows: "flows", "FLOWS", 22, Counter, sql("flows", SqlType::Packets);
    VrfName: "vrf_name", "VRF_NAME", 0, Text, sql("vrf_name", SqlType::Varchar(32));
    IngressVrfName: "ingress_vrf_name", "INGRESS_VRF_NAME", 0, Text, sql("vrf_name_ingress", SqlType::Varchar(32));
    EgressVrfName: "egress_vrf_name", "EGRESS_VRF_NAME", 0, Text, sql("vrf_name_egress", SqlType::Varchar(32));
    IfaceNameIn: "iface_name_in", "IN_IFACE_NAME", 0, Text, sql("iface_name_in", SqlType::Varchar(32));
    IfaceNameOut: "iface_name_out", "OUT_IFACE_NAME", 0, Text, sql("iface_name_out", SqlType::Varchar(32));
    Packets: "packets", "PACKETS", 22, Counter, sql("packets", SqlType::Packets);
    Bytes: "bytes", "BYTES", 22, Counter, sql("bytes", SqlType::Bytes);
}

/// The columns of CSV and formatted output, in order. Others do not appear there.
#[rustfmt::skip]
pub const CSV: &[Id] = &[
    Id::Tag,
    Id::Tag2,
    Id::Label,
    Id::Class,
    Id::MacSrc,
    Id::MacDst,
    Id::Vlan,
    Id::VlanIn,
    Id::VlanOut,
    Id::CvlanIn,
    Id::CvlanOut,
    Id::Cos,
    Id::Etype,
    Id::AsSrc,
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
    Id::PeerAsSrc,
    Id::PeerAsDst,
    Id::PeerIpSrc,
    Id::PeerIpDst,
    Id::IfaceIn,
    Id::IfaceOut,
    Id::MplsVpnRd,
    Id::MplsPwId,
    Id::VrfName,
    Id::IngressVrfName,
    Id::EgressVrfName,
    Id::IfaceNameIn,
    Id::IfaceNameOut,
    Id::IpSrc,
    Id::NetSrc,
    Id::IpDst,
    Id::NetDst,
    Id::MaskSrc,
    Id::MaskDst,
    Id::PortSrc,
    Id::PortDst,
    Id::TcpFlags,
    Id::IpProto,
    Id::Tos,
    Id::FlowLabel,
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
    Id::MplsLabelTop,
    Id::MplsLabelBottom,
    Id::MplsLabelStack,
    Id::TunnelMacSrc,
    Id::TunnelMacDst,
    Id::TunnelIpSrc,
    Id::TunnelIpDst,
    Id::TunnelIpProto,
    Id::TunnelTos,
    Id::TunnelFlowLabel,
    Id::TunnelPortSrc,
    Id::TunnelPortDst,
    Id::TunnelTcpFlags,
    Id::Vxlan,
    Id::Nvgre,
    Id::TimestampStart,
    Id::TimestampEnd,
    Id::TimestampArrival,
    Id::TimestampMin,
    Id::TimestampMax,
    Id::TimestampExport,
    Id::ExportProtoSeqno,
    Id::ExportProtoVersion,
    Id::ExportProtoSysid,
    Id::PathDelayAvgUsec,
    Id::PathDelayMinUsec,
    Id::PathDelayMaxUsec,
    Id::Custom,
    Id::Packets,
    Id::Flows,
    Id::Bytes,
];

impl Id {
    /// Position among the columns of CSV and formatted output; `None` if they lack the column.
    pub fn csv_position(self) -> Option<usize> {
        CSV.iter().position(|id| *id == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_in_each_output() {
        let specs = || Id::ALL.iter().map(|id| id.spec());
        fn unique<'a>(names: impl Iterator<Item = &'a str>) {
            let mut seen = HashSet::new();
            names.for_each(|name| assert!(seen.insert(name), "{name} twice"));
        }
        unique(specs().map(|spec| spec.json));
        unique(specs().map(|spec| spec.client.unwrap_or(spec.json)));
        unique(specs().filter_map(|spec| spec.sql).flat_map(|sql| [Some(sql.name), sql.residual]).flatten());
        unique(CSV.iter().map(|id| id.spec().title).filter(|title| !title.is_empty()));
    }

    #[test]
    fn columns_are_in_csv_once_or_have_no_title() {
        for id in Id::ALL {
            let times = CSV.iter().filter(|listed| *listed == id).count();
            let expected = usize::from(!id.spec().title.is_empty() || *id == Id::Custom);
            assert_eq!(times, expected, "{id:?}");
        }
    }

    #[test]
    fn every_column_but_two_is_in_sql_tables() {
        let without: Vec<_> = Id::ALL.iter().filter(|id| id.spec().sql.is_none()).collect();
        assert_eq!(without, [&Id::MplsVpnRdOrigin, &Id::Custom]);
    }

    #[test]
    fn times_have_a_residual_and_a_time_type() {
        for id in Id::ALL {
            let Some(sql) = id.spec().sql else { continue };
            assert_eq!(id.spec().kind == Kind::Time, sql.residual.is_some(), "{id:?}");
            assert_eq!(sql.ty == SqlType::Time, sql.residual.is_some(), "{id:?}");
        }
    }
}
