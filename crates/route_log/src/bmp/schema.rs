//! The Avro schemas of events of BMP.
//!
//! | record | events |
//! |---|---|
//! | `bmp_msglog_rm`, `bmp_loginit`, `bmp_logclose` | of a log: routes, begin and end of a router's session |
//! | `bmp_dump_rm`, `bmp_dumpinit`, `bmp_dumpclose` | of a dump |
//! | `bmp_init`, `bmp_term`, `bmp_peer_up`, `bmp_peer_down`, `bmp_stats`, `bmp_route_mirroring` | of both |
//!
//! A field that an event does not have is null. Members from TLVs are in a map, by the part of their name after the prefix; a TLV without
//! octets is an empty string.

use super::Format;
use super::member::OfSchema;
use super::record::{Kind, Record};
use crate::schema::{LONG, OR_INT, OR_LONG, OR_MAP, OR_STRING, STRING, STRINGS, common, of_route, record, tags};
use ::bmp::code::DownReason;
use ::bmp::frame::Version;
use ::bmp::information::{Initiation, Termination};
use ::bmp::peer::PeerHeader;
use ::bmp::peer_down::PeerDown;
use ::bmp::peer_up::PeerUp;
use ::bmp::statistics::{Counter, StatisticType};
use ::bmp::tlv::Tlvs;
use bgp::message::Message;
use event_log::Schema;
use std::net::Ipv4Addr;
use wire::Asn;

// Positions of schemas; those of routes and markers are 0 to 2.
pub(crate) const INIT: usize = 3;
pub(crate) const TERM: usize = 4;
pub(crate) const PEER_UP: usize = 5;
pub(crate) const PEER_DOWN: usize = 6;
pub(crate) const STATS: usize = 7;
pub(crate) const MIRRORING: usize = 8;

/// A BGP message without a body: only the names of members matter here.
const KEEPALIVE: [u8; 19] =
    [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 19, 4];

/// The schemas of a log.
#[must_use]
pub fn of_log(format: &Format) -> Vec<Schema> {
    let routes = [
        vec![("log_type", STRING), ("seq", LONG), ("timestamp", STRING), ("timestamp_arrival", OR_STRING)],
        vec![("event_type", STRING), ("writer_id", STRING)],
        rest_of_route(format),
    ];
    let marker = [common().as_slice(), &router(), tags(&format.routes)].concat();
    let first = [
        record("bmp_msglog_rm", &routes.concat()),
        record("bmp_loginit", &marker),
        record("bmp_logclose", &marker),
    ];
    first.into_iter().chain(of_records(format, Kind::Log)).collect()
}

/// The schemas of a dump.
#[must_use]
pub fn of_dump(format: &Format) -> Vec<Schema> {
    let routes = [common().to_vec(), rest_of_route(format)].concat();
    let init = [common().as_slice(), &router(), &[("dump_period", LONG)], tags(&format.routes)].concat();
    let close = [common().as_slice(), &router(), tags(&format.routes)].concat();
    let first = [record("bmp_dump_rm", &routes), record("bmp_dumpinit", &init), record("bmp_dumpclose", &close)];
    first.into_iter().chain(of_records(format, Kind::Dump)).collect()
}

type Field = crate::schema::Field;

const fn router() -> [Field; 2] {
    [("bmp_router", STRING), ("bmp_router_port", OR_INT)]
}

/// The fields of a route from the router on.
fn rest_of_route(format: &Format) -> Vec<Field> {
    [
        router().as_slice(),
        &[("bmp_msg_type", STRING)],
        &of_route(&format.routes),
        &[("peer_ip", STRING), ("peer_tcp_port", OR_INT), ("peer_asn", LONG), ("bgp_id", STRING)],
        &[("bmp_rib_type", STRING)],
        &["is_filtered", "is_in", "is_out", "is_loc", "is_post"].map(|name| (name, OR_LONG)),
        &[("pd", OR_STRING), ("pd_origin", OR_STRING)],
        &[("path_status", STRINGS), ("reason_code", OR_STRING), ("bmp_rm_info", OR_MAP)],
        tags(&format.routes),
    ]
    .concat()
}

/// The schemas of records, in the order of their positions.
fn of_records(format: &Format, kind: Kind) -> Vec<Schema> {
    let tlvs = Tlvs::of(&[], false);
    let peer = PeerHeader::global(Ipv4Addr::UNSPECIFIED.into(), Asn(0), Ipv4Addr::UNSPECIFIED);
    let initiation = Initiation { tlvs };
    let termination = Termination { tlvs, fault: None };
    let down = PeerDown::new(peer, DownReason(0), &[], Version::V3);
    let counter = Counter { kind: StatisticType(0), octets: &[] };
    let mut schemas = Vec::new();
    let mut add = |name, of: Record<'_>| {
        let mut members = OfSchema::default();
        of.members(format, &mut members);
        let second = match kind {
            Kind::Log => "timestamp_arrival",
            Kind::Dump => "timestamp_event",
        };
        let fields = [
            vec![("seq", LONG), ("timestamp", STRING), (second, STRING), ("event_type", STRING)],
            vec![("writer_id", STRING)],
            router().to_vec(),
            vec![("bmp_msg_type", STRING)],
            members.0,
            tags(&format.routes).to_vec(),
        ];
        schemas.push(record(name, &fields.concat()));
    };
    add("bmp_init", Record::Initiation(&initiation));
    add("bmp_term", Record::Termination(&termination));
    if let Ok(Some(open)) = Message::first(&KEEPALIVE, false) {
        let up = PeerUp {
            peer,
            local_address: Ipv4Addr::UNSPECIFIED.into(),
            local_port: 0,
            remote_port: 0,
            sent_open: open,
            received_open: open,
            tlvs,
            fault: None,
        };
        add("bmp_peer_up", Record::PeerUp(&up));
    }
    add("bmp_peer_down", Record::PeerDown(&down));
    add("bmp_stats", Record::Counter(&peer, counter, tlvs));
    add("bmp_route_mirroring", Record::Mirrored(&peer, &[], None));
    schemas
}
