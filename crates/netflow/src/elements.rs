//! The information elements: number, name, type and unit.
//!
//! Numbers and names are those of the IANA registry "IPFIX Information Elements"
//! (<https://www.iana.org/assignments/ipfix/>); NetFlow v9 shares 1 to 127. Missing numbers are reserved or unassigned.

/// Abstract data type of an element (RFC 7011 section 6.1, RFC 6313).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Unsigned number of this many octets, or fewer (reduced-size encoding).
    Unsigned(u8),
    /// Signed number of this many octets, or fewer.
    Signed(u8),
    /// Floating-point number of this many octets, or fewer.
    Float(u8),
    /// 1 is true, 2 is false.
    Boolean,
    /// Opaque octets.
    Octets,
    /// MAC address.
    Mac,
    /// UTF-8 text.
    Text,
    /// Seconds since 1970, four octets.
    Seconds,
    /// Milliseconds since 1970, eight octets.
    Milliseconds,
    /// NTP timestamp with a precision of microseconds, eight octets.
    Microseconds,
    /// NTP timestamp with a precision of nanoseconds, eight octets.
    Nanoseconds,
    /// IPv4 address.
    Ipv4,
    /// IPv6 address.
    Ipv6,
    /// Values of one element.
    BasicList,
    /// Records of one template.
    SubTemplateList,
    /// Records of several templates.
    SubTemplateMultiList,
}

/// An information element of the IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
}

impl Element {
    const fn new(number: u16, name: &'static str, kind: Type, unit: &'static str) -> Self {
        Self { number, name, kind, unit }
    }
}

/// Returns the element with this number.
pub fn find(number: u16) -> Option<&'static Element> {
    let at = ELEMENTS.binary_search_by_key(&number, |element| element.number).ok()?;
    ELEMENTS.get(at)
}

/// Returns the element with this name.
pub fn by_name(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.name == name)
}

/// Defines a constant for the number of each element, and [`ELEMENTS`].
macro_rules! elements {
    ($($constant:ident = $number:literal $name:literal $kind:expr, $unit:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: u16 = $number;
        )*

        /// All elements, by number.
        pub static ELEMENTS: &[Element] = {
            use Type::*;
            &[$(Element::new($number, $name, $kind, $unit)),*]
        };

        #[cfg(test)]
        static CONSTANTS: &[&str] = &[$(stringify!($constant)),*];
    };
}

