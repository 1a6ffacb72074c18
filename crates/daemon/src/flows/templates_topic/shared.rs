//! The templates of the topic, as the workers see them.

use super::Known;
use crate::flows::templates_file::{Kept, StoredTemplate, Time};
use crate::flows::worker::Learned;
use decode::from_netflow::Sampling;
use netflow::template::Kind;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Changes that are remembered for workers. One that is further behind compares all templates of its exporters.
const CHANGES: usize = 4096;

/// All templates of the topic. Workers look here only if they miss a template, or if a number says that something has changed.
pub(crate) struct Shared {
    state: RwLock<State>,
    /// The number of additions and changes so far.
    version: AtomicU64,
    pub(super) figures: Figures,
}

struct State {
    kept: Kept,
    rates: Rates,
    /// The latest replaced templates and rates, each with the version that it made.
    changes: VecDeque<(u64, IpAddr, Learned)>,
    /// All replacements after this version are in `changes`.
    complete_since: u64,
}

/// Sampling rates by exporter, and by what they apply to.
#[derive(Default)]
struct Rates {
    exporters: BTreeMap<IpAddr, BTreeMap<RateKey, Box<[u8]>>>,
    len: usize,
}

/// Version, domain, template and scope.
type RateKey = (bool, u32, u16, [Option<u64>; 4]);

/// Rates of one exporter.
const RATES_OF_ONE: usize = 4096;
/// Rates of all: some 200 bytes each.
const RATES: usize = 200_000;

impl Rates {
    fn find(&self, exporter: IpAddr, sampling: &Sampling) -> Option<&[u8]> {
        Some(self.exporters.get(&exporter)?.get(&rate_key(sampling))?)
    }

    fn of(&self, exporter: IpAddr) -> impl Iterator<Item = Sampling> {
        let rates = self.exporters.get(&exporter).into_iter().flatten();
        rates.map(|((ipfix, domain, template, scope), record)| Sampling {
            ipfix: *ipfix,
            domain: *domain,
            template: *template,
            scope: *scope,
            record: record.clone(),
        })
    }

    /// Returns false if it finds no room.
    fn insert(&mut self, exporter: IpAddr, sampling: Sampling) -> bool {
        let (key, is_full) = (rate_key(&sampling), self.len >= RATES);
        let rates = self.exporters.entry(exporter).or_default();
        if !rates.contains_key(&key) {
            if is_full || rates.len() >= RATES_OF_ONE {
                return false;
            }
            self.len += 1;
        }
        rates.insert(key, sampling.record);
        true
    }

    /// Forgets exporters without templates.
    fn keep(&mut self, has_templates: impl Fn(IpAddr) -> bool) {
        self.exporters.retain(|exporter, _| has_templates(*exporter));
        self.len = self.exporters.values().map(BTreeMap::len).sum();
    }
}

fn rate_key(sampling: &Sampling) -> RateKey {
    (sampling.ipfix, sampling.domain, sampling.template, sampling.scope)
}

/// What became of the messages of the topic, for statistics.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) templates: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Messages that are not templates.
    pub(super) bad: AtomicU64,
    pub(super) too_old: AtomicU64,
    pub(super) no_room: AtomicU64,
    /// Templates that were written to the topic.
    pub(super) written: AtomicU64,
    /// Templates that were not, for want of room in a queue.
    pub(super) not_written: AtomicU64,
}

impl Figures {
    pub(super) fn line(&self) -> String {
        let figure = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        format!(
            "templates_kafka={} bytes={} written={} dropped_bad={} dropped_too_old={} dropped_no_room={} not_written={}",
            figure(&self.templates),
            figure(&self.bytes),
            figure(&self.written),
            figure(&self.bad),
            figure(&self.too_old),
            figure(&self.no_room),
            figure(&self.not_written)
        )
    }
}

/// Who has learned something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A worker of this collector.
    Own,
    /// Another collector, or an earlier run.
    Others,
}

/// What changed in the topic since a worker looked.
pub(super) enum Changes {
    /// These templates were replaced.
    Some(Vec<(IpAddr, Learned)>),
    /// Too many to tell.
    Unknown,
}

