//! NLRI and next hops of each family.

use super::*;

/// The routes of a good message with MP_REACH_NLRI: family, next hop and NLRI. Then the same withdrawn.
fn reach(family: &str, next_hop: &str, nlri: &str, session: &Session) -> Vec<String> {
    let next_hop = format!("{:02x} {next_hop}", hex(next_hop).len());
    let mp = attribute("800e", &format!("{family} {next_hop} 00 {nlri}"));
    good(&body("", &format!("{MANDATORY_MP} {mp}"), ""), session)
}

fn unreach(family: &str, nlri: &str, session: &Session) -> Vec<String> {
    good(&body("", &attribute("800f", &format!("{family} {nlri}")), ""), session)
}

const V4: &str = "0a000001";
const V6: &str = "20010db8000000000000000000000001";
const LINK_LOCAL: &str = "fe800000000000000000000000000001";
const NO_RD: &str = "0000000000000000";

#[test]
fn unicast_and_multicast() {
    for (family, nlri, shown) in [
        ("000101", "18 c00002 20 c0000201 00", &["192.0.2.0/24", "192.0.2.1/32", "0.0.0.0/0"][..]),
        ("000102", "14 e00ff7", &["224.15.240.0/20"]),
        (
            "000201",
            "20 20010db8 00 80 20010db8000000000000000000000009",
            &["2001:db8::/32", "::/0", "2001:db8::9/128"],
        ),
        ("000202", "08 ff", &["ff00::/8"]),
    ] {
        let with = |sign| shown.iter().map(|text| format!("{sign}{text}")).collect::<Vec<_>>();
        assert_eq!(reach(family, V4, nlri, &asn4()), with('+'));
        assert_eq!(unreach(family, nlri, &asn4()), with('-'));
    }
}

#[test]
fn labelled_routes_have_one_label_whatever_its_last_bit() {
    // 28 + 24 bits: 198.51.100.16/28, label 16
    assert_eq!(reach("000104", V4, "34 000101 c6336410", &asn4()), ["+[000101] 198.51.100.16/28"]);
    assert_eq!(reach("000104", V4, "34 000100 c6336410", &asn4()), ["+[000100] 198.51.100.16/28"]);
    assert_eq!(reach("000104", V4, "18 000031", &asn4()), ["+[000031] 0.0.0.0/0"]);
    assert_eq!(reach("000204", V6, "48 000111 20010db8000a", &asn4()), ["+[000111] 2001:db8:a::/48"]);
    assert_eq!(unreach("000104", "30 800000 c00002", &asn4()), ["-[800000] 192.0.2.0/24"]);
    assert_eq!(unreach("000204", "48 000000 20010db8000a", &asn4()), ["-[000000] 2001:db8:a::/48"]);
}

#[test]
fn label_stacks_need_the_capability_and_withdrawals_have_one_label() {
    let multiple_labels = [(Afi::IPV4, Safi::LABELED_UNICAST)].into_iter().collect();
    let session = Session { multiple_labels, ..asn4() };
    assert_eq!(reach("000104", V4, "48 000100 000111 c00002", &session), ["+[000100, 000111] 192.0.2.0/24"]);
    assert_eq!(unreach("000104", "30 000100 c00002", &session), ["-[000100] 192.0.2.0/24"]);
}

#[test]
fn vpn_routes_have_a_label_and_a_distinguisher() {
    // 24 + 64 + 24 bits: label 100, 0:65001:1, 192.0.2.0/24
    let nlri = "70 000641 0000fde900000001 c00002";
    assert_eq!(reach("000180", &format!("{NO_RD}{V4}"), nlri, &asn4()), ["+0:65001:1 [000641] 192.0.2.0/24"]);
    let v6 = "88 000641 00010a0000010002 20010db80018";
    assert_eq!(reach("000280", &format!("{NO_RD}{V6}"), v6, &asn4()), ["+1:10.0.0.1:2 [000641] 2001:db8:18::/48"]);
    assert_eq!(unreach("000180", "58 800000 0002fa56ea010003", &asn4()), ["-2:4200000001:3 [800000] 0.0.0.0/0"]);
    // RFC 6513: no label.
    assert_eq!(reach("000181", V4, "48 0000fde900000001 0a", &asn4()), ["+0:65001:1 [] 10.0.0.0/8"]);
}