#[rustfmt::skip]
elements! {
    OCTET_DELTA_COUNT = 1 "octetDeltaCount" Unsigned(8), "octets";
    PACKET_DELTA_COUNT = 2 "packetDeltaCount" Unsigned(8), "packets";
    DELTA_FLOW_COUNT = 3 "deltaFlowCount" Unsigned(8), "";
    PROTOCOL_IDENTIFIER = 4 "protocolIdentifier" Unsigned(1), "";
    IP_CLASS_OF_SERVICE = 5 "ipClassOfService" Unsigned(1), "";
    TCP_CONTROL_BITS = 6 "tcpControlBits" Unsigned(2), "";
    SOURCE_TRANSPORT_PORT = 7 "sourceTransportPort" Unsigned(2), "";
    SOURCE_IPV4_ADDRESS = 8 "sourceIPv4Address" Ipv4, "";
    SOURCE_IPV4_PREFIX_LENGTH = 9 "sourceIPv4PrefixLength" Unsigned(1), "";
    INGRESS_INTERFACE = 10 "ingressInterface" Unsigned(4), "";
    DESTINATION_TRANSPORT_PORT = 11 "destinationTransportPort" Unsigned(2), "";
    DESTINATION_IPV4_ADDRESS = 12 "destinationIPv4Address" Ipv4, "";
    DESTINATION_IPV4_PREFIX_LENGTH = 13 "destinationIPv4PrefixLength" Unsigned(1), "";
    EGRESS_INTERFACE = 14 "egressInterface" Unsigned(4), "";
    IP_NEXT_HOP_IPV4_ADDRESS = 15 "ipNextHopIPv4Address" Ipv4, "";
    BGP_SOURCE_AS_NUMBER = 16 "bgpSourceAsNumber" Unsigned(4), "";
    BGP_DESTINATION_AS_NUMBER = 17 "bgpDestinationAsNumber" Unsigned(4), "";
    BGP_NEXT_HOP_IPV4_ADDRESS = 18 "bgpNextHopIPv4Address" Ipv4, "";
    POST_MCAST_PACKET_DELTA_COUNT = 19 "postMCastPacketDeltaCount" Unsigned(8), "packets";
    POST_MCAST_OCTET_DELTA_COUNT = 20 "postMCastOctetDeltaCount" Unsigned(8), "octets";
    FLOW_END_SYS_UP_TIME = 21 "flowEndSysUpTime" Unsigned(4), "milliseconds";
    FLOW_START_SYS_UP_TIME = 22 "flowStartSysUpTime" Unsigned(4), "milliseconds";
    POST_OCTET_DELTA_COUNT = 23 "postOctetDeltaCount" Unsigned(8), "octets";
    POST_PACKET_DELTA_COUNT = 24 "postPacketDeltaCount" Unsigned(8), "packets";
    MINIMUM_IP_TOTAL_LENGTH = 25 "minimumIpTotalLength" Unsigned(8), "octets";
    MAXIMUM_IP_TOTAL_LENGTH = 26 "maximumIpTotalLength" Unsigned(8), "octets";
    SOURCE_IPV6_ADDRESS = 27 "sourceIPv6Address" Ipv6, "";
    DESTINATION_IPV6_ADDRESS = 28 "destinationIPv6Address" Ipv6, "";
    SOURCE_IPV6_PREFIX_LENGTH = 29 "sourceIPv6PrefixLength" Unsigned(1), "";
    DESTINATION_IPV6_PREFIX_LENGTH = 30 "destinationIPv6PrefixLength" Unsigned(1), "";
    FLOW_LABEL_IPV6 = 31 "flowLabelIPv6" Unsigned(4), "";
    ICMP_TYPE_CODE_IPV4 = 32 "icmpTypeCodeIPv4" Unsigned(2), "";
    IGMP_TYPE = 33 "igmpType" Unsigned(1), "";
    SAMPLING_INTERVAL = 34 "samplingInterval" Unsigned(4), "packets";
    SAMPLING_ALGORITHM = 35 "samplingAlgorithm" Unsigned(1), "";
    FLOW_ACTIVE_TIMEOUT = 36 "flowActiveTimeout" Unsigned(2), "seconds";
    FLOW_IDLE_TIMEOUT = 37 "flowIdleTimeout" Unsigned(2), "seconds";
    ENGINE_TYPE = 38 "engineType" Unsigned(1), "";
    ENGINE_ID = 39 "engineId" Unsigned(1), "";
    EXPORTED_OCTET_TOTAL_COUNT = 40 "exportedOctetTotalCount" Unsigned(8), "octets";
    EXPORTED_MESSAGE_TOTAL_COUNT = 41 "exportedMessageTotalCount" Unsigned(8), "";
    EXPORTED_FLOW_RECORD_TOTAL_COUNT = 42 "exportedFlowRecordTotalCount" Unsigned(8), "flows";
    IPV4_ROUTER_SC = 43 "ipv4RouterSc" Ipv4, "";
    SOURCE_IPV4_PREFIX = 44 "sourceIPv4Prefix" Ipv4, "";
    DESTINATION_IPV4_PREFIX = 45 "destinationIPv4Prefix" Ipv4, "";
    MPLS_TOP_LABEL_TYPE = 46 "mplsTopLabelType" Unsigned(1), "";
    MPLS_TOP_LABEL_IPV4_ADDRESS = 47 "mplsTopLabelIPv4Address" Ipv4, "";
    SAMPLER_ID = 48 "samplerId" Unsigned(1), "";
    SAMPLER_MODE = 49 "samplerMode" Unsigned(1), "";
    SAMPLER_RANDOM_INTERVAL = 50 "samplerRandomInterval" Unsigned(4), "packets";
    CLASS_ID = 51 "classId" Unsigned(1), "";
    MINIMUM_TTL = 52 "minimumTTL" Unsigned(1), "hops";
    MAXIMUM_TTL = 53 "maximumTTL" Unsigned(1), "hops";
    FRAGMENT_IDENTIFICATION = 54 "fragmentIdentification" Unsigned(4), "";
    POST_IP_CLASS_OF_SERVICE = 55 "postIpClassOfService" Unsigned(1), "";
    SOURCE_MAC_ADDRESS = 56 "sourceMacAddress" Mac, "";
    POST_DESTINATION_MAC_ADDRESS = 57 "postDestinationMacAddress" Mac, "";
    VLAN_ID = 58 "vlanId" Unsigned(2), "";
    POST_VLAN_ID = 59 "postVlanId" Unsigned(2), "";
    IP_VERSION = 60 "ipVersion" Unsigned(1), "";
    FLOW_DIRECTION = 61 "flowDirection" Unsigned(1), "";
    IP_NEXT_HOP_IPV6_ADDRESS = 62 "ipNextHopIPv6Address" Ipv6, "";
    BGP_NEXT_HOP_IPV6_ADDRESS = 63 "bgpNextHopIPv6Address" Ipv6, "";
    IPV6_EXTENSION_HEADERS = 64 "ipv6ExtensionHeaders" Unsigned(4), "";
    MPLS_TOP_LABEL_STACK_SECTION = 70 "mplsTopLabelStackSection" Octets, "";
    MPLS_LABEL_STACK_SECTION2 = 71 "mplsLabelStackSection2" Octets, "";
    MPLS_LABEL_STACK_SECTION3 = 72 "mplsLabelStackSection3" Octets, "";
    MPLS_LABEL_STACK_SECTION4 = 73 "mplsLabelStackSection4" Octets, "";
    MPLS_LABEL_STACK_SECTION5 = 74 "mplsLabelStackSection5" Octets, "";
    MPLS_LABEL_STACK_SECTION6 = 75 "mplsLabelStackSection6" Octets, "";
    MPLS_LABEL_STACK_SECTION7 = 76 "mplsLabelStackSection7" Octets, "";
    MPLS_LABEL_STACK_SECTION8 = 77 "mplsLabelStackSection8" Octets, "";
    MPLS_LABEL_STACK_SECTION9 = 78 "mplsLabelStackSection9" Octets, "";
    MPLS_LABEL_STACK_SECTION10 = 79 "mplsLabelStackSection10" Octets, "";
    DESTINATION_MAC_ADDRESS = 80 "destinationMacAddress" Mac, "";
    POST_SOURCE_MAC_ADDRESS = 81 "postSourceMacAddress" Mac, "";
    INTERFACE_NAME = 82 "interfaceName" Text, "";
    INTERFACE_DESCRIPTION = 83 "interfaceDescription" Text, "";
    SAMPLER_NAME = 84 "samplerName" Text, "";
    OCTET_TOTAL_COUNT = 85 "octetTotalCount" Unsigned(8), "octets";
    PACKET_TOTAL_COUNT = 86 "packetTotalCount" Unsigned(8), "packets";
    FLAGS_AND_SAMPLER_ID = 87 "flagsAndSamplerId" Unsigned(4), "";
    FRAGMENT_OFFSET = 88 "fragmentOffset" Unsigned(2), "";
    FORWARDING_STATUS = 89 "forwardingStatus" Unsigned(4), "";
    MPLS_VPN_ROUTE_DISTINGUISHER = 90 "mplsVpnRouteDistinguisher" Octets, "";
    MPLS_TOP_LABEL_PREFIX_LENGTH = 91 "mplsTopLabelPrefixLength" Unsigned(1), "";
    SRC_TRAFFIC_INDEX = 92 "srcTrafficIndex" Unsigned(4), "";
    DST_TRAFFIC_INDEX = 93 "dstTrafficIndex" Unsigned(4), "";
    APPLICATION_DESCRIPTION = 94 "applicationDescription" Text, "";
    APPLICATION_ID = 95 "applicationId" Octets, "";
    APPLICATION_NAME = 96 "applicationName" Text, "";
    POST_IP_DIFF_SERV_CODE_POINT = 98 "postIpDiffServCodePoint" Unsigned(1), "";
    MULTICAST_REPLICATION_FACTOR = 99 "multicastReplicationFactor" Unsigned(4), "";
    CLASS_NAME = 100 "className" Text, "";
    CLASSIFICATION_ENGINE_ID = 101 "classificationEngineId" Unsigned(1), "";
    LAYER2PACKET_SECTION_OFFSET = 102 "layer2packetSectionOffset" Unsigned(2), "";
    LAYER2PACKET_SECTION_SIZE = 103 "layer2packetSectionSize" Unsigned(2), "";
    LAYER2_PACKET_SECTION_DATA = 104 "layer2packetSectionData" Octets, "";
    BGP_NEXT_ADJACENT_AS_NUMBER = 128 "bgpNextAdjacentAsNumber" Unsigned(4), "";
    BGP_PREV_ADJACENT_AS_NUMBER = 129 "bgpPrevAdjacentAsNumber" Unsigned(4), "";
    EXPORTER_IPV4_ADDRESS = 130 "exporterIPv4Address" Ipv4, "";
    EXPORTER_IPV6_ADDRESS = 131 "exporterIPv6Address" Ipv6, "";
    DROPPED_OCTET_DELTA_COUNT = 132 "droppedOctetDeltaCount" Unsigned(8), "octets";
    DROPPED_PACKET_DELTA_COUNT = 133 "droppedPacketDeltaCount" Unsigned(8), "packets";
    DROPPED_OCTET_TOTAL_COUNT = 134 "droppedOctetTotalCount" Unsigned(8), "octets";
    DROPPED_PACKET_TOTAL_COUNT = 135 "droppedPacketTotalCount" Unsigned(8), "packets";
    FLOW_END_REASON = 136 "flowEndReason" Unsigned(1), "";
    COMMON_PROPERTIES_ID = 137 "commonPropertiesId" Unsigned(8), "";
    OBSERVATION_POINT_ID = 138 "observationPointId" Unsigned(8), "";
    ICMP_TYPE_CODE_IPV6 = 139 "icmpTypeCodeIPv6" Unsigned(2), "";
    MPLS_TOP_LABEL_IPV6_ADDRESS = 140 "mplsTopLabelIPv6Address" Ipv6, "";
    LINE_CARD_ID = 141 "lineCardId" Unsigned(4), "";
    PORT_ID = 142 "portId" Unsigned(4), "";
    METERING_PROCESS_ID = 143 "meteringProcessId" Unsigned(4), "";
    EXPORTING_PROCESS_ID = 144 "exportingProcessId" Unsigned(4), "";
    TEMPLATE_ID = 145 "templateId" Unsigned(2), "";
    WLAN_CHANNEL_ID = 146 "wlanChannelId" Unsigned(1), "";
    WLAN_SSID = 147 "wlanSSID" Text, "";
    FLOW_ID = 148 "flowId" Unsigned(8), "";
    OBSERVATION_DOMAIN_ID = 149 "observationDomainId" Unsigned(4), "";
    FLOW_START_SECONDS = 150 "flowStartSeconds" Seconds, "seconds";
    FLOW_END_SECONDS = 151 "flowEndSeconds" Seconds, "seconds";
    FLOW_START_MILLISECONDS = 152 "flowStartMilliseconds" Milliseconds, "milliseconds";
    FLOW_END_MILLISECONDS = 153 "flowEndMilliseconds" Milliseconds, "milliseconds";
    FLOW_START_MICROSECONDS = 154 "flowStartMicroseconds" Microseconds, "microseconds";
    FLOW_END_MICROSECONDS = 155 "flowEndMicroseconds" Microseconds, "microseconds";
    FLOW_START_NANOSECONDS = 156 "flowStartNanoseconds" Nanoseconds, "nanoseconds";
    FLOW_END_NANOSECONDS = 157 "flowEndNanoseconds" Nanoseconds, "nanoseconds";
    FLOW_START_DELTA_MICROSECONDS = 158 "flowStartDeltaMicroseconds" Unsigned(4), "microseconds";
    FLOW_END_DELTA_MICROSECONDS = 159 "flowEndDeltaMicroseconds" Unsigned(4), "microseconds";
    SYSTEM_INIT_TIME_MILLISECONDS = 160 "systemInitTimeMilliseconds" Milliseconds, "milliseconds";
    FLOW_DURATION_MILLISECONDS = 161 "flowDurationMilliseconds" Unsigned(4), "milliseconds";
    FLOW_DURATION_MICROSECONDS = 162 "flowDurationMicroseconds" Unsigned(4), "microseconds";
    OBSERVED_FLOW_TOTAL_COUNT = 163 "observedFlowTotalCount" Unsigned(8), "flows";
    IGNORED_PACKET_TOTAL_COUNT = 164 "ignoredPacketTotalCount" Unsigned(8), "packets";
    IGNORED_OCTET_TOTAL_COUNT = 165 "ignoredOctetTotalCount" Unsigned(8), "octets";
    NOT_SENT_FLOW_TOTAL_COUNT = 166 "notSentFlowTotalCount" Unsigned(8), "flows";
    NOT_SENT_PACKET_TOTAL_COUNT = 167 "notSentPacketTotalCount" Unsigned(8), "packets";
    NOT_SENT_OCTET_TOTAL_COUNT = 168 "notSentOctetTotalCount" Unsigned(8), "octets";
    DESTINATION_IPV6_PREFIX = 169 "destinationIPv6Prefix" Ipv6, "";
    SOURCE_IPV6_PREFIX = 170 "sourceIPv6Prefix" Ipv6, "";
    POST_OCTET_TOTAL_COUNT = 171 "postOctetTotalCount" Unsigned(8), "octets";
    POST_PACKET_TOTAL_COUNT = 172 "postPacketTotalCount" Unsigned(8), "packets";
    FLOW_KEY_INDICATOR = 173 "flowKeyIndicator" Unsigned(8), "";
    POST_MCAST_PACKET_TOTAL_COUNT = 174 "postMCastPacketTotalCount" Unsigned(8), "packets";
    POST_MCAST_OCTET_TOTAL_COUNT = 175 "postMCastOctetTotalCount" Unsigned(8), "octets";
    ICMP_TYPE_IPV4 = 176 "icmpTypeIPv4" Unsigned(1), "";
    ICMP_CODE_IPV4 = 177 "icmpCodeIPv4" Unsigned(1), "";
    ICMP_TYPE_IPV6 = 178 "icmpTypeIPv6" Unsigned(1), "";
    ICMP_CODE_IPV6 = 179 "icmpCodeIPv6" Unsigned(1), "";
    UDP_SOURCE_PORT = 180 "udpSourcePort" Unsigned(2), "";
    UDP_DESTINATION_PORT = 181 "udpDestinationPort" Unsigned(2), "";
    TCP_SOURCE_PORT = 182 "tcpSourcePort" Unsigned(2), "";
    TCP_DESTINATION_PORT = 183 "tcpDestinationPort" Unsigned(2), "";
    TCP_SEQUENCE_NUMBER = 184 "tcpSequenceNumber" Unsigned(4), "";
    TCP_ACKNOWLEDGEMENT_NUMBER = 185 "tcpAcknowledgementNumber" Unsigned(4), "";
    TCP_WINDOW_SIZE = 186 "tcpWindowSize" Unsigned(2), "";
    TCP_URGENT_POINTER = 187 "tcpUrgentPointer" Unsigned(2), "";
    TCP_HEADER_LENGTH = 188 "tcpHeaderLength" Unsigned(1), "octets";
    IP_HEADER_LENGTH = 189 "ipHeaderLength" Unsigned(1), "octets";
    TOTAL_LENGTH_IPV4 = 190 "totalLengthIPv4" Unsigned(2), "octets";
    PAYLOAD_LENGTH_IPV6 = 191 "payloadLengthIPv6" Unsigned(2), "";
    IP_TTL = 192 "ipTTL" Unsigned(1), "hops";
    NEXT_HEADER_IPV6 = 193 "nextHeaderIPv6" Unsigned(1), "";
    MPLS_PAYLOAD_LENGTH = 194 "mplsPayloadLength" Unsigned(4), "";
    IP_DIFF_SERV_CODE_POINT = 195 "ipDiffServCodePoint" Unsigned(1), "";
    IP_PRECEDENCE = 196 "ipPrecedence" Unsigned(1), "";
    FRAGMENT_FLAGS = 197 "fragmentFlags" Unsigned(1), "";
    OCTET_DELTA_SUM_OF_SQUARES = 198 "octetDeltaSumOfSquares" Unsigned(8), "";
    OCTET_TOTAL_SUM_OF_SQUARES = 199 "octetTotalSumOfSquares" Unsigned(8), "";
    MPLS_TOP_LABEL_TTL = 200 "mplsTopLabelTTL" Unsigned(1), "";
    MPLS_LABEL_STACK_LENGTH = 201 "mplsLabelStackLength" Unsigned(4), "";
    MPLS_LABEL_STACK_DEPTH = 202 "mplsLabelStackDepth" Unsigned(4), "";
    MPLS_TOP_LABEL_EXP = 203 "mplsTopLabelExp" Unsigned(1), "";
    IP_PAYLOAD_LENGTH = 204 "ipPayloadLength" Unsigned(4), "";
    UDP_MESSAGE_LENGTH = 205 "udpMessageLength" Unsigned(2), "";
    IS_MULTICAST = 206 "isMulticast" Unsigned(1), "";
    IPV4_IHL = 207 "ipv4IHL" Unsigned(1), "";
    IPV4_OPTIONS = 208 "ipv4Options" Unsigned(4), "";
    TCP_OPTIONS = 209 "tcpOptions" Unsigned(8), "";
    PADDING_OCTETS = 210 "paddingOctets" Octets, "";
    COLLECTOR_IPV4_ADDRESS = 211 "collectorIPv4Address" Ipv4, "";
    COLLECTOR_IPV6_ADDRESS = 212 "collectorIPv6Address" Ipv6, "";
    EXPORT_INTERFACE = 213 "exportInterface" Unsigned(4), "";
    EXPORT_PROTOCOL_VERSION = 214 "exportProtocolVersion" Unsigned(1), "";
    EXPORT_TRANSPORT_PROTOCOL = 215 "exportTransportProtocol" Unsigned(1), "";
    COLLECTOR_TRANSPORT_PORT = 216 "collectorTransportPort" Unsigned(2), "";
    EXPORTER_TRANSPORT_PORT = 217 "exporterTransportPort" Unsigned(2), "";
    TCP_SYN_TOTAL_COUNT = 218 "tcpSynTotalCount" Unsigned(8), "";
    TCP_FIN_TOTAL_COUNT = 219 "tcpFinTotalCount" Unsigned(8), "";
    TCP_RST_TOTAL_COUNT = 220 "tcpRstTotalCount" Unsigned(8), "";
    TCP_PSH_TOTAL_COUNT = 221 "tcpPshTotalCount" Unsigned(8), "";
    TCP_ACK_TOTAL_COUNT = 222 "tcpAckTotalCount" Unsigned(8), "";
    TCP_URG_TOTAL_COUNT = 223 "tcpUrgTotalCount" Unsigned(8), "";
    IP_TOTAL_LENGTH = 224 "ipTotalLength" Unsigned(8), "octets";
    POST_NAT_SOURCE_IPV4_ADDRESS = 225 "postNATSourceIPv4Address" Ipv4, "";
    POST_NAT_DESTINATION_IPV4_ADDRESS = 226 "postNATDestinationIPv4Address" Ipv4, "";
    POST_NAPT_SOURCE_TRANSPORT_PORT = 227 "postNAPTSourceTransportPort" Unsigned(2), "";
    POST_NAPT_DESTINATION_TRANSPORT_PORT = 228 "postNAPTDestinationTransportPort" Unsigned(2), "";
    NAT_ORIGINATING_ADDRESS_REALM = 229 "natOriginatingAddressRealm" Unsigned(1), "";
    NAT_EVENT = 230 "natEvent" Unsigned(1), "";
    INITIATOR_OCTETS = 231 "initiatorOctets" Unsigned(8), "";
    RESPONDER_OCTETS = 232 "responderOctets" Unsigned(8), "";
    FIREWALL_EVENT = 233 "firewallEvent" Unsigned(1), "";
    INGRESS_VRF_ID = 234 "ingressVRFID" Unsigned(4), "";
    EGRESS_VRF_ID = 235 "egressVRFID" Unsigned(4), "";
    VRF_NAME = 236 "VRFname" Text, "";
    POST_MPLS_TOP_LABEL_EXP = 237 "postMplsTopLabelExp" Unsigned(1), "";
    TCP_WINDOW_SCALE = 238 "tcpWindowScale" Unsigned(2), "";
    BIFLOW_DIRECTION = 239 "biflowDirection" Unsigned(1), "";
    ETHERNET_HEADER_LENGTH = 240 "ethernetHeaderLength" Unsigned(1), "octets";
    ETHERNET_PAYLOAD_LENGTH = 241 "ethernetPayloadLength" Unsigned(2), "";
    ETHERNET_TOTAL_LENGTH = 242 "ethernetTotalLength" Unsigned(2), "octets";
    DOT1Q_VLAN_ID = 243 "dot1qVlanId" Unsigned(2), "";
    DOT1Q_PRIORITY = 244 "dot1qPriority" Unsigned(1), "";
    DOT1Q_CUSTOMER_VLAN_ID = 245 "dot1qCustomerVlanId" Unsigned(2), "";
    DOT1Q_CUSTOMER_PRIORITY = 246 "dot1qCustomerPriority" Unsigned(1), "";
    METRO_EVC_ID = 247 "metroEvcId" Text, "";
    METRO_EVC_TYPE = 248 "metroEvcType" Unsigned(1), "";
    PSEUDO_WIRE_ID = 249 "pseudoWireId" Unsigned(4), "";
    PSEUDO_WIRE_TYPE = 250 "pseudoWireType" Unsigned(2), "";
    PSEUDO_WIRE_CONTROL_WORD = 251 "pseudoWireControlWord" Unsigned(4), "";
    INGRESS_PHYSICAL_INTERFACE = 252 "ingressPhysicalInterface" Unsigned(4), "";
    EGRESS_PHYSICAL_INTERFACE = 253 "egressPhysicalInterface" Unsigned(4), "";
    POST_DOT1Q_VLAN_ID = 254 "postDot1qVlanId" Unsigned(2), "";
    POST_DOT1Q_CUSTOMER_VLAN_ID = 255 "postDot1qCustomerVlanId" Unsigned(2), "";
    ETHERNET_TYPE = 256 "ethernetType" Unsigned(2), "";
    POST_IP_PRECEDENCE = 257 "postIpPrecedence" Unsigned(1), "";
    COLLECTION_TIME_MILLISECONDS = 258 "collectionTimeMilliseconds" Milliseconds, "milliseconds";
    EXPORT_SCTP_STREAM_ID = 259 "exportSctpStreamId" Unsigned(2), "";
    MAX_EXPORT_SECONDS = 260 "maxExportSeconds" Seconds, "seconds";
    MAX_FLOW_END_SECONDS = 261 "maxFlowEndSeconds" Seconds, "seconds";
    MESSAGE_MD5_CHECKSUM = 262 "messageMD5Checksum" Octets, "";
    MESSAGE_SCOPE = 263 "messageScope" Unsigned(1), "";
    MIN_EXPORT_SECONDS = 264 "minExportSeconds" Seconds, "seconds";
    MIN_FLOW_START_SECONDS = 265 "minFlowStartSeconds" Seconds, "seconds";
    OPAQUE_OCTETS = 266 "opaqueOctets" Octets, "";
    SESSION_SCOPE = 267 "sessionScope" Unsigned(1), "";
    MAX_FLOW_END_MICROSECONDS = 268 "maxFlowEndMicroseconds" Microseconds, "microseconds";
    MAX_FLOW_END_MILLISECONDS = 269 "maxFlowEndMilliseconds" Milliseconds, "milliseconds";
    MAX_FLOW_END_NANOSECONDS = 270 "maxFlowEndNanoseconds" Nanoseconds, "nanoseconds";
    MIN_FLOW_START_MICROSECONDS = 271 "minFlowStartMicroseconds" Microseconds, "microseconds";
    MIN_FLOW_START_MILLISECONDS = 272 "minFlowStartMilliseconds" Milliseconds, "milliseconds";
    MIN_FLOW_START_NANOSECONDS = 273 "minFlowStartNanoseconds" Nanoseconds, "nanoseconds";
    COLLECTOR_CERTIFICATE = 274 "collectorCertificate" Octets, "";
    EXPORTER_CERTIFICATE = 275 "exporterCertificate" Octets, "";
    DATA_RECORDS_RELIABILITY = 276 "dataRecordsReliability" Boolean, "";
    OBSERVATION_POINT_TYPE = 277 "observationPointType" Unsigned(1), "";
    CONNECTION_COUNT_NEW = 278 "connectionCountNew" Unsigned(4), "";
    CONNECTION_SUM_DURATION_SECONDS = 279 "connectionSumDurationSeconds" Unsigned(8), "";
    CONNECTION_TRANSACTION_ID = 280 "connectionTransactionId" Unsigned(8), "";
    POST_NAT_SOURCE_IPV6_ADDRESS = 281 "postNATSourceIPv6Address" Ipv6, "";
    POST_NAT_DESTINATION_IPV6_ADDRESS = 282 "postNATDestinationIPv6Address" Ipv6, "";
    NAT_POOL_ID = 283 "natPoolId" Unsigned(4), "";
    NAT_POOL_NAME = 284 "natPoolName" Text, "";
    ANONYMIZATION_FLAGS = 285 "anonymizationFlags" Unsigned(2), "";
    ANONYMIZATION_TECHNIQUE = 286 "anonymizationTechnique" Unsigned(2), "";
    INFORMATION_ELEMENT_INDEX = 287 "informationElementIndex" Unsigned(2), "";
    P2P_TECHNOLOGY = 288 "p2pTechnology" Text, "";
    TUNNEL_TECHNOLOGY = 289 "tunnelTechnology" Text, "";
    ENCRYPTED_TECHNOLOGY = 290 "encryptedTechnology" Text, "";
    BGP_VALIDITY_STATE = 294 "bgpValidityState" Unsigned(1), "";
    IPSEC_SPI = 295 "IPSecSPI" Unsigned(4), "";
    GRE_KEY = 296 "greKey" Unsigned(4), "";
    NAT_TYPE = 297 "natType" Unsigned(1), "";
    INITIATOR_PACKETS = 298 "initiatorPackets" Unsigned(8), "";
    RESPONDER_PACKETS = 299 "responderPackets" Unsigned(8), "";
    OBSERVATION_DOMAIN_NAME = 300 "observationDomainName" Text, "";
    SELECTION_SEQUENCE_ID = 301 "selectionSequenceId" Unsigned(8), "";
    SELECTOR_ID = 302 "selectorId" Unsigned(8), "";
    INFORMATION_ELEMENT_ID = 303 "informationElementId" Unsigned(2), "";
    SELECTOR_ALGORITHM = 304 "selectorAlgorithm" Unsigned(2), "";
    SAMPLING_PACKET_INTERVAL = 305 "samplingPacketInterval" Unsigned(4), "packets";
    SAMPLING_PACKET_SPACE = 306 "samplingPacketSpace" Unsigned(4), "packets";
    SAMPLING_TIME_INTERVAL = 307 "samplingTimeInterval" Unsigned(4), "";
    SAMPLING_TIME_SPACE = 308 "samplingTimeSpace" Unsigned(4), "";
    SAMPLING_SIZE = 309 "samplingSize" Unsigned(4), "packets";
    SAMPLING_POPULATION = 310 "samplingPopulation" Unsigned(4), "packets";
    SAMPLING_PROBABILITY = 311 "samplingProbability" Float(8), "";
    DATA_LINK_FRAME_SIZE = 312 "dataLinkFrameSize" Unsigned(2), "";
    IP_HEADER_PACKET_SECTION = 313 "ipHeaderPacketSection" Octets, "";
    IP_PAYLOAD_PACKET_SECTION = 314 "ipPayloadPacketSection" Octets, "";
    DATA_LINK_FRAME_SECTION = 315 "dataLinkFrameSection" Octets, "";
    MPLS_LABEL_STACK_SECTION = 316 "mplsLabelStackSection" Octets, "";
    MPLS_PAYLOAD_PACKET_SECTION = 317 "mplsPayloadPacketSection" Octets, "";
    SELECTOR_ID_TOTAL_PKTS_OBSERVED = 318 "selectorIdTotalPktsObserved" Unsigned(8), "";
    SELECTOR_ID_TOTAL_PKTS_SELECTED = 319 "selectorIdTotalPktsSelected" Unsigned(8), "";
    ABSOLUTE_ERROR = 320 "absoluteError" Float(8), "";
    RELATIVE_ERROR = 321 "relativeError" Float(8), "";
    OBSERVATION_TIME_SECONDS = 322 "observationTimeSeconds" Seconds, "seconds";
    OBSERVATION_TIME_MILLISECONDS = 323 "observationTimeMilliseconds" Milliseconds, "milliseconds";
    OBSERVATION_TIME_MICROSECONDS = 324 "observationTimeMicroseconds" Microseconds, "microseconds";
    OBSERVATION_TIME_NANOSECONDS = 325 "observationTimeNanoseconds" Nanoseconds, "nanoseconds";
    DIGEST_HASH_VALUE = 326 "digestHashValue" Unsigned(8), "";
    HASH_IP_PAYLOAD_OFFSET = 327 "hashIPPayloadOffset" Unsigned(8), "";
    HASH_IP_PAYLOAD_SIZE = 328 "hashIPPayloadSize" Unsigned(8), "";
    HASH_OUTPUT_RANGE_MIN = 329 "hashOutputRangeMin" Unsigned(8), "";
    HASH_OUTPUT_RANGE_MAX = 330 "hashOutputRangeMax" Unsigned(8), "";
    HASH_SELECTED_RANGE_MIN = 331 "hashSelectedRangeMin" Unsigned(8), "";
    HASH_SELECTED_RANGE_MAX = 332 "hashSelectedRangeMax" Unsigned(8), "";
    HASH_DIGEST_OUTPUT = 333 "hashDigestOutput" Boolean, "";
    HASH_INITIALISER_VALUE = 334 "hashInitialiserValue" Unsigned(8), "";
    SELECTOR_NAME = 335 "selectorName" Text, "";
    UPPER_CI_LIMIT = 336 "upperCILimit" Float(8), "";
    LOWER_CI_LIMIT = 337 "lowerCILimit" Float(8), "";
    CONFIDENCE_LEVEL = 338 "confidenceLevel" Float(8), "";
    INFORMATION_ELEMENT_DATA_TYPE = 339 "informationElementDataType" Unsigned(1), "";
    INFORMATION_ELEMENT_DESCRIPTION = 340 "informationElementDescription" Text, "";
    INFORMATION_ELEMENT_NAME = 341 "informationElementName" Text, "";
    INFORMATION_ELEMENT_RANGE_BEGIN = 342 "informationElementRangeBegin" Unsigned(8), "";
    INFORMATION_ELEMENT_RANGE_END = 343 "informationElementRangeEnd" Unsigned(8), "";
    INFORMATION_ELEMENT_SEMANTICS = 344 "informationElementSemantics" Unsigned(1), "";
    INFORMATION_ELEMENT_UNITS = 345 "informationElementUnits" Unsigned(2), "";
    PRIVATE_ENTERPRISE_NUMBER = 346 "privateEnterpriseNumber" Unsigned(4), "";
    VIRTUAL_STATION_INTERFACE_ID = 347 "virtualStationInterfaceId" Octets, "";
    VIRTUAL_STATION_INTERFACE_NAME = 348 "virtualStationInterfaceName" Text, "";
    VIRTUAL_STATION_UUID = 349 "virtualStationUUID" Octets, "";
    VIRTUAL_STATION_NAME = 350 "virtualStationName" Text, "";
    LAYER2_SEGMENT_ID = 351 "layer2SegmentId" Unsigned(8), "";
    LAYER2_OCTET_DELTA_COUNT = 352 "layer2OctetDeltaCount" Unsigned(8), "octets";
    LAYER2_OCTET_TOTAL_COUNT = 353 "layer2OctetTotalCount" Unsigned(8), "octets";
    INGRESS_UNICAST_PACKET_TOTAL_COUNT = 354 "ingressUnicastPacketTotalCount" Unsigned(8), "packets";
    INGRESS_MULTICAST_PACKET_TOTAL_COUNT = 355 "ingressMulticastPacketTotalCount" Unsigned(8), "packets";
    INGRESS_BROADCAST_PACKET_TOTAL_COUNT = 356 "ingressBroadcastPacketTotalCount" Unsigned(8), "packets";
    EGRESS_UNICAST_PACKET_TOTAL_COUNT = 357 "egressUnicastPacketTotalCount" Unsigned(8), "packets";
    EGRESS_BROADCAST_PACKET_TOTAL_COUNT = 358 "egressBroadcastPacketTotalCount" Unsigned(8), "packets";
    MONITORING_INTERVAL_START_MILLI_SECONDS = 359 "monitoringIntervalStartMilliSeconds" Milliseconds, "";
    MONITORING_INTERVAL_END_MILLI_SECONDS = 360 "monitoringIntervalEndMilliSeconds" Milliseconds, "";
    PORT_RANGE_START = 361 "portRangeStart" Unsigned(2), "";
    PORT_RANGE_END = 362 "portRangeEnd" Unsigned(2), "";
    PORT_RANGE_STEP_SIZE = 363 "portRangeStepSize" Unsigned(2), "";
    PORT_RANGE_NUM_PORTS = 364 "portRangeNumPorts" Unsigned(2), "";
    STA_MAC_ADDRESS = 365 "staMacAddress" Mac, "";
    STA_IPV4_ADDRESS = 366 "staIPv4Address" Ipv4, "";
    WTP_MAC_ADDRESS = 367 "wtpMacAddress" Mac, "";
    INGRESS_INTERFACE_TYPE = 368 "ingressInterfaceType" Unsigned(4), "";
    EGRESS_INTERFACE_TYPE = 369 "egressInterfaceType" Unsigned(4), "";
    RTP_SEQUENCE_NUMBER = 370 "rtpSequenceNumber" Unsigned(2), "";
    USER_NAME = 371 "userName" Text, "";
    APPLICATION_CATEGORY_NAME = 372 "applicationCategoryName" Text, "";
    APPLICATION_SUB_CATEGORY_NAME = 373 "applicationSubCategoryName" Text, "";
    APPLICATION_GROUP_NAME = 374 "applicationGroupName" Text, "";
    ORIGINAL_FLOWS_PRESENT = 375 "originalFlowsPresent" Unsigned(8), "";
    ORIGINAL_FLOWS_INITIATED = 376 "originalFlowsInitiated" Unsigned(8), "";
    ORIGINAL_FLOWS_COMPLETED = 377 "originalFlowsCompleted" Unsigned(8), "";
    DISTINCT_COUNT_OF_SOURCE_IP_ADDRESS = 378 "distinctCountOfSourceIPAddress" Unsigned(8), "";
    DISTINCT_COUNT_OF_DESTINATION_IP_ADDRESS = 379 "distinctCountOfDestinationIPAddress" Unsigned(8), "";
    DISTINCT_COUNT_OF_SOURCE_IPV4_ADDRESS = 380 "distinctCountOfSourceIPv4Address" Unsigned(4), "";
    DISTINCT_COUNT_OF_DESTINATION_IPV4_ADDRESS = 381 "distinctCountOfDestinationIPv4Address" Unsigned(4), "";
    DISTINCT_COUNT_OF_SOURCE_IPV6_ADDRESS = 382 "distinctCountOfSourceIPv6Address" Unsigned(8), "";
    DISTINCT_COUNT_OF_DESTINATION_IPV6_ADDRESS = 383 "distinctCountOfDestinationIPv6Address" Unsigned(8), "";
    VALUE_DISTRIBUTION_METHOD = 384 "valueDistributionMethod" Unsigned(1), "";
    RFC3550_JITTER_MILLISECONDS = 385 "rfc3550JitterMilliseconds" Unsigned(4), "milliseconds";
    RFC3550_JITTER_MICROSECONDS = 386 "rfc3550JitterMicroseconds" Unsigned(4), "microseconds";
    RFC3550_JITTER_NANOSECONDS = 387 "rfc3550JitterNanoseconds" Unsigned(4), "nanoseconds";
    DOT1Q_DEI = 388 "dot1qDEI" Boolean, "";
    DOT1Q_CUSTOMER_DEI = 389 "dot1qCustomerDEI" Boolean, "";
    FLOW_SELECTOR_ALGORITHM = 390 "flowSelectorAlgorithm" Unsigned(2), "";
    FLOW_SELECTED_OCTET_DELTA_COUNT = 391 "flowSelectedOctetDeltaCount" Unsigned(8), "octets";
    FLOW_SELECTED_PACKET_DELTA_COUNT = 392 "flowSelectedPacketDeltaCount" Unsigned(8), "packets";
    FLOW_SELECTED_FLOW_DELTA_COUNT = 393 "flowSelectedFlowDeltaCount" Unsigned(8), "flows";
    SELECTOR_ID_TOTAL_FLOWS_OBSERVED = 394 "selectorIDTotalFlowsObserved" Unsigned(8), "flows";
    SELECTOR_ID_TOTAL_FLOWS_SELECTED = 395 "selectorIDTotalFlowsSelected" Unsigned(8), "flows";
    SAMPLING_FLOW_INTERVAL = 396 "samplingFlowInterval" Unsigned(8), "";
    SAMPLING_FLOW_SPACING = 397 "samplingFlowSpacing" Unsigned(8), "";
    FLOW_SAMPLING_TIME_INTERVAL = 398 "flowSamplingTimeInterval" Unsigned(8), "";
    FLOW_SAMPLING_TIME_SPACING = 399 "flowSamplingTimeSpacing" Unsigned(8), "";
    HASH_FLOW_DOMAIN = 400 "hashFlowDomain" Unsigned(2), "";
    TRANSPORT_OCTET_DELTA_COUNT = 401 "transportOctetDeltaCount" Unsigned(8), "octets";
    TRANSPORT_PACKET_DELTA_COUNT = 402 "transportPacketDeltaCount" Unsigned(8), "packets";
    ORIGINAL_EXPORTER_IPV4_ADDRESS = 403 "originalExporterIPv4Address" Ipv4, "";
    ORIGINAL_EXPORTER_IPV6_ADDRESS = 404 "originalExporterIPv6Address" Ipv6, "";
    ORIGINAL_OBSERVATION_DOMAIN_ID = 405 "originalObservationDomainId" Unsigned(4), "";
    INTERMEDIATE_PROCESS_ID = 406 "intermediateProcessId" Unsigned(4), "";
    IGNORED_DATA_RECORD_TOTAL_COUNT = 407 "ignoredDataRecordTotalCount" Unsigned(8), "";
    DATA_LINK_FRAME_TYPE = 408 "dataLinkFrameType" Unsigned(2), "";
    SECTION_OFFSET = 409 "sectionOffset" Unsigned(2), "";
    SECTION_EXPORTED_OCTETS = 410 "sectionExportedOctets" Unsigned(2), "octets";
    DOT1Q_SERVICE_INSTANCE_TAG = 411 "dot1qServiceInstanceTag" Octets, "";
    DOT1Q_SERVICE_INSTANCE_ID = 412 "dot1qServiceInstanceId" Unsigned(4), "";
    DOT1Q_SERVICE_INSTANCE_PRIORITY = 413 "dot1qServiceInstancePriority" Unsigned(1), "";
    DOT1Q_CUSTOMER_SOURCE_MAC_ADDRESS = 414 "dot1qCustomerSourceMacAddress" Mac, "";
    DOT1Q_CUSTOMER_DESTINATION_MAC_ADDRESS = 415 "dot1qCustomerDestinationMacAddress" Mac, "";
    LAYER2_OCTET_DELTA_COUNT_DEPRECATED = 416 "layer2OctetDeltaCountDeprecated" Unsigned(8), "octets";
    POST_LAYER2_OCTET_DELTA_COUNT = 417 "postLayer2OctetDeltaCount" Unsigned(8), "octets";
    POST_MCAST_LAYER2_OCTET_DELTA_COUNT = 418 "postMCastLayer2OctetDeltaCount" Unsigned(8), "octets";
    LAYER2_OCTET_TOTAL_COUNT_DEPRECATED = 419 "layer2OctetTotalCountDeprecated" Unsigned(8), "octets";
    POST_LAYER2_OCTET_TOTAL_COUNT = 420 "postLayer2OctetTotalCount" Unsigned(8), "octets";
    POST_MCAST_LAYER2_OCTET_TOTAL_COUNT = 421 "postMCastLayer2OctetTotalCount" Unsigned(8), "octets";
    MINIMUM_LAYER2_TOTAL_LENGTH = 422 "minimumLayer2TotalLength" Unsigned(8), "octets";
    MAXIMUM_LAYER2_TOTAL_LENGTH = 423 "maximumLayer2TotalLength" Unsigned(8), "octets";
    DROPPED_LAYER2_OCTET_DELTA_COUNT = 424 "droppedLayer2OctetDeltaCount" Unsigned(8), "octets";
    DROPPED_LAYER2_OCTET_TOTAL_COUNT = 425 "droppedLayer2OctetTotalCount" Unsigned(8), "octets";
    IGNORED_LAYER2_OCTET_TOTAL_COUNT = 426 "ignoredLayer2OctetTotalCount" Unsigned(8), "octets";
    NOT_SENT_LAYER2_OCTET_TOTAL_COUNT = 427 "notSentLayer2OctetTotalCount" Unsigned(8), "octets";
    LAYER2_OCTET_DELTA_SUM_OF_SQUARES = 428 "layer2OctetDeltaSumOfSquares" Unsigned(8), "";
    LAYER2_OCTET_TOTAL_SUM_OF_SQUARES = 429 "layer2OctetTotalSumOfSquares" Unsigned(8), "";
    LAYER2_FRAME_DELTA_COUNT = 430 "layer2FrameDeltaCount" Unsigned(8), "packets";
    LAYER2_FRAME_TOTAL_COUNT = 431 "layer2FrameTotalCount" Unsigned(8), "packets";
    PSEUDO_WIRE_DESTINATION_IPV4_ADDRESS = 432 "pseudoWireDestinationIPv4Address" Ipv4, "";
    IGNORED_LAYER2_FRAME_TOTAL_COUNT = 433 "ignoredLayer2FrameTotalCount" Unsigned(8), "packets";
    MIB_OBJECT_VALUE_INTEGER = 434 "mibObjectValueInteger" Signed(4), "";
    MIB_OBJECT_VALUE_OCTET_STRING = 435 "mibObjectValueOctetString" Octets, "";
    MIB_OBJECT_VALUE_OID = 436 "mibObjectValueOID" Octets, "";
    MIB_OBJECT_VALUE_BITS = 437 "mibObjectValueBits" Octets, "";
    MIB_OBJECT_VALUE_IP_ADDRESS = 438 "mibObjectValueIPAddress" Ipv4, "";
    MIB_OBJECT_VALUE_COUNTER = 439 "mibObjectValueCounter" Unsigned(8), "";
    MIB_OBJECT_VALUE_GAUGE = 440 "mibObjectValueGauge" Unsigned(4), "";
    MIB_OBJECT_VALUE_TIME_TICKS = 441 "mibObjectValueTimeTicks" Unsigned(4), "";
    MIB_OBJECT_VALUE_UNSIGNED = 442 "mibObjectValueUnsigned" Unsigned(4), "";
    MIB_OBJECT_VALUE_TABLE = 443 "mibObjectValueTable" SubTemplateList, "";
    MIB_OBJECT_VALUE_ROW = 444 "mibObjectValueRow" SubTemplateList, "";
    MIB_OBJECT_IDENTIFIER = 445 "mibObjectIdentifier" Octets, "";
    MIB_SUB_IDENTIFIER = 446 "mibSubIdentifier" Unsigned(4), "";
    MIB_INDEX_INDICATOR = 447 "mibIndexIndicator" Unsigned(8), "";
    MIB_CAPTURE_TIME_SEMANTICS = 448 "mibCaptureTimeSemantics" Unsigned(1), "";
    MIB_CONTEXT_ENGINE_ID = 449 "mibContextEngineID" Octets, "";
    MIB_CONTEXT_NAME = 450 "mibContextName" Text, "";
    MIB_OBJECT_NAME = 451 "mibObjectName" Text, "";
    MIB_OBJECT_DESCRIPTION = 452 "mibObjectDescription" Text, "";
    MIB_OBJECT_SYNTAX = 453 "mibObjectSyntax" Text, "";
    MIB_MODULE_NAME = 454 "mibModuleName" Text, "";
    MOBILE_IMSI = 455 "mobileIMSI" Text, "";
    MOBILE_MSISDN = 456 "mobileMSISDN" Text, "";
    HTTP_STATUS_CODE = 457 "httpStatusCode" Unsigned(2), "";
    SOURCE_TRANSPORT_PORTS_LIMIT = 458 "sourceTransportPortsLimit" Unsigned(2), "";
    HTTP_REQUEST_METHOD = 459 "httpRequestMethod" Text, "";
    HTTP_REQUEST_HOST = 460 "httpRequestHost" Text, "";
    HTTP_REQUEST_TARGET = 461 "httpRequestTarget" Text, "";
    HTTP_MESSAGE_VERSION = 462 "httpMessageVersion" Text, "";
    NAT_INSTANCE_ID = 463 "natInstanceID" Unsigned(4), "";
    INTERNAL_ADDRESS_REALM = 464 "internalAddressRealm" Octets, "";
    EXTERNAL_ADDRESS_REALM = 465 "externalAddressRealm" Octets, "";
    NAT_QUOTA_EXCEEDED_EVENT = 466 "natQuotaExceededEvent" Unsigned(4), "";
    NAT_THRESHOLD_EVENT = 467 "natThresholdEvent" Unsigned(4), "";
    HTTP_USER_AGENT = 468 "httpUserAgent" Text, "";
    HTTP_CONTENT_TYPE = 469 "httpContentType" Text, "";
    HTTP_REASON_PHRASE = 470 "httpReasonPhrase" Text, "";
    MAX_SESSION_ENTRIES = 471 "maxSessionEntries" Unsigned(4), "";
    MAX_BIB_ENTRIES = 472 "maxBIBEntries" Unsigned(4), "";
    MAX_ENTRIES_PER_USER = 473 "maxEntriesPerUser" Unsigned(4), "";
    MAX_SUBSCRIBERS = 474 "maxSubscribers" Unsigned(4), "";
    MAX_FRAGMENTS_PENDING_REASSEMBLY = 475 "maxFragmentsPendingReassembly" Unsigned(4), "";
    ADDRESS_POOL_HIGH_THRESHOLD = 476 "addressPoolHighThreshold" Unsigned(4), "";
    ADDRESS_POOL_LOW_THRESHOLD = 477 "addressPoolLowThreshold" Unsigned(4), "";
    ADDRESS_PORT_MAPPING_HIGH_THRESHOLD = 478 "addressPortMappingHighThreshold" Unsigned(4), "";
    ADDRESS_PORT_MAPPING_LOW_THRESHOLD = 479 "addressPortMappingLowThreshold" Unsigned(4), "";
    ADDRESS_PORT_MAPPING_PER_USER_HIGH_THRESHOLD = 480 "addressPortMappingPerUserHighThreshold" Unsigned(4), "";
    GLOBAL_ADDRESS_MAPPING_HIGH_THRESHOLD = 481 "globalAddressMappingHighThreshold" Unsigned(4), "";
    VPN_IDENTIFIER = 482 "vpnIdentifier" Octets, "";
    BGP_COMMUNITY = 483 "bgpCommunity" Unsigned(4), "";
    BGP_SOURCE_COMMUNITY_LIST = 484 "bgpSourceCommunityList" BasicList, "";
    BGP_DESTINATION_COMMUNITY_LIST = 485 "bgpDestinationCommunityList" BasicList, "";
    BGP_EXTENDED_COMMUNITY = 486 "bgpExtendedCommunity" Octets, "";
    BGP_SOURCE_EXTENDED_COMMUNITY_LIST = 487 "bgpSourceExtendedCommunityList" BasicList, "";
    BGP_DESTINATION_EXTENDED_COMMUNITY_LIST = 488 "bgpDestinationExtendedCommunityList" BasicList, "";
    BGP_LARGE_COMMUNITY = 489 "bgpLargeCommunity" Octets, "";
    BGP_SOURCE_LARGE_COMMUNITY_LIST = 490 "bgpSourceLargeCommunityList" BasicList, "";
    BGP_DESTINATION_LARGE_COMMUNITY_LIST = 491 "bgpDestinationLargeCommunityList" BasicList, "";
    SRH_FLAGS_IPV6 = 492 "srhFlagsIPv6" Unsigned(1), "";
    SRH_TAG_IPV6 = 493 "srhTagIPv6" Unsigned(2), "";
    SRH_SEGMENT_IPV6 = 494 "srhSegmentIPv6" Ipv6, "";
    SRH_ACTIVE_SEGMENT_IPV6 = 495 "srhActiveSegmentIPv6" Ipv6, "";
    SRH_SEGMENT_IPV6_BASIC_LIST = 496 "srhSegmentIPv6BasicList" BasicList, "";
    SRH_SEGMENT_IPV6_LIST_SECTION = 497 "srhSegmentIPv6ListSection" Octets, "";
    SRH_SEGMENTS_IPV6_LEFT = 498 "srhSegmentsIPv6Left" Unsigned(1), "";
    SRH_IPV6_SECTION = 499 "srhIPv6Section" Octets, "";
    SRH_IPV6_ACTIVE_SEGMENT_TYPE = 500 "srhIPv6ActiveSegmentType" Unsigned(1), "";
    SRH_SEGMENT_IPV6_LOCATOR_LENGTH = 501 "srhSegmentIPv6LocatorLength" Unsigned(1), "";
    SRH_SEGMENT_IPV6_ENDPOINT_BEHAVIOR = 502 "srhSegmentIPv6EndpointBehavior" Unsigned(2), "";
    TRANSPORT_CHECKSUM = 503 "transportChecksum" Unsigned(2), "";
    ICMP_HEADER_PACKET_SECTION = 504 "icmpHeaderPacketSection" Octets, "";
    GTPU_FLAGS = 505 "gtpuFlags" Unsigned(1), "";
    GTPU_MSG_TYPE = 506 "gtpuMsgType" Unsigned(1), "";
    GTPU_TEID = 507 "gtpuTEid" Unsigned(4), "";
    GTPU_SEQUENCE_NUM = 508 "gtpuSequenceNum" Unsigned(2), "";
    GTPU_QFI = 509 "gtpuQFI" Unsigned(1), "";
    GTPU_PDU_TYPE = 510 "gtpuPduType" Unsigned(1), "";
    BGP_SOURCE_AS_PATH_LIST = 511 "bgpSourceAsPathList" BasicList, "";
    BGP_DESTINATION_AS_PATH_LIST = 512 "bgpDestinationAsPathList" BasicList, "";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_sorted_and_has_no_duplicates() {
        assert!(ELEMENTS.windows(2).all(|pair| pair[0].number < pair[1].number));
        let names: HashSet<_> = ELEMENTS.iter().map(|element| element.name).collect();
        assert_eq!(names.len(), ELEMENTS.len());
        assert_eq!(find(8).map(|element| element.name), Some("sourceIPv4Address"));
        assert_eq!(by_name("flowEndSysUpTime").map(|element| element.number), Some(21));
        assert_eq!(find(0), None);
        for (element, constant) in ELEMENTS.iter().zip(CONSTANTS) {
            assert!(constant.replace('_', "").eq_ignore_ascii_case(element.name), "{constant}");
        }
    }
}
