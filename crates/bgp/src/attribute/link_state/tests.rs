use super::*;
use crate::value::Json;
use proptest::prelude::*;
use wire::{Truncated, Writer};

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn tlv(code: u16, value: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(code).sized_u16(0, |w| _ = w.put(value)).unwrap();
    w.finish()
}

#[test]
fn each_kind_shows_its_value() {
    let sid = "20010db8 00000000 00000000 00000001";
    let sid_shown = r#""sid":"2001:db8::1""#;
    let structure = "04e4 0004 28 18 10 00";
    let structure_shown =
        r#""attr_srv6_sid_structure":{"block_bits":40,"node_bits":24,"function_bits":16,"argument_bits":0}"#;
    for (code, value, shown) in [
        (263, "0000 f002".into(), r#""attr_mt_id":[0,2]"#.into()),
        (266, "010a 0205".into(), r#""attr_node_msd":[{"type":1,"value":10},{"type":2,"value":5}]"#.into()),
        (1024, "80".into(), r#""attr_node_flags":"0x80""#.into()),
        (1026, "6e6f 6465".into(), r#""attr_node_name":"node""#.into()),
        (1027, "49 0001".into(), r#""attr_isis_area_id":["490001"]"#.into()),
        (1028, "0a000001".into(), r#""attr_v4_rid_local":"10.0.0.1""#.into()),
        (1029, sid.into(), r#""attr_v6_rid_local":"2001:db8::1""#.into()),
        (1034, "80 00 000064 0489 0003 003e80 0003e8 0489 0004 00000007".into(),
         r#""attr_sr_capabilities":{"flags":"0x80","ranges":[{"first":16000,"size":100},{"first":7,"size":1000}]}"#.into()),
        (1035, "00 01".into(), r#""attr_sr_algorithms":[0,1]"#.into()),
        (1038, "4000 0000".into(), r#""attr_srv6_capabilities":"0x4000""#.into()),
        (1039, "80 01 00 64 0411 0004 00000001".into(),
         r#""attr_flex_algo":[{"algorithm":128,"metric_type":1,"calculation_type":0,"priority":100,"attr_flex_algo_include_any":"0x00000001"}]"#.into()),
        (1044, "80 00 0000 0000000a".into(), r#""attr_flex_algo_prefix_metric":[{"algorithm":128,"flags":"0x0","metric":10}]"#.into()),
        (1088, "00000001".into(), r#""attr_admin_group":"0x1""#.into()),
        (1089, "4e9502f9".into(), r#""attr_max_bw":10000000000"#.into()),
        (1089, "7f800000".into(), r#""attr_max_bw":"7f800000""#.into()),
        (1091, "4e9502f9 00000000".into(), r#""attr_unresv_bw":[10000000000,0]"#.into()),
        (1092, "00000037".into(), r#""attr_te_df_metric":55"#.into()),
        (1095, "00000a".into(), r#""attr_igp_metric":10"#.into()),
        (1095, "".into(), r#""attr_igp_metric":"""#.into()),
        (1096, "00000001 00000002".into(), r#""attr_srlg":[1,2]"#.into()),
        (1099, "30 0a 0000 003e80".into(), r#""attr_adj_sid":[{"flags":"0x30","weight":10,"sid":16000}]"#.into()),
        (1099, "30 0a 0000 00".into(), r#""attr_adj_sid":["300a000000"]"#.into()),
        (1100, "30 00 0000 000000000001 003e80".into(),
         r#""attr_lan_adj_sid":[{"flags":"0x30","weight":0,"neighbor":"0000.0000.0001","sid":16000}]"#.into()),
        (1100, "30 00 0000 0a000001 00000007".into(),
         r#""attr_lan_adj_sid":[{"flags":"0x30","weight":0,"neighbor":"10.0.0.1","sid":7}]"#.into()),
        (1106, format!("0005 80 00 01 00 {sid} {structure}"),
         format!(r#""attr_srv6_endx_sid":[{{"behavior":"End.X","flags":"0x80","algorithm":0,"weight":1,{sid_shown},{structure_shown}}}]"#)),
        (1107, format!("0005 80 00 01 00 000000000001 {sid}"),
         format!(r#""attr_srv6_isis_lan_endx_sid":[{{"behavior":"End.X","flags":"0x80","algorithm":0,"weight":1,"neighbor":"0000.0000.0001",{sid_shown}}}]"#)),
        (1108, format!("0005 80 00 01 00 0a000001 {sid}"),
         format!(r#""attr_srv6_ospf_lan_endx_sid":[{{"behavior":"End.X","flags":"0x80","algorithm":0,"weight":1,"neighbor":"10.0.0.1",{sid_shown}}}]"#)),
        (1114, "800003e8".into(), r#""attr_delay":{"anomalous":true,"us":1000}"#.into()),
        (1115, "0000000a 00000014".into(), r#""attr_min_max_delay":{"anomalous":false,"min_us":10,"max_us":20}"#.into()),
        (1116, "00000003".into(), r#""attr_delay_variation":3"#.into()),
        (1117, "00000002".into(), r#""attr_loss":{"anomalous":false,"percent":0.000006}"#.into()),
        (1121, "".into(), r#""attr_graceful_link_shutdown":true"#.into()),
        (1122, "04 00 0000 10000000 0444 0004 00000007".into(),
         r#""attr_asla":[{"standard_applications":"0x10000000","user_applications":"0x","attr_te_df_metric":7}]"#.into()),
        (1153, "00000001".into(), r#""attr_igp_route_tags":[1]"#.into()),
        (1154, "0000000000000001".into(), r#""attr_igp_ext_route_tags":[1]"#.into()),
        (1158, "60 00 0000 00000001".into(), r#""attr_prefix_sid":[{"flags":"0x60","algorithm":0,"sid":1}]"#.into()),
        (1159, "00 00 0064 0486 0008 60 00 0000 00000001".into(),
         r#""attr_sid_range":[{"flags":"0x0","size":100,"attr_prefix_sid":[{"flags":"0x60","algorithm":0,"sid":1}]}]"#.into()),
        (1162, "00 80 0000 0000000a".into(), r#""attr_srv6_locator":[{"flags":"0x0","algorithm":128,"metric":10}]"#.into()),
        (1172, "00000001 0444 0004 00000007".into(), r#""attr_l2_bundle_member":[{"member":1,"attr_te_df_metric":7}]"#.into()),
        (1173, "00000001 00000002".into(), r#""attr_ext_admin_group":"0x0000000100000002""#.into()),
        (1201, "8000 0000 03e80000 00000000".into(), r#""attr_sr_binding_sid":[{"flags":"0x8000","sid":"16000","provisioned_sid":"0"}]"#.into()),
        (1202, "0a 00 5800 00000064".into(), r#""attr_sr_cp_state":{"priority":10,"flags":"0x5800","preference":100}"#.into()),
        (1205, "0000 0000 0000 00 00 00000001 04b6 0008 01 00 8000 03e80000".into(),
         r#""attr_sr_segment_list":[{"flags":"0x0","mt_id":0,"algorithm":0,"weight":1,"attr_sr_segment":[{"type":1,"flags":"0x8000","segment":"03e80000"}]}]"#.into()),
        (1207, "00 00 0000 00000001 00000002 00000003".into(),
         r#""attr_sr_segment_list_metric":[{"type":0,"flags":"0x0","margin":1,"bound":2,"value":3}]"#.into()),
        (1215, "00 00 0000 00000001 00000002".into(), r#""attr_sr_metric_constraint":[{"type":0,"flags":"0x0","margin":1,"bound":2}]"#.into()),
        (1212, format!("8000 0000 {sid} {sid} {structure}"),
         format!(r#""attr_srv6_binding_sid":[{{"flags":"0x8000",{sid_shown},"provisioned_sid":"2001:db8::1",{structure_shown}}}]"#)),
        (1250, "0012 00 00".into(), r#""attr_srv6_behavior":{"behavior":"End.DT6","flags":"0x0","algorithm":0}"#.into()),
        (1251, "80 00 0000 0000fde9 0a000001".into(),
         r#""attr_srv6_peer":{"flags":"0x80","weight":0,"peer_asn":65001,"peer_id":"10.0.0.1"}"#.into()),
        (1999, "dead".into(), r#""attr_1999":"dead""#.into()),
    ] as [(u16, String, String); _] {
        let octets = tlv(code, &octets(&value));
        let attribute = LinkState::decode(&octets).unwrap();
        assert_eq!(Json(&attribute).to_string(), format!("{{{shown}}}"), "{code}");
    }
}

#[test]
fn repeated_types_are_lists_or_the_first_counts() {
    let octets = [
        tlv(1999, &[1]),
        tlv(1027, &[0x49]),
        tlv(1999, &[2]),
        tlv(1026, b"a"),
        tlv(1026, b"b"),
        tlv(1027, &[0x50]),
    ];
    let octets = octets.concat();
    let attribute = LinkState::decode(&octets).unwrap();
    assert_eq!(
        Json(&attribute).to_string(),
        r#"{"attr_node_name":"a","attr_isis_area_id":["49","50"],"attr_1999":["01","02"]}"#
    );
    assert_eq!(attribute.tlvs().count(), 6);
    let truncated = Truncated { at: 4, wanted: 2, left: 1 };
    assert_eq!(LinkState::decode(&[4, 2, 0, 2, 1]), Err(Malformed::Truncated(truncated)));
}

#[test]
fn nesting_is_bounded() {
    let mut octets = tlv(1092, &[7]);
    for _ in 0..2000 {
        octets = tlv(1172, &[&[0, 0, 0, 1], &octets[..]].concat());
    }
    let shown = Json(&LinkState::decode(&octets).unwrap()).to_string();
    assert_eq!(shown.matches("attr_l2_bundle_member").count(), usize::from(3u8) + 1);
}

proptest! {
    #[test]
    fn any_values_are_shown(
        codes in prop::collection::vec((0..TLVS.len() + 1, prop::collection::vec(any::<u8>(), 0..44)), 0..8),
        octets in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let all: Vec<u8> = codes
            .iter()
            .flat_map(|(at, value)| tlv(TLVS.get(*at).map_or(1999, |row| row.code), value))
            .collect();
        let attribute = LinkState::decode(&all).unwrap();
        let mut names = Vec::new();
        attribute.members(&mut |name, _| names.push(name.to_owned()));
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count, "each name once");
        _ = Json(&attribute).to_string();
        _ = LinkState::decode(&octets).map(|attribute| Json(&attribute).to_string());
    }
}
