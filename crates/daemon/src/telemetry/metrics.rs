//! The figures of telemetry as metrics.

use super::figures::Figure;
use super::node::{Node, Transport};
use super::service::Shared;
#[cfg(feature = "grpc")]
use ::metrics::TELEMETRY_GRPC;
use ::metrics::{Family, Sample, Source, TELEMETRY};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes with series of their own.
const NAMED: usize = 100;

/// Reads the figures for the metrics endpoint.
pub(super) struct Metrics(pub(super) Arc<Shared>);

impl Source for Metrics {
    fn families(&self) -> &'static [Family<'static>] {
        &TELEMETRY
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let figures = &self.0.figures;
        let value = |figure: Option<&Figure>| figure.map_or(0, Figure::get);
        let mut by = |label: &'static str, counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.for_each(|(value, count)| sample(&[(label, value)], count));
        };
        match family {
            0 => sample(&[], figures.accepted.get()),
            1 => by("reason", &mut figures.refused()),
            2 => sample(&[], figures.nodes.get()),
            3 => by("reason", &mut figures.closed()),
            4 => by("transport", &mut figures.messages()),
            5 => by("transport", &mut figures.bytes()),
            6 => by("reason", &mut figures.payloads_invalid()),
            7 => figures.dropped().for_each(|(transport, reason, count)| {
                sample(&[("transport", transport), ("reason", reason)], count);
            }),
            8 => by("reason", &mut figures.losses()),
            9..=10 => sample(&[], value(figures.incomplete.get(family - 9))),
            11 => {
                let transports = [Transport::Udp, Transport::UdpNotif].map(Transport::name);
                by("transport", &mut transports.into_iter().zip(figures.socket_drops.iter().map(Figure::get)));
            }
            12..=14 => sample(&[], value(figures.subscriptions.get(family - 12))),
            15 => sample(&[], figures.undumped.get()),
            16 => self.by_node(|node| node.counts.messages.get(), sample),
            17 => self.by_node(|node| node.counts.bytes.get(), sample),
            18 => self.by_node(|node| node.counts.invalid.get(), sample),
            _ => {}
        }
    }
}

impl Metrics {
    /// Sums by node and transport: a node can have several connections from one port, one after the other.
    fn by_node(&self, count: impl Fn(&Node) -> u64, sample: &mut Sample<'_>) {
        let mut nodes = self.0.nodes();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.counts.messages.get()));
        let mut sums: BTreeMap<(String, Transport), u64> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            let name = if number < NAMED { node.address.to_string() } else { "other".to_owned() };
            *sums.entry((name, node.transport)).or_insert(0) += count(node);
        }
        for ((node, transport), count) in sums {
            sample(&[("node", &node), ("transport", transport.name())], count);
        }
    }
}

/// The counters of gRPC, in the order of [`TELEMETRY_GRPC`]: their names there, and their label.
#[cfg(feature = "grpc")]
const GRPC: [(&str, Option<&str>); 10] = [
    ("connections", None),
    ("connections_refused", Some("reason")),
    ("streams_opened", Some("source")),
    ("streams_ended", Some("reason")),
    ("messages", Some("source")),
    ("message_octets", Some("source")),
    ("messages_ignored", Some("reason")),
    ("messages_undecoded", Some("reason")),
    ("router_errors", None),
    ("targets_unreachable", Some("reason")),
];

/// Reads the counters of gRPC for the metrics endpoint.
#[cfg(feature = "grpc")]
pub(super) struct GrpcMetrics(pub(super) Arc<telemetry_grpc::Counters>);

#[cfg(feature = "grpc")]
impl Source for GrpcMetrics {
    fn families(&self) -> &'static [Family<'static>] {
        &TELEMETRY_GRPC
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let Some((name, label)) = GRPC.get(family) else { return };
        self.0.each(|known, value, count| {
            if known == *name {
                match label {
                    Some(label) => sample(&[(label, value)], count),
                    None => sample(&[], count),
                }
            }
        });
    }
}
