//! The peer of an event.

use crate::json;
use std::net::{IpAddr, Ipv4Addr};

/// Variables of the peer in names of files, topics and keys.
pub const VARIABLES: &[&str] = &["peer_src_ip", "peer_tcp_port"];

/// The peer of events, with its members rendered.
///
/// For a BGP session, the members are `peer_ip_src`, `peer_tcp_port` and `peer_id`. Events of BMP have those of the router before the
/// event type, and those of the monitored peer after the route ([`crate::bmp::Router`]).
#[derive(Clone, Debug)]
pub struct Peer {
    /// Members of all events, each as `"name": value, `.
    pub(crate) all: Vec<u8>,
    /// Members of routes that follow them, in the same form.
    pub(crate) routes: Vec<u8>,
    /// Members at the end of routes, each as `, "name": value`.
    pub(crate) tail: Vec<u8>,
    /// The route distinguisher of the peer in the same form, for routes that have none themselves.
    pub(crate) rd: Vec<u8>,
    /// What reported the routes.
    pub(crate) source: Source,
    /// For Avro records and names.
    pub(crate) address: String,
    pub(crate) port_number: u16,
    pub(crate) id: String,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// The position in the peers of a dump in MRT.
    pub(crate) index: u16,
    /// When the session was established, in seconds since 1970.
    pub(crate) since: u32,
}

/// What reported the routes of a peer.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The peer itself, by BGP.
    Session,
    /// A router, by BMP; events that are about the router alone have no monitored peer.
    Router(Option<Box<Monitored>>),
}

/// A monitored peer, for Avro records.
#[derive(Clone, Debug)]
pub(crate) struct Monitored {
    pub(crate) header: ::bmp::peer::PeerHeader,
    /// The route distinguisher of the peer, if it is shown as such.
    pub(crate) rd: Option<String>,
    /// The same, if it is shown as `pd`.
    pub(crate) pd: Option<String>,
}

impl Peer {
    /// The monitored peer.
    pub(crate) fn monitored(&self) -> Option<&Monitored> {
        match &self.source {
            Source::Router(monitored) => monitored.as_deref(),
            Source::Session => None,
        }
    }

    /// A peer with a BGP session: its address and TCP port, and its BGP identifier, which is shown if the format has it.
    #[must_use]
    pub fn bgp(format: &crate::Format, address: IpAddr, port: u16, id: Ipv4Addr) -> Self {
        let mut all = b"\"peer_ip_src\": \"".to_vec();
        json::ip(&mut all, address);
        all.extend_from_slice(format!("\", \"peer_tcp_port\": {port}, ").as_bytes());
        let routes = if format.has_peer_id { format!("\"peer_id\": \"{id}\", ") } else { String::new() };
        let address = address.to_string();
        Self {
            all,
            routes: routes.into_bytes(),
            tail: Vec::new(),
            rd: Vec::new(),
            source: Source::Session,
            variables: vec![("peer_src_ip", address.clone()), ("peer_tcp_port", port.to_string())],
            address,
            port_number: port,
            id: id.to_string(),
            index: 0,
            since: 0,
        }
    }

    /// The same, with its position in the peers of a dump in MRT, and with the time at which its session was established, in seconds
    /// since 1970: the time of its routes in MRT.
    #[must_use]
    pub fn with_mrt(self, index: u16, since: u32) -> Self {
        Self { index, since, ..self }
    }

    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.as_str())
    }
}
