//! The figures of BGP as metrics.

use super::service::Shared;
use ::metrics::{BGP, Family, Sample, Source};
use correlate::Routes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads the figures for the metrics endpoint.
pub(super) struct Metrics {
    pub(super) shared: Arc<Shared>,
    /// `None` if no routes are kept.
    pub(super) routes: Option<Arc<Routes>>,
    pub(super) rpki: Option<Arc<rpki::Shared>>,
}

impl Source for Metrics {
    fn families(&self) -> &'static [Family<'static>] {
        &BGP
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let figures = &self.shared.figures;
        let mut by = |label: &'static str, counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.for_each(|(value, count)| sample(&[(label, value)], count));
        };
        match family {
            0 => sample(&[], figures.accepted.get()),
            1 => by("reason", &mut figures.rejected()),
            2 => sample(&[], figures.sessions.get()),
            3 => by("reason", &mut figures.closed()),
            4 => by("type", &mut figures.messages()),
            5 => sample(&[], figures.bytes.get()),
            6 => figures.routes.errors("session_reset").for_each(|(reason, action, count)| {
                sample(&[("reason", reason), ("action", action)], count);
            }),
            7 => self.routes_by_peer(sample),
            8 => by("reason", &mut ["peer_bound", "total_bound"].into_iter().zip(figures.routes.dropped())),
            9..=10 => {
                let Some(routes) = &self.routes else { return };
                let memory = routes.rib().read().memory();
                let value = if family == 9 { memory.attribute_sets } else { memory.tables + memory.attributes };
                sample(&[], value as u64);
            }
            11..=12 => {
                let Some(rpki) = &self.rpki else { return };
                let counters = rpki.counters();
                let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                let (vrps, updated) = (read(&counters.vrps), read(&counters.last_update) / 1_000_000);
                sample(&[], if family == 11 { vrps } else { updated });
            }
            13 => by("result", &mut figures.looking_glass.queries()),
            14 => by("reason", &mut figures.looking_glass.closed()),
            _ => {}
        }
    }
}

impl Metrics {
    fn routes_by_peer(&self, sample: &mut Sample<'_>) {
        let Some(routes) = &self.routes else { return };
        for peer in self.shared.peers() {
            // The table is left between two peers.
            let families: Vec<_> = routes.rib().read().families_of_peer(peer.id).collect();
            let address = peer.address.to_string();
            for ((afi, safi), count) in families {
                sample(&[("peer", &address), ("family", &format!("{afi} {safi}"))], count);
            }
        }
    }
}
