//! The events, as JSON.

use crate::avro::{Binary, Text};
use crate::bmp::RouteTlvs;
use crate::peer::Source;
use crate::route::Target;
use crate::{Format, FragmentRef, Peer, Route, json, record};
use bgp::nlri::any::AnyNlri;
use encode::number::decimal;
use event_log::{Event, Head, MrtPlace};
use mrt::rib::RibWriter;
use mrt::{PeerIndex, Time};
use std::borrow::Cow;
use std::io::Write;

/// Why a route is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogType {
    /// The peer announced it.
    Update,
    /// The peer withdrew it.
    Withdraw,
    /// It ended with its session.
    Delete,
    /// All routes of the family were announced (RFC 4724).
    EndOfRib,
}

impl LogType {
    /// The word in events.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Withdraw => "withdraw",
            Self::Delete => "delete",
            Self::EndOfRib => "end-of-rib",
        }
    }
}

/// What a route is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// It changed.
    Log(LogType),
    /// It is in an UPDATE that a router mirrored, by BMP (RFC 7854 section 4.7).
    Mirrored(LogType),
    /// It is in the table that is dumped.
    Dump,
    /// It answers a query: there is neither a number nor a time.
    LookingGlass,
}

impl RouteKind {
    /// The type of the BMP message, in events of monitored peers. Routes that end with their peer are in no message.
    pub(crate) const fn message_type(self) -> &'static str {
        match self {
            Self::Log(LogType::Delete) | Self::Mirrored(LogType::Delete) => "internal",
            Self::Mirrored(_) => "route_mirroring",
            Self::Log(_) | Self::Dump | Self::LookingGlass => "route_monitor",
        }
    }
}

/// The result of the tag map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    /// `set_tag`.
    pub tag: Option<u64>,
    /// `set_label`.
    pub label: Option<&'a str>,
}

/// The event of a route.
#[derive(Clone, Copy, Debug)]
pub struct RouteEvent<'a> {
    /// How values are shown.
    pub format: &'a Format,
    /// The peer.
    pub peer: &'a Peer,
    /// What it is written for.
    pub kind: RouteKind,
    /// The result of the tag map.
    pub tags: Tags<'a>,
    /// The route.
    pub route: Route<'a>,
    /// Its attributes, rendered for the encoding of the output; `None` in withdrawals without attributes.
    pub attributes: Option<FragmentRef<'a>>,
    /// The time by the router, where the protocol has one, in the format of the output: it is `timestamp` in a log, before the time of the
    /// collector (`timestamp_arrival`), and `timestamp_event` in a dump.
    pub router_time: Option<&'a str>,
    /// What a BMP message of version 4 says about the route besides, and the number of the route in the UPDATE, from 1.
    pub tlvs: Option<(&'a RouteTlvs<'a>, u16)>,
}

impl<'a> RouteEvent<'a> {
    /// An event without tags, attributes and the time of a router.
    #[must_use]
    pub fn new(format: &'a Format, peer: &'a Peer, kind: RouteKind, route: Route<'a>) -> Self {
        Self { format, peer, kind, tags: Tags::default(), route, attributes: None, router_time: None, tlvs: None }
    }

    /// Appends the JSON object for an answer of the looking glass.
    pub fn looking_glass(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.members("lglass", out);
    }

