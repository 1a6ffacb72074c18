//! The TLVs of BGP-LS (IANA "BGP-LS NLRI and Attribute TLVs").

/// How the value of a TLV is laid out, and thereby how it is shown. A value that does not have the layout is shown in
/// hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 or ASCII text.
    Text,
    /// Octets without a layout that is known here, as hexadecimal text.
    Hex,
    /// Octets that are one wide mask: `0x` and hexadecimal digits.
    WideMask,
    /// 1 to 4 octets of flags, as `0x` and hexadecimal digits.
    Mask,
    /// A number of 1 to 8 octets.
    Number,
    /// No value: present is true.
    Present,
    /// An IPv4 or IPv6 address.
    Address,
    /// A single-precision number of octets a second (RFC 5305 section 3.4), shown in bits a second.
    Bandwidth,
    /// Several of those, in one TLV.
    Bandwidths,
    /// Numbers of one octet.
    Numbers8,
    /// Numbers of four octets.
    Numbers32,
    /// Numbers of eight octets.
    Numbers64,
    /// Multi-topology identifiers: the lower 12 bits of two octets.
    MultiTopology,
    /// Types and values of maximum SID depths (RFC 8814 section 3).
    SidDepths,
    /// A label of three octets or an index of four.
    Sid,
    /// Ranges of labels (RFC 9085 section 2.1.2).
    LabelRanges,
    /// Flags, weight and SID (RFC 9085 section 2.2.1, RFC 9086 section 5).
    AdjacencySid,
    /// As before, with the neighbor (RFC 9085 section 2.2.2).
    LanAdjacencySid,
    /// Flags, algorithm and SID (RFC 9085 section 2.3.1).
    PrefixSid,
    /// A range of prefix SIDs (RFC 9085 section 2.3.5).
    SidRange,
    /// A link of a bundle, and its attributes (RFC 9085 section 2.2.3).
    BundleMember,
    /// Attributes for some applications (RFC 9294 section 2).
    ApplicationSpecific,
    /// The definition of a flexible algorithm (RFC 9351 section 3).
    FlexibleAlgorithm,
    /// The metric of a prefix for a flexible algorithm (RFC 9351 section 4).
    FlexibleAlgorithmMetric,
    /// Flags, and two reserved octets (RFC 9514 section 3.1).
    Srv6Capabilities,
    /// The SID of an adjacency (RFC 9514 section 4.1).
    Srv6EndX,
    /// As before, with an IS-IS neighbor of six octets (RFC 9514 section 4.2).
    Srv6IsisLanEndX,
    /// As before, with an OSPFv3 neighbor of four octets (RFC 9514 section 4.2).
    Srv6OspfLanEndX,
    /// A locator (RFC 9514 section 5.1).
    Srv6Locator,
    /// Behavior, flags and algorithm of a SID (RFC 9514 section 7.1).
    Srv6Behavior,
    /// The peer of a SID (RFC 9514 section 7.2).
    Srv6Peer,
    /// The lengths of the parts of a SID (RFC 9514 section 8).
    Srv6Structure,
    /// A delay in microseconds, and whether it is anomalous (RFC 8571 section 2.1).
    Delay,
    /// The smallest and the largest delay (RFC 8571 section 2.2).
    DelayRange,
    /// The variation of the delay in microseconds (RFC 8571 section 2.3).
    DelayVariation,
    /// A loss in steps of 0.000003 percent (RFC 8571 section 2.4).
    Loss,
    /// The binding SID of a candidate path (RFC 9857 section 5.1).
    BindingSid,
    /// The SRv6 binding SID of a candidate path (RFC 9857 section 5.2).
    Srv6BindingSid,
    /// The state of a candidate path (RFC 9857 section 5.3).
    PathState,
    /// The constraints of a candidate path (RFC 9857 section 5.6).
    PathConstraints,
    /// A metric with its margin and bound, as constraint (RFC 9857 section 5.6.6).
    MetricConstraint,
    /// A segment list (RFC 9857 section 5.7).
    SegmentList,
    /// A segment (RFC 9857 section 5.8).
    Segment,
    /// The metric of a segment list (RFC 9857 section 5.9).
    SegmentListMetric,
}

/// A TLV of the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The type.
    pub code: u16,
    /// The name of the member.
    pub name: &'static str,
    /// The layout.
    pub kind: Kind,
    /// True if the attribute may have several, which are shown as a list. Of all others, the first counts.
    pub is_list: bool,
    /// Where it is defined.
    pub source: &'static str,
}

const fn one(code: u16, name: &'static str, kind: Kind, source: &'static str) -> Row {
    Row { code, name, kind, is_list: false, source }
}

const fn many(code: u16, name: &'static str, kind: Kind, source: &'static str) -> Row {
    Row { code, name, kind, is_list: true, source }
}

