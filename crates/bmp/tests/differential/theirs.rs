//! The readings of the others.

use super::{Peer, Reading};
use bgpkit_parser::models::BgpMessage as KitBgp;
use bgpkit_parser::parser::bmp::messages::{
    BmpMessageBody, PerPeerFlags, RouteMirroringValue as KitMirrored, StatsData, TerminationTlvValue,
};
use bytes::Bytes;
use netgauze_bmp_pkt::v3::{
    BmpMessageValue as V3, InitiationInformation, MirroredBgpMessage, PeerDownNotificationReason,
    PeerUpNotificationMessage, RouteMirroringValue, StatisticsReportMessage, TerminationInformation,
};
use netgauze_bmp_pkt::v4::{BmpMessageValue as V4, RouteMonitoringTlvValue};
use netgauze_bmp_pkt::wire::deserializer::BmpParsingContext;
use netgauze_bmp_pkt::{BmpMessage, BmpPeerType, PeerHeader};
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use wire::Prefix;

fn written<E: Debug>(pdu: &impl WritablePdu<E>) -> Vec<u8> {
    let mut octets = Vec::new();
    pdu.write(&mut octets).unwrap();
    octets
}

/// The header as netgauze-bmp-pkt has it. What is 0 is absent there.
fn netgauze_peer(header: &PeerHeader) -> Peer {
    let flag = |set, flag| if set { flag } else { 0 };
    let flags = match header.peer_type() {
        BmpPeerType::GlobalInstancePeer { ipv6, post_policy, asn2, adj_rib_out }
        | BmpPeerType::RdInstancePeer { ipv6, post_policy, asn2, adj_rib_out }
        | BmpPeerType::LocalInstancePeer { ipv6, post_policy, asn2, adj_rib_out } => {
            flag(ipv6, 0x80) | flag(post_policy, 0x40) | flag(asn2, 0x20) | flag(adj_rib_out, 0x10)
        }
        BmpPeerType::LocRibInstancePeer { filtered } => flag(filtered, 0x80),
        _ => 0,
    };
    let time = header.timestamp();
    Peer {
        kind: header.peer_type().get_type().into(),
        flags,
        distinguisher: header.rd().map_or([0; 8], |rd| written(&rd).try_into().unwrap()),
        address: header.address().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        asn: header.peer_as(),
        id: header.bgp_id(),
        seconds: time.map_or(0, |time| time.timestamp().try_into().unwrap()),
        microseconds: time.map_or(0, |time| time.timestamp_subsec_micros()),
    }
}

fn information(all: &[InitiationInformation]) -> Vec<(u16, Vec<u8>)> {
    let text = |tlv: &InitiationInformation| match tlv {
        InitiationInformation::String(text)
        | InitiationInformation::SystemDescription(text)
        | InitiationInformation::SystemName(text)
        | InitiationInformation::VrfTableName(text)
        | InitiationInformation::AdminLabel(text) => text.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    };
    all.iter().map(|tlv| (tlv.get_type().into(), text(tlv))).collect()
}

/// The body of a BGP message, from its octets.
fn bgp_body<E: Debug>(message: &impl WritablePdu<E>) -> Vec<u8> {
    written(message)[19..].to_vec()
}

fn open_of(body: &[u8]) -> (u16, u16, Ipv4Addr) {
    let [_, a, b, c, d, e, f, g, h, ..] = *body else { panic!("{body:?}") };
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), Ipv4Addr::new(e, f, g, h))
}

fn peer_up(message: &PeerUpNotificationMessage, reading: &mut Reading) {
    reading.peer = Some(netgauze_peer(message.peer_header()));
    // What is 0 is absent.
    let unspecified = match message.peer_header().address() {
        Some(IpAddr::V6(_)) => IpAddr::from([0u8; 16]),
        _ => IpAddr::from([0u8; 4]),
    };
    let address = message.local_address().unwrap_or(unspecified);
    let (local, remote) = (message.local_port().unwrap_or(0), message.remote_port().unwrap_or(0));
    reading.endpoints = Some((address, local, remote));
    reading.opens.push(open_of(&bgp_body(message.sent_message())));
    reading.opens.push(open_of(&bgp_body(message.received_message())));
    reading.tlvs = information(message.information());
}

