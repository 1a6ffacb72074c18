//! Generated messages.

use bgp::message::{self, Message as BgpMessage, MessageType as BgpType};
use bgp::{capability, open};
use bmp::code::{DownReason, MessageType, PeerType};
use bmp::frame::Version;
use bmp::information::{Initiation, Termination};
use bmp::message::Message;
use bmp::mirroring::RouteMirroring;
use bmp::peer::{PeerFlags, PeerHeader, Timestamp};
use bmp::peer_down::PeerDown;
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::statistics::{CounterBuf, StatisticType, Statistics};
use bmp::tlv::{Tlv, TlvBuf, Tlvs};
use bmp::v4::CodePoints;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Asn, RouteDistinguisher};

/// What a message is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) version: Version,
    pub(crate) kind: MessageType,
    pub(crate) peer: PeerHeader,
    pub(crate) ports: (u16, u16),
    pub(crate) opens: [Vec<u8>; 2],
    pub(crate) update: Vec<u8>,
    pub(crate) notification: Vec<u8>,
    pub(crate) reason: u8,
    pub(crate) counters: Vec<(u16, Vec<u8>)>,
    pub(crate) tlvs: TlvBuf,
    pub(crate) marks: TlvBuf,
    pub(crate) body: Vec<u8>,
}

impl Parts {
    /// Gives the message to `act`.
    pub(crate) fn with<R>(&self, act: impl FnOnce(Message<'_>) -> R) -> R {
        let Self { version, kind, peer, .. } = *self;
        let whole = |octets| BgpMessage::first(octets, true).unwrap().unwrap();
        let none = Tlvs::of(&[], false);
        let (tlvs, later) = (self.tlvs.tlvs(), if version == Version::V4 { self.tlvs.tlvs() } else { none });
        let mut counters = CounterBuf::new();
        for (kind, value) in &self.counters {
            counters.add(StatisticType(*kind), value).unwrap();
        }
        let data = match DownReason(self.reason) {
            DownReason::LOCAL_NOTIFICATION | DownReason::REMOTE_NOTIFICATION => {
                [&self.notification, later.octets()].concat()
            }
            DownReason::LOCAL_EVENT => [&self.ports.0.to_be_bytes(), later.octets()].concat(),
            DownReason::REMOTE_NO_DATA | DownReason::DECONFIGURED => later.octets().to_vec(),
            DownReason::LOCAL_TLVS => tlvs.octets().to_vec(),
            _ => self.body.clone(),
        };
        act(match kind {
            MessageType::ROUTE_MONITORING => {
                let marks = if version == Version::V4 { self.marks.tlvs() } else { Tlvs::of(&[], true) };
                Message::RouteMonitoring(RouteMonitoring {
                    tlvs: marks,
                    ..RouteMonitoring::new(peer, whole(&self.update))
                })
            }
            MessageType::STATISTICS_REPORT => {
                Message::Statistics(Statistics { peer, counters: counters.counters(), tlvs: later, fault: None })
            }
            MessageType::PEER_DOWN => {
                Message::PeerDown(PeerDown::new(peer, DownReason(self.reason), &data, version))
            }
            MessageType::PEER_UP => Message::PeerUp(PeerUp {
                peer,
                local_address: match peer.address {
                    IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 254).into(),
                    IpAddr::V6(_) => Ipv6Addr::from_bits(0x2001_0db8 << 96 | 0xfe).into(),
                },
                local_port: self.ports.0,
                remote_port: self.ports.1,
                sent_open: whole(&self.opens[0]),
                received_open: whole(&self.opens[1]),
                tlvs,
                fault: None,
            }),
            MessageType::INITIATION => Message::Initiation(Initiation { tlvs }),
            MessageType::TERMINATION => Message::Termination(Termination { tlvs, fault: None }),
            MessageType::ROUTE_MIRRORING => Message::RouteMirroring(RouteMirroring { peer, tlvs, fault: None }),
            kind => Message::Unknown { kind, body: &self.body },
        })
    }

    /// The octets of the message.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.with(|message| message.write(&mut out, self.version, &CodePoints::default())).unwrap();
        out
    }
}

/// Any peer; of a Loc-RIB the address is 0.
pub(crate) fn peers() -> impl Strategy<Value = PeerHeader> {
    let address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
    ];
    let kind = prop_oneof![0u8..=3, any::<u8>()];
    let time = (any::<u32>(), 0u32..1_000_000);
    (kind, any::<u8>(), any::<[u8; 8]>(), address, any::<u32>(), any::<u32>(), time).prop_map(
        |(kind, flags, rd, address, asn, id, (seconds, microseconds))| {
            let is_loc_rib = kind == PeerType::LOC_RIB.0;
            let address = if is_loc_rib { Ipv4Addr::UNSPECIFIED.into() } else { address };
            let flags = PeerFlags(if is_loc_rib {
                flags
            } else {
                flags & 0x7f | if address.is_ipv6() { 0x80 } else { 0 }
            });
            PeerHeader {
                peer_type: PeerType(kind),
                flags,
                distinguisher: RouteDistinguisher(rd),
                address,
                asn: Asn(asn),
                bgp_id: id.into(),
                time: Timestamp { seconds, microseconds },
            }
        },
    )
}

fn tlvs(indexed: bool) -> impl Strategy<Value = TlvBuf> {
    // No type of a BGP message, 4, with an index; its place is elsewhere.
    let tlv = (prop_oneof![0u16..4, 5u16..0x8000], any::<Option<u32>>(), any::<u16>(), vec(any::<u8>(), 0..40));
    vec(tlv, 0..6).prop_map(move |all| {
        let mut buf = TlvBuf::new(indexed);
        for (kind, enterprise, index, value) in &all {
            // The information of route mirroring has two octets.
            let value = if *kind == 1 { &[0, 7][..] } else { value };
            buf.add(Tlv { kind: *kind, enterprise: *enterprise, index: *index, value }).unwrap();
        }
        buf
    })
}

fn opens() -> impl Strategy<Value = Vec<u8>> {
    (any::<u32>(), any::<u16>(), any::<u32>(), any::<bool>()).prop_map(|(asn, hold_time, id, asn4)| {
        let mut open = open::Builder::new(Asn(asn), hold_time, id.into());
        open.capabilities(|w| {
            if asn4 {
                capability::write_four_octet_as(w, Asn(asn));
            }
        });
        open.finish().unwrap()
    })
}

fn bgp(kind: BgpType, min: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), min..60).prop_map(move |body| {
        let mut out = Vec::new();
        assert!(message::write(&mut out, kind, &body));
        out
    })
}

/// Any message.
pub(crate) fn messages() -> impl Strategy<Value = Parts> {
    let version = prop_oneof![Just(Version::V3), Just(Version::V4)];
    let kind = prop_oneof![9 => 0u8..7, 1 => any::<u8>()];
    let counters = vec((any::<u16>(), vec(any::<u8>(), 0..14)), 0..8);
    let first = (version, kind, peers(), any::<(u16, u16)>(), [opens(), opens()], bgp(BgpType::UPDATE, 4));
    let second =
        (bgp(BgpType::NOTIFICATION, 2), 0u8..9, counters, tlvs(false), tlvs(true), vec(any::<u8>(), 0..60));
    (first, second).prop_map(
        |((version, kind, peer, ports, opens, update), (notification, reason, counters, tlvs, marks, body))| {
            Parts {
                version,
                kind: MessageType(kind),
                peer,
                ports,
                opens,
                update,
                notification,
                reason,
                counters,
                tlvs,
                marks,
                body,
            }
        },
    )
}
