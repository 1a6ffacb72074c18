//! docs/bgp-families.md says what the decoders show.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use bgp::attribute::Code;
use bgp::attribute::any::AnyAttribute;
use bgp::attribute::link_state::{Kind, TLVS};
use bgp::nlri::any::AnyNlri;
use bgp::value::Json;
use wire::{Afi, Safi};

const DOCUMENT: &str = include_str!("../../../docs/bgp-families.md");

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn assert_has(shown: &str) {
    assert!(DOCUMENT.lines().any(|line| line == shown), "the document lacks\n{shown}");
}

#[test]
fn examples_of_nlri_are_what_is_shown() {
    const RD: &str = "0000 fde9 00000001";
    for (afi, safi, text) in [
        (
            Afi::L2VPN,
            Safi::EVPN,
            format!("02 25 {RD} 00000000000000000000 00000005 30 02005e100001 20 c0000201 002710"),
        ),
        (Afi::L2VPN, Safi::EVPN, format!("05 22 {RD} 00000000000000000000 00000000 18 c0000200 00000000 002710")),
        (Afi::IPV4, Safi::FLOWSPEC, "10 01 18 c00002 03 81 06 05 03 50 45 5a 91 01bb".into()),
        (Afi::BGP_LS, Safi::BGP_LS, LINK_NLRI.into()),
        (Afi::IPV4, Safi::ROUTE_TARGET, "60 0000fde9 0002 fde9 00000005".into()),
        (Afi::IPV4, Safi::SR_POLICY, "60 00000001 00000064 0a000009".into()),
        (Afi::IPV4, Safi::MCAST_VPN, format!("07 16 {RD} 0000fde9 20 c0000201 20 ef010101")),
        (Afi::L2VPN, Safi::VPLS, format!("0011 {RD} 0007 0001 0008 000641")),
    ] {
        let octets = octets(&text);
        assert_has(&Json(&AnyNlri::decode(afi, safi, &octets).unwrap()).to_string());
    }
}

const LINK_NLRI: &str = "0002 0055 02 0000000000000000 \
    0100 001a 0200 0004 0000fde9 0201 0004 00000000 0203 0006 000000000001 \
    0101 001a 0200 0004 0000fde9 0201 0004 00000000 0203 0006 000000000002 \
    0103 0004 0a010101 0104 0004 0a010102";

#[test]
fn examples_of_attributes_are_what_is_shown() {
    let sid = "20010db8000100000000000000000000";
    for (code, text) in [
        (Code::PMSI_TUNNEL, "00 06 002710 0a000001".to_owned()),
        (
            Code::TUNNEL_ENCAPSULATION,
            "000f 001c 0c06 00 00 00000064 80 0011 00 0906 00 00 00000001 0106 0000 03e81000".into(),
        ),
        (Code::PREFIX_SID, format!("05 0022 00 01 001e 00 {sid} 00 0013 00 01 0006 28 18 10 00 10 40")),
        (Code::LINK_STATE, "0447 0003 00000a 0441 0004 4e9502f9 044b 0007 30 00 0000 003e80".into()),
    ] {
        let octets = octets(&text);
        assert_has(&Json(&AnyAttribute::decode(code, &octets).unwrap()).to_string());
    }
}

/// What the table says about the values of a kind.
fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Hex => "hexadecimal",
        Kind::WideMask | Kind::Mask | Kind::Srv6Capabilities => "mask",
        Kind::Number | Kind::Sid => "number",
        Kind::Present => "`true`",
        Kind::Address => "address",
        Kind::Bandwidth => "bit/s",
        Kind::Bandwidths => "list of bit/s",
        Kind::Numbers8 | Kind::Numbers32 | Kind::Numbers64 | Kind::MultiTopology => "list of numbers",
        Kind::SidDepths => "list of `type`, `value`",
        Kind::LabelRanges => "`flags`, `ranges` (`first`, `size`)",
        Kind::AdjacencySid => "`flags`, `weight`, `sid`",
        Kind::LanAdjacencySid => "`flags`, `weight`, `neighbor`, `sid`",
        Kind::PrefixSid => "`flags`, `algorithm`, `sid`",
        Kind::SidRange => "`flags`, `size`, TLVs",
        Kind::BundleMember => "`member`, TLVs",
        Kind::ApplicationSpecific => "`standard_applications`, `user_applications`, TLVs",
        Kind::FlexibleAlgorithm => "`algorithm`, `metric_type`, `calculation_type`, `priority`, TLVs",
        Kind::FlexibleAlgorithmMetric => "`algorithm`, `flags`, `metric`",
        Kind::Srv6EndX => "`behavior`, `flags`, `algorithm`, `weight`, `sid`, TLVs",
        Kind::Srv6IsisLanEndX | Kind::Srv6OspfLanEndX => {
            "`behavior`, `flags`, `algorithm`, `weight`, `neighbor`, `sid`, TLVs"
        }
        Kind::Srv6Locator => "`flags`, `algorithm`, `metric`, TLVs",
        Kind::Srv6Behavior => "`behavior`, `flags`, `algorithm`",
        Kind::Srv6Peer => "`flags`, `weight`, `peer_asn`, `peer_id`",
        Kind::Srv6Structure => "`block_bits`, `node_bits`, `function_bits`, `argument_bits`",
        Kind::Delay => "`anomalous`, `us`",
        Kind::DelayRange => "`anomalous`, `min_us`, `max_us`",
        Kind::DelayVariation => "microseconds",
        Kind::Loss => "`anomalous`, `percent`",
        Kind::BindingSid | Kind::Srv6BindingSid => "`flags`, `sid`, `provisioned_sid`, TLVs",
        Kind::PathState => "`priority`, `flags`, `preference`",
        Kind::PathConstraints => "`flags`, `mt_id`, `algorithm`, TLVs",
        Kind::MetricConstraint => "`type`, `flags`, `margin`, `bound`",
        Kind::SegmentList => "`flags`, `mt_id`, `algorithm`, `weight`, TLVs",
        Kind::Segment => "`type`, `flags`, `segment`",
        Kind::SegmentListMetric => "`type`, `flags`, `margin`, `bound`, `value`",
    }
}

#[test]
fn the_table_of_tlvs_is_that_of_the_decoder() {
    for row in TLVS {
        let (name, list) = (row.name, if row.is_list { "list of " } else { "" });
        assert_has(&format!("| {} | `{name}` | {list}{} | {} |", row.code, words(row.kind), row.source));
    }
}
