//! Capabilities (RFC 5492): what a speaker can do, as parameters of its OPEN.
//!
//! A capability is a code, a length and a value, each of the first two in one octet. Unknown ones are kept with their
//! octets. A known one whose value has an impossible length or content is [`Capability::Malformed`], which a receiver treats
//! like an unknown one.

use std::fmt;
use wire::{Afi, Asn, Reader, Safi, TooLong, Truncated, Writer};

/// A capability code (IANA "Capability Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

/// Constants and names.
macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $constant: Self = Self($code);)*

            /// The name, if IANA registered the code.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// RFC 4760.
    MULTIPROTOCOL = 1, "Multiprotocol Extensions";
    /// RFC 2918.
    ROUTE_REFRESH = 2, "Route Refresh";
    /// RFC 5291.
    OUTBOUND_ROUTE_FILTERING = 3, "Outbound Route Filtering";
    /// RFC 8950.
    EXTENDED_NEXT_HOP = 5, "Extended Next Hop Encoding";
    /// RFC 8654.
    EXTENDED_MESSAGE = 6, "Extended Message";
    /// RFC 8205.
    BGPSEC = 7, "BGPsec";
    /// RFC 8277.
    MULTIPLE_LABELS = 8, "Multiple Labels";
    /// RFC 9234.
    ROLE = 9, "Role";
    /// RFC 4724.
    GRACEFUL_RESTART = 64, "Graceful Restart";
    /// RFC 6793.
    FOUR_OCTET_AS = 65, "4-octet AS Number";
    /// Deprecated version of dynamic capability.
    DYNAMIC_OLD = 66, "Dynamic Capability (deprecated)";
    /// draft-ietf-idr-dynamic-cap.
    DYNAMIC = 67, "Dynamic Capability";
    /// draft-ietf-idr-bgp-multisession.
    MULTISESSION = 68, "Multisession";
    /// RFC 7911.
    ADD_PATH = 69, "ADD-PATH";
    /// RFC 7313.
    ENHANCED_ROUTE_REFRESH = 70, "Enhanced Route Refresh";
    /// RFC 9494.
    LONG_LIVED_GRACEFUL_RESTART = 71, "Long-Lived Graceful Restart";
    /// draft-ietf-idr-rpd.
    ROUTING_POLICY_DISTRIBUTION = 72, "Routing Policy Distribution";
    /// draft-walton-bgp-hostname-capability.
    FQDN = 73, "FQDN";
    /// draft-ietf-idr-bgp-bfd-strict-mode.
    BFD_STRICT = 74, "BFD Strict-Mode";
    /// draft-abraitis-bgp-version-capability.
    SOFTWARE_VERSION = 75, "Software Version";
    /// draft-abraitis-idr-addpath-paths-limit.
    PATHS_LIMIT = 76, "PATHS-LIMIT";
    /// Used before RFC 2918.
    ROUTE_REFRESH_OLD = 128, "Prestandard Route Refresh";
    /// Used before RFC 5291.
    OUTBOUND_ROUTE_FILTERING_OLD = 130, "Prestandard Outbound Route Filtering";
    /// Used before its draft had a code.
    MULTISESSION_OLD = 131, "Prestandard Multisession";
}

impl fmt::Display for Code {
    /// The name, or the number if there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "capability {}", self.0),
        }
    }
}

/// The role of a speaker in a relation between two ASes (IANA "BGP Role Value", RFC 9234 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Role(pub u8);

impl Role {
    /// The sender is a provider of the receiver.
    pub const PROVIDER: Self = Self(0);
    /// The sender is a route server.
    pub const ROUTE_SERVER: Self = Self(1);
    /// The sender is a client of a route server.
    pub const ROUTE_SERVER_CLIENT: Self = Self(2);
    /// The sender is a customer of the receiver.
    pub const CUSTOMER: Self = Self(3);
    /// The sender is a peer: neither pays.
    pub const PEER: Self = Self(4);

    /// The name, if IANA registered the number.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::PROVIDER => "Provider",
            Self::ROUTE_SERVER => "RS",
            Self::ROUTE_SERVER_CLIENT => "RS-Client",
            Self::CUSTOMER => "Customer",
            Self::PEER => "Peer",
            _ => return None,
        })
    }
}

