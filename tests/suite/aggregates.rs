//! Datagrams in, aggregates out.

use crate::support::{NOW, UPTIME, by_fields, collected, model, nfacctd, one, printing, rows, start, template, v5_of, web};
use crate::support::without_event_type;
use netflow::encode::{Message, enterprise, field};
use serde_json::json;
use testkit::output::sum;
use testkit::sockets;
use testkit::traffic::{Flow, Flows, Stream, Version, total};

const FIVE_TUPLE: &str = "src_host, dst_host, src_port, dst_port, proto, flows";

fn five_tuple(flow: &Flow) -> Vec<String> {
    vec![
        flow.source.to_string(),
        flow.destination.to_string(),
        flow.source_port.to_string(),
        flow.destination_port.to_string(),
        flow.protocol.to_string(),
    ]
}

#[test]
fn flows_with_one_key_become_one_aggregate() {
    let datagram = v5_of(&[web(1, 1024, 1, 100), web(2, 1025, 5, 500), web(1, 1026, 2, 50)]);
    assert_eq!(
        rows("src_host, flows", [datagram]),
        [
            json!({"ip_src": "10.0.0.2", "flows": 1, "packets": 5, "bytes": 500}),
            json!({"ip_src": "10.0.0.1", "flows": 2, "packets": 3, "bytes": 150}),
        ]
        .map(sorted)
        .into_iter()
        .collect::<Vec<_>>()
        .tap(|rows| rows.sort_by_key(ToString::to_string))
    );
}

/// Leaves a value as it is; objects keep their keys sorted already.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    value
}

/// A value, changed on the way.
trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> Tap for T {}
