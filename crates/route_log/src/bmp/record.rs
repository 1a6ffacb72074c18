//! Events of messages other than route monitoring.

use super::member::{Avro, Counted, Fields, Info, Json};
use super::{Format, Router, Times, monitored, schema, words};
use crate::avro::{Binary, Text, Writer};
use crate::{Tags, event, json, record};
use ::bmp::code::{InitiationTlv, MirroringInformation, PeerUpTlv, TerminationReason, TerminationTlv};
use ::bmp::information::{Initiation, Termination};
use ::bmp::message::Message;
use ::bmp::mirroring::Mirrored;
use ::bmp::peer::{PeerHeader, Timestamp};
use ::bmp::peer_down::PeerDown;
use ::bmp::peer_up::PeerUp;
use ::bmp::statistics::{Counter, StatisticType};
use ::bmp::tlv::{Tlv, Tlvs};
use bgp::open::Open;
use encode::number::decimal;
use event_log::{Event, Head, Log};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::borrow::Cow;

/// Octets of a BGP message that was mirrored because of an error, of which an event shows the first ones.
const MAX_SHOWN: usize = 4096;
/// Octets of the header of a BGP message (RFC 4271 section 4.1).
const BGP_HEADER: usize = 19;

/// What a record is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The message arrived.
    Log,
    /// It arrived since the last dump.
    Dump,
}

/// Part of a message that is an event of its own.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// Who the router is.
    Initiation(&'a Initiation<'a>),
    /// Why the router ends its session.
    Termination(&'a Termination<'a>),
    /// A peer is up.
    PeerUp(&'a PeerUp<'a>),
    /// A peer is down.
    PeerDown(&'a PeerDown<'a>),
    /// A counter of a statistics report.
    Counter(&'a PeerHeader, Counter<'a>, Tlvs<'a>),
    /// A mirrored BGP message; without one, what is special about messages that are not there.
    Mirrored(&'a PeerHeader, &'a [MirroringInformation], Option<&'a [u8]>),
}

/// Records of a message that are written. There are a hundred types of counters, each of up to some dozens of families; a counter takes
/// four octets of a message, so that a message of 1 MB could have a quarter of a million.
pub const MAX_RECORDS: usize = 4096;

/// How many records of a message are not written, since there are too many.
#[must_use]
pub fn omitted_records(message: &Message<'_>) -> usize {
    let records = match message {
        Message::Statistics(statistics) => statistics.counters.count(),
        Message::RouteMirroring(mirroring) => {
            mirroring.items().filter(|item| matches!(item, Mirrored::Message(_))).count()
        }
        _ => 0,
    };
    records.saturating_sub(MAX_RECORDS)
}

/// Calls `each` for the records of a message, or the first of them: see [`omitted_records`]. Route monitoring and messages of unknown
/// types have none.
pub fn records<'a>(message: &'a Message<'a>, mut each: impl FnMut(Record<'_>)) {
    match message {
        Message::Initiation(initiation) => each(Record::Initiation(initiation)),
        Message::Termination(termination) => each(Record::Termination(termination)),
        Message::PeerUp(up) => each(Record::PeerUp(up)),
        Message::PeerDown(down) => each(Record::PeerDown(down)),
        Message::Statistics(statistics) => {
            for counter in statistics.counters.take(MAX_RECORDS) {
                each(Record::Counter(&statistics.peer, counter, statistics.tlvs));
            }
        }
        Message::RouteMirroring(mirroring) => {
            let information: Vec<MirroringInformation> = mirroring
                .items()
                .filter_map(|item| match item {
                    Mirrored::Information(information) => Some(information),
                    Mirrored::Message(_) | Mirrored::Other(_) => None,
                })
                // There are two codes; more are only repetitions.
                .take(16)
                .collect();
            let messages = mirroring.items().filter_map(|item| match item {
                Mirrored::Message(octets) => Some(octets),
                Mirrored::Information(_) | Mirrored::Other(_) => None,
            });
            let mut has_message = false;
            for octets in messages.take(MAX_RECORDS) {
                has_message = true;
                each(Record::Mirrored(&mirroring.peer, &information, Some(octets)));
            }
            if !has_message {
                each(Record::Mirrored(&mirroring.peer, &information, None));
            }
        }
        Message::RouteMonitoring(_) | Message::Unknown { .. } => {}
    }
}

/// What the events of a router have in common.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// How values are shown.
    pub format: &'a Format,
    /// The router.
    pub router: &'a Router,
    /// The result of the tag map.
    pub tags: Tags<'a>,
}

/// Logs the records of a message. `times` has the format of times of the log.
pub fn log(log: &mut Log, times: &mut Times, context: &Context<'_>, message: &Message<'_>) {
    let router_time = times.of(message.peer().map_or_else(Timestamp::default, |peer| peer.time));
    records(message, |record| log.add(&RecordEvent { context: *context, kind: Kind::Log, record, router_time }));
}

/// The event of a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordEvent<'a> {
    /// What it has in common with other events of the router.
    pub context: Context<'a>,
    /// What it is written for.
    pub kind: Kind,
    /// The record.
    pub record: Record<'a>,
    /// The time by the router, in the format of the output ([`Times`]).
    pub router_time: &'a str,
}

