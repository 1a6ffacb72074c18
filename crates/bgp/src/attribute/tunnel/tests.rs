use super::*;
use crate::value::Json;
use proptest::prelude::*;
use wire::Truncated;

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn tunnel(tunnel_type: u16, sub_tlvs: &[(u16, &str)]) -> Vec<u8> {
    let values: Vec<_> = sub_tlvs.iter().map(|(code, text)| (*code, octets(text))).collect();
    let tlvs: Vec<_> = values.iter().map(|(code, value)| Tlv { code: *code, value }).collect();
    let mut builder = Builder::new();
    builder.tunnel(TunnelType(tunnel_type), &tlvs).unwrap();
    builder.finish()
}

#[test]
fn each_sub_tlv_shows_its_value() {
    let sid = "20010db8 00000000 00000000 00000001";
    for (tunnel_type, code, value, shown) in [
        (
            8,
            1,
            "c0 002710 02005e100001 0000",
            r#""encapsulation_flags":"0xc0","vni":10000,"mac":"02:00:5e:10:00:01""#,
        ),
        (8, 1, "00 002710 02005e100001 0000", r#""encapsulation_flags":"0x0""#),
        (8, 1, "00", r#""sub_tlv_1":"00""#),
        (2, 1, "00000007", r#""gre_key":7"#),
        (1, 1, "00000007 ab", r#""l2tpv3_session":7,"l2tpv3_cookie":"ab""#),
        (2, 2, "0800", r#""protocol_type":"0x800""#),
        (2, 4, "030b 0000 00000064", r#""color":100"#),
        (2, 4, "00", r#""sub_tlv_4":"00""#),
        (2, 5, "0008", r#""load_balancing_block":8"#),
        (2, 6, "00000000 0001 0a000009", r#""endpoint":"10.0.0.9""#),
        (2, 6, "00000000 0000", r#""endpoint":"next-hop""#),
        (2, 6, "00000000 0001 0a0000", r#""sub_tlv_6":"0000000000010a0000""#),
        (2, 7, "b8", r#""ds_field":184"#),
        (2, 8, "12b5", r#""udp_port":4789"#),
        (2, 9, "01", r#""embedded_label_handling":1"#),
        (2, 10, "00064000 00065100", r#""mpls_labels":[100,101]"#),
        (2, 11, "01 0007 00 0000 00000005", r#""prefix_sid":{"psid_li":5}"#),
        (15, 12, "00 00 00000064", r#""preference":100"#),
        (15, 13, "00 00 03e80000", r#""binding_sid":{"flags":"0x0","sid":"16000"}"#),
        (15, 13, "40 00", r#""binding_sid":{"flags":"0x40"}"#),
        (15, 14, "00 00 03", r#""explicit_null_label_policy":3"#),
        (15, 15, "0a 00", r#""priority":10"#),
        (15, 129, "00 70617468", r#""path_name":"path""#),
        (15, 130, "00 706f6c", r#""policy_name":"pol""#),
        (15, 99, "ab", r#""sub_tlv_99":"ab""#),
    ] {
        let name = TunnelType(tunnel_type).to_string();
        let octets = tunnel(tunnel_type, &[(code, value)]);
        let expected = format!(r#"{{"tunnels":[{{"type":"{name}",{shown}}}]}}"#);
        assert_eq!(Json(&Tunnels::decode(&octets).unwrap()).to_string(), expected);
    }
    let octets = tunnel(15, &[(20, &format!("80 00 {sid} 0012 0000 28 18 10 00"))]);
    assert_eq!(
        Json(&Tunnels::decode(&octets).unwrap()).to_string(),
        r#"{"tunnels":[{"type":"sr-policy","srv6_binding_sid":{"flags":"0x80","sid":"2001:db8::1","behavior":"End.DT6","structure":{"block_bits":40,"node_bits":24,"function_bits":16,"argument_bits":0}}}]}"#
    );
}

#[test]
fn segment_lists_have_a_weight_and_segments() {
    let sid = "20010db8 00000000 00000000 00000001";
    let address = "20010db8 00000000 00000000 00000002";
    let list = format!(
        "00 0906 00 00 00000007 0106 00 00 03e80000 0d12 80 00 {sid} 030a 00 01 0a000001 03e80000 \
         0e1a 00 00 {address} 0012 0000 0000 0000 6301 ab"
    );
    let octets = tunnel(15, &[(128, &list), (128, "00 0106 00 00 03e90000"), (128, "00 0106"), (128, "")]);
    let attribute = Tunnels::decode(&octets).unwrap();
    assert_eq!(
        Json(&attribute).to_string(),
        concat!(
            r#"{"tunnels":[{"type":"sr-policy","segment_lists":[{"weight":7,"segments":["#,
            r#"{"type":"A","flags":"0x0","sid":"16000"},{"type":"B","flags":"0x80","sid":"2001:db8::1"},"#,
            r#"{"type":"C","flags":"0x0","algorithm":1,"node":"10.0.0.1","sid":"16000"},"#,
            r#"{"type":"14","octets":"000020010db80000000000000000000000020012000000000000"},{"type":"99","octets":"ab"}]},"#,
            r#"{"segments":[{"type":"A","flags":"0x0","sid":"16016"}]},"000106",""]}]}"#
        )
    );
}

#[test]
fn cuts_are_errors() {
    let truncated = |at, wanted, left| Err(Malformed::Truncated(Truncated { at, wanted, left }));
    assert_eq!(Tunnels::decode(&[0, 2, 0, 4, 1]), truncated(4, 4, 1));
    assert_eq!(Tunnels::decode(&[0, 2, 0, 2, 7, 1]), truncated(2, 1, 0));
    let both = [tunnel(2, &[(6, "00000000 0001 0a000009")]), tunnel(99, &[])].concat();
    let endpoints: Vec<_> = Tunnels::decode(&both).unwrap().iter().map(Tunnel::endpoint).collect();
    assert_eq!(endpoints, [Some([10, 0, 0, 9].into()), None]);
    let mut builder = Builder::new();
    assert!(builder.tunnel(TunnelType(2), &[Tlv { code: 1, value: &[0; 256] }]).is_err());
}

proptest! {
    #[test]
    fn any_sub_tlvs_are_shown(
        all in prop::collection::vec(
            (0u16..20, prop_oneof![0u16..22, 126u16..132], prop::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..60)),
            0..5,
        ),
        octets in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..60),
    ) {
        let mut builder = Builder::new();
        for (tunnel_type, code, value) in &all {
            builder.tunnel(TunnelType(*tunnel_type), &[Tlv { code: *code, value }, Tlv { code: 128, value }]).unwrap();
        }
        let written = builder.finish();
        let attribute = Tunnels::decode(&written).unwrap();
        for (tunnel, (tunnel_type, code, value)) in attribute.iter().zip(&all) {
            prop_assert_eq!(tunnel.tunnel_type.0, *tunnel_type);
            prop_assert_eq!(tunnel.sub_tlvs().next(), Some(Tlv { code: *code, value }));
        }
        _ = Json(&attribute).to_string();
        _ = Tunnels::decode(&octets).map(|attribute| Json(&attribute).to_string());
    }
}