    /// Appends the members from the peer on, and the end of the object.
    #[inline]
    fn members(&self, event_type: &str, out: &mut Vec<u8>) {
        let Self { format, peer, route, .. } = self;
        out.extend_from_slice(&peer.all);
        match &peer.source {
            Source::Session => out.extend_from_slice(&peer.routes),
            Source::Router(_) => {
                out.extend_from_slice(b"\"bmp_msg_type\": \"");
                out.extend_from_slice(self.kind.message_type().as_bytes());
                out.extend_from_slice(b"\", ");
            }
        }
        put_tags(format, self.tags, out);
        out.extend_from_slice(b"\"event_type\": \"");
        out.extend_from_slice(event_type.as_bytes());
        out.extend_from_slice(b"\", \"afi\": ");
        decimal(out, u64::from(route.afi.0));
        out.extend_from_slice(b", \"safi\": ");
        decimal(out, u64::from(route.safi.0));
        let mut has_rd = false;
        match route.target {
            Target::Prefix { prefix, rd, .. } => {
                has_rd = rd.is_some();
                out.extend_from_slice(b", \"ip_prefix\": \"");
                json::prefix(out, &prefix);
                out.push(b'"');
            }
            Target::Other(octets) => has_rd = self.other(octets, out),
            Target::EndOfRib => {}
        }
        if let Some(id) = route.path_id {
            json::number(out, "as_path_id", u64::from(id));
        }
        if let Some(attributes) = self.attributes {
            out.extend_from_slice(attributes.first);
        }
        if let Some(letter) = route.roa {
            out.extend_from_slice(&[b',', b' ', b'"', b'r', b'o', b'a', b'"', b':', b' ', b'"', letter, b'"']);
        }
        if let Target::Prefix { rd, label, .. } = route.target {
            if let Some(rd) = rd {
                json::name(out, "rd");
                // Writing to a `Vec` cannot fail.
                let _ = write!(out, "\"{rd}\"");
                json::text(out, "rd_origin", route.rd_origin);
            }
            if let Some(label) = label {
                out.extend_from_slice(b", \"mpls_label\": \"");
                decimal(out, u64::from(label >> 4));
                out.push(b'"');
            }
        }
        out.extend_from_slice(&peer.tail);
        if !has_rd {
            out.extend_from_slice(&peer.rd);
        }
        if let Some((tlvs, number)) = self.tlvs {
            tlvs.json(number, out);
        }
        out.push(b'}');
    }

    /// Appends the members of NLRI that are not a prefix. True if there is a route distinguisher among them.
    #[inline(never)]
    fn other(&self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        let nlri = AnyNlri::lenient(self.route.afi, self.route.safi, octets);
        let has_rd = std::cell::Cell::new(false);
        json::members(out, &nlri, |name| {
            has_rd.set(has_rd.get() || name == "rd");
            true
        });
        if has_rd.get() {
            json::text(out, "rd_origin", self.route.rd_origin);
        }
        has_rd.get()
    }
}

/// Appends `tag` and `label`, each with a comma after it.
pub(crate) fn put_tags(format: &Format, tags: Tags<'_>, out: &mut Vec<u8>) {
    if let Some(tag) = tags.tag {
        out.extend_from_slice(b"\"tag\": ");
        decimal(out, tag);
        out.extend_from_slice(b", ");
    }
    if let Some(label) = tags.label {
        out.extend_from_slice(b"\"label\": ");
        json::label(out, label, format.label_as_map);
        out.extend_from_slice(b", ");
    }
}

/// Appends the start of an object: number and, in between, `log_type`, and the time.
#[inline]
fn begin(head: &Head<'_>, log_type: Option<LogType>, router: Option<(&str, &str)>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"seq\": ");
    decimal(out, head.sequence);
    if let Some(log_type) = log_type {
        out.extend_from_slice(b", \"log_type\": \"");
        out.extend_from_slice(log_type.word().as_bytes());
        out.push(b'"');
    }
    let mut time = |name: &str, time: &str| {
        json::name(out, name);
        out.push(b'"');
        out.extend_from_slice(time.as_bytes());
        out.push(b'"');
    };
    match router {
        None => time("timestamp", head.timestamp),
        Some(("timestamp_arrival", router)) => {
            time("timestamp", router);
            time("timestamp_arrival", head.timestamp);
        }
        Some((name, router)) => {
            time("timestamp", head.timestamp);
            time(name, router);
        }
    }
    out.extend_from_slice(b", ");
}