/// A family with ADD-PATH (RFC 7911 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddPath {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// The sender of the capability can receive several paths of a prefix.
    pub receive: bool,
    /// The sender of the capability can send several paths of a prefix.
    pub send: bool,
}

/// A family whose next hops may be of another address family (RFC 8950 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedNextHop {
    /// Address family of the NLRI.
    pub afi: Afi,
    /// Subsequent address family of the NLRI, in two octets on the wire.
    pub safi: u16,
    /// Address family of the next hop.
    pub next_hop: Afi,
}

/// A family whose prefixes may have several labels (RFC 8277 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipleLabels {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// Labels that the sender of the capability can receive with a prefix, 2 or more.
    pub count: u8,
}

impl MultipleLabels {
    /// A count without a limit.
    pub const UNLIMITED: u8 = 255;
}

/// A family in graceful restart (RFC 4724 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulFamily {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// Flags; 0x80: the forwarding state was preserved.
    pub flags: u8,
}

/// A family in long-lived graceful restart (RFC 9494 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLivedFamily {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// Flags; 0x80: the forwarding state was preserved.
    pub flags: u8,
    /// Long-lived stale time in seconds, of 24 bits.
    pub stale_time: u32,
}

/// An element of a list in a capability, of a fixed number of octets.
pub trait Element: Sized {
    /// Octets of one element.
    const LEN: usize;
    /// Reads an element.
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated>;
    /// Appends an element.
    fn write(&self, w: &mut Writer);
}

impl Element for AddPath {
    const LEN: usize = 4;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (afi, safi, mode) = (Afi(r.u16()?), Safi(r.u8()?), r.u8()?);
        Ok(Self { afi, safi, receive: mode & 1 != 0, send: mode & 2 != 0 })
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.afi.0).u8(self.safi.0).u8(u8::from(self.receive) | u8::from(self.send) << 1);
    }
}

impl Element for ExtendedNextHop {
    const LEN: usize = 6;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self { afi: Afi(r.u16()?), safi: r.u16()?, next_hop: Afi(r.u16()?) })
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.afi.0).u16(self.safi).u16(self.next_hop.0);
    }
}

impl Element for MultipleLabels {
    const LEN: usize = 4;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self { afi: Afi(r.u16()?), safi: Safi(r.u8()?), count: r.u8()? })
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.afi.0).u8(self.safi.0).u8(self.count);
    }
}

impl Element for GracefulFamily {
    const LEN: usize = 4;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self { afi: Afi(r.u16()?), safi: Safi(r.u8()?), flags: r.u8()? })
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.afi.0).u8(self.safi.0).u8(self.flags);
    }
}

impl Element for LongLivedFamily {
    const LEN: usize = 7;

    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (afi, safi, flags) = (Afi(r.u16()?), Safi(r.u8()?), r.u8()?);
        let [high, middle, low] = r.array()?;
        Ok(Self { afi, safi, flags, stale_time: u32::from_be_bytes([0, high, middle, low]) })
    }

    fn write(&self, w: &mut Writer) {
        let [_, high, middle, low] = self.stale_time.to_be_bytes();
        w.u16(self.afi.0).u8(self.safi.0).put(&[self.flags, high, middle, low]);
    }
}

/// A list of elements in a capability: whole ones, as the octets were checked.
#[derive(Clone, Copy, Debug)]
pub struct List<'a, T> {
    octets: &'a [u8],
    element: std::marker::PhantomData<T>,
}

impl<'a, T: Element> List<'a, T> {
    /// The elements in `octets`; `None` if the last one is incomplete.
    fn new(octets: &'a [u8]) -> Option<Self> {
        octets.len().is_multiple_of(T::LEN).then_some(Self { octets, element: std::marker::PhantomData })
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let mut r = Reader::new(self.octets);
        std::iter::from_fn(move || T::read(&mut r).ok())
    }
}