#[test]
fn path_identifiers_precede_routes_of_the_families_that_agreed_on_them() {
    let families = [(1, 1), (1, 4), (2, 128), (25, 70)].map(|(afi, safi)| (Afi(afi), Safi(safi)));
    let session = Session { add_path: families.into_iter().collect(), ..asn4() };
    let classic = body("00000007 18 c00002", MANDATORY, "00000001 18 c00002 00000002 18 c00002");
    assert_eq!(good(&classic, &session), ["-7: 192.0.2.0/24", "+1: 192.0.2.0/24", "+2: 192.0.2.0/24"]);
    assert_eq!(reach("000104", V4, "00000009 18 000031", &session), ["+9: [000031] 0.0.0.0/0"]);
    assert_eq!(
        reach("000280", V6, "ffffffff 58 000641 0000fde900000001", &session),
        ["+4294967295: 0:65001:1 [000641] ::/0"]
    );
    assert_eq!(unreach("001946", "00000003 04 01 ff", &session), ["-3: [04, 01, ff]"]);
    assert_eq!(reach("000201", V6, "00", &session), ["+::/0"]);
}

#[test]
fn nlri_of_other_families_are_separated() {
    for (family, nlri, shown) in [
        // EVPN: type, length
        ("001946", "0402 aabb 6300", &["[04, 02, aa, bb]", "[63, 00]"][..]),
        ("000105", "0101 01 0700", &["[01, 01, 01]", "[07, 00]"]),
        ("001908", "0101 01 0700", &["[01, 01, 01]", "[07, 00]"]),
        // Multicast distribution trees: bits
        ("000142", "10 0102 00", &["[10, 01, 02]", "[00]"]),
        // VPLS: length of two octets
        ("001941", "0002 0102 0000", &["[00, 02, 01, 02]", "[00, 00]"]),
        // BGP-LS: type, length of two octets each
        ("400447", "0001 0001 aa 0002 0000", &["[00, 01, 00, 01, aa]", "[00, 02, 00, 00]"]),
        ("400448", "0001 0001 aa", &["[00, 01, 00, 01, aa]"]),
        // Route targets: bits
        (
            "000184",
            "00 60 0000fde90002fde900000001 21 0000fde980",
            &["[00]", "[60, 00, 00, fd, e9, 00, 02, fd, e9, 00, 00, 00, 01]", "[21, 00, 00, fd, e9, 80]"],
        ),
        // SR policy: bits
        ("000149", "60 000000010000000a0a000001", &["[60, 00, 00, 00, 01, 00, 00, 00, 0a, 0a, 00, 00, 01]"]),
        // FlowSpec: a length of one octet, and one of two
        ("000185", "03 010108 f002 0102", &["[03, 01, 01, 08]", "[f0, 02, 01, 02]"]),
        // A family that has no RFC
        ("00637b", "01020304", &["[01, 02, 03, 04]"]),
    ] {
        let with = |sign| shown.iter().map(|text| format!("{sign}{text}")).collect::<Vec<_>>();
        assert_eq!(reach(family, V4, nlri, &asn4()), with('+'), "{family}");
        assert_eq!(unreach(family, nlri, &asn4()), with('-'), "{family}");
    }
}

#[test]
fn next_hops_of_each_size_lose_their_distinguishers() {
    let canonical = |family: &str, next_hop: &str, nlri: &str| {
        let mp = attribute("800e", &format!("{family} {:02x} {next_hop} 00 {nlri}", hex(next_hop).len()));
        let body = body("", &format!("{MANDATORY_MP} {mp}"), "");
        let mut decoder = Decoder::new();
        let update = decoder.decode(&body, &asn4()).unwrap();
        let attributes = update.blocks().next().unwrap().attributes;
        (
            attributes.get(Code::NEXT_HOP).map(<[u8]>::to_vec),
            attributes.next_hop(),
            attributes.link_local_next_hop(),
        )
    };
    let both = format!("{V6}{LINK_LOCAL}");
    let global = Some("2001:db8::1".parse().unwrap());
    let vpn = "58 000641 0000fde900000001";
    for family in ["000101", "000201"] {
        assert_eq!(canonical(family, V4, "00"), (Some(hex(V4)), Some([10, 0, 0, 1].into()), None));
        assert_eq!(canonical(family, V6, "00"), (Some(hex(V6)), global, None));
        assert_eq!(canonical(family, &both, "00"), (Some(hex(&both)), global, "fe80::1".parse().ok()));
    }
    for family in ["000180", "000280"] {
        for (wire, expected) in [
            (format!("{NO_RD}{V4}"), V4),
            (format!("0000000000000007{V6}"), V6),
            (format!("{NO_RD}{V6}{NO_RD}{LINK_LOCAL}"), &both),
            (V6.into(), V6),
        ] {
            assert_eq!(canonical(family, &wire, vpn).0, Some(hex(expected)));
        }
    }
    assert_eq!(canonical("000185", "", "00"), (None, None, None));
    assert_eq!(canonical("000186", &format!("{NO_RD}{V4}"), "00").0, Some(hex(V4)));
    assert_eq!(canonical("00637b", "0102030405", "00").0, None);
}
