//! What can be wrong with an UPDATE.

use std::fmt;

/// Declares the reasons once: name in counters, subcode of the NOTIFICATION if the session is reset, text.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $subcode:ident, $text:literal;)*) => {
        /// What is wrong with an UPDATE.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All reasons, in the order of their declaration, which is also that of `reason as usize`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// A name in lower case, as in counters.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Error subcode of a NOTIFICATION about it (RFC 4271 section 6.3).
            pub const fn subcode(self) -> u8 {
                match self {
                    $(Self::$variant => $subcode,)*
                }
            }

            /// What is wrong, in words.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
const MISSING_WELL_KNOWN: u8 = 3;
const ATTRIBUTE_FLAGS: u8 = 4;
const ATTRIBUTE_LENGTH: u8 = 5;
const INVALID_ORIGIN: u8 = 6;
const OPTIONAL_ATTRIBUTE: u8 = 9;
const INVALID_NETWORK_FIELD: u8 = 10;
const MALFORMED_AS_PATH: u8 = 11;

reasons! {
    /// The body ends within the length of the withdrawn routes or of the attributes.
    Truncated = "truncated", MALFORMED_ATTRIBUTE_LIST, "the message ends early";
    /// Withdrawn Routes Length exceeds the message (RFC 7606 section 3 b).
    WithdrawnRoutesLength = "withdrawn_routes_length", MALFORMED_ATTRIBUTE_LIST,
        "the length of the withdrawn routes exceeds the message";
    /// Total Attribute Length exceeds the message (RFC 7606 section 3 b).
    TotalAttributeLength = "total_attribute_length", MALFORMED_ATTRIBUTE_LIST,
        "the length of the attributes exceeds the message";
    /// MP_REACH_NLRI or MP_UNREACH_NLRI occurs twice (RFC 7606 section 3 g).
    DuplicateMultiprotocol = "duplicate_multiprotocol", MALFORMED_ATTRIBUTE_LIST,
        "MP_REACH_NLRI or MP_UNREACH_NLRI occurs twice";
    /// Flags of MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 7606 section 5.3).
    MultiprotocolFlags = "multiprotocol_flags", ATTRIBUTE_FLAGS, "wrong flags of MP_REACH_NLRI or MP_UNREACH_NLRI";
    /// MP_REACH_NLRI with less than 5 octets, or MP_UNREACH_NLRI with less than 3 (RFC 7606 section 5.3).
    MultiprotocolLength = "multiprotocol_length", OPTIONAL_ATTRIBUTE, "MP_REACH_NLRI or MP_UNREACH_NLRI is too short";
    /// Length of the next hop in MP_REACH_NLRI (RFC 7606 section 7.11).
    MultiprotocolNextHop = "multiprotocol_next_hop", OPTIONAL_ATTRIBUTE,
        "the length of the next hop is not one of the family";
    /// A prefix is longer than addresses of its family (RFC 7606 section 5.3).
    PrefixLength = "prefix_length", INVALID_NETWORK_FIELD, "a prefix is longer than an address";
    /// NLRI that exceed their field (RFC 7606 section 5.3).
    NlriTruncated = "nlri_truncated", INVALID_NETWORK_FIELD, "NLRI exceed their field";
    /// NLRI that are shorter than their labels and their route distinguisher (RFC 7606 section 5.3).
    NlriLength = "nlri_length", INVALID_NETWORK_FIELD, "NLRI are too short for labels and a route distinguisher";
    /// A well-known attribute that is unknown (RFC 4271 section 6.3).
    UnrecognizedWellKnown = "unrecognized_well_known", UNRECOGNIZED_WELL_KNOWN, "an unknown well-known attribute";

    /// An attribute exceeds the attributes (RFC 7606 section 4).
    AttributeOverrun = "attribute_overrun", MALFORMED_ATTRIBUTE_LIST, "an attribute exceeds the length of all attributes";
    /// The octets after the last attribute are too few for another (RFC 7606 section 4).
    AttributeUnderrun = "attribute_underrun", MALFORMED_ATTRIBUTE_LIST, "octets after the last attribute";
    /// The optional or transitive flag (RFC 7606 section 3 c).
    AttributeFlags = "attribute_flags", ATTRIBUTE_FLAGS, "wrong flags of an attribute";
    /// An attribute that occurs again; the first one counts (RFC 7606 section 3 g).
    DuplicateAttribute = "duplicate_attribute", MALFORMED_ATTRIBUTE_LIST, "an attribute occurs twice";
    /// No ORIGIN (RFC 7606 section 3 d).
    MissingOrigin = "missing_origin", MISSING_WELL_KNOWN, "ORIGIN is missing";
    /// No AS_PATH (RFC 7606 section 3 d).
    MissingAsPath = "missing_as_path", MISSING_WELL_KNOWN, "AS_PATH is missing";
    /// No NEXT_HOP of IPv4 routes outside of MP_REACH_NLRI (RFC 7606 section 3 d).
    MissingNextHop = "missing_next_hop", MISSING_WELL_KNOWN, "NEXT_HOP is missing";
    /// ORIGIN is not one octet (RFC 7606 section 7.1).
    OriginLength = "origin_length", ATTRIBUTE_LENGTH, "ORIGIN is not one octet";
    /// ORIGIN has an undefined value (RFC 7606 section 7.1).
    OriginValue = "origin_value", INVALID_ORIGIN, "ORIGIN has an undefined value";
    /// A segment of AS_PATH has an unknown type (RFC 7606 section 7.2).
    AsPathSegmentType = "as_path_segment_type", MALFORMED_AS_PATH, "a segment of AS_PATH has an unknown type";
    /// A segment of AS_PATH exceeds it, or an octet is left after the last one (RFC 7606 section 7.2).
    AsPathLength = "as_path_length", MALFORMED_AS_PATH, "AS_PATH does not consist of whole segments";
    /// A segment of AS_PATH without AS numbers (RFC 7606 section 7.2).
    AsPathEmptySegment = "as_path_empty_segment", MALFORMED_AS_PATH, "a segment of AS_PATH is empty";
    /// AS 0 in AS_PATH (RFC 7607).
    AsPathZero = "as_path_zero", MALFORMED_AS_PATH, "AS_PATH contains AS 0";
    /// AS_PATH exceeds 65535 octets when its AS numbers have four octets.
    AsPathTooLong = "as_path_too_long", MALFORMED_AS_PATH, "AS_PATH is too long with AS numbers of four octets";
    /// NEXT_HOP is not four octets (RFC 7606 section 7.3).
    NextHopLength = "next_hop_length", ATTRIBUTE_LENGTH, "NEXT_HOP is not four octets";
    /// MULTI_EXIT_DISC is not four octets (RFC 7606 section 7.4).
    MedLength = "med_length", ATTRIBUTE_LENGTH, "MULTI_EXIT_DISC is not four octets";
    /// LOCAL_PREF is not four octets (RFC 7606 section 7.5).
    LocalPrefLength = "local_pref_length", ATTRIBUTE_LENGTH, "LOCAL_PREF is not four octets";
    /// ATOMIC_AGGREGATE is not empty (RFC 7606 section 7.6).
    AtomicAggregateLength = "atomic_aggregate_length", ATTRIBUTE_LENGTH, "ATOMIC_AGGREGATE is not empty";
    /// AGGREGATOR is not six octets, or eight with AS numbers of four (RFC 7606 section 7.7).
    AggregatorLength = "aggregator_length", ATTRIBUTE_LENGTH, "AGGREGATOR has a wrong length";
    /// AS 0 in AGGREGATOR (RFC 7607).
    AggregatorZero = "aggregator_zero", OPTIONAL_ATTRIBUTE, "AGGREGATOR contains AS 0";
    /// COMMUNITIES is empty or no multiple of four octets (RFC 7606 section 7.8).
    CommunitiesLength = "communities_length", OPTIONAL_ATTRIBUTE, "COMMUNITIES is no multiple of four octets";
    /// ORIGINATOR_ID is not four octets (RFC 7606 section 7.9).
    OriginatorIdLength = "originator_id_length", OPTIONAL_ATTRIBUTE, "ORIGINATOR_ID is not four octets";
    /// CLUSTER_LIST is empty or no multiple of four octets (RFC 7606 section 7.10).
    ClusterListLength = "cluster_list_length", OPTIONAL_ATTRIBUTE, "CLUSTER_LIST is no multiple of four octets";
    /// Extended communities are empty or no multiple of eight octets (RFC 7606 section 7.14).
    ExtendedCommunitiesLength = "extended_communities_length", OPTIONAL_ATTRIBUTE,
        "EXTENDED_COMMUNITIES is no multiple of eight octets";
    /// IPv6 extended communities are empty or no multiple of 20 octets (RFC 7606 section 7.15).
    Ipv6ExtendedCommunitiesLength = "ipv6_extended_communities_length", OPTIONAL_ATTRIBUTE,
        "IPV6_EXTENDED_COMMUNITIES is no multiple of 20 octets";
    /// Large communities are empty or no multiple of twelve octets (RFC 8092 section 6).
    LargeCommunitiesLength = "large_communities_length", OPTIONAL_ATTRIBUTE,
        "LARGE_COMMUNITIES is no multiple of twelve octets";
    /// An attribute that external peers do not send.
    FromExternalPeer = "from_external_peer", OPTIONAL_ATTRIBUTE, "an external peer must not send the attribute";
    /// AS4_PATH or AS4_AGGREGATOR from a peer whose AS numbers have four octets (RFC 6793 section 4.1).
    As4FromNewSpeaker = "as4_from_new_speaker", OPTIONAL_ATTRIBUTE,
        "AS4_PATH or AS4_AGGREGATOR in a session with AS numbers of four octets";
    /// AS4_PATH is malformed (RFC 6793 section 6).
    As4Path = "as4_path", OPTIONAL_ATTRIBUTE, "AS4_PATH is malformed";
    /// AS4_AGGREGATOR is malformed (RFC 6793 section 6).
    As4Aggregator = "as4_aggregator", OPTIONAL_ATTRIBUTE, "AS4_AGGREGATOR is malformed";
    /// ONLY_TO_CUSTOMER is not four octets (RFC 9234 section 5).
    OnlyToCustomerLength = "only_to_customer_length", OPTIONAL_ATTRIBUTE, "ONLY_TO_CUSTOMER is not four octets";
    /// The TLVs of AIGP (RFC 7311 section 3).
    Aigp = "aigp", OPTIONAL_ATTRIBUTE, "AIGP is malformed";
    /// The TLVs of the prefix SID (RFC 8669 section 6).
    PrefixSid = "prefix_sid", OPTIONAL_ATTRIBUTE, "PREFIX_SID is malformed";
    /// The TLVs of SRv6 services (RFC 9252 section 7).
    Srv6Service = "srv6_service", OPTIONAL_ATTRIBUTE, "an SRv6 service TLV is malformed";
    /// The TLVs of the BGP-LS attribute (RFC 9552 section 8.2.2).
    LinkState = "link_state", OPTIONAL_ATTRIBUTE, "the BGP-LS attribute is malformed";
    /// PMSI_TUNNEL (RFC 6514 section 5).
    PmsiTunnel = "pmsi_tunnel", OPTIONAL_ATTRIBUTE, "PMSI_TUNNEL is malformed";
    /// The TLVs of tunnel encapsulation (RFC 9012 section 13).
    TunnelEncapsulation = "tunnel_encapsulation", OPTIONAL_ATTRIBUTE, "TUNNEL_ENCAPSULATION is malformed";
    /// ATTR_SET (RFC 7606 section 7.16).
    AttrSet = "attr_set", OPTIONAL_ATTRIBUTE, "ATTR_SET is malformed";
    /// An attribute without octets whose length must not be zero (RFC 7606 section 4).
    EmptyAttribute = "empty_attribute", ATTRIBUTE_LENGTH, "an attribute is empty";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
