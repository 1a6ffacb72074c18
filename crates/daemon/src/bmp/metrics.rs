//! The figures of BMP as metrics.

use super::api::word;
use super::figures::{MESSAGE_TYPES, by_type};
use super::service::Shared;
use ::metrics::{BMP, Family, Sample, Source};
use rib::SharedRib;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the figures for the metrics endpoint.
pub(super) struct Metrics {
    pub(super) shared: Arc<Shared>,
    /// `None` if no routes are kept.
    pub(super) rib: Option<Arc<SharedRib>>,
}

impl Source for Metrics {
    fn families(&self) -> &'static [Family<'static>] {
        &BMP
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let figures = &self.shared.figures;
        let mut by = |label: &'static str, counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.for_each(|(value, count)| sample(&[(label, value)], count));
        };
        match family {
            0 => sample(&[], figures.accepted.get()),
            1 => by("reason", &mut figures.refused()),
            2 => sample(&[], figures.sessions.get()),
            3 => by("reason", &mut figures.closed()),
            4 => by("type", &mut figures.messages()),
            5 => sample(&[], figures.bytes.get()),
            6 => by("reason", &mut figures.errors()),
            7 => figures.routes.errors("message_lost").for_each(|(reason, action, count)| {
                sample(&[("reason", reason), ("action", action)], count);
            }),
            8 => by("reason", &mut ["peer_bound", "total_bound"].into_iter().zip(figures.routes.dropped())),
            9 => sample(&[], figures.peers_dropped.get()),
            10 => sample(&[], figures.events_dropped.get()),
            11..=12 => {
                let Some(rib) = &self.rib else { return };
                let memory = rib.read().memory();
                let value = if family == 11 { memory.attribute_sets } else { memory.tables + memory.attributes };
                sample(&[], value as u64);
            }
            13 => sample(&[], figures.kafka_messages.get()),
            14 => by("reason", &mut figures.kafka_rejected()),
            15..=18 => self.by_router(family, sample),
            _ => {}
        }
    }
}

impl Metrics {
    /// Sums by router: several sessions can have one address and port, such as those of a router behind two collectors.
    fn by_router(&self, family: usize, sample: &mut Sample<'_>) {
        let mut sums: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        for router in self.shared.routers() {
            let address = router.address.to_string();
            let (peers, ribs, counts, bytes) =
                router.read(|state| (state.peers.len(), state.ribs.clone(), state.counts, state.bytes));
            let mut add = |word, count| *sums.entry((address.clone(), word)).or_insert(0) += count;
            match family {
                15 => add("", peers as u64),
                16 => MESSAGE_TYPES.into_iter().zip(by_type(&counts)).for_each(|(name, count)| add(name, count)),
                17 => add("", bytes),
                _ => {
                    let Some(rib) = &self.rib else { return };
                    // One sample for all peers of a router: there may be thousands.
                    let table = rib.read();
                    for of in &ribs {
                        add(word(of.rib), of.route.id.map_or(0, |id| table.routes_of_peer(id)));
                    }
                }
            }
        }
        for ((router, word), count) in sums {
            match family {
                16 => sample(&[("router", &router), ("type", word)], count),
                18 => sample(&[("router", &router), ("rib", word)], count),
                _ => sample(&[("router", &router)], count),
            }
        }
    }
}
