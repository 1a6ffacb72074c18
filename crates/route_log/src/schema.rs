//! The Avro schemas of events.
//!
//! | record | events |
//! |---|---|
//! | `bgp_msglog`, `bgp_loginit`, `bgp_logclose` | of a log |
//! | `bgp_dump`, `bgp_dumpinit`, `bgp_dumpclose` | of a dump |
//!
//! A field that an event does not have is null. Fields depend on the configuration ([`Format`]) where JSON members do.

use crate::Format;
use event_log::Schema;

pub(crate) const STRING: &str = r#"{"type":"string"}"#;
pub(crate) const LONG: &str = r#"{"type":"long"}"#;
pub(crate) const INT: &str = r#"{"type":"int"}"#;
pub(crate) const OR_STRING: &str = r#"[{"type":"null"},{"type":"string"}]"#;
pub(crate) const OR_LONG: &str = r#"[{"type":"null"},{"type":"long"}]"#;
pub(crate) const OR_INT: &str = r#"[{"type":"null"},{"type":"int"}]"#;
pub(crate) const STRINGS: &str = r#"{"type":"array","items":{"type":"string"}}"#;
pub(crate) const OR_MAP: &str = r#"[{"type":"null"},{"type":"map","values":{"type":"string"}}]"#;

pub(crate) type Field = (&'static str, &'static str);

/// The schemas of a log: of routes, and of the events before and after them.
#[must_use]
pub fn of_log(format: &Format) -> [Schema; 3] {
    let routes = [&[("log_type", STRING)], common().as_slice(), &peer(), &route(format)].concat();
    let marker = [common().as_slice(), &peer(), tags(format)].concat();
    [record("bgp_msglog", &routes), record("bgp_loginit", &marker), record("bgp_logclose", &marker)]
}

/// The schemas of a dump: of routes, and of the events before and after them.
#[must_use]
pub fn of_dump(format: &Format) -> [Schema; 3] {
    let with = |fields: &[Field]| [common().as_slice(), &peer(), fields, tags(format)].concat();
    let routes = [common().as_slice(), &peer(), &route(format)].concat();
    [
        record("bgp_dump", &routes),
        record("bgp_dumpinit", &with(&[("dump_period", LONG)])),
        record("bgp_dumpclose", &with(&[("entries", OR_LONG), ("tables", OR_INT)])),
    ]
}

pub(crate) const fn common() -> [Field; 4] {
    [("seq", LONG), ("timestamp", STRING), ("event_type", STRING), ("writer_id", STRING)]
}

const fn peer() -> [Field; 2] {
    [("peer_ip_src", STRING), ("peer_tcp_port", OR_INT)]
}

pub(crate) fn tags(format: &Format) -> &'static [Field] {
    match (format.has_tags, format.label_as_map) {
        (false, _) => &[],
        (true, false) => &[("tag", OR_LONG), ("label", OR_STRING)],
        (true, true) => &[("tag", OR_LONG), ("label", OR_MAP)],
    }
}

fn route(format: &Format) -> Vec<Field> {
    let mut fields = Vec::new();
    if format.has_peer_id {
        fields.push(("peer_id", STRING));
    }
    fields.extend(of_route(format));
    fields.extend_from_slice(tags(format));
    fields
}

/// The fields of a route, whatever reported it.
pub(crate) fn of_route(format: &Format) -> Vec<Field> {
    let mut fields = vec![("afi", INT), ("safi", INT), ("ip_prefix", OR_STRING), ("rd", OR_STRING)];
    let path = if format.as_path_as_array { STRINGS } else { OR_STRING };
    fields.extend_from_slice(&[("rd_origin", OR_STRING), ("bgp_nexthop", OR_STRING), ("as_path", path)]);
    fields.push(("as_path_id", OR_LONG));
    let communities = if format.comms_as_array { STRINGS } else { OR_STRING };
    fields.extend_from_slice(&[("comms", communities), ("ecomms", communities), ("lcomms", communities)]);
    fields.push(("origin", if format.origin_as_number { OR_LONG } else { OR_STRING }));
    fields.extend(["local_pref", "med", "aigp", "psid_li", "otc"].map(|name| (name, OR_LONG)));
    // What the families without prefixes have, and the attributes that have no field.
    fields.extend_from_slice(&[("attributes", OR_MAP), ("nlri", OR_MAP), ("mpls_label", OR_STRING)]);
    if format.has_roa {
        fields.push(("roa", STRING));
    }
    fields
}

pub(crate) fn record(name: &'static str, fields: &[Field]) -> Schema {
    let fields: Vec<String> =
        fields.iter().map(|(name, kind)| format!(r#"{{"name":"{name}","type":{kind}}}"#)).collect();
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","));
    Schema { name, text }
}
