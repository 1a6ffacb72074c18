//! Path attributes (RFC 4271 section 4.3), and the canonical form of a set of them.
//!
//! On the wire an attribute is an octet of flags, an octet with its type code, a length of one octet (two if the flag
//! for extended lengths is set), and the value.
//!
//! An [`AttributeSet`] is a view of the attributes of one route, in this format and in a canonical form that the UPDATE
//! decoder produces: two routes have the same attributes if and only if the octets are equal.
//!
//! - Attributes are in the order of their codes, each code once. Lengths have two octets only where needed.
//!   Flags have only the bits that RFC 4271 defines, and the partial bit only on optional transitive attributes.
//! - AS numbers of AS_PATH and AGGREGATOR have four octets. AS4_PATH and AS4_AGGREGATOR are merged into them (RFC 6793).
//! - MP_REACH_NLRI and MP_UNREACH_NLRI are omitted. NEXT_HOP contains the next hop of the route in any family: 4
//!   octets, 16, or 32 if a link-local address follows the global one. Route distinguishers of next hops are removed. It is
//!   missing where a family needs no next hop.
//! - Adjacent sequences of AS_PATH are joined, as far as a segment can count. The members of its sets, and communities of all kinds,
//!   are sorted, each once, as their order has no meaning. Other values, and attributes that this crate does not know, are as
//!   received.

pub mod any;
mod as_path;
mod buf;
pub mod link_state;
pub mod pmsi;
pub mod prefix_sid;
mod set;
pub mod tunnel;

pub use as_path::{AsPath, Asns, Segment, SegmentType, Segments};
pub use buf::AttributeSetBuf;
pub use set::{AttributeSet, Attributes};

use std::fmt;

/// A type code of path attributes (IANA "BGP Path Attributes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

/// Declares the codes with their names.
macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $constant: Self = Self($code);)*

            /// The name as registered, if this crate has one.
            pub const fn name(self) -> Option<&'static str> {
                Some(match self.0 {
                    $($code => $name,)*
                    _ => return None,
                })
            }
        }
    };
}

codes! {
    /// Origin of the path information (RFC 4271).
    ORIGIN = 1, "ORIGIN";
    /// ASes that the route passed (RFC 4271).
    AS_PATH = 2, "AS_PATH";
    /// Next hop (RFC 4271); of any family in an [`AttributeSet`].
    NEXT_HOP = 3, "NEXT_HOP";
    /// Metric between neighbouring ASes (RFC 4271).
    MULTI_EXIT_DISC = 4, "MULTI_EXIT_DISC";
    /// Preference inside an AS (RFC 4271).
    LOCAL_PREF = 5, "LOCAL_PREF";
    /// The path omits ASes of aggregated routes (RFC 4271).
    ATOMIC_AGGREGATE = 6, "ATOMIC_AGGREGATE";
    /// AS and router that aggregated the route (RFC 4271).
    AGGREGATOR = 7, "AGGREGATOR";
    /// Communities (RFC 1997).
    COMMUNITIES = 8, "COMMUNITIES";
    /// Router that brought the route into the AS (RFC 4456).
    ORIGINATOR_ID = 9, "ORIGINATOR_ID";
    /// Clusters of route reflectors that the route passed (RFC 4456).
    CLUSTER_LIST = 10, "CLUSTER_LIST";
    /// Announced routes of a family (RFC 4760).
    MP_REACH_NLRI = 14, "MP_REACH_NLRI";
    /// Withdrawn routes of a family (RFC 4760).
    MP_UNREACH_NLRI = 15, "MP_UNREACH_NLRI";
    /// Extended communities (RFC 4360).
    EXTENDED_COMMUNITIES = 16, "EXTENDED_COMMUNITIES";
    /// AS_PATH with AS numbers of four octets (RFC 6793).
    AS4_PATH = 17, "AS4_PATH";
    /// AGGREGATOR with an AS number of four octets (RFC 6793).
    AS4_AGGREGATOR = 18, "AS4_AGGREGATOR";
    /// Tunnel of a provider multicast service (RFC 6514).
    PMSI_TUNNEL = 22, "PMSI_TUNNEL";
    /// Tunnel encapsulation (RFC 9012).
    TUNNEL_ENCAPSULATION = 23, "TUNNEL_ENCAPSULATION";
    /// Traffic engineering (RFC 5543).
    TRAFFIC_ENGINEERING = 24, "TRAFFIC_ENGINEERING";
    /// Extended communities with an IPv6 address (RFC 5701).
    IPV6_EXTENDED_COMMUNITIES = 25, "IPV6_EXTENDED_COMMUNITIES";
    /// Accumulated IGP metric (RFC 7311).
    AIGP = 26, "AIGP";
    /// Labels of distinguished endpoints (RFC 6514).
    PE_DISTINGUISHER_LABELS = 27, "PE_DISTINGUISHER_LABELS";
    /// BGP-LS attribute (RFC 9552).
    LINK_STATE = 29, "BGP_LS";
    /// Large communities (RFC 8092).
    LARGE_COMMUNITIES = 32, "LARGE_COMMUNITIES";
    /// BGPsec path (RFC 8205).
    BGPSEC_PATH = 33, "BGPSEC_PATH";
    /// AS that marked the route as only for its customers (RFC 9234).
    ONLY_TO_CUSTOMER = 35, "ONLY_TO_CUSTOMER";
    /// Domains that the route passed (RFC 9015).
    SFP = 37, "SFP";
    /// BFD discriminator (RFC 9026).
    BFD_DISCRIMINATOR = 38, "BFD_DISCRIMINATOR";
    /// Prefix SID, and SRv6 services (RFC 8669, RFC 9252).
    PREFIX_SID = 40, "PREFIX_SID";
    /// Attributes of a customer's network (RFC 6368).
    ATTR_SET = 128, "ATTR_SET";
}

