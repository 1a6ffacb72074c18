//! The data that all threads of a daemon share: the current snapshots, and the counters of their source.

use crate::aspas::Aspas;
use crate::client::{Fault, Reason, Tally};
use crate::vrps::Vrps;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The current VRPs, replaced as a whole. Without any, all routes are unknown.
#[derive(Debug, Default)]
pub struct Shared {
    vrps: ArcSwap<Vrps>,
    aspas: ArcSwap<Aspas>,
    generation: AtomicU64,
    counters: Counters,
}

impl Shared {
    /// Without VRPs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The current VRPs: for a batch of look-ups, and not to be kept for longer. Waits for nobody and takes some 10 ns.
    pub fn load(&self) -> Guard<Arc<Vrps>> {
        self.vrps.load()
    }

    /// The current VRPs, to be kept.
    pub fn vrps(&self) -> Arc<Vrps> {
        self.vrps.load_full()
    }

    /// The current ASPAs.
    pub fn aspas(&self) -> Arc<Aspas> {
        self.aspas.load_full()
    }

    /// Increases after each replacement of the VRPs: a reader that remembers validities reads it before [`Shared::load`], and forgets them when it
    /// changes.
    pub fn generation(&self) -> u64 {
        self.generation.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Replaces the VRPs, such as by those of a file that was read again.
    pub fn publish(&self, vrps: Arc<Vrps>) {
        self.counters.vrps.store(count(vrps.len()), Relaxed);
        self.counters.last_update.store(runtime::clock::now(), Relaxed);
        self.vrps.store(vrps);
        self.generation.fetch_add(1, std::sync::atomic::Ordering::Release);
    }

    pub(crate) fn publish_aspas(&self, aspas: Arc<Aspas>) {
        self.counters.aspas.store(count(aspas.len()), Relaxed);
        self.aspas.store(aspas);
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Counters of the source of the VRPs. One thread writes them, any may read.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections to caches that were opened.
    pub connections: AtomicU64,
    /// PDUs received.
    pub pdus: AtomicU64,
    /// Serial queries sent.
    pub serial_queries: AtomicU64,
    /// Reset queries sent.
    pub reset_queries: AtomicU64,
    /// Cache Resets received.
    pub cache_resets: AtomicU64,
    /// Notifications received.
    pub notifications: AtomicU64,
    /// Transfers that were completed by an End of Data.
    pub transfers: AtomicU64,
    /// Records that caches announced twice in one transfer.
    pub duplicates: AtomicU64,
    /// Router keys received, which nothing uses.
    pub router_keys: AtomicU64,
    /// Times that data were discarded, because they could not be refreshed before they expired.
    pub expirations: AtomicU64,
    errors: [AtomicU64; Reason::ALL.len()],
    /// Gauge: VRPs.
    pub vrps: AtomicU64,
    /// Gauge: ASPAs.
    pub aspas: AtomicU64,
    /// Gauge: the cache whose data are used, from 1 in the order of the configuration; 0 for none.
    pub serving: AtomicU64,
    /// Gauge: when the VRPs changed last, in microseconds since 1970-01-01 00:00 UTC; 0 for never.
    pub last_update: AtomicU64,
}

impl Counters {
    /// Sessions that ended, by reason.
    pub fn errors(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(&self.errors).map(|(reason, counter)| (reason, counter.load(Relaxed)))
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        self.error(fault.reason());
    }

    pub(crate) fn error(&self, reason: Reason) {
        let counter = Reason::ALL.iter().position(|other| *other == reason).and_then(|at| self.errors.get(at));
        _ = counter.map(|counter| counter.fetch_add(1, Relaxed));
    }

    pub(crate) fn add(&self, tally: &Tally) {
        let Tally {
            pdus,
            serial_queries,
            reset_queries,
            cache_resets,
            notifications,
            transfers,
            duplicates,
            router_keys,
            expirations,
        } = *tally;
        for (counter, number) in [
            (&self.pdus, pdus),
            (&self.serial_queries, serial_queries),
            (&self.reset_queries, reset_queries),
            (&self.cache_resets, cache_resets),
            (&self.notifications, notifications),
            (&self.transfers, transfers),
            (&self.duplicates, duplicates),
            (&self.router_keys, router_keys),
            (&self.expirations, expirations),
        ] {
            counter.fetch_add(number, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrps::Vrp;
    use crate::{Validity, rtr};
    use wire::{Asn, Prefix};

    #[test]
    fn a_snapshot_replaces_the_one_before_as_a_whole() {
        let shared = Shared::new();
        let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
        let before = shared.vrps();
        assert_eq!(shared.load().validity(&prefix, Some(Asn(1))), Validity::Unknown);
        let generation = shared.generation();
        shared.publish(Arc::new(Vrps::new(Vrp::new(prefix, 8, Asn(1)))));
        assert_eq!(shared.load().validity(&prefix, Some(Asn(1))), Validity::Valid);
        assert_eq!(before.validity(&prefix, Some(Asn(1))), Validity::Unknown);
        assert!(shared.generation() > generation);
        assert_eq!(shared.counters().vrps.load(Relaxed), 1);
        assert!(shared.counters().last_update.load(Relaxed) > 0);
    }

    #[test]
    fn faults_are_counted_by_reason() {
        let counters = Counters::default();
        counters.fault(&Fault::Reported(rtr::ErrorCode::INTERNAL_ERROR));
        counters.error(Reason::Connection);
        let counted: Vec<_> = counters.errors().filter(|(_, number)| *number > 0).collect();
        assert_eq!(counted, [(Reason::Reported, 1), (Reason::Connection, 1)]);
    }
}