fn peer_down(header: &PeerHeader, reason: &PeerDownNotificationReason, reading: &mut Reading) {
    reading.peer = Some(netgauze_peer(header));
    reading.reason = Some(reason.get_type().into());
    match reason {
        PeerDownNotificationReason::LocalSystemClosedNotificationPduFollows(notification)
        | PeerDownNotificationReason::RemoteSystemClosedNotificationPduFollows(notification) => {
            let body = bgp_body(notification);
            reading.notification = Some((body[0], body[1]));
        }
        PeerDownNotificationReason::LocalSystemClosedFsmEventFollows(event) => reading.event = Some(*event),
        PeerDownNotificationReason::LocalSystemClosedTlvDataFollows(tlv) => {
            reading.tlvs = information(std::slice::from_ref(tlv));
        }
        _ => {}
    }
}

fn statistics(message: &StatisticsReportMessage, reading: &mut Reading) {
    reading.peer = Some(netgauze_peer(message.peer_header()));
    for counter in message.counters() {
        // Type and length, and the value as it is written.
        let octets = written(counter);
        let kind = counter.get_type().map_or_else(|kind| kind, Into::into);
        let value = &octets[4..];
        let number = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
        reading.counters.push(match value.len() {
            11 => (kind, Some((u16::from_be_bytes([value[0], value[1]]), value[2])), number(&value[3..])),
            _ => (kind, None, number(value)),
        });
    }
}

/// Routes of IPv4 in the body of an UPDATE as the other wrote it.
fn routes(body: &[u8], asn4: bool, reading: &mut Reading) {
    let mut octets = Vec::new();
    assert!(bgp::message::write(&mut octets, bgp::message::MessageType::UPDATE, body));
    super::routes(bgp::message::Message::first(&octets, true).unwrap().unwrap(), asn4, reading);
}

