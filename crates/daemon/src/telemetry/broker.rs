//! Messages that do not come from their node itself, but from a Kafka topic or a ZeroMQ socket. Each is a JSON object that names its node:
//!
//! | member | meaning |
//! |---|---|
//! | `telemetry_node` | address of the node; or else |
//! | `collector.grpc.grpcPeer` | the same, as a collector of gRPC writes it |
//! | `telemetry_node_port` | its port, 0 if it is missing |

use super::collector::Collector;
use super::figures::Misfit;
use super::node::Transport;
use super::service::Service;
use ::telemetry::payload::Form;
use ::telemetry::{Encoding, Message};
use runtime::log::Limited;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use std::borrow::Cow;
#[cfg(feature = "zmq")]
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tracing::warn;

/// Minimum time between two log lines about messages.
const RATE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    telemetry_node: Option<Cow<'a, str>>,
    telemetry_node_port: Option<Value>,
    #[serde(borrow)]
    collector: Option<OfCollector<'a>>,
}

#[derive(Deserialize)]
struct OfCollector<'a> {
    #[serde(borrow)]
    grpc: Option<OfGrpc<'a>>,
}

#[derive(Deserialize)]
struct OfGrpc<'a> {
    #[serde(borrow, rename = "grpcPeer")]
    peer: Option<Cow<'a, str>>,
}

/// The node of a message.
fn node_of(octets: &[u8]) -> Result<SocketAddr, Misfit> {
    let origin: Origin<'_> = serde_json::from_slice(octets).map_err(|error| match error.classify() {
        Category::Data if octets.trim_ascii_start().starts_with(b"{") => Misfit::NoNode,
        _ => Misfit::Format,
    })?;
    let of_collector = || origin.collector.as_ref()?.grpc.as_ref()?.peer.as_deref();
    let node = origin.telemetry_node.as_deref().or_else(of_collector).ok_or(Misfit::NoNode)?;
    let ip: IpAddr = node.parse().map_err(|_| Misfit::NoNode)?;
    let port = origin.telemetry_node_port.and_then(|port| u16::try_from(port.as_u64()?).ok());
    Ok(SocketAddr::new(ip.to_canonical(), port.unwrap_or(0)))
}

/// Handles messages of a broker.
pub(super) struct Reader {
    transport: Transport,
    /// The key that enables the input.
    key: &'static str,
    max_message: usize,
    misfit: Limited,
    #[cfg(feature = "zmq")]
    failing: Limited,
}

impl Reader {
    pub(super) fn new(transport: Transport, key: &'static str, service: &Service) -> Self {
        Self {
            transport,
            key,
            max_message: service.settings.max_message,
            misfit: Limited::new(RATE),
            #[cfg(feature = "zmq")]
            failing: Limited::new(RATE),
        }
    }

    /// Handles a message.
    pub(super) fn receive(&self, collector: &mut Collector, service: &Service, octets: &[u8], now: u64) {
        let node = match octets.len() {
            length if length > self.max_message => Err(Misfit::TooLong),
            _ => node_of(octets),
        };
        match node {
            Ok(address) => {
                let Some(node) = collector.node(self.transport, address, now) else {
                    return service.figures().datagrams_refused.add(1);
                };
                let message = Message { encoding: Encoding::Json, octets };
                collector.receive(&node, &message, Form::Value, now);
            }
            Err(why) => self.drop(service, why),
        }
    }

    fn drop(&self, service: &Service, why: Misfit) {
        service.figures().misfit(why);
        let what = match why {
            Misfit::Format => "it is not a JSON object",
            Misfit::NoNode => "telemetry_node is not the address of its node",
            Misfit::TooLong => "it is longer than telemetry_daemon_max_message",
        };
        if let Some(pass) = self.misfit.pass() {
            warn!(held_back = pass.held_back, "{}: a message is dropped: {what}", self.key);
        }
    }

    /// Logs that the broker cannot be reached.
    #[cfg(feature = "zmq")]
    pub(super) fn fail(&self, what: &dyn fmt::Display) {
        if let Some(pass) = self.failing.pass() {
            warn!(held_back = pass.held_back, "{}: {what}", self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_their_node() {
        for (text, node) in [
            (r#"{"telemetry_node":"192.0.2.1","telemetry_node_port":99,"a":[1]}"#, Ok("192.0.2.1:99")),
            (r#" {"a":{}, "telemetry_node":"::ffff:192.0.2.1"}"#, Ok("192.0.2.1:0")),
            (r#"{"telemetry_node":"2001:db8::1","telemetry_node_port":"99"}"#, Ok("[2001:db8::1]:0")),
            (r#"{"collector":{"grpc":{"grpcPeer":"192.0.2.2"}}}"#, Ok("192.0.2.2:0")),
            (r#"{"telemetry_node":"r1"}"#, Err(Misfit::NoNode)),
            (r#"{"telemetry_node":7}"#, Err(Misfit::NoNode)),
            ("{}", Err(Misfit::NoNode)),
            ("[]", Err(Misfit::Format)),
            (r#"{"telemetry_node":"192.0.2.1""#, Err(Misfit::Format)),
            ("", Err(Misfit::Format)),
        ] {
            assert_eq!(node_of(text.as_bytes()), node.map(|node| node.parse().unwrap()), "{text}");
        }
    }
}
