//! The members of monitored peers, and the fields of their routes in Avro.

use super::member::Fields;
use super::{Format, RouteTlvs, words};
use crate::avro::Writer;
use crate::json;
use crate::peer::Monitored;
use ::bmp::peer::{PeerHeader, RibType};
use event_log::Head;
use wire::RouteDistinguisher;

/// `rd_origin` and `pd_origin` of what is in the per-peer header.
pub(crate) const ORIGIN: &str = "bmp";

/// A monitored peer as events show it.
pub(crate) struct Shown {
    pub(crate) rib_type: &'static str,
    rib: RibType,
    is_filtered: bool,
    /// The distinguisher, unless it is zero.
    pub(crate) rd: Option<String>,
    /// The same, with `bmp_daemon_set_pd`.
    pub(crate) pd: Option<String>,
}

impl Shown {
    pub(crate) fn new(format: &Format, header: &PeerHeader) -> Self {
        let rib = header.rib_type();
        let distinguisher = header.distinguisher;
        let text = (distinguisher != RouteDistinguisher::default()).then(|| distinguisher.to_string());
        let (rd, pd) = if format.set_pd { (None, text) } else { (text, None) };
        Self { rib_type: words::rib_type(rib), rib, is_filtered: header.is_filtered(), rd, pd }
    }

    /// The members with flags: those that do not belong to the RIB have no value.
    pub(crate) fn flags(&self) -> [(&'static str, Option<u64>); 5] {
        let is_loc = self.rib == RibType::LocRib;
        let is_out = self.rib.is_out();
        [
            ("is_filtered", Some(self.is_filtered.into())),
            ("is_in", (!is_loc && !is_out).then_some(1)),
            ("is_out", is_out.then_some(1)),
            ("is_loc", is_loc.then_some(1)),
            ("is_post", (!is_loc).then_some(self.rib.is_post_policy().into())),
        ]
    }
}

/// Writes the members of a peer in events that are not routes; `has_type_name` adds `peer_type_str`.
pub(crate) fn peer(format: &Format, header: &PeerHeader, has_type_name: bool, out: &mut impl Fields) {
    let shown = Shown::new(format, header);
    let mut address = Vec::new();
    json::ip(&mut address, header.address);
    out.text("peer_ip", Some(&address));
    out.number("peer_asn", Some(header.asn.0.into()));
    out.number("peer_type", Some(header.peer_type.0.into()));
    if has_type_name {
        out.text("peer_type_str", Some(words::peer_type(header.peer_type).as_bytes()));
    }
    out.text("bmp_rib_type", Some(shown.rib_type.as_bytes()));
    shown.flags().into_iter().for_each(|(name, number)| out.number(name, number));
    out.text("bgp_id", Some(header.bgp_id.to_string().as_bytes()));
    for (name, origin, value) in [("rd", "rd_origin", &shown.rd), ("pd", "pd_origin", &shown.pd)] {
        out.text(name, value.as_ref().map(String::as_bytes));
        out.text(origin, value.as_ref().map(|_| ORIGIN.as_bytes()));
    }
}

/// The fields of a record of a route before those of the router.
pub(crate) fn start(head: &Head<'_>, event_type: &str, router: Option<&str>, out: &mut impl Writer) {
    // Avro has no unsigned numbers; no daemon writes 2^63 events.
    out.long("seq", head.sequence.cast_signed());
    if event_type == "log" {
        out.string("timestamp", router.unwrap_or(head.timestamp).as_bytes());
        out.optional_string("timestamp_arrival", router.is_some().then_some(head.timestamp.as_bytes()));
    } else {
        out.string("timestamp", head.timestamp.as_bytes());
    }
    out.string("event_type", event_type.as_bytes());
    out.string("writer_id", head.writer_id.as_bytes());
}

/// The fields of a record of a route after those that routes of BGP have too.
pub(crate) fn route(peer: &Monitored, tlvs: Option<(&RouteTlvs<'_>, u16)>, out: &mut impl Writer) {
    let Monitored { header, pd, .. } = peer;
    let mut address = Vec::new();
    json::ip(&mut address, header.address);
    // The format does not matter for flags and words.
    let shown = Shown::new(&Format::default(), header);
    out.string("peer_ip", &address);
    out.some_int("peer_tcp_port", 0);
    out.long("peer_asn", header.asn.0.into());
    out.string("bgp_id", header.bgp_id.to_string().as_bytes());
    out.string("bmp_rib_type", shown.rib_type.as_bytes());
    for (name, number) in shown.flags() {
        out.optional_long(name, number.map(u64::cast_signed));
    }
    out.optional_string("pd", pd.as_ref().map(String::as_bytes));
    out.optional_string("pd_origin", pd.as_ref().map(|_| ORIGIN.as_bytes()));
    RouteTlvs::fields(tlvs, out);
}
