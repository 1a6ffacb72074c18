//! What the session sends, octet by octet: pmacct's answers to the same input.

use super::*;
use bgp::notification::Notification;
use bgp::update::Peering;
use wire::Asn;

/// Sends, shuts down, and compares what was answered.
fn answers(mut pair: Pair, sent: &str, expected: &str) {
    pair.peer_sends(&hex(sent));
    pair.session.shutdown("pmacct received SIGINT - shutting down", pair.now);
    let cease = "-003c03060226706d6163637420726563656976656420534947494e54202d207368757474696e6720646f776e";
    assert_eq!(pair.peer_reads(), hex(&[expected, cease].concat()));
}

#[test]
fn capabilities_that_we_have_are_echoed_with_our_as_number() {
    answers(
        Pair::configured(),
        "-00310104fde9005a0a00010114021201040001000101040002000141040000fde9 -001304",
        "-00310104fc00005a0aff000114021201040001000101040002000141040000fc00 -001304 -001304",
    );
}

#[test]
fn capabilities_that_we_lack_are_not_echoed() {
    answers(
        Pair::configured(),
        "-00780104fde9005a0a0001015b02590104000100010104000200010104000100800104001900460200400680780001018049120565646765310b\
         6578616d706c652e6e65740600090101460047070001018000012c8000830178050600010001000241040000fde9 -001304",
        "-00450104fc00005a0aff000128022601040001000101040002000101040001008001040019004605060001000100024104\
         0000fc00 -001304 -001304",
    );
}

#[test]
fn the_as_number_of_the_peer_is_ours_without_a_configured_one() {
    answers(
        Pair::new(Config::default()),
        "-00310104fde9005a0a00010114021201040001000101040002000141040000fde9 -001304",
        "-00310104fde9005a0102030414021201040001000101040002000141040000fde9 -001304 -001304",
    );
    answers(
        Pair::new(Config::default()),
        "-003101045ba0005a0a000102140212010400010001010400020001 4104fa56ea09 -001304",
        "-003101045ba0005a01020304140212010400010001010400020001 4104fa56ea09 -001304 -001304",
    );
}

#[test]
fn a_peer_without_capabilities_gets_none() {
    answers(
        Pair::configured(),
        "-001d0104fde9005a0a00010100 -001304",
        "-001d0104fc00005a0aff000100 -001304 -001304",
    );
}

#[test]
fn our_as_number_of_four_octets_is_as_trans_to_a_peer_without_them() {
    let config = Config { local_as: Some(Asn(4_200_000_001)), ..Config::default() };
    answers(Pair::new(config), "-001d0104fde9005a0a00010100", "-001d01045ba0005a0102030400 -001304");
}

#[test]
fn add_path_is_answered_with_receive_where_the_peer_sends() {
    let sent = "-003b0104fde9005a0a0001011e021c0104000100010104000200014508000101030002010241040000fde9 -001304";
    answers(
        Pair::configured(),
        sent,
        "-003b0104fc00005a0aff00011e021c0104000100010104000200014508000101010002010141040000fc00 -001304 -001304",
    );
    let mut pair = Pair::configured();
    pair.peer_sends(&hex(sent));
    let add_path = &pair.session.parameters().unwrap().add_path;
    assert!(add_path.iter().eq([(Afi::IPV4, Safi::UNICAST), (Afi::IPV6, Safi::UNICAST)]));
    assert_eq!(pair.session.parameters().unwrap().decoding().add_path, *add_path);
    answers(
        Pair::new(Config { add_path: false, ..config() }),
        sent,
        "-00310104fc00005a0aff000114021201040001000101040002000141040000fc00 -001304 -001304",
    );
}

#[test]
fn add_path_of_a_peer_that_only_receives_is_not_answered() {
    let mut pair = Pair::configured();
    pair.peer_sends(&hex("-002b0104fde9005a0a0001010e020c41040000fde9 4504 00010101"));
    assert_eq!(pair.peer_reads(), hex("-00250104fc00005a0aff00010802 0641040000fc00 -001304"));
    assert!(pair.session.parameters().unwrap().add_path.is_empty());
}

#[test]
fn route_refresh_and_extended_messages_are_announced_if_configured() {
    let sent = "-00310104fde9005a0a00010114 0212 0200 4600 0600 0200 010400010001 06004600";
    let answer = |config| {
        let mut pair = Pair::new(config);
        pair.peer_sends(&hex(sent));
        (pair.peer_reads(), pair.session.parameters().unwrap().clone())
    };
    let (octets, agreed) = answer(config());
    assert_eq!(octets, hex("-00250104fc00005a0aff000108 0206 010400010001 -001304"));
    assert!(agreed.route_refresh && !agreed.enhanced_route_refresh && !agreed.extended_message);
    let all = Config { route_refresh: true, enhanced_route_refresh: true, extended_message: true, ..config() };
    let (octets, agreed) = answer(all);
    assert_eq!(octets, hex("-002b0104fc00005a0aff00010e 020c 0200 4600 0600 010400010001 -001304"));
    assert!(agreed.route_refresh && agreed.enhanced_route_refresh && agreed.extended_message);
}

