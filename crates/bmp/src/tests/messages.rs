use super::*;
use crate::code::{DownReason, InitiationTlv, MirroringInformation, TerminationReason};
use crate::mirroring::Mirrored;
use crate::tlv::{Tlv, TlvBuf};
use bgp::message::MessageType as BgpType;

/// TLVs: `r1` as name, type 77 of enterprise 32473, and an empty text.
const TLVS: &str = "
    00 02 00 02 72 31
    80 4d 00 05 00 00 7e d9 78
    00 00 00 00";

#[test]
fn an_initiation_has_tlvs() {
    let octets = v3(MessageType::INITIATION, &[TLVS]);
    let message = decoded!(Initiation, &octets);
    assert_eq!((message.sys_name(), message.sys_descr()), (Some(&b"r1"[..]), None));
    let expected = [
        Tlv::new(2, b"r1"),
        Tlv { enterprise: Some(32_473), ..Tlv::new(77, b"x") },
        Tlv::new(InitiationTlv::STRING.0, b""),
    ];
    assert_eq!(message.tlvs.collect::<Vec<_>>(), expected);
    // A type of an enterprise is none of the registered ones.
    let octets = v3(MessageType::INITIATION, &["80 02 00 05 00 00 7e d9 78  80 02 00 01 79"]);
    let message = decoded!(Initiation, &octets);
    assert_eq!(message.sys_name(), None);
    // Without room for an enterprise number the bit belongs to the type.
    assert_eq!(message.tlvs.last(0x8002), Some(&b"y"[..]));
}

#[test]
fn an_initiation_with_a_tlv_that_is_cut_is_an_error() {
    let octets = v3(MessageType::INITIATION, &["00 02 01 90 6e 61 6d 65"]);
    assert_eq!(decode(&octets), Err(truncated(10, 400, 4)));
    let octets = v3(MessageType::INITIATION, &[TLVS, "00 02 00"]);
    assert_eq!(decode(&octets), Err(truncated(27, 2, 1)));
}

#[test]
fn a_termination_is_one_whatever_its_tlvs_are() {
    let octets = v3(MessageType::TERMINATION, &["00 01 00 02 00 02  00 00 00 03 62 79 65"]);
    let message = decoded!(Termination, &octets);
    assert_eq!(message.reason(), Some(TerminationReason::OUT_OF_RESOURCES));
    let octets = v3(MessageType::TERMINATION, &["00 01 00 01 02"]);
    assert_eq!(decoded!(Termination, &octets).reason(), None);
    let octets = v3(MessageType::TERMINATION, &["00 01 00 02 00 09  00 00 00"]);
    let message = decoded!(Termination, &octets);
    assert_eq!(message.reason(), Some(TerminationReason(9)));
    assert_eq!(message.fault, Some(truncated(14, 2, 1)));
}

const UP: &str = "
    00 00 00 00 00 00 00 00 00 00 00 00 c0 00 02 fe # local address
    00 b3 82 35                                     # local port 179, remote port 33333";

#[test]
fn a_peer_up_has_both_opens_and_tlvs() {
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, OPEN, OPEN, "00 03 00 04 62 6c 75 65"]);
    let message = decoded!(PeerUp, &octets);
    assert_eq!(message.local_address.to_string(), "192.0.2.254");
    assert_eq!((message.local_port, message.remote_port), (179, 33_333));
    assert_eq!((message.sent_open.octets(), message.received_open.octets()), (&hex(OPEN)[..], &hex(OPEN)[..]));
    assert_eq!((message.vrf_table_name(), message.fault), (Some(&b"blue"[..]), None));
}

#[test]
fn a_peer_up_without_two_opens_is_an_error_and_one_with_a_cut_tlv_is_not() {
    let error = |reason| Err(MessageError { at: 68, reason });
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, UPDATE, UPDATE]);
    let wrong = Reason::BgpType { wanted: BgpType::OPEN, found: BgpType::UPDATE };
    assert_eq!(decode(&octets), error(wrong));
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, "- 00 1c 01 04"]);
    let wrong = bgp::message::HeaderError::Length { length: 28, kind: BgpType::OPEN };
    assert_eq!(decode(&octets), error(Reason::BgpHeader(wrong)));
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, "ff ff fe"]);
    let wrong = bgp::message::HeaderError::Marker { at: 2 };
    assert_eq!(decode(&octets), error(Reason::BgpHeader(wrong)));
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, OPEN]);
    assert_eq!(decode(&octets), Err(truncated(97, 19, 0)));
    let octets = v3(MessageType::PEER_UP, &[PEER, UP, OPEN, OPEN, "00 03 00 05 62 6c 75 65"]);
    assert_eq!(decoded!(PeerUp, &octets).fault, Some(truncated(130, 5, 4)));
}