impl Record<'_> {
    /// `bmp_msg_type`.
    pub(crate) const fn message_type(&self) -> &'static str {
        match self {
            Self::Initiation(_) => "init",
            Self::Termination(_) => "term",
            Self::PeerUp(_) => "peer_up",
            Self::PeerDown(_) => "peer_down",
            Self::Counter(..) => "stats",
            Self::Mirrored(..) => "route_mirroring",
        }
    }

    /// The position of the schema.
    const fn schema(&self) -> usize {
        match self {
            Self::Initiation(_) => schema::INIT,
            Self::Termination(_) => schema::TERM,
            Self::PeerUp(_) => schema::PEER_UP,
            Self::PeerDown(_) => schema::PEER_DOWN,
            Self::Counter(..) => schema::STATS,
            Self::Mirrored(..) => schema::MIRRORING,
        }
    }

    /// Writes the members of this kind of records.
    pub(crate) fn members(&self, format: &Format, out: &mut impl Fields) {
        match self {
            Self::Initiation(initiation) => {
                let info = infos(initiation.tlvs, |tlv| match InitiationTlv(tlv.kind) {
                    InitiationTlv::STRING => (Name::Word("string"), text(tlv.value)),
                    InitiationTlv::SYS_DESCR => (Name::Word("sysdescr"), text(tlv.value)),
                    InitiationTlv::SYS_NAME => (Name::Word("sysname"), text(tlv.value)),
                    InitiationTlv(3 | 4) => (Name::Word("reserved"), hex(tlv.value)),
                    _ => (Name::Number, hex(tlv.value)),
                });
                out.info("bmp_init_info", &info);
            }
            Self::Termination(termination) => {
                let info = infos(termination.tlvs, |tlv| match TerminationTlv(tlv.kind) {
                    TerminationTlv::STRING => (Name::Word("string"), text(tlv.value)),
                    TerminationTlv::REASON => (Name::Word("reason"), reason(tlv.value)),
                    _ => (Name::Number, hex(tlv.value)),
                });
                out.info("bmp_term_info", &info);
            }
            Self::PeerUp(up) => {
                monitored::peer(format, &up.peer, true, out);
                let local_as = Open::decode_observed(up.sent_open.body()).ok().map(|open| open.asn.0.into());
                out.number("local_as", local_as);
                let mut address = Vec::new();
                json::ip(&mut address, up.local_address);
                out.text("local_ip", Some(&address));
                out.number("local_port", Some(up.local_port.into()));
                out.number("remote_port", Some(up.remote_port.into()));
                let info = infos(up.tlvs, |tlv| match PeerUpTlv(tlv.kind) {
                    PeerUpTlv::STRING => (Name::Word("string"), text(tlv.value)),
                    PeerUpTlv(1 | 2) => (Name::Word("reserved"), hex(tlv.value)),
                    PeerUpTlv::VRF_TABLE_NAME => (Name::Word("vrf_table_name"), text(tlv.value)),
                    PeerUpTlv::ADMIN_LABEL => (Name::Word("admin_label"), text(tlv.value)),
                    _ => (Name::Number, hex(tlv.value)),
                });
                out.info("bmp_peer_up_info", &info);
            }
            Self::PeerDown(down) => {
                monitored::peer(format, &down.peer, true, out);
                out.number("reason_type", Some(down.reason.0.into()));
                out.text("reason_str", words::down_reason(down.reason).map(str::as_bytes));
                out.number("reason_loc_code", down.fsm_event.map(u64::from));
                let info = infos(down.tlvs, |tlv| (Name::Number, hex(tlv.value)));
                out.info("bmp_peer_down_info", &info);
            }
            Self::Counter(peer, counter, tlvs) => {
                monitored::peer(format, peer, false, out);
                count(*counter, out);
                out.info("bmp_stats_info", &infos(*tlvs, |tlv| (Name::Number, hex(tlv.value))));
            }
            Self::Mirrored(peer, information, message) => {
                monitored::peer(format, peer, true, out);
                mirrored(information, *message, out);
            }
        }
    }
}

/// The value and the name of a counter.
fn count(counter: Counter<'_>, out: &mut impl Fields) {
    let Counter { kind: StatisticType(number), octets } = counter;
    let value = counter.value();
    out.number("counter_type", Some(number.into()));
    out.text("counter_type_str", Some(words::counter(counter.kind).as_bytes()));
    let family = value.and_then(|value| value.family);
    out.number("afi", family.map(|(afi, _)| afi.0.into()));
    out.number("safi", family.map(|(_, safi)| safi.0.into()));
    let counted = match value {
        Some(value) => Counted::Number(value.number),
        None => Counted::Octets(hex(octets)),
    };
    out.counted("counter_value", "counter_value_octets", &counted);
}

