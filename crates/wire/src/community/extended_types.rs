//! The types of extended communities (IANA "Border Gateway Protocol (BGP) Extended Communities"), with their names
//! and the layouts of their values.
//!
//! A community is displayed as its name and the fields of its value, with colons between them. There are neither blanks
//! nor underscores, so that lists of communities can be separated by either.

use super::{Administrator, ExtendedCommunity};
use crate::tunnel::TunnelType;
use crate::{Asn, Mac};
use std::fmt;
use std::net::Ipv4Addr;

/// How the six octets after the type are displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// AS number of two octets, and a number.
    As2,
    /// IPv4 address, and a number.
    Ipv4,
    /// AS number of four octets, and a number.
    As4,
    /// IPv4 address; the rest is reserved.
    Address,
    /// AS number of two octets, and a rate in single precision.
    Rate,
    /// Twelve hexadecimal digits.
    Hex,
    /// Zero, which is not displayed, or else hexadecimal digits.
    Nothing,
    /// Point of insertion, identifier, cost.
    Cost,
    /// Area, route type, options.
    OspfRouteType,
    /// Flags, if there are any, and the color.
    Color,
    /// A tunnel type in the last two octets.
    Tunnel,
    /// The validation state in the last octet (RFC 8097).
    Validation,
    /// A number in the last four octets; `{:#x}` flags before them, if any are set.
    Flags16Number32,
    /// A MAC address.
    Ethernet,
    /// `sticky`, if the flag is set, and a sequence number (RFC 7432 section 7.7).
    MacMobility,
    /// `single-active` or `all-active`, and a label (RFC 7432 section 7.5).
    EsiLabel,
    /// `leaf` or `root`, and a label (RFC 8317 section 5.1).
    ETree,
    /// Flags of two octets, and the MTU (RFC 8214 section 3.1).
    Layer2Attributes,
    /// Algorithm, and capabilities of two octets (RFC 8584 section 2.2).
    DfElection,
    /// A number of three octets.
    Number24,
    /// Flags of one octet.
    Flags8,
    /// Flags of two octets.
    Flags16,
    /// Bits of the last octet (RFC 8955 section 7.3): sample, and that the next specification applies as well.
    TrafficAction,
    /// The DSCP in the last octet (RFC 8955 section 7.5).
    Dscp,
    /// Encapsulation, flags, MTU (RFC 4761 section 3.2.4).
    Layer2Info,
    /// `copy`, if the lowest bit is set.
    Copy,
    /// Seconds, and the fraction in 1/65536 (RFC 9722).
    Timestamp,
}

use Layout::*;