/// All TLVs of the attribute, in ascending order of their types. Those of NLRI are in
/// [`nlri::link_state`](crate::nlri::link_state).
pub const TLVS: &[Row] = &[
    one(263, "attr_mt_id", Kind::MultiTopology, "RFC 9552"),
    one(266, "attr_node_msd", Kind::SidDepths, "RFC 8814"),
    one(267, "attr_link_msd", Kind::SidDepths, "RFC 8814"),
    one(1024, "attr_node_flags", Kind::Mask, "RFC 9552"),
    many(1025, "attr_opaque_node", Kind::Hex, "RFC 9552"),
    one(1026, "attr_node_name", Kind::Text, "RFC 9552"),
    many(1027, "attr_isis_area_id", Kind::Hex, "RFC 9552"),
    one(1028, "attr_v4_rid_local", Kind::Address, "RFC 9552"),
    one(1029, "attr_v6_rid_local", Kind::Address, "RFC 9552"),
    one(1030, "attr_v4_rid_remote", Kind::Address, "RFC 9552"),
    one(1031, "attr_v6_rid_remote", Kind::Address, "RFC 9552"),
    one(1032, "attr_sbfd_discriminators", Kind::Numbers32, "RFC 9247"),
    one(1034, "attr_sr_capabilities", Kind::LabelRanges, "RFC 9085"),
    one(1035, "attr_sr_algorithms", Kind::Numbers8, "RFC 9085"),
    one(1036, "attr_sr_local_block", Kind::LabelRanges, "RFC 9085"),
    one(1037, "attr_srms_preference", Kind::Number, "RFC 9085"),
    one(1038, "attr_srv6_capabilities", Kind::Srv6Capabilities, "RFC 9514"),
    many(1039, "attr_flex_algo", Kind::FlexibleAlgorithm, "RFC 9351"),
    one(1040, "attr_flex_algo_exclude_any", Kind::WideMask, "RFC 9351"),
    one(1041, "attr_flex_algo_include_any", Kind::WideMask, "RFC 9351"),
    one(1042, "attr_flex_algo_include_all", Kind::WideMask, "RFC 9351"),
    one(1043, "attr_flex_algo_flags", Kind::WideMask, "RFC 9351"),
    many(1044, "attr_flex_algo_prefix_metric", Kind::FlexibleAlgorithmMetric, "RFC 9351"),
    one(1045, "attr_flex_algo_exclude_srlg", Kind::Numbers32, "RFC 9351"),
    one(1046, "attr_flex_algo_unsupported", Kind::Hex, "RFC 9351"),
    one(1088, "attr_admin_group", Kind::Mask, "RFC 9552"),
    one(1089, "attr_max_bw", Kind::Bandwidth, "RFC 9552"),
    one(1090, "attr_max_resv_bw", Kind::Bandwidth, "RFC 9552"),
    one(1091, "attr_unresv_bw", Kind::Bandwidths, "RFC 9552"),
    one(1092, "attr_te_df_metric", Kind::Number, "RFC 9552"),
    one(1093, "attr_link_protection", Kind::Mask, "RFC 9552"),
    one(1094, "attr_mpls_protocols", Kind::Mask, "RFC 9552"),
    one(1095, "attr_igp_metric", Kind::Number, "RFC 9552"),
    one(1096, "attr_srlg", Kind::Numbers32, "RFC 9552"),
    many(1097, "attr_opaque_link", Kind::Hex, "RFC 9552"),
    one(1098, "attr_link_name", Kind::Text, "RFC 9552"),
    many(1099, "attr_adj_sid", Kind::AdjacencySid, "RFC 9085"),
    many(1100, "attr_lan_adj_sid", Kind::LanAdjacencySid, "RFC 9085"),
    many(1101, "attr_peer_node_sid", Kind::AdjacencySid, "RFC 9086"),
    many(1102, "attr_peer_adj_sid", Kind::AdjacencySid, "RFC 9086"),
    many(1103, "attr_peer_set_sid", Kind::AdjacencySid, "RFC 9086"),
    one(1105, "attr_rtm_capability", Kind::Hex, "RFC 8169"),
    many(1106, "attr_srv6_endx_sid", Kind::Srv6EndX, "RFC 9514"),
    many(1107, "attr_srv6_isis_lan_endx_sid", Kind::Srv6IsisLanEndX, "RFC 9514"),
    many(1108, "attr_srv6_ospf_lan_endx_sid", Kind::Srv6OspfLanEndX, "RFC 9514"),
    one(1114, "attr_delay", Kind::Delay, "RFC 8571"),
    one(1115, "attr_min_max_delay", Kind::DelayRange, "RFC 8571"),
    one(1116, "attr_delay_variation", Kind::DelayVariation, "RFC 8571"),
    one(1117, "attr_loss", Kind::Loss, "RFC 8571"),
    one(1118, "attr_residual_bw", Kind::Bandwidth, "RFC 8571"),
    one(1119, "attr_available_bw", Kind::Bandwidth, "RFC 8571"),
    one(1120, "attr_utilized_bw", Kind::Bandwidth, "RFC 8571"),
    one(1121, "attr_graceful_link_shutdown", Kind::Present, "RFC 8379"),
    many(1122, "attr_asla", Kind::ApplicationSpecific, "RFC 9294"),
    one(1152, "attr_igp_flags", Kind::Mask, "RFC 9552"),
    one(1153, "attr_igp_route_tags", Kind::Numbers32, "RFC 9552"),
    one(1154, "attr_igp_ext_route_tags", Kind::Numbers64, "RFC 9552"),
    one(1155, "attr_prefix_metric", Kind::Number, "RFC 9552"),
    one(1156, "attr_ospf_forwarding_addr", Kind::Address, "RFC 9552"),
    many(1157, "attr_opaque_prefix", Kind::Hex, "RFC 9552"),
    many(1158, "attr_prefix_sid", Kind::PrefixSid, "RFC 9085"),
    many(1159, "attr_sid_range", Kind::SidRange, "RFC 9085"),
    many(1160, "attr_isis_flood_reflection", Kind::Hex, "draft-ietf-idr-bgp-ls-isis-flood-reflection"),
    one(1161, "attr_sid", Kind::Sid, "RFC 9085"),
    many(1162, "attr_srv6_locator", Kind::Srv6Locator, "RFC 9514"),
    one(1170, "attr_prefix_flags", Kind::WideMask, "RFC 9085"),
    one(1171, "attr_source_rid", Kind::Address, "RFC 9085"),
    many(1172, "attr_l2_bundle_member", Kind::BundleMember, "RFC 9085"),
    one(1173, "attr_ext_admin_group", Kind::WideMask, "RFC 9104"),
    one(1174, "attr_source_ospf_rid", Kind::Address, "RFC 9085"),
    one(1180, "attr_spf_capability", Kind::Hex, "RFC 9815"),
    one(1181, "attr_sequence_number", Kind::Number, "RFC 9815"),
    one(1182, "attr_v4_link_prefix_length", Kind::Number, "RFC 9815"),
    one(1183, "attr_v6_link_prefix_length", Kind::Number, "RFC 9815"),
    one(1184, "attr_spf_status", Kind::Number, "RFC 9815"),
    one(1200, "attr_mpls_te_policy_state", Kind::Hex, "draft-ietf-idr-bgp-ls-te-path"),
    many(1201, "attr_sr_binding_sid", Kind::BindingSid, "RFC 9857"),
    one(1202, "attr_sr_cp_state", Kind::PathState, "RFC 9857"),
    one(1203, "attr_sr_cp_name", Kind::Text, "RFC 9857"),
    one(1204, "attr_sr_cp_constraints", Kind::PathConstraints, "RFC 9857"),
    many(1205, "attr_sr_segment_list", Kind::SegmentList, "RFC 9857"),
    many(1206, "attr_sr_segment", Kind::Segment, "RFC 9857"),
    many(1207, "attr_sr_segment_list_metric", Kind::SegmentListMetric, "RFC 9857"),
    one(1208, "attr_sr_affinity", Kind::Hex, "RFC 9857"),
    one(1209, "attr_sr_srlg", Kind::Numbers32, "RFC 9857"),
    one(1210, "attr_sr_bw", Kind::Bandwidth, "RFC 9857"),
    one(1211, "attr_sr_disjoint_group", Kind::Hex, "RFC 9857"),
    many(1212, "attr_srv6_binding_sid", Kind::Srv6BindingSid, "RFC 9857"),
    one(1213, "attr_sr_policy_name", Kind::Text, "RFC 9857"),
    one(1214, "attr_sr_bidirectional_group", Kind::Hex, "RFC 9857"),
    many(1215, "attr_sr_metric_constraint", Kind::MetricConstraint, "RFC 9857"),
    one(1216, "attr_sr_segment_list_bw", Kind::Bandwidth, "RFC 9857"),
    one(1217, "attr_sr_segment_list_id", Kind::Number, "RFC 9857"),
    one(1250, "attr_srv6_behavior", Kind::Srv6Behavior, "RFC 9514"),
    one(1251, "attr_srv6_peer", Kind::Srv6Peer, "RFC 9514"),
    one(1252, "attr_srv6_sid_structure", Kind::Srv6Structure, "RFC 9514"),
];

/// The TLV of a type.
pub fn find(code: u16) -> Option<&'static Row> {
    TLVS.binary_search_by_key(&code, |row| row.code).ok().and_then(|at| TLVS.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_ascend_and_names_are_different() {
        assert!(TLVS.is_sorted_by(|a, b| a.code < b.code));
        for (at, row) in TLVS.iter().enumerate() {
            assert!(row.name.starts_with("attr_") && !row.source.is_empty());
            assert!(TLVS[..at].iter().all(|other| other.name != row.name), "{}", row.name);
            assert_eq!(find(row.code), Some(row));
        }
        assert_eq!(find(1033), None);
    }
}