/// Reads with netgauze-bmp-pkt, which keeps a context of the peers.
pub(crate) fn netgauze(
    octets: &[u8],
    with_routes: bool,
    context: &mut BmpParsingContext,
) -> Result<Reading, String> {
    let message =
        BmpMessage::parse(&mut SliceReader::new(octets), context).map_err(|error| format!("{error:?}"))?;
    let mut reading = Reading { kind: octets[5], ..Reading::default() };
    match &message {
        BmpMessage::V3(V3::Initiation(message)) | BmpMessage::V4(V4::Initiation(message)) => {
            reading.tlvs = information(message.information());
        }
        BmpMessage::V3(V3::Termination(message)) | BmpMessage::V4(V4::Termination(message)) => {
            for tlv in message.information() {
                reading.tlvs.push(match tlv {
                    TerminationInformation::String(text) => (0, text.as_bytes().to_vec()),
                    TerminationInformation::Reason(code) => (1, u16::from(*code).to_be_bytes().to_vec()),
                    other => panic!("{other:?}"),
                });
            }
        }
        BmpMessage::V3(V3::PeerUpNotification(message)) | BmpMessage::V4(V4::PeerUpNotification(message)) => {
            peer_up(message, &mut reading);
        }
        BmpMessage::V3(V3::PeerDownNotification(message)) => {
            peer_down(message.peer_header(), message.reason(), &mut reading);
        }
        BmpMessage::V4(V4::PeerDownNotification(message)) => {
            peer_down(message.peer_header(), message.reason(), &mut reading);
        }
        BmpMessage::V3(V3::StatisticsReport(message)) | BmpMessage::V4(V4::StatisticsReport(message)) => {
            statistics(message, &mut reading);
        }
        BmpMessage::V3(V3::RouteMonitoring(message)) => {
            reading.peer = Some(netgauze_peer(message.peer_header()));
            if with_routes {
                routes(&bgp_body(message.update_message()), message.peer_header().is_asn4(), &mut reading);
            }
        }
        BmpMessage::V4(V4::RouteMonitoring(message)) => {
            reading.peer = Some(netgauze_peer(message.peer_header()));
            let RouteMonitoringTlvValue::BgpUpdate(update) = message.update_message_tlv().value() else {
                return Err("no UPDATE".into());
            };
            if with_routes {
                routes(&bgp_body(update), message.peer_header().is_asn4(), &mut reading);
            }
        }
        BmpMessage::V3(V3::RouteMirroring(message)) | BmpMessage::V4(V4::RouteMirroring(message)) => {
            reading.peer = Some(netgauze_peer(message.peer_header()));
            for item in message.mirrored() {
                match item {
                    RouteMirroringValue::BgpMessage(MirroredBgpMessage::Parsed(message)) if with_routes => {
                        routes(&bgp_body(message), true, &mut reading);
                    }
                    RouteMirroringValue::Information(code) => {
                        reading.tlvs.push((1, u16::from(*code).to_be_bytes().to_vec()));
                    }
                    RouteMirroringValue::BgpMessage(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        other => return Err(format!("{other:?}")),
    }
    Ok(reading)
}

fn kit_routes(message: &KitBgp, reading: &mut Reading) {
    let KitBgp::Update(update) = message else { return };
    let prefix = |network: &bgpkit_parser::models::NetworkPrefix| {
        Prefix::new(network.prefix.addr(), network.prefix.prefix_len()).unwrap()
    };
    reading.announced.extend(update.announced_prefixes.iter().map(prefix));
    reading.withdrawn.extend(update.withdrawn_prefixes.iter().map(prefix));
}

/// Reads with bgpkit-parser, which knows version 3 only. Its times are floating-point numbers, precise to a microsecond.
pub(crate) fn bgpkit(octets: &[u8]) -> Result<Reading, String> {
    let mut octets = Bytes::copy_from_slice(octets);
    let message = bgpkit_parser::parser::bmp::parse_bmp_msg(&mut octets).map_err(|error| error.to_string())?;
    let peer = message.per_peer_header.map(|header| Peer {
        kind: header.peer_type.into(),
        flags: match header.peer_flags {
            PerPeerFlags::PeerFlags(flags) => flags.bits(),
            PerPeerFlags::LocalRibPeerFlags(flags) => flags.bits(),
        },
        distinguisher: header.peer_distinguisher.to_be_bytes(),
        address: header.peer_ip,
        asn: header.peer_asn.to_u32(),
        id: header.peer_bgp_id,
        seconds: header.timestamp as u32,
        microseconds: ((header.timestamp - header.timestamp.floor()) * 1e6).round() as u32,
    });
    let mut reading = Reading { kind: u8::from(message.common_header.msg_type), peer, ..Reading::default() };
    match message.message_body {
        BmpMessageBody::InitiationMessage(message) => {
            reading.tlvs =
                message.tlvs.into_iter().map(|tlv| (tlv.info_type.into(), tlv.info.into_bytes())).collect();
        }
        BmpMessageBody::TerminationMessage(message) => {
            for tlv in message.tlvs {
                reading.tlvs.push(match tlv.info_value {
                    TerminationTlvValue::String(text) => (0, text.into_bytes()),
                    TerminationTlvValue::Reason(code) => (1, u16::from(code).to_be_bytes().to_vec()),
                });
            }
        }
        BmpMessageBody::PeerUpNotification(message) => {
            reading.endpoints = Some((message.local_addr, message.local_port, message.remote_port));
            for open in [&message.sent_open, &message.received_open] {
                let KitBgp::Open(open) = open else { return Err("no OPEN".into()) };
                let asn = u16::try_from(open.asn.to_u32()).map_err(|error| error.to_string())?;
                reading.opens.push((asn, open.hold_time, open.bgp_identifier));
            }
            reading.tlvs =
                message.tlvs.into_iter().map(|tlv| (tlv.info_type.into(), tlv.info_value.into_bytes())).collect();
        }
        BmpMessageBody::PeerDownNotification(message) => {
            reading.reason = Some(message.reason.into());
            let data = message.data.unwrap_or_default();
            match reading.reason {
                Some(1 | 3) => reading.notification = Some((data[19], data[20])),
                Some(2) => reading.event = Some(u16::from_be_bytes([data[0], data[1]])),
                Some(6) => {
                    let all = bmp::tlv::Tlvs::of(&data, false);
                    reading.tlvs = all.map(|tlv| (tlv.kind, tlv.value.to_vec())).collect();
                }
                _ => {}
            }
        }
        BmpMessageBody::StatsReport(message) => {
            for counter in message.counters {
                let kind = counter.stat_type.into();
                reading.counters.push(match counter.stat_data {
                    StatsData::Counter(number) => (kind, None, number.into()),
                    StatsData::Gauge(number) => (kind, None, number),
                    StatsData::AfiSafiGauge(afi, safi, number) => (kind, Some((afi, safi)), number),
                    StatsData::Unknown(_) => return Err("a counter of unknown length".into()),
                });
            }
        }
        BmpMessageBody::RouteMonitoring(message) => kit_routes(&message.bgp_message, &mut reading),
        BmpMessageBody::RouteMirroring(message) => {
            for tlv in message.tlvs {
                match tlv.value {
                    KitMirrored::BgpMessage(message) => kit_routes(&message, &mut reading),
                    KitMirrored::Information(code) => {
                        reading.tlvs.push((1, u16::from(code).to_be_bytes().to_vec()));
                    }
                }
            }
        }
    }
    Ok(reading)
}