#[test]
fn a_peer_down_has_what_its_reason_says() {
    let down = |version, reason: &str, data: &str| {
        let octets = message(version, MessageType::PEER_DOWN, &[PEER, reason, data]);
        let Ok(Message::PeerDown(message)) = decode(&octets) else { panic!("{octets:?}") };
        let notification = message.notification.map(|message| message.body().to_vec());
        let kinds: Vec<_> = message.tlvs.map(|tlv| tlv.kind).collect();
        (message.reason, notification, message.fsm_event, kinds, message.fault)
    };
    let notification = "- 00 15 03 06 02";
    let cease = Some(vec![6, 2]);
    let (v3, v4) = (Version::V3, Version::V4);
    let trailing = |octets| Some(MessageError { at: 49, reason: Reason::Trailing { octets } });
    assert_eq!(down(v3, "01", notification), (DownReason(1), cease.clone(), None, vec![], None));
    assert_eq!(down(v3, "03", notification), (DownReason(3), cease.clone(), None, vec![], None));
    assert_eq!(down(v3, "02", "00 07"), (DownReason(2), None, Some(7), vec![], None));
    assert_eq!(down(v3, "04", ""), (DownReason(4), None, None, vec![], None));
    assert_eq!(down(v3, "05", "00"), (DownReason(5), None, None, vec![], trailing(1)));
    assert_eq!(down(v3, "06", TLVS), (DownReason(6), None, None, vec![2, 77, 0], None));
    assert_eq!(down(v3, "00", "01 02"), (DownReason(0), None, None, vec![], None));
    // The peer is down, although the data are wrong.
    assert_eq!(down(v3, "01", ""), (DownReason(1), None, None, vec![], Some(truncated(49, 19, 0))));
    assert_eq!(down(v3, "02", "07"), (DownReason(2), None, None, vec![], Some(truncated(49, 2, 1))));
    assert_eq!(down(v3, "06", "00 03"), (DownReason(6), None, None, vec![], Some(truncated(51, 2, 0))));
    // TLVs follow in version 4.
    let data = [notification, TLVS].concat();
    assert_eq!(down(v4, "01", &data), (DownReason(1), cease, None, vec![2, 77, 0], None));
    assert_eq!(down(v4, "02", &["00 07", TLVS].concat()), (DownReason(2), None, Some(7), vec![2, 77, 0], None));
    assert_eq!(down(v4, "04", TLVS), (DownReason(4), None, None, vec![2, 77, 0], None));
    assert_eq!(down(v4, "09", TLVS), (DownReason(9), None, None, vec![], None));
}

#[test]
fn a_peer_down_without_a_reason_is_an_error() {
    assert_eq!(decode(&v3(MessageType::PEER_DOWN, &[PEER])), Err(truncated(48, 1, 0)));
    assert_eq!(decode(&v3(MessageType::PEER_DOWN, &["00 00"])), Err(truncated(6, 42, 2)));
}

#[test]
fn route_monitoring_has_an_update() {
    let octets = v3(MessageType::ROUTE_MONITORING, &[PEER, UPDATE]);
    let message = decoded!(RouteMonitoring, &octets);
    assert_eq!((message.update.octets(), message.tlvs.count(), message.fault), (&hex(UPDATE)[..], 0, None));
    let octets = v3(MessageType::ROUTE_MONITORING, &[PEER, UPDATE, "00 00 00"]);
    let trailing = MessageError { at: 75, reason: Reason::Trailing { octets: 3 } };
    assert_eq!(decoded!(RouteMonitoring, &octets).fault, Some(trailing));
}