impl fmt::Display for Code {
    /// The name, or the number if there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// Flags of a path attribute (RFC 4271 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// Not every implementation needs to know the attribute.
    pub const OPTIONAL: u8 = 0x80;
    /// The attribute is passed on to other ASes.
    pub const TRANSITIVE: u8 = 0x40;
    /// A router on the way did not know the attribute.
    pub const PARTIAL: u8 = 0x20;
    /// The length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
    /// Flags of a well-known attribute.
    pub const WELL_KNOWN: Self = Self(Self::TRANSITIVE);
    /// Flags of an optional transitive attribute.
    pub const OPTIONAL_TRANSITIVE: Self = Self(Self::OPTIONAL | Self::TRANSITIVE);
    /// Flags of an optional attribute that is not transitive.
    pub const OPTIONAL_NON_TRANSITIVE: Self = Self(Self::OPTIONAL);

    /// True unless the attribute is well-known.
    pub const fn is_optional(self) -> bool {
        self.0 & Self::OPTIONAL != 0
    }

    /// True if the attribute is passed on to other ASes.
    pub const fn is_transitive(self) -> bool {
        self.0 & Self::TRANSITIVE != 0
    }

    /// True if a router on the way did not know the attribute.
    pub const fn is_partial(self) -> bool {
        self.0 & Self::PARTIAL != 0
    }

    /// True if the length has two octets.
    pub const fn has_extended_length(self) -> bool {
        self.0 & Self::EXTENDED_LENGTH != 0
    }

    /// The optional and transitive bits only, which the type of an attribute determines.
    pub const fn category(self) -> Self {
        Self(self.0 & (Self::OPTIONAL | Self::TRANSITIVE))
    }
}

/// A path attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its flags.
    pub flags: Flags,
    /// Its type code.
    pub code: Code,
    /// Its value.
    pub value: &'a [u8],
}

/// Origin of the path information (RFC 4271 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Interior to the AS that originates the route.
    Igp,
    /// Learned by EGP.
    Egp,
    /// Learned in another way.
    Incomplete,
}

impl Origin {
    /// The value in the attribute, if it is one of the three.
    pub const fn new(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Igp,
            1 => Self::Egp,
            2 => Self::Incomplete,
            _ => return None,
        })
    }

    /// The value in the attribute.
    pub const fn value(self) -> u8 {
        match self {
            Self::Igp => 0,
            Self::Egp => 1,
            Self::Incomplete => 2,
        }
    }
}

impl fmt::Display for Origin {
    /// `i`, `e` or `u`, as in pmacct.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Igp => "i",
            Self::Egp => "e",
            Self::Incomplete => "u",
        })
    }
}
