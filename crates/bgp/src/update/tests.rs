//! Vectors.

use super::*;
use crate::nlri::{Label, Labels};

/// Octets written as hexadecimal digits, with blanks and line ends anywhere.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A body with withdrawn routes, attributes and announced routes.
pub(super) fn body(withdrawn: &str, attributes: &str, announced: &str) -> Vec<u8> {
    let (withdrawn, attributes) = (hex(withdrawn), hex(attributes));
    let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(hex(announced));
    body
}

pub(super) fn asn4() -> Session {
    Session { asn4: true, ..Session::default() }
}

/// ORIGIN, AS_PATH 65001, NEXT_HOP 10.0.1.1
pub(super) const MANDATORY: &str = "400101 00  400206 0201 0000fde9  400304 0a000101";
/// ORIGIN, AS_PATH 65001
pub(super) const MANDATORY_MP: &str = "400101 00  400206 0201 0000fde9";

#[test]
fn an_announcement_has_its_attributes_and_prefixes() {
    let body = body("18 c00002", &format!("{MANDATORY} 800404 00000032 c00808 fde900c8 fde90064"), "18c63364 00");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, &asn4()).unwrap();
    let blocks: Vec<_> = update.blocks().collect();
    let [withdrawn, announced] = blocks[..] else { panic!("{blocks:?}") };
    assert_eq!((withdrawn.action, withdrawn.attributes.is_empty()), (Action::Withdraw, true));
    let entry = |prefix: &str| Entry { path_id: None, nlri: Nlri::Unicast(prefix.parse().unwrap()) };
    assert_eq!(withdrawn.entries().collect::<Vec<_>>(), [entry("192.0.2.0/24")]);
    assert_eq!(announced.action, Action::Announce);
    assert_eq!(announced.entries().collect::<Vec<_>>(), [entry("198.51.100.0/24"), entry("0.0.0.0/0")]);
    let attributes = announced.attributes;
    assert_eq!(attributes.next_hop(), Some([10, 0, 1, 1].into()));
    assert_eq!(attributes.as_path().to_string(), "65001");
    assert_eq!((attributes.med(), attributes.local_pref()), (Some(50), None));
    let communities: Vec<_> = attributes.communities().map(|community| community.to_string()).collect();
    assert_eq!(communities, ["65001:100", "65001:200"]);
    assert!(update.faults.is_empty() && update.end_of_rib.is_none());
}

#[test]
fn a_vpn_route_has_labels_and_a_distinguisher() {
    // AFI 1, SAFI 128, next hop 0:0 10.0.0.1, 0:65001:1 192.0.2.0/24 with label 100
    let mp = "800e 20 0001 80 0c 0000000000000000 0a000001 00  70 000641 0000fde900000001 c00002";
    let body = body("", &format!("{MANDATORY_MP} {mp}"), "");
    let mut decoder = Decoder::new();
    let update = decoder.decode(&body, &asn4()).unwrap();
    let block = update.blocks().next().unwrap();
    assert_eq!((block.afi, block.safi), (Afi::IPV4, Safi::MPLS_VPN));
    assert_eq!(block.attributes.next_hop(), Some([10, 0, 0, 1].into()));
    let [Entry { nlri: Nlri::Vpn { rd, labels, prefix }, path_id: None }] =
        block.entries().collect::<Vec<_>>()[..]
    else {
        panic!("{block:?}")
    };
    assert_eq!((rd.to_string(), prefix.to_string()), ("0:65001:1".into(), "192.0.2.0/24".into()));
    assert_eq!((labels.last(), labels), (Some(Label::bottom(100)), Labels::new(&[0, 6, 0x41])));
}

#[test]
fn end_of_rib_of_any_family() {
    let mut decoder = Decoder::new();
    let update = decoder.decode(&[0, 0, 0, 0], &asn4()).unwrap();
    assert_eq!(update.end_of_rib, Some((Afi::IPV4, Safi::UNICAST)));
    let body = body("", "800f03 0019 46", "");
    assert_eq!(decoder.decode(&body, &asn4()).unwrap().end_of_rib, Some((Afi::L2VPN, Safi::EVPN)));
}
