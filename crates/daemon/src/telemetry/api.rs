//! Queries over HTTP: `/api/telemetry/nodes`.
//!
//! | parameter | meaning |
//! |---|---|
//! | `node` | address of a node; all nodes without it |
//! | `transport` | `tcp`, `udp`, `udp_notif`, `kafka` or `zmq`; all without it |

use super::node::{Node, Transport};
use super::service::Shared;
use crate::routing::queries::parameters;
use ::metrics::{Pages, Reply};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Where the answers are.
pub(super) const PATH: &str = "/api/telemetry/";

/// Answers queries.
pub(super) struct Api(pub(super) Arc<Shared>);

impl Pages for Api {
    fn answer(&self, path: &str, query: &str) -> Reply {
        match path.strip_prefix(PATH) {
            Some("nodes") => self.nodes(query).unwrap_or_else(Reply::Invalid),
            _ => Reply::NotFound,
        }
    }
}

impl Api {
    fn nodes(&self, text: &str) -> Result<Reply, String> {
        let (mut address, mut transport) = (None, None);
        parameters(text, &["node", "transport"], |name, value| {
            match name {
                "node" => address = Some(value.parse::<IpAddr>().map_err(|_| "an address")?.to_canonical()),
                _ => {
                    let found = Transport::ALL.into_iter().find(|transport| transport.name() == value);
                    transport = Some(found.ok_or("tcp, udp, udp_notif, kafka or zmq")?);
                }
            }
            Ok(())
        })?;
        let is_wanted = |node: &Arc<Node>| {
            address.is_none_or(|address| address == node.address.ip())
                && transport.is_none_or(|transport| transport == node.transport)
        };
        let nodes = self.0.nodes().into_iter().filter(is_wanted);
        let lines: Vec<Vec<u8>> = nodes.map(|node| format!("{}\n", of_node(&node)).into_bytes()).collect();
        Ok(Reply::Lines(Box::new(lines.into_iter())))
    }
}

fn of_node(node: &Node) -> Value {
    let Node { transport, address, since, counts, .. } = node;
    json!({
        "telemetry_node": address.ip(),
        "telemetry_node_port": address.port(),
        "transport": transport.name(),
        "since": since / 1_000_000,
        "last": counts.last.get() / 1_000_000,
        "messages": counts.messages.get(),
        "bytes": counts.bytes.get(),
        "payloads_invalid": counts.invalid.get(),
    })
}