/// First octet, second octet, name, layout.
type Row = (u8, u8, &'static str, Layout);

/// Ascending by type.
const TYPES: &[Row] = &[
    // Transitive, with an AS number of two octets.
    (0x00, 0x02, "RT", As2),
    (0x00, 0x03, "SoO", As2),
    (0x00, 0x04, "link-bandwidth", Rate),
    (0x00, 0x05, "ospf-domain", As2),
    (0x00, 0x08, "data-collection", As2),
    (0x00, 0x09, "source-as", As2),
    (0x00, 0x0a, "l2vpn-id", As2),
    (0x00, 0x10, "vpn-distinguisher", As2),
    (0x00, 0x13, "rt-record", As2),
    (0x00, 0x15, "rt-derived", As2),
    (0x00, 0x80, "virtual-network", As2),
    // Transitive, with an IPv4 address.
    (0x01, 0x02, "RT", Ipv4),
    (0x01, 0x03, "SoO", Ipv4),
    (0x01, 0x04, "ifit", Ipv4),
    (0x01, 0x05, "ospf-domain", Ipv4),
    (0x01, 0x07, "ospf-router", Ipv4),
    (0x01, 0x09, "node-target", Ipv4),
    (0x01, 0x0a, "l2vpn-id", Ipv4),
    (0x01, 0x0b, "vrf-import", Ipv4),
    (0x01, 0x0c, "redirect-ip", Ipv4),
    (0x01, 0x10, "vpn-distinguisher", Ipv4),
    (0x01, 0x12, "segmented-next-hop", Ipv4),
    (0x01, 0x13, "rt-record", Ipv4),
    (0x01, 0x14, "vrf-next-hop", Ipv4),
    (0x01, 0x15, "rt-derived", Ipv4),
    (0x01, 0x20, "mvpn-rp", Ipv4),
    // Transitive, with an AS number of four octets.
    (0x02, 0x02, "RT", As4),
    (0x02, 0x03, "SoO", As4),
    (0x02, 0x04, "generic", As4),
    (0x02, 0x05, "ospf-domain", As4),
    (0x02, 0x08, "data-collection", As4),
    (0x02, 0x09, "source-as", As4),
    (0x02, 0x10, "vpn-distinguisher", As4),
    (0x02, 0x13, "rt-record", As4),
    (0x02, 0x15, "rt-derived", As4),
    // Transitive, opaque.
    (0x03, 0x00, "origin-validation", Validation),
    (0x03, 0x01, "cost", Cost),
    (0x03, 0x03, "cp-orf", Hex),
    (0x03, 0x04, "extranet-source", Hex),
    (0x03, 0x05, "extranet-separation", Hex),
    (0x03, 0x06, "ospf-route-type", OspfRouteType),
    (0x03, 0x07, "pmsi-flags", Hex),
    (0x03, 0x08, "context-label-space", Hex),
    (0x03, 0x09, "upa", Hex),
    (0x03, 0x0b, "color", Color),
    (0x03, 0x0c, "encapsulation", Tunnel),
    (0x03, 0x0d, "default-gateway", Nothing),
    (0x03, 0x0e, "ppmp-label", Hex),
    (0x03, 0x14, "hash-order", Hex),
    (0x03, 0xaa, "load-balance", Hex),
    // EVPN.
    (0x06, 0x00, "mac-mobility", MacMobility),
    (0x06, 0x01, "esi-label", EsiLabel),
    (0x06, 0x02, "es-import", Ethernet),
    (0x06, 0x03, "router-mac", Ethernet),
    (0x06, 0x04, "l2-attributes", Layer2Attributes),
    (0x06, 0x05, "e-tree", ETree),
    (0x06, 0x06, "df-election", DfElection),
    (0x06, 0x07, "i-sid", Number24),
    (0x06, 0x08, "arp-nd", Flags8),
    (0x06, 0x09, "multicast-flags", Flags16),
    (0x06, 0x0a, "evi-rt", As2),
    (0x06, 0x0b, "evi-rt", Ipv4),
    (0x06, 0x0c, "evi-rt", As4),
    (0x06, 0x0d, "evi-rt-ipv6", Hex),
    (0x06, 0x0e, "attachment-circuit", Hex),
    (0x06, 0x0f, "carving-time", Timestamp),
    (0x06, 0x10, "evpn-link-bandwidth", Hex),
    // Flow specifications.
    (0x07, 0x02, "interface-set", As4),
    (0x08, 0x00, "redirect-next-hop", Copy),
    (0x09, 0x00, "redirect-indirection", Flags16Number32),
    // Transport classes (RFC 9832), and service function chains (RFC 9015).
    (0x0a, 0x02, "transport-class", Flags16Number32),
    (0x0b, 0x01, "sfir-pool", Hex),
    (0x0b, 0x02, "sfc-mpls-label", Hex),
    // Not transitive.
    (0x40, 0x04, "link-bandwidth", Rate),
    (0x40, 0x80, "virtual-network", As2),
    (0x41, 0x02, "node-target", Ipv4),
    (0x42, 0x04, "generic", As4),
    (0x43, 0x00, "origin-validation", Validation),
    (0x43, 0x01, "cost", Cost),
    (0x43, 0x02, "route-target-cost", Hex),
    (0x4a, 0x02, "transport-class-local", Flags16Number32),
    // Registered as experimental, but in use: flow specifications, layer-2 VPNs, OSPF in VPNs.
    (0x80, 0x00, "ospf-route-type", OspfRouteType),
    (0x80, 0x01, "ospf-router", Address),
    (0x80, 0x04, "security-group", As2),
    (0x80, 0x05, "ospf-domain", As2),
    (0x80, 0x06, "rate-bytes", Rate),
    (0x80, 0x07, "traffic-action", TrafficAction),
    (0x80, 0x08, "redirect", As2),
    (0x80, 0x09, "mark-dscp", Dscp),
    (0x80, 0x0a, "l2-info", Layer2Info),
    (0x80, 0x0b, "e-tree-info", Hex),
    (0x80, 0x0c, "rate-packets", Rate),
    (0x80, 0x0d, "vlan-action", Hex),
    (0x80, 0x0e, "tpid-action", Hex),
    (0x80, 0x84, "tag", As2),
    (0x80, 0x85, "sub-cluster", As2),
    (0x81, 0x08, "redirect", Ipv4),
    (0x82, 0x04, "security-group", As4),
    (0x82, 0x08, "redirect", As4),
    (0x82, 0x84, "tag", As4),
    (0x82, 0x85, "sub-cluster", As4),
    (0x88, 0x00, "eigrp-route", Hex),
    (0x88, 0x01, "eigrp-as", Hex),
    (0x88, 0x02, "eigrp-reliability", Hex),
    (0x88, 0x03, "eigrp-load", Hex),
    (0x88, 0x04, "eigrp-external-as", Hex),
    (0x88, 0x05, "eigrp-external-protocol", Hex),
    (0x88, 0x06, "eigrp-originator", Address),
];

fn find(kind: u8, subtype: u8) -> Option<&'static Row> {
    let at = TYPES.binary_search_by_key(&(kind, subtype), |(kind, subtype, ..)| (*kind, *subtype)).ok()?;
    TYPES.get(at)
}