impl Event for RouteEvent<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.peer.variable(name).map(Cow::Borrowed)
    }

    #[inline]
    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        match self.kind {
            RouteKind::Log(log_type) | RouteKind::Mirrored(log_type) => {
                begin(head, Some(log_type), self.router_time.map(|time| ("timestamp_arrival", time)), out);
                self.members("log", out);
            }
            RouteKind::Dump => {
                begin(head, None, self.router_time.map(|time| ("timestamp_event", time)), out);
                self.members("dump", out);
            }
            RouteKind::LookingGlass => self.looking_glass(out),
        }
    }

    fn avro(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Option<usize> {
        record::route(self, head, &mut Binary(out)).then_some(0)
    }

    fn avro_json(&self, head: &Head<'_>, out: &mut Vec<u8>) -> bool {
        record::as_object(out, |out| record::route(self, head, &mut Text(out)))
    }

    /// In a dump, one record for each route. Changes have no form of their own: a log in MRT contains messages.
    fn mrt(&self, head: &Head<'_>, place: MrtPlace, out: &mut Vec<u8>) {
        let (RouteKind::Dump, Some(attributes)) = (self.kind, self.attributes) else { return };
        let Route { afi, safi, target, path_id, .. } = self.route;
        let mut octets = Vec::new();
        let nlri = match target {
            Target::Prefix { prefix, rd: None, label: None } => mrt::rib::Nlri::Prefix(prefix),
            _ => {
                self.route.nlri(&mut octets);
                mrt::rib::Nlri::Other(&octets)
            }
        };
        let time = Time::from_seconds(head.micros / 1_000_000);
        let has_path_ids = path_id.is_some();
        let writer = RibWriter { time, sequence: place.entries, afi, safi, nlri, has_path_ids };
        // A set of attributes comes from a message and therefore fits.
        let _ = writer.write(out, |entries| {
            entries.entry(self.peer.index, self.peer.since, path_id, |out| {
                mrt::attributes::from_set(out, attributes.first, afi, safi);
            })
        });
    }
}

/// An event before or after the routes of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Marker<'a> {
    /// How values are shown.
    pub format: &'a Format,
    /// The peer.
    pub peer: &'a Peer,
    /// What it marks.
    pub kind: MarkerKind<'a>,
    /// The result of the tag map.
    pub tags: Tags<'a>,
}

/// What an event marks.
#[derive(Clone, Copy, Debug)]
pub enum MarkerKind<'a> {
    /// A session was accepted.
    LogInit,
    /// It ended.
    LogClose,
    /// The table of a peer begins.
    DumpInit {
        /// Seconds between two dumps.
        period: u64,
        /// In MRT, the peers of this dump, which precede the first table of a file.
        peers: Option<&'a PeerIndex>,
    },
    /// It ends.
    DumpClose {
        /// The number of its entries.
        entries: u64,
        /// The number of tables.
        tables: u32,
    },
}

impl MarkerKind<'_> {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::LogInit => "log_init",
            Self::LogClose => "log_close",
            Self::DumpInit { .. } => "dump_init",
            Self::DumpClose { .. } => "dump_close",
        }
    }
}

impl Event for Marker<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.peer.variable(name).map(Cow::Borrowed)
    }

    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        begin(head, None, None, out);
        out.extend_from_slice(&self.peer.all);
        put_tags(self.format, self.tags, out);
        out.extend_from_slice(b"\"event_type\": \"");
        out.extend_from_slice(self.kind.word().as_bytes());
        out.push(b'"');
        match self.kind {
            MarkerKind::LogInit | MarkerKind::LogClose => {}
            MarkerKind::DumpInit { period, .. } => json::number(out, "dump_period", period),
            MarkerKind::DumpClose { entries, tables } if matches!(self.peer.source, Source::Session) => {
                json::number(out, "entries", entries);
                json::number(out, "tables", u64::from(tables));
            }
            // Of BMP, pmacct counts nothing.
            MarkerKind::DumpClose { .. } => {}
        }
        out.push(b'}');
    }

    fn avro(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Option<usize> {
        record::marker(self, head, &mut Binary(out));
        Some(match self.kind {
            MarkerKind::LogInit | MarkerKind::DumpInit { .. } => 1,
            MarkerKind::LogClose | MarkerKind::DumpClose { .. } => 2,
        })
    }

    fn avro_json(&self, head: &Head<'_>, out: &mut Vec<u8>) -> bool {
        record::as_object(out, |out| {
            record::marker(self, head, &mut Text(out));
            true
        })
    }

    fn mrt(&self, head: &Head<'_>, place: MrtPlace, out: &mut Vec<u8>) {
        if let MarkerKind::DumpInit { peers: Some(peers), .. } = self.kind
            && place.is_first
        {
            // A collector has fewer than 65,536 peers.
            let _ = peers.write(out, Time::from_seconds(head.micros / 1_000_000));
        }
    }

    fn weight(&self) -> u64 {
        0
    }
}
