use super::*;
use crate::value::Json;
use proptest::prelude::*;
use wire::Truncated;

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn tlv(code: u16, value: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(code).sized_u16(0, |w| _ = w.put(value)).unwrap();
    w.finish()
}

fn nlri(nlri_type: NlriType, protocol: u8, descriptors: &[u8]) -> Vec<u8> {
    let object = Object { protocol: Protocol(protocol), identifier: 0, descriptors };
    let mut w = Writer::new();
    LinkState { nlri_type, rd: None, body: Body::Object(object) }.write(&mut w);
    w.finish()
}

/// A node in AS 65001 with an identifier in its IGP.
fn node(code: u16, id: &str) -> Vec<u8> {
    tlv(code, &[tlv(512, &[0, 0, 0xfd, 0xe9]), tlv(513, &[0; 4]), tlv(515, &octets(id))].concat())
}

#[test]
fn each_type_shows_its_members() {
    let local = node(256, "000000000001");
    let node_shown = r#""local_asn":65001,"local_bgp_ls_id":0,"local_igp_rtr_id":"0000.0000.0001""#;
    let link = [
        local.clone(),
        node(257, "00000000000203"),
        tlv(258, &[0, 0, 0, 1, 0, 0, 0, 2]),
        tlv(259, &[10, 1, 1, 1]),
        tlv(260, &[10, 1, 1, 2]),
        tlv(263, &[0, 2]),
    ]
    .concat();
    let prefix = [local.clone(), tlv(264, &[1]), tlv(265, &[24, 192, 0, 2])].concat();
    let prefix6 = [local.clone(), tlv(265, &octets("30 20010db8000a"))].concat();
    let sid = [local.clone(), tlv(518, &octets("20010db8 00000000 00000000 00000001"))].concat();
    let policy =
        [local.clone(), tlv(554, &octets("02 00 0000 0a000009 00000064 0000fde9 0a000001 00000007"))].concat();
    for (nlri_type, protocol, descriptors, shown) in [
        (1, 2, local, format!(r#""nlri_type":"Node","proto":"IS-IS Level 2",{node_shown}"#)),
        (1, 3, node(256, "0a000001"), r#""nlri_type":"Node","proto":"OSPFv2","local_asn":65001,"local_bgp_ls_id":0,"local_igp_rtr_id":"10.0.0.1""#.into()),
        (1, 3, node(256, "0a000001 0a010101"), r#""nlri_type":"Node","proto":"OSPFv2","local_asn":65001,"local_bgp_ls_id":0,"local_igp_rtr_id":"10.0.0.1","local_dr_interface":"10.1.1.1""#.into()),
        (1, 7, tlv(256, &[tlv(516, &[10, 0, 0, 1]), tlv(517, &[0, 0, 0, 7]), tlv(600, &[1])].concat()),
         r#""nlri_type":"Node","proto":"BGP","local_bgp_rtr_id":"10.0.0.1","local_confed_member_asn":7,"local_node_600":"01""#.into()),
        (2, 1, link, format!(r#""nlri_type":"Link","proto":"IS-IS Level 1",{node_shown},"remote_asn":65001,"remote_bgp_ls_id":0,"remote_igp_rtr_id":"0000.0000.0002","remote_pseudonode":3,"local_link_id":1,"remote_link_id":2,"local_addr_v4":"10.1.1.1","neigh_addr_v4":"10.1.1.2","mt_id":[2]"#)),
        (3, 3, prefix, format!(r#""nlri_type":"IPv4 Topology Prefix","proto":"OSPFv2",{node_shown},"ospf_route_type":"Intra-Area","ip_reach":"192.0.2.0/24""#)),
        (4, 2, prefix6, format!(r#""nlri_type":"IPv6 Topology Prefix","proto":"IS-IS Level 2",{node_shown},"ip_reach":"2001:db8:a::/48""#)),
        (6, 2, sid, format!(r#""nlri_type":"SRv6 SID","proto":"IS-IS Level 2",{node_shown},"srv6_sid":"2001:db8::1""#)),
        (5, 9, policy, format!(r#""nlri_type":"SR Policy Candidate Path","proto":"Segment Routing",{node_shown},"sr_policy":{{"protocol_origin":2,"flags":"0x0","endpoint":"10.0.0.9","color":100,"originator_asn":65001,"originator":"10.0.0.1","discriminator":7}}"#)),
        (5, 8, [tlv(550, &[0, 1]), tlv(551, &[0, 2]), tlv(552, &[10, 0, 0, 1]), tlv(553, &[10, 0, 0, 2]), tlv(999, &[1])].concat(),
         r#""nlri_type":"SR Policy Candidate Path","proto":"RSVP-TE","tunnel_id":1,"lsp_id":2,"tunnel_head":"10.0.0.1","tunnel_tail":"10.0.0.2","descriptor_999":"01""#.into()),
    ] {
        let octets = nlri(NlriType(nlri_type), protocol, &descriptors);
        let decoded = LinkState::decode(false, &octets).unwrap();
        assert_eq!(Json(&decoded).to_string(), format!("{{{shown}}}"));
        let mut w = Writer::new();
        decoded.write(&mut w);
        assert_eq!(w.finish(), octets);
        for cut in 0..octets.len() {
            assert!(LinkState::decode(false, &octets[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn vpns_and_unknown_types() {
    let octets = octets("0001 0015 0000 fde9 00000001 02 0000000000000007 0100 0000");
    let decoded = LinkState::decode(true, &octets).unwrap();
    assert_eq!(
        Json(&decoded).to_string(),
        r#"{"nlri_type":"Node","rd":"0:65001:1","proto":"IS-IS Level 2","identifier":7}"#
    );
    let unknown = LinkState::decode(false, &[0, 77, 0, 1, 0xab]).unwrap();
    assert_eq!(Json(&unknown).to_string(), r#"{"nlri_type":"77","octets":"ab"}"#);
}

#[test]
fn cut_descriptors_are_errors_and_wrong_ones_hexadecimal() {
    let truncated = |at, wanted, left| Malformed::Truncated(Truncated { at, wanted, left });
    let cut = nlri(NlriType::NODE, 2, &[1, 0, 0, 4, 2]);
    assert_eq!(LinkState::decode(false, &cut), Err(truncated(17, 4, 1)));
    let inner = nlri(NlriType::NODE, 2, &tlv(256, &[2, 0, 0, 4, 1]));
    assert_eq!(LinkState::decode(false, &inner), Err(truncated(4, 4, 1)));
    let longer = [&cut[..], &[0]].concat();
    assert_eq!(LinkState::decode(false, &longer), Err(Malformed::Trailing { at: 18, left: 1 }));
    let wrong = nlri(
        NlriType::LINK,
        2,
        &[tlv(256, &tlv(512, &[1])), tlv(259, &[1]), tlv(265, &[33, 0, 0, 0, 0, 0])].concat(),
    );
    assert_eq!(
        Json(&LinkState::decode(false, &wrong).unwrap()).to_string(),
        r#"{"nlri_type":"Link","proto":"IS-IS Level 2","local_node_512":"01","descriptor_259":"01","descriptor_265":"210000000000"}"#
    );
}

proptest! {
    #[test]
    fn any_descriptors_are_shown_once(
        nlri_type in 0u16..8,
        all in prop::collection::vec(
            (prop_oneof![256u16..266, 512u16..519, 550u16..558, any::<u16>()], prop::collection::vec(any::<u8>(), 0..34)),
            0..6,
        ),
    ) {
        let tlvs: Vec<u8> = all.iter().flat_map(|(code, value)| tlv(*code, value)).collect();
        let nested = tlv(256, &tlvs);
        for descriptors in [&tlvs, &nested] {
            let octets = nlri(NlriType(nlri_type), 2, descriptors);
            let Ok(decoded) = LinkState::decode(false, &octets) else { continue };
            let mut names = Vec::new();
            decoded.members(&mut |name, _| names.push(name.to_owned()));
            let count = names.len();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), count, "each name once");
            _ = Json(&decoded).to_string();
            let mut w = Writer::new();
            decoded.write(&mut w);
            prop_assert_eq!(w.finish(), octets);
        }
    }

    #[test]
    fn any_octets_are_an_nlri_or_an_error(in_vpn: bool, octets in prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..60)) {
        _ = LinkState::decode(in_vpn, &octets).map(|nlri| Json(&nlri).to_string());
    }
}