/// The name of a type. Types of one octet (QoS marking, CoS capability) have one for all their values.
pub(super) fn name(kind: u8, subtype: u8) -> Option<&'static str> {
    match kind {
        0x04 => Some("qos-marking"),
        0x05 => Some("cos-capability"),
        0x44 => Some("qos-marking-local"),
        _ => find(kind, subtype).map(|(_, _, name, _)| *name),
    }
}

/// Displays a community by its type; if that has no name, in hexadecimal.
pub(super) fn display(community: ExtendedCommunity, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [kind, subtype, a, b, c, d, e, g] = community.0;
    let whole = u64::from_be_bytes(community.0);
    let Some((_, _, name, layout)) = find(kind, subtype) else {
        return match name(kind, subtype) {
            // Seven octets of value.
            Some(name) => write!(f, "{name}:0x{:014x}", whole & 0xff_ffff_ffff_ffff),
            None => write!(f, "0x{whole:016x}"),
        };
    };
    let high = u16::from_be_bytes([a, b]);
    let low = u32::from_be_bytes([c, d, e, g]);
    // The label is in the upper 20 bits of the last three octets.
    let label = u32::from_be_bytes([0, d, e, g]) >> 4;
    match layout {
        As2 => write!(f, "{name}:{}", Administrator::As2(high, low)),
        Ipv4 => {
            let address = Ipv4Addr::new(a, b, c, d);
            write!(f, "{name}:{}", Administrator::Ipv4(address, u16::from_be_bytes([e, g])))
        }
        As4 => {
            let asn = Asn(u32::from_be_bytes([a, b, c, d]));
            write!(f, "{name}:{}", Administrator::As4(asn, u16::from_be_bytes([e, g])))
        }
        Address => write!(f, "{name}:{}", Ipv4Addr::new(a, b, c, d)),
        Rate => write!(f, "{name}:{high}:{}", f32::from_bits(low)),
        Nothing if whole & 0xffff_ffff_ffff == 0 => f.write_str(name),
        Hex | Nothing => write!(f, "{name}:0x{:012x}", whole & 0xffff_ffff_ffff),
        Cost => write!(f, "{name}:{a}:{b}:{low}"),
        OspfRouteType => write!(f, "{name}:{}:{e}:{g:#x}", Ipv4Addr::new(a, b, c, d)),
        Color | Flags16Number32 if high == 0 => write!(f, "{name}:{low}"),
        Color | Flags16Number32 => write!(f, "{name}:{high:#x}:{low}"),
        Tunnel => write!(f, "{name}:{}", TunnelType(u16::from_be_bytes([e, g]))),
        Validation => match g {
            0 => write!(f, "{name}:valid"),
            1 => write!(f, "{name}:not-found"),
            2 => write!(f, "{name}:invalid"),
            state => write!(f, "{name}:{state}"),
        },
        Ethernet => write!(f, "{name}:{}", Mac([a, b, c, d, e, g])),
        MacMobility if a & 1 != 0 => write!(f, "{name}:sticky:{low}"),
        MacMobility => write!(f, "{name}:{low}"),
        EsiLabel if a & 1 != 0 => write!(f, "{name}:single-active:{label}"),
        EsiLabel => write!(f, "{name}:all-active:{label}"),
        ETree if a & 1 != 0 => write!(f, "{name}:leaf:{label}"),
        ETree => write!(f, "{name}:root:{label}"),
        Layer2Attributes => write!(f, "{name}:{high:#x}:{}", u16::from_be_bytes([c, d])),
        DfElection => write!(f, "{name}:{}:{:#x}", a & 0x1f, u16::from_be_bytes([b, c])),
        Number24 => write!(f, "{name}:{}", u32::from_be_bytes([0, a, b, c])),
        Flags8 => write!(f, "{name}:{a:#x}"),
        Flags16 => write!(f, "{name}:{high:#x}"),
        TrafficAction => match g & 3 {
            0 => write!(f, "{name}:terminal"),
            1 => write!(f, "{name}:continue"),
            2 => write!(f, "{name}:sample+terminal"),
            _ => write!(f, "{name}:sample+continue"),
        },
        Dscp => write!(f, "{name}:{}", g & 0x3f),
        Layer2Info => write!(f, "{name}:{a}:{b:#x}:{}", u16::from_be_bytes([c, d])),
        Copy if g & 1 != 0 => write!(f, "{name}:copy"),
        Copy => f.write_str(name),
        Timestamp => {
            let seconds = u32::from_be_bytes([a, b, c, d]);
            write!(f, "{name}:{seconds}:{}", u16::from_be_bytes([e, g]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_ascend_and_names_have_neither_blanks_nor_underscores() {
        assert!(TYPES.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        assert!(TYPES.iter().all(|(_, _, name, _)| is_plain(name)));
    }

    #[test]
    fn each_layout_is_readable() {
        for (octets, shown) in [
            ([0x00, 0x05, 0xfd, 0xe9, 0, 0, 0, 5], "ospf-domain:65001:5"),
            ([0x01, 0x0b, 10, 0, 0, 1, 0, 7], "vrf-import:10.0.0.1:7"),
            ([0x02, 0x09, 0, 1, 0, 1, 0, 0], "source-as:65537:0"),
            ([0x40, 0x04, 0xfd, 0xe9, 0x49, 0x74, 0x24, 0x00], "link-bandwidth:65001:1000000"),
            ([0x03, 0x01, 129, 1, 0, 0, 0, 100], "cost:129:1:100"),
            ([0x03, 0x06, 0, 0, 0, 0, 5, 1], "ospf-route-type:0.0.0.0:5:0x1"),
            ([0x03, 0x0b, 0, 0, 0, 0, 0, 100], "color:100"),
            ([0x03, 0x0b, 0x40, 0, 0, 0, 0, 100], "color:0x4000:100"),
            ([0x03, 0x0c, 0, 0, 0, 0, 0, 8], "encapsulation:vxlan"),
            ([0x03, 0x0c, 0, 0, 0, 0, 1, 8], "encapsulation:264"),
            ([0x03, 0x0d, 0, 0, 0, 0, 0, 0], "default-gateway"),
            ([0x43, 0x00, 0, 0, 0, 0, 0, 2], "origin-validation:invalid"),
            ([0x43, 0x00, 0, 0, 0, 0, 0, 9], "origin-validation:9"),
            ([0x04, 1, 2, 3, 4, 5, 6, 7], "qos-marking:0x01020304050607"),
            ([0x06, 0x00, 1, 0, 0, 0, 0, 3], "mac-mobility:sticky:3"),
            ([0x06, 0x00, 0, 0, 0, 0, 0, 3], "mac-mobility:3"),
            ([0x06, 0x01, 1, 0, 0, 0, 6, 0x41], "esi-label:single-active:100"),
            ([0x06, 0x02, 2, 0, 0x5e, 0x10, 0, 1], "es-import:02:00:5e:10:00:01"),
            ([0x06, 0x03, 2, 0, 0x5e, 0x10, 0, 1], "router-mac:02:00:5e:10:00:01"),
            ([0x06, 0x04, 0, 2, 0x05, 0xdc, 0, 0], "l2-attributes:0x2:1500"),
            ([0x06, 0x05, 1, 0, 0, 0, 6, 0x41], "e-tree:leaf:100"),
            ([0x06, 0x06, 2, 0x40, 0, 0, 0, 0], "df-election:2:0x4000"),
            ([0x06, 0x07, 0, 0x27, 0x10, 0, 0, 0], "i-sid:10000"),
            ([0x06, 0x08, 1, 0, 0, 0, 0, 0], "arp-nd:0x1"),
            ([0x06, 0x09, 0, 3, 0, 0, 0, 0], "multicast-flags:0x3"),
            ([0x06, 0x0a, 0xfd, 0xe9, 0, 0, 0, 5], "evi-rt:65001:5"),
            ([0x06, 0x0f, 0, 0, 0, 1, 0x80, 0], "carving-time:1:32768"),
            ([0x08, 0x00, 0, 0, 0, 0, 0, 0], "redirect-next-hop"),
            ([0x08, 0x00, 0, 0, 0, 0, 0, 1], "redirect-next-hop:copy"),
            ([0x0a, 0x02, 0, 0, 0, 0, 0, 100], "transport-class:100"),
            ([0x80, 0x06, 0, 0, 0, 0, 0, 0], "rate-bytes:0:0"),
            ([0x80, 0x07, 0, 0, 0, 0, 0, 3], "traffic-action:sample+continue"),
            ([0x80, 0x08, 0xfd, 0xe9, 0, 0, 0, 5], "redirect:65001:5"),
            ([0x80, 0x09, 0, 0, 0, 0, 0, 46], "mark-dscp:46"),
            ([0x80, 0x0a, 19, 2, 0x05, 0xdc, 0, 0], "l2-info:19:0x2:1500"),
            ([0x80, 0x01, 10, 0, 0, 1, 0, 0], "ospf-router:10.0.0.1"),
            ([0x81, 0x08, 10, 0, 0, 1, 0, 5], "redirect:10.0.0.1:5"),
            ([0x82, 0x08, 0, 1, 0, 1, 0, 5], "redirect:65537:5"),
            ([0x88, 0x00, 0x80, 0, 0, 0, 0, 7], "eigrp-route:0x800000000007"),
            ([0x99, 0, 0, 0, 0, 0, 0, 1], "0x9900000000000001"),
        ] {
            assert_eq!(ExtendedCommunity(octets).to_string(), shown);
        }
    }

    #[test]
    fn every_type_displays_without_blanks() {
        for (kind, subtype, name, _) in TYPES {
            for octet in [0, 1, 0x7f, 0xff] {
                let shown =
                    ExtendedCommunity([*kind, *subtype, octet, octet, octet, octet, octet, octet]).to_string();
                assert!(shown.starts_with(name) && !shown.contains([' ', '_', '?']), "{shown}");
            }
        }
    }
}
