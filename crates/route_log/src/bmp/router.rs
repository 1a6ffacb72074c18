//! The router of events, and its monitored peers.

use super::Format;
use super::monitored::{self, Shown};
use crate::Peer;
use crate::json;
use crate::peer::{Monitored, Source};
use ::bmp::peer::{PeerHeader, Timestamp};
use encode::Style;
use encode::time::Clock;
use std::net::IpAddr;

/// A router with a session, with its members rendered.
#[derive(Clone, Debug)]
pub struct Router {
    address: IpAddr,
    peer: Peer,
}

impl Router {
    /// A router by the address and the TCP port that it connected from.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        let mut all = b"\"bmp_router\": \"".to_vec();
        json::ip(&mut all, address);
        all.extend_from_slice(format!("\", \"bmp_router_port\": {port}, ").as_bytes());
        let text = address.to_string();
        let peer = Peer {
            all,
            routes: Vec::new(),
            tail: Vec::new(),
            rd: Vec::new(),
            source: Source::Router(None),
            variables: vec![("bmp_router", text.clone()), ("bmp_router_port", port.to_string())],
            address: text,
            port_number: port,
            id: String::new(),
            index: 0,
            since: 0,
        };
        Self { address, peer }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The peer of events that are about the router alone: [`Marker`](crate::Marker).
    #[must_use]
    pub fn marker(&self) -> &Peer {
        &self.peer
    }

    /// The peer of routes: a monitored peer, and one of its RIBs. The time in the header does not matter.
    #[must_use]
    pub fn peer(&self, format: &Format, header: &PeerHeader) -> Peer {
        let shown = Shown::new(format, header);
        let mut tail = Vec::new();
        json::name(&mut tail, "peer_ip");
        tail.push(b'"');
        json::ip(&mut tail, header.address);
        tail.push(b'"');
        // A router does not tell the port of the peer with its routes.
        json::number(&mut tail, "peer_tcp_port", 0);
        json::number(&mut tail, "peer_asn", header.asn.0.into());
        json::text(&mut tail, "bgp_id", &header.bgp_id.to_string());
        json::text(&mut tail, "bmp_rib_type", shown.rib_type);
        for (name, number) in shown.flags() {
            if let Some(number) = number {
                json::number(&mut tail, name, number);
            }
        }
        let mut rd = Vec::new();
        if let Some(text) = &shown.rd {
            json::text(&mut rd, "rd", text);
            json::text(&mut rd, "rd_origin", monitored::ORIGIN);
        }
        if let Some(text) = &shown.pd {
            json::text(&mut tail, "pd", text);
            json::text(&mut tail, "pd_origin", monitored::ORIGIN);
        }
        let monitored = Monitored { header: *header, rd: shown.rd, pd: shown.pd };
        Peer { tail, rd, source: Source::Router(Some(Box::new(monitored))), ..self.peer.clone() }
    }
}

/// Renders the times of routers.
#[derive(Clone, Debug)]
pub struct Times {
    clock: Clock,
    text: Vec<u8>,
}

impl Times {
    /// A renderer for the format of times of an output.
    #[must_use]
    pub fn new(style: &Style) -> Self {
        Self { clock: Clock::new(style), text: Vec::new() }
    }

    /// A time of a per-peer header; zeros if the router does not know it.
    pub fn of(&mut self, time: Timestamp) -> &str {
        self.text.clear();
        let micros = u64::from(time.seconds) * 1_000_000 + u64::from(time.microseconds);
        self.clock.micros(&mut self.text, micros);
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}