impl Shared {
    pub(super) fn new(bound: usize) -> Self {
        let state =
            State { kept: Kept::new(bound), rates: Rates::default(), changes: VecDeque::new(), complete_since: 0 };
        Self { state: RwLock::new(state), version: AtomicU64::new(0), figures: Figures::default() }
    }

    /// Differs from an earlier value if a template was added or replaced since. One atomic load.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is known already. A template that was announced long before counts as not known.
    pub(super) fn knows(&self, known: &Known, renewal: Time) -> bool {
        let state = self.read();
        match &known.learned {
            Learned::Template(template) => state
                .kept
                .find(known.exporter, template)
                .is_some_and(|(found, seen)| found == template && known.seen.saturating_sub(seen) < renewal),
            Learned::Sampling(sampling) => state.rates.find(known.exporter, sampling) == Some(&*sampling.record),
        }
    }

    /// What is known of exporters, in an order in which data can be decoded: what options data need first.
    pub(super) fn of(&self, exporters: impl Iterator<Item = IpAddr>) -> Vec<(IpAddr, Learned)> {
        let state = self.read();
        let mut all = Vec::new();
        for exporter in exporters {
            let templates = state.kept.of(exporter).cloned();
            let (data, options): (Vec<_>, Vec<_>) = templates.partition(|template| template.kind == Kind::Data);
            all.extend(options.into_iter().map(|template| (exporter, Learned::Template(template))));
            all.extend(state.rates.of(exporter).map(|sampling| (exporter, Learned::Sampling(sampling))));
            all.extend(data.into_iter().map(|template| (exporter, Learned::Template(template))));
        }
        all
    }

    /// The templates that were replaced after `version`.
    pub(super) fn changes(&self, version: u64) -> Changes {
        let state = self.read();
        if version < state.complete_since {
            return Changes::Unknown;
        }
        let later = state.changes.iter().filter(|(made, ..)| *made > version);
        Changes::Some(later.map(|(_, exporter, learned)| (*exporter, learned.clone())).collect())
    }

    /// Adds a template or rate, or replaces the one with its key. Workers learn of replaced ones if they come from another collector:
    /// what one of them has learned, it knows already, and it may have learned more since.
    pub(super) fn insert(&self, known: Known, origin: Origin) {
        let mut state = self.write();
        let state = &mut *state;
        let Known { exporter, learned, seen } = known;
        let (was_known, has_changed) = match learned.clone() {
            Learned::Template(template) => {
                let was_known = state.kept.find(exporter, &template).is_some();
                (was_known, state.kept.insert(StoredTemplate { exporter, template, seen }))
            }
            Learned::Sampling(sampling) => {
                let before = state.rates.find(exporter, &sampling).map(|record| *record == *sampling.record);
                let is_kept = state.rates.insert(exporter, sampling);
                self.figures.no_room.fetch_add(u64::from(!is_kept), Ordering::Relaxed);
                // A worker that knows the exporter lacks a new rate, and misses nothing.
                (true, is_kept && before != Some(true))
            }
        };
        if !has_changed {
            return;
        }
        let version = self.version() + 1;
        if was_known && origin == Origin::Others {
            if state.changes.len() >= CHANGES
                && let Some((made, ..)) = state.changes.pop_front()
            {
                state.complete_since = made;
            }
            state.changes.push_back((version, exporter, learned));
        }
        self.version.store(version, Ordering::Release);
    }