#[test]
fn each_parameter_is_answered_with_one_unless_nothing_of_it_is_known() {
    let mut pair = Pair::new(Config::default());
    pair.peer_sends(&hex("-00350104fde9005a0a000101 18 0206010400010001 0204 40020078 02064104 0000fde9 0200"));
    assert_eq!(pair.peer_reads(), hex("-002d0104fde9005a01020304 10 0206010400010001 0206 41040000fde9 -001304"));
}

#[test]
fn repeated_capabilities_are_answered_once() {
    let mut pair = Pair::new(Config::default());
    pair.peer_sends(&hex("-00350104fde9005a0a000101 18 0216 010400010001 010400010001 0506 000100010002 4600"));
    assert_eq!(pair.peer_reads(), hex("-002d0104fde9005a01020304 10 020e 010400010001 0506 000100010002 -001304"));
    let agreed = pair.session.parameters().unwrap();
    assert_eq!((agreed.families.iter().len(), agreed.extended_next_hop.len()), (1, 1));
    assert_eq!(agreed.capabilities().count(), 4);
}

#[test]
fn the_hold_time_is_the_peers_and_at_least_five_seconds_in_the_answer() {
    for (sent, answered, agreed) in
        [(0, 0, None), (3, 5, Some(3)), (5, 5, Some(5)), (65_535, 65_535, Some(65_535))]
    {
        let mut pair = Pair::configured();
        pair.peer_sends(&open(sent));
        let octets = pair.peer_reads();
        assert_eq!(octets[22..24], u16::to_be_bytes(answered));
        assert_eq!(pair.session.parameters().unwrap().hold_time, agreed.map(Duration::from_secs));
    }
}

#[test]
fn hundreds_of_families_are_answered_with_extended_lengths() {
    let mut pair = Pair::configured();
    let sent = open_with(90, |w| (0..600).for_each(|afi| capability::write_multiprotocol(w, Afi(afi), Safi(1))));
    pair.peer_sends(&sent);
    let agreed = pair.session.parameters().unwrap();
    assert_eq!(agreed.families.iter().len(), 600);
    assert_eq!((agreed.sent_open.len(), &*agreed.received_open), (sent.len(), &sent[..]));
}

#[test]
fn a_peer_without_multiprotocol_sends_ipv4_unicast() {
    let mut pair = Pair::configured();
    pair.peer_sends(&open_with(90, |_| {}));
    let agreed = pair.session.parameters().unwrap();
    assert!(agreed.families.iter().eq([(Afi::IPV4, Safi::UNICAST)]));
    assert_eq!((agreed.peering(), agreed.asn4), (Peering::External, false));
}

#[test]
fn several_labels_are_received_if_configured() {
    let sent = "-00250104fde9005a0a000101 08 0206 0804 00010403";
    let mut pair = Pair::configured();
    pair.peer_sends(&hex(sent));
    assert_eq!(pair.peer_reads(), hex("-001d0104fc00005a0aff000100 -001304"));
    let mut pair = Pair::new(Config { multiple_labels: true, ..config() });
    pair.peer_sends(&hex(sent));
    assert_eq!(pair.peer_reads(), hex("-00250104fc00005a0aff000108 0206 0804 000104ff -001304"));
    assert!(
        pair.session.parameters().unwrap().decoding().multiple_labels.contains(Afi::IPV4, Safi::LABELED_UNICAST)
    );
}

/// An unacceptable OPEN is answered with a NOTIFICATION alone.
#[test]
fn errors_of_an_open_are_answered_with_their_notification() {
    for (sent, expected) in [
        // The AS numbers contradict each other.
        ("-00250104fde9005a0a00010108020641040000fdea", "0202"),
        // AS_TRANS with 0 in four octets, and without.
        ("-002501045ba0005a0a000101080206410400000000", "0202"),
        ("-001d01045ba0005a0a00010100", "0202"),
        // A capability passes its parameter, and the parameters the message.
        ("-00250104fde9005a0a00010108020641280000fde9", "0200"),
        ("-00250104fde9005a0a000101c8020641040000fde9", "0200"),
        // Version 3.
        ("-001d0103fde9005a0a00010100", "02010004"),
        // Identifier 0, and a hold time of 1 s.
        ("-001d0104fde9005a0000000000", "0203"),
        ("-001d0104fde900010a00010100", "0206"),
    ] {
        let mut pair = Pair::configured();
        assert_eq!(pair.peer_sends(&hex(sent)), []);
        let notification = Notification::decode(&hex(expected)).unwrap();
        let mut octets = Vec::new();
        notification.write(&mut octets);
        assert_eq!(pair.peer_reads(), octets, "{sent}");
        assert!(
            matches!(pair.session.closed(), Some(Closed::Sent(sent, crate::Cause::Open(_))) if *sent == notification)
        );
        assert!(pair.session.parameters().is_none());
    }
}
