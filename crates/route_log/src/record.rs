//! The events as Avro records: the fields of [`crate::schema`], in their order.

use crate::avro::Writer;
use crate::bmp::monitored;
use crate::event::{Marker, MarkerKind, RouteEvent, RouteKind};
use crate::peer::Source;
use crate::route::Target;
use crate::{Format, Peer, Tags, json};
use bgp::nlri::any::AnyNlri;
use encode::number::decimal;
use encode::value;
use event_log::Head;

/// The fields of all events.
pub(crate) fn common(head: &Head<'_>, event_type: &str, out: &mut impl Writer) {
    // Avro has no unsigned numbers; no daemon writes 2^63 events.
    out.long("seq", head.sequence.cast_signed());
    out.string("timestamp", head.timestamp.as_bytes());
    out.string("event_type", event_type.as_bytes());
    out.string("writer_id", head.writer_id.as_bytes());
}

/// The fields of a route. False if the event has no record.
pub(crate) fn route(event: &RouteEvent<'_>, head: &Head<'_>, out: &mut impl Writer) -> bool {
    let RouteEvent { format, peer, route, .. } = event;
    let event_type = match event.kind {
        RouteKind::Log(log_type) | RouteKind::Mirrored(log_type) => {
            out.string("log_type", log_type.word().as_bytes());
            "log"
        }
        RouteKind::Dump => "dump",
        RouteKind::LookingGlass => return false,
    };
    match peer.monitored() {
        Some(_) => {
            monitored::start(head, event_type, event.router_time, out);
            router(peer, out);
            out.string("bmp_msg_type", event.kind.message_type().as_bytes());
        }
        None => {
            common(head, event_type, out);
            session(peer, out);
            if format.has_peer_id {
                out.string("peer_id", peer.id.as_bytes());
            }
        }
    }
    out.long("afi", route.afi.0.into());
    out.long("safi", route.safi.0.into());
    let (mut text, mut nlri) = (Vec::new(), Vec::new());
    let (mut rd, mut label) = (None, None);
    match route.target {
        Target::Prefix { prefix, rd: of_prefix, label: of_prefix_label } => {
            json::prefix(&mut text, &prefix);
            (rd, label) = (of_prefix.map(|rd| rd.to_string().into_bytes()), of_prefix_label);
        }
        Target::Other(octets) => {
            let other = AnyNlri::lenient(route.afi, route.safi, octets);
            json::texts(&other, |name, value| match name {
                "rd" => rd = Some(value),
                name => nlri.push((name.to_owned(), value)),
            });
        }
        Target::EndOfRib => {}
    }
    out.optional_string("ip_prefix", (!text.is_empty()).then_some(text.as_slice()));
    let of_peer = peer.monitored().and_then(|monitored| monitored.rd.as_deref());
    let rd_origin = if rd.is_some() { route.rd_origin } else { "bmp" };
    let rd = rd.as_deref().or(of_peer.map(str::as_bytes));
    out.optional_string("rd", rd);
    out.optional_string("rd_origin", rd.is_some().then_some(rd_origin.as_bytes()));
    let path_id = route.path_id.map(i64::from);
    match event.attributes {
        Some(attributes) => {
            out.raw(attributes.first);
            out.optional_long("as_path_id", path_id);
            out.raw(attributes.second);
        }
        None => no_attributes(format, path_id, out),
    }
    out.optional_map("nlri", &nlri);
    text.clear();
    decimal(&mut text, u64::from(label.unwrap_or(0) >> 4));
    out.optional_string("mpls_label", label.is_some().then_some(text.as_slice()));
    if format.has_roa {
        out.string("roa", &[route.roa.unwrap_or(b'u')]);
    }
    if let Some(monitored) = peer.monitored() {
        monitored::route(monitored, event.tlvs, out);
    }
    tags(format, event.tags, out);
    true
}

/// The fields of the peer of a BGP session.
fn session(peer: &Peer, out: &mut impl Writer) {
    out.string("peer_ip_src", peer.address.as_bytes());
    out.some_int("peer_tcp_port", peer.port_number.into());
}

/// The fields of a BMP router.
pub(crate) fn router(peer: &Peer, out: &mut impl Writer) {
    out.string("bmp_router", peer.address.as_bytes());
    out.some_int("bmp_router_port", peer.port_number.into());
}

/// The fields of attributes in an event that has none.
fn no_attributes(format: &Format, path_id: Option<i64>, out: &mut impl Writer) {
    let list = |out: &mut _, name, as_array| match as_array {
        true => Writer::array(out, name, std::iter::empty()),
        false => Writer::optional_string(out, name, None),
    };
    out.optional_string("bgp_nexthop", None);
    list(out, "as_path", format.as_path_as_array);
    out.optional_long("as_path_id", path_id);
    ["comms", "ecomms", "lcomms"].into_iter().for_each(|name| list(out, name, format.comms_as_array));
    match format.origin_as_number {
        true => out.optional_long("origin", None),
        false => out.optional_string("origin", None),
    }
    ["local_pref", "med", "aigp", "psid_li", "otc"].into_iter().for_each(|name| out.optional_long(name, None));
    out.optional_map("attributes", &[]);
}

/// The fields of an event before or after routes.
pub(crate) fn marker(event: &Marker<'_>, head: &Head<'_>, out: &mut impl Writer) {
    common(head, event.kind.word(), out);
    let is_session = matches!(event.peer.source, Source::Session);
    match is_session {
        true => session(event.peer, out),
        false => router(event.peer, out),
    }
    match event.kind {
        MarkerKind::LogInit | MarkerKind::LogClose => {}
        MarkerKind::DumpInit { period, .. } => out.long("dump_period", period.cast_signed()),
        MarkerKind::DumpClose { .. } if !is_session => {}
        MarkerKind::DumpClose { entries, tables } => {
            out.optional_long("entries", Some(entries.cast_signed()));
            out.some_int("tables", i32::try_from(tables).unwrap_or(i32::MAX));
        }
    }
    tags(event.format, event.tags, out);
}

pub(crate) fn tags(format: &Format, tags: Tags<'_>, out: &mut impl Writer) {
    if !format.has_tags {
        return;
    }
    out.optional_long("tag", tags.tag.map(u64::cast_signed));
    match format.label_as_map {
        true => {
            let pairs = value::label_pairs(tags.label.unwrap_or_default().as_bytes());
            let pairs: Vec<(String, Vec<u8>)> =
                pairs.map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.to_vec())).collect();
            out.optional_map("label", &pairs);
        }
        false => out.optional_string("label", tags.label.map(str::as_bytes)),
    }
}

/// Appends an object whose members `write` appends, each after a comma; nothing if it returns false.
pub(crate) fn as_object(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let start = out.len();
    let is_written = write(out);
    match out.get_mut(start..start + 2) {
        Some(comma) if is_written => {
            // The brace takes the place of the comma before the first member.
            comma.copy_from_slice(b"{ ");
            out.remove(start + 1);
            out.push(b'}');
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}