/// A capability with its decoded value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// NLRI of a family (RFC 4760).
    Multiprotocol(Afi, Safi),
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// Next hops of other families (RFC 8950).
    ExtendedNextHop(List<'a, ExtendedNextHop>),
    /// Messages of up to 65535 octets (RFC 8654).
    ExtendedMessage,
    /// Prefixes with several labels (RFC 8277).
    MultipleLabels(List<'a, MultipleLabels>),
    /// The role of the sender (RFC 9234).
    Role(Role),
    /// Graceful restart (RFC 4724).
    GracefulRestart {
        /// Flags, 4 bits: 8 the sender restarted, 4 NOTIFICATIONs are followed by a restart as well (RFC 8538).
        flags: u8,
        /// Seconds that a restart may take, 12 bits.
        restart_time: u16,
        /// Families, and whether their forwarding state was preserved.
        families: List<'a, GracefulFamily>,
    },
    /// AS numbers of four octets, and that of the sender (RFC 6793).
    FourOctetAs(Asn),
    /// Several paths of a prefix (RFC 7911).
    AddPath(List<'a, AddPath>),
    /// ROUTE-REFRESH with begin and end (RFC 7313).
    EnhancedRouteRefresh,
    /// Long-lived graceful restart (RFC 9494).
    LongLivedGracefulRestart(List<'a, LongLivedFamily>),
    /// Host and domain name of the sender, as octets (draft-walton-bgp-hostname-capability).
    Fqdn {
        /// The host's name.
        host: &'a [u8],
        /// The domain, without the host's name.
        domain: &'a [u8],
    },
    /// Name and version of the sender's software, as octets (draft-abraitis-bgp-version-capability).
    SoftwareVersion(&'a [u8]),
    /// A capability whose value this crate does not decode.
    Other,
    /// A capability whose value cannot be what its code says.
    Malformed,
}

/// A capability as it is in an OPEN: a code and the octets of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The code.
    pub code: Code,
    /// The value, at most 255 octets.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Reads a capability.
    pub fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        let (code, len) = (Code(r.u8()?), r.u8()?);
        Ok(Self { code, value: r.take(len.into())? })
    }

    /// Decodes the value.
    pub fn capability(self) -> Capability<'a> {
        decode(self.code, self.value).unwrap_or(Capability::Malformed)
    }
}

fn decode(code: Code, value: &[u8]) -> Option<Capability<'_>> {
    let mut r = Reader::new(value);
    let capability = match code {
        Code::MULTIPROTOCOL => {
            let (afi, _reserved, safi) = (Afi(r.u16().ok()?), r.u8().ok()?, Safi(r.u8().ok()?));
            Capability::Multiprotocol(afi, safi)
        }
        Code::ROUTE_REFRESH => Capability::RouteRefresh,
        Code::EXTENDED_NEXT_HOP => return List::new(value).map(Capability::ExtendedNextHop),
        Code::EXTENDED_MESSAGE => Capability::ExtendedMessage,
        Code::MULTIPLE_LABELS => return List::new(value).map(Capability::MultipleLabels),
        Code::ROLE => Capability::Role(Role(r.u8().ok()?)),
        Code::GRACEFUL_RESTART => {
            let head = r.u16().ok()?;
            let [flags, _] = head.to_be_bytes();
            let families = List::new(r.rest())?;
            return Some(Capability::GracefulRestart { flags: flags >> 4, restart_time: head & 0x0fff, families });
        }
        Code::FOUR_OCTET_AS => Capability::FourOctetAs(Asn(r.u32().ok()?)),
        // A mode other than 1 to 3 makes the whole capability one that is not understood (RFC 7911 section 4).
        Code::ADD_PATH => {
            let list = List::<AddPath>::new(value)?;
            let modes = value.iter().skip(3).step_by(AddPath::LEN);
            return modes.copied().all(|mode| (1..=3).contains(&mode)).then_some(Capability::AddPath(list));
        }
        Code::ENHANCED_ROUTE_REFRESH => Capability::EnhancedRouteRefresh,
        Code::LONG_LIVED_GRACEFUL_RESTART => {
            return List::new(value).map(Capability::LongLivedGracefulRestart);
        }
        Code::FQDN => {
            let len = r.u8().ok()?;
            let host = r.take(len.into()).ok()?;
            let len = r.u8().ok()?;
            Capability::Fqdn { host, domain: r.take(len.into()).ok()? }
        }
        Code::SOFTWARE_VERSION => {
            let len = r.u8().ok()?;
            Capability::SoftwareVersion(r.take(len.into()).ok()?)
        }
        _ => return Some(Capability::Other),
    };
    r.is_empty().then_some(capability)
}