    /// Keeps the bounds at `now`. Returns how many templates found no room.
    pub(super) fn tidy(&self, now: Time, only_if_crowded: bool) -> u64 {
        if only_if_crowded && !self.read().kept.is_crowded() {
            return 0;
        }
        let mut state = self.write();
        let state = &mut *state;
        let (too_old, no_room) = state.kept.trim(now);
        state.rates.keep(|exporter| state.kept.of(exporter).next().is_some());
        let (templates, bytes) = state.kept.len();
        self.figures.too_old.fetch_add(too_old, Ordering::Relaxed);
        self.figures.no_room.fetch_add(no_room, Ordering::Relaxed);
        self.figures.templates.store(templates as u64, Ordering::Relaxed);
        self.figures.bytes.store(bytes as u64, Ordering::Relaxed);
        no_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netflow::template::{Field, Template};

    const NOW: Time = 1_700_000_000_000_000;

    fn of(kind: Kind, id: u16, length: u16) -> Known {
        let template = Template::new(1, id, kind, vec![Field { enterprise: 0, element: 1, length }]);
        Known { exporter: IpAddr::from([192, 0, 2, 1]), learned: Learned::Template(template), seen: NOW }
    }

    fn known(id: u16, length: u16) -> Known {
        of(Kind::Data, id, length)
    }

    fn rate(sampler: u64, octet: u8) -> Known {
        let scope = [Some(sampler), None, None, None];
        let sampling = Sampling { ipfix: true, domain: 1, template: 300, scope, record: [octet].into() };
        Known { learned: Learned::Sampling(sampling), ..known(256, 4) }
    }

    #[test]
    fn replaced_templates_are_changes_and_new_ones_are_not() {
        let shared = Shared::new(1 << 20);
        shared.insert(known(256, 4), Origin::Others);
        shared.insert(known(256, 4), Origin::Others);
        assert_eq!(shared.version(), 1);
        let Changes::Some(changes) = shared.changes(0) else { panic!() };
        assert!(changes.is_empty());
        shared.insert(known(256, 8), Origin::Others);
        let Changes::Some(changes) = shared.changes(1) else { panic!() };
        let Known { exporter, learned, .. } = known(256, 8);
        assert_eq!(changes, [(exporter, learned)]);
        assert!(matches!(shared.changes(2), Changes::Some(changes) if changes.is_empty()));
        assert_eq!(shared.of([exporter].into_iter()).len(), 1);
        // What a worker of this collector has learned, it knows.
        shared.insert(known(256, 9), Origin::Own);
        assert!(matches!(shared.changes(2), Changes::Some(changes) if changes.is_empty()));
        shared.tidy(NOW, false);
        assert!(shared.figures.line().starts_with("templates_kafka=1 "), "{}", shared.figures.line());
    }

    #[test]
    fn rates_come_after_the_templates_that_describe_them_and_before_data() {
        let shared = Shared::new(1 << 20);
        let data = known(256, 4);
        let options = of(Kind::Options { scopes: 1 }, 300, 1);
        for known in [&data, &rate(7, 1), &options, &rate(7, 2), &rate(8, 1)] {
            assert!(!shared.knows(known, Time::MAX));
            shared.insert(known.clone(), Origin::Others);
            assert!(shared.knows(known, Time::MAX));
        }
        let expected = [options, rate(7, 2), rate(8, 1), data].map(|known| (known.exporter, known.learned));
        assert_eq!(shared.of([known(256, 4).exporter].into_iter()), expected);
        let Changes::Some(changes) = shared.changes(1) else { panic!() };
        assert_eq!(changes.len(), 3);
        // They go with the templates.
        shared.tidy(Time::MAX, false);
        assert!(shared.of([known(256, 4).exporter].into_iter()).is_empty());
        assert_eq!(shared.read().rates.len, 0);
    }

    #[test]
    fn rates_are_bounded() {
        let shared = Shared::new(1 << 20);
        (0..RATES_OF_ONE as u64 + 10).for_each(|sampler| shared.insert(rate(sampler, 1), Origin::Others));
        assert_eq!((shared.read().rates.len, shared.figures.no_room.load(Ordering::Relaxed)), (RATES_OF_ONE, 10));
    }

    #[test]
    fn a_reader_that_is_too_late_learns_that() {
        let shared = Shared::new(64 << 20);
        for length in 1..CHANGES as u16 + 10 {
            shared.insert(known(256, length), Origin::Others);
        }
        assert!(matches!(shared.changes(0), Changes::Unknown));
        let Changes::Some(changes) = shared.changes(shared.version() - 100) else { panic!() };
        assert_eq!(changes.len(), 100);
    }
}
