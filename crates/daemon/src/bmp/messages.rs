//! The message log: what routers report about themselves, their peers and routes; or their messages as they are, for OpenBMP, or as MRT.

use super::collector::Router;
use crate::routing::log::{Reported, RouteLog};
use crate::routing::peer::RoutePeer;
use crate::routing::table::{RouteTable, write_events};
use crate::routing::tags::tags;
use ::bmp::code::MirroringInformation;
use ::bmp::message::Message;
use ::bmp::mirroring::{Mirrored, RouteMirroring};
use ::bmp::peer::PeerHeader;
use ::bmp::route_monitoring::RouteMonitoring;
use ::bmp::v4::CodePoints;
use bgp::message::MessageType;
use bgp::update::{Decoder, Session, Update};
use bmp_session::Peer;
use event_log::Encoding;
use rib::{Nlri, Route, TableKey};
use route_log::bmp::{Collector, Context, Format, MAX_RECORDS, RawEvent, RouteTlvs, Times};
use route_log::message::MessageEvent;
use route_log::{LogType, MarkerKind};

/// The log.
pub(super) struct MessageLog {
    pub(super) routes: RouteLog,
    /// Renders the clocks of routers.
    pub(super) times: Times,
    pub(super) format: Format,
    /// This collector, for OpenBMP.
    pub(super) collector: Collector,
    pub(super) code_points: CodePoints,
}

impl MessageLog {
    /// Whether the log has events of messages and routes, and not the messages as they are.
    fn has_events(&self) -> bool {
        !matches!(self.routes.encoding(), Encoding::Mrt | Encoding::OpenBmp)
    }

    /// The session of a router begins.
    pub(super) fn connected(&mut self, router: &Router) {
        self.routes.mark(&router.marker, MarkerKind::LogInit);
    }

    /// The session of a router has ended, and its routes are gone.
    pub(super) fn disconnected(&mut self, router: &Router) {
        self.routes.mark(&router.marker, MarkerKind::LogClose);
    }

    /// A message as it was received.
    pub(super) fn raw(&mut self, router: &Router, octets: &[u8]) {
        if self.routes.encoding() != Encoding::OpenBmp || octets.is_empty() {
            return;
        }
        let map = self.routes.tagger().map();
        let group = tags(map.as_deref(), router.marker.address, &[]).label;
        if self.routes.passes(group) {
            let (collector, router) = (&self.collector, &router.listed.shown);
            self.routes.log().add(&RawEvent { collector, router, octets, group });
        }
    }

    /// A message that is an event by itself, or several.
    pub(super) fn record(&mut self, router: &Router, message: &Message<'_>) {
        if let (Encoding::Mrt, Message::PeerUp(up)) = (self.routes.encoding(), message) {
            for (open, is_local) in [(&up.received_open, false), (&up.sent_open, true)] {
                let message = mrt::Message { octets: open.octets(), is_local, asn4: true, has_path_ids: false };
                self.mrt(router, &up.peer, wire::Asn(0), message);
            }
        }
        if !self.has_events() {
            return;
        }
        let map = self.routes.tagger().map();
        let tags = tags(map.as_deref(), router.marker.address, &[]);
        if self.routes.passes(tags.label) {
            let context = Context { format: &self.format, router: &router.listed.shown, tags };
            route_log::bmp::log(self.routes.log(), &mut self.times, &context, message);
        }
    }

    fn mrt(&mut self, router: &Router, header: &PeerHeader, local_asn: wire::Asn, message: mrt::Message<'_>) {
        let peer = header.address;
        let local = match peer {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let session = mrt::Session { peer_asn: header.asn, local_asn, interface: 0, peer, local };
        self.routes.add(&MessageEvent { peer: router.listed.shown.marker(), session, message });
    }

    /// An UPDATE of a peer, and what it has changed.
    pub(super) fn updated(
        &mut self,
        router: &Router,
        peer: &RoutePeer,
        message: &RouteMonitoring<'_>,
        decoding: &Session,
        update: &Update<'_>,
        table: Option<&RouteTable>,
    ) {
        if self.routes.encoding() == Encoding::Mrt {
            let message_octets = mrt::Message {
                octets: message.update.octets(),
                is_local: false,
                asn4: decoding.asn4,
                has_path_ids: !decoding.add_path.is_empty(),
            };
            self.mrt(router, &message.peer, peer.local_as, message_octets);
        }
        if !self.has_events() {
            return;
        }
        let tlvs = RouteTlvs::of(message, &self.code_points);
        let reported = Reported {
            router_time: Some(self.times.of(message.peer.time)),
            tlvs: tlvs.as_ref(),
            number: 1,
            is_mirrored: false,
        };
        write_events(&mut self.routes, peer, update, table, reported);
    }

    /// BGP messages that a router received from a peer, or sent to it, with the routes of UPDATEs. These are not in the RIB: the router
    /// reports routes by route monitoring. UPDATEs are read until there are twice [`MAX_RECORDS`] events. False if some were not.
    pub(super) fn mirrored(
        &mut self,
        router: &Router,
        peer: Option<&Peer>,
        message: &RouteMirroring<'_>,
        decoder: &mut Decoder,
    ) -> bool {
        let begin = self.events();
        self.record(router, &Message::RouteMirroring(*message));
        let is_errored = |item| matches!(item, Mirrored::Information(MirroringInformation::ERRORED_PDU));
        let Some(peer) = peer.filter(|_| self.has_events() && !message.items().any(is_errored)) else {
            return true;
        };
        let decoding = peer.decoding(message.peer.rib_type());
        let route = RoutePeer {
            id: None,
            address: router.marker.address,
            local_as: peer.local_as,
            add_path: decoding.add_path.clone(),
            shown: router.listed.shown.peer(&self.format, &message.peer),
        };
        for item in message.items() {
            let Mirrored::Message(octets) = item else { continue };
            let Ok(Some(mirrored)) = bgp::message::Message::first(octets, true) else { continue };
            if mirrored.kind() != MessageType::UPDATE {
                continue;
            }
            if self.events() - begin >= 2 * MAX_RECORDS as u64 {
                return false;
            }
            // What is wrong with it is the router's business, which gets to know it by other means.
            let Ok(update) = decoder.decode(mirrored.body(), decoding) else { continue };
            let router_time = Some(self.times.of(message.peer.time));
            let reported = Reported { router_time, tlvs: None, number: 1, is_mirrored: true };
            write_events(&mut self.routes, &route, &update, None, reported);
        }
        true
    }

    /// A route whose peer is down.
    pub(super) fn removed(
        &mut self,
        rib: &RoutePeer,
        place: (TableKey, Nlri<'_>),
        route: &Route,
        attributes: &[u8],
    ) {
        if self.has_events() {
            self.routes.removed(rib, LogType::Delete, place, route, attributes, Reported::default());
        }
    }

    /// The number of events that were added so far.
    pub(super) fn events(&self) -> u64 {
        self.routes.events()
    }

    pub(super) fn flush(&mut self) {
        self.routes.flush();
    }

    pub(super) fn reopen(&mut self) {
        self.routes.reopen();
    }

    /// Writes the rest. Returns the number of events that were dropped.
    pub(super) fn end(self) -> u64 {
        self.routes.end()
    }
}