/// What a mirrored message is, and what is special about it.
fn mirrored(information: &[MirroringInformation], message: Option<&[u8]>, out: &mut impl Fields) {
    let codes: Vec<String> = information.iter().map(MirroringInformation::to_string).collect();
    out.texts("mirror_info", &codes);
    let kind = message.and_then(|octets| octets.get(BGP_HEADER - 1)).map(|kind| bgp::message::MessageType(*kind));
    let kind = kind.map(|kind| kind.name().map_or_else(|| kind.0.to_string(), str::to_owned));
    out.text("bgp_msg_type", kind.as_ref().map(String::as_bytes));
    out.number("bgp_msg_len", message.map(|octets| octets.len() as u64));
    // One that is not in error is shown by its routes.
    let is_errored = information.contains(&MirroringInformation::ERRORED_PDU);
    let shown = message.filter(|_| is_errored).map(|octets| octets.get(..MAX_SHOWN).unwrap_or(octets));
    let shown = shown.and_then(hex);
    out.text("bgp_msg", shown.as_ref().map(String::as_bytes));
}

/// The name of a member from a TLV.
enum Name {
    /// A word.
    Word(&'static str),
    /// The number of the type.
    Number,
}

/// The members from TLVs, each once: of several with one name, the last one.
fn infos<'a>(tlvs: Tlvs<'a>, of: impl Fn(&Tlv<'a>) -> (Name, Option<String>)) -> Vec<Info> {
    let mut infos: Vec<Info> = Vec::new();
    let mut places: HashMap<String, usize, RandomState> = HashMap::default();
    for tlv in tlvs {
        let (name, value) = match tlv.enterprise {
            Some(enterprise) => (format!("{enterprise}_{}", tlv.kind), hex(tlv.value)),
            None => match of(&tlv) {
                (Name::Word(word), value) => (word.to_owned(), value),
                (Name::Number, value) => (tlv.kind.to_string(), value),
            },
        };
        match places.entry(name.clone()) {
            Entry::Occupied(place) => {
                if let Some(info) = infos.get_mut(*place.get()) {
                    info.1 = value;
                }
            }
            Entry::Vacant(place) => {
                place.insert(infos.len());
                infos.push((name, value));
            }
        }
    }
    infos
}

/// A text; `None` without octets.
fn text(octets: &[u8]) -> Option<String> {
    (!octets.is_empty()).then(|| String::from_utf8_lossy(octets).into_owned())
}

/// Octets in hexadecimal; `None` without octets.
fn hex(octets: &[u8]) -> Option<String> {
    (!octets.is_empty()).then(|| words::hex(octets))
}

/// The reason of a termination: its name or number; octets that are no number are shown as they are.
fn reason(octets: &[u8]) -> Option<String> {
    match octets {
        &[high, low] => Some(words::termination(TerminationReason(u16::from_be_bytes([high, low])))),
        octets => hex(octets),
    }
}

impl RecordEvent<'_> {
    /// Writes the fields of the Avro record.
    fn fields(&self, head: &Head<'_>, out: &mut impl Writer) {
        let Self { context, record, router_time, .. } = self;
        out.long("seq", head.sequence.cast_signed());
        let (event_type, times) = match self.kind {
            Kind::Log => ("log", [("timestamp", *router_time), ("timestamp_arrival", head.timestamp)]),
            Kind::Dump => ("dump", [("timestamp", head.timestamp), ("timestamp_event", *router_time)]),
        };
        times.into_iter().for_each(|(name, time)| out.string(name, time.as_bytes()));
        out.string("event_type", event_type.as_bytes());
        out.string("writer_id", head.writer_id.as_bytes());
        record::router(context.router.marker(), out);
        out.string("bmp_msg_type", record.message_type().as_bytes());
        record.members(context.format, &mut Avro(out));
        record::tags(&context.format.routes, context.tags, out);
    }
}

impl Event for RecordEvent<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.context.router.marker().variable(name).map(Cow::Borrowed)
    }

    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let Self { context, record, router_time, .. } = self;
        let (event_type, times) = match self.kind {
            Kind::Log => ("log", [("timestamp", *router_time), ("timestamp_arrival", head.timestamp)]),
            Kind::Dump => ("dump", [("timestamp", head.timestamp), ("timestamp_event", *router_time)]),
        };
        out.extend_from_slice(b"{\"event_type\": \"");
        out.extend_from_slice(event_type.as_bytes());
        out.extend_from_slice(b"\", \"seq\": ");
        decimal(out, head.sequence);
        times.into_iter().for_each(|(name, time)| json::text(out, name, time));
        out.extend_from_slice(b", ");
        out.extend_from_slice(&context.router.marker().all);
        event::put_tags(&context.format.routes, context.tags, out);
        out.extend_from_slice(b"\"bmp_msg_type\": \"");
        out.extend_from_slice(record.message_type().as_bytes());
        out.push(b'"');
        record.members(context.format, &mut Json(out));
        out.push(b'}');
    }

    fn avro(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Option<usize> {
        self.fields(head, &mut Binary(out));
        Some(self.record.schema())
    }

    fn avro_json(&self, head: &Head<'_>, out: &mut Vec<u8>) -> bool {
        record::as_object(out, |out| {
            self.fields(head, &mut Text(out));
            true
        })
    }
}