#[test]
fn tlvs_may_follow_the_update_in_version_3() {
    // The status of the route, non-selected, and why.
    let octets = v3(MessageType::ROUTE_MONITORING, &[PEER, UPDATE, "ea 62 00 06 00 00 00 04 00 0e"]);
    let message = decoded!(RouteMonitoring, &octets);
    assert_eq!((message.update.octets(), message.fault), (&hex(UPDATE)[..], None));
    assert_eq!((message.tlvs.is_indexed(), message.tlvs.octets()), (false, &octets[75..]));
    let mut written = Vec::new();
    Message::RouteMonitoring(message).write(&mut written, Version::V3, &CodePoints::default()).unwrap();
    assert_eq!(written, octets);
    // Not whole: the rest is nothing that is known.
    let octets = v3(MessageType::ROUTE_MONITORING, &[PEER, UPDATE, "ea 62 00 06 00 00 00 04 00"]);
    let message = decoded!(RouteMonitoring, &octets);
    let trailing = MessageError { at: 75, reason: Reason::Trailing { octets: 9 } };
    assert_eq!((message.fault, message.tlvs.octets()), (Some(trailing), &[][..]));
}

#[test]
fn route_monitoring_without_a_whole_update_is_an_error() {
    let of = |body: &[&str]| decode(&v3(MessageType::ROUTE_MONITORING, body)).map(|_| ());
    assert_eq!(of(&[PEER, "- 01 90 02 00 00 00 00"]), Err(truncated(48, 400, 23)));
    assert_eq!(of(&[PEER, "ff ff ff"]), Err(truncated(48, 19, 3)));
    let keepalive = Reason::BgpType { wanted: BgpType::UPDATE, found: BgpType::KEEPALIVE };
    assert_eq!(of(&[PEER, "- 00 13 04"]), Err(MessageError { at: 48, reason: keepalive }));
    let unknown = Reason::BgpHeader(bgp::message::HeaderError::Type(BgpType(9)));
    assert_eq!(of(&[PEER, "- 00 13 09"]), Err(MessageError { at: 48, reason: unknown }));
}

#[test]
fn route_mirroring_has_messages_and_what_is_special_about_them() {
    // A message that is none, errored; then messages were lost; then an unknown TLV.
    let octets = v3(
        MessageType::ROUTE_MIRRORING,
        &[PEER, "00 01 00 02 00 00  00 00 00 02 ff ff  00 01 00 02 00 01  00 07 00 00"],
    );
    let message = decoded!(RouteMirroring, &octets);
    let expected = [
        Mirrored::Information(MirroringInformation::ERRORED_PDU),
        Mirrored::Message(&[0xff, 0xff]),
        Mirrored::Information(MirroringInformation::MESSAGES_LOST),
        Mirrored::Other(Tlv::new(7, b"")),
    ];
    assert_eq!((message.items().collect::<Vec<_>>(), message.fault), (expected.to_vec(), None));
    let octets = v3(MessageType::ROUTE_MIRRORING, &[PEER, "00 01 00 01 00  00 00 00 02 ff"]);
    let message = decoded!(RouteMirroring, &octets);
    assert_eq!(message.items().collect::<Vec<_>>(), [Mirrored::Other(Tlv::new(1, &[0]))]);
    assert_eq!(message.fault, Some(truncated(57, 2, 1)));
    let octets = v3(MessageType::ROUTE_MIRRORING, &[PEER, "00 01 00 01 00"]);
    let wrong = MessageError { at: 52, reason: Reason::Length { kind: 1, len: 1 } };
    assert_eq!(decoded!(RouteMirroring, &octets).fault, Some(wrong));
}

#[test]
fn values_that_do_not_fit_are_not_written() {
    let long = vec![0; 65_536];
    for indexed in [false, true] {
        let mut tlvs = TlvBuf::new(indexed);
        assert!(tlvs.add(Tlv::new(0, &long)).is_err() && tlvs.tlvs().octets().is_empty());
        assert!(tlvs.add(Tlv { enterprise: Some(1), ..Tlv::new(0, &long[4..]) }).is_err());
        assert!(tlvs.add(Tlv::new(0, &long[1..])).is_ok());
        assert_eq!(tlvs.tlvs().map(|tlv| tlv.value.len()).collect::<Vec<_>>(), [65_535]);
    }
}

#[test]
fn errors_say_what_and_where() {
    let octets = v3(MessageType::ROUTE_MONITORING, &[PEER, "- 00 13 04"]);
    assert_eq!(decode(&octets).unwrap_err().to_string(), "KEEPALIVE instead of UPDATE at offset 48");
    assert_eq!(truncated(10, 400, 4).to_string(), "400 octets needed, 4 left at offset 10");
}
