//! The templates of the topic, as the workers see them.

use crate::flows::templates_file::{Kept, StoredTemplate, Time};
use netflow::template::Template;
use std::collections::VecDeque;
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
    /// The latest replaced templates, each with the version that it made.
    changes: VecDeque<(u64, IpAddr, Template)>,
    /// All replacements after this version are in `changes`.
    complete_since: u64,
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

/// What changed in the topic since a worker looked.
pub(super) enum Changes {
    /// These templates were replaced.
    Some(Vec<(IpAddr, Template)>),
    /// Too many to tell.
    Unknown,
}

impl Shared {
    pub(super) fn new(bound: usize) -> Self {
        let state = State { kept: Kept::new(bound), changes: VecDeque::new(), complete_since: 0 };
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

    /// The template with the key of this one, and when it was announced.
    pub(super) fn find(&self, exporter: IpAddr, template: &Template) -> Option<(Template, Time)> {
        let state = self.read();
        let (found, seen) = state.kept.find(exporter, template)?;
        Some((found.clone(), seen))
    }

    /// The templates of exporters.
    pub(super) fn of(&self, exporters: impl Iterator<Item = IpAddr>) -> Vec<(IpAddr, Template)> {
        let state = self.read();
        let of = |exporter| state.kept.of(exporter).map(move |template| (exporter, template.clone()));
        exporters.flat_map(of).collect()
    }

    /// The templates that were replaced after `version`.
    pub(super) fn changes(&self, version: u64) -> Changes {
        let state = self.read();
        if version < state.complete_since {
            return Changes::Unknown;
        }
        let later = state.changes.iter().filter(|(made, ..)| *made > version);
        Changes::Some(later.map(|(_, exporter, template)| (*exporter, template.clone())).collect())
    }

    /// Adds a template, or replaces the one with its key.
    pub(super) fn insert(&self, known: StoredTemplate) {
        let mut state = self.write();
        let state = &mut *state;
        let before = state.kept.find(known.exporter, &known.template).is_some();
        let (exporter, template) = (known.exporter, before.then(|| known.template.clone()));
        if !state.kept.insert(known) {
            return;
        }
        let version = self.version() + 1;
        if let Some(template) = template {
            if state.changes.len() >= CHANGES
                && let Some((made, ..)) = state.changes.pop_front()
            {
                state.complete_since = made;
            }
            state.changes.push_back((version, exporter, template));
        }
        self.version.store(version, Ordering::Release);
    }

    /// Keeps the bounds at `now`. Returns how many templates found no room.
    pub(super) fn tidy(&self, now: Time, only_if_crowded: bool) -> u64 {
        if only_if_crowded && !self.read().kept.is_crowded() {
            return 0;
        }
        let mut state = self.write();
        let (too_old, no_room) = state.kept.trim(now);
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
    use netflow::template::{Field, Kind};

    const NOW: Time = 1_700_000_000_000_000;

    fn known(host: u8, id: u16, length: u16) -> StoredTemplate {
        let template = Template::new(1, id, Kind::Data, vec![Field { enterprise: 0, element: 1, length }]);
        StoredTemplate { exporter: IpAddr::from([192, 0, 2, host]), template, seen: NOW }
    }

    #[test]
    fn replaced_templates_are_changes_and_new_ones_are_not() {
        let shared = Shared::new(1 << 20);
        shared.insert(known(1, 256, 4));
        shared.insert(known(1, 256, 4));
        assert_eq!(shared.version(), 1);
        let Changes::Some(changes) = shared.changes(0) else { panic!() };
        assert!(changes.is_empty());
        shared.insert(known(1, 256, 8));
        let Changes::Some(changes) = shared.changes(1) else { panic!() };
        let StoredTemplate { exporter, template, .. } = known(1, 256, 8);
        assert_eq!(changes, [(exporter, template)]);
        assert!(matches!(shared.changes(2), Changes::Some(changes) if changes.is_empty()));
        assert_eq!(shared.of([exporter].into_iter()).len(), 1);
        shared.tidy(NOW, false);
        assert!(shared.figures.line().starts_with("templates_kafka=1 "), "{}", shared.figures.line());
    }

    #[test]
    fn one_who_is_too_far_behind_is_told_so() {
        let shared = Shared::new(64 << 20);
        for length in 1..CHANGES as u16 + 10 {
            shared.insert(known(1, 256, length));
        }
        assert!(matches!(shared.changes(0), Changes::Unknown));
        let Changes::Some(changes) = shared.changes(shared.version() - 100) else { panic!() };
        assert_eq!(changes.len(), 100);
    }
}
