//! The kinds of values: their size in a row, and their meaning for outputs.

/// The kind of a value. About twenty kinds cover all primitives in all outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value: `none`.
    None,
    /// Number of one byte.
    U8,
    /// Number of two bytes.
    U16,
    /// Number of four bytes.
    U32,
    /// Number of eight bytes.
    U64,
    /// Type of service or traffic class: one byte, without its two low bits if `tos_encode_as_dscp` is set.
    Tos,
    /// IPv6 flow label: number of four bytes, with a separate type in Avro.
    FlowLabel,
    /// IP address, see [`crate::address`].
    Ip,
    /// MAC address.
    Mac,
    /// IP protocol: one octet, shown by name.
    Proto,
    /// EtherType: two octets, shown in hexadecimal without padding.
    EtherType,
    /// TCP flags: ORed over the aggregate, not part of its key.
    TcpFlags,
    /// TCP flags inside a tunnel: as [`Kind::TcpFlags`], a text in JSON.
    TunnelTcpFlags,
    /// One octet: 0 ingress, 1 egress, 2 unknown.
    Direction,
    /// RPKI validity, as its letter.
    Roa,
    /// Route distinguisher: eight octets (RFC 4364 section 4.2).
    Rd,
    /// Origin of a route distinguisher: one byte, see [`RdOrigin`].
    RdOrigin,
    /// Forwarding status: one octet, a text in JSON.
    FwdStatus,
    /// Interned text.
    Text,
    /// Interned name of an application; `unknown` when empty.
    Class,
    /// Interned text of `pre_tag_map` labels.
    Label,
    /// Interned AS path.
    AsPath,
    /// Interned list of communities.
    Communities,
    /// Interned MPLS label stack: three octets per label, top first; the label is in the upper 20 bits.
    Labels,
    /// Interned list of IPv6 addresses, 16 octets each.
    Segments,
    /// Interned octets, shown as upper-case hexadecimal with dashes.
    Raw,
    /// Time: microseconds since 1970, 0 when unset.
    Time,
    /// Real number of eight bytes.
    Real,
    /// Counter of 64 bits: a value, not part of the key.
    Counter,
    /// Start of the time bin: seconds since 1970, eight bytes of the key.
    StampInserted,
    /// Time of the flush; not part of a key.
    StampUpdated,
    /// Number of eight bytes, shown as decimal text.
    NumberText,
    /// Number of eight bytes, shown as hexadecimal text.
    HexText,
    /// IP address that shows 0.0.0.0 when absent (custom primitives).
    IpText,
}

impl Kind {
    /// Size of a value in a row or a key, in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::None | Self::Counter | Self::StampUpdated => 0,
            Self::U8 | Self::Tos | Self::Proto | Self::TcpFlags | Self::TunnelTcpFlags => 1,
            Self::Direction | Self::Roa | Self::RdOrigin | Self::FwdStatus => 1,
            Self::U16 | Self::EtherType => 2,
            Self::U32 | Self::FlowLabel => 4,
            Self::Text | Self::Class | Self::Label | Self::AsPath | Self::Communities => 4,
            Self::Labels | Self::Segments | Self::Raw => 4,
            Self::Mac => 6,
            Self::U64 | Self::Rd | Self::Time | Self::Real | Self::StampInserted => 8,
            Self::NumberText | Self::HexText => 8,
            Self::Ip | Self::IpText => 16,
        }
    }

    /// Returns true if the row contains the ID of an interned string.
    pub const fn is_interned(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Class
                | Self::Label
                | Self::AsPath
                | Self::Communities
                | Self::Labels
                | Self::Segments
                | Self::Raw
        )
    }
}

/// Origin of a route distinguisher, as the byte of [`Kind::RdOrigin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RdOrigin(pub u8);

impl RdOrigin {
    /// Unknown.
    pub const UNKNOWN: Self = Self(0);
    /// From a map.
    pub const MAP: Self = Self(1);
    /// From BGP.
    pub const BGP: Self = Self(2);
    /// From BMP.
    pub const BMP: Self = Self(3);
    /// From the flow itself or its exporter's options.
    pub const FLOW: Self = Self(4);

    /// The word that outputs show.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MAP => "map",
            Self::BGP => "bgp",
            Self::BMP => "bmp",
            Self::FLOW => "flow",
            _ => "unknown",
        }
    }
}