/// Appends a capability: its code, its length, and the value that `value` writes. Nothing is appended if the value has
/// more than 255 octets.
pub fn write(w: &mut Writer, code: Code, value: impl FnOnce(&mut Writer)) -> Result<(), TooLong> {
    let mut octets = Writer::new();
    value(&mut octets);
    let octets = octets.finish();
    let len = u8::try_from(octets.len()).map_err(|_| TooLong { len: octets.len() })?;
    w.u8(code.0).u8(len).put(&octets);
    Ok(())
}

/// Appends the capability of a family (RFC 4760 section 8).
pub fn write_multiprotocol(w: &mut Writer, afi: Afi, safi: Safi) {
    w.put(&[Code::MULTIPROTOCOL.0, 4]).u16(afi.0).u8(0).u8(safi.0);
}

/// Appends the capability of AS numbers of four octets, with the sender's (RFC 6793 section 3).
pub fn write_four_octet_as(w: &mut Writer, asn: Asn) {
    w.put(&[Code::FOUR_OCTET_AS.0, 4]).u32(asn.0);
}

/// Appends a capability without a value, such as [`Code::ROUTE_REFRESH`].
pub fn write_empty(w: &mut Writer, code: Code) {
    w.put(&[code.0, 0]);
}

/// Appends a capability that is a list, such as [`Code::ADD_PATH`]; at most 255 octets.
pub fn write_list<T: Element>(w: &mut Writer, code: Code, elements: &[T]) -> Result<(), TooLong> {
    write(w, code, |w| elements.iter().for_each(|element| element.write(w)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(octets: &[u8]) -> Capability<'_> {
        let mut r = Reader::new(octets);
        let tlv = Tlv::read(&mut r).unwrap();
        assert!(r.is_empty());
        tlv.capability()
    }

    #[test]
    fn every_capability_is_decoded() {
        let unicast = (Afi::IPV4, Safi::UNICAST);
        assert!(matches!(one(&[1, 4, 0, 1, 0, 1]), Capability::Multiprotocol(Afi::IPV4, Safi::UNICAST)));
        assert!(matches!(one(&[2, 0]), Capability::RouteRefresh));
        let Capability::ExtendedNextHop(list) = one(&[5, 6, 0, 1, 0, 1, 0, 2]) else { panic!() };
        let expected = ExtendedNextHop { afi: Afi::IPV4, safi: 1, next_hop: Afi::IPV6 };
        assert_eq!(list.iter().collect::<Vec<_>>(), [expected]);
        assert!(matches!(one(&[6, 0]), Capability::ExtendedMessage));
        let Capability::MultipleLabels(list) = one(&[8, 4, 0, 1, 4, 3]) else { panic!() };
        let expected = MultipleLabels { afi: Afi::IPV4, safi: Safi::LABELED_UNICAST, count: 3 };
        assert_eq!(list.iter().collect::<Vec<_>>(), [expected]);
        assert!(matches!(one(&[9, 1, 1]), Capability::Role(Role::ROUTE_SERVER)));
        let Capability::GracefulRestart { flags, restart_time, families } =
            one(&[64, 6, 0x80, 0x78, 0, 1, 1, 0x80])
        else {
            panic!()
        };
        assert_eq!((flags, restart_time), (8, 120));
        let expected = GracefulFamily { afi: unicast.0, safi: unicast.1, flags: 0x80 };
        assert_eq!(families.iter().collect::<Vec<_>>(), [expected]);
        assert!(matches!(one(&[65, 4, 0xfa, 0x56, 0xea, 1]), Capability::FourOctetAs(Asn(4_200_000_001))));
        let Capability::AddPath(list) = one(&[69, 8, 0, 1, 1, 3, 0, 2, 1, 2]) else { panic!() };
        let ipv4 = AddPath { afi: Afi::IPV4, safi: Safi::UNICAST, receive: true, send: true };
        let ipv6 = AddPath { afi: Afi::IPV6, safi: Safi::UNICAST, receive: false, send: true };
        assert_eq!(list.iter().collect::<Vec<_>>(), [ipv4, ipv6]);
        assert!(matches!(one(&[70, 0]), Capability::EnhancedRouteRefresh));
        let Capability::LongLivedGracefulRestart(list) = one(&[71, 7, 0, 1, 1, 0x80, 0, 1, 0x2c]) else {
            panic!()
        };
        let expected = LongLivedFamily { afi: unicast.0, safi: unicast.1, flags: 0x80, stale_time: 300 };
        assert_eq!(list.iter().collect::<Vec<_>>(), [expected]);
        assert!(matches!(one(b"\x49\x08\x05edge1\x01x"), Capability::Fqdn { host: b"edge1", domain: b"x" }));
        assert!(matches!(one(b"\x4b\x04\x03BGP"), Capability::SoftwareVersion(b"BGP")));
        assert!(matches!(one(&[128, 0]), Capability::Other));
        assert!(matches!(one(&[200, 2, 1, 2]), Capability::Other));
    }

    #[test]
    fn values_of_impossible_lengths_are_malformed() {
        for octets in [
            &[1, 3, 0, 1, 0][..],
            &[1, 5, 0, 1, 0, 1, 0],
            &[2, 1, 0],
            &[5, 5, 0, 1, 0, 1, 0],
            &[6, 1, 0],
            &[8, 3, 0, 1, 4],
            &[9, 0],
            &[9, 2, 0, 0],
            &[64, 1, 0],
            &[64, 5, 0, 0, 0, 1, 1],
            &[65, 3, 0, 0, 1],
            &[65, 5, 0, 0, 0, 1, 0],
            &[69, 5, 0, 1, 1, 1, 0],
            &[70, 1, 0],
            &[71, 6, 0, 1, 1, 0, 0, 0],
            &[73, 2, 5, b'a'],
            &[73, 3, 0, 0, 0],
            &[73, 0],
            &[75, 2, 2, b'a'],
            &[75, 0],
        ] {
            assert!(matches!(one(octets), Capability::Malformed), "{octets:?}");
        }
    }

    #[test]
    fn add_path_with_an_unknown_mode_is_not_understood() {
        for mode in [0, 4, 7, 255] {
            assert!(matches!(one(&[69, 8, 0, 1, 1, 2, 0, 2, 1, mode]), Capability::Malformed), "{mode}");
        }
    }

    #[test]
    fn a_capability_that_is_cut_is_an_error() {
        for octets in [&[][..], &[65], &[65, 4, 0, 0, 1]] {
            assert!(Tlv::read(&mut Reader::new(octets)).is_err(), "{octets:?}");
        }
    }

    #[test]
    fn values_of_more_than_255_octets_are_not_written() {
        let mut w = Writer::new();
        let family = AddPath { afi: Afi::IPV4, safi: Safi::UNICAST, receive: true, send: false };
        assert!(write_list(&mut w, Code::ADD_PATH, &[family; 64]).is_err() && w.is_empty());
        assert!(write_list(&mut w, Code::ADD_PATH, &[family; 63]).is_ok());
        assert_eq!(w.len(), 254);
    }

    #[test]
    fn codes_without_a_name_show_their_number() {
        assert_eq!((Code(69).to_string(), Code(200).to_string()), ("ADD-PATH".into(), "capability 200".into()));
        assert_eq!((Role(4).name(), Role(5).name()), (Some("Peer"), None));
    }

    proptest! {
        #[test]
        fn lists_round_trip(elements in proptest::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), 0u32..1 << 24), 0..36)) {
            let elements: Vec<_> = elements
                .into_iter()
                .map(|(afi, safi, flags, stale_time)| LongLivedFamily { afi: Afi(afi), safi: Safi(safi), flags, stale_time })
                .collect();
            let mut w = Writer::new();
            write_list(&mut w, Code::LONG_LIVED_GRACEFUL_RESTART, &elements).unwrap();
            let octets = w.finish();
            let Capability::LongLivedGracefulRestart(list) = one(&octets) else { panic!() };
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), elements);
        }

        #[test]
        fn any_value_is_decoded_or_malformed(code: u8, value in proptest::collection::vec(any::<u8>(), 0..255)) {
            match (Tlv { code: Code(code), value: &value }).capability() {
                Capability::AddPath(list) => prop_assert_eq!(list.iter().count() * 4, value.len()),
                Capability::ExtendedNextHop(list) => prop_assert_eq!(list.iter().count() * 6, value.len()),
                _ => {}
            }
        }
    }
}
