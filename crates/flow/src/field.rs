//! The built-in fields of a row.
//!
//! They are listed in the order in which rows store them. It is that of common templates, so that fields that are
//! adjacent in a record are adjacent in the row, and one copy moves several.

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $size:literal,)*) => {
        /// A built-in field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $name),* }

        impl Field {
            /// All fields, in the order of the row.
            pub const ALL: &'static [Field] = &[$(Field::$name),*];
            /// The number of fields.
            pub const COUNT: usize = Self::ALL.len();

            /// Size of the field in a row, in bytes.
            pub const fn size(self) -> usize {
                match self { $(Field::$name => $size),* }
            }
        }
    };
}

fields! {
    /// Source IPv4 or IPv6 address.
    SrcHost = 16,
    /// Destination IPv4 or IPv6 address.
    DstHost = 16,
    /// BGP next hop.
    PeerDstIp = 16,
    /// Input interface (SNMP ifIndex).
    InIface = 4,
    /// Output interface (SNMP ifIndex).
    OutIface = 4,
    /// Source port of TCP, UDP, SCTP.
    SrcPort = 2,
    /// Destination port of TCP, UDP, SCTP.
    DstPort = 2,
    /// TCP flags, ORed over the aggregate.
    TcpFlags = 1,
    /// IP protocol.
    Proto = 1,
    /// IPv4 type of service or IPv6 traffic class.
    Tos = 1,
    /// Source AS number.
    SrcAs = 4,
    /// Destination AS number.
    DstAs = 4,
    /// Prefix length of the source network.
    SrcMask = 1,
    /// Prefix length of the destination network.
    DstMask = 1,
    /// 1 if the record is an event without counters; such aggregates are separate from flows.
    Event = 1,
    /// Priority of the outermost 802.1Q tag.
    Cos = 1,
    /// EtherType of the payload, in hexadecimal.
    Etype = 2,
    /// Source MAC address.
    SrcMac = 6,
    /// Destination MAC address.
    DstMac = 6,
    /// VLAN ID in the direction of the flow.
    Vlan = 2,
    /// Ingress VLAN ID.
    InVlan = 2,
    /// Egress VLAN ID.
    OutVlan = 2,
    /// Ingress customer VLAN ID.
    InCvlan = 2,
    /// Egress customer VLAN ID.
    OutCvlan = 2,
    /// Source network: source address truncated to its prefix length.
    SrcNet = 16,
    /// Destination network: destination address truncated to its prefix length.
    DstNet = 16,
    /// IPv6 flow label.
    FlowLabel = 4,
    /// AS path to the destination.
    AsPath = 4,
    /// Standard communities of the route to the destination.
    Comms = 4,
    /// Extended communities of the route to the destination.
    Ecomms = 4,
    /// Large communities of the route to the destination.
    Lcomms = 4,
    /// Local preference of the route to the destination.
    LocalPref = 4,
    /// Multi-exit discriminator of the route to the destination.
    Med = 4,
    /// AS path to the source.
    SrcAsPath = 4,
    /// Standard communities of the route to the source.
    SrcComms = 4,
    /// Extended communities of the route to the source.
    SrcEcomms = 4,
    /// Large communities of the route to the source.
    SrcLcomms = 4,
    /// Local preference of the route to the source.
    SrcLocalPref = 4,
    /// Multi-exit discriminator of the route to the source.
    SrcMed = 4,
    /// RPKI validity of the route to the source.
    SrcRoa = 1,
    /// RPKI validity of the route to the destination.
    DstRoa = 1,
    /// Neighbour AS that the traffic came from.
    PeerSrcAs = 4,
    /// Neighbour AS that the traffic goes to.
    PeerDstAs = 4,
    /// Firewall event.
    FwEvent = 1,
    /// NAT event.
    NatEvent = 1,
    /// Source address after translation.
    PostNatSrcHost = 16,
    /// Destination address after translation.
    PostNatDstHost = 16,
    /// Source port after translation.
    PostNatSrcPort = 2,
    /// Destination port after translation.
    PostNatDstPort = 2,
    /// VXLAN network identifier.
    Vxlan = 4,
    /// NVGRE virtual subnet identifier.
    Nvgre = 4,
    /// Source MAC address inside the tunnel.
    TunnelSrcMac = 6,
    /// Destination MAC address inside the tunnel.
    TunnelDstMac = 6,
    /// Source address inside the tunnel.
    TunnelSrcHost = 16,
    /// Destination address inside the tunnel.
    TunnelDstHost = 16,
    /// IP protocol inside the tunnel.
    TunnelProto = 1,
    /// Type of service or traffic class inside the tunnel.
    TunnelTos = 1,
    /// Source port inside the tunnel.
    TunnelSrcPort = 2,
    /// Destination port inside the tunnel.
    TunnelDstPort = 2,
    /// TCP flags inside the tunnel, ORed over the aggregate.
    TunnelTcpFlags = 1,
    /// IPv6 flow label inside the tunnel.
    TunnelFlowLabel = 4,
    /// MPLS label at the bottom of the stack.
    MplsLabelBottom = 4,
    /// MPLS label at the top of the stack.
    MplsLabelTop = 4,
    /// Whole MPLS label stack, top first.
    MplsLabelStack = 4,
    /// Route distinguisher of the MPLS VPN.
    MplsVpnRd = 8,
    /// Origin of the route distinguisher ([`crate::kind::RdOrigin`]).
    MplsVpnRdOrigin = 1,
    /// Pseudowire ID of the MPLS L2 VPN.
    MplsPwId = 4,
    /// VRF name of the flow, from either side.
    VrfName = 4,
    /// Ingress VRF name.
    IngressVrfName = 4,
    /// Egress VRF name.
    EgressVrfName = 4,
    /// Application.
    Class = 4,
    /// Country of the source address.
    SrcCountry = 4,
    /// Country of the destination address.
    DstCountry = 4,
    /// Postal code of the source address.
    SrcPocode = 4,
    /// Postal code of the destination address.
    DstPocode = 4,
    /// Latitude and longitude of the source address.
    SrcCoords = 16,
    /// Latitude and longitude of the destination address.
    DstCoords = 16,
    /// Name of the input interface.
    InIfaceName = 4,
    /// Name of the output interface.
    OutIfaceName = 4,
    /// Address of the exporter.
    PeerSrcIp = 16,
    /// Sampling interval N: one in N packets is sampled.
    SamplingRate = 4,
    /// Observation point of the flow: i (ingress), e (egress), u (unknown).
    Direction = 1,
    /// Numeric tag of pre_tag_map.
    Tag = 8,
    /// Second numeric tag of pre_tag_map.
    Tag2 = 8,
    /// Text label of pre_tag_map.
    Label = 4,
    /// Sequence number in the header of the export protocol.
    ExportSequence = 4,
    /// Version of the export protocol.
    ExportVersion = 2,
    /// Engine, source ID or observation domain in the header of the export protocol.
    ExportSysid = 4,
    /// Forwarding status.
    FwdStatus = 1,
    /// Mean on-path delay, in microseconds.
    PathDelayAvg = 4,
    /// Minimum on-path delay, in microseconds.
    PathDelayMin = 4,
    /// Maximum on-path delay, in microseconds.
    PathDelayMax = 4,
    /// SRv6 segment list.
    Srv6Segments = 4,
    /// Time at which the flow started or was observed.
    TimeStart = 8,
    /// Time at which the flow ended.
    TimeEnd = 8,
    /// Time at which the collector received the flow.
    TimeArrival = 8,
    /// Time at which the exporter sent the flow.
    TimeExport = 8,
    /// IP next hop.
    NextHop = 16,
    /// Ingress VRF ID.
    IngressVrf = 4,
    /// Egress VRF ID.
    EgressVrf = 4,
    /// ID of the record's template.
    Template = 2,
    /// Engine type of the exporter (NetFlow v5).
    EngineType = 1,
    /// BGP next hop of the route to the source, for maps only.
    SrcRouteNextHop = 16,
    /// First AS of the route to the source, for maps only.
    SrcRoutePeerAs = 4,
    /// ICMP type and code, for probes, which send them as the destination port.
    IcmpTypeCode = 2,
    /// Presence bits: the values that the record contained, a set of [`crate::presence::Presence`]s.
    Presence = 8,
}
